/* What posternctl is made of: the reader of a message, names as people type
 * them, answers as they are printed. Its commands are tested by
 * tests/e2e/test_posternctl.py. */
#include "milter/ctl/mail.h"
#include "milter/ctl/name.h"
#include "milter/ctl/print.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES = 1024 * 1024 };

/* ---- the message ---- */

/* Fields are shown as "NAME|VALUE" with LF for folds, ended by ';'. */
struct mail_case {
	const char *name;
	const char *text;
	size_t length; /* 0: of a string */
	const char *want_fields;
	const char *want_body;
};

static const struct mail_case mail_cases[] = {
	{ "LF line ends", "A: 1\nB: 2\n\nx\ny\n", 0, "A| 1;B| 2;",
	    "x\r\ny\r\n" },
	{ "CRLF line ends", "A: 1\r\nB: 2\r\n\r\nx\r\ny\r\n", 0, "A| 1;B| 2;",
	    "x\r\ny\r\n" },
	{ "both mixed", "A: 1\r\nB: 2\n\r\nx\ny\r\n", 0, "A| 1;B| 2;",
	    "x\r\ny\r\n" },
	{ "folded", "A: 1\n 2\n\t3\nB: 4\n\n", 0, "A| 1\n 2\n\t3;B| 4;", "" },
	{ "folded with CRLF", "A: 1\r\n 2\r\nB:4\r\n\r\n", 0, "A| 1\n 2;B|4;",
	    "" },
	{ "a fold of blanks alone", "A: 1\n \nB: 2\n\n", 0, "A| 1\n ;B| 2;",
	    "" },
	{ "no space after the colon", "A:1\n\n", 0, "A|1;", "" },
	{ "empty value", "A:\nB:\r\n\n", 0, "A|;B|;", "" },
	{ "blanks before the colon", "From : a\nTo\t: b\n\n", 0,
	    "From | a;To\t| b;", "" },
	{ "colons in the value", "A: b: c\n\n", 0, "A| b: c;", "" },
	{ "nothing at all", "", 0, "", "" },
	{ "an empty header", "\nx\n", 0, "", "x\r\n" },
	{ "no body", "A: 1\n", 0, "A| 1;", "" },
	{ "a header without an end", "A: 1", 0, "A| 1;", "" },
	{ "a header that ends in CR", "A: 1\r", 0, "A| 1\r;", "" },
	{ "an empty body", "A: 1\n\n", 0, "A| 1;", "" },
	{ "empty lines in the body", "A: 1\n\n\n\nx\n\n", 0, "A| 1;",
	    "\r\n\r\nx\r\n\r\n" },
	{ "a body without an end", "A: 1\n\nx", 0, "A| 1;", "x\r\n" },
	{ "a body that ends in CR", "A: 1\n\nx\r", 0, "A| 1;", "x\r\r\n" },
	{ "lone CR in the body stays", "A: 1\n\nx\ry\n", 0, "A| 1;",
	    "x\ry\r\n" },
	{ "CR CR LF in the body stays", "A: 1\n\nx\r\r\ny\n", 0, "A| 1;",
	    "x\r\r\ny\r\n" },
	{ "a line that is no field", "A: 1\nhello there\nB: 2\n", 0, "A| 1;",
	    "hello there\r\nB: 2\r\n" },
	{ "a line that is no field, at its end", "A: 1\nhello", 0, "A| 1;",
	    "hello\r\n" },
	{ "a name with a blank inside", "A: 1\nB C: 2\n", 0, "A| 1;",
	    "B C: 2\r\n" },
	{ "a name of 8-bit octets", "A: 1\nB\303\244: 2\n", 0, "A| 1;",
	    "B\303\244: 2\r\n" },
	{ "a line of blanks after fields is a fold", "A: 1\n  \n\nx\n", 0,
	    "A| 1\n  ;", "x\r\n" },
	{ "a line of blanks first", "  \nA: 1\n", 0, "", "  \r\nA: 1\r\n" },
	{ "a colon first", ": 1\n\n", 0, "", ": 1\r\n\r\n" },
	{ "a CR first", "\rA: 1\n", 0, "", "\rA: 1\r\n" },
	{ "a mailbox file's first line", "From a Mon Jan  1\nA: 1\n\nx\n", 0,
	    "A| 1;", "x\r\n" },
	{ "a mailbox file's line later", "A: 1\nFrom a Mon Jan  1\nB: 2\n", 0,
	    "A| 1;", "From a Mon Jan  1\r\nB: 2\r\n" },
	{ "two lines of a mailbox file", "From a\nFrom b\nA: 1\n", 0, "",
	    "From b\r\nA: 1\r\n" },
	{ "From with a blank and a colon first", "From : a\n\n", 0, "From | a;",
	    "" },
	{ "an octet NUL in a value ends it", "A: 1\0002\nB: 3\n\n", 13,
	    "A| 1;B| 3;", "" },
	{ "an octet NUL in a name", "A\0: 1\n\n", 7, "", "A" },
	{ "8 bits in a value", "A: \303\244\377\n\n", 0, "A| \303\244\377;",
	    "" },
};

