#include "milter/io/signer.h"

#include "milter/io/signer_fields.h"
#include "policy/text.h"

#include <malloc.h>
#include <opendkim/dkim.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

enum {
	RSA_LEAST_BITS = 1024, /* RFC 8301 §3.2 */
	/* Room that the configured names may take: the rest of
	 * SIGNER_NAME_OCTETS is for fields that occur more than once. */
	CONFIGURED_NAME_OCTETS = 2048,
	BODY_PIECE_BYTES = 65536,
	MARGIN_COLUMNS = 75, /* libopendkim folds signatures here */
};

#define SIGNATURE_NAME "DKIM-Signature"
#define SIGNATURE_START_COLUMNS (sizeof(SIGNATURE_NAME ": ") - 1)

struct signer_library {
	DKIM_LIB *lib;
	const struct signing_rules *rules;
};

enum signer_state { IN_HEADER, IN_BODY, FINISHED, BROKEN };

struct signer {
	const struct signer_library *library;
	const struct key_ring *ring;
	enum signer_state state;
	struct fault fault;               /* the first one; in BROKEN */
	struct signer_fields fields;      /* in IN_HEADER */
	DKIM **handles;                   /* one a key */
	char **values;                    /* one a key; in FINISHED */
	bool is_dropped[KEYS_PER_DOMAIN]; /* see signer_drop() */
	bool has_body;
	unsigned char last; /* octet of the body, if has_body */
	size_t word_bytes;  /* of the body since a blank or line end */
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

static bool
names_are_usable(
    const struct field_names *names, const char *option, struct fault *fault)
{
	size_t used = 0;

	for (size_t i = 0; i < names->count; i++) {
		const char *name = names->names[i];

		if (!signer_fields_is_name(name, strlen(name))
		    || text_equal_case(name, SIGNATURE_NAME)) {
			fault_set(fault, FAULT_PERMANENT,
			    "sign.%s: \"%s\" is no header field that can be "
			    "signed: take it out",
			    option, name);
			return false;
		}
		used += strlen(name) + 1;
	}
	if (used > CONFIGURED_NAME_OCTETS) {
		fault_set(fault, FAULT_PERMANENT,
		    "sign.%s: the names have %zu octets in all, %d is the "
		    "most: take some out",
		    option, used, CONFIGURED_NAME_OCTETS);
		return false;
	}
	return true;
}

static bool
library_set(DKIM_LIB *lib, dkim_opts_t option, void *value, size_t size_bytes)
{
	return dkim_options(lib, DKIM_OP_SETOPT, option, value, size_bytes)
	    == DKIM_STAT_OK;
}

/* What rules say of each signature is a setting of the library's handle.
 * SIGNHDRS stays unset, so that all fields that are fed are covered: its
 * regular expression has a buffer of 1024 octets and an assert behind it. */
static bool
library_configure(DKIM_LIB *lib, const struct signing_rules *rules)
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
	    && library_set(
		lib, DKIM_OPTS_MINKEYBITS, &least_bits, sizeof(least_bits))
	    && library_set(
		lib, DKIM_OPTS_SIGNATURETTL, &expire_s, sizeof(expire_s))
	    && library_set(lib, DKIM_OPTS_OVERSIGNHDRS, list, sizeof(list));
	free(list);
	return is_set;
}

struct signer_library *
signer_library_open(const struct signing_rules *rules, struct fault *fault)
{
	struct signer_library *library;

	if (!names_are_usable(&rules->headers, "headers", fault)
	    || !names_are_usable(&rules->oversign, "oversign", fault))
		return NULL;
	library = calloc(1, sizeof(*library));
	if (library == NULL) {
		fault_memory(fault);
		return NULL;
	}
	library->rules = rules;
	library->lib = dkim_init(allocate, wipe_and_free);
	if (library->lib == NULL || !library_configure(library->lib, rules)) {
		fault_memory(fault);
		signer_library_close(&library);
	} else if (!dkim_libfeature(library->lib, DKIM_FEATURE_SHA256)) {
		fault_set(fault, FAULT_PERMANENT,
		    "libopendkim was built without SHA-256: install the "
		    "distribution's libopendkim11");
		signer_library_close(&library);
	}
	return library;
}

void
signer_library_close(struct signer_library **library)
{
	if (*library == NULL)
		return;
	if ((*library)->lib != NULL)
		dkim_close((*library)->lib);
	free(*library);
	*library = NULL;
}

/* The status of a call of libopendkim in words of ours. The key was tried
 * when it was read, so want of resources is want of memory. */
