#include "canary/exporter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

enum family {
	INFO,
	TOTAL,
	STATUS,
	WEIGHT,
	DURATION_BUCKET,
	DURATION_SUM,
	DURATION_COUNT,
	ANALYSIS,
	SUCCESSES,
	FAILURES,
	LEADER,
	READY,
	TICKS,
	REQUESTS,
	RESIDENT,
	CPU,
	FDS,
	START,
	FAMILIES,
};

static const struct {
	const char *name, *type, *help;
	bool of_canaries;
} families[FAMILIES] = {
	[INFO] = {"flagger_info", "gauge", "Version and mesh provider.", false},
	[TOTAL] = {"flagger_canary_total", "gauge", "Canaries by namespace.", true},
	[STATUS] = {"flagger_canary_status", "gauge",
		    "Last known phase of a canary: 0 in analysis, 1 well, 2 failed.", true},
	[WEIGHT] = {"flagger_canary_weight", "gauge", "The share of traffic of a workload.", true},
	[DURATION_BUCKET] = {"flagger_canary_duration_seconds", "histogram",
			     "Seconds that a step of an analysis took.", true},
	/* The rest of the histogram: no header of their own. */
	[DURATION_SUM] = {"flagger_canary_duration_seconds_sum", NULL, NULL, true},
	[DURATION_COUNT] = {"flagger_canary_duration_seconds_count", NULL, NULL, true},
	[ANALYSIS] = {"flagger_canary_metric_analysis", "gauge",
		      "Last value of a metric of an analysis.", true},
	[SUCCESSES] = {"flagger_canary_successes_total", "counter", "Releases promoted.", true},
	[FAILURES] = {"flagger_canary_failures_total", "counter", "Releases rolled back.", true},
	[LEADER] = {"sluice_leader", "gauge", "Whether this replica acts.", false},
	[READY] = {"sluice_ready", "gauge", "Whether all watches have listed.", false},
	[TICKS] = {"sluice_ticks_running", "gauge", "Canaries being worked on or in line.", false},
	[REQUESTS] = {"sluice_kube_requests_total", "counter", "Requests to the API server.",
		      false},
	[RESIDENT] = {"process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
		      false},
	[CPU] = {"process_cpu_seconds_total", "counter", "User and system CPU time in seconds.",
		 false},
	[FDS] = {"process_open_fds", "gauge", "Open file descriptors.", false},
	[START] = {"process_start_time_seconds", "gauge", "Start time since 1970 in seconds.",
		   false},
};

/* Of the reference's client library. */
static const double bounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

struct series {
	char *labels; /* as written, without braces */
	char *key;    /* of the canary, or NULL */
	double value;
};

struct exporter {
	bool owns;
	struct {
		struct series *items; /* sorted by labels */
		size_t count, room;
	} tables[FAMILIES];
};

/* ---- series ---- */

