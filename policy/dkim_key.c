#include "policy/dkim_key.h"

#include "policy/dkim_public.h"
#include "policy/taglist.h"
#include "policy/text.h"

#include <string.h>

enum { WORDS_OCTETS = 768 };

/* Tags of DKIM have case, and FWS may stand between all (RFC 6376 §3.2). */
static const struct taglist_rules rules = { " \t\r\n", true };

struct dkim_key {
	const struct dkim_key_wanted *wanted;
	struct arena *arena;
	struct dns_question question;
	bool is_done;
	struct dkim_key_finding finding;
};

/* One TXT record at the name, read. */
struct record {
	const struct dns_record *source;
	bool is_key;       /* or something else that stands there */
	const char *fault; /* phrase that follows "has "; NULL: none */
	enum dkim_key_type type;
	bool has_public;
	const char *public; /* p=, base64 */
	size_t public_length;
	bool is_testing, is_strict;
};

/* Does one of the words in the list, parted by colons, equal word? */
static bool
lists(const struct tag *tag, const char *word)
{
	const char *at = tag->value, *end = at + tag->value_length;
	size_t length = strlen(word);

	while (at < end) {
		const char *colon = memchr(at, ':', (size_t)(end - at));
		const char *last = colon != NULL ? colon : end;
		const char *next = colon != NULL ? colon + 1 : end;

		while (at < last && strchr(rules.blanks, *at) != NULL)
			at++;
		while (last > at && strchr(rules.blanks, last[-1]) != NULL)
			last--;
		if ((size_t)(last - at) == length
		    && memcmp(at, word, length) == 0)
			return true;
		at = next;
	}
	return false;
}

/* tag-value of §3.2: printable ASCII and blanks. */
static bool
is_text(const struct tag *tag)
{
	for (size_t i = 0; i < tag->value_length; i++) {
		char octet = tag->value[i];

		if ((octet < ' ' || octet > '~')
		    && (octet == '\0' || strchr(rules.blanks, octet) == NULL))
			return false;
	}
	return true;
}

static void
blame(struct record *record, const char *fault)
{
	if (record->fault == NULL)
		record->fault = fault;
}

/* §3.6.1: v= comes first, and is DKIM1. What only lacks the semicolon behind
 * it is a key record with a syntax error (§6.1.2), not something else. */
static void
read_version(
    struct record *record, const struct taglist *list, const struct tag *tag)
{
	static const char version[] = "DKIM1";
	const size_t length = sizeof(version) - 1;

	record->is_key = true;
	if (list->count > 1)
		blame(record, "a v= that doesn't stand first");
	else if (tag_says(tag, version, true))
		return;
	else if (tag->value_length > length
	    && memcmp(tag->value, version, length) == 0
	    && strchr(" \t\r\n,:", tag->value[length]) != NULL)
		blame(record, "no semicolon behind v=DKIM1");
	else
		record->is_key = false;
}

static void
read_type(struct record *record, const struct tag *tag)
{
	record->is_key = true;
	if (tag_says(tag, "ed25519", true))
		record->type = DKIM_KEY_ED25519;
	else if (!tag_says(tag, "rsa", true))
		blame(record, "a k= that is neither rsa nor ed25519");
}

/* §3.6.1; g= and n= are for people and the past, unknown tags for later. */
static void
read_tag(
    struct record *record, const struct taglist *list, const struct tag *tag)
{
	if (taglist_is(list, tag, "p")) {
		record->is_key = true;
		record->has_public = true;
		record->public = tag->value;
		record->public_length = tag->value_length;
	} else if (taglist_is(list, tag, "k")) {
		read_type(record, tag);
	} else if (taglist_is(list, tag, "h") && !lists(tag, "sha256")) {
		blame(record, "an h= without sha256");
	} else if (taglist_is(list, tag, "s") && !lists(tag, "*")
	    && !lists(tag, "email")) {
		blame(record, "an s= without email");
	} else if (taglist_is(list, tag, "t")) {
		record->is_testing = lists(tag, "y");
		record->is_strict = lists(tag, "s");
	} else if (taglist_is(list, tag, "v")) {
		read_version(record, list, tag);
	}
}

/* Take a TXT record apart. One that begins with another v= is for something
 * else, as is one that has no tag by which to know a key. */
