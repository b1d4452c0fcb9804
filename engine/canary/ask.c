#include "canary/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "canary/abroad.h"
#include "canary/managed.h"
#include "kube/split.h"

enum question { ABOUT_OBJECT, ABOUT_LIST, ABOUT_WRITE, ABOUT_HTTP, ABOUT_METRIC, ABOUT_PAUSE };

/* One question and, once `here`, its answer. Few a tick (tens), so they are searched in a row. */
struct entry {
	enum question question;
	char *label;   /* path of an object; label of anything else */
	char *written; /* path that a write will make known */
	bool deletes;
	bool here;
	uint64_t serial; /* the token of its request: a completion finds the entry, or nobody */
	uint64_t id;	 /* request under way */
	struct answer answer;
	struct tree *tree; /* owned: what its object is in, or NULL */
};

struct asks {
	struct asks_world world;
	struct kept *kept;
	struct keeping *keeping;
	asks_wake *wake;
	void *owner;
	uint64_t token;
	struct entry **entries;
	size_t count, room;
	size_t waiting;
	uint64_t serials;
};

static void entry_free(struct asks *asks, struct entry *entry)
{
	if (!entry->here) {
		asks->waiting--;
		switch (entry->question) {
		case ABOUT_OBJECT:
		case ABOUT_LIST:
		case ABOUT_WRITE:
			kube_cancel(asks->world.kube, entry->id);
			break;
		case ABOUT_HTTP:
			asks->world.http->ops->cancel(asks->world.http, entry->id);
			break;
		case ABOUT_METRIC:
			asks->world.metrics->ops->cancel(asks->world.metrics, entry->id);
			break;
		case ABOUT_PAUSE:
			loop_cancel(kube_loop(asks->world.kube), entry->id);
			break;
		}
	}
	tree_drop(entry->tree);
	free(entry->answer.body);
	free(entry->label);
	free(entry->written);
	free(entry);
}

struct asks *asks_new(const struct asks_world *world, struct kept *kept, struct keeping *keeping,
		      asks_wake *wake, void *owner, uint64_t token)
{
	struct asks *asks = xcalloc(1, sizeof(*asks));
	asks->world = *world;
	asks->kept = kept;
	asks->keeping = keeping;
	asks->wake = wake;
	asks->owner = owner;
	asks->token = token;
	return asks;
}

static void drop(struct asks *asks, bool objects_too)
{
	size_t kept = 0;
	for (size_t i = 0; i < asks->count; i++) {
		struct entry *entry = asks->entries[i];
		if (entry->question == ABOUT_OBJECT && entry->here && !objects_too)
			asks->entries[kept++] = entry;
		else
			entry_free(asks, entry);
	}
	asks->count = kept;
}

void asks_clear(struct asks *asks)
{
	drop(asks, false);
}

void asks_forget_objects(struct asks *asks)
{
	size_t kept = 0;
	for (size_t i = 0; i < asks->count; i++) {
		struct entry *entry = asks->entries[i];
		if (entry->question == ABOUT_OBJECT)
			entry_free(asks, entry);
		else
			asks->entries[kept++] = entry;
	}
	asks->count = kept;
}

void asks_free(struct asks *asks)
{
	if (asks == NULL)
		return;
	drop(asks, true);
	free(asks->entries);
	free(asks);
}

void asks_shed(struct asks *asks)
{
	size_t kept = 0;
	for (size_t i = 0; i < asks->count; i++) {
		struct entry *entry = asks->entries[i];
		if (entry->question == ABOUT_OBJECT && entry->here && asks->kept != NULL &&
		    kept_has(asks->kept, asks->keeping, entry->label))
			entry_free(asks, entry);
		else
			asks->entries[kept++] = entry;
	}
	asks->count = kept;
}

bool asks_are_away(const struct asks *asks)
{
	bool away = false;
	for (size_t i = 0; i < asks->count; i++) {
		const struct entry *entry = asks->entries[i];
		if (entry->here)
			continue;
		if (entry->question == ABOUT_OBJECT || entry->question == ABOUT_LIST ||
		    entry->question == ABOUT_WRITE)
			return false;
		away = true;
	}
	return away;
}

bool asks_miss_metrics(const struct asks *asks)
{
	for (size_t i = 0; i < asks->count; i++)
		if (asks->entries[i]->question == ABOUT_METRIC && !asks->entries[i]->here)
			return true;
	return false;
}

static struct entry *find(const struct asks *asks, enum question question, const char *label)
{
	for (size_t i = 0; i < asks->count; i++)
		if (asks->entries[i]->question == question &&
		    strcmp(asks->entries[i]->label, label) == 0)
			return asks->entries[i];
	return NULL;
}

static struct entry *add(struct asks *asks, enum question question, const char *label)
{
	if (asks->count == asks->room) {
		asks->room = asks->room == 0 ? 16 : asks->room * 2;
		asks->entries = xrealloc(asks->entries, asks->room * sizeof(*asks->entries));
	}
	struct entry *entry = xcalloc(1, sizeof(*entry));
	entry->question = question;
	entry->label = xstrdup(label);
	entry->serial = ++asks->serials;
	asks->entries[asks->count++] = entry;
	asks->waiting++;
	return entry;
}

