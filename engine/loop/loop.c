#include "loop/loop.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/mem.h"
#include "loop/timer.h"

enum { EVENTS_A_TURN = 256, FIRST_ROOM = 64, SLEW = 64 };

struct work {
	loop_call *call;
	void *owner;
	uint64_t token;
};

/* `serial` tells a descriptor from an earlier one of the same number: what epoll reported about
 * the earlier one is not delivered to its successor. */
struct watcher {
	loop_fd_call *call; /* NULL: nobody */
	void *owner;
	uint32_t serial;
};

struct loop {
	bool is_virtual;
	bool stopped;
	int64_t now;
	int64_t monotonic; /* real: when `now` was read */
	struct timers *timers;
	struct work *queue; /* a ring of `room` (a power of two) from `head` on */
	size_t head, count, room;
	int epoll;
	struct watcher *watchers; /* by descriptor */
	size_t watcher_room, watching;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	abort();
}

static int64_t clock_us(clockid_t clock)
{
	struct timespec time;
	if (clock_gettime(clock, &time) != 0)
		die("clock_gettime");
	return (int64_t)time.tv_sec * DURATION_SECOND + time.tv_nsec / 1000;
}

/*
 * The wall clock, which somebody may set back. Then time goes on at the pace of the monotonic
 * clock, slower by a 64th until the wall clock has caught up: standing still would stop all timers
 * and let a lease look valid that is not.
 */
static int64_t clock_after(const struct loop *loop, int64_t monotonic)
{
	int64_t wall = clock_us(CLOCK_REALTIME);
	int64_t passed = monotonic - loop->monotonic;
	int64_t least = loop->now + passed - passed / SLEW;
	return wall > least ? wall : least;
}

static void read_clock(struct loop *loop)
{
	int64_t monotonic = clock_us(CLOCK_MONOTONIC);
	loop->now = clock_after(loop, monotonic);
	loop->monotonic = monotonic;
}

struct loop *loop_new(void)
{
	struct loop *loop = xcalloc(1, sizeof(*loop));
	loop->timers = timers_new();
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0)
		die("epoll_create1");
	loop->now = clock_us(CLOCK_REALTIME);
	loop->monotonic = clock_us(CLOCK_MONOTONIC);
	return loop;
}

struct loop *loop_new_virtual(int64_t start_us)
{
	struct loop *loop = xcalloc(1, sizeof(*loop));
	loop->is_virtual = true;
	loop->timers = timers_new();
	loop->epoll = -1;
	loop->now = start_us;
	return loop;
}

void loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	if (loop->epoll >= 0)
		close(loop->epoll);
	timers_free(loop->timers);
	free(loop->queue);
	free(loop->watchers);
	free(loop);
}

bool loop_is_virtual(const struct loop *loop)
{
	return loop->is_virtual;
}

int64_t loop_now(const struct loop *loop)
{
	return loop->now;
}

int64_t loop_clock(const struct loop *loop)
{
	return loop->is_virtual ? loop->now : clock_after(loop, clock_us(CLOCK_MONOTONIC));
}

static void grow_queue(struct loop *loop)
{
	size_t room = loop->room > 0 ? loop->room * 2 : FIRST_ROOM;
	struct work *queue = xcalloc(room, sizeof(*queue));
	for (size_t i = 0; i < loop->count; i++)
		queue[i] = loop->queue[(loop->head + i) & (loop->room - 1)];
	free(loop->queue);
	loop->queue = queue;
	loop->room = room;
	loop->head = 0;
}

void loop_ready(struct loop *loop, loop_call *call, void *owner, uint64_t token)
{
	if (loop->count == loop->room)
		grow_queue(loop);
	size_t tail = (loop->head + loop->count++) & (loop->room - 1);
	loop->queue[tail] = (struct work){.call = call, .owner = owner, .token = token};
}

static void nothing(void *owner, uint64_t token)
{
	(void)owner;
	(void)token;
}

void loop_drop(struct loop *loop, const void *owner)
{
	for (size_t i = 0; i < loop->count; i++) {
		struct work *work = &loop->queue[(loop->head + i) & (loop->room - 1)];
		if (work->owner == owner)
			*work = (struct work){.call = nothing};
	}
}

uint64_t loop_at(struct loop *loop, int64_t when_us, loop_call *call, void *owner, uint64_t token)
{
	/* What is overdue when it is asked for takes its turn behind what is due already. */
	int64_t when = when_us > loop->now ? when_us : loop->now;
	return timers_add(loop->timers, when, call, owner, token);
}

void loop_cancel(struct loop *loop, uint64_t timer)
{
	timers_cancel(loop->timers, timer);
}

