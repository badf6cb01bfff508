#include "milter/ctl/name.h"

#include "policy/text.h"

#include <string.h>
#include <strings.h>

static const char client_prefix[] = "client:";
static const char sasl_prefix[] = "sasl:";
static const char local_prefix[] = "local:";
static const char bounces_prefix[] = "bounces:";
static const char uid_prefix[] = "uid:";
static const char unknown[] = "unknown";
static const char null_sender[] = "<>";
static const char no_author[] = "-";
static const char all[] = "all"; /* the one key of global limits */

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

/* What the host itself sends has the host's domain. */
static const char *
domain_of_host(const char *name)
{
	if (starts_with(name, local_prefix))
		return name + strlen(local_prefix);
	if (starts_with(name, bounces_prefix))
		return name + strlen(bounces_prefix);
	return NULL;
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

static bool
refuse(struct fault *fault, const char *words)
{
	fault_set(fault, FAULT_PERMANENT, "%s", words);
	return false;
}

/* As the daemon makes an account of a login. It puts "sasl:" before one that
 * looks like a name of its own: here, that is one. */
bool
name_account(const struct account_rules *rules, const char *typed,
    struct arena *arena, struct account *account_out, struct fault *fault)
{
	struct connection_facts connection = { .client.is_known = false };
	struct message_facts facts = { .connection = &connection,
		.login = typed };
	struct account_rules only_login = { .identify = { ACCOUNT_SASL },
		.identify_count = 1,
		.is_case_sensitive = rules->is_case_sensitive,
		.default_domain =
		    is_network(rules, typed) ? NULL : rules->default_domain };

	if (*typed == '\0')
		return refuse(fault, "an account has a name: give one");
	if (!account_identify(
		&only_login, &facts, CLASS_SUBMISSION, arena, account_out)) {
		fault_memory(fault);
		return false;
	}
	if (account_out->is_too_long) {
		fault_set(fault, FAULT_PERMANENT,
		    "\"%.40s...\": accounts have at most %d octets", typed,
		    (int)ACCOUNT_OCTETS);
		return false;
	}
	if (!starts_with(account_out->name, sasl_prefix))
		return true;
	if (!fold_reserved(rules, typed, arena, &account_out->name, fault))
		return false;
	account_out->own_domain = domain_of_host(account_out->name);
	account_out->parent = account_out->own_domain != NULL
	    ? account_out->own_domain
	    : account_out->name;
	return true;
}

static bool
fold_account(const struct account_rules *rules, const char *typed,
    struct arena *arena, const char **name_out, struct fault *fault)
{
	struct account account;

	if (!name_account(rules, typed, arena, &account, fault))
		return false;
	*name_out = account.name;
	return true;
}

/* Does a name that isn't an address begin as only accounts do? */
static bool
is_account(const char *typed)
{
	static const char *const prefixes[] = { client_prefix, sasl_prefix,
		local_prefix, bounces_prefix, uid_prefix };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncasecmp(typed, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return strchr(typed, '@') != NULL;
}

/* A parent is a domain, the account itself, or what accounts.map calls it,
 * which is folded as an account is. */
static bool
fold_parent(const struct account_rules *rules, const char *typed,
    struct arena *arena, const char **name_out, struct fault *fault)
{
	char *parent;

	if (*typed == '\0')
		return refuse(fault, "a parent has a name: give one");
	if (is_account(typed))
		return fold_account(rules, typed, arena, name_out, fault);
	if (strlen(typed) > ACCOUNT_OCTETS)
		return refuse(fault, "parents have at most 512 octets");
	if (strchr(typed, '.') != NULL
	    && address_domain(arena, typed, strlen(typed), name_out, fault))
		return true;
	parent = arena_strdup(arena, typed);
	*name_out = parent;
	if (parent == NULL)
		fault_memory(fault);
	else if (!rules->is_case_sensitive)
		text_lower(parent);
	return parent != NULL;
}

/* A domain or a sender without the account that may follow. */
static bool
fold_plain(enum limit_key key, const char *typed, struct arena *arena,
    const char **name_out, struct fault *fault)
{
	struct mailbox mailbox;
	char *sender;
	bool is_null;

	if (key == LIMIT_KEY_FROM_DOMAIN)
		return address_domain(
		    arena, typed, strlen(typed), name_out, fault);
	if (*typed == '\0')
		return refuse(fault, "a sender is an address, or <>: give one");
	if (!address_path(arena, typed, &mailbox, &is_null, fault))
		return false;
	sender = arena_strdup(arena, is_null ? null_sender : mailbox.text);
	if (sender == NULL) {
		fault_memory(fault);
		return false;
	}
	text_lower(sender); /* as it is counted */
	*name_out = sender;
	return true;
}

/* "NAME (ACCOUNT)". *is_one_out is false where typed isn't of that form;
 * a local part can be quoted and have blanks and parentheses in it. */
static bool
fold_foreign(enum limit_key key, const struct account_rules *rules,
    const char *typed, struct arena *arena, const char **name_out,
    bool *is_one_out, struct fault *fault)
{
	size_t length = strlen(typed);
	const char *open = typed;

	*is_one_out = false;
	if (length == 0 || typed[length - 1] != ')')
		return true;
	while ((open = strstr(open, " (")) != NULL) {
		const char *name = no_author;
		const char *head = arena_copy(arena, typed, open - typed);
		const char *tail = arena_copy(
		    arena, open + 2, (size_t)(typed + length - 1 - open - 2));

		if (head == NULL || tail == NULL) {
			fault_memory(fault);
			return false;
		}
		if (strcmp(head, no_author) == 0
		    || fold_plain(key, head, arena, &name, fault)) {
			*is_one_out = true;
			if (!fold_account(rules, tail, arena, &tail, fault))
				return false;
			*name_out = arena_printf(arena, "%s (%s)", name, tail);
			if (*name_out == NULL)
				fault_memory(fault);
			return *name_out != NULL;
		}
		open++;
	}
	return true;
}

bool
name_fold(enum limit_key key, const struct account_rules *rules,
    const char *typed, struct arena *arena, const char **name_out,
    struct fault *fault)
{
	bool is_foreign;

	switch (key) {
	case LIMIT_KEY_ACCOUNT:
		return fold_account(rules, typed, arena, name_out, fault);
	case LIMIT_KEY_PARENT:
		return fold_parent(rules, typed, arena, name_out, fault);
	case LIMIT_KEY_FROM_DOMAIN:
	case LIMIT_KEY_SENDER:
		if (!fold_foreign(
			key, rules, typed, arena, name_out, &is_foreign, fault))
			return false;
		return is_foreign
		    || fold_plain(key, typed, arena, name_out, fault);
	case LIMIT_KEY_CLIENT_IP:
		return fold_client(typed, arena, name_out, fault);
	case LIMIT_KEY_GLOBAL:
		*name_out = all;
		if (strcmp(typed, all) == 0)
			return true;
		return refuse(fault,
		    "a global limit counts everything under one name: all");
	case LIMIT_KEY_COUNT:
		break;
	}
	return refuse(fault, "there is no such kind of key");
}

bool
name_is_foreign(enum limit_key key, const char *name)
{
	size_t length = strlen(name);

	return (key == LIMIT_KEY_FROM_DOMAIN || key == LIMIT_KEY_SENDER)
	    && length > 0 && name[length - 1] == ')';
}

bool
name_key(const char *name, enum limit_key *key_out)
{
	for (int key = 0; key < LIMIT_KEY_COUNT; key++) {
		if (strcmp(limits_key_name((enum limit_key)key), name) == 0) {
			*key_out = (enum limit_key)key;
			return true;
		}
	}
	return false;
}
