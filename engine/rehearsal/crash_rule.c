#include "rehearsal/crash_rule.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"

/* A second kill falls on one of the first calls of a recovery, in turn. */
enum { SECOND_CUTS = 40, TOLD_MAX = 10 };

struct trial {
	const struct rehearsal_input *input;
	const struct rehearsal_result *whole;
	struct cut cuts[CUTS_MAX];
	long runs, broken;
};

/* "2023-11-14T22:14:36Z" */
static bool is_time(const char *text)
{
	static const char form[] = "0000-00-00T00:00:00Z";
	for (size_t i = 0; form[i] != '\0'; i++)
		if (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return false;
	return true;
}

/* The same words; when it was is a matter of when it was killed. */
static bool says_same(const cJSON *a, const cJSON *b)
{
	const char *one = json_string_or(a, "message", ""),
		   *other = json_string_or(b, "message", "");
	while (*one != '\0' && *one == *other) {
		size_t step =
			is_time(one) && is_time(other) ? sizeof("0000-00-00T00:00:00Z") - 1 : 1;
		one += step;
		other += step;
	}
	return *one == *other;
}

static long count_events(const cJSON *list, const cJSON *event)
{
	long count = 0;
	const cJSON *item;
	cJSON_ArrayForEach(item, list) count += says_same(item, event);
	return count;
}

/* "Progressing 5" in a row, without times and failed checks. */
static char *course(const cJSON *statuses)
{
	SCOPED(buf) struct buf text = {0};
	const cJSON *item;
	char last[64] = "";
	buf_init(&text, (size_t)MIB);
	cJSON_ArrayForEach(item, statuses)
	{
		char now[64];
		snprintf(now, sizeof(now), "%.40s %ld", json_string_or(item, "phase", ""),
			 json_int(item, "weight", 0));
		if (strcmp(now, last) != 0)
			buf_printf(&text, "%s, ", now);
		text_copy(last, sizeof(last), now);
	}
	return buf_take(&text);
}

/* What of an object must be the same: not when it was written, nor how often. */
static cJSON *essence(const cJSON *object)
{
	static const char *const parts[] = {"spec", "data", "binaryData"};
	static const char *const facts[] = {"phase",	      "canaryWeight",	 "failedChecks",
					    "iterations",     "lastAppliedSpec", "lastPromotedSpec",
					    "trackedConfigs", "canaryWeight"};
	cJSON *kept = cJSON_CreateObject();
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (json_get(object, parts[i]) != NULL)
			cJSON_AddItemToObject(kept, parts[i],
					      cJSON_Duplicate(json_get(object, parts[i]), true));
	if (text_equal(json_string(object, "kind"), "Canary"))
		for (size_t i = 0; i < ARRAY_LEN(facts); i++)
			if (json_get(json_get(object, "status"), facts[i]) != NULL)
				cJSON_AddItemToObject(
					kept, facts[i],
					cJSON_Duplicate(
						json_get(json_get(object, "status"), facts[i]),
						true));
	json_remove(kept, "spec.template.metadata.annotations[\"flagger-id\"]");
	return kept;
}

static void say(struct trial *trial, const char *what, const char *got, const char *wanted)
{
	if (++trial->broken > TOLD_MAX)
		return;
	printf("killed %s call %llu", trial->cuts[0].after ? "after" : "before",
	       (unsigned long long)trial->cuts[0].call);
	if (trial->cuts[1].call != 0)
		printf(" and %s call %llu of the recovery",
		       trial->cuts[1].after ? "after" : "before",
		       (unsigned long long)trial->cuts[1].call);
	printf(": %s\n    got    %s\n    wanted %s\n", what, got, wanted);
}

static void compare_objects(struct trial *trial, const struct rehearsal_result *got)
{
	const cJSON *wanted;
	cJSON_ArrayForEach(wanted, trial->whole->objects)
	{
		SCOPED(json) cJSON *a = essence(json_get(got->objects, wanted->string));
		SCOPED(json) cJSON *b = essence(wanted);
		if (json_equal(a, b))
			continue;
		SCOPED(text) char *x = json_canonical(a);
		SCOPED(text) char *y = json_canonical(b);
		say(trial, wanted->string, x, y);
	}
	cJSON_ArrayForEach(
		wanted, got->objects) if (json_get(trial->whole->objects, wanted->string) == NULL)
		say(trial, "an object is left over", wanted->string, "none");
}

/* How often it is told that something is awaited is a matter of timing. */
static bool is_about_waiting(const char *message)
{
	return strstr(message, "waiting for rollout to finish") != NULL;
}

static void compare_events(struct trial *trial, const struct rehearsal_result *got)
{
	const cJSON *event;
	cJSON_ArrayForEach(event, trial->whole->notes[NOTE_EVENT])
	{
		const char *message = json_string_or(event, "message", "");
		if (!is_about_waiting(message) &&
		    count_events(got->notes[NOTE_EVENT], event) <
			    count_events(trial->whole->notes[NOTE_EVENT], event))
			say(trial, "an event was lost", "nothing", message);
	}
}

static bool same_call(const cJSON *a, const cJSON *b)
{
	return text_equal(json_string(a, "name"), json_string(b, "name")) && says_same(a, b);
}

/* Two events may say the same: what is told again is the same event. */
static bool same_event(const cJSON *a, const cJSON *b)
{
	return same_call(a, b) && text_equal(json_string(a, "event"), json_string(b, "event"));
}

/* Calls that say the same: how many, of how many events, and the most that one of them took. */
struct told {
	long calls, events, most;
};

static struct told count_calls(const cJSON *list, const cJSON *hook)
{
	struct told told = {0};
	const cJSON *item, *other;
	cJSON_ArrayForEach(item, list)
	{
		long calls = 0, earlier = 0;
		if (!same_call(item, hook))
			continue;
		bool before = true;
		cJSON_ArrayForEach(other, list)
		{
			before = before && other != item;
			calls += same_event(other, item);
			earlier += before && same_event(other, item);
		}
		told.calls++;
		told.events += earlier == 0;
		told.most = calls > told.most ? calls : told.most;
	}
	return told;
}

static void say_range(struct trial *trial, const char *name, const char *noun, long got, long least,
		      long most)
{
	char a[48], b[80];
	snprintf(a, sizeof(a), "%ld %s", got, noun);
	snprintf(b, sizeof(b), "%ld to %ld %s", least, most, noun);
	SCOPED(text) char *what = xasprintf("webhook %s", name);
	say(trial, what, a, b);
}

/* An event is told at least once, and once more for each kill at most; so is a gate asked. */
static bool compare_calls(struct trial *trial, const struct rehearsal_result *got,
			  const cJSON *hook, long kills)
{
	const char *name = json_string_or(hook, "name", "");
	const struct told now = count_calls(got->notes[NOTE_HOOK], hook);
	const struct told before = count_calls(trial->whole->notes[NOTE_HOOK], hook);
	if (json_get(hook, "event") == NULL) {
		if (now.calls >= before.calls && now.calls <= before.calls + kills)
			return true;
		say_range(trial, name, "calls", now.calls, before.calls, before.calls + kills);
		return false;
	}
	if (now.events < before.events || now.events > before.events + kills) {
		say_range(trial, name, "events", now.events, before.events, before.events + kills);
		return false;
	}
	long once = before.most > 0 ? before.most : 1;
	if (now.most <= once + kills)
		return true;
	say_range(trial, name, "calls of an event", now.most, once, once + kills);
	return false;
}

static void compare_hooks(struct trial *trial, const struct rehearsal_result *got)
{
	const cJSON *hook;
	long kills = trial->cuts[1].call != 0 ? 2 : 1;
	cJSON_ArrayForEach(hook, got->notes[NOTE_HOOK])
	{
		if (is_about_waiting(json_string_or(hook, "message", "")))
			continue;
		if (!compare_calls(trial, got, hook, kills))
			return;
	}
	/* Nor is one lost that is not told any more. */
	cJSON_ArrayForEach(hook, trial->whole->notes[NOTE_HOOK])
	{
		bool waiting = is_about_waiting(json_string_or(hook, "message", ""));
		if (!waiting && !compare_calls(trial, got, hook, kills))
			return;
	}
}

static bool same_alert(const cJSON *a, const cJSON *b)
{
	return text_equal(json_string(a, "to"), json_string(b, "to")) && says_same(a, b);
}

/* None is lost, and none told more than once more a kill. */
static void compare_alerts(struct trial *trial, const struct rehearsal_result *got)
{
	const cJSON *alert, *item;
	long kills = trial->cuts[1].call != 0 ? 2 : 1;
	cJSON_ArrayForEach(alert, trial->whole->notes[NOTE_ALERT])
	{
		long wanted = 0, times = 0;
		cJSON_ArrayForEach(item, trial->whole->notes[NOTE_ALERT]) wanted +=
			same_alert(item, alert);
		cJSON_ArrayForEach(item, got->notes[NOTE_ALERT]) times += same_alert(item, alert);
		if (times >= wanted && times <= wanted + kills)
			continue;
		char a[48], b[80];
		snprintf(a, sizeof(a), "%ld times", times);
		snprintf(b, sizeof(b), "%ld to %ld times", wanted, wanted + kills);
		SCOPED(text)
		char *what = xasprintf("alert to %s: %s", json_string_or(alert, "to", ""),
				       json_string_or(alert, "message", ""));
		say(trial, what, a, b);
	}
}

/* Returns how many calls the recovery took. */
static uint64_t try_cuts(struct trial *trial)
{
	struct rehearsal_result got;
	struct rehearsal_input input = *trial->input;
	memcpy(input.cuts, trial->cuts, sizeof(input.cuts));
	struct error err = {0};
	input.on_note = NULL;
	input.on_write = NULL;
	if (!rehearse(&input, &got, &err))
		say(trial, "the scenario", err.text, "no trouble");
	trial->runs++;
	SCOPED(text) char *a = course(got.notes[NOTE_STATUS]);
	SCOPED(text) char *b = course(trial->whole->notes[NOTE_STATUS]);
	if (strcmp(a, b) != 0)
		say(trial, "phases and weights", a, b);
	else
		compare_objects(trial, &got);
	compare_events(trial, &got);
	compare_hooks(trial, &got);
	compare_alerts(trial, &got);
	uint64_t calls = got.calls[1];
	rehearsal_result_fini(&got);
	return calls;
}

bool crash_rule_check(const struct rehearsal_input *input, const struct rehearsal_result *whole,
		      uint64_t stride)
{
	struct trial trial = {.input = input, .whole = whole};
	bool watched = isatty(STDERR_FILENO);
	uint64_t calls = whole->calls[0];
	for (uint64_t call = 1; call <= calls; call += stride) {
		for (int after = 0; after < 2; after++) {
			trial.cuts[0] = (struct cut){call, after == 1};
			trial.cuts[1] = (struct cut){0, false};
			uint64_t recovery = try_cuts(&trial);
			if (recovery == 0)
				continue;
			if (recovery > SECOND_CUTS)
				recovery = SECOND_CUTS;
			/* Each way to fall again comes up: the calls are many, these few. */
			trial.cuts[1] = (struct cut){call % recovery + 1, call / recovery % 2 == 0};
			(void)try_cuts(&trial);
		}
		if (watched)
			fprintf(stderr, "\r%llu of %llu calls", (unsigned long long)call,
				(unsigned long long)calls);
	}
	if (watched)
		fputc('\n', stderr);
	if (trial.broken > TOLD_MAX)
		printf("… and %ld more\n", trial.broken - TOLD_MAX);
	printf("%ld runs, killed at %llu of %llu calls: %s\n", trial.runs,
	       (unsigned long long)((calls + stride - 1) / stride), (unsigned long long)calls,
	       trial.broken == 0 ? "the same phases, weights, objects, events, webhooks and alerts"
				 : "the crash rule is broken");
	return trial.broken == 0;
}
