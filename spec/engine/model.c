#include "model.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "canary/phase.h"
#include "model_rules.h"
#include "spec.h"

/* ---- the worlds that were seen ---- */

static void see(struct model *model, const struct world *world)
{
	model->acted = true;
	size_t at = hash64(world, sizeof(*world)) & (model->table_size - 1);
	while (model->table[at] != 0) {
		if (memcmp(&model->worlds[model->table[at] - 1], world, sizeof(*world)) == 0)
			return;
		at = (at + 1) & (model->table_size - 1);
	}
	if (model->count * 2 > model->table_size)
		spec_fail(__FILE__, __LINE__, "more than %zu states", model->count);
	if (model->count == model->room) {
		model->room = model->room == 0 ? 1024 : model->room * 2;
		model->worlds = xrealloc(model->worlds, model->room * sizeof(*model->worlds));
	}
	model->worlds[model->count++] = *world;
	model->table[at] = (uint32_t)model->count;
}

/* ---- the state machine ---- */

static const char *const revisions[] = {"r0", "r1", "r2", ""};

static bool is_lost(const struct world *world, enum move_kind kind)
{
	bool starts = kind == MOVE_BEGIN || kind == MOVE_RESTART;
	if (world->split == 2 && world->primary != IS_READY)
		return true;
	return world->primary == NEVER &&
	       (starts || (world->target_up && world->target == IS_READY));
}

bool model_is_promoted(const struct world *world)
{
	return world->phase == PHASE_PROMOTING || world->phase == PHASE_FINALISING;
}

bool model_canary_serves(const struct world *world)
{
	return world->target_up && world->target == IS_READY;
}

static void commit(struct model *model, const struct world *world, enum move_kind kind, int share,
		   bool mirror)
{
	static const struct canary_spec spec = {.name = "a",
						.namespace = "b",
						.target_name = "a",
						.primary_target = "a-primary",
						.interval_us = 10,
						.threshold = THRESHOLD};
	const struct command command = {.kind = model->taking, .digest = "asked"};
	const struct move move = {
		.kind = kind,
		.split = {.primary = 100 - 50 * share, .canary = 50 * share, .mirror = mirror},
		.reason = "because",
		.gated = kind == MOVE_HOLD,
		.restores = model->taking == COMMAND_ABORT && model_is_promoted(world) &&
			    world->primary_rev == world->rev && model->defect != ABORT_FORGETS,
		.command = model->taking == COMMANDS ? NULL : &command,
		.refused = model->refused};
	const struct situation situation = {.spec = &spec,
					    .now_us = 1,
					    .template_hash = revisions[world->target_rev],
					    .revision = revisions[world->target_rev],
					    .policy = "",
					    .policy_after = "",
					    .routed = true,
					    .stay_on_canary = is_lost(world, kind)};
	struct status status, next;
	struct error err = {0};
	status_init(&status);
	status.phase = world->phase;
	status.failed_checks = world->failed;
	status.memory.present = true;
	status.memory.split =
		(struct split){100 - 50 * world->split, 50 * world->split, world->mirror};
	text_copy(status.memory.revision, sizeof(status.memory.revision), revisions[world->rev]);
	status.memory.paused_us = world->paused;
	status.memory.approved = world->approved;
	status.memory.gated = world->gated;
	if (world->owes_scale_down)
		status_owe(&status, DEBT_SCALE_DOWN, status.phase, "", 1);
	if (world->owes_restore)
		status_owe(&status, DEBT_RESTORE, status.phase, "", 1);
	struct world after = *world;
	if (!phase_next(&status, &situation, &move, &next, &err))
		model->broken = "a move that is not one of its phase";
	after.phase = (uint8_t)next.phase;
	after.failed = (uint8_t)next.failed_checks;
	after.split = (uint8_t)(next.memory.split.canary / 50);
	after.mirror = next.memory.split.mirror;
	for (int i = 0; i <= NO_REVISION; i++)
		if (strcmp(next.memory.revision, revisions[i]) == 0)
			after.rev = (uint8_t)i;
	after.paused = next.memory.paused_us != 0;
	after.gated = next.memory.gated;
	if (model->defect != APPROVED_TWICE || next.memory.approved != PEOPLE_NONE)
		after.approved = (uint8_t)next.memory.approved;
	if (strcmp(next.memory.command, "asked") == 0 && model->defect != COMMAND_TWICE)
		after.command = 0;
	if (model->taking == COMMAND_RETRY && model->defect == LOST_RETRY)
		after.rev = world->rev;
	after.owes_scale_down = after.owes_restore = false;
	bool warned = false;
	for (size_t i = 0; i < next.memory.debt_count; i++) {
		after.owes_scale_down |= next.memory.debts[i].kind == DEBT_SCALE_DOWN;
		after.owes_restore |= next.memory.debts[i].kind == DEBT_RESTORE;
		warned |= next.memory.debts[i].kind == DEBT_EVENT && next.memory.debts[i].warning;
	}
	bool unwanted = model->taking == COMMAND_ABORT && model->refused == NULL;
	if (kind == MOVE_BEGIN || kind == MOVE_RESTART || unwanted)
		after.tried |= (uint8_t)(1u << world->target_rev);
	rule_of_moves(model, world, &after, kind, warned && model->defect != SILENT_ROLLBACK);
	rule_of_commands(model, world, &after, kind);
	model->taking = COMMANDS;
	model->refused = NULL;
	status_fini(&status);
	status_fini(&next);
	see(model, &after);
}

