/*
 * hooks_spec.c - webhooks: when each is called, with what, how often, and who waits for it.
 */
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "bed.h"
#include "spec.h"

enum { CALLS_MAX = 400 };

/* Each hook is at http://NAME/, and so is known by its name. */
struct hooks {
	struct bed bed;
	struct call {
		char name[32], body[1200];
		int64_t at_us, timeout_us;
		bool insecure, cut;
	} calls[CALLS_MAX];
	size_t count;
	/* Statuses by the name of a hook, in their order; the last one stays. 200: not named. */
	struct answers {
		const char *name;
		int statuses[8];
		size_t given;
	} answers[4];
};

static int answer(void *owner, const struct http_request *request)
{
	struct hooks *hooks = owner;
	if (hooks->count == CALLS_MAX) {
		spec_fail(__FILE__, __LINE__, "more calls than a spec has room for");
		return 200;
	}
	struct call *call = &hooks->calls[hooks->count++];
	const char *name = request->url + strlen("http://");
	snprintf(call->name, sizeof(call->name), "%.*s", (int)strcspn(name, "/"), name);
	snprintf(call->body, sizeof(call->body), "%.*s", (int)request->body_len, request->body);
	call->at_us = loop_now(hooks->bed.loop);
	call->timeout_us = request->timeout_us;
	call->insecure = request->insecure_tls;
	call->cut = request->reply_max > 0 && request->cut_reply;
	for (size_t i = 0; i < ARRAY_LEN(hooks->answers); i++) {
		struct answers *answers = &hooks->answers[i];
		if (answers->name == NULL || strcmp(answers->name, call->name) != 0)
			continue;
		int status = answers->statuses[answers->given];
		bool more = answers->given + 1 < ARRAY_LEN(answers->statuses) &&
			    answers->statuses[answers->given + 1] != 0;
		answers->given += more;
		return status;
	}
	return 200;
}

/* `webhooks`: members of the list. */
static void begin(struct hooks *hooks, const char *webhooks)
{
	SCOPED(text)
	char *patch = xasprintf("{\"spec\":{\"analysis\":{\"threshold\":3,\"webhooks\":[%s]}}}",
				webhooks);
	memset(hooks, 0, sizeof(*hooks));
	bed_begin(&hooks->bed);
	hooks->bed.on_hook = answer;
	hooks->bed.hook_owner = hooks;
	bed_put_canary(&hooks->bed, patch);
}

static void start(struct hooks *hooks)
{
	bed_start_engine(&hooks->bed);
	EXPECT(bed_reaches(&hooks->bed, "Initialized"));
	bed_run(&hooks->bed, 60);
}

static int calls_of(const struct hooks *hooks, const char *name)
{
	int count = 0;
	for (size_t i = 0; i < hooks->count; i++)
		count += strcmp(hooks->calls[i].name, name) == 0;
	return count;
}

/* The nth call of it, from 0. */
static const struct call *call_of(const struct hooks *hooks, const char *name, int nth)
{
	static const struct call none;
	for (size_t i = 0; i < hooks->count; i++)
		if (strcmp(hooks->calls[i].name, name) == 0 && nth-- == 0)
			return &hooks->calls[i];
	spec_fail(__FILE__, __LINE__, "%s was not called as often", name);
	return &none;
}

static const char *said(const struct call *call, const char *path)
{
	static char text[400];
	SCOPED(json) cJSON *body = json_parse(call->body, strlen(call->body), NULL);
	text_copy(text, sizeof(text), json_string_or(body, path, ""));
	return text;
}

#define HOOK(name, type)                                                                           \
	"{\"name\":\"" name "\",\"type\":\"" type "\",\"url\":\"http://" name "/\"}"

/* ---- when, and with what ---- */

SPEC("hooks: each type is called at its time, with the phase it is for")
{
	struct hooks hooks;
	begin(&hooks,
	      HOOK("a", "confirm-rollout") "," HOOK("b", "pre-rollout") "," HOOK("c", "rollout") "," HOOK("d", "confirm-traffic-increase") "," HOOK(
		      "e",
		      "confirm-promotion") "," HOOK("f",
						    "post-rollout") "," HOOK("g",
									     "rollback") ",{"
											 "\"name\":"
											 "\"h\","
											 "\"url\":"
											 "\"http://"
											 "h/\"}");
	hooks.answers[0] = (struct answers){"g", {403}, 0};
	start(&hooks);
	EXPECT_INT(hooks.count, 0);
	bed_release(&hooks.bed, "podinfo:2");
	EXPECT(bed_reaches(&hooks.bed, "Succeeded"));
	static const struct {
		const char *name, *phase;
		int calls;
	} wanted[] = {
		{"a", "Initialized", 1},  {"b", "Progressing", 1},
		{"c", "Progressing", 10}, {"d", "Progressing", 11}, /* and before the promotion */
		{"e", "Progressing", 1},  {"f", "Succeeded", 1},
		{"g", "Progressing", 11}, {"h", "Progressing", 10},
	};
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		EXPECT_INT(calls_of(&hooks, wanted[i].name), wanted[i].calls);
		EXPECT_TEXT(said(call_of(&hooks, wanted[i].name, 0), "phase"), wanted[i].phase);
	}
	EXPECT_TEXT(hooks.calls[0].name, "a");
	EXPECT_TEXT(hooks.calls[hooks.count - 1].name, "f");
	bed_end(&hooks.bed);
}

