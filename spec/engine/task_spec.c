#include "script/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "fake_http.h"
#include "script/embed.h"
#include "spec.h"

/* A driver of one function `run`, and what its run told. */
struct bed {
	struct loop *loop;
	struct fake_http fake;
	struct tasks *tasks;
	struct driver *driver;
	int table, told;
	char text[600]; /* the result as JSON, or the error */
};

static struct driver *load(const char *body)
{
	static int count; /* overlaid files are kept for ever */
	char dir[] = "/tmp/sluice-spec-XXXXXX", sub[60], path[120], name[30];
	struct error err = {0};
	EXPECT(mkdtemp(dir) != NULL);
	snprintf(name, sizeof(name), "run%d", count++);
	snprintf(sub, sizeof(sub), "%s/task", dir);
	snprintf(path, sizeof(path), "%s/%s.lua", sub, name);
	EXPECT(mkdir(sub, 0700) == 0);
	FILE *file = fopen(path, "w");
	EXPECT(file != NULL);
	fprintf(file,
		"local http, task, shape = require('http'), require('task'), require('shape')\n"
		"return { run = function(v)\n%s\nend }",
		body);
	fclose(file);
	embed_overlay(dir);
	struct driver *driver = driver_new("task", name, task_modules, &err);
	embed_overlay(NULL);
	unlink(path);
	rmdir(sub);
	rmdir(dir);
	EXPECT_TEXT(err.text, "");
	return driver;
}

static void tell(void *owner, uint64_t token, const cJSON *result, const struct error *err)
{
	struct bed *bed = owner;
	(void)token;
	bed->told++;
	if (err != NULL) {
		snprintf(bed->text, sizeof(bed->text), "%s: %s", error_kind_name(err->kind),
			 err->text);
		return;
	}
	SCOPED(text) char *text = result == NULL ? xstrdup("nil") : json_text(result);
	text_copy(bed->text, sizeof(bed->text), text);
}

static void open_bed(struct bed *bed, const char *body)
{
	struct error err = {0};
	memset(bed, 0, sizeof(*bed));
	bed->loop = loop_new_virtual(DURATION_SECOND);
	fake_http_init(&bed->fake, bed->loop);
	bed->tasks = tasks_new(bed->loop, &bed->fake.http, NULL);
	bed->driver = load(body);
	bed->table = driver_table(bed->driver, "task", &err);
	EXPECT(bed->table != 0);
}

static uint64_t start(struct bed *bed)
{
	SCOPED(json) cJSON *argument = cJSON_CreateNumber(7);
	return task_start(bed->tasks, bed->driver, bed->table, "run", argument,
			  10 * DURATION_SECOND, tell, bed, 0);
}

static void close_bed(struct bed *bed)
{
	tasks_free(bed->tasks);
	driver_free(bed->driver);
	EXPECT_INT(fake_open(&bed->fake), 0);
	fake_http_fini(&bed->fake);
	loop_free(bed->loop);
}

static void expect_outcome(const char *body, const char *wanted)
{
	struct bed bed;
	open_bed(&bed, body);
	start(&bed);
	EXPECT_INT(bed.told, 0); /* never from inside the call */
	loop_run(bed.loop, 0);
	EXPECT_INT(bed.told, 1);
	EXPECT_CONTAINS(bed.text, wanted);
	EXPECT_INT(bed.fake.count, 0);
	close_bed(&bed);
}

