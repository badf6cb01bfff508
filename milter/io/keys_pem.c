#include "milter/io/keys_pem.h"

#include "milter/io/keys_der.h"
#include "policy/base64.h"
#include "policy/der.h"

#include <string.h>

enum { LABEL_BYTES = 32 };

static const char begin[] = "-----BEGIN ";
static const char end[] = "-----END ";
static const char dashes[] = "-----";

static const size_t begin_length = sizeof(begin) - 1;
static const size_t end_length = sizeof(end) - 1;
static const size_t dashes_length = sizeof(dashes) - 1;

/* Octets that are still to be read. */
struct span {
	const char *at;
	size_t length;
};

/* A block of PEM. */
struct block {
	struct span label;
	struct span inside;
	bool is_whole;    /* its END is there */
	const char *next; /* what follows it */
};

static bool
refuse(struct fault *fault, const char *why)
{
	fault_set(fault, FAULT_PERMANENT, "%s", why);
	return false;
}

/* Where wanted stands in from, or NULL. */
static const char *
find(const struct span *from, const char *wanted, size_t length)
{
	return from->length >= length
	    ? memmem(from->at, from->length, wanted, length)
	    : NULL;
}

static bool
is_label(const struct span *label, const char *word)
{
	return label->length == strlen(word)
	    && memcmp(label->at, word, label->length) == 0;
}

/* Go on to the next "-----BEGIN " at the beginning of a line. */
static bool
seek_begin(struct span *from)
{
	const char *at = from->at;
	const char *stop = from->at + from->length;

	for (;;) {
		struct span rest = { at, (size_t)(stop - at) };
		const char *found = find(&rest, begin, begin_length);

		if (found == NULL)
			return false;
		if (found == from->at || found[-1] == '\n') {
			from->length -= (size_t)(found - from->at);
			from->at = found;
			return true;
		}
		at = found + begin_length;
	}
}

/* Does an END with block's label begin here? */
static bool
is_end(const struct span *from, const struct block *block)
{
	const size_t length = end_length + block->label.length + dashes_length;
	const char *at = from->at + end_length;

	return from->length >= length
	    && memcmp(at, block->label.at, block->label.length) == 0
	    && memcmp(at + block->label.length, dashes, dashes_length) == 0;
}

/* Take the block that begins here. False: it has no label. */
static bool
take_block(struct span from, struct block *block)
{
	const char *stop = from.at + from.length;
	struct span rest = { from.at + begin_length,
		from.length - begin_length };
	const char *found = find(&rest, dashes, dashes_length);

	if (found == NULL || (size_t)(found - rest.at) > LABEL_BYTES)
		return false;
	block->label = (struct span){ rest.at, (size_t)(found - rest.at) };
	rest.at = found + dashes_length;
	rest.length = (size_t)(stop - rest.at);
	found = find(&rest, end, end_length);
	block->inside = rest;
	if (found != NULL)
		block->inside.length = (size_t)(found - rest.at);
	block->next = block->inside.at + block->inside.length;
	rest = (struct span){ block->next, (size_t)(stop - block->next) };
	block->is_whole = found != NULL && is_end(&rest, block);
	if (block->is_whole)
		block->next += end_length + block->label.length + dashes_length;
	return true;
}

static bool
decode(const struct span *from, unsigned char der[KEYS_DER_BYTES],
    size_t *length_out, struct fault *fault)
{
	switch (base64_decode(
	    from->at, from->length, der, KEYS_DER_BYTES, length_out)) {
	case BASE64_WHOLE:
		if (*length_out > 0)
			return true;
		break;
	case BASE64_FOREIGN:
		return refuse(fault,
		    "no private key in PEM form: something in it isn't base64");
	case BASE64_LONG:
		return refuse(fault, "too large to be a private key");
	case BASE64_UNFILLED:
	case BASE64_BROKEN:
		break;
	}
	return refuse(
	    fault, "no private key in PEM form: its base64 isn't whole");
}

/* Does label say that a key of ours may be in it? */
static bool
is_plain(const struct span *label)
{
	return is_label(label, "PRIVATE KEY")
	    || is_label(label, "RSA PRIVATE KEY");
}

static bool
is_encrypted(const struct block *block)
{
	return is_label(&block->label, "ENCRYPTED PRIVATE KEY")
	    || (is_label(&block->label, "RSA PRIVATE KEY")
		&& find(&block->inside, "ENCRYPTED", 9) != NULL);
}

/* RFC 1421 headers end in an empty line. */
static struct span
after_headers(const struct span *inside)
{
	static const char *const empty_lines[] = { "\n\n", "\n\r\n" };

	if (memchr(inside->at, ':', inside->length) == NULL)
		return *inside;
	for (size_t i = 0; i < 2; i++) {
		const char *found =
		    find(inside, empty_lines[i], strlen(empty_lines[i]));

		if (found != NULL)
			return (struct span){ found,
				inside->length - (size_t)(found - inside->at) };
	}
	return *inside;
}

