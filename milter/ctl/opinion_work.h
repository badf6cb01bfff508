/* opinion_work: what is done in the jail: libspf2 and libopendmarc are given a
 * job, their questions to the DNS go out through a socket, and so does what
 * they say. Their flaws end this process, and nothing else. */
#ifndef MILTER_CTL_OPINION_WORK_H
#define MILTER_CTL_OPINION_WORK_H

#include "milter/ctl/opinion_wire.h"

/* One job: packet is it, and is used for all that is said. */
struct opinion_work {
	int fd;
	struct opinion_packet *packet;
};

/* Ask the DNS, by the number of the type. The packet is then the answer, its
 * records not yet read. NULL: nobody answers any more; else "found", "nodata",
 * "nxdomain" or "lost". */
const char *
opinion_work_ask(struct opinion_work *work, unsigned type, const char *name);

/* Say what came of it: a word of policy/spf.h or policy/preflight.h, and why
 * (NULL: nothing to say). */
void
opinion_work_tell(struct opinion_work *work, const char *word, const char *why);

/* What libspf2 says: the packet holds the client's address, the name of HELO,
 * and the sender ("" the null sender). */
void opinion_work_spf(struct opinion_work *work);

/* What libopendmarc says: the packet holds the author's domain, its
 * organizational domain, what SPF said and of which domain, "mail" or "helo",
 * then the domains whose signatures verify. */
void opinion_work_dmarc(struct opinion_work *work);

/* Have libopendmarc read the list of public suffixes, once, before the jail.
 * Without it every domain is its own organization to the library. */
void opinion_work_read_suffixes(void);

#endif
