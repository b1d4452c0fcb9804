/*
 * stateful_configs_spec.c - a change of a ConfigMap or Secret that a StatefulSet uses is a revision
 * of it.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "bed.h"
#include "spec.h"

static const char db[] = "/apis/apps/v1/namespaces/test/statefulsets/db";
static const char db_canary[] = "/apis/flagger.app/v1beta1/namespaces/test/canaries/db";
static const char settings[] = "/api/v1/namespaces/test/configmaps/settings";
static const char password[] = "/api/v1/namespaces/test/secrets/password";
#define PARTITION "spec.updateStrategy.rollingUpdate.partition"
#define MARK "spec.template.metadata.annotations[\"sluice.dev/configs\"]"
#define REST "2147483647"

/* Four pods with a ConfigMap, and a Secret that need not be there. */
static void begin_db(struct bed *bed)
{
	bed_begin(bed);
	bed_put(bed, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
		     "\"settings\",\"namespace\":\"test\"},\"data\":{\"color\":\"blue\"}}");
	bed_put(bed,
		"{\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":"
		"\"db\",\"namespace\":\"test\"},\"spec\":{\"replicas\":4,\"selector\":{"
		"\"matchLabels\":{\"app\":\"db\"}},\"template\":{\"metadata\":{\"labels\":{"
		"\"app\":\"db\"}},\"spec\":{\"containers\":[{\"name\":\"db\",\"image\":\"db:1\","
		"\"envFrom\":[{\"configMapRef\":{\"name\":\"settings\"}},{\"secretRef\":{\"name\":"
		"\"password\",\"optional\":true}}]}]}}}}");
	bed_put(bed, "{\"apiVersion\":\"flagger.app/v1beta1\",\"kind\":\"Canary\",\"metadata\":{"
		     "\"name\":\"db\",\"namespace\":\"test\"},\"spec\":{\"provider\":\"istio\","
		     "\"targetRef\":{\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"name\":"
		     "\"db\"},\"progressDeadlineSeconds\":60,\"analysis\":{\"interval\":\"10s\","
		     "\"threshold\":2,\"stepWeights\":[25,50],\"metrics\":[{\"name\":\"rate\","
		     "\"query\":\"up{{ pods }}\",\"thresholdRange\":{\"min\":99}}]}}}");
	bed_run(bed, 5); /* as the team has it */
	bed_start_engine(bed);
}

static bool db_reaches(struct bed *bed, const char *path, const char *value)
{
	for (int i = 0; i < 600; i++) {
		if (strcmp(bed_says(bed, db_canary, path), value) == 0)
			return true;
		bed_run(bed, 1);
	}
	return false;
}

static const char *pod_says(const struct bed *bed, int ordinal, const char *path)
{
	SCOPED(text) char *pod = xasprintf("/api/v1/namespaces/test/pods/db-%d", ordinal);
	return bed_says(bed, pod, path);
}

/* "0011": the pods from ordinal 2 on are of another revision than db-0. */
static const char *revisions(const struct bed *bed)
{
	static const char label[] = "metadata.labels[\"controller-revision-hash\"]";
	static char all[8];
	SCOPED(text) char *first = xstrdup(pod_says(bed, 0, label));
	for (int i = 0; i < 4; i++)
		all[i] = strcmp(pod_says(bed, i, label), first) == 0 ? '0' : '1';
	return all;
}

static char *uids(const struct bed *bed)
{
	struct buf all;
	buf_init(&all, 1000);
	for (int i = 0; i < 4; i++)
		buf_printf(&all, "%s ", pod_says(bed, i, "metadata.uid"));
	return buf_take(&all);
}

static void set_color(struct bed *bed, const char *color)
{
	SCOPED(text) char *patch = xasprintf("{\"data\":{\"color\":\"%s\"}}", color);
	bed_merge(bed, settings, patch);
}

static void release_image(struct bed *bed, const char *image)
{
	SCOPED(text)
	char *patch = xasprintf("[{\"op\":\"replace\",\"path\":\"/spec/template/spec/containers/0/"
				"image\",\"value\":\"%s\"}]",
				image);
	struct error err = {0};
	SCOPED(json) cJSON *operations = json_parse(patch, strlen(patch), &err);
	SCOPED(json) cJSON *object = cJSON_Duplicate(cluster_get(bed->cluster, db), true);
	EXPECT(json_patch(&object, operations, &err));
	EXPECT(cluster_apply(bed->cluster, object, &err));
}

