#include "spec.h"

#include <limits.h>
#include <malloc.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"

static cJSON *parse(const char *text)
{
	struct error err = {0};
	cJSON *json = json_parse(text, strlen(text), &err);
	if (json == NULL)
		spec_fail(__FILE__, __LINE__, "%s: %s", text, err.text);
	return json;
}

static void expect_refused(const char *text, size_t len, const char *why)
{
	struct error err = {0};
	cJSON *json = json_parse(text, len, &err);
	EXPECT(json == NULL);
	EXPECT_INT(err.kind, ERROR_INVALID);
	EXPECT_CONTAINS(err.text, why);
}

static void expect_text(const cJSON *json, const char *wanted)
{
	char *text = json_text(json);
	EXPECT_TEXT(text, wanted);
	free(text);
}

/* Reads, writes, compares. */
static void expect_written(const char *text, const char *wanted)
{
	cJSON *json = parse(text);
	expect_text(json, wanted);
	cJSON_Delete(json);
}

static void expect_patched(const char *document, const char *patch, const char *wanted)
{
	struct error err = {0};
	cJSON *json = parse(document), *operations = parse(patch);
	if (!json_patch(&json, operations, &err))
		spec_fail(__FILE__, __LINE__, "%s: %s", patch, err.text);
	expect_text(json, wanted);
	cJSON_Delete(json);
	cJSON_Delete(operations);
}

static void expect_unpatched(const char *document, const char *patch, enum error_kind kind,
			     const char *why)
{
	struct error err = {0};
	cJSON *json = parse(document), *operations = parse(patch);
	EXPECT(!json_patch(&json, operations, &err));
	EXPECT_INT(err.kind, kind);
	EXPECT_CONTAINS(err.text, why);
	expect_text(json, document);
	cJSON_Delete(json);
	cJSON_Delete(operations);
}

static void expect_merged(const char *target, const char *patch, const char *wanted)
{
	cJSON *json = parse(target), *change = parse(patch);
	json_merge_patch(&json, change);
	expect_text(json, wanted);
	cJSON_Delete(json);
	cJSON_Delete(change);
}

SPEC("json: what was read is written as it was, without the space")
{
	expect_written(" { \"a\" : [ 1 , -2.5e3 , true , false , null , \"x\" ] , \"b\" : { } } ",
		       "{\"a\":[1,-2500,true,false,null,\"x\"],\"b\":{}}");
	expect_written("[]", "[]");
	expect_written("\"\\u00e9\\ud83d\\ude00\\/\\n\\u001f\"", "\"é😀/\\n\\u001f\"");
}

SPEC("json: a wrong text is refused with the offset and the reason")
{
	static const struct {
		const char *text, *why;
	} wrong[] = {
		{"", "offset 0: expected a value, found the end"},
		{"{\"a\":1}x", "offset 7: expected the end"},
		{"[1,]", "offset 3: expected a value"},
		{"{\"a\":1,}", "offset 7: expected a string as key"},
		{"{a:1}", "offset 1: expected a string as key"},
		{"{\"a\" 1}", "offset 5: expected ':'"},
		{"[1 2]", "offset 3: expected ',' or ']'"},
		{"[01]", "offset 2: a number must not begin with 0"},
		{"[1.]", "offset 3: expected a digit"},
		{"[+1]", "offset 1: expected a value"},
		{"[1e999]", "offset 1: the number is too large"},
		{"[nul]", "offset 1: expected a value"},
		{"\"abc", "offset 0: the string does not end"},
		{"\"a\tb\"", "offset 2: a control character"},
		{"\"\\x\"", "offset 2: unknown escape"},
		{"\"\\u12g4\"", "expected four hexadecimal digits"},
		{"\"\\ud83d\"", "half of a surrogate pair"},
		{"\"\\udc00\\ud83d\"", "half of a surrogate pair"},
		{"\"\\u0000\"", "must not contain \\u0000"},
		{"\"\xff\"", "offset 1: a string must be UTF-8"},
		{"\"\xc0\xaf\"", "offset 1: a string must be UTF-8"},
		{"{\"a\":[1,{\"b\":tru}]}", "offset 13: expected a value"},
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		expect_refused(wrong[i].text, strlen(wrong[i].text), wrong[i].why);
	expect_refused("[1]\0", 4, "offset 3: expected the end");
	expect_refused("[12", 2, "offset 2: expected ',' or ']'");
}

SPEC("json: nesting has a limit")
{
	char text[2 * JSON_DEPTH_MAX + 3];
	memset(text, '[', sizeof(text));
	expect_refused(text, JSON_DEPTH_MAX + 1, "nested too deeply");
	memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	struct error err;
	cJSON *json = json_parse(text, 2 * JSON_DEPTH_MAX, &err);
	EXPECT(json != NULL);
	cJSON_Delete(json);
}

SPEC("json: numbers are written in their shortest form that reads back")
{
	static const struct {
		double number;
		const char *text;
	} numbers[] = {
		{0, "0"},
		{99, "99"},
		{-0.0, "-0"},
		{0.1, "0.1"},
		{0.1 + 0.2, "0.30000000000000004"},
		{97.25, "97.25"},
		{-1.5, "-1.5"},
		{1e20, "100000000000000000000"},
		{1e21, "1e+21"},
		{123456789012345680, "123456789012345680"},
		{9007199254740992, "9007199254740992"},
		{1e-6, "0.000001"},
		{1e-7, "1e-7"},
		{1.25e-9, "1.25e-9"},
		{5e-324, "5e-324"},
		{1.7976931348623157e308, "1.7976931348623157e+308"},
		{1.0 / 3, "0.3333333333333333"},
		{INFINITY, "+Inf"},
		{-INFINITY, "-Inf"},
		{NAN, "NaN"},
	};
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		char text[32];
		json_number_text(numbers[i].number, text);
		EXPECT_TEXT(text, numbers[i].text);
	}
	cJSON *json = cJSON_CreateNumber(NAN);
	expect_text(json, "null");
	cJSON_Delete(json);
}

