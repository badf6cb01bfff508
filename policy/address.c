#include "policy/address.h"

#include "policy/text.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

enum { LABEL_OCTETS = 63 }; /* RFC 1035 §2.3.4 */

/* More octets than these hold no mailbox of ADDRESS_OCTETS, however it is
 * quoted. What is longer isn't looked at. */
enum { WRITTEN_OCTETS = 3 * ADDRESS_OCTETS };

/* The reason comes first: a long text is cut, with a mark, at its end. */
static bool
refuse(
    struct fault *fault, const char *problem, const char *text, size_t length)
{
	int shown =
	    length < FAULT_WORDS_BYTES ? (int)length : FAULT_WORDS_BYTES;

	fault_set(fault, FAULT_PERMANENT, "%s: %.*s", problem, shown, text);
	return false;
}

static bool
out_of_memory(struct fault *fault)
{
	fault_memory(fault);
	return false;
}

static bool
is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
	    || (c >= '0' && c <= '9');
}

/* C1 controls (U+0080 to U+009F), line and paragraph separator: among them
 * are what some programs take for line ends. */
static bool
is_wide_control(const char *text, size_t size)
{
	const unsigned char *octets = (const unsigned char *)text;

	if (size == 2)
		return octets[0] == 0xC2 && octets[1] < 0xA0;
	return size == 3 && octets[0] == 0xE2 && octets[1] == 0x80
	    && (octets[2] == 0xA8 || octets[2] == 0xA9);
}

size_t
address_atext(const char *text, size_t length)
{
	size_t size = text_utf8_length(text, length);

	if (size > 1)
		return is_wide_control(text, size) ? 0 : size;
	if (size == 0 || text[0] == '\0')
		return 0;
	return is_letter_or_digit(text[0])
	    || strchr("!#$%&'*+-/=?^_`{|}~", text[0]) != NULL;
}

/* Octets that may stand in a domain before its U-labels are converted, and in
 * its labels afterwards (a conversion can bring forth '@' or '/'). NULL if
 * all may. Underscores are no host names, but are used in mail domains. */
static const char *
octets_problem(const char *text, size_t length, bool *has_u_label_out)
{
	size_t size;

	*has_u_label_out = false;
	for (size_t i = 0; i < length; i += size) {
		size = text_utf8_length(text + i, length - i);
		if (size == 0)
			return "a domain that is not UTF-8";
		if (size > 1)
			*has_u_label_out = true;
		else if (!is_letter_or_digit(text[i]) && text[i] != '-'
		    && text[i] != '_' && text[i] != '.')
			return "a character that no domain can have";
	}
	return NULL;
}

/* name is ASCII and has lost its last dot. */
static const char *
labels_problem(const char *name)
{
	const char *label = name;
	size_t length;

	if (name[0] == '\0')
		return "an empty domain";
	if (strlen(name) > ADDRESS_DOMAIN_OCTETS)
		return "a domain longer than 253 octets";
	for (;;) {
		length = strcspn(label, ".");
		if (length == 0)
			return "an empty label in a domain";
		if (length > LABEL_OCTETS)
			return "a label longer than 63 octets in a domain";
		if (label[length] == '\0')
			return NULL;
		label += length + 1;
	}
}

/* The domain with its U-labels converted; it is known to be UTF-8 without
 * NUL. NULL with words if that can't be done. Domains that are all ASCII
 * don't come here: libidn2 refuses some that exist ("r3---sn.example"). */
static char *
to_a_labels(
    struct arena *arena, const char *text, size_t length, struct fault *fault)
{
	char *name = arena_copy(arena, text, length);
	uint8_t *converted = NULL;
	int status;

