/*
 * why_live.h - what the status of a live canary says of its last decisions: verdict, weight and the
 * sentence with the number and the limit.
 */
#ifndef SLUICE_CLI_WHY_LIVE_H
#define SLUICE_CLI_WHY_LIVE_H

#include "base/error.h"
#include "kube/config.h"

/* Prints it. `canary`: NAME or NAMESPACE/NAME; `*owned_key` becomes NAMESPACE/NAME, with which it
 * stands in decision logs. */
bool why_live(const char *canary, const struct kube_config_options *kube, const char *namespace,
	      char **owned_key, struct error *err) MUST_CHECK;

#endif
