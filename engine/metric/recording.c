#include "metric/recording.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "metric/prometheus.h"

enum { SERIES_MAX = 256, SAMPLES_MAX = 1000000 };

struct point {
	int64_t at_us;	       /* since the start */
	double value;	       /* SAMPLE_OK */
	enum sample_kind kind; /* what the store answered then */
};

struct row {
	struct point *points; /* by time */
	size_t count, room;
};

struct series {
	char *metric, *canary;	     /* canary NULL: any */
	struct row values, requests; /* of how many requests a value is made; may be empty */
};

struct recording {
	struct series series[SERIES_MAX];
	size_t count;
};

struct recording *recording_new(void)
{
	return xcalloc(1, sizeof(struct recording));
}

void recording_free(struct recording *recording)
{
	if (recording == NULL)
		return;
	for (size_t i = 0; i < recording->count; i++) {
		free(recording->series[i].metric);
		free(recording->series[i].canary);
		free(recording->series[i].values.points);
		free(recording->series[i].requests.points);
	}
	free(recording);
}

static bool add_point(struct row *row, int64_t at_us, double value, enum sample_kind kind,
		      struct error *err)
{
	if (row->count == SAMPLES_MAX)
		return error_set(err, ERROR_INVALID, "more than %d samples in a series",
				 SAMPLES_MAX);
	if (row->count == row->room) {
		row->room = row->room == 0 ? 64 : row->room * 2;
		row->points = xrealloc(row->points, row->room * sizeof(struct point));
	}
	row->points[row->count++] = (struct point){at_us, value, kind};
	return true;
}

static struct series *add_series(struct recording *recording, const char *metric,
				 const char *canary, struct error *err)
{
	if (recording->count == SERIES_MAX) {
		error_set(err, ERROR_INVALID, "more than %d series", SERIES_MAX);
		return NULL;
	}
	struct series *series = &recording->series[recording->count++];
	series->metric = xstrdup(metric);
	series->canary = xstrdup(canary);
	return series;
}

/* ---- promtool's notation ---- */

/* "xN" at `*at`: true and N, or false when something else stands there. */
static bool read_times(const char **at, long *times)
{
	char *end;
	*times = 0;
	if (**at != 'x')
		return true;
	*times = strtol(*at + 1, &end, 10);
	if (end == *at + 1 || *times < 0 || *times > SAMPLES_MAX)
		return false;
	*at = end;
	return true;
}

/* A number at `*at`, up to the "x" of "0x3", which is hexadecimal to strtod. */
static bool read_number(const char **at, double *value)
{
	char text[64], *end;
	size_t len = strcspn(*at, "x");
	snprintf(text, sizeof(text), "%.*s", (int)len, *at);
	*value = strtod(text, &end);
	*at += end - text;
	return end != text;
}

/* A word at `*at` for what is no value: SAMPLE_OK when there is none. */
static enum sample_kind read_word(const char **at)
{
	static const struct {
		const char *word;
		enum sample_kind kind;
	} words[] = {
		{"_", SAMPLE_NO_DATA},
		{"stale", SAMPLE_STALE},
		{"several", SAMPLE_AMBIGUOUS},
		{"error", SAMPLE_ERROR},
	};
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (!text_starts(*at, words[i].word))
			continue;
		*at += strlen(words[i].word);
		return words[i].kind;
	}
	return SAMPLE_OK;
}

static bool read_term(struct row *row, const char *term, int64_t interval_us, struct error *err)
{
	const char *at = term;
	double value = 0, step = 0;
	long times;
	enum sample_kind kind = read_word(&at);
	if (kind == SAMPLE_OK &&
	    (!read_number(&at, &value) || ((*at == '+' || *at == '-') && !read_number(&at, &step))))
		return error_set(err, ERROR_INVALID, "\"%.40s\" is no value", term);
	bool many = *at == 'x';
	if (!read_times(&at, &times) || *at != '\0' || (step != 0 && !many))
		return error_set(err, ERROR_INVALID, "\"%.40s\" is no value", term);
	long count = kind != SAMPLE_OK && many ? times : times + 1;
	if (kind == SAMPLE_OK && isnan(value))
		kind = SAMPLE_NAN;
	for (long i = 0; i < count; i++)
		if (!add_point(row, (int64_t)row->count * interval_us, value + step * (double)i,
			       kind, err))
			return false;
	return true;
}

