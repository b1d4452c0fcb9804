/*
 * chart.h - a drawing over time, as inline SVG: lines, steps, rows of dots, limits, on one time
 * axis.
 *
 * Colours are classes that the style sheet of the page defines (chart_style), for light and dark.
 */
#ifndef SLUICE_REHEARSAL_CHART_H
#define SLUICE_REHEARSAL_CHART_H

#include <stdbool.h>

#include "base/buf.h"

struct chart {
	struct buf *page; /* borrowed; where it is drawn */
	double end;	  /* of the time axis, in seconds; it begins at 0 */
	double low, high; /* of the value axis; chart_begin widens them to round numbers */
	int height;	  /* of the plot, without its axis */
	double step;	  /* private, as are the next: between the lines of the value axis */
	struct buf path;
	double from;
};

extern const char chart_style[];

/* Text between tags or in an attribute. */
void chart_text(struct buf *page, const char *text);
void chart_age(struct buf *page, double seconds); /* "45s", "1m30s", "2h" */

/* With a value axis; `label` is for those who cannot see it. */
void chart_begin(struct chart *chart, const char *label);
/* Without one: rows of a strip, each with its name. */
void chart_begin_rows(struct chart *chart, const char *label);
void chart_end(struct chart *chart);

/* A vertical line through it all, with its text as a tool tip. */
void chart_mark(struct chart *chart, double at, const char *text);
/* A horizontal line, and the side of it that is bad. */
void chart_limit(struct chart *chart, double value, bool above_is_bad);
/* `class` is "canary", "good", "bad" or "plain". */
void chart_dot(struct chart *chart, double at, double value, const char *class, const char *text);
/* A cross at the foot: there was no value. */
void chart_gap(struct chart *chart, double at, const char *text);
/* A path, point by point; `stays`: each value until the next point, with the area below it. */
void chart_path_begin(struct chart *chart, double at, double value);
void chart_path_to(struct chart *chart, bool stays, double at, double value);
void chart_path_end(struct chart *chart, bool stays, const char *class);

/* For a strip: the name of a row, a dot in it, a band in it. */
void chart_row(struct chart *chart, int row, const char *name);
void chart_row_dot(struct chart *chart, int row, double at, const char *class, const char *text);
void chart_band(struct chart *chart, int row, double from, double to, const char *class,
		const char *text);

#endif
