#include "milter/ctl/import_opendkim_hosts.h"

#include "milter/ctl/import_opendkim_keys.h"
#include "policy/address.h"
#include "policy/network.h"
#include "policy/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	DNS_LEAST_S = 1,
	DNS_MOST_S = 15,
	SERVERS_MOST = 16,
	NETWORKS_MOST = 10000,
	EXCEPTIONS_MOST = 1000,
	ADDRESS_BITS = 128,
	LISTENER_OCTETS = 255,
};

static bool
has_prefix(const char *text, const char *prefix, const char **rest_out)
{
	size_t length = strlen(prefix);

	if (strncmp(text, prefix, length) != 0)
		return false;
	*rest_out = text + length;
	return true;
}

static void
write_value(struct import *import, const struct import_setting *setting,
    const char *option, const char *value)
{
	const char *quoted =
	    value != NULL ? import_quote(import, setting, value) : NULL;

	if (quoted != NULL)
		fprintf(import->out, "%s = %s\n", option, quoted);
}

/* "" is all addresses. */
static bool
is_host(struct import *import, const char *host)
{
	struct address address;
	const char *domain;

	return *host == '\0' || network_address(host, &address)
	    || address_domain(import->arena, host, strlen(host), &domain, NULL);
}

/* "PORT@HOST", "PORT@[ADDRESS]" or "PORT". */
static void
write_inet(struct import *import, const struct import_setting *setting,
    const char *family, const char *place)
{
	char *text = arena_strdup(import->arena, place);
	char *at = text != NULL ? strchr(text, '@') : NULL;
	const char *host = at != NULL ? at + 1 : "";
	uint64_t port;

	if (text == NULL) {
		import->is_out_of_memory = true;
		return;
	}
	if (at != NULL)
		*at = '\0';
	if (*host == '[' && strchr(host, ']') != NULL) {
		host++;
		*strchr(host, ']') = '\0';
	}
	if (!text_number(text, 1, UINT16_MAX, &port)
	    || !is_host(import, host)) {
		import_loss(import, setting,
		    "\"%s\" is no number of a port, or no host", place);
		return;
	}
	write_value(import, setting, "listen",
	    arena_printf(import->arena, "%s:%" PRIu64 "%s%s", family, port,
		*host != '\0' ? "@" : "", host));
}

/* The service of postern's package can write into no other directory, and that
 * of OpenDKIM's socket goes when OpenDKIM does. */
static void
tell_socket(struct import *import, const struct import_setting *setting,
    const char *path)
{
	import_note(import, setting,
	    "postern's socket is "
	    "unix:/var/spool/postfix/postern/postern.sock: in Postfix's "
	    "smtpd_milters and non_smtpd_milters write "
	    "unix:postern/postern.sock in the place of %s",
	    path);
}

void
import_sockets(struct import *import)
{
	const struct import_setting *setting = import_find(import, "Socket");
	const struct import_setting *user = import_find(import, "UserID");
	const struct import_setting *facility =
	    import_find(import, "SyslogFacility");
	const char *place;

	if (setting == NULL)
		import_note(import, NULL,
		    "Socket isn't set; if OpenDKIM has it from its command "
		    "line (/etc/default/opendkim), set listen");
	else if (has_prefix(setting->value, "inet:", &place))
		write_inet(import, setting, "inet", place);
	else if (has_prefix(setting->value, "inet6:", &place))
		write_inet(import, setting, "inet6", place);
	else if (has_prefix(setting->value, "local:", &place)
	    || has_prefix(setting->value, "unix:", &place)
	    || *(place = setting->value) == '/')
		tell_socket(import, setting, place);
	else
		import_loss(
		    import, setting, "\"%s\" is no socket", setting->value);
	if (user != NULL)
		import_note(import, user,
		    "postern runs as its own user, \"" IMPORT_USER "\"");
	if (facility != NULL && !text_equal_case(facility->value, "mail"))
		import_note(import, facility, "postern logs as mail");
}

/* The networks that a data set of hosts comes to. */
struct host_list {
	const struct import_setting *setting;
	struct network networks[NETWORKS_MOST];
	size_t count;
	struct network exceptions[EXCEPTIONS_MOST];
	size_t exception_count;
};

static bool
is_same(const struct network *one, const struct network *other)
{
	return one->bits == other->bits
	    && memcmp(&one->address.octets, &other->address.octets,
		   sizeof(one->address.octets))
	    == 0;
}