/* ---- a tick, up to its first write: told anew, short enough to be read beside tick.c ---- */

/* Waiting for what is past its deadline, with work to do. */
static void await(struct model *model, uint8_t health)
{
	model->waits = true;
	rule_of_waits(model, health);
}

/* False: the routes are as they shall be, or must stay as they are. */
static bool write_routes(struct model *model, const struct world *world, bool *waits)
{
	struct world after = *world;
	bool harm =
		(world->split < 2 && world->primary != IS_READY && model_canary_serves(world)) ||
		(world->split > 0 && !model_canary_serves(world) && world->primary == IS_READY);
	*waits = false;
	if (world->route == world->split && world->route_mirror == world->mirror)
		return false;
	if (harm && (model->defect != UNREADY_PRIMARY || world->primary == IS_READY)) {
		*waits = true;
		return false;
	}
	after.route = world->split;
	after.route_mirror = world->mirror;
	if (model->defect == RESET_ROUTES && world->phase == PHASE_PROGRESSING)
		after.route = 0;
	rule_of_routes(model, world, &after);
	see(model, &after);
	return true;
}

/* The primary runs what it ran before. */
static bool restore(struct model *model, const struct world *world)
{
	struct world after = *world;
	if (!world->owes_restore)
		return false;
	if (world->primary_rev == world->rev && world->former != NO_REVISION) {
		after.primary_rev = world->former;
		after.former = NO_REVISION;
		after.primary = NOT_YET;
	} else {
		after.owes_restore = false;
	}
	see(model, &after);
	return true;
}

static bool pay(struct model *model, const struct world *world, bool *waits)
{
	struct world after = *world;
	*waits = false;
	if (!world->owes_scale_down)
		return false;
	if (!world->target_up) {
		after.owes_scale_down = false;
		see(model, &after);
		return true;
	}
	if (world->primary != IS_READY && model->defect != LAST_COPY) {
		*waits = true;
		return false;
	}
	rule_of_copies(model, world);
	after.target_up = false;
	after.target = NOT_YET;
	see(model, &after);
	return true;
}

static void at_rest(struct model *model, const struct world *world)
{
	if (world->target_rev == world->rev) {
		rule_of_rest(model, world);
		return;
	}
	if (world->target_rev == world->primary_rev) {
		commit(model, world, MOVE_NOTICE_SPEC, 0, false);
		return;
	}
	if (model->defect == LOST_REVISION && world->phase == PHASE_FAILED) {
		commit(model, world, MOVE_NOTICE_SPEC, 0, false);
		return;
	}
	if (model->defect == BLOCKED_FIX && world->primary != IS_READY) {
		await(model, world->primary);
		return;
	}
	if (world->primary == NOT_YET && world->split != 2) {
		await(model, world->primary);
		return;
	}
	commit(model, world, MOVE_BEGIN, 0, false);
	commit(model, world, MOVE_WAIT, 0, false);
}

static void check_passed(struct model *model, const struct world *world)
{
	bool may_gate = model->commands && world->phase == PHASE_PROGRESSING && !world->mirror;
	if (may_gate && world->approved != PEOPLE_INCREASE)
		commit(model, world, MOVE_HOLD, 0, false);
	if (model->mirrors && world->split == 0 &&
	    (!world->mirror || model->defect == MIRROR_LOOP)) {
		commit(model, world, MOVE_ROUTE, 0, true);
	} else if (world->split == 0) {
		commit(model, world, MOVE_ROUTE, 1, false);
	} else if (model->defect == WEIGHT_ABOVE) {
		commit(model, world, MOVE_ROUTE, 2, false);
	} else {
		commit(model, world, MOVE_PROMOTE, 0, false);
		if (world->approved != PEOPLE_PROMOTION)
			commit(model, world, MOVE_WAIT_PROMOTION, 0, false);
	}
}

