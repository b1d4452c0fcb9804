#include "spec.h"

#include <stdio.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "fake_http.h"
#include "kube/client.h"

struct bench {
	struct loop *loop;
	struct fake_http fake;
	struct chance chance;
	struct kube *kube;
	struct buf answers; /* "token:kind:status " */
	char text[ERROR_TEXT_MAX];
	char name[64];
	bool may_write;
	int asked;
};

static void bench_init(struct bench *bench, double qps, double burst)
{
	bench->loop = loop_new_virtual(DURATION_HOUR);
	fake_http_init(&bench->fake, bench->loop);
	chance_seed(&bench->chance, 1);
	const struct kube_options options = {.qps = qps, .burst = burst};
	bench->kube = kube_new(bench->loop, &bench->fake.http, &bench->chance, &options);
	buf_init(&bench->answers, 65536);
	bench->text[0] = bench->name[0] = '\0';
	bench->may_write = true;
	bench->asked = 0;
}

static void bench_fini(struct bench *bench)
{
	kube_free(bench->kube);
	loop_free(bench->loop);
	fake_http_fini(&bench->fake);
	buf_fini(&bench->answers);
}

static void on_reply(void *owner, uint64_t token, const struct kube_reply *reply)
{
	struct bench *bench = owner;
	buf_printf(&bench->answers, "%d:%s:%d ", (int)token, error_kind_name(reply->error.kind),
		   reply->status);
	text_copy(bench->text, sizeof(bench->text), reply->error.text);
	text_copy(bench->name, sizeof(bench->name),
		  json_string_or(reply->object, "metadata.name", ""));
}

static uint64_t get(struct bench *bench, uint64_t token)
{
	return kube_send(bench->kube, KUBE_GET, "/api/v1/namespaces/test/pods/a", NULL, on_reply,
			 bench, token);
}

static uint64_t merge(struct bench *bench, uint64_t token)
{
	SCOPED(json) cJSON *body = cJSON_CreateObject();
	return kube_send(bench->kube, KUBE_MERGE, "/api/v1/namespaces/test/pods/a", body, on_reply,
			 bench, token);
}

SPEC("kube client: verbs become methods, media types and queries")
{
	static const struct {
		enum kube_verb verb;
		const char *path, *method, *url, *type;
	} cases[] = {
		{KUBE_GET, "/api/v1/pods/a", "GET", "/api/v1/pods/a", NULL},
		{KUBE_CREATE, "/api/v1/pods", "POST", "/api/v1/pods?fieldManager=sluice",
		 "application/json"},
		{KUBE_UPDATE, "/api/v1/pods/a", "PUT", "/api/v1/pods/a?fieldManager=sluice",
		 "application/json"},
		{KUBE_APPLY, "/api/v1/pods/a", "PATCH",
		 "/api/v1/pods/a?fieldManager=sluice&force=true", "application/apply-patch+yaml"},
		{KUBE_MERGE, "/api/v1/pods/a/status?x=1", "PATCH",
		 "/api/v1/pods/a/status?x=1&fieldManager=sluice", "application/merge-patch+json"},
		{KUBE_JSON_PATCH, "/api/v1/pods/a", "PATCH", "/api/v1/pods/a?fieldManager=sluice",
		 "application/json-patch+json"},
		{KUBE_DELETE, "/api/v1/pods/a", "DELETE", "/api/v1/pods/a", NULL},
	};
	static struct bench bench;
	bench_init(&bench, 0, 0);
	SCOPED(json) cJSON *body = cJSON_Parse("{\"a\":1}");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		kube_send(bench.kube, cases[i].verb, cases[i].path,
			  cases[i].type != NULL ? body : NULL, on_reply, &bench, i);
		const struct fake_request *request = fake_last(&bench.fake);
		EXPECT_TEXT(request->method, cases[i].method);
		EXPECT_TEXT(request->url, cases[i].url);
		EXPECT_TEXT(request->content_type, cases[i].type);
		EXPECT_TEXT(request->accept, "application/json");
		EXPECT_TEXT(request->body, cases[i].type != NULL ? "{\"a\":1}" : NULL);
	}
	EXPECT_INT(kube_pending(bench.kube), ARRAY_LEN(cases));
	EXPECT_INT(kube_requests(bench.kube), ARRAY_LEN(cases));
	bench_fini(&bench);
}

