#include "base/yaml.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/json_path.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/yaml_scalar.h"

struct line {
	const cJSON *node;
	int line;
};

struct yaml_file {
	char *name;
	cJSON **documents;
	size_t count;
	struct line *lines; /* by address of the node, once all is read */
	size_t line_count, line_room;
	cJSON *kept; /* what was read and is in no document: no address stands for two nodes */
};

struct anchor {
	char *name;
	const cJSON *node; /* complete, in the document or among the kept ones */
};

struct composer {
	yaml_parser_t parser;
	struct yaml_file *file;
	struct error *err;
	struct anchor *anchors; /* of this document */
	size_t anchor_count;
	size_t unfolded;
	int depth;
};

static void scope_event(yaml_event_t *event)
{
	yaml_event_delete(event);
}

static void *refuse(struct composer *composer, yaml_mark_t mark, const char *format, ...)
	PRINTF_LIKE(3, 4);

static void *refuse(struct composer *composer, yaml_mark_t mark, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	SCOPED(text) char *text = xvasprintf(format, args);
	va_end(args);
	error_set(composer->err, ERROR_INVALID, "%s:%zu:%zu: %s", composer->file->name,
		  mark.line + 1, mark.column + 1, text);
	return NULL;
}

static bool next_event(struct composer *composer, yaml_event_t *event)
{
	yaml_parser_t *parser = &composer->parser;
	if (yaml_parser_parse(parser, event))
		return true;
	memset(event, 0, sizeof(*event));
	const char *problem = parser->problem != NULL ? parser->problem : "not YAML";
	yaml_mark_t mark = parser->error == YAML_READER_ERROR ? parser->mark : parser->problem_mark;
	if (parser->context != NULL)
		refuse(composer, mark, "%s %s", problem, parser->context);
	else
		refuse(composer, mark, "%s", problem);
	return false;
}

static void remember_line(struct yaml_file *file, const cJSON *node, yaml_mark_t mark)
{
	if (file->line_count == file->line_room) {
		file->line_room = file->line_room > 0 ? file->line_room * 2 : 64;
		file->lines = xrealloc(file->lines, file->line_room * sizeof(*file->lines));
	}
	file->lines[file->line_count++] = (struct line){.node = node, .line = (int)mark.line + 1};
}

static void remember_anchor(struct composer *composer, const yaml_char_t *name, const cJSON *node)
{
	if (name == NULL)
		return;
	composer->anchors = xrealloc(composer->anchors,
				     (composer->anchor_count + 1) * sizeof(*composer->anchors));
	composer->anchors[composer->anchor_count++] =
		(struct anchor){.name = xstrdup((const char *)name), .node = node};
}

static void forget_anchors(struct composer *composer)
{
	for (size_t i = 0; i < composer->anchor_count; i++)
		free(composer->anchors[i].name);
	composer->anchor_count = 0;
}

static size_t weight(const cJSON *node)
{
	size_t bytes = sizeof(*node) + (node->string != NULL ? strlen(node->string) : 0) +
		       (node->valuestring != NULL ? strlen(node->valuestring) : 0);
	for (const cJSON *child = node->child; child != NULL; child = child->next)
		bytes += weight(child);
	return bytes;
}

static int height(const cJSON *node)
{
	int highest = 0;
	for (const cJSON *child = node->child; child != NULL; child = child->next) {
		int here = height(child);
		highest = here > highest ? here : highest;
	}
	return highest + (cJSON_IsObject(node) || cJSON_IsArray(node));
}

/* A copy of what stands elsewhere; the sum of all copies has a cap. */
static cJSON *unfold(struct composer *composer, const cJSON *node, yaml_mark_t mark)
{
	composer->unfolded += weight(node);
	if (composer->unfolded > YAML_UNFOLD_MAX)
		return refuse(composer, mark, "aliases unfold to more than %d bytes",
			      YAML_UNFOLD_MAX);
	if (composer->depth + height(node) > JSON_DEPTH_MAX)
		return refuse(composer, mark, "nested too deeply");
	return cJSON_Duplicate(node, true);
}

static cJSON *compose_alias(struct composer *composer, const yaml_event_t *event)
{
	const char *name = (const char *)event->data.alias.anchor;
	for (size_t i = composer->anchor_count; i > 0; i--)
		if (strcmp(composer->anchors[i - 1].name, name) == 0)
			return unfold(composer, composer->anchors[i - 1].node, event->start_mark);
	return refuse(composer, event->start_mark, "there is no complete anchor &%s before this",
		      name);
}

