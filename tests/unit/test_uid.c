/* Real sockets on loopback: what uid does the kernel tell for the client's
 * end, and where must none be told? The client lives in a child, which
 * becomes another user where the test runs as root. */
#include "milter/io/uid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { OTHER_UID = 54321 };

enum family {
	V4,
	V6,
	MAPPED_CLIENT, /* an IPv6 socket that connects to ::ffff:127.0.0.1 */
	MAPPED_DAEMON, /* an IPv6 socket that listens for IPv4 too */
};

/* What is done before the kernel is asked. */
enum deed {
	NOTHING,
	CLIENT_SHUTS_DOWN, /* FIN_WAIT, still held */
	CLIENT_CLOSES,     /* FIN_WAIT, held by nobody */
	CLIENT_RESETS,     /* gone */
	DAEMON_CLOSES,     /* CLOSE_WAIT */
	BOTH_CLOSE,        /* TIME_WAIT */
	CLIENT_LISTENS,    /* gone, and a listener where it was */
};

/* What of the daemon's end is known. */
enum { ADDRESS = 1, PORT = 2, WILDCARD = 4, ALL = ADDRESS | PORT };

struct test_case {
	const char *name;
	enum family family;
	enum deed deed;
	unsigned known;
	bool is_found;
};

static const struct test_case cases[] = {
	{ "IPv4", V4, NOTHING, ALL, true },
	{ "IPv4, port only", V4, NOTHING, PORT, true },
	{ "IPv4, address only", V4, NOTHING, ADDRESS, true },
	{ "IPv4, nothing known", V4, NOTHING, 0, true },
	{ "IPv4, a wildcard for address", V4, NOTHING, WILDCARD | PORT, true },
	{ "IPv6, a wildcard for address", V6, NOTHING, WILDCARD | PORT, true },
	{ "IPv6", V6, NOTHING, ALL, true },
	{ "IPv6, port only", V6, NOTHING, PORT, true },
	{ "IPv6, nothing known", V6, NOTHING, 0, true },
	{ "mapped client", MAPPED_CLIENT, NOTHING, ALL, true },
	{ "mapped client, port only", MAPPED_CLIENT, NOTHING, PORT, true },
	{ "mapped client, nothing known", MAPPED_CLIENT, NOTHING, 0, true },
	{ "mapped daemon", MAPPED_DAEMON, NOTHING, ALL, true },
	{ "mapped daemon, port only", MAPPED_DAEMON, NOTHING, PORT, true },
	{ "half closed", V4, CLIENT_SHUTS_DOWN, ALL, true },
	{ "half closed, port only", V4, CLIENT_SHUTS_DOWN, PORT, true },
	{ "half closed, IPv6", V6, CLIENT_SHUTS_DOWN, ALL, true },
	{ "daemon closed", V4, DAEMON_CLOSES, ALL, true },
	{ "daemon closed, port only", V4, DAEMON_CLOSES, PORT, true },
	{ "sent all and closed", V4, CLIENT_CLOSES, ALL, false },
	{ "sent all and closed, port only", V4, CLIENT_CLOSES, PORT, false },
	{ "sent all and closed, nothing known", V4, CLIENT_CLOSES, 0, false },
	{ "sent all and closed, IPv6", V6, CLIENT_CLOSES, ALL, false },
	{ "sent all and closed, mapped", MAPPED_CLIENT, CLIENT_CLOSES, ALL,
	    false },
	{ "time wait", V4, BOTH_CLOSE, ALL, false },
	{ "time wait, port only", V4, BOTH_CLOSE, PORT, false },
	{ "time wait, IPv6", V6, BOTH_CLOSE, 0, false },
	{ "reset", V4, CLIENT_RESETS, ALL, false },
	{ "reset, port only", V4, CLIENT_RESETS, PORT, false },
	{ "reset, IPv6", V6, CLIENT_RESETS, ALL, false },
	{ "a listener at the client's port", V4, CLIENT_LISTENS, ALL, false },
	{ "a listener, port only", V4, CLIENT_LISTENS, PORT, false },
	{ "a listener, nothing known", V4, CLIENT_LISTENS, 0, false },
};