SPEC("hooks: the body has name, namespace, checksum of the revision, and metadata if there is any")
{
	struct hooks hooks;
	begin(&hooks, HOOK("a", "pre-rollout") ",{\"name\":\"b\",\"type\":\"pre-rollout\",\"url\":"
					       "\"http://b/\",\"metadata\":{\"cmd\":\"test\"}}");
	start(&hooks);
	for (int revision = 2; revision <= 3; revision++) {
		SCOPED(text) char *image = xasprintf("podinfo:%d", revision);
		bed_release(&hooks.bed, image);
		EXPECT(bed_reaches(&hooks.bed, "Succeeded"));
	}
	EXPECT_TEXT(said(call_of(&hooks, "a", 0), "name"), "podinfo");
	EXPECT_TEXT(said(call_of(&hooks, "a", 0), "namespace"), "test");
	EXPECT(strstr(call_of(&hooks, "a", 0)->body, "metadata") == NULL);
	EXPECT_TEXT(said(call_of(&hooks, "b", 0), "metadata.cmd"), "test");
	SCOPED(text) char *first = xstrdup(said(call_of(&hooks, "a", 0), "checksum"));
	EXPECT(first[0] != '\0');
	EXPECT_TEXT(said(call_of(&hooks, "b", 0), "checksum"), first);
	EXPECT(strcmp(said(call_of(&hooks, "a", 1), "checksum"), first) != 0);
	bed_end(&hooks.bed);
}

SPEC("hooks: 200 to 202 pass, and nothing else does")
{
	static const struct {
		int status;
		bool passes;
	} cases[] = {{200, true},  {201, true},	 {202, true},  {203, false}, {204, false},
		     {302, false}, {403, false}, {404, false}, {501, false}, {HOOK_IS_DOWN, false}};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct hooks hooks;
		begin(&hooks, HOOK("a", "confirm-rollout"));
		hooks.answers[0] = (struct answers){"a", {cases[i].status}, 0};
		start(&hooks);
		bed_release(&hooks.bed, "podinfo:2");
		bed_run(&hooks.bed, 3);
		EXPECT_TEXT(bed_phase(&hooks.bed), cases[i].passes ? "Progressing" : "Waiting");
		bed_end(&hooks.bed);
	}
}

SPEC("hooks: one that has a lot to say passes, and so much of it is not kept")
{
	struct hooks hooks;
	begin(&hooks, HOOK("a", "confirm-rollout") "," HOOK("b", "event"));
	start(&hooks);
	bed_release(&hooks.bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&hooks.bed, 5));
	EXPECT(call_of(&hooks, "a", 0)->cut);
	EXPECT(call_of(&hooks, "b", 0)->cut);
	bed_end(&hooks.bed);
}

/* ---- how often and how long ---- */

SPEC("hooks: what may pass later is tried again `retries` times, after 1, 2, 4 seconds")
{
	static const int passing[] = {HOOK_IS_DOWN, 429, 500, 503};
	for (size_t i = 0; i < ARRAY_LEN(passing); i++) {
		struct hooks hooks;
		begin(&hooks, "{\"name\":\"a\",\"type\":\"pre-rollout\",\"url\":\"http://a/\","
			      "\"retries\":3}");
		int status = passing[i];
		hooks.answers[0] =
			(struct answers){"a", {status == 0 ? HOOK_IS_SILENT : status, 0}, 0};
		hooks.answers[0].statuses[1] = 503;
		hooks.answers[0].statuses[2] = 503;
		hooks.answers[0].statuses[3] = 200;
		start(&hooks);
		bed_release(&hooks.bed, "podinfo:2");
		EXPECT(bed_reaches_weight(&hooks.bed, 5));
		EXPECT_INT(calls_of(&hooks, "a"), 4);
		int64_t extra_us = status == 0 ? 10 * DURATION_SECOND : 0;
		for (int nth = 1; nth < 4; nth++) {
			int64_t us = call_of(&hooks, "a", nth)->at_us -
				     call_of(&hooks, "a", nth - 1)->at_us;
			EXPECT_INT((us - (nth == 1 ? extra_us : 0)) / DURATION_SECOND,
				   1 << (nth - 1));
		}
		EXPECT_INT(bed_events(&hooks.bed, "pre-rollout check a failed"), 0);
		bed_end(&hooks.bed);
	}
}

