/* nearest: what somebody probably meant who wrote a word that isn't known. */
#ifndef CONF_NEAREST_H
#define CONF_NEAREST_H

#include <stddef.h>

/* A search under way; mere data, in the caller's memory. */
struct nearest {
	const char *word;
	const char *best; /* NULL: nothing looks like it */
	size_t distance;  /* of best */
};

/* Begin a search for what word may mean. */
void nearest_begin(struct nearest *nearest, const char *word);

/* Offer a known word, which lives as long as the search's result is used. The
 * first of several that are equally near stays. */
void nearest_offer(struct nearest *nearest, const char *known);

#endif
