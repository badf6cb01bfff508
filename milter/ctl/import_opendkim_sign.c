#include "milter/ctl/import_opendkim_sign.h"

#include "milter/ctl/import_opendkim_keys.h"
#include "policy/signing.h"
#include "policy/text.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

enum {
	FIELDS_MOST = 100, /* of sign.headers and sign.oversign */
	FIELD_OCTETS = 100,
	EXPIRE_LEAST_S = 60,
	KEY_BITS_LEAST = 1024, /* RFC 8301 §3.2 */
};
#define EXPIRE_MOST_S (3650ULL * 24 * 3600)

/* What OpenDKIM signs if it isn't told (RFC 6376 §5.4.1). */
static const char *const signed_by_default[] = { "From", "Reply-To", "Subject",
	"Date", "To", "Cc", "Resent-Date", "Resent-From", "Resent-Sender",
	"Resent-To", "Resent-Cc", "In-Reply-To", "References", "List-Id",
	"List-Help", "List-Unsubscribe", "List-Subscribe", "List-Post",
	"List-Owner", "List-Archive" };

/* And what it leaves out. */
static const char *const omitted_by_default[] = { "Return-Path", "Received",
	"Comments", "Keywords" };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct field_list {
	const char *names[FIELDS_MOST];
	size_t count;
	const struct import_setting *setting; /* NULL: the default */
};

void
import_mode(struct import *import)
{
	const struct import_setting *mode = import_find(import, "Mode");
	const char *value = mode != NULL ? mode->value : "sv";

	if (value[strspn(value, "sv")] != '\0')
		import_loss(import, mode, "\"%s\" is none of s, v, sv", value);
	if (strchr(value, 'v') != NULL)
		import_loss(import, mode,
		    "%spostern doesn't verify mail that comes in. If it is to "
		    "be verified, keep an OpenDKIM with \"Mode v\" for it; if "
		    "not, write \"Mode s\" and import again",
		    mode == NULL ? "Mode isn't set, so OpenDKIM verifies too; "
				 : "");
	if (!import_signs(import))
		import_loss(import, mode,
		    "OpenDKIM signs nothing with this file: nor will postern");
}

/* "relaxed", "simple", or NULL. */
static const char *
canon(const char *text, size_t length)
{
	static const char *const names[] = { "relaxed", "simple" };

	for (size_t i = 0; i < COUNT(names); i++)
		if (strlen(names[i]) == length
		    && strncasecmp(names[i], text, length) == 0)
			return names[i];
	return NULL;
}

/* One word is the header's; the body's is simple then, and both are if nothing
 * is said. */
static void
write_canonicalization(struct import *import)
{
	const struct import_setting *setting =
	    import_find(import, "Canonicalization");
	const char *value = setting != NULL ? setting->value : "simple";
	size_t length = strcspn(value, "/");
	const char *header = canon(value, length);
	const char *body = "simple";

	if (value[length] == '/')
		body = canon(value + length + 1, strlen(value + length + 1));
	if (header == NULL || body == NULL) {
		import_loss(import, setting,
		    "\"%s\" is no canonicalization: OpenDKIM doesn't start "
		    "with this file",
		    value);
		return;
	}
	fprintf(import->out, "\tcanonicalization = \"%s/%s\"\n", header, body);
}

static bool
has_field(const struct field_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (text_equal_case(list->names[i], name))
			return true;
	return false;
}

static void
add_field(struct import *import, struct field_list *list, const char *name)
{
	if (has_field(list, name))
		return;
	if (list->count == FIELDS_MOST) {
		import_loss(import, list->setting,
		    "more than %d fields: \"%s\" was left out", FIELDS_MOST,
		    name);
		return;
	}
	list->names[list->count++] = name;
}

static bool
has_entry(const struct import_set *set, char sign, const char *name)
{
	for (size_t i = 0; i < set->count; i++) {
		const char *key = set->entries[i].key;

		if (key[0] == sign && text_equal_case(key + 1, name))
			return true;
	}
	return false;
}

/* The names of a setting: those it lists, or, with a "*" among them, what is
 * there by default but for "-NAME", and "+NAME". */
static void
read_fields(struct import *import, const char *name,
    const char *const *standard, size_t standard_count,
    struct field_list *list_out)
{
	struct import_set set = { 0 };
	bool is_delta = false;

