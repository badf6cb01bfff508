#include "milter/io/keys_entries.h"

#include "policy/arena.h"
#include "policy/text.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* For what tables say of one address or domain: keys may stand in them. */
enum { TABLES_ARENA_BYTES = 512 * 1024 };

_Static_assert((int)KEYS_MATCHES <= (int)KEYS_PER_DOMAIN, "room for a match");

/* One question to the tables, and what becomes of it. */
struct search {
	const struct keys_entries *entries;
	const struct key_places *places;
	struct keys_pair *pair; /* NULL: there are no tables */
	struct arena arena;
	struct opendkim_key found[KEYS_PER_DOMAIN];
	size_t count;
	/* Entries of every domain; only keys_entries_has() asks for them. */
	struct opendkim_key shared[KEYS_PER_DOMAIN];
	size_t shared_count;
	struct fault *fault; /* may be NULL */
};

static bool
search_begin(struct search *search)
{
	arena_init(&search->arena, TABLES_ARENA_BYTES);
	return keys_tables_take(search->entries->tables, search->places,
	    keys_known_now_ms(search->entries->known), &search->pair,
	    search->fault);
}

/* The arena is cleared without being wiped. */
static void
wipe(const struct opendkim_key found[KEYS_PER_DOMAIN])
{
	for (size_t i = 0; i < KEYS_PER_DOMAIN; i++)
		if (found[i].is_inline && found[i].key != NULL)
			OPENSSL_cleanse((char *)(uintptr_t)found[i].key,
			    strlen(found[i].key));
}

static void
search_end(struct search *search)
{
	keys_tables_give(search->entries->tables, &search->pair);
	/* What was copied before memory ran out isn't counted. */
	wipe(search->found);
	wipe(search->shared);
	arena_clear(&search->arena);
}

static bool
search_domain(struct search *search, const char *domain)
{
	if (search->pair == NULL
	    || opendkim_of_domain(search->pair->tables, domain, &search->arena,
		search->found, KEYS_PER_DOMAIN, &search->count))
		return true;
	fault_memory(search->fault);
	return false;
}

/* Where the key of an entry is. The digest lives in the arena. */
static bool
make_question(struct search *search, const struct opendkim_key *entry,
    struct key_question *question_out)
{
	struct keys_known *known = search->entries->known;
	char *digest;

	if (!entry->is_inline)
		return keys_known_question(
		    known, PLACE_FILES, "", NULL, entry->key, question_out);
	digest = arena_alloc(&search->arena, 2 * KEYS_DIGEST_OCTETS + 1);
	if (digest == NULL)
		return false;
	keys_ask_digest(entry->key, digest);
	if (!keys_known_question(
		known, PLACE_TEXTS, "", NULL, digest, question_out))
		return false;
	question_out->text = entry->key;
	return true;
}

/* The parsed key of an entry, held; NULL: its domain has no file. */
static bool
find_entry(struct search *search, const struct opendkim_key *entry,
    struct key_set **set_out)
{
	struct key_question question;
	bool is_found;

	*set_out = NULL;
	if (!make_question(search, entry, &question)) {
		fault_memory(search->fault);
		return false;
	}
	is_found = keys_known_find(
	    search->entries->known, &question, set_out, search->fault);
	if (is_found && *set_out == NULL
	    && !keys_tables_is_open(search->pair, entry->line)) {
		fault_set(search->fault, FAULT_PERMANENT,
		    KEYS_FILE_MISSING_WORDS, entry->key);
		is_found = false;
	}
	if (!is_found && search->fault != NULL
	    && search->fault->kind != FAULT_MEMORY)
		fault_prefix(search->fault,
		    "%s:%zu: ", search->places->key_table, entry->line);
	return is_found;
}

/* Add the key of an entry to set. A selector that is there already stays what
 * it is: there can be but one record of it. */
static bool
borrow_entry(struct search *search, const struct opendkim_key *entry,
    struct key_set *set)
{
	struct keys_known *known = search->entries->known;
	struct key_set *lender;
	bool is_good;

	for (size_t i = 0; i < set->ring.count; i++)
		if (text_equal_case(set->keys[i].selector, entry->selector))
			return true;
	if (!find_entry(search, entry, &lender))
		return false;
	if (lender == NULL)
		return true;
	is_good = keys_known_borrow(known, set, entry->selector, lender);
	keys_known_drop(known, &lender);
	if (!is_good)
		fault_memory(search->fault);
	return is_good;
}

/* A ring of the keys of these entries, under their own names; NULL: of none.
 * It isn't remembered: the keys are. */
