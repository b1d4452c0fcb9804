/*
 * primary_spec.c - the primary Deployment: what it takes from the target when it is made, and at
 * each promotion.
 */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "bed.h"
#include "spec.h"

static const char *const prefixes[] = {"app.io/", "team", NULL};
static const char *const all[] = {"*", NULL};

static void begin(struct bed *bed, const char *const *include, const char *target)
{
	bed_begin(bed);
	if (include != NULL)
		bed->world.workload.include_label_prefix = include;
	bed_merge(bed, bed_target, target);
	bed_put_canary(bed, NULL);
	bed_start_engine(bed);
	EXPECT(bed_reaches(bed, "Initialized"));
}

static void promote(struct bed *bed, const char *target)
{
	bed_merge(bed, bed_target, target);
	bed_release(bed, "podinfo:2");
	EXPECT(bed_reaches(bed, "Succeeded"));
	EXPECT_TEXT(bed_says(bed, bed_primary, "spec.template.spec.containers[0].image"),
		    "podinfo:2");
}

static const char labelled[] =
	"{\"metadata\":{\"labels\":{\"app\":\"podinfo\",\"app.io/"
	"a\":\"1\",\"team\":\"x\",\"other\":"
	"\"y\",\"kustomize.toolkit.fluxcd.io/name\":\"z\"},\"annotations\":{\"app.io/note\":\"1\","
	"\"other\":\"y\",\"kustomize.toolkit.fluxcd.io/ssa\":\"z\","
	"\"deployment.kubernetes.io/revision\":\"7\"}}}";

static const char *label(const struct bed *bed, const char *name)
{
	SCOPED(text) char *path = xasprintf("metadata.labels[\"%s\"]", name);
	return bed_says(bed, bed_primary, path);
}

static const char *annotation(const struct bed *bed, const char *name)
{
	SCOPED(text) char *path = xasprintf("metadata.annotations[\"%s\"]", name);
	return bed_says(bed, bed_primary, path);
}

/* ---- labels and annotations ---- */

SPEC("primary: of the target's labels it has those with a prefix that is asked for")
{
	static const struct {
		const char *const *include;
		const char *wanted, *other;
	} cases[] = {{NULL, "", ""}, {prefixes, "1", ""}, {all, "1", "y"}};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct bed bed;
		begin(&bed, cases[i].include, labelled);
		for (int promoted = 0; promoted <= 1; promoted++) {
			EXPECT_TEXT(label(&bed, "app"), "podinfo-primary");
			EXPECT_TEXT(label(&bed, "app.io/a"), cases[i].wanted);
			EXPECT_TEXT(label(&bed, "team"), i == 0 ? "" : "x");
			EXPECT_TEXT(label(&bed, "other"), cases[i].other);
			EXPECT_TEXT(label(&bed, "kustomize.toolkit.fluxcd.io/name"), "");
			if (promoted == 0)
				promote(&bed, "{}");
		}
		bed_end(&bed);
	}
}

SPEC("primary: it is made with the target's annotations, keeps them, and follows those asked for")
{
	struct bed bed;
	begin(&bed, prefixes, labelled);
	EXPECT_TEXT(annotation(&bed, "app.io/note"), "1");
	EXPECT_TEXT(annotation(&bed, "other"), "y");
	EXPECT_TEXT(annotation(&bed, "kustomize.toolkit.fluxcd.io/ssa"), "");
	EXPECT_TEXT(annotation(&bed, "deployment.kubernetes.io/revision"), "");
	promote(&bed, "{\"metadata\":{\"annotations\":{\"app.io/note\":\"2\",\"other\":\"2\"},"
		      "\"labels\":{\"app.io/a\":\"2\"}}}");
	EXPECT_TEXT(annotation(&bed, "app.io/note"), "2");
	EXPECT_TEXT(annotation(&bed, "other"), "y");
	EXPECT_TEXT(label(&bed, "app.io/a"), "2");
	bed_end(&bed);
}

SPEC("primary: the deployment controller's own count is not taken along, whatever is asked for")
{
	struct bed bed;
	begin(&bed, all, labelled);
	promote(&bed, "{}");
	EXPECT_TEXT(annotation(&bed, "deployment.kubernetes.io/revision"), "");
	EXPECT_TEXT(annotation(&bed, "other"), "y");
	bed_end(&bed);
}

SPEC("primary: its pods have all labels and annotations of the target's but the tools', and an id")
{
	struct bed bed;
	begin(&bed, NULL,
	      "{\"spec\":{\"template\":{\"metadata\":{\"labels\":{\"version\":\"v1\","
	      "\"kustomize.toolkit.fluxcd.io/x\":\"1\"},\"annotations\":{\"scrape\":\"yes\","
	      "\"helm.toolkit.fluxcd.io/x\":\"1\"}}}}}");
	static const char *const says[][2] = {
		{"spec.template.metadata.labels.app", "podinfo-primary"},
		{"spec.template.metadata.labels.version", "v1"},
		{"spec.template.metadata.labels[\"kustomize.toolkit.fluxcd.io/x\"]", ""},
		{"spec.template.metadata.annotations.scrape", "yes"},
		{"spec.template.metadata.annotations[\"helm.toolkit.fluxcd.io/x\"]", ""},
		{"spec.selector.matchLabels.app", "podinfo-primary"},
		{"metadata.ownerReferences[0].kind", "Canary"},
		{"metadata.ownerReferences[0].name", "podinfo"},
	};
	for (size_t i = 0; i < ARRAY_LEN(says); i++)
		EXPECT_TEXT(bed_says(&bed, bed_primary, says[i][0]), says[i][1]);
	static const char id[] = "spec.template.metadata.annotations.flagger-id";
	SCOPED(text) char *first = xstrdup(bed_says(&bed, bed_primary, id));
	EXPECT_INT(strlen(first), 36);
	promote(&bed, "{}");
	EXPECT(strcmp(bed_says(&bed, bed_primary, id), first) != 0);
	bed_end(&bed);
}

