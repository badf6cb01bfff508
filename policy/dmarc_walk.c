#include "policy/dmarc_walk.h"

#include <string.h>

#define PREFIX "_dmarc."

bool
dmarc_spot_init(
    struct dmarc_spot *spot, const char *domain, struct arena *arena)
{
	const size_t prefix = sizeof(PREFIX) - 1, length = strlen(domain);
	char *name = arena_alloc(arena, prefix + length + 1);

	*spot = (struct dmarc_spot){ .domain = domain,
		.labels = dns_labels(domain),
		.question = { name, DNS_TXT } };
	if (name == NULL)
		return false;
	memcpy(name, PREFIX, prefix);
	memcpy(name + prefix, domain, length);
	if (!dns_is_name(name)) {
		spot->state = DMARC_SPOT_NONE;
		spot->remark = "the name is too long for the DNS";
	}
	return true;
}

/* A copy that can be shown: without the NUL that would end it. */
static const char *
copy(const struct dns_record *record, struct arena *arena)
{
	size_t length = record->text_length;
	char *text;

	if (length > DMARC_RECORD_OCTETS)
		length = DMARC_RECORD_OCTETS;
	text = arena_copy(arena, record->text, length);
	for (size_t i = 0; text != NULL && i < length; i++)
		if (text[i] == '\0')
			text[i] = '?';
	return text;
}

/* Would its publisher call it a DMARC record, though it can't be read? */
static bool
looks_like_one(const struct dns_record *record)
{
	static const char start[] = "v=DMARC";
	char begin[sizeof(start)] = "";

	if (record->text_length < sizeof(start) - 1)
		return false;
	memcpy(begin, record->text, sizeof(start) - 1);
	return dns_equal(begin, start);
}

static void
spot_lose(struct dmarc_spot *spot, const char *why, struct arena *arena)
{
	const char *remark = arena_printf(arena, "no answer: %s", why);

	spot->state = DMARC_SPOT_LOST;
	spot->remark = remark != NULL ? remark : "no answer";
}

/* Several records are none in RFC 9989, and the end in RFC 7489: both need to
 * know. */
static bool
spot_settle(
    struct dmarc_spot *spot, size_t count, size_t alike, struct arena *arena)
{
	spot->state = count == 0 ? DMARC_SPOT_NONE
	    : count == 1         ? DMARC_SPOT_ONE
				 : DMARC_SPOT_SEVERAL;
	if (count > 1) {
		spot->remark = arena_printf(
		    arena, "%zu DMARC records: all are discarded", count);
		return spot->remark != NULL;
	}
	spot->is_broken = count == 0 && alike > 0;
	if (alike > 0)
		spot->remark = "has a record that begins like one of DMARC "
			       "and can't be read: discarded";
	return true;
}

void
dmarc_spot_read(struct dmarc_spot *spot, const struct dns_answer *answer,
    struct arena *arena)
{
	const struct dns_record *first = NULL;
	size_t count = 0, alike = 0;

	if (answer->status == DNS_LOST) {
		spot_lose(
		    spot, answer->why != NULL ? answer->why : "unknown", arena);
		return;
	}
	for (size_t i = 0; i < answer->count; i++) {
		const struct dns_record *record = &answer->records[i];
		struct dmarc_record read;

		if (dmarc_record_read(
			record->text, record->text_length, &read)) {
			if (count++ > 0)
				continue;
			first = record;
			spot->record = read;
		} else if (looks_like_one(record)) {
			alike++;
		}
	}
	spot->text = first != NULL ? copy(first, arena) : NULL;
	if ((first != NULL && spot->text == NULL)
	    || !spot_settle(spot, count, alike, arena))
		spot_lose(spot, "out of memory", arena);
}

bool
dmarc_spot_stops(const struct dmarc_spot *spot)
{
	return spot->state == DMARC_SPOT_ONE
	    && spot->record.psd != DMARC_PSD_UNKNOWN;
}

size_t
dmarc_walk_length(size_t labels)
{
	if (labels == 0)
		return 1;
	return labels < DMARC_WALK ? labels : (size_t)DMARC_WALK;
}

