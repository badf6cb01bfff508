#include "policy/egress.h"

#include "policy/text.h"

#include <assert.h>
#include <string.h>

static const char transport_prefix[] = "transport:";
static const char any_key[] = "*";
static const char blanks[] = " \t";

enum { SHOWN_OCTETS = 100 }; /* of text from outside in a fault's words */

/* One more key, in lower case. */
static bool
add_key(struct egress_question *question, struct arena *arena,
    const char *prefix, const char *text)
{
	char *key = arena_printf(arena, "%s%s", prefix, text);

	assert(question->count < EGRESS_KEYS);
	if (key == NULL)
		return false;
	text_lower(key);
	question->keys[question->count++] = key;
	return true;
}

static bool
add_sender(struct egress_question *question, struct arena *arena,
    const struct mailbox *sender)
{
	const char *parent = address_parent(sender->domain);

	if (!add_key(question, arena, "", sender->text)
	    || !add_key(question, arena, "@", sender->domain))
		return false;
	for (int i = 0; i < EGRESS_PARENTS && parent != NULL; i++) {
		if (!add_key(question, arena, "@.", parent))
			return false;
		parent = address_parent(parent);
	}
	return true;
}

bool
egress_question(const char *transport, const struct mailbox *sender,
    struct arena *arena, struct egress_question *question_out)
{
	memset(question_out, 0, sizeof(*question_out));
	if (transport != NULL && *transport != '\0'
	    && !add_key(question_out, arena, transport_prefix, transport))
		return false;
	if (sender->domain != NULL && !add_sender(question_out, arena, sender))
		return false;
	return add_key(question_out, arena, "", any_key);
}

bool
egress_is_key(const char *key)
{
	const size_t prefix = sizeof(transport_prefix) - 1;
	const char *at = strrchr(key, '@');

	if (strncmp(key, transport_prefix, prefix) == 0)
		return key[prefix] != '\0';
	if (at != NULL)
		return at[1] != '\0';
	return strcmp(key, any_key) == 0;
}

static bool
complain(
    struct fault *fault, const char *text, size_t length, const char *words)
{
	int shown = (int)(length < SHOWN_OCTETS ? length : SHOWN_OCTETS);

	fault_set(fault, FAULT_PERMANENT, "\"%.*s\" %s", shown, text, words);
	return false;
}

/* The octets before the first blank. */
static size_t
word_length(const char *text, size_t length)
{
	size_t at = 0;

	while (at < length && strchr(blanks, text[at]) == NULL)
		at++;
	return at;
}

/* Leave blanks on both ends out. */
static void
trim(const char **text, size_t *length)
{
	while (*length > 0 && strchr(blanks, **text) != NULL) {
		(*text)++;
		(*length)--;
	}
	while (*length > 0 && strchr(blanks, (*text)[*length - 1]) != NULL)
		(*length)--;
}

static bool
read_helo(const char *text, size_t length, struct arena *arena,
    const char **helo_out, struct fault *fault)
{
	struct fault own = { .kind = FAULT_NONE };
	struct address address;

	if (word_length(text, length) < length)
		return complain(fault, text, length,
		    "is more than one name; write \"ADDRESS HELO\"");
	if (!address_domain(arena, text, length, helo_out, &own)) {
		if (own.kind == FAULT_MEMORY)
			fault_memory(fault);
		else
			(void)complain(fault, text, length,
			    "can't be the name that is said there (HELO); "
			    "write a host name such as mx1.example.net");
		return false;
	}
	if (network_address(*helo_out, &address))
		return complain(fault, text, length,
		    "is an address; the name that is said there (HELO) is a "
		    "host name such as mx1.example.net");
	if (strchr(*helo_out, '.') == NULL)
		return complain(fault, text, length,
		    "has no dot; the name that is said there (HELO) is a full "
		    "host name such as mx1.example.net");
	return true;
}

bool
egress_parse(const char *text, size_t length, struct arena *arena,
    struct egress *egress_out, struct fault *fault)
{
	size_t first;
	char *word;

	*egress_out = (struct egress){ .helo = NULL };
	trim(&text, &length);
	first = word_length(text, length);
	word = arena_copy(arena, text, first);
	if (word == NULL) {
		fault_memory(fault);
		return false;
	}
	if (memchr(text, '\0', length) != NULL
	    || !network_address(word, &egress_out->address))
		return complain(fault, text, first,
		    "is no address; write for example "
		    "\"192.0.2.1 mx1.example.net\"");
	egress_out->text = network_text(arena, &egress_out->address);
	if (egress_out->text == NULL) {
		fault_memory(fault);
		return false;
	}
	text += first;
	length -= first;
	trim(&text, &length);
	return length == 0
	    || read_helo(text, length, arena, &egress_out->helo, fault);
}

/* The entry of list with the address, or NULL. */
static const struct egress *
find(const struct egress *list, size_t count, const struct address *address)
{
	for (size_t i = 0; i < count; i++)
		if (memcmp(list[i].address.octets, address->octets,
			sizeof(address->octets))
		    == 0)
			return &list[i];
	return NULL;
}

/* One entry of a value, as it is to be used. */
static bool
read_entry(const char *text, size_t length, const struct egress *known,
    size_t known_count, struct arena *arena, struct egress *egress_out,
    struct fault *fault)
{
	const struct egress *same;

	if (!egress_parse(text, length, arena, egress_out, fault))
		return false;
	if (egress_out->helo != NULL)
		return true;
	same = find(known, known_count, &egress_out->address);
	if (same == NULL) {
		fault_set(fault, FAULT_PERMANENT,
		    "\"%s\" has no HELO, and isn't in egress; write \"%s "
		    "mx1.example.net\"",
		    egress_out->text, egress_out->text);
		return false;
	}
	egress_out->helo = same->helo;
	return true;
}

static bool
add_entry(struct egress *list, size_t *count, const struct egress *entry,
    struct fault *fault)
{
	if (find(list, *count, &entry->address) != NULL) {
		fault_set(fault, FAULT_PERMANENT,
		    "\"%s\" is there twice; remove one", entry->text);
		return false;
	}
	if (*count == PREFLIGHT_EGRESS) {
		fault_set(fault, FAULT_PERMANENT,
		    "more than %d addresses; remove some", PREFLIGHT_EGRESS);
		return false;
	}
	list[(*count)++] = *entry;
	return true;
}

bool
egress_read(const char *value, const struct egress *known, size_t known_count,
    struct arena *arena, const struct egress **egress_out, size_t *count_out,
    struct fault *fault)
{
	struct egress *list =
	    arena_alloc(arena, PREFLIGHT_EGRESS * sizeof(*list));
	size_t count = 0;

	if (list == NULL) {
		fault_memory(fault);
		return false;
	}
	for (;;) {
		size_t length = strcspn(value, ",");
		struct egress entry;

		if (!read_entry(
			value, length, known, known_count, arena, &entry, fault)
		    || !add_entry(list, &count, &entry, fault))
			return false;
		value += length;
		if (*value == '\0')
			break;
		value++;
	}
	*egress_out = list;
	*count_out = count;
	return true;
}

bool
egress_is_private(const struct address *address)
{
	static const char *const networks[] = { "0.0.0.0/8", "10.0.0.0/8",
		"100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
		"172.16.0.0/12", "192.168.0.0/16", "::/128", "::1/128",
		"fc00::/7", "fe80::/10" };

	for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++) {
		struct network network;

		if (network_parse(networks[i], &network, NULL)
		    && network_has(&network, address))
			return true;
	}
	return false;
}
