/* What base64 stands for, and what is none. */
#include "policy/base64.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static const char *const state_names[] = { "whole", "unfilled", "broken",
	"foreign", "long" };

/* Of RFC 4648 §10, and more. */
static const struct base64_case {
	const char *name;
	const char *text;
	size_t size; /* room for it */
	enum base64_state state;
	const char *data; /* that is written in any case */
} cases[] = {
	{ "nothing", "", 0, BASE64_WHOLE, "" },
	{ "only blanks", " \t\r\n", 0, BASE64_WHOLE, "" },
	{ "f", "Zg==", 1, BASE64_WHOLE, "f" },
	{ "fo", "Zm8=", 2, BASE64_WHOLE, "fo" },
	{ "foo", "Zm9v", 3, BASE64_WHOLE, "foo" },
	{ "foob", "Zm9vYg==", 4, BASE64_WHOLE, "foob" },
	{ "fooba", "Zm9vYmE=", 5, BASE64_WHOLE, "fooba" },
	{ "foobar", "Zm9vYmFy", 6, BASE64_WHOLE, "foobar" },
	{ "more room than it takes", "Zm9v", 9, BASE64_WHOLE, "foo" },
	{ "the last two letters", "+/+/", 3, BASE64_WHOLE, "\xfb\xff\xbf" },
	{ "blanks in it", " Z\tm\r\n9 v\n", 3, BASE64_WHOLE, "foo" },
	{ "blanks in its end", "Zg=\r\n = ", 1, BASE64_WHOLE, "f" },
	{ "bits left over that aren't zero", "Zh==", 1, BASE64_WHOLE, "f" },
	{ "no '=' of two", "Zg", 1, BASE64_UNFILLED, "f" },
	{ "no '=' of one", "Zm8", 2, BASE64_UNFILLED, "fo" },
	{ "one '=' of two", "Zg=", 1, BASE64_BROKEN, "f" },
	{ "two '=' for one", "Zm8==", 2, BASE64_BROKEN, "fo" },
	{ "a '=' too many", "Zm9v=", 3, BASE64_BROKEN, "foo" },
	{ "four too many", "Zm9v====", 3, BASE64_BROKEN, "foo" },
	{ "only '='", "====", 3, BASE64_BROKEN, "" },
	{ "a letter alone", "Z", 1, BASE64_BROKEN, "" },
	{ "a letter alone, filled", "Z===", 1, BASE64_BROKEN, "" },
	{ "a letter too many", "Zm9vY", 4, BASE64_BROKEN, "foo" },
	{ "a letter behind '='", "Zg==Zg==", 3, BASE64_FOREIGN, "f" },
	{ "letters of URLs", "Zm9v-_", 6, BASE64_FOREIGN, "foo" },
	{ "an octet above ASCII", "Zm9v\xc3\xa4", 6, BASE64_FOREIGN, "foo" },
	{ "other blanks", "Zm9v\v", 6, BASE64_FOREIGN, "foo" },
	{ "too long", "Zm9vYmFy", 5, BASE64_LONG, "fooba" },
	{ "no room", "Zg==", 0, BASE64_LONG, "" },
};

static void
test_decode(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct base64_case *c = &cases[i];
		size_t text_length = strlen(c->text);
		/* Of their own size, so that what goes beyond is seen. */
		char *text = malloc(text_length + (text_length == 0));
		unsigned char *data = malloc(c->size + (c->size == 0));
		enum base64_state got;
		size_t length;

		assert_true(text != NULL && data != NULL);
		memcpy(text, c->text, text_length);
		got = base64_decode(text, text_length, data, c->size, &length);
		if (got != c->state)
			fail_msg("%s: wanted %s, got %s", c->name,
			    state_names[c->state], state_names[got]);
		if (length != strlen(c->data)
		    || memcmp(data, c->data, length) != 0)
			fail_msg("%s: wanted %zu octets, \"%s\", got %zu",
			    c->name, strlen(c->data), c->data, length);
		free(text);
		free(data);
	}
}

/* Each letter stands for its place in the alphabet, and no other octet is
 * one. */
static void
test_every_octet(void **state)
{
	(void)state;
	for (int octet = 0; octet <= UINT8_MAX; octet++) {
		char text[] = { 'A', (char)octet, 'A', 'A' };
		const char *at = memchr(letters, octet, sizeof(letters) - 1);
		bool is_blank = octet != 0 && strchr(" \t\r\n", octet) != NULL;
		unsigned char data[3];
		size_t length;
		bool is_whole = base64_decode(text, sizeof(text), data,
				    sizeof(data), &length)
		    == BASE64_WHOLE;

		if (base64_is_letter((char)octet) != (at != NULL)
		    || base64_is_blank((char)octet) != is_blank
		    || is_whole != (at != NULL))
			fail_msg("octet 0x%02x", (unsigned)octet);
		if (at != NULL && (data[0] << 8 | data[1]) >> 4 != at - letters)
			fail_msg("%c: wanted %td, got %d", octet, at - letters,
			    (data[0] << 8 | data[1]) >> 4);
	}
}

/* Longer than the decoder's memory of bits. */
static void
test_long(void **state)
{
	char text[4 * 1000];
	unsigned char data[3 * 1000];
	size_t length;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = letters[i % 64];
	assert_int_equal(BASE64_WHOLE,
	    base64_decode(text, sizeof(text), data, sizeof(data), &length));
	assert_int_equal(sizeof(data), length);
	for (size_t i = 0; i < sizeof(text); i++) {
		size_t bit = 6 * i;
		unsigned pair = (unsigned)data[bit / 8] << 8
		    | (bit / 8 + 1 < length ? data[bit / 8 + 1] : 0);

		assert_int_equal(i % 64, pair >> (10 - bit % 8) & 63);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_every_octet),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
