#include "conf/opendkim_ends.h"

#include <stdlib.h>
#include <string.h>

/* The tail of an end; its length is its own. */
static const char *
tail_of(const struct opendkim_rules *rules, const struct opendkim_end *end)
{
	const struct opendkim_rule *rule = &rules->rules[end->sample];

	return rule->pattern + rule->length - end->tail;
}

static uint64_t
tail_hash(const struct opendkim_rules *rules, const char *tail)
{
	return opendkim_index_hash(&rules->by_end, tail);
}

/* Both are drawn by the same secret: no sum of two is likelier than another.
 */
static uint64_t
both_hash(
    const struct opendkim_rules *rules, const char *head, const char *tail)
{
	return tail_hash(rules, tail)
	    + 3 * opendkim_index_hash(&rules->by_end, head);
}

const struct opendkim_end *
opendkim_ends_of_tail(const struct opendkim_rules *rules, const char *tail)
{
	size_t length = strlen(tail);
	const uint32_t *at = NULL;
	uint64_t hash;

	if (length > OPENDKIM_PATTERN_OCTETS || !rules->has_tail[length])
		return NULL;
	hash = tail_hash(rules, tail);
	while ((at = opendkim_index_find(&rules->by_end, hash, at)) != NULL) {
		const struct opendkim_end *end = &rules->ends[*at];

		if (end->head == 0 && end->tail == length
		    && memcmp(tail_of(rules, end), tail, length) == 0)
			return end;
	}
	return NULL;
}

const struct opendkim_end *
opendkim_ends_of_head(const struct opendkim_rules *rules,
    const struct opendkim_end *bare, const char *head)
{
	const char *tail = tail_of(rules, bare);
	size_t length = strlen(head);
	uint64_t hash = both_hash(rules, head, tail);
	const uint32_t *at = NULL;

	while ((at = opendkim_index_find(&rules->by_end, hash, at)) != NULL) {
		const struct opendkim_end *end = &rules->ends[*at];

		if (end->head == length && end->tail == bare->tail
		    && memcmp(rules->rules[end->sample].pattern, head, length)
			== 0
		    && memcmp(tail_of(rules, end), tail, end->tail) == 0)
			return end;
	}
	return NULL;
}

static struct opendkim_end *
add(struct opendkim_rules *rules, uint64_t hash, size_t sample, size_t head,
    size_t tail)
{
	struct opendkim_end *end = &rules->ends[rules->end_count];

	*end = (struct opendkim_end){
		.sample = (uint32_t)sample,
		.first = OPENDKIM_NONE,
		.last = OPENDKIM_NONE,
		.head = (uint16_t)head,
		.tail = (uint16_t)tail,
	};
	opendkim_index_put(&rules->by_end, hash, (uint32_t)rules->end_count);
	rules->end_count++;
	rules->has_tail[tail] = true;
	return end;
}

/* The ends that were found are the table's own: here they may be changed. */
static struct opendkim_end *
own(struct opendkim_rules *rules, const struct opendkim_end *end)
{
	return end != NULL ? &rules->ends[end - rules->ends] : NULL;
}

/* The end of the rule at which; it is made, if it must be. */
static struct opendkim_end *
end_for(struct opendkim_rules *rules, size_t which)
{
	const struct opendkim_rule *rule = &rules->rules[which];
	const char *tail = rule->pattern;
	size_t head = 0;
	char text[OPENDKIM_PATTERN_OCTETS + 1];
	struct opendkim_end *bare;
	struct opendkim_end *end;

	if (rule->is_glob) {
		head = strcspn(rule->pattern, "*");
		tail = strrchr(rule->pattern, '*') + 1;
	}
	bare = own(rules, opendkim_ends_of_tail(rules, tail));
	if (bare == NULL)
		bare =
		    add(rules, tail_hash(rules, tail), which, 0, strlen(tail));
	if (head == 0)
		return bare;
	if (bare->most_head < head)
		bare->most_head = (uint16_t)head;
	memcpy(text, rule->pattern, head);
	text[head] = '\0';
	end = own(rules, opendkim_ends_of_head(rules, bare, text));
	if (end == NULL)
		end = add(rules, both_hash(rules, text, tail), which, head,
		    strlen(tail));
	return end;
}

static void
append(struct opendkim_rules *rules, struct opendkim_end *end, size_t which)
{
	if (end->first == OPENDKIM_NONE)
		end->first = (uint32_t)which;
	else
		rules->rules[end->last].next = (uint32_t)which;
	end->last = (uint32_t)which;
}

/* In a refile a pattern may have several keys; in a plain file OpenDKIM takes
 * the first. */
static void
put_rules(struct opendkim_rules *rules, struct opendkim_lines *file,
    const uint32_t *lines)
{
	size_t count = rules->count;

	rules->count = 0;
	for (size_t i = 0; i < count; i++) {
		struct opendkim_end *end;

		rules->rules[rules->count] = rules->rules[i];
		end = end_for(rules, rules->count);
		if (end->first != OPENDKIM_NONE && !rules->is_refile) {
			opendkim_lines_complain(file, lines[i],
			    "%s is there before, and the first counts; for "
			    "several keys use a refile",
			    rules->rules[rules->count].pattern);
			continue;
		}
		append(rules, end, rules->count);
		rules->count++;
	}
}

/* How many ends there can be: globs with a head may need two. */
static size_t
most_ends(const struct opendkim_rules *rules)
{
	size_t most = rules->count;

	for (size_t i = 0; i < rules->count; i++)
		most += rules->rules[i].is_glob
		    && rules->rules[i].pattern[0] != '*';
	return most;
}

bool
opendkim_ends_make(struct opendkim_rules *rules, struct opendkim_lines *file,
    const uint32_t *lines)
{
	size_t most = most_ends(rules);
	struct opendkim_rule *fitting;
	struct opendkim_end *ends;

	if (rules->count == 0)
		return true;
	fitting = realloc(rules->rules, rules->count * sizeof(*fitting));
	if (fitting != NULL)
		rules->rules = fitting;
	rules->ends = malloc(most * sizeof(*rules->ends));
	if (rules->ends == NULL || !opendkim_index_init(&rules->by_end, most))
		return false;
	put_rules(rules, file, lines);
	ends = realloc(rules->ends, rules->end_count * sizeof(*ends));
	if (ends != NULL)
		rules->ends = ends;
	return true;
}
