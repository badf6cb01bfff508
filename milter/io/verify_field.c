#include "milter/io/verify_field.h"

#include "policy/address.h"
#include "policy/taglist.h"
#include "policy/text.h"

#include <string.h>
#include <strings.h>

enum {
	TAGS = 64,        /* most of one field; libopendkim's lists are slow */
	TIME_DIGITS = 12, /* of t= (RFC 6376 §3.5) */
	NUMBER_DIGITS = 18, /* libopendkim misreads what is far longer */
	HASH_B64_OCTETS = 44,
};

#define BLANKS " \t\r\n"

/* The tags that mean something to libopendkim. */
enum tag_index {
	TAG_V,
	TAG_A,
	TAG_B,
	TAG_BH,
	TAG_C,
	TAG_D,
	TAG_H,
	TAG_I,
	TAG_L,
	TAG_Q,
	TAG_S,
	TAG_T,
	TAG_X,
	TAG_COUNT,
};

static const struct {
	const char *name;
	const char *missing; /* in words; NULL: it may be missing */
	bool may_be_folded;  /* blanks may stand within the value */
} known[TAG_COUNT] = {
	[TAG_V] = { "v", "it has no version (v=)", false },
	[TAG_A] = { "a", "it names no algorithm (a=)", false },
	[TAG_B] = { "b", "it has no signature (b=)", true },
	[TAG_BH] = { "bh", "it has no body hash (bh=)", true },
	[TAG_C] = { "c", NULL, false },
	[TAG_D] = { "d", "it names no domain (d=)", false },
	[TAG_H] = { "h", "it names no header fields (h=)", true },
	[TAG_I] = { "i", NULL, true },
	[TAG_L] = { "l", NULL, false },
	[TAG_Q] = { "q", NULL, true },
	[TAG_S] = { "s", "it names no selector (s=)", false },
	[TAG_T] = { "t", NULL, false },
	[TAG_X] = { "x", NULL, false },
};

static const struct taglist_rules strict = { .blanks = BLANKS,
	.is_name_case_sensitive = true };
static const struct taglist_rules loose = { .blanks = BLANKS };
static const struct taglist any_case = { .rules = &loose };

struct reading {
	struct arena *arena;
	struct verify_field *field;
	const char *values[TAG_COUNT]; /* blanks left out; NULL: not there */
	bool is_harmful;               /* to libopendkim */
};

/* What was found first stands, but that it is certainly bad outweighs that
 * the library can't tell. */
static void
find(struct reading *reading, enum verify_field_state state, const char *words)
{
	struct verify_field *field = reading->field;

	if (field->state == VERIFY_FIELD_GOOD
	    || (field->state == VERIFY_FIELD_BEYOND
		&& state == VERIFY_FIELD_BAD)) {
		field->state = state;
		field->words = words;
	}
}

static void
bad(struct reading *reading, const char *words)
{
	find(reading, VERIFY_FIELD_BAD, words);
}

static void
beyond(struct reading *reading, const char *words)
{
	find(reading, VERIFY_FIELD_BEYOND, words);
}

/* The same, and it must not be fed to the library. */
static void
harmful(
    struct reading *reading, enum verify_field_state state, const char *words)
{
	reading->is_harmful = true;
	find(reading, state, words);
}

static void
no_memory(struct reading *reading)
{
	harmful(reading, VERIFY_FIELD_BEYOND, "no memory to read it");
}

static bool
is_blank(char octet)
{
	return octet != '\0' && strchr(BLANKS, octet) != NULL;
}

/* Are the octets such as a folded field can have (RFC 5322 §2.2, RFC 6532)? */
static void
check_octets(struct reading *reading, const char *value, size_t length)
{
	bool is_ascii = true;
	size_t size;

	for (size_t i = 0; i < length; i += size) {
		char next = i + 1 < length ? value[i + 1] : '\0';

		size = text_utf8_length(value + i, length - i);
		if (size == 0 || (value[i] == '\r' && next != '\n')
		    || (value[i] == '\n' && next != ' ' && next != '\t')
		    || (!is_blank(value[i])
			&& ((value[i] >= 0 && value[i] < 32)
			    || value[i] == 127))) {
			harmful(reading, VERIFY_FIELD_BAD,
			    "it has octets that no header field has");
			return;
		}
		is_ascii = is_ascii && size == 1;
	}
	if (!is_ascii)
		harmful(reading, VERIFY_FIELD_BEYOND,
		    "it isn't ASCII, which libopendkim doesn't read");
}

