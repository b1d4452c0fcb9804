/*
 * adopt_spec.c - routes that the team owns: nothing but two weights changes, and they are given
 * back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "rehearsal/rehearsal.h"
#include "spec.h"
#include "traffic/driver.h"

static const char canary_text[] =
	"{\"apiVersion\":\"flagger.app/"
	"v1beta1\",\"kind\":\"Canary\",\"metadata\":{\"name\":\"web\","
	"\"namespace\":\"test\",\"uid\":\"u\"},\"spec\":{\"targetRef\":{\"apiVersion\":\"apps/v1\","
	"\"kind\":\"Deployment\",\"name\":\"web\"},\"service\":{\"port\":80},\"analysis\":{"
	"\"interval\":\"10s\",\"threshold\":3,\"stepWeight\":50}}}";

/* Where the kinds have what. */
static const struct form {
	const char *provider, *api_version, *kind, *plural, *list, *backends;
} forms[] = {
	{"gatewayapi:v1", "gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes", "rules",
	 "backendRefs"},
	{"gatewayapi:v1", "gateway.networking.k8s.io/v1", "GRPCRoute", "grpcroutes", "rules",
	 "backendRefs"},
	{"istio", "networking.istio.io/v1beta1", "VirtualService", "virtualservices", "http",
	 "route"},
	{"gatewayapi:v1beta1", "gateway.networking.k8s.io/v1beta1", "HTTPRoute", "httproutes",
	 "rules", "backendRefs"},
	/* There never was a v1beta1 of it. */
	{"gatewayapi:v1beta1", "gateway.networking.k8s.io/v1", "GRPCRoute", "grpcroutes", "rules",
	 "backendRefs"},
};

static cJSON *parsed(const char *text)
{
	struct error err = {0};
	cJSON *json = json_parse(text, strlen(text), &err);
	EXPECT_TEXT(err.text, "");
	return json;
}

struct trial {
	const struct form *form;
	struct canary_spec *spec;
	struct selector_label label;
	struct status status;
	struct traffic_view view;
	char path[200];
};

/* How many errors the canary has; `more` is merged into it. */
static size_t begin(struct trial *trial, const struct form *form, const char *more)
{
	struct error err = {0};
	struct spec_problems problems = {0};
	const struct spec_options options = {.default_provider = "kubernetes"};
	*trial = (struct trial){.form = form, .label = {"app", "web"}};
	cJSON *canary = parsed(canary_text);
	json_put_string(canary, "spec.provider", form->provider);
	SCOPED(text) char *ref = xasprintf("%s/team", form->kind);
	json_put_string(canary, "metadata.annotations[\"sluice.dev/route-ref\"]", ref);
	if (more != NULL) {
		SCOPED(json) cJSON *patch = parsed(more);
		json_merge_patch(&canary, patch);
	}
	trial->spec = canary_spec_new(canary, &options, &problems);
	cJSON_Delete(canary);
	size_t errors = problems.errors;
	spec_problems_fini(&problems);
	status_init(&trial->status);
	trial->view = (struct traffic_view){.driver = traffic_find(form->provider, &err),
					    .spec = trial->spec,
					    .label = &trial->label,
					    .status = &trial->status};
	snprintf(trial->path, sizeof(trial->path), "/apis/%s/namespaces/test/%s/team",
		 form->api_version, form->plural);
	return errors;
}

static void end(struct trial *trial)
{
	canary_spec_free(trial->spec);
	status_fini(&trial->status);
}

/* ---- random routes ---- */

static unsigned dice(unsigned *seed, unsigned sides)
{
	*seed = *seed * 1103515245U + 12345U;
	return (*seed >> 16) % sides;
}

/* Whatever a team may have in its route, also what no driver knows. */
static cJSON *random_value(unsigned *seed, int depth)
{
	static const char *const plain[] = {"null", "true", "0.5", "7",	   "\"a/b~c\"",
					    "\"\"", "[]",   "{}",  "1e30", "9007199254740993"};
	unsigned side = dice(seed, depth > 2 ? 8 : 11);
	if (side < 8)
		return cJSON_Parse(plain[dice(seed, ARRAY_LEN(plain))]);
	cJSON *value = side == 8 ? cJSON_CreateArray() : cJSON_CreateObject();
	for (unsigned i = dice(seed, 4); i > 0; i--) {
		char key[16];
		snprintf(key, sizeof(key), "k%u/~.", i);
		cJSON *member = random_value(seed, depth + 1);
		if (side == 8)
			cJSON_AddItemToArray(value, member);
		else
			cJSON_AddItemToObject(value, key, member);
	}
	return value;
}

