/*
 * bind_string.c - `string`, metered: what is linear in a text charges for its length, patterns for
 * each comparison (pattern.h).
 */
#include <ctype.h>
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "script/bind.h"
#include "script/meter.h"
#include "script/pattern.h"

enum { CALL_WORK = 10, BYTES_A_UNIT = 8, VALUES_MAX = 200 };

static const char *check_text(lua_State *L, int argument, size_t *len)
{
	const char *text = luaL_checklstring(L, argument, len);
	charge_work(L, CALL_WORK + *len / BYTES_A_UNIT);
	return text;
}

/* A position as Lua counts them, from 1 or back from the end, as one from 1. */
static size_t position(lua_Integer at, size_t len)
{
	if (at > 0)
		return (size_t)at;
	if (at == 0 || at < -(lua_Integer)len)
		return at == 0 ? 0 : 1;
	return len + (size_t)at + 1;
}

/* ---- whole texts ---- */

static int string_len(lua_State *L)
{
	size_t len;
	luaL_checklstring(L, 1, &len);
	lua_pushinteger(L, (lua_Integer)len);
	return 1;
}

static int string_sub(lua_State *L)
{
	size_t len;
	const char *text = check_text(L, 1, &len);
	size_t from = position(luaL_checkinteger(L, 2), len);
	lua_Integer stop = luaL_optinteger(L, 3, -1);
	size_t to = stop > (lua_Integer)len    ? len
		    : stop < -(lua_Integer)len ? 0
					       : position(stop, len);
	if (from == 0)
		from = 1;
	if (from > to)
		lua_pushliteral(L, "");
	else
		lua_pushlstring(L, text + from - 1, to - from + 1);
	return 1;
}

static int each_byte(lua_State *L, int change(int))
{
	size_t len;
	luaL_Buffer buffer;
	const char *text = check_text(L, 1, &len);
	char *into = luaL_buffinitsize(L, &buffer, len);
	for (size_t i = 0; i < len; i++)
		into[i] = (char)change((unsigned char)text[i]);
	luaL_pushresultsize(&buffer, len);
	return 1;
}

static int string_lower(lua_State *L)
{
	return each_byte(L, tolower);
}

static int string_upper(lua_State *L)
{
	return each_byte(L, toupper);
}

static int string_reverse(lua_State *L)
{
	size_t len;
	luaL_Buffer buffer;
	const char *text = check_text(L, 1, &len);
	char *into = luaL_buffinitsize(L, &buffer, len);
	for (size_t i = 0; i < len; i++)
		into[i] = text[len - 1 - i];
	luaL_pushresultsize(&buffer, len);
	return 1;
}

static int string_rep(lua_State *L)
{
	size_t len, between_len;
	const char *text = luaL_checklstring(L, 1, &len);
	lua_Integer count = luaL_checkinteger(L, 2);
	const char *between = luaL_optlstring(L, 3, "", &between_len);
	if (count <= 0 || len + between_len == 0) {
		lua_pushliteral(L, "");
		return 1;
	}
	if ((lua_Unsigned)count > METER_TEXT_MAX / (len + between_len))
		return luaL_error(L, "string.rep: too long");
	size_t whole = (size_t)count * (len + between_len) - between_len;
	charge_work(L, CALL_WORK + whole / BYTES_A_UNIT + (size_t)count);
	luaL_Buffer buffer;
	char *into = luaL_buffinitsize(L, &buffer, whole);
	for (lua_Integer i = 0; i < count; i++) {
		memcpy(into, text, len);
		into += len;
		if (i + 1 == count)
			break;
		memcpy(into, between, between_len);
		into += between_len;
	}
	luaL_pushresultsize(&buffer, whole);
	return 1;
}

static int string_byte(lua_State *L)
{
	size_t len;
	const char *text = check_text(L, 1, &len);
	lua_Integer first = luaL_optinteger(L, 2, 1);
	size_t from = position(first, len);
	lua_Integer stop = luaL_optinteger(L, 3, (lua_Integer)from);
	size_t to = stop > (lua_Integer)len    ? len
		    : stop < -(lua_Integer)len ? 0
					       : position(stop, len);
	if (from == 0)
		from = 1;
	if (from > to)
		return 0;
	if (to - from >= VALUES_MAX)
		return luaL_error(L, "string.byte: too many values");
	luaL_checkstack(L, VALUES_MAX, "too many values");
	for (size_t i = from; i <= to; i++)
		lua_pushinteger(L, (unsigned char)text[i - 1]);
	return (int)(to - from + 1);
}