size_t
dmarc_walk_labels(size_t labels, size_t index)
{
	return index == 0 ? labels : dmarc_walk_length(labels) - index;
}

struct dmarc_spot *
dmarc_walk_find(const struct dmarc_walk *walk, size_t labels)
{
	for (size_t i = 0; i < walk->count; i++)
		if (walk->levels[i]->labels == labels)
			return walk->levels[i];
	return NULL;
}

/* The domain so many labels long at the end of the walk's first. */
static const char *
suffix(const struct dmarc_walk *walk, size_t labels)
{
	return dns_suffix(walk->levels[0]->domain, labels);
}

/* The walk has come to its end, or to stop, which ends it; shortest is the last
 * record that was found. §4.10.2, steps 1 to 3; psd=y at the start doesn't
 * count as such there. */
static struct dmarc_place
place_chosen(const struct dmarc_walk *walk, struct dmarc_spot *shortest)
{
	struct dmarc_place place = { .org = walk->levels[0]->domain };

	if (shortest == NULL)
		return place;
	if (shortest->record.psd == DMARC_PSD_YES
	    && shortest != walk->levels[0]) {
		struct dmarc_spot *below =
		    dmarc_walk_find(walk, shortest->labels + 1);

		place.org = suffix(walk, shortest->labels + 1);
		place.psd_spot = shortest;
		if (below != NULL && below->state == DMARC_SPOT_ONE)
			place.org_spot = below;
	} else {
		place.org = shortest->domain;
		place.org_spot = shortest;
	}
	return place;
}

struct dmarc_place
dmarc_walk_place(const struct dmarc_walk *walk)
{
	struct dmarc_spot *shortest = NULL;

	for (size_t i = 0; i < walk->count; i++) {
		struct dmarc_spot *spot = walk->levels[i];

		if (spot->state == DMARC_SPOT_OPEN)
			return (struct dmarc_place){ .open = spot };
		if (spot->state == DMARC_SPOT_LOST)
			return (struct dmarc_place){ .lost = spot };
		if (spot->state == DMARC_SPOT_ONE)
			shortest = spot;
		if (dmarc_spot_stops(spot))
			break;
	}
	return place_chosen(walk, shortest);
}

size_t
dmarc_walk_common(const char *one, const char *other)
{
	size_t i = strlen(one), j = strlen(other), common = 0;

	while (i > 0 && j > 0 && one[i - 1] == other[j - 1]) {
		i--;
		j--;
		common += one[i] == '.';
	}
	/* The label that begins here is shared only if it is a whole one in
	 * both. */
	return common
	    + ((i == 0 || one[i - 1] == '.') && (j == 0 || other[j - 1] == '.')
		&& one[i] != '.' && one[i] != '\0');
}

/* Does the part of a walk that the other doesn't share, labels above shared,
 * let it go on? Not aligned: it stops there. */
static enum dmarc_alignment
own_part(
    const struct dmarc_walk *walk, size_t shared, struct dmarc_spot **open_out)
{
	enum dmarc_alignment result = DMARC_RELAXEDLY;

	for (size_t i = 0; i < walk->count && walk->levels[i]->labels > shared;
	     i++) {
		struct dmarc_spot *spot = walk->levels[i];

		if (spot->state == DMARC_SPOT_OPEN)
			*open_out = spot;
		if (*open_out != NULL || dmarc_spot_stops(spot))
			return DMARC_NOT_ALIGNED;
		if (spot->state == DMARC_SPOT_LOST)
			result = DMARC_UNSURE;
	}
	return result;
}

/* What the names that both walks ask say, if both come to them: any record
 * makes one domain the organizational domain of both, but for psd=y at the
 * longest, whose registrants are strangers to each other. */
static enum dmarc_alignment
shared_part(const struct dmarc_walk *walk, size_t shared, size_t common,
    struct dmarc_spot **open_out)
{
	enum dmarc_alignment result = DMARC_NOT_ALIGNED;

