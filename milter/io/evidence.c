#include "milter/io/evidence.h"

#include "policy/dkim_key.h"
#include "policy/dmarc.h"
#include "policy/spf.h"

#include <assert.h>
#include <string.h>

/* A message's look-ups are all under way at once, so they must all fit. */
_Static_assert(PREFLIGHT_EGRESS + PREFLIGHT_SIGNATURES + PREFLIGHT_AUTHORS
	<= LOOKUP_MACHINES,
    "one machine for each address, key and author");
/* Nor can one of them leave no questions to another: the hints of both runs
 * included. */
_Static_assert(PREFLIGHT_EGRESS *SPF_QUESTIONS
	    + (PREFLIGHT_AUTHORS + DMARC_IDENTIFIERS) * (DMARC_WALK + 2)
	    + PREFLIGHT_SIGNATURES + 2 * LOOKUP_HINTS
	<= RESOLVER_QUESTIONS,
    "no message has more questions than may be asked for it");

/* What is gathered with; the machines borrow from it while they run. */
struct gathering {
	const struct evidence_question *question;
	const struct suffixes *suffixes;
	struct arena *arena;
	struct lookup lookup;
	bool is_short_of_memory;

	struct dmarc_domain identifiers[DMARC_IDENTIFIERS];
	size_t identifier_count;

	struct spf_identity identities[PREFLIGHT_EGRESS];
	const struct spf *checks[PREFLIGHT_EGRESS];
	const struct dkim_key *published[PREFLIGHT_SIGNATURES];
	struct dmarc_question policies[PREFLIGHT_AUTHORS];
	const struct dmarc *walks[PREFLIGHT_AUTHORS];

	struct preflight_spf *spf;
	struct preflight_signature *signatures;
	struct preflight_author *authors;
};

/* A copy in the message's arena; NULL of NULL. */
static const char *
keep(struct gathering *gathering, const char *string)
{
	const char *copy = arena_strdup(gathering->arena, string);

	gathering->is_short_of_memory |= string != NULL && copy == NULL;
	return copy;
}

/* Run machine, as far as it could be begun. */
static void
run(struct gathering *gathering, const struct dns_machine *kind, void *machine)
{
	if (machine == NULL || !lookup_add(&gathering->lookup, kind, machine))
		gathering->is_short_of_memory = true;
}

/* The index of domain among the identifiers, new or known. One that the DNS
 * can't be asked about is aligned with nobody. */
static size_t
identify(struct gathering *gathering, const char *domain)
{
	struct dmarc_domain *identifiers = gathering->identifiers;
	size_t count = gathering->identifier_count;

	if (!dns_is_name(domain) || *domain == '[')
		return PREFLIGHT_NOBODY;
	for (size_t i = 0; i < count; i++)
		if (dns_equal(identifiers[i].domain, domain))
			return i;
	if (count == DMARC_IDENTIFIERS)
		return PREFLIGHT_NOBODY;
	identifiers[count] = (struct dmarc_domain){
		.domain = domain,
		.suffix_org = suffixes_org(gathering->suffixes, domain),
	};
	gathering->identifier_count++;
	return count;
}

static bool
is_same_egress(const struct egress *one, const struct egress *other)
{
	return memcmp(one->address.octets, other->address.octets,
		   sizeof(one->address.octets))
	    == 0
	    && dns_equal(one->helo, other->helo);
}

static bool
is_listed_before(const struct egress *egress, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (is_same_egress(&egress[i], &egress[index]))
			return true;
	return false;
}

/* SPF of the sender, or of the HELO for the null sender (RFC 7208 §2.4). */
static void
check_address(
    struct gathering *gathering, const struct egress *egress, size_t index)
{
	const struct evidence_question *question = gathering->question;
	struct spf_identity *identity = &gathering->identities[index];
	struct preflight_spf *spf = &gathering->spf[index];
	struct spf *check;

	*identity = (struct spf_identity){
		.client = egress->address,
		.domain = question->sender_domain,
		.local = question->sender_local,
		.helo = egress->helo,
		.receiver = question->receiver,
		.now_s = question->now_s,
		.wants_explanation = question->wants_explanation,
	};
	if (question->sender_domain == NULL) {
		identity->domain = egress->helo;
		identity->local = NULL;
	}
	spf->address = keep(gathering, egress->text);
	spf->helo = keep(gathering, egress->helo);
	spf->identifier = identify(gathering, identity->domain);
	check = spf_begin(identity, gathering->arena);
	gathering->checks[index] = check;
	run(gathering, &spf_machine, check);
}

static size_t
check_addresses(struct gathering *gathering)
{
	const struct evidence_question *question = gathering->question;
	size_t count = 0;

	assert(question->egress_count <= PREFLIGHT_EGRESS);
	for (size_t i = 0; i < question->egress_count; i++)
		if (!is_listed_before(question->egress, i))
			check_address(gathering, &question->egress[i], count++);
	return count;
}

