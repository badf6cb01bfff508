#include "policy/signing.h"

#include "policy/address.h"
#include "policy/text.h"

#include <string.h>

enum { SELECTOR_OCTETS = 200, LABEL_OCTETS = 63 };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* RFC 6376 §5.4.1, and RFC 8058 §4's List-Unsubscribe-Post. */
static const char *const default_headers[] = {
	"From",
	"Reply-To",
	"Subject",
	"Date",
	"To",
	"Cc",
	"Resent-Date",
	"Resent-From",
	"Resent-To",
	"Resent-Cc",
	"In-Reply-To",
	"References",
	"List-Id",
	"List-Help",
	"List-Unsubscribe",
	"List-Unsubscribe-Post",
	"List-Subscribe",
	"List-Post",
	"List-Owner",
	"List-Archive",
};

/* What every hop, or the recipient's own server, adds, changes or takes away.
 * Bcc is taken away before the message leaves. */
static const char *const volatile_headers[] = {
	"Return-Path",
	"Received",
	"Received-SPF",
	"Comments",
	"Keywords",
	"Bcc",
	"Resent-Bcc",
	"Delivered-To",
	"DKIM-Signature",
	"DomainKey-Signature",
	"Authentication-Results",
	"ARC-Seal",
	"ARC-Message-Signature",
	"ARC-Authentication-Results",
};

/* Covered whatever the configuration says: without From there is no DKIM
 * signature (RFC 6376 §5.4), without the other two no one-click unsubscribing
 * (RFC 8058 §4). */
static const char *const always_headers[] = {
	"From",
	"List-Unsubscribe",
	"List-Unsubscribe-Post",
};

size_t
signing_candidates(
    const char *author_domain, const char *candidates[SIGNING_CANDIDATES])
{
	const char *domain = author_domain;
	size_t count = 0;

	/* An address literal is nobody's domain and has no keys. */
	if (domain == NULL || *domain == '\0' || *domain == '[')
		return 0;
	while (domain != NULL && count < SIGNING_CANDIDATES) {
		candidates[count++] = domain;
		domain = address_parent(domain);
	}
	return count;
}

struct field_names
signing_default_headers(void)
{
	return (struct field_names){ .names = default_headers,
		.count = COUNT(default_headers) };
}

static bool
is_among(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (text_equal_case(names[i], name))
			return true;
	return false;
}

bool
signing_is_volatile(const char *name)
{
	return is_among(volatile_headers, COUNT(volatile_headers), name);
}

bool
signing_covers(const struct signing_rules *rules, const char *name)
{
	return is_among(always_headers, COUNT(always_headers), name)
	    || is_among(rules->headers.names, rules->headers.count, name)
	    || is_among(rules->oversign.names, rules->oversign.count, name);
}

static bool
is_letter_or_digit(char octet)
{
	return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z')
	    || (octet >= '0' && octet <= '9');
}

/* A label as there are in DNS: no hyphen at its ends. The underscore isn't
 * in RFC 6376's sub-domain, but selectors that have it are in use. */
static bool
is_label(const char *label, size_t length)
{
	if (length == 0 || length > LABEL_OCTETS || label[0] == '-'
	    || label[length - 1] == '-')
		return false;
	for (size_t i = 0; i < length; i++)
		if (!is_letter_or_digit(label[i]) && label[i] != '-'
		    && label[i] != '_')
			return false;
	return true;
}

bool
signing_is_selector(const char *name)
{
	if (strnlen(name, SELECTOR_OCTETS + 1) > SELECTOR_OCTETS)
		return false;
	for (;;) {
		size_t length = strcspn(name, ".");

		if (!is_label(name, length))
			return false;
		if (name[length] == '\0')
			return true;
		name += length + 1;
	}
}
