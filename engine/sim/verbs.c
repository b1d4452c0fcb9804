#include "sim/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "sim/controllers.h"
#include "sim/fields.h"
#include "sim/strategic.h"

/* ---- controllers ---- */

static void rolled(void *owner, uint64_t slot);

/* Later its pods are ready. */
static void roll(struct cluster *cluster, const char *path, const cJSON *workload)
{
	size_t slot = 0;
	while (slot < cluster->rolling_room && cluster->rolling[slot] != NULL)
		slot++;
	if (slot == cluster->rolling_room) {
		cluster->rolling_room = slot == 0 ? 16 : slot * 2;
		cluster->rolling = xrealloc(cluster->rolling,
					    cluster->rolling_room * sizeof(*cluster->rolling));
		memset(cluster->rolling + slot, 0,
		       (cluster->rolling_room - slot) * sizeof(*cluster->rolling));
	}
	cluster->rolling[slot] = xstrdup(path);
	loop_at(cluster->loop,
		loop_now(cluster->loop) + workload_rolls_for(workload, cluster->options.ready_us),
		rolled, cluster, slot);
}

/* So that its StatefulSet looks at it; one that is gone tells by its name. */
static void pod_changed(struct cluster *cluster, const char *path)
{
	char owner[KUBE_PATH_MAX];
	if (!stateful_owner(path, owner))
		return;
	const struct stored *stored = store_find(&cluster->store, owner);
	if (stored != NULL)
		roll(cluster, owner, stored->object);
}

/* Something changed, or went (NULL): watches, controllers and whoever listens are told. */
static void changed(struct cluster *cluster, const struct kube_ref *ref, const char *path,
		    const cJSON *object)
{
	watches_tell(cluster);
	if (cluster->on_write != NULL)
		cluster->on_write(cluster->on_write_owner, path, object);
	if (workload_rolls(ref) && object != NULL)
		roll(cluster, path, object);
	if (strcmp(ref->plural, kube_pod.plural) == 0)
		pod_changed(cluster, path);
	if (object != NULL)
		keda_follow(cluster, object);
	if (cluster->options.slices)
		slices_follow(cluster, ref, path);
}

static void rolled(void *owner, uint64_t slot)
{
	struct cluster *cluster = owner;
	SCOPED(text) char *path = cluster->rolling[slot];
	cluster->rolling[slot] = NULL;
	struct stored *stored = store_find(&cluster->store, path);
	if (stored == NULL)
		return;
	if (strcmp(stored->ref.plural, "statefulsets") == 0) {
		stateful_step(cluster, stored);
		return;
	}
	if (knative_is_service(&stored->ref)) {
		knative_step(cluster, stored);
		return;
	}
	cJSON *status = workload_rolled(stored->object, loop_now(cluster->loop));
	if (status == NULL)
		return;
	cJSON *next = json_copy(stored->object);
	json_put(next, "status", status);
	if (store_replace(&cluster->store, stored, next))
		changed(cluster, &stored->ref, stored->path, stored->object);
}

/* ---- verbs ---- */

static bool version_differs(const cJSON *live, const cJSON *wanted)
{
	const char *version = json_string(wanted, "metadata.resourceVersion");
	return version != NULL && version[0] != '\0' &&
	       strcmp(version, json_string_or(live, "metadata.resourceVersion", "")) != 0;
}

static struct kube_ref namespace_ref(const char *name)
{
	struct kube_ref ref = {.api_version = "v1", .plural = "namespaces"};
	text_copy(ref.name, sizeof(ref.name), name);
	return ref;
}

static bool has_namespace(const struct cluster *cluster, const char *name)
{
	char path[KUBE_PATH_MAX];
	kube_path(path, &kube_namespace, NULL, name);
	return store_find(&cluster->store, path) != NULL;
}

