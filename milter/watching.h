/* watching: OpenDKIM's tables, read again beside the messages' way when they
 * change; what is wrong with them is said once. One user at a time. */
#ifndef MILTER_WATCHING_H
#define MILTER_WATCHING_H

#include "milter/session.h"

/* All zero before the first look. */
struct watching {
	struct fault told[CLASS_COUNT]; /* FAULT_NONE: nothing is wrong */
};

/* Look at the tables of all classes that sign. To be called about once a
 * second. */
void watching_look(struct watching *watching, struct services *services);

#endif
