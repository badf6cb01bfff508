/* signer_engine: what stands behind signer: one that hashes and signs. Both are
 * handed the same chosen fields and the same body, and their signatures are the
 * same, octet by octet: tags in the same order, folded at the same places.
 * Private to signer. */
#ifndef MILTER_IO_SIGNER_ENGINE_H
#define MILTER_IO_SIGNER_ENGINE_H

#include "milter/io/signer.h"
#include "milter/io/signer_fields.h"

/* What an engine is given at the end of the header, without the uses that were
 * lost by then; borrowed until end(). Identities are as they stand in i=. */
struct signer_job {
	const struct signer_use *uses;
	size_t count;
	uint64_t time_s;
	/* Of each use: what it covers, and its oversigned names. Those with the
	 * same rules have the same. */
	const struct signer_fields *const *fields;
};

/* Says which use failed, if it was one. */
#define SIGNER_NO_USE SIZE_MAX

struct signer_engine {
	const char *name;

	/* Can it hash the chosen ones of these fields as RFC 6376 says? False
	 * with words: it is known to be unable to. NULL: it always can. */
	bool (*takes)(const struct signer_fields *fields, struct fault *fault);

	/* Hash the header. NULL with words; *faulty_out as in finish(). The
	 * fields needn't live on afterwards; the uses must. */
	void *(*begin)(const struct signer_job *job, size_t *faulty_out,
	    struct fault *fault);

	/* The next piece of the body: whole line ends are not promised. */
	bool (*body)(void *work, const unsigned char *data, size_t length,
	    struct fault *fault);

	/* At the end of the body: could it be hashed for the use at which? As
	 * takes(). */
	bool (*has_hashed)(const void *work, size_t which, struct fault *fault);

	/* The body has ended, in a line end if it has any octet. values_out
	 * gets a malloc'ed string for each use that isn't left out; those that
	 * has_hashed() denies are. False with words; *faulty_out is the use
	 * whose key failed, or SIGNER_NO_USE. */
	bool (*finish)(void *work, const bool *is_left_out, char **values_out,
	    size_t *faulty_out, struct fault *fault);

	/* Takes NULL. */
	void (*end)(void *work);
};

extern const struct signer_engine signer_postern;
extern const struct signer_engine signer_opendkim;

/* signer_begin() with engines of a test's choice: engine signs; other, unless
 * it is NULL, makes the order is_checked. */
struct signer *signer_begin_with(const struct signer_order *order,
    const struct signer_engine *engine, const struct signer_engine *other,
    struct fault *fault);

#endif
