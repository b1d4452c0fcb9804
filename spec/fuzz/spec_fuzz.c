/*
 * spec_fuzz.c - any bytes as a Canary, in YAML or JSON: either a spec or sentences, never neither.
 */
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "canary/spec.h"
#include "fuzz.h"

static void check_problems(const struct spec_problems *problems)
{
	struct buf text;
	size_t errors = 0;
	for (size_t i = 0; i < problems->count; i++) {
		errors += !problems->items[i].warning;
		REQUIRE(problems->items[i].text[0] != '\0');
	}
	REQUIRE(errors <= problems->errors && (errors > 0) == (problems->errors > 0));
	buf_init(&text, EVENT_MESSAGE_MAX);
	spec_problems_text(problems, &text);
	REQUIRE((problems->count > 0) == (text.len > 0));
	buf_fini(&text);
}

static void check_spec(const struct canary_spec *spec)
{
	REQUIRE(spec->name[0] != '\0' && spec->namespace[0] != '\0' && spec->provider[0] != '\0');
	REQUIRE(spec->port >= 1 && spec->port <= 65535);
	REQUIRE(spec->threshold >= 1 && spec->interval_us >= 10000000);
	REQUIRE(spec->step_weight >= 0 && spec->step_weight <= 100 && spec->max_weight <= 100);
	REQUIRE(strlen(spec->primary) <= 63 && strlen(spec->canary) <= 63);
	REQUIRE(spec->strategy != STRATEGY_AB_TESTING || spec->match != NULL);
	for (size_t i = 0; i < spec->metric_count; i++)
		REQUIRE(spec->metrics[i].name[0] != '\0' && spec->metrics[i].interval_us > 0);
	for (size_t i = 0; i < spec->webhook_count; i++)
		REQUIRE(spec->webhooks[i].url[0] != '\0' && spec->webhooks[i].timeout_us > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	SCOPED(yaml) struct yaml_file *file = yaml_parse("fuzz", (const char *)bytes, len, NULL);
	struct spec_options options = {.no_cross_namespace_refs = len % 2 == 0,
				       .default_provider = len % 3 == 0 ? "kubernetes" : NULL};
	for (size_t i = 0; file != NULL && i < yaml_count(file); i++) {
		struct spec_problems problems = {0};
		struct canary_spec *spec =
			canary_spec_new(yaml_document(file, i), &options, &problems);
		REQUIRE((spec == NULL) == (problems.errors > 0));
		check_problems(&problems);
		if (spec != NULL)
			check_spec(spec);
		canary_spec_free(spec);
		spec_problems_fini(&problems);
	}
	return 0;
}
