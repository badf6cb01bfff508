#include "conf/opendkim_find.h"

#include "conf/opendkim_ends.h"
#include "conf/opendkim_pattern.h"

#include <string.h>

/* A question under way. */
struct question {
	const struct opendkim_rules *rules;
	const struct opendkim_keys *keys;
	char *address;
	size_t length; /* of address */
	const char *domain;
	struct opendkim_picks *picks;
};

bool
opendkim_picks_init(
    struct opendkim_picks *picks, struct arena *arena, size_t most)
{
	*picks = (struct opendkim_picks){
		.picks = arena_alloc(arena, most * sizeof(*picks->picks)),
		.most = most,
	};
	return picks->picks != NULL;
}

static bool
is_enough(const struct opendkim_picks *picks, size_t order)
{
	return picks->count == picks->most
	    && (picks->most == 0
		|| picks->picks[picks->count - 1].order <= order);
}

static void
take_out(struct opendkim_picks *picks, size_t at)
{
	picks->count--;
	for (; at < picks->count; at++)
		picks->picks[at] = picks->picks[at + 1];
}

void
opendkim_picks_add(
    struct opendkim_picks *picks, const struct opendkim_pick *pick)
{
	size_t at;

	if (is_enough(picks, pick->order))
		return;
	for (size_t i = 0; i < picks->count; i++) {
		if (picks->picks[i].entry != pick->entry)
			continue;
		if (picks->picks[i].order <= pick->order)
			return;
		take_out(picks, i);
		break;
	}
	if (picks->count == picks->most)
		picks->count--;
	for (at = picks->count;
	     at > 0 && picks->picks[at - 1].order > pick->order; at--)
		picks->picks[at] = picks->picks[at - 1];
	picks->picks[at] = *pick;
	picks->count++;
}

static void
add(const struct question *question, const struct opendkim_rule *rule,
    size_t order)
{
	struct opendkim_pick pick = { .order = order };

	if (rule->key == OPENDKIM_BY_DOMAIN)
		pick.entry =
		    opendkim_keys_named(question->keys, question->domain);
	else
		pick.entry = &question->keys->entries[rule->key];
	if (rule->signer != OPENDKIM_NONE)
		pick.signer = question->rules->signers[rule->signer];
	if (pick.entry != NULL)
		opendkim_picks_add(question->picks, &pick);
}

/* Lines whose two ends fit, in the file's order. */
static void
take(const struct question *question, const struct opendkim_end *end)
{
	const struct opendkim_rules *rules = question->rules;
	uint32_t next;

	for (uint32_t at = end->first; at != OPENDKIM_NONE; at = next) {
		const struct opendkim_rule *rule = &rules->rules[at];

		if (is_enough(question->picks, at))
			return;
		next = rule->next;
		if (rule->is_glob ? opendkim_pattern_fits(
			rule->pattern, question->address, question->length)
				  : rule->length == question->length)
			add(question, rule, at);
	}
}

/* The ends with this tail whose heads the address begins with, which isn't
 * all of it: a head and a tail don't overlap. */
static void
take_heads(const struct question *question, const struct opendkim_end *bare)
{
	size_t most = question->length - bare->tail;

	if (most > bare->most_head)
		most = bare->most_head;
	for (size_t head = 1; head <= most; head++) {
		char octet = question->address[head];
		const struct opendkim_end *end;

		question->address[head] = '\0';
		end = opendkim_ends_of_head(
		    question->rules, bare, question->address);
		question->address[head] = octet;
		if (end != NULL)
			take(question, end);
	}
}

static void
find_globs(const struct question *question)
{
	for (size_t start = 0; start <= question->length; start++) {
		const struct opendkim_end *bare = opendkim_ends_of_tail(
		    question->rules, question->address + start);

		if (bare == NULL)
			continue;
		take(question, bare);
		take_heads(question, bare);
	}
}

/* Add what a plain file has for text; *order is how many were asked for. */
static void
find_exact(const struct question *question, const char *text, size_t *order)
{
	const struct opendkim_end *end =
	    opendkim_ends_of_tail(question->rules, text);

	if (end != NULL)
		add(question, &question->rules->rules[end->first], *order);
	++*order;
}

static bool
find_plain(
    const struct question *question, const char *local, struct arena *arena)
{
	size_t local_length = strlen(local);
	size_t order = 0;
	char *text = arena_alloc(arena, question->length + 3);
	char *host;

	if (text == NULL)
		return false;
	memcpy(text, question->address, question->length + 1);
	host = text + local_length + 1;
	find_exact(question, text, &order);
	find_exact(question, host, &order);
	for (const char *dot = strchr(question->domain, '.'); dot != NULL;
	     dot = strchr(dot + 1, '.')) {
		memcpy(host, dot, strlen(dot) + 1);
		find_exact(question, text, &order);
		find_exact(question, host, &order);
	}
	memcpy(host, "*", 2);
	find_exact(question, text, &order);
	find_exact(question, host, &order);
	return true;
}

bool
opendkim_find(const struct opendkim_rules *rules,
    const struct opendkim_keys *keys, const char *local, const char *domain,
    struct arena *arena, struct opendkim_picks *picks)
{
	struct question question = {
		.rules = rules,
		.keys = keys,
		.address = arena_printf(arena, "%s@%s", local, domain),
		.domain = domain,
		.picks = picks,
	};

	if (question.address == NULL)
		return false;
	question.length = strlen(question.address);
	if (!rules->is_refile)
		return find_plain(&question, local, arena);
	find_globs(&question);
	return true;
}
