#include "base/words.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { WORD_MAX = 40 };

/* How many letters to add, drop, change or swap, at least; letters of either case are the same. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][WORD_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2];
	for (size_t j = 0; j <= b_len; j++)
		before[j] = last[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			int x = tolower((unsigned char)a[i - 1]);
			int y = tolower((unsigned char)b[j - 1]);
			size_t best = last[j - 1] + (x != y);
			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			bool swapped = i > 1 && j > 1 && x != y &&
				       x == tolower((unsigned char)b[j - 2]) &&
				       y == tolower((unsigned char)a[i - 2]);
			if (swapped && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
		size_t *oldest = before;
		before = last;
		last = row;
		row = oldest;
	}
	return last[b_len];
}

const char *words_nearest(const char *word, const char *const *words)
{
	size_t len = strlen(word), nearest = SIZE_MAX;
	const char *meant = NULL;
	if (len == 0 || len > WORD_MAX)
		return NULL;
	for (; *words != NULL; words++) {
		size_t other = strlen(*words);
		if (other == 0 || other > WORD_MAX)
			continue;
		size_t far = distance(word, len, *words, other);
		size_t longer = len > other ? len : other;
		if (far < nearest && far <= 3 && far * 3 <= longer) {
			nearest = far;
			meant = *words;
		}
	}
	return meant;
}
