/* What a lost answer may change: trees of names with some answers lost, where
 * the machine's finding is compared with what a plain reading of RFC 9989
 * §4.10 makes of each thing that the lost names could have said. */
#include "policy/dmarc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	ARENA_BYTES = 1 << 20,
	TRIALS = 60000,
	NAMES = 64,
	LOST_MOST = 3,
	QUESTIONS = 64,
	PREFIX = sizeof("_dmarc.") - 1,
};

/* What may stand at a name. */
enum content { NOTHING, PLAIN, PSD_YES, PSD_NO, CONTENTS };

static const char *const records[] = {
	[PLAIN] = "v=DMARC1; p=reject",
	[PSD_YES] = "v=DMARC1; p=reject; psd=y",
	[PSD_NO] = "v=DMARC1; p=reject; psd=n",
};

struct entry {
	const char *domain;
	enum content content;
	bool is_lost;
};

/* A tree: what stands at each name; names that aren't listed have nothing. */
struct tree {
	struct entry entries[NAMES];
	size_t count;
};

/* Pairs of author and identifier; the tree is over the names of both. */
static const char *const pairs[][2] = {
	{ "a.b.c", "b.c" },
	{ "b.c", "a.b.c" },
	{ "a.b.c", "x.b.c" },
	{ "a.b.c", "x.y.c" },
	{ "b.c", "y.c" },
	{ "a.b.c", "x.a.b.c" },
	{ "a.b.c.d", "x.y.b.c.d" },
	{ "a.b.c.d", "c.d" },
	{ "c", "b.c" },
	{ "b.c", "c" },
	{ "b.c", "y.z" },
	{ "1.2.3.4.5.6.7.8", "x.1.2.3.4.5.6.7.8" },
	{ "x.1.2.3.4.5.6.7.8", "1.2.3.4.5.6.7.8" },
	{ "x.1.2.3.4.5.6.7.8", "y.1.2.3.4.5.6.7.8" },
	{ "x.0.1.2.3.4.5.6.7.8", "y.1.2.3.4.5.6.7.8" },
	{ "y.1.2.3.4.5.6.7.8", "z.y.1.2.3.4.5.6.7.8" },
	{ "2.3.4.5.6.7.8", "y.1.2.3.4.5.6.7.8" },
};

static uint64_t
next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static struct entry *
find(struct tree *tree, const char *domain)
{
	for (size_t i = 0; i < tree->count; i++)
		if (strcmp(tree->entries[i].domain, domain) == 0)
			return &tree->entries[i];
	return NULL;
}

static enum content
content_of(struct tree *tree, const char *domain)
{
	const struct entry *entry = find(tree, domain);

	return entry != NULL ? entry->content : NOTHING;
}

static void
grow(struct tree *tree, const char *domain, uint64_t *seed)
{
	while (domain != NULL) {
		const char *dot = strchr(domain, '.');
		uint64_t dice = next_random(seed);

		if (find(tree, domain) == NULL) {
			assert_true(tree->count < NAMES);
			tree->entries[tree->count++] = (struct entry){ domain,
				dice % 5 < 2
				    ? NOTHING
				    : (enum content)(dice / 5 % CONTENTS),
				false };
		}
		domain = dot != NULL ? dot + 1 : NULL;
	}
}

/* ---- the plain reading ---- */

struct reading {
	const char *org;
	const char *policy_domain; /* NULL: none */
};

/* The next name of a walk, §4.10 steps 4 and 7. */
static const char *
next_name(const char *start, const char *name)
{
	const char *dot = strchr(name, '.');

	if (name == start && dns_labels(name) >= 8)
		return dns_suffix(name, 7);
	return dot != NULL ? dot + 1 : NULL;
}

static struct reading
read_plainly(struct tree *tree, const char *start)
{
	struct reading reading = { start, NULL };
	const char *shortest = NULL, *org_record = NULL;
	enum content content = NOTHING;

	for (const char *name = start; name != NULL;
	     name = next_name(start, name)) {
		content = content_of(tree, name);
		if (content != NOTHING)
			shortest = name;
		if (content == PSD_YES || content == PSD_NO)
			break;
	}
	if (shortest != NULL && content == PSD_YES && shortest != start) {
		reading.org = dns_suffix(start, dns_labels(shortest) + 1);
		for (const char *name = start; name != NULL;
		     name = next_name(start, name))
			if (strcmp(name, reading.org) == 0
			    && content_of(tree, name) != NOTHING)
				org_record = name;
		reading.policy_domain =
		    org_record != NULL ? org_record : shortest;
	} else if (shortest != NULL) {
		reading.org = shortest;
		reading.policy_domain = shortest;
	}
	if (content_of(tree, start) != NOTHING)
		reading.policy_domain = start;
	return reading;
}

/* ---- what is possible ---- */

struct possible {
	const char *policy_domain;
	bool is_policy_sure, is_first;
	bool may_be_aligned, may_be_strangers;
};

static void
consider(struct tree *tree, const char *author, const char *identifier,
    struct possible *possible)
{
	struct reading mine = read_plainly(tree, author);
	struct reading other = read_plainly(tree, identifier);
	const char *was = possible->policy_domain, *is = mine.policy_domain;

