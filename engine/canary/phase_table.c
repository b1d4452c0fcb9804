#include "canary/phase_table.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"

static const struct phase_facts facts[PHASES] = {
	[PHASE_NONE] = {"being seen for the first time", "at once", "delete the Canary"},
	[PHASE_INITIALIZING] = {"a primary that runs what the target runs, and is ready",
				"none: the target serves meanwhile, and a corrected target is "
				"copied anew",
				"delete the Canary"},
	[PHASE_INITIALIZED] = {"a new revision of the target", "none: it is at rest",
			       "nothing to abort"},
	[PHASE_WAITING] = {"the confirm-rollout hooks, and a policy's start",
			   "none: no traffic has moved",
			   "sluice abort, or the target at the promoted revision"},
	[PHASE_PROGRESSING] = {"ready pods of the canary, then each interval's checks and gates",
			       "progressDeadlineSeconds without ready pods, threshold failed "
			       "checks, or holdTimeout held by metrics or the policy: rolled back",
			       "sluice abort, the target at the promoted revision, or a rollback "
			       "hook"},
	[PHASE_WAITING_PROMOTION] =
		{"the confirm-promotion hooks, while checks go on",
		 "threshold failed checks, holdTimeout held by metrics or the policy, or "
		 "progressDeadlineSeconds without ready pods: rolled back; none for people",
		 "sluice abort, the target at the promoted revision, or a rollback "
		 "hook"},
	[PHASE_PROMOTING] = {"a primary that is ready with the new revision, then traffic's way "
			     "back",
			     "progressDeadlineSeconds: failed, and traffic stays on the canary",
			     "sluice abort: the primary gets back what it ran before"},
	[PHASE_FINALISING] = {"one more interval of a ready primary with all traffic",
			      "progressDeadlineSeconds: failed, and traffic goes to the canary",
			      "sluice abort: the primary gets back what it ran before"},
	[PHASE_SUCCEEDED] = {"a new revision of the target", "none: it is at rest",
			     "nothing to abort"},
	[PHASE_FAILED] = {"another revision than the one that failed", "none: it is at rest",
			  "nothing to abort"},
	[PHASE_TERMINATING] = {"as many ready pods of the target as the primary has",
			       "none: the primary serves meanwhile",
			       "set revertOnDeletion to false: nothing is reverted"},
	[PHASE_TERMINATED] = {"its last event, then the finalizer goes", "at once",
			      "nothing to abort"},
};

static const char *const meanings[MOVES] = {
	[MOVE_SETTLE] = "what was owed is done",
	[MOVE_INITIALIZE] = "a new canary",
	[MOVE_INITIALIZED] = "primary, services and routes are there",
	[MOVE_ADOPT] = "a status that another controller left",
	[MOVE_NOTICE_SPEC] = "the target changed to what is promoted already",
	[MOVE_WAIT] = "confirm-rollout is closed",
	[MOVE_BEGIN] = "a new revision is accepted",
	[MOVE_RESTART] = "a newer revision came",
	[MOVE_CANCEL] = "the target went back to what is promoted",
	[MOVE_FAIL_CHECK] = "one more failed check",
	[MOVE_HOLD] = "not now",
	[MOVE_ROUTE] = "a new split, or one more iteration",
	[MOVE_WAIT_PROMOTION] = "confirm-promotion is closed",
	[MOVE_PROMOTE] = "the analysis passed",
	[MOVE_SKIP] = "promoted without analysis",
	[MOVE_PRIMARY] = "traffic goes back to the primary, a step or all",
	[MOVE_FINISH] = "the primary has carried all for an interval",
	[MOVE_ROLL_BACK] = "the canary failed",
	[MOVE_PROMOTION_FAILED] = "the primary does not come up with the new revision",
	[MOVE_TERMINATE] = "deleted, and shall leave things as they were",
	[MOVE_TERMINATED] = "they are as they were",
};

const struct phase_facts *phase_facts(enum phase phase)
{
	return &facts[phase];
}

const char *move_meaning(enum move_kind kind)
{
	return meanings[kind];
}

unsigned phase_after(enum phase phase, enum move_kind kind)
{
	const struct canary_spec spec = {.name = "a", .namespace = "b", .target_name = "a"};
	const struct situation situation = {.spec = &spec,
					    .now_us = 1,
					    .template_hash = "h",
					    .revision = "r",
					    .policy = "",
					    .policy_after = "",
					    .routed = true};
	unsigned after = 0;
	/* A step back to the primary, or the rest of it. */
	for (int weight = 50; weight <= 100; weight += 50) {
		struct status status, next;
		struct error err = {0};
		const struct move move = {.kind = kind,
					  .split = {.primary = weight, .canary = 100 - weight}};
		status_init(&status);
		status.phase = phase;
		if (phase_next(&status, &situation, &move, &next, &err))
			after |= 1u << next.phase;
		status_fini(&next);
		status_fini(&status);
	}
	return after;
}

