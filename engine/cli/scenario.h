/*
 * scenario.h - what happens to a rehearsed release besides its metrics: a YAML file.
 *
 *     image: podinfo:2            # what is released; by default the image with "-next"
 *     hooks:                      # answers by a webhook's name, in their order; the last one stays
 *       acceptance-test: 500x2 200
 *     scenes:                     # times count from the release
 *       - {at: 2m, image: podinfo:3}
 *       - {at: 3m, patch: {target: {spec: {…}}}}        # a merge patch; of the target or the
 * canary
 *       - {at: 4m, for: 30s, api: 503}                  # 409, 410, 429, 500, 503, timeout or down
 *       - {at: 5m, for: 2m, metrics: down}
 *       - {at: 8m, crash: true}                         # the daemon is killed and started again
 */
#ifndef SLUICE_CLI_SCENARIO_H
#define SLUICE_CLI_SCENARIO_H

#include <cjson/cJSON.h>

#include "base/error.h"
#include "base/yaml.h"
#include "sim/cluster.h"

enum { SCENES_MAX = 100 };

struct scene {
	int64_t at_us, for_us;
	const char *image;   /* borrowed from the scenario, as are the others; or NULL */
	const char *patched; /* "target" or "canary" */
	const cJSON *patch;  /* or NULL */
	enum cluster_fault fault;
	bool metrics_down, crash;
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

/* What a webhook answers; `heard` are the calls so far, [{"name"}…]; `otherwise` if it is not
 * mentioned. */
int scenario_hook(const struct scenario *scenario, const char *name, const cJSON *heard,
		  int otherwise);

#endif
