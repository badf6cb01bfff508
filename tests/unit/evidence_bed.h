/* evidence_bed: a resolver over a zone in memory, and what a message needs to
 * be judged by it. */
#ifndef TESTS_UNIT_EVIDENCE_BED_H
#define TESTS_UNIT_EVIDENCE_BED_H

#include "milter/io/evidence.h"
#include "tests/fake/dns_source.h"

#include <stdbool.h>
#include <stdint.h>

/* The example key of RFC 8463 appendix A, and another. */
#define KEY "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define OTHER_KEY "PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw="

struct bed {
	struct suffixes *suffixes;
	struct dns_source *source;
	struct resolver *resolver;
	struct arena arena;
};

/* Open it; suffixes are libpsl's own. Ends the test if that can't be. */
void bed_open(struct bed *bed, enum dns_source_way way);

/* Close what bed_open() opened. */
void bed_close(struct bed *bed);

/* An egress address; text must be one. */
struct egress bed_egress(const char *text, const char *helo);

/* Gather and judge by all profiles, in the bed's arena, with an asker that has
 * ended when it returns: nothing may hang on that. False: no memory. */
bool bed_gather(struct bed *bed, const struct evidence_question *question,
    uint64_t timeout_ms, struct preflight_evidence *evidence_out,
    struct preflight_judgement *judgement_out);

#endif
