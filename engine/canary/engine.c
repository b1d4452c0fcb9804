#include "canary/engine_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "canary/exporter.h"
#include "canary/target.h"
#include "kube/watch.h"

static void forget(struct engine *engine, struct record *record)
{
	engine_end_tick(engine, record);
	herald_free(record->herald);
	kept_forget(engine->kept, &record->keeping);
	loop_cancel(engine->loop, record->timer);
	records_remove(&engine->records, record);
}

/* ---- when ---- */

static void work_off(void *owner, uint64_t token);

void engine_use_room(struct engine *engine)
{
	if (!line_is_empty(&engine->line))
		loop_ready(engine->loop, work_off, engine, 0);
}

void engine_enqueue(struct engine *engine, struct record *record)
{
	if (record->tick != NULL) {
		record->again = true;
		return;
	}
	if (record->queued || !engine->owns)
		return;
	record->queued = true;
	line_join(&engine->line, record->id);
	loop_ready(engine->loop, work_off, engine, 0);
}

static void fetched(void *owner, uint64_t id, const struct kube_reply *reply);

void engine_read_again(struct engine *engine, struct record *record)
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
		engine_read_again(engine, record);
	else
		engine_enqueue(engine, record);
}

void engine_set_timer(struct engine *engine, struct record *record, int64_t when_us)
{
	loop_cancel(engine->loop, record->timer);
	record->timer = when_us == 0 ? 0 : loop_at(engine->loop, when_us, due, engine, record->id);
	record->timer_us = when_us;
}

void engine_back_off(struct engine *engine, struct record *record)
{
	record->backoff_us = record->backoff_us == 0 ? DURATION_SECOND : record->backoff_us * 2;
	if (record->backoff_us > DURATION_MINUTE)
		record->backoff_us = DURATION_MINUTE;
	double jitter = 0.5 + chance_unit(kube_chance(engine->kube));
	engine_set_timer(engine, record,
			 loop_now(engine->loop) + (int64_t)((double)record->backoff_us * jitter));
}

static void resume(void *owner, uint64_t id);

static void begin(struct engine *engine, uint64_t id)
{
	struct record *record = records_by_id(&engine->records, id);
	if (record == NULL)
		return;
	record->queued = false;
	if (record->tick != NULL || !record_is_known(record))
		return;
	engine_begin_tick(engine, record);
	if (record->tick != NULL)
		engine_go_on(engine, record);
}

static void work_off(void *owner, uint64_t token)
{
	struct engine *engine = owner;
	(void)token;
	struct line *line = &engine->line;
	for (uint64_t id = line_next_back(line); id != 0; id = line_next_back(line))
		resume(engine, id);
	/* Not before all are known: the older of two may be on the next page. */
	if (!engine->owns || !watch_is_synced(engine->canaries))
		return;
	for (uint64_t id = line_next(line); id != 0; id = line_next(line))
		begin(engine, id);
}

/* Who was away works with the API server again, so it takes a slot; it has waited already, so it
 * comes before those who have not begun. */
static void resume(void *owner, uint64_t id)
{
	struct engine *engine = owner;
	struct record *record = records_by_id(&engine->records, id);
	if (record == NULL)
		return;
	if (record->away && record->tick != NULL && !line_has_slot(&engine->line)) {
		line_come_back(&engine->line, id);
		return;
	}
	record->waking = false;
	if (record->tick == NULL)
		return;
	size_t before = engine->line.running;
	engine_set_away(engine, record, false);
	if (record->spec == NULL && !engine_take_up(engine, record)) {
		engine_end_tick(engine, record);
		engine_enqueue(engine, record);
	} else {
		engine_go_on(engine, record);
	}
	if (engine->line.running < before)
		engine_use_room(engine);
}

/* Not from inside the completion: the tick may free the asks that called. Once for all that come
 * at a time. */
void engine_woken(void *owner, uint64_t id)
{
	struct engine *engine = owner;
	struct record *record = records_by_id(&engine->records, id);
	if (record == NULL || record->waking)
		return;
	record->waking = true;
	loop_ready(engine->loop, resume, engine, id);
}

/* ---- what watches tell ---- */

