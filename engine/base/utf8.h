/*
 * utf8.h - telling text from bytes.
 */
#ifndef SLUICE_BASE_UTF8_H
#define SLUICE_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

enum { UTF8_MAX = 4 };

/* The length of the character that `text` begins with; 0 when it is none (cut off, overlong, a
 * surrogate, past U+10FFFF). */
size_t utf8_length(const char *text, size_t len);
/* How many bytes from the start are what a JSON string may hold as it is: printable ASCII but for
 * the quote and the backslash. */
size_t utf8_plain(const char *text, size_t len);
/* The code point of a character whose length is `len`. */
uint32_t utf8_point(const char *text, size_t len);
/* Writes a code point, which must be no surrogate and at most U+10FFFF; gives its length. */
size_t utf8_put(char into[UTF8_MAX], uint32_t point);

/* Makes a text fit to be shown: "?" for each byte that is no UTF-8 and for control characters but
 * tab and newline. */
void utf8_clean(char *text);

#endif
