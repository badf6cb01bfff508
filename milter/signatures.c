#include "milter/signatures.h"

#include "milter/authorize.h"
#include "policy/signing.h"

/* What becomes of a message that a key's fault leaves unsigned; where that is
 * to be accepted, the log still says why. */
static struct verdict
key_error(
    struct session *session, const char *domain, const struct fault *fault)
{
	struct message *message = &session->message;
	struct verdict verdict =
	    verdict_make(message->class->sign_conf.on_key_error,
		message->class->mode, REASON_KEY_ERROR, domain);

	atomic_fetch_add(&session->services->metrics->key_faults, 1);
	message->signing_note = arena_strdup(&message->arena, fault->words);
	verdict.detail = message->signing_note;
	signer_end(&message->signer);
	keys_release(session->services->keys, &message->ring);
	return verdict;
}

enum found { FOUND, FOUND_NONE, FOUND_FAULT };

static enum found
find_ring(struct session *session, const char *domain, struct fault *fault)
{
	struct message *message = &session->message;

	message->signing_domain = domain;
	if (!keys_find(session->services->keys, message->class->sign_conf.keys,
		domain, &message->ring, fault))
		return FOUND_FAULT;
	return message->ring != NULL ? FOUND : FOUND_NONE;
}

/* The author domain's own key, else its nearest parent's that the account may
 * use. */
static enum found
find_author_ring(struct session *session, struct fault *fault)
{
	struct message *message = &session->message;
	const char *candidates[SIGNING_CANDIDATES];
	size_t count = signing_candidates(
	    message->facts.from.mailboxes[0].domain, candidates);
	enum found found = FOUND_NONE;

	for (size_t i = 0; i < count && found == FOUND_NONE; i++) {
		found = find_ring(session, candidates[i], fault);
		if (found == FOUND_NONE || i == 0)
			continue;
		if (!authorize_domain(session, candidates[i])) {
			keys_release(session->services->keys, &message->ring);
			found = FOUND_NONE;
		}
	}
	return found;
}

/* A message that no signature could survive on leaves without one: that is
 * the message's affair, not the key's. */
static struct verdict
unsignable(struct session *session, const struct fault *fault)
{
	struct message *message = &session->message;

	if (fault->kind == FAULT_MEMORY)
		return key_error(session, message->signing_domain, fault);
	message->signing_note = arena_strdup(&message->arena, fault->words);
	signer_end(&message->signer);
	keys_release(session->services->keys, &message->ring);
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

static struct verdict
begin_signer(struct session *session)
{
	struct message *message = &session->message;
	struct fault fault;

	message->signer =
	    signer_begin(message->snapshot->libraries[message->traffic_class],
		message->ring, &fault);
	if (message->signer == NULL)
		return key_error(session, message->signing_domain, &fault);
	if (!feed_header(message, &fault))
		return unsignable(session, &fault);
	return verdict_accept();
}

static struct verdict
missing_key(struct session *session)
{
	struct message *message = &session->message;
	const char *domain = message->facts.from.mailboxes[0].domain;

	message->signing_note = "no key for the author's domain";
	return verdict_make(message->class->sign_conf.on_missing_key,
	    message->class->mode, REASON_MISSING_KEY, domain);
}

static struct verdict
choose(struct session *session)
{
	struct message *message = &session->message;
	const char *fallback = message->class->sign_conf.fallback_domain;
	struct fault fault = { .kind = FAULT_NONE };
	enum found found = find_author_ring(session, &fault);

	if (found == FOUND_NONE && *fallback != '\0')
		found = find_ring(session, fallback, &fault);
	if (found == FOUND_NONE)
		return missing_key(session);
	if (found == FOUND_FAULT)
		return key_error(session, message->signing_domain, &fault);
	return begin_signer(session);
}

void
signatures_begin(struct session *session)
{
	struct message *message = &session->message;

	if (!message->class->sign)
		message->signing_note = "signing is off";
	else if (message->facts.is_header_too_large)
		message->signing_note = "header too large";
	else if (message->facts.from.count == 0)
		message->signing_note = "no usable From";
	else if (!message->is_author_owned)
		message->signing_note = "From isn't the account's";
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
		keys[message->signature_count++] = &message->ring->keys[i];
	}
	message->signatures = kept;
	message->signature_keys = keys;
	return true;
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
	    && keep_signatures(message, values, count, &fault))
		return verdict_accept();
	message->signature_count = 0;
	return unsignable(session, &fault);
}
