/*
 * engine.h - all canaries of a cluster, each ticked when something happened or is due.
 *
 * Watches Canaries, and what they ask for (canary/kept.h). A canary at rest is a record of a few
 * kilobytes without a timer; one that progresses has a tick. A tick is a hundred kilobytes of trees
 * while it runs, so at most ENGINE_SLOTS work with the API server at a time and the others wait in
 * line; one that waits for a hook or a metric store holds no slot, up to ENGINE_AWAY, of which
 * ENGINE_MEASURING may wait for a metric store: more would only wait in line there. One bad
 * canary never stops the others: what is wrong with it becomes an event and the condition "Valid"
 * on the object.
 */
#ifndef SLUICE_CANARY_ENGINE_H
#define SLUICE_CANARY_ENGINE_H

#include "canary/tick.h"

/* ENGINE_WHOLE of those away keep their trees, the others only what they have been answered. */
enum { ENGINE_SLOTS = 16, ENGINE_AWAY = 192, ENGINE_MEASURING = 32, ENGINE_WHOLE = 4 };

struct engine;

struct engine_options {
	const char *namespace; /* NULL: all */
	const char *selector;  /* of the Canaries' labels; NULL: all */
	const char *class;     /* see custody.h; NULL: those without one */
	struct spec_options spec;
};

/* `world` is borrowed for the life of the engine. */
struct engine *engine_new(const struct tick_world *world, const struct engine_options *options);
void engine_free(struct engine *engine);

/* Whether this process acts: after false nothing is begun and nothing is written. */
void engine_own(struct engine *engine, bool owns);
bool engine_is_ready(const struct engine *engine); /* all watches have listed */

size_t engine_canaries(const struct engine *engine);
size_t engine_running(const struct engine *engine); /* ticks that are under way or in line */

/* Why a watch is not current at the moment; ERROR_NONE when all are, as far as is known. */
const struct error *engine_trouble(const struct engine *engine);

#endif