	if (name == NULL) {
		fault_memory(fault);
		return NULL;
	}
	status = idn2_lookup_u8((const uint8_t *)name, &converted,
	    IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
	if (status == IDN2_MALLOC) {
		fault_memory(fault);
		return NULL;
	}
	if (status != IDN2_OK) {
		refuse(fault, idn2_strerror(status), text, length);
		return NULL;
	}
	name = arena_strdup(arena, (const char *)converted);
	idn2_free(converted);
	if (name == NULL)
		fault_memory(fault);
	return name;
}

static void
drop_last_dot(char *name)
{
	size_t length = strlen(name);

	if (length > 0 && name[length - 1] == '.')
		name[length - 1] = '\0';
}

bool
address_domain(struct arena *arena, const char *text, size_t length,
    const char **domain_out, struct fault *fault)
{
	const char *problem;
	bool has_u_label;
	char *name;

	*domain_out = NULL;
	if (length > 0 && text[0] == '[')
		return refuse(
		    fault, "an address literal, not a domain", text, length);
	if (length > ADDRESS_OCTETS)
		return refuse(
		    fault, "a domain longer than 253 octets", text, length);
	problem = octets_problem(text, length, &has_u_label);
	if (problem != NULL)
		return refuse(fault, problem, text, length);

	if (has_u_label) {
		name = to_a_labels(arena, text, length, fault);
		if (name == NULL)
			return false;
		problem = octets_problem(name, strlen(name), &has_u_label);
	} else {
		name = arena_copy(arena, text, length);
		if (name == NULL)
			return out_of_memory(fault);
	}
	drop_last_dot(name);
	text_lower(name);
	if (problem == NULL)
		problem = labels_problem(name);
	if (problem != NULL)
		return refuse(fault, problem, text, length);
	*domain_out = name;
	return true;
}

/* Is it the inside of an address literal? (RFC 5321 §4.1.3; no other tag than
 * IPv6 was ever registered.) */
static bool
is_ip_address(const char *inside)
{
	struct in6_addr six;
	struct in_addr four;

	if (strncmp(inside, "ipv6:", 5) == 0)
		return inet_pton(AF_INET6, inside + 5, &six) == 1;
	return inet_pton(AF_INET, inside, &four) == 1;
}

static bool
read_literal(struct arena *arena, const char *text, size_t length,
    const char **domain_out, struct fault *fault)
{
	static const char problem[] = "an address literal without IP address";
	char *inside;
	char *literal;

	if (length < 2 || length > ADDRESS_DOMAIN_OCTETS
	    || text[length - 1] != ']' || memchr(text, '\0', length) != NULL)
		return refuse(fault, problem, text, length);
	inside = arena_copy(arena, text + 1, length - 2);
	literal = arena_copy(arena, text, length);
	if (inside == NULL || literal == NULL)
		return out_of_memory(fault);
	text_lower(inside);
	text_lower(literal);
	if (!is_ip_address(inside))
		return refuse(fault, problem, text, length);
	*domain_out = literal;
	return true;
}

/* The length of the dot-string that text begins with. Dots may stand
 * anywhere: "a..b" and "a." are no dot-atoms, but there is mail from such
 * addresses, and one way only to read them. */
static size_t
dot_string_length(const char *text, size_t length)
{
	size_t used = 0;
	size_t size;

	while (used < length) {
		size = text[used] == '.'
		    ? 1
		    : address_atext(text + used, length - used);
		if (size == 0)
			break;
		used += size;
	}
	return used;
}

/* Read the quoted string that text begins with; local has room for length
 * octets and a NUL. The octets used, quotes included; 0 if it is none that
 * may stand in a mailbox (controls and tabs may not, RFC 5321 §4.1.2). */
static size_t
read_quoted_local(const char *text, size_t length, char *local)
{
	size_t used = 1;
	size_t size;

	while (used < length && text[used] != '"') {
		if (text[used] == '\\' && ++used == length)
			return 0;
		if (text[used] >= ' ' && text[used] <= '~')
			size = 1;
		else
			size = address_atext(text + used, length - used);
		if (size == 0)
			return 0;
		memcpy(local, text + used, size);
		local += size;
		used += size;
	}
	*local = '\0';
	return used < length ? used + 1 : 0;
}

static bool
must_be_quoted(const char *local)
{
	size_t length = strlen(local);

	return dot_string_length(local, length) < length || local[0] == '.'
	    || local[length - 1] == '.' || strstr(local, "..") != NULL;
}

/* local@domain, as it is written. NULL for want of memory. */
static char *
mailbox_text(struct arena *arena, const char *local, const char *domain)
{
	size_t domain_size = strlen(domain) + 1;
	char *text;
	char *at;

	if (!must_be_quoted(local))
		return arena_printf(arena, "%s@%s", local, domain);
	text = arena_alloc(arena, 2 * strlen(local) + 3 + domain_size);
	if (text == NULL)
		return NULL;
	at = text;
	*at++ = '"';
	for (; *local != '\0'; local++) {
		if (*local == '"' || *local == '\\')
			*at++ = '\\';
		*at++ = *local;
	}
	*at++ = '"';
	*at++ = '@';
	memcpy(at, domain, domain_size);
	return text;
}

/* Read the local part that text begins with. The octets used; 0 if there is
 * none, with the problem. */
static size_t
read_local(
    const char *text, size_t length, char *local, const char **problem_out)
{
	size_t used;

	if (length > 0 && text[0] == '"') {
		*problem_out = "a broken quoted string in an address";
		used = read_quoted_local(text, length, local);
	} else {
		*problem_out = "an address without local part";
		used = dot_string_length(text, length);
		memcpy(local, text, used);
		local[used] = '\0';
	}
	if (used > 0 && local[0] == '\0') {
		*problem_out = "an address with an empty local part";
		return 0;
	}
	return used;
}

bool
address_mailbox(struct arena *arena, const char *text, size_t length,
    struct mailbox *mailbox_out, struct fault *fault)
{
	struct mailbox mailbox = { 0 };
	const char *problem;
	const char *domain;
	size_t used;
	char *local;

