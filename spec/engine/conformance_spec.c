/*
 * conformance_spec.c - what every traffic driver must do, whoever wrote it. Each file of
 * lua/traffic is taken, and those in C; a new one need not be named here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "golden.h"
#include "kube/path.h"
#include "rehearsal/rehearsal.h"
#include "script/driver.h"
#include "script/embed.h"
#include "spec.h"
#include "traffic/driver.h"

/* A canary that all drivers can do something with, and what is there beside it. */
static const char canary_text[] =
	"{\"apiVersion\":\"flagger.app/"
	"v1beta1\",\"kind\":\"Canary\",\"metadata\":{\"name\":\"web\","
	"\"namespace\":\"test\",\"uid\":\"u\"},\"spec\":{\"targetRef\":{\"apiVersion\":\"apps/v1\","
	"\"kind\":\"Deployment\",\"name\":\"web\"},\"ingressRef\":{\"apiVersion\":"
	"\"networking.k8s.io/"
	"v1\",\"kind\":\"Ingress\",\"name\":\"web\"},\"routeRef\":{\"apiVersion\":"
	"\"apisix.apache.org/"
	"v2\",\"kind\":\"ApisixRoute\",\"name\":\"web\"},\"service\":{\"port\":80,"
	"\"meshName\":\"m\",\"gatewayRefs\":[{\"name\":\"gateway\"}],\"timeout\":\"10s\","
	"\"retries\":{\"attempts\":2,\"perTryTimeout\":\"1s\",\"retryOn\":\"5xx\"}},\"analysis\":{"
	"\"interval\":\"10s\",\"threshold\":3,\"stepWeight\":50,\"metrics\":[{\"name\":"
	"\"request-success-rate\",\"interval\":\"1m\",\"thresholdRange\":{\"min\":99}}]}}}";
static const char world_text[] =
	"[{\"apiVersion\":\"networking.k8s.io/"
	"v1\",\"kind\":\"Ingress\",\"metadata\":{\"name\":\"web\","
	"\"namespace\":\"test\",\"annotations\":{\"team\":\"a\"}},\"spec\":{\"rules\":[{\"host\":"
	"\"h\","
	"\"http\":{\"paths\":[{\"path\":\"/\",\"pathType\":\"Prefix\",\"backend\":{\"service\":{"
	"\"name\":\"web\",\"port\":{\"number\":80}}}}]}}]}},{\"apiVersion\":\"apisix.apache.org/"
	"v2\","
	"\"kind\":\"ApisixRoute\",\"metadata\":{\"name\":\"web\",\"namespace\":\"test\"},\"spec\":{"
	"\"http\":[{\"name\":\"r\",\"match\":{\"paths\":[\"/*\"]},\"backends\":[{\"serviceName\":"
	"\"web\",\"servicePort\":80}]}]}}]";
static const char deployment_text[] =
	"{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\","
	"\"namespace\":\"test\"},\"spec\":{\"replicas\":1,\"selector\":{\"matchLabels\":{\"app\":"
	"\"web\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"web\"}},\"spec\":{"
	"\"containers\":["
	"{\"name\":\"c\",\"image\":\"web:1\"}]}}}}";
static const char match_text[] = "[{\"headers\":{\"x-canary\":{\"exact\":\"insider\"}}}]";

/* ---- who is tried ---- */

enum { PROVIDERS_MAX = 64 };

struct providers {
	char *names[PROVIDERS_MAX];
	size_t count;
};

static void add_provider(struct providers *providers, const char *name)
{
	if (providers->count < PROVIDERS_MAX)
		providers->names[providers->count++] = xstrdup(name);
}