/* ---- how it rolls out ---- */

SPEC("primary: it rolls out as the target does, and has as many pods")
{
	struct bed bed;
	begin(&bed, NULL,
	      "{\"spec\":{\"replicas\":3,\"progressDeadlineSeconds\":61,\"minReadySeconds\":2,"
	      "\"revisionHistoryLimit\":4,\"strategy\":{\"type\":\"Recreate\"}}}");
	static const char *const paths[] = {"spec.replicas", "spec.progressDeadlineSeconds",
					    "spec.minReadySeconds", "spec.revisionHistoryLimit"};
	static const char *const before[] = {"3", "61", "2", "4"};
	static const char *const after[] = {"5", "62", "3", "5"};
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		EXPECT_TEXT(bed_says(&bed, bed_primary, paths[i]), before[i]);
	EXPECT_TEXT(bed_says(&bed, bed_primary, "spec.strategy.type"), "Recreate");
	promote(&bed, "{\"spec\":{\"replicas\":5,\"progressDeadlineSeconds\":62,"
		      "\"minReadySeconds\":3,\"revisionHistoryLimit\":5}}");
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		EXPECT_TEXT(bed_says(&bed, bed_primary, paths[i]), after[i]);
	bed_end(&bed);
}

SPEC("primary: of a target that has no pods it has one")
{
	struct bed bed;
	begin(&bed, NULL, "{\"spec\":{\"replicas\":0}}");
	EXPECT_TEXT(bed_says(&bed, bed_primary, "spec.replicas"), "1");
	bed_end(&bed);
}

SPEC("primary: what means the target's own pods means the primary's in it")
{
	struct bed bed;
	begin(&bed, NULL,
	      "{\"spec\":{\"template\":{\"spec\":{\"affinity\":{\"podAntiAffinity\":{"
	      "\"requiredDuringSchedulingIgnoredDuringExecution\":[{\"labelSelector\":{"
	      "\"matchLabels\":"
	      "{\"app\":\"podinfo\",\"tier\":\"podinfo\"}}}],"
	      "\"preferredDuringSchedulingIgnoredDuringExecution\":[{\"weight\":1,"
	      "\"podAffinityTerm\":"
	      "{\"labelSelector\":{\"matchExpressions\":[{\"key\":\"app\",\"operator\":\"In\","
	      "\"values\":[\"other\",\"podinfo\"]},{\"key\":\"tier\",\"operator\":\"In\","
	      "\"values\":[\"podinfo\"]}]}}}]},\"podAffinity\":{"
	      "\"requiredDuringSchedulingIgnoredDuringExecution\":[{\"labelSelector\":{"
	      "\"matchLabels\":"
	      "{\"app\":\"podinfo\"}}}]}},\"topologySpreadConstraints\":[{\"maxSkew\":1,"
	      "\"labelSelector\":{\"matchLabels\":{\"app\":\"podinfo\"}}},{\"maxSkew\":1,"
	      "\"labelSelector\":{\"matchLabels\":{\"app\":\"other\"}}}]}}}}");
	static const char *const says[][2] = {
		{"affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]."
		 "labelSelector.matchLabels.app",
		 "podinfo-primary"},
		{"affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]."
		 "labelSelector.matchLabels.tier",
		 "podinfo"},
		{"affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]."
		 "podAffinityTerm.labelSelector.matchExpressions[0].values[0]",
		 "other"},
		{"affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]."
		 "podAffinityTerm.labelSelector.matchExpressions[0].values[1]",
		 "podinfo-primary"},
		{"affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]."
		 "podAffinityTerm.labelSelector.matchExpressions[1].values[0]",
		 "podinfo"},
		{"affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]."
		 "labelSelector.matchLabels.app",
		 "podinfo"},
		{"topologySpreadConstraints[0].labelSelector.matchLabels.app", "podinfo-primary"},
		{"topologySpreadConstraints[1].labelSelector.matchLabels.app", "other"},
	};
	for (size_t i = 0; i < ARRAY_LEN(says); i++) {
		SCOPED(text) char *path = xasprintf("spec.template.spec.%s", says[i][0]);
		EXPECT_TEXT(bed_says(&bed, bed_primary, path), says[i][1]);
	}
	bed_end(&bed);
}

/* ---- the target's pods ---- */

SPEC("primary: the target goes to zero, and comes back with the primary's pods")
{
	struct bed bed;
	begin(&bed, NULL, "{\"spec\":{\"replicas\":2}}");
	EXPECT_TEXT(bed_says(&bed, bed_target, "spec.replicas"), "0");
	bed_merge(&bed, bed_primary, "{\"spec\":{\"replicas\":4}}");
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 10));
	EXPECT_TEXT(bed_says(&bed, bed_target, "spec.replicas"), "4");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_TEXT(bed_says(&bed, bed_target, "spec.replicas"), "0");
	EXPECT_TEXT(bed_says(&bed, bed_primary, "spec.replicas"), "4");
	bed_end(&bed);
}
