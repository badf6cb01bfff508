#include "milter/ctl/amount.h"

#include "milter/io/store.h"
#include "policy/text.h"

#include <string.h>

enum { DIGITS_MOST = 20 };

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit durations[] = { { "s", 1000 }, { "m", 60000 },
	{ "h", 3600000 }, { "d", 86400000 }, { NULL, 0 } };
static const struct unit sizes[] = { { "", 1 }, { "K", 1ULL << 10 },
	{ "M", 1ULL << 20 }, { "G", 1ULL << 30 }, { "T", 1ULL << 40 },
	{ NULL, 0 } };
static const struct unit plain[] = { { "", 1 }, { NULL, 0 } };

/* Digits and one of units, no more than most. */
static bool
read_amount(const char *typed, const struct unit *units, uint64_t most,
    uint64_t *amount_out)
{
	size_t digits = strspn(typed, "0123456789");
	char space[DIGITS_MOST + 1];

	while (units->name != NULL && strcmp(units->name, typed + digits) != 0)
		units++;
	if (units->name == NULL || digits == 0 || digits > DIGITS_MOST)
		return false;
	memcpy(space, typed, digits);
	space[digits] = '\0';
	if (!text_number(space, 0, most / units->factor, amount_out))
		return false;
	*amount_out *= units->factor;
	return true;
}

bool
amount_duration(
    const char *typed, uint64_t *duration_ms_out, struct fault *fault)
{
	if (read_amount(
		typed, durations, AMOUNT_DURATION_MOST_MS, duration_ms_out)
	    && *duration_ms_out > 0)
		return true;
	fault_set(fault, FAULT_PERMANENT,
	    "\"%s\" is no duration; write digits and s, m, h or d, at most "
	    "3660d: \"2h\"",
	    typed);
	return false;
}

bool
amount_max(const char *typed, enum limit_count count, uint64_t *max_out,
    struct fault *fault)
{
	bool is_bytes = count == LIMIT_BYTES;

	if (read_amount(typed, is_bytes ? sizes : plain, AMOUNT_MOST, max_out))
		return true;
	fault_set(fault, FAULT_PERMANENT,
	    "\"%s\" is no max; write digits%s, at most %llu, or default", typed,
	    is_bytes ? " and K, M, G or T" : "",
	    (unsigned long long)AMOUNT_MOST);
	return false;
}

/* The client reads it in the reply, an administrator at his terminal. */
bool
amount_reason(const char *typed, struct fault *fault)
{
	char space[STORE_WORDS + 4];
	struct text text;

	if (strlen(typed) > STORE_WORDS) {
		fault_set(fault, FAULT_PERMANENT,
		    "--reason: at most %d octets, this has %zu",
		    (int)STORE_WORDS, strlen(typed));
		return false;
	}
	text_init(&text, space, sizeof(space));
	text_add_clean(&text, typed, strlen(typed), true);
	if (strcmp(space, typed) == 0)
		return true;
	fault_set(fault, FAULT_PERMANENT,
	    "--reason: \"%s\" has characters that aren't printable", space);
	return false;
}
