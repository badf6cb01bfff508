#include "milter/io/store_lmdb_record.h"

#include <assert.h>
#include <openssl/evp.h>
#include <string.h>

enum {
	HASH_OCTETS = 32,
	AT_VERSION = 0,
	AT_SLOTS = 1,
	AT_KEPT = 2,
	AT_CHECKSUM = 4,
	AT_PER = 8,
	AT_NEWEST = 16,
	AT_META_LAST = 8,
	AT_META_EPOCH = 16,
};

/* No clock says more, and nothing overflows below it. */
static const uint64_t newest_max = 1ULL << 60;

static void
put_number(unsigned char *at, size_t octets, uint64_t number)
{
	for (size_t i = 0; i < octets; i++)
		at[i] = (unsigned char)(number >> (8 * i));
}

static uint64_t
get_number(const unsigned char *at, size_t octets)
{
	uint64_t number = 0;

	for (size_t i = 0; i < octets; i++)
		number |= (uint64_t)at[i] << (8 * i);
	return number;
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

/* Over the key and all of the value but the checksum itself. */
static uint32_t
record_checksum(const unsigned char *key, size_t key_length,
    const unsigned char *value, size_t value_length)
{
	uint32_t sum = checksum(2166136261U, key, key_length);

	sum = checksum(sum, value, AT_CHECKSUM);
	return checksum(
	    sum, value + AT_CHECKSUM + 4, value_length - AT_CHECKSUM - 4);
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
record_key(const char *limit_name, const char *key, struct record_key *key_out)
{
	size_t limit_size = strlen(limit_name) + 1;
	size_t key_length = strlen(key);

	assert(limit_size <= LIMIT_NAME_OCTETS + 1);
	key_out->kept_length = 0;
	if (1 + limit_size + key_length <= RECORD_KEY_OCTETS) {
		key_out->octets[0] = 'k';
		memcpy(key_out->octets + 1, limit_name, limit_size);
		memcpy(key_out->octets + 1 + limit_size, key, key_length);
		key_out->length = 1 + limit_size + key_length;
		return true;
	}

	if (key_length > RECORD_KEPT_OCTETS - limit_size)
		key_length = RECORD_KEPT_OCTETS - limit_size;
	memcpy(key_out->kept, limit_name, limit_size);
	memcpy(key_out->kept + limit_size, key, key_length);
	key_out->kept_length = limit_size + key_length;
	key_out->octets[0] = 'h';
	key_out->length = 1 + HASH_OCTETS;
	return hash_key(limit_name, key, key_out->octets + 1);
}

MDB_val
record_key_value(struct record_key *key)
{
	return (MDB_val){ .mv_size = key->length, .mv_data = key->octets };
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

size_t
record_write(const struct record_key *key, const struct window *window,
    unsigned char *space)
{
	size_t length = RECORD_HEAD_OCTETS;
	uint64_t oldest = window->newest < WINDOW_SLOTS - 1
	    ? 0
	    : window->newest - (WINDOW_SLOTS - 1);
	unsigned slots = 0;

	for (uint64_t s = oldest; s <= window->newest; s++) {
		uint64_t count = window->counts[s % WINDOW_SLOTS];

		if (count == 0)
			continue;
		space[length++] = (unsigned char)(window->newest - s);
		length += put_count(space + length, count);
		slots++;
	}
	memcpy(space + length, key->kept, key->kept_length);
	length += key->kept_length;

	space[AT_VERSION] = RECORD_VERSION;
	space[AT_SLOTS] = (unsigned char)slots;
	put_number(space + AT_KEPT, 2, key->kept_length);
	put_number(space + AT_PER, 8, window->per_ms);
	put_number(space + AT_NEWEST, 8, window->newest);
	put_number(space + AT_CHECKSUM, 4,
	    record_checksum(key->octets, key->length, space, length));
	return length;
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

	return get_number(at + AT_CHECKSUM, 4)
	    == record_checksum(key->mv_data, key->mv_size, at, value->mv_size);
}

enum record_state
record_read(const MDB_val *key, const MDB_val *value, struct window *window_out)
{
	const unsigned char *at = value->mv_data;
	uint64_t per_ms;
	size_t kept;

	if (value->mv_size < RECORD_HEAD_OCTETS
	    || value->mv_size > RECORD_OCTETS || !is_checked(key, value))
		return RECORD_DAMAGED;
	if (at[AT_VERSION] > RECORD_VERSION)
		return RECORD_NEWER;
	per_ms = get_number(at + AT_PER, 8);
	kept = get_number(at + AT_KEPT, 2);
	if (at[AT_VERSION] != RECORD_VERSION || per_ms == 0
	    || per_ms > WINDOW_PER_MAX_MS
	    || kept > value->mv_size - RECORD_HEAD_OCTETS)
		return RECORD_DAMAGED;

	window_init(window_out, per_ms);
	window_out->newest = get_number(at + AT_NEWEST, 8);
	if (window_out->newest > newest_max
	    || !read_slots(at + RECORD_HEAD_OCTETS,
		value->mv_size - RECORD_HEAD_OCTETS - kept, at[AT_SLOTS],
		window_out))
		return RECORD_DAMAGED;
	return RECORD_GOOD;
}

/* LMDB takes keys by a pointer that isn't const, though it only reads. */
static unsigned char meta_key[] = { 'm' };

MDB_val
record_meta_key(void)
{
	return (MDB_val){ .mv_size = sizeof meta_key, .mv_data = meta_key };
}

bool
record_is_meta(const MDB_val *key)
{
	return key->mv_size == sizeof meta_key
	    && memcmp(key->mv_data, meta_key, sizeof meta_key) == 0;
}

void
record_write_meta(const struct record_meta *meta, unsigned char *space)
{
	memset(space, 0, RECORD_META_OCTETS);
	space[AT_VERSION] = RECORD_VERSION;
	put_number(space + AT_META_LAST, 8, meta->last_ms);
	put_number(space + AT_META_EPOCH, 8, meta->epoch);
	put_number(space + AT_CHECKSUM, 4,
	    record_checksum(
		meta_key, sizeof meta_key, space, RECORD_META_OCTETS));
}

enum record_state
record_read_meta(const MDB_val *value, struct record_meta *meta_out)
{
	const MDB_val key = record_meta_key();
	const unsigned char *at = value->mv_data;

	/* The first octets and the checksum's place are for all versions. */
	if (value->mv_size < RECORD_META_OCTETS || !is_checked(&key, value))
		return RECORD_DAMAGED;
	if (at[AT_VERSION] > RECORD_VERSION)
		return RECORD_NEWER;
	meta_out->last_ms = get_number(at + AT_META_LAST, 8);
	meta_out->epoch = get_number(at + AT_META_EPOCH, 8);
	return RECORD_GOOD;
}
