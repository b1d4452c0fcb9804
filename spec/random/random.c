/*
 * random.c - random rollouts against a model of the reference: what the Lua beside this cannot do.
 *
 * Runs main.lua with a module `engine` of two functions: `rehearse` plays a case, which stands in
 * files as a user would write them, with the real engine; `defect` puts one back into the engine,
 * so that it can be seen that the comparison finds it. The program is linked with --wrap for that:
 * the engine knows nothing of it.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cells.h"
#include "base/duration.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "canary/command.h"
#include "canary/converge.h"
#include "canary/hooks.h"
#include "canary/phase.h"
#include "canary/policies.h"
#include "metric/recording.h"
#include "rehearsal/rehearsal.h"
#include "script/value.h"

/* ---- defects ---- */

enum defect {
	SOUND,
	EVENT_LOST,
	FAILURE_NOT_COUNTED,
	ROUTES_KEPT_ON_RESTART,
	WEIGHT_ABOVE,
	GATE_IGNORED,
	SILENT_ROLLBACK,
	ITERATION_SKIPPED,
	TRAFFIC_LEFT,
	NAN_PASSES,
	HOOK_FORGOTTEN,
	STEP_TOO_SOON,
	FAILURES_KEPT,
	PAUSE_IGNORED,
	PAUSE_COUNTS,
	RESTORE_FORGOTTEN,
	APPROVED_TWICE,
	LOST_RETRY,
	ROUTES_RESET,
	SUSPEND_IGNORED,
	ENDLESS_WAIT,
	LOST_REVISION,
	MIRROR_LOOP,
	UNREADY_PRIMARY,
	NO_DEADLINE,
	BLOCKED_FIX,
	NOBODY_LET_GO,
	DEFECTS,
};
/* What it is, and what the cases are about that look for it; NULL: all are. */
static const struct {
	const char *name, *focus;
} defects[DEFECTS] = {
	[SOUND] = {"", NULL},
	[EVENT_LOST] = {"the event of a step is lost", NULL},
	[FAILURE_NOT_COUNTED] = {"the first failed check is not counted", NULL},
	[ROUTES_KEPT_ON_RESTART] = {"a newer revision begins with the traffic of the one before",
				    NULL},
	[WEIGHT_ABOVE] = {"a step goes one above maxWeight", NULL},
	[GATE_IGNORED] = {"confirm-promotion is not asked", NULL},
	[SILENT_ROLLBACK] = {"a rollback says nothing", NULL},
	[ITERATION_SKIPPED] = {"the second iteration is left out", NULL},
	[TRAFFIC_LEFT] = {"a rollback leaves traffic on the canary", NULL},
	[NAN_PASSES] = {"a metric that is NaN passes", NULL},
	[HOOK_FORGOTTEN] = {"post-rollout hooks are not called after a rollback", NULL},
	[STEP_TOO_SOON] = {"a step lasts half its interval", NULL},
	[FAILURES_KEPT] = {"a newer revision begins with the failed checks of the one before",
			   "images"},
	[PAUSE_IGNORED] = {"a pause pauses nothing", "pause"},
	[PAUSE_COUNTS] = {"the time of a pause counts", "resume"},
	[RESTORE_FORGOTTEN] = {"an abort leaves the new revision on the primary", "abort"},
	[APPROVED_TWICE] = {"an approval counts twice", "approve"},
	[LOST_RETRY] = {"a retry starts nothing", "retry"},
	[ROUTES_RESET] = {"an edit in mid-run resets the routes", "threshold"},
	[SUSPEND_IGNORED] = {"what is suspended goes on", "suspend"},
	[ENDLESS_WAIT] = {"failed checks never end a wait for people", "confirm-promotion"},
	[LOST_REVISION] = {"the revision that comes after a failure is lost", "images"},
	[MIRROR_LOOP] = {"mirroring begins again and again", "mirror"},
	[UNREADY_PRIMARY] = {"a promotion that failed gives the primary all traffic", "stuck"},
	[NO_DEADLINE] = {"deadlines are ignored", "stuck"},
	[BLOCKED_FIX] = {"a primary that is broken blocks its own fix", "down"},
	[NOBODY_LET_GO] = {"who keeps to the canary is not let go", "affinity"},
};
static enum defect defect;

