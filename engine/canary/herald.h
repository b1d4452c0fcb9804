/*
 * herald.h - tells the receivers of one canary's events what happens, beside whatever it does next.
 *
 * Each receiver is told in order, one thing at a time, and tried again as its webhook says. What is
 * owed is in the status until it is told or given up, so a crash tells it once more; a canary never
 * waits for a receiver. Behind one that is down at most HERALD_LETTERS_MAX wait: the oldest is
 * given up first.
 */
#ifndef SLUICE_CANARY_HERALD_H
#define SLUICE_CANARY_HERALD_H

#include "canary/spec.h"
#include "loop/loop.h"
#include "ports.h"

struct memory;
struct herald;

/* All that was to be told is told, or given up. */
typedef void herald_idle(void *owner, uint64_t id);

struct herald *herald_new(struct loop *loop, struct http *http, herald_idle *idle, void *owner,
			  uint64_t id);
/* What is under way is cancelled. */
void herald_free(struct herald *herald);

/* Once for a label, whose debt it is of. `name` is for the log. */
void herald_tell(struct herald *herald, uint32_t debt, const char *label, const char *name,
		 const struct webhook_spec *receiver, const char *body);
/* Nothing of the debt is still to be told. */
bool herald_is_done(const struct herald *herald, uint32_t debt);
/* The status owes only what is in `kept`. */
void herald_forget(struct herald *herald, const struct memory *kept);

#endif
