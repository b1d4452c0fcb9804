/*
 * kubelet.c - a fake kubelet: one Node whose pods are processes of this machine, each behind Envoy.
 *
 *     e2e-kubelet --kubeconfig FILE --app PROGRAM --run FOLDER [--node NAME] [--network N]
 *                 [--scheduler NAME]
 *
 * Binds every pod (that names this scheduler) to its Node, starts the demo app for it (whatever its
 * image, whose tag becomes the version), probes /readyz through the pod's Envoy, tells the status,
 * and stops and deletes the pod when it is asked to. A pod's address is 10.N.a.b in its status and
 * 127.N.a.b here.
 *
 * --hollow: no processes, every pod is ready at once; for benches of the control plane.
 *
 * Annotations of a pod: e2e.sluice.dev/start-after: 3s, …/never-ready: "true", …/crash: "true".
 * FOLDER has faults/NAMESPACE.WORKLOAD.VERSION and counts/NAMESPACE.POD of the app (app.c), the
 * Envoy files pods/listeners.json and pods/clusters.json, and logs/apps.log.
 */
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

#include "base/duration.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/flags.h"
#include "cli/signals.h"
#include "envoy.h"
#include "kube/config.h"
#include "kube/transport.h"
#include "kube/watch.h"
#include "net/http.h"
#include "pod.h"

extern char **environ;

static const int64_t probe_eager_us = 200 * DURATION_MS, probe_idle_us = DURATION_SECOND;
static const int64_t kill_after_us = 15 * DURATION_SECOND, backoff_max_us = 30 * DURATION_SECOND;
enum { PROBE_FAILURES = 3 };

struct kubelet {
	struct loop *loop;
	struct kube *kube;
	struct http *http;
	struct pod *pods;
	uint64_t numbers;
	const char *app, *run, *node, *scheduler;
	int network;
	bool hollow, rewrite;
};

static struct pod *pod_numbered(const struct kubelet *kubelet, uint64_t number)
{
	struct pod *pod = kubelet->pods;
	while (pod != NULL && pod->number != number)
		pod = pod->next;
	return pod;
}

/* By its uid, where it is said; a pod of a StatefulSet comes again under the same name. */
static struct pod *pod_of(const struct kubelet *kubelet, const cJSON *object)
{
	char path[KUBE_PATH_MAX];
	const char *uid = json_string(object, "metadata.uid");
	kube_path_of(path, object, kube_pod.plural);
	struct pod *pod = kubelet->pods;
	while (pod != NULL &&
	       strcmp(uid == NULL ? pod->path : pod->uid, uid == NULL ? path : uid) != 0)
		pod = pod->next;
	return pod;
}

static void done(void *owner, uint64_t token, const struct kube_reply *reply)
{
	(void)owner;
	(void)token;
	if (reply->error.kind != ERROR_NONE && reply->error.kind != ERROR_NOT_FOUND &&
	    reply->error.kind != ERROR_CONFLICT)
		log_warn(NULL, "the API server: %s", reply->error.text);
}

static void tell_status(struct kubelet *kubelet, struct pod *pod);

static void status_told(void *owner, uint64_t number, const struct kube_reply *reply)
{
	struct pod *pod = pod_numbered(owner, number);
	done(owner, number, reply);
	if (pod == NULL)
		return;
	pod->telling = false;
	if (pod->tell_again)
		tell_status(owner, pod);
}

/* One at a time: of two that are under way, the older might arrive last. */
static void tell_status(struct kubelet *kubelet, struct pod *pod)
{
	pod->tell_again = pod->telling;
	if (pod->telling)
		return;
	pod->telling = true;
	SCOPED(json) cJSON *patch = pod_status(pod, loop_now(kubelet->loop));
	SCOPED(text) char *path = xasprintf("%s/status", pod->path);
	kube_send(kubelet->kube, KUBE_MERGE, path, patch, status_told, kubelet, pod->number);
}