SPEC("kube client: an object that comes is handed on, never from inside the call")
{
	static struct bench bench;
	bench_init(&bench, 0, 0);
	get(&bench, 7);
	fake_reply(&bench.fake, fake_last(&bench.fake), 200, "{\"metadata\":{\"name\":\"a\"}}");
	EXPECT_TEXT(bench.answers.text, "");
	loop_run(bench.loop, 0);
	EXPECT_TEXT(bench.answers.text, "7:none:200 ");
	EXPECT_TEXT(bench.name, "a");
	EXPECT_INT(kube_pending(bench.kube), 0);
	bench_fini(&bench);
}

SPEC("kube client: a refusal is a kind and the server's own sentence")
{
	static const struct {
		int status;
		const char *kind;
	} cases[] = {
		{400, "invalid"},   {401, "denied"},	{403, "denied"},
		{404, "not found"}, {409, "conflict"},	{410, "gone"},
		{422, "invalid"},   {429, "throttled"}, {500, "unavailable"},
	};
	static struct bench bench;
	bench_init(&bench, 0, 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		merge(&bench, i);
		fake_reply(&bench.fake, fake_last(&bench.fake), cases[i].status,
			   "{\"kind\":\"Status\",\"message\":\"pods \\\"a\\\" is\\nnot so\"}");
		loop_run(bench.loop, 0);
		EXPECT_TEXT(bench.text, "pods \"a\" is not so");
		char wanted[64];
		snprintf(wanted, sizeof(wanted), "%d:%s:%d ", (int)i, cases[i].kind,
			 cases[i].status);
		EXPECT_TEXT(bench.answers.text, wanted);
		buf_clear(&bench.answers);
	}
	bench_fini(&bench);
}

SPEC("kube client: a refusal in another language still is one")
{
	static struct bench bench;
	bench_init(&bench, 0, 0);
	merge(&bench, 1);
	fake_reply(&bench.fake, fake_last(&bench.fake), 403, "<html>go away</html>");
	merge(&bench, 2);
	fake_reply(&bench.fake, fake_last(&bench.fake), 302, "");
	loop_run(bench.loop, 0);
	EXPECT_TEXT(bench.answers.text, "1:denied:403 2:invalid:302 ");
	EXPECT_TEXT(bench.text, "the API server answered 302");
	bench_fini(&bench);
}

SPEC("kube client: an answer that is not JSON is an error with the request in it")
{
	static struct bench bench;
	bench_init(&bench, 0, 0);
	merge(&bench, 1);
	fake_reply(&bench.fake, fake_last(&bench.fake), 200, "<html>");
	loop_run(bench.loop, 0);
	EXPECT_TEXT(bench.answers.text, "1:unavailable:200 ");
	EXPECT_CONTAINS(bench.text, "PATCH /api/v1/namespaces/test/pods/a");
	EXPECT_CONTAINS(bench.text, "not JSON");
	bench_fini(&bench);
}

SPEC("kube client: a read is repeated when the server is busy, broken or silent")
{
	static struct bench bench;
	bench_init(&bench, 0, 0);
	get(&bench, 1);
	fake_reply(&bench.fake, fake_last(&bench.fake), 500, "");
	loop_run(bench.loop, 0);
	fake_fail(&bench.fake, fake_last(&bench.fake), ERROR_UNAVAILABLE, "connection reset");
	loop_run(bench.loop, 0);
	fake_fail(&bench.fake, fake_last(&bench.fake), ERROR_TIMEOUT, "no connection");
	loop_run(bench.loop, 0);
	int64_t before = loop_now(bench.loop);
	fake_reply_later(&bench.fake, fake_last(&bench.fake), 429, "", 2 * DURATION_SECOND);
	loop_run(bench.loop, 0);
	EXPECT(loop_now(bench.loop) >= before + 2 * DURATION_SECOND);
	fake_reply(&bench.fake, fake_last(&bench.fake), 200, "{}");
	loop_run(bench.loop, 0);
	EXPECT_TEXT(bench.answers.text, "1:none:200 ");
	EXPECT_INT(kube_requests(bench.kube), 5);
	bench_fini(&bench);
}

SPEC("kube client: repeated reads come ever slower and end within the timeout")
{
	static struct bench bench;
	bench_init(&bench, 0, 0);
	int64_t start = loop_now(bench.loop), last = start, gap = 0;
	get(&bench, 1);
	while (bench.answers.len == 0) {
		const struct fake_request *request = fake_last(&bench.fake);
		EXPECT(request->at_us + request->timeout_us <= start + 30 * DURATION_SECOND);
		if (request->at_us - last > gap)
			gap = request->at_us - last;
		last = request->at_us;
		fake_reply(&bench.fake, fake_last(&bench.fake), 503, "");
		loop_run(bench.loop, 0);
	}
	EXPECT_TEXT(bench.answers.text, "1:unavailable:503 ");
	EXPECT(gap > DURATION_SECOND && gap <= 5 * DURATION_SECOND);
	EXPECT(kube_requests(bench.kube) > 5 && kube_requests(bench.kube) < 20);
	bench_fini(&bench);
}

