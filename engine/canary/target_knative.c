/*
 * target_knative.c - a Knative Service as a target: each change of its template makes a Revision,
 * and its own traffic block splits between the latest and one that an annotation names.
 *
 * Knative scales the revisions. It takes over a traffic block whole, or, while one revision in it
 * is not ready, nothing of it.
 */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "canary/target.h"

static const struct kube_kind kube_knative_revision = {"serving.knative.dev/v1", "Revision",
						       "revisions", false};

const char knative_primary_path[] = "metadata.annotations[\"flagger.app/primary-revision\"]";

const char *knative_latest(const cJSON *service)
{
	return json_string_or(service, "status.latestCreatedRevisionName", "");
}

const char *knative_primary(const cJSON *service)
{
	return json_string_or(service, knative_primary_path, "");
}

/* ---- which revision shall be what ---- */

static bool is_revision(const char *name, const char *revision)
{
	char hex[HASH_TEXT_MAX], of[HASH_TEXT_MAX];
	SCOPED(json) cJSON *latest = cJSON_CreateObject();
	json_put_string(latest, "status.latestCreatedRevisionName", name);
	target_hash(&target_knative, latest, hex);
	workload_revision(hex, NULL, of);
	return strcmp(of, revision) == 0;
}

bool knative_is_released(const cJSON *service, const struct status *status)
{
	return is_revision(knative_latest(service), status->memory.revision);
}

/* Whether somebody took the annotation away from one that had it: what has traffic tells. At rest
 * after a promotion the status knows which it was, else it is the one that is not analysed. */
static const char *lost_primary(const cJSON *service, const struct status *status)
{
	static const char *const blocks[] = {"spec.traffic", "status.traffic"};
	enum phase phase = status->phase;
	bool promoted = phase == PHASE_SUCCEEDED || phase == PHASE_INITIALIZED;
	for (size_t i = 0; i < ARRAY_LEN(blocks) && phase != PHASE_INITIALIZING; i++) {
		const cJSON *entry;
		cJSON_ArrayForEach(entry, json_at(service, blocks[i]))
		{
			const char *name = json_string_or(entry, "revisionName", "");
			if (name[0] != '\0' && json_int(entry, "percent", 0) > 0 &&
			    is_revision(name, status->memory.revision) == promoted)
				return name;
		}
	}
	return knative_latest(service);
}

