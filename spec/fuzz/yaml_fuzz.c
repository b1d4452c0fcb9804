/*
 * yaml_fuzz.c - any bytes as YAML: documents or a sentence with a line; what is written of a
 * document is read again as the same.
 */

#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct error err = {0};
	SCOPED(yaml) struct yaml_file *file = yaml_parse("fuzz", (const char *)bytes, len, &err);
	if (file == NULL) {
		REQUIRE(strncmp(err.text, "fuzz:", 5) == 0);
		return 0;
	}
	for (size_t i = 0; i < yaml_count(file); i++) {
		const cJSON *json = yaml_document(file, i);
		REQUIRE(yaml_line(file, i, "") >= 1);
		for (const cJSON *item = json->child; item != NULL; item = item->next)
			if (item->string != NULL)
				yaml_line(file, i, item->string);
		SCOPED(text) char *text = yaml_text(json);
		SCOPED(yaml)
		struct yaml_file *again = yaml_parse("again", text, strlen(text), &err);
		REQUIRE(again != NULL);
		if (yaml_count(again) == 0) {
			REQUIRE(cJSON_IsNull(json));
			continue;
		}
		REQUIRE(yaml_count(again) == 1 && json_equal(yaml_document(again, 0), json));
	}
	return 0;
}