/* The driver that lua/README.md teaches, for --lua: the first block of Lua in it. */
static void take_readme(struct providers *providers)
{
	char dir[] = "/tmp/sluice-spec-XXXXXX", folder[64], file[80];
	size_t len;
	struct error err = {0};
	SCOPED(text) char *text = spec_file("lua/README.md", &len);
	char *start = strstr(text, "```lua\n");
	EXPECT(start != NULL && mkdtemp(dir) != NULL);
	start += strlen("```lua\n");
	*strstr(start, "```") = '\0';
	snprintf(folder, sizeof(folder), "%s/traffic", dir);
	snprintf(file, sizeof(file), "%s/brook.lua", folder);
	EXPECT(mkdir(folder, 0700) == 0);
	FILE *written = fopen(file, "w");
	EXPECT(written != NULL);
	fputs(start, written);
	fclose(written);
	embed_overlay(dir);
	EXPECT(traffic_find("brook", &err) != NULL);
	EXPECT_TEXT(err.text, "");
	embed_overlay(NULL);
	add_provider(providers, "brook");
	unlink(file);
	rmdir(folder);
	rmdir(dir);
}

/* A file stands for its name, but where it has forms. */
static void find_providers(struct providers *providers)
{
	static const char *const forms[][2] = {
		{"gatewayapi", "gatewayapi:v1"}, {"gatewayapi", "gatewayapi:v1beta1"},
		{"smi", "smi:v1alpha1"},	 {"smi", "smi:v1alpha2"},
		{"smi", "smi:v1alpha3:istio"},
	};
	char *files[DRIVER_NAMES_MAX];
	size_t count = driver_names("traffic", files);
	providers->count = 0;
	add_provider(providers, "appmesh");
	add_provider(providers, "appmesh:v1beta2");
	for (size_t i = 0; i < count; i++) {
		bool found = false;
		for (size_t k = 0; k < ARRAY_LEN(forms); k++) {
			if (strcmp(forms[k][0], files[i]) != 0)
				continue;
			add_provider(providers, forms[k][1]);
			found = true;
		}
		if (!found)
			add_provider(providers, files[i]);
		free(files[i]);
	}
	EXPECT(providers->count >= 14);
	take_readme(providers);
}

/* ---- one driver, tried on objects in memory ---- */

struct trial {
	const char *provider;
	struct canary_spec *spec;
	struct selector_label label;
	struct status status;
	struct traffic_view view;
	cJSON *objects; /* by path */
	cJSON *applied; /* what was applied last, by path */
};

static cJSON *parsed(const char *text)
{
	struct error err = {0};
	cJSON *json = json_parse(text, strlen(text), &err);
	EXPECT_TEXT(err.text, "");
	return json;
}

/* From now on the trial is about this canary. */
static void stand_for(struct trial *trial, const cJSON *canary)
{
	struct spec_problems problems = {0};
	const struct spec_options options = {.default_provider = "kubernetes"};
	canary_spec_free(trial->spec);
	trial->spec = canary_spec_new(canary, &options, &problems);
	for (size_t i = 0; i < problems.count; i++)
		EXPECT(problems.items[i].warning);
	spec_problems_fini(&problems);
	trial->view.spec = trial->spec;
	trial->view.match = trial->spec->match;
}

static void begin(struct trial *trial, const char *provider, const char *match)
{
	struct error err = {0};
	*trial = (struct trial){.provider = provider,
				.label = {"app", "web"},
				.objects = cJSON_CreateObject(),
				.applied = cJSON_CreateObject()};
	SCOPED(json) cJSON *canary = parsed(canary_text);
	json_put_string(canary, "spec.provider", provider);
	if (match != NULL) {
		json_put(canary, "spec.analysis.match", parsed(match));
		json_put_number(canary, "spec.analysis.iterations", 2);
		json_remove(canary, "spec.analysis.stepWeight");
	}
	status_init(&trial->status);
	trial->status.phase = PHASE_PROGRESSING;
	trial->view = (struct traffic_view){
		.driver = traffic_find(provider, &err),
		.label = &trial->label,
		.status = &trial->status,
	};
	stand_for(trial, canary);
	EXPECT_TEXT(err.text, "");
	SCOPED(json) cJSON *world = parsed(world_text);
	const cJSON *object;
	cJSON_ArrayForEach(object, world)
	{
		char path[KUBE_PATH_MAX];
		EXPECT(golden_path(path, object));
		cJSON_AddItemToObject(trial->objects, path, cJSON_Duplicate(object, true));
	}
}

static void end(struct trial *trial)
{
	canary_spec_free(trial->spec);
	status_fini(&trial->status);
	cJSON_Delete(trial->objects);
	cJSON_Delete(trial->applied);
}