static int string_char(lua_State *L)
{
	int count = lua_gettop(L);
	luaL_Buffer buffer;
	charge_work(L, CALL_WORK + (size_t)count);
	char *into = luaL_buffinitsize(L, &buffer, (size_t)count);
	for (int i = 1; i <= count; i++) {
		lua_Integer byte = luaL_checkinteger(L, i);
		luaL_argcheck(L, byte >= 0 && byte <= 255, i, "value out of range");
		into[i - 1] = (char)byte;
	}
	luaL_pushresultsize(&buffer, (size_t)count);
	return 1;
}

/* ---- patterns ---- */

static int push_found(lua_State *L, struct pattern *pattern, const char *start, const char *end,
		      bool find)
{
	if (!find)
		return pattern_push_all(pattern, start, end, true);
	lua_pushinteger(L, start - pattern->text + 1);
	lua_pushinteger(L, end - pattern->text);
	return 2 + pattern_push_all(pattern, start, end, false);
}

static int find_plain(lua_State *L, const char *text, size_t len, size_t from, const char *what,
		      size_t what_len)
{
	const char *found = memmem(text + from, len - from, what, what_len);
	if (found == NULL) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushinteger(L, found - text + 1);
	lua_pushinteger(L, found - text + (ptrdiff_t)what_len);
	return 2;
}

static bool is_plain(const char *source, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (source[i] != '\0' && strchr("^$*+?.([%-", source[i]) != NULL)
			return false;
	return true;
}

static int search(lua_State *L, bool find)
{
	size_t len, source_len;
	const char *text = check_text(L, 1, &len);
	const char *source = check_text(L, 2, &source_len);
	lua_Integer first = luaL_optinteger(L, 3, 1);
	size_t from = position(first, len);
	from = from == 0 ? 0 : from - 1;
	if (from > len) {
		lua_pushnil(L);
		return 1;
	}
	if (find && (lua_toboolean(L, 4) || is_plain(source, source_len)))
		return find_plain(L, text, len, from, source, source_len);
	bool anchored = source_len > 0 && source[0] == '^';
	struct pattern pattern;
	pattern_init(&pattern, L, text, len, source, source_len);
	for (const char *at = text + from; at <= text + len; at++) {
		pattern.count = 0;
		pattern.depth = 0;
		const char *end = pattern_match(&pattern, at, source + anchored);
		if (end != NULL)
			return push_found(L, &pattern, at, end, find);
		if (anchored)
			break;
	}
	lua_pushnil(L);
	return 1;
}

static int string_find(lua_State *L)
{
	return search(L, true);
}

static int string_match(lua_State *L)
{
	return search(L, false);
}

/* Upvalues: text, pattern, where to go on, where the last match ended (0: nowhere). */
static int next_match(lua_State *L)
{
	size_t len, source_len;
	const char *text = lua_tolstring(L, lua_upvalueindex(1), &len);
	const char *source = lua_tolstring(L, lua_upvalueindex(2), &source_len);
	size_t from = (size_t)lua_tointeger(L, lua_upvalueindex(3));
	lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
	struct pattern pattern;
	charge_work(L, CALL_WORK);
	pattern_init(&pattern, L, text, len, source, source_len);
	for (; from <= len; from++) {
		pattern.count = 0;
		pattern.depth = 0;
		const char *end = pattern_match(&pattern, text + from, source);
		if (end == NULL || end - text + 1 == last)
			continue;
		lua_pushinteger(L, end - text);
		lua_replace(L, lua_upvalueindex(3));
		lua_pushinteger(L, end - text + 1);
		lua_replace(L, lua_upvalueindex(4));
		return pattern_push_all(&pattern, text + from, end, true);
	}
	return 0;
}

