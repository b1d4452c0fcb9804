#include "canary/obey.h"

#include <string.h>

#include "canary/converge.h"
#include "canary/workload.h"

static bool move(struct tick *tick, enum move_kind kind)
{
	tick->move.command = &tick->command;
	(void)tick_move(tick, kind);
	return true;
}

static bool refuse(struct tick *tick, const char *why)
{
	tick->move.refused = tick_words(tick, "%s", why);
	return move(tick, MOVE_SETTLE);
}

static bool is_in_analysis(const struct tick *tick)
{
	return tick->status.phase == PHASE_PROGRESSING ||
	       tick->status.phase == PHASE_WAITING_PROMOTION;
}

static bool target_changed(const struct tick *tick)
{
	return strcmp(tick->revision, tick->status.memory.revision) != 0;
}

static bool target_is_promoted(const struct tick *tick)
{
	return converge_is_promoted(tick);
}

static bool roll_back(struct tick *tick)
{
	const struct command *command = &tick->command;
	if (tick->status.phase == PHASE_WAITING)
		return move(tick, MOVE_CANCEL);
	tick->move.restores =
		(tick->status.phase == PHASE_PROMOTING || tick->status.phase == PHASE_FINALISING) &&
		workload_carries(tick->spec, tick->primary, tick->tracked,
				 tick->status.memory.revision);
	if (tick->move.restores && !workload_has_former(tick->primary))
		return refuse(tick, "the primary runs the revision already, and what it ran before "
				    "is not known: release the former one");
	tick->move.reason =
		tick_words(tick, "aborted%s%s", command->by[0] == '\0' ? "" : " by ", command->by);
	return move(tick, MOVE_ROLL_BACK);
}

enum step obey_ask_who(struct tick *tick)
{
	struct error why = {0};
	struct command command;
	const char *text = command_text(tick->spec->object);
	char digest[HASH_TEXT_MAX];
	command_digest(text, digest);
	if (text == NULL || strcmp(digest, tick->status.memory.command) == 0)
		return STEP_ON;
	bool says = command_parse(&command, text, &why) && command.by[0] != '\0';
	return says || ask_list(tick->asks, tick->path) != NULL ? STEP_ON : STEP_WAIT;
}

bool obey(struct tick *tick)
{
	struct error why = {0};
	const char *text = command_text(tick->spec->object);
	struct command *command = &tick->command;
	char digest[HASH_TEXT_MAX];
	command_digest(text, digest);
	tick->commanded = text != NULL && strcmp(digest, tick->status.memory.command) != 0;
	if (!tick->commanded)
		return false;
	bool parsed = command_parse(command, text, &why);
	const struct answer *whole =
		!parsed || command->by[0] == '\0' ? ask_list(tick->asks, tick->path) : NULL;
	if (whole != NULL && whole->error.kind == ERROR_NONE)
		command_know_writer(command, whole->object);
	if (!parsed || !command_is_good(command, &tick->status, tick->spec, &why))
		return refuse(tick, why.text);
	switch (command->kind) {
	case COMMAND_ABORT:
		return roll_back(tick);
	case COMMAND_RETRY:
		if (target_is_promoted(tick))
			return refuse(tick, "the target runs what is promoted");
		return move(tick, MOVE_SETTLE);
	case COMMAND_PAUSE:
	case COMMAND_RESUME:
		return move(tick, MOVE_SETTLE);
	case COMMAND_PROMOTE:
	case COMMAND_SKIP_TO:
	case COMMAND_APPROVE:
		if (is_in_analysis(tick) && target_changed(tick))
			return refuse(tick, "the target has a newer revision: say it again once "
					    "that is under analysis");
		return command->kind == COMMAND_APPROVE ? move(tick, MOVE_SETTLE) : false;
	case COMMANDS:
		return false;
	}
	return false;
}

bool obey_asks(const struct tick *tick, enum command_kind kind)
{
	return tick->commanded && tick->command.kind == kind;
}

bool obey_is_paused(const struct tick *tick)
{
	return tick->status.memory.paused_us != 0 && !obey_asks(tick, COMMAND_PROMOTE) &&
	       !obey_asks(tick, COMMAND_SKIP_TO);
}

bool obey_when_ready(struct tick *tick)
{
	const struct memory *memory = &tick->status.memory;
	if (obey_asks(tick, COMMAND_PROMOTE))
		return move(tick, tick->spec->skip_analysis ? MOVE_SKIP : MOVE_PROMOTE);
	if (!obey_asks(tick, COMMAND_SKIP_TO))
		return false;
	tick->move.split.canary = tick->command.weight;
	tick->move.split.primary = 100 - tick->command.weight;
	tick->move.match = memory->match;
	return move(tick, MOVE_ROUTE);
}

bool obey_opens(const struct tick *tick, enum people_gate gate)
{
	return tick->status.memory.approved == gate;
}
