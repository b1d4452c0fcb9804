/*
 * bind_math.c - `math`: the same digits on every machine.
 *
 * The C library's exp, log, pow and their like differ in the last digit from processor to processor
 * (FMA or not); MPFR rounds correctly, so there is one right answer. What C and IEEE 754 define
 * exactly (sqrt, fmod, floor) stays as it is.
 */
#include <lauxlib.h>
#include <lualib.h>
#include <math.h>
#include <mpfr.h>
#include <string.h>

#include "script/bind.h"
#include "script/meter.h"

enum {
	DOUBLE_BITS = 53,
	/* Of a double, as MPFR counts exponents: 0.5 <= m < 1. */
	EXPONENT_LEAST = -1073,
	EXPONENT_MOST = 1024,
	ROUNDING_WORK = 3000, /* 2 to 30 us: `make bench-policies` */
};

typedef int function_of_one(mpfr_t, const mpfr_t, mpfr_rnd_t);
typedef int function_of_two(mpfr_t, const mpfr_t, const mpfr_t, mpfr_rnd_t);

static double rounded(function_of_one *one, function_of_two *two, double x, double y)
{
	mpfr_t a, b, result;
	mpfr_set_emin(EXPONENT_LEAST);
	mpfr_set_emax(EXPONENT_MOST);
	mpfr_inits2(DOUBLE_BITS, a, b, result, (mpfr_ptr)NULL);
	mpfr_set_d(a, x, MPFR_RNDN);
	mpfr_set_d(b, y, MPFR_RNDN);
	int above = one != NULL ? one(result, a, MPFR_RNDN) : two(result, a, b, MPFR_RNDN);
	(void)mpfr_subnormalize(result, above, MPFR_RNDN);
	double number = mpfr_get_d(result, MPFR_RNDN);
	mpfr_clears(a, b, result, (mpfr_ptr)NULL);
	return isnan(number) ? NAN : number;
}

static int of_one(lua_State *L, function_of_one *function)
{
	double x = luaL_checknumber(L, 1);
	charge_work(L, ROUNDING_WORK);
	lua_pushnumber(L, rounded(function, NULL, x, 0));
	return 1;
}

static int of_two(lua_State *L, function_of_two *function, double y)
{
	double x = luaL_checknumber(L, 1);
	charge_work(L, ROUNDING_WORK);
	lua_pushnumber(L, rounded(NULL, function, x, y));
	return 1;
}

static int math_exp(lua_State *L)
{
	return of_one(L, mpfr_exp);
}

static int math_sin(lua_State *L)
{
	return of_one(L, mpfr_sin);
}

static int math_cos(lua_State *L)
{
	return of_one(L, mpfr_cos);
}

static int math_tan(lua_State *L)
{
	return of_one(L, mpfr_tan);
}

static int math_asin(lua_State *L)
{
	return of_one(L, mpfr_asin);
}

static int math_acos(lua_State *L)
{
	return of_one(L, mpfr_acos);
}

/* atan(y [, x]) as Lua has it: the angle of (x, y). */
static int math_atan(lua_State *L)
{
	return of_two(L, mpfr_atan2, luaL_optnumber(L, 2, 1));
}

static int math_pow(lua_State *L)
{
	return of_two(L, mpfr_pow, luaL_checknumber(L, 2));
}

/* log(x [, base]): 2 and 10 exactly rounded, another base as a quotient of two logarithms. */
static int math_log(lua_State *L)
{
	if (lua_isnoneornil(L, 2))
		return of_one(L, mpfr_log);
	double base = luaL_checknumber(L, 2);
	if (base == 2)
		return of_one(L, mpfr_log2);
	if (base == 10)
		return of_one(L, mpfr_log10);
	double x = luaL_checknumber(L, 1);
	charge_work(L, 2 * ROUNDING_WORK);
	double quotient = rounded(mpfr_log, NULL, x, 0) / rounded(mpfr_log, NULL, base, 0);
	lua_pushnumber(L, isnan(quotient) ? NAN : quotient);
	return 1;
}

int bind_math(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"acos", math_acos}, {"asin", math_asin}, {"atan", math_atan}, {"cos", math_cos},
		{"exp", math_exp},   {"log", math_log},	  {"pow", math_pow},   {"sin", math_sin},
		{"tan", math_tan},   {NULL, NULL},
	};
	/* Exact, or of integers only. */
	static const char *const kept[] = {
		"abs",	      "ceil", "floor", "fmod", "huge",	    "max",  "maxinteger", "min",
		"mininteger", "modf", "pi",    "sqrt", "tointeger", "type", "ult",	  NULL};
	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	luaL_requiref(L, LUA_MATHLIBNAME, luaopen_math, 0);
	for (size_t i = 0; kept[i] != NULL; i++) {
		lua_getfield(L, -1, kept[i]);
		lua_setfield(L, -3, kept[i]);
	}
	lua_pop(L, 1);
	return 1;
}
