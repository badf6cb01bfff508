#include "milter/ctl/rotate_packet.h"

#include "milter/io/resolver_answer.h"
#include "policy/text.h"

#include <arpa/nameser.h>
#include <string.h>

enum {
	HEADER_OCTETS = 12,
	FLAG_ANSWER = 0x80, /* of the third octet */
	FLAG_AUTHORITY = 0x04,
	FLAG_CUT = 0x02,
	RCODE_BITS = 0x0f, /* of the fourth */
	EDNS_OCTETS = 11,
	TYPE_OPT = 41,
	RECORDS = 32, /* TXT records at one name; more is no key */
	NAME_OCTETS = 255,
	WORDS_BYTES = 200,
};

/* ---- the question ---- */

static void
put_16(unsigned char *space, size_t *at, unsigned value)
{
	space[(*at)++] = (unsigned char)(value >> 8);
	space[(*at)++] = (unsigned char)value;
}

/* Labels, each with its length. */
static void
put_name(unsigned char *space, size_t *at, const char *name)
{
	while (*name != '\0') {
		size_t label = strcspn(name, ".");

		space[(*at)++] = (unsigned char)label;
		memcpy(space + *at, name, label);
		*at += label;
		name += label + (name[label] == '.');
	}
	space[(*at)++] = 0;
}

size_t
rotate_packet_ask(unsigned char space[ROTATE_PACKET_QUERY_BYTES], uint16_t id,
    const char *name, bool has_edns)
{
	size_t at = 0;

	if (!dns_is_name(name))
		return 0;
	memset(space, 0, ROTATE_PACKET_QUERY_BYTES);
	put_16(space, &at, id);
	put_16(space, &at, 0); /* a query, and no recursion */
	put_16(space, &at, 1); /* question */
	put_16(space, &at, 0);
	put_16(space, &at, 0);
	put_16(space, &at, has_edns);
	put_name(space, &at, name);
	put_16(space, &at, ns_t_txt);
	put_16(space, &at, ns_c_in);
	if (!has_edns)
		return at;
	space[at++] = 0; /* OPT, of the root */
	put_16(space, &at, TYPE_OPT);
	put_16(space, &at, ROTATE_PACKET_UDP_BYTES);
	return at + EDNS_OCTETS - 5; /* the rest of it is zero */
}

/* ---- the answer ---- */

/* The octets of the question part of query, which is ours. */
static size_t
question_octets(const unsigned char *query)
{
	size_t at = HEADER_OCTETS;

	while (query[at] != 0)
		at += query[at] + 1U;
	return at + 5 - HEADER_OCTETS;
}

static bool
is_same_question(
    const unsigned char *one, const unsigned char *other, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char a = one[i], b = other[i];

		/* A server may give the name back in another case. */
		a = a >= 'A' && a <= 'Z' ? (unsigned char)(a + 32) : a;
		b = b >= 'A' && b <= 'Z' ? (unsigned char)(b + 32) : b;
		if (a != b)
			return false;
	}
	return true;
}

bool
rotate_packet_fits(
    const unsigned char *packet, size_t length, const unsigned char *query)
{
	size_t question = question_octets(query);

	if (length < HEADER_OCTETS || memcmp(packet, query, 2) != 0
	    || (packet[2] & FLAG_ANSWER) == 0)
		return false;
	/* One that can't read the question may give back none. */
	if (packet[4] == 0 && packet[5] == 0)
		return (packet[3] & RCODE_BITS) != 0;
	return packet[4] == 0 && packet[5] == 1
	    && length >= HEADER_OCTETS + question
	    && is_same_question(
		packet + HEADER_OCTETS, query + HEADER_OCTETS, question);
}

bool
rotate_packet_is_cut(const unsigned char *packet, size_t length)
{
	return length >= HEADER_OCTETS && (packet[2] & FLAG_CUT) != 0;
}

bool
rotate_packet_is_old(const unsigned char *packet, size_t length)
{
	unsigned rcode =
	    length >= HEADER_OCTETS ? packet[3] & RCODE_BITS : ns_r_noerror;

	return rcode == ns_r_formerr || rcode == ns_r_notimpl;
}

/* What is being read. */
struct reading {
	ns_msg message;
	const char *name; /* that was asked for */
	struct arena *arena;
	struct rotate_answer *answer;
	struct dns_record *records;
	bool has_soa;
};

/* The name in wire form as our text; NULL: it isn't one, or no memory. */
static const char *
name_of(const unsigned char *wire, size_t length, struct arena *arena)
{
	const struct resolver_rdata rdata = { &wire, &length, 1 };
	struct dns_record record;

	return resolver_answer_records(DNS_PTR, &rdata, arena, &record)
	    ? record.name
	    : NULL;
}

/* The name that is packed at data. */
static const char *
unpack(const struct reading *reading, const unsigned char *data)
{
	unsigned char wire[NAME_OCTETS];
	size_t length = 0;

	if (ns_name_unpack(ns_msg_base(reading->message),
		ns_msg_end(reading->message), data, wire, sizeof(wire))
	    < 0)
		return NULL;
	while (wire[length] != 0)
		length += wire[length] + 1U;
	return name_of(wire, length + 1, reading->arena);
}

/* The owner of a record, as text. ns_parserr(3) gives it in the form of zone
 * files, whose escapes ours aren't, so it is packed again. */
