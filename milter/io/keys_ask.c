#include "milter/io/keys_ask.h"

#include "milter/io/keys_domain.h"
#include "milter/io/keys_value.h"
#include "milter/io/secret_file.h"
#include "milter/io/tables.h"
#include "policy/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* For a value of a map, the largest that tables give, as often as a source's
 * module may need it. */
enum { MAP_ARENA_BYTES = 512 * 1024 };

static const char *const map_words[] = {
	[MAP_TEXTHASH] = "texthash",
	[MAP_LMDB] = "lmdb",
	[MAP_REDIS] = "redis",
	[MAP_SOCKETMAP] = "socketmap",
};

static void
digest(const char *text, unsigned char digest_out[KEYS_DIGEST_OCTETS])
{
	unsigned char whole[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)text, strlen(text), whole);
	memcpy(digest_out, whole, KEYS_DIGEST_OCTETS);
}

void
keys_ask_digest(const char *text, char digest_out[2 * KEYS_DIGEST_OCTETS + 1])
{
	unsigned char octets[KEYS_DIGEST_OCTETS];

	digest(text, octets);
	for (size_t i = 0; i < KEYS_DIGEST_OCTETS; i++)
		snprintf(digest_out + 2 * i, 3, "%02x", octets[i]);
}

static void
look_finish(struct key_look *look)
{
	if (look->set != NULL)
		look->finding = KEYS_THERE;
	else if (look->fault.kind != FAULT_NONE)
		look->finding = KEYS_FAULTY;
	else
		look->finding = KEYS_NONE;
}

/* Make the set of one parsed key. */
static struct key_set *
set_of(
    struct parsed_key *key, const struct key_stamp *stamp, struct fault *fault)
{
	struct key_set *set = keys_set_open("", 1);

	if (set != NULL && keys_set_take(set, "", key, stamp))
		return set;
	fault_memory(fault);
	keys_parse_clear(key);
	keys_set_close(&set);
	return NULL;
}

/* ---- files of a table --------------------------------------------------- */

static bool
is_file_as_before(const char *path, const struct key_set *set)
{
	struct key_stamp now;
	struct stat status;

	if (stat(path, &status) != 0)
		return keys_file_is_absent(errno) && set == NULL;
	now = keys_stamp(&status);
	return set != NULL
	    && keys_stamps_are_equal(&now, &set->origins[0].stamp);
}

/* A file that isn't there is no fault here: it may be that of a domain which
 * has no key, where the table says "%". */
static void
look_at_file(const char *path, struct key_look *look)
{
	struct key_stamp stamp = { 0 };
	enum keys_file_state state;
	struct parsed_key key;
	struct timespec now;

	/* Before anything is looked at: later would vouch for too much. */
	clock_gettime(CLOCK_REALTIME, &now);
	state =
	    keys_file_read(AT_FDCWD, path, path, &key, &stamp, &look->fault);
	if (state == KEYS_FILE_MISSING) {
		look->fault = (struct fault){ 0 };
		look->is_settled = true;
		return;
	}
	look->is_settled = keys_stamp_is_settled(&stamp, &now);
	if (state == KEYS_FILE_GOOD)
		look->set = set_of(&key, &stamp, &look->fault);
	look->may_pass =
	    state == KEYS_FILE_NO_KEY && keys_stamp_is_young(&stamp, &now);
}

/* ---- texts of a table --------------------------------------------------- */

static void
look_at_text(const char *text, struct key_look *look)
{
	struct parsed_key key;

	look->is_settled = true;
	if (keys_parse(text, strlen(text), &key, &look->fault))
		look->set = set_of(&key, NULL, &look->fault);
}

/* ---- maps --------------------------------------------------------------- */

bool
keys_ask_is_private(const struct map_source *map, struct fault *fault)
{
	struct stat status;

	/* One that isn't there is for tables to tell. */
	return map->kind != MAP_LMDB || stat(map->name, &status) != 0
	    || secret_file_is_trusted(&status, map->name,
		"it holds private keys, and others can read or write it: chmod "
		"640 it",
		fault);
}

/* What the map has for the domain, in arena. */
static bool
ask_map(const struct key_question *question, struct arena *arena,
    const char **value_out, struct fault *fault)
{
	bool is_stale;

	*value_out = NULL;
	if (question->tables != NULL)
		return tables_find(question->tables, question->map,
		    question->name, KEYS_MAP_STALE_MS, arena, value_out,
		    &is_stale, fault);
	fault_set(fault, FAULT_TEMPORARY, "map %s:%s can't be asked from here",
	    map_words[question->map->kind], question->map->name);
	return false;
}

