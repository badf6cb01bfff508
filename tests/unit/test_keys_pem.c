/* What people put where a private key belongs: it is a key, or is said to be
 * what it is, with what to do. */
#include "milter/io/keys_file.h"
#include "milter/io/keys_parse.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static EVP_PKEY *rsa, *other_rsa, *ed25519, *ec, *pss;
static X509 *certificate;
static X509_REQ *request;

static char password[] = "secret";

/* ---- what is there to be written ---------------------------------------- */

static int
put_pem(BIO *out, EVP_PKEY *pkey)
{
	return PEM_write_bio_PrivateKey(out, pkey, NULL, NULL, 0, NULL, NULL);
}

static int
put_rsa(BIO *out)
{
	return put_pem(out, rsa);
}

static int
put_ed25519(BIO *out)
{
	return put_pem(out, ed25519);
}

static int
put_two(BIO *out)
{
	return put_pem(out, rsa) && put_pem(out, other_rsa);
}

static int
put_old_and_other(BIO *out)
{
	return PEM_write_bio_PrivateKey_traditional(
		   out, rsa, NULL, NULL, 0, NULL, NULL)
	    && put_pem(out, ed25519);
}

static int
put_ec(BIO *out)
{
	return put_pem(out, ec);
}

/* As "openssl ecparam -genkey" does. */
static int
put_ecparam(BIO *out)
{
	return PEM_write_bio_Parameters(out, ec)
	    && PEM_write_bio_PrivateKey_traditional(
		out, ec, NULL, NULL, 0, NULL, NULL);
}

static int
put_parameters(BIO *out)
{
	return PEM_write_bio_Parameters(out, ec);
}

static int
put_ec_and_rsa(BIO *out)
{
	return put_ecparam(out) && put_pem(out, rsa);
}

static int
put_encrypted(BIO *out)
{
	return PEM_write_bio_PrivateKey(
	    out, rsa, EVP_aes_128_cbc(), NULL, 0, NULL, password);
}

static int
put_encrypted_old(BIO *out)
{
	return PEM_write_bio_PrivateKey_traditional(
	    out, rsa, EVP_aes_128_cbc(), NULL, 0, NULL, password);
}

static int
put_encrypted_ec(BIO *out)
{
	return PEM_write_bio_PrivateKey_traditional(
	    out, ec, EVP_aes_128_cbc(), NULL, 0, NULL, password);
}

static int
put_public(BIO *out)
{
	return PEM_write_bio_PUBKEY(out, rsa);
}

static int
put_certificate(BIO *out)
{
	return PEM_write_bio_X509(out, certificate);
}

static int
put_trusted(BIO *out)
{
	return PEM_write_bio_X509_AUX(out, certificate);
}

static int
put_request(BIO *out)
{
	return PEM_write_bio_X509_REQ(out, request)
	    && PEM_write_bio_X509_REQ_NEW(out, request);
}

/* As Let's Encrypt's clients hand them over. */
static int
put_certificate_and_key(BIO *out)
{
	return put_certificate(out) && put_pem(out, rsa);
}

static int
put_openssh(BIO *out)
{
	return BIO_puts(out,
	    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
	    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtz\n"
	    "-----END OPENSSH PRIVATE KEY-----\n");
}

/* What opendkim-genkey leaves beside the key. */
static int
put_record(BIO *out)
{
	return BIO_puts(out,
	    "s1._domainkey\tIN\tTXT\t( \"v=DKIM1; h=sha256; k=rsa; \"\n"
	    "\t  \"p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKC\" )\n");
}

static int
put_der(BIO *out)
{
	return i2d_PKCS8PrivateKey_bio(out, rsa, NULL, NULL, 0, NULL, NULL);
}

static int
put_der_old(BIO *out)
{
	return i2d_PrivateKey_bio(out, rsa);
}

static int
put_der_ed25519(BIO *out)
{
	return i2d_PKCS8PrivateKey_bio(out, ed25519, NULL, NULL, 0, NULL, NULL);
}

static int
put_der_and_more(BIO *out)
{
	return put_der(out) && BIO_puts(out, "\n") == 1;
}

static int
put_der_ec(BIO *out)
{
	return i2d_PrivateKey_bio(out, ec);
}

