/*
 * observer_spec.c - beside another controller: the same decisions are seen to be the same, others
 * are told, and nothing is touched. The other controller is a script that writes what Flagger does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "bed.h"
#include "canary/observer.h"
#include "spec.h"

static int writes; /* that the fence was asked about: of ours */

static bool count_write(void *owner, const char *path)
{
	(void)owner;
	(void)path;
	writes++;
	return false;
}

struct stand {
	struct bed bed;
	struct observer *observer;
	FILE *file;
	char *told;
	size_t told_len;
	const char *policy;
};

/* What Flagger's status says next. Its hash of a revision is not ours. */
static void flagger(struct stand *stand, const char *phase, int weight, int failed, int iterations)
{
	static int clock;
	char text[600];
	struct error err = {0};
	snprintf(text, sizeof(text),
		 "{\"status\":{\"phase\":\"%s\",\"canaryWeight\":%d,\"failedChecks\":%d,"
		 "\"iterations\":%d,\"lastTransitionTime\":\"2026-01-01T00:%02d:%02dZ\"}}",
		 phase, weight, failed, iterations, clock / 60 % 60, clock % 60);
	clock++;
	SCOPED(json) cJSON *patch = json_parse(text, strlen(text), &err);
	EXPECT(cluster_merge(stand->bed.cluster, bed_canary, patch, &err));
	bed_run(&stand->bed, 10);
}

static void primary_runs(struct stand *stand, const char *image)
{
	SCOPED(text)
	char *text = xasprintf("{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":"
			       "\"podinfod\",\"image\":\"%s\"}]}}}}",
			       image);
	bed_merge(&stand->bed, bed_primary, text);
}

/* An initialised canary that Flagger has, and an observer. */
static void begin(struct stand *stand, const char *patch, const char *policy)
{
	struct bed *bed = &stand->bed;
	*stand = (struct stand){.policy = policy};
	bed_begin(bed);
	bed_put_canary(bed, patch);
	bed_start_engine(bed);
	bed_reaches(bed, "Initialized");
	bed_leave_to_flagger(bed);
	stand->file = open_memstream(&stand->told, &stand->told_len);
	writes = 0;
	kube_fence(bed->kube, count_write, NULL);
	const struct observer_options options = {
		.policy = policy, .json = stand->file, .spec = {.default_provider = "kubernetes"}};
	stand->observer = observer_new(&bed->world, &options);
	bed_run(bed, 5);
}

static void end(struct stand *stand)
{
	observer_free(stand->observer);
	bed_end(&stand->bed);
	fclose(stand->file);
	free(stand->told);
	EXPECT_INT(writes, 0);
}

static int told(const struct stand *stand, const char *part)
{
	int count = 0;
	fflush(stand->file);
	for (const char *at = stand->told; (at = strstr(at, part)) != NULL; at++)
		count++;
	return count;
}

static void expect_told(const struct stand *stand, int alike, int different)
{
	EXPECT_INT(told(stand, "\"alike\":true"), alike);
	EXPECT_INT(told(stand, "\"alike\":false"), different);
	if (told(stand, "\"alike\":false") != different)
		spec_fail(__FILE__, __LINE__, "%s", stand->told);
}

static void expect_series(const struct stand *stand, const char *line)
{
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, 1 << 16);
	observer_write(stand->observer, &text);
	if (strstr(text.text, line) == NULL)
		spec_fail(__FILE__, __LINE__, "no %s in %s", line, text.text);
}

/* Scaled up, and ready. */
static void release(struct stand *stand, const char *image)
{
	bed_release(&stand->bed, image);
	bed_run(&stand->bed, 3);
	flagger(stand, "Progressing", 0, 0, 0);
	bed_merge(&stand->bed, bed_target, "{\"spec\":{\"replicas\":2}}");
}

static void promote(struct stand *stand, const char *image)
{
	primary_runs(stand, image);
	flagger(stand, "Promoting", 50, 0, 0);
	flagger(stand, "Finalising", 0, 0, 0);
	flagger(stand, "Succeeded", 0, 0, 0);
}

SPEC("observer: a release on which both agree is told as such, decision by decision")
{
	struct stand stand;
	begin(&stand, NULL, NULL);
	for (int i = 2; i < 4; i++) {
		char image[20];
		snprintf(image, sizeof(image), "podinfo:%d", i);
		release(&stand, image);
		for (int weight = 5; weight <= 50; weight += 5)
			flagger(&stand, "Progressing", weight, 0, 0);
		promote(&stand, image);
		expect_told(&stand, (i - 1) * 14, 0);
	}
	EXPECT_INT(told(&stand, "\"releases\":2,\"decisions\":28,\"differences\":0"), 1);
	expect_series(&stand,
		      "sluice_observe_decisions_total{name=\"podinfo\",namespace=\"test\"} 28");
	end(&stand);
}

