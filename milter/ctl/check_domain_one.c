#include "milter/ctl/check_domain.h"

#include "milter/choosing.h"
#include "milter/ctl/check_domain_list.h"
#include "milter/ctl/preflight.h"
#include "milter/io/clock.h"
#include "milter/io/evidence.h"
#include "milter/io/keys_public.h"
#include "milter/leaving.h"
#include "policy/address.h"

#include <stdlib.h>
#include <string.h>

static const char sender_local[] = "postmaster";

/* One check under way. */
struct check {
	const struct check_domain_tools *tools;
	struct check_domain_row *row;
	struct resolver_asker *asker;
	const struct sign_conf *places[CHECK_DOMAIN_PLACES];
	size_t place_count;
	bool are_keys_lost; /* some can't be had now */
	const struct key_ring *rings[CHECK_DOMAIN_PLACES]; /* NULL: none */
	struct dkim_key_wanted wanted[PREFLIGHT_SIGNATURES];
	struct leaving egress;
	struct evidence_question question;
};

static void
grow_worse(struct check_domain_row *row, enum check_domain_state state)
{
	if (state > row->state)
		row->state = state;
}

static void
add_thing(struct check_domain_row *row, const char *words, const char *mend)
{
	if (words == NULL || row->thing_count == CHECK_DOMAIN_THINGS)
		return;
	row->things[row->thing_count++] =
	    (struct check_domain_thing){ .words = words, .mend = mend };
}

static void
add_fault(struct check_domain_row *row, const struct fault *fault)
{
	grow_worse(row,
	    fault->kind == FAULT_PERMANENT ? CHECK_DOMAIN_WRONG
					   : CHECK_DOMAIN_LATER);
	add_thing(row, arena_strdup(&row->arena, fault->words), NULL);
}

/* ---- do bounces find back? ---- */

static bool
ask_mail(struct check *check, const struct dns_answer *answers[3])
{
	static const enum dns_type types[3] = { DNS_MX, DNS_A, DNS_AAAA };
	bool is_known = true;

	for (size_t i = 0; i < 3; i++) {
		const struct dns_question question = {
			.name = check->row->domain, .type = types[i]
		};

		answers[i] = resolver_ask(check->asker, &question);
		is_known = is_known && answers[i] != NULL;
	}
	return is_known;
}

/* RFC 7505: "I take no mail". */
static bool
is_null_mx(const struct dns_answer *mx)
{
	return mx->count == 1 && mx->records[0].name[0] == '\0';
}

/* What there is against it; NULL: nothing. */
static const char *
mail_words(struct arena *arena, const char *domain,
    const struct dns_answer *const answers[3])
{
	bool is_lost = false;

	if (is_null_mx(answers[0]))
		return arena_printf(arena,
		    "%s takes no mail (null MX): bounces and replies are lost",
		    domain);
	for (size_t i = 0; i < 3; i++) {
		if (answers[i]->count > 0)
			return NULL;
		is_lost = is_lost || answers[i]->status == DNS_LOST;
	}
	if (is_lost)
		return NULL;
	if (answers[0]->status == DNS_NXDOMAIN)
		return arena_printf(arena,
		    "%s doesn't exist in the DNS: many receivers refuse such "
		    "a sender",
		    domain);
	return arena_printf(arena,
	    "%s has neither MX nor address: bounces and replies are lost",
	    domain);
}

static void
judge_mail(struct check *check)
{
	const struct dns_answer *answers[3];

	/* That was found by SPF, and told. */
	if (check->row->evidence.spf_count > 0
	    && check->row->evidence.spf[0].outcome->is_no_domain)
		return;
	while (!ask_mail(check, answers) && resolver_wait(check->asker))
		continue;
	if (ask_mail(check, answers))
		add_thing(check->row,
		    mail_words(&check->row->arena, check->row->domain, answers),
		    NULL);
}

/* ---- the keys here ---- */

/* As the daemon chooses them where a class has its keys: the domain's own, else
 * the nearest parent's, else those of fallback_domain. */
static bool
find_ring(struct check *check, size_t place, const char *const *candidates,
    size_t count, struct fault *fault)
{
	const struct sign_conf *sign = check->places[place];
	const struct key_ring **ring = &check->rings[place];
	struct keys *keys = check->tools->keys;

	for (size_t i = 0; i < count && *ring == NULL; i++)
		if (!keys_find(keys, &sign->places, candidates[i], ring, fault))
			return false;
	return *ring != NULL || *sign->fallback_domain == '\0'
	    || keys_find(
		keys, &sign->places, sign->fallback_domain, ring, fault);
}

/* In all places: each signs mail of its class. False: keys of some can't be
 * used; fault is the first one's. */
