#include "cli/flags.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/words.h"

enum { FLAGS_MAX = 128 };

static const struct flag *find(const struct flag *flags, const char *name, size_t len)
{
	for (const struct flag *flag = flags; flag->name != NULL; flag++)
		if (strlen(flag->name) == len && strncmp(flag->name, name, len) == 0)
			return flag;
	return NULL;
}

static bool unknown(const struct flag *flags, const char *argument, const char *name, size_t len,
		    struct error *err)
{
	const char *names[FLAGS_MAX + 1];
	size_t count = 0;
	for (const struct flag *flag = flags; flag->name != NULL && count < FLAGS_MAX; flag++)
		names[count++] = flag->name;
	names[count] = NULL;
	SCOPED(text) char *word = xstrndup(name, len);
	const char *meant = words_nearest(word, names);
	if (meant == NULL)
		return error_set(err, ERROR_INVALID, "there is no flag %s", argument);
	return error_set(err, ERROR_INVALID, "there is no flag %s; did you mean --%s?", argument,
			 meant);
}

static bool set_bool(bool *value, const char *text, const struct flag *flag, struct error *err)
{
	if (text == NULL || strcmp(text, "true") == 0 || strcmp(text, "1") == 0)
		*value = true;
	else if (strcmp(text, "false") == 0 || strcmp(text, "0") == 0)
		*value = false;
	else
		return error_set(err, ERROR_INVALID, "--%s must be true or false, is \"%s\"",
				 flag->name, text);
	return true;
}

static bool add_text(struct flag_texts *texts, const char *text, struct error *err)
{
	if (texts->count == FLAG_TEXTS_MAX)
		return error_set(err, ERROR_INVALID, "more than %d of one kind", FLAG_TEXTS_MAX);
	texts->items[texts->count++] = text;
	return true;
}

static bool set(const struct flag *flag, const char *text, struct error *err)
{
	switch (flag->kind) {
	case FLAG_BOOL:
		return set_bool(flag->value, text, flag, err);
	case FLAG_TEXT:
		*(const char **)flag->value = text;
		return true;
	case FLAG_TEXTS:
		return add_text(flag->value, text, err);
	}
	return true;
}

bool flags_parse(const struct flag *flags, int count, char **arguments, struct flag_texts *words,
		 struct error *err)
{
	bool only_words = false;
	for (int i = 0; i < count; i++) {
		const char *argument = arguments[i];
		if (!only_words && strcmp(argument, "--") == 0) {
			only_words = true;
			continue;
		}
		if (only_words || argument[0] != '-' || argument[1] == '\0') {
			if (!add_text(words, argument, err))
				return false;
			continue;
		}
		const char *name = argument + (argument[1] == '-' ? 2 : 1);
		size_t len = strcspn(name, "=");
		const struct flag *flag = find(flags, name, len);
		if (flag == NULL && strcmp(argument, "-h") == 0)
			flag = find(flags, "help", 4);
		if (flag == NULL)
			return unknown(flags, argument, name, len, err);
		const char *text = name[len] == '=' ? name + len + 1 : NULL;
		if (text == NULL && flag->kind != FLAG_BOOL) {
			if (i + 1 == count)
				return error_set(err, ERROR_INVALID, "%s needs a value: %s",
						 argument, flag->what);
			text = arguments[++i];
		}
		if (!set(flag, text, err))
			return false;
	}
	return true;
}

void flags_help(const struct flag *flags)
{
	for (const struct flag *flag = flags; flag->name != NULL; flag++) {
		char left[64];
		if (flag->help == NULL)
			continue;
		snprintf(left, sizeof(left), "%s%s%s%s", flag->name[1] == '\0' ? "-" : "--",
			 flag->name, flag->kind == FLAG_BOOL ? "" : " ",
			 flag->kind == FLAG_BOOL ? "" : flag->what);
		printf("  %-34s %s\n", left, flag->help);
	}
}
