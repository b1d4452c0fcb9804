#include "script/lua_metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/url.h"
#include "script/pauses.h"
#include "script/task.h"

/* Of one query: more than any single request of a driver may take. */
static const int64_t query_timeout_us = 20 * DURATION_SECOND;

enum { DRIVERS_MAX = 16 };

struct provider {
	char name[40];
	struct driver *driver; /* NULL: `err` says why */
	int table;
	struct error err;
};

struct asked {
	uint64_t id, task, native, token;
	metric_done *done;
	void *owner;
	cJSON *secret; /* to keep it out of what is told */
	char *place;   /* of its address, for messages; "" when it has none */
	char *key;     /* of a pause */
	struct sample sample;
	struct asked *next;
};

struct lua_metrics {
	struct metrics metrics; /* first */
	struct loop *loop;
	struct tasks *tasks;
	struct metrics *native;
	struct provider providers[DRIVERS_MAX];
	size_t count;
	struct asked *asked; /* few: searched in a row */
	struct pauses pauses;
	uint64_t ids;
};

static struct asked *take(struct lua_metrics *self, uint64_t id)
{
	for (struct asked **at = &self->asked; *at != NULL; at = &(*at)->next) {
		struct asked *asked = *at;
		if (asked->id != id)
			continue;
		*at = asked->next;
		return asked;
	}
	return NULL;
}

static void asked_free(struct asked *asked)
{
	json_wipe(asked->secret);
	cJSON_Delete(asked->secret);
	free(asked->place);
	secret_free(asked->key);
	free(asked);
}

/* ---- samples ---- */

static void hide_secret(char *text, const cJSON *secret)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, secret)
	{
		secret_hide(text, item->valuestring);
	}
}

static bool read_value(const cJSON *result, double *value)
{
	const cJSON *item = json_get(result, "value");
	char *end;
	if (cJSON_IsNumber(item)) {
		*value = item->valuedouble;
		return true;
	}
	if (!cJSON_IsString(item) || item->valuestring[0] == '\0')
		return false;
	*value = strtod(item->valuestring, &end);
	return *end == '\0';
}

static void read_result(const cJSON *result, struct sample *sample)
{
	static const struct {
		const char *name, *text;
		enum sample_kind kind;
	} kinds[] = {
		{"ok", "", SAMPLE_OK},
		{"no-data", "no values found", SAMPLE_NO_DATA},
		{"nan", "no values found", SAMPLE_NAN},
		{"ambiguous", "query returned multiple values", SAMPLE_AMBIGUOUS},
		{"stale", "the newest value is old", SAMPLE_STALE},
	};
	const char *name = json_string_or(result, "kind", "ok");
	size_t i = 0;
	while (i < ARRAY_LEN(kinds) && strcmp(kinds[i].name, name) != 0)
		i++;
	if (!cJSON_IsObject(result) || i == ARRAY_LEN(kinds)) {
		text_copy(sample->text, sizeof(sample->text), "the driver gave no sample");
		sample->error = ERROR_SCRIPT;
		return;
	}
	sample->kind = kinds[i].kind;
	text_copy(sample->text, sizeof(sample->text),
		  json_string_or(result, "text", kinds[i].text));
	const cJSON *count = json_get(result, "count");
	sample->has_count = cJSON_IsNumber(count);
	sample->count = sample->has_count ? count->valuedouble : 0;
	if (sample->kind != SAMPLE_OK && sample->kind != SAMPLE_STALE)
		return;
	if (!read_value(result, &sample->value)) {
		sample->kind = SAMPLE_ERROR;
		sample->error = ERROR_SCRIPT;
		text_copy(sample->text, sizeof(sample->text), "the driver's sample has no value");
	} else if (isnan(sample->value)) {
		sample->kind = SAMPLE_NAN;
		sample->value = 0;
		text_copy(sample->text, sizeof(sample->text), "no values found");
	}
}