SPEC("hooks: without retries one try is all, and what is refused is not tried again")
{
	static const struct {
		int status, retries, tries;
		const char *told;
	} cases[] = {
		{503, 0, 1, "failed POST http://a/ giving up after 1 attempt(s)"},
		{503, 2, 3, "failed POST http://a/ giving up after 3 attempt(s)"},
		{404, 2, 1, "failed answered with HTTP status 404"},
		{501, 2, 1, "failed answered with HTTP status 501"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct hooks hooks;
		SCOPED(text)
		char *hook = xasprintf("{\"name\":\"a\",\"type\":\"pre-rollout\",\"url\":"
				       "\"http://a/\",\"retries\":%d}",
				       cases[i].retries);
		begin(&hooks, hook);
		hooks.answers[0] = (struct answers){"a", {cases[i].status}, 0};
		start(&hooks);
		bed_release(&hooks.bed, "podinfo:2");
		bed_run(&hooks.bed, 8);
		EXPECT_INT(calls_of(&hooks, "a"), cases[i].tries);
		EXPECT_INT(bed_events(&hooks.bed, cases[i].told), 1);
		bed_end(&hooks.bed);
	}
}

SPEC("hooks: each has its own timeout, ten seconds when it says none")
{
	struct hooks hooks;
	begin(&hooks, "{\"name\":\"a\",\"type\":\"pre-rollout\",\"url\":\"http://a/\",\"timeout\":"
		      "\"3s\"}," HOOK("b", "rollout"));
	hooks.answers[0] = (struct answers){"a", {HOOK_IS_SILENT, 200}, 0};
	start(&hooks);
	bed_release(&hooks.bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&hooks.bed, 10));
	EXPECT_INT(call_of(&hooks, "a", 0)->timeout_us, 3 * DURATION_SECOND);
	EXPECT_INT(call_of(&hooks, "b", 0)->timeout_us, 10 * DURATION_SECOND);
	EXPECT_INT(bed_events(&hooks.bed, "pre-rollout check a failed POST http://a/ giving up"),
		   1);
	bed_end(&hooks.bed);
}

SPEC("hooks: disableTLS is of the one that says so")
{
	struct hooks hooks;
	begin(&hooks,
	      "{\"name\":\"a\",\"type\":\"pre-rollout\",\"url\":\"http://a/\","
	      "\"disableTLS\":true}," HOOK(
		      "b", "pre-rollout") ",{\"name\":\"c\",\"type\":"
					  "\"event\",\"url\":\"http://c/\",\"disableTLS\":true}");
	start(&hooks);
	bed_release(&hooks.bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&hooks.bed, 5));
	EXPECT(call_of(&hooks, "a", 0)->insecure);
	EXPECT(!call_of(&hooks, "b", 0)->insecure);
	EXPECT(call_of(&hooks, "c", 0)->insecure);
	bed_end(&hooks.bed);
}

/* ---- gates and alerts ---- */

SPEC("hooks: muteAlert is about the alert of its gate, and of no other")
{
	static const struct {
		const char *type, *text;
	} gates[] = {
		{"confirm-rollout", "Canary is waiting for approval"},
		{"confirm-traffic-increase", "Canary traffic increase is waiting for approval"},
		{"confirm-promotion", "Canary promotion is waiting for approval"}};
	const struct alerts_options slack = {
		.driver = "slack", .url = "http://slack/", .channel = "team", .username = "us"};
	for (size_t i = 0; i < 2 * ARRAY_LEN(gates); i++) {
		struct hooks hooks;
		bool muted = i % 2 == 1;
		SCOPED(text)
		char *hook = xasprintf("{\"name\":\"a\",\"type\":\"%s\",\"url\":\"http://a/\","
				       "\"muteAlert\":%s}",
				       gates[i / 2].type, muted ? "true" : "false");
		begin(&hooks, hook);
		hooks.answers[0] = (struct answers){"a", {403}, 0};
		struct alerts *alerts = alerts_new(hooks.bed.kube, &hooks.bed.http, &slack);
		hooks.bed.world.alerts = alerts;
		start(&hooks);
		bed_release(&hooks.bed, "podinfo:2");
		bed_run(&hooks.bed, 300);
		int told = 0, other = 0;
		for (size_t k = 0; k < hooks.count; k++) {
			bool slacked = strcmp(hooks.calls[k].name, "slack") == 0;
			bool gate = strstr(hooks.calls[k].body, gates[i / 2].text) != NULL;
			told += slacked && gate;
			other += slacked && !gate;
		}
		EXPECT_INT(told, muted ? 0 : 1);
		EXPECT(other > 0);
		bed_stop_engine(&hooks.bed);
		alerts_free(alerts);
		bed_end(&hooks.bed);
	}
}

