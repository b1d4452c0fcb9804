#include "script/bind_crypto.h"

#include <lauxlib.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdbool.h>

#include "base/hash.h"

static int push_sha256(lua_State *L)
{
	size_t len;
	uint8_t digest[SHA256_SIZE];
	const char *text = luaL_checklstring(L, 1, &len);
	sha256(text, len, digest);
	lua_pushlstring(L, (const char *)digest, sizeof(digest));
	return 1;
}

static int push_hmac_sha256(lua_State *L)
{
	size_t key_len, len;
	uint8_t digest[SHA256_SIZE];
	const char *key = luaL_checklstring(L, 1, &key_len);
	const char *text = luaL_checklstring(L, 2, &len);
	hmac_sha256(key, key_len, text, len, digest);
	lua_pushlstring(L, (const char *)digest, sizeof(digest));
	return 1;
}

static int push_hex(lua_State *L)
{
	static const char digits[] = "0123456789abcdef";
	size_t len;
	const char *bytes = luaL_checklstring(L, 1, &len);
	luaL_Buffer buffer;
	char *hex = luaL_buffinitsize(L, &buffer, 2 * len);
	for (size_t i = 0; i < len; i++) {
		hex[2 * i] = digits[(unsigned char)bytes[i] >> 4];
		hex[2 * i + 1] = digits[(unsigned char)bytes[i] & 15];
	}
	luaL_pushresultsize(&buffer, 2 * len);
	return 1;
}

static int push_base64(lua_State *L)
{
	size_t len;
	const char *bytes = luaL_checklstring(L, 1, &len);
	luaL_Buffer buffer;
	base64_write(luaL_buffinitsize(L, &buffer, base64_size(len)), bytes, len);
	luaL_pushresultsize(&buffer, base64_size(len));
	return 1;
}

enum { SIGNATURE_MAX = 1024 }; /* of a key of 8192 bits */

/* No passwords are asked for at a terminal. */
static int no_password(char *into, int size, int writes, void *owner)
{
	if (size > 0)
		into[0] = '\0';
	(void)writes;
	(void)owner;
	return 0;
}

/* What is wrong, or NULL. Calls nothing of Lua: a raise would leave memory behind. */
static const char *sign(const char *pem, size_t pem_len, const char *text, size_t len,
			unsigned char signature[SIGNATURE_MAX], size_t *signature_len)
{
	const char *wrong = "the private key cannot be read";
	BIO *bio = BIO_new_mem_buf(pem, (int)pem_len);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	if (key != NULL && EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
		wrong = "the private key is none of RSA";
	} else if (key != NULL) {
		*signature_len = SIGNATURE_MAX;
		bool made = EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
			    EVP_DigestSign(context, signature, signature_len,
					   (const unsigned char *)text, len) == 1;
		wrong = made ? NULL : "signing failed";
	}
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	BIO_free(bio);
	return wrong;
}

static int push_rs256(lua_State *L)
{
	size_t pem_len, len, signature_len = 0;
	unsigned char signature[SIGNATURE_MAX];
	const char *pem = luaL_checklstring(L, 1, &pem_len);
	const char *text = luaL_checklstring(L, 2, &len);
	const char *wrong = sign(pem, pem_len, text, len, signature, &signature_len);
	if (wrong == NULL) {
		lua_pushlstring(L, (const char *)signature, signature_len);
		return 1;
	}
	lua_pushnil(L);
	lua_pushstring(L, wrong);
	return 2;
}

int bind_crypto(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"base64", push_base64}, {"hex", push_hex},	  {"hmac_sha256", push_hmac_sha256},
		{"rs256", push_rs256},	 {"sha256", push_sha256}, {NULL, NULL}};
	luaL_newlib(L, functions);
	return 1;
}
