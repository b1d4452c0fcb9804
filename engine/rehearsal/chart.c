#include "rehearsal/chart.h"

#include <math.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

/* In units of the drawing, which is scaled to the width of the page. */
enum { WIDTH = 900, LEFT = 112, RIGHT = 12, TOP = 8, AXIS = 22, ROW = 22 };

/* Colours of https://primer.style/foundations/color, which have enough contrast on both grounds. */
const char chart_style[] =
	":root{--ground:#fff;--ink:#1f2328;--faint:#59636e;--line:#d1d9e0;--blue:#0969da;"
	"--green:#1a7f37;--red:#cf222e;--yellow:#9a6700;--violet:#8250df;--soft:#f6f8fa}\n"
	"@media(prefers-color-scheme:dark){:root{--ground:#0d1117;--ink:#f0f6fc;--faint:#9198a1;"
	"--line:#3d444d;--blue:#4493f8;--green:#3fb950;--red:#f85149;--yellow:#d29922;"
	"--violet:#ab7df8;--soft:#151b23}}\n"
	"svg{display:block;width:100%;height:auto;overflow:visible}\n"
	"svg text{font-size:12px;fill:var(--faint)}\n"
	".grid{stroke:var(--line);stroke-width:1;opacity:.7}\n"
	".mark{stroke:var(--violet);stroke-width:1.5;stroke-dasharray:3 3}\n"
	".limit{stroke:var(--red);stroke-width:1.5;stroke-dasharray:6 4}\n"
	".beyond{fill:var(--red);opacity:.08}\n"
	".line{fill:none;stroke-width:2;stroke-linejoin:round}\n"
	".area{opacity:.14;stroke:none}\n"
	".s-canary{stroke:var(--blue)}.s-bad{stroke:var(--red)}.s-plain{stroke:var(--faint)}\n"
	".f-canary{fill:var(--blue)}.f-good{fill:var(--green)}.f-bad{fill:var(--red)}"
	".f-plain{fill:var(--faint)}.f-wait{fill:var(--yellow)}\n"
	".gap{stroke:var(--yellow);stroke-width:2}\n"
	"svg .in-band{fill:var(--ground);font-weight:600}\n";

void chart_text(struct buf *page, const char *text)
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
			buf_putc(page, *text);
	}
}

void chart_age(struct buf *page, double seconds)
{
	long s = (long)seconds;
	if (s >= 3600)
		buf_printf(page, "%ldh", s / 3600);
	if (s >= 60 && s / 60 % 60 > 0)
		buf_printf(page, "%ldm", s / 60 % 60);
	if (s < 60 || (s < 3600 && s % 60 > 0))
		buf_printf(page, "%lds", s % 60);
}

/* ---- the axes ---- */

static double x_of(const struct chart *chart, double at)
{
	double share = at < 0 ? 0 : at > chart->end ? 1 : at / chart->end;
	return LEFT + (WIDTH - LEFT - RIGHT) * share;
}

static double y_of(const struct chart *chart, double value)
{
	double share = (chart->high - value) / (chart->high - chart->low);
	share = share < 0 ? 0 : share > 1 ? 1 : share;
	return TOP + chart->height * share;
}

/* 1, 2 or 5 times a power of ten: at most five parts. */
static double round_step(double span)
{
	static const double steps[] = {1, 2, 5};
	double power = pow(10, floor(log10(span / 5)));
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (span / (steps[i] * power) <= 5)
			return steps[i] * power;
	return 10 * power;
}

static double time_step(double end)
{
	static const double steps[] = {1,   2,	 5,    10,   15,   30,	  60,	 120,  300,
				       600, 900, 1800, 3600, 7200, 14400, 21600, 43200};
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (end / steps[i] <= 9)
			return steps[i];
	return 86400;
}

static void put_time_axis(struct chart *chart)
{
	double step = time_step(chart->end);
	int foot = TOP + chart->height;
	int count = (int)(chart->end / step);
	for (int i = 0; i <= count; i++) {
		double at = i * step;
		buf_printf(chart->page,
			   "<path class=\"grid\" d=\"M%.1f %dV%d\"/>"
			   "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">",
			   x_of(chart, at), TOP, foot, x_of(chart, at), foot + 16);
		chart_age(chart->page, at);
		buf_puts(chart->page, "</text>\n");
	}
}

static void put_head(const struct chart *chart, const char *label)
{
	buf_printf(chart->page, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH,
		   TOP + chart->height + AXIS);
	chart_text(chart->page, label);
	buf_puts(chart->page, "\">\n");
}

void chart_begin(struct chart *chart, const char *label)
{
	if (!(chart->high > chart->low))
		chart->high = chart->low + 1;
	chart->step = round_step(chart->high - chart->low);
	chart->low = floor(chart->low / chart->step) * chart->step;
	chart->high = ceil(chart->high / chart->step) * chart->step;
	put_head(chart, label);
	put_time_axis(chart);
	int lines = (int)lround((chart->high - chart->low) / chart->step);
	for (int i = 0; i <= lines; i++) {
		double value = chart->low + i * chart->step, y = y_of(chart, value);
		buf_printf(chart->page,
			   "<path class=\"grid\" d=\"M%d %.1fH%d\"/>"
			   "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.6g</text>\n",
			   LEFT, y, WIDTH - RIGHT, LEFT - 8, y + 4,
			   fabs(value) < chart->step / 1e6 ? 0 : value);
	}
}

