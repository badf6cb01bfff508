#include "policy/preflight_phrases.h"

#include "policy/dns.h"
#include "policy/text.h"

#include <string.h>

static const char *
clean(struct preflight_phrases *phrases, const char *string, size_t length,
    size_t most)
{
	char space[PREFLIGHT_WORDS_OCTETS + 1];
	struct text text;

	text_init(&text, space, most + 1);
	text_add_clean(&text, string, length, false);
	return arena_copy(phrases->arena, space, text.length);
}

static bool
is_there(const struct preflight_phrases *phrases,
    const struct preflight_reason *reason)
{
	for (size_t i = 0; i < phrases->count; i++)
		if (phrases->reasons[i].kind == reason->kind
		    && strcmp(phrases->reasons[i].words, reason->words) == 0)
			return true;
	return false;
}

void
preflight_phrases_add(struct preflight_phrases *phrases,
    const struct preflight_reason *reason, const char *subject)
{
	struct preflight_reason added = *reason;

	if (added.words != NULL)
		added.words = clean(phrases, added.words, strlen(added.words),
		    PREFLIGHT_WORDS_OCTETS);
	if (added.words == NULL) {
		phrases->is_short_of_memory = true;
		return;
	}
	if (phrases->count == PREFLIGHT_REASONS || is_there(phrases, &added))
		return;
	phrases->reasons[phrases->count++] = added;
	phrases->subject = subject;
}

const char *
preflight_phrases_quote(struct preflight_phrases *phrases, const char *text)
{
	const char *quote;
	size_t length;

	if (text == NULL)
		text = "no reason given";
	/* Phrases don't end with a stop. */
	length = strlen(text);
	while (
	    length > 0 && (text[length - 1] == '.' || text[length - 1] == ' '))
		length--;
	quote = clean(phrases, text, length, PREFLIGHT_QUOTE_OCTETS);
	phrases->is_short_of_memory |= quote == NULL;
	return quote != NULL ? quote : "";
}

enum dmarc_alignment
preflight_phrases_alignment(
    const enum dmarc_alignment alignment[DMARC_IDENTIFIERS], size_t identifier)
{
	return identifier < DMARC_IDENTIFIERS ? alignment[identifier]
					      : DMARC_NOT_ALIGNED;
}

const char *
preflight_phrases_strict(struct preflight_phrases *phrases, const char *domain,
    bool is_strict, const char *tag)
{
	const char *org = phrases->finding->org_domain;
	const char *words;

	if (!is_strict || org == NULL || !dns_is_within(domain, org))
		return "";
	words = arena_printf(phrases->arena, " (%s)", tag);
	phrases->is_short_of_memory |= words == NULL;
	return words != NULL ? words : "";
}
