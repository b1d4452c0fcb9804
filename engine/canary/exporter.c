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
	DURATION,
	ANALYSIS,
	SUCCESSES,
	FAILURES,
	LATENESS,
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
} families[FAMILIES] = {
	[INFO] = {"flagger_info", "gauge", "Version and mesh provider."},
	[TOTAL] = {"flagger_canary_total", "gauge", "Canaries by namespace."},
	[STATUS] = {"flagger_canary_status", "gauge",
		    "Last known phase of a canary: 0 in analysis, 1 well, 2 failed."},
	[WEIGHT] = {"flagger_canary_weight", "gauge", "The share of traffic of a workload."},
	[DURATION] = {"flagger_canary_duration_seconds", "histogram",
		      "Seconds that a step of an analysis took."},
	[ANALYSIS] = {"flagger_canary_metric_analysis", "gauge",
		      "Last value of a metric of an analysis."},
	[SUCCESSES] = {"flagger_canary_successes_total", "counter", "Releases promoted."},
	[FAILURES] = {"flagger_canary_failures_total", "counter", "Releases rolled back."},
	[LATENESS] = {"sluice_tick_lateness_seconds", "histogram",
		      "Seconds from when a tick was due to its beginning."},
	[LEADER] = {"sluice_leader", "gauge", "Whether this replica acts."},
	[READY] = {"sluice_ready", "gauge", "Whether all watches have listed."},
	[TICKS] = {"sluice_ticks_running", "gauge", "Canaries being worked on or in line."},
	[REQUESTS] = {"sluice_kube_requests_total", "counter", "Requests to the API server."},
	[RESIDENT] = {"process_resident_memory_bytes", "gauge", "Resident memory size in bytes."},
	[CPU] = {"process_cpu_seconds_total", "counter", "User and system CPU time in seconds."},
	[FDS] = {"process_open_fds", "gauge", "Open file descriptors."},
	[START] = {"process_start_time_seconds", "gauge", "Start time since 1970 in seconds."},
};

static const double bounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
				2.5,   5,    10,    30,	  60,  120,  300, 600};
enum {
	BOUNDS_USUAL = 11, /* of the reference's client library */
	BOUNDS_LATE = ARRAY_LEN(bounds),
};

struct histogram {
	double sum;
	size_t bound_count;
	uint32_t counts[]; /* each of its own range; the last is what is above */
};

/* Releases that ended in one way. */
struct ended {
	struct ended *next;
	bool well, skipped;
	enum strategy strategy;
	double count;
};

struct measured {
	struct measured *next;
	char *metric; /* escaped */
	double value;
};

/* About 250 bytes: there may be ten thousand. */
struct item {
	char *key; /* "namespace/name" */
	char *target;
	int namespace_len; /* of the key */
	int status, weight;
	bool seen;
	struct histogram *duration; /* NULL: no analysis yet */
	struct ended *ended;
	struct measured *measured;
};

struct exporter {
	bool owns;
	char *info;	     /* labels */
	struct item **items; /* sorted by key */
	size_t count, room;
	char **empty; /* namespaces that had canaries */
	size_t empty_count;
	struct histogram *lateness;
	double values[FAMILIES]; /* of the process */
	bool has_value[FAMILIES];
};

/* ---- canaries ---- */