/* Keep the value of a tag that is known. */
static void
keep(struct reading *reading, size_t which, const struct tag *tag)
{
	char *text = arena_alloc(reading->arena, tag->value_length + 1);
	size_t kept = 0;

	if (text == NULL) {
		no_memory(reading);
		return;
	}
	for (size_t i = 0; i < tag->value_length; i++)
		if (!is_blank(tag->value[i]))
			text[kept++] = tag->value[i];
	if (kept < tag->value_length && !known[which].may_be_folded)
		bad(reading, "it has blanks within a value");
	reading->values[which] = text;
}

/* What libopendkim reads otherwise than RFC 6376 §3.2 and §3.7 have it. */
static void
check_name(
    struct reading *reading, const struct taglist *list, const struct tag *tag)
{
	/* It empties what stands behind "b=", whatever tag's name that ends,
	 * and nothing else. */
	if (tag->name[tag->name_length - 1] == 'b'
	    && !taglist_is(list, tag, "b"))
		beyond(reading, "libopendkim empties another tag than b=");
	if (taglist_is(list, tag, "b") && tag->name[1] != '=')
		beyond(reading, "libopendkim doesn't find its b=");
	for (size_t i = 0; i < TAG_COUNT; i++)
		if (taglist_is(&any_case, tag, known[i].name)
		    && !taglist_is(list, tag, known[i].name))
			harmful(reading, VERIFY_FIELD_BEYOND,
			    "libopendkim misreads tags in upper case");
}

static void
read_tag(struct reading *reading, struct taglist *list, const struct tag *tag)
{
	if (!tag->is_tag) {
		harmful(reading, VERIFY_FIELD_BAD, "it is no list of tags");
		return;
	}
	if (!taglist_note(list, tag)) {
		harmful(reading, VERIFY_FIELD_BAD, "a tag stands in it twice");
		return;
	}
	if (list->count > TAGS)
		harmful(reading, VERIFY_FIELD_BEYOND, "it has too many tags");
	check_name(reading, list, tag);
	for (size_t i = 0; i < TAG_COUNT; i++)
		if (taglist_is(list, tag, known[i].name))
			keep(reading, i, tag);
}

/* is_cut: the field has more tags than list. */
static void
read_tags(struct reading *reading, struct taglist *list, bool is_cut)
{
	struct tag tag;

	while (taglist_next(list, &tag))
		read_tag(reading, list, &tag);
	for (size_t i = 0; i < TAG_COUNT; i++)
		if (reading->values[i] == NULL && known[i].missing != NULL
		    && (!is_cut || i == TAG_D))
			bad(reading, known[i].missing);
}

/* The domain of a tag, normalised; NULL: it is none. */
static const char *
domain_of(struct reading *reading, const char *text, const char *wrong)
{
	size_t length = strlen(text);
	const char *domain;
	struct fault fault;

	if (length > 0 && text[length - 1] != '.'
	    && address_domain(reading->arena, text, length, &domain, &fault))
		return domain;
	if (length > 0 && text[length - 1] != '.' && fault.kind == FAULT_MEMORY)
		no_memory(reading);
	else
		bad(reading, wrong);
	return NULL;
}

static void
read_names(struct reading *reading)
{
	struct verify_field *field = reading->field;
	const char *name;

	if (reading->values[TAG_D] != NULL) {
		name = domain_of(
		    reading, reading->values[TAG_D], "its d= is no domain");
		field->domain = name != NULL ? name : "";
	}
	if (reading->values[TAG_S] != NULL) {
		name = domain_of(
		    reading, reading->values[TAG_S], "its s= is no selector");
		field->selector = name != NULL ? name : "";
	}
}

static int
hex_digit(char octet)
{
	if (octet >= '0' && octet <= '9')
		return octet - '0';
	return octet >= 'A' && octet <= 'F' ? octet - 'A' + 10 : -1;
}

