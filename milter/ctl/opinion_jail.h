/* opinion_jail: a process gives up all it doesn't need before it lets a
 * library that may be broken read what strangers have written. */
#ifndef MILTER_CTL_OPINION_JAIL_H
#define MILTER_CTL_OPINION_JAIL_H

#include <stdbool.h>

enum {
	OPINION_JAIL_CPU_S = 2,   /* of computing */
	OPINION_JAIL_WALL_S = 30, /* from beginning to end */
	OPINION_JAIL_BYTES = 256 * 1024 * 1024,
};

/* For good: no other user than nobody if this process is root, no new file,
 * socket or process, no core file, little memory and time (a signal ends it),
 * and where the kernel can do it no system call but those for memory and for
 * the sockets that are open. False: it could not be done, and nothing of
 * strangers may be read. The process must have one thread. */
bool opinion_jail_enter(void);

#endif
