#include "rehearsal/report.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"

enum { WIDTH = 860, HEIGHT = 160, LEFT = 60, BOTTOM = 24, METRICS_MAX = 20 };

static const char head[] =
	"<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">"
	"<meta name=\"viewport\" content=\"width=device-width\">"
	"<title>Rehearsal: %s</title>\n<style>\n"
	"body{font:15px/1.5 system-ui,sans-serif;max-width:940px;margin:2em auto;padding:0 1em;"
	"color:#1b1f24;background:#fff}\n"
	"h1{font-size:1.5em}h2{font-size:1.1em;margin:1.5em 0 .3em}\n"
	"svg{width:100%%;height:auto;display:block}\n"
	"table{border-collapse:collapse;width:100%%}td,th{text-align:left;padding:.2em .8em .2em 0;"
	"border-bottom:1px solid #d0d7de;vertical-align:top}\n"
	"td:first-child{white-space:nowrap}.Warning{color:#b35900}.good{color:#1a7f37}"
	".bad{color:#c0352b}\n"
	"@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}"
	"td,th{border-color:#30363d}.Warning{color:#e0913a}.good{color:#4ac26b}"
	".bad{color:#ff7b72}}\n</style>\n";

static void put_escaped(struct buf *page, const char *text)
{
	for (; *text != '\0'; text++) {
		const char *entity = *text == '<'   ? "&lt;"
				     : *text == '>' ? "&gt;"
				     : *text == '&' ? "&amp;"
				     : *text == '"' ? "&quot;"
						    : NULL;
		if (entity != NULL)
			buf_puts(page, entity);
		else
			buf_add(page, text, 1);
	}
}

static void put_age(struct buf *page, double seconds)
{
	long s = (long)seconds;
	if (seconds < 0)
		buf_puts(page, "before");
	else if (s >= 3600)
		buf_printf(page, "%ldh%02ldm", s / 3600, s / 60 % 60);
	else
		buf_printf(page, "%ldm%02lds", s / 60, s % 60);
}

/* One point each for what has a number at a time since the release. */
struct points {
	const cJSON *list;
	const char *field, *filter, *filter_value; /* filter: NULL is all */
	bool steps;				   /* the value stays until the next */
};

static bool point(const struct points *points, const cJSON *item, double *at, double *value)
{
	const cJSON *number = json_get(item, points->field);
	*at = json_number(item, "at", -1);
	if (!cJSON_IsNumber(number) || *at < 0)
		return false;
	*value = number->valuedouble;
	return points->filter == NULL ||
	       text_equal(json_string(item, points->filter), points->filter_value);
}

static void put_chart(struct buf *page, const struct points *points, double end, double top,
		      const char *color, const char *label)
{
	const cJSON *item;
	double at, value, low = 0, high = top, last = 0;
	bool first = true;
	cJSON_ArrayForEach(item, points->list)
	{
		if (!point(points, item, &at, &value))
			continue;
		if (value > high)
			high = value;
		if (value < low)
			low = value;
	}
	if (high <= low)
		high = low + 1;
	double plot_width = WIDTH - LEFT - 10, plot_height = HEIGHT - BOTTOM - 10;
	buf_printf(page, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH, HEIGHT);
	put_escaped(page, label);
	buf_printf(page, "\" fill=\"none\" stroke-width=\"2\">\n");
	for (int i = 0; i <= 4; i++) {
		double y = 10 + plot_height * i / 4;
		buf_printf(page,
			   "<path d=\"M%d %.1fH%d\" stroke=\"#8884\" stroke-width=\"1\"/>"
			   "<text x=\"%d\" y=\"%.1f\" font-size=\"11\" text-anchor=\"end\" "
			   "fill=\"currentColor\">%.4g</text>\n",
			   LEFT, y, WIDTH - 10, LEFT - 6, y + 4, high - (high - low) * i / 4);
		double x = LEFT + plot_width * i / 4;
		buf_printf(page,
			   "<text x=\"%.1f\" y=\"%d\" font-size=\"11\" text-anchor=\"middle\" "
			   "fill=\"currentColor\">",
			   i == 4 ? x - 14 : x, HEIGHT - 6);
		put_age(page, end * i / 4);
		buf_puts(page, "</text>\n");
	}
	buf_puts(page, "<path d=\"");
	cJSON_ArrayForEach(item, points->list)
	{
		if (!point(points, item, &at, &value))
			continue;
		double x = LEFT + plot_width * at / end;
		double y = 10 + plot_height * (high - value) / (high - low);
		if (!first && points->steps)
			buf_printf(page, "L%.1f %.1f", x, last);
		buf_printf(page, "%c%.1f %.1f", first ? 'M' : 'L', x, y);
		first = false;
		last = y;
	}
	if (!first && points->steps)
		buf_printf(page, "H%.1f", (double)(WIDTH - 10));
	buf_printf(page, "\" stroke=\"%s\"/>\n</svg>\n", color);
}

