#include "spec.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/duration.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "loop/timer.h"

/* What ran, as text: each call adds its token. */
struct diary {
	struct loop *loop;
	struct buf text;
	uint64_t timer;
};

static void diary_init(struct diary *diary, struct loop *loop)
{
	*diary = (struct diary){.loop = loop};
	buf_init(&diary->text, 10000);
}

static void diary_fini(struct diary *diary)
{
	buf_fini(&diary->text);
	loop_free(diary->loop);
}

static void note(void *owner, uint64_t token)
{
	struct diary *diary = owner;
	buf_printf(&diary->text, "%d ", (int)token);
}

static void note_and_queue(void *owner, uint64_t token)
{
	struct diary *diary = owner;
	note(owner, token);
	loop_ready(diary->loop, note, diary, token + 1);
}

static void note_and_cancel(void *owner, uint64_t token)
{
	struct diary *diary = owner;
	note(owner, token);
	loop_cancel(diary->loop, diary->timer);
}

static void note_and_stop(void *owner, uint64_t token)
{
	struct diary *diary = owner;
	note(owner, token);
	loop_stop(diary->loop);
}

static void again_at_once(void *owner, uint64_t token)
{
	struct diary *diary = owner;
	note(owner, token);
	if (token > 0)
		loop_at(diary->loop, 0, again_at_once, diary, token - 1);
}

SPEC("loop: ready work comes before timers, timers by time and then by creation")
{
	struct diary diary;
	diary_init(&diary, loop_new_virtual(1000));
	loop_at(diary.loop, 3000, note, &diary, 4);
	loop_at(diary.loop, 2000, note, &diary, 2);
	loop_at(diary.loop, 2000, note, &diary, 3);
	loop_ready(diary.loop, note, &diary, 1);
	EXPECT_TEXT(diary.text.text, "");
	loop_run(diary.loop, 0);
	EXPECT_TEXT(diary.text.text, "1 2 3 4 ");
	EXPECT_INT(loop_now(diary.loop), 3000);
	EXPECT(!loop_turn(diary.loop));
	diary_fini(&diary);
}

SPEC("loop: a turn is what was ready, or the timers of one instant")
{
	struct diary diary;
	diary_init(&diary, loop_new_virtual(0));
	loop_ready(diary.loop, note_and_queue, &diary, 1);
	loop_at(diary.loop, 10, note_and_queue, &diary, 5);
	loop_at(diary.loop, 10, note, &diary, 7);
	loop_at(diary.loop, 11, note, &diary, 8);
	EXPECT(loop_turn(diary.loop));
	EXPECT_TEXT(diary.text.text, "1 ");
	EXPECT(loop_turn(diary.loop));
	EXPECT_TEXT(diary.text.text, "1 2 ");
	EXPECT(loop_turn(diary.loop));
	EXPECT_TEXT(diary.text.text, "1 2 5 7 ");
	EXPECT_INT(loop_now(diary.loop), 10);
	EXPECT(loop_turn(diary.loop) && loop_turn(diary.loop) && !loop_turn(diary.loop));
	EXPECT_TEXT(diary.text.text, "1 2 5 7 6 8 ");
	diary_fini(&diary);
}

SPEC("loop: a timer that is cancelled by an earlier one of its instant does not run")
{
	struct diary diary;
	diary_init(&diary, loop_new_virtual(0));
	loop_at(diary.loop, 5, note_and_cancel, &diary, 1);
	diary.timer = loop_at(diary.loop, 5, note, &diary, 2);
	loop_run(diary.loop, 0);
	EXPECT_TEXT(diary.text.text, "1 ");
	loop_cancel(diary.loop, diary.timer);
	loop_cancel(diary.loop, 0);
	loop_cancel(diary.loop, UINT64_MAX);
	uint64_t next = loop_at(diary.loop, 9, note, &diary, 3);
	EXPECT(next != diary.timer);
	loop_cancel(diary.loop, diary.timer);
	loop_run(diary.loop, 0);
	EXPECT_TEXT(diary.text.text, "1 3 ");
	diary_fini(&diary);
}

