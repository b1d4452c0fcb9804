#include "metric/template.h"

#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "metric/template_parts.h"

bool template_render(const char *text, const cJSON *values, struct buf *into, struct error *err)
{
	size_t len = strlen(text);
	if (len > QUERY_MAX)
		return error_set(err, ERROR_INVALID,
				 "template parsing failed: the text is longer than %d bytes",
				 QUERY_MAX);
	SCOPED(pool) struct pool pool = {0};
	pool_init(&pool, TEMPLATE_POOL_MAX);
	struct template_job job = {
		.text = text, .len = len, .values = values, .pool = &pool, .err = err};
	const struct definition *templates = template_parse(&job);
	return templates != NULL && template_run(&job, templates, into);
}