/* Undo the quoting of §2.11 in place. False: it is broken. */
static bool
unquote(char *text)
{
	char *to = text;

	for (; *text != '\0'; text++) {
		int high, low;

		if (*text != '=') {
			*to++ = *text;
			continue;
		}
		high = hex_digit(text[1]);
		low = high < 0 ? -1 : hex_digit(text[2]);
		if (low < 0 || high + low == 0)
			return false;
		*to++ = (char)(16 * high + low);
		text += 2;
	}
	*to = '\0';
	return true;
}

/* i= must lie within d= (§3.5); what libopendkim unquotes of it isn't
 * bounded well. */
static void
read_identity(struct reading *reading)
{
	struct verify_field *field = reading->field;
	const char *domain;
	char *text;

	field->identity_domain = field->domain;
	if (reading->values[TAG_I] == NULL)
		return;
	text = arena_strdup(reading->arena, reading->values[TAG_I]);
	if (text == NULL) {
		no_memory(reading);
		return;
	}
	if (strlen(text) > VERIFY_IDENTITY_OCTETS)
		harmful(reading, VERIFY_FIELD_BEYOND,
		    "libopendkim doesn't take an i= of that length");
	if (!unquote(text)) {
		harmful(reading, VERIFY_FIELD_BAD, "its i= is broken");
		return;
	}
	if (strchr(text, '@') == NULL) {
		bad(reading, "its i= has no domain");
		return;
	}
	if (strchr(text, '@') != strrchr(text, '@'))
		beyond(reading, "libopendkim misreads an i= with two @");
	domain = domain_of(
	    reading, strrchr(text, '@') + 1, "the domain of its i= is none");
	if (domain == NULL)
		return;
	field->identity_domain = domain;
	if (field->domain[0] != '\0' && !dns_is_within(domain, field->domain))
		bad(reading, "the domain of its i= isn't within d=");
}

static void
read_algorithm(struct reading *reading)
{
	const char *name = reading->values[TAG_A];

	if (name == NULL)
		return;
	if (text_equal_case(name, "rsa-sha256"))
		reading->field->key_type = DKIM_KEY_RSA;
	else if (text_equal_case(name, "ed25519-sha256"))
		reading->field->key_type = DKIM_KEY_ED25519;
	else if (text_equal_case(name, "rsa-sha1"))
		bad(reading, "rsa-sha1 doesn't count any more (RFC 8301)");
	else
		bad(reading, "its algorithm (a=) is unknown");
}

/* One half of c=. */
static bool
read_canon(const char *name, size_t length, bool *is_relaxed_out)
{
	*is_relaxed_out =
	    length == 7 && strncasecmp(name, "relaxed", length) == 0;
	return *is_relaxed_out
	    || (length == 6 && strncasecmp(name, "simple", length) == 0);
}

static void
read_canons(struct reading *reading)
{
	struct verify_field *field = reading->field;
	const char *text = reading->values[TAG_C];
	size_t length;

	if (text == NULL)
		return;
	length = strcspn(text, "/");
	if (!read_canon(text, length, &field->is_header_relaxed)
	    || (text[length] == '/'
		&& !read_canon(text + length + 1, strlen(text + length + 1),
		    &field->is_body_relaxed)))
		bad(reading, "its canonicalization (c=) is unknown");
}

/* Is name among those of a list with colons? */
static bool
is_listed(const char *list, const char *name)
{
	size_t length;

	for (;; list += length + 1) {
		length = strcspn(list, ":");
		if (length == strlen(name)
		    && strncasecmp(list, name, length) == 0)
			return true;
		if (list[length] == '\0')
			return false;
	}
}

static void
read_covered(struct reading *reading)
{
	const char *list = reading->values[TAG_H];

	if (list == NULL)
		return;
	reading->field->covered = list;
	if (!is_listed(list, "From"))
		bad(reading, "it doesn't cover From");
	if (strlen(list) > VERIFY_COVERED_OCTETS)
		beyond(reading,
		    "libopendkim doesn't take an h= of that "
		    "length");
}

