/* metrics: counters of the process since it started. Atomic: any thread. */
#ifndef MILTER_IO_METRICS_H
#define MILTER_IO_METRICS_H

#include "policy/facts.h"
#include "policy/preflight.h"
#include "policy/verdict.h"

#include <stdatomic.h>
#include <stddef.h>

struct metrics {
	atomic_ullong messages[CLASS_COUNT][ACTION_REJECT + 1];
	atomic_ullong observed; /* passed, though would have been refused */
	atomic_ullong refused_at_mail;
	atomic_ullong preflights[PREFLIGHT_RESULTS]; /* what they found */
	atomic_ullong signatures;
	atomic_ullong unsigned_messages; /* left without one; not inbound */
	atomic_ullong store_faults;
	atomic_ullong limit_warnings;
	atomic_ullong key_faults;
	atomic_ullong self_checks;
	atomic_ullong self_check_differences;
	atomic_ullong reloads;
	atomic_ullong reload_failures;
	atomic_size_t connections; /* open now */
	atomic_size_t messages_under_way;
};

#endif
