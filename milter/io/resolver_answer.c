#include "milter/io/resolver_answer.h"

#include <assert.h>
#include <string.h>

enum {
	WIRE_NAME_OCTETS = 255, /* RFC 1035 §2.3.4, with the root's */
	HEADER_OCTETS = 12,
	QUESTIONS_AT = 4,   /* QDCOUNT, RFC 1035 §4.1.1 */
	ANSWERS_AT = 6,     /* ANCOUNT */
	AUTHORITIES_AT = 8, /* NSCOUNT */
	POINTER = 0xc0,     /* RFC 1035 §4.1.4 */
	TYPE_NS = 2,
	TYPE_SOA = 6,
	RECORD_OCTETS = 10, /* type, class, TTL, length of the rdata */
	ARENA_GRAIN = 16,   /* what text takes is a multiple of it */
};

/* Append one octet of a label; *at moves on. */
static void
put_octet(char *space, size_t *at, unsigned char octet)
{
	if ((octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z')
	    || (octet >= '0' && octet <= '9') || octet == '-' || octet == '_') {
		space[(*at)++] = (char)octet;
		return;
	}
	space[(*at)++] = '\\';
	space[(*at)++] = (char)('0' + octet / 100);
	space[(*at)++] = (char)('0' + octet / 10 % 10);
	space[(*at)++] = (char)('0' + octet % 10);
}

static unsigned char
lower(unsigned char octet)
{
	return octet >= 'A' && octet <= 'Z' ? (unsigned char)(octet + 'a' - 'A')
					    : octet;
}

void
resolver_answer_name(const char *name, char *space)
{
	size_t at = 0;

	for (; *name != '\0'; name++)
		if (*name == '.')
			space[at++] = '.';
		else
			put_octet(space, &at, (unsigned char)*name);
	space[at++] = '.';
	assert(at < RESOLVER_NAME_BYTES);
	space[at] = '\0';
}

/* The name that all of the length octets at data are, in arena; libunbound has
 * undone its compression. NULL: it isn't one, or no memory. */
static const char *
read_name(const unsigned char *data, size_t length, struct arena *arena)
{
	char space[RESOLVER_NAME_BYTES];
	size_t at = 0, next = 0;

	if (length == 0 || length > WIRE_NAME_OCTETS)
		return NULL;
	while (data[next] != 0) {
		size_t label = data[next++];

		/* Behind the label there is at least the root's. */
		if (label > DNS_LABEL_OCTETS || label >= length - next)
			return NULL;
		if (at > 0)
			space[at++] = '.';
		for (; label > 0; label--)
			put_octet(space, &at, lower(data[next++]));
	}
	return next + 1 == length ? arena_copy(arena, space, at) : NULL;
}

static bool
read_address(
    const unsigned char *data, size_t length, struct dns_record *record)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (length == 4) {
		memcpy(record->address.octets, mapped, sizeof mapped);
		memcpy(record->address.octets + sizeof mapped, data, 4);
	} else
		memcpy(record->address.octets, data, 16);
	record->address.is_known = true;
	return true;
}

/* Join the strings of a TXT record (RFC 1035 §3.3.14: one or more). */
static bool
read_text(const unsigned char *data, size_t length, struct arena *arena,
    struct dns_record *record)
{
	char *text = length > 0 ? arena_alloc(arena, length) : NULL;
	size_t at = 0, next = 0;

	if (text == NULL)
		return false;
	while (next < length) {
		size_t string = data[next++];

		if (string > length - next)
			return false;
		memcpy(text + at, data + next, string);
		at += string;
		next += string;
	}
	record->text = text; /* its last octet is left of the lengths: a NUL */
	record->text_length = at;
	return true;
}

static bool
read_record(enum dns_type type, const unsigned char *data, size_t length,
    struct arena *arena, struct dns_record *record)
{
	switch (type) {
	case DNS_A:
		return length == 4 && read_address(data, length, record);
	case DNS_AAAA:
		return length == 16 && read_address(data, length, record);
	case DNS_TXT:
		return read_text(data, length, arena, record);
	case DNS_MX:
		if (length < 3)
			return false;
		record->preference = (uint16_t)(data[0] << 8 | data[1]);
		record->name = read_name(data + 2, length - 2, arena);
		return record->name != NULL;
	case DNS_NS:
	case DNS_PTR:
		record->name = read_name(data, length, arena);
		return record->name != NULL;
	}
	return false;
}

