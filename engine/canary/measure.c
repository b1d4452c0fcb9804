#include "canary/measure.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "canary/hooks.h"
#include "canary/target.h"
#include "metric/query.h"

static const char *const kinds[] = {
	[SAMPLE_OK] = "ok",	  [SAMPLE_NO_DATA] = "no-data",
	[SAMPLE_NAN] = "nan",	  [SAMPLE_AMBIGUOUS] = "ambiguous",
	[SAMPLE_STALE] = "stale", [SAMPLE_ERROR] = "error",
};

static void subject_of(const struct tick *tick, struct metric_subject *subject, struct buf *pods)
{
	const struct canary_spec *spec = tick->spec;
	const struct target_kind *kind = spec->target;
	buf_init(pods, PODS_TEXT_MAX);
	if (kind->name_pods != NULL)
		kind->name_pods(tick->target, pods);
	*subject = (struct metric_subject){
		.name = spec->name,
		.namespace = spec->namespace,
		.target = spec->target_name,
		.service = spec->apex,
		.ingress = spec->ingress_name == NULL ? spec->target_name : spec->ingress_name,
		.route = kind == &target_knative    ? knative_latest(tick->target)
			 : spec->route_name == NULL ? spec->target_name
						    : spec->route_name,
		.provider = spec->metrics_provider,
		.kind = kind->kube.kind,
		.noun = kind->noun,
		.by_service = kind->counted == COUNTED_BY_SERVICE,
		.by_pod = kind->counted == COUNTED_BY_POD,
		.revision = json_string_or(tick->target, "status.updateRevision", ""),
		.pod_names = kind->name_pods != NULL ? pods->text : kind->pod_names,
		.metrics_server = spec->metrics_server == NULL ? tick->world->metrics_server
							       : spec->metrics_server,
	};
}

/* The MetricTemplate that a check names, and the Secret that this names; NULL where there is none.
 */
static enum step read_template(struct tick *tick, const cJSON *check, const cJSON **template,
			       const cJSON **secret, struct error *err)
{
	char path[KUBE_PATH_MAX];
	*template = NULL;
	*secret = NULL;
	const char *name = json_string(check, "templateRef.name");
	if (name == NULL)
		return STEP_ON;
	const char *elsewhere = json_string_or(check, "templateRef.namespace", "");
	const char *namespace = elsewhere[0] != '\0' ? elsewhere : tick->spec->namespace;
	kube_path(path, &kube_metric_template, namespace, name);
	const struct answer *answer = ask_object(tick->asks, path);
	if (answer == NULL)
		return STEP_WAIT;
	if (answer->error.kind != ERROR_NONE || answer->object == NULL) {
		error_set(err, ERROR_NOT_FOUND, "metric template %s.%s error: %s", name, namespace,
			  answer->object == NULL && answer->error.kind == ERROR_NONE
				  ? "not found"
				  : answer->error.text);
		return STEP_ON;
	}
	*template = answer->object;
	const char *secret_name = json_string(answer->object, "spec.provider.secretRef.name");
	if (secret_name == NULL)
		return STEP_ON;
	kube_path(path, &kube_secret, namespace, secret_name);
	answer = ask_object(tick->asks, path);
	if (answer == NULL)
		return STEP_WAIT;
	if (answer->error.kind != ERROR_NONE || answer->object == NULL)
		error_set(err, ERROR_NOT_FOUND, "metric template %s.%s secret %s error: %s", name,
			  namespace, secret_name,
			  answer->error.kind == ERROR_NONE ? "not found" : answer->error.text);
	*secret = answer->object;
	return STEP_ON;
}

static cJSON *sample_table(const cJSON *check, const struct sample *sample)
{
	cJSON *table = cJSON_CreateObject();
	cJSON_AddStringToObject(table, "name", json_string_or(check, "name", ""));
	cJSON_AddStringToObject(table, "kind", kinds[sample->kind]);
	if (sample->kind == SAMPLE_OK || sample->kind == SAMPLE_STALE)
		cJSON_AddNumberToObject(table, "value", sample->value);
	if (sample->has_count)
		cJSON_AddNumberToObject(table, "count", sample->count);
	if (sample->kind != SAMPLE_OK)
		cJSON_AddStringToObject(table, "text", sample->text);
	if (sample->kind == SAMPLE_ERROR)
		cJSON_AddStringToObject(table, "error", error_kind_name(sample->error));
	const cJSON *range = json_get(check, "thresholdRange");
	if (range != NULL)
		cJSON_AddItemToObject(table, "range", cJSON_Duplicate(range, true));
	cJSON_AddItemToObject(table, "metric", cJSON_Duplicate(check, true));
	return table;
}