SPEC("observer: failed checks and the rollback after them are seen, on the same numbers")
{
	struct stand stand;
	begin(&stand, "{\"spec\":{\"analysis\":{\"threshold\":2}}}", NULL);
	release(&stand, "podinfo:2");
	flagger(&stand, "Progressing", 5, 0, 0);
	stand.bed.success = 50;
	flagger(&stand, "Progressing", 5, 1, 0);
	flagger(&stand, "Progressing", 5, 2, 0);
	flagger(&stand, "Failed", 0, 0, 0);
	expect_told(&stand, 5, 0);
	EXPECT_INT(told(&stand, "\"value\":50"), 4);
	bed_run(&stand.bed, 300);
	expect_told(&stand, 5, 0);
	end(&stand);
}

static const char cautious[] =
	"return { judge = function(rollout, sample)\n"
	"  if sample.value < 99.9 then return { verdict = \"fail\", reason = \"below 99.9: \" .. "
	"sample.value } end\n"
	"  return { verdict = \"pass\" }\n"
	"end }\n";

SPEC("observer: a policy that would have differed: at which step, on which number")
{
	struct stand stand;
	begin(&stand, NULL, cautious);
	release(&stand, "podinfo:2");
	flagger(&stand, "Progressing", 5, 0, 0);
	flagger(&stand, "Progressing", 10, 0, 0);
	expect_told(&stand, 3, 0);
	stand.bed.success = 99.5;
	flagger(&stand, "Progressing", 15, 0, 0);
	expect_told(&stand, 3, 1);
	EXPECT_INT(told(&stand, "\"at\":{\"phase\":\"Progressing\",\"weight\":10,\"iterations\":0,"
				"\"failedChecks\":0,\"step\":2}"),
		   1);
	EXPECT_INT(told(&stand, "\"reason\":\"below 99.9: 99.5\""), 1);
	expect_series(&stand, "sluice_observe_differences_total{name=\"podinfo\",namespace="
			      "\"test\",theirs=\"route\",ours=\"fail-check\"} 1");
	/* What it does next is compared from where it is. */
	stand.bed.success = 100;
	flagger(&stand, "Progressing", 20, 0, 0);
	expect_told(&stand, 4, 1);
	end(&stand);
}

SPEC("observer: a store that fails holds ours, and is a failed check there")
{
	struct stand stand;
	begin(&stand, NULL, NULL);
	release(&stand, "podinfo:2");
	flagger(&stand, "Progressing", 5, 0, 0);
	stand.bed.kind = SAMPLE_ERROR;
	flagger(&stand, "Progressing", 5, 1, 0);
	expect_told(&stand, 2, 1);
	EXPECT_INT(told(&stand, "\"move\":\"hold\""), 1);
	end(&stand);
}

static const char hooks[] =
	"{\"spec\":{\"analysis\":{\"webhooks\":["
	"{\"name\":\"gate\",\"type\":\"confirm-rollout\",\"url\":\"http://hooks/gate\"},"
	"{\"name\":\"before\",\"type\":\"pre-rollout\",\"url\":\"http://hooks/before\"},"
	"{\"name\":\"load\",\"type\":\"rollout\",\"url\":\"http://hooks/load\"},"
	"{\"name\":\"more\",\"type\":\"confirm-traffic-increase\",\"url\":\"http://hooks/more\"},"
	"{\"name\":\"end\",\"type\":\"confirm-promotion\",\"url\":\"http://hooks/end\"},"
	"{\"name\":\"undo\",\"type\":\"rollback\",\"url\":\"http://hooks/undo\"},"
	"{\"name\":\"after\",\"type\":\"post-rollout\",\"url\":\"http://hooks/after\"},"
	"{\"name\":\"told\",\"type\":\"event\",\"url\":\"http://hooks/told\"}]}}}";

static int called;

static uint64_t no_hook(struct http *http, const struct http_request *request, http_piece *piece,
			http_done *done, void *owner, uint64_t token)
{
	(void)http, (void)piece, (void)done, (void)owner, (void)token;
	called++;
	spec_fail(__FILE__, __LINE__, "%s was called", request->url);
	return 0;
}

