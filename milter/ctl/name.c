#include "milter/ctl/name.h"

#include "policy/text.h"

#include <string.h>

static const char client_prefix[] = "client:";
static const char sasl_prefix[] = "sasl:";
static const char unknown[] = "unknown";

static bool
starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool
fold_client(const char *typed, struct arena *arena, const char **name_out,
    struct fault *fault)
{
	struct network network;

	/* Whom the MTA gave no address for: Postfix's word, and ours. */
	if (strcmp(typed, unknown) == 0) {
		*name_out = unknown;
		return true;
	}
	/* A client is an address, or the IPv6 network that stands for it. */
	if (!network_parse(typed, &network, fault))
		return false;
	if (network.bits != 128 && network.bits != 64) {
		fault_set(fault, FAULT_PERMANENT,
		    "\"%s\": clients are counted by IPv4 address and by IPv6 "
		    "/64; give one of those",
		    typed);
		return false;
	}
	*name_out = network_client(arena, &network.address);
	if (*name_out == NULL)
		fault_memory(fault);
	return *name_out != NULL;
}

/* A name that only postern gives; the log shows it as it is counted. */
static bool
fold_reserved(const struct account_rules *rules, const char *typed,
    struct arena *arena, const char **name_out, struct fault *fault)
{
	char *name = arena_strdup(arena, typed);

	if (name == NULL) {
		fault_memory(fault);
		return false;
	}
	if (!rules->is_case_sensitive || !starts_with(name, sasl_prefix))
		text_lower(name);
	*name_out = name;
	if (!starts_with(name, client_prefix))
		return true;
	if (!fold_client(name + strlen(client_prefix), arena, name_out, fault))
		return false;
	*name_out = arena_printf(arena, "%s%s", client_prefix, *name_out);
	if (*name_out == NULL)
		fault_memory(fault);
	return *name_out != NULL;
}

/* Is it what the administrator called a network? Then it is no bare login. */
static bool
is_network(const struct account_rules *rules, const char *typed)
{
	for (size_t i = 0; i < rules->network_count; i++)
		if (text_equal_case(rules->networks[i].account, typed))
			return true;
	return false;
}

/* As the daemon folds a login. It puts "sasl:" before one that looks like a
 * name of its own: here, that is one. */
static bool
fold_account(const struct account_rules *rules, const char *typed,
    struct arena *arena, const char **name_out, struct fault *fault)
{
	struct connection_facts connection = { .client.is_known = false };
	struct message_facts facts = { .connection = &connection,
		.login = typed };
	struct account_rules only_login = { .identify = { ACCOUNT_SASL },
		.identify_count = 1,
		.is_case_sensitive = rules->is_case_sensitive,
		.default_domain =
		    is_network(rules, typed) ? NULL : rules->default_domain };
	struct account account;

	if (*typed == '\0') {
		fault_set(
		    fault, FAULT_PERMANENT, "an account has a name: give one");
		return false;
	}
	if (!account_identify(
		&only_login, &facts, CLASS_SUBMISSION, arena, &account)) {
		fault_memory(fault);
		return false;
	}
	if (account.is_too_long) {
		fault_set(fault, FAULT_PERMANENT,
		    "\"%.40s...\": accounts have at most %d octets", typed,
		    (int)ACCOUNT_OCTETS);
		return false;
	}
	if (starts_with(account.name, sasl_prefix))
		return fold_reserved(rules, typed, arena, name_out, fault);
	*name_out = account.name;
	return true;
}

bool
name_fold(enum limit_key key, const struct account_rules *rules,
    const char *typed, struct arena *arena, const char **name_out,
    struct fault *fault)
{
	switch (key) {
	case LIMIT_KEY_ACCOUNT:
		break;
	case LIMIT_KEY_FROM_DOMAIN:
		return address_domain(
		    arena, typed, strlen(typed), name_out, fault);
	case LIMIT_KEY_CLIENT_IP:
		return fold_client(typed, arena, name_out, fault);
	}
	return fold_account(rules, typed, arena, name_out, fault);
}

bool
name_key(const char *name, enum limit_key *key_out)
{
	static const enum limit_key keys[] = { LIMIT_KEY_ACCOUNT,
		LIMIT_KEY_FROM_DOMAIN, LIMIT_KEY_CLIENT_IP };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(limits_key_name(keys[i]), name) == 0) {
			*key_out = keys[i];
			return true;
		}
	}
	return false;
}
