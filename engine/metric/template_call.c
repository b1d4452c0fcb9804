/*
 * template_call.c - the functions that every template has, as text/template/funcs.go has them.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "metric/template_parts.h"

const char *value_type(const struct value *value)
{
	switch (value->kind) {
	case VALUE_MISSING:
	case VALUE_NIL:
		return "<nil>";
	case VALUE_BOOL:
		return "bool";
	case VALUE_INT:
		return "int";
	case VALUE_BYTE:
		return "uint8";
	case VALUE_FLOAT:
		return "float64";
	case VALUE_TEXT:
		return "string";
	case VALUE_MAP:
		return "map[string]string";
	}
	return "";
}

bool value_is_true(const struct value *value)
{
	switch (value->kind) {
	case VALUE_MISSING:
	case VALUE_NIL:
		return false;
	case VALUE_BOOL:
	case VALUE_INT:
	case VALUE_BYTE:
		return value->whole != 0;
	case VALUE_FLOAT:
		return value->real != 0;
	case VALUE_TEXT:
		return value->len > 0;
	case VALUE_MAP:
		return value->map->child != NULL;
	}
	return false;
}

static int by_key(const void *a, const void *b)
{
	const cJSON *const *left = a, *const *right = b;
	return strcmp((*left)->string, (*right)->string);
}

const cJSON **value_sorted(struct template_job *job, const cJSON *map, size_t *count)
{
	size_t all = (size_t)cJSON_GetArraySize(map);
	const cJSON **items = pool_take(job->pool, (all + 1) * sizeof(*items));
	*count = 0;
	if (items == NULL)
		return NULL;
	const cJSON *item;
	cJSON_ArrayForEach(item, map)
	{
		if (cJSON_IsString(item))
			items[(*count)++] = item;
	}
	qsort(items, *count, sizeof(*items), by_key);
	return items;
}

const struct function *function_find(const char *name)
{
	static const struct function functions[] = {
		{"and", 1, true, false},   {"or", 1, true, false},
		{"not", 1, false, false},  {"index", 1, true, false},
		{"slice", 1, true, false}, {"len", 1, false, false},
		{"call", 1, true, false},  {"eq", 1, true, false},
		{"ne", 2, false, false},   {"lt", 2, false, false},
		{"le", 2, false, false},   {"gt", 2, false, false},
		{"ge", 2, false, false},   {"html", 0, true, false},
		{"js", 0, true, false},	   {"urlquery", 0, true, false},
		{"print", 0, true, false}, {"println", 0, true, false},
		{"printf", 1, true, true},
	};
	for (size_t i = 0; i < ARRAY_LEN(functions); i++)
		if (strcmp(functions[i].name, name) == 0)
			return &functions[i];
	return NULL;
}

static bool refuse(struct error *why, const char *text)
{
	return error_set(why, ERROR_INVALID, "%s", text);
}

static struct value truth(bool yes)
{
	return (struct value){.kind = VALUE_BOOL, .whole = yes};
}

/* ---- parts of texts and maps ---- */

static bool read_index(const struct value *index, size_t cap, size_t *at, struct error *why)
{
	if (index->kind == VALUE_NIL)
		return refuse(why, "cannot index slice/array with nil");
	if (index->kind != VALUE_INT && index->kind != VALUE_BYTE)
		return error_set(why, ERROR_INVALID, "cannot index slice/array with type %s",
				 value_type(index));
	if (index->whole < 0 || (uint64_t)index->whole > cap)
		return error_set(why, ERROR_INVALID, "index out of range: %lld",
				 (long long)index->whole);
	*at = (size_t)index->whole;
	return true;
}

static bool index_map(const struct value *key, struct value *item, struct error *why)
{
	if (key->kind == VALUE_NIL)
		return refuse(why, "value is nil; should be of type string");
	if (key->kind != VALUE_TEXT)
		return error_set(why, ERROR_INVALID, "value has type %s; should be string",
				 value_type(key));
	const cJSON *found = cJSON_GetObjectItemCaseSensitive(item->map, key->text);
	const char *text = cJSON_IsString(found) ? found->valuestring : "";
	*item = (struct value){.kind = VALUE_TEXT, .text = text, .len = strlen(text)};
	return true;
}

static bool call_index(const struct value *args, size_t count, struct value *result,
		       struct error *why)
{
	struct value item = args[0];
	if (item.kind == VALUE_NIL)
		return refuse(why, "index of untyped nil");
	for (size_t i = 1; i < count; i++) {
		size_t at = 0;
		if (item.kind == VALUE_MAP) {
			if (!index_map(&args[i], &item, why))
				return false;
			continue;
		}
		if (item.kind != VALUE_TEXT)
			return error_set(why, ERROR_INVALID, "can't index item of type %s",
					 value_type(&item));
		if (!read_index(&args[i], item.len, &at, why))
			return false;
		if (at == item.len)
			return refuse(why, "reflect: string index out of range");
		item = (struct value){.kind = VALUE_BYTE, .whole = (unsigned char)item.text[at]};
	}
	*result = item;
	return true;
}