SPEC("loop: a time in the past is now, and the virtual clock stands still for it")
{
	struct diary diary;
	diary_init(&diary, loop_new_virtual(50));
	again_at_once(&diary, 3);
	loop_run(diary.loop, 0);
	EXPECT_TEXT(diary.text.text, "3 2 1 0 ");
	EXPECT_INT(loop_now(diary.loop), 50);
	diary_fini(&diary);
}

SPEC("loop: a bounded virtual run ends with its clock at the bound")
{
	struct diary diary;
	diary_init(&diary, loop_new_virtual(0));
	loop_at(diary.loop, 100, note, &diary, 1);
	loop_at(diary.loop, 101, note, &diary, 2);
	loop_run(diary.loop, 100);
	EXPECT_TEXT(diary.text.text, "1 ");
	EXPECT_INT(loop_now(diary.loop), 100);
	loop_run(diary.loop, 500);
	EXPECT_TEXT(diary.text.text, "1 2 ");
	EXPECT_INT(loop_now(diary.loop), 500);
	loop_at(diary.loop, 600, note_and_stop, &diary, 3);
	loop_at(diary.loop, 601, note, &diary, 4);
	loop_run(diary.loop, 1000);
	EXPECT_INT(loop_now(diary.loop), 600);
	EXPECT_TEXT(diary.text.text, "1 2 3 ");
	diary_fini(&diary);
}

SPEC("loop: many timers run in order whatever was cancelled between")
{
	struct diary diary;
	diary_init(&diary, loop_new_virtual(0));
	uint64_t ids[1000];
	for (uint64_t i = 0; i < ARRAY_LEN(ids); i++)
		ids[i] = loop_at(diary.loop, (int64_t)(i * 7919 % 1000), note, &diary,
				 i * 7919 % 1000);
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		if (i * 7919 % 1000 % 3 != 0)
			loop_cancel(diary.loop, ids[i]);
	loop_run(diary.loop, 0);
	SCOPED(buf) struct buf wanted;
	buf_init(&wanted, 10000);
	for (int i = 0; i < 1000; i += 3)
		buf_printf(&wanted, "%d ", i);
	EXPECT_TEXT(diary.text.text, wanted.text);
	diary_fini(&diary);
}

SPEC("loop: the queue grows and keeps its order")
{
	struct diary diary;
	diary_init(&diary, loop_new_virtual(0));
	SCOPED(buf) struct buf wanted;
	buf_init(&wanted, 10000);
	for (uint64_t i = 0; i < 50; i++)
		loop_ready(diary.loop, note, &diary, i);
	loop_turn(diary.loop);
	for (uint64_t i = 50; i < 1000; i++)
		loop_ready(diary.loop, note, &diary, i);
	loop_turn(diary.loop);
	for (int i = 0; i < 1000; i++)
		buf_printf(&wanted, "%d ", i);
	EXPECT_TEXT(diary.text.text, wanted.text);
	diary_fini(&diary);
}

/* ---- the real one */

static void read_and_note(void *owner, int fd, unsigned events)
{
	struct diary *diary = owner;
	char c;
	EXPECT(events & EPOLLIN);
	EXPECT_INT(read(fd, &c, 1), 1);
	buf_printf(&diary->text, "%c ", c);
	loop_fd(diary->loop, fd, 0, NULL, NULL);
}

SPEC("loop: the real loop runs ready work, due timers, then descriptors")
{
	struct diary diary;
	diary_init(&diary, loop_new());
	int ends[2];
	EXPECT_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	EXPECT_INT(write(ends[1], "x", 1), 1);
	loop_fd(diary.loop, ends[0], EPOLLIN, read_and_note, &diary);
	loop_at(diary.loop, loop_now(diary.loop), note, &diary, 2);
	loop_ready(diary.loop, note, &diary, 1);
	loop_run(diary.loop, 0);
	EXPECT_TEXT(diary.text.text, "1 2 x ");
	close(ends[0]);
	close(ends[1]);
	diary_fini(&diary);
}

struct pair {
	struct diary diary;
	int one[2], other[2], third;
};

