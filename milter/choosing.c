#include "milter/choosing.h"

#include "milter/authorize.h"
#include "policy/text.h"

#include <string.h>

struct choosing_work {
	struct session *session;
	struct message *message;
	struct chosen_keys *chosen;
	const struct sign_conf *sign;
	const char *author_domain;
	const char *domain; /* looked for last */
	struct fault *fault;
	bool was_refused; /* a key was there that the account may not use */
};

void
choosing_clear(struct keys *keys, struct chosen_keys *chosen)
{
	for (size_t i = 0; i < chosen->match_count; i++)
		keys_release_match(keys, &chosen->matches[i]);
	chosen->match_count = 0;
	chosen->count = 0;
}

static bool
is_chosen(const struct chosen_keys *chosen, const struct key *key)
{
	for (size_t i = 0; i < chosen->count; i++) {
		const struct key *other = chosen->uses[i].key;

		if (strcmp(other->domain, key->domain) == 0
		    && text_equal_case(other->selector, key->selector))
			return true;
	}
	return false;
}

static void
use_key(struct choosing_work *work, const struct key *key, const char *identity)
{
	struct chosen_keys *chosen = work->chosen;
	struct signing_rules *rules = &chosen->rules[chosen->count];

	if (is_chosen(chosen, key))
		return;
	conf_signing_rules(work->message->snapshot->conf, work->message->class,
	    key->domain, rules);
	chosen->uses[chosen->count++] = (struct signer_use){
		.key = key, .rules = rules, .identity = identity
	};
}

/* Have the keys of a match sign, as long as there is room; it is the choice's
 * then. Where there isn't room for all, RSA comes first: every
 * receiver verifies it. */
static void
use_match(
    struct choosing_work *work, const struct key_match *match, size_t most)
{
	struct chosen_keys *chosen = work->chosen;
	const struct key_ring *ring = match->ring;
	bool has_room = chosen->count + ring->count <= most;

	chosen->matches[chosen->match_count++] = *match;
	for (int round = has_room ? 1 : 0; round < 2; round++)
		for (size_t i = 0; i < ring->count && chosen->count < most; i++)
			if (round == 1
			    || ring->keys[i].algorithm == KEY_RSA_SHA256)
				use_key(work, &ring->keys[i], match->identity);
}

/* An author's own domain is his; fallback_domain and also_sign are the
 * provider's, who has said so. */
static bool
may_anyhow(const struct choosing_work *work, const char *domain)
{
	return strcmp(domain, work->author_domain) == 0
	    || strcmp(domain, work->sign->fallback_domain) == 0
	    || strcmp(domain, work->sign->also_sign) == 0;
}

/* May the account's mail be signed with this d=? Asked before the key is:
 * another's key that is at fault is no matter of this message. */
static bool
may_use(void *context, const char *domain)
{
	struct choosing_work *work = context;
	bool may = may_anyhow(work, domain)
	    || (!suffixes_is_public(work->session->services->suffixes, domain)
		&& authorize_domain(work->session, domain));

	work->was_refused |= !may;
	return may;
}

/* The keys of one domain. */
static enum choosing
use_domain(struct choosing_work *work, const char *domain, size_t most)
{
	struct keys *keys = work->session->services->keys;
	struct key_match match = { 0 };

	if (!keys_has(keys, &work->sign->places, domain)
	    || !may_use(work, domain))
		return CHOOSING_NO_KEY;
	work->domain = domain;
	if (!keys_find(
		keys, &work->sign->places, domain, &match.ring, work->fault))
		return CHOOSING_FAULT;
	if (match.ring == NULL)
		return CHOOSING_NO_KEY;
	use_match(work, &match, most);
	return CHOOSING_DONE;
}

/* What the SigningTable says of the author's address, whoever's keys they are:
 * not CHOOSING_DONE, there may be more to be found, unless one is all that is
 * wanted of it. */
static enum choosing
use_table(struct choosing_work *work, size_t most)
{
	struct keys *keys = work->session->services->keys;
	const struct mailbox *author = &work->message->facts.from.mailboxes[0];
	struct key_match matches[KEYS_MATCHES];
	size_t count;

	work->domain = author->domain;
	if (!keys_match(keys, &work->sign->places, author->local,
		author->domain, may_use, work, matches, &count, work->fault))
		return CHOOSING_FAULT;
	for (size_t i = 0; i < count; i++)
		use_match(work, &matches[i], most);
	return count > 0 && !work->sign->places.takes_all ? CHOOSING_DONE
							  : CHOOSING_NO_KEY;
}

/* Is one of the author's own domain, or of one above it, among them? */
static bool
has_authors(const struct choosing_work *work)
{
	size_t length = strlen(work->author_domain);

	for (size_t i = 0; i < work->chosen->count; i++) {
		const char *domain = work->chosen->uses[i].key->domain;
		size_t own = strlen(domain);
		const char *tail;

		if (own > length)
			continue;
		tail = work->author_domain + (length - own);
		if (strcmp(tail, domain) == 0
		    && (own == length || tail[-1] == '.'))
			return true;
	}
	return false;
}

size_t
choosing_candidates(const struct suffixes *suffixes, const char *domain,
    const char *candidates[SIGNING_CANDIDATES])
{
	size_t count = signing_candidates(domain, candidates);
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (!suffixes_is_public(suffixes, candidates[i]))
			candidates[kept++] = candidates[i];
	return kept;
}

static enum choosing
use_authors(struct choosing_work *work, size_t most)
{
	const char *candidates[SIGNING_CANDIDATES];
	size_t count = choosing_candidates(
	    work->session->services->suffixes, work->author_domain, candidates);
	enum choosing found = use_table(work, most);

	if (found == CHOOSING_NO_KEY && has_authors(work))
		return CHOOSING_DONE;
	for (size_t i = 0; i < count && found == CHOOSING_NO_KEY; i++)
		found = use_domain(work, candidates[i], most);
	if (found == CHOOSING_NO_KEY && work->chosen->count > 0)
		return CHOOSING_DONE;
	if (found == CHOOSING_NO_KEY && *work->sign->fallback_domain != '\0')
		found = use_domain(work, work->sign->fallback_domain, most);
	return found;
}

enum choosing
choosing_keys(
    struct session *session, const char **domain_out, struct fault *fault)
{
	struct message *message = &session->message;
	struct choosing_work work = {
		.session = session,
		.message = message,
		.chosen = &message->chosen,
		.sign = &message->class->sign_conf,
		.author_domain = message->facts.from.mailboxes[0].domain,
		.fault = fault,
	};
	bool signs_also = *work.sign->also_sign != '\0';
	enum choosing found =
	    use_authors(&work, SIGNING_SIGNATURES - (signs_also ? 1 : 0));

	*domain_out = work.domain;
	if (found != CHOOSING_FAULT && signs_also
	    && use_domain(&work, work.sign->also_sign, SIGNING_SIGNATURES)
		== CHOOSING_FAULT) {
		*domain_out = work.domain;
		found = CHOOSING_FAULT;
	}
	if (found == CHOOSING_FAULT)
		choosing_clear(session->services->keys, &message->chosen);
	if (found == CHOOSING_NO_KEY)
		message->signing_note = work.was_refused
		    ? "the domain's key isn't for this account"
		    : "no key for the author's domain";
	return found;
}
