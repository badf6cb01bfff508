#include "policy/limits.h"

#include <assert.h>
#include <string.h>

/* Everything limits are counted by, found once for a message. */
struct keys {
	const char *account;
	const char *client_ip;
	const char **domains; /* of the authors, each once */
	size_t domain_count;
};

static bool
has_domain(const struct keys *keys, const char *domain)
{
	for (size_t i = 0; i < keys->domain_count; i++)
		if (strcmp(keys->domains[i], domain) == 0)
			return true;
	return false;
}

/* The count of a domain is for those who may write as it. Who writes as
 * another's has a count of his own with that domain: he can neither use up the
 * other's, nor get around the limit; nor with a From that can't be read. */
static const char *
domain_key(const struct account *account, const char *domain, bool is_owned,
    struct arena *arena)
{
	return is_owned ? domain
			: arena_printf(arena, "%s (%s)", domain, account->name);
}

static bool
find_domains(const struct account *account, const struct message_facts *facts,
    bool is_author_owned, struct arena *arena, struct keys *keys)
{
	const struct from_field *from = &facts->from;

	keys->domains =
	    arena_alloc(arena, (from->count + 1) * sizeof(*keys->domains));
	if (keys->domains == NULL)
		return false;
	keys->domain_count = 0;
	for (size_t i = 0; i < from->count; i++) {
		const char *key = domain_key(
		    account, from->mailboxes[i].domain, is_author_owned, arena);

		if (key == NULL)
			return false;
		if (!has_domain(keys, key))
			keys->domains[keys->domain_count++] = key;
	}
	if (keys->domain_count == 0)
		keys->domains[keys->domain_count++] =
		    domain_key(account, "-", false, arena);
	return keys->domains[0] != NULL;
}

static bool
find_keys(const struct account *account, const struct message_facts *facts,
    bool is_author_owned, struct arena *arena, struct keys *keys_out)
{
	keys_out->account = account->name;
	keys_out->client_ip = network_client(arena, &facts->connection->client);
	return keys_out->client_ip != NULL
	    && find_domains(account, facts, is_author_owned, arena, keys_out);
}

static size_t
keys_under(const struct limit *limit, const struct keys *keys)
{
	return limit->key == LIMIT_KEY_FROM_DOMAIN ? keys->domain_count : 1;
}

static const char *
key_under(const struct limit *limit, const struct keys *keys, size_t i)
{
	switch (limit->key) {
	case LIMIT_KEY_ACCOUNT:
		return keys->account;
	case LIMIT_KEY_FROM_DOMAIN:
		return keys->domains[i];
	case LIMIT_KEY_CLIENT_IP:
		return keys->client_ip;
	}
	assert(false);
	return NULL;
}

/* The array is laid out at its full length first: an arena can't grow one. */
static bool
charges_alloc(const struct limit_set *set, const struct keys *keys,
    struct arena *arena, struct charge **charges_out)
{
	size_t most = 0;

	for (size_t i = 0; i < set->count; i++)
		most += keys_under(&set->limits[i], keys);
	*charges_out = arena_alloc(arena, most * sizeof(**charges_out));
	return *charges_out != NULL;
}

bool
limits_charges(const struct limit_set *set, enum mode mode,
    const struct account *account, const struct message_facts *facts,
    bool is_author_owned, struct arena *arena, struct charge **charges_out,
    size_t *count_out)
{
	struct keys keys;

	*count_out = 0;
	if (!find_keys(account, facts, is_author_owned, arena, &keys)
	    || !charges_alloc(set, &keys, arena, charges_out))
		return false;
	for (size_t i = 0; i < set->count; i++) {
		const struct limit *limit = &set->limits[i];
		bool is_look = limit->count == LIMIT_REFUSALS;
		uint64_t cost = limit->count == LIMIT_RECIPIENTS
		    ? facts->recipient_count
		    : 1;

		for (size_t k = 0; k < keys_under(limit, &keys); k++)
			(*charges_out)[(*count_out)++] = (struct charge){
				.limit = limit,
				.key = key_under(limit, &keys, k),
				.cost = cost,
				.is_binding = mode == MODE_ENFORCE
				    && limit->mode == MODE_ENFORCE,
				.is_look = is_look,
			};
	}
	return true;
}

