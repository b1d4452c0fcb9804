#include "script/task.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "script/bind_crypto.h"
#include "script/bind_host.h"
#include "script/bind_wait.h"
#include "script/value.h"

const struct vm_module task_modules[] = {{"http", bind_http},
					 {"task", bind_task},
					 {"crypto", bind_crypto},
					 {"host", bind_host},
					 {NULL, NULL}};

/* Tasks are few at a time (the metrics of one second), so they are searched in a row. */
struct task {
	uint64_t id;
	struct tasks *tasks;
	struct driver *driver;
	lua_State *thread; /* kept alive by `reference` */
	int reference;
	char function[40];
	uint64_t deadline; /* timer */
	uint64_t waits;	   /* number of the wait: a wake for another one is late */
	uint64_t request, timer;
	struct http *port; /* that the request went to */
	cJSON *result;
	struct error err;
	task_done *done;
	void *owner;
	uint64_t token;
	struct task *next;
};

/* A wake of one wait. */
struct wake {
	uint64_t token, task, wait;
	struct wake *next;
};

struct tasks {
	struct loop *loop;
	struct http *http, *api;
	task_request *on_request; /* or NULL */
	struct task *list;
	struct wake *wakes;
	uint64_t ids;
};

struct tasks *tasks_new(struct loop *loop, struct http *http, struct http *api)
{
	struct tasks *tasks = xcalloc(1, sizeof(*tasks));
	tasks->loop = loop;
	tasks->http = http;
	tasks->api = api;
	return tasks;
}

void tasks_on_request(struct tasks *tasks, task_request *call)
{
	tasks->on_request = call;
}

static struct task *find(struct tasks *tasks, uint64_t id)
{
	struct task *task = tasks->list;
	while (task != NULL && task->id != id)
		task = task->next;
	return task;
}

/* ---- waits ---- */

static uint64_t add_wake(struct task *task)
{
	struct wake *wake = xmalloc(sizeof(*wake));
	*wake = (struct wake){.token = ++task->tasks->ids,
			      .task = task->id,
			      .wait = ++task->waits,
			      .next = task->tasks->wakes};
	task->tasks->wakes = wake;
	return wake->token;
}

/* The task that waits for this wake, or NULL; the wake is gone. */
static struct task *woken(struct tasks *tasks, uint64_t token)
{
	for (struct wake **at = &tasks->wakes; *at != NULL; at = &(*at)->next) {
		struct wake *wake = *at;
		if (wake->token != token)
			continue;
		struct task *task = find(tasks, wake->task);
		bool timely = task != NULL && task->waits == wake->wait;
		*at = wake->next;
		free(wake);
		return timely ? task : NULL;
	}
	return NULL;
}

static void stop_waiting(struct task *task)
{
	struct tasks *tasks = task->tasks;
	if (task->request != 0)
		task->port->ops->cancel(task->port, task->request);
	loop_cancel(tasks->loop, task->timer);
	task->request = 0;
	task->timer = 0;
	task->waits++;
	for (struct wake **at = &tasks->wakes; *at != NULL;) {
		struct wake *wake = *at;
		if (wake->task != task->id) {
			at = &wake->next;
			continue;
		}
		*at = wake->next;
		free(wake);
	}
}

static void task_free(struct task *task)
{
	struct task **at = &task->tasks->list;
	while (*at != task)
		at = &(*at)->next;
	*at = task->next;
	stop_waiting(task);
	loop_cancel(task->tasks->loop, task->deadline);
	if (task->thread != NULL) {
		lua_resetthread(task->thread);
		vm_drop(driver_vm(task->driver), task->reference);
	}
	cJSON_Delete(task->result);
	free(task);
}

/* ---- the end ---- */

static void report(void *owner, uint64_t id)
{
	struct task *task = find(owner, id);
	if (task == NULL)
		return;
	struct task ended = *task;
	task->result = NULL;
	task_free(task);
	ended.done(ended.owner, ended.token, ended.result,
		   ended.err.kind == ERROR_NONE ? NULL : &ended.err);
	cJSON_Delete(ended.result);
}

static void end(struct task *task)
{
	stop_waiting(task);
	loop_cancel(task->tasks->loop, task->deadline);
	task->deadline = 0;
	loop_ready(task->tasks->loop, report, task->tasks, task->id);
}

static void out_of_time(void *owner, uint64_t id)
{
	struct task *task = find(owner, id);
	if (task == NULL)
		return;
	task->deadline = 0;
	error_set(&task->err, ERROR_TIMEOUT, "%s: %s took too long", driver_path(task->driver),
		  task->function);
	end(task);
}

/* nil and a table with kind and message, or nil and a text. */
static void read_failure(struct task *task, const cJSON *why)
{
	const char *text = cJSON_GetStringValue(why);
	enum error_kind kind = ERROR_INVALID;
	if (cJSON_IsObject(why)) {
		text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(why, "message"));
		kind = error_kind_of(
			cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(why, "kind")));
	}
	error_set(&task->err, kind, "%s", text == NULL ? "failed without a word" : text);
}

static void returned(struct task *task, int count)
{
	lua_State *thread = task->thread;
	int first = lua_gettop(thread) - count + 1;
	if (count >= 1 && !lua_isnil(thread, first)) {
		if (!value_read_exact(thread, first, DRIVER_RESULT_MAX, &task->result, &task->err))
			error_wrap(&task->err, "%s: %s", driver_path(task->driver), task->function);
	} else if (count >= 2 && !lua_isnil(thread, first + 1)) {
		cJSON *why = NULL;
		if (value_read_exact(thread, first + 1, DRIVER_RESULT_MAX, &why, &task->err))
			read_failure(task, why);
		task->result = why;
	}
	end(task);
}