const char *knative_wanted_primary(const cJSON *service, const struct status *status)
{
	const char *primary = knative_primary(service);
	if (primary[0] == '\0')
		primary = lost_primary(service, status);
	switch (status->phase) {
	case PHASE_PROMOTING:
	case PHASE_FINALISING:
	case PHASE_SUCCEEDED:
	case PHASE_INITIALIZED:
		return knative_is_released(service, status) ? knative_latest(service) : primary;
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
	return primary;
}

int knative_share(const cJSON *block, const char *revision, const char *latest)
{
	int share = 0;
	const cJSON *entry;
	cJSON_ArrayForEach(entry, block)
	{
		const char *name = json_string(entry, "revisionName");
		if (text_equal(name == NULL ? latest : name, revision))
			share += (int)json_int(entry, "percent", 0);
	}
	return share;
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

static bool same(const cJSON *service, const cJSON *primary)
{
	(void)primary;
	return strcmp(knative_primary(service), knative_latest(service)) == 0;
}

/* ---- readiness ---- */

/* How many there are is Knative's. */
static struct pod_counts pods(const cJSON *service)
{
	long some = knative_latest(service)[0] != '\0';
	return (struct pod_counts){some, some, some};
}

static bool revision_path(const cJSON *service, const char *name, char path[KUBE_PATH_MAX])
{
	return kube_path(path, &kube_knative_revision,
			 json_string_or(service, "metadata.namespace", ""), name);
}

static void also(const cJSON *service, cJSON *paths)
{
	const char *names[] = {knative_latest(service), knative_primary(service)};
	char path[KUBE_PATH_MAX];
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		bool known = i > 0 && strcmp(names[i], names[0]) == 0;
		if (names[i][0] != '\0' && !known && revision_path(service, names[i], path))
			cJSON_AddItemToArray(paths, cJSON_CreateString(path));
	}
}

static const cJSON *condition_of(const cJSON *object, const char *type)
{
	const cJSON *condition;
	cJSON_ArrayForEach(condition, json_at(object, "status.conditions"))
	{
		if (text_equal(json_string(condition, "type"), type))
			return condition;
	}
	return NULL;
}

/* ": " and what it says of itself, or nothing. */
static void put_reason(const cJSON *condition, struct error *why)
{
	const char *text = json_string_or(condition, "message", "");
	size_t len = strlen(why->text);
	if (text[0] == '\0')
		text = json_string_or(condition, "reason", "");
	if (text[0] != '\0' && len + 3 < sizeof(why->text)) {
		text_copy(why->text + len, sizeof(why->text) - len, ": ");
		text_copy(why->text + len + 2, sizeof(why->text) - len - 2, text);
	}
}

bool knative_is_ready(const cJSON *service, const cJSON *others, const char *revision,
		      struct error *why)
{
	char path[KUBE_PATH_MAX];
	const cJSON *object =
		revision_path(service, revision, path) ? json_get(others, path) : NULL;
	const cJSON *condition = condition_of(object, "Ready");
	bool seen = json_int(object, "status.observedGeneration", 0) >=
		    json_int(object, "metadata.generation", 0);
	if (cJSON_IsObject(object) && seen && text_equal(json_string(condition, "status"), "True"))
		return true;
	error_set(why, ERROR_UNAVAILABLE, "waiting for revision %s to become ready", revision);
	put_reason(condition, why);
	return false;
}

/* What `from` gives to each, `to` gives too; nothing said is all for the latest. */
static bool covers(const cJSON *from, const cJSON *to, const char *latest)
{
	const cJSON *entry;
	if (from == NULL)
		return knative_share(to, latest, latest) == 100;
	cJSON_ArrayForEach(entry, from)
	{
		const char *name = json_string_or(entry, "revisionName", latest);
		if (to == NULL
			    ? strcmp(name, latest) != 0
			    : knative_share(from, name, latest) != knative_share(to, name, latest))
			return false;
	}
	return true;
}

bool knative_is_routed(const cJSON *service, struct error *why)
{
	const cJSON *condition = condition_of(service, "RoutesReady");
	const cJSON *wanted = json_at(service, "spec.traffic");
	const cJSON *routed = json_at(service, "status.traffic");
	const char *latest = json_string_or(service, "status.latestReadyRevisionName", "");
	bool seen = partition_is_seen(service);
	if (seen && text_equal(json_string(condition, "status"), "True") &&
	    covers(wanted, routed, latest) && covers(routed, wanted, latest))
		return true;
	error_set(why, ERROR_UNAVAILABLE, "waiting for the traffic of knative service %s.%s",
		  json_string_or(service, "metadata.name", ""),
		  json_string_or(service, "metadata.namespace", ""));
	put_reason(seen ? condition : NULL, why);
	return false;
}

/* A primary was ready when it became one. */
static enum readiness ready(const cJSON *service, const struct ready_terms *terms,
			    struct error *why)
{
	if (service == NULL) {
		error_set(why, ERROR_NOT_FOUND, "the knative service is not there yet");
		return READY_NOT_YET;
	}
	const char *latest = knative_latest(service), *primary = knative_primary(service);
	bool older = !terms->canary && primary[0] != '\0' && strcmp(primary, latest) != 0;
	bool late = terms->since_us + terms->deadline_us < terms->now_us && !terms->rests;
	if (!older && !knative_is_ready(service, terms->others, latest, why))
		return late ? READY_NEVER : READY_NOT_YET;
	/* Its route is waited for as such, but not for ever. */
	return older || !late || knative_is_routed(service, why) ? READY : READY_NEVER;
}

const struct target_kind target_knative = {
	.kube = {"serving.knative.dev/v1", "Service", "services", false},
	.noun = "knative service",
	.whole = true,
	.driver = "knative",
	.is_own_primary = true,
	.spares = true,
	.fits = fits,
	.template = template,
	.same = same,
	.pods = pods,
	.also = also,
	.ready = ready,
};
