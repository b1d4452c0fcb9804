#include "lines.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

static void flatten(cJSON *flat, const char *path, const cJSON *json)
{
	const cJSON *child;
	int i = 0;
	if (json->child == NULL) {
		SCOPED(text) char *value = json_canonical(json);
		cJSON_AddStringToObject(flat, path, value);
		return;
	}
	cJSON_ArrayForEach(child, json)
	{
		SCOPED(text)
		char *below = cJSON_IsArray(json)
				      ? xasprintf("%s[%d]", path, i++)
				      : xasprintf("%s%s%s", path, path[0] == '\0' ? "" : ".",
						  child->string);
		flatten(flat, below, child);
	}
}

cJSON *lines_flat(const cJSON *json)
{
	struct error err = {0};
	SCOPED(text) char *text = json_canonical(json);
	SCOPED(json) cJSON *sorted = json_parse(text, strlen(text), &err);
	cJSON *flat = cJSON_CreateObject();
	flatten(flat, "", sorted);
	return flat;
}

static bool same_leaf(const cJSON *flat, const cJSON *other, const char *path)
{
	const char *a = cJSON_GetStringValue(json_get(flat, path));
	return text_equal(a, cJSON_GetStringValue(json_get(other, path))) ||
	       (a == NULL && json_get(other, path) == NULL);
}

bool lines_is_between(const cJSON *before, const cJSON *after, const cJSON *flat)
{
	const cJSON *const all[] = {before, after, flat};
	const cJSON *leaf;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		cJSON_ArrayForEach(leaf, all[i])
		{
			if (!same_leaf(flat, before, leaf->string) &&
			    !same_leaf(flat, after, leaf->string))
				return false;
		}
	return true;
}

static void add(cJSON *lines, char *owned_line)
{
	cJSON_AddItemToArray(lines, cJSON_CreateString(owned_line));
	free(owned_line);
}

cJSON *lines_of_versions(const cJSON *versions)
{
	cJSON *lines = cJSON_CreateArray();
	const cJSON *version, *leaf, *former = NULL;
	cJSON_ArrayForEach(version, versions)
	{
		if (former != NULL)
			add(lines, xstrdup("then"));
		cJSON_ArrayForEach(leaf, version)
		{
			if (former == NULL || !same_leaf(version, former, leaf->string))
				add(lines, xasprintf("%s = %s", leaf->string, leaf->valuestring));
		}
		cJSON_ArrayForEach(leaf, former)
		{
			if (json_get(version, leaf->string) == NULL)
				add(lines, xasprintf("%s is gone", leaf->string));
		}
		former = version;
	}
	return lines;
}

static const char **texts_of(const cJSON *lines, size_t *count)
{
	const cJSON *line;
	const char **texts = xcalloc((size_t)cJSON_GetArraySize(lines) + 1, sizeof(*texts));
	*count = 0;
	cJSON_ArrayForEach(line, lines) texts[(*count)++] = line->valuestring;
	return texts;
}

/* By the longest common subsequence: lists are short. */
void lines_compare(struct buf *text, const char *of, const cJSON *wanted, const cJSON *got)
{
	size_t a_count, b_count;
	const char **a = texts_of(wanted, &a_count), **b = texts_of(got, &b_count);
	const size_t width = b_count + 1;
	/* Of what follows a[i] and b[j]. */
	unsigned *common = xcalloc((a_count + 1) * width, sizeof(*common));
	bool any = false;
	for (size_t i = a_count; i-- > 0;)
		for (size_t j = b_count; j-- > 0;) {
			unsigned without_a = common[(i + 1) * width + j];
			unsigned without_b = common[i * width + j + 1];
			common[i * width + j] =
				strcmp(a[i], b[j]) == 0
					? common[(i + 1) * width + j + 1] + 1
					: (without_a > without_b ? without_a : without_b);
		}
	for (size_t i = 0, j = 0; i < a_count || j < b_count;) {
		if (i < a_count && j < b_count && strcmp(a[i], b[j]) == 0) {
			i++;
			j++;
			continue;
		}
		if (!any)
			buf_printf(text, "%s:\n", of);
		any = true;
		if (i < a_count &&
		    (j == b_count || common[(i + 1) * width + j] >= common[i * width + j + 1]))
			buf_printf(text, "- %s\n", a[i++]);
		else
			buf_printf(text, "+ %s\n", b[j++]);
	}
	free(common);
	free(a);
	free(b);
}
