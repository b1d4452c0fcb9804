#include "base/mem.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static void *check(void *block)
{
	if (block == NULL) {
		fputs("out of memory\n", stderr);
		abort();
	}
	return block;
}

void *xmalloc(size_t size)
{
	return check(malloc(size > 0 ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
	return count > 0 && size > 0 ? check(calloc(count, size)) : check(calloc(1, 1));
}

void *xrealloc(void *owned_block, size_t size)
{
	return check(realloc(owned_block, size > 0 ? size : 1));
}

char *xstrdup(const char *text)
{
	return text != NULL ? xstrndup(text, strlen(text)) : NULL;
}

char *xstrndup(const char *text, size_t len)
{
	size_t has = strnlen(text, len);
	char *copy = xmalloc(has + 1);
	memcpy(copy, text, has);
	copy[has] = '\0';
	return copy;
}

char *xasprintf(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *text = xvasprintf(format, args);
	va_end(args);
	return text;
}

char *xvasprintf(const char *format, va_list args)
{
	char *text = NULL;
	if (vasprintf(&text, format, args) < 0)
		check(NULL);
	return text;
}

void scope_text(char **text)
{
	free(*text);
}

void secret_free(char *owned_text)
{
	if (owned_text != NULL)
		explicit_bzero(owned_text, strlen(owned_text));
	free(owned_text);
}

void secret_hide(char *text, const char *secret)
{
	enum { LEAST = 4 };
	size_t len = secret == NULL ? 0 : strlen(secret);
	if (len < LEAST)
		return;
	for (char *at = strstr(text, secret); at != NULL; at = strstr(at, secret)) {
		memset(at, '*', len);
		at += len;
	}
}

size_t text_fit(const char *text, size_t len, size_t limit)
{
	if (len <= limit)
		return len;
	while (limit > 0 && ((unsigned char)text[limit] & 0xC0) == 0x80)
		limit--;
	return limit;
}

bool text_copy(char *into, size_t size, const char *text)
{
	size_t len = strlen(text);
	if (size == 0)
		return false;
	size_t fits = text_fit(text, len, size - 1);
	memmove(into, text, fits);
	into[fits] = '\0';
	return fits == len;
}

bool text_equal(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool text_starts(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool text_ends(const char *text, const char *suffix)
{
	size_t len = strlen(text), wanted = strlen(suffix);
	return len >= wanted && memcmp(text + len - wanted, suffix, wanted) == 0;
}

void mem_be_frugal(void)
{
	/* Set, the threshold does not grow with what is freed: a page of a list is mapped by
	 * itself. */
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	mallopt(M_TRIM_THRESHOLD, 128 * 1024);
	mallopt(M_ARENA_MAX, 1);
}

static int give_back_constants(struct dl_phdr_info *object, size_t size, void *unused)
{
	enum { SEGMENTS_MAX = 8 };
	struct iovec segments[SEGMENTS_MAX];
	size_t count = 0;
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	(void)size;
	(void)unused;
	/* All are read before any goes: the headers stand in one of them. */
	for (size_t i = 0; i < object->dlpi_phnum && count < SEGMENTS_MAX; i++) {
		const ElfW(Phdr) *header = &object->dlpi_phdr[i];
		if (header->p_type != PT_LOAD || (header->p_flags & PF_W) != 0)
			continue;
		uintptr_t at = object->dlpi_addr + header->p_vaddr, before = at & (page - 1);
		segments[count++] = (struct iovec){(void *)(at - before), header->p_memsz + before};
	}
	for (size_t i = 0; i < count; i++)
		(void)madvise(segments[i].iov_base, segments[i].iov_len, MADV_DONTNEED);
	return 0;
}

void mem_give_back(void)
{
	malloc_trim(0);
	/* Code and constants are never written, so they can be let go of at any time: what is used
	 * comes back from the page cache. Linking and initialising the TLS libraries touches 8 MB
	 * of them that are not needed again. */
	dl_iterate_phdr(give_back_constants, NULL);
}
