/* recipients: a recipient as a number, so that whom an account has written to
 * can be remembered in little space and without keeping addresses. */
#ifndef POLICY_RECIPIENTS_H
#define POLICY_RECIPIENTS_H

#include "policy/arena.h"
#include "policy/facts.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The digest of a RCPT argument ("<User@Example.Com>"): of its address with the
 * domain normalised and the local part folded to lower case, since hardly any
 * host tells users apart by case; of the text itself if it is no address. The
 * first 8 octets of SHA-256. False only for want of memory. Any thread. */
bool
recipients_digest(const char *path, struct arena *arena, uint64_t *digest_out);

/* Note one more recipient in facts; beyond FACTS_RECIPIENTS nothing is noted.
 * False only for want of memory. */
bool recipients_add(
    struct message_facts *facts, struct arena *arena, uint64_t digest);

/* Those noted, each once, in ascending order, in the arena. False only for
 * want of memory. */
bool recipients_list(const struct message_facts *facts, struct arena *arena,
    const uint64_t **list_out, size_t *count_out);

#endif
