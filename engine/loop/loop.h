/*
 * loop.h - the one thread: ready work first, then the earliest timer, then the world.
 *
 * The real loop sleeps in epoll until a descriptor or a timer wakes it. The virtual loop has no
 * descriptors; when nothing is ready it moves its clock to the earliest timer. Everything above
 * behaves the same on both.
 *
 * Nothing is called from inside the call that asked for it: `loop_ready` and timers run later, from
 * the loop, in the order they were queued (timers: by time, then by order of creation). Ids are
 * never reused; cancelling a dead id is nothing.
 */
#ifndef SLUICE_LOOP_LOOP_H
#define SLUICE_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

typedef void loop_call(void *owner, uint64_t token);
typedef void loop_fd_call(void *owner, int fd, unsigned events); /* EPOLLIN | EPOLLOUT | … */

struct loop *loop_new(void);
struct loop *loop_new_virtual(int64_t start_us);
void loop_free(struct loop *loop);
bool loop_is_virtual(const struct loop *loop);

/* Microseconds since 1970, the same during one turn. Never goes back. The only clock there is. */
int64_t loop_now(const struct loop *loop);
/* The same clock read at this very instant, for a promise that must not be stale because the
 * process was stopped in mid-turn. Virtual: loop_now. */
int64_t loop_clock(const struct loop *loop);

void loop_ready(struct loop *loop, loop_call *call, void *owner, uint64_t token);
/* What is ready for this owner will not be called: for its _free. O(all that is ready). */
void loop_drop(struct loop *loop, const void *owner);
uint64_t loop_at(struct loop *loop, int64_t when_us, loop_call *call, void *owner, uint64_t token);
void loop_cancel(struct loop *loop, uint64_t timer);

/* Real loop only. One watcher a descriptor; `events` 0 forgets it. Forget before close(2): numbers
 * are reused. */
void loop_fd(struct loop *loop, int fd, unsigned events, loop_fd_call *call, void *owner);

/* Runs until loop_stop, until nothing is left to do (nobody waits for a timer or a descriptor), or
 * until the clock would pass `until_us` (0: no bound). A virtual clock that was not stopped then
 * stands at the bound, even when nothing was left to do. */
void loop_run(struct loop *loop, int64_t until_us);
void loop_stop(struct loop *loop);
/* One turn: what is ready, or the timers of the earliest instant (real: what is ready, then due
 * timers, then descriptors). False when nothing was left to do. */
bool loop_turn(struct loop *loop);

#endif
