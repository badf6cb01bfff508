/* gate: how many messages are judged at once (max_busy). libmilter's pool of
 * threads has no upper bound of its own, so this is what keeps a flood from
 * taking all memory and every file descriptor. Locked inside. */
#ifndef MILTER_IO_GATE_H
#define MILTER_IO_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gate;

/* A gate that lets most in at once (at least 1). NULL: no memory. */
struct gate *gate_open(size_t most);

/* Wait at most wait_ms for a place, and take it. False: there was none. */
bool gate_enter(struct gate *gate, uint64_t wait_ms);

/* Give the place back. */
void gate_leave(struct gate *gate);

/* Take a place again that was given back for a while, without waiting: there
 * may be more inside than fit, until some leave. */
void gate_return(struct gate *gate);

/* Another number, after a reload. Who is inside stays. */
void gate_resize(struct gate *gate, size_t most);

/* How many are inside. */
size_t gate_busy(struct gate *gate);

/* Free it; nobody may be inside or waiting. Empties the pointer; takes NULL. */
void gate_close(struct gate **gate);

#endif