/* Puts metadata.managedFields, which are taken, into a copy of the object. */
static cJSON *with_these(const struct stored *stored, cJSON **managed)
{
	cJSON *copy = json_copy(stored->object);
	json_put(copy, "metadata.managedFields", *managed);
	*managed = NULL;
	return copy;
}

static cJSON *with_managed(const struct stored *stored)
{
	cJSON *managed = json_parse(stored->managed, strlen(stored->managed), NULL);
	return with_these(stored, &managed);
}

/* Takes them out; NULL when there are none that make sense. */
static cJSON *take_managed(cJSON *object)
{
	cJSON *managed = cJSON_DetachItemFromObjectCaseSensitive(json_get(object, "metadata"),
								 "managedFields");
	const cJSON *entry;
	bool sound = cJSON_IsArray(managed);
	cJSON_ArrayForEach(entry, managed) sound &= cJSON_IsObject(json_get(entry, "fieldsV1"));
	if (sound)
		return managed;
	json_free(managed);
	return NULL;
}

cJSON *verb_create(struct cluster *cluster, struct kube_ref *ref, cJSON *owned_object,
		   const struct writer *writer, int *code)
{
	if (ref->name[0] == '\0') {
		const char *name = json_string(owned_object, "metadata.name");
		const char *generate = json_string_or(owned_object, "metadata.generateName", "");
		if (name != NULL)
			text_copy(ref->name, sizeof(ref->name), name);
		else
			snprintf(ref->name, sizeof(ref->name), "%.200s%05llx", generate,
				 (unsigned long long)(chance_next(&cluster->chance) & 0xfffff));
	}
	char path[KUBE_PATH_MAX];
	const struct kube_kind kind = {ref->api_version, "", ref->plural, false};
	kube_path(path, &kind, ref->namespace[0] == '\0' ? NULL : ref->namespace, ref->name);
	if (cluster->options.strict && ref->namespace[0] != '\0' &&
	    !has_namespace(cluster, ref->namespace)) {
		const struct kube_ref missing = namespace_ref(ref->namespace);
		json_free(owned_object);
		return refuse_not_found(&missing, code);
	}
	if (store_find(&cluster->store, path) != NULL) {
		SCOPED(text)
		char *message = xasprintf("%s \"%s\" already exists", ref->plural, ref->name);
		json_free(owned_object);
		*code = 409;
		return refusal(409, "AlreadyExists", message);
	}
	json_free(take_managed(owned_object));
	SCOPED(json) cJSON *managed = cJSON_CreateArray();
	const struct field_writer who = {writer->manager, loop_now(cluster->loop)};
	if (writer->applies)
		fields_applied(managed, owned_object, owned_object, &who);
	else
		fields_written(managed, NULL, owned_object, &who);
	struct stored *stored = store_add(&cluster->store, path, ref, owned_object,
					  json_text(managed), loop_now(cluster->loop));
	*code = 201;
	cJSON *copy = with_these(stored, &managed);
	changed(cluster, &stored->ref, stored->path, stored->object);
	return copy;
}

static bool is_held(const cJSON *object)
{
	return cJSON_GetArraySize(json_at(object, "metadata.finalizers")) > 0;
}

