#include "milter/io/store_lmdb_record.h"

#include <assert.h>
#include <endian.h>
#include <openssl/evp.h>
#include <string.h>

enum {
	HASH_OCTETS = 32,
	AT_VERSION = 0,
	AT_SLOTS = 1,
	AT_KEPT = 2,
	AT_CHECKSUM = 4,
	AT_FIRST = 8,
	AT_SECOND = 16,
	AT_META_OVERRIDES = 24,
	META_OCTETS_1 = 24, /* of version 1 */
	/* A window warns once a `per`; what was before that is of no use. */
	WARNED_SLOTS = WINDOW_SLOTS - 1,
};

/* The first octet of a key, and that of a hashed one. */
static const struct {
	unsigned char plain;
	unsigned char hashed;
} letters[] = {
	[RECORD_WINDOW] = { 'k', 'h' },
	[RECORD_OVERRIDE] = { 'o', 'O' },
	[RECORD_RECENT] = { 'r', 'R' },
	[RECORD_OLDER] = { 's', 'S' },
};

/* No clock says more, and nothing overflows below it. */
static const uint64_t newest_max = 1ULL << 60;

static const uint64_t recipients_ms =
    (uint64_t)RECORD_RECIPIENTS_DAYS * 24 * 3600 * 1000;

static void
put_short(unsigned char *at, uint16_t number)
{
	number = htole16(number);
	memcpy(at, &number, sizeof number);
}

static void
put_sum(unsigned char *at, uint32_t number)
{
	number = htole32(number);
	memcpy(at, &number, sizeof number);
}

static void
put_number(unsigned char *at, uint64_t number)
{
	number = htole64(number);
	memcpy(at, &number, sizeof number);
}

static uint16_t
get_short(const unsigned char *at)
{
	uint16_t number;

	memcpy(&number, at, sizeof number);
	return le16toh(number);
}

static uint32_t
get_sum(const unsigned char *at)
{
	uint32_t number;

	memcpy(&number, at, sizeof number);
	return le32toh(number);
}

static uint64_t
get_number(const unsigned char *at)
{
	uint64_t number;

	memcpy(&number, at, sizeof number);
	return le64toh(number);
}

enum record_kind
record_kind_of(const MDB_val *key)
{
	const unsigned char *at = key->mv_data;

	if (key->mv_size == 1 && at[0] == 'm')
		return RECORD_META;
	for (int kind = 0; key->mv_size > 1 && kind < RECORD_META; kind++)
		if (at[0] == letters[kind].plain
		    || (at[0] == letters[kind].hashed
			&& key->mv_size == 1 + HASH_OCTETS))
			return (enum record_kind)kind;
	return RECORD_UNKNOWN;
}

static bool
has_hash(const MDB_val *key)
{
	enum record_kind kind = record_kind_of(key);

	return kind < RECORD_META
	    && ((const unsigned char *)key->mv_data)[0] == letters[kind].hashed;
}

/* FNV-1a, to tell damage by accident; who can write the file needs no
 * collision. */
static uint32_t
checksum(uint32_t sum, const unsigned char *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
		sum = (sum ^ data[i]) * 16777619U;
	return sum;
}

/* The same for many numbers, eight octets at a time. */
static uint32_t
numbers_checksum(uint32_t sum, const unsigned char *data, size_t length)
{
	unsigned char folded[8];
	uint64_t all = 14695981039346656037U;

	for (; length >= 8; data += 8, length -= 8)
		all = (all ^ get_number(data)) * 1099511628211U;
	put_number(folded, all ^ all >> 32);
	return checksum(checksum(sum, folded, sizeof folded), data, length);
}

/* Over the key and all of the value but the checksum itself. */
static uint32_t
record_checksum(const MDB_val *key, const unsigned char *value, size_t length)
{
	enum record_kind kind = record_kind_of(key);
	uint32_t sum = checksum(2166136261U, key->mv_data, key->mv_size);

	sum = checksum(sum, value, AT_CHECKSUM);
	value += AT_FIRST;
	length -= AT_FIRST;
	return kind == RECORD_RECENT || kind == RECORD_OLDER
	    ? numbers_checksum(sum, value, length)
	    : checksum(sum, value, length);
}

static bool
hash_key(const char *limit_name, const char *key, unsigned char *hash_out)
{
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	bool is_done = hash != NULL
	    && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1
	    && EVP_DigestUpdate(hash, limit_name, strlen(limit_name) + 1) == 1
	    && EVP_DigestUpdate(hash, key, strlen(key)) == 1
	    && EVP_DigestFinal_ex(hash, hash_out, NULL) == 1;

	EVP_MD_CTX_free(hash);
	return is_done;
}

