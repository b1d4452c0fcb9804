#include "spec.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

static void expect_sha256(const char *text, const char *wanted)
{
	char hex[SHA256_HEX_SIZE];
	sha256_hex(text, strlen(text), hex);
	EXPECT_TEXT(hex, wanted);
}

SPEC("hash: SHA-256 of the examples of its standard")
{
	expect_sha256("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	expect_sha256("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	expect_sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	char *million = xmalloc(1000000);
	memset(million, 'a', 1000000);
	char hex[SHA256_HEX_SIZE];
	sha256_hex(million, 1000000, hex);
	free(million);
	EXPECT_TEXT(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

SPEC("hash: SHA-256 pads every length around a block")
{
	/* Digests of 55, 56, 63, 64 and 65 letters a. */
	static const struct {
		size_t len;
		const char *hex;
	} wanted[] = {
		{55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"},
		{56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"},
		{63, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34"},
		{64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"},
		{65, "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0"},
	};
	char letters[65];
	memset(letters, 'a', sizeof(letters));
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		char hex[SHA256_HEX_SIZE];
		sha256_hex(letters, wanted[i].len, hex);
		EXPECT_TEXT(hex, wanted[i].hex);
	}
}

SPEC("hash: FNV-1a of its published examples")
{
	EXPECT(hash64("", 0) == UINT64_C(0xcbf29ce484222325));
	EXPECT(hash64("foobar", 6) == UINT64_C(0x85944171f73967e8));
	EXPECT_INT(hash32_fnv1a("", 0), 0x811c9dc5);
	EXPECT_INT(hash32_fnv1a("foobar", 6), 0xbf9cf968);
}

SPEC("hash: decimal text is encoded as Kubernetes does for its labels")
{
	char safe[12];
	hash_safe_encode("0123456789", safe, sizeof(safe));
	EXPECT_TEXT(safe, "456789bcdf");
	hash_safe_encode("0123456789", safe, 4);
	EXPECT_INT(strlen(safe), 3);
	hash_safe_encode("", safe, sizeof(safe));
	EXPECT_TEXT(safe, "");
}

SPEC("hash: base64 goes both ways for every length")
{
	static const char *const pairs[][2] = {{"", ""},
					       {"f", "Zg=="},
					       {"fo", "Zm8="},
					       {"foo", "Zm9v"},
					       {"foob", "Zm9vYg=="},
					       {"fooba", "Zm9vYmE="},
					       {"foobar", "Zm9vYmFy"}};
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		SCOPED(buf) struct buf there, back;
		buf_init(&there, 100);
		EXPECT(base64_encode(&there, pairs[i][0], strlen(pairs[i][0])));
		EXPECT_TEXT(there.text, pairs[i][1]);
		buf_init(&back, 100);
		EXPECT(base64_decode(&back, there.text, there.len));
		EXPECT_TEXT(back.text, pairs[i][0]);
		buf_fini(&there);
		buf_fini(&back);
	}
}

SPEC("hash: base64 that is cut, padded wrongly or of other letters is refused")
{
	static const char *const wrong[] = {"Z",    "Zg",   "Zg=",	"Zg===",
					    "=",    "====", "Zg==Zg==", "Zm9v!",
					    "Zm-_", "Z=g=", "Zm9vY=Fy", "Zm9v Zm9v"};
	SCOPED(buf) struct buf into;
	buf_init(&into, 100);
	buf_puts(&into, "kept");
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		if (base64_decode(&into, wrong[i], strlen(wrong[i])))
			spec_fail(__FILE__, __LINE__, "\"%s\" was taken", wrong[i]);
		EXPECT_TEXT(into.text, "kept");
	}
	EXPECT(!base64_decode(&into, "Zm9\0", 4));
	EXPECT(base64_decode(&into, "Zm9v\r\nYmFy\n", 11));
	EXPECT_TEXT(into.text, "keptfoobar");
	SCOPED(buf) struct buf small;
	buf_init(&small, 2);
	EXPECT(!base64_decode(&small, "Zm9v", 4));
	EXPECT(!base64_encode(&small, "foo", 3));
}
