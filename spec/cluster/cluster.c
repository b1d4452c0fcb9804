/*
 * cluster.c - the daemon against the API server of $KUBECONFIG: `spec-cluster [flags] SLUICE`.
 *
 * SLUICE may be a script that runs the daemon and does it harm; it gets the daemon's flags, and
 * SIGTERM at the end.
 */
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/flags.h"
#include "kube/config.h"
#include "kube/transport.h"
#include "kube/watch.h"
#include "stage.h"

struct words {
	const char *only, *copies, *interval, *limit, *rest, *as, *elect;
	bool help;
};

static void fail(const char *text)
{
	fprintf(stderr, "spec-cluster: %s\n", text);
	exit(1);
}

static pid_t start_daemon(const struct stage *stage, const struct words *words, const char *sluice)
{
	enum { ARGUMENTS_MAX = 32 };
	pid_t pid;
	size_t count = 0;
	SCOPED(text)
	char *metrics = xasprintf("http://127.0.0.1:%d", serve_port(stage->serve));
	const char *given[] = {sluice, "run", "--metrics-server", metrics, "--mesh-provider",
			       "kubernetes", "--min-analysis-interval", "1s", "--port", "0",
			       "--log-level", "error",
			       /* many releases at once, each with a tick a second */
			       "--kubeconfig-qps", "2000", "--kubeconfig-burst", "4000"};
	char *arguments[ARGUMENTS_MAX] = {0};
	for (size_t i = 0; i < ARRAY_LEN(given); i++)
		arguments[count++] = (char *)(uintptr_t)given[i];
	if (words->as != NULL) {
		arguments[count++] = "--kubeconfig";
		arguments[count++] = (char *)(uintptr_t)words->as;
	}
	if (words->elect != NULL) {
		arguments[count++] = "--enable-leader-election";
		arguments[count++] = "--leader-election-namespace";
		arguments[count++] = (char *)(uintptr_t)words->elect;
	}
	if (posix_spawn(&pid, sluice, NULL, NULL, arguments, environ) != 0)
		fail("the daemon cannot be started");
	return pid;
}

struct running {
	struct stage *stage;
	pid_t pid; /* 0 once it ended by itself */
};

static void see_daemon(void *owner, uint64_t token)
{
	struct running *running = owner;
	struct loop *loop = running->stage->loop;
	int status = 0;
	(void)token;
	if (waitpid(running->pid, &status, WNOHANG) == 0) {
		loop_at(loop, loop_now(loop) + DURATION_SECOND, see_daemon, running, 0);
		return;
	}
	printf("  FAILED the daemon ended by itself with %d\n", status);
	running->stage->failed++;
	running->pid = 0;
	loop_stop(loop);
}

static void stop_daemon(struct stage *stage, pid_t pid)
{
	int status = 0;
	kill(pid, SIGTERM);
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	printf("  FAILED the daemon ended with %d\n", status);
	stage->failed++;
}

static const char *read_words(int count, char **arguments, struct words *words,
			      struct stage_options *options)
{
	struct error err = {0};
	struct flag_texts bare = {0};
	const struct flag flags[] = {
		{"only", FLAG_TEXT, &words->only, "WORD,…",
		 "stories whose names have one of these words"},
		{"copies", FLAG_TEXT, &words->copies, "N", "of each story (1)"},
		{"interval", FLAG_TEXT, &words->interval, "DURATION", "of each canary (1s)"},
		{"limit", FLAG_TEXT, &words->limit, "DURATION", "for all of it (2m)"},
		{"rest", FLAG_TEXT, &words->rest, "DURATION", "that the daemon goes on then (0s)"},
		{"as", FLAG_TEXT, &words->as, "FILE", "the daemon's kubeconfig ($KUBECONFIG)"},
		{"elect", FLAG_TEXT, &words->elect, "NAMESPACE", "a leader, by a lease there"},
		{"together", FLAG_BOOL, &options->together, NULL,
		 "the releases begin once all are initialized"},
		{"make-ready", FLAG_BOOL, &options->make_ready, NULL,
		 "there is no controller manager: Deployments become ready by themselves"},
		{"repeats", FLAG_BOOL, &options->repeats, NULL,
		 "what was told may be told again: the daemon is killed"},
		{"gaps", FLAG_BOOL, &options->gaps, NULL,
		 "statuses may go by unseen: the API server is restarted"},
		{"help", FLAG_BOOL, &words->help, NULL, "this"},
		{0},
	};
	if (!flags_parse(flags, count, arguments, &bare, &err))
		fail(err.text);
	if (words->help || bare.count != 1) {
		puts("usage: spec-cluster [flags] SLUICE\n");
		flags_help(flags);
		exit(1);
	}
	options->only = words->only;
	options->interval = words->interval;
	options->copies = strtol(words->copies, NULL, 10);
	if (options->copies < 1)
		fail("--copies must be a number from 1");
	if (!duration_parse(words->limit, &options->limit_us, &err) ||
	    !duration_parse(words->rest, &options->rest_us, &err))
		fail(err.text);
	return bare.items[0];
}

int main(int count, char **arguments)
{
	struct words words = {.copies = "1", .interval = "1s", .limit = "2m", .rest = "0s"};
	struct stage_options options = {0};
	struct stage stage = {.options = &options};
	struct error err = {0};
	struct kube_config config;
	struct chance chance;
	const struct kube_config_options from = {0};
	const struct kube_options kube = {.qps = 500, .burst = 1000};
	const struct serve_options serve = {.address = "127.0.0.1"};
	const char *sluice = read_words(count - 1, arguments + 1, &words, &options);
	log_setup(LOG_ERROR, false, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	chance_seed(&chance, 1);
	stage.loop = loop_new();
	stage.serve = serve_new(stage.loop, &serve, fake_answer, &stage, &err);
	if (stage.serve == NULL || !kube_config_load(&config, &from, &err))
		fail(err.text);
	struct http *transport = kube_transport_new(stage.loop, &config);
	stage.kube = kube_new(stage.loop, transport, &chance, &kube);
	stage_set(&stage);
	stage_follow(&stage);
	struct running running = {&stage, start_daemon(&stage, &words, sluice)};
	see_daemon(&running, 0);
	loop_run(stage.loop, 0);

	if (running.pid != 0)
		stop_daemon(&stage, running.pid);
	watch_free(stage.canaries);
	for (size_t i = 0; i < stage.kind_count; i++)
		watch_free(stage.objects[i]);
	kube_free(stage.kube);
	transport->ops->free(transport);
	serve_free(stage.serve);
	stage_fini(&stage);
	kube_config_fini(&config);
	loop_free(stage.loop);
	printf("cluster: %zu passed, %zu failed\n", stage.count + 1 - stage.failed, stage.failed);
	return stage.failed == 0 ? 0 : 1;
}