bool
record_key(enum record_kind kind, const char *name, const char *key,
    struct record_key *key_out)
{
	size_t name_size = strlen(name) + 1;
	size_t key_length = strlen(key);

	assert(kind < RECORD_META && name_size <= LIMIT_NAME_OCTETS + 1);
	key_out->kept_length = 0;
	if (1 + name_size + key_length <= RECORD_KEY_OCTETS) {
		key_out->octets[0] = letters[kind].plain;
		memcpy(key_out->octets + 1, name, name_size);
		memcpy(key_out->octets + 1 + name_size, key, key_length);
		key_out->length = 1 + name_size + key_length;
		return true;
	}

	key_out->octets[0] = letters[kind].hashed;
	key_out->length = 1 + HASH_OCTETS;
	if (!hash_key(name, key, key_out->octets + 1))
		return false;
	if (key_length > RECORD_KEPT_OCTETS - name_size)
		key_length = RECORD_KEPT_OCTETS - name_size;
	memcpy(key_out->kept, name, name_size);
	memcpy(key_out->kept + name_size, key, key_length);
	key_out->kept_length = name_size + key_length;
	return true;
}

MDB_val
record_key_value(struct record_key *key)
{
	return (MDB_val){ .mv_size = key->length, .mv_data = key->octets };
}

size_t
record_prefix(enum record_kind kind, bool is_hashed, const char *name,
    unsigned char *space)
{
	size_t name_size = name != NULL ? strlen(name) + 1 : 0;

	assert(kind < RECORD_META && name_size <= LIMIT_NAME_OCTETS + 1);
	if (is_hashed) {
		space[0] = letters[kind].hashed;
		return 1;
	}
	space[0] = letters[kind].plain;
	if (name_size > 0)
		memcpy(space + 1, name, name_size);
	return 1 + name_size;
}

static size_t
put_count(unsigned char *at, uint64_t count)
{
	size_t length = 0;

	for (; count > 0x7f; count >>= 7)
		at[length++] = (unsigned char)(0x80 | (count & 0x7f));
	at[length++] = (unsigned char)count;
	return length;
}

/* Returns the length, 0 if there is no well-formed number. */
static size_t
get_count(const unsigned char *at, size_t length, uint64_t *count_out)
{
	uint64_t count = 0;

	for (size_t i = 0; i < length && i < 10; i++) {
		uint64_t bits = at[i] & 0x7f;

		if (i == 9 && bits > 1)
			return 0;
		count |= bits << (7 * i);
		if ((at[i] & 0x80) == 0) {
			*count_out = count;
			return i + 1;
		}
	}
	return 0;
}

/* Put the kept key behind a value that is length octets long by now, and its
 * head in front. Returns the length of all. */
static size_t
finish(const struct record_key *key, uint64_t first, uint64_t second,
    unsigned char *space, size_t length)
{
	const MDB_val name = {
		.mv_size = key->length,
		.mv_data = (void *)(uintptr_t)key->octets,
	};

	memcpy(space + length, key->kept, key->kept_length);
	length += key->kept_length;
	space[AT_VERSION] = RECORD_VERSION;
	put_short(space + AT_KEPT, (uint16_t)key->kept_length);
	put_number(space + AT_FIRST, first);
	put_number(space + AT_SECOND, second);
	put_sum(space + AT_CHECKSUM, record_checksum(&name, space, length));
	return length;
}

static unsigned char
warned_octet(const struct window *window)
{
	uint64_t age = window->warned > window->newest
	    ? 0
	    : window->newest - (window->warned - 1);

	return window->warned == 0 || age >= WARNED_SLOTS
	    ? 0
	    : (unsigned char)(age + 1);
}

size_t
record_write(const struct record_key *key, const struct window *window,
    unsigned char *space)
{
	size_t length = RECORD_HEAD_OCTETS;
	uint64_t oldest = window->newest < WINDOW_SLOTS - 1
	    ? 0
	    : window->newest - (WINDOW_SLOTS - 1);
	unsigned slots = 0;

	space[length++] = warned_octet(window);
	for (uint64_t s = oldest; s <= window->newest; s++) {
		uint64_t count = window->counts[s % WINDOW_SLOTS];

		if (count == 0)
			continue;
		space[length++] = (unsigned char)(window->newest - s);
		length += put_count(space + length, count);
		slots++;
	}
	space[AT_SLOTS] = (unsigned char)slots;
	return finish(key, window->per_ms, window->newest, space, length);
}

size_t
record_write_override(const struct record_key *key,
    const struct record_override *override, unsigned char *space)
{
	assert(override->words_length <= STORE_WORDS);
	memcpy(space + RECORD_HEAD_OCTETS, override->words,
	    override->words_length);
	space[AT_SLOTS] = 0;
	return finish(key, override->max, override->until_ms, space,
	    RECORD_HEAD_OCTETS + override->words_length);
}