static void
add_network(struct import *import, struct host_list *list,
    const struct network *network)
{
	for (size_t i = 0; i < list->count; i++)
		if (is_same(&list->networks[i], network))
			return;
	if (list->count == NETWORKS_MOST) {
		import_loss(import, list->setting,
		    "more than %d networks: the rest was left out",
		    NETWORKS_MOST);
		return;
	}
	list->networks[list->count++] = *network;
}

static void
add_text(struct import *import, struct host_list *list, const char *text)
{
	struct network network;

	if (network_parse(text, &network, NULL))
		add_network(import, list, &network);
}

/* "!NETWORK": kept for take_out(). */
static void
add_exception(struct import *import, struct host_list *list, const char *host)
{
	struct network network;

	if (!network_parse(host, &network, NULL))
		import_loss(import, list->setting,
		    "\"!%s\" is a name; relay_networks has addresses only: "
		    "leave those of that host out of it",
		    host);
	else if (list->exception_count == EXCEPTIONS_MOST)
		import_loss(import, list->setting,
		    "more than %d exceptions: \"!%s\" was left out",
		    EXCEPTIONS_MOST, host);
	else
		list->exceptions[list->exception_count++] = network;
}

/* Addresses and networks, with or without brackets; "localhost". Names of hosts
 * would have to be believed of the DNS. */
static void
add_host(struct import *import, struct host_list *list, const char *host)
{
	struct fault fault = { .kind = FAULT_NONE };
	struct network network;

	if (*host == '!')
		add_exception(import, list, host + 1);
	else if (text_equal_case(host, "localhost")) {
		add_text(import, list, "127.0.0.1");
		add_text(import, list, "::1");
	} else if (network_parse(host, &network, &fault))
		add_network(import, list, &network);
	else if (host[strspn(host, "0123456789./")] == '\0'
	    || strchr(host, ':') != NULL)
		import_loss(import, list->setting, "%s", fault.words);
	else
		import_loss(import, list->setting,
		    "\"%s\" is a name; relay_networks has addresses only: "
		    "write those of that host",
		    host);
}

/* The half of the network of bits bits around inner that inner isn't in. */
static struct network
other_half(const struct network *inner, unsigned bits)
{
	struct network half = { .address = { .is_known = true },
		.bits = (uint8_t)bits };

	for (unsigned bit = 0; bit < bits; bit++) {
		uint8_t mask = (uint8_t)(0x80 >> bit % 8);
		bool is_set = (inner->address.octets[bit / 8] & mask) != 0;

		if (bit + 1 == bits)
			is_set = !is_set;
		if (is_set)
			half.address.octets[bit / 8] |= mask;
	}
	return half;
}

/* Take an exception out of the networks it lies in. What is more precise than
 * it holds all the same, as with OpenDKIM. */
static void
take_out(struct import *import, struct host_list *list,
    const struct network *exception)
{
	size_t count = list->count;

	for (size_t i = 0; i < count;) {
		struct network network = list->networks[i];

		if (network.bits > exception->bits
		    || !network_has(&network, &exception->address)) {
			i++;
			continue;
		}
		list->networks[i] = list->networks[--count];
		list->networks[count] = list->networks[--list->count];
		for (unsigned bits = network.bits + 1U; bits <= exception->bits;
		     bits++) {
			struct network half = other_half(exception, bits);

			add_network(import, list, &half);
		}
	}
}

/* What InternalHosts comes to; the caller's to free. NULL: no memory. */
static struct host_list *
internal_hosts(struct import *import)
{
	struct host_list *list = calloc(1, sizeof(*list));
	struct import_set set;

	if (list == NULL) {
		import->is_out_of_memory = true;
		return NULL;
	}
	list->setting = import_find(import, "InternalHosts");
	if (list->setting == NULL)
		add_host(import, list, "localhost");
	else if (import_entries(import, list->setting, &set))
		for (size_t i = 0; i < set.count; i++)
			add_host(import, list, set.entries[i].key);
	for (size_t i = 0; i < list->exception_count; i++)
		take_out(import, list, &list->exceptions[i]);
	return list;
}

