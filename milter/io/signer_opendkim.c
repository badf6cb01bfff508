/* libopendkim (2.11.0~beta2) as an engine: one handle of the library, and one
 * of its DKIM handles, for each signature, as time and rules are settings of
 * the former (to make one takes 3 us; measured). Each hashes the body for
 * itself.
 *
 * Of each Ed25519 signature the library loses the key and some 0.5 kB more: it
 * frees these of RSA keys only (mended upstream in 2026, not in Debian 12).
 * There is no way to free them from here. */
#include "milter/io/body_guard.h"
#include "milter/io/signer_engine.h"
#include "policy/dkim_signature.h"

#include <malloc.h>
#include <opendkim/dkim.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

enum {
	RSA_LEAST_BITS = 1024, /* RFC 8301 §3.2 */
	BODY_PIECE_BYTES = 65536,
	MARGIN_COLUMNS = 75, /* it folds signatures here */
};

#define SIGNATURE_NAME "DKIM-Signature"
#define SIGNATURE_START_COLUMNS (sizeof(SIGNATURE_NAME ": ") - 1)

struct work {
	const struct signer_use *uses;
	size_t count;
	DKIM_LIB *libs[SIGNING_SIGNATURES];
	DKIM *handles[SIGNING_SIGNATURES];
	struct body_guard guard;
};

/* libopendkim copies the private key and frees it as it is. */
static void *
allocate(void *closure, size_t bytes)
{
	(void)closure;
	return malloc(bytes);
}

static void
wipe_and_free(void *closure, void *memory)
{
	(void)closure;
	if (memory == NULL)
		return;
	OPENSSL_cleanse(memory, malloc_usable_size(memory));
	free(memory);
}

/* libopendkim takes pointers to what it doesn't change without const. */
static unsigned char *
octets(const void *data)
{
	return (unsigned char *)(uintptr_t)data;
}

/* The status of a call of libopendkim in words of ours. The key was tried
 * when it was read, so want of resources is want of memory; that is no key's
 * fault. */
static void
fault_of_status(struct work *work, size_t which, DKIM_STAT status,
    size_t *faulty_out, struct fault *fault)
{
	const struct key *key = work->uses[which].key;
	DKIM *handle = work->handles[which];
	const char *words = handle != NULL ? dkim_geterror(handle) : NULL;

	if (words == NULL)
		words = dkim_getresultstr(status);
	fault_set(fault,
	    status == DKIM_STAT_NORESOURCE ? FAULT_MEMORY : FAULT_PERMANENT,
	    "signing with %s/%s: libopendkim says: %s", key->domain,
	    key->selector, words != NULL ? words : "nothing");
	if (status != DKIM_STAT_NORESOURCE)
		*faulty_out = which;
}

/* ---- handles ------------------------------------------------------------- */

static bool
library_set(DKIM_LIB *lib, dkim_opts_t option, void *value, size_t size_bytes)
{
	return dkim_options(lib, DKIM_OP_SETOPT, option, value, size_bytes)
	    == DKIM_STAT_OK;
}

/* SIGNHDRS stays unset, so that all fields that are fed are covered: its
 * regular expression has a buffer of 1024 octets and an assert behind it. */
static bool
library_configure(
    DKIM_LIB *lib, const struct signing_rules *rules, uint64_t time_s)
{
	const struct field_names *oversign = &rules->oversign;
	unsigned flags = DKIM_LIBFLAGS_NONE;
	unsigned least_bits = RSA_LEAST_BITS;
	uint64_t expire_s = rules->expire_s;
	const char **list;
	bool is_set;

	list = calloc(oversign->count + 1, sizeof(*list));
	if (list == NULL)
		return false;
	for (size_t i = 0; i < oversign->count; i++)
		list[i] = oversign->names[i];
	is_set = library_set(lib, DKIM_OPTS_FLAGS, &flags, sizeof(flags))
	    && library_set(lib, DKIM_OPTS_FIXEDTIME, &time_s, sizeof(time_s))
	    && library_set(
		lib, DKIM_OPTS_MINKEYBITS, &least_bits, sizeof(least_bits))
	    && library_set(
		lib, DKIM_OPTS_SIGNATURETTL, &expire_s, sizeof(expire_s))
	    && library_set(lib, DKIM_OPTS_OVERSIGNHDRS, list, sizeof(list));
	free(list);
	return is_set;
}