SPEC("kube client: a read is not repeated for what will not change")
{
	static const int statuses[] = {400, 401, 403, 404, 409, 410};
	static struct bench bench;
	bench_init(&bench, 0, 0);
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		get(&bench, i);
		fake_reply(&bench.fake, fake_last(&bench.fake), statuses[i], "");
		loop_run(bench.loop, 0);
	}
	EXPECT_INT(kube_requests(bench.kube), ARRAY_LEN(statuses));
	EXPECT_INT(kube_pending(bench.kube), 0);
	bench_fini(&bench);
}

SPEC("kube client: a write whose reply was lost is not sent again")
{
	static struct bench bench;
	bench_init(&bench, 0, 0);
	merge(&bench, 1);
	fake_fail(&bench.fake, fake_last(&bench.fake), ERROR_UNAVAILABLE, "connection reset");
	loop_run(bench.loop, 0);
	merge(&bench, 2);
	fake_fail(&bench.fake, fake_last(&bench.fake), ERROR_TIMEOUT, "no answer");
	loop_run(bench.loop, 0);
	merge(&bench, 3);
	fake_reply(&bench.fake, fake_last(&bench.fake), 500, "");
	loop_run(bench.loop, 0);
	merge(&bench, 4);
	fake_reply(&bench.fake, fake_last(&bench.fake), 503, "");
	loop_run(bench.loop, 0);
	EXPECT_TEXT(bench.answers.text,
		    "1:unavailable:0 2:timeout:0 3:unavailable:500 4:unavailable:503 ");
	EXPECT_INT(kube_requests(bench.kube), 4);
	EXPECT(loop_now(bench.loop) == DURATION_HOUR);
	bench_fini(&bench);
}

SPEC("kube client: a write is sent again when the server says when")
{
	static struct bench bench;
	bench_init(&bench, 0, 0);
	merge(&bench, 1);
	fake_reply_later(&bench.fake, fake_last(&bench.fake), 429, "", DURATION_SECOND);
	loop_run(bench.loop, 0);
	fake_reply_later(&bench.fake, fake_last(&bench.fake), 503, "", 0);
	loop_run(bench.loop, 0);
	EXPECT(loop_now(bench.loop) > DURATION_HOUR + DURATION_SECOND);
	fake_reply(&bench.fake, fake_last(&bench.fake), 200, "{}");
	loop_run(bench.loop, 0);
	EXPECT_TEXT(bench.answers.text, "1:none:200 ");
	bench_fini(&bench);
}

SPEC("kube client: a server that asks for more time than there is gets its refusal told")
{
	static struct bench bench;
	bench_init(&bench, 0, 0);
	merge(&bench, 1);
	fake_reply_later(&bench.fake, fake_last(&bench.fake), 429, "", 31 * DURATION_SECOND);
	loop_run(bench.loop, 0);
	EXPECT_TEXT(bench.answers.text, "1:throttled:429 ");
	bench_fini(&bench);
}

SPEC("kube client: after a burst, requests leave at the rate that is set, in their order")
{
	static struct bench bench;
	bench_init(&bench, 10, 3);
	for (uint64_t i = 0; i < 13; i++)
		get(&bench, i);
	EXPECT_INT(bench.fake.count, 3);
	loop_run(bench.loop, 0);
	EXPECT_INT(bench.fake.count, 13);
	for (size_t i = 3; i < 13; i++) {
		int64_t wanted = DURATION_HOUR + ((int64_t)i - 2) * 100 * DURATION_MS;
		EXPECT(bench.fake.requests[i].at_us >= wanted &&
		       bench.fake.requests[i].at_us < wanted + DURATION_MS);
	}
	bench_fini(&bench);
}

SPEC("kube client: a lease does not wait behind other requests")
{
	static struct bench bench;
	bench_init(&bench, 1, 1);
	get(&bench, 1);
	get(&bench, 2);
	kube_send(bench.kube, KUBE_GET, "/apis/coordination.k8s.io/v1/namespaces/x/leases/y", NULL,
		  on_reply, &bench, 3);
	EXPECT_INT(bench.fake.count, 2);
	EXPECT_CONTAINS(bench.fake.requests[1].url, "/leases/y");
	bench_fini(&bench);
}

