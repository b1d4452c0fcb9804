/*
 * script.c - drivers in Lua behind the interface of driver.h.
 *
 * Whatever such a driver returns is checked before it is believed: an object without a name, a
 * weight over 100 or a state that there is not are errors of the driver, told with its file.
 */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/words.h"
#include "canary/problems.h"
#include "kube/path.h"
#include "script/driver.h"
#include "script/value.h"
#include "traffic/drivers.h"

struct script {
	struct traffic_driver driver; /* first */
	struct driver *file;
	int table;    /* of its functions */
	cJSON *facts; /* owned: the rest of the table */
};

static struct script *script_of(const struct traffic_view *view)
{
	return (struct script *)(uintptr_t)view->driver;
}

/* ---- what Lua is given ---- */

struct question {
	const struct traffic_view *view;
	const struct split *split; /* or NULL */
	const cJSON *objects;	   /* or NULL */
};

static void set_text(lua_State *L, const char *field, const char *text)
{
	lua_pushstring(L, text);
	lua_setfield(L, -2, field);
}

static void set_number(lua_State *L, const char *field, int number)
{
	lua_pushinteger(L, number);
	lua_setfield(L, -2, field);
}

static void set_json(lua_State *L, const char *field, const cJSON *json)
{
	if (json == NULL)
		lua_newtable(L);
	else
		value_push_exact(L, json);
	lua_setfield(L, -2, field);
}

static void set_spec(lua_State *L, const struct canary_spec *spec, const cJSON *match)
{
	set_text(L, "name", spec->name);
	set_text(L, "namespace", spec->namespace);
	set_text(L, "uid", spec->uid);
	set_text(L, "provider", spec->provider);
	if (spec->ingress_class != NULL)
		set_text(L, "ingress_class", spec->ingress_class);
	set_text(L, "ingress_prefix", spec->ingress_prefix);
	set_text(L, "target", spec->target_name);
	set_text(L, "apex", spec->apex);
	set_text(L, "primary", spec->primary);
	set_text(L, "canary", spec->canary);
	set_number(L, "port", spec->port);
	set_text(L, "port_name", spec->port_name);
	if (spec->target_port != NULL)
		set_json(L, "target_port", spec->target_port);
	set_text(L, "strategy", strategy_name(spec->strategy));
	set_number(L, "iterations", spec->iterations);
	set_number(L, "interval_seconds", (int)(spec->interval_us / DURATION_SECOND));
	set_json(L, "spec", spec->json);
	lua_getfield(L, -1, "spec");
	static const char *const parts[] = {"service", "analysis"};
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (lua_getfield(L, -1, parts[i]) != LUA_TTABLE) {
			lua_pop(L, 1);
			lua_newtable(L);
		}
		lua_setfield(L, -3, parts[i]);
	}
	lua_pop(L, 1);
	set_json(L, "annotations", json_at(spec->object, "metadata.annotations"));
	if (cJSON_GetArraySize(match) > 0)
		set_json(L, "match", match);
}

/* Memory of C that must go even when Lua raises, is made before the call: see ask. */
static int push_question(lua_State *L, void *owner)
{
	const struct question *question = owner;
	const struct traffic_view *view = question->view;
	int count = 1;
	lua_newtable(L);
	set_spec(L, view->spec, view->match);
	if (view->label != NULL) {
		lua_newtable(L);
		set_text(L, "key", view->label->key);
		set_text(L, "value", view->label->value);
		lua_setfield(L, -2, "selector");
	}
	if (view->status != NULL) {
		set_text(L, "phase", phase_name(view->status->phase));
		set_number(L, "iteration", view->status->iterations);
		if (view->status->memory.inventory != NULL)
			set_json(L, "inventory", json_get(view->status->memory.inventory, "was"));
		set_text(L, "cookie", view->status->cookie);
		set_text(L, "previous_cookie", view->status->previous_cookie);
	}
	if (question->split != NULL) {
		lua_newtable(L);
		set_number(L, "primary", question->split->primary);
		set_number(L, "canary", question->split->canary);
		lua_pushboolean(L, question->split->mirror);
		lua_setfield(L, -2, "mirror");
		count++;
	}
	if (question->objects != NULL) {
		value_push_exact(L, question->objects);
		count++;
	}
	return count;
}

