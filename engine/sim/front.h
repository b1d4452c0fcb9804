/*
 * front.h - the in-memory API server over real HTTP, well enough for kubectl and for the daemon.
 *
 * Discovery, tables, watches that stream, and under /prometheus a fake metric store. Plain HTTP,
 * nobody is asked who they are: for one machine, never for a network.
 */
#ifndef SLUICE_SIM_FRONT_H
#define SLUICE_SIM_FRONT_H

#include "net/serve.h"
#include "sim/cluster.h"

struct front;

/* `cluster` is borrowed. A real loop only. */
struct front *front_new(struct loop *loop, struct cluster *cluster,
			const struct serve_options *options, struct error *err) MUST_CHECK;
void front_free(struct front *front);
int front_port(const struct front *front);

#endif
