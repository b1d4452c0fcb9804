/*
 * service_spec.c - the three Services of a canary: what they say, what of them is enforced, and
 * what is left to others.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "bed.h"
#include "spec.h"

static const char *const services[] = {"/api/v1/namespaces/test/services/podinfo",
				       "/api/v1/namespaces/test/services/podinfo-primary",
				       "/api/v1/namespaces/test/services/podinfo-canary"};
enum { APEX, PRIMARY, CANARY };

static const char reconcile[] = "metadata.annotations[\"kustomize.toolkit.fluxcd.io/reconcile\"]";
static const char drift[] = "metadata.annotations[\"helm.toolkit.fluxcd.io/driftDetection\"]";

/* `service`: members of spec.service beside the port 9898. */
static void begin(struct bed *bed, const char *service)
{
	SCOPED(text) char *patch = xasprintf("{\"spec\":{\"service\":{%s}}}", service);
	bed_begin(bed);
	bed_put_canary(bed, patch);
}

static void start(struct bed *bed)
{
	bed_start_engine(bed);
	EXPECT(bed_reaches(bed, "Initialized"));
}

/* "http/9898>9898 metrics/9797>9797": names, ports and target ports, as they stand. */
static const char *ports_of(const struct bed *bed, const char *service)
{
	static char text[512];
	const cJSON *port;
	text[0] = '\0';
	cJSON_ArrayForEach(port, json_at(cluster_get(bed->cluster, service), "spec.ports"))
	{
		const cJSON *to = json_get(port, "targetPort");
		size_t len = strlen(text);
		if (cJSON_IsString(to))
			snprintf(text + len, sizeof(text) - len, "%s%s/%ld>%s", len ? " " : "",
				 json_string_or(port, "name", ""), json_int(port, "port", 0),
				 to->valuestring);
		else
			snprintf(text + len, sizeof(text) - len, "%s%s/%ld>%ld", len ? " " : "",
				 json_string_or(port, "name", ""), json_int(port, "port", 0),
				 json_int(port, "targetPort", 0));
	}
	return text;
}

/* ---- what they say ---- */

SPEC("service: each leads to its pods, is labelled with its name and belongs to the Canary")
{
	static const char *const pods[] = {"podinfo-primary", "podinfo-primary", "podinfo"};
	struct bed bed;
	begin(&bed, "");
	start(&bed);
	for (size_t i = 0; i < ARRAY_LEN(services); i++) {
		EXPECT_TEXT(bed_says(&bed, services[i], "spec.selector.app"), pods[i]);
		EXPECT_TEXT(bed_says(&bed, services[i], "spec.type"), "ClusterIP");
		EXPECT_TEXT(bed_says(&bed, services[i], "metadata.labels.app"),
			    strrchr(services[i], '/') + 1);
		EXPECT_TEXT(bed_says(&bed, services[i], "metadata.ownerReferences[0].name"),
			    "podinfo");
		EXPECT_TEXT(bed_says(&bed, services[i], reconcile), "disabled");
		EXPECT_TEXT(bed_says(&bed, services[i], drift), "disabled");
		EXPECT_TEXT(ports_of(&bed, services[i]), "http/9898>9898");
	}
	bed_end(&bed);
}

SPEC("service: names, port, target port and protocol are as the Canary says")
{
	struct bed bed;
	begin(&bed,
	      "\"name\":\"front\",\"port\":80,\"portName\":\"grpc\",\"targetPort\":\"http\","
	      "\"appProtocol\":\"kubernetes.io/h2c\",\"trafficDistribution\":\"PreferClose\"");
	start(&bed);
	static const char front[] = "/api/v1/namespaces/test/services/front";
	static const char canary[] = "/api/v1/namespaces/test/services/front-canary";
	EXPECT(cluster_get(bed.cluster, services[APEX]) == NULL);
	EXPECT_TEXT(bed_says(&bed, front, "spec.selector.app"), "podinfo-primary");
	EXPECT_TEXT(bed_says(&bed, canary, "spec.selector.app"), "podinfo");
	EXPECT_TEXT(bed_says(&bed, canary, "metadata.labels.app"), "front-canary");
	EXPECT_TEXT(ports_of(&bed, front), "grpc/80>http");
	EXPECT_TEXT(bed_says(&bed, front, "spec.ports[0].appProtocol"), "kubernetes.io/h2c");
	EXPECT_TEXT(bed_says(&bed, front, "spec.trafficDistribution"), "PreferClose");
	bed_end(&bed);
}

