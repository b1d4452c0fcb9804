/*
 * command_spec.c - what operators ask of canaries: taken once, in every phase that has a meaning
 * for it, and refused with a sentence in the others.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "bed.h"
#include "canary/command.h"
#include "canary/phase_table.h"
#include "spec.h"

static void begin(struct bed *bed, const char *patch)
{
	bed_begin(bed);
	bed_put_canary(bed, patch);
	bed_start_engine(bed);
	bed_reaches(bed, "Initialized");
}

/* As kubectl annotate does; NULL takes it away. */
static void ask(struct bed *bed, const char *value)
{
	SCOPED(json) cJSON *patch = cJSON_CreateObject();
	cJSON *annotations = cJSON_CreateObject();
	struct error err = {0};
	if (value == NULL)
		cJSON_AddNullToObject(annotations, COMMAND_ANNOTATION);
	else
		cJSON_AddStringToObject(annotations, COMMAND_ANNOTATION, value);
	json_put(patch, "metadata.annotations", annotations);
	EXPECT(cluster_merge(bed->cluster, bed_canary, patch, &err));
}

static void under_way(struct bed *bed, const char *patch)
{
	begin(bed, patch);
	bed_release(bed, "podinfo:2");
	EXPECT(bed_reaches_weight(bed, 10));
}

/* ---- the annotation ---- */

SPEC("command: the short and the long form, and what is none")
{
	struct command command;
	struct error err = {0};
	EXPECT(command_parse(&command, "skip-to 40", &err));
	EXPECT_INT(command.kind, COMMAND_SKIP_TO);
	EXPECT_INT(command.weight, 40);
	EXPECT(command_parse(&command,
			     "{\"do\":\"skip-to\",\"weight\":5,\"by\":\"jane\\n\",\"at\":\"now\"}",
			     &err));
	EXPECT_INT(command.weight, 5);
	EXPECT_TEXT(command.by, "jane ");
	static const char *const wrong[] = {"",
					    "promot",
					    "skip-to",
					    "skip-to 4.5",
					    "skip-to 101",
					    "skip-to 40 %",
					    "{\"do\":\"skip-to\"}",
					    "{\"do\":3}",
					    "{}",
					    "[]"};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		EXPECT(!command_parse(&command, wrong[i], &err));
		EXPECT(command.digest[0] != '\0');
	}
}

SPEC("command: an id makes it another, and the rest of the text does not")
{
	char one[HASH_TEXT_MAX], other[HASH_TEXT_MAX];
	command_digest("{\"do\":\"abort\",\"id\":\"a\"}", one);
	command_digest("{\"id\":\"a\", \"do\":\"abort\"}", other);
	EXPECT_TEXT(one, other);
	command_digest("{\"do\":\"abort\",\"id\":\"b\"}", other);
	EXPECT(strcmp(one, other) != 0);
	command_digest(NULL, one);
	EXPECT_TEXT(one, "");
}

SPEC("command: each phase says what each command does there, or why it does not")
{
	for (enum phase phase = 0; phase < PHASES; phase++)
		for (enum command_kind kind = 0; kind < COMMANDS; kind++)
			EXPECT((command_does(phase, kind) == NULL) !=
			       (command_refusal(phase, kind) == NULL));
	SCOPED(text) char *table = phase_table_text();
	EXPECT_CONTAINS(table, "sluice abort       all traffic goes back to the primary at once");
	EXPECT_CONTAINS(table, "sluice abort       refused: no release is under way");
}

/* ---- what they do ---- */

SPEC("command: promote skips the rest of the analysis, and says who asked and when")
{
	struct bed bed;
	under_way(&bed, NULL);
	ask(&bed,
	    "{\"do\":\"promote\",\"id\":\"1\",\"by\":\"jane\",\"at\":\"2026-11-26T16:40:00Z\"}");
	bed_run(&bed, 2);
	EXPECT(bed_weight(&bed) <= 10);
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_INT(bed_events(&bed,
			      "Command promote of podinfo.test by jane at 2026-11-26T16:40:00Z: "
			      "the rest of the analysis is skipped"),
		   1);
	EXPECT_INT(bed_events(&bed, "canary weight 15"), 0);
	EXPECT_TEXT(bed_says(&bed, bed_primary, "spec.template.spec.containers[0].image"),
		    "podinfo:2");
	bed_end(&bed);
}

