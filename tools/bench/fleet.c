/*
 * fleet.c - the daemon with many canaries: memory, requests, time to start, releases of all at
 * once.
 *
 *     bench-fleet SLUICE CANARIES [release [HOW MANY OF THEM]]
 *
 * The API server is the in-memory one, over HTTP, in this process; so is a metric store that always
 * says yes. The daemon is a process of its own, whose resident memory is what is told. Prints each
 * figure beside its bound of the design, and ends with 1 when one misses it.
 */
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "net/http.h"
#include "net/serve.h"
#include "sim/front.h"

enum { CANARIES_A_NAMESPACE = 10 };

struct fleet {
	struct loop *loop;
	struct cluster *cluster;
	struct front *front;
	struct serve *metrics;
	struct http *http;
	const char *sluice;
	long count, releases; /* canaries; those that are released */
	long namespaces;
	int port; /* of the daemon */
	char kubeconfig[64];
	pid_t daemon;

	const char *awaited; /* the phase that all canaries shall have */
	long reached, wanted;
	bool asked, answered;
	struct buf answer; /* of the daemon */
	int answer_status;
	uint64_t writes, reads; /* requests but watches, so far */
	size_t failed;
};

/* ---- what is told ---- */

static void tell(struct fleet *fleet, const char *what, double value, double bound,
		 const char *unit)
{
	bool good = bound == 0 || value < bound;
	fleet->failed += !good;
	if (bound == 0)
		printf("%-52s %10.2f %-4s\n", what, value, unit);
	else
		printf("%-52s %10.2f %-4s  < %g%s\n", what, value, unit, bound,
		       good ? "" : "   MISSED");
	fflush(stdout);
}

static double resident_mib(const struct fleet *fleet)
{
	struct buf text;
	struct error err;
	char path[64];
	long pages = 0;
	snprintf(path, sizeof(path), "/proc/%d/statm", (int)fleet->daemon);
	buf_init(&text, 4096);
	if (file_read(path, &text, &err) && strchr(text.text, ' ') != NULL)
		pages = strtol(strchr(text.text, ' '), NULL, 10);
	buf_fini(&text);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

static double cpu_seconds(const struct fleet *fleet)
{
	struct buf text;
	struct error err;
	char path[64];
	long user = 0, system = 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)fleet->daemon);
	buf_init(&text, 4096);
	if (file_read(path, &text, &err)) {
		/* After the name in brackets, utime is the 12th field and stime the 13th (proc(5)).
		 */
		const char *at = strrchr(text.text, ')');
		for (int field = 0; at != NULL && field < 12; field++)
			at = strchr(at + 1, ' ');
		char *rest = NULL;
		user = at == NULL ? 0 : strtol(at, &rest, 10);
		system = at == NULL ? 0 : strtol(rest, NULL, 10);
	}
	buf_fini(&text);
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* ---- the cluster ---- */

static void apply(struct fleet *fleet, const cJSON *object)
{
	struct error err = {0};
	if (cluster_apply(fleet->cluster, object, &err))
		return;
	fprintf(stderr, "bench-fleet: %s\n", err.text);
	exit(1);
}

static const cJSON *document(struct yaml_file *file, const char *kind)
{
	for (size_t i = 0; i < yaml_count(file); i++)
		if (text_equal(json_string(yaml_document(file, i), "kind"), kind))
			return yaml_document(file, i);
	fprintf(stderr, "bench-fleet: no %s in the example\n", kind);
	exit(1);
}

/* The example under another name, in one of a few namespaces. */
static void apply_copy(struct fleet *fleet, const cJSON *original, long i)
{
	SCOPED(json) cJSON *copy = cJSON_Duplicate(original, true);
	SCOPED(text) char *name = xasprintf("podinfo-%05ld", i);
	SCOPED(text) char *namespace = xasprintf("fleet-%03ld", i % fleet->namespaces);
	json_put_string(copy, "metadata.name", name);
	json_put_string(copy, "metadata.namespace", namespace);
	if (json_at(copy, "spec.targetRef") != NULL) {
		json_put_string(copy, "spec.targetRef.name", name);
	} else {
		json_put_string(copy, "metadata.labels.app", name);
		json_put_string(copy, "spec.selector.matchLabels.app", name);
		json_put_string(copy, "spec.template.metadata.labels.app", name);
	}
	apply(fleet, copy);
}