static bool
library_open(struct work *work, size_t which, uint64_t time_s,
    size_t *faulty_out, struct fault *fault)
{
	const struct key *key = work->uses[which].key;
	DKIM_LIB *lib = dkim_init(allocate, wipe_and_free);

	work->libs[which] = lib;
	if (lib == NULL
	    || !library_configure(lib, work->uses[which].rules, time_s)) {
		fault_memory(fault);
		return false;
	}
	if (!dkim_libfeature(lib, DKIM_FEATURE_SHA256)) {
		fault_set(fault, FAULT_PERMANENT,
		    "libopendkim was built without SHA-256: install the "
		    "distribution's libopendkim11");
		return false;
	}
	if (key->algorithm == KEY_ED25519_SHA256
	    && !dkim_libfeature(lib, DKIM_FEATURE_ED25519)) {
		*faulty_out = which;
		fault_set(fault, FAULT_PERMANENT,
		    "%s/%s: this libopendkim can't sign with Ed25519: use an "
		    "RSA key, or sign.engine = postern",
		    key->domain, key->selector);
		return false;
	}
	return true;
}

/* The key as the library wants it: PKCS#8 in PEM, closed with a NUL. OpenSSL
 * wipes such memory when it is freed, and what it grew out of. */
static BIO *
pem_of(EVP_PKEY *pkey)
{
	BIO *pem = BIO_new(BIO_s_mem());

	if (pem != NULL
	    && PEM_write_bio_PKCS8PrivateKey(
		   pem, pkey, NULL, NULL, 0, NULL, NULL)
		== 1
	    && BIO_write(pem, "", 1) == 1)
		return pem;
	BIO_free(pem);
	return NULL;
}

static dkim_canon_t
canon_of(enum canonicalization canon)
{
	return canon == CANON_SIMPLE ? DKIM_CANON_SIMPLE : DKIM_CANON_RELAXED;
}

static DKIM *
sign_handle(DKIM_LIB *lib, const struct signer_use *use, const char *pem,
    DKIM_STAT *status_out)
{
	return dkim_sign(lib, NULL, NULL, octets(pem),
	    octets(use->key->selector), octets(use->key->domain),
	    canon_of(use->rules->header_canon),
	    canon_of(use->rules->body_canon),
	    use->key->algorithm == KEY_RSA_SHA256 ? DKIM_SIGN_RSASHA256
						  : DKIM_SIGN_ED25519SHA256,
	    -1, status_out);
}

static bool
handle_open(
    struct work *work, size_t which, size_t *faulty_out, struct fault *fault)
{
	const struct signer_use *use = &work->uses[which];
	DKIM_STAT status = DKIM_STAT_INVALID;
	char *text = NULL;
	BIO *pem = NULL;

	if (dkim_signature_may_name(use->key->domain)
	    && dkim_signature_may_name(use->key->selector))
		pem = pem_of(use->key->pkey);
	if (pem != NULL && BIO_get_mem_data(pem, &text) > 0)
		work->handles[which] =
		    sign_handle(work->libs[which], use, text, &status);
	BIO_free(pem);
	if (work->handles[which] == NULL) {
		fault_of_status(work, which, status, faulty_out, fault);
		return false;
	}
	/* It doesn't look whether its copies were made. */
	if (dkim_getdomain(work->handles[which]) != NULL
	    && (use->identity == NULL
		|| dkim_set_signer(work->handles[which], octets(use->identity))
		    == DKIM_STAT_OK))
		return true;
	fault_memory(fault);
	return false;
}

/* ---- the header ---------------------------------------------------------- */

/* A tab before the colon is one of the blanks that RFC 5322 §4.5 allows, but
 * the library takes spaces only. */
static bool
has_tab_before_colon(const struct signer_field *field)
{
	return memchr(field->text, '\t', strcspn(field->text, ":")) != NULL;
}

static bool
opendkim_takes(const struct signer_fields *fields, struct fault *fault)
{
	for (size_t i = 0; i < fields->count; i++) {
		const struct signer_field *field = &fields->fields[i];

		if (!field->is_chosen || !has_tab_before_colon(field))
			continue;
		fault_set(fault, FAULT_PERMANENT,
		    "header field %s: libopendkim takes no tab before the "
		    "colon, so it can't be signed",
		    fields->names[field->name].text);
		return false;
	}
	return true;
}

