#include "base/utf8.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>

static bool continues(unsigned char byte)
{
	return (byte & 0xC0) == 0x80;
}

size_t utf8_length(const char *text, size_t len)
{
	const unsigned char *byte = (const unsigned char *)text;
	if (len == 0)
		return 0;
	if (byte[0] < 0x80)
		return 1;
	if (byte[0] < 0xC2 || byte[0] > 0xF4)
		return 0;
	size_t wanted = byte[0] < 0xE0 ? 2 : byte[0] < 0xF0 ? 3 : 4;
	if (len < wanted)
		return 0;
	for (size_t i = 1; i < wanted; i++)
		if (!continues(byte[i]))
			return 0;
	bool wrong = (byte[0] == 0xE0 && byte[1] < 0xA0) || (byte[0] == 0xED && byte[1] > 0x9F) ||
		     (byte[0] == 0xF0 && byte[1] < 0x90) || (byte[0] == 0xF4 && byte[1] > 0x8F);
	return wrong ? 0 : wanted;
}

static bool is_plain(unsigned char byte)
{
	return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

/* Eight bytes at once: the high bit of a byte is set where it is not plain, and perhaps of bytes
 * above that one, to which a borrow went. */
static uint64_t marks(uint64_t word)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 0x80;
	uint64_t quotes = word ^ ones * '"', slashes = word ^ ones * '\\';
	uint64_t control = (word - ones * 0x20) & ~word;
	uint64_t quoted = (quotes - ones) & ~quotes, escaped = (slashes - ones) & ~slashes;
	return (word | control | quoted | escaped) & high;
}

size_t utf8_plain(const char *text, size_t len)
{
	size_t at = 0;
	uint64_t word;
	for (; at + sizeof(word) <= len; at += sizeof(word)) {
		memcpy(&word, text + at, sizeof(word));
		uint64_t marked = marks(le64toh(word)); /* the first byte is the lowest one */
		if (marked != 0)
			return at + (size_t)__builtin_ctzll(marked) / 8;
	}
	/* Most ends in one look too, at two halves that may overlap. */
	uint32_t half[2];
	if (len - at >= sizeof(half[0]) && len - at < sizeof(word)) {
		memcpy(&half[0], text + at, sizeof(half[0]));
		memcpy(&half[1], text + len - sizeof(half[1]), sizeof(half[1]));
		if (marks((uint64_t)half[0] << 32 | half[1]) == 0)
			return len;
	}
	while (at < len && is_plain((unsigned char)text[at]))
		at++;
	return at;
}

uint32_t utf8_point(const char *text, size_t len)
{
	static const unsigned char firsts[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
	uint32_t point = (unsigned char)text[0] & firsts[len];
	for (size_t i = 1; i < len; i++)
		point = point << 6 | ((unsigned char)text[i] & 0x3F);
	return point;
}

size_t utf8_put(char into[UTF8_MAX], uint32_t point)
{
	if (point < 0x80) {
		into[0] = (char)point;
		return 1;
	}
	if (point < 0x800) {
		into[0] = (char)(0xC0 | point >> 6);
		into[1] = (char)(0x80 | (point & 0x3F));
		return 2;
	}
	if (point < 0x10000) {
		into[0] = (char)(0xE0 | point >> 12);
		into[1] = (char)(0x80 | (point >> 6 & 0x3F));
		into[2] = (char)(0x80 | (point & 0x3F));
		return 3;
	}
	into[0] = (char)(0xF0 | point >> 18);
	into[1] = (char)(0x80 | (point >> 12 & 0x3F));
	into[2] = (char)(0x80 | (point >> 6 & 0x3F));
	into[3] = (char)(0x80 | (point & 0x3F));
	return 4;
}

void utf8_clean(char *text)
{
	for (size_t at = 0, len = strlen(text); at < len;) {
		size_t one = utf8_length(text + at, len - at);
		unsigned char byte = (unsigned char)text[at];
		bool control = byte == 0x7F || (byte < ' ' && byte != '\t' && byte != '\n');
		if (one == 0 || control)
			text[at] = '?';
		at += one > 0 ? one : 1;
	}
}