/* ---- the pods' Envoy ---- */

/* Everything goes to the app through a cluster "namespace/pod", but probes, which are no traffic.
 */
static cJSON *routes_of(const char *traffic, const char *probes)
{
	cJSON *config = cJSON_CreateObject(), *host = cJSON_CreateObject();
	const char *const table[][2] = {{"/readyz", probes}, {"/", traffic}};
	json_put_string(host, "name", "pod");
	cJSON_AddItemToArray(cJSON_AddArrayToObject(host, "domains"), cJSON_CreateString("*"));
	cJSON *routes = cJSON_AddArrayToObject(host, "routes");
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		cJSON *route = cJSON_CreateObject();
		json_put_string(route, "match.prefix", table[i][0]);
		json_put_string(route, "route.cluster", table[i][1]);
		json_put_string(route, "route.timeout", "0s");
		cJSON_AddItemToArray(routes, route);
	}
	cJSON_AddItemToArray(cJSON_AddArrayToObject(config, "virtual_hosts"), host);
	/* Envoy may read the listeners before the clusters; probes see to it that nobody comes. */
	json_put_bool(config, "validate_clusters", false);
	return config;
}

static void rewrite(void *owner, uint64_t token)
{
	struct kubelet *kubelet = owner;
	(void)token;
	SCOPED(json) cJSON *listeners = cJSON_CreateArray();
	SCOPED(json) cJSON *clusters = cJSON_CreateArray();
	kubelet->rewrite = false;
	for (const struct pod *pod = kubelet->pods; pod != NULL; pod = pod->next) {
		if (pod->pid == 0)
			continue;
		SCOPED(text) char *traffic = xasprintf("%s/%s", pod->namespace, pod->name);
		SCOPED(text) char *probes = xasprintf("%s/probes", traffic);
		int port = pod->grpc ? POD_GRPC_PORT : POD_LOCAL_PORT;
		cJSON *work = envoy_static_cluster(traffic, pod->reach, port);
		if (pod->grpc)
			envoy_speak_http2(work);
		cJSON_AddItemToArray(clusters, work);
		cJSON_AddItemToArray(clusters,
				     envoy_static_cluster(probes, pod->reach, POD_LOCAL_PORT));
		cJSON_AddItemToArray(listeners,
				     envoy_listener(traffic, pod->reach, pod->port, "route_config",
						    routes_of(traffic, probes)));
	}
	SCOPED(text) char *folder = xasprintf("%s/pods", kubelet->run);
	envoy_write(folder, "clusters", clusters);
	envoy_write(folder, "listeners", listeners);
}

static void rewrite_soon(struct kubelet *kubelet)
{
	if (kubelet->rewrite)
		return;
	kubelet->rewrite = true;
	loop_ready(kubelet->loop, rewrite, kubelet, 0);
}

/* ---- the process of a pod ---- */

static void start(void *owner, uint64_t number);

static void remove_pod(struct kubelet *kubelet, struct pod *pod)
{
	struct pod **at = &kubelet->pods;
	while (*at != pod)
		at = &(*at)->next;
	*at = pod->next;
	pod_free(pod);
	rewrite_soon(kubelet);
}

static void delete_pod(struct kubelet *kubelet, struct pod *pod)
{
	SCOPED(text) char *path = xasprintf("%s?gracePeriodSeconds=0", pod->path);
	kube_send(kubelet->kube, KUBE_DELETE, path, NULL, done, kubelet, 0);
	remove_pod(kubelet, pod);
}

