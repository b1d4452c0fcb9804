#include "bed.h"

#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "spec.h"

const char bed_canary[] = "/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo";
const char bed_target[] = "/apis/apps/v1/namespaces/test/deployments/podinfo";
const char bed_primary[] = "/apis/apps/v1/namespaces/test/deployments/podinfo-primary";
const char bed_apex[] = "/api/v1/namespaces/test/services/podinfo";
const char bed_router[] = "/apis/appmesh.k8s.aws/v1beta2/namespaces/test/virtualrouters/podinfo";

/* ---- hooks and metrics ---- */

static void give_answer(void *owner, uint64_t i)
{
	struct bed *bed = owner;
	const struct bed_answer answer = bed->answers[i];
	if (answer.http != NULL) {
		struct http_reply reply = {
			.status = answer.status, .body = "", .retry_after_us = -1};
		if (answer.status == HOOK_IS_DOWN)
			error_set(&reply.error, ERROR_UNAVAILABLE, "connection refused");
		if (answer.status == HOOK_IS_SILENT)
			error_set(&reply.error, ERROR_TIMEOUT, "no answer in time");
		if (answer.status <= 0)
			reply.status = 0;
		answer.http(answer.owner, answer.token, &reply);
	} else if (answer.metric != NULL) {
		const struct sample sample = {
			.kind = bed->kind, .value = bed->success, .text = "out of order"};
		answer.metric(answer.owner, answer.token, &sample);
	}
}

static struct bed_answer *new_answer(struct bed *bed, void *owner, uint64_t token)
{
	size_t i = bed->answered++ % ARRAY_LEN(bed->answers);
	bed->answers[i] = (struct bed_answer){.owner = owner, .token = token};
	return &bed->answers[i];
}

static uint64_t hook(struct http *http, const struct http_request *request, http_piece *piece,
		     http_done *done, void *owner, uint64_t token)
{
	struct bed *bed = container_of(http, struct bed, http);
	(void)piece;
	struct bed_answer *answer = new_answer(bed, owner, token);
	int64_t after_us = 0;
	answer->http = done;
	answer->status =
		bed->on_hook == NULL ? bed->hook_status : bed->on_hook(bed->hook_owner, request);
	if (answer->status == HOOK_IS_SILENT)
		after_us = request->timeout_us;
	loop_at(bed->loop, loop_now(bed->loop) + after_us, give_answer, bed,
		(uint64_t)(answer - bed->answers));
	return bed->answered;
}

static void cancel_hook(struct http *http, uint64_t id)
{
	struct bed *bed = container_of(http, struct bed, http);
	bed->answers[(id - 1) % ARRAY_LEN(bed->answers)] = (struct bed_answer){0};
}

static uint64_t query(struct metrics *metrics, const struct metric_query *asked, metric_done *done,
		      void *owner, uint64_t token)
{
	struct bed *bed = container_of(metrics, struct bed, metrics);
	(void)asked;
	struct bed_answer *answer = new_answer(bed, owner, token);
	answer->metric = done;
	loop_ready(bed->loop, give_answer, bed, (uint64_t)(answer - bed->answers));
	return bed->answered;
}

static void cancel_query(struct metrics *metrics, uint64_t id)
{
	struct bed *bed = container_of(metrics, struct bed, metrics);
	bed->answers[(id - 1) % ARRAY_LEN(bed->answers)] = (struct bed_answer){0};
}

static const struct http_ops http_ops = {.send = hook, .cancel = cancel_hook};
static const struct metrics_ops metrics_ops = {.query = query, .cancel = cancel_query};

static bool always(void *owner)
{
	(void)owner;
	return true;
}

/* ---- the bed ---- */

static void put_example(struct bed *bed, const char *file, const char *patch)
{
	struct error err = {0};
	SCOPED(yaml) struct yaml_file *yaml = yaml_read(file, &err);
	EXPECT(yaml != NULL);
	for (size_t i = 0; yaml != NULL && i < yaml_count(yaml); i++) {
		cJSON *object = cJSON_Duplicate(yaml_document(yaml, i), true);
		if (patch != NULL) {
			SCOPED(json) cJSON *merged = json_parse(patch, strlen(patch), &err);
			EXPECT(merged != NULL);
			json_merge_patch(&object, merged);
		}
		if (!cluster_apply(bed->cluster, object, &err))
			spec_fail(__FILE__, __LINE__, "%s", err.text);
		cJSON_Delete(object);
	}
}

void bed_begin(struct bed *bed)
{
	static const char *const labels[] = {"app", "name", "app.kubernetes.io/name", NULL};
	static const char *const prefixes[] = {NULL};
	const struct cluster_options cluster_options = {
		.seed = 1, .watch_lag_us = 50000, .ready_us = DURATION_SECOND};
	const struct kube_options kube_options = {0};
	log_setup(LOG_OFF, false, NULL);
	*bed = (struct bed){
		.hook_status = 200, .success = 100, .http = {&http_ops}, .metrics = {&metrics_ops}};
	chance_seed(&bed->chance, 1);
	bed->loop = loop_new_virtual(1700000000 * DURATION_SECOND);
	bed->cluster = cluster_new(bed->loop, &cluster_options);
	bed->kube = kube_new(bed->loop, cluster_port(bed->cluster), &bed->chance, &kube_options);
	bed->policies = policies_new();
	bed->world = (struct tick_world){
		.asks = {.kube = bed->kube,
			 .http = &bed->http,
			 .metrics = &bed->metrics,
			 .owns = always},
		.workload = {labels, prefixes, true},
		.policies = bed->policies,
		.metrics_server = "http://prometheus",
		.component = "flagger",
	};
	put_example(bed, "examples/podinfo/deployment.yaml", NULL);
}