/* ---- running ---- */

static void resume(struct task *task, int count);

/* What a wait gave, pushed under protection and moved over to the thread. */
struct delivery {
	struct task *task;
	const struct http_reply *reply;
	int count;
};

static int push_delivery(lua_State *L)
{
	struct delivery *delivery = lua_touserdata(L, 1);
	const struct http_reply *reply = delivery->reply;
	lua_State *thread = delivery->task->thread;
	lua_settop(L, 0);
	if (reply == NULL)
		delivery->count = 0;
	else if (reply->error.kind != ERROR_NONE)
		delivery->count = wait_push_error(L, &reply->error);
	else
		delivery->count = wait_push_reply(L, reply);
	if (!lua_checkstack(thread, delivery->count + 1))
		return luaL_error(L, "the stack is full");
	lua_xmove(L, thread, delivery->count);
	return 0;
}

static void deliver(struct task *task, const struct http_reply *reply)
{
	struct delivery delivery = {task, reply, 0};
	task->request = 0;
	task->timer = 0;
	/* What was yielded is still there. */
	lua_settop(task->thread, 0);
	if (vm_call(driver_vm(task->driver), push_delivery, &delivery, 0, &task->err))
		resume(task, delivery.count);
	else
		end(task);
}

static void reply_came(void *owner, uint64_t token, const struct http_reply *reply)
{
	struct task *task = woken(owner, token);
	if (task != NULL)
		deliver(task, reply);
}

static void slept(void *owner, uint64_t token)
{
	struct task *task = woken(owner, token);
	if (task != NULL)
		deliver(task, NULL);
}

static void begin_wait(struct task *task)
{
	struct tasks *tasks = task->tasks;
	struct wait wait;
	wait_read(task->thread, &wait);
	switch (wait.kind) {
	case WAIT_HTTP:
		task->port =
			wait.request.url[0] == '/' && tasks->api != NULL ? tasks->api : tasks->http;
		if (tasks->on_request != NULL)
			tasks->on_request(task->owner, task->token, &wait.request);
		task->request =
			http_send(task->port, &wait.request, reply_came, tasks, add_wake(task));
		return;
	case WAIT_SLEEP:
		task->timer = loop_at(tasks->loop, loop_now(tasks->loop) + wait.sleep_us, slept,
				      tasks, add_wake(task));
		return;
	case WAIT_NONE:
		break;
	}
	error_set(&task->err, ERROR_BUG, "%s: %s waits for nothing", driver_path(task->driver),
		  task->function);
	end(task);
}

static void resume(struct task *task, int count)
{
	int results;
	switch (vm_resume(driver_vm(task->driver), task->thread, count, &results, &task->err)) {
	case VM_RETURNED:
		returned(task, results);
		break;
	case VM_YIELDED:
		begin_wait(task);
		break;
	case VM_FAILED:
		end(task);
		break;
	}
}

struct beginning {
	struct task *task;
	int table;
	const cJSON *argument;
};

/* A thread with the function and its argument on its stack. */
static int begin(lua_State *L)
{
	struct beginning *beginning = lua_touserdata(L, 1);
	struct task *task = beginning->task;
	lua_settop(L, 0);
	lua_State *thread = lua_newthread(L);
	driver_push(task->driver, beginning->table);
	if (lua_getfield(L, -1, task->function) != LUA_TFUNCTION)
		return luaL_error(L, "%s has no function %s", driver_path(task->driver),
				  task->function);
	lua_remove(L, -2);
	value_push_exact(L, beginning->argument);
	lua_xmove(L, thread, 2);
	task->thread = thread;
	return 1;
}

static void run_first(void *owner, uint64_t id)
{
	struct task *task = find(owner, id);
	if (task != NULL)
		resume(task, 1);
}

uint64_t task_start(struct tasks *tasks, struct driver *driver, int table, const char *function,
		    const cJSON *argument, int64_t timeout_us, task_done *done, void *owner,
		    uint64_t token)
{
	struct task *task = xcalloc(1, sizeof(*task));
	*task = (struct task){.id = ++tasks->ids,
			      .tasks = tasks,
			      .driver = driver,
			      .done = done,
			      .owner = owner,
			      .token = token,
			      .next = tasks->list};
	tasks->list = task;
	text_copy(task->function, sizeof(task->function), function);
	struct beginning beginning = {task, table, argument};
	if (vm_call(driver_vm(driver), begin, &beginning, 1, &task->err)) {
		task->reference = vm_keep(driver_vm(driver));
		task->deadline = loop_at(tasks->loop, loop_now(tasks->loop) + timeout_us,
					 out_of_time, tasks, task->id);
		loop_ready(tasks->loop, run_first, tasks, task->id);
	} else {
		task->thread = NULL;
		end(task);
	}
	return task->id;
}

void task_cancel(struct tasks *tasks, uint64_t id)
{
	struct task *task = find(tasks, id);
	if (task != NULL)
		task_free(task);
}

void tasks_free(struct tasks *tasks)
{
	if (tasks == NULL)
		return;
	struct task *next;
	for (struct task *task = tasks->list; task != NULL; task = next) {
		next = task->next;
		task_free(task);
	}
	loop_drop(tasks->loop, tasks);
	free(tasks);
}