static void put(cJSON *objects, const char *path, cJSON *owned_object)
{
	cJSON_DeleteItemFromObjectCaseSensitive(objects, path);
	cJSON_AddItemToObject(objects, path, owned_object);
}

/* As server-side apply does it: what was applied before and is not any more, goes. */
static void drop_unapplied(cJSON *next, const cJSON *before, const cJSON *now)
{
	const cJSON *member;
	cJSON_ArrayForEach(member, before)
	{
		const cJSON *wanted = json_get(now, member->string);
		if (wanted == NULL)
			cJSON_DeleteItemFromObjectCaseSensitive(next, member->string);
		else if (cJSON_IsObject(member) && cJSON_IsObject(wanted))
			drop_unapplied(json_get(next, member->string), member, wanted);
	}
}

static void apply(struct trial *trial, const cJSON *desired)
{
	const cJSON *own;
	struct error err = {0};
	cJSON_ArrayForEach(own, json_get(desired, "own"))
	{
		char path[KUBE_PATH_MAX];
		EXPECT(traffic_path(trial->view.driver, own, path, &err));
		const cJSON *live = json_get(trial->objects, path);
		cJSON *next = live == NULL ? cJSON_CreateObject() : cJSON_Duplicate(live, true);
		drop_unapplied(next, json_get(trial->applied, path), own);
		json_merge_patch(&next, own);
		put(trial->objects, path, next);
		put(trial->applied, path, cJSON_Duplicate(own, true));
	}
}

static cJSON *render(struct trial *trial, struct split split)
{
	struct error err = {0};
	text_copy(trial->status.cookie, COOKIE_TEXT_MAX, split.canary > 0 ? "c=abcdefghij" : "");
	cJSON *desired = trial->view.driver->desired(&trial->view, &split, trial->objects, &err);
	if (desired == NULL)
		spec_fail(__FILE__, __LINE__, "%s: %s", trial->provider, err.text);
	return desired;
}

/* The split that the objects carry, as "75/25 mirror", or why they carry none. */
static char *read_split(struct trial *trial)
{
	struct split live;
	struct error why = {0};
	if (trial->view.driver->observed(&trial->view, trial->objects, &live, &why) == TRAFFIC_LIVE)
		return xasprintf("%s %d/%d%s", trial->provider, live.primary, live.canary,
				 live.mirror ? " mirror" : "");
	return xasprintf("%s: %s: %s", trial->provider, error_kind_name(why.kind), why.text);
}

static void expect_split(struct trial *trial, struct split split)
{
	SCOPED(text) char *got = read_split(trial);
	SCOPED(text)
	char *wanted = xasprintf("%s %d/%d%s", trial->provider, split.primary, split.canary,
				 split.mirror ? " mirror" : "");
	EXPECT_TEXT(got, wanted);
}

static void apply_split(struct trial *trial, struct split split)
{
	SCOPED(json) cJSON *desired = render(trial, split);
	apply(trial, desired);
	expect_split(trial, split);
	SCOPED(json) cJSON *again = render(trial, split);
	SCOPED(text) char *a = json_canonical(desired);
	SCOPED(text) char *b = json_canonical(again);
	EXPECT_TEXT(a, b);
}

/* ---- what all must do ---- */

typedef void try_call(struct trial *trial);

static void try_all(try_call *call, const char *match, bool needs_match, bool needs_mirror)
{
	struct providers providers;
	find_providers(&providers);
	for (size_t i = 0; i < providers.count; i++) {
		struct trial trial;
		const struct traffic_driver *driver = traffic_find(providers.names[i], NULL);
		if ((!needs_match || driver->can_match) && (!needs_mirror || driver->can_mirror)) {
			begin(&trial, providers.names[i], match);
			call(&trial);
			end(&trial);
		}
		free(providers.names[i]);
	}
}

static void try_weights(struct trial *trial)
{
	for (int weight = 0; weight <= 100; weight++)
		apply_split(trial, (struct split){.primary = 100 - weight, .canary = weight});
	apply_split(trial, (struct split){.primary = 100});
}

