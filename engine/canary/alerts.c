#include "canary/alerts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "canary/alert.h"
#include "kube/path.h"
#include "script/task.h"

enum { TRIES_MAX = 3, DRIVERS_MAX = 16 };

static const int64_t send_timeout_us = 6 * DURATION_SECOND; /* a request has 5 s */
static const int64_t pauses_us[TRIES_MAX] = {0, 2 * DURATION_SECOND, 10 * DURATION_SECOND};
/* Whoever asks to wait is waited for, as long as this: the alert would be old news. */
static const int64_t longest_pause_us = DURATION_MINUTE;

struct receiver {
	char *name;	 /* for people: "on-call.test" */
	char *path;	 /* of its AlertProvider; NULL: that of the flags */
	char *namespace; /* of its Secret */
	cJSON *alert;	 /* what the driver is told; holds secrets */
	char type[24];
	int tries;
	bool done;
	struct error err; /* of one that was given up */
	uint64_t serial;  /* of what it waits for */
	uint64_t request, timer;
};

struct letter {
	char *uid, *namespace, *name, *canary; /* "name.namespace" */
	uint32_t id;
	struct receiver *receivers;
	size_t count;
	struct letter *next;
};

struct notifier {
	char name[24];
	struct driver *driver;
	int table;
	struct error err;
};

/* Alerts are few: searched in a row. */
struct alerts {
	struct kube *kube;
	struct loop *loop;
	struct tasks *tasks;
	struct alerts_options options;
	struct letter *letters;
	struct notifier notifiers[DRIVERS_MAX];
	size_t notifier_count;
	uint64_t serials;
	alerts_wake *wake;
	void *owner;
};

static struct receiver *find_receiver(struct alerts *alerts, uint64_t serial, struct letter **of)
{
	for (struct letter *letter = alerts->letters; letter != NULL; letter = letter->next)
		for (size_t i = 0; i < letter->count; i++)
			if (letter->receivers[i].serial == serial) {
				*of = letter;
				return &letter->receivers[i];
			}
	return NULL;
}

/* What goes out, for who wants to see it. */
static void requested(void *owner, uint64_t serial, const struct http_request *request)
{
	struct alerts *alerts = owner;
	struct letter *letter;
	const struct receiver *receiver = find_receiver(alerts, serial, &letter);
	if (receiver == NULL)
		return;
	SCOPED(text)
	char *body = xstrndup(request->body == NULL ? "" : request->body, request->body_len);
	secret_hide(body, json_string(receiver->alert, "url"));
	secret_hide(body, json_string(receiver->alert, "token"));
	const struct told_alert told = {
		.receiver = receiver->name,
		.type = receiver->type,
		.severity = json_string_or(receiver->alert, "severity", ""),
		.message = json_string_or(receiver->alert, "message", ""),
		.body = body,
	};
	alerts->options.told(alerts->options.told_owner, &told);
}

struct alerts *alerts_new(struct kube *kube, struct http *http,
			  const struct alerts_options *options)
{
	struct alerts *alerts = xcalloc(1, sizeof(*alerts));
	alerts->kube = kube;
	alerts->loop = kube_loop(kube);
	alerts->tasks = tasks_new(alerts->loop, http, NULL);
	alerts->options = *options;
	if (options->told != NULL)
		tasks_on_request(alerts->tasks, requested);
	return alerts;
}

static void receiver_fini(struct receiver *receiver)
{
	free(receiver->name);
	free(receiver->path);
	free(receiver->namespace);
	json_wipe(receiver->alert);
	cJSON_Delete(receiver->alert);
}

static void letter_free(struct letter *letter)
{
	for (size_t i = 0; i < letter->count; i++)
		receiver_fini(&letter->receivers[i]);
	free(letter->receivers);
	free(letter->uid);
	free(letter->namespace);
	free(letter->name);
	free(letter->canary);
	free(letter);
}

void alerts_free(struct alerts *alerts)
{
	if (alerts == NULL)
		return;
	tasks_free(alerts->tasks);
	loop_drop(alerts->loop, alerts);
	while (alerts->letters != NULL) {
		struct letter *next = alerts->letters->next;
		for (size_t i = 0; i < alerts->letters->count; i++) {
			kube_cancel(alerts->kube, alerts->letters->receivers[i].request);
			loop_cancel(alerts->loop, alerts->letters->receivers[i].timer);
		}
		letter_free(alerts->letters);
		alerts->letters = next;
	}
	for (size_t i = 0; i < alerts->notifier_count; i++)
		driver_free(alerts->notifiers[i].driver);
	free(alerts);
}

