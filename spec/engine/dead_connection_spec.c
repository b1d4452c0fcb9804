#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/lease.h"
#include "kube/transport.h"
#include "sim/front.h"
#include "spec.h"

/* ---- a relay that can stop to forward, without closing anything ---- */

struct pipe_end {
	struct relay *relay;
	int from, to;
};

struct relay {
	struct loop *loop;
	int listener, port, to_port, accepted;
	struct pipe_end ends[40];
	size_t count;
};

static int local_socket(int port, bool listens, int *bound)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr = {htonl(INADDR_LOOPBACK)},
	};
	socklen_t len = sizeof(address);
	struct sockaddr *at = (struct sockaddr *)&address;
	bool right = listens ? bind(fd, at, len) == 0 && listen(fd, 20) == 0 &&
				       getsockname(fd, at, &len) == 0
			     : connect(fd, at, len) == 0;
	if (!right) {
		close(fd);
		return -1;
	}
	if (bound != NULL)
		*bound = ntohs(address.sin_port);
	return fd;
}

static void forward(void *owner, int fd, unsigned events)
{
	struct pipe_end *end = owner;
	char bytes[16384];
	(void)events;
	ssize_t got = read(fd, bytes, sizeof(bytes));
	if (got > 0 && write(end->to, bytes, (size_t)got) == got)
		return;
	loop_fd(end->relay->loop, fd, 0, forward, end);
	shutdown(end->to, SHUT_WR);
}

static void add_end(struct relay *relay, int from, int to)
{
	struct pipe_end *end = &relay->ends[relay->count++];
	*end = (struct pipe_end){relay, from, to};
	loop_fd(relay->loop, from, (unsigned)EPOLLIN, forward, end);
}

static void let_in(void *owner, int fd, unsigned events)
{
	struct relay *relay = owner;
	(void)events;
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	int server = local_socket(relay->to_port, false, NULL);
	if (client < 0 || server < 0 ||
	    relay->count + 2 > sizeof(relay->ends) / sizeof(*relay->ends))
		abort();
	relay->accepted++;
	add_end(relay, client, server);
	add_end(relay, server, client);
}

static void relay_begin(struct relay *relay, struct loop *loop, int to_port)
{
	*relay = (struct relay){.loop = loop, .to_port = to_port};
	relay->listener = local_socket(0, true, &relay->port);
	EXPECT(relay->listener >= 0);
	loop_fd(loop, relay->listener, (unsigned)EPOLLIN, let_in, relay);
}

/* What is connected now says nothing any more; who comes later is served. */
static void relay_stall(struct relay *relay)
{
	for (size_t i = 0; i < relay->count; i++)
		loop_fd(relay->loop, relay->ends[i].from, 0, forward, &relay->ends[i]);
}

static void relay_end(struct relay *relay)
{
	relay_stall(relay);
	for (size_t i = 0; i < relay->count; i++)
		close(relay->ends[i].from);
	loop_fd(relay->loop, relay->listener, 0, let_in, relay);
	close(relay->listener);
}

/* ---- an API server that speaks HTTP/2: the in-memory one behind nghttpx ---- */

static const char proxy_script[] =
	"cd \"$0\" && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
	"-days 2 "
	"-subj /CN=api -keyout api.key -out api.crt && exec nghttpx --conf=/dev/null --workers=1 "
	"--frontend=127.0.0.1,$1 --backend=127.0.0.1,$2 --errorlog-file=/dev/null api.key api.crt";

struct bed {
	struct loop *loop;
	struct cluster *cluster;
	struct front *front;
	struct relay relay;
	char folder[40];
	pid_t proxy;
	struct kube_config config;
	struct http *transport;
	struct chance chance;
	struct kube *kube;
	int answers, errors, taken, lost;
};

