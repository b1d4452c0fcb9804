/*
 * query.h - from a metric of an analysis to the query that is sent: template rendered, address and
 * credentials filled in.
 */
#ifndef SLUICE_METRIC_QUERY_H
#define SLUICE_METRIC_QUERY_H

#include <cjson/cJSON.h>

#include "base/error.h"
#include "ports.h"

/* What the names in a template stand for; all borrowed. */
struct metric_subject {
	const char *name, *namespace, *target, *service, *ingress, *route;
	const char *kind, *noun; /* of the target: "Deployment", "deployment" */
	const char *pod_names; /* of its pods, after the target's name and a dash: a pattern; NULL:
				* it does not know its pods */
	bool by_service, by_pod; /* tell its requests from others', not the workload's name */
	const char *revision;	 /* of the canary's pods, as the label controller-revision-hash */
	const char *provider;	 /* of the mesh: selects the built-in queries */
	const char *own_query;	 /* what the mesh's driver has for this metric, or NULL */
	const char *metrics_server; /* where built-in and inline queries go */
};

/* `query` points into the texts, which the request owns. */
struct metric_request {
	struct metric_query query;
	char *text, *address;
	cJSON *secret;
	struct http_header headers[32];
	size_t header_count;
};

/* `check`: an entry of spec.analysis.metrics or of a policy's thresholds (name, interval, query,
 * templateRef, templateVariables). `metric_template` and `secret`: the objects it refers to, or
 * NULL. On failure nothing is to be freed. */
bool metric_request_init(struct metric_request *request, const struct metric_subject *subject,
			 const cJSON *check, const cJSON *metric_template, const cJSON *secret,
			 struct error *err) MUST_CHECK;
void metric_request_fini(struct metric_request *request);

#endif
