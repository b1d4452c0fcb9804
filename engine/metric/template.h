/*
 * template.h - names in double braces, as queries of MetricTemplates have them.
 *
 * `{{ namespace }}` and `{{ variables.name }}`, also with trim marks ("{{-", "-}}"). What else Go's
 * text/template can do (https://pkg.go.dev/text/template) is refused with a sentence, never sent as
 * it is.
 */
#ifndef SLUICE_METRIC_TEMPLATE_H
#define SLUICE_METRIC_TEMPLATE_H

#include <cjson/cJSON.h>

#include "base/buf.h"

/* `values`: an object of strings, and of objects of strings ("variables"). Errors say what and
 * where in the text: "template: query:1:14: …". */
bool template_render(const char *text, const cJSON *values, struct buf *into,
		     struct error *err) MUST_CHECK;

#endif
