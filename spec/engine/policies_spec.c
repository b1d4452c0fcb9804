/*
 * policies_spec.c - releases that policies of users decide, on the in-memory cluster: broken,
 * edited, deleted, held.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "canary/engine.h"
#include "script/embed.h"
#include "sim/cluster.h"
#include "spec.h"

/* ---- a cluster with an engine, where every metric answers the same ---- */

struct stage {
	struct loop *loop;
	struct cluster *cluster;
	struct chance chance;
	struct http http;
	struct metrics metrics;
	double value; /* of every metric */
	struct kube *kube;
	struct policies *policies;
	struct tick_world world;
	struct engine *engine;
	struct buf events, weights; /* a line each */
	int images;
	struct asked {
		metric_done *done;
		void *owner;
		uint64_t token;
	} asked[64];
	size_t asked_count;
};

static void answer_metric(void *owner, uint64_t i)
{
	struct stage *stage = owner;
	const struct asked *asked = &stage->asked[i];
	const struct sample sample = {.kind = SAMPLE_OK, .value = stage->value};
	asked->done(asked->owner, asked->token, &sample);
}

static uint64_t ask_metric_store(struct metrics *metrics, const struct metric_query *query,
				 metric_done *done, void *owner, uint64_t token)
{
	struct stage *stage = container_of(metrics, struct stage, metrics);
	size_t i = stage->asked_count++ % ARRAY_LEN(stage->asked);
	(void)query;
	stage->asked[i] = (struct asked){done, owner, token};
	loop_ready(stage->loop, answer_metric, stage, i);
	return 0;
}

static void no_cancel(struct metrics *metrics, uint64_t id)
{
	(void)metrics;
	(void)id;
}

static const struct metrics_ops metrics_ops = {.query = ask_metric_store, .cancel = no_cancel};

static bool always(void *owner)
{
	(void)owner;
	return true;
}

static void see_write(void *owner, const char *path, const cJSON *object)
{
	struct stage *stage = owner;
	(void)path;
	if (text_equal(json_string(object, "kind"), "Event"))
		buf_printf(&stage->events, "%s %s\n", json_string_or(object, "type", ""),
			   json_string_or(object, "message", ""));
	if (text_equal(json_string(object, "kind"), "Canary"))
		buf_printf(&stage->weights, "%s %s %d\n",
			   json_string_or(object, "metadata.name", ""),
			   json_string_or(object, "status.phase", ""),
			   (int)json_int(object, "status.canaryWeight", 0));
}

static void start_engine(struct stage *stage)
{
	static const char *const labels[] = {"app", NULL};
	static const char *const prefixes[] = {NULL};
	static const struct kube_options kube_options = {0};
	const struct engine_options options = {.spec = {.default_provider = "appmesh:v1beta2"}};
	stage->kube =
		kube_new(stage->loop, cluster_port(stage->cluster), &stage->chance, &kube_options);
	stage->policies = policies_new();
	stage->world = (struct tick_world){
		.asks = {.kube = stage->kube,
			 .http = &stage->http,
			 .metrics = &stage->metrics,
			 .owns = always},
		.workload = {labels, prefixes, true},
		.policies = stage->policies,
		.metrics_server = "http://prometheus",
		.component = "flagger",
	};
	stage->engine = engine_new(&stage->world, &options);
	engine_own(stage->engine, true);
}

static void stop_engine(struct stage *stage)
{
	engine_free(stage->engine);
	policies_free(stage->policies);
	kube_free(stage->kube);
}

static struct stage *stage_new(void)
{
	const struct cluster_options options = {.seed = 1, .ready_us = DURATION_SECOND};
	struct stage *stage = xcalloc(1, sizeof(*stage));
	log_setup(LOG_OFF, false, NULL);
	chance_seed(&stage->chance, 1);
	buf_init(&stage->events, (size_t)MIB);
	buf_init(&stage->weights, (size_t)MIB);
	stage->value = 100;
	stage->metrics.ops = &metrics_ops;
	stage->loop = loop_new_virtual(1700000000 * DURATION_SECOND);
	stage->cluster = cluster_new(stage->loop, &options);
	cluster_on_write(stage->cluster, see_write, stage);
	start_engine(stage);
	return stage;
}

