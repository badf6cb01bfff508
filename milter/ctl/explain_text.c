#include "milter/authorize.h"
#include "milter/ctl/explain.h"
#include "milter/ctl/opinion.h"
#include "milter/ctl/preflight.h"
#include "milter/ctl/print.h"
#include "policy/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { ARENA_BYTES = 1024 * 1024 };

static void
tell_class(const struct explanation *explanation)
{
	const struct message *message = &explanation->session->message;
	const struct listener_conf *listener = message->listener;
	static const char *const why[CLASS_COUNT] = {
		[CLASS_SUBMISSION] = "the client logged in",
		[CLASS_LOCAL] = "handed in by a program of this host",
		[CLASS_RELAY] = "the client is within relay_networks",
		[CLASS_INBOUND] = "neither a login nor within relay_networks",
	};

	if (listener != NULL && listener->has_class)
		print_line(stdout, "class", "%s: as listener \"%s\" says",
		    facts_class_name(message->traffic_class), listener->name);
	else
		print_line(stdout, "class", "%s: %s",
		    facts_class_name(message->traffic_class),
		    why[message->traffic_class]);
	if (message->class->mode == MODE_OBSERVE
	    && message->traffic_class != CLASS_INBOUND)
		print_line(stdout, " ",
		    "its mode is observe: all is decided, nothing refused");
}

static void
tell_connection(const struct explanation *explanation)
{
	struct message *message = &explanation->session->message;
	const struct connection_facts *facts = message->facts.connection;
	const struct conf *conf = message->snapshot->conf;
	const struct listener_conf *listener = message->listener;
	const char *client = network_text(&message->arena, &facts->client);

	print_line(stdout, "client", "%s port %u%s",
	    client != NULL ? client : "?", (unsigned)facts->client_port,
	    explanation->is_client_assumed
		? " (assumed; --client says otherwise)"
		: "");
	if (listener != NULL)
		print_line(stdout, "listener", "%s%s%s", listener->name,
		    listener->require_auth ? ", requires a login" : "",
		    listener->require_tls ? ", requires TLS" : "");
	else if (conf->listener_count > 0)
		print_line(stdout, "listener",
		    "none applies (--listener says where it connects)");
}

static void
tell_account(const struct message *message)
{
	static const char *const why[ACCOUNT_SOURCE_COUNT] = {
		[ACCOUNT_SASL] = "the login",
		[ACCOUNT_NETWORK] = "the client, by accounts.networks",
		[ACCOUNT_HEADER] = "a trusted host's identity_header",
		[ACCOUNT_UID] = "the owner of the client's socket",
		[ACCOUNT_HOST] = "programs of the host of that name",
		[ACCOUNT_CLIENT] = "the client's address",
		[ACCOUNT_ENVELOPE] = "the envelope sender, by trust_envelope",
		[ACCOUNT_BOUNCES] = "the null sender on the host of that name",
	};

	print_line(stdout, "account", "%s: %s", message->account.name,
	    why[message->account.source]);
	if (message->account.parent != NULL
	    && strcmp(message->account.parent, message->account.name) != 0)
		print_line(
		    stdout, " ", "its parent is %s", message->account.parent);
	if (message->account.plan != NULL)
		print_line(
		    stdout, " ", "its plan is %s", message->account.plan);
	if (message->map_fault != NULL)
		print_line(stdout, " ", "%s", message->map_fault);
}

static bool
tell_owner(struct session *session, const char *label,
    const struct mailbox *mailbox, const char *note)
{
	struct message *message = &session->message;
	const struct sender_rules *rules = &message->class->senders.rules;
	struct sender_evidence evidence;
	const char *key;

	if (!authorize_evidence(session, mailbox, &evidence))
		return false;
	key =
	    evidence.has_key ? "its domain has a key" : "no key for its domain";
	if (sender_owns(rules, &message->account, mailbox, &evidence))
		print_line(stdout, label, "%s%s: the account's; %s",
		    mailbox->text, note, key);
	else if (evidence.logins != NULL)
		print_line(stdout, label,
		    "%s%s: not the account's; the map says %s; %s",
		    mailbox->text, note, evidence.logins, key);
	else
		print_line(stdout, label, "%s%s: not the account's%s; %s",
		    mailbox->text, note,
		    message->class->senders.map != NULL ? " and not in the map"
							: "",
		    key);
	return true;
}