/* "!!int" from the long form of a tag; NULL for none. */
static const char *short_tag(const yaml_char_t *tag)
{
	static const char prefix[] = "tag:yaml.org,2002:";
	const char *text = (const char *)tag;
	return text != NULL && text_starts(text, prefix) ? text + strlen(prefix) : text;
}

static bool fits_tag(const cJSON *node, const char *tag)
{
	if (strcmp(tag, "null") == 0)
		return cJSON_IsNull(node);
	if (strcmp(tag, "bool") == 0)
		return cJSON_IsBool(node);
	if (strcmp(tag, "int") == 0)
		return cJSON_IsNumber(node) && trunc(node->valuedouble) == node->valuedouble;
	return strcmp(tag, "float") == 0 && cJSON_IsNumber(node);
}

static cJSON *compose_scalar(struct composer *composer, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	const char *tag = short_tag(event->data.scalar.tag);
	if (strlen(text) != event->data.scalar.length)
		return refuse(composer, event->start_mark, "a text must not contain \\0");
	bool is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (tag == NULL ? !is_plain : strcmp(tag, "str") == 0 || strcmp(tag, "!") == 0)
		return cJSON_CreateString(text);
	cJSON *node = yaml_scalar(text);
	if (tag != NULL && !fits_tag(node, tag)) {
		cJSON_Delete(node);
		return refuse(composer, event->start_mark, "\"%.40s\" cannot be read as %s%s", text,
			      tag[0] == '!' ? "" : "!!", tag);
	}
	if (cJSON_IsNumber(node) && !isfinite(node->valuedouble)) {
		cJSON_Delete(node);
		return refuse(composer, event->start_mark, "%s has no form in JSON", text);
	}
	return node;
}

static cJSON *compose(struct composer *composer, const yaml_event_t *event);

static bool check_tag(struct composer *composer, const yaml_event_t *event, const yaml_char_t *tag,
		      const char *wanted)
{
	const char *name = short_tag(tag);
	if (name == NULL || strcmp(name, wanted) == 0)
		return true;
	refuse(composer, event->start_mark, "the tag %s%s is not known here",
	       name[0] == '!' ? "" : "!!", name);
	return false;
}

static bool compose_elements(struct composer *composer, cJSON *list)
{
	for (;;) {
		SCOPED(event) yaml_event_t event = {0};
		if (!next_event(composer, &event))
			return false;
		if (event.type == YAML_SEQUENCE_END_EVENT)
			return true;
		cJSON *element = compose(composer, &event);
		if (element == NULL)
			return false;
		remember_line(composer->file, element, event.start_mark);
		cJSON_AddItemToArray(list, element);
	}
}

/* A member and where its key stands. */
struct member {
	cJSON *item;
	yaml_mark_t mark;
	size_t place;
};

struct members {
	struct member *list;
	size_t count, room;
};

static void scope_members(struct members *members)
{
	free(members->list);
}

static void remember_member(struct members *members, cJSON *item, yaml_mark_t mark)
{
	if (members->count == members->room) {
		members->room = members->room > 0 ? members->room * 2 : 16;
		members->list = xrealloc(members->list, members->room * sizeof(*members->list));
	}
	members->list[members->count] =
		(struct member){.item = item, .mark = mark, .place = members->count};
	members->count++;
}

static int by_key(const void *a, const void *b)
{
	const struct member *one = a, *other = b;
	int order = strcmp(one->item->string, other->item->string);
	return order != 0 ? order : one->place < other->place ? -1 : 1;
}

static bool check_unique(struct composer *composer, struct members *members)
{
	if (members->count > 1)
		qsort(members->list, members->count, sizeof(*members->list), by_key);
	for (size_t i = 1; i < members->count; i++) {
		const struct member *one = &members->list[i - 1], *other = &members->list[i];
		if (strcmp(one->item->string, other->item->string) != 0)
			continue;
		refuse(composer, other->mark, "the key \"%.80s\" stands in line %zu already",
		       other->item->string, one->mark.line + 1);
		return false;
	}
	return true;
}

