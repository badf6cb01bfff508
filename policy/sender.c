#include "policy/sender.h"

#include "policy/text.h"

#include <string.h>

/* Room for reading one login of a map again: its normal form and what the
 * parser needs on the way. */
enum { LOGIN_ARENA_BYTES = 64 * 1024 };

static const char login_separators[] = ", \t\n\v\f\r";

/* Where the extension begins: at the first delimiter that doesn't stand at
 * the very beginning. The length of local if there is none. */
static size_t
stem_length(const char *local, const char *delimiters)
{
	if (*local == '\0' || delimiters == NULL)
		return strlen(local);
	return 1 + strcspn(local + 1, delimiters);
}

/* The text of the mailbox whose local part is the first length octets of
 * mailbox's. *text_out is NULL where that is not a mailbox. False only for
 * want of memory. */
static bool
stem_text(const struct mailbox *mailbox, size_t length, struct arena *arena,
    const char **text_out)
{
	struct fault fault = { .kind = FAULT_NONE };
	struct mailbox stem = { 0 };
	/* All in quotes, every octet may need a backslash. */
	char *quoted = arena_alloc(
	    arena, 2 * length + strlen(mailbox->domain) + sizeof "\"\"@");
	size_t used = 0;

	*text_out = NULL;
	if (quoted == NULL)
		return false;
	quoted[used++] = '"';
	for (size_t i = 0; i < length; i++) {
		if (mailbox->local[i] == '"' || mailbox->local[i] == '\\')
			quoted[used++] = '\\';
		quoted[used++] = mailbox->local[i];
	}
	quoted[used++] = '"';
	quoted[used++] = '@';
	memcpy(quoted + used, mailbox->domain, strlen(mailbox->domain));
	used += strlen(mailbox->domain);
	if (address_mailbox(arena, quoted, used, &stem, &fault))
		*text_out = stem.text;
	return fault.kind != FAULT_MEMORY;
}

/* One more key, in lower case. */
static bool
add_key(struct sender_question *question, struct arena *arena,
    const char *prefix, const char *text)
{
	char *key = arena_printf(arena, "%s%s", prefix, text);

	if (key == NULL)
		return false;
	text_lower(key);
	question->keys[question->count++] = key;
	return true;
}

/* What stands for a whole domain: itself, and "subdomains of" its parents, the
 * nearest first. */
static bool
add_domain(
    struct sender_question *question, struct arena *arena, const char *domain)
{
	const char *parent = address_parent(domain);

	if (!add_key(question, arena, "@", domain))
		return false;
	for (int i = 0; i < SENDER_PARENTS && parent != NULL; i++) {
		if (!add_key(question, arena, "@.", parent))
			return false;
		parent = address_parent(parent);
	}
	return true;
}

bool
sender_question(const struct sender_rules *rules, const struct mailbox *mailbox,
    struct arena *arena, struct sender_question *question_out)
{
	const char *stem = NULL;
	size_t length;

	memset(question_out, 0, sizeof *question_out);
	if (mailbox->domain == NULL)
		return true; /* nobody is named for the null sender */
	length = stem_length(mailbox->local, rules->recipient_delimiter);
	if (mailbox->local[length] != '\0'
	    && !stem_text(mailbox, length, arena, &stem))
		return false;
	return add_key(question_out, arena, "", mailbox->text)
	    && (stem == NULL || add_key(question_out, arena, "", stem))
	    && add_domain(question_out, arena, mailbox->domain);
}

bool
sender_domain_question(const char *domain, struct arena *arena,
    struct sender_question *question_out)
{
	memset(question_out, 0, sizeof *question_out);
	return add_domain(question_out, arena, domain);
}

static unsigned char
fold(char octet)
{
	return (
	    unsigned char)(octet >= 'A' && octet <= 'Z' ? octet + 32 : octet);
}

/* Octets from somewhere, not closed by a NUL. */
struct span {
	const char *data;
	size_t length;
};

static struct span
span_of(const char *string)
{
	return (struct span){ .data = string, .length = strlen(string) };
}