static void
fault_of_status(
    struct fault *fault, const struct key *key, DKIM *handle, DKIM_STAT status)
{
	const char *words = handle != NULL ? dkim_geterror(handle) : NULL;

	if (words == NULL)
		words = dkim_getresultstr(status);
	fault_set(fault,
	    status == DKIM_STAT_NORESOURCE ? FAULT_MEMORY : FAULT_PERMANENT,
	    "signing with %s/%s: libopendkim says: %s", key->domain,
	    key->selector, words != NULL ? words : "nothing");
}

/* Is name, which becomes part of the signature, what libopendkim's rendering
 * of it can't be upset by? */
static bool
is_domain_name(const char *name)
{
	return name[0] != '\0'
	    && name[strspn(name,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		   "0123456789-_.")]
	    == '\0';
}

static DKIM *
handle_open(const struct signer_library *library, const struct key *key,
    struct fault *fault)
{
	const struct signing_rules *rules = library->rules;
	bool is_rsa = key->algorithm == KEY_RSA_SHA256;
	DKIM_STAT status = DKIM_STAT_INVALID;
	DKIM *handle = NULL;

	if (!is_rsa && !dkim_libfeature(library->lib, DKIM_FEATURE_ED25519)) {
		fault_set(fault, FAULT_PERMANENT,
		    "%s/%s: this libopendkim can't sign with Ed25519: use an "
		    "RSA key",
		    key->domain, key->selector);
		return NULL;
	}
	/* What isn't PEM is taken for DER, and "MII" for base64. */
	if (is_domain_name(key->domain) && is_domain_name(key->selector)
	    && strncmp(key->pem, "-----BEGIN ", 11) == 0)
		handle = dkim_sign(library->lib, NULL, NULL, octets(key->pem),
		    octets(key->selector), octets(key->domain),
		    rules->header_canon == CANON_SIMPLE ? DKIM_CANON_SIMPLE
							: DKIM_CANON_RELAXED,
		    rules->body_canon == CANON_SIMPLE ? DKIM_CANON_SIMPLE
						      : DKIM_CANON_RELAXED,
		    is_rsa ? DKIM_SIGN_RSASHA256 : DKIM_SIGN_ED25519SHA256, -1,
		    &status);
	if (handle == NULL)
		fault_of_status(fault, key, NULL, status);
	else if (dkim_getdomain(handle) == NULL) {
		/* It doesn't look whether its copies were made. */
		fault_memory(fault);
		dkim_free(handle);
		handle = NULL;
	}
	return handle;
}

struct signer *
signer_begin(const struct signer_library *library, const struct key_ring *ring,
    struct fault *fault)
{
	struct signer *signer = calloc(1, sizeof(*signer));

	if (signer == NULL) {
		fault_memory(fault);
		return NULL;
	}
	signer->library = library;
	signer->ring = ring;
	signer->state = IN_HEADER;
	signer_fields_init(&signer->fields);
	signer->handles = calloc(ring->count + 1, sizeof(*signer->handles));
	signer->values = calloc(ring->count + 1, sizeof(*signer->values));
	if (signer->handles == NULL || signer->values == NULL) {
		fault_memory(fault);
		signer_end(&signer);
		return NULL;
	}
	for (size_t i = 0; i < ring->count; i++) {
		signer->handles[i] =
		    handle_open(library, &ring->keys[i], fault);
		if (signer->handles[i] == NULL) {
			signer_end(&signer);
			return NULL;
		}
	}
	return signer;
}

void
signer_end(struct signer **signer)
{
	struct signer *old = *signer;

	if (old == NULL)
		return;
	for (size_t i = 0; old->handles != NULL && i < old->ring->count; i++)
		if (old->handles[i] != NULL)
			dkim_free(old->handles[i]);
	for (size_t i = 0; old->values != NULL && i < old->ring->count; i++)
		free(old->values[i]);
	free(old->handles);
	free(old->values);
	signer_fields_clear(&old->fields);
	free(old);
	*signer = NULL;
}

/* Give up, with the fault that signer->fault now holds. Half a message is
 * never signed. */
static bool
give_up(struct signer *signer, struct fault *fault)
{
	signer->state = BROKEN;
	if (fault != NULL)
		*fault = signer->fault;
	return false;
}

/* Is the signer where this call belongs? */
static bool
is_in(struct signer *signer, enum signer_state state, struct fault *fault)
{
	if (signer->state == state)
		return true;
	if (signer->state != BROKEN)
		fault_set(&signer->fault, FAULT_PERMANENT,
		    "signing: header, body and end came out of order");
	return give_up(signer, fault);
}