static void
add_string(char **to, const char *data, size_t length)
{
	size_t had = strlen(*to);
	char *grown = realloc(*to, had + length + 1);

	assert_non_null(grown);
	memcpy(grown + had, data, length);
	grown[had + length] = '\0';
	*to = grown;
}

static void
read_all(FILE *in, char **fields_out, char **body_out)
{
	struct mail *mail = mail_open(in);
	const char *name, *value;
	const unsigned char *data;
	struct fault fault;
	size_t length;

	assert_non_null(mail);
	*fields_out = calloc(1, 1);
	*body_out = calloc(1, 1);
	while (mail_field(mail, &name, &value, &fault) == MAIL_FIELD) {
		add_string(fields_out, name, strlen(name));
		add_string(fields_out, "|", 1);
		add_string(fields_out, value, strlen(value));
		add_string(fields_out, ";", 1);
	}
	assert_int_equal(MAIL_BODY, mail_field(mail, &name, &value, &fault));
	do {
		assert_true(mail_body(mail, &data, &length, &fault));
		add_string(body_out, (const char *)data, length);
	} while (length > 0);
	mail_close(&mail);
	assert_null(mail);
	mail_close(&mail);
}

/* fmemopen(3) refuses to read nothing. */
static FILE *
open_text(const char *text, size_t length)
{
	FILE *in = tmpfile();

	assert_non_null(in);
	assert_int_equal(length, fwrite(text, 1, length, in));
	rewind(in);
	return in;
}

static void
test_mail(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mail_cases) / sizeof(mail_cases[0]);
	     i++) {
		const struct mail_case *c = &mail_cases[i];
		size_t length = c->length > 0 ? c->length : strlen(c->text);
		FILE *in = open_text(c->text, length);
		char *fields, *body;

		read_all(in, &fields, &body);
		if (strcmp(c->want_fields, fields) != 0)
			fail_msg("%s: wanted fields \"%s\", got \"%s\"",
			    c->name, c->want_fields, fields);
		if (strcmp(c->want_body, body) != 0)
			fail_msg("%s: wanted body \"%s\", got \"%s\"", c->name,
			    c->want_body, body);
		free(fields);
		free(body);
		fclose(in);
	}
}

/* A field of count octets of value, then "B: 2". */
static FILE *
open_long(size_t count)
{
	FILE *in = tmpfile();

	assert_non_null(in);
	fputs("A:", in);
	for (size_t i = 0; i < count; i++)
		fputc('x', in);
	fputs("\nB: 2\n\n", in);
	rewind(in);
	return in;
}

