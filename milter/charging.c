#include "milter/charging.h"

#include "milter/io/clock.h"
#include "policy/limits.h"

#include <inttypes.h>
#include <string.h>

/* A name that no limit of the configuration can have. */
static const char hold_name[] = "held:local";

struct limit
charging_hold_limit(const struct class_conf *class)
{
	return (struct limit){ .name = hold_name,
		.key = LIMIT_KEY_ACCOUNT,
		.count = LIMIT_MESSAGES,
		.max = class->hold_max,
		.per_ms = 24ULL * 3600 * 1000,
		.action = ACTION_REJECT,
		.mode = MODE_ENFORCE };
}

/* Ask the store; message->charges and what it says of them stay for
 * charging_take_back(). */
static bool
ask(struct session *session, struct charge *charges, size_t count,
    struct fault *fault)
{
	struct message *message = &session->message;

	message->charges = charges;
	message->charge_count = count;
	message->receipt.is_charged = false;
	message->answers =
	    arena_alloc(&message->arena, count * sizeof(*message->answers));
	if (message->answers == NULL) {
		fault_memory(fault);
		return false;
	}
	if (store_charge(session->services->store, charges, count,
		session->services->is_dry, message->answers, &message->receipt,
		fault))
		return true;
	message->charge_count = 0;
	atomic_fetch_add(&session->services->metrics->store_faults, 1);
	return false;
}

static struct verdict
store_away(struct session *session, const struct fault *fault)
{
	struct message *message = &session->message;
	struct verdict verdict = { .reason = REASON_STORE_AWAY };

	if (message->snapshot->conf->store.on_failure == ON_FAILURE_TEMPFAIL)
		verdict = verdict_make(ACTION_TEMPFAIL, message->class->mode,
		    REASON_STORE_AWAY, NULL);
	verdict.detail = arena_strdup(&message->arena, fault->words);
	return verdict;
}

static struct verdict
no_memory(void)
{
	return verdict_make(ACTION_TEMPFAIL, MODE_ENFORCE, REASON_MEMORY, NULL);
}

/* Remember who has no room left for even one more. Only class local never
 * refuses at MAIL, and so has no use for it. */
static void
remember(struct session *session, const struct limit *limit, uint64_t one_at_ms)
{
	struct message *message = &session->message;
	uint64_t now_ms = message->receipt.now_ms;

	if (session->services->is_dry || message->traffic_class == CLASS_LOCAL
	    || message->class->mode == MODE_OBSERVE
	    || limit->mode == MODE_OBSERVE || limit->key != LIMIT_KEY_ACCOUNT
	    || limit->action < ACTION_TEMPFAIL || one_at_ms <= now_ms
	    || one_at_ms == UINT64_MAX)
		return;
	refusals_add(session->services->refusals, message->account.name,
	    limit->name, clock_monotonic_ms() + (one_at_ms - now_ms));
}

static void
remember_refused(struct session *session, const struct verdict *verdict)
{
	const struct message *message = &session->message;

	if (verdict->action < ACTION_TEMPFAIL)
		return;
	for (size_t i = 0; i < message->charge_count; i++)
		if (message->charges[i].limit == verdict->limit)
			remember(session, verdict->limit,
			    message->answers[i].one_at_ms);
}

struct verdict
charging_charge(struct session *session)
{
	struct message *message = &session->message;
	enum mode mode = message->class->mode;
	struct charge *charges;
	struct verdict verdict;
	struct fault fault;
	size_t count;

	if (!message->class->limits)
		return verdict_accept();
	if (!limits_charges(&message->snapshot->conf->limits, mode,
		&message->account, &message->facts, message->is_author_owned,
		&message->arena, &charges, &count))
		return no_memory();
	if (count == 0)
		return verdict_accept();
	if (count > STORE_CHARGES) {
		verdict =
		    verdict_make(ACTION_REJECT, mode, REASON_BAD_FROM, NULL);
		verdict.detail = "too many author domains to be counted";
		return verdict;
	}
	if (!ask(session, charges, count, &fault))
		return store_away(session, &fault);
	verdict = limits_judge(
	    charges, message->answers, count, mode, message->receipt.now_ms);
	remember_refused(session, &verdict);
	return verdict;
}

/* The charges of a message that is to be held, and room for one more behind
 * them. What only holds lets it pass; another limit that refuses still does,
 * but in class local, where all there is to a limit is a hold. */
static bool
held_charges(
    struct session *session, struct charge **charges_out, size_t *count_out)
{
	struct message *message = &session->message;
	bool is_local = message->traffic_class == CLASS_LOCAL;
	struct charge *charges;
	struct charge *all;
	size_t count;

