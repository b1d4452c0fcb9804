/*
 * template.h - queries of MetricTemplates, in the language of Go's text/template.
 *
 * The whole of it but imaginary numbers and addresses (%p of a map): pipelines,
 * blocks, its functions and its messages. Names of the subject are functions: `{{ namespace }}`,
 * `{{ variables.name }}`. "." is nil, a missing key is an error. Source:
 * https://pkg.go.dev/text/template; specs compare with what Go itself made of the same texts.
 */
#ifndef SLUICE_METRIC_TEMPLATE_H
#define SLUICE_METRIC_TEMPLATE_H

#include <cjson/cJSON.h>

#include "base/buf.h"

/* `values`: an object of strings, and of objects of strings ("variables"). Errors are those of the
 * reference, with the place in the text: "template parsing failed: template: tmpl:1: …",
 * "template excution failed: template: tmpl:1:3: executing \"tmpl\" at <…>: …". */
bool template_render(const char *text, const cJSON *values, struct buf *into,
		     struct error *err) MUST_CHECK;

#endif
