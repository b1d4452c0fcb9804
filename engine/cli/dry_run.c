/*
 * dry_run.c - `sluice dry-run`: a release of a canary rehearsed, with the real engine, on an
 * in-memory cluster and a virtual clock.
 *
 * Tells the events as `kubectl describe` would, and how it ended. Webhooks are not called: each
 * answers "ok", but a rollback hook, which says no.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "canary/engine.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "metric/recording.h"
#include "sim/cluster.h"

struct rehearsal {
	struct http hooks; /* first: answers all webhooks */
	struct loop *loop;
	struct cluster *cluster;
	char canary[KUBE_PATH_MAX], target[KUBE_PATH_MAX];
	int64_t start_us; /* when the new image came */
	bool json, objects;
	cJSON *events; /* of JSON output */
	cJSON *policy; /* spec.analysis.policy of every canary, or NULL */
};

/* ---- webhooks ---- */

struct hook {
	struct rehearsal *rehearsal;
	http_done *done;
	void *owner;
	uint64_t token;
	int status;
};

static void hook_answer(void *owner, uint64_t unused)
{
	struct hook *hook = owner;
	const struct http_reply reply = {.status = hook->status, .body = "", .retry_after_us = -1};
	(void)unused;
	hook->done(hook->owner, hook->token, &reply);
	free(hook);
}

static uint64_t hook_send(struct http *http, const struct http_request *request, http_piece *piece,
			  http_done *done, void *owner, uint64_t token)
{
	struct rehearsal *rehearsal = (struct rehearsal *)http;
	struct hook *hook = xcalloc(1, sizeof(*hook));
	(void)piece;
	*hook = (struct hook){rehearsal, done, owner, token, 200};
	if (strstr(request->url, "rollback") != NULL)
		hook->status = 403;
	loop_ready(rehearsal->loop, hook_answer, hook, 0);
	return 0;
}

static void hook_cancel(struct http *http, uint64_t id)
{
	(void)http;
	(void)id;
}

static const struct http_ops hook_ops = {.send = hook_send, .cancel = hook_cancel};

/* ---- what is told ---- */

static void tell_write(void *owner, const char *path, const cJSON *object)
{
	struct rehearsal *rehearsal = owner;
	if (object == NULL || !text_equal(json_string(object, "kind"), "Event")) {
		if (rehearsal->objects && object != NULL && !rehearsal->json) {
			SCOPED(text) char *text = yaml_text(object);
			printf("---\n# %s\n%s", path, text);
		}
		return;
	}
	if (rehearsal->json) {
		cJSON_AddItemToArray(rehearsal->events, cJSON_Duplicate(object, true));
		return;
	}
	int64_t at_us = loop_now(rehearsal->loop) - rehearsal->start_us;
	char age[DURATION_TEXT_MAX] = "-";
	if (rehearsal->start_us != 0)
		duration_text(at_us / DURATION_SECOND * DURATION_SECOND, age);
	printf("%-8s %-8s %s\n", age, json_string_or(object, "type", ""),
	       json_string_or(object, "message", ""));
}

/* ---- what is rehearsed ---- */

static void make_target(struct rehearsal *rehearsal, const cJSON *canary)
{
	struct error err = {0};
	const char *name = json_string_or(canary, "spec.targetRef.name", "");
	const char *namespace = json_string_or(canary, "metadata.namespace", "default");
	kube_path(rehearsal->target, &kube_deployment, namespace, name);
	kube_path(rehearsal->canary, &kube_canary, namespace,
		  json_string_or(canary, "metadata.name", ""));
	if (cluster_get(rehearsal->cluster, rehearsal->target) != NULL)
		return;
	SCOPED(json) cJSON *target = cJSON_CreateObject();
	json_put_string(target, "apiVersion", "apps/v1");
	json_put_string(target, "kind", "Deployment");
	json_put_string(target, "metadata.name", name);
	json_put_string(target, "metadata.namespace", namespace);
	json_put_number(target, "spec.replicas", 1);
	json_put_string(target, "spec.selector.matchLabels.app", name);
	json_put_string(target, "spec.template.metadata.labels.app", name);
	cJSON *containers = cJSON_CreateArray(), *container = cJSON_CreateObject();
	json_put_string(container, "name", name);
	json_put_string(container, "image", "image:1");
	cJSON_AddItemToArray(containers, container);
	json_put(target, "spec.template.spec.containers", containers);
	if (!cluster_apply(rehearsal->cluster, target, &err))
		log_warn(NULL, "%s", err.text);
}

static bool check_canary(const struct yaml_file *file, size_t i, const cJSON *canary)
{
	struct spec_problems problems = {0};
	const struct spec_options options = {.default_provider = "kubernetes"};
	canary_spec_free(canary_spec_new(canary, &options, &problems));
	for (size_t k = 0; k < problems.count; k++)
		fprintf(stderr, "%s:%d: %s%s: %s\n", yaml_name(file),
			yaml_line(file, i, problems.items[k].path),
			problems.items[k].warning ? "warning: " : "", problems.items[k].path,
			problems.items[k].text);
	bool good = problems.errors == 0;
	spec_problems_fini(&problems);
	return good;
}