	*list_out = (struct field_list){ .setting = import_find(import, name) };
	if (list_out->setting == NULL
	    || !import_entries(import, list_out->setting, &set)) {
		for (size_t i = 0; i < standard_count; i++)
			add_field(import, list_out, standard[i]);
		return;
	}
	for (size_t i = 0; i < set.count; i++)
		is_delta = is_delta
		    || (standard != NULL
			&& strcmp(set.entries[i].key, "*") == 0);
	for (size_t i = 0; is_delta && i < standard_count; i++)
		if (!has_entry(&set, '-', standard[i]))
			add_field(import, list_out, standard[i]);
	for (size_t i = 0; i < set.count; i++) {
		const char *key = set.entries[i].key;

		if (!is_delta)
			add_field(import, list_out, key);
		else if (key[0] == '+')
			add_field(import, list_out, key + 1);
	}
}

static bool
is_field_name(const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < length; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == ':'
		    || name[i] == ';')
			return false;
	return length > 0 && length <= FIELD_OCTETS;
}

/* One of a list that is to be written; false if postern can't sign it. */
static bool
is_signable(
    struct import *import, const struct field_list *list, const char *name)
{
	if (!is_field_name(name))
		import_loss(import, list->setting,
		    "\"%s\" is no name of a header field", name);
	else if (signing_is_volatile(name))
		import_loss(import, list->setting,
		    "%s changes on the way, so postern never signs it (RFC "
		    "6376 section 5.4.1)",
		    name);
	else
		return true;
	return false;
}

static void
write_fields(struct import *import, const char *option,
    const struct field_list *list, const struct field_list *omitted)
{
	const char *before = "";

	fprintf(import->out, "\t%s = {", option);
	for (size_t i = 0; i < list->count; i++) {
		const char *name = list->names[i];
		const char *quoted;

		if ((omitted != NULL && has_field(omitted, name)
			&& !text_equal_case(name, "From"))
		    || !is_signable(import, list, name))
			continue;
		quoted = import_quote(import, list->setting, name);
		if (quoted == NULL)
			continue;
		fprintf(import->out, "%s\n\t\t%s", before, quoted);
		before = ",";
	}
	fprintf(import->out, "%s}\n", *before != '\0' ? "\n\t" : " ");
}

static void
write_headers(struct import *import)
{
	struct field_list list, omitted, oversigned;

	read_fields(import, "SignHeaders", signed_by_default,
	    COUNT(signed_by_default), &list);
	read_fields(import, "OmitHeaders", omitted_by_default,
	    COUNT(omitted_by_default), &omitted);
	/* Without it there is no signature: OpenDKIM adds it by itself. */
	if (!has_field(&list, "From")) {
		list.count -= list.count == FIELDS_MOST;
		add_field(import, &list, "From");
	}
	if (list.setting != NULL || omitted.setting != NULL)
		write_fields(import, "headers", &list, &omitted);
	read_fields(import, "OversignHeaders", NULL, 0, &oversigned);
	if (oversigned.setting != NULL)
		write_fields(import, "oversign", &oversigned, NULL);
	else
		import_note(import, NULL,
		    "OversignHeaders isn't set; postern oversigns From, so "
		    "that nobody can add another one");
}

static void
write_expire(struct import *import)
{
	const struct import_setting *setting =
	    import_find(import, "SignatureTTL");
	uint64_t seconds;

	if (setting == NULL || strcmp(setting->value, "0") == 0)
		return;
	if (text_number(
		setting->value, EXPIRE_LEAST_S, EXPIRE_MOST_S, &seconds))
		fprintf(import->out, "\texpire = \"%" PRIu64 "s\"\n", seconds);
	else
		import_loss(import, setting,
		    "\"%s\" is no number of seconds from 60 to 315360000",
		    setting->value);
}

/* "reject" or its first letter. */
static void
write_on_key_error(struct import *import)
{
	static const char *const actions[] = { "accept", "reject", "tempfail" };
	const struct import_setting *setting =
	    import_find(import, "On-SignatureError");

	if (setting == NULL)
		setting = import_find(import, "On-Default");
	if (setting == NULL)
		return;
	for (size_t i = 0; i < COUNT(actions); i++)
		if (text_equal_case(setting->value, actions[i])
		    || (strlen(setting->value) == 1
			&& (*setting->value | 0x20) == *actions[i])) {
			fprintf(
			    import->out, "\ton_key_error = %s\n", actions[i]);
			return;
		}
	import_loss(import, setting,
	    "\"%s\" is nothing that postern does about a key that can't be "
	    "used: that is accept, tempfail (the default) or reject",
	    setting->value);
}

