#include "canary/contest.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "canary/managed.h"
#include "canary/target.h"

static bool is_ours(const cJSON *entry)
{
	return text_equal(json_string(entry, "manager"), "sluice");
}

/* Of the object itself, not of its status. The subresource "scale" is how autoscalers write. */
static bool is_of_spec(const cJSON *entry)
{
	return !text_equal(json_string(entry, "subresource"), "status");
}

/* A field of the set that does not say what is wanted; `path` gets its place. */
static bool find_field(const cJSON *fields, const cJSON *live, const cJSON *wanted,
		       struct buf *path)
{
	const cJSON *member;
	cJSON_ArrayForEach(member, fields)
	{
		const char *name = member->string;
		bool plain = text_starts(name, "f:");
		if (!plain && !text_starts(name, "k:"))
			continue;
		const cJSON *said =
			plain ? json_get(live, name + 2) : managed_element(live, name + 2);
		const cJSON *wish =
			plain ? json_get(wanted, name + 2) : managed_element(wanted, name + 2);
		if (wish == NULL || (said != NULL && json_covers(said, wish)))
			continue;
		size_t len = path->len;
		if (plain)
			buf_printf(path, "%s%s", len > 0 ? "." : "", name + 2);
		if (member->child == NULL || find_field(member, said, wish, path))
			return true;
		buf_cut(path, len);
	}
	return false;
}

const char *contest_owner(const cJSON *live, const cJSON *wanted, bool written,
			  char field[CONTEST_FIELD_MAX])
{
	const cJSON *entries = json_at(live, "metadata.managedFields"), *entry;
	const char *owner = NULL, *since = "", *ours = "";
	cJSON_ArrayForEach(entry, entries)
	{
		const char *time = json_string_or(entry, "time", "");
		if (is_ours(entry) && is_of_spec(entry) && strcmp(time, ours) > 0)
			ours = time;
	}
	/* Of what was never written nothing was taken away. */
	if (!written && ours[0] == '\0')
		return NULL;
	cJSON_ArrayForEach(entry, entries)
	{
		SCOPED(buf) struct buf path = {0};
		const char *time = json_string_or(entry, "time", "");
		const cJSON *fields = json_get(entry, "fieldsV1");
		buf_init(&path, CONTEST_FIELD_MAX);
		/* Times are texts that compare as times do. */
		if (is_ours(entry) || !is_of_spec(entry) || strcmp(time, ours) < 0 ||
		    strcmp(time, since) < 0)
			continue;
		bool found = wanted == NULL ? json_get(fields, "f:spec") != NULL
					    : find_field(fields, live, wanted, &path);
		if (!found)
			continue;
		owner = json_string_or(entry, "manager", "");
		since = time;
		text_copy(field, CONTEST_FIELD_MAX, path.len == 0 ? "spec" : path.text);
	}
	return owner;
}

/* Said already, until the next release. */
static bool is_known(const struct memory *memory, const char *kind, const char *name)
{
	SCOPED(text) char *object = xasprintf(" of %s %s is written by", kind, name);
	return strstr(memory->contested, object) != NULL;
}

static enum step look(struct tick *tick, const char *path, const char *kind, const cJSON *wanted,
		      bool put_back)
{
	const char *known = tick->status.memory.contested, *name = strrchr(path, '/');
	char field[CONTEST_FIELD_MAX];
	if (tick->beside != NULL || name == NULL || is_known(&tick->status.memory, kind, name + 1))
		return STEP_ON;
	const struct answer *answer = ask_list(tick->asks, path);
	if (answer == NULL)
		return STEP_WAIT;
	if (answer->error.kind != ERROR_NONE)
		return STEP_ON;
	bool written = !put_back || wanted == NULL;
	const char *owner = contest_owner(answer->object, wanted, written, field);
	if (owner == NULL)
		return STEP_ON;
	/* What does not fit is said the next time, and the oldest not any more. */
	SCOPED(text)
	char *found =
		xasprintf("%s of %s %s is written by \"%s\" too", field, kind, name + 1, owner);
	bool fits = known[0] != '\0' && strlen(known) + strlen(found) + 3 < CONTESTED_MAX;
	SCOPED(text)
	char *text = xasprintf("%s%s%s", fits ? known : "", fits ? "; " : "", found);
	text_copy(tick->contested, sizeof(tick->contested), text);
	tick->put_back = put_back;
	return STEP_ON;
}

enum step contest_look(struct tick *tick, const char *path, const char *kind, const cJSON *wanted)
{
	/* What follows a move of ours was not taken away. */
	bool follows = tick->moved || tick->status.phase == PHASE_INITIALIZING;
	return follows ? STEP_ON : look(tick, path, kind, wanted, true);
}

enum step contest_rest(struct tick *tick)
{
	const struct canary_spec *spec = tick->spec;
	const struct memory *memory = &tick->status.memory;
	char path[KUBE_PATH_MAX];
	bool kept = target_is_stopped(spec->target, tick->target) || memory->scale_down_us != 0 ||
		    memory->debt_count > 0 || memory->split.canary > 0;
	if (kept || spec->scaler_kind != NULL)
		return STEP_ON;
	SCOPED(json) cJSON *wanted = target_scale(spec->target, tick->target, 0);
	kube_path(path, &spec->target->kube, spec->namespace, spec->target_name);
	return wanted == NULL ? STEP_ON : look(tick, path, spec->target->kube.kind, wanted, false);
}

void contest_tell(struct tick *tick)
{
	if (tick->contested[0] != '\0')
		move_note(&tick->move, true, tick->status.phase, "%s%s", tick->contested,
			  tick->put_back ? ": put back" : "");
}