/* How many digits it takes, tried one after the other. */
static int fewest_digits(double number)
{
	char text[40];
	int precision = 0;
	do
		snprintf(text, sizeof(text), "%.*e", precision++, number);
	while (strtod(text, NULL) != number);
	return precision;
}

/* In a text without an exponent: from the first to the last that is not 0. */
static int digits_in(const char *text)
{
	int count = 0, zeros = 0;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9' || (*text == '0' && count == 0))
			continue;
		zeros = *text == '0' ? zeros + 1 : 0;
		count++;
	}
	return count - zeros;
}

SPEC("json: numbers with few places have the fewest digits")
{
	static const double scales[] = {10, 100, 1e3, 1e4, 1e5, 1e6, 1e7};
	uint64_t bits = 88172645463325252;
	for (size_t i = 0; i < 20000; i++) {
		bits ^= bits << 13;
		bits ^= bits >> 7;
		bits ^= bits << 17;
		/* From 1 to 50 bits of it, so that there are small ones and large ones. */
		double number = (double)((int64_t)bits >> (14 + i % 49)) / scales[i % 7];
		char text[32];
		if (number == 0 || fabs(number) < 1e-6)
			continue;
		json_number_text(number, text);
		if (strtod(text, NULL) != number || digits_in(text) != fewest_digits(number))
			spec_fail(__FILE__, __LINE__, "%.17g became %s", number, text);
	}
}

SPEC("json: any double survives the way through text")
{
	uint64_t bits = 88172645463325252;
	for (int i = 0; i < 20000; i++) {
		bits ^= bits << 13;
		bits ^= bits >> 7;
		bits ^= bits << 17;
		double number;
		memcpy(&number, &bits, sizeof(number));
		if (isnan(number) || isinf(number))
			continue;
		if (i % 2 == 0) /* many with few digits, which take the quick way */
			number = (double)(int64_t)(bits >> 44) / 1000;
		char text[32];
		json_number_text(number, text);
		cJSON *json = parse(text);
		if (json->valuedouble != number || signbit(json->valuedouble) != signbit(number))
			spec_fail(__FILE__, __LINE__, "%a became %s", number, text);
		cJSON_Delete(json);
	}
}

SPEC("json: a text takes no more memory than its length asks for")
{
	SCOPED(json) cJSON *json = cJSON_CreateArray();
	for (int i = 0; i < 300; i++)
		cJSON_AddItemToArray(json, cJSON_CreateString("podinfo"));
	SCOPED(text) char *text = json_text(json);
	EXPECT_INT(strlen(text), 300 * 10 + 1);
	EXPECT(malloc_usable_size(text) < strlen(text) + 64);
}