SPEC("hooks: the rollback hook rolls back in the analysis and while a gate is closed")
{
	static const char *const gates[] = {"rollout", "confirm-promotion",
					    "confirm-traffic-increase", "confirm-rollout"};
	for (size_t i = 0; i < ARRAY_LEN(gates); i++) {
		struct hooks hooks;
		SCOPED(text)
		char *list =
			xasprintf("{\"name\":\"gate\",\"type\":\"%s\",\"url\":\"http://gate/\"},%s",
				  gates[i], HOOK("back", "rollback"));
		begin(&hooks, list);
		hooks.answers[0] = (struct answers){"gate", {i == 0 ? 200 : 403}, 0};
		hooks.answers[1] = (struct answers){"back", {403}, 0};
		start(&hooks);
		bed_release(&hooks.bed, "podinfo:2");
		bed_run(&hooks.bed, i == 0 ? 15 : 200);
		EXPECT(strcmp(bed_phase(&hooks.bed), "Failed") != 0);
		hooks.answers[1] = (struct answers){"back", {200}, 0};
		if (i == 3) { /* nothing has begun that could be rolled back */
			bed_end(&hooks.bed);
			continue;
		}
		EXPECT(bed_reaches(&hooks.bed, "Failed"));
		EXPECT_INT(bed_weight(&hooks.bed), 0);
		EXPECT_INT(bed_events(&hooks.bed, "manual webhook invoked"), 1);
		bed_end(&hooks.bed);
	}
}

/* ---- who waits ---- */

/* Seconds of a release with these webhooks. */
static int64_t takes(struct hooks *hooks)
{
	start(hooks);
	int64_t began_us = loop_now(hooks->bed.loop);
	bed_release(&hooks->bed, "podinfo:2");
	EXPECT(bed_reaches(&hooks->bed, "Succeeded"));
	return (loop_now(hooks->bed.loop) - began_us) / DURATION_SECOND;
}

SPEC("hooks: a receiver of events that is down, or silent, costs a release nothing")
{
	static const char event[] = "{\"name\":\"e\",\"type\":\"event\",\"url\":\"http://e/\","
				    "\"retries\":2}," HOOK("post", "post-rollout");
	static const int answers[] = {200, HOOK_IS_SILENT, 503, 404};
	int64_t good = 0;
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		struct hooks hooks;
		begin(&hooks, event);
		hooks.answers[0] = (struct answers){"e", {answers[i]}, 0};
		int64_t seconds = takes(&hooks);
		if (i == 0)
			good = seconds;
		EXPECT_INT(seconds, good);
		EXPECT_INT(bed_events(&hooks.bed, "Promotion completed!"), 1);
		EXPECT_INT(bed_events(&hooks.bed, "Post-rollout check post passed"), 1);
		bed_run(&hooks.bed, 1200);
		/* What is given up is not owed for ever. */
		EXPECT(strstr(bed_says(&hooks.bed, bed_canary, "status.conditions[1].message"),
			      "\"debts\"") == NULL);
		bed_end(&hooks.bed);
	}
}

SPEC("hooks: a receiver is told each event once, in order, with its kind and time")
{
	struct hooks hooks;
	begin(&hooks, "{\"name\":\"e\",\"type\":\"event\",\"url\":\"http://e/\",\"metadata\":"
		      "{\"team\":\"a\",\"eventType\":\"mine\"}}," HOOK("post", "post-rollout"));
	hooks.answers[0] = (struct answers){"e", {200, 200, HOOK_IS_SILENT, 200}, 0};
	(void)takes(&hooks);
	bed_run(&hooks.bed, 60);
	static const char *const told[] = {"Initialization done!",
					   "New revision detected!",
					   "Advance podinfo.test canary weight 5",
					   "Advance podinfo.test canary weight 50",
					   "Copying podinfo.test template",
					   "Routing all traffic to primary",
					   "Post-rollout check post passed",
					   "Promotion completed!"};
	size_t at = 0;
	for (size_t i = 0; i < hooks.count; i++) {
		const struct call *call = &hooks.calls[i];
		if (strcmp(call->name, "e") != 0)
			continue;
		const char *text = said(call, "metadata.eventMessage");
		if (at < ARRAY_LEN(told) && strncmp(text, told[at], strlen(told[at])) == 0)
			at++;
		EXPECT_INT(bed_events(&hooks.bed, text) > 0, 1);
		EXPECT_TEXT(said(call, "metadata.team"), "a");
		EXPECT(strcmp(said(call, "metadata.eventType"), "mine") != 0);
		EXPECT_INT(strlen(said(call, "metadata.timestamp")), 13);
	}
	EXPECT_INT(at, ARRAY_LEN(told));
	bed_end(&hooks.bed);
}