static bool
is_same(struct span one, struct span other, bool is_case_sensitive)
{
	if (one.length != other.length)
		return false;
	if (is_case_sensitive)
		return memcmp(one.data, other.data, one.length) == 0;
	for (size_t i = 0; i < one.length; i++)
		if (fold(one.data[i]) != fold(other.data[i]))
			return false;
	return true;
}

static bool
has_octet(struct span text, char octet)
{
	return memchr(text.data, octet, text.length) != NULL;
}

/* Is address the same as name@domain? */
static bool
is_qualified(struct span address, struct span name, const char *domain,
    bool is_case_sensitive)
{
	struct span wanted = span_of(domain);
	struct span local = { .data = address.data, .length = name.length };

	if (address.length != name.length + 1 + wanted.length
	    || address.data[name.length] != '@')
		return false;
	address.data += name.length + 1;
	address.length = wanted.length;
	return is_same(local, name, is_case_sensitive)
	    && is_same(address, wanted, false);
}

/* Does a login in its normal form name the account? One of the two may lack
 * the domain that default_domain stands for. */
static bool
is_named_by(const struct sender_rules *rules, const struct account *account,
    struct span login)
{
	struct span name = span_of(account->name);
	struct span address = has_octet(login, '@') ? login : name;
	struct span bare = has_octet(login, '@') ? name : login;

	if (is_same(login, name, rules->is_case_sensitive))
		return true;
	if (rules->default_domain == NULL || *rules->default_domain == '\0'
	    || !has_octet(address, '@') || has_octet(bare, '@'))
		return false;
	/* postern's own names ("uid:0") are nobody's short for an address */
	return !has_octet(bare, ':')
	    && is_qualified(
		address, bare, rules->default_domain, rules->is_case_sensitive);
}

/* Is login written as it would be after normalising, as far as it counts?
 * Most are: so most need no parsing. */
static bool
is_plain(const struct sender_rules *rules, struct span login)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-_.+=@:";

	/* of an address only the local part's capitals count */
	if (rules->is_case_sensitive && has_octet(login, '@'))
		return false;
	for (size_t i = 0; i < login.length; i++)
		if (strchr(plain, login.data[i]) == NULL)
			return false;
	return login.length > 0 && login.data[login.length - 1] != '.';
}

/* A login of the map that has to be brought into the form that accounts are
 * named in first. Without memory it names nobody. */
static bool
is_named_by_normal(const struct sender_rules *rules,
    const struct account *account, struct span login)
{
	struct mailbox mailbox;
	struct arena arena;
	bool is_named = false;

	arena_init(&arena, LOGIN_ARENA_BYTES);
	if (address_mailbox(&arena, login.data, login.length, &mailbox, NULL))
		is_named = is_named_by(rules, account, span_of(mailbox.text));
	else
		is_named = is_named_by(rules, account, login);
	arena_clear(&arena);
	return is_named;
}

/* Is the account among the logins of a map's value? */
static bool
is_among(const struct sender_rules *rules, const struct account *account,
    const char *logins)
{
	const char *at = logins;

	if (at == NULL)
		return false;
	for (;;) {
		struct span login;

		at += strspn(at, login_separators);
		if (*at == '\0')
			return false;
		login.data = at;
		login.length = strcspn(at, login_separators);
		if (is_plain(rules, login)
			? is_named_by(rules, account, login)
			: is_named_by_normal(rules, account, login))
			return true;
		at += login.length;
	}
}

/* Is domain the one that the account has by its name? */
static bool
has_own_domain(const struct account *account, const char *domain)
{
	switch (account->source) {
	case ACCOUNT_SASL:
	case ACCOUNT_NETWORK:
	case ACCOUNT_HEADER:
	case ACCOUNT_ENVELOPE:
	case ACCOUNT_HOST:
	case ACCOUNT_BOUNCES:
		return account->own_domain != NULL
		    && strcmp(account->own_domain, domain) == 0;
	case ACCOUNT_UID:
	case ACCOUNT_CLIENT:
	case ACCOUNT_SOURCE_COUNT:
		break;
	}
	return false; /* a number or an address says nothing of domains */
}

