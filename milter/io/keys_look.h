/* keys_look: what a look at a place where keys are kept finds, and what it is
 * compared with. Mere data. Private to keys. */
#ifndef MILTER_IO_KEYS_LOOK_H
#define MILTER_IO_KEYS_LOOK_H

#include "milter/io/keys_set.h"

enum keys_finding { KEYS_NONE, KEYS_THERE, KEYS_FAULTY };

/* What a look found. */
struct key_look {
	enum keys_finding finding;
	/* Nothing was changed so shortly before the look that a further change
	 * might leave the same stamp. */
	bool is_settled;
	/* If KEYS_FAULTY: it was changed so shortly before that somebody may
	 * still be writing. What was there before is better. */
	bool may_pass;
	/* One holder, the caller. If KEYS_NONE, NULL or without a key: then it
	 * tells of the directory. */
	struct key_set *set;
	struct fault fault; /* if KEYS_FAULTY */
};

/* What is known already, of which nothing is at fault and all was settled. */
struct key_known {
	bool is_there;       /* else nothing is */
	struct key_set *set; /* as in key_look; held */
};

#endif
