/*
 * engine_parts.h - what the files of the engine share.
 */
#ifndef SLUICE_CANARY_ENGINE_PARTS_H
#define SLUICE_CANARY_ENGINE_PARTS_H

#include "canary/engine.h"
#include "canary/line.h"
#include "canary/peers.h"
#include "canary/record.h"

struct engine {
	const struct tick_world *world;
	struct engine_options options;
	struct kube *kube;
	struct loop *loop;
	struct watch *canaries;
	struct kept *kept;
	struct records records;
	struct line line;
	struct peers peers;
	struct fleet fleet; /* what ticks see of it */
	bool owns;
};

/* ---- when: engine.c ---- */

/* It shall be ticked, or again after the tick that it has. */
void engine_enqueue(struct engine *engine, struct record *record);
/* The answer is kept, and ticks it. */
void engine_read_again(struct engine *engine, struct record *record);
void engine_set_timer(struct engine *engine, struct record *record, int64_t when_us); /* 0: none */
/* Twice as long as the last time, a minute at most. */
void engine_back_off(struct engine *engine, struct record *record);
/* The tick of record `id` may go on: a callback of what it waits for. */
void engine_woken(void *owner, uint64_t id);
/* A slot has become free. */
void engine_use_room(struct engine *engine);

bool engine_is_small(const struct engine *engine);
/* A Canary without managedFields; false when it is no news. */
bool engine_keep(struct engine *engine, struct record *record, struct tree *tree);

/* ---- what: engine_ticks.c ---- */

/* Leaves it without a tick where it may have none: the object says why. */
void engine_begin_tick(struct engine *engine, struct record *record);
/* As far as it comes: it waits, or has ended and what follows is arranged. */
void engine_go_on(struct engine *engine, struct record *record);
/* Whoever waits for a hook makes room for another. */
void engine_set_away(struct engine *engine, struct record *record, bool away);
/* False when the canary has changed since: its answers are to questions of yesterday. */
bool engine_take_up(struct engine *engine, struct record *record) MUST_CHECK;
void engine_end_tick(struct engine *engine, struct record *record);

#endif