bool
limits_refusal_charges(const struct limit_set *set,
    const struct account *account, const struct message_facts *facts,
    bool is_author_owned, struct arena *arena, struct charge **charges_out,
    size_t *count_out)
{
	struct keys keys;

	*count_out = 0;
	if (!find_keys(account, facts, is_author_owned, arena, &keys)
	    || !charges_alloc(set, &keys, arena, charges_out))
		return false;
	for (size_t i = 0; i < set->count; i++) {
		const struct limit *limit = &set->limits[i];

		if (limit->count != LIMIT_REFUSALS)
			continue;
		/* What is refused for its From must not fill the store with
		 * domains of the sender's choice. */
		if (limit->key == LIMIT_KEY_FROM_DOMAIN && !is_author_owned)
			continue;
		for (size_t k = 0; k < keys_under(limit, &keys); k++)
			(*charges_out)[(*count_out)++] = (struct charge){
				.limit = limit,
				.key = key_under(limit, &keys, k),
				.cost = 1,
			};
	}
	return true;
}

/* In whole seconds, since that is what a reply says: never too early. */
static uint64_t
retry_after_ms(uint64_t room_at_ms, uint64_t now_ms)
{
	uint64_t wait_ms;

	if (room_at_ms == UINT64_MAX)
		return 0;
	wait_ms = room_at_ms > now_ms ? room_at_ms - now_ms : 1;
	if (wait_ms > UINT64_MAX - 999)
		return 0;
	return (wait_ms + 999) / 1000 * 1000;
}

/* The verdict on one charge that doesn't fit. */
static struct verdict
judge_one(const struct charge *charge, const struct charge_answer *answer,
    enum mode mode, uint64_t now_ms)
{
	const struct limit *limit = charge->limit;
	/* Waiting doesn't help a message that costs more than max. A look
	 * is about messages that went before, and never costs too much. */
	bool is_cost = !charge->is_look && charge->cost > limit->max;
	struct verdict verdict;

	if (limit->mode == MODE_OBSERVE || !charge->is_binding)
		mode = MODE_OBSERVE;
	verdict = verdict_make(is_cost ? ACTION_REJECT : limit->action, mode,
	    is_cost ? REASON_COST : REASON_LIMIT, charge->key);
	verdict.limit = limit;
	if (!is_cost)
		verdict.retry_after_ms =
		    retry_after_ms(answer->room_at_ms, now_ms);
	return verdict;
}

struct verdict
limits_judge(const struct charge *charges, const struct charge_answer *answers,
    size_t count, enum mode mode, uint64_t now_ms)
{
	struct verdict worst = verdict_accept();
	uint64_t worst_room_at_ms = 0;

	for (size_t i = 0; i < count; i++) {
		struct verdict one;

		if (answers[i].fits)
			continue;
		one = judge_one(&charges[i], &answers[i], mode, now_ms);
		if (one.action < worst.action
		    || (one.action == worst.action && one.would < worst.would))
			continue;
		if (one.action == worst.action && one.would == worst.would
		    && answers[i].room_at_ms <= worst_room_at_ms)
			continue;
		worst = one;
		worst_room_at_ms = answers[i].room_at_ms;
	}
	return worst;
}

const char *
limits_key_name(enum limit_key key)
{
	static const char *const names[] = {
		[LIMIT_KEY_ACCOUNT] = "account",
		[LIMIT_KEY_FROM_DOMAIN] = "from_domain",
		[LIMIT_KEY_CLIENT_IP] = "client_ip",
	};

	assert((size_t)key < sizeof names / sizeof names[0]);
	return names[key];
}

const char *
limits_count_name(enum limit_count count)
{
	static const char *const names[] = {
		[LIMIT_MESSAGES] = "messages",
		[LIMIT_RECIPIENTS] = "recipients",
		[LIMIT_REFUSALS] = "refusals",
	};

	assert((size_t)count < sizeof names / sizeof names[0]);
	return names[count];
}
