#include "canary/spec.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "canary/spec_parts.h"
#include "canary/spec_shape.h"
#include "canary/target.h"

const char *strategy_name(enum strategy strategy)
{
	switch (strategy) {
	case STRATEGY_CANARY:
		break;
	case STRATEGY_AB_TESTING:
		return "ab-testing";
	case STRATEGY_BLUE_GREEN:
		return "blue-green";
	}
	return "canary";
}

static cJSON *copy_of(const cJSON *object)
{
	cJSON *copy = cJSON_CreateObject();
	const cJSON *member;
	cJSON_ArrayForEach(member, object)
	{
		if (member->string != NULL && strcmp(member->string, "status") != 0)
			cJSON_AddItemToObject(copy, member->string, cJSON_Duplicate(member, true));
	}
	json_remove(copy, "metadata.managedFields");
	return copy;
}

/* A member that says what the object is, when it is there: items of lists may do without. */
static void check_is(const cJSON *object, const char *member, const char *wanted,
		     struct spec_problems *problems)
{
	const char *text = json_string(object, member);
	if (text != NULL && strcmp(text, wanted) != 0)
		problem_error(problems, member, "must be %s, is \"%.80s\"", wanted, text);
}

static void read_metadata(struct canary_spec *spec, struct spec_problems *problems)
{
	const cJSON *object = spec->object;
	check_is(object, "apiVersion", "flagger.app/v1beta1", problems);
	check_is(object, "kind", "Canary", problems);
	spec->name = json_string_or(object, "metadata.name", "");
	spec->namespace = json_string_or(object, "metadata.namespace", "");
	spec->uid = json_string_or(object, "metadata.uid", "");
	spec->generation = json_int(object, "metadata.generation", 0);
	if (spec->name[0] == '\0')
		problem_error(problems, "metadata.name", "is required");
	if (spec->namespace[0] == '\0')
		spec->namespace = "default";
}

static void read_target(struct canary_spec *spec, struct spec_problems *problems)
{
	spec->target_kind = json_string_or(spec->json, "targetRef.kind", "");
	spec->target_name = json_string_or(spec->json, "targetRef.name", "");
	spec->target_api_version = json_string_or(spec->json, "targetRef.apiVersion", "apps/v1");
	spec->target = target_find(spec->target_api_version, spec->target_kind);
	/* Its shape says when there is none. */
	if (spec->target != NULL && spec->target->whole &&
	    strcmp(spec->target_api_version, spec->target->kube.api_version) != 0)
		problem_warning(problems, "spec.targetRef.apiVersion",
				"%s is used instead of \"%.80s\"", spec->target->kube.api_version,
				spec->target_api_version);
	if (snprintf(spec->primary_target, sizeof(spec->primary_target), "%s-primary",
		     spec->target_name) >= (int)sizeof(spec->primary_target))
		problem_error(problems, "spec.targetRef.name",
			      "must leave room for the suffix -primary in 253 characters");
	spec->scaler = json_at(spec->json, "autoscalerRef");
	spec->scaler_kind = json_string(spec->scaler, "kind");
	spec->scaler_name = json_string(spec->scaler, "name");
	spec->ingress_name = json_string(spec->json, "ingressRef.name");
	spec->route_name = json_string(spec->json, "routeRef.name");
}

static void read_deadline(struct canary_spec *spec, struct spec_problems *problems)
{
	enum { DEFAULT_SECONDS = 600 };
	long seconds = json_int(spec->json, "progressDeadlineSeconds", DEFAULT_SECONDS);
	if (json_number(spec->json, "progressDeadlineSeconds", DEFAULT_SECONDS) == 0)
		problem_warning(problems, "spec.progressDeadlineSeconds",
				"is 0: whatever is not ready at once has failed");
	spec->progress_deadline_us =
		(seconds < 0 || seconds > INT32_MAX ? DEFAULT_SECONDS : seconds) * DURATION_SECOND;
}

static void read(struct canary_spec *spec, const struct spec_options *options,
		 struct spec_problems *problems)
{
	const char *provider = json_string_or(spec->json, "provider", "");
	if (provider[0] == '\0')
		provider = options->default_provider;
	spec->provider = provider == NULL || provider[0] == '\0' ? "istio" : provider;
	/* Meshes that Linkerd speaks for are measured by Linkerd. */
	bool linkerd = options->default_provider != NULL &&
		       strstr(options->default_provider, "linkerd") != NULL;
	spec->metrics_provider = linkerd ? "linkerd" : spec->provider;
	bool has_class = options->ingress_class != NULL && options->ingress_class[0] != '\0';
	spec->ingress_class = has_class ? options->ingress_class : NULL;
	spec->ingress_prefix = options->ingress_prefix != NULL ? options->ingress_prefix
							       : "nginx.ingress.kubernetes.io";
	const char *server = json_string_or(spec->json, "metricsServer", "");
	spec->metrics_server = server[0] == '\0' ? NULL : server;
	spec->suspend = json_bool(spec->json, "suspend", false);
	spec->skip_analysis = json_bool(spec->json, "skipAnalysis", false);
	spec->revert_on_deletion = json_bool(spec->json, "revertOnDeletion", false);
	read_deadline(spec, problems);
	read_target(spec, problems);
	spec_read_service(spec, problems);
	spec_check_knative(spec, problems);
	if (spec->target != NULL && spec->target->driver != NULL)
		spec->provider = spec->target->driver;
	if (spec->target != NULL && spec->target->is_own_primary)
		text_copy(spec->primary_target, sizeof(spec->primary_target), spec->target_name);
	/* Routes lead to the copies themselves. */
	if (spec->target != NULL && spec->target->copy != NULL)
		text_copy(spec->primary_target, sizeof(spec->primary_target), spec->primary);
	spec_read_policy(spec, problems);
	spec_read_analysis(spec, options, problems);
	spec_read_metrics(spec, options, problems);
	spec_read_webhooks(spec, problems);
	spec_check_together(spec, options, problems);
}

struct canary_spec *canary_spec_new(const cJSON *object, const struct spec_options *options,
				    struct spec_problems *problems)
{
	size_t errors_before = problems->errors;
	if (!cJSON_IsObject(object)) {
		problem_error(problems, "", "must be an object");
		return NULL;
	}
	struct canary_spec *spec = xcalloc(1, sizeof(*spec));
	spec->object = copy_of(object);
	shape_check(&canary_shape, spec->object, "", problems);
	spec_fold_annotations(spec->object, problems);
	spec->json = json_get(spec->object, "spec");
	read_metadata(spec, problems);
	if (cJSON_IsObject(spec->json) && cJSON_IsObject(json_get(spec->json, "analysis")))
		read(spec, options, problems);
	if (problems->errors > errors_before) {
		canary_spec_free(spec);
		return NULL;
	}
	return spec;
}

void canary_spec_free(struct canary_spec *spec)
{
	if (spec == NULL)
		return;
	cJSON_Delete(spec->object);
	free(spec->metrics);
	free(spec->webhooks);
	free(spec);
}
