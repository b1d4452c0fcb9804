/*
 * target_knative.c - a Knative Service as a target: each change of its template makes a Revision,
 * and its own traffic block splits between the latest and one that an annotation names.
 *
 * Knative scales the revisions, and leads to none that is not ready.
 */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "canary/target.h"

const char *knative_latest(const cJSON *service)
{
	return json_string_or(service, "status.latestCreatedRevisionName", "");
}

const char *knative_primary(const cJSON *service)
{
	return json_string_or(service, "metadata.annotations[\"flagger.app/primary-revision\"]",
			      "");
}

bool knative_is_released(const cJSON *service, const struct status *status)
{
	char hash[HASH_TEXT_MAX], revision[HASH_TEXT_MAX];
	target_hash(&target_knative, service, hash);
	workload_revision(hash, NULL, revision);
	return strcmp(revision, status->memory.revision) == 0;
}

const char *knative_wanted_primary(const cJSON *service, const struct status *status)
{
	const char *latest = knative_latest(service), *primary = knative_primary(service);
	bool same = knative_is_released(service, status);
	switch (status->phase) {
	case PHASE_PROMOTING:
	case PHASE_FINALISING:
	case PHASE_SUCCEEDED:
	case PHASE_INITIALIZED:
		return same || primary[0] == '\0' ? latest : primary;
	case PHASE_NONE:
	case PHASE_INITIALIZING:
	case PHASE_WAITING:
	case PHASE_PROGRESSING:
	case PHASE_WAITING_PROMOTION:
	case PHASE_FAILED:
	case PHASE_TERMINATING:
	case PHASE_TERMINATED:
		break;
	}
	return primary[0] == '\0' ? latest : primary;
}

static cJSON *template(const cJSON *service)
{
	cJSON *made = cJSON_CreateObject();
	cJSON_AddStringToObject(made, "revision", knative_latest(service));
	return made;
}

static bool fits(const cJSON *service, struct error *err)
{
	if (knative_latest(service)[0] != '\0')
		return true;
	return error_set(err, ERROR_UNAVAILABLE, "knative service %s.%s has no revision yet",
			 json_string_or(service, "metadata.name", ""),
			 json_string_or(service, "metadata.namespace", ""));
}

/* How many there are is Knative's. */
static struct pod_counts pods(const cJSON *service)
{
	long some = knative_latest(service)[0] != '\0';
	return (struct pod_counts){some, some, some};
}

static const char *why_not(const cJSON *service)
{
	const cJSON *condition;
	cJSON_ArrayForEach(condition, json_at(service, "status.conditions"))
	{
		if (text_equal(json_string(condition, "type"), "ConfigurationsReady"))
			return json_string_or(condition, "message", "");
	}
	return "";
}

/* A primary was ready when it became one. */
static enum readiness ready(const cJSON *service, const struct ready_terms *terms,
			    struct error *why)
{
	const char *latest = knative_latest(service), *reason = why_not(service);
	if (service == NULL) {
		error_set(why, ERROR_NOT_FOUND, "the knative service is not there yet");
		return READY_NOT_YET;
	}
	bool older = !terms->canary && strcmp(knative_primary(service), latest) != 0 &&
		     knative_primary(service)[0] != '\0';
	if (older || text_equal(json_string(service, "status.latestReadyRevisionName"), latest))
		return READY;
	error_set(why, ERROR_UNAVAILABLE, "waiting for revision %s%s%s", latest,
		  reason[0] == '\0' ? "" : ": ", reason);
	bool late = terms->since_us + terms->deadline_us < terms->now_us && !terms->rests;
	return late ? READY_NEVER : READY_NOT_YET;
}

static bool same(const cJSON *service, const cJSON *primary)
{
	(void)primary;
	return strcmp(knative_primary(service), knative_latest(service)) == 0;
}

const struct target_kind target_knative = {
	.kube = {"serving.knative.dev/v1", "Service", "services", false},
	.noun = "knative service",
	.whole = true,
	.driver = "knative",
	.is_own_primary = true,
	.fits = fits,
	.template = template,
	.same = same,
	.pods = pods,
	.ready = ready,
};
