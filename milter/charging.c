#include "milter/charging.h"

#include "milter/remember.h"
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

static struct limits_question
question_of(const struct session *session)
{
	const struct message *message = &session->message;

	return (struct limits_question){
		.set = &message->snapshot->conf->limits,
		.mode = message->class->mode,
		.account = &message->account,
		.facts = &message->facts,
		.block_mode = message->snapshot->conf->mode,
		.is_author_owned = message->is_author_owned,
		.owned_authors = message->owned_authors,
		.is_sender_owned = message->is_sender_owned,
		.can_refuse = message->traffic_class != CLASS_LOCAL,
		.has_limits = message->class->limits,
	};
}

/* Limits that came near their max by this message. */
static void
tell_warnings(struct session *session)
{
	const struct message *message = &session->message;

	if (session->services->is_dry)
		return;
	for (size_t i = 0; i < message->charge_count; i++) {
		const struct charge *charge = &message->charges[i];
		const struct charge_answer *answer = &message->answers[i];
		struct log_line *line;

		if (!answer->warns)
			continue;
		atomic_fetch_add(
		    &session->services->metrics->limit_warnings, 1);
		line =
		    log_line_begin(session->services->log, LOG_LEVEL_WARNING);
		log_line_text(line, "event", "limit_warn");
		log_line_text(line, "id", message->facts.id);
		log_line_text(line, "limit", charge->limit->name);
		log_line_text(line, "key", limits_key_name(charge->limit->key));
		log_line_text(line, "subject", charge->key);
		log_line_number(line, "used", answer->used + answer->cost);
		log_line_number(line, "max", answer->max);
		log_line_end(&line);
	}
}

/* Why the administrator blocked it; NULL: he didn't say. */
static const char *
receipt_words(struct message *message)
{
	return *message->receipt.words != '\0'
	    ? arena_strdup(&message->arena, message->receipt.words)
	    : NULL;
}

/* The store counts a refusal in the step that makes it one. */
static bool
was_refusal_counted(const struct message *message)
{
	if (message->receipt.is_charged)
		return false;
	for (size_t i = 0; i < message->charge_count; i++)
		if (message->charges[i].is_binding
		    && message->charges[i].refuses && !message->answers[i].fits)
			return true;
	return false;
}

/* Ask the store; message->charges and what it says of them stay for
 * charging_take_back(). */
static bool
ask(struct session *session, struct charge *charges, size_t count, bool is_look,
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
		is_look || session->services->is_dry, message->answers,
		&message->receipt, fault)) {
		message->is_refusal_counted = was_refusal_counted(message);
		tell_warnings(session);
		return true;
	}
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

static struct verdict
charge(struct session *session, bool is_look)
{
	struct message *message = &session->message;
	struct limits_question question = question_of(session);
	enum mode mode = message->class->mode;
	struct charge *charges;
	struct verdict verdict;
	struct fault fault;
	size_t count;

	if (!limits_charges(&question, &message->arena, &charges, &count))
		return no_memory();
	if (count > STORE_CHARGES) {
		verdict =
		    verdict_make(ACTION_REJECT, mode, REASON_BAD_FROM, NULL);
		verdict.detail = "too many author domains to be counted";
		return verdict;
	}
	if (!ask(session, charges, count, is_look, &fault))
		return store_away(session, &fault);
	verdict = limits_judge(
	    charges, message->answers, count, mode, message->receipt.now_ms);
	if (verdict.reason == REASON_BLOCKED)
		verdict.detail = receipt_words(message);
	if (!verdict_leaves(&verdict))
		remember_charges(session);
	return verdict;
}

struct verdict
charging_charge(struct session *session)
{
	return charge(session, false);
}

struct verdict
charging_look(struct session *session)
{
	return charge(session, true);
}

/* The charges of a message that is to be held, and room for one more behind
 * them. What only holds lets it pass; another limit that refuses still does,
 * but in class local, where all there is to a limit is a hold. */
static bool
held_charges(
    struct session *session, struct charge **charges_out, size_t *count_out)
{
	struct message *message = &session->message;
	struct limits_question question = question_of(session);
	bool is_local = message->traffic_class == CLASS_LOCAL;
	struct charge *charges;
	struct charge *all;
	size_t count;

	if (!limits_charges(&question, &message->arena, &charges, &count))
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
	if (count == 0 || !ask(session, charges, count, false, &fault)
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
	struct limits_question question = question_of(session);
	struct charge *charges;
	struct fault fault;
	size_t count;

	/* What the store itself didn't let pass it has counted already. */
	if (!message->class->limits || session->services->is_dry
	    || message->is_refusal_counted
	    || !limits_refusal_charges(
		&question, &message->arena, &charges, &count)
	    || count == 0 || count > STORE_CHARGES
	    || !ask(session, charges, count, false, &fault))
		return;
	/* This charge is due: the message is refused. */
	message->receipt.is_charged = false;
	remember_charges(session);
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
