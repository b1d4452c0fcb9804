#include "kube/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"

/* A login that asks somebody would take longer, but a daemon has nobody to ask. */
static const int64_t patience_us = 60 * DURATION_SECOND;
/* Where the kernel (or a seccomp profile) has no pidfd, it is asked for this often. */
static const int64_t poll_us = 20 * DURATION_MS;

static const char usual_version[] = "client.authentication.k8s.io/v1";

enum { PIECES_A_TURN = 16 };

struct kube_exec {
	struct loop *loop;
	char *command, *api_version;
	kube_exec_done *done;
	void *owner;
	pid_t pid;
	int pid_fd, out_fd;
	struct buf out;
	uint64_t timer, poll;
	struct error error; /* why it could not even begin, or was ended */
};

/* A text that is not empty, or NULL. */
static const char *said(const cJSON *object, const char *path)
{
	const char *text = json_string(object, path);
	return text != NULL && text[0] != '\0' ? text : NULL;
}

bool kube_exec_read(const char *text, size_t len, cJSON **owned_object,
		    struct exec_credential *credential, struct error *err)
{
	cJSON *object = json_parse(text, len, err);
	*owned_object = object;
	if (object == NULL)
		return error_set(err, ERROR_INVALID, "printed no JSON");
	if (!text_equal(json_string(object, "kind"), "ExecCredential"))
		return error_set(err, ERROR_INVALID, "printed no ExecCredential");
	const char *expires = said(object, "status.expirationTimestamp");
	*credential = (struct exec_credential){
		.token = said(object, "status.token"),
		.cert_pem = said(object, "status.clientCertificateData"),
		.key_pem = said(object, "status.clientKeyData"),
	};
	if (expires != NULL && !time_parse(expires, &credential->expires_us, err))
		return error_wrap(err, "status.expirationTimestamp");
	if ((credential->cert_pem == NULL) != (credential->key_pem == NULL))
		return error_set(err, ERROR_INVALID, "printed a certificate or a key, not both");
	if (credential->token == NULL && credential->cert_pem == NULL)
		return error_set(err, ERROR_INVALID, "printed neither a token nor a certificate");
	return true;
}

/* ---- what it is told ---- */

static char *exec_info(const cJSON *exec, const cJSON *cluster)
{
	SCOPED(json) cJSON *info = cJSON_CreateObject();
	json_put_string(info, "kind", "ExecCredential");
	json_put_string(info, "apiVersion", json_string_or(exec, "apiVersion", usual_version));
	json_put_bool(info, "spec.interactive", false);
	if (json_bool(exec, "provideClusterInfo", false)) {
		json_put(info, "spec.cluster", cJSON_Duplicate(cluster, true));
		const cJSON *extension;
		cJSON_ArrayForEach(extension, json_get(cluster, "extensions"))
		{
			if (text_equal(json_string(extension, "name"),
				       "client.authentication.k8s.io/exec"))
				json_put(info, "spec.cluster.config",
					 cJSON_Duplicate(json_get(extension, "extension"), true));
		}
		json_remove(info, "spec.cluster.extensions");
	}
	SCOPED(text) char *text = json_text(info);
	return xasprintf("KUBERNETES_EXEC_INFO=%s", text);
}

/* Lists of texts that end with NULL; each text and the list are the caller's. */
static char **environment(const cJSON *exec, const cJSON *cluster)
{
	const cJSON *more = json_get(exec, "env");
	size_t count = 0, most = 2 + (size_t)cJSON_GetArraySize(more);
	while (environ[count] != NULL)
		count++;
	char **list = xcalloc(count + most, sizeof(*list));
	size_t taken = 0;
	/* The first of a name counts for getenv: what the kubeconfig says comes first. */
	const cJSON *entry;
	cJSON_ArrayForEach(entry, more) list[taken++] = xasprintf(
		"%s=%s", json_string_or(entry, "name", ""), json_string_or(entry, "value", ""));
	list[taken++] = exec_info(exec, cluster);
	for (size_t i = 0; i < count; i++)
		list[taken++] = xstrdup(environ[i]);
	return list;
}