static pid_t start_proxy(const char *folder, int port, int to_port)
{
	char ports[2][12];
	snprintf(ports[0], sizeof(ports[0]), "%d", port);
	snprintf(ports[1], sizeof(ports[1]), "%d", to_port);
	char *words[] = {"sh",
			 "-c",
			 (char *)(uintptr_t)proxy_script,
			 (char *)(uintptr_t)folder,
			 ports[0],
			 ports[1],
			 NULL};
	pid_t pid = 0;
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	EXPECT(posix_spawnp(&pid, words[0], &actions, NULL, words, environ) == 0);
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

static void begin(struct bed *bed)
{
	struct error err = {0};
	*bed = (struct bed){.folder = "/tmp/sluice-h2-XXXXXX"};
	log_setup(LOG_OFF, false, NULL);
	EXPECT(mkdtemp(bed->folder) != NULL);
	bed->loop = loop_new();
	bed->cluster = cluster_new(bed->loop, &(struct cluster_options){0});
	bed->front = front_new(bed->loop, bed->cluster,
			       &(struct serve_options){.address = "127.0.0.1", .body_max = 1 << 20},
			       &err);
	EXPECT_TEXT(err.text, "");
	int port = 0;
	close(local_socket(0, true, &port));
	bed->proxy = start_proxy(bed->folder, port, front_port(bed->front));
	int probe = -1;
	for (int i = 0; i < 1000 && (probe = local_socket(port, false, NULL)) < 0; i++)
		usleep(10000);
	EXPECT(probe >= 0);
	close(probe);
	relay_begin(&bed->relay, bed->loop, port);
	bed->config = (struct kube_config){
		.server = xasprintf("https://127.0.0.1:%d", bed->relay.port), .insecure = true};
	bed->transport = kube_transport_new(bed->loop, &bed->config);
	chance_seed(&bed->chance, 1);
	bed->kube = kube_new(bed->loop, bed->transport, &bed->chance, &(struct kube_options){0});
}

static void end(struct bed *bed)
{
	kube_free(bed->kube);
	bed->transport->ops->free(bed->transport);
	kube_config_fini(&bed->config);
	relay_end(&bed->relay);
	front_free(bed->front);
	cluster_free(bed->cluster);
	loop_free(bed->loop);
	kill(bed->proxy, SIGKILL);
	waitpid(bed->proxy, NULL, 0);
	SCOPED(text) char *key = xasprintf("%s/api.key", bed->folder);
	SCOPED(text) char *certificate = xasprintf("%s/api.crt", bed->folder);
	unlink(key);
	unlink(certificate);
	rmdir(bed->folder);
}

static void on_answer(void *owner, uint64_t token, const struct kube_reply *reply)
{
	struct bed *bed = owner;
	(void)token;
	bed->answers++;
	bed->errors += reply->error.kind != ERROR_NONE;
}

static void on_lease(void *owner, bool held)
{
	struct bed *bed = owner;
	bed->taken += held;
	bed->lost += !held;
}

static void run_for(struct bed *bed, int64_t us)
{
	loop_run(bed->loop, loop_now(bed->loop) + us);
}

static void run_until(struct bed *bed, const int *count, int wanted)
{
	int64_t end = loop_now(bed->loop) + 20 * DURATION_SECOND;
	while (*count < wanted && loop_now(bed->loop) < end)
		run_for(bed, 20 * DURATION_MS);
	EXPECT_INT(*count, wanted);
}

static void create(struct bed *bed, const char *name)
{
	SCOPED(json) cJSON *object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "apiVersion", "v1");
	cJSON_AddStringToObject(object, "kind", "ConfigMap");
	cJSON_AddStringToObject(cJSON_AddObjectToObject(object, "metadata"), "name", name);
	kube_send(bed->kube, KUBE_CREATE, "/api/v1/namespaces/test/configmaps", object, on_answer,
		  bed, 0);
}

SPEC("transport: on a connection that went dead the lease is kept, and writes go on by another")
{
	struct bed bed;
	struct error err = {0};
	begin(&bed);
	for (int i = 0; i < 10; i++)
		kube_send(bed.kube, KUBE_GET, "/api/v1/namespaces/test/configmaps", NULL, on_answer,
			  &bed, 0);
	run_until(&bed, &bed.answers, 10);
	const struct lease_options options = {
		.namespace = "test",
		.name = "sluice",
		.identity = "a",
		.duration_us = 5 * DURATION_SECOND,
		.renew_us = 4 * DURATION_SECOND,
		.retry_us = DURATION_SECOND / 4,
	};
	struct lease *lease = lease_new(bed.kube, &options, on_lease, &bed, &err);
	EXPECT_TEXT(err.text, "");
	run_until(&bed, &bed.taken, 1);
	EXPECT_INT(bed.relay.accepted, 1); /* or it is not HTTP/2 */

	relay_stall(&bed.relay);
	int64_t died = loop_now(bed.loop);
	create(&bed, "before");
	run_until(&bed, &bed.relay.accepted, 2);
	EXPECT_INT(bed.answers, 10);
	create(&bed, "after");
	run_until(&bed, &bed.answers, 11);
	EXPECT_INT(bed.errors, 0);
	EXPECT(cluster_get(bed.cluster, "/api/v1/namespaces/test/configmaps/after") != NULL);

	/* Past what the lease had when the connection died. */
	run_for(&bed, died + 9 * DURATION_SECOND / 2 - loop_now(bed.loop));
	EXPECT_INT(bed.lost, 0);
	EXPECT(lease_is_held(lease));
	EXPECT_INT(bed.relay.accepted, 2);
	lease_free(lease);
	end(&bed);
}