static struct entry *arrived(struct asks *asks, uint64_t serial)
{
	for (size_t i = 0; i < asks->count; i++) {
		struct entry *entry = asks->entries[i];
		if (entry->serial != serial || entry->here)
			continue;
		entry->here = true;
		asks->waiting--;
		/* A check needs all its metrics, and they are asked for at once. */
		if (entry->question != ABOUT_METRIC || !asks_miss_metrics(asks))
			asks->wake(asks->owner, asks->token);
		return entry;
	}
	return NULL;
}

static bool is_abroad(const struct asks *asks, const char *path)
{
	return asks->world.mesh_apart && split_is_mesh(path);
}

static cJSON *take(const struct asks *asks, const char *path, const struct kube_reply *reply)
{
	cJSON *object = kube_reply_take(reply);
	if (is_abroad(asks, path))
		abroad_read(object);
	managed_trim(object);
	return object;
}

static void put_tree(struct entry *entry, struct tree *owned_tree)
{
	tree_drop(entry->tree);
	entry->tree = owned_tree;
	entry->answer.object = owned_tree == NULL ? NULL : owned_tree->json;
}

static void know(struct asks *asks, const char *path, struct tree *owned_tree)
{
	if (asks->kept != NULL)
		kept_know(asks->kept, asks->keeping, path, owned_tree);
	struct entry *entry = find(asks, ABOUT_OBJECT, path);
	if (entry == NULL)
		entry = add(asks, ABOUT_OBJECT, path);
	else if (!entry->here)
		kube_cancel(asks->world.kube, entry->id);
	if (!entry->here)
		asks->waiting--;
	entry->here = true;
	entry->answer = (struct answer){0};
	put_tree(entry, owned_tree);
}

static void object_came(void *owner, uint64_t token, const struct kube_reply *reply)
{
	struct entry *entry = arrived(owner, token);
	if (entry == NULL)
		return;
	const struct asks *asks = owner;
	entry->answer.status = reply->status;
	if (reply->error.kind == ERROR_NONE)
		put_tree(entry, tree_new(take(asks, entry->label, reply)));
	else if (reply->error.kind != ERROR_NOT_FOUND)
		entry->answer.error = reply->error;
	if (entry->answer.error.kind == ERROR_NONE && asks->kept != NULL)
		kept_know(asks->kept, asks->keeping, entry->label, entry->tree);
}

static void list_came(void *owner, uint64_t token, const struct kube_reply *reply)
{
	struct entry *entry = arrived(owner, token);
	if (entry == NULL)
		return;
	entry->answer.status = reply->status;
	entry->answer.error = reply->error;
	if (reply->error.kind == ERROR_NONE)
		put_tree(entry, tree_new(kube_reply_take(reply)));
}

static void write_came(void *owner, uint64_t token, const struct kube_reply *reply)
{
	struct asks *asks = owner;
	struct entry *entry = arrived(asks, token);
	if (entry == NULL)
		return;
	entry->answer.status = reply->status;
	entry->answer.error = reply->error;
	if (reply->error.kind != ERROR_NONE) {
		/* What was read before is in doubt now. */
		if (asks->kept != NULL)
			kept_doubt(asks->kept, asks->keeping, entry->written);
		struct entry *object = find(asks, ABOUT_OBJECT, entry->written);
		if (object != NULL && object->here) {
			for (size_t i = 0; i < asks->count; i++)
				if (asks->entries[i] == object)
					asks->entries[i] = asks->entries[--asks->count];
			entry_free(asks, object);
		}
		return;
	}
	know(asks, entry->written,
	     entry->deletes ? NULL : tree_new(take(asks, entry->written, reply)));
}

static void http_came(void *owner, uint64_t token, const struct http_reply *reply)
{
	struct entry *entry = arrived(owner, token);
	if (entry == NULL)
		return;
	entry->answer.status = reply->status;
	entry->answer.error = reply->error;
	entry->answer.body = xstrndup(reply->body, reply->body_len);
}

static void sample_came(void *owner, uint64_t token, const struct sample *sample)
{
	struct entry *entry = arrived(owner, token);
	if (entry == NULL)
		return;
	entry->answer.sample = *sample;
	entry->answer.sample.raw = NULL;
	if (sample->raw != NULL)
		entry->answer.body = xstrdup(sample->raw);
}

static void pause_over(void *owner, uint64_t token)
{
	arrived(owner, token);
}

struct tree *ask_tree(struct asks *asks, const char *path)
{
	const struct entry *entry = find(asks, ABOUT_OBJECT, path);
	return entry == NULL ? NULL : entry->tree;
}

