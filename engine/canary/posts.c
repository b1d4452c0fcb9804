#include "canary/posts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/url.h"

static const int64_t patience_us = DURATION_SECOND;

enum { POSTS_MAX = 1000, DEAF_MAX = 64 };

struct sent {
	struct posts *posts;
	struct sent *next;
	char *canary, *key, *url, *body;
	int64_t timeout_us, patient_until_us;
	bool insecure_tls, done, forgotten;
	int retries, attempts;
	uint64_t request, patience, pause; /* 0: not under way */
};

struct posts {
	struct loop *loop;
	struct http *http;
	posts_wake *wake;
	void *wake_owner;
	struct sent *first;
	size_t count;
	uint64_t deaf[DEAF_MAX]; /* hashes of the URLs that did not answer last time; 0: free */
	size_t next_deaf;
};

struct posts *posts_new(struct loop *loop, struct http *http)
{
	struct posts *posts = xcalloc(1, sizeof(*posts));
	posts->loop = loop;
	posts->http = http;
	return posts;
}

static void sent_free(struct sent *sent)
{
	struct posts *posts = sent->posts;
	struct sent **slot = &posts->first;
	while (*slot != sent)
		slot = &(*slot)->next;
	*slot = sent->next;
	posts->count--;
	if (sent->request != 0)
		posts->http->ops->cancel(posts->http, sent->request);
	loop_cancel(posts->loop, sent->patience);
	loop_cancel(posts->loop, sent->pause);
	loop_drop(posts->loop, sent);
	free(sent->canary);
	free(sent->key);
	free(sent->url);
	free(sent->body);
	free(sent);
}

void posts_free(struct posts *posts)
{
	if (posts == NULL)
		return;
	while (posts->first != NULL)
		sent_free(posts->first);
	free(posts);
}

void posts_on_done(struct posts *posts, posts_wake *wake, void *owner)
{
	posts->wake = wake;
	posts->wake_owner = owner;
}

/* ---- receivers that do not answer ---- */

static uint64_t *find_deaf(struct posts *posts, const char *url)
{
	uint64_t hash = hash64(url, strlen(url));
	for (size_t i = 0; i < DEAF_MAX; i++)
		if (posts->deaf[i] == hash)
			return &posts->deaf[i];
	return NULL;
}

static void note(struct posts *posts, const char *url, bool answered)
{
	uint64_t *deaf = find_deaf(posts, url);
	if (answered && deaf != NULL)
		*deaf = 0;
	if (answered || deaf != NULL)
		return;
	posts->deaf[posts->next_deaf] = hash64(url, strlen(url));
	posts->next_deaf = (posts->next_deaf + 1) % DEAF_MAX;
}

/* ---- one post ---- */

static void wake(const struct sent *sent)
{
	const struct posts *posts = sent->posts;
	if (posts->wake != NULL && !sent->forgotten)
		posts->wake(posts->wake_owner, sent->canary);
}

static void end(struct sent *sent)
{
	sent->done = true;
	wake(sent);
	if (sent->forgotten)
		sent_free(sent);
}

static void answered(void *owner, uint64_t token, const struct http_reply *reply);

static void send_it(void *owner, uint64_t token)
{
	struct sent *sent = owner;
	static const struct http_header json = {"Content-Type", "application/json"};
	const struct http_request request = {
		.method = "POST",
		.url = sent->url,
		.headers = &json,
		.header_count = 1,
		.body = sent->body,
		.body_len = strlen(sent->body),
		.reply_max = HOOK_BODY_MAX,
		.timeout_us = sent->timeout_us,
		.insecure_tls = sent->insecure_tls,
	};
	(void)token;
	sent->pause = 0;
	sent->attempts++;
	sent->request = http_send(sent->posts->http, &request, answered, sent, 0);
}

/* Its canary goes on without it. */
static void lose_patience(void *owner, uint64_t token)
{
	struct sent *sent = owner;
	(void)token;
	sent->patience = 0;
	note(sent->posts, sent->url, false);
	wake(sent);
}

