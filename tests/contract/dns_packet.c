#include "tests/contract/dns_packet.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	HEADER = 12,
	PACKET_MOST = 65535,
	UDP_LEAST = 512,
	TYPE_A = 1,
	TYPE_PTR = 12,
	TYPE_MX = 15,
	TYPE_TXT = 16,
	TYPE_AAAA = 28,
	TYPE_OPT = 41,
	FLAG_ANSWER = 0x8180, /* QR, RD, RA: a server that asks others */
	FLAG_TRUNCATED = 0x0200,
};

/* A packet in the making. */
struct packet {
	unsigned char data[PACKET_MOST];
	size_t length;
	bool is_full;
};

static void
put(struct packet *packet, const void *data, size_t length)
{
	if (length > sizeof(packet->data) - packet->length) {
		packet->is_full = true;
		return;
	}
	if (length > 0)
		memcpy(packet->data + packet->length, data, length);
	packet->length += length;
}

static void
put_16(struct packet *packet, unsigned value)
{
	const unsigned char octets[] = { (unsigned char)(value >> 8),
		(unsigned char)value };

	put(packet, octets, sizeof(octets));
}

static void
put_32(struct packet *packet, uint32_t value)
{
	put_16(packet, value >> 16);
	put_16(packet, value & 0xffff);
}

static void
set_16(struct packet *packet, size_t at, unsigned value)
{
	packet->data[at] = (unsigned char)(value >> 8);
	packet->data[at + 1] = (unsigned char)value;
}

/* The octet that *text begins with, \DDD or itself; *text moves on. */
static unsigned char
octet_of(const char **text)
{
	const char *at = *text;

	if (*at == '\\' && isdigit((unsigned char)at[1])) {
		*text += 4;
		return (unsigned char)((at[1] - '0') * 100 + (at[2] - '0') * 10
		    + (at[3] - '0'));
	}
	*text += 1;
	return (unsigned char)*at;
}

static void
put_name(struct packet *packet, const char *name)
{
	unsigned char label[64];

	while (*name != '\0' && strcmp(name, ".") != 0) {
		size_t length = 0;

		while (*name != '\0' && *name != '.' && length < 63)
			label[++length] = octet_of(&name);
		label[0] = (unsigned char)length;
		put(packet, label, length + 1);
		if (*name == '.')
			name++;
	}
	put(packet, "", 1);
}

/* ---- reading ---- */

/* The name at *at, which moves on behind it. */
static bool
read_name(const unsigned char *data, size_t length, size_t *at, char *name,
    size_t size)
{
	size_t used = 0;

	for (;;) {
		size_t label = *at < length ? data[(*at)++] : 64;

		if (label > 63 || label > length - *at)
			return false;
		if (label == 0)
			break;
		if (used > 0)
			name[used++] = '.';
		for (; label > 0; label--) {
			unsigned char octet = data[(*at)++];
			bool is_plain =
			    isgraph(octet) && octet != '.' && octet != '\\';

			if (used + 6 > size)
				return false;
			used += (size_t)snprintf(name + used, size - used,
			    is_plain ? "%c" : "\\%03u", octet);
		}
	}
	name[used] = '\0';
	return true;
}

bool
dns_packet_read(const unsigned char *data, size_t length,
    struct dns_packet_query *query_out)
{
	size_t at = HEADER;

	*query_out = (struct dns_packet_query){ .udp_most = UDP_LEAST };
	if (length < HEADER || (data[2] & 0x80) != 0
	    || !read_name(
		data, length, &at, query_out->name, sizeof(query_out->name))
	    || length - at < 4)
		return false;
	query_out->id = (uint16_t)(data[0] << 8 | data[1]);
	query_out->type = (uint16_t)(data[at] << 8 | data[at + 1]);
	at += 4;
	query_out->question_length = at - HEADER;
	memcpy(query_out->question, data + HEADER, at - HEADER);
	/* RFC 6891 §6.1.2: the root, OPT, and where a class would be the size.
	 */
	if (length - at >= 5 && data[at] == 0 && data[at + 2] == TYPE_OPT) {
		query_out->has_edns = true;
		query_out->udp_most = (size_t)data[at + 3] << 8 | data[at + 4];
	}
	return true;
}

/* ---- making ---- */

static void
put_address(struct packet *packet, const struct dns_server_record *record,
    unsigned number)
{
	unsigned char octets[16];
	size_t length = record->type == TYPE_A ? 4 : 16;

	(void)inet_pton(
	    record->type == TYPE_A ? AF_INET : AF_INET6, record->value, octets);
	if (length == 4)
		octets[2] = (unsigned char)(octets[2] + number / 256);
	octets[length - 1] = (unsigned char)(octets[length - 1] + number);
	put(packet, octets, length);
}

static void
put_text(struct packet *packet, const struct dns_server_record *record)
{
	unsigned times = record->times > 0 ? record->times : 1;
	size_t length = strlen(record->value);
	unsigned char size = (unsigned char)length;

	for (unsigned i = 0; i < times; i++) {
		put(packet, &size, 1);
		put(packet, record->value, length);
	}
}

