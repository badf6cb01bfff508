#include "milter/report.h"

#include "policy/text.h"

static void
add_authors(struct log_line *line, const struct message_facts *facts)
{
	const struct from_field *from = &facts->from;
	char space[512];
	struct text text;

	if (from->count == 0)
		return;
	text_init(&text, space, sizeof(space));
	for (size_t i = 0; i < from->count; i++) {
		text_add(&text, i > 0 ? "," : "");
		text_add(&text, from->mailboxes[i].text);
	}
	log_line_text(line, "author", space);
}

/* "a.example/s1,a.example/s2", or "none" and why. */
static void
add_signatures(struct log_line *line, const struct message *message,
    const struct verdict *verdict)
{
	char space[512];
	struct text text;

	if (message->traffic_class == CLASS_INBOUND || !verdict_leaves(verdict))
		return;
	text_init(&text, space, sizeof(space));
	for (size_t i = 0; i < message->signature_count; i++)
		text_addf(&text, "%s%s/%s", i > 0 ? "," : "",
		    message->signature_keys[i]->domain,
		    message->signature_keys[i]->selector);
	log_line_text(
	    line, "dkim", message->signature_count > 0 ? space : "none");
	if (message->signature_count == 0)
		log_line_text(line, "unsigned", message->signing_note);
	log_line_text(line, "left_out", message->left_out);
	if (message->self_check != NULL)
		log_line_text(line, "self_check", message->self_check);
}

/* What each profile says, where they differ: "rfc9989:pass,rfc7489:...". */
static void
add_profiles(struct log_line *line, const struct message *message)
{
	const struct preflight_judgement *found = message->preflight;
	const bool *is_used = message->class->preflight_conf.profiles;
	bool differs = false;
	char space[256];
	struct text text;

	text_init(&text, space, sizeof(space));
	for (size_t i = 0; i < PREFLIGHT_PROFILES; i++) {
		enum preflight_profile profile = (enum preflight_profile)i;

		if (!is_used[i])
			continue;
		differs |= found->by[i] != found->result;
		text_addf(&text, "%s%s:%s", text.length > 0 ? "," : "",
		    preflight_profile_name(profile),
		    preflight_result_name(found->by[i]));
	}
	if (differs)
		log_line_text(line, "profiles", space);
}

/* A DMARC record that is there but can't be used: somebody meant it. */
static bool
has_ignored_record(const struct preflight_judgement *found)
{
	for (size_t i = 0; i < found->reason_count; i++)
		if (found->reasons[i].kind == PREFLIGHT_DMARC_IGNORED)
			return true;
	return false;
}

/* What a receiver will see. */
static void
add_preflight(struct log_line *line, const struct message *message,
    const struct verdict *verdict)
{
	const struct preflight_judgement *found = message->preflight;

	if (found == NULL)
		return;
	if (found->spf != NULL)
		log_line_text(line, "spf", spf_result_name(found->spf_result));
	log_line_text(line, "dmarc", preflight_result_name(found->result));
	add_profiles(line, message);
	/* The verdict has them in detail, if they are what it is about. */
	if ((found->result >= PREFLIGHT_FAIL_NONE || has_ignored_record(found))
	    && verdict->detail != message->findings)
		log_line_text(line, "findings", message->findings);
}

static void
add_verdict(struct log_line *line, const struct verdict *verdict)
{
	log_line_text(line, "action", verdict_action_name(verdict->action));
	if (verdict->would != verdict->action)
		log_line_text(
		    line, "would", verdict_action_name(verdict->would));
	if (verdict->reason != REASON_NONE)
		log_line_text(
		    line, "reason", verdict_reason_name(verdict->reason));
	log_line_text(line, "subject", verdict->subject);
	log_line_text(line, "detail", verdict->detail);
	if (verdict->limit != NULL)
		log_line_text(line, "limit", verdict->limit->name);
	if (verdict->retry_after_ms > 0)
		log_line_number(line, "retry_after",
		    (verdict->retry_after_ms + 999) / 1000);
}

static void
write_line(struct session *session, const struct verdict *verdict)
{
	struct message *message = &session->message;
	const struct message_facts *facts = &message->facts;
	struct log_line *line =
	    log_line_begin(session->services->log, LOG_LEVEL_INFO);

	log_line_text(line, "event", "message");
	log_line_text(line, "id", facts->id);
	log_line_text(line, "queue_id", facts->queue_id);
	log_line_text(line, "class", facts_class_name(message->traffic_class));
	log_line_text(line, "account", message->account.name);
	log_line_text(
	    line, "source", account_source_name(message->account.source));
	log_line_text(line, "client",
	    network_text(&message->arena, &facts->connection->client));
	log_line_text(line, "from", facts->envelope_sender);
	add_authors(line, facts);
	log_line_number(line, "rcpts", facts->recipient_count);
	if (message->refused_recipients > 0)
		log_line_number(
		    line, "rcpts_refused", message->refused_recipients);
	log_line_number(line, "size", facts->size_bytes);
	add_verdict(line, verdict);
	if (message->map_fault != verdict->detail)
		log_line_text(line, "map_fault", message->map_fault);
	add_signatures(line, message, verdict);
	add_preflight(line, message, verdict);
	log_line_number(line, "us", message->work_us);
	log_line_end(&line);
}

static void
count(struct session *session, const struct verdict *verdict, bool is_at_mail)
{
	struct metrics *metrics = session->services->metrics;
	const struct message *message = &session->message;

	atomic_fetch_add(
	    &metrics->messages[message->traffic_class][verdict->action], 1);
	if (verdict->would > verdict->action)
		atomic_fetch_add(&metrics->observed, 1);
	if (is_at_mail)
		atomic_fetch_add(&metrics->refused_at_mail, 1);
	if (message->preflight != NULL)
		atomic_fetch_add(
		    &metrics->preflights[message->preflight->result], 1);
	if (!verdict_leaves(verdict) || message->traffic_class == CLASS_INBOUND)
		return;
	if (message->signature_count > 0)
		atomic_fetch_add(
		    &metrics->signatures, message->signature_count);
	else
		atomic_fetch_add(&metrics->unsigned_messages, 1);
}

void
report_message(
    struct session *session, const struct verdict *verdict, bool is_at_mail)
{
	if (!session->has_message || session->services->is_dry)
		return;
	write_line(session, verdict);
	count(session, verdict, is_at_mail);
}
