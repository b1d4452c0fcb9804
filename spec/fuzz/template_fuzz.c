/*
 * template_fuzz.c - any text as a template: rendered or refused with a sentence, within its limits.
 */
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "fuzz.h"
#include "metric/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	SCOPED(text) char *text = xstrndup((const char *)bytes, len);
	SCOPED(json)
	cJSON *values =
		cJSON_Parse("{\"name\":\"podinfo\",\"variables\":{\"app\":\"a\",\"empty\":\"\"}}");
	SCOPED(buf) struct buf into = {0};
	struct error err = {0};
	buf_init(&into, QUERY_MAX);
	if (!template_render(text, values, &into, &err) && err.text[0] == '\0')
		abort();
	return 0;
}
