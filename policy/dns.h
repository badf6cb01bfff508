/* dns: questions to the DNS and their answers as plain data, and the shape of
 * what thinks with them. policy/ asks no server: a machine (SPF, DMARC, a
 * key's record) names its next question, somebody else asks it, and the
 * machine is handed the answer (milter/io/lookup.h). */
#ifndef POLICY_DNS_H
#define POLICY_DNS_H

#include "policy/network.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The numbers of RFC 1035 §3.2.2 and RFC 3596. */
enum dns_type {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
};

enum dns_status {
	DNS_FOUND,    /* at least one record of the type */
	DNS_NODATA,   /* the name is there, but has none of the type */
	DNS_NXDOMAIN, /* neither the name nor anything below it (RFC 8020) */
	DNS_LOST,     /* nothing that can be believed: SERVFAIL, REFUSED, no
			 answer in time, bogus (DNSSEC), a loop of aliases, an
			 answer that can't be read */
};

enum {
	DNS_LABEL_OCTETS = 63, /* RFC 1035 §2.3.4 */
	DNS_NAME_OCTETS = 253, /* as text, without the last dot */
};

/* name: labels parted by dots, no last dot, no escapes: other octets stand for
 * themselves. dns_is_name() must hold for it. */
struct dns_question {
	const char *name;
	enum dns_type type;
};

/* What a record holds depends on the type of the question. Names are in lower
 * case, without the last dot; octets in them other than letters, digits,
 * hyphen and underscore are written \DDD. */
struct dns_record {
	struct address address; /* A and AAAA */
	const char *name;       /* MX, NS and PTR; "" is the root */
	uint16_t preference;    /* MX */
	const char *text;       /* TXT: its strings joined, any octets */
	size_t text_length;
};

/* Aliases (CNAME) have been followed. Immutable. */
struct dns_answer {
	enum dns_status status;
	uint32_t ttl_s; /* how long it holds: the least of all records that
			   led to it; of a negative one RFC 2308's */
	const struct dns_record *records; /* in the order of the answer */
	size_t count;                     /* 0 unless DNS_FOUND */
	const char *why;                  /* DNS_LOST: in words; else NULL */
};

/* How machines are driven; machine is what their begin function gave. */
struct dns_machine {
	/* What it must know next; NULL: it has come to its end. The same
	 * until answer() was called. */
	const struct dns_question *(*asks)(const void *machine);

	/* The answer to what asks() gave. It is borrowed for the call only. */
	void (*answer)(void *machine, const struct dns_answer *answer);

	/* What it may ask later, as far as it can be said now, so that it can
	 * be asked beside: at most room questions; the first are the likeliest.
	 * They live as long as the machine. Being asked, or not, changes no
	 * result. */
	size_t (*hints)(const void *machine, struct dns_question *questions_out,
	    size_t room);

	/* The answer to a question that hints() gave, before the machine asks
	 * it: it may keep what it says, and hint at what follows from it
	 * (the terms of a record that is included later). Borrowed for the
	 * call; handing it in, or not, changes no result. NULL: no use. */
	void (*learn)(void *machine, const struct dns_question *question,
	    const struct dns_answer *answer);
};

/* Can the DNS be asked for name: one label or more, each of 1 to 63 octets, at
 * most 253 in all? */
bool dns_is_name(const char *name);

/* How many labels name has; 0 for "". */
size_t dns_labels(const char *name);

/* The last count labels of name, pointing into it; all of it if it has no
 * more. */
const char *dns_suffix(const char *name, size_t count);

/* Are the two names equal but for ASCII case? */
bool dns_equal(const char *one, const char *other);

/* Is name the same as domain, or below it? */
bool dns_is_within(const char *name, const char *domain);

/* "A", "NS", "PTR", "MX", "TXT", "AAAA". */
const char *dns_type_name(enum dns_type type);

#endif
