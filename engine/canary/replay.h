/*
 * replay.h - the hooks of a logged decision, asked again.
 *
 * With the policies of the log the answers are the same, bit for bit. With another policy in front
 * of them, or with another number in a sample, they say what would have been. What is not in the
 * log is not known: a metric that nobody measured, or traffic that was never sent.
 */
#ifndef SLUICE_CANARY_REPLAY_H
#define SLUICE_CANARY_REPLAY_H

#include "canary/decision_log.h"

struct replay;

struct replay *replay_new(void);
void replay_free(struct replay *replay);
/* A policy of the log; for log_reader.policy. What cannot be compiled is told when it is asked. */
void replay_learn(struct replay *replay, const char *name, const char *hash, const char *text);

/* Asks the recorded call again: `*owned_answer`, or an error as the call had it. False when it
 * cannot be asked (a policy is not in the log). */
bool replay_call(struct replay *replay, const cJSON *decision, const cJSON *call,
		 cJSON **owned_answer, struct error *answered, struct error *err) MUST_CHECK;
/* The same for a judgement of another sample. */
bool replay_judge(struct replay *replay, const cJSON *decision, const cJSON *call,
		  const cJSON *sample, cJSON **owned_answer, struct error *err) MUST_CHECK;
/* The line that answered the call, seen by asking again: "policies/defaults.lua:57"; "" when
 * unknown. */
void replay_place(struct replay *replay, const cJSON *decision, const cJSON *call, char *place,
		  size_t size);

/* What a decision comes to. */
enum result_kind {
	RESULT_GO,	/* start: the release begins */
	RESULT_FAIL,	/* a check failed; `metric` and `number` say which, where it was one */
	RESULT_HOLD,	/* not now */
	RESULT_ROUTE,	/* to `weight`, or one more iteration */
	RESULT_PROMOTE, /* the analysis passed */
	RESULT_PRIMARY, /* the way back: the primary's weight */
	RESULT_ROLL_BACK,
	RESULT_UNKNOWN, /* the log does not say enough */
};
struct result {
	enum result_kind kind;
	double weight; /* of the canary afterwards */
	char metric[80];
	bool has_number;
	double number;
	char text[ERROR_TEXT_MAX]; /* a reason, or what is unknown */
};
/* As it was decided. */
void replay_result(const cJSON *decision, struct result *result);
/* As `policy` would decide, asked before the log's own ones. `failed_checks` and `state` are those
 * that it would have by then: -1 and NULL for those of the log; the state that it keeps from now on
 * goes to `*owned_state` (NULL: as before). */
void replay_under(struct replay *replay, struct policy *policy, const cJSON *decision,
		  int failed_checks, const cJSON *state, struct result *result,
		  cJSON **owned_state);
bool result_equal(const struct result *a, const struct result *b);
void result_text(const struct result *result, struct buf *into);

#endif
