#include "canary/unready.h"

#include "base/duration.h"
#include "base/mem.h"
#include "canary/converge.h"
#include "canary/target.h"

static int64_t usual_us(const struct tick *tick)
{
	const int64_t most_us = WAIT_USUAL_S * DURATION_SECOND;
	int64_t interval_us = tick->spec->interval_us;
	return interval_us > 0 && interval_us < most_us ? interval_us : most_us;
}

enum step unready_halt(struct tick *tick, enum side side, const struct error *why)
{
	const struct canary_spec *spec = tick->spec;
	bool primary = side == SIDE_PRIMARY;
	int64_t began_us = tick->status.memory.since_us + converge_pause_us(tick);
	int64_t said_us = began_us + usual_us(tick);
	/* A first primary; pods that served and are gone. */
	bool moved = tick->diverted || tick->relieved;
	bool unusual = tick->status.phase == PHASE_INITIALIZING || moved;
	if (tick->now_us < said_us && !unusual) {
		tick->due_us = said_us;
		return STEP_END;
	}
	int times = 0;
	for (int64_t us = usual_us(tick); us <= (tick->now_us - began_us) / 4; us *= 4)
		times++;
	SCOPED(text)
	char *wait = xasprintf("pods of %d %d %d", (int)side, moved, times);
	SCOPED(text)
	char *who = primary ? xasprintf("%s.%s", spec->primary_target, spec->namespace)
			    : xasprintf("canary %s %s.%s", spec->target->noun, spec->target_name,
					spec->namespace);
	return tick_halt_as(tick, wait, "%s not ready: %s%s%s", who, why->text,
			    moved ? "; meanwhile all traffic goes to the " : "",
			    !moved	     ? ""
			    : tick->diverted ? "primary"
					     : "canary");
}