static bool
feed_header(struct work *work, size_t which, const struct signer_fields *fields,
    size_t *faulty_out, struct fault *fault)
{
	DKIM *handle = work->handles[which];
	DKIM_STAT status = DKIM_STAT_OK;

	for (size_t i = 0; i < fields->count && status == DKIM_STAT_OK; i++)
		if (fields->fields[i].is_chosen)
			status =
			    dkim_header(handle, octets(fields->fields[i].text),
				fields->fields[i].length);
	if (status == DKIM_STAT_OK)
		status = dkim_eoh(handle);
	if (status != DKIM_STAT_OK) {
		fault_of_status(work, which, status, faulty_out, fault);
		*faulty_out = SIGNER_NO_USE;
	}
	return status == DKIM_STAT_OK;
}

static void
opendkim_end(void *memory)
{
	struct work *work = memory;

	if (work == NULL)
		return;
	for (size_t i = 0; i < work->count; i++) {
		if (work->handles[i] != NULL)
			dkim_free(work->handles[i]);
		if (work->libs[i] != NULL)
			dkim_close(work->libs[i]);
	}
	free(work);
}

static void *
opendkim_begin(
    const struct signer_job *job, size_t *faulty_out, struct fault *fault)
{
	struct work *work = calloc(1, sizeof(*work));
	bool is_begun = true;

	*faulty_out = SIGNER_NO_USE;
	if (work == NULL) {
		fault_memory(fault);
		return NULL;
	}
	work->uses = job->uses;
	work->count = job->count;
	for (size_t i = 0; i < job->count && is_begun; i++) {
		is_begun = library_open(work, i, job->time_s, faulty_out, fault)
		    && handle_open(work, i, faulty_out, fault)
		    && feed_header(work, i, job->fields[i], faulty_out, fault);
	}
	/* Whatever OpenSSL left is nobody's: the next callback of this
	 * connection may run on another thread. */
	ERR_clear_error();
	if (is_begun)
		return work;
	opendkim_end(work);
	return NULL;
}

/* ---- the body ------------------------------------------------------------ */

static bool
opendkim_has_hashed(const void *memory, size_t which, struct fault *fault)
{
	const struct work *work = memory;
	const struct signing_rules *rules = work->uses[which].rules;

	if (work->guard.has_lone) {
		fault_set(fault, FAULT_PERMANENT,
		    "the body has a CR that is no half of a CRLF, which "
		    "libopendkim hashes wrongly, so it can't be signed");
		return false;
	}
	if (rules->body_canon == CANON_RELAXED && work->guard.has_long_word) {
		fault_set(fault, FAULT_PERMANENT,
		    "the body has a line of over %d octets without a blank, "
		    "which libopendkim would keep in memory, so it can't be "
		    "signed",
		    BODY_GUARD_WORD_BYTES);
		return false;
	}
	return true;
}

static bool
feed_body(struct work *work, const unsigned char *data, size_t length,
    struct fault *fault)
{
	size_t faulty;

	body_guard_take(&work->guard, data, length);
	for (size_t i = 0; i < work->count; i++) {
		DKIM_STAT status = DKIM_STAT_OK;

		if (opendkim_has_hashed(work, i, NULL))
			status =
			    dkim_body(work->handles[i], octets(data), length);
		if (status != DKIM_STAT_OK) {
			fault_of_status(work, i, status, &faulty, fault);
			return false;
		}
	}
	return true;
}

static bool
opendkim_body(
    void *memory, const unsigned char *data, size_t length, struct fault *fault)
{
	struct work *work = memory;

	while (length > 0) {
		size_t piece =
		    length < BODY_PIECE_BYTES ? length : BODY_PIECE_BYTES;

		if (!feed_body(work, data, piece, fault))
			return false;
		data += piece;
		length -= piece;
	}
	return true;
}

/* ---- the end ------------------------------------------------------------- */

/* Where "b=" stood when the signature was computed. For Ed25519 libopendkim
 * hashes a field whose empty "b=" went onto the line, and renders one whose
 * full "b=" didn't: under simple canonicalization the fold before it makes
 * the signature bad. Returns the length of the text that was folded so, or 0
 * if "b=" began a line then too. */
