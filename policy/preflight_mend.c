#include "policy/preflight_mend.h"

#include "policy/dns.h"
#include "policy/spf_record.h"
#include "policy/text.h"
#include "policy/zone_line.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

static const char version[] = "v=spf1";

enum {
	VERSION_LENGTH = sizeof(version) - 1,
	MECHANISM_OCTETS = 64, /* " ip6:" and an address */
	ADDITIONS_OCTETS = PREFLIGHT_EGRESS * MECHANISM_OCTETS,
	MERGED_OCTETS = ADDITIONS_OCTETS + 2 * SPF_BOTH_OCTETS,
	TERM_OCTETS = 100, /* of one that is named */
};

static bool
is_refused(const struct spf_outcome *outcome)
{
	return outcome->result == SPF_FAIL || outcome->result == SPF_SOFTFAIL
	    || outcome->result == SPF_NEUTRAL;
}

/* Is this address one whose mail needs the record of like's domain, and what
 * like lacks? */
static bool
is_like(const struct spf_outcome *outcome, const struct spf_outcome *like)
{
	return dns_equal(outcome->domain, like->domain)
	    && (outcome->result == like->result
		|| (is_refused(outcome) && is_refused(like)));
}

/* "ip4:192.0.2.10 ip6:2001:db8::1". */
static void
add_mechanisms(const struct preflight_evidence *evidence,
    const struct spf_outcome *like, struct text *text)
{
	for (size_t i = 0; i < evidence->spf_count; i++) {
		const struct preflight_spf *spf = &evidence->spf[i];
		const char *address = spf->address;
		size_t length = strlen(address);

		if (!is_like(spf->outcome, like)
		    || length > MECHANISM_OCTETS - sizeof(" ip6:"))
			continue;
		if (text->length > 0)
			text_add(text, " ");
		text_add(text, strchr(address, ':') == NULL ? "ip4:" : "ip6:");
		text_add_clean(text, address, length, false);
	}
}

/* A term of a record, without the blanks around it. */
struct term {
	const char *text;
	size_t length;
};

static bool
next_term(const char **rest, struct term *term_out)
{
	*rest += strspn(*rest, " ");
	term_out->text = *rest;
	term_out->length = strcspn(*rest, " ");
	*rest += term_out->length;
	return term_out->length > 0;
}

static bool
is_term(const struct term *term, const char *words)
{
	return term->length == strlen(words)
	    && strncasecmp(term->text, words, term->length) == 0;
}

/* Does everything that reaches it meet its end there: "all" or "redirect="? */
static bool
is_final(const struct term *term)
{
	static const char redirect[] = "redirect=";
	struct term name = *term;

	if (strncasecmp(name.text, redirect, strlen(redirect)) == 0)
		return true;
	if (strchr("+-~?", *name.text) != NULL) {
		name.text++;
		name.length--;
	}
	return is_term(&name, "all");
}

/* Did this term of the domain's own record match for one of the addresses? */
static bool
is_matched(const struct preflight_evidence *evidence,
    const struct spf_outcome *like, const struct term *term)
{
	for (size_t i = 0; i < evidence->spf_count; i++) {
		const struct spf_outcome *outcome = evidence->spf[i].outcome;

		if (is_like(outcome, like) && outcome->mechanism != NULL
		    && outcome->where != NULL
		    && dns_equal(outcome->where, like->domain)
		    && is_term(term, outcome->mechanism))
			return true;
	}
	return false;
}

/* Where new mechanisms belong: before the first term that decides against an
 * address, be it explicitly or as the last. */
static size_t
find_place(
    const struct preflight_evidence *evidence, const struct spf_outcome *like)
{
	const char *rest = like->record;
	struct term term;

	while (next_term(&rest, &term))
		if (is_final(&term) || is_matched(evidence, like, &term))
			return (size_t)(term.text - like->record);
	return strlen(like->record);
}

static size_t
without_blanks(const char *text, size_t length)
{
	while (length > 0 && text[length - 1] == ' ')
		length--;
	return length;
}

static const char *
add_to_record(const struct spf_outcome *outcome, const char *added,
    size_t place, struct arena *arena)
{
	const char *record = outcome->record;
	const char *rest = record + place;
	const char *value = arena_printf(arena, "%.*s %s%s%.*s",
	    (int)without_blanks(record, place), record, added,
	    *rest != '\0' ? " " : "", (int)without_blanks(rest, strlen(rest)),
	    rest);

	return value == NULL
	    ? NULL
	    : zone_line_txt(arena, outcome->domain, value, strlen(value));
}

/* The record with what is added, at place. */
static const char *
add_shown(const struct spf_outcome *outcome, const char *added, size_t place,
    struct arena *arena)
{
	if (strlen(outcome->record) > PREFLIGHT_MEND_OCTETS)
		return arena_printf(arena,
		    "add %s to the SPF record of %s, near its beginning", added,
		    outcome->domain);
	return add_to_record(outcome, added, place, arena);
}

const char *
preflight_mend_spf(const struct preflight_evidence *evidence,
    const struct spf_outcome *outcome, struct arena *arena)
{
	char space[ADDITIONS_OCTETS];
	struct text added;
	const char *value;

	if (!zone_line_is_name(outcome->domain))
		return NULL;
	text_init(&added, space, sizeof(space));
	add_mechanisms(evidence, outcome, &added);
	if (outcome->record == NULL) {
		value = arena_printf(arena, "%s %s ~all", version, space);
		return value == NULL ? NULL
				     : zone_line_txt(arena, outcome->domain,
					 value, strlen(value));
	}
	return add_shown(outcome, space, find_place(evidence, outcome), arena);
}