static struct watcher *watcher_at(struct loop *loop, int fd)
{
	size_t wanted = (size_t)fd + 1;
	if (wanted > loop->watcher_room) {
		size_t room = loop->watcher_room > 0 ? loop->watcher_room * 2 : FIRST_ROOM;
		room = room > wanted ? room : wanted;
		loop->watchers = xrealloc(loop->watchers, room * sizeof(*loop->watchers));
		memset(loop->watchers + loop->watcher_room, 0,
		       (room - loop->watcher_room) * sizeof(*loop->watchers));
		loop->watcher_room = room;
	}
	return &loop->watchers[fd];
}

static void forget(struct loop *loop, int fd, struct watcher *watcher)
{
	if (watcher->call == NULL)
		return;
	watcher->call = NULL;
	watcher->owner = NULL;
	watcher->serial++;
	loop->watching--;
	epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL); /* fails when it is closed already */
}

void loop_fd(struct loop *loop, int fd, unsigned events, loop_fd_call *call, void *owner)
{
	assert(!loop->is_virtual && fd >= 0 && (events == 0 || call != NULL));
	struct watcher *watcher = watcher_at(loop, fd);
	if (events == 0) {
		forget(loop, fd, watcher);
		return;
	}
	bool known = watcher->call != NULL;
	watcher->call = call;
	watcher->owner = owner;
	loop->watching += !known;
	struct epoll_event event = {
		.events = events,
		.data.u64 = (uint64_t)watcher->serial << 32 | (uint32_t)fd,
	};
	if (epoll_ctl(loop->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) == 0)
		return;
	/* The number was closed and opened again behind our back. */
	bool reused = known ? errno == ENOENT : errno == EEXIST;
	if (!reused ||
	    epoll_ctl(loop->epoll, known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) != 0)
		die("epoll_ctl");
}

static void run_ready(struct loop *loop)
{
	for (size_t left = loop->count; left > 0; left--) {
		struct work work = loop->queue[loop->head];
		loop->head = (loop->head + 1) & (loop->room - 1);
		loop->count--;
		work.call(work.owner, work.token);
	}
}

/* Those that are due and were there when the turn began. */
static void run_timers(struct loop *loop)
{
	uint64_t newer = timers_next_order(loop->timers);
	const struct timer *first = timers_first(loop->timers);
	while (first != NULL && first->when_us <= loop->now && first->order < newer) {
		struct timer timer = timers_take(loop->timers);
		timer.call(timer.owner, timer.token);
		first = timers_first(loop->timers);
	}
}

static bool turn_virtual(struct loop *loop, int64_t until_us)
{
	if (loop->count > 0) {
		run_ready(loop);
		return true;
	}
	const struct timer *first = timers_first(loop->timers);
	if (first == NULL || (until_us > 0 && first->when_us > until_us))
		return false;
	if (first->when_us > loop->now)
		loop->now = first->when_us;
	run_timers(loop);
	return true;
}

/* How long to sleep in milliseconds, rounded up: a timer never fires early. -1: no end. */
static int sleep_ms(const struct loop *loop, int64_t until_us)
{
	const struct timer *first = timers_first(loop->timers);
	int64_t until = first != NULL ? first->when_us : INT64_MAX;
	if (until_us > 0 && until_us < until)
		until = until_us;
	if (loop->count > 0 || until <= loop->now)
		return 0;
	if (until == INT64_MAX)
		return -1;
	int64_t ms = (until - loop->now + DURATION_MS - 1) / DURATION_MS;
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

static bool turn_real(struct loop *loop, int64_t until_us)
{
	if (loop->count == 0 && loop->watching == 0 && timers_first(loop->timers) == NULL)
		return false;
	struct epoll_event events[EVENTS_A_TURN];
	int count = epoll_wait(loop->epoll, events, EVENTS_A_TURN, sleep_ms(loop, until_us));
	if (count < 0 && errno != EINTR)
		die("epoll_wait");
	read_clock(loop);
	run_ready(loop);
	run_timers(loop);
	for (int i = 0; i < count; i++) {
		uint32_t fd = (uint32_t)events[i].data.u64;
		const struct watcher *watcher = &loop->watchers[fd];
		if (watcher->call != NULL && watcher->serial == events[i].data.u64 >> 32)
			watcher->call(watcher->owner, (int)fd, events[i].events);
	}
	return true;
}

void loop_run(struct loop *loop, int64_t until_us)
{
	loop->stopped = false;
	if (loop->is_virtual) {
		while (!loop->stopped && turn_virtual(loop, until_us))
			continue;
		if (!loop->stopped && loop->now < until_us)
			loop->now = until_us;
		return;
	}
	while (!loop->stopped && (until_us == 0 || loop->now < until_us)) {
		if (!turn_real(loop, until_us))
			return;
	}
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}

bool loop_turn(struct loop *loop)
{
	return loop->is_virtual ? turn_virtual(loop, 0) : turn_real(loop, 0);
}
