/*
 * crd_spec.c - the CRD that a cluster is given says the same as what the engine reads: each field
 * of the one is in the other, of the same kind, with the same words; and each is explained.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "canary/spec_shape.h"
#include "spec.h"

static bool is_word(const struct shape *shape, const char *word)
{
	for (const char *const *known = shape->words; *known != NULL; known++)
		if (strcmp(*known, word) == 0)
			return true;
	return false;
}

static void expect_words(const struct shape *shape, const cJSON *schema, const char *path)
{
	const cJSON *words = json_get(schema, "enum"), *word;
	size_t known = 0;
	if (shape->words == NULL)
		return; /* a rule of the engine may be stricter than the schema */
	cJSON_ArrayForEach(word, words)
	{
		if (!is_word(shape, word->valuestring))
			spec_fail(__FILE__, __LINE__, "%s: \"%s\" is of the schema only", path,
				  word->valuestring);
	}
	while (shape->words[known] != NULL)
		known++;
	if (cJSON_GetArraySize(words) != (int)known)
		spec_fail(__FILE__, __LINE__, "%s: other words than in the schema", path);
}

static const char *type_of(enum shape_kind kind)
{
	switch (kind) {
	case SHAPE_STRING:
		return "string";
	case SHAPE_BOOL:
		return "boolean";
	case SHAPE_NUMBER:
	case SHAPE_WHOLE: /* "integer" too */
		return "number";
	case SHAPE_OBJECT:
	case SHAPE_MAP:
	case SHAPE_FREE:
		return "object";
	case SHAPE_LIST:
		return "array";
	case SHAPE_PORT:
	case SHAPE_END:
		break;
	}
	return "";
}

static void expect_same(const struct shape *shape, const cJSON *schema, const char *path);

static const struct shape *member_of(const struct shape *shape, const char *name)
{
	for (const struct shape *member = shape->members; member->kind != SHAPE_END; member++)
		if (strcmp(member->name, name) == 0)
			return member;
	return NULL;
}

static void expect_members(const struct shape *shape, const cJSON *schema, const char *path)
{
	const cJSON *properties = json_get(schema, "properties"), *property;
	for (const struct shape *member = shape->members; member->kind != SHAPE_END; member++)
		if (json_get(properties, member->name) == NULL)
			spec_fail(__FILE__, __LINE__, "%s.%s is not in the schema", path,
				  member->name);
	cJSON_ArrayForEach(property, properties)
	{
		SCOPED(text) char *below = xasprintf("%s.%s", path, property->string);
		const struct shape *member = member_of(shape, property->string);
		if (member == NULL)
			spec_fail(__FILE__, __LINE__,
				  "%s is in the schema, and unknown to the engine", below);
		if (strcmp(below, ".metadata") == 0) /* the API server's own */
			continue;
		if (json_string(property, "description") == NULL)
			spec_fail(__FILE__, __LINE__, "%s has no description", below);
		if (strcmp(below, ".status") != 0)
			expect_same(member, property, below);
	}
}

static void expect_same(const struct shape *shape, const cJSON *schema, const char *path)
{
	const char *type = json_string_or(schema, "type", "");
	if (shape->kind == SHAPE_PORT)
		EXPECT(json_bool(schema, "x-kubernetes-int-or-string", false));
	else if (strcmp(type, type_of(shape->kind)) != 0 &&
		 !(shape->kind == SHAPE_WHOLE && strcmp(type, "integer") == 0))
		spec_fail(__FILE__, __LINE__, "%s is \"%s\" in the schema", path, type);
	expect_words(shape, schema, path);
	SCOPED(text) char *each = xasprintf("%s[]", path);
	if (shape->kind == SHAPE_OBJECT)
		expect_members(shape, schema, path);
	else if (shape->kind == SHAPE_MAP)
		expect_same(shape->members, json_get(schema, "additionalProperties"), each);
	else if (shape->kind == SHAPE_LIST)
		expect_same(shape->members, json_get(schema, "items"), each);
	else if (shape->kind == SHAPE_FREE)
		EXPECT(json_bool(schema, "x-kubernetes-preserve-unknown-fields", false));
}

SPEC("crd: the schema of Canary and the engine know the same fields")
{
	struct error err = {0};
	struct yaml_file *file = yaml_read("tools/deploy/crds/canary.yaml", &err);
	EXPECT(file != NULL);
	const cJSON *schema =
		json_at(yaml_document(file, 0), "spec.versions[0].schema.openAPIV3Schema");
	EXPECT(schema != NULL);
	expect_same(&canary_shape, schema, "");
	yaml_free(file);
}