static void stage_free(struct stage *stage)
{
	stop_engine(stage);
	cluster_free(stage->cluster);
	loop_free(stage->loop);
	buf_fini(&stage->events);
	buf_fini(&stage->weights);
	free(stage);
}

static void forget(struct stage *stage)
{
	buf_clear(&stage->events);
	buf_clear(&stage->weights);
}

static void pass(struct stage *stage, int seconds)
{
	loop_run(stage->loop, loop_now(stage->loop) + seconds * DURATION_SECOND);
}

static void put(struct stage *stage, const char *yaml)
{
	struct error err = {0};
	SCOPED(yaml) struct yaml_file *file = yaml_parse("spec", yaml, strlen(yaml), &err);
	EXPECT_TEXT(err.text, "");
	for (size_t i = 0; i < yaml_count(file); i++)
		EXPECT(cluster_apply(stage->cluster, yaml_document(file, i), &err));
}

/* A Deployment and its Canary, initialized; `policy` is the rest of spec.analysis. */
static void put_canary(struct stage *stage, const char *name, const char *policy)
{
	SCOPED(text)
	char *yaml = xasprintf(
		"apiVersion: apps/v1\nkind: Deployment\n"
		"metadata: {name: %s, namespace: test}\n"
		"spec: {replicas: 1, selector: {matchLabels: {app: %s}}, template: {metadata: "
		"{labels: {app: %s}}, spec: {containers: [{name: app, image: 'app:1'}]}}}\n---\n"
		"apiVersion: flagger.app/v1beta1\nkind: Canary\n"
		"metadata: {name: %s, namespace: test}\n"
		"spec:\n  targetRef: {apiVersion: apps/v1, kind: Deployment, name: %s}\n"
		"  service: {port: 80}\n"
		"  analysis:\n    interval: 10s\n    threshold: 3\n    maxWeight: 50\n"
		"    stepWeight: 10\n"
		"    metrics: [{name: request-success-rate, thresholdRange: {min: 99}}]\n%s",
		name, name, name, name, name, policy);
	put(stage, yaml);
	pass(stage, 30);
}

/* Texts are indented by six blanks, and end their lines. */
static void put_policy(struct stage *stage, const char *text)
{
	SCOPED(json) cJSON *map = cJSON_CreateObject();
	struct error err = {0};
	json_put_string(map, "apiVersion", "v1");
	json_put_string(map, "kind", "ConfigMap");
	json_put_string(map, "metadata.name", "rules");
	json_put_string(map, "metadata.namespace", "test");
	cJSON_AddStringToObject(cJSON_AddObjectToObject(map, "data"), "mine.lua", text);
	EXPECT(cluster_apply(stage->cluster, map, &err));
}

static const char by_map[] = "    policy: {configMap: {name: rules, key: mine.lua}}\n";
static const char by_map_later[] = "    policy: {configMap: {name: rules, key: mine.lua}, "
				   "onPolicyChange: NextRollout}\n";

static void release(struct stage *stage, const char *name)
{
	struct error err = {0};
	SCOPED(text) char *path = xasprintf("/apis/apps/v1/namespaces/test/deployments/%s", name);
	SCOPED(json) cJSON *target = cJSON_Duplicate(cluster_get(stage->cluster, path), true);
	SCOPED(text) char *image = xasprintf("app:%d", ++stage->images + 1);
	json_put_string(target, "spec.template.spec.containers[0].image", image);
	EXPECT(cluster_merge(stage->cluster, path, target, &err));
}

