#include "tests/unit/keys_fixture.h"

#include "milter/io/keys_public.h"
#include "tests/unit/public_text.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

const char *key_secret;
unsigned key_wiped;

static char *texts[TEXT_COUNT];
static char *publics[TEXT_COUNT];

static atomic_long ahead_s;

/* Stands in for the C library's, also in what keys calls. */
int
clock_gettime(clockid_t id, struct timespec *now)
{
	int result = (int)syscall(SYS_clock_gettime, id, now);

	if (id == CLOCK_REALTIME)
		now->tv_sec += ahead_s;
	return result;
}

void
place_set_ahead(long seconds)
{
	ahead_s = seconds;
}

static char *
text_of(BIO *bio)
{
	char *data;
	long length = BIO_get_mem_data(bio, &data);
	char *text = strndup(data, (size_t)length);

	BIO_free(bio);
	assert_non_null(text);
	return text;
}

static char *
private_text(EVP_PKEY *pkey, bool is_old, bool is_encrypted)
{
	static const unsigned char password[] = "secret";
	const EVP_CIPHER *cipher = is_encrypted ? EVP_aes_128_cbc() : NULL;
	const unsigned char *with = is_encrypted ? password : NULL;
	int length = is_encrypted ? 6 : 0;
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(1,
	    is_old ? PEM_write_bio_PrivateKey_traditional(
		bio, pkey, cipher, with, length, NULL, NULL)
		   : PEM_write_bio_PrivateKey(
		       bio, pkey, cipher, with, length, NULL, NULL));
	return text_of(bio);
}

/* A key whose numbers have nothing to do with one another. */
static EVP_PKEY *
random_rsa(int bits)
{
	static const struct {
		const char *name;
		int share; /* of the bits */
	} parts[] = {
		{ OSSL_PKEY_PARAM_RSA_N, 1 },
		{ OSSL_PKEY_PARAM_RSA_D, 1 },
		{ OSSL_PKEY_PARAM_RSA_FACTOR1, 2 },
		{ OSSL_PKEY_PARAM_RSA_FACTOR2, 2 },
		{ OSSL_PKEY_PARAM_RSA_EXPONENT1, 2 },
		{ OSSL_PKEY_PARAM_RSA_EXPONENT2, 2 },
		{ OSSL_PKEY_PARAM_RSA_COEFFICIENT1, 2 },
	};
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	BIGNUM *numbers[COUNT(parts)];
	EVP_PKEY *pkey = NULL;
	OSSL_PARAM *params;

	OSSL_PARAM_BLD_push_ulong(build, OSSL_PKEY_PARAM_RSA_E, 65537);
	for (size_t i = 0; i < COUNT(parts); i++) {
		numbers[i] = BN_new();
		assert_true(BN_rand(numbers[i], bits / parts[i].share,
		    BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD));
		OSSL_PARAM_BLD_push_BN(build, parts[i].name, numbers[i]);
	}
	params = OSSL_PARAM_BLD_to_param(build);
	assert_int_equal(1, EVP_PKEY_fromdata_init(context));
	assert_int_equal(
	    1, EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_KEYPAIR, params));
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(context);
	for (size_t i = 0; i < COUNT(parts); i++)
		BN_free(numbers[i]);
	return pkey;
}

static void
take(enum key_text which, EVP_PKEY *pkey)
{
	assert_non_null(pkey);
	texts[which] = private_text(pkey, false, false);
	if (which == TEXT_ED25519)
		publics[which] = public_text(pkey);
	EVP_PKEY_free(pkey);
}

int
key_texts_make(void **state)
{
	EVP_PKEY *rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	BIO *bio = BIO_new(BIO_s_mem());

	(void)state;
	assert_non_null(rsa);
	texts[TEXT_RSA] = private_text(rsa, false, false);
	texts[TEXT_RSA_OLD] = private_text(rsa, true, false);
	texts[TEXT_ENCRYPTED] = private_text(rsa, false, true);
	texts[TEXT_ENCRYPTED_OLD] = private_text(rsa, true, true);
	assert_int_equal(1, PEM_write_bio_PUBKEY(bio, rsa));
	texts[TEXT_PUBLIC] = text_of(bio);
	publics[TEXT_RSA] = public_text(rsa);
	publics[TEXT_RSA_OLD] = public_text(rsa);
	EVP_PKEY_free(rsa);
	take(TEXT_ED25519, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
	take(TEXT_EC, EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"));
	take(TEXT_RSA_WEAK, EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)768));
	take(TEXT_RSA_HUGE, random_rsa(8200));
	take(TEXT_RSA_DAMAGED, random_rsa(1024));
	ERR_clear_error();
	return 0;
}

int
key_texts_free(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEXT_COUNT; i++) {
		free(texts[i]);
		free(publics[i]);
	}
	return 0;
}

const char *
key_text(enum key_text which)
{
	return texts[which];
}

const char *
key_text_public(enum key_text which)
{
	return publics[which];
}

void
key_expect_public(enum key_text which, EVP_PKEY *pkey)
{
	char *base64 = keys_public_base64(pkey);

	assert_non_null(base64);
	assert_string_equal(publics[which], base64);
	free(base64);
}

