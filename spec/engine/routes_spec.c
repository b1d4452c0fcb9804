/*
 * routes_spec.c - what drivers render, compared with the transcripts object for object: for each
 * step, the split is read from the objects that Flagger left, and rendered again.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
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
	EXPECT_TEXT(err.text, "");
	EXPECT_INT(state, TRAFFIC_LIVE);
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
		SCOPED(text) char *a = json_canonical(ours);
		SCOPED(text) char *b = json_canonical(theirs);
		EXPECT_TEXT(a, b);
		story->compared++;
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

static void compare_story(const char *name)
{
	struct story story;
	open_story(&story, name);
	const cJSON *step, *object;
	cJSON_ArrayForEach(step, json_get(story.json, "steps"))
	{
		bool any = false;
		cJSON_ArrayForEach(object, json_get(step, "objects")) any |= keep(&story, object);
		if (any)
			compare_objects(&story, step);
	}
	if (story.compared < 3)
		spec_fail(__FILE__, __LINE__, "%s: only %zu objects were compared", name,
			  story.compared);
	close_story(&story);
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
