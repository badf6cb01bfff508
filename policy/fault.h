/* fault: what went wrong, in words, and whether trying later helps. What can
 * fail returns false or NULL and fills one of these; the layer that decides
 * logs it, nobody else. */
#ifndef POLICY_FAULT_H
#define POLICY_FAULT_H

#include <stddef.h>

enum fault_kind {
	FAULT_NONE,
	FAULT_TEMPORARY, /* trying later helps */
	FAULT_PERMANENT, /* somebody must mend something */
	FAULT_MEMORY,    /* no memory; trying later helps */
};

enum { FAULT_WORDS_BYTES = 512 };

/* Mere data, in the caller's memory. words name the thing and the cure, are
 * cleaned of control characters, and need no freeing. */
struct fault {
	enum fault_kind kind;
	char words[FAULT_WORDS_BYTES];
};

/* Say what went wrong, formatted as by printf(3). fault may be NULL (the
 * caller does not care). Control characters in the result become '?'. */
void fault_set(struct fault *fault, enum fault_kind kind, const char *format,
    ...) __attribute__((format(printf, 3, 4)));

/* Put what only this layer knows before the words that are there:
 * "limits.mdb: " + "no space". fault may be NULL. */
void fault_prefix(struct fault *fault, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The fault for want of memory. fault may be NULL. */
void fault_memory(struct fault *fault);

#endif
