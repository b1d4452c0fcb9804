#include "spec.h"

#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "fake_http.h"
#include "kube/watch.h"

struct bench {
	struct loop *loop;
	struct fake_http fake;
	struct chance chance;
	struct kube *kube;
	struct watch *watch;
	struct buf said; /* "+name -name synced " */
};

static void note(void *owner, enum watch_event event, cJSON *object)
{
	struct bench *bench = owner;
	if (event == WATCH_SYNCED) {
		EXPECT(object == NULL);
		buf_puts(&bench->said, "synced ");
		return;
	}
	EXPECT_TEXT(json_string(object, "kind"), "Canary");
	EXPECT_TEXT(json_string(object, "apiVersion"), "flagger.app/v1beta1");
	buf_printf(&bench->said, "%c%s/%s ", event == WATCH_PUT ? '+' : '-',
		   json_string_or(object, "metadata.namespace", ""),
		   json_string(object, "metadata.name"));
}

static void bench_init(struct bench *bench, const struct watch_options *options)
{
	log_setup(LOG_OFF, false, NULL);
	bench->loop = loop_new_virtual(DURATION_HOUR);
	fake_http_init(&bench->fake, bench->loop);
	chance_seed(&bench->chance, 1);
	const struct kube_options none = {0};
	bench->kube = kube_new(bench->loop, &bench->fake.http, &bench->chance, &none);
	buf_init(&bench->said, 65536);
	bench->watch = watch_new(bench->kube, &kube_canary, options, note, bench);
}

static void bench_fini(struct bench *bench)
{
	watch_free(bench->watch);
	kube_free(bench->kube);
	loop_free(bench->loop);
	fake_http_fini(&bench->fake);
	buf_fini(&bench->said);
}

static const struct watch_options everywhere = {0};

/* "a b" becomes a list of those names in namespace test. */
static char *list_of(const char *names, const char *version, const char *more)
{
	struct buf list;
	buf_init(&list, 65536);
	buf_puts(&list, "{\"kind\":\"CanaryList\",\"items\":[");
	SCOPED(text) char *copy = xstrdup(names);
	char *rest = copy;
	const char *between = "";
	for (char *name = strsep(&rest, " "); name != NULL; name = strsep(&rest, " ")) {
		if (name[0] == '\0')
			continue;
		buf_printf(&list, "%s{\"metadata\":{\"namespace\":\"test\",\"name\":\"%s\"}}",
			   between, name);
		between = ",";
	}
	buf_printf(&list, "],\"metadata\":{\"resourceVersion\":\"%s\",\"continue\":\"%s\"}}",
		   version, more);
	return buf_take(&list);
}

static void answer_list(struct bench *bench, const char *names, const char *version,
			const char *more)
{
	SCOPED(text) char *list = list_of(names, version, more);
	EXPECT(strstr(fake_last(&bench->fake)->url, "watch=") == NULL);
	fake_reply(&bench->fake, fake_last(&bench->fake), 200, list);
	loop_run(bench->loop, 0);
}

static struct fake_request *stream(struct bench *bench)
{
	struct fake_request *request = fake_last(&bench->fake);
	EXPECT_CONTAINS(request->url, "watch=1");
	return request;
}

static void event(struct bench *bench, const char *type, const char *name, const char *version)
{
	SCOPED(text)
	char *line = xasprintf("{\"type\":\"%s\",\"object\":{\"metadata\":{\"namespace\":\"test\","
			       "\"name\":\"%s\",\"resourceVersion\":\"%s\"}}}\n",
			       type, name, version);
	fake_piece(&bench->fake, stream(bench), line);
	loop_run(bench->loop, 0);
}

/* Lists, and the stream is open. */
static void begin(struct bench *bench, const char *names)
{
	bench_init(bench, &everywhere);
	answer_list(bench, names, "100", "");
	buf_clear(&bench->said);
}

SPEC("kube watch: lists in pages, then watches from the version of the list")
{
	static struct bench bench;
	bench_init(&bench, &everywhere);
	EXPECT_TEXT(fake_last(&bench.fake)->url, "/apis/flagger.app/v1beta1/canaries?limit=500");
	EXPECT_TEXT(fake_last(&bench.fake)->accept, "application/json");
	answer_list(&bench, "a b", "99", "to/ken==");
	EXPECT_TEXT(fake_last(&bench.fake)->url,
		    "/apis/flagger.app/v1beta1/canaries?limit=500&continue=to%2Fken%3D%3D");
	EXPECT(!watch_is_synced(bench.watch));
	answer_list(&bench, "c", "100", "");
	EXPECT_TEXT(bench.said.text, "+test/a +test/b +test/c synced ");
	EXPECT(watch_is_synced(bench.watch));
	const struct fake_request *request = stream(&bench);
	EXPECT_CONTAINS(request->url, "resourceVersion=100");
	EXPECT_CONTAINS(request->url, "allowWatchBookmarks=true");
	const char *seconds = strstr(request->url, "timeoutSeconds=") + strlen("timeoutSeconds=");
	long timeout = strtol(seconds, NULL, 10);
	EXPECT(timeout >= 240 && timeout <= 480);
	EXPECT(request->timeout_us > timeout * DURATION_SECOND);
	bench_fini(&bench);
}

