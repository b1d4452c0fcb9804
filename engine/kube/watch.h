/*
 * watch.h - a list that stays current.
 *
 * Lists in pages, then watches with bookmarks from the version of the list. Relists on 410, on a
 * Status of code 410 in the stream, and on a line that is too long; backs off with jitter on
 * errors; waits for a kind that does not exist yet (404); never gives up. `timeoutSeconds` is
 * 240-480. Each line is decoded once, when it is complete.
 */
#ifndef SLUICE_KUBE_WATCH_H
#define SLUICE_KUBE_WATCH_H

#include "kube/client.h"
#include "kube/path.h"

struct watch;

enum watch_event {
	WATCH_PUT,     /* added or modified, or found by a list */
	WATCH_GONE,    /* deleted, or missing from a relist; `object` has metadata.name and
			  metadata.namespace at least */
	WATCH_LISTING, /* a list or relist begins; only for the forgetful; object is NULL */
	WATCH_SYNCED,  /* it is complete; object is NULL */
};
/* Called in loop order. The object is the callee's to keep or change until it returns; then it is
 * freed. Its apiVersion and kind are those of the kind that is watched, always. */
typedef void watch_call(void *owner, enum watch_event event, cJSON *object);

struct watch_options {
	const char *namespace;	    /* NULL: all */
	const char *label_selector; /* NULL: none */
	bool metadata_only;	    /* PartialObjectMetadata */
	bool forgetful; /* keeps no names: its owner sees from WATCH_LISTING to WATCH_SYNCED
			   what is there, and what is not */
};

struct watch *watch_new(struct kube *kube, const struct kube_kind *kind,
			const struct watch_options *options, watch_call *call, void *owner);
void watch_free(struct watch *watch); /* not from inside its own call */
bool watch_is_synced(const struct watch *watch);
/* Why it is not current at the moment; ERROR_NONE when it is, as far as is known. Borrowed. */
const struct error *watch_trouble(const struct watch *watch);

#endif
