#include "milter/signatures.h"

#include "milter/choosing.h"
#include "milter/io/clock.h"
#include "policy/text.h"

#include <string.h>

enum { LEFT_OUT_BYTES = 1024 };

/* What becomes of a message that a key's fault leaves unsigned; where that is
 * to be accepted, the log still says why. */
static struct verdict
key_error(
    struct session *session, const char *domain, const struct fault *fault)
{
	struct message *message = &session->message;
	struct verdict verdict = verdict_make(
	    message->class->sign_conf.on_key_error, message->class->mode,
	    REASON_KEY_ERROR, arena_strdup(&message->arena, domain));

	atomic_fetch_add(&session->services->metrics->key_faults, 1);
	message->signing_note = arena_strdup(&message->arena, fault->words);
	verdict.detail = message->signing_note;
	signer_end(&message->signer);
	choosing_clear(session->services->keys, &message->chosen);
	return verdict;
}

/* A message that no signature could survive on leaves without one: that is
 * the message's affair, not the key's. */
static struct verdict
unsignable(struct session *session, const struct fault *fault)
{
	struct message *message = &session->message;
	const struct key *faulty =
	    message->signer != NULL ? signer_faulty_key(message->signer) : NULL;

	if (faulty == NULL && fault->kind == FAULT_MEMORY
	    && message->chosen.count > 0)
		faulty = message->chosen.uses[0].key;
	if (faulty != NULL)
		return key_error(session, faulty->domain, fault);
	message->signing_note = arena_strdup(&message->arena, fault->words);
	signer_end(&message->signer);
	choosing_clear(session->services->keys, &message->chosen);
	return verdict_accept();
}

static bool
feed_header(struct message *message, struct fault *fault)
{
	for (const struct header_field *field = message->facts.headers;
	     field != NULL; field = field->next)
		if (!signer_header(message->signer, field->name, field->value,
			field->value_length, fault))
			return false;
	return signer_end_of_header(message->signer, fault);
}

/* Is it this message's turn? They are spread evenly. */
static bool
is_checked(struct session *session)
{
	uint64_t percent = session->message.class->sign_conf.self_check;
	uint64_t turn;

	if (percent == 0)
		return false;
	turn = atomic_fetch_add(&session->services->self_check_turn, 1) % 100;
	return (turn + 1) * percent / 100 != turn * percent / 100;
}

static struct verdict
begin_signer(struct session *session)
{
	struct message *message = &session->message;
	const struct signer_order order = {
		.engine = message->class->sign_conf.engine,
		.uses = message->chosen.uses,
		.count = message->chosen.count,
		.time_s = clock_unix_s(),
		.is_checked = is_checked(session),
	};
	struct fault fault;

	message->is_self_checked = order.is_checked;
	message->signer = signer_begin(&order, &fault);
	if (message->signer == NULL)
		return key_error(
		    session, message->chosen.uses[0].key->domain, &fault);
	if (!feed_header(message, &fault))
		return unsignable(session, &fault);
	return verdict_accept();
}

/* No key of the author's domain; also_sign's may sign all the same. */
static struct verdict
missing_key(struct session *session)
{
	struct message *message = &session->message;
	const char *domain = message->facts.from.mailboxes[0].domain;

	return verdict_make(message->class->sign_conf.on_missing_key,
	    message->class->mode, REASON_MISSING_KEY, domain);
}

static struct verdict
choose(struct session *session)
{
	struct verdict verdict = verdict_accept();
	struct fault fault = { .kind = FAULT_NONE };
	const char *domain;

	switch (choosing_keys(session, &domain, &fault)) {
	case CHOOSING_FAULT:
		return key_error(session, domain, &fault);
	case CHOOSING_NO_KEY:
		verdict = missing_key(session);
		break;
	case CHOOSING_DONE:
		break;
	}
	if (session->message.chosen.count > 0)
		verdict = verdict_worse(verdict, begin_signer(session));
	return verdict;
}

