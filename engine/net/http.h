/*
 * http.h - the http port over handles of libcurl, driven by the loop.
 *
 * http and https only; HTTP/2 where the server speaks it over TLS. Once a request got no answer in
 * time, later ones do not use its connection: it may be dead. A message never shows user names,
 * passwords or queries of a URL. Source: https://curl.se/libcurl/c/curl_multi_socket_action.html
 */
#ifndef SLUICE_NET_HTTP_H
#define SLUICE_NET_HTTP_H

#include "loop/loop.h"
#include "ports.h"

struct net_http_options {
	const char *base; /* put before every URL; or NULL */
	/* Instead of the system's, which $SSL_CERT_FILE names if it is set; or NULL. */
	const char *ca_file, *ca_pem;
	const char *cert_file, *key_file; /* of a client; or NULL */
	const char *cert_pem, *key_pem;	  /* the same as text; or NULL */
	const char *proxy; /* "http://…", "socks5://…"; NULL: as the environment says */
	/* The base is reached at this "host:port" instead, while TLS and the Host header keep to
	 * the base; or NULL. */
	const char *connect_to;
	const char
		*agent; /* which of our programs this is, beside the name in User-Agent; or NULL */
	bool insecure;	/* do not verify the peer's certificate */
	int ca_cache_s; /* a CA file that was replaced is noticed after this; 0: a minute */
	/* So many requests at a time, the others wait in line; 0: no bound. For small answers. */
	size_t most;
};

/* A real loop only. The options are copied. Freed by ops->free, which cancels what is under way. */
struct http *net_http_new(struct loop *loop, const struct net_http_options *options);

/* Another client certificate for requests from now on; PEM texts, copied. */
void net_http_identity(struct http *port, const char *cert_pem, const char *key_pem);

#endif
