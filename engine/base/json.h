/*
 * json.h - what cJSON does not give: caps, paths, patches, canonical text, "is this already so".
 *
 * Paths are dotted, with indices in brackets: "spec.analysis.metrics[0].name". A key that contains
 * a dot or a slash is quoted: `metadata.annotations["sluice.dev/policy"]`. Reads of a missing path
 * give NULL or the fallback.
 *
 * A whole number of 64 bits that no double can be keeps its digits as `valuestring`, and is written
 * with them.
 */
#ifndef SLUICE_BASE_JSON_H
#define SLUICE_BASE_JSON_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

void scope_json(cJSON **json);

/* Strict: the whole of `len` bytes, no trailing garbage, depth at most JSON_DEPTH_MAX. The error
 * names the offset. */
cJSON *json_parse(const char *text, size_t len, struct error *err) MUST_CHECK;
cJSON *json_parse_file(const char *path, struct error *err) MUST_CHECK;

/* Compact text; the caller frees. Numbers in their shortest form that reads back as the same
 * double. */
char *json_text(const cJSON *json);
/* The same with the keys of objects sorted, so equal values have equal texts on every machine. */
char *json_canonical(const cJSON *json);
bool json_write(struct buf *buf, const cJSON *json);
/* A string in quotes; what is not UTF-8 becomes U+FFFD. */
bool json_write_string(struct buf *buf, const char *text);
/* Shortest round-trip text of a number: "99", "0.1", "1e+21"; NaN and infinities as "NaN", "+Inf",
 * "-Inf". */
void json_number_text(double number, char text[32]);

/* Borrowed from `root`. */
cJSON *json_at(const cJSON *root, const char *path);
cJSON *json_atf(const cJSON *root, const char *format, ...) PRINTF_LIKE(2, 3);
const char *json_string(const cJSON *root, const char *path); /* NULL when not a string */
const char *json_string_or(const cJSON *root, const char *path, const char *fallback);
double json_number(const cJSON *root, const char *path, double fallback);
long json_int(const cJSON *root, const char *path, long fallback); /* truncates, saturates */
bool json_bool(const cJSON *root, const char *path, bool fallback);
/* The same as cJSON_Duplicate and cJSON_Delete, in half the time. NULL is nothing. */
cJSON *json_copy(const cJSON *json);
void json_free(cJSON *owned_json);

/* Direct member, no path syntax. */
cJSON *json_get(const cJSON *object, const char *key);
bool json_has_text(const cJSON *list, const char *text); /* as one of its elements */
/* Quicker than cJSON's own. */
cJSON *json_new(int type);
cJSON *json_new_string(const char *text);
cJSON *json_new_number(double number);

/* Sets the member at a path, creating the objects on the way; consumes the value. */
void json_put(cJSON *root, const char *path, cJSON *owned_value);
void json_put_string(cJSON *root, const char *path, const char *value); /* NULL removes */
void json_put_number(cJSON *root, const char *path, double value);
void json_put_bool(cJSON *root, const char *path, bool value);
void json_remove(cJSON *root, const char *path);
/* Before the element `index` of a list, or at its end. Not cJSON_InsertItemInArray, which some
 * releases of cJSON 1.7.15 refuse to do in the middle of a list. */
void json_insert(cJSON *list, size_t index, cJSON *owned_value);

/* Overwrites every text in it: for objects that hold secrets, before they are deleted. */
void json_wipe(cJSON *json);

bool json_equal(const cJSON *a, const cJSON *b); /* order of keys is nothing */
/* The same for what is equal; never kept longer than the process runs. */
uint64_t json_digest(const cJSON *json);
/* Whether `live` already says all that `wanted` says: objects may have more members, lists must be
 * as long. */
bool json_covers(const cJSON *live, const cJSON *wanted);

/* RFC 7396: changes `*target` (never NULL). */
void json_merge_patch(cJSON **target, const cJSON *patch);
/* RFC 6902 (add, remove, replace, move, copy, test): all or nothing. A failing `test` is
 * ERROR_CONFLICT. */
bool json_patch(cJSON **document, const cJSON *operations, struct error *err) MUST_CHECK;
/* One more operation, for somebody else's json_patch; `owned_value` NULL: none. */
void json_patch_add(cJSON *operations, const char *op, const char *path, cJSON *owned_value);

#endif
