/*
 * prometheus_fuzz.c - any bytes as the answer of a Prometheus: a number, or why there is none.
 */
#include <math.h>

#include "base/mem.h"
#include "fuzz.h"
#include "metric/prometheus.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const int statuses[] = {200, 400, 404, 422, 503, 0};
	SCOPED(text) char *body = xmalloc(len + 1);
	memcpy(body, bytes, len);
	body[len] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		struct sample sample = {.kind = SAMPLE_OK};
		prometheus_read(statuses[i], body, len, &sample);
		REQUIRE(statuses[i] == 200 || sample.kind == SAMPLE_ERROR);
		REQUIRE(sample.kind == SAMPLE_OK ? !isnan(sample.value) : sample.text[0] != '\0');
		if (sample.kind != SAMPLE_OK)
			require_utf8(sample.text, strlen(sample.text));
	}
	return 0;
}