static bool read_terms(struct row *row, const char *terms, int64_t interval_us, struct error *err)
{
	static const char blank[] = " \t\n";
	for (const char *at = terms + strspn(terms, blank); *at != '\0';) {
		size_t len = strcspn(at, blank);
		SCOPED(text) char *term = xstrndup(at, len);
		if (!read_term(row, term, interval_us, err))
			return false;
		at += len;
		at += strspn(at, blank);
	}
	return true;
}

/* The row `name` of an item of `series`: a text, or one number. */
static bool read_row(struct row *row, const cJSON *item, const char *name, int64_t interval_us,
		     struct error *err)
{
	char number[32] = "";
	const cJSON *terms = json_get(item, name);
	if (cJSON_IsNumber(terms))
		json_number_text(terms->valuedouble, number);
	return read_terms(row, cJSON_IsString(terms) ? terms->valuestring : number, interval_us,
			  err);
}

static bool read_notation(struct recording *recording, const struct yaml_file *file,
			  struct error *err)
{
	const cJSON *document = yaml_document(file, 0), *item;
	int64_t interval_us;
	struct error why = {0};
	if (!duration_parse(json_string_or(document, "interval", "1m"), &interval_us, &why) ||
	    interval_us <= 0)
		return error_set(err, ERROR_INVALID, "%s:%d: interval: must be a duration above 0",
				 yaml_name(file), yaml_line(file, 0, "interval"));
	int i = 0;
	cJSON_ArrayForEach(item, json_get(document, "series"))
	{
		static const char *const names[] = {"values", "requests"};
		const char *metric = json_string(item, "metric");
		struct series *series = add_series(recording, metric == NULL ? "" : metric,
						   json_string(item, "canary"), &why);
		for (size_t k = 0; k < ARRAY_LEN(names); k++) {
			char path[48];
			snprintf(path, sizeof(path), "series[%d].%s", i, names[k]);
			if (series == NULL ||
			    !read_row(k == 0 ? &series->values : &series->requests, item, names[k],
				      interval_us, &why))
				return error_set(err, ERROR_INVALID, "%s:%d: %s: %s",
						 yaml_name(file), yaml_line(file, 0, path), path,
						 why.text);
			if (metric == NULL || series->values.count == 0)
				return error_set(err, ERROR_INVALID,
						 "%s:%d: series[%d]: needs a metric and values",
						 yaml_name(file), yaml_line(file, 0, path), i);
		}
		i++;
	}
	if (recording->count == 0)
		return error_set(err, ERROR_INVALID, "%s:1: holds no series", yaml_name(file));
	return true;
}

/* ---- the answer to a range query ---- */

/* What is to be filled: the series of that name whose row, of values or of requests, is empty yet.
 */
static struct row *row_to_fill(struct recording *recording, const char *metric, const char *canary,
			       bool requests, struct error *err)
{
	struct series *series = NULL;
	for (size_t i = 0; i < recording->count && series == NULL; i++) {
		struct series *other = &recording->series[i];
		if (strcmp(other->metric, metric) == 0 && text_equal(other->canary, canary) &&
		    (requests ? other->requests.count : other->values.count) == 0)
			series = other;
	}
	if (series == NULL)
		series = add_series(recording, metric, canary, err);
	if (series == NULL)
		return NULL;
	return requests ? &series->requests : &series->values;
}

