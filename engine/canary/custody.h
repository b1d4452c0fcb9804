/*
 * custody.h - whose a canary is: ours by its class, and nobody else's by what its status shows.
 *
 * The annotation "sluice.dev/class" gives a canary to the engine that runs with that --class; one
 * without it is for engines without. A class that no engine has, "flagger" say, leaves it alone: so
 * canaries move one at a time.
 */
#ifndef SLUICE_CANARY_CUSTODY_H
#define SLUICE_CANARY_CUSTODY_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "base/duration.h"

#define CUSTODY_ANNOTATION "sluice.dev/class"

/* `class` NULL or "": none. */
bool custody_is_ours(const cJSON *canary, const char *class);

enum { CUSTODY_MANAGER_MAX = 64 };
struct custody_writer {
	char manager[CUSTODY_MANAGER_MAX]; /* "": nobody */
	char time[TIME_TEXT_MAX];	   /* RFC 3339, so texts compare as times do */
};
/* Who else wrote the status last, as the API server tells in managedFields. */
void custody_other_writer(const cJSON *canary, struct custody_writer *writer);

/* What is known of another hand on a canary. */
struct custody {
	struct custody_writer other;
	int64_t seen_us; /* when it was seen to write; 0: not in our time */
};
/* `first`: the canary was not known before, and whoever wrote until then is no matter: that is how
 * canaries are taken over. True when somebody else wrote since. */
bool custody_look(struct custody *custody, const cJSON *canary, bool first, int64_t now_us);
/* Until when it is left to the other one; 0: it is not. */
int64_t custody_left_until(const struct custody *custody, int64_t interval_us, int64_t now_us);

#endif
