#include "milter/io/keys_value.h"

#include "milter/io/keys_pem.h"
#include "policy/signing.h"
#include "policy/text.h"

#include <string.h>

enum { SELECTOR_OCTETS = 200 }; /* as signing_is_selector() has it */

static const char blanks[] = " \t\r\n";

/* One key of a value, not yet looked into. */
struct item {
	char selector[SELECTOR_OCTETS + 1];
	const char *key;
	size_t length;
};

static bool
take_selector(const char **at, struct item *item, struct fault *fault)
{
	size_t length = strcspn(*at, blanks);
	bool is_selector = length <= SELECTOR_OCTETS;

	if (is_selector) {
		memcpy(item->selector, *at, length);
		item->selector[length] = '\0';
		is_selector = signing_is_selector(item->selector);
	}
	/* What stands there isn't said: it may be a piece of a key. */
	if (!is_selector) {
		fault_set(fault, FAULT_PERMANENT,
		    "no selector where one has to be: write SELECTOR, a blank, "
		    "and the key in PEM or base64");
		return false;
	}
	*at += length;
	*at += strspn(*at, blanks);
	return true;
}

static bool
take_item(const char **at, struct item *item, struct fault *fault)
{
	if (!take_selector(at, item, fault))
		return false;
	item->key = *at;
	item->length = keys_pem_length(*at, strlen(*at));
	if (item->length == 0 && **at == '-')
		fault_set(fault, FAULT_PERMANENT,
		    "%s: no private key in PEM form: its END line is missing",
		    item->selector);
	else if (item->length == 0)
		item->length = strcspn(*at, blanks);
	if (item->length == 0 && **at != '-')
		fault_set(fault, FAULT_PERMANENT,
		    "%s: no key after the selector", item->selector);
	if (item->length == 0)
		return false;
	*at += item->length;
	if (**at != '\0' && strchr(blanks, **at) == NULL) {
		fault_set(fault, FAULT_PERMANENT,
		    "%s: no blank after the key: put one there",
		    item->selector);
		return false;
	}
	*at += strspn(*at, blanks);
	return true;
}

/* Find the keys of a value, each with a selector of its own. */
static bool
take_items(const char *value, struct item items[KEYS_PER_DOMAIN],
    size_t *count_out, struct fault *fault)
{
	const char *at = value + strspn(value, blanks);
	struct item item;

	*count_out = 0;
	while (*at != '\0') {
		if (!take_item(&at, &item, fault))
			return false;
		for (size_t i = 0; i < *count_out; i++)
			if (text_equal_case(items[i].selector, item.selector)) {
				fault_set(fault, FAULT_PERMANENT,
				    "%s: the selector is there twice: remove "
				    "one",
				    item.selector);
				return false;
			}
		if (*count_out == KEYS_PER_DOMAIN) {
			fault_set(fault, FAULT_PERMANENT,
			    "more than %d keys: remove some", KEYS_PER_DOMAIN);
			return false;
		}
		items[(*count_out)++] = item;
	}
	if (*count_out == 0)
		fault_set(fault, FAULT_PERMANENT,
		    "no key in the value: put SELECTOR and key there, or "
		    "remove the entry");
	return *count_out > 0;
}

static bool
add_key(struct key_set *set, const struct item *item, struct fault *fault)
{
	struct parsed_key key;

	if (!keys_parse(item->key, item->length, &key, fault)) {
		if (fault->kind == FAULT_PERMANENT)
			fault_prefix(fault, "%s: ", item->selector);
		return false;
	}
	if (keys_set_take(set, item->selector, &key, NULL))
		return true;
	keys_parse_clear(&key);
	fault_memory(fault);
	return false;
}

struct key_set *
keys_value_read(const char *value, const char *domain, struct fault *fault)
{
	struct item items[KEYS_PER_DOMAIN];
	struct key_set *set;
	size_t count;

	if (!take_items(value, items, &count, fault))
		return NULL;
	set = keys_set_open(domain, count);
	if (set == NULL)
		fault_memory(fault);
	for (size_t i = 0; set != NULL && i < count; i++)
		if (!add_key(set, &items[i], fault))
			keys_set_close(&set);
	return set;
}
