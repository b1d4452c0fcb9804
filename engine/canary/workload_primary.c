/*
 * workload_primary.c - the primary, made from the target.
 */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "canary/target.h"
#include "canary/workload_meta.h"

static void hash_of(const cJSON *json, char hash[HASH_TEXT_MAX])
{
	SCOPED(text) char *text = json_canonical(json);
	char hex[SHA256_HEX_SIZE];
	sha256_hex(text, strlen(text), hex);
	hex[16] = '\0';
	text_copy(hash, HASH_TEXT_MAX, hex);
}

void workload_revision(const char *template_hash, const cJSON *tracked,
		       char revision[HASH_TEXT_MAX])
{
	SCOPED(json) cJSON *both = cJSON_CreateObject();
	cJSON_AddStringToObject(both, "template", template_hash);
	if (tracked != NULL)
		cJSON_AddItemToObject(both, "configs", cJSON_Duplicate(tracked, true));
	hash_of(both, revision);
}

/* ---- names of tracked configs become those of the copies ---- */

static void suffix(cJSON *source, const char *member, const char *kind, const cJSON *tracked)
{
	const char *name = json_string(source, member);
	if (name == NULL)
		return;
	SCOPED(text) char *key = xasprintf("%s/%s", kind, name);
	if (json_get(tracked, key) == NULL)
		return;
	SCOPED(text) char *copy = xasprintf("%s-primary", name);
	json_put_string(source, member, copy);
}

static void rename_in_volumes(cJSON *volumes, const cJSON *tracked)
{
	cJSON *volume, *part;
	cJSON_ArrayForEach(volume, volumes)
	{
		suffix(json_get(volume, "configMap"), "name", "configmap", tracked);
		suffix(json_get(volume, "secret"), "secretName", "secret", tracked);
		cJSON_ArrayForEach(part, json_at(volume, "projected.sources"))
		{
			suffix(json_get(part, "configMap"), "name", "configmap", tracked);
			suffix(json_get(part, "secret"), "name", "secret", tracked);
		}
	}
}

static void rename_in_containers(cJSON *containers, const cJSON *tracked)
{
	cJSON *container, *item;
	cJSON_ArrayForEach(container, containers)
	{
		cJSON_ArrayForEach(item, json_get(container, "env"))
		{
			suffix(json_at(item, "valueFrom.configMapKeyRef"), "name", "configmap",
			       tracked);
			suffix(json_at(item, "valueFrom.secretKeyRef"), "name", "secret", tracked);
		}
		cJSON_ArrayForEach(item, json_get(container, "envFrom"))
		{
			suffix(json_get(item, "configMapRef"), "name", "configmap", tracked);
			suffix(json_get(item, "secretRef"), "name", "secret", tracked);
		}
	}
}

/* ---- selectors that mean the target's own pods mean the primary's in the copy ---- */

static bool is_selector_label(const char *key, const struct workload_options *options)
{
	for (const char *const *label = options->selector_labels; *label != NULL; label++)
		if (text_equal(*label, key))
			return true;
	return false;
}

static void rewrite_selector(cJSON *selector, const char *target,
			     const struct workload_options *options)
{
	SCOPED(text) char *primary = xasprintf("%s-primary", target);
	cJSON *item, *value;
	cJSON_ArrayForEach(item, json_get(selector, "matchLabels"))
	{
		if (is_selector_label(item->string, options) && cJSON_IsString(item) &&
		    strcmp(item->valuestring, target) == 0)
			cJSON_SetValuestring(item, primary);
	}
	cJSON_ArrayForEach(item, json_get(selector, "matchExpressions"))
	{
		if (!is_selector_label(json_string(item, "key"), options))
			continue;
		int i = 0;
		cJSON_ArrayForEach(value, json_get(item, "values"))
		{
			if (cJSON_IsString(value) && strcmp(value->valuestring, target) == 0) {
				cJSON_ReplaceItemInArray(json_get(item, "values"), i,
							 cJSON_CreateString(primary));
				break;
			}
			i++;
		}
	}
}

static void rewrite_affinity(cJSON *pod, const char *target, const struct workload_options *options)
{
	cJSON *term;
	cJSON *anti = json_at(pod, "affinity.podAntiAffinity");
	cJSON_ArrayForEach(term, json_get(anti, "preferredDuringSchedulingIgnoredDuringExecution"))
		rewrite_selector(json_at(term, "podAffinityTerm.labelSelector"), target, options);
	cJSON_ArrayForEach(term, json_get(anti, "requiredDuringSchedulingIgnoredDuringExecution"))
		rewrite_selector(json_get(term, "labelSelector"), target, options);
	cJSON_ArrayForEach(term, json_get(pod, "topologySpreadConstraints"))
		rewrite_selector(json_get(term, "labelSelector"), target, options);
}

/* ---- the template ---- */

/* RFC 4122 in form, but a function of the canary and the revision: promoting twice is promoting
 * once. */
