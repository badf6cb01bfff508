/* signer_proof: is a signature good that was just made? Read as a verifier
 * reads it (RFC 6376 §6.1.3, RFC 8463), from the octets that go into the
 * message, by code that shares nothing with the engines. The body's hash, bh=,
 * is taken as it is. Private to signer_check. Any thread. */
#ifndef MILTER_IO_SIGNER_PROOF_H
#define MILTER_IO_SIGNER_PROOF_H

#include "milter/io/signer_fields.h"

/* Does value, of a DKIM-Signature field as the milter protocol has it, sign
 * fields, the message's, by the key whose p= is public_b64? NULL if so, or if
 * there is no memory to say; else why not: a static string. */
const char *signer_proof(const struct signer_fields *fields, const char *value,
    const char *public_b64);

#endif
