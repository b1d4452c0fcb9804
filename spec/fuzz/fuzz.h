/*
 * fuzz.h - what a fuzzer of libFuzzer is made of: a function that is given any bytes, and promises
 * about what becomes of them.
 */
#ifndef SLUICE_SPEC_FUZZ_H
#define SLUICE_SPEC_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

#define REQUIRE(promise)                                                                           \
	((promise) ? (void)0                                                                       \
		   : (fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #promise),        \
		      abort()))

static inline void require_utf8(const char *text, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t one = utf8_length(text + at, len - at);
		REQUIRE(one > 0);
		at += one;
	}
}

/* What fails says why, in a sentence that may be shown. */
#define REQUIRE_SENTENCE(err)                                                                      \
	(REQUIRE((err).kind != ERROR_NONE && (err).text[0] != '\0'),                               \
	 require_utf8((err).text, strlen((err).text)))

#endif