size_t
resolver_answer_kept(enum dns_type type, size_t count)
{
	size_t most = type == DNS_MX ? RESOLVER_ANSWER_MX
	    : type == DNS_PTR        ? RESOLVER_ANSWER_PTR
	    : type == DNS_NS         ? RESOLVER_ANSWER_NS
				     : count;

	return count < most ? count : most;
}

bool
resolver_answer_is_large(const struct resolver_rdata *rdata)
{
	size_t bytes = 0;

	for (size_t i = 0; i < rdata->count; i++)
		bytes += sizeof(struct dns_record)
		    + (rdata->lengths[i] + ARENA_GRAIN) / ARENA_GRAIN
			* ARENA_GRAIN;
	return bytes > RESOLVER_ANSWER_BYTES;
}

bool
resolver_answer_records(enum dns_type type, const struct resolver_rdata *rdata,
    struct arena *arena, struct dns_record *records_out)
{
	for (size_t i = 0; i < rdata->count; i++) {
		records_out[i] = (struct dns_record){ 0 };
		if (!read_record(type, rdata->data[i], rdata->lengths[i], arena,
			&records_out[i]))
			return false;
	}
	return true;
}

static unsigned
count_at(const unsigned char *packet, size_t at)
{
	return (unsigned)packet[at] << 8 | packet[at + 1];
}

/* Move *at behind the name there. False: it isn't one. */
static bool
skip_name(const unsigned char *packet, size_t length, size_t *at)
{
	while (*at < length) {
		size_t label = packet[(*at)++];

		if (label == 0)
			return true;
		if (label >= POINTER) {
			*at += 1;
			return *at <= length;
		}
		if (label > DNS_LABEL_OCTETS || label > length - *at)
			return false;
		*at += label;
	}
	return false;
}

/* The type of the record at *at, which moves on behind it. False: it isn't
 * one. */
static bool
next_record(
    const unsigned char *packet, size_t length, size_t *at, unsigned *type_out)
{
	size_t rdata;

	if (!skip_name(packet, length, at) || length - *at < RECORD_OCTETS)
		return false;
	*type_out = count_at(packet, *at);
	rdata = count_at(packet, *at + RECORD_OCTETS - 2);
	*at += RECORD_OCTETS;
	if (rdata > length - *at)
		return false;
	*at += rdata;
	return true;
}

bool
resolver_answer_is_referral(const unsigned char *packet, size_t length)
{
	size_t at = HEADER_OCTETS;
	unsigned answers, authorities, type;
	bool has_ns = false;

	if (packet == NULL || length < HEADER_OCTETS)
		return true;
	for (unsigned i = count_at(packet, QUESTIONS_AT); i > 0; i--) {
		if (!skip_name(packet, length, &at) || length - at < 4)
			return true;
		at += 4;
	}
	answers = count_at(packet, ANSWERS_AT);
	authorities = count_at(packet, AUTHORITIES_AT);
	for (unsigned i = 0; i < answers + authorities; i++) {
		if (!next_record(packet, length, &at, &type))
			return true;
		if (i >= answers && type == TYPE_SOA)
			return false;
		has_ns = has_ns || (i >= answers && type == TYPE_NS);
	}
	return has_ns;
}

uint32_t
resolver_answer_negative_ttl(
    const unsigned char *packet, size_t length, uint32_t ttl_s)
{
	unsigned answers = 0, authorities = 0;

	if (packet != NULL && length >= HEADER_OCTETS) {
		answers = count_at(packet, ANSWERS_AT);
		authorities = count_at(packet, AUTHORITIES_AT);
	}
	if (authorities > 0)
		return ttl_s;
	/* Of an answer without any record libunbound 1.17 tells what it reads
	 * out of its own OPT record; with a CNAME it is that one's. */
	return answers > 0 && ttl_s < RESOLVER_NO_SOA_S ? ttl_s
							: RESOLVER_NO_SOA_S;
}
