/* spf_told: a DNS that is a list in a test, and an SPF check driven by it. */
#ifndef TESTS_UNIT_SPF_TOLD_H
#define TESTS_UNIT_SPF_TOLD_H

#include "policy/spf.h"

#include <stddef.h>
#include <stdint.h>

enum {
	TOLD_MOST = 64, /* records in an answer */
	TOLD_TYPICAL = 13,
};

/* One record of a name. */
struct told {
	const char *name;
	enum dns_type type;
	const char *value; /* a text, a name, an address; NULL: lost */
	uint32_t ttl_s;
};

/* A domain with includes, a redirect and an explanation. */
extern const struct told told_typical[TOLD_TYPICAL];

/* The answer that the list gives to question; what isn't in it doesn't exist.
 * records holds it. */
void told_answer(const struct told *told, size_t count,
    const struct dns_question *question, struct dns_answer *answer_out,
    struct dns_record records[TOLD_MOST]);

/* Answer the next question of spf from the list. */
void told_next(struct spf *spf, const struct told *told, size_t count);

/* Answer all of its questions; how many they were. */
size_t told_run(struct spf *spf, const struct told *told, size_t count);

/* Answer its next question by one TXT record of length octets. */
void told_text(struct spf *spf, const char *text, size_t length);

/* The mailbox u@example.com, and a client. */
struct spf_identity told_identity(const char *client);

#endif
