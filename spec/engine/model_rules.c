#include "model_rules.h"

#include "canary/status.h"

static void breaks(struct model *model, const char *what)
{
	if (model->broken == NULL)
		model->broken = what;
}

void rule_of_moves(struct model *model, const struct world *before, const struct world *after,
		   enum move_kind kind, bool warned)
{
	if (after->phase == PHASE_FAILED && before->phase != PHASE_FAILED && !warned)
		breaks(model, "a rollback without a warning");
	if (kind == MOVE_RESTART && before->target_rev == before->rev)
		breaks(model, "a restart without a change");
	if (kind == MOVE_ROUTE && model->taking == COMMANDS && before->split == after->split &&
	    before->mirror == after->mirror)
		breaks(model, "a step that is none");
	if (after->failed > THRESHOLD)
		breaks(model, "more failed checks than the threshold");
}

void rule_of_commands(struct model *model, const struct world *before, const struct world *after,
		      enum move_kind kind)
{
	bool taken = model->taking != COMMANDS, done = taken && model->refused == NULL;
	bool asked =
		before->command == COMMAND_PROMOTE + 1 || before->command == COMMAND_SKIP_TO + 1;
	if (before->paused && !taken && !asked)
		breaks(model, "a move while it is paused");
	if (taken && after->command != 0)
		breaks(model, "a command that acts twice");
	/* One of the promotion is good for the switch of a blue/green release, too. */
	bool used = kind == MOVE_BEGIN || kind == MOVE_PROMOTE ||
		    (kind == MOVE_ROUTE && before->approved == PEOPLE_INCREASE);
	if (used && before->approved != PEOPLE_NONE && after->approved == before->approved)
		breaks(model, "an approval that counts twice");
	if (!done)
		return;
	if (model->taking == COMMAND_ABORT && after->phase != PHASE_FAILED &&
	    after->phase != PHASE_INITIALIZED)
		breaks(model, "an abort that ends nothing");
	if (model->taking == COMMAND_ABORT && model_is_promoted(before) &&
	    before->primary_rev == before->rev && !after->owes_restore)
		breaks(model, "an abort that leaves the new revision on the primary");
	if (model->taking == COMMAND_PROMOTE &&
	    (before->target != IS_READY || before->target_rev != before->rev))
		breaks(model, "a promotion of what is not ready, or was not meant");
	if (model->taking == COMMAND_RETRY && after->rev == before->target_rev)
		breaks(model, "a retry that starts nothing");
}

void rule_of_routes(struct model *model, const struct world *before, const struct world *after)
{
	bool serves = model_canary_serves(before);
	if (after->route != before->split)
		breaks(model, "routes that say what the status does not");
	if (after->route < before->route && before->primary != IS_READY && serves)
		breaks(model, "traffic to a primary that is not ready");
	if (after->route > before->route && before->primary == IS_READY && !serves)
		breaks(model, "traffic to a canary that is not ready");
}

void rule_of_copies(struct model *model, const struct world *before)
{
	if (before->primary != IS_READY || before->route > 0)
		breaks(model, "the last healthy copy is scaled down");
}

void rule_of_waits(struct model *model, uint8_t health)
{
	if (health == NEVER)
		breaks(model, "a wait for what never comes");
}

void rule_of_rest(struct model *model, const struct world *world)
{
	bool tried = (world->tried & 1u << world->target_rev) != 0;
	if (world->target_rev != world->primary_rev && !tried)
		breaks(model, "a revision is lost");
}

void rule_of_answers(struct model *model, const struct world *world)
{
	if (world->command != 0 && !model->acted && !model->waits)
		breaks(model, "a command without an answer");
}