static void
record_read(struct record *record, const struct dns_record *source)
{
	struct taglist list;
	struct tag tag;

	*record = (struct record){ .source = source };
	if (!taglist_init(&list, &rules, source->text, source->text_length)) {
		record->is_key = true;
		record->fault = "more text than a key needs";
		return;
	}
	while (taglist_next(&list, &tag)) {
		if (!tag.is_tag) {
			blame(record,
			    tag.name_length == 0
				? "an empty tag"
				: "something in it that is no tag");
			continue;
		}
		if (!taglist_note(&list, &tag))
			blame(record, "a tag that stands in it twice");
		if (!is_text(&tag))
			blame(record, "octets in it that aren't ASCII");
		read_tag(record, &list, &tag);
		if (list.count == 1 && !record->is_key
		    && taglist_is(&list, &tag, "v"))
			return;
	}
	if (!record->has_public)
		blame(record, "no p=");
}

/* A copy that can be shown: without the NUL that would end it. */
static const char *
copy(const struct dns_record *record, struct arena *arena)
{
	size_t length = record->text_length < TAGLIST_OCTETS
	    ? record->text_length
	    : (size_t)TAGLIST_OCTETS;
	char *text = arena_copy(arena, record->text, length);

	for (size_t i = 0; text != NULL && i < length; i++)
		if (text[i] == '\0')
			text[i] = '?';
	return text;
}

static void
settle(struct dkim_key *key, enum dkim_key_state state, const char *words)
{
	char *space =
	    words != NULL ? arena_alloc(key->arena, WORDS_OCTETS) : NULL;

	key->finding.state = state;
	key->finding.words = space;
	if (space != NULL) {
		struct text text;

		text_init(&text, space, WORDS_OCTETS);
		text_add_clean(&text, words, strlen(words), false);
	} else if (state != DKIM_KEY_GOOD) {
		key->finding.state = DKIM_KEY_LOST;
		key->finding.words = "out of memory";
	}
}

/* A record is good, or the finding is what is wrong with it; subject names it.
 */
static void
settle_bad(struct dkim_key *key, const char *subject, const char *fault)
{
	settle(key, DKIM_KEY_BAD,
	    arena_printf(key->arena, "%s has %s: publish the record anew",
		subject, fault));
}

static void
settle_different(
    struct dkim_key *key, const char *subject, const struct record *record)
{
	static const char *const kinds[] = {
		[DKIM_KEY_RSA] = "an RSA", [DKIM_KEY_ED25519] = "an Ed25519"
	};
	enum dkim_key_type wanted = key->wanted->type;

	if (record->type == wanted)
		settle(key, DKIM_KEY_DIFFERENT,
		    arena_printf(key->arena,
			"%s has another key than the one that signs here: "
			"publish that one",
			subject));
	else
		settle(key, DKIM_KEY_DIFFERENT,
		    arena_printf(key->arena,
			"%s has %s key, but %s key signs here: publish that "
			"one",
			subject, kinds[record->type], kinds[wanted]));
}

/* The key that signs and the one in a record, read; why_out is of the latter.
 * False: no memory. */
static bool
read_both(struct dkim_key *key, const struct record *record,
    struct dkim_public *wanted_out, struct dkim_public *public_out,
    const char **why_out)
{
	const char *base64 = key->wanted->public_b64, *why;

	return (base64 == NULL
		   || dkim_public_read(base64, strlen(base64),
		       key->wanted->type, key->arena, wanted_out, &why))
	    && dkim_public_read(record->public, record->public_length,
		record->type, key->arena, public_out, why_out);
}

/* Is it good? If not, the finding says why. */
static bool
judge(struct dkim_key *key, const char *subject, const struct record *record)
{
	struct dkim_public public, wanted;
	const char *why;

	key->finding.is_testing |= record->is_testing;
	key->finding.is_strict |= record->is_strict;
	if (record->has_public && record->public_length == 0) {
		settle(key, DKIM_KEY_REVOKED,
		    arena_printf(key->arena,
			"%s is revoked (its p= is empty): publish the key "
			"that signs here, or sign with another",
			subject));
		return false;
	}
	if (record->fault != NULL) {
		settle_bad(key, subject, record->fault);
		return false;
	}
	if (!read_both(key, record, &wanted, &public, &why)) {
		settle(key, DKIM_KEY_LOST, NULL);
		return false;
	}
	key->finding.bits = public.bits;
	if (why != NULL)
		settle_bad(key, subject, why);
	else if (key->wanted->public_b64 != NULL
	    && !dkim_public_equal(&wanted, &public))
		settle_different(key, subject, record);
	else
		return true;
	return false;
}

