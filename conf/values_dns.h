/* values_dns: values that are about the DNS and about how mail leaves: servers,
 * egress addresses, transports. */
#ifndef CONF_VALUES_DNS_H
#define CONF_VALUES_DNS_H

#include "conf/values.h"

/* "HOST" or "HOST@PORT", HOST being an address or a domain name, or nothing;
 * kept in that form, with an address as network_text() writes it and a name
 * normalised. */
void values_dns_server(const struct reading *reading);

/* Each of the following reads a list of the type it is called after into the
 * fields of the reading's option, and tells what is wrong with it.
 *
 * "ADDRESS HELO" each; no address twice. */
void values_dns_egress(const struct reading *reading);

/* "ADDRESS" or "ADDRESS@PORT" each; kept in that form, with the address as
 * network_text() writes it. */
void values_dns_servers(const struct reading *reading);

/* Words of printable ASCII without blanks. */
void values_dns_names(const struct reading *reading);

#endif
