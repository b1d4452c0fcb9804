/*
 * command.c - `sluice promote`, `abort`, `pause`, `resume`, `retry`, `skip-to` and `approve`: one
 * annotation on a Canary, which the daemon takes with its next decision.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "canary/command.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/follow.h"
#include "kube/client.h"
#include "kube/path.h"
#include "kube/transport.h"

struct request {
	struct command command;
	const char *namespace, *name;
	struct loop *loop;
	struct kube *kube;
	char path[KUBE_PATH_MAX];
	char id[24], digest[HASH_TEXT_MAX];
	bool at_rest;	  /* no release was under way */
	int64_t asked_us; /* since 1970 */
	struct error error;
};

static bool failed(struct request *request, const struct kube_reply *reply, const char *what)
{
	if (reply->error.kind == ERROR_NONE)
		return false;
	error_set(&request->error, reply->error.kind, "%s: %s", what, reply->error.text);
	loop_stop(request->loop);
	return true;
}

static void annotated(void *owner, uint64_t token, const struct kube_reply *reply)
{
	struct request *request = owner;
	(void)token;
	if (!failed(request, reply, "annotating it"))
		loop_stop(request->loop);
}

/* Nothing of ours is a secret: the annotation says who asked, when, and for what. */
static cJSON *annotation(struct request *request, const struct status *status)
{
	const struct command *command = &request->command;
	char at[TIME_TEXT_MAX];
	request->asked_us = loop_now(request->loop);
	time_text(request->asked_us, at);
	cJSON *value = cJSON_CreateObject();
	cJSON_AddStringToObject(value, "do", command_name(command->kind));
	if (command->kind == COMMAND_SKIP_TO)
		cJSON_AddNumberToObject(value, "weight", command->weight);
	cJSON_AddStringToObject(value, "id", request->id);
	if (command->by[0] != '\0')
		cJSON_AddStringToObject(value, "by", command->by);
	cJSON_AddStringToObject(value, "at", at);
	bool about_revision = command->kind == COMMAND_PROMOTE ||
			      command->kind == COMMAND_SKIP_TO || command->kind == COMMAND_APPROVE;
	bool known = status->phase == PHASE_PROGRESSING || status->phase == PHASE_WAITING_PROMOTION;
	if (about_revision && known && status->memory.revision[0] != '\0')
		cJSON_AddStringToObject(value, "revision", status->memory.revision);
	return value;
}

static void send_annotation(struct request *request, const struct status *status)
{
	SCOPED(json) cJSON *value = annotation(request, status);
	SCOPED(text) char *text = json_text(value);
	SCOPED(json) cJSON *patch = cJSON_CreateObject();
	cJSON *annotations = cJSON_CreateObject();
	cJSON_AddStringToObject(annotations, COMMAND_ANNOTATION, text);
	json_put(patch, "metadata.annotations", annotations);
	command_digest(text, request->digest);
	kube_send(request->kube, KUBE_MERGE, request->path, patch, annotated, request, 0);
}

static bool is_good(const struct request *request, const cJSON *canary, const struct status *status,
		    struct error *err)
{
	static const struct spec_options options = {.default_provider = "istio",
						    .min_interval_us = 1};
	struct spec_problems problems = {0};
	struct canary_spec *spec = canary_spec_new(canary, &options, &problems);
	spec_problems_fini(&problems);
	bool good = command_is_good(&request->command, status, spec, err);
	if (good && spec != NULL && spec->suspend)
		good = error_set(err, ERROR_INVALID, "it is suspended: spec.suspend");
	canary_spec_free(spec);
	return good;
}

static void canary_read(void *owner, uint64_t token, const struct kube_reply *reply)
{
	struct request *request = owner;
	struct status status;
	(void)token;
	if (failed(request, reply, "reading it"))
		return;
	status_read(&status, json_get(reply->object, "status"));
	request->at_rest = phase_is_at_rest(status.phase);
	if (is_good(request, reply->object, &status, &request->error))
		send_annotation(request, &status);
	else
		loop_stop(request->loop);
	status_fini(&status);
}

