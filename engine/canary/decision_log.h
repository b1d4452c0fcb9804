/*
 * decision_log.h - every decision of every canary, one JSON line each, in files that nobody can
 * change unseen.
 *
 * A file begins with a line about itself. Each line holds the SHA-256 of the one before it
 * ("prev"), also across files, and then a sum of itself, so that the last one is guarded, too. A
 * policy's text stands once in each file that has decisions of it; a canary's first decision in a
 * file stands whole, a later one as a delta (base/json_delta.h). Written with one write(2) a line,
 * before nothing and after the commit: a killed process may lose the last decision, and leaves at
 * most half a line, which readers pass over. The next process goes on in the same file, unless it
 * is of another version, ends with half a line, is long, or is somebody's who still writes: two
 * who write into one directory each have files of their own, that branch off ("after").
 *
 * A log that cannot be written is told, and never stops a rollout. What a full disk has no room for
 * is left out whole, and counted in the next line that fits ("missed"); a file that was removed is
 * followed by a new one. Secrets are in no input of a hook, and so not in here.
 *
 *     {"v":2,"log":"sluice","version":"…","after":"decisions-….jsonl","prev":"…","sum":"…"}
 *     {"n":1,"policy":{"name","hash","text"},"prev":"…","sum":"…"}
 *     {"n":2,"t":…,"canary":"test/podinfo","whole":{…},"prev":"…","sum":"…"}
 *     {"n":3,"t":…,"canary":"test/podinfo","delta":{…},"prev":"…","sum":"…"}
 */
#ifndef SLUICE_CANARY_DECISION_LOG_H
#define SLUICE_CANARY_DECISION_LOG_H

#include "canary/decision.h"

struct decision_log;

/* `place`: a directory, which is made, or "-" for standard output. Files of more than
 * `file_bytes` are followed by new ones (0: 16 MiB), of which the newest 32 are kept. */
struct decision_log *decision_log_open(const char *place, size_t file_bytes,
				       struct error *err) MUST_CHECK;
void decision_log_close(struct decision_log *log);

/* A policy that is going to be asked: its text will stand in the file. `log` may be NULL. */
void decision_log_know(struct decision_log *log, const struct policy *policy);
/* `log` may be NULL. `over`: the canary is at rest now; its next decision stands whole. */
void decision_log_add(struct decision_log *log, const char *namespace, const char *name,
		      int64_t now_us, const struct decision *decision, bool over);

/* ---- reading ---- */

struct logged {
	const char *file;
	int line;
	int64_t time_us;
	const char *canary; /* "test/podinfo" */
	const cJSON *json;  /* whole: see decision.h */
};
struct log_reader {
	/* False ends the reading. */
	bool (*decision)(void *owner, const struct logged *logged);
	void (*policy)(void *owner, const char *name, const char *hash, const char *text);
	void *owner;
};
struct log_summary {
	size_t files, lines;
	size_t torn;   /* half lines at the end of a file */
	size_t missed; /* decisions that could not be written */
};
/* `path`: a file, or a directory of files, read in their order. ERROR_INVALID names file and line
 * of what was changed or is damaged. */
bool decision_log_read(const char *path, const struct log_reader *reader,
		       struct log_summary *summary, struct error *err) MUST_CHECK;

#endif
