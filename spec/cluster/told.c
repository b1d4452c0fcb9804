#include "told.h"

#include <stdlib.h>
#include <string.h>

#include "../engine/golden.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "lines.h"

/* ---- what was heard ---- */

void told_add_status(cJSON *statuses, const char *phase, long weight, long iterations,
		     long failed_checks)
{
	SCOPED(text)
	char *line = xasprintf("%s, weight %ld, iterations %ld, failed checks %ld", phase, weight,
			       iterations, failed_checks);
	int count = cJSON_GetArraySize(statuses);
	if (count == 0 || strcmp(cJSON_GetArrayItem(statuses, count - 1)->valuestring, line) != 0)
		cJSON_AddItemToArray(statuses, cJSON_CreateString(line));
}

cJSON *told_statuses(const cJSON *transcript)
{
	cJSON *statuses = cJSON_CreateArray();
	const cJSON *step;
	cJSON_ArrayForEach(step, json_get(transcript, "steps")) told_add_status(
		statuses, json_string_or(step, "status.phase", ""),
		json_int(step, "status.weight", 0), json_int(step, "status.iterations", 0),
		json_int(step, "status.failedChecks", 0));
	return statuses;
}

cJSON *told_calls(const cJSON *transcript)
{
	cJSON *calls = cJSON_CreateArray();
	const cJSON *step, *call;
	cJSON_ArrayForEach(step, json_get(transcript, "steps"))
	{
		cJSON_ArrayForEach(call, json_get(step, "calls"))
			cJSON_AddItemToArray(calls, cJSON_Duplicate(call, true));
	}
	return calls;
}

/* The how manieth of those that were seen. */
static int revision_of(cJSON *seen, const char *checksum)
{
	int i = 0;
	const cJSON *item;
	cJSON_ArrayForEach(item, seen)
	{
		i++;
		if (strcmp(item->valuestring, checksum) == 0)
			return i;
	}
	cJSON_AddItemToArray(seen, cJSON_CreateString(checksum));
	return i + 1;
}

cJSON *told_lines(const cJSON *calls, bool events)
{
	cJSON *lines = cJSON_CreateArray();
	SCOPED(json) cJSON *seen = cJSON_CreateArray();
	const cJSON *call;
	cJSON_ArrayForEach(call, calls)
	{
		const char *to = json_string_or(call, "to", "");
		const char *message = json_string_or(call, "body.metadata.eventMessage", "");
		if ((strcmp(to, "event") == 0) != events || golden_is_waiting(message))
			continue;
		SCOPED(json) cJSON *body = cJSON_Duplicate(json_get(call, "body"), true);
		int revision = revision_of(seen, json_string_or(body, "checksum", ""));
		json_remove(body, "metadata.timestamp");
		json_put_number(body, "checksum", revision);
		SCOPED(text) char *text = json_canonical(body);
		SCOPED(text) char *line = xasprintf("%s %s", to, text);
		int count = cJSON_GetArraySize(lines);
		/* Told by Flagger once a tick while it initializes. */
		bool again = count > 0 && strstr(line, "all the metrics providers are") != NULL &&
			     strcmp(cJSON_GetArrayItem(lines, count - 1)->valuestring, line) == 0;
		if (!again)
			cJSON_AddItemToArray(lines, cJSON_CreateString(line));
	}
	return lines;
}

/* ---- what became of objects ---- */

/* What an API server fills in by itself, and the transcripts leave out. */
static const struct {
	const char *kind, *path, *value;
} defaults[] = {
	{"Deployment", "spec.progressDeadlineSeconds", "600"},
	{"Deployment", "spec.revisionHistoryLimit", "10"},
	{"Deployment", "spec.strategy.rollingUpdate.maxSurge", "\"25%\""},
	{"Deployment", "spec.strategy.rollingUpdate.maxUnavailable", "\"25%\""},
	{"Deployment", "spec.strategy.type", "\"RollingUpdate\""},
	{"Deployment", "spec.template.spec.containers[0].imagePullPolicy", "\"IfNotPresent\""},
	{"Deployment", "spec.template.spec.containers[0].terminationMessagePath",
	 "\"/dev/termination-log\""},
	{"Deployment", "spec.template.spec.containers[0].terminationMessagePolicy", "\"File\""},
	{"Deployment", "spec.template.spec.containers[0].ports[0].protocol", "\"TCP\""},
	{"Deployment", "spec.template.spec.containers[0].resources", "{}"},
	{"Deployment", "spec.template.spec.dnsPolicy", "\"ClusterFirst\""},
	{"Deployment", "spec.template.spec.restartPolicy", "\"Always\""},
	{"Deployment", "spec.template.spec.schedulerName", "\"default-scheduler\""},
	{"Deployment", "spec.template.spec.securityContext", "{}"},
	{"Deployment", "spec.template.spec.terminationGracePeriodSeconds", "30"},
	{"Service", "spec.internalTrafficPolicy", "\"Cluster\""},
	{"Service", "spec.ipFamilies[0]", "\"IPv4\""},
	{"Service", "spec.ipFamilyPolicy", "\"SingleStack\""},
	{"Service", "spec.sessionAffinity", "\"None\""},
};

