/*
 * follow.c - `sluice follow`: releases as they go, one line a change, with the weight drawn; and,
 * with --wait, the end of a release as an exit status.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "canary/status.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/follow.h"
#include "kube/config.h"
#include "kube/transport.h"
#include "kube/watch.h"

enum { BAR_CELLS = 20, FOLLOWED_MAX = 256 };

struct follow {
	struct loop *loop;
	const char *name; /* NULL: every canary */
	const char *until;
	const char *command; /* ends when this one is refused; or NULL */
	bool wait, json, colour;
	bool ending;	   /* in a moment, */
	bool told;	   /* after nothing more is owed, */
	bool refused;	   /* or because the command was */
	bool began;	   /* a release is under way, though it was not seen */
	bool synced;	   /* all canaries that there were are known */
	int64_t since_us;  /* what had happened since then is told too; <= 0: so long ago */
	bool past_is_seen; /* all events that there were are known */
	bool looks_again;  /* for what the watch has not told yet */
	struct kube *kube;
	const char *namespace; /* NULL: all */
	struct watch *canaries, *events;
	/* A new list has events that were told: those up to the newest version before it. */
	uint64_t newest, listed;
	struct followed {
		char path[KUBE_PATH_MAX];
		char shown[200]; /* what the last line said, so that it is not said again */
		char phase[32];
		bool began; /* a release was seen under way */
		bool owes;  /* events that are not written yet */
	} followed[FOLLOWED_MAX];
	size_t count;
	int status;
};

/* ---- one canary ---- */

static struct followed *followed_of(struct follow *follow, const cJSON *canary)
{
	char path[KUBE_PATH_MAX];
	if (!kube_path_of(path, canary, kube_canary.plural))
		return NULL;
	for (size_t i = 0; i < follow->count; i++)
		if (strcmp(follow->followed[i].path, path) == 0)
			return &follow->followed[i];
	if (follow->count == FOLLOWED_MAX)
		return NULL;
	struct followed *followed = &follow->followed[follow->count++];
	*followed = (struct followed){0};
	text_copy(followed->path, sizeof(followed->path), path);
	return followed;
}

static void event_came(void *owner, enum watch_event event, cJSON *object);

static struct watch *watch_events(struct follow *follow)
{
	const struct watch_options options = {.namespace = follow->namespace, .forgetful = true};
	return watch_new(follow->kube, &kube_event, &options, event_came, follow);
}

static bool is_end(const char *phase)
{
	return strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
}

static bool is_under_way(const char *phase)
{
	return phase[0] != '\0' && strcmp(phase, "Initializing") != 0 &&
	       strcmp(phase, "Initialized") != 0 && !is_end(phase);
}

/* "Initialized,Succeeded" */
static bool is_among(const char *phase, const char *list)
{
	size_t len = strlen(phase);
	for (const char *at = list; len > 0 && at != NULL && *at != '\0';) {
		size_t part = strcspn(at, ",");
		if (part == len && strncmp(at, phase, len) == 0)
			return true;
		at += part + (at[part] == ',');
	}
	return false;
}

static void stop(void *owner, uint64_t token)
{
	const struct follow *follow = owner;
	(void)token;
	loop_stop(follow->loop);
}

/* A watch may lag behind: what was written is listed once more before it ends. */
static void end(void *owner, uint64_t token)
{
	struct follow *follow = owner;
	(void)token;
	if (follow->looks_again)
		return;
	follow->looks_again = true;
	watch_free(follow->events);
	follow->events = watch_events(follow);
	loop_at(follow->loop, loop_now(follow->loop) + 5 * DURATION_SECOND, stop, follow, 0);
}

/* Aborted while it waited for approval. */
static bool is_taken_back(const struct follow *follow, const struct followed *followed)
{
	return follow->command != NULL && strcmp(followed->phase, "Initialized") == 0;
}

/* Ends once every canary that is followed has come to its end, and has told what it owed. */
static void consider_end(struct follow *follow)
{
	int status = EXIT_GOOD;
	bool owes = false;
	if (!follow->synced || follow->count == 0 || (!follow->wait && follow->until == NULL))
		return;
	for (size_t i = 0; i < follow->count; i++) {
		const struct followed *followed = &follow->followed[i];
		bool over = follow->until != NULL
				    ? is_among(followed->phase, follow->until)
				    : followed->began && (is_end(followed->phase) ||
							  is_taken_back(follow, followed));
		if (!over)
			return;
		owes |= followed->owes;
		if (follow->until == NULL &&
		    (strcmp(followed->phase, "Failed") == 0 || is_taken_back(follow, followed)))
			status = EXIT_ROLLED_BACK;
	}
	if (follow->refused || follow->told || (follow->ending && owes))
		return;
	/* What was written last is on its way; a daemon that died writes nothing more. */
	follow->ending = true;
	follow->told = !owes;
	follow->status = status;
	int64_t wait_us = owes ? 5 * DURATION_SECOND : 300 * DURATION_MS;
	loop_at(follow->loop, loop_now(follow->loop) + wait_us, end, follow, 0);
}

