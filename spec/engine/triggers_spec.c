/*
 * triggers_spec.c - what sets off a release: the pod template, and the ConfigMaps and Secrets that
 * it uses, of which the primary has copies.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "bed.h"
#include "spec.h"

/* Each way by which a pod uses one, by the name of what it uses. */
static const char pod[] =
	"{\"volumes\":[{\"name\":\"a\",\"configMap\":{\"name\":\"c-volume\"}},"
	"{\"name\":\"b\",\"secret\":{\"secretName\":\"s-volume\"}},"
	"{\"name\":\"c\",\"projected\":{\"sources\":[{\"configMap\":{\"name\":\"c-projected\"}},"
	"{\"secret\":{\"name\":\"s-projected\"}}]}}],"
	"\"initContainers\":[{\"name\":\"init\",\"env\":["
	"{\"name\":\"A\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"c-init-env\",\"key\":\"k\"}"
	"}},"
	"{\"name\":\"B\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"s-init-env\",\"key\":\"k\"}}}]"
	","
	"\"envFrom\":[{\"configMapRef\":{\"name\":\"c-init-from\"}},"
	"{\"secretRef\":{\"name\":\"s-init-from\"}}]}],"
	"\"containers\":[{\"name\":\"podinfod\",\"image\":\"podinfo:1\",\"env\":["
	"{\"name\":\"A\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"c-env\",\"key\":\"k\"}}},"
	"{\"name\":\"B\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"s-env\",\"key\":\"k\"}}}],"
	"\"envFrom\":[{\"configMapRef\":{\"name\":\"c-from\"}},{\"secretRef\":{\"name\":\"s-from\"}"
	"}]}]}";

/* Where the primary's template names it. */
static const struct {
	const char *name, *path;
} uses[] = {
	{"c-volume", "volumes[0].configMap.name"},
	{"s-volume", "volumes[1].secret.secretName"},
	{"c-projected", "volumes[2].projected.sources[0].configMap.name"},
	{"s-projected", "volumes[2].projected.sources[1].secret.name"},
	{"c-init-env", "initContainers[0].env[0].valueFrom.configMapKeyRef.name"},
	{"s-init-env", "initContainers[0].env[1].valueFrom.secretKeyRef.name"},
	{"c-init-from", "initContainers[0].envFrom[0].configMapRef.name"},
	{"s-init-from", "initContainers[0].envFrom[1].secretRef.name"},
	{"c-env", "containers[0].env[0].valueFrom.configMapKeyRef.name"},
	{"s-env", "containers[0].env[1].valueFrom.secretKeyRef.name"},
	{"c-from", "containers[0].envFrom[0].configMapRef.name"},
	{"s-from", "containers[0].envFrom[1].secretRef.name"},
};

static const char *path_of(const char *name, bool copy)
{
	static char path[KUBE_PATH_MAX];
	SCOPED(text) char *whole = xasprintf("%s%s", name, copy ? "-primary" : "");
	kube_path(path, name[0] == 's' ? &kube_secret : &kube_config_map, "test", whole);
	return path;
}

/* `more`: members of the object, with a comma before; s-… is a Secret. */
static void put_config(struct bed *bed, const char *name, const char *more)
{
	SCOPED(text)
	char *json =
		xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"%s\",\"metadata\":{\"name\":\"%s\","
			  "\"namespace\":\"test\",\"labels\":{\"team\":\"a\",\"app.io/x\":\"b\"},"
			  "\"annotations\":{\"note\":\"n\"}}%s}",
			  name[0] == 's' ? "Secret" : "ConfigMap", name, more);
	bed_put(bed, json);
}

static const char blue[] = ",\"data\":{\"color\":\"blue\"}";

static void use(struct bed *bed, const char *pod_spec)
{
	SCOPED(text) char *patch = xasprintf("{\"spec\":{\"template\":{\"spec\":%s}}}", pod_spec);
	bed_merge(bed, bed_target, patch);
}

