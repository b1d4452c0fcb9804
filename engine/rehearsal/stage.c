/*
 * stage.c - what is there when a rehearsal begins: the objects of its files, and in the place of
 * what these only name, something that does no more than to be there.
 */
#include "base/json.h"
#include "base/mem.h"
#include "canary/target.h"
#include "rehearsal/parts.h"

static bool apply(struct play *play, const cJSON *object)
{
	return cluster_apply(play->cluster, object, &play->error);
}

static bool make_target(struct play *play, const cJSON *canary)
{
	const char *name = json_string_or(canary, "spec.targetRef.name", "");
	const char *namespace = json_string_or(canary, "metadata.namespace", "default");
	SCOPED(text) char *primary = xasprintf("%s-primary", name);
	const struct target_kind *kind =
		target_find(json_string_or(canary, "spec.targetRef.apiVersion", ""),
			    json_string_or(canary, "spec.targetRef.kind", ""));
	if (kind == NULL)
		kind = &target_deployment; /* and the daemon says what is wrong */
	kube_path(play->target, &kind->kube, namespace, name);
	kube_path(play->primary, &kind->kube, namespace, primary);
	if (cluster_get(play->cluster, play->target) != NULL)
		return true;
	SCOPED(json) cJSON *target = cJSON_CreateObject();
	json_put_string(target, "apiVersion", kind->kube.api_version);
	json_put_string(target, "kind", kind->kube.kind);
	json_put_string(target, "metadata.name", name);
	json_put_string(target, "metadata.namespace", namespace);
	if (kind->scales)
		json_put_number(target, "spec.replicas", 1);
	if (kind == &target_service) {
		json_put_string(target, "spec.selector.app", name);
		return apply(play, target);
	}
	json_put_string(target, "spec.selector.matchLabels.app", name);
	json_put_string(target, "spec.template.metadata.labels.app", name);
	cJSON *containers = cJSON_CreateArray(), *container = cJSON_CreateObject();
	json_put_string(container, "name", name);
	json_put_string(container, "image", "image:1");
	cJSON_AddItemToArray(containers, container);
	json_put(target, "spec.template.spec.containers", containers);
	return apply(play, target);
}

/* One that does nothing, in the place of what is not among the files. */
static bool make_scaler(struct play *play, const cJSON *canary)
{
	const cJSON *reference = json_at(canary, "spec.autoscalerRef");
	const char *name = json_string(reference, "name");
	bool keda = text_equal(json_string(reference, "kind"), kube_scaled_object.kind);
	const struct kube_kind *kind = keda ? &kube_scaled_object : &kube_hpa;
	const char *namespace = json_string_or(canary, "metadata.namespace", "default");
	char path[KUBE_PATH_MAX];
	if (name == NULL || !kube_path(path, kind, namespace, name) ||
	    cluster_get(play->cluster, path) != NULL)
		return true;
	SCOPED(json) cJSON *scaler = cJSON_CreateObject();
	json_put_string(scaler, "apiVersion", kind->api_version);
	json_put_string(scaler, "kind", kind->kind);
	json_put_string(scaler, "metadata.name", name);
	json_put_string(scaler, "metadata.namespace", namespace);
	json_put(scaler, "spec.scaleTargetRef.name",
		 cJSON_Duplicate(json_at(canary, "spec.targetRef.name"), true));
	return apply(play, scaler);
}

/* An address in the place of one that is not told, as Secrets seldom are among the files. */
static bool make_address(struct play *play, const cJSON *provider)
{
	char path[KUBE_PATH_MAX];
	const char *namespace = json_string_or(provider, "metadata.namespace", "default");
	const char *name = json_string(provider, "spec.secretRef.name");
	if (name == NULL || !kube_path(path, &kube_secret, namespace, name) ||
	    cluster_get(play->cluster, path) != NULL)
		return true;
	SCOPED(json) cJSON *secret = cJSON_CreateObject();
	json_put_string(secret, "apiVersion", kube_secret.api_version);
	json_put_string(secret, "kind", kube_secret.kind);
	json_put_string(secret, "metadata.name", name);
	json_put_string(secret, "metadata.namespace", namespace);
	json_put_string(secret, "data.address", "aHR0cHM6Ly9yZWNlaXZlci5pbnZhbGlkLw==");
	return apply(play, secret);
}

/* Whom an alert is for is among the objects. */
static bool is_there(const struct play *play, const cJSON *canary, const cJSON *alert)
{
	char path[KUBE_PATH_MAX];
	const char *elsewhere = json_string_or(alert, "providerRef.namespace", "");
	const char *own = json_string_or(canary, "metadata.namespace", "default");
	return kube_path(path, &kube_alert_provider, elsewhere[0] == '\0' ? own : elsewhere,
			 json_string_or(alert, "providerRef.name", "")) &&
	       cluster_get(play->cluster, path) != NULL;
}

/* What would be told to somebody unknown is not told. */
static bool quiet(struct play *play, const cJSON *canary)
{
	SCOPED(json) cJSON *quieter = cJSON_Duplicate(canary, true);
	cJSON *alerts = json_at(quieter, "spec.analysis.alerts");
	cJSON *alert = alerts == NULL ? NULL : alerts->child;
	while (alert != NULL) {
		cJSON *next = alert->next;
		if (!is_there(play, canary, alert))
			cJSON_Delete(cJSON_DetachItemViaPointer(alerts, alert));
		alert = next;
	}
	return apply(play, quieter);
}

bool play_put_objects(struct play *play)
{
	const cJSON *object, *canary = NULL;
	cJSON_ArrayForEach(object, play->input->objects)
	{
		if (!apply(play, object))
			return false;
		if (!text_equal(json_string(object, "kind"), "Canary"))
			continue;
		canary = object;
		cluster_path(object, play->canary);
	}
	cJSON_ArrayForEach(object, play->input->objects)
	{
		if (text_equal(json_string(object, "kind"), "AlertProvider") &&
		    !make_address(play, object))
			return false;
	}
	return quiet(play, canary) && make_target(play, canary) && make_scaler(play, canary);
}
