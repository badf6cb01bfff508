/* charging: asks the store what policy/limits says a message costs, and gives
 * back what wasn't due (design §6). */
#ifndef MILTER_CHARGING_H
#define MILTER_CHARGING_H

#include "milter/session.h"

/* Charge a message that would leave; nothing is counted when a limit says no.
 * Where the store can't be asked, store.on_failure answers. */
struct verdict charging_charge(struct session *session);

/* Would charging_charge() let it pass now? Counts nothing. */
struct verdict charging_look(struct session *session);

/* Charge a message that will be held for the reasons of verdict: it is counted
 * though it goes over its limits. In class local, an account with hold_max
 * messages held in a day gets a rejection instead, if the bounce stays with
 * us. */
struct verdict charging_hold(struct session *session, struct verdict verdict);

/* Count a refusal. */
void charging_refusal(struct session *session);

/* Give back what was charged, if anything. */
void charging_take_back(struct session *session);

/* The limit that hold_max of a class stands for, as the store knows it. */
struct limit charging_hold_limit(const struct class_conf *class);

#endif