static void fill(struct fleet *fleet)
{
	struct error err = {0};
	SCOPED(yaml)
	struct yaml_file *targets = yaml_read("examples/podinfo/deployment.yaml", &err);
	SCOPED(yaml) struct yaml_file *canaries = yaml_read("examples/podinfo/canary.yaml", &err);
	if (targets == NULL || canaries == NULL) {
		fprintf(stderr, "bench-fleet: %s\n", err.text);
		exit(1);
	}
	for (long i = 0; i < fleet->namespaces; i++) {
		SCOPED(json) cJSON *namespace = cJSON_CreateObject();
		SCOPED(text) char *name = xasprintf("fleet-%03ld", i);
		json_put_string(namespace, "apiVersion", "v1");
		json_put_string(namespace, "kind", "Namespace");
		json_put_string(namespace, "metadata.name", name);
		apply(fleet, namespace);
	}
	for (long i = 0; i < fleet->count; i++) {
		apply_copy(fleet, document(targets, "Deployment"), i);
		apply_copy(fleet, document(canaries, "Canary"), i);
	}
}

static void wrote(void *owner, const char *path, const cJSON *object)
{
	struct fleet *fleet = owner;
	(void)path;
	if (fleet->awaited == NULL || !text_equal(json_string(object, "kind"), "Canary") ||
	    !text_equal(json_string(object, "status.phase"), fleet->awaited) ||
	    strstr(json_string_or(object, "status.conditions[1].message", ""), "\"owes\"") != NULL)
		return;
	fleet->reached++;
	if (fleet->reached == fleet->wanted)
		loop_stop(fleet->loop);
}

static enum cluster_fault count_request(void *owner, const struct http_request *request)
{
	struct fleet *fleet = owner;
	if (strstr(request->url, "watch=1") != NULL || strstr(request->url, "limit=") != NULL)
		return FAULT_NONE;
	if (strcmp(request->method, "GET") == 0)
		fleet->reads++;
	else
		fleet->writes++;
	return FAULT_NONE;
}

static void release(struct fleet *fleet)
{
	SCOPED(json) cJSON *patch = cJSON_CreateObject();
	struct error err = {0};
	for (long i = 0; i < fleet->releases; i++) {
		SCOPED(text)
		char *path =
			xasprintf("/apis/apps/v1/namespaces/fleet-%03ld/deployments/podinfo-%05ld",
				  i % fleet->namespaces, i);
		SCOPED(json) cJSON *next = cJSON_Duplicate(cluster_get(fleet->cluster, path), true);
		json_put_string(next, "spec.template.spec.containers[0].image", "podinfo:2");
		if (!cluster_merge(fleet->cluster, path, next, &err)) {
			fprintf(stderr, "bench-fleet: %s\n", err.text);
			exit(1);
		}
	}
}

