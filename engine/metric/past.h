/*
 * past.h - a live Prometheus asked about a past time, as a metrics port of a simulation.
 *
 * The simulated clock stands still while a question is on its way.
 */
#ifndef SLUICE_METRIC_PAST_H
#define SLUICE_METRIC_PAST_H

#include "loop/loop.h"
#include "ports.h"

/* What the simulation asks at *start_us + t, Prometheus is asked about at_us + t; while *start_us
 * is 0, about at_us. Whatever address a query has, `address` is asked, without the credentials that
 * belong to the other. `start_us` and `address` are borrowed. Freed by ops->free. */
struct metrics *past_metrics(struct loop *simulated, const char *address, const int64_t *start_us,
			     int64_t at_us);

#endif
