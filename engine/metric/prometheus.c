#include "metric/prometheus.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/utf8.h"

static const int64_t timeout_us = 5 * DURATION_SECOND;

/* An instant query is evaluated when it is asked, so its answer has the time of that, by the clock
 * of the store: which need not be ours, so it is asked too. What has no clock may differ by this.
 */
static const int64_t skew_us = DURATION_MINUTE;

struct asked {
	uint64_t id, request, token;
	metric_done *done;
	void *owner;
	struct sample sample; /* of one that failed before it was sent */
	int64_t at_us, interval_us;
};

struct prometheus {
	struct metrics metrics; /* first */
	struct loop *loop;
	struct http *http;
	struct asked *asked; /* few: searched in a row */
	size_t count, room;
	uint64_t ids;
};

static void PRINTF_LIKE(2, 3) say(struct sample *sample, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(sample->text, sizeof(sample->text), format, args);
	va_end(args);
	utf8_clean(sample->text);
}

static void read_value(const cJSON *pair, struct sample *sample)
{
	const cJSON *text = cJSON_GetArrayItem(pair, 1);
	double at = json_number(pair, "[0]", 0);
	char *end;
	if (at > 0 && at < 1e12)
		sample->at_us = (int64_t)(at * (double)DURATION_SECOND);
	if (!cJSON_IsString(text) || text->valuestring[0] == '\0') {
		say(sample, "the answer has no value");
		return;
	}
	double value = strtod(text->valuestring, &end);
	if (*end != '\0') {
		say(sample, "the answer has no number but \"%.40s\"", text->valuestring);
		return;
	}
	sample->kind = isnan(value) ? SAMPLE_NAN : SAMPLE_OK;
	sample->value = isnan(value) ? 0 : value;
	if (isnan(value))
		say(sample, "no values found");
}

static const cJSON *find_count(const cJSON *result)
{
	const cJSON *series;
	cJSON_ArrayForEach(series, result)
	{
		const cJSON *labels = json_get(series, "metric");
		if (text_equal(json_string(labels, PROMETHEUS_COUNT_LABEL), "count"))
			return series;
	}
	return NULL;
}

/* What Prometheus extrapolates of a counter is no whole number; requests are. */
static void read_count(const cJSON *series, struct sample *sample)
{
	const cJSON *text = cJSON_GetArrayItem(json_get(series, "value"), 1);
	double count = cJSON_IsString(text) ? strtod(text->valuestring, NULL) : NAN;
	sample->has_count = isfinite(count) && count >= 0;
	sample->count = sample->has_count ? round(count) : 0;
}

void prometheus_read(int status, const char *body, size_t len, struct sample *sample)
{
	struct error err = {0};
	*sample = (struct sample){.kind = SAMPLE_ERROR, .error = ERROR_INVALID};
	if (status < 200 || status >= 300) {
		sample->error = error_of_status(status);
		say(sample, "error response: Status %d: %.*s", status,
		    (int)text_fit(body, len, 200), body);
		return;
	}
	SCOPED(json) cJSON *answer = json_parse(body, len, &err);
	const cJSON *result = json_at(answer, "data.result");
	if (answer == NULL || !cJSON_IsArray(result)) {
		say(sample, "not an answer of Prometheus%s%s", answer == NULL ? ": " : "",
		    answer == NULL ? err.text : "");
		return;
	}
	if (text_equal(json_string(answer, "data.resultType"), "scalar")) {
		read_value(result, sample);
		return;
	}
	int count = cJSON_GetArraySize(result);
	const cJSON *value = result->child, *made_of = find_count(result);
	if (made_of != NULL) {
		read_count(made_of, sample);
		count--;
		value = made_of == value ? value->next : value;
	}
	if (count == 0) {
		sample->kind = SAMPLE_NO_DATA;
		say(sample, "no values found");
	} else if (count > 1 || json_get(value, "values") != NULL) {
		sample->kind = SAMPLE_AMBIGUOUS;
		say(sample, "query returned multiple values");
	} else {
		read_value(json_get(value, "value"), sample);
	}
}

void prometheus_age(int64_t at_us, int64_t interval_us, struct sample *sample)
{
	int64_t most_us = interval_us > skew_us ? interval_us : skew_us;
	if (sample->kind != SAMPLE_OK || sample->at_us == 0 || at_us - sample->at_us <= most_us)
		return;
	sample->kind = SAMPLE_STALE;
	say(sample, "the newest value is %lld seconds old",
	    (long long)((at_us - sample->at_us) / DURATION_SECOND));
}

static bool take(struct prometheus *prometheus, uint64_t id, struct asked *taken)
{
	for (size_t i = 0; i < prometheus->count; i++) {
		if (prometheus->asked[i].id != id)
			continue;
		*taken = prometheus->asked[i];
		prometheus->asked[i] = prometheus->asked[--prometheus->count];
		return true;
	}
	return false;
}

