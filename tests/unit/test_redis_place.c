/* What store.url may be, and what is said of every other one. */
#include "conf/redis_place.h"
#include "policy/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void
show(struct text *out, const struct redis_place *place)
{
	static const char *const kinds[] = { "tcp", "unix", "sentinel",
		"cluster" };

	text_addf(out, "%s%s", kinds[place->kind], place->is_tls ? "+tls" : "");
	if (*place->user != '\0')
		text_addf(out, " user=%s", place->user);
	if (*place->path != '\0')
		text_addf(out, " path=%s", place->path);
	for (size_t i = 0; i < place->host_count; i++)
		text_addf(
		    out, " %s|%d", place->hosts[i].name, place->hosts[i].port);
	if (*place->master != '\0')
		text_addf(out, " master=%s", place->master);
	text_addf(out, " db=%u", place->database);
}

struct good_case {
	const char *name;
	const char *url;
	const char *want;
};

static const struct good_case good_cases[] = {
	{ "a name", "redis://redis.example", "tcp redis.example|6379 db=0" },
	{ "a name without a dot", "redis://redis", "tcp redis|6379 db=0" },
	{ "a name with an underscore", "redis://my_redis-1",
	    "tcp my_redis-1|6379 db=0" },
	{ "a port", "redis://localhost:7000", "tcp localhost|7000 db=0" },
	{ "the last port", "redis://h:65535", "tcp h|65535 db=0" },
	{ "a database", "redis://h/15", "tcp h|6379 db=15" },
	{ "the last database", "redis://h:1/65535", "tcp h|1 db=65535" },
	{ "a slash alone", "redis://h:6379/", "tcp h|6379 db=0" },
	{ "an address", "redis://192.0.2.1:6380/2", "tcp 192.0.2.1|6380 db=2" },
	{ "an IPv6 address", "redis://[2001:db8::1]:6380/2",
	    "tcp 2001:db8::1|6380 db=2" },
	{ "without a port", "redis://[::1]", "tcp ::1|6379 db=0" },
	{ "with an IPv4 part", "redis://[::ffff:192.0.2.1]",
	    "tcp ::ffff:192.0.2.1|6379 db=0" },
	{ "a user", "redis://postern@h", "tcp user=postern h|6379 db=0" },
	{ "a user with signs", "redis://a%40b%2fc%3a%C3%bc@h/1",
	    "tcp user=a@b/c:\xC3\xBC h|6379 db=1" },
	{ "TLS", "rediss://u@h:6380/3", "tcp+tls user=u h|6380 db=3" },

	{ "a unix socket", "redis+unix:///run/redis/redis.sock",
	    "unix path=/run/redis/redis.sock db=0" },
	{ "with a database", "redis+unix:///r.sock?db=4",
	    "unix path=/r.sock db=4" },
	{ "with a user", "redis+unix:///r.sock?user=a%26b",
	    "unix user=a&b path=/r.sock db=0" },
	{ "with both", "redis+unix:///r.sock?db=4&user=u",
	    "unix user=u path=/r.sock db=4" },
	{ "with both, the other way", "redis+unix:///r.sock?user=u&db=4",
	    "unix user=u path=/r.sock db=4" },
	{ "a path with signs", "redis+unix:///a%20b%3F%25.sock",
	    "unix path=/a b?%.sock db=0" },
	{ "a path like a password", "redis+unix:///a:b@c",
	    "unix path=/a:b@c db=0" },
	{ "107 octets",
	    "redis+unix:///"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%61",
	    "unix path=/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa db=0" },

	{ "a sentinel", "redis+sentinel://h/mymaster",
	    "sentinel h|26379 master=mymaster db=0" },
	{ "sentinels", "redis+sentinel://u@h1:5000,h2,[::1]:7/my.master-1_A/9",
	    "sentinel user=u h1|5000 h2|26379 ::1|7 master=my.master-1_A "
	    "db=9" },
	{ "sixteen sentinels",
	    "redis+sentinel://a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p/m",
	    "sentinel a|26379 b|26379 c|26379 d|26379 e|26379 f|26379 "
	    "g|26379 h|26379 i|26379 j|26379 k|26379 l|26379 m|26379 "
	    "n|26379 o|26379 p|26379 master=m db=0" },

	{ "a cluster", "redis+cluster://h", "cluster h|6379 db=0" },
	{ "several nodes", "redis+cluster://u@h1:7000,h2:7001,h3",
	    "cluster user=u h1|7000 h2|7001 h3|6379 db=0" },
};

