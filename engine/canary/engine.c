#include "canary/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "canary/complaint.h"
#include "canary/exporter.h"
#include "canary/leave.h"
#include "canary/problems.h"
#include "canary/record.h"
#include "canary/target.h"
#include "kube/watch.h"

struct ids {
	uint64_t *items; /* owned */
	size_t count, room;
};

struct engine {
	const struct tick_world *world;
	struct engine_options options;
	struct kube *kube;
	struct loop *loop;
	struct watch *canaries;
	struct kept *kept;
	struct records records;
	struct ids line;      /* of those that shall be ticked, in their order */
	struct ids back;      /* of those that were away and have their answers, but no slot yet */
	size_t running, away; /* ticks; of those, that hold no slot */
	size_t measuring;     /* of those away, that wait for metrics */
	struct fleet fleet;   /* what ticks see of it */
	bool owns;
};

static void end_tick(struct engine *engine, struct record *record)
{
	if (record->tick != NULL) {
		engine->running--;
		engine->away -= record->away;
		engine->measuring -= record->measuring;
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

static void forget(struct engine *engine, struct record *record)
{
	end_tick(engine, record);
	herald_free(record->herald);
	kept_forget(engine->kept, &record->keeping);
	loop_cancel(engine->loop, record->timer);
	records_remove(&engine->records, record);
}

/* ---- the line ---- */

static void ids_add(struct ids *ids, uint64_t id)
{
	if (ids->count == ids->room) {
		ids->room = ids->room == 0 ? 64 : ids->room * 2;
		ids->items = xrealloc(ids->items, ids->room * sizeof(*ids->items));
	}
	ids->items[ids->count++] = id;
}

static void ids_drop_first(struct ids *ids, size_t count)
{
	ids->count -= count;
	if (ids->count > 0)
		memmove(ids->items, ids->items + count, ids->count * sizeof(*ids->items));
}

static void work_off(void *owner, uint64_t token);

static void make_use_of_room(struct engine *engine)
{
	if (engine->line.count > 0 || engine->back.count > 0)
		loop_ready(engine->loop, work_off, engine, 0);
}

static void enqueue(struct engine *engine, struct record *record)
{
	if (record->tick != NULL) {
		record->again = true;
		return;
	}
	if (record->queued || !engine->owns)
		return;
	record->queued = true;
	ids_add(&engine->line, record->id);
	loop_ready(engine->loop, work_off, engine, 0);
}

static void fetched(void *owner, uint64_t id, const struct kube_reply *reply);

static void read_again(struct engine *engine, struct record *record)
{
	char path[KUBE_PATH_MAX], namespace[64];
	const char *slash = strchr(record->key, '/');
	snprintf(namespace, sizeof(namespace), "%.*s", (int)(slash - record->key), record->key);
	kube_path(path, &kube_canary, namespace, slash + 1);
	kube_send(engine->kube, KUBE_GET, path, NULL, fetched, engine, record->id);
}

static void due(void *owner, uint64_t id)
{
	struct engine *engine = owner;
	struct record *record = records_by_id(&engine->records, id);
	if (record == NULL)
		return;
	record->timer = 0;
	record->due_us = record->timer_us;
	if (record->stale && record->tick == NULL)
		read_again(engine, record);
	else
		enqueue(engine, record);
}

static void set_timer(struct engine *engine, struct record *record, int64_t when_us)
{
	loop_cancel(engine->loop, record->timer);
	record->timer = when_us == 0 ? 0 : loop_at(engine->loop, when_us, due, engine, record->id);
	record->timer_us = when_us;
}

static void back_off(struct engine *engine, struct record *record)
{
	record->backoff_us = record->backoff_us == 0 ? DURATION_SECOND : record->backoff_us * 2;
	if (record->backoff_us > DURATION_MINUTE)
		record->backoff_us = DURATION_MINUTE;
	double jitter = 0.5 + chance_unit(kube_chance(engine->kube));
	set_timer(engine, record,
		  loop_now(engine->loop) + (int64_t)((double)record->backoff_us * jitter));
}

/* ---- what is wrong with a canary ---- */

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

/* ---- ticks ---- */

/* Two that scale one workload and copy it to one primary would undo each other's work, so the one
 * that came first has it. */
static bool has_rival(const struct engine *engine, const struct record *record,
		      struct spec_problems *problems)
{
	const struct record *first = records_first_rival(&engine->records, record);
	if (first == record)
		return false;
	problem_error(problems, "spec.targetRef", "is the target of canary %s already",
		      first->key + record_namespace_len(record));
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
	set_timer(engine, record, until_us);
	problem_error(problems, "status",
		      "is written by another controller, \"%s\": left alone while it does",
		      record->custody.other.manager);
	return true;
}

/* Trees are for those who have few canaries: they are read at each tick. */
static bool is_small(const struct engine *engine)
{
	return engine->records.count <= ENGINE_SLOTS;
}

static void woken(void *owner, uint64_t id);

/* One at rest takes off what it owed for them; any other with its next move. */
static void receivers_told(void *owner, uint64_t id)
{
	struct engine *engine = owner;
	struct record *record = records_by_id(&engine->records, id);
	if (record != NULL && record->tick == NULL && record->resting)
		enqueue(engine, record);
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
	kept_warm(engine->kept, &record->keeping, is_small(engine) ? WARMTH_TREE : WARMTH_TEXT);
	record->resting = false;
	record->tick = tick_new(engine->world, record->spec, engine->kept, &record->keeping, woken,
				engine, record->id);
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
	engine->running++;
	tick_begin(record->tick, object);
}

static void begin_tick(struct engine *engine, struct record *record)
{
	struct tree *tree = record_tree(record);
	if (tree != NULL)
		begin_tick_of(engine, record, tree);
	tree_drop(tree);
}

/* A Canary without managedFields. */
static bool keep(struct engine *engine, struct record *record, struct tree *tree)
{
	return is_small(engine) ? record_keep_tree(record, tree) : record_keep(record, tree->json);
}

/* One that belongs to a watch, which frees it. */
static bool keep_told(struct engine *engine, struct record *record, cJSON *object)
{
	if (!is_small(engine) || !record_is_news(record, object))
		return record_keep(record, object);
	record_trim(object);
	struct tree *tree = tree_new(json_copy(object));
	bool kept = record_keep_tree(record, tree);
	tree_drop(tree);
	return kept;
}

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
	if (tree != NULL && keep(engine, record, tree))
		exporter_see(engine->world->exporter, tree->json);
}

/* Who waits for a hook makes room for another. */
static void set_away(struct engine *engine, struct record *record, bool away)
{
	if (away == record->away)
		return;
	engine->away -= record->away;
	engine->measuring -= record->measuring;
	record->away = away;
	record->measuring = away && tick_measures(record->tick);
	engine->away += record->away;
	engine->measuring += record->measuring;
	if (away)
		make_use_of_room(engine);
	/* Few that wait keep their trees; many keep only what they have been answered. */
	if (!away || engine->away <= ENGINE_WHOLE)
		return;
	tick_shed(record->tick);
	record_end_spec(record);
	record_pack(record);
	record->shed_version = record->version;
}

/* False when the canary has changed since: its answers are to questions of yesterday. */
static bool take_up(struct engine *engine, struct record *record)
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

static bool has_slot(const struct engine *engine)
{
	return engine->running - engine->away < ENGINE_SLOTS;
}

static void go_on(struct engine *engine, struct record *record)
{
	for (;;) {
		struct tick *tick = record->tick;
		switch (tick_run(tick)) {
		case TICK_WAITING:
			set_away(engine, record, tick_is_away(tick));
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
			end_tick(engine, record);
			/* What came meanwhile is looked at with what is known. */
			if (record->resting && !record->again)
				rest(engine, record);
			set_timer(engine, record, due_us);
			if (record->again) {
				record->again = false;
				enqueue(engine, record);
			}
			return;
		}
		case TICK_STALE:
			end_tick(engine, record);
			/* Twice in a row is no accident. */
			if (record->stale)
				back_off(engine, record);
			else
				read_again(engine, record);
			record->stale = true;
			return;
		case TICK_TROUBLE:
			log_warn(record->key, "%s", tick->trouble.text);
			end_tick(engine, record);
			back_off(engine, record);
			return;
		}
	}
}

