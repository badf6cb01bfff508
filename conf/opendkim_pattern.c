#include "conf/opendkim_pattern.h"

#include "policy/address.h"
#include "policy/dkim_signature.h"
#include "policy/dns.h"
#include "policy/text.h"

#include <string.h>

static bool
refuse(struct fault *fault, const char *words)
{
	fault_set(fault, FAULT_PERMANENT, "%s", words);
	return false;
}

/* Put the normalised form of the domain at tail in its place; text is all of
 * the pattern that ends with it. */
static bool
normalise(struct arena *arena, char *text, char *tail, const char **pattern_out,
    struct fault *fault)
{
	const char *domain;

	if (!address_domain(arena, tail, strlen(tail), &domain, fault))
		return false;
	*pattern_out = text;
	if (strlen(domain) <= strlen(tail)) {
		memcpy(tail, domain, strlen(domain) + 1);
		return true;
	}
	*pattern_out =
	    arena_printf(arena, "%.*s%s", (int)(tail - text), text, domain);
	if (*pattern_out == NULL)
		fault_memory(fault);
	return *pattern_out != NULL;
}

/* What holds for every pattern; its ASCII letters are made small. */
static bool
begin(char *text, struct fault *fault)
{
	if (strlen(text) > OPENDKIM_PATTERN_OCTETS)
		return refuse(fault, "longer than any address");
	if (strchr(text, '"') != NULL)
		return refuse(
		    fault, "write what is before the \"@\" without quotes");
	text_lower(text);
	return true;
}

bool
opendkim_pattern_plain(struct arena *arena, char *text,
    const char **pattern_out, struct fault *fault)
{
	char *at;
	char *host;
	const char *star;

	if (!begin(text, fault))
		return false;
	at = strrchr(text, '@');
	host = at != NULL ? at + 1 : text;
	star = strchr(text, '*');
	*pattern_out = text;
	if (at == text)
		return refuse(fault,
		    "nothing before the \"@\"; write a whole domain without "
		    "\"@\"");
	if (star != NULL && (star != host || star[1] != '\0'))
		return refuse(fault,
		    "\"*\" within an entry needs \"refile:\" before the "
		    "table's name; in a plain file write DOMAIN, .DOMAIN for "
		    "its subdomains, USER@* or * alone");
	if (star != NULL)
		return true;
	if (*host == '.')
		host++;
	return normalise(arena, text, host, pattern_out, fault);
}

/* The manual says that all but "*" stands for itself, but the program hands it
 * to regcomp(3) with "+" and "." alone made harmless. */
static const char regular[] = "[](){}|?^$\\";

/* Is it what a domain can have, in ASCII, with "*"? */
static bool
is_partial_domain(const char *text, const char *end)
{
	return text + strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_.*")
	    >= end;
}

/* The part of a pattern that is about the domain: what is behind the "@", if
 * there is one, else from the last "*" on. What is behind both is a domain if
 * it begins with a label. */
static bool
glob_domain(struct arena *arena, char *text, const char **pattern_out,
    struct fault *fault)
{
	char *at = strrchr(text, '@');
	char *star = strrchr(text, '*');
	char *part = at != NULL ? at + 1 : star;
	char *tail = part;

	if (star >= part)
		tail = star + 1;
	if (!is_partial_domain(part, tail)
	    || (tail > part && *tail != '.'
		&& !is_partial_domain(tail, tail + strlen(tail))))
		return refuse(fault,
		    "a label with \"*\" must be ASCII, an A-label at need, "
		    "and have nothing that no domain can have");
	if (tail == part)
		return normalise(arena, text, tail, pattern_out, fault);
	if (*tail == '.')
		return normalise(arena, text, tail + 1, pattern_out, fault);
	return true;
}

bool
opendkim_pattern_glob(struct arena *arena, char *text, const char **pattern_out,
    struct fault *fault)
{
	if (!begin(text, fault))
		return false;
	*pattern_out = text;
	if (strpbrk(text, regular) != NULL)
		return refuse(fault,
		    "one of [](){}|?^$\\ in it, which OpenDKIM reads as a "
		    "regular expression against its manual; only \"*\" stands "
		    "for something else: write a line for each address");
	if (strpbrk(text, "@*") == NULL)
		return refuse(fault,
		    "no \"@\" and no \"*\" in it, so that no address fits; "
		    "write *@DOMAIN");
	if (text[0] == '@')
		return refuse(
		    fault, "nothing before the \"@\"; write *@DOMAIN");
	return glob_domain(arena, text, pattern_out, fault);
}