static void drop_debts(struct status *status, enum debt_kind kind, uint32_t since)
{
	struct memory *memory = &status->memory;
	size_t kept = 0;
	for (size_t i = 0; i < memory->debt_count; i++)
		if (memory->debts[i].kind != kind || memory->debts[i].id < since)
			memory->debts[kept++] = memory->debts[i];
	memory->debt_count = kept;
}

static bool takes(const struct move *move, enum command_kind kind)
{
	return move->command != NULL && move->refused == NULL && move->command->kind == kind;
}

static void spoil(const struct status *status, const struct situation *situation,
		  const struct move *move, struct status *next)
{
	const struct memory *memory = &status->memory;
	switch (defect) {
	case EVENT_LOST:
		if (move->kind == MOVE_ROUTE)
			drop_debts(next, DEBT_EVENT, memory->next_debt);
		break;
	case FAILURE_NOT_COUNTED:
		if (move->kind == MOVE_FAIL_CHECK && status->failed_checks == 0 &&
		    memory->history_count < 2)
			next->failed_checks = 0;
		break;
	case ROUTES_KEPT_ON_RESTART:
		if (move->kind == MOVE_RESTART)
			next->memory.split = memory->split;
		break;
	case WEIGHT_ABOVE:
		if (move->kind == MOVE_ROUTE && !move->has_iteration &&
		    move->split.canary >= situation->spec->max_weight && move->split.canary < 100)
			next->canary_weight = ++next->memory.split.canary;
		break;
	case SILENT_ROLLBACK:
		if (move->kind == MOVE_ROLL_BACK)
			drop_debts(next, DEBT_EVENT, memory->next_debt);
		break;
	case ITERATION_SKIPPED:
		if (move->kind == MOVE_ROUTE && move->iteration == 2)
			next->iterations = 3;
		break;
	case TRAFFIC_LEFT:
		if (move->kind == MOVE_ROLL_BACK)
			next->memory.split = memory->split;
		break;
	case HOOK_FORGOTTEN:
		if (next->phase == PHASE_FAILED)
			drop_debts(next, DEBT_POST_ROLLOUT, 0);
		break;
	case STEP_TOO_SOON:
		if (move->kind == MOVE_ROUTE)
			next->memory.due_us -= situation->spec->interval_us / 2;
		break;
	case FAILURES_KEPT:
		if (move->kind == MOVE_RESTART)
			next->failed_checks = status->failed_checks;
		break;
	case PAUSE_IGNORED:
		next->memory.paused_us = 0;
		break;
	case PAUSE_COUNTS:
		if (takes(move, COMMAND_RESUME))
			next->memory.due_us = memory->due_us;
		break;
	case RESTORE_FORGOTTEN:
		drop_debts(next, DEBT_RESTORE, 0);
		break;
	case APPROVED_TWICE:
		if (move->kind == MOVE_ROUTE)
			next->memory.approved = memory->approved;
		break;
	case LOST_RETRY:
		if (takes(move, COMMAND_RETRY))
			text_copy(next->memory.revision, sizeof(next->memory.revision),
				  memory->revision);
		break;
	case ROUTES_RESET:
		if (memory->generation != situation->spec->generation)
			next->memory.split = (struct split){.primary = 100};
		break;
	case ENDLESS_WAIT:
		if (status->phase == PHASE_WAITING_PROMOTION)
			next->failed_checks = 0;
		break;
	case LOST_REVISION:
		if (status->phase == PHASE_FAILED && move->kind == MOVE_BEGIN)
			next->phase = PHASE_FAILED;
		break;
	case MIRROR_LOOP:
		if (move->kind == MOVE_ROUTE)
			next->memory.split.mirror = false;
		break;
	case UNREADY_PRIMARY:
		if (move->kind == MOVE_PROMOTION_FAILED) {
			next->memory.split = (struct split){.primary = 100};
			next->canary_weight = 0;
		}
		break;
	case NOBODY_LET_GO:
		next->previous_cookie[0] = '\0';
		break;
	case NO_DEADLINE:
	case BLOCKED_FIX:
	case SUSPEND_IGNORED:
	case SOUND:
	case GATE_IGNORED:
	case NAN_PASSES:
	case DEFECTS:
		break;
	}
}

