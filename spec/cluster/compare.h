/*
 * compare.h - a release of ours beside the transcript of Flagger's: statuses, events, hook calls,
 * and what each object went through.
 *
 * Where ours is better, the very difference is expected: spec/golden/differences. One that is gone
 * is as wrong as one more.
 */
#ifndef SLUICE_SPEC_CLUSTER_COMPARE_H
#define SLUICE_SPEC_CLUSTER_COMPARE_H

#include "stage.h"

/* A version of the story's canary. */
void compare_add_status(struct story *story, const cJSON *canary);
/* A version of an object of the story; or it is gone. */
void compare_add(struct story *story, const cJSON *object, bool is_gone);

/* Says in the story's complaint what is wrong. `there`: the cluster's Events. */
void compare_story(const struct stage_options *options, struct story *story, const cJSON *there);

#endif