static bool call_slice(struct template_job *job, const struct value *args, size_t count,
		       struct value *result, struct error *why)
{
	const struct value *item = &args[0];
	size_t bounds[2] = {0, item->len};
	if (item->kind == VALUE_NIL)
		return refuse(why, "slice of untyped nil");
	if (count > 4)
		return error_set(why, ERROR_INVALID, "too many slice indexes: %zu", count - 1);
	if (item->kind != VALUE_TEXT)
		return error_set(why, ERROR_INVALID, "can't slice item of type %s",
				 value_type(item));
	if (count == 4)
		return refuse(why, "cannot 3-index slice a string");
	for (size_t i = 1; i < count; i++)
		if (!read_index(&args[i], item->len, &bounds[i - 1], why))
			return false;
	if (bounds[0] > bounds[1])
		return error_set(why, ERROR_INVALID, "invalid slice index: %zu > %zu", bounds[0],
				 bounds[1]);
	const char *part = pool_text(job->pool, item->text + bounds[0], bounds[1] - bounds[0]);
	if (part == NULL)
		return refuse(why, "it needs too much memory");
	*result = (struct value){.kind = VALUE_TEXT, .text = part, .len = bounds[1] - bounds[0]};
	return true;
}

static bool call_len(const struct value *item, struct value *result, struct error *why)
{
	size_t len = item->len;
	if (item->kind == VALUE_NIL)
		return refuse(why, "reflect: call of reflect.Value.Type on zero Value");
	if (item->kind == VALUE_MAP)
		len = (size_t)cJSON_GetArraySize(item->map);
	else if (item->kind != VALUE_TEXT)
		return error_set(why, ERROR_INVALID, "len of type %s", value_type(item));
	*result = (struct value){.kind = VALUE_INT, .whole = (int64_t)len};
	return true;
}

/* ---- comparisons ---- */

static bool is_whole(const struct value *value)
{
	return value->kind == VALUE_INT || value->kind == VALUE_BYTE;
}

