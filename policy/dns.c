#include "policy/dns.h"

#include "policy/text.h"

#include <string.h>

bool
dns_is_name(const char *name)
{
	size_t label = 0, length = 0;

	for (; name[length] != '\0'; length++) {
		if (name[length] != '.')
			label++;
		else if (label == 0)
			return false;
		else
			label = 0;
		if (label > DNS_LABEL_OCTETS || length >= DNS_NAME_OCTETS)
			return false;
	}
	return label > 0;
}

size_t
dns_labels(const char *name)
{
	size_t count = *name != '\0' ? 1 : 0;

	for (; *name != '\0'; name++)
		count += *name == '.';
	return count;
}

const char *
dns_suffix(const char *name, size_t count)
{
	for (size_t has = dns_labels(name); has > count; has--) {
		const char *dot = strchr(name, '.');

		name = dot != NULL ? dot + 1 : name + strlen(name);
	}
	return name;
}

bool
dns_equal(const char *one, const char *other)
{
	return text_equal_case(one, other);
}

bool
dns_is_within(const char *name, const char *domain)
{
	size_t length = strlen(name), tail = strlen(domain);

	if (tail == 0 || length < tail
	    || !text_equal_case(name + length - tail, domain))
		return false;
	return length == tail || name[length - tail - 1] == '.';
}

const char *
dns_type_name(enum dns_type type)
{
	switch (type) {
	case DNS_A:
		return "A";
	case DNS_NS:
		return "NS";
	case DNS_PTR:
		return "PTR";
	case DNS_MX:
		return "MX";
	case DNS_TXT:
		return "TXT";
	case DNS_AAAA:
		return "AAAA";
	}
	return "?";
}