SPEC("command: it acts once: the next release is analysed, though the annotation is still there")
{
	struct bed bed;
	under_way(&bed, NULL);
	ask(&bed, "promote");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_release(&bed, "podinfo:3");
	EXPECT(bed_reaches_weight(&bed, 15));
	/* Taken away and said again it is another. */
	ask(&bed, NULL);
	bed_run(&bed, 1);
	ask(&bed, "promote");
	bed_run(&bed, 1);
	EXPECT_TEXT(bed_phase(&bed), "Promoting");
	bed_end(&bed);
}

SPEC("command: abort rolls back at once")
{
	struct bed bed;
	under_way(&bed, NULL);
	ask(&bed, "{\"do\":\"abort\",\"by\":\"jane\"}");
	bed_run(&bed, 1);
	EXPECT_TEXT(bed_phase(&bed), "Failed");
	EXPECT_INT(bed_weight(&bed), 0);
	EXPECT_INT(bed_events(&bed, "Rolling back podinfo.test aborted by jane"), 1);
	bed_end(&bed);
}

static void expect_images(const struct bed *bed, const char *target, const char *primary)
{
	static const char path[] = "spec.template.spec.containers[0].image";
	EXPECT_TEXT(bed_says(bed, bed_target, path), target);
	EXPECT_TEXT(bed_says(bed, bed_primary, path), primary);
}

SPEC("command: abort of a promotion gives the primary what it ran before, and retry releases anew")
{
	struct bed bed;
	begin(&bed, "{\"spec\":{\"analysis\":{\"stepWeightPromotion\":20}}}");
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches(&bed, "Promoting"));
	bed_run(&bed, 20);
	expect_images(&bed, "podinfo:2", "podinfo:2");
	ask(&bed, "{\"do\":\"abort\",\"by\":\"jane\"}");
	bed_run(&bed, 5);
	EXPECT_TEXT(bed_phase(&bed), "Failed");
	expect_images(&bed, "podinfo:2", "ghcr.io/stefanprodan/podinfo:6.0.0");
	EXPECT_TEXT(bed_says(&bed, bed_target, "spec.replicas"), "0");
	bed_run(&bed, 600);
	EXPECT_TEXT(bed_phase(&bed), "Failed");
	ask(&bed, "retry");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	expect_images(&bed, "podinfo:2", "podinfo:2");
	bed_end(&bed);
}

SPEC("command: abort of a promotion is refused when nobody knows what the primary ran before")
{
	struct bed bed;
	begin(&bed, NULL);
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches(&bed, "Finalising"));
	bed_merge(&bed, bed_primary,
		  "{\"metadata\":{\"annotations\":{\"sluice.dev/former-template\":null}}}");
	ask(&bed, "abort");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_INT(bed_events(&bed, "refused: the primary runs the "
				    "revision already, and what it ran before is not known: "
				    "release the former one"),
		   1);
	bed_end(&bed);
}

static const char gates[] =
	"{\"spec\":{\"analysis\":{\"webhooks\":[{\"name\":\"start\",\"type\":\"confirm-rollout\","
	"\"url\":\"http://gate/\"},{\"name\":\"more\",\"type\":\"confirm-traffic-increase\","
	"\"url\":\"http://gate/\"},{\"name\":\"end\",\"type\":\"confirm-promotion\",\"url\":"
	"\"http://gate/\"}]}}}";

SPEC("command: abort of what waits for approval refuses the revision; retry takes it up again")
{
	struct bed bed;
	begin(&bed, gates);
	bed.hook_status = 403;
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches(&bed, "Waiting"));
	ask(&bed, "abort");
	bed_run(&bed, 120);
	EXPECT_TEXT(bed_phase(&bed), "Initialized");
	ask(&bed, "retry");
	EXPECT(bed_reaches(&bed, "Waiting"));
	bed_end(&bed);
}

