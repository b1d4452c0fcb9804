#include "canary/adopt.h"

#include "base/json.h"
#include "canary/converge.h"

/* Whether the configs are those that the status was written with. */
static bool has_same_configs(const struct tick *tick)
{
	const cJSON *then = tick->status.tracked_configs;
	if (tick->tracked == NULL || then == NULL)
		return tick->tracked == then;
	return json_equal(tick->tracked, then);
}

/* The hash by which the other controller knows a revision cannot be made again, so a change that
 * nobody acted on yet is seen by comparing the target with the primary. Where a rollout has failed
 * they differ anyway, and its configs alone can tell. */
static bool a_rollout_is_due(const struct tick *tick)
{
	switch (tick->status.phase) {
	case PHASE_INITIALIZED:
	case PHASE_SUCCEEDED:
		return tick->primary != NULL &&
		       (!workload_same_template(tick->spec, tick->target, tick->primary,
						&tick->label, tick->tracked,
						&tick->world->workload) ||
			!has_same_configs(tick));
	case PHASE_FAILED:
		return !has_same_configs(tick);
	case PHASE_NONE:
	case PHASE_INITIALIZING:
	case PHASE_WAITING:
	case PHASE_PROGRESSING:
	case PHASE_WAITING_PROMOTION:
	case PHASE_PROMOTING:
	case PHASE_FINALISING:
	case PHASE_TERMINATING:
	case PHASE_TERMINATED:
		return false;
	}
	return false;
}

/* Whether traffic is anywhere but on the primary, or may be. */
static bool has_split(enum phase phase)
{
	return phase == PHASE_PROGRESSING || phase == PHASE_WAITING_PROMOTION ||
	       phase == PHASE_PROMOTING || phase == PHASE_FINALISING || phase == PHASE_FAILED;
}

enum step adopt(struct tick *tick)
{
	struct move *move = &tick->move;
	struct split live;
	bool known = false;
	move->split = (struct split){.primary = 100};
	if (has_split(tick->status.phase)) {
		/* The status shows weight 0 while it waits for promotion: the routes know better.
		 */
		int weight = tick->status.canary_weight;
		move->split = (struct split){.primary = 100 - weight, .canary = weight};
		if (tick->driver->can_weigh) {
			enum step step = converge_live_split(tick, &live, &known);
			if (step != STEP_ON)
				return step;
		}
		if (known)
			move->split = live;
	}
	/* After a failed promotion the canary carries all; after a rollback the primary does. */
	if (tick->status.phase == PHASE_FAILED && move->split.canary != 100)
		move->split = (struct split){.primary = 100};
	move->differs = a_rollout_is_due(tick);
	return tick_move(tick, MOVE_ADOPT);
}
