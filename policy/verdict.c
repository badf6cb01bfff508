#include "policy/verdict.h"

#include <assert.h>
#include <stddef.h>

struct verdict
verdict_accept(void)
{
	return (
	    struct verdict){ .action = ACTION_ACCEPT, .would = ACTION_ACCEPT };
}

struct verdict
verdict_make(
    enum action action, enum mode mode, enum reason reason, const char *subject)
{
	struct verdict verdict = { .action = action,
		.would = action,
		.reason = reason,
		.subject = subject };

	if (action == ACTION_OBSERVE)
		verdict.would = ACTION_REJECT;
	if (mode == MODE_OBSERVE || action == ACTION_OBSERVE)
		verdict.action = ACTION_ACCEPT;
	if (action == ACTION_ACCEPT)
		verdict = verdict_accept();
	return verdict;
}

static bool
says_something(const struct verdict *verdict)
{
	return verdict->reason != REASON_NONE || verdict->detail != NULL;
}

struct verdict
verdict_worse(struct verdict first, struct verdict second)
{
	if (second.action != first.action)
		return second.action > first.action ? second : first;
	if (second.would != first.would)
		return second.would > first.would ? second : first;
	return says_something(&first) ? first : second;
}

bool
verdict_blames_sender(const struct verdict *verdict)
{
	switch (verdict->reason) {
	case REASON_TOO_MANY_RECIPIENTS:
	case REASON_LIMIT:
	case REASON_COST:
	case REASON_BLOCKED:
	case REASON_HOLD_MAX:
	case REASON_BAD_FROM:
	case REASON_ENVELOPE_MISMATCH:
	case REASON_FROM_MISMATCH:
	case REASON_UNALIGNED:
	case REASON_NO_DMARC:
	case REASON_NO_AUTHOR:
	case REASON_HEADERS_TOO_LARGE:
		return true;
	default:
		return false;
	}
}

bool
verdict_leaves(const struct verdict *verdict)
{
	return verdict->action < ACTION_TEMPFAIL;
}

struct verdict
verdict_local(struct verdict verdict, bool may_bounce)
{
	if (verdict.action == ACTION_TEMPFAIL)
		verdict.action = ACTION_HOLD;
	if (verdict.would == ACTION_TEMPFAIL)
		verdict.would = ACTION_HOLD;
	if (!may_bounce) {
		if (verdict.action == ACTION_REJECT)
			verdict.action = ACTION_HOLD;
		if (verdict.would == ACTION_REJECT)
			verdict.would = ACTION_HOLD;
	}
	return verdict;
}

const char *
verdict_action_name(enum action action)
{
	static const char *const names[] = {
		[ACTION_ACCEPT] = "accept",
		[ACTION_OBSERVE] = "observe",
		[ACTION_HOLD] = "hold",
		[ACTION_TEMPFAIL] = "tempfail",
		[ACTION_REJECT] = "reject",
	};

	return names[action];
}

const char *
verdict_reason_name(enum reason reason)
{
	static const char *const names[REASON_COUNT] = {
		[REASON_NONE] = "none",
		[REASON_AUTH_REQUIRED] = "auth_required",
		[REASON_TLS_REQUIRED] = "tls_required",
		[REASON_TOO_MANY_RECIPIENTS] = "too_many_recipients",
		[REASON_ACCOUNT_NAME] = "account_name",
		[REASON_LIMIT] = "limit",
		[REASON_COST] = "cost",
		[REASON_BLOCKED] = "blocked",
		[REASON_HOLD_MAX] = "hold_max",
		[REASON_BAD_FROM] = "bad_from",
		[REASON_ENVELOPE_MISMATCH] = "envelope_mismatch",
		[REASON_FROM_MISMATCH] = "from_mismatch",
		[REASON_MISSING_KEY] = "missing_key",
		[REASON_KEY_ERROR] = "key_error",
		[REASON_UNALIGNED] = "unaligned",
		[REASON_NO_DMARC] = "no_dmarc",
		[REASON_DNS] = "dns",
		[REASON_NO_AUTHOR] = "no_author",
		[REASON_STORE_AWAY] = "store_away",
		[REASON_MAP_AWAY] = "map_away",
		[REASON_BUSY] = "busy",
		[REASON_STOPPING] = "stopping",
		[REASON_HEADERS_TOO_LARGE] = "headers_too_large",
		[REASON_MEMORY] = "memory",
	};

	assert(reason < REASON_COUNT);
	return names[reason];
}
