/*
 * sim_watch_spec.c - watches of the in-memory cluster, which tell texts or trees.
 */
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "sim/cluster.h"
#include "spec.h"

enum { CHANGES = 600 };

struct told {
	int count;
	bool in_order;
	double last;
};

static void note(struct told *told, const cJSON *object)
{
	double value = json_number(object, "data.n", -1);
	told->in_order &= told->count == 0 || value == told->last + 1;
	told->last = value;
	told->count++;
}

static bool on_piece(void *owner, uint64_t token, const char *bytes, size_t len)
{
	SCOPED(json) cJSON *line = json_parse(bytes, len, NULL);
	(void)token;
	EXPECT_TEXT(json_string(line, "type"), "MODIFIED");
	note(owner, json_get(line, "object"));
	return true;
}

static bool on_event(void *owner, uint64_t token, const char *type, cJSON *owned_object)
{
	(void)token;
	EXPECT_TEXT(type, "MODIFIED");
	note(owner, owned_object);
	json_free(owned_object);
	return true;
}

static void on_end(void *owner, uint64_t token, const struct http_reply *reply)
{
	(void)owner;
	(void)token;
	spec_fail(__FILE__, __LINE__, "the watch ended: %s", reply->error.text);
}

static void put(struct cluster *cluster, int n)
{
	struct error err = {0};
	SCOPED(text)
	char *text = xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{"
			       "\"name\":\"c\",\"namespace\":\"test\"},\"data\":{\"n\":%d}}",
			       n);
	SCOPED(json) cJSON *object = json_parse(text, strlen(text), &err);
	if (object == NULL || !cluster_apply(cluster, object, &err))
		spec_fail(__FILE__, __LINE__, "%s", err.text);
}

/* What a watch from that version on is told. */
static struct told watch(struct loop *loop, struct cluster *cluster, const char *version,
			 http_event *event)
{
	struct told told = {.in_order = true};
	SCOPED(text)
	char *url =
		xasprintf("/api/v1/namespaces/test/configmaps?watch=1&resourceVersion=%s", version);
	const struct http_request request = {.method = "GET", .url = url, .event = event};
	struct http *port = cluster_port(cluster);
	uint64_t id = port->ops->send(port, &request, on_piece, on_end, &told, 0);
	loop_run(loop, loop_now(loop) + DURATION_SECOND);
	port->ops->cancel(port, id);
	return told;
}

SPEC("sim: a watch that comes back late is told each change, as it was")
{
	struct loop *loop = loop_new_virtual(1000 * DURATION_SECOND);
	const struct cluster_options options = {.seed = 1};
	struct cluster *cluster = cluster_new(loop, &options);
	put(cluster, 0);
	SCOPED(text)
	char *version =
		xstrdup(json_string_or(cluster_get(cluster, "/api/v1/namespaces/test/configmaps/c"),
				       "metadata.resourceVersion", ""));
	for (int n = 1; n <= CHANGES; n++)
		put(cluster, n);
	const struct told texts = watch(loop, cluster, version, NULL);
	const struct told trees = watch(loop, cluster, version, on_event);
	EXPECT_INT(texts.count, CHANGES);
	EXPECT(texts.in_order);
	EXPECT_INT((int)texts.last, CHANGES);
	EXPECT_INT(trees.count, CHANGES);
	EXPECT(trees.in_order);
	EXPECT_INT((int)trees.last, CHANGES);
	cluster_free(cluster);
	loop_free(loop);
}

/* ---- who owns fields ---- */

struct owners {
	int count;
	char first[64], last[64];
};

static bool on_owned(void *owner, uint64_t token, const char *type, cJSON *owned_object)
{
	struct owners *owners = owner;
	const cJSON *managed = json_at(owned_object, "metadata.managedFields"), *entry;
	(void)token;
	(void)type;
	owners->last[0] = '\0';
	cJSON_ArrayForEach(entry, managed)
	{
		size_t len = strlen(owners->last);
		text_copy(owners->last + len, sizeof(owners->last) - len,
			  json_string_or(entry, "manager", "?"));
	}
	if (owners->count++ == 0)
		text_copy(owners->first, sizeof(owners->first), owners->last);
	json_free(owned_object);
	return true;
}

static void on_answer(void *owner, uint64_t token, const struct http_reply *reply)
{
	(void)owner;
	(void)token;
	EXPECT(reply->status < 300);
}

static void send(struct loop *loop, struct cluster *cluster, const struct http_request *request,
		 struct owners *owners)
{
	struct http *port = cluster_port(cluster);
	uint64_t id = port->ops->send(port, request, request->event == NULL ? NULL : on_piece,
				      on_answer, owners, 0);
	loop_run(loop, loop_now(loop) + DURATION_SECOND);
	port->ops->cancel(port, id);
}

SPEC("sim: a watch tells who owned the fields at each change, and who owns them now")
{
	struct loop *loop = loop_new_virtual(1000 * DURATION_SECOND);
	const struct cluster_options options = {.seed = 1};
	struct cluster *cluster = cluster_new(loop, &options);
	static const char one[] = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{"
				  "\"name\":\"c\"},\"data\":{\"a\":\"1\"}}";
	static const char two[] = "{\"data\":{\"b\":\"2\"}}";
	const struct http_header merge = {"Content-Type", "application/merge-patch+json"};
	const struct http_header metadata = {
		"Accept", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"};
	struct owners whole = {0}, partial = {0};
	const struct http_request create = {
		.method = "POST",
		.url = "/api/v1/namespaces/test/configmaps?fieldManager=mine",
		.body = one,
		.body_len = strlen(one)};
	const struct http_request patch = {
		.method = "PATCH",
		.url = "/api/v1/namespaces/test/configmaps/c?fieldManager=yours",
		.headers = &merge,
		.header_count = 1,
		.body = two,
		.body_len = strlen(two)};
	send(loop, cluster, &create, &whole);
	send(loop, cluster, &patch, &whole);
	const struct http_request changes = {
		.method = "GET",
		.url = "/api/v1/namespaces/test/configmaps?watch=1&resourceVersion=1",
		.event = on_owned};
	send(loop, cluster, &changes, &whole);
	EXPECT_INT(whole.count, 2);
	EXPECT_TEXT(whole.first, "mine");
	EXPECT_TEXT(whole.last, "mineyours");
	const struct http_request all = {.method = "GET",
					 .url = "/api/v1/namespaces/test/configmaps?watch=1",
					 .headers = &metadata,
					 .header_count = 1,
					 .event = on_owned};
	send(loop, cluster, &all, &partial);
	EXPECT_INT(partial.count, 1);
	EXPECT_TEXT(partial.first, "mineyours");
	cluster_free(cluster);
	loop_free(loop);
}