static bool read_matrix(struct recording *recording, const char *name, const char *all,
			const cJSON *result, struct error *err)
{
	const cJSON *item, *sample;
	double first = INFINITY;
	cJSON_ArrayForEach(item, result) first =
		fmin(first, json_number(item, "values[0][0]", INFINITY));
	cJSON_ArrayForEach(item, result)
	{
		const char *metric = all == NULL ? json_string(item, "metric.metric") : all;
		if (metric == NULL)
			metric = json_string(item, "metric.__name__");
		if (metric == NULL)
			return error_set(err, ERROR_INVALID,
					 "%s: a series has neither a label \"metric\" nor a name: "
					 "say which it is, METRIC=%s",
					 name, name);
		const char *kind = json_string(json_get(item, "metric"), PROMETHEUS_COUNT_LABEL);
		struct row *row = row_to_fill(recording, metric, json_string(item, "metric.canary"),
					      text_equal(kind, "count"), err);
		if (row == NULL)
			return false;
		cJSON_ArrayForEach(sample, json_get(item, "values"))
		{
			double at = json_number(sample, "[0]", NAN);
			double value = strtod(json_string_or(sample, "[1]", "NaN"), NULL);
			if (!isfinite(at))
				return error_set(err, ERROR_INVALID,
						 "%s: a sample of %s has no time", name, metric);
			if (!add_point(row, (int64_t)((at - first) * 1e6), value,
				       isnan(value) ? SAMPLE_NO_DATA : SAMPLE_OK, err))
				return false;
		}
	}
	if (recording->count == 0)
		return error_set(err, ERROR_INVALID, "%s: holds no series", name);
	return true;
}

static struct recording *parse(const char *name, const char *metric, const char *text, size_t len,
			       struct error *err)
{
	SCOPED(yaml) struct yaml_file *file = yaml_parse(name, text, len, err);
	if (file == NULL)
		return NULL;
	struct recording *recording = xcalloc(1, sizeof(*recording));
	bool good;
	if (yaml_count(file) == 0) {
		good = error_set(err, ERROR_INVALID, "%s: is empty", name);
	} else {
		const cJSON *result = json_at(yaml_document(file, 0), "data.result");
		good = cJSON_IsArray(result) ? read_matrix(recording, name, metric, result, err)
					     : read_notation(recording, file, err);
	}
	if (good)
		return recording;
	recording_free(recording);
	return NULL;
}

struct recording *recording_parse(const char *name, const char *text, size_t len, struct error *err)
{
	return parse(name, NULL, text, len, err);
}

static struct recording *read_as(const char *path, const char *metric, struct error *err)
{
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, INPUT_FILE_MAX);
	if (!file_read(path, &text, err))
		return NULL;
	return parse(path, metric, text.text, text.len, err);
}

struct recording *recording_read(const char *path, struct error *err)
{
	return read_as(path, NULL, err);
}

bool recording_add(struct recording *recording, const char *path, const char *metric,
		   struct error *err)
{
	struct recording *more = read_as(path, metric, err);
	if (more == NULL)
		return false;
	bool fits = recording->count + more->count <= SERIES_MAX;
	for (size_t i = 0; fits && i < more->count; i++)
		recording->series[recording->count++] = more->series[i];
	if (fits)
		more->count = 0;
	recording_free(more);
	return fits || error_set(err, ERROR_INVALID, "%s: more than %d series", path, SERIES_MAX);
}

/* ---- the port ---- */

struct question {
	uint64_t id, token;
	metric_done *done;
	void *owner;
	struct sample sample;
};

struct player {
	struct metrics metrics; /* first */
	struct loop *loop;
	const struct recording *recording;
	const int64_t *start_us;
	struct question *questions;
	size_t count, room;
	uint64_t ids;
};

static void take_out(struct player *player, size_t i)
{
	memmove(player->questions + i, player->questions + i + 1,
		(player->count - i - 1) * sizeof(struct question));
	player->count--;
}

static void reply(void *owner, uint64_t id)
{
	struct player *player = owner;
	for (size_t i = 0; i < player->count; i++) {
		if (player->questions[i].id != id)
			continue;
		struct question question = player->questions[i];
		take_out(player, i);
		question.done(question.owner, question.token, &question.sample);
		return;
	}
}

static const struct series *find_series(const struct recording *recording,
					const struct metric_query *query)
{
	for (size_t i = 0; i < recording->count; i++) {
		const struct series *series = &recording->series[i];
		if (strcmp(series->metric, query->metric) == 0 &&
		    (series->canary == NULL || text_equal(series->canary, query->canary)))
			return series;
	}
	return NULL;
}

/* The last point until then; NULL where the row says nothing of that time. */
static const struct point *point_at(const struct row *row, int64_t since_us)
{
	size_t low = 0, high = row->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (row->points[middle].at_us <= since_us)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || row->points[low - 1].kind == SAMPLE_NO_DATA)
		return NULL;
	/* A row says nothing of the time after its end: one more interval at most. */
	if (low == row->count && row->count > 1) {
		int64_t gap_us = row->points[low - 1].at_us - row->points[low - 2].at_us;
		if (since_us >= row->points[low - 1].at_us + gap_us)
			return NULL;
	}
	return &row->points[low - 1];
}

