/*
 * handback.c - `sluice handback`: gives canaries to another controller, which takes them for new.
 *
 * First the class annotation, so that our daemon lets go of it; then the status goes, ours and what
 * the other one would misread: a hash of the target that is not its own would set a rollout off.
 * Services, routes and the primary stay as they are, all traffic on the primary, and the other
 * controller finds them so. Each write is fenced by the version that was judged.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "canary/custody.h"
#include "canary/status.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "kube/client.h"
#include "kube/config.h"
#include "kube/path.h"
#include "kube/transport.h"

/* The daemon sees the annotation by its watch; what it was about to write is out by then. */
static const int64_t let_go_us = 2 * DURATION_SECOND;

struct handback {
	struct loop *loop;
	struct kube *kube;
	const char *class;
	cJSON *canaries; /* owned: those to give, as they were read */
	const cJSON *at;
	bool annotated; /* the one that is worked on */
	int given, refused;
};

static void next_one(struct handback *handback);

enum { SUBRESOURCE_PATH_MAX = KUBE_PATH_MAX + 8 };

static void path_of(const cJSON *canary, const char *subresource, char path[SUBRESOURCE_PATH_MAX])
{
	char object[KUBE_PATH_MAX];
	kube_path(object, &kube_canary, json_string(canary, "metadata.namespace"),
		  json_string(canary, "metadata.name"));
	snprintf(path, SUBRESOURCE_PATH_MAX, "%s%s", object, subresource);
}

static void tell(const struct handback *handback, FILE *to, const char *what)
{
	fprintf(to, "%s/%s: %s\n", json_string_or(handback->at, "metadata.namespace", ""),
		json_string_or(handback->at, "metadata.name", ""), what);
}

/* Why it cannot be given now; NULL when it can. */
static const char *hindrance(const cJSON *canary)
{
	struct status status;
	status_read(&status, json_get(canary, "status"));
	const struct memory *memory = &status.memory;
	const char *why = NULL;
	if (!memory->present)
		why = "its status is not ours: there is nothing to hand back";
	else if (!phase_is_at_rest(status.phase))
		why = "a release is under way: wait for its end, or sluice abort";
	else if (memory->split.canary > 0)
		why = "traffic is on the canary: release a fix first";
	else if (memory->inventory != NULL)
		why = "its route is the team's own (routeRef), which no other controller knows";
	else if (memory->debt_count > 0 || memory->alert_count > 0 || memory->scale_down_us > 0)
		why = "the end of its last release is still being worked on: try again";
	status_fini(&status);
	return why;
}

static void write_class(struct handback *handback, const cJSON *canary, kube_done *done)
{
	char path[SUBRESOURCE_PATH_MAX];
	SCOPED(json) cJSON *patch = cJSON_CreateObject();
	cJSON *annotations = cJSON_CreateObject();
	if (handback->annotated)
		cJSON_AddNullToObject(annotations, CUSTODY_ANNOTATION);
	else
		cJSON_AddStringToObject(annotations, CUSTODY_ANNOTATION, handback->class);
	json_put(patch, "metadata.annotations", annotations);
	json_put_string(patch, "metadata.resourceVersion",
			json_string(canary, "metadata.resourceVersion"));
	path_of(canary, "", path);
	kube_send(handback->kube, KUBE_MERGE, path, patch, done, handback, 0);
}

static void refuse(struct handback *handback, const char *why)
{
	tell(handback, stderr, why);
	handback->refused++;
	next_one(handback);
}

static void taken_back(void *owner, uint64_t token, const struct kube_reply *reply)
{
	struct handback *handback = owner;
	(void)token;
	refuse(handback, reply->error.kind == ERROR_NONE
				 ? "a release has begun: it stays ours"
				 : "a release has begun; the annotation " CUSTODY_ANNOTATION
				   " must be taken away by hand");
}

static void cleared(void *owner, uint64_t token, const struct kube_reply *reply)
{
	struct handback *handback = owner;
	(void)token;
	if (reply->error.kind != ERROR_NONE) {
		refuse(handback, reply->error.text);
		return;
	}
	handback->given++;
	SCOPED(text) char *what = xasprintf("handed back, class %s", handback->class);
	tell(handback, stdout, what);
	next_one(handback);
}

static void read_again(void *owner, uint64_t token, const struct kube_reply *reply)
{
	struct handback *handback = owner;
	char path[SUBRESOURCE_PATH_MAX];
	(void)token;
	if (reply->error.kind != ERROR_NONE) {
		refuse(handback, reply->error.text);
		return;
	}
	if (hindrance(reply->object) != NULL) {
		write_class(handback, reply->object, taken_back);
		return;
	}
	SCOPED(json) cJSON *patch = cJSON_CreateObject();
	cJSON_AddNullToObject(patch, "status");
	json_put_string(patch, "metadata.resourceVersion",
			json_string(reply->object, "metadata.resourceVersion"));
	path_of(reply->object, "/status", path);
	kube_send(handback->kube, KUBE_MERGE, path, patch, cleared, handback, 0);
}