static void use_one(struct bed *bed, const char *source)
{
	SCOPED(text)
	char *pod_spec =
		xasprintf("{\"containers\":[{\"name\":\"podinfod\",\"image\":\"podinfo:1\","
			  "\"envFrom\":[%s]}]}",
			  source);
	use(bed, pod_spec);
}

/* Promoted at once, so that a release is its last word. */
static void start(struct bed *bed)
{
	bed_put_canary(bed, "{\"spec\":{\"skipAnalysis\":true}}");
	bed_start_engine(bed);
}

static void begin_one(struct bed *bed, const char *name, const char *more, const char *source)
{
	bed_begin(bed);
	put_config(bed, name, more);
	use_one(bed, source);
	start(bed);
	EXPECT(bed_reaches(bed, "Initialized"));
}

/* True when that set off a release. */
static bool sets_off(struct bed *bed, const char *path, const char *patch)
{
	int before = bed_events(bed, "New revision detected");
	bed_merge(bed, path, patch);
	bed_run(bed, 60);
	return bed_events(bed, "New revision detected") > before;
}

static const char *primary_says(const struct bed *bed, const char *path)
{
	SCOPED(text) char *whole = xasprintf("spec.template.spec.%s", path);
	return bed_says(bed, bed_primary, whole);
}

static bool copied(const struct bed *bed, const char *name)
{
	return cluster_get(bed->cluster, path_of(name, true)) != NULL;
}

/* ---- what is tracked ---- */

SPEC("triggers: whatever ConfigMap or Secret a pod uses is copied, named and sets off a release")
{
	struct bed bed;
	bed_begin(&bed);
	for (size_t i = 0; i < ARRAY_LEN(uses); i++)
		put_config(&bed, uses[i].name, blue);
	use(&bed, pod);
	start(&bed);
	EXPECT(bed_reaches(&bed, "Initialized"));
	for (size_t i = 0; i < ARRAY_LEN(uses); i++) {
		SCOPED(text) char *wanted = xasprintf("%s-primary", uses[i].name);
		EXPECT_TEXT(primary_says(&bed, uses[i].path), wanted);
		EXPECT_TEXT(bed_says(&bed, path_of(uses[i].name, true), "data.color"), "blue");
		SCOPED(text)
		char *key =
			xasprintf("status.trackedConfigs[\"%s/%s\"]",
				  uses[i].name[0] == 's' ? "secret" : "configmap", uses[i].name);
		EXPECT_TEXT(bed_says(&bed, bed_canary, key), "f234cb93c08ad64e");
		EXPECT(sets_off(&bed, path_of(uses[i].name, false),
				"{\"data\":{\"color\":\"red\"}}"));
		EXPECT_TEXT(bed_says(&bed, path_of(uses[i].name, true), "data.color"), "red");
	}
	bed_end(&bed);
}

SPEC("triggers: what is opted out, and Secrets of other types, is neither copied nor watched for")
{
	static const struct {
		const char *name, *more;
		bool tracked;
	} configs[] = {
		{"c", "", true},
		{"s", ",\"type\":\"Opaque\"", true},
		{"s", ",\"type\":\"kubernetes.io/tls\"", true},
		{"s", ",\"type\":\"kubernetes.io/basic-auth\"", true},
		{"s", ",\"type\":\"kubernetes.io/ssh-auth\"", true},
		{"s", ",\"type\":\"kubernetes.io/dockerconfigjson\"", false},
		{"s", ",\"type\":\"helm.sh/release.v1\"", false},
		{"s", ",\"type\":\"kubernetes.io/service-account-token\"", false},
		{"c", "enabled", true},
		{"c", "disabled", false},
		{"c", "disable", false},
		{"s", "disabled", false},
	};
	for (size_t i = 0; i < ARRAY_LEN(configs); i++) {
		struct bed bed;
		bool secret = configs[i].name[0] == 's', typed = configs[i].more[0] == ',';
		SCOPED(text) char *more = xasprintf("%s%s", blue, typed ? configs[i].more : "");
		bed_begin(&bed);
		put_config(&bed, configs[i].name, more);
		if (!typed && configs[i].more[0] != '\0') {
			SCOPED(text)
			char *patch = xasprintf("{\"metadata\":{\"annotations\":{\"flagger.app/"
						"config-tracking\":\"%s\"}}}",
						configs[i].more);
			bed_merge(&bed, path_of(configs[i].name, false), patch);
		}
		use_one(&bed, secret ? "{\"secretRef\":{\"name\":\"s\"}}"
				     : "{\"configMapRef\":{\"name\":\"c\"}}");
		start(&bed);
		EXPECT(bed_reaches(&bed, "Initialized"));
		const char *named =
			primary_says(&bed, secret ? "containers[0].envFrom[0].secretRef.name"
						  : "containers[0].envFrom[0].configMapRef.name");
		SCOPED(text)
		char *wanted =
			xasprintf("%s%s", configs[i].name, configs[i].tracked ? "-primary" : "");
		EXPECT_TEXT(named, wanted);
		EXPECT_INT(copied(&bed, configs[i].name), configs[i].tracked);
		EXPECT_INT(sets_off(&bed, path_of(configs[i].name, false),
				    "{\"data\":{\"color\":\"red\"}}"),
			   configs[i].tracked);
		bed_end(&bed);
	}
}