SPEC("conformance: weights set are weights read, and applied twice is applied once")
{
	try_all(try_weights, NULL, false, false);
}

/* How often a text stands in what would be written. */
static int count_rendered(struct trial *trial, struct split split, const char *word)
{
	SCOPED(json) cJSON *desired = render(trial, split);
	SCOPED(text) char *text = json_text(desired);
	int count = 0;
	for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
		count++;
	return count;
}

static void try_match(struct trial *trial)
{
	apply_split(trial, (struct split){.primary = 100});
	apply_split(trial, (struct split){.canary = 100});
	/* Without its condition the route would lead everybody there. */
	if (count_rendered(trial, (struct split){.canary = 100}, "\"insider\"") == 0)
		spec_fail(__FILE__, __LINE__, "%s: the condition is nowhere", trial->provider);
	apply_split(trial, (struct split){.primary = 100});
}

SPEC("conformance: those who match go to the canary and back")
{
	try_all(try_match, match_text, true, false);
}

/* No backend of the canary has any weight, but where the conditions stand. */
static int count_backends(const cJSON *json, const char *name)
{
	int count = cJSON_IsString(json) && text_equal(json->valuestring, name);
	for (const cJSON *child = json->child; child != NULL; child = child->next)
		count += count_backends(child, name);
	return count;
}

static void try_rest(struct trial *trial)
{
	apply_split(trial, (struct split){.canary = 100});
	SCOPED(json) cJSON *paths = cJSON_CreateArray();
	struct error err = {0};
	EXPECT(trial->view.driver->needs(&trial->view, trial->objects, paths, &err));
	const cJSON *route = json_get(trial->objects, paths->child->valuestring);
	/* Those who do not match still find the primary, or another object leads them there. */
	bool beside = text_equal(json_string(route, "kind"), "Ingress");
	SCOPED(text) char *upstream = xasprintf("test-%s-primaryupstream-80", trial->spec->apex);
	EXPECT(beside || count_backends(json_get(route, "spec"), trial->spec->primary) > 1 ||
	       count_backends(json_get(route, "spec"), upstream) > 1);
}

SPEC("conformance: those who do not match stay with the primary")
{
	try_all(try_rest, match_text, true, false);
}

static void expect_cookies(struct trial *trial, struct split split, int least, int most)
{
	int count = count_rendered(trial, split, "abcdefghij");
	if (count < least || count > most)
		spec_fail(__FILE__, __LINE__, "%s: at %d%% the cookie is rendered %d times",
			  trial->provider, split.canary, count);
	apply_split(trial, split);
}

static void try_stick(struct trial *trial)
{
	SCOPED(json) cJSON *canary = parsed(canary_text);
	json_put_string(canary, "spec.provider", trial->provider);
	json_put_string(canary, "spec.analysis.sessionAffinity.cookieName", "c");
	stand_for(trial, canary);
	expect_cookies(trial, (struct split){.primary = 100}, 0, 0);
	/* It is given to some, and known again. */
	expect_cookies(trial, (struct split){.primary = 90, .canary = 10}, 2, 100);
	expect_cookies(trial, (struct split){.primary = 50, .canary = 50}, 2, 100);
	/* Whoever still has it loses it. */
	text_copy(trial->status.previous_cookie, COOKIE_TEXT_MAX, "c=abcdefghij");
	expect_cookies(trial, (struct split){.primary = 100}, 2, 100);
	trial->status.previous_cookie[0] = '\0';
	expect_cookies(trial, (struct split){.primary = 100}, 0, 0);
}

SPEC("conformance: who has come to the canary stays there, until it has no traffic")
{
	struct providers providers;
	find_providers(&providers);
	for (size_t i = 0; i < providers.count; i++) {
		struct trial trial;
		if (traffic_find(providers.names[i], NULL)->can_stick) {
			begin(&trial, providers.names[i], NULL);
			try_stick(&trial);
			end(&trial);
		}
		free(providers.names[i]);
	}
}

static void try_mirror(struct trial *trial)
{
	apply_split(trial, (struct split){.primary = 100});
	apply_split(trial, (struct split){.primary = 100, .mirror = true});
	apply_split(trial, (struct split){.primary = 100});
	apply_split(trial, (struct split){.primary = 90, .canary = 10});
}