	if (!limits_charges(&message->snapshot->conf->limits,
		message->class->mode, &message->account, &message->facts,
		message->is_author_owned, &message->arena, &charges, &count))
		return false;
	all = arena_alloc(&message->arena, (count + 1) * sizeof(*all));
	if (all == NULL)
		return false;
	if (count >= STORE_CHARGES)
		count = STORE_CHARGES - 1;
	if (count > 0)
		memcpy(all, charges, count * sizeof(*all));
	for (size_t i = 0; i < count; i++)
		if (is_local || all[i].limit->action == ACTION_HOLD)
			all[i].is_binding = false;
	*charges_out = all;
	*count_out = count;
	return true;
}

/* The hold limit of class local, behind the other charges: it binds where a
 * rejection may come of it. */
static bool
add_hold_charge(struct message *message, bool may_reject, struct charge *charge)
{
	struct limit *limit = arena_alloc(&message->arena, sizeof(*limit));

	if (limit == NULL)
		return false;
	*limit = charging_hold_limit(message->class);
	*charge = (struct charge){ .limit = limit,
		.key = message->account.name,
		.cost = 1,
		.is_binding = may_reject };
	return true;
}

struct verdict
charging_hold(struct session *session, struct verdict verdict)
{
	struct message *message = &session->message;
	bool is_local = message->traffic_class == CLASS_LOCAL;
	/* A fault of ours is no reason to send mail back. */
	bool may_reject =
	    message->is_envelope_ours && verdict_blames_sender(&verdict);
	struct charge *charges;
	struct fault fault;
	size_t count;

	if (!message->class->limits)
		return verdict;
	if (!held_charges(session, &charges, &count)
	    || (is_local
		&& !add_hold_charge(message, may_reject, &charges[count])))
		return is_local ? verdict_local(no_memory(), false)
				: no_memory();
	if (is_local)
		count++;
	if (count == 0 || !ask(session, charges, count, &fault)
	    || message->receipt.is_charged)
		return verdict;
	if (is_local)
		return verdict_make(
		    ACTION_REJECT, MODE_ENFORCE, REASON_HOLD_MAX, NULL);
	return verdict_worse(verdict,
	    limits_judge(charges, message->answers, count, message->class->mode,
		message->receipt.now_ms));
}

void
charging_refusal(struct session *session)
{
	struct message *message = &session->message;
	struct charge *charges;
	struct fault fault;
	size_t count;

	if (!message->class->limits || session->services->is_dry
	    || !limits_refusal_charges(&message->snapshot->conf->limits,
		&message->account, &message->facts, message->is_author_owned,
		&message->arena, &charges, &count)
	    || count == 0 || count > STORE_CHARGES
	    || !ask(session, charges, count, &fault))
		return;
	/* This charge is due: the message is refused. */
	message->receipt.is_charged = false;
	for (size_t i = 0; i < count; i++)
		remember(
		    session, charges[i].limit, message->answers[i].one_at_ms);
}

void
charging_take_back(struct session *session)
{
	struct message *message = &session->message;
	struct fault fault;

	if (!message->receipt.is_charged || session->services->is_dry)
		return;
	message->receipt.is_charged = false;
	/* Somebody may be remembered for what now has room again. */
	refusals_clear(session->services->refusals);
	/* A store that can't give back counts too much, never too little. */
	(void)store_refund(session->services->store, message->charges,
	    message->answers, message->charge_count, &message->receipt, &fault);
}

static const struct limit *
find_limit(const struct limit_set *limits, const char *name)
{
	for (size_t i = 0; i < limits->count; i++)
		if (strcmp(limits->limits[i].name, name) == 0)
			return &limits->limits[i];
	return NULL;
}

struct verdict
charging_remembered(struct session *session)
{
	struct message *message = &session->message;
	uint64_t now_ms = clock_monotonic_ms();
	char name[LIMIT_NAME_OCTETS + 1];
	const struct limit *limit;
	struct verdict verdict;
	uint64_t until_ms;

	if (message->traffic_class == CLASS_LOCAL || !message->class->limits
	    || !refusals_find(session->services->refusals,
		message->account.name, now_ms, name, &until_ms))
		return verdict_accept();
	limit = find_limit(&message->snapshot->conf->limits, name);
	if (limit == NULL || limit->action < ACTION_TEMPFAIL
	    || limit->mode == MODE_OBSERVE)
		return verdict_accept();
	verdict = verdict_make(limit->action, message->class->mode,
	    REASON_LIMIT, message->account.name);
	verdict.limit = limit;
	verdict.retry_after_ms = until_ms - now_ms;
	return verdict;
}
