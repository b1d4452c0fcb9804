#include "spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/lease.h"

/*
 * A fake of an API server that knows one Lease. Every request takes `delay_us`; `is_down` makes
 * requests fail, `loses_replies` lets them take effect and then fail.
 */
struct fake_store {
	struct http http;
	struct loop *loop;
	cJSON *lease;
	int version;
	int64_t delay_us;
	bool is_down, is_silent, loses_replies;
	int writes;
	struct fake_pending {
		http_done *done;
		void *owner;
		uint64_t token;
		int status;
		char *body;
		bool cancelled;
	} pending[16384];
	size_t count;
};

static void store_deliver(void *owner, uint64_t id)
{
	struct fake_store *store = owner;
	struct fake_pending *pending = &store->pending[id - 1];
	if (pending->cancelled)
		return;
	struct http_reply reply = {
		.status = pending->status,
		.body = pending->body != NULL ? pending->body : "",
		.retry_after_us = -1,
	};
	reply.body_len = strlen(reply.body);
	if (pending->status == 0)
		error_set(&reply.error, ERROR_UNAVAILABLE, "connection reset");
	pending->done(pending->owner, pending->token, &reply);
}

static int store_write(struct fake_store *store, cJSON *owned_lease)
{
	char version[16];
	snprintf(version, sizeof(version), "%d", ++store->version);
	json_put_string(owned_lease, "metadata.resourceVersion", version);
	cJSON_Delete(store->lease);
	store->lease = owned_lease;
	store->writes++;
	return 200;
}

static int store_act(struct fake_store *store, const struct http_request *request)
{
	if (strcmp(request->method, "GET") == 0)
		return store->lease != NULL ? 200 : 404;
	cJSON *body = json_parse(request->body, request->body_len, NULL);
	EXPECT(body != NULL);
	if (strcmp(request->method, "PATCH") == 0) {
		cJSON *lease = cJSON_Duplicate(store->lease, true);
		bool ok = lease != NULL && json_patch(&lease, body, NULL);
		cJSON_Delete(body);
		if (ok)
			return store_write(store, lease);
		cJSON_Delete(lease);
		return 422;
	}
	bool is_post = strcmp(request->method, "POST") == 0;
	bool fits = is_post ? store->lease == NULL
			    : text_equal(json_string(body, "metadata.resourceVersion"),
					 json_string(store->lease, "metadata.resourceVersion"));
	if (fits)
		return store_write(store, body);
	cJSON_Delete(body);
	return 409;
}

static uint64_t store_send(struct http *http, const struct http_request *request, http_piece *piece,
			   http_done *done, void *owner, uint64_t token)
{
	(void)piece;
	struct fake_store *store = container_of(http, struct fake_store, http);
	EXPECT(store->count < ARRAY_LEN(store->pending));
	struct fake_pending *pending = &store->pending[store->count++];
	*pending = (struct fake_pending){.done = done, .owner = owner, .token = token};
	if (!store->is_down)
		pending->status = store_act(store, request);
	if (pending->status == 200)
		pending->body = json_text(store->lease);
	if (store->loses_replies && strcmp(request->method, "GET") != 0)
		pending->status = 0;
	if (!store->is_silent)
		loop_at(store->loop, loop_now(store->loop) + store->delay_us, store_deliver, store,
			store->count);
	return store->count;
}

static void store_cancel(struct http *http, uint64_t id)
{
	struct fake_store *store = container_of(http, struct fake_store, http);
	if (id > 0 && id <= store->count)
		store->pending[id - 1].cancelled = true;
}

static void store_free(struct http *http)
{
	(void)http;
}

/* Two replicas and their server. */
struct replica {
	struct bench *bench;
	struct kube *kube;
	struct lease *lease;
	char identity[16];
	int came, went;
};

struct bench {
	struct loop *loop;
	struct fake_store store;
	struct chance chance;
	struct replica replicas[2];
};

static void on_change(void *owner, bool held)
{
	struct replica *replica = owner;
	replica->came += held;
	replica->went += !held;
	EXPECT(replica->lease == NULL || lease_is_held(replica->lease) == held);
}

static void bench_init(struct bench *bench)
{
	static const struct http_ops ops = {store_send, store_cancel, store_free};
	log_setup(LOG_OFF, false, NULL);
	memset(bench, 0, sizeof(*bench));
	bench->loop = loop_new_virtual(INT64_C(1700000000) * DURATION_SECOND);
	bench->store.http.ops = &ops;
	bench->store.loop = bench->loop;
	bench->store.delay_us = 10 * DURATION_MS;
	chance_seed(&bench->chance, 1);
}

