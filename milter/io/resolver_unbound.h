/* resolver_unbound: libunbound as a source of answers for resolver. It sends
 * all questions to the servers of the rules (a forwarder, or a server with
 * zones of its own), whatever their names; follows aliases, asks again over TCP
 * what didn't fit, and validates if there is a trust anchor. Two threads do it:
 * one of libunbound, and one that takes its results. Locked inside: any
 * thread. */
#ifndef MILTER_IO_RESOLVER_UNBOUND_H
#define MILTER_IO_RESOLVER_UNBOUND_H

#include "milter/io/resolver.h"
#include "policy/fault.h"

struct resolver_unbound;

/* Make it ready and start its threads, with all signals blocked. NULL with
 * words. */
struct resolver_unbound *
resolver_unbound_open(const struct resolver_rules *rules, struct fault *fault);

/* start() of struct resolver_source; context is what the function above gave.
 */
void resolver_unbound_start(void *context, struct resolver *resolver,
    uint64_t ticket, const struct dns_question *question);

/* Forget what libunbound has cached. What is under way is asked anew. Waits
 * until it is done, some milliseconds. */
void resolver_unbound_forget(struct resolver_unbound *unbound);

/* End both threads; what is under way gets no answer any more. Empties the
 * pointer; takes NULL. */
void resolver_unbound_close(struct resolver_unbound **unbound);

#endif
