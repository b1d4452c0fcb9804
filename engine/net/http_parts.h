/*
 * http_parts.h - what the files of the http port share.
 */
#ifndef SLUICE_NET_HTTP_PARTS_H
#define SLUICE_NET_HTTP_PARTS_H

#include <curl/curl.h>

#include "net/http.h"

struct net_http {
	struct http http; /* first */
	struct loop *loop;
	struct pool *pools; /* the first is for new requests */
	char *ca_file, *cert_file, *key_file, *base, *proxy, *agent;
	char *ca_pem, *cert_pem, *key_pem;
	struct curl_slist *connect_to;
	int ca_cache_s;
	bool insecure, ending;
	bool own_cas;		    /* whom the system trusts does not count */
	struct transfer *transfers; /* the newest first */
	size_t most, under_way;
	uint64_t ids;
};

/* How the peer of a request is reached, and how each knows who the other is. */
void http_set_connection(const struct net_http *http, CURL *easy,
			 const struct http_request *request);

#endif