static size_t place(const struct exporter *exporter, const char *key)
{
	size_t low = 0, high = exporter->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (strcmp(exporter->items[middle]->key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_at(const struct exporter *exporter, size_t at, const char *key)
{
	return at < exporter->count && strcmp(exporter->items[at]->key, key) == 0;
}

static struct item *item_of(struct exporter *exporter, const char *namespace, const char *name,
			    const char *target)
{
	SCOPED(text) char *key = xasprintf("%s/%s", namespace, name);
	size_t at = place(exporter, key);
	if (!is_at(exporter, at, key)) {
		if (exporter->count == exporter->room) {
			exporter->room = exporter->room == 0 ? 16 : exporter->room * 2;
			exporter->items = xrealloc(exporter->items,
						   exporter->room * sizeof(*exporter->items));
		}
		memmove(exporter->items + at + 1, exporter->items + at,
			(exporter->count - at) * sizeof(*exporter->items));
		struct item *item = xcalloc(1, sizeof(*item));
		item->key = xstrdup(key);
		item->namespace_len = (int)strlen(namespace);
		exporter->items[at] = item;
		exporter->count++;
	}
	struct item *item = exporter->items[at];
	if (!text_equal(item->target, target)) {
		free(item->target);
		item->target = xstrdup(target);
	}
	return item;
}

static void item_free(struct item *item)
{
	while (item->ended != NULL) {
		struct ended *next = item->ended->next;
		free(item->ended);
		item->ended = next;
	}
	while (item->measured != NULL) {
		struct measured *next = item->measured->next;
		free(item->measured->metric);
		free(item->measured);
		item->measured = next;
	}
	free(item->duration);
	free(item->key);
	free(item->target);
	free(item);
}

static struct histogram *histogram_new(size_t bound_count)
{
	struct histogram *histogram =
		xcalloc(1, sizeof(*histogram) + (bound_count + 1) * sizeof(histogram->counts[0]));
	histogram->bound_count = bound_count;
	return histogram;
}

static void observe(struct histogram *histogram, double seconds)
{
	size_t i = 0;
	while (i < histogram->bound_count && seconds > bounds[i])
		i++;
	histogram->counts[i]++;
	histogram->sum += seconds;
}

/* ---- namespaces whose last canary went ---- */

static bool has_namespace(const struct exporter *exporter, const char *namespace)
{
	SCOPED(text) char *prefix = xasprintf("%s/", namespace);
	size_t at = place(exporter, prefix);
	return at < exporter->count && text_starts(exporter->items[at]->key, prefix);
}

/* Their count is zero from then on, not nothing: an alert on it must not go blind. */
static void note_empty(struct exporter *exporter, const char *key, int namespace_len)
{
	SCOPED(text) char *namespace = xstrndup(key, (size_t)namespace_len);
	for (size_t i = 0; i < exporter->empty_count; i++)
		if (strcmp(exporter->empty[i], namespace) == 0)
			return;
	exporter->empty =
		xrealloc(exporter->empty, (exporter->empty_count + 1) * sizeof(*exporter->empty));
	exporter->empty[exporter->empty_count++] = xstrdup(namespace);
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
	exporter->lateness = histogram_new(BOUNDS_LATE);
	exporter->info = xasprintf("mesh_provider=\"%s\",version=\"%s\"", provider, SLUICE_VERSION);
	return exporter;
}

void exporter_free(struct exporter *exporter)
{
	if (exporter == NULL)
		return;
	for (size_t i = 0; i < exporter->count; i++)
		item_free(exporter->items[i]);
	for (size_t i = 0; i < exporter->empty_count; i++)
		free(exporter->empty[i]);
	free(exporter->empty);
	free(exporter->items);
	free(exporter->info);
	free(exporter->lateness);
	free(exporter);
}

void exporter_own(struct exporter *exporter, bool owns)
{
	if (exporter != NULL)
		exporter->owns = owns;
}

void exporter_see(struct exporter *exporter, const cJSON *canary)
{
	if (exporter == NULL)
		return;
	const char *phase = json_string_or(canary, "status.phase", "");
	struct item *item = item_of(exporter, json_string_or(canary, "metadata.namespace", ""),
				    json_string_or(canary, "metadata.name", ""),
				    json_string_or(canary, "spec.targetRef.name", ""));
	item->seen = true;
	item->weight = (int)json_int(canary, "status.canaryWeight", 0);
	item->status = strcmp(phase, "Progressing") == 0 ? 0 : strcmp(phase, "Failed") == 0 ? 2 : 1;
}

void exporter_forget(struct exporter *exporter, const char *key)
{
	if (exporter == NULL)
		return;
	size_t at = place(exporter, key);
	if (!is_at(exporter, at, key))
		return;
	note_empty(exporter, key, exporter->items[at]->namespace_len);
	item_free(exporter->items[at]);
	exporter->count--;
	memmove(exporter->items + at, exporter->items + at + 1,
		(exporter->count - at) * sizeof(*exporter->items));
}

void exporter_commit(struct exporter *exporter, const struct canary_spec *spec, enum phase before,
		     enum phase after, int64_t took_us)
{
	if (exporter == NULL)
		return;
	struct item *item = item_of(exporter, spec->namespace, spec->name, spec->target_name);
	if (before == PHASE_PROGRESSING || before == PHASE_WAITING_PROMOTION) {
		if (item->duration == NULL)
			item->duration = histogram_new(BOUNDS_USUAL);
		observe(item->duration, (double)took_us / 1e6);
	}
	if (before == after || (after != PHASE_SUCCEEDED && after != PHASE_FAILED))
		return;
	bool well = after == PHASE_SUCCEEDED;
	struct ended **at = &item->ended;
	while (*at != NULL && ((*at)->well != well || (*at)->skipped != spec->skip_analysis ||
			       (*at)->strategy != spec->strategy))
		at = &(*at)->next;
	if (*at == NULL) {
		*at = xcalloc(1, sizeof(**at));
		(*at)->well = well;
		(*at)->skipped = spec->skip_analysis;
		(*at)->strategy = spec->strategy;
	}
	(*at)->count++;
}

void exporter_sample(struct exporter *exporter, const struct canary_spec *spec, const char *metric,
		     double value)
{
	if (exporter == NULL)
		return;
	struct item *item = item_of(exporter, spec->namespace, spec->name, spec->target_name);
	SCOPED(text) char *name = escaped(metric);
	struct measured **at = &item->measured;
	while (*at != NULL && strcmp((*at)->metric, name) < 0)
		at = &(*at)->next;
	if (*at == NULL || strcmp((*at)->metric, name) != 0) {
		struct measured *added = xcalloc(1, sizeof(*added));
		added->metric = xstrdup(name);
		added->next = *at;
		*at = added;
	}
	/* The reference has this one in seconds, although thresholds are in milliseconds. */
	(*at)->value = strcmp(metric, "request-duration") == 0 ? value / 1000 : value;
}

void exporter_late(struct exporter *exporter, int64_t late_us)
{
	if (exporter != NULL)
		observe(exporter->lateness, (double)late_us / 1e6);
}

void exporter_set(struct exporter *exporter, const char *name, double value)
{
	for (enum family family = LEADER; family < FAMILIES; family++) {
		if (strcmp(families[family].name, name) != 0)
			continue;
		exporter->values[family] = value;
		exporter->has_value[family] = true;
	}
}

/* ---- as text ---- */

/* Before the first series of its family. */
static void head(struct buf *into, enum family family, bool *headed)
{
	if (!*headed)
		buf_printf(into, "# HELP %s %s\n# TYPE %s %s\n", families[family].name,
			   families[family].help, families[family].name, families[family].type);
	*headed = true;
}

static void write_histogram(struct buf *into, const char *name, const char *labels,
			    const struct histogram *histogram)
{
	const char *comma = labels[0] == '\0' ? "" : ",";
	uint64_t count = 0;
	for (size_t i = 0; i <= histogram->bound_count; i++) {
		char bound[32] = "+Inf";
		if (i < histogram->bound_count)
			json_number_text(bounds[i], bound);
		count += histogram->counts[i];
		buf_printf(into, "%s_bucket{%s%sle=\"%s\"} %llu\n", name, labels, comma, bound,
			   (unsigned long long)count);
	}
	char sum[32];
	json_number_text(histogram->sum, sum);
	const char *open = labels[0] == '\0' ? "" : "{", *close = labels[0] == '\0' ? "" : "}";
	buf_printf(into, "%s_sum%s%s%s %s\n%s_count%s%s%s %llu\n", name, open, labels, close, sum,
		   name, open, labels, close, (unsigned long long)count);
}

static void write_ended(struct buf *into, enum family family, const struct item *item, bool *headed)
{
	for (const struct ended *ended = item->ended; ended != NULL; ended = ended->next) {
		if (ended->well != (family == SUCCESSES))
			continue;
		head(into, family, headed);
		buf_printf(into,
			   "%s{analysis_status=\"%s\",deployment_strategy=\"%s\",name=\"%s\","
			   "namespace=\"%.*s\"} %.0f\n",
			   families[family].name, ended->skipped ? "skipped" : "completed",
			   strategy_name(ended->strategy), item->target, item->namespace_len,
			   item->key, ended->count);
	}
}

static void write_item(struct buf *into, enum family family, const struct item *item, bool *headed)
{
	const char *name = families[family].name;
	SCOPED(text)
	char *labels = xasprintf("name=\"%s\",namespace=\"%.*s\"", item->target,
				 item->namespace_len, item->key);
	char number[32];
	switch (family) {
	case STATUS:
		if (!item->seen)
			return;
		head(into, family, headed);
		buf_printf(into, "%s{%s} %d\n", name, labels, item->status);
		return;
	case WEIGHT:
		if (!item->seen)
			return;
		head(into, family, headed);
		buf_printf(into,
			   "%s{namespace=\"%.*s\",workload=\"%s\"} %d\n"
			   "%s{namespace=\"%.*s\",workload=\"%s-primary\"} %d\n",
			   name, item->namespace_len, item->key, item->target, item->weight, name,
			   item->namespace_len, item->key, item->target, 100 - item->weight);
		return;
	case DURATION:
		if (item->duration == NULL)
			return;
		head(into, family, headed);
		write_histogram(into, name, labels, item->duration);
		return;
	case ANALYSIS:
		for (const struct measured *at = item->measured; at != NULL; at = at->next) {
			head(into, family, headed);
			json_number_text(at->value, number);
			buf_printf(into, "%s{metric=\"%s\",%s} %s\n", name, at->metric, labels,
				   number);
		}
		return;
	case SUCCESSES:
	case FAILURES:
		write_ended(into, family, item, headed);
		return;
	case INFO:
	case TOTAL:
	case LATENESS:
	case LEADER:
	case READY:
	case TICKS:
	case REQUESTS:
	case RESIDENT:
	case CPU:
	case FDS:
	case START:
	case FAMILIES:
		return;
	}
}

/* Canaries of a namespace stand side by side. */
static void write_totals(const struct exporter *exporter, struct buf *into, bool *headed)
{
	for (size_t i = 0; i < exporter->count;) {
		const struct item *first = exporter->items[i];
		size_t seen = 0;
		for (; i < exporter->count && strncmp(exporter->items[i]->key, first->key,
						      (size_t)first->namespace_len + 1) == 0;
		     i++)
			seen += exporter->items[i]->seen;
		if (seen == 0)
			continue;
		head(into, TOTAL, headed);
		buf_printf(into, "%s{namespace=\"%.*s\"} %zu\n", families[TOTAL].name,
			   first->namespace_len, first->key, seen);
	}
	for (size_t i = 0; i < exporter->empty_count; i++) {
		if (has_namespace(exporter, exporter->empty[i]))
			continue;
		head(into, TOTAL, headed);
		buf_printf(into, "%s{namespace=\"%s\"} 0\n", families[TOTAL].name,
			   exporter->empty[i]);
	}
}

static void write_process(const struct exporter *exporter, struct buf *into)
{
	bool headed = false;
	char number[32];
	head(into, LATENESS, &headed);
	write_histogram(into, families[LATENESS].name, "", exporter->lateness);
	for (enum family family = LEADER; family < FAMILIES; family++) {
		headed = false;
		if (!exporter->has_value[family])
			continue;
		head(into, family, &headed);
		json_number_text(exporter->values[family], number);
		buf_printf(into, "%s %s\n", families[family].name, number);
	}
}

void exporter_write(const struct exporter *exporter, struct buf *into)
{
	bool headed = false;
	head(into, INFO, &headed);
	buf_printf(into, "%s{%s} 1\n", families[INFO].name, exporter->info);
	if (exporter->owns) {
		headed = false;
		write_totals(exporter, into, &headed);
		for (enum family family = STATUS; family <= FAILURES; family++) {
			headed = false;
			for (size_t i = 0; i < exporter->count; i++)
				write_item(into, family, exporter->items[i], &headed);
		}
	}
	write_process(exporter, into);
}
