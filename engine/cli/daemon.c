#include "cli/daemon.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/url.h"
#include "canary/engine.h"
#include "canary/exporter.h"
#include "canary/observer.h"
#include "cli/signals.h"
#include "kube/client.h"
#include "kube/lease.h"
#include "kube/split.h"
#include "kube/transport.h"
#include "metric/prometheus.h"
#include "metric/shared.h"
#include "script/lua_metrics.h"
#include "net/http.h"
#include "net/serve.h"

static const char lease_name[] = "sluice-leader-election";
/* What is under way at SIGTERM has this long: kubelet kills after 30 s. */
static const int64_t grace_us = 5 * DURATION_SECOND;
static const int64_t trim_us = DURATION_SECOND;
enum { STORES_AT_ONCE = 20 }; /* what Prometheus works on at a time (--query.max-concurrency) */

struct daemon {
	struct loop *loop;
	const struct daemon_options *options;
	struct kube_config config, mesh_config;
	bool mesh_apart; /* in another cluster */
	struct chance chance;
	struct http *transport, *http;
	struct http *stores; /* of metrics */
	struct kube *kube;
	struct metrics *metrics;
	struct policies *policies;
	struct alerts *alerts;
	struct decision_log *decisions;
	struct exporter *exporter;
	struct tick_world world;
	struct engine *engine;	   /* or */
	struct observer *observer; /* with --observe */
	struct lease *lease;	   /* NULL without election */
	struct serve *serve;
	struct signals *signals;
	bool ending, gave_back;
	int64_t ending_since;
	uint64_t timer, trimmer;
	uint64_t trimmed_at; /* requests by then */
	bool was_busy;
	char identity[160];
	int64_t began_us;
};

/* ---- who acts ---- */

static bool owns(void *owner)
{
	const struct daemon *daemon = owner;
	return !daemon->ending && (daemon->lease == NULL || lease_is_held(daemon->lease));
}

static bool may_write(void *owner, const char *path)
{
	const struct daemon *daemon = owner;
	/* Nothing asks for one: this is what makes sure of it. */
	if (daemon->options->observe) {
		log_error(NULL, "not written, as this only observes: %s", path);
		return false;
	}
	/* What was sent before the end may still be retried, until the lease is given back. */
	if (daemon->gave_back)
		return false;
	return daemon->lease == NULL || lease_is_held(daemon->lease);
}

static void lease_changed(void *owner, bool held)
{
	struct daemon *daemon = owner;
	if (held)
		log_info(NULL, "acting as elected leader");
	else
		log_warn(NULL, "leadership lost: waiting for it");
	engine_own(daemon->engine, held && !daemon->ending);
}

static bool stand_for_election(struct daemon *daemon, struct error *err)
{
	const struct daemon_options *options = daemon->options;
	char host[100];
	if (gethostname(host, sizeof(host)) != 0)
		text_copy(host, sizeof(host), "sluice");
	host[sizeof(host) - 1] = '\0';
	snprintf(daemon->identity, sizeof(daemon->identity), "%s_%016llx%016llx", host,
		 (unsigned long long)chance_next(&daemon->chance),
		 (unsigned long long)chance_next(&daemon->chance));
	const struct lease_options lease = {
		.namespace = options->election_namespace,
		.name = lease_name,
		.identity = daemon->identity,
	};
	log_info(NULL, "starting leader election: id %s, lease %s/%s", daemon->identity,
		 options->election_namespace, lease_name);
	daemon->lease = lease_new(daemon->kube, &lease, lease_changed, daemon, err);
	return daemon->lease != NULL;
}

/* ---- probes and metrics ---- */

static bool is_ready(const struct daemon *daemon)
{
	return daemon->observer != NULL ? observer_is_ready(daemon->observer)
					: engine_is_ready(daemon->engine);
}

static size_t running(const struct daemon *daemon)
{
	return daemon->observer != NULL ? observer_running(daemon->observer)
					: engine_running(daemon->engine);
}

