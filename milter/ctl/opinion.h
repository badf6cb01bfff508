/* opinion: what a receiver with libspf2, and one with libopendmarc (fed with
 * what libspf2 said), would make of a message. Both have known flaws, in what
 * they answer and in how they handle memory, so they run in a process apart
 * (opinion_process.h) and their questions to the DNS are asked here. Nothing
 * rests on their answer. */
#ifndef MILTER_CTL_OPINION_H
#define MILTER_CTL_OPINION_H

#include "milter/io/resolver.h"
#include "policy/arena.h"
#include "policy/preflight.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json_object;
struct opinion_process;

/* Questions that a library may put to the DNS for one answer; what it asks
 * beyond is lost to it. */
enum { OPINION_QUESTIONS = 300 };

/* What is asked; borrowed. The evidence tells addresses, authors and
 * signatures. */
struct opinion_question {
	const char *sender_local;
	const char *sender_domain; /* NULL: the null sender */
	const struct preflight_evidence *evidence;
	const struct preflight_judgement *judgement;
	struct resolver *resolver; /* where the DNS is asked */
	uint64_t timeout_ms;       /* for all of that, for each library */
};

/* What one library says. */
struct opinion_words {
	const char *word;  /* of RFC 7208 §2.6, or as preflight_result_name(),
			      or "crashed", or "timeout"; NULL: not asked */
	const char *why;   /* in the library's words, not cleaned; NULL */
	const char *where; /* the egress address that it is about; NULL */
};

/* All of it; in the arena. */
struct opinion {
	struct opinion_words spf;   /* the worst over the egress addresses */
	struct opinion_words dmarc; /* the same, by RFC 7489; of the first
				       author */
	const char *const *differences; /* from ours, a sentence each */
	size_t difference_count;
};

/* Ask both. Any thread. False: no memory. */
bool opinion_ask(struct opinion_process *process,
    const struct opinion_question *question, struct arena *arena,
    struct opinion *opinion_out);

/* Print it for people. */
void opinion_text(const struct opinion *opinion, FILE *out);

/* Add "opinions" to a JSON object: the word of each library under its name,
 * "details", and "differences". */
void opinion_json(const struct opinion *opinion, struct json_object *object);

#endif
