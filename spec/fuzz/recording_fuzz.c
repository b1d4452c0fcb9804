/*
 * recording_fuzz.c - any bytes as a recording: a sentence, or samples at every time.
 */
#include <math.h>

#include "base/duration.h"
#include "fuzz.h"
#include "metric/recording.h"

static void check_sample(void *owner, uint64_t token, const struct sample *sample)
{
	size_t *answers = owner;
	(void)token;
	REQUIRE(sample->kind != SAMPLE_OK || isfinite(sample->value) || isinf(sample->value));
	++*answers;
}

static void ask_all(const struct recording *recording)
{
	static const int64_t times[] = {0, DURATION_SECOND, DURATION_HOUR, INT64_C(1) << 62};
	static const char *const names[] = {"request-success-rate", "request-duration", "a", ""};
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		int64_t start_us = 1;
		struct loop *loop = loop_new_virtual(1);
		loop_run(loop, times[i] + 1);
		struct metrics *metrics = recording_metrics(loop, recording, &start_us);
		size_t answers = 0;
		for (size_t j = 0; j < 4; j++) {
			const struct metric_query query = {.canary = "podinfo",
							   .namespace = "test",
							   .metric = names[j],
							   .provider = "prometheus",
							   .query = "up",
							   .interval_us = DURATION_MINUTE};
			metrics->ops->query(metrics, &query, check_sample, &answers, j);
		}
		loop_run(loop, 0);
		REQUIRE(answers == 4);
		metrics->ops->free(metrics);
		loop_free(loop);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct error err = {0};
	struct recording *recording = recording_parse("fuzz", (const char *)bytes, len, &err);
	if (recording == NULL) {
		REQUIRE_SENTENCE(err);
		return 0;
	}
	ask_all(recording);
	recording_free(recording);
	return 0;
}
