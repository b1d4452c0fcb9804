/*
 * ask.h - what a tick asks of the world, and the answers it has so far.
 *
 * A tick is a function that is run again from the top each time something it waited for has
 * arrived. Its questions go through here: the first time, a question is sent and the answer is NULL
 * ("not yet"); on a later run the same question finds its answer. So a tick reads like
 * straight-line code, holds no pointer across a wait, and is a function of its answers.
 *
 * A question is known by its label, which must be the same on every run. Objects are known by their
 * path; what a write answers replaces what was read, so a tick never acts on a state older than its
 * own last write.
 */
#ifndef SLUICE_CANARY_ASK_H
#define SLUICE_CANARY_ASK_H

#include <cjson/cJSON.h>

#include "canary/kept.h"
#include "kube/client.h"
#include "ports.h"

struct asks;

/* One answer, kept until the asks are cleared. */
struct answer {
	struct error error; /* ERROR_NONE when the world answered well */
	int status;	    /* of HTTP; 0 when there was none */
	cJSON *object; /* of the API server; NULL when there is none (a read of what does not exist)
			*/
	char *body;    /* of a webhook */
	struct sample sample;
};

struct asks_world {
	struct kube *kube;
	struct http *http;
	struct metrics *metrics;
	/* Asked before every write: is this process still the owner? */
	bool (*owns)(void *owner);
	void *owner;
	bool mesh_apart; /* the mesh is in another cluster: see canary/abroad.h, kube/split.h */
};

/* `wake` is called from the loop when an answer has come. */
typedef void asks_wake(void *owner, uint64_t token);

/* What is known of objects beyond this tick comes from `kept`, and goes there; or NULL. `keeping`
 * is the canary's. */
struct asks *asks_new(const struct asks_world *world, struct kept *kept, struct keeping *keeping,
		      asks_wake *wake, void *owner, uint64_t token);
/* Cancels what is under way. */
void asks_free(struct asks *asks);
/* Forgets all answers but the objects. */
void asks_clear(struct asks *asks);
/* Forgets the objects too: the next reads go to the API server. */
void asks_forget_objects(struct asks *asks);
/* Lets go of the trees of objects that are known beyond the tick: they come again when asked for.
 */
void asks_shed(struct asks *asks);
/* Nothing is under way but calls of hooks, questions to metric stores, and pauses. */
bool asks_are_away(const struct asks *asks);
/* A metric store has yet to answer. */
bool asks_miss_metrics(const struct asks *asks);

/* The object at a path. `error` is NONE with a NULL object where there is none (404); other
 * failures say so. */
const struct answer *ask_object(struct asks *asks, const char *path);
/* What the object of an answer that has come is in, borrowed; NULL when there is none. */
struct tree *ask_tree(struct asks *asks, const char *path);
/* A list, as it is at the time of the first run: asked for anew after asks_clear. `path` may have a
 * query. */
const struct answer *ask_list(struct asks *asks, const char *path);
/* Notes that the object says what a digest stands for; and whether it says so still, see
 * kept_says. */
void asks_note(struct asks *asks, const char *path, uint64_t digest);
bool asks_says(const struct asks *asks, const char *path, uint64_t digest, char version[24]);
/* Puts the objects at all paths known so far, by path, into one JSON object of references; the
 * caller frees. */
cJSON *asks_objects(struct asks *asks, const cJSON *paths);

/* Writes. On success the object at `path` is known anew: ask_object has it. `body` is borrowed;
 * only the first run sends it. A write by a process that is not the owner any more fails with
 * ERROR_CANCELLED. */
const struct answer *ask_write(struct asks *asks, const char *label, enum kube_verb verb,
			       const char *path, const cJSON *body);
const struct answer *ask_http(struct asks *asks, const char *label,
			      const struct http_request *request);
const struct answer *ask_metric(struct asks *asks, const char *label,
				const struct metric_query *query);
/* Whether that was asked already; `*answer` is NULL until it has come. */
bool ask_knows_metric(const struct asks *asks, const char *label, const struct answer **answer);
/* An answer that comes after `us`. */
const struct answer *ask_pause(struct asks *asks, const char *label, int64_t us);

#endif