/* What of the key is needed to tell what to publish. */
static const struct dkim_key_wanted *
keep_key(struct gathering *gathering, const struct dkim_key_wanted *key)
{
	struct dkim_key_wanted *copy =
	    arena_alloc(gathering->arena, sizeof(*copy));

	if (copy == NULL) {
		gathering->is_short_of_memory = true;
		return NULL;
	}
	*copy = (struct dkim_key_wanted){
		.domain = keep(gathering, key->domain),
		.selector = keep(gathering, key->selector),
		.type = key->type,
		.public_b64 = keep(gathering, key->public_b64),
	};
	return copy;
}

static void
add_key(struct gathering *gathering, const struct dkim_key_wanted *key,
    size_t index)
{
	const struct dkim_key_wanted *wanted = keep_key(gathering, key);
	struct dkim_key *published;

	if (wanted == NULL)
		return;
	gathering->signatures[index] = (struct preflight_signature){
		.domain = wanted->domain,
		.selector = wanted->selector,
		.is_ours = true,
		.state = PREFLIGHT_VERIFIES,
		.wanted = wanted,
		.identifier = identify(gathering, key->domain),
	};
	if (!gathering->question->checks_keys)
		return;
	published = dkim_key_begin(wanted, gathering->arena);
	gathering->published[index] = published;
	run(gathering, &dkim_key_machine, published);
}

/* How likely a signature helps: the least first. */
static unsigned
unlikelihood(const struct evidence_question *question,
    const struct evidence_signature *signature)
{
	unsigned rank = signature->state == PREFLIGHT_VERIFIES ? 0
	    : signature->state == PREFLIGHT_UNKNOWN            ? 1
							       : 2;

	for (size_t i = 0; i < question->author_count; i++)
		if (dns_is_within(signature->domain, question->authors[i])
		    || dns_is_within(question->authors[i], signature->domain))
			return rank;
	return 3 + rank;
}

static void
add_signature(struct gathering *gathering,
    const struct evidence_signature *signature, size_t index)
{
	gathering->signatures[index] = (struct preflight_signature){
		.domain = keep(gathering, signature->domain),
		.selector = keep(gathering, signature->selector),
		.state = signature->state,
		.words = keep(gathering, signature->words),
		.identifier = signature->state == PREFLIGHT_FAILS
		    ? PREFLIGHT_NOBODY
		    : identify(gathering, signature->domain),
	};
}

static size_t
add_signatures(struct gathering *gathering)
{
	const struct evidence_question *question = gathering->question;
	size_t count = 0;

	for (; count < question->key_count && count < PREFLIGHT_SIGNATURES;
	     count++)
		add_key(gathering, &question->keys[count], count);
	for (unsigned rank = 0; rank < 6; rank++)
		for (size_t i = 0; i < question->signature_count; i++)
			if (count < PREFLIGHT_SIGNATURES
			    && unlikelihood(question, &question->signatures[i])
				== rank)
				add_signature(gathering,
				    &question->signatures[i], count++);
	return count;
}

/* After all identifiers are known: which record applies to each author. */
static void
ask_policies(struct gathering *gathering)
{
	static const bool wants[DMARC_STANDARDS] = { true, true };
	const struct evidence_question *question = gathering->question;

	assert(question->author_count <= PREFLIGHT_AUTHORS);
	for (size_t i = 0; i < question->author_count; i++) {
		const char *domain = question->authors[i];
		struct dmarc_question *policy = &gathering->policies[i];
		struct dmarc *walk;

		*policy = (struct dmarc_question){
			.author = { .domain = domain,
			    .suffix_org =
				suffixes_org(gathering->suffixes, domain) },
			.identifiers = gathering->identifiers,
			.count = gathering->identifier_count,
		};
		gathering->authors[i].domain = keep(gathering, domain);
		walk = dmarc_begin(policy, wants, gathering->arena);
		gathering->walks[i] = walk;
		run(gathering, &dmarc_machine, walk);
	}
}

/* What a key that is published makes of its signature. */
static void
judge_key(
    struct preflight_signature *signature, const struct dkim_key_finding *key)
{
	signature->key = key;
	signature->words = key->words;
	if (key->state == DKIM_KEY_GOOD)
		signature->state = PREFLIGHT_VERIFIES;
	else if (key->state == DKIM_KEY_LOST)
		signature->state = PREFLIGHT_UNKNOWN;
	else
		signature->state = PREFLIGHT_FAILS;
}

static void
collect(struct gathering *gathering, const struct preflight_evidence *evidence)
{
	for (size_t i = 0; i < evidence->spf_count; i++)
		gathering->spf[i].outcome = spf_outcome(gathering->checks[i]);
	for (size_t i = 0; i < evidence->signature_count; i++)
		if (gathering->published[i] != NULL)
			judge_key(&gathering->signatures[i],
			    dkim_key_finding(gathering->published[i]));
	for (size_t i = 0; i < evidence->author_count; i++)
		gathering->authors[i].dmarc =
		    dmarc_outcome(gathering->walks[i]);
}

