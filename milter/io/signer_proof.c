#include "milter/io/signer_proof.h"

#include "policy/base64.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SHA256_OCTETS = 32, ED25519_OCTETS = 32 };

/* A part of the signature's field. */
struct part {
	const char *text; /* NULL: there is none */
	size_t length;
};

static bool
is_blank(char octet)
{
	return octet == ' ' || octet == '\t' || octet == '\r' || octet == '\n';
}

static struct part
trimmed(const char *text, size_t length)
{
	while (length > 0 && is_blank(*text)) {
		text++;
		length--;
	}
	while (length > 0 && is_blank(text[length - 1]))
		length--;
	return (struct part){ text, length };
}

/* The value of a tag, blanks around it included (§3.2). */
static struct part
tag_of(const char *list, const char *name)
{
	while (*list != '\0') {
		size_t length = strcspn(list, ";");
		const char *equals = memchr(list, '=', length);
		struct part found;

		if (equals != NULL) {
			found = trimmed(list, (size_t)(equals - list));
			if (found.length == strlen(name)
			    && memcmp(found.text, name, found.length) == 0)
				return (struct part){ equals + 1,
					length - (size_t)(equals - list) - 1 };
		}
		list += length;
		if (*list == ';')
			list++;
	}
	return (struct part){ NULL, 0 };
}

/* The field as it leaves: its folds are CRLF. */
static char *
field_of(const char *value)
{
	static const char name[] = "DKIM-Signature:";
	char *field = malloc(sizeof(name) + 2 * strlen(value));
	char *to = field;

	if (field == NULL)
		return NULL;
	memcpy(to, name, sizeof(name) - 1);
	to += sizeof(name) - 1;
	for (; *value != '\0'; value++) {
		if (*value == '\n')
			*to++ = '\r';
		*to++ = *value;
	}
	*to = '\0';
	return field;
}

/* Bring a field into relaxed form (§3.4.2), in its place. Returns the length.
 */
static size_t
relax(char *text, size_t length)
{
	const char *colon = memchr(text, ':', length);
	size_t value = colon != NULL ? (size_t)(colon - text) + 1 : 0;
	bool follows_blank = true; /* none in front is kept */
	size_t kept = 0;

	for (size_t i = 0; i < value; i++)
		if (text[i] != ' ' && text[i] != '\t') {
			bool is_upper = text[i] >= 'A' && text[i] <= 'Z';

			text[kept++] =
			    is_upper ? (char)(text[i] - 'A' + 'a') : text[i];
		}
	for (size_t i = value; i < length; i++) {
		if (text[i] == ' ' || text[i] == '\t') {
			if (!follows_blank)
				text[kept++] = ' ';
			follows_blank = true;
		} else if (text[i] == '\r' && i + 1 < length
		    && text[i + 1] == '\n') {
			i++; /* a fold */
		} else {
			text[kept++] = text[i];
			follows_blank = false;
		}
	}
	return follows_blank && kept > 0 && text[kept - 1] == ' ' ? kept - 1
								  : kept;
}

static bool
hash_field(EVP_MD_CTX *digest, const char *text, size_t length, bool is_relaxed,
    bool has_line_end)
{
	char *copy = malloc(length + 1);
	bool is_hashed;

	if (copy == NULL)
		return false;
	memcpy(copy, text, length);
	if (is_relaxed)
		length = relax(copy, length);
	is_hashed = EVP_DigestUpdate(digest, copy, length) == 1
	    && (!has_line_end || EVP_DigestUpdate(digest, "\r\n", 2) == 1);
	free(copy);
	return is_hashed;
}

/* The lowest field of that name that wasn't taken before (§5.4.2): NULL if
 * there is none left. */
static const struct signer_field *
next_field(
    const struct signer_fields *fields, size_t *left, const struct part *name)
{
	for (size_t i = 0; i < fields->name_count; i++) {
		if (fields->names[i].length != name->length
		    || strncasecmp(
			   fields->names[i].text, name->text, name->length)
			!= 0)
			continue;
		while (left[i] > 0) {
			const struct signer_field *field =
			    &fields->fields[--left[i]];

			if (field->name == i)
				return field;
		}
	}
	return NULL;
}

/* All that h= names. */
static bool
hash_fields(EVP_MD_CTX *digest, const struct signer_fields *fields,
    const struct part *names, bool is_relaxed)
{
	size_t *left = calloc(fields->name_count + 1, sizeof(*left));
	const char *at = names->text;
	const char *end = at + names->length;
	bool is_hashed = left != NULL;

	for (size_t i = 0; left != NULL && i < fields->name_count; i++)
		left[i] = fields->count;
	while (is_hashed && at < end) {
		const char *colon = memchr(at, ':', (size_t)(end - at));
		const char *stop = colon != NULL ? colon : end;
		const struct part name = trimmed(at, (size_t)(stop - at));
		const struct signer_field *field =
		    next_field(fields, left, &name);

		if (field != NULL)
			is_hashed = hash_field(digest, field->text,
			    field->length, is_relaxed, true);
		at = stop + 1;
	}
	free(left);
	return is_hashed;
}

