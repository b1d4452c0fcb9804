/*
 * tokens.h - what a policy text may not even say.
 *
 * The operator `^` (and with it nothing else) calls the C library's pow, whose last digit differs
 * from processor to processor, and no metamethod stands between: it is refused, math.pow is there.
 * `goto` and long chains of `and`, `or` and `elseif` take the compiler a time that grows with their
 * square, inside one call: they are counted. Strings and comments are passed over.
 */
#ifndef SLUICE_SCRIPT_TOKENS_H
#define SLUICE_SCRIPT_TOKENS_H

#include <stddef.h>

#include "base/error.h"

enum { TOKENS_GOTO_MAX = 100, TOKENS_CHAIN_MAX = 2000 };

/* False with "NAME:LINE: …". What is no Lua at all is left to the compiler to tell. */
bool tokens_check(const char *name, const char *text, size_t len, struct error *err) MUST_CHECK;

#endif
