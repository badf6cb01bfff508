#include "conf/opendkim.h"

#include "conf/opendkim_find.h"
#include "conf/opendkim_keys.h"
#include "conf/opendkim_pattern.h"
#include "conf/opendkim_rules.h"
#include "policy/address.h"
#include "policy/text.h"

#include <stdlib.h>
#include <string.h>

struct opendkim_tables {
	struct opendkim_keys keys;
	struct opendkim_rules rules;
};

static void
keep_quiet(void *context, const struct fault *fault)
{
	(void)context;
	(void)fault;
}

struct opendkim_tables *
opendkim_read(const char *key_table, const char *signing_table, bool is_refile,
    void (*complain)(void *context, const struct fault *fault), void *context,
    size_t *count_out, struct fault *fault)
{
	struct opendkim_tables *tables = calloc(1, sizeof(*tables));
	struct opendkim_complaints complaints = {
		.complain = complain != NULL ? complain : keep_quiet,
		.context = context,
	};
	bool is_read;

	*count_out = 0;
	if (tables == NULL) {
		fault_memory(fault);
		return NULL;
	}
	is_read =
	    opendkim_keys_read(&tables->keys, key_table, &complaints, fault);
	if (is_read && *signing_table != '\0')
		is_read = opendkim_rules_read(&tables->rules, signing_table,
		    is_refile, &tables->keys, &complaints, fault);
	*count_out = complaints.count;
	if (!is_read)
		opendkim_free(&tables);
	return tables;
}

/* May the domain of a question stand in a file's path? It is normalised, so
 * it does; but a path is nothing to be careless with. */
static bool
is_harmless(const char *domain)
{
	size_t length = strlen(domain);

	return length > 0 && length <= ADDRESS_DOMAIN_OCTETS && domain[0] != '.'
	    && domain[0] != '[' && strchr(domain, '/') == NULL;
}

/* i= of a pick whose d= is domain; NULL: it has none. False: no memory. */
static bool
identify(const struct opendkim_pick *pick, const char *author,
    const char *domain, struct arena *arena, const char **identity_out)
{
	struct fault fault;

	*identity_out = NULL;
	return pick->signer == NULL
	    || opendkim_pattern_signer(
		arena, pick->signer, author, domain, identity_out, &fault)
	    || fault.kind != FAULT_MEMORY;
}

/* A pick as an answer. */
static bool
give(const struct opendkim_pick *pick, const char *author, struct arena *arena,
    struct opendkim_key *key_out)
{
	const struct opendkim_entry *entry = pick->entry;
	const char *domain =
	    strcmp(entry->domain, "%") != 0 ? entry->domain : author;

	*key_out = (struct opendkim_key){
		.name = arena_strdup(arena, entry->name),
		.domain = arena_strdup(arena, domain),
		.selector = arena_strdup(arena, entry->selector),
		.key = entry->has_token
		    ? opendkim_pattern_fill(arena, entry->key, domain)
		    : arena_strdup(arena, entry->key),
		.is_inline = entry->is_inline,
		.line = entry->line,
	};
	return key_out->name != NULL && key_out->domain != NULL
	    && key_out->selector != NULL && key_out->key != NULL
	    && identify(pick, author, domain, arena, &key_out->identity);
}

static bool
give_all(const struct opendkim_picks *picks, const char *author,
    struct arena *arena, struct opendkim_key *keys_out, size_t *count_out)
{
	for (size_t i = 0; i < picks->count; i++)
		if (!give(&picks->picks[i], author, arena, &keys_out[i]))
			return false;
	*count_out = picks->count;
	return true;
}

static size_t
least(size_t one, size_t other)
{
	return one < other ? one : other;
}

bool
opendkim_match(const struct opendkim_tables *tables, const char *local_part,
    const char *domain, struct arena *arena, struct opendkim_key *keys_out,
    size_t most, size_t *count_out)
{
	struct opendkim_picks picks;
	char *local;

	*count_out = 0;
	if (!is_harmless(domain))
		return true;
	local = arena_strdup(arena, local_part);
	if (local == NULL)
		return false;
	text_lower(local);
	return opendkim_picks_init(
		   &picks, arena, least(most, tables->keys.count))
	    && opendkim_find(
		&tables->rules, &tables->keys, local, domain, arena, &picks)
	    && give_all(&picks, domain, arena, keys_out, count_out);
}

/* Add the entries of a d=, as many as are wanted. */
static void
pick_domain(const struct opendkim_keys *keys, const char *domain,
    struct opendkim_picks *picks)
{
	const struct opendkim_entry *entry = opendkim_keys_first(keys, domain);

	for (size_t i = 0; entry != NULL && i < picks->most; i++) {
		opendkim_picks_add(picks,
		    &(struct opendkim_pick){
			.entry = entry, .order = entry->line });
		entry = opendkim_keys_next(keys, entry);
	}
}

bool
opendkim_of_domain(const struct opendkim_tables *tables, const char *domain,
    struct arena *arena, struct opendkim_key *keys_out, size_t most,
    size_t *count_out)
{
	struct opendkim_picks picks;

	*count_out = 0;
	if (!is_harmless(domain))
		return true;
	if (!opendkim_picks_init(
		&picks, arena, least(most, tables->keys.count)))
		return false;
	pick_domain(&tables->keys, domain, &picks);
	pick_domain(&tables->keys, "%", &picks);
	return give_all(&picks, domain, arena, keys_out, count_out);
}

void
opendkim_each(const struct opendkim_tables *tables,
    bool (*take)(void *context, const struct opendkim_key *key), void *context)
{
	for (size_t i = 0; i < tables->keys.count; i++) {
		const struct opendkim_entry *entry = &tables->keys.entries[i];
		struct opendkim_key key = {
			.name = entry->name,
			.domain = entry->domain,
			.selector = entry->selector,
			.key = entry->key,
			.is_inline = entry->is_inline,
			.line = entry->line,
		};

		if (!take(context, &key))
			return;
	}
}

struct opendkim_counts
opendkim_count(const struct opendkim_tables *tables)
{
	return (struct opendkim_counts){
		.keys = tables->keys.count,
		.inline_keys = tables->keys.inline_count,
		.rules = tables->rules.count,
	};
}

void
opendkim_free(struct opendkim_tables **tables)
{
	if (*tables == NULL)
		return;
	opendkim_rules_clear(&(*tables)->rules);
	opendkim_keys_clear(&(*tables)->keys);
	free(*tables);
	*tables = NULL;
}