static int string_gmatch(lua_State *L)
{
	size_t len, source_len;
	check_text(L, 1, &len);
	check_text(L, 2, &source_len);
	size_t from = position(luaL_optinteger(L, 3, 1), len);
	lua_settop(L, 2);
	lua_pushinteger(L, from == 0 ? 0 : (lua_Integer)from - 1);
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, next_match, 4);
	return 1;
}

/* Adds what a match is replaced by when this is a text: %0 to %9, %%. */
static void add_text(lua_State *L, luaL_Buffer *buffer, struct pattern *pattern, const char *start,
		     const char *end)
{
	size_t len;
	const char *with = lua_tolstring(L, 3, &len);
	charge_work(L, len / BYTES_A_UNIT);
	for (size_t i = 0; i < len; i++) {
		if (with[i] != '%') {
			luaL_addchar(buffer, with[i]);
			continue;
		}
		char next = ++i < len ? with[i] : '\0';
		if (next == '%') {
			luaL_addchar(buffer, '%');
		} else if (next == '0') {
			luaL_addlstring(buffer, start, (size_t)(end - start));
		} else if (isdigit((unsigned char)next)) {
			pattern_push(pattern, next - '1', start, end);
			luaL_tolstring(L, -1, NULL);
			lua_remove(L, -2);
			luaL_addvalue(buffer);
		} else {
			luaL_error(L, "invalid use of '%%' in replacement string");
		}
	}
}

/* Adds what a match becomes; whether it changed. */
static bool add_replacement(lua_State *L, luaL_Buffer *buffer, struct pattern *pattern,
			    const char *start, const char *end)
{
	switch (lua_type(L, 3)) {
	case LUA_TFUNCTION: {
		lua_pushvalue(L, 3);
		int count = pattern_push_all(pattern, start, end, true);
		lua_call(L, count, 1);
		break;
	}
	case LUA_TTABLE:
		pattern_push(pattern, 0, start, end);
		lua_gettable(L, 3);
		break;
	default:
		add_text(L, buffer, pattern, start, end);
		return true;
	}
	if (!lua_toboolean(L, -1)) {
		lua_pop(L, 1);
		luaL_addlstring(buffer, start, (size_t)(end - start));
		return false;
	}
	if (!lua_isstring(L, -1))
		luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
	luaL_addvalue(buffer);
	return true;
}

static int string_gsub(lua_State *L)
{
	size_t len, source_len;
	const char *text = check_text(L, 1, &len);
	const char *source = check_text(L, 2, &source_len);
	int kind = lua_type(L, 3);
	luaL_argexpected(L,
			 kind == LUA_TSTRING || kind == LUA_TNUMBER || kind == LUA_TFUNCTION ||
				 kind == LUA_TTABLE,
			 3, "string/function/table");
	lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)len + 1), count = 0;
	bool anchored = source_len > 0 && source[0] == '^';
	const char *at = text, *last = NULL;
	lua_settop(L, 3);
	if (kind == LUA_TNUMBER)
		lua_tostring(L, 3);
	luaL_Buffer buffer;
	struct pattern pattern;
	luaL_buffinit(L, &buffer);
	pattern_init(&pattern, L, text, len, source, source_len);
	while (count < most) {
		pattern.count = 0;
		pattern.depth = 0;
		const char *end = pattern_match(&pattern, at, source + anchored);
		if (end != NULL && end != last) {
			count++;
			add_replacement(L, &buffer, &pattern, at, end);
			at = last = end;
		} else if (at < text + len) {
			luaL_addchar(&buffer, *at++);
		} else {
			break;
		}
		if (anchored)
			break;
	}
	luaL_addlstring(&buffer, at, (size_t)(text + len - at));
	luaL_pushresult(&buffer);
	lua_pushinteger(L, count);
	return 2;
}

/* ---- format ---- */

enum { SPEC_MAX = 16, ITEM_MAX = 512 }; /* %.99f of the largest number has 409 characters */

