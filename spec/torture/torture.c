/*
 * torture.c - what if just this one had failed: each allocation of Lua, each answer of a port.
 *
 * The program is linked with --wrap, so that it stands between the engine and lua_newstate,
 * cluster_faults and scenario_hook; the engine knows nothing of it. Whatever fails, a policy ends
 * with a sentence, and a release ends as it does when nothing fails.
 */
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "metric/recording.h"
#include "rehearsal/rehearsal.h"
#include "script/driver.h"
#include "script/meter.h"
#include "script/policy.h"

enum { RUNS_MAX = 200000, TOLD_MAX = 5 };

static int passed, failed;

static void verdict(const char *what, long runs, long broken)
{
	printf("  %s %s: %ld runs\n", broken == 0 && runs > 0 ? "ok  " : "FAIL", what, runs);
	fflush(stdout);
	if (broken == 0 && runs > 0)
		passed++;
	else
		failed++;
}

/* ---- Lua: the nth allocation, alone, or with all that follow ---- */

static struct {
	long nth, seen; /* 0: none fails */
	bool all_after;
} memory;

struct allocator {
	lua_Alloc inner;
	void *owner;
};

/* A policy's state may be refused memory while a call is metered, a driver's at any time. */
static bool may_fail(const struct allocator *allocator)
{
	if (allocator->inner == meter_allocate)
		return ((const struct meter *)allocator->owner)->running;
	return true;
}

static void *allocate(void *owner, void *block, size_t old, size_t size)
{
	const struct allocator *allocator = owner;
	if (memory.nth > 0 && size > (block == NULL ? 0 : old) && may_fail(allocator)) {
		memory.seen++;
		if (memory.seen == memory.nth || (memory.all_after && memory.seen > memory.nth))
			return NULL;
	}
	return allocator->inner(allocator->owner, block, old, size);
}

lua_State *__real_lua_newstate(lua_Alloc inner, void *owner);
lua_State *__wrap_lua_newstate(lua_Alloc inner, void *owner);

lua_State *__wrap_lua_newstate(lua_Alloc inner, void *owner)
{
	struct allocator *allocator = xmalloc(sizeof(*allocator));
	*allocator = (struct allocator){inner, owner};
	long nth = memory.nth;
	memory.nth = 0; /* without a state there is nobody to tell */
	lua_State *L = __real_lua_newstate(allocate, allocator);
	memory.nth = nth;
	return L;
}

void __real_lua_close(lua_State *L);
void __wrap_lua_close(lua_State *L);

void __wrap_lua_close(lua_State *L)
{
	void *allocator;
	lua_getallocf(L, &allocator);
	__real_lua_close(L);
	free(allocator);
}

int __real_vm_keep(struct vm *vm);
int __wrap_vm_keep(struct vm *vm);

/* Outside of any budget. */
int __wrap_vm_keep(struct vm *vm)
{
	long nth = memory.nth;
	memory.nth = 0;
	int reference = __real_vm_keep(vm);
	memory.nth = nth;
	return reference;
}

static bool is_told(const struct error *err)
{
	return err->kind == ERROR_SCRIPT && err->text[0] != '\0';
}

/* Compiles a stock policy and calls all its hooks; false: something failed without a sentence. */
static bool use_policy(const char *name)
{
	SCOPED(json)
	cJSON *rollout = cJSON_Parse(
		"{\"name\":\"podinfo\",\"namespace\":\"test\",\"target\":\"podinfo\",\"provider\":"
		"\"appmesh\",\"phase\":\"Progressing\",\"weight\":10,\"iterations\":1,"
		"\"failed_checks\":5,\"threshold\":5,\"analysis\":{\"maxWeight\":50,\"stepWeight\":"
		"5,\"iterations\":3,\"metrics\":[{\"name\":\"latency\",\"query\":\"up\"}]},"
		"\"history\":[],\"params\":{},\"state\":{}}");
	SCOPED(json)
	cJSON *sample = cJSON_Parse("{\"kind\":\"ok\",\"value\":99.5,\"metric\":{\"name\":"
				    "\"request-success-rate\",\"thresholdRange\":{\"min\":99.9}}}");
	struct error err = {0};
	struct policy *policy = policy_new_stock(name, NULL, &err);
	if (policy == NULL)
		return is_told(&err);
	struct policy_run *run = policy_run_new(policy, false, &err);
	bool good = run != NULL || is_told(&err);
	for (int hook = 0; run != NULL && hook < POLICY_HOOKS; hook++) {
		SCOPED(json) cJSON *result = NULL;
		err = (struct error){0};
		if (policy_has(policy, (enum policy_hook)hook) &&
		    !policy_call(run, (enum policy_hook)hook, rollout, sample, &result, &err))
			good = good && is_told(&err);
	}
	policy_run_free(run);
	policy_free(policy);
	return good;
}

