#include "policy/limits.h"

#include "policy/recipients.h"
#include "policy/text.h"

#include <assert.h>
#include <string.h>

/* Everything limits are counted by, found once for a message. */
struct keys {
	const char *account;
	const char *parent;
	const char *client_ip;
	const char *sender;
	const char **domains; /* of the authors, each once */
	bool *owns_domain;    /* does the account own an author there? */
	size_t domain_count;
};

const struct plan *
limits_plan(const struct limit_set *set, const char *name)
{
	for (size_t i = 0; i < set->plan_count; i++)
		if (strcmp(set->plans[i].name, name) == 0)
			return &set->plans[i];
	return NULL;
}

bool
limits_holds(const struct limit_set *set, const struct limit *limit,
    const struct plan *plan)
{
	if (plan == NULL)
		plan = set->default_plan;
	return !limit->is_planned
	    || (plan != NULL && plan->has[limit - set->limits]);
}

const struct limit *
limits_block(enum limit_key key)
{
	static const struct limit blocks[LIMIT_KEY_COUNT] = {
#define BLOCK(of, text)                   \
	[of] = { .name = "blocked:" text, \
		.key = of,                \
		.count = LIMIT_BLOCKS,    \
		.max = UINT64_MAX,        \
		.per_ms = 1,              \
		.action = ACTION_REJECT,  \
		.mode = MODE_ENFORCE }
		BLOCK(LIMIT_KEY_ACCOUNT, "account"),
		BLOCK(LIMIT_KEY_PARENT, "parent"),
		BLOCK(LIMIT_KEY_FROM_DOMAIN, "from_domain"),
		BLOCK(LIMIT_KEY_CLIENT_IP, "client_ip"),
		BLOCK(LIMIT_KEY_SENDER, "sender"),
#undef BLOCK
	};

	assert(key < LIMIT_KEY_COUNT);
	return blocks[key].name != NULL ? &blocks[key] : NULL;
}

/* The count of a domain is for those who may write as it. Who writes as
 * another's has a count of his own with that domain: he can neither use up the
 * other's, nor get around the limit; nor with a From that can't be read. So it
 * is with envelope senders. */
static const char *
counted_key(const struct account *account, const char *name, bool is_owned,
    struct arena *arena)
{
	return is_owned ? name
			: arena_printf(arena, "%s (%s)", name, account->name);
}

/* Where name stands among texts; count if it doesn't. */
static size_t
place_of(const char *const *texts, size_t count, const char *name)
{
	size_t i = 0;

	while (i < count && strcmp(texts[i], name) != 0)
		i++;
	return i;
}

static bool
is_owned_author(const struct limits_question *question, size_t i)
{
	return question->owned_authors != NULL ? question->owned_authors[i]
					       : question->is_author_owned;
}

/* The authors' domains, each once. */
static bool
find_domains(const struct limits_question *question, struct arena *arena,
    struct keys *keys)
{
	const struct from_field *from = &question->facts->from;

	keys->domains =
	    arena_alloc(arena, (from->count + 1) * sizeof(*keys->domains));
	keys->owns_domain =
	    arena_alloc(arena, (from->count + 1) * sizeof(*keys->owns_domain));
	if (keys->domains == NULL || keys->owns_domain == NULL)
		return false;
	for (size_t i = 0; i < from->count; i++) {
		const char *domain = from->mailboxes[i].domain;
		size_t place =
		    place_of(keys->domains, keys->domain_count, domain);

		if (place == keys->domain_count) {
			keys->domains[keys->domain_count++] = domain;
			keys->owns_domain[place] = false;
		}
		keys->owns_domain[place] |= is_owned_author(question, i);
	}
	return true;
}

/* The envelope sender, in lower case: who may write as an address may write it
 * in any case of letters. "<>" is the null sender, and "-" whatever is no
 * address: of those there are as many as one likes. NULL for want of memory. */
static const char *
sender_of(const struct message_facts *facts, struct arena *arena)
{
	char *sender;

	if (facts->is_null_sender)
		return "<>";
	if (facts->sender.text == NULL)
		return "-";
	sender = arena_strdup(arena, facts->sender.text);
	if (sender != NULL)
		text_lower(sender);
	return sender;
}

/* What a message is blocked by. */
static bool
find_plain_keys(const struct limits_question *question, struct arena *arena,
    struct keys *keys)
{
	const struct message_facts *facts = question->facts;