static char **arguments(const cJSON *exec)
{
	const cJSON *more = json_get(exec, "args"), *entry;
	char **list = xcalloc(2 + (size_t)cJSON_GetArraySize(more), sizeof(*list));
	size_t taken = 0;
	list[taken++] = xstrdup(json_string_or(exec, "command", ""));
	cJSON_ArrayForEach(entry, more) if (cJSON_IsString(entry)) list[taken++] =
		xstrdup(entry->valuestring);
	return list;
}

static void free_list(char **list)
{
	for (size_t i = 0; list[i] != NULL; i++)
		secret_free(list[i]);
	free(list);
}

/* ---- its run ---- */

static void stop_reading(struct kube_exec *run)
{
	if (run->out_fd < 0)
		return;
	loop_fd(run->loop, run->out_fd, 0, NULL, NULL);
	close(run->out_fd);
	run->out_fd = -1;
}

void kube_exec_free(struct kube_exec *run)
{
	if (run == NULL)
		return;
	loop_cancel(run->loop, run->timer);
	loop_cancel(run->loop, run->poll);
	loop_drop(run->loop, run);
	stop_reading(run);
	if (run->pid_fd >= 0) {
		loop_fd(run->loop, run->pid_fd, 0, NULL, NULL);
		close(run->pid_fd);
	}
	if (run->pid > 0) {
		kill(run->pid, SIGKILL);
		waitpid(run->pid, NULL, 0);
	}
	memset(run->out.text, 0, run->out.len);
	buf_fini(&run->out);
	free(run->command);
	free(run->api_version);
	free(run);
}

/* A bounded piece of work: one that prints for ever must not keep the loop, nor live. */
static void read_some(struct kube_exec *run)
{
	char bytes[4096];
	for (int i = 0; i < PIECES_A_TURN; i++) {
		ssize_t len = read(run->out_fd, bytes, sizeof(bytes));
		if (len > 0 && buf_add(&run->out, bytes, (size_t)len))
			continue;
		if (len < 0 && errno == EINTR)
			continue;
		if (len > 0) {
			error_set(&run->error, ERROR_INVALID, "printed more than %d bytes",
				  (int)EXEC_OUTPUT_MAX);
			if (run->pid > 0)
				kill(run->pid, SIGKILL);
		}
		if (len >= 0 || errno != EAGAIN)
			stop_reading(run);
		return;
	}
}

static void readable(void *owner, int fd, unsigned events)
{
	(void)fd;
	(void)events;
	read_some(owner);
}

static void finish(struct kube_exec *run)
{
	kube_exec_done *done = run->done;
	void *owner = run->owner;
	struct exec_credential credential = {0};
	struct error err = run->error;
	SCOPED(json) cJSON *object = NULL;
	bool good = err.kind == ERROR_NONE &&
		    kube_exec_read(run->out.text, run->out.len, &object, &credential, &err);
	const char *version = json_string_or(object, "apiVersion", "");
	if (good && strcmp(version, run->api_version) != 0)
		good = error_set(&err, ERROR_INVALID, "printed apiVersion \"%.60s\", wanted was %s",
				 version, run->api_version);
	if (!good)
		error_wrap(&err, "credential plug-in %s", run->command);
	kube_exec_free(run);
	done(owner, good ? &credential : NULL, &err);
}