/* Copies "%-08.3" of a specification, checked; what is left of the format is its letter. */
static const char *read_spec(lua_State *L, const char *from, char spec[SPEC_MAX])
{
	size_t flags = strspn(from, "-+ #0");
	const char *p = from + flags;
	for (int digits = 0; isdigit((unsigned char)*p); p++)
		if (++digits > 2)
			luaL_error(L, "string.format: too wide");
	if (*p == '.') {
		p++;
		for (int digits = 0; isdigit((unsigned char)*p); p++)
			if (++digits > 2)
				luaL_error(L, "string.format: too wide");
	}
	if (flags > 5 || (size_t)(p - from) > SPEC_MAX - 5)
		luaL_error(L, "string.format: too many flags");
	spec[0] = '%';
	memcpy(spec + 1, from, (size_t)(p - from));
	spec[1 + (p - from)] = '\0';
	return p;
}

static void format_text(lua_State *L, luaL_Buffer *buffer, const char *spec, int argument)
{
	size_t len;
	lua_pushcfunction(L, bind_tostring);
	lua_pushvalue(L, argument);
	lua_call(L, 1, 1);
	const char *text = lua_tolstring(L, -1, &len);
	charge_work(L, len / BYTES_A_UNIT);
	if (spec[1] == '\0') {
		luaL_addvalue(buffer);
		return;
	}
	/* The widest is 99, and so is the longest that a precision cuts off. */
	char item[ITEM_MAX], whole[SPEC_MAX + 2];
	luaL_argcheck(L, strlen(text) == len, argument, "string contains zeros");
	snprintf(whole, sizeof(whole), "%ss", spec);
	bool fits = strchr(spec, '.') != NULL || len < 100;
	if (fits) {
		int size = snprintf(item, sizeof(item), whole, text);
		lua_pop(L, 1);
		luaL_addlstring(buffer, item, (size_t)size);
	} else {
		luaL_addvalue(buffer);
	}
}

static void format_number(lua_State *L, luaL_Buffer *buffer, const char *spec, char letter,
			  int argument)
{
	char item[ITEM_MAX], whole[SPEC_MAX + 4];
	int size;
	if (strchr("dicxXo", letter) != NULL) {
		const char *length = letter == 'c' ? "" : "ll";
		snprintf(whole, sizeof(whole), "%s%s%c", spec, length, letter);
		lua_Integer number = luaL_checkinteger(L, argument);
		if (letter == 'c')
			size = snprintf(item, sizeof(item), whole, (int)number);
		else
			size = snprintf(item, sizeof(item), whole, (long long)number);
	} else {
		double number = luaL_checknumber(L, argument);
		if (isnan(number))
			number = NAN; /* without a sign */
		snprintf(whole, sizeof(whole), "%s%c", spec, letter);
		size = snprintf(item, sizeof(item), whole, number);
	}
	luaL_addlstring(buffer, item, (size_t)size);
}

static int string_format(lua_State *L)
{
	size_t len;
	const char *p = check_text(L, 1, &len), *end = p + len;
	int argument = 1, count = lua_gettop(L);
	luaL_Buffer buffer;
	luaL_buffinit(L, &buffer);
	while (p < end) {
		if (*p != '%') {
			luaL_addchar(&buffer, *p++);
			continue;
		}
		if (*++p == '%') {
			luaL_addchar(&buffer, *p++);
			continue;
		}
		char spec[SPEC_MAX];
		p = read_spec(L, p, spec);
		char letter = *p++;
		if (++argument > count)
			return luaL_argerror(L, argument, "no value");
		charge_work(L, 50);
		if (letter == 's')
			format_text(L, &buffer, spec, argument);
		else if (letter != '\0' && strchr("dicxXoaAeEfFgG", letter) != NULL)
			format_number(L, &buffer, spec, letter, argument);
		else
			return luaL_error(L, "invalid conversion '%s%c' to 'format'", spec,
					  letter == '\0' ? ' ' : letter);
	}
	luaL_pushresult(&buffer);
	return 1;
}

int bind_string(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"byte", string_byte},	     {"char", string_char},
		{"find", string_find},	     {"format", string_format},
		{"gmatch", string_gmatch},   {"gsub", string_gsub},
		{"len", string_len},	     {"lower", string_lower},
		{"match", string_match},     {"rep", string_rep},
		{"reverse", string_reverse}, {"sub", string_sub},
		{"upper", string_upper},     {NULL, NULL},
	};
	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	return 1;
}