SPEC("triggers: to opt out later is a release that takes the original name")
{
	struct bed bed;
	begin_one(&bed, "c", blue, "{\"configMapRef\":{\"name\":\"c\"}}");
	EXPECT(sets_off(&bed, path_of("c", false),
			"{\"metadata\":{\"annotations\":{\"flagger.app/config-tracking\":"
			"\"disabled\"}}}"));
	EXPECT_TEXT(primary_says(&bed, "containers[0].envFrom[0].configMapRef.name"), "c");
	EXPECT_TEXT(bed_says(&bed, bed_canary, "status.trackedConfigs[\"configmap/c\"]"), "");
	bed_end(&bed);
}

SPEC("triggers: labels and annotations of a config set off nothing")
{
	struct bed bed;
	begin_one(&bed, "c", blue, "{\"configMapRef\":{\"name\":\"c\"}}");
	EXPECT(!sets_off(
		&bed, path_of("c", false),
		"{\"metadata\":{\"labels\":{\"a\":\"b\"},\"annotations\":{\"a\":\"b\"}}}"));
	bed_end(&bed);
}

SPEC("triggers: binaryData is copied, and a change of it is a release")
{
	struct bed bed;
	begin_one(&bed, "c", ",\"binaryData\":{\"logo\":\"AAEC\"}",
		  "{\"configMapRef\":{\"name\":\"c\"}}");
	EXPECT_TEXT(bed_says(&bed, path_of("c", true), "binaryData.logo"), "AAEC");
	EXPECT(sets_off(&bed, path_of("c", false), "{\"binaryData\":{\"logo\":\"AAED\"}}"));
	EXPECT_TEXT(bed_says(&bed, path_of("c", true), "binaryData.logo"), "AAED");
	bed_end(&bed);
}

/* ---- what is missing ---- */

SPEC("triggers: a config that is missing is told and waited for, unless it is optional")
{
	static const struct {
		const char *source, *told;
	} sources[] = {
		{"{\"configMapRef\":{\"name\":\"c\"}}", "configmap c.test get query error"},
		{"{\"secretRef\":{\"name\":\"s\"}}", "secret s.test get query error"},
		{"{\"configMapRef\":{\"name\":\"c\",\"optional\":true}}", NULL},
		{"{\"secretRef\":{\"name\":\"s\",\"optional\":true}}", NULL},
		/* Needed once is needed, in whatever order. */
		{"{\"secretRef\":{\"name\":\"s\"}},{\"secretRef\":{\"name\":\"s\",\"optional\":"
		 "true}}",
		 "secret s.test get query error"},
		{"{\"secretRef\":{\"name\":\"s\",\"optional\":true}},{\"secretRef\":{\"name\":"
		 "\"s\"}}",
		 "secret s.test get query error"},
	};
	for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
		struct bed bed;
		bed_begin(&bed);
		use_one(&bed, sources[i].source);
		start(&bed);
		bed_run(&bed, 60);
		bool waits = sources[i].told != NULL;
		EXPECT_TEXT(bed_phase(&bed), waits ? "Initializing" : "Initialized");
		EXPECT_INT(bed_events(&bed, waits ? sources[i].told : "get query error"), waits);
		put_config(&bed, strstr(sources[i].source, "secret") != NULL ? "s" : "c", blue);
		EXPECT(bed_reaches(&bed, waits ? "Initialized" : "Succeeded"));
		bed_end(&bed);
	}
}