static bool is_asked(const struct world *world, enum command_kind kind)
{
	return world->command == kind + 1;
}

static bool in_analysis(const struct world *world)
{
	return world->phase == PHASE_PROGRESSING || world->phase == PHASE_WAITING_PROMOTION;
}

/* What a command asks for once the canary is ready. */
static bool obey_when_ready(struct model *model, const struct world *world)
{
	bool promotes = is_asked(world, COMMAND_PROMOTE);
	if (!promotes && !is_asked(world, COMMAND_SKIP_TO))
		return false;
	model->taking = promotes ? COMMAND_PROMOTE : COMMAND_SKIP_TO;
	commit(model, world, promotes ? MOVE_PROMOTE : MOVE_ROUTE, 1, false);
	return true;
}

static const char *refusal(const struct model *model, const struct world *world,
			   enum command_kind kind)
{
	bool newer = in_analysis(world) && world->target_rev != world->rev;
	const char *why = command_refusal((enum phase)world->phase, kind);
	switch (kind) {
	case COMMAND_PROMOTE:
	case COMMAND_SKIP_TO:
		return newer && model->defect != STALE_PROMOTE ? "newer" : why;
	case COMMAND_APPROVE:
		return newer || (world->phase == PHASE_PROGRESSING && !world->gated) ? "no" : why;
	case COMMAND_PAUSE:
		return world->paused ? "paused" : why;
	case COMMAND_RESUME:
		return world->paused ? why : "not paused";
	case COMMAND_RETRY:
		return world->target_rev == world->primary_rev ? "promoted" : why;
	case COMMAND_ABORT:
		return model_is_promoted(world) && world->primary_rev == world->rev &&
				       world->former == NO_REVISION
			       ? "not known"
			       : why;
	case COMMANDS:
		break;
	}
	return why;
}

/* Whether it is answered here and now. */
static bool obey(struct model *model, const struct world *world)
{
	if (world->command == 0)
		return false;
	enum command_kind kind = world->command - 1;
	const char *why = refusal(model, world, kind);
	if (why == NULL && (kind == COMMAND_PROMOTE || kind == COMMAND_SKIP_TO))
		return model->defect == BLIND_PROMOTE && in_analysis(world) &&
		       obey_when_ready(model, world);
	model->taking = kind;
	model->refused = why;
	if (why != NULL || kind != COMMAND_ABORT)
		commit(model, world, MOVE_SETTLE, 0, false);
	else if (world->phase == PHASE_WAITING)
		commit(model, world, MOVE_CANCEL, 0, false);
	else
		commit(model, world, MOVE_ROLL_BACK, 0, false);
	return true;
}

static void analysis(struct model *model, const struct world *world)
{
	bool carries_all = world->split == 2 && world->primary != IS_READY;
	bool stale = model->defect == STALE_PROMOTE && world->command == COMMAND_PROMOTE + 1;
	if ((world->target_rev != world->rev && !stale) || model->defect == RESTART_LOOP) {
		bool promoted = world->target_rev == world->primary_rev;
		commit(model, world, promoted ? MOVE_CANCEL : MOVE_RESTART, 0, false);
		return;
	}
	if (!carries_all && world->primary == NOT_YET) {
		await(model, world->primary);
		return;
	}
	if (!carries_all && world->primary == NEVER) {
		if (model->defect == NO_DEADLINE)
			await(model, world->primary);
		else
			commit(model, world, MOVE_ROLL_BACK, 0, false);
		return;
	}
	if (!world->target_up) {
		struct world after = *world;
		after.target_up = true;
		after.target = NOT_YET;
		see(model, &after);
		return;
	}
	if (world->target == NEVER) {
		if (model->defect == NO_DEADLINE)
			await(model, world->target);
		else
			commit(model, world, MOVE_ROLL_BACK, 0, false);
		return;
	}
	if (world->target == NOT_YET) {
		await(model, world->target);
		return;
	}
	if (obey_when_ready(model, world))
		return;
	bool ends = model->defect != ENDLESS_WAIT || world->phase != PHASE_WAITING_PROMOTION;
	if (world->failed >= THRESHOLD && ends) {
		commit(model, world, MOVE_ROLL_BACK, 0, false);
		return;
	}
	commit(model, world, MOVE_FAIL_CHECK, 0, false);
	check_passed(model, world);
}

