#include "rehearsal/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "rehearsal/chart.h"

enum { PLOT = 150, ROW = 22, NAMES_MAX = 20 };

static const char style[] =
	"body{font:15px/1.5 system-ui,sans-serif;max-width:1000px;margin:2.5em auto;"
	"padding:0 1.2em;color:var(--ink);background:var(--ground)}\n"
	"h1{font-size:1.6em;margin:0}h2{font-size:1em;margin:2em 0 .4em}\n"
	"p{margin:.3em 0;color:var(--faint)}code{font-size:.92em}\n"
	".badge{display:inline-block;font-size:.6em;vertical-align:middle;padding:.15em .8em;"
	"border-radius:1em;color:var(--ground);margin-left:.6em}\n"
	".badge.good{background:var(--green)}.badge.bad{background:var(--red)}"
	".badge.wait{background:var(--yellow)}\n"
	"table{border-collapse:collapse;width:100%;font-size:.93em}\n"
	"td,th{text-align:left;padding:.28em 1em .28em 0;border-bottom:1px solid var(--line);"
	"vertical-align:top}td:last-child{overflow-wrap:anywhere;width:100%}\n"
	"td:not(:last-child){white-space:nowrap;font-variant-numeric:tabular-nums}\n"
	"th{color:var(--faint);font-weight:600}td.Warning{color:var(--yellow)}"
	"td.Scenario{color:var(--violet)}\n";

/* ---- what was ---- */

static double at_of(const cJSON *item)
{
	return json_number(item, "at", -1);
}

static double end_of(const cJSON *report)
{
	static const char *const lists[] = {"events", "statuses", "samples", "webhooks", "scenes"};
	double end = 1;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		const cJSON *item;
		cJSON_ArrayForEach(item, json_get(report, lists[i])) end =
			at_of(item) > end ? at_of(item) : end;
	}
	return end * 1.01;
}

/* The values of a member in the order in which they first came. */
static size_t names_of(const cJSON *list, const char *field, const char *names[NAMES_MAX])
{
	size_t count = 0;
	const cJSON *item;
	cJSON_ArrayForEach(item, list)
	{
		const char *name = json_string_or(item, field, "");
		/* Receivers of events are told what the table below tells. */
		bool known = at_of(item) < 0 || json_get(item, "message") != NULL;
		for (size_t i = 0; i < count; i++)
			known |= strcmp(names[i], name) == 0;
		if (!known && count < NAMES_MAX)
			names[count++] = name;
	}
	return count;
}

static void put_marks(struct chart *chart, const cJSON *report)
{
	const cJSON *scene;
	cJSON_ArrayForEach(scene, json_get(report, "scenes"))
		chart_mark(chart, at_of(scene), json_string_or(scene, "text", ""));
}

static void put_title(struct buf *page, const char *title, const char *more)
{
	buf_puts(page, "<h2>");
	chart_text(page, title);
	buf_puts(page, "</h2>\n");
	if (more[0] == '\0')
		return;
	buf_puts(page, "<p>");
	chart_text(page, more);
	buf_puts(page, "</p>\n");
}

/* ---- the phases, and a number of the status ---- */

