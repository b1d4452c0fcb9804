#include "sim/fake_metrics.h"

#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"

enum { fake_requests = 1200 }; /* behind each number */
#define COUNT_LABEL                                                                                \
	"sluice_sample" /* of the series of the built-in queries that has their number */

static bool says(const char *query, const char *prefix, const char *name, const char *suffix)
{
	SCOPED(text) char *part = xasprintf("%s%s%s", prefix, name, suffix);
	return strstr(query, part) != NULL;
}

/* Queries name pods by a pattern ("podinfo-[0-9a-zA-Z]+…") or a workload by its name. */
static bool asks_about(const char *query, const cJSON *workload)
{
	const char *name = json_string_or(workload, "metadata.name", "");
	const char *namespace = json_string_or(workload, "metadata.namespace", "");
	return says(query, "\"", namespace, "\"") &&
	       (says(query, "\"", name, "\"") || says(query, "\"", name, "-[") ||
		says(query, "\"", name, "-(") || says(query, "-", name, "-[") ||
		says(query, "\"", name, "-canary\""));
}

static const char *image_asked(const cJSON *workloads, const char *query)
{
	const cJSON *workload;
	cJSON_ArrayForEach(workload, workloads)
	{
		if (asks_about(query, workload))
			return json_string_or(workload, "spec.template.spec.containers[0].image",
					      "");
	}
	return NULL;
}

char *fake_metrics_answer(const struct cluster *cluster, const char *query, int64_t now_us,
			  struct chance *chance)
{
	SCOPED(json) cJSON *deployments = cluster_list(cluster, "/apis/apps/v1/deployments");
	SCOPED(json) cJSON *daemon_sets = cluster_list(cluster, "/apis/apps/v1/daemonsets");
	const char *image = image_asked(deployments, query);
	SCOPED(json) cJSON *stateful_sets = cluster_list(cluster, "/apis/apps/v1/statefulsets");
	if (image == NULL)
		image = image_asked(daemon_sets, query);
	if (image == NULL)
		image = image_asked(stateful_sets, query);
	double value = 1, noise = chance_unit(chance);
	if (image != NULL && strstr(image, ":silent") != NULL)
		return xstrdup("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\","
			       "\"result\":[]}}");
	if (image != NULL && strstr(query, "histogram_quantile") != NULL) {
		value = strstr(image, ":slow") != NULL ? 870 + 60 * noise : 35 + 40 * noise;
		if (strstr(query, "rq_time") == NULL) /* Envoy counts in ms, the others in s */
			value /= 1000;
	} else if (image != NULL) {
		value = strstr(image, ":bad") != NULL ? 82 + 3 * noise : 99.6 + 0.4 * noise;
	}
	double now = (double)now_us / (double)DURATION_SECOND;
	SCOPED(text) char *count = NULL;
	if (image != NULL && strstr(query, COUNT_LABEL) != NULL)
		count = xasprintf(",{\"metric\":{\"" COUNT_LABEL
				  "\":\"count\"},\"value\":[%.3f,\"%d\"]}",
				  now, fake_requests);
	return xasprintf("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":["
			 "{\"metric\":{},\"value\":[%.3f,\"%.4f\"]}%s]}}",
			 now, value, count == NULL ? "" : count);
}