static struct replica *join_as(struct bench *bench, int i, const char *identity)
{
	struct replica *replica = &bench->replicas[i];
	const struct kube_options none = {0};
	replica->kube = kube_new(bench->loop, &bench->store.http, &bench->chance, &none);
	const struct lease_options options = {
		.namespace = "flagger-system", .name = "sluice", .identity = identity};
	struct error err;
	replica->lease = lease_new(replica->kube, &options, on_change, replica, &err);
	EXPECT(replica->lease != NULL);
	return replica;
}

static struct replica *join(struct bench *bench, int i)
{
	return join_as(bench, i, i == 0 ? "first" : "second");
}

/* As when the process is killed: nothing is given back. */
static void die(struct replica *replica)
{
	bool was_down = replica->kube == NULL;
	if (was_down)
		return;
	struct fake_store *store =
		container_of(kube_transport(replica->kube), struct fake_store, http);
	bool is_down = store->is_down;
	store->is_down = true;
	lease_free(replica->lease);
	kube_free(replica->kube);
	store->is_down = is_down;
	replica->lease = NULL;
	replica->kube = NULL;
}

static void bench_fini(struct bench *bench)
{
	die(&bench->replicas[0]);
	die(&bench->replicas[1]);
	loop_free(bench->loop);
	cJSON_Delete(bench->store.lease);
	for (size_t i = 0; i < bench->store.count; i++)
		free(bench->store.pending[i].body);
}

static void pass(struct bench *bench, int64_t us)
{
	loop_run(bench->loop, loop_now(bench->loop) + us);
}

static bool is_held(const struct replica *replica)
{
	return lease_is_held(replica->lease);
}

SPEC("kube lease: is created by the first, as others know Leases")
{
	static struct bench bench;
	bench_init(&bench);
	const struct replica *first = join(&bench, 0);
	EXPECT(!is_held(first));
	pass(&bench, DURATION_SECOND);
	EXPECT(is_held(first));
	EXPECT_INT(first->came, 1);
	EXPECT_TEXT(lease_holder(first->lease), "first");
	const cJSON *lease = bench.store.lease;
	EXPECT_TEXT(json_string(lease, "kind"), "Lease");
	EXPECT_TEXT(json_string(lease, "metadata.name"), "sluice");
	EXPECT_INT(json_int(lease, "spec.leaseDurationSeconds", 0), 15);
	EXPECT_INT(json_int(lease, "spec.leaseTransitions", -1), 0);
	int64_t renewed;
	EXPECT(time_parse(json_string(lease, "spec.renewTime"), &renewed, NULL));
	EXPECT(strchr(json_string(lease, "spec.acquireTime"), '.') != NULL);
	bench_fini(&bench);
}

SPEC("kube lease: is kept for hours while another waits, and never by both")
{
	static struct bench bench;
	bench_init(&bench);
	const struct replica *first = join(&bench, 0);
	pass(&bench, DURATION_SECOND);
	const struct replica *second = join(&bench, 1);
	for (int i = 0; i < 300; i++) {
		pass(&bench, DURATION_SECOND);
		EXPECT(is_held(first));
		EXPECT(!is_held(second));
	}
	EXPECT_INT(first->went, 0);
	EXPECT_TEXT(lease_holder(second->lease), "first");
	EXPECT_INT(json_int(bench.store.lease, "spec.leaseTransitions", -1), 0);
	EXPECT(bench.store.writes < 160);
	bench_fini(&bench);
}

SPEC("kube lease: of two that start together exactly one gets it")
{
	static struct bench bench;
	bench_init(&bench);
	const struct replica *first = join(&bench, 0), *second = join(&bench, 1);
	pass(&bench, 5 * DURATION_SECOND);
	EXPECT_INT(is_held(first) + is_held(second), 1);
	EXPECT_INT(first->came + second->came, 1);
	bench_fini(&bench);
}

SPEC("kube lease: of one that died is taken over in seconds, and not before its time")
{
	static struct bench bench;
	bench_init(&bench);
	struct replica *first = join(&bench, 0);
	pass(&bench, DURATION_SECOND);
	const struct replica *second = join(&bench, 1);
	pass(&bench, 60 * DURATION_SECOND);
	die(first);
	int64_t died = loop_now(bench.loop);
	pass(&bench, 12 * DURATION_SECOND);
	EXPECT(!is_held(second));
	while (!is_held(second) && loop_now(bench.loop) < died + DURATION_MINUTE)
		pass(&bench, 100 * DURATION_MS);
	EXPECT(is_held(second));
	EXPECT(loop_now(bench.loop) - died < 20 * DURATION_SECOND);
	EXPECT_INT(json_int(bench.store.lease, "spec.leaseTransitions", -1), 1);
	bench_fini(&bench);
}

