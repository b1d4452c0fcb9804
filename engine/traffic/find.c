#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/words.h"
#include "kube/path.h"
#include "script/driver.h"
#include "traffic/drivers.h"

enum { NAMES_MAX = 8192 };

static const struct {
	const char *provider;
	const struct traffic_driver *driver;
} native[] = {
	{"appmesh", &traffic_appmesh_v1beta1}, {"appmesh:v1beta2", &traffic_appmesh_v1beta2},
	{"kubernetes", &traffic_kubernetes},   {"none", &traffic_kubernetes},
	{"partition", &traffic_partition},     {"knative", &traffic_knative},
};

/* Loaded ones, for ever, each once; and the names that they were asked for by. A user may make up
 * forms of a name ("smi:v1alpha1:x"), so these have a cap: beyond it a form is looked up anew. */
static const struct traffic_driver *loaded[64];
static struct known {
	char *provider;
	const struct traffic_driver *driver;
} known[64];
static size_t loaded_count, known_count;

static int compare_words(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void refuse(const char *provider, struct error *err)
{
	SCOPED(buf) struct buf list = {0};
	char *names[DRIVER_NAMES_MAX];
	const char *words[DRIVER_NAMES_MAX + ARRAY_LEN(native) + 1];
	size_t count = driver_names("traffic", names), total = 0;
	for (size_t i = 0; i < count; i++)
		words[total++] = names[i];
	for (size_t i = 0; i < ARRAY_LEN(native); i++)
		words[total++] = native[i].provider;
	words[total] = NULL;
	qsort(words, total, sizeof(words[0]), compare_words);
	buf_init(&list, NAMES_MAX);
	for (size_t i = 0; i < total; i++)
		buf_printf(&list, "%s%s", i == 0 ? "" : ", ", words[i]);
	const char *meant = words_nearest(provider, words);
	error_set(err, ERROR_NOT_FOUND, "is \"%.40s\"%s%s%s must be one of %s", provider,
		  meant == NULL ? "; it" : "; did you mean ", meant == NULL ? "" : meant,
		  meant == NULL ? "" : "? It", list.text);
	for (size_t i = 0; i < count; i++)
		free(names[i]);
}

/* The one that is loaded already under the name that this gives itself, or this one from now on. */
static const struct traffic_driver *keep(struct traffic_driver *owned_driver, struct error *err)
{
	for (size_t i = 0; i < loaded_count; i++) {
		if (strcmp(loaded[i]->name, owned_driver->name) != 0)
			continue;
		traffic_script_free(owned_driver);
		return loaded[i];
	}
	if (loaded_count == ARRAY_LEN(loaded)) {
		traffic_script_free(owned_driver);
		error_set(err, ERROR_INVALID,
			  "is one more than the %zu providers that there can be",
			  ARRAY_LEN(loaded));
		return NULL;
	}
	loaded[loaded_count++] = owned_driver;
	return owned_driver;
}

static const struct traffic_driver *load(const char *provider, struct error *err)
{
	size_t len = strcspn(provider, ":");
	bool cut = provider[len] == ':' && provider[len + 1] == '\0';
	SCOPED(text) char *file = xstrndup(provider, len);
	struct error why = {.kind = ERROR_NOT_FOUND};
	struct traffic_driver *driver = cut ? NULL : traffic_script(file, provider, &why);
	if (driver != NULL)
		return keep(driver, err);
	if (why.kind == ERROR_NOT_FOUND)
		refuse(provider, err);
	else
		error_set(err, why.kind, "%s", why.text);
	return NULL;
}

const struct traffic_driver *traffic_find(const char *provider, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(native); i++)
		if (strcmp(native[i].provider, provider) == 0)
			return native[i].driver;
	/* As the reference has it: whatever begins so. */
	if (text_starts(provider, "appmesh:v1beta2"))
		return &traffic_appmesh_v1beta2;
	for (size_t i = 0; i < known_count; i++)
		if (strcmp(known[i].provider, provider) == 0)
			return known[i].driver;
	const struct traffic_driver *driver = load(provider, err);
	if (driver != NULL && known_count < ARRAY_LEN(known))
		known[known_count++] = (struct known){xstrdup(provider), driver};
	return driver;
}

bool traffic_path(const struct traffic_driver *driver, const cJSON *object, char *path,
		  struct error *err)
{
	const char *api_version = json_string_or(object, "apiVersion", "");
	const char *kind = json_string_or(object, "kind", "");
	const char *plural =
		driver->plural == NULL ? NULL : driver->plural(driver, api_version, kind);
	if (plural != NULL && kube_path_of(path, object, plural))
		return true;
	return error_set(err, ERROR_BUG, "the driver %s gives no path for %s %s %s", driver->name,
			 api_version, kind, json_string_or(object, "metadata.name", "(no name)"));
}
