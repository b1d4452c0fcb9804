/*
 * routes_spec.c - what drivers render, compared with the transcripts object for object: for each
 * step, the split is read from the objects that Flagger left, and rendered again.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "golden.h"
#include "kube/path.h"
#include "spec.h"
#include "traffic/driver.h"

static const char *const selector_labels[] = {"app", "name", NULL};
static const char *const prefixes[] = {NULL};
static const struct workload_options options = {
	.selector_labels = selector_labels,
	.include_label_prefix = prefixes,
	.config_tracking = true,
};

struct story {
	cJSON *json;
	struct canary_spec *spec;
	struct selector_label label;
	const struct traffic_driver *driver;
	struct status status;
	cJSON *objects; /* as they are now, by path */
	size_t compared;
	struct buf *differences; /* told there, one a line; or NULL: there must be none */
};

static void open_story(struct story *story, const char *name)
{
	size_t len;
	struct error err = {0};
	SCOPED(text) char *file = xasprintf("spec/golden/%s.json", name);
	SCOPED(text) char *text = spec_file(file, &len);
	*story = (struct story){.objects = cJSON_CreateObject()};
	status_init(&story->status);
	story->json = json_parse(text, len, &err);
	EXPECT_TEXT(err.text, "");
	const cJSON *given;
	cJSON_ArrayForEach(given, json_get(story->json, "given"))
	{
		const char *kind = json_string_or(given, "kind", "");
		struct spec_problems problems = {0};
		const struct spec_options spec_options = {.default_provider = "kubernetes"};
		char path[KUBE_PATH_MAX];
		if (strcmp(kind, "Deployment") == 0)
			EXPECT(workload_selector(given, &options, &story->label, &err));
		else if (strcmp(kind, "Canary") == 0)
			story->spec = canary_spec_new(given, &spec_options, &problems);
		else if (golden_path(path, given))
			cJSON_AddItemToObject(story->objects, path, cJSON_Duplicate(given, true));
		EXPECT_INT(problems.errors, 0);
		spec_problems_fini(&problems);
	}
	EXPECT(story->spec != NULL);
	story->driver = traffic_find(story->spec->provider, &err);
	EXPECT_TEXT(err.text, "");
}

static void close_story(struct story *story)
{
	canary_spec_free(story->spec);
	status_fini(&story->status);
	cJSON_Delete(story->objects);
	cJSON_Delete(story->json);
}

/* As a driver renders it: without what the API server and the controllers of the mesh add. */
static cJSON *plain(const cJSON *object)
{
	cJSON *copy = cJSON_Duplicate(object, true);
	cJSON *owner;
	cJSON_ArrayForEach(owner, json_at(copy, "metadata.ownerReferences"))
		cJSON_DeleteItemFromObjectCaseSensitive(owner, "uid");
	cJSON_DeleteItemFromObjectCaseSensitive(copy, "status");
	return copy;
}

/* The random value of the cookie that Flagger chose, as "name=value". */
static void find_cookie(const struct story *story, const cJSON *object,
			char cookie[COOKIE_TEXT_MAX])
{
	const char *name = json_string_or(story->spec->analysis, "sessionAffinity.cookieName", "?");
	SCOPED(text) char *text = json_text(object);
	SCOPED(text) char *start = xasprintf("%s=", name);
	const char *found = strstr(text, start);
	if (found != NULL)
		snprintf(cookie, COOKIE_TEXT_MAX, "%.*s", (int)(strlen(start) + 10), found);
}

static void tell_difference(struct buf *text, const char *place, const cJSON *theirs,
			    const cJSON *ours)
{
	SCOPED(text) char *a = theirs == NULL ? xstrdup("nothing") : json_canonical(theirs);
	SCOPED(text) char *b = ours == NULL ? xstrdup("nothing") : json_canonical(ours);
	SCOPED(text) char *line = xasprintf("%s: %s, ours %s\n", place, a, b);
	for (char *c = line; *c != '\0'; c++)
		*c = *c == '"' ? '\'' : *c;
	/* What differs in each step is told once. */
	if (strstr(text->text, line) == NULL)
		buf_puts(text, line);
}

