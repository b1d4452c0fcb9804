/*
 * phase_ends.c - how a release ends: promoted, skipped, rolled back or failed.
 */
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/mem.h"
#include "canary/phase_parts.h"
#include "canary/target.h"

/* The target goes to zero: at once, or in its time. */
static void scale_down(struct status *next, const struct situation *situation, const char *checksum)
{
	int64_t delay_us = situation->spec->scale_down_delay_us;
	if (delay_us == 0)
		status_owe(next, DEBT_SCALE_DOWN, next->phase, checksum, situation->now_us);
	else
		next->memory.scale_down_us = situation->now_us + delay_us;
}

/* `text` ends with what is scaled down. */
static void owe_scale_down(struct status *next, const struct situation *situation, bool warning,
			   const char *checksum, const char *text)
{
	char when[DURATION_TEXT_MAX];
	duration_text(situation->spec->scale_down_delay_us, when);
	bool later = situation->spec->scale_down_delay_us > 0;
	status_owe_event(next, warning, next->phase, checksum, situation->now_us, "%s%s%s", text,
			 later ? " in " : "", later ? when : "");
}

void next_remember_good(struct memory *memory)
{
	char good[GOOD_MAX][HASH_TEXT_MAX] = {{0}};
	size_t count = 0;
	text_copy(good[count++], HASH_TEXT_MAX, memory->revision);
	for (size_t i = 0; i < GOOD_MAX && count < GOOD_MAX; i++)
		if (strcmp(memory->good[i], memory->revision) != 0)
			text_copy(good[count++], HASH_TEXT_MAX, memory->good[i]);
	memcpy(memory->good, good, sizeof(good));
}

/* The end of a release that failed. `split` is where traffic stays. */
static void fail(struct status *next, const struct situation *situation, const char *checksum,
		 struct split split)
{
	const struct canary_spec *spec = situation->spec;
	next_enter(next, PHASE_FAILED, situation);
	next->canary_weight = split.canary;
	next->failed_checks = 0;
	next->iterations = 0;
	next->memory.split = split;
	next_set_match(next, NULL);
	next->memory.due_us = 0;
	if (split.canary == 0) {
		char text[DEBT_TEXT_MAX];
		snprintf(text, sizeof(text), "Canary failed! Scaling down %s.%s", spec->name,
			 spec->namespace);
		scale_down(next, situation, checksum);
		owe_scale_down(next, situation, true, checksum, text);
	}
	status_owe(next, DEBT_POST_ROLLOUT, PHASE_FAILED, checksum, situation->now_us);
	next_unpin(next, situation);
}

void next_promote_text(const struct canary_spec *spec, char text[DEBT_TEXT_MAX])
{
	if (spec->target == &target_knative)
		snprintf(text, DEBT_TEXT_MAX, "Making the new revision of %s.%s its primary",
			 spec->target_name, spec->namespace);
	else if (strcmp(spec->target_name, spec->primary_target) == 0)
		snprintf(text, DEBT_TEXT_MAX, "Rolling out %s.%s to all its pods",
			 spec->target_name, spec->namespace);
	else
		snprintf(text, DEBT_TEXT_MAX, "Copying %s.%s template spec to %s.%s",
			 spec->target_name, spec->namespace, spec->primary_target, spec->namespace);
}

void next_skip(struct status *next, const struct situation *situation, const char *checksum)
{
	const struct canary_spec *spec = situation->spec;
	char text[DEBT_TEXT_MAX];
	next_promote_text(spec, text);
	next_owe(next, situation, false, checksum, text);
	status_owe(next, DEBT_PROMOTE, PHASE_PROGRESSING, checksum, situation->now_us);
	next_enter(next, PHASE_SUCCEEDED, situation);
	next_reset_counts(next);
	next->memory.split = (struct split){.primary = 100};
	next->memory.due_us = 0;
	text_copy(next->last_promoted_spec, sizeof(next->last_promoted_spec),
		  next->last_applied_spec);
	next_remember_good(&next->memory);
	scale_down(next, situation, checksum);
	status_owe(next, DEBT_POST_ROLLOUT, PHASE_SUCCEEDED, checksum, situation->now_us);
	snprintf(text, sizeof(text), "Promotion completed! Canary analysis was skipped for %s.%s",
		 spec->target_name, spec->namespace);
	next_owe(next, situation, false, checksum, text);
	next_unpin(next, situation);
	next_alert(next, situation, ALERT_INFO, false,
		   "Canary analysis was skipped, promotion finished.");
}

