#include "conf/maps.h"

#include "conf/map_lines.h"
#include "policy/address.h"
#include "policy/hash.h"
#include "policy/text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
	SCRATCH_BYTES = 64 * 1024,
	FIRST_SLOTS = 64,
	MOST_FIRST_SLOTS = 8 * 1024 * 1024,
};

/* A key that was read, and what it means. */
struct entry {
	const char *key;   /* NULL: the slot is free */
	const char *value; /* both within the map's texts */
};

struct map {
	char *text;         /* the file's; values lie in it */
	struct arena arena; /* keys that changed their length */
	struct entry *slots;
	size_t slot_count; /* a power of two, less than 3/4 of it in use */
	size_t count;
	uint64_t seed[2]; /* customers choose addresses of a provider's map */
};

/* Where key is, or would be. */
static struct entry *
slot_of(const struct map *map, const char *key)
{
	size_t mask = map->slot_count - 1;
	size_t i = (size_t)hash_text(map->seed, key) & mask;

	while (map->slots[i].key != NULL && strcmp(map->slots[i].key, key) != 0)
		i = (i + 1) & mask;
	return &map->slots[i];
}

static bool
grow(struct map *map, size_t slot_count, struct fault *fault)
{
	struct entry *old = map->slots;
	size_t old_count = map->slot_count;

	map->slots = calloc(slot_count, sizeof(*map->slots));
	if (map->slots == NULL) {
		map->slots = old;
		fault_memory(fault);
		return false;
	}
	map->slot_count = slot_count;
	for (size_t i = 0; i < old_count; i++)
		if (old[i].key != NULL)
			*slot_of(map, old[i].key) = old[i];
	free(old);
	return true;
}

static bool
is_letter_or_digit(char character)
{
	return (character >= 'a' && character <= 'z')
	    || (character >= 'A' && character <= 'Z')
	    || (character >= '0' && character <= '9');
}

/* The place of end, if all before it are usual characters with single dots
 * within; else NULL. */
static const char *
plain_part(const char *at, char end)
{
	const char *start = at;

	for (; *at != end; at++)
		if (!is_letter_or_digit(*at) && *at != '-' && *at != '_'
		    && *at != '+'
		    && !(*at == '.' && at > start && at[-1] != '.'))
			return NULL;
	return at > start && at[-1] == '.' ? NULL : at;
}

/* Is key as it would be after normalising, but for ASCII case? Nearly all
 * are, and then need no parsing. */
static bool
is_plain(const char *key)
{
	const char *at = plain_part(key, '@');

	return at != NULL && plain_part(at + 1, '\0') != NULL;
}

/* Bring key into the form in which addresses are looked up. What is neither
 * an address nor "@domain" nor "@.domain" is only folded. NULL for want of
 * memory. */
static const char *
normal_key(struct map *map, char *key, struct arena *scratch)
{
	struct fault fault = { .kind = FAULT_NONE };
	struct mailbox mailbox;
	const char *prefix = strncmp(key, "@.", 2) == 0 ? "@." : "@";
	const char *domain = NULL;
	char *normal;

	if (is_plain(key)) {
		text_lower(key);
		return key;
	}
	if (*key == '@'
	    && address_domain(scratch, key + strlen(prefix),
		strlen(key + strlen(prefix)), &domain, &fault))
		normal = arena_printf(&map->arena, "%s%s", prefix, domain);
	else if (*key != '@'
	    && address_mailbox(scratch, key, strlen(key), &mailbox, &fault))
		normal = arena_strdup(&map->arena, mailbox.text);
	else
		normal = fault.kind == FAULT_MEMORY ? NULL : key;
	if (normal != NULL)
		text_lower(normal);
	return normal;
}

/* Who is told what is wrong, and what a line should look like. */
struct telling {
	map_complain *complain;
	void *context;
	const char *form;
};

static void
tell(const struct telling *telling, const struct fault *fault)
{
	telling->complain(telling->context, fault);
}

/* False only for want of memory: a line that can't be is told of. */
static bool
add(struct map *map, const struct map_lines *reader,
    const struct map_line *line, const char *key, const struct telling *telling)
{
	struct entry *slot;
	struct fault fault;

	if (4 * (map->count + 1) > 3 * map->slot_count
	    && !grow(map, 2 * map->slot_count, &fault))
		return false;
	slot = slot_of(map, key);
	if (slot->key != NULL && strcmp(slot->value, line->value) != 0) {
		fault_set(&fault, FAULT_PERMANENT,
		    "%s:%zu: %.100s is there already, with another value; "
		    "remove one of the lines",
		    reader->path, line->number, key);
		tell(telling, &fault);
	}
	if (slot->key == NULL) {
		slot->key = key;
		slot->value = line->value;
		map->count++;
	}
	return true;
}

