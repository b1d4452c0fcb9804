/*
 * obey.h - an operator's command in a tick: taken with the move that does what it asks, or refused
 * with an event.
 *
 * abort, pause, resume, approve and retry are done before anything is converged, so that nothing
 * stands in their way. promote and skip-to wait until the canary is ready, as traffic shall go to
 * it or its like.
 */
#ifndef SLUICE_CANARY_OBEY_H
#define SLUICE_CANARY_OBEY_H

#include "canary/tick.h"

/* Who asked is read with the Canary, when the command does not say it. */
enum step obey_ask_who(struct tick *tick);
/* What is asked, if it was not taken yet. True: the move of this run is made. */
bool obey(struct tick *tick);
/* Nothing is decided for now. */
bool obey_is_paused(const struct tick *tick);
/* Whether this is asked for, and still to be done. */
bool obey_asks(const struct tick *tick, enum command_kind kind);
/* With a canary that is ready. True: the move of this run is made. */
bool obey_when_ready(struct tick *tick);
/* The gate is open by command. */
bool obey_opens(const struct tick *tick, enum people_gate gate);

#endif
