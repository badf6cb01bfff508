#include "policy/account.h"

#include "policy/text.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

/* The longest login that is looked at for what it means; a longer one can't
 * be anybody's account name (its quoting alone may go away). */
enum { LOGIN_OCTETS = ADDRESS_OCTETS };

static bool
has_login(const struct message_facts *facts)
{
	return facts->login != NULL && *facts->login != '\0';
}

enum traffic_class
account_class(const struct message_facts *facts,
    const enum traffic_class *fixed, const struct network *relay_networks,
    size_t relay_network_count)
{
	if (fixed != NULL)
		return *fixed;
	if (has_login(facts))
		return CLASS_SUBMISSION;
	if (account_is_local_submission(facts->connection))
		return CLASS_LOCAL;
	for (size_t i = 0; i < relay_network_count; i++)
		if (network_has(&relay_networks[i], &facts->connection->client))
			return CLASS_RELAY;
	return CLASS_INBOUND;
}

bool
account_is_local_submission(const struct connection_facts *connection)
{
	/* A client without an address is not local: Postfix 3.7 shows one
	 * that hung up before it was looked at as unknown with port 0. */
	return network_is_loopback(&connection->client)
	    && connection->is_port_known && connection->client_port == 0;
}

/* Names that only postern gives. In any case of letters: what is shown to
 * people must not look like one of them either. */
