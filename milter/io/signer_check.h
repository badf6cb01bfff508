/* signer_check: are the signatures good that an engine made? The other engine
 * makes them too, of the same stream; and each is read back as a verifier
 * would, with the public part of its key. Private to signer. One user at a
 * time. */
#ifndef MILTER_IO_SIGNER_CHECK_H
#define MILTER_IO_SIGNER_CHECK_H

#include "milter/io/signer_engine.h"

#include <stdbool.h>
#include <stddef.h>

struct signer_check;

/* Start, at the end of the header. job, and the fields it points to, are
 * borrowed until signer_check_end(). NULL: no memory, so there is no check. */
struct signer_check *signer_check_begin(const struct signer_engine *engine,
    const struct signer_engine *other, const struct signer_job *job);

/* The next piece of the body. Takes NULL, as the next two do. */
void signer_check_body(
    struct signer_check *check, const unsigned char *data, size_t length);

/* The body has ended; these are the values that engine made. */
void signer_check_finish(
    struct signer_check *check, const bool *is_left_out, char *const *values);

/* The first thing that was found, in words that live until
 * signer_check_end(); NULL: nothing. That the other engine is known to be
 * unable to hash such a message, or has no memory, is no finding. */
const char *signer_check_difference(const struct signer_check *check);

/* Empties the pointer; takes NULL. */
void signer_check_end(struct signer_check **check);

#endif