void chart_begin_rows(struct chart *chart, const char *label)
{
	put_head(chart, label);
	put_time_axis(chart);
}

void chart_end(struct chart *chart)
{
	buf_puts(chart->page, "</svg>\n");
}

/* ---- what is drawn ---- */

static void put_title(struct chart *chart, double at, const char *text)
{
	buf_puts(chart->page, "<title>");
	chart_age(chart->page, at);
	buf_puts(chart->page, " ");
	chart_text(chart->page, text);
	buf_puts(chart->page, "</title>");
}

void chart_mark(struct chart *chart, double at, const char *text)
{
	buf_printf(chart->page, "<path class=\"mark\" d=\"M%.1f %dV%d\">", x_of(chart, at), TOP,
		   TOP + chart->height);
	put_title(chart, at, text);
	buf_puts(chart->page, "</path>\n");
}

void chart_limit(struct chart *chart, double value, bool above_is_bad)
{
	double y = y_of(chart, value), foot = TOP + chart->height;
	double from = above_is_bad ? TOP : y, to = above_is_bad ? y : foot;
	buf_printf(chart->page,
		   "<rect class=\"beyond\" x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%.1f\"/>"
		   "<path class=\"limit\" d=\"M%d %.1fH%d\"><title>%s %.6g</title></path>\n",
		   LEFT, from, WIDTH - LEFT - RIGHT, to - from, LEFT, y, WIDTH - RIGHT,
		   above_is_bad ? "at most" : "at least", value);
}

static void put_dot(struct chart *chart, double at, double y, const char *class, const char *text)
{
	buf_printf(chart->page, "<circle class=\"f-%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\">", class,
		   x_of(chart, at), y);
	put_title(chart, at, text);
	buf_puts(chart->page, "</circle>\n");
}

void chart_dot(struct chart *chart, double at, double value, const char *class, const char *text)
{
	put_dot(chart, at, y_of(chart, value), class, text);
}

void chart_gap(struct chart *chart, double at, const char *text)
{
	double x = x_of(chart, at), y = TOP + chart->height - 6;
	buf_printf(chart->page, "<path class=\"gap\" d=\"M%.1f %.1fl8 8m0-8l-8 8\">", x - 4, y - 4);
	put_title(chart, at, text);
	buf_puts(chart->page, "</path>\n");
}

void chart_path_begin(struct chart *chart, double at, double value)
{
	buf_init(&chart->path, (size_t)MIB);
	chart->from = x_of(chart, at);
	buf_printf(&chart->path, "M%.1f %.1f", chart->from, y_of(chart, value));
}

void chart_path_to(struct chart *chart, bool stays, double at, double value)
{
	if (stays)
		buf_printf(&chart->path, "H%.1fV%.1f", x_of(chart, at), y_of(chart, value));
	else
		buf_printf(&chart->path, "L%.1f %.1f", x_of(chart, at), y_of(chart, value));
}

void chart_path_end(struct chart *chart, bool stays, const char *class)
{
	if (stays) {
		buf_printf(&chart->path, "H%d", WIDTH - RIGHT);
		buf_printf(chart->page, "<path class=\"area f-%s\" d=\"%sV%dH%.1fZ\"/>", class,
			   chart->path.text, TOP + chart->height, chart->from);
	}
	buf_printf(chart->page, "<path class=\"line s-%s\" d=\"%s\"/>\n", class, chart->path.text);
	buf_fini(&chart->path);
}

/* ---- strips ---- */

static double row_y(int row)
{
	return TOP + ROW * row + ROW / 2.0;
}

void chart_row(struct chart *chart, int row, const char *name)
{
	char text[16];
	bool whole = text_copy(text, sizeof(text), name);
	buf_printf(chart->page, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", LEFT - 8,
		   row_y(row) + 4);
	chart_text(chart->page, text);
	buf_puts(chart->page, whole ? "" : "…");
	buf_puts(chart->page, "<title>");
	chart_text(chart->page, name);
	buf_puts(chart->page, "</title></text>\n");
}

void chart_row_dot(struct chart *chart, int row, double at, const char *class, const char *text)
{
	put_dot(chart, at, row_y(row), class, text);
}

void chart_band(struct chart *chart, int row, double from, double to, const char *class,
		const char *text)
{
	double x = x_of(chart, from), width = x_of(chart, to) - x;
	buf_printf(chart->page,
		   "<rect class=\"f-%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" "
		   "rx=\"3\">",
		   class, x, row_y(row) - ROW / 2.0 + 2, width > 3 ? width - 1 : 2, ROW - 4);
	put_title(chart, from, text);
	buf_puts(chart->page, "</rect>");
	if (width > 7.5 * (double)strlen(text) + 12) {
		buf_printf(chart->page, "<text class=\"in-band\" x=\"%.1f\" y=\"%.1f\">", x + 7,
			   row_y(row) + 4);
		chart_text(chart->page, text);
		buf_puts(chart->page, "</text>");
	}
	buf_puts(chart->page, "\n");
}