static bool use_driver(const char *name)
{
	struct error err = {0};
	struct driver *driver = driver_new("traffic", name, NULL, &err);
	if (driver == NULL)
		return is_told(&err);
	int table = driver_table(driver, name, &err);
	bool good = table != 0 || is_told(&err);
	if (table != 0) {
		cJSON *facts = driver_facts(driver, table, &err);
		good = facts != NULL || is_told(&err);
		cJSON_Delete(facts);
	}
	driver_free(driver);
	return good;
}

static void torture_memory(const char *what, bool (*use)(const char *name), const char *name)
{
	for (int mode = 0; mode < 2; mode++) {
		long runs = 0, broken = 0;
		memory.all_after = mode == 1;
		for (memory.nth = 1; memory.nth < RUNS_MAX; memory.nth++) {
			memory.seen = 0;
			runs++;
			if (!use(name) && ++broken <= TOLD_MAX)
				printf("allocation %ld of %s: failed without a sentence\n",
				       memory.nth, name);
			if (memory.seen < memory.nth)
				break;
		}
		memory.nth = 0;
		SCOPED(text)
		char *title = xasprintf("%s %s: allocation %s", what, name,
					mode == 0 ? "n fails" : "n and all after it fail");
		verdict(title, runs, broken);
	}
}

/* ---- ports: the nth request, question or webhook ---- */

enum port { PORT_NONE, PORT_API, PORT_METRICS, PORT_HOOKS };

static struct {
	enum port port;
	long nth, seen;
	enum cluster_fault fault;
	enum sample_kind sample;
	int hook; /* its answer */
} trouble;

static bool is_its_turn(enum port port)
{
	return trouble.port == port && ++trouble.seen == trouble.nth;
}

static struct {
	cluster_fault_call *call;
	void *owner;
} inner_faults;

static enum cluster_fault fault_of(void *owner, const struct http_request *request)
{
	(void)owner;
	if (is_its_turn(PORT_API))
		return trouble.fault;
	return inner_faults.call(inner_faults.owner, request);
}

void __real_cluster_faults(struct cluster *cluster, cluster_fault_call *call, void *owner);
void __wrap_cluster_faults(struct cluster *cluster, cluster_fault_call *call, void *owner);

void __wrap_cluster_faults(struct cluster *cluster, cluster_fault_call *call, void *owner)
{
	inner_faults.call = call;
	inner_faults.owner = owner;
	__real_cluster_faults(cluster, fault_of, NULL);
}

int __wrap_scenario_hook(const struct scenario *scenario, const char *name, const cJSON *heard,
			 int64_t now_us, int otherwise);

int __wrap_scenario_hook(const struct scenario *scenario, const char *name, const cJSON *heard,
			 int64_t now_us, int otherwise)
{
	(void)scenario;
	(void)name;
	(void)heard;
	(void)now_us;
	return is_its_turn(PORT_HOOKS) ? trouble.hook : otherwise;
}

/* A recording, of which one answer is another one. */
struct store {
	struct metrics metrics;
	struct metrics *inner;
	struct loop *loop;
	struct {
		uint64_t token;
		metric_done *done;
		void *owner;
	} late; /* the one, until it is answered */
};

static const struct recording *recorded;

