/* authres: whose an Authentication-Results field claims to be (RFC 8601 §2.2
 * and §5). Pure. */
#ifndef POLICY_AUTHRES_H
#define POLICY_AUTHRES_H

#include "policy/arena.h"

#include <stdbool.h>
#include <stddef.h>

/* Does this value (as it came: folded, leading space, comments) claim to be
 * the result of authserv_id? Compared without case and one last dot, U-labels
 * as A-labels; a quoted authserv-id counts as what it quotes, and comments and
 * folds before it are passed over. Where the value is so broken that readers
 * may differ, any reading that makes it authserv_id counts: what is removed in
 * vain does no harm. authserv_id "" is nobody's. */
bool authres_claims(struct arena *arena, const char *value, size_t length,
    const char *authserv_id);

#endif
