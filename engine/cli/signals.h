/*
 * signals.h - SIGTERM and SIGINT, told by the loop.
 */
#ifndef SLUICE_CLI_SIGNALS_H
#define SLUICE_CLI_SIGNALS_H

#include "loop/loop.h"

struct signals;

/* Called for each of them. One at a time in a process; a real loop only. */
typedef void signals_call(void *owner);
struct signals *signals_new(struct loop *loop, signals_call *call, void *owner);
void signals_free(struct signals *signals);

#endif
