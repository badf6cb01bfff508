#include "policy/spf_known.h"

#include "policy/network.h"

#include <string.h>

enum {
	V4_AT = 12, /* where IPv4 lives in struct address */
	ADDRESS_OCTETS = 16,
};

void
spf_known_init(
    struct spf_table *table, struct arena *arena, const struct address *client)
{
	static const uint8_t mapped[V4_AT] = { [10] = 0xff, [11] = 0xff };

	table->arena = arena;
	table->client = *client;
	table->is_v4 = memcmp(client->octets, mapped, sizeof(mapped)) == 0;
}

/* FNV-1a. Collisions cost a comparison: there are few names. */
uint32_t
spf_known_hash(const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return hash;
}

const struct spf_known *
spf_known_find(
    const struct spf_table *table, const char *name, enum dns_type type)
{
	uint32_t hash = spf_known_hash(name);

	for (size_t i = 0; i < table->count; i++) {
		const struct spf_known *known = table->entries[i];

		if (known->hash == hash && known->type == type
		    && strcmp(known->name, name) == 0)
			return known;
	}
	return NULL;
}

unsigned
spf_known_common_bits(const uint8_t *one, const uint8_t *other, size_t octets)
{
	unsigned bits = 0;

	for (size_t i = 0; i < octets; i++) {
		unsigned differing = one[i] ^ other[i];

		if (differing == 0) {
			bits += 8;
			continue;
		}
		for (; (differing & 0x80u) == 0; differing <<= 1)
			bits++;
		break;
	}
	return bits;
}

static unsigned
nearest(const struct spf_table *table, const struct dns_answer *answer,
    enum dns_type type)
{
	size_t from = type == DNS_A ? V4_AT : 0;
	unsigned most = 0;

	for (size_t i = 0; i < answer->count; i++) {
		unsigned bits =
		    spf_known_common_bits(table->client.octets + from,
			answer->records[i].address.octets + from,
			ADDRESS_OCTETS - from);

		if (bits > most)
			most = bits;
	}
	return most;
}

/* Turn a record's name (octets written \DDD) into one that can be asked for
 * (where each octet stands for itself). NULL in *name_out if it can't be: a
 * dot within a label, a NUL, the root. False: no memory. */
static bool
askable(struct arena *arena, const char *name, const char **name_out)
{
	size_t used = 0;
	char *copy = arena_strdup(arena, name);

	*name_out = NULL;
	if (copy == NULL)
		return false;
	for (size_t i = 0; copy[i] != '\0'; i++) {
		unsigned octet = (unsigned char)copy[i];

		if (octet == '\\') {
			octet = 0;
			for (size_t digit = 1; digit <= 3; digit++) {
				char c = copy[i + digit];

				if (c < '0' || c > '9')
					return true;
				octet = octet * 10 + (unsigned)(c - '0');
			}
			i += 3;
			if (octet == 0 || octet == '.' || octet > 255)
				return true;
		}
		copy[used++] = (char)octet;
	}
	copy[used] = '\0';
	if (dns_is_name(copy))
		*name_out = copy;
	return true;
}

/* Does one MX come before other? By name if preference doesn't tell, so that
 * the order in which a server happens to answer changes no result. */
static bool
is_before(const struct dns_record *one, const struct dns_record *other)
{
	if (one->preference != other->preference)
		return one->preference < other->preference;
	return strcmp(one->name, other->name) < 0;
}

static bool
keep_names(struct spf_table *table, struct spf_known *known,
    const struct dns_answer *answer)
{
	const struct dns_record *order[SPF_NAMES];
	size_t count = 0;

	if (known->type == DNS_MX && answer->count > SPF_NAMES)
		return true;
	for (size_t i = 0; i < answer->count && count < SPF_NAMES; i++) {
		const struct dns_record *record = &answer->records[i];
		size_t place = count++;

		for (; known->type == DNS_MX && place > 0
		     && is_before(record, order[place - 1]);
		     place--)
			order[place] = order[place - 1];
		order[place] = record;
	}
	known->names = arena_alloc(table->arena, count * sizeof(*known->names));
	if (known->names == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		const char **name = &known->names[known->name_count];

		if (!askable(table->arena, order[i]->name, name))
			return false;
		if (*name != NULL)
			known->name_count++;
	}
	return true;
}

