#include "canary/sight.h"

#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "canary/theirs.h"

static void count(struct sight *sight, const struct sight_of *of)
{
	enum move_kind theirs = of->theirs->kind, ours = of->tick->move.kind;
	sight->decisions++;
	sight->releases += theirs == MOVE_BEGIN;
	if (of->alike)
		return;
	sight->differences++;
	size_t i = 0;
	while (i < sight->pair_count &&
	       (sight->pairs[i].theirs != theirs || sight->pairs[i].ours != ours))
		i++;
	if (i == SIGHT_PAIRS_MAX)
		return;
	if (i == sight->pair_count)
		sight->pairs[sight->pair_count++] = (struct sight_pair){theirs, ours, 0};
	sight->pairs[i].count++;
}

/* "step 2, weight 10": where it was when both decided. */
static void place_text(const struct tick *tick, char *into, size_t size)
{
	const struct status *status = &tick->status;
	bool begun = !phase_is_at_rest(status->phase);
	if (begun && tick->spec->strategy != STRATEGY_CANARY)
		snprintf(into, size, "%s, iteration %d", phase_name(status->phase),
			 status->iterations);
	else if (begun)
		snprintf(into, size, "%s, step %d, weight %d", phase_name(status->phase),
			 status->memory.steps, status->memory.split.canary);
	else
		snprintf(into, size, "%s", phase_name(status->phase));
}

/* The numbers that ours went by: "error-rate 2.5, latency 120". */
static void numbers_text(const struct tick *tick, char *into, size_t size)
{
	const cJSON *samples = json_get(decision_json(tick->decision), "samples"), *sample;
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, 400);
	cJSON_ArrayForEach(sample, samples)
	{
		char number[40];
		const cJSON *value = json_get(sample, "value");
		const char *kind = json_string_or(sample, "kind", "");
		if (cJSON_IsNumber(value))
			json_number_text(value->valuedouble, number);
		buf_printf(&text, "%s%s %s", text.len > 0 ? ", " : "",
			   json_string_or(sample, "name", ""),
			   cJSON_IsNumber(value) ? number : kind);
	}
	text_copy(into, size, text.text == NULL ? "" : text.text);
}

static void tell(const struct sight_of *of, char *into, size_t size)
{
	char place[120], theirs[80], ours[80], reason[400], numbers[400],
		idle[DURATION_TEXT_MAX + 20] = "";
	place_text(of->tick, place, sizeof(place));
	theirs_words(of->theirs, theirs, sizeof(theirs));
	theirs_words(&of->tick->move, ours, sizeof(ours));
	foresee_reason(of->tick, reason, sizeof(reason));
	numbers_text(of->tick, numbers, sizeof(numbers));
	if (of->idle_us > 0) {
		char text[DURATION_TEXT_MAX];
		duration_text(of->idle_us / DURATION_SECOND * DURATION_SECOND, text);
		snprintf(idle, sizeof(idle), " for %s", text);
	}
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, SIGHT_TEXT_MAX * 2);
	buf_printf(&text, "%s: %s did \"%s\"%s, sluice would \"%s\"", place, of->controller, theirs,
		   idle, ours);
	if (reason[0] != '\0')
		buf_printf(&text, ": %s", reason);
	if (numbers[0] != '\0')
		buf_printf(&text, " (measured: %s)", numbers);
	text_copy(into, size, text.text);
}

/* ---- JSON ---- */

static cJSON *status_json(const struct status *status)
{
	cJSON *json = cJSON_CreateObject();
	cJSON_AddStringToObject(json, "phase", phase_name(status->phase));
	cJSON_AddNumberToObject(json, "weight", status->canary_weight);
	cJSON_AddNumberToObject(json, "iterations", status->iterations);
	cJSON_AddNumberToObject(json, "failedChecks", status->failed_checks);
	return json;
}

static void print_line(const cJSON *json, FILE *file)
{
	SCOPED(text) char *text = json_text(json);
	fprintf(file, "%s\n", text);
	fflush(file);
}

