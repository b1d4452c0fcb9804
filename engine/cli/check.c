/*
 * check.c - `sluice check FILE…`: what is wrong with canaries and policies before they reach a
 * cluster.
 *
 * Each wrong field is one sentence with file, line and JSON path. Exit status 1 when there is an
 * error; warnings alone are no error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "canary/spec.h"
#include "canary/workload.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "script/policy.h"
#include "cli/overlay.h"

struct check {
	struct spec_options spec;
	bool json;
	cJSON *found; /* list of {file, line, path, text, level} */
	size_t errors, warnings, canaries, policies;
};

static void tell(struct check *check, const char *file, int line, const char *path,
		 const char *text, bool warning)
{
	if (warning)
		check->warnings++;
	else
		check->errors++;
	if (!check->json) {
		fprintf(stderr, "%s:%d: %s%s%s%s\n", file, line, warning ? "warning: " : "", path,
			path[0] == '\0' ? "" : ": ", text);
		return;
	}
	cJSON *item = cJSON_CreateObject();
	cJSON_AddStringToObject(item, "file", file);
	cJSON_AddNumberToObject(item, "line", line);
	cJSON_AddStringToObject(item, "path", path);
	cJSON_AddStringToObject(item, "text", text);
	cJSON_AddStringToObject(item, "level", warning ? "warning" : "error");
	cJSON_AddItemToArray(check->found, item);
}

/* "name:12: sentence" of a policy that is `name`: the line, 1 where there is none, and the
 * sentence.
 */
static int line_in(const char *name, const char **text)
{
	size_t len = strlen(name);
	char *end;
	if (strncmp(*text, name, len) != 0 || (*text)[len] != ':')
		return 1;
	*text += len + 1;
	long line = strtol(*text, &end, 10);
	if (end != *text && *end == ':')
		*text = end + 1;
	*text += **text == ' ';
	return line > 0 ? (int)line : 1;
}

static void check_policy(struct check *check, const char *path)
{
	SCOPED(buf) struct buf text = {0};
	struct error err = {0};
	const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
	buf_init(&text, POLICY_TEXT_MAX);
	check->policies++;
	if (!file_read(path, &text, &err)) {
		tell(check, path, 1, "", err.text, false);
		return;
	}
	struct policy *policy = policy_new(name, text.text, text.len, &err);
	policy_free(policy);
	if (policy != NULL)
		return;
	const char *told = err.text;
	int line = line_in(name, &told);
	tell(check, path, line, "", told, false);
}

/* The policy that a canary holds or names; one in a ConfigMap is looked at when it is a file. */
static void check_own_policy(struct check *check, const struct yaml_file *file, size_t i,
			     const struct policy_spec *spec)
{
	struct error err = {0};
	struct policy *policy = NULL;
	const char *path = "spec.analysis.policy";
	if (spec->source == POLICY_INLINE) {
		path = "spec.analysis.policy.inline";
		policy = policy_new("policy.lua", spec->text, strlen(spec->text), &err);
	} else if (spec->source == POLICY_NAMED) {
		path = "spec.analysis.policy.name";
		policy = policy_new_stock(spec->name, NULL, &err);
	}
	policy_free(policy);
	if (err.kind != ERROR_NONE)
		tell(check, yaml_name(file), yaml_line(file, i, path), path, err.text, false);
}

static const cJSON *scaled_object(const struct yaml_file *file, const struct canary_spec *spec)
{
	for (size_t i = 0; i < yaml_count(file); i++) {
		const cJSON *document = yaml_document(file, i);
		if (text_equal(json_string(document, "kind"), "ScaledObject") &&
		    text_equal(json_string(document, "metadata.name"), spec->scaler_name) &&
		    text_equal(json_string_or(document, "metadata.namespace", "default"),
			       spec->namespace))
			return document;
	}
	return NULL;
}

/* Its ScaledObject is looked at when it is in the same file. */
static void check_scaler(struct check *check, const struct yaml_file *file, size_t i,
			 const struct canary_spec *spec)
{
	static const char path[] = "spec.autoscalerRef";
	if (!text_equal(spec->scaler_kind, "ScaledObject"))
		return;
	const cJSON *scaled = scaled_object(file, spec);
	const char *query = scaled == NULL ? NULL : workload_query_without_trigger(spec, scaled);
	int line = yaml_line(file, i, path);
	if (query != NULL) {
		SCOPED(text)
		char *text = xasprintf("the ScaledObject has no trigger named \"%s\"", query);
		tell(check, yaml_name(file), line, "spec.autoscalerRef.primaryScalerQueries", text,
		     true);
	}
	if (scaled != NULL && json_int(scaled, "spec.minReplicaCount", 0) < 1)
		tell(check, yaml_name(file), line, path,
		     "the ScaledObject may scale the canary to zero while it has no traffic yet: "
		     "its minReplicaCount is 0",
		     true);
}