/* The values that differ, by their paths. */
static void find_differences(struct buf *text, const char *place, const cJSON *theirs,
			     const cJSON *ours)
{
	bool objects = cJSON_IsObject(theirs) && cJSON_IsObject(ours);
	bool lists = cJSON_IsArray(theirs) && cJSON_IsArray(ours);
	if (json_equal(theirs, ours))
		return;
	if (theirs == NULL || ours == NULL || (!objects && !lists)) {
		tell_difference(text, place, theirs, ours);
		return;
	}
	const cJSON *a = theirs->child, *b = ours->child;
	for (int i = 0; lists && (a != NULL || b != NULL); i++) {
		SCOPED(text) char *path = xasprintf("%s[%d]", place, i);
		find_differences(text, path, a, b);
		a = a == NULL ? NULL : a->next;
		b = b == NULL ? NULL : b->next;
	}
	for (; objects && a != NULL; a = a->next) {
		SCOPED(text) char *path = xasprintf("%s.%s", place, a->string);
		find_differences(text, path, a, json_get(ours, a->string));
	}
	for (; objects && b != NULL; b = b->next) {
		SCOPED(text) char *path = xasprintf("%s.%s", place, b->string);
		if (json_get(theirs, b->string) == NULL)
			find_differences(text, path, NULL, b);
	}
}

static void compare_objects(struct story *story, const cJSON *step)
{
	struct error err = {0};
	struct split split;
	struct traffic_view view = {
		.driver = story->driver,
		.spec = story->spec,
		.label = &story->label,
		.match = story->spec->match,
		.status = &story->status,
	};
	enum traffic_state state = story->driver->observed(&view, story->objects, &split, &err);
	if (state != TRAFFIC_LIVE && story->differences != NULL) {
		bool to_canary = json_int(step, "status.iterations", 0) > 0;
		SCOPED(text) char *line = xasprintf("theirs is refused: %s\n", err.text);
		if (strstr(story->differences->text, line) == NULL)
			buf_puts(story->differences, line);
		split = (struct split){to_canary ? 0 : 100, to_canary ? 100 : 0, false};
		err = (struct error){0};
	} else {
		EXPECT_TEXT(err.text, "");
		EXPECT_INT(state, TRAFFIC_LIVE);
	}
	const char *phase = json_string_or(step, "status.phase", "");
	/* The objects of a step were made in the phase before it. */
	if (strcmp(phase, "Initialized") == 0)
		phase = "Initializing";
	EXPECT(phase_parse(phase, &story->status.phase));
	const cJSON *object;
	cJSON_ArrayForEach(object, json_get(step, "objects")) find_cookie(
		story, object,
		split.canary > 0 ? story->status.cookie : story->status.previous_cookie);
	SCOPED(json) cJSON *desired = story->driver->desired(&view, &split, story->objects, &err);
	EXPECT_TEXT(err.text, "");
	const cJSON *own;
	cJSON_ArrayForEach(own, json_get(desired, "own"))
	{
		char path[KUBE_PATH_MAX];
		EXPECT(traffic_path(story->driver, own, path, &err));
		const cJSON *wanted = json_get(story->objects, path);
		SCOPED(json) cJSON *ours = plain(own);
		SCOPED(json) cJSON *theirs = plain(wanted);
		story->compared++;
		if (story->differences != NULL) {
			find_differences(story->differences, json_string_or(own, "kind", ""),
					 theirs, ours);
			continue;
		}
		SCOPED(text) char *a = json_canonical(ours);
		SCOPED(text) char *b = json_canonical(theirs);
		EXPECT_TEXT(a, b);
	}
}

/* An object of the transcript is kept under the path by which the driver asks for it: Flagger's
 * were read in the version that the API server stores. True for what was made with this driver's
 * kinds. */
static bool keep(struct story *story, const cJSON *object)
{
	char path[KUBE_PATH_MAX], made[KUBE_PATH_MAX];
	struct error err;
	cJSON *copy = cJSON_Duplicate(object, true);
	golden_set_version(story->json, copy);
	EXPECT(golden_path(path, copy));
	cJSON_DeleteItemFromObjectCaseSensitive(story->objects, path);
	cJSON_AddItemToObject(story->objects, path, copy);
	bool owned = json_at(copy, "metadata.ownerReferences") != NULL ||
		     text_equal(json_string(copy, "kind"), "TrafficRoute");
	return owned && traffic_path(story->driver, copy, made, &err);
}

