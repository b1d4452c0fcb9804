#include "compare.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "lines.h"
#include "told.h"

/* The API server may serve a kind in several versions, each of which is followed by somebody: one
 * is the story's. */
static bool is_of_the_story(struct story *story, const char *key, const cJSON *object)
{
	const cJSON *wanted = json_get(story->objects, key);
	const char *api_version = json_string_or(object, "apiVersion", "");
	if (wanted != NULL)
		return text_equal(json_string(wanted, "apiVersion"), api_version);
	const cJSON *first = json_get(story->strangers, key);
	if (first == NULL)
		cJSON_AddStringToObject(story->strangers, key, api_version);
	return first == NULL || text_equal(cJSON_GetStringValue(first), api_version);
}

static double version_number(const cJSON *object)
{
	return strtod(json_string_or(object, "metadata.resourceVersion", "0"), NULL);
}

void compare_add_status(struct story *story, const cJSON *canary)
{
	int before = cJSON_GetArraySize(story->statuses);
	told_add_status(story->statuses, json_string_or(canary, "status.phase", ""),
			json_int(canary, "status.canaryWeight", 0),
			json_int(canary, "status.iterations", 0),
			json_int(canary, "status.failedChecks", 0));
	if (cJSON_GetArraySize(story->statuses) > before)
		told_add_moment(story->moments, version_number(canary),
				cJSON_GetArrayItem(story->statuses, before)->valuestring, NULL);
}

void compare_add(struct story *story, const cJSON *object, bool is_gone)
{
	SCOPED(text) char *key = golden_key(object);
	if (!is_of_the_story(story, key, object))
		return;
	if (!is_gone) {
		if (told_add_version(story->histories, object))
			told_add_moment(story->moments, version_number(object), NULL, key);
		return;
	}
	cJSON *end = cJSON_CreateObject();
	cJSON_AddStringToObject(end, "deleted", "true");
	cJSON_AddItemToArray(json_get(story->histories, key), end);
}

/* ---- under a daemon that is killed, or an API server that is ---- */

static bool has_line(const cJSON *lines, const char *line)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, lines) if (strcmp(item->valuestring, line) == 0) return true;
	return false;
}

/* All of `part` is in `whole`, in this order. */
static bool is_within(const cJSON *part, const cJSON *whole)
{
	const cJSON *wanted = part->child, *item;
	cJSON_ArrayForEach(item, whole)
	{
		if (wanted != NULL && strcmp(wanted->valuestring, item->valuestring) == 0)
			wanted = wanted->next;
	}
	return wanted == NULL;
}

/* Nothing lost, nothing invented; but told again, perhaps. */
static bool is_repeated(const cJSON *got, const cJSON *wanted)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, got) if (!has_line(wanted, item->valuestring)) return false;
	return is_within(wanted, got);
}

static bool ends_alike(const cJSON *got, const cJSON *wanted)
{
	int a = cJSON_GetArraySize(got), b = cJSON_GetArraySize(wanted);
	return a > 0 && b > 0 &&
	       strcmp(cJSON_GetArrayItem(got, a - 1)->valuestring,
		      cJSON_GetArrayItem(wanted, b - 1)->valuestring) == 0;
}

/* ---- compared ---- */

static void compare_calls(const struct stage_options *options, const struct story *story,
			  struct buf *text, bool events)
{
	SCOPED(json) cJSON *calls = told_calls(story->transcript);
	SCOPED(json) cJSON *wanted = told_lines(calls, events);
	SCOPED(json) cJSON *got = told_lines(story->calls, events);
	if (!options->repeats || !is_repeated(got, wanted))
		lines_compare(text, events ? "events" : "hook calls", wanted, got);
}

static void compare_statuses(const struct stage_options *options, const struct story *story,
			     struct buf *text)
{
	SCOPED(json) cJSON *wanted = told_statuses(story->transcript);
	if (!options->gaps || !is_within(story->statuses, wanted) ||
	    !ends_alike(story->statuses, wanted))
		lines_compare(text, "statuses", wanted, story->statuses);
}

