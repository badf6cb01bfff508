/* Names of accounts that come from elsewhere: what accounts.map and
 * identity_header say. */
#include "policy/account.h"

#include "policy/text.h"

#include <string.h>

/* A line of a header field has 998 octets at most (RFC 5322 §2.1.1); this
 * leaves some for the field's name. Hardly any value comes near it, which is
 * as well: not every program between two hosts keeps folds. */
enum { IDENTITY_LINE_OCTETS = 800 };

static bool
is_blank(char character)
{
	return character == ' ' || (character >= '\t' && character <= '\r');
}

/* The next of the words parted by blanks, "" at the end. *rest moves on. NULL
 * for want of memory. */
static char *
next_word(const char **rest, struct arena *arena)
{
	const char *start = *rest;
	const char *end;

	while (is_blank(*start))
		start++;
	for (end = start; *end != '\0' && !is_blank(*end);)
		end++;
	*rest = end;
	return arena_copy(arena, start, (size_t)(end - start));
}

/* A name of a map in the form that the account of a login has. */
static bool
fold_name(const char **name, bool is_case_sensitive, struct arena *arena)
{
	struct fault fault = { .kind = FAULT_NONE };
	struct mailbox mailbox;
	bool is_mailbox;
	char *folded;

	is_mailbox =
	    address_mailbox(arena, *name, strlen(*name), &mailbox, &fault);
	if (!is_mailbox && fault.kind == FAULT_MEMORY)
		return false;
	folded = arena_strdup(arena, is_mailbox ? mailbox.text : *name);
	if (folded == NULL)
		return false;
	if (!is_case_sensitive)
		text_lower(folded);
	*name = folded;
	return true;
}

static bool
no_entry(const char *value, struct fault *fault, const char *problem)
{
	fault_set(fault, FAULT_PERMANENT,
	    "\"%.60s\" %s; it is \"ACCOUNT PARENT PLAN\", with - for what is "
	    "to stay",
	    value, problem);
	return false;
}

bool
account_entry_parse(const char *value, bool is_case_sensitive,
    struct arena *arena, struct account_entry *entry_out, struct fault *fault)
{
	const char *words[4]; /* one more than there may be */
	const char *rest = value;

	*entry_out = (struct account_entry){ NULL, NULL, NULL };
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		words[i] = next_word(&rest, arena);
		if (words[i] == NULL) {
			fault_memory(fault);
			return false;
		}
	}
	if (*words[0] == '\0')
		return no_entry(value, fault, "is empty");
	if (*words[3] != '\0')
		return no_entry(value, fault, "has more than three words");
	if (!fold_name(&words[0], is_case_sensitive, arena)
	    || !fold_name(&words[1], is_case_sensitive, arena)) {
		fault_memory(fault);
		return false;
	}
	/* A-labels are longer than what they stand for: measured last. */
	if (strlen(words[0]) > ACCOUNT_OCTETS)
		return no_entry(
		    value, fault, "has an account of more than 512 octets");
	if (strlen(words[1]) > ACCOUNT_OCTETS)
		return no_entry(
		    value, fault, "has a parent of more than 512 octets");
	for (size_t i = 0; i < 3; i++)
		if (*words[i] == '\0' || strcmp(words[i], "-") == 0)
			words[i] = NULL;
	*entry_out = (struct account_entry){ words[0], words[1], words[2] };
	return true;
}

bool
account_map_keys(const struct account *account, struct arena *arena,
    const char **keys_out, size_t *count_out)
{
	char *key;

	*count_out = 0;
	/* What is left of a name that was cut may be somebody else's. */
	if (account->is_too_long)
		return true;
	/* Keys of maps are in lower case, as postmap(1) makes them. */
	key = arena_strdup(arena, account->name);
	if (key == NULL)
		return false;
	text_lower(key);
	keys_out[(*count_out)++] = key;
	if (account->own_domain == NULL)
		return true;
	key = arena_printf(arena, "@%s", account->own_domain);
	if (key == NULL)
		return false;
	keys_out[(*count_out)++] = key;
	return true;
}

