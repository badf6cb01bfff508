#include "policy/dkim_signature.h"

#include "policy/address.h"
#include "policy/dns.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	MARGIN_COLUMNS = 75, /* a tag that would pass it begins a line */
	TAB_COLUMNS = 8,
	/* Names of tags, algorithms, numbers, the folds between tags. */
	FIXED_OCTETS = 256,
	NUMBER_OCTETS = 24,
	SHOWN_OCTETS = 120, /* of an identity in words */
};

static const char fold[] = "\r\n\t";
static const char name_fold[] = "\r\n\t ";
static const char empty_b[] = "b=";
static const char start[] = DKIM_SIGNATURE_NAME ": ";

/* A text that grows in memory that was found to be enough. */
struct writing {
	char *text;
	size_t length;
	size_t room;
	size_t columns; /* of the last line, in libopendkim's count */
};

bool
dkim_signature_may_name(const char *name)
{
	return name[0] != '\0'
	    && name[strspn(name,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		   "0123456789-_.")]
	    == '\0';
}

/* ---- i= ------------------------------------------------------------------ */

static const char *
refuse(struct fault *fault, const char *identity, const char *why)
{
	fault_set(fault, FAULT_PERMANENT, "i=%.*s can't be signed: %s",
	    SHOWN_OCTETS, identity, why);
	return NULL;
}

/* The octets of the character at text, if it can be printed; else 0. A blank
 * may stand in a quoted local part. */
static size_t
printable(const char *text, size_t length)
{
	unsigned char octet = (unsigned char)*text;

	if (octet < 0x80)
		return octet >= ' ' && octet < 0x7f ? 1 : 0;
	return address_atext(text, length);
}

/* May octet stand for itself in DKIM-Quoted-Printable (§2.11)? */
static bool
is_safe(unsigned char octet)
{
	return octet > ' ' && octet < 0x7f && octet != ';' && octet != '=';
}

/* The local part, encoded. NULL with words. */
static const char *
encode_local(const char *identity, size_t length, struct arena *arena,
    struct fault *fault)
{
	char *encoded = arena_alloc(arena, 3 * length + 1);
	char *to = encoded;

	if (encoded == NULL) {
		fault_memory(fault);
		return NULL;
	}
	for (size_t i = 0; i < length;) {
		size_t octets = printable(identity + i, length - i);

		if (octets == 0)
			return refuse(fault, identity,
			    "a character of it is a control or no UTF-8");
		for (; octets > 0; octets--) {
			unsigned char octet = (unsigned char)identity[i++];

			if (is_safe(octet))
				*to++ = (char)octet;
			else
				to += snprintf(to, 4, "=%02X", octet);
		}
	}
	*to = '\0';
	return encoded;
}

const char *
dkim_signature_identity(const char *identity, const char *domain,
    struct arena *arena, struct fault *fault)
{
	const char *at = strchr(identity, '@');
	const char *local, *own, *encoded;

	if (at == NULL || strchr(at + 1, '@') != NULL)
		return refuse(fault, identity,
		    "it takes one \"@\", before its domain (libopendkim, at "
		    "receivers, misreads a second one)");
	if (strlen(identity) > ADDRESS_OCTETS)
		return refuse(fault, identity, "it is too long");
	if (!address_domain(arena, at + 1, strlen(at + 1), &own, fault)) {
		fault_prefix(fault,
		    "i=%.*s can't be signed: its domain: ", SHOWN_OCTETS,
		    identity);
		return NULL;
	}
	if (!dns_is_within(own, domain))
		return refuse(fault, identity,
		    "its domain isn't the key's, nor below it (RFC 6376 "
		    "section 3.5)");
	local = encode_local(identity, (size_t)(at - identity), arena, fault);
	if (local == NULL)
		return NULL;
	if (strlen(local) + 1 + strlen(own) > DKIM_SIGNATURE_IDENTITY_OCTETS)
		return refuse(fault, identity,
		    "it is too long for libopendkim at receivers (255 octets "
		    "are the most)");
	encoded = arena_printf(arena, "%s@%s", local, own);
	if (encoded == NULL)
		fault_memory(fault);
	return encoded;
}

/* ---- the field ----------------------------------------------------------- */

static bool
begin_writing(struct writing *writing, struct arena *arena, size_t octets)
{
	*writing = (struct writing){ .room = octets };
	writing->text = arena_alloc(arena, octets + 1);
	return writing->text != NULL;
}

static void
add(struct writing *writing, const char *data, size_t length)
{
	assert(length <= writing->room - writing->length);
	memcpy(writing->text + writing->length, data, length);
	writing->length += length;
	writing->columns += length;
}

static void
add_string(struct writing *writing, const char *string)
{
	add(writing, string, strlen(string));
}

static void
begin_line(struct writing *writing)
{
	add_string(writing, fold);
	writing->columns = TAB_COLUMNS;
}

/* Begin a tag of length octets, on this line or the next. The space before it
 * isn't counted: a line can have 76 columns. Returns whether it is the next. */
static bool
begin_tag(struct writing *writing, size_t length)
{
	bool has_folded = writing->columns + length > MARGIN_COLUMNS;

	if (has_folded)
		begin_line(writing);
	else
		add(writing, " ", 1);
	return has_folded;
}

static void
add_tag(struct writing *writing, const char *name, const char *value)
{
	begin_tag(writing, strlen(name) + strlen("=;") + strlen(value));
	add_string(writing, name);
	add(writing, "=", 1);
	add_string(writing, value);
	add(writing, ";", 1);
}

