#include "policy/spf_record.h"

#include "policy/spf_macro.h"
#include "policy/text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

_Static_assert(SPF_RECORD_OCTETS <= UINT16_MAX, "counted[] holds positions");

enum {
	VERSION_OCTETS = 6,
	BITS4_MOST = 32,
	BITS6_MOST = 128,
	BITS_DIGITS = 3,
};

/* What may follow the name of a mechanism. */
enum argument {
	ARGUMENT_NONE,
	ARGUMENT_NAME,          /* ":" domain-spec */
	ARGUMENT_NAME_OPTIONAL, /* the same, or nothing */
	ARGUMENT_HOSTS,         /* [":" domain-spec] [dual-cidr-length] */
	ARGUMENT_IP4,
	ARGUMENT_IP6,
};

static const struct mechanism {
	const char *name;
	enum spf_mechanism mechanism;
	enum argument argument;
	bool is_counted;
} mechanisms[] = {
	{ "all", SPF_ALL, ARGUMENT_NONE, false },
	{ "include", SPF_INCLUDE, ARGUMENT_NAME, true },
	{ "a", SPF_A, ARGUMENT_HOSTS, true },
	{ "mx", SPF_MX, ARGUMENT_HOSTS, true },
	{ "ptr", SPF_PTR, ARGUMENT_NAME_OPTIONAL, true },
	{ "ip4", SPF_IP4, ARGUMENT_IP4, false },
	{ "ip6", SPF_IP6, ARGUMENT_IP6, false },
	{ "exists", SPF_EXISTS, ARGUMENT_NAME, true },
};

enum { MECHANISMS = sizeof(mechanisms) / sizeof(mechanisms[0]) };

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

/* Is it the lower-case word but for case? */
static bool
is_word(const char *text, size_t length, const char *word)
{
	for (size_t i = 0; i < length; i++)
		if (word[i] == '\0' || lower(text[i]) != word[i])
			return false;
	return word[length] == '\0';
}

bool
spf_record_is_one(const char *text, size_t length)
{
	return length >= VERSION_OCTETS
	    && is_word(text, VERSION_OCTETS, "v=spf1")
	    && (length == VERSION_OCTETS || text[VERSION_OCTETS] == ' ');
}

bool
spf_record_is_counted(enum spf_mechanism mechanism)
{
	for (size_t i = 0; i < MECHANISMS; i++)
		if (mechanisms[i].mechanism == mechanism)
			return mechanisms[i].is_counted;
	return false;
}

/* The number of a prefix length: no leading zeros, at most most. */
static bool
read_bits(const char *digits, size_t length, unsigned most, unsigned *bits_out)
{
	unsigned bits = 0;

	if (length == 0 || length > BITS_DIGITS
	    || (digits[0] == '0' && length > 1))
		return false;
	for (size_t i = 0; i < length; i++) {
		if (!is_digit(digits[i]))
			return false;
		bits = bits * 10 + (unsigned)(digits[i] - '0');
	}
	*bits_out = bits;
	return bits <= most;
}

/* How many digits text ends in. */
static size_t
last_digits(const char *text, size_t length)
{
	size_t count = 0;

	while (count < length && is_digit(text[length - count - 1]))
		count++;
	return count;
}

/* Take [ip4-cidr-length] ["/" ip6-cidr-length] from the end of the *length
 * octets at text. It can't be a part of the domain-spec before it, since
 * that ends in a letter, digit, dot or macro. NULL, or words. */
static const char *
take_lengths(const char *text, size_t *length, struct spf_term *term)
{
	size_t digits = last_digits(text, *length);
	size_t left = *length - digits; /* with what comes before them */

	if (left >= 2 && text[left - 1] == '/' && text[left - 2] == '/') {
		if (!read_bits(text + left, digits, BITS6_MOST, &term->bits6))
			return "after \"//\" comes a number from 0 to 128";
		*length = left - 2;
		digits = last_digits(text, *length);
		left = *length - digits;
	}
	if (left >= 1 && text[left - 1] == '/') {
		if (!read_bits(text + left, digits, BITS4_MOST, &term->bits4))
			return "after \"/\" comes a number from 0 to 32";
		*length = left - 1;
	}
	return NULL;
}

/* The argument behind a name: text begins with ':' or is empty. */
static const char *
read_name(const char *text, size_t length, struct spf_term *term)
{
	if (length == 0)
		return NULL;
	if (text[0] != ':')
		return "a character that may not follow its name";
	term->spec.text = text + 1;
	term->spec.length = length - 1;
	return spf_macro_name_problem(text + 1, length - 1);
}

/* A network of ip4 or ip6: an address, perhaps with a prefix length. */
static const char *
read_network(const char *text, size_t length, bool is_v6, struct spf_term *term)
{
	unsigned most = is_v6 ? BITS6_MOST : BITS4_MOST;
	unsigned *bits = is_v6 ? &term->bits6 : &term->bits4;
	const char *slash = memchr(text, '/', length);
	size_t host = slash != NULL ? (size_t)(slash - text) : length;
	char space[INET6_ADDRSTRLEN];

	if (host < 1 || text[0] != ':')
		return "a network should follow its name and a colon";
	if (slash != NULL
	    && !read_bits(slash + 1, length - host - 1, most, bits))
		return is_v6 ? "after \"/\" comes a number from 0 to 128"
			     : "after \"/\" comes a number from 0 to 32";
	host--;
	if (host < sizeof(space)) {
		memcpy(space, text + 1, host);
		space[host] = '\0';
		if (inet_pton(is_v6 ? AF_INET6 : AF_INET, space, term->octets)
		    == 1)
			return NULL;
	}
	return is_v6 ? "not an IPv6 address" : "not an IPv4 address";
}

