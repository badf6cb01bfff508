#include "tests/fake/zone.h"

#include "policy/text.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ZONE_TTL_S = 300,
	ZONE_ALIASES = 10, /* more in one chain are taken for a loop */
	ZONE_HINTS = 32,   /* looked at after each answer */
	ANY_TYPE = 0,
};

enum entry_kind {
	ENTRY_RECORD,
	ENTRY_ALIAS, /* a CNAME */
	ENTRY_LOST,
};

struct entry {
	enum entry_kind kind;
	unsigned type;      /* of the record, or what is lost; ANY_TYPE */
	const char *target; /* of an alias */
	const char *why;    /* it is lost */
	struct dns_record record;
};

struct node {
	const char *name; /* lower case */
	struct entry *entries;
	size_t count;
};

struct zone {
	struct node *nodes;
	size_t count;
};

static _Noreturn void
die(const char *format, ...) __attribute__((format(printf, 1, 2)));

static _Noreturn void
die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("zone: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(EXIT_FAILURE);
}

static void *
take(struct arena *arena, size_t size_bytes)
{
	void *memory = arena_alloc(arena, size_bytes);

	if (memory == NULL)
		die("no memory");
	return memory;
}

/* The octets of a JSON string: U+00XX is the octet XX. */
static char *
octets(struct arena *arena, struct json_object *string, size_t *length_out)
{
	const char *from = json_object_get_string(string);
	size_t left, length = 0;
	char *to;

	if (!json_object_is_type(string, json_type_string))
		die("not a string: %s", json_object_to_json_string(string));
	left = (size_t)json_object_get_string_len(string);
	to = take(arena, left + 1);
	while (left > 0) {
		unsigned char octet = (unsigned char)*from++;

		left--;
		if (octet > 0xC3 || (octet >= 0x80 && left == 0))
			die("a character above U+00FF: %s",
			    json_object_to_json_string(string));
		if (octet >= 0x80) {
			unsigned low = (unsigned char)*from++ & 0x3Fu;

			octet = (unsigned char)((octet & 3u) << 6 | low);
			left--;
		}
		to[length++] = (char)octet;
	}
	*length_out = length;
	return to;
}

/* A name as dns_record has it: lower case, strange octets as \DDD. */
static const char *
record_name(struct arena *arena, struct json_object *string)
{
	size_t length, used = 0;
	char *from = octets(arena, string, &length);
	size_t size = 4 * length + 1;
	char *to = take(arena, size);

	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)from[i];
		bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
		    || (c >= '0' && c <= '9') || c == '-' || c == '_'
		    || c == '.';

		used += (size_t)snprintf(
		    to + used, size - used, is_plain ? "%c" : "\\%03u", c);
	}
	if (strcmp(to, ".") == 0)
		*to = '\0';
	text_lower(to);
	return to;
}

/* TXT: one string, or the array of its strings, joined. */
static void
read_text(
    struct arena *arena, struct json_object *value, struct dns_record *record)
{
	size_t count = json_object_is_type(value, json_type_array)
	    ? json_object_array_length(value)
	    : 1;
	char *text = take(arena, 1);
	size_t length = 0;

	for (size_t i = 0; i < count; i++) {
		struct json_object *part =
		    json_object_is_type(value, json_type_array)
		    ? json_object_array_get_idx(value, i)
		    : value;
		size_t more;
		char *tail = octets(arena, part, &more);
		char *longer = take(arena, length + more + 1);

		memcpy(longer, text, length);
		memcpy(longer + length, tail, more);
		text = longer;
		length += more;
	}
	record->text = text;
	record->text_length = length;
}

static unsigned
type_number(const char *name)
{
	static const enum dns_type types[] = { DNS_A, DNS_PTR, DNS_MX, DNS_TXT,
		DNS_AAAA };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(name, dns_type_name(types[i])) == 0)
			return types[i];
	die("%s: not a type of record", name);
}

static bool
is_loss(const char *word)
{
	return strcmp(word, "SERVFAIL") == 0 || strcmp(word, "TIMEOUT") == 0;
}

static const char *
loss_words(const char *word)
{
	return strcmp(word, "TIMEOUT") == 0 ? "no answer in time"
					    : "the server failed (SERVFAIL)";
}

