/*
 * told.h - a release as it is compared: what was heard of it, and what its objects went through.
 *
 * A transcript has an object as it was when the status changed, a watch has each version. What ours
 * is in between, with nothing that is not in their version before or after, is no version of its
 * own.
 */
#ifndef SLUICE_SPEC_CLUSTER_TOLD_H
#define SLUICE_SPEC_CLUSTER_TOLD_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "base/buf.h"

/* A canary's status, or that of a step: phase, weight, iterations, failed checks; consecutive ones
 * that are equal are one. */
void told_add_status(cJSON *statuses, const char *phase, long weight, long iterations,
		     long failed_checks);

/* The webhook calls of a transcript, in their order: {"to": …, "body": …}. The caller frees. */
cJSON *told_calls(const cJSON *transcript);
/* Such calls as lines, those to "event" or the others: all that their bodies say but the time. A
 * checksum is told as "revision 2", the second one that came. The caller frees. */
cJSON *told_lines(const cJSON *calls, bool events);

/* Adds a version of an object, unless it is equal to the last one, to histories by "Kind/name";
 * says whether it did. */
bool told_add_version(cJSON *histories, const cJSON *object);
/* What happened when, by the version of the cluster: a status came, or an object changed. */
void told_add_moment(cJSON *moments, double version, const char *status, const char *object);
cJSON *told_moments(const cJSON *transcript);
/* For each status the objects that changed until the next one, as a line; the caller frees. Flagger
 * moves traffic and then says so, ours says so and then does it: either way it is done by the next
 * status. Before "Initialized" there is no order, and nobody knows when the user changed the
 * target. */
cJSON *told_steps(const cJSON *moments);
/* Those of a transcript, and its statuses; the caller frees. */
cJSON *told_histories(const cJSON *transcript);
cJSON *told_statuses(const cJSON *transcript);

/* Appends where histories differ, as lines_compare does. */
void told_compare(struct buf *text, const cJSON *wanted, const cJSON *got);
/* Only where they ended. */
void told_compare_ends(struct buf *text, const cJSON *wanted, const cJSON *got);

#endif
