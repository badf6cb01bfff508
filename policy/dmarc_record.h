/* dmarc_record: one DMARC policy record read (RFC 9989 §4.7 and §4.8, RFC 7489
 * §6.3 and §6.4; where the two differ, the struct tells what each needs). */
#ifndef POLICY_DMARC_RECORD_H
#define POLICY_DMARC_RECORD_H

#include <stdbool.h>
#include <stddef.h>

/* In the order of severity. */
enum dmarc_policy { DMARC_NONE, DMARC_QUARANTINE, DMARC_REJECT };

enum dmarc_psd { DMARC_PSD_UNKNOWN, DMARC_PSD_YES, DMARC_PSD_NO };

/* A policy tag: absent, or with a value that is one or isn't. */
struct dmarc_wish {
	bool is_there;
	bool is_valid;
	enum dmarc_policy policy;
};

struct dmarc_record {
	struct dmarc_wish p, sp, np;
	enum dmarc_psd psd;
	bool is_testing;         /* t=y (RFC 9989) */
	unsigned percent;        /* pct (RFC 7489); 100 unless well-formed */
	bool is_dkim_strict;     /* adkim=s */
	bool is_spf_strict;      /* aspf=s */
	bool has_report_address; /* rua with at least one valid URI */
};

enum { DMARC_RECORD_OCTETS = 16384 }; /* a longer one is none */

/* Read length octets. False: it is no DMARC record (doesn't begin with
 * v=DMARC1, a tag stands twice, ...) and is discarded as if it weren't there.
 */
bool dmarc_record_read(
    const char *text, size_t length, struct dmarc_record *record_out);

/* "none", "quarantine", "reject". */
const char *dmarc_policy_name(enum dmarc_policy policy);

#endif
