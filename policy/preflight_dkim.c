#include "policy/preflight_dkim.h"

#include "policy/dns.h"
#include "policy/preflight_mend.h"

#include <string.h>

static enum dmarc_alignment
alignment_of(const struct preflight_phrases *phrases,
    const struct preflight_signature *signature)
{
	if (phrases->finding->status != DMARC_FOUND)
		return DMARC_UNSURE;
	return preflight_phrases_alignment(
	    phrases->finding->by_dkim, signature->identifier);
}

/* Would a signature of domain be aligned, as far as the names say? */
static bool
is_related(const struct preflight_phrases *phrases, const char *domain)
{
	const char *author = phrases->judgement->author;
	const char *org = phrases->finding->org_domain;

	return dns_is_within(domain, org != NULL ? org : author)
	    || dns_is_within(author, domain);
}

/* Without a record nothing is aligned, but then the names will do. */
static bool
is_good(const struct preflight_phrases *phrases,
    const struct preflight_signature *signature)
{
	enum dmarc_alignment alignment = alignment_of(phrases, signature);

	if (signature->state != PREFLIGHT_VERIFIES)
		return false;
	if (phrases->finding->status != DMARC_FOUND)
		return is_related(phrases, signature->domain);
	return alignment == DMARC_STRICTLY || alignment == DMARC_RELAXEDLY;
}

static bool
has_good(const struct preflight_phrases *phrases)
{
	const struct preflight_evidence *evidence = phrases->evidence;

	for (size_t i = 0; i < evidence->signature_count; i++)
		if (is_good(phrases, &evidence->signatures[i]))
			return true;
	return false;
}

static const char *
key_name(struct preflight_phrases *phrases,
    const struct preflight_signature *signature)
{
	if (signature->key != NULL && signature->key->name != NULL)
		return signature->key->name;
	return arena_printf(phrases->arena, "%s._domainkey.%s",
	    signature->selector != NULL ? signature->selector : "*",
	    signature->domain);
}

/* What is wrong with the key that is published, or isn't, in place of ours. */
static const char *
key_words(struct preflight_phrases *phrases, const char *name,
    const struct preflight_signature *signature)
{
	const struct dkim_key_finding *key = signature->key;

	switch (key != NULL ? key->state : DKIM_KEY_BAD) {
	case DKIM_KEY_MISSING:
		return arena_printf(phrases->arena,
		    key->has_other_text ? "%s has a TXT record, but no DKIM key"
					: "%s isn't published",
		    name);
	case DKIM_KEY_DIFFERENT:
		return arena_printf(phrases->arena, "%s has another key", name);
	case DKIM_KEY_REVOKED:
		return arena_printf(phrases->arena,
		    "the key at %s is revoked (p= is empty)", name);
	default: /* its words name it */
		if (key != NULL && key->words != NULL)
			return key->words;
		return arena_printf(phrases->arena, "%s can't be used", name);
	}
}

/* One of our own keys won't verify. */
static void
add_key(struct preflight_phrases *phrases,
    const struct preflight_signature *signature)
{
	const char *name = key_name(phrases, signature);
	struct preflight_reason reason = { .kind = PREFLIGHT_DKIM_KEY,
		.domain = signature->domain,
		.record = name };

	if (name == NULL) {
		phrases->is_short_of_memory = true;
		return;
	}
	reason.words = key_words(phrases, name, signature);
	reason.mend = preflight_mend_key(signature->wanted, phrases->arena);
	preflight_phrases_add(phrases, &reason, NULL);
}

/* A signature of ours, or one that is there, can't be told about now. */
static void
add_lost(struct preflight_phrases *phrases,
    const struct preflight_signature *signature)
{
	const char *name = key_name(phrases, signature);
	struct preflight_reason reason = { .kind = PREFLIGHT_DKIM_LOST,
		.domain = signature->domain,
		.record = name };

	if (name == NULL) {
		phrases->is_short_of_memory = true;
		return;
	}
	if (signature->key != NULL && signature->key->words != NULL)
		reason.words = signature->key->words;
	else if (signature->is_ours)
		reason.words =
		    arena_printf(phrases->arena, "%s can't be looked up", name);
	else
		reason.words = arena_printf(phrases->arena,
		    "the DKIM signature of %s couldn't be checked: %s",
		    signature->domain,
		    preflight_phrases_quote(phrases, signature->words));
	preflight_phrases_add(phrases, &reason, NULL);
}

static void
add_failing(struct preflight_phrases *phrases,
    const struct preflight_signature *signature)
{
	struct preflight_reason reason = {
		.kind = PREFLIGHT_DKIM_FAILS,
		.domain = signature->domain,
		.words = arena_printf(phrases->arena,
		    "the DKIM signature of %s doesn't verify: %s",
		    signature->domain,
		    preflight_phrases_quote(phrases, signature->words)),
	};

	preflight_phrases_add(phrases, &reason, NULL);
}

