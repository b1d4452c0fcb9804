#include "given.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "spec.h"

struct spec_problems given_problems;
struct canary_spec *given_spec;
char *given_told;

void given_forget(void)
{
	canary_spec_free(given_spec);
	spec_problems_fini(&given_problems);
	free(given_told);
	given_spec = NULL;
	given_told = NULL;
}

static void tell(void)
{
	struct buf text;
	buf_init(&text, MIB);
	for (size_t i = 0; i < given_problems.count; i++)
		buf_printf(&text, "%s%s: %s\n", given_problems.items[i].warning ? "warning: " : "",
			   given_problems.items[i].path, given_problems.items[i].text);
	given_told = buf_take(&text);
}

void given_object(const cJSON *object, const struct spec_options *options)
{
	given_forget();
	given_spec = canary_spec_new(object, options, &given_problems);
	tell();
	EXPECT((given_spec == NULL) == (given_problems.errors > 0));
}

void given_text(const char *text, const struct spec_options *options)
{
	struct error err = {0};
	SCOPED(yaml) struct yaml_file *file = yaml_parse("canary.yaml", text, strlen(text), &err);
	EXPECT_TEXT(err.text, "");
	given_object(yaml_document(file, 0), options);
}

void given(struct given given)
{
	SCOPED(text)
	char *text = xasprintf(
		"apiVersion: flagger.app/v1beta1\n"
		"kind: Canary\n"
		"metadata:\n"
		"  name: podinfo\n"
		"  namespace: test\n"
		"  uid: 0b0e\n"
		"  generation: 3\n"
		"  annotations: %s\n"
		"spec:\n"
		"  targetRef: %s\n"
		"  service: %s\n"
		"%s"
		"  analysis:\n"
		"%s",
		given.annotations == NULL ? "{}" : given.annotations,
		given.target == NULL ? "{apiVersion: apps/v1, kind: Deployment, name: podinfo}"
				     : given.target,
		given.service == NULL ? "{port: 9898}" : given.service,
		given.top == NULL ? "  provider: istio\n" : given.top,
		given.analysis == NULL ? "    {interval: 1m, threshold: 5, stepWeight: 10}\n"
				       : given.analysis);
	given_text(text, &given.options);
}
