/* Our own engine, on OpenSSL's EVP. The body is hashed once for each form, the
 * covered fields once for each choice of them; what is left for each key is its
 * own DKIM-Signature field, and the signature. */
#include "milter/io/signer_engine.h"
#include "policy/canon.h"
#include "policy/dkim_signature.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
	SHA256_OCTETS = 32,
	SHA256_B64_BYTES = 45, /* with a NUL */
	CANONS = 2,
	ARENA_BYTES = 8 * 1024 * 1024,
};

/* A hash on its way. */
struct hashing {
	EVP_MD_CTX *digest;
	struct canon_sink sink;
	bool has_failed;
};

struct body_hash {
	bool is_wanted;
	struct hashing hashing;
	struct canon_body body;
	char b64[SHA256_B64_BYTES];
};

/* What uses that cover the same have in common. */
struct header_hash {
	size_t use;          /* the first of them */
	const char *covered; /* h=, in the arena */
	EVP_MD_CTX *digest;  /* of the covered fields */
};

struct work {
	const struct signer_use *uses;
	size_t count;
	uint64_t time_s;
	struct arena arena;
	struct body_hash bodies[CANONS];
	struct header_hash headers[SIGNING_SIGNATURES];
	size_t header_count;
	size_t header_of[SIGNING_SIGNATURES]; /* which one, of each use */
};

/* SHA-256, looked up once in the life of the process. NULL with words. */
static const EVP_MD *
sha256(struct fault *fault)
{
	static _Atomic(EVP_MD *) known;
	EVP_MD *md = atomic_load(&known);
	EVP_MD *other = NULL;

	if (md != NULL)
		return md;
	md = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (md == NULL) {
		fault_set(fault, FAULT_TEMPORARY,
		    "OpenSSL offers no SHA-256: see which providers its "
		    "openssl.cnf loads");
		return NULL;
	}
	if (atomic_compare_exchange_strong(&known, &other, md))
		return md;
	EVP_MD_free(md);
	return other;
}

static void
hash_more(void *context, const unsigned char *data, size_t length)
{
	struct hashing *hashing = context;

	if (EVP_DigestUpdate(hashing->digest, data, length) != 1)
		hashing->has_failed = true;
}

static bool
hashing_begin(struct hashing *hashing, const EVP_MD *md, struct fault *fault)
{
	canon_sink_init(&hashing->sink, hash_more, hashing);
	hashing->digest = EVP_MD_CTX_new();
	if (hashing->digest != NULL
	    && EVP_DigestInit_ex2(hashing->digest, md, NULL) == 1)
		return true;
	fault_memory(fault);
	return false;
}

/* Go on from what was hashed so far. */
static bool
hashing_copy(
    struct hashing *hashing, const EVP_MD_CTX *digest, struct fault *fault)
{
	canon_sink_init(&hashing->sink, hash_more, hashing);
	hashing->digest = EVP_MD_CTX_new();
	if (hashing->digest != NULL
	    && EVP_MD_CTX_copy_ex(hashing->digest, digest) == 1)
		return true;
	fault_memory(fault);
	return false;
}

/* A hash, once begun, fails only for want of memory. */
static bool
hashing_end(struct hashing *hashing, unsigned char hash[SHA256_OCTETS],
    struct fault *fault)
{
	canon_sink_flush(&hashing->sink);
	if (!hashing->has_failed
	    && EVP_DigestFinal_ex(hashing->digest, hash, NULL) == 1)
		return true;
	fault_memory(fault);
	return false;
}

static bool
begin_bodies(struct work *work, const EVP_MD *md, struct fault *fault)
{
	for (size_t i = 0; i < work->count; i++) {
		enum canonicalization canon = work->uses[i].rules->body_canon;
		struct body_hash *body = &work->bodies[canon];

		if (body->is_wanted)
			continue;
		body->is_wanted = true;
		canon_body_init(&body->body, canon, &body->hashing.sink);
		if (!hashing_begin(&body->hashing, md, fault))
			return false;
	}
	return true;
}

/* h=: the names of the chosen fields as the message spells them, in its order,
 * then the oversigned ones. */
