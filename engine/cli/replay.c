/*
 * replay.c - `sluice replay`: the decisions of a log, told, asked again, or asked of another
 * policy.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "canary/replay.h"
#include "cli/cli.h"
#include "cli/flags.h"

/* What another policy would have by now, for one canary's release. */
struct course {
	char *canary, *revision;
	bool lost;  /* the traffic would have been other: nothing more is known */
	bool apart; /* counts and memory differ from the log's */
	int failed_checks;
	cJSON *state;
	struct course *next;
};

struct replaying {
	struct replay *replay;
	struct policy *policy; /* another one, or NULL */
	bool verify;
	struct course *courses;
	size_t decisions, answers, differences, unknown;
	bool broken;
};

static void learn(void *owner, const char *name, const char *hash, const char *text)
{
	struct replaying *replaying = owner;
	replay_learn(replaying->replay, name, hash, text);
}

static void say_where(const struct logged *logged)
{
	char time[TIME_TEXT_MAX], weight[32];
	time_text(logged->time_us, time);
	json_number_text(json_number(logged->json, "rollout.weight", 0), weight);
	printf("%s  %s  weight %s  ", time, logged->canary, weight);
}

static void say_result(const char *before, const struct result *result)
{
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, 2000);
	result_text(result, &text);
	printf("%s%s\n", before, text.text);
}

/* ---- --verify ---- */

/* As it stands in the log, so that both went through the same writing. */
static char *text_of(const cJSON *answer, const struct error *err)
{
	return answer == NULL ? xstrdup(err->text) : json_canonical(answer);
}

static bool verify_call(struct replaying *replaying, const struct logged *logged, const cJSON *call)
{
	struct error answered = {0}, err = {0}, recorded_error = {0};
	SCOPED(json) cJSON *answer = NULL;
	replaying->answers++;
	if (!replay_call(replaying->replay, logged->json, call, &answer, &answered, &err)) {
		printf("%s:%d: %s: %s\n", logged->file, logged->line, logged->canary, err.text);
		return false;
	}
	text_copy(recorded_error.text, sizeof(recorded_error.text),
		  json_string_or(call, "error", ""));
	SCOPED(text) char *was = text_of(json_get(call, "answer"), &recorded_error);
	SCOPED(text) char *is = text_of(answer, &answered);
	if (strcmp(was, is) == 0)
		return true;
	/* A policy was stopped because of all that its tick had asked before: that is an input. */
	if (answer != NULL && strstr(was, "ran for too long") != NULL)
		return true;
	printf("%s:%d: %s: %s answered\n  %s\n  and answers now\n  %s\n", logged->file,
	       logged->line, logged->canary, json_string_or(call, "hook", "?"), was, is);
	return false;
}

static void verify(struct replaying *replaying, const struct logged *logged)
{
	const cJSON *call;
	cJSON_ArrayForEach(call, json_get(logged->json, "calls"))
	{
		if (!verify_call(replaying, logged, call))
			replaying->differences++;
	}
}

/* ---- --policy ---- */

static struct course *course_of(struct replaying *replaying, const struct logged *logged)
{
	struct course *course = replaying->courses;
	while (course != NULL && strcmp(course->canary, logged->canary) != 0)
		course = course->next;
	if (course == NULL) {
		course = xcalloc(1, sizeof(*course));
		course->canary = xstrdup(logged->canary);
		course->next = replaying->courses;
		replaying->courses = course;
	}
	const char *revision = json_string_or(logged->json, "rollout.revision", "");
	bool begins = json_string(logged->json, "rollout.phase") == NULL ||
		      text_equal(json_string(logged->json, "calls[0].hook"), "start");
	if (begins || !text_equal(course->revision, revision)) {
		free(course->revision);
		cJSON_Delete(course->state);
		course->revision = xstrdup(revision);
		course->state = NULL;
		course->lost = false;
		course->apart = false;
	}
	return course;
}

static void courses_free(struct replaying *replaying)
{
	while (replaying->courses != NULL) {
		struct course *next = replaying->courses->next;
		free(replaying->courses->canary);
		free(replaying->courses->revision);
		cJSON_Delete(replaying->courses->state);
		free(replaying->courses);
		replaying->courses = next;
	}
}

/* Whether both leave the traffic alike. */
static bool same_traffic(const struct result *a, const struct result *b)
{
	bool moves_a = a->kind == RESULT_PROMOTE || a->kind == RESULT_ROLL_BACK;
	bool moves_b = b->kind == RESULT_PROMOTE || b->kind == RESULT_ROLL_BACK;
	if (moves_a || moves_b)
		return a->kind == b->kind;
	return !(a->weight < b->weight) && !(a->weight > b->weight);
}

static void count_checks(struct course *course, const struct logged *logged,
			 const struct result *would)
{
	if (!course->apart)
		course->failed_checks = (int)json_int(logged->json, "rollout.failed_checks", 0);
	course->failed_checks += would->kind == RESULT_FAIL;
}