void
account_apply(struct account *account, const struct account_entry *entry)
{
	if (entry == NULL)
		return;
	if (entry->account != NULL) {
		account->name = entry->account;
		account->host = NULL; /* what a map says is one everywhere */
		if (account->own_domain == NULL)
			account->parent = account->name;
	}
	if (entry->parent != NULL)
		account->parent = entry->parent;
	if (entry->plan != NULL)
		account->plan = entry->plan;
}

static bool
no_identity(struct fault *fault, const char *problem)
{
	fault_set(fault, FAULT_PERMANENT, "no account's name: %s", problem);
	return false;
}

/* What a hexadecimal digit is worth; 16: it is none. */
static unsigned
digit_value(char digit)
{
	static const char digits[] = "0123456789ABCDEF";
	const char *found;

	if (digit >= 'a' && digit <= 'f')
		digit = (char)(digit - 'a' + 'A');
	found = digit != '\0' ? strchr(digits, digit) : NULL;
	return found != NULL ? (unsigned)(found - digits) : 16;
}

/* The octet that "%XX" stands for; 0: it stands for none, or for NUL, which no
 * name has. */
static char
decode(const char *at)
{
	unsigned high = digit_value(at[1]);
	unsigned low = high < 16 ? digit_value(at[2]) : 16;

	return low < 16 ? (char)(high * 16 + low) : '\0';
}

/* Skip blanks. True if they are a fold: a line's end is among them. */
static bool
skip_blanks(const char **at)
{
	bool is_fold = false;

	for (; is_blank(**at); (*at)++)
		is_fold |= **at == '\n' || **at == '\r';
	return is_fold;
}

/* One octet of a name, or a fold. NULL, or what is wrong. */
static const char *
read_octet(const char **at, char *name, size_t *length)
{
	char octet = **at;

	if (is_blank(octet)) {
		if (!skip_blanks(at) && **at != '\0')
			return "a blank in it is %20";
		return NULL;
	}
	if (octet < '!' || octet > '~')
		return "octets that are not visible ASCII are %XX";
	if (octet == '%') {
		octet = decode(*at);
		if (octet == '\0')
			return "a % without two hexadecimal digits";
		*at += 2;
	}
	(*at)++;
	if (*length == ACCOUNT_OCTETS)
		return "longer than 512 octets";
	name[(*length)++] = octet;
	return NULL;
}

bool
account_identity_read(const char *value, struct arena *arena,
    const char **name_out, struct fault *fault)
{
	char *name = arena_alloc(arena, ACCOUNT_OCTETS + 1);
	size_t length = 0;

	*name_out = NULL;
	if (name == NULL) {
		fault_memory(fault);
		return false;
	}
	(void)skip_blanks(&value);
	while (*value != '\0') {
		const char *problem = read_octet(&value, name, &length);

		if (problem != NULL)
			return no_identity(fault, problem);
	}
	if (length == 0)
		return no_identity(fault, "it is empty");
	name[length] = '\0';
	*name_out = name;
	return true;
}

const char *
account_identity_value(const struct account *account, struct arena *arena)
{
	static const char digits[] = "0123456789ABCDEF";
	bool has_host = account->host != NULL;
	const char *name = arena_printf(arena, "%s%s%s", account->name,
	    has_host ? "@" : "", has_host ? account->host : "");
	size_t length = name != NULL ? strlen(name) : 0;
	char *value = name != NULL
	    ? arena_alloc(arena,
		length * 3 + length * 3 / (IDENTITY_LINE_OCTETS - 4) * 2 + 3)
	    : NULL;
	char *at = value;
	size_t column = 0;

	for (; value != NULL && *name != '\0'; name++) {
		unsigned char octet = (unsigned char)*name;

		if (column + 3 > IDENTITY_LINE_OCTETS) {
			*at++ = '\n';
			*at++ = ' ';
			column = 1;
		}
		if (octet < '!' || octet > '~' || octet == '%') {
			*at++ = '%';
			*at++ = digits[octet >> 4];
			octet = (unsigned char)digits[octet & 15];
			column += 2;
		}
		*at++ = (char)octet;
		column++;
	}
	return value;
}
