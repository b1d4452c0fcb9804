#include "canary/shape.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/words.h"

static const char *kind_text(enum shape_kind kind)
{
	switch (kind) {
	case SHAPE_STRING:
		return "a string";
	case SHAPE_BOOL:
		return "true or false";
	case SHAPE_NUMBER:
		return "a number";
	case SHAPE_WHOLE:
		return "a whole number";
	case SHAPE_PORT:
		return "a whole number or a string";
	case SHAPE_OBJECT:
	case SHAPE_MAP:
	case SHAPE_FREE:
		return "an object";
	case SHAPE_LIST:
		return "a list";
	case SHAPE_END:
		break;
	}
	return "nothing";
}

static bool is_of_kind(const cJSON *value, enum shape_kind kind)
{
	switch (kind) {
	case SHAPE_STRING:
		return cJSON_IsString(value);
	case SHAPE_BOOL:
		return cJSON_IsBool(value);
	case SHAPE_NUMBER:
	case SHAPE_WHOLE:
		return cJSON_IsNumber(value);
	case SHAPE_PORT:
		return cJSON_IsNumber(value) || cJSON_IsString(value);
	case SHAPE_OBJECT:
	case SHAPE_MAP:
	case SHAPE_FREE:
		return cJSON_IsObject(value);
	case SHAPE_LIST:
		return cJSON_IsArray(value);
	case SHAPE_END:
		break;
	}
	return false;
}

static void check_number(const struct shape *shape, const cJSON *value, const char *path,
			 struct spec_problems *problems)
{
	double number = value->valuedouble, min = shape->min, max = shape->max;
	bool whole = shape->kind != SHAPE_NUMBER, bounded = min != 0 || max != 0;
	if (!bounded && whole) {
		min = INT32_MIN;
		max = INT32_MAX;
	}
	bool fits = whole ? number == trunc(number) && number >= min && number <= max
			  : !bounded || (number >= min && number <= max);
	if (fits)
		return;
	char seen[SEEN_MAX], from[32], to[32];
	problem_seen(value, seen);
	json_number_text(min, from);
	json_number_text(max, to);
	if (!bounded)
		problem_error(problems, path, "must be a whole number, is %s", seen);
	else if (max >= INT32_MAX)
		problem_error(problems, path, "must be %s from %s up, is %s",
			      kind_text(shape->kind), from, seen);
	else
		problem_error(problems, path, "must be %s from %s to %s, is %s",
			      whole ? "a whole number" : "a number", from, to, seen);
}

static bool is_word(const struct shape *shape, const char *text)
{
	for (const char *const *word = shape->words; *word != NULL; word++) {
		if (strcmp(text, *word) == 0)
			return true;
	}
	return false;
}

static void check_word(const struct shape *shape, const cJSON *value, const char *path,
		       struct spec_problems *problems)
{
	if (is_word(shape, value->valuestring))
		return;
	SCOPED(buf) struct buf list = {0};
	buf_init(&list, sizeof(problems->items[0].text));
	for (const char *const *word = shape->words; *word != NULL; word++)
		if (**word != '\0')
			buf_printf(&list, "%s%s", list.len > 0 ? ", " : "", *word);
	char seen[SEEN_MAX];
	problem_seen(value, seen);
	const char *meant = words_nearest(value->valuestring, shape->words);
	if (meant != NULL)
		problem_error(problems, path, "is %s; did you mean %s? It must be one of %s", seen,
			      meant, list.text);
	else
		problem_error(problems, path, "must be one of %s, is %s", list.text, seen);
}

static const struct shape *member_of(const struct shape *shape, const char *name)
{
	for (const struct shape *member = shape->members; member->kind != SHAPE_END; member++)
		if (strcmp(member->name, name) == 0)
			return member;
	return NULL;
}

static void say_unknown(const struct shape *shape, const char *name, bool strict, const char *path,
			struct spec_problems *problems)
{
	enum { NAMES_MAX = 48 };
	const char *names[NAMES_MAX + 1] = {0};
	size_t count = 0;
	for (const struct shape *member = shape->members; member->kind != SHAPE_END; member++)
		if (count < NAMES_MAX)
			names[count++] = member->name;
	const char *meant = words_nearest(name, names);
	SCOPED(text)
	char *hint = meant == NULL ? xstrdup("") : xasprintf("; did you mean %s?", meant);
	if (strict)
		problem_error(problems, path, "is not a field that is known%s", hint);
	else
		problem_warning(problems, path, "is not a field that is known, and has no effect%s",
				hint);
}

static void check(const struct shape *shape, const cJSON *value, bool strict, const char *path,
		  struct spec_problems *problems);