/* The first "*" takes what is before it, the last what is after it, so that
 * each piece between can be taken at its first place: no step back. */
bool
opendkim_pattern_fits(const char *pattern, const char *subject, size_t length)
{
	const char *star = strchr(pattern, '*');
	const char *last = strrchr(pattern, '*');
	size_t head = (size_t)(star - pattern);
	size_t tail = strlen(last + 1);

	if (head + tail > length || memcmp(pattern, subject, head) != 0
	    || memcmp(last + 1, subject + length - tail, tail) != 0)
		return false;
	subject += head;
	length -= head + tail;
	while (star != last) {
		const char *piece = star + 1;
		const char *found;

		star = strchr(piece, '*');
		found = memmem(subject, length, piece, (size_t)(star - piece));
		if (found == NULL)
			return false;
		found += star - piece;
		length -= (size_t)(found - subject);
		subject = found;
	}
	return true;
}

/* How long the length octets at text are with each "%" replaced. */
static size_t
filled_length(const char *text, size_t length, size_t domain_length)
{
	size_t filled = 0;

	for (size_t i = 0; i < length; i++)
		filled += text[i] == '%' ? domain_length : 1;
	return filled;
}

const char *
opendkim_pattern_fill(struct arena *arena, const char *text, const char *domain)
{
	size_t domain_length = strlen(domain);
	char *made = arena_alloc(
	    arena, filled_length(text, strlen(text), domain_length) + 1);
	char *at = made;

	if (made == NULL)
		return NULL;
	for (; *text != '\0'; text++) {
		size_t size = *text == '%' ? domain_length : 1;

		memcpy(at, *text == '%' ? domain : text, size);
		at += size;
	}
	*at = '\0';
	return made;
}

/* A signer's form, whatever "%" stands for. What needs quotes or isn't ASCII
 * would be read in many ways, and nobody has it. */
static bool
is_signer(const char *signer, const char *at, struct fault *fault)
{
	if (at == NULL || strchr(at + 1, '@') != NULL)
		return refuse(fault,
		    "what is behind the \":\" is the signer, for i=, and must "
		    "be @DOMAIN or USER@DOMAIN; write \"@%\" for the author's "
		    "domain");
	for (; signer < at; signer++)
		if (*signer != '.' && address_atext(signer, 1) == 0)
			return refuse(fault,
			    "what is before the \"@\" of its signer must be "
			    "ASCII, without blanks and what needs quotes");
	return true;
}

bool
opendkim_pattern_signer(struct arena *arena, const char *signer,
    const char *author_domain, const char *domain, const char **identity_out,
    struct fault *fault)
{
	const char *at = strchr(signer, '@');
	const char *identity;
	const char *host;

	*identity_out = NULL;
	if (!is_signer(signer, at, fault))
		return false;
	if (filled_length(signer, strlen(signer), strlen(author_domain))
	    > ADDRESS_OCTETS)
		return refuse(fault, "its signer is longer than any address");
	identity = opendkim_pattern_fill(arena, signer, author_domain);
	if (identity == NULL) {
		fault_memory(fault);
		return false;
	}
	at = strchr(identity, '@');
	if (!address_domain(arena, at + 1, strlen(at + 1), &host, fault)) {
		fault_prefix(fault, "its signer: ");
		return false;
	}
	if (domain != NULL && !dns_is_within(host, domain))
		return refuse(fault,
		    "its signer's domain is neither the d= of the key nor "
		    "below it (RFC 6376 section 3.5); write \"@\" and that d=, "
		    "or no signer");
	identity = arena_printf(
	    arena, "%.*s@%s", (int)(at - identity), identity, host);
	if (identity == NULL) {
		fault_memory(fault);
		return false;
	}
	/* Whoever signs must not stumble over it. */
	if (dkim_signature_identity(identity, host, arena, fault) == NULL) {
		fault_prefix(fault, "its signer: ");
		return false;
	}
	*identity_out = identity;
	return true;
}

/* Where it depends on the author, the shortest domain shows whether it has the
 * form. */
bool
opendkim_pattern_signer_check(struct arena *arena, const char *signer,
    const char *domain, struct fault *fault)
{
	const char *at = strchr(signer, '@');
	const char *identity;

	if (at != NULL && strchr(at, '%') != NULL)
		domain = NULL;
	return opendkim_pattern_signer(
	    arena, signer, "a", domain, &identity, fault);
}
