#include "milter/preflighting.h"

#include "milter/charging.h"
#include "milter/io/clock.h"
#include "milter/io/evidence.h"
#include "milter/io/keys_public.h"
#include "milter/leaving.h"
#include "policy/text.h"

#include <string.h>

enum { FINDINGS_OCTETS = 320 }; /* of a reply and a log line */

/* What one message is asked about, and where it goes. */
struct preflighting {
	struct session *session;
	struct message *message;
	struct evidence_question question;
	const char *authors[PREFLIGHT_AUTHORS];
	bool has_more_authors; /* than are looked at */
	struct dkim_key_wanted keys[SIGNING_SIGNATURES];
	size_t key_places[SIGNING_SIGNATURES]; /* among uses */
	struct evidence_signature signatures[VERIFY_FIELDS];
};

static bool
is_new(const char *const *authors, size_t count, const char *domain)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(authors[i], domain) == 0)
			return false;
	return true;
}

/* The distinct domains of From, as many as are looked at. */
static size_t
author_domains(
    const struct message_facts *facts, const char **authors, bool *has_more_out)
{
	size_t count = 0;

	*has_more_out = false;
	if (facts->from_count != 1 || facts->is_header_too_large)
		return 0;
	for (size_t i = 0; i < facts->from.count; i++) {
		const char *domain = facts->from.mailboxes[i].domain;

		if (!is_new(authors, count, domain))
			continue;
		*has_more_out = count == PREFLIGHT_AUTHORS;
		if (*has_more_out)
			break;
		authors[count++] = domain;
	}
	return count;
}

static const char *
from_problem(const struct message_facts *facts)
{
	if (facts->is_header_too_large)
		return "the header is too large to be looked at";
	if (facts->from_count == 0)
		return "there is no From";
	if (facts->from_count > 1)
		return "there are several From fields";
	return facts->from.problem != NULL ? facts->from.problem
					   : "From has no usable address";
}

static void
ask_authors(struct preflighting *asked)
{
	const struct message_facts *facts = &asked->message->facts;
	asked->question.authors = asked->authors;
	asked->question.author_count =
	    author_domains(facts, asked->authors, &asked->has_more_authors);
	if (asked->question.author_count == 0)
		asked->question.from_problem = from_problem(facts);
}

static void
ask_sender(struct preflighting *asked)
{
	const struct message_facts *facts = &asked->message->facts;

	if (facts->is_null_sender)
		return;
	asked->question.sender_local = facts->sender.local;
	/* What is no mailbox has no SPF record either (RFC 7208 §4.3). */
	asked->question.sender_domain =
	    facts->is_bad_sender ? "" : facts->sender.domain;
}

/* What carries it on; NULL: not said, or not the same for all recipients. */
static const char *
transport_of(const struct message_facts *facts)
{
	return facts->has_transports ? NULL : facts->transport;
}

/* Where the map can't be asked it isn't known, and nothing rests on it. */
static bool
ask_egress(struct preflighting *asked)
{
	struct message *message = asked->message;
	struct leaving leaving;
	struct fault fault = { .kind = FAULT_NONE };

	if (!leaving_find(message->snapshot->conf,
		asked->session->services->tables, transport_of(&message->facts),
		&message->facts.sender, &message->arena, &leaving, &fault))
		message->map_fault = arena_strdup(&message->arena, fault.words);
	asked->question.egress = leaving.egress;
	asked->question.egress_count = leaving.count;
	return fault.kind != FAULT_MEMORY;
}

static bool
is_on_it(const struct preflighting *asked, const struct key *key)
{
	for (size_t i = 0; i < asked->question.signature_count; i++) {
		const struct evidence_signature *one = &asked->signatures[i];

		if (one->state == PREFLIGHT_VERIFIES && one->selector != NULL
		    && strcmp(one->domain, key->domain) == 0
		    && text_equal_case(one->selector, key->selector))
			return true;
	}
	return false;
}

/* Is there a key of an author's domain? */
static bool
has_key(const struct preflighting *asked)
{
	for (size_t i = 0; i < asked->question.author_count; i++)
		if (keys_has(asked->session->services->keys,
			&asked->message->class->sign_conf.places,
			asked->authors[i]))
			return true;
	return false;
}

