#include "canary/problems.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"

/* Where the next problem goes; an error takes the place of a warning when all places are taken. */
static struct spec_problem *place(struct spec_problems *problems, bool warning)
{
	if (problems->count < PROBLEMS_MAX) {
		if (problems->items == NULL)
			problems->items = xcalloc(PROBLEMS_MAX, sizeof(*problems->items));
		return &problems->items[problems->count++];
	}
	for (size_t i = PROBLEMS_MAX; i-- > 0 && !warning;)
		if (problems->items[i].warning)
			return &problems->items[i];
	return NULL;
}

static void add(struct spec_problems *problems, bool warning, const char *path, const char *format,
		va_list args)
{
	problems->errors += !warning;
	struct spec_problem *problem = place(problems, warning);
	if (problem == NULL)
		return;
	problem->warning = warning;
	text_copy(problem->path, sizeof(problem->path), path);
	SCOPED(text) char *text = xvasprintf(format, args);
	text_copy(problem->text, sizeof(problem->text), text);
}

void problem_error(struct spec_problems *problems, const char *path, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	add(problems, false, path, format, args);
	va_end(args);
}

void problem_warning(struct spec_problems *problems, const char *path, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	add(problems, true, path, format, args);
	va_end(args);
}

void problem_path(char path[PROBLEM_PATH_MAX], const char *parent, const char *name)
{
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, PROBLEM_PATH_MAX * 2);
	buf_puts(&text, parent);
	if (name[0] != '\0' && strpbrk(name, ".[]\"\\/") == NULL) {
		if (parent[0] != '\0')
			buf_putc(&text, '.');
		buf_puts(&text, name);
	} else {
		buf_puts(&text, "[\"");
		for (const char *c = name; *c != '\0'; c++) {
			if (*c == '"' || *c == '\\')
				buf_putc(&text, '\\');
			buf_putc(&text, *c);
		}
		buf_puts(&text, "\"]");
	}
	text_copy(path, PROBLEM_PATH_MAX, text.text);
}

void problem_index(char path[PROBLEM_PATH_MAX], const char *parent, size_t index)
{
	SCOPED(text) char *text = xasprintf("%s[%zu]", parent, index);
	text_copy(path, PROBLEM_PATH_MAX, text);
}

static void seen_string(const char *from, char text[SEEN_MAX])
{
	enum { SHOWN = 60 };
	size_t len = strlen(from), fit = text_fit(from, len, SHOWN), at = 0;
	text[at++] = '"';
	for (size_t i = 0; i < fit; i++)
		text[at++] = iscntrl((unsigned char)from[i]) ? ' ' : from[i];
	snprintf(text + at, SEEN_MAX - at, fit < len ? "…\"" : "\"");
}

void problem_seen(const cJSON *value, char text[SEEN_MAX])
{
	char number[32];
	switch (value->type & 0xFF) {
	case cJSON_String:
		seen_string(value->valuestring, text);
		return;
	case cJSON_Number:
		json_number_text(value->valuedouble, number);
		text_copy(text, SEEN_MAX, number);
		return;
	case cJSON_True:
	case cJSON_False:
		text_copy(text, SEEN_MAX, cJSON_IsTrue(value) ? "true" : "false");
		return;
	case cJSON_Array:
		text_copy(text, SEEN_MAX, "a list");
		return;
	case cJSON_Object:
		text_copy(text, SEEN_MAX, "an object");
		return;
	default:
		text_copy(text, SEEN_MAX, "null");
	}
}

void spec_problems_fini(struct spec_problems *problems)
{
	free(problems->items);
	*problems = (struct spec_problems){0};
}

void spec_problems_text(const struct spec_problems *problems, struct buf *into)
{
	enum { MORE_MAX = 32 };
	size_t wanted = problems->errors > 0 ? problems->errors : problems->count, said = 0;
	size_t cap = into->cap > MORE_MAX ? into->cap - MORE_MAX : 0;
	for (size_t i = 0; i < problems->count; i++) {
		const struct spec_problem *problem = &problems->items[i];
		if (problems->errors > 0 && problem->warning)
			continue;
		size_t before = into->len;
		bool fits = (said == 0 || buf_puts(into, "; ")) &&
			    (problem->path[0] == '\0' ||
			     (buf_puts(into, problem->path) && buf_puts(into, ": "))) &&
			    buf_puts(into, problem->text) && into->len <= cap;
		if (!fits) {
			buf_cut(into, before);
			break;
		}
		said++;
	}
	if (said < wanted)
		buf_printf(into, said == 0 ? "(%zu problems)" : " (and %zu more)", wanted - said);
}
