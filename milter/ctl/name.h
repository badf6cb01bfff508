/* name: what a person types for an account, a domain or an address, in the
 * form that it is counted under. */
#ifndef MILTER_CTL_NAME_H
#define MILTER_CTL_NAME_H

#include "policy/account.h"
#include "policy/limits.h"

#include <stdbool.h>

/* Fold typed as a key of that kind; the result lives in arena. An account is
 * a login ("Alice@A.example") or any name that the log shows ("local:HOST").
 * False with words: it is no such thing, or no memory. */
bool name_fold(enum limit_key key, const struct account_rules *rules,
    const char *typed, struct arena *arena, const char **name_out,
    struct fault *fault);

/* The kind of key of that name ("from_domain"). False: there is none. */
bool name_key(const char *name, enum limit_key *key_out);

#endif