cJSON *verb_replace(struct cluster *cluster, struct stored *stored, cJSON *owned_next,
		    bool only_status, const struct writer *writer, int *code)
{
	cJSON *next = owned_next;
	const cJSON *live = stored->object;
	SCOPED(json) cJSON *managed = take_managed(next);
	if (version_differs(live, next)) {
		json_free(next);
		return refuse_conflict(&stored->ref, code);
	}
	if (only_status) {
		cJSON *status = json_copy(json_get(next, "status"));
		json_free(next);
		next = json_copy(live);
		cJSON_DeleteItemFromObjectCaseSensitive(next, "status");
		if (status != NULL)
			cJSON_AddItemToObject(next, "status", status);
	} else {
		cJSON_DeleteItemFromObjectCaseSensitive(next, "status");
		if (json_get(live, "status") != NULL)
			cJSON_AddItemToObject(next, "status", json_copy(json_get(live, "status")));
	}
	*code = 200;
	if (managed == NULL)
		managed = json_parse(stored->managed, strlen(stored->managed), NULL);
	const struct field_writer who = {writer->manager, loop_now(cluster->loop)};
	if (!only_status && !writer->applies)
		fields_written(managed, live, next, &who);
	SCOPED(text) char *before = stored->managed;
	stored->managed = json_text(managed);
	bool wrote = store_replace(&cluster->store, stored, next);
	if (!wrote && strcmp(before, stored->managed) != 0) {
		store_touch(&cluster->store, stored);
		wrote = true;
	}
	cJSON *copy = with_these(stored, &managed);
	if (wrote)
		changed(cluster, &stored->ref, stored->path, stored->object);
	if (json_string(stored->object, "metadata.deletionTimestamp") != NULL &&
	    !is_held(stored->object))
		verb_remove(cluster, stored);
	return copy;
}

static cJSON *apply(struct cluster *cluster, struct kube_ref *ref, const char *path,
		    const cJSON *body, const struct writer *writer, int *code)
{
	struct stored *stored = store_find(&cluster->store, path);
	if (stored == NULL)
		return verb_create(cluster, ref, json_copy(body), writer, code);
	if (version_differs(stored->object, body))
		return refuse_conflict(ref, code);
	cJSON *next = with_managed(stored);
	cJSON *managed = take_managed(next);
	const struct field_writer who = {writer->manager, loop_now(cluster->loop)};
	fields_applied(managed, next, body, &who);
	json_merge_patch(&next, body);
	json_put(next, "metadata.managedFields", managed);
	json_put_string(next, "metadata.resourceVersion",
			json_string(stored->object, "metadata.resourceVersion"));
	return verb_replace(cluster, stored, next, false, writer, code);
}

static const char patch_refused[] =
	"the server rejected our request due to an error in our request";

static cJSON *patch(struct cluster *cluster, const struct exchange *exchange, struct kube_ref *ref,
		    const char *path, const cJSON *body, struct writer *writer, int *code)
{
	bool only_status = strcmp(ref->subresource, "status") == 0;
	const char *type = exchange->content_type == NULL ? "" : exchange->content_type;
	writer->applies = text_starts(type, "application/apply-patch");
	if (writer->applies)
		return apply(cluster, ref, path, body, writer, code);
	struct stored *stored = store_find(&cluster->store, path);
	if (stored == NULL)
		return refuse_not_found(ref, code);
	cJSON *next = with_managed(stored);
	if (text_starts(type, "application/json-patch")) {
		struct error err = {0};
		if (!json_patch(&next, body, &err)) {
			json_free(next);
			*code = 422;
			/* A real one does not say which operation it was. */
			return refusal(422, "Invalid", patch_refused);
		}
	} else if (text_starts(type, "application/strategic-merge-patch")) {
		strategic_merge(&next, body);
	} else {
		json_merge_patch(&next, body);
	}
	return verb_replace(cluster, stored, next, only_status, writer, code);
}

static bool exists(const struct cluster *cluster, const char *uid)
{
	for (size_t i = 0; i < cluster->store.count; i++)
		if (text_equal(json_string(cluster->store.items[i]->object, "metadata.uid"), uid))
			return true;
	return false;
}

/* It was owned by what is gone, and by nobody else who is there. */
static bool is_orphan(const struct cluster *cluster, const cJSON *object, const char *gone)
{
	const cJSON *owner;
	bool owned = false;
	cJSON_ArrayForEach(owner, json_at(object, "metadata.ownerReferences"))
	{
		owned |= text_equal(json_string(owner, "uid"), gone);
	}
	if (!owned)
		return false;
	cJSON_ArrayForEach(owner, json_at(object, "metadata.ownerReferences"))
	{
		const char *uid = json_string(owner, "uid");
		if (!text_equal(uid, gone) && exists(cluster, uid))
			return false;
	}
	return true;
}