/* One end, or the name of one. */
union name {
	struct sockaddr generic;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* A client process: it obeys one order, says that it is done, and goes when
 * its orders end. */
struct client {
	pid_t pid;
	int orders;
	int reports;
	uint16_t port;
};

static void
need(bool is_good, const char *what)
{
	if (!is_good)
		fail_msg("%s: %s", what, strerror(errno));
}

static union name
name_v4(uint32_t address, uint16_t port)
{
	union name name = { 0 };

	name.v4.sin_family = AF_INET;
	name.v4.sin_addr.s_addr = htonl(address);
	name.v4.sin_port = htons(port);
	return name;
}

static union name
name_v6(const struct in6_addr *address, uint16_t port)
{
	union name name = { 0 };

	name.v6.sin6_family = AF_INET6;
	name.v6.sin6_addr = *address;
	name.v6.sin6_port = htons(port);
	return name;
}

static socklen_t
name_size(const union name *name)
{
	return name->generic.sa_family == AF_INET ? sizeof name->v4
						  : sizeof name->v6;
}

static uint16_t
port_of(int end)
{
	union name name;
	socklen_t size = sizeof name;

	if (getsockname(end, &name.generic, &size) != 0)
		return 0;
	return ntohs(name.generic.sa_family == AF_INET ? name.v4.sin_port
						       : name.v6.sin6_port);
}

static int
socket_at(const union name *name)
{
	int on = 1, off = 0;
	int end =
	    socket(name->generic.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (end < 0)
		return -1;
	(void)setsockopt(end, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (name->generic.sa_family == AF_INET6)
		(void)setsockopt(
		    end, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	if (bind(end, &name->generic, name_size(name)) == 0)
		return end;
	(void)close(end);
	return -1;
}

static int
daemon_at(const union name *name)
{
	int end = socket_at(name);

	if (end >= 0 && listen(end, 4) != 0) {
		(void)close(end);
		return -1;
	}
	return end;
}

static union name
daemon_name_of(enum family family, uint16_t port)
{
	switch (family) {
	case V6:
		return name_v6(&in6addr_loopback, port);
	case MAPPED_DAEMON:
		return name_v6(&in6addr_any, port);
	case V4:
	case MAPPED_CLIENT:
		break;
	}
	return name_v4(INADDR_LOOPBACK, port);
}

static const struct in6_addr mapped_loopback = {
	{ { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 } }
};

/* What the client connects from (port 0) and to. */
static union name
client_name_of(enum family family, uint16_t port)
{
	switch (family) {
	case V6:
		return name_v6(&in6addr_loopback, port);
	case MAPPED_CLIENT:
		return name_v6(&mapped_loopback, port);
	case V4:
	case MAPPED_DAEMON:
		break;
	}
	return name_v4(INADDR_LOOPBACK, port);
}

static void
obey(int end, enum deed deed)
{
	struct linger hard = { .l_onoff = 1 };
	union name name = name_v4(INADDR_LOOPBACK, port_of(end));

	switch (deed) {
	case CLIENT_SHUTS_DOWN:
		(void)shutdown(end, SHUT_WR);
		break;
	case CLIENT_CLOSES:
	case BOTH_CLOSE:
		(void)close(end);
		break;
	case CLIENT_RESETS:
	case CLIENT_LISTENS:
		(void)setsockopt(
		    end, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
		(void)close(end);
		if (deed == CLIENT_LISTENS && daemon_at(&name) < 0)
			_exit(5);
		break;
	case NOTHING:
	case DAEMON_CLOSES:
		break;
	}
}

/* The life of a client process. */
static void
client_live(uid_t uid, const union name *from, const union name *to, int orders,
    int reports)
{
	uint16_t port;
	char order;
	int end;

	if (uid != getuid() && setuid(uid) != 0)
		_exit(2);
	end = socket_at(from);
	if (end < 0 || connect(end, &to->generic, name_size(to)) != 0)
		_exit(3);
	port = port_of(end);
	if (write(reports, &port, sizeof port) != (ssize_t)sizeof port)
		_exit(4);
	while (read(orders, &order, 1) == 1) {
		obey(end, (enum deed)order);
		if (write(reports, &order, 1) != 1)
			_exit(4);
	}
	_exit(0);
}

static struct client
client_start(uid_t uid, const union name *from, const union name *to)
{
	struct client client;
	int orders[2], reports[2];

	need(pipe(orders) == 0 && pipe(reports) == 0, "pipe");
	client.pid = fork();
	need(client.pid >= 0, "fork");
	if (client.pid == 0) {
		(void)close(orders[1]);
		(void)close(reports[0]);
		client_live(uid, from, to, orders[0], reports[1]);
	}
	(void)close(orders[0]);
	(void)close(reports[1]);
	client.orders = orders[1];
	client.reports = reports[0];
	need(read(client.reports, &client.port, sizeof client.port)
		== (ssize_t)sizeof client.port,
	    "the client did not connect");
	return client;
}

static void
client_order(const struct client *client, enum deed deed)
{
	char order = (char)deed;

	need(write(client->orders, &order, 1) == 1
		&& read(client->reports, &order, 1) == 1,
	    "the client did not obey");
}

static void
client_end(struct client *client)
{
	int status = 0;

	(void)close(client->orders);
	(void)close(client->reports);
	need(waitpid(client->pid, &status, 0) == client->pid, "waitpid");
	assert_int_equal(status, 0);
}

static struct address
address_of(const char *text)
{
	struct address address;

	assert_true(network_address(text, &address));
	return address;
}

/* Another user than the one that runs the test, if that can be had. */
static uid_t
other_uid(void)
{
	return geteuid() == 0 ? OTHER_UID : getuid();
}

static void
check(const char *name, const struct address *from, uint16_t from_port,
    const struct address *to, uint16_t to_port, bool is_found, uid_t uid)
{
	struct fault fault = { .kind = FAULT_NONE };
	bool got_found = !is_found;
	uint32_t got_uid = 99;

	if (!uid_of_client(
		from, from_port, to, to_port, &got_found, &got_uid, &fault))
		fail_msg("%s: wanted an answer, got: %s", name, fault.words);
	if (got_found != is_found)
		fail_msg("%s: wanted %s, got %s (uid %u)", name,
		    is_found ? "found" : "not found",
		    got_found ? "found" : "not found", got_uid);
	if (is_found && got_uid != uid)
		fail_msg(
		    "%s: wanted uid %u, got %u", name, (unsigned)uid, got_uid);
	if (!is_found && got_uid != 0)
		fail_msg("%s: wanted no uid, got %u", name, got_uid);
}

static void
run_case(const struct test_case *c)
{
	union name at = daemon_name_of(c->family, 0);
	union name from = client_name_of(c->family, 0);
	int listener = daemon_at(&at);
	struct address address =
	    address_of(c->family == V6 ? "::1" : "127.0.0.1");
	struct address wildcard =
	    address_of(c->family == V6 ? "::" : "0.0.0.0");
	struct address stranger = address_of("127.0.0.77");
	const struct address *known = NULL;
	struct client client;
	union name to;
	uint16_t port;
	int end;

	if (listener < 0 && c->family != V4) {
		print_message("%s: left out, no IPv6 here\n", c->name);
		return;
	}
	need(listener >= 0, c->name);
	port = port_of(listener);
	to = client_name_of(c->family, port);
	client = client_start(other_uid(), &from, &to);
	end = accept(listener, NULL, NULL);
	need(end >= 0, c->name);
	client_order(&client, c->deed);
	if (c->deed == DAEMON_CLOSES || c->deed == BOTH_CLOSE)
		(void)close(end);
	if ((c->known & ADDRESS) != 0)
		known = &address;
	else if ((c->known & WILDCARD) != 0)
		known = &wildcard;
	check(c->name, &address, client.port, known,
	    (c->known & PORT) != 0 ? port : 0, c->is_found, other_uid());
	/* somebody else with the same port */
	check(c->name, &stranger, client.port, NULL, 0, false, 0);
	client_end(&client);
	if (c->deed != DAEMON_CLOSES && c->deed != BOTH_CLOSE)
		(void)close(end);
	(void)close(listener);
}

static void
tells_the_owner_of_the_clients_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		run_case(&cases[i]);
}

/* Two clients with one address and port, each connected to another daemon. */
static void
tells_apart_who_shares_a_port(void **state)
{
	struct address client = address_of("127.0.0.1");
	struct address first_at = address_of("127.0.0.1");
	struct address second_at = address_of("127.0.0.2");
	struct address third_at = address_of("127.0.0.3");
	struct address any = address_of("0.0.0.0");
	struct address unknown = { .is_known = false };
	union name first_name = name_v4(INADDR_LOOPBACK, 0);
	union name second_name, from = name_v4(INADDR_LOOPBACK, 0);
	struct client mine, theirs;
	int first, second;
	uint16_t port;

	(void)state;
	first = daemon_at(&first_name);
	need(first >= 0, "first daemon");
	port = port_of(first);
	first_name = name_v4(INADDR_LOOPBACK, port);
	second_name = name_v4(INADDR_LOOPBACK + 1, port);
	second = daemon_at(&second_name);
	need(second >= 0, "second daemon");

	theirs = client_start(other_uid(), &from, &first_name);
	from = name_v4(INADDR_LOOPBACK, theirs.port);
	mine = client_start(getuid(), &from, &second_name);

	check("theirs, all known", &client, theirs.port, &first_at, port, true,
	    other_uid());
	check("mine, all known", &client, theirs.port, &second_at, port, true,
	    getuid());
	check(
	    "a third daemon", &client, theirs.port, &third_at, port, false, 0);
	check("an address of another family", &client, theirs.port,
	    &(struct address){ .octets = { [15] = 1 }, .is_known = true }, port,
	    false, 0);
	check("theirs, address only", &client, theirs.port, &first_at, 0, true,
	    other_uid());
	/* as root these are two users, and then nobody knows whose it is */
	check("port only", &client, theirs.port, NULL, port,
	    other_uid() == getuid(), getuid());
	check("a wildcard is no address", &client, theirs.port, &any, port,
	    other_uid() == getuid(), getuid());
	check("an unknown address", &client, theirs.port, &unknown, port,
	    other_uid() == getuid(), getuid());
	check("nothing known", &client, theirs.port, NULL, 0,
	    other_uid() == getuid(), getuid());

	/* theirs, closed: what is left is mine, but it needn't be asked for */
	client_order(&theirs, CLIENT_CLOSES);
	check("theirs closed, port only", &client, theirs.port, NULL, port,
	    false, 0);
	check("theirs closed, all known", &client, theirs.port, &first_at, port,
	    false, 0);
	check("mine stays", &client, theirs.port, &second_at, port, true,
	    getuid());
	client_end(&mine);
	client_end(&theirs);
	(void)close(first);
	(void)close(second);
}

static void
asks_only_for_loopback(void **state)
{
	static const struct {
		const char *name;
		const char *address;
		uint16_t port;
	} none[] = {
		{ "sendmail(1) has port 0", "127.0.0.1", 0 },
		{ "IPv6 with port 0", "::1", 0 },
		{ "a client elsewhere", "192.0.2.1", 4711 },
		{ "an IPv6 client elsewhere", "2001:db8::1", 4711 },
		{ "wildcard", "0.0.0.0", 4711 },
		{ "IPv6 wildcard", "::", 4711 },
		{ "nobody has port 1", "127.0.0.1", 1 },
		{ "nobody has port 1, IPv6", "::1", 1 },
	};
	struct address unknown = { .is_known = false };

	(void)state;
	for (size_t i = 0; i < COUNT(none); i++) {
		struct address address = address_of(none[i].address);

		check(none[i].name, &address, none[i].port, &address, 25, false,
		    0);
		check(none[i].name, &address, none[i].port, NULL, 25, false, 0);
	}
	check("an unknown client", &unknown, 4711, NULL, 25, false, 0);
}

static void
says_what_is_wrong(void **state)
{
	struct address client = address_of("127.0.0.1");
	struct fault fault = { .kind = FAULT_NONE };
	struct rlimit before, none;
	bool is_answered, is_found = true;
	uint32_t uid = 99;

	(void)state;
	need(getrlimit(RLIMIT_NOFILE, &before) == 0, "getrlimit");
	none = before;
	none.rlim_cur = 0;
	need(setrlimit(RLIMIT_NOFILE, &none) == 0, "setrlimit");
	is_answered =
	    uid_of_client(&client, 4711, &client, 25, &is_found, &uid, &fault);
	need(setrlimit(RLIMIT_NOFILE, &before) == 0, "setrlimit");
	assert_false(is_answered);
	assert_false(is_found);
	assert_int_equal(uid, 0);
	assert_int_equal(fault.kind, FAULT_TEMPORARY);
	assert_non_null(strstr(fault.words, "sock_diag"));
}

static void
leaves_no_descriptor_open(void **state)
{
	struct address client = address_of("127.0.0.1");
	int before = dup(STDIN_FILENO), after;

	(void)state;
	need(before >= 0, "dup");
	(void)close(before);
	for (int i = 0; i < 100; i++)
		check("again", &client, 1, NULL, 0, false, 0);
	after = dup(STDIN_FILENO);
	(void)close(after);
	assert_int_equal(after, before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_the_owner_of_the_clients_end),
		cmocka_unit_test(tells_apart_who_shares_a_port),
		cmocka_unit_test(asks_only_for_loopback),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(leaves_no_descriptor_open),
	};

	return cmocka_run_group_tests_name("uid", tests, NULL, NULL);
}