SPEC("kube lease: that is given back is taken at the next look")
{
	static struct bench bench;
	bench_init(&bench);
	struct replica *first = join(&bench, 0);
	pass(&bench, DURATION_SECOND);
	const struct replica *second = join(&bench, 1);
	pass(&bench, 10 * DURATION_SECOND);
	lease_free(first->lease);
	first->lease = NULL;
	EXPECT_INT(kube_pending(first->kube), 1);
	pass(&bench, 3 * DURATION_SECOND);
	EXPECT_INT(kube_pending(first->kube), 0);
	EXPECT(is_held(second));
	bench_fini(&bench);
}

SPEC("kube lease: what somebody else holds by now is not given back")
{
	static struct bench bench;
	bench_init(&bench);
	struct replica *first = join(&bench, 0);
	pass(&bench, DURATION_SECOND);
	json_put_string(bench.store.lease, "spec.holderIdentity", "stranger");
	lease_free(first->lease);
	first->lease = NULL;
	pass(&bench, DURATION_SECOND);
	EXPECT_TEXT(json_string(bench.store.lease, "spec.holderIdentity"), "stranger");
	bench_fini(&bench);
}

SPEC("kube lease: is not held any more when the server stays away, well before others take it")
{
	static struct bench bench;
	bench_init(&bench);
	const struct replica *first = join(&bench, 0);
	pass(&bench, 30 * DURATION_SECOND);
	EXPECT(is_held(first));
	bench.store.is_down = true;
	pass(&bench, 7 * DURATION_SECOND);
	EXPECT(is_held(first));
	pass(&bench, 4 * DURATION_SECOND);
	EXPECT(!is_held(first));
	EXPECT_INT(first->went, 1);
	bench.store.is_down = false;
	pass(&bench, 5 * DURATION_SECOND);
	EXPECT(is_held(first));
	EXPECT_INT(first->came, 2);
	bench_fini(&bench);
}

SPEC("kube lease: a renewal whose reply was lost is found again, without a break")
{
	static struct bench bench;
	bench_init(&bench);
	const struct replica *first = join(&bench, 0);
	pass(&bench, 30 * DURATION_SECOND);
	bench.store.loses_replies = true;
	pass(&bench, 5 * DURATION_SECOND);
	bench.store.loses_replies = false;
	pass(&bench, 10 * DURATION_SECOND);
	EXPECT(is_held(first));
	EXPECT_INT(first->went, 0);
	EXPECT_INT(json_int(bench.store.lease, "spec.leaseTransitions", -1), 0);
	bench_fini(&bench);
}

SPEC("kube lease: an answer that comes too late holds nothing")
{
	static struct bench bench;
	bench_init(&bench);
	const struct replica *first = join(&bench, 0);
	pass(&bench, 30 * DURATION_SECOND);
	bench.store.is_silent = true;
	pass(&bench, 12 * DURATION_SECOND);
	EXPECT(!is_held(first));
	EXPECT_INT(first->went, 1);
	bench.store.is_silent = false;
	pass(&bench, 10 * DURATION_SECOND);
	EXPECT(is_held(first));
	bench_fini(&bench);
}

SPEC("kube lease: time counts from when a renewal was asked for, not from its answer")
{
	static struct bench bench;
	bench_init(&bench);
	bench.store.delay_us = 4 * DURATION_SECOND;
	const struct replica *first = join(&bench, 0);
	pass(&bench, 9 * DURATION_SECOND); /* looked at 0, asked at 4, answered at 8 */
	EXPECT(is_held(first));
	bench.store.is_down = true;
	pass(&bench, 4 * DURATION_SECOND);
	EXPECT(is_held(first));
	pass(&bench, 1100 * DURATION_MS);
	EXPECT(!is_held(first));
	bench_fini(&bench);
}

SPEC("kube lease: silence that nobody heard is not silence")
{
	static struct bench bench;
	bench_init(&bench);
	struct replica *first = join(&bench, 0);
	pass(&bench, DURATION_SECOND);
	const struct replica *second = join(&bench, 1);
	pass(&bench, 10 * DURATION_SECOND);
	die(first);
	bench.store.is_down = true;
	pass(&bench, DURATION_HOUR); /* or a clock that jumps by as much */
	bench.store.is_down = false;
	pass(&bench, 5 * DURATION_SECOND);
	EXPECT(!is_held(second));
	pass(&bench, 20 * DURATION_SECOND);
	EXPECT(is_held(second));
	bench_fini(&bench);
}

