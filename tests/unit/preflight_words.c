#include "tests/unit/preflight_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static const char public_b64[] = "MIIB/+=";

static void *
allocate(struct arena *arena, size_t size)
{
	void *memory = arena_alloc(arena, size);

	assert_non_null(memory);
	return memory;
}

static enum dmarc_alignment
alignment_of(bool is_foreign, bool is_unsure)
{
	return is_unsure ? DMARC_UNSURE
	    : is_foreign ? DMARC_NOT_ALIGNED
			 : DMARC_RELAXEDLY;
}

/* Identifiers are numbered as they come: those of SPF first. */
static void
add_spf(const struct words_case *c, struct arena *arena,
    struct preflight_evidence *evidence, struct dmarc_finding *finding)
{
	struct preflight_spf *spf =
	    allocate(arena, WORDS_ADDRESSES * sizeof(*spf));

	for (size_t i = 0; i < WORDS_ADDRESSES && c->spf[i].address != NULL;
	     i++) {
		const struct words_outcome *from = &c->spf[i];
		struct spf_outcome *outcome = allocate(arena, sizeof(*outcome));

		outcome->result = from->result;
		outcome->domain =
		    from->domain != NULL ? from->domain : "example.com";
		outcome->record = from->record;
		outcome->mechanism = from->mechanism;
		outcome->where = from->where;
		outcome->problem = from->problem;
		outcome->cause = from->cause;
		outcome->is_no_domain = from->is_no_domain;
		outcome->bad = from->bad;
		outcome->both[0] = from->both[0];
		outcome->both[1] = from->both[1];
		finding->by_spf[i] =
		    alignment_of(from->is_foreign, from->is_unsure);
		spf[i] = (struct preflight_spf){ .address = from->address,
			.helo = "mx.example.net",
			.outcome = outcome,
			.identifier = i };
		evidence->spf_count++;
	}
	evidence->spf = spf;
}

static void
add_signatures(const struct words_case *c, struct arena *arena,
    struct preflight_evidence *evidence, struct dmarc_finding *finding)
{
	struct preflight_signature *signatures =
	    allocate(arena, WORDS_SIGNATURES * sizeof(*signatures));

	for (size_t i = 0;
	     i < WORDS_SIGNATURES && c->signatures[i].domain != NULL; i++) {
		const struct words_signature *from = &c->signatures[i];
		struct dkim_key_wanted *wanted =
		    allocate(arena, sizeof(*wanted));
		struct dkim_key_finding *key = allocate(arena, sizeof(*key));

		*wanted = (struct dkim_key_wanted){ .domain = from->domain,
			.selector = "s1",
			.type = from->type,
			.public_b64 = public_b64 };
		*key = (struct dkim_key_finding){ .state = from->key,
			.words = from->words,
			.has_other_text = from->has_other_text,
			.name = arena_printf(
			    arena, "s1._domainkey.%s", from->domain) };
		finding->by_dkim[WORDS_ADDRESSES + i] =
		    alignment_of(from->is_foreign, from->is_unsure);
		signatures[i] = (struct preflight_signature){
			.domain = from->domain,
			.selector = "s1",
			.is_ours = !from->is_theirs,
			.state = from->state,
			.key = from->is_theirs ? NULL : key,
			.wanted = from->is_theirs ? NULL : wanted,
			.words = from->words,
			.identifier = WORDS_ADDRESSES + i,
		};
		evidence->signature_count++;
	}
	evidence->signatures = signatures;
}

struct preflight_judgement
words_judge(const struct words_case *c, struct arena *arena)
{
	bool is_used[PREFLIGHT_PROFILES] = { !c->is_both_pass, !c->is_both_pass,
		c->is_both_pass };
	struct preflight_evidence *evidence =
	    allocate(arena, sizeof(*evidence));
	struct preflight_author *author = allocate(arena, sizeof(*author));
	struct dmarc_outcome *dmarc = allocate(arena, sizeof(*dmarc));
	struct dmarc_finding *finding = &dmarc->by[DMARC_RFC9989];
	struct preflight_judgement judgement;

	*finding = c->finding;
	finding->org_domain = "example.com";
	if (finding->status == DMARC_FOUND)
		finding->policy_domain = "example.com";
	add_spf(c, arena, evidence, finding);
	add_signatures(c, arena, evidence, finding);
	evidence->is_unsigned = c->is_unsigned;
	evidence->has_idle_key = c->has_idle_key;
	evidence->is_null_sender = c->is_null_sender;
	evidence->sender_domain = c->sender;
	evidence->sender_identifier = DMARC_IDENTIFIERS - 1;
	if (c->sender != NULL && strcmp(c->sender, "example.com") == 0)
		finding->by_spf[DMARC_IDENTIFIERS - 1] = DMARC_STRICTLY;
	dmarc->by[DMARC_RFC7489] = c->other != NULL ? *c->other : *finding;
	author->domain = c->author != NULL ? c->author : "example.com";
	author->dmarc = dmarc;
	evidence->authors = author;
	evidence->author_count = c->from_problem == NULL;
	evidence->from_problem = c->from_problem;
	assert_true(preflight_judge(evidence, is_used, arena, &judgement));
	return judgement;
}