/* ---- asking ---- */

static bool ask(const struct traffic_view *view, const char *function, const struct split *split,
		const cJSON *objects, cJSON **owned_answer, struct error *err)
{
	struct script *script = script_of(view);
	SCOPED(json) cJSON *none = cJSON_CreateObject();
	struct question question = {view, split, objects == NULL ? none : objects};
	if (strcmp(function, "check") == 0)
		question.objects = NULL;
	return driver_call(script->file, script->table, function, push_question, &question,
			   owned_answer, err);
}

static bool wrong(const struct traffic_view *view, const char *function, const char *what,
		  struct error *err)
{
	return error_set(err, ERROR_SCRIPT, "%s: %s: %s", driver_path(script_of(view)->file),
			 function, what);
}

/* An empty table of Lua may be either. */
static bool is_list(const cJSON *answer)
{
	return cJSON_IsArray(answer) || (cJSON_IsObject(answer) && answer->child == NULL);
}

static bool needs(const struct traffic_view *view, const cJSON *objects, cJSON *paths,
		  struct error *err)
{
	SCOPED(json) cJSON *answer = NULL;
	const cJSON *path;
	if (!ask(view, "needs", NULL, objects, &answer, err))
		return false;
	if (!is_list(answer))
		return wrong(view, "needs", "must return a list of paths of objects", err);
	cJSON_ArrayForEach(path, answer)
	{
		struct kube_ref ref;
		if (!cJSON_IsString(path) || !kube_path_parse(path->valuestring, &ref) ||
		    ref.name[0] == '\0')
			return wrong(view, "needs", "must return a list of paths of objects", err);
		if (!json_has_text(paths, path->valuestring))
			cJSON_AddItemToArray(paths, cJSON_CreateString(path->valuestring));
	}
	return true;
}

/* A {own, edit, delete} as it must be. */
static bool is_sound(const struct traffic_view *view, const char *function, const cJSON *answer,
		     struct error *err)
{
	char path[KUBE_PATH_MAX];
	struct kube_ref ref;
	const cJSON *item;
	static const char *const words[] = {"own", "edit", "delete", NULL};
	if (!cJSON_IsObject(answer))
		return wrong(view, function, "must return a table", err);
	cJSON_ArrayForEach(item, answer)
	{
		bool known = is_list(item);
		for (size_t i = 0; known && strcmp(words[i], item->string) != 0; i++)
			known = words[i + 1] != NULL;
		if (!known)
			return wrong(view, function,
				     "must return lists: own, edit and delete, and nothing else",
				     err);
	}
	cJSON_ArrayForEach(item, json_get(answer, "own"))
	{
		if (!traffic_path(view->driver, item, path, err))
			return error_set(err, ERROR_SCRIPT,
					 "%s: %s: own must list objects of the kinds that the file "
					 "says; %s %s is none",
					 driver_path(script_of(view)->file), function,
					 json_string_or(item, "apiVersion", "(no apiVersion)"),
					 json_string_or(item, "kind", "(no kind)"));
	}
	cJSON_ArrayForEach(item, json_get(answer, "edit"))
	{
		if (!kube_path_parse(json_string_or(item, "path", ""), &ref) ||
		    !cJSON_IsArray(json_get(item, "patch")))
			return wrong(view, function, "edit must list {path, patch}", err);
	}
	if (cJSON_GetArraySize(json_get(answer, "delete")) > 0 && !view->driver->deletes)
		return wrong(view, function, "deletes what the file does not say: deletes = true",
			     err);
	cJSON_ArrayForEach(item, json_get(answer, "delete"))
	{
		if (!cJSON_IsString(item) || !kube_path_parse(item->valuestring, &ref) ||
		    ref.name[0] == '\0')
			return wrong(view, function, "delete must list paths of objects", err);
	}
	return true;
}

static cJSON *checked(const struct traffic_view *view, const char *function,
		      const struct split *split, const cJSON *objects, struct error *err)
{
	cJSON *answer = NULL;
	if (ask(view, function, split, objects, &answer, err) &&
	    is_sound(view, function, answer, err))
		return answer;
	cJSON_Delete(answer);
	return NULL;
}

static cJSON *desired(const struct traffic_view *view, const struct split *split,
		      const cJSON *objects, struct error *err)
{
	return checked(view, "desired", split, objects, err);
}