static void exited(void *owner, int fd, unsigned events)
{
	struct kubelet *kubelet = owner;
	struct pod *pod = kubelet->pods;
	(void)events;
	while (pod != NULL && pod->pid_fd != fd)
		pod = pod->next;
	loop_fd(kubelet->loop, fd, 0, NULL, NULL);
	close(fd);
	if (pod == NULL)
		return;
	waitpid(pod->pid, NULL, 0);
	pod->pid = 0;
	pod->pid_fd = -1;
	pod->ready = false;
	rewrite_soon(kubelet);
	if (pod->ending) {
		delete_pod(kubelet, pod);
		return;
	}
	int64_t backoff_us = DURATION_SECOND << (pod->restarts < 5 ? pod->restarts : 5);
	pod->restarts++;
	tell_status(kubelet, pod);
	loop_at(kubelet->loop,
		loop_now(kubelet->loop) +
			(backoff_us < backoff_max_us ? backoff_us : backoff_max_us),
		start, kubelet, pod->number);
}

/* The signals that we block for ourselves must not stay blocked in the app. */
static pid_t spawn(const char *const *arguments, const char *log)
{
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_t files;
	sigset_t none;
	pid_t pid = 0;
	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDERR_FILENO, log, O_WRONLY | O_CREAT | O_APPEND,
					 0644);
	int failed = posix_spawn(&pid, arguments[0], &files, &attributes,
				 (char *const *)(uintptr_t)arguments, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return failed ? 0 : pid;
}

static void start(void *owner, uint64_t number)
{
	struct kubelet *kubelet = owner;
	struct pod *pod = pod_numbered(kubelet, number);
	if (pod == NULL || pod->ending || pod->pid != 0)
		return;
	if (kubelet->hollow) {
		pod->hollow = pod->ready = !pod->never_ready;
		tell_status(kubelet, pod);
		return;
	}
	SCOPED(text) char *name = xasprintf("%s/%s", pod->namespace, pod->name);
	SCOPED(text)
	char *faults = xasprintf("%s/faults/%s.%s.%s", kubelet->run, pod->namespace, pod->workload,
				 pod->version);
	SCOPED(text)
	char *counts = xasprintf("%s/counts/%s.%s", kubelet->run, pod->namespace, pod->name);
	SCOPED(text) char *log = xasprintf("%s/logs/apps.log", kubelet->run);
	SCOPED(text) char *port = xasprintf("%d", POD_LOCAL_PORT);
	const char *const app[] = {kubelet->app, "--address", pod->reach,  "--port",	 port,
				   "--pod",	 name,	      "--version", pod->version, "--faults",
				   faults,	 "--counts",  counts,	   NULL};
	const char *const crash[] = {"/bin/false", NULL};
	pod->pid = spawn(pod->crashes ? crash : app, log);
	pod->pid_fd = pod->pid > 0 ? (int)syscall(SYS_pidfd_open, pod->pid, 0U) : -1;
	if (pod->pid_fd < 0) {
		log_warn(NULL, "cannot start %s", kubelet->app);
		pod->pid = 0;
		return;
	}
	loop_fd(kubelet->loop, pod->pid_fd, EPOLLIN, exited, kubelet);
	pod->started_us = loop_now(kubelet->loop);
	pod->failures = 0;
	pod->probe_at_us = 0;
	rewrite_soon(kubelet);
	tell_status(kubelet, pod);
}

static void kill_hard(void *owner, uint64_t number)
{
	const struct pod *pod = pod_numbered(owner, number);
	if (pod != NULL && pod->pid > 0)
		kill(pod->pid, SIGKILL);
}

static void end_pod(struct kubelet *kubelet, struct pod *pod)
{
	if (pod->ending)
		return;
	pod->ending = true;
	if (pod->pid == 0) {
		delete_pod(kubelet, pod);
		return;
	}
	kill(pod->pid, SIGTERM);
	loop_at(kubelet->loop, loop_now(kubelet->loop) + kill_after_us, kill_hard, kubelet,
		pod->number);
}

/* ---- probes ---- */

