#include "canary/observer_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "canary/custody.h"
#include "canary/theirs.h"
#include "kube/watch.h"

/* The other controller may write twice in one go, and watches of several kinds are not in step. */
static const int64_t settle_us = 500 * DURATION_MS;
/* Of what it should take for its next move, beside half an interval: it works canaries off one
 * after the other, and waits for webhooks. */
static const int64_t patience_us = 5 * DURATION_SECOND;
static const int64_t try_again_us = 10 * DURATION_SECOND;

enum { LOOKS_MAX = 16 };

static const char *controller_of(const struct record *record)
{
	const char *manager = record->custody.other.manager;
	return manager[0] == '\0' ? "the other controller" : manager;
}

/* ---- when ---- */

static void look(struct observer *observer, struct record *record);

static void due(void *owner, uint64_t id)
{
	struct observer *observer = owner;
	struct record *record = records_by_id(&observer->records, id);
	if (record == NULL)
		return;
	record->timer = 0;
	look(observer, record);
}

static void look_at(struct observer *observer, struct record *record, int64_t when_us)
{
	loop_cancel(observer->loop, record->timer);
	record->timer =
		when_us == 0 ? 0 : loop_at(observer->loop, when_us, due, observer, record->id);
}

/* Until when it should have moved on; 0: it need not. */
static int64_t expected_us(const struct observed *observed, int64_t interval_us)
{
	enum phase phase = observed->before.phase;
	bool moves = phase_is_at_rest(phase) ? observed->waits_for_begin
					     : phase != PHASE_NONE && phase != PHASE_TERMINATING &&
						       phase != PHASE_TERMINATED;
	return moves ? observed->wrote_us + interval_us + interval_us / 2 + patience_us : 0;
}

static void end_look(struct observer *observer, struct record *record)
{
	if (record->tick == NULL)
		return;
	observer->running--;
	tick_free(record->tick);
	canary_spec_free(record->spec);
	record->tick = NULL;
	record->spec = NULL;
	status_fini(&record->observed->beside.after);
}

/* The next look, whatever came of this one. */
static void settle(struct observer *observer, struct record *record)
{
	struct observed *observed = record->observed;
	int64_t now_us = loop_now(observer->loop);
	int64_t interval_us = record->spec->interval_us;
	int64_t when_us = expected_us(observed, interval_us);
	if (when_us != 0 && when_us <= now_us)
		when_us = now_us + interval_us;
	bool rests = phase_is_at_rest(observed->before.phase);
	end_look(observer, record);
	kept_warm(observer->kept, &record->keeping, rests ? WARMTH_NONE : WARMTH_PACKED);
	if (record->again)
		when_us = now_us + settle_us;
	record->again = false;
	look_at(observer, record, when_us);
}

static void try_later(struct observer *observer, struct record *record, const char *why)
{
	log_warn(record->key, "cannot be looked at: %s", why);
	end_look(observer, record);
	record->again = false;
	look_at(observer, record, loop_now(observer->loop) + try_again_us);
}

/* ---- what ---- */

/* Whatever the other controller says with it; its own times too: it may act without a change. */
static void digest(const cJSON *canary, char into[HASH_TEXT_MAX])
{
	char hex[SHA256_HEX_SIZE];
	const cJSON *status = json_get(canary, "status");
	SCOPED(text) char *text = status == NULL ? xstrdup("") : json_text(status);
	sha256_hex(text, strlen(text), hex);
	hex[16] = '\0';
	text_copy(into, HASH_TEXT_MAX, hex);
}

static void remember(struct observer *observer, struct record *record, struct status *owned_next)
{
	struct observed *observed = record->observed;
	status_fini(&observed->before);
	observed->before = *owned_next;
	text_copy(observed->seen, sizeof(observed->seen), observed->now);
	observed->idle[0] = '\0';
	observed->waits_for_begin = false;
	observed->wrote_us = loop_now(observer->loop);
}

static void adopted(struct observer *observer, struct record *record, enum foreseen foreseen,
		    struct status *owned_next)
{
	struct observed *observed = record->observed;
	if (foreseen == FORESEEN_NONE)
		status_copy(owned_next, &record->tick->status); /* as it is: new, or ending */
	observed->adopted = true;
	remember(observer, record, owned_next);
	observed->waits_for_begin = record->tick->move.differs;
}

/* The same is told once. */
static bool was_told(struct observed *observed, const struct tick *tick)
{
	char hex[SHA256_HEX_SIZE], text[500], reason[400];
	foresee_reason(tick, reason, sizeof(reason));
	snprintf(text, sizeof(text), "%d %d %s", (int)tick->move.kind, tick->move.split.canary,
		 reason);
	sha256_hex(text, strlen(text), hex);
	hex[16] = '\0';
	bool told = strcmp(hex, observed->idle) == 0;
	text_copy(observed->idle, sizeof(observed->idle), hex);
	return told;
}