/* The names of the metrics in the order in which they were first asked. */
static size_t metric_names(const cJSON *samples, const char *names[METRICS_MAX])
{
	size_t count = 0;
	const cJSON *item;
	cJSON_ArrayForEach(item, samples)
	{
		const char *name = json_string_or(item, "metric", "");
		bool known = json_number(item, "at", -1) < 0;
		for (size_t i = 0; i < count; i++)
			known |= strcmp(names[i], name) == 0;
		if (!known && count < METRICS_MAX)
			names[count++] = name;
	}
	return count;
}

static double end_of(const cJSON *report)
{
	static const char *const lists[] = {"events", "statuses", "samples", "webhooks"};
	double end = 1;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		const cJSON *item;
		cJSON_ArrayForEach(item, json_get(report, lists[i]))
		{
			double at = json_number(item, "at", 0);
			if (at > end)
				end = at;
		}
	}
	return end;
}

char *report_html(const cJSON *report)
{
	SCOPED(buf) struct buf page = {0};
	const char *outcome = json_string_or(report, "outcome", "");
	const char *names[METRICS_MAX];
	const cJSON *statuses = json_get(report, "statuses"),
		    *samples = json_get(report, "samples");
	const cJSON *event;
	double end = end_of(report);
	buf_init(&page, 16UL * MIB);
	buf_printf(&page, head, outcome);
	buf_printf(&page, "<h1 class=\"%s\">%s after %s</h1>\n",
		   strcmp(outcome, "succeeded") == 0 ? "good" : "bad", outcome,
		   json_string_or(report, "took", ""));
	buf_puts(&page, "<h2>Traffic to the canary, percent</h2>\n");
	const struct points weights = {statuses, "weight", NULL, NULL, true};
	put_chart(&page, &weights, end, 100, "#2f81f7", "weight of the canary over time");
	buf_puts(&page, "<h2>Failed checks</h2>\n");
	const struct points failed = {statuses, "failedChecks", NULL, NULL, true};
	put_chart(&page, &failed, end, 4, "#d1242f", "failed checks over time");
	size_t count = metric_names(samples, names);
	for (size_t i = 0; i < count; i++) {
		const struct points metric = {samples, "value", "metric", names[i], false};
		buf_puts(&page, "<h2>");
		put_escaped(&page, names[i]);
		buf_puts(&page, "</h2>\n");
		put_chart(&page, &metric, end, 1, "#8250df", names[i]);
	}
	buf_puts(&page, "<h2>Events</h2>\n<table><tr><th>When<th>Type<th>What\n");
	cJSON_ArrayForEach(event, json_get(report, "events"))
	{
		buf_puts(&page, "<tr><td>");
		put_age(&page, json_number(event, "at", -1));
		buf_printf(&page, "<td class=\"%s\">%s<td>", json_string_or(event, "type", ""),
			   json_string_or(event, "type", ""));
		put_escaped(&page, json_string_or(event, "message", ""));
		buf_puts(&page, "\n");
	}
	buf_puts(&page, "</table>\n</html>");
	return buf_take(&page);
}