/* The keys that are going to sign. What is signed by one already isn't signed
 * by it again. False: no memory. */
static bool
ask_keys(struct preflighting *asked)
{
	struct message *message = asked->message;
	const struct chosen_keys *chosen = &message->chosen;
	struct fault fault;
	size_t count = 0;

	for (size_t i = 0; message->signer != NULL && i < chosen->count; i++) {
		const struct key *key = chosen->uses[i].key;

		if (is_on_it(asked, key)) {
			signer_drop(message->signer, i);
			message->signing_note = "signed already";
			continue;
		}
		if (!keys_public_wanted(
			key, &message->arena, &asked->keys[count], &fault))
			return false;
		asked->key_places[count++] = i;
	}
	asked->question.keys = asked->keys;
	asked->question.key_count = count;
	asked->question.has_idle_key = count == 0 && has_key(asked);
	asked->question.checks_keys =
	    message->class->preflight_conf.checks_keys;
	return true;
}

static enum preflight_signature_state
state_of(enum verify_state state)
{
	switch (state) {
	case VERIFY_GOOD:
		return PREFLIGHT_VERIFIES;
	case VERIFY_BAD:
		return PREFLIGHT_FAILS;
	case VERIFY_LOST:
	case VERIFY_SKIPPED:
		break;
	}
	return PREFLIGHT_UNKNOWN;
}

/* The signatures that came with it. Their keys get no more than half of the
 * time: whoever makes the servers of his own domain slow must not leave none
 * for what the author's says. False: no memory. */
static bool
check_signatures(struct preflighting *asked, uint64_t timeout_ms)
{
	const struct verify_signature *found;
	struct resolver_asker *asker;
	size_t kept = 0;
	size_t count;

	if (asked->message->verifier == NULL)
		return true;
	asker =
	    resolver_begin(asked->session->services->resolver, timeout_ms / 2);
	if (asker == NULL)
		return false;
	verify_finish(asked->message->verifier, asker, &found, &count);
	resolver_end(&asker);
	for (size_t i = 0; i < count && i < VERIFY_FIELDS; i++) {
		/* A field that can't be read is nobody's signature. */
		if (*found[i].domain == '\0')
			continue;
		asked->signatures[kept++] =
		    (struct evidence_signature){ .domain = found[i].domain,
			    .selector = found[i].selector,
			    .state = state_of(found[i].state),
			    .words = found[i].words };
	}
	asked->question.signatures = asked->signatures;
	asked->question.signature_count = kept;
	return true;
}

/* Is one of our keys of domain there for receivers? */
static bool
is_published(const struct preflight_evidence *evidence, const char *domain)
{
	for (size_t i = 0; i < evidence->signature_count; i++) {
		const struct preflight_signature *one =
		    &evidence->signatures[i];

		if (one->is_ours && one->state == PREFLIGHT_VERIFIES
		    && strcmp(one->domain, domain) == 0)
			return true;
	}
	return false;
}

/* A key that receivers can't find yet, or any more, signs for nothing: it is
 * left out where another one of its domain is there. */
static void
drop_unpublished(struct preflighting *asked)
{
	struct message *message = asked->message;
	const struct preflight_evidence *evidence = &message->evidence;
	size_t ours = 0;

	for (size_t i = 0; i < evidence->signature_count; i++) {
		const struct preflight_signature *one =
		    &evidence->signatures[i];

		if (!one->is_ours)
			continue;
		if (one->state == PREFLIGHT_FAILS
		    && is_published(evidence, one->domain))
			signer_drop(message->signer, asked->key_places[ours]);
		ours++;
	}
}

static struct verdict
no_memory(void)
{
	return verdict_make(ACTION_TEMPFAIL, MODE_ENFORCE, REASON_MEMORY, NULL);
}

static enum reason
reason_of(enum preflight_result result)
{
	switch (result) {
	case PREFLIGHT_NO_POLICY:
		return REASON_NO_DMARC;
	case PREFLIGHT_TEMPERROR:
		return REASON_DNS;
	case PREFLIGHT_PERMERROR:
		return REASON_NO_AUTHOR;
	default:
		return REASON_UNALIGNED;
	}
}

