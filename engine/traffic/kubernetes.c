/*
 * kubernetes.c - no mesh: traffic follows the Services alone, so the split is all or nothing.
 *
 * The apex Service selects the primary; the canary is reached by its own Service, while it is
 * tested. There is nothing to write, and what the status says is what is.
 */
#include "traffic/drivers.h"

static bool needs(const struct traffic_view *view, const cJSON *objects, cJSON *paths,
		  struct error *err)
{
	(void)view;
	(void)objects;
	(void)paths;
	(void)err;
	return true;
}

static cJSON *desired(const struct traffic_view *view, const struct split *split,
		      const cJSON *objects, struct error *err)
{
	(void)view;
	(void)split;
	(void)objects;
	(void)err;
	return cJSON_CreateObject();
}

static enum traffic_state observed(const struct traffic_view *view, const cJSON *objects,
				   struct split *split, struct error *why)
{
	(void)objects;
	(void)why;
	*split = view->status->memory.split;
	return TRAFFIC_LIVE;
}

const struct traffic_driver traffic_kubernetes = {
	.name = "kubernetes",
	.needs = needs,
	.desired = desired,
	.observed = observed,
};