static void
read_address(const char *name, struct json_object *value, struct entry *entry)
{
	const char *text = json_object_get_string(value);
	bool is_v6;

	if (!network_address(text, &entry->record.address))
		die("%s: %s is no address", name, text);
	is_v6 = strchr(text, ':') != NULL;
	if (is_v6 != (entry->type == DNS_AAAA))
		die("%s: %s in a record of the other kind", name, text);
}

static void
read_record(struct arena *arena, const char *name, struct json_object *array,
    struct entry *entry)
{
	size_t count = json_object_array_length(array);
	const char *type =
	    json_object_get_string(json_object_array_get_idx(array, 0));
	struct json_object *value = json_object_array_get_idx(array, 1);
	struct json_object *host = json_object_array_get_idx(array, 2);
	size_t wanted = type != NULL && strcmp(type, "MX") == 0 ? 3 : 2;

	if (type == NULL || count != wanted)
		die("%s: a record with %zu fields: %s", name, count,
		    json_object_to_json_string(array));
	if (is_loss(type)) {
		entry->kind = ENTRY_LOST;
		entry->type = type_number(json_object_get_string(value));
		entry->why = loss_words(type);
		return;
	}
	if (strcmp(type, "CNAME") == 0) {
		entry->kind = ENTRY_ALIAS;
		entry->target = record_name(arena, value);
		return;
	}
	entry->type = type_number(type);
	if (entry->type == DNS_TXT) {
		read_text(arena, value, &entry->record);
	} else if (entry->type == DNS_MX) {
		entry->record.preference = (uint16_t)json_object_get_int(value);
		entry->record.name = record_name(arena, host);
	} else if (entry->type == DNS_PTR) {
		entry->record.name = record_name(arena, value);
	} else {
		read_address(name, value, entry);
	}
}

static void
read_entry(struct arena *arena, const char *name, struct json_object *value,
    struct entry *entry)
{
	const char *word;

	if (json_object_is_type(value, json_type_array)) {
		read_record(arena, name, value, entry);
		return;
	}
	word = json_object_get_string(value);
	if (!json_object_is_type(value, json_type_string) || !is_loss(word))
		die("%s: not a record: %s", name,
		    json_object_to_json_string(value));
	entry->kind = ENTRY_LOST;
	entry->type = ANY_TYPE;
	entry->why = loss_words(word);
}

static void
read_node(struct arena *arena, const char *name, struct json_object *records,
    struct node *node)
{
	struct json_object *key = json_object_new_string(name);
	size_t length;
	char *lower;

	if (!json_object_is_type(records, json_type_array))
		die("%s: not an array of records", name);
	if (key == NULL)
		die("no memory");
	lower = octets(arena, key, &length);
	json_object_put(key);
	if (!dns_is_name(lower) || strlen(lower) != length)
		die("%s: not a name", name);
	text_lower(lower);
	node->name = lower;
	node->count = json_object_array_length(records);
	node->entries = take(arena, node->count * sizeof(*node->entries));
	for (size_t i = 0; i < node->count; i++)
		read_entry(arena, name, json_object_array_get_idx(records, i),
		    &node->entries[i]);
}

struct zone *
zone_read(struct json_object *object, struct arena *arena)
{
	struct zone *zone = take(arena, sizeof(*zone));
	struct json_object_iterator at, end;

	if (!json_object_is_type(object, json_type_object))
		die("a zone is an object");
	zone->nodes = take(arena,
	    (size_t)json_object_object_length(object) * sizeof(*zone->nodes));
	at = json_object_iter_begin(object);
	end = json_object_iter_end(object);
	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at))
		read_node(arena, json_object_iter_peek_name(&at),
		    json_object_iter_peek_value(&at),
		    &zone->nodes[zone->count++]);
	return zone;
}

static const struct node *
node_named(const struct zone *zone, const char *name)
{
	for (size_t i = 0; i < zone->count; i++)
		if (dns_equal(zone->nodes[i].name, name))
			return &zone->nodes[i];
	return NULL;
}

