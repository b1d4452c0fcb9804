#include "cli/signals.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/mem.h"

struct signals {
	struct loop *loop;
	int fd;
	signals_call *call;
	void *owner;
};

static void heard(void *owner, int fd, unsigned events)
{
	struct signals *signals = owner;
	struct signalfd_siginfo info;
	(void)events;
	if (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		signals->call(signals->owner);
}

struct signals *signals_new(struct loop *loop, signals_call *call, void *owner)
{
	struct signals *signals = xcalloc(1, sizeof(*signals));
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* A peer that is gone is an error of the write, not our end. */
	signal(SIGPIPE, SIG_IGN);
	*signals =
		(struct signals){loop, signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), call, owner};
	if (signals->fd >= 0)
		loop_fd(loop, signals->fd, EPOLLIN, heard, signals);
	return signals;
}

void signals_free(struct signals *signals)
{
	if (signals == NULL)
		return;
	if (signals->fd >= 0) {
		loop_fd(signals->loop, signals->fd, 0, NULL, NULL);
		close(signals->fd);
	}
	free(signals);
}