	if (possible->is_first)
		possible->policy_domain = is;
	else if ((was == NULL) != (is == NULL)
	    || (was != NULL && strcmp(was, is) != 0))
		possible->is_policy_sure = false;
	possible->is_first = false;
	if (strcmp(mine.org, other.org) == 0)
		possible->may_be_aligned = true;
	else
		possible->may_be_strangers = true;
}

/* Try everything that the lost names from the i-th on could have said. */
static void
imagine(struct tree *tree, size_t i, const char *author, const char *identifier,
    struct possible *possible)
{
	while (i < tree->count && !tree->entries[i].is_lost)
		i++;
	if (i == tree->count) {
		consider(tree, author, identifier, possible);
		return;
	}
	for (int content = NOTHING; content < CONTENTS; content++) {
		tree->entries[i].content = (enum content)content;
		imagine(tree, i + 1, author, identifier, possible);
	}
}

/* ---- the machine ---- */

static size_t
drive(struct dmarc *dmarc, struct tree *tree)
{
	const struct dns_question *question;
	size_t asked = 0;

	while ((question = dmarc_machine.asks(dmarc)) != NULL) {
		struct entry *entry = find(tree, question->name + PREFIX);
		struct dns_answer answer = { .status = DNS_NXDOMAIN };
		struct dns_record record = { .text = NULL };

		assert_true(++asked <= QUESTIONS);
		if (entry == NULL) {
			fail_msg("%s isn't in the tree", question->name);
			return asked;
		}
		if (entry->is_lost) {
			answer.status = DNS_LOST;
			answer.why = "SERVFAIL";
		} else if (entry->content != NOTHING) {
			record.text = records[entry->content];
			record.text_length = strlen(record.text);
			answer.status = DNS_FOUND;
			answer.records = &record;
			answer.count = 1;
		}
		dmarc_machine.answer(dmarc, &answer);
	}
	return asked;
}

static const char *
alignment_name(enum dmarc_alignment alignment)
{
	static const char *const names[] = {
		[DMARC_NOT_ALIGNED] = "not aligned",
		[DMARC_STRICTLY] = "the same",
		[DMARC_RELAXEDLY] = "aligned",
		[DMARC_UNSURE] = "unsure",
	};

	return names[alignment];
}

static void
print_tree(const struct tree *tree)
{
	static const char *const names[] = { "nothing", "a record", "psd=y",
		"psd=n" };

	for (size_t i = 0; i < tree->count; i++)
		print_error("  %s: %s\n", tree->entries[i].domain,
		    tree->entries[i].is_lost ? "lost"
					     : names[tree->entries[i].content]);
}

static void
expect(struct tree *tree, const struct dmarc_finding *finding,
    const char *author, const char *identifier, const struct possible *possible)
{
	enum dmarc_status status = !possible->is_policy_sure ? DMARC_LOST
	    : possible->policy_domain == NULL                ? DMARC_ABSENT
							     : DMARC_FOUND;
	enum dmarc_alignment alignment = !possible->may_be_aligned
	    ? DMARC_NOT_ALIGNED
	    : possible->may_be_strangers ? DMARC_UNSURE
					 : DMARC_RELAXEDLY;

	if (finding->status == status
	    && (status != DMARC_FOUND
		|| (strcmp(finding->policy_domain, possible->policy_domain) == 0
		    && finding->by_dkim[0] == alignment)))
		return;
	print_tree(tree);
	fail_msg("author %s, identifier %s: wanted status %d, record of %s, "
		 "%s; got status %d, record of %s, %s",
	    author, identifier, (int)status,
	    possible->policy_domain != NULL ? possible->policy_domain : "none",
	    alignment_name(alignment), (int)finding->status,
	    finding->policy_domain != NULL ? finding->policy_domain : "none",
	    alignment_name(finding->by_dkim[0]));
}

static void
try(const char *author, const char *identifier, uint64_t *seed)
{
	const bool wants[DMARC_STANDARDS] = { [DMARC_RFC9989] = true };
	struct dmarc_domain signer = { identifier, NULL };
	struct dmarc_question question = {
		.author = { author, NULL }, .identifiers = &signer, .count = 1
	};
	struct possible possible = { .is_first = true, .is_policy_sure = true };
	struct tree tree = { .count = 0 };
	struct arena arena;
	struct dmarc *dmarc;

	grow(&tree, author, seed);
	grow(&tree, identifier, seed);
	for (uint64_t i = next_random(seed) % (LOST_MOST + 1); i > 0; i--)
		tree.entries[next_random(seed) % tree.count].is_lost = true;
	arena_init(&arena, ARENA_BYTES);
	dmarc = dmarc_begin(&question, wants, &arena);
	assert_non_null(dmarc);
	(void)drive(dmarc, &tree);
	imagine(&tree, 0, author, identifier, &possible);
	expect(&tree, &dmarc_outcome(dmarc)->by[DMARC_RFC9989], author,
	    identifier, &possible);
	arena_clear(&arena);
}

static void
test_trees(void **state)
{
	uint64_t seed = 0x9989748912345678u;

	(void)state;
	for (size_t i = 0; i < TRIALS; i++) {
		const char *const *pair =
		    pairs[i % (sizeof(pairs) / sizeof(pairs[0]))];

		try(pair[0], pair[1], &seed);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
