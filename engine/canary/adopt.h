/*
 * adopt.h - a canary that another controller has left, in whatever phase, is taken over as it is.
 */
#ifndef SLUICE_CANARY_ADOPT_H
#define SLUICE_CANARY_ADOPT_H

#include "canary/tick.h"

/* The move that makes its status ours. Its objects are observed; nothing was written yet. */
enum step adopt(struct tick *tick);

#endif