/* ---- lines ---- */

static void print_time(const struct follow *follow)
{
	char time[TIME_TEXT_MAX];
	time_text(loop_now(follow->loop), time);
	printf("%.8s  ", time + 11);
}

static const char *colour_of(const struct follow *follow, const char *phase)
{
	if (!follow->colour)
		return "";
	if (strcmp(phase, "Succeeded") == 0)
		return "\033[32m";
	return strcmp(phase, "Failed") == 0 ? "\033[31m" : "\033[36m";
}

static void print_bar(long weight)
{
	long cells = weight * BAR_CELLS / 100;
	if (weight > 0 && cells == 0)
		cells = 1;
	for (long i = 0; i < BAR_CELLS; i++)
		fputs(i < cells ? "█" : "░", stdout);
}

static void print_state(struct follow *follow, struct followed *followed, const cJSON *canary)
{
	char says[200];
	SCOPED(text) char *phase = xstrdup(json_string_or(canary, "status.phase", ""));
	utf8_clean(phase);
	long weight = json_int(canary, "status.canaryWeight", 0);
	weight = weight < 0 ? 0 : weight > 100 ? 100 : weight;
	long failed = json_int(canary, "status.failedChecks", 0);
	long iterations = json_int(canary, "status.iterations", 0);
	snprintf(says, sizeof(says), "%s %ld %ld %ld", phase, weight, failed, iterations);
	if (strcmp(says, followed->shown) == 0 || phase[0] == '\0')
		return;
	text_copy(followed->shown, sizeof(followed->shown), says);
	const char *namespace = json_string_or(canary, "metadata.namespace", "");
	const char *name = json_string_or(canary, "metadata.name", "");
	if (follow->json) {
		SCOPED(json) cJSON *line = cJSON_CreateObject();
		char time[TIME_TEXT_MAX];
		time_text(loop_now(follow->loop), time);
		json_put_string(line, "time", time);
		json_put_string(line, "namespace", namespace);
		json_put_string(line, "name", name);
		json_put_string(line, "phase", phase);
		json_put_number(line, "weight", (double)weight);
		json_put_number(line, "failedChecks", (double)failed);
		json_put_number(line, "iterations", (double)iterations);
		SCOPED(text) char *text = json_text(line);
		puts(text);
		return;
	}
	SCOPED(text) char *full = xasprintf("%s/%s", namespace, name);
	print_time(follow);
	printf("%-20s %s%-16s%s ", full, colour_of(follow, phase), phase,
	       follow->colour ? "\033[0m" : "");
	print_bar(weight);
	printf(" %3ld%%", weight);
	if (iterations > 0)
		printf("  iteration %ld", iterations);
	if (failed > 0)
		printf("  %ld failed", failed);
	putchar('\n');
}

/* A command that was refused ends it: no release comes of it. */
static void look_for_refusal(struct follow *follow, const struct status *status)
{
	if (follow->command == NULL || follow->ending)
		return;
	bool taken = strcmp(status->memory.command, follow->command) == 0;
	if (taken && status->memory.refused_command) {
		/* The event that says why is on its way. */
		follow->ending = true;
		follow->refused = true;
		follow->status = EXIT_BAD_INPUT;
		loop_at(follow->loop, loop_now(follow->loop) + DURATION_SECOND, end, follow, 0);
	}
}

static bool owes_events(const struct status *status)
{
	for (size_t i = 0; i < status->memory.debt_count; i++)
		if (status->memory.debts[i].kind == DEBT_EVENT)
			return true;
	return false;
}

static void canary_came(void *owner, enum watch_event event, cJSON *object)
{
	struct follow *follow = owner;
	if (event == WATCH_SYNCED) {
		follow->synced = true;
		if (follow->count == 0 && follow->name != NULL)
			fprintf(stderr, "sluice follow: there is no canary %s yet: waiting\n",
				follow->name);
		consider_end(follow);
		return;
	}
	if (follow->name != NULL && !text_equal(json_string(object, "metadata.name"), follow->name))
		return;
	struct followed *followed = followed_of(follow, object);
	if (followed == NULL)
		return;
	if (event == WATCH_GONE) {
		*followed = follow->followed[--follow->count];
		return;
	}
	print_state(follow, followed, object);
	fflush(stdout);
	text_copy(followed->phase, sizeof(followed->phase),
		  json_string_or(object, "status.phase", ""));
	followed->began |= follow->began || is_under_way(followed->phase);
	struct status status;
	status_read(&status, json_get(object, "status"));
	followed->owes = owes_events(&status);
	look_for_refusal(follow, &status);
	status_fini(&status);
	consider_end(follow);
}

