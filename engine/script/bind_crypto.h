/*
 * bind_crypto.h - the Lua module `crypto`: what signed requests need.
 */
#ifndef SLUICE_SCRIPT_BIND_CRYPTO_H
#define SLUICE_SCRIPT_BIND_CRYPTO_H

#include <lua.h>

/* sha256(text), hmac_sha256(key, text): 32 bytes; hex(bytes), base64(bytes); rs256(pem, text): a
 * signature, or nil and why not. */
int bind_crypto(lua_State *L);

#endif
