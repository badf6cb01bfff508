/* fuzz_from: any octets as the value of a From field, as an SMTP path and as
 * a domain. Beside what a sanitizer sees, it checks what everybody else
 * relies on: that what comes out is normalised, and reads back as itself. */
#include "policy/address.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES = 16 << 20 };

#define CHECK(condition)                                                 \
	do {                                                             \
		if (!(condition)) {                                      \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, \
			    __LINE__, #condition);                       \
			abort();                                         \
		}                                                        \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_domain(struct arena *arena, const char *domain)
{
	static const char octets[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
	size_t length = strlen(domain);
	struct fault fault;
	const char *again;

	CHECK(length > 0 && length <= ADDRESS_DOMAIN_OCTETS);
	CHECK(strspn(domain, octets) == length);
	CHECK(address_domain(arena, domain, length, &again, &fault));
	CHECK(strcmp(domain, again) == 0);
}

static void
check_mailbox(struct arena *arena, const struct mailbox *mailbox)
{
	struct mailbox again;
	struct fault fault;

	CHECK(mailbox->local[0] != '\0');
	CHECK(strlen(mailbox->local) + 1 + strlen(mailbox->domain)
	    <= ADDRESS_OCTETS);
	CHECK(mailbox->is_literal == (mailbox->domain[0] == '['));
	if (!mailbox->is_literal)
		check_domain(arena, mailbox->domain);
	CHECK(address_mailbox(
	    arena, mailbox->text, strlen(mailbox->text), &again, &fault));
	CHECK(address_equal(mailbox, &again, true));
	CHECK(strcmp(mailbox->text, again.text) == 0);
}

static void
check_same(const struct from_field *one, const struct from_field *other)
{
	CHECK(one->form == other->form && one->count == other->count);
	for (size_t i = 0; i < one->count; i++)
		CHECK(address_equal(
		    &one->mailboxes[i], &other->mailboxes[i], true));
}

/* A blank in front changes nothing; nor does a comment behind what is good. */
static void
check_surroundings(struct arena *arena, const char *value, size_t length,
    const struct from_field *from)
{
	static const char comment[] = " (x)";
	struct from_field other;
	char *longer = malloc(length + sizeof(comment));

	CHECK(longer != NULL);
	longer[0] = ' ';
	if (length > 0)
		memcpy(longer + 1, value, length);
	CHECK(address_from(arena, longer, length + 1, &other));
	check_same(from, &other);
	if (from->form == FROM_GOOD) {
		memcpy(longer, value, length);
		memcpy(longer + length, comment, sizeof(comment));
		CHECK(address_from(
		    arena, longer, length + sizeof(comment) - 1, &other));
		check_same(from, &other);
	}
	free(longer);
}

static void
check_from(struct arena *arena, const char *value, size_t length)
{
	struct from_field from;
	bool is_usable;

	CHECK(address_from(arena, value, length, &from));
	is_usable = from.form == FROM_GOOD || from.form == FROM_BROKEN_NAME;
	CHECK((from.count > 0) == is_usable);
	CHECK(from.count <= ADDRESS_MAILBOXES);
	CHECK((from.problem == NULL) == (from.form == FROM_GOOD));
	CHECK(from.form != FROM_BROKEN_NAME || from.count == 1);
	if (length > 0 && memchr(value, '\0', length) != NULL)
		CHECK(from.form == FROM_UNUSABLE);
	if (from.count > 0)
		CHECK(memchr(value, '@', length) != NULL);
	for (size_t i = 0; i < from.count; i++) {
		CHECK(!from.mailboxes[i].is_literal);
		check_mailbox(arena, &from.mailboxes[i]);
	}
	check_surroundings(arena, value, length, &from);
}

static void
check_path(struct arena *arena, const char *value, size_t length)
{
	char *path = malloc(length + 1);
	struct mailbox mailbox;
	struct fault fault = { 0 };
	bool is_null;

	CHECK(path != NULL);
	if (length > 0)
		memcpy(path, value, length);
	path[length] = '\0';
	if (!address_path(arena, path, &mailbox, &is_null, &fault))
		CHECK(fault.kind == FAULT_PERMANENT && !is_null);
	else if (is_null)
		CHECK(mailbox.text == NULL);
	else
		check_mailbox(arena, &mailbox);
	free(path);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *value = (const char *)data;
	struct fault fault = { 0 };
	struct arena arena;
	const char *domain;

	arena_init(&arena, ARENA_BYTES);
	check_from(&arena, value, size);
	check_path(&arena, value, size);
	if (address_domain(&arena, value, size, &domain, &fault))
		check_domain(&arena, domain);
	else
		CHECK(fault.kind == FAULT_PERMANENT);
	arena_clear(&arena);
	return 0;
}
