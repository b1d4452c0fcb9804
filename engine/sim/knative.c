/*
 * knative.c - a fake of Knative's controllers: a Revision for each template, and the traffic that
 * the spec of a Service wants.
 *
 * As the real ones do it (knative.dev/serving/pkg/reconciler): what was the latest ready revision
 * stays that, though it be ready no more; a traffic block is taken over whole, or, where one of its
 * revisions is not ready, what was routed stays.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "sim/controllers.h"
#include "sim/server.h"

static const struct writer controller = {.manager = "controller"};
static const struct kube_kind kube_knative_revision = {"serving.knative.dev/v1", "Revision",
						       "revisions", false};

bool knative_is_service(const struct kube_ref *ref)
{
	return strcmp(ref->plural, "services") == 0 &&
	       text_starts(ref->api_version, "serving.knative.dev/");
}

static void add_condition(cJSON *status, const char *type, const char *value, const char *reason,
			  const char *message)
{
	cJSON *condition = cJSON_CreateObject(), *conditions = json_get(status, "conditions");
	if (conditions == NULL)
		conditions = cJSON_AddArrayToObject(status, "conditions");
	json_put_string(condition, "type", type);
	json_put_string(condition, "status", value);
	if (reason != NULL)
		json_put_string(condition, "reason", reason);
	if (message != NULL)
		json_put_string(condition, "message", message);
	cJSON_AddItemToArray(conditions, condition);
}

/* ---- revisions ---- */

static struct stored *revision_of(const struct cluster *cluster, const cJSON *service,
				  const char *name)
{
	char path[KUBE_PATH_MAX];
	if (name[0] == '\0' || !kube_path(path, &kube_knative_revision,
					  json_string_or(service, "metadata.namespace", ""), name))
		return NULL;
	return store_find(&cluster->store, path);
}

static bool is_ready(const struct cluster *cluster, const cJSON *service, const char *name)
{
	const struct stored *revision = revision_of(cluster, service, name);
	return revision != NULL &&
	       text_equal(json_string(revision->object, "status.conditions[0].status"), "True");
}

static cJSON *revision_status(const cJSON *revision, bool ready, const char *why)
{
	cJSON *status = cJSON_CreateObject();
	json_put_number(status, "observedGeneration",
			json_number(revision, "metadata.generation", 0));
	add_condition(status, "Ready", ready ? "True" : "False", ready ? NULL : "ExitCode1",
		      ready ? NULL : why);
	return status;
}

static void create_revision(struct cluster *cluster, const cJSON *service, const char *name)
{
	cJSON *revision = cJSON_CreateObject(), *owners = cJSON_CreateArray();
	cJSON *owner = cJSON_CreateObject();
	struct kube_ref ref = {0};
	int code;
	json_put_string(revision, "apiVersion", kube_knative_revision.api_version);
	json_put_string(revision, "kind", kube_knative_revision.kind);
	json_put_string(revision, "metadata.name", name);
	json_put_string(revision, "metadata.namespace", json_string(service, "metadata.namespace"));
	json_put_string(owner, "apiVersion", "serving.knative.dev/v1");
	json_put_string(owner, "kind", "Service");
	json_put_string(owner, "name", json_string(service, "metadata.name"));
	json_put_string(owner, "uid", json_string(service, "metadata.uid"));
	cJSON_AddItemToArray(owners, owner);
	json_put(revision, "metadata.ownerReferences", owners);
	json_put(revision, "spec", json_copy(json_at(service, "spec.template.spec")));
	text_copy(ref.api_version, sizeof(ref.api_version), kube_knative_revision.api_version);
	text_copy(ref.plural, sizeof(ref.plural), kube_knative_revision.plural);
	text_copy(ref.namespace, sizeof(ref.namespace),
		  json_string_or(service, "metadata.namespace", ""));
	json_free(verb_create(cluster, &ref, revision, &controller, &code));
}

