/* runner: runs Postfix's own programs on its queue as root, for a posternctl
 * that has become the daemon's user: a process of its own that is told which
 * program and which messages, and nothing else, and hands back what the program
 * prints. What is printed is read without root's rights. */
#ifndef MILTER_CTL_RUNNER_H
#define MILTER_CTL_RUNNER_H

#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	RUNNER_IDS = 100,      /* most messages of one program */
	RUNNER_ID_OCTETS = 31, /* longest queue id; Postfix's have 20 */
};

enum runner_program {
	RUNNER_HOST,     /* postconf -h myhostname */
	RUNNER_LIST,     /* postqueue -j */
	RUNNER_ENVELOPE, /* postcat -e -q ID... */
	RUNNER_HOLD,     /* postsuper -h ID... */
};

struct runner;

/* Start the process, before this one gives up its rights and before it has
 * threads. directory: Postfix's configuration (its -c), or NULL. NULL with
 * words. */
struct runner *runner_open(const char *directory, struct fault *fault);

/* Can text be the id of a message? Letters and digits, as many as fit, but for
 * ALL, which means all messages to Postfix. */
bool runner_is_id(const char *text);

/* Start a program on count messages (0 for those that take none, at most
 * RUNNER_IDS, each runner_is_id()). Returns the descriptor of what it prints,
 * to be read to its end and closed; -1 with words. One at a time. */
int runner_start(struct runner *runner, enum runner_program program,
    const char *const *ids, size_t count, struct fault *fault);

/* Wait for the program's end, once its descriptor has been closed. False, with
 * the first line that it said on standard error, if that wasn't a good one. */
bool runner_finish(struct runner *runner, struct fault *fault);

/* End the process. Empties the pointer; takes NULL. */
void runner_close(struct runner **runner);

#endif