static void compare_steps(struct story *told, const char *name)
{
	struct story story = *told;
	const cJSON *step, *object;
	cJSON_ArrayForEach(step, json_get(story.json, "steps"))
	{
		bool any = false;
		cJSON_ArrayForEach(object, json_get(step, "objects")) any |= keep(&story, object);
		if (any)
			compare_objects(&story, step);
	}
	if (story.compared < (story.differences == NULL ? 3 : 1))
		spec_fail(__FILE__, __LINE__, "%s: only %zu objects were compared", name,
			  story.compared);
	close_story(&story);
}

static void compare_story(const char *name)
{
	struct story story;
	open_story(&story, name);
	compare_steps(&story, name);
}

/* Where ours are better: in this, and in nothing else. */
static void expect_differences(const char *name, const char *wanted)
{
	struct story story;
	SCOPED(buf) struct buf differences = {0};
	buf_init(&differences, 64UL * KIB);
	buf_puts(&differences, "");
	open_story(&story, name);
	story.differences = &differences;
	compare_steps(&story, name);
	EXPECT_TEXT(differences.text, wanted);
}

SPEC("routes: Istio's objects are those of the transcripts")
{
	compare_story("istio-weights");
	compare_story("istio-ab");
	compare_story("istio-ab-every-gate");
	compare_story("istio-blue-green");
	compare_story("istio-blue-green-mirror");
	compare_story("istio-mirror");
	compare_story("istio-delegation");
	compare_story("istio-tcp");
	compare_story("istio-session-affinity");
}

SPEC("routes: the Gateway API's objects are those of the transcripts")
{
	compare_story("gatewayapi-v1-weights");
	compare_story("gatewayapi-v1-ab");
	compare_story("gatewayapi-v1-blue-green");
	compare_story("gatewayapi-v1-session-affinity");
	compare_story("gatewayapi-v1beta1-weights");
	compare_story("gatewayapi-v1beta1-ab");
}

SPEC("routes: nginx's objects are those of the transcripts")
{
	compare_story("nginx-weights");
	compare_story("nginx-ab");
	compare_story("nginx-ab-regex");
	compare_story("nginx-blue-green");
}

SPEC("routes: SMI's objects are those of the transcripts")
{
	compare_story("smi-v1alpha1-weights");
	compare_story("smi-v1alpha2-weights");
	compare_story("smi-v1alpha3-weights");
	compare_story("smi-v1alpha3-blue-green");
	compare_story("linkerd-weights");
	compare_story("osm-weights");
}

SPEC("routes: Contour's, Gloo's, Skipper's, Traefik's, Apisix's and Kuma's objects are those of "
     "the "
     "transcripts")
{
	compare_story("contour-weights");
	compare_story("contour-blue-green");
	compare_story("gloo-weights");
	compare_story("gloo-blue-green");
	compare_story("skipper-weights");
	compare_story("skipper-blue-green");
	compare_story("traefik-weights");
	compare_story("apisix-weights");
	compare_story("kuma-weights");
}

/* ---- where ours are better: engine/README.md, "Differences from Flagger" ---- */

/* Flagger's one block has both headers, each with a prefix, which Contour calls invalid, and the
 * cookie without its expression. Its second route, for everybody else, is our third. */
SPEC("routes: several conditions on Contour are a route each, and a cookie is matched")
{
	expect_differences(
		"contour-ab",
		"HTTPProxy.spec.routes[0].conditions[0].header: "
		"{'exact':'insider','name':'x-canary'}, ours nothing\n"
		"HTTPProxy.spec.routes[0].conditions[1].header.name: 'cookie', ours 'x-canary'\n"
		"HTTPProxy.spec.routes[0].conditions[1].header.exact: nothing, ours 'insider'\n"
		"HTTPProxy.spec.routes[0].conditions[1].prefix: '/', ours nothing\n"
		"HTTPProxy.spec.routes[1].conditions[1]: nothing, ours "
		"{'header':{'name':'cookie','regex':'^(.*?;)?(canary=always)(;.*)?$'}}\n"
		"HTTPProxy.spec.routes[2]: nothing, ours "
		"{'conditions':[{'prefix':'/"
		"'}],'retryPolicy':{'count':2,'perTryTimeout':'3s','retryOn':['5xx']},'services':[{"
		"'name':'podinfo-primary','port':80,'requestHeadersPolicy':{'set':[{'name':'l5d-"
		"dst-override','value':'podinfo-primary.contour-ab.svc.cluster.local:80'}]},'"
		"weight':100},{'name':'podinfo-canary','port':80,'requestHeadersPolicy':{'set':[{'"
		"name':'l5d-dst-override','value':'podinfo-canary.contour-ab.svc.cluster.local:80'}"
		"]}}],'timeoutPolicy':{'idle':'5m','response':'10s'}}\n"
		"HTTPProxy.spec.routes[1].services[0].weight: 100, ours nothing\n"
		"HTTPProxy.spec.routes[1].services[1].weight: nothing, ours 100\n");
}