/* Trees are for those who have few canaries: they are read at each tick. */
bool engine_is_small(const struct engine *engine)
{
	return engine->records.count <= ENGINE_SLOTS;
}

/* A Canary without managedFields. */
bool engine_keep(struct engine *engine, struct record *record, struct tree *tree)
{
	return engine_is_small(engine) ? record_keep_tree(record, tree)
				       : record_keep(record, tree->json);
}

/* One that belongs to a watch, which frees it. */
static bool keep_told(struct engine *engine, struct record *record, cJSON *object)
{
	if (!engine_is_small(engine) || !record_is_news(record, object))
		return record_keep(record, object);
	record_trim(object);
	struct tree *tree = tree_new(json_copy(object));
	bool kept = record_keep_tree(record, tree);
	tree_drop(tree);
	return kept;
}

static void fetched(void *owner, uint64_t id, const struct kube_reply *reply)
{
	struct engine *engine = owner;
	struct record *record = records_by_id(&engine->records, id);
	if (record == NULL || record->tick != NULL)
		return;
	if (reply->error.kind == ERROR_NOT_FOUND)
		return; /* its watch will say so */
	if (reply->error.kind != ERROR_NONE) {
		engine_back_off(engine, record);
		return;
	}
	struct tree *tree = tree_new(kube_reply_take(reply));
	record_trim(tree->json); /* which nobody else holds yet */
	(void)engine_keep(engine, record, tree);
	tree_drop(tree);
	engine_enqueue(engine, record);
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
		engine_end_tick(engine, record);
}

static void look_for_others(struct engine *engine, struct record *record, const cJSON *object)
{
	if (!custody_look(&record->custody, object, !record_is_known(record),
			  loop_now(engine->loop)))
		return;
	record->complained[0] = '\0';
	engine_end_tick(engine, record);
}

static void wake_rival(void *owner, struct record *rival)
{
	engine_enqueue(owner, rival);
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
	if (record_is_known(record) && record_moves(record, object))
		records_each_rival(&engine->records, record, wake_rival, engine);
	if (!keep_told(engine, record, object))
		return;
	exporter_see(engine->world->exporter, object);
	drop_for_command(engine, record, object);
	engine_enqueue(engine, record);
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
		engine_woken(engine, id);
	}
	engine_enqueue(engine, record);
}

/* ---- what ticks see of the others ---- */

static bool claim_of(const struct record *record, struct claim *claim)
{
	const struct claim *known = record_claim(record);
	if (known != NULL)
		*claim = *known;
	return known != NULL;
}

static cJSON *find_peer(void *owner, const struct canary_spec *spec, const char *namespace,
			const char *name)
{
	const struct engine *engine = owner;
	return peers_find(&engine->peers, spec, namespace, name);
}

static bool grant_slot(void *owner, const struct canary_spec *spec, const char *slot, int limit,
		       int64_t since_us, struct buf *why)
{
	const struct engine *engine = owner;
	SCOPED(text) char *key = xasprintf("%s/%s", spec->namespace, spec->name);
	struct record *own = records_find(&engine->records, key);
	if (own == NULL || !peers_leave_slot(&engine->peers, spec, slot, limit, since_us,
					     loop_now(engine->loop), why))
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
		engine_enqueue(engine, record);
}

struct engine *engine_new(const struct tick_world *world, const struct engine_options *options)
{
	struct engine *engine = xcalloc(1, sizeof(*engine));
	engine->world = world;
	engine->options = *options;
	engine->peers =
		(struct peers){&engine->records, options->spec.no_cross_namespace_refs, claim_of};
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
	line_fini(&engine->line);
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
			engine_enqueue(engine, record);
		} else {
			engine_end_tick(engine, record);
			engine_set_timer(engine, record, 0);
		}
	}
	if (!owns)
		line_disperse(&engine->line);
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
	return engine->line.running + engine->line.waiting.count;
}

const struct error *engine_trouble(const struct engine *engine)
{
	const struct error *trouble = kept_trouble(engine->kept);
	return trouble->kind != ERROR_NONE ? trouble : watch_trouble(engine->canaries);
}