/* Forgets and closes the other pair, and watches a new descriptor of the same number. */
static void swap_the_other(void *owner, int fd, unsigned events)
{
	struct pair *pair = owner;
	bool is_one = fd == pair->one[0];
	int *other = is_one ? pair->other : pair->one;
	EXPECT(events & EPOLLIN);
	buf_puts(&pair->diary.text, "once ");
	loop_fd(pair->diary.loop, fd, 0, NULL, NULL);
	loop_fd(pair->diary.loop, other[0], 0, NULL, NULL);
	int number = other[0];
	close(other[0]);
	int fresh[2];
	EXPECT_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, fresh), 0);
	EXPECT_INT(fresh[0], number);
	other[0] = fresh[0];
	pair->third = fresh[1];
	loop_fd(pair->diary.loop, fresh[0], EPOLLIN, swap_the_other, pair);
	loop_stop(pair->diary.loop);
}

SPEC("loop: what happened to a descriptor is not told to the next one of its number")
{
	struct pair pair = {0};
	diary_init(&pair.diary, loop_new());
	EXPECT_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair.one), 0);
	EXPECT_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair.other), 0);
	EXPECT_INT(write(pair.one[1], "x", 1) + write(pair.other[1], "x", 1), 2);
	loop_fd(pair.diary.loop, pair.one[0], EPOLLIN, swap_the_other, &pair);
	loop_fd(pair.diary.loop, pair.other[0], EPOLLIN, swap_the_other, &pair);
	loop_run(pair.diary.loop, 0);
	EXPECT_TEXT(pair.diary.text.text, "once ");
	close(pair.one[0]);
	close(pair.one[1]);
	close(pair.other[0]);
	close(pair.other[1]);
	close(pair.third);
	diary_fini(&pair.diary);
}

SPEC("loop: the real clock is the wall clock, still within a turn, and timers are not early")
{
	struct diary diary;
	diary_init(&diary, loop_new());
	int64_t start = loop_now(diary.loop);
	EXPECT(start > INT64_C(1700000000) * DURATION_SECOND);
	loop_at(diary.loop, start + 1500, note, &diary, 1);
	loop_run(diary.loop, 0);
	EXPECT_TEXT(diary.text.text, "1 ");
	EXPECT(loop_now(diary.loop) >= start + 1500);
	EXPECT(!loop_turn(diary.loop));
	diary_fini(&diary);
}

SPEC("loop: a timer is found by its id alone")
{
	struct timers *timers = timers_new();
	uint64_t one = timers_add(timers, 5, note, NULL, 1);
	timers_cancel(timers, one);
	uint64_t two = timers_add(timers, 6, note, NULL, 2);
	EXPECT(one != 0 && two != 0 && one != two);
	timers_cancel(timers, one);
	EXPECT_INT(timers_first(timers)->token, 2);
	EXPECT_INT(timers_take(timers).when_us, 6);
	timers_cancel(timers, two);
	EXPECT(timers_first(timers) == NULL);
	timers_free(timers);
}

SPEC("loop: work that was ready for somebody who left is dropped, and nobody else's")
{
	struct diary stays, leaves;
	diary_init(&stays, loop_new_virtual(1000));
	leaves = (struct diary){.loop = stays.loop};
	buf_init(&leaves.text, 1000);
	loop_ready(stays.loop, note, &stays, 1);
	loop_ready(stays.loop, note, &leaves, 2);
	loop_ready(stays.loop, note, &stays, 3);
	loop_drop(stays.loop, &leaves);
	loop_run(stays.loop, 0);
	EXPECT_TEXT(stays.text.text, "1 3 ");
	EXPECT_TEXT(leaves.text.text, "");
	buf_fini(&leaves.text);
	diary_fini(&stays);
}

SPEC("loop: the clock of this instant runs on within a turn, and is never behind the turn's")
{
	struct loop *real = loop_new(), *virtual = loop_new_virtual(7);
	int64_t now = loop_now(real), last = now;
	for (int i = 0; i < 1000 || last == now; i++) {
		int64_t clock = loop_clock(real);
		EXPECT(clock >= last);
		last = clock;
	}
	EXPECT_INT(loop_now(real), now);
	EXPECT_INT(loop_clock(virtual), 7);
	loop_free(real);
	loop_free(virtual);
}
