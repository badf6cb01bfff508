/* signer: the signatures of one message, streamed: header fields, end of
 * header, body in pieces, finish (RFC 6376, RFC 8301, RFC 8463). Behind it
 * stand two engines that make the same octets: our own and libopendkim. One
 * user at a time; nothing thread-local.
 *
 * A signature that can't be made of a message so that every receiver finds it
 * good, by its own rules, is lost: the others are made all the same, and
 * signer_lost() says why. Only if none is left does a call fail.
 *
 * What a call refuses with FAULT_PERMANENT is the message's own doing, unless
 * signer_faulty_key() names a key: it can't be signed, however often it is
 * sent. No reason to refuse it. After the first fault every later call gives
 * that fault again, so a caller may look at signer_finish() only. */
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
};

struct signer;

/* One signature to be made. */
struct signer_use {
	const struct key *key;
	const struct signing_rules *rules;
	const char *identity; /* i=: see dkim_signature_identity(); NULL: no
				 i= */
};

/* What is to be made of a message; all borrowed until signer_end(). */
struct signer_order {
	enum signing_engine engine;
	const struct signer_use *uses;
	size_t count;    /* at most SIGNING_SIGNATURES */
	uint64_t time_s; /* t=, seconds since 1970 */
	bool is_checked; /* the other engine makes them too, and each b= is
			    verified with its key's public part */
};

/* Can these rules be followed? False with words: a name in the lists that no
 * header field has, or more names than fit. Any thread. */
bool signer_check_rules(const struct signing_rules *rules, struct fault *fault);

/* Start signing. The octets of order->uses themselves are copied, not what
 * they point to, but for identities. NULL with words: among them, of a use's
 * key, that its identity can't stand in i= (FAULT_PERMANENT). */
struct signer *
signer_begin(const struct signer_order *order, struct fault *fault);

/* The next header field. value as the milter protocol has it: leading space
 * kept, folds LF (CRLF is taken too), no end of line. Fields that no signature
 * covers cost nothing; From and the oversigned ones always are covered. A name
 * that RFC 5322 doesn't allow is passed over (it can't be covered); blanks at
 * its end (§4.5, before the colon) are allowed. Of each use by its own rules: a
 * value that verifiers read differently (see signer_fields_add()) leaves its
 * name uncovered, and if that must be covered, the use is lost; so it is by
 * more fields than SIGNER_FIELDS or SIGNER_HEADER_BYTES. Fails, with the words
 * of the first use that was lost, when none is left. */
bool signer_header(struct signer *signer, const char *name, const char *value,
    size_t value_length, struct fault *fault);

/* All header fields are in. Uses are lost without From, or if fields that must
 * be covered are too many for h= (see signer_fields_choose()); fails as
 * signer_header() does. */
bool signer_end_of_header(struct signer *signer, struct fault *fault);

/* The next piece of the body, CRLF line ends; pieces may be cut anywhere. A
 * missing last line end is taken as there, as the MTA will send one. */
bool signer_body(struct signer *signer, const unsigned char *data,
    size_t length, struct fault *fault);

/* Leave the signature out that stands at which in the order. Before
 * signer_finish(). */
void signer_drop(struct signer *signer, size_t which);

/* Compute the signatures. *values_out gets *count_out strings, one for each
 * use, in their order; NULL for one that was dropped or lost. They are the
 * values of DKIM-Signature fields to be inserted at the top: with a leading
 * space, folds LF, and live until signer_end(). Fails, with the words of the
 * first, if a use was lost and none is left. */
bool signer_finish(struct signer *signer, const char *const **values_out,
    size_t *count_out, struct fault *fault);

/* Why the use that stands at which in the order was lost, in words that live
 * until signer_end(); NULL: it wasn't. All is known after signer_finish(). */
const char *signer_lost(const struct signer *signer, size_t which);

/* After a call that failed: the key that it failed for; NULL: it is the
 * message, or want of memory. */
const struct key *signer_faulty_key(const struct signer *signer);

/* After signer_finish() of an order that is_checked: in what the engines
 * differ, or which b= doesn't verify, in words that live until signer_end();
 * NULL: in nothing. That libopendkim is known to be unable to hash such a
 * message is no difference. */
const char *signer_difference(const struct signer *signer);

/* Free it, finished or not. Empties the pointer; takes NULL. */
void signer_end(struct signer **signer);

#endif
