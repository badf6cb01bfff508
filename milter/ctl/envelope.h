/* envelope: what Postfix's programs print of the messages in its queue: a line
 * of "postqueue -j", the lines of "postcat -e" (as of Postfix 3.7). */
#ifndef MILTER_CTL_ENVELOPE_H
#define MILTER_CTL_ENVELOPE_H

#include "policy/arena.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* A line is read so far; what follows are recipients. */
	ENVELOPE_LINE_BYTES = 64 * 1024,
	ENVELOPE_TEXT_OCTETS = 1100, /* longest login or sender that is kept */
};

/* A message as postqueue(1) lists it; the strings live in an arena. */
struct queued {
	const char *id;
	const char *queue;  /* "deferred", "active", "hold", ... */
	const char *sender; /* as Postfix shows it: "MAILER-DAEMON" is the null
			       sender */
	uint64_t arrival_s; /* since the epoch */
	uint64_t size_bytes;
};

/* Read a line of postqueue -j, which may have been cut at the end. False with
 * words: it is none. */
bool envelope_listed(char *line, struct arena *arena, struct queued *queued_out,
    struct fault *fault);

/* What a queue file says of where its message came from. Mere data; texts that
 * weren't there, or are too long, are "", but a sender that is too long is "?",
 * which is no address. */
struct envelope {
	char id[64];
	char login[ENVELOPE_TEXT_OCTETS + 1];
	char sender[ENVELOPE_TEXT_OCTETS + 1];
	char client[64]; /* address */
	uint64_t client_port;
	uint64_t server_port;
	bool has_sender; /* it was there, perhaps empty: the null sender */
	bool is_over;    /* what follows could be a client's words */
};

/* Read the next line of postcat -e -q. True: a message's part has ended with
 * it, and envelope is whole. The first line of a message begins a new one.
 * Postfix's own attributes come before those that a client has a say in, so
 * the first of each name counts. */
bool envelope_line(struct envelope *envelope, const char *line);

#endif