static int
put_der_pss(BIO *out)
{
	return i2d_PKCS8PrivateKey_bio(out, pss, NULL, NULL, 0, NULL, NULL);
}

static int
put_der_encrypted(BIO *out)
{
	return i2d_PKCS8PrivateKey_bio(
	    out, rsa, EVP_aes_128_cbc(), NULL, 0, NULL, password);
}

static int
put_der_public(BIO *out)
{
	return i2d_PUBKEY_bio(out, rsa);
}

static int
put_der_public_old(BIO *out)
{
	unsigned char *der = NULL;
	int length = i2d_PublicKey(rsa, &der);
	int written = BIO_write(out, der, length);

	OPENSSL_free(der);
	return written == length;
}

static int
put_der_certificate(BIO *out)
{
	return i2d_X509_bio(out, certificate);
}

static int
put_der_request(BIO *out)
{
	return i2d_X509_REQ_bio(out, request);
}

static int
put_bundle(BIO *out)
{
	PKCS12 *bundle =
	    PKCS12_create(password, "a", rsa, certificate, NULL, 0, 0, 0, 0, 0);
	int is_written = bundle != NULL && i2d_PKCS12_bio(out, bundle);

	PKCS12_free(bundle);
	return is_written;
}

/* ---- how it is written -------------------------------------------------- */

enum way {
	AS_IT_IS,
	WITH_CRLF,
	WITH_MARK, /* of UTF-8 */
	WITH_MARK_AND_CRLF,
	IN_UTF16_BE,
	IN_UTF16_LE,
	IN_UTF16_BE_UNMARKED,
	IN_UTF16_LE_UNMARKED,
	IN_BASE64, /* for DER */
};

/* Text under construction. */
struct made {
	char data[4 * KEYS_FILE_BYTES];
	size_t length;
};

static void
add(struct made *made, const char *octets, size_t length)
{
	assert_true(made->length + length <= sizeof(made->data));
	memcpy(made->data + made->length, octets, length);
	made->length += length;
}

static void
add_octet(struct made *made, char octet, enum way way)
{
	if ((way == WITH_CRLF || way == WITH_MARK_AND_CRLF) && octet == '\n')
		add(made, "\r", 1);
	if (way == IN_UTF16_BE || way == IN_UTF16_BE_UNMARKED)
		add(made, "\0", 1);
	add(made, &octet, 1);
	if (way == IN_UTF16_LE || way == IN_UTF16_LE_UNMARKED)
		add(made, "\0", 1);
}

static void
make(struct made *made, const char *data, size_t length, enum way way)
{
	made->length = 0;
	if (way == IN_BASE64) {
		made->length =
		    (size_t)EVP_EncodeBlock((unsigned char *)made->data,
			(const unsigned char *)data, (int)length);
		return;
	}
	if (way == WITH_MARK || way == WITH_MARK_AND_CRLF)
		add(made, "\xef\xbb\xbf", 3);
	if (way == IN_UTF16_BE)
		add(made, "\xfe\xff", 2);
	if (way == IN_UTF16_LE)
		add(made, "\xff\xfe", 2);
	for (size_t i = 0; i < length; i++)
		add_octet(made, data[i], way);
}

/* ---- and what is said of it --------------------------------------------- */

#define IS_RSA "RSA"
#define IS_ED25519 "Ed25519"
#define OTHER_ALGORITHM                                                     \
	"neither an RSA nor an Ed25519 key: DKIM knows no other, make one " \
	"with posternctl genkey"
#define ENCRYPTED                                                        \
	"the key is encrypted: store it without a password, as openssl " \
	"pkey -in FILE -out NEW writes it"
#define PUBLIC "no private key but a public one: put the private one there"
#define CERTIFICATE                                                       \
	"no private key but a certificate or a request for one: put the " \
	"private key there"
#define UTF16                                                               \
	"text in UTF-16: make it plain with iconv -f UTF-16 -t ASCII FILE " \
	"> NEW"
#define UNKNOWN "no private key in PEM form: put a whole one there"
#define BUNDLE                                                              \
	"no private key but a PKCS#12 file: take the key out with openssl " \
	"pkcs12 -in FILE -nocerts -nodes -out NEW"
#define OPENSSH                                                         \
	"no private key in PEM form but one of OpenSSH: make one with " \
	"posternctl genkey"
