#include "milter/io/keys_pem.h"

#include <string.h>

enum { SEXTET_BITS = 6, LABEL_BYTES = 32 };

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

static int
sextet(char octet)
{
	if (octet >= 'A' && octet <= 'Z')
		return octet - 'A';
	if (octet >= 'a' && octet <= 'z')
		return octet - 'a' + 26;
	if (octet >= '0' && octet <= '9')
		return octet - '0' + 52;
	return octet == '+' ? 62 : octet == '/' ? 63 : -1;
}

static bool
is_blank(char octet)
{
	return octet == ' ' || octet == '\t' || octet == '\r' || octet == '\n';
}

/* Base64 with blanks anywhere, and with the '=' at its end. *made_out is how
 * much of der was written, whatever comes of it. */
static bool
decode(const struct span *from, unsigned char der[KEYS_DER_BYTES],
    size_t *made_out, struct fault *fault)
{
	unsigned bits = 0;
	size_t sextets = 0;
	size_t fill = 0;

	*made_out = 0;
	for (size_t i = 0; i < from->length; i++) {
		int value = sextet(from->at[i]);

		if (is_blank(from->at[i]))
			continue;
		if (from->at[i] == '=')
			fill++;
		else if (value < 0 || fill > 0)
			return refuse(fault,
			    "no private key in PEM form: something in it isn't "
			    "base64");
		if (value < 0)
			continue;
		bits = (bits << SEXTET_BITS | (unsigned)value) & 0xFFFFFF;
		if (sextets++ % 4 == 0)
			continue;
		if (*made_out == KEYS_DER_BYTES)
			return refuse(fault, "too large to be a private key");
		der[(*made_out)++] =
		    (unsigned char)(bits >> (6 - 2 * ((sextets - 1) % 4)));
	}
	if (*made_out == 0 || sextets % 4 == 1 || fill > 2
	    || (sextets + fill) % 4 != 0)
		return refuse(fault,
		    "no private key in PEM form: its base64 isn't whole");
	return true;
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
static const char *
describe(const struct block *block)
{
	static const struct {
		const char *label;
		const char *words;
	} others[] = {
		{ "PUBLIC KEY",
		    "no private key but a public one: put the private one "
		    "there" },
		{ "RSA PUBLIC KEY",
		    "no private key but a public one: put the private one "
		    "there" },
		{ "EC PRIVATE KEY",
		    "neither an RSA nor an Ed25519 key: DKIM knows no other" },
		{ "DSA PRIVATE KEY",
		    "neither an RSA nor an Ed25519 key: DKIM knows no other" },
		{ "OPENSSH PRIVATE KEY",
		    "no private key in PEM form but one of OpenSSH: make one "
		    "with posternctl genkey" },
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (is_label(&block->label, others[i].label))
			return others[i].words;
	return "no private key in PEM form: put a whole one there";
}

static bool
decode_block(const struct block *block, unsigned char der[KEYS_DER_BYTES],
    size_t *length_out, struct fault *fault)
{
	struct span inside;

	if (is_encrypted(block))
		return refuse(
		    fault, "the key is encrypted: store it without a password");
	if (!block->is_whole)
		return refuse(fault,
		    "no private key in PEM form: its END line is missing, put "
		    "a whole one there");
	inside = after_headers(&block->inside);
	return decode(&inside, der, length_out, fault);
}

/* Is all of text of the letters of base64? */
static bool
is_base64(const char *text, size_t length)
{
	size_t letters = 0;

	for (size_t i = 0; i < length; i++) {
		letters += sextet(text[i]) >= 0;
		if (sextet(text[i]) < 0 && text[i] != '=' && !is_blank(text[i]))
			return false;
	}
	return letters > 0;
}

bool
keys_pem_decode(const char *text, size_t length,
    unsigned char der[KEYS_DER_BYTES], size_t *length_out, struct fault *fault)
{
	static const char no_key[] =
	    "no private key in PEM form: put a whole one there";
	const char *why = no_key;
	struct span rest = { text, length };
	struct block block;

	*length_out = 0;
	if (is_base64(text, length))
		return decode(&rest, der, length_out, fault);
	while (seek_begin(&rest) && take_block(rest, &block)) {
		if (is_plain(&block.label) || is_encrypted(&block))
			return decode_block(&block, der, length_out, fault);
		if (why == no_key)
			why = describe(&block);
		rest = (struct span){ block.next,
			(size_t)(text + length - block.next) };
	}
	return refuse(fault, why);
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
