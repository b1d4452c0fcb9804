/*
 * template_verb.h - one verb of a format ("%-8.3f"), and values under it.
 */
#ifndef SLUICE_METRIC_TEMPLATE_VERB_H
#define SLUICE_METRIC_TEMPLATE_VERB_H

#include "metric/template_parts.h"

struct verb {
	bool minus, plus, sharp, space, zero;
	bool sharp_v;	      /* "%#v": as in Go's source; `sharp` is not set then */
	int width, precision; /* -1: not said */
	uint32_t letter;
};

void value_put(struct template_job *job, const struct verb *verb, const struct value *value,
	       struct buf *into);

#endif
