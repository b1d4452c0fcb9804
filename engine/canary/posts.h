/*
 * posts.h - events told to webhooks, beside whatever their canary does next.
 *
 * A receiver that answers is waited for, so that a crash loses nothing; one that takes longer than
 * a moment is not, and from then on nobody waits for it until it answers again. It is still told,
 * with its retries.
 */
#ifndef SLUICE_CANARY_POSTS_H
#define SLUICE_CANARY_POSTS_H

#include <stdbool.h>

#include "canary/spec.h"
#include "loop/loop.h"
#include "ports.h"

struct posts;

struct event_post {
	const char *canary; /* "namespace/name" */
	const char *key;    /* begins with that of its event: see posts_forget */
	const struct webhook_spec *webhook;
	const char *body;
};

/* One of a canary's posts is answered, or is not waited for any longer. */
typedef void posts_wake(void *owner, const char *canary);

struct posts *posts_new(struct loop *loop, struct http *http);
void posts_free(struct posts *posts);
void posts_on_done(struct posts *posts, posts_wake *wake, void *owner);

/* Whether a post is done with, as far as its canary cares; sends it when it is new. */
bool posts_are_done(struct posts *posts, const struct event_post *post);
/* Nobody will ask about those any more whose keys begin so; they go on by themselves. */
void posts_forget(struct posts *posts, const char *prefix);

#endif
