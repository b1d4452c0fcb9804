/*
 * hooks.h - webhooks: what is sent, how often, and what the answer means.
 *
 * A POST of JSON with name, namespace, phase, checksum and metadata. It passed when the last answer
 * is 200, 201 or 202. Broken connections, 429 and 5xx (but 501) are tried again `retries` times,
 * after 1 s, 2 s, 4 s … up to 30 s or as long as the server says.
 */
#ifndef SLUICE_CANARY_HOOKS_H
#define SLUICE_CANARY_HOOKS_H

#include "canary/tick.h"

struct hook_call {
	const char *label; /* unique in the tick */
	const struct webhook_spec *webhook;
	enum phase phase;
	const char *checksum;
	const cJSON *extra; /* metadata of ours, which the webhook's own add to; or NULL */
};

/* STEP_ON: answered; `*passed`, and `why` says what it answered otherwise. STEP_WAIT: not yet. */
enum step hook_call(struct tick *tick, const struct hook_call *call, bool *passed,
		    struct error *why);

/* The body of a call; the caller frees. */
char *hook_payload(const struct tick *tick, const struct hook_call *call);

/* What came back of one try. */
struct hook_answer {
	const struct error *error;
	int status;
	const char *body; /* or NULL */
};
bool hook_has_passed(const struct hook_answer *answer);
bool hook_may_pass_later(const struct hook_answer *answer);
int64_t hook_pause(int tries); /* after the first try, the second, … */
void hook_explain(const char *url, const struct hook_answer *answer, int tries, struct error *why);

/* All webhooks of a type, in their order, up to the first that does not pass: `*failed` is that one
 * or NULL. Each that passed adds the note "<passed_word> check <name> passed" (NULL: no note). */
enum step hooks_run(struct tick *tick, enum webhook_type type, enum phase phase,
		    const char *passed_word, const struct webhook_spec **failed, struct error *why);

#endif