SPEC("routes: several conditions on Gloo are alternatives, and others stay with the primary")
{
	expect_differences(
		"gloo-ab",
		"RouteTable.spec.routes[0].matchers[0].headers[1]: "
		"{'name':'cookie','regex':true,'value':'^(.*?;)?(canary=always)(;.*)?$'}, ours "
		"nothing\n"
		"RouteTable.spec.routes[0].matchers[1]: nothing, ours "
		"{'headers':[{'name':'cookie','regex':true,'value':'^(.*?;)?(canary=always)(;.*)?$'"
		"}]}\n"
		"RouteTable.spec.routes[1]: nothing, ours "
		"{'inheritablePathMatchers':true,'routeAction':{'multi':{'destinations':[{'"
		"destination':{'upstream':{'name':'gloo-ab-podinfo-primaryupstream-80','namespace':"
		"'gloo-ab'}},'weight':100},{'destination':{'upstream':{'name':'gloo-ab-podinfo-"
		"canaryupstream-80','namespace':'gloo-ab'}}}]}}}\n");
}

SPEC("routes: Traefik's weights are said, also where one is 0")
{
	expect_differences("traefik-blue-green",
			   "theirs is refused: TraefikService podinfo.traefik-blue-green does not "
			   "contain routes for podinfo-primary and podinfo-canary\n"
			   "TraefikService.spec.weighted.services[0].weight: nothing, ours 0\n");
}

SPEC("routes: a mirror of the Gateway API begins as Flagger's, which stays at weight 0")
{
	struct story story;
	expect_differences("gatewayapi-v1-mirror", "");
	open_story(&story, "gatewayapi-v1-mirror");
	const cJSON *step;
	cJSON_ArrayForEach(step, json_get(story.json, "steps"))
	{
		EXPECT_INT(json_int(step, "status.canaryWeight", 0), 0);
		EXPECT(!text_equal(json_string(step, "status.phase"), "Succeeded"));
	}
	close_story(&story);
}

SPEC("routes: SMI, which cannot tell requests apart, is not asked for A/B: Flagger sends all")
{
	size_t len;
	struct error err = {0};
	struct spec_problems problems = {0};
	const struct spec_options spec_options = {.default_provider = "kubernetes"};
	SCOPED(text) char *text = spec_file("spec/golden/smi-v1alpha2-ab.json", &len);
	SCOPED(json) cJSON *transcript = json_parse(text, len, &err);
	const cJSON *given, *step, *object;
	long most = 0;
	cJSON_ArrayForEach(given, json_get(transcript, "given"))
	{
		if (text_equal(json_string(given, "kind"), "Canary"))
			canary_spec_free(canary_spec_new(given, &spec_options, &problems));
	}
	EXPECT_INT(problems.errors, 1);
	EXPECT_TEXT(problems.items[0].path, "spec.analysis.match");
	EXPECT_TEXT(problems.items[0].text,
		    "the provider smi:v1alpha2 cannot tell requests apart: all "
		    "traffic would go to the canary");
	spec_problems_fini(&problems);
	cJSON_ArrayForEach(step, json_get(transcript, "steps"))
	{
		cJSON_ArrayForEach(object, json_get(step, "objects"))
		{
			long weight = json_int(object, "spec.backends[0].weight", 0);
			if (text_equal(json_string(object, "spec.backends[0].service"),
				       "podinfo-canary"))
				most = weight > most ? weight : most;
		}
	}
	EXPECT_INT(most, 100);
}