SPEC("command: each gate is approved by a command of its own")
{
	struct bed bed;
	begin(&bed, gates);
	bed.hook_status = 403;
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches(&bed, "Waiting"));
	ask(&bed, "{\"do\":\"approve\",\"id\":\"1\"}");
	EXPECT(bed_reaches(&bed, "Progressing"));
	bed_run(&bed, 120);
	EXPECT_INT(bed_weight(&bed), 0);
	ask(&bed, "{\"do\":\"approve\",\"id\":\"2\"}");
	bed_run(&bed, 2);
	EXPECT_INT(bed_weight(&bed), 5);
	bed_run(&bed, 300);
	EXPECT_INT(bed_weight(&bed), 5);
	ask(&bed, "{\"do\":\"skip-to\",\"weight\":50}");
	bed_run(&bed, 1);
	EXPECT_INT(bed_weight(&bed), 50);
	bed.hook_status = 200;
	bed_run(&bed, 5);
	bed.hook_status = 403;
	EXPECT(!bed_events(&bed, "waiting for promotion approval"));
	bed_run(&bed, 120);
	ask(&bed, "{\"do\":\"approve\",\"id\":\"3\"}");
	EXPECT(bed_reaches(&bed, "WaitingPromotion"));
	bed_run(&bed, 120);
	EXPECT_TEXT(bed_phase(&bed), "WaitingPromotion");
	ask(&bed, "{\"do\":\"approve\",\"id\":\"4\"}");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_end(&bed);
}

SPEC("command: skip-to sets the weight, and the steps go on from there")
{
	struct bed bed;
	under_way(&bed, NULL);
	ask(&bed, "skip-to 32");
	bed_run(&bed, 1);
	EXPECT_INT(bed_weight(&bed), 32);
	EXPECT(bed_reaches_weight(&bed, 37));
	ask(&bed, "skip-to 60");
	bed_run(&bed, 1);
	EXPECT_INT(bed_weight(&bed), 37);
	EXPECT_INT(bed_events(&bed, "refused: its analysis ends at "
				    "weight 50: promote goes further"),
		   1);
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_end(&bed);
}

SPEC("command: between two listed steps the next one is taken")
{
	struct bed bed;
	under_way(&bed, "{\"spec\":{\"analysis\":{\"stepWeight\":null,\"maxWeight\":null,"
			"\"stepWeights\":[10,20,50]}}}");
	ask(&bed, "skip-to 15");
	bed_run(&bed, 1);
	EXPECT_INT(bed_weight(&bed), 15);
	EXPECT(bed_reaches_weight(&bed, 20));
	bed_end(&bed);
}

SPEC("command: paused it stays where it is, and goes on where it was")
{
	struct bed bed;
	under_way(&bed, NULL);
	ask(&bed, "pause");
	bed_run(&bed, 3600);
	EXPECT_INT(bed_weight(&bed), 10);
	EXPECT_INT(bed_events(&bed, "Command pause of podinfo.test by kubectl at "), 1);
	uint64_t before = kube_requests(bed.kube);
	SCOPED(text)
	char *version = xstrdup(bed_says(&bed, bed_canary, "metadata.resourceVersion"));
	bed_run(&bed, 3600);
	EXPECT_TEXT(bed_says(&bed, bed_canary, "metadata.resourceVersion"), version);
	EXPECT(kube_requests(bed.kube) - before < 200); /* its watches, of six minutes */
	ask(&bed, "skip-to 20");
	bed_run(&bed, 600);
	EXPECT_INT(bed_weight(&bed), 20);
	ask(&bed, "resume");
	bed_run(&bed, 1);
	EXPECT_INT(bed_weight(&bed), 20);
	EXPECT(bed_reaches_weight(&bed, 25));
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_end(&bed);
}

SPEC("command: no deadline runs out while it is paused")
{
	struct bed bed;
	begin(&bed, "{\"spec\":{\"progressDeadlineSeconds\":60}}");
	bed_release(&bed, "podinfo:never-ready");
	EXPECT(bed_reaches(&bed, "Progressing"));
	bed_run(&bed, 20);
	ask(&bed, "pause");
	bed_run(&bed, 3600);
	EXPECT_TEXT(bed_phase(&bed), "Progressing");
	ask(&bed, "resume");
	bed_run(&bed, 30);
	EXPECT_TEXT(bed_phase(&bed), "Progressing");
	EXPECT(bed_reaches(&bed, "Failed"));
	bed_end(&bed);
}

