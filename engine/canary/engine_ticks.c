/*
 * engine_ticks.c - the tick of one canary in the engine, from its beginning to its end.
 */
#include <string.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "canary/complaint.h"
#include "canary/engine_parts.h"
#include "canary/exporter.h"
#include "canary/leave.h"
#include "canary/problems.h"

void engine_end_tick(struct engine *engine, struct record *record)
{
	if (record->tick != NULL) {
		engine->line.running--;
		engine->line.away -= record->away;
		engine->line.measuring -= record->measuring;
		record->away = record->measuring = false;
		record->paid_before = record->tick->paid_before;
		record->denied_us = record->tick->denied_us;
		memcpy(record->reached, record->tick->reached, sizeof(record->reached));
	}
	tick_free(record->tick);
	record_end_spec(record);
	record_grant(record, NULL);
	record->tick = NULL;
}

/* ---- its beginning ---- */

/* Once for the same problems: the record remembers, and so does the object. */
static void complain(struct engine *engine, struct record *record, const cJSON *object,
		     const struct spec_problems *problems)
{
	SCOPED(buf) struct buf text = {0};
	char hex[SHA256_HEX_SIZE];
	buf_init(&text, 4096);
	spec_problems_text(problems, &text);
	sha256_hex(text.text, text.len, hex);
	hex[16] = '\0';
	if (strcmp(hex, record->complained) == 0)
		return;
	text_copy(record->complained, sizeof(record->complained), hex);
	log_error(record->key, "%s", text.text);
	complaint_make(engine->kube, object, text.text, engine->world->component);
}

/* Two that scale one workload and copy it to one primary, or lead one Service to two, would undo
 * each other's work, so the one that came first has it. */
static bool has_rival(const struct engine *engine, const struct record *record,
		      struct spec_problems *problems)
{
	const struct record *first = records_first_rival(&engine->records, record);
	if (first == record)
		return false;
	const char *name = first->key + record_namespace_len(record);
	if (text_equal(first->target, record->target))
		problem_error(problems, "spec.targetRef", "is the target of canary %s already",
			      name);
	else
		problem_error(problems, "spec.service.name",
			      "%s is the Service of canary %s already", record->apex, name);
	return true;
}

/* Two controllers that write one status undo each other's work: it is left to the other one until
 * that has been quiet for a while. */
static bool is_another_s(struct engine *engine, struct record *record,
			 struct spec_problems *problems)
{
	int64_t until_us = custody_left_until(&record->custody, record->spec->interval_us,
					      loop_now(engine->loop));
	if (until_us == 0)
		return false;
	engine_set_timer(engine, record, until_us);
	problem_error(problems, "status",
		      "is written by another controller, \"%s\": left alone while it does",
		      record->custody.other.manager);
	return true;
}

/* One at rest takes off what it owed for them; any other with its next move. */
static void receivers_told(void *owner, uint64_t id)
{
	struct engine *engine = owner;
	struct record *record = records_by_id(&engine->records, id);
	if (record != NULL && record->tick == NULL && record->resting)
		engine_enqueue(engine, record);
}

/* Who tells the receivers of its events, if there are any. */
static struct herald *herald_of(struct engine *engine, struct record *record)
{
	bool wanted = engine->world->event_webhook != NULL;
	for (size_t i = 0; i < record->spec->webhook_count; i++)
		wanted |= record->spec->webhooks[i].type == WEBHOOK_EVENT;
	if (wanted && record->herald == NULL)
		record->herald = herald_new(engine->loop, engine->world->asks.http, receivers_told,
					    engine, record->id);
	return record->herald;
}