/* One check's sample, or STEP_WAIT. Whatever goes wrong on the way is a sample of kind error. */
static enum step take_sample(struct tick *tick, const char *label, const cJSON *check,
			     struct decision *decision, struct sample *sample)
{
	const cJSON *template, *secret;
	struct error err = {0};
	*sample = (struct sample){.kind = SAMPLE_ERROR};
	if (read_template(tick, check, &template, &secret, &err) == STEP_WAIT)
		return STEP_WAIT;
	/* The query is rendered once, and for the log. */
	const struct answer *answer;
	if (decision == NULL && ask_knows_metric(tick->asks, label, &answer)) {
		if (answer == NULL)
			return STEP_WAIT;
		*sample = answer->sample;
		return STEP_ON;
	}
	struct metric_subject subject;
	SCOPED(buf) struct buf pods = {0};
	struct metric_request request;
	subject_of(tick, &subject, &pods);
	if (tick->driver->query != NULL)
		subject.own_query =
			tick->driver->query(tick->driver, json_string_or(check, "name", ""));
	if (err.kind != ERROR_NONE ||
	    !metric_request_init(&request, &subject, check, template, secret, &err)) {
		sample->error = err.kind;
		text_copy(sample->text, sizeof(sample->text), err.text);
		decision_sample(decision, "", NULL);
		return STEP_ON;
	}
	answer = ask_metric(tick->asks, label, &request.query);
	if (answer != NULL)
		decision_sample(decision, request.query.query, answer->body);
	metric_request_fini(&request);
	if (answer == NULL)
		return STEP_WAIT;
	*sample = answer->sample;
	return STEP_ON;
}

static enum step run_rollout_hooks(struct tick *tick, bool *passed)
{
	const struct webhook_spec *failed;
	struct error why = {0};
	if (hooks_run(tick, WEBHOOK_ROLLOUT, PHASE_PROGRESSING, NULL, &failed, &why) == STEP_WAIT)
		return STEP_WAIT;
	*passed = failed == NULL;
	if (!*passed) {
		move_note(&tick->move, true, tick->status.phase,
			  "Halt %s.%s advancement external check %s failed %s", tick->spec->name,
			  tick->spec->namespace, failed->name, why.text);
		text_copy(tick->verdict_text, sizeof(tick->verdict_text), why.text);
	}
	return STEP_ON;
}

/* A failure of a metric that has a limit of its own counts towards that. False: towards the
 * threshold, as there is no limit, or no room to remember it. */
static bool count_failure(struct tick *tick, const cJSON *sample)
{
	const cJSON *limit = json_at(sample, "metric.failureLimit");
	const char *name = json_string_or(sample, "name", "");
	if (!cJSON_IsNumber(limit) || strlen(name) > LIMITED_NAME_MAX)
		return false;
	if (tick->failures == NULL) {
		const cJSON *before = tick->status.memory.failures;
		tick->failures =
			before == NULL ? cJSON_CreateObject() : cJSON_Duplicate(before, true);
	}
	double failed = json_number(json_get(tick->failures, name), "[0]", 0);
	bool known = json_get(tick->failures, name) != NULL;
	if (!known && cJSON_GetArraySize(tick->failures) >= LIMITED_METRICS_MAX)
		return false;
	const double counts[] = {failed + 1, limit->valuedouble};
	cJSON_DeleteItemFromObjectCaseSensitive(tick->failures, name);
	cJSON_AddItemToObject(tick->failures, name, cJSON_CreateDoubleArray(counts, 2));
	tick->move.failures = tick->failures;
	return true;
}