static void always_good(void *owner, const struct serve_request *request)
{
	char answer[200];
	struct fleet *fleet = owner;
	int len =
		snprintf(answer, sizeof(answer),
			 "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":["
			 "{\"metric\":{},\"value\":[%lld,\"99.9\"]}]}}",
			 (long long)time(NULL));
	serve_reply(fleet->metrics, request->id, 200, "application/json", answer, (size_t)len);
}

/* ---- the daemon ---- */

static int free_port(struct fleet *fleet)
{
	struct error err = {0};
	const struct serve_options options = {.address = "127.0.0.1"};
	struct serve *serve = serve_new(fleet->loop, &options, always_good, fleet, &err);
	int port = serve == NULL ? 0 : serve_port(serve);
	serve_free(serve);
	return port;
}

static void start_daemon(struct fleet *fleet)
{
	fleet->port = free_port(fleet);
	SCOPED(text)
	char *metrics = xasprintf("http://127.0.0.1:%d", serve_port(fleet->metrics));
	SCOPED(text) char *port = xasprintf("%d", fleet->port);
	char *arguments[] = {
		(char *)(uintptr_t)fleet->sluice, "run", "--kubeconfig", fleet->kubeconfig,
		"--metrics-server", metrics, "--mesh-provider", "kubernetes", "--port", port,
		"--log-level", "error",
		/* of the server and of a metric store here, not of a client's manners */
		"--kubeconfig-qps", "0", NULL};
	if (posix_spawn(&fleet->daemon, fleet->sluice, NULL, NULL, arguments, environ) != 0) {
		fprintf(stderr, "bench-fleet: %s cannot be started\n", fleet->sluice);
		exit(1);
	}
}

static void stop_daemon(struct fleet *fleet)
{
	int status;
	kill(fleet->daemon, SIGTERM);
	waitpid(fleet->daemon, &status, 0);
}

static void answered(void *owner, uint64_t token, const struct http_reply *reply)
{
	struct fleet *fleet = owner;
	(void)token;
	fleet->answer_status = reply->status;
	buf_fini(&fleet->answer);
	buf_init(&fleet->answer, 64UL * MIB);
	buf_add(&fleet->answer, reply->body, reply->body_len);
	fleet->answered = true;
	loop_stop(fleet->loop);
}

static void ask_daemon(struct fleet *fleet, const char *path)
{
	SCOPED(text) char *url = xasprintf("http://127.0.0.1:%d%s", fleet->port, path);
	const struct http_request request = {.method = "GET",
					     .url = url,
					     .timeout_us = 10 * DURATION_SECOND,
					     .reply_max = 64 * MIB};
	fleet->answered = false;
	http_send(fleet->http, &request, answered, fleet, 0);
	while (!fleet->answered)
		loop_run(fleet->loop, 0);
}

static double seconds_till_ready(struct fleet *fleet)
{
	int64_t began = loop_clock(fleet->loop);
	start_daemon(fleet);
	do {
		loop_run(fleet->loop, loop_clock(fleet->loop) + 5 * DURATION_MS);
		ask_daemon(fleet, "/readyz");
	} while (fleet->answer_status != 200 && loop_clock(fleet->loop) - began < DURATION_MINUTE);
	return (double)(loop_clock(fleet->loop) - began) / 1e6;
}

/* Until as many canaries have come into a phase and owe nothing; the most that the daemon took. */
static double seconds_till(struct fleet *fleet, const char *phase, long wanted, double *most_mib)
{
	int64_t began = loop_clock(fleet->loop), limit = began + 20 * DURATION_MINUTE;
	fleet->awaited = phase;
	fleet->wanted = wanted;
	*most_mib = 0;
	while (fleet->reached < wanted && loop_clock(fleet->loop) < limit) {
		loop_run(fleet->loop, loop_clock(fleet->loop) + 250 * DURATION_MS);
		double mib = resident_mib(fleet);
		*most_mib = mib > *most_mib ? mib : *most_mib;
	}
	if (fleet->reached < wanted) {
		printf("only %ld of %ld came to %s in time\n", fleet->reached, wanted, phase);
		fleet->failed++;
	}
	fleet->awaited = NULL;
	fleet->reached = 0;
	return (double)(loop_clock(fleet->loop) - began) / 1e6;
}

/* Until no request has come for a while. */
static void await_quiet(struct fleet *fleet)
{
	for (;;) {
		uint64_t before = fleet->reads + fleet->writes;
		loop_run(fleet->loop, loop_clock(fleet->loop) + 2 * DURATION_SECOND);
		if (fleet->reads + fleet->writes == before)
			return;
	}
}

/* The bound of the bucket within which 99% of ticks began. */
static double lateness_p99(const char *metrics)
{
	static const char name[] = "\nsluice_tick_lateness_seconds_bucket{le=\"";
	double total = 0, bound = 0;
	const char *count = strstr(metrics, "\nsluice_tick_lateness_seconds_count ");
	if (count != NULL)
		total = strtod(strchr(count, ' '), NULL);
	for (const char *at = metrics; (at = strstr(at, name)) != NULL; at++) {
		const char *le = at + sizeof(name) - 1;
		bound = strtod(le, NULL);
		if (strtod(strchr(le, ' '), NULL) >= 0.99 * total)
			return bound;
	}
	return bound;
}

/* ---- the measurements ---- */

static void measure(struct fleet *fleet, bool with_release)
{
	double most, n = (double)fleet->releases;
	bool thousand = fleet->count == 1000, ten = fleet->count == 10000;
	char what[80];

	start_daemon(fleet);
	double took = seconds_till(fleet, "Initialized", fleet->count, &most);
	snprintf(what, sizeof(what), "%ld new canaries initialized", fleet->count);
	tell(fleet, what, took, 0, "s");
	tell(fleet, "  resident at most", most, 0, "MB");
	await_quiet(fleet);
	stop_daemon(fleet);

	took = seconds_till_ready(fleet);
	tell(fleet, "start to ready", took, thousand ? 2 : 0, "s");
	await_quiet(fleet);
	tell(fleet, "resident at rest", resident_mib(fleet), ten ? 100 : thousand ? 13 : 0, "MB");
	uint64_t before = fleet->reads + fleet->writes;
	loop_run(fleet->loop, loop_clock(fleet->loop) + 10 * DURATION_SECOND);
	tell(fleet, "requests at rest in 10 s", (double)(fleet->reads + fleet->writes - before), 1,
	     "");
	if (with_release) {
		uint64_t reads = fleet->reads, writes = fleet->writes;
		double cpu = cpu_seconds(fleet);
		release(fleet);
		took = seconds_till(fleet, "Succeeded", fleet->releases, &most);
		snprintf(what, sizeof(what), "%ld released, 10 steps each 10 s", fleet->releases);
		tell(fleet, what, took, fleet->releases == 1000 ? 150 : 0, "s");
		tell(fleet, "  resident at most", most, ten ? 100 : thousand ? 18 : 0, "MB");
		tell(fleet, "  requests a release",
		     (double)(fleet->reads - reads + fleet->writes - writes) / n, 60, "");
		tell(fleet, "  of them reads", (double)(fleet->reads - reads) / n, 0, "");
		tell(fleet, "  CPU a release", (cpu_seconds(fleet) - cpu) / n * 1000, 0, "ms");
		ask_daemon(fleet, "/metrics");
		tell(fleet, "  ticks late, p99 at most",
		     lateness_p99(fleet->answer.text == NULL ? "" : fleet->answer.text), 1.001,
		     "s");
		await_quiet(fleet);
		tell(fleet, "resident at rest afterwards", resident_mib(fleet), 0, "MB");
	}
	stop_daemon(fleet);
}

int main(int count, char **arguments)
{
	struct fleet fleet = {0};
	struct error err = {0};
	if (count < 3) {
		fprintf(stderr, "usage: bench-fleet SLUICE CANARIES [release [HOW MANY]]\n");
		return 1;
	}
	fleet.sluice = arguments[1];
	fleet.count = strtol(arguments[2], NULL, 10);
	fleet.releases = count > 4 ? strtol(arguments[4], NULL, 10) : fleet.count;
	fleet.namespaces = fleet.count / CANARIES_A_NAMESPACE + 1;
	log_setup(LOG_ERROR, false, NULL);
	const struct cluster_options cluster = {
		.seed = 1,
		.strict = true,
		.slices = true,
		.ready_us = DURATION_SECOND,
		.watch_lag_us = 20000,
		.watch_window = 400 * 1000, /* enough for all that happens while watches lag */
	};
	const struct serve_options serve = {.address = "127.0.0.1", .body_max = 4UL * MIB};
	const struct net_http_options http = {0};
	fleet.loop = loop_new();
	fleet.cluster = cluster_new(fleet.loop, &cluster);
	fill(&fleet);
	cluster_on_write(fleet.cluster, wrote, &fleet);
	cluster_faults(fleet.cluster, count_request, &fleet);
	fleet.front = front_new(fleet.loop, fleet.cluster, &serve, &err);
	fleet.metrics = serve_new(fleet.loop, &serve, always_good, &fleet, &err);
	fleet.http = net_http_new(fleet.loop, &http);
	buf_init(&fleet.answer, 64UL * MIB);
	snprintf(fleet.kubeconfig, sizeof(fleet.kubeconfig), "/tmp/bench-fleet.%d", (int)getpid());
	FILE *file = fopen(fleet.kubeconfig, "we");
	if (fleet.front == NULL || fleet.metrics == NULL || file == NULL) {
		fprintf(stderr, "bench-fleet: %s\n", err.text);
		return 1;
	}
	fprintf(file,
		"{\"clusters\":[{\"name\":\"a\",\"cluster\":{\"server\":\"http://127.0.0.1:%d\"}}],"
		"\"users\":[{\"name\":\"a\",\"user\":{}}],\"contexts\":[{\"name\":\"a\","
		"\"context\":"
		"{\"cluster\":\"a\",\"user\":\"a\"}}],\"current-context\":\"a\"}",
		front_port(fleet.front));
	fclose(file);
	measure(&fleet, count > 3 && strcmp(arguments[3], "release") == 0);
	unlink(fleet.kubeconfig);
	fleet.http->ops->free(fleet.http);
	serve_free(fleet.metrics);
	front_free(fleet.front);
	cluster_free(fleet.cluster);
	buf_fini(&fleet.answer);
	loop_free(fleet.loop);
	return fleet.failed == 0 ? 0 : 1;
}