bool __real_phase_next(const struct status *status, const struct situation *situation,
		       const struct move *move, struct status *next, struct error *err);
bool __wrap_phase_next(const struct status *status, const struct situation *situation,
		       const struct move *move, struct status *next, struct error *err);

bool __wrap_phase_next(const struct status *status, const struct situation *situation,
		       const struct move *move, struct status *next, struct error *err)
{
	if (!__real_phase_next(status, situation, move, next, err))
		return false;
	spoil(status, situation, move, next);
	return true;
}

enum step __real_hooks_run(struct tick *tick, enum webhook_type type, enum phase phase,
			   const char *passed_word, const struct webhook_spec **failed,
			   struct error *why);
enum step __wrap_hooks_run(struct tick *tick, enum webhook_type type, enum phase phase,
			   const char *passed_word, const struct webhook_spec **failed,
			   struct error *why);

enum step __wrap_hooks_run(struct tick *tick, enum webhook_type type, enum phase phase,
			   const char *passed_word, const struct webhook_spec **failed,
			   struct error *why)
{
	if (defect != GATE_IGNORED || type != WEBHOOK_CONFIRM_PROMOTION)
		return __real_hooks_run(tick, type, phase, passed_word, failed, why);
	*failed = NULL;
	return STEP_ON;
}

bool __real_policy_chain_call(const struct policy_chain *chain, enum policy_hook hook,
			      const cJSON *rollout, const cJSON *extra, cJSON **owned_result,
			      struct error *err);
bool __wrap_policy_chain_call(const struct policy_chain *chain, enum policy_hook hook,
			      const cJSON *rollout, const cJSON *extra, cJSON **owned_result,
			      struct error *err);

bool __wrap_policy_chain_call(const struct policy_chain *chain, enum policy_hook hook,
			      const cJSON *rollout, const cJSON *extra, cJSON **owned_result,
			      struct error *err)
{
	bool good = __real_policy_chain_call(chain, hook, rollout, extra, owned_result, err);
	if (defect == NAN_PASSES && good && hook == HOOK_JUDGE &&
	    text_equal(json_string(extra, "kind"), "nan"))
		json_put_string(*owned_result, "verdict", "pass");
	return good;
}

enum readiness __real_converge_ready(const struct tick *tick, enum side side, struct error *why);
enum readiness __wrap_converge_ready(const struct tick *tick, enum side side, struct error *why);

enum readiness __wrap_converge_ready(const struct tick *tick, enum side side, struct error *why)
{
	enum readiness ready = __real_converge_ready(tick, side, why);
	bool spoilt = defect == NO_DEADLINE || (defect == BLOCKED_FIX && side == SIDE_PRIMARY &&
						phase_is_at_rest(tick->status.phase));
	return spoilt && ready == READY_NEVER ? READY_NOT_YET : ready;
}

struct canary_spec *__real_canary_spec_new(const cJSON *object, const struct spec_options *options,
					   struct spec_problems *problems);
struct canary_spec *__wrap_canary_spec_new(const cJSON *object, const struct spec_options *options,
					   struct spec_problems *problems);

struct canary_spec *__wrap_canary_spec_new(const cJSON *object, const struct spec_options *options,
					   struct spec_problems *problems)
{
	struct canary_spec *spec = __real_canary_spec_new(object, options, problems);
	if (defect == SUSPEND_IGNORED && spec != NULL)
		spec->suspend = false;
	return spec;
}

/* engine.defect(n): put back from now on; its name and focus, or nil when there is none. */
static int lua_defect(lua_State *L)
{
	lua_Integer which = luaL_optinteger(L, 1, SOUND);
	if (which < SOUND || which >= DEFECTS)
		return 0;
	defect = (enum defect)which;
	lua_pushstring(L, defects[which].name);
	lua_pushstring(L, defects[which].focus);
	return 2;
}

/* ---- a case ---- */

struct transcript {
	cJSON *items;
	char route[40]; /* as it was told last */
	const struct recording *recording;
	struct loop *loop;
	const int64_t *start_us; /* of the release; 0: not yet */
};

