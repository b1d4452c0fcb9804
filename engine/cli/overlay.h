/*
 * overlay.h - the flag --lua DIR: Lua files that come before the built-in ones.
 */
#ifndef SLUICE_CLI_OVERLAY_H
#define SLUICE_CLI_OVERLAY_H

#include "base/error.h"

/* A row of a table of flags; `place` is a const char *. */
#define OVERLAY_FLAG(place)                                                                        \
	{                                                                                          \
		"lua", FLAG_TEXT, &(place), "DIR", "Lua files that come before those of lua/"      \
	}

/* Takes the directory from here on; NULL is none. */
bool overlay_use(const char *dir, struct error *err) MUST_CHECK;

#endif