static const cJSON *canary(const struct stage *stage, const char *name)
{
	SCOPED(text)
	char *path = xasprintf("/apis/flagger.app/v1beta1/namespaces/test/canaries/%s", name);
	return cluster_get(stage->cluster, path);
}

static const char *phase(const struct stage *stage, const char *name)
{
	return json_string_or(canary(stage, name), "status.phase", "");
}

static int weight(const struct stage *stage, const char *name)
{
	return (int)json_int(canary(stage, name), "status.canaryWeight", -1);
}

static void pass_until_weight(struct stage *stage, const char *name, int wanted)
{
	for (int i = 0; i < 300 && weight(stage, name) != wanted; i++)
		pass(stage, 1);
	EXPECT_INT(weight(stage, name), wanted);
}

static void pass_until(struct stage *stage, const char *name, const char *wanted)
{
	for (int i = 0; i < 1000 && strcmp(phase(stage, name), wanted) != 0; i++)
		pass(stage, 1);
	if (strcmp(phase(stage, name), wanted) != 0)
		spec_fail(__FILE__, __LINE__, "%s is %s:\n%s", name, phase(stage, name),
			  stage->events.text);
	pass(stage, 5);
}

static int count_of(const char *text, const char *part)
{
	int count = 0;
	while ((text = strstr(text, part)) != NULL) {
		count++;
		text += strlen(part);
	}
	return count;
}

/* The pinned texts that there are, a line each. */
static char *pinned(const struct stage *stage)
{
	struct buf lines;
	SCOPED(json)
	cJSON *maps = cluster_list(stage->cluster, "/api/v1/namespaces/test/configmaps");
	const cJSON *map;
	buf_init(&lines, (size_t)MIB);
	cJSON_ArrayForEach(map, maps)
	{
		if (!json_bool(map, "immutable", false))
			continue;
		EXPECT_TEXT(json_string(map, "metadata.ownerReferences[0].kind"), "Canary");
		EXPECT_CONTAINS(json_string(map, "metadata.name"), "app-policy-");
		buf_printf(&lines, "%s\n", json_get(map, "data")->child->valuestring);
	}
	char *text = buf_take(&lines);
	return text == NULL ? xstrdup("") : text;
}

static void expect_pinned(const struct stage *stage, const char *text)
{
	SCOPED(text) char *live = pinned(stage);
	SCOPED(text) char *wanted = xasprintf("%s%s", text, text[0] == '\0' ? "" : "\n");
	EXPECT_TEXT(live, wanted);
}

static const char by_seven[] = "return { step = function(r)\n"
			       "  if r.weight >= 28 then return { action = 'promote' } end\n"
			       "  return { action = 'route', weight = r.weight + 7 } end }";
static const char by_twenty[] = "return { step = function(r)\n"
				"  if r.weight >= 60 then return { action = 'promote' } end\n"
				"  return { action = 'route', weight = r.weight + 20 } end }";
static const char broken[] = "return {\n  step = functon() end }";

/* ---- broken policies hurt nobody else ---- */

SPEC("policies: one that never ends is failed checks of its canary, and no other notices")
{
	static const char endless[] =
		"return { step = function()\n  while true do pcall(error) end\nend }";
	struct stage *stage = stage_new();
	put_policy(stage, endless);
	put_canary(stage, "app", by_map);
	put_canary(stage, "other", "");
	forget(stage);
	release(stage, "app");
	release(stage, "other");
	int64_t begun_us = loop_now(stage->loop);
	pass_until(stage, "other", "Succeeded");
	int64_t took_us = loop_now(stage->loop) - begun_us;
	EXPECT_TEXT(phase(stage, "app"), "Failed");
	EXPECT_CONTAINS(
		stage->events.text,
		"Warning Halt app.test advancement policy failed mine.lua:2: the policy was "
		"stopped: it ran for too long");
	EXPECT_INT(count_of(stage->events.text, "advancement policy failed mine.lua:2"), 3);
	EXPECT_CONTAINS(stage->events.text,
			"Warning Rolling back app.test failed checks threshold reached 3");
	EXPECT_INT(count_of(stage->events.text, "other.test advancement"), 0);
	stage_free(stage);

	stage = stage_new();
	put_canary(stage, "other", "");
	release(stage, "other");
	begun_us = loop_now(stage->loop);
	pass_until(stage, "other", "Succeeded");
	EXPECT(took_us <= loop_now(stage->loop) - begun_us + DURATION_SECOND);
	stage_free(stage);
}