static cJSON *restore(const struct traffic_view *view, const cJSON *objects, struct error *err)
{
	return checked(view, "restore", NULL, objects, err);
}

static bool inventory(const struct traffic_view *view, const cJSON *objects,
		      cJSON **owned_inventory, struct error *err)
{
	return ask(view, "inventory", NULL, objects, owned_inventory, err);
}

static bool is_percent(double number)
{
	return number >= 0 && number <= 100 && number == (double)(int)number;
}

/* Nothing is said of what is not there. */
static double weight_of(const cJSON *answer, const char *side)
{
	return json_get(answer, side) == NULL ? 0 : json_number(answer, side, -1);
}

static enum traffic_state observed(const struct traffic_view *view, const cJSON *objects,
				   struct split *split, struct error *why)
{
	static const struct {
		const char *name;
		enum traffic_state state;
		enum error_kind kind;
	} states[] = {
		{"live", TRAFFIC_LIVE, ERROR_NONE},
		{"pending", TRAFFIC_PENDING, ERROR_UNAVAILABLE},
		{"absent", TRAFFIC_ABSENT, ERROR_NOT_FOUND},
		{"broken", TRAFFIC_BROKEN, ERROR_INVALID},
	};
	SCOPED(json) cJSON *answer = NULL;
	*split = (struct split){0};
	if (!ask(view, "observed", NULL, objects, &answer, why))
		return TRAFFIC_BROKEN;
	const char *name = json_string_or(answer, "state", "");
	double primary = weight_of(answer, "primary"), canary = weight_of(answer, "canary");
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		if (strcmp(states[i].name, name) != 0)
			continue;
		if (!is_percent(primary) || !is_percent(canary)) {
			wrong(view, "observed", "weights must be whole numbers from 0 to 100", why);
			return TRAFFIC_BROKEN;
		}
		split->primary = (int)primary;
		split->canary = (int)canary;
		split->mirror = json_bool(answer, "mirror", false);
		if (states[i].state != TRAFFIC_LIVE)
			error_set(why, states[i].kind, "%s",
				  json_string_or(answer, "why", "the driver does not say why"));
		return states[i].state;
	}
	wrong(view, "observed", "the state must be live, pending, absent or broken", why);
	return TRAFFIC_BROKEN;
}

static void check(const struct traffic_view *view, struct spec_problems *problems)
{
	SCOPED(json) cJSON *answer = NULL;
	static const char must[] = "must return a list of {path, text}";
	struct error err = {0};
	const cJSON *item;
	(void)!ask(view, "check", NULL, NULL, &answer, &err);
	if (answer != NULL && !is_list(answer))
		(void)!wrong(view, "check", must, &err);
	cJSON_ArrayForEach(item, answer)
	{
		const char *path = json_string(item, "path"), *text = json_string(item, "text");
		if (path == NULL || text == NULL) {
			(void)!wrong(view, "check", must, &err);
			break;
		}
		if (json_bool(item, "warning", false))
			problem_warning(problems, path, "%s", text);
		else
			problem_error(problems, path, "%s", text);
	}
	if (err.text[0] != '\0')
		problem_error(problems, "spec.provider", "%s", err.text);
}

static const char *plural(const struct traffic_driver *driver, const char *api_version,
			  const char *kind)
{
	const struct script *script = (const struct script *)driver;
	const cJSON *kinds = json_get(json_get(script->facts, "kinds"), api_version);
	return cJSON_GetStringValue(json_get(kinds, kind));
}

static cJSON *kinds_of(const struct traffic_driver *driver)
{
	const struct script *script = (const struct script *)driver;
	return cJSON_Duplicate(json_get(script->facts, "kinds"), true);
}

static bool adopts(const struct traffic_driver *driver, const char *kind)
{
	const struct script *script = (const struct script *)driver;
	return json_get(json_get(script->facts, "adopts"), kind) != NULL;
}

static const char *query(const struct traffic_driver *driver, const char *metric)
{
	const struct script *script = (const struct script *)driver;
	return cJSON_GetStringValue(json_get(json_get(script->facts, "queries"), metric));
}

/* ---- loading ---- */