SPEC("stateful configs: one that runs already is not touched for them")
{
	struct bed bed;
	begin_db(&bed);
	SCOPED(text) char *before = uids(&bed);
	EXPECT(db_reaches(&bed, "status.phase", "Initialized"));
	bed_run(&bed, 60);
	SCOPED(text) char *after = uids(&bed);
	EXPECT_TEXT(after, before);
	EXPECT_TEXT(bed_says(&bed, db, MARK), "");
	EXPECT_TEXT(bed_says(&bed, db_canary, "status.trackedConfigs[\"configmap/settings\"]"),
		    "f234cb93c08ad64e");
	EXPECT_INT(bed_events(&bed, "New revision detected"), 0);
	bed_end(&bed);
}

SPEC("stateful configs: a change is released pod by pod, and promoted")
{
	struct bed bed;
	begin_db(&bed);
	EXPECT(db_reaches(&bed, "status.phase", "Initialized"));
	set_color(&bed, "red");
	EXPECT(db_reaches(&bed, "status.canaryWeight", "25"));
	bed_run(&bed, 5);
	EXPECT_TEXT(revisions(&bed), "0001");
	EXPECT(db_reaches(&bed, "status.canaryWeight", "50"));
	bed_run(&bed, 5);
	EXPECT_TEXT(revisions(&bed), "0011");
	EXPECT(db_reaches(&bed, "status.phase", "Succeeded"));
	EXPECT_TEXT(revisions(&bed), "0000");
	EXPECT_TEXT(bed_says(&bed, db, "status.currentRevision"),
		    bed_says(&bed, db, "status.updateRevision"));
	EXPECT_TEXT(bed_says(&bed, db, PARTITION), REST);
	EXPECT_INT((long)strlen(bed_says(&bed, db, MARK)), 16);
	SCOPED(text) char *before = uids(&bed);
	bed_run(&bed, 120);
	SCOPED(text) char *after = uids(&bed);
	EXPECT_TEXT(after, before);
	EXPECT_INT(bed_events(&bed, "New revision detected"), 1);
	bed_end(&bed);
}

SPEC("stateful configs: a change that fails goes back, and putting it back sets off nothing")
{
	struct bed bed;
	begin_db(&bed);
	EXPECT(db_reaches(&bed, "status.phase", "Initialized"));
	set_color(&bed, "red");
	EXPECT(db_reaches(&bed, "status.canaryWeight", "50"));
	bed_run(&bed, 5);
	bed.success = 0;
	EXPECT(db_reaches(&bed, "status.phase", "Failed"));
	bed_run(&bed, 30);
	EXPECT_TEXT(revisions(&bed), "0000");
	EXPECT_INT(bed_events(&bed, "Pods of db.test that start read its ConfigMaps and Secrets as "
				    "they are now: put back what was changed in them"),
		   1);
	bed.success = 100;
	SCOPED(text) char *before = uids(&bed);
	set_color(&bed, "blue");
	bed_run(&bed, 60);
	SCOPED(text) char *after = uids(&bed);
	EXPECT_TEXT(after, before);
	EXPECT_INT(bed_events(&bed, "New revision detected"), 1);
	EXPECT_TEXT(bed_says(&bed, db, MARK), "");
	EXPECT_TEXT(bed_says(&bed, db, "status.currentRevision"),
		    bed_says(&bed, db, "status.updateRevision"));
	set_color(&bed, "green");
	EXPECT(db_reaches(&bed, "status.phase", "Succeeded"));
	EXPECT_INT(bed_events(&bed, "New revision detected"), 2);
	bed_end(&bed);
}

