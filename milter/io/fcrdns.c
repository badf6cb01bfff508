#include "milter/io/fcrdns.h"

#include "policy/network.h"
#include "policy/text.h"

#include <string.h>

enum {
	V4_AT = 12, /* of IPv4 in the octets of an address */
	OCTETS = 16,
	REVERSE_BYTES = 80, /* 32 digits, as many dots, "ip6.arpa" */
	NAME_SPACE = DNS_NAME_OCTETS * 4 + 4,
	WORDS_BYTES = 600,
};

/* One check. */
struct check {
	struct resolver_asker *asker;
	const struct egress *egress;
	struct arena *arena;
	enum dns_type type; /* of the address: A or AAAA */
	char reverse[REVERSE_BYTES];
	const struct dns_answer *names; /* PTR */
	const struct dns_answer *addresses[FCRDNS_NAMES];
	const struct dns_answer *helo;
	struct fcrdns *out;
};

static bool
is_v4(const struct address *address)
{
	static const uint8_t mapped[V4_AT] = { [10] = 0xFF, [11] = 0xFF };

	return memcmp(address->octets, mapped, sizeof(mapped)) == 0;
}

/* RFC 1035 §3.5, RFC 3596 §2.5. */
static void
write_reverse(struct check *check)
{
	const uint8_t *octets = check->egress->address.octets;
	struct text text;

	text_init(&text, check->reverse, sizeof(check->reverse));
	if (is_v4(&check->egress->address)) {
		for (size_t i = OCTETS; i-- > V4_AT;)
			text_addf(&text, "%u.", (unsigned)octets[i]);
		text_add(&text, "in-addr.arpa");
		return;
	}
	for (size_t i = OCTETS; i-- > 0;)
		text_addf(&text, "%x.%x.", (unsigned)octets[i] & 0xF,
		    (unsigned)octets[i] >> 4);
	text_add(&text, "ip6.arpa");
}

static size_t
name_count(const struct check *check)
{
	return check->names->count < FCRDNS_NAMES ? check->names->count
						  : FCRDNS_NAMES;
}

/* Ask all that can be asked now. False: something is under way. */
static bool
ask_all(struct check *check)
{
	struct dns_question question = { .name = check->egress->helo,
		.type = check->type };
	const struct dns_question reverse = { .name = check->reverse,
		.type = DNS_PTR };
	bool is_known;

	check->helo = resolver_ask(check->asker, &question);
	check->names = resolver_ask(check->asker, &reverse);
	is_known = check->helo != NULL && check->names != NULL;
	for (size_t i = 0; check->names != NULL && i < name_count(check); i++) {
		question.name = check->names->records[i].name;
		check->addresses[i] = resolver_ask(check->asker, &question);
		is_known = is_known && check->addresses[i] != NULL;
	}
	return is_known;
}

static bool
has_address(const struct dns_answer *answer, const struct address *address)
{
	for (size_t i = 0; i < answer->count; i++)
		if (memcmp(answer->records[i].address.octets, address->octets,
			sizeof(address->octets))
		    == 0)
			return true;
	return false;
}

/* Names of the DNS come from outside. */
static const char *
cleaned(struct check *check, const char *name)
{
	char *space = arena_alloc(check->arena, NAME_SPACE);
	struct text text;

	if (space == NULL)
		return "?";
	text_init(&text, space, NAME_SPACE);
	text_add_clean(&text, name, strlen(name), false);
	return space;
}

static bool
say(struct check *check, enum fcrdns_state state, const char *words)
{
	check->out->state = state;
	check->out->words = words;
	return words != NULL;
}

static bool
say_lost(struct check *check, const char *name, const struct dns_answer *answer)
{
	return say(check, FCRDNS_LOST,
	    arena_printf(check->arena, "%s: no answer from the DNS for %s%s%s",
		check->egress->text, cleaned(check, name),
		answer->why != NULL ? ": " : "",
		answer->why != NULL ? cleaned(check, answer->why) : ""));
}

/* Which of its names has the address? FCRDNS_NAMES: none. */
static size_t
confirmed(const struct check *check)
{
	for (size_t i = 0; i < name_count(check); i++)
		if (has_address(check->addresses[i], &check->egress->address))
			return i;
	return FCRDNS_NAMES;
}

/* None of its names has it. */
static bool
say_unconfirmed(struct check *check)
{
	const char *name = check->names->records[0].name;

	for (size_t i = 0; i < name_count(check); i++)
		if (check->addresses[i]->status == DNS_LOST)
			return say_lost(check, check->names->records[i].name,
			    check->addresses[i]);
	return say(check, FCRDNS_BAD,
	    arena_printf(check->arena,
		"%s: its name (PTR) %s doesn't have this address: publish "
		"\"%s. IN %s %s\", or give the address another name",
		check->egress->text, cleaned(check, name), cleaned(check, name),
		dns_type_name(check->type), check->egress->text));
}

static bool
judge_helo(struct check *check)
{
	const char *helo = check->egress->helo;

	if (has_address(check->helo, &check->egress->address))
		return true;
	if (check->helo->status == DNS_LOST)
		return say_lost(check, helo, check->helo);
	return say(check, FCRDNS_BAD,
	    arena_printf(check->arena,
		"%s: the name said in HELO, %s, doesn't have this address: "
		"publish \"%s. IN %s %s\", or say %s",
		check->egress->text, cleaned(check, helo), cleaned(check, helo),
		dns_type_name(check->type), check->egress->text,
		check->out->name));
}

static bool
judge(struct check *check)
{
	size_t which;

	if (check->names->status == DNS_LOST)
		return say_lost(check, check->reverse, check->names);
	if (check->names->count == 0)
		return say(check, FCRDNS_BAD,
		    arena_printf(check->arena,
			"%s has no name in the DNS (PTR): have whoever owns "
			"the address publish \"%s. IN PTR %s.\"",
			check->egress->text, check->reverse,
			cleaned(check, check->egress->helo)));
	which = confirmed(check);
	check->out->name = cleaned(check,
	    check->names->records[which < FCRDNS_NAMES ? which : 0].name);
	return which == FCRDNS_NAMES ? say_unconfirmed(check)
				     : judge_helo(check);
}

bool
fcrdns_check(struct resolver_asker *asker, const struct egress *egress,
    struct arena *arena, struct fcrdns *fcrdns_out)
{
	struct check check = { .asker = asker,
		.egress = egress,
		.arena = arena,
		.type = is_v4(&egress->address) ? DNS_A : DNS_AAAA,
		.out = fcrdns_out };

	*fcrdns_out = (struct fcrdns){ .state = FCRDNS_GOOD };
	write_reverse(&check);
	while (!ask_all(&check) && resolver_wait(asker))
		continue;
	/* After the deadline everything has an answer, be it none. */
	return ask_all(&check) && judge(&check);
}