static bool
tell_envelope(const struct explanation *explanation)
{
	struct session *session = explanation->session;
	const struct message_facts *facts = &session->message.facts;

	if (facts->is_null_sender)
		print_line(stdout, "sender", "<>: the null sender");
	else if (facts->is_bad_sender)
		print_line(
		    stdout, "sender", "%s: no address", facts->envelope_sender);
	else
		return tell_owner(session, "sender", &facts->sender,
		    explanation->is_sender_assumed
			? " (assumed; --mail-from says otherwise)"
			: "");
	return true;
}

static bool
tell_authors(const struct explanation *explanation)
{
	struct session *session = explanation->session;
	const struct message_facts *facts = &session->message.facts;

	if (facts->from_count != 1)
		print_line(stdout, "From",
		    "there are %zu From fields, there must be one",
		    facts->from_count);
	else if (facts->from.problem != NULL)
		print_line(stdout, "From", "%s", facts->from.problem);
	for (size_t i = 0; i < facts->from.count; i++)
		if (!tell_owner(session, "From", &facts->from.mailboxes[i], ""))
			return false;
	return true;
}

/* "450 4.7.1 words" */
static void
tell_reply(const struct message *message, const char *label,
    const struct verdict *verdict)
{
	struct reply_facts facts = { .account = message->account.name,
		.id = message->facts.id };
	struct reply reply;

	reply_build(verdict, &facts, &reply);
	print_line(
	    stdout, label, "%s %s %s", reply.code, reply.status, reply.words);
}

static void
tell_recipients(const struct explanation *explanation)
{
	const struct message *message = &explanation->session->message;

	print_line(stdout, "recipients", "%zu%s",
	    message->facts.recipient_count,
	    explanation->is_recipient_assumed
		? " (assumed; --rcpt says otherwise)"
		: "");
	if (message->refused_recipients == 0)
		return;
	print_line(stdout, " ", "%" PRIu64 " more refused, each with",
	    message->refused_recipients);
	tell_reply(message, " ", &explanation->recipient_verdict);
}

static void
add_limit(struct table *table, const struct message *message, size_t i)
{
	const struct charge *charge = &message->charges[i];
	const struct charge_answer *answer = &message->answers[i];
	const struct limit *limit = charge->limit;
	uint64_t now_ms = message->receipt.now_ms;
	const char *state = "fits";

	if (!answer->fits && answer->room_at_ms == UINT64_MAX)
		state = "can never fit";
	else if (!answer->fits && answer->room_at_ms <= now_ms)
		state = "fits in a moment";
	else if (!answer->fits)
		state = arena_printf(table->arena, "fits in %s",
		    print_duration(table->arena, answer->room_at_ms - now_ms));
	table_row(table);
	table_cell(table, "%s", limit->name);
	table_cell(table, "%s", charge->key);
	table_cell(table, "%" PRIu64, answer->used);
	/* What is only looked at isn't added to. */
	table_cell(table, "+ %" PRIu64, charge->is_look ? 0 : answer->cost);
	table_cell(table, "of %" PRIu64, answer->max);
	table_cell(table, "%s", limits_count_name(limit->count));
	table_cell(table, "in %s", print_duration(table->arena, limit->per_ms));
	table_cell(table, "%s%s", state != NULL ? state : "?",
	    !answer->fits && !charge->is_binding ? "; only observed" : "");
}

/* Blocks are charges too. */
static size_t
limits_looked_at(const struct message *message)
{
	size_t count = 0;

	for (size_t i = 0; i < message->charge_count; i++)
		count += message->charges[i].limit->count != LIMIT_BLOCKS;
	return count;
}

static bool
tell_limits(const struct explanation *explanation, struct arena *arena)
{
	const struct message *message = &explanation->session->message;
	struct table table;

	if (!message->class->limits) {
		print_line(stdout, "limits", "off in this class");
	} else if (limits_looked_at(message) > 0) {
		print_line(stdout, "limits", "%zu looked at",
		    limits_looked_at(message));
	} else if (explanation->verdict.reason == REASON_STORE_AWAY) {
		print_line(stdout, "limits", "the store can't be asked: %s",
		    explanation->verdict.detail);
	} else if (verdict_leaves(&explanation->verdict)) {
		print_line(stdout, "limits", "none applies");
	} else {
		print_line(stdout, "limits",
		    "not looked at: the message is refused before");
	}
	table_init(&table, arena, "llrrrlll");
	table.indent = "    ";
	for (size_t i = 0; i < message->charge_count; i++)
		if (message->charges[i].limit->count != LIMIT_BLOCKS)
			add_limit(&table, message, i);
	return table_print(&table, stdout);
}

