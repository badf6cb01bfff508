#include "milter/ctl/queue_owner.h"

#include <string.h>

static const char uid_prefix[] = "uid:";
static const char null_sender[] = "<>";
static const char loopback[] = "127.0.0.1";

/* A message as the daemon saw it at MAIL. */
struct seen {
	struct connection_facts connection;
	struct message_facts facts;
	const struct listener_conf *listener;
};

bool
queue_owner_can_tell(enum limit_key key, const char *name, struct fault *fault)
{
	const char *what = NULL;

	if (key == LIMIT_KEY_FROM_DOMAIN)
		what = "authors";
	else if ((key == LIMIT_KEY_ACCOUNT || key == LIMIT_KEY_PARENT)
	    && strncmp(name, uid_prefix, strlen(uid_prefix)) == 0)
		what = "user ids";
	if (what == NULL)
		return true;
	fault_set(fault, FAULT_PERMANENT,
	    "Postfix's queue doesn't tell %s, so what %s has there can't be "
	    "found: leave --queue out",
	    what, name);
	return false;
}

/* What sendmail(1) handed in has no client in its queue file, and came to the
 * daemon as from port 0 of loopback. */
static void
see_connection(const struct queue_owner *owner, const struct envelope *envelope,
    struct connection_facts *connection)
{
	bool is_local = *envelope->client == '\0';

	*connection = (struct connection_facts){ .mta_host = owner->host,
		.is_port_known = true };
	(void)network_address(
	    is_local ? loopback : envelope->client, &connection->client);
	if (!is_local) {
		connection->client_port = (uint16_t)envelope->client_port;
		connection->daemon_port = (uint16_t)envelope->server_port;
	}
}

static void
see_message(struct queue_owner *owner, const struct envelope *envelope,
    struct seen *seen)
{
	struct message_facts *facts = &seen->facts;

	see_connection(owner, envelope, &seen->connection);
	*facts = (struct message_facts){ .connection = &seen->connection,
		.login = *envelope->login != '\0' ? envelope->login : NULL,
		.envelope_sender = envelope->sender };
	facts->is_bad_sender = !address_path(&owner->arena, envelope->sender,
	    &facts->sender, &facts->is_null_sender, NULL);
	seen->listener = NULL;
	if (!account_is_local_submission(&seen->connection))
		seen->listener = conf_listener(owner->conf, &seen->connection);
}

static bool
is_trusted(const struct conf *conf, const struct address *client)
{
	for (size_t i = 0; i < conf->trusted_network_count; i++)
		if (network_has(&conf->trusted_networks[i], client))
			return true;
	return false;
}

/* As identify_message() does. */
static enum traffic_class
class_of(const struct conf *conf, const struct seen *seen)
{
	bool is_fixed = seen->listener != NULL && seen->listener->has_class;
	enum traffic_class found = account_class(&seen->facts,
	    is_fixed ? &seen->listener->traffic_class : NULL,
	    conf->relay_networks, conf->relay_network_count);

	if (found == CLASS_INBOUND && !is_fixed
	    && is_trusted(conf, &seen->connection.client))
		return CLASS_RELAY;
	return found;
}

static bool
identify(struct queue_owner *owner, const struct seen *seen,
    struct account *account_out)
{
	const struct conf *conf = owner->conf;
	enum traffic_class traffic_class = class_of(conf, seen);
	const struct class_conf *class = &conf->classes[traffic_class];
	struct account_rules rules = conf->accounts;

	rules.trust_envelope = class->trust_envelope;
	rules.default_domain = class->senders.rules.default_domain;
	if (!account_identify(&rules, &seen->facts, traffic_class,
		&owner->arena, account_out))
		return false;
	/* Where the map can't be asked the name stays what it was. */
	if (traffic_class != CLASS_INBOUND && owner->holder != NULL)
		(void)holder_find(
		    owner->holder, account_out, &owner->arena, NULL);
	return true;
}

/* Did another relay or a panel's host vouch for the account, in a header field
 * that isn't at hand? */
static bool
is_vouched(const struct queue_owner *owner, const struct seen *seen)
{
	return *owner->conf->identity_header != '\0'
	    && seen->facts.login == NULL
	    && is_trusted(owner->conf, &seen->connection.client);
}

static bool
is_by_sender(const struct queue_owner *owner, const struct seen *seen)
{
	const struct mailbox *sender = &seen->facts.sender;

	if (sender->domain == NULL)
		return false;
	if (owner->key == LIMIT_KEY_PARENT)
		return strcmp(sender->domain, owner->name) == 0;
	return owner->own != NULL && owner->own->domain != NULL
	    && address_equal(
		sender, owner->own, owner->conf->accounts.is_case_sensitive);
}

static bool
is_by_account(struct queue_owner *owner, const struct seen *seen)
{
	struct account account;

	if (is_vouched(owner, seen) && is_by_sender(owner, seen))
		return true;
	if (!identify(owner, seen, &account))
		return false;
	return strcmp(owner->key == LIMIT_KEY_PARENT ? account.parent
						     : account.name,
		   owner->name)
	    == 0;
}

static bool
is_sender(const struct queue_owner *owner, const struct seen *seen)
{
	const struct message_facts *facts = &seen->facts;

	if (facts->is_null_sender)
		return strcmp(owner->name, null_sender) == 0;
	return facts->sender.text != NULL
	    && strcmp(owner->name, facts->sender.text) == 0;
}

static bool
is_client(struct queue_owner *owner, const struct seen *seen)
{
	const char *client =
	    network_client(&owner->arena, &seen->connection.client);

	return client != NULL && strcmp(owner->name, client) == 0;
}

bool
queue_owner_is(void *context, const struct envelope *envelope)
{
	struct queue_owner *owner = context;
	struct seen seen;

	arena_clear(&owner->arena);
	see_message(owner, envelope, &seen);
	switch (owner->key) {
	case LIMIT_KEY_ACCOUNT:
	case LIMIT_KEY_PARENT:
		return is_by_account(owner, &seen);
	case LIMIT_KEY_SENDER:
		return is_sender(owner, &seen);
	case LIMIT_KEY_CLIENT_IP:
		return is_client(owner, &seen);
	case LIMIT_KEY_FROM_DOMAIN:
	case LIMIT_KEY_GLOBAL:
	case LIMIT_KEY_COUNT:
		break;
	}
	return false;
}
