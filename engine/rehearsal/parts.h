/*
 * parts.h - for the files of a rehearsal only: the stage, and the daemon that plays on it.
 */
#ifndef SLUICE_REHEARSAL_PARTS_H
#define SLUICE_REHEARSAL_PARTS_H

#include "canary/engine.h"
#include "kube/path.h"
#include "rehearsal/rehearsal.h"
#include "sim/cluster.h"

/* The ports that the daemon is given: each passes on to the world, until it is cut off. */
struct port_http {
	struct http http;
	struct play *play;
};
struct port_metrics {
	struct metrics metrics;
	struct play *play;
};

struct play {
	const struct rehearsal_input *input;
	struct rehearsal_result *result;
	struct loop *loop;
	struct cluster *cluster;
	struct metrics *store;
	char canary[KUBE_PATH_MAX], target[KUBE_PATH_MAX], primary[KUBE_PATH_MAX];
	int64_t start_us; /* when the new image came; 0: not yet */
	struct error error;
	/* What a scenario has made of the world. */
	struct chance luck;
	const struct scene *fault; /* of the API server, or NULL */
	bool metrics_down;
	/* One life of the daemon, and what cuts it off from the world. */
	struct port_http api, hooks, receivers;
	struct port_metrics metrics;
	struct tick_world world;
	struct chance chance;
	struct kube *kube;
	struct policies *policies;
	struct alerts *alerts;
	cJSON *alert; /* owned: what goes out next, or NULL */
	struct engine *engine;
	bool dead; /* nothing goes through any more */
};

/* A new item of a list of the result, to be filled in and then told. */
cJSON *play_note(struct play *play, enum note_kind kind);
void play_tell(const struct play *play, enum note_kind kind, const cJSON *item);

/* The last Canary is the one that is released; those before are there too. */
bool play_put_objects(struct play *play) MUST_CHECK;

void life_ports(struct play *play); /* before the first life */
void life_start(struct play *play);
void life_end(struct play *play);
/* The process is gone at once, without a word, and is started again after a while. */
void life_kill(struct play *play);

#endif
