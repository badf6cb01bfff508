#include "milter/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* A handler is given no argument of ours. Written once, before the handlers
 * are set. */
static int handler_fd = -1;

static void
on_signal(int number)
{
	int before = errno;
	char octet = number == SIGHUP || number == SIGUSR1 ? SIGNALS_RELOAD
							   : SIGNALS_STOP;
	/* A full pipe has already got more than enough of them. */
	ssize_t ignored = write(handler_fd, &octet, 1);

	(void)ignored;
	errno = before;
}

bool
signals_catch(int pipe_fd, struct fault *fault)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };
	struct sigaction action = { .sa_handler = on_signal,
		.sa_flags = SA_RESTART };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	handler_fd = pipe_fd;
	sigemptyset(&action.sa_mask);
	sigemptyset(&ignore.sa_mask);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (sigaction(numbers[i], &action, NULL) != 0) {
			fault_set(fault, FAULT_PERMANENT, "signals: %s",
			    strerror(errno));
			return false;
		}
	}
	return sigaction(SIGPIPE, &ignore, NULL) == 0;
}

bool
signals_attributes(pthread_attr_t *attributes, struct fault *fault)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	if (pthread_attr_init(attributes) == 0
	    && pthread_attr_setsigmask_np(attributes, &set) == 0)
		return true;
	fault_memory(fault);
	return false;
}

/* libmilter has a thread of its own that waits for SIGTERM, SIGINT and SIGHUP,
 * and stops at each without letting messages end (seen in 8.17). There is no
 * way to do without that thread, and which of two waiting threads gets a
 * signal nobody says. So sigwait(3), which nothing else in this process calls,
 * is ours: the thread waits for ever, and signals come to the handlers. */
int
sigwait(const sigset_t *set, int *number)
{
	(void)set;
	(void)number;
	for (;;)
		(void)pause();
}
