/*
 * stores.h - whom the fake stands for: what each wants to be asked, and how it answers.
 */
#ifndef SLUICE_SPEC_STORES_H
#define SLUICE_SPEC_STORES_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

struct asked {
	const char *who, *manner;  /* "graphite", "several" */
	const char *method, *path; /* after those two */
	const char *query;	   /* "?a=b", encoded; or "" */
	const char *body, *credentials;
	cJSON *headers; /* names in lower case */
	cJSON *arguments;
};

struct store {
	const char *name;
	bool is_receiver; /* of alerts */
	/* Whether it was asked in its own protocol; else `why` says what is not. */
	bool (*understands)(const struct asked *asked, char *why, size_t size);
	const char *good, *no_data, *nan, *several; /* NULL: it has no such answer */
};

const struct store *store_named(const char *name);
/* As it behaves: "ok", "nodata", "nan", "several", "badjson", "empty", "refused". */
const char *store_answer(const struct store *store, const struct asked *asked);
/* What it says when it refuses: a careless server tells the key that it was given. */
void store_refusal(const struct store *store, const struct asked *asked, char *text, size_t size);

#endif