	for (size_t i = 0; i < walk->count; i++) {
		struct dmarc_spot *spot = walk->levels[i];

		if (spot->labels > shared)
			continue;
		if (spot->state == DMARC_SPOT_OPEN) {
			*open_out = spot;
			return DMARC_UNSURE;
		}
		if (spot->state == DMARC_SPOT_LOST) {
			result = DMARC_UNSURE;
			if (spot->labels == common)
				return result;
		}
		if (spot->state != DMARC_SPOT_ONE)
			continue;
		return spot->record.psd == DMARC_PSD_YES
			&& spot->labels == common
		    ? DMARC_NOT_ALIGNED
		    : DMARC_RELAXEDLY;
	}
	return result;
}

static enum dmarc_alignment
both(enum dmarc_alignment one, enum dmarc_alignment other)
{
	if (one == DMARC_NOT_ALIGNED || other == DMARC_NOT_ALIGNED)
		return DMARC_NOT_ALIGNED;
	return one == DMARC_UNSURE ? one : other;
}

/* Has the name psd=y? DMARC_RELAXEDLY: yes. */
static enum dmarc_alignment
is_suffix(struct dmarc_spot *spot, struct dmarc_spot **open_out)
{
	if (spot->state == DMARC_SPOT_OPEN)
		*open_out = spot;
	if (spot->state == DMARC_SPOT_OPEN || spot->state == DMARC_SPOT_LOST)
		return DMARC_UNSURE;
	return dmarc_spot_stops(spot) && spot->record.psd == DMARC_PSD_YES
	    ? DMARC_RELAXEDLY
	    : DMARC_NOT_ALIGNED;
}

/* Of a domain of eight labels and a longer one below it: the first walk can
 * end at its start, and that be one label below psd=y where the other ends. */
static enum dmarc_alignment
align_at_edge(const struct dmarc_walk *edge, const struct dmarc_walk *longer,
    struct dmarc_spot **open_out)
{
	enum dmarc_alignment own, suffix, rest, result;

	own = own_part(edge, DMARC_WALK_LABELS, open_out);
	if (*open_out != NULL)
		return DMARC_UNSURE;
	suffix = is_suffix(edge->levels[1], open_out);
	if (*open_out != NULL)
		return DMARC_UNSURE;
	if (own == DMARC_NOT_ALIGNED)
		rest = suffix;
	else
		rest =
		    shared_part(edge, DMARC_WALK_LABELS, DMARC_WALK, open_out);
	if (*open_out != NULL || rest == DMARC_NOT_ALIGNED)
		return rest;
	result = own == DMARC_UNSURE && suffix != DMARC_RELAXEDLY ? DMARC_UNSURE
								  : rest;
	return both(result, own_part(longer, DMARC_WALK_LABELS, open_out));
}

/* The two organizational domains are one if and only if both walks come to the
 * names that they share, and these choose one that is common to both. So a
 * stranger, with whom only a top-level domain is shared that has no record,
 * costs no question of his own; and of a lost answer it can be said whether it
 * decides. */
enum dmarc_alignment
dmarc_walk_align(const struct dmarc_walk *author,
    const struct dmarc_walk *identifier, size_t common,
    struct dmarc_spot **open_out)
{
	size_t shared =
	    common < DMARC_WALK_LABELS ? common : (size_t)DMARC_WALK_LABELS;
	enum dmarc_alignment result;

	*open_out = NULL;
	if (common == 0)
		return DMARC_NOT_ALIGNED;
	if (common == DMARC_WALK && author->levels[0]->labels == common)
		return align_at_edge(author, identifier, open_out);
	if (common == DMARC_WALK && identifier->levels[0]->labels == common)
		return align_at_edge(identifier, author, open_out);
	result = own_part(author, shared, open_out);
	if (*open_out == NULL && result != DMARC_NOT_ALIGNED)
		result =
		    both(result, shared_part(author, shared, common, open_out));
	if (*open_out == NULL && result != DMARC_NOT_ALIGNED)
		result = both(result, own_part(identifier, shared, open_out));
	return result;
}