SPEC("conformance: a mirror is set, seen and taken away")
{
	try_all(try_mirror, NULL, false, true);
}

static void try_foreign(struct trial *trial)
{
	static const char *const foreign[] = {"metadata.annotations[\"team.example/a\"]",
					      "metadata.labels[\"team.example/l\"]",
					      "metadata.finalizers", "spec.foreign"};
	apply_split(trial, (struct split){.primary = 100});
	cJSON *object;
	cJSON_ArrayForEach(object, trial->objects)
	{
		for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
			json_put_string(object, foreign[i], "theirs");
	}
	apply_split(trial, (struct split){.primary = 70, .canary = 30});
	apply_split(trial, (struct split){.primary = 100});
	cJSON_ArrayForEach(object, trial->objects)
	{
		for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
			EXPECT_TEXT(json_string(object, foreign[i]), "theirs");
	}
}

SPEC("conformance: foreign fields, annotations and labels are not touched")
{
	try_all(try_foreign, NULL, false, false);
}

static void try_deleted(struct trial *trial)
{
	apply_split(trial, (struct split){.primary = 60, .canary = 40});
	const cJSON *own;
	SCOPED(json) cJSON *desired = render(trial, (struct split){.primary = 60, .canary = 40});
	cJSON_ArrayForEach(own, json_get(desired, "own"))
	{
		char path[KUBE_PATH_MAX];
		struct error err;
		struct split live;
		EXPECT(traffic_path(trial->view.driver, own, path, &err));
		put(trial->objects, path, cJSON_CreateNull());
		put(trial->applied, path, cJSON_CreateObject());
		if (own->next == NULL)
			break;
		(void)trial->view.driver->observed(&trial->view, trial->objects, &live, &err);
	}
	SCOPED(text) char *told = read_split(trial);
	EXPECT_CONTAINS(told, "not found");
	apply_split(trial, (struct split){.primary = 60, .canary = 40});
}

SPEC("conformance: a route that was deleted by hand is missed, and comes back")
{
	try_all(try_deleted, NULL, false, false);
}

/* ---- garbage ---- */

static const char *const garbage[] = {"null", "7",    "-1",  "\"x\"",	    "[]",
				      "{}",   "true", "[7]", "{\"x\":null}"};

/* What a controller of the Gateway API says of a route that it has taken. */
static const char status_text[] =
	"{\"parents\":[{\"parentRef\":{\"group\":\"gateway.networking.k8s.io\",\"kind\":"
	"\"Gateway\","
	"\"name\":\"gateway\"},\"conditions\":[{\"type\":\"Accepted\",\"status\":\"True\","
	"\"observedGeneration\":1}]}]}";

struct spoiling {
	struct trial *trial;
	size_t tried;
};

static void expect_a_sentence(const struct trial *trial, const struct error *err, const char *what)
{
	bool mistake = err->kind == ERROR_SCRIPT || err->kind == ERROR_BUG ||
		       strstr(err->text, ".lua:") != NULL;
	if (mistake || err->text[0] == '\0')
		spec_fail(__FILE__, __LINE__, "%s: %s: %s", trial->provider, what, err->text);
}

static void expect_survives(struct spoiling *spoiling)
{
	struct trial *trial = spoiling->trial;
	const struct traffic_view *view = &trial->view;
	const struct split split = {.primary = 60, .canary = 40};
	struct split live;
	struct error err = {0};
	SCOPED(json) cJSON *paths = cJSON_CreateArray();
	if (!view->driver->needs(view, trial->objects, paths, &err))
		expect_a_sentence(trial, &err, "needs");
	if (view->driver->observed(view, trial->objects, &live, &err) != TRAFFIC_LIVE)
		expect_a_sentence(trial, &err, "observed");
	else
		EXPECT(live.primary >= 0 && live.canary >= 0 && live.primary + live.canary == 100);
	err = (struct error){0};
	SCOPED(json) cJSON *desired = view->driver->desired(view, &split, trial->objects, &err);
	if (desired == NULL)
		expect_a_sentence(trial, &err, "desired");
	spoiling->tried++;
}

