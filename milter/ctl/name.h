/* name: what a person types for an account, a domain or an address, in the
 * form that it is counted under. */
#ifndef MILTER_CTL_NAME_H
#define MILTER_CTL_NAME_H

#include "policy/account.h"
#include "policy/limits.h"

#include <stdbool.h>

/* The account that typed names: a login ("Alice@A.example") or any name that
 * the log shows ("local:HOST"), as the daemon makes one of a login, before
 * accounts.map is asked. False with words: it is none, or no memory. */
bool name_account(const struct account_rules *rules, const char *typed,
    struct arena *arena, struct account *account_out, struct fault *fault);

/* Fold typed as a key of that kind; the result lives in arena. A domain or a
 * sender may be followed by an account in parentheses, "-" stand for no usable
 * author, as they are counted; "<>" is the null sender; the one global key is
 * "all". False with words: it is no such thing, or no memory. */
bool name_fold(enum limit_key key, const struct account_rules *rules,
    const char *typed, struct arena *arena, const char **name_out,
    struct fault *fault);

/* Is a folded name one of a domain or a sender that an account uses which
 * doesn't own it? It is counted, but nobody is blocked by it. */
bool name_is_foreign(enum limit_key key, const char *name);

/* The kind of key of that name ("from_domain"). False: there is none. */
bool name_key(const char *name, enum limit_key *key_out);

#endif