static int order_of_texts(const struct value *a, const struct value *b)
{
	size_t both = a->len < b->len ? a->len : b->len;
	int order = memcmp(a->text, b->text, both);
	return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

static bool equal(struct template_job *job, const struct value *a, const struct value *b,
		  bool *same, struct error *why)
{
	*same = false;
	if (is_whole(a) && is_whole(b)) {
		*same = a->whole == b->whole;
		return true;
	}
	if (a->kind == VALUE_NIL || b->kind == VALUE_NIL) {
		*same = a->kind == b->kind;
		return true;
	}
	if (a->kind != b->kind)
		return error_set(why, ERROR_INVALID, "incompatible types for comparison: %s and %s",
				 value_type(a), value_type(b));
	switch (a->kind) {
	case VALUE_BOOL:
		*same = a->whole == b->whole;
		return true;
	case VALUE_FLOAT:
		*same = a->real == b->real;
		return true;
	case VALUE_TEXT:
		*same = order_of_texts(a, b) == 0;
		return true;
	case VALUE_MAP: {
		SCOPED(buf) struct buf text = {0};
		buf_init(&text, ERROR_TEXT_MAX);
		value_print(job, b, &text);
		return error_set(why, ERROR_INVALID, "non-comparable type %s: %s", text.text,
				 value_type(b));
	}
	case VALUE_MISSING:
	case VALUE_NIL:
	case VALUE_INT:
	case VALUE_BYTE:
		break;
	}
	return true;
}

static bool less(const struct value *a, const struct value *b, bool *is_less, struct error *why)
{
	static const char wrong[] = "invalid type for comparison";
	if (a->kind == VALUE_NIL || b->kind == VALUE_NIL || a->kind == VALUE_MAP ||
	    b->kind == VALUE_MAP)
		return refuse(why, wrong);
	if (is_whole(a) && is_whole(b)) {
		*is_less = a->whole < b->whole;
		return true;
	}
	if (a->kind != b->kind)
		return error_set(why, ERROR_INVALID, "incompatible types for comparison: %s and %s",
				 value_type(a), value_type(b));
	if (a->kind == VALUE_BOOL)
		return refuse(why, wrong);
	*is_less = a->kind == VALUE_FLOAT ? a->real < b->real : order_of_texts(a, b) < 0;
	return true;
}

static bool compare(struct template_job *job, const char *name, const struct value *args,
		    size_t count, struct value *result, struct error *why)
{
	bool is_less = false, same = false;
	if (strcmp(name, "eq") == 0 || strcmp(name, "ne") == 0) {
		if (count < 2)
			return refuse(why, "missing argument for comparison");
		for (size_t i = 1; i < count && !same; i++)
			if (!equal(job, &args[0], &args[i], &same, why))
				return false;
		*result = truth(same == (name[0] == 'e'));
		return true;
	}
	if (!less(&args[0], &args[1], &is_less, why))
		return false;
	bool with_equal = strcmp(name, "le") == 0 || strcmp(name, "gt") == 0;
	if (with_equal && !is_less && !equal(job, &args[0], &args[1], &same, why))
		return false;
	bool forward = with_equal ? is_less || same : is_less;
	*result = truth(name[0] == 'l' ? forward : !forward);
	return true;
}

/* ---- texts ---- */

static void escape_html(struct buf *into, char c)
{
	static const struct {
		char c;
		const char *text;
	} entities[] = {{'"', "&#34;"}, {'\'', "&#39;"}, {'&', "&amp;"},
			{'<', "&lt;"},	{'>', "&gt;"},	 {'\0', "\xEF\xBF\xBD"}};
	for (size_t i = 0; i < ARRAY_LEN(entities); i++) {
		if (entities[i].c == c) {
			buf_puts(into, entities[i].text);
			return;
		}
	}
	buf_putc(into, c);
}

/* The character at `text`; gives how many bytes it has. */
static size_t escape_js(struct buf *into, const char *text, size_t len)
{
	char c = *text;
	size_t width = utf8_length(text, len);
	if (c == '\\' || c == '\'' || c == '"')
		buf_printf(into, "\\%c", c);
	else if ((unsigned char)c < ' ' || c == '<' || c == '>' || c == '&' || c == '=')
		buf_printf(into, "\\u%04X", (unsigned)(unsigned char)c);
	else if (width > 1 && !text_prints(utf8_point(text, width)))
		buf_printf(into, "\\u%04X", (unsigned)utf8_point(text, width));
	else
		buf_add(into, text, width == 0 ? 1 : width);
	return width == 0 ? 1 : width;
}

static void escape_query(struct buf *into, char c)
{
	if (isalnum((unsigned char)c) || (c != '\0' && strchr("-_.~", c) != NULL))
		buf_putc(into, c);
	else if (c == ' ')
		buf_putc(into, '+');
	else
		buf_printf(into, "%%%02X", (unsigned)(unsigned char)c);
}

/* Where "<no value>" stands for nil, that is a text. */
static bool is_text(const struct value *value, bool plain)
{
	return value->kind == VALUE_TEXT || (value->kind == VALUE_NIL && !plain);
}

static void print_row(struct template_job *job, const char *name, const struct value *args,
		      size_t count, struct buf *into)
{
	bool line = strcmp(name, "println") == 0, plain = line || strcmp(name, "print") == 0;
	for (size_t i = 0; i < count; i++) {
		/* fmt.Print: a space between operands when neither is a string. */
		bool spaced = i > 0 && !is_text(&args[i], plain) && !is_text(&args[i - 1], plain);
		if (i > 0 && (line || spaced))
			buf_putc(into, ' ');
		if (args[i].kind == VALUE_NIL && !plain)
			buf_puts(into, "<no value>");
		else
			value_print(job, &args[i], into);
	}
	if (line)
		buf_putc(into, '\n');
}

static bool make_text(struct template_job *job, const char *name, const struct value *args,
		      size_t count, struct value *result, struct error *why)
{
	SCOPED(buf) struct buf text = {0}, escaped = {0};
	buf_init(&text, TEMPLATE_TEXT_MAX);
	buf_init(&escaped, TEMPLATE_TEXT_MAX);
	struct buf *made = &text;
	if (strcmp(name, "printf") == 0)
		value_printf(job, args[0].text, args + 1, count - 1, &text);
	else
		print_row(job, name, args, count, &text);
	if (name[0] != 'p') {
		made = &escaped;
		for (size_t i = 0, width = 1; i < text.len; i += width) {
			if (name[0] == 'h')
				escape_html(&escaped, text.text[i]);
			else if (name[0] == 'j')
				width = escape_js(&escaped, text.text + i, text.len - i);
			else
				escape_query(&escaped, text.text[i]);
		}
	}
	const char *kept =
		text.full || escaped.full ? NULL : pool_text(job->pool, made->text, made->len);
	if (kept == NULL)
		return refuse(why, "it needs too much memory");
	*result = (struct value){.kind = VALUE_TEXT, .text = kept, .len = made->len};
	return true;
}

bool function_call(struct template_job *job, const struct function *function,
		   const struct value *args, size_t count, struct value *result, struct error *why)
{
	const char *name = function->name;
	if (strcmp(name, "index") == 0)
		return call_index(args, count, result, why);
	if (strcmp(name, "slice") == 0)
		return call_slice(job, args, count, result, why);
	if (strcmp(name, "len") == 0)
		return call_len(&args[0], result, why);
	if (strcmp(name, "not") == 0) {
		*result = truth(!value_is_true(&args[0]));
		return true;
	}
	if (strlen(name) == 2 && strcmp(name, "js") != 0)
		return compare(job, name, args, count, result, why);
	return make_text(job, name, args, count, result, why);
}
