/*
 * sim.c - `sluice sim`: the in-memory cluster over HTTP, for kubectl and a daemon on one machine.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/signals.h"
#include "kube/path.h"
#include "sim/front.h"

struct sim_flags {
	const char *port, *address, *kubeconfig, *ready_after, *watch_lag, *seed;
	struct flag_texts files;
	bool verbose, help;
};

static const struct loop *log_loop;

static int64_t log_time(void)
{
	return loop_now(log_loop);
}

static bool write_kubeconfig(const char *path, const char *address, int port, struct error *err)
{
	FILE *file = fopen(path, "we");
	if (file == NULL)
		return error_set(err, ERROR_INVALID, "%s: cannot be written: %m", path);
	fprintf(file,
		"apiVersion: v1\nkind: Config\ncurrent-context: sluice-sim\n"
		"clusters:\n- name: sluice-sim\n  cluster:\n    server: http://%s:%d\n"
		"contexts:\n- name: sluice-sim\n  context:\n    cluster: sluice-sim\n    user: "
		"sluice-sim\n"
		"users:\n- name: sluice-sim\n  user: {}\n",
		address, port);
	if (fclose(file) != 0)
		return error_set(err, ERROR_INVALID, "%s: cannot be written: %m", path);
	return true;
}

static bool apply_namespace(struct cluster *cluster, const char *name, struct error *err)
{
	SCOPED(json) cJSON *namespace = cJSON_CreateObject();
	json_put_string(namespace, "apiVersion", "v1");
	json_put_string(namespace, "kind", "Namespace");
	json_put_string(namespace, "metadata.name", name);
	json_put_string(namespace, "status.phase", "Active");
	return cluster_apply(cluster, namespace, err);
}

static bool apply_file(struct cluster *cluster, const char *path, struct error *err)
{
	SCOPED(yaml) struct yaml_file *file = yaml_read(path, err);
	if (file == NULL)
		return false;
	for (size_t i = 0; i < yaml_count(file); i++) {
		const char *namespace =
			json_string_or(yaml_document(file, i), "metadata.namespace", "");
		char at[KUBE_PATH_MAX];
		kube_path(at, &kube_namespace, NULL, namespace);
		if (namespace[0] != '\0' && cluster_get(cluster, at) == NULL &&
		    !apply_namespace(cluster, namespace, err))
			return false;
		if (!cluster_apply(cluster, yaml_document(file, i), err))
			return error_wrap(err, "%s:%d", path, yaml_line(file, i, ""));
	}
	return true;
}

static bool fill(struct cluster *cluster, const struct flag_texts *files, struct error *err)
{
	static const char *const namespaces[] = {"default", "kube-system"};
	for (size_t i = 0; i < ARRAY_LEN(namespaces); i++)
		if (!apply_namespace(cluster, namespaces[i], err))
			return false;
	for (size_t i = 0; i < files->count; i++)
		if (!apply_file(cluster, files->items[i], err))
			return false;
	return true;
}

static void end(void *owner)
{
	loop_stop(owner);
}

static bool read_options(const struct sim_flags *flags, struct cluster_options *cluster,
			 struct serve_options *serve, struct error *err)
{
	char *rest;
	long port = strtol(flags->port, &rest, 10);
	if (flags->port[0] == '\0' || *rest != '\0' || port < 0 || port > 65535)
		return error_set(err, ERROR_INVALID, "--port must be from 0 to 65535, is \"%s\"",
				 flags->port);
	cluster->seed = strtoull(flags->seed, &rest, 10);
	if (flags->seed[0] == '\0' || *rest != '\0')
		return error_set(err, ERROR_INVALID, "--seed must be a number, is \"%s\"",
				 flags->seed);
	cluster->strict = true;
	serve->port = (int)port;
	serve->address = flags->address;
	serve->body_max = 4UL * MIB;
	return (duration_parse(flags->ready_after, &cluster->ready_us, err) ||
		error_wrap(err, "--ready-after")) &&
	       (duration_parse(flags->watch_lag, &cluster->watch_lag_us, err) ||
		error_wrap(err, "--watch-lag"));
}

static int simulate(const struct sim_flags *flags)
{
	struct error err = {0};
	struct cluster_options options = {0};
	struct serve_options serve = {0};
	if (!read_options(flags, &options, &serve, &err)) {
		fprintf(stderr, "sluice sim: %s\n", err.text);
		return EXIT_BAD_INPUT;
	}
	struct loop *loop = loop_new();
	log_loop = loop;
	log_setup(flags->verbose ? LOG_DEBUG : LOG_INFO, false, log_time);
	struct cluster *cluster = cluster_new(loop, &options);
	struct front *front = NULL;
	bool good = fill(cluster, &flags->files, &err);
	if (good)
		front = front_new(loop, cluster, &serve, &err);
	if (front != NULL && flags->kubeconfig != NULL)
		good = write_kubeconfig(flags->kubeconfig, flags->address, front_port(front), &err);
	if (front != NULL && good) {
		printf("in-memory cluster: http://%s:%d\n"
		       "fake Prometheus:   http://%s:%d/prometheus\n",
		       flags->address, front_port(front), flags->address, front_port(front));
		if (flags->kubeconfig != NULL)
			printf("export KUBECONFIG=%s\n", flags->kubeconfig);
		fflush(stdout);
		struct signals *signals = signals_new(loop, end, loop);
		loop_run(loop, 0);
		signals_free(signals);
	} else {
		fprintf(stderr, "sluice sim: %s\n", err.text);
	}
	int status = front != NULL && good ? EXIT_GOOD : EXIT_BAD_INPUT;
	front_free(front);
	cluster_free(cluster);
	log_setup(LOG_INFO, false, NULL);
	loop_free(loop);
	return status;
}

int cli_sim(int count, char **arguments)
{
	struct sim_flags f = {
		.port = "8001",
		.address = "127.0.0.1",
		.ready_after = "1s",
		.watch_lag = "50ms",
		.seed = "1",
	};
	struct flag_texts words = {0};
	struct error err = {0};
	const struct flag flags[] = {
		{"f", FLAG_TEXTS, &f.files, "FILE", "objects that are there from the start"},
		{"port", FLAG_TEXT, &f.port, "N", "to listen on; 0 is a free one (8001)"},
		{"address", FLAG_TEXT, &f.address, "IP",
		 "to listen on (127.0.0.1); nobody is asked who they are"},
		{"kubeconfig", FLAG_TEXT, &f.kubeconfig, "FILE",
		 "written, for kubectl and sluice run"},
		{"ready-after", FLAG_TEXT, &f.ready_after, "DURATION",
		 "a Deployment's new pods are ready (1s)"},
		{"watch-lag", FLAG_TEXT, &f.watch_lag, "DURATION",
		 "watches hear of a change within this (50ms)"},
		{"seed", FLAG_TEXT, &f.seed, "N", "of delays and uids (1)"},
		{"verbose", FLAG_BOOL, &f.verbose, NULL, "log each request"},
		{"help", FLAG_BOOL, &f.help, NULL, "this"},
		{0},
	};
	bool good = flags_parse(flags, count, arguments, &words, &err);
	if (good && words.count > 0)
		good = error_set(&err, ERROR_INVALID, "takes flags only, not \"%s\"",
				 words.items[0]);
	if (!good) {
		fprintf(stderr, "sluice sim: %s\n", err.text);
		return EXIT_BAD_INPUT;
	}
	if (f.help) {
		puts("usage: sluice sim [flags]\n\nA Kubernetes API server in memory, with "
		     "Deployments "
		     "that become ready and a fake\nPrometheus that judges by the image: \":bad\" "
		     "fails, \":slow\" is slow, \":silent\" has\nno traffic. For a laptop and for "
		     "tests; all is gone when it ends.\n");
		flags_help(flags);
		return EXIT_GOOD;
	}
	return simulate(&f);
}