static bool
is_number(const char *text, size_t most)
{
	size_t length = strlen(text);

	return length > 0 && length <= most
	    && strspn(text, "0123456789") == length;
}

/* A number; UINT64_MAX where it is longer than anything that counts. False:
 * it is none. */
static bool
number_of(const char *text, uint64_t *number_out)
{
	size_t length = strlen(text);

	*number_out = UINT64_MAX;
	if (is_number(text, NUMBER_DIGITS))
		return text_number(text, 0, UINT64_MAX, number_out);
	return is_number(text, length);
}

static void
read_times(struct reading *reading, uint64_t now_s)
{
	uint64_t signed_s = VERIFY_DRIFT_S;
	uint64_t expires_s = UINT64_MAX;

	if (reading->values[TAG_T] != NULL
	    && (!number_of(reading->values[TAG_T], &signed_s)
		|| strlen(reading->values[TAG_T]) > TIME_DIGITS))
		bad(reading, "its time (t=) is none");
	else if (signed_s > now_s + VERIFY_DRIFT_S)
		bad(reading, "it was made in the future (t=)");
	else if (signed_s < VERIFY_DRIFT_S)
		beyond(reading, "libopendkim takes its t= for the future");
	if (reading->values[TAG_X] == NULL)
		return;
	if (!number_of(reading->values[TAG_X], &expires_s))
		bad(reading, "its end (x=) is no time");
	else if (expires_s <= now_s)
		bad(reading, "it has expired (x=)");
	else if (reading->values[TAG_T] != NULL && expires_s <= signed_s)
		bad(reading, "it ends (x=) before it begins (t=)");
	else if (expires_s == UINT64_MAX)
		beyond(reading, "libopendkim misreads its x=");
}

static void
read_length(struct reading *reading)
{
	uint64_t octets;

	if (reading->values[TAG_L] == NULL)
		return;
	reading->field->has_body_length = true;
	if (!number_of(reading->values[TAG_L], &octets))
		bad(reading, "its length (l=) is no number");
	else if (octets == UINT64_MAX)
		bad(reading, "its length (l=) is longer than the body");
}

static bool
is_base64(const char *text)
{
	size_t length = strspn(text,
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
	size_t padding = strspn(text + length, "=");

	return length > 0 && padding <= 2 && text[length + padding] == '\0';
}

static void
read_rest(struct reading *reading)
{
	const char *hash = reading->values[TAG_BH];

	if (reading->values[TAG_V] != NULL
	    && strcmp(reading->values[TAG_V], "1") != 0)
		bad(reading, "its version (v=) is unknown");
	if (reading->values[TAG_Q] != NULL
	    && !is_listed(reading->values[TAG_Q], "dns/txt"))
		bad(reading, "its key can't be found by DNS (q=)");
	if (reading->values[TAG_B] != NULL
	    && !is_base64(reading->values[TAG_B]))
		bad(reading, "its b= isn't base64");
	if (hash != NULL
	    && (!is_base64(hash) || strlen(hash) != HASH_B64_OCTETS))
		bad(reading, "its bh= is no SHA-256 hash");
}

void
verify_field_read(struct arena *arena, const char *value, size_t length,
    uint64_t now_s, struct verify_field *field_out)
{
	struct reading reading = { .arena = arena, .field = field_out };
	struct taglist list;
	bool is_cut;

	*field_out = (struct verify_field){ .domain = "",
		.selector = "",
		.identity_domain = "",
		.covered = "" };
	is_cut = length > TAGLIST_OCTETS;
	if (is_cut) {
		harmful(&reading, VERIFY_FIELD_BEYOND, "it is too long");
		length = TAGLIST_OCTETS;
		while (length > 0 && value[length - 1] != ';')
			length--;
	}
	(void)taglist_init(&list, &strict, value, length);
	check_octets(&reading, value, length);
	read_tags(&reading, &list, is_cut);
	read_names(&reading);
	read_identity(&reading);
	read_algorithm(&reading);
	read_canons(&reading);
	read_covered(&reading);
	read_times(&reading, now_s);
	read_length(&reading);
	read_rest(&reading);
	field_out->is_harmless = !reading.is_harmful;
}