void next_finish(struct status *next, const struct situation *situation, const char *checksum)
{
	const struct canary_spec *spec = situation->spec;
	next_enter(next, PHASE_SUCCEEDED, situation);
	next->canary_weight = 0;
	next->iterations = 0;
	next->failed_checks = 0;
	next->memory.split = (struct split){.primary = 100};
	next_set_match(next, NULL);
	next->memory.due_us = 0;
	text_copy(next->last_promoted_spec, sizeof(next->last_promoted_spec),
		  next->last_applied_spec);
	next_remember_good(&next->memory);
	scale_down(next, situation, checksum);
	status_owe(next, DEBT_POST_ROLLOUT, PHASE_SUCCEEDED, checksum, situation->now_us);
	char text[DEBT_TEXT_MAX];
	snprintf(text, sizeof(text), "Promotion completed! Scaling down %s.%s", spec->target_name,
		 spec->namespace);
	owe_scale_down(next, situation, false, checksum, text);
	next_unpin(next, situation);
	next_alert(next, situation, ALERT_INFO, false,
		   "Canary analysis completed successfully, promotion finished.");
}

static void alert_of_failure(struct status *next, const struct situation *situation,
			     const struct move *move)
{
	const char *why = move->reason;
	static const char threshold[] = "failed checks threshold reached";
	if (move->kind == MOVE_CANCEL)
		return; /* whoever took the release back knows */
	if (why == NULL)
		next_alert(next, situation, ALERT_ERROR, false, "Progress deadline exceeded %s",
			   move->note_count == 0 ? "" : move->notes[move->note_count - 1].text);
	else if (text_starts(why, threshold))
		next_alert(next, situation, ALERT_ERROR, false, "F%s", why + 1);
	else
		next_alert(next, situation, move->by_hook ? ALERT_WARN : ALERT_ERROR, false,
			   "Rolling back %s", why);
}

void next_roll_back(struct status *next, const struct situation *situation, const struct move *move,
		    const char *checksum)
{
	const struct canary_spec *spec = situation->spec;
	if (move->reason != NULL) {
		char text[DEBT_TEXT_MAX];
		snprintf(text, sizeof(text), "Rolling back %s.%s %s", spec->name, spec->namespace,
			 move->reason);
		next_owe(next, situation, true, checksum, text);
	}
	if (move->restores) {
		char text[DEBT_TEXT_MAX];
		snprintf(text, sizeof(text), "Restoring the former template of %s.%s",
			 spec->primary_target, spec->namespace);
		next_owe(next, situation, false, checksum, text);
		status_owe(next, DEBT_RESTORE, next->phase, checksum, situation->now_us);
	}
	/* A primary that is restored gets the traffic once it is ready. */
	bool stays = situation->stay_on_canary && !move->restores;
	if (stays) {
		char text[DEBT_TEXT_MAX];
		snprintf(text, sizeof(text),
			 "Canary failed! %s.%s keeps all traffic, as %s.%s is not ready",
			 spec->target_name, spec->namespace, spec->primary_target, spec->namespace);
		next_owe(next, situation, true, checksum, text);
	}
	/* There is no copy of them that could be kept from the pods that come again. */
	if (situation->configs != NULL && (next->memory.changed & CHANGED_CONFIG) != 0 &&
	    move->kind != MOVE_CANCEL) {
		char text[DEBT_TEXT_MAX];
		snprintf(text, sizeof(text),
			 "Pods of %s.%s that start read its ConfigMaps and Secrets as they are "
			 "now: put back what was changed in them",
			 spec->target_name, spec->namespace);
		next_owe(next, situation, true, checksum, text);
	}
	alert_of_failure(next, situation, move);
	/* The last backend that works keeps the traffic, whatever was found wrong with it. */
	fail(next, situation, checksum,
	     stays ? (struct split){.canary = 100} : (struct split){.primary = 100});
	if (move->gone)
		next->memory.revision[0] = '\0';
}

void next_fail_promotion(struct status *next, const struct situation *situation,
			 const struct move *move, const char *checksum)
{
	const struct canary_spec *spec = situation->spec;
	const char *why = move->reason == NULL ? "" : move->reason;
	char text[DEBT_TEXT_MAX];
	snprintf(text, sizeof(text), "Promotion of %s.%s failed, primary not ready: %s",
		 spec->target_name, spec->namespace, why);
	next_owe(next, situation, true, checksum, text);
	next_alert(next, situation, ALERT_ERROR, false, "Promotion failed, primary not ready: %s",
		   why);
	fail(next, situation, checksum, (struct split){.canary = 100});
}
