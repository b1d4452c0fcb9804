/*
 * server_time.h - what the clock of whoever answered showed, as its headers say.
 *
 * Sources: RFC 9110, section 6.6.1 (Date); RFC 9111, section 5.1 (Age, of a cache on the way).
 */
#ifndef SLUICE_NET_SERVER_TIME_H
#define SLUICE_NET_SERVER_TIME_H

#include <curl/curl.h>
#include <stdint.h>

/* When the answer came, by that clock, since the epoch: to the second. 0: it does not say. */
int64_t server_time_us(CURL *easy);

#endif
