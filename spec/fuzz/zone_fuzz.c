/*
 * zone_fuzz.c - any bytes as a TZif file, at a time that they begin with: an offset that a clock
 * can have, the same when asked again, or a sentence.
 */

#include "base/zone.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	/* Years 0 to 9999: what a time of Kubernetes can say. */
	const int64_t year_0 = INT64_C(-62167219200), seconds_of_all = INT64_C(315569520000);
	uint64_t drawn;
	struct error err = {0};
	int offset_s = 0, again = 0;
	if (len < sizeof(drawn))
		return 0;
	memcpy(&drawn, bytes, sizeof(drawn));
	int64_t seconds = year_0 + (int64_t)(drawn % (uint64_t)seconds_of_all);
	const char *file = (const char *)bytes + sizeof(drawn);
	len -= sizeof(drawn);
	if (!zone_offset(file, len, seconds, &offset_s, &err)) {
		REQUIRE_SENTENCE(err);
		return 0;
	}
	REQUIRE(offset_s > -25 * 3600 && offset_s < 26 * 3600);
	REQUIRE(zone_offset(file, len, seconds, &again, &err) && again == offset_s);
	return 0;
}