SPEC("triggers: an optional config that comes and goes is a release each time")
{
	struct bed bed;
	begin_one(&bed, "c", blue, "{\"configMapRef\":{\"name\":\"c\",\"optional\":true}}");
	bed_delete(&bed, path_of("c", false));
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_TEXT(primary_says(&bed, "containers[0].envFrom[0].configMapRef.name"), "c");
	put_config(&bed, "c", blue);
	bed_run(&bed, 60);
	EXPECT_TEXT(primary_says(&bed, "containers[0].envFrom[0].configMapRef.name"), "c-primary");
	EXPECT_INT(bed_events(&bed, "New revision detected"), 2);
	bed_end(&bed);
}

SPEC("triggers: an immutable config is made anew to change, which is one release")
{
	struct bed bed;
	begin_one(&bed, "c", ",\"immutable\":true,\"data\":{\"color\":\"blue\"}",
		  "{\"configMapRef\":{\"name\":\"c\"}}");
	EXPECT_TEXT(bed_says(&bed, path_of("c", true), "immutable"), "");
	bed_delete(&bed, path_of("c", false));
	bed_run(&bed, 30);
	EXPECT_INT(bed_events(&bed, "configmap c.test get query error: not found"), 1);
	EXPECT_TEXT(bed_phase(&bed), "Initialized");
	EXPECT_TEXT(bed_says(&bed, path_of("c", true), "data.color"), "blue");
	put_config(&bed, "c", ",\"immutable\":true,\"data\":{\"color\":\"red\"}");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_TEXT(bed_says(&bed, path_of("c", true), "data.color"), "red");
	EXPECT_INT(bed_events(&bed, "New revision detected"), 1);
	bed_end(&bed);
}

/* As a controller would that renews it. */
static void rewrite(struct bed *bed, int i, bool changes)
{
	SCOPED(text)
	char *patch = xasprintf("{\"metadata\":{\"annotations\":{\"renewed\":\"%d\"}},\"data\":{"
				"\"color\":\"%d\"}}",
				i, changes ? i : 0);
	bed_merge(bed, path_of("s", false), patch);
}

SPEC("triggers: a Secret that a controller writes again and again restarts nothing")
{
	struct bed bed;
	bed_begin(&bed);
	put_config(&bed, "s", ",\"data\":{\"color\":\"0\"}");
	use_one(&bed, "{\"secretRef\":{\"name\":\"s\"}}");
	bed_put_canary(&bed, NULL);
	bed_start_engine(&bed);
	EXPECT(bed_reaches(&bed, "Initialized"));
	bed_release(&bed, "podinfo:2");
	for (int i = 0; i < 600 && strcmp(bed_phase(&bed), "Succeeded") != 0; i++) {
		rewrite(&bed, i, false);
		bed_run(&bed, 1);
	}
	EXPECT_TEXT(bed_phase(&bed), "Succeeded");
	for (int i = 0; i < 60; i++) {
		rewrite(&bed, i, false);
		bed_run(&bed, 1);
	}
	EXPECT_TEXT(bed_phase(&bed), "Succeeded");
	EXPECT_INT(bed_events(&bed, "New revision detected"), 1);
	bed_end(&bed);
}