static void resume(void *owner, uint64_t id);

static void work_off(void *owner, uint64_t token)
{
	struct engine *engine = owner;
	(void)token;
	size_t taken = 0;
	while (taken < engine->back.count && has_slot(engine))
		resume(engine, engine->back.items[taken++]);
	ids_drop_first(&engine->back, taken);
	taken = 0;
	/* Not before all are known: the older of two may be on the next page. */
	while (taken < engine->line.count && has_slot(engine) && engine->away < ENGINE_AWAY &&
	       engine->measuring < ENGINE_MEASURING && engine->owns &&
	       watch_is_synced(engine->canaries)) {
		struct record *record =
			records_by_id(&engine->records, engine->line.items[taken++]);
		if (record == NULL)
			continue;
		record->queued = false;
		if (record->tick != NULL || !record_is_known(record))
			continue;
		begin_tick(engine, record);
		if (record->tick != NULL)
			go_on(engine, record);
	}
	ids_drop_first(&engine->line, taken);
}

/* Who was away works with the API server again, so it takes a slot; it has waited already, so it
 * comes before those who have not begun. */
static void resume(void *owner, uint64_t id)
{
	struct engine *engine = owner;
	struct record *record = records_by_id(&engine->records, id);
	if (record == NULL)
		return;
	if (record->away && record->tick != NULL && !has_slot(engine)) {
		ids_add(&engine->back, id);
		return;
	}
	record->waking = false;
	if (record->tick == NULL)
		return;
	size_t before = engine->running;
	set_away(engine, record, false);
	if (record->spec == NULL && !take_up(engine, record)) {
		end_tick(engine, record);
		enqueue(engine, record);
	} else {
		go_on(engine, record);
	}
	if (engine->running < before)
		make_use_of_room(engine);
}

