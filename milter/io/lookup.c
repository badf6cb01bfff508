#include "milter/io/lookup.h"

#include <string.h>

enum { HINTS_AT_ONCE = 64 }; /* of one machine */

/* What there was a hint at. The names live as long as the machines. */
struct hinted {
	struct dns_question questions[LOOKUP_HINTS];
	size_t count;
};

void
lookup_init(struct lookup *lookup, struct resolver_asker *asker)
{
	lookup->asker = asker;
	lookup->count = 0;
}

bool
lookup_add(struct lookup *lookup, const struct dns_machine *kind, void *machine)
{
	if (lookup->count == LOOKUP_MACHINES)
		return false;
	lookup->machines[lookup->count].kind = kind;
	lookup->machines[lookup->count].machine = machine;
	lookup->count++;
	return true;
}

/* Drive one machine as far as it comes without waiting. True: it has come to
 * its end. */
static bool
drive(
    struct resolver_asker *asker, const struct dns_machine *kind, void *machine)
{
	const struct dns_question *question;

	while ((question = kind->asks(machine)) != NULL) {
		const struct dns_answer *answer = resolver_ask(asker, question);

		if (answer == NULL)
			return false;
		kind->answer(machine, answer);
	}
	return true;
}

/* Drive all; only those that wait for an answer stay in the set. */
static void
drive_all(struct lookup *lookup)
{
	size_t left = 0;

	for (size_t i = 0; i < lookup->count; i++)
		if (!drive(lookup->asker, lookup->machines[i].kind,
			lookup->machines[i].machine))
			lookup->machines[left++] = lookup->machines[i];
	lookup->count = left;
}

static bool
was_hinted(const struct hinted *hinted, const struct dns_question *question)
{
	for (size_t i = 0; i < hinted->count; i++)
		if (hinted->questions[i].type == question->type
		    && strcmp(hinted->questions[i].name, question->name) == 0)
			return true;
	return false;
}

/* Ask what machine may ask later; what is known of it already it is told, as
 * more may follow from that. Has it learnt anything? */
static bool
ask_hints(struct resolver_asker *asker, const struct dns_machine *kind,
    void *machine, struct hinted *hinted)
{
	struct dns_question questions[HINTS_AT_ONCE];
	size_t count = kind->hints(machine, questions, HINTS_AT_ONCE);
	bool has_learnt = false;

	for (size_t i = 0; i < count; i++) {
		const struct dns_answer *answer;

		if (!was_hinted(hinted, &questions[i])) {
			if (hinted->count == LOOKUP_HINTS)
				continue;
			hinted->questions[hinted->count++] = questions[i];
		}
		answer = resolver_hint(asker, &questions[i]);
		if (answer == NULL || answer->status == DNS_LOST
		    || kind->learn == NULL)
			continue;
		kind->learn(machine, &questions[i], answer);
		has_learnt = true;
	}
	return has_learnt;
}

/* The same until nothing follows from what is known. */
static void
hint(struct resolver_asker *asker, const struct dns_machine *kind,
    void *machine, struct hinted *hinted)
{
	for (size_t round = 0; round < LOOKUP_HINTS; round++)
		if (!ask_hints(asker, kind, machine, hinted))
			return;
}

/* The machines that are left wait: run them until none does. Apart from
 * lookup_run(), so that what all answers are known for needs no room. */
static void
run_waiting(struct lookup *lookup)
{
	struct hinted hinted = { .count = 0 };

	while (lookup->count > 0) {
		for (size_t i = 0; i < lookup->count; i++)
			hint(lookup->asker, lookup->machines[i].kind,
			    lookup->machines[i].machine, &hinted);
		(void)resolver_wait(lookup->asker);
		drive_all(lookup);
	}
}

void
lookup_run(struct lookup *lookup)
{
	drive_all(lookup);
	if (lookup->count > 0)
		run_waiting(lookup);
}