/* The one address that a login, a network's account, what a trusted client
 * says or a trusted envelope sender is. */
static bool
is_own_address(const struct account *account, const struct mailbox *mailbox)
{
	return (account->source == ACCOUNT_SASL
		   || account->source == ACCOUNT_NETWORK
		   || account->source == ACCOUNT_HEADER
		   || account->source == ACCOUNT_ENVELOPE)
	    && account->own.domain != NULL
	    && address_equal(&account->own, mailbox, false);
}

/* Also those of a trusted client that were handed on. */
static bool
is_bounces(const struct account *account)
{
	return account->source == ACCOUNT_BOUNCES
	    || (account->source == ACCOUNT_HEADER
		&& strncmp(account->name, "bounces:", 8) == 0);
}

/* What is granted beyond what the account has by its name. */
static bool
is_granted(const struct sender_rules *rules, const struct account *account,
    const struct sender_evidence *evidence)
{
	/* Whoever says `sendmail -f '<>'` is taken for the MTA's bounces: a
	 * grant to those would be a grant to every local user. */
	if (is_bounces(account) || evidence == NULL)
		return false;
	switch (rules->owners) {
	case OWNERS_OWN:
		break;
	case OWNERS_MAP:
		return is_among(rules, account, evidence->logins);
	case OWNERS_ALL:
		return evidence->has_key;
	}
	return false;
}

bool
sender_owns(const struct sender_rules *rules, const struct account *account,
    const struct mailbox *mailbox, const struct sender_evidence *evidence)
{
	if (mailbox->domain == NULL || account->is_too_long)
		return false;
	return is_own_address(account, mailbox)
	    || has_own_domain(account, mailbox->domain)
	    || is_granted(rules, account, evidence);
}

bool
sender_owns_domain(const struct sender_rules *rules,
    const struct account *account, const char *domain,
    const struct sender_evidence *evidence)
{
	if (account->is_too_long)
		return false;
	return has_own_domain(account, domain)
	    || is_granted(rules, account, evidence);
}

bool
sender_can_ever_own(const struct sender_rules *rules, bool has_map)
{
	return rules->owners == OWNERS_ALL
	    || (rules->owners == OWNERS_MAP && has_map)
	    || (rules->default_domain != NULL
		&& *rules->default_domain != '\0');
}

struct verdict
sender_judge_form(const struct sender_rules *rules, enum mode mode,
    const struct message_facts *facts)
{
	struct verdict verdict = verdict_accept();
	const char *problem = NULL;

	if (facts->from_count == 0)
		problem = "no From field";
	else if (facts->from_count > 1)
		problem = "more than one From field";
	else if (facts->from.form != FROM_GOOD
	    && facts->from.form != FROM_BROKEN_NAME)
		problem = facts->from.problem != NULL
		    ? facts->from.problem
		    : "no usable address in From";
	else if (facts->from.count == 0)
		problem = "no usable address in From";
	if (problem != NULL) {
		verdict = verdict_make(
		    rules->on_bad_from, mode, REASON_BAD_FROM, NULL);
		verdict.detail = problem;
	} else {
		verdict.detail = facts->from.problem; /* taken, but told */
	}
	return verdict;
}

struct verdict
sender_judge_owners(const struct sender_rules *rules, enum mode mode,
    const struct message_facts *facts, bool is_envelope_owned,
    const struct mailbox *foreign)
{
	struct verdict envelope = verdict_accept();
	struct verdict from = verdict_accept();

	if (rules->check_envelope && !is_envelope_owned
	    && !facts->is_null_sender)
		envelope = verdict_make(rules->on_mismatch, mode,
		    REASON_ENVELOPE_MISMATCH,
		    facts->sender.text != NULL ? facts->sender.text
					       : facts->envelope_sender);
	if (rules->check_from && foreign != NULL)
		from = verdict_make(rules->on_mismatch, mode,
		    REASON_FROM_MISMATCH, foreign->text);
	return verdict_worse(envelope, from);
}