static bool
is_reserved(const char *name)
{
	static const char *const prefixes[] = {
		"uid:", "local:", "bounces:", "client:", "sasl:"
	};

	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
		if (strncasecmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

/* Cut a name that is too long; such an account owns nothing. */
static void
bound(struct account *account, char *name)
{
	if (strlen(name) > ACCOUNT_OCTETS) {
		name[ACCOUNT_OCTETS] = '\0';
		account->is_too_long = true;
		account->own = (struct mailbox){ 0 };
		account->own_domain = NULL;
	}
	account->name = name;
}

/* The account by a name that somebody outside chose (a login, an envelope
 * sender), so that two of them are one account only if they are the same. */
static bool
name_outside(const struct account_rules *rules, const char *claimed,
    struct arena *arena, struct account *account)
{
	const char *prefix = is_reserved(claimed) ? "sasl:" : "";
	char *name = arena_printf(arena, "%s%s", prefix, claimed);

	if (name == NULL)
		return false;
	if (!rules->is_case_sensitive)
		text_lower(name);
	bound(account, name);
	return true;
}

static void
own(struct account *account, const struct mailbox *mailbox)
{
	account->own = *mailbox;
	/* An address at a literal is one address; the host behind it is not
	 * anybody's domain. */
	account->own_domain = mailbox->is_literal ? NULL : mailbox->domain;
}

/* Parse text as a mailbox. *is_one_out tells whether it is one. False only
 * for want of memory. */
static bool
parse_mailbox(struct arena *arena, const char *text, size_t length,
    struct mailbox *mailbox_out, bool *is_one_out)
{
	struct fault fault = { .kind = FAULT_NONE };

	*is_one_out = address_mailbox(arena, text, length, mailbox_out, &fault);
	return *is_one_out || fault.kind != FAULT_MEMORY;
}

/* Give a login without a domain the address that default_domain makes of it,
 * if the local part is then the login itself: one that loses its quotes is
 * somebody else's address. */
static bool
qualify(const struct account_rules *rules, const char *login,
    struct arena *arena, struct account *account)
{
	struct mailbox mailbox;
	bool is_mailbox;
	const char *address;

	if (rules->default_domain == NULL || *rules->default_domain == '\0')
		return true;
	address = arena_printf(arena, "%s@%s", login, rules->default_domain);
	if (address == NULL
	    || !parse_mailbox(
		arena, address, strlen(address), &mailbox, &is_mailbox))
		return false;
	if (is_mailbox && strcmp(mailbox.local, login) == 0)
		own(account, &mailbox);
	return true;
}

static bool
name_login(const struct account_rules *rules, const char *login,
    struct arena *arena, struct account *account)
{
	struct mailbox mailbox;
	bool is_mailbox = false;
	size_t length = strlen(login);

	account->source = ACCOUNT_SASL;
	if (length > LOGIN_OCTETS) {
		char *name = arena_copy(arena, login, LOGIN_OCTETS);

		return name != NULL
		    && name_outside(rules, name, arena, account);
	}
	if (!parse_mailbox(arena, login, length, &mailbox, &is_mailbox))
		return false;
	if (is_mailbox) {
		own(account, &mailbox);
		return name_outside(rules, mailbox.text, arena, account);
	}
	/* With an '@' in it, it is no login without a domain, but an address
	 * that could not be read. */
	if (strchr(login, '@') == NULL
	    && !qualify(rules, login, arena, account))
		return false;
	/* With its domain or without, it is one person and one account. */
	return name_outside(rules,
	    account->own.text != NULL ? account->own.text : login, arena,
	    account);
}

/* A name that somebody vouches for (the administrator, another host's postern)
 * is taken as it is: it may be anybody's, also a login's. An address is meant
 * as one. */
static bool
name_vouched(const struct account_rules *rules, const char *chosen,
    struct arena *arena, struct account *account)
{
	struct mailbox mailbox;
	bool is_mailbox = false;
	char *name;

	if (!parse_mailbox(
		arena, chosen, strlen(chosen), &mailbox, &is_mailbox))
		return false;
	name = arena_strdup(arena, is_mailbox ? mailbox.text : chosen);
	if (name == NULL)
		return false;
	if (!rules->is_case_sensitive)
		text_lower(name);
	if (is_mailbox)
		own(account, &mailbox);
	bound(account, name);
	return true;
}

static bool
name_network(const struct account_rules *rules, const char *chosen,
    struct arena *arena, struct account *account)
{
	account->source = ACCOUNT_NETWORK;
	return name_vouched(rules, chosen, arena, account);
}

/* HOST of "local:HOST" and "bounces:HOST"; NULL: the name is neither. */
static const char *
host_part(const char *name)
{
	static const char *const prefixes[] = { "local:", "bounces:" };

	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return name + strlen(prefixes[i]);
	return NULL;
}

/* The trusted host's own account owns its name there, and so it does here:
 * else what its cron jobs send would be somebody else's mail on the way. */
static bool
name_header(const struct account_rules *rules, const char *said,
    struct arena *arena, struct account *account)
{
	struct fault fault = { .kind = FAULT_NONE };
	const char *host;

	account->source = ACCOUNT_HEADER;
	if (!name_vouched(rules, said, arena, account))
		return false;
	host = account->is_too_long ? NULL : host_part(account->name);
	return host == NULL
	    || address_domain(
		arena, host, strlen(host), &account->own_domain, &fault)
	    || fault.kind != FAULT_MEMORY;
}

/* The account of the longest prefix that has the client; NULL: none. */
static const char *
network_find(const struct account_rules *rules, const struct address *client)
{
	const struct network_account *best = NULL;

	for (size_t i = 0; i < rules->network_count; i++) {
		const struct network_account *entry = &rules->networks[i];

		if ((best == NULL || entry->network.bits > best->network.bits)
		    && network_has(&entry->network, client))
			best = entry;
	}
	return best != NULL ? best->account : NULL;
}

/* What the MTA calls itself, normalised. NULL for want of memory. */
static const char *
host_name(const struct message_facts *facts, struct arena *arena)
{
	const char *said = facts->connection->mta_host;
	const char *host = "localhost";
	struct fault fault = { .kind = FAULT_NONE };

	if (said != NULL
	    && !address_domain(arena, said, strlen(said), &host, &fault))
		host = fault.kind == FAULT_MEMORY ? NULL : "localhost";
	return host;
}

/* The account "PREFIX:HOST", which owns the host's own name. */
static bool
name_host(const struct message_facts *facts, enum account_source source,
    struct arena *arena, struct account *account)
{
	const char *host = host_name(facts, arena);
	const char *prefix = source == ACCOUNT_BOUNCES ? "bounces" : "local";
	char *name;

	if (host == NULL)
		return false;
	name = arena_printf(arena, "%s:%s", prefix, host);
	if (name == NULL)
		return false;
	account->source = source;
	account->own_domain = host;
	bound(account, name);
	return true;
}

static bool
name_uid(const struct message_facts *facts, struct arena *arena,
    struct account *account)
{
	account->source = ACCOUNT_UID;
	account->name = arena_printf(
	    arena, "uid:%lu", (unsigned long)facts->connection->uid);
	return account->name != NULL;
}

static bool
name_client(const struct message_facts *facts, struct arena *arena,
    struct account *account)
{
	const char *client = network_client(arena, &facts->connection->client);

	if (client == NULL)
		return false;
	account->source = ACCOUNT_CLIENT;
	account->name = arena_printf(arena, "client:%s", client);
	return account->name != NULL;
}

/* Name the account by one source. *is_named_out is false where the source
 * has nothing to say of this message. False only for want of memory. */
static bool
name_by(enum account_source source, const struct account_rules *rules,
    const struct message_facts *facts, enum traffic_class traffic_class,
    struct arena *arena, struct account *account, bool *is_named_out)
{
	const char *found;

	*is_named_out = true;
	switch (source) {
	case ACCOUNT_SASL:
		if (has_login(facts))
			return name_login(rules, facts->login, arena, account);
		break;
	case ACCOUNT_NETWORK:
		found = network_find(rules, &facts->connection->client);
		if (found != NULL)
			return name_network(rules, found, arena, account);
		break;
	case ACCOUNT_HEADER:
		if (facts->identity != NULL)
			return name_header(
			    rules, facts->identity, arena, account);
		break;
	case ACCOUNT_UID:
		if (facts->connection->has_uid)
			return name_uid(facts, arena, account);
		break;
	case ACCOUNT_HOST:
		if (traffic_class == CLASS_LOCAL)
			return name_host(facts, source, arena, account);
		break;
	case ACCOUNT_CLIENT:
		return name_client(facts, arena, account);
	case ACCOUNT_ENVELOPE:
	case ACCOUNT_BOUNCES:
	case ACCOUNT_SOURCE_COUNT:
		break; /* not for a configuration to ask for */
	}
	*is_named_out = false;
	return true;
}

/* trust_envelope rests on the MTA's check of what sendmail(1) was told
 * (Postfix's local_login_sender_maps); it sees nothing that came over TCP,
 * whatever class a listener gives to that. */
static bool
is_envelope_trusted(
    const struct account_rules *rules, const struct message_facts *facts)
{
	return rules->trust_envelope && facts->sender.domain != NULL
	    && account_is_local_submission(facts->connection);
}

/* What the sources say; see account_identify(). */
static bool
find_name(const struct account_rules *rules, const struct message_facts *facts,
    enum traffic_class traffic_class, struct arena *arena,
    struct account *account)
{
	bool is_named = false;

	if (traffic_class == CLASS_INBOUND)
		return name_client(facts, arena, account);
	if (traffic_class == CLASS_LOCAL && !has_login(facts)) {
		if (facts->is_null_sender)
			return name_host(
			    facts, ACCOUNT_BOUNCES, arena, account);
		if (is_envelope_trusted(rules, facts)) {
			account->source = ACCOUNT_ENVELOPE;
			own(account, &facts->sender);
			return name_outside(
			    rules, facts->sender.text, arena, account);
		}
	}
	for (size_t i = 0; i < rules->identify_count; i++) {
		if (!name_by(rules->identify[i], rules, facts, traffic_class,
			arena, account, &is_named))
			return false;
		if (is_named)
			return true;
	}
	return name_client(facts, arena, account);
}

static void
find_parent(struct account *account)
{
	account->parent =
	    account->own_domain != NULL ? account->own_domain : account->name;
}

bool
account_identify(const struct account_rules *rules,
    const struct message_facts *facts, enum traffic_class traffic_class,
    struct arena *arena, struct account *account_out)
{
	struct account *account = account_out;

	memset(account, 0, sizeof *account);
	if (!find_name(rules, facts, traffic_class, arena, account))
		return false;
	find_parent(account);
	if (traffic_class == CLASS_INBOUND
	    || (account->source != ACCOUNT_UID
		&& account->source != ACCOUNT_CLIENT))
		return true;
	account->host = host_name(facts, arena);
	return account->host != NULL;
}

const char *
account_source_name(enum account_source source)
{
	static const char *const names[ACCOUNT_SOURCE_COUNT] = {
		[ACCOUNT_SASL] = "sasl",
		[ACCOUNT_NETWORK] = "network",
		[ACCOUNT_HEADER] = "header",
		[ACCOUNT_UID] = "uid",
		[ACCOUNT_HOST] = "host",
		[ACCOUNT_CLIENT] = "client",
		[ACCOUNT_ENVELOPE] = "envelope",
		[ACCOUNT_BOUNCES] = "bounces",
	};

	assert(source < ACCOUNT_SOURCE_COUNT);
	return names[source];
}
