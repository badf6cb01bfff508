/* policy/canon brings header and body into the very octets that libopendkim
 * hashes: it writes them to files if asked to. That both engines come to the
 * same hashes, test_signer_engines.c sees; here it shows which octet isn't the
 * same. */
#include "milter/io/signer_fields.h"
#include "policy/canon.h"
#include "tests/unit/signer_corpus.h"
#include "tests/unit/signer_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <opendkim/dkim.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MESSAGES = 100, SHOWN_OCTETS = 40 };

struct octets {
	unsigned char *data;
	size_t length;
	size_t room;
};

static void
append(void *context, const unsigned char *data, size_t length)
{
	struct octets *octets = context;

	if (octets->length + length >= octets->room) {
		octets->room = 2 * (octets->length + length) + 512;
		octets->data = realloc(octets->data, octets->room);
		assert_non_null(octets->data);
	}
	memcpy(octets->data + octets->length, data, length);
	octets->length += length;
}

/* ---- by policy/canon ----------------------------------------------------- */

static struct octets
own_body(const struct corpus_message *message, enum canonicalization canon)
{
	struct octets result = { NULL, 0, 0 };
	struct canon_sink sink;
	struct canon_body body;

	canon_sink_init(&sink, append, &result);
	canon_body_init(&body, canon, &sink);
	canon_body_add(&body, message->body, message->body_length);
	canon_body_end(&body);
	/* There may be none, but there is memory. */
	append(&result, (const unsigned char *)"", 0);
	return result;
}

/* The lowest of that name that is left (RFC 6376 §5.4.2). */
static struct signer_field *
take_lowest(struct signer_fields *fields, size_t name, bool *is_taken)
{
	for (size_t i = fields->count; i-- > 0;)
		if (fields->fields[i].name == name && !is_taken[i]) {
			is_taken[i] = true;
			return &fields->fields[i];
		}
	return NULL;
}

/* The fields, and the signature's own, which value is the value of: b= comes
 * last in it. */
static struct octets
own_header(struct signer_fields *fields, enum canonicalization canon,
    const char *value)
{
	bool *is_taken = calloc(fields->count + 1, sizeof(*is_taken));
	struct octets result = { NULL, 0, 0 };
	struct canon_sink sink;
	char *field = NULL;
	char *last = NULL;

	assert_non_null(is_taken);
	canon_sink_init(&sink, append, &result);
	for (size_t i = 0; i < fields->count; i++) {
		struct signer_field *lowest;

		if (!fields->fields[i].is_chosen)
			continue;
		lowest = take_lowest(fields, fields->fields[i].name, is_taken);
		if (lowest == NULL)
			abort();
		canon_header(canon, lowest->text, lowest->length, true, &sink);
	}
	if (asprintf(&field, "DKIM-Signature: %s", value) < 0 || field == NULL)
		abort();
	for (char *at = field; (at = strstr(at, "b=")) != NULL; at++)
		if (at[-1] == ' ' || at[-1] == '\t')
			last = at;
	assert_non_null(last);
	canon_header(
	    canon, field, (size_t)(last - field) + strlen("b="), false, &sink);
	canon_sink_flush(&sink);
	free(field);
	free(is_taken);
	return result;
}

/* ---- by libopendkim ------------------------------------------------------ */

static void
set(DKIM_LIB *lib, dkim_opts_t option, void *value, size_t size)
{
	assert_int_equal(DKIM_STAT_OK,
	    dkim_options(lib, DKIM_OP_SETOPT, option, value, size));
}

/* That writes what it hashes to files in directory. */
static DKIM_LIB *
library_open(char *directory)
{
	unsigned flags = DKIM_LIBFLAGS_TMPFILES | DKIM_LIBFLAGS_KEEPFILES;
	DKIM_LIB *lib = dkim_init(NULL, NULL);

	assert_non_null(lib);
	set(lib, DKIM_OPTS_FLAGS, &flags, sizeof(flags));
	set(lib, DKIM_OPTS_TMPDIR, directory, strlen(directory));
	return lib;
}

static BIO *
pem_open(EVP_PKEY *pkey)
{
	BIO *pem = BIO_new(BIO_s_mem());

	assert_non_null(pem);
	assert_int_equal(1,
	    PEM_write_bio_PKCS8PrivateKey(
		pem, pkey, NULL, NULL, 0, NULL, NULL));
	assert_int_equal(1, BIO_write(pem, "", 1));
	return pem;
}