SPEC("command: nor one of a primary that died meanwhile, when it is aborted")
{
	struct bed bed;
	under_way(&bed, "{\"spec\":{\"progressDeadlineSeconds\":60}}");
	ask(&bed, "pause");
	bed_run(&bed, 5);
	bed_merge(&bed, bed_primary,
		  "{\"metadata\":{\"annotations\":{\"sim.sluice.dev/down\":\"true\"}}}");
	bed_run(&bed, 600);
	ask(&bed, "abort");
	bed_run(&bed, 2);
	EXPECT_INT(bed_events(&bed, "keeps all traffic"), 0);
	EXPECT_TEXT(bed_says(&bed, bed_canary, "status.canaryWeight"), "0");
	bed_merge(&bed, bed_primary,
		  "{\"metadata\":{\"annotations\":{\"sim.sluice.dev/down\":null}}}");
	bed_run(&bed, 5);
	EXPECT_INT(bed_weight(&bed), 0);
	bed_end(&bed);
}

SPEC("command: paused at rest, a new revision is begun only when it is resumed")
{
	struct bed bed;
	begin(&bed, NULL);
	ask(&bed, "pause");
	bed_run(&bed, 2);
	bed_release(&bed, "podinfo:2");
	bed_run(&bed, 600);
	EXPECT_TEXT(bed_phase(&bed), "Initialized");
	ask(&bed, "resume");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_end(&bed);
}

SPEC("command: a paused release can be aborted, and the next one is not paused")
{
	struct bed bed;
	under_way(&bed, NULL);
	ask(&bed, "pause");
	bed_run(&bed, 60);
	ask(&bed, "abort");
	bed_run(&bed, 2);
	EXPECT_TEXT(bed_phase(&bed), "Failed");
	EXPECT_INT(bed_weight(&bed), 0);
	bed_release(&bed, "podinfo:3");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_end(&bed);
}

SPEC("command: retry starts what failed again")
{
	struct bed bed;
	begin(&bed, NULL);
	bed.success = 10;
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches(&bed, "Failed"));
	bed.success = 100;
	bed_run(&bed, 600);
	EXPECT_TEXT(bed_phase(&bed), "Failed");
	ask(&bed, "retry");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	ask(&bed, "{\"do\":\"retry\",\"id\":\"2\"}");
	bed_run(&bed, 2);
	EXPECT_INT(bed_events(&bed, "refused: the last release was promoted"), 1);
	bed_end(&bed);
}

SPEC("command: what has no meaning is refused once, and nothing else happens")
{
	struct bed bed;
	begin(&bed, NULL);
	ask(&bed, "abort");
	bed_run(&bed, 60);
	EXPECT_INT(bed_events(&bed, "refused: no release is under way"), 1);
	ask(&bed, "explode");
	bed_run(&bed, 60);
	EXPECT_INT(bed_events(&bed, "refused: \"explode\" is none of promote, abort"), 1);
	EXPECT_TEXT(bed_phase(&bed), "Initialized");
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_end(&bed);
}

SPEC("command: a promotion that was meant for the revision before does not hit the next")
{
	struct bed bed;
	under_way(&bed, NULL);
	bed_release(&bed, "podinfo:3");
	ask(&bed, "promote");
	bed_run(&bed, 5);
	EXPECT_INT(bed_events(&bed, "refused: the target has a newer"), 1);
	ask(&bed, "{\"do\":\"promote\",\"revision\":\"of-yesterday\"}");
	bed_run(&bed, 5);
	EXPECT_INT(bed_events(&bed, "refused: it was about another revision"), 1);
	EXPECT_TEXT(bed_phase(&bed), "Progressing");
	bed_end(&bed);
}

SPEC("command: promote waits for a canary that is ready")
{
	struct bed bed;
	begin(&bed, "{\"spec\":{\"progressDeadlineSeconds\":600}}");
	bed_merge(&bed, bed_target,
		  "{\"metadata\":{\"annotations\":{\"sim.sluice.dev/ready-after\":\"60s\"}}}");
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches(&bed, "Progressing"));
	ask(&bed, "promote");
	bed_run(&bed, 30);
	EXPECT_TEXT(bed_phase(&bed), "Progressing");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_INT(bed_events(&bed, "Command promote"), 1);
	bed_end(&bed);
}

SPEC("command: promote of what waits for approval asks neither gates nor checks")
{
	struct bed bed;
	begin(&bed, gates);
	bed.hook_status = 403;
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches(&bed, "Waiting"));
	ask(&bed, "promote");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_end(&bed);
}
