#include "policy/reply.h"

#include "policy/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	VALUE_OCTETS = 120,   /* of one value in a reply */
	FINDINGS_OCTETS = 340 /* of what preflight found, in whole phrases */
};

/* What a reason says to the client. A tempfail of a reason whose natural
 * answer is 5xx has the code of the row below with that action. */
struct form {
	const char *code;
	const char *status;
	const char *words;
};

static const struct form tempfail_forms[REASON_COUNT] = {
	[REASON_TOO_MANY_RECIPIENTS] = { "452", "4.5.3",
	    "Too many recipients: at most %{detail} in one message here" },
	[REASON_LIMIT] = { "450", "4.7.1",
	    "%{subject} has reached the limit \"%{limit}\" of %{max} %{count} "
	    "in %{per}; try again in %{retry_after} (%{id})" },
	[REASON_BAD_FROM] = { "450", "4.7.1",
	    "From field: %{detail}; it takes one address (%{id})" },
	[REASON_ENVELOPE_MISMATCH] = { "450", "4.7.1",
	    "%{account} may not send as <%{subject}> (%{id})" },
	[REASON_FROM_MISMATCH] = { "450", "4.7.1",
	    "%{account} may not use <%{subject}> in From (%{id})" },
	[REASON_MISSING_KEY] = { "450", "4.7.1",
	    "No DKIM key for %{subject} here; ask the postmaster (%{id})" },
	[REASON_KEY_ERROR] = { "451", "4.7.1",
	    "Mail of %{subject} can't be signed now; try again later "
	    "(%{id})" },
	[REASON_UNALIGNED] = { "450", "4.7.26", "%{findings} (%{id})" },
	[REASON_NO_DMARC] = { "450", "4.7.26", "%{findings} (%{id})" },
	[REASON_NO_AUTHOR] = { "450", "4.7.1",
	    "From can't be checked: %{findings} (%{id})" },
	[REASON_DNS] = { "451", "4.7.1",
	    "%{findings}; try again later (%{id})" },
	[REASON_STORE_AWAY] = { "451", "4.7.1",
	    "Sending limits can't be checked now; try again later (%{id})" },
	[REASON_MAP_AWAY] = { "451", "4.7.1",
	    "What this account may send can't be looked up now; try again "
	    "later (%{id})" },
	[REASON_BUSY] = { "451", "4.3.2",
	    "Too many messages at once; try again later (%{id})" },
	[REASON_STOPPING] = { "451", "4.3.2",
	    "Service restarts; try again later" },
	[REASON_HEADERS_TOO_LARGE] = { "451", "4.7.1",
	    "The header is too large to be signed (%{id})" },
	[REASON_MEMORY] = { "451", "4.3.0", "Out of memory; try again later" },
};

static const struct form reject_forms[REASON_COUNT] = {
	[REASON_AUTH_REQUIRED] = { "530", "5.7.0", "Authentication required" },
	[REASON_TLS_REQUIRED] = { "530", "5.7.0",
	    "Must issue a STARTTLS command first" },
	[REASON_ACCOUNT_NAME] = { "550", "5.7.1",
	    "The account's name is longer than %{detail} octets" },
	[REASON_LIMIT] = { "550", "5.7.1",
	    "%{subject} has reached the limit \"%{limit}\" of %{max} %{count} "
	    "in %{per}; there is room again in %{retry_after} (%{id})" },
	[REASON_COST] = { "550", "5.7.1",
	    "This message alone is above the limit \"%{limit}\" of %{max} "
	    "%{count} in %{per} for %{subject} (%{id})" },
	[REASON_BLOCKED] = { "550", "5.7.1",
	    "%{subject} is blocked here: %{detail}; ask the postmaster "
	    "(%{id})" },
	[REASON_HOLD_MAX] = { "550", "5.7.1",
	    "%{account} is over its limits and has too many messages held "
	    "(%{id})" },
	[REASON_BAD_FROM] = { "550", "5.7.1",
	    "From field: %{detail}; it takes one address (%{id})" },
	[REASON_ENVELOPE_MISMATCH] = { "550", "5.7.1",
	    "%{account} may not send as <%{subject}> (%{id})" },
	[REASON_FROM_MISMATCH] = { "550", "5.7.1",
	    "%{account} may not use <%{subject}> in From (%{id})" },
	[REASON_MISSING_KEY] = { "550", "5.7.1",
	    "No DKIM key for %{subject} here; ask the postmaster (%{id})" },
	[REASON_KEY_ERROR] = { "550", "5.7.1",
	    "Mail of %{subject} can't be signed here; ask the postmaster "
	    "(%{id})" },
	[REASON_UNALIGNED] = { "550", "5.7.26", "%{findings} (%{id})" },
	[REASON_NO_DMARC] = { "550", "5.7.26", "%{findings} (%{id})" },
	[REASON_NO_AUTHOR] = { "550", "5.7.1",
	    "From can't be checked: %{findings} (%{id})" },
	[REASON_DNS] = { "550", "5.7.1", "%{findings} (%{id})" },
	[REASON_HEADERS_TOO_LARGE] = { "550", "5.7.1",
	    "The header is too large to be signed (%{id})" },
};

/* The administrator need not say why. */
static const struct form blocked_silently = { "550", "5.7.1",
	"%{subject} is blocked here; ask the postmaster (%{id})" };

static const struct form other_tempfail = { "450", "4.7.1",
	"Not now: %{reason}; try again later (%{id})" };
static const struct form other_reject = { "550", "5.7.1",
	"Not allowed: %{reason} (%{id})" };