/* What was there when it began is told only since then: events say when in whole seconds. */
static bool is_news(const struct follow *follow, const cJSON *event)
{
	int64_t last_us;
	const char *last = json_string(event, "lastTimestamp");
	return follow->past_is_seen || (last != NULL && time_parse(last, &last_us, NULL) &&
					last_us > follow->since_us - DURATION_SECOND);
}

/* Versions of one kind can be compared as numbers (Kubernetes API concepts: resource versions). */
static bool was_told(struct follow *follow, const cJSON *object)
{
	const char *text = json_string_or(object, "metadata.resourceVersion", "");
	uint64_t version = strtoull(text, NULL, 10);
	if (version > follow->newest)
		follow->newest = version;
	return version != 0 && version <= follow->listed;
}

static void event_came(void *owner, enum watch_event event, cJSON *object)
{
	struct follow *follow = owner;
	if (event == WATCH_LISTING)
		follow->listed = follow->newest;
	if (event == WATCH_SYNCED) {
		follow->past_is_seen = true;
		if (follow->looks_again)
			loop_stop(follow->loop);
	}
	if (event != WATCH_PUT || was_told(follow, object) || !is_news(follow, object) ||
	    !text_equal(json_string(object, "involvedObject.kind"), "Canary") ||
	    (follow->name != NULL &&
	     !text_equal(json_string(object, "involvedObject.name"), follow->name)))
		return;
	bool warns = text_equal(json_string(object, "type"), "Warning");
	/* Whoever may write events does not get to write to a terminal what he likes. */
	SCOPED(text) char *message = xstrdup(json_string_or(object, "message", ""));
	utf8_clean(message);
	if (follow->json) {
		SCOPED(json) cJSON *line = cJSON_CreateObject();
		json_put_string(line, "time", json_string(object, "lastTimestamp"));
		json_put_string(line, "namespace", json_string(object, "metadata.namespace"));
		json_put_string(line, "name", json_string(object, "involvedObject.name"));
		json_put_string(line, "type", json_string(object, "type"));
		json_put_string(line, "message", message);
		SCOPED(text) char *text = json_text(line);
		puts(text);
	} else {
		print_time(follow);
		printf("%s%s%s\n", warns && follow->colour ? "\033[33m" : "", message,
		       warns && follow->colour ? "\033[0m" : "");
	}
	fflush(stdout);
}

/* ---- the whole ---- */

static void too_late(void *owner, uint64_t token)
{
	struct follow *follow = owner;
	(void)token;
	if (follow->ending)
		return;
	const struct error *trouble = watch_trouble(follow->canaries);
	fprintf(stderr, "sluice follow: not over in time%s%s\n",
		trouble->kind == ERROR_NONE ? "" : ": ", trouble->text);
	follow->status = EXIT_UNFINISHED;
	loop_stop(follow->loop);
}

/* Once a second: a server that cannot be reached is told, once. */
static void look_for_trouble(void *owner, uint64_t told)
{
	struct follow *follow = owner;
	const struct error *trouble = watch_trouble(follow->canaries);
	if (trouble->kind != ERROR_NONE && !told)
		fprintf(stderr, "sluice follow: %s: trying on\n", trouble->text);
	loop_at(follow->loop, loop_now(follow->loop) + DURATION_SECOND, look_for_trouble, follow,
		trouble->kind != ERROR_NONE);
}

static int follow_on(struct follow *follow, const struct kube_config *config, const char *namespace,
		     int64_t timeout_us)
{
	struct chance chance;
	const struct kube_options options = {.qps = 50, .burst = 100};
	const struct watch_options watch = {.namespace = namespace};
	chance_seed_from_os(&chance);
	log_setup(LOG_OFF, false, NULL);
	struct loop *loop = loop_new();
	follow->loop = loop;
	if (follow->since_us <= 0)
		follow->since_us += loop_now(loop);
	struct http *transport = kube_transport_new(loop, config);
	struct kube *kube = kube_new(loop, transport, &chance, &options);
	follow->kube = kube;
	follow->namespace = namespace;
	follow->events = watch_events(follow);
	follow->canaries = watch_new(kube, &kube_canary, &watch, canary_came, follow);
	if (timeout_us > 0)
		loop_at(loop, loop_now(loop) + timeout_us, too_late, follow, 0);
	loop_at(loop, loop_now(loop) + DURATION_SECOND, look_for_trouble, follow, 0);
	loop_run(loop, 0);
	watch_free(follow->canaries);
	watch_free(follow->events);
	kube_free(kube);
	transport->ops->free(transport);
	loop_free(loop);
	return follow->status;
}

