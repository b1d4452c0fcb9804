#include "metric/shared.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/duration.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"

static const int64_t fresh_us = DURATION_SECOND;

/* A question that is out, or was answered within the last second. */
struct question {
	uint64_t serial, inner_id;
	uint8_t digest[SHA256_SIZE];
	int64_t asked_us;
	bool here;
	struct sample sample;
	char *raw;
	struct question *next;
};

struct waiter {
	uint64_t id, question, token;
	metric_done *done;
	void *owner;
	struct waiter *next;
};

/* Both lists are as long as there are checks in one second: hundreds. */
struct shared {
	struct metrics metrics; /* first */
	struct loop *loop;
	struct metrics *inner;
	struct question *questions;
	struct waiter *waiters;
	uint64_t serials;
};

static struct question **find(struct shared *shared, uint64_t serial)
{
	struct question **at = &shared->questions;
	while (*at != NULL && (*at)->serial != serial)
		at = &(*at)->next;
	return at;
}

static void forget(struct question **at)
{
	struct question *question = *at;
	*at = question->next;
	free(question->raw);
	free(question);
}

static bool is_waited_for(const struct shared *shared, uint64_t serial)
{
	for (const struct waiter *waiter = shared->waiters; waiter != NULL; waiter = waiter->next)
		if (waiter->question == serial)
			return true;
	return false;
}

static void forget_old(struct shared *shared)
{
	int64_t now_us = loop_now(shared->loop);
	struct question **at = &shared->questions;
	while (*at != NULL) {
		if ((*at)->here && now_us - (*at)->asked_us >= fresh_us &&
		    !is_waited_for(shared, (*at)->serial))
			forget(at);
		else
			at = &(*at)->next;
	}
}

static bool take_waiter(struct shared *shared, uint64_t id, struct waiter *taken)
{
	for (struct waiter **at = &shared->waiters; *at != NULL; at = &(*at)->next) {
		struct waiter *waiter = *at;
		if (waiter->id != id)
			continue;
		*taken = *waiter;
		*at = waiter->next;
		free(waiter);
		return true;
	}
	return false;
}

static void deliver(void *owner, uint64_t id)
{
	struct shared *shared = owner;
	struct waiter waiter;
	if (!take_waiter(shared, id, &waiter))
		return;
	const struct question *question = *find(shared, waiter.question);
	if (question == NULL)
		return;
	struct sample sample = question->sample;
	sample.raw = question->raw;
	waiter.done(waiter.owner, waiter.token, &sample);
}

static void answered(void *owner, uint64_t serial, const struct sample *sample)
{
	struct shared *shared = owner;
	struct question *question = *find(shared, serial);
	if (question == NULL)
		return;
	question->here = true;
	question->sample = *sample;
	if (sample->raw != NULL && strlen(sample->raw) <= RAW_SAMPLE_MAX)
		question->raw = xstrdup(sample->raw);
	for (const struct waiter *waiter = shared->waiters; waiter != NULL; waiter = waiter->next)
		if (waiter->question == serial)
			loop_ready(shared->loop, deliver, shared, waiter->id);
}

static void add(struct buf *text, const char *part)
{
	buf_puts(text, part == NULL ? "" : part);
	buf_putc(text, '\0');
}

static void digest_of(const struct metric_query *query, uint8_t digest[SHA256_SIZE])
{
	struct buf text;
	buf_init(&text, MIB);
	add(&text, query->provider);
	add(&text, query->address);
	add(&text, query->query);
	add(&text, query->region);
	buf_printf(&text, "%lld %d %d", (long long)query->interval_us, query->insecure_tls,
		   query->online);
	for (size_t i = 0; i < query->header_count; i++) {
		add(&text, query->headers[i].name);
		add(&text, query->headers[i].value);
	}
	char *secret = query->secret == NULL ? NULL : json_canonical(query->secret);
	add(&text, secret);
	secret_free(secret);
	sha256(text.text, text.len, digest);
	explicit_bzero(text.text, text.len);
	buf_fini(&text);
}

static struct question *same_question(struct shared *shared, const uint8_t digest[SHA256_SIZE])
{
	int64_t now_us = loop_now(shared->loop);
	for (struct question *each = shared->questions; each != NULL; each = each->next)
		if (now_us - each->asked_us < fresh_us &&
		    memcmp(each->digest, digest, SHA256_SIZE) == 0)
			return each;
	return NULL;
}

static uint64_t ask(struct metrics *metrics, const struct metric_query *query, metric_done *done,
		    void *owner, uint64_t token)
{
	struct shared *shared = (struct shared *)metrics;
	uint8_t digest[SHA256_SIZE];
	forget_old(shared);
	digest_of(query, digest);
	struct question *question = same_question(shared, digest);
	struct waiter *waiter = xmalloc(sizeof(*waiter));
	*waiter = (struct waiter){.id = ++shared->serials,
				  .token = token,
				  .done = done,
				  .owner = owner,
				  .next = shared->waiters};
	shared->waiters = waiter;
	if (question == NULL) {
		question = xcalloc(1, sizeof(*question));
		question->serial = ++shared->serials;
		question->asked_us = loop_now(shared->loop);
		memcpy(question->digest, digest, SHA256_SIZE);
		question->next = shared->questions;
		shared->questions = question;
		waiter->question = question->serial;
		question->inner_id = shared->inner->ops->query(shared->inner, query, answered,
							       shared, question->serial);
	} else {
		waiter->question = question->serial;
		if (question->here)
			loop_ready(shared->loop, deliver, shared, waiter->id);
	}
	return waiter->id;
}

static void cancel(struct metrics *metrics, uint64_t id)
{
	struct shared *shared = (struct shared *)metrics;
	struct waiter waiter;
	if (!take_waiter(shared, id, &waiter))
		return;
	struct question **at = find(shared, waiter.question);
	if (*at == NULL || (*at)->here || is_waited_for(shared, waiter.question))
		return;
	shared->inner->ops->cancel(shared->inner, (*at)->inner_id);
	forget(at);
}

static void shared_free(struct metrics *metrics)
{
	struct shared *shared = (struct shared *)metrics;
	while (shared->waiters != NULL)
		cancel(metrics, shared->waiters->id);
	while (shared->questions != NULL)
		forget(&shared->questions);
	loop_drop(shared->loop, shared);
	shared->inner->ops->free(shared->inner);
	free(shared);
}

static const struct metrics_ops ops = {ask, cancel, shared_free};

struct metrics *shared_metrics(struct loop *loop, struct metrics *owned_inner)
{
	struct shared *shared = xcalloc(1, sizeof(*shared));
	shared->metrics.ops = &ops;
	shared->loop = loop;
	shared->inner = owned_inner;
	return &shared->metrics;
}
