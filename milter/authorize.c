#include "milter/authorize.h"

#include "milter/choosing.h"
#include "policy/sender.h"

#include <string.h>

/* Where senders.map can't be asked it isn't known who owns the address: see
 * unless_unknown(). */
static const char *
look_up(struct session *session, const struct sender_question *question)
{
	struct message *message = &session->message;
	const struct conf *conf = message->snapshot->conf;
	const struct map_source *map = message->class->senders.map;
	const char *logins = NULL;
	struct fault fault;
	bool is_stale;

	for (size_t i = 0; map != NULL && logins == NULL && i < question->count;
	     i++)
		if (!tables_find(session->services->tables, map,
			question->keys[i], conf->account_maps.map_ttl_ms,
			&message->arena, &logins, &is_stale, &fault)) {
			message->map_fault =
			    arena_strdup(&message->arena, fault.words);
			return NULL;
		}
	return logins;
}

static bool
has_key(struct session *session, const char *domain)
{
	const char *candidates[SIGNING_CANDIDATES];
	const struct sign_conf *sign = &session->message.class->sign_conf;
	size_t count = choosing_candidates(
	    session->services->suffixes, domain, candidates);

	for (size_t i = 0; i < count; i++)
		if (keys_has(
			session->services->keys, &sign->places, candidates[i]))
			return true;
	return false;
}

/* All but has_key, which may have to be asked for. */
static bool
find_logins(struct session *session, const struct mailbox *mailbox,
    struct sender_evidence *evidence_out)
{
	struct message *message = &session->message;
	const struct senders_conf *senders = &message->class->senders;
	struct sender_question question;

	memset(evidence_out, 0, sizeof(*evidence_out));
	if (!sender_question(
		&senders->rules, mailbox, &message->arena, &question))
		return false;
	evidence_out->logins = look_up(session, &question);
	return true;
}

static bool
is_own(void *context, const char *key_domain)
{
	const struct mailbox *mailbox = context;

	return strcmp(key_domain, mailbox->domain) == 0;
}

/* Has the SigningTable a key of the address's own domain? Entries for any
 * domain ("%") count for the addresses alone that it lists. A key at fault is
 * there. */
static bool
has_table_key(struct session *session, const struct mailbox *mailbox)
{
	struct keys *keys = session->services->keys;
	const struct sign_conf *sign = &session->message.class->sign_conf;
	struct key_match matches[KEYS_MATCHES];
	struct mailbox own = *mailbox;
	size_t count;

	if (*sign->places.signing_table == '\0')
		return false;
	if (!keys_match(keys, &sign->places, mailbox->local, mailbox->domain,
		is_own, &own, matches, &count, NULL))
		return true;
	for (size_t i = 0; i < count; i++)
		keys_release_match(keys, &matches[i]);
	return count > 0;
}

static bool
has_key_of(struct session *session, const struct mailbox *mailbox)
{
	return !mailbox->is_literal
	    && (has_key(session, mailbox->domain)
		|| has_table_key(session, mailbox));
}

bool
authorize_evidence(struct session *session, const struct mailbox *mailbox,
    struct sender_evidence *evidence_out)
{
	if (!find_logins(session, mailbox, evidence_out))
		return false;
	evidence_out->has_key = has_key_of(session, mailbox);
	return true;
}

/* From may hold many addresses, and a key map is a server: keys are asked for
 * only where ownership rests on them. */
static bool
judge_address(struct session *session, const struct mailbox *mailbox,
    struct sender_evidence *evidence_out, bool *is_owned_out)
{
	struct message *message = &session->message;
	const struct sender_rules *rules = &message->class->senders.rules;

	if (!find_logins(session, mailbox, evidence_out))
		return false;
	if (rules->owners == OWNERS_ALL)
		evidence_out->has_key = has_key_of(session, mailbox);
	*is_owned_out =
	    sender_owns(rules, &message->account, mailbox, evidence_out);
	return true;
}

/* An envelope sender that is no mailbox is nobody's; the null sender is a
 * bounce's, and anybody's. */