static bool
fill_line(struct map *map, const struct map_lines *reader,
    const struct map_line *line, struct arena *scratch,
    const struct telling *telling)
{
	struct fault fault;
	const char *key;

	if (*line->value == '\0') {
		fault_set(&fault, FAULT_PERMANENT,
		    "%s:%zu: %.100s has no value; write \"%s\"", reader->path,
		    line->number, line->key, telling->form);
		tell(telling, &fault);
		return true;
	}
	if (scratch->used_bytes > SCRATCH_BYTES)
		arena_clear(scratch);
	key = normal_key(map, line->key, scratch);
	return key != NULL && add(map, reader, line, key, telling);
}

/* All lines that can be; the others are told of. False: no memory. */
static bool
fill(struct map *map, struct map_lines *reader, struct arena *scratch,
    const struct telling *telling)
{
	struct map_line line;
	struct fault fault;
	bool is_end = false;

	while (!is_end) {
		if (!map_lines_next(reader, &line, &is_end, &fault))
			tell(telling, &fault);
		else if (!is_end
		    && !fill_line(map, reader, &line, scratch, telling))
			return false;
	}
	return true;
}

/* Slots for a key in each line, so that a large map needn't grow; within
 * reason, since lines may be empty. */
static size_t
first_slots(const struct map_lines *reader)
{
	const char *end = reader->text + reader->length;
	const char *at = reader->text;
	size_t lines = 1;
	size_t slots = FIRST_SLOTS;

	while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		lines++;
		at++;
	}
	while (slots < MOST_FIRST_SLOTS && 3 * slots < 4 * (lines + 1))
		slots *= 2;
	return slots;
}

static void
seed(struct map *map)
{
	/* Early at boot there may be none; then any will do. */
	if (getrandom(map->seed, sizeof(map->seed), GRND_NONBLOCK)
	    != (ssize_t)sizeof(map->seed)) {
		map->seed[0] = (uint64_t)(uintptr_t)map;
		map->seed[1] = (uint64_t)(uintptr_t)map->text;
	}
}

struct map *
map_read(
    const char *path, const char *form, map_complain *complain, void *context)
{
	struct telling telling = { complain, context, form };
	struct map *map = calloc(1, sizeof(*map));
	struct fault fault;
	struct map_lines reader;
	struct arena scratch;
	bool is_whole;

	if (map == NULL) {
		fault_memory(&fault);
		tell(&telling, &fault);
		return NULL;
	}
	arena_init(&map->arena, 2UL * MAP_LINES_FILE_BYTES);
	arena_init(&scratch, 16 * SCRATCH_BYTES);
	if (!map_lines_open(&reader, path, &fault)) {
		tell(&telling, &fault);
		map_close(&map);
		return NULL;
	}
	map->text = reader.text;
	seed(map);
	is_whole = grow(map, first_slots(&reader), &fault)
	    && fill(map, &reader, &scratch, &telling);
	arena_clear(&scratch);
	if (!is_whole) {
		fault_memory(&fault);
		tell(&telling, &fault);
		map_close(&map);
	}
	return map;
}

/* The first fault, and whether there was one. */
struct first_fault {
	struct fault *fault;
	bool is_there;
};

static void
keep_first(void *context, const struct fault *fault)
{
	struct first_fault *first = context;

	if (!first->is_there && first->fault != NULL)
		*first->fault = *fault;
	first->is_there = true;
}

struct map *
map_open(const char *path, struct fault *fault)
{
	struct first_fault first = { .fault = fault };
	struct map *map = map_read(path, "KEY VALUE", keep_first, &first);

	if (first.is_there)
		map_close(&map);
	return map;
}

const char *
map_find(const struct map *map, const char *key)
{
	return slot_of(map, key)->value;
}

void
map_each(const struct map *map,
    bool (*take)(void *context, const char *key, const char *value),
    void *context)
{
	for (size_t i = 0; i < map->slot_count; i++)
		if (map->slots[i].key != NULL
		    && !take(context, map->slots[i].key, map->slots[i].value))
			return;
}

size_t
map_size(const struct map *map)
{
	return map->count;
}

void
map_close(struct map **map)
{
	if (*map == NULL)
		return;
	free((*map)->slots);
	free((*map)->text);
	arena_clear(&(*map)->arena);
	free(*map);
	*map = NULL;
}

