/*
 * template.h - the text/template language of Go, as far as queries of MetricTemplates use it.
 *
 * Actions with trim marks, comments, variables (:= and =), pipelines, parentheses, literals,
 * if/else if/else, with, range over maps, and the functions printf, print, println, index, len, eq,
 * ne, lt, le, gt, ge, and, or, not, urlquery, js, html beside those a caller gives. A missing key
 * of a map is an error, as with Go's option missingkey=error. Source:
 * https://pkg.go.dev/text/template
 */
#ifndef SLUICE_METRIC_TEMPLATE_H
#define SLUICE_METRIC_TEMPLATE_H

#include <cjson/cJSON.h>

#include "base/buf.h"

/* `values`: an object; each member is a function without arguments: a string ("namespace") or a map
 * ("variables"). Errors say what and where in the text: "template: query:1:14: …". */
bool template_render(const char *text, const cJSON *values, struct buf *into,
		     struct error *err) MUST_CHECK;

#endif
