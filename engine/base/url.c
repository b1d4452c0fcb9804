#include "base/url.h"

#include <string.h>

#include "base/mem.h"

char *url_place(const char *url, bool secret)
{
	const char *host = strstr(url, "://");
	host = host == NULL ? url : host + 3;
	size_t authority = strcspn(host, "/?#");
	const char *at = memchr(host, '@', authority);
	const char *shown = at == NULL ? host : at + 1;
	return xasprintf("%.*s%.*s", (int)(host - url), url,
			 (int)strcspn(shown, secret ? "/?#" : "?#"), shown);
}
