#include "milter/io/verify_handle.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	RSA_LEAST_BITS = 1024, /* RFC 8301 §3.2 */
	BODY_PIECE_BYTES = 65536,
	/* DKIM-Signature fields that one may cover beside itself: the library
	 * prepares to check these too. */
	COVERED_SIGNATURES = 4,
};

/* The closure is the handle, or NULL while there is none yet. */
static void *
allocate(void *closure, size_t bytes)
{
	struct verify_handle *handle = closure;

	if (handle != NULL && handle->refuses_next) {
		handle->refuses_next = false;
		return NULL;
	}
	return malloc(bytes);
}

static void
release(void *closure, void *memory)
{
	(void)closure;
	free(memory);
}

/* libopendkim takes pointers to what it doesn't change without const. */
static unsigned char *
octets(const void *data)
{
	return (unsigned char *)(uintptr_t)data;
}

/* The library asks for a key. */
static DKIM_CBSTAT
key_lookup(DKIM *dkim, DKIM_SIGINFO *sig, unsigned char *space, size_t size)
{
	const struct verify_handle *handle = dkim_get_user_context(dkim);
	size_t length;

	if (handle == NULL || sig != handle->sig || handle->key == NULL)
		return DKIM_CBSTAT_NOTFOUND;
	length = strlen(handle->key);
	if (length >= size)
		return DKIM_CBSTAT_ERROR;
	memcpy(space, handle->key, length + 1);
	return DKIM_CBSTAT_CONTINUE;
}

static bool
library_set(DKIM_LIB *lib, dkim_opts_t option, void *value, size_t size_bytes)
{
	return dkim_options(lib, DKIM_OP_SETOPT, option, value, size_bytes)
	    == DKIM_STAT_OK;
}

/* DELAYSIGPROC: keys are wanted at the end only. BADSIGHANDLES: a From that
 * the library can't parse is no reason not to check a signature. */
DKIM_LIB *
verify_handle_library(void)
{
	unsigned flags =
	    DKIM_LIBFLAGS_DELAYSIGPROC | DKIM_LIBFLAGS_BADSIGHANDLES;
	unsigned least_bits = RSA_LEAST_BITS;
	uint64_t drift_s = VERIFY_DRIFT_S;
	DKIM_LIB *lib = dkim_init(allocate, release);

	if (lib == NULL)
		return NULL;
	if (library_set(lib, DKIM_OPTS_FLAGS, &flags, sizeof(flags))
	    && library_set(
		lib, DKIM_OPTS_MINKEYBITS, &least_bits, sizeof(least_bits))
	    && library_set(lib, DKIM_OPTS_CLOCKDRIFT, &drift_s, sizeof(drift_s))
	    && dkim_set_key_lookup(lib, key_lookup) == DKIM_STAT_OK)
		return lib;
	dkim_close(lib);
	return NULL;
}

void
verify_handle_close(struct verify_handle *handle)
{
	if (handle->dkim != NULL)
		dkim_free(handle->dkim);
	*handle = (struct verify_handle){ 0 };
}

void
verify_handle_fail(struct verify_handle *handle, const char *words)
{
	verify_handle_close(handle);
	handle->words = words;
}

/* Why the fields that are marked as covered can't be fed; NULL: they can. */
static const char *
flaw_of(const struct verify_header *header, const struct verify_field *fields,
    size_t count, size_t which)
{
	bool is_relaxed = fields[which].is_header_relaxed;
	size_t others = 0;

	for (size_t i = 0; i < header->count; i++) {
		const struct verify_header_field *field = &header->fields[i];
		const char *flaw =
		    is_relaxed ? field->flaw_relaxed : field->flaw_simple;

		if (!field->is_covered && field->signature != which)
			continue;
		if (field->flaw != NULL)
			return field->flaw;
		if (flaw != NULL)
			return flaw;
		if (field->signature == VERIFY_NO_SIGNATURE
		    || field->signature == which)
			continue;
		if (++others > COVERED_SIGNATURES)
			return "it covers too many other signatures";
		if (field->signature >= count
		    || !fields[field->signature].is_harmless)
			return "it covers a signature that libopendkim can't "
			       "read";
	}
	return NULL;
}

static bool
is_from(const struct verify_header_field *field)
{
	return field->name_length == 4
	    && strncasecmp(field->text, "From", 4) == 0;
}

/* Feed what is covered and the signature itself. *index_out: how many
 * signatures were fed before it. */
static bool
feed_fields(struct verify_handle *handle, const struct verify_header *header,
    size_t which, size_t *index_out, bool *has_from_out)
{
	/* When all fields are covered and h= has more names, the library
	 * writes past its list: here is one that no h= can name. */
	static const char uncovered[] = "not covered: -";
	DKIM_STAT status =
	    dkim_header(handle->dkim, octets(uncovered), sizeof(uncovered) - 1);
	bool is_before = true;

	*index_out = 0;
	*has_from_out = false;
	for (size_t i = 0; i < header->count && status == DKIM_STAT_OK; i++) {
		const struct verify_header_field *field = &header->fields[i];
		bool is_itself = field->signature == which;

		if (!field->is_covered && !is_itself)
			continue;
		*has_from_out = *has_from_out || is_from(field);
		status = dkim_header(
		    handle->dkim, octets(field->text), field->length);
		if (field->signature == VERIFY_NO_SIGNATURE)
			continue;
		is_before = is_before && !is_itself;
		*index_out += is_before;
		/* That it doesn't like another signature is no matter. */
		if (!is_itself && status == DKIM_STAT_SYNTAX)
			status = DKIM_STAT_OK;
	}
	return status == DKIM_STAT_OK;
}