SPEC("observer: webhooks are not called: what they said is what the other controller did")
{
	static const struct http_ops no_hooks = {.send = no_hook};
	static struct http none = {.ops = &no_hooks};
	struct stand stand;
	begin(&stand, hooks, NULL);
	stand.bed.world.asks.http = &none;
	called = 0;
	bed_release(&stand.bed, "podinfo:2");
	bed_run(&stand.bed, 3);
	flagger(&stand, "Waiting", 0, 0, 0); /* the gate is closed */
	bed_run(&stand.bed, 120);
	flagger(&stand, "Progressing", 0, 0, 0);
	bed_merge(&stand.bed, bed_target, "{\"spec\":{\"replicas\":2}}");
	flagger(&stand, "Progressing", 0, 1, 0); /* the acceptance test fails */
	flagger(&stand, "Progressing", 5, 1, 0);
	flagger(&stand, "Progressing", 5, 2, 0); /* the load test, as the metrics are good */
	bed_run(&stand.bed, 120);		 /* no more traffic is approved */
	for (int weight = 10; weight <= 50; weight += 5)
		flagger(&stand, "Progressing", weight, 2, 0);
	flagger(&stand, "WaitingPromotion", 0, 2, -1);
	flagger(&stand, "WaitingPromotion", 0, 2, -1);
	bed_run(&stand.bed, 120);
	primary_runs(&stand, "podinfo:2");
	flagger(&stand, "Promoting", 50, 2, 0);
	flagger(&stand, "Finalising", 0, 2, 0);
	flagger(&stand, "Succeeded", 0, 0, 0);
	expect_told(&stand, 19, 0);
	EXPECT_INT(called, 0);
	release(&stand, "podinfo:3");
	flagger(&stand, "Progressing", 5, 0, 0);
	flagger(&stand, "Failed", 0, 0, 0); /* the rollback webhook */
	expect_told(&stand, 22, 0);
	EXPECT_INT(called, 0);
	end(&stand);
}

SPEC("observer: a metric that explains a failed check is not taken for a webhook")
{
	struct stand stand;
	begin(&stand, hooks, "return { judge = function() return { verdict = \"pass\" } end }\n");
	release(&stand, "podinfo:2");
	flagger(&stand, "Progressing", 5, 0, 0);
	stand.bed.success = 50;
	flagger(&stand, "Progressing", 5, 1, 0);
	expect_told(&stand, 2, 1);
	EXPECT_INT(told(&stand, "\"move\":\"fail-check\"},\"ours\":{\"phase\":\"Progressing\","
				"\"weight\":10"),
		   1);
	end(&stand);
}

SPEC("observer: that the other controller does nothing is told once, until it does something")
{
	struct stand stand;
	begin(&stand, NULL, NULL);
	release(&stand, "podinfo:2");
	flagger(&stand, "Progressing", 5, 0, 0);
	bed_run(&stand.bed, 300);
	expect_told(&stand, 2, 1);
	EXPECT_INT(told(&stand, "\"idleSeconds\""), 1);
	flagger(&stand, "Progressing", 10, 0, 0);
	expect_told(&stand, 3, 1);
	end(&stand);
}

SPEC("observer: a release that it does not begin is told, one that has not changed is not")
{
	struct stand stand;
	begin(&stand, NULL, NULL);
	bed_run(&stand.bed, 600);
	expect_told(&stand, 0, 0);
	bed_release(&stand.bed, "podinfo:2");
	bed_run(&stand.bed, 300);
	expect_told(&stand, 0, 1);
	EXPECT_INT(told(&stand, "\"move\":\"begin\""), 1);
	flagger(&stand, "Progressing", 0, 0, 0);
	expect_told(&stand, 1, 1);
	end(&stand);
}

SPEC("observer: a policy that holds a release which was begun is told, and its slot is taken")
{
	struct stand stand;
	begin(&stand, NULL,
	      "return { start = function() return { action = \"hold\", reason = \"frozen\" } end "
	      "}\n");
	release(&stand, "podinfo:2");
	expect_told(&stand, 0, 1);
	EXPECT_INT(told(&stand, "\"reason\":\"frozen\""), 1);
	flagger(&stand, "Progressing", 5, 0, 0);
	expect_told(&stand, 1, 1);
	end(&stand);
}