static void
tell_signatures(const struct explanation *explanation)
{
	const struct message *message = &explanation->session->message;

	if (message->signature_count == 0) {
		print_line(stdout, "DKIM", "not signed: %s",
		    message->signing_note != NULL ? message->signing_note
						  : "the message is refused");
		return;
	}
	for (size_t i = 0; i < message->signature_count; i++) {
		const struct key *key = message->signature_keys[i];

		print_line(stdout, "DKIM", "signed by %s, selector %s (%s)",
		    key->domain, key->selector,
		    key->algorithm == KEY_RSA_SHA256 ? "rsa-sha256"
						     : "ed25519-sha256");
	}
	if (message->left_out != NULL)
		print_line(stdout, "DKIM", "left out: %s", message->left_out);
}

static bool
tell_preflight(const struct explanation *explanation, struct arena *arena)
{
	const struct message *message = &explanation->session->message;
	const struct preflight_story story = { .evidence = &message->evidence,
		.judgement = message->preflight,
		.is_used = message->class->preflight_conf.profiles };

	if (message->preflight != NULL) {
		if (!preflight_text(&story, arena, stdout))
			return false;
		if (explanation->opinion != NULL)
			opinion_text(explanation->opinion, stdout);
		return true;
	}
	print_line(stdout, "preflight", "not looked at: %s",
	    message->preflight_note != NULL ? message->preflight_note
					    : "the message is refused before");
	return true;
}

/* What decided, or would have if it weren't only observed. */
static void
tell_reason(const struct verdict *verdict)
{
	bool is_observed = verdict->action == ACTION_ACCEPT;

	if (verdict->reason == REASON_NONE) {
		if (verdict->detail != NULL)
			print_line(stdout, "note", "%s", verdict->detail);
		return;
	}
	print_line(stdout, is_observed ? "observed" : "reason",
	    "%s%s%s%s%s%s%s", verdict_reason_name(verdict->reason),
	    verdict->limit != NULL ? " " : "",
	    verdict->limit != NULL ? verdict->limit->name : "",
	    verdict->subject != NULL ? ", " : "",
	    verdict->subject != NULL ? verdict->subject : "",
	    verdict->detail != NULL ? ": " : "",
	    verdict->detail != NULL ? verdict->detail : "");
	if (verdict->would > verdict->action
	    && verdict->would != ACTION_OBSERVE)
		print_line(stdout, " ", "enforced, that would be: %s",
		    verdict_action_name(verdict->would));
}

static void
tell_verdict(const struct explanation *explanation)
{
	const struct message *message = &explanation->session->message;
	const struct verdict *verdict = &explanation->verdict;
	static const char *const words[] = {
		[ACTION_ACCEPT] = "accepted: it leaves",
		[ACTION_OBSERVE] = "accepted: it leaves",
		[ACTION_HOLD] = "held in the queue, for a person to look at",
		[ACTION_TEMPFAIL] = "refused for now (tempfail)",
		[ACTION_REJECT] = "refused (reject)",
	};

	print_line(stdout, "verdict", "%s%s", words[verdict->action],
	    verdict_leaves(verdict)       ? ""
		: explanation->is_at_mail ? ", at MAIL"
					  : ", at the end of the message");
	tell_reason(verdict);
	if (!verdict_leaves(verdict))
		tell_reply(message, "reply", verdict);
}

static bool
tell_message(const struct explanation *explanation, struct arena *arena)
{
	struct session *session = explanation->session;

	if (!tell_envelope(explanation))
		return false;
	if (explanation->is_at_mail)
		return true;
	tell_recipients(explanation);
	if (!tell_authors(explanation) || !tell_limits(explanation, arena))
		return false;
	if (session->message.traffic_class == CLASS_INBOUND)
		return true;
	tell_signatures(explanation);
	return tell_preflight(explanation, arena);
}

bool
explain_text(const struct explanation *explanation)
{
	const struct message *message = &explanation->session->message;
	bool is_told = true;
	struct arena arena;

	arena_init(&arena, ARENA_BYTES);
	tell_class(explanation);
	tell_connection(explanation);
	tell_account(message);
	if (message->traffic_class != CLASS_INBOUND)
		is_told = tell_message(explanation, &arena);
	if (is_told)
		tell_verdict(explanation);
	arena_clear(&arena);
	return is_told;
}
