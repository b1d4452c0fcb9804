#include "script/embed.h"

#include <dirent.h>
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

/* The directory stands for lua/. */
static const char *below_lua(const char *path)
{
	return text_starts(path, "lua/") ? path + strlen("lua/") : path;
}

static const struct overlaid *find_overlaid(const char *path)
{
	for (const struct overlaid *file = overlaid; file != NULL; file = file->next)
		if (strcmp(file->path, path) == 0)
			return file;
	SCOPED(text) char *name = xasprintf("%s/%s", overlay_dir, below_lua(path));
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

/* "mesh" of "mesh.lua"; no other files, and none that are hidden. */
static void tell_name(const char *file, void (*call)(void *owner, const char *name), void *owner)
{
	size_t len = strlen(file), suffix = strlen(".lua");
	if (file[0] == '.' || len <= suffix || !text_ends(file, ".lua") ||
	    strchr(file, '/') != NULL)
		return;
	SCOPED(text) char *name = xstrndup(file, len - suffix);
	call(owner, name);
}

void embed_each(const char *dir, void (*call)(void *owner, const char *name), void *owner)
{
	for (const struct embed_file *file = embed_files; file->path != NULL; file++)
		if (text_starts(file->path, dir))
			tell_name(file->path + strlen(dir), call, owner);
	if (overlay_dir == NULL)
		return;
	SCOPED(text) char *path = xasprintf("%s/%s", overlay_dir, below_lua(dir));
	DIR *listing = opendir(path);
	if (listing == NULL)
		return;
	for (const struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing))
		tell_name(entry->d_name, call, owner);
	closedir(listing);
}
