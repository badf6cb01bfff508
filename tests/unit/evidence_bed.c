#include "tests/unit/evidence_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ARENA_OCTETS = 4 << 20 };

static const char zone[] =
    "{"
    "\"good.example\": [[\"TXT\", \"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 "
    "-all\"]],"
    "\"_dmarc.good.example\": [[\"TXT\", \"v=DMARC1; p=reject\"]],"
    "\"s1._domainkey.good.example\": [[\"TXT\", \"v=DKIM1; k=ed25519; p=" KEY
    "\"]],"
    "\"s2._domainkey.good.example\": [[\"TXT\", \"v=DKIM1; k=ed25519; "
    "p=" OTHER_KEY "\"]],"
    "\"s4._domainkey.good.example\": [\"SERVFAIL\"],"
    "\"bounce.good.example\": [[\"TXT\", \"v=spf1 include:good.example "
    "-all\"]],"
    "\"lost.example\": [\"SERVFAIL\"],"
    "\"_dmarc.lost.example\": [\"SERVFAIL\"],"
    "\"_dmarc.strict.example\": [[\"TXT\", \"v=DMARC1; p=quarantine; "
    "aspf=s; adkim=s\"]],"
    "\"mx1.good.example\": [[\"TXT\", \"v=spf1 a -all\"], [\"A\", "
    "\"192.0.2.1\"]],"
    "\"mx2.good.example\": [[\"TXT\", \"v=spf1 a -all\"], [\"A\", "
    "\"192.0.2.99\"]],"
    "\"bare.example\": [[\"A\", \"192.0.2.80\"]],"
    "\"lists.example\": [[\"TXT\", \"v=spf1 ip4:192.0.2.0/24 -all\"]]"
    "}";

void
bed_open(struct bed *bed, enum dns_source_way way)
{
	struct fault fault = { 0 };

	bed->suffixes = suffixes_open(NULL, &fault);
	if (bed->suffixes == NULL)
		fail_msg("%s", fault.words);
	bed->source = dns_source_open(zone, way, 0);
	bed->resolver = dns_source_resolver(bed->source, bed->suffixes);
	arena_init(&bed->arena, ARENA_OCTETS);
}

void
bed_close(struct bed *bed)
{
	arena_clear(&bed->arena);
	dns_source_close(&bed->source);
	resolver_close(&bed->resolver);
	suffixes_close(&bed->suffixes);
}

struct egress
bed_egress(const char *text, const char *helo)
{
	struct egress egress = { .text = text, .helo = helo };

	assert_true(network_address(text, &egress.address));
	return egress;
}

bool
bed_gather(struct bed *bed, const struct evidence_question *question,
    uint64_t timeout_ms, struct preflight_evidence *evidence_out,
    struct preflight_judgement *judgement_out)
{
	static const bool is_used[PREFLIGHT_PROFILES] = { true, true, true };
	struct resolver_asker *asker =
	    resolver_begin(bed->resolver, timeout_ms);
	bool is_gathered;

	assert_non_null(asker);
	is_gathered = evidence_gather(
	    asker, bed->suffixes, question, &bed->arena, evidence_out);
	resolver_end(&asker);
	return is_gathered
	    && preflight_judge(
		evidence_out, is_used, &bed->arena, judgement_out);
}