static struct series *series_of(struct exporter *exporter, enum family family, const char *labels,
				const char *key)
{
	struct series *items = exporter->tables[family].items;
	size_t low = 0, high = exporter->tables[family].count, count = high;
	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(items[middle].labels, labels);
		if (order == 0)
			return &items[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (count == exporter->tables[family].room) {
		size_t room = count == 0 ? 8 : count * 2;
		items = xrealloc(items, room * sizeof(*items));
		exporter->tables[family].items = items;
		exporter->tables[family].room = room;
	}
	memmove(items + low + 1, items + low, (count - low) * sizeof(*items));
	items[low] = (struct series){xstrdup(labels), xstrdup(key), 0};
	exporter->tables[family].count++;
	return &items[low];
}

static void series_remove(struct exporter *exporter, enum family family, size_t at)
{
	struct series *items = exporter->tables[family].items;
	free(items[at].labels);
	free(items[at].key);
	exporter->tables[family].count--;
	memmove(items + at, items + at + 1, (exporter->tables[family].count - at) * sizeof(*items));
}

static void set(struct exporter *exporter, enum family family, const char *labels, const char *key,
		double value)
{
	series_of(exporter, family, labels, key)->value = value;
}

static void add(struct exporter *exporter, enum family family, const char *labels, const char *key,
		double value)
{
	series_of(exporter, family, labels, key)->value += value;
}

/* Names of Kubernetes need no escapes; metric names of users may. */
static char *escaped(const char *text)
{
	SCOPED(buf) struct buf out = {0};
	buf_init(&out, 4096);
	for (; *text != '\0'; text++) {
		if (*text == '\\' || *text == '"')
			buf_putc(&out, '\\');
		if (*text == '\n')
			buf_puts(&out, "\\n");
		else
			buf_putc(&out, *text);
	}
	return buf_take(&out);
}

/* ---- what is told ---- */

struct exporter *exporter_new(const char *mesh_provider)
{
	struct exporter *exporter = xcalloc(1, sizeof(*exporter));
	SCOPED(text) char *provider = escaped(mesh_provider);
	SCOPED(text)
	char *labels = xasprintf("mesh_provider=\"%s\",version=\"%s\"", provider, SLUICE_VERSION);
	set(exporter, INFO, labels, NULL, 1);
	return exporter;
}

void exporter_free(struct exporter *exporter)
{
	if (exporter == NULL)
		return;
	for (enum family family = 0; family < FAMILIES; family++) {
		while (exporter->tables[family].count > 0)
			series_remove(exporter, family, exporter->tables[family].count - 1);
		free(exporter->tables[family].items);
	}
	free(exporter);
}

void exporter_own(struct exporter *exporter, bool owns)
{
	if (exporter != NULL)
		exporter->owns = owns;
}

static void count_canary(struct exporter *exporter, const char *namespace, double by)
{
	SCOPED(text) char *labels = xasprintf("namespace=\"%s\"", namespace);
	add(exporter, TOTAL, labels, NULL, by);
}

void exporter_see(struct exporter *exporter, const cJSON *canary)
{
	if (exporter == NULL)
		return;
	const char *namespace = json_string_or(canary, "metadata.namespace", "");
	const char *target = json_string_or(canary, "spec.targetRef.name", "");
	const char *phase = json_string_or(canary, "status.phase", "");
	int weight = (int)json_int(canary, "status.canaryWeight", 0);
	SCOPED(text)
	char *key = xasprintf("%s/%s", namespace, json_string_or(canary, "metadata.name", ""));
	SCOPED(text)
	char *labels = xasprintf("name=\"%s\",namespace=\"%s\"", target, namespace);
	size_t before = exporter->tables[STATUS].count;
	set(exporter, STATUS, labels, key,
	    strcmp(phase, "Progressing") == 0 ? 0
	    : strcmp(phase, "Failed") == 0    ? 2
					      : 1);
	if (exporter->tables[STATUS].count > before)
		count_canary(exporter, namespace, 1);
	SCOPED(text)
	char *primary = xasprintf("namespace=\"%s\",workload=\"%s-primary\"", namespace, target);
	SCOPED(text) char *other = xasprintf("namespace=\"%s\",workload=\"%s\"", namespace, target);
	set(exporter, WEIGHT, primary, key, 100 - weight);
	set(exporter, WEIGHT, other, key, weight);
}

void exporter_forget(struct exporter *exporter, const char *key)
{
	if (exporter == NULL)
		return;
	bool known = false;
	for (enum family family = 0; family < FAMILIES; family++) {
		for (size_t i = exporter->tables[family].count; i > 0; i--) {
			if (!text_equal(exporter->tables[family].items[i - 1].key, key))
				continue;
			series_remove(exporter, family, i - 1);
			known |= family == STATUS;
		}
	}
	SCOPED(text) char *namespace = xstrndup(key, strcspn(key, "/"));
	if (known)
		count_canary(exporter, namespace, -1);
}

static void observe_duration(struct exporter *exporter, const struct canary_spec *spec,
			     const char *key, double seconds)
{
	SCOPED(text)
	char *labels =
		xasprintf("name=\"%s\",namespace=\"%s\"", spec->target_name, spec->namespace);
	for (size_t i = 0; i <= ARRAY_LEN(bounds); i++) {
		char bound[32] = "+Inf";
		if (i < ARRAY_LEN(bounds))
			json_number_text(bounds[i], bound);
		/* Sorts as the bounds do: "a" … "l" is taken off when written. */
		SCOPED(text)
		char *bucket = xasprintf("%s,%cle=\"%s\"", labels, (char)('a' + (int)i), bound);
		bool within = i == ARRAY_LEN(bounds) || seconds <= bounds[i];
		add(exporter, DURATION_BUCKET, bucket, key, within ? 1 : 0);
	}
	add(exporter, DURATION_SUM, labels, key, seconds);
	add(exporter, DURATION_COUNT, labels, key, 1);
}

void exporter_commit(struct exporter *exporter, const struct canary_spec *spec, enum phase before,
		     enum phase after, int64_t took_us)
{
	if (exporter == NULL)
		return;
	SCOPED(text) char *key = xasprintf("%s/%s", spec->namespace, spec->name);
	if (before == PHASE_PROGRESSING || before == PHASE_WAITING_PROMOTION)
		observe_duration(exporter, spec, key, (double)took_us / 1e6);
	if (before == after || (after != PHASE_SUCCEEDED && after != PHASE_FAILED))
		return;
	SCOPED(text)
	char *labels = xasprintf("analysis_status=\"%s\",deployment_strategy=\"%s\",name=\"%s\","
				 "namespace=\"%s\"",
				 spec->skip_analysis ? "skipped" : "completed",
				 strategy_name(spec->strategy), spec->target_name, spec->namespace);
	add(exporter, after == PHASE_SUCCEEDED ? SUCCESSES : FAILURES, labels, key, 1);
}

void exporter_sample(struct exporter *exporter, const struct canary_spec *spec, const char *metric,
		     double value)
{
	if (exporter == NULL)
		return;
	SCOPED(text) char *name = escaped(metric);
	SCOPED(text) char *key = xasprintf("%s/%s", spec->namespace, spec->name);
	SCOPED(text)
	char *labels = xasprintf("metric=\"%s\",name=\"%s\",namespace=\"%s\"", name,
				 spec->target_name, spec->namespace);
	/* The reference has this one in seconds, although thresholds are in milliseconds. */
	bool seconds = strcmp(metric, "request-duration") == 0;
	set(exporter, ANALYSIS, labels, key, seconds ? value / 1000 : value);
}

void exporter_set(struct exporter *exporter, const char *name, double value)
{
	for (enum family family = LEADER; family < FAMILIES; family++)
		if (strcmp(families[family].name, name) == 0)
			set(exporter, family, "", NULL, value);
}

/* ---- as text ---- */

static void write_series(struct buf *into, enum family family, const struct series *series)
{
	char number[32];
	json_number_text(series->value, number);
	buf_puts(into, families[family].name);
	if (family == DURATION_BUCKET) {
		const char *le = strstr(series->labels, "le=\"") - 1;
		buf_printf(into, "_bucket{%.*s%s} %s\n", (int)(le - series->labels), series->labels,
			   le + 1, number);
		return;
	}
	if (series->labels[0] != '\0')
		buf_printf(into, "{%s}", series->labels);
	buf_printf(into, " %s\n", number);
}

void exporter_write(const struct exporter *exporter, struct buf *into)
{
	for (enum family family = 0; family < FAMILIES; family++) {
		size_t count = exporter->tables[family].count;
		if (count == 0 || (families[family].of_canaries && !exporter->owns))
			continue;
		if (families[family].type != NULL)
			buf_printf(into, "# HELP %s %s\n# TYPE %s %s\n", families[family].name,
				   families[family].help, families[family].name,
				   families[family].type);
		for (size_t i = 0; i < count; i++)
			write_series(into, family, &exporter->tables[family].items[i]);
	}
}
