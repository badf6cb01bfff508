#include "policy/spf_macro.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum {
	TAIL_OCTETS = 512, /* kept of a name that grows too long */
	PARTS_MOST = 1000, /* asking for more is asking for all (§7.3) */
	SPACE_OCTETS = 64, /* 32 digits with dots, or a number */
};

/* A piece of a macro-string. */
struct token {
	size_t length;     /* octets that it takes there; never 0 */
	char letter;       /* of a macro, in lower case; 0: a literal */
	char literal[4];   /* NUL-terminated */
	bool is_escaped;   /* the letter was a capital */
	bool is_reversed;  /* "r" */
	unsigned parts;    /* that are kept; 0: all */
	size_t delimiters; /* how many; 0: the dot */
	const char *delimiter;
};

static bool
is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Is c, which may be NUL, one of the characters? */
static bool
is_among(char c, const char *characters)
{
	return c != '\0' && strchr(characters, c) != NULL;
}

/* What stands between the letter and "}": how many parts, "r", delimiters. */
static const char *
read_transformers(
    const char *text, size_t length, size_t at, struct token *token)
{
	size_t digits = at;

	for (; at < length && is_digit(text[at]); at++)
		if (token->parts < PARTS_MOST)
			token->parts =
			    token->parts * 10 + (unsigned)(text[at] - '0');
	if (at > digits && token->parts == 0)
		return "a macro that asks for 0 parts";
	if (at < length && lower(text[at]) == 'r') {
		token->is_reversed = true;
		at++;
	}
	token->delimiter = text + at;
	while (at < length && is_among(text[at], ".-+,/_="))
		at++;
	token->delimiters = (size_t)(text + at - token->delimiter);
	if (at == length || text[at] != '}')
		return "a macro that isn't closed with \"}\" where it should";
	token->length = at + 1;
	return NULL;
}

/* text begins with '%'. */
static const char *
read_macro(const char *text, size_t length, enum spf_macro_place place,
    struct token *token)
{
	static const char *const literals[] = { "%%", "_ ", "-%20" };

	if (length < 2)
		return "a \"%\" at the end";
	for (size_t i = 0; i < sizeof(literals) / sizeof(literals[0]); i++)
		if (text[1] == literals[i][0]) {
			token->length = 2;
			memcpy(token->literal, literals[i] + 1,
			    strlen(literals[i]));
			return NULL;
		}
	if (text[1] != '{')
		return "a \"%\" that begins no macro";
	if (length < 3 || !is_among(lower(text[2]), "slodiphcrtv"))
		return "a macro of an unknown letter";
	token->letter = lower(text[2]);
	token->is_escaped = token->letter != text[2];
	if (place == SPF_MACRO_NAME && is_among(token->letter, "crt"))
		return "a macro that only an explanation may have";
	return read_transformers(text, length, 3, token);
}

static bool
is_literal(char c, enum spf_macro_place place)
{
	return (c >= '!' && c <= '~' && c != '%')
	    || (c == ' ' && place == SPF_MACRO_EXPLANATION);
}

/* Read the token at text, which has at least one octet. NULL, or words. */
static const char *
read_token(const char *text, size_t length, enum spf_macro_place place,
    struct token *token)
{
	*token = (struct token){ .length = 1 };
	if (text[0] == '%')
		return read_macro(text, length, place, token);
	if (!is_literal(text[0], place))
		return "a character that may not stand there";
	token->literal[0] = text[0];
	return NULL;
}

/* Check all of a macro-string. *literals_out: where those after its last macro
 * begin. NULL, or words. */
static const char *
check(const char *text, size_t length, enum spf_macro_place place,
    size_t *literals_out)
{
	struct token token;
	size_t at = 0;

	*literals_out = 0;
	for (;;) {
		const char *problem;

		while (at < length && is_literal(text[at], place))
			at++;
		if (at == length)
			return NULL;
		problem = read_token(text + at, length - at, place, &token);
		if (problem != NULL)
			return problem;
		at += token.length;
		*literals_out = at;
	}
}

const char *
spf_macro_problem(const char *text, size_t length, enum spf_macro_place place)
{
	size_t literals;

	return check(text, length, place, &literals);
}

