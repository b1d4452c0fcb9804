/*
 * follow.h - a release of one canary, told to its end: what --wait of other verbs does.
 */
#ifndef SLUICE_CLI_FOLLOW_H
#define SLUICE_CLI_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "kube/config.h"

struct follow_wish {
	const char *namespace, *name;
	int64_t timeout_us; /* 0: as long as it takes */
	int64_t since_us; /* events from then on are told, though they are there already; 0: now */
	bool began;	  /* the release is under way, so an end that is there already is its end */
	const char *command; /* digest of a command: it ends when that is refused; or NULL */
};
/* The exit status: promoted, rolled back, refused (bad input) or not over in time. */
int follow_to_end(const struct kube_config *config, const struct follow_wish *wish);

#endif