static void returning(struct model *model, const struct world *world)
{
	if (world->phase == PHASE_PROMOTING && world->primary_rev != world->rev) {
		struct world after = *world;
		if (world->target_rev != world->rev) {
			commit(model, world, MOVE_RESTART, 0, false);
			return;
		}
		after.former = world->primary_rev;
		after.primary_rev = world->rev;
		after.primary = NOT_YET;
		see(model, &after);
		return;
	}
	if (world->primary == NEVER && model->defect == NO_DEADLINE)
		await(model, world->primary);
	else if (world->primary == NEVER)
		commit(model, world, MOVE_PROMOTION_FAILED, 0, false);
	else if (world->primary == IS_READY && world->phase == PHASE_PROMOTING)
		commit(model, world, MOVE_PRIMARY, 0, false);
	else if (world->primary == IS_READY)
		commit(model, world, MOVE_FINISH, 0, false);
}

static void decide(struct model *model, const struct world *world)
{
	bool waits;
	bool heard = model->defect != COMMAND_UNHEARD || !world->paused;
	if (heard && obey(model, world))
		return;
	if (restore(model, world))
		return;
	if (write_routes(model, world, &waits) || (!waits && pay(model, world, &waits)))
		return;
	model->waits |= waits;
	bool asked = is_asked(world, COMMAND_PROMOTE) || is_asked(world, COMMAND_SKIP_TO);
	if (world->paused && !asked && model->defect != PAUSE_IGNORED)
		return;
	bool rests = phase_is_at_rest(world->phase);
	bool fix =
		rests && world->target_rev != world->rev && world->target_rev != world->primary_rev;
	if (waits && !fix)
		return;
	if (rests)
		at_rest(model, world);
	else if (world->phase == PHASE_WAITING && world->target_rev == world->primary_rev)
		commit(model, world, MOVE_CANCEL, 0, false);
	else if (world->phase == PHASE_WAITING)
		commit(model, world, MOVE_BEGIN, 0, false);
	else if (world->phase == PHASE_PROGRESSING || world->phase == PHASE_WAITING_PROMOTION)
		analysis(model, world);
	else
		returning(model, world);
}

static void tick(struct model *model, const struct world *world)
{
	model->acted = model->waits = false;
	decide(model, world);
	rule_of_answers(model, world);
}

/* ---- what may happen between any two writes ---- */

static void happen(struct model *model, const struct world *world)
{
	struct world after;
	for (int rev = 0; rev < (model->commands ? 2 : REVISIONS); rev++) {
		after = *world;
		after.target_rev = (uint8_t)rev;
		after.target = NOT_YET;
		see(model, &after);
	}
	for (int health = NOT_YET; health <= NEVER; health++) {
		after = *world;
		after.primary = (uint8_t)health;
		see(model, &after);
		after = *world;
		after.target = world->target_up ? (uint8_t)health : NOT_YET;
		see(model, &after);
	}
	after = *world;
	after.route = 1; /* somebody edits them */
	if (!model->commands)
		see(model, &after);
	for (int kind = 0; model->commands && world->command == 0 && kind < COMMANDS; kind++) {
		after = *world;
		after.command = (uint8_t)(kind + 1);
		see(model, &after);
	}
}

const char *model_explore(enum defect defect, bool commands, size_t *states, unsigned *phases)
{
	struct model model = {.defect = defect,
			      .mirrors = !commands,
			      .commands = commands,
			      .taking = COMMANDS,
			      .table_size = 1u << 22};
	const struct world first = {
		.phase = PHASE_INITIALIZED, .primary = IS_READY, .tried = 1, .former = NO_REVISION};
	model.table = xcalloc(model.table_size, sizeof(*model.table));
	see(&model, &first);
	for (size_t i = 0; i < model.count && model.broken == NULL; i++) {
		const struct world world = model.worlds[i];
		tick(&model, &world);
		happen(&model, &world);
	}
	*states = model.count;
	*phases = 0;
	for (size_t i = 0; i < model.count; i++)
		*phases |= 1u << model.worlds[i].phase;
	free(model.worlds);
	free(model.table);
	return model.broken;
}
