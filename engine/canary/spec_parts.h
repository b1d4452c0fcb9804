/*
 * spec_parts.h - the parts that canary_spec_new is made of, in the order in which they run.
 *
 * Each fills in its fields from `spec->object`, whose shape has been told already: what is not of
 * the right kind reads as not there. A part changes the copy only where the reference changes the
 * object in memory, or where an annotation stands for a field.
 */
#ifndef SLUICE_CANARY_SPEC_PARTS_H
#define SLUICE_CANARY_SPEC_PARTS_H

#include "canary/problems.h"
#include "canary/spec.h"

/* Annotations become the fields they stand for. */
void spec_fold_annotations(cJSON *object, struct spec_problems *problems);
void spec_read_policy(struct canary_spec *spec, struct spec_problems *problems);
void spec_read_service(struct canary_spec *spec, struct spec_problems *problems);
/* After the target: a Knative Service and the provider knative need each other. */
void spec_check_knative(struct canary_spec *spec, struct spec_problems *problems);
/* After the policy. */
void spec_read_analysis(struct canary_spec *spec, const struct spec_options *options,
			struct spec_problems *problems);
void spec_read_metrics(struct canary_spec *spec, const struct spec_options *options,
		       struct spec_problems *problems);
void spec_read_webhooks(struct canary_spec *spec, struct spec_problems *problems);
/* What is right field by field, but not together. */
void spec_check_together(struct canary_spec *spec, const struct spec_options *options,
			 struct spec_problems *problems);

#endif