static void
tell_keys(struct import *import)
{
	const struct import_setting *bits =
	    import_find(import, "MinimumKeyBits");
	const struct import_setting *safe =
	    import_find(import, "RequireSafeKeys");
	const struct import_setting *algorithm =
	    import_find(import, "SignatureAlgorithm");
	uint64_t least;

	if (bits != NULL && text_number(bits->value, 0, 1000000, &least)
	    && least != KEY_BITS_LEAST)
		import_note(import, bits,
		    "it is 1024 for postern: what is shorter isn't accepted "
		    "anywhere (RFC 8301)");
	if (safe != NULL && !import_is_true(safe->value))
		import_loss(import, safe,
		    "a key file that others can read or write is never used: "
		    "chmod 600 what postern -t complains of");
	if (algorithm != NULL && text_equal_case(algorithm->value, "rsa-sha1"))
		import_loss(import, algorithm,
		    "nobody accepts SHA-1 any more (RFC 8301): postern signs "
		    "with SHA-256");
}

static void
tell_sender_headers(struct import *import)
{
	const struct import_setting *setting =
	    import_find(import, "SenderHeaders");
	struct import_set set;

	if (setting == NULL || !import_entries(import, setting, &set))
		return;
	for (size_t i = 0; i < set.count; i++)
		if (!text_equal_case(set.entries[i].key, "From")) {
			import_loss(import, setting,
			    "postern goes by From alone, as receivers do, not "
			    "by %s",
			    set.entries[i].key);
			return;
		}
}

void
import_signing(struct import *import)
{
	fputs("\nsign {\n", import->out);
	if (import_signs(import))
		import_keys(import);
	write_canonicalization(import);
	write_headers(import);
	write_expire(import);
	write_on_key_error(import);
	fputs("}\n", import->out);
	tell_keys(import);
	tell_sender_headers(import);
}

static const char *
owners_of(const struct import *import)
{
	switch (import->order->owners) {
	case IMPORT_OWNERS_ALL:
		return "all";
	case IMPORT_OWNERS_OWN:
		return "own";
	case IMPORT_OWNERS_MAP:
		return "map";
	case IMPORT_OWNERS_FOUND:
	default:
		return import->signing_domains == 1 ? "all" : "own";
	}
}

/* With one domain there is nobody whose key another could misuse. With several,
 * nobody can tell from opendkim.conf whether they are one's own or those of
 * customers that don't trust each other. */
static void
tell_owners(struct import *import)
{
	if (import->order->owners != IMPORT_OWNERS_FOUND
	    || import->signing_domains < 2 || !import_signs(import))
		return;
	import_loss(import, NULL,
	    "OpenDKIM signs any From for any client that is logged in or "
	    "listed; postern signs for an account only what is its own (login "
	    "alice@a.example: a.example), and lets the rest pass unsigned. If "
	    "all these domains are one owner's, import again with --owners "
	    "all, and everything is signed as before. If customers share this "
	    "server, give the map of Postfix's smtpd_sender_login_maps with "
	    "--map");
}

void
import_senders(struct import *import)
{
	const char *owners = owners_of(import);
	const char *map = import->order->map;
	const char *quoted =
	    map != NULL ? import_quote(import, NULL, map) : NULL;

	tell_owners(import);
	fputs("\nsenders {\n", import->out);
	if (strcmp(owners, "all") == 0)
		import_comment(import, "\t",
		    "Any account may use any domain that has a key, as with "
		    "OpenDKIM. Not for a server that customers share: each "
		    "would be signed as any other.");
	else
		import_comment(import, "\t",
		    "A key signs for the accounts whose domain it is. What "
		    "isn't theirs leaves unsigned, and the log says so.");
	fprintf(import->out, "\towners = %s\n", owners);
	if (quoted != NULL)
		fprintf(import->out, "\tmap = %s\n", quoted);
	fputs("\ton_mismatch = observe\n\ton_bad_from = observe\n}\n",
	    import->out);
}
