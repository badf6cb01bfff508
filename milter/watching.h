/* watching: OpenDKIM's tables, read again beside the messages' way when they
 * change; what is wrong with them is said once. */
#ifndef MILTER_WATCHING_H
#define MILTER_WATCHING_H

#include "milter/session.h"

/* All zero before the first look. */
struct watching {
	struct fault told[CLASS_COUNT]; /* FAULT_NONE: nothing is wrong */
};

/* Look at the tables of all classes that sign. To be called about once a
 * second, by one thread. */
void watching_look(struct watching *watching, struct services *services);

/* Read these tables as they are now, and call tell, once for each pair that has
 * them, with the first line or file at fault and how many more there are. For
 * those who have just changed them; the log is told by watching_look(), and
 * what is in force stays as it is. Any thread. */
void watching_ask(struct services *services,
    void (*tell)(void *context, const struct fault *fault), void *context);

#endif
