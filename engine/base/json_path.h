/*
 * json_path.h - one step at a time along the paths of json.h.
 */
#ifndef SLUICE_BASE_JSON_PATH_H
#define SLUICE_BASE_JSON_PATH_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

/* A key (borrowed from the path, `quoted` when backslashes in it escape), or else an index. */
struct json_step {
	const char *key;
	size_t len;
	bool quoted;
	size_t index;
};

/* Takes one step off the path. False at its end, or where it is no path (`*path` stands there). */
bool json_step(const char **path, struct json_step *step);
/* Where a step leads from `parent`, or NULL. */
cJSON *json_step_into(const cJSON *parent, const struct json_step *step);

#endif