static void add_noise(unsigned *seed, cJSON *object)
{
	static const char *const keys[] = {"filters", "note", "timeouts", "x.y", "a/b"};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (dice(seed, 3) == 0)
			cJSON_AddItemToObject(object, keys[i], random_value(seed, 0));
}

static cJSON *random_backend(unsigned *seed, const struct form *form, const char *name)
{
	static const char *const longer[] = {"", ".test", ".test.svc", ".test.svc.cluster.local"};
	cJSON *backend = cJSON_CreateObject();
	bool istio = strcmp(form->backends, "route") == 0;
	SCOPED(text) char *host = xasprintf("%s%s", name, istio ? longer[dice(seed, 4)] : "");
	add_noise(seed, backend);
	if (dice(seed, 3) > 0)
		cJSON_AddNumberToObject(backend, "weight", dice(seed, 300));
	json_put_string(backend, istio ? "destination.host" : "name", host);
	if (dice(seed, 2) == 0)
		cJSON_AddNumberToObject(istio ? json_get(backend, "destination") : backend, "zone",
					dice(seed, 9));
	return backend;
}

static cJSON *random_rule(unsigned *seed, const struct form *form, bool with_both)
{
	cJSON *rule = cJSON_CreateObject();
	add_noise(seed, rule);
	cJSON *backends = cJSON_AddArrayToObject(rule, form->backends);
	bool swapped = dice(seed, 2) == 0;
	if (with_both) {
		cJSON_AddItemToArray(
			backends,
			random_backend(seed, form, swapped ? "web-canary" : "web-primary"));
		cJSON_AddItemToArray(
			backends,
			random_backend(seed, form, swapped ? "web-primary" : "web-canary"));
	} else {
		static const char *const others[] = {"web", "web-canary2", "other", "web-primary"};
		for (unsigned i = dice(seed, 3); i > 0; i--)
			cJSON_AddItemToArray(backends,
					     random_backend(seed, form, others[dice(seed, 4)]));
		if (dice(seed, 4) == 0)
			json_remove(rule, form->backends);
	}
	return rule;
}

static cJSON *random_route(unsigned *seed, const struct form *form)
{
	cJSON *route = cJSON_CreateObject();
	json_put_string(route, "apiVersion", form->api_version);
	json_put_string(route, "kind", form->kind);
	json_put_string(route, "metadata.name", "team");
	json_put_string(route, "metadata.resourceVersion", "7");
	add_noise(seed, json_get(route, "metadata"));
	cJSON *spec = cJSON_AddObjectToObject(route, "spec");
	add_noise(seed, spec);
	cJSON *rules = cJSON_AddArrayToObject(spec, form->list);
	unsigned count = 1 + dice(seed, 4), at = dice(seed, count);
	for (unsigned i = 0; i < count; i++)
		cJSON_AddItemToArray(rules, random_rule(seed, form, i == at || dice(seed, 3) == 0));
	return route;
}

/* ---- what must hold ---- */

/* The text of a route in which the weights of our two backends, where both are, are blanked. */
static char *blanked(const struct trial *trial, const cJSON *route)
{
	const struct form *form = trial->form;
	SCOPED(json) cJSON *copy = cJSON_Duplicate(route, true);
	cJSON *rule, *backend;
	cJSON_ArrayForEach(rule, json_get(json_get(copy, "spec"), form->list))
	{
		cJSON *backends = json_get(rule, form->backends);
		SCOPED(text) char *text = json_text(backends == NULL ? rule : backends);
		if (strstr(text, "\"web-primary") == NULL || strstr(text, "\"web-canary") == NULL ||
		    strstr(text, "web-canary2") != NULL)
			continue;
		cJSON_ArrayForEach(backend, backends)
			cJSON_DeleteItemFromObjectCaseSensitive(backend, "weight");
	}
	return json_text(copy);
}

/* Only what adds, replaces or removes a weight, or tests. */
static void expect_modest(const cJSON *patch)
{
	const cJSON *op;
	size_t tests = 0, changes = 0;
	cJSON_ArrayForEach(op, patch)
	{
		bool test = text_equal(json_string(op, "op"), "test");
		tests += test;
		changes += !test;
		EXPECT(test || text_ends(json_string(op, "path"), "/weight"));
	}
	EXPECT(tests >= changes && changes > 0);
}

static void edit(const struct trial *trial, cJSON **route, const cJSON *desired)
{
	const cJSON *item;
	struct error err = {0};
	EXPECT(json_get(desired, "delete") == NULL);
	cJSON_ArrayForEach(item, json_get(desired, "edit"))
	{
		EXPECT_TEXT(json_string(item, "path"), trial->path);
		expect_modest(json_get(item, "patch"));
		if (!json_patch(route, json_get(item, "patch"), &err))
			spec_fail(__FILE__, __LINE__, "%s", err.text);
	}
}