/* A network of the file, with the line that it stands on. */
struct network_line {
	struct network_account entry;
	size_t line;
};

static int
by_prefix(const void *one, const void *other)
{
	const struct network_line *a = one;
	const struct network_line *b = other;
	int order;

	if (a->entry.network.bits != b->entry.network.bits)
		return a->entry.network.bits > b->entry.network.bits ? -1 : 1;
	order = memcmp(a->entry.network.address.octets,
	    b->entry.network.address.octets,
	    sizeof(a->entry.network.address.octets));
	if (order != 0)
		return order;
	return a->line < b->line ? -1 : a->line > b->line;
}

static bool
is_same_network(const struct network *one, const struct network *other)
{
	return one->bits == other->bits
	    && memcmp(one->address.octets, other->address.octets,
		   sizeof(one->address.octets))
	    == 0;
}

/* Read one line's network and account. */
static bool
read_network(const struct map_lines *reader, const struct map_line *line,
    struct arena *arena, struct network_line *network_out, struct fault *fault)
{
	if (!network_parse(line->key, &network_out->entry.network, fault)) {
		fault_prefix(fault, "%s:%zu: ", reader->path, line->number);
		return false;
	}
	if (*line->value == '\0')
		return map_lines_complain(reader, line->number, fault,
		    "the network has no account; write \"network account\"");
	for (const char *at = line->value; *at != '\0'; at++)
		if (map_lines_is_blank(*at) || *at == ',')
			return map_lines_complain(reader, line->number, fault,
			    "a network has one account");
	if (strlen(line->value) > ACCOUNT_OCTETS)
		return map_lines_complain(reader, line->number, fault,
		    "the account's name is longer than 512 octets");
	network_out->line = line->number;
	network_out->entry.account = arena_strdup(arena, line->value);
	if (network_out->entry.account == NULL) {
		fault_memory(fault);
		return false;
	}
	return true;
}

/* All lines, in their order, malloc'ed. */
static bool
read_networks(struct map_lines *reader, struct arena *arena,
    struct network_line **lines_out, size_t *count_out, struct fault *fault)
{
	size_t room = 0;
	struct map_line line;
	bool is_end;

	while (map_lines_next(reader, &line, &is_end, fault)) {
		if (is_end)
			return true;
		if (*count_out == room) {
			size_t larger = room == 0 ? 64 : 2 * room;
			struct network_line *lines =
			    reallocarray(*lines_out, larger, sizeof(*lines));

			if (lines == NULL) {
				fault_memory(fault);
				return false;
			}
			*lines_out = lines;
			room = larger;
		}
		if (!read_network(
			reader, &line, arena, &(*lines_out)[*count_out], fault))
			return false;
		(*count_out)++;
	}
	return false;
}

/* Sort, and keep one of those that are the same. */
static bool
sort_networks(const struct map_lines *reader, struct network_line *lines,
    size_t count, struct network_account *sorted, size_t *count_out,
    struct fault *fault)
{
	if (count > 0)
		qsort(lines, count, sizeof(*lines), by_prefix);
	for (size_t i = 0; i < count; i++) {
		const struct network_line *last = i > 0 ? &lines[i - 1] : NULL;

		if (last == NULL
		    || !is_same_network(
			&last->entry.network, &lines[i].entry.network)) {
			sorted[(*count_out)++] = lines[i].entry;
		} else if (strcmp(last->entry.account, lines[i].entry.account)
		    != 0) {
			fault_set(fault, FAULT_PERMANENT,
			    "%s:%zu: this network is there already in line "
			    "%zu, with another account; remove one of them",
			    reader->path, lines[i].line, last->line);
			return false;
		}
	}
	return true;
}

bool
map_networks(const char *path, struct arena *arena,
    const struct network_account **networks_out, size_t *count_out,
    struct fault *fault)
{
	struct map_lines reader;
	struct network_line *lines = NULL;
	struct network_account *sorted = NULL;
	size_t count = 0;
	bool is_good;

	*networks_out = NULL;
	*count_out = 0;
	if (!map_lines_open(&reader, path, fault))
		return false;
	is_good = read_networks(&reader, arena, &lines, &count, fault);
	if (is_good) {
		sorted = arena_alloc(arena, (count + 1) * sizeof(*sorted));
		is_good = sorted != NULL
		    && sort_networks(
			&reader, lines, count, sorted, count_out, fault);
		if (sorted == NULL)
			fault_memory(fault);
	}
	if (is_good)
		*networks_out = sorted;
	else
		*count_out = 0;
	free(lines);
	free(reader.text);
	return is_good;
}
