/*
 * http.h - the http port over one libcurl multi handle, driven by the loop.
 *
 * http and https only; HTTP/2 where the server speaks it over TLS. A message never shows user
 * names, passwords or queries of a URL. Source:
 * https://curl.se/libcurl/c/curl_multi_socket_action.html
 */
#ifndef SLUICE_NET_HTTP_H
#define SLUICE_NET_HTTP_H

#include "loop/loop.h"
#include "ports.h"

struct net_http_options {
	const char *ca_file;		  /* instead of the system's; or NULL */
	const char *cert_file, *key_file; /* of a client; or NULL */
	const char *base;		  /* put before every URL; or NULL */
};

/* A real loop only. The options are copied. Freed by ops->free, which cancels what is under way. */
struct http *net_http_new(struct loop *loop, const struct net_http_options *options);

#endif