/* Is 127.0.0.1, which local programs' mail comes from, among them? */
static bool
has_loopback(const struct host_list *list)
{
	struct address loopback;

	(void)network_address("127.0.0.1", &loopback);
	for (size_t i = 0; i < list->count; i++)
		if (network_has(&list->networks[i], &loopback))
			return true;
	return false;
}

static void
write_network(
    struct import *import, const char *before, const struct network *network)
{
	const char *text = network_text(import->arena, &network->address);

	if (text == NULL)
		import->is_out_of_memory = true;
	else
		fprintf(import->out, "%s\n\t\"%s/%d\"", before, text,
		    strchr(text, ':') != NULL
			? network->bits
			: network->bits - (ADDRESS_BITS - 32));
}

void
import_networks(struct import *import)
{
	const struct import_setting *peers = import_find(import, "PeerList");
	struct host_list *list = internal_hosts(import);

	if (list == NULL)
		return;
	import->signs_local = has_loopback(list);
	if (list->setting != NULL) {
		fputs("relay_networks = {", import->out);
		for (size_t i = 0; i < list->count; i++)
			write_network(
			    import, i > 0 ? "," : "", &list->networks[i]);
		fprintf(import->out, "%s}\n", list->count > 0 ? "\n" : " ");
	}
	free(list);
	if (peers != NULL)
		import_note(import, peers,
		    "mail of these clients is left alone only as long as they "
		    "don't log in and aren't in relay_networks");
}

static void
write_servers(struct import *import, const struct import_setting *setting)
{
	const char *before = " ";
	struct import_set set;
	struct address address;
	size_t count = 0;

	if (setting == NULL)
		return;
	/* Always a list, whatever colons the addresses have. */
	set = (struct import_set){ 0 };
	if (!import_set_parse(
		arena_printf(import->arena, "csl:%s", setting->value),
		import->arena, &set)) {
		import->is_out_of_memory = true;
		return;
	}
	fputs("\tservers = {", import->out);
	for (size_t i = 0; i < set.count && count < SERVERS_MOST; i++) {
		const char *server = set.entries[i].key;

		if (!network_address(server, &address)) {
			import_loss(import, setting,
			    "\"%s\" is no address of a resolver", server);
			continue;
		}
		fprintf(import->out, "%s\"%s\"", before, server);
		before = ", ";
		count++;
	}
	fputs(" }\n", import->out);
}

static void
write_timeout(struct import *import, const struct import_setting *setting)
{
	uint64_t seconds;

	if (setting == NULL)
		return;
	if (!text_number(setting->value, 0, INT32_MAX, &seconds)) {
		import_loss(import, setting, "\"%s\" is no number of seconds",
		    setting->value);
		return;
	}
	if (seconds < DNS_LEAST_S || seconds > DNS_MOST_S) {
		import_note(import, setting,
		    "all look-ups of a message may take 15 s together at "
		    "most");
		seconds = DNS_MOST_S;
	}
	fprintf(import->out, "\ttimeout = \"%" PRIu64 "s\"\n", seconds);
}

static void
write_anchor(struct import *import, const struct import_setting *setting)
{
	const char *path;

	if (setting == NULL)
		return;
	path = import_path(import, setting->value);
	if (access(path, R_OK) != 0) {
		import_note(import, setting,
		    "%s can't be read: DNSSEC isn't checked", path);
		return;
	}
	fputc('\t', import->out);
	write_value(import, setting, "trust_anchor", path);
}

void
import_dns(struct import *import)
{
	const struct import_setting *servers =
	    import_find(import, "Nameservers");
	const struct import_setting *timeout =
	    import_find(import, "DNSTimeout");
	const struct import_setting *anchor =
	    import_find(import, "TrustAnchorFile");

	if (servers == NULL && timeout == NULL && anchor == NULL)
		return;
	fputs("\ndns {\n", import->out);
	write_servers(import, servers);
	write_timeout(import, timeout);
	write_anchor(import, anchor);
	fputs("}\n", import->out);
}

/* Is mail that programs of this host hand in signed? */
static bool
signs_local(const struct import *import)
{
	return import_signs(import)
	    && (import->signs_local || import_find(import, "MTA") != NULL
		|| import_find(import, "MacroList") != NULL);
}