void alerts_on_done(struct alerts *alerts, alerts_wake *wake, void *owner)
{
	alerts->wake = wake;
	alerts->owner = owner;
}

/* ---- who wants to be told of what ---- */

unsigned alerts_wanted(const struct alerts *alerts, const struct canary_spec *spec)
{
	unsigned wanted = 0;
	if (alerts == NULL)
		return 0;
	const cJSON *list = json_get(spec->analysis, "alerts"), *entry;
	if (cJSON_GetArraySize(list) == 0)
		return alerts->options.driver == NULL ? 0 : ~0u;
	cJSON_ArrayForEach(entry, list)
	{
		for (int severity = ALERT_INFO; severity <= ALERT_ERROR; severity++)
			if (alert_is_heard(entry, (enum alert_severity)severity))
				wanted |= 1u << severity;
	}
	return wanted;
}

/* ---- one receiver: its provider, its secret, its driver ---- */

static struct receiver *waiting(struct alerts *alerts, uint64_t serial, struct letter **of)
{
	struct receiver *receiver = find_receiver(alerts, serial, of);
	if (receiver != NULL)
		receiver->serial = 0;
	return receiver;
}

static uint64_t expect(struct alerts *alerts, struct receiver *receiver)
{
	receiver->serial = ++alerts->serials;
	return receiver->serial;
}

static void begin(struct alerts *alerts, struct receiver *receiver);

static bool is_done(const struct letter *letter)
{
	for (size_t i = 0; i < letter->count; i++)
		if (!letter->receivers[i].done)
			return false;
	return true;
}

static void finish(struct alerts *alerts, struct letter *letter, struct receiver *receiver)
{
	receiver->done = true;
	json_wipe(receiver->alert);
	if (is_done(letter) && alerts->wake != NULL)
		alerts->wake(alerts->owner, letter->namespace, letter->name);
}

static void again(void *owner, uint64_t serial)
{
	struct letter *letter;
	struct receiver *receiver = waiting(owner, serial, &letter);
	if (receiver != NULL)
		begin(owner, receiver);
}

/* Trying again helps where the world may be better later. */
static void failed(struct alerts *alerts, struct letter *letter, struct receiver *receiver,
		   const struct error *err, int64_t wanted_us)
{
	bool passing = err->kind == ERROR_UNAVAILABLE || err->kind == ERROR_TIMEOUT ||
		       err->kind == ERROR_THROTTLED;
	if (passing && ++receiver->tries < TRIES_MAX) {
		int64_t pause_us = pauses_us[receiver->tries];
		if (wanted_us > pause_us)
			pause_us = wanted_us < longest_pause_us ? wanted_us : longest_pause_us;
		receiver->timer = loop_at(alerts->loop, loop_now(alerts->loop) + pause_us, again,
					  alerts, expect(alerts, receiver));
		return;
	}
	receiver->err = *err;
	secret_hide(receiver->err.text, json_string(receiver->alert, "url"));
	secret_hide(receiver->err.text, json_string(receiver->alert, "token"));
	log_error(letter->canary, "alert provider %s send error: %s", receiver->name,
		  receiver->err.text);
	finish(alerts, letter, receiver);
}

static const struct notifier *find_notifier(struct alerts *alerts, const char *name)
{
	for (size_t i = 0; i < alerts->notifier_count; i++)
		if (strcmp(alerts->notifiers[i].name, name) == 0)
			return &alerts->notifiers[i];
	if (alerts->notifier_count == DRIVERS_MAX)
		return NULL;
	struct notifier *notifier = &alerts->notifiers[alerts->notifier_count++];
	text_copy(notifier->name, sizeof(notifier->name), name);
	notifier->driver = driver_new("notify", name, task_modules, &notifier->err);
	if (notifier->driver != NULL)
		notifier->table = driver_table(notifier->driver, name, &notifier->err);
	static const char *const functions[] = {"send", NULL};
	if (notifier->table != 0 &&
	    !driver_check(notifier->driver, notifier->table, functions, &notifier->err))
		notifier->table = 0;
	return notifier;
}

