#include "traffic/drivers.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "kube/path.h"
#include "spec.h"

static const char *const selector_labels[] = {"app", "name", NULL};
static const char *const prefixes[] = {NULL};
static const struct workload_options options = {
	.selector_labels = selector_labels,
	.include_label_prefix = prefixes,
	.config_tracking = true,
};

/* An object as the transcripts have it: without the uid of its owner. */
static cJSON *plain(const cJSON *object)
{
	cJSON *copy = cJSON_Duplicate(object, true);
	cJSON *owner;
	cJSON_ArrayForEach(owner, json_at(copy, "metadata.ownerReferences"))
		cJSON_DeleteItemFromObjectCaseSensitive(owner, "uid");
	return copy;
}

struct transcript {
	cJSON *json;
	struct canary_spec *spec;
	const cJSON *target;
	struct selector_label label;
};

static void open_transcript(const char *path, struct transcript *transcript)
{
	size_t len;
	struct error err = {0};
	SCOPED(text) char *text = spec_file(path, &len);
	transcript->json = json_parse(text, len, &err);
	EXPECT_TEXT(err.text, "");
	const cJSON *given;
	cJSON_ArrayForEach(given, json_get(transcript->json, "given"))
	{
		const char *kind = json_string_or(given, "kind", "");
		if (strcmp(kind, "Deployment") == 0)
			transcript->target = given;
		if (strcmp(kind, "Canary") != 0)
			continue;
		struct spec_problems problems = {0};
		const struct spec_options spec_options = {.default_provider = "kubernetes"};
		transcript->spec = canary_spec_new(given, &spec_options, &problems);
		spec_problems_fini(&problems);
	}
	EXPECT(transcript->spec != NULL);
	EXPECT(workload_selector(transcript->target, &options, &transcript->label, &err));
}

static void close_transcript(struct transcript *transcript)
{
	canary_spec_free(transcript->spec);
	cJSON_Delete(transcript->json);
}

static const cJSON *find_object(const cJSON *list, const char *kind, const char *name)
{
	const cJSON *object;
	cJSON_ArrayForEach(object, list)
	{
		if (text_equal(json_string(object, "kind"), kind) &&
		    text_equal(json_string(object, "metadata.name"), name))
			return object;
	}
	return NULL;
}

static void expect_equal(const cJSON *got, const cJSON *wanted)
{
	SCOPED(json) cJSON *plainly = plain(got);
	SCOPED(text) char *a = json_canonical(plainly);
	SCOPED(text) char *b = json_canonical(wanted);
	EXPECT_TEXT(a, b);
}

static struct split split_of(const cJSON *router)
{
	struct split split = {0};
	const cJSON *item;
	cJSON_ArrayForEach(item, json_at(router, "spec.routes[0].httpRoute.action.weightedTargets"))
	{
		int weight = (int)json_int(item, "weight", 0);
		if (text_ends(json_string(item, "virtualNodeRef.name"), "-primary"))
			split.primary = weight;
		else
			split.canary = weight;
	}
	return split;
}

/* Each App Mesh object of each step is what the driver renders for the split of that step. */
static void compare_routes(const char *path)
{
	struct transcript transcript = {0};
	struct error err = {0};
	size_t compared = 0;
	struct status status;
	status_init(&status);
	open_transcript(path, &transcript);
	const struct traffic_driver *driver = traffic_find(transcript.spec->provider, &err);
	EXPECT(driver == &traffic_appmesh_v1beta2);
	const struct traffic_view view = {
		.spec = transcript.spec,
		.label = &transcript.label,
		.match = transcript.spec->match,
		.status = &status,
	};
	struct split split = {.primary = 100};
	const cJSON *step, *object;
	cJSON_ArrayForEach(step, json_get(transcript.json, "steps"))
	{
		const cJSON *objects = json_get(step, "objects");
		const cJSON *router = find_object(objects, "VirtualRouter", transcript.spec->apex);
		if (router != NULL)
			split = split_of(router);
		SCOPED(json) cJSON *desired = driver->desired(&view, &split, NULL, &err);
		cJSON_ArrayForEach(object, objects)
		{
			if (!text_starts(json_string(object, "apiVersion"), "appmesh"))
				continue;
			const cJSON *ours =
				find_object(json_get(desired, "own"), json_string(object, "kind"),
					    json_string(object, "metadata.name"));
			EXPECT(ours != NULL);
			expect_equal(ours, object);
			compared++;
		}
	}
	EXPECT(compared >= 6);
	status_fini(&status);
	close_transcript(&transcript);
}

SPEC("traffic: App Mesh objects are those of the transcripts: seed promotion")
{
	compare_routes("spec/golden/appmesh-v1beta2-seed-promotion.json");
}

SPEC("traffic: App Mesh objects are those of the transcripts: A/B, backends, retries")
{
	compare_routes("spec/golden/appmesh-v1beta2-ab.json");
}