SPEC("service: headless ones have no address, unless they were made with one")
{
	struct bed bed;
	begin(&bed, "\"headless\":true");
	start(&bed);
	for (size_t i = 0; i < ARRAY_LEN(services); i++)
		EXPECT_TEXT(bed_says(&bed, services[i], "spec.clusterIP"), "None");
	bed_end(&bed);
	begin(&bed, "");
	start(&bed);
	bed_merge(&bed, services[APEX], "{\"spec\":{\"clusterIP\":\"10.0.0.7\"}}");
	bed_merge(&bed, bed_canary, "{\"spec\":{\"service\":{\"headless\":true}}}");
	bed_run(&bed, 30);
	EXPECT_TEXT(bed_says(&bed, services[APEX], "spec.clusterIP"), "10.0.0.7");
	bed_end(&bed);
}

SPEC("service: labels and annotations of each role are its own")
{
	struct bed bed;
	begin(&bed, "\"apex\":{\"labels\":{\"role\":\"a\"},\"annotations\":{\"note\":\"a\"}},"
		    "\"primary\":{\"labels\":{\"role\":\"p\"}},\"canary\":{\"annotations\":"
		    "{\"note\":\"c\"}}");
	start(&bed);
	static const char *const says[][3] = {
		{"a", "a", "podinfo"}, {"p", "", "podinfo-primary"}, {"", "c", "podinfo-canary"}};
	for (size_t i = 0; i < ARRAY_LEN(services); i++) {
		EXPECT_TEXT(bed_says(&bed, services[i], "metadata.labels.role"), says[i][0]);
		EXPECT_TEXT(bed_says(&bed, services[i], "metadata.annotations.note"), says[i][1]);
		EXPECT_TEXT(bed_says(&bed, services[i], "metadata.labels.app"), says[i][2]);
		EXPECT_TEXT(bed_says(&bed, services[i], reconcile), "disabled");
	}
	bed_end(&bed);
}

/* ---- port discovery ---- */

static void use_ports(struct bed *bed)
{
	bed_merge(bed, bed_target,
		  "{\"spec\":{\"template\":{\"spec\":{\"initContainers\":[{\"name\":\"init\","
		  "\"ports\":[{\"containerPort\":1}]}],\"containers\":["
		  "{\"name\":\"podinfod\",\"image\":\"podinfo:1\",\"ports\":["
		  "{\"name\":\"http\",\"containerPort\":9898},"
		  "{\"name\":\"metrics\",\"containerPort\":9797},{\"containerPort\":9999}]},"
		  "{\"name\":\"istio-proxy\",\"ports\":[{\"name\":\"admin\",\"containerPort\":"
		  "15000}]},"
		  "{\"name\":\"envoy\",\"ports\":[{\"containerPort\":9901}]},"
		  "{\"name\":\"cache\",\"ports\":[{\"containerPort\":6379}]}]}}}}");
}