static bool add_file(struct rehearsal *rehearsal, const char *path, int *canaries)
{
	struct error err = {0};
	SCOPED(yaml) struct yaml_file *file = yaml_read(path, &err);
	if (file == NULL) {
		fprintf(stderr, "sluice dry-run: %s\n", err.text);
		return false;
	}
	for (size_t i = 0; i < yaml_count(file); i++) {
		SCOPED(json) cJSON *object = cJSON_Duplicate(yaml_document(file, i), true);
		bool canary = text_equal(json_string(object, "kind"), "Canary");
		if (json_string(object, "metadata.namespace") == NULL)
			json_put_string(object, "metadata.namespace", "default");
		if (canary && rehearsal->policy != NULL)
			json_put(object, "spec.analysis.policy",
				 cJSON_Duplicate(rehearsal->policy, true));
		if (canary && !check_canary(file, i, object))
			return false;
		if (!cluster_apply(rehearsal->cluster, object, &err)) {
			fprintf(stderr, "%s:%d: %s\n", path, yaml_line(file, i, "kind"), err.text);
			return false;
		}
		if (!canary)
			continue;
		++*canaries;
		make_target(rehearsal, object);
	}
	return true;
}

static void release(struct rehearsal *rehearsal)
{
	struct error err = {0};
	SCOPED(json)
	cJSON *target = cJSON_Duplicate(cluster_get(rehearsal->cluster, rehearsal->target), true);
	const char *image =
		json_string_or(target, "spec.template.spec.containers[0].image", "image");
	SCOPED(text) char *next = xasprintf("%s-next", image);
	json_put_string(target, "spec.template.spec.containers[0].image", next);
	rehearsal->start_us = loop_now(rehearsal->loop);
	if (!cluster_merge(rehearsal->cluster, rehearsal->target, target, &err))
		log_warn(NULL, "%s", err.text);
}

static const char *phase(const struct rehearsal *rehearsal)
{
	return json_string_or(cluster_get(rehearsal->cluster, rehearsal->canary), "status.phase",
			      "");
}

static bool run_until(struct rehearsal *rehearsal, const char *one, const char *other,
		      int64_t limit_us)
{
	int64_t until_us = loop_now(rehearsal->loop) + limit_us;
	while (loop_now(rehearsal->loop) < until_us) {
		if (strcmp(phase(rehearsal), one) == 0 || strcmp(phase(rehearsal), other) == 0)
			return true;
		loop_run(rehearsal->loop, loop_now(rehearsal->loop) + DURATION_SECOND);
	}
	return false;
}

static bool always(void *owner)
{
	(void)owner;
	return true;
}

static int rehearse(struct rehearsal *rehearsal, const struct recording *recording,
		    int64_t limit_us)
{
	struct chance chance;
	chance_seed(&chance, 1);
	static const char *const labels[] = {"app", "name", "app.kubernetes.io/name", NULL};
	static const char *const prefixes[] = {NULL};
	const struct kube_options kube_options = {0};
	struct kube *kube =
		kube_new(rehearsal->loop, cluster_port(rehearsal->cluster), &chance, &kube_options);
	struct metrics *metrics =
		recording_metrics(rehearsal->loop, recording, &rehearsal->start_us);
	struct policies *policies = policies_new();
	const struct tick_world world = {
		.asks = {kube, &rehearsal->hooks, metrics, always, NULL},
		.workload = {labels, prefixes, true},
		.policies = policies,
		.metrics_server = "",
		.component = "flagger",
	};
	const struct engine_options options = {.spec = {.default_provider = "kubernetes"}};
	struct engine *engine = engine_new(&world, &options);
	engine_own(engine, true);
	bool ended = run_until(rehearsal, "Initialized", "Failed", DURATION_HOUR);
	if (ended) {
		release(rehearsal);
		loop_run(rehearsal->loop, loop_now(rehearsal->loop) + 2 * DURATION_SECOND);
		ended = run_until(rehearsal, "Succeeded", "Failed", limit_us);
		loop_run(rehearsal->loop, loop_now(rehearsal->loop) + DURATION_SECOND);
	}
	int status = !ended					  ? EXIT_UNFINISHED
		     : strcmp(phase(rehearsal), "Succeeded") == 0 ? EXIT_GOOD
								  : EXIT_ROLLED_BACK;
	engine_free(engine);
	policies_free(policies);
	metrics->ops->free(metrics);
	kube_free(kube);
	return status;
}

