/*
 * golden.h - transcripts of what Flagger did on a real API server (spec/golden), and what of them
 * is compared: event messages and hook calls in their order, statuses, and the objects at the end.
 */
#ifndef SLUICE_GOLDEN_H
#define SLUICE_GOLDEN_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "kube/path.h"

struct golden_story {
	const char *name;	  /* of the file, and of its namespace */
	double success, duration; /* what the metric store answers: percent, milliseconds */
	bool no_data;
	long then_weight; /* once it is reached the image changes once more; 0: never */
	const char *then_image;
};
extern const struct golden_story golden_stories[];
extern const size_t golden_story_count;

/* All are new arrays of texts that the caller frees. */
cJSON *golden_events(const cJSON *golden);
cJSON *golden_hooks(const cJSON *golden);
/* "Progressing 5", each as often as it changed. */
cJSON *golden_statuses(const cJSON *golden);
/* The objects as they were left, by kind and name; the caller frees. */
cJSON *golden_objects(const cJSON *golden);

/* "Kind/name"; the caller frees. */
char *golden_key(const cJSON *object);
/* The path of an object; for all the kinds that are met here. */
MUST_CHECK bool golden_path(char path[KUBE_PATH_MAX], const cJSON *object);

/* The version in which the transcript's provider asks for an object: it was read in any of those
 * that the API server serves. */
void golden_set_version(const cJSON *golden, cJSON *object);
/* A copy of an object's spec in which the random value of a session cookie is "xxxxxxxxxx"; the
 * caller frees. */
cJSON *golden_spec(const cJSON *object);

/* Where ours is meant to differ, as lines_compare of spec/cluster tells it:
 * spec/golden/differences/ NAME.txt without its first lines, which say why and begin with "#". ""
 * where there is no such file. The caller frees. */
char *golden_differences(const char *name, const char *namespace);

/* "… not ready: …" */
bool golden_is_waiting(const char *message);
/* Takes out of heard events what is told once a tick and therefore a matter of timing. */
void golden_drop_waiting(cJSON *events);
void golden_add_status(cJSON *statuses, const char *phase, long weight);
/* One a line; the caller frees. */
char *golden_lines(const cJSON *texts);

#endif