SPEC("traffic: App Mesh objects are those of the transcripts: mesh gateway")
{
	compare_routes("spec/golden/appmesh-v1beta2-gateway.json");
}

SPEC("traffic: App Mesh objects are those of the transcripts: blue/green and every gate")
{
	compare_routes("spec/golden/appmesh-v1beta2-blue-green.json");
	compare_routes("spec/golden/appmesh-v1beta2-every-gate.json");
	compare_routes("spec/golden/appmesh-v1beta2-weights.json");
}

static void conform(const char *provider)
{
	struct transcript transcript = {0};
	struct error err = {0};
	struct status status;
	status_init(&status);
	open_transcript("spec/golden/appmesh-v1beta2-ab.json", &transcript);
	const struct traffic_driver *driver = traffic_find(provider, &err);
	const struct traffic_view view = {.driver = driver,
					  .spec = transcript.spec,
					  .label = &transcript.label,
					  .status = &status};
	for (int weight = 0; weight <= 100; weight += 5) {
		const struct split split = {.primary = 100 - weight, .canary = weight};
		SCOPED(json) cJSON *desired = driver->desired(&view, &split, NULL, &err);
		SCOPED(json) cJSON *again = driver->desired(&view, &split, NULL, &err);
		SCOPED(json) cJSON *paths = cJSON_CreateArray();
		SCOPED(json) cJSON *objects = cJSON_CreateObject();
		EXPECT(json_equal(desired, again));
		EXPECT(driver->needs(&view, objects, paths, &err));
		const cJSON *own;
		cJSON_ArrayForEach(own, json_get(desired, "own"))
		{
			char path[KUBE_PATH_MAX];
			EXPECT(traffic_path(driver, own, path, &err));
			cJSON_AddItemToObject(objects, path, cJSON_Duplicate(own, true));
		}
		struct split live;
		EXPECT_INT(driver->observed(&view, objects, &live, &err), TRAFFIC_LIVE);
		EXPECT(split_equal(&live, &split));
		const cJSON *path;
		cJSON_ArrayForEach(path, paths)
			EXPECT(json_get(objects, path->valuestring) != NULL);
	}
	status_fini(&status);
	close_transcript(&transcript);
}

SPEC("traffic: weights set are weights read, and applied twice is applied once")
{
	conform("appmesh:v1beta2");
	conform("appmesh");
}

SPEC("traffic: App Mesh routers of gRPC have routes of gRPC, and what Flagger left there is read")
{
	SCOPED(json)
	cJSON *given =
		cJSON_Parse("{\"apiVersion\":\"flagger.app/"
			    "v1beta1\",\"kind\":\"Canary\",\"metadata\":{\"name\":\"a\","
			    "\"namespace\":\"b\"},\"spec\":{\"provider\":\"appmesh:v1beta2\","
			    "\"targetRef\":{\"apiVersion\":\"apps/v1\",\"kind\":"
			    "\"Deployment\",\"name\":\"a\"},\"service\":{\"port\":80,\"portName\":"
			    "\"grpc\",\"timeout\":\"2s\","
			    "\"match\":[{\"uri\":{\"prefix\":\"/shop.Cart/"
			    "Add\"}}],\"retries\":{\"attempts\":3,\"retryOn\":"
			    "\"gateway-error,unavailable\"}},\"analysis\":{\"stepWeight\":10}}}");
	const struct spec_options spec_options = {.default_provider = "kubernetes"};
	struct spec_problems problems = {0};
	struct error err = {0};
	struct split live, split = {.primary = 70, .canary = 30};
	struct canary_spec *spec = canary_spec_new(given, &spec_options, &problems);
	EXPECT(spec != NULL);
	SCOPED(json)
	cJSON *match = cJSON_Parse("[{\"headers\":{\"x-user\":{\"exact\":\"insider\"}}}]");
	const struct selector_label label = {.key = "app", .value = "a"};
	struct traffic_view view = {.spec = spec, .label = &label, .match = match};
	const struct traffic_driver *driver = &traffic_appmesh_v1beta2;
	SCOPED(json) cJSON *desired = driver->desired(&view, &split, NULL, &err);
	const cJSON *router = find_object(json_get(desired, "own"), "VirtualRouter", "a");
	SCOPED(text) char *text = json_canonical(json_at(router, "spec.routes[0]"));
	EXPECT_TEXT(
		text,
		"{\"grpcRoute\":{\"action\":{\"weightedTargets\":[{\"virtualNodeRef\":{\"name\":"
		"\"a-canary\"},\"weight\":30},{\"virtualNodeRef\":{\"name\":\"a-primary\"},"
		"\"weight\":70}]},\"match\":{\"metadata\":[{\"match\":{\"exact\":\"insider\"},"
		"\"name\":"
		"\"x-user\"}],\"methodName\":\"Add\",\"serviceName\":\"shop.Cart\"},"
		"\"retryPolicy\":{"
		"\"grpcRetryEvents\":[\"unavailable\"],\"httpRetryEvents\":[\"gateway-error\"],"
		"\"maxRetries\":3,\"perRetryTimeout\":{\"unit\":\"ms\",\"value\":250}},\"timeout\":"
		"{"
		"\"perRequest\":{\"unit\":\"ms\",\"value\":2000}}},\"name\":\"a-a\",\"priority\":"
		"10}");
	static const char path[] = "/apis/appmesh.k8s.aws/v1beta2/namespaces/b/virtualrouters/a";
	SCOPED(json) cJSON *objects = cJSON_CreateObject();
	cJSON_AddItemToObject(objects, path, cJSON_Duplicate(router, true));
	EXPECT_INT(driver->observed(&view, objects, &live, &err), TRAFFIC_LIVE);
	EXPECT(split_equal(&live, &split));
	cJSON *first = json_at(json_get(objects, path), "spec.routes[0]");
	cJSON *inner = cJSON_DetachItemFromObjectCaseSensitive(first, "grpcRoute");
	cJSON_AddItemToObject(first, "httpRoute", inner);
	EXPECT_INT(driver->observed(&view, objects, &live, &err), TRAFFIC_LIVE);
	EXPECT(split_equal(&live, &split));
	canary_spec_free(spec);
	spec_problems_fini(&problems);
}

