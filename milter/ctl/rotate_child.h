/* rotate_child: runs a program that publishes records, without a shell: text on
 * its standard input, a bounded time, the first words that it prints. Any
 * number of threads may each run one. */
#ifndef MILTER_CTL_ROTATE_CHILD_H
#define MILTER_CTL_ROTATE_CHILD_H

#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ROTATE_CHILD_MS = 60000, ROTATE_CHILD_WORDS_BYTES = 300 };

/* How it ended. */
struct rotate_child {
	int status;   /* exit status; -1: killed by a signal */
	bool is_late; /* it was killed, as its time was over */
	char words[ROTATE_CHILD_WORDS_BYTES]; /* its first line, cleaned */
};

/* Run arguments[0], looked for in the system's directories, whatever
 * PATH is, if it has no slash, with input on its
 * standard input, and wait till it ends, timeout_ms at most: then it is killed,
 * with all that it has started in its process group. False with words: it can't
 * be run (FAULT_PERMANENT if it isn't there), or no memory. */
bool rotate_child_run(const char *const *arguments, const char *input,
    uint64_t timeout_ms, struct rotate_child *child_out, struct fault *fault);

#endif