SPEC("kube watch: a namespace, a selector and metadata alone are asked for as such")
{
	static struct bench bench;
	const struct watch_options options = {
		.namespace = "test", .label_selector = "app in (a,b)", .metadata_only = true};
	bench_init(&bench, &options);
	EXPECT_TEXT(fake_last(&bench.fake)->url,
		    "/apis/flagger.app/v1beta1/namespaces/test/canaries"
		    "?labelSelector=app%20in%20%28a%2Cb%29&limit=500");
	EXPECT_TEXT(fake_last(&bench.fake)->accept,
		    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");
	answer_list(&bench, "", "5", "");
	EXPECT_TEXT(stream(&bench)->accept,
		    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
	EXPECT_CONTAINS(stream(&bench)->url, "labelSelector=app%20in");
	bench_fini(&bench);
}

SPEC("kube watch: events are told as they come, bookmarks only remembered")
{
	static struct bench bench;
	begin(&bench, "a");
	event(&bench, "ADDED", "b", "101");
	event(&bench, "MODIFIED", "a", "102");
	event(&bench, "DELETED", "b", "103");
	fake_piece(&bench.fake, stream(&bench),
		   "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"150\"}}}"
		   "\n");
	EXPECT_TEXT(bench.said.text, "+test/b +test/a -test/b ");
	loop_run(bench.loop, loop_now(bench.loop) + DURATION_MINUTE);
	fake_reply(&bench.fake, stream(&bench), 200, "");
	loop_run(bench.loop, 0);
	EXPECT_CONTAINS(stream(&bench)->url, "resourceVersion=150");
	EXPECT_INT(fake_open(&bench.fake), 1);
	EXPECT_INT(watch_trouble(bench.watch)->kind, ERROR_NONE);
	bench_fini(&bench);
}

SPEC("kube watch: a line that comes in pieces is one event")
{
	static struct bench bench;
	begin(&bench, "");
	const char *line = "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\"}}}\n";
	for (const char *c = line; *c != '\0'; c++) {
		EXPECT_TEXT(bench.said.text, "");
		fake_piece(&bench.fake, stream(&bench), (char[]){*c, '\0'});
	}
	EXPECT_TEXT(bench.said.text, "+/a ");
	bench_fini(&bench);
}

static void expect_relist(struct bench *bench)
{
	loop_run(bench->loop, 0);
	const struct fake_request *request = fake_last(&bench->fake);
	EXPECT_CONTAINS(request->url, "limit=500");
	EXPECT(strstr(request->url, "resourceVersion") == NULL);
	EXPECT_INT(fake_open(&bench->fake), 1);
	buf_clear(&bench->said);
	answer_list(bench, "b c", "200", "");
	EXPECT_TEXT(bench->said.text, "+test/b +test/c -test/a synced ");
	EXPECT_CONTAINS(stream(bench)->url, "resourceVersion=200");
	EXPECT_INT(watch_trouble(bench->watch)->kind, ERROR_NONE);
}

SPEC("kube watch: 410 as the answer means to list again and to tell what is gone")
{
	static struct bench bench;
	begin(&bench, "a b");
	fake_reply(&bench.fake, stream(&bench), 410, "{\"kind\":\"Status\",\"code\":410}");
	expect_relist(&bench);
	bench_fini(&bench);
}

SPEC("kube watch: 410 as an event means the same")
{
	static struct bench bench;
	begin(&bench, "a b");
	fake_piece(&bench.fake, stream(&bench),
		   "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,"
		   "\"reason\":\"Expired\",\"message\":\"too old resource version: 1 (2)\"}}\n");
	expect_relist(&bench);
	bench_fini(&bench);
}

SPEC("kube watch: a Status instead of events means the same")
{
	static struct bench bench;
	begin(&bench, "a b");
	fake_piece(&bench.fake, stream(&bench),
		   "{\"kind\":\"Status\",\"code\":500,\"message\":\"storage is resting\"}\n");
	loop_turn(bench.loop);
	EXPECT_TEXT(watch_trouble(bench.watch)->text, "storage is resting");
	expect_relist(&bench);
	bench_fini(&bench);
}

SPEC("kube watch: a broken line may have been an event: list again")
{
	static struct bench bench;
	begin(&bench, "a b");
	fake_piece(&bench.fake, stream(&bench), "{\"type\":\"ADDED\",\"object\":{\"meta\n");
	expect_relist(&bench);
	bench_fini(&bench);
}

SPEC("kube watch: events behind a broken line are not told")
{
	static struct bench bench;
	begin(&bench, "a b");
	fake_piece(&bench.fake, stream(&bench),
		   "what\n{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"x\"}}}\n");
	EXPECT_TEXT(bench.said.text, "");
	expect_relist(&bench);
	bench_fini(&bench);
}

SPEC("kube watch: a line that is too long means to list again")
{
	static struct bench bench;
	begin(&bench, "a b");
	char *much = xmalloc(MIB + 1);
	memset(much, ' ', MIB);
	much[MIB] = '\0';
	const struct fake_request *request = stream(&bench);
	for (int i = 0; i < 5 && request->open; i++)
		fake_piece(&bench.fake, stream(&bench), much);
	free(much);
	EXPECT(!request->open);
	expect_relist(&bench);
	bench_fini(&bench);
}

SPEC("kube watch: a connection that breaks goes on from the last version, after a while")
{
	static struct bench bench;
	begin(&bench, "a");
	event(&bench, "MODIFIED", "a", "102");
	int64_t before = loop_now(bench.loop);
	fake_fail(&bench.fake, stream(&bench), ERROR_UNAVAILABLE, "connection reset");
	loop_turn(bench.loop);
	EXPECT_CONTAINS(watch_trouble(bench.watch)->text, "connection reset");
	loop_run(bench.loop, 0);
	EXPECT_CONTAINS(stream(&bench)->url, "resourceVersion=102");
	EXPECT(loop_now(bench.loop) >= before + 250 * DURATION_MS);
	event(&bench, "MODIFIED", "a", "103");
	EXPECT_INT(watch_trouble(bench.watch)->kind, ERROR_NONE);
	bench_fini(&bench);
}

SPEC("kube watch: half a line that the connection broke off is forgotten")
{
	static struct bench bench;
	begin(&bench, "a");
	fake_piece(&bench.fake, stream(&bench), "{\"type\":\"ADD");
	fake_fail(&bench.fake, stream(&bench), ERROR_UNAVAILABLE, "connection reset");
	loop_run(bench.loop, 0);
	event(&bench, "MODIFIED", "a", "103");
	EXPECT_TEXT(bench.said.text, "+test/a ");
	bench_fini(&bench);
}

SPEC("kube watch: a server that stays away is asked ever less often, then listed anew")
{
	static struct bench bench;
	begin(&bench, "a");
	int64_t longest = 0;
	for (int i = 0; i < 12; i++) {
		int64_t before = loop_now(bench.loop);
		struct fake_request *request = fake_last(&bench.fake);
		fake_fail(&bench.fake, request, ERROR_INVALID, "no");
		loop_run(bench.loop, 0);
		longest = loop_now(bench.loop) - before;
	}
	EXPECT(longest >= 15 * DURATION_SECOND && longest <= 30 * DURATION_SECOND);
	buf_clear(&bench.said);
	answer_list(&bench, "a", "300", "");
	EXPECT_TEXT(bench.said.text, "+test/a synced ");
	bench_fini(&bench);
}

SPEC("kube watch: a stream that ends as soon as it began is not begun again at once")
{
	static struct bench bench;
	begin(&bench, "a");
	int64_t before = loop_now(bench.loop);
	for (int i = 0; i < 4; i++) {
		fake_reply(&bench.fake, fake_last(&bench.fake), 200, "");
		loop_run(bench.loop, 0);
	}
	EXPECT(loop_now(bench.loop) - before > 3 * DURATION_SECOND);
	bench_fini(&bench);
}

SPEC("kube watch: 429 waits as long as the server says and keeps its version")
{
	static struct bench bench;
	begin(&bench, "a");
	int64_t before = loop_now(bench.loop);
	fake_reply_later(&bench.fake, stream(&bench), 429, "", 20 * DURATION_SECOND);
	loop_run(bench.loop, 0);
	EXPECT_CONTAINS(stream(&bench)->url, "resourceVersion=100");
	EXPECT(loop_now(bench.loop) >= before + 20 * DURATION_SECOND);
	bench_fini(&bench);
}

SPEC("kube watch: a server that asks for a day is asked again in minutes")
{
	static struct bench bench;
	begin(&bench, "a");
	int64_t before = loop_now(bench.loop);
	fake_reply_later(&bench.fake, stream(&bench), 503, "", 24 * DURATION_HOUR);
	loop_run(bench.loop, before + 6 * DURATION_MINUTE);
	EXPECT_CONTAINS(stream(&bench)->url, "resourceVersion=100");
	bench_fini(&bench);
}

SPEC("kube watch: waits for a kind that does not exist yet")
{
	static struct bench bench;
	bench_init(&bench, &everywhere);
	for (int i = 0; i < 3; i++) {
		fake_reply(&bench.fake, fake_last(&bench.fake), 404, "404 page not found");
		loop_run(bench.loop, 0);
		EXPECT(!watch_is_synced(bench.watch));
		EXPECT_INT(watch_trouble(bench.watch)->kind, ERROR_NOT_FOUND);
	}
	answer_list(&bench, "a", "5", "");
	EXPECT_TEXT(bench.said.text, "+test/a synced ");
	bench_fini(&bench);
}

SPEC("kube watch: when a kind goes away, all of its objects are gone")
{
	static struct bench bench;
	begin(&bench, "a b");
	fake_reply(&bench.fake, stream(&bench), 404, "404 page not found");
	loop_run(bench.loop, 0);
	fake_reply(&bench.fake, fake_last(&bench.fake), 404, "404 page not found");
	loop_turn(bench.loop);
	EXPECT_TEXT(bench.said.text, "-test/a -test/b ");
	bench_fini(&bench);
}

SPEC("kube watch: a list whose pages expire is begun again, then asked for in one piece")
{
	static struct bench bench;
	bench_init(&bench, &everywhere);
	answer_list(&bench, "a", "1", "token");
	fake_reply(&bench.fake, fake_last(&bench.fake), 410, "");
	loop_run(bench.loop, 0);
	EXPECT_TEXT(fake_last(&bench.fake)->url, "/apis/flagger.app/v1beta1/canaries?limit=500");
	answer_list(&bench, "b", "1", "token");
	fake_reply(&bench.fake, fake_last(&bench.fake), 410, "");
	loop_run(bench.loop, 0);
	EXPECT_TEXT(fake_last(&bench.fake)->url, "/apis/flagger.app/v1beta1/canaries");
	buf_clear(&bench.said);
	answer_list(&bench, "b c", "2", "");
	EXPECT_TEXT(bench.said.text, "+test/b +test/c -test/a synced ");
	bench_fini(&bench);
}

SPEC("kube watch: a list that fails half-way tells nothing as gone")
{
	static struct bench bench;
	begin(&bench, "a b c");
	fake_reply(&bench.fake, stream(&bench), 410, "");
	loop_run(bench.loop, 0);
	answer_list(&bench, "a", "200", "token");
	fake_reply(&bench.fake, fake_last(&bench.fake), 200, "{\"items\":[{\"metadata\":{\"na");
	loop_run(bench.loop, 0);
	EXPECT_TEXT(bench.said.text, "+test/a ");
	buf_clear(&bench.said);
	answer_list(&bench, "a c", "201", "");
	EXPECT_TEXT(bench.said.text, "+test/a +test/c -test/b synced ");
	bench_fini(&bench);
}

SPEC("kube watch: is freed in each of its states and then says nothing")
{
	for (int state = 0; state < 4; state++) {
		static struct bench bench;
		bench_init(&bench, &everywhere);
		if (state > 0)
			answer_list(&bench, "a", "1", "");
		if (state == 2) {
			fake_fail(&bench.fake, stream(&bench), ERROR_UNAVAILABLE, "no");
			loop_turn(bench.loop);
		}
		if (state == 3)
			fake_reply(&bench.fake, stream(&bench), 200, "");
		buf_clear(&bench.said);
		watch_free(bench.watch);
		bench.watch = NULL;
		loop_run(bench.loop, 0);
		EXPECT_TEXT(bench.said.text, "");
		EXPECT_INT(fake_open(&bench.fake), 0);
		EXPECT_INT(kube_pending(bench.kube), 0);
		bench_fini(&bench);
	}
}

SPEC("kube watch: a namespace that cannot be one is trouble, not a request")
{
	static struct bench bench;
	const struct watch_options options = {.namespace = "../kube-system"};
	bench_init(&bench, &options);
	loop_run(bench.loop, 0);
	EXPECT_INT(bench.fake.count, 0);
	EXPECT_INT(watch_trouble(bench.watch)->kind, ERROR_INVALID);
	bench_fini(&bench);
}