SPEC("stateful configs: one that is put back in mid-run cancels")
{
	struct bed bed;
	begin_db(&bed);
	EXPECT(db_reaches(&bed, "status.phase", "Initialized"));
	set_color(&bed, "red");
	EXPECT(db_reaches(&bed, "status.canaryWeight", "50"));
	bed_run(&bed, 5);
	set_color(&bed, "blue");
	EXPECT(db_reaches(&bed, "status.phase", "Failed"));
	EXPECT_INT(bed_events(&bed, "the target is back at the promoted revision"), 1);
	bed_run(&bed, 60);
	EXPECT_TEXT(revisions(&bed), "0000");
	EXPECT_TEXT(bed_says(&bed, db, MARK), "");
	EXPECT_INT(bed_events(&bed, "New revision detected"), 1);
	bed_end(&bed);
}

SPEC("stateful configs: a newer change in mid-run starts from the stable revision")
{
	struct bed bed;
	begin_db(&bed);
	EXPECT(db_reaches(&bed, "status.phase", "Initialized"));
	set_color(&bed, "red");
	EXPECT(db_reaches(&bed, "status.canaryWeight", "50"));
	bed_run(&bed, 5);
	SCOPED(text) char *first = xstrdup(bed_says(&bed, db, MARK));
	set_color(&bed, "green");
	EXPECT(db_reaches(&bed, "status.canaryWeight", "0"));
	EXPECT_INT(bed_events(&bed, "Restarting analysis for db.test"), 1);
	EXPECT(db_reaches(&bed, "status.canaryWeight", "25"));
	bed_run(&bed, 5);
	EXPECT_TEXT(revisions(&bed), "0001");
	EXPECT(strcmp(bed_says(&bed, db, MARK), first) != 0);
	EXPECT(db_reaches(&bed, "status.phase", "Succeeded"));
	EXPECT_TEXT(revisions(&bed), "0000");
	bed_end(&bed);
}

SPEC("stateful configs: an optional Secret that comes, and goes, is a release each time")
{
	struct bed bed;
	begin_db(&bed);
	EXPECT(db_reaches(&bed, "status.phase", "Initialized"));
	bed_put(&bed, "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":"
		      "\"password\",\"namespace\":\"test\"},\"data\":{\"a\":\"b\"}}");
	EXPECT(db_reaches(&bed, "status.phase", "Succeeded"));
	EXPECT_INT(bed_events(&bed, "New revision detected"), 1);
	bed_delete(&bed, password);
	EXPECT(db_reaches(&bed, "status.phase", "Progressing"));
	EXPECT(db_reaches(&bed, "status.phase", "Succeeded"));
	EXPECT_INT(bed_events(&bed, "New revision detected"), 2);
	EXPECT_TEXT(bed_says(&bed, db, MARK), ""); /* as at first */
	bed_end(&bed);
}

SPEC("stateful configs: what is opted out sets off nothing, nor does one without tracking")
{
	for (int tracking = 0; tracking < 2; tracking++) {
		struct bed bed;
		begin_db(&bed);
		bed_stop_engine(&bed);
		bed.world.workload.config_tracking = tracking == 1;
		if (tracking == 1)
			bed_merge(&bed, settings,
				  "{\"metadata\":{\"annotations\":{\"flagger.app/config-tracking\":"
				  "\"disabled\"}}}");
		bed_start_engine(&bed);
		EXPECT(db_reaches(&bed, "status.phase", "Initialized"));
		set_color(&bed, "red");
		bed_run(&bed, 120);
		EXPECT_INT(bed_events(&bed, "New revision detected"), 0);
		EXPECT_TEXT(bed_says(&bed, db, MARK), "");
		bed_end(&bed);
	}
}

