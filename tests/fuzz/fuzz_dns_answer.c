/* Any octets as the rdata of a record and as the packet of a negative answer.
 * The first octet chooses the type. Built with clang's
 * -fsanitize=fuzzer,address,undefined. */
#include "milter/io/resolver_answer.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { ARENA_BYTES = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Names have no octet but those that policy/dns.h allows. */
static void
check_name(const char *name)
{
	assert(strlen(name) < RESOLVER_NAME_BYTES);
	for (; *name != '\0'; name++)
		assert(*name > ' ' && *name <= '~'
		    && (*name < 'A' || *name > 'Z'));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[] = { DNS_A, DNS_PTR, DNS_MX, DNS_TXT,
		DNS_AAAA };
	enum dns_type type;
	struct resolver_rdata rdata;
	struct dns_record record;
	struct arena arena;
	size_t length;

	if (size == 0)
		return 0;
	type = types[data[0] % 5];
	data++;
	length = size - 1;
	rdata = (struct resolver_rdata){ &data, &length, 1 };
	arena_init(&arena, ARENA_BYTES);
	if (resolver_answer_records(type, &rdata, &arena, &record)) {
		if (type == DNS_PTR || type == DNS_MX)
			check_name(record.name);
		else if (type == DNS_TXT)
			assert(record.text[record.text_length] == '\0'
			    && record.text_length < length);
		else
			assert(record.address.is_known);
	}
	arena_clear(&arena);
	(void)resolver_answer_is_referral(data, length);
	(void)resolver_answer_negative_ttl(data, length, 300);
	return 0;
}