static void probed(void *owner, uint64_t number, const struct http_reply *reply)
{
	struct kubelet *kubelet = owner;
	struct pod *pod = pod_numbered(kubelet, number);
	if (pod == NULL)
		return;
	pod->probing = false;
	if (pod->ending || pod->pid == 0)
		return;
	bool passed = reply->error.kind == ERROR_NONE && reply->status == 200 && !pod->never_ready;
	bool was_ready = pod->ready;
	pod->failures = passed ? 0 : pod->failures + 1;
	pod->ready = passed || (was_ready && pod->failures < PROBE_FAILURES);
	pod->probe_at_us = loop_now(kubelet->loop) + (pod->ready ? probe_idle_us : probe_eager_us);
	if (pod->ready != was_ready)
		tell_status(kubelet, pod);
}

static void probe_all(void *owner, uint64_t token)
{
	struct kubelet *kubelet = owner;
	int64_t now_us = loop_now(kubelet->loop);
	for (struct pod *pod = kubelet->pods; pod != NULL; pod = pod->next) {
		if (pod->pid == 0 || pod->ending || pod->probing || now_us < pod->probe_at_us)
			continue;
		SCOPED(text) char *url = xasprintf("http://%s:%d/readyz", pod->reach, pod->port);
		const struct http_request request = {
			.method = "GET", .url = url, .timeout_us = 2 * DURATION_SECOND};
		pod->probing = true;
		http_send(kubelet->http, &request, probed, kubelet, pod->number);
	}
	loop_at(kubelet->loop, now_us + probe_eager_us / 2, probe_all, kubelet, token);
}

/* ---- what the API server says ---- */

static void bind_pod(struct kubelet *kubelet, const struct pod *pod)
{
	SCOPED(json) cJSON *binding = cJSON_CreateObject();
	SCOPED(text) char *path = xasprintf("%s/binding", pod->path);
	json_put_string(binding, "apiVersion", "v1");
	json_put_string(binding, "kind", "Binding");
	json_put_string(binding, "metadata.name", pod->name);
	json_put_string(binding, "target.apiVersion", "v1");
	json_put_string(binding, "target.kind", "Node");
	json_put_string(binding, "target.name", kubelet->node);
	kube_send(kubelet->kube, KUBE_CREATE, path, binding, done, kubelet, 0);
}

static void pod_came(void *owner, enum watch_event event, cJSON *object)
{
	struct kubelet *kubelet = owner;
	if (event == WATCH_SYNCED)
		return;
	struct pod *pod = pod_of(kubelet, object);
	if (event == WATCH_GONE) {
		if (pod != NULL && pod->pid > 0)
			end_pod(kubelet, pod);
		else if (pod != NULL)
			remove_pod(kubelet, pod);
		return;
	}
	bool ending = json_string(object, "metadata.deletionTimestamp") != NULL;
	const char *node = json_string_or(object, "spec.nodeName", "");
	bool ours = node[0] != '\0' ? strcmp(node, kubelet->node) == 0
				    : kubelet->scheduler == NULL ||
					      text_equal(json_string(object, "spec.schedulerName"),
							 kubelet->scheduler);
	if (!ours)
		return;
	if (pod == NULL) {
		pod = pod_new(object, kubelet->numbers++, kubelet->network);
		pod->next = kubelet->pods;
		kubelet->pods = pod;
		if (node[0] == '\0' && !ending)
			bind_pod(kubelet, pod);
		loop_at(kubelet->loop, loop_now(kubelet->loop) + pod->start_after_us, start,
			kubelet, pod->number);
	}
	if (ending)
		end_pod(kubelet, pod);
}

static void node_made(void *owner, uint64_t token, const struct kube_reply *reply)
{
	struct kubelet *kubelet = owner;
	static const char status[] =
		"{\"status\":{\"capacity\":{\"cpu\":\"64\",\"memory\":\"256Gi\",\"pods\":\"2000\"},"
		"\"allocatable\":{\"cpu\":\"64\",\"memory\":\"256Gi\",\"pods\":\"2000\"},"
		"\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\","
		"\"reason\":\"FakeKubelet\"}]}}";
	done(owner, token, reply);
	SCOPED(json) cJSON *patch = cJSON_Parse(status);
	SCOPED(text) char *path = xasprintf("/api/v1/nodes/%s/status", kubelet->node);
	kube_send(kubelet->kube, KUBE_MERGE, path, patch, done, kubelet, 0);
}

