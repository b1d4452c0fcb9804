#include "canary/herald.h"

#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "canary/hooks.h"
#include "canary/status.h"

struct letter {
	char *label, *name, *url, *body;
	uint32_t debt;
	int64_t timeout_us;
	int tries, retries;
	bool disable_tls, done;
	uint64_t serial; /* of what it waits for; 0: for its turn */
	uint64_t request, timer;
	struct letter *next;
};

/* In the order in which they came; few, so they are searched in a row. */
struct herald {
	struct loop *loop;
	struct http *http;
	herald_idle *idle;
	void *owner;
	uint64_t id, serials;
	struct letter *letters;
	size_t waiting;
};

struct herald *herald_new(struct loop *loop, struct http *http, herald_idle *idle, void *owner,
			  uint64_t id)
{
	struct herald *herald = xcalloc(1, sizeof(*herald));
	herald->loop = loop;
	herald->http = http;
	herald->idle = idle;
	herald->owner = owner;
	herald->id = id;
	return herald;
}

static void stop(struct herald *herald, struct letter *letter)
{
	if (letter->request != 0)
		herald->http->ops->cancel(herald->http, letter->request);
	loop_cancel(herald->loop, letter->timer);
	letter->request = letter->timer = letter->serial = 0;
}

static void letter_free(struct letter *letter)
{
	free(letter->label);
	free(letter->name);
	free(letter->url);
	free(letter->body);
	free(letter);
}

void herald_free(struct herald *herald)
{
	if (herald == NULL)
		return;
	while (herald->letters != NULL) {
		struct letter *letter = herald->letters;
		herald->letters = letter->next;
		stop(herald, letter);
		letter_free(letter);
	}
	free(herald);
}

static struct letter *waiting(struct herald *herald, uint64_t serial)
{
	struct letter *letter = herald->letters;
	while (letter != NULL && (letter->done || letter->serial != serial))
		letter = letter->next;
	if (letter != NULL)
		letter->serial = letter->request = letter->timer = 0;
	return letter;
}

static void answered(void *owner, uint64_t serial, const struct http_reply *reply);

static void send_letter(struct herald *herald, struct letter *letter)
{
	static const struct http_header json = {"Content-Type", "application/json"};
	const struct http_request request = {
		.method = "POST",
		.url = letter->url,
		.headers = &json,
		.header_count = 1,
		.body = letter->body,
		.body_len = strlen(letter->body),
		.reply_max = HOOK_BODY_MAX,
		.cut_reply = true,
		.timeout_us = letter->timeout_us,
		.insecure_tls = letter->disable_tls,
	};
	letter->serial = ++herald->serials;
	letter->request = http_send(herald->http, &request, answered, herald, letter->serial);
}

/* The first of each receiver that waits is sent. */
static void send_next(struct herald *herald)
{
	for (struct letter *letter = herald->letters; letter != NULL; letter = letter->next) {
		bool first = !letter->done && letter->serial == 0;
		for (const struct letter *other = herald->letters; other != letter && first;
		     other = other->next)
			first = other->done || strcmp(other->url, letter->url) != 0;
		if (first)
			send_letter(herald, letter);
	}
}

static void finish(struct herald *herald, struct letter *letter)
{
	letter->done = true;
	herald->waiting--;
	send_next(herald);
	if (herald->waiting == 0)
		herald->idle(herald->owner, herald->id);
}

static void again(void *owner, uint64_t serial)
{
	struct letter *letter = waiting(owner, serial);
	if (letter != NULL)
		send_letter(owner, letter);
}

static void answered(void *owner, uint64_t serial, const struct http_reply *reply)
{
	struct herald *herald = owner;
	struct letter *letter = waiting(herald, serial);
	if (letter == NULL)
		return;
	const struct hook_answer answer = {&reply->error, reply->status, reply->body};
	if (hook_has_passed(&answer)) {
		finish(herald, letter);
		return;
	}
	if (letter->tries < letter->retries && hook_may_pass_later(&answer)) {
		int64_t pause_us = hook_pause(letter->tries++);
		letter->serial = ++herald->serials;
		letter->timer = loop_at(herald->loop, loop_now(herald->loop) + pause_us, again,
					herald, letter->serial);
		return;
	}
	struct error why = {0};
	hook_explain(letter->url, &answer, letter->tries + 1, &why);
	log_warn(letter->name, "error sending event to webhook: %s", why.text);
	finish(herald, letter);
}

/* What waits longest is the oldest news. */
static void give_up_oldest(struct herald *herald)
{
	struct letter *letter = herald->letters;
	while (letter != NULL && letter->done)
		letter = letter->next;
	if (letter == NULL)
		return;
	stop(herald, letter);
	letter->done = true;
	herald->waiting--;
	log_warn(letter->name, "event not sent to webhook: %d newer ones wait", HERALD_LETTERS_MAX);
}

void herald_tell(struct herald *herald, uint32_t debt, const char *label, const char *name,
		 const struct webhook_spec *receiver, const char *body)
{
	struct letter **last = &herald->letters;
	for (; *last != NULL; last = &(*last)->next)
		if (strcmp((*last)->label, label) == 0)
			return;
	if (herald->waiting == HERALD_LETTERS_MAX)
		give_up_oldest(herald);
	struct letter *letter = xcalloc(1, sizeof(*letter));
	*letter = (struct letter){
		.label = xstrdup(label),
		.name = xstrdup(name),
		.url = xstrdup(receiver->url),
		.body = xstrdup(body),
		.debt = debt,
		.timeout_us = receiver->timeout_us,
		.retries = receiver->retries,
		.disable_tls = receiver->disable_tls,
	};
	*last = letter;
	herald->waiting++;
	send_next(herald);
}

bool herald_is_done(const struct herald *herald, uint32_t debt)
{
	if (herald == NULL)
		return true;
	for (const struct letter *letter = herald->letters; letter != NULL; letter = letter->next)
		if (letter->debt == debt && !letter->done)
			return false;
	return true;
}

void herald_forget(struct herald *herald, const struct memory *kept)
{
	if (herald == NULL)
		return;
	for (struct letter **at = &herald->letters; *at != NULL;) {
		struct letter *letter = *at;
		bool owed = !letter->done;
		for (size_t i = 0; i < kept->debt_count; i++)
			owed |= kept->debts[i].id == letter->debt;
		if (owed) {
			at = &letter->next;
			continue;
		}
		*at = letter->next;
		letter_free(letter);
	}
}