SPEC("kube client: what is cancelled is not answered, wherever it was")
{
	static struct bench bench;
	bench_init(&bench, 1, 1);
	uint64_t under_way = get(&bench, 1), queued = get(&bench, 2), answered;
	kube_cancel(bench.kube, under_way);
	EXPECT(bench.fake.requests[0].cancelled);
	kube_cancel(bench.kube, queued);
	kube_cancel(bench.kube, queued);
	kube_cancel(bench.kube, 99);
	loop_run(bench.loop, 0);
	EXPECT_INT(bench.fake.count, 1);

	answered = get(&bench, 3);
	loop_run(bench.loop, 0);
	fake_reply(&bench.fake, fake_last(&bench.fake), 200, "{}");
	kube_cancel(bench.kube, answered);
	loop_run(bench.loop, 0);

	uint64_t waits = get(&bench, 4);
	loop_run(bench.loop, 0);
	fake_reply(&bench.fake, fake_last(&bench.fake), 503, "");
	loop_turn(bench.loop);
	kube_cancel(bench.kube, waits);
	loop_run(bench.loop, 0);
	EXPECT_TEXT(bench.answers.text, "");
	EXPECT_INT(kube_pending(bench.kube), 0);
	EXPECT_INT(bench.fake.count, 3);
	bench_fini(&bench);
}

static bool may_write(void *owner, const char *path)
{
	struct bench *bench = owner;
	bench->asked++;
	EXPECT_CONTAINS(path, "/api");
	return bench->may_write;
}

SPEC("kube client: a write that waited for its turn is asked about before it leaves")
{
	static struct bench bench;
	bench_init(&bench, 1, 1);
	kube_fence(bench.kube, may_write, &bench);
	merge(&bench, 1);
	merge(&bench, 2);
	EXPECT_INT(bench.asked, 1);
	bench.may_write = false;
	loop_run(bench.loop, 0);
	EXPECT_INT(bench.fake.count, 1);
	EXPECT_TEXT(bench.answers.text, "2:cancelled:0 ");
	EXPECT_CONTAINS(bench.text, "the lease is not held");
	bench_fini(&bench);
}

SPEC("kube client: a write that is sent again is asked about again, reads and leases never")
{
	static struct bench bench;
	bench_init(&bench, 0, 0);
	kube_fence(bench.kube, may_write, &bench);
	merge(&bench, 1);
	fake_reply_later(&bench.fake, fake_last(&bench.fake), 503, "", DURATION_SECOND);
	bench.may_write = false;
	loop_run(bench.loop, 0);
	EXPECT_TEXT(bench.answers.text, "1:cancelled:0 ");
	get(&bench, 2);
	kube_send(bench.kube, KUBE_DELETE, "/apis/coordination.k8s.io/v1/namespaces/x/leases/y",
		  NULL, on_reply, &bench, 3);
	EXPECT_INT(bench.fake.count, 3);
	EXPECT_INT(bench.asked, 2);
	bench_fini(&bench);
}

static void send_more(void *owner, uint64_t token, const struct kube_reply *reply)
{
	struct bench *bench = owner;
	on_reply(owner, token, reply);
	if (token < 3)
		kube_send(bench->kube, KUBE_GET, "/api/v1/pods", NULL, send_more, owner, token + 1);
}

SPEC("kube client: an answer may ask the next question")
{
	static struct bench bench;
	bench_init(&bench, 0, 0);
	kube_send(bench.kube, KUBE_GET, "/api/v1/pods", NULL, send_more, &bench, 1);
	for (int i = 0; i < 3; i++) {
		fake_reply(&bench.fake, fake_last(&bench.fake), 200, "{}");
		loop_run(bench.loop, 0);
	}
	EXPECT_TEXT(bench.answers.text, "1:none:200 2:none:200 3:none:200 ");
	bench_fini(&bench);
}

SPEC("kube client: is freed with requests in every state")
{
	static struct bench bench;
	bench_init(&bench, 1, 2);
	kube_fence(bench.kube, may_write, &bench);
	bench.may_write = false;
	get(&bench, 1);
	merge(&bench, 2);
	get(&bench, 3);
	fake_reply(&bench.fake, &bench.fake.requests[0], 200, "{}");
	kube_free(bench.kube);
	bench.kube = NULL;
	loop_run(bench.loop, 0);
	EXPECT_TEXT(bench.answers.text, "");
	bench_fini(&bench);
}