static void begin_tick_of(struct engine *engine, struct record *record, struct tree *tree)
{
	const cJSON *object = tree->json;
	if (leave_is_asked(object) && !leave_is_held(object))
		return;
	struct spec_problems problems = {0};
	(void)record_spec(record, tree, &engine->options.spec, &problems);
	if (record->spec != NULL &&
	    (has_rival(engine, record, &problems) || is_another_s(engine, record, &problems)))
		record_end_spec(record);
	if (record->spec == NULL)
		complain(engine, record, object, &problems);
	spec_problems_fini(&problems);
	if (record->spec == NULL)
		return;
	record->complained[0] = '\0';
	if (complaint_take_back(engine->kube, object)) {
		record_end_spec(record);
		return;
	}
	if (strcmp(record->uid, record->spec->uid) != 0) {
		text_copy(record->uid, sizeof(record->uid), record->spec->uid);
		record->paid_before = 0;
		herald_free(record->herald);
		record->herald = NULL;
	}
	kept_warm(engine->kept, &record->keeping,
		  engine_is_small(engine) ? WARMTH_TREE : WARMTH_PACKED);
	record->resting = false;
	record->tick = tick_new(engine->world, record->spec, engine->kept, &record->keeping,
				engine_woken, engine, record->id);
	record->tick->fleet = &engine->fleet;
	record->tick->herald = herald_of(engine, record);
	record->tick->thorough = record->thorough;
	record->tick->paid_before = record->paid_before;
	record->tick->denied_us = record->denied_us;
	memcpy(record->tick->reached, record->reached, sizeof(record->reached));
	record->again = false;
	record->began_us = loop_now(engine->loop);
	if (record->due_us != 0)
		exporter_late(engine->world->exporter, record->began_us - record->due_us);
	record->due_us = 0;
	engine->line.running++;
	tick_begin(record->tick, object);
}

void engine_begin_tick(struct engine *engine, struct record *record)
{
	struct tree *tree = record_tree(record);
	if (tree != NULL)
		begin_tick_of(engine, record, tree);
	tree_drop(tree);
}

/* ---- its run ---- */

/* Until it is told of again it costs as little as it can. */
static void rest(struct engine *engine, struct record *record)
{
	kept_warm(engine->kept, &record->keeping, WARMTH_NONE);
	record_pack(record);
}

/* What the API server answered to the commit is the newest there is. */
static void keep_committed(struct engine *engine, struct record *record)
{
	struct tree *tree = ask_tree(record->tick->asks, record->tick->path);
	if (tree != NULL && engine_keep(engine, record, tree))
		exporter_see(engine->world->exporter, tree->json);
}

void engine_set_away(struct engine *engine, struct record *record, bool away)
{
	if (away == record->away)
		return;
	engine->line.away -= record->away;
	engine->line.measuring -= record->measuring;
	record->away = away;
	record->measuring = away && tick_measures(record->tick);
	engine->line.away += record->away;
	engine->line.measuring += record->measuring;
	if (away)
		engine_use_room(engine);
	/* Few that wait keep their trees; many keep only what they have been answered. */
	if (!away || engine->line.away <= ENGINE_WHOLE)
		return;
	tick_shed(record->tick);
	record_end_spec(record);
	record_pack(record);
	record->shed_version = record->version;
}

bool engine_take_up(struct engine *engine, struct record *record)
{
	struct spec_problems problems = {0};
	if (record->version == record->shed_version) {
		struct tree *tree = record_tree(record);
		(void)record_spec(record, tree, &engine->options.spec, &problems);
		spec_problems_fini(&problems);
		tree_drop(tree);
	}
	if (record->spec == NULL)
		return false;
	tick_take_up(record->tick, record->spec);
	return true;
}

void engine_go_on(struct engine *engine, struct record *record)
{
	for (;;) {
		struct tick *tick = record->tick;
		switch (tick_run(tick)) {
		case TICK_WAITING:
			engine_set_away(engine, record, tick_is_away(tick));
			return;
		case TICK_COMMITTED:
			record->backoff_us = 0;
			record->stale = false;
			keep_committed(engine, record);
			exporter_commit(engine->world->exporter, record->spec, tick->left,
					tick->status.phase,
					loop_now(engine->loop) - record->began_us);
			tick_renew(tick);
			continue;
		case TICK_DONE: {
			int64_t due_us = tick->due_us;
			record->backoff_us = 0;
			record->stale = false;
			record->thorough = false;
			record->resting = phase_is_at_rest(tick->status.phase) && due_us == 0;
			engine_end_tick(engine, record);
			/* What came meanwhile is looked at with what is known. */
			if (record->resting && !record->again)
				rest(engine, record);
			engine_set_timer(engine, record, due_us);
			if (record->again) {
				record->again = false;
				engine_enqueue(engine, record);
			}
			return;
		}
		case TICK_STALE:
			engine_end_tick(engine, record);
			/* Twice in a row is no accident. */
			if (record->stale)
				engine_back_off(engine, record);
			else
				engine_read_again(engine, record);
			record->stale = true;
			return;
		case TICK_TROUBLE:
			log_warn(record->key, "%s", tick->trouble.text);
			engine_end_tick(engine, record);
			engine_back_off(engine, record);
			return;
		}
	}
}
