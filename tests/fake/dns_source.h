/* dns_source: a source of answers for the resolver (resolver_open_with()) over
 * a zone of tests/fake/zone.h, which counts what is asked and answers at once,
 * when it is told to, after a while, or never. Locked inside. */
#ifndef TESTS_FAKE_DNS_SOURCE_H
#define TESTS_FAKE_DNS_SOURCE_H

#include "milter/io/resolver.h"

#include <stdbool.h>
#include <stddef.h>

enum dns_source_way {
	DNS_SOURCE_AT_ONCE,
	DNS_SOURCE_HELD,    /* till dns_source_release() */
	DNS_SOURCE_DELAYED, /* each after the same delay */
	DNS_SOURCE_NEVER,
};

struct dns_source;

/* A source over the zone that json holds (a mistake in it ends the program).
 * delay_ms is for DNS_SOURCE_DELAYED. Ends the program for want of memory. */
struct dns_source *
dns_source_open(const char *json, enum dns_source_way way, unsigned delay_ms);

/* A resolver that asks it; NULL suffixes: none. Ends the program if there is
 * none. The source is to be closed first: an answer may be on its way. */
struct resolver *
dns_source_resolver(struct dns_source *source, const struct suffixes *suffixes);

/* How many questions were asked so far. */
size_t dns_source_asked(struct dns_source *source);

/* How often was this asked: "TXT _dmarc.example.com"? */
size_t dns_source_asked_for(struct dns_source *source, const char *question);

/* Wait until at least count questions were asked; false: not within 10 s. */
bool dns_source_await(struct dns_source *source, size_t count);

/* Answer what was held, and from now on at once. */
void dns_source_release(struct dns_source *source);

/* Free it. Empties the pointer; takes NULL. */
void dns_source_close(struct dns_source **source);

#endif
