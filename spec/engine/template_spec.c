#include "metric/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "spec.h"

/* spec/templates/go.json holds texts and what text/template of Go 1.26 made of them, with the
 * functions of the reference. */
SPEC("template: renders and refuses what Go renders and refuses, in the same words")
{
	size_t len;
	SCOPED(text) char *text = spec_file("spec/templates/go.json", &len);
	struct error err = {0};
	SCOPED(json) cJSON *file = json_parse(text, len, &err);
	EXPECT(file != NULL);
	const cJSON *one;
	int wrong = 0;
	cJSON_ArrayForEach(one, json_get(file, "cases"))
	{
		SCOPED(buf) struct buf into = {0};
		buf_init(&into, QUERY_MAX);
		struct error why = {0};
		const char *template = json_string_or(one, "text", "");
		bool good = template_render(template, json_get(file, "values"), &into, &why);
		const char *wanted = json_string(one, "error");
		const char *got = good ? into.text : why.text;
		bool same =
			good == (wanted == NULL) &&
			strcmp(got, wanted != NULL ? wanted : json_string_or(one, "out", "")) == 0;
		if (!same) {
			wrong++;
			printf("    %s\n      is     %s\n      wanted %s\n", template, got,
			       wanted != NULL ? wanted : json_string_or(one, "out", ""));
		}
	}
	EXPECT_INT(wrong, 0);
}

static void expect_refused(const char *text, const char *part)
{
	struct error err = {0};
	SCOPED(json) cJSON *values = cJSON_Parse("{\"name\":\"n\"}");
	SCOPED(buf) struct buf into = {0};
	buf_init(&into, 1000);
	EXPECT(!template_render(text, values, &into, &err));
	EXPECT_CONTAINS(err.text, part);
}

SPEC("template: what would run for ever, nest or grow without end is stopped")
{
	expect_refused("{{ range 1000000000 }}{{ end }}", "takes more than 50000 steps");
	expect_refused("{{ define \"t\" }}{{ template \"t\" }}{{ end }}{{ template \"t\" }}",
		       "exceeded maximum template depth");
	expect_refused("{{ range 2000 }}{{ name }}{{ end }}", "longer than 1000 bytes");
	expect_refused("{{ $x := \"aaaaaaaa\" }}{{ range 40 }}{{ $x = print $x $x }}{{ end }}",
		       "needs too much memory");
	SCOPED(buf) struct buf deep = {0};
	buf_init(&deep, QUERY_MAX);
	for (int i = 0; i < 5000; i++)
		buf_puts(&deep, "{{if 1}}");
	expect_refused(deep.text, "in each other");
	buf_clear(&deep);
	buf_puts(&deep, "{{");
	for (int i = 0; i < 60000; i++)
		buf_putc(&deep, '(');
	expect_refused(deep.text, "in each other");
}