/* Sign; the value of the signature, which the caller frees. */
static char *
library_sign(DKIM_LIB *lib, const struct signer_fields *fields,
    const struct corpus_message *message, enum canonicalization header,
    enum canonicalization body)
{
	BIO *pem = pem_open(signer_keys[SIGNER_RSA].pkey);
	unsigned char selector[] = "rsa", domain[] = "a.example";
	unsigned char *value = NULL;
	DKIM_STAT status;
	size_t length;
	char *text, *result;
	DKIM *dkim;

	assert_true(BIO_get_mem_data(pem, &text) > 0);
	dkim =
	    dkim_sign(lib, NULL, NULL, (unsigned char *)text, selector, domain,
		header == CANON_SIMPLE ? DKIM_CANON_SIMPLE : DKIM_CANON_RELAXED,
		body == CANON_SIMPLE ? DKIM_CANON_SIMPLE : DKIM_CANON_RELAXED,
		DKIM_SIGN_RSASHA256, -1, &status);
	BIO_free(pem);
	assert_non_null(dkim);
	for (size_t i = 0; i < fields->count; i++)
		if (fields->fields[i].is_chosen)
			assert_int_equal(DKIM_STAT_OK,
			    dkim_header(dkim,
				(unsigned char *)fields->fields[i].text,
				fields->fields[i].length));
	assert_int_equal(DKIM_STAT_OK, dkim_eoh(dkim));
	if (message->body_length > 0)
		assert_int_equal(DKIM_STAT_OK,
		    dkim_body(dkim, message->body, message->body_length));
	assert_int_equal(DKIM_STAT_OK, dkim_eom(dkim, NULL));
	assert_int_equal(
	    DKIM_STAT_OK, dkim_getsighdr_d(dkim, 16, &value, &length));
	result = strdup((const char *)value);
	assert_int_equal(DKIM_STAT_OK, dkim_free(dkim));
	return result;
}

static struct octets
read_file(int directory, const char *name)
{
	int file = openat(directory, name, O_RDONLY | O_CLOEXEC);
	struct octets result = { NULL, 0, 0 };
	unsigned char block[4096];
	ssize_t got;

	assert_true(file >= 0);
	while ((got = read(file, block, sizeof(block))) > 0)
		append(&result, block, (size_t)got);
	append(&result, block, 0);
	close(file);
	assert_int_equal(0, unlinkat(directory, name, 0));
	return result;
}

/* The two files that it wrote: the header's ends in an empty b=. */
static void
read_files(const char *path, struct octets *header_out, struct octets *body_out)
{
	DIR *directory = opendir(path);
	const struct dirent *entry;
	size_t count = 0;

	assert_non_null(directory);
	*header_out = *body_out = (struct octets){ NULL, 0, 0 };
	while ((entry = readdir(directory)) != NULL) {
		struct octets octets;
		bool is_header;

		if (entry->d_name[0] == '.')
			continue;
		octets = read_file(dirfd(directory), entry->d_name);
		is_header = octets.length > 2
		    && memcmp(octets.data + octets.length - 2, "b=", 2) == 0;
		free(is_header ? header_out->data : body_out->data);
		*(is_header ? header_out : body_out) = octets;
		count++;
	}
	closedir(directory);
	assert_int_equal(2, count);
	assert_non_null(header_out->data);
}

/* ---- compared ------------------------------------------------------------ */

static void
expect_same(const char *what, size_t which, const struct octets *own,
    const struct octets *theirs)
{
	size_t at = 0;

	while (at < own->length && at < theirs->length
	    && own->data[at] == theirs->data[at])
		at++;
	if (at == own->length && at == theirs->length)
		return;
	fail_msg("message %zu, %s, octet %zu of %zu and %zu: canon has "
		 "\"%.*s\", libopendkim \"%.*s\"",
	    which, what, at, own->length, theirs->length,
	    own->length - at < SHOWN_OCTETS ? (int)(own->length - at)
					    : SHOWN_OCTETS,
	    (char *)own->data + at,
	    theirs->length - at < SHOWN_OCTETS ? (int)(theirs->length - at)
					       : SHOWN_OCTETS,
	    (char *)theirs->data + at);
}