static void tell_end(const struct rehearsal *rehearsal, int status)
{
	static const char *const outcomes[] = {[EXIT_GOOD] = "succeeded",
					       [EXIT_BAD_INPUT] = "bad input",
					       [EXIT_ROLLED_BACK] = "rolled back",
					       [EXIT_UNFINISHED] = "not finished"};
	char took[DURATION_TEXT_MAX];
	int64_t us = rehearsal->start_us == 0 ? 0 : loop_now(rehearsal->loop) - rehearsal->start_us;
	duration_text(us / DURATION_SECOND * DURATION_SECOND, took);
	if (!rehearsal->json) {
		printf("\n%s after %s (phase %s)\n", outcomes[status], took, phase(rehearsal));
		return;
	}
	SCOPED(json) cJSON *report = cJSON_CreateObject();
	cJSON_AddStringToObject(report, "outcome", outcomes[status]);
	cJSON_AddStringToObject(report, "phase", phase(rehearsal));
	cJSON_AddStringToObject(report, "took", took);
	cJSON_AddItemReferenceToObject(report, "events", rehearsal->events);
	SCOPED(text) char *text = json_text(report);
	puts(text);
}

static bool read_policy(struct rehearsal *rehearsal, const char *path)
{
	SCOPED(buf) struct buf text = {0};
	struct error err = {0};
	buf_init(&text, 256U * 1024);
	if (!file_read(path, &text, &err)) {
		fprintf(stderr, "sluice dry-run: %s\n", err.text);
		return false;
	}
	struct policy *policy = policy_new(path, text.text, text.len, &err);
	if (policy == NULL) {
		fprintf(stderr, "sluice dry-run: %s\n", err.text);
		return false;
	}
	policy_free(policy);
	rehearsal->policy = cJSON_CreateObject();
	json_put_string(rehearsal->policy, "inline", text.text);
	return true;
}

int cli_dry_run(int count, char **arguments)
{
	struct flag_texts files = {0};
	const char *metrics = NULL, *policy = NULL, *output = "text", *limit = "24h";
	struct rehearsal rehearsal = {.hooks.ops = &hook_ops};
	bool help = false;
	struct error err = {0};
	const struct flag flags[] = {
		{"f", FLAG_TEXTS, &files, "FILE", "canaries and what belongs to them"},
		{"metrics", FLAG_TEXT, &metrics, "FILE", "a recording; without one all is well"},
		{"policy", FLAG_TEXT, &policy, "FILE", "a Lua policy that decides instead"},
		{"limit", FLAG_TEXT, &limit, "DURATION", "of the rehearsed time"},
		{"o", FLAG_TEXT, &output, "text|json", "how to tell it"},
		{"objects", FLAG_BOOL, &rehearsal.objects, NULL,
		 "show each object as it is written"},
		{"help", FLAG_BOOL, &help, NULL, "this"},
		{0},
	};
	int64_t limit_us = 0;
	bool good = flags_parse(flags, count, arguments, &files, &err) &&
		    duration_parse(limit, &limit_us, &err);
	rehearsal.json = strcmp(output, "json") == 0;
	if (good && !rehearsal.json && strcmp(output, "text") != 0)
		good = error_set(&err, ERROR_INVALID, "-o must be text or json, is \"%s\"", output);
	if (good && !help && files.count == 0)
		good = error_set(&err, ERROR_INVALID, "no file given; see sluice dry-run --help");
	if (!good) {
		fprintf(stderr, "sluice dry-run: %s\n", err.text);
		return EXIT_BAD_INPUT;
	}
	if (help) {
		puts("usage: sluice dry-run -f FILE... [flags]\n\n"
		     "Rehearses a release. Exit status: 0 succeeded, 1 bad input, 2 rolled back, "
		     "3 not finished.\n");
		flags_help(flags);
		return EXIT_GOOD;
	}
	struct recording *recording = NULL;
	if (metrics != NULL) {
		recording = recording_read(metrics, &err);
		if (recording == NULL) {
			fprintf(stderr, "sluice dry-run: %s\n", err.text);
			return EXIT_BAD_INPUT;
		}
	}
	log_setup(LOG_ERROR, false, NULL);
	rehearsal.loop = loop_new_virtual(1700000000 * DURATION_SECOND);
	const struct cluster_options options = {.seed = 1, .ready_us = DURATION_SECOND};
	rehearsal.cluster = cluster_new(rehearsal.loop, &options);
	rehearsal.events = cJSON_CreateArray();
	int canaries = 0;
	if (policy != NULL)
		good = read_policy(&rehearsal, policy);
	for (size_t i = 0; good && i < files.count; i++)
		good = add_file(&rehearsal, files.items[i], &canaries);
	if (good && canaries != 1) {
		fprintf(stderr, "sluice dry-run: the files hold %d canaries, must be 1\n",
			canaries);
		good = false;
	}
	int status = EXIT_BAD_INPUT;
	if (good) {
		cluster_on_write(rehearsal.cluster, tell_write, &rehearsal);
		status = rehearse(&rehearsal, recording, limit_us);
		tell_end(&rehearsal, status);
	}
	cluster_free(rehearsal.cluster);
	loop_free(rehearsal.loop);
	recording_free(recording);
	cJSON_Delete(rehearsal.events);
	cJSON_Delete(rehearsal.policy);
	return status;
}