SPEC("json: canonical text is the same for equal values")
{
	cJSON *one = parse("{\"b\":{\"z\":1.0,\"a\":[{\"y\":1,\"x\":2}]},\"B\":0,\"é\":1}");
	cJSON *other = parse("{\"é\":1,\"B\":0e5,\"b\":{\"a\":[{\"x\":2,\"y\":1}],\"z\":1}}");
	char *first = json_canonical(one), *second = json_canonical(other);
	EXPECT_TEXT(first, "{\"B\":0,\"b\":{\"a\":[{\"x\":2,\"y\":1}],\"z\":1},\"é\":1}");
	EXPECT_TEXT(second, first);
	free(first);
	free(second);
	cJSON_Delete(one);
	cJSON_Delete(other);
}

SPEC("json: what is not UTF-8 is never written")
{
	cJSON *json = cJSON_CreateString("a\xff\xc3(\xe2\x82\xac\"");
	expect_text(json, "\"a\xEF\xBF\xBD\xEF\xBF\xBD(€\\\"\"");
	cJSON_Delete(json);
}

SPEC("json: writing stops at the cap of the buffer")
{
	cJSON *json = parse("[\"long enough\"]");
	SCOPED(buf) struct buf buf;
	buf_init(&buf, 8);
	EXPECT(!json_write(&buf, json));
	EXPECT(buf.len <= 8);
	cJSON_Delete(json);
}

SPEC("json: paths name members, elements and keys with dots")
{
	cJSON *json = parse("{\"spec\":{\"metrics\":[{\"name\":\"a\"},{\"name\":\"b\",\"n\":2.9}]},"
			    "\"metadata\":{\"annotations\":{\"sluice.dev/policy\":\"p\"}},"
			    "\"q\\\"\":true,\"far\":1e300}");
	EXPECT_TEXT(json_string(json, "spec.metrics[1].name"), "b");
	EXPECT_INT(json_int(json, "spec.metrics[1].n", -1), 2);
	EXPECT_TEXT(json_string(json, "metadata.annotations[\"sluice.dev/policy\"]"), "p");
	EXPECT(json_bool(json, "[\"q\\\"\"]", false));
	EXPECT(json_at(json, "") == json);
	EXPECT(json_at(json, "spec.metrics[2]") == NULL);
	EXPECT(json_at(json, "spec.metrics.name") == NULL);
	EXPECT(json_at(json, "spec[0]") == NULL);
	EXPECT(json_at(json, "spec.") == NULL);
	EXPECT(json_at(json, "spec.metrics[x]") == NULL);
	EXPECT(json_at(json, "spec.metrics[\"") == NULL);
	EXPECT(json_at(NULL, "spec") == NULL);
	EXPECT_TEXT(json_string(json_atf(json, "spec.metrics[%d]", 0), "name"), "a");
	EXPECT_TEXT(json_string_or(json, "spec.metrics", "none"), "none");
	EXPECT_INT(json_int(json, "far", 0), LONG_MAX);
	EXPECT_INT(json_int(json, "spec", 7), 7);
	EXPECT(json_number(json, "nothing", 0.5) == 0.5);
	cJSON_Delete(json);
}

SPEC("json: a put creates what is on its way, and replaces in place")
{
	cJSON *json = parse("{\"a\":1,\"b\":2}");
	json_put_number(json, "a", 5);
	json_put_string(json, "metadata.labels[\"app.kubernetes.io/name\"]", "x");
	json_put_bool(json, "list[0].on", true);
	json_put_number(json, "list[1]", 3);
	json_put_number(json, "list[0]", 4);
	json_put_string(json, "b", NULL);
	expect_text(json, "{\"a\":5,\"metadata\":{\"labels\":{\"app.kubernetes.io/name\":\"x\"}},"
			  "\"list\":[4,3]}");
	json_put_number(json, "a.deeper", 1);
	json_remove(json, "metadata.labels[\"app.kubernetes.io/name\"]");
	json_remove(json, "list[0]");
	json_remove(json, "no.such.thing");
	expect_text(json, "{\"a\":{\"deeper\":1},\"metadata\":{\"labels\":{}},\"list\":[3]}");
	cJSON_Delete(json);
}

SPEC("json: equality does not mind the order of keys, and minds all else")
{
	static const struct {
		const char *a, *b;
		bool equal;
	} pairs[] = {
		{"{\"a\":1,\"b\":[1,2]}", "{\"b\":[1,2],\"a\":1.0}", true},
		{"[1,2]", "[2,1]", false},
		{"{\"a\":1}", "{\"a\":1,\"b\":null}", false},
		{"{\"a\":1,\"b\":2}", "{\"a\":1,\"c\":2}", false},
		{"\"1\"", "1", false},
		{"true", "false", false},
		{"null", "null", true},
	};
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		cJSON *a = parse(pairs[i].a), *b = parse(pairs[i].b);
		EXPECT(json_equal(a, b) == pairs[i].equal);
		EXPECT(json_equal(b, a) == pairs[i].equal);
		cJSON_Delete(a);
		cJSON_Delete(b);
	}
}

