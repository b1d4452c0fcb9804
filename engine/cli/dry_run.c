/*
 * dry_run.c - `sluice dry-run`: a release of a canary rehearsed (rehearsal/rehearsal.h), and told:
 * the events as they come, as JSON, or as a page with pictures (rehearsal/report.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cells.h"
#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "canary/spec.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/overlay.h"
#include "metric/past.h"
#include "rehearsal/crash_rule.h"
#include "rehearsal/rehearsal.h"
#include "rehearsal/report.h"
#include "script/policy.h"

enum output { OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_HTML };

struct dry_run {
	enum output output;
	bool show_objects, verbose;
	cJSON *objects;
	char *policy;		/* a text that decides instead of the canary's own, or NULL */
	const char *prometheus; /* asked instead of a recording, or NULL */
	int64_t at_us;		/* in its past */
	int canaries;
};

static bool complain(const char *format, const char *text)
{
	fprintf(stderr, "sluice dry-run: ");
	fprintf(stderr, format, text);
	fputc('\n', stderr);
	return false;
}

/* ---- what is told ---- */

static void tell_line(const cJSON *item, const char *type, const char *format, ...)
	PRINTF_LIKE(3, 4);

static void tell_line(const cJSON *item, const char *type, const char *format, ...)
{
	char age[DURATION_TEXT_MAX] = "-";
	double at = json_number(item, "at", -1);
	if (at >= 0)
		duration_text((int64_t)at * DURATION_SECOND, age);
	printf("%-8s %-8s ", age, type);
	va_list args;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* A value, or the text where there is none. */
static const char *value_of(const cJSON *item, const char *field, char number[32])
{
	const cJSON *value = json_get(item, field);
	if (value == NULL)
		return json_string_or(item, "text", "");
	json_number_text(value->valuedouble, number);
	return number;
}

static void tell_alert(const struct dry_run *dry_run, const cJSON *item)
{
	tell_line(item, "Alert", "to %s (%s), %s: %s", json_string_or(item, "to", ""),
		  json_string_or(item, "type", ""), json_string_or(item, "severity", ""),
		  json_string_or(item, "message", ""));
	if (!dry_run->verbose)
		return;
	SCOPED(text) char *body = json_text(json_get(item, "body"));
	printf("%17s %s\n", "", body);
}

static void tell_note(void *owner, enum note_kind kind, const cJSON *item)
{
	const struct dry_run *dry_run = owner;
	char number[32];
	if (dry_run->output != OUTPUT_TEXT)
		return;
	switch (kind) {
	case NOTE_EVENT:
		tell_line(item, json_string_or(item, "type", ""), "%s",
			  json_string_or(item, "message", ""));
		return;
	case NOTE_SCENE:
		tell_line(item, "Scenario", "%s", json_string_or(item, "text", ""));
		return;
	case NOTE_ALERT:
		tell_alert(dry_run, item);
		return;
	case NOTE_STATUS:
		if (dry_run->verbose)
			tell_line(
				item, "Status", "%s, weight %ld, iteration %ld, failed checks %ld",
				json_string_or(item, "phase", ""), json_int(item, "weight", 0),
				json_int(item, "iterations", 0), json_int(item, "failedChecks", 0));
		return;
	case NOTE_HOOK:
		if (dry_run->verbose)
			tell_line(item, "Webhook", "%s: %s", json_string_or(item, "name", ""),
				  value_of(item, "status", number));
		return;
	case NOTE_SAMPLE:
		if (dry_run->verbose)
			tell_line(item, "Metric", "%s: %s", json_string_or(item, "metric", ""),
				  value_of(item, "value", number));
		return;
	case NOTE_KINDS:
		return;
	}
}

static void tell_write(void *owner, const char *path, const cJSON *object)
{
	const struct dry_run *dry_run = owner;
	if (dry_run->output != OUTPUT_TEXT || !dry_run->show_objects || object == NULL)
		return;
	SCOPED(text) char *text = yaml_text(object);
	printf("---\n# %s\n%s", path, text);
}

static const cJSON *canary_of(const cJSON *objects)
{
	const cJSON *object;
	cJSON_ArrayForEach(object, objects)
	{
		if (text_equal(json_string(object, "kind"), "Canary"))
			return object;
	}
	return NULL;
}

static void tell_end(const struct dry_run *dry_run, const struct rehearsal_result *result)
{
	static const char *const outcomes[] = {[OUTCOME_SUCCEEDED] = "succeeded",
					       [OUTCOME_ROLLED_BACK] = "rolled back",
					       [OUTCOME_UNFINISHED] = "not finished"};
	static const char *const lists[NOTE_KINDS] = {
		[NOTE_EVENT] = "events",   [NOTE_STATUS] = "statuses", [NOTE_HOOK] = "webhooks",
		[NOTE_SAMPLE] = "samples", [NOTE_SCENE] = "scenes",    [NOTE_ALERT] = "alerts"};
	char took[DURATION_TEXT_MAX];
	duration_text(result->took_us / DURATION_SECOND * DURATION_SECOND, took);
	if (dry_run->output == OUTPUT_TEXT) {
		printf("\n%s after %s (phase %s)\n", outcomes[result->outcome], took,
		       result->phase);
		return;
	}
	SCOPED(json) cJSON *report = cJSON_CreateObject();
	cJSON_AddStringToObject(report, "outcome", outcomes[result->outcome]);
	cJSON_AddStringToObject(report, "phase", result->phase);
	cJSON_AddStringToObject(report, "took", took);
	cJSON_AddItemReferenceToObject(report, "canary",
				       (cJSON *)(uintptr_t)canary_of(dry_run->objects));
	for (size_t i = 0; i < NOTE_KINDS; i++)
		cJSON_AddItemReferenceToObject(report, lists[i], result->notes[i]);
	if (dry_run->show_objects)
		cJSON_AddItemReferenceToObject(report, "objects", result->objects);
	SCOPED(text)
	char *text = dry_run->output == OUTPUT_JSON ? json_text(report) : report_html(report);
	puts(text);
}

/* ---- what is rehearsed ---- */

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

static bool add_file(struct dry_run *dry_run, const char *path)
{
	struct error err = {0};
	SCOPED(yaml) struct yaml_file *file = yaml_read(path, &err);
	if (file == NULL)
		return complain("%s", err.text);
	for (size_t i = 0; i < yaml_count(file); i++) {
		const cJSON *document = yaml_document(file, i);
		if (json_string(document, "kind") == NULL ||
		    json_string(document, "metadata.name") == NULL) {
			fprintf(stderr, "%s:%d: an object needs kind and metadata.name\n", path,
				yaml_line(file, i, "kind"));
			return false;
		}
		cJSON *object = cJSON_Duplicate(document, true);
		cJSON_AddItemToArray(dry_run->objects, object);
		if (json_string(object, "metadata.namespace") == NULL)
			json_put_string(object, "metadata.namespace", "default");
		if (!text_equal(json_string(object, "kind"), "Canary"))
			continue;
		dry_run->canaries++;
		if (dry_run->policy != NULL) {
			json_remove(object, "spec.analysis.policy.name");
			json_remove(object, "spec.analysis.policy.configMap");
			json_put_string(object, "spec.analysis.policy.inline", dry_run->policy);
		}
		if (!check_canary(file, i, object))
			return false;
	}
	return true;
}

static bool read_policy(struct dry_run *dry_run, const char *path)
{
	SCOPED(buf) struct buf text = {0};
	struct error err = {0};
	buf_init(&text, POLICY_TEXT_MAX);
	if (!file_read(path, &text, &err))
		return complain("%s", err.text);
	struct policy *policy = policy_new(path, text.text, text.len, &err);
	if (policy == NULL)
		return complain("%s", err.text);
	policy_free(policy);
	dry_run->policy = buf_take(&text);
	return true;
}

static struct metrics *live_metrics(void *owner, struct loop *loop, const int64_t *start_us)
{
	const struct dry_run *dry_run = owner;
	return past_metrics(loop, dry_run->prometheus, start_us, dry_run->at_us);
}

/* "METRIC=FILE", or a file alone. */
static bool add_recording(struct recording *recording, const char *argument)
{
	struct error err = {0};
	size_t len = strspn(argument, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_:");
	SCOPED(text) char *metric = argument[len] == '=' ? xstrndup(argument, len) : NULL;
	return recording_add(recording, metric == NULL ? argument : argument + len + 1, metric,
			     &err) ||
	       complain("%s", err.text);
}

static bool is_url(const char *text)
{
	return text_starts(text, "http://") || text_starts(text, "https://");
}

/* Recordings, or the address of a Prometheus and when the release is taken to begin. */
static bool set_metrics(struct dry_run *dry_run, struct rehearsal_input *input,
			struct recording **recording, const struct flag_texts *metrics,
			const char *at)
{
	struct error err = {0};
	bool url = metrics->count > 0 && is_url(metrics->items[0]);
	if (at != NULL && !url)
		return complain("%s", "--at is for --metrics URL");
	if (url && metrics->count > 1)
		return complain("%s", "--metrics URL stands alone");
	if (url && at == NULL)
		return complain("%s",
				"--metrics URL needs --at TIME: when, in the past of that store, "
				"the release is taken to begin");
	if (url) {
		if (!time_parse(at, &dry_run->at_us, &err))
			return complain("--at: %s", err.text);
		input->live = live_metrics;
		dry_run->prometheus = metrics->items[0];
		return true;
	}
	if (metrics->count == 0)
		return true;
	*recording = recording_new();
	input->recording = *recording;
	for (size_t i = 0; i < metrics->count; i++)
		if (!add_recording(*recording, metrics->items[i]))
			return false;
	return true;
}

static bool read_output(const char *text, enum output *output, struct error *err)
{
	static const char *const names[] = {"text", "json", "html"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(text, names[i]) != 0)
			continue;
		*output = (enum output)i;
		return true;
	}
	return error_set(err, ERROR_INVALID, "-o must be text, json or html, is \"%s\"", text);
}

static int run(struct dry_run *dry_run, const struct rehearsal_input *input, uint64_t stride)
{
	static const int statuses[] = {[OUTCOME_SUCCEEDED] = EXIT_GOOD,
				       [OUTCOME_ROLLED_BACK] = EXIT_ROLLED_BACK,
				       [OUTCOME_UNFINISHED] = EXIT_UNFINISHED};
	struct rehearsal_result result;
	struct error err = {0};
	if (dry_run->canaries == 0) {
		fprintf(stderr, "sluice dry-run: the files hold no Canary\n");
		return EXIT_BAD_INPUT;
	}
	int status = EXIT_BAD_INPUT;
	if (rehearse(input, &result, &err)) {
		status = statuses[result.outcome];
		tell_end(dry_run, &result);
		if (stride > 0 && !crash_rule_check(input, &result, stride))
			status = EXIT_UNFINISHED;
	} else {
		(void)complain("%s", err.text);
	}
	rehearsal_result_fini(&result);
	return status;
}

static bool read_stride(const char *text, bool every_crash, uint64_t *stride, struct error *err)
{
	char *end;
	*stride = every_crash ? 1 : 0;
	if (text == NULL)
		return true;
	*stride = strtoull(text, &end, 10);
	if (every_crash && *end == '\0' && *stride >= 1 && *stride <= 1000000)
		return true;
	return error_set(err, ERROR_INVALID,
			 "--crash-stride must be a whole number above 0, with --every-crash");
}

int cli_dry_run(int count, char **arguments)
{
	struct flag_texts files = {0}, metrics = {0};
	const char *policy = NULL, *output = "text", *limit = "24h", *lag = "0s", *at = NULL,
		   *scenario_file = NULL, *stride_text = NULL, *decision_log = NULL;
	struct dry_run dry_run = {0};
	const char *lua = NULL;
	bool help = false, every_crash = false;
	uint64_t stride = 0;
	struct error err = {0};
	const struct flag flags[] = {
		{"f", FLAG_TEXTS, &files, "FILE",
		 "a Canary and what belongs to it; of several the last is released"},
		{"metrics", FLAG_TEXTS, &metrics, "[METRIC=]FILE|URL",
		 "recordings, or a Prometheus with --at; without one all is well"},
		{"at", FLAG_TEXT, &at, "TIME",
		 "when in that Prometheus' past the release begins: 2026-01-31T12:00:00Z"},
		{"policy", FLAG_TEXT, &policy, "FILE", "a Lua policy that decides instead"},
		{"scenario", FLAG_TEXT, &scenario_file, "FILE",
		 "what else happens: answers of webhooks, changes, faults, crashes"},
		{"limit", FLAG_TEXT, &limit, "DURATION", "of the rehearsed time"},
		{"lag", FLAG_TEXT, &lag, "DURATION",
		 "the API server's replies and watches take up to this long"},
		{"o", FLAG_TEXT, &output, "text|json|html", "how to tell it"},
		{"objects", FLAG_BOOL, &dry_run.show_objects, NULL,
		 "show each object as it is written"},
		{"verbose", FLAG_BOOL, &dry_run.verbose, NULL,
		 "tell the status, webhooks and measurements too, and alerts as they are sent"},
		{"every-crash", FLAG_BOOL, &every_crash, NULL,
		 "rehearse again with the daemon killed at each of its calls"},
		{"decision-log", FLAG_TEXT, &decision_log, "DIR|-",
		 "write each decision down, for sluice replay and sluice why"},
		OVERLAY_FLAG(lua),
		{"crash-stride", FLAG_TEXT, &stride_text, "N", "at each Nth of its calls only"},
		{"help", FLAG_BOOL, &help, NULL, "this"},
		{0},
	};
	struct rehearsal_input input = {
		.on_note = tell_note, .on_write = tell_write, .owner = &dry_run};
	bool good = flags_parse(flags, count, arguments, &files, &err) &&
		    duration_parse(limit, &input.limit_us, &err) &&
		    duration_parse(lag, &input.lag_us, &err) &&
		    read_output(output, &dry_run.output, &err) &&
		    read_stride(stride_text, every_crash, &stride, &err) && overlay_use(lua, &err);
	if (good && !help && files.count == 0)
		good = error_set(&err, ERROR_INVALID, "no file given; see sluice dry-run --help");
	if (good && input.lag_us < 0)
		good = error_set(&err, ERROR_INVALID, "--lag must not be below 0, is %s", lag);
	if (good && every_crash && dry_run.output != OUTPUT_TEXT)
		good = error_set(&err, ERROR_INVALID, "--every-crash is told as text only");
	if (!good) {
		fprintf(stderr, "sluice dry-run: %s\n", err.text);
		return EXIT_BAD_INPUT;
	}
	if (help) {
		puts("usage: sluice dry-run -f FILE... [flags]\n\n"
		     "Rehearses a release. Exit status: 0 succeeded, 1 bad input, 2 rolled back, "
		     "3 not finished\n(or the crash rule is broken).\n");
		flags_help(flags);
		return EXIT_GOOD;
	}
	log_setup(LOG_ERROR, false, NULL);
	cells_for_json();
	dry_run.objects = cJSON_CreateArray();
	struct recording *recording = NULL;
	struct scenario *scenario = NULL;
	good = set_metrics(&dry_run, &input, &recording, &metrics, at);
	if (good && scenario_file != NULL) {
		scenario = scenario_read(scenario_file, &err);
		good = scenario != NULL || complain("%s", err.text);
	}
	if (good && policy != NULL)
		good = read_policy(&dry_run, policy);
	for (size_t i = 0; good && i < files.count; i++)
		good = add_file(&dry_run, files.items[i]);
	input.objects = dry_run.objects;
	input.scenario = scenario;
	if (good && decision_log != NULL) {
		input.decisions = decision_log_open(decision_log, 0, &err);
		good = input.decisions != NULL || complain("--decision-log: %s", err.text);
	}
	int status = good ? run(&dry_run, &input, stride) : EXIT_BAD_INPUT;
	decision_log_close(input.decisions);
	recording_free(recording);
	scenario_free(scenario);
	cJSON_Delete(dry_run.objects);
	free(dry_run.policy);
	return status;
}
