/*
 * event.h - what is said of a canary: a Kubernetes event, and the event webhooks.
 *
 * The name of an event derives from the canary's uid and from what is said, so that saying it again
 * after a crash is saying it once. Receivers are told beside the canary (canary/herald.h).
 */
#ifndef SLUICE_CANARY_EVENT_H
#define SLUICE_CANARY_EVENT_H

#include "canary/tick.h"

struct event {
	const char *id; /* unique in the life of the canary: "12", "12/3" */
	uint32_t debt;	/* that it is of: 12 */
	bool warning;
	enum phase phase;
	int64_t time_us;
	const char *checksum;
	const char *text;
};

/* STEP_ON once the API server has it, and its receivers will be told; STEP_END when the API server
 * does not take it (see tick->trouble). */
enum step event_emit(struct tick *tick, const struct event *event);

#endif
