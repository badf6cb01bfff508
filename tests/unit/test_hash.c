/* SipHash-2-4, by what openssl(1) says of the same texts. */
#include "policy/hash.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
test_texts(void **state)
{
	/* The octets 00 01 .. 0f, and MACs of 8 octets, the least first. */
	static const uint64_t seed[2] = { 0x0706050403020100,
		0x0f0e0d0c0b0a0908 };
	static const struct {
		const char *text;
		uint64_t wanted;
	} cases[] = {
		{ "", 0x726fdb47dd0e0e31 },
		{ "a", 0x2ba3e8e9a71148ca },
		{ "alice", 0x7159e700f53c57a3 },
		{ "alice@example.com", 0x7eedb794fef0a3d7 },
		{ "1234567", 0x6ef942de1d1a4d4b },
		{ "12345678", 0x02130609caea37eb },
		{ "123456789", 0xca60fc96020efefd },
		{ "x\x80\xff\n", 0xf9d5d86865356857 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint64_t got = hash_text(seed, cases[i].text);

		if (got != cases[i].wanted)
			fail_msg("%s: wanted %016" PRIx64 ", got %016" PRIx64,
			    cases[i].text, cases[i].wanted, got);
	}
}

/* Another seed, another number. */
static void
test_seeds(void **state)
{
	static const uint64_t seeds[][2] = { { 0, 0 }, { 1, 0 }, { 0, 1 } };

	(void)state;
	assert_true(hash_text(seeds[0], "k") != hash_text(seeds[1], "k"));
	assert_true(hash_text(seeds[0], "k") != hash_text(seeds[2], "k"));
	assert_true(hash_text(seeds[1], "k") != hash_text(seeds[2], "k"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_seeds),
	};

	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
