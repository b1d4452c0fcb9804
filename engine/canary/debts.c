#include "canary/debts.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "canary/converge.h"
#include "canary/event.h"
#include "canary/hooks.h"
#include "canary/pin.h"

static bool is_paid(const struct tick *tick, const struct debt *debt)
{
	return debt->id < tick->paid_before;
}

/* What the world was told, the log is told. */
static void mark(struct tick *tick, const struct debt *debt)
{
	tick->paid_before = debt->id + 1;
	if (debt->kind != DEBT_EVENT)
		return;
	SCOPED(text)
	char *canary = xasprintf("%s.%s", tick->spec->name, tick->spec->namespace);
	if (debt->warning)
		log_warn(canary, "%s", debt->text);
	else
		log_info(canary, "%s", debt->text);
}

static enum step pay_event(struct tick *tick, const struct debt *debt)
{
	char id[16];
	snprintf(id, sizeof(id), "%u", debt->id);
	const struct event event = {
		.id = id,
		.debt = debt->id,
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
			.debt = debt->id,
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
		/* A newer target is a release of its own, and what it had before is gone. */
		return converge_is_outdated(tick) ? STEP_ON : converge_promotion(tick);
	case DEBT_SCALE_DOWN:
		return converge_scale_down(tick);
	case DEBT_UNPIN:
		return pin_remove(tick, debt->text);
	case DEBT_RESTORE:
		return converge_restore(tick);
	}
	return STEP_ON;
}

enum step debts_pay_events(struct tick *tick)
{
	for (size_t i = 0; i < tick->status.memory.debt_count; i++) {
		const struct debt *debt = &tick->status.memory.debts[i];
		if (is_paid(tick, debt))
			continue; /* it stays while a receiver of events is told */
		if (debt->kind != DEBT_EVENT)
			return STEP_ON;
		enum step step = pay(tick, debt);
		if (step != STEP_ON)
			return step;
		mark(tick, debt);
	}
	return STEP_ON;
}

enum step debts_pay(struct tick *tick)
{
	for (size_t i = 0; i < tick->status.memory.debt_count; i++) {
		const struct debt *debt = &tick->status.memory.debts[i];
		if (is_paid(tick, debt))
			continue;
		enum step step = pay(tick, debt);
		if (step != STEP_ON)
			return step;
		mark(tick, debt);
	}
	return STEP_ON;
}

enum step debts_pay_restore(struct tick *tick)
{
	for (size_t i = 0; i < tick->status.memory.debt_count; i++) {
		const struct debt *debt = &tick->status.memory.debts[i];
		if (is_paid(tick, debt))
			continue;
		if (debt->kind != DEBT_RESTORE)
			return STEP_ON;
		enum step step = pay(tick, debt);
		if (step != STEP_ON)
			return step;
		mark(tick, debt);
	}
	return STEP_ON;
}