/* Says only the first failure as an event; the history remembers it. */
static void judge(struct tick *tick, const struct policy_chain *policies, const cJSON *rollout,
		  const cJSON *sample, enum check *check)
{
	SCOPED(json) cJSON *verdict = NULL;
	struct error err = {0};
	if (!tick_ask(tick, policies, HOOK_JUDGE, rollout, sample, &verdict, &err)) {
		if (*check != CHECK_FAILED) {
			move_note(&tick->move, true, tick->status.phase,
				  "Halt %s.%s advancement policy failed %s", tick->spec->name,
				  tick->spec->namespace, err.text);
			text_copy(tick->verdict_text, sizeof(tick->verdict_text), err.text);
		}
		*check = CHECK_FAILED;
		tick->move.own_limits = false;
		return;
	}
	const char *word = json_string_or(verdict, "verdict", "");
	bool first = *check != CHECK_FAILED;
	if (strcmp(word, "fail") == 0) {
		bool own = count_failure(tick, sample);
		tick->move.own_limits = own && (first || tick->move.own_limits);
	}
	if (strcmp(word, "pass") == 0 || *check == CHECK_FAILED)
		return;
	const char *reason = json_string_or(verdict, "reason", "failed by the policy");
	bool held = strcmp(word, "hold") == 0;
	if (held && *check == CHECK_HELD)
		return;
	move_note(&tick->move, true, tick->status.phase, "%s", reason);
	text_copy(tick->verdict_text, sizeof(tick->verdict_text), reason);
	const char *kind = json_string_or(sample, "kind", "");
	text_copy(tick->verdict_kind, sizeof(tick->verdict_kind),
		  strcmp(kind, kinds[SAMPLE_OK]) == 0 ? "" : kind);
	*check = held ? CHECK_HELD : CHECK_FAILED;
}

static enum step take_samples(struct tick *tick, const char *prefix, const cJSON *checks,
			      struct decision *decision, cJSON *samples)
{
	bool waiting = false;
	size_t i = 0;
	const cJSON *entry;
	cJSON_ArrayForEach(entry, checks)
	{
		struct sample sample;
		char label[32];
		snprintf(label, sizeof(label), "%s %zu", prefix, i++);
		if (take_sample(tick, label, entry, decision, &sample) == STEP_WAIT)
			waiting = true;
		else
			cJSON_AddItemToArray(samples, sample_table(entry, &sample));
	}
	return waiting ? STEP_WAIT : STEP_ON;
}

/* ---- beside another controller ---- */

static bool may_be_a_hook(const struct tick *tick)
{
	if (tick->beside == NULL || !beside_failed(tick->beside, &tick->status))
		return false;
	for (size_t i = 0; i < tick->spec->webhook_count; i++)
		if (tick->spec->webhooks[i].type == WEBHOOK_ROLLOUT)
			return true;
	return false;
}

/* It counted a failed check: a webhook's, unless a metric explains it. That is what the stock
 * policy says of the Canary's own metrics. */
static enum step blame_hook(struct tick *tick, const struct policy_chain *policies,
			    const cJSON *rollout, enum check *check)
{
	const struct policy_chain stock = {.stock = policies->stock,
					   .defaults = policies->defaults};
	SCOPED(json) cJSON *checks = NULL;
	SCOPED(json) cJSON *samples = cJSON_CreateArray();
	struct error err = {0};
	bool explained = false;
	if (!policy_chain_call(&stock, HOOK_THRESHOLDS, rollout, NULL, &checks, &err))
		return STEP_ON;
	if (take_samples(tick, "their metric", checks, NULL, samples) == STEP_WAIT)
		return STEP_WAIT;
	const cJSON *sample;
	cJSON_ArrayForEach(sample, samples)
	{
		SCOPED(json) cJSON *verdict = NULL;
		/* There a store that does not answer is a failed check too. */
		explained |=
			!policy_chain_call(&stock, HOOK_JUDGE, rollout, sample, &verdict, &err) ||
			!text_equal(json_string(verdict, "verdict"), "pass");
	}
	if (explained)
		return STEP_ON;
	*check = CHECK_FAILED;
	snprintf(tick->verdict_text, sizeof(tick->verdict_text),
		 "an external check failed, as the other controller was answered");
	return STEP_ON;
}