static void check_members(const struct shape *shape, const cJSON *object, bool strict,
			  const char *path, struct spec_problems *problems)
{
	char below[PROBLEM_PATH_MAX];
	const cJSON *value;
	cJSON_ArrayForEach(value, object)
	{
		const struct shape *member = member_of(shape, value->string);
		problem_path(below, path, value->string);
		if (member == NULL)
			say_unknown(shape, value->string, strict, below, problems);
		else if (!cJSON_IsNull(value))
			check(member, value, strict, below, problems);
	}
	for (const struct shape *member = shape->members; member->kind != SHAPE_END; member++) {
		const cJSON *found = json_get(object, member->name);
		if ((member->flags & SHAPE_REQUIRED) == 0 ||
		    (found != NULL && !cJSON_IsNull(found)))
			continue;
		problem_path(below, path, member->name);
		problem_error(problems, below, "is required");
	}
}

static void check_elements(const struct shape *shape, const cJSON *list, bool strict,
			   const char *path, struct spec_problems *problems)
{
	char below[PROBLEM_PATH_MAX];
	size_t count = 0;
	const cJSON *value;
	cJSON_ArrayForEach(value, list)
	{
		if (shape->kind == SHAPE_MAP)
			problem_path(below, path, value->string);
		else
			problem_index(below, path, count);
		count++;
		check(shape->members, value, strict, below, problems);
	}
	if (shape->most > 0 && count > shape->most)
		problem_error(problems, path, "must have at most %zu elements, has %zu",
			      shape->most, count);
}

static void check(const struct shape *shape, const cJSON *value, bool strict, const char *path,
		  struct spec_problems *problems)
{
	if (!is_of_kind(value, shape->kind)) {
		char seen[SEEN_MAX];
		problem_seen(value, seen);
		problem_error(problems, path, "must be %s, is %s", kind_text(shape->kind), seen);
		return;
	}
	strict = strict || (shape->flags & SHAPE_STRICT) != 0;
	if (cJSON_IsNumber(value))
		check_number(shape, value, path, problems);
	if (cJSON_IsString(value) && shape->words != NULL)
		check_word(shape, value, path, problems);
	if (cJSON_IsString(value) && shape->most > 0 && strlen(value->valuestring) > shape->most)
		problem_error(problems, path, "must have at most %zu characters, has %zu",
			      shape->most, strlen(value->valuestring));
	if (shape->kind == SHAPE_OBJECT)
		check_members(shape, value, strict, path, problems);
	if (shape->kind == SHAPE_LIST || shape->kind == SHAPE_MAP)
		check_elements(shape, value, strict, path, problems);
	struct error why = {0};
	if (shape->rule != NULL && !shape->rule(value, &why))
		problem_error(problems, path, "%s", why.text);
}

void shape_check(const struct shape *shape, const cJSON *value, const char *path,
		 struct spec_problems *problems)
{
	check(shape, value, false, path, problems);
}

bool shape_is_duration(const cJSON *value, struct error *why)
{
	const char *text = value->valuestring;
	char seen[SEEN_MAX];
	size_t digits = strspn(text, "0123456789");
	int64_t us = 0;
	bool has_unit = digits > 0 && text[digits] != '\0' && strchr("hms", text[digits]) != NULL;
	if (has_unit && duration_parse(text, &us, NULL))
		return true;
	problem_seen(value, seen);
	return error_set(why, ERROR_INVALID,
			 "must be a duration, such as \"30s\" or \"1h30m\", is %s", seen);
}

bool shape_is_url(const cJSON *value, struct error *why)
{
	const char *text = value->valuestring;
	size_t scheme = text_starts(text, "http://") ? 7 : text_starts(text, "https://") ? 8 : 0;
	bool host = scheme > 0 && strcspn(text + scheme, "/?#") > 0;
	if (host && strpbrk(text, " \t\r\n") == NULL)
		return true;
	char seen[SEEN_MAX];
	problem_seen(value, seen);
	return error_set(why, ERROR_INVALID, "must be an http or https URL, is %s", seen);
}

static bool is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static size_t label_len(const char *text)
{
	size_t len = 0;
	while (is_alphanumeric(text[len]) || text[len] == '-')
		len++;
	if (len == 0 || text[0] == '-' || text[len - 1] == '-')
		return 0;
	return len;
}

bool shape_is_name(const cJSON *value, struct error *why)
{
	const char *text = value->valuestring, *at = text;
	for (;;) {
		size_t len = label_len(at);
		at += len;
		if (len == 0 || *at != '.')
			break;
		at++;
	}
	if (at > text && at[-1] != '.' && *at == '\0' && at - text <= 253)
		return true;
	char seen[SEEN_MAX];
	problem_seen(value, seen);
	return error_set(why, ERROR_INVALID,
			 "must be a name of lower case letters, digits, '-' and '.', is %s", seen);
}

bool shape_is_label(const cJSON *value, struct error *why)
{
	const char *text = value->valuestring;
	size_t len = label_len(text);
	if (len > 0 && len <= 63 && text[len] == '\0')
		return true;
	char seen[SEEN_MAX];
	problem_seen(value, seen);
	return error_set(why, ERROR_INVALID,
			 "must be a name of at most 63 lower case letters, digits and '-', is %s",
			 seen);
}

bool shape_is_not_empty(const cJSON *value, struct error *why)
{
	return value->valuestring[0] != '\0' || error_set(why, ERROR_INVALID, "must not be empty");
}