static void answered(void *owner, uint64_t id, const cJSON *result, const struct error *err)
{
	struct lua_metrics *self = owner;
	struct asked *asked = take(self, id);
	if (asked == NULL)
		return;
	struct sample sample = {.kind = SAMPLE_ERROR};
	if (err == NULL) {
		read_result(result, &sample);
	} else {
		struct error told = *err;
		/* What is wrong with an answer may be told by who does not know whose it is. */
		if (strstr(asked->place, "://") != NULL && strstr(told.text, "://") == NULL)
			(void)error_wrap(&told, "%s", asked->place);
		sample.error = told.kind;
		text_copy(sample.text, sizeof(sample.text), told.text);
		double wait_s = json_number(result, "retry_after", 0);
		if (told.kind == ERROR_THROTTLED && wait_s > 0)
			pauses_add(&self->pauses, asked->key,
				   (int64_t)(wait_s * (double)DURATION_SECOND),
				   loop_now(self->loop));
	}
	hide_secret(sample.text, asked->secret);
	SCOPED(text) char *raw = result == NULL || err != NULL ? NULL : json_text(result);
	if (raw != NULL)
		hide_secret(raw, asked->secret);
	sample.raw = raw;
	asked->done(asked->owner, asked->token, &sample);
	asked_free(asked);
}

static void native_answered(void *owner, uint64_t id, const struct sample *sample)
{
	struct asked *asked = take(owner, id);
	if (asked == NULL)
		return;
	asked->done(asked->owner, asked->token, sample);
	asked_free(asked);
}

static void refused(void *owner, uint64_t id)
{
	struct asked *asked = take(owner, id);
	if (asked == NULL)
		return;
	asked->done(asked->owner, asked->token, &asked->sample);
	asked_free(asked);
}

/* ---- drivers: loaded when first asked ---- */

static void load(struct provider *provider)
{
	provider->driver = driver_new("metric", provider->name, task_modules, &provider->err);
	if (provider->driver == NULL)
		return;
	provider->table = driver_table(provider->driver, provider->name, &provider->err);
	static const char *const functions[] = {"query", "online", NULL};
	if (provider->table != 0 &&
	    driver_check(provider->driver, provider->table, functions, &provider->err))
		return;
	driver_free(provider->driver);
	provider->driver = NULL;
}

static struct provider *find_provider(struct lua_metrics *self, const char *name, struct error *err)
{
	for (size_t i = 0; i < self->count; i++)
		if (strcmp(self->providers[i].name, name) == 0)
			return &self->providers[i];
	struct provider *provider = &self->providers[self->count];
	if (self->count == DRIVERS_MAX || strlen(name) >= sizeof(provider->name)) {
		error_set(err, ERROR_NOT_FOUND, "there is no metric driver \"%.60s\"", name);
		return NULL;
	}
	self->count++;
	text_copy(provider->name, sizeof(provider->name), name);
	load(provider);
	return provider;
}

static cJSON *argument_of(const struct lua_metrics *self, const struct metric_query *query)
{
	cJSON *ask = cJSON_CreateObject();
	cJSON_AddStringToObject(ask, "address", query->address == NULL ? "" : query->address);
	cJSON_AddStringToObject(ask, "query", query->query);
	cJSON_AddNumberToObject(ask, "interval_seconds",
				(double)query->interval_us / (double)DURATION_SECOND);
	cJSON_AddNumberToObject(ask, "now", (double)loop_now(self->loop) / (double)DURATION_SECOND);
	cJSON_AddBoolToObject(ask, "insecure", query->insecure_tls);
	if (query->region != NULL)
		cJSON_AddStringToObject(ask, "region", query->region);
	if (query->secret != NULL)
		cJSON_AddItemToObject(ask, "secret", cJSON_Duplicate(query->secret, true));
	cJSON *headers = cJSON_AddObjectToObject(ask, "headers");
	for (size_t i = 0; i < query->header_count; i++)
		cJSON_AddStringToObject(headers, query->headers[i].name, query->headers[i].value);
	return ask;
}

