/* Any octets as the value of identity_header, and of accounts.map; and any name
 * there and back. Built with clang's -fsanitize=fuzzer,address,undefined. */
#include "policy/account.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A name that was read is written and read again as the same. */
static void
there_and_back(const char *name, struct arena *arena)
{
	struct account account = { .name = name };
	const char *value = account_identity_value(&account, arena);
	const char *again;

	assert(value != NULL);
	assert(account_identity_read(value, arena, &again, NULL));
	assert(strcmp(name, again) == 0);
}

static void
identify(const char *said, struct arena *arena)
{
	const struct account_rules rules = { .identify = { ACCOUNT_HEADER },
		.identify_count = 1 };
	struct connection_facts connection = { .client_port = 1 };
	struct message_facts facts = { .connection = &connection,
		.identity = said };
	struct account account;

	assert(account_identify(&rules, &facts, CLASS_RELAY, arena, &account));
	assert(account.source == ACCOUNT_HEADER && *account.name != '\0');
	assert(strlen(account.name) <= ACCOUNT_OCTETS);
	assert(account.parent != NULL && account.plan == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct account_entry entry;
	struct arena arena;
	const char *name;
	char *text;

	arena_init(&arena, ARENA_BYTES);
	text = arena_copy(&arena, (const char *)data, size);
	if (text == NULL)
		return 0; /* longer than any header field */
	if (account_identity_read(text, &arena, &name, NULL)) {
		there_and_back(name, &arena);
		identify(name, &arena);
	}
	if (*text != '\0' && strlen(text) <= ACCOUNT_OCTETS)
		there_and_back(text, &arena);
	if (account_entry_parse(text, false, &arena, &entry, NULL))
		assert(entry.account == NULL
		    || (strlen(entry.account) <= ACCOUNT_OCTETS
			&& strpbrk(entry.account, " \t\n") == NULL));
	arena_clear(&arena);
	return 0;
}
