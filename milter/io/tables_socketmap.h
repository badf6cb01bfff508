/* tables_socketmap: asks servers that speak Postfix's socketmap protocol
 * (socketmap_table(5)), whatever may stand behind them. A few connections that
 * nobody uses are kept; whoever finds none makes one. Locked inside: any
 * thread; no lock is held while a server is asked. */
#ifndef MILTER_IO_TABLES_SOCKETMAP_H
#define MILTER_IO_TABLES_SOCKETMAP_H

#include "conf/conf.h"
#include "policy/arena.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TABLES_SOCKETMAP_IDLE = 8, /* connections kept, to all servers */
	TABLES_SOCKETMAP_KEY_OCTETS = 4096, /* a longer key has no value */
};

struct tables_socketmap;

/* Nothing is connected yet. No call lasts longer than timeout_ms, connecting
 * and looking up the host included. NULL: no memory. */
struct tables_socketmap *tables_socketmap_open(uint64_t timeout_ms);

/* Is key asked for? Not with a line end in it, which some servers would take
 * for two keys, nor if it is longer than TABLES_SOCKETMAP_KEY_OCTETS. */
bool tables_socketmap_is_key(const char *key);

/* The value of key in source, which is a MAP_SOCKETMAP, in the arena; NULL if
 * it has none, or key isn't asked for. False with words: FAULT_PERMANENT if
 * the server says PERM. *is_away_out: the server couldn't be reached, or
 * didn't answer in time: who asks at once again waits again. */
bool tables_socketmap_find(struct tables_socketmap *sockets,
    const struct map_source *source, const char *key, struct arena *arena,
    const char **value_out, bool *is_away_out, struct fault *fault);

/* Close what nobody has used for idle_ms at least: a server may serve one
 * connection at a time. */
void tables_socketmap_tend(struct tables_socketmap *sockets, uint64_t idle_ms);

/* Close it. Empties the pointer; takes NULL. No call may be under way. */
void tables_socketmap_close(struct tables_socketmap **sockets);

#endif
