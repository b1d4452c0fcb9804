/*
 * crd_spec.c - the CRD that a cluster is given says the same as what the engine reads: each field
 * of the one is in the other, of the same kind, with the same words; and each is explained.
 */
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
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

static const cJSON *analysis_in(const struct yaml_file *file)
{
	return json_at(yaml_document(file, 0), "spec.versions[0].schema.openAPIV3Schema.properties."
					       "spec.properties.analysis.properties");
}

static bool fits(const cJSON *schema, const char *text)
{
	regex_t pattern;
	const char *written = json_string(schema, "pattern");
	EXPECT(written != NULL && regcomp(&pattern, written, REG_EXTENDED | REG_NOSUB) == 0);
	bool found = regexec(&pattern, text, 0, NULL, 0) == 0;
	regfree(&pattern);
	return found;
}

SPEC("crd: a duration of ours is refused by the API server when the engine would refuse it")
{
	static const char *const texts[] = {"30s",  "1h30m", "1.5h", "500ms", "2us", "2µs", "7ns",
					    "1d",   "10",    "m",    "1mfoo", "s30", "1 m", "1m ",
					    "-10s", "",	     "1.h",  "ten",   "1.5", "1s-"};
	struct error err = {0};
	struct yaml_file *file = yaml_read("tools/deploy/crds/canary.yaml", &err);
	EXPECT(file != NULL);
	const cJSON *analysis = analysis_in(file);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		int64_t us;
		bool good = strcmp(texts[i], "1.h") != 0 && /* Go's, and nobody's */
			    duration_parse(texts[i], &us, NULL) && us >= 0;
		const cJSON *const ours[] = {
			json_at(analysis, "stepIntervals.items"), json_get(analysis, "watch"),
			json_get(analysis, "scaleDownDelay"), json_get(analysis, "holdTimeout")};
		for (size_t j = 0; j < ARRAY_LEN(ours); j++)
			if (fits(ours[j], texts[i]) != good)
				spec_fail(__FILE__, __LINE__, "\"%s\": the engine says %d",
					  texts[i], good);
	}
	yaml_free(file);
}

SPEC("crd: a duration that Flagger's CRD lets pass is let pass")
{
	static const char *const texts[] = {"30s", "1m", "1m30s", "1mfoo", "500ms"};
	struct error err = {0};
	struct yaml_file *file = yaml_read("tools/deploy/crds/canary.yaml", &err);
	EXPECT(file != NULL);
	const cJSON *analysis = analysis_in(file);
	const cJSON *const theirs[] = {
		json_get(analysis, "interval"),
		json_at(analysis, "metrics.items.properties.interval"),
		json_at(analysis, "webhooks.items.properties.timeout"),
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		for (size_t j = 0; j < ARRAY_LEN(theirs); j++)
			EXPECT(fits(theirs[j], texts[i]));
	yaml_free(file);
}
