#include "milter/authorize.h"
#include "milter/ctl/explain.h"
#include "milter/ctl/opinion.h"
#include "milter/ctl/preflight.h"
#include "milter/ctl/print.h"
#include "policy/reply.h"

#include <json-c/json.h>

static const char *
sender_of(const struct message_facts *facts)
{
	if (facts->is_null_sender)
		return "";
	return facts->sender.text != NULL ? facts->sender.text
					  : facts->envelope_sender;
}

static void
add_connection(
    struct json_object *object, const struct explanation *explanation)
{
	struct message *message = &explanation->session->message;
	const struct connection_facts *facts = message->facts.connection;
	const struct listener_conf *listener = message->listener;

	print_json_add_text(
	    object, "class", facts_class_name(message->traffic_class));
	print_json_add_text(object, "mode",
	    message->class->mode == MODE_OBSERVE ? "observe" : "enforce");
	print_json_add_text(object, "account", message->account.name);
	print_json_add_text(
	    object, "source", account_source_name(message->account.source));
	print_json_add_text(object, "parent", message->account.parent);
	print_json_add_text(object, "plan", message->account.plan);
	print_json_add_text(object, "map_fault", message->map_fault);
	print_json_add_text(
	    object, "client", network_text(&message->arena, &facts->client));
	print_json_add_text(
	    object, "listener", listener != NULL ? listener->name : NULL);
	print_json_add_text(
	    object, "envelope_sender", sender_of(&message->facts));
	print_json_add_number(
	    object, "recipients", message->facts.recipient_count);
	print_json_add_number(
	    object, "recipients_refused", message->refused_recipients);
	print_json_add_number(object, "size", message->facts.size_bytes);
}

static void
add_owner(struct json_object *list, struct session *session,
    const struct mailbox *mailbox, const char *role)
{
	struct message *message = &session->message;
	struct json_object *one = json_object_new_object();
	struct sender_evidence evidence;

	print_json_add_text(one, "address", mailbox->text);
	print_json_add_text(one, "role", role);
	if (authorize_evidence(session, mailbox, &evidence)) {
		print_json_add_bool(one, "owned",
		    sender_owns(&message->class->senders.rules,
			&message->account, mailbox, &evidence));
		print_json_add_text(one, "logins", evidence.logins);
		print_json_add_bool(one, "has_key", evidence.has_key);
	}
	json_object_array_add(list, one);
}

static void
add_addresses(struct json_object *object, const struct explanation *explanation)
{
	struct session *session = explanation->session;
	const struct message_facts *facts = &session->message.facts;
	struct json_object *authors = json_object_new_array();
	struct json_object *owners = json_object_new_array();

	if (facts->sender.text != NULL)
		add_owner(owners, session, &facts->sender, "envelope");
	for (size_t i = 0; i < facts->from.count; i++) {
		json_object_array_add(
		    authors, print_json_text(facts->from.mailboxes[i].text));
		add_owner(owners, session, &facts->from.mailboxes[i], "from");
	}
	json_object_object_add(object, "authors", authors);
	json_object_object_add(object, "owners", owners);
}

static struct json_object *
limit_json(const struct message *message, size_t i)
{
	const struct charge *charge = &message->charges[i];
	const struct charge_answer *answer = &message->answers[i];
	uint64_t now_ms = message->receipt.now_ms;
	struct json_object *one = json_object_new_object();
	uint64_t wait_ms = 0;

	if (!answer->fits && answer->room_at_ms > now_ms)
		wait_ms = answer->room_at_ms - now_ms;
	print_json_add_text(one, "limit", charge->limit->name);
	print_json_add_text(one, "key", charge->key);
	print_json_add_text(
	    one, "count", limits_count_name(charge->limit->count));
	print_json_add_number(one, "used", answer->used);
	print_json_add_number(one, "cost", answer->cost);
	print_json_add_number(one, "max", answer->max);
	json_object_object_add(
	    one, "per", print_json_seconds(charge->limit->per_ms));
	print_json_add_bool(one, "fits", answer->fits);
	json_object_object_add(one, "room_in",
	    !answer->fits && answer->room_at_ms == UINT64_MAX
		? NULL
		: print_json_seconds(wait_ms));
	return one;
}

static void
add_limits(struct json_object *object, const struct message *message)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < message->charge_count; i++)
		if (message->charges[i].limit->count != LIMIT_BLOCKS)
			json_object_array_add(list, limit_json(message, i));
	json_object_object_add(object, "limits", list);
}

static void
add_signatures(struct json_object *object, const struct message *message)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < message->signature_count; i++) {
		const struct key *key = message->signature_keys[i];
		struct json_object *one = json_object_new_object();

		print_json_add_text(one, "domain", key->domain);
		print_json_add_text(one, "selector", key->selector);
		print_json_add_text(one, "algorithm",
		    key->algorithm == KEY_RSA_SHA256 ? "rsa-sha256"
						     : "ed25519-sha256");
		json_object_array_add(list, one);
	}
	json_object_object_add(object, "dkim", list);
	print_json_add_text(object, "unsigned", message->signing_note);
	print_json_add_text(object, "left_out", message->left_out);
}

/* "preflight": as `posternctl preflight --json` has it; null if it wasn't
 * looked at. */
static void
add_preflight(struct json_object *object, const struct explanation *explanation)
{
	const struct message *message = &explanation->session->message;
	const struct preflight_story story = { .evidence = &message->evidence,
		.judgement = message->preflight,
		.is_used = message->class->preflight_conf.profiles };
	struct json_object *one = NULL;

	if (message->preflight != NULL) {
		one = json_object_new_object();
		preflight_json(&story, one);
		if (explanation->opinion != NULL)
			opinion_json(explanation->opinion, one);
	}
	json_object_object_add(object, "preflight", one);
	print_json_add_text(object, "preflight_note", message->preflight_note);
}

static struct json_object *
reply_json(const struct message *message, const struct verdict *verdict)
{
	struct reply_facts facts = { .account = message->account.name,
		.id = message->facts.id };
	struct json_object *object;
	struct reply reply;

	if (verdict_leaves(verdict))
		return NULL;
	reply_build(verdict, &facts, &reply);
	object = json_object_new_object();
	print_json_add_text(object, "code", reply.code);
	print_json_add_text(object, "status", reply.status);
	print_json_add_text(object, "text", reply.words);
	return object;
}

void
explain_json(const struct explanation *explanation)
{
	const struct message *message = &explanation->session->message;
	const struct verdict *verdict = &explanation->verdict;
	struct json_object *object = json_object_new_object();

	add_connection(object, explanation);
	add_addresses(object, explanation);
	add_limits(object, message);
	add_signatures(object, message);
	add_preflight(object, explanation);
	print_json_add_text(
	    object, "stage", explanation->is_at_mail ? "mail" : "end");
	print_json_add_text(
	    object, "action", verdict_action_name(verdict->action));
	print_json_add_text(
	    object, "would", verdict_action_name(verdict->would));
	print_json_add_text(
	    object, "reason", verdict_reason_name(verdict->reason));
	print_json_add_text(object, "subject", verdict->subject);
	print_json_add_text(object, "detail", verdict->detail);
	print_json_add_text(object, "limit",
	    verdict->limit != NULL ? verdict->limit->name : NULL);
	json_object_object_add(object, "reply", reply_json(message, verdict));
	json_object_object_add(object, "recipient_reply",
	    reply_json(message, &explanation->recipient_verdict));
	print_json(object);
}