/* Not from inside the completion: the tick may free the asks that called. Once for all that come
 * at a time. */
static void woken(void *owner, uint64_t id)
{
	struct engine *engine = owner;
	struct record *record = records_by_id(&engine->records, id);
	if (record == NULL || record->waking)
		return;
	record->waking = true;
	loop_ready(engine->loop, resume, engine, id);
}

/* ---- what watches tell ---- */

static void fetched(void *owner, uint64_t id, const struct kube_reply *reply)
{
	struct engine *engine = owner;
	struct record *record = records_by_id(&engine->records, id);
	if (record == NULL || record->tick != NULL)
		return;
	if (reply->error.kind == ERROR_NOT_FOUND)
		return; /* its watch will say so */
	if (reply->error.kind != ERROR_NONE) {
		back_off(engine, record);
		return;
	}
	struct tree *tree = tree_new(kube_reply_take(reply));
	record_trim(tree->json); /* which nobody else holds yet */
	(void)keep(engine, record, tree);
	tree_drop(tree);
	enqueue(engine, record);
}

static char *key_of(const cJSON *object)
{
	return xasprintf("%s/%s", json_string_or(object, "metadata.namespace", ""),
			 json_string_or(object, "metadata.name", ""));
}

/* A command does not wait for a hook or a metric store to answer. */
static void drop_for_command(struct engine *engine, struct record *record, const cJSON *object)
{
	char digest[HASH_TEXT_MAX];
	command_digest(command_text(object), digest);
	if (record->tick != NULL && record->away && digest[0] != '\0' &&
	    strcmp(digest, record->tick->command_seen) != 0)
		end_tick(engine, record);
}

static void look_for_others(struct engine *engine, struct record *record, const cJSON *object)
{
	if (!custody_look(&record->custody, object, !record_is_known(record),
			  loop_now(engine->loop)))
		return;
	record->complained[0] = '\0';
	end_tick(engine, record);
}

static void wake_rival(void *owner, struct record *rival)
{
	enqueue(owner, rival);
}

static void canary_changed(void *owner, enum watch_event event, cJSON *object)
{
	struct engine *engine = owner;
	if (event == WATCH_SYNCED)
		loop_ready(engine->loop, work_off, engine, 0);
	if (object == NULL)
		return;
	SCOPED(text) char *key = key_of(object);
	struct record *record = records_find(&engine->records, key);
	if (event == WATCH_GONE || !custody_is_ours(object, engine->options.class)) {
		exporter_forget(engine->world->exporter, key);
		if (record == NULL)
			return;
		records_each_rival(&engine->records, record, wake_rival, engine);
		forget(engine, record);
		return;
	}
	if (record == NULL)
		record = records_add(&engine->records, key);
	look_for_others(engine, record, object);
	if (!keep_told(engine, record, object))
		return;
	exporter_see(engine->world->exporter, object);
	drop_for_command(engine, record, object);
	enqueue(engine, record);
}

/* An object that a canary asked for. One at rest does not care for what is no change of substance;
 * and when somebody else's hand was on what it owns, it looks at all of it. */
static void object_changed(void *owner, uint64_t id, const struct kube_kind *kind, bool matters)
{
	struct engine *engine = owner;
	struct record *record = records_by_id(&engine->records, id);
	const struct target_kind *target = target_of(kind->api_version, kind->plural);
	bool of_workload = (target != NULL && target->whole) ||
			   strcmp(kind->plural, kube_config_map.plural) == 0 ||
			   strcmp(kind->plural, kube_secret.plural) == 0;
	if (record == NULL || (record->resting && !matters))
		return;
	if (record->resting && !of_workload)
		record->thorough = true;
	/* A hook may take minutes to answer, and what it is asked about may be gone by then. */
	if (record->tick != NULL && record->away && of_workload) {
		tick_look_again(record->tick);
		woken(engine, id);
	}
	enqueue(engine, record);
}