static bool
find_rings(struct check *check, struct fault *fault)
{
	const char *candidates[SIGNING_CANDIDATES];
	size_t count = choosing_candidates(
	    check->tools->asking->suffixes, check->row->domain, candidates);
	bool is_good = true;
	struct fault other;

	check->place_count =
	    check_domain_places(check->tools->asking->conf, check->places);
	for (size_t i = 0; i < check->place_count; i++)
		if (!find_ring(
			check, i, candidates, count, is_good ? fault : &other))
			is_good = false;
	return is_good;
}

/* Two places may have the same key. */
static bool
is_wanted(const struct evidence_question *question,
    const struct dkim_key_wanted *wanted)
{
	for (size_t i = 0; i < question->key_count; i++) {
		const struct dkim_key_wanted *other = &question->keys[i];

		if (strcmp(other->domain, wanted->domain) == 0
		    && strcmp(other->selector, wanted->selector) == 0
		    && strcmp(other->public_b64, wanted->public_b64) == 0)
			return true;
	}
	return false;
}

static bool
want_key(struct check *check, const struct key *key, struct fault *fault)
{
	struct evidence_question *question = &check->question;
	struct dkim_key_wanted wanted;

	if (!keys_public_wanted(key, &check->row->arena, &wanted, fault))
		return false;
	if (is_wanted(question, &wanted))
		return true;
	if (question->key_count == PREFLIGHT_SIGNATURES) {
		fault_set(fault, FAULT_PERMANENT,
		    "more than %d keys in all places: remove old ones",
		    (int)PREFLIGHT_SIGNATURES);
		return false;
	}
	check->wanted[question->key_count++] = wanted;
	return true;
}

static bool
want_keys(struct check *check, struct fault *fault)
{
	for (size_t i = 0; i < check->place_count; i++) {
		const struct key_ring *ring = check->rings[i];

		for (size_t k = 0; ring != NULL && k < ring->count; k++)
			if (!want_key(check, &ring->keys[k], fault))
				return false;
	}
	return true;
}

/* Keys at fault in one place don't hide those of another. */
static void
ask_keys(struct check *check)
{
	struct evidence_question *question = &check->question;
	struct fault fault;
	struct fault other;
	bool is_found;

	question->keys = check->wanted;
	question->checks_keys = true;
	is_found = find_rings(check, &fault);
	if (!want_keys(check, is_found ? &fault : &other) || !is_found) {
		check->row->key_fault =
		    arena_strdup(&check->row->arena, fault.words);
		add_fault(check->row, &fault);
		question->are_keys_unknown = true;
		check->are_keys_lost = fault.kind != FAULT_PERMANENT;
	}
}

/* ---- the verdict ---- */

static bool
ask_egress(struct check *check, struct fault *fault)
{
	const struct asking *asking = check->tools->asking;
	struct arena *arena = &check->row->arena;
	const struct mailbox sender = { .local = sender_local,
		.domain = check->row->domain,
		.text = arena_printf(
		    arena, "%s@%s", sender_local, check->row->domain) };

	if (sender.text == NULL) {
		fault_memory(fault);
		return false;
	}
	return leaving_find(asking->conf, asking->tables, NULL, &sender, arena,
	    &check->egress, fault);
}

static bool
gather(struct check *check)
{
	struct check_domain_row *row = check->row;
	struct evidence_question *question = &check->question;

	question->egress = check->egress.egress;
	question->egress_count = check->egress.count;
	question->sender_local = sender_local;
	question->sender_domain = row->domain;
	question->authors = &row->domain;
	question->author_count = 1;
	question->now_s = clock_unix_s();
	return evidence_gather(check->asker, check->tools->asking->suffixes,
		   question, &row->arena, &row->evidence)
	    && preflight_judge(&row->evidence,
		check->tools->asking->conf->preflight.profiles, &row->arena,
		&row->judgement);
}

/* What makes a domain wrong though its mail may pass. */
static enum check_domain_state
state_of_reason(enum preflight_reason_kind kind)
{
	switch (kind) {
	case PREFLIGHT_SPF_MISSING:
	case PREFLIGHT_SPF_REFUSES:
	case PREFLIGHT_SPF_BROKEN:
	case PREFLIGHT_DKIM_NONE:
	case PREFLIGHT_DKIM_NO_KEY:
	case PREFLIGHT_DKIM_KEY:
	case PREFLIGHT_DKIM_FAILS:
	case PREFLIGHT_DMARC_IGNORED:
	case PREFLIGHT_FROM:
		return CHECK_DOMAIN_WRONG;
	case PREFLIGHT_SPF_LOST:
	case PREFLIGHT_DKIM_LOST:
	case PREFLIGHT_DMARC_LOST:
		return CHECK_DOMAIN_LATER;
	case PREFLIGHT_SPF_UNKNOWN:
	case PREFLIGHT_SPF_NOT_ALIGNED:
	case PREFLIGHT_DKIM_NOT_ALIGNED:
	case PREFLIGHT_DMARC_POLICY:
	case PREFLIGHT_DMARC_NONE:
	case PREFLIGHT_DIFFERS:
		break;
	}
	return CHECK_DOMAIN_GOOD;
}