static bool
lend(struct search *search, const struct opendkim_key *entries, size_t count,
    const struct key_ring **ring_out)
{
	struct key_set *set = keys_set_open(entries[0].domain, count);
	bool is_good = set != NULL;

	*ring_out = NULL;
	if (!is_good)
		fault_memory(search->fault);
	for (size_t i = 0; is_good && i < count; i++)
		is_good = borrow_entry(search, &entries[i], set);
	if (is_good && set->ring.count > 0)
		*ring_out = keys_known_lend(search->entries->known, set);
	else
		keys_known_drop(search->entries->known, &set);
	return is_good;
}

bool
keys_entries_find(const struct keys_entries *entries,
    const struct key_places *places, const char *domain,
    const struct key_ring **ring_out, struct fault *fault)
{
	struct search search = {
		.entries = entries, .places = places, .fault = fault
	};
	bool is_found = search_begin(&search) && search_domain(&search, domain);

	*ring_out = NULL;
	if (is_found && search.count > 0)
		is_found = lend(&search, search.found, search.count, ring_out);
	search_end(&search);
	return is_found;
}

static bool
search_address(
    struct search *search, const char *local_part, const char *domain)
{
	if (search->pair == NULL
	    || opendkim_match(search->pair->tables, local_part, domain,
		&search->arena, search->found, KEYS_MATCHES, &search->count))
		return true;
	fault_memory(search->fault);
	return false;
}

void
keys_entries_return(const struct keys_entries *entries, struct key_match *match)
{
	keys_known_return(entries->known, &match->ring);
	free(match->identity);
	match->identity = NULL;
}

/* What an entry gives; its ring is NULL if its domain has no file. */
static bool
lend_match(struct search *search, const struct opendkim_key *entry,
    struct key_match *match_out)
{
	*match_out = (struct key_match){ 0 };
	if (!lend(search, entry, 1, &match_out->ring))
		return false;
	if (match_out->ring == NULL || entry->identity == NULL)
		return true;
	match_out->identity = strdup(entry->identity);
	if (match_out->identity != NULL)
		return true;
	keys_known_return(search->entries->known, &match_out->ring);
	fault_memory(search->fault);
	return false;
}

bool
keys_entries_match(const struct keys_entries *entries,
    const struct key_places *places, const char *local_part, const char *domain,
    bool (*may_sign)(void *context, const char *key_domain), void *context,
    struct key_match matches_out[KEYS_MATCHES], size_t *count_out,
    struct fault *fault)
{
	struct search search = {
		.entries = entries, .places = places, .fault = fault
	};
	size_t most = places->takes_all ? KEYS_MATCHES : 1;
	bool is_found = search_begin(&search)
	    && search_address(&search, local_part, domain);

	*count_out = 0;
	for (size_t i = 0; is_found && i < search.count && *count_out < most;
	     i++) {
		const struct opendkim_key *entry = &search.found[i];
		struct key_match *match = &matches_out[*count_out];

		if (may_sign != NULL && !may_sign(context, entry->domain))
			continue;
		is_found = lend_match(&search, entry, match);
		*count_out += match->ring != NULL;
	}
	search_end(&search);
	while (!is_found && *count_out > 0)
		keys_entries_return(entries, &matches_out[--*count_out]);
	return is_found;
}

/* Find the entries whose d= is "%". Those of a domain hold no more of them. */
static bool
search_shared(struct search *search)
{
	return search->pair == NULL
	    || opendkim_of_domain(search->pair->tables, "%", &search->arena,
		search->shared, KEYS_PER_DOMAIN, &search->shared_count);
}

/* Would the entry give its one key to any domain there is? That says nothing of
 * this one. */
static bool
is_for_all(const struct search *search, const struct opendkim_key *entry)
{
	if (keys_tables_is_open(search->pair, entry->line))
		return false;
	for (size_t i = 0; i < search->shared_count; i++)
		if (search->shared[i].line == entry->line)
			return true;
	return false;
}

/* Is there a key of the entry's domain? */
static bool
has_entry(struct search *search, const struct opendkim_key *entry)
{
	struct key_question question;

	if (is_for_all(search, entry))
		return false;
	return !keys_tables_is_open(search->pair, entry->line)
	    || !make_question(search, entry, &question)
	    || keys_known_has(search->entries->known, &question);
}

bool
keys_entries_has(const struct keys_entries *entries,
    const struct key_places *places, const char *domain)
{
	struct search search = { .entries = entries, .places = places };
	bool has = !search_begin(&search) || !search_domain(&search, domain)
	    || !search_shared(&search);

	for (size_t i = 0; !has && i < search.count; i++)
		has = has_entry(&search, &search.found[i]);
	search_end(&search);
	return has;
}
