/* choosing: which keys sign a message (design §3). The author's, or the nearest
 * parent's that the account may use; else fallback_domain's; and, beside any of
 * them, also_sign's. A key signs only for an account that may use its domain,
 * wherever the key was found. */
#ifndef MILTER_CHOOSING_H
#define MILTER_CHOOSING_H

#include "milter/session.h"

enum choosing {
	CHOOSING_DONE,
	CHOOSING_NO_KEY, /* none of the author's domain and no fallback;
			    also_sign's may have been chosen all the same */
	CHOOSING_FAULT,  /* a key is there, but can't be used */
};

/* Choose the keys of the message, whose author is the account's, into
 * message->chosen; at most SIGNING_SIGNATURES, of which one is kept for
 * also_sign. *domain_out: whose key was looked for last. With CHOOSING_FAULT
 * fault has words and nothing is chosen. */
enum choosing choosing_keys(
    struct session *session, const char **domain_out, struct fault *fault);

/* The domains whose key could sign mail of domain, as signing_candidates() has
 * them, but no public suffix: nobody signs for all who registered there. */
size_t choosing_candidates(const struct suffixes *suffixes, const char *domain,
    const char *candidates[SIGNING_CANDIDATES]);

/* Give back what was chosen. Twice or without anything does no harm. */
void choosing_clear(struct keys *keys, struct chosen_keys *chosen);

#endif
