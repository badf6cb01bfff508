#include "policy/dmarc_record.h"

#include "policy/taglist.h"

#include <string.h>

_Static_assert((int)DMARC_RECORD_OCTETS == (int)TAGLIST_OCTETS,
    "a record that is looked at can be read");

enum { PERCENT_DIGITS = 3, PERCENT_ALL = 100 };

/* The ABNF's strings, tag names included, are without case but for "DMARC1"
 * (RFC 9989 §4.8, RFC 7489 §6.4), which wins over the general RFC 6376. */
static const struct taglist_rules rules = { " \t", false };

static bool
is_digit(char octet)
{
	return octet >= '0' && octet <= '9';
}

static bool
is_letter(char octet)
{
	return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z');
}

static bool
is_hex(char octet)
{
	return is_digit(octet) || (octet >= 'a' && octet <= 'f')
	    || (octet >= 'A' && octet <= 'F');
}

static struct dmarc_wish
wish(const struct tag *tag)
{
	struct dmarc_wish wish = { .is_there = true };

	for (int i = DMARC_NONE; i <= DMARC_REJECT; i++)
		if (tag_says(
			tag, dmarc_policy_name((enum dmarc_policy)i), false)) {
			wish.is_valid = true;
			wish.policy = (enum dmarc_policy)i;
		}
	return wish;
}

static enum dmarc_psd
psd(const struct tag *tag)
{
	if (tag_says(tag, "y", false))
		return DMARC_PSD_YES;
	if (tag_says(tag, "n", false))
		return DMARC_PSD_NO;
	return DMARC_PSD_UNKNOWN;
}

/* 1*3DIGIT, 0 to 100; everything else is the default (RFC 7489 §6.3, §6.4). */
static unsigned
percent(const struct tag *tag)
{
	unsigned percent = 0;

	if (tag->value_length == 0 || tag->value_length > PERCENT_DIGITS)
		return PERCENT_ALL;
	for (size_t i = 0; i < tag->value_length; i++) {
		if (!is_digit(tag->value[i]))
			return PERCENT_ALL;
		percent = percent * 10 + (unsigned)(tag->value[i] - '0');
	}
	return percent < PERCENT_ALL ? percent : PERCENT_ALL;
}

/* May length octets stand behind the scheme of a URI (RFC 3986 §2)? "," and
 * "!" must be encoded in DMARC's. */
static bool
are_uri_octets(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '%' && i + 2 < length && is_hex(text[i + 1])
		    && is_hex(text[i + 2]))
			i += 2;
		else if (!is_letter(text[i]) && !is_digit(text[i])
		    && (text[i] == '\0'
			|| strchr("-._~:/?#[]@$&'()*+;=", text[i]) == NULL))
			return false;
	}
	return length > 0;
}

/* addr-spec and what may follow it (RFC 6068 §2); to nobody is nowhere. */
static bool
is_mail_address(const char *text, size_t length)
{
	const char *question = memchr(text, '?', length), *at;
	size_t left;

	if (question != NULL)
		length = (size_t)(question - text);
	at = length > 0 ? memchr(text, '@', length) : NULL;
	if (at == NULL || at == text)
		return false;
	left = length - (size_t)(at + 1 - text);
	for (size_t i = 0; i < length; i++)
		if (strchr("/#[]", text[i]) != NULL)
			return false;
	return left > 0 && at[1] != '.' && memchr(at + 1, '@', left) == NULL;
}

/* The length of what stands before "!10m" (RFC 7489 §6.2; obsolete in RFC
 * 9989 §4.8); length if there is no "!", 0 if it isn't a size. */
static size_t
without_size(const char *uri, size_t length)
{
	const char *mark = memchr(uri, '!', length);
	size_t start, i;

	if (mark == NULL)
		return length;
	start = (size_t)(mark - uri) + 1;
	for (i = start; i < length && is_digit(uri[i]);)
		i++;
	if (i == start)
		return 0;
	if (i < length && uri[i] != '\0' && strchr("kmgtKMGT", uri[i]) != NULL)
		i++;
	return i == length ? start - 1 : 0;
}