static bool
keep_record(struct spf_table *table, struct spf_known *known,
    const struct dns_record *found)
{
	struct spf_record *record;

	if (found->text_length > SPF_RECORD_OCTETS)
		return true;
	record = arena_alloc(table->arena, sizeof(*record));
	if (record == NULL
	    || !spf_record_read(
		record, found->text, found->text_length, table->arena))
		return false;
	known->record = record;
	return true;
}

/* Two records where there may be one: kept to be shown. */
static bool
keep_both(struct spf_table *table, struct spf_known *known,
    const struct dns_record *const found[2])
{
	char *copies[2];

	for (size_t i = 0; i < 2; i++)
		if (found[i]->text_length > SPF_BOTH_OCTETS)
			return true;
	for (size_t i = 0; i < 2; i++) {
		size_t length = found[i]->text_length;

		copies[i] = arena_copy(table->arena, found[i]->text, length);
		if (copies[i] == NULL)
			return false;
		for (size_t k = 0; k < length; k++)
			if (copies[i][k] == '\0')
				copies[i][k] = '?';
	}
	known->both[0] = copies[0];
	known->both[1] = copies[1];
	return true;
}

/* Select the SPF record (§4.5), and the text that exp= may mean (§6.2). */
static bool
keep_text(struct spf_table *table, struct spf_known *known,
    const struct dns_answer *answer)
{
	const struct dns_record *found[2] = { NULL, NULL };
	const struct dns_record *sole = answer->records;

	for (size_t i = 0; i < answer->count; i++)
		if (spf_record_is_one(answer->records[i].text,
			answer->records[i].text_length)) {
			if (known->spf_count < 2)
				found[known->spf_count] = &answer->records[i];
			known->spf_count++;
		}
	if (known->spf_count == 1 && !keep_record(table, known, found[0]))
		return false;
	if (known->spf_count == 2 && !keep_both(table, known, found))
		return false;
	if (answer->count != 1 || sole->text_length > SPF_RECORD_OCTETS)
		return true;
	known->sole.length = sole->text_length;
	known->sole.text =
	    known->record != NULL && known->record->problem == NULL
	    ? known->record->text
	    : arena_copy(table->arena, sole->text, sole->text_length);
	return known->sole.text != NULL;
}

static bool
keep(struct spf_table *table, struct spf_known *known,
    const struct dns_answer *answer)
{
	switch (known->type) {
	case DNS_A:
	case DNS_AAAA:
		known->nearest = nearest(table, answer, known->type);
		return true;
	case DNS_MX:
	case DNS_PTR:
		return keep_names(table, known, answer);
	case DNS_TXT:
		return keep_text(table, known, answer);
	case DNS_NS: /* SPF never asks for it */
		return true;
	}
	return true;
}

const struct spf_known *
spf_known_add(struct spf_table *table, const struct dns_question *question,
    const struct dns_answer *answer)
{
	struct spf_known *known;

	if (table->count == SPF_KNOWN_MOST)
		return NULL;
	known = arena_alloc(table->arena, sizeof(*known));
	if (known == NULL)
		return NULL;
	known->name = question->name;
	known->type = question->type;
	known->hash = spf_known_hash(question->name);
	known->status = answer->status;
	known->ttl_s = answer->ttl_s;
	if (answer->status == DNS_FOUND && answer->count == 0)
		known->status = DNS_NODATA;
	if (known->status == DNS_FOUND) {
		known->count = answer->count;
		if (!keep(table, known, answer))
			return NULL;
	}
	table->entries[table->count++] = known;
	return known;
}

void
spf_known_learn(struct spf_table *table, const struct dns_question *question,
    const struct dns_answer *answer)
{
	size_t octets = 0;

	if (answer->status == DNS_LOST || table->learned == SPF_QUESTIONS)
		return;
	if (question->type == DNS_TXT && answer->status == DNS_FOUND)
		for (size_t i = 0; i < answer->count; i++)
			octets += answer->records[i].text_length;
	if (octets > SPF_LEARNED_OCTETS - table->learned_octets)
		return;
	if (spf_known_add(table, question, answer) != NULL) {
		table->learned++;
		table->learned_octets += octets;
	}
}