	*keys = (struct keys){
		.account = question->account->name,
		.parent = question->account->parent,
		.client_ip = network_client(arena, &facts->connection->client),
		.sender = sender_of(facts, arena),
	};
	return keys->client_ip != NULL && keys->sender != NULL
	    && find_domains(question, arena, keys);
}

/* What it is counted by, made of those. */
static bool
count_keys(const struct limits_question *question, struct arena *arena,
    struct keys *keys)
{
	const struct message_facts *facts = question->facts;
	const struct account *account = question->account;
	bool is_sender_owned =
	    question->is_sender_owned && facts->sender.text != NULL;

	if (keys->domain_count == 0) {
		keys->domains[0] = "-";
		keys->owns_domain[0] = false;
		keys->domain_count = 1;
	}
	for (size_t i = 0; i < keys->domain_count; i++) {
		keys->domains[i] = counted_key(
		    account, keys->domains[i], keys->owns_domain[i], arena);
		if (keys->domains[i] == NULL)
			return false;
	}
	keys->sender =
	    counted_key(account, keys->sender, is_sender_owned, arena);
	return keys->sender != NULL;
}

static size_t
keys_under(enum limit_key key, const struct keys *keys)
{
	return key == LIMIT_KEY_FROM_DOMAIN ? keys->domain_count : 1;
}

static const char *
key_under(enum limit_key key, const struct keys *keys, size_t i)
{
	switch (key) {
	case LIMIT_KEY_ACCOUNT:
		return keys->account;
	case LIMIT_KEY_PARENT:
		return keys->parent;
	case LIMIT_KEY_FROM_DOMAIN:
		return keys->domains[i];
	case LIMIT_KEY_CLIENT_IP:
		return keys->client_ip;
	case LIMIT_KEY_SENDER:
		return keys->sender;
	case LIMIT_KEY_GLOBAL:
		return "all";
	case LIMIT_KEY_COUNT:
		break;
	}
	assert(false);
	return NULL;
}

/* The array is laid out at its full length first: an arena can't grow one. */
static struct charge *
charges_alloc(
    const struct limit_set *set, const struct keys *keys, struct arena *arena)
{
	size_t domains = keys->domain_count > 0 ? keys->domain_count : 1;
	size_t most = 4 + domains;

	for (size_t i = 0; i < set->count; i++)
		most +=
		    set->limits[i].key == LIMIT_KEY_FROM_DOMAIN ? domains : 1;
	return arena_alloc(arena, most * sizeof(struct charge));
}

static const struct plan *
plan_of(const struct limits_question *question)
{
	const char *name = question->account->plan;

	return name != NULL ? limits_plan(question->set, name) : NULL;
}

/* Is the message blocked? */
static size_t
add_blocks(const struct limits_question *question, const struct keys *keys,
    struct charge *charges)
{
	size_t count = 0;

	for (int key = 0; key < LIMIT_KEY_COUNT; key++) {
		const struct limit *limit = limits_block((enum limit_key)key);

		for (size_t k = 0;
		     limit != NULL && k < keys_under(limit->key, keys); k++)
			charges[count++] = (struct charge){
				.limit = limit,
				.key = key_under(limit->key, keys, k),
				.cost = 1,
				.is_binding =
				    question->block_mode == MODE_ENFORCE,
				.is_look = true,
				.refuses = question->can_refuse,
			};
	}
	return count;
}

static uint64_t
cost_under(const struct limit *limit, const struct message_facts *facts)
{
	switch (limit->count) {
	case LIMIT_RECIPIENTS:
	case LIMIT_NEW_RECIPIENTS:
		return facts->recipient_count;
	case LIMIT_BYTES:
		return facts->size_bytes;
	case LIMIT_MESSAGES:
	case LIMIT_REFUSALS:
	case LIMIT_BLOCKS:
		break;
	}
	return 1;
}

/* One recipient named twice is one that is new. */
static bool
add_recipients(const struct limits_question *question, struct arena *arena,
    struct charge *charges, size_t count)
{
	const struct message_facts *facts = question->facts;
	const uint64_t *list;
	size_t listed;

	if (!recipients_list(facts, arena, &list, &listed))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (charges[i].limit->count != LIMIT_NEW_RECIPIENTS)
			continue;
		charges[i].cost -= facts->recipients_kept - listed;
		charges[i].recipients = list;
		charges[i].recipient_count = listed;
	}
	return true;
}

