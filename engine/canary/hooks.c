#include "canary/hooks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/url.h"

static cJSON *metadata(const struct hook_call *call)
{
	if (call->extra == NULL && call->webhook->metadata == NULL)
		return NULL;
	cJSON *all =
		call->extra == NULL ? cJSON_CreateObject() : cJSON_Duplicate(call->extra, true);
	const cJSON *item;
	cJSON_ArrayForEach(item, call->webhook->metadata)
	{
		if (json_get(all, item->string) == NULL)
			cJSON_AddItemToObject(all, item->string, cJSON_Duplicate(item, true));
	}
	return all;
}

char *hook_payload(const struct tick *tick, const struct hook_call *call)
{
	SCOPED(json) cJSON *body = cJSON_CreateObject();
	cJSON_AddStringToObject(body, "name", tick->spec->name);
	cJSON_AddStringToObject(body, "namespace", tick->spec->namespace);
	cJSON_AddStringToObject(body, "phase", phase_name(call->phase));
	cJSON_AddStringToObject(body, "checksum", call->checksum);
	cJSON *more = metadata(call);
	if (more != NULL)
		cJSON_AddItemToObject(body, "metadata", more);
	return json_text(body);
}

bool hook_has_passed(const struct hook_answer *answer)
{
	return answer->error->kind == ERROR_NONE && answer->status >= 200 && answer->status <= 202;
}

bool hook_may_pass_later(const struct hook_answer *answer)
{
	if (answer->error->kind != ERROR_NONE)
		return true;
	return answer->status == 429 || (answer->status >= 500 && answer->status != 501);
}

int64_t hook_pause(int tries)
{
	return tries < 5 ? DURATION_SECOND << tries : 30 * DURATION_SECOND;
}

void hook_explain(const char *url, const struct hook_answer *answer, int tries, struct error *why)
{
	if (hook_may_pass_later(answer)) {
		SCOPED(text) char *place = url_place(url, false);
		error_set(why, ERROR_UNAVAILABLE, "POST %s giving up after %d attempt(s)%s%s",
			  place, tries, answer->error->kind == ERROR_NONE ? "" : ": ",
			  answer->error->text);
		return;
	}
	size_t len = answer->body == NULL ? 0 : strlen(answer->body);
	while (len > 0 && (answer->body[len - 1] == '\n' || answer->body[len - 1] == '\r'))
		len--;
	if (len == 0)
		error_set(why, ERROR_DENIED, "answered with HTTP status %d", answer->status);
	else
		error_set(why, ERROR_DENIED, "%.*s", (int)text_fit(answer->body, len, 400),
			  answer->body);
}

enum step hook_call(struct tick *tick, const struct hook_call *call, bool *passed,
		    struct error *why)
{
	if (tick->beside != NULL) {
		*passed = beside_passed(tick->beside, &tick->status, call->webhook->type,
					tick->spec->threshold);
		error_set(why, ERROR_DENIED, "as the other controller was answered");
		return STEP_ON;
	}
	SCOPED(text) char *body = hook_payload(tick, call);
	static const struct http_header json = {"Content-Type", "application/json"};
	const struct http_request request = {
		.method = "POST",
		.url = call->webhook->url,
		.headers = &json,
		.header_count = 1,
		.body = body,
		.body_len = strlen(body),
		.reply_max = HOOK_BODY_MAX,
		.cut_reply = true,
		.timeout_us = call->webhook->timeout_us,
		.insecure_tls = call->webhook->disable_tls,
	};
	for (int attempt = 0;; attempt++) {
		char label[200];
		snprintf(label, sizeof(label), "%s try %d", call->label, attempt);
		const struct answer *came = ask_http(tick->asks, label, &request);
		if (came == NULL)
			return STEP_WAIT;
		const struct hook_answer answer = {&came->error, came->status, came->body};
		*passed = hook_has_passed(&answer);
		if (*passed)
			return STEP_ON;
		if (attempt >= call->webhook->retries || !hook_may_pass_later(&answer)) {
			hook_explain(call->webhook->url, &answer, attempt + 1, why);
			return STEP_ON;
		}
		snprintf(label, sizeof(label), "%s pause %d", call->label, attempt);
		if (ask_pause(tick->asks, label, hook_pause(attempt)) == NULL)
			return STEP_WAIT;
	}
}

enum step hooks_run(struct tick *tick, enum webhook_type type, enum phase phase,
		    const char *passed_word, const struct webhook_spec **failed, struct error *why)
{
	const struct canary_spec *spec = tick->spec;
	char checksum[HASH_TEXT_MAX];
	status_checksum(&tick->status, checksum);
	*failed = NULL;
	for (size_t i = 0; i < spec->webhook_count; i++) {
		if (spec->webhooks[i].type != type)
			continue;
		char label[64];
		snprintf(label, sizeof(label), "hook %zu", i);
		const struct hook_call call = {
			.label = label,
			.webhook = &spec->webhooks[i],
			.phase = phase,
			.checksum = checksum,
		};
		bool passed;
		if (hook_call(tick, &call, &passed, why) == STEP_WAIT)
			return STEP_WAIT;
		if (!passed) {
			*failed = call.webhook;
			return STEP_ON;
		}
		if (passed_word != NULL)
			move_note(&tick->move, type == WEBHOOK_ROLLBACK, phase,
				  "%s check %s passed", passed_word, call.webhook->name);
	}
	return STEP_ON;
}