static bool
is_listed(const struct field_names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (text_equal_case(names->names[i], name))
			return true;
	return false;
}

bool
signer_header(struct signer *signer, const char *name, const char *value,
    size_t value_length, struct fault *fault)
{
	const struct signing_rules *rules = signer->library->rules;
	size_t length = strlen(name);
	char bare[CONFIGURED_NAME_OCTETS];
	bool is_oversigned;

	if (!is_in(signer, IN_HEADER, fault))
		return false;
	while (
	    length > 0 && (name[length - 1] == ' ' || name[length - 1] == '\t'))
		length--;
	/* No name that is covered is longer than all together may be. */
	if (length >= sizeof(bare) || !signer_fields_is_name(name, length))
		return true;
	memcpy(bare, name, length);
	bare[length] = '\0';
	/* A DKIM-Signature that it is fed libopendkim reads, and can fail on.
	 */
	if (text_equal_case(bare, SIGNATURE_NAME)
	    || !signing_covers(rules, bare))
		return true;
	/* Blanks before the colon count under simple canonicalization only. */
	if (rules->header_canon == CANON_RELAXED)
		name = bare;
	else if (strchr(name + length, '\t') != NULL) {
		fault_set(&signer->fault, FAULT_PERMANENT,
		    "header field %s: libopendkim takes no tab before the "
		    "colon, so it can't be signed",
		    bare);
		return give_up(signer, fault);
	}
	/* h= says that there are no more of the oversigned ones. */
	is_oversigned = is_listed(&rules->oversign, bare);
	return signer_fields_add(&signer->fields, name, length, is_oversigned,
		   value, value_length, &signer->fault)
	    || give_up(signer, fault);
}

static bool
has_from(const struct signer_fields *fields)
{
	for (size_t i = 0; i < fields->name_count; i++)
		if (fields->names[i].length == 4
		    && strncasecmp(fields->names[i].text, "From", 4) == 0)
			return true;
	return false;
}

static bool
feed_header(const struct signer *signer, size_t which, struct fault *fault)
{
	const struct signer_fields *fields = &signer->fields;
	DKIM *handle = signer->handles[which];
	DKIM_STAT status = DKIM_STAT_OK;

	for (size_t i = 0; i < fields->count && status == DKIM_STAT_OK; i++)
		if (fields->fields[i].is_chosen)
			status =
			    dkim_header(handle, octets(fields->fields[i].text),
				fields->fields[i].length);
	if (status == DKIM_STAT_OK)
		status = dkim_eoh(handle);
	if (status != DKIM_STAT_OK)
		fault_of_status(
		    fault, &signer->ring->keys[which], handle, status);
	return status == DKIM_STAT_OK;
}

bool
signer_end_of_header(struct signer *signer, struct fault *fault)
{
	if (!is_in(signer, IN_HEADER, fault))
		return false;
	if (!has_from(&signer->fields)) {
		fault_set(&signer->fault, FAULT_PERMANENT,
		    "the message has no From, so it can't be signed");
		return give_up(signer, fault);
	}
	if (!signer_fields_choose(&signer->fields, &signer->fault))
		return give_up(signer, fault);
	for (size_t i = 0; i < signer->ring->count; i++)
		if (!feed_header(signer, i, &signer->fault))
			return give_up(signer, fault);
	signer_fields_clear(&signer->fields);
	signer->state = IN_BODY;
	return true;
}

/* Are all CRs and LFs of the body's next piece halves of line ends? Lone ones
 * are changed on the way by some MTAs, and libopendkim hashes them wrongly
 * where they stand at a blank line or between two pieces. */
static bool
has_whole_line_ends(
    const struct signer *signer, const unsigned char *data, size_t length)
{
	const unsigned char *end = data + length;
	const unsigned char *at;

	if (signer->has_body && signer->last == '\r' && data[0] != '\n')
		return false;
	for (at = data; (at = memchr(at, '\r', (size_t)(end - at))) != NULL;
	     at++)
		if (at + 1 < end && at[1] != '\n')
			return false;
	for (at = data; (at = memchr(at, '\n', (size_t)(end - at))) != NULL;
	     at++)
		if (at > data ? at[-1] != '\r'
			      : !signer->has_body || signer->last != '\r')
			return false;
	return true;
}