/* Takes each member away, one after the other. */
static void rob(struct spoiling *spoiling, cJSON *parent)
{
	for (int i = cJSON_GetArraySize(parent); i > 0; i--) {
		cJSON *member = cJSON_DetachItemFromArray(parent, 0);
		expect_survives(spoiling);
		if (cJSON_IsArray(parent))
			cJSON_AddItemToArray(parent, member);
		else
			cJSON_AddItemToObject(parent, member->string, member);
	}
}

/* Puts each kind of garbage in the place of each value, one after the other. */
static void spoil(struct spoiling *spoiling, cJSON *value)
{
	for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
		SCOPED(json) cJSON *bad = cJSON_Parse(garbage[i]);
		const cJSON good = *value;
		value->type = bad->type;
		value->child = bad->child;
		value->valuestring = bad->valuestring;
		value->valuedouble = bad->valuedouble;
		expect_survives(spoiling);
		value->type = good.type;
		value->child = good.child;
		value->valuestring = good.valuestring;
		value->valuedouble = good.valuedouble;
	}
	if (value->child != NULL)
		rob(spoiling, value);
	for (cJSON *child = value->child; child != NULL; child = child->next)
		spoil(spoiling, child);
}

static void try_garbage(struct trial *trial)
{
	struct spoiling spoiling = {trial, 0};
	apply_split(trial, (struct split){.primary = 100});
	cJSON *object;
	cJSON_ArrayForEach(object, trial->objects)
	{
		json_put(object, "status", parsed(status_text));
		spoil(&spoiling, json_get(object, "metadata"));
		spoil(&spoiling, json_get(object, "spec"));
		spoil(&spoiling, json_get(object, "status"));
	}
	EXPECT(spoiling.tried > 100);
	expect_split(trial, (struct split){.primary = 100});
}

SPEC("conformance: garbage in a route is an error with its path, and never a crash")
{
	try_all(try_garbage, NULL, false, false);
}

/* ---- whole releases ---- */

static void release(const char *provider, const struct scenario *scenario,
		    struct rehearsal_result *result)
{
	struct error err = {0};
	SCOPED(json) cJSON *objects = parsed(world_text);
	cJSON *canary = parsed(canary_text);
	json_put_string(canary, "spec.provider", provider);
	cJSON_AddItemToArray(objects, parsed(deployment_text));
	cJSON_AddItemToArray(objects, canary);
	const struct rehearsal_input input = {
		.objects = objects,
		.scenario = scenario,
		.limit_us = DURATION_HOUR,
		.lag_us = 50 * DURATION_MS,
	};
	log_setup(LOG_OFF, false, NULL);
	if (!rehearse(&input, result, &err))
		spec_fail(__FILE__, __LINE__, "%s: %s", provider, err.text);
}

/* The weights that the release went through: "0 50 100 0 ". */
static char *weights_of(const struct rehearsal_result *result)
{
	struct buf text;
	int last = -1;
	const cJSON *status;
	buf_init(&text, 4096);
	cJSON_ArrayForEach(status, result->notes[NOTE_STATUS])
	{
		int weight = (int)json_int(status, "weight", 0);
		if (weight != last)
			buf_printf(&text, "%d ", weight);
		last = weight;
	}
	char *taken = buf_take(&text);
	buf_fini(&text);
	return taken;
}

static void expect_released(const char *provider, const struct scenario *scenario)
{
	struct rehearsal_result result = {0};
	release(provider, scenario, &result);
	SCOPED(text) char *weights = weights_of(&result);
	SCOPED(text) char *got = xasprintf("%s: %s: %s", provider, result.phase, weights);
	SCOPED(text) char *wanted = xasprintf("%s: Succeeded: 0 50 100 0 ", provider);
	if (strcmp(got, wanted) != 0) {
		SCOPED(text) char *events = json_text(result.notes[NOTE_EVENT]);
		spec_fail(__FILE__, __LINE__, "got %s\nwanted %s\n%s", got, wanted, events);
	}
	rehearsal_result_fini(&result);
}