static void
good_places_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good_cases); i++) {
		const struct good_case *c = &good_cases[i];
		struct fault fault = { .kind = FAULT_NONE };
		struct redis_place place;
		struct arena arena;
		char space[500];
		struct text got;

		arena_init(&arena, 1024 * 1024);
		text_init(&got, space, sizeof(space));
		if (!redis_place_read(c->url, &arena, &place, &fault))
			text_add(&got, fault.words);
		else if (strcmp(place.shown, c->url) != 0)
			text_addf(&got, "shown as %s", place.shown);
		else
			show(&got, &place);
		arena_clear(&arena);
		if (strcmp(space, c->want) != 0)
			fail_msg("%s: wanted \"%s\", got \"%s\"", c->name,
			    c->want, space);
	}
}

struct bad_case {
	const char *name;
	const char *url;
	const char *want; /* within the words */
};

#define NO_PLACE                                            \
	"is no place of Redis; write redis://HOST:6379/0, " \
	"rediss://HOST:6379/0 (TLS), redis+unix:///PATH, "  \
	"redis+sentinel://HOST:26379,HOST:26379/NAME or "   \
	"redis+cluster://HOST:6379,HOST:6379"
#define PASSWORD "holds a password, which others may read here"
#define HOST_MISSING "a host is missing"
#define NO_PORT "the port of h is no number 1 to 65535"
#define NO_DATABASE "the database is no number 0 to 65535"
#define NO_OCTET "has a blank, a quote, '#' or a sign that is not ASCII"
#define HUNDRED                                                   \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct bad_case bad_cases[] = {
	/* schemes */
	{ "nothing", "", NO_PLACE },
	{ "a host alone", "127.0.0.1:6379", NO_PLACE },
	{ "a path alone", "/run/redis.sock", NO_PLACE },
	{ "another scheme", "http://h/0", NO_PLACE },
	{ "unix", "unix:///run/redis.sock", NO_PLACE },
	{ "TLS and Sentinel", "rediss+sentinel://h/m", NO_PLACE },
	{ "one slash", "redis:/h", NO_PLACE },
	{ "capitals", "Redis://h", NO_PLACE },
	{ "a blank before", " redis://h", NO_PLACE },

	/* passwords, wherever they are */
	{ "user and password", "redis://u:p@h", PASSWORD },
	{ "a password alone", "redis://:p@h", PASSWORD },
	{ "an empty one", "redis://u:@h", PASSWORD },
	{ "with a slash", "redis://u:p/q@h", PASSWORD },
	{ "with an at sign", "redis://u:p@q@h", PASSWORD },
	{ "with TLS", "rediss://u:p@h", PASSWORD },
	{ "for Sentinel", "redis+sentinel://u:p@h/m", PASSWORD },
	{ "for a cluster", "redis+cluster://u:p@h", PASSWORD },
	{ "as a parameter", "redis+unix:///r.sock?password=p",
	    "a password goes into password_file" },
	{ "as a parameter of a host", "redis://h/0?password=p",
	    "only redis+unix:// takes parameters" },

	/* users */
	{ "an empty user", "redis://@h", "the user's name is empty" },
	{ "an empty user of a socket",
	    "redis+unix:///r?user=", "the user's name is empty" },
	{ "two users", "redis://a@b@h", "one user's name stands before" },
	{ "a user behind the host", "redis://h/0@u",
	    "one user's name stands before" },
	{ "a bad escape", "redis://a%4@h", "followed by two hexadecimal" },
	{ "an escape of letters", "redis://a%gg@h",
	    "followed by two hexadecimal" },
	{ "a NUL", "redis://a%00b@h", "not 00" },
	{ "a long user", "redis://" HUNDRED HUNDRED HUNDRED "@h",
	    "longer than 255 octets" },

	/* hosts */
	{ "no host", "redis://", HOST_MISSING },
	{ "no host but a port", "redis://:6379", HOST_MISSING },
	{ "no host but a database", "redis:///0", HOST_MISSING },
	{ "no host behind a user", "redis://u@/0", HOST_MISSING },
	{ "no sentinel", "redis+sentinel:///mymaster", HOST_MISSING },
	{ "a comma too many", "redis+cluster://h1,", HOST_MISSING },
	{ "two commas", "redis+cluster://h1,,h2", HOST_MISSING },
	{ "several hosts", "redis://h1,h2", "there are several hosts" },
	{ "several hosts with TLS", "rediss://h1:1,h2:2/0",
	    "there are several hosts" },
	{ "seventeen hosts",
	    "redis+cluster://a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q",
	    "more than 16 hosts" },
	{ "a host of signs", "redis://h!", "neither a host's name nor" },
	{ "an escape in a host", "redis://h%41", "neither a host's name nor" },
	{ "an empty label", "redis://a..b", "neither a host's name nor" },
	{ "half an address", "redis://192.0.2", "neither a host's name nor" },
	{ "no address", "redis://192.0.2.256", "neither a host's name nor" },
	{ "IPv6 without brackets", "redis://::1:6379",
	    "write an IPv6 address in brackets" },
	{ "a bracket that stays open", "redis://[::1", "stands in brackets" },
	{ "something behind a bracket", "redis://[::1]6379",
	    "stands in brackets" },
	{ "a name in brackets", "redis://[h]:1", "is no IPv6 address" },
	{ "IPv4 in brackets", "redis://[192.0.2.1]", "is no IPv6 address" },
	{ "Postfix's form", "redis://[IPv6:::1]", "is no IPv6 address" },
	{ "nothing in brackets", "redis://[]", "is no IPv6 address" },
	{ "a scope", "redis://[fe80::1%25eth0]", "is no IPv6 address" },

	/* ports */
	{ "port nought", "redis://h:0", NO_PORT },
	{ "port 65536", "redis://h:65536", NO_PORT },
	{ "a huge port", "redis://h:99999999999999999999999", NO_PORT },
	{ "no port behind its colon", "redis://h:/0", NO_PORT },
	{ "a port of letters", "redis://h:http", NO_PORT },
	{ "a negative port", "redis://h:-1", NO_PORT },
	{ "junk behind a port", "redis+cluster://h:1x,i", NO_PORT },
	{ "port nought of IPv6", "redis://[::1]:0", "the port of ::1 is no" },
	{ "no port of IPv6", "redis://[::1]:", "the port of ::1 is no" },

	/* databases and what is behind them */
	{ "database 65536", "redis://h/65536", NO_DATABASE },
	{ "a database of letters", "redis://h/x", NO_DATABASE },
	{ "a negative database", "redis://h/-1", NO_DATABASE },
	{ "junk behind it", "redis://h/0/x", NO_DATABASE },
	{ "a slash behind it", "redis://h/0/", NO_DATABASE },
	{ "a parameter", "redis://h/0?db=1",
	    "only redis+unix:// takes parameters" },
	{ "a parameter of the host", "redis://h?db=1",
	    "only redis+unix:// takes parameters" },
	{ "a fragment", "redis://h/0#x", NO_OCTET },
	{ "a blank", "redis://h /0", NO_OCTET },
	{ "a line end", "redis://h\n", NO_OCTET },
	{ "a quote", "redis://h\"", NO_OCTET },
	{ "an umlaut", "redis://\xC3\xBC", NO_OCTET },
	{ "DEL", "redis://h\x7f", NO_OCTET },
	{ "a database of a cluster", "redis+cluster://h/0",
	    "a cluster has one database" },
	{ "a slash of a cluster", "redis+cluster://h/",
	    "a cluster has one database" },

	/* sentinels */
	{ "no name", "redis+sentinel://h", "the master's name is missing" },
	{ "an empty name", "redis+sentinel://h/",
	    "the master's name is missing" },
	{ "an empty name and a database", "redis+sentinel://h//0",
	    "the master's name is missing" },
	{ "a name of signs", "redis+sentinel://h/my%20master",
	    "the master's name has letters" },
	{ "a long name", "redis+sentinel://h/" HUNDRED HUNDRED HUNDRED,
	    "at most 255" },
	{ "no database behind its slash", "redis+sentinel://h/m/",
	    NO_DATABASE },
	{ "junk behind a name", "redis+sentinel://h/m/1/2", NO_DATABASE },
	{ "a parameter of a sentinel", "redis+sentinel://h/m?db=1",
	    "only redis+unix:// takes parameters" },

	/* unix sockets */
	{ "two slashes", "redis+unix://run/redis.sock",
	    "is to begin with '/', which makes three" },
	{ "no path", "redis+unix://", "is to begin with '/'" },
	{ "an encoded slash", "redis+unix://%2Frun/r", "is to begin with '/'" },
	{ "a password before a path", "redis+unix://u:p@/run/r",
	    "is to begin with '/'" },
	{ "the root", "redis+unix:///", "names a directory" },
	{ "a directory", "redis+unix:///run/", "names a directory" },
	{ "a path with a NUL", "redis+unix:///a%00b", "not 00" },
	{ "a bad escape in a path", "redis+unix:///a%", "hexadecimal" },
	{ "108 octets", "redis+unix:///" HUNDRED "bbbbbbb",
	    "longer than 107 octets" },
	{ "no parameter", "redis+unix:///r?", "there are two parameters" },
	{ "an unknown parameter", "redis+unix:///r?database=1",
	    "there are two parameters" },
	{ "a parameter twice", "redis+unix:///r?db=1&db=1",
	    "there are two parameters" },
	{ "a user twice", "redis+unix:///r?user=a&user=a",
	    "there are two parameters" },
	{ "an ampersand too many", "redis+unix:///r?db=1&",
	    "there are two parameters" },
	{ "a database of a socket", "redis+unix:///r?db=x", NO_DATABASE },
	{ "an empty database", "redis+unix:///r?db=", NO_DATABASE },
};

