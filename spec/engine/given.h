/*
 * given.h - what the engine makes of a Canary of which a spec says only what matters.
 */
#ifndef SLUICE_SPEC_GIVEN_H
#define SLUICE_SPEC_GIVEN_H

#include "canary/spec.h"

/* A Canary from the parts that matter to a spec; the rest is sound. */
struct given {
	const char *annotations; /* a mapping in flow style */
	const char *top;	 /* further members of spec, indented by two */
	const char *service;	 /* instead of {port: 9898} */
	const char *analysis;	 /* members of spec.analysis, indented by four */
	const char *target;	 /* instead of podinfo, a Deployment */
	struct spec_options options;
};

/* What came of the last one, until given_forget. */
extern struct canary_spec *given_spec; /* NULL: refused */
extern struct spec_problems given_problems;
extern char *given_told; /* all problems, a line each */

void given(struct given given);
void given_text(const char *text, const struct spec_options *options);
void given_object(const cJSON *object, const struct spec_options *options);
/* Each spec ends with it. */
void given_forget(void);

#define SOUND "    interval: 1m\n    threshold: 5\n    stepWeight: 10\n"

/* The whole of what is told. */
#define EXPECT_TOLD(text) EXPECT_TEXT(given_told, text)
#define EXPECT_TOLD_OF(part) EXPECT_CONTAINS(given_told, part)

#endif
