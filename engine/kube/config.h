/*
 * config.h - how an API server is reached and who we are there: from a kubeconfig, or from inside
 * the cluster.
 *
 * Sources: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/,
 * https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/,
 * https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
 */
#ifndef SLUICE_KUBE_CONFIG_H
#define SLUICE_KUBE_CONFIG_H

#include <cjson/cJSON.h>

#include "base/error.h"

/* All owned; NULL where not said. Files are absolute paths. */
struct kube_config {
	char *server; /* "https://10.0.0.1:443", without a slash at the end */
	char *ca_file, *ca_pem;
	char *cert_file, *key_file, *cert_pem, *key_pem;
	char *token, *token_file; /* the file is read again: tokens rotate */
	char *username, *password;
	char *proxy, *server_name, *namespace;
	bool insecure;
	const char
		*agent; /* borrowed: what logs of the API server call us beside "sluice"; or NULL */
	cJSON *exec;	/* a credential plug-in: command, args, env, apiVersion, … */
	cJSON *cluster; /* what such a plug-in is told of the cluster */
};

struct kube_config_options {
	const char *path;    /* NULL or "": in-cluster, else $KUBECONFIG, else ~/.kube/config */
	const char *context; /* NULL: current-context */
	const char *server;  /* instead of the one found; or NULL */
};

/* On failure nothing is to be freed. */
bool kube_config_load(struct kube_config *config, const struct kube_config_options *options,
		      struct error *err) MUST_CHECK;
void kube_config_fini(struct kube_config *config);

/* The parts, for specs. `paths`: files separated by colons, of which the first that says something
 * wins. `folder`: where the service account's token, ca.crt and namespace are. */
bool kube_config_read(struct kube_config *config, const char *paths, const char *context,
		      struct error *err) MUST_CHECK;
bool kube_config_in_cluster(struct kube_config *config, const char *folder, const char *host,
			    const char *port, struct error *err) MUST_CHECK;

#endif
