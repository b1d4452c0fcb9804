/*
 * why.c - `sluice why`: one decision of a log explained: the number, the limit, the line that
 * judged it, what was asked and answered, and the smallest change that would have changed the
 * verdict. Of a live canary its status says the last decisions, and its daemon's log the rest.
 *
 * What would have been is not argued but tried: the same hook is run with the other number.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "canary/replay.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/why_live.h"

struct explaining {
	struct replay *replay;
	const char *canary; /* NULL: any */
	int64_t at_us;	    /* the last decision until then; 0: of all */
	bool any;	    /* not only one that stood in the way */
	struct chosen {
		char *file, *canary;
		int line;
		int64_t time_us;
		cJSON *json;
	} chosen, before; /* `before`: the last failed check of the same canary */
};

static void learn(void *owner, const char *name, const char *hash, const char *text)
{
	struct explaining *explaining = owner;
	replay_learn(explaining->replay, name, hash, text);
}

static void chosen_fini(struct chosen *chosen)
{
	free(chosen->file);
	free(chosen->canary);
	cJSON_Delete(chosen->json);
	*chosen = (struct chosen){0};
}

static void choose(struct chosen *chosen, const struct logged *logged)
{
	chosen_fini(chosen);
	chosen->file = xstrdup(logged->file);
	chosen->canary = xstrdup(logged->canary);
	chosen->line = logged->line;
	chosen->time_us = logged->time_us;
	chosen->json = cJSON_Duplicate(logged->json, true);
}

/* "test/podinfo", "podinfo". */
static bool is_meant(const struct explaining *explaining, const char *canary)
{
	if (explaining->canary == NULL)
		return true;
	const char *name = strchr(canary, '/');
	return strcmp(canary, explaining->canary) == 0 ||
	       (name != NULL && strcmp(name + 1, explaining->canary) == 0);
}

static bool each_decision(void *owner, const struct logged *logged)
{
	struct explaining *explaining = owner;
	struct result result;
	if (!is_meant(explaining, logged->canary) ||
	    (explaining->at_us != 0 && logged->time_us > explaining->at_us))
		return true;
	replay_result(logged->json, &result);
	bool stopped = result.kind == RESULT_FAIL || result.kind == RESULT_HOLD ||
		       result.kind == RESULT_ROLL_BACK;
	if (stopped || explaining->any || explaining->at_us != 0)
		choose(&explaining->chosen, logged);
	if (result.kind == RESULT_FAIL)
		choose(&explaining->before, logged);
	return true;
}

/* ---- the smallest change ---- */

/* One judgement, and where in its sample the number to be changed stands. */
struct trial {
	struct replay *replay;
	const cJSON *json, *call, *sample;
	const char *path;
	char verdict[16]; /* as it was */
};

static bool flips(const struct trial *trial, double number)
{
	SCOPED(json) cJSON *sample = cJSON_Duplicate(trial->sample, true);
	SCOPED(json) cJSON *answer = NULL;
	struct error err = {0};
	json_put_number(sample, trial->path, number);
	/* The range stands twice: as the check has it, and beside the value. */
	if (text_starts(trial->path, "metric.thresholdRange."))
		json_put_number(sample,
				strcmp(trial->path, "metric.thresholdRange.min") == 0 ? "range.min"
										      : "range.max",
				number);
	if (!replay_judge(trial->replay, trial->json, trial->call, sample, &answer, &err))
		return false;
	return strcmp(json_string_or(answer, "verdict", ""), trial->verdict) != 0;
}

/* The number nearest to `from` in one direction with another verdict; false when there is none. */
static bool nearest(const struct trial *trial, double from, double direction, double *found)
{
	double step = fabs(from) > 0 ? fabs(from) * 1e-6 : 1e-6, near = from, far = from;
	for (int i = 0; i < 60; i++) {
		far = from + direction * step;
		if (flips(trial, far))
			break;
		near = far;
		step *= 2;
		if (i == 59)
			return false;
	}
	for (int i = 0; i < 60; i++) {
		double middle = near + (far - near) / 2;
		if (flips(trial, middle))
			far = middle;
		else
			near = middle;
	}
	*found = far;
	return true;
}