static void try_again(struct sent *sent, int64_t retry_after_us)
{
	int64_t pause_us = DURATION_SECOND;
	for (int i = 1; i < sent->attempts && pause_us < 30 * DURATION_SECOND; i++)
		pause_us *= 2;
	if (pause_us > 30 * DURATION_SECOND)
		pause_us = 30 * DURATION_SECOND;
	if (retry_after_us > pause_us)
		pause_us = retry_after_us;
	sent->pause = loop_at(sent->posts->loop, loop_now(sent->posts->loop) + pause_us, send_it,
			      sent, 0);
}

static void answered(void *owner, uint64_t token, const struct http_reply *reply)
{
	struct sent *sent = owner;
	struct posts *posts = sent->posts;
	bool broken = reply->error.kind != ERROR_NONE;
	bool transient =
		broken || reply->status == 429 || (reply->status >= 500 && reply->status != 501);
	(void)token;
	sent->request = 0;
	loop_cancel(posts->loop, sent->patience);
	sent->patience = 0;
	note(posts, sent->url, !broken);
	if (transient && sent->attempts <= sent->retries) {
		sent->patient_until_us = 0;
		try_again(sent, reply->retry_after_us);
		wake(sent);
		return;
	}
	if (broken || reply->status > 202) {
		SCOPED(text) char *place = url_place(sent->url, false);
		log_warn(sent->canary, "error sending event to webhook: POST %s: %s (HTTP %d)",
			 place, broken ? reply->error.text : "refused", reply->status);
	}
	end(sent);
}

/* ---- all of them ---- */

static struct sent *find(const struct posts *posts, const char *key)
{
	struct sent *sent = posts->first;
	while (sent != NULL && strcmp(sent->key, key) != 0)
		sent = sent->next;
	return sent;
}

/* What is done and was not asked about again, as its canary is gone. */
static void sweep(struct posts *posts)
{
	for (struct sent *sent = posts->first, *next; sent != NULL; sent = next) {
		next = sent->next;
		if (sent->done)
			sent_free(sent);
	}
}

static struct sent *begin(struct posts *posts, const struct event_post *post)
{
	const struct webhook_spec *webhook = post->webhook;
	struct sent *sent = xcalloc(1, sizeof(*sent));
	int64_t now_us = loop_now(posts->loop);
	bool deaf = find_deaf(posts, webhook->url) != NULL;
	*sent = (struct sent){
		.posts = posts,
		.next = posts->first,
		.canary = xstrdup(post->canary),
		.key = xstrdup(post->key),
		.url = xstrdup(webhook->url),
		.body = xstrdup(post->body),
		.timeout_us = webhook->timeout_us,
		.patient_until_us = deaf ? 0 : now_us + patience_us,
		.insecure_tls = webhook->disable_tls,
		.retries = webhook->retries,
	};
	posts->first = sent;
	posts->count++;
	if (!deaf)
		sent->patience =
			loop_at(posts->loop, sent->patient_until_us, lose_patience, sent, 0);
	send_it(sent, 0);
	return sent;
}

bool posts_are_done(struct posts *posts, const struct event_post *post)
{
	const struct sent *sent = find(posts, post->key);
	if (sent == NULL && posts->count >= POSTS_MAX)
		sweep(posts);
	if (sent == NULL && posts->count >= POSTS_MAX) {
		log_warn(post->canary, "an event is not sent to its webhook: %d are under way",
			 POSTS_MAX);
		return true;
	}
	if (sent == NULL)
		sent = begin(posts, post);
	return sent->done || loop_now(posts->loop) >= sent->patient_until_us;
}

void posts_forget(struct posts *posts, const char *prefix)
{
	size_t len = strlen(prefix);
	for (struct sent *sent = posts->first, *next; sent != NULL; sent = next) {
		next = sent->next;
		if (strncmp(sent->key, prefix, len) != 0)
			continue;
		sent->forgotten = true;
		if (sent->done)
			sent_free(sent);
	}
}