SPEC("policies: a wrong answer of any hook is a failed check with file and line")
{
	static const char *const hooks[][2] = {
		{"thresholds", "return 1"},
		{"judge", "return 'pass'"},
		{"step", "return { action = 'route', weight = 101 }"},
		{"rollback", "return true"},
	};
	for (size_t i = 0; i < ARRAY_LEN(hooks); i++) {
		struct stage *stage = stage_new();
		SCOPED(text)
		char *text = xasprintf("return {\n\n  %s = function() %s end }", hooks[i][0],
				       hooks[i][1]);
		put_policy(stage, text);
		put_canary(stage, "app", by_map);
		release(stage, "app");
		pass_until(stage, "app", "Failed");
		SCOPED(text)
		char *told = xasprintf("Warning Halt app.test advancement policy failed "
				       "mine.lua:3: %s: ",
				       hooks[i][0]);
		EXPECT_INT(count_of(stage->events.text, told), 3);
		EXPECT_CONTAINS(stage->events.text,
				"Rolling back app.test failed checks threshold reached 3");
		stage_free(stage);
	}
}

SPEC("policies: the way back to the primary is open whatever `promotion` does")
{
	struct stage *stage = stage_new();
	put_policy(stage, "return {\n  promotion = function() return { weight = {} } end }");
	put_canary(stage, "app", by_map);
	release(stage, "app");
	pass_until(stage, "app", "Succeeded");
	EXPECT_CONTAINS(stage->events.text,
			"Policy of app.test failed mine.lua:2: promotion: weight");
	stage_free(stage);
}

SPEC("policies: the hooks of one tick may take no more together than one call")
{
	static const char text[] =
		"return { judge = function()\n"
		"  for i = 1, 12000 do local x = { i } end return { verdict = 'pass' }\n"
		"end }";
	struct error err = {0};
	struct policies *policies = policies_new();
	struct meter_allowance allowance = {METER_WORK, METER_TIME_US};
	struct policy_chain chain = {.allowance = &allowance};
	EXPECT(policies_chain(policies, STRATEGY_CANARY, &chain, &err));
	chain.own = policies_text(policies, "mine.lua", text, strlen(text), &err);
	int calls = 0;
	for (; calls < 64; calls++) {
		SCOPED(json) cJSON *verdict = NULL;
		if (!policy_chain_call(&chain, HOOK_JUDGE, NULL, NULL, &verdict, &err))
			break;
	}
	EXPECT(calls >= 1 && calls < 10);
	EXPECT_CONTAINS(err.text, "mine.lua:2: the policy was stopped: it ran for too long");
	SCOPED(json) cJSON *verdict = NULL;
	chain.allowance = NULL;
	EXPECT(policy_chain_call(&chain, HOOK_JUDGE, NULL, NULL, &verdict, &err));
	policies_free(policies);
}

/* ---- where the daemon may not delete ---- */

static enum cluster_fault deny_deletes(void *owner, const struct http_request *request)
{
	int *deletes = owner;
	if (strcmp(request->method, "DELETE") != 0)
		return FAULT_NONE;
	++*deletes;
	return FAULT_403;
}