static bool
has_term(const char *record, const struct term *wanted)
{
	struct term term;

	while (next_term(&record, &term))
		if (term.length == wanted->length
		    && strncasecmp(term.text, wanted->text, term.length) == 0)
			return true;
	return false;
}

/* Add the terms of a record up to its "all", whose qualifier the softest of
 * is kept in *all. False: there is a modifier, which may stand in one record
 * only, or mean one only. */
static bool
merge(const char *record, struct text *merged, char *all)
{
	static const char by_softness[] = "+?~-";
	const char *rest = record + VERSION_LENGTH;
	struct term term;

	while (next_term(&rest, &term)) {
		char qualifier =
		    strchr(by_softness, *term.text) != NULL ? *term.text : '+';

		if (memchr(term.text, '=', term.length) != NULL)
			return false;
		if (is_final(&term)) {
			if (*all == '\0'
			    || strchr(by_softness, *all)
				> strchr(by_softness, qualifier))
				*all = qualifier;
			return true;
		}
		if (has_term(merged->data, &term))
			continue;
		text_add(merged, " ");
		text_add_clean(merged, term.text, term.length, false);
	}
	return true;
}

static bool
is_correct(const char *text, struct arena *arena)
{
	struct spf_record record;

	return text != NULL
	    && spf_record_read(&record, text, strlen(text), arena)
	    && record.problem == NULL;
}

/* Two records in one, which begins with what is added; NULL: no memory, or
 * they can't be one. */
static const char *
merge_both(
    const struct spf_outcome *outcome, const char *added, struct arena *arena)
{
	char space[MERGED_OCTETS];
	struct text merged;
	char all = '\0';
	const char *line;

	if (!is_correct(outcome->both[0], arena)
	    || !is_correct(outcome->both[1], arena))
		return NULL;
	text_init(&merged, space, sizeof(space));
	text_addf(&merged, "%s %s", version, added);
	if (!merge(outcome->both[0], &merged, &all)
	    || !merge(outcome->both[1], &merged, &all))
		return NULL;
	if (all != '\0')
		text_addf(&merged, " %call", all);
	line = zone_line_txt(arena, outcome->domain, space, merged.length);
	return line != NULL ? arena_printf(arena, "%s ; in place of both", line)
			    : NULL;
}

static const char *
mend_several(
    const struct spf_outcome *outcome, const char *added, struct arena *arena)
{
	const char *merged = merge_both(outcome, added, arena);

	return merged != NULL
	    ? merged
	    : arena_printf(arena, "leave one SPF record of %s, with %s in it",
		outcome->domain, added);
}

static const char *
mend_syntax(const struct spf_outcome *outcome, struct arena *arena)
{
	char space[TERM_OCTETS + 1];
	struct text term;

	if (outcome->bad == NULL)
		return arena_printf(
		    arena, "correct the SPF record of %s", outcome->domain);
	text_init(&term, space, sizeof(space));
	text_add_clean(&term, outcome->bad, strlen(outcome->bad), false);
	return arena_printf(arena, "correct \"%s\" in the SPF record of %s",
	    space, outcome->domain);
}

const char *
preflight_mend_broken(const struct preflight_evidence *evidence,
    const struct spf_outcome *outcome, struct arena *arena)
{
	const char *where = outcome->where != NULL ? outcome->where : "";
	char space[ADDITIONS_OCTETS];
	struct text added;

	if (!zone_line_is_name(outcome->domain))
		return NULL;
	text_init(&added, space, sizeof(space));
	add_mechanisms(evidence, outcome, &added);
	if (outcome->cause == SPF_CAUSE_LIMIT && outcome->record != NULL)
		return add_shown(outcome, space,
		    VERSION_LENGTH
			+ strspn(outcome->record + VERSION_LENGTH, " "),
		    arena);
	if (outcome->cause == SPF_CAUSE_SEVERAL)
		return mend_several(outcome, space, arena);
	if (outcome->cause == SPF_CAUSE_SYNTAX)
		return mend_syntax(outcome, arena);
	return arena_printf(arena, "correct the SPF record of %s",
	    zone_line_is_name(where) ? where : outcome->domain);
}

const char *
preflight_mend_key(const struct dkim_key_wanted *wanted, struct arena *arena)
{
	const char *name, *value;

	if (wanted == NULL || wanted->public_b64 == NULL)
		return NULL;
	name = arena_printf(
	    arena, "%s._domainkey.%s", wanted->selector, wanted->domain);
	value = arena_printf(arena, "v=DKIM1; k=%s; p=%s",
	    wanted->type == DKIM_KEY_RSA ? "rsa" : "ed25519",
	    wanted->public_b64);
	if (name == NULL || value == NULL || !zone_line_is_name(name))
		return NULL;
	return zone_line_txt(arena, name, value, strlen(value));
}

const char *
preflight_mend_dmarc(const char *domain, struct arena *arena)
{
	static const char value[] = "v=DMARC1; p=none";
	const char *name = arena_printf(arena, "_dmarc.%s", domain);

	if (name == NULL || !zone_line_is_name(name))
		return NULL;
	return zone_line_txt(arena, name, value, strlen(value));
}