static size_t
length_before_fold(const char *value, size_t length)
{
	static const char fold[] = "\r\n\tb=";
	const size_t fold_length = sizeof(fold) - 1;
	size_t at = length < fold_length ? 0 : length - fold_length;
	size_t start;
	size_t columns;

	while (at > 0 && memcmp(value + at, fold, fold_length) != 0)
		at--;
	if (at == 0)
		return 0;
	for (start = at; start > 0 && value[start - 1] != '\n'; start--)
		;
	/* Its own count: a tab is eight columns. */
	columns =
	    start == 0 ? SIGNATURE_START_COLUMNS + at : at - start - 1 + 8;
	return columns + strlen("b=") <= MARGIN_COLUMNS ? at : 0;
}

/* A value as the milter protocol wants it: leading space, folds LF. */
static char *
value_render(const char *value, size_t length, size_t unfold_at)
{
	/* The leading space, one more fold, the NUL. */
	char *text = malloc(length + 8);
	char *to = text;

	if (text == NULL)
		return NULL;
	*to++ = ' ';
	for (size_t i = 0; i < length; i++) {
		if (unfold_at > 0 && i == unfold_at) {
			/* What is in b= isn't hashed: fold there. */
			memcpy(to, " b=\n\t", 5);
			to += 5;
			i += strlen("\r\n\tb=") - 1;
		} else if (value[i] != '\r')
			*to++ = value[i];
	}
	*to = '\0';
	return text;
}

/* Has libopendkim freed the RSA key of a handle whose signature failed, and
 * would free it again with the handle? It does where RSA_sign(3) fails or its
 * room can't be had: only for want of memory, as the key was tried before. To
 * lose the handle once is better. */
static bool
is_freed_already(const struct key *key, DKIM *handle, DKIM_STAT status)
{
	const char *words = dkim_geterror(handle);

	if (key->algorithm != KEY_RSA_SHA256 || words == NULL)
		return false;
	return (status == DKIM_STAT_INTERNAL
		   && strstr(words, "generation failed") != NULL)
	    || (status == DKIM_STAT_NORESOURCE
		&& strstr(words, "unable to allocate") != NULL);
}

static char *
compute(
    struct work *work, size_t which, size_t *faulty_out, struct fault *fault)
{
	const struct key *key = work->uses[which].key;
	DKIM *handle = work->handles[which];
	unsigned char *value = NULL;
	size_t unfold_at = 0;
	size_t length = 0;
	char *rendered;
	DKIM_STAT status;

	status = dkim_eom(handle, NULL);
	if (status == DKIM_STAT_OK)
		status = dkim_getsighdr_d(
		    handle, SIGNATURE_START_COLUMNS, &value, &length);
	if (status != DKIM_STAT_OK) {
		fault_of_status(work, which, status, faulty_out, fault);
		if (is_freed_already(key, handle, status))
			work->handles[which] = NULL;
		return NULL;
	}
	length = strnlen((const char *)value, length);
	if (key->algorithm == KEY_ED25519_SHA256
	    && work->uses[which].rules->header_canon == CANON_SIMPLE)
		unfold_at = length_before_fold((const char *)value, length);
	rendered = value_render((const char *)value, length, unfold_at);
	if (rendered == NULL)
		fault_memory(fault);
	return rendered;
}

static bool
opendkim_finish(void *memory, const bool *is_left_out, char **values_out,
    size_t *faulty_out, struct fault *fault)
{
	struct work *work = memory;
	bool is_done = true;

	*faulty_out = SIGNER_NO_USE;
	for (size_t i = 0; i < work->count && is_done; i++) {
		if (is_left_out[i])
			continue;
		values_out[i] = compute(work, i, faulty_out, fault);
		is_done = values_out[i] != NULL;
	}
	ERR_clear_error();
	return is_done;
}

const struct signer_engine signer_opendkim = {
	.name = "libopendkim",
	.takes = opendkim_takes,
	.begin = opendkim_begin,
	.body = opendkim_body,
	.has_hashed = opendkim_has_hashed,
	.finish = opendkim_finish,
	.end = opendkim_end,
};