static void
add_number(struct writing *writing, const char *name, uint64_t number)
{
	char digits[NUMBER_OCTETS];

	snprintf(digits, sizeof(digits), "%" PRIu64, number);
	add_tag(writing, name, digits);
}

/* h= is folded between names, but only if it doesn't fit on the line that the
 * tag before it ends on. */
static void
add_covered(struct writing *writing, const char *covered)
{
	size_t length = strlen("h=;") + strlen(covered);
	const char *name = covered;

	if (!begin_tag(writing, length)) {
		add(writing, "h=", 2);
		add_string(writing, covered);
		add(writing, ";", 1);
		return;
	}
	add(writing, "h=", 2);
	for (;;) {
		size_t octets = strcspn(name, ":");
		bool is_last = name[octets] == '\0';

		/* Its colon, or the semicolon after the last, is counted with
		 * a name, unless it is the first. */
		if (name != covered
		    && writing->columns + octets + (is_last ? 1 : 0)
			> MARGIN_COLUMNS) {
			add_string(writing, name_fold);
			writing->columns = TAB_COLUMNS + 1;
		}
		add(writing, name, octets);
		add(writing, is_last ? ";" : ":", 1);
		if (is_last)
			return;
		name += octets + 1;
	}
}

static size_t
count_names(const char *covered)
{
	size_t count = 1;

	for (const char *at = covered; (at = strchr(at, ':')) != NULL; at++)
		count++;
	return count;
}

const char *
dkim_signature_hashed(const struct dkim_signature *signature,
    struct arena *arena, size_t *length_out)
{
	bool is_rsa = signature->type == DKIM_KEY_RSA;
	bool has_identity = signature->identity != NULL;
	static const char *const canons[2][2] = {
		[CANON_SIMPLE] = { [CANON_SIMPLE] = "simple/simple",
		    [CANON_RELAXED] = "simple/relaxed" },
		[CANON_RELAXED] = { [CANON_SIMPLE] = "relaxed/simple",
		    [CANON_RELAXED] = "relaxed/relaxed" },
	};
	struct writing writing;

	if (!begin_writing(&writing, arena,
		FIXED_OCTETS + strlen(signature->domain)
		    + strlen(signature->selector) + strlen(signature->covered)
		    + count_names(signature->covered) * strlen(name_fold)
		    + strlen(signature->body_b64)
		    + (has_identity ? strlen(signature->identity) : 0)))
		return NULL;
	add_string(&writing, start);
	add_string(&writing, "v=1;");
	add_tag(&writing, "a", is_rsa ? "rsa-sha256" : "ed25519-sha256");
	add_tag(&writing, "c",
	    canons[signature->header_canon][signature->body_canon]);
	add_tag(&writing, "d", signature->domain);
	add_tag(&writing, "s", signature->selector);
	add_number(&writing, "t", signature->time_s);
	if (signature->expire_s != 0)
		add_number(
		    &writing, "x", signature->time_s + signature->expire_s);
	if (has_identity)
		add_tag(&writing, "i", signature->identity);
	add_tag(&writing, "bh", signature->body_b64);
	add_covered(&writing, signature->covered);
	/* It knows beforehand how long b= will be only of RSA; no RSA
	 * signature leaves room for itself on a line. */
	if (is_rsa)
		begin_line(&writing);
	else
		begin_tag(&writing, strlen(empty_b));
	add_string(&writing, empty_b);
	*length_out = writing.length;
	return writing.text;
}

/* The b64 of b=, to a line's margin each. */
static void
add_b64(struct writing *writing, const char *b64)
{
	size_t left = strlen(b64);

	writing->columns = TAB_COLUMNS + strlen(empty_b);
	while (left > 0) {
		size_t octets = MARGIN_COLUMNS - writing->columns;

		if (octets > left)
			octets = left;
		add(writing, b64, octets);
		b64 += octets;
		left -= octets;
		if (left > 0) {
			add_string(writing, "\n\t ");
			writing->columns = TAB_COLUMNS + 1;
		}
	}
}

const char *
dkim_signature_value(const struct dkim_signature *signature, const char *hashed,
    const char *b64, struct arena *arena)
{
	const char *from = hashed + strlen(start);
	size_t length = strlen(from) - strlen(empty_b);
	bool has_fold = from[length - 1] == '\t';
	struct writing writing;

	/* A fold for each two octets is more than enough. */
	if (!begin_writing(&writing, arena,
		strlen(" ") + strlen(hashed) + strlen("\n\t")
		    + 2 * strlen(b64)))
		return NULL;
	length -= has_fold ? strlen(fold) : strlen(" ");
	add(&writing, " ", 1);
	while (length > 0) {
		size_t octets = strcspn(from, "\r");

		if (octets > length)
			octets = length;
		add(&writing, from, octets);
		/* The CR of a fold stays away. */
		from += octets + (octets < length ? 1 : 0);
		length -= octets + (octets < length ? 1 : 0);
	}
	/* Ed25519's empty b= can have been hashed on the line where the full
	 * one doesn't fit. The relaxed form of a fold is a space, and so a fold
	 * before b= does no harm; under simple it has to go behind b=, whose
	 * value isn't hashed. libopendkim puts it before b= in either case. */
	if (!has_fold && signature->header_canon == CANON_SIMPLE)
		add_string(&writing, " b=\n\t");
	else
		add_string(&writing, "\n\tb=");
	add_b64(&writing, b64);
	return writing.text;
}