SPEC("policies: a pinned text that may not be deleted stays, and hinders nothing")
{
	struct stage *stage = stage_new();
	int deletes = 0;
	cluster_faults(stage->cluster, deny_deletes, &deletes);
	put_policy(stage, by_seven);
	put_canary(stage, "app", by_map);
	release(stage, "app");
	pass_until_weight(stage, "app", 14);
	put_policy(stage, by_twenty);
	pass_until_weight(stage, "app", 34);
	pass_until(stage, "app", "Succeeded");
	pass(stage, 600);
	EXPECT_INT(deletes, 2); /* one for each of the two texts */
	release(stage, "app");
	pass_until(stage, "app", "Succeeded");
	stage_free(stage);
}

/* ---- checked when it changes ---- */

SPEC("policies: a broken text is refused at rest, once, and a mended one is taken")
{
	struct stage *stage = stage_new();
	put_policy(stage, by_seven);
	put_canary(stage, "app", by_map);
	forget(stage);
	put_policy(stage, broken);
	pass(stage, 120);
	EXPECT_CONTAINS(stage->events.text, "Warning Policy of app.test refused: mine.lua:2: ");
	EXPECT_INT(count_of(stage->events.text, "refused"), 1);
	release(stage, "app");
	pass(stage, 60);
	EXPECT_TEXT(phase(stage, "app"), "Initialized");
	EXPECT_INT(
		count_of(stage->events.text, "Halt app.test advancement policy failed mine.lua:2"),
		1);
	put_policy(stage, by_twenty);
	pass_until_weight(stage, "app", 20);
	EXPECT_CONTAINS(stage->events.text, "Normal Policy mine.lua of app.test is in order and "
					    "decides from the next release on");
	pass_until(stage, "app", "Succeeded");
	stage_free(stage);
}

SPEC("policies: a text that is not there holds a release until it is")
{
	struct stage *stage = stage_new();
	put_canary(stage, "app", by_map);
	EXPECT_CONTAINS(stage->events.text,
			"Warning Policy of app.test refused: configmap rules.test not found");
	release(stage, "app");
	pass(stage, 60);
	EXPECT_TEXT(phase(stage, "app"), "Initialized");
	put_policy(stage, by_seven);
	pass_until_weight(stage, "app", 7);
	stage_free(stage);
}

SPEC("policies: without policies/ no strategy begins a release")
{
	static const char *const strategies[] = {
		"", "    iterations: 3\n",
		"    iterations: 3\n    match: [{headers: {x-canary: {exact: 'yes'}}}]\n"};
	for (size_t i = 0; i < ARRAY_LEN(strategies); i++) {
		embed_hide("policies/");
		struct stage *stage = stage_new();
		put_canary(stage, "app", strategies[i]);
		release(stage, "app");
		pass(stage, 120);
		embed_hide(NULL);
		EXPECT_TEXT(phase(stage, "app"), "Initialized");
		EXPECT_CONTAINS(stage->events.text, "there is no stock policy");
		stage_free(stage);
	}
}

/* ---- pinned ---- */

SPEC("policies: an edited text takes over at the next tick, and is pinned instead")
{
	struct stage *stage = stage_new();
	put_policy(stage, by_seven);
	put_canary(stage, "app", by_map);
	expect_pinned(stage, "");
	release(stage, "app");
	pass_until_weight(stage, "app", 7);
	expect_pinned(stage, by_seven);
	put_policy(stage, by_twenty);
	pass_until_weight(stage, "app", 27);
	EXPECT_CONTAINS(stage->events.text,
			"Normal Policy mine.lua of app.test is in order and decides from now on");
	expect_pinned(stage, by_twenty);
	pass_until(stage, "app", "Succeeded");
	expect_pinned(stage, "");
	EXPECT_INT(count_of(stage->events.text, "is in order"), 1);
	stage_free(stage);
}

