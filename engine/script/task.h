/*
 * task.h - one run of a driver's function that may wait for the world.
 *
 * The function is straight-line Lua: `http.request{…}` and `task.sleep(…)` return later. While it
 * waits it owns only a suspended stack; whoever will wake it holds the task's id and the number of
 * the wait, good for one wake of that wait. A late or duplicate wake finds nobody and does nothing.
 *
 * A task has a deadline for all of it. What the function returns, or why it failed, comes from the
 * loop's ready queue, once, unless the task was cancelled.
 */
#ifndef SLUICE_SCRIPT_TASK_H
#define SLUICE_SCRIPT_TASK_H

#include <cjson/cJSON.h>

#include "loop/loop.h"
#include "ports.h"
#include "script/driver.h"

struct tasks;

/* What drivers that wait may require, besides json: http, task, crypto. */
extern const struct vm_module task_modules[];

/* `result` is what the function returned first, exactly, or NULL for nil; borrowed. `err` is NULL
 * when it returned; else why it did not: what it raised, or returned as its second value (a text,
 * or a table with `kind` and `message`; this is `result` then), or ERROR_TIMEOUT. */
typedef void task_done(void *owner, uint64_t token, const cJSON *result, const struct error *err);

/* All are borrowed. URLs that are a path ("/apis/…") go to `api`, the API server; NULL: there is
 * none. */
struct tasks *tasks_new(struct loop *loop, struct http *http, struct http *api);
/* Cancels all. Before the drivers are freed. */
void tasks_free(struct tasks *tasks);

/* Told of each request of a task before it is sent, with the owner and token of task_start. */
typedef void task_request(void *owner, uint64_t token, const struct http_request *request);
void tasks_on_request(struct tasks *tasks, task_request *call);

/* Runs `function` of the driver's table later; `argument` is borrowed until this returns. An id. */
uint64_t task_start(struct tasks *tasks, struct driver *driver, int table, const char *function,
		    const cJSON *argument, int64_t timeout_us, task_done *done, void *owner,
		    uint64_t token);
void task_cancel(struct tasks *tasks, uint64_t id);

#endif