/* What is done about what was found. */
static struct verdict
verdict_of(struct message *message)
{
	const struct preflight_judgement *found = message->preflight;
	enum mode mode = message->class->mode;
	struct verdict verdict;

	/* Without egress it isn't known what SPF would have said. */
	if (found->rests_on_unknown_spf)
		mode = MODE_OBSERVE;
	verdict = verdict_make(message->class->preflight_conf.on[found->result],
	    mode, reason_of(found->result), found->author);
	if (verdict.reason != REASON_NONE)
		verdict.detail = message->findings;
	return verdict;
}

/* What was found, in a line, and what the domain says itself of mail that its
 * SPF record refuses (RFC 7208 §6.2). NULL: no memory. */
static const char *
findings_of(struct message *message)
{
	const struct preflight_judgement *found = message->preflight;
	const struct preflight_spf *spf = found->spf;
	const char *line =
	    preflight_line(found, FINDINGS_OCTETS, &message->arena);
	char space[FINDINGS_OCTETS + 1];
	struct text text;

	if (line == NULL || found->result <= PREFLIGHT_NO_POLICY || spf == NULL
	    || spf->outcome->result != SPF_FAIL
	    || spf->outcome->explanation == NULL)
		return line;
	text_init(&text, space, sizeof(space));
	text_add(&text, line);
	text_addf(&text, "; %s explains: ", spf->outcome->domain);
	text_add_clean(&text, spf->outcome->explanation,
	    strlen(spf->outcome->explanation), false);
	return arena_strdup(&message->arena, space);
}

/* Of some domains of From nothing is known: the others don't speak for them. */
static void
say_too_many_authors(
    struct message *message, struct preflight_judgement *judgement)
{
	judgement->result = PREFLIGHT_PERMERROR;
	judgement->rests_on_unknown_spf = false;
	for (size_t i = 0; i < PREFLIGHT_PROFILES; i++)
		if (judgement->by[i] < PREFLIGHT_PERMERROR)
			judgement->by[i] = PREFLIGHT_PERMERROR;
	message->findings = "From names more domains than are looked at";
}

static struct verdict
judge_evidence(struct preflighting *asked)
{
	struct message *message = asked->message;
	struct preflight_judgement *judgement =
	    arena_alloc(&message->arena, sizeof(*judgement));

	if (judgement == NULL
	    || !preflight_judge(&message->evidence,
		message->class->preflight_conf.profiles, &message->arena,
		judgement))
		return no_memory();
	message->preflight = judgement;
	message->findings = findings_of(message);
	if (message->findings == NULL)
		return no_memory();
	if (asked->has_more_authors && judgement->result < PREFLIGHT_PERMERROR)
		say_too_many_authors(message, judgement);
	drop_unpublished(asked);
	return verdict_of(message);
}

static bool
gather(struct preflighting *asked, struct resolver_asker *asker)
{
	struct message *message = asked->message;

	return evidence_gather(asker, asked->session->services->suffixes,
	    &asked->question, &message->arena, &message->evidence);
}

/* By what the cache knows. False: it doesn't know all of it. */
static bool
judge_cached(struct preflighting *asked, struct verdict *verdict_out)
{
	struct resolver_asker *asker =
	    resolver_peek(asked->session->services->resolver);
	bool is_known;

	if (asker == NULL)
		return false;
	is_known = gather(asked, asker) && !resolver_has_missed(asker);
	if (is_known)
		*verdict_out = judge_evidence(asked);
	resolver_end(&asker);
	return is_known;
}

static struct verdict
judge_within(struct preflighting *asked, uint64_t timeout_ms, bool is_wanted)
{
	struct resolver_asker *asker =
	    resolver_begin(asked->session->services->resolver, timeout_ms);
	struct verdict verdict = verdict_accept();

	if (asker == NULL || !check_signatures(asked, timeout_ms)
	    || !ask_keys(asked)) {
		resolver_end(&asker);
		return no_memory();
	}
	if (is_wanted)
		verdict =
		    gather(asked, asker) ? judge_evidence(asked) : no_memory();
	resolver_end(&asker);
	return verdict;
}

/* Whose DNS is slow must not keep others from being judged: a message that
 * waits for it leaves its place among max_busy meanwhile. */
