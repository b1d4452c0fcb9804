#include "spec.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/packed.h"
#include "base/yaml.h"

static void expect_same_again(const cJSON *json)
{
	struct packed *packed = packed_new(json);
	SCOPED(text) char *text = json_text(json);
	SCOPED(text) char *unpacked = packed_text(packed);
	EXPECT_TEXT(unpacked, text);
	SCOPED(json) cJSON *again = packed_json(packed);
	EXPECT(json_equal(again, json));
	packed_free(packed);
}

SPEC("packed: whatever goes in comes out again")
{
	static const char *const texts[] = {
		"0",
		"\"\"",
		"null",
		"{}",
		"[[[]]]",
		"{\"apiVersion\":\"flagger.app/v1beta1\"}",
		"[9007199254740993,0.1,-3,1e21,true]",
		"\"\\u0001\\\"\xc3\xa9\"",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		SCOPED(json) cJSON *json = json_parse(texts[i], strlen(texts[i]), NULL);
		EXPECT(json != NULL);
		expect_same_again(json);
	}
}

/* What does not pack at all, of all lengths around those of zlib's rooms. */
SPEC("packed: noise comes out again, too")
{
	uint64_t state = 1;
	for (size_t len = 1; len < 200000; len = len * 3 + 1) {
		char *noise = xmalloc(len + 1);
		for (size_t i = 0; i < len; i++) {
			state = state * 6364136223846793005ULL + 1442695040888963407ULL;
			noise[i] = (char)('!' + (state >> 33) % 90);
		}
		noise[len] = '\0';
		SCOPED(json) cJSON *json = cJSON_CreateString(noise);
		free(noise);
		expect_same_again(json);
	}
}

SPEC("packed: Canaries and Deployments take less than half of their text")
{
	static const char *const files[] = {"examples/podinfo/canary.yaml",
					    "examples/podinfo/ab-testing.yaml",
					    "examples/podinfo/deployment.yaml"};
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct error err = {0};
		SCOPED(yaml) struct yaml_file *file = yaml_read(files[i], &err);
		EXPECT(file != NULL);
		for (size_t k = 0; k < yaml_count(file); k++) {
			const cJSON *object = yaml_document(file, k);
			SCOPED(text) char *text = json_text(object);
			struct packed *packed = packed_new(object);
			if (json_get(object, "spec") != NULL)
				EXPECT(packed_size(packed) < strlen(text) / 2);
			packed_free(packed);
			expect_same_again(object);
		}
	}
}
