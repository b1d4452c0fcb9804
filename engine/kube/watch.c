#include "kube/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/known.h"
#include "kube/lines.h"
#include "kube/page.h"
#include "kube/refusal.h"

enum {
	SHORTEST_WATCH_S = 240, /* the server ends a watch after this to twice this */
	WATCH_GRACE_S = 30,	/* then it is late, and we end it */
	FAILURES_TILL_RELIST = 5,
};

static const int64_t first_backoff = 500 * DURATION_MS, longest_backoff = 30 * DURATION_SECOND;
/* What a server may ask us to wait; longer, and a watch would be blind. */
static const int64_t longest_wish = 5 * DURATION_MINUTE;
/* A stream that ends sooner, and without a word, has not worked. */
static const int64_t shortest_stream = DURATION_SECOND;

struct watch {
	struct kube *kube;
	struct loop *loop;
	const struct kube_kind *kind;
	char path[KUBE_PATH_MAX]; /* of the collection; empty: the namespace is no name */
	char *label_selector;
	bool metadata_only, forgetful;
	watch_call *call;
	void *owner;

	uint64_t list, stream, timer; /* at most one is not 0 */
	char *version;		      /* up to which everything was told; NULL: list first */
	char *more;		      /* the next page of the list under way */
	bool restarted, unpaged;      /* a list whose pages expired; then in one piece */
	struct lines lines;
	int64_t stream_began;
	struct known known;
	bool synced, warned;
	int failures; /* in a row */
	struct error trouble;
};

static void list(struct watch *watch);
static void stream(struct watch *watch);

static void set_text(char **owned, const char *text)
{
	char *copy = xstrdup(text);
	free(*owned);
	*owned = copy;
}

/* ---- telling the owner ---- */

static void tell_put(struct watch *watch, cJSON *object)
{
	if (!watch->forgetful)
		known_add(&watch->known, json_string(object, "metadata.namespace"),
			  json_string(object, "metadata.name"));
	json_put_string(object, "apiVersion", watch->kind->api_version);
	json_put_string(object, "kind", watch->kind->kind);
	watch->call(watch->owner, WATCH_PUT, object);
}

static void tell_gone(struct watch *watch, cJSON *object)
{
	known_remove(&watch->known, json_string(object, "metadata.namespace"),
		     json_string(object, "metadata.name"));
	json_put_string(object, "apiVersion", watch->kind->api_version);
	json_put_string(object, "kind", watch->kind->kind);
	watch->call(watch->owner, WATCH_GONE, object);
}

static void tell_missing(void *owner, const char *namespace, const char *name)
{
	struct watch *watch = owner;
	SCOPED(json) cJSON *object = cJSON_CreateObject();
	json_put_string(object, "apiVersion", watch->kind->api_version);
	json_put_string(object, "kind", watch->kind->kind);
	json_put_string(object, "metadata.name", name);
	if (namespace != NULL)
		json_put_string(object, "metadata.namespace", namespace);
	watch->call(watch->owner, WATCH_GONE, object);
}

/* ---- trouble, and coming back from it ---- */

static void go_on(void *owner, uint64_t token)
{
	(void)token;
	struct watch *watch = owner;
	watch->timer = 0;
	if (watch->version != NULL)
		stream(watch);
	else
		list(watch);
}

static void continue_in(struct watch *watch, int64_t wait_us)
{
	watch->timer = loop_at(watch->loop, loop_now(watch->loop) + wait_us, go_on, watch, 0);
}

/* One failure is the daily bread of watches; a second in a row is told to people, once. */
static void retry(struct watch *watch, const struct error *why, int64_t at_least_us)
{
	watch->trouble = *why;
	watch->failures++;
	if (watch->failures > 1 && !watch->warned) {
		watch->warned = true;
		log_warn(NULL, "watch of %s: %s; trying again", watch->kind->plural, why->text);
	}
	if (watch->failures >= FAILURES_TILL_RELIST)
		set_text(&watch->version, NULL);
	int doublings = watch->failures - 1 < 8 ? watch->failures - 1 : 8;
	int64_t backoff = first_backoff << doublings;
	backoff = backoff < longest_backoff ? backoff : longest_backoff;
	double share = 0.5 + chance_unit(kube_chance(watch->kube)) / 2;
	int64_t wait = (int64_t)((double)backoff * share);
	int64_t wish = at_least_us < longest_wish ? at_least_us : longest_wish;
	continue_in(watch, wait > wish ? wait : wish);
}

