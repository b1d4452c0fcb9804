/*
 * http_connection.c - what libcurl is told of the connection of a request: protocols, time, proxies
 * and TLS.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/duration.h"
#include "base/mem.h"
#include "net/http_parts.h"

/* A peer that does not acknowledge for so long is dead; TCP alone would try for 15 minutes. */
static int set_user_timeout(void *unused, curl_socket_t fd, curlsocktype purpose)
{
	(void)unused;
	(void)purpose;
	const int timeout_ms = 10000;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
	return CURL_SOCKOPT_OK;
}

static void set_pem(CURL *easy, CURLoption option, const char *pem)
{
	struct curl_blob blob = {
		.data = (void *)(uintptr_t)pem, .len = strlen(pem), .flags = CURL_BLOB_COPY};
	curl_easy_setopt(easy, option, &blob);
}

static void set_identity(const struct net_http *http, CURL *easy)
{
	if (http->ca_file != NULL)
		curl_easy_setopt(easy, CURLOPT_CAINFO, http->ca_file);
	if (http->own_cas)
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, (long)http->ca_cache_s);
	if (http->ca_pem != NULL)
		set_pem(easy, CURLOPT_CAINFO_BLOB, http->ca_pem);
	if (http->cert_file != NULL)
		curl_easy_setopt(easy, CURLOPT_SSLCERT, http->cert_file);
	if (http->key_file != NULL)
		curl_easy_setopt(easy, CURLOPT_SSLKEY, http->key_file);
	if (http->cert_pem != NULL)
		set_pem(easy, CURLOPT_SSLCERT_BLOB, http->cert_pem);
	if (http->key_pem != NULL)
		set_pem(easy, CURLOPT_SSLKEY_BLOB, http->key_pem);
}

void http_set_connection(const struct net_http *http, CURL *easy,
			 const struct http_request *request)
{
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	/* Only TLS tells whether a connection can be shared. Waiting for one in plain HTTP would be
	 * waiting for the end of a watch. */
	curl_easy_setopt(
		easy, CURLOPT_PIPEWAIT,
		(long)text_starts(http->base != NULL ? http->base : request->url, "https:"));
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 15L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 5L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, request->no_redirect ? 0L : 1L);
	curl_easy_setopt(easy, CURLOPT_MAXREDIRS, 10L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, http->agent);
	if (request->timeout_us > 0)
		curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
				 (long)(request->timeout_us / DURATION_MS + 1));
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, set_user_timeout);
	if (request->proxy != NULL || http->proxy != NULL)
		curl_easy_setopt(easy, CURLOPT_PROXY,
				 request->proxy != NULL ? request->proxy : http->proxy);
	/* $NO_PROXY is about the proxies of the environment, not about one that was named. */
	if (request->proxy != NULL || http->proxy != NULL)
		curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
	if (http->connect_to != NULL)
		curl_easy_setopt(easy, CURLOPT_CONNECT_TO, http->connect_to);
	if (request->insecure_tls || http->insecure) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	set_identity(http, easy);
}
