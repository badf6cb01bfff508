/* fuzz_verify: any octets as a message with signatures and as the record of
 * their keys. The input up to its first NUL is that record (beginning with
 * '!': nobody answers; empty: there is none); the rest is the message. Beside
 * what a sanitizer sees, it checks that how the body is cut changes nothing.
 */
#include "milter/io/verify.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                 \
	do {                                                             \
		if (!(condition)) {                                      \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, \
			    __LINE__, #condition);                       \
			abort();                                         \
		}                                                        \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TIMEOUT_MS = 10000 };

static struct {
	const char *record;
	size_t record_length;
	const char *message;
	size_t message_length;
} input;

static void
answer(void *context, struct resolver *resolver, uint64_t ticket,
    const struct dns_question *question)
{
	const struct dns_record txt = { .text = input.record,
		.text_length = input.record_length };
	struct dns_answer found = { .status = DNS_NODATA, .ttl_s = 1 };

	(void)context;
	CHECK(question->type == DNS_TXT && dns_is_name(question->name));
	if (input.record_length > 0 && input.record[0] == '!') {
		found.status = DNS_LOST;
		found.why = "no answer";
	} else if (input.record_length > 0) {
		found.status = DNS_FOUND;
		found.records = &txt;
		found.count = 1;
	}
	resolver_told(resolver, ticket, &found);
}

static void
feed_field(struct verifier *verifier, const char *field, size_t length)
{
	const char *colon = memchr(field, ':', length);
	size_t name_length = (size_t)(colon - field);
	char *name;
	char *value;

	if (colon == NULL)
		return;
	name = strndup(field, name_length);
	/* As long as the value, so that reading on is seen. */
	value = malloc(length - name_length);
	CHECK(name != NULL && value != NULL);
	memcpy(value, colon + 1, length - name_length - 1);
	CHECK(verify_header(
	    verifier, name, value, length - name_length - 1, NULL));
	free(name);
	free(value);
}

/* Lines end in LF; an empty one ends the header. Returns where the body
 * begins. */
static size_t
feed_header(struct verifier *verifier)
{
	const char *message = input.message;
	size_t length = input.message_length;
	size_t start = 0;

	for (size_t i = 0; i < length; i++) {
		if (message[i] != '\n')
			continue;
		if (i == start)
			return i + 1;
		if (i + 1 < length
		    && (message[i + 1] == ' ' || message[i + 1] == '\t'))
			continue;
		feed_field(verifier, message + start, i - start);
		start = i + 1;
	}
	return length;
}

struct outcome {
	size_t count;
	enum verify_state states[VERIFY_FIELDS];
};

static void
check_signature(const struct verify_signature *signature)
{
	CHECK(signature->domain != NULL && signature->selector != NULL);
	CHECK((signature->state == VERIFY_GOOD) == (signature->words == NULL));
	CHECK(!signature->is_partial || signature->state == VERIFY_GOOD);
	CHECK(signature->domain[0] == '\0' || dns_is_name(signature->domain));
	for (const char *at = signature->words; at != NULL && *at != '\0'; at++)
		CHECK(*at >= ' ' && *at <= '~');
}

static struct outcome
run(const struct verify_library *library, struct resolver *resolver,
    size_t piece)
{
	static const char *const authors[] = { "a.example" };
	struct verifier *verifier = verify_begin(library, authors, 1, NULL);
	struct resolver_asker *asker = resolver_begin(resolver, TIMEOUT_MS);
	const struct verify_signature *signatures;
	struct outcome outcome = { 0 };
	bool is_wanted;
	size_t at;

	CHECK(verifier != NULL && asker != NULL);
	at = feed_header(verifier);
	CHECK(verify_end_of_header(verifier, &is_wanted, NULL));
	while (at < input.message_length) {
		size_t left = input.message_length - at;
		size_t size = piece == 0 || piece > left ? left : piece;

		CHECK(verify_body(verifier,
		    (const unsigned char *)input.message + at, size, NULL));
		at += size;
	}
	verify_finish(verifier, asker, &signatures, &outcome.count);
	CHECK(outcome.count <= VERIFY_FIELDS);
	CHECK(is_wanted == (outcome.count > 0));
	for (size_t i = 0; i < outcome.count; i++) {
		check_signature(&signatures[i]);
		outcome.states[i] = signatures[i].state;
	}
	resolver_end(&asker);
	verify_end(&verifier);
	return outcome;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct resolver_source source = { .start = answer };
	static const struct resolver_rules rules = { .cache_bytes = 1 << 20 };
	static struct verify_library *library;
	static struct resolver *resolver;
	const uint8_t *end = size > 0 ? memchr(data, '\0', size) : NULL;
	struct outcome one, other;

	if (library == NULL) {
		library = verify_library_open(NULL);
		resolver = resolver_open_with(&rules, &source, NULL);
		CHECK(library != NULL && resolver != NULL);
	}
	if (end == NULL)
		return 0;
	input.record = (const char *)data;
	input.record_length = (size_t)(end - data);
	input.message = (const char *)end + 1;
	input.message_length = size - input.record_length - 1;
	resolver_forget(resolver);
	one = run(library, resolver, 0);
	other = run(library, resolver, 1 + size % 7);
	CHECK(one.count == other.count);
	CHECK(memcmp(one.states, other.states, sizeof(one.states)) == 0);
	return 0;
}
