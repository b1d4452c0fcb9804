/*
 * shared.h - a metrics port before another one: the same question goes out once a second, however
 * many canaries ask it.
 *
 * Questions are the same when provider, address, query, interval, headers and secret are. Whoever
 * asks within a second of the first gets the first's answer, also when that was an error: a store
 * that suffers is not asked more often.
 */
#ifndef SLUICE_METRIC_SHARED_H
#define SLUICE_METRIC_SHARED_H

#include "loop/loop.h"
#include "ports.h"

/* `inner` is owned: freed by ops->free of this. */
struct metrics *shared_metrics(struct loop *loop, struct metrics *owned_inner);

#endif