/* The text of a key; the caller frees. Numbers and booleans become the text of their value. */
static char *compose_key(struct composer *composer, const yaml_event_t *event)
{
	cJSON *node = compose(composer, event);
	if (node == NULL)
		return NULL;
	char number[32], *key = NULL;
	if (cJSON_IsString(node)) {
		key = xstrdup(node->valuestring);
	} else if (cJSON_IsBool(node)) {
		key = xstrdup(cJSON_IsTrue(node) ? "true" : "false");
	} else if (cJSON_IsNumber(node)) {
		json_number_text(node->valuedouble, number);
		key = xstrdup(number);
	} else {
		refuse(composer, event->start_mark, "a key must be a text");
	}
	bool unnamed = event->type == YAML_SCALAR_EVENT && event->data.scalar.anchor == NULL;
	if (unnamed)
		cJSON_Delete(node);
	else
		cJSON_AddItemToArray(composer->file->kept, node);
	return key;
}

static bool is_merge(const yaml_event_t *event)
{
	return event->type == YAML_SCALAR_EVENT && event->data.scalar.tag == NULL &&
	       event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       strcmp((const char *)event->data.scalar.value, "<<") == 0;
}

/* Adds the members of `source` that `object` does not have. */
static bool merge(struct composer *composer, cJSON *object, const cJSON *source, yaml_mark_t mark)
{
	if (!cJSON_IsObject(source)) {
		refuse(composer, mark, "<< takes a map or a list of maps");
		return false;
	}
	for (const cJSON *member = source->child; member != NULL; member = member->next) {
		if (json_get(object, member->string) != NULL)
			continue;
		cJSON *copy = unfold(composer, member, mark);
		if (copy == NULL)
			return false;
		remember_line(composer->file, copy, mark);
		cJSON_AddItemToObject(object, member->string, copy);
	}
	return true;
}

static bool merge_all(struct composer *composer, cJSON *object, const struct member *source)
{
	if (!cJSON_IsArray(source->item))
		return merge(composer, object, source->item, source->mark);
	for (const cJSON *each = source->item->child; each != NULL; each = each->next)
		if (!merge(composer, object, each, source->mark))
			return false;
	return true;
}

static bool compose_members(struct composer *composer, cJSON *object)
{
	SCOPED(members) struct members members = {0}, merges = {0};
	for (;;) {
		SCOPED(event) yaml_event_t key = {0}, value = {0};
		if (!next_event(composer, &key))
			return false;
		if (key.type == YAML_MAPPING_END_EVENT)
			break;
		SCOPED(text) char *name = compose_key(composer, &key);
		if (name == NULL || !next_event(composer, &value))
			return false;
		cJSON *item = compose(composer, &value);
		if (item == NULL)
			return false;
		if (is_merge(&key)) {
			cJSON_AddItemToArray(composer->file->kept, item);
			remember_member(&merges, item, key.start_mark);
			continue;
		}
		remember_line(composer->file, item, key.start_mark);
		cJSON_AddItemToObject(object, name, item);
		remember_member(&members, item, key.start_mark);
	}
	if (!check_unique(composer, &members))
		return false;
	for (size_t i = 0; i < merges.count; i++)
		if (!merge_all(composer, object, &merges.list[i]))
			return false;
	return true;
}

static cJSON *compose_collection(struct composer *composer, const yaml_event_t *event)
{
	bool is_map = event->type == YAML_MAPPING_START_EVENT;
	if (composer->depth >= JSON_DEPTH_MAX)
		return refuse(composer, event->start_mark, "nested too deeply");
	const yaml_char_t *tag =
		is_map ? event->data.mapping_start.tag : event->data.sequence_start.tag;
	if (!check_tag(composer, event, tag, is_map ? "map" : "seq"))
		return NULL;
	cJSON *node = is_map ? cJSON_CreateObject() : cJSON_CreateArray();
	composer->depth++;
	bool ok = is_map ? compose_members(composer, node) : compose_elements(composer, node);
	composer->depth--;
	if (ok)
		return node;
	cJSON_Delete(node);
	return NULL;
}