static void note_progress(struct watch *watch)
{
	watch->failures = 0;
	watch->trouble = (struct error){0};
	if (!watch->warned)
		return;
	watch->warned = false;
	log_info(NULL, "watch of %s: current again", watch->kind->plural);
}

/* ---- the list ---- */

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-._~", c) != NULL);
}

static void add_parameter(struct buf *url, const char *name, const char *value)
{
	buf_printf(url, "%c%s=", strchr(url->text, '?') != NULL ? '&' : '?', name);
	for (const char *c = value; *c != '\0'; c++) {
		if (is_plain(*c))
			buf_putc(url, *c);
		else
			buf_printf(url, "%%%02X", (unsigned char)*c);
	}
}

static void begin_url(struct watch *watch, struct buf *url)
{
	buf_init(url, HTTP_HEADER_MAX);
	buf_puts(url, watch->path);
	if (watch->label_selector != NULL)
		add_parameter(url, "labelSelector", watch->label_selector);
}

static bool on_item(void *owner, cJSON *item)
{
	tell_put(owner, item);
	return true;
}

/* The kind is not there (yet): neither is anything of it. */
static void forget_all(struct watch *watch)
{
	if (watch->forgetful) {
		watch->call(watch->owner, WATCH_LISTING, NULL);
		watch->call(watch->owner, WATCH_SYNCED, NULL);
	}
	known_begin(&watch->known);
	known_forget_stale(&watch->known, tell_missing, watch);
}

static void list_failed(struct watch *watch, const struct error *why)
{
	bool is_continued = watch->more != NULL;
	set_text(&watch->more, NULL);
	if (why->kind == ERROR_NOT_FOUND)
		forget_all(watch);
	if (why->kind == ERROR_GONE && is_continued) {
		watch->unpaged = watch->restarted;
		watch->restarted = true;
	}
	retry(watch, why, 0);
}

static void on_page(void *owner, uint64_t token, const struct kube_reply *reply)
{
	(void)token;
	struct watch *watch = owner;
	watch->list = 0;
	if (reply->error.kind != ERROR_NONE) {
		list_failed(watch, &reply->error);
		return;
	}
	struct page page;
	struct error err;
	if (!page_read(reply->text, reply->text_len, &page, on_item, watch, &err)) {
		page_fini(&page);
		list_failed(watch, &err);
		return;
	}
	set_text(&watch->more, page.more);
	if (watch->more == NULL)
		set_text(&watch->version, page.version);
	page_fini(&page);
	if (watch->more != NULL) {
		list(watch);
		return;
	}
	known_forget_stale(&watch->known, tell_missing, watch);
	watch->restarted = watch->unpaged = false;
	watch->synced = true;
	watch->trouble = (struct error){0};
	watch->call(watch->owner, WATCH_SYNCED, NULL);
	stream(watch);
}

static void list(struct watch *watch)
{
	SCOPED(buf) struct buf url;
	begin_url(watch, &url);
	if (!watch->unpaged) {
		char limit[16];
		snprintf(limit, sizeof(limit), "%d", LIST_PAGE);
		add_parameter(&url, "limit", limit);
	}
	if (watch->more != NULL) {
		add_parameter(&url, "continue", watch->more);
	} else {
		known_begin(&watch->known);
		if (watch->forgetful)
			watch->call(watch->owner, WATCH_LISTING, NULL);
	}
	const char *accept =
		watch->metadata_only
			? "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
			: "application/json";
	watch->list = kube_get_text(watch->kube, url.text, accept, on_page, watch, 0);
}

/* ---- the stream ---- */

/* Whatever a line says that cannot be understood may have been an event: list again. */
static bool stop_stream(struct watch *watch, const struct error *why)
{
	watch->trouble = *why;
	set_text(&watch->version, NULL);
	return false;
}

/* What a line said, unless it could not be read. */
static bool take_line(struct watch *watch, bool read, const struct line *line,
		      const struct error *why)
{
	if (!read)
		return stop_stream(watch, why);
	if (line->kind == LINE_STATUS)
		return stop_stream(watch, &line->status);
	SCOPED(json) cJSON *object = line->object;
	if (line->version != NULL)
		set_text(&watch->version, line->version);
	note_progress(watch);
	if (line->kind == LINE_PUT)
		tell_put(watch, object);
	else if (line->kind == LINE_DELETED)
		tell_gone(watch, object);
	return true;
}

static bool on_line(void *owner, const char *text, size_t len)
{
	struct line line;
	struct error err;
	bool read = line_decode(text, len, &line, &err);
	return take_line(owner, read, &line, &err);
}

