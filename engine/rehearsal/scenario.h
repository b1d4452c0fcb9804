/*
 * scenario.h - what happens to a rehearsed release besides its metrics: a YAML file.
 *
 *     image: podinfo:2            # what is released; by default the image with "-next"; none:
 * nothing hooks:                      # answers by a webhook's name, in their order; the last one
 * stays acceptance-test: 500x2 timeout 200     # a status, down or timeout scenes: # times count
 * from the release
 *       - {at: 2m, image: podinfo:3}
 *       - {at: 3m, patch: {target: {spec: {…}}}}     # a merge patch: of the target, the primary,
 * the # canary, or an object of the files as Kind/name
 *       - {at: 4m, for: 30s, api: 503}               # 403, 409, 410, 429, 500, 503, timeout or
 * down,
 *       - {at: 4m, for: 30s, api: 409, share: 0.5}   # for that share of the requests
 *       - {at: 5m, for: 2m, metrics: down}
 *       - {at: 6m, for: 1m, pods: {primary: down}}   # or stuck: new pods never become ready
 *       - {at: 6m, for: 1m, endpoints: late}         # what Services lead to stays as it was
 *       - {at: 7m, hooks: {promote: 200}}            # other answers from now on
 *       - {at: 8m, crash: true}                      # the daemon is killed and started again
 */
#ifndef SLUICE_REHEARSAL_SCENARIO_H
#define SLUICE_REHEARSAL_SCENARIO_H

#include <cjson/cJSON.h>

#include "base/error.h"
#include "base/yaml.h"
#include "sim/cluster.h"

enum { SCENES_MAX = 100, SCENE_TEXT_MAX = 160 };

/* What a webhook does instead of answering with a status. */
enum { HOOK_DOWN = 1, HOOK_TIMEOUT = 2 };

/* Texts are borrowed from the scenario, or NULL. */
struct scene {
	int64_t at_us, for_us;
	const char *image;
	const char *patched; /* "target", "primary", "canary" or "Kind/name" */
	const cJSON *patch;
	const char *pods_of; /* "target" or "primary" */
	const char *pods;    /* "down" or "stuck" */
	enum cluster_fault fault;
	double share; /* of the requests that fail */
	bool metrics_down, endpoints_late, crash;
	const cJSON *hooks;	   /* answers by name, or NULL */
	char text[SCENE_TEXT_MAX]; /* what it says, for a reader */
};

struct scenario {
	const char *image; /* or NULL */
	struct scene scenes[SCENES_MAX];
	size_t count;
	struct yaml_file *file;
};

/* Errors say file and line. NULL and an error. */
struct scenario *scenario_read(const char *path, struct error *err) MUST_CHECK;
void scenario_free(struct scenario *scenario);

/* What a webhook answers at a time since the release; `heard` are the calls so far, [{"at",
 * "name"}…]; `otherwise` if it is not mentioned. */
int scenario_hook(const struct scenario *scenario, const char *name, const cJSON *heard,
		  int64_t now_us, int otherwise);
/* "file:line: scenes[2]" for messages about one; the caller frees. */
char *scenario_place(const struct scenario *scenario, size_t scene);

#endif
