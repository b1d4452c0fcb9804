#include "spec.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/yaml.h"

static struct yaml_file *parse(const char *text)
{
	struct error err = {0};
	struct yaml_file *file = yaml_parse("test.yaml", text, strlen(text), &err);
	if (file == NULL)
		spec_fail(__FILE__, __LINE__, "%s\n%s", err.text, text);
	return file;
}

static void expect_json(const char *text, const char *wanted)
{
	struct yaml_file *file = parse(text);
	char *got = json_text(yaml_document(file, 0));
	EXPECT_TEXT(got, wanted);
	free(got);
	yaml_free(file);
}

static void expect_refused(const char *text, const char *why)
{
	struct error err = {0};
	struct yaml_file *file = yaml_parse("test.yaml", text, strlen(text), &err);
	if (file != NULL)
		spec_fail(__FILE__, __LINE__, "was taken:\n%s", text);
	EXPECT_INT(err.kind, ERROR_INVALID);
	EXPECT_CONTAINS(err.text, why);
}

/* JSON to YAML and back. */
static void expect_survives(const char *text)
{
	struct error err = {0};
	cJSON *json = json_parse(text, strlen(text), &err);
	EXPECT(json != NULL);
	char *yaml = yaml_text(json);
	struct yaml_file *file = parse(yaml);
	char *got = json_text(yaml_document(file, 0));
	if (!text_equal(got, text))
		spec_fail(__FILE__, __LINE__, "%s\n became %s\n by way of:\n%s", text, got, yaml);
	free(got);
	yaml_free(file);
	free(yaml);
	cJSON_Delete(json);
}

static void expect_yaml(const char *text, const char *wanted)
{
	struct error err = {0};
	cJSON *json = json_parse(text, strlen(text), &err);
	char *got = yaml_text(json);
	EXPECT_TEXT(got, wanted);
	free(got);
	cJSON_Delete(json);
}

SPEC("yaml: scalars mean what they mean to Kubernetes")
{
	expect_json("[1, -2, +3, 0x1F, 0o17, 010, 0b11, 08, 1_000, 1.5, .5, 1., 1e3, 1.5e-3]",
		    "[1,-2,3,31,15,8,3,8,1000,1.5,0.5,1,1000,0.0015]");
	expect_json("[true, Yes, on, y, false, NO, Off, n]",
		    "[true,true,true,true,false,false,false,false]");
	expect_json("[null, ~, Null, ]", "[null,null,null]");
	expect_json(
		"[1m, 1.2.3, 2024-01-01, 1:30, nan, Inf, tRUE, 0x, '-', +, 1e, 0xg, 1e999]",
		"[\"1m\",\"1.2.3\",\"2024-01-01\",\"1:30\",\"nan\",\"Inf\",\"tRUE\",\"0x\",\"-\","
		"\"+\",\"1e\",\"0xg\",\"1e999\"]");
	expect_json("['1', \"true\", '', \"\", '~']", "[\"1\",\"true\",\"\",\"\",\"~\"]");
	expect_json("[!!str 1, !!int \"2\", !!float 3, !!bool 'yes', ! 4]",
		    "[\"1\",2,3,true,\"4\"]");
	expect_json("a:\nb: ~\n", "{\"a\":null,\"b\":null}");
	expect_json("text: |\n  one\n  two\nfolded: >-\n  one\n  two\n",
		    "{\"text\":\"one\\ntwo\\n\",\"folded\":\"one two\"}");
}

SPEC("yaml: keys are text")
{
	expect_json("{1: a, true: b, 1.5: c, 'x y': d, 0x10: e}",
		    "{\"1\":\"a\",\"true\":\"b\",\"1.5\":\"c\",\"x y\":\"d\",\"16\":\"e\"}");
}

SPEC("yaml: JSON is YAML")
{
	expect_json("{\"a\":[1,2,{\"b\":\"\\u00e9\\n\\/\"}],\n\t\"c\":null}",
		    "{\"a\":[1,2,{\"b\":\"é\\n/\"}],\"c\":null}");
}

SPEC("yaml: anchors and merges are followed")
{
	expect_json("a: &x {p: 1, q: [1, 2]}\nb: *x\nc: {<<: *x, p: 2}\n",
		    "{\"a\":{\"p\":1,\"q\":[1,2]},\"b\":{\"p\":1,\"q\":[1,2]},"
		    "\"c\":{\"p\":2,\"q\":[1,2]}}");
	expect_json("[&a {x: 1}, &b {x: 2, w: 2}, {<<: [*a, *b], z: 3}]",
		    "[{\"x\":1},{\"x\":2,\"w\":2},{\"z\":3,\"x\":1,\"w\":2}]");
	expect_json("{<<: {a: &n 5}, b: *n, &k key: *k}", "{\"b\":5,\"key\":\"key\",\"a\":5}");
	expect_json("[&a 1, &a 2, *a]", "[1,2,2]");
	expect_json("{'<<': 1}", "{\"<<\":1}");
}

