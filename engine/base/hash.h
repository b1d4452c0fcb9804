/*
 * hash.h - digests and base64.
 */
#ifndef SLUICE_BASE_HASH_H
#define SLUICE_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { SHA256_SIZE = 32, SHA256_HEX_SIZE = 65 };

void sha256(const void *bytes, size_t len, uint8_t digest[SHA256_SIZE]); /* FIPS 180-4 */
void sha256_hex(const void *bytes, size_t len, char hex[SHA256_HEX_SIZE]);
void hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len,
		 uint8_t digest[SHA256_SIZE]);	/* RFC 2104 */
uint64_t hash64(const void *bytes, size_t len); /* FNV-1a, for tables; not for secrets */
uint32_t hash32_fnv1a(const void *bytes, size_t len);
/* What `rand.SafeEncodeString` of Kubernetes does to decimal text: a name that can stand in a
 * label. */
void hash_safe_encode(const char *text, char *safe, size_t size);

size_t base64_size(size_t len);				      /* of so many bytes, written */
void base64_write(char *into, const void *bytes, size_t len); /* no terminator */
bool base64_encode(struct buf *into, const void *bytes, size_t len);
bool base64_decode(struct buf *into, const char *text,
		   size_t len); /* false on a wrong character or cap */

#endif