static void add(const struct transcript *transcript, const char *kind, const cJSON *item)
{
	cJSON *copy = cJSON_Duplicate(item, true);
	json_put_string(copy, "kind", kind);
	cJSON_AddItemToArray(transcript->items, copy);
}

static void noted(void *owner, enum note_kind kind, const cJSON *item)
{
	static const char *const kinds[NOTE_KINDS] = {[NOTE_EVENT] = "event",
						      [NOTE_STATUS] = "status",
						      [NOTE_HOOK] = "hook",
						      [NOTE_SAMPLE] = "sample",
						      [NOTE_SCENE] = "scene"};
	add(owner, kinds[kind], item);
}

/* The last of the rules that name both: there may be others, for who keeps to one side. */
static const cJSON *weighted(const cJSON *rules, const char *targets)
{
	const cJSON *rule, *found = NULL;
	cJSON_ArrayForEach(rule, rules)
	{
		if (cJSON_GetArraySize(json_get(rule, targets)) == 2)
			found = rule;
	}
	return found;
}

/* Who came to the canary keeps to it, is let go, or would be sent elsewhere. */
static const char *stickiness(const cJSON *rules)
{
	SCOPED(text) char *text = rules == NULL ? xstrdup("") : json_text(rules);
	const char *cookie = strstr(text, "keeps=");
	char value[40];
	if (strstr(text, "Max-Age=-1") != NULL)
		return " forgets";
	if (cookie == NULL)
		return "";
	cookie += strlen("keeps=");
	snprintf(value, sizeof(value), ".*%.*s", (int)strcspn(cookie, ";"), cookie);
	return strstr(text, value) != NULL ? " sticky" : " sticky to nobody";
}

/* What the routes of Istio, Gateway API and App Mesh carry, whenever that changes. */
static void written(void *owner, const char *path, const cJSON *object)
{
	struct transcript *transcript = owner;
	const char *kind = json_string_or(object, "kind", "");
	const cJSON *rules = json_at(object, "spec.http"), *rule, *target, *targets;
	(void)path;
	if (strcmp(kind, "VirtualRouter") == 0 &&
	    text_equal(json_string(object, "metadata.name"), "podinfo")) {
		rule = NULL;
		targets = json_at(object, "spec.routes[0].httpRoute.action.weightedTargets");
	} else if (strcmp(kind, "VirtualService") == 0 && rules != NULL) {
		rule = weighted(rules, "route");
		targets = json_get(rule, "route");
	} else if (strcmp(kind, "HTTPRoute") == 0) {
		rules = json_at(object, "spec.rules");
		rule = weighted(rules, "backendRefs");
		targets = json_get(rule, "backendRefs");
	} else {
		return;
	}
	long primary = 0, canary = 0;
	cJSON_ArrayForEach(target, targets)
	{
		const char *name = json_string(target, "destination.host");
		if (name == NULL)
			name = json_string(target, "virtualNodeRef.name");
		if (name == NULL)
			name = json_string_or(target, "name", "");
		long weight = json_int(target, "weight", 100);
		if (text_ends(name, "-primary"))
			primary = weight;
		else
			canary = weight;
	}
	const cJSON *filter = json_at(rule, "filters[0].requestMirror");
	bool mirrors = json_get(rule, "mirror") != NULL || filter != NULL;
	char text[sizeof(transcript->route)];
	snprintf(text, sizeof(text), "%ld/%ld%s%s", primary, canary, mirrors ? " mirror" : "",
		 stickiness(rules));
	if (strcmp(text, transcript->route) == 0)
		return;
	text_copy(transcript->route, sizeof(transcript->route), text);
	SCOPED(json) cJSON *item = cJSON_CreateObject();
	json_put_string(item, "split", text);
	int64_t start_us = *transcript->start_us;
	int64_t since_us = start_us == 0 ? -DURATION_SECOND : loop_now(transcript->loop) - start_us;
	json_put_number(item, "at", (double)since_us / 1e6);
	add(transcript, "route", item);
}

/* The recording; and the clock. */
static struct metrics *measure(void *owner, struct loop *loop, const int64_t *start_us)
{
	struct transcript *transcript = owner;
	transcript->loop = loop;
	transcript->start_us = start_us;
	return recording_metrics(loop, transcript->recording, start_us);
}