static bool kinds_are_sound(const cJSON *kinds)
{
	const cJSON *version, *plural_name;
	cJSON_ArrayForEach(version, kinds)
	{
		if (!cJSON_IsObject(version))
			return false;
		cJSON_ArrayForEach(plural_name, version)
		{
			if (!cJSON_IsString(plural_name))
				return false;
		}
	}
	return cJSON_IsObject(kinds);
}

/* What a driver's table must have, in one sentence about the first thing that it lacks. */
static bool facts_are_sound(struct script *script, struct error *err)
{
	static const char *const must[] = {"needs", "desired", "observed"};
	static const char *const can[] = {"can_weigh", "can_match", "can_mirror", "can_stick"};
	static const char *const words[] = {
		"name",	     "kinds",	"adopts",      "can_weigh", "can_match", "can_mirror",
		"can_stick", "queries", "needs",       "desired",   "observed",	 "inventory",
		"restore",   "check",	"description", "deletes",   NULL};
	const char *path = driver_path(script->file);
	const cJSON *fact;
	for (size_t i = 0; i < ARRAY_LEN(must); i++)
		if (!driver_has(script->file, script->table, must[i]))
			return error_set(err, ERROR_INVALID, "%s: has no function %s", path,
					 must[i]);
	for (size_t i = 0; i < ARRAY_LEN(can); i++)
		if (!cJSON_IsBool(json_get(script->facts, can[i])))
			return error_set(err, ERROR_INVALID, "%s: %s must be true or false", path,
					 can[i]);
	cJSON_ArrayForEach(fact, script->facts)
	{
		bool known = false;
		for (size_t i = 0; words[i] != NULL; i++)
			known |= strcmp(words[i], fact->string) == 0;
		const char *meant = known ? NULL : words_nearest(fact->string, words);
		if (!known)
			return error_set(err, ERROR_INVALID, "%s: knows no \"%.60s\"%s%s%s", path,
					 fact->string, meant == NULL ? "" : "; did you mean ",
					 meant == NULL ? "" : meant, meant == NULL ? "" : "?");
	}
	if (json_string(script->facts, "name") == NULL)
		return error_set(err, ERROR_INVALID, "%s: name must be a string", path);
	if (!kinds_are_sound(json_get(script->facts, "kinds")))
		return error_set(err, ERROR_INVALID,
				 "%s: kinds must be like {[\"group/v1\"] = {Kind = \"kinds\"}}",
				 path);
	return true;
}

static void script_free(struct script *script)
{
	if (script == NULL)
		return;
	cJSON_Delete(script->facts);
	driver_free(script->file);
	free(script);
}

void traffic_script_free(struct traffic_driver *driver)
{
	script_free((struct script *)driver);
}

struct traffic_driver *traffic_script(const char *file, const char *provider, struct error *err)
{
	struct driver *driver = driver_new("traffic", file, NULL, err);
	if (driver == NULL)
		return NULL;
	struct script *script = xcalloc(1, sizeof(*script));
	script->file = driver;
	if (strchr(provider, ':') != NULL && !driver_has_forms(driver)) {
		script_free(script);
		error_set(err, ERROR_NOT_FOUND, "%s has no forms", file);
		return NULL;
	}
	script->table = driver_table(driver, provider, err);
	if (script->table != 0)
		script->facts = driver_facts(driver, script->table, err);
	if (script->facts == NULL || !facts_are_sound(script, err)) {
		script_free(script);
		return NULL;
	}
	script->driver = (struct traffic_driver){
		.name = json_string(script->facts, "name"),
		.can_weigh = json_bool(script->facts, "can_weigh", false),
		.can_match = json_bool(script->facts, "can_match", false),
		.can_mirror = json_bool(script->facts, "can_mirror", false),
		.can_stick = json_bool(script->facts, "can_stick", false),
		.needs = needs,
		.desired = desired,
		.observed = observed,
		.adopts = adopts,
		.adopted = json_get(script->facts, "adopts"),
		.inventory = driver_has(driver, script->table, "inventory") ? inventory : NULL,
		.restore = driver_has(driver, script->table, "restore") ? restore : NULL,
		.check = driver_has(driver, script->table, "check") ? check : NULL,
		.kinds = kinds_of,
		.deletes = json_bool(script->facts, "deletes", false),
		.plural = plural,
		.query = query,
	};
	return &script->driver;
}