SPEC("conformance: a release goes through under a storm of conflicts")
{
	struct providers providers;
	struct scenario scenario = {.image = "web:2", .count = 2};
	scenario.scenes[0] = (struct scene){
		.at_us = 0, .for_us = 2 * DURATION_MINUTE, .fault = FAULT_409, .share = 0.5};
	scenario.scenes[1] = (struct scene){.at_us = 15 * DURATION_SECOND, .crash = true};
	find_providers(&providers);
	for (size_t i = 0; i < providers.count; i++) {
		expect_released(providers.names[i], &scenario);
		free(providers.names[i]);
	}
}

SPEC("conformance: conditions of a policy that the mesh cannot tell are a failed check")
{
	static const char *const providers[] = {"contour",	 "gloo",    "nginx",
						"gatewayapi:v1", "appmesh", "appmesh:v1beta2"};
	const struct scenario scenario = {.image = "web:2"};
	for (size_t i = 0; i < ARRAY_LEN(providers); i++) {
		struct error err = {0};
		struct rehearsal_result result = {0};
		SCOPED(json) cJSON *objects = parsed(world_text);
		cJSON *canary = parsed(canary_text);
		json_put_string(canary, "spec.provider", providers[i]);
		json_put(canary, "spec.analysis.match", parsed(match_text));
		json_put_number(canary, "spec.analysis.iterations", 2);
		json_remove(canary, "spec.analysis.stepWeight");
		json_put_string(
			canary, "spec.analysis.policy.inline",
			"return { match = function() return {{ headers = { a = { exact = 'b' } }, "
			"sourceLabels = { c = 'd' } }} end }");
		cJSON_AddItemToArray(objects, parsed(deployment_text));
		cJSON_AddItemToArray(objects, canary);
		const struct rehearsal_input input = {
			.objects = objects, .scenario = &scenario, .limit_us = DURATION_HOUR};
		log_setup(LOG_OFF, false, NULL);
		EXPECT(rehearse(&input, &result, &err));
		SCOPED(text) char *events = json_text(result.notes[NOTE_EVENT]);
		if (strcmp(result.phase, "Failed") != 0)
			spec_fail(__FILE__, __LINE__, "%s: %s", providers[i], events);
		EXPECT_CONTAINS(events, "match: ");
		EXPECT_CONTAINS(events, "requests apart by");
		rehearsal_result_fini(&result);
	}
}

SPEC("conformance: a policy that mirrors where the mesh cannot is a failed check")
{
	struct error err = {0};
	struct rehearsal_result result = {0};
	const struct scenario scenario = {.image = "web:2"};
	SCOPED(json) cJSON *objects = parsed(world_text);
	cJSON *canary = parsed(canary_text);
	json_put_string(canary, "spec.provider", "traefik");
	json_put_string(
		canary, "spec.analysis.policy.inline",
		"return { step = function() return { action = 'route', weight = 0, mirror = true } "
		"end }");
	cJSON_AddItemToArray(objects, parsed(deployment_text));
	cJSON_AddItemToArray(objects, canary);
	const struct rehearsal_input input = {
		.objects = objects, .scenario = &scenario, .limit_us = DURATION_HOUR};
	log_setup(LOG_OFF, false, NULL);
	EXPECT(rehearse(&input, &result, &err));
	EXPECT_TEXT(result.phase, "Failed");
	SCOPED(text) char *events = json_text(result.notes[NOTE_EVENT]);
	EXPECT_CONTAINS(events, "step: the provider traefik cannot mirror");
	rehearsal_result_fini(&result);
}

/* ---- what a mesh has not taken yet ---- */

/* The seconds since the release at which a weight was first shown; -1: never. */
static double first_at(const struct rehearsal_result *result, int weight)
{
	const cJSON *status;
	cJSON_ArrayForEach(status, result->notes[NOTE_STATUS])
	{
		if ((int)json_int(status, "weight", 0) == weight)
			return json_number(status, "at", -1);
	}
	return -1;
}

