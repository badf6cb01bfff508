/* tables_away: which of the servers behind maps can't be asked at the moment.
 * While one can't, only one question in so many milliseconds tries whether it
 * can: no other waits for it. Locked inside: any thread. */
#ifndef MILTER_IO_TABLES_AWAY_H
#define MILTER_IO_TABLES_AWAY_H

#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TABLES_AWAY_MS = 500,
	TABLES_AWAY_SERVERS = 16, /* most that are remembered */
};

struct tables_away;

/* None is away. NULL: no memory. */
struct tables_away *tables_away_open(void);

/* May server be asked? If it was away and the time has come it is this caller
 * who finds out whether it is back, and has to tell by tables_away_note().
 * False with the words that it was away with. */
bool tables_away_may_ask(struct tables_away *away, const char *server,
    uint64_t now_ms, struct fault *fault);

/* server was asked at now_ms, and is away, with the words of fault, or there;
 * then fault isn't looked at. Without memory it counts as there. */
void tables_away_note(struct tables_away *away, const char *server,
    bool is_away, uint64_t now_ms, const struct fault *fault);

/* Close it. Empties the pointer; takes NULL. */
void tables_away_close(struct tables_away **away);

#endif