static void answered(void *owner, uint64_t id, const struct http_reply *reply)
{
	struct prometheus *prometheus = owner;
	struct asked asked;
	if (!take(prometheus, id, &asked))
		return;
	struct sample sample = {.kind = SAMPLE_ERROR, .error = reply->error.kind};
	if (reply->error.kind != ERROR_NONE)
		say(&sample, "%s", reply->error.text);
	else
		prometheus_read(reply->status, reply->body, reply->body_len, &sample);
	int64_t now_us = reply->server_us != 0 ? reply->server_us : loop_now(prometheus->loop);
	prometheus_age(asked.at_us != 0 ? asked.at_us : now_us, asked.interval_us, &sample);
	sample.raw = reply->body;
	asked.done(asked.owner, asked.token, &sample);
}

static void not_sent(void *owner, uint64_t id)
{
	struct asked asked;
	if (take(owner, id, &asked))
		asked.done(asked.owner, asked.token, &asked.sample);
}

/* The address may have a path of its own. */
static char *url_of(const struct metric_query *query, const char *address)
{
	size_t len = strlen(address);
	while (len > 0 && address[len - 1] == '/')
		len--;
	struct buf url;
	buf_init(&url, 4 * QUERY_MAX);
	buf_add(&url, address, len);
	buf_puts(&url, "/api/v1/query?query=");
	for (const char *c = query->online ? "vector(1)" : query->query; *c != '\0'; c++) {
		if (isalnum((unsigned char)*c) || strchr("-_.~", *c) != NULL)
			buf_putc(&url, *c);
		else
			buf_printf(&url, "%%%02X", (unsigned)(unsigned char)*c);
	}
	if (query->at_us != 0)
		buf_printf(&url, "&time=%lld.%03lld", (long long)(query->at_us / DURATION_SECOND),
			   (long long)(query->at_us % DURATION_SECOND / DURATION_MS));
	char *taken = url.full ? NULL : buf_take(&url);
	buf_fini(&url);
	return taken;
}

static uint64_t ask(struct metrics *metrics, const struct metric_query *query, metric_done *done,
		    void *owner, uint64_t token)
{
	struct prometheus *prometheus = (struct prometheus *)metrics;
	if (prometheus->count == prometheus->room) {
		prometheus->room = prometheus->room == 0 ? 16 : prometheus->room * 2;
		prometheus->asked =
			xrealloc(prometheus->asked, prometheus->room * sizeof(struct asked));
	}
	uint64_t id = ++prometheus->ids;
	size_t at = prometheus->count++;
	struct asked *asked = &prometheus->asked[at];
	*asked = (struct asked){.id = id,
				.token = token,
				.done = done,
				.owner = owner,
				.at_us = query->at_us,
				.interval_us = query->interval_us};
	asked->sample.kind = SAMPLE_ERROR;
	asked->sample.error = ERROR_INVALID;
	const char *address = query->address == NULL ? "" : query->address;
	SCOPED(text) char *url = NULL;
	if (strcmp(query->provider, "prometheus") != 0)
		say(&asked->sample, "there is no metric provider \"%.40s\" yet", query->provider);
	else if (!text_starts(address, "http://") && !text_starts(address, "https://"))
		say(&asked->sample, "prometheus address %.200s is not a valid URL", address);
	else
		url = url_of(query, address);
	if (url == NULL) {
		loop_ready(prometheus->loop, not_sent, prometheus, id);
		return id;
	}
	const struct http_request request = {
		.method = "GET",
		.url = url,
		.headers = query->headers,
		.header_count = query->header_count,
		.reply_max = METRIC_BODY_MAX,
		.timeout_us = timeout_us,
		.insecure_tls = query->insecure_tls,
	};
	prometheus->asked[at].request =
		http_send(prometheus->http, &request, answered, prometheus, id);
	return id;
}

static void cancel(struct metrics *metrics, uint64_t id)
{
	struct prometheus *prometheus = (struct prometheus *)metrics;
	struct asked asked;
	if (take(prometheus, id, &asked) && asked.request != 0)
		prometheus->http->ops->cancel(prometheus->http, asked.request);
}

static void prometheus_free(struct metrics *metrics)
{
	struct prometheus *prometheus = (struct prometheus *)metrics;
	while (prometheus->count > 0)
		cancel(metrics, prometheus->asked[0].id);
	loop_drop(prometheus->loop, prometheus);
	free(prometheus->asked);
	free(prometheus);
}

static const struct metrics_ops ops = {ask, cancel, prometheus_free};

struct metrics *prometheus_new(struct loop *loop, struct http *http)
{
	struct prometheus *prometheus = xcalloc(1, sizeof(*prometheus));
	prometheus->metrics.ops = &ops;
	prometheus->loop = loop;
	prometheus->http = http;
	return &prometheus->metrics;
}
