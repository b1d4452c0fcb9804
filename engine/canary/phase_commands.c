/*
 * phase_commands.c - what commands of operators change in a status.
 */
#include "canary/phase_parts.h"

#include <stdio.h>

#include "base/mem.h"
#include "canary/command.h"

static void shift(int64_t *time_us, int64_t by_us)
{
	if (*time_us != 0)
		*time_us += by_us;
}

void next_count_pause(struct memory *memory, int64_t now_us)
{
	int64_t paused_us = now_us - memory->paused_us;
	if (memory->paused_us == 0)
		return;
	memory->paused_us = now_us;
	memory->paused_for_us += paused_us;
	shift(&memory->due_us, paused_us);
	shift(&memory->since_us, paused_us);
	shift(&memory->hold_since_us, paused_us);
	shift(&memory->held_us, paused_us);
	shift(&memory->stepped_us, paused_us);
}

static enum people_gate gate_of(enum phase phase)
{
	if (phase == PHASE_WAITING)
		return PEOPLE_ROLLOUT;
	return phase == PHASE_WAITING_PROMOTION ? PEOPLE_PROMOTION : PEOPLE_INCREASE;
}

static void obey(struct status *next, const struct situation *situation, enum command_kind kind)
{
	struct memory *memory = &next->memory;
	switch (kind) {
	case COMMAND_PAUSE:
		memory->paused_us = situation->now_us;
		break;
	case COMMAND_RETRY:
		/* What is on the target is new again. */
		memory->revision[0] = '\0';
		memory->due_us = 0;
		memory->paused_us = 0;
		break;
	case COMMAND_PROMOTE:
	case COMMAND_ABORT:
	case COMMAND_RESUME:
		memory->paused_us = 0;
		break;
	case COMMAND_APPROVE:
		memory->approved = gate_of(next->phase);
		memory->due_us = situation->now_us;
		break;
	case COMMAND_SKIP_TO:
	case COMMANDS:
		break;
	}
}

bool next_take_command(struct status *next, const struct situation *situation,
		       const struct move *move, const char *checksum, struct error *err)
{
	const struct command *command = move->command;
	const char *does = command_does(next->phase, command->kind);
	char what[DEBT_TEXT_MAX / 2], text[DEBT_TEXT_MAX];
	text_copy(next->memory.command, sizeof(next->memory.command), command->digest);
	next->memory.refused_command = move->refused != NULL;
	command_describe(command, situation->spec->name, situation->spec->namespace, what,
			 sizeof(what));
	if (move->refused != NULL) {
		snprintf(text, sizeof(text), "Command %s refused: %s", what, move->refused);
		next_owe(next, situation, true, checksum, text);
		return true;
	}
	if (does == NULL)
		return error_set(err, ERROR_BUG, "no command \"%s\" in phase \"%s\"",
				 command_name(command->kind), phase_name(next->phase));
	snprintf(text, sizeof(text), "Command %s: %s", what, does);
	next_owe(next, situation, false, checksum, text);
	obey(next, situation, command->kind);
	return true;
}