static double resident_bytes(void)
{
	SCOPED(buf) struct buf text = {0};
	struct error err;
	buf_init(&text, 4096);
	if (!file_read("/proc/self/statm", &text, &err))
		return 0;
	const char *second = strchr(text.text, ' ');
	long pages = second == NULL ? 0 : strtol(second, NULL, 10);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double open_fds(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = -3; /* ".", ".." and the folder itself */
	if (folder == NULL)
		return 0;
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

static double cpu_seconds(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void reply_text(struct daemon *daemon, uint64_t id, int status, const char *text)
{
	serve_reply(daemon->serve, id, status, "text/plain; charset=utf-8", text, strlen(text));
}

static void reply_metrics(struct daemon *daemon, uint64_t id)
{
	SCOPED(buf) struct buf text = {0};
	struct exporter *exporter = daemon->exporter;
	buf_init(&text, 64UL * MIB);
	exporter_set(exporter, "sluice_leader", daemon->engine != NULL && owns(daemon) ? 1 : 0);
	exporter_set(exporter, "sluice_ready", is_ready(daemon) ? 1 : 0);
	exporter_set(exporter, "sluice_ticks_running", (double)running(daemon));
	exporter_set(exporter, "sluice_kube_requests_total", (double)kube_requests(daemon->kube));
	exporter_set(exporter, "process_resident_memory_bytes", resident_bytes());
	exporter_set(exporter, "process_cpu_seconds_total", cpu_seconds());
	exporter_set(exporter, "process_open_fds", open_fds());
	exporter_set(exporter, "process_start_time_seconds", (double)daemon->began_us / 1e6);
	exporter_write(exporter, &text);
	if (daemon->observer != NULL)
		observer_write(daemon->observer, &text);
	serve_reply(daemon->serve, id, 200, "text/plain; version=0.0.4; charset=utf-8", text.text,
		    text.len);
}

static void reply_ready(struct daemon *daemon, uint64_t id)
{
	const struct error *trouble = daemon->observer != NULL ? observer_trouble(daemon->observer)
							       : engine_trouble(daemon->engine);
	if (is_ready(daemon) && !daemon->ending) {
		reply_text(daemon, id, 200, "OK");
		return;
	}
	SCOPED(text)
	char *text = xasprintf("not ready: %s\n", daemon->ending		? "ending"
						  : trouble->kind == ERROR_NONE ? "listing"
										: trouble->text);
	reply_text(daemon, id, 503, text);
}

static void on_request(void *owner, const struct serve_request *request)
{
	struct daemon *daemon = owner;
	size_t len = strcspn(request->url, "?");
	SCOPED(text) char *path = xstrndup(request->url, len);
	if (strcmp(path, "/healthz") == 0)
		reply_text(daemon, request->id, 200, "OK");
	else if (strcmp(path, "/readyz") == 0)
		reply_ready(daemon, request->id);
	else if (strcmp(path, "/metrics") == 0)
		reply_metrics(daemon, request->id);
	else
		reply_text(daemon, request->id, 404, "404 page not found\n");
}

/* ---- what is said at the start ---- */

static void version_came(void *owner, uint64_t token, const struct http_reply *reply)
{
	struct error err = {0};
	(void)owner;
	(void)token;
	SCOPED(json) cJSON *version = json_parse(reply->body, reply->body_len, &err);
	if (reply->error.kind != ERROR_NONE)
		log_warn(NULL, "kubernetes API: %s", reply->error.text);
	else if (reply->status != 200)
		log_warn(NULL, "kubernetes API: /version answered %d", reply->status);
	else
		log_info(NULL, "connected to Kubernetes API %s",
			 json_string_or(version, "gitVersion", "of an unknown version"));
}

static void metrics_came(void *owner, uint64_t token, const struct sample *sample)
{
	const struct daemon *daemon = owner;
	(void)token;
	SCOPED(text) char *place = url_place(daemon->options->metrics_server, false);
	if (sample->kind == SAMPLE_OK)
		log_info(NULL, "connected to metrics server %s", place);
	else
		log_warn(NULL, "metrics server %s unreachable: %s", place, sample->text);
}

static void greet(struct daemon *daemon)
{
	const struct http_request version = {
		.method = "GET", .url = "/version", .timeout_us = 10 * DURATION_SECOND};
	const struct metric_query online = {
		.canary = "",
		.namespace = "",
		.metric = "online",
		.provider = "prometheus",
		.address = daemon->options->metrics_server,
		.query = "vector(1)",
	};
	http_send(daemon->transport, &version, version_came, daemon, 0);
	daemon->metrics->ops->query(daemon->metrics, &online, metrics_came, daemon, 0);
}

/* ---- the end ---- */

static void last_moment(void *owner, uint64_t token)
{
	struct daemon *daemon = owner;
	(void)token;
	daemon->timer = 0;
	loop_stop(daemon->loop);
}

/* Until what is on its way has arrived, and then the lease, which the next one waits for. */
static void wait_for_end(void *owner, uint64_t token)
{
	struct daemon *daemon = owner;
	(void)token;
	bool waited = loop_now(daemon->loop) - daemon->ending_since >= grace_us / 2;
	if (daemon->lease != NULL && (kube_pending(daemon->kube) == 0 || waited)) {
		daemon->gave_back = true;
		lease_free(daemon->lease);
		daemon->lease = NULL;
	}
	if (daemon->lease == NULL && kube_pending(daemon->kube) == 0) {
		loop_stop(daemon->loop);
		return;
	}
	loop_at(daemon->loop, loop_now(daemon->loop) + 10 * DURATION_MS, wait_for_end, daemon, 0);
}

static void signalled(void *owner)
{
	struct daemon *daemon = owner;
	if (daemon->ending)
		_exit(1);
	log_info(NULL, "shutting down");
	if (daemon->engine != NULL)
		engine_own(daemon->engine, false);
	daemon->ending = true;
	daemon->ending_since = loop_now(daemon->loop);
	daemon->timer =
		loop_at(daemon->loop, loop_now(daemon->loop) + grace_us, last_moment, daemon, 0);
	loop_ready(daemon->loop, wait_for_end, daemon, 0);
}

/* ---- memory ---- */

/* Once after each time of work: a release leaves holes of many megabytes. */
static void trim(void *owner, uint64_t token)
{
	struct daemon *daemon = owner;
	(void)token;
	bool busy = kube_requests(daemon->kube) > daemon->trimmed_at + 8;
	if (daemon->was_busy && !busy)
		mem_give_back();
	daemon->was_busy = busy;
	daemon->trimmed_at = kube_requests(daemon->kube);
	daemon->trimmer = loop_at(daemon->loop, loop_now(daemon->loop) + trim_us, trim, daemon, 0);
}

/* ---- the whole ---- */

/* False when a kubeconfig cannot be read; then nothing is left of either. One that leads to the
 * same server says nothing new. */
static bool load_configs(struct daemon *daemon, struct error *err)
{
	const struct daemon_options *options = daemon->options;
	if (!kube_config_load(&daemon->config, &options->kube, err))
		return false;
	if (options->mesh.path == NULL)
		return true;
	if (!kube_config_load(&daemon->mesh_config, &options->mesh, err)) {
		kube_config_fini(&daemon->config);
		return error_wrap(err, "--kubeconfig-service-mesh");
	}
	daemon->mesh_apart = strcmp(daemon->config.server, daemon->mesh_config.server) != 0;
	if (daemon->mesh_apart)
		log_info(NULL, "objects of the mesh are at %s", daemon->mesh_config.server);
	return true;
}

static void connect_ports(struct daemon *daemon)
{
	const struct daemon_options *options = daemon->options;
	const struct kube_options kube = {.qps = options->qps, .burst = options->burst};
	chance_seed_from_os(&daemon->chance);
	/* In an audit log the daemon is not taken for a command of ours, nor a command for it. */
	daemon->config.agent = daemon->mesh_config.agent = options->observe ? "observe" : "run";
	daemon->transport = kube_transport_new(daemon->loop, &daemon->config);
	if (daemon->mesh_apart)
		daemon->transport = split_new(
			daemon->transport, kube_transport_new(daemon->loop, &daemon->mesh_config));
	daemon->kube = kube_new(daemon->loop, daemon->transport, &daemon->chance, &kube);
	daemon->http = net_http_new(daemon->loop, &(struct net_http_options){0});
	daemon->stores =
		net_http_new(daemon->loop, &(struct net_http_options){.most = STORES_AT_ONCE});
	struct metrics *native = prometheus_new(daemon->loop, daemon->stores);
	daemon->metrics = shared_metrics(
		daemon->loop, lua_metrics(daemon->loop, daemon->stores, daemon->transport, native));
	daemon->policies = policies_new();
	daemon->alerts = alerts_new(daemon->kube, daemon->http, &options->alerts);
	daemon->exporter = exporter_new(options->mesh_provider);
	kube_fence(daemon->kube, may_write, daemon);
}

static void start_engine(struct daemon *daemon)
{
	const struct daemon_options *options = daemon->options;
	const struct spec_options spec = {.default_provider = options->mesh_provider,
					  .ingress_class = options->ingress_class,
					  .ingress_prefix = options->ingress_prefix,
					  .no_cross_namespace_refs =
						  options->no_cross_namespace_refs,
					  .min_interval_us = options->min_interval_us};
	daemon->world = (struct tick_world){
		.asks = {daemon->kube, daemon->http, daemon->metrics, owns, daemon,
			 daemon->mesh_apart},
		.workload = {options->selector_labels, options->include_label_prefix,
			     options->config_tracking},
		.policies = daemon->policies,
		.metrics_server = options->metrics_server,
		.event_webhook = options->event_webhook,
		.component = "flagger",
		.alerts = daemon->alerts,
		.decisions = daemon->decisions,
		.exporter = daemon->exporter,
	};
	if (options->namespace != NULL)
		log_info(NULL, "watching namespace %s", options->namespace);
	if (options->observe) {
		const struct observer_options observer = {
			.namespace = options->namespace,
			.selector = options->selector,
			.class = options->class,
			.policy = options->observe_policy,
			.json = options->observe_json ? stdout : NULL,
			.spec = spec,
		};
		log_info(NULL, "observing: nothing is written and no webhook is called");
		daemon->world.alerts = NULL;
		daemon->world.event_webhook = NULL;
		daemon->observer = observer_new(&daemon->world, &observer);
		return;
	}
	const struct engine_options engine = {
		.namespace = options->namespace,
		.selector = options->selector,
		.class = options->class,
		.spec = spec,
	};
	daemon->engine = engine_new(&daemon->world, &engine);
}

struct daemon *daemon_new(struct loop *loop, const struct daemon_options *options,
			  struct error *err)
{
	mem_be_frugal();
	struct daemon *daemon = xcalloc(1, sizeof(*daemon));
	/* Probes must get through whatever else is connected: kubelet would kill us. */
	const struct serve_options serve = {.port = options->port,
					    .body_max = 4096,
					    .unread_max = 128UL * MIB,
					    .connections = 200,
					    .per_peer = 50,
					    .idle_seconds = 120};
	daemon->loop = loop;
	daemon->options = options;
	daemon->began_us = loop_now(loop);
	if (!load_configs(daemon, err)) {
		free(daemon);
		return NULL;
	}
	log_info(NULL, "starting sluice version %s, mesh provider %s", SLUICE_VERSION,
		 options->mesh_provider);
	if (options->decision_log != NULL) {
		daemon->decisions = decision_log_open(options->decision_log, 0, err);
		if (daemon->decisions == NULL) {
			error_wrap(err, "--decision-log");
			kube_config_fini(&daemon->config);
			kube_config_fini(&daemon->mesh_config);
			free(daemon);
			return NULL;
		}
	}
	connect_ports(daemon);
	daemon->serve = serve_new(loop, &serve, on_request, daemon, err);
	if (daemon->serve == NULL) {
		daemon_free(daemon);
		return NULL;
	}
	log_info(NULL, "starting HTTP server on port %d", serve_port(daemon->serve));
	greet(daemon);
	start_engine(daemon);
	if (options->observe) {
		/* It acts on nothing: no lease, and beside as many others as there are. */
	} else if (!options->leader_election) {
		engine_own(daemon->engine, true);
	} else if (!stand_for_election(daemon, err)) {
		daemon_free(daemon);
		return NULL;
	}
	daemon->signals = signals_new(loop, signalled, daemon);
	daemon->was_busy = true;
	trim(daemon, 0);
	return daemon;
}

int daemon_run(struct daemon *daemon)
{
	loop_run(daemon->loop, 0);
	loop_cancel(daemon->loop, daemon->timer);
	loop_cancel(daemon->loop, daemon->trimmer);
	return 0;
}

void daemon_free(struct daemon *daemon)
{
	if (daemon == NULL)
		return;
	signals_free(daemon->signals);
	lease_free(daemon->lease);
	engine_free(daemon->engine);
	observer_free(daemon->observer);
	alerts_free(daemon->alerts);
	decision_log_close(daemon->decisions);
	serve_free(daemon->serve);
	policies_free(daemon->policies);
	daemon->metrics->ops->free(daemon->metrics);
	daemon->stores->ops->free(daemon->stores);
	daemon->http->ops->free(daemon->http);
	kube_free(daemon->kube);
	daemon->transport->ops->free(daemon->transport);
	exporter_free(daemon->exporter);
	loop_drop(daemon->loop, daemon);
	kube_config_fini(&daemon->config);
	kube_config_fini(&daemon->mesh_config);
	free(daemon);
}