SPEC("observer: what a policy remembers is kept from decision to decision")
{
	struct stand stand;
	begin(&stand, NULL,
	      "return { step = function(rollout)\n"
	      "  local n = (rollout.state.n or 0) + 1\n"
	      "  if n > 2 then return { action = \"rollback\", reason = \"asked \" .. n } end\n"
	      "  return { action = \"route\", weight = rollout.weight + 5, state = { n = n } }\n"
	      "end }\n");
	release(&stand, "podinfo:2");
	flagger(&stand, "Progressing", 5, 0, 0);
	flagger(&stand, "Progressing", 10, 0, 0);
	flagger(&stand, "Progressing", 15, 0, 0);
	expect_told(&stand, 3, 1);
	EXPECT_INT(told(&stand, "\"reason\":\"asked 3\""), 1);
	end(&stand);
}

SPEC("observer: one that begins in mid-run goes on from there")
{
	struct stand stand;
	begin(&stand, NULL, NULL);
	observer_free(stand.observer);
	stand.observer = NULL;
	release(&stand, "podinfo:2");
	flagger(&stand, "Progressing", 20, 1, 0);
	bed_merge(&stand.bed, bed_router,
		  "{\"spec\":{\"routes\":[{\"name\":\"podinfo\",\"priority\":10,\"httpRoute\":{"
		  "\"action\":{\"weightedTargets\":[{\"virtualNodeRef\":{\"name\":\"podinfo-"
		  "primary\"},\"weight\":80},{\"virtualNodeRef\":{\"name\":\"podinfo-canary\"},"
		  "\"weight\":20}]},\"match\":{\"prefix\":\"/\"}}}]}}");
	const struct observer_options options = {.json = stand.file,
						 .spec = {.default_provider = "kubernetes"}};
	stand.observer = observer_new(&stand.bed.world, &options);
	bed_run(&stand.bed, 5);
	flagger(&stand, "Progressing", 25, 1, 0);
	flagger(&stand, "Progressing", 30, 1, 0);
	expect_told(&stand, 2, 0);
	end(&stand);
}

SPEC("observer: a canary that is new is seen from the first status on")
{
	struct stand stand = {0};
	struct bed *bed = &stand.bed;
	bed_begin(bed);
	bed_put_canary(bed, NULL);
	stand.file = open_memstream(&stand.told, &stand.told_len);
	writes = 0;
	kube_fence(bed->kube, count_write, NULL);
	const struct observer_options options = {.json = stand.file,
						 .spec = {.default_provider = "kubernetes"}};
	stand.observer = observer_new(&bed->world, &options);
	bed_run(bed, 5);
	flagger(&stand, "Initializing", 0, 0, 0);
	flagger(&stand, "Initialized", 0, 0, 0);
	expect_told(&stand, 2, 0);
	release(&stand, "podinfo:2");
	expect_told(&stand, 3, 0);
	end(&stand);
}

SPEC("observer: a target put back in mid-run cancels ours, and is rolled out there")
{
	struct stand stand;
	begin(&stand, NULL, NULL);
	SCOPED(text)
	char *image = xstrdup(
		bed_says(&stand.bed, bed_primary, "spec.template.spec.containers[0].image"));
	release(&stand, "podinfo:2");
	flagger(&stand, "Progressing", 5, 0, 0);
	bed_release(&stand.bed, image);
	flagger(&stand, "Progressing", 10, 0, 0);
	expect_told(&stand, 2, 1);
	EXPECT_INT(told(&stand, "\"move\":\"cancel\",\"reason\":\"the target is back at the "
				"promoted revision\""),
		   1);
	end(&stand);
}

SPEC("observer: A/B tests and blue/green are followed by their iterations")
{
	static const char *const patches[] = {
		"{\"spec\":{\"analysis\":{\"iterations\":2,\"match\":[{\"headers\":{\"x\":{"
		"\"exact\":\"y\"}}}]}}}",
		"{\"spec\":{\"analysis\":{\"iterations\":2,\"maxWeight\":null,\"stepWeight\":null}}"
		"}",
	};
	for (size_t i = 0; i < ARRAY_LEN(patches); i++) {
		struct stand stand;
		begin(&stand, patches[i], NULL);
		release(&stand, "podinfo:2");
		flagger(&stand, "Progressing", 0, 0, 1);
		flagger(&stand, "Progressing", 0, 0, 2);
		if (i == 1)
			flagger(&stand, "Progressing", 0, 0, 3);
		promote(&stand, "podinfo:2");
		expect_told(&stand, i == 1 ? 7 : 6, 0);
		end(&stand);
	}
}