static void answer_late(void *owner, uint64_t token)
{
	struct store *store = owner;
	struct sample sample = {.kind = trouble.sample, .text = "torture"};
	(void)token;
	store->late.done(store->late.owner, store->late.token, &sample);
}

/* The id of the one; the recording counts from 1 up. */
static const uint64_t late_id = UINT64_MAX;

static uint64_t store_query(struct metrics *metrics, const struct metric_query *query,
			    metric_done *done, void *owner, uint64_t token)
{
	struct store *store = (struct store *)metrics;
	if (!is_its_turn(PORT_METRICS))
		return store->inner->ops->query(store->inner, query, done, owner, token);
	store->late.token = token;
	store->late.done = done;
	store->late.owner = owner;
	loop_ready(store->loop, answer_late, store, 0);
	return late_id;
}

static void store_cancel(struct metrics *metrics, uint64_t id)
{
	struct store *store = (struct store *)metrics;
	if (id == late_id)
		loop_drop(store->loop, store);
	else
		store->inner->ops->cancel(store->inner, id);
}

static void store_free(struct metrics *metrics)
{
	struct store *store = (struct store *)metrics;
	loop_drop(store->loop, store);
	store->inner->ops->free(store->inner);
	free(store);
}

static struct metrics *store_new(void *owner, struct loop *loop, const int64_t *start_us)
{
	static const struct metrics_ops ops = {store_query, store_cancel, store_free};
	struct store *store = xcalloc(1, sizeof(*store));
	(void)owner;
	store->metrics.ops = &ops;
	store->loop = loop;
	store->inner = recording_metrics(loop, recorded, start_us);
	return &store->metrics;
}

/* ---- a release with one trouble ---- */

static struct scenario nothing_happens;

/* The phases and weights in a row. A gate that was not there to say yes is waited for: that is no
 * other course. */
static char *course(const struct rehearsal_result *result)
{
	SCOPED(buf) struct buf text = {0};
	const cJSON *item;
	char last[64] = "";
	buf_init(&text, (size_t)MIB);
	cJSON_ArrayForEach(item, result->notes[NOTE_STATUS])
	{
		char now[64];
		snprintf(now, sizeof(now), "%.40s %ld", json_string_or(item, "phase", ""),
			 json_int(item, "weight", 0));
		if (text_starts(now, "Waiting"))
			continue;
		if (strcmp(now, last) != 0)
			buf_printf(&text, "%s, ", now);
		text_copy(last, sizeof(last), now);
	}
	return buf_take(&text);
}

static enum outcome play(const cJSON *objects, char **owned_course)
{
	struct rehearsal_result result;
	struct error err = {0};
	const struct rehearsal_input input = {
		.objects = objects,
		.live = store_new,
		.scenario = &nothing_happens,
		.limit_us = DURATION_HOUR,
	};
	trouble.seen = 0;
	if (!rehearse(&input, &result, &err)) {
		printf("%s\n", err.text);
		result.outcome = OUTCOME_UNFINISHED;
	}
	*owned_course = course(&result);
	enum outcome outcome = result.outcome;
	rehearsal_result_fini(&result);
	return outcome;
}

static void torture_port(const char *what, const cJSON *objects, enum outcome wanted)
{
	enum port port = trouble.port;
	long runs = 0, broken = 0;
	SCOPED(text) char *usual = NULL;
	trouble.port = PORT_NONE;
	if (play(objects, &usual) != wanted)
		broken++;
	trouble.port = port;
	for (trouble.nth = 1; trouble.nth < RUNS_MAX; trouble.nth++) {
		SCOPED(text) char *got = NULL;
		enum outcome outcome = play(objects, &got);
		if (trouble.seen < trouble.nth)
			break;
		runs++;
		if ((outcome != wanted || strcmp(got, usual) != 0) && ++broken <= TOLD_MAX)
			printf("%s: call %ld:\n    got    %s\n    wanted %s\n", what, trouble.nth,
			       got, usual);
	}
	trouble.port = PORT_NONE;
	verdict(what, runs, broken);
}

