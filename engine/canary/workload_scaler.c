/*
 * workload_scaler.c - the primary's autoscaler, made from the target's: an HPA, or a ScaledObject
 * of KEDA.
 */
#include <ctype.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "canary/workload_meta.h"

const char workload_paused_replicas[] = "autoscaling.keda.sh/paused-replicas";

static cJSON *scaler_copy(const struct canary_spec *spec, const struct kube_kind *kind,
			  const cJSON *scaler)
{
	SCOPED(text)
	char *name =
		xasprintf("%s-primary", json_string_or(scaler, "metadata.name", spec->scaler_name));
	cJSON *copy = meta_object(spec, kind->api_version, kind->kind, name);
	cJSON *labels = meta_without_toolkit(json_at(scaler, "metadata.labels"));
	if (labels->child != NULL)
		json_put(copy, "metadata.labels", labels);
	else
		cJSON_Delete(labels);
	return copy;
}

/* What the Canary wants it to be, or NULL. */
static const cJSON * override(const struct canary_spec *spec, const char *member)
{
	const cJSON *ours = json_get(json_get(spec->scaler, "primaryScalerReplicas"), member);
	return cJSON_IsNumber(ours) ? ours : NULL;
}

cJSON *workload_primary_hpa(const struct canary_spec *spec, const cJSON *hpa)
{
	static const char *const members[] = {"minReplicas", "maxReplicas", "metrics", "behavior"};
	cJSON *copy = scaler_copy(spec, &kube_hpa, hpa);
	json_put_string(copy, "spec.scaleTargetRef.apiVersion", spec->target_api_version);
	json_put_string(copy, "spec.scaleTargetRef.kind", spec->target_kind);
	json_put_string(copy, "spec.scaleTargetRef.name", spec->primary_target);
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		const cJSON *member = json_get(json_get(hpa, "spec"), members[i]);
		const cJSON *ours = override(spec, members[i]);
		if (ours != NULL)
			member = ours;
		if (member != NULL)
			cJSON_AddItemToObject(json_get(copy, "spec"), members[i],
					      cJSON_Duplicate(member, true));
	}
	return copy;
}

/* ---- queries that count the target count the primary in the copy ---- */

/* Whether a character goes on with the name of a workload. Names have no underscore, but words
 * outside of quotes do: "podinfo_requests_total" is none of ours. */
static bool goes_on(char c, bool quoted)
{
	return isalnum((unsigned char)c) || (c == '_' && !quoted);
}

/* How much of `text`, which begins with the target's name, means the target: the name itself or,
 * as some name the Service, with "-canary". 0: it is another name that begins alike. */
static size_t means_target(const char *text, size_t len, bool quoted)
{
	static const char canary[] = "-canary", primary[] = "-primary";
	const char *rest = text + len;
	if (text_starts(rest, primary))
		return 0;
	if (text_starts(rest, canary))
		rest += sizeof(canary) - 1;
	bool other = goes_on(*rest, quoted) || (*rest == '-' && isalnum((unsigned char)rest[1]));
	return other ? 0 : (size_t)(rest - text);
}

static cJSON *query_of_primary(const char *query, const char *target)
{
	SCOPED(buf) struct buf text = {0};
	size_t len = strlen(target);
	char quote = '\0', before = '\0';
	buf_init(&text, QUERY_MAX);
	for (const char *c = query; *c != '\0';) {
		bool starts = !goes_on(before, quote != '\0') && before != '-';
		size_t meant = starts && strncmp(c, target, len) == 0
				       ? means_target(c, len, quote != '\0')
				       : 0;
		if (meant > 0) {
			buf_printf(&text, "%s-primary", target);
			c += meant;
			before = 'y';
			continue;
		}
		if (quote == '\0' && (*c == '"' || *c == '\'' || *c == '`'))
			quote = *c;
		else if (*c == quote)
			quote = '\0';
		before = *c;
		buf_putc(&text, *c++);
	}
	return cJSON_CreateString(text.full ? query : text.text);
}

/* The primary's query of a trigger, or NULL: it has none of its own. */
static cJSON *primary_query(const struct canary_spec *spec, const cJSON *trigger)
{
	const cJSON *queries = json_get(spec->scaler, "primaryScalerQueries");
	if (cJSON_IsObject(queries)) {
		const char *name = json_string(trigger, "name");
		const cJSON *ours = name == NULL ? NULL : json_get(queries, name);
		return cJSON_IsString(ours) ? cJSON_Duplicate(ours, true) : NULL;
	}
	const char *query = json_string(json_get(trigger, "metadata"), "query");
	return query == NULL ? NULL : query_of_primary(query, spec->target_name);
}

const char *workload_query_without_trigger(const struct canary_spec *spec, const cJSON *scaled)
{
	const cJSON *query, *trigger;
	cJSON_ArrayForEach(query, json_get(spec->scaler, "primaryScalerQueries"))
	{
		bool found = false;
		cJSON_ArrayForEach(trigger, json_at(scaled, "spec.triggers"))
		{
			found |= text_equal(json_string(trigger, "name"), query->string);
		}
		if (!found)
			return query->string;
	}
	return NULL;
}

/* ---- the ScaledObject ---- */

static void copy_annotations(cJSON *copy, const cJSON *scaled)
{
	static const char *const ours_not[] = {workload_paused_replicas,
					       "kubectl.kubernetes.io/last-applied-configuration"};
	cJSON *annotations = meta_without_toolkit(json_at(scaled, "metadata.annotations"));
	for (size_t i = 0; i < ARRAY_LEN(ours_not); i++)
		cJSON_DeleteItemFromObjectCaseSensitive(annotations, ours_not[i]);
	if (annotations->child != NULL)
		json_put(copy, "metadata.annotations", annotations);
	else
		cJSON_Delete(annotations);
}

static void set_replicas(cJSON *of, const struct canary_spec *spec, bool serves)
{
	static const struct {
		const char *theirs, *ours;
	} members[] = {{"minReplicaCount", "minReplicas"}, {"maxReplicaCount", "maxReplicas"}};
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		const cJSON *ours = override(spec, members[i].ours);
		if (ours != NULL)
			json_put_number(of, members[i].theirs, ours->valuedouble);
	}
	if (!serves)
		return;
	if (json_int(of, members[0].theirs, 0) < 1)
		json_put_number(of, members[0].theirs, 1);
	if (json_int(of, "idleReplicaCount", 1) < 1)
		json_remove(of, "idleReplicaCount");
}

cJSON *workload_primary_scaled_object(const struct canary_spec *spec, const cJSON *scaled,
				      bool serves)
{
	static const char hpa_name[] = "advanced.horizontalPodAutoscalerConfig.name";
	cJSON *copy = scaler_copy(spec, &kube_scaled_object, scaled);
	copy_annotations(copy, scaled);
	cJSON *of = cJSON_Duplicate(json_get(scaled, "spec"), true), *trigger;
	if (of == NULL)
		of = cJSON_CreateObject();
	cJSON_AddItemToObject(copy, "spec", of);
	json_put_string(of, "scaleTargetRef.name", spec->primary_target);
	set_replicas(of, spec, serves);
	const char *name = json_string_or(of, hpa_name, "");
	if (name[0] != '\0') {
		SCOPED(text) char *primary = xasprintf("%s-primary", name);
		json_put_string(of, hpa_name, primary);
	}
	cJSON_ArrayForEach(trigger, json_get(of, "triggers"))
	{
		cJSON *query = primary_query(spec, trigger);
		if (query != NULL)
			json_put(trigger, "metadata.query", query);
	}
	return copy;
}