/* Without what is of the server, says no more than that something changed, or is our own note of
 * what was before. */
static cJSON *plain(const cJSON *object)
{
	static const char *const given[] = {"spec.clusterIP", "spec.clusterIPs",
					    "spec.template.metadata.annotations[\"flagger-id\"]",
					    "metadata.annotations[\"sluice.dev/former-template\"]"};
	cJSON *copy = cJSON_CreateObject();
	cJSON *metadata = cJSON_AddObjectToObject(copy, "metadata");
	static const char *const kept[] = {"labels", "annotations", "ownerReferences",
					   "finalizers"};
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		const cJSON *part = json_get(json_get(object, "metadata"), kept[i]);
		if (part != NULL)
			cJSON_AddItemToObject(metadata, kept[i], cJSON_Duplicate(part, true));
	}
	cJSON *owner;
	cJSON_ArrayForEach(owner, json_get(metadata, "ownerReferences"))
		cJSON_DeleteItemFromObjectCaseSensitive(owner, "uid");
	cJSON_AddItemToObject(copy, "spec", golden_spec(object));
	for (size_t i = 0; i < ARRAY_LEN(given); i++)
		json_remove(copy, given[i]);
	if (json_at(copy, "metadata.annotations") != NULL &&
	    json_at(copy, "metadata.annotations")->child == NULL)
		json_remove(copy, "metadata.annotations");
	return copy;
}

static cJSON *version_of(const cJSON *object)
{
	SCOPED(json) cJSON *whole = plain(object);
	cJSON *flat = lines_flat(whole);
	for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
		const char *value = cJSON_GetStringValue(json_get(flat, defaults[i].path));
		if (text_equal(json_string(object, "kind"), defaults[i].kind) &&
		    text_equal(value, defaults[i].value))
			cJSON_DeleteItemFromObjectCaseSensitive(flat, defaults[i].path);
	}
	return flat;
}

static const cJSON *last_of(const cJSON *versions)
{
	int count = cJSON_GetArraySize(versions);
	return count == 0 ? NULL : cJSON_GetArrayItem(versions, count - 1);
}

static bool add_version(cJSON *versions, cJSON *owned_version)
{
	const cJSON *last = last_of(versions);
	if (last != NULL && json_equal(last, owned_version)) {
		cJSON_Delete(owned_version);
		return false;
	}
	cJSON_AddItemToArray(versions, owned_version);
	return true;
}

bool told_add_version(cJSON *histories, const cJSON *object)
{
	SCOPED(text) char *key = golden_key(object);
	cJSON *versions = json_get(histories, key);
	if (versions == NULL)
		versions = cJSON_AddArrayToObject(histories, key);
	return add_version(versions, version_of(object));
}

cJSON *told_histories(const cJSON *transcript)
{
	cJSON *histories = cJSON_CreateObject();
	const cJSON *step, *object;
	cJSON_ArrayForEach(step, json_get(transcript, "steps"))
	{
		cJSON_ArrayForEach(object, json_get(step, "objects"))(void)
			told_add_version(histories, object);
	}
	return histories;
}

/* ---- when ---- */

void told_add_moment(cJSON *moments, double version, const char *status, const char *object)
{
	cJSON *moment = cJSON_CreateObject();
	cJSON_AddNumberToObject(moment, "at", version);
	if (status != NULL)
		cJSON_AddStringToObject(moment, "status", status);
	else
		cJSON_AddStringToObject(moment, "object", object);
	cJSON_AddItemToArray(moments, moment);
}

cJSON *told_moments(const cJSON *transcript)
{
	cJSON *moments = cJSON_CreateArray();
	SCOPED(json) cJSON *histories = cJSON_CreateObject();
	SCOPED(json) cJSON *statuses = told_statuses(transcript);
	const cJSON *step, *object, *status = statuses->child;
	double at = 0;
	cJSON_ArrayForEach(step, json_get(transcript, "steps"))
	{
		told_add_moment(moments, at++, status->valuestring, NULL);
		cJSON_ArrayForEach(object, json_get(step, "objects"))
		{
			SCOPED(text) char *key = golden_key(object);
			if (told_add_version(histories, object))
				told_add_moment(moments, at, NULL, key);
		}
		at++;
		status = status->next;
	}
	return moments;
}

