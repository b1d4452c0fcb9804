/*
 * receiver.c - a receiver of webhooks: keeps each body, and answers as a file says.
 *
 *     e2e-receiver --port N --run FOLDER
 *
 * A call of /NAME is a line of FOLDER/hooks/calls, "NAME BODY", and is answered with the status in
 * FOLDER/hooks/NAMESPACE.NAME (of the body's namespace), or 200. For benches of the control plane
 * it is a fake Prometheus too, whose every number is good.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cli/flags.h"
#include "cli/signals.h"
#include "net/serve.h"

struct receiver {
	struct loop *loop;
	struct serve *serve;
	const char *run;
	FILE *calls;
};

static int status_of(const struct receiver *receiver, const char *namespace, const char *name)
{
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, KIB);
	if (strchr(namespace, '/') != NULL)
		return 400;
	SCOPED(text) char *path = xasprintf("%s/hooks/%s.%s", receiver->run, namespace, name);
	int status = file_read(path, &text, NULL) ? (int)strtol(text.text, NULL, 10) : 0;
	return status >= 100 && status <= 599 ? status : 200;
}

/* 100 percent, or 20 ms. */
static void answer_query(const struct receiver *receiver, const struct serve_request *request)
{
	SCOPED(text)
	char *text = xasprintf("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\","
			       "\"result\":[{\"metric\":{},\"value\":[%lld,\"%d\"]}]}}",
			       (long long)time(NULL),
			       strstr(request->url, "histogram_quantile") != NULL ? 20 : 100);
	serve_reply(receiver->serve, request->id, 200, "application/json", text, strlen(text));
}

static void on_request(void *owner, const struct serve_request *request)
{
	const struct receiver *receiver = owner;
	const char *name = strrchr(request->url, '/');
	if (text_starts(request->url, "/api/v1/query")) {
		answer_query(receiver, request);
		return;
	}
	SCOPED(json) cJSON *body = json_parse(request->body, request->body_len, NULL);
	if (name == NULL || body == NULL) {
		serve_reply(receiver->serve, request->id, 400, NULL, "", 0);
		return;
	}
	SCOPED(text) char *line = json_text(body);
	fprintf(receiver->calls, "%s %s\n", name + 1, line);
	fflush(receiver->calls);
	serve_reply(receiver->serve, request->id,
		    status_of(receiver, json_string_or(body, "namespace", ""), name + 1), NULL, "",
		    0);
}

static void signalled(void *owner)
{
	const struct receiver *receiver = owner;
	loop_stop(receiver->loop);
}

int main(int count, char **arguments)
{
	struct receiver receiver = {0};
	const char *port = "0";
	struct flag_texts words = {0};
	struct error err = {0};
	const struct flag flags[] = {
		{"port", FLAG_TEXT, &port, "N", "to listen on, at 127.0.0.1"},
		{"run", FLAG_TEXT, &receiver.run, "FOLDER", "its folder \"hooks\" is used"},
		{0},
	};
	bool good = flags_parse(flags, count - 1, arguments + 1, &words, &err);
	if (good && receiver.run == NULL)
		good = error_set(&err, ERROR_INVALID, "--run is needed");
	if (good) {
		SCOPED(text) char *calls = xasprintf("%s/hooks/calls", receiver.run);
		receiver.calls = fopen(calls, "a");
		if (receiver.calls == NULL)
			good = error_set(&err, ERROR_INVALID, "cannot write %s", calls);
	}
	if (good) {
		const struct serve_options options = {.address = "127.0.0.1",
						      .port = (int)strtol(port, NULL, 10),
						      .body_max = MIB};
		receiver.loop = loop_new();
		receiver.serve = serve_new(receiver.loop, &options, on_request, &receiver, &err);
	}
	if (receiver.serve == NULL) {
		fprintf(stderr, "e2e-receiver: %s\n", err.text);
		return 1;
	}
	struct signals *signals = signals_new(receiver.loop, signalled, &receiver);
	loop_run(receiver.loop, 0);
	signals_free(signals);
	serve_free(receiver.serve);
	loop_free(receiver.loop);
	fclose(receiver.calls);
	return 0;
}
