#include "canary/beside.h"

bool beside_failed(const struct beside *beside, const struct status *before)
{
	return beside->acted && beside->after.phase == before->phase &&
	       beside->after.failed_checks > before->failed_checks;
}

/* It gave up for another reason than failed checks: a webhook, or pods that did not come up. */
static bool gave_up(const struct beside *beside, const struct status *before, int threshold)
{
	return beside->acted && beside->after.phase == PHASE_FAILED &&
	       before->failed_checks < threshold;
}

static bool cannot_tell(struct beside *beside)
{
	beside->unknown = true;
	return false;
}

bool beside_passed(struct beside *beside, const struct status *before, enum webhook_type type,
		   int threshold)
{
	enum phase after = beside->after.phase;
	switch (type) {
	case WEBHOOK_CONFIRM_ROLLOUT:
		if (beside->acted)
			return after != PHASE_WAITING;
		return before->phase == PHASE_WAITING ? false : cannot_tell(beside);
	case WEBHOOK_PRE_ROLLOUT:
		if (!beside->acted)
			return cannot_tell(beside); /* it may be running */
		return !beside_failed(beside, before);
	case WEBHOOK_ROLLOUT: /* see measure.c for those that fail */
		return beside->acted ? true : cannot_tell(beside);
	case WEBHOOK_CONFIRM_TRAFFIC_INCREASE:
		return beside->acted;
	case WEBHOOK_CONFIRM_PROMOTION:
		if (beside->acted)
			return after != PHASE_WAITING_PROMOTION;
		return before->phase == PHASE_WAITING_PROMOTION ? false : cannot_tell(beside);
	case WEBHOOK_ROLLBACK:
		return gave_up(beside, before, threshold);
	case WEBHOOK_POST_ROLLOUT:
	case WEBHOOK_EVENT:
		return true;
	}
	return true;
}

enum readiness beside_ready(const struct beside *beside, const struct status *before, bool primary,
			    int threshold, enum readiness live)
{
	bool promoting = before->phase == PHASE_PROMOTING || before->phase == PHASE_FINALISING;
	if (!beside->acted)
		return live;
	if (gave_up(beside, before, threshold) && primary == promoting)
		return READY_NEVER;
	return READY;
}