#define RECORD                                                              \
	"no private key but a record, which belongs into the DNS: put the " \
	"private key there"

static const struct pem_case {
	const char *name;
	int (*put)(BIO *out);
	enum way way;
	const char *wanted; /* words, or which key is taken */
} cases[] = {
	{ "RSA", put_rsa, AS_IT_IS, IS_RSA },
	{ "DOS lines", put_rsa, WITH_CRLF, IS_RSA },
	{ "a mark before it", put_rsa, WITH_MARK, IS_RSA },
	{ "a mark before Ed25519", put_ed25519, WITH_MARK, IS_ED25519 },
	{ "a mark and DOS lines", put_rsa, WITH_MARK_AND_CRLF, IS_RSA },
	{ "two keys: the first counts", put_two, AS_IT_IS, IS_RSA },
	{ "two of two kinds", put_old_and_other, AS_IT_IS, IS_RSA },
	{ "a certificate before it", put_certificate_and_key, AS_IT_IS,
	    IS_RSA },
	{ "a key that is none of ours before it", put_ec_and_rsa, AS_IT_IS,
	    IS_RSA },
	{ "DER", put_der, AS_IT_IS, IS_RSA },
	{ "DER of PKCS#1", put_der_old, AS_IT_IS, IS_RSA },
	{ "DER of Ed25519", put_der_ed25519, AS_IT_IS, IS_ED25519 },
	{ "DER in base64", put_der, IN_BASE64, IS_RSA },
	{ "DER and more", put_der_and_more, AS_IT_IS, UNKNOWN },

	{ "UTF-16", put_rsa, IN_UTF16_BE, UTF16 },
	{ "UTF-16, low octets first", put_rsa, IN_UTF16_LE, UTF16 },
	{ "UTF-16 without a mark", put_rsa, IN_UTF16_BE_UNMARKED, UTF16 },
	{ "the same, low octets first", put_rsa, IN_UTF16_LE_UNMARKED, UTF16 },
	{ "EC", put_ec, AS_IT_IS, OTHER_ALGORITHM },
	{ "EC as openssl ecparam writes it", put_ecparam, AS_IT_IS,
	    OTHER_ALGORITHM },
	{ "the same with DOS lines", put_ecparam, WITH_CRLF, OTHER_ALGORITHM },
	{ "only EC's parameters", put_parameters, AS_IT_IS, OTHER_ALGORITHM },
	{ "EC in DER", put_der_ec, AS_IT_IS, OTHER_ALGORITHM },
	{ "EC in base64", put_der_ec, IN_BASE64, OTHER_ALGORITHM },
	{ "RSA-PSS", put_der_pss, AS_IT_IS, OTHER_ALGORITHM },
	{ "encrypted", put_encrypted, AS_IT_IS, ENCRYPTED },
	{ "encrypted with a mark", put_encrypted, WITH_MARK, ENCRYPTED },
	{ "encrypted PKCS#1", put_encrypted_old, AS_IT_IS, ENCRYPTED },
	{ "encrypted EC", put_encrypted_ec, AS_IT_IS, OTHER_ALGORITHM },
	{ "encrypted DER", put_der_encrypted, AS_IT_IS, ENCRYPTED },
	{ "encrypted base64", put_der_encrypted, IN_BASE64, ENCRYPTED },
	{ "public", put_public, AS_IT_IS, PUBLIC },
	{ "public DER", put_der_public, AS_IT_IS, PUBLIC },
	{ "a record's p=", put_der_public, IN_BASE64, PUBLIC },
	{ "public DER of PKCS#1", put_der_public_old, AS_IT_IS, PUBLIC },
	{ "a p= of PKCS#1", put_der_public_old, IN_BASE64, PUBLIC },
	{ "a record", put_record, AS_IT_IS, RECORD },
	{ "a certificate", put_certificate, AS_IT_IS, CERTIFICATE },
	{ "a trusted certificate", put_trusted, AS_IT_IS, CERTIFICATE },
	{ "a certificate in DER", put_der_certificate, AS_IT_IS, CERTIFICATE },
	{ "a request", put_request, AS_IT_IS, CERTIFICATE },
	{ "a request in DER", put_der_request, AS_IT_IS, CERTIFICATE },
	{ "PKCS#12", put_bundle, AS_IT_IS, BUNDLE },
	{ "PKCS#12 in base64", put_bundle, IN_BASE64, BUNDLE },
	{ "OpenSSH", put_openssh, AS_IT_IS, OPENSSH },
};

