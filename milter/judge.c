#include "milter/judge.h"

#include "milter/authorize.h"
#include "milter/charging.h"
#include "milter/identify.h"
#include "milter/io/clock.h"
#include "milter/preflighting.h"
#include "milter/remember.h"
#include "milter/signatures.h"
#include "policy/recipients.h"

#include <inttypes.h>
#include <string.h>

/* How long a message waits for a place among max_busy: long enough for a
 * burst to pass, short enough that a client never notices. */
enum { GATE_WAIT_MS = 2000 };

static struct verdict
judge_listener(
    const struct message *message, const struct listener_conf *listener)
{
	/* Where the listener leaves the class open, a client without a login
	 * may fall into one that observes: that must not let him in. */
	enum mode mode = listener != NULL && listener->has_class
	    ? message->class->mode
	    : message->snapshot->conf->mode;

	if (listener == NULL)
		return verdict_accept();
	if (listener->require_tls && !message->facts.is_tls)
		return verdict_make(
		    ACTION_REJECT, mode, REASON_TLS_REQUIRED, NULL);
	if (listener->require_auth && message->facts.login == NULL)
		return verdict_make(
		    ACTION_REJECT, mode, REASON_AUTH_REQUIRED, NULL);
	return verdict_accept();
}

static struct verdict
no_memory(const struct message *message)
{
	struct verdict verdict =
	    verdict_make(ACTION_TEMPFAIL, MODE_ENFORCE, REASON_MEMORY, NULL);

	return message->traffic_class == CLASS_LOCAL
	    ? verdict_local(verdict, false)
	    : verdict;
}

static struct verdict
judge_account(const struct message *message)
{
	struct verdict verdict = verdict_accept();

	if (message->account.is_too_long) {
		verdict = verdict_make(ACTION_REJECT, message->class->mode,
		    REASON_ACCOUNT_NAME, NULL);
		verdict.detail = "512";
	}
	return verdict;
}

/* What can't be looked up is told once for a message; where mail is to wait
 * for the store it waits for that too. */
static struct verdict
judge_maps(const struct message *message)
{
	struct verdict verdict = verdict_accept();

	if (message->map_fault == NULL)
		return verdict;
	verdict.reason = REASON_MAP_AWAY;
	if (message->snapshot->conf->store.on_failure == ON_FAILURE_TEMPFAIL)
		verdict = verdict_make(ACTION_TEMPFAIL, message->class->mode,
		    REASON_MAP_AWAY, NULL);
	verdict.detail = message->map_fault;
	return verdict;
}

static struct verdict
decide_mail(struct session *session)
{
	struct message *message = &session->message;
	struct verdict verdict;

	if (!identify_message(session))
		return no_memory(message);
	if (atomic_load(&session->services->is_stopping)
	    && message->traffic_class != CLASS_LOCAL
	    && message->traffic_class != CLASS_INBOUND)
		return verdict_make(
		    ACTION_TEMPFAIL, MODE_ENFORCE, REASON_STOPPING, NULL);
	/* What sendmail(1) hands in is never refused before its end. */
	if (message->traffic_class == CLASS_LOCAL)
		return verdict_accept();
	verdict = judge_listener(message, message->listener);
	if (message->traffic_class == CLASS_INBOUND)
		return verdict;
	verdict = verdict_worse(verdict, judge_account(message));
	if (verdict_leaves(&verdict))
		verdict = verdict_worse(verdict, remember_judge(session));
	return verdict;
}

struct verdict
judge_mail(struct session *session)
{
	struct message *message = &session->message;
	struct verdict verdict = decide_mail(session);

	if (verdict_leaves(&verdict))
		message->verdict = verdict; /* what is only observed */
	message->work_us += clock_monotonic_us() - message->facts.begun_us;
	return verdict;
}

static struct verdict
judge_recipient_count(struct message *message)
{
	uint64_t most = message->class->max_recipients;
	struct verdict verdict;

	if (most == 0 || message->facts.recipient_count <= most)
		return verdict_accept();
	verdict = verdict_make(ACTION_TEMPFAIL, message->class->mode,
	    REASON_TOO_MANY_RECIPIENTS, NULL);
	verdict.detail = arena_printf(&message->arena, "%" PRIu64, most);
	return verdict;
}

/* One that can't be noted, for want of memory, is a new one. */
static void
note_recipient(struct message *message, const char *path)
{
	uint64_t digest;

	if (message->snapshot->conf->limits.counts_new
	    && message->traffic_class != CLASS_INBOUND
	    && message->facts.recipients_kept < FACTS_RECIPIENTS
	    && recipients_digest(path, &message->arena, &digest))
		(void)recipients_add(&message->facts, &message->arena, digest);
}

static bool
stays_here(const struct conf *conf, const char *mailer)
{
	for (size_t i = 0; mailer != NULL && i < conf->local_mailers.count; i++)
		if (strcmp(conf->local_mailers.names[i], mailer) == 0)
			return true;
	return false;
}

/* What carries the message on; once it can't be said, it never can. */
static void
note_transport(struct message *message, const char *mailer)
{
	struct message_facts *facts = &message->facts;

	if (mailer == NULL || *mailer == '\0')
		facts->has_transports = true;
	else if (facts->transport == NULL && !facts->has_transports)
		facts->transport = arena_strdup(&message->arena, mailer);
	else if (facts->transport != NULL
	    && strcmp(facts->transport, mailer) != 0)
		facts->has_transports = true;
}

