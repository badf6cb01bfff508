/* signer: the signatures of one message, streamed: header fields, end of
 * header, body in pieces, finish (RFC 6376, RFC 8301, RFC 8463). Behind this
 * interface stands libopendkim. One user at a time; nothing thread-local.
 *
 * What a call refuses with FAULT_PERMANENT is the message's own doing: it
 * can't be signed so that every receiver finds the signature good, however
 * often it is sent (a NUL in a covered field, a lone CR in the body). Not a
 * key's fault, and no reason to refuse it. After the first fault every later
 * call gives that fault again, so a caller may look at signer_finish() only. */
#ifndef MILTER_IO_SIGNER_H
#define MILTER_IO_SIGNER_H

#include "milter/io/keys.h"
#include "policy/fault.h"
#include "policy/signing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* Most octets of covered header fields of one message. */
	SIGNER_HEADER_BYTES = 4 * 1024 * 1024,
	/* Most covered header fields of one message. Of fields that occur
	 * very often the lower ones are signed (RFC 6376 §5.4.2). */
	SIGNER_FIELDS = 20000,
	/* Longest run of body octets without a blank or line end under
	 * relaxed body canonicalization (libopendkim keeps it in memory). */
	SIGNER_WORD_BYTES = 4 * 1024 * 1024,
};

struct signer_library;
struct signer;

/* Make libopendkim ready for rules, which are borrowed until
 * signer_library_close(). NULL with words: a name in the lists that no header
 * field has, or more names than libopendkim takes. Immutable afterwards: any
 * number of threads may sign with it. */
struct signer_library *
signer_library_open(const struct signing_rules *rules, struct fault *fault);

/* Free it; no signer of it may be left. Empties the pointer; takes NULL. */
void signer_library_close(struct signer_library **library);

/* Start signing with every key of ring, by the rules of library (both
 * borrowed until signer_end()). The time at signer_end_of_header() becomes
 * t=. NULL with words. */
struct signer *signer_begin(const struct signer_library *library,
    const struct key_ring *ring, struct fault *fault);

/* The next header field. value as the milter protocol has it: leading space
 * kept, folds LF (CRLF is taken too), no end of line. Fields that aren't
 * covered cost nothing; From and the oversigned ones always are. A name that
 * RFC 5322 doesn't allow is passed over (it can't be covered); blanks at its
 * end (§4.5, before the colon) are allowed. */
bool signer_header(struct signer *signer, const char *name, const char *value,
    size_t value_length, struct fault *fault);

/* All header fields are in. FAULT_PERMANENT if there is no From. */
bool signer_end_of_header(struct signer *signer, struct fault *fault);

/* The next piece of the body, CRLF line ends; pieces may be cut anywhere. A
 * missing last line end is taken as there, as the MTA will send one. */
bool signer_body(struct signer *signer, const unsigned char *data,
    size_t length, struct fault *fault);

/* Leave the key out that stands at which in the ring: it makes no signature.
 * Before signer_finish(). */
void signer_drop(struct signer *signer, size_t which);

/* Compute the signatures. *values_out gets *count_out strings, one for each key
 * of the ring, in its order; NULL for one that was dropped. They are the values
 * of DKIM-Signature fields to be inserted at the top: with a leading space,
 * folds LF, and live until signer_end(). */
bool signer_finish(struct signer *signer, const char *const **values_out,
    size_t *count_out, struct fault *fault);

/* Free it, finished or not. Empties the pointer; takes NULL. */
void signer_end(struct signer **signer);

#endif
