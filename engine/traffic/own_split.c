#include "traffic/own_split.h"

#include "base/json.h"
#include "canary/target.h"

bool own_split_path(const struct traffic_view *view, char path[KUBE_PATH_MAX])
{
	return kube_path(path, &view->spec->target->kube, view->spec->namespace,
			 view->spec->target_name);
}

const cJSON *own_split_target(const struct traffic_view *view, const cJSON *objects)
{
	char path[KUBE_PATH_MAX];
	const cJSON *target = own_split_path(view, path) ? json_get(objects, path) : NULL;
	return cJSON_IsObject(target) ? target : NULL;
}

bool own_split_needs(const struct traffic_view *view, const cJSON *objects, cJSON *paths,
		     struct error *err)
{
	char path[KUBE_PATH_MAX];
	(void)objects;
	(void)err;
	if (cJSON_GetArraySize(paths) == 0 && own_split_path(view, path))
		cJSON_AddItemToArray(paths, cJSON_CreateString(path));
	return true;
}