char *
key_text_bare(enum key_text which)
{
	const char *from = strchr(texts[which], '\n');
	const char *end = strstr(texts[which], "-----END");
	char *bare = calloc(1, strlen(texts[which]) + 1);
	size_t length = 0;

	assert_non_null(bare);
	for (; from < end; from++)
		if (*from != '\n')
			bare[length++] = *from;
	return bare;
}

static uint64_t
place_clock(void *context)
{
	struct place *place = context;

	return place->now_ms;
}

char *
place_path(const struct place *place, const char *name)
{
	char *path = NULL;

	assert_true(asprintf(&path, "%s/%s", place->directory, name) > 0);
	return path;
}

void
place_put_directory(const struct place *place, const char *name, mode_t mode)
{
	char *path = place_path(place, name);

	assert_int_equal(0, mkdir(path, 0700));
	assert_int_equal(0, chmod(path, mode));
	free(path);
}

void
place_put(const struct place *place, const char *name, const char *text,
    size_t length, mode_t mode)
{
	char *path = place_path(place, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(length, write(fd, text, length));
	assert_int_equal(0, fchmod(fd, mode));
	close(fd);
	free(path);
}

void
place_put_text(const struct place *place, const char *name, enum key_text text)
{
	place_put(place, name, key_text(text), strlen(key_text(text)), 0600);
}

void
place_remove(const struct place *place, const char *name)
{
	char *path = place_path(place, name);

	assert_int_equal(0, remove(path));
	free(path);
}

struct place *
place_open(size_t most)
{
	return place_open_with(most, NULL);
}

struct place *
place_open_with(size_t most, struct tables *tables)
{
	struct place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	snprintf(place->directory, sizeof(place->directory),
	    "/tmp/test_keys-XXXXXX");
	assert_non_null(mkdtemp(place->directory));
	place_put_directory(place, DOMAIN, 0700);
	place->places = (struct key_places){ .directory = place->directory,
		.key_table = "",
		.signing_table = "",
		.takes_all = true };
	place->keys = keys_open(most, tables);
	assert_non_null(place->keys);
	keys_set_clock(place->keys, place_clock, place);
	place_set_ahead(0);
	return place;
}

static void
remove_tree(const char *path)
{
	struct dirent *entry;
	DIR *stream = opendir(path);

	while (stream != NULL && (entry = readdir(stream)) != NULL) {
		char *below = NULL;

		if (strcmp(entry->d_name, ".") == 0
		    || strcmp(entry->d_name, "..") == 0)
			continue;
		assert_true(asprintf(&below, "%s/%s", path, entry->d_name) > 0);
		if (unlink(below) != 0)
			remove_tree(below);
		free(below);
	}
	if (stream != NULL)
		closedir(stream);
	rmdir(path);
}

void
place_close(struct place *place)
{
	keys_close(&place->keys);
	assert_null(place->keys);
	keys_close(&place->keys);
	remove_tree(place->directory);
	free(place);
}

static void
expect_signs(const struct key *key)
{
	static const unsigned char text[] = "postern";
	bool is_rsa = key->algorithm == KEY_RSA_SHA256;
	const EVP_MD *digest = is_rsa ? EVP_sha256() : NULL;
	unsigned char signature[1024];
	size_t length = sizeof(signature);
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	assert_true(EVP_PKEY_is_a(key->pkey, is_rsa ? "RSA" : "ED25519"));
	assert_int_equal(
	    1, EVP_DigestSignInit(context, NULL, digest, NULL, key->pkey));
	assert_int_equal(
	    1, EVP_DigestSign(context, signature, &length, text, sizeof(text)));
	EVP_MD_CTX_reset(context);
	assert_int_equal(
	    1, EVP_DigestVerifyInit(context, NULL, digest, NULL, key->pkey));
	assert_int_equal(1,
	    EVP_DigestVerify(context, signature, length, text, sizeof(text)));
	EVP_MD_CTX_free(context);
}

const char *
place_found(struct place *place, const char *domain)
{
	static char words[FAULT_WORDS_BYTES];
	const struct key_ring *ring = (void *)place;
	struct fault fault = { 0 };

	words[0] = '\0';
	if (!keys_find(place->keys, &place->places, domain, &ring, &fault)) {
		assert_null(ring);
		assert_int_not_equal(FAULT_NONE, fault.kind);
		snprintf(words, sizeof(words), "%s", fault.words);
	} else if (ring == NULL)
		snprintf(words, sizeof(words), "none");
	for (size_t i = 0; ring != NULL && i < ring->count; i++) {
		size_t used = strlen(words);

		assert_string_equal(domain, ring->keys[i].domain);
		expect_signs(&ring->keys[i]);
		snprintf(words + used, sizeof(words) - used, "%s%s",
		    used > 0 ? " " : "", ring->keys[i].selector);
	}
	keys_release(place->keys, &ring);
	assert_null(ring);
	if (ERR_peek_error() != 0)
		fail_msg("%s: left in OpenSSL's queue", words);
	return words;
}

void
place_expect(struct place *place, const char *name, const char *domain,
    const char *wanted)
{
	const char *got = place_found(place, domain);

	if (strcmp(got, wanted) != 0)
		fail_msg("%s: wanted \"%s\", got \"%s\"", name, wanted, got);
}

/* In the place of OpenSSL's. */
void
OPENSSL_cleanse(void *data, size_t length)
{
	if (key_secret != NULL && length == strlen(key_secret)
	    && memcmp(data, key_secret, length) == 0)
		key_wiped++;
	explicit_bzero(data, length);
}
