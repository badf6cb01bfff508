/* hash: text as a number, for tables whose keys are chosen by outsiders. */
#ifndef POLICY_HASH_H
#define POLICY_HASH_H

#include <stdint.h>

/* SipHash-2-4 of text without its NUL. Who doesn't know the seed, which the
 * caller draws at random, can't choose texts that fall into one place. Any
 * thread. */
uint64_t hash_text(const uint64_t seed[2], const char *text);

#endif
