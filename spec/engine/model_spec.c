/*
 * model_spec.c - every state that a canary can come into, in a small model of its world.
 *
 * The state machine is the engine's own (phase_next); the world beside it is a few bytes: which
 * revision target and primary run, whether they are ready, what the routes carry. A tick is cut
 * into its writes and whatever may happen happens between any two of them, so a crash at any point
 * is among the paths. The order of a tick is told anew here, short enough to be read beside tick.c.
 *
 * Defects of other controllers, put back one at a time, must each be caught.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "canary/phase.h"
#include "spec.h"

enum { NOT_YET, IS_READY, NEVER };
enum { REVISIONS = 3, THRESHOLD = 2, NO_REVISION = 3 };

/* Bytes only: compared and hashed as they are. Shares of the canary: 0, 1 (half), 2 (all). */
struct world {
	uint8_t target_rev, target_up, target, primary_rev, primary;
	uint8_t route, route_mirror;
	uint8_t phase, split, mirror, failed, rev, owes_scale_down;
	uint8_t tried; /* revisions that an analysis began with */
};

enum defect {
	SOUND,
	UNREADY_PRIMARY, /* traffic to a primary that is not ready, after a failed promotion */
	NO_DEADLINE,	 /* deadlines ignored while waiting */
	LOST_REVISION,	 /* a revision lost after a failure */
	MIRROR_LOOP,	 /* an endless mirror loop */
	WEIGHT_ABOVE,	 /* maxWeight above 100 */
	BLOCKED_FIX,	 /* a stable version that blocks its own fix */
	RESTART_LOOP,	 /* a restart loop from a Secret */
	ENDLESS_WAIT,	 /* failed checks that never end a wait */
	SILENT_ROLLBACK,
	RESET_ROUTES, /* routes reset in mid-run */
	LAST_COPY,    /* the last healthy copy is scaled down */
	DEFECTS,
};

struct model {
	enum defect defect;
	bool mirrors;
	struct world *worlds; /* all that were seen, in order */
	size_t count, room;
	uint32_t *table; /* index + 1, by hash */
	size_t table_size;
	const char *broken;
};

/* ---- the worlds that were seen ---- */