static void sent(void *owner, uint64_t serial, const cJSON *result, const struct error *err)
{
	struct letter *letter;
	struct receiver *receiver = waiting(owner, serial, &letter);
	if (receiver == NULL)
		return;
	double wanted_s = err == NULL ? 0 : json_number(result, "retry_after", 0);
	if (err != NULL)
		failed(owner, letter, receiver, err, (int64_t)(wanted_s * (double)DURATION_SECOND));
	else
		finish(owner, letter, receiver);
}

static void send_to(struct alerts *alerts, struct letter *letter, struct receiver *receiver)
{
	const struct notifier *notifier = find_notifier(alerts, receiver->type);
	struct error err = {0};
	if (notifier != NULL && notifier->table != 0) {
		(void)task_start(alerts->tasks, notifier->driver, notifier->table, "send",
				 receiver->alert, send_timeout_us, sent, alerts,
				 expect(alerts, receiver));
		return;
	}
	error_set(&err, ERROR_NOT_FOUND, "%s",
		  notifier == NULL ? "too many kinds of receivers" : notifier->err.text);
	failed(alerts, letter, receiver, &err, 0);
}

static void put(cJSON *alert, const char *name, const char *value, const char *fallback)
{
	if (value == NULL || value[0] == '\0')
		value = fallback;
	if (value == NULL || cJSON_HasObjectItem(alert, name))
		return;
	cJSON_AddStringToObject(alert, name, value);
}

/* A decoded value of a Secret, put into the alert. */
static void put_secret(cJSON *alert, const char *name, const cJSON *secret, const char *key)
{
	const char *text = json_string(json_get(secret, "data"), key);
	struct buf value;
	buf_init(&value, TOKEN_MAX);
	if (text != NULL && base64_decode(&value, text, strlen(text))) {
		while (value.len > 0 && strchr("\r\n", value.text[value.len - 1]) != NULL)
			buf_cut(&value, value.len - 1);
		put(alert, name, value.text, NULL);
	}
	secret_free(buf_take(&value));
	buf_fini(&value);
}

static void secret_came(void *owner, uint64_t serial, const struct kube_reply *reply)
{
	struct letter *letter;
	struct receiver *receiver = waiting(owner, serial, &letter);
	struct error err = reply->error;
	if (receiver == NULL)
		return;
	if (err.kind == ERROR_NONE) {
		put_secret(receiver->alert, "url", reply->object, "address");
		put_secret(receiver->alert, "token", reply->object, "token");
		if (json_string(receiver->alert, "url") != NULL) {
			send_to(owner, letter, receiver);
			return;
		}
		error_set(&err, ERROR_INVALID, "the secret does not contain an address");
	}
	failed(owner, letter, receiver, &err, 0);
}

static void provider_came(void *owner, uint64_t serial, const struct kube_reply *reply)
{
	struct alerts *alerts = owner;
	struct letter *letter;
	struct receiver *receiver = waiting(alerts, serial, &letter);
	if (receiver == NULL)
		return;
	if (reply->error.kind != ERROR_NONE) {
		failed(alerts, letter, receiver, &reply->error, 0);
		return;
	}
	const cJSON *spec = json_get(reply->object, "spec");
	text_copy(receiver->type, sizeof(receiver->type), json_string_or(spec, "type", ""));
	put(receiver->alert, "channel", json_string(spec, "channel"), "general");
	put(receiver->alert, "username", json_string(spec, "username"), "flagger");
	put(receiver->alert, "proxy", json_string(spec, "proxy"), NULL);
	const char *secret = json_string(spec, "secretRef.name");
	if (secret == NULL) {
		put(receiver->alert, "url", json_string(spec, "address"), "");
		send_to(alerts, letter, receiver);
		return;
	}
	char path[KUBE_PATH_MAX];
	kube_path(path, &kube_secret, receiver->namespace, secret);
	receiver->request = kube_send(alerts->kube, KUBE_GET, path, NULL, secret_came, alerts,
				      expect(alerts, receiver));
}

static void begin_with_flags(void *owner, uint64_t serial)
{
	struct alerts *alerts = owner;
	const struct alerts_options *options = &alerts->options;
	struct letter *letter;
	struct receiver *receiver = waiting(alerts, serial, &letter);
	if (receiver == NULL)
		return;
	text_copy(receiver->type, sizeof(receiver->type), options->driver);
	put(receiver->alert, "url", options->url, "");
	put(receiver->alert, "token", options->token, NULL);
	put(receiver->alert, "proxy", options->proxy, NULL);
	put(receiver->alert, "username", options->username, "flagger");
	put(receiver->alert, "channel", options->channel, "");
	send_to(alerts, letter, receiver);
}

