#include "milter/io/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum { FILE_MODE = 0640 };

int
log_sink_priority(enum log_level level)
{
	static const int priorities[] = {
		[LOG_LEVEL_ERROR] = LOG_ERR,
		[LOG_LEVEL_WARNING] = LOG_WARNING,
		[LOG_LEVEL_INFO] = LOG_INFO,
		[LOG_LEVEL_DEBUG] = LOG_DEBUG,
	};

	return priorities[level];
}

/* Does stderr lead to the journal? Only if it is the very stream that systemd
 * names in the environment: a shell below may have redirected it. */
static bool
stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat status;
	char ours[64];

	if (stream == NULL || fstat(STDERR_FILENO, &status) != 0)
		return false;
	snprintf(ours, sizeof(ours), "%ju:%ju", (uintmax_t)status.st_dev,
	    (uintmax_t)status.st_ino);
	return strcmp(stream, ours) == 0;
}

static bool
open_file(struct log_sink *sink, const char *file, struct fault *fault)
{
	/* A FIFO nobody reads is an error then, and a full one loses lines:
	 * either would block without the flag. Files don't care. */
	sink->fd = open(file,
	    O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
	    FILE_MODE);
	sink->has_time = true;
	if (sink->fd >= 0)
		return true;
	fault_set(fault, FAULT_PERMANENT,
	    "log.target %s: %s; the file, or its directory, must be there and "
	    "be writable by the daemon's user",
	    file, strerror(errno));
	return false;
}

static bool
open_stderr(struct log_sink *sink, struct fault *fault)
{
	/* Were it closed, the next file to be opened would be number 2, and
	 * the log would be written into it. */
	if (fcntl(STDERR_FILENO, F_GETFD) < 0) {
		fault_set(fault, FAULT_PERMANENT,
		    "log.target stderr: it is closed; start the daemon with "
		    "2>/dev/null or choose another target");
		return false;
	}
	sink->fd = STDERR_FILENO;
	sink->is_journal = stderr_is_journal();
	sink->has_time = !sink->is_journal;
	return true;
}

static bool
open_target(
    struct log_sink *sink, const struct log_conf *conf, struct fault *fault)
{
	switch (conf->target) {
	case LOG_TARGET_FILE:
		return open_file(sink, conf->file, fault);
	case LOG_TARGET_STDERR:
		return open_stderr(sink, fault);
	case LOG_TARGET_SYSLOG:
		break;
	}
	/* Connected now, while /dev/log can be reached. A syslogd that isn't
	 * there loses lines and stops nothing. Never closed: the connection
	 * is the process's, and a line may be on its way in another thread. */
	openlog("postern", LOG_PID | LOG_NDELAY, LOG_MAIL);
	return true;
}

struct log_sink *
log_sink_open(const struct log_conf *conf, struct fault *fault)
{
	struct log_sink *sink = calloc(1, sizeof(*sink));

	if (sink == NULL) {
		fault_memory(fault);
		return NULL;
	}
	sink->target = conf->target;
	sink->format = conf->format;
	sink->level = conf->level;
	sink->fd = -1;
	atomic_init(&sink->holders, 1);
	atomic_init(&sink->is_torn, false);
	atomic_init(&sink->losses, 0);
	if (!open_target(sink, conf, fault)) {
		free(sink);
		return NULL;
	}
	return sink;
}

struct log_sink *
log_sink_hold(struct log_sink *sink)
{
	atomic_fetch_add(&sink->holders, 1);
	return sink;
}

void
log_sink_release(struct log_sink **sink)
{
	if (atomic_fetch_sub(&(*sink)->holders, 1) == 1) {
		if ((*sink)->target == LOG_TARGET_FILE)
			close((*sink)->fd);
		free(*sink);
	}
	*sink = NULL;
}

/* write(2) that raises no signal, whatever the process does about signals:
 * SIGPIPE when nobody reads stderr any more, SIGXFSZ at a limit on the size
 * of files. Both go to the thread that writes, so it can take them back. */
static ssize_t
write_quietly(int fd, const char *data, size_t length)
{
	static const struct timespec now = { 0, 0 };
	sigset_t quiet, before, pending;
	ssize_t written;
	int error;

	sigemptyset(&quiet);
	sigaddset(&quiet, SIGPIPE);
	sigaddset(&quiet, SIGXFSZ);
	sigemptyset(&pending);
	pthread_sigmask(SIG_BLOCK, &quiet, &before);
	sigpending(&pending);
	do {
		written = write(fd, data, length);
	} while (written < 0 && errno == EINTR);
	error = errno;

	/* Those that were pending before aren't ours to take. */
	if (sigismember(&pending, SIGPIPE) == 1)
		sigdelset(&quiet, SIGPIPE);
	if (sigismember(&pending, SIGXFSZ) == 1)
		sigdelset(&quiet, SIGXFSZ);
	if (written < 0 && (error == EPIPE || error == EFBIG))
		sigtimedwait(&quiet, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return written;
}

static bool
write_line(struct log_sink *sink, const char *octets, size_t length)
{
	bool was_torn = atomic_exchange(&sink->is_torn, false);
	ssize_t written;

	if (!was_torn) {
		octets++;
		length--;
	}
	written = write_quietly(sink->fd, octets, length);
	if (written == (ssize_t)length)
		return true;
	if (written > 0 || was_torn)
		atomic_store(&sink->is_torn, true);
	return false;
}

bool
log_sink_write(struct log_sink *sink, enum log_level level, const char *octets,
    size_t length)
{
	if (sink->target == LOG_TARGET_SYSLOG) {
		syslog(log_sink_priority(level), "%.*s", (int)(length - 2),
		    octets + 1);
		return true;
	}
	if (write_line(sink, octets, length))
		return true;
	atomic_fetch_add(&sink->losses, 1);
	return false;
}