static void compare_objects(const struct stage_options *options, const struct story *story,
			    struct buf *text)
{
	SCOPED(json) cJSON *wanted = told_histories(story->transcript);
	if (options->gaps)
		told_compare_ends(text, wanted, story->histories);
	else
		told_compare(text, wanted, story->histories);
}

static void compare_steps(const struct stage_options *options, const struct story *story,
			  struct buf *text)
{
	SCOPED(json) cJSON *moments = told_moments(story->transcript);
	SCOPED(json) cJSON *wanted = told_steps(moments);
	SCOPED(json) cJSON *got = told_steps(story->moments);
	if (!options->gaps)
		lines_compare(text, "what changed at which status", wanted, got);
}

/* What `kubectl describe` shows is what the receiver of events was told. */
static void compare_with_events(struct story *story, const cJSON *there)
{
	SCOPED(json) cJSON *told = cJSON_CreateArray();
	SCOPED(json) cJSON *shown = cJSON_CreateArray();
	const cJSON *call, *event, *line;
	if (story->refused != NULL) { /* who stands in an invalid canary is not told */
		SCOPED(text) char *text = xasprintf("Warning %s", story->refused);
		cJSON_AddItemToArray(told, cJSON_CreateString(text));
	}
	cJSON_ArrayForEach(call, story->calls)
	{
		SCOPED(text)
		char *text = xasprintf("%s %s", json_string_or(call, "body.metadata.eventType", ""),
				       json_string_or(call, "body.metadata.eventMessage", ""));
		if (text_equal(json_string(call, "to"), "event"))
			cJSON_AddItemToArray(told, cJSON_CreateString(text));
	}
	cJSON_ArrayForEach(event, there)
	{
		/* The API server has Events of its own, of Services. */
		if (!text_equal(json_string(event, "involvedObject.kind"), "Canary"))
			continue;
		SCOPED(text)
		char *text = xasprintf("%s %s", json_string_or(event, "type", ""),
				       json_string_or(event, "message", ""));
		if (!has_line(told, text))
			buf_printf(&story->complaint,
				   "  %s: an Event that no receiver was told: %s\n",
				   story->namespace, text);
		cJSON_AddItemToArray(shown, cJSON_CreateString(text));
	}
	cJSON_ArrayForEach(line, told)
	{
		if (!has_line(shown, line->valuestring))
			buf_printf(&story->complaint, "  %s: there is no Event \"%s\"\n",
				   story->namespace, line->valuestring);
	}
}

static int count_versions(const cJSON *histories)
{
	const cJSON *versions;
	int count = 0;
	cJSON_ArrayForEach(versions, histories) count += cJSON_GetArraySize(versions);
	return count;
}

static void tell_how_much(struct story *story, const struct buf *differences)
{
	SCOPED(json) cJSON *events = told_lines(story->calls, true);
	SCOPED(json) cJSON *hooks = told_lines(story->calls, false);
	SCOPED(json) cJSON *wanted = told_histories(story->transcript);
	free(story->compared);
	story->compared = xasprintf(
		"%d statuses, %d events, %d hook calls, %d objects in %d versions%s",
		cJSON_GetArraySize(story->statuses), cJSON_GetArraySize(events),
		cJSON_GetArraySize(hooks), cJSON_GetArraySize(wanted), count_versions(wanted),
		differences->len > 0 ? ", but for what is meant to differ" : "");
}

void compare_story(const struct stage_options *options, struct story *story, const cJSON *there)
{
	SCOPED(buf) struct buf text = {0};
	SCOPED(text) char *meant = golden_differences(story->golden->name, story->namespace);
	buf_init(&text, (size_t)MIB);
	buf_puts(&text, "");
	compare_statuses(options, story, &text);
	compare_calls(options, story, &text, true);
	compare_calls(options, story, &text, false);
	compare_objects(options, story, &text);
	compare_steps(options, story, &text);
	if (strcmp(text.text, meant) != 0)
		buf_printf(&story->complaint, "  %s: differs from Flagger%s%s%s%s\n",
			   story->namespace, text.len == 0 ? " in nothing" : " in\n", text.text,
			   meant[0] == '\0' ? "" : "but is meant to in\n", meant);
	compare_with_events(story, there);
	tell_how_much(story, &text);
}