SPEC("triggers: one whose data never rests keeps its release from an end until it is opted out")
{
	struct bed bed;
	bed_begin(&bed);
	put_config(&bed, "s", ",\"data\":{\"color\":\"0\"}");
	use_one(&bed, "{\"secretRef\":{\"name\":\"s\"}}");
	bed_put_canary(&bed, NULL);
	bed_start_engine(&bed);
	EXPECT(bed_reaches(&bed, "Initialized"));
	for (int i = 1; i <= 60; i++) {
		rewrite(&bed, i, true);
		bed_run(&bed, 5);
		EXPECT(bed_weight(&bed) <= 10);
	}
	EXPECT_TEXT(bed_phase(&bed), "Progressing");
	EXPECT_INT(bed_events(&bed, "New revision detected! Restarting analysis"), 59);
	bed_merge(
		&bed, path_of("s", false),
		"{\"metadata\":{\"annotations\":{\"flagger.app/config-tracking\":\"disabled\"}}}");
	for (int i = 100; i < 1000 && strcmp(bed_phase(&bed), "Succeeded") != 0; i++) {
		rewrite(&bed, i, true);
		bed_run(&bed, 1);
	}
	EXPECT_TEXT(bed_phase(&bed), "Succeeded");
	EXPECT_INT(bed_events(&bed, "New revision detected! Restarting analysis"), 60);
	bed_end(&bed);
}

/* ---- the copies ---- */

SPEC("triggers: the primary keeps the old config until the new one is promoted")
{
	struct bed bed;
	bed_begin(&bed);
	put_config(&bed, "c", blue);
	use_one(&bed, "{\"configMapRef\":{\"name\":\"c\"}}");
	bed_put_canary(&bed, NULL);
	bed_start_engine(&bed);
	EXPECT(bed_reaches(&bed, "Initialized"));
	bed_merge(&bed, path_of("c", false), "{\"data\":{\"color\":\"red\"}}");
	EXPECT(bed_reaches_weight(&bed, 10));
	EXPECT_TEXT(bed_says(&bed, path_of("c", true), "data.color"), "blue");
	bed.success = 0;
	EXPECT(bed_reaches(&bed, "Failed"));
	EXPECT_TEXT(bed_says(&bed, path_of("c", true), "data.color"), "blue");
	bed.success = 100;
	bed_merge(&bed, path_of("c", false), "{\"data\":{\"color\":\"green\"}}");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_TEXT(bed_says(&bed, path_of("c", true), "data.color"), "green");
	bed_end(&bed);
}

SPEC("triggers: a copy has the type, the labels that are wanted, and no annotation")
{
	static const char *const prefixes[] = {"app.io/", NULL};
	struct bed bed;
	bed_begin(&bed);
	bed.world.workload.include_label_prefix = prefixes;
	put_config(&bed, "s", ",\"type\":\"kubernetes.io/basic-auth\",\"data\":{\"a\":\"b\"}");
	use_one(&bed, "{\"secretRef\":{\"name\":\"s\"}}");
	start(&bed);
	EXPECT(bed_reaches(&bed, "Initialized"));
	const char *copy = path_of("s", true);
	EXPECT_TEXT(bed_says(&bed, copy, "type"), "kubernetes.io/basic-auth");
	EXPECT_TEXT(bed_says(&bed, copy, "metadata.labels[\"app.io/x\"]"), "b");
	EXPECT_TEXT(bed_says(&bed, copy, "metadata.labels.team"), "");
	EXPECT_TEXT(bed_says(&bed, copy, "metadata.annotations.note"), "");
	EXPECT_TEXT(bed_says(&bed, copy, "metadata.ownerReferences[0].name"), "podinfo");
	bed_end(&bed);
}

static int owners(const struct bed *bed, const char *path, bool controllers_only)
{
	int count = 0;
	const cJSON *owner;
	cJSON_ArrayForEach(owner,
			   json_at(cluster_get(bed->cluster, path), "metadata.ownerReferences"))
	{
		count += !controllers_only || json_bool(owner, "controller", false);
	}
	return count;
}