static void
test_mail_long_field(void **state)
{
	static const struct {
		size_t length; /* of the value */
		enum mail_part want;
	} cases[] = {
		/* the name, and an octet NUL after each of the two */
		{ MAIL_FIELD_BYTES - 3, MAIL_FIELD },
		{ MAIL_FIELD_BYTES - 2, MAIL_FAULT },
		{ 3 * MAIL_FIELD_BYTES, MAIL_FAULT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		FILE *in = open_long(cases[i].length);
		struct mail *mail = mail_open(in);
		struct fault fault = { .kind = FAULT_NONE };
		const char *name, *value;
		enum mail_part got;

		assert_non_null(mail);
		got = mail_field(mail, &name, &value, &fault);
		if (got != cases[i].want)
			fail_msg("%zu octets: wanted %d, got %d",
			    cases[i].length, (int)cases[i].want, (int)got);
		if (got == MAIL_FIELD) {
			assert_int_equal(cases[i].length, strlen(value));
			assert_int_equal(MAIL_FIELD,
			    mail_field(mail, &name, &value, &fault));
			assert_string_equal("B", name);
		} else {
			assert_int_equal(FAULT_PERMANENT, fault.kind);
		}
		mail_close(&mail);
		fclose(in);
	}
}

/* A line without a colon is the body's, however long it is. */
static void
test_mail_long_line(void **state)
{
	enum { LENGTH = 3 * MAIL_FIELD_BYTES };
	FILE *in = tmpfile();
	struct mail *mail = mail_open(in);
	const char *name, *value;
	const unsigned char *data;
	struct fault fault;
	size_t total = 0;
	size_t length;

	(void)state;
	assert_non_null(in);
	assert_non_null(mail);
	for (size_t i = 0; i < LENGTH; i++)
		fputc('x', in);
	rewind(in);
	assert_int_equal(MAIL_BODY, mail_field(mail, &name, &value, &fault));
	do {
		assert_true(mail_body(mail, &data, &length, &fault));
		assert_true(length <= 2 * MAIL_PIECE_BYTES);
		total += length;
	} while (length > 0);
	assert_int_equal(LENGTH + 2, total);
	mail_close(&mail);
	fclose(in);
}

/* Line ends fall on every place of a piece, also between CR and LF. */
static void
test_mail_pieces(void **state)
{
	static const char *const ends[] = { "\n", "\r\n" };

	(void)state;
	for (size_t e = 0; e < 2; e++) {
		for (size_t shift = 0; shift < 4; shift++) {
			FILE *in = tmpfile();
			size_t lines = 3 * MAIL_PIECE_BYTES;
			size_t wanted = lines * 3 + shift;
			char *fields, *body;

			assert_non_null(in);
			fputs("A: 1\n\n", in);
			for (size_t i = 0; i < shift; i++)
				fputc('y', in);
			for (size_t i = 0; i < lines; i++)
				fprintf(in, "x%s", ends[e]);
			rewind(in);
			read_all(in, &fields, &body);
			if (strlen(body) != wanted
			    || strstr(body, "\r\r") != NULL
			    || strstr(body, "\n\n") != NULL)
				fail_msg("end %zu, shift %zu: wanted %zu "
					 "octets, got %zu",
				    e, shift, wanted, strlen(body));
			free(fields);
			free(body);
			fclose(in);
		}
	}
}

static void
test_mail_unreadable(void **state)
{
	FILE *in = fopen("/", "r"); /* reading a directory fails */
	struct mail *mail = mail_open(in);
	struct fault fault = { .kind = FAULT_NONE };
	const char *name, *value;

	(void)state;
	assert_non_null(in);
	assert_non_null(mail);
	assert_int_equal(MAIL_FAULT, mail_field(mail, &name, &value, &fault));
	assert_int_equal(FAULT_PERMANENT, fault.kind);
	mail_close(&mail);
	fclose(in);
}

/* ---- names ---- */

struct name_case {
	const char *name;
	enum limit_key key;
	bool is_case_sensitive;
	const char *typed;
	const char *want; /* NULL: refused */
};

static const struct name_case name_cases[] = {
	{ "a login", LIMIT_KEY_ACCOUNT, false, "Alice", "alice" },
	{ "a login with case", LIMIT_KEY_ACCOUNT, true, "Alice", "Alice" },
	{ "an address", LIMIT_KEY_ACCOUNT, false, "Alice@A.Example",
	    "alice@a.example" },
	{ "an address with case", LIMIT_KEY_ACCOUNT, true, "Alice@A.Example",
	    "Alice@a.example" },
	{ "a domain with umlauts", LIMIT_KEY_ACCOUNT, false,
	    "a@m\303\274nchen.example", "a@xn--mnchen-3ya.example" },
	{ "a uid", LIMIT_KEY_ACCOUNT, false, "uid:1000", "uid:1000" },
	{ "a host", LIMIT_KEY_ACCOUNT, false, "local:Mail.Example",
	    "local:mail.example" },
	{ "a host with case", LIMIT_KEY_ACCOUNT, true, "local:Mail.Example",
	    "local:mail.example" },
	{ "bounces", LIMIT_KEY_ACCOUNT, false, "bounces:mail.example",
	    "bounces:mail.example" },
	{ "a client", LIMIT_KEY_ACCOUNT, false, "client:192.0.2.1",
	    "client:192.0.2.1" },
	{ "an IPv6 client", LIMIT_KEY_ACCOUNT, false, "client:2001:DB8::7",
	    "client:2001:db8::/64" },
	{ "a client that isn't known", LIMIT_KEY_ACCOUNT, false,
	    "client:unknown", "client:unknown" },
	{ "no client", LIMIT_KEY_ACCOUNT, false, "client:x", NULL },
	{ "a login that looks like ours", LIMIT_KEY_ACCOUNT, false,
	    "sasl:UID:1000", "sasl:uid:1000" },
	{ "such a login with case", LIMIT_KEY_ACCOUNT, true, "sasl:UID:1000",
	    "sasl:UID:1000" },
	{ "no name", LIMIT_KEY_ACCOUNT, false, "", NULL },
	{ "a domain", LIMIT_KEY_FROM_DOMAIN, false, "A.Example.", "a.example" },
	{ "no domain", LIMIT_KEY_FROM_DOMAIN, false, "a..example", NULL },
	{ "an empty domain", LIMIT_KEY_FROM_DOMAIN, false, "", NULL },
	{ "an IPv4 address", LIMIT_KEY_CLIENT_IP, false, "192.0.2.1",
	    "192.0.2.1" },
	{ "an IPv4 address in IPv6", LIMIT_KEY_CLIENT_IP, false,
	    "::ffff:192.0.2.1", "192.0.2.1" },
	{ "an IPv6 address", LIMIT_KEY_CLIENT_IP, false, "2001:db8::1",
	    "2001:db8::/64" },
	{ "an IPv6 network as the log has it", LIMIT_KEY_CLIENT_IP, false,
	    "2001:db8::/64", "2001:db8::/64" },
	{ "a client that isn't known", LIMIT_KEY_CLIENT_IP, false, "unknown",
	    "unknown" },
	{ "a larger network", LIMIT_KEY_CLIENT_IP, false, "2001:db8::/32",
	    NULL },
	{ "an IPv4 network", LIMIT_KEY_CLIENT_IP, false, "192.0.2.0/24", NULL },
	{ "no address", LIMIT_KEY_CLIENT_IP, false, "mail.example", NULL },
	{ "a parent's domain", LIMIT_KEY_PARENT, false, "A.Example.",
	    "a.example" },
	{ "a parent of the map", LIMIT_KEY_PARENT, false, "Customer-7",
	    "customer-7" },
	{ "a parent that is an account", LIMIT_KEY_PARENT, false,
	    "Alice@A.Example", "alice@a.example" },
	{ "a parent that is a client", LIMIT_KEY_PARENT, false,
	    "client:2001:DB8::7", "client:2001:db8::/64" },
	{ "a parent with a dot that is no domain", LIMIT_KEY_PARENT, false,
	    "No. 7", "no. 7" },
	{ "no parent", LIMIT_KEY_PARENT, false, "", NULL },
	{ "a sender", LIMIT_KEY_SENDER, true, "Alice@A.Example",
	    "alice@a.example" },
	{ "a sender in brackets", LIMIT_KEY_SENDER, false, "<a@A.Example>",
	    "a@a.example" },
	{ "the null sender", LIMIT_KEY_SENDER, false, "<>", "<>" },
	{ "no sender", LIMIT_KEY_SENDER, false, "", NULL },
	{ "no sender's address", LIMIT_KEY_SENDER, false, "alice", NULL },
	{ "everything", LIMIT_KEY_GLOBAL, false, "all", "all" },
	{ "something", LIMIT_KEY_GLOBAL, false, "a.example", NULL },
	{ "a domain and who uses it", LIMIT_KEY_FROM_DOMAIN, false,
	    "A.Example (Bob)", "a.example (bob)" },
	{ "no author, and who", LIMIT_KEY_FROM_DOMAIN, false, "- (Bob)",
	    "- (bob)" },
	{ "a domain and an empty account", LIMIT_KEY_FROM_DOMAIN, false,
	    "a.example ()", NULL },
	{ "a domain and parentheses in the account", LIMIT_KEY_FROM_DOMAIN,
	    false, "a.example (bob (x))", "a.example (bob (x))" },
	{ "no domain and an account", LIMIT_KEY_FROM_DOMAIN, false,
	    "a..example (bob)", NULL },
	{ "a sender and who uses it", LIMIT_KEY_SENDER, false,
	    "A@A.Example (Bob)", "a@a.example (bob)" },
	{ "the null sender and who", LIMIT_KEY_SENDER, false, "<> (Bob)",
	    "<> (bob)" },
	{ "a quoted sender and who", LIMIT_KEY_SENDER, false,
	    "\"a (b\"@a.example (bob)", "\"a (b\"@a.example (bob)" },
};

static void
test_name(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	for (size_t i = 0; i < sizeof(name_cases) / sizeof(name_cases[0]);
	     i++) {
		const struct name_case *c = &name_cases[i];
		struct account_rules rules = { .is_case_sensitive =
						   c->is_case_sensitive };
		struct fault fault = { .kind = FAULT_NONE };
		const char *got = NULL;

		if (!name_fold(c->key, &rules, c->typed, &arena, &got, &fault))
			got = NULL;
		if ((got == NULL) != (c->want == NULL)
		    || (got != NULL && strcmp(got, c->want) != 0))
			fail_msg("%s: wanted %s, got %s (%s)", c->name,
			    c->want != NULL ? c->want : "a refusal",
			    got != NULL ? got : "a refusal", fault.words);
		if (got == NULL)
			assert_int_equal(FAULT_PERMANENT, fault.kind);
	}
	arena_clear(&arena);
}

static void
test_name_too_long(void **state)
{
	struct account_rules rules = { .is_case_sensitive = false };
	char name[ACCOUNT_OCTETS + 2];
	struct fault fault;
	struct arena arena;
	const char *got;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	memset(name, 'a', sizeof(name) - 1);
	name[ACCOUNT_OCTETS + 1] = '\0';
	assert_false(
	    name_fold(LIMIT_KEY_ACCOUNT, &rules, name, &arena, &got, &fault));
	name[ACCOUNT_OCTETS] = '\0';
	assert_true(
	    name_fold(LIMIT_KEY_ACCOUNT, &rules, name, &arena, &got, &fault));
	assert_string_equal(name, got);
	arena_clear(&arena);
}

static void
test_name_account(void **state)
{
	static const struct {
		const char *typed, *name, *own_domain, *parent;
	} cases[] = {
		{ "Alice@A.Example", "alice@a.example", "a.example",
		    "a.example" },
		{ "alice", "alice", NULL, "alice" },
		{ "uid:7", "uid:7", NULL, "uid:7" },
		{ "local:Mail.Example", "local:mail.example", "mail.example",
		    "mail.example" },
		{ "bounces:mail.example", "bounces:mail.example",
		    "mail.example", "mail.example" },
	};
	struct account_rules rules = { .is_case_sensitive = false };
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct account account;
		struct fault fault;

		if (!name_account(
			&rules, cases[i].typed, &arena, &account, &fault))
			fail_msg("%s: %s", cases[i].typed, fault.words);
		assert_string_equal(cases[i].name, account.name);
		assert_string_equal(cases[i].parent, account.parent);
		if (cases[i].own_domain == NULL)
			assert_null(account.own_domain);
		else
			assert_string_equal(
			    cases[i].own_domain, account.own_domain);
	}
	arena_clear(&arena);
}