static void begin(struct alerts *alerts, struct receiver *receiver)
{
	uint64_t serial = expect(alerts, receiver);
	if (receiver->path == NULL)
		loop_ready(alerts->loop, begin_with_flags, alerts, serial);
	else
		receiver->request = kube_send(alerts->kube, KUBE_GET, receiver->path, NULL,
					      provider_came, alerts, serial);
}

/* ---- letters ---- */

static struct letter *find(const struct alerts *alerts, const char *uid, uint32_t id)
{
	struct letter *letter = alerts->letters;
	while (letter != NULL && (letter->id != id || strcmp(letter->uid, uid) != 0))
		letter = letter->next;
	return letter;
}

static void add_receiver(const struct alerts *alerts, struct letter *letter,
			 const struct canary_spec *spec, const struct owed_alert *owed,
			 const cJSON *entry)
{
	struct receiver *receiver = &letter->receivers[letter->count++];
	receiver->alert = alert_new(spec, owed, alerts->options.cluster);
	if (entry == NULL) {
		receiver->name = xstrdup("of the flags");
		return;
	}
	char path[KUBE_PATH_MAX];
	const char *name = json_string_or(entry, "providerRef.name", "");
	const char *said = json_string_or(entry, "providerRef.namespace", "");
	const char *namespace = said[0] == '\0' ? spec->namespace : said;
	kube_path(path, &kube_alert_provider, namespace, name);
	receiver->name = xasprintf("%s.%s", name, namespace);
	receiver->namespace = xstrdup(namespace);
	receiver->path = xstrdup(path);
}

static struct letter *write_letter(struct alerts *alerts, const struct canary_spec *spec,
				   const struct owed_alert *owed)
{
	const cJSON *list = json_get(spec->analysis, "alerts"), *entry;
	struct letter *letter = xcalloc(1, sizeof(*letter));
	letter->uid = xstrdup(spec->uid);
	letter->namespace = xstrdup(spec->namespace);
	letter->name = xstrdup(spec->name);
	letter->canary = xasprintf("%s.%s", spec->name, spec->namespace);
	letter->id = owed->id;
	size_t most = (size_t)cJSON_GetArraySize(list) + 1;
	letter->receivers = xcalloc(most, sizeof(*letter->receivers));
	cJSON_ArrayForEach(entry, list)
	{
		if (alert_is_heard(entry, owed->severity))
			add_receiver(alerts, letter, spec, owed, entry);
	}
	if (cJSON_GetArraySize(list) == 0 && alerts->options.driver != NULL)
		add_receiver(alerts, letter, spec, owed, NULL);
	letter->next = alerts->letters;
	alerts->letters = letter;
	for (size_t i = 0; i < letter->count; i++)
		begin(alerts, &letter->receivers[i]);
	return letter;
}

bool alerts_are_done(struct alerts *alerts, const struct canary_spec *spec,
		     const struct owed_alert *alert, struct buf *failures)
{
	struct letter *letter = find(alerts, spec->uid, alert->id);
	if (letter == NULL)
		letter = write_letter(alerts, spec, alert);
	if (!is_done(letter))
		return false;
	for (size_t i = 0; i < letter->count; i++) {
		const struct receiver *receiver = &letter->receivers[i];
		if (receiver->err.kind != ERROR_NONE)
			buf_printf(failures, "%sAlert not sent to %s: %s",
				   failures->len == 0 ? "" : "; ", receiver->name,
				   receiver->err.text);
	}
	return true;
}

void alerts_forget(struct alerts *alerts, const char *uid, const struct memory *kept)
{
	for (struct letter **at = &alerts->letters; *at != NULL;) {
		struct letter *letter = *at;
		bool owed = strcmp(letter->uid, uid) != 0 || !is_done(letter);
		for (size_t i = 0; i < kept->alert_count; i++)
			owed |= kept->alerts[i].id == letter->id;
		if (owed) {
			at = &letter->next;
			continue;
		}
		*at = letter->next;
		letter_free(letter);
	}
}
