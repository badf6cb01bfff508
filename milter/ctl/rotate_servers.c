#include "milter/ctl/rotate_servers.h"

#include "policy/text.h"

#include <stdio.h>
#include <string.h>

enum { SERVER_BYTES = 64, IPV4_AT = 12 };

/* The answer to a question, waited for. */
static const struct dns_answer *
ask(struct resolver_asker *asker, const char *name, enum dns_type type)
{
	const struct dns_question question = { name, type };
	const struct dns_answer *answer;

	while ((answer = resolver_ask(asker, &question)) == NULL)
		(void)resolver_wait(asker);
	return answer;
}

static bool
take_names(const struct dns_answer *answer, struct arena *arena,
    struct rotate_zone *zone, struct fault *fault)
{
	for (size_t i = 0;
	     i < answer->count && zone->name_count < ROTATE_SERVERS_NAMES;
	     i++) {
		const char *name = arena_strdup(arena, answer->records[i].name);

		if (name == NULL) {
			fault_memory(fault);
			return false;
		}
		zone->names[zone->name_count++] = name;
	}
	return true;
}

bool
rotate_servers_find(struct resolver_asker *asker, const char *name,
    struct arena *arena, struct rotate_zone *zone_out, struct fault *fault)
{
	const char *at = name;

	*zone_out = (struct rotate_zone){ .name = NULL };
	while (at != NULL && *at != '\0') {
		const struct dns_answer *answer = ask(asker, at, DNS_NS);

		if (answer->status == DNS_LOST) {
			fault_set(fault, FAULT_TEMPORARY,
			    "the name servers of %s can't be looked up: %s", at,
			    answer->why != NULL ? answer->why : "no answer");
			return false;
		}
		if (at == name)
			zone_out->is_above = answer->status == DNS_NXDOMAIN;
		if (answer->status == DNS_FOUND) {
			zone_out->name = arena_strdup(arena, at);
			if (zone_out->name == NULL)
				fault_memory(fault);
			return zone_out->name != NULL
			    && take_names(answer, arena, zone_out, fault);
		}
		at = strchr(at, '.');
		at = at != NULL ? at + 1 : NULL;
	}
	fault_set(fault, FAULT_PERMANENT,
	    "no name servers are known for %s: is it registered?", name);
	return false;
}

/* Can there be a name server at all? What is nowhere, or everywhere, leads back
 * to this host. */
static bool
is_server(const struct address *address)
{
	static const uint8_t mapped[IPV4_AT] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t nowhere[16];
	const uint8_t *octets = address->octets;

	if (memcmp(octets, mapped, IPV4_AT) == 0)
		return octets[IPV4_AT] != 0 && octets[IPV4_AT] < 224;
	return octets[0] != 0xff
	    && memcmp(octets, nowhere, sizeof(nowhere)) != 0;
}

static bool
is_there(const struct rotate_zone *zone, const struct address *address)
{
	for (size_t i = 0; i < zone->count; i++)
		if (memcmp(zone->servers[i].address.octets, address->octets,
			sizeof(address->octets))
		    == 0)
			return true;
	return false;
}

/* Add the addresses of an answer; returns how many servers they make. */
static size_t
take_addresses(const struct dns_answer *answer, const char *label,
    struct rotate_zone *zone)
{
	size_t found = 0;

	for (size_t i = 0; i < answer->count; i++) {
		const struct address *address = &answer->records[i].address;

		if (!is_server(address))
			continue;
		found++;
		if (zone->count < ROTATE_ASK_SERVERS
		    && !is_there(zone, address))
			zone->servers[zone->count++] =
			    (struct rotate_server){ label, *address,
				    ROTATE_ASK_PORT };
	}
	return found;
}

void
rotate_servers_resolve(struct resolver_asker *asker, struct rotate_zone *zone)
{
	static const enum dns_type types[] = { DNS_A, DNS_AAAA };

	/* All of them at once; the answers are waited for below. */
	for (size_t i = 0; i < zone->name_count; i++)
		for (size_t k = 0; k < 2; k++) {
			const struct dns_question question = { zone->names[i],
				types[k] };

			(void)resolver_ask(asker, &question);
		}
	for (size_t i = 0; i < zone->name_count; i++) {
		const char *name = zone->names[i];
		size_t found = 0;

		for (size_t k = 0; k < 2; k++)
			found += take_addresses(
			    ask(asker, name, types[k]), name, zone);
		if (found == 0)
			zone->lost[zone->lost_count++] = name;
	}
}

bool
rotate_servers_read(const char *typed, struct rotate_server *server_out)
{
	const char *at = strchr(typed, '@');
	size_t length = at != NULL ? (size_t)(at - typed) : strlen(typed);
	uint64_t port = ROTATE_ASK_PORT;
	char address[SERVER_BYTES];

	if (length == 0 || length >= sizeof(address)
	    || (at != NULL && !text_number(at + 1, 1, UINT16_MAX, &port)))
		return false;
	memcpy(address, typed, length);
	address[length] = '\0';
	*server_out =
	    (struct rotate_server){ .label = typed, .port = (uint16_t)port };
	return network_address(address, &server_out->address);
}