SPEC("yaml: several documents, empty ones left out")
{
	struct yaml_file *file =
		parse("# nothing\n---\n---\na: 1\n---\n# nothing\n---\nb: 2\n...\n");
	EXPECT_INT(yaml_count(file), 2);
	EXPECT_INT(json_int(yaml_document(file, 0), "a", 0), 1);
	EXPECT_INT(json_int(yaml_document(file, 1), "b", 0), 2);
	EXPECT(yaml_document(file, 2) == NULL);
	EXPECT_INT(yaml_line(file, 0, "a"), 4);
	EXPECT_INT(yaml_line(file, 1, "b"), 8);
	EXPECT_TEXT(yaml_name(file), "test.yaml");
	yaml_free(file);
	file = parse("");
	EXPECT_INT(yaml_count(file), 0);
	EXPECT_INT(yaml_line(file, 0, "a"), 1);
	yaml_free(file);
}

SPEC("yaml: each value has its line, a missing one that of its nearest parent")
{
	struct yaml_file *file = parse("spec:\n"
				       "  analysis:\n"
				       "    interval: 1m\n"
				       "    metrics:\n"
				       "    - name: a\n"
				       "      max: 5\n"
				       "    - name: b\n"
				       "    \"x.y/z\":\n"
				       "      - 1\n"
				       "  copy: &c {p: 1}\n"
				       "  other: *c\n");
	EXPECT_INT(yaml_line(file, 0, "spec"), 1);
	EXPECT_INT(yaml_line(file, 0, "spec.analysis"), 2);
	EXPECT_INT(yaml_line(file, 0, "spec.analysis.interval"), 3);
	EXPECT_INT(yaml_line(file, 0, "spec.analysis.metrics[0].max"), 6);
	EXPECT_INT(yaml_line(file, 0, "spec.analysis.metrics[1]"), 7);
	EXPECT_INT(yaml_line(file, 0, "spec.analysis.metrics[1].max"), 7);
	EXPECT_INT(yaml_line(file, 0, "spec.analysis.metrics[2].max"), 4);
	EXPECT_INT(yaml_line(file, 0, "spec.analysis[\"x.y/z\"][0]"), 9);
	EXPECT_INT(yaml_line(file, 0, "spec.analysis.threshold"), 2);
	EXPECT_INT(yaml_line(file, 0, "spec.other.p"), 11);
	EXPECT_INT(yaml_line(file, 0, "status"), 1);
	yaml_free(file);
}

SPEC("yaml: errors have file, line and column")
{
	expect_refused("a: 1\nb: 2\na: 3\n",
		       "test.yaml:3:1: the key \"a\" stands in line 1 already");
	expect_refused("{yes: 1, on: 2}", "the key \"true\" stands in line 1");
	expect_refused("a: [1, 2\nb: 3\n", "test.yaml:2:");
	expect_refused("a: b: c\n", "test.yaml:1:5: mapping values are not allowed");
	expect_refused("a:\n\t- b\n", "test.yaml:2:1: found character that cannot start any token");
	expect_refused("a: *b\n", "test.yaml:1:4: there is no complete anchor &b");
	expect_refused("a: &a [*a]\n", "there is no complete anchor &a");
	expect_refused("--- &a 1\n--- *a\n", "there is no complete anchor &a");
	expect_refused("{<<: 1}", "<< takes a map");
	expect_refused("{<<: [[{}]]}", "<< takes a map");
	expect_refused("{[a]: 1}", "a key must be a text");
	expect_refused("{~: 1}", "a key must be a text");
	expect_refused("a: .inf\n", "test.yaml:1:4: .inf has no form in JSON");
	expect_refused("a: !!int x\n", "\"x\" cannot be read as !!int");
	expect_refused("a: !secret x\n", "cannot be read as !secret");
	expect_refused("a: !!set {x}\n", "the tag !!set is not known");
	expect_refused("a: \"x\\0y\"\n", "must not contain \\0");
	expect_refused("a: \x01\n", "control characters are not allowed");
	expect_refused("a: \xff\n", "UTF-8");
	expect_refused("a: 'x\n", "test.yaml:2:1: found unexpected end of stream");
}