/* The value that begins with `event`; NULL after an error. */
static cJSON *compose(struct composer *composer, const yaml_event_t *event)
{
	cJSON *node = NULL;
	const yaml_char_t *anchor = NULL;
	if (event->type == YAML_ALIAS_EVENT)
		return compose_alias(composer, event);
	if (event->type == YAML_SCALAR_EVENT) {
		anchor = event->data.scalar.anchor;
		node = compose_scalar(composer, event);
	} else if (event->type == YAML_SEQUENCE_START_EVENT) {
		anchor = event->data.sequence_start.anchor;
		node = compose_collection(composer, event);
	} else if (event->type == YAML_MAPPING_START_EVENT) {
		anchor = event->data.mapping_start.anchor;
		node = compose_collection(composer, event);
	}
	if (node != NULL)
		remember_anchor(composer, anchor, node);
	return node;
}

static void add_document(struct yaml_file *file, cJSON *owned_root)
{
	if (cJSON_IsNull(owned_root)) {
		cJSON_AddItemToArray(file->kept, owned_root);
		return;
	}
	file->documents = xrealloc(file->documents, (file->count + 1) * sizeof(*file->documents));
	file->documents[file->count++] = owned_root;
}

static bool compose_documents(struct composer *composer)
{
	for (;;) {
		SCOPED(event) yaml_event_t event = {0};
		if (!next_event(composer, &event))
			return false;
		if (event.type == YAML_STREAM_END_EVENT)
			return true;
		if (event.type == YAML_DOCUMENT_END_EVENT)
			forget_anchors(composer);
		if (event.type == YAML_STREAM_START_EVENT ||
		    event.type == YAML_DOCUMENT_START_EVENT ||
		    event.type == YAML_DOCUMENT_END_EVENT)
			continue;
		cJSON *root = compose(composer, &event);
		if (root == NULL)
			return false;
		remember_line(composer->file, root, event.start_mark);
		add_document(composer->file, root);
	}
}

static int by_node(const void *a, const void *b)
{
	const struct line *one = a, *other = b;
	return one->node < other->node ? -1 : one->node > other->node;
}

struct yaml_file *yaml_parse(const char *name, const char *text, size_t len, struct error *err)
{
	struct yaml_file *file = xcalloc(1, sizeof(*file));
	file->name = xstrdup(name);
	file->kept = cJSON_CreateArray();
	struct composer composer = {.file = file, .err = err};
	if (!yaml_parser_initialize(&composer.parser))
		abort(); /* out of memory */
	yaml_parser_set_input_string(&composer.parser, (const unsigned char *)text, len);
	yaml_parser_set_encoding(&composer.parser, YAML_UTF8_ENCODING);
	bool ok = compose_documents(&composer);
	yaml_parser_delete(&composer.parser);
	forget_anchors(&composer);
	free(composer.anchors);
	if (!ok) {
		yaml_free(file);
		return NULL;
	}
	if (file->line_count > 1)
		qsort(file->lines, file->line_count, sizeof(*file->lines), by_node);
	return file;
}

struct yaml_file *yaml_read(const char *path, struct error *err)
{
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, INPUT_FILE_MAX);
	bool is_stdin = strcmp(path, "-") == 0;
	const char *name = is_stdin ? "standard input" : path;
	if (is_stdin ? !file_read_fd(STDIN_FILENO, name, &text, err) : !file_read(path, &text, err))
		return NULL;
	return yaml_parse(name, text.text, text.len, err);
}

void yaml_free(struct yaml_file *file)
{
	if (file == NULL)
		return;
	for (size_t i = 0; i < file->count; i++)
		cJSON_Delete(file->documents[i]);
	cJSON_Delete(file->kept);
	free(file->documents);
	free(file->lines);
	free(file->name);
	free(file);
}

void scope_yaml(struct yaml_file **file)
{
	yaml_free(*file);
}

const char *yaml_name(const struct yaml_file *file)
{
	return file->name;
}

size_t yaml_count(const struct yaml_file *file)
{
	return file->count;
}

cJSON *yaml_document(const struct yaml_file *file, size_t i)
{
	return i < file->count ? file->documents[i] : NULL;
}

int yaml_line(const struct yaml_file *file, size_t i, const char *path)
{
	int line = 1;
	struct json_step step;
	const cJSON *here = yaml_document(file, i);
	while (here != NULL) {
		struct line wanted = {.node = here};
		const struct line *found = bsearch(&wanted, file->lines, file->line_count,
						   sizeof(*file->lines), by_node);
		line = found != NULL ? found->line : line;
		here = json_step(&path, &step) ? json_step_into(here, &step) : NULL;
	}
	return line;
}