SPEC("traffic: says when the route is missing or is not ours")
{
	struct transcript transcript = {0};
	struct error err = {0};
	struct split live;
	open_transcript("spec/golden/appmesh-v1beta2-weights.json", &transcript);
	const struct traffic_view view = {.spec = transcript.spec, .label = &transcript.label};
	SCOPED(json) cJSON *objects = cJSON_CreateObject();
	EXPECT_INT(traffic_appmesh_v1beta2.observed(&view, objects, &live, &err), TRAFFIC_ABSENT);
	EXPECT_CONTAINS(err.text, "not found");
	SCOPED(text)
	char *path = xasprintf("/apis/appmesh.k8s.aws/v1beta2/namespaces/%s/virtualrouters/%s",
			       transcript.spec->namespace, transcript.spec->apex);
	cJSON_AddItemToObject(objects, path, cJSON_Parse("{\"spec\":{\"routes\":[7]}}"));
	EXPECT_INT(traffic_appmesh_v1beta2.observed(&view, objects, &live, &err), TRAFFIC_BROKEN);
	EXPECT_CONTAINS(err.text, "does not split");
	close_transcript(&transcript);
}

SPEC("traffic: an unknown provider is told with what there is")
{
	struct error err = {0};
	EXPECT(traffic_find("traefick", &err) == NULL);
	EXPECT_CONTAINS(err.text, "appmesh:v1beta2");
}

/* The Deployment, Services and copies of the first steps are what the functions render. */
static void compare_workload(const char *path)
{
	struct transcript transcript = {0};
	open_transcript(path, &transcript);
	const struct canary_spec *spec = transcript.spec;
	const cJSON *steps = json_get(transcript.json, "steps");
	const cJSON *target = NULL, *primary = NULL, *step;
	cJSON_ArrayForEach(step, steps)
	{
		const cJSON *objects = json_get(step, "objects");
		if (target == NULL)
			target = find_object(objects, "Deployment", spec->target_name);
		primary = find_object(objects, "Deployment", spec->primary_target);
		if (primary == NULL)
			continue;
		SCOPED(json) cJSON *ports = workload_ports(spec, target);
		const struct {
			enum service_role role;
			const char *name;
		} services[] = {{SERVICE_CANARY, spec->canary},
				{SERVICE_PRIMARY, spec->primary},
				{SERVICE_APEX, spec->apex}};
		for (size_t i = 0; i < 3; i++) {
			SCOPED(json)
			cJSON *ours = workload_service(spec, services[i].role, &transcript.label,
						       ports, NULL);
			expect_equal(ours, find_object(objects, "Service", services[i].name));
		}
		SCOPED(json)
		cJSON *ours =
			workload_primary(spec, target, &transcript.label, NULL, "r", &options);
		SCOPED(json) cJSON *wanted = cJSON_Duplicate(primary, true);
		static const char id[] = "spec.template.metadata.annotations[\"flagger-id\"]";
		json_put_string(wanted, id, json_string(ours, id));
		expect_equal(ours, wanted);
		break;
	}
	EXPECT(primary != NULL);
	close_transcript(&transcript);
}

SPEC("workload: primary and services are those of the transcripts")
{
	compare_workload("spec/golden/appmesh-v1beta2-every-gate.json");
	compare_workload("spec/golden/appmesh-v1beta2-weights.json");
	compare_workload("spec/golden/kubernetes-blue-green.json");
}