SPEC("yaml: neither nesting nor aliases go on without end")
{
	char deep[JSON_DEPTH_MAX + 2];
	memset(deep, '[', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	expect_refused(deep, "nested too deeply");
	SCOPED(buf) struct buf bomb = {0};
	buf_init(&bomb, 10000);
	buf_puts(&bomb, "a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 10; i++) {
		buf_printf(&bomb, "a%d: &a%d [", i, i);
		for (int k = 0; k < 9; k++)
			buf_printf(&bomb, "*a%d,", i - 1);
		buf_puts(&bomb, "]\n");
	}
	expect_refused(bomb.text, "aliases unfold to more than");
	buf_clear(&bomb);
	buf_puts(&bomb, "- &a0 [x]\n");
	for (int i = 1; i < 210; i++)
		buf_printf(&bomb, "- &a%d [*a%d]\n", i, i - 1);
	expect_refused(bomb.text, "nested too deeply");
}

SPEC("yaml: a written value reads as itself")
{
	expect_yaml("{\"a\":1,\"list\":[{\"x\":1,\"y\":[]},[1,2],\"s\"],\"o\":{\"p\":{}},"
		    "\"text\":\"one\\ntwo\\n\"}",
		    "a: 1\n"
		    "list:\n"
		    "- x: 1\n"
		    "  \"y\": []\n"
		    "- - 1\n"
		    "  - 2\n"
		    "- s\n"
		    "o:\n"
		    "  p: {}\n"
		    "text: |\n"
		    "  one\n"
		    "  two\n");
	expect_yaml(
		"{\"a\":\"1\",\"b\":\"yes\",\"c\":\"1m\",\"d\":\"\",\"e\":\"x: y\",\"f\":\"tee\"}",
		"a: \"1\"\nb: \"yes\"\nc: 1m\nd: \"\"\ne: \"x: y\"\nf: tee\n");
}

SPEC("yaml: texts that look like something else survive")
{
	static const char *const texts[] = {
		"1",
		"-1",
		"1.5",
		"1e3",
		"0x1F",
		"010",
		"1_0",
		"true",
		"No",
		"y",
		"on",
		"null",
		"~",
		"",
		" ",
		" x",
		"x ",
		"x:",
		"x: y",
		"x #y",
		"#x",
		"- x",
		"-",
		"?",
		"? x",
		": x",
		"[x",
		"{x",
		"&x",
		"*x",
		"!x",
		"|",
		">",
		"'x'",
		"%x",
		"@x",
		"`x",
		"<<",
		"=",
		"---",
		"...",
		".inf",
		"2024-01-01",
		"1:30:00",
		"x,y",
		"a\\tb",
		"a\\nb",
		"\\n",
		"\\n\\n",
		"a\\n",
		"a\\n\\n",
		"\\na",
		" a\\nb",
		"\\ta\\nb",
		"a\\n b\\n",
		"a\\n  ",
		"a\\r\\nb",
		"\\u0001",
		"\\u007f",
		"\\u0085",
		"\\u2028",
		"\\ufeff",
		"😀",
		"a\\n\\t",
		"é",
		"\\\"\\\\",
		"--- a\\n--- b",
		"...\\nx",
		"\\n\\n x",
		"x\\n\\n\\n",
		"# a\\nb",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		SCOPED(buf) struct buf json = {0};
		buf_init(&json, 1000);
		buf_printf(&json, "\"%s\"", texts[i]);
		struct error err;
		cJSON *node = json_parse(json.text, json.len, &err);
		SCOPED(text) char *same = json_text(node);
		cJSON_Delete(node);
		expect_survives(same);
		buf_clear(&json);
		buf_printf(&json, "{\"a\":[%s,{\"b\":%s}],%s:{\"c\":%s}}", same, same, same, same);
		expect_survives(json.text);
	}
	expect_survives("[-0,0.1,1e+21,1e-7,100000000000000000000,null,true]");
}

SPEC("yaml: a key too long for its line survives")
{
	SCOPED(buf) struct buf json = {0};
	buf_init(&json, 10000);
	buf_puts(&json, "{\"");
	for (int i = 0; i < 3000; i++)
		buf_putc(&json, 'k');
	buf_puts(&json, "\":[1,{\"a\":\"x\\ny\"}],\"b\":{\"c\":1}}");
	expect_survives(json.text);
}

SPEC("yaml: a file that is not there is named")
{
	struct error err;
	EXPECT(yaml_read("/nonexistent.yaml", &err) == NULL);
	EXPECT_CONTAINS(err.text, "/nonexistent.yaml");
	EXPECT_INT(err.kind, ERROR_NOT_FOUND);
}