static void print_decision(const struct sight_of *of, FILE *file)
{
	const struct tick *tick = of->tick;
	char time[TIME_TEXT_MAX], reason[400];
	SCOPED(json) cJSON *json = cJSON_CreateObject();
	time_text(tick->now_us, time);
	foresee_reason(tick, reason, sizeof(reason));
	cJSON_AddStringToObject(json, "time", time);
	cJSON_AddStringToObject(json, "canary", of->key);
	cJSON_AddStringToObject(json, "controller", of->controller);
	cJSON_AddBoolToObject(json, "alike", of->alike);
	cJSON *at = status_json(&tick->status);
	cJSON_AddNumberToObject(at, "step", tick->status.memory.steps);
	cJSON_AddItemToObject(json, "at", at);
	cJSON *theirs = status_json(&tick->beside->after);
	cJSON_AddStringToObject(theirs, "move", move_name(of->theirs->kind));
	cJSON_AddItemToObject(json, "theirs", theirs);
	cJSON *ours = status_json(of->next);
	cJSON_AddStringToObject(ours, "move", move_name(tick->move.kind));
	if (reason[0] != '\0')
		cJSON_AddStringToObject(ours, "reason", reason);
	cJSON_AddItemToObject(json, "ours", ours);
	if (of->idle_us > 0)
		cJSON_AddNumberToObject(json, "idleSeconds", (double)of->idle_us / 1e6);
	const cJSON *samples = json_get(decision_json(tick->decision), "samples");
	if (samples != NULL)
		cJSON_AddItemToObject(json, "samples", cJSON_Duplicate(samples, true));
	print_line(json, file);
}

/* What the decision log says of it, for why and replay. */
static void note_theirs(const struct sight_of *of)
{
	cJSON *theirs = status_json(&of->tick->beside->after);
	cJSON_AddStringToObject(theirs, "controller", of->controller);
	char words[80];
	theirs_words(of->theirs, words, sizeof(words));
	cJSON_AddStringToObject(theirs, "did", words);
	cJSON_AddBoolToObject(theirs, "alike", of->alike);
	decision_theirs(of->tick->decision, theirs);
}

void sight_add(struct sight *sight, const struct sight_of *of, FILE *json)
{
	char text[SIGHT_TEXT_MAX];
	count(sight, of);
	tell(of, text, sizeof(text));
	if (of->alike)
		log_debug(of->key, "alike: %s", text);
	else
		log_warn(of->key, "%s", text);
	if (!of->alike && sight->first[0] == '\0')
		text_copy(sight->first, sizeof(sight->first), text);
	if (json != NULL)
		print_decision(of, json);
	note_theirs(of);
}

void sight_sum_up(struct sight *sight, const char *key, const char *controller, int64_t now_us,
		  FILE *json)
{
	if (sight->decisions + sight->not_compared == sight->told)
		return;
	sight->told = sight->decisions + sight->not_compared;
	log_info(key,
		 "observed beside %s: %lu releases, %lu decisions, %lu of them differ, %lu more "
		 "could not be compared%s%s",
		 controller, sight->releases, sight->decisions, sight->differences,
		 sight->not_compared, sight->first[0] == '\0' ? "" : "; the first: ", sight->first);
	if (json == NULL)
		return;
	char time[TIME_TEXT_MAX];
	time_text(now_us, time);
	SCOPED(json) cJSON *line = cJSON_CreateObject();
	cJSON_AddStringToObject(line, "time", time);
	cJSON_AddStringToObject(line, "canary", key);
	cJSON_AddStringToObject(line, "controller", controller);
	cJSON *summary = cJSON_AddObjectToObject(line, "summary");
	cJSON_AddNumberToObject(summary, "releases", (double)sight->releases);
	cJSON_AddNumberToObject(summary, "decisions", (double)sight->decisions);
	cJSON_AddNumberToObject(summary, "differences", (double)sight->differences);
	cJSON_AddNumberToObject(summary, "notCompared", (double)sight->not_compared);
	if (sight->first[0] != '\0')
		cJSON_AddStringToObject(summary, "first", sight->first);
	print_line(line, json);
}

/* ---- series ---- */

/* Names of objects need no escapes. */
static void put_labels(const char *key, struct buf *into)
{
	int len = (int)strcspn(key, "/");
	buf_printf(into, "{name=\"%s\",namespace=\"%.*s\"", key + len + 1, len, key);
}

void sight_write_decisions(const struct sight *sight, const char *key, struct buf *into)
{
	buf_puts(into, "sluice_observe_decisions_total");
	put_labels(key, into);
	buf_printf(into, "} %lu\n", sight->decisions);
}

void sight_write_differences(const struct sight *sight, const char *key, struct buf *into)
{
	for (size_t i = 0; i < sight->pair_count; i++) {
		buf_puts(into, "sluice_observe_differences_total");
		put_labels(key, into);
		buf_printf(into, ",theirs=\"%s\",ours=\"%s\"} %lu\n",
			   move_name(sight->pairs[i].theirs), move_name(sight->pairs[i].ours),
			   sight->pairs[i].count);
	}
}