/* That SPF isn't known is told once, of all; what the policy asks for is no
 * thing to mend. */
static bool
is_told(enum preflight_reason_kind kind)
{
	return kind != PREFLIGHT_SPF_UNKNOWN && kind != PREFLIGHT_DMARC_POLICY
	    && kind != PREFLIGHT_DIFFERS;
}

/* That nothing signs is no news of keys that can't be used or had. */
static bool
is_known_better(
    const struct check_domain_row *row, enum preflight_reason_kind kind)
{
	return row->key_fault != NULL
	    && (kind == PREFLIGHT_DKIM_NONE || kind == PREFLIGHT_DKIM_NO_KEY);
}

static void
add_reasons(struct check *check)
{
	struct check_domain_row *row = check->row;
	const struct preflight_judgement *judgement = &row->judgement;

	for (size_t i = 0; i < judgement->reason_count; i++) {
		const struct preflight_reason *reason = &judgement->reasons[i];

		if (is_known_better(row, reason->kind))
			continue;
		grow_worse(row, state_of_reason(reason->kind));
		if (is_told(reason->kind))
			add_thing(row, reason->words, reason->mend);
	}
	if (judgement->result == PREFLIGHT_TEMPERROR)
		grow_worse(row, CHECK_DOMAIN_LATER);
	else if (judgement->result > PREFLIGHT_NO_POLICY
	    && !check->are_keys_lost)
		grow_worse(row, CHECK_DOMAIN_WRONG);
}

static bool
ask_opinions(struct check *check)
{
	struct check_domain_row *row = check->row;
	const struct asking *asking = check->tools->asking;
	const struct opinion_question question = {
		.sender_local = sender_local,
		.sender_domain = row->domain,
		.evidence = &row->evidence,
		.judgement = &row->judgement,
		.resolver = asking->resolver,
		.timeout_ms = asking->conf->dns.timeout_ms,
	};

	if (check->tools->process == NULL)
		return true;
	row->has_opinion = opinion_ask(
	    check->tools->process, &question, &row->arena, &row->opinion);
	return row->has_opinion;
}

/* False: no memory. */
static bool
judge(struct check *check)
{
	struct check_domain_row *row = check->row;
	const struct dns_answer *answers[3];
	struct preflight_story story = { .evidence = &row->evidence,
		.judgement = &row->judgement,
		.is_used = check->tools->asking->conf->preflight.profiles };
	struct fault fault;

	(void)ask_mail(check, answers); /* to be answered beside the rest */
	if (!ask_egress(check, &fault)) {
		add_fault(row, &fault);
		return fault.kind != FAULT_MEMORY;
	}
	ask_keys(check);
	if (!gather(check))
		return false;
	row->is_judged = true;
	row->finding = preflight_finding(&story);
	add_reasons(check);
	judge_mail(check);
	return ask_opinions(check);
}

static bool
check_domain(struct check *check, const char *typed)
{
	struct check_domain_row *row = check->row;
	const char *domain;
	struct fault fault;
	bool is_done;

	row->domain = arena_strdup(&row->arena, typed);
	if (row->domain == NULL)
		return false;
	if (!address_domain(
		&row->arena, typed, strlen(typed), &domain, &fault)) {
		add_fault(row, &fault);
		return fault.kind != FAULT_MEMORY;
	}
	row->domain = domain;
	check->asker = asking_begin(check->tools->asking);
	is_done = check->asker != NULL && judge(check);
	resolver_end(&check->asker);
	for (size_t i = 0; i < check->place_count; i++)
		keys_release(check->tools->keys, &check->rings[i]);
	return is_done;
}

struct check_domain_row *
check_domain_one(const struct check_domain_tools *tools, const char *typed)
{
	struct check check = { .tools = tools };

	check.row = calloc(1, sizeof(*check.row));
	if (check.row == NULL)
		return NULL;
	arena_init(&check.row->arena, CHECK_DOMAIN_ARENA_BYTES);
	if (!check_domain(&check, typed))
		check_domain_row_free(&check.row);
	return check.row;
}

void
check_domain_row_free(struct check_domain_row **row)
{
	if (*row != NULL)
		arena_clear(&(*row)->arena);
	free(*row);
	*row = NULL;
}

const char *
check_domain_state_name(enum check_domain_state state)
{
	static const char *const names[] = {
		[CHECK_DOMAIN_GOOD] = "good",
		[CHECK_DOMAIN_LATER] = "later",
		[CHECK_DOMAIN_WRONG] = "wrong",
	};

	return (unsigned)state < CHECK_DOMAIN_STATES ? names[state] : "?";
}