/* A Service that is "down" or "never-ready" is so in its latest revision alone. */
static void see_revision(struct cluster *cluster, const cJSON *service, const char *name)
{
	int code;
	if (revision_of(cluster, service, name) == NULL)
		create_revision(cluster, service, name);
	struct stored *revision = revision_of(cluster, service, name);
	if (revision == NULL)
		return;
	bool never = workload_never_ready(service), down = workload_is_down(service);
	cJSON *next = json_copy(revision->object);
	json_put(next, "status",
		 revision_status(revision->object, !never && !down,
				 never ? "its pods do not become ready" : "its pods are down"));
	json_free(verb_replace(cluster, revision, next, true, &controller, &code));
}

/* ---- the Service ---- */

static cJSON *wanted_traffic(const cJSON *service, const char *ready)
{
	cJSON *traffic = json_copy(json_at(service, "spec.traffic")), *entry;
	if (traffic == NULL) {
		traffic = cJSON_CreateArray();
		entry = cJSON_CreateObject();
		json_put_bool(entry, "latestRevision", true);
		json_put_number(entry, "percent", 100);
		cJSON_AddItemToArray(traffic, entry);
	}
	cJSON_ArrayForEach(entry, traffic)
	{
		if (json_string(entry, "revisionName") == NULL)
			json_put_string(entry, "revisionName", ready);
	}
	return traffic;
}

static void add_traffic(const struct cluster *cluster, const cJSON *service, const char *ready,
			cJSON *status)
{
	cJSON *wanted = wanted_traffic(service, ready);
	const cJSON *entry, *routed = json_at(service, "status.traffic");
	SCOPED(text) char *why = NULL;
	cJSON_ArrayForEach(entry, wanted)
	{
		const char *name = json_string_or(entry, "revisionName", "");
		if (why == NULL && !is_ready(cluster, service, name))
			why = xasprintf("Revision \"%s\" failed to become ready.", name);
	}
	add_condition(status, "RoutesReady", why == NULL ? "True" : "False",
		      why == NULL ? NULL : "RevisionMissing", why);
	if (why == NULL) {
		json_put(status, "traffic", wanted);
		return;
	}
	json_free(wanted);
	if (routed != NULL)
		json_put(status, "traffic", json_copy(routed));
}

/* "hello-00002"; the template that it is of stands in an annotation of the status. */
static void name_latest(const cJSON *service, const char *digest, char name[KUBE_NAME_MAX])
{
	const char *last = json_string_or(service, "status.latestCreatedRevisionName", "-0");
	bool renewed = !text_equal(json_string(service, "status.annotations.template"), digest);
	snprintf(name, KUBE_NAME_MAX, "%.200s-%05ld", json_string_or(service, "metadata.name", ""),
		 strtol(strrchr(last, '-') + 1, NULL, 10) + renewed);
}

static cJSON *service_status(const struct cluster *cluster, const cJSON *service,
			     const char *latest, const char *digest)
{
	cJSON *status = cJSON_CreateObject();
	bool is = is_ready(cluster, service, latest);
	const char *ready =
		is ? latest : json_string_or(service, "status.latestReadyRevisionName", "");
	json_put_number(status, "observedGeneration",
			json_number(service, "metadata.generation", 0));
	json_put_string(status, "annotations.template", digest);
	json_put_string(status, "latestCreatedRevisionName", latest);
	if (ready[0] != '\0')
		json_put_string(status, "latestReadyRevisionName", ready);
	add_condition(status, "ConfigurationsReady", is ? "True" : "False",
		      is ? NULL : "RevisionFailed", NULL);
	add_traffic(cluster, service, ready, status);
	return status;
}

void knative_step(struct cluster *cluster, struct stored *stored)
{
	SCOPED(json) cJSON *service = json_copy(stored->object);
	SCOPED(text) char *path = xstrdup(stored->path);
	char latest[KUBE_NAME_MAX], digest[24];
	int code;
	snprintf(digest, sizeof(digest), "%08x",
		 (unsigned)json_digest(json_at(service, "spec.template")));
	name_latest(service, digest, latest);
	see_revision(cluster, service, latest);
	stored = store_find(&cluster->store, path);
	if (stored == NULL)
		return;
	cJSON *next = json_copy(stored->object);
	json_put(next, "status", service_status(cluster, service, latest, digest));
	json_free(verb_replace(cluster, stored, next, true, &controller, &code));
}