SPEC("stateful configs: who applies the template without the mark restarts nothing")
{
	static const char drop[] =
		"{\"spec\":{\"template\":{\"metadata\":{\"annotations\":null}}}}";
	struct bed bed;
	begin_db(&bed);
	EXPECT(db_reaches(&bed, "status.phase", "Initialized"));
	set_color(&bed, "red");
	EXPECT(db_reaches(&bed, "status.phase", "Succeeded"));
	bed_run(&bed, 20);
	SCOPED(text) char *mark = xstrdup(bed_says(&bed, db, MARK));
	SCOPED(text) char *before = uids(&bed);
	bed_merge(&bed, db, drop);
	bed_run(&bed, 60);
	SCOPED(text) char *after = uids(&bed);
	EXPECT_TEXT(after, before);
	EXPECT_TEXT(bed_says(&bed, db, MARK), mark);
	EXPECT_TEXT(bed_says(&bed, db, PARTITION), REST);
	/* In mid-run it is as if nobody had. */
	release_image(&bed, "db:2");
	EXPECT(db_reaches(&bed, "status.canaryWeight", "50"));
	bed_run(&bed, 5);
	bed_merge(&bed, db, drop);
	EXPECT(db_reaches(&bed, "status.phase", "Succeeded"));
	bed_run(&bed, 30);
	EXPECT_TEXT(bed_says(&bed, db, MARK), mark);
	EXPECT_TEXT(revisions(&bed), "0000");
	EXPECT_TEXT(pod_says(&bed, 0, "spec.containers[0].image"), "db:2");
	EXPECT_INT(bed_events(&bed, "New revision detected"), 2);
	bed_end(&bed);
}

SPEC("stateful configs: a change is the revision of a new image, too, when both come at once")
{
	struct bed bed;
	begin_db(&bed);
	EXPECT(db_reaches(&bed, "status.phase", "Initialized"));
	set_color(&bed, "red");
	release_image(&bed, "db:2");
	EXPECT(db_reaches(&bed, "status.phase", "Succeeded"));
	bed_run(&bed, 60);
	EXPECT_TEXT(revisions(&bed), "0000");
	EXPECT_TEXT(pod_says(&bed, 0, "spec.containers[0].image"), "db:2");
	EXPECT_INT(bed_events(&bed, "New revision detected"), 1);
	set_color(&bed, "blue"); /* as when it was first seen, with another image */
	EXPECT(db_reaches(&bed, "status.phase", "Progressing"));
	EXPECT(db_reaches(&bed, "status.phase", "Succeeded"));
	EXPECT_TEXT(revisions(&bed), "0000");
	bed_end(&bed);
}

SPEC("stateful configs: without an analysis a change rolls out as it would by itself")
{
	struct bed bed;
	begin_db(&bed);
	bed_merge(&bed, db_canary, "{\"spec\":{\"skipAnalysis\":true}}");
	EXPECT(db_reaches(&bed, "status.phase", "Initialized"));
	SCOPED(text) char *before = uids(&bed);
	set_color(&bed, "red");
	EXPECT(db_reaches(&bed, "status.phase", "Succeeded"));
	bed_run(&bed, 30);
	SCOPED(text) char *after = uids(&bed);
	EXPECT(strcmp(after, before) != 0);
	EXPECT_TEXT(revisions(&bed), "0000");
	EXPECT_TEXT(bed_says(&bed, db, PARTITION), REST);
	bed_end(&bed);
}

SPEC("stateful configs: one whose Canary was made anew keeps its mark")
{
	struct bed bed;
	begin_db(&bed);
	EXPECT(db_reaches(&bed, "status.phase", "Initialized"));
	set_color(&bed, "red");
	EXPECT(db_reaches(&bed, "status.phase", "Succeeded"));
	bed_run(&bed, 20);
	SCOPED(text) char *mark = xstrdup(bed_says(&bed, db, MARK));
	SCOPED(text) char *before = uids(&bed);
	SCOPED(json) cJSON *canary = cJSON_Duplicate(cluster_get(bed.cluster, db_canary), true);
	struct error err = {0};
	bed_delete(&bed, db_canary);
	bed_run(&bed, 5);
	json_remove(canary, "status");
	json_remove(canary, "metadata.uid");
	json_remove(canary, "metadata.resourceVersion");
	EXPECT(cluster_apply(bed.cluster, canary, &err));
	EXPECT(db_reaches(&bed, "status.phase", "Initialized"));
	bed_run(&bed, 60);
	SCOPED(text) char *after = uids(&bed);
	EXPECT_TEXT(after, before);
	EXPECT_TEXT(bed_says(&bed, db, MARK), mark);
	set_color(&bed, "green");
	EXPECT(db_reaches(&bed, "status.phase", "Succeeded"));
	EXPECT(strcmp(bed_says(&bed, db, MARK), mark) != 0);
	EXPECT_TEXT(revisions(&bed), "0000");
	bed_end(&bed);
}
