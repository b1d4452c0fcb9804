/*
 * daemon.h - everything that `sluice run` is, wired: the engine over a real API server, a real
 * metric store and real webhooks, with a lease, probes and /metrics.
 */
#ifndef SLUICE_CLI_DAEMON_H
#define SLUICE_CLI_DAEMON_H

#include "canary/alerts.h"
#include "kube/config.h"
#include "loop/loop.h"

struct daemon_options {
	struct kube_config_options kube;
	struct kube_config_options mesh; /* of the cluster with the mesh's objects; no path: this */
	double qps, burst;
	const char *namespace;	      /* NULL: all */
	const char *selector, *class; /* of canaries, see engine.h; NULL: none */
	const char *mesh_provider, *metrics_server;
	const char *ingress_class, *ingress_prefix; /* as in struct spec_options */
	const char *event_webhook;		    /* NULL: none */
	struct alerts_options alerts;
	const char *decision_log;		 /* a directory, "-", or NULL */
	const char *const *selector_labels;	 /* NULL-terminated */
	const char *const *include_label_prefix; /* NULL-terminated */
	bool config_tracking, no_cross_namespace_refs;
	int64_t min_interval_us;
	int port; /* of probes and metrics; 0: a free one, told in the log */
	bool leader_election;
	const char *election_namespace;
	bool observe;		    /* see canary/observer.h: nothing is written */
	const char *observe_policy; /* a text that decides instead of the canaries' own; or NULL */
	bool observe_json;	    /* each decision to standard output */
};

struct daemon;

/* Everything is borrowed for the life of the daemon. NULL when it cannot begin. */
struct daemon *daemon_new(struct loop *loop, const struct daemon_options *options,
			  struct error *err) MUST_CHECK;
/* Runs until SIGTERM or SIGINT, then ends what is under way and gives the lease back. A second
 * signal ends at once. Returns the exit status. */
int daemon_run(struct daemon *daemon);
void daemon_free(struct daemon *daemon);

#endif