SPEC("conformance: a step counts from when the gateway has accepted its route")
{
	static const char said[] = "{\"status\":{\"parents\":[{\"parentRef\":{\"group\":"
				   "\"gateway.networking.k8s.io\",\"kind\":\"Gateway\",\"name\":"
				   "\"gateway\"},\"conditions\":[{\"type\":\"Accepted\",\"status\":"
				   "\"True\",\"observedGeneration\":%d}]}]}}";
	SCOPED(text) char *early_text = xasprintf(said, 2);
	SCOPED(text) char *late_text = xasprintf(said, 1000);
	SCOPED(json) cJSON *early = parsed(early_text);
	SCOPED(json) cJSON *late = parsed(late_text);
	SCOPED(json) cJSON *objects = parsed(world_text);
	struct error err = {0};
	struct rehearsal_result result = {0};
	struct scenario scenario = {.image = "web:2", .count = 2};
	scenario.scenes[0] = (struct scene){.at_us = 0, .patched = "HTTPRoute/web", .patch = early};
	scenario.scenes[1] = (struct scene){
		.at_us = 47 * DURATION_SECOND, .patched = "HTTPRoute/web", .patch = late};
	cJSON *canary = parsed(canary_text);
	json_put_string(canary, "spec.provider", "gatewayapi:v1");
	cJSON *route =
		parsed("{\"apiVersion\":\"gateway.networking.k8s.io/v1\",\"kind\":\"HTTPRoute\","
		       "\"metadata\":{\"name\":\"web\",\"namespace\":\"test\"}}");
	json_merge_patch(&route, late);
	cJSON_AddItemToArray(objects, parsed(deployment_text));
	cJSON_AddItemToArray(objects, route);
	cJSON_AddItemToArray(objects, canary);
	const struct rehearsal_input input = {
		.objects = objects, .scenario = &scenario, .limit_us = DURATION_HOUR};
	log_setup(LOG_OFF, false, NULL);
	EXPECT(rehearse(&input, &result, &err));
	EXPECT_TEXT(result.phase, "Succeeded");
	SCOPED(text) char *events = json_text(result.notes[NOTE_EVENT]);
	EXPECT_CONTAINS(events,
			"HTTPRoute web.test parent gateway is not ready (status: True, observed "
			"generation: 2, current generation: 3)");
	double half = first_at(&result, 50), whole = first_at(&result, 100);
	if (half < 0 || half > 30 || whole < 57 || whole > 70)
		spec_fail(__FILE__, __LINE__, "50%% at %g s, 100%% at %g s\n%s", half, whole,
			  events);
	rehearsal_result_fini(&result);
}

SPEC("conformance: the cookie of a release is in the status while it has traffic, then it is the "
     "previous one")
{
	struct error err = {0};
	struct rehearsal_result result = {0};
	const struct scenario scenario = {.image = "web:2"};
	SCOPED(json) cJSON *objects = parsed(world_text);
	cJSON *canary = parsed(canary_text);
	json_put_string(canary, "spec.provider", "istio");
	json_put_string(canary, "spec.analysis.sessionAffinity.cookieName", "c");
	json_remove(canary, "spec.routeRef");
	cJSON_AddItemToArray(objects, parsed(deployment_text));
	cJSON_AddItemToArray(objects, canary);
	const struct rehearsal_input input = {
		.objects = objects, .scenario = &scenario, .limit_us = DURATION_HOUR};
	log_setup(LOG_OFF, false, NULL);
	EXPECT(rehearse(&input, &result, &err));
	EXPECT_TEXT(result.phase, "Succeeded");
	const cJSON *left =
		json_get(result.objects, "/apis/flagger.app/v1beta1/namespaces/test/canaries/web");
	const char *cookie = json_string_or(left, "status.previousSessionAffinityCookie", "");
	EXPECT_INT(strlen(cookie), strlen("c=") + 10);
	EXPECT(json_string(left, "status.sessionAffinityCookie") == NULL);
	const cJSON *route =
		json_get(result.objects,
			 "/apis/networking.istio.io/v1beta1/namespaces/test/virtualservices/web");
	SCOPED(text) char *farewell = xasprintf("%s; Max-Age=-1", cookie);
	EXPECT_TEXT(json_string(route, "spec.http[0].headers.response.add[\"Set-Cookie\"]"),
		    farewell);
	rehearsal_result_fini(&result);
}