static void
add_not_aligned(struct preflight_phrases *phrases,
    const struct preflight_signature *signature)
{
	const struct preflight_evidence *evidence = phrases->evidence;
	const char *author = phrases->judgement->author;
	struct preflight_reason reason = {
		.kind = PREFLIGHT_DKIM_NOT_ALIGNED,
		.domain = signature->domain,
		.words = arena_printf(phrases->arena,
		    "the DKIM signature of %s isn't aligned with %s%s",
		    signature->domain, author,
		    preflight_phrases_strict(phrases, signature->domain,
			phrases->finding->record.is_dkim_strict, "adkim=s")),
	};

	/* Of a key that is missing, or isn't used, it was told what to do. */
	if (!evidence->is_unsigned && !evidence->has_idle_key)
		reason.mend = arena_printf(phrases->arena,
		    "sign with a key of %s: posternctl genkey %s", author,
		    author);
	preflight_phrases_add(phrases, &reason, author);
}

static void
add_unsure(struct preflight_phrases *phrases,
    const struct preflight_signature *signature)
{
	const char *author = phrases->judgement->author;
	struct preflight_reason reason = {
		.kind = PREFLIGHT_DMARC_LOST,
		.domain = signature->domain,
		.words = arena_printf(phrases->arena,
		    "whether %s is aligned with %s couldn't be looked up",
		    signature->domain, author),
	};

	preflight_phrases_add(phrases, &reason, author);
}

/* No signature of the author's domain is made here. */
static void
add_none(struct preflight_phrases *phrases)
{
	const char *author = phrases->judgement->author;
	struct preflight_reason reason = {
		.kind = PREFLIGHT_DKIM_NO_KEY,
		.domain = author,
	};

	if (phrases->evidence->is_unsigned) {
		reason.words = arena_printf(
		    phrases->arena, "no DKIM key of %s here", author);
		reason.mend = arena_printf(phrases->arena,
		    "make one and publish it: posternctl genkey %s", author);
	} else if (phrases->evidence->has_idle_key) {
		reason.kind = PREFLIGHT_DKIM_NONE;
		reason.words = arena_printf(phrases->arena,
		    "the DKIM key of %s isn't used for this message", author);
		reason.mend = arena_printf(phrases->arena,
		    "see that sign is on and that the account may use %s: "
		    "senders.map, senders.default_domain",
		    author);
	} else {
		reason.kind = PREFLIGHT_DKIM_NONE;
		reason.words = arena_printf(
		    phrases->arena, "no DKIM signature of %s", author);
	}
	preflight_phrases_add(phrases, &reason, author);
}

/* One of those that came with the message is enough: their number is up to
 * whoever wrote it, and what follows shall still find room in the reply. */
static bool
is_foreign_told(const struct preflight_phrases *phrases)
{
	for (size_t i = 0; i < phrases->count; i++)
		if (phrases->reasons[i].kind == PREFLIGHT_DKIM_NOT_ALIGNED)
			return true;
	return false;
}

/* Why this one isn't what was needed. */
static void
add_signature(struct preflight_phrases *phrases,
    const struct preflight_signature *signature)
{
	enum dmarc_alignment alignment = alignment_of(phrases, signature);
	bool has_record = phrases->finding->status == DMARC_FOUND;

	switch (signature->state) {
	case PREFLIGHT_UNKNOWN:
		if (alignment != DMARC_NOT_ALIGNED)
			add_lost(phrases, signature);
		break;
	case PREFLIGHT_FAILS:
		if (!signature->is_ours
		    && is_related(phrases, signature->domain))
			add_failing(phrases, signature);
		break;
	case PREFLIGHT_VERIFIES:
		if (has_record && alignment == DMARC_UNSURE)
			add_unsure(phrases, signature);
		else if (alignment == DMARC_NOT_ALIGNED
		    && (signature->is_ours || !is_foreign_told(phrases)))
			add_not_aligned(phrases, signature);
		break;
	}
}

void
preflight_dkim_reasons(struct preflight_phrases *phrases)
{
	const struct preflight_evidence *evidence = phrases->evidence;
	const struct preflight_signature *signatures = evidence->signatures;
	size_t before = phrases->count;

	for (size_t i = 0; i < evidence->signature_count; i++)
		if (signatures[i].is_ours
		    && signatures[i].state == PREFLIGHT_FAILS)
			add_key(phrases, &signatures[i]);
	if (has_good(phrases))
		return;
	if (evidence->is_unsigned || evidence->has_idle_key)
		add_none(phrases);
	for (size_t i = 0; i < evidence->signature_count; i++)
		add_signature(phrases, &signatures[i]);
	if (phrases->count == before)
		add_none(phrases);
}
