/*
 * contest.h - who else writes what a canary needs: named on the object, in the condition
 * "Contested".
 *
 * What we need and somebody changed is put back. When it was as we wanted it before, whoever
 * changed it will do so again (GitOps, an autoscaler, a person), so it is looked for in
 * metadata.managedFields: another manager that has written one of the fields since. The condition
 * stays until the next release begins.
 */
#ifndef SLUICE_CANARY_CONTEST_H
#define SLUICE_CANARY_CONTEST_H

#include "canary/tick.h"

/* Before the object of a kind is written again: `wanted` is what it shall say, or NULL when it
 * belongs to the team and was edited by us before. Never STEP_END. */
enum step contest_look(struct tick *tick, const char *path, const char *kind, const cJSON *wanted);
/* At rest, a target that was scaled to zero and has pods again. It keeps them. Never STEP_END. */
enum step contest_rest(struct tick *tick);
/* With the move that is committed: what was found since the last one. */
void contest_tell(struct tick *tick);

/* Who owns a field that differs, and its path ("spec.http"); NULL: nobody else. `written`: it was
 * as wanted before, though nothing of it is ours any more. Borrowed from `live`. For specs. */
enum { CONTEST_FIELD_MAX = 80 };
const char *contest_owner(const cJSON *live, const cJSON *wanted, bool written,
			  char field[CONTEST_FIELD_MAX]);

#endif
