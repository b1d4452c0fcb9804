/*
 * duration_fuzz.c - any text as a duration and as a time: what is read is written and read again as
 * the same; the rest is refused with a sentence.
 */

#include "base/duration.h"
#include "base/mem.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	SCOPED(text) char *text = xstrndup((const char *)bytes, len);
	struct error err = {0};
	int64_t us = 0, again = 0;
	if (duration_parse(text, &us, &err)) {
		char written[DURATION_TEXT_MAX];
		duration_text(us, written);
		REQUIRE(duration_parse(written, &again, &err) && again == us);
	} else {
		REQUIRE_SENTENCE(err);
	}
	err = (struct error){0};
	if (time_parse(text, &us, &err)) {
		char written[TIME_TEXT_MAX];
		time_text_micro(us, written);
		REQUIRE(time_parse(written, &again, &err) && again == us);
		time_text(us, written);
		REQUIRE(time_parse(written, &again, &err) && again <= us &&
			us - again < DURATION_SECOND);
	} else {
		REQUIRE_SENTENCE(err);
	}
	return 0;
}