static void compare(struct replaying *replaying, const struct logged *logged)
{
	struct course *course = course_of(replaying, logged);
	struct result was, would;
	cJSON *state;
	if (course->lost) {
		replaying->unknown++;
		return;
	}
	replay_result(logged->json, &was);
	replay_under(replaying->replay, replaying->policy, logged->json,
		     course->apart ? course->failed_checks : -1, course->state, &would, &state);
	if (state != NULL) {
		cJSON_Delete(course->state);
		course->state = state;
	}
	count_checks(course, logged, &would);
	if (result_equal(&was, &would))
		return;
	course->apart = true;
	replaying->differences++;
	say_where(logged);
	printf("(%s:%d)\n", logged->file, logged->line);
	say_result("  was: ", &was);
	say_result("  would be: ", &would);
	if (would.kind != RESULT_UNKNOWN && same_traffic(&was, &would))
		return;
	course->lost = true;
	printf("  from here on the traffic would have been other: what it had met, this log cannot "
	       "know\n");
}

/* ---- the whole ---- */

static bool each_decision(void *owner, const struct logged *logged)
{
	struct replaying *replaying = owner;
	struct result result;
	replaying->decisions++;
	if (replaying->verify) {
		verify(replaying, logged);
	} else if (replaying->policy != NULL) {
		compare(replaying, logged);
	} else {
		say_where(logged);
		replay_result(logged->json, &result);
		say_result("", &result);
	}
	return true;
}

static int tell_end(const struct replaying *replaying, const struct log_summary *summary)
{
	if (summary->torn > 0)
		printf("%zu file%s with half a line, as a killed process leaves it\n",
		       summary->torn, summary->torn == 1 ? " ends" : "s end");
	if (summary->missed > 0)
		printf("%zu decision%s missing: there was no room to write %s\n", summary->missed,
		       summary->missed == 1 ? " is" : "s are",
		       summary->missed == 1 ? "it" : "them");
	if (replaying->verify && replaying->differences == 0)
		printf("%zu decisions, %zu answers: the same, bit for bit; %zu lines, no link of "
		       "the chain missing\n",
		       replaying->decisions, replaying->answers, summary->lines);
	else if (replaying->verify)
		printf("%zu of %zu answers differ\n", replaying->differences, replaying->answers);
	else if (replaying->policy != NULL && replaying->differences == 0)
		printf("%zu decisions: it would have decided the same\n", replaying->decisions);
	else if (replaying->policy != NULL)
		printf("%zu decisions: %zu would have been other, of %zu nobody can know\n",
		       replaying->decisions, replaying->differences, replaying->unknown);
	return replaying->differences == 0 ? EXIT_GOOD : EXIT_ROLLED_BACK;
}

static struct policy *read_policy(const char *path, struct error *err)
{
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, POLICY_TEXT_MAX);
	if (!file_read(path, &text, err))
		return NULL;
	return policy_new(path, text.text, text.len, err);
}

int cli_replay(int count, char **arguments)
{
	struct flag_texts words = {0};
	struct error err = {0};
	const char *policy = NULL;
	bool help = false;
	struct replaying replaying = {0};
	struct log_summary summary;
	const struct flag flags[] = {
		{"verify", FLAG_BOOL, &replaying.verify, NULL,
		 "ask all hooks again: their answers must be the same"},
		{"policy", FLAG_TEXT, &policy, "FILE", "say where another policy would differ"},
		{"help", FLAG_BOOL, &help, NULL, "this"},
		{0},
	};
	bool good = flags_parse(flags, count, arguments, &words, &err);
	if (good && help) {
		puts("usage: sluice replay LOG [flags]\n\n"
		     "Tells the decisions of a log (a file or directory of --decision-log). Exit "
		     "status: 0 all is the same,\n1 bad input or a log that was changed, 2 "
		     "something differs.\n");
		flags_help(flags);
		return EXIT_GOOD;
	}
	if (good && words.count != 1)
		good = error_set(&err, ERROR_INVALID, "takes one log; see sluice replay --help");
	if (good && replaying.verify && policy != NULL)
		good = error_set(&err, ERROR_INVALID, "--verify and --policy exclude each other");
	if (good && policy != NULL) {
		replaying.policy = read_policy(policy, &err);
		good = replaying.policy != NULL;
	}
	int status = EXIT_BAD_INPUT;
	replaying.replay = replay_new();
	const struct log_reader reader = {each_decision, learn, &replaying};
	if (good)
		good = decision_log_read(words.items[0], &reader, &summary, &err);
	if (good)
		status = tell_end(&replaying, &summary);
	else
		fprintf(stderr, "sluice replay: %s\n", err.text);
	courses_free(&replaying);
	policy_free(replaying.policy);
	replay_free(replaying.replay);
	return status;
}