/* What both engines are fed: the last line has its end. */
static void
end_line(struct corpus_message *message)
{
	struct octets body = { message->body, message->body_length,
		message->body_length };

	if (body.length > 0 && body.data[body.length - 1] != '\n')
		append(&body, (const unsigned char *)"\r\n", 2);
	message->body = body.data;
	message->body_length = body.length;
}

static void
collect(struct signer_fields *fields, const struct corpus_message *message,
    enum canonicalization canon)
{
	const struct signing_rules rules = { .headers =
						 signing_default_headers() };
	struct fault fault;

	signer_fields_init(fields, canon);
	for (size_t i = 0; i < message->count; i++) {
		const struct corpus_field *field = &message->fields[i];
		size_t length = strcspn(field->name, " ");
		char *bare = strndup(field->name, length);

		assert_non_null(bare);
		/* A further From may be one that can't be signed. */
		if (signing_covers(&rules, bare))
			(void)signer_fields_add(fields, field->name, length,
			    false, field->value, field->value_length, &fault);
		free(bare);
	}
	assert_true(signer_fields_choose(fields, &fault));
}

static void
compare(DKIM_LIB *lib, const char *directory, size_t which,
    const struct corpus_message *message)
{
	enum canonicalization header = which & 1 ? CANON_RELAXED : CANON_SIMPLE;
	enum canonicalization body = which & 2 ? CANON_RELAXED : CANON_SIMPLE;
	struct octets own, their_header, their_body;
	struct signer_fields fields;
	char *value;

	collect(&fields, message, header);
	value = library_sign(lib, &fields, message, header, body);
	read_files(directory, &their_header, &their_body);
	own = own_body(message, body);
	expect_same("body", which, &own, &their_body);
	free(own.data);
	own = own_header(&fields, header, value);
	expect_same("header", which, &own, &their_header);
	free(own.data);
	free(their_header.data);
	free(their_body.data);
	free(value);
	signer_fields_clear(&fields);
}

static void
test_canonical_octets(void **state)
{
	char directory[] = "/tmp/signer-canon-XXXXXX";
	uint64_t seed = 3447;
	DKIM_LIB *lib;

	(void)state;
	assert_non_null(mkdtemp(directory));
	lib = library_open(directory);
	for (size_t i = 0; i < 4 * MESSAGES; i++) {
		struct corpus_message message;

		corpus_make(&seed, &message);
		end_line(&message);
		compare(lib, directory, i, &message);
		corpus_free(&message);
	}
	dkim_close(lib);
	assert_int_equal(0, rmdir(directory));
}

/* What can't be signed is left out; without From there is nothing to sign. */
static void
test_like_from(void **state)
{
	static const char bad[] = " a\rb";
	struct signer_fields fields;
	struct fault fault;

	(void)state;
	signer_fields_init(&fields, CANON_SIMPLE);
	assert_true(signer_fields_add(
	    &fields, "Date", 4, false, bad, strlen(bad), &fault));
	assert_int_equal(0, fields.count);
	assert_false(signer_fields_add(
	    &fields, "fROM", 4, false, bad, strlen(bad), &fault));
	signer_fields_clear(&fields);
}

/* MTAs hand folds over as LF or as CRLF: what is hashed has CRLF, once. Both
 * engines are fed this text, so that neither sees what is wrong with it. */
static void
test_folds(void **state)
{
	static const struct {
		const char *value;
		const char *text;
	} cases[] = {
		{ "", "To:" },
		{ " a", "To: a" },
		{ " a\n b", "To: a\r\n b" },
		{ " a\r\n b", "To: a\r\n b" },
		{ "\n b", "To:\r\n b" },
		{ "\r\n\tb", "To:\r\n\tb" },
		{ "\n\t\r\n \n b\r\n c", "To:\r\n\t\r\n \r\n b\r\n c" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *value = cases[i].value;
		const char *text = cases[i].text;
		struct signer_fields fields;
		struct fault fault;

		signer_fields_init(&fields, CANON_SIMPLE);
		assert_true(signer_fields_add(
		    &fields, "To", 2, false, value, strlen(value), &fault));
		assert_int_equal(1, fields.count);
		assert_int_equal(strlen(text), fields.fields[0].length);
		assert_memory_equal(text, fields.fields[0].text, strlen(text));
		signer_fields_clear(&fields);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical_octets),
		cmocka_unit_test(test_like_from),
		cmocka_unit_test(test_folds),
	};

	return cmocka_run_group_tests_name(
	    "signer canon", tests, signer_make_keys, signer_free_keys);
}
