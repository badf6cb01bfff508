/* socketmap_link: one connection to a server that speaks Postfix's socketmap
 * protocol (socketmap_table(5)): a netstring asks, a netstring answers. What
 * it is asked ends at the deadline whatever the peer does, also if it says an
 * octet now and then. One user at a time. */
#ifndef MILTER_IO_SOCKETMAP_LINK_H
#define MILTER_IO_SOCKETMAP_LINK_H

#include "milter/io/redis_names.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct socketmap_link;

enum { SOCKETMAP_REPLY_BYTES = 64 * 1024 + 64 }; /* a longer one is a fault */

/* How a question ended. */
enum socketmap_end {
	SOCKETMAP_ANSWERED,
	SOCKETMAP_UNHEARD, /* closed or broken before an octet of an answer */
	SOCKETMAP_LATE,    /* no answer by the deadline */
	SOCKETMAP_BROKEN,  /* half an answer, or what is none; or no memory */
};

/* Connect to socket, "inet:HOST:PORT" (an IPv6 address in brackets) or
 * "unix:/PATH". All deadlines are by clock_monotonic_us(). NULL with words. */
struct socketmap_link *socketmap_link_open(const char *socket,
    struct redis_names *names, uint64_t deadline_us, struct fault *fault);

/* Send length octets and wait for the answer's *length_out octets, which are
 * the caller's to free(3) and closed with a NUL. With another end than
 * SOCKETMAP_ANSWERED there are words and no answer. */
enum socketmap_end socketmap_link_ask(struct socketmap_link *link,
    const char *request, size_t length, uint64_t deadline_us, char **answer_out,
    size_t *length_out, struct fault *fault);

/* Can it be asked again, as far as can be seen without asking? Not after
 * another end than SOCKETMAP_ANSWERED, nor when the peer said more than it was
 * asked for; and the peer may close it at any time. */
bool socketmap_link_is_alive(struct socketmap_link *link);

/* The socket it was opened for; lives as long as the link. */
const char *socketmap_link_socket(const struct socketmap_link *link);

/* Close it. Empties the pointer; takes NULL. */
void socketmap_link_close(struct socketmap_link **link);

#endif
