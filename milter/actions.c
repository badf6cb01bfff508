#include "milter/actions.h"

#include "milter/judge.h"
#include "policy/reply.h"
#include "policy/text.h"

#include <string.h>

/* libmilter formats the text once more, so that a percent sign is doubled;
 * Postfix before mid-2026 has flaws in handling long or multi-line replies:
 * one short line it is. */
static void
double_percent(const char *words, struct text *text)
{
	for (; *words != '\0'; words++)
		text_add_clean(text, *words == '%' ? "%%" : words,
		    *words == '%' ? 2 : 1, false);
}

static sfsistat
refuse(
    SMFICTX *ctx, const struct session *session, const struct verdict *verdict)
{
	const struct message *message = &session->message;
	struct reply_facts facts = { NULL, NULL };
	char space[2 * REPLY_TEXT_BYTES];
	struct reply reply;
	struct text text;

	if (session->has_message) {
		facts.account = message->account.name;
		facts.id = message->facts.id;
	}
	reply_build(verdict, &facts, &reply);
	text_init(&text, space, sizeof(space));
	double_percent(reply.words, &text);
	/* Where this fails the MTA says 451 or 550 with words of its own. */
	(void)smfi_setreply(ctx, reply.code, reply.status, space);
	return verdict->action == ACTION_REJECT ? SMFIS_REJECT : SMFIS_TEMPFAIL;
}

sfsistat
actions_answer(
    SMFICTX *ctx, const struct session *session, const struct verdict *verdict)
{
	if (verdict_leaves(verdict))
		return SMFIS_CONTINUE;
	return refuse(ctx, session, verdict);
}

/* At index 0 a field comes above the Received field that the MTA adds. An MTA
 * that strips leading spaces also adds one. */
static bool
insert_signatures(SMFICTX *ctx, struct session *session)
{
	struct message *message = &session->message;
	size_t skipped = session->adds_leading_space ? 1 : 0;
	char name[] = "DKIM-Signature";

	for (size_t i = 0; i < message->signature_count; i++) {
		char *value = arena_strdup(
		    &message->arena, message->signatures[i] + skipped);

		if (value == NULL
		    || smfi_insheader(ctx, 0, name, value) != MI_SUCCESS)
			return false;
	}
	return true;
}

/* Results that somebody else made in our name. */
static bool
remove_results(SMFICTX *ctx, const struct message *message)
{
	char name[] = "Authentication-Results";

	for (const struct forged_result *one = message->forged_results;
	     one != NULL; one = one->next)
		if (smfi_chgheader(ctx, name, one->place, NULL) != MI_SUCCESS)
			return false;
	return true;
}

/* What came in identity_header is for us alone, and a forged one for nobody.
 * From the last to the first: each removal moves those behind it up. */
static bool
remove_identity(SMFICTX *ctx, struct session *session)
{
	struct message *message = &session->message;
	char *name = arena_strdup(
	    &message->arena, message->snapshot->conf->identity_header);

	if (message->facts.identity_count == 0)
		return true;
	if (name == NULL || !session->can_change_fields)
		return false;
	for (size_t i = message->facts.identity_count; i > 0; i--)
		if (smfi_chgheader(ctx, name, (int)i, NULL) != MI_SUCCESS)
			return false;
	return true;
}

/* Tell the relay behind us whose mail it is. */
static bool
insert_identity(SMFICTX *ctx, struct session *session)
{
	struct message *message = &session->message;
	const struct conf *conf = message->snapshot->conf;
	const char *lead = session->adds_leading_space ? "" : " ";
	const char *value;
	char *field;
	char *name;

	if (!conf->hands_on || message->traffic_class == CLASS_INBOUND)
		return true;
	value = account_identity_value(&message->account, &message->arena);
	name = arena_strdup(&message->arena, conf->identity_header);
	field = value != NULL
	    ? arena_printf(&message->arena, "%s%s", lead, value)
	    : NULL;
	return name != NULL && field != NULL
	    && smfi_insheader(ctx, 0, name, field) == MI_SUCCESS;
}

static bool
hold(SMFICTX *ctx, const struct session *session, const struct verdict *verdict)
{
	char space[256];
	struct text text;

	text_init(&text, space, sizeof(space));
	text_addf(&text, "postern: %s", verdict_reason_name(verdict->reason));
	if (verdict->limit != NULL)
		text_addf(&text, " %s", verdict->limit->name);
	text_addf(&text, " (%s)", session->message.facts.id);
	return session->can_hold && smfi_quarantine(ctx, space) == MI_SUCCESS;
}

sfsistat
actions_perform(SMFICTX *ctx, struct session *session, struct verdict *verdict)
{
	struct message *message = &session->message;

	if (!session->has_message)
		return SMFIS_ACCEPT;
	if (!verdict_leaves(verdict))
		return refuse(ctx, session, verdict);
	if (remove_results(ctx, message) && remove_identity(ctx, session)
	    && insert_identity(ctx, session) && insert_signatures(ctx, session)
	    && (verdict->action != ACTION_HOLD || hold(ctx, session, verdict)))
		return SMFIS_ACCEPT;
	verdict->detail =
	    "the MTA took no change of a header field, or no hold";
	message->signature_count = 0;
	if (message->traffic_class == CLASS_LOCAL) {
		/* Never a 4xx: Postfix would try the file for ever. */
		verdict->action = ACTION_ACCEPT;
		return SMFIS_ACCEPT;
	}
	judge_take_back(session);
	verdict->action = ACTION_TEMPFAIL;
	return refuse(ctx, session, verdict);
}
