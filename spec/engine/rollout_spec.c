/*
 * rollout_spec.c - the table that policies see has what lua/meta/policy.lua tells editors, no more
 * and no less.
 */
#include "canary/rollout.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "bed.h"
#include "spec.h"

/* The fields of a class of lua/meta/policy.lua, sorted, each with a blank after it. */
static char *fields_of(const char *class)
{
	size_t len;
	SCOPED(text) char *text = spec_file("lua/meta/policy.lua", &len);
	SCOPED(text) char *head = xasprintf("---@class %s", class);
	SCOPED(json) cJSON *names = cJSON_CreateObject();
	const char *line = strstr(text, head);
	EXPECT(line != NULL);
	for (line = strchr(line, '\n') + 1; text_starts(line, "---@field ");
	     line = strchr(line, '\n') + 1) {
		const char *name = line + strlen("---@field ");
		SCOPED(text) char *copy = xstrndup(name, strcspn(name, "? "));
		cJSON_AddTrueToObject(names, copy);
	}
	SCOPED(text) char *sorted = json_canonical(names);
	SCOPED(json) cJSON *again = json_parse(sorted, strlen(sorted), NULL);
	struct buf list;
	buf_init(&list, 4096);
	const cJSON *name;
	cJSON_ArrayForEach(name, again) buf_printf(&list, "%s ", name->string);
	return buf_take(&list);
}

/* What the hook of a running release finds. */
static void expect_fields(const char *class, const char *table)
{
	struct bed bed;
	SCOPED(text) char *wanted = fields_of(class);
	SCOPED(text)
	char *patch = xasprintf(
		"{\"spec\":{\"analysis\":{\"policy\":{\"params\":{\"zone\":\"Europe/Berlin\","
		"\"peers\":[\"podinfo\"]},\"inline\":\"return { step = function(r)\\n"
		"  if r.weight < 5 then return nil end\\n"
		"  local names = {}\\n"
		"  for name in pairs(%s) do names[#names + 1] = name end\\n"
		"  return { action = 'hold', reason = table.concat(names, ' ') .. ' .' } end "
		"}\"}}}}",
		table);
	bed_begin(&bed);
	bed_put_canary(&bed, NULL);
	bed_merge(&bed, bed_canary, patch);
	bed_start_engine(&bed);
	EXPECT(bed_reaches(&bed, "Initialized"));
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 5));
	bed_run(&bed, 12);
	SCOPED(text) char *told = xasprintf("Halt podinfo.test advancement %s.", wanted);
	if (bed_events(&bed, told) != 1)
		spec_fail(__FILE__, __LINE__, "%s: a policy is not given: %s", class, wanted);
	bed_end(&bed);
}

SPEC("rollout: what a hook is given has stubs for editors, and each stub is given")
{
	expect_fields("Rollout", "r");
	expect_fields("Peer", "r.peers.podinfo");
}