static const char *
owner_of(const struct reading *reading, const ns_rr *record)
{
	unsigned char wire[NAME_OCTETS];
	size_t length = 0;

	if (ns_name_pton(ns_rr_name(*record), wire, sizeof(wire)) < 0)
		return NULL;
	while (wire[length] != 0)
		length += wire[length] + 1U;
	return name_of(wire, length + 1, reading->arena);
}

static bool
take_text(struct reading *reading, const ns_rr *record)
{
	const unsigned char *data = ns_rr_rdata(*record);
	size_t length = ns_rr_rdlen(*record);
	const struct resolver_rdata rdata = { &data, &length, 1 };
	struct rotate_answer *answer = reading->answer;

	if (answer->count == RECORDS
	    || !resolver_answer_records(DNS_TXT, &rdata, reading->arena,
		&reading->records[answer->count]))
		return false;
	answer->count++;
	return true;
}

/* A record of the answer section. Only what belongs to the name itself counts:
 * what an alias leads to the servers of that name are asked for. */
static bool
take_answer(struct reading *reading, const ns_rr *record)
{
	const char *owner;

	if (ns_rr_class(*record) != ns_c_in
	    || (ns_rr_type(*record) != ns_t_txt
		&& ns_rr_type(*record) != ns_t_cname))
		return true;
	owner = owner_of(reading, record);
	if (owner == NULL)
		return false;
	if (!dns_equal(owner, reading->name))
		return true;
	if (ns_rr_type(*record) == ns_t_txt)
		return take_text(reading, record);
	if (reading->answer->name != NULL)
		return false; /* there can't be two */
	reading->answer->name = unpack(reading, ns_rr_rdata(*record));
	return reading->answer->name != NULL;
}

/* A record of the authority section: of other servers, for a zone that the
 * name lies in. */
static bool
take_authority(struct reading *reading, const ns_rr *record)
{
	struct rotate_answer *answer = reading->answer;
	const char *zone;

	reading->has_soa |= ns_rr_type(*record) == ns_t_soa;
	if (ns_rr_type(*record) != ns_t_ns || ns_rr_class(*record) != ns_c_in
	    || answer->name_count == ROTATE_PACKET_NAMES)
		return true;
	zone = owner_of(reading, record);
	if (zone == NULL)
		return false;
	if (!dns_is_within(reading->name, zone)
	    || (answer->name != NULL && !dns_equal(answer->name, zone)))
		return true;
	answer->name = zone;
	answer->names[answer->name_count] =
	    unpack(reading, ns_rr_rdata(*record));
	return answer->names[answer->name_count++] != NULL;
}

static bool
take_section(struct reading *reading, ns_sect section,
    bool (*take)(struct reading *reading, const ns_rr *record))
{
	int count = ns_msg_count(reading->message, section);

	for (int i = 0; i < count; i++) {
		ns_rr record;

		if (ns_parserr(&reading->message, section, i, &record) != 0
		    || !take(reading, &record))
			return false;
	}
	return true;
}

static void
say(struct reading *reading, const char *words)
{
	reading->answer->said = ROTATE_SAID_UNKNOWN;
	reading->answer->words = words;
}

static void
say_rcode(struct reading *reading, unsigned rcode)
{
	static const char *const words[] = {
		[ns_r_formerr] = "it can't read the question (FORMERR)",
		[ns_r_servfail] = "it can't answer (SERVFAIL)",
		[ns_r_notimpl] = "it doesn't know such questions (NOTIMP)",
		[ns_r_refused] = "it refuses to answer (REFUSED)",
	};

	say(reading,
	    rcode < sizeof(words) / sizeof(*words) && words[rcode] != NULL
		? words[rcode]
		: "it answers with an error");
}

/* An answer that isn't one of authority: does it send us on? */
static void
read_referral(struct reading *reading)
{
	struct rotate_answer *answer = reading->answer;

	answer->name = NULL;
	answer->count = 0;
	if (!take_section(reading, ns_s_ns, take_authority))
		say(reading, "its answer can't be read");
	else if (answer->name_count > 0 && !reading->has_soa)
		answer->said = ROTATE_SAID_BELOW;
	else
		say(reading, "it doesn't answer with authority");
}

static void
read_message(struct reading *reading)
{
	struct rotate_answer *answer = reading->answer;
	unsigned rcode = (unsigned)ns_msg_getflag(reading->message, ns_f_rcode);

	if (rcode != ns_r_noerror && rcode != ns_r_nxdomain)
		say_rcode(reading, rcode);
	else if (ns_msg_getflag(reading->message, ns_f_aa) == 0)
		read_referral(reading);
	else if (!take_section(reading, ns_s_an, take_answer))
		say(reading, "its answer can't be read");
	else if (answer->name != NULL)
		answer->said = ROTATE_SAID_ALIAS;
	else
		answer->said = answer->count > 0 ? ROTATE_SAID_RECORDS
						 : ROTATE_SAID_NOTHING;
}

bool
rotate_packet_read(const unsigned char *packet, size_t length, const char *name,
    struct arena *arena, struct rotate_answer *answer_out)
{
	struct reading reading = {
		.name = name,
		.arena = arena,
		.answer = answer_out,
		.records =
		    arena_alloc(arena, RECORDS * sizeof(struct dns_record)),
	};

	*answer_out = (struct rotate_answer){ .records = reading.records };
	if (reading.records == NULL)
		return false;
	if (length > UINT16_MAX
	    || ns_initparse(packet, (int)length, &reading.message) != 0)
		say(&reading, "its answer can't be read");
	else
		read_message(&reading);
	return true;
}