static const char *
covered_names(struct arena *arena, const struct signer_fields *fields,
    const struct field_names *oversign)
{
	size_t octets = 0;
	char *names;
	char *to;

	for (size_t i = 0; i < fields->count; i++)
		if (fields->fields[i].is_chosen)
			octets +=
			    fields->names[fields->fields[i].name].length + 1;
	for (size_t i = 0; i < oversign->count; i++)
		octets += strlen(oversign->names[i]) + 1;
	names = to = arena_alloc(arena, octets + 1);
	if (names == NULL)
		return NULL;
	for (size_t i = 0; i < fields->count; i++) {
		const struct signer_field *field = &fields->fields[i];
		size_t length = fields->names[field->name].length;

		if (!field->is_chosen)
			continue;
		memcpy(to, field->text, length);
		to += length;
		*to++ = ':';
	}
	for (size_t i = 0; i < oversign->count; i++) {
		size_t length = strlen(oversign->names[i]);

		memcpy(to, oversign->names[i], length);
		to += length;
		*to++ = ':';
	}
	if (to > names)
		to[-1] = '\0';
	return names;
}

/* Hash the chosen fields in the order of h=, where the first of equal names is
 * the field that stands lowest (RFC 6376 §5.4.2). False for want of memory. */
static bool
hash_fields(struct arena *arena, const struct signer_fields *fields,
    enum canonicalization canon, struct canon_sink *sink)
{
	/* Of each name the lowest field, of each field the next above of its
	 * name; counted from 1. */
	size_t *lowest =
	    arena_alloc(arena, fields->name_count * sizeof(*lowest));
	size_t *above = arena_alloc(arena, fields->count * sizeof(*above));

	if (lowest == NULL || above == NULL)
		return false;
	for (size_t i = 0; i < fields->count; i++) {
		const struct signer_field *field = &fields->fields[i];

		if (!field->is_chosen)
			continue;
		above[i] = lowest[field->name];
		lowest[field->name] = i + 1;
	}
	for (size_t i = 0; i < fields->count; i++) {
		size_t name = fields->fields[i].name;
		const struct signer_field *next;

		if (!fields->fields[i].is_chosen)
			continue;
		next = &fields->fields[lowest[name] - 1];
		lowest[name] = above[lowest[name] - 1];
		canon_header(canon, next->text, next->length, true, sink);
	}
	canon_sink_flush(sink);
	return true;
}

static bool
begin_header(struct work *work, const struct signer_fields *fields,
    const EVP_MD *md, size_t use, struct fault *fault)
{
	const struct signing_rules *rules = work->uses[use].rules;
	struct header_hash *header = &work->headers[work->header_count++];
	struct hashing hashing = { 0 };
	bool is_begun = hashing_begin(&hashing, md, fault);

	header->use = use;
	header->digest = hashing.digest;
	if (!is_begun)
		return false;
	header->covered = covered_names(&work->arena, fields, &rules->oversign);
	if (header->covered != NULL
	    && hash_fields(
		&work->arena, fields, rules->header_canon, &hashing.sink)
	    && !hashing.has_failed)
		return true;
	fault_memory(fault);
	return false;
}

static bool
begin_headers(struct work *work, const struct signer_job *job, const EVP_MD *md,
    struct fault *fault)
{
	for (size_t i = 0; i < job->count; i++) {
		size_t which;

		for (which = 0; which < work->header_count; which++)
			if (job->fields[work->headers[which].use]
			    == job->fields[i])
				break;
		work->header_of[i] = which;
		if (which == work->header_count
		    && !begin_header(work, job->fields[i], md, i, fault))
			return false;
	}
	return true;
}

/* Names of keys become part of the signature. */
static bool
names_are_usable(
    const struct signer_job *job, size_t *faulty_out, struct fault *fault)
{
	for (size_t i = 0; i < job->count; i++) {
		const struct key *key = job->uses[i].key;

		if (dkim_signature_may_name(key->domain)
		    && dkim_signature_may_name(key->selector))
			continue;
		*faulty_out = i;
		fault_set(fault, FAULT_PERMANENT,
		    "signing with %s/%s: that can't stand in a signature: "
		    "letters, digits, \"-\", \"_\" and \".\" can",
		    key->domain, key->selector);
		return false;
	}
	return true;
}