static const char *
read_argument(const struct mechanism *mechanism, const char *text,
    size_t length, struct spf_term *term)
{
	const char *problem;

	switch (mechanism->argument) {
	case ARGUMENT_NONE:
		return length == 0 ? NULL : "nothing may follow its name";
	case ARGUMENT_NAME:
		return length == 0
		    ? "a domain name should follow its name and a colon"
		    : read_name(text, length, term);
	case ARGUMENT_NAME_OPTIONAL:
		return read_name(text, length, term);
	case ARGUMENT_HOSTS:
		problem = take_lengths(text, &length, term);
		return problem != NULL ? problem
				       : read_name(text, length, term);
	case ARGUMENT_IP4:
	case ARGUMENT_IP6:
		return read_network(
		    text, length, mechanism->argument == ARGUMENT_IP6, term);
	}
	return NULL;
}

/* text is all of a word that isn't a modifier. NULL, or words. */
static const char *
read_directive(const char *text, struct spf_term *term)
{
	static const enum spf_result results[] = { SPF_PASS, SPF_FAIL,
		SPF_SOFTFAIL, SPF_NEUTRAL };
	static const char qualifiers[] = "+-~?";
	const char *qualifier = strchr(qualifiers, text[0]);
	const char *name = text + (qualifier != NULL);
	size_t length = strcspn(name, ":/");

	*term = (struct spf_term){ .result = SPF_PASS,
		.text = text,
		.bits4 = BITS4_MOST,
		.bits6 = BITS6_MOST };
	if (qualifier != NULL)
		term->result = results[qualifier - qualifiers];
	for (size_t i = 0; i < MECHANISMS; i++) {
		if (!is_word(name, length, mechanisms[i].name))
			continue;
		term->mechanism = mechanisms[i].mechanism;
		return read_argument(
		    &mechanisms[i], name + length, strlen(name + length), term);
	}
	return "an unknown mechanism";
}

/* The length of the name that a modifier begins with: what stands before
 * "=" if that can be a name; else 0, and it is no modifier. */
static size_t
modifier_name(const char *text)
{
	size_t length = 0;

	if (!is_alpha(text[0]))
		return 0;
	while (is_alpha(text[length]) || is_digit(text[length])
	    || (text[length] != '\0' && strchr("-_.", text[length]) != NULL))
		length++;
	return text[length] == '=' ? length : 0;
}

static const char *
read_modifier(struct spf_record *record, const char *text, size_t name)
{
	struct spf_spec spec = { .text = text + name + 1,
		.length = strlen(text + name + 1) };
	bool is_redirect = is_word(text, name, "redirect");
	struct spf_spec *place =
	    is_redirect ? &record->redirect : &record->explanation;

	if (!is_redirect && !is_word(text, name, "exp"))
		return spf_macro_problem(
		    spec.text, spec.length, SPF_MACRO_MODIFIER);
	if (place->text != NULL)
		return "a second modifier of this name";
	*place = spec;
	if (is_redirect)
		record->redirect_text = text;
	return spf_macro_name_problem(spec.text, spec.length);
}

/* Note what a good directive means for the record as a whole. */
static void
note_directive(struct spf_record *record, const struct spf_term *term)
{
	if (term->mechanism == SPF_ALL)
		record->has_all = true;
	if (spf_record_is_counted(term->mechanism) && !record->has_all
	    && record->counted_count < SPF_TERMS)
		record->counted[record->counted_count++] =
		    (uint16_t)(term->text - record->words);
}

/* Check one word. False: record->problem tells why. */
static bool
check_word(struct spf_record *record, const char *word)
{
	size_t name = modifier_name(word);
	struct spf_term term;

	if (name > 0) {
		record->problem = read_modifier(record, word, name);
	} else {
		record->problem = read_directive(word, &term);
		if (record->problem == NULL)
			note_directive(record, &term);
	}
	if (record->problem != NULL)
		record->bad = word;
	return record->problem == NULL;
}

/* The word at *position or after it; NULL: there are no more. */
static const char *
next_word(const struct spf_record *record, size_t *position)
{
	const char *word;

	while (*position < record->length && record->words[*position] == '\0')
		++*position;
	if (*position >= record->length)
		return NULL;
	word = record->words + *position;
	*position += strlen(word);
	return word;
}

/* Only blanks and printable ASCII make up a record (§4.5, §12). */
static bool
is_plain(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	return true;
}

bool
spf_record_read(struct spf_record *record, const char *text, size_t length,
    struct arena *arena)
{
	char *copy = arena_copy(arena, text, length);
	char *words = arena_copy(arena, text, length);
	size_t position = VERSION_OCTETS;
	const char *word;

	*record = (struct spf_record){
		.text = copy, .words = words, .length = length, .bad = ""
	};
	if (copy == NULL || words == NULL)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (copy[i] == '\0')
			copy[i] = '?';
		if (words[i] == ' ')
			words[i] = '\0';
	}
	if (!is_plain(text, length)) {
		record->problem = "an octet that is not printable ASCII";
		return true;
	}
	while ((word = next_word(record, &position)) != NULL)
		if (!check_word(record, word))
			break;
	return true;
}

void
spf_record_at(
    const struct spf_record *record, size_t position, struct spf_term *term_out)
{
	(void)read_directive(record->words + position, term_out);
}

bool
spf_record_next(const struct spf_record *record, size_t *position,
    struct spf_term *term_out)
{
	const char *word;

	if (*position < VERSION_OCTETS)
		*position = VERSION_OCTETS;
	while ((word = next_word(record, position)) != NULL)
		if (modifier_name(word) == 0)
			return read_directive(word, term_out) == NULL;
	return false;
}