SPEC("service: port discovery adds the ports of all containers but proxies and init containers")
{
	static const struct {
		const char *service, *ports;
	} cases[] = {
		{"\"portDiscovery\":true",
		 "http/9898>9898 metrics/9797>9797 tcp-cache-0/6379>6379 tcp-podinfod-2/9999>9999"},
		{"\"portDiscovery\":true,\"port\":80,\"targetPort\":9797,\"portName\":\"web\"",
		 "web/80>9797 http/9898>9898 tcp-cache-0/6379>6379 tcp-podinfod-2/9999>9999"},
		{"\"portDiscovery\":true,\"port\":80,\"targetPort\":\"metrics\",\"portName\":"
		 "\"web\"",
		 "web/80>metrics http/9898>9898 tcp-cache-0/6379>6379 tcp-podinfod-2/9999>9999"},
		{"\"portDiscovery\":false", "http/9898>9898"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct bed bed;
		begin(&bed, cases[i].service);
		use_ports(&bed);
		start(&bed);
		for (size_t k = 0; k < ARRAY_LEN(services); k++)
			EXPECT_TEXT(ports_of(&bed, services[k]), cases[i].ports);
		bed_end(&bed);
	}
}

SPEC("service: of ports that two containers have, or the Service has, each is there once")
{
	struct bed bed;
	begin(&bed, "\"portDiscovery\":true,\"port\":80,\"targetPort\":8080");
	bed_merge(
		&bed, bed_target,
		"{\"spec\":{\"template\":{\"spec\":{\"containers\":["
		"{\"name\":\"dns\",\"ports\":[{\"name\":\"dns\",\"containerPort\":53,\"protocol\":"
		"\"UDP\"},{\"name\":\"dns-tcp\",\"containerPort\":53},{\"containerPort\":80}]},"
		"{\"name\":\"web\",\"ports\":[{\"containerPort\":8080},{\"name\":\"http\","
		"\"containerPort\":9898},{\"name\":\"again\",\"containerPort\":53}]}]}}}}");
	start(&bed);
	for (size_t i = 0; i < ARRAY_LEN(services); i++)
		EXPECT_TEXT(ports_of(&bed, services[i]),
			    "http/80>8080 dns/53>53 tcp-web-1/9898>9898");
	bed_end(&bed);
}

/* ---- what is enforced ---- */

SPEC("service: what is edited by hand is put back, and what others add stays")
{
	struct bed bed;
	begin(&bed, "\"apex\":{\"labels\":{\"role\":\"a\"},\"annotations\":{\"note\":\"a\"}},"
		    "\"trafficDistribution\":\"PreferClose\"");
	start(&bed);
	bed_merge(&bed, services[APEX],
		  "{\"metadata\":{\"labels\":{\"role\":\"b\",\"more\":\"b\"},\"annotations\":"
		  "{\"note\":\"b\",\"more\":\"b\"}},\"spec\":{\"selector\":{\"app\":\"x\"},"
		  "\"trafficDistribution\":\"PreferSameZone\","
		  "\"ports\":[{\"name\":\"http\",\"port\":1,\"targetPort\":1,\"protocol\":\"TCP\"}]"
		  "}}");
	bed_run(&bed, 2);
	static const char *const says[][2] = {{"metadata.labels.role", "a"},
					      {"metadata.annotations.note", "a"},
					      {"metadata.labels.more", "b"},
					      {"metadata.annotations.more", "b"},
					      {"spec.selector.app", "podinfo-primary"},
					      {"spec.trafficDistribution", "PreferClose"}};
	for (size_t i = 0; i < ARRAY_LEN(says); i++)
		EXPECT_TEXT(bed_says(&bed, services[APEX], says[i][0]), says[i][1]);
	EXPECT_TEXT(ports_of(&bed, services[APEX]), "http/9898>9898");
	bed_end(&bed);
}

SPEC("service: unmanaged labels and annotations keep the value that they have")
{
	struct bed bed;
	begin(&bed, "\"apex\":{\"labels\":{\"role\":\"a\",\"other\":\"a\"},\"annotations\":"
		    "{\"note\":\"a\"}},\"unmanagedMetadata\":{\"labels\":[\"role\"],"
		    "\"annotations\":[\"note\",\"kustomize.toolkit.fluxcd.io/reconcile\"]}");
	start(&bed);
	EXPECT_TEXT(bed_says(&bed, services[APEX], "metadata.labels.role"), "a");
	EXPECT_TEXT(bed_says(&bed, services[APEX], "metadata.annotations.note"), "a");
	bed_merge(&bed, services[APEX],
		  "{\"metadata\":{\"labels\":{\"role\":\"b\",\"other\":\"b\"},\"annotations\":"
		  "{\"note\":\"b\",\"kustomize.toolkit.fluxcd.io/reconcile\":\"enabled\"}}}");
	bed_run(&bed, 2);
	EXPECT_TEXT(bed_says(&bed, services[APEX], "metadata.labels.other"), "a");
	EXPECT_TEXT(bed_says(&bed, services[APEX], "metadata.labels.role"), "b");
	EXPECT_TEXT(bed_says(&bed, services[APEX], "metadata.annotations.note"), "b");
	EXPECT_TEXT(bed_says(&bed, services[APEX], reconcile), "enabled");
	EXPECT_TEXT(bed_says(&bed, services[APEX], drift), "disabled");
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_TEXT(bed_says(&bed, services[APEX], "metadata.labels.role"), "b");
	bed_end(&bed);
}

SPEC("service: one that somebody makes a NodePort keeps its type and its ports' numbers")
{
	struct bed bed;
	begin(&bed, "");
	start(&bed);
	bed_merge(&bed, services[APEX],
		  "{\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"name\":\"http\",\"port\":9898,"
		  "\"targetPort\":9898,\"protocol\":\"TCP\",\"nodePort\":30080}]}}");
	bed_run(&bed, 2);
	bed_merge(&bed, bed_canary, "{\"spec\":{\"service\":{\"targetPort\":9797}}}");
	bed_run(&bed, 30);
	EXPECT_TEXT(bed_says(&bed, services[APEX], "spec.type"), "NodePort");
	EXPECT_TEXT(bed_says(&bed, services[APEX], "spec.ports[0].nodePort"), "30080");
	EXPECT_TEXT(ports_of(&bed, services[APEX]), "http/9898>9797");
	EXPECT_TEXT(bed_says(&bed, services[PRIMARY], "spec.type"), "ClusterIP");
	bed_end(&bed);
}

SPEC("service: one that was there keeps its metadata and its owner, and tools leave it alone")
{
	struct bed bed;
	begin(&bed,
	      "\"apex\":{\"labels\":{\"role\":\"a\"}},\"trafficDistribution\":\"PreferClose\"");
	bed_merge(&bed, bed_canary, "{\"spec\":{\"revertOnDeletion\":true}}");
	bed_put(&bed,
		"{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"podinfo\","
		"\"namespace\":\"test\",\"labels\":{\"role\":\"theirs\"}},\"spec\":{\"type\":"
		"\"LoadBalancer\",\"selector\":{\"app\":\"podinfo\"},\"ports\":[{\"name\":\"http\","
		"\"port\":9898,\"targetPort\":80,\"nodePort\":30080}]}}");
	start(&bed);
	static const char *const says[][2] = {{"metadata.labels.role", "theirs"},
					      {"metadata.labels.app", ""},
					      {"metadata.ownerReferences[0].kind", ""},
					      {"spec.type", "LoadBalancer"},
					      {"spec.trafficDistribution", ""},
					      {"spec.ports[0].nodePort", "30080"},
					      {"spec.selector.app", "podinfo-primary"},
					      {reconcile, "disabled"},
					      {drift, "disabled"}};
	for (size_t i = 0; i < ARRAY_LEN(says); i++)
		EXPECT_TEXT(bed_says(&bed, services[APEX], says[i][0]), says[i][1]);
	EXPECT_TEXT(ports_of(&bed, services[APEX]), "http/9898>9898");
	bed_delete(&bed, bed_canary);
	bed_run(&bed, 30);
	EXPECT(cluster_get(bed.cluster, bed_canary) == NULL);
	EXPECT_TEXT(bed_says(&bed, services[APEX], "spec.selector.app"), "podinfo");
	EXPECT_TEXT(bed_says(&bed, services[APEX], reconcile), "");
	EXPECT_TEXT(bed_says(&bed, services[APEX], drift), "");
	bed_end(&bed);
}

/* ---- the selector label ---- */

SPEC("service: the selector label is the first of the flag's that the target selects by")
{
	static const char *const labels[] = {"tier", "app.kubernetes.io/name", "app", NULL};
	static const struct {
		const char *match, *label, *told;
	} cases[] = {
		{"{\"app\":\"podinfo\"}", "app", NULL},
		{"{\"app\":null,\"app.kubernetes.io/name\":\"podinfo\",\"x\":\"y\"}",
		 "[\"app.kubernetes.io/name\"]", NULL},
		{"{\"app\":\"podinfo\",\"app.kubernetes.io/name\":\"podinfo\",\"tier\":\"web\"}",
		 "tier", NULL},
		{"{\"app\":null,\"name\":\"podinfo\"}", NULL,
		 "deployment podinfo.test spec.selector.matchLabels must contain one of "
		 "[tier app.kubernetes.io/name app]"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct bed bed;
		begin(&bed, "");
		bed.world.workload.selector_labels = labels;
		SCOPED(text)
		char *patch = xasprintf("{\"spec\":{\"selector\":{\"matchLabels\":%s},\"template\":"
					"{\"metadata\":{\"labels\":%s}}}}",
					cases[i].match, cases[i].match);
		bed_merge(&bed, bed_target, patch);
		bed_start_engine(&bed);
		bed_run(&bed, 60);
		if (cases[i].told != NULL) {
			EXPECT_INT(bed_events(&bed, cases[i].told), 1);
			bed_end(&bed);
			continue;
		}
		bool tier = strcmp(cases[i].label, "tier") == 0;
		const char *dot = cases[i].label[0] == '[' ? "" : ".";
		SCOPED(text) char *selector = xasprintf("spec.selector%s%s", dot, cases[i].label);
		SCOPED(text)
		char *match = xasprintf("spec.selector.matchLabels%s%s", dot, cases[i].label);
		SCOPED(text)
		char *labelled =
			xasprintf("spec.template.metadata.labels%s%s", dot, cases[i].label);
		SCOPED(text) char *own = xasprintf("metadata.labels%s%s", dot, cases[i].label);
		const char *primary = tier ? "web-primary" : "podinfo-primary";
		EXPECT_TEXT(bed_says(&bed, services[APEX], selector), primary);
		EXPECT_TEXT(bed_says(&bed, services[CANARY], selector), tier ? "web" : "podinfo");
		EXPECT_TEXT(bed_says(&bed, services[CANARY], own), "podinfo-canary");
		EXPECT_TEXT(bed_says(&bed, bed_primary, match), primary);
		EXPECT_TEXT(bed_says(&bed, bed_primary, labelled), primary);
		EXPECT_TEXT(bed_says(&bed, bed_primary, own), primary);
		EXPECT_INT(cJSON_GetArraySize(json_at(cluster_get(bed.cluster, bed_primary),
						      "spec.selector.matchLabels")),
			   1);
		bed_end(&bed);
	}
}
