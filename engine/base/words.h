/*
 * words.h - "did you mean …": the word that somebody probably wanted to write.
 */
#ifndef SLUICE_BASE_WORDS_H
#define SLUICE_BASE_WORDS_H

/* The one of `words` (NULL-terminated) that was probably meant, or NULL. */
const char *words_nearest(const char *word, const char *const *words);

#endif