size_t
record_write_recipients(const struct record_key *key,
    const struct record_recipients *recipients, unsigned char *space)
{
	assert(recipients->count <= STORE_RECIPIENTS);
	for (size_t i = 0; i < recipients->count; i++)
		put_number(
		    space + RECORD_HEAD_OCTETS + i * 8, recipients->digests[i]);
	space[AT_SLOTS] = 0;
	return finish(key, recipients->used_ms, recipients->count, space,
	    RECORD_HEAD_OCTETS + recipients->count * 8);
}

static bool
read_slots(const unsigned char *at, size_t length, unsigned slots,
    struct window *window)
{
	uint64_t before = WINDOW_SLOTS;

	for (unsigned i = 0; i < slots; i++) {
		uint64_t count;
		uint64_t age;
		size_t used;

		if (length < 2)
			return false;
		age = at[0];
		used = get_count(at + 1, length - 1, &count);
		if (used == 0 || count == 0 || age >= before
		    || age > window->newest)
			return false;
		window->counts[(window->newest - age) % WINDOW_SLOTS] = count;
		before = age;
		at += 1 + used;
		length -= 1 + used;
	}
	return length == 0;
}

static bool
is_checked(const MDB_val *key, const MDB_val *value)
{
	const unsigned char *at = value->mv_data;

	return value->mv_size >= RECORD_HEAD_OCTETS
	    && get_sum(at + AT_CHECKSUM)
	    == record_checksum(key, at, value->mv_size);
}

/* What a value says, between its head and the kept key. */
struct body {
	unsigned version;
	uint64_t first;
	uint64_t second;
	const unsigned char *at;
	size_t length;
};

static size_t
kept_length(const MDB_val *value)
{
	return get_short((const unsigned char *)value->mv_data + AT_KEPT);
}

/* Is the kept key what record_key() keeps? */
static bool
is_kept_sound(const MDB_val *key, const MDB_val *value)
{
	size_t length = kept_length(value);
	const char *end = (const char *)value->mv_data + value->mv_size;

	if (!has_hash(key))
		return length == 0;
	return length > 0 && length <= RECORD_KEPT_OCTETS
	    && length <= value->mv_size - RECORD_HEAD_OCTETS
	    && memchr(end - length, '\0', length) != NULL;
}

static enum record_state
read_body(const MDB_val *key, const MDB_val *value, struct body *body_out)
{
	const unsigned char *at = value->mv_data;

	/* The first octets and the checksum's place are for all versions. */
	if (!is_checked(key, value))
		return RECORD_DAMAGED;
	if (at[AT_VERSION] > RECORD_VERSION)
		return RECORD_NEWER;
	if (at[AT_VERSION] == 0 || !is_kept_sound(key, value))
		return RECORD_DAMAGED;
	*body_out = (struct body){
		.version = at[AT_VERSION],
		.first = get_number(at + AT_FIRST),
		.second = get_number(at + AT_SECOND),
		.at = at + RECORD_HEAD_OCTETS,
		.length =
		    value->mv_size - RECORD_HEAD_OCTETS - kept_length(value),
	};
	return RECORD_GOOD;
}

/* Version 1 has no octet for the last warning. */
static bool
read_warned(struct body *body, struct window *window)
{
	unsigned warned;

	if (body->version == 1)
		return true;
	if (body->length == 0)
		return false;
	warned = *body->at;
	body->at++;
	body->length--;
	if (warned > WARNED_SLOTS || warned > window->newest + 1)
		return false;
	window->warned = warned == 0 ? 0 : window->newest - warned + 2;
	return true;
}

enum record_state
record_read(const MDB_val *key, const MDB_val *value, struct window *window_out)
{
	struct body body;
	enum record_state state = read_body(key, value, &body);

	if (state != RECORD_GOOD)
		return state;
	if (body.first == 0 || body.first > WINDOW_PER_MAX_MS
	    || body.second > newest_max)
		return RECORD_DAMAGED;
	window_init(window_out, body.first);
	window_out->newest = body.second;
	return read_warned(&body, window_out)
		&& read_slots(body.at, body.length,
		    ((const unsigned char *)value->mv_data)[AT_SLOTS],
		    window_out)
	    ? RECORD_GOOD
	    : RECORD_DAMAGED;
}

enum record_state
record_read_override(const MDB_val *key, const MDB_val *value,
    struct record_override *override_out)
{
	struct body body;
	enum record_state state = read_body(key, value, &body);