int follow_to_end(const struct kube_config *config, const struct follow_wish *wish)
{
	struct follow follow = {
		.name = wish->name,
		.command = wish->command,
		.wait = true,
		.began = wish->began,
		.since_us = wish->since_us,
		.colour = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL,
	};
	return follow_on(&follow, config, wish->namespace, wish->timeout_us);
}

static bool known_phases(const char *list, struct error *err)
{
	static const char all[] = "Initializing,Initialized,Waiting,Progressing,WaitingPromotion,"
				  "Promoting,Finalising,Succeeded,Failed,Terminating,Terminated";
	for (const char *at = list; at != NULL && *at != '\0';) {
		size_t part = strcspn(at, ",");
		SCOPED(text) char *phase = xstrndup(at, part);
		if (!is_among(phase, all))
			return error_set(err, ERROR_INVALID, "--until: \"%s\" is none of %s", phase,
					 all);
		at += part + (at[part] == ',');
	}
	return true;
}

int cli_follow(int count, char **arguments)
{
	const char *kubeconfig = "", *context = NULL, *namespace = NULL, *timeout = "0",
		   *since = "0", *output = "text";
	bool help = false;
	struct follow follow = {0};
	struct flag_texts words = {0};
	struct kube_config config;
	struct error err = {0};
	int64_t timeout_us = 0, since_us = 0;
	const struct flag flags[] = {
		{"kubeconfig", FLAG_TEXT, &kubeconfig, "FILE", "how to reach the cluster"},
		{"context", FLAG_TEXT, &context, "NAME", "of the kubeconfig"},
		{"n", FLAG_TEXT, &namespace, "NAMESPACE", "by default all of them"},
		{"wait", FLAG_BOOL, &follow.wait, NULL,
		 "end with the release: 0 promoted, 2 rolled back"},
		{"until", FLAG_TEXT, &follow.until, "PHASES",
		 "end once the phase is one of these, as \"Initialized,Succeeded\""},
		{"timeout", FLAG_TEXT, &timeout, "DURATION", "then end with 3"},
		{"since", FLAG_TEXT, &since, "DURATION", "begin with the events of so long ago"},
		{"o", FLAG_TEXT, &output, "text|json", "json: one object a line"},
		{"help", FLAG_BOOL, &help, NULL, "this"},
		{0},
	};
	bool good = flags_parse(flags, count, arguments, &words, &err);
	if (good && help) {
		puts("usage: sluice follow [flags] [CANARY | NAMESPACE/CANARY]\n\nReleases as they "
		     "go: phases, weights and events.\n");
		flags_help(flags);
		return EXIT_GOOD;
	}
	if (good && words.count > 1)
		good = error_set(&err, ERROR_INVALID, "takes one canary, not %zu", words.count);
	SCOPED(text) char *word = xstrdup(words.count == 1 ? words.items[0] : NULL);
	char *slash = word == NULL ? NULL : strchr(word, '/');
	if (slash != NULL) {
		*slash = '\0';
		namespace = word;
	}
	follow.name = slash != NULL ? slash + 1 : word;
	follow.json = strcmp(output, "json") == 0;
	follow.colour = !follow.json && isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
	if (good && !follow.json && strcmp(output, "text") != 0)
		good = error_set(&err, ERROR_INVALID, "-o must be text or json, is \"%s\"", output);
	if (good && !duration_parse(timeout, &timeout_us, &err))
		good = error_wrap(&err, "--timeout");
	if (good && !duration_parse(since, &since_us, &err))
		good = error_wrap(&err, "--since");
	if (good && since_us < 0)
		good = error_set(&err, ERROR_INVALID, "--since: must not be negative");
	follow.since_us = -since_us;
	good = good && known_phases(follow.until, &err);
	const struct kube_config_options options = {kubeconfig, context, NULL};
	good = good && kube_config_load(&config, &options, &err);
	if (!good) {
		fprintf(stderr, "sluice follow: %s\n", err.text);
		return EXIT_BAD_INPUT;
	}
	int status = follow_on(&follow, &config, namespace, timeout_us);
	kube_config_fini(&config);
	return status;
}
