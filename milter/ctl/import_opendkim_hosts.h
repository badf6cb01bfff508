/* import_opendkim_hosts: the sockets, the clients whose mail is signed, the
 * resolver. Private to import_opendkim. */
#ifndef MILTER_CTL_IMPORT_OPENDKIM_HOSTS_H
#define MILTER_CTL_IMPORT_OPENDKIM_HOSTS_H

#include "milter/ctl/import_opendkim_work.h"

/* Write listen and what belongs to it. */
void import_sockets(struct import *import);

/* Write relay_networks. */
void import_networks(struct import *import);

/* Write section dns, if there is anything to say. */
void import_dns(struct import *import);

/* Write limits and classes: OpenDKIM refuses nothing for what postern checks
 * besides, so nor does postern until it is told to. */
void import_classes(struct import *import);

/* Write a listener for each name of the MTA whose mail is signed. */
void import_listeners(struct import *import);

#endif