/* As few digits as flip the verdict, too, and are no further away than a thousandth. */
static void plain_text(const struct trial *trial, double from, double number, char text[40])
{
	for (int digits = 1; digits < 16 && fabs(number) > 0; digits++) {
		double unit = pow(10, floor(log10(fabs(number))) - digits + 1);
		double rounded = number > from ? ceil(number / unit) : floor(number / unit);
		snprintf(text, 40, "%.*g", digits, rounded * unit);
		double plain = strtod(text, NULL);
		if (fabs(plain - number) <= fabs(number) * 1e-3 && flips(trial, plain)) {
			json_number_text(plain, text);
			return;
		}
	}
	json_number_text(number, text);
}

static bool tell_change(const struct trial *trial, const char *what)
{
	double from = json_number(trial->sample, trial->path, NAN), up, down;
	if (isnan(from))
		return false;
	bool can_up = nearest(trial, from, 1, &up), can_down = nearest(trial, from, -1, &down);
	if (!can_up && !can_down)
		return false;
	double number = !can_down || (can_up && up - from < from - down) ? up : down;
	char text[40], was[32];
	plain_text(trial, from, number, text);
	json_number_text(from, was);
	SCOPED(json) cJSON *sample = cJSON_Duplicate(trial->sample, true);
	SCOPED(json) cJSON *answer = NULL;
	struct error err = {0};
	json_put_number(sample, trial->path, strtod(text, NULL));
	(void)!replay_judge(trial->replay, trial->json, trial->call, sample, &answer, &err);
	printf("    with %s %s instead of %s the verdict would have been %s\n", what, text, was,
	       json_string_or(answer, "verdict", "other"));
	return true;
}

/* ---- the explanation ---- */

static void tell_sample(const cJSON *sample)
{
	char number[32], bound[32];
	const cJSON *range = json_get(sample, "range");
	const char *kind = json_string_or(sample, "kind", "?");
	json_number_text(json_number(sample, "value", 0), number);
	if (strcmp(kind, "stale") == 0)
		printf("  %s was %s: %s (%s)", json_string_or(sample, "name", "?"), number, kind,
		       json_string_or(sample, "text", ""));
	else if (json_get(sample, "value") != NULL)
		printf("  %s is %s", json_string_or(sample, "name", "?"), number);
	else
		printf("  %s: %s (%s)", json_string_or(sample, "name", "?"), kind,
		       json_string_or(sample, "text", ""));
	json_number_text(json_number(range, "min", 0), bound);
	if (json_get(range, "min") != NULL)
		printf(", must be at least %s", bound);
	json_number_text(json_number(range, "max", 0), bound);
	if (json_get(range, "max") != NULL)
		printf(", must be at most %s", bound);
	json_number_text(json_number(sample, "count", 0), number);
	if (json_get(sample, "count") != NULL)
		printf("; of %s %s", number,
		       text_starts(json_string_or(sample, "name", ""), "request-")
			       ? "requests"
			       : "measurements");
	printf("\n");
}