SPEC("policies: an edited text waits for the next release when asked to")
{
	struct stage *stage = stage_new();
	put_policy(stage, by_seven);
	put_canary(stage, "app", by_map_later);
	release(stage, "app");
	pass_until_weight(stage, "app", 7);
	put_policy(stage, by_twenty);
	pass_until_weight(stage, "app", 14);
	stop_engine(stage); /* nothing is remembered but what the cluster holds */
	start_engine(stage);
	pass_until_weight(stage, "app", 28);
	expect_pinned(stage, by_seven);
	pass_until(stage, "app", "Succeeded");
	expect_pinned(stage, "");
	EXPECT_CONTAINS(stage->events.text, "Normal Policy mine.lua of app.test is in order and "
					    "decides from the next release on");
	release(stage, "app");
	pass_until_weight(stage, "app", 20);
	stage_free(stage);
}

SPEC("policies: a newer image in mid-run is a release under the newer text")
{
	struct stage *stage = stage_new();
	put_policy(stage, by_seven);
	put_canary(stage, "app", by_map_later);
	release(stage, "app");
	pass_until_weight(stage, "app", 7);
	put_policy(stage, by_twenty);
	pass(stage, 1);
	release(stage, "app");
	pass_until_weight(stage, "app", 20);
	expect_pinned(stage, by_twenty);
	stage_free(stage);
}

SPEC("policies: a release goes on with its text when the ConfigMap is deleted or broken")
{
	struct error err = {0};
	for (int deleted = 0; deleted < 2; deleted++) {
		struct stage *stage = stage_new();
		put_policy(stage, by_seven);
		put_canary(stage, "app", by_map);
		release(stage, "app");
		pass_until_weight(stage, "app", 7);
		if (deleted)
			EXPECT(cluster_delete(stage->cluster,
					      "/api/v1/namespaces/test/configmaps/rules", &err));
		else
			put_policy(stage, broken);
		pass_until_weight(stage, "app", 14);
		stop_engine(stage);
		start_engine(stage);
		pass_until(stage, "app", "Succeeded");
		EXPECT_CONTAINS(
			stage->events.text,
			deleted ? "Warning Policy of app.test refused: configmap rules.test "
				  "not found; the one that the release began with goes on"
				: "Warning Policy of app.test refused: mine.lua:2: ");
		EXPECT_INT(count_of(stage->events.text, "goes on"), 1);
		EXPECT_INT(count_of(stage->weights.text, "app Progressing 28\n") > 0, 1);
		expect_pinned(stage, "");
		stage_free(stage);
	}
}

SPEC("policies: the pinned text goes when a release is rolled back, too")
{
	struct stage *stage = stage_new();
	put_policy(stage, by_seven);
	put_canary(stage, "app", by_map);
	release(stage, "app");
	pass_until_weight(stage, "app", 7);
	stage->value = 50;
	pass_until(stage, "app", "Failed");
	expect_pinned(stage, "");
	stage_free(stage);
}

SPEC("policies: an inline text, and one by annotation, are pinned as well")
{
	struct stage *stage = stage_new();
	put_canary(
		stage, "app",
		"    policy: {onPolicyChange: NextRollout, inline: \"return { step = function(r) "
		"return { action = 'route', weight = 33 } end }\"}\n");
	release(stage, "app");
	pass_until_weight(stage, "app", 33);
	SCOPED(text) char *texts = pinned(stage);
	EXPECT_CONTAINS(texts, "weight = 33");
	stage_free(stage);
}

/* ---- hooks that hold ---- */

SPEC("policies: `start` holds a release as long as it says, with its reason, and lets it go")
{
	struct stage *stage = stage_new();
	put_policy(stage, "return { start = function(r)\n"
			  "  if r.now < 1700000120 then return { action = 'hold', seconds = 15,\n"
			  "    reason = 'the shop is busy' } end\n"
			  "end }");
	put_canary(stage, "app", by_map);
	release(stage, "app");
	pass(stage, 60);
	EXPECT_TEXT(phase(stage, "app"), "Initialized");
	EXPECT_INT(count_of(stage->events.text, "the shop is busy"), 1);
	pass(stage, 60);
	EXPECT_TEXT(phase(stage, "app"), "Progressing");
	pass_until(stage, "app", "Succeeded");
	stage_free(stage);
}

