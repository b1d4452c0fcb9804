#include "canary/custody.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"

/* How long another controller must not have written a status for us to begin, at least. */
static const int64_t least_quiet_us = 3 * DURATION_MINUTE;

bool custody_is_ours(const cJSON *canary, const char *class)
{
	const cJSON *annotations = json_at(canary, "metadata.annotations");
	const char *said = cJSON_GetStringValue(json_get(annotations, CUSTODY_ANNOTATION));
	return strcmp(said == NULL ? "" : said, class == NULL ? "" : class) == 0;
}

void custody_other_writer(const cJSON *canary, struct custody_writer *writer)
{
	const cJSON *entry;
	*writer = (struct custody_writer){0};
	cJSON_ArrayForEach(entry, json_at(canary, "metadata.managedFields"))
	{
		const char *manager = json_string_or(entry, "manager", "");
		const char *time = json_string_or(entry, "time", "");
		if (strcmp(json_string_or(entry, "subresource", ""), "status") != 0 ||
		    strcmp(manager, "sluice") == 0 || strcmp(time, writer->time) <= 0)
			continue;
		text_copy(writer->manager, sizeof(writer->manager), manager);
		text_copy(writer->time, sizeof(writer->time), time);
	}
}

bool custody_look(struct custody *custody, const cJSON *canary, bool first, int64_t now_us)
{
	struct custody_writer other;
	custody_other_writer(canary, &other);
	if (strcmp(other.time, custody->other.time) <= 0)
		return false;
	custody->other = other;
	if (!first)
		custody->seen_us = now_us;
	return !first;
}

int64_t custody_left_until(const struct custody *custody, int64_t interval_us, int64_t now_us)
{
	int64_t quiet_us = 3 * interval_us < least_quiet_us ? least_quiet_us : 3 * interval_us;
	if (custody->seen_us == 0 || now_us >= custody->seen_us + quiet_us)
		return 0;
	return custody->seen_us + quiet_us;
}