SPEC("triggers: two canaries share the copy of a config, and it goes with the last of them")
{
	static const char other[] = "/apis/flagger.app/v1beta1/namespaces/test/canaries/other";
	struct bed bed;
	begin_one(&bed, "c", blue, "{\"configMapRef\":{\"name\":\"c\"}}");
	SCOPED(json) cJSON *target = cJSON_Duplicate(cluster_get(bed.cluster, bed_target), true);
	SCOPED(json) cJSON *canary = cJSON_Duplicate(cluster_get(bed.cluster, bed_canary), true);
	struct error err = {0};
	json_put_string(target, "metadata.name", "other");
	json_put_string(canary, "metadata.name", "other");
	json_put_string(canary, "spec.targetRef.name", "other");
	json_put_string(target, "spec.selector.matchLabels.app", "other");
	json_put_string(target, "spec.template.metadata.labels.app", "other");
	json_put_number(target, "spec.replicas", 1);
	json_remove(canary, "status");
	json_remove(canary, "metadata.uid");
	json_remove(target, "metadata.uid");
	json_remove(canary, "metadata.resourceVersion");
	json_remove(target, "metadata.resourceVersion");
	EXPECT(cluster_apply(bed.cluster, target, &err));
	EXPECT(cluster_apply(bed.cluster, canary, &err));
	bed_run(&bed, 60);
	EXPECT_TEXT(bed_says(&bed, other, "status.phase"), "Initialized");
	const char *copy = path_of("c", true);
	EXPECT_INT(owners(&bed, copy, false), 2);
	EXPECT_INT(owners(&bed, copy, true), 1);
	EXPECT(sets_off(&bed, path_of("c", false), "{\"data\":{\"color\":\"red\"}}"));
	copy = path_of("c", true);
	EXPECT_TEXT(bed_says(&bed, other, "status.phase"), "Succeeded");
	EXPECT_TEXT(bed_says(&bed, bed_canary, "status.phase"), "Succeeded");
	EXPECT_TEXT(bed_says(&bed, copy, "data.color"), "red");
	EXPECT_INT(owners(&bed, copy, false), 2);
	EXPECT_INT(owners(&bed, copy, true), 1);
	bed_delete(&bed, other);
	bed_run(&bed, 30);
	EXPECT(cluster_get(bed.cluster, copy) != NULL);
	bed_delete(&bed, bed_canary);
	bed_run(&bed, 30);
	EXPECT(cluster_get(bed.cluster, copy) == NULL);
	bed_end(&bed);
}

/* ---- without ---- */

SPEC("triggers: without config tracking names stay, nothing is copied, and no change is seen")
{
	struct bed bed;
	bed_begin(&bed);
	bed.world.workload.config_tracking = false;
	put_config(&bed, "c", blue);
	use_one(&bed, "{\"configMapRef\":{\"name\":\"c\"}},{\"secretRef\":{\"name\":\"gone\"}}");
	start(&bed);
	EXPECT(bed_reaches(&bed, "Initialized"));
	EXPECT_TEXT(primary_says(&bed, "containers[0].envFrom[0].configMapRef.name"), "c");
	EXPECT(!copied(&bed, "c"));
	EXPECT(json_at(cluster_get(bed.cluster, bed_canary), "status.trackedConfigs") == NULL);
	EXPECT(!sets_off(&bed, path_of("c", false), "{\"data\":{\"color\":\"red\"}}"));
	bed_end(&bed);
}

/* ---- the pod template ---- */

SPEC("triggers: the pod template is what counts, and nothing else of the target")
{
	struct bed bed;
	bed_begin(&bed);
	start(&bed);
	EXPECT(bed_reaches(&bed, "Initialized"));
	EXPECT(!sets_off(&bed, bed_target, "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}"));
	EXPECT(!sets_off(&bed, bed_target, "{\"spec\":{\"minReadySeconds\":1}}"));
	EXPECT(!sets_off(&bed, bed_target, "{\"spec\":{\"strategy\":{\"type\":\"Recreate\"}}}"));
	EXPECT(!sets_off(&bed, bed_target, "{\"spec\":{\"replicas\":0}}"));
	EXPECT(sets_off(
		&bed, bed_target,
		"{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"a\":\"b\"}}}}}"));
	EXPECT(sets_off(&bed, bed_target,
			"{\"spec\":{\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}}}}}"));
	EXPECT(sets_off(&bed, bed_target,
			"{\"spec\":{\"template\":{\"spec\":{\"priorityClassName\":\"high\"}}}}"));
	bed_end(&bed);
}