static void
bad_places_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad_cases); i++) {
		const struct bad_case *c = &bad_cases[i];
		struct fault fault = { .kind = FAULT_NONE };
		struct redis_place place;
		struct arena arena;
		bool is_read;

		arena_init(&arena, 1024 * 1024);
		is_read = redis_place_read(c->url, &arena, &place, &fault);
		arena_clear(&arena);
		if (is_read)
			fail_msg("%s: was read", c->name);
		if (fault.kind != FAULT_PERMANENT)
			fail_msg("%s: wanted a permanent fault, got kind %d",
			    c->name, (int)fault.kind);
		if (strstr(fault.words, c->want) == NULL)
			fail_msg("%s: wanted \"%s\", got \"%s\"", c->name,
			    c->want, fault.words);
	}
}

/* Whatever is wrong, words end up in logs. */
static void
no_password_is_told(void **state)
{
	static const char *const urls[] = {
		"redis://u:hunter2@h",
		"redis://u:hunter2/x@h",
		"redis:hunter2@h",
		"http://u:hunter2@h",
		"redis://u:hunter2",
		"redis+unix://u:hunter2@/r",
		"redis+unix:///r?password=hunter2",
		"redis://h/0?password=hunter2",
		"redis+sentinel://:hunter2@h/m",
		"redis://u:hunter2 @h",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(urls); i++) {
		struct fault fault = { .kind = FAULT_NONE };
		struct redis_place place;
		struct arena arena;
		bool is_read;

		arena_init(&arena, 65536);
		is_read = redis_place_read(urls[i], &arena, &place, &fault);
		arena_clear(&arena);
		if (is_read || strstr(fault.words, "hunter2") != NULL)
			fail_msg("%s: wanted words without it, got \"%s\"",
			    urls[i], is_read ? "(it was read)" : fault.words);
	}
}