static void see(struct model *model, const struct world *world)
{
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

static void breaks(struct model *model, const char *what)
{
	if (model->broken == NULL)
		model->broken = what;
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

static void check_move(struct model *model, const struct world *before, const struct world *after,
		       enum move_kind kind, bool warned)
{
	if (after->phase == PHASE_FAILED && before->phase != PHASE_FAILED && !warned)
		breaks(model, "a rollback without a warning");
	if (kind == MOVE_RESTART && before->target_rev == before->rev)
		breaks(model, "a restart without a change");
	if (kind == MOVE_ROUTE && before->split == after->split && before->mirror == after->mirror)
		breaks(model, "a step that is none");
	if (after->failed > THRESHOLD)
		breaks(model, "more failed checks than the threshold");
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
	const struct move move = {
		.kind = kind,
		.split = {.primary = 100 - 50 * share, .canary = 50 * share, .mirror = mirror},
		.reason = "because"};
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
	if (world->owes_scale_down)
		status_owe(&status, DEBT_SCALE_DOWN, status.phase, "", 1);
	struct world after = *world;
	if (!phase_next(&status, &situation, &move, &next, &err))
		breaks(model, "a move that is not one of its phase");
	after.phase = (uint8_t)next.phase;
	after.failed = (uint8_t)next.failed_checks;
	after.split = (uint8_t)(next.memory.split.canary / 50);
	after.mirror = next.memory.split.mirror;
	for (int i = 0; i <= NO_REVISION; i++)
		if (strcmp(next.memory.revision, revisions[i]) == 0)
			after.rev = (uint8_t)i;
	after.owes_scale_down = false;
	bool warned = false;
	for (size_t i = 0; i < next.memory.debt_count; i++) {
		after.owes_scale_down |= next.memory.debts[i].kind == DEBT_SCALE_DOWN;
		warned |= next.memory.debts[i].kind == DEBT_EVENT && next.memory.debts[i].warning;
	}
	if (kind == MOVE_BEGIN || kind == MOVE_RESTART)
		after.tried |= (uint8_t)(1u << world->target_rev);
	check_move(model, world, &after, kind, warned && model->defect != SILENT_ROLLBACK);
	status_fini(&status);
	status_fini(&next);
	see(model, &after);
}

/* ---- a tick, up to its first write ---- */

/* Waiting for what is past its deadline, with work to do. */
static void await(struct model *model, uint8_t health)
{
	if (health == NEVER)
		breaks(model, "a wait for what never comes");
}

static bool canary_serves(const struct world *world)
{
	return world->target_up && world->target == IS_READY;
}

/* False: the routes are as they shall be, or must stay as they are. */
static bool write_routes(struct model *model, const struct world *world, bool *waits)
{
	struct world after = *world;
	bool harm = (world->split < 2 && world->primary != IS_READY && canary_serves(world)) ||
		    (world->split > 0 && !canary_serves(world) && world->primary == IS_READY);
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
	if (after.route != world->split)
		breaks(model, "routes that say what the status does not");
	if (harm && after.route < world->route && world->primary != IS_READY)
		breaks(model, "traffic to a primary that is not ready");
	if (harm && after.route > world->route && !canary_serves(world))
		breaks(model, "traffic to a canary that is not ready");
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
	if (world->primary != IS_READY || world->route > 0)
		breaks(model, "the last healthy copy is scaled down");
	after.target_up = false;
	after.target = NOT_YET;
	see(model, &after);
	return true;
}

static void at_rest(struct model *model, const struct world *world)
{
	if (world->target_rev == world->rev) {
		if (world->target_rev != world->primary_rev &&
		    (world->tried & 1u << world->target_rev) == 0)
			breaks(model, "a revision is lost");
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
	if (world->primary == NOT_YET && world->split != 2)
		return;
	commit(model, world, MOVE_BEGIN, 0, false);
	commit(model, world, MOVE_WAIT, 0, false);
}

static void check_passed(struct model *model, const struct world *world)
{
	if (model->mirrors && world->split == 0 &&
	    (!world->mirror || model->defect == MIRROR_LOOP)) {
		commit(model, world, MOVE_ROUTE, 0, true);
	} else if (world->split == 0) {
		commit(model, world, MOVE_ROUTE, 1, false);
	} else if (model->defect == WEIGHT_ABOVE) {
		commit(model, world, MOVE_ROUTE, 2, false);
	} else {
		commit(model, world, MOVE_PROMOTE, 0, false);
		commit(model, world, MOVE_WAIT_PROMOTION, 0, false);
	}
}

static void analysis(struct model *model, const struct world *world)
{
	bool carries_all = world->split == 2 && world->primary != IS_READY;
	if (world->target_rev != world->rev || model->defect == RESTART_LOOP) {
		bool promoted = world->target_rev == world->primary_rev;
		commit(model, world, promoted ? MOVE_CANCEL : MOVE_RESTART, 0, false);
		return;
	}
	if (!carries_all && world->primary == NOT_YET)
		return;
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
	if (world->target == NOT_YET)
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

static void tick(struct model *model, const struct world *world)
{
	bool waits;
	if (write_routes(model, world, &waits) || (!waits && pay(model, world, &waits)))
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

/* ---- what may happen between any two writes ---- */

static void happen(struct model *model, const struct world *world)
{
	struct world after;
	for (int rev = 0; rev < REVISIONS; rev++) {
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
	see(model, &after);
}

/* What is wrong somewhere, or NULL when all is well everywhere. */
static const char *explore(enum defect defect, bool mirrors, size_t *states, unsigned *phases)
{
	struct model model = {.defect = defect, .mirrors = mirrors, .table_size = 1u << 20};
	const struct world first = {.phase = PHASE_INITIALIZED, .primary = IS_READY, .tried = 1};
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

SPEC("model: in no state that can be reached does a canary do harm, lose a revision or wait for "
     "ever")
{
	size_t states;
	unsigned phases;
	const char *broken = explore(SOUND, true, &states, &phases);
	EXPECT_TEXT(broken == NULL ? "nothing" : broken, "nothing");
	EXPECT(states > 10000);
	for (enum phase phase = PHASE_INITIALIZED; phase <= PHASE_FAILED; phase++)
		EXPECT((phases & 1u << phase) != 0);
	if (getenv("SLUICE_SPEC_STATES") != NULL)
		printf("%zu states\n", states);
}

SPEC("model: each defect that others had is caught when it is put back")
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
	};
	for (enum defect defect = SOUND + 1; defect < DEFECTS; defect++) {
		size_t states;
		unsigned phases;
		const char *broken = explore(defect, true, &states, &phases);
		EXPECT_TEXT(broken == NULL ? "nothing" : broken, caught[defect]);
	}
}