static void
test_name_foreign(void **state)
{
	(void)state;
	assert_true(name_is_foreign(LIMIT_KEY_SENDER, "a@b.example (c)"));
	assert_true(name_is_foreign(LIMIT_KEY_FROM_DOMAIN, "- (c)"));
	assert_false(name_is_foreign(LIMIT_KEY_SENDER, "a@b.example"));
	assert_false(name_is_foreign(LIMIT_KEY_ACCOUNT, "bob (x)"));
}

static void
test_name_key(void **state)
{
	enum limit_key key = LIMIT_KEY_ACCOUNT;

	(void)state;
	for (int want = 0; want < LIMIT_KEY_COUNT; want++) {
		assert_true(
		    name_key(limits_key_name((enum limit_key)want), &key));
		assert_int_equal(want, key);
	}
	assert_false(name_key("senders", &key));
	assert_false(name_key("", &key));
}

/* ---- answers ---- */

static char *
printed(const struct table *table)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_true(table_print(table, out));
	assert_int_equal(0, fclose(out));
	return text;
}

static void
test_table(void **state)
{
	struct table table;
	struct arena arena;
	char *text;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	table_init(&table, &arena, "lrl");
	table.indent = " ";
	table_row(&table);
	table_cell(&table, "NAME");
	table_cell(&table, "N");
	table_cell(&table, "END");
	table_row(&table);
	table_cell(&table, "%s", "\303\244\033[31m");
	table_cell(&table, "%d", 1234);
	table_cell(&table, "x");
	table_cell(&table, "one too many");
	table_row(&table);
	table_cell(&table, "short");
	text = printed(&table);
	assert_string_equal(" NAME       N  END\n"
			    " \303\244?[31m  1234  x\n"
			    " short\n",
	    text);
	free(text);
	arena_clear(&arena);
}

