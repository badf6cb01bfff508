/* amount: durations and maxima as people type them, and text that they give
 * for others to read. */
#ifndef MILTER_CTL_AMOUNT_H
#define MILTER_CTL_AMOUNT_H

#include "policy/fault.h"
#include "policy/limits.h"

#include <stdbool.h>
#include <stdint.h>

/* Of what can be typed; the configuration has the same for max. */
#define AMOUNT_MOST 1000000000000000ULL
#define AMOUNT_DURATION_MOST_MS (3660ULL * 24 * 3600 * 1000)

/* A duration with its unit: "90s", "30m", "2h", "7d". False with words if it
 * is none, is 0, or is longer than ten years. */
bool amount_duration(
    const char *typed, uint64_t *duration_ms_out, struct fault *fault);

/* The max of a limit that counts so: digits, of bytes also with K, M, G or T
 * after them. False with words. */
bool amount_max(const char *typed, enum limit_count count, uint64_t *max_out,
    struct fault *fault);

/* May typed be the words of an override? They are printable and no longer
 * than STORE_WORDS octets. False with words. */
bool amount_reason(const char *typed, struct fault *fault);

#endif