/* One charge for each key of a limit. */
static size_t
add_charges(const struct limits_question *question, const struct limit *limit,
    const struct keys *keys, struct charge *charges)
{
	size_t count = keys_under(limit->key, keys);

	for (size_t k = 0; k < count; k++)
		charges[k] = (struct charge){
			.limit = limit,
			.key = key_under(limit->key, keys, k),
			.cost = cost_under(limit, question->facts),
			.is_binding = question->mode == MODE_ENFORCE
			    && limit->mode == MODE_ENFORCE,
			.refuses = question->can_refuse
			    && limit->action >= ACTION_TEMPFAIL,
		};
	return count;
}

/* Is the key one that the sender may choose at will? What is refused must not
 * fill the store with those. */
static bool
is_free_choice(const struct limits_question *question, const struct keys *keys,
    const struct limit *limit, size_t k)
{
	return (limit->key == LIMIT_KEY_FROM_DOMAIN && !keys->owns_domain[k]
		   && !question->is_author_owned)
	    || (limit->key == LIMIT_KEY_SENDER && !question->is_sender_owned);
}

bool
limits_charges(const struct limits_question *question, struct arena *arena,
    struct charge **charges_out, size_t *count_out)
{
	const struct limit_set *set = question->set;
	const struct plan *plan = plan_of(question);
	struct charge *charges;
	struct keys keys;
	size_t count;

	*count_out = 0;
	if (!find_plain_keys(question, arena, &keys))
		return false;
	charges = *charges_out = charges_alloc(set, &keys, arena);
	if (charges == NULL)
		return false;
	count = add_blocks(question, &keys, charges);
	if (question->has_limits && !count_keys(question, arena, &keys))
		return false;
	for (size_t i = 0; question->has_limits && i < set->count; i++) {
		const struct limit *limit = &set->limits[i];
		size_t first = count;

		if (!limits_holds(set, limit, plan))
			continue;
		count += add_charges(question, limit, &keys, charges + count);
		for (size_t k = first;
		     limit->count == LIMIT_REFUSALS && k < count; k++) {
			charges[k].is_look = true;
			charges[k].counts_refusal =
			    !is_free_choice(question, &keys, limit, k - first);
		}
	}
	*count_out = count;
	return !set->counts_new
	    || add_recipients(question, arena, charges, count);
}

bool
limits_refusal_charges(const struct limits_question *question,
    struct arena *arena, struct charge **charges_out, size_t *count_out)
{
	const struct limit_set *set = question->set;
	const struct plan *plan = plan_of(question);
	struct keys keys;

	*count_out = 0;
	if (!find_plain_keys(question, arena, &keys)
	    || !count_keys(question, arena, &keys))
		return false;
	*charges_out = charges_alloc(set, &keys, arena);
	if (*charges_out == NULL)
		return false;
	for (size_t i = 0; question->has_limits && i < set->count; i++) {
		const struct limit *limit = &set->limits[i];

		if (limit->count != LIMIT_REFUSALS
		    || !limits_holds(set, limit, plan))
			continue;
		for (size_t k = 0; k < keys_under(limit->key, &keys); k++) {
			if (is_free_choice(question, &keys, limit, k))
				continue;
			(*charges_out)[(*count_out)++] = (struct charge){
				.limit = limit,
				.key = key_under(limit->key, &keys, k),
				.cost = 1,
			};
		}
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
	bool is_cost = !charge->is_look && answer->cost > answer->max;
	bool is_block = limit->count == LIMIT_BLOCKS;
	struct verdict verdict;

	if (is_block)
		mode = MODE_ENFORCE;
	if (limit->mode == MODE_OBSERVE || !charge->is_binding)
		mode = MODE_OBSERVE;
	verdict = verdict_make(is_cost ? ACTION_REJECT : limit->action, mode,
	    is_cost        ? REASON_COST
		: is_block ? REASON_BLOCKED
			   : REASON_LIMIT,
	    charge->key);
	if (!is_block) {
		verdict.limit = limit;
		verdict.max = answer->max;
	}
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
		[LIMIT_KEY_PARENT] = "parent",
		[LIMIT_KEY_FROM_DOMAIN] = "from_domain",
		[LIMIT_KEY_CLIENT_IP] = "client_ip",
		[LIMIT_KEY_SENDER] = "sender",
		[LIMIT_KEY_GLOBAL] = "global",
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
		[LIMIT_NEW_RECIPIENTS] = "new_recipients",
		[LIMIT_BYTES] = "bytes",
		[LIMIT_REFUSALS] = "refusals",
		[LIMIT_BLOCKS] = "blocks",
	};

	assert((size_t)count < sizeof names / sizeof names[0]);
	return names[count];
}
