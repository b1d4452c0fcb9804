/*
 * spec.h - the harness of the engine's specs: each is a sentence and a block, registered by being
 * compiled in.
 *
 *     SPEC("duration: reads what Go writes")
 *     {
 *             EXPECT(duration_parse("1m30s", &us, &err));
 *             EXPECT_INT(us, 90 * DURATION_SECOND);
 *     }
 *
 * A failed expectation prints file, line and values, ends the spec, and the run goes on. One
 * process runs all; a spec leaves nothing behind.
 */
#ifndef SLUICE_SPEC_H
#define SLUICE_SPEC_H

#include <stdbool.h>
#include <stddef.h>

struct spec {
	const char *name;
	void (*body)(void);
	struct spec *next;
};
void spec_register(struct spec *spec);
_Noreturn void spec_fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void spec_expect_int(long long got, long long wanted, const char *file, int line,
		     const char *expression);
void spec_expect_text(const char *got, const char *wanted, const char *file, int line,
		      const char *expression);
void spec_expect_contains(const char *text, const char *part, const char *file, int line);
/* The whole of a file below the root of the project; the caller frees. */
char *spec_file(const char *path, size_t *len);

#define SPEC_GLUE_(a, b) a##b
#define SPEC_GLUE(a, b) SPEC_GLUE_(a, b)
#define SPEC(sentence) SPEC_(sentence, __LINE__)
#define SPEC_(sentence, line)                                                                      \
	static void SPEC_GLUE(spec_body_, line)(void);                                             \
	static struct spec SPEC_GLUE(spec_item_, line) = {.name = sentence,                        \
							  .body = SPEC_GLUE(spec_body_, line)};    \
	__attribute__((constructor)) static void SPEC_GLUE(spec_add_, line)(void)                  \
	{                                                                                          \
		spec_register(&SPEC_GLUE(spec_item_, line));                                       \
	}                                                                                          \
	static void SPEC_GLUE(spec_body_, line)(void)

#define EXPECT(expression)                                                                         \
	((expression) ? (void)0 : spec_fail(__FILE__, __LINE__, "expected: %s", #expression))
#define EXPECT_INT(got, wanted)                                                                    \
	spec_expect_int((long long)(got), (long long)(wanted), __FILE__, __LINE__, #got)
#define EXPECT_TEXT(got, wanted) spec_expect_text((got), (wanted), __FILE__, __LINE__, #got)
#define EXPECT_CONTAINS(text, part) spec_expect_contains((text), (part), __FILE__, __LINE__)

#endif