static void
write_limits(struct import *import)
{
	import_comment(import, "",
	    "OpenDKIM refuses nothing for these reasons, so what postern would "
	    "do is only logged for now. When the log looks right, set mode = "
	    "enforce here and on_fail_reject = reject below.");
	fputs("limit \"hourly\" {\n\tkey = account\n\tcount = recipients\n"
	      "\tmax = 500\n\tper = \"1h\"\n\taction = tempfail\n"
	      "\tmode = observe\n}\n"
	      "limit \"daily\" {\n\tkey = account\n\tcount = recipients\n"
	      "\tmax = 2000\n\tper = \"1d\"\n\taction = reject\n"
	      "\tmode = observe\n}\n\n",
	    import->out);
}

void
import_classes(struct import *import)
{
	const char *sign = import_signs(import) ? "" : "\tsign = no\n";

	fputc('\n', import->out);
	write_limits(import);
	fprintf(import->out,
	    "class submission {\n%s\ton_fail_reject = observe\n}\n", sign);
	if (*sign != '\0')
		fprintf(import->out, "class relay {\n%s}\n", sign);
	if (signs_local(import))
		return;
	if (*sign == '\0')
		import_comment(import, "",
		    "InternalHosts hasn't this host itself, so OpenDKIM "
		    "doesn't sign what its programs hand in.");
	fputs("class local {\n\tsign = no\n}\n", import->out);
}

static void
write_listener(struct import *import, const struct import_setting *setting,
    const char *name)
{
	const char *quoted;

	if (*name == '\0' || strlen(name) > LISTENER_OCTETS) {
		import_loss(
		    import, setting, "\"%s\" can't be {daemon_name}", name);
		return;
	}
	quoted = import_quote(import, setting, name);
	if (quoted != NULL)
		fprintf(import->out,
		    "\nlistener %s {\n\tclass = submission\n}\n", quoted);
}

/* Those of the setting that come before are not written twice. */
static bool
is_listed(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

enum { NAMES_MOST = 64 };

struct names {
	const char *texts[NAMES_MOST];
	size_t count;
};

static void
add_name(struct import *import, const struct import_setting *setting,
    struct names *names, const char *name)
{
	if (is_listed(names->texts, names->count, name))
		return;
	if (names->count == NAMES_MOST) {
		import_loss(import, setting,
		    "more than %d names of the MTA: \"%s\" was left out",
		    NAMES_MOST, name);
		return;
	}
	names->texts[names->count++] = name;
	write_listener(import, setting, name);
}

/* "daemon_name=A|B" (in a file: "daemon_name A|B"); that somebody is logged in
 * needs no macro. */
static void
add_macro(struct import *import, const struct import_setting *setting,
    struct names *names, const struct import_entry *entry)
{
	char *values = arena_strdup(import->arena, entry->value);
	const char *macro = entry->key;

	if (values == NULL) {
		import->is_out_of_memory = true;
		return;
	}
	if (text_equal_case(macro, "{auth_type}")
	    || text_equal_case(macro, "auth_type")
	    || text_equal_case(macro, "{auth_authen}")
	    || text_equal_case(macro, "auth_authen")) {
		import_note(import, setting,
		    "%s: mail of clients that are logged in is signed anyway",
		    macro);
		return;
	}
	if ((strcmp(macro, "daemon_name") != 0
		&& strcmp(macro, "{daemon_name}") != 0)
	    || *values == '\0') {
		import_loss(import, setting,
		    "\"%s%s%s\": postern knows {daemon_name} only, with a "
		    "value",
		    macro, *values != '\0' ? "=" : "", values);
		return;
	}
	for (char *next; values != NULL; values = next) {
		next = strchr(values, '|');
		if (next != NULL)
			*next++ = '\0';
		add_name(import, setting, names, values);
	}
}

void
import_listeners(struct import *import)
{
	const struct import_setting *mta = import_find(import, "MTA");
	const struct import_setting *macros = import_find(import, "MacroList");
	struct names names = { .count = 0 };
	struct import_set set;

	if (mta != NULL && import_entries(import, mta, &set))
		for (size_t i = 0; i < set.count; i++)
			add_name(import, mta, &names, set.entries[i].key);
	if (macros != NULL && import_entries(import, macros, &set))
		for (size_t i = 0; i < set.count; i++)
			add_macro(import, macros, &names, &set.entries[i]);
	if (names.count > 0)
		import_note(import, NULL,
		    "all mail of these names of the MTA is of class submission "
		    "now, and signed; let Postfix ask for a login there "
		    "(smtpd_client_restrictions)");
}
