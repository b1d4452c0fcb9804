/*
 * dry_run.c - `sluice dry-run`: a release of a canary rehearsed (cli/rehearsal.h), and told: the
 * events as they come, as JSON, or as a page with pictures (cli/report.h).
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
#include "canary/spec.h"
#include "cli/cli.h"
#include "cli/crash_rule.h"
#include "cli/flags.h"
#include "cli/overlay.h"
#include "cli/rehearsal.h"
#include "cli/report.h"
#include "metric/past.h"
#include "script/policy.h"

enum output { OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_HTML };

struct dry_run {
	enum output output;
	bool show_objects;
	cJSON *objects;
	cJSON *policy;		/* spec.analysis.policy of the canary, or NULL */
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

static void tell_write(void *owner, int64_t since_us, const char *path, const cJSON *object)
{
	const struct dry_run *dry_run = owner;
	char age[DURATION_TEXT_MAX] = "-";
	if (dry_run->output != OUTPUT_TEXT || object == NULL)
		return;
	if (text_equal(json_string(object, "kind"), "Event")) {
		if (since_us >= 0)
			duration_text(since_us / DURATION_SECOND * DURATION_SECOND, age);
		printf("%-8s %-8s %s\n", age, json_string_or(object, "type", ""),
		       json_string_or(object, "message", ""));
	} else if (dry_run->show_objects) {
		SCOPED(text) char *text = yaml_text(object);
		printf("---\n# %s\n%s", path, text);
	}
}

static void tell_end(const struct dry_run *dry_run, const struct rehearsal_result *result)
{
	static const char *const outcomes[] = {[EXIT_GOOD] = "succeeded",
					       [EXIT_BAD_INPUT] = "bad input",
					       [EXIT_ROLLED_BACK] = "rolled back",
					       [EXIT_UNFINISHED] = "not finished"};
	char took[DURATION_TEXT_MAX];
	duration_text(result->took_us / DURATION_SECOND * DURATION_SECOND, took);
	if (dry_run->output == OUTPUT_TEXT) {
		printf("\n%s after %s (phase %s)\n", outcomes[result->status], took, result->phase);
		return;
	}
	SCOPED(json) cJSON *report = cJSON_CreateObject();
	cJSON_AddStringToObject(report, "outcome", outcomes[result->status]);
	cJSON_AddStringToObject(report, "phase", result->phase);
	cJSON_AddStringToObject(report, "took", took);
	cJSON_AddItemReferenceToObject(report, "events", result->events);
	cJSON_AddItemReferenceToObject(report, "statuses", result->statuses);
	cJSON_AddItemReferenceToObject(report, "webhooks", result->hooks);
	cJSON_AddItemReferenceToObject(report, "samples", result->samples);
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
		if (dry_run->policy != NULL)
			json_put(object, "spec.analysis.policy",
				 cJSON_Duplicate(dry_run->policy, true));
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
	dry_run->policy = cJSON_CreateObject();
	json_put_string(dry_run->policy, "inline", text.text);
	return true;
}

static struct metrics *live_metrics(void *owner, struct loop *loop, const int64_t *start_us)
{
	const struct dry_run *dry_run = owner;
	return past_metrics(loop, dry_run->prometheus, start_us, dry_run->at_us);
}

/* A recording's file, or the address of a Prometheus and when the release is taken to begin. */
static bool set_metrics(struct dry_run *dry_run, struct rehearsal_input *input,
			struct recording **recording, const char *metrics, const char *at)
{
	struct error err = {0};
	bool url = metrics != NULL &&
		   (text_starts(metrics, "http://") || text_starts(metrics, "https://"));
	if (at != NULL && !url)
		return complain("%s", "--at is for --metrics URL");
	if (metrics == NULL)
		return true;
	if (!url) {
		*recording = recording_read(metrics, &err);
		input->recording = *recording;
		return *recording != NULL || complain("%s", err.text);
	}
	if (at == NULL)
		return complain("%s",
				"--metrics URL needs --at TIME: when, in the past of that store, "
				"the release is taken to begin");
	if (!time_parse(at, &dry_run->at_us, &err))
		return complain("--at: %s", err.text);
	input->live = live_metrics;
	dry_run->prometheus = metrics;
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

static int run(struct dry_run *dry_run, const struct rehearsal_input *input, bool every_crash)
{
	struct rehearsal_result result;
	if (dry_run->canaries != 1) {
		fprintf(stderr, "sluice dry-run: the files hold %d canaries, must be 1\n",
			dry_run->canaries);
		return EXIT_BAD_INPUT;
	}
	rehearse(input, &result);
	int status = result.status;
	tell_end(dry_run, &result);
	if (every_crash && !crash_rule_check(input, &result))
		status = EXIT_UNFINISHED;
	rehearsal_result_fini(&result);
	return status;
}

int cli_dry_run(int count, char **arguments)
{
	struct flag_texts files = {0};
	const char *metrics = NULL, *policy = NULL, *output = "text", *limit = "24h", *at = NULL,
		   *scenario_file = NULL;
	struct dry_run dry_run = {0};
	const char *lua = NULL;
	bool help = false, every_crash = false;
	struct error err = {0};
	const struct flag flags[] = {
		{"f", FLAG_TEXTS, &files, "FILE", "canaries and what belongs to them"},
		{"metrics", FLAG_TEXT, &metrics, "FILE|URL",
		 "a recording, or a Prometheus with --at; without one all is well"},
		{"at", FLAG_TEXT, &at, "TIME",
		 "when in that Prometheus' past the release begins: 2026-01-31T12:00:00Z"},
		{"policy", FLAG_TEXT, &policy, "FILE", "a Lua policy that decides instead"},
		{"scenario", FLAG_TEXT, &scenario_file, "FILE",
		 "what else happens: answers of webhooks, changes, faults, crashes"},
		{"limit", FLAG_TEXT, &limit, "DURATION", "of the rehearsed time"},
		{"o", FLAG_TEXT, &output, "text|json|html", "how to tell it"},
		{"objects", FLAG_BOOL, &dry_run.show_objects, NULL,
		 "show each object as it is written"},
		{"every-crash", FLAG_BOOL, &every_crash, NULL,
		 "rehearse again with the daemon killed at each of its calls"},
		OVERLAY_FLAG(lua),
		{"help", FLAG_BOOL, &help, NULL, "this"},
		{0},
	};
	struct rehearsal_input input = {.on_write = tell_write, .owner = &dry_run};
	bool good = flags_parse(flags, count, arguments, &files, &err) &&
		    duration_parse(limit, &input.limit_us, &err) &&
		    read_output(output, &dry_run.output, &err) && overlay_use(lua, &err);
	if (good && !help && files.count == 0)
		good = error_set(&err, ERROR_INVALID, "no file given; see sluice dry-run --help");
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
	dry_run.objects = cJSON_CreateArray();
	struct recording *recording = NULL;
	struct scenario *scenario = NULL;
	good = set_metrics(&dry_run, &input, &recording, metrics, at);
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
	int status = good ? run(&dry_run, &input, every_crash) : EXIT_BAD_INPUT;
	recording_free(recording);
	scenario_free(scenario);
	cJSON_Delete(dry_run.objects);
	cJSON_Delete(dry_run.policy);
	return status;
}