static bool
judge_envelope(struct session *session, bool *is_owned_out)
{
	struct message *message = &session->message;
	struct message_facts *facts = &message->facts;
	struct sender_evidence evidence;

	*is_owned_out = facts->is_null_sender;
	message->is_envelope_ours = false;
	if (facts->is_null_sender || facts->is_bad_sender)
		return true;
	if (!judge_address(session, &facts->sender, &evidence, is_owned_out))
		return false;
	message->is_envelope_ours = *is_owned_out || evidence.logins != NULL
	    || has_key_of(session, &facts->sender);
	return true;
}

static bool
judge_authors(struct session *session, const struct mailbox **foreign_out)
{
	struct message *message = &session->message;
	const struct from_field *from = &message->facts.from;
	bool *owned =
	    arena_alloc(&message->arena, (from->count + 1) * sizeof(*owned));
	struct sender_evidence evidence;

	*foreign_out = NULL;
	if (owned == NULL)
		return false;
	for (size_t i = 0; i < from->count; i++) {
		if (!judge_address(
			session, &from->mailboxes[i], &evidence, &owned[i]))
			return false;
		if (!owned[i] && *foreign_out == NULL)
			*foreign_out = &from->mailboxes[i];
	}
	if (message->facts.from_count == 1)
		message->owned_authors = owned;
	return true;
}

static bool
read_from(struct message *message)
{
	struct message_facts *facts = &message->facts;
	const struct header_field *field = facts->headers;

	while (field != NULL && !session_is_from(field->name))
		field = field->next;
	if (field == NULL || facts->from_count != 1)
		return true;
	return address_from(
	    &message->arena, field->value, field->value_length, &facts->from);
}

/* The words of a bad From go to the client too. */
static const char *
from_problem(const struct message_facts *facts)
{
	if (facts->from_count == 0)
		return "there is none";
	if (facts->from_count > 1)
		return "there are several";
	return facts->from.problem != NULL ? facts->from.problem
					   : "no usable address";
}

/* While senders.map can't be asked, an address that seems another's may be the
 * account's all the same: that is no reason to refuse it for good. */
static struct verdict
unless_unknown(const struct message *message, struct verdict verdict)
{
	if (message->map_fault == NULL || verdict.action != ACTION_REJECT)
		return verdict;
	verdict = verdict_make(ACTION_TEMPFAIL, message->class->mode,
	    REASON_MAP_AWAY, verdict.subject);
	verdict.detail = message->map_fault;
	return verdict;
}

bool
authorize_message(struct session *session)
{
	struct message *message = &session->message;
	struct message_facts *facts = &message->facts;
	const struct sender_rules *rules = &message->class->senders.rules;
	enum mode mode = message->class->mode;
	const struct mailbox *foreign;
	struct verdict form, owners;
	bool is_envelope_owned;

	if (!read_from(message) || !judge_envelope(session, &is_envelope_owned)
	    || !judge_authors(session, &foreign))
		return false;
	message->is_sender_owned = is_envelope_owned;
	message->is_author_owned =
	    facts->from_count == 1 && facts->from.count > 0 && foreign == NULL;
	form = sender_judge_form(rules, mode, facts);
	if (form.reason != REASON_NONE)
		form.detail = from_problem(facts);
	if (facts->is_header_too_large) {
		/* A second From may be in what wasn't kept. */
		message->is_author_owned = false;
		message->owned_authors = NULL;
		form = verdict_make(
		    rules->on_bad_from, mode, REASON_HEADERS_TOO_LARGE, NULL);
	}
	owners = unless_unknown(message,
	    sender_judge_owners(
		rules, mode, facts, is_envelope_owned, foreign));
	message->verdict = verdict_worse(form, owners);
	return true;
}

bool
authorize_domain(struct session *session, const char *domain)
{
	struct message *message = &session->message;
	const struct senders_conf *senders = &message->class->senders;
	struct sender_evidence evidence = { .has_key = true };
	struct sender_question question;

	if (!sender_domain_question(domain, &message->arena, &question))
		return false;
	evidence.logins = look_up(session, &question);
	return sender_owns_domain(
	    &senders->rules, &message->account, domain, &evidence);
}
