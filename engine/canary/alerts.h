/*
 * alerts.h - tells people: alerts that statuses owe, sent beside whatever the canary does next.
 *
 * An alert is known by its canary's uid and its id, and goes to the canary's AlertProviders, or to
 * the one of the flags when the canary names none. A receiver that is down is tried three times in
 * a quarter of a minute; then it is given up, and the canary's next move says so as an event. A
 * rollout never waits for a receiver. What was sent is remembered here until the status does not
 * owe it any more; a crash in between sends it once more. Addresses and tokens are in no message.
 */
#ifndef SLUICE_CANARY_ALERTS_H
#define SLUICE_CANARY_ALERTS_H

#include "canary/spec.h"
#include "canary/status.h"
#include "kube/client.h"
#include "ports.h"

struct alerts;

/* What is about to be sent, rendered; borrowed until the call returns. */
struct told_alert {
	const char *receiver; /* "on-call.test" */
	const char *type, *severity, *message;
	const char *body; /* without secrets of the receiver */
};
typedef void alerts_told(void *owner, const struct told_alert *alert);

/* The receiver of the flags; all borrowed. `driver` NULL: there is none. */
struct alerts_options {
	alerts_told *told; /* of each alert, when it goes out; or NULL */
	void *told_owner;
	const char *driver; /* "slack", "msteams" */
	const char *url, *token, *proxy, *username, *channel;
	const char *cluster; /* a field of every detailed alert; or NULL */
};

/* A canary's alerts are all sent or given up: it can be ticked. */
typedef void alerts_wake(void *owner, const char *namespace, const char *name);

struct alerts *alerts_new(struct kube *kube, struct http *http,
			  const struct alerts_options *options);
void alerts_free(struct alerts *alerts);
void alerts_on_done(struct alerts *alerts, alerts_wake *wake, void *owner);

/* The severities (1 << ALERT_INFO, …) of which somebody wants to be told. `alerts` may be NULL. */
unsigned alerts_wanted(const struct alerts *alerts, const struct canary_spec *spec);
/* Whether an owed alert is done with; sends it when it is new. Receivers that were given up are
 * told in `failures`, one sentence each. */
bool alerts_are_done(struct alerts *alerts, const struct canary_spec *spec,
		     const struct owed_alert *alert, struct buf *failures);
/* The status does not owe alerts below this id any more, but those in `kept`. */
void alerts_forget(struct alerts *alerts, const char *uid, const struct memory *kept);

#endif
