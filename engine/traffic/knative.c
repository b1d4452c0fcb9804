/*
 * knative.c - the split of a Knative Service, which is its own: its traffic block leads to the
 * latest revision and to the one that the annotation flagger.app/primary-revision names.
 */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "canary/target.h"
#include "kube/path.h"
#include "traffic/drivers.h"
#include "traffic/own_split.h"

static const char annotation_path[] = "/metadata/annotations/flagger.app~1primary-revision";

static void operate(cJSON *patch, const char *op, const char *path, cJSON *owned_value)
{
	cJSON *operation = cJSON_CreateObject();
	cJSON_AddStringToObject(operation, "op", op);
	cJSON_AddStringToObject(operation, "path", path);
	if (owned_value != NULL)
		cJSON_AddItemToObject(operation, "value", owned_value);
	cJSON_AddItemToArray(patch, operation);
}

static void add_share(cJSON *block, const char *revision, int percent)
{
	cJSON *entry = cJSON_CreateObject();
	if (revision == NULL)
		cJSON_AddBoolToObject(entry, "latestRevision", true);
	else
		cJSON_AddStringToObject(entry, "revisionName", revision);
	cJSON_AddNumberToObject(entry, "percent", percent);
	cJSON_AddItemToArray(block, entry);
}

/* What the block shall say: shares of two revisions by name. */
struct shares {
	const char *primary, *canary;
	int percent; /* of the canary */
};

static struct shares shares_of(const struct traffic_view *view, const cJSON *service,
			       const struct split *split)
{
	const char *primary = knative_wanted_primary(service, view->status);
	const char *canary = knative_latest(service);
	bool two = knative_is_released(service, view->status) && strcmp(primary, canary) != 0;
	return (struct shares){primary, canary, two ? split->canary : 0};
}

/* The latest has nothing by being the latest: a newer one would have it at once. */
static cJSON *traffic_block(const struct shares *shares)
{
	cJSON *block = cJSON_CreateArray();
	add_share(block, NULL, 0);
	if (shares->percent > 0)
		add_share(block, shares->canary, shares->percent);
	add_share(block, shares->primary, 100 - shares->percent);
	return block;
}

static cJSON *edit_of(const cJSON *service, const char *path, cJSON **patch)
{
	cJSON *desired = cJSON_CreateObject(), *edit = cJSON_CreateObject();
	*patch = cJSON_CreateArray();
	operate(*patch, "test", "/metadata/resourceVersion",
		cJSON_CreateString(json_string_or(service, "metadata.resourceVersion", "")));
	cJSON_AddStringToObject(edit, "path", path);
	cJSON_AddItemToObject(edit, "patch", *patch);
	cJSON_AddItemToArray(cJSON_AddArrayToObject(desired, "edit"), edit);
	return desired;
}

/* Tags, and defaults that Knative adds, are no matter. */
static bool says(const cJSON *block, const struct shares *shares)
{
	const cJSON *entry;
	int canary = 0, primary = 0, entries = 0;
	cJSON_ArrayForEach(entry, block)
	{
		int percent = (int)json_int(entry, "percent", 0);
		const char *name = json_string(entry, "revisionName");
		if (percent == 0)
			continue;
		if (json_bool(entry, "latestRevision", false))
			return false;
		entries++;
		if (text_equal(name, shares->primary))
			primary += percent;
		else if (text_equal(name, shares->canary))
			canary += percent;
		else
			return false;
	}
	return canary == shares->percent && primary == 100 - shares->percent &&
	       entries == (shares->percent > 0) + (shares->percent < 100);
}

static cJSON *desired(const struct traffic_view *view, const struct split *split,
		      const cJSON *objects, struct error *err)
{
	char path[KUBE_PATH_MAX];
	const cJSON *service = own_split_target(view, objects);
	if (service == NULL || !own_split_path(view, path)) {
		error_set(err, ERROR_NOT_FOUND, "knative service %s.%s get query error: not found",
			  view->spec->target_name, view->spec->namespace);
		return NULL;
	}
	const struct shares shares = shares_of(view, service, split);
	bool named = strcmp(shares.primary, knative_primary(service)) == 0;
	if (named && says(json_at(service, "spec.traffic"), &shares))
		return cJSON_CreateObject();
	cJSON *patch;
	cJSON *made = edit_of(service, path, &patch);
	if (json_at(service, "metadata.annotations") == NULL)
		operate(patch, "add", "/metadata/annotations", cJSON_CreateObject());
	operate(patch, "add", annotation_path, cJSON_CreateString(shares.primary));
	operate(patch, "add", "/spec/traffic", traffic_block(&shares));
	return made;
}

static enum traffic_state observed(const struct traffic_view *view, const cJSON *objects,
				   struct split *split, struct error *why)
{
	const cJSON *service = own_split_target(view, objects);
	*split = view->status->memory.split;
	if (service == NULL) {
		error_set(why, ERROR_NOT_FOUND, "knative service %s.%s get query error: not found",
			  view->spec->target_name, view->spec->namespace);
		return TRAFFIC_ABSENT;
	}
	const struct shares shares = shares_of(view, service, split);
	if (strcmp(shares.primary, knative_primary(service)) != 0 ||
	    !says(json_at(service, "spec.traffic"), &shares)) {
		error_set(why, ERROR_CONFLICT, "the traffic of knative service %s.%s is another",
			  view->spec->target_name, view->spec->namespace);
		return TRAFFIC_BROKEN;
	}
	/* A revision that is not ready is not led to; the tick says so itself. */
	const struct ready_terms terms = {.canary = true, .rests = true};
	if (split->canary > 0 && target_knative.ready(service, &terms, why) != READY)
		return TRAFFIC_PENDING;
	bool seen = partition_is_seen(service);
	if (seen && says(json_at(service, "status.traffic"), &shares))
		return TRAFFIC_LIVE;
	error_set(why, ERROR_UNAVAILABLE, "waiting for the traffic of knative service %s.%s",
		  view->spec->target_name, view->spec->namespace);
	return split->canary > 0 || !seen ? TRAFFIC_PENDING : TRAFFIC_LIVE;
}

/* All traffic goes to the latest revision again, as if there had been no canary. */
static cJSON *restore(const struct traffic_view *view, const cJSON *objects, struct error *err)
{
	char path[KUBE_PATH_MAX];
	const cJSON *service = own_split_target(view, objects);
	cJSON *patch, *block = cJSON_CreateArray();
	(void)err;
	add_share(block, NULL, 100);
	if (service == NULL || knative_primary(service)[0] == '\0' || !own_split_path(view, path)) {
		json_free(block);
		return cJSON_CreateObject();
	}
	cJSON *made = edit_of(service, path, &patch);
	operate(patch, "remove", annotation_path, NULL);
	operate(patch, "add", "/spec/traffic", block);
	return made;
}

const struct traffic_driver traffic_knative = {
	.name = "knative",
	.can_weigh = true,
	.needs = own_split_needs,
	.desired = desired,
	.observed = observed,
	.restore = restore,
};
