#include "base/hash.h"

#include <string.h>

/* FIPS 180-4, sections 4.1.2 and 6.2. */
static const uint32_t constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2};

enum { BLOCK = 64 };

static uint32_t rotated(uint32_t word, int bits)
{
	return word >> bits | word << (32 - bits);
}

static void mix(uint32_t state[8], const uint8_t block[BLOCK])
{
	uint32_t w[64];
	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)block[i * 4] << 24 | (uint32_t)block[i * 4 + 1] << 16 |
		       (uint32_t)block[i * 4 + 2] << 8 | block[i * 4 + 3];
	for (int i = 16; i < 64; i++) {
		uint32_t s0 = rotated(w[i - 15], 7) ^ rotated(w[i - 15], 18) ^ w[i - 15] >> 3;
		uint32_t s1 = rotated(w[i - 2], 17) ^ rotated(w[i - 2], 19) ^ w[i - 2] >> 10;
		w[i] = w[i - 16] + s0 + w[i - 7] + s1;
	}
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
	uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
	for (int i = 0; i < 64; i++) {
		uint32_t s1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25);
		uint32_t one = h + s1 + ((e & f) ^ (~e & g)) + constants[i] + w[i];
		uint32_t s0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22);
		uint32_t two = s0 + ((a & b) ^ (a & c) ^ (b & c));
		h = g;
		g = f;
		f = e;
		e = d + one;
		d = c;
		c = b;
		b = a;
		a = one + two;
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
	state[4] += e;
	state[5] += f;
	state[6] += g;
	state[7] += h;
}

void sha256(const void *bytes, size_t len, uint8_t digest[SHA256_SIZE])
{
	uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
			     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
	const uint8_t *from = bytes;
	size_t left = len;
	for (; left >= BLOCK; left -= BLOCK, from += BLOCK)
		mix(state, from);
	uint8_t tail[2 * BLOCK] = {0};
	if (left > 0)
		memcpy(tail, from, left);
	tail[left] = 0x80;
	size_t end = left + 9 <= BLOCK ? BLOCK : 2 * BLOCK;
	uint64_t bits = (uint64_t)len * 8;
	for (size_t i = 0; i < 8; i++)
		tail[end - 1 - i] = (uint8_t)(bits >> (8 * i));
	mix(state, tail);
	if (end > BLOCK)
		mix(state, tail + BLOCK);
	for (int i = 0; i < SHA256_SIZE; i++)
		digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}

void sha256_hex(const void *bytes, size_t len, char hex[SHA256_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t digest[SHA256_SIZE];
	sha256(bytes, len, digest);
	for (int i = 0; i < SHA256_SIZE; i++) {
		hex[i * 2] = digits[digest[i] >> 4];
		hex[i * 2 + 1] = digits[digest[i] & 15];
	}
	hex[SHA256_SIZE * 2] = '\0';
}

void hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len,
		 uint8_t digest[SHA256_SIZE])
{
	uint8_t pad[BLOCK] = {0}, outer[BLOCK + SHA256_SIZE];
	struct buf inner;
	if (key_len > BLOCK)
		sha256(key, key_len, pad);
	else if (key_len > 0)
		memcpy(pad, key, key_len);
	for (int i = 0; i < BLOCK; i++) {
		outer[i] = pad[i] ^ 0x5c;
		pad[i] ^= 0x36;
	}
	buf_init(&inner, BLOCK + len);
	buf_add(&inner, pad, BLOCK);
	buf_add(&inner, bytes, len);
	sha256(inner.text, inner.len, outer + BLOCK);
	buf_fini(&inner);
	sha256(outer, sizeof(outer), digest);
}

uint64_t hash64(const void *bytes, size_t len)
{
	const uint8_t *byte = bytes;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
	return hash;
}

uint32_t hash32_fnv1a(const void *bytes, size_t len)
{
	const uint8_t *byte = bytes;
	uint32_t hash = 0x811c9dc5;
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ byte[i]) * 0x01000193;
	return hash;
}

void hash_safe_encode(const char *text, char *safe, size_t size)
{
	/* No vowels and nothing that looks like one: no words by accident. */
	static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
	size_t i = 0;
	for (; text[i] != '\0' && i + 1 < size; i++)
		safe[i] = letters[(unsigned char)text[i] % (sizeof(letters) - 1)];
	if (size > 0)
		safe[i] = '\0';
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_size(size_t len)
{
	return (len + 2) / 3 * 4;
}

void base64_write(char *into, const void *bytes, size_t len)
{
	const uint8_t *byte = bytes;
	for (size_t i = 0; i < len; i += 3) {
		size_t have = len - i < 3 ? len - i : 3;
		uint32_t word = (uint32_t)byte[i] << 16;
		word |= have > 1 ? (uint32_t)byte[i + 1] << 8 : 0;
		word |= have > 2 ? byte[i + 2] : 0U;
		*into++ = alphabet[word >> 18];
		*into++ = alphabet[word >> 12 & 63];
		*into++ = have > 1 ? alphabet[word >> 6 & 63] : '=';
		*into++ = have > 2 ? alphabet[word & 63] : '=';
	}
}

bool base64_encode(struct buf *into, const void *bytes, size_t len)
{
	char *room = buf_room(into, base64_size(len));
	if (room == NULL)
		return false;
	base64_write(room, bytes, len);
	buf_grow(into, base64_size(len));
	return true;
}

/* Line breaks are passed over, as in PEM and as Go does; the padding must be complete. */
bool base64_decode(struct buf *into, const char *text, size_t len)
{
	size_t before = into->len, count = 0, padding = 0;
	uint32_t word = 0;
	bool ok = true;
	for (size_t i = 0; ok && i < len; i++) {
		if (text[i] == '\n' || text[i] == '\r')
			continue;
		const char *letter = text[i] != '\0' ? strchr(alphabet, text[i]) : NULL;
		bool pads = text[i] == '=' && count % 4 >= 2;
		ok = pads || (letter != NULL && padding == 0);
		padding += pads;
		word = word << 6 | (letter != NULL ? (uint32_t)(letter - alphabet) : 0);
		if (++count % 4 != 0)
			continue;
		uint8_t three[3] = {(uint8_t)(word >> 16), (uint8_t)(word >> 8), (uint8_t)word};
		ok = ok && buf_add(into, three, 3 - padding);
		word = 0;
	}
	if (ok && count % 4 == 0)
		return true;
	buf_cut(into, before);
	return false;
}