/* What is said of length octets at data, which are copied to a place of their
 * own size, so that reading on is seen. */
static const char *
said_of(const char *data, size_t length, struct fault *fault)
{
	struct parsed_key key = { 0 };
	char *copy = malloc(length);
	const char *said = "another key";

	assert_non_null(copy);
	memcpy(copy, data, length);
	*fault = (struct fault){ .kind = FAULT_NONE };
	if (!keys_parse(copy, length, &key, fault)) {
		assert_int_equal(FAULT_PERMANENT, fault->kind);
		said = fault->words;
	} else if (EVP_PKEY_eq(key.pkey, rsa) == 1)
		said = IS_RSA;
	else if (EVP_PKEY_eq(key.pkey, ed25519) == 1)
		said = IS_ED25519;
	keys_parse_clear(&key);
	free(copy);
	return said;
}

static void
test_words(void **state)
{
	static struct made made;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct pem_case *c = &cases[i];
		BIO *out = BIO_new(BIO_s_mem());
		struct fault fault;
		const char *got;
		char *data;
		long length;

		assert_non_null(out);
		if (c->put(out) <= 0)
			fail_msg("%s: can't be made", c->name);
		length = BIO_get_mem_data(out, &data);
		make(&made, data, (size_t)length, c->way);
		got = said_of(made.data, made.length, &fault);
		if (strcmp(got, c->wanted) != 0)
			fail_msg(
			    "%s: wanted %s, got %s", c->name, c->wanted, got);
		BIO_free(out);
	}
}

/* No beginning of one is taken for a key, and none is read beyond. */
static void
test_cut(void **state)
{
	static int (*const puts[])(BIO *) = { put_der_ed25519, put_der_ec,
		put_der_public, put_der_encrypted, put_ed25519 };

	(void)state;
	for (size_t i = 0; i < COUNT(puts); i++) {
		BIO *out = BIO_new(BIO_s_mem());
		struct fault fault;
		char *data;
		long length;

		assert_non_null(out);
		assert_true(puts[i](out) > 0);
		length = BIO_get_mem_data(out, &data);
		/* PEM's last octet is a line end, which may be wanting. */
		for (long cut = 1; cut < length - 1; cut++)
			if (said_of(data, (size_t)cut, &fault) != fault.words)
				fail_msg("%zu: %ld octets are a key", i, cut);
		BIO_free(out);
	}
}

static void
test_too_large_der(void **state)
{
	static char octets[KEYS_FILE_BYTES];
	struct fault fault;

	(void)state;
	memcpy(octets, "\x30\x82\xff\xfc", 4);
	assert_string_equal("too large to be a private key",
	    said_of(octets, sizeof(octets), &fault));
}

static EVP_PKEY *
make_pss(void)
{
	EVP_PKEY_CTX *context =
	    EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
	EVP_PKEY *pkey = NULL;

	if (context != NULL && EVP_PKEY_keygen_init(context) == 1
	    && EVP_PKEY_CTX_set_rsa_keygen_bits(context, 1024) == 1)
		(void)EVP_PKEY_generate(context, &pkey);
	EVP_PKEY_CTX_free(context);
	return pkey;
}

static int
make_all(void **state)
{
	(void)state;
	rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	other_rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	ec = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	pss = make_pss();
	certificate = X509_new();
	request = X509_REQ_new();
	if (rsa == NULL || other_rsa == NULL || ed25519 == NULL || ec == NULL
	    || pss == NULL || certificate == NULL || request == NULL)
		return -1;
	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_set_pubkey(certificate, rsa);
	X509_REQ_set_pubkey(request, rsa);
	return X509_sign(certificate, rsa, EVP_sha256()) > 0
		&& X509_REQ_sign(request, rsa, EVP_sha256()) > 0
	    ? 0
	    : -1;
}

static int
free_all(void **state)
{
	(void)state;
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(other_rsa);
	EVP_PKEY_free(ed25519);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(pss);
	X509_free(certificate);
	X509_REQ_free(request);
	ERR_clear_error();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_too_large_der),
	};

	return cmocka_run_group_tests_name(
	    "keys_pem", tests, make_all, free_all);
}
