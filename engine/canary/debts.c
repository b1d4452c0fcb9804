#include "canary/debts.h"

#include <stdio.h>

#include "canary/converge.h"
#include "canary/event.h"
#include "canary/hooks.h"

static bool is_paid(const struct tick *tick, uint32_t id)
{
	for (size_t i = 0; i < tick->paid_count; i++)
		if (tick->paid[i] == id)
			return true;
	return false;
}

static void mark(struct tick *tick, uint32_t id)
{
	if (!is_paid(tick, id) && tick->paid_count < PAID_MAX)
		tick->paid[tick->paid_count++] = id;
}

bool debts_are_paid(const struct tick *tick)
{
	for (size_t i = 0; i < tick->status.memory.debt_count; i++)
		if (!is_paid(tick, tick->status.memory.debts[i].id))
			return false;
	return true;
}

static enum step pay_event(struct tick *tick, const struct debt *debt)
{
	char id[16];
	snprintf(id, sizeof(id), "%u", debt->id);
	const struct event event = {
		.id = id,
		.warning = debt->warning,
		.phase = debt->phase,
		.time_us = debt->time_us,
		.checksum = debt->checksum,
		.text = debt->text,
	};
	return event_emit(tick, &event);
}

/* The hooks in their order, each followed by its event; the first failure ends them. */
static enum step pay_post_rollout(struct tick *tick, const struct debt *debt)
{
	const struct canary_spec *spec = tick->spec;
	for (size_t i = 0; i < spec->webhook_count; i++) {
		const struct webhook_spec *webhook = &spec->webhooks[i];
		if (webhook->type != WEBHOOK_POST_ROLLOUT)
			continue;
		char label[64], id[40], text[DEBT_TEXT_MAX];
		snprintf(label, sizeof(label), "post-rollout %u hook %zu", debt->id, i);
		const struct hook_call call = {
			.label = label,
			.webhook = webhook,
			.phase = debt->phase,
			.checksum = debt->checksum,
		};
		bool passed;
		struct error why = {0};
		if (hook_call(tick, &call, &passed, &why) == STEP_WAIT)
			return STEP_WAIT;
		if (passed)
			snprintf(text, sizeof(text), "Post-rollout check %s passed", webhook->name);
		else
			snprintf(text, sizeof(text), "Post-rollout hook %s failed %s",
				 webhook->name, why.text);
		snprintf(id, sizeof(id), "%u/%zu", debt->id, i);
		const struct event event = {
			.id = id,
			.warning = !passed,
			.phase = debt->phase,
			.time_us = debt->time_us,
			.checksum = debt->checksum,
			.text = text,
		};
		enum step told = event_emit(tick, &event);
		if (told != STEP_ON)
			return told;
		if (!passed)
			break;
	}
	return STEP_ON;
}

static enum step pay(struct tick *tick, const struct debt *debt)
{
	switch (debt->kind) {
	case DEBT_EVENT:
		return pay_event(tick, debt);
	case DEBT_POST_ROLLOUT:
		return pay_post_rollout(tick, debt);
	case DEBT_PROMOTE:
		return converge_promotion(tick);
	case DEBT_SCALE_DOWN:
		return converge_scale_down(tick);
	}
	return STEP_ON;
}

enum step debts_pay_events(struct tick *tick)
{
	for (size_t i = 0; i < tick->status.memory.debt_count; i++) {
		const struct debt *debt = &tick->status.memory.debts[i];
		if (debt->kind != DEBT_EVENT)
			return STEP_ON;
		enum step step = pay(tick, debt);
		if (step != STEP_ON)
			return step;
		mark(tick, debt->id);
	}
	return STEP_ON;
}

enum step debts_pay(struct tick *tick)
{
	for (size_t i = 0; i < tick->status.memory.debt_count; i++) {
		const struct debt *debt = &tick->status.memory.debts[i];
		if (is_paid(tick, debt->id))
			continue;
		enum step step = pay(tick, debt);
		if (step != STEP_ON)
			return step;
		mark(tick, debt->id);
	}
	return STEP_ON;
}
