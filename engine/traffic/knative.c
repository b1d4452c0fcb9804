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

/* What the block shall say: shares of two revisions by name. */
struct shares {
	const char *primary, *canary;
	int percent; /* of the canary */
	bool held;   /* what shall have more is not ready, and `why` says so */
};

/* What is not ready is given nothing: Knative would take over nothing of such a block, not even
 * what it gives back to the others. */
static struct shares shares_of(const struct traffic_view *view, const cJSON *objects,
			       const cJSON *service, const struct split *split, struct error *why)
{
	const char *named = knative_primary(service);
	struct shares shares = {
		.primary = knative_wanted_primary(service, view->status),
		.canary = knative_latest(service),
	};
	bool moves = named[0] != '\0' && strcmp(shares.primary, named) != 0;
	if (moves && !knative_is_ready(service, objects, shares.primary, why)) {
		shares.primary = named;
		shares.held = true;
	}
	if (knative_is_released(service, view->status) &&
	    strcmp(shares.primary, shares.canary) != 0)
		shares.percent = split->canary;
	if (shares.percent > 0 && !knative_is_ready(service, objects, shares.canary, why)) {
		shares.percent = 0;
		shares.held = true;
	}
	return shares;
}

static void add_share(cJSON *block, const char *revision, int percent)
{
	cJSON *entry = cJSON_CreateObject();
	if (percent == 0) {
		json_free(entry);
		return;
	}
	if (revision == NULL)
		cJSON_AddBoolToObject(entry, "latestRevision", true);
	else
		cJSON_AddStringToObject(entry, "revisionName", revision);
	cJSON_AddNumberToObject(entry, "percent", percent);
	cJSON_AddItemToArray(block, entry);
}

/* The latest has nothing by being the latest: a newer one would have it at once. What has a name of
 * its own keeps that. */
static cJSON *traffic_block(const cJSON *live, const struct shares *shares)
{
	cJSON *block = cJSON_CreateArray();
	const cJSON *entry;
	cJSON_ArrayForEach(entry, live)
	{
		cJSON *tagged = json_string(entry, "tag") == NULL ? NULL : json_copy(entry);
		if (tagged == NULL)
			continue;
		json_put_number(tagged, "percent", 0);
		cJSON_AddItemToArray(block, tagged);
	}
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

/* By name, and nothing by being the latest. */
static bool says(const cJSON *block, const struct shares *shares)
{
	const cJSON *entry;
	cJSON_ArrayForEach(entry, block)
	{
		if (json_string(entry, "revisionName") == NULL && json_int(entry, "percent", 0) > 0)
			return false;
	}
	return knative_share(block, shares->primary, "") == 100 - shares->percent &&
	       (shares->percent == 0 ||
		knative_share(block, shares->canary, "") == shares->percent);
}

static bool needs(const struct traffic_view *view, const cJSON *objects, cJSON *paths,
		  struct error *err)
{
	const cJSON *service = own_split_target(view, objects);
	if (service != NULL && cJSON_GetArraySize(paths) == 1)
		target_knative.also(service, paths);
	return own_split_needs(view, objects, paths, err);
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
	struct error why;
	const struct shares shares = shares_of(view, objects, service, split, &why);
	bool named = strcmp(shares.primary, knative_primary(service)) == 0;
	if (named && says(json_at(service, "spec.traffic"), &shares))
		return cJSON_CreateObject();
	cJSON *patch;
	cJSON *made = edit_of(service, path, &patch);
	if (json_at(service, "metadata.annotations") == NULL)
		operate(patch, "add", "/metadata/annotations", cJSON_CreateObject());
	operate(patch, "add", annotation_path, cJSON_CreateString(shares.primary));
	operate(patch, "add", "/spec/traffic",
		traffic_block(json_at(service, "spec.traffic"), &shares));
	return made;
}

/* Of a canary that another controller had: its shares, where there are no others. */
static enum traffic_state left_by_other(const cJSON *service, struct split *split,
					struct error *why)
{
	const cJSON *block = json_at(service, "status.traffic");
	const char *primary = knative_primary(service), *latest = knative_latest(service);
	int canary = strcmp(primary, latest) == 0 ? 0 : knative_share(block, latest, "");
	if (primary[0] != '\0' && knative_share(block, primary, "") == 100 - canary) {
		*split = (struct split){.primary = 100 - canary, .canary = canary};
		return TRAFFIC_LIVE;
	}
	error_set(why, ERROR_CONFLICT, "its traffic goes to other revisions");
	return TRAFFIC_BROKEN;
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
	if (!view->status->memory.present)
		return left_by_other(service, split, why);
	const struct shares shares = shares_of(view, objects, service, split, why);
	if (strcmp(shares.primary, knative_primary(service)) != 0 ||
	    !says(json_at(service, "spec.traffic"), &shares)) {
		error_set(why, ERROR_CONFLICT, "the traffic of knative service %s.%s is another",
			  view->spec->target_name, view->spec->namespace);
		return TRAFFIC_BROKEN;
	}
	return shares.held || !knative_is_routed(service, why) ? TRAFFIC_PENDING : TRAFFIC_LIVE;
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
	.needs = needs,
	.desired = desired,
	.observed = observed,
	.restore = restore,
};