/* Only the signature that is handle->sig counts. */
static bool
find_signature(struct verify_handle *handle, size_t index)
{
	DKIM_SIGINFO **sigs = NULL;
	int count = 0;

	if (dkim_getsiglist(handle->dkim, &sigs, &count) != DKIM_STAT_OK
	    || index >= (size_t)count)
		return false;
	for (int i = 0; i < count; i++)
		if ((size_t)i != index)
			dkim_sig_ignore(sigs[i]);
	handle->sig = sigs[index];
	return true;
}

static bool
feed_header(struct verify_handle *handle, const struct verify_header *header,
    size_t which)
{
	DKIM_STAT status;
	bool has_from;
	size_t index;

	if (!feed_fields(handle, header, which, &index, &has_from))
		return false;
	/* The first thing that dkim_eoh() does is to copy From and to take it
	 * apart with a parser that nobody should let near hostile mail. It
	 * goes on without that if it gets no memory for the copy. */
	handle->refuses_next = has_from;
	status = dkim_eoh(handle->dkim);
	handle->refuses_next = false;
	return status == DKIM_STAT_OK && find_signature(handle, index);
}

void
verify_handle_open(struct verify_handle *handle, DKIM_LIB *library,
    struct verify_header *header, const struct verify_field *fields,
    size_t count, size_t which)
{
	DKIM_STAT status;
	const char *flaw;

	*handle = (struct verify_handle){ 0 };
	if (header->is_too_large) {
		verify_handle_fail(handle, "the header is too large");
		return;
	}
	if (fields[which].key_type == DKIM_KEY_ED25519
	    && !dkim_libfeature(library, DKIM_FEATURE_ED25519)) {
		verify_handle_fail(
		    handle, "this libopendkim can't check Ed25519");
		return;
	}
	if (!verify_header_cover(header, fields[which].covered)) {
		verify_handle_fail(handle, "no memory");
		return;
	}
	flaw = flaw_of(header, fields, count, which);
	if (flaw != NULL) {
		verify_handle_fail(handle, flaw);
		return;
	}
	handle->dkim = dkim_verify(library, NULL, handle, &status);
	if (handle->dkim != NULL
	    && dkim_set_user_context(handle->dkim, handle) == DKIM_STAT_OK
	    && feed_header(handle, header, which))
		return;
	verify_handle_fail(handle, "libopendkim doesn't take its header");
}

void
verify_handle_body(
    struct verify_handle *handle, const unsigned char *data, size_t length)
{
	while (length > 0 && handle->dkim != NULL) {
		size_t piece =
		    length < BODY_PIECE_BYTES ? length : BODY_PIECE_BYTES;

		if (dkim_body(handle->dkim, octets(data), piece)
		    != DKIM_STAT_OK)
			verify_handle_fail(
			    handle, "libopendkim doesn't take the body");
		data += piece;
		length -= piece;
	}
}

/* What the library found. */
static enum verify_state
state_of(const struct verify_handle *handle, const char **words_out)
{
	int error = dkim_sig_geterror(handle->sig);
	unsigned flags = dkim_sig_getflags(handle->sig);
	int body = dkim_sig_getbh(handle->sig);

	*words_out = NULL;
	if (error == DKIM_SIGERROR_OK && (flags & DKIM_SIGFLAG_PASSED) != 0
	    && body == DKIM_SIGBH_MATCH)
		return VERIFY_GOOD;
	/* The key was read before, as RFC 6376 has it. */
	if (error == DKIM_SIGERROR_KEYDECODE) {
		*words_out = "libopendkim doesn't read a key of that form";
		return VERIFY_LOST;
	}
	if (error == DKIM_SIGERROR_OK || error == DKIM_SIGERROR_UNKNOWN) {
		*words_out = "libopendkim couldn't check it";
		return VERIFY_LOST;
	}
	if (error != DKIM_SIGERROR_BADSIG)
		*words_out = dkim_sig_geterrorstr(error);
	else if (body == DKIM_SIGBH_MISMATCH)
		*words_out = "the body isn't what was signed";
	else
		*words_out = "the header isn't what was signed, or its key is "
			     "another";
	return VERIFY_BAD;
}

enum verify_state
verify_handle_finish(
    struct verify_handle *handle, const char *key, const char **words_out)
{
	enum verify_state state;

	if (handle->dkim == NULL) {
		*words_out = handle->words;
		return VERIFY_LOST;
	}
	if (strlen(key) > VERIFY_KEY_OCTETS) {
		*words_out = "libopendkim doesn't take a key of that length";
		return VERIFY_LOST;
	}
	handle->key = key;
	(void)dkim_eom(handle->dkim, NULL);
	handle->key = NULL;
	/* Whatever OpenSSL left is nobody's: the next callback of this
	 * connection may run on another thread. */
	ERR_clear_error();
	state = state_of(handle, words_out);
	if (state != VERIFY_GOOD && *words_out == NULL)
		*words_out = "libopendkim doesn't say why";
	return state;
}

bool
verify_handle_is_partial(const struct verify_handle *handle)
{
	ssize_t message;
	ssize_t hashed;
	ssize_t limit;

	return handle->dkim != NULL && handle->sig != NULL
	    && dkim_sig_getcanonlen(
		   handle->dkim, handle->sig, &message, &hashed, &limit)
	    == DKIM_STAT_OK
	    && limit >= 0 && message > limit;
}
