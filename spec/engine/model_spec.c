/*
 * model_spec.c - no state of model.h breaks a rule of model_rules.h; each defect breaks one.
 *
 * Commands of operators come at any time, too, in a second run with two revisions.
 */
#include <stdio.h>
#include <stdlib.h>

#include "canary/phase.h"
#include "model.h"
#include "spec.h"

static void expect_sound(bool commands)
{
	size_t states;
	unsigned phases;
	const char *broken = model_explore(SOUND, commands, &states, &phases);
	EXPECT_TEXT(broken == NULL ? "nothing" : broken, "nothing");
	EXPECT(states > 10000);
	for (enum phase phase = PHASE_INITIALIZED; phase <= PHASE_FAILED; phase++)
		EXPECT((phases & 1u << phase) != 0);
	if (getenv("SLUICE_SPEC_STATES") != NULL)
		printf("%zu states\n", states);
}

SPEC("model: in no state that can be reached does a canary do harm, lose a revision or wait for "
     "ever")
{
	expect_sound(false);
}

SPEC("model: nor when any command is given at any time")
{
	expect_sound(true);
}

SPEC("model: each defect that others had is caught when it is put back, and so are some of "
     "commands")
{
	static const char *const caught[DEFECTS] = {
		[SOUND] = NULL,
		[UNREADY_PRIMARY] = "traffic to a primary that is not ready",
		[NO_DEADLINE] = "a wait for what never comes",
		[LOST_REVISION] = "a revision is lost",
		[MIRROR_LOOP] = "a step that is none",
		[WEIGHT_ABOVE] = "a step that is none",
		[BLOCKED_FIX] = "a wait for what never comes",
		[RESTART_LOOP] = "a restart without a change",
		[ENDLESS_WAIT] = "more failed checks than the threshold",
		[SILENT_ROLLBACK] = "a rollback without a warning",
		[RESET_ROUTES] = "routes that say what the status does not",
		[LAST_COPY] = "the last healthy copy is scaled down",
		[PAUSE_IGNORED] = "a move while it is paused",
		[STALE_PROMOTE] = "a promotion of what is not ready, or was not meant",
		[BLIND_PROMOTE] = "a promotion of what is not ready, or was not meant",
		[APPROVED_TWICE] = "an approval that counts twice",
		[LOST_RETRY] = "a retry that starts nothing",
		[ABORT_FORGETS] = "an abort that leaves the new revision on the primary",
		[COMMAND_TWICE] = "a command that acts twice",
		[COMMAND_UNHEARD] = "a command without an answer",
	};
	for (enum defect defect = SOUND + 1; defect < DEFECTS; defect++) {
		size_t states;
		unsigned phases;
		const char *broken = model_explore(defect, defect > LAST_COPY, &states, &phases);
		EXPECT_TEXT(broken == NULL ? "nothing" : broken, caught[defect]);
	}
}