static void tell_judgement(const struct explaining *explaining, const struct chosen *chosen,
			   const cJSON *call)
{
	char place[200];
	int i = (int)json_int(call, "sample", -1);
	const cJSON *json = chosen->json;
	struct trial trial = {.replay = explaining->replay,
			      .json = json,
			      .call = call,
			      .sample = cJSON_GetArrayItem(json_get(json, "samples"), i),
			      .path = "value"};
	const char *verdict = json_string_or(call, "answer.verdict", "fail");
	text_copy(trial.verdict, sizeof(trial.verdict), verdict);
	tell_sample(trial.sample);
	replay_place(explaining->replay, json, call, place, sizeof(place));
	const char *reason =
		json_string_or(call, "answer.reason", json_string_or(call, "error", ""));
	printf("    judged %s by %s%s%s\n", verdict, place, reason[0] == '\0' ? "" : ": ", reason);
	const char *query = cJSON_GetStringValue(cJSON_GetArrayItem(json_get(json, "asked"), i));
	const char *raw = cJSON_GetStringValue(cJSON_GetArrayItem(json_get(json, "raw"), i));
	if (query != NULL && query[0] != '\0')
		printf("    asked: %s\n", query);
	if (raw != NULL && raw[0] != '\0')
		printf("    answered: %s\n", raw);
	if (json_get(trial.sample, "value") == NULL)
		return;
	const bool has[] = {true, json_at(trial.sample, "metric.thresholdRange.min") != NULL,
			    json_at(trial.sample, "metric.thresholdRange.max") != NULL};
	static const char *const paths[] = {"value", "metric.thresholdRange.min",
					    "metric.thresholdRange.max"};
	static const char *const names[] = {"the number", "thresholdRange.min",
					    "thresholdRange.max"};
	bool told = false;
	for (size_t k = 0; k < ARRAY_LEN(paths); k++) {
		trial.path = paths[k];
		told |= has[k] && tell_change(&trial, names[k]);
	}
	if (!told)
		puts("    no other number would have changed the verdict");
}

static void tell_calls(const struct explaining *explaining, const struct chosen *chosen)
{
	const cJSON *call;
	cJSON_ArrayForEach(call, json_get(chosen->json, "calls"))
	{
		const char *hook = json_string_or(call, "hook", "");
		char place[200];
		if (strcmp(hook, "judge") == 0) {
			if (!text_equal(json_string(call, "answer.verdict"), "pass") ||
			    explaining->any)
				tell_judgement(explaining, chosen, call);
			continue;
		}
		replay_place(explaining->replay, chosen->json, call, place, sizeof(place));
		SCOPED(text)
		char *answer = json_get(call, "answer") == NULL
				       ? xstrdup(json_string_or(call, "error", ""))
				       : json_canonical(json_get(call, "answer"));
		if (strcmp(hook, "thresholds") != 0)
			printf("  %s of %s: %s\n", hook, place, answer);
	}
}

static void tell(const struct explaining *explaining, const struct chosen *chosen)
{
	char time[TIME_TEXT_MAX], weight[32];
	struct result result;
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, 2000);
	time_text(chosen->time_us, time);
	json_number_text(json_number(chosen->json, "rollout.weight", 0), weight);
	replay_result(chosen->json, &result);
	result_text(&result, &text);
	printf("%s at %s, weight %s, %ld failed checks of %ld (%s:%d)\n  decided: %s\n",
	       chosen->canary, time, weight, json_int(chosen->json, "rollout.failed_checks", 0),
	       json_int(chosen->json, "rollout.threshold", 0), chosen->file, chosen->line,
	       text.text);
	const char *did = json_string(chosen->json, "theirs.did");
	if (did != NULL)
		printf("  observed: %s did \"%s\"\n",
		       json_string_or(chosen->json, "theirs.controller", ""), did);
	tell_calls(explaining, chosen);
}

static bool explain(struct explaining *explaining, const char *path, struct error *err)
{
	const struct log_reader reader = {each_decision, learn, explaining};
	struct log_summary summary;
	struct result result;
	if (!decision_log_read(path, &reader, &summary, err))
		return false;
	if (explaining->chosen.json == NULL)
		return error_set(err, ERROR_NOT_FOUND,
				 "%s: no decision%s%s stood in the way of a release; --any takes "
				 "the last one",
				 path, explaining->canary == NULL ? "" : " of ",
				 explaining->canary == NULL ? "" : explaining->canary);
	tell(explaining, &explaining->chosen);
	replay_result(explaining->chosen.json, &result);
	if (result.kind == RESULT_ROLL_BACK && explaining->before.json != NULL &&
	    text_equal(explaining->before.canary, explaining->chosen.canary)) {
		printf("\nthe last check that failed before:\n");
		tell(explaining, &explaining->before);
	}
	return true;
}