/* What was made for an owner after it went, by somebody who had not heard of it. */
static void collect(void *owner, uint64_t token)
{
	struct cluster *cluster = owner;
	char **gone = cluster->gone;
	size_t count = cluster->gone_count;
	(void)token;
	cluster->gone = NULL;
	cluster->gone_count = 0;
	for (size_t k = 0; k < count; k++) {
		for (size_t i = 0; i < cluster->store.count;) {
			struct stored *stored = cluster->store.items[i];
			bool orphan = is_orphan(cluster, stored->object, gone[k]);
			if (orphan)
				verb_remove(cluster, stored);
			i = orphan ? 0 : i + 1;
		}
		free(gone[k]);
	}
	free(gone);
}

static void collect_later(struct cluster *cluster, const char *uid)
{
	if (cluster->gone_count == 0)
		loop_at(cluster->loop, loop_now(cluster->loop) + DURATION_SECOND, collect, cluster,
			0);
	cluster->gone = xrealloc(cluster->gone, (cluster->gone_count + 1) * sizeof(char *));
	cluster->gone[cluster->gone_count++] = xstrdup(uid);
}

void verb_remove(struct cluster *cluster, struct stored *stored)
{
	SCOPED(text) char *path = xstrdup(stored->path);
	SCOPED(text) char *uid = xstrdup(json_string_or(stored->object, "metadata.uid", ""));
	const struct kube_ref gone = stored->ref;
	bool is_namespace = strcmp(gone.plural, "namespaces") == 0;
	store_remove(&cluster->store, stored);
	changed(cluster, &gone, path, NULL);
	collect_later(cluster, uid);
	for (size_t i = 0; i < cluster->store.count;) {
		const struct stored *other = cluster->store.items[i];
		if (is_orphan(cluster, other->object, uid) ||
		    (is_namespace && strcmp(other->ref.namespace, gone.name) == 0)) {
			verb_remove(cluster, cluster->store.items[i]);
			i = 0;
		} else {
			i++;
		}
	}
}

void verb_delete(struct cluster *cluster, struct stored *stored)
{
	char now[TIME_TEXT_MAX];
	if (!is_held(stored->object)) {
		verb_remove(cluster, stored);
		return;
	}
	if (json_string(stored->object, "metadata.deletionTimestamp") != NULL)
		return;
	cJSON *next = json_copy(stored->object);
	time_text(loop_now(cluster->loop), now);
	json_put_string(next, "metadata.deletionTimestamp", now);
	if (store_replace(&cluster->store, stored, next))
		changed(cluster, &stored->ref, stored->path, stored->object);
}

/* Those of a namespace stand side by side: what the paths of all that may be of a collection begin
 * with. */
static void collection_prefix(const struct kube_ref *ref, char prefix[KUBE_PATH_MAX + 1])
{
	const struct kube_kind kind = {ref->api_version, "", ref->plural, false};
	char path[KUBE_PATH_MAX];
	prefix[0] = '\0';
	if (ref->namespace[0] != '\0' && kube_path(path, &kind, ref->namespace, NULL))
		snprintf(prefix, KUBE_PATH_MAX + 1, "%s/", path);
}