static cJSON *read_objects(const char *path, struct error *err)
{
	SCOPED(yaml) struct yaml_file *file = yaml_read(path, err);
	if (file == NULL)
		return NULL;
	cJSON *objects = cJSON_CreateArray();
	for (size_t i = 0; i < yaml_count(file); i++)
		cJSON_AddItemToArray(objects, cJSON_Duplicate(yaml_document(file, i), true));
	return objects;
}

/* How the workloads were left. */
static cJSON *left(const struct rehearsal_result *result)
{
	cJSON *workloads = cJSON_CreateObject();
	const cJSON *object;
	cJSON_ArrayForEach(object, result->objects)
	{
		if (!text_equal(json_string(object, "kind"), "Deployment"))
			continue;
		cJSON *workload = cJSON_AddObjectToObject(
			workloads, json_string_or(object, "metadata.name", ""));
		json_put_number(workload, "replicas", json_number(object, "spec.replicas", -1));
		json_put_string(
			workload, "image",
			json_string_or(object, "spec.template.spec.containers[0].image", ""));
	}
	return workloads;
}

static bool play(const char *folder, int64_t lag_us, int64_t limit_us, cJSON *told,
		 struct error *err)
{
	SCOPED(text) char *canary = xasprintf("%s/canary.yaml", folder);
	SCOPED(text) char *scenes = xasprintf("%s/scenario.yaml", folder);
	SCOPED(text) char *metrics = xasprintf("%s/metrics.yaml", folder);
	struct transcript transcript = {.items = cJSON_AddArrayToObject(told, "items")};
	struct rehearsal_result result;
	SCOPED(json) cJSON *objects = read_objects(canary, err);
	struct scenario *scenario = objects == NULL ? NULL : scenario_read(scenes, err);
	struct recording *recording = scenario == NULL ? NULL : recording_read(metrics, err);
	transcript.recording = recording;
	const struct rehearsal_input input = {.objects = objects,
					      .live = measure,
					      .scenario = scenario,
					      .limit_us = limit_us,
					      .lag_us = lag_us,
					      .on_note = noted,
					      .on_write = written,
					      .owner = &transcript};
	bool good = recording != NULL && rehearse(&input, &result, err);
	if (good) {
		json_put_string(told, "phase", result.phase);
		json_put_number(told, "took", (double)result.took_us / 1e6);
		json_put(told, "left", left(&result));
	}
	if (recording != NULL)
		rehearsal_result_fini(&result);
	recording_free(recording);
	scenario_free(scenario);
	return good;
}

/* engine.rehearse(folder, lag in seconds, limit in seconds): {items, phase, took, left}, or nil and
 * why.
 */
static int lua_rehearse(lua_State *L)
{
	const char *folder = luaL_checkstring(L, 1);
	double lag = luaL_checknumber(L, 2), limit = luaL_checknumber(L, 3);
	struct error err = {0};
	cJSON *told = cJSON_CreateObject();
	bool good = play(folder, (int64_t)(lag * 1e6), (int64_t)(limit * 1e6), told, &err);
	if (good)
		value_push(L, told);
	else
		lua_pushnil(L);
	lua_pushstring(L, err.text);
	cJSON_Delete(told);
	return 2;
}

static int open_engine(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"rehearse", lua_rehearse}, {"defect", lua_defect}, {NULL, NULL}};
	luaL_newlib(L, functions);
	return 1;
}

int main(int count, char **arguments)
{
	lua_State *L = luaL_newstate();
	log_setup(LOG_ERROR, false, NULL);
	cells_for_json();
	luaL_openlibs(L);
	luaL_requiref(L, "engine", open_engine, 0);
	lua_pop(L, 1);
	lua_createtable(L, count, 0);
	for (int i = 1; i < count; i++) {
		lua_pushstring(L, arguments[i]);
		lua_rawseti(L, -2, i);
	}
	lua_setglobal(L, "arg");
	bool good = luaL_dofile(L, "spec/random/main.lua") == LUA_OK && lua_toboolean(L, -1);
	if (lua_isstring(L, -1))
		fprintf(stderr, "%s\n", lua_tostring(L, -1));
	lua_close(L);
	return good ? 0 : 1;
}