void
signatures_begin(struct session *session)
{
	struct message *message = &session->message;

	if (!message->class->sign)
		message->signing_note = "signing is off";
	else if (message->facts.is_header_too_large)
		message->signing_note =
		    message->facts.header_count > SESSION_HEADER_FIELDS
		    ? "too many header fields"
		    : "header too large";
	else if (message->facts.from.count == 0)
		message->signing_note = "no usable From";
	else if (!message->is_author_owned)
		message->signing_note = "From isn't the account's";
	else if (suffixes_is_public(session->services->suffixes,
		     message->facts.from.mailboxes[0].domain))
		message->signing_note = "From is a public suffix";
	else
		message->verdict =
		    verdict_worse(message->verdict, choose(session));
}

void
signatures_body(
    struct session *session, const unsigned char *data, size_t length)
{
	struct message *message = &session->message;
	struct fault fault;

	if (message->signer == NULL
	    || signer_body(message->signer, data, length, &fault))
		return;
	message->verdict =
	    verdict_worse(message->verdict, unsignable(session, &fault));
}

/* Those of keys that weren't left out. */
static bool
keep_signatures(struct message *message, const char *const *values,
    size_t count, struct fault *fault)
{
	const char **kept =
	    arena_alloc(&message->arena, (count + 1) * sizeof(*kept));
	const struct key **keys =
	    arena_alloc(&message->arena, (count + 1) * sizeof(const void *));

	if (kept == NULL || keys == NULL) {
		fault_memory(fault);
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (values[i] == NULL)
			continue;
		kept[message->signature_count] = values[i];
		keys[message->signature_count++] = message->chosen.uses[i].key;
	}
	message->signatures = kept;
	message->signature_keys = keys;
	return true;
}

/* Has it been told of an earlier one why it was lost? */
static bool
is_told(const struct signer *signer, size_t which)
{
	for (size_t i = 0; i < which; i++)
		if (signer_lost(signer, i) != NULL
		    && strcmp(
			   signer_lost(signer, i), signer_lost(signer, which))
			== 0)
			return true;
	return false;
}

/* "b.example/s1,b.example/s2: why; c.example/s1: why", if some were lost. */
static void
note_left_out(struct message *message)
{
	const struct signer *signer = message->signer;
	char space[LEFT_OUT_BYTES];
	struct text text;

	text_init(&text, space, sizeof(space));
	for (size_t i = 0; i < message->chosen.count; i++) {
		const char *why = signer_lost(signer, i);

		if (why == NULL || is_told(signer, i))
			continue;
		text_add(&text, text.length > 0 ? "; " : "");
		for (size_t k = i; k < message->chosen.count; k++) {
			const struct key *key = message->chosen.uses[k].key;
			const char *other = signer_lost(signer, k);

			if (other != NULL && strcmp(other, why) == 0)
				text_addf(&text, "%s%s/%s", k > i ? "," : "",
				    key->domain, key->selector);
		}
		text_addf(&text, ": %s", why);
	}
	if (text.length > 0)
		message->left_out = arena_strdup(&message->arena, space);
}

/* What the other engine, and the keys' public parts, say of them. */
static void
note_self_check(struct session *session)
{
	struct message *message = &session->message;
	struct metrics *metrics = session->services->metrics;
	const char *difference;

	if (!message->is_self_checked)
		return;
	atomic_fetch_add(&metrics->self_checks, 1);
	difference = signer_difference(message->signer);
	if (difference != NULL)
		atomic_fetch_add(&metrics->self_check_differences, 1);
	message->self_check = difference != NULL
	    ? arena_strdup(&message->arena, difference)
	    : "good";
}

struct verdict
signatures_finish(struct session *session)
{
	struct message *message = &session->message;
	const char *const *values;
	struct fault fault;
	size_t count;

	if (message->signer == NULL)
		return verdict_accept();
	if (signer_finish(message->signer, &values, &count, &fault)
	    && keep_signatures(message, values, count, &fault)) {
		note_left_out(message);
		note_self_check(session);
		return verdict_accept();
	}
	message->signature_count = 0;
	return unsignable(session, &fault);
}