/* Does anything authenticate the sender, for all that can be told? */
static bool
may_be_authenticated(const struct preflight_evidence *evidence)
{
	if (evidence->spf_count == 0)
		return true;
	for (size_t i = 0; i < evidence->spf_count; i++)
		if (evidence->spf[i].outcome->result == SPF_PASS
		    || evidence->spf[i].outcome->result == SPF_TEMPERROR)
			return true;
	for (size_t i = 0; i < evidence->signature_count; i++)
		if (evidence->signatures[i].state != PREFLIGHT_FAILS)
			return true;
	return false;
}

/* Only what is authenticated spares the walk for the organizational domain of
 * an author who has a record of his own (RFC 9989 §4.10.2): once nothing turned
 * out to be, it is made up for. */
static void
ask_organizations(
    struct gathering *gathering, const struct preflight_evidence *evidence)
{
	static const bool wants[DMARC_STANDARDS] = { true, true };
	static const bool none[DMARC_IDENTIFIERS];

	if (gathering->identifier_count != 1 || may_be_authenticated(evidence))
		return;
	for (size_t i = 0; i < evidence->author_count; i++) {
		struct dmarc_question *policy = &gathering->policies[i];
		struct dmarc *walk;

		if (!dns_equal(policy->author.domain,
			gathering->identifiers[0].domain))
			continue;
		policy->may_pass = none;
		walk = dmarc_begin(policy, wants, gathering->arena);
		run(gathering, &dmarc_machine, walk);
		gathering->walks[i] = walk;
	}
	if (gathering->is_short_of_memory)
		return;
	lookup_run(&gathering->lookup);
	collect(gathering, evidence);
}

/* Does no key here sign for any author's domain? */
static bool
is_unsigned(const struct evidence_question *question)
{
	if (question->has_idle_key || question->are_keys_unknown)
		return false;
	for (size_t i = 0; i < question->key_count; i++)
		for (size_t k = 0; k < question->author_count; k++)
			if (dns_is_within(
				question->authors[k], question->keys[i].domain))
				return false;
	return true;
}

static bool
make_room(struct gathering *gathering)
{
	const struct evidence_question *question = gathering->question;
	size_t signatures = question->key_count + question->signature_count;
	struct arena *arena = gathering->arena;

	if (signatures > PREFLIGHT_SIGNATURES)
		signatures = PREFLIGHT_SIGNATURES;
	gathering->spf = arena_alloc(
	    arena, question->egress_count * sizeof(*gathering->spf));
	gathering->signatures =
	    arena_alloc(arena, signatures * sizeof(*gathering->signatures));
	gathering->authors = arena_alloc(
	    arena, question->author_count * sizeof(*gathering->authors));
	for (size_t i = 0; i < signatures; i++)
		gathering->published[i] = NULL;
	return gathering->spf != NULL && gathering->signatures != NULL
	    && gathering->authors != NULL;
}

bool
evidence_gather(struct resolver_asker *asker, const struct suffixes *suffixes,
    const struct evidence_question *question, struct arena *arena,
    struct preflight_evidence *evidence_out)
{
	/* Not cleared as a whole: little of it is used as a rule. */
	struct gathering gathering;
	struct preflight_evidence *evidence = evidence_out;

	gathering.question = question;
	gathering.suffixes = suffixes;
	gathering.arena = arena;
	gathering.is_short_of_memory = false;
	gathering.identifier_count = 0;
	lookup_init(&gathering.lookup, asker);
	if (!make_room(&gathering))
		return false;
	*evidence = (struct preflight_evidence){
		.sender_identifier = PREFLIGHT_NOBODY,
		.sender_domain = keep(&gathering, question->sender_domain),
		.author_count = question->author_count,
		.from_problem = keep(&gathering, question->from_problem),
		.is_unsigned = is_unsigned(question),
		.has_idle_key =
		    question->has_idle_key && question->author_count == 1,
		.is_null_sender = question->sender_domain == NULL,
	};
	evidence->spf_count = check_addresses(&gathering);
	if (evidence->spf_count == 0 && question->sender_domain != NULL)
		evidence->sender_identifier =
		    identify(&gathering, question->sender_domain);
	evidence->signature_count = add_signatures(&gathering);
	ask_policies(&gathering);
	if (gathering.is_short_of_memory)
		return false;
	lookup_run(&gathering.lookup);
	collect(&gathering, evidence);
	evidence->spf = gathering.spf;
	evidence->signatures = gathering.signatures;
	evidence->authors = gathering.authors;
	ask_organizations(&gathering, evidence);
	return !gathering.is_short_of_memory;
}
