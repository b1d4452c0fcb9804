/*
 * stage.h - releases of spec/golden against an API server, all at once, each in a namespace of its
 * own, compared with what Flagger did.
 *
 * The cluster and the daemon are real. Fake are the metric store (a verdict a story) and the
 * receiver of webhooks; and, where there is no controller manager, that Deployments become ready.
 */
#ifndef SLUICE_SPEC_CLUSTER_STAGE_H
#define SLUICE_SPEC_CLUSTER_STAGE_H

#include "../engine/golden.h"
#include "base/buf.h"
#include "kube/client.h"
#include "net/serve.h"

enum { STORIES_MAX = 1024, KINDS_MAX = 32 };

enum part { PREPARING, READY_TO_GO, RELEASING, ENDED, TOLD };

struct story {
	const struct golden_story *golden;
	char *namespace;
	cJSON *transcript;
	cJSON *objects;		 /* of the transcript, as they were left, by "Kind/name" */
	cJSON *calls, *statuses; /* as they came, see told.h */
	cJSON *histories;	 /* of our objects */
	char *refused;		 /* why its canary is not valid; or NULL */
	cJSON *moments;		 /* when, see told.h */
	cJSON *strangers; /* objects that no transcript has: the version they were first seen in */
	enum part part;
	bool changed_again;
	char *compared;	      /* how much of it was */
	struct buf complaint; /* what is wrong with it, as far as it was looked at */
	int looks;	      /* how often it was looked at */
	int64_t released_us, ended_us;
};

struct stage_options {
	const char *only;     /* words, one of which is in the name of a story; or NULL */
	long copies;	      /* of each story */
	const char *interval; /* of each canary */
	int64_t limit_us;     /* the stories have this long */
	int64_t rest_us;      /* for so long the daemon goes on after the last one */
	bool together;	      /* the releases begin once all are initialized */
	bool make_ready;
	bool repeats; /* the daemon is killed: what it told may be told again */
	bool gaps;    /* the API server is restarted: statuses may go by unseen */
};

struct stage {
	const struct stage_options *options;
	struct loop *loop;
	struct kube *kube;
	struct serve *serve;
	struct watch *canaries;
	struct kube_kind kinds[KINDS_MAX]; /* of all objects of the stories */
	struct watch *objects[KINDS_MAX];
	size_t kind_count;
	struct story *stories;
	size_t count, ready, told, failed;
};

/* Makes the stories, with namespaces and objects; then, once the daemon runs, follows them. The
 * loop is stopped once all are told. */
void stage_set(struct stage *stage);
void stage_follow(struct stage *stage);
void stage_fini(struct stage *stage);
struct story *stage_story(struct stage *stage, const char *namespace);

/* What stands in for what is not there (fakes.c). */
void fake_answer(void *owner, const struct serve_request *request);
void fake_readiness(struct stage *stage, const cJSON *deployment);

/* A write that is sent until it arrives, as an impatient user would (fakes.c). */
void insist(struct stage *stage, enum kube_verb verb, const char *path, const cJSON *body);

#endif