SPEC("json: a live object covers what is wanted when it says all of it")
{
	static const struct {
		const char *live, *wanted;
		bool covers;
	} pairs[] = {
		{"{\"a\":1,\"b\":{\"c\":2,\"d\":3}}", "{\"b\":{\"d\":3}}", true},
		{"{\"a\":1}", "{\"a\":2}", false},
		{"{\"a\":1}", "{\"b\":1}", false},
		{"{\"l\":[{\"x\":1,\"y\":2}]}", "{\"l\":[{\"y\":2}]}", true},
		{"{\"l\":[1,2]}", "{\"l\":[1]}", false},
		{"{\"a\":1}", "{\"b\":null}", true},
		{"{\"a\":1}", "{\"a\":null}", false},
		{"{\"a\":{}}", "{\"a\":[]}", false},
	};
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		cJSON *live = parse(pairs[i].live), *wanted = parse(pairs[i].wanted);
		EXPECT(json_covers(live, wanted) == pairs[i].covers);
		cJSON_Delete(live);
		cJSON_Delete(wanted);
	}
}

SPEC("json: merge patches do what RFC 7396 shows")
{
	static const char *cases[][3] = {
		{"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
		{"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
		{"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
		{"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
		{"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
		{"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
		{"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}",
		 "{\"a\":{\"b\":\"d\"}}"},
		{"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
		{"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
		{"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
		{"{\"a\":\"foo\"}", "null", "null"},
		{"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
		{"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
		{"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_merged(cases[i][0], cases[i][1], cases[i][2]);
}

SPEC("json: a patch adds, removes, replaces, moves, copies and tests")
{
	expect_patched("{\"foo\":\"bar\"}",
		       "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\"}]",
		       "{\"foo\":\"bar\",\"baz\":\"qux\"}");
	expect_patched("{\"foo\":[1,3]}",
		       "[{\"op\":\"add\",\"path\":\"/foo/1\",\"value\":2},"
		       "{\"op\":\"add\",\"path\":\"/foo/0\",\"value\":0},"
		       "{\"op\":\"add\",\"path\":\"/foo/-\",\"value\":4}]",
		       "{\"foo\":[0,1,2,3,4]}");
	expect_patched("{\"a\":1,\"b\":[1,2]}",
		       "[{\"op\":\"remove\",\"path\":\"/a\"},"
		       "{\"op\":\"remove\",\"path\":\"/b/0\"}]",
		       "{\"b\":[2]}");
	expect_patched("{\"a\":1,\"b\":[1,2]}",
		       "[{\"op\":\"replace\",\"path\":\"/b/1\",\"value\":{}},"
		       "{\"op\":\"replace\",\"path\":\"/a\",\"value\":null}]",
		       "{\"a\":null,\"b\":[1,{}]}");
	expect_patched("{\"a\":{\"b\":1},\"c\":{}}",
		       "[{\"op\":\"move\",\"from\":\"/a/b\",\"path\":\"/c/d\"},"
		       "{\"op\":\"copy\",\"from\":\"/c\",\"path\":\"/a/c\"}]",
		       "{\"a\":{\"c\":{\"d\":1}},\"c\":{\"d\":1}}");
	expect_patched("{\"l\":[1,2,3]}", "[{\"op\":\"move\",\"from\":\"/l/0\",\"path\":\"/l/2\"}]",
		       "{\"l\":[2,3,1]}");
	expect_patched("{\"a/b\":1,\"m~n\":2}",
		       "[{\"op\":\"test\",\"path\":\"/a~1b\",\"value\":1},"
		       "{\"op\":\"test\",\"path\":\"/m~0n\",\"value\":2.0},"
		       "{\"op\":\"remove\",\"path\":\"/a~1b\"}]",
		       "{\"m~n\":2}");
	expect_patched("{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":[1]}]", "[1]");
	expect_patched("{\"\":1}", "[{\"op\":\"replace\",\"path\":\"/\",\"value\":2}]", "{\"\":2}");
}

SPEC("json: a patch that fails changes nothing and says which operation failed")
{
	expect_unpatched("{\"a\":1}",
			 "[{\"op\":\"remove\",\"path\":\"/a\"},"
			 "{\"op\":\"test\",\"path\":\"/a\",\"value\":1}]",
			 ERROR_CONFLICT, "operation 1: the test of /a failed");
	expect_unpatched("{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/x/y\",\"value\":1}]",
			 ERROR_CONFLICT, "the test of /x/y failed");
	expect_unpatched("{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"/b\"}]", ERROR_INVALID,
			 "nothing at /b");
	expect_unpatched("{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"\"}]", ERROR_INVALID,
			 "cannot be removed");
	expect_unpatched("{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/b/c\",\"value\":1}]",
			 ERROR_INVALID, "nothing around /b/c");
	expect_unpatched("{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/a/c\",\"value\":1}]",
			 ERROR_INVALID, "nothing around /a/c");
	expect_unpatched("{\"l\":[1]}", "[{\"op\":\"add\",\"path\":\"/l/2\",\"value\":1}]",
			 ERROR_INVALID, "no place in a list of 1");
	expect_unpatched("{\"l\":[1]}", "[{\"op\":\"add\",\"path\":\"/l/01\",\"value\":1}]",
			 ERROR_INVALID, "no place in a list");
	expect_unpatched("{\"l\":[1]}", "[{\"op\":\"remove\",\"path\":\"/l/-\"}]", ERROR_INVALID,
			 "nothing at /l/-");
	expect_unpatched("{\"a\":{}}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a/b\"}]",
			 ERROR_INVALID, "into itself");
	expect_unpatched("{\"a\":1}", "[{\"op\":\"add\",\"path\":\"a\",\"value\":1}]",
			 ERROR_INVALID, "must begin with /");
	expect_unpatched("{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/~2\",\"value\":1}]",
			 ERROR_INVALID, "lone ~");
	expect_unpatched("{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/b\"}]", ERROR_INVALID,
			 "add needs a value");
	expect_unpatched("{\"a\":1}", "[{\"op\":\"copy\",\"path\":\"/b\"}]", ERROR_INVALID,
			 "copy needs from");
	expect_unpatched("{\"a\":1}", "[{\"op\":\"jump\",\"path\":\"/b\"}]", ERROR_INVALID,
			 "unknown op");
	expect_unpatched("{\"a\":1}", "[7]", ERROR_INVALID, "op and path");
	expect_unpatched("{\"a\":1}", "{}", ERROR_INVALID, "must be a list");
}

/* The operations, over and over. */
static void expect_bounded(const char *text, const char *why)
{
	struct error err;
	cJSON *json = parse("{\"a\":[0]}"), *round = parse(text), *operations = cJSON_CreateArray();
	for (int i = 0; i < JSON_DEPTH_MAX; i++)
		for (const cJSON *op = round->child; op != NULL; op = op->next)
			cJSON_AddItemToArray(operations, cJSON_Duplicate(op, true));
	EXPECT(!json_patch(&json, operations, &err));
	EXPECT_CONTAINS(err.text, why);
	expect_text(json, "{\"a\":[0]}");
	cJSON_Delete(operations);
	cJSON_Delete(round);
	cJSON_Delete(json);
}

SPEC("json: a patch can neither copy without end nor nest without end")
{
	expect_bounded("[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/-\"}]", "copies too much");
	expect_bounded("[{\"op\":\"add\",\"path\":\"/b\",\"value\":{}},"
		       "{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/b/a\"},"
		       "{\"op\":\"move\",\"from\":\"/b\",\"path\":\"/a\"}]",
		       "nested too deeply");
}

SPEC("json: a file that is not there is named")
{
	struct error err;
	EXPECT(json_parse_file("/nonexistent/x.json", &err) == NULL);
	EXPECT_INT(err.kind, ERROR_NOT_FOUND);
	EXPECT_CONTAINS(err.text, "/nonexistent/x.json");
}

SPEC("json: a whole number beyond 2^53 is written as it was read, also where it is a double")
{
	static const char text[] = "[9221372036854775808,-9221372036854775808,9007199254740993]";
	SCOPED(json) cJSON *json = json_parse(text, sizeof(text) - 1, NULL);
	SCOPED(text) char *again = json_text(json);
	EXPECT_TEXT(again, text);
}

SPEC("json: a double is the same when it is read again, also where it is written as a whole number")
{
	static const char text[] = "[92233720368547758.7,1700000000000000000]";
	SCOPED(json) cJSON *json = json_parse(text, sizeof(text) - 1, NULL);
	SCOPED(text) char *written = json_text(json);
	EXPECT_TEXT(written, "[92233720368547760,1700000000000000000]");
	SCOPED(json) cJSON *again = json_parse(written, strlen(written), NULL);
	EXPECT(json_equal(json, again));
}
