/*
 * pauses.h - metric stores that asked for time (429 with Retry-After), so that they have it.
 *
 * A pause is of a provider, an address and its credentials: another customer of the same store is
 * another matter. At most five minutes, as releases wait for it; and at most 32 stores: beyond them
 * one is asked too early, and says so again.
 */
#ifndef SLUICE_SCRIPT_PAUSES_H
#define SLUICE_SCRIPT_PAUSES_H

#include "ports.h"

enum { PAUSES_MAX = 32 };

struct pauses {
	struct pause {
		char *key; /* NULL: free */
		int64_t until_us;
	} items[PAUSES_MAX];
};

/* Of whom a query asks; holds secrets: secret_free. */
char *pauses_key(const struct metric_query *query);
void pauses_add(struct pauses *pauses, const char *key, int64_t length_us, int64_t now_us);
/* How long whom this is of is not to be asked yet; 0: it is. */
int64_t pauses_left_us(struct pauses *pauses, const char *key, int64_t now_us);
void pauses_fini(struct pauses *pauses);

#endif
