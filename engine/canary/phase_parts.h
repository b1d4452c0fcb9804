/*
 * phase_parts.h - the edits of a status that moves of the state machine are made of.
 */
#ifndef SLUICE_CANARY_PHASE_PARTS_H
#define SLUICE_CANARY_PHASE_PARTS_H

#include "canary/phase.h"

void next_enter(struct status *next, enum phase phase, const struct situation *situation);
void next_set_match(struct status *next, const cJSON *match);
void next_reset_counts(struct status *next);
/* NULL: none. */
void next_take_slot(struct status *next, const struct situation *situation, const char *slot);
/* What the status is about from now on: the target as it is in this situation. */
void next_take_revision(struct status *next, const struct situation *situation);
void next_owe(struct status *next, const struct situation *situation, bool warning,
	      const char *checksum, const char *text);
void next_alert(struct status *next, const struct situation *situation,
		enum alert_severity severity, bool detailed, const char *format, ...)
	PRINTF_LIKE(5, 6);
/* "Advance podinfo.test canary weight 5" and its relatives, for a ROUTE without words of its own.
 */
void next_owe_advance(struct status *next, const struct situation *situation,
		      const struct move *move, const char *checksum);
/* The text that was pinned is not needed any more. */
void next_unpin(struct status *next, const struct situation *situation);
void next_take_policy(struct status *next, const struct situation *situation, const char *hash);
/* Where traffic is while a new analysis begins. */
void next_start_split(struct status *next, const struct situation *situation);
/* The target is needed again. */
void next_drop_scale_down(struct status *next);
/* Users keep to the canary while it has traffic; afterwards their cookies are taken away. */
void next_follow_sessions(struct status *next, const struct canary_spec *spec);
/* What was owed of a rollout and would undo what its end restores. */
void next_drop_work(struct status *next);
/* "Terminating canary podinfo.test" */
void next_tell(struct status *next, const struct situation *situation, const char *checksum,
	       const char *what);
/* What is promoted can be gone back to. */
void next_remember_good(struct memory *memory);
/* "Copying podinfo.test template spec to podinfo-primary.test" */
void next_promote_text(const struct canary_spec *spec, char text[DEBT_TEXT_MAX]);
void next_roll_back(struct status *next, const struct situation *situation, const struct move *move,
		    const char *checksum);
/* The primary did not come up: the canary keeps the traffic. */
void next_fail_promotion(struct status *next, const struct situation *situation,
			 const struct move *move, const char *checksum);
/* Of one that is promoted: without an analysis, and after it. */
void next_skip(struct status *next, const struct situation *situation, const char *checksum);
void next_finish(struct status *next, const struct situation *situation, const char *checksum);
/* The time of the pause did not pass. Counted at each commit, so that what is set during a pause is
 * not moved by what was before. */
void next_count_pause(struct memory *memory, int64_t now_us);
/* It is taken with this move, and never again. */
bool next_take_command(struct status *next, const struct situation *situation,
		       const struct move *move, const char *checksum, struct error *err) MUST_CHECK;

#endif