static void look_again(void *owner, uint64_t token)
{
	struct handback *handback = owner;
	char path[SUBRESOURCE_PATH_MAX];
	(void)token;
	path_of(handback->at, "", path);
	kube_send(handback->kube, KUBE_GET, path, NULL, read_again, handback, 0);
}

static void class_written(void *owner, uint64_t token, const struct kube_reply *reply)
{
	struct handback *handback = owner;
	(void)token;
	if (reply->error.kind != ERROR_NONE) {
		refuse(handback, reply->error.text);
		return;
	}
	handback->annotated = true;
	loop_at(handback->loop, loop_now(handback->loop) + let_go_us, look_again, handback, 0);
}

static void next_one(struct handback *handback)
{
	handback->at = handback->at == NULL ? handback->canaries->child : handback->at->next;
	handback->annotated = false;
	if (handback->at == NULL) {
		loop_stop(handback->loop);
		return;
	}
	const char *why = hindrance(handback->at);
	if (why != NULL)
		refuse(handback, why);
	else
		write_class(handback, handback->at, class_written);
}

static void listed(void *owner, uint64_t token, const struct kube_reply *reply)
{
	struct handback *handback = owner;
	const cJSON *items = json_get(reply->object, "items"), *item;
	(void)token;
	if (reply->error.kind != ERROR_NONE) {
		fprintf(stderr, "sluice handback: %s\n", reply->error.text);
		handback->refused++;
		loop_stop(handback->loop);
		return;
	}
	if (items == NULL)
		cJSON_AddItemToArray(handback->canaries, cJSON_Duplicate(reply->object, true));
	cJSON_ArrayForEach(item, items)
	{
		if (custody_is_ours(item, NULL))
			cJSON_AddItemToArray(handback->canaries, cJSON_Duplicate(item, true));
	}
	next_one(handback);
}

static int hand_back(struct handback *handback, const struct kube_config *config, const char *path)
{
	struct chance chance;
	const struct kube_options options = {.qps = 50, .burst = 100};
	chance_seed_from_os(&chance);
	log_setup(LOG_OFF, false, NULL);
	handback->canaries = cJSON_CreateArray();
	handback->loop = loop_new();
	struct http *transport = kube_transport_new(handback->loop, config);
	handback->kube = kube_new(handback->loop, transport, &chance, &options);
	kube_send(handback->kube, KUBE_GET, path, NULL, listed, handback, 0);
	loop_run(handback->loop, 0);
	kube_free(handback->kube);
	transport->ops->free(transport);
	loop_free(handback->loop);
	cJSON_Delete(handback->canaries);
	return handback->refused > 0 ? EXIT_BAD_INPUT : EXIT_GOOD;
}

int cli_handback(int count, char **arguments)
{
	const char *kubeconfig = "", *context = NULL, *namespace = NULL;
	bool help = false, all = false;
	struct handback handback = {.class = "flagger"};
	struct flag_texts words = {0};
	struct kube_config config;
	struct error err = {0};
	const struct flag flags[] = {
		{"kubeconfig", FLAG_TEXT, &kubeconfig, "FILE", "how to reach the cluster"},
		{"context", FLAG_TEXT, &context, "NAME", "of the kubeconfig"},
		{"n", FLAG_TEXT, &namespace, "NAMESPACE",
		 "by default that of the kubeconfig; with --all, all of them"},
		{"all", FLAG_BOOL, &all, NULL, "every canary that has no class"},
		{"class", FLAG_TEXT, &handback.class, "NAME", "whose it is from now on (flagger)"},
		{"help", FLAG_BOOL, &help, NULL, "this"},
		{0},
	};
	bool good = flags_parse(flags, count, arguments, &words, &err);
	if (good && help) {
		puts("usage: sluice handback [flags] CANARY | NAMESPACE/CANARY | --all\n\n"
		     "Leaves a canary at rest as another controller takes it for new: its status "
		     "goes, and\nthe annotation " CUSTODY_ANNOTATION
		     " keeps our daemon off it. Primary, services and\nroutes stay. To take it "
		     "again: kubectl annotate canary NAME " CUSTODY_ANNOTATION "-\n");
		flags_help(flags);
		return EXIT_GOOD;
	}
	if (good && words.count + all != 1)
		good = error_set(&err, ERROR_INVALID, "takes one canary, or --all");
	if (good && handback.class[0] == '\0')
		good = error_set(&err, ERROR_INVALID, "--class must not be empty");
	const struct kube_config_options options = {kubeconfig, context, NULL};
	if (!good || !kube_config_load(&config, &options, &err)) {
		fprintf(stderr, "sluice handback: %s\n", err.text);
		return EXIT_BAD_INPUT;
	}
	SCOPED(text) char *word = xstrdup(all ? NULL : words.items[0]);
	char *slash = all ? NULL : strchr(word, '/');
	if (slash != NULL) {
		*slash = '\0';
		namespace = word;
	}
	if (namespace == NULL && !all) {
		namespace = config.namespace == NULL ? "default" : config.namespace;
	}
	char path[KUBE_PATH_MAX];
	kube_path(path, &kube_canary, namespace, slash == NULL ? word : slash + 1);
	int status = hand_back(&handback, &config, path);
	kube_config_fini(&config);
	return status;
}
