#include "conf/redis_place.h"

#include "policy/address.h"
#include "policy/network.h"
#include "policy/text.h"

#include <string.h>
#include <sys/un.h>

enum {
	URL_OCTETS = 4095,
	USER_OCTETS = 255,
	MASTER_OCTETS = 255,
	PATH_OCTETS = sizeof(((struct sockaddr_un *)0)->sun_path) - 1,
	LAST_DATABASE = 65535,
	REDIS_PORT = 6379,
	SENTINEL_PORT = 26379,
};

static const struct scheme {
	const char *name;
	enum redis_kind kind;
	bool is_tls;
} schemes[] = {
	{ "redis://", REDIS_TCP, false },
	{ "rediss://", REDIS_TCP, true },
	{ "redis+unix://", REDIS_UNIX, false },
	{ "redis+sentinel://", REDIS_SENTINEL, false },
	{ "redis+cluster://", REDIS_CLUSTER, false },
};

/* A URL being read. No words tell what stands in the URL before it is known
 * to hold no password. */
struct reading {
	struct arena *arena;
	struct redis_place *place;
	struct fault *fault;
};

static bool
complain(const struct reading *reading, const char *words)
{
	fault_set(reading->fault, FAULT_PERMANENT, "%s", words);
	return false;
}

static char *
copy_of(const struct reading *reading, const char *text, size_t length)
{
	char *copy = arena_copy(reading->arena, text, length);

	if (copy == NULL)
		fault_memory(reading->fault);
	return copy;
}

static bool
has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The value of a hexadecimal digit; 16 for anything else. */
static unsigned
hexadecimal(char digit)
{
	static const char digits[] = "0123456789abcdef";
	const char *found;

	if (digit >= 'A' && digit <= 'F')
		digit = (char)(digit - 'A' + 'a');
	found = digit != '\0' ? strchr(digits, digit) : NULL;
	return found != NULL ? (unsigned)(found - digits) : 16;
}

/* The length octets at text with each %XX made one octet (RFC 3986 §2.1).
 * NULL with words. */
static const char *
decoded(const struct reading *reading, const char *text, size_t length)
{
	char *copy = copy_of(reading, text, length);
	size_t written = 0;

	if (copy == NULL)
		return NULL;
	for (const char *at = copy; *at != '\0'; at++) {
		unsigned high;
		unsigned low;

		if (*at != '%') {
			copy[written++] = *at;
			continue;
		}
		high = hexadecimal(at[1]);
		low = high < 16 ? hexadecimal(at[2]) : 16;
		if (low == 16 || high + low == 0) {
			complain(reading,
			    "'%' is to be followed by two hexadecimal digits, "
			    "not 00; write '%' itself as %25");
			return NULL;
		}
		copy[written++] = (char)(high << 4 | low);
		at += 2;
	}
	copy[written] = '\0';
	return copy;
}

static bool
read_user(const struct reading *reading, const char *text, size_t length)
{
	const char *user = decoded(reading, text, length);

	if (user == NULL)
		return false;
	if (*user == '\0')
		return complain(reading,
		    "the user's name is empty; leave it out for the default "
		    "user");
	if (strlen(user) > USER_OCTETS)
		return complain(
		    reading, "the user's name is longer than 255 octets");
	reading->place->user = user;
	return true;
}

static bool
read_database(const struct reading *reading, const char *text)
{
	uint64_t number;

	if (!text_number(text, 0, LAST_DATABASE, &number))
		return complain(reading,
		    "the database is no number 0 to 65535, and nothing may "
		    "stand behind it");
	reading->place->database = (unsigned)number;
	return true;
}