	*mailbox_out = mailbox;
	if (length > WRITTEN_OCTETS)
		return refuse(
		    fault, "an address longer than 1024 octets", text, length);
	local = arena_alloc(arena, length + 1);
	if (local == NULL)
		return out_of_memory(fault);
	used = read_local(text, length, local, &problem);
	if (used == 0)
		return refuse(fault, problem, text, length);
	if (used == length)
		return refuse(
		    fault, "an address without @domain", text, length);
	if (text[used] != '@')
		return refuse(fault,
		    "a character that no address can have here", text + used,
		    length - used);

	domain = text + used + 1;
	length -= used + 1;
	mailbox.local = local;
	mailbox.is_literal = length > 0 && domain[0] == '[';
	if (!(mailbox.is_literal ? read_literal(
		  arena, domain, length, &mailbox.domain, fault)
				 : address_domain(arena, domain, length,
				     &mailbox.domain, fault)))
		return false;
	if (strlen(local) + 1 + strlen(mailbox.domain) > ADDRESS_OCTETS)
		return refuse(
		    fault, "an address longer than 1024 octets", text, used);
	mailbox.text = mailbox_text(arena, local, mailbox.domain);
	if (mailbox.text == NULL)
		return out_of_memory(fault);
	*mailbox_out = mailbox;
	return true;
}

/* The length of the source route "@a,@b:" that path begins with: 0 if there
 * is none, or if it is broken (then no mailbox can be read there either). */
static size_t
route_length(const char *path, size_t length)
{
	size_t used = 0;
	size_t size;

	while (used < length && path[used] == '@') {
		used++;
		size = dot_string_length(path + used, length - used);
		if (size == 0)
			return 0;
		used += size;
		if (used < length && path[used] == ':')
			return used + 1;
		if (used == length || path[used] != ',')
			return 0;
		used++;
	}
	return 0;
}

bool
address_path(struct arena *arena, const char *path, struct mailbox *mailbox_out,
    bool *is_null_out, struct fault *fault)
{
	size_t length;
	size_t skipped;

	path += strspn(path, " \t");
	length = strlen(path);
	while (
	    length > 0 && (path[length - 1] == ' ' || path[length - 1] == '\t'))
		length--;
	if (length >= 2 && path[0] == '<' && path[length - 1] == '>') {
		path++;
		length -= 2;
	}
	*is_null_out = length == 0;
	*mailbox_out = (struct mailbox){ 0 };
	if (*is_null_out)
		return true;
	skipped = route_length(path, length);
	return address_mailbox(
	    arena, path + skipped, length - skipped, mailbox_out, fault);
}

const char *
address_parent(const char *domain)
{
	const char *dot = domain[0] == '[' ? NULL : strchr(domain, '.');

	if (dot == NULL || strchr(dot + 1, '.') == NULL)
		return NULL;
	return dot + 1;
}

bool
address_equal(const struct mailbox *one, const struct mailbox *other,
    bool is_case_sensitive)
{
	if (one->local == NULL || other->local == NULL)
		return false;
	if (strcmp(one->domain, other->domain) != 0)
		return false;
	return is_case_sensitive ? strcmp(one->local, other->local) == 0
				 : text_equal_case(one->local, other->local);
}