/* Is name there, perhaps only as a part of longer ones (RFC 8020)? */
static bool
is_there(const struct zone *zone, const char *name)
{
	for (size_t i = 0; i < zone->count; i++)
		if (dns_is_within(zone->nodes[i].name, name))
			return true;
	return false;
}

/* What a wildcard says of name, which isn't there itself: the wildcard stands
 * directly below the longest part of name that is there (RFC 4592 §3.3.1). */
static const struct node *
wildcard_for(const struct zone *zone, const char *name)
{
	char wildcard[DNS_NAME_OCTETS + 2];
	const char *dot = strchr(name, '.');

	while (dot != NULL && !is_there(zone, dot + 1))
		dot = strchr(dot + 1, '.');
	if (dot == NULL)
		return NULL;
	(void)snprintf(wildcard, sizeof(wildcard), "*%s", dot);
	return node_named(zone, wildcard);
}

static const struct dns_answer *
answer(struct arena *arena, enum dns_status status, const char *why)
{
	struct dns_answer *answer = take(arena, sizeof(*answer));

	answer->status = status;
	answer->ttl_s = ZONE_TTL_S;
	answer->why = why;
	return answer;
}

/* The alias or the loss that stands at node for a question of type. */
static const struct entry *
special(const struct node *node, enum dns_type type)
{
	for (size_t i = 0; i < node->count; i++) {
		const struct entry *entry = &node->entries[i];

		if (entry->kind == ENTRY_ALIAS
		    || (entry->kind == ENTRY_LOST
			&& (entry->type == ANY_TYPE || entry->type == type)))
			return entry;
	}
	return NULL;
}

static const struct dns_answer *
records_of(const struct node *node, enum dns_type type, struct arena *arena)
{
	struct dns_record *records =
	    take(arena, node->count * sizeof(*records));
	struct dns_answer *found = take(arena, sizeof(*found));

	for (size_t i = 0; i < node->count; i++)
		if (node->entries[i].type == (unsigned)type)
			records[found->count++] = node->entries[i].record;
	found->status = found->count > 0 ? DNS_FOUND : DNS_NODATA;
	found->ttl_s = ZONE_TTL_S;
	found->records = records;
	return found;
}

const struct dns_answer *
zone_answer(
    struct zone *zone, const struct dns_question *question, struct arena *arena)
{
	const char *name = question->name;

	if (!dns_is_name(name))
		die("a question for a name that can't be asked: \"%s\"", name);
	for (unsigned aliases = 0; aliases <= ZONE_ALIASES; aliases++) {
		const struct node *node = node_named(zone, name);
		const struct entry *entry;

		if (node == NULL && is_there(zone, name))
			return answer(arena, DNS_NODATA, NULL);
		if (node == NULL)
			node = wildcard_for(zone, name);
		if (node == NULL)
			return answer(arena, DNS_NXDOMAIN, NULL);
		entry = special(node, question->type);
		if (entry == NULL)
			return records_of(node, question->type, arena);
		if (entry->kind == ENTRY_LOST)
			return answer(arena, DNS_LOST, entry->why);
		name = entry->target;
	}
	return answer(arena, DNS_LOST, "a loop of aliases");
}

/* What a driver relies on. */
static void
check_hints(const struct dns_machine *kind, const void *machine)
{
	struct dns_question hints[ZONE_HINTS];
	size_t count = kind->hints(machine, hints, ZONE_HINTS);

	if (count > ZONE_HINTS)
		die("%zu hints where there is room for %d", count, ZONE_HINTS);
	for (size_t i = 0; i < count; i++)
		if (!dns_is_name(hints[i].name))
			die("a hint that can't be asked: \"%s\"",
			    hints[i].name);
}

size_t
zone_run(struct zone *zone, const struct dns_machine *kind, void *machine,
    size_t most, struct arena *arena)
{
	const struct dns_question *question;
	size_t asked = 0;

	while ((question = kind->asks(machine)) != NULL) {
		if (++asked > most)
			die("more than %zu questions; the last: %s %s", most,
			    question->name, dns_type_name(question->type));
		if (kind->asks(machine) != question)
			die("asked twice what it asks, it says two things");
		check_hints(kind, machine);
		kind->answer(machine, zone_answer(zone, question, arena));
	}
	return asked;
}