static void flagger_id(const struct canary_spec *spec, const char *revision, char id[40])
{
	char hex[SHA256_HEX_SIZE];
	SCOPED(text) char *of = xasprintf("%s/%s", spec->uid, revision);
	sha256_hex(of, strlen(of), hex);
	snprintf(id, 40, "%.8s-%.4s-4%.3s-a%.3s-%.12s", hex, hex + 8, hex + 12, hex + 15, hex + 18);
}

static const char id_path[] = "metadata.annotations[\"flagger-id\"]";

static cJSON *template_without_id(const struct canary_spec *spec, const cJSON *target,
				  const struct selector_label *label, const cJSON *tracked,
				  const struct workload_options *options)
{
	SCOPED(json)
	cJSON *made = spec->target->template == NULL ? NULL : spec->target->template(target);
	const cJSON *from = made != NULL ? made : json_at(target, "spec.template");
	cJSON *template = cJSON_CreateObject(), *metadata = cJSON_CreateObject();
	cJSON *labels = meta_without_toolkit(json_at(from, "metadata.labels"));
	cJSON *annotations = meta_without_toolkit(json_at(from, "metadata.annotations"));
	SCOPED(text) char *value = xasprintf("%s-primary", label->value);
	meta_set(labels, label->key, value);
	cJSON_AddItemToObject(metadata, "labels", labels);
	cJSON_AddItemToObject(metadata, "annotations", annotations);
	cJSON_AddItemToObject(template, "metadata", metadata);
	cJSON *pod = cJSON_Duplicate(json_get(from, "spec"), true);
	if (pod == NULL)
		pod = cJSON_CreateObject();
	rename_in_volumes(json_get(pod, "volumes"), tracked);
	rename_in_containers(json_get(pod, "containers"), tracked);
	rename_in_containers(json_get(pod, "initContainers"), tracked);
	if (spec->target->rewrites_affinity)
		rewrite_affinity(pod, spec->target_name, options);
	cJSON_AddItemToObject(template, "spec", pod);
	return template;
}

cJSON *workload_primary_template(const struct canary_spec *spec, const cJSON *target,
				 const struct selector_label *label, const cJSON *tracked,
				 const char *revision, const struct workload_options *options)
{
	cJSON *template = template_without_id(spec, target, label, tracked, options);
	char id[40];
	flagger_id(spec, revision, id);
	json_put_string(template, id_path, id);
	return template;
}

bool workload_same_template(const struct canary_spec *spec, const cJSON *target,
			    const cJSON *primary, const struct selector_label *label,
			    const cJSON *tracked, const struct workload_options *options)
{
	if (spec->target->same != NULL)
		return spec->target->same(target, primary);
	SCOPED(json) cJSON *wanted = template_without_id(spec, target, label, tracked, options);
	SCOPED(json) cJSON *live = cJSON_Duplicate(json_at(primary, "spec.template"), true);
	if (live == NULL)
		return false;
	json_remove(live, id_path);
	json_remove(live, "metadata.creationTimestamp");
	json_remove(wanted, "metadata.creationTimestamp");
	if (json_at(live, "metadata.annotations") == NULL)
		json_put(live, "metadata.annotations", cJSON_CreateObject());
	return json_equal(live, wanted);
}

bool workload_same(const struct canary_spec *spec, const cJSON *target, const cJSON *primary,
		   const struct selector_label *label, const cJSON *tracked,
		   const struct workload_options *options)
{
	if (!workload_same_template(spec, target, primary, label, tracked, options))
		return false;
	/* The template names the configs; what is in them is told by the revision it carries. */
	if (tracked == NULL)
		return true;
	char hash[HASH_TEXT_MAX], revision[HASH_TEXT_MAX];
	target_hash(spec->target, target, hash);
	workload_revision(hash, tracked, revision);
	return workload_carries(spec, primary, tracked, revision);
}

bool workload_carries(const struct canary_spec *spec, const cJSON *primary, const cJSON *tracked,
		      const char *revision)
{
	char id[40];
	if (spec->target->is_own_primary) {
		char hash[HASH_TEXT_MAX], now[HASH_TEXT_MAX];
		target_hash(spec->target, primary, hash);
		workload_revision(hash, tracked, now);
		return strcmp(now, revision) == 0 && spec->target->same(primary, primary);
	}
	flagger_id(spec, revision, id);
	const cJSON *of = spec->target->copy != NULL ? primary : json_at(primary, "spec.template");
	return text_equal(json_string(of, id_path), id);
}

bool workload_selector_of_primary(const cJSON *primary, const struct workload_options *options,
				  struct selector_label *label)
{
	static const char suffix[] = "-primary";
	struct error err;
	if (!workload_selector(primary, options, label, &err) || !text_ends(label->value, suffix))
		return false;
	label->value[strlen(label->value) - (sizeof(suffix) - 1)] = '\0';
	return true;
}

/* ---- the primary ---- */

/* What its controller counts is not the primary's. */
static void drop_counts(cJSON *annotations)
{
	cJSON_DeleteItemFromObjectCaseSensitive(annotations, "deployment.kubernetes.io/revision");
	cJSON_DeleteItemFromObjectCaseSensitive(annotations,
						"deprecated.daemonset.template.generation");
}