static const char *phase_class(const char *phase)
{
	if (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Initialized") == 0)
		return "good";
	if (strcmp(phase, "Failed") == 0)
		return "bad";
	return text_starts(phase, "Waiting") ? "wait" : "canary";
}

static void put_phases(struct buf *page, const cJSON *report, double end)
{
	struct chart chart = {.page = page, .end = end, .height = ROW};
	const cJSON *status, *statuses = json_get(report, "statuses");
	const char *phase = NULL;
	double from = 0;
	chart_begin_rows(&chart, "phases over time");
	chart_row(&chart, 0, "phase");
	cJSON_ArrayForEach(status, statuses)
	{
		const char *next = json_string_or(status, "phase", "");
		double at = at_of(status) < 0 ? 0 : at_of(status);
		if (text_equal(next, phase))
			continue;
		if (phase != NULL && at > from)
			chart_band(&chart, 0, from, at, phase_class(phase), phase);
		phase = next;
		from = at;
	}
	if (phase != NULL)
		chart_band(&chart, 0, from, end, phase_class(phase), phase);
	put_marks(&chart, report);
	chart_end(&chart);
}

static double most(const cJSON *list, const char *field)
{
	double high = 0;
	const cJSON *item;
	cJSON_ArrayForEach(item, list)
	{
		double value = json_number(item, field, 0);
		high = value > high ? value : high;
	}
	return high;
}

static void put_number(struct buf *page, const cJSON *report, double end, const char *field,
		       double high, double limit, const char *class, const char *label)
{
	struct chart chart = {.page = page, .end = end, .high = high, .height = PLOT};
	const cJSON *status;
	bool begun = false;
	double before = 0;
	chart_begin(&chart, label);
	if (limit > 0)
		chart_limit(&chart, limit, true);
	put_marks(&chart, report);
	cJSON_ArrayForEach(status, json_get(report, "statuses"))
	{
		double value = json_number(status, field, 0);
		if (at_of(status) < 0) {
			before = value;
			continue;
		}
		if (!begun)
			chart_path_begin(&chart, 0, before);
		begun = true;
		chart_path_to(&chart, true, at_of(status), value);
	}
	if (begun)
		chart_path_end(&chart, true, class);
	chart_end(&chart);
}

static void put_status(struct buf *page, const cJSON *report, double end)
{
	const cJSON *analysis = json_at(report, "canary.spec.analysis");
	const cJSON *statuses = json_get(report, "statuses");
	double iterations = json_number(analysis, "iterations", 0);
	double threshold = json_number(analysis, "threshold", 0);
	char more[120] = "";
	put_title(page, "Course", "");
	put_phases(page, report, end);
	if (iterations == 0 || most(statuses, "weight") > 0) {
		put_title(page, "Traffic to the canary, in percent", "");
		put_number(page, report, end, "weight", 100, 0, "canary",
			   "weight of the canary over time");
	}
	if (iterations > 0) {
		put_title(page, "Iterations", "");
		put_number(page, report, end, "iterations", iterations, 0, "canary",
			   "iterations over time");
	}
	snprintf(more, sizeof(more), "Rolled back at %.0f.", threshold);
	put_title(page, "Failed checks", threshold > 0 ? more : "");
	double high = most(statuses, "failedChecks");
	put_number(page, report, end, "failedChecks", (high > threshold ? high : threshold) + 1,
		   threshold, "bad", "failed checks over time");
}

/* ---- a metric ---- */

struct range {
	double min, max; /* NAN: none */
};

/* As the canary's own fields say; a policy may have other ideas. */
static struct range range_of(const cJSON *report, const char *metric)
{
	struct range range = {NAN, NAN};
	const cJSON *entry;
	cJSON_ArrayForEach(entry, json_at(report, "canary.spec.analysis.metrics"))
	{
		if (!text_equal(json_string(entry, "name"), metric))
			continue;
		double bare = json_number(entry, "threshold", NAN);
		bool is_rate = strcmp(metric, "request-success-rate") == 0;
		range.min = json_number(entry, "thresholdRange.min", is_rate ? bare : NAN);
		range.max = json_number(entry, "thresholdRange.max", is_rate ? NAN : bare);
	}
	return range;
}

static void widen(struct chart *chart, double value)
{
	if (!isfinite(value))
		return;
	chart->low = value < chart->low ? value : chart->low;
	chart->high = value > chart->high ? value : chart->high;
}

static void put_metric(struct buf *page, const cJSON *report, double end, const char *name)
{
	const struct range range = range_of(report, name);
	struct chart chart = {
		.page = page, .end = end, .low = INFINITY, .high = -INFINITY, .height = PLOT};
	const cJSON *sample, *samples = json_get(report, "samples");
	char more[120] = "", number[32];
	int len = 0;
	if (isfinite(range.min))
		len += snprintf(more, sizeof(more), "At least %.6g. ", range.min);
	if (isfinite(range.max))
		snprintf(more + len, sizeof(more) - (size_t)len, "At most %.6g.", range.max);
	cJSON_ArrayForEach(sample, samples)
	{
		if (at_of(sample) >= 0 && text_equal(json_string(sample, "metric"), name))
			widen(&chart, json_number(sample, "value", NAN));
	}
	widen(&chart, range.min);
	widen(&chart, range.max);
	if (!isfinite(chart.low)) {
		chart.low = 0;
		chart.high = 1;
	}
	double margin = (chart.high - chart.low) * 0.08;
	chart.high += margin;
	chart.low = chart.low >= 0 && chart.low < margin ? 0 : chart.low - margin;
	put_title(page, name, more);
	chart_begin(&chart, name);
	if (isfinite(range.min))
		chart_limit(&chart, range.min, false);
	if (isfinite(range.max))
		chart_limit(&chart, range.max, true);
	put_marks(&chart, report);
	bool drawing = false;
	/* Twice: the line breaks where there was no value, and the dots lie upon it. */
	cJSON_ArrayForEach(sample, samples)
	{
		if (at_of(sample) < 0 || !text_equal(json_string(sample, "metric"), name))
			continue;
		double value = json_number(sample, "value", NAN);
		if (drawing && isfinite(value))
			chart_path_to(&chart, false, at_of(sample), value);
		else if (isfinite(value))
			chart_path_begin(&chart, at_of(sample), value);
		else if (drawing)
			chart_path_end(&chart, false, "plain");
		drawing = isfinite(value);
	}
	if (drawing)
		chart_path_end(&chart, false, "plain");
	cJSON_ArrayForEach(sample, samples)
	{
		if (at_of(sample) < 0 || !text_equal(json_string(sample, "metric"), name))
			continue;
		double value = json_number(sample, "value", NAN);
		bool bad = value < range.min || value > range.max;
		json_number_text(value, number);
		if (isfinite(value))
			chart_dot(&chart, at_of(sample), value, bad ? "bad" : "good", number);
		else
			chart_gap(&chart, at_of(sample), json_string_or(sample, "text", ""));
	}
	chart_end(&chart);
}

static void put_webhooks(struct buf *page, const cJSON *report, double end)
{
	const char *names[NAMES_MAX];
	const cJSON *hook, *hooks = json_get(report, "webhooks");
	int count = (int)names_of(hooks, "name", names);
	if (count == 0)
		return;
	struct chart chart = {.page = page, .end = end, .height = ROW * count};
	put_title(page, "Webhooks", "Green where one said yes.");
	chart_begin_rows(&chart, "calls of webhooks over time");
	put_marks(&chart, report);
	for (int i = 0; i < count; i++) {
		chart_row(&chart, i, names[i]);
		cJSON_ArrayForEach(hook, hooks)
		{
			long status = json_int(hook, "status", 0);
			char text[80];
			if (!text_equal(json_string(hook, "name"), names[i]) || at_of(hook) < 0)
				continue;
			if (status == 0)
				text_copy(text, sizeof(text), json_string_or(hook, "text", ""));
			else
				snprintf(text, sizeof(text), "answered %ld", status);
			chart_row_dot(&chart, i, at_of(hook),
				      status >= 200 && status <= 202 ? "good" : "bad", text);
		}
	}
	chart_end(&chart);
}

/* ---- the page ---- */

static void put_head(struct buf *page, const cJSON *report)
{
	const char *outcome = json_string_or(report, "outcome", "");
	const cJSON *canary = json_get(report, "canary");
	const char *name = json_string_or(canary, "metadata.name", "");
	const char *namespace = json_string_or(canary, "metadata.namespace", "");
	buf_puts(page, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		       "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
		       "<meta name=\"color-scheme\" content=\"light dark\"><title>");
	chart_text(page, name);
	buf_puts(page, ": ");
	chart_text(page, outcome);
	buf_printf(page, "</title>\n<style>\n%s%s</style></head><body>\n<h1>", chart_style, style);
	chart_text(page, namespace);
	buf_puts(page, "/");
	chart_text(page, name);
	buf_printf(page, "<span class=\"badge %s\">",
		   strcmp(outcome, "succeeded") == 0	 ? "good"
		   : strcmp(outcome, "rolled back") == 0 ? "bad"
							 : "wait");
	chart_text(page, outcome);
	buf_puts(page, "</span></h1>\n<p>A rehearsal with <code>sluice dry-run</code>: ");
	chart_text(page, outcome);
	buf_puts(page, " after ");
	chart_text(page, json_string_or(report, "took", ""));
	buf_puts(page, ", on ");
	chart_text(page, json_string_or(canary, "spec.provider", "kubernetes"));
	buf_puts(page, ", a check each ");
	chart_text(page, json_string_or(canary, "spec.analysis.interval", "interval"));
	buf_puts(page, ".</p>\n");
	if (cJSON_GetArraySize(json_get(report, "scenes")) > 0)
		buf_puts(page, "<p>Dashed violet lines: what the scenario did.</p>\n");
}

static void put_row(struct buf *page, const cJSON *item, const char *type, const char *text)
{
	buf_puts(page, "<tr><td>");
	if (at_of(item) < 0)
		buf_puts(page, "before");
	else
		chart_age(page, at_of(item));
	buf_printf(page, "<td class=\"%s\">%s<td>", type, type);
	chart_text(page, text);
	buf_puts(page, "\n");
}

static void put_alerts(struct buf *page, const cJSON *report)
{
	const cJSON *alert, *alerts = json_get(report, "alerts");
	if (cJSON_GetArraySize(alerts) == 0)
		return;
	put_title(page, "Alerts", "What would have been told, and to whom.");
	buf_puts(page, "<table><tr><th>When<th>Severity<th>What\n");
	cJSON_ArrayForEach(alert, alerts)
	{
		SCOPED(text)
		char *text = xasprintf("to %s (%s): %s", json_string_or(alert, "to", ""),
				       json_string_or(alert, "type", ""),
				       json_string_or(alert, "message", ""));
		SCOPED(text) char *body = json_text(json_get(alert, "body"));
		put_row(page, alert, json_string_or(alert, "severity", ""), text);
		buf_puts(page, "<details><summary>as it is sent</summary><code>");
		chart_text(page, body);
		buf_puts(page, "</code></details>\n");
	}
	buf_puts(page, "</table>\n");
}

/* Events and scenes in the order of time; a scene comes first, as it is the cause. */
static void put_events(struct buf *page, const cJSON *report)
{
	const cJSON *scenes = json_get(report, "scenes"), *event;
	const cJSON *scene = scenes == NULL ? NULL : scenes->child;
	put_title(page, "Events", "");
	buf_puts(page, "<table><tr><th>When<th>Type<th>What\n");
	cJSON_ArrayForEach(event, json_get(report, "events"))
	{
		for (; scene != NULL && at_of(scene) <= at_of(event); scene = scene->next)
			put_row(page, scene, "Scenario", json_string_or(scene, "text", ""));
		put_row(page, event, json_string_or(event, "type", ""),
			json_string_or(event, "message", ""));
	}
	for (; scene != NULL; scene = scene->next)
		put_row(page, scene, "Scenario", json_string_or(scene, "text", ""));
	buf_puts(page, "</table>\n");
}

char *report_html(const cJSON *report)
{
	SCOPED(buf) struct buf page = {0};
	const char *names[NAMES_MAX];
	double end = end_of(report);
	buf_init(&page, 64UL * MIB);
	put_head(&page, report);
	put_status(&page, report, end);
	size_t count = names_of(json_get(report, "samples"), "metric", names);
	for (size_t i = 0; i < count; i++)
		put_metric(&page, report, end, names[i]);
	put_webhooks(&page, report, end);
	put_alerts(&page, report);
	put_events(&page, report);
	buf_puts(&page, "</body></html>");
	return buf_take(&page);
}