static void torture_ports(const char *story, const cJSON *objects, enum outcome wanted)
{
	static const struct {
		const char *name;
		enum cluster_fault fault;
	} faults[] = {
		{"the connection breaks before it", FAULT_BEFORE},
		{"the reply is lost", FAULT_AFTER},
		{"409", FAULT_409},
		{"410", FAULT_410},
		{"429", FAULT_429},
		{"500", FAULT_500},
		{"503", FAULT_503},
		{"no reply in time", FAULT_TIMEOUT},
	};
	static const struct {
		const char *name;
		enum sample_kind kind;
	} samples[] = {
		{"no data", SAMPLE_NO_DATA},
		{"not a number", SAMPLE_NAN},
		{"several series", SAMPLE_AMBIGUOUS},
		{"an error", SAMPLE_ERROR},
	};
	static const struct {
		const char *name;
		int answer;
	} hooks[] = {{"500", 500}, {"no connection", HOOK_DOWN}, {"no answer", HOOK_TIMEOUT}};
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		SCOPED(text)
		char *what = xasprintf("%s: a request: %s", story, faults[i].name);
		trouble.port = PORT_API;
		trouble.fault = faults[i].fault;
		torture_port(what, objects, wanted);
	}
	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		SCOPED(text)
		char *what = xasprintf("%s: a question: %s", story, samples[i].name);
		trouble.port = PORT_METRICS;
		trouble.sample = samples[i].kind;
		torture_port(what, objects, wanted);
	}
	for (size_t i = 0; i < ARRAY_LEN(hooks); i++) {
		SCOPED(text) char *what = xasprintf("%s: a webhook: %s", story, hooks[i].name);
		trouble.port = PORT_HOOKS;
		trouble.hook = hooks[i].answer;
		torture_port(what, objects, wanted);
	}
}

static struct recording *read_recording(const char *path)
{
	struct error err = {0};
	struct recording *recording = recording_read(path, &err);
	if (recording == NULL) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	return recording;
}

/* The podinfo canary, with webhooks of each kind that has no gate to be opened by somebody. */
static cJSON *read_objects(const char *path)
{
	static const char *const types[] = {
		"confirm-rollout",   "pre-rollout",  "rollout",	 "confirm-traffic-increase",
		"confirm-promotion", "post-rollout", "rollback", "event"};
	struct error err = {0};
	SCOPED(yaml) struct yaml_file *file = yaml_read(path, &err);
	if (file == NULL) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	cJSON *objects = cJSON_CreateArray();
	cJSON *canary = cJSON_Duplicate(yaml_document(file, 0), true);
	cJSON *webhooks = cJSON_CreateArray();
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		cJSON *webhook = cJSON_CreateObject();
		SCOPED(text) char *url = xasprintf("http://hooks.test/%s", types[i]);
		json_put_string(webhook, "name", types[i]);
		json_put_string(webhook, "type", types[i]);
		json_put_string(webhook, "url", url);
		cJSON_AddItemToArray(webhooks, webhook);
	}
	json_put(canary, "spec.analysis.webhooks", webhooks);
	json_put_number(canary, "spec.analysis.maxWeight", 15);
	cJSON_AddItemToArray(objects, canary);
	return objects;
}

int main(void)
{
	static const char *const policies[] = {"canary", "blue-green", "ab-testing"};
	log_setup(LOG_OFF, false, NULL);
	SCOPED(json) cJSON *objects = read_objects("examples/podinfo/canary.yaml");
	for (size_t i = 0; i < ARRAY_LEN(policies); i++)
		torture_memory("policy", use_policy, policies[i]);
	torture_memory("driver", use_driver, "istio");

	struct recording *good = read_recording("examples/recordings/good.yaml");
	recorded = good;
	torture_ports("a good release", objects, OUTCOME_SUCCEEDED);
	recording_free(good);
	struct recording *bad = read_recording("examples/recordings/no-traffic.yaml");
	recorded = bad;
	torture_ports("a bad release", objects, OUTCOME_ROLLED_BACK);
	recording_free(bad);
	printf("torture: %d passed, %d failed\n", passed, failed);
	return failed > 0;
}