/* Ours and theirs, side by side. */
static void compare(struct observer *observer, struct record *record, struct status *owned_next)
{
	struct observed *observed = record->observed;
	struct tick *tick = record->tick;
	const struct status *after = &observed->beside.after;
	bool acted = observed->beside.acted;
	struct move theirs;
	bool one_move = theirs_move(record->spec, &tick->status, after, &theirs);
	struct sight_of of = {
		.key = record->key,
		.controller = controller_of(record),
		.tick = tick,
		.theirs = &theirs,
		.next = owned_next,
		.alike = one_move && theirs_is_ours(record->spec, owned_next, after),
		.idle_us = acted ? 0 : tick->now_us - observed->wrote_us,
	};
	decision_move(tick->decision, &tick->move);
	bool tells = acted ? one_move : !of.alike && !was_told(observed, tick);
	if (tells) {
		sight_add(&observed->sight, &of, observer->options.json);
		decision_log_add(observer->world->decisions, record->spec->namespace,
				 record->spec->name, tick->now_us, tick->decision,
				 phase_is_at_rest(after->phase));
	}
	struct status followed;
	if (acted && one_move && foresee_follow(tick, &theirs, &followed)) {
		remember(observer, record, &followed);
	} else if (acted) {
		observed->sight.not_compared += !one_move;
		observed->adopted = false;
	}
	status_fini(owned_next);
	if (acted && phase_is_at_rest(after->phase))
		sight_sum_up(&observed->sight, record->key, controller_of(record), tick->now_us,
			     observer->options.json);
}

static void go_on(struct observer *observer, struct record *record)
{
	struct observed *observed = record->observed;
	struct tick *tick = record->tick;
	struct status next;
	bool adopts = !observed->adopted;
	enum foreseen foreseen = adopts ? foresee_adopt(tick, &next) : foresee(tick, &next);
	switch (foreseen) {
	case FORESEEN_WAIT:
		return;
	case FORESEEN_TROUBLE: {
		const struct error trouble = tick->trouble;
		try_later(observer, record, trouble.text);
		return;
	}
	case FORESEEN_MOVE:
	case FORESEEN_NONE:
		break;
	}
	if (adopts) {
		adopted(observer, record, foreseen, &next);
	} else if (foreseen == FORESEEN_MOVE) {
		compare(observer, record, &next);
	} else if (observed->beside.acted) {
		observed->sight.not_compared++;
		observed->adopted = false;
	}
	record->again |= !observed->adopted;
	settle(observer, record);
}

static void resume(void *owner, uint64_t id)
{
	struct observer *observer = owner;
	struct record *record = records_by_id(&observer->records, id);
	if (record == NULL)
		return;
	record->waking = false;
	if (record->tick != NULL)
		go_on(observer, record);
}

static void woken(void *owner, uint64_t id)
{
	struct observer *observer = owner;
	struct record *record = records_by_id(&observer->records, id);
	if (record == NULL || record->waking)
		return;
	record->waking = true;
	loop_ready(observer->loop, resume, observer, id);
}

/* Another policy decides than the canary's own. */
static void put_policy(cJSON *object, const char *policy)
{
	json_remove(object, "spec.analysis.policy.name");
	json_remove(object, "spec.analysis.policy.configMap");
	json_put_string(object, "spec.analysis.policy.inline", policy);
}

static struct canary_spec *spec_of(const struct observer *observer, struct record *record,
				   const cJSON *object)
{
	struct spec_problems problems = {0};
	struct canary_spec *spec = canary_spec_new(object, &observer->options.spec, &problems);
	if (spec == NULL) {
		SCOPED(buf) struct buf text = {0};
		buf_init(&text, 4096);
		spec_problems_text(&problems, &text);
		char hex[SHA256_HEX_SIZE];
		sha256_hex(text.text, text.len, hex);
		hex[16] = '\0';
		if (strcmp(hex, record->complained) != 0)
			log_error(record->key, "would be refused: %s", text.text);
		text_copy(record->complained, sizeof(record->complained), hex);
	}
	spec_problems_fini(&problems);
	return spec;
}

/* The status that is decided about: the one before, or for an adoption the one that is. */
static void begin_look(struct observer *observer, struct record *record, const cJSON *object,
		       bool acted)
{
	struct observed *observed = record->observed;
	struct tick *tick = tick_new(observer->world, record->spec, observer->kept,
				     &record->keeping, woken, observer, record->id);
	record->tick = tick;
	tick->fleet = &observer->fleet;
	kept_warm(observer->kept, &record->keeping, WARMTH_PACKED);
	tick_begin(tick, object);
	status_read(&observed->beside.after, json_get(object, "status"));
	observed->beside.acted = acted;
	tick->beside = &observed->beside;
	if (observed->adopted) {
		status_fini(&tick->status);
		status_copy(&tick->status, &observed->before);
	}
	observer->running++;
	go_on(observer, record);
}

static void look(struct observer *observer, struct record *record)
{
	struct observed *observed = record->observed;
	if (record->tick != NULL) {
		record->again = true;
		return;
	}
	if (observer->running >= LOOKS_MAX) {
		look_at(observer, record, loop_now(observer->loop) + settle_us);
		return;
	}
	SCOPED(json) cJSON *object = packed_json(record->packed);
	digest(object, observed->now);
	if (observer->options.policy != NULL)
		put_policy(object, observer->options.policy);
	record->spec = spec_of(observer, record, object);
	if (record->spec == NULL)
		return;
	bool acted = observed->adopted && strcmp(observed->now, observed->seen) != 0;
	int64_t when_us = expected_us(observed, record->spec->interval_us);
	if (observed->adopted && !acted && loop_now(observer->loop) < when_us) {
		canary_spec_free(record->spec);
		record->spec = NULL;
		look_at(observer, record, when_us);
		return;
	}
	begin_look(observer, record, object, acted);
}

