#include "conf/values_dns.h"

#include "policy/address.h"
#include "policy/egress.h"
#include "policy/network.h"
#include "policy/text.h"

#include <string.h>

enum { NAME_OCTETS = 64, PORT_OCTETS = 5 };

/* Tell what a fault says of the value, or that there is no memory. */
static void
complain(const struct reading *reading, const struct parse_value *value,
    const struct fault *fault)
{
	struct problems *problems = &reading->build->problems;

	if (fault->kind == FAULT_MEMORY)
		problems_memory(problems);
	else
		problems_add(problems, reading->given->source, value->line,
		    "%s: %s", reading->option->name, fault->words);
}

/* Is address among the first count of list? Then that is told. */
static bool
is_repeated(const struct reading *reading, const struct parse_value *value,
    const struct egress *list, size_t count, const struct egress *entry)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i].text, entry->text) == 0) {
			values_refuse_entry(reading, value,
			    "is in the list twice; each address has one "
			    "HELO");
			return true;
		}
	return false;
}

static bool
read_egress(const struct reading *reading, const struct parse_value *value,
    struct egress *egress_out)
{
	struct fault fault = { .kind = FAULT_NONE };

	if (!egress_parse(value->text, strlen(value->text),
		reading->build->arena, egress_out, &fault)) {
		complain(reading, value, &fault);
		return false;
	}
	if (egress_out->helo == NULL) {
		values_refuse_entry(reading, value,
		    "lacks the name that is said there (HELO); write for "
		    "example \"192.0.2.1 mx1.example.net\"");
		return false;
	}
	return true;
}

void
values_dns_egress(const struct reading *reading)
{
	const struct egress **field = values_field(reading);
	size_t *count = values_more(reading);
	struct egress *list = build_alloc(
	    reading->build, (reading->given->count + 1) * sizeof(*list));
	size_t found = 0;

	if (list == NULL)
		return;
	for (const struct parse_value *value = reading->given->values;
	     value != NULL; value = value->next)
		if (read_egress(reading, value, &list[found])
		    && !is_repeated(reading, value, list, found, &list[found]))
			found++;
	*field = list;
	*count = found;
}

/* A host as it is usually written: an address, or, if may_be_name, a domain
 * name. NULL if text is none, or for want of memory, which problems know
 * then. */
static const char *
host_of(const struct reading *reading, const char *text, bool may_be_name)
{
	struct build *build = reading->build;
	struct fault fault = { .kind = FAULT_NONE };
	struct address address;
	const char *host = NULL;

	if (network_address(text, &address)) {
		host = network_text(build->scratch, &address);
		if (host == NULL)
			problems_memory(&build->problems);
	} else if (may_be_name
	    && !address_domain(
		build->scratch, text, strlen(text), &host, &fault)) {
		if (fault.kind == FAULT_MEMORY)
			problems_memory(&build->problems);
		host = NULL;
	}
	return host;
}

/* The usual form of a server; NULL if text is none, or for want of memory,
 * which problems know then. */
static const char *
server_of(const struct reading *reading, const char *text, bool may_be_name)
{
	struct build *build = reading->build;
	size_t length = strcspn(text, "@");
	const char *port = text[length] == '@' ? text + length + 1 : NULL;
	const char *host = arena_copy(build->scratch, text, length);
	uint64_t number = 0;
	const char *server;

	if (host == NULL) {
		problems_memory(&build->problems);
		return NULL;
	}
	if (port != NULL
	    && (strlen(port) > PORT_OCTETS
		|| !text_number(port, 1, UINT16_MAX, &number)))
		return NULL;
	host = host_of(reading, host, may_be_name);
	if (host == NULL)
		return NULL;
	server = port == NULL
	    ? arena_strdup(build->arena, host)
	    : arena_printf(build->arena, "%s@%u", host, (unsigned)number);
	if (server == NULL)
		problems_memory(&build->problems);
	return server;
}

void
values_dns_server(const struct reading *reading)
{
	const char **field = values_field(reading);
	const char *server;

	if (*reading->text == '\0' && values_may_be_empty(reading)) {
		*field = "";
		return;
	}
	server = server_of(reading, reading->text, true);
	if (server != NULL)
		*field = server;
	else if (!reading->build->problems.is_out_of_memory)
		values_refuse(reading,
		    "is no server; write \"ns1.example.net\", \"192.0.2.53\" "
		    "or, with a port, \"127.0.0.1@5353\"");
}

/* Is it in the list of count entries already? */
static bool
is_among(const char *const *list, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i], text) == 0)
			return true;
	return false;
}

void
values_dns_servers(const struct reading *reading)
{
	const char *const **field = values_field(reading);
	size_t *count = values_more(reading);
	const char **list = build_alloc(
	    reading->build, (reading->given->count + 1) * sizeof(*list));
	size_t found = 0;

	if (list == NULL)
		return;
	for (const struct parse_value *value = reading->given->values;
	     value != NULL; value = value->next) {
		const char *server = server_of(reading, value->text, false);

		if (reading->build->problems.is_out_of_memory)
			return;
		if (server == NULL)
			values_refuse_entry(reading, value,
			    "is no address of a name server; write "
			    "\"192.0.2.53\", \"2001:db8::53\" or, with a port, "
			    "\"127.0.0.1@5353\"");
		else if (is_among(list, found, server))
			values_refuse_entry(
			    reading, value, "is in the list twice");
		else
			list[found++] = server;
	}
	*field = list;
	*count = found;
}

static bool
is_name(const char *text)
{
	const char *at = text;

	while (*at > ' ' && *at <= '~')
		at++;
	return *at == '\0' && at > text && at - text <= NAME_OCTETS;
}

void
values_dns_names(const struct reading *reading)
{
	struct name_list *field = values_field(reading);
	const char **list = build_alloc(
	    reading->build, (reading->given->count + 1) * sizeof(*list));
	size_t found = 0;

	if (list == NULL)
		return;
	for (const struct parse_value *value = reading->given->values;
	     value != NULL; value = value->next)
		if (!is_name(value->text))
			values_refuse_entry(reading, value,
			    "is no name of 1 to 64 printable signs without "
			    "blanks, such as lmtp");
		else if (is_among(list, found, value->text))
			values_refuse_entry(
			    reading, value, "is in the list twice");
		else
			list[found++] =
			    values_keep(reading->build, value->text);
	field->names = list;
	field->count = found;
}
