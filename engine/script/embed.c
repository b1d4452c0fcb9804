#include "script/embed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"

static const char *overlay_dir;
static const char *hidden_prefix;

/* Overlaid files, read once and kept for ever: few, and of a few kilobytes. */
static struct overlaid {
	char *path, *text;
	size_t len;
	struct overlaid *next;
} * overlaid;

void embed_overlay(const char *dir)
{
	overlay_dir = dir;
}

void embed_hide(const char *prefix)
{
	hidden_prefix = prefix;
}

static const struct overlaid *find_overlaid(const char *path)
{
	for (const struct overlaid *file = overlaid; file != NULL; file = file->next)
		if (strcmp(file->path, path) == 0)
			return file;
	SCOPED(text) char *name = xasprintf("%s/%s", overlay_dir, path);
	SCOPED(buf) struct buf text = {0};
	struct error err = {0};
	buf_init(&text, POLICY_TEXT_MAX);
	if (!file_read(name, &text, &err))
		return NULL;
	struct overlaid *file = xcalloc(1, sizeof(*file));
	file->path = xstrdup(path);
	file->len = text.len;
	file->text = buf_take(&text);
	file->next = overlaid;
	overlaid = file;
	return file;
}

const char *embed_find(const char *path, size_t *len)
{
	if (overlay_dir != NULL) {
		const struct overlaid *file = find_overlaid(path);
		if (file != NULL) {
			*len = file->len;
			return file->text;
		}
	}
	if (hidden_prefix != NULL && text_starts(path, hidden_prefix))
		return NULL;
	for (const struct embed_file *file = embed_files; file->path != NULL; file++) {
		if (strcmp(file->path, path) != 0)
			continue;
		*len = file->len;
		return (const char *)file->bytes;
	}
	return NULL;
}