static bool
is_uri(const char *uri, size_t length)
{
	size_t scheme;

	if (length == 0 || !is_letter(uri[0]))
		return false;
	length = without_size(uri, length);
	for (scheme = 1; scheme < length; scheme++)
		if (!is_letter(uri[scheme]) && !is_digit(uri[scheme])
		    && (uri[scheme] == '\0'
			|| strchr("+-.", uri[scheme]) == NULL))
			break;
	if (scheme >= length || uri[scheme] != ':'
	    || !are_uri_octets(uri + scheme + 1, length - scheme - 1))
		return false;
	if (tag_says(&(struct tag){ .value = uri, .value_length = scheme },
		"mailto", false))
		return is_mail_address(uri + scheme + 1, length - scheme - 1);
	return true;
}

/* Is at least one of the URIs, parted by commas, one? */
static bool
has_uri(const struct tag *tag)
{
	const char *at = tag->value, *end = at + tag->value_length;

	while (at < end) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		const char *last = comma != NULL ? comma : end;
		const char *next = comma != NULL ? comma + 1 : end;

		while (at < last && (*at == ' ' || *at == '\t'))
			at++;
		while (last > at && (last[-1] == ' ' || last[-1] == '\t'))
			last--;
		if (is_uri(at, (size_t)(last - at)))
			return true;
		at = next;
	}
	return false;
}

/* Unknown tags are passed over; of known ones a value that is none counts as
 * the default, but for the policies, whose reader must know (RFC 9989 §4.8 and
 * §4.10.1). */
static void
read_tag(const struct taglist *list, const struct tag *tag,
    struct dmarc_record *record)
{
	if (taglist_is(list, tag, "p"))
		record->p = wish(tag);
	else if (taglist_is(list, tag, "sp"))
		record->sp = wish(tag);
	else if (taglist_is(list, tag, "np"))
		record->np = wish(tag);
	else if (taglist_is(list, tag, "psd"))
		record->psd = psd(tag);
	else if (taglist_is(list, tag, "t"))
		record->is_testing = tag_says(tag, "y", false);
	else if (taglist_is(list, tag, "pct"))
		record->percent = percent(tag);
	else if (taglist_is(list, tag, "adkim"))
		record->is_dkim_strict = tag_says(tag, "s", false);
	else if (taglist_is(list, tag, "aspf"))
		record->is_spf_strict = tag_says(tag, "s", false);
	else if (taglist_is(list, tag, "rua"))
		record->has_report_address = has_uri(tag);
}

/* Nothing may stand before the version, not even a blank (§4.8). */
static bool
is_version(const struct taglist *list, const struct tag *tag)
{
	return tag->name == list->text && taglist_is(list, tag, "v")
	    && tag_says(tag, "DMARC1", true);
}

bool
dmarc_record_read(
    const char *text, size_t length, struct dmarc_record *record_out)
{
	struct taglist list;
	struct tag tag;

	*record_out = (struct dmarc_record){ .percent = PERCENT_ALL };
	if (!taglist_init(&list, &rules, text, length)
	    || !taglist_next(&list, &tag) || !is_version(&list, &tag))
		return false;
	do {
		if (!tag.is_tag)
			continue; /* a syntax error is passed over */
		if (!taglist_note(&list, &tag))
			return false;
		read_tag(&list, &tag, record_out);
	} while (taglist_next(&list, &tag));
	return true;
}

const char *
dmarc_policy_name(enum dmarc_policy policy)
{
	switch (policy) {
	case DMARC_NONE:
		return "none";
	case DMARC_QUARANTINE:
		return "quarantine";
	case DMARC_REJECT:
		return "reject";
	}
	return "?";
}
