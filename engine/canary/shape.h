/*
 * shape.h - what a JSON value must look like, as data; and what is wrong with one, as sentences.
 *
 * A shape says for each member its kind, its range and its words. Checking tells every deviation
 * with its path and goes on. What no shape knows is a warning, because the API server drops it,
 * or an error below a strict shape. A null is as good as nothing, as for the API server.
 */
#ifndef SLUICE_CANARY_SHAPE_H
#define SLUICE_CANARY_SHAPE_H

#include <cjson/cJSON.h>

#include "canary/problems.h"

enum shape_kind {
	SHAPE_END, /* of a list of members */
	SHAPE_STRING,
	SHAPE_BOOL,
	SHAPE_NUMBER,
	SHAPE_WHOLE, /* a number without a fraction */
	SHAPE_PORT,  /* a whole number or a string */
	SHAPE_OBJECT,
	SHAPE_MAP, /* an object with any keys; `members` is what each value is */
	SHAPE_LIST,
	SHAPE_FREE, /* an object with anything in it */
};

enum shape_flag {
	SHAPE_REQUIRED = 1,
	SHAPE_STRICT = 2, /* unknown members are errors, here and below */
};

/* More about a value of the right kind; false with a sentence ("must be …") in `why`. */
typedef bool shape_rule(const cJSON *value, struct error *why);

struct shape {
	const char *name; /* of the member; of no meaning for what a list or a map is made of */
	enum shape_kind kind;
	unsigned flags;
	double min, max; /* of a number; 0 and 0: any that fits into 32 bits, or any at all for
			    SHAPE_NUMBER */
	size_t most;	 /* bytes of a string, elements of a list; 0: any */
	const char *const *words; /* of a string: the only ones; NULL-terminated */
	shape_rule *rule;
	const struct shape *members; /* OBJECT: ends with SHAPE_END; LIST, MAP: one */
};

void shape_check(const struct shape *shape, const cJSON *value, const char *path,
		 struct spec_problems *problems);

/* "30s", "1h30m": what the API server lets through, and can be read as a duration. Flagger's CRD
 * knows no hours. */
bool shape_is_duration(const cJSON *value, struct error *why);
bool shape_is_url(const cJSON *value, struct error *why);
/* A name of an object: RFC 1123 subdomain. */
bool shape_is_name(const cJSON *value, struct error *why);
/* A label of DNS, as names of Services and namespaces are. */
bool shape_is_label(const cJSON *value, struct error *why);
bool shape_is_not_empty(const cJSON *value, struct error *why);

#endif
