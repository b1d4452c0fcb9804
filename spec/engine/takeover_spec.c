/*
 * takeover_spec.c - canaries that Flagger left behind, in each of its phases, are taken over as
 * they are.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "bed.h"
#include "spec.h"

static void begin(struct bed *bed, const char *patch)
{
	bed_begin(bed);
	bed_put_canary(bed, patch);
	bed_start_engine(bed);
	bed_reaches(bed, "Initialized");
}

static void expect_rest(struct bed *bed, const char *phase)
{
	int before = bed_events(bed, "New revision detected");
	bed_start_engine(bed);
	bed_run(bed, 120);
	EXPECT_TEXT(bed_phase(bed), phase);
	EXPECT_INT(bed_events(bed, "New revision detected") - before, 0);
	EXPECT_INT(bed_weight(bed), 0);
}

SPEC("takeover: at rest nothing is set off, and the next revision is")
{
	struct bed bed;
	begin(&bed, NULL);
	bed_leave_to_flagger(&bed);
	expect_rest(&bed, "Initialized");
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_leave_to_flagger(&bed);
	expect_rest(&bed, "Succeeded");
	bed_end(&bed);
}

SPEC("takeover: a revision that came while nobody looked is rolled out")
{
	struct bed bed;
	begin(&bed, NULL);
	bed_leave_to_flagger(&bed);
	bed_release(&bed, "podinfo:2");
	bed_start_engine(&bed);
	EXPECT(bed_reaches_weight(&bed, 5));
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_TEXT(bed_says(&bed, bed_primary, "spec.template.spec.containers[0].image"),
		    "podinfo:2");
	bed_end(&bed);
}

SPEC("takeover: no event is taken for one of a life before, be the status Flagger's or gone")
{
	struct bed bed;
	begin(&bed, NULL);
	for (int i = 1; i <= 4; i++) {
		char image[20];
		snprintf(image, sizeof(image), "podinfo:%d", i + 1);
		bed_release(&bed, image);
		EXPECT(bed_reaches_weight(&bed, 5));
		EXPECT(bed_reaches(&bed, "Succeeded"));
		EXPECT_INT(bed_events(&bed, "New revision detected"), i);
		EXPECT_INT(bed_events(&bed, "Starting canary analysis"), i);
		EXPECT_INT(bed_events(&bed, "Promotion completed!"), i);
		bed_leave_to_flagger(&bed);
		if (i % 2 == 1)
			bed_merge_status(&bed, "{\"status\":null}");
		bed_start_engine(&bed);
		bed_run(&bed, 3);
	}
	bed_end(&bed);
}

SPEC("takeover: what has failed is not tried again, what comes next is")
{
	struct bed bed;
	begin(&bed, NULL);
	bed.success = 10;
	bed_release(&bed, "podinfo:bad");
	EXPECT(bed_reaches(&bed, "Failed"));
	bed_leave_to_flagger(&bed);
	expect_rest(&bed, "Failed");
	bed.success = 100;
	bed_release(&bed, "podinfo:3");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_end(&bed);
}

SPEC("takeover: an analysis goes on at the weight that the route has")
{
	struct bed bed;
	begin(&bed, NULL);
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 20));
	bed_leave_to_flagger(&bed);
	int before = bed_events(&bed, "canary weight 25");
	bed_start_engine(&bed);
	bed_run(&bed, 1);
	EXPECT(bed_weight(&bed) >= 20);
	EXPECT(bed_reaches_weight(&bed, 25));
	EXPECT_INT(bed_events(&bed, "canary weight 25") - before, 1);
	EXPECT_INT(bed_events(&bed, "canary weight 5"), 1);
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_end(&bed);
}

static const char gate[] = "{\"spec\":{\"analysis\":{\"webhooks\":[{\"name\":\"gate\",\"type\":"
			   "\"confirm-promotion\",\"url\":\"http://gate/\"}]}}}";

SPEC("takeover: while it waits for promotion the route knows the weight that the status does not "
     "show")
{
	struct bed bed;
	begin(&bed, gate);
	bed.hook_status = 403;
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches(&bed, "WaitingPromotion"));
	EXPECT_INT(bed_weight(&bed), 50);
	bed_leave_to_flagger(&bed);
	bed_merge_status(&bed, "{\"status\":{\"canaryWeight\":0,\"iterations\":-1}}");
	bed_start_engine(&bed);
	bed_run(&bed, 60);
	EXPECT_TEXT(bed_phase(&bed), "WaitingPromotion");
	EXPECT_INT(bed_weight(&bed), 50);
	bed.hook_status = 200;
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_end(&bed);
}

SPEC("takeover: a promotion that is under way is not made twice")
{
	struct bed bed;
	begin(&bed, NULL);
	bed_merge(&bed, bed_primary,
		  "{\"metadata\":{\"annotations\":{\"sim.sluice.dev/ready-after\":\"30s\"}}}");
	bed_release(&bed, "podinfo:2");
	for (int i = 0; i < 3600 && strcmp(bed_phase(&bed), "Promoting") != 0; i++)
		bed_run(&bed, 1);
	bed_run(&bed, 3); /* copied, and not ready */
	EXPECT_TEXT(bed_says(&bed, bed_primary, "spec.template.spec.containers[0].image"),
		    "podinfo:2");
	bed_leave_to_flagger(&bed);
	SCOPED(text)
	char *generation = xstrdup(bed_says(&bed, bed_primary, "metadata.generation"));
	EXPECT_INT(bed_weight(&bed), 50);
	bed_start_engine(&bed);
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_TEXT(bed_says(&bed, bed_primary, "metadata.generation"), generation);
	EXPECT_INT(bed_weight(&bed), 0);
	bed_end(&bed);
}