/* How long the word is that the body's next piece ends in. */
static size_t
word_after(size_t word_bytes, const unsigned char *data, size_t length)
{
	for (size_t i = length; i > 0; i--)
		if (data[i - 1] == ' ' || data[i - 1] == '\t'
		    || data[i - 1] == '\n')
			return length - i;
	return word_bytes + length;
}

static bool
feed_body(struct signer *signer, const unsigned char *data, size_t length,
    struct fault *fault)
{
	for (size_t i = 0; i < signer->ring->count; i++) {
		DKIM_STAT status =
		    dkim_body(signer->handles[i], octets(data), length);

		if (status != DKIM_STAT_OK) {
			fault_of_status(fault, &signer->ring->keys[i],
			    signer->handles[i], status);
			return false;
		}
	}
	signer->has_body = true;
	signer->last = data[length - 1];
	return true;
}

static bool
take_piece(struct signer *signer, const unsigned char *data, size_t length,
    struct fault *fault)
{
	bool is_relaxed = signer->library->rules->body_canon == CANON_RELAXED;

	if (!has_whole_line_ends(signer, data, length)) {
		fault_set(fault, FAULT_PERMANENT,
		    "the body has a CR or LF that is no CRLF, so it can't be "
		    "signed");
		return false;
	}
	if (is_relaxed)
		signer->word_bytes =
		    word_after(signer->word_bytes, data, length);
	if (signer->word_bytes > SIGNER_WORD_BYTES) {
		fault_set(fault, FAULT_PERMANENT,
		    "the body has a line of over %d octets without a blank, so "
		    "it can't be signed",
		    SIGNER_WORD_BYTES);
		return false;
	}
	return feed_body(signer, data, length, fault);
}

bool
signer_body(struct signer *signer, const unsigned char *data, size_t length,
    struct fault *fault)
{
	if (!is_in(signer, IN_BODY, fault))
		return false;
	while (length > 0) {
		size_t piece =
		    length < BODY_PIECE_BYTES ? length : BODY_PIECE_BYTES;

		if (!take_piece(signer, data, piece, &signer->fault))
			return give_up(signer, fault);
		data += piece;
		length -= piece;
	}
	return true;
}

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

/* Has libopendkim (2.11.0~beta2) freed the RSA key of a handle whose signature
 * failed, and would free it again with the handle? It does where RSA_sign(3)
 * fails or its room can't be had: only for want of memory, as the key was tried
 * before. To lose the handle once is better. */
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

static bool
compute(struct signer *signer, size_t which, struct fault *fault)
{
	const struct key *key = &signer->ring->keys[which];
	DKIM *handle = signer->handles[which];
	unsigned char *value = NULL;
	size_t unfold_at = 0;
	size_t length = 0;
	DKIM_STAT status;

	status = dkim_eom(handle, NULL);
	if (status != DKIM_STAT_OK && is_freed_already(key, handle, status))
		signer->handles[which] = NULL;
	if (status == DKIM_STAT_OK)
		status = dkim_getsighdr_d(
		    handle, SIGNATURE_START_COLUMNS, &value, &length);
	/* Whatever OpenSSL left is nobody's: the next callback of this
	 * connection may run on another thread. */
	ERR_clear_error();
	if (status != DKIM_STAT_OK) {
		fault_of_status(fault, key, handle, status);
		return false;
	}
	length = strnlen((const char *)value, length);
	if (key->algorithm == KEY_ED25519_SHA256
	    && signer->library->rules->header_canon == CANON_SIMPLE)
		unfold_at = length_before_fold((const char *)value, length);
	signer->values[which] =
	    value_render((const char *)value, length, unfold_at);
	if (signer->values[which] == NULL)
		fault_memory(fault);
	return signer->values[which] != NULL;
}

void
signer_drop(struct signer *signer, size_t which)
{
	if (which < KEYS_PER_DOMAIN)
		signer->is_dropped[which] = true;
}

bool
signer_finish(struct signer *signer, const char *const **values_out,
    size_t *count_out, struct fault *fault)
{
	static const unsigned char line_end[] = "\r\n";

	*values_out = NULL;
	*count_out = 0;
	if (!is_in(signer, IN_BODY, fault))
		return false;
	if (signer->has_body && signer->last != '\n'
	    && !take_piece(signer, line_end, 2, &signer->fault))
		return give_up(signer, fault);
	for (size_t i = 0; i < signer->ring->count; i++)
		if (!signer->is_dropped[i]
		    && !compute(signer, i, &signer->fault))
			return give_up(signer, fault);
	signer->state = FINISHED;
	*values_out = (const char *const *)signer->values;
	*count_out = signer->ring->count;
	return true;
}