const struct answer *ask_object(struct asks *asks, const char *path)
{
	struct tree *found;
	struct entry *entry = find(asks, ABOUT_OBJECT, path);
	if (entry == NULL) {
		entry = add(asks, ABOUT_OBJECT, path);
		if (asks->kept != NULL && kept_find(asks->kept, asks->keeping, path, &found)) {
			put_tree(entry, found);
			entry->here = true;
			asks->waiting--;
			return &entry->answer;
		}
		if (asks->kept != NULL)
			kept_expect(asks->kept, asks->keeping, path);
		entry->id = kube_send(asks->world.kube, KUBE_GET, path, NULL, object_came, asks,
				      entry->serial);
	}
	return entry->here ? &entry->answer : NULL;
}

const struct answer *ask_list(struct asks *asks, const char *path)
{
	struct entry *entry = find(asks, ABOUT_LIST, path);
	if (entry == NULL) {
		entry = add(asks, ABOUT_LIST, path);
		entry->id = kube_send(asks->world.kube, KUBE_GET, path, NULL, list_came, asks,
				      entry->serial);
	}
	return entry->here ? &entry->answer : NULL;
}

void asks_note(struct asks *asks, const char *path, uint64_t digest)
{
	if (asks->kept != NULL)
		kept_note(asks->kept, asks->keeping, path, digest);
}

bool asks_says(const struct asks *asks, const char *path, uint64_t digest, char version[24])
{
	version[0] = '\0';
	return asks->kept != NULL && kept_says(asks->kept, asks->keeping, path, digest, version);
}

cJSON *asks_objects(struct asks *asks, const cJSON *paths)
{
	cJSON *objects = cJSON_CreateObject();
	const cJSON *path;
	cJSON_ArrayForEach(path, paths)
	{
		const struct entry *entry = find(asks, ABOUT_OBJECT, path->valuestring);
		if (entry == NULL || !entry->here || entry->answer.error.kind != ERROR_NONE)
			continue;
		if (entry->answer.object == NULL)
			cJSON_AddNullToObject(objects, path->valuestring);
		else
			cJSON_AddItemReferenceToObject(objects, path->valuestring,
						       entry->answer.object);
	}
	return objects;
}

/* The path of the object that a request to `path` changes: without a query, without a subresource.
 * For a creation the collection's path and the name. */
static char *written_path(enum kube_verb verb, const char *path, const cJSON *body)
{
	size_t len = strcspn(path, "?");
	if (verb == KUBE_CREATE)
		return xasprintf("%.*s/%s", (int)len, path,
				 json_string_or(body, "metadata.name", ""));
	static const char status[] = "/status";
	if (len > sizeof(status) - 1 &&
	    strncmp(path + len - (sizeof(status) - 1), status, sizeof(status) - 1) == 0)
		len -= sizeof(status) - 1;
	return xstrndup(path, len);
}

const struct answer *ask_write(struct asks *asks, const char *label, enum kube_verb verb,
			       const char *path, const cJSON *body)
{
	struct entry *entry = find(asks, ABOUT_WRITE, label);
	if (entry == NULL) {
		entry = add(asks, ABOUT_WRITE, label);
		entry->written = written_path(verb, path, body);
		entry->deletes = verb == KUBE_DELETE;
		if (!asks->world.owns(asks->world.owner)) {
			entry->here = true;
			asks->waiting--;
			error_set(&entry->answer.error, ERROR_CANCELLED,
				  "not written: another instance owns this canary now");
			return &entry->answer;
		}
		SCOPED(json) cJSON *sent = is_abroad(asks, path) ? abroad_sent(body) : NULL;
		entry->id = kube_send(asks->world.kube, verb, path, sent != NULL ? sent : body,
				      write_came, asks, entry->serial);
	}
	return entry->here ? &entry->answer : NULL;
}

const struct answer *ask_http(struct asks *asks, const char *label,
			      const struct http_request *request)
{
	struct entry *entry = find(asks, ABOUT_HTTP, label);
	if (entry == NULL) {
		entry = add(asks, ABOUT_HTTP, label);
		entry->id = http_send(asks->world.http, request, http_came, asks, entry->serial);
	}
	return entry->here ? &entry->answer : NULL;
}

bool ask_knows_metric(const struct asks *asks, const char *label, const struct answer **answer)
{
	const struct entry *entry = find(asks, ABOUT_METRIC, label);
	*answer = entry != NULL && entry->here ? &entry->answer : NULL;
	return entry != NULL;
}

const struct answer *ask_metric(struct asks *asks, const char *label,
				const struct metric_query *query)
{
	struct entry *entry = find(asks, ABOUT_METRIC, label);
	if (entry == NULL) {
		entry = add(asks, ABOUT_METRIC, label);
		entry->id = asks->world.metrics->ops->query(asks->world.metrics, query, sample_came,
							    asks, entry->serial);
	}
	return entry->here ? &entry->answer : NULL;
}

const struct answer *ask_pause(struct asks *asks, const char *label, int64_t us)
{
	struct entry *entry = find(asks, ABOUT_PAUSE, label);
	if (entry == NULL) {
		struct loop *loop = kube_loop(asks->world.kube);
		entry = add(asks, ABOUT_PAUSE, label);
		entry->id = loop_at(loop, loop_now(loop) + us, pause_over, asks, entry->serial);
	}
	return entry->here ? &entry->answer : NULL;
}