static void
length_is_bounded(void **state)
{
	enum { MOST = 4095 };
	char url[MOST + 2] = "redis+cluster://";
	size_t length = strlen(url);
	struct fault fault = { .kind = FAULT_NONE };
	struct redis_place place;
	struct arena arena;

	(void)state;
	memset(url + length, 'a', sizeof(url) - 1 - length);
	arena_init(&arena, 1024 * 1024);
	assert_false(redis_place_read(url, &arena, &place, &fault));
	assert_string_equal(fault.words, "is longer than 4095 octets");
	url[MOST] = '\0';
	assert_false(redis_place_read(url, &arena, &place, &fault));
	assert_string_equal(
	    fault.words, "a host is neither a host's name nor an address");
	arena_clear(&arena);
}

static void
want_of_memory_is_told(void **state)
{
	struct fault fault = { .kind = FAULT_NONE };
	struct redis_place place;
	struct arena arena;

	(void)state;
	arena_init(&arena, 0);
	assert_false(redis_place_read("redis://h", &arena, &place, &fault));
	assert_int_equal(fault.kind, FAULT_MEMORY);
	arena_clear(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_places_are_read),
		cmocka_unit_test(bad_places_are_refused),
		cmocka_unit_test(no_password_is_told),
		cmocka_unit_test(length_is_bounded),
		cmocka_unit_test(want_of_memory_is_told),
	};

	return cmocka_run_group_tests_name("redis_place", tests, NULL, NULL);
}
