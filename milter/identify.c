#include "milter/identify.h"

#include "milter/io/uid.h"

#include <string.h>

/* Is the MTA on this host for sure? A port of loopback can be reached from
 * here only. */
static bool
is_mta_here(const char *listen)
{
	const char *at = strchr(listen, '@');
	struct address address;

	if (strncmp(listen, "inet", 4) != 0)
		return true;
	return at != NULL
	    && (strcmp(at + 1, "localhost") == 0
		|| (network_address(at + 1, &address)
		    && network_is_loopback(&address)));
}

/* Who owns the client's socket can be known only where the MTA is on this
 * host, and is asked once a connection, when an account may depend on it. */
static void
ask_uid(struct session *session)
{
	const struct conf *conf = session->message.snapshot->conf;
	struct connection_facts *facts = &session->facts;
	bool is_wanted = false;
	struct fault fault;

	for (size_t i = 0; i < conf->accounts.identify_count; i++)
		is_wanted |= conf->accounts.identify[i] == ACCOUNT_UID;
	if (!is_wanted || session->is_uid_asked || facts->client_port == 0
	    || !network_is_loopback(&facts->client)
	    || session->message.facts.login != NULL
	    || !is_mta_here(conf->listen))
		return;
	session->is_uid_asked = true;
	if (!uid_of_client(&facts->client, facts->client_port, &facts->daemon,
		facts->daemon_port, &facts->has_uid, &facts->uid, &fault))
		log_event(session->services->log, LOG_LEVEL_WARNING,
		    "uid_unknown", "%s", fault.words);
}

static bool
is_trusted(const struct session *session)
{
	const struct conf *conf = session->message.snapshot->conf;

	for (size_t i = 0; i < conf->trusted_network_count; i++)
		if (network_has(
			&conf->trusted_networks[i], &session->facts.client))
			return true;
	return false;
}

/* The first key of accounts.map that has a value; *value_out is NULL if none
 * has. False, with message->map_fault, if it can't be asked. */
static bool
look_up(struct session *session, const char **keys, size_t count,
    const char **value_out)
{
	struct message *message = &session->message;
	const struct accounts_conf *conf =
	    &message->snapshot->conf->account_maps;
	struct fault fault;
	bool is_stale;

	*value_out = NULL;
	for (size_t i = 0; i < count && *value_out == NULL; i++)
		if (!tables_find(session->services->tables, conf->map, keys[i],
			conf->map_ttl_ms, &message->arena, value_out, &is_stale,
			&fault)) {
			message->map_fault =
			    arena_strdup(&message->arena, fault.words);
			return false;
		}
	return true;
}

/* A value that can't be read is a mistake of whoever keeps the map: it is
 * told, and the account stays as it is. */
static bool
apply_map(struct session *session)
{
	struct message *message = &session->message;
	const struct conf *conf = message->snapshot->conf;
	const char *keys[ACCOUNT_MAP_KEYS];
	struct account_entry entry;
	struct fault fault = { .kind = FAULT_NONE };
	const char *value;
	size_t count;

	if (conf->account_maps.map == NULL)
		return true;
	if (!account_map_keys(&message->account, &message->arena, keys, &count))
		return false;
	if (!look_up(session, keys, count, &value) || value == NULL)
		return true;
	if (account_entry_parse(value, conf->accounts.is_case_sensitive,
		&message->arena, &entry, &fault)) {
		account_apply(&message->account, &entry);
		if (entry.plan != NULL
		    && limits_plan(&conf->limits, entry.plan) == NULL)
			message->map_fault = arena_printf(&message->arena,
			    "accounts.map: there is no plan %s", entry.plan);
		return true;
	}
	message->map_fault =
	    arena_printf(&message->arena, "accounts.map: %s", fault.words);
	return fault.kind != FAULT_MEMORY;
}

static bool
find_account(struct session *session)
{
	struct message *message = &session->message;
	const struct conf *conf = message->snapshot->conf;
	struct account_rules rules = conf->accounts;

	message->class = &conf->classes[message->traffic_class];
	rules.trust_envelope = message->class->trust_envelope;
	rules.default_domain = message->class->senders.rules.default_domain;
	if (!account_identify(&rules, &message->facts, message->traffic_class,
		&message->arena, &message->account))
		return false;
	return message->traffic_class == CLASS_INBOUND || apply_map(session);
}

/* May identity_header still say whose mail it is? What comes before it in
 * accounts.identify has nothing to say then. */
static bool
may_name_account(const struct session *session)
{
	const struct message *message = &session->message;
	const struct conf *conf = message->snapshot->conf;
	enum account_source source = message->account.source;

	return *conf->identity_header != '\0'
	    && message->traffic_class != CLASS_INBOUND && is_trusted(session)
	    && (source == ACCOUNT_UID || source == ACCOUNT_HOST
		|| source == ACCOUNT_CLIENT);
}

bool
identify_message(struct session *session)
{
	struct message *message = &session->message;
	const struct conf *conf = message->snapshot->conf;
	const struct listener_conf *listener;

	/* What sendmail(1) hands in came through no listener, though Postfix
	 * gives it a {daemon_name} that one may be called by. */
	if (!account_is_local_submission(&session->facts))
		message->listener = conf_listener(conf, &session->facts);
	listener = message->listener;

	message->account.name = ""; /* until it is found out */
	ask_uid(session);
	message->traffic_class = account_class(&message->facts,
	    listener != NULL && listener->has_class ? &listener->traffic_class
						    : NULL,
	    conf->relay_networks, conf->relay_network_count);
	/* A host that may say whose mail it brings is one to relay for. */
	if (message->traffic_class == CLASS_INBOUND
	    && (listener == NULL || !listener->has_class)
	    && is_trusted(session))
		message->traffic_class = CLASS_RELAY;
	if (!find_account(session))
		return false;
	message->awaits_header = may_name_account(session);
	return true;
}

/* A trusted host that says nothing readable is to be mended; what it brings
 * is charged to the host. */
static void
complain(struct session *session, const char *words)
{
	const char *client =
	    network_text(&session->message.arena, &session->facts.client);

	log_event(session->services->log, LOG_LEVEL_WARNING, "identity_bad",
	    "%s: %s", client != NULL ? client : "?", words);
}

bool
identify_by_header(struct session *session)
{
	struct message *message = &session->message;
	struct message_facts *facts = &message->facts;
	struct fault fault = { .kind = FAULT_NONE };

	if (!message->awaits_header || facts->identity_count == 0)
		return true;
	if (facts->identity_count > 1) {
		complain(session, "several identity_header fields");
		return true;
	}
	if (message->identity_value != NULL
	    && account_identity_read(message->identity_value, &message->arena,
		&facts->identity, &fault))
		return find_account(session);
	facts->identity = NULL;
	complain(session, fault.words);
	return fault.kind != FAULT_MEMORY;
}