static int by_version(const void *a, const void *b)
{
	double first = json_number(*(cJSON *const *)a, "at", 0);
	double second = json_number(*(cJSON *const *)b, "at", 0);
	return (first > second) - (first < second);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_step(cJSON *lines, const char *status, const char **keys, size_t count)
{
	struct buf line;
	buf_init(&line, 64UL * KIB);
	buf_printf(&line, "%s:", status);
	qsort(keys, count, sizeof(*keys), by_text);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || strcmp(keys[i], keys[i - 1]) != 0)
			buf_printf(&line, " %s", keys[i]);
	cJSON_AddItemToArray(lines, cJSON_CreateString(line.text));
	buf_fini(&line);
}

cJSON *told_steps(const cJSON *moments)
{
	cJSON *lines = cJSON_CreateArray();
	size_t count = 0, keys = 0, statuses = 0;
	size_t most = (size_t)cJSON_GetArraySize(moments) + 1;
	const cJSON **sorted = xcalloc(most, sizeof(*sorted));
	const char **changed = xcalloc(most, sizeof(*changed)), *status = NULL;
	const cJSON *moment;
	cJSON_ArrayForEach(moment, moments) sorted[count++] = moment;
	qsort(sorted, count, sizeof(*sorted), by_version);
	for (size_t i = 0; i < count; i++) {
		const char *next = json_string(sorted[i], "status");
		const char *object = json_string_or(sorted[i], "object", "");
		if (next == NULL && strcmp(object, "Deployment/podinfo") != 0)
			changed[keys++] = object;
		if (next == NULL)
			continue;
		if (++statuses > 2) {
			add_step(lines, status, changed, keys);
			keys = 0;
		}
		status = next;
	}
	if (status != NULL)
		add_step(lines, status, changed, keys);
	free(sorted);
	free(changed);
	return lines;
}

/* ---- compared ---- */

/* Ours without what is on the way from one of theirs to the next. */
static cJSON *without_passing(const cJSON *theirs, const cJSON *ours)
{
	cJSON *kept = cJSON_CreateArray();
	const cJSON *next = theirs == NULL ? NULL : theirs->child, *before = NULL, *version;
	cJSON_ArrayForEach(version, ours)
	{
		if (next != NULL && json_equal(version, next)) {
			before = next;
			next = next->next;
		} else if (before != NULL && next != NULL && json_equal(last_of(kept), before) &&
			   lines_is_between(before, next, version)) {
			continue;
		}
		add_version(kept, cJSON_Duplicate(version, true));
	}
	return kept;
}

static void compare_one(struct buf *text, const char *key, const cJSON *theirs, const cJSON *ours)
{
	SCOPED(json) cJSON *kept = without_passing(theirs, ours);
	SCOPED(json) cJSON *wanted = lines_of_versions(theirs);
	SCOPED(json) cJSON *got = lines_of_versions(kept);
	if (ours == NULL)
		buf_printf(text, "%s:\n- all %d versions of it\n", key, cJSON_GetArraySize(theirs));
	else
		lines_compare(text, key, wanted, got);
}

static void compare_end(struct buf *text, const char *key, const cJSON *theirs, const cJSON *ours)
{
	SCOPED(json) cJSON *their_end = cJSON_CreateArray();
	SCOPED(json) cJSON *our_end = cJSON_CreateArray();
	if (theirs != NULL)
		cJSON_AddItemToArray(their_end, cJSON_Duplicate(last_of(theirs), true));
	if (ours != NULL)
		cJSON_AddItemToArray(our_end, cJSON_Duplicate(last_of(ours), true));
	SCOPED(json) cJSON *wanted = lines_of_versions(their_end);
	SCOPED(json) cJSON *got = lines_of_versions(our_end);
	lines_compare(text, key, wanted, got);
}

typedef void comparison(struct buf *text, const char *key, const cJSON *theirs, const cJSON *ours);

static void compare_all(struct buf *text, const cJSON *wanted, const cJSON *got,
			comparison *compare)
{
	const cJSON *versions;
	cJSON_ArrayForEach(versions, wanted)
		compare(text, versions->string, versions, json_get(got, versions->string));
	cJSON_ArrayForEach(versions, got)
	{
		if (json_get(wanted, versions->string) == NULL)
			compare(text, versions->string, NULL, versions);
	}
}

void told_compare(struct buf *text, const cJSON *wanted, const cJSON *got)
{
	compare_all(text, wanted, got, compare_one);
}

void told_compare_ends(struct buf *text, const cJSON *wanted, const cJSON *got)
{
	compare_all(text, wanted, got, compare_end);
}
