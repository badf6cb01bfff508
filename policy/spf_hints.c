#include "policy/spf_hints.h"

#include "policy/spf_check.h"

#include <stdint.h>
#include <string.h>

struct hint {
	struct dns_question question;
	uint32_t hash;
	bool is_record; /* TXT that is asked for an SPF record */
	bool is_followed;
	unsigned terms; /* the least that are counted when it is asked */
};

struct spf_hints {
	struct hint list[SPF_QUESTIONS];
	size_t count;
	size_t work_left; /* of SPF_MACRO_WORK; the check has its own */
};

static struct hint *
find(struct spf_hints *hints, const char *name, enum dns_type type)
{
	uint32_t hash = spf_known_hash(name);

	for (size_t i = 0; i < hints->count; i++) {
		struct hint *hint = &hints->list[i];

		if (hint->hash == hash && hint->question.type == type
		    && strcmp(hint->question.name, name) == 0)
			return hint;
	}
	return NULL;
}

/* name is copied; it may be one that can't be asked for. */
static void
add(struct spf *spf, const char *name, enum dns_type type, bool is_record,
    unsigned terms)
{
	struct spf_hints *hints = spf->hints;
	struct hint *hint;
	const char *copy;

	if (hints->count == SPF_QUESTIONS || !dns_is_name(name)
	    || find(hints, name, type) != NULL)
		return;
	copy = arena_strdup(spf->arena, name);
	if (copy == NULL)
		return;
	hint = &hints->list[hints->count++];
	hint->question.name = copy;
	hint->question.type = type;
	hint->hash = spf_known_hash(copy);
	hint->is_record = is_record;
	hint->terms = terms;
}

static void
add_reverse(struct spf *spf, unsigned terms)
{
	const char *reverse = spf_check_reverse(spf);

	if (reverse != NULL)
		add(spf, reverse, DNS_PTR, false, terms);
}

/* The name that spec is in a record of domain. False if that can't be said
 * now: then what %{p} hangs on is hinted at. */
static bool
expand(struct spf *spf, const struct spf_spec *spec, const char *domain,
    unsigned terms, char name_out[DNS_NAME_OCTETS + 1])
{
	struct spf_macro_values values;

	if (spf_macro_has(spec->text, spec->length, 'p')) {
		add_reverse(spf, terms);
		return false;
	}
	spf_check_values(spf, domain, NULL, &values);
	values.work_left = &spf->hints->work_left;
	return spf_macro_name(&values, spec->text, spec->length, name_out);
}

static void
add_term(struct spf *spf, const struct spf_term *term, const char *domain,
    unsigned terms)
{
	char space[DNS_NAME_OCTETS + 1];
	const char *name = domain;

	if (term->mechanism == SPF_PTR)
		add_reverse(spf, terms);
	if (term->spec.text != NULL) {
		if (!expand(spf, &term->spec, domain, terms, space))
			return;
		name = space;
	}
	switch (term->mechanism) {
	case SPF_INCLUDE:
		if (strchr(name, '.') != NULL)
			add(spf, name, DNS_TXT, true, terms);
		return;
	case SPF_A:
		add(spf, name, spf_check_address_type(spf), false, terms);
		return;
	case SPF_MX:
		add(spf, name, DNS_MX, false, terms);
		return;
	case SPF_EXISTS:
		add(spf, name, DNS_A, false, terms);
		return;
	default:
		return;
	}
}

/* What the terms of a record ask that is read when terms are counted. */
static void
add_record(struct spf *spf, const struct spf_record *record, const char *domain,
    unsigned terms)
{
	char name[DNS_NAME_OCTETS + 1];

	for (size_t i = 0; i < record->counted_count; i++) {
		struct spf_term term;

		if (++terms > SPF_TERMS)
			return;
		spf_record_at(record, record->counted[i], &term);
		add_term(spf, &term, domain, terms);
	}
	if (record->has_all || record->redirect.text == NULL
	    || ++terms > SPF_TERMS)
		return;
	if (expand(spf, &record->redirect, domain, terms, name)
	    && strchr(name, '.') != NULL)
		add(spf, name, DNS_TXT, true, terms);
}

static void
add_frame(struct spf *spf, struct spf_frame *frame, bool is_first)
{
	const struct spf_record *record = frame->record;
	char name[DNS_NAME_OCTETS + 1];

	if (record == NULL || frame->is_hinted)
		return;
	frame->is_hinted = true;
	add_record(spf, record, frame->domain, frame->terms_then);
	if (is_first && spf->identity->wants_explanation
	    && record->explanation.text != NULL
	    && expand(
		spf, &record->explanation, frame->domain, SPF_TERMS, name))
		add(spf, name, DNS_TXT, false, SPF_TERMS);
}

/* What follows from an answer to a hint. */
static void
follow(struct spf *spf, struct hint *hint)
{
	const struct spf_known *known = spf_known_find(
	    &spf->table, hint->question.name, hint->question.type);

	if (known == NULL || hint->is_followed)
		return;
	hint->is_followed = true;
	if (hint->is_record && known->record != NULL
	    && known->record->problem == NULL)
		add_record(spf, known->record, known->name, hint->terms);
	for (size_t i = 0; i < known->name_count; i++)
		add(spf, known->names[i], spf_check_address_type(spf), false,
		    hint->terms);
}

size_t
spf_hints_list(struct spf *spf, struct dns_question *questions_out, size_t room)
{
	struct spf_hints *hints = spf->hints;
	size_t count = 0;

	if (hints == NULL) {
		hints = arena_alloc(spf->arena, sizeof(*hints));
		if (hints == NULL)
			return 0;
		hints->work_left = SPF_MACRO_WORK;
		spf->hints = hints;
	}
	for (size_t i = spf->frame_count; i > 0; i--)
		add_frame(spf, &spf->frames[i - 1], i == 1);
	for (size_t i = 0; i < hints->count; i++) /* it grows meanwhile */
		follow(spf, &hints->list[i]);
	for (size_t i = 0; i < hints->count && count < room; i++) {
		const struct dns_question *question = &hints->list[i].question;

		if (spf_known_find(&spf->table, question->name, question->type)
			== NULL
		    && (question->type != spf->question.type
			|| strcmp(question->name, spf->question.name) != 0))
			questions_out[count++] = *question;
	}
	return count;
}

void
spf_hints_learn(struct spf *spf, const struct dns_question *question,
    const struct dns_answer *answer)
{
	struct hint *hint = spf->hints != NULL
	    ? find(spf->hints, question->name, question->type)
	    : NULL;

	if (hint != NULL
	    && spf_known_find(
		   &spf->table, hint->question.name, hint->question.type)
		== NULL)
		spf_known_learn(&spf->table, &hint->question, answer);
}