/* What a block that holds no key of ours is. */
static enum key_other
other_of(const struct block *block)
{
	static const struct {
		const char *label;
		enum key_other other;
	} others[] = {
		{ "PUBLIC KEY", KEY_OTHER_PUBLIC },
		{ "RSA PUBLIC KEY", KEY_OTHER_PUBLIC },
		{ "EC PARAMETERS", KEY_OTHER_ALGORITHM },
		{ "EC PRIVATE KEY", KEY_OTHER_ALGORITHM },
		{ "DSA PARAMETERS", KEY_OTHER_ALGORITHM },
		{ "DSA PRIVATE KEY", KEY_OTHER_ALGORITHM },
		{ "OPENSSH PRIVATE KEY", KEY_OTHER_OPENSSH },
		{ "CERTIFICATE", KEY_OTHER_CERTIFICATE },
		{ "X509 CERTIFICATE", KEY_OTHER_CERTIFICATE },
		{ "TRUSTED CERTIFICATE", KEY_OTHER_CERTIFICATE },
		{ "CERTIFICATE REQUEST", KEY_OTHER_CERTIFICATE },
		{ "NEW CERTIFICATE REQUEST", KEY_OTHER_CERTIFICATE },
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (is_label(&block->label, others[i].label))
			return others[i].other;
	return KEY_OTHER_UNKNOWN;
}

/* What a text is that has no block in it. */
static enum key_other
other_text(const struct span *text)
{
	static const char record[] = "v=DKIM1";

	/* With a mark of the order of its octets, or by every other one. */
	if (text->length >= 2
	    && (memcmp(text->at, "\xff\xfe", 2) == 0
		|| memcmp(text->at, "\xfe\xff", 2) == 0
		|| memcmp(text->at, "-\0", 2) == 0
		|| memcmp(text->at, "\0-", 2) == 0))
		return KEY_OTHER_UTF16;
	return find(text, record, sizeof(record) - 1) != NULL
	    ? KEY_OTHER_RECORD
	    : KEY_OTHER_UNKNOWN;
}

static bool
decode_block(const struct block *block, unsigned char der[KEYS_DER_BYTES],
    size_t *length_out, struct fault *fault)
{
	struct span inside;

	if (is_encrypted(block))
		return keys_der_refuse(KEY_OTHER_ENCRYPTED, fault);
	if (!block->is_whole)
		return refuse(fault,
		    "no private key in PEM form: its END line is missing, put "
		    "a whole one there");
	inside = after_headers(&block->inside);
	return decode(&inside, der, length_out, fault);
}

/* Is all of text of the letters of base64? */
static bool
is_base64(const struct span *text)
{
	size_t letters = 0;

	for (size_t i = 0; i < text->length; i++) {
		char octet = text->at[i];

		letters += base64_is_letter(octet);
		if (!base64_is_letter(octet) && octet != '='
		    && !base64_is_blank(octet))
			return false;
	}
	return letters > 0;
}

/* Is text one element of DER, from its first octet to its last? */
static bool
is_der(const struct span *text)
{
	struct der from = { (const unsigned char *)text->at, text->length };
	struct der inside;

	return der_take(&from, DER_SEQUENCE, &inside) && from.left == 0;
}

static bool
copy(const struct span *text, unsigned char der[KEYS_DER_BYTES],
    size_t *length_out, struct fault *fault)
{
	if (text->length > KEYS_DER_BYTES)
		return refuse(fault, "too large to be a private key");
	memcpy(der, text->at, text->length);
	*length_out = text->length;
	return true;
}

/* The first block that is a key of ours. */
static bool
decode_blocks(struct span rest, unsigned char der[KEYS_DER_BYTES],
    size_t *length_out, struct fault *fault)
{
	const char *stop = rest.at + rest.length;
	enum key_other other = other_text(&rest);
	struct block block;

	while (seek_begin(&rest) && take_block(rest, &block)) {
		if (is_plain(&block.label) || is_encrypted(&block))
			return decode_block(&block, der, length_out, fault);
		if (other == KEY_OTHER_UNKNOWN)
			other = other_of(&block);
		rest = (struct span){ block.next, (size_t)(stop - block.next) };
	}
	return keys_der_refuse(other, fault);
}

bool
keys_pem_decode(const char *text, size_t length,
    unsigned char der[KEYS_DER_BYTES], size_t *length_out, struct fault *fault)
{
	/* Some editors put it before all text. */
	static const char utf8_mark[] = "\xef\xbb\xbf";
	const size_t mark_length = sizeof(utf8_mark) - 1;
	struct span rest = { text, length };

	*length_out = 0;
	if (length >= mark_length && memcmp(text, utf8_mark, mark_length) == 0)
		rest =
		    (struct span){ text + mark_length, length - mark_length };
	if (is_base64(&rest))
		return decode(&rest, der, length_out, fault);
	if (is_der(&rest))
		return copy(&rest, der, length_out, fault);
	return decode_blocks(rest, der, length_out, fault);
}

size_t
keys_pem_length(const char *text, size_t length)
{
	struct block block;

	if (length < begin_length || memcmp(text, begin, begin_length) != 0
	    || !take_block((struct span){ text, length }, &block)
	    || !block.is_whole)
		return 0;
	return (size_t)(block.next - text);
}