/* toplabel of §7.1: letters, digits and inner hyphens, not digits alone. */
static bool
is_top_label(const char *label, size_t length)
{
	bool is_number = true;

	if (length == 0 || label[0] == '-' || label[length - 1] == '-')
		return false;
	for (size_t i = 0; i < length; i++) {
		if (!is_alpha(label[i]) && !is_digit(label[i])
		    && label[i] != '-')
			return false;
		if (!is_digit(label[i]))
			is_number = false;
	}
	return !is_number;
}

/* Do the literals after the last macro end in a dot and a top label? */
static bool
has_good_end(const char *end, size_t length)
{
	size_t label;

	if (length > 0 && end[length - 1] == '.')
		length--;
	label = length;
	while (label > 0 && end[label - 1] != '.')
		label--;
	return label > 0 && is_top_label(end + label, length - label);
}

const char *
spf_macro_name_problem(const char *text, size_t length)
{
	size_t literals;
	const char *problem = check(text, length, SPF_MACRO_NAME, &literals);

	if (problem != NULL)
		return problem;
	if (length == 0)
		return "an empty domain name";
	return (literals == length
		   || has_good_end(text + literals, length - literals))
	    ? NULL
	    : "a domain name that doesn't end like one";
}

bool
spf_macro_has(const char *text, size_t length, char letter)
{
	struct token token;

	if (memchr(text, '%', length) == NULL)
		return false;
	for (size_t at = 0; at < length; at += token.length) {
		if (read_token(
			text + at, length - at, SPF_MACRO_EXPLANATION, &token)
		    != NULL)
			return false;
		if (token.letter == letter)
			return true;
	}
	return false;
}

/* What an expansion is written to: a text, or the end of a name. */
struct sink {
	struct text *text; /* NULL: a name */
	char tail[2 * TAIL_OCTETS];
	size_t length; /* of tail */
};

static void
sink_octet(struct sink *sink, char octet)
{
	if (sink->text != NULL) {
		text_add_clean(sink->text, &octet, 1, false);
		return;
	}
	if (sink->length == sizeof(sink->tail)) {
		memcpy(sink->tail, sink->tail + TAIL_OCTETS, TAIL_OCTETS);
		sink->length = TAIL_OCTETS;
	}
	sink->tail[sink->length++] = octet;
}

static void
sink_add(struct sink *sink, const char *data, size_t length, bool is_escaped)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < length; i++) {
		unsigned char octet = (unsigned char)data[i];

		/* RFC 3986 §2.3 */
		if (!is_escaped || is_alpha(data[i]) || is_digit(data[i])
		    || is_among(data[i], "-._~")) {
			sink_octet(sink, data[i]);
			continue;
		}
		sink_octet(sink, '%');
		sink_octet(sink, hex[octet >> 4]);
		sink_octet(sink, hex[octet & 15]);
	}
}

static bool
is_v4(const struct address *address)
{
	struct in6_addr six;

	memcpy(six.s6_addr, address->octets, sizeof(six.s6_addr));
	return IN6_IS_ADDR_V4MAPPED(&six);
}

/* The address for a person (c), and for a name (i): there IPv6 is its 32
 * digits with dots between. space has room for either. */
static const char *
address_value(
    const struct address *address, bool is_for_name, char space[SPACE_OCTETS])
{
	static const char hex[] = "0123456789ABCDEF";
	size_t used = 0;

	if (is_v4(address))
		return inet_ntop(
		    AF_INET, address->octets + 12, space, SPACE_OCTETS);
	if (!is_for_name)
		return inet_ntop(
		    AF_INET6, address->octets, space, SPACE_OCTETS);
	for (size_t i = 0; i < sizeof(address->octets); i++) {
		space[used++] = hex[address->octets[i] >> 4];
		space[used++] = '.';
		space[used++] = hex[address->octets[i] & 15];
		space[used++] = '.';
	}
	space[used - 1] = '\0';
	return space;
}

static const char *
value_of(const struct spf_macro_values *values, char letter,
    char space[SPACE_OCTETS])
{
	switch (letter) {
	case 's':
		return values->sender;
	case 'l':
		return values->local;
	case 'o':
		return values->sender_domain;
	case 'd':
		return values->domain;
	case 'i':
		return address_value(&values->client, true, space);
	case 'c':
		return address_value(&values->client, false, space);
	case 'p':
		return values->validated != NULL ? values->validated
						 : "unknown";
	case 'v':
		return is_v4(&values->client) ? "in-addr" : "ip6";
	case 'h':
		return values->helo;
	case 'r':
		return values->receiver;
	default: /* t */
		(void)snprintf(space, SPACE_OCTETS, "%" PRIu64, values->now_s);
		return space;
	}
}

