/*
 * workload_config.c - the ConfigMaps and Secrets that a pod template uses: found, hashed, copied.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "canary/workload_meta.h"

static void add_ref(cJSON *refs, bool secret, const char *name, bool optional)
{
	if (name == NULL || name[0] == '\0')
		return;
	const char *kind = secret ? "Secret" : "ConfigMap";
	cJSON *ref;
	cJSON_ArrayForEach(ref, refs)
	{
		if (text_equal(json_string(ref, "kind"), kind) &&
		    text_equal(json_string(ref, "name"), name)) {
			/* Needed once is needed. */
			if (!optional)
				json_put_bool(ref, "optional", false);
			return;
		}
	}
	cJSON *added = cJSON_CreateObject();
	cJSON_AddStringToObject(added, "kind", kind);
	cJSON_AddStringToObject(added, "name", name);
	cJSON_AddBoolToObject(added, "optional", optional);
	size_t at = 0;
	cJSON_ArrayForEach(ref, refs)
	{
		int order = strcmp(json_string_or(ref, "kind", ""), kind);
		if (order > 0 || (order == 0 && strcmp(json_string_or(ref, "name", ""), name) > 0))
			break;
		at++;
	}
	json_insert(refs, at, added);
}

/* `source` has name (or secretName) and optional. */
static void add_source(cJSON *refs, const cJSON *source, bool secret)
{
	if (source == NULL)
		return;
	const char *name = json_string(source, "name");
	if (name == NULL)
		name = json_string(source, "secretName");
	add_ref(refs, secret, name, json_bool(source, "optional", false));
}

static void scan_volumes(cJSON *refs, const cJSON *volumes)
{
	const cJSON *volume, *part;
	cJSON_ArrayForEach(volume, volumes)
	{
		add_source(refs, json_get(volume, "configMap"), false);
		add_source(refs, json_get(volume, "secret"), true);
		cJSON_ArrayForEach(part, json_at(volume, "projected.sources"))
		{
			add_source(refs, json_get(part, "configMap"), false);
			add_source(refs, json_get(part, "secret"), true);
		}
	}
}

static void scan_containers(cJSON *refs, const cJSON *containers)
{
	const cJSON *container, *item;
	cJSON_ArrayForEach(container, containers)
	{
		cJSON_ArrayForEach(item, json_get(container, "env"))
		{
			add_source(refs, json_at(item, "valueFrom.configMapKeyRef"), false);
			add_source(refs, json_at(item, "valueFrom.secretKeyRef"), true);
		}
		cJSON_ArrayForEach(item, json_get(container, "envFrom"))
		{
			add_source(refs, json_get(item, "configMapRef"), false);
			add_source(refs, json_get(item, "secretRef"), true);
		}
	}
}

cJSON *workload_config_refs(const cJSON *target, const struct workload_options *options)
{
	cJSON *refs = cJSON_CreateArray();
	if (!options->config_tracking)
		return refs;
	const cJSON *pod = json_at(target, "spec.template.spec");
	scan_volumes(refs, json_get(pod, "volumes"));
	scan_containers(refs, json_get(pod, "containers"));
	scan_containers(refs, json_get(pod, "initContainers"));
	return refs;
}

static bool is_secret(const cJSON *config)
{
	return text_equal(json_string(config, "kind"), "Secret");
}

bool workload_config_is_tracked(const cJSON *config)
{
	static const char *const types[] = {"Opaque", "kubernetes.io/basic-auth",
					    "kubernetes.io/ssh-auth", "kubernetes.io/tls"};
	if (text_starts(json_string_or(config,
				       "metadata.annotations[\"flagger.app/config-tracking\"]", ""),
			"disable"))
		return false;
	if (!is_secret(config))
		return true;
	const char *type = json_string_or(config, "type", "Opaque");
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(type, types[i]) == 0)
			return true;
	return false;
}

/* Go's encoding/json escapes <, > and & in strings, and so the hash is over that. */
static void escape_html(const char *text, struct buf *into)
{
	for (const char *c = text; *c != '\0'; c++) {
		if (*c == '<' || *c == '>' || *c == '&')
			buf_printf(into, "\\u%04x", (unsigned)*c);
		else
			buf_putc(into, *c);
	}
}

void workload_config_hash(const cJSON *config, char hash[HASH_TEXT_MAX])
{
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, 8U * 1024 * 1024);
	const cJSON *members[] = {json_get(config, "data"), json_get(config, "binaryData")};
	for (size_t i = 0; i < 2; i++) {
		if (i == 1 && members[i] == NULL)
			break;
		SCOPED(text)
		char *json = members[i] == NULL ? xstrdup("null") : json_canonical(members[i]);
		escape_html(json, &text);
	}
	char hex[SHA256_HEX_SIZE];
	sha256_hex(text.text, text.len, hex);
	hex[16] = '\0';
	text_copy(hash, HASH_TEXT_MAX, hex);
}

cJSON *workload_tracked(const cJSON *configs)
{
	cJSON *tracked = NULL;
	const cJSON *config;
	cJSON_ArrayForEach(config, configs)
	{
		char hash[HASH_TEXT_MAX];
		workload_config_hash(config, hash);
		if (tracked == NULL)
			tracked = cJSON_CreateObject();
		SCOPED(text)
		char *key = xasprintf("%s/%s", is_secret(config) ? "secret" : "configmap",
				      json_string_or(config, "metadata.name", ""));
		meta_set(tracked, key, hash);
	}
	return tracked;
}

/* Canaries that use one config share its copy, which goes with the last of them: only one may be
 * its controller. */
static void keep_owners(cJSON *copy, const struct canary_spec *spec, const cJSON *live)
{
	cJSON *owners = json_at(copy, "metadata.ownerReferences");
	const cJSON *owner;
	cJSON_ArrayForEach(owner, json_at(live, "metadata.ownerReferences"))
	{
		if (text_equal(json_string(owner, "uid"), spec->uid))
			continue;
		cJSON *kept = cJSON_Duplicate(owner, true);
		json_put_bool(kept, "controller", false);
		cJSON_AddItemToArray(owners, kept);
	}
}

cJSON *workload_config_copy(const struct canary_spec *spec, const cJSON *config, const cJSON *live,
			    const struct workload_options *options)
{
	bool secret = is_secret(config);
	SCOPED(text)
	char *name = xasprintf("%s-primary", json_string_or(config, "metadata.name", ""));
	cJSON *copy = meta_object(spec, "v1", secret ? "Secret" : "ConfigMap", name);
	cJSON *labels = meta_included(json_at(config, "metadata.labels"), options);
	if (labels->child != NULL)
		json_put(copy, "metadata.labels", labels);
	else
		cJSON_Delete(labels);
	static const char *const members[] = {"data", "binaryData", "type"};
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		const cJSON *member = json_get(config, members[i]);
		if (member != NULL)
			cJSON_AddItemToObject(copy, members[i], cJSON_Duplicate(member, true));
	}
	keep_owners(copy, spec, live);
	return copy;
}