static void
test_table_without_memory(void **state)
{
	struct table table;
	struct arena arena;

	(void)state;
	arena_init(&arena, 0);
	table_init(&table, &arena, "l");
	table_row(&table);
	table_cell(&table, "x");
	assert_false(table_print(&table, stdout));
	arena_clear(&arena);
}

static void
test_print_line(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	print_line(out, "label", "%s", "a\r\nb\377\033c");
	print_line(out, " ", "below");
	print_line(out, "", "bare");
	print_text(out, "");
	assert_int_equal(0, fclose(out));
	assert_string_equal("label       a??b??c\n"
			    "            below\n"
			    "bare\n"
			    "\n",
	    text);
	free(text);
}

static void
test_print_time(void **state)
{
	struct json_object *time = print_json_time(1795389789001);
	struct arena arena;

	(void)state;
	assert_non_null(time);
	/* Never before the moment: it is rounded up. */
	assert_string_equal(
	    "2026-11-22T23:23:10Z", json_object_get_string(time));
	json_object_put(time);
	assert_null(print_json_time(UINT64_MAX));
	arena_init(&arena, ARENA_BYTES);
	assert_int_equal(0, setenv("TZ", "UTC", 1));
	assert_string_equal(
	    "2026-11-22 23:23:09 +0000", print_time(&arena, 1795389789000));
	assert_string_equal("?", print_time(&arena, UINT64_MAX));
	arena_clear(&arena);
	arena_init(&arena, 0);
	assert_string_equal("?", print_time(&arena, 0));
	arena_clear(&arena);
}