SPEC("kube lease: a holder whose clock is years off is still a holder, while it renews")
{
	static struct bench bench;
	bench_init(&bench);
	const struct replica *second = join(&bench, 1);
	bench.store.lease = cJSON_Parse(
		"{\"metadata\":{\"name\":\"sluice\",\"resourceVersion\":\"1\"},\"spec\":{"
		"\"holderIdentity\":\"old clock\",\"leaseDurationSeconds\":15,"
		"\"renewTime\":\"1999-01-01T00:00:00.000000Z\",\"leaseTransitions\":4}}");
	for (int i = 0; i < 60; i++) {
		char renewed[64];
		snprintf(renewed, sizeof(renewed), "1999-01-01T00:00:%02d.000000Z", i);
		json_put_string(bench.store.lease, "spec.renewTime", renewed);
		pass(&bench, 5 * DURATION_SECOND);
		EXPECT(!is_held(second));
	}
	pass(&bench, 20 * DURATION_SECOND);
	EXPECT(is_held(second));
	EXPECT_INT(json_int(bench.store.lease, "spec.leaseTransitions", -1), 5);
	bench_fini(&bench);
}

SPEC("kube lease: somebody else's longer duration is waited for")
{
	static struct bench bench;
	bench_init(&bench);
	bench.store.lease = cJSON_Parse(
		"{\"metadata\":{\"name\":\"sluice\",\"resourceVersion\":\"1\",\"labels\":"
		"{\"a\":\"b\"}},\"spec\":{\"holderIdentity\":\"flagger\",\"leaseDurationSeconds\":"
		"60,"
		"\"renewTime\":\"2023-11-14T22:00:00.000000Z\"}}");
	const struct replica *second = join(&bench, 1);
	pass(&bench, 55 * DURATION_SECOND);
	EXPECT(!is_held(second));
	pass(&bench, 10 * DURATION_SECOND);
	EXPECT(is_held(second));
	EXPECT_TEXT(json_string(bench.store.lease, "metadata.labels.a"), "b");
	bench_fini(&bench);
}

SPEC("kube lease: a namesake is somebody else")
{
	static struct bench bench;
	bench_init(&bench);
	const struct replica *first = join_as(&bench, 0, "same");
	pass(&bench, DURATION_SECOND);
	const struct replica *second = join_as(&bench, 1, "same");
	for (int i = 0; i < 100; i++) {
		pass(&bench, DURATION_SECOND);
		EXPECT(is_held(first) && !is_held(second));
	}
	bench_fini(&bench);
}

SPEC("kube lease: one who finds it taken from him stops at once")
{
	static struct bench bench;
	bench_init(&bench);
	const struct replica *first = join(&bench, 0);
	pass(&bench, 10 * DURATION_SECOND);
	json_put_string(bench.store.lease, "spec.holderIdentity", "stranger");
	json_put_string(bench.store.lease, "metadata.resourceVersion", "77");
	pass(&bench, 6 * DURATION_SECOND);
	EXPECT(!is_held(first));
	EXPECT_INT(first->went, 1);
	EXPECT_TEXT(lease_holder(first->lease), "stranger");
	bench_fini(&bench);
}

SPEC("kube lease: one that somebody deleted is made again")
{
	static struct bench bench;
	bench_init(&bench);
	const struct replica *first = join(&bench, 0);
	pass(&bench, 10 * DURATION_SECOND);
	cJSON_Delete(bench.store.lease);
	bench.store.lease = NULL;
	pass(&bench, 6 * DURATION_SECOND);
	EXPECT(is_held(first));
	EXPECT_TEXT(json_string(bench.store.lease, "spec.holderIdentity"), "first");
	bench_fini(&bench);
}

SPEC("kube lease: options that could not work are refused in a sentence")
{
	static struct bench bench;
	bench_init(&bench);
	const struct kube_options none = {0};
	struct kube *kube = kube_new(bench.loop, &bench.store.http, &bench.chance, &none);
	struct error err;
	const struct lease_options no_name = {.namespace = "a", .name = "b/c", .identity = "x"};
	EXPECT(lease_new(kube, &no_name, on_change, NULL, &err) == NULL);
	EXPECT_CONTAINS(err.text, "a/b/c is not the name of a Lease");
	const struct lease_options no_time = {
		.namespace = "a", .name = "b", .identity = "x", .duration_us = 5 * DURATION_SECOND};
	EXPECT(lease_new(kube, &no_time, on_change, NULL, &err) == NULL);
	EXPECT_CONTAINS(err.text, "ever longer");
	EXPECT_INT(kube_requests(kube), 0);
	kube_free(kube);
	bench_fini(&bench);
}
