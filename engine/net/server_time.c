#include "net/server_time.h"

#include <stdlib.h>

#include "base/duration.h"

enum { AGE_MAX_S = 366 * 24 * 3600 };

static const char *header(CURL *easy, const char *name)
{
	struct curl_header *header;
	if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return NULL;
	return header->value;
}

int64_t server_time_us(CURL *easy)
{
	const char *date = header(easy, "Date"), *age = header(easy, "Age");
	time_t at = date == NULL ? -1 : curl_getdate(date, NULL);
	if (at <= 0)
		return 0;
	long long old = age == NULL ? 0 : strtoll(age, NULL, 10);
	if (old < 0 || old > AGE_MAX_S)
		old = 0;
	return ((int64_t)at + old) * DURATION_SECOND;
}