/* The hash that is signed (§3.7). */
static bool
hash_header(const struct signer_fields *fields, const char *own,
    const struct part *covered, const struct part *b, bool is_relaxed,
    unsigned char hash[SHA256_OCTETS])
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	size_t before = (size_t)(b->text - own);
	size_t after = strlen(own) - before - b->length;
	char *emptied = malloc(before + after + 1);
	bool is_hashed = false;

	if (digest != NULL && emptied != NULL) {
		memcpy(emptied, own, before);
		memcpy(emptied + before, b->text + b->length, after);
		is_hashed = EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1
		    && hash_fields(digest, fields, covered, is_relaxed)
		    && hash_field(
			digest, emptied, before + after, is_relaxed, false)
		    && EVP_DigestFinal_ex(digest, hash, NULL) == 1;
	}
	free(emptied);
	EVP_MD_CTX_free(digest);
	return is_hashed;
}

/* What base64 stands for; malloc'ed. NULL if it isn't base64, or for want of
 * memory. */
static unsigned char *
decode(const char *text, size_t length, size_t *length_out)
{
	unsigned char *data = malloc(length + 1);

	if (data != NULL
	    && base64_decode(text, length, data, length, length_out)
		== BASE64_WHOLE)
		return data;
	free(data);
	return NULL;
}

/* RFC 6376 §3.6.1, RFC 8463 §4.2. */
static EVP_PKEY *
public_key(const char *b64, bool is_rsa)
{
	size_t length = 0;
	unsigned char *data = decode(b64, strlen(b64), &length);
	const unsigned char *at = data;
	EVP_PKEY *pkey = NULL;

	if (data != NULL && is_rsa)
		pkey = d2i_PUBKEY(NULL, &at, (long)length);
	else if (data != NULL && length == ED25519_OCTETS)
		pkey = EVP_PKEY_new_raw_public_key(
		    EVP_PKEY_ED25519, NULL, data, length);
	free(data);
	return pkey;
}

/* A key of another kind takes no such padding. */
static bool
verifies_rsa(EVP_PKEY *pkey, const unsigned char *hash,
    const unsigned char *signature, size_t length)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	bool is_good = context != NULL && EVP_PKEY_verify_init(context) == 1
	    && EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1
	    && EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1
	    && EVP_PKEY_verify(context, signature, length, hash, SHA256_OCTETS)
		== 1;

	EVP_PKEY_CTX_free(context);
	return is_good;
}

static bool
verifies_ed25519(EVP_PKEY *pkey, const unsigned char *hash,
    const unsigned char *signature, size_t length)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool is_good = context != NULL
	    && EVP_DigestVerifyInit(context, NULL, NULL, NULL, pkey) == 1
	    && EVP_DigestVerify(context, signature, length, hash, SHA256_OCTETS)
		== 1;

	EVP_MD_CTX_free(context);
	return is_good;
}

static const char *
verify(const struct part *b, bool is_rsa, const char *public_b64,
    const unsigned char *hash)
{
	size_t length = 0;
	unsigned char *signature = decode(b->text, b->length, &length);
	EVP_PKEY *pkey = public_key(public_b64, is_rsa);
	const char *why = NULL;

	if (signature == NULL)
		why = "its b= isn't base64";
	else if (pkey == NULL)
		why = "the key's public part (p=) is no key for its a=";
	else if (!(is_rsa ? verifies_rsa : verifies_ed25519)(
		     pkey, hash, signature, length))
		why = "its b= isn't what the key's public part (p=) belongs "
		      "to, or wasn't made of this header";
	free(signature);
	EVP_PKEY_free(pkey);
	return why;
}

static const char *
prove(const struct signer_fields *fields, const char *field,
    const char *public_b64)
{
	const char *list = strchr(field, ':') + 1;
	const struct part a = tag_of(list, "a");
	const struct part b = tag_of(list, "b");
	const struct part c = tag_of(list, "c");
	const struct part h = tag_of(list, "h");
	unsigned char hash[SHA256_OCTETS];
	struct part algorithm, canon;
	bool is_rsa, is_relaxed;

	if (a.text == NULL || b.text == NULL || c.text == NULL || h.text == NULL
	    || tag_of(list, "bh").text == NULL)
		return "it lacks a=, b=, bh=, c= or h=";
	algorithm = trimmed(a.text, a.length);
	canon = trimmed(c.text, c.length);
	is_rsa =
	    algorithm.length >= 4 && memcmp(algorithm.text, "rsa-", 4) == 0;
	is_relaxed = canon.length >= 7 && memcmp(canon.text, "relaxed", 7) == 0;
	if (!hash_header(fields, field, &h, &b, is_relaxed, hash))
		return NULL;
	return verify(&b, is_rsa, public_b64, hash);
}

const char *
signer_proof(const struct signer_fields *fields, const char *value,
    const char *public_b64)
{
	char *field = field_of(value);
	const char *why;

	if (field == NULL)
		return NULL;
	why = prove(fields, field, public_b64);
	/* Whatever OpenSSL left is nobody's: the next callback of this
	 * connection may run on another thread. */
	ERR_clear_error();
	free(field);
	return why;
}