static bool on_event(void *owner, uint64_t token, const char *type, cJSON *owned_object)
{
	struct watch *watch = owner;
	struct line line;
	struct error err;
	(void)token;
	bool read = line_take(type, owned_object, &line, &err);
	return take_line(watch, read, &line, &err) && watch->version != NULL;
}

static bool on_piece(void *owner, uint64_t token, const char *bytes, size_t len)
{
	(void)token;
	struct watch *watch = owner;
	struct error err;
	if (!lines_feed(&watch->lines, bytes, len, on_line, watch, &err))
		return stop_stream(watch, &err);
	return watch->version != NULL;
}

static void on_stream_end(void *owner, uint64_t token, const struct http_reply *reply)
{
	(void)token;
	struct watch *watch = owner;
	watch->stream = 0;
	lines_clear(&watch->lines);
	struct error why = reply->error;
	int64_t lasted = loop_now(watch->loop) - watch->stream_began;
	struct error said = watch->trouble;
	if (lasted > longest_backoff)
		note_progress(watch);
	if (watch->version == NULL) {
		why = said;
	} else if (why.kind != ERROR_NONE) {
		error_wrap(&why, "GET %s", watch->path);
	} else if (reply->status >= 400) {
		SCOPED(json) cJSON *status = json_parse(reply->body, reply->body_len, NULL);
		refusal_error(status, reply->status, &why);
		/* A server that is busy still has our version; any other may not. */
		if (reply->status != 429 && reply->status != 503)
			set_text(&watch->version, NULL);
	} else if (lasted < shortest_stream) {
		error_set(&why, ERROR_UNAVAILABLE, "GET %s: the watch ended as soon as it began",
			  watch->path);
	} else {
		note_progress(watch);
		continue_in(watch, 0);
		return;
	}
	retry(watch, &why, reply->retry_after_us);
}

static void stream(struct watch *watch)
{
	SCOPED(buf) struct buf url;
	begin_url(watch, &url);
	double more = chance_unit(kube_chance(watch->kube)) * SHORTEST_WATCH_S;
	int seconds = SHORTEST_WATCH_S + (int)more;
	char limit[16];
	snprintf(limit, sizeof(limit), "%d", seconds);
	add_parameter(&url, "watch", "1");
	add_parameter(&url, "allowWatchBookmarks", "true");
	add_parameter(&url, "timeoutSeconds", limit);
	add_parameter(&url, "resourceVersion", watch->version);
	const char *accept =
		watch->metadata_only
			? "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
			: "application/json";
	watch->stream_began = loop_now(watch->loop);
	watch->stream = kube_stream(watch->kube, url.text, accept,
				    (seconds + WATCH_GRACE_S) * DURATION_SECOND, on_piece, on_event,
				    on_stream_end, watch, 0);
}

/* ---- the public face ---- */

struct watch *watch_new(struct kube *kube, const struct kube_kind *kind,
			const struct watch_options *options, watch_call *call, void *owner)
{
	struct watch *watch = xcalloc(1, sizeof(*watch));
	*watch = (struct watch){
		.kube = kube,
		.loop = kube_loop(kube),
		.kind = kind,
		.label_selector = xstrdup(options->label_selector),
		.metadata_only = options->metadata_only,
		.forgetful = options->forgetful,
		.call = call,
		.owner = owner,
	};
	known_init(&watch->known);
	lines_init(&watch->lines, WATCH_LINE_MAX);
	if (kube_path(watch->path, kind, options->namespace, NULL)) {
		list(watch);
		return watch;
	}
	error_set(&watch->trouble, ERROR_INVALID, "\"%s\" is not the name of a namespace",
		  options->namespace);
	log_error(NULL, "watch of %s: %s", kind->plural, watch->trouble.text);
	return watch;
}

void watch_free(struct watch *watch)
{
	if (watch == NULL)
		return;
	kube_cancel(watch->kube, watch->list);
	if (watch->stream != 0) {
		struct http *transport = kube_transport(watch->kube);
		transport->ops->cancel(transport, watch->stream);
	}
	loop_cancel(watch->loop, watch->timer);
	known_fini(&watch->known);
	lines_fini(&watch->lines);
	free(watch->label_selector);
	free(watch->version);
	free(watch->more);
	free(watch);
}

bool watch_is_synced(const struct watch *watch)
{
	return watch->synced;
}

const struct error *watch_trouble(const struct watch *watch)
{
	return &watch->trouble;
}