static void make_node(struct kubelet *kubelet)
{
	SCOPED(json) cJSON *node = cJSON_CreateObject();
	json_put_string(node, "apiVersion", "v1");
	json_put_string(node, "kind", "Node");
	json_put_string(node, "metadata.name", kubelet->node);
	json_put_string(node, "metadata.labels[\"kubernetes.io/hostname\"]", kubelet->node);
	kube_send(kubelet->kube, KUBE_CREATE, "/api/v1/nodes", node, node_made, kubelet, 0);
}

static void signalled(void *owner)
{
	const struct kubelet *kubelet = owner;
	for (const struct pod *pod = kubelet->pods; pod != NULL; pod = pod->next)
		if (pod->pid > 0)
			kill(pod->pid, SIGKILL);
	loop_stop(kubelet->loop);
}

int main(int count, char **arguments)
{
	struct kubelet kubelet = {.node = "fake"};
	const char *kubeconfig = "", *network = "244";
	struct flag_texts words = {0};
	struct error err = {0};
	struct kube_config config;
	struct chance chance;
	const struct flag flags[] = {
		{"kubeconfig", FLAG_TEXT, &kubeconfig, "FILE", "how to reach the cluster"},
		{"app", FLAG_TEXT, &kubelet.app, "PROGRAM", "what runs in each pod"},
		{"run", FLAG_TEXT, &kubelet.run, "FOLDER", "see kubelet.c"},
		{"node", FLAG_TEXT, &kubelet.node, "NAME", "fake"},
		{"hollow", FLAG_BOOL, &kubelet.hollow, NULL, "pods without processes"},
		{"scheduler", FLAG_TEXT, &kubelet.scheduler, "NAME", "bind its pods only"},
		{"network", FLAG_TEXT, &network, "N", "pods are 10.N.a.b (244)"},
		{0},
	};
	bool good = flags_parse(flags, count - 1, arguments + 1, &words, &err);
	if (good && (kubelet.run == NULL || (kubelet.app == NULL && !kubelet.hollow)))
		good = error_set(&err, ERROR_INVALID, "--app and --run are needed");
	const struct kube_config_options from = {.path = kubeconfig};
	if (!good || !kube_config_load(&config, &from, &err)) {
		fprintf(stderr, "e2e-kubelet: %s\n", err.text);
		return 1;
	}
	kubelet.network = (int)strtol(network, NULL, 10);
	log_setup(LOG_WARN, false, NULL);
	chance_seed_from_os(&chance);
	const struct kube_options options = {.qps = 500, .burst = 1000};
	const struct net_http_options plain = {0};
	kubelet.loop = loop_new();
	struct http *transport = kube_transport_new(kubelet.loop, &config);
	kubelet.kube = kube_new(kubelet.loop, transport, &chance, &options);
	kubelet.http = net_http_new(kubelet.loop, &plain);
	struct signals *signals = signals_new(kubelet.loop, signalled, &kubelet);
	make_node(&kubelet);
	rewrite_soon(&kubelet);
	const struct watch_options all = {0};
	struct watch *pods = watch_new(kubelet.kube, &kube_pod, &all, pod_came, &kubelet);
	probe_all(&kubelet, 0);
	loop_run(kubelet.loop, 0);
	watch_free(pods);
	signals_free(signals);
	kubelet.http->ops->free(kubelet.http);
	kube_free(kubelet.kube);
	transport->ops->free(transport);
	while (kubelet.pods != NULL) {
		struct pod *pod = kubelet.pods;
		kubelet.pods = pod->next;
		pod_free(pod);
	}
	loop_free(kubelet.loop);
	kube_config_fini(&config);
	return 0;
}