/* ---- what ticks see of the others ---- */

static cJSON *find_peer(void *owner, const struct canary_spec *spec, const char *namespace,
			const char *name)
{
	const struct engine *engine = owner;
	SCOPED(text) char *key = xasprintf("%s/%s", namespace, name);
	return records_peer(&engine->records, spec, engine->options.spec.no_cross_namespace_refs,
			    key);
}

/* O(canaries), once when a release wants to begin. */
static bool grant_slot(void *owner, const struct canary_spec *spec, const char *slot, int limit,
		       int64_t since_us, struct buf *why)
{
	const struct engine *engine = owner;
	SCOPED(text) char *key = xasprintf("%s/%s", spec->namespace, spec->name);
	struct record *own = records_find(&engine->records, key);
	struct claimant *others = xcalloc(engine->records.count + 1, sizeof(*others));
	size_t count = 0;
	for (size_t i = 0; i < engine->records.count; i++) {
		const struct record *record = engine->records.by_key[i];
		const struct claim *claim = record_claim(record);
		if (record != own && claim != NULL && strcmp(claim->slot, slot) == 0 &&
		    peer_may_be_seen(spec, engine->options.spec.no_cross_namespace_refs,
				     record->key))
			others[count++] = (struct claimant){record->key, claim};
	}
	bool granted = own != NULL && slot_is_free(others, count, key, since_us, limit,
						   loop_now(engine->loop), why);
	free(others);
	if (!granted)
		return false;
	struct claim claim = {.holds = true, .since_us = since_us};
	text_copy(claim.slot, sizeof(claim.slot), slot);
	record_grant(own, &claim);
	return true;
}

/* ---- the engine ---- */

/* Its alerts are out. */
static void alerts_done(void *owner, const char *namespace, const char *name)
{
	struct engine *engine = owner;
	SCOPED(text) char *key = xasprintf("%s/%s", namespace, name);
	struct record *record = records_find(&engine->records, key);
	if (record != NULL)
		enqueue(engine, record);
}

struct engine *engine_new(const struct tick_world *world, const struct engine_options *options)
{
	struct engine *engine = xcalloc(1, sizeof(*engine));
	engine->world = world;
	engine->options = *options;
	engine->fleet = (struct fleet){engine, find_peer, grant_slot};
	engine->kube = world->asks.kube;
	if (world->alerts != NULL)
		alerts_on_done(world->alerts, alerts_done, engine);
	engine->loop = kube_loop(engine->kube);
	const struct watch_options all = {.namespace = options->namespace,
					  .label_selector = options->selector};
	engine->canaries = watch_new(engine->kube, &kube_canary, &all, canary_changed, engine);
	engine->kept = kept_new(engine->kube, options->namespace, object_changed, engine);
	kept_watch(engine->kept, &kube_deployment);
	if (world->workload.config_tracking) {
		kept_watch(engine->kept, &kube_config_map);
		kept_watch(engine->kept, &kube_secret);
	}
	return engine;
}

void engine_free(struct engine *engine)
{
	if (engine == NULL)
		return;
	watch_free(engine->canaries);
	if (engine->world->alerts != NULL)
		alerts_on_done(engine->world->alerts, NULL, NULL);
	while (engine->records.count > 0)
		forget(engine, engine->records.by_key[engine->records.count - 1]);
	kept_free(engine->kept);
	loop_drop(engine->loop, engine);
	records_fini(&engine->records);
	free(engine->line.items);
	free(engine->back.items);
	free(engine);
}

void engine_own(struct engine *engine, bool owns)
{
	if (engine->owns == owns)
		return;
	engine->owns = owns;
	exporter_own(engine->world->exporter, owns);
	for (size_t i = 0; i < engine->records.count; i++) {
		struct record *record = engine->records.by_key[i];
		record->queued = false;
		if (owns) {
			record->thorough = true;
			enqueue(engine, record);
		} else {
			end_tick(engine, record);
			set_timer(engine, record, 0);
		}
	}
	if (!owns)
		engine->line.count = 0;
}

bool engine_is_ready(const struct engine *engine)
{
	return watch_is_synced(engine->canaries) && kept_is_ready(engine->kept);
}

size_t engine_canaries(const struct engine *engine)
{
	return engine->records.count;
}

size_t engine_running(const struct engine *engine)
{
	return engine->running + engine->line.count;
}

const struct error *engine_trouble(const struct engine *engine)
{
	const struct error *trouble = kept_trouble(engine->kept);
	return trouble->kind != ERROR_NONE ? trouble : watch_trouble(engine->canaries);
}