/* What came last before it, as old as it is by now. */
static void answer_stale(const struct row *row, const struct point *point, int64_t since_us,
			 struct sample *sample)
{
	while (point > row->points && point->kind != SAMPLE_OK)
		point--;
	sample->kind = SAMPLE_STALE;
	sample->value = point->value;
	snprintf(sample->text, sizeof(sample->text), "the newest value is %lld seconds old",
		 (long long)((since_us - point->at_us) / DURATION_SECOND));
}

static void answer(const struct row *row, const struct point *point, int64_t since_us,
		   struct sample *sample)
{
	sample->kind = point->kind;
	sample->text[0] = '\0';
	switch (point->kind) {
	case SAMPLE_OK:
		sample->value = point->value;
		return;
	case SAMPLE_NO_DATA:
		text_copy(sample->text, sizeof(sample->text), "no values found");
		return;
	case SAMPLE_NAN:
		text_copy(sample->text, sizeof(sample->text), "the recording says NaN");
		return;
	case SAMPLE_AMBIGUOUS:
		text_copy(sample->text, sizeof(sample->text), "query returned multiple values");
		return;
	case SAMPLE_STALE:
		answer_stale(row, point, since_us, sample);
		return;
	case SAMPLE_ERROR:
		sample->error = ERROR_UNAVAILABLE;
		text_copy(sample->text, sizeof(sample->text),
			  "the metric store is down (recording)");
		return;
	}
}

static void look_up(const struct player *player, const struct metric_query *query,
		    struct sample *sample)
{
	sample->kind = SAMPLE_OK;
	if (strcmp(query->metric, "online") == 0) {
		sample->value = 1;
		return;
	}
	if (player->recording == NULL) {
		sample->value = strcmp(query->metric, "request-success-rate") == 0 ? 100 : 0;
		return;
	}
	sample->kind = SAMPLE_NO_DATA;
	snprintf(sample->text, sizeof(sample->text), "no values found");
	const struct series *series = find_series(player->recording, query);
	if (series == NULL)
		return;
	int64_t since_us = *player->start_us == 0 ? 0 : loop_now(player->loop) - *player->start_us;
	const struct point *requests = point_at(&series->requests, since_us);
	if (requests != NULL && requests->value >= 0) {
		sample->has_count = true;
		sample->count = requests->value;
	}
	const struct point *point = point_at(&series->values, since_us);
	if (point != NULL)
		answer(&series->values, point, since_us, sample);
}

static uint64_t ask(struct metrics *metrics, const struct metric_query *query, metric_done *done,
		    void *owner, uint64_t token)
{
	struct player *player = (struct player *)metrics;
	if (player->count == player->room) {
		player->room = player->room == 0 ? 16 : player->room * 2;
		player->questions =
			xrealloc(player->questions, player->room * sizeof(struct question));
	}
	struct question *question = &player->questions[player->count++];
	*question = (struct question){
		.id = ++player->ids, .token = token, .done = done, .owner = owner};
	look_up(player, query, &question->sample);
	loop_ready(player->loop, reply, player, question->id);
	return question->id;
}

static void cancel(struct metrics *metrics, uint64_t id)
{
	struct player *player = (struct player *)metrics;
	for (size_t i = 0; i < player->count; i++) {
		if (player->questions[i].id == id) {
			take_out(player, i);
			return;
		}
	}
}

static void player_free(struct metrics *metrics)
{
	struct player *player = (struct player *)metrics;
	loop_drop(player->loop, player);
	free(player->questions);
	free(player);
}

static const struct metrics_ops player_ops = {ask, cancel, player_free};

struct metrics *recording_metrics(struct loop *loop, const struct recording *recording,
				  const int64_t *start_us)
{
	struct player *player = xcalloc(1, sizeof(*player));
	player->metrics.ops = &player_ops;
	player->loop = loop;
	player->recording = recording;
	player->start_us = start_us;
	return &player->metrics;
}