/* The arena is cleared without being wiped. */
static void
wipe(const char *value)
{
	if (value != NULL)
		OPENSSL_cleanse((char *)(uintptr_t)value, strlen(value));
}

void
keys_ask_name_entry(
    const struct map_source *map, const char *domain, struct fault *fault)
{
	fault_prefix(fault, "map %s:%s: %.253s: ", map_words[map->kind],
	    map->name, domain);
}

static void
read_value(const struct key_question *question, const char *value,
    struct key_look *look)
{
	look->set = keys_value_read(value, question->name, &look->fault);
	if (look->set != NULL)
		digest(value, look->set->digest);
	else if (look->fault.kind == FAULT_PERMANENT)
		keys_ask_name_entry(
		    question->map, question->name, &look->fault);
}

static bool
is_value_as_before(const char *value, const struct key_set *set)
{
	unsigned char now[KEYS_DIGEST_OCTETS];

	if (value == NULL || set == NULL)
		return value == NULL && set == NULL;
	digest(value, now);
	return memcmp(now, set->digest, sizeof(now)) == 0;
}

/* A map that can't be asked holds what it held; one that others can write to
 * holds nothing. */
static bool
look_into_map(const struct key_question *question,
    const struct key_known *known, struct key_look *look)
{
	struct arena arena;
	const char *value;
	bool is_as_before;

	look->is_settled = true;
	if (!keys_ask_is_private(question->map, &look->fault))
		return true;
	arena_init(&arena, MAP_ARENA_BYTES);
	if (!ask_map(question, &arena, &value, &look->fault))
		is_as_before = known->is_there;
	else
		is_as_before =
		    known->is_there && is_value_as_before(value, known->set);
	if (!is_as_before && value != NULL)
		read_value(question, value, look);
	wipe(value);
	arena_clear(&arena);
	return !is_as_before;
}

/* ---- directories -------------------------------------------------------- */

/* Looked at once a second for all the domains in it. */
static bool
is_safe_place(struct key_place *place, uint64_t now_ms)
{
	uint64_t safe_ms = atomic_load(&place->safe_ms);

	/* The clock may have been read before another thread's. */
	if (safe_ms != 0
	    && (now_ms <= safe_ms || now_ms - safe_ms < KEYS_STALE_MS))
		return true;
	if (!keys_directory_is_safe(place->name, NULL))
		return false;
	atomic_store(&place->safe_ms, now_ms);
	return true;
}

static bool
is_domain_as_before(const struct key_question *question,
    const struct key_known *known, uint64_t now_ms)
{
	bool has_directory = known->set != NULL && known->set->has_directory;

	return (!has_directory || is_safe_place(question->place, now_ms))
	    && keys_domain_is_as_before(
		question->place->name, question->name, known->set);
}

/* ---- all of them -------------------------------------------------------- */

bool
keys_ask(const struct key_question *question, const struct key_known *known,
    uint64_t now_ms, struct key_look *look_out)
{
	const char *name = question->name;

	*look_out = (struct key_look){ 0 };
	switch (question->place->kind) {
	case PLACE_DIRECTORY:
		if (known->is_there
		    && is_domain_as_before(question, known, now_ms))
			return false;
		keys_domain_look(question->place->name, name, look_out);
		return true;
	case PLACE_MAP:
		if (!look_into_map(question, known, look_out))
			return false;
		break;
	case PLACE_FILES:
		if (known->is_there && is_file_as_before(name, known->set))
			return false;
		look_at_file(name, look_out);
		break;
	case PLACE_TEXTS:
		if (known->is_there)
			return false;
		look_at_text(question->text, look_out);
		break;
	}
	look_finish(look_out);
	return true;
}

bool
keys_ask_has(const struct key_question *question)
{
	struct arena arena;
	struct stat status;
	const char *value;
	bool has;

	if (question->place->kind == PLACE_DIRECTORY)
		return keys_domain_has(question->place->name, question->name);
	if (question->place->kind == PLACE_FILES)
		return stat(question->name, &status) == 0
		    || !keys_file_is_absent(errno);
	if (question->place->kind == PLACE_TEXTS)
		return true;
	if (!keys_ask_is_private(question->map, NULL))
		return true;
	arena_init(&arena, MAP_ARENA_BYTES);
	has = !ask_map(question, &arena, &value, NULL) || value != NULL;
	wipe(value);
	arena_clear(&arena);
	return has;
}
