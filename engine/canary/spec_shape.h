/*
 * spec_shape.h - what the fields of a Canary are: the same that the schema in tools/deploy says.
 */
#ifndef SLUICE_CANARY_SPEC_SHAPE_H
#define SLUICE_CANARY_SPEC_SHAPE_H

#include "canary/shape.h"

extern const struct shape canary_shape;
extern const struct shape metric_shape; /* one of spec.analysis.metrics */
extern const struct shape match_shape;	/* one of spec.analysis.match */

#endif