/* Is text a name that can be looked up, or an IPv4 address? */
static bool
is_host_name(const struct reading *reading, const char *text)
{
	struct address address;
	const char *domain;

	if (text[strspn(text, "0123456789.")] == '\0')
		return network_address(text, &address);
	return text[strspn(text,
		   "abcdefghijklmnopqrstuvwxyz"
		   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")]
	    == '\0'
	    && address_domain(
		reading->arena, text, strlen(text), &domain, NULL);
}

static bool
is_ipv6(const char *text)
{
	struct address address;

	return strchr(text, ':') != NULL
	    && text[strspn(text, "0123456789abcdefABCDEF:.")] == '\0'
	    && network_address(text, &address);
}

/* Part "[ADDRESS]:PORT" or "NAME:PORT", in place. */
static bool
part_host(const struct reading *reading, char *text, const char **name_out,
    const char **port_out)
{
	char *end = strchr(text, ']');
	char *colon;

	*port_out = NULL;
	if (*text == '[') {
		if (end == NULL || (end[1] != ':' && end[1] != '\0'))
			return complain(reading,
			    "an IPv6 address stands in brackets, with nothing "
			    "but a port behind: [2001:db8::1]:6379");
		*name_out = text + 1;
		colon = end + 1;
		if (*colon == ':')
			*port_out = colon + 1;
		*end = '\0';
		return is_ipv6(*name_out)
		    || complain(
			reading, "what stands in brackets is no IPv6 address");
	}
	colon = strchr(text, ':');
	if (colon != NULL && strchr(colon + 1, ':') != NULL)
		return complain(reading,
		    "there are too many colons; write an IPv6 address in "
		    "brackets: [2001:db8::1]:6379");
	if (colon != NULL) {
		*colon = '\0';
		*port_out = colon + 1;
	}
	*name_out = text;
	if (*text == '\0')
		return complain(reading,
		    "a host is missing; write its name or address and, if it "
		    "is another than the usual one, the port: "
		    "redis.example:6379");
	return is_host_name(reading, text)
	    || complain(
		reading, "a host is neither a host's name nor an address");
}

static bool
read_host(const struct reading *reading, const char *text, size_t length)
{
	struct redis_place *place = reading->place;
	uint64_t port =
	    place->kind == REDIS_SENTINEL ? SENTINEL_PORT : REDIS_PORT;
	char *copy = copy_of(reading, text, length);
	const char *name = "";
	const char *digits = NULL;

	if (copy == NULL || !part_host(reading, copy, &name, &digits))
		return false;
	if (digits != NULL && !text_number(digits, 1, UINT16_MAX, &port)) {
		fault_set(reading->fault, FAULT_PERMANENT,
		    "the port of %.100s is no number 1 to 65535", name);
		return false;
	}
	if (place->host_count == REDIS_HOSTS) {
		fault_set(reading->fault, FAULT_PERMANENT,
		    "more than %d hosts are listed; a few are enough, the "
		    "others are found out from them",
		    REDIS_HOSTS);
		return false;
	}
	place->hosts[place->host_count].name = name;
	place->hosts[place->host_count].port = (uint16_t)port;
	place->host_count++;
	return true;
}

/* "HOST[:PORT],...", up to where the path begins. */
static bool
read_hosts(const struct reading *reading, const char *text, size_t length)
{
	const char *end = text + length;

	for (;;) {
		const char *comma = memchr(text, ',', (size_t)(end - text));

		if (comma != NULL && reading->place->kind == REDIS_TCP)
			return complain(reading,
			    "there are several hosts; write redis+sentinel:// "
			    "or redis+cluster:// for them, or one host");
		if (!read_host(reading, text,
			(size_t)((comma != NULL ? comma : end) - text)))
			return false;
		if (comma == NULL)
			return true;
		text = comma + 1;
	}
}

/* "/NAME[/DB]". Sentinel takes these characters for a name, no others. */
static bool
read_master(const struct reading *reading, const char *path)
{
	const char *name = *path == '/' ? path + 1 : path;
	size_t length = strspn(name,
	    "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

	if (*name == '\0' || *name == '/')
		return complain(reading,
		    "the master's name is missing; write the one that the "
		    "sentinels know it by: redis+sentinel://HOST:26379/NAME");
	if ((name[length] != '\0' && name[length] != '/')
	    || length > MASTER_OCTETS)
		return complain(reading,
		    "the master's name has letters, digits, '_', '.' and '-', "
		    "at most 255");
	reading->place->master = copy_of(reading, name, length);
	if (reading->place->master == NULL)
		return false;
	return name[length] == '\0'
	    || read_database(reading, name + length + 1);
}

/* What stands behind the hosts. */
static bool
read_path(const struct reading *reading, const char *path)
{
	if (strchr(path, '?') != NULL)
		return complain(reading,
		    "only redis+unix:// takes parameters; write the user "
		    "before the host and '@', the database behind the host "
		    "and '/'");
	if (reading->place->kind == REDIS_SENTINEL)
		return read_master(reading, path);
	if (reading->place->kind == REDIS_CLUSTER && *path != '\0')
		return complain(reading,
		    "a cluster has one database; write nothing behind its "
		    "hosts");
	/* "redis://host/" is the same as without the slash. */
	return path[0] == '\0' || path[1] == '\0'
	    || read_database(reading, path + 1);
}

/* "[USER@]HOSTS[/PATH]". Whatever stands before the last '@' may be part of a
 * password, also where it has signs that a URL would have as %XX. */
static bool
read_network(const struct reading *reading, const char *text)
{
	const char *at = strrchr(text, '@');
	size_t length;

	if (at != NULL && memchr(text, ':', (size_t)(at - text)) != NULL)
		return complain(reading,
		    "holds a password, which others may read here; put it "
		    "into a file and write password_file");
	if (at != NULL && text + strcspn(text, "/?,@") < at)
		return complain(reading,
		    "one user's name stands before the hosts; write '/', '?', "
		    "',' and '@' in it as %XX");
	if (at != NULL && !read_user(reading, text, (size_t)(at - text)))
		return false;
	if (at != NULL)
		text = at + 1;
	length = strcspn(text, "/?");
	return read_hosts(reading, text, length)
	    && read_path(reading, text + length);
}

/* One parameter of a unix socket. */
static bool
read_parameter(const struct reading *reading, const char *text, size_t length,
    bool *has_database, bool *has_user)
{
	static const char database[] = "db=";
	static const char user[] = "user=";
	const char *value;

	if (has_prefix(text, database) && !*has_database) {
		*has_database = true;
		value = copy_of(reading, text + strlen(database),
		    length - strlen(database));
		return value != NULL && read_database(reading, value);
	}
	if (has_prefix(text, user) && !*has_user) {
		*has_user = true;
		return read_user(
		    reading, text + strlen(user), length - strlen(user));
	}
	return complain(reading,
	    "there are two parameters, each at most once: ?db=N&user=USER (a "
	    "password goes into password_file)");
}

static bool
read_parameters(const struct reading *reading, const char *text)
{
	bool has_database = false;
	bool has_user = false;

	for (;;) {
		size_t length = strcspn(text, "&");

		if (!read_parameter(
			reading, text, length, &has_database, &has_user))
			return false;
		if (text[length] == '\0')
			return true;
		text += length + 1;
	}
}

/* "/PATH[?db=N][&user=USER]" */
static bool
read_unix(const struct reading *reading, const char *text)
{
	size_t length = strcspn(text, "?");
	const char *path;

	if (*text != '/')
		return complain(reading,
		    "the socket's path is to begin with '/', which makes three "
		    "of them: redis+unix:///run/redis/redis.sock");
	path = decoded(reading, text, length);
	if (path == NULL)
		return false;
	if (path[strlen(path) - 1] == '/')
		return complain(reading, "names a directory, not a socket");
	if (strlen(path) > PATH_OCTETS)
		return complain(
		    reading, "the socket's path is longer than 107 octets");
	reading->place->path = path;
	return text[length] == '\0'
	    || read_parameters(reading, text + length + 1);
}

static bool
has_good_octets(const struct reading *reading, const char *url)
{
	size_t length = 0;

	while (url[length] > ' ' && url[length] <= '~' && url[length] != '#'
	    && url[length] != '"')
		length++;
	if (url[length] != '\0')
		return complain(reading,
		    "has a blank, a quote, '#' or a sign that is not ASCII; "
		    "write each as %XX");
	return length <= URL_OCTETS
	    || complain(reading, "is longer than 4095 octets");
}

bool
redis_place_read(const char *url, struct arena *arena,
    struct redis_place *place_out, struct fault *fault)
{
	const struct reading reading = { arena, place_out, fault };
	const struct scheme *scheme = NULL;

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (has_prefix(url, schemes[i].name))
			scheme = &schemes[i];
	if (scheme == NULL)
		return complain(&reading,
		    "is no place of Redis; write redis://HOST:6379/0, "
		    "rediss://HOST:6379/0 (TLS), redis+unix:///PATH, "
		    "redis+sentinel://HOST:26379,HOST:26379/NAME or "
		    "redis+cluster://HOST:6379,HOST:6379");
	*place_out = (struct redis_place){
		.kind = scheme->kind,
		.is_tls = scheme->is_tls,
		.user = "",
		.path = "",
		.master = "",
	};
	if (!has_good_octets(&reading, url))
		return false;
	place_out->shown = copy_of(&reading, url, strlen(url));
	if (place_out->shown == NULL)
		return false;
	return scheme->kind == REDIS_UNIX
	    ? read_unix(&reading, url + strlen(scheme->name))
	    : read_network(&reading, url + strlen(scheme->name));
}