static void
put_soa(struct packet *packet, uint32_t minimum)
{
	put_name(packet, "ns.example");
	put_name(packet, "hostmaster.example");
	for (int i = 0; i < 4; i++)
		put_32(packet, 3600);
	put_32(packet, minimum);
}

static void
put_rdata(struct packet *packet, const struct dns_server_record *record,
    unsigned number)
{
	switch (record->type) {
	case TYPE_A:
	case TYPE_AAAA:
		put_address(packet, record, number);
		break;
	case TYPE_TXT:
		put_text(packet, record);
		break;
	case TYPE_MX:
		put_16(packet, (unsigned)strtoul(record->value, NULL, 10));
		put_name(packet, strchr(record->value, ' ') + 1);
		break;
	case DNS_SERVER_SOA:
		put_soa(packet, (uint32_t)strtoul(record->value, NULL, 10));
		break;
	default:
		put_name(packet, record->value);
		break;
	}
	if (record->is_malformed)
		packet->length--;
}

/* Where rdata of a record begins; its length is written by end_record(). */
static size_t
begin_record(
    struct packet *packet, const char *owner, unsigned type, uint32_t ttl_s)
{
	/* The name asked for, as a pointer to it. */
	if (owner == NULL)
		put_16(packet, 0xc000 | HEADER);
	else
		put_name(packet, owner);
	put_16(packet, type);
	put_16(packet, 1);
	put_32(packet, ttl_s);
	put_16(packet, 0);
	return packet->length;
}

static void
end_record(struct packet *packet, size_t begun)
{
	if (!packet->is_full)
		set_16(packet, begun - 2, (unsigned)(packet->length - begun));
}

static unsigned
put_records(struct packet *packet, const struct dns_server_rule *rule)
{
	unsigned count = 0;

	for (size_t i = 0; i < 12 && rule->records[i].type != 0; i++) {
		const struct dns_server_record *record = &rule->records[i];
		unsigned times = record->type != TYPE_TXT && record->times > 0
		    ? record->times
		    : 1;

		for (unsigned number = 0; number < times; number++) {
			size_t begun = begin_record(
			    packet, record->owner, record->type, record->ttl_s);

			put_rdata(packet, record, number);
			end_record(packet, begun);
			count++;
		}
	}
	return count;
}

static void
put_header(struct packet *packet, const struct dns_packet_query *query,
    const struct dns_server_rule *rule)
{
	unsigned id = query->id;

	if (rule->act == DNS_SERVER_WRONG_ID)
		id ^= 0x5555;
	put_16(packet, id);
	put_16(packet, FLAG_ANSWER | rule->rcode);
	put_16(packet, rule->act == DNS_SERVER_EMPTY ? 0 : 1);
	for (int i = 0; i < 3; i++)
		put_16(packet, 0);
	if (rule->act == DNS_SERVER_EMPTY)
		return;
	put(packet, query->question, query->question_length);
	if (rule->act == DNS_SERVER_OTHER)
		packet->data[HEADER + 1] = (unsigned char)'#';
}

static void
put_edns(struct packet *packet)
{
	put(packet, "", 1);
	put_16(packet, TYPE_OPT);
	put_16(packet, 1232);
	put_32(packet, 0);
	put_16(packet, 0);
}

static void
put_sections(struct packet *packet, const struct dns_packet_query *query,
    const struct dns_server_rule *rule)
{
	unsigned answers = put_records(packet, rule);
	size_t begun;

	if (rule->act == DNS_SERVER_LYING)
		answers += 3;
	set_16(packet, 6, answers);
	if (rule->has_soa) {
		begun =
		    begin_record(packet, ".", DNS_SERVER_SOA, rule->soa_ttl_s);
		put_soa(packet, rule->soa_ttl_s);
		end_record(packet, begun);
		set_16(packet, 8, 1);
	}
	if (query->has_edns) {
		put_edns(packet);
		set_16(packet, 10, 1);
	}
}

unsigned char *
dns_packet_make(const struct dns_packet_query *query,
    const struct dns_server_rule *rule, bool is_tcp, size_t *length_out)
{
	struct packet *packet = calloc(1, sizeof(*packet));
	bool is_cut = !is_tcp
	    && (rule->act == DNS_SERVER_TCP_ONLY
		|| rule->act == DNS_SERVER_NO_TCP);
	unsigned char *made;
	size_t head;

	if (packet == NULL)
		abort();
	put_header(packet, query, rule);
	head = packet->length;
	if (rule->act != DNS_SERVER_EMPTY)
		put_sections(packet, query, rule);
	if (is_cut || (!is_tcp && packet->length > query->udp_most)) {
		packet->length = head;
		memset(packet->data + 6, 0, 6);
		set_16(packet, 2, FLAG_ANSWER | FLAG_TRUNCATED);
	}
	if (rule->act == DNS_SERVER_CUT)
		packet->length = packet->length * 3 / 4;
	if (rule->act == DNS_SERVER_GARBAGE)
		memset(packet->data + 2, 0xff, packet->length - 2);
	if (packet->is_full)
		abort(); /* the rule asks for what no packet has room for */
	made = malloc(packet->length);
	if (made == NULL)
		abort();
	memcpy(made, packet->data, packet->length);
	*length_out = packet->length;
	free(packet);
	return made;
}
