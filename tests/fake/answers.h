/* answers: a source of answers for a resolver under test, which does as it is
 * told: it answers at once, or when the test says so, or never. Locked inside:
 * any thread. */
#ifndef TESTS_FAKE_ANSWERS_H
#define TESTS_FAKE_ANSWERS_H

#include "milter/io/resolver.h"

#include <stdbool.h>
#include <stddef.h>

struct answers;

/* One that holds all questions. NULL ends no test: it ends the program. */
struct answers *answers_open(void);

/* What a resolver is opened with. */
struct resolver_source answers_source(struct answers *answers);

/* From now on answer everything at once with answer (borrowed); NULL: hold it
 * again. */
void answers_at_once(struct answers *answers, const struct dns_answer *answer);

/* Wait until name is asked for and held, and answer it. From another thread
 * than the one that waits for it, or before that waits. */
void answers_give(
    struct answers *answers, const char *name, const struct dns_answer *answer);

/* Answer one that is held, whichever it is; false: none is. */
bool answers_give_any(struct answers *answers, const struct dns_answer *answer);

/* How often name was asked for; NULL: all questions. */
size_t answers_count(struct answers *answers, const char *name);

/* How many are held. */
size_t answers_held(struct answers *answers);

/* Free it; the resolver is closed. Empties the pointer. */
void answers_close(struct answers **answers);

#endif
