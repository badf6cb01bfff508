#include "tests/unit/preflight_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void *
allocate(struct arena *arena, size_t size)
{
	void *memory = arena_alloc(arena, size);

	assert_non_null(memory);
	return memory;
}

static enum spf_result
result_of(char letter)
{
	static const char letters[] = "pnosfte"; /* in the order of the enum */
	const char *found = strchr(letters, letter);

	assert_non_null(found);
	return (enum spf_result)(found - letters);
}

static void
add_spf(const struct fixture *fixture, struct arena *arena,
    struct preflight_evidence *evidence)
{
	static const char *const addresses[] = { "192.0.2.1", "192.0.2.2",
		"2001:db8::1", "2001:db8::2" };
	size_t count = strlen(fixture->spf);
	struct preflight_spf *spf = allocate(arena, count * sizeof(*spf));

	for (size_t i = 0; i < count; i++) {
		struct spf_outcome *outcome = allocate(arena, sizeof(*outcome));
		char id = fixture->spf_ids != NULL ? fixture->spf_ids[i] : '0';

		outcome->result = result_of(fixture->spf[i]);
		outcome->domain = "sender.example";
		spf[i] = (struct preflight_spf){
			.address = addresses[i % 4],
			.helo = "mx.example.net",
			.outcome = outcome,
			.identifier =
			    id == 'x' ? PREFLIGHT_NOBODY : (size_t)(id - '0'),
		};
	}
	evidence->spf = spf;
	evidence->spf_count = count;
}

static void
add_signatures(const struct fixture *fixture, struct arena *arena,
    struct preflight_evidence *evidence)
{
	size_t count = strlen(fixture->signatures);
	struct preflight_signature *signatures =
	    allocate(arena, count * sizeof(*signatures));

	for (size_t i = 0; i < count; i++) {
		char letter = fixture->signatures[i];

		signatures[i] = (struct preflight_signature){
			.domain = "signer.example",
			.selector = "s1",
			.is_ours = strchr("VUX", letter) != NULL,
			.state = strchr("Vv", letter) != NULL
			    ? PREFLIGHT_VERIFIES
			    : strchr("Uu", letter) != NULL ? PREFLIGHT_UNKNOWN
							   : PREFLIGHT_FAILS,
			.identifier = i + 1,
		};
	}
	evidence->signatures = signatures;
	evidence->signature_count = count;
}

static void
align(const char *letters, enum dmarc_alignment *alignment_out)
{
	for (size_t i = 0; letters != NULL && letters[i] != '\0'; i++)
		switch (letters[i]) {
		case 'S':
			alignment_out[i] = DMARC_STRICTLY;
			break;
		case 'R':
			alignment_out[i] = DMARC_RELAXEDLY;
			break;
		case '?':
			alignment_out[i] = DMARC_UNSURE;
			break;
		case '-':
			alignment_out[i] = DMARC_NOT_ALIGNED;
			break;
		default:
			fail_msg("\"%s\": no letters of alignment", letters);
		}
}

static const struct dmarc_outcome *
dmarc_of(const struct fixture_author *author, const char *domain,
    struct arena *arena)
{
	struct dmarc_outcome *outcome = allocate(arena, sizeof(*outcome));

	for (size_t i = 0; i < DMARC_STANDARDS; i++) {
		const struct fixture_finding *from = &author->by[i];
		struct dmarc_finding *finding = &outcome->by[i];

		finding->status = from->status;
		finding->asked = finding->policy = from->policy;
		finding->is_policy_unsure = from->is_policy_unsure;
		finding->tag = "p";
		finding->org_domain = domain;
		/* Of a record that can't be used as well. */
		if (from->status != DMARC_LOST)
			finding->policy_domain = domain;
		align(from->aligned, finding->by_dkim);
		align(from->by_spf != NULL ? from->by_spf : from->aligned,
		    finding->by_spf);
	}
	return outcome;
}

struct preflight_evidence
fixture_evidence(const struct fixture *fixture, struct arena *arena)
{
	struct preflight_evidence evidence = {
		.author_count = fixture->author_count,
		.sender_identifier =
		    fixture->is_null_sender ? PREFLIGHT_NOBODY : 0,
		.sender_domain =
		    fixture->is_null_sender ? NULL : "sender.example",
		.is_null_sender = fixture->is_null_sender,
	};
	struct preflight_author *authors =
	    allocate(arena, fixture->author_count * sizeof(*authors));

	if (fixture->spf != NULL)
		add_spf(fixture, arena, &evidence);
	if (fixture->signatures != NULL)
		add_signatures(fixture, arena, &evidence);
	if (fixture->author_count == 0)
		evidence.from_problem = "it is empty";
	for (size_t i = 0; i < fixture->author_count; i++) {
		const struct fixture_author *author = &fixture->authors[i];

		authors[i].domain =
		    author->domain != NULL ? author->domain : "a.example";
		authors[i].dmarc = dmarc_of(author, authors[i].domain, arena);
	}
	evidence.authors = authors;
	return evidence;
}
