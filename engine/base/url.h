/*
 * url.h - what of an URL may be told: users, passwords and queries are often secrets.
 */
#ifndef SLUICE_BASE_URL_H
#define SLUICE_BASE_URL_H

#include <stdbool.h>

/* Scheme, host and path, for messages; of a `secret` URL without the path. The caller frees. */
char *url_place(const char *url, bool secret);

#endif