static bool is_paused(struct lua_metrics *self, const struct metric_query *query,
		      struct asked *asked)
{
	char *key = pauses_key(query);
	int64_t left_us = pauses_left_us(&self->pauses, key, loop_now(self->loop));
	secret_free(key);
	if (left_us == 0)
		return false;
	SCOPED(text)
	char *place = url_place(query->address == NULL ? "" : query->address, true);
	asked->sample.kind = SAMPLE_ERROR;
	asked->sample.error = ERROR_THROTTLED;
	snprintf(asked->sample.text, sizeof(asked->sample.text),
		 "%s%sis not asked for %lld s more, as it wanted",
		 place[0] == '\0' ? query->provider : place, place[0] == '\0' ? " " : ": ",
		 (long long)((left_us + DURATION_SECOND - 1) / DURATION_SECOND));
	return true;
}

static void ask_driver(struct lua_metrics *self, const struct metric_query *query,
		       struct asked *asked)
{
	struct error err = {0};
	const struct provider *provider = find_provider(self, query->provider, &err);
	if (provider != NULL && provider->driver != NULL && query->online &&
	    !driver_has(provider->driver, provider->table, "online")) {
		asked->sample.kind = SAMPLE_NO_DATA; /* it cannot say, which is no complaint */
		loop_ready(self->loop, refused, self, asked->id);
		return;
	}
	if (provider != NULL && provider->driver != NULL && is_paused(self, query, asked)) {
		loop_ready(self->loop, refused, self, asked->id);
		return;
	}
	if (provider != NULL && provider->driver != NULL) {
		asked->secret = query->secret == NULL ? NULL : cJSON_Duplicate(query->secret, true);
		asked->key = pauses_key(query);
		asked->place = url_place(query->address == NULL ? "" : query->address, true);
		SCOPED(json) cJSON *argument = argument_of(self, query);
		asked->task = task_start(self->tasks, provider->driver, provider->table,
					 query->online ? "online" : "query", argument,
					 query_timeout_us, answered, self, asked->id);
		return;
	}
	if (provider != NULL)
		err = provider->err;
	asked->sample = (struct sample){.kind = SAMPLE_ERROR, .error = err.kind};
	text_copy(asked->sample.text, sizeof(asked->sample.text), err.text);
	loop_ready(self->loop, refused, self, asked->id);
}

static uint64_t ask(struct metrics *metrics, const struct metric_query *query, metric_done *done,
		    void *owner, uint64_t token)
{
	struct lua_metrics *self = (struct lua_metrics *)metrics;
	struct asked *asked = xcalloc(1, sizeof(*asked));
	asked->id = ++self->ids;
	asked->done = done;
	asked->owner = owner;
	asked->token = token;
	asked->next = self->asked;
	self->asked = asked;
	if (strcmp(query->provider, "prometheus") == 0)
		asked->native = self->native->ops->query(self->native, query, native_answered, self,
							 asked->id);
	else
		ask_driver(self, query, asked);
	return asked->id;
}

static void cancel(struct metrics *metrics, uint64_t id)
{
	struct lua_metrics *self = (struct lua_metrics *)metrics;
	struct asked *asked = take(self, id);
	if (asked == NULL)
		return;
	if (asked->native != 0)
		self->native->ops->cancel(self->native, asked->native);
	if (asked->task != 0)
		task_cancel(self->tasks, asked->task);
	asked_free(asked);
}

static void lua_metrics_free(struct metrics *metrics)
{
	struct lua_metrics *self = (struct lua_metrics *)metrics;
	while (self->asked != NULL)
		cancel(metrics, self->asked->id);
	loop_drop(self->loop, self);
	pauses_fini(&self->pauses);
	tasks_free(self->tasks);
	for (size_t i = 0; i < self->count; i++)
		driver_free(self->providers[i].driver);
	self->native->ops->free(self->native);
	free(self);
}

static const struct metrics_ops ops = {ask, cancel, lua_metrics_free};

struct metrics *lua_metrics(struct loop *loop, struct http *http, struct http *api,
			    struct metrics *owned_native)
{
	struct lua_metrics *self = xcalloc(1, sizeof(*self));
	self->metrics.ops = &ops;
	self->loop = loop;
	self->tasks = tasks_new(loop, http, api);
	self->native = owned_native;
	return &self->metrics;
}
