/*
 * exporter.h - what Prometheus scrapes: the series of the reference, by name, label and meaning.
 *
 * Differs where the reference's series mislead: those of a canary that is deleted go away, the
 * count of canaries of a namespace falls to zero, and failures of canaries without analysis are
 * told as "skipped". A replica that does not act shows no canaries, so that sums count once.
 */
#ifndef SLUICE_CANARY_EXPORTER_H
#define SLUICE_CANARY_EXPORTER_H

#include "base/buf.h"
#include "canary/spec.h"
#include "canary/status.h"

struct exporter;

struct exporter *exporter_new(const char *mesh_provider);
void exporter_free(struct exporter *exporter);

void exporter_own(struct exporter *exporter, bool owns);
/* A Canary as the API server has it. All calls take a NULL exporter and do nothing. */
void exporter_see(struct exporter *exporter, const cJSON *canary);
void exporter_forget(struct exporter *exporter, const char *key); /* "namespace/name" */
/* After a commit. `took_us`: from the beginning of the tick. */
void exporter_commit(struct exporter *exporter, const struct canary_spec *spec, enum phase before,
		     enum phase after, int64_t took_us);
void exporter_sample(struct exporter *exporter, const struct canary_spec *spec, const char *metric,
		     double value);

/* A tick began this long after it was due. */
void exporter_late(struct exporter *exporter, int64_t late_us);

/* A series of the process itself: `name` is of a fixed list, see exporter.c. */
void exporter_set(struct exporter *exporter, const char *name, double value);

/* The text format, https://prometheus.io/docs/instrumenting/exposition_formats/ */
void exporter_write(const struct exporter *exporter, struct buf *into);

#endif