static void check_canary(struct check *check, const struct yaml_file *file, size_t i)
{
	struct spec_problems problems = {0};
	check->canaries++;
	struct canary_spec *spec = canary_spec_new(yaml_document(file, i), &check->spec, &problems);
	if (spec != NULL) {
		check_own_policy(check, file, i, &spec->policy);
		check_scaler(check, file, i, spec);
	}
	canary_spec_free(spec);
	for (size_t k = 0; k < problems.count; k++) {
		const struct spec_problem *problem = &problems.items[k];
		tell(check, yaml_name(file), yaml_line(file, i, problem->path), problem->path,
		     problem->text, problem->warning);
	}
	spec_problems_fini(&problems);
}

/* False when the file cannot be read at all; said by then. */
static void check_file(struct check *check, const char *path)
{
	struct error err = {0};
	size_t len = strlen(path);
	if (len > 4 && strcmp(path + len - 4, ".lua") == 0) {
		check_policy(check, path);
		return;
	}
	SCOPED(yaml) struct yaml_file *file = yaml_read(path, &err);
	if (file == NULL) {
		check->errors++;
		fprintf(stderr, "%s\n", err.text);
		return;
	}
	for (size_t i = 0; i < yaml_count(file); i++) {
		const cJSON *document = yaml_document(file, i);
		const char *kind = json_string(document, "kind");
		if (kind == NULL)
			tell(check, yaml_name(file), yaml_line(file, i, "kind"), "kind",
			     "is missing: this is no Kubernetes object", false);
		else if (strcmp(kind, "Canary") == 0)
			check_canary(check, file, i);
	}
}

int cli_check(int count, char **arguments)
{
	struct check check = {.spec.default_provider = "kubernetes"};
	struct flag_texts files = {0}, policies = {0};
	const char *output = "text";
	const char *lua = NULL;
	bool help = false;
	struct error err = {0};
	const struct flag flags[] = {
		{"f", FLAG_TEXTS, &files, "FILE", "a file with canaries; \"-\" is standard input"},
		{"policy", FLAG_TEXTS, &policies, "FILE", "a policy; as a file that ends in .lua"},
		{"mesh-provider", FLAG_TEXT, &check.spec.default_provider, "NAME",
		 "provider of canaries that name none"},
		{"no-cross-namespace-refs", FLAG_BOOL, &check.spec.no_cross_namespace_refs, NULL,
		 "refuse references to other namespaces"},
		{"o", FLAG_TEXT, &output, "text|json", "how to say it"},
		OVERLAY_FLAG(lua),
		{"help", FLAG_BOOL, &help, NULL, "this"},
		{0},
	};
	if (!flags_parse(flags, count, arguments, &files, &err) || !overlay_use(lua, &err)) {
		fprintf(stderr, "sluice check: %s\n", err.text);
		return EXIT_BAD_INPUT;
	}
	if (help) {
		puts("usage: sluice check [flags] FILE...\n\nSays what is wrong with canaries and "
		     "policies.\n");
		flags_help(flags);
		return EXIT_GOOD;
	}
	check.json = strcmp(output, "json") == 0;
	if (!check.json && strcmp(output, "text") != 0) {
		fprintf(stderr, "sluice check: -o must be text or json, is \"%s\"\n", output);
		return EXIT_BAD_INPUT;
	}
	if (files.count + policies.count == 0) {
		fputs("sluice check: no file given; see sluice check --help\n", stderr);
		return EXIT_BAD_INPUT;
	}
	check.found = cJSON_CreateArray();
	for (size_t i = 0; i < files.count; i++)
		check_file(&check, files.items[i]);
	for (size_t i = 0; i < policies.count; i++)
		check_policy(&check, policies.items[i]);
	if (check.json) {
		SCOPED(text) char *text = json_text(check.found);
		puts(text);
	} else {
		printf("%zu canaries, ", check.canaries);
		if (check.policies > 0)
			printf("%zu policies, ", check.policies);
		printf("%zu errors, %zu warnings\n", check.errors, check.warnings);
	}
	cJSON_Delete(check.found);
	return check.errors == 0 ? EXIT_GOOD : EXIT_BAD_INPUT;
}