cJSON *workload_primary(const struct canary_spec *spec, const cJSON *target,
			const struct selector_label *label, const cJSON *tracked,
			const char *revision, const struct workload_options *options)
{
	if (spec->target->copy != NULL) {
		cJSON *made = spec->target->copy(spec, target, spec->primary_target);
		char id[40];
		flagger_id(spec, revision, id);
		json_put_string(made, id_path, id);
		return made;
	}
	cJSON *primary = meta_object(spec, spec->target->kube.api_version, spec->target->kube.kind,
				     spec->primary_target);
	cJSON *labels = meta_included(json_at(target, "metadata.labels"), options);
	SCOPED(text) char *value = xasprintf("%s-primary", label->value);
	meta_set(labels, label->key, value);
	json_put(primary, "metadata.labels", labels);
	cJSON *annotations = meta_without_toolkit(json_at(target, "metadata.annotations"));
	drop_counts(annotations);
	if (annotations->child != NULL)
		json_put(primary, "metadata.annotations", annotations);
	else
		cJSON_Delete(annotations);
	long replicas = json_int(target, "spec.replicas", 1);
	if (spec->target->scales)
		json_put_number(primary, "spec.replicas", replicas > 0 ? (double)replicas : 1);
	cJSON *match = cJSON_CreateObject();
	meta_set(match, label->key, value);
	json_put(primary, "spec.selector.matchLabels", match);
	cJSON *into = json_get(primary, "spec");
	for (const char *const *name = spec->target->copied; *name != NULL; name++) {
		const cJSON *field = json_get(json_get(target, "spec"), *name);
		if (field != NULL)
			cJSON_AddItemToObject(into, *name, cJSON_Duplicate(field, true));
	}
	cJSON_AddItemToObject(
		into, "template",
		workload_primary_template(spec, target, label, tracked, revision, options));
	return primary;
}

static void merge_map(cJSON *patch, const cJSON *primary, const char *member, cJSON *owned_added)
{
	cJSON *merged = cJSON_Duplicate(json_get(json_get(primary, "metadata"), member), true);
	if (merged == NULL)
		merged = cJSON_CreateObject();
	const cJSON *item;
	cJSON_ArrayForEach(item, owned_added)
	{
		if (cJSON_IsString(item))
			meta_set(merged, item->string, item->valuestring);
	}
	cJSON_Delete(owned_added);
	SCOPED(text) char *path = xasprintf("/metadata/%s", member);
	if (merged->child != NULL)
		json_patch_add(patch, "add", path, merged);
	else
		cJSON_Delete(merged);
}

cJSON *workload_promotion(const struct canary_spec *spec, const cJSON *target, const cJSON *primary,
			  const struct selector_label *label, const cJSON *tracked,
			  const char *revision, const struct workload_options *options)
{
	cJSON *patch = cJSON_CreateArray();
	json_patch_add(patch, "test", "/metadata/resourceVersion",
		       cJSON_CreateString(json_string_or(primary, "metadata.resourceVersion", "")));
	merge_map(patch, primary, "labels",
		  meta_included(json_at(target, "metadata.labels"), options));
	/* The labels of the target name the target; this one names the primary. */
	SCOPED(text) char *value = xasprintf("%s-primary", label->value);
	cJSON *labels = json_at(cJSON_GetArrayItem(patch, cJSON_GetArraySize(patch) - 1), "value");
	if (cJSON_GetArraySize(patch) > 1 && json_get(labels, label->key) != NULL)
		meta_set(labels, label->key, value);
	cJSON *annotations = meta_included(json_at(target, "metadata.annotations"), options);
	drop_counts(annotations);
	workload_keep_former(primary, annotations);
	merge_map(patch, primary, "annotations", annotations);
	for (const char *const *name = spec->target->copied; *name != NULL; name++) {
		const cJSON *field = json_get(json_get(target, "spec"), *name);
		SCOPED(text) char *path = xasprintf("/spec/%s", *name);
		if (field != NULL)
			json_patch_add(patch, "add", path, cJSON_Duplicate(field, true));
	}
	long replicas = json_int(target, "spec.replicas", 0);
	bool apart = spec->canary_replicas > 0 || spec->canary_percent > 0;
	if (spec->target->scales && spec->scaler_name == NULL && replicas > 0 && !apart)
		json_patch_add(patch, "add", "/spec/replicas",
			       cJSON_CreateNumber((double)replicas));
	json_patch_add(patch, "replace", "/spec/template",
		       workload_primary_template(spec, target, label, tracked, revision, options));
	return patch;
}

cJSON *workload_scale(const cJSON *workload, int replicas)
{
	cJSON *patch = cJSON_CreateArray();
	json_patch_add(patch, "test", "/metadata/uid",
		       cJSON_CreateString(json_string_or(workload, "metadata.uid", "")));
	json_patch_add(patch, "test", "/metadata/generation",
		       cJSON_CreateNumber(json_number(workload, "metadata.generation", 0)));
	json_patch_add(patch, "add", "/spec/replicas", cJSON_CreateNumber(replicas));
	return patch;
}
