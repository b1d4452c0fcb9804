/*
 * complaint.h - what is wrong with a Canary, said on the object: the condition "Valid" and an
 * event.
 *
 * The one writing of a status beside a tick's commit: a Canary that cannot be read has no ticks.
 */
#ifndef SLUICE_CANARY_COMPLAINT_H
#define SLUICE_CANARY_COMPLAINT_H

#include <cjson/cJSON.h>

#include "kube/client.h"

/* Says it, unless the object says the same already. `component` is the events' source. */
void complaint_make(struct kube *kube, const cJSON *canary, const char *text,
		    const char *component);
/* Takes it back. True when there was something to take back: the canary will come again by its
 * watch. */
bool complaint_take_back(struct kube *kube, const cJSON *canary);

#endif
