#include "cli/overlay.h"

#include <stddef.h>
#include <sys/stat.h>

#include "script/embed.h"

bool overlay_use(const char *dir, struct error *err)
{
	struct stat found;
	if (dir == NULL)
		return true;
	if (stat(dir, &found) != 0 || !S_ISDIR(found.st_mode))
		return error_set(err, ERROR_INVALID, "--lua: %s is no directory", dir);
	embed_overlay(dir);
	return true;
}
