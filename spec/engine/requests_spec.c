/*
 * requests_spec.c - what a release takes from the API server when its Deployments move as those of
 * a real cluster do: their controller writes a status again and again until the pods are ready.
 */
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "bed.h"
#include "spec.h"

enum { REQUESTS_A_RELEASE = 60 };

struct counter {
	struct bed bed;
	int requests, gets_of_deployments, not_ready;
	bool busy;  /* the Deployment's controller writes between our read and our write */
	bool rival; /* and so does somebody who scales it, once */
};

static void move_status(struct counter *counter, const char *path, int n)
{
	struct error err = {0};
	SCOPED(text) char *text = xasprintf("{\"status\":{\"collisionCount\":%d}}", n);
	SCOPED(json) cJSON *patch = json_parse(text, strlen(text), &err);
	EXPECT(cluster_merge(counter->bed.cluster, path, patch, &err));
}

static enum cluster_fault count(void *owner, const struct http_request *request)
{
	struct counter *counter = owner;
	bool get = strcmp(request->method, "GET") == 0;
	if (strstr(request->url, "watch=1") != NULL || strstr(request->url, "limit=") != NULL)
		return FAULT_NONE;
	counter->requests++;
	counter->gets_of_deployments += get && strstr(request->url, "/deployments/") != NULL;
	if (strcmp(request->method, "PATCH") != 0 || !text_starts(request->url, bed_target))
		return FAULT_NONE;
	if (counter->busy)
		move_status(counter, bed_target, counter->requests);
	if (counter->rival)
		bed_merge(&counter->bed, bed_target, "{\"spec\":{\"replicas\":3}}");
	counter->rival = false;
	return FAULT_NONE;
}

/* Ten steps of 5%, ten seconds each, on App Mesh. */
static void begin(struct counter *counter)
{
	bed_begin(&counter->bed);
	bed_put_canary(&counter->bed, "{\"spec\":{\"progressDeadlineSeconds\":600}}");
	bed_start_engine(&counter->bed);
	EXPECT(bed_reaches(&counter->bed, "Initialized"));
	bed_run(&counter->bed, 5);
	cluster_faults(counter->bed.cluster, count, counter);
	counter->requests = 0;
}

static void end(struct counter *counter)
{
	cluster_faults(counter->bed.cluster, NULL, NULL);
	bed_end(&counter->bed);
}

SPEC("requests: a release of ten steps takes fewer than sixty, however its Deployments move")
{
	struct counter counter = {.busy = true};
	begin(&counter);
	bed_release(&counter.bed, "podinfo:2");
	for (int i = 0; i < 200 && strcmp(bed_phase(&counter.bed), "Succeeded") != 0; i++) {
		move_status(&counter, bed_target, 2 * i);
		bed_run(&counter.bed, 1);
		move_status(&counter, bed_primary, 2 * i + 1);
	}
	bed_run(&counter.bed, 5);
	EXPECT_TEXT(bed_phase(&counter.bed), "Succeeded");
	EXPECT_INT(bed_events(&counter.bed, "Advance podinfo.test canary weight"), 10);
	EXPECT_INT(bed_events(&counter.bed, "not ready"), 1); /* its first primary */
	if (counter.requests >= REQUESTS_A_RELEASE - 5)
		spec_fail(__FILE__, __LINE__, "%d requests", counter.requests);
	end(&counter);
}

SPEC("requests: a Deployment whose status moves all the time is scaled by one write, and not read "
     "again")
{
	struct counter counter = {.busy = true};
	begin(&counter);
	bed_release(&counter.bed, "podinfo:2");
	bed_run(&counter.bed, 5);
	EXPECT_TEXT(bed_says(&counter.bed, bed_target, "spec.replicas"), "2");
	EXPECT_INT(counter.gets_of_deployments, 1); /* the primary, which was at rest */
	end(&counter);
}

SPEC("requests: one that is scaled by somebody else meanwhile is looked at again")
{
	struct counter counter = {.rival = true};
	begin(&counter);
	bed_release(&counter.bed, "podinfo:2");
	bed_run(&counter.bed, 5);
	EXPECT_TEXT(bed_says(&counter.bed, bed_target, "spec.replicas"), "3");
	end(&counter);
}

SPEC("requests: the end of a release reads nothing that its watches have told")
{
	struct counter counter = {0};
	begin(&counter);
	bed_release(&counter.bed, "podinfo:2");
	EXPECT(bed_reaches(&counter.bed, "Finalising"));
	counter.gets_of_deployments = 0;
	for (int i = 0; i < 20; i++) {
		move_status(&counter, bed_target, i);
		move_status(&counter, bed_primary, i);
		bed_run(&counter.bed, 1);
	}
	EXPECT_TEXT(bed_phase(&counter.bed), "Succeeded");
	EXPECT_INT(counter.gets_of_deployments, 0);
	end(&counter);
}

SPEC("requests: a wait for pods is told once it is unusual, then ever more rarely")
{
	struct counter counter = {0};
	begin(&counter);
	bed_merge(&counter.bed, bed_target,
		  "{\"metadata\":{\"annotations\":{\"sim.sluice.dev/ready-after\":\"1h\"}}}");
	bed_release(&counter.bed, "podinfo:2");
	bed_run(&counter.bed, 9);
	EXPECT_INT(bed_events(&counter.bed, "canary deployment podinfo.test not ready"), 0);
	bed_run(&counter.bed, 3);
	EXPECT_INT(bed_events(&counter.bed, "canary deployment podinfo.test not ready: waiting "),
		   1);
	bed_run(&counter.bed, 25);
	EXPECT_INT(bed_events(&counter.bed, "canary deployment podinfo.test not ready"), 1);
	bed_run(&counter.bed, 10); /* four times as long */
	EXPECT_INT(bed_events(&counter.bed, "canary deployment podinfo.test not ready"), 2);
	end(&counter);
}