	if (state != RECORD_GOOD)
		return state;
	*override_out = (struct record_override){
		.max = body.first,
		.until_ms = body.second,
		.words = (const char *)body.at,
		.words_length = body.length,
	};
	return body.length <= STORE_WORDS
		&& memchr(body.at, '\0', body.length) == NULL
	    ? RECORD_GOOD
	    : RECORD_DAMAGED;
}

enum record_state
record_read_recipients(const MDB_val *key, const MDB_val *value,
    struct record_recipients *recipients_out)
{
	struct body body;
	enum record_state state = read_body(key, value, &body);

	if (state != RECORD_GOOD)
		return state;
	if (body.second > STORE_RECIPIENTS || body.length != body.second * 8)
		return RECORD_DAMAGED;
	recipients_out->used_ms = body.first;
	recipients_out->count = (size_t)body.second;
	for (size_t i = 0; i < recipients_out->count; i++)
		recipients_out->digests[i] = get_number(body.at + i * 8);
	return RECORD_GOOD;
}

enum record_state
record_check(const MDB_val *key, const MDB_val *value)
{
	struct record_recipients recipients;
	struct record_override override;
	struct record_meta meta;
	struct window window;
	struct body body;

	switch (record_kind_of(key)) {
	case RECORD_WINDOW:
		return record_read(key, value, &window);
	case RECORD_OVERRIDE:
		return record_read_override(key, value, &override);
	case RECORD_RECENT:
	case RECORD_OLDER:
		return record_read_recipients(key, value, &recipients);
	case RECORD_META:
		return record_read_meta(value, &meta);
	case RECORD_UNKNOWN:
		break;
	}
	return read_body(key, value, &body) == RECORD_NEWER ? RECORD_NEWER
							    : RECORD_DAMAGED;
}

uint64_t
record_idle_at(const MDB_val *key, const MDB_val *value)
{
	struct window window;
	struct body body;

	switch (record_kind_of(key)) {
	case RECORD_WINDOW:
		if (record_read(key, value, &window) == RECORD_GOOD)
			return window_idle_at(&window);
		break;
	case RECORD_OVERRIDE:
		if (read_body(key, value, &body) == RECORD_GOOD
		    && body.second > 0)
			return body.second;
		break;
	case RECORD_RECENT:
	case RECORD_OLDER:
		if (read_body(key, value, &body) == RECORD_GOOD
		    && body.first <= UINT64_MAX - recipients_ms)
			return body.first + recipients_ms;
		break;
	case RECORD_META:
	case RECORD_UNKNOWN:
		break;
	}
	return UINT64_MAX;
}

const char *
record_names(const MDB_val *key, const MDB_val *value,
    char names_out[RECORD_KEPT_OCTETS + 1])
{
	const char *from = (const char *)key->mv_data + 1;
	size_t length = key->mv_size - 1;

	if (has_hash(key)) {
		length = kept_length(value);
		from = (const char *)value->mv_data + value->mv_size - length;
	}
	memcpy(names_out, from, length);
	names_out[length] = '\0';
	/* A name without a key behind it is nothing that we write. */
	from = memchr(names_out, '\0', length);
	return from != NULL ? from + 1 : names_out + length;
}

/* LMDB takes keys by a pointer that isn't const, though it only reads. */
static unsigned char meta_key[] = { 'm' };

MDB_val
record_meta_key(void)
{
	return (MDB_val){ .mv_size = sizeof meta_key, .mv_data = meta_key };
}

void
record_write_meta(const struct record_meta *meta, unsigned char *space)
{
	const MDB_val key = record_meta_key();

	memset(space, 0, RECORD_META_OCTETS);
	space[AT_VERSION] = RECORD_VERSION;
	put_number(space + AT_FIRST, meta->last_ms);
	put_number(space + AT_SECOND, meta->epoch);
	put_number(space + AT_META_OVERRIDES, meta->overrides);
	put_sum(space + AT_CHECKSUM,
	    record_checksum(&key, space, RECORD_META_OCTETS));
}

enum record_state
record_read_meta(const MDB_val *value, struct record_meta *meta_out)
{
	const MDB_val key = record_meta_key();
	const unsigned char *at = value->mv_data;

	if (!is_checked(&key, value))
		return RECORD_DAMAGED;
	if (at[AT_VERSION] > RECORD_VERSION)
		return RECORD_NEWER;
	if (value->mv_size
	    < (at[AT_VERSION] == 1 ? META_OCTETS_1 : RECORD_META_OCTETS))
		return RECORD_DAMAGED;
	meta_out->last_ms = get_number(at + AT_FIRST);
	meta_out->epoch = get_number(at + AT_SECOND);
	meta_out->overrides =
	    at[AT_VERSION] == 1 ? 0 : get_number(at + AT_META_OVERRIDES);
	return RECORD_GOOD;
}
