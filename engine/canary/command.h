/*
 * command.h - what an operator asks of a canary: one annotation, "sluice.dev/command", that acts
 * once.
 *
 * Its value is {"do":"skip-to","weight":40,"id":"…","by":"…","at":"…","revision":"…"}, of which
 * only "do" must be there, or short "abort", "skip-to 40". Whoever may annotate the Canary may
 * command it. The status remembers the id (without one: the value) of the last that was taken, so
 * the annotation may stay; taking it away lets the same be said again.
 */
#ifndef SLUICE_CANARY_COMMAND_H
#define SLUICE_CANARY_COMMAND_H

#include "canary/spec.h"
#include "canary/status.h"

#define COMMAND_ANNOTATION "sluice.dev/command"

enum command_kind {
	COMMAND_PROMOTE, /* skip the rest of the analysis */
	COMMAND_ABORT,	 /* roll back now */
	COMMAND_PAUSE,	 /* decide nothing; no deadline runs out meanwhile */
	COMMAND_RESUME,
	COMMAND_RETRY,	 /* the revision that failed, again */
	COMMAND_SKIP_TO, /* this weight, now */
	COMMAND_APPROVE, /* the gate that is waited at opens, once */
	COMMANDS,
};
const char *command_name(enum command_kind kind);
bool command_find(const char *name, enum command_kind *kind);

enum { COMMAND_BY_MAX = 120, COMMAND_TEXT_MAX = 1024 };
struct command {
	enum command_kind kind;
	int weight; /* SKIP_TO */
	char digest[HASH_TEXT_MAX];
	char by[COMMAND_BY_MAX];
	char at[40];
	char revision[HASH_TEXT_MAX]; /* that it is about; "": whichever */
};

/* Of the Canary; NULL: none. */
const char *command_text(const cJSON *canary);
/* Who asked and when, of a command that does not say it itself: as far as metadata.managedFields of
 * the Canary tells, the program and the second. */
void command_know_writer(struct command *command, const cJSON *canary);
/* What the status remembers of one that was taken; "" for NULL. */
void command_digest(const char *text, char digest[HASH_TEXT_MAX]);
/* On failure the digest is there all the same, and the kind is COMMANDS. */
bool command_parse(struct command *command, const char *text, struct error *err) MUST_CHECK;
/* "promote of podinfo.test by jane at 2026-11-26T16:40:00Z" */
void command_describe(const struct command *command, const char *name, const char *namespace,
		      char *text, size_t size);

/* The table: what a command does in a phase; or, when it is none of that phase, NULL and why. */
const char *command_does(enum phase phase, enum command_kind kind);
const char *command_refusal(enum phase phase, enum command_kind kind);
/* As far as status and spec (NULL: not known) can tell. False: `why` is a sentence. */
bool command_is_good(const struct command *command, const struct status *status,
		     const struct canary_spec *spec, struct error *why) MUST_CHECK;

#endif
