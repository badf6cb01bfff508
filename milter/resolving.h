/* resolving: the resolver and the public suffix list as the configuration says;
 * shared by the daemon and posternctl. */
#ifndef MILTER_RESOLVING_H
#define MILTER_RESOLVING_H

#include "conf/conf.h"
#include "milter/io/resolver.h"
#include "milter/io/suffixes.h"

#include <stdbool.h>

/* Open both, by section dns of conf. On failure nothing is left open and *fault
 * says why. */
bool resolving_open(const struct conf *conf, struct suffixes **suffixes_out,
    struct resolver **resolver_out, struct fault *fault);

/* Close both. Empties the pointers, which may be NULL. */
void resolving_close(struct suffixes **suffixes, struct resolver **resolver);

#endif