/* ---- what watches tell ---- */

static void forget(struct observer *observer, struct record *record)
{
	struct observed *observed = record->observed;
	sight_sum_up(&observed->sight, record->key, controller_of(record), loop_now(observer->loop),
		     observer->options.json);
	end_look(observer, record);
	loop_cancel(observer->loop, record->timer);
	kept_forget(observer->kept, &record->keeping);
	status_fini(&observed->before);
	free(observed);
	record->observed = NULL;
	records_remove(&observer->records, record);
}

static void canary_changed(void *owner, enum watch_event event, cJSON *object)
{
	struct observer *observer = owner;
	if (object == NULL)
		return;
	SCOPED(text)
	char *key = xasprintf("%s/%s", json_string_or(object, "metadata.namespace", ""),
			      json_string_or(object, "metadata.name", ""));
	struct record *record = records_find(&observer->records, key);
	if (event == WATCH_GONE || !custody_is_ours(object, observer->options.class)) {
		if (record != NULL)
			forget(observer, record);
		return;
	}
	bool is_new = record == NULL;
	if (is_new) {
		record = records_add(&observer->records, key);
		record->observed = xcalloc(1, sizeof(*record->observed));
	}
	(void)custody_look(&record->custody, object, is_new, loop_now(observer->loop));
	if (!record_keep(record, object))
		return;
	if (record->tick != NULL)
		record->again = true;
	else
		look_at(observer, record, loop_now(observer->loop) + (is_new ? 1 : settle_us));
}

/* A target or a config at rest: the other controller has an interval to begin. */
static void object_changed(void *owner, uint64_t id, const struct kube_kind *kind, bool matters)
{
	struct observer *observer = owner;
	struct record *record = records_by_id(&observer->records, id);
	(void)kind;
	if (record == NULL)
		return;
	struct observed *observed = record->observed;
	if (record->tick != NULL) {
		return; /* which is woken by what it asked for */
	}
	if (!matters || !observed->adopted || !phase_is_at_rest(observed->before.phase) ||
	    observed->waits_for_begin)
		return;
	observed->waits_for_begin = true;
	observed->wrote_us = loop_now(observer->loop);
	look(observer, record);
}

/* ---- the observer ---- */

struct observer *observer_new(const struct tick_world *world,
			      const struct observer_options *options)
{
	struct observer *observer = xcalloc(1, sizeof(*observer));
	observer->world = world;
	observer->options = *options;
	observer_fleet(observer, &observer->fleet);
	observer->kube = world->asks.kube;
	observer->loop = kube_loop(observer->kube);
	const struct watch_options all = {.namespace = options->namespace,
					  .label_selector = options->selector};
	observer->canaries =
		watch_new(observer->kube, &kube_canary, &all, canary_changed, observer);
	observer->kept = kept_new(observer->kube, options->namespace, object_changed, observer);
	kept_watch(observer->kept, &kube_deployment);
	if (world->workload.config_tracking) {
		kept_watch(observer->kept, &kube_config_map);
		kept_watch(observer->kept, &kube_secret);
	}
	return observer;
}

void observer_free(struct observer *observer)
{
	if (observer == NULL)
		return;
	watch_free(observer->canaries);
	while (observer->records.count > 0)
		forget(observer, observer->records.by_key[observer->records.count - 1]);
	kept_free(observer->kept);
	loop_drop(observer->loop, observer);
	records_fini(&observer->records);
	free(observer);
}

bool observer_is_ready(const struct observer *observer)
{
	return watch_is_synced(observer->canaries) && kept_is_ready(observer->kept);
}

const struct error *observer_trouble(const struct observer *observer)
{
	const struct error *trouble = kept_trouble(observer->kept);
	return trouble->kind != ERROR_NONE ? trouble : watch_trouble(observer->canaries);
}

size_t observer_running(const struct observer *observer)
{
	return observer->running;
}

void observer_write(const struct observer *observer, struct buf *into)
{
	buf_puts(into, "# HELP sluice_observe_decisions_total Decisions of another controller that "
		       "ours were compared with.\n# TYPE sluice_observe_decisions_total counter\n");
	for (size_t i = 0; i < observer->records.count; i++)
		sight_write_decisions(&observer->records.by_key[i]->observed->sight,
				      observer->records.by_key[i]->key, into);
	buf_puts(into, "# HELP sluice_observe_differences_total Those that differ, by what it did "
		       "and what we would have done.\n"
		       "# TYPE sluice_observe_differences_total counter\n");
	for (size_t i = 0; i < observer->records.count; i++)
		sight_write_differences(&observer->records.by_key[i]->observed->sight,
					observer->records.by_key[i]->key, into);
}