/* Who we are is asked of the API server (SelfSubjectReview); an old one does not know. */
static void reviewed(void *owner, uint64_t token, const struct kube_reply *reply)
{
	struct request *request = owner;
	(void)token;
	if (reply->error.kind == ERROR_NONE)
		text_copy(request->command.by, sizeof(request->command.by),
			  json_string_or(reply->object, "status.userInfo.username", ""));
	kube_send(request->kube, KUBE_GET, request->path, NULL, canary_read, request, 0);
}

static void ask_who(struct request *request, const struct kube_config *config)
{
	static const char path[] = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
	const char *user = config->username == NULL ? getenv("USER") : config->username;
	SCOPED(json) cJSON *review = cJSON_CreateObject();
	json_put_string(review, "apiVersion", "authentication.k8s.io/v1");
	json_put_string(review, "kind", "SelfSubjectReview");
	text_copy(request->command.by, sizeof(request->command.by), user == NULL ? "" : user);
	kube_send(request->kube, KUBE_CREATE, path, review, reviewed, request, 0);
}

static bool send_command(struct request *request, const struct kube_config *config,
			 struct error *err)
{
	struct chance chance;
	const struct kube_options options = {.qps = 50, .burst = 100};
	chance_seed_from_os(&chance);
	log_setup(LOG_OFF, false, NULL);
	snprintf(request->id, sizeof(request->id), "%016llx",
		 (unsigned long long)chance_next(&chance));
	kube_path(request->path, &kube_canary, request->namespace, request->name);
	request->loop = loop_new();
	struct http *transport = kube_transport_new(request->loop, config);
	request->kube = kube_new(request->loop, transport, &chance, &options);
	ask_who(request, config);
	loop_run(request->loop, 0);
	kube_free(request->kube);
	transport->ops->free(transport);
	loop_free(request->loop);
	if (request->error.kind == ERROR_NONE)
		return true;
	return error_set(err, request->error.kind, "%s/%s: %s", request->namespace, request->name,
			 request->error.text);
}

/* ---- the command line ---- */

static const struct {
	const char *usage, *help;
} verbs[COMMANDS] = {
	[COMMAND_PROMOTE] = {"promote", "Skips the rest of the analysis of a release."},
	[COMMAND_ABORT] = {"abort", "Rolls a release back at once."},
	[COMMAND_PAUSE] = {"pause", "Decides nothing until it is resumed: traffic stays, no "
				    "deadline runs out, nothing new is begun."},
	[COMMAND_RESUME] = {"resume", "Goes on where it was paused."},
	[COMMAND_RETRY] = {"retry", "Starts the revision that failed again."},
	[COMMAND_SKIP_TO] = {"skip-to WEIGHT", "Gives the canary this weight now."},
	[COMMAND_APPROVE] = {"approve", "Opens the gate that a release waits at, once: "
					"confirm-rollout,\nconfirm-traffic-increase or "
					"confirm-promotion."},
};

static bool read_words(struct request *request, const struct flag_texts *words, struct error *err)
{
	size_t at = 0;
	if (request->command.kind == COMMAND_SKIP_TO) {
		struct command parsed;
		SCOPED(text)
		char *text = xasprintf("skip-to %s", words->count == 0 ? "" : words->items[at++]);
		if (!command_parse(&parsed, text, err))
			return false;
		request->command.weight = parsed.weight;
	}
	if (words->count != at + 1)
		return error_set(err, ERROR_INVALID, "takes one canary: NAME or NAMESPACE/NAME");
	request->name = words->items[at];
	return true;
}