SPEC("hooks: events that a killed daemon had not told are told by the next")
{
	struct hooks hooks;
	begin(&hooks, HOOK("e", "event"));
	hooks.answers[0] = (struct answers){"e", {HOOK_IS_SILENT}, 0};
	start(&hooks);
	bed_release(&hooks.bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&hooks.bed, 5));
	bed_stop_engine(&hooks.bed);
	size_t before = hooks.count;
	hooks.answers[0] = (struct answers){"e", {200}, 0};
	bed_start_engine(&hooks.bed);
	bed_run(&hooks.bed, 5);
	int told = 0;
	for (size_t i = before; i < hooks.count; i++)
		told += strstr(hooks.calls[i].body, "New revision detected!") != NULL;
	EXPECT_INT(told, 1);
	EXPECT_INT(bed_events(&hooks.bed, "New revision detected!"), 1);
	bed_end(&hooks.bed);
}

SPEC("hooks: the event webhook of the flags is for canaries that have none of their own")
{
	for (int own = 0; own <= 1; own++) {
		struct hooks hooks;
		begin(&hooks, own ? HOOK("e", "event") : "");
		hooks.bed.world.event_webhook = "http://all/";
		start(&hooks);
		EXPECT_INT(calls_of(&hooks, "all") > 0, !own);
		EXPECT_INT(calls_of(&hooks, "e") > 0, own);
		bed_end(&hooks.bed);
	}
}

static void put_other(struct bed *bed)
{
	struct error err = {0};
	SCOPED(json) cJSON *target = cJSON_Duplicate(cluster_get(bed->cluster, bed_target), true);
	SCOPED(json) cJSON *canary = cJSON_Duplicate(cluster_get(bed->cluster, bed_canary), true);
	cJSON *const both[] = {target, canary};
	json_put_string(canary, "spec.targetRef.name", "other");
	json_put(canary, "spec.analysis.webhooks", cJSON_CreateArray());
	json_put_string(target, "spec.selector.matchLabels.app", "other");
	json_put_string(target, "spec.template.metadata.labels.app", "other");
	json_put_number(target, "spec.replicas", 1);
	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		json_put_string(both[i], "metadata.name", "other");
		json_remove(both[i], "metadata.uid");
		json_remove(both[i], "metadata.resourceVersion");
		json_remove(both[i], "status");
		EXPECT(cluster_apply(bed->cluster, both[i], &err));
	}
}

SPEC("hooks: one that does not answer keeps its own canary waiting, and no other")
{
	static const char other[] = "/apis/flagger.app/v1beta1/namespaces/test/canaries/other";
	static const char target[] = "/apis/apps/v1/namespaces/test/deployments/other";
	static const char *const types[] = {
		"confirm-rollout", "pre-rollout",	"rollout",	"confirm-traffic-increase",
		"rollback",	   "confirm-promotion", "post-rollout", "event"};
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct hooks hooks;
		SCOPED(text)
		char *hook = xasprintf("{\"name\":\"a\",\"type\":\"%s\",\"url\":\"http://a/\","
				       "\"timeout\":\"90s\"}",
				       types[i]);
		begin(&hooks, hook);
		hooks.answers[0] = (struct answers){"a", {HOOK_IS_SILENT}, 0};
		start(&hooks);
		put_other(&hooks.bed);
		bed_run(&hooks.bed, 30);
		bed_release(&hooks.bed, "podinfo:2");
		bed_run(&hooks.bed, 2);
		bed_merge(
			&hooks.bed, target,
			"{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"a\":\"b\"}}}}}");
		bed_run(&hooks.bed, 150); /* ten steps of 10 s, and the way back */
		EXPECT_TEXT(bed_says(&hooks.bed, other, "status.phase"), "Succeeded");
		bed_end(&hooks.bed);
	}
}