static const char config[] = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
			     "\"settings\",\"namespace\":\"test\"},\"data\":{\"color\":\"%s\"}}";

static void put_config(struct bed *bed, const char *color)
{
	char text[400];
	snprintf(text, sizeof(text), config, color);
	bed_put(bed, text);
}

SPEC("takeover: a config that changed while nobody looked is rolled out, one that did not is not")
{
	struct bed bed;
	bed_begin(&bed);
	put_config(&bed, "blue");
	bed_merge(&bed, bed_target,
		  "{\"spec\":{\"template\":{\"spec\":{\"volumes\":[{\"name\":\"settings\","
		  "\"configMap\":{\"name\":\"settings\"}}]}}}}");
	bed_put_canary(&bed, NULL);
	bed_start_engine(&bed);
	EXPECT(bed_reaches(&bed, "Initialized"));
	bed_leave_to_flagger(&bed);
	expect_rest(&bed, "Initialized");
	bed_leave_to_flagger(&bed);
	put_config(&bed, "green");
	bed_start_engine(&bed);
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_TEXT(
		bed_says(&bed, "/api/v1/namespaces/test/configmaps/settings-primary", "data.color"),
		"green");
	bed_end(&bed);
}

/* The target uses a config; the primary comes up 30 s after each change of it. */
static void begin_with_config(struct bed *bed)
{
	bed_begin(bed);
	put_config(bed, "blue");
	bed_merge(bed, bed_target,
		  "{\"spec\":{\"template\":{\"spec\":{\"volumes\":[{\"name\":\"settings\","
		  "\"configMap\":{\"name\":\"settings\"}}]}}}}");
	bed_put_canary(bed, NULL);
	bed_start_engine(bed);
	EXPECT(bed_reaches(bed, "Initialized"));
	bed_merge(bed, bed_primary,
		  "{\"metadata\":{\"annotations\":{\"sim.sluice.dev/ready-after\":\"30s\"}}}");
}

SPEC("takeover: nor is it made twice with configs, which another controller's id says nothing of")
{
	struct bed bed;
	begin_with_config(&bed);
	bed_release(&bed, "podinfo:2");
	for (int i = 0; i < 3600 && strcmp(bed_phase(&bed), "Promoting") != 0; i++)
		bed_run(&bed, 1);
	bed_run(&bed, 3);
	bed_leave_to_flagger(&bed);
	SCOPED(text)
	char *generation = xstrdup(bed_says(&bed, bed_primary, "metadata.generation"));
	bed_start_engine(&bed);
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_TEXT(bed_says(&bed, bed_primary, "metadata.generation"), generation);
	/* Configs that changed since the copies were made are another matter. */
	put_config(&bed, "green");
	EXPECT(bed_reaches_weight(&bed, 5));
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT(strcmp(bed_says(&bed, bed_primary, "metadata.generation"), generation) != 0);
	bed_end(&bed);
}

SPEC("takeover: a primary with configs that is just being made is not made again")
{
	struct bed bed;
	begin_with_config(&bed);
	bed_leave_to_flagger(&bed);
	bed_merge_status(&bed, "{\"status\":{\"phase\":\"Initializing\"}}");
	SCOPED(text)
	char *generation = xstrdup(bed_says(&bed, bed_primary, "metadata.generation"));
	bed_start_engine(&bed);
	EXPECT(bed_reaches(&bed, "Initialized"));
	EXPECT_TEXT(bed_says(&bed, bed_primary, "metadata.generation"), generation);
	bed_end(&bed);
}

SPEC("takeover: in mid-run the revision that another controller promoted is known, configs and all")
{
	struct bed bed;
	begin_with_config(&bed);
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 10));
	SCOPED(text)
	char *image =
		xstrdup(bed_says(&bed, bed_primary, "spec.template.spec.containers[0].image"));
	bed_leave_to_flagger(&bed);
	bed_start_engine(&bed);
	bed_run(&bed, 1);
	bed_release(&bed, image);
	EXPECT(bed_reaches(&bed, "Failed"));
	EXPECT_INT(bed_events(&bed, "the target is back at the promoted revision"), 1);
	bed_end(&bed);
}