static cJSON *at_path(const struct trial *trial, const cJSON *route)
{
	cJSON *objects = cJSON_CreateObject();
	cJSON_AddItemToObject(objects, trial->path, cJSON_Duplicate(route, true));
	return objects;
}

static void try_split(struct trial *trial, cJSON **route, int weight)
{
	const struct traffic_driver *driver = trial->view.driver;
	const struct split split = {.primary = 100 - weight, .canary = weight};
	struct error err = {0};
	struct split live;
	SCOPED(json) cJSON *before = at_path(trial, *route);
	SCOPED(text) char *was = blanked(trial, *route);
	SCOPED(json) cJSON *desired = driver->desired(&trial->view, &split, before, &err);
	EXPECT_TEXT(err.text, "");
	edit(trial, route, desired);
	SCOPED(text) char *is = blanked(trial, *route);
	EXPECT_TEXT(is, was);
	SCOPED(json) cJSON *after = at_path(trial, *route);
	EXPECT_INT(driver->observed(&trial->view, after, &live, &err), TRAFFIC_LIVE);
	EXPECT(split_equal(&live, &split));
	SCOPED(json) cJSON *again = driver->desired(&trial->view, &split, after, &err);
	EXPECT(json_get(again, "edit") == NULL);
}

static void try_route(struct trial *trial, unsigned *seed)
{
	struct error err = {0};
	cJSON *was = NULL, *route = random_route(seed, trial->form);
	SCOPED(text) char *original = json_text(route);
	SCOPED(json) cJSON *before = at_path(trial, route);
	(void)trial->view.driver->inventory(&trial->view, before, &was, &err);
	EXPECT_TEXT(err.text, "");
	cJSON_Delete(trial->status.memory.inventory);
	trial->status.memory.inventory = cJSON_CreateObject();
	cJSON_AddItemToObject(trial->status.memory.inventory, "was", was);
	for (int i = 0; i < 4; i++)
		try_split(trial, &route, (int)dice(seed, 101));
	SCOPED(json) cJSON *after = at_path(trial, route);
	SCOPED(json) cJSON *undo = trial->view.driver->restore(&trial->view, after, &err);
	EXPECT_TEXT(err.text, "");
	edit(trial, &route, undo);
	SCOPED(json) cJSON *first = parsed(original);
	EXPECT(json_equal(route, first));
	cJSON_Delete(route);
}

SPEC("adopt: of a random route nothing changes but two weights, and they are given back")
{
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct trial trial;
		EXPECT_INT(begin(&trial, &forms[i], NULL), 0);
		unsigned seed = 1;
		for (int k = 0; k < 300; k++)
			try_route(&trial, &seed);
		end(&trial);
	}
}

static void expect_refused(const struct form *form, const char *route_text, const char *part)
{
	struct trial trial;
	struct error err = {0};
	const struct split split = {.primary = 100};
	struct split live;
	EXPECT_INT(begin(&trial, form, NULL), 0);
	SCOPED(json) cJSON *route = parsed(route_text);
	SCOPED(json) cJSON *objects = at_path(&trial, route);
	EXPECT(trial.view.driver->desired(&trial.view, &split, objects, &err) == NULL);
	EXPECT_CONTAINS(err.text, part);
	EXPECT_INT(trial.view.driver->observed(&trial.view, objects, &live, &err), TRAFFIC_BROKEN);
	EXPECT_CONTAINS(err.text, part);
	end(&trial);
}

SPEC("adopt: a route that cannot carry a split of two is told of")
{
	expect_refused(&forms[0],
		       "{\"kind\":\"HTTPRoute\",\"spec\":{\"rules\":[{\"backendRefs\":[{\"name\":"
		       "\"web\"}]}]}}",
		       "HTTPRoute team.test has no rule that leads to both web-primary and "
		       "web-canary");
	expect_refused(
		&forms[1],
		"{\"spec\":{\"rules\":[{},{\"backendRefs\":[{\"name\":\"web-primary\"},{\"name\":"
		"\"web-canary\"},{\"name\":\"old\"}]}]}}",
		"GRPCRoute team.test: spec.rules[1] leads elsewhere, too");
	expect_refused(
		&forms[2],
		"{\"spec\":{\"http\":[{\"route\":[{\"destination\":{\"host\":\"web-primary\"}},{"
		"\"destination\":{\"host\":\"web-canary\"},\"weight\":\"9\"}]}]}}",
		"VirtualService team.test: spec.http[0].route[1].weight: must be a whole number, "
		"is a string");
	expect_refused(&forms[2], "{\"spec\":{\"http\":[{\"route\":[{}]}]}}",
		       "spec.http[0].route[0].destination.host: must be a string, is missing");
}