static const char *const names[] = { "account", "limit", "max", "count", "per",
	"retry_after", "domain", "reason", "id", "subject" };

/* Rather a long name is cut than what the sentence has to say of it. */
static void
add_outside(struct text *text, const char *value)
{
	size_t length = value != NULL ? strlen(value) : 0;
	bool is_long = length > VALUE_OCTETS;

	/* SMTP replies are ASCII unless SMTPUTF8 was asked for. */
	if (value != NULL)
		text_add_clean(
		    text, value, is_long ? VALUE_OCTETS : length, false);
	if (is_long)
		text_add(text, "...");
}

/* What stands after the last '@', or all of it. */
static const char *
domain_of(const char *subject)
{
	const char *at = subject != NULL ? strrchr(subject, '@') : NULL;

	return at != NULL ? at + 1 : subject;
}

static void
add_value(struct text *text, const char *name, const struct verdict *verdict,
    const struct reply_facts *facts)
{
	const struct limit *limit = verdict->limit;

	if (strcmp(name, "account") == 0)
		add_outside(text,
		    facts->account != NULL ? facts->account : "this account");
	else if (strcmp(name, "subject") == 0)
		add_outside(
		    text, verdict->subject != NULL ? verdict->subject : "it");
	else if (strcmp(name, "domain") == 0)
		add_outside(text, domain_of(verdict->subject));
	else if (strcmp(name, "detail") == 0)
		add_outside(text, verdict->detail);
	else if (strcmp(name, "findings") == 0 && verdict->detail != NULL)
		text_add_clean(text, verdict->detail,
		    strnlen(verdict->detail, FINDINGS_OCTETS), false);
	else if (strcmp(name, "id") == 0)
		add_outside(text, facts->id != NULL ? facts->id : "-");
	else if (strcmp(name, "reason") == 0)
		text_add(text, verdict_reason_name(verdict->reason));
	else if (strcmp(name, "retry_after") == 0)
		text_add_duration(text, verdict->retry_after_ms);
	else if (limit == NULL)
		text_add(text, "-");
	else if (strcmp(name, "limit") == 0)
		add_outside(text, limit->name);
	else if (strcmp(name, "max") == 0)
		text_addf(text, "%" PRIu64, verdict->max);
	else if (strcmp(name, "count") == 0)
		text_add(text, limits_count_name(limit->count));
	else if (strcmp(name, "per") == 0)
		text_add_duration(text, limit->per_ms);
}

/* The name within "%{name}" at place, copied to name; NULL if there is none
 * well-formed. Returns what follows the brace. */
static const char *
read_name(const char *place, char *name, size_t size)
{
	const char *end = strchr(place, '}');
	size_t length;

	if (place[1] != '{' || end == NULL)
		return NULL;
	length = (size_t)(end - place) - 2;
	if (length >= size)
		return NULL;
	memcpy(name, place + 2, length);
	name[length] = '\0';
	return end + 1;
}

static void
fill(struct text *text, const char *template, const struct verdict *verdict,
    const struct reply_facts *facts)
{
	char name[16];
	const char *rest;

	while (*template != '\0' && !text->is_cut) {
		const char *percent = strchr(template, '%');

		if (percent == NULL) {
			text_add(text, template);
			return;
		}
		text_add_clean(
		    text, template, (size_t)(percent - template), false);
		rest = read_name(percent, name, sizeof(name));
		if (rest != NULL) {
			add_value(text, name, verdict, facts);
			template = rest;
		} else {
			text_add(text, "%");
			template = percent + (percent[1] == '%' ? 2 : 1);
		}
	}
}

static const struct form *
form_of(const struct verdict *verdict)
{
	bool is_reject = verdict->action == ACTION_REJECT;
	const struct form *form = is_reject ? &reject_forms[verdict->reason]
					    : &tempfail_forms[verdict->reason];

	if (form->code == NULL)
		return is_reject ? &other_reject : &other_tempfail;
	if (verdict->reason == REASON_BLOCKED
	    && (verdict->detail == NULL || *verdict->detail == '\0'))
		return &blocked_silently;
	return form;
}

void
reply_build(const struct verdict *verdict, const struct reply_facts *facts,
    struct reply *reply_out)
{
	const struct form *form = form_of(verdict);
	const char *template = form->words;
	struct text text;

	if (verdict->limit != NULL && verdict->limit->reply != NULL)
		template = verdict->limit->reply;
	snprintf(reply_out->code, sizeof(reply_out->code), "%s", form->code);
	snprintf(
	    reply_out->status, sizeof(reply_out->status), "%s", form->status);
	text_init(&text, reply_out->words, sizeof(reply_out->words));
	fill(&text, template, verdict, facts);
}

static bool
is_known(const char *name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

bool
reply_check_template(const char *template, struct fault *fault)
{
	char name[16];

	for (const char *place = template; *place != '\0'; place++) {
		if (*place < ' ' || *place > '~') {
			fault_set(fault, FAULT_PERMANENT,
			    "a reply is one line of printable ASCII");
			return false;
		}
		if (*place != '%')
			continue;
		if (place[1] == '%') {
			place++;
			continue;
		}
		if (read_name(place, name, sizeof(name)) == NULL
		    || !is_known(name)) {
			fault_set(fault, FAULT_PERMANENT,
			    "\"%.20s\" is no name of a reply: %%{account}, "
			    "%%{limit}, %%{max}, %%{count}, %%{per}, "
			    "%%{retry_after}, %%{domain}, %%{subject}, "
			    "%%{reason}, %%{id}; a percent sign is %%%%",
			    place);
			return false;
		}
	}
	return true;
}