struct verdict
judge_recipient(struct session *session, const char *path, const char *mailer)
{
	struct message *message = &session->message;
	struct verdict verdict;

	if (!session->has_message)
		return verdict_accept();
	message->facts.recipient_count++;
	note_recipient(message, path);
	verdict = judge_recipient_count(message);
	if (!session->replies_to_recipients
	    || message->traffic_class == CLASS_LOCAL
	    || verdict_leaves(&verdict)) {
		if (stays_here(message->snapshot->conf, mailer))
			message->facts.local_recipient_count++;
		else
			note_transport(message, mailer);
		return verdict_accept();
	}
	message->facts.recipient_count--;
	if (message->facts.recipients_kept > message->facts.recipient_count)
		message->facts.recipients_kept--;
	message->refused_recipients++;
	return verdict;
}

static struct verdict
localise(const struct message *message, struct verdict verdict, bool may_bounce)
{
	if (message->traffic_class != CLASS_LOCAL)
		return verdict;
	return verdict_local(
	    verdict, may_bounce && !message->facts.is_null_sender);
}

void
judge_headers(struct session *session)
{
	struct message *message = &session->message;
	uint64_t begun_us = clock_monotonic_us();
	struct verdict earlier = message->verdict;
	struct verdict verdict;

	if (!session->has_message || message->traffic_class == CLASS_INBOUND)
		return;
	if (identify_by_header(session) && authorize_message(session)) {
		/* It is known only now who is to be remembered. */
		if (message->awaits_header) {
			message->awaits_header = false;
			message->verdict = verdict_worse(
			    message->verdict, remember_judge(session));
		}
		/* What class local holds is signed too. */
		verdict = localise(
		    message, message->verdict, message->is_envelope_ours);
		if (verdict_leaves(&verdict)) {
			signatures_begin(session);
			preflighting_begin(session);
		}
	} else {
		message->verdict = no_memory(message);
	}
	message->verdict = verdict_worse(earlier, message->verdict);
	message->verdict = verdict_worse(message->verdict,
	    verdict_worse(judge_account(message), judge_maps(message)));
	message->work_us += clock_monotonic_us() - begun_us;
}

void
judge_body(struct session *session, const unsigned char *data, size_t length)
{
	struct message *message = &session->message;
	uint64_t begun_us = clock_monotonic_us();

	if (!session->has_message)
		return;
	message->facts.size_bytes += length;
	signatures_body(session, data, length);
	preflighting_body(session, data, length);
	message->work_us += clock_monotonic_us() - begun_us;
}

/* The message's own faults first, which cost nothing; what a receiver will see
 * next; then the store; the signatures, which cost most, only for what
 * leaves. */
static struct verdict
decide_message(struct session *session)
{
	struct message *message = &session->message;
	struct verdict verdict =
	    verdict_worse(message->verdict, judge_recipient_count(message));

	verdict = localise(message, verdict, message->is_envelope_ours);
	if (verdict.action < ACTION_HOLD)
		verdict = verdict_worse(verdict,
		    localise(message, preflighting_judge(session),
			message->is_envelope_ours));
	if (verdict.action < ACTION_HOLD)
		verdict = verdict_worse(verdict,
		    localise(message, charging_charge(session), false));
	if (verdict.action == ACTION_HOLD && !message->receipt.is_charged)
		verdict = charging_hold(session, verdict);
	if (verdict_leaves(&verdict))
		verdict = verdict_worse(verdict,
		    localise(message, signatures_finish(session), false));
	if (!verdict_leaves(&verdict)) {
		charging_take_back(session);
		if (verdict_blames_sender(&verdict))
			charging_refusal(session);
	}
	return verdict;
}

/* There was no place. What sendmail(1) handed in can't be put off, so it is
 * held: counted and signed like all that is held. A class that observes is
 * judged all the same. The MTA bounds how many of these there are at once. */
static struct verdict
judge_busy(struct session *session)
{
	struct message *message = &session->message;
	struct verdict verdict = localise(message,
	    verdict_make(
		ACTION_TEMPFAIL, message->class->mode, REASON_BUSY, NULL),
	    false);

	if (message->class->mode == MODE_OBSERVE)
		return verdict_worse(decide_message(session), verdict);
	if (verdict.action == ACTION_HOLD)
		verdict = charging_hold(session, verdict);
	if (verdict.action == ACTION_HOLD)
		verdict = verdict_worse(verdict,
		    localise(message, signatures_finish(session), false));
	return verdict;
}

struct verdict
judge_message(struct session *session)
{
	struct message *message = &session->message;
	uint64_t begun_us = clock_monotonic_us();
	struct verdict verdict;

	if (!session->has_message || message->traffic_class == CLASS_INBOUND)
		return verdict_accept();
	message->has_place = gate_enter(session->services->gate, GATE_WAIT_MS);
	if (message->has_place) {
		verdict = decide_message(session);
		gate_leave(session->services->gate);
	} else {
		verdict = judge_busy(session);
	}
	message->verdict = verdict;
	message->work_us += clock_monotonic_us() - begun_us;
	return verdict;
}

void
judge_take_back(struct session *session)
{
	charging_take_back(session);
}