SPEC("adopt: a strategy that needs more than weights is refused when the canary is checked")
{
	struct trial trial;
	static const char *const more[] = {
		("{\"spec\":{\"analysis\":{\"stepWeight\":null,\"iterations\":2,\"match\":[{"
		 "\"headers\":{\"a\":{\"exact\":\"b\"}}}]}}}"),
		"{\"spec\":{\"analysis\":{\"mirror\":true}}}",
		"{\"spec\":{\"analysis\":{\"sessionAffinity\":{\"cookieName\":\"c\"}}}}",
		"{\"spec\":{\"provider\":\"traefik\"}}",
		"{\"spec\":{\"provider\":\"appmesh:v1beta2\"}}",
		"{\"metadata\":{\"annotations\":{\"sluice.dev/route-ref\":\"Ingress/team\"}}}",
		"{\"metadata\":{\"annotations\":{\"sluice.dev/route-ref\":\"team\"}}}",
	};
	for (size_t i = 0; i < ARRAY_LEN(more); i++) {
		EXPECT_INT(begin(&trial, &forms[2], more[i]), 1);
		end(&trial);
	}
}

/* ---- a whole release ---- */

static const char team_text[] =
	"{\"apiVersion\":\"gateway.networking.k8s.io/"
	"v1\",\"kind\":\"HTTPRoute\",\"metadata\":{\"name\":"
	"\"team\",\"namespace\":\"test\"},\"spec\":{\"rules\":[{\"backendRefs\":[{\"name\":\"old\","
	"\"port\":1}]},{\"backendRefs\":[{\"name\":\"web-primary\",\"port\":80},{\"name\":"
	"\"web-canary\",\"port\":80,\"weight\":0}]}]}}";
static const char deployment_text[] =
	"{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\","
	"\"namespace\":\"test\"},\"spec\":{\"replicas\":1,\"selector\":{\"matchLabels\":{\"app\":"
	"\"web\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"web\"}},\"spec\":{"
	"\"containers\":["
	"{\"name\":\"c\",\"image\":\"web:1\"}]}}}}";

SPEC("adopt: a release by the team's route, which the team edits meanwhile")
{
	struct error err = {0};
	struct rehearsal_result result = {0};
	SCOPED(json) cJSON *objects = cJSON_CreateArray();
	cJSON *canary = parsed(canary_text);
	json_put_string(canary, "spec.provider", "gatewayapi:v1");
	json_put_string(canary, "spec.routeRef.kind", "HTTPRoute");
	json_put_string(canary, "spec.routeRef.name", "team");
	json_put_string(canary, "spec.routeRef.apiVersion", "gateway.networking.k8s.io/v1");
	cJSON_AddItemToArray(objects, parsed(team_text));
	cJSON_AddItemToArray(objects, parsed(deployment_text));
	cJSON_AddItemToArray(objects, canary);
	/* A new rule before ours, and weights of their own. */
	SCOPED(json)
	cJSON *edited = parsed(
		"{\"spec\":{\"rules\":[{\"backendRefs\":[{\"name\":\"new\"}]},{\"note\":\"n\","
		"\"backendRefs\":[{\"name\":\"web-canary\",\"weight\":3},{\"name\":"
		"\"web-primary\",\"weight\":1}]}]}}");
	struct scenario scenario = {.image = "web:2", .count = 3};
	scenario.scenes[0] = (struct scene){
		.at_us = 5 * DURATION_SECOND, .patched = "HTTPRoute/team", .patch = edited};
	scenario.scenes[1] = (struct scene){.at_us = 8 * DURATION_SECOND, .crash = true};
	scenario.scenes[2] = (struct scene){.at_us = 9 * DURATION_SECOND,
					    .for_us = 30 * DURATION_SECOND,
					    .fault = FAULT_409,
					    .share = 0.5};
	const struct rehearsal_input input = {
		.objects = objects, .scenario = &scenario, .limit_us = DURATION_HOUR};
	log_setup(LOG_OFF, false, NULL);
	EXPECT(rehearse(&input, &result, &err));
	EXPECT_TEXT(result.phase, "Succeeded");
	const cJSON *team =
		json_get(result.objects,
			 "/apis/gateway.networking.k8s.io/v1/namespaces/test/httproutes/team");
	SCOPED(text) char *rules = json_text(json_at(team, "spec.rules"));
	EXPECT_TEXT(rules,
		    "[{\"backendRefs\":[{\"name\":\"new\"}]},{\"note\":\"n\",\"backendRefs\":[{"
		    "\"name\":\"web-canary\",\"weight\":0},{\"name\":\"web-primary\",\"weight\":"
		    "100}]}]");
	EXPECT(json_at(team, "metadata.ownerReferences") == NULL);
	rehearsal_result_fini(&result);
}