static cJSON *list(struct cluster *cluster, const struct exchange *exchange,
		   const struct kube_ref *ref, int *code)
{
	SCOPED(text) char *limit_text = request_parameter(exchange->url, "limit");
	SCOPED(text) char *from = request_parameter(exchange->url, "continue");
	long limit = limit_text == NULL ? 0 : strtol(limit_text, NULL, 10);
	cJSON *answered = cJSON_CreateObject(), *items = cJSON_CreateArray();
	char version[24];
	snprintf(version, sizeof(version), "%llu", (unsigned long long)cluster->store.version);
	json_put_string(answered, "kind", "List");
	json_put_string(answered, "apiVersion", ref->api_version);
	json_put_string(answered, "metadata.resourceVersion", version);
	long taken = 0;
	char prefix[KUBE_PATH_MAX + 1];
	collection_prefix(ref, prefix);
	for (size_t i = store_place(&cluster->store, prefix); i < cluster->store.count; i++) {
		const struct stored *stored = cluster->store.items[i];
		if (!text_starts(stored->path, prefix))
			break;
		if (!request_wants(exchange, ref, &stored->ref, stored->object) ||
		    (from != NULL && strcmp(stored->path, from) <= 0))
			continue;
		if (limit > 0 && taken == limit) {
			const struct stored *last = cluster->store.items[i - 1];
			json_put_string(answered, "metadata.continue", last->path);
			break;
		}
		taken++;
		cJSON_AddItemToArray(items,
				     request_view(exchange, stored->object, stored->managed));
	}
	cJSON_AddItemToObject(answered, "items", items);
	*code = 200;
	return answered;
}

/* Of a DELETE with DeleteOptions. */
static bool meets_preconditions(const struct exchange *exchange, const cJSON *object)
{
	SCOPED(json)
	cJSON *options = exchange->body == NULL
				 ? NULL
				 : json_parse(exchange->body, strlen(exchange->body), NULL);
	const char *uid = json_string(options, "preconditions.uid");
	return uid == NULL || text_equal(uid, json_string(object, "metadata.uid"));
}

cJSON *verb_serve(struct cluster *cluster, const struct exchange *exchange, struct kube_ref *ref,
		  int *code)
{
	char path[KUBE_PATH_MAX];
	const struct kube_kind kind = {ref->api_version, "", ref->plural, false};
	kube_path(path, &kind, ref->namespace[0] == '\0' ? NULL : ref->namespace,
		  ref->name[0] == '\0' ? NULL : ref->name);
	struct stored *stored = store_find(&cluster->store, path);
	if (ref->subresource[0] != '\0' && strcmp(ref->subresource, "status") != 0) {
		*code = 404;
		return refusal(404, "NotFound", "the server could not find the requested resource");
	}
	if (strcmp(exchange->method, "GET") == 0) {
		if (ref->name[0] == '\0')
			return list(cluster, exchange, ref, code);
		if (stored == NULL)
			return refuse_not_found(ref, code);
		*code = 200;
		return with_managed(stored);
	}
	if (strcmp(exchange->method, "DELETE") == 0) {
		if (stored == NULL)
			return refuse_not_found(ref, code);
		if (!meets_preconditions(exchange, stored->object))
			return refuse_conflict(ref, code);
		cJSON *copy = json_copy(stored->object);
		verb_delete(cluster, stored);
		*code = 200;
		return copy;
	}
	struct error err = {0};
	const char *text = exchange->body == NULL ? "" : exchange->body;
	SCOPED(json)
	cJSON *parsed = exchange->json == NULL ? json_parse(text, strlen(text), &err) : NULL;
	const cJSON *body = exchange->json == NULL ? parsed : exchange->json->json;
	if (body == NULL) {
		*code = 400;
		return refusal(400, "BadRequest", err.text);
	}
	SCOPED(text) char *manager = request_parameter(exchange->url, "fieldManager");
	struct writer writer = {.manager = manager != NULL ? manager : "unknown"};
	if (strcmp(exchange->method, "POST") == 0)
		return verb_create(cluster, ref, json_copy(body), &writer, code);
	if (strcmp(exchange->method, "PATCH") == 0)
		return patch(cluster, exchange, ref, path, body, &writer, code);
	if (strcmp(exchange->method, "PUT") == 0) {
		if (stored == NULL)
			return refuse_not_found(ref, code);
		return verb_replace(cluster, stored, json_copy(body),
				    strcmp(ref->subresource, "status") == 0, &writer, code);
	}
	*code = 405;
	return refusal(405, "MethodNotAllowed", "the server does not allow this method");
}