void bed_start_engine(struct bed *bed)
{
	const struct engine_options options = {.spec = {.default_provider = "kubernetes"}};
	bed->engine = engine_new(&bed->world, &options);
	engine_own(bed->engine, true);
}

void bed_stop_engine(struct bed *bed)
{
	engine_free(bed->engine);
	bed->engine = NULL;
}

void bed_end(struct bed *bed)
{
	engine_free(bed->engine);
	policies_free(bed->policies);
	kube_free(bed->kube);
	cluster_free(bed->cluster);
	loop_free(bed->loop);
}

void bed_put(struct bed *bed, const char *json)
{
	struct error err = {0};
	SCOPED(json) cJSON *object = json_parse(json, strlen(json), &err);
	if (object == NULL || !cluster_apply(bed->cluster, object, &err))
		spec_fail(__FILE__, __LINE__, "%s", err.text);
}

void bed_put_canary(struct bed *bed, const char *patch)
{
	put_example(bed, "examples/podinfo/canary.yaml", patch);
}

void bed_merge(struct bed *bed, const char *path, const char *patch)
{
	struct error err = {0};
	SCOPED(json) cJSON *merged = json_parse(patch, strlen(patch), &err);
	if (merged == NULL || !cluster_merge(bed->cluster, path, merged, &err))
		spec_fail(__FILE__, __LINE__, "%s: %s", path, err.text);
}

static void sent(void *owner, uint64_t token, const struct kube_reply *reply)
{
	(void)owner;
	(void)token;
	if (reply->error.kind != ERROR_NONE)
		spec_fail(__FILE__, __LINE__, "%s", reply->error.text);
}

void bed_merge_status(struct bed *bed, const char *patch)
{
	struct error err = {0};
	SCOPED(json) cJSON *body = json_parse(patch, strlen(patch), &err);
	SCOPED(text) char *path = xasprintf("%s/status", bed_canary);
	kube_send(bed->kube, KUBE_MERGE, path, body, sent, bed, 0);
	bed_run(bed, 1);
}

void bed_leave_to_flagger(struct bed *bed)
{
	bed_stop_engine(bed);
	bed_merge_status(bed, "{\"status\":{\"conditions\":[{\"type\":\"Promoted\",\"status\":"
			      "\"Unknown\",\"reason\":\"x\"}],\"lastAppliedSpec\":\"xyz\","
			      "\"lastPromotedSpec\":\"xyz\"}}");
	bed_merge(bed, bed_primary,
		  "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"flagger-id\":"
		  "\"3d1ff7a0-5bb4-4b52-9f5c-0d7f1f3a4c11\"}}}}}");
	bed_run(bed, 3);
}

void bed_delete(struct bed *bed, const char *path)
{
	struct error err = {0};
	if (!cluster_delete(bed->cluster, path, &err))
		spec_fail(__FILE__, __LINE__, "%s", err.text);
}

void bed_release(struct bed *bed, const char *image)
{
	SCOPED(json) cJSON *target = cJSON_Duplicate(cluster_get(bed->cluster, bed_target), true);
	struct error err = {0};
	json_put_string(target, "spec.template.spec.containers[0].image", image);
	EXPECT(cluster_merge(bed->cluster, bed_target, target, &err));
}

void bed_run(struct bed *bed, int seconds)
{
	loop_run(bed->loop, loop_now(bed->loop) + seconds * DURATION_SECOND);
}

const char *bed_phase(const struct bed *bed)
{
	return json_string_or(cluster_get(bed->cluster, bed_canary), "status.phase", "");
}

bool bed_reaches(struct bed *bed, const char *phase)
{
	for (int i = 0; i < 3600; i++) {
		if (strcmp(bed_phase(bed), phase) == 0) {
			bed_run(bed, 2);
			return true;
		}
		bed_run(bed, 1);
	}
	spec_fail(__FILE__, __LINE__, "phase is %s, not %s", bed_phase(bed), phase);
	return false;
}

bool bed_reaches_weight(struct bed *bed, int weight)
{
	for (int i = 0; i < 3600; i++) {
		if (bed_weight(bed) == weight)
			return true;
		bed_run(bed, 1);
	}
	spec_fail(__FILE__, __LINE__, "weight is %d, not %d", bed_weight(bed), weight);
	return false;
}

const char *bed_says(const struct bed *bed, const char *object, const char *path)
{
	static char text[2048];
	const cJSON *value = json_at(cluster_get(bed->cluster, object), path);
	text[0] = '\0';
	if (cJSON_IsString(value))
		text_copy(text, sizeof(text), value->valuestring);
	else if (cJSON_IsNumber(value))
		json_number_text(value->valuedouble, text);
	return text;
}

int bed_weight(const struct bed *bed)
{
	const cJSON *target;
	cJSON_ArrayForEach(target, json_at(cluster_get(bed->cluster, bed_router),
					   "spec.routes[0].httpRoute.action.weightedTargets"))
	{
		if (text_equal(json_string(target, "virtualNodeRef.name"), "podinfo-canary"))
			return (int)json_int(target, "weight", -1);
	}
	return -1;
}

int bed_events(const struct bed *bed, const char *part)
{
	SCOPED(json)
	cJSON *events = cluster_list(bed->cluster, "/api/v1/namespaces/test/events");
	int count = 0;
	const cJSON *event;
	cJSON_ArrayForEach(event, events) count +=
		strstr(json_string_or(event, "message", ""), part) != NULL;
	return count;
}
