/*
 * exec.h - a credential plug-in, as EKS, GKE and AKS need one: a program that prints who we are.
 *
 * Runs beside the loop, never in it; its output has a cap and its run a deadline. Source:
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
 */
#ifndef SLUICE_KUBE_EXEC_H
#define SLUICE_KUBE_EXEC_H

#include <cjson/cJSON.h>

#include "base/error.h"
#include "loop/loop.h"

struct exec_credential {
	const char *token;		/* borrowed; or NULL */
	const char *cert_pem, *key_pem; /* or NULL */
	int64_t expires_us;		/* 0: does not say */
};
/* `credential` is NULL when the plug-in failed; then `err` says why, without its output. */
typedef void kube_exec_done(void *owner, const struct exec_credential *credential,
			    const struct error *err);

struct kube_exec;

/* Starts it. `exec` is the user's entry of a kubeconfig, `cluster` the cluster's; both borrowed.
 * Always calls `done` once, from the loop, and is gone then; unless freed before. */
struct kube_exec *kube_exec_new(struct loop *loop, const cJSON *exec, const cJSON *cluster,
				kube_exec_done *done, void *owner);
void kube_exec_free(struct kube_exec *run);

/* What a plug-in printed, for specs. The credential points into `*owned_object`. */
bool kube_exec_read(const char *text, size_t len, cJSON **owned_object,
		    struct exec_credential *credential, struct error *err) MUST_CHECK;

#endif
