#include "milter/remember.h"

#include "milter/io/clock.h"
#include "policy/limits.h"

#include <stdio.h>
#include <string.h>

/* Known at MAIL. */
static bool
is_early(enum limit_key key)
{
	return key == LIMIT_KEY_ACCOUNT || key == LIMIT_KEY_PARENT
	    || key == LIMIT_KEY_CLIENT_IP || key == LIMIT_KEY_GLOBAL;
}

/* When something fits again, by the store's clock. */
static uint64_t
room_at(const struct charge *charge, const struct charge_answer *answer)
{
	if (charge->limit->count == LIMIT_BLOCKS)
		return answer->fits ? 0 : answer->room_at_ms;
	/* Of new recipients a message may have none. */
	return charge->limit->count == LIMIT_NEW_RECIPIENTS ? 0
							    : answer->one_at_ms;
}

static void
remember(struct session *session, const struct charge *charge,
    const struct charge_answer *answer)
{
	const struct store_receipt *receipt = &session->message.receipt;
	bool is_block = charge->limit->count == LIMIT_BLOCKS;
	uint64_t at_ms = room_at(charge, answer);
	struct refusal refusal = {
		.reason = is_block ? REASON_BLOCKED : REASON_LIMIT,
		.max = answer->max,
		.until_ms = UINT64_MAX,
	};

	if (at_ms <= receipt->now_ms)
		return;
	if (at_ms != UINT64_MAX)
		refusal.until_ms =
		    clock_monotonic_ms() + (at_ms - receipt->now_ms);
	snprintf(refusal.limit_name, sizeof(refusal.limit_name), "%s",
	    charge->limit->name);
	if (is_block)
		memcpy(refusal.words, receipt->words, sizeof(refusal.words));
	refusals_add(session->services->refusals, charge->limit->key,
	    charge->key, &refusal);
}

void
remember_charges(struct session *session)
{
	const struct message *message = &session->message;

	if (session->services->is_dry || message->traffic_class == CLASS_LOCAL)
		return;
	for (size_t i = 0; i < message->charge_count; i++) {
		const struct limit *limit = message->charges[i].limit;
		enum mode mode = limit->count == LIMIT_BLOCKS
		    ? message->snapshot->conf->mode
		    : message->class->mode;

		if (mode == MODE_ENFORCE && limit->mode == MODE_ENFORCE
		    && limit->action >= ACTION_TEMPFAIL && is_early(limit->key))
			remember(session, &message->charges[i],
			    &message->answers[i]);
	}
}

static const struct limit *
find_limit(const struct limit_set *limits, const char *name)
{
	for (size_t i = 0; i < limits->count; i++)
		if (strcmp(limits->limits[i].name, name) == 0)
			return &limits->limits[i];
	return NULL;
}

/* What is remembered is by key; the limit may not hold for this account's
 * plan, or have changed. */
static bool
still_holds(const struct message *message, const struct refusal *refusal,
    const struct limit **limit_out)
{
	const struct limit_set *set = &message->snapshot->conf->limits;
	const struct plan *plan = message->account.plan != NULL
	    ? limits_plan(set, message->account.plan)
	    : NULL;
	const struct limit *limit;

	*limit_out = NULL;
	if (refusal->reason == REASON_BLOCKED)
		return true;
	limit = *limit_out = find_limit(set, refusal->limit_name);
	return message->class->limits && limit != NULL
	    && limit->action >= ACTION_TEMPFAIL && limit->mode == MODE_ENFORCE
	    && limits_holds(set, limit, plan);
}

static struct verdict
judge_key(struct session *session, enum limit_key key, const char *name)
{
	struct message *message = &session->message;
	uint64_t now_ms = clock_monotonic_ms();
	const struct limit *limit;
	struct refusal refusal;
	struct verdict verdict;
	bool is_never;

	if (!refusals_find(
		session->services->refusals, key, name, now_ms, &refusal)
	    || !still_holds(message, &refusal, &limit))
		return verdict_accept();
	/* Where nothing ever leaves, waiting doesn't help. */
	is_never = limit != NULL && refusal.max == 0;
	verdict = verdict_make(
	    limit != NULL && !is_never ? limit->action : ACTION_REJECT,
	    limit != NULL ? message->class->mode
			  : message->snapshot->conf->mode,
	    is_never ? REASON_COST : refusal.reason,
	    arena_strdup(&message->arena, name));
	verdict.limit = limit;
	verdict.max = refusal.max;
	if (refusal.until_ms != UINT64_MAX)
		verdict.retry_after_ms = refusal.until_ms - now_ms;
	if (*refusal.words != '\0')
		verdict.detail = arena_strdup(&message->arena, refusal.words);
	return verdict;
}

struct verdict
remember_judge(struct session *session)
{
	struct message *message = &session->message;
	const char *client =
	    network_client(&message->arena, &session->facts.client);
	struct verdict verdict;

	if (message->traffic_class == CLASS_LOCAL)
		return verdict_accept();
	verdict = verdict_accept();
	if (!message->awaits_header)
		verdict = judge_key(
		    session, LIMIT_KEY_ACCOUNT, message->account.name);
	if (!message->awaits_header && message->account.parent != NULL)
		verdict = verdict_worse(verdict,
		    judge_key(
			session, LIMIT_KEY_PARENT, message->account.parent));
	if (client != NULL)
		verdict = verdict_worse(
		    verdict, judge_key(session, LIMIT_KEY_CLIENT_IP, client));
	return verdict_worse(
	    verdict, judge_key(session, LIMIT_KEY_GLOBAL, "all"));
}