static void
postern_end(void *memory)
{
	struct work *work = memory;

	if (work == NULL)
		return;
	for (size_t i = 0; i < CANONS; i++)
		EVP_MD_CTX_free(work->bodies[i].hashing.digest);
	for (size_t i = 0; i < work->header_count; i++)
		EVP_MD_CTX_free(work->headers[i].digest);
	arena_clear(&work->arena);
	free(work);
}

static void *
postern_begin(
    const struct signer_job *job, size_t *faulty_out, struct fault *fault)
{
	struct work *work;
	const EVP_MD *md;

	*faulty_out = SIGNER_NO_USE;
	if (!names_are_usable(job, faulty_out, fault))
		return NULL;
	work = calloc(1, sizeof(*work));
	if (work == NULL) {
		fault_memory(fault);
		return NULL;
	}
	work->uses = job->uses;
	work->count = job->count;
	work->time_s = job->time_s;
	arena_init(&work->arena, ARENA_BYTES);
	md = sha256(fault);
	if (md == NULL || !begin_bodies(work, md, fault)
	    || !begin_headers(work, job, md, fault)) {
		postern_end(work);
		work = NULL;
	}
	/* Whatever OpenSSL left is nobody's: the next callback of this
	 * connection may run on another thread. */
	ERR_clear_error();
	return work;
}

static bool
postern_body(
    void *memory, const unsigned char *data, size_t length, struct fault *fault)
{
	struct work *work = memory;

	for (size_t i = 0; i < CANONS; i++) {
		struct body_hash *body = &work->bodies[i];

		if (!body->is_wanted)
			continue;
		canon_body_add(&body->body, data, length);
		if (body->hashing.has_failed) {
			ERR_clear_error();
			fault_memory(fault);
			return false;
		}
	}
	return true;
}

static bool
finish_bodies(struct work *work, struct fault *fault)
{
	unsigned char hash[SHA256_OCTETS];

	for (size_t i = 0; i < CANONS; i++) {
		struct body_hash *body = &work->bodies[i];

		if (!body->is_wanted)
			continue;
		canon_body_end(&body->body);
		if (!hashing_end(&body->hashing, hash, fault))
			return false;
		EVP_EncodeBlock((unsigned char *)body->b64, hash, sizeof(hash));
	}
	return true;
}

/* The covered fields and, at their end, the signature's own. */
static bool
hash_header(const struct header_hash *header, enum canonicalization canon,
    const char *own, size_t own_length, unsigned char hash[SHA256_OCTETS],
    struct fault *fault)
{
	struct hashing hashing = { 0 };
	bool is_done = hashing_copy(&hashing, header->digest, fault);

	if (is_done) {
		canon_header(canon, own, own_length, false, &hashing.sink);
		is_done = hashing_end(&hashing, hash, fault);
	}
	EVP_MD_CTX_free(hashing.digest);
	return is_done;
}

/* RFC 8301: RSASSA-PKCS1-v1_5 with SHA-256. */
static bool
sign_rsa(EVP_PKEY *pkey, const unsigned char hash[SHA256_OCTETS],
    unsigned char *to, size_t *length)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	const EVP_MD *md = sha256(NULL);
	bool is_signed = context != NULL && md != NULL
	    && EVP_PKEY_sign_init(context) == 1
	    && EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1
	    && EVP_PKEY_CTX_set_signature_md(context, md) == 1
	    && EVP_PKEY_sign(context, to, length, hash, SHA256_OCTETS) == 1;

	EVP_PKEY_CTX_free(context);
	return is_signed;
}

/* RFC 8463 §3: PureEdDSA over the hash. */
static bool
sign_ed25519(EVP_PKEY *pkey, const unsigned char hash[SHA256_OCTETS],
    unsigned char *to, size_t *length)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool is_signed = context != NULL
	    && EVP_DigestSignInit(context, NULL, NULL, NULL, pkey) == 1
	    && EVP_DigestSign(context, to, length, hash, SHA256_OCTETS) == 1;

	EVP_MD_CTX_free(context);
	return is_signed;
}