/* ---- what a policy sees, and whom it lets see the canary ---- */

SPEC("policies: a release knows what it is about to its end, and the policy what it remembered")
{
	struct stage *stage = stage_new();
	put_policy(stage, "local function told(r) return tostring(r.changed.image) .. "
			  "tostring(r.changed.env) ..\n"
			  "  tostring(r.changed.config) .. ' ' .. (r.state.steps or 0) .. ' ' .. "
			  "r.params.most end\n"
			  "return { step = function(r)\n"
			  "  if r.weight >= 20 then return { action = 'promote' } end\n"
			  "  return { action = 'route', weight = r.weight + 10, message = 'now ' "
			  ".. told(r),\n"
			  "    state = { steps = (r.state.steps or 0) + 1 } } end,\n"
			  "promotion = function(r) error('at last ' .. told(r), 0) end }");
	put_canary(stage, "app",
		   "    policy: {configMap: {name: rules, key: mine.lua}, params: {most: 5}}\n");
	release(stage, "app");
	pass_until(stage, "app", "Succeeded");
	EXPECT_CONTAINS(stage->events.text, "now truefalsefalse 0 5\n");
	EXPECT_CONTAINS(stage->events.text, "now truefalsefalse 1 5\n");
	EXPECT_CONTAINS(stage->events.text, "at last truefalsefalse 2 5");
	stage_free(stage);
}

static const cJSON *first_route(const struct stage *stage)
{
	return json_at(
		cluster_get(stage->cluster,
			    "/apis/appmesh.k8s.aws/v1beta2/namespaces/test/virtualrouters/app"),
		"spec.routes[0].httpRoute.match.headers");
}

SPEC("policies: `match` says who sees the canary, from step to step, over restarts, to the end")
{
	struct stage *stage = stage_new();
	put_policy(stage, "return { match = function(r)\n"
			  "  local regions = { 'eu', 'eu|us', '.*' }\n"
			  "  return { { headers = { ['x-region'] = {\n"
			  "    regex = regions[math.min(r.iterations + 1, #regions)] } } } }\n"
			  "end }");
	put_canary(stage, "app",
		   "    iterations: 3\n    match: [{headers: {x-region: {exact: none}}}]\n"
		   "    policy: {configMap: {name: rules, key: mine.lua}}\n");
	EXPECT_TEXT(json_string(first_route(stage), "[0].match.exact"), "none");
	release(stage, "app");
	for (int i = 0; i < 60 && json_int(canary(stage, "app"), "status.iterations", 0) < 1; i++)
		pass(stage, 1);
	pass(stage, 1);
	EXPECT_TEXT(json_string(first_route(stage), "[0].match.regex"), "eu");
	stop_engine(stage);
	start_engine(stage);
	pass(stage, 3);
	EXPECT_TEXT(json_string(first_route(stage), "[0].match.regex"), "eu");
	pass(stage, 10);
	EXPECT_TEXT(json_string(first_route(stage), "[0].match.regex"), "eu|us");
	pass_until(stage, "app", "Succeeded");
	EXPECT_TEXT(json_string(first_route(stage), "[0].match.exact"), "none");
	stage_free(stage);
}

SPEC("policies: a match that the provider cannot do is a failed check")
{
	struct stage *stage = stage_new();
	put_policy(stage, "return { match = function(r)\n"
			  "  return { { headers = { cookie = { exact = 'a' } } } } end }");
	put_canary(stage, "app",
		   "    policy: {configMap: {name: rules, key: mine.lua}}\n"
		   "  provider: kubernetes\n");
	release(stage, "app");
	pass_until(stage, "app", "Failed");
	EXPECT_CONTAINS(stage->events.text, "match: kubernetes cannot tell requests apart");
	stage_free(stage);
}