enum step measure(struct tick *tick, const struct policy_chain *policies, cJSON *rollout,
		  enum check *check)
{
	bool passed;
	*check = CHECK_PASSED;
	enum step step = run_rollout_hooks(tick, &passed);
	if (step != STEP_ON)
		return step;
	if (!passed) {
		*check = CHECK_FAILED;
		return STEP_ON;
	}
	struct error err = {0};
	if (tick->checks == NULL &&
	    !tick_ask(tick, policies, HOOK_THRESHOLDS, rollout, NULL, &tick->checks, &err)) {
		move_note(&tick->move, true, tick->status.phase,
			  "Halt %s.%s advancement policy failed %s", tick->spec->name,
			  tick->spec->namespace, err.text);
		text_copy(tick->verdict_text, sizeof(tick->verdict_text), err.text);
		*check = CHECK_FAILED;
		return STEP_ON;
	}
	cJSON *samples = cJSON_CreateArray();
	cJSON_AddItemToObject(rollout, "samples", samples);
	if (take_samples(tick, "metric", tick->checks, tick->decision, samples) == STEP_WAIT)
		return STEP_WAIT;
	const cJSON *sample;
	cJSON_ArrayForEach(sample, samples)
	{
		if (text_equal(json_string(sample, "kind"), kinds[SAMPLE_OK]))
			exporter_sample(tick->world->exporter, tick->spec,
					json_string_or(sample, "name", ""),
					json_number(sample, "value", 0));
		judge(tick, policies, rollout, sample, check);
	}
	if (*check == CHECK_PASSED && may_be_a_hook(tick))
		return blame_hook(tick, policies, rollout, check);
	return STEP_ON;
}

/* The store of a MetricTemplate. STEP_ON with `err` set: it cannot be asked. */
static enum step template_online(struct tick *tick, size_t i, struct error *err)
{
	const cJSON *check = tick->spec->metrics[i].json, *template, *secret;
	if (read_template(tick, check, &template, &secret, err) == STEP_WAIT)
		return STEP_WAIT;
	struct metric_subject subject;
	SCOPED(buf) struct buf pods = {0};
	struct metric_request request;
	subject_of(tick, &subject, &pods);
	if (err->kind != ERROR_NONE ||
	    !metric_request_init(&request, &subject, check, template, secret, err))
		return STEP_ON;
	char label[32];
	snprintf(label, sizeof(label), "online %zu", i);
	request.query.online = true;
	const struct answer *answer = ask_metric(tick->asks, label, &request.query);
	metric_request_fini(&request);
	if (answer == NULL)
		return STEP_WAIT;
	if (answer->sample.kind == SAMPLE_ERROR)
		error_set(err, answer->sample.error, "%s", answer->sample.text);
	return STEP_ON;
}

static enum step server_online(struct tick *tick, struct error *err)
{
	const struct canary_spec *spec = tick->spec;
	const struct metric_query query = {
		.canary = spec->name,
		.namespace = spec->namespace,
		.metric = "online",
		.provider = "prometheus",
		.address = spec->metrics_server == NULL ? tick->world->metrics_server
							: spec->metrics_server,
		.query = "vector(1)",
		.online = true,
	};
	const struct answer *answer = ask_metric(tick->asks, "online", &query);
	if (answer == NULL)
		return STEP_WAIT;
	if (answer->sample.kind == SAMPLE_ERROR)
		error_set(err, answer->sample.error, "%s", answer->sample.text);
	return STEP_ON;
}

enum step measure_online(struct tick *tick)
{
	struct error first = {0};
	bool waiting = server_online(tick, &first) == STEP_WAIT;
	for (size_t i = 0; i < tick->spec->metric_count; i++) {
		struct error err = {0};
		if (tick->spec->metrics[i].template_name == NULL)
			continue;
		waiting |= template_online(tick, i, &err) == STEP_WAIT;
		if (first.kind == ERROR_NONE)
			first = err;
	}
	if (waiting)
		return STEP_WAIT;
	if (first.kind != ERROR_NONE)
		move_note(&tick->move, true, tick->status.phase,
			  "Error checking metric providers: %s", first.text);
	else
		move_note(&tick->move, false, tick->status.phase,
			  "all the metrics providers are available!");
	return STEP_ON;
}