SPEC("task: a function waits in straight lines, several at once")
{
	struct bed bed;
	open_bed(&bed, "local a = http.request({ url = 'http://a/' .. v })\n"
		       "task.sleep(2)\n"
		       "local b, err = http.request({ url = 'http://b', method = 'POST', body = "
		       "a.body, headers = { X = 'y' } })\n"
		       "return { a.status, err.kind, tostring(err), b == nil }");
	start(&bed);
	start(&bed);
	loop_run(bed.loop, DURATION_SECOND);
	EXPECT_INT(bed.fake.count, 2);
	EXPECT_TEXT(bed.fake.requests[0].url, "http://a/7");
	/* In the other order. */
	fake_reply(&bed.fake, &bed.fake.requests[1], 204, "two");
	fake_reply(&bed.fake, &bed.fake.requests[0], 200, "one");
	loop_run(bed.loop, 3 * DURATION_SECOND);
	EXPECT_INT(bed.fake.count, 4);
	EXPECT_TEXT(bed.fake.requests[2].body, "two");
	EXPECT_TEXT(bed.fake.requests[3].headers, "X: y\n");
	EXPECT_INT(bed.fake.requests[3].at_us, 3 * DURATION_SECOND);
	fake_fail(&bed.fake, &bed.fake.requests[3], ERROR_UNAVAILABLE, "http://b: refused");
	loop_run(bed.loop, 4 * DURATION_SECOND);
	EXPECT_INT(bed.told, 1);
	EXPECT_TEXT(bed.text, "[200,\"unavailable\",\"http://b: refused\",true]");
	/* The other one runs into its deadline. */
	loop_run(bed.loop, 0);
	EXPECT_INT(bed.told, 2);
	EXPECT_CONTAINS(bed.text, "timeout: ");
	EXPECT(bed.fake.requests[2].cancelled);
	close_bed(&bed);
}

static int no_arguments(lua_State *L, void *owner)
{
	(void)L;
	(void)owner;
	return 0;
}

SPEC("task: where nothing can wait, a wait is refused before anything is sent")
{
	static const char refused[] = "http.request: cannot wait here: inside of a sort or gsub";
	expect_outcome("table.sort({ 2, 1 }, function() return http.request({ url = 'http://a' }) "
		       "end)",
		       refused);
	expect_outcome("string.gsub('a', '.', function() http.request({ url = 'http://a' }) end)",
		       refused);
	expect_outcome("return tostring(select(2, pcall(string.gsub, 'a', '.', function() "
		       "task.sleep(1) end)))",
		       "task.sleep: cannot wait here");
	struct bed bed;
	struct error err = {0};
	cJSON *result;
	open_bed(&bed, "http.request({ url = 'http://a' })");
	EXPECT(!driver_call(bed.driver, bed.table, "run", no_arguments, NULL, &result, &err));
	EXPECT_CONTAINS(err.text, "cannot wait here");
	close_bed(&bed);
}

SPEC("task: a failure is a sentence with its kind, a mistake one with its place")
{
	expect_outcome("return nil, 'no such thing'", "invalid: no such thing");
	expect_outcome("return nil, { kind = 'throttled', message = 'slower' }",
		       "throttled: slower");
	expect_outcome("shape.fail('%d is wrong', v)", "invalid: 7 is wrong");
	expect_outcome("return v.x.y", "script: lua/task/run");
	expect_outcome("http.request({})", "url is missing");
	expect_outcome("http.request({ url = 'http://a', headers = { 1 } })",
		       "headers must be strings by name");
	expect_outcome("http.request({ url = 'http://a', timeout = 'long' })", "number expected");
	expect_outcome("while true do pcall(function() while true do end end) end",
		       "stopped: it ran for too long");
	expect_outcome("return nil", "nil");
	expect_outcome("return { f = print }", "{}");
}

SPEC("task: waits inside of pcall and loops, and lets go of what is to be closed")
{
	struct bed bed;
	open_bed(&bed, "local n <close> = setmetatable({}, { __close = function() v = 0 end })\n"
		       "local ok, why = pcall(function()\n"
		       "  for i = 1, 3 do local r = http.request({ url = 'http://a' .. i }); if "
		       "r.status == 500 then error('five', 0) end end\n"
		       "end)\n"
		       "return { ok, why }");
	start(&bed);
	for (int i = 0; i < 2; i++) {
		loop_run(bed.loop, DURATION_SECOND);
		fake_reply(&bed.fake, fake_last(&bed.fake), i == 1 ? 500 : 200, "");
	}
	loop_run(bed.loop, DURATION_SECOND);
	EXPECT_TEXT(bed.text, "[false,\"five\"]");
	/* Cancelled while it waits, with the answer under way: nobody is told. */
	uint64_t id = start(&bed);
	loop_run(bed.loop, DURATION_SECOND);
	fake_reply(&bed.fake, fake_last(&bed.fake), 200, "");
	task_cancel(bed.tasks, id);
	loop_run(bed.loop, 0);
	EXPECT_INT(bed.told, 1);
	start(&bed);
	loop_run(bed.loop, loop_now(bed.loop));
	close_bed(&bed);
}
