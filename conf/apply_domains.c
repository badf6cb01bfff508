#include "conf/apply.h"

#include "conf/values.h"

#include <stdlib.h>
#include <string.h>

/* Of sections that are looked for by walking over all of them. */
enum { OTHERS_MOST = 4096 };

/* A section of a domain, and what is done with it. */
struct block {
	const struct parse_section *section;
	const char *domain;        /* normalised; NULL: it is none */
	size_t order;              /* in which they were read */
	const struct block *first; /* of this domain; itself, as a rule */
	size_t index;              /* of the domain in the snapshot */
};

void
apply_part_domains(struct build *build)
{
	struct parse_section *section = build->tree.sections;
	struct parse_section **others = &build->tree.sections;
	struct parse_section **domains = &build->domains;
	size_t other_count = 0;

	for (; section != NULL; section = section->next) {
		if (strcmp(section->name, "domain") == 0) {
			*domains = section;
			domains = &section->next;
			build->domain_count++;
		} else if (other_count++ < OTHERS_MOST) {
			*others = section;
			others = &section->next;
		} else if (other_count == OTHERS_MOST + 1) {
			problems_add(&build->problems, section->source,
			    section->line,
			    "more than %d sections besides those of domains",
			    OTHERS_MOST);
		}
	}
	*domains = NULL;
	*others = NULL;
}

static void
name_block(struct build *build, struct block *block)
{
	struct problems *problems = &build->problems;
	const struct parse_section *section = block->section;
	const char *label = section->label;
	struct fault fault = { .kind = FAULT_NONE };

	if (label == NULL)
		problems_add(problems, section->source, section->line,
		    "a domain's section needs its name; write domain "
		    "\"a.example\" {");
	else if (!address_domain(build->arena, label, strlen(label),
		     &block->domain, &fault)) {
		block->domain = NULL;
		if (fault.kind == FAULT_MEMORY)
			problems_memory(problems);
		else
			problems_add(problems, section->source, section->line,
			    "domain \"%s\": %s",
			    problems_excerpt(problems, label), fault.words);
	}
}

/* By domain, those without one last, and then as they were read. */
static int
by_domain(const void *one, const void *other)
{
	const struct block *a = *(const struct block *const *)one;
	const struct block *b = *(const struct block *const *)other;
	int order = (a->domain == NULL) - (b->domain == NULL);

	if (order == 0 && a->domain != NULL)
		order = strcmp(a->domain, b->domain);
	if (order != 0)
		return order;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* Give each domain its place; returns how many domains there are. */
static size_t
place_blocks(struct block *blocks, struct block **sorted, size_t count)
{
	const struct block *first = NULL;
	size_t domains = 0;

	for (size_t i = 0; i < count; i++)
		sorted[i] = &blocks[i];
	qsort(sorted, count, sizeof(struct block *), by_domain);
	for (size_t i = 0; i < count && sorted[i]->domain != NULL; i++) {
		if (first == NULL
		    || strcmp(first->domain, sorted[i]->domain) != 0) {
			first = sorted[i];
			domains++;
		}
		sorted[i]->first = first;
		sorted[i]->index = domains - 1;
	}
	return domains;
}

static bool
has(const struct applied *applied, const char *option)
{
	return applied
		   ->seen[options_index(options_find("domain", NULL, option))]
	    != NULL;
}

static void
apply_domain(struct build *build, const struct block *block)
{
	struct applied applied = apply_begin(block->section, build->conf);
	struct domain_conf *domain = &build->conf->domains[block->index];

	applied.shown = apply_shown(build, "domain", block->domain);
	if (block->first != block) {
		apply_duplicate(build, &applied, block->first->section);
		return;
	}
	domain->domain = block->domain;
	applied.places.domain = domain;
	applied.written = &build->own->domain_written[block->index];
	apply_options(build, &applied);
	domain->has_canon = has(&applied, "canonicalization");
	domain->has_headers = has(&applied, "headers");
	domain->has_oversign = has(&applied, "oversign");
	domain->has_expire = has(&applied, "expire");
	if (domain->has_headers && domain->rules.headers.count == 0)
		domain->rules.headers = signing_default_headers();
}

/* The blocks in the order in which they were read; NULL for want of memory. */
static struct block *
list_blocks(struct build *build)
{
	struct block *blocks = arena_alloc(
	    build->scratch, (build->domain_count + 1) * sizeof(*blocks));
	size_t count = 0;

	if (blocks == NULL) {
		problems_memory(&build->problems);
		return NULL;
	}
	for (const struct parse_section *section = build->domains;
	     section != NULL; section = section->next) {
		blocks[count].section = section;
		blocks[count].order = count;
		name_block(build, &blocks[count++]);
	}
	return blocks;
}

void
apply_domains(struct build *build)
{
	size_t count = build->domain_count;
	struct block *blocks = list_blocks(build);
	struct block **sorted =
	    arena_alloc(build->scratch, (count + 1) * sizeof(struct block *));
	size_t domains;

	if (blocks == NULL || sorted == NULL) {
		problems_memory(&build->problems);
		return;
	}
	domains = place_blocks(blocks, sorted, count);
	build->conf->domains =
	    build_alloc(build, (domains + 1) * sizeof(struct domain_conf));
	build->own->domain_written =
	    build_alloc(build, (domains + 1) * sizeof(struct written *));
	if (build->problems.is_out_of_memory)
		return;
	for (size_t i = 0; i < count && !build->problems.is_out_of_memory; i++)
		if (blocks[i].domain != NULL)
			apply_domain(build, &blocks[i]);
	if (!build->problems.is_out_of_memory)
		build->conf->domain_count = domains;
}
