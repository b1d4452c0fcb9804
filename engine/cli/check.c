/*
 * check.c - `sluice check FILE…`: what is wrong with canaries before they reach a cluster.
 *
 * Each wrong field is one sentence with file, line and JSON path. Exit status 1 when there is an
 * error; warnings alone are no error.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "canary/spec.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/overlay.h"

struct check {
	struct spec_options spec;
	bool json;
	cJSON *found; /* list of {file, line, path, text, level} */
	size_t errors, warnings, canaries;
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

static void check_canary(struct check *check, const struct yaml_file *file, size_t i)
{
	struct spec_problems problems = {0};
	check->canaries++;
	canary_spec_free(canary_spec_new(yaml_document(file, i), &check->spec, &problems));
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
	struct flag_texts files = {0};
	const char *output = "text";
	const char *lua = NULL;
	bool help = false;
	struct error err = {0};
	const struct flag flags[] = {
		{"f", FLAG_TEXTS, &files, "FILE", "a file with canaries; \"-\" is standard input"},
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
		puts("usage: sluice check [flags] FILE...\n\nSays what is wrong with canaries.\n");
		flags_help(flags);
		return EXIT_GOOD;
	}
	check.json = strcmp(output, "json") == 0;
	if (!check.json && strcmp(output, "text") != 0) {
		fprintf(stderr, "sluice check: -o must be text or json, is \"%s\"\n", output);
		return EXIT_BAD_INPUT;
	}
	if (files.count == 0) {
		fputs("sluice check: no file given; see sluice check --help\n", stderr);
		return EXIT_BAD_INPUT;
	}
	check.found = cJSON_CreateArray();
	for (size_t i = 0; i < files.count; i++)
		check_file(&check, files.items[i]);
	if (check.json) {
		SCOPED(text) char *text = json_text(check.found);
		puts(text);
	} else {
		printf("%zu canaries, %zu errors, %zu warnings\n", check.canaries, check.errors,
		       check.warnings);
	}
	cJSON_Delete(check.found);
	return check.errors == 0 ? EXIT_GOOD : EXIT_BAD_INPUT;
}