static const char *name_of(enum phase phase)
{
	return phase == PHASE_NONE ? "(new)" : phase_name(phase);
}

static void list_phases(unsigned set, struct buf *into)
{
	const char *separator = "";
	for (enum phase phase = 0; phase < PHASES; phase++) {
		if ((set & 1u << phase) == 0)
			continue;
		buf_printf(into, "%s%s", separator, name_of(phase));
		separator = " or ";
	}
}

char *phase_table_text(void)
{
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, 64UL * KIB);
	for (enum phase phase = 0; phase < PHASES; phase++) {
		buf_printf(&text, "%s%s\n  waits for  %s\n  deadline   %s\n  abort      %s\n",
			   phase == 0 ? "" : "\n", name_of(phase), facts[phase].waits_for,
			   facts[phase].deadline, facts[phase].abort);
		for (enum move_kind kind = 0; kind < MOVES; kind++) {
			unsigned after = phase_after(phase, kind);
			if (after == 0)
				continue;
			SCOPED(buf) struct buf names = {0};
			buf_init(&names, 1024);
			list_phases(after, &names);
			buf_printf(&text, "    %-18s %-26s %s\n", move_name(kind), names.text,
				   meanings[kind]);
		}
		for (enum command_kind kind = 0; kind < COMMANDS; kind++) {
			const char *does = command_does(phase, kind);
			buf_printf(&text, "    sluice %-11s %s%s\n", command_name(kind),
				   does == NULL ? "refused: " : "",
				   does == NULL ? command_refusal(phase, kind) : does);
		}
	}
	return buf_take(&text);
}

char *phase_table_json(void)
{
	SCOPED(json) cJSON *table = cJSON_CreateArray();
	for (enum phase phase = 0; phase < PHASES; phase++) {
		cJSON *row = cJSON_CreateObject();
		cJSON_AddStringToObject(row, "phase", phase_name(phase));
		cJSON_AddStringToObject(row, "waitsFor", facts[phase].waits_for);
		cJSON_AddStringToObject(row, "deadline", facts[phase].deadline);
		cJSON_AddStringToObject(row, "abort", facts[phase].abort);
		cJSON *moves = cJSON_AddObjectToObject(row, "moves");
		for (enum move_kind kind = 0; kind < MOVES; kind++) {
			unsigned after = phase_after(phase, kind);
			if (after == 0)
				continue;
			cJSON *list = cJSON_AddArrayToObject(moves, move_name(kind));
			for (enum phase to = 0; to < PHASES; to++)
				if (after & 1u << to)
					cJSON_AddItemToArray(list,
							     cJSON_CreateString(phase_name(to)));
		}
		cJSON *commands = cJSON_AddObjectToObject(row, "commands");
		for (enum command_kind kind = 0; kind < COMMANDS; kind++) {
			const char *does = command_does(phase, kind);
			cJSON *cell = cJSON_AddObjectToObject(commands, command_name(kind));
			cJSON_AddStringToObject(cell, does == NULL ? "refused" : "does",
						does == NULL ? command_refusal(phase, kind) : does);
		}
		cJSON_AddItemToArray(table, row);
	}
	return json_text(table);
}

/* All moves between two phases on one arrow; what stays in a phase is left out. */
char *phase_table_mermaid(void)
{
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, 64UL * KIB);
	buf_puts(&text, "stateDiagram-v2\n");
	for (enum phase from = 0; from < PHASES; from++) {
		for (enum phase to = 0; to < PHASES; to++) {
			const char *separator = " : ";
			bool drawn = false;
			for (enum move_kind kind = 0; kind < MOVES && to != from; kind++) {
				if ((phase_after(from, kind) & 1u << to) == 0)
					continue;
				if (!drawn)
					buf_printf(&text, "  %s --> %s",
						   from == PHASE_NONE ? "[*]" : phase_name(from),
						   phase_name(to));
				buf_printf(&text, "%s%s", separator, move_name(kind));
				separator = ", ";
				drawn = true;
			}
			if (drawn)
				buf_putc(&text, '\n');
		}
	}
	buf_puts(&text, "  Terminated --> [*]\n");
	return buf_take(&text);
}