/* RFC 6376 §3.6.2.2 leaves it open which of several a receiver takes: the
 * first that isn't good is what is found. */
static void
judge_all(struct dkim_key *key, const struct dns_answer *answer, size_t keys)
{
	const char *subject = keys == 1
	    ? key->finding.name
	    : arena_printf(key->arena, "one of the %zu records at %s", keys,
		key->finding.name);

	for (size_t i = 0; i < answer->count; i++) {
		struct record record;

		record_read(&record, &answer->records[i]);
		if (!record.is_key)
			continue;
		key->finding.record = copy(record.source, key->arena);
		if (subject == NULL || key->finding.record == NULL) {
			settle(key, DKIM_KEY_LOST, NULL);
			return;
		}
		if (!judge(key, subject, &record))
			return;
	}
	settle(key, DKIM_KEY_GOOD, NULL);
}

static size_t
count_keys(const struct dns_answer *answer)
{
	size_t count = 0;

	for (size_t i = 0; i < answer->count; i++) {
		struct record record;

		record_read(&record, &answer->records[i]);
		count += record.is_key;
	}
	return count;
}

static const struct dns_question *
machine_asks(const void *machine)
{
	const struct dkim_key *key = machine;

	return key->is_done ? NULL : &key->question;
}

static void
machine_answer(void *machine, const struct dns_answer *answer)
{
	struct dkim_key *key = machine;
	const char *name = key->finding.name;
	size_t keys = count_keys(answer);

	if (key->is_done)
		return;
	key->is_done = true;
	key->finding.ttl_s = answer->ttl_s;
	key->finding.has_other_text = keys == 0 && answer->count > 0;
	if (answer->status == DNS_LOST)
		settle(key, DKIM_KEY_LOST,
		    arena_printf(key->arena,
			"%s can't be looked up (%s): its name servers must "
			"answer",
			name, answer->why != NULL ? answer->why : "no answer"));
	else if (keys > 0)
		judge_all(key, answer, keys);
	else if (key->finding.has_other_text)
		settle(key, DKIM_KEY_MISSING,
		    arena_printf(key->arena,
			"%s has a TXT record, but no DKIM key: publish it",
			name));
	else
		settle(key, DKIM_KEY_MISSING,
		    arena_printf(key->arena,
			"%s isn't published: add its TXT record", name));
}

/* There is nothing beside the one question. */
static size_t
machine_hints(
    const void *machine, struct dns_question *questions_out, size_t room)
{
	(void)machine;
	(void)questions_out;
	(void)room;
	return 0;
}

const struct dns_machine dkim_key_machine = {
	.asks = machine_asks,
	.answer = machine_answer,
	.hints = machine_hints,
};

struct dkim_key *
dkim_key_begin(const struct dkim_key_wanted *wanted, struct arena *arena)
{
	struct dkim_key *key = arena_alloc(arena, sizeof(*key));

	if (key == NULL)
		return NULL;
	key->wanted = wanted;
	key->arena = arena;
	key->finding.state = DKIM_KEY_LOST;
	key->finding.name = arena_printf(
	    arena, "%s._domainkey.%s", wanted->selector, wanted->domain);
	if (key->finding.name == NULL)
		return NULL;
	key->question = (struct dns_question){ key->finding.name, DNS_TXT };
	if (!dns_is_name(key->finding.name)) {
		key->is_done = true;
		settle(key, DKIM_KEY_BAD,
		    arena_printf(arena,
			"%s can't be asked for in the DNS: choose a selector "
			"that is a name, and a short one",
			key->finding.name));
	}
	return key;
}

const struct dkim_key_finding *
dkim_key_finding(const struct dkim_key *key)
{
	return &key->finding;
}

const char *
dkim_key_state_name(enum dkim_key_state state)
{
	switch (state) {
	case DKIM_KEY_GOOD:
		return "good";
	case DKIM_KEY_MISSING:
		return "missing";
	case DKIM_KEY_LOST:
		return "lost";
	case DKIM_KEY_REVOKED:
		return "revoked";
	case DKIM_KEY_BAD:
		return "bad";
	case DKIM_KEY_DIFFERENT:
		return "different";
	}
	return "?";
}