static bool
is_delimiter(const struct token *token, char c)
{
	return token->delimiters == 0
	    ? c == '.'
	    : memchr(token->delimiter, c, token->delimiters) != NULL;
}

/* Write the last parts of value, as many as the token asks for, with dots
 * between; skip: so many come before them. */
static void
add_parts(struct sink *sink, const struct token *token, const char *value,
    size_t skip)
{
	bool is_first = true;

	for (;;) {
		size_t length = 0;

		while (value[length] != '\0'
		    && !is_delimiter(token, value[length]))
			length++;
		if (skip > 0) {
			skip--;
		} else {
			sink_add(sink, ".", is_first ? 0 : 1, false);
			sink_add(sink, value, length, token->is_escaped);
			is_first = false;
		}
		if (value[length] == '\0')
			return;
		value += length + 1;
	}
}

/* The same with the order of the parts turned round first: so it is the first
 * ones that are left. */
static void
add_reversed(struct sink *sink, const struct token *token, const char *value,
    size_t skip)
{
	size_t end = strlen(value);
	bool is_first = true;

	for (;;) {
		size_t start = end;

		while (start > 0 && !is_delimiter(token, value[start - 1]))
			start--;
		if (skip > 0) {
			skip--;
		} else {
			sink_add(sink, ".", is_first ? 0 : 1, false);
			sink_add(sink, value + start, end - start,
			    token->is_escaped);
			is_first = false;
		}
		if (start == 0)
			return;
		end = start - 1;
	}
}

static void
add_macro(struct sink *sink, const struct token *token, const char *value)
{
	size_t parts = 1, skip;

	for (const char *c = value; *c != '\0'; c++)
		parts += is_delimiter(token, *c);
	skip = token->parts == 0 || token->parts > parts ? 0
							 : parts - token->parts;
	if (token->is_reversed)
		add_reversed(sink, token, value, skip);
	else
		add_parts(sink, token, value, skip);
}

/* False: too much work, or a text that is full. */
static bool
expand(const struct spf_macro_values *values, const char *text, size_t length,
    struct sink *sink)
{
	char space[SPACE_OCTETS];
	struct token token;

	for (size_t at = 0; at < length; at += token.length) {
		const char *value = NULL;
		size_t work = 1;

		if (read_token(
			text + at, length - at, SPF_MACRO_EXPLANATION, &token)
			!= NULL
		    || (sink->text != NULL && sink->text->is_cut))
			return false;
		if (token.letter != '\0') {
			value = value_of(values, token.letter, space);
			work += strlen(value);
		}
		if (*values->work_left < work)
			return false;
		*values->work_left -= work;
		if (value != NULL)
			add_macro(sink, &token, value);
		else
			sink_add(
			    sink, token.literal, strlen(token.literal), false);
	}
	return true;
}

bool
spf_macro_name(const struct spf_macro_values *values, const char *text,
    size_t length, char name_out[DNS_NAME_OCTETS + 1])
{
	struct sink sink;
	size_t start = 0;

	sink.text = NULL;
	sink.length = 0;
	name_out[0] = '\0';
	if (!expand(values, text, length, &sink))
		return false;
	if (sink.length > 0 && sink.tail[sink.length - 1] == '.')
		sink.length--;
	if (sink.length > DNS_NAME_OCTETS) {
		start = sink.length - DNS_NAME_OCTETS - 1;
		while (start < sink.length && sink.tail[start] != '.')
			start++;
		if (start == sink.length)
			return false;
		start++;
	}
	memcpy(name_out, sink.tail + start, sink.length - start);
	name_out[sink.length - start] = '\0';
	text_lower(name_out);
	return dns_is_name(name_out);
}

void
spf_macro_explanation(const struct spf_macro_values *values, const char *text,
    size_t length, struct text *text_out)
{
	struct sink sink;

	sink.text = text_out;
	sink.length = 0;
	(void)expand(values, text, length, &sink);
}