static int told(const struct request *request, const char *verb, const struct kube_config *config,
		int64_t timeout_us)
{
	const struct follow_wish wish = {
		.namespace = request->namespace,
		.name = request->name,
		.timeout_us = timeout_us,
		.since_us = request->asked_us,
		.began = !request->at_rest,
		.command = request->digest,
	};
	printf("%s/%s: %s is asked for\n", request->namespace, request->name, verb);
	fflush(stdout);
	return timeout_us < 0 ? EXIT_GOOD : follow_to_end(config, &wish);
}

static int ask(enum command_kind kind, int count, char **arguments)
{
	const char *kubeconfig = "", *context = NULL, *namespace = NULL, *timeout = "0";
	const char *verb = command_name(kind);
	bool help = false, wait = false;
	struct request request = {.command = {.kind = kind}};
	struct flag_texts words = {0};
	struct kube_config config;
	struct error err = {0};
	int64_t timeout_us = 0;
	const struct flag flags[] = {
		{"kubeconfig", FLAG_TEXT, &kubeconfig, "FILE", "how to reach the cluster"},
		{"context", FLAG_TEXT, &context, "NAME", "of the kubeconfig"},
		{"n", FLAG_TEXT, &namespace, "NAMESPACE", "by default that of the kubeconfig"},
		{"wait", FLAG_BOOL, &wait, NULL,
		 "follow the release to its end: 0 promoted, 2 rolled back"},
		{"timeout", FLAG_TEXT, &timeout, "DURATION", "of --wait: then end with 3"},
		{"help", FLAG_BOOL, &help, NULL, "this"},
		{0},
	};
	bool good = flags_parse(flags, count, arguments, &words, &err);
	if (good && help) {
		printf("usage: sluice %s [flags] CANARY | NAMESPACE/CANARY\n\n%s\nThe same is: "
		       "kubectl annotate canary NAME %s=%s --overwrite\n\n",
		       verbs[kind].usage, verbs[kind].help, COMMAND_ANNOTATION,
		       kind == COMMAND_SKIP_TO ? "'skip-to 40'" : verb);
		flags_help(flags);
		return EXIT_GOOD;
	}
	good = good && read_words(&request, &words, &err);
	if (good && !duration_parse(timeout, &timeout_us, &err))
		good = error_wrap(&err, "--timeout");
	const struct kube_config_options options = {kubeconfig, context, NULL};
	if (!good || !kube_config_load(&config, &options, &err)) {
		fprintf(stderr, "sluice %s: %s\n", verb, err.text);
		return EXIT_BAD_INPUT;
	}
	SCOPED(text) char *word = xstrdup(request.name);
	char *slash = strchr(word, '/');
	if (slash != NULL)
		*slash = '\0';
	request.name = slash == NULL ? word : slash + 1;
	request.namespace = slash != NULL	       ? word
			    : namespace != NULL	       ? namespace
			    : config.namespace != NULL ? config.namespace
						       : "default";
	int status = EXIT_BAD_INPUT;
	if (send_command(&request, &config, &err))
		status = told(&request, verb, &config, wait ? timeout_us : -1);
	else
		fprintf(stderr, "sluice %s: %s\n", verb, err.text);
	kube_config_fini(&config);
	return status;
}

int cli_promote(int count, char **arguments)
{
	return ask(COMMAND_PROMOTE, count, arguments);
}

int cli_abort(int count, char **arguments)
{
	return ask(COMMAND_ABORT, count, arguments);
}

int cli_pause(int count, char **arguments)
{
	return ask(COMMAND_PAUSE, count, arguments);
}

int cli_resume(int count, char **arguments)
{
	return ask(COMMAND_RESUME, count, arguments);
}

int cli_retry(int count, char **arguments)
{
	return ask(COMMAND_RETRY, count, arguments);
}

int cli_skip_to(int count, char **arguments)
{
	return ask(COMMAND_SKIP_TO, count, arguments);
}

int cli_approve(int count, char **arguments)
{
	return ask(COMMAND_APPROVE, count, arguments);
}
