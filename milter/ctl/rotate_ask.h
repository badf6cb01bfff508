/* rotate_ask: one question for TXT records put to several name servers at once,
 * to each directly: over UDP, a few times, and over TCP where the answer
 * doesn't fit or EDNS isn't known. A server that has kept silent several times
 * in a row isn't waited for again for a while. */
#ifndef MILTER_CTL_ROTATE_ASK_H
#define MILTER_CTL_ROTATE_ASK_H

#include "milter/ctl/rotate_packet.h"
#include "policy/arena.h"
#include "policy/fault.h"
#include "policy/network.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ROTATE_ASK_MS = 6000,         /* all of it */
	ROTATE_ASK_SERVERS = 32,      /* at once */
	ROTATE_ASK_SILENCES = 3,      /* then it isn't waited for */
	ROTATE_ASK_SILENT_MS = 60000, /* for so long */
	ROTATE_ASK_PORT = 53,
};

struct rotate_asker;

/* An address where a name server should be. */
struct rotate_server {
	const char *label; /* its name, or as it was given; for words */
	struct address address;
	uint16_t port;
};

/* What became of the question to one of them. */
enum rotate_heard {
	ROTATE_HEARD,   /* answer is there */
	ROTATE_SILENT,  /* no answer, for reasons in words */
	ROTATE_NO_PATH, /* this host has no way to such an address */
};

struct rotate_reply {
	enum rotate_heard heard;
	struct rotate_answer answer;
	const char *words;
};

/* What several threads share: who has kept silent. NULL: no memory. */
struct rotate_asker *rotate_asker_open(void);

/* Free it. Empties the pointer; takes NULL. */
void rotate_asker_close(struct rotate_asker **asker);

/* Ask count servers (at most ROTATE_ASK_SERVERS) for the TXT records at name,
 * each into the reply of the same place. Waits timeout_ms at most. False only
 * for want of memory, or of anything else that has nothing to do with the
 * servers. Any thread. */
bool rotate_ask(struct rotate_asker *asker, const struct rotate_server *servers,
    size_t count, const char *name, uint64_t timeout_ms, struct arena *arena,
    struct rotate_reply *replies_out, struct fault *fault);

#endif
