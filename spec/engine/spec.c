#include "spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct spec *first;
static struct spec **last = &first;
static jmp_buf escape;

void spec_register(struct spec *spec)
{
	*last = spec;
	last = &spec->next;
}

void spec_fail(const char *file, int line, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	printf("\n    %s:%d: ", file, line);
	vprintf(format, args);
	printf("\n");
	va_end(args);
	longjmp(escape, 1);
}

void spec_expect_int(long long got, long long wanted, const char *file, int line,
		     const char *expression)
{
	if (got != wanted)
		spec_fail(file, line, "%s is %lld, expected %lld", expression, got, wanted);
}

void spec_expect_text(const char *got, const char *wanted, const char *file, int line,
		      const char *expression)
{
	if (got == NULL || wanted == NULL ? got != wanted : strcmp(got, wanted) != 0)
		spec_fail(file, line, "%s\n      is       %s\n      expected %s", expression,
			  got ? got : "(null)", wanted ? wanted : "(null)");
}

void spec_expect_contains(const char *text, const char *part, const char *file, int line)
{
	if (text == NULL || strstr(text, part) == NULL)
		spec_fail(file, line, "does not contain \"%s\":\n      %s", part,
			  text ? text : "(null)");
}

char *spec_file(const char *path, size_t *len)
{
	FILE *file = fopen(path, "rb");
	if (file == NULL)
		spec_fail(path, 0, "cannot be opened");
	char *text = NULL;
	size_t size = 0, got = 0;
	for (;;) {
		text = realloc(text, size + 65537);
		if (text == NULL)
			abort();
		got = fread(text + size, 1, 65536, file);
		size += got;
		if (got == 0)
			break;
	}
	fclose(file);
	text[size] = '\0';
	if (len != NULL)
		*len = size;
	return text;
}

static bool passes(const struct spec *spec)
{
	if (setjmp(escape) != 0)
		return false;
	spec->body();
	return true;
}

static bool is_wanted(const struct spec *spec, char **words)
{
	bool wanted = *words == NULL || (*words)[0] == '-';
	for (; *words != NULL; words++) {
		bool excludes = (*words)[0] == '-';
		if (strstr(spec->name, *words + excludes) != NULL)
			wanted = !excludes;
	}
	return wanted;
}

/* spec-engine [word | -word]…: runs the specs whose sentence contains a word; all but those with a
 * -word. With $SPEC_TIMES it says how much CPU time each took. */
int main(int argc, char **argv)
{
	(void)argc;
	int passed = 0, failed = 0;
	for (const struct spec *spec = first; spec != NULL; spec = spec->next) {
		if (!is_wanted(spec, argv + 1))
			continue;
		clock_t began = clock();
		if (passes(spec)) {
			passed++;
		} else {
			printf("  FAILED %s\n", spec->name);
			failed++;
		}
		if (getenv("SPEC_TIMES") != NULL)
			printf("%8.1f ms  %s\n", (double)(clock() - began) * 1e3 / CLOCKS_PER_SEC,
			       spec->name);
		fflush(stdout);
	}
	printf("engine: %d passed, %d failed\n", passed, failed);
	return failed > 0 || passed == 0;
}