static void
test_print_json_text(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ NULL, "null" },
		{ "", "\"\"" },
		{ "a\nb\033c", "\"a?b?c\"" },
		{ "\303\244 \377\303", "\"\303\244 ??\"" },
		{ "\"\\", "\"\\\"\\\\\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_object *object = print_json_text(cases[i].text);
		const char *got = json_object_to_json_string_ext(
		    object, JSON_C_TO_STRING_PLAIN);

		if (strcmp(got, cases[i].want) != 0)
			fail_msg("case %zu: wanted %s, got %s", i,
			    cases[i].want, got);
		json_object_put(object);
	}
}

static void
test_print_json_seconds(void **state)
{
	static const struct {
		uint64_t duration_ms;
		const char *want;
	} cases[] = {
		{ 0, "0" },
		{ 3600000, "3600" },
		{ 500, "0.500" },
		{ 1500, "1.500" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_object *object =
		    print_json_seconds(cases[i].duration_ms);
		const char *got = json_object_get_string(object);

		if (strcmp(got, cases[i].want) != 0)
			fail_msg("case %zu: wanted %s, got %s", i,
			    cases[i].want, got);
		json_object_put(object);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mail),
		cmocka_unit_test(test_mail_long_field),
		cmocka_unit_test(test_mail_long_line),
		cmocka_unit_test(test_mail_pieces),
		cmocka_unit_test(test_mail_unreadable),
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_name_too_long),
		cmocka_unit_test(test_name_account),
		cmocka_unit_test(test_name_foreign),
		cmocka_unit_test(test_name_key),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_table_without_memory),
		cmocka_unit_test(test_print_line),
		cmocka_unit_test(test_print_time),
		cmocka_unit_test(test_print_json_text),
		cmocka_unit_test(test_print_json_seconds),
	};

	return cmocka_run_group_tests_name("ctl", tests, NULL, NULL);
}