/* False while it runs. */
static bool reap(struct kube_exec *run)
{
	int status = 0;
	if (waitpid(run->pid, &status, WNOHANG) != run->pid)
		return false;
	run->pid = 0;
	/* What is left fits into a pipe, unless a child of it prints on: then the cap ends it. */
	for (size_t before = run->out.len + 1; run->out_fd >= 0 && run->out.len != before;) {
		before = run->out.len;
		read_some(run);
	}
	if (run->error.kind == ERROR_NONE && WIFSIGNALED(status))
		error_set(&run->error, ERROR_DENIED, "ended by signal %d", WTERMSIG(status));
	else if (run->error.kind == ERROR_NONE && WEXITSTATUS(status) != 0)
		error_set(&run->error, ERROR_DENIED, "ended with status %d", WEXITSTATUS(status));
	finish(run);
	return true;
}

static void ended(void *owner, int fd, unsigned events)
{
	(void)fd;
	(void)events;
	(void)reap(owner);
}

static void look_again(void *owner, uint64_t token)
{
	struct kube_exec *run = owner;
	(void)token;
	run->poll = 0;
	if (!reap(run))
		run->poll = loop_at(run->loop, loop_now(run->loop) + poll_us, look_again, run, 0);
}

static void too_late(void *owner, uint64_t token)
{
	struct kube_exec *run = owner;
	(void)token;
	run->timer = 0;
	error_set(&run->error, ERROR_TIMEOUT, "did not end within a minute");
	kill(run->pid, SIGKILL);
}

static void never_began(void *owner, uint64_t token)
{
	(void)token;
	finish(owner);
}

static bool may_start(const cJSON *exec, struct error *err)
{
	if (text_equal(json_string(exec, "interactiveMode"), "Always"))
		return error_set(
			err, ERROR_INVALID,
			"wants to ask somebody (interactiveMode: Always), and nobody is there");
	return true;
}

static bool spawn(struct kube_exec *run, const cJSON *exec, const cJSON *cluster, struct error *err)
{
	int pipe_fds[2];
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, usual;
	if (pipe2(pipe_fds, O_CLOEXEC) != 0)
		return error_set(err, ERROR_UNAVAILABLE, "%s", strerror(errno));
	char **words = arguments(exec), **env = environment(exec, cluster);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], 1);
	/* We block and ignore signals; it should not. */
	sigemptyset(&none);
	sigfillset(&usual);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &usual);
	int code = posix_spawnp(&run->pid, words[0], &actions, &attributes, words, env);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	free_list(words);
	free_list(env);
	close(pipe_fds[1]);
	run->out_fd = pipe_fds[0];
	if (code != 0) {
		run->pid = 0;
		close(run->out_fd);
		run->out_fd = -1;
		return error_set(err, ERROR_INVALID, "cannot be started: %s", strerror(code));
	}
	return true;
}

struct kube_exec *kube_exec_new(struct loop *loop, const cJSON *exec, const cJSON *cluster,
				kube_exec_done *done, void *owner)
{
	struct kube_exec *run = xcalloc(1, sizeof(*run));
	*run = (struct kube_exec){
		.loop = loop,
		.command = xstrdup(json_string_or(exec, "command", "")),
		.api_version = xstrdup(json_string_or(exec, "apiVersion", usual_version)),
		.done = done,
		.owner = owner,
		.pid_fd = -1,
		.out_fd = -1,
	};
	buf_init(&run->out, EXEC_OUTPUT_MAX);
	if (!may_start(exec, &run->error) || !spawn(run, exec, cluster, &run->error)) {
		loop_ready(loop, never_began, run, 0);
		return run;
	}
	fcntl(run->out_fd, F_SETFL, O_NONBLOCK);
	loop_fd(loop, run->out_fd, EPOLLIN, readable, run);
	run->pid_fd = (int)syscall(SYS_pidfd_open, run->pid, 0U);
	if (run->pid_fd >= 0)
		loop_fd(loop, run->pid_fd, EPOLLIN, ended, run);
	else
		run->poll = loop_at(loop, loop_now(loop) + poll_us, look_again, run, 0);
	run->timer = loop_at(loop, loop_now(loop) + patience_us, too_late, run, 0);
	return run;
}