static struct verdict
judge_asking(struct preflighting *asked, bool is_wanted)
{
	struct message *message = asked->message;
	struct services *services = asked->session->services;
	struct verdict verdict;

	if (!gate_enter(services->waiting, 0))
		return verdict_make(
		    ACTION_TEMPFAIL, message->class->mode, REASON_BUSY, NULL);
	if (message->has_place)
		gate_leave(services->gate);
	verdict = judge_within(
	    asked, message->snapshot->conf->dns.timeout_ms, is_wanted);
	if (message->has_place)
		gate_return(services->gate);
	gate_leave(services->waiting);
	return verdict;
}

/* Has it a signature by one of the keys that are about to sign? */
static bool
may_be_signed_already(const struct message *message)
{
	if (message->verifier == NULL || message->signer == NULL)
		return false;
	for (size_t i = 0; i < message->chosen.count; i++) {
		const struct key *key = message->chosen.uses[i].key;

		if (verify_has(message->verifier, key->domain, key->selector))
			return true;
	}
	return false;
}

/* Will another server judge it at all? */
static bool
is_wanted(struct message *message)
{
	const struct message_facts *facts = &message->facts;

	if (!message->class->preflight)
		message->preflight_note = "preflight is off";
	else if (facts->recipient_count > 0
	    && facts->local_recipient_count == facts->recipient_count)
		message->preflight_note = "all recipients are here";
	return message->preflight_note == NULL;
}

struct verdict
preflighting_judge(struct session *session)
{
	struct message *message = &session->message;
	bool is_judged = is_wanted(message);
	struct verdict verdict;
	struct preflighting asked = { .session = session, .message = message };

	if (!is_judged && !may_be_signed_already(message))
		return verdict_accept();
	asked.question.now_s = clock_unix_s();
	asked.question.receiver = session->facts.mta_host;
	asked.question.wants_explanation = true;
	ask_authors(&asked);
	ask_sender(&asked);
	if (!ask_egress(&asked))
		return no_memory();
	if (message->verifier == NULL) {
		if (!ask_keys(&asked))
			return no_memory();
		if (judge_cached(&asked, &verdict))
			return verdict;
	}
	verdict = charging_look(session);
	/* Nobody gets a bounce for being over his limits. */
	if (message->traffic_class == CLASS_LOCAL)
		verdict = verdict_local(verdict, false);
	/* What is held leaves when somebody has looked: it is judged. */
	if (!verdict_leaves(&verdict))
		return verdict;
	return judge_asking(&asked, is_judged);
}

static bool
is_signature(const char *name)
{
	return text_equal_case(name, "DKIM-Signature");
}

static bool
has_signature(const struct message *message)
{
	for (const struct header_field *field = message->facts.headers;
	     field != NULL; field = field->next)
		if (is_signature(field->name))
			return true;
	return false;
}

static bool
feed_header(struct message *message, bool *is_wanted_out, struct fault *fault)
{
	for (const struct header_field *field = message->facts.headers;
	     field != NULL; field = field->next)
		if (!verify_header(message->verifier, field->name, field->value,
			field->value_length, fault))
			return false;
	return verify_end_of_header(message->verifier, is_wanted_out, fault);
}

/* A verifier that fails tells so of each signature at its end. */
void
preflighting_begin(struct session *session)
{
	struct message *message = &session->message;
	const char **authors;
	bool has_more, is_needed = true;
	size_t count;
	struct fault fault;

	if ((!message->class->preflight && message->signer == NULL)
	    || message->facts.is_header_too_large || !has_signature(message))
		return;
	authors =
	    arena_alloc(&message->arena, PREFLIGHT_AUTHORS * sizeof(*authors));
	if (authors == NULL)
		return;
	count = author_domains(&message->facts, authors, &has_more);
	message->verifier = verify_begin(
	    session->services->verify_library, authors, count, &fault);
	if (message->verifier == NULL)
		return;
	if (feed_header(message, &is_needed, &fault) && !is_needed)
		verify_end(&message->verifier);
}

void
preflighting_body(
    struct session *session, const unsigned char *data, size_t length)
{
	struct fault fault;

	if (session->message.verifier != NULL)
		(void)verify_body(
		    session->message.verifier, data, length, &fault);
}