/* What OpenSSL last said of a key. True if it is the key's doing. */
static bool
fault_of_key(const struct key *key, struct fault *fault)
{
	unsigned long code = ERR_peek_last_error();
	const char *words = ERR_reason_error_string(code);

	if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE) {
		fault_memory(fault);
		return false;
	}
	fault_set(fault, FAULT_PERMANENT,
	    "signing with %s/%s: OpenSSL says: %s", key->domain, key->selector,
	    words != NULL ? words : "the key can't sign");
	return true;
}

/* The signature of hash in base64, in the arena. NULL with words. */
static const char *
sign_hash(struct work *work, size_t which,
    const unsigned char hash[SHA256_OCTETS], size_t *faulty_out,
    struct fault *fault)
{
	const struct key *key = work->uses[which].key;
	int most = EVP_PKEY_get_size(key->pkey);
	size_t length = most > 0 ? (size_t)most : 0;
	unsigned char *raw = arena_alloc(&work->arena, length);
	char *b64 = arena_alloc(&work->arena, (length + 2) / 3 * 4 + 1);
	bool is_signed;

	if (raw == NULL || b64 == NULL) {
		fault_memory(fault);
		return NULL;
	}
	is_signed = key->algorithm == KEY_RSA_SHA256
	    ? sign_rsa(key->pkey, hash, raw, &length)
	    : sign_ed25519(key->pkey, hash, raw, &length);
	if (!is_signed) {
		if (fault_of_key(key, fault))
			*faulty_out = which;
		return NULL;
	}
	EVP_EncodeBlock((unsigned char *)b64, raw, (int)length);
	return b64;
}

/* One use's DKIM-Signature, malloc'ed. NULL with words. */
static char *
make_value(
    struct work *work, size_t which, size_t *faulty_out, struct fault *fault)
{
	const struct key *key = work->uses[which].key;
	const struct signing_rules *rules = work->uses[which].rules;
	const struct header_hash *header =
	    &work->headers[work->header_of[which]];
	const struct dkim_signature signature = {
		.type = key->algorithm == KEY_RSA_SHA256 ? DKIM_KEY_RSA
							 : DKIM_KEY_ED25519,
		.header_canon = rules->header_canon,
		.body_canon = rules->body_canon,
		.domain = key->domain,
		.selector = key->selector,
		.identity = work->uses[which].identity,
		.time_s = work->time_s,
		.expire_s = rules->expire_s,
		.covered = header->covered,
		.body_b64 = work->bodies[rules->body_canon].b64,
	};
	unsigned char hash[SHA256_OCTETS];
	const char *hashed, *b64, *value;
	char *result = NULL;
	size_t length;

	hashed = dkim_signature_hashed(&signature, &work->arena, &length);
	if (hashed == NULL) {
		fault_memory(fault);
		return NULL;
	}
	if (!hash_header(
		header, rules->header_canon, hashed, length, hash, fault))
		return NULL;
	b64 = sign_hash(work, which, hash, faulty_out, fault);
	if (b64 == NULL)
		return NULL;
	value = dkim_signature_value(&signature, hashed, b64, &work->arena);
	if (value != NULL)
		result = strdup(value);
	if (result == NULL)
		fault_memory(fault);
	return result;
}

static bool
postern_finish(void *memory, const bool *is_left_out, char **values_out,
    size_t *faulty_out, struct fault *fault)
{
	struct work *work = memory;
	bool is_done = finish_bodies(work, fault);

	*faulty_out = SIGNER_NO_USE;
	for (size_t i = 0; i < work->count && is_done; i++) {
		if (is_left_out[i])
			continue;
		values_out[i] = make_value(work, i, faulty_out, fault);
		is_done = values_out[i] != NULL;
	}
	ERR_clear_error();
	return is_done;
}

const struct signer_engine signer_postern = {
	.name = "postern",
	.begin = postern_begin,
	.body = postern_body,
	.finish = postern_finish,
	.end = postern_end,
};