struct why_words {
	const char *at, *log, *namespace;
	struct kube_config_options kube;
	bool help;
};

/* "podinfo" or "test/podinfo", and no file. */
static bool is_canary(const struct flag_texts *words)
{
	struct stat status;
	const char *word = words->items[0];
	const char *slash = strchr(word, '/');
	return words->count == 1 && word[0] != '/' && word[0] != '.' &&
	       (slash == NULL || strchr(slash + 1, '/') == NULL) && stat(word, &status) != 0;
}

static bool explain_live(struct explaining *explaining, const struct why_words *words,
			 const char *canary, struct error *err)
{
	SCOPED(text) char *key = NULL;
	if (!why_live(canary, &words->kube, words->namespace, &key, err))
		return false;
	if (words->log == NULL) {
		puts("  all numbers, and what would have changed the verdict: --decision-log with "
		     "the daemon's directory");
		return true;
	}
	puts("");
	explaining->canary = key;
	bool good = explain(explaining, words->log, err);
	explaining->canary = NULL;
	return good;
}

static bool explain_words(struct explaining *explaining, const struct why_words *words,
			  const struct flag_texts *bare, struct error *err)
{
	if (bare->count < 1 || bare->count > 2)
		return error_set(err, ERROR_INVALID,
				 "takes a canary, or a log and perhaps a canary; see sluice why "
				 "--help");
	if (words->at != NULL && !time_parse(words->at, &explaining->at_us, err))
		return error_wrap(err, "--at");
	if (words->log != NULL || is_canary(bare))
		return explain_live(explaining, words, bare->items[0], err);
	explaining->canary = bare->count == 2 ? bare->items[1] : NULL;
	return explain(explaining, bare->items[0], err);
}

int cli_why(int count, char **arguments)
{
	struct flag_texts bare = {0};
	struct error err = {0};
	struct explaining explaining = {0};
	struct why_words words = {.kube = {.path = ""}};
	const struct flag flags[] = {
		{"at", FLAG_TEXT, &words.at, "TIME",
		 "the last decision until then: 2026-01-31T12:00:00Z"},
		{"any", FLAG_BOOL, &explaining.any, NULL,
		 "the last decision, also one that let the release go on; all its numbers"},
		{"decision-log", FLAG_TEXT, &words.log, "DIR", "of the daemon, for a live canary"},
		{"n", FLAG_TEXT, &words.namespace, "NAMESPACE",
		 "by default that of the kubeconfig"},
		{"kubeconfig", FLAG_TEXT, &words.kube.path, "FILE", "how to reach the cluster"},
		{"context", FLAG_TEXT, &words.kube.context, "NAME", "of the kubeconfig"},
		{"help", FLAG_BOOL, &words.help, NULL, "this"},
		{0},
	};
	bool good = flags_parse(flags, count, arguments, &bare, &err);
	if (good && words.help) {
		puts("usage: sluice why LOG [CANARY] [flags]\n"
		     "       sluice why CANARY | NAMESPACE/CANARY [flags]\n\n"
		     "Explains the last decision that held, failed or rolled back a release, from "
		     "a file or directory of\n--decision-log: the number, the limit, the line that "
		     "judged it, and the smallest change that would have\nchanged the verdict. Of "
		     "a canary in a cluster, what its status says of its last decisions.\n");
		flags_help(flags);
		return EXIT_GOOD;
	}
	explaining.replay = replay_new();
	if (good)
		good = explain_words(&explaining, &words, &bare, &err);
	if (!good)
		fprintf(stderr, "sluice why: %s\n", err.text);
	chosen_fini(&explaining.chosen);
	chosen_fini(&explaining.before);
	replay_free(explaining.replay);
	return good ? EXIT_GOOD : EXIT_BAD_INPUT;
}
