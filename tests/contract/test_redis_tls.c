/* The pool over TLS: whose certificate is taken, and time that runs out. Where
 * hiredis has no TLS, test_redis_pool has what is said then. */
#include "milter/io/clock.h"
#include "tests/contract/redis_pools.h"

#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { LINKS = 4, THREADS = 8, ROUNDS = 100, ROOM = 128, HOUR_S = 3600 };

/* A certificate of name, by issuer (NULL: its own), good for an hour. */
struct identity {
	EVP_PKEY *key;
	X509 *certificate;
};

static void
add_extension(X509 *certificate, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(extension);
	assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static struct identity
make(const char *name, const struct identity *issuer, const char *hosts)
{
	struct identity made = { .key = EVP_EC_gen("P-256"),
		.certificate = X509_new() };
	X509_NAME *subject = X509_get_subject_name(made.certificate);

	assert_non_null(made.key);
	if (issuer == NULL)
		issuer = &made;
	assert_int_equal(X509_set_version(made.certificate, 2), 1);
	ASN1_INTEGER_set(
	    X509_get_serialNumber(made.certificate), 1 + (issuer != &made));
	X509_gmtime_adj(X509_getm_notBefore(made.certificate), -HOUR_S);
	X509_gmtime_adj(X509_getm_notAfter(made.certificate), HOUR_S);
	assert_int_equal(X509_set_pubkey(made.certificate, made.key), 1);
	assert_int_equal(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
			     (const unsigned char *)name, -1, -1, 0),
	    1);
	X509_set_issuer_name(
	    made.certificate, X509_get_subject_name(issuer->certificate));
	if (hosts == NULL)
		add_extension(made.certificate, NID_basic_constraints,
		    "critical,CA:TRUE");
	else
		add_extension(made.certificate, NID_subject_alt_name, hosts);
	assert_true(X509_sign(made.certificate, issuer->key, EVP_sha256()) > 0);
	return made;
}

static void
forget(struct identity *identity)
{
	EVP_PKEY_free(identity->key);
	X509_free(identity->certificate);
}

/* DIRECTORY/NAME.pem and DIRECTORY/NAME.key */
static void
write_down(const struct pool_fixture *fixture, const struct identity *identity,
    const char *name)
{
	char path[ROOM];
	FILE *file;

	(void)snprintf(
	    path, sizeof(path), "%s/%s.pem", fixture->directory, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(PEM_write_X509(file, identity->certificate), 1);
	assert_int_equal(fclose(file), 0);
	(void)snprintf(
	    path, sizeof(path), "%s/%s.key", fixture->directory, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(PEM_write_PrivateKey(
			     file, identity->key, NULL, NULL, 0, NULL, NULL),
	    1);
	assert_int_equal(fclose(file), 0);
}

/* A server whose certificate names hosts, and a CA that is trusted if
 * is_trusted. Its TLS port is the result. */
static uint16_t
start(struct pool_fixture *fixture, const char *hosts, bool is_trusted)
{
	static char port[8];
	static char certificate[ROOM];
	static char key[ROOM];
	static const char *const words[] = { "--tls-port", port,
		"--tls-cert-file", certificate, "--tls-key-file", key,
		"--tls-auth-clients", "no", NULL };
	struct identity authority;
	struct identity other;
	struct identity server;
	uint16_t number = redis_servers_free_port();
	char path[ROOM];

	authority = make("authority", NULL, NULL);
	other = make("other", NULL, NULL);
	server = make("server", &authority, hosts);
	write_down(fixture, is_trusted ? &authority : &other, "authority");
	write_down(fixture, &server, "server");
	forget(&authority);
	forget(&other);
	forget(&server);
	(void)snprintf(port, sizeof(port), "%u", number);
	(void)snprintf(certificate, sizeof(certificate), "%s/server.pem",
	    fixture->directory);
	(void)snprintf(key, sizeof(key), "%s/server.key", fixture->directory);
	(void)snprintf(
	    path, sizeof(path), "%s/authority.pem", fixture->directory);
	assert_int_equal(setenv("SSL_CERT_FILE", path, 1), 0);
	redis_server_start(
	    &fixture->servers[0], fixture->directory, "one", words);
	return number;
}

static void
open_tls(struct pool_fixture *fixture, const char *host, uint16_t port,
    uint64_t timeout_ms)
{
	struct redis_place place =
	    redis_server_place(&fixture->arena, "rediss://%s:%u/2", host, port);

	pool_open(fixture, &place, "", timeout_ms, LINKS);
}

static void
test_good(void **state)
{
	struct pool_fixture *fixture = *state;
	uint16_t port = start(fixture, "DNS:localhost,IP:127.0.0.1", true);
	char long_value[400];

	assert_true(redis_pool_has_tls());
	open_tls(fixture, "127.0.0.1", port, POOL_TIMEOUT_MS);
	pool_want(fixture->pool, "SET k v", "OK");
	open_tls(fixture, "localhost", port, POOL_TIMEOUT_MS);
	pool_want(fixture->pool, "GET k", "v");
	memset(long_value, 'x', sizeof(long_value));
	memcpy(long_value, "APPEND k ", 9);
	long_value[sizeof(long_value) - 1] = '\0';
	for (int i = 0; i < 200; i++)
		pool_want(fixture->pool, long_value, "");
	/* An answer of more than one record, in a connection that is kept. */
	pool_want(fixture->pool, "GET k", "vxxx");
	pool_want(fixture->pool, "STRLEN k", "78001");
	for (int i = 0; i < 5; i++) {
		freeReplyObject(redis_server_ask(
		    &fixture->servers[0], "CLIENT KILL TYPE normal"));
		pool_want(fixture->pool, "STRLEN k", "78001");
	}
}

static const struct {
	const char *name;
	const char *hosts; /* of the certificate */
	const char *host;  /* of the URL */
	bool is_trusted;
} refusals[] = {
	{ "another CA", "DNS:localhost,IP:127.0.0.1", "localhost", false },
	{ "another name", "DNS:db.example", "localhost", true },
	{ "another address", "IP:127.0.0.2", "127.0.0.1", true },
	{ "an address as a name", "DNS:127.0.0.1", "127.0.0.1", true },
	{ "a part of the name", "DNS:local*", "localhost", true },
};

static void
test_refused(void **state)
{
	struct pool_fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		uint16_t port =
		    start(fixture, refusals[i].hosts, refusals[i].is_trusted);

		print_message("%s\n", refusals[i].name);
		open_tls(fixture, refusals[i].host, port, POOL_TIMEOUT_MS);
		pool_want_fault(fixture->pool, "GET k", FAULT_PERMANENT,
		    "certificate isn't good");
		redis_server_stop(&fixture->servers[0]);
	}
}

/* A peer that takes the connection, and says nothing or no TLS. */
static void
test_no_tls(void **state)
{
	struct pool_fixture *fixture = *state;
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
	socklen_t length = sizeof(address);
	uint64_t start_ms;
	int fd;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(
	    bind(fd, (const struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(
	    getsockname(fd, (struct sockaddr *)&address, &length), 0);
	open_tls(fixture, "127.0.0.1", ntohs(address.sin_port), 200);
	start_ms = clock_monotonic_ms();
	pool_want_fault(fixture->pool, "GET k", FAULT_TEMPORARY, "in time");
	assert_in_range(clock_monotonic_ms() - start_ms, 190, 20000);
	(void)close(fd);
	redis_server_start(
	    &fixture->servers[0], fixture->directory, "one", NULL);
	open_tls(
	    fixture, "127.0.0.1", fixture->servers[0].port, POOL_TIMEOUT_MS);
	pool_want_fault(fixture->pool, "GET k", FAULT_TEMPORARY, "TLS");
}

static void
test_stopped(void **state)
{
	struct pool_fixture *fixture = *state;
	uint16_t port = start(fixture, "IP:127.0.0.1", true);

	open_tls(fixture, "127.0.0.1", port, 300);
	pool_want(fixture->pool, "SET k v", "OK");
	assert_int_equal(kill(fixture->servers[0].pid, SIGSTOP), 0);
	for (int i = 0; i < 2; i++) {
		uint64_t start_ms = clock_monotonic_ms();

		pool_want_fault(
		    fixture->pool, "GET k", FAULT_TEMPORARY, "in time");
		assert_in_range(clock_monotonic_ms() - start_ms, 290, 20000);
	}
	assert_int_equal(kill(fixture->servers[0].pid, SIGCONT), 0);
	redis_server_await(&fixture->servers[0], "PING", "PONG");
	pool_want(fixture->pool, "GET k", "v");
}

static void *
work(void *context)
{
	struct redis_pool *pool = context;
	size_t bad = 0;

	for (int i = 0; i < ROUNDS; i++) {
		struct redisReply *answer =
		    pool_try(pool, "INCR n", NULL, NULL);

		bad += answer == NULL;
		freeReplyObject(answer);
	}
	return bad == 0 ? pool : NULL;
}

static void
test_threads(void **state)
{
	struct pool_fixture *fixture = *state;
	uint16_t port = start(fixture, "IP:127.0.0.1", true);
	pthread_t threads[THREADS];
	char wanted[16];

	open_tls(fixture, "127.0.0.1", port, 20000);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, work, fixture->pool), 0);
	for (int i = 0; i < THREADS; i++) {
		void *is_good = NULL;

		assert_int_equal(pthread_join(threads[i], &is_good), 0);
		assert_non_null(is_good);
	}
	(void)snprintf(wanted, sizeof(wanted), "%d", THREADS * ROUNDS);
	pool_want(fixture->pool, "GET n", wanted);
}

#define POOL_TEST(test) \
	cmocka_unit_test_setup_teardown(test, pools_setup, pools_teardown)

/* Where TLS isn't built in there is nothing else to test of it. */
static void
test_not_built_in(void **state)
{
	const struct redis_place place = { .kind = REDIS_TCP,
		.is_tls = true,
		.shown = "rediss://127.0.0.1",
		.user = "",
		.path = "",
		.hosts = { { "127.0.0.1", 6379 } },
		.host_count = 1,
		.master = "" };
	const struct redis_pool_rules rules = {
		.timeout_ms = 1000, .password_file = "", .links_max = 1
	};
	struct fault fault = { 0 };

	(void)state;
	assert_null(redis_pool_open(&place, &rules, &fault));
	assert_int_equal(fault.kind, FAULT_PERMANENT);
	assert_non_null(strstr(fault.words, "hiredis 1.0"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		POOL_TEST(test_good),
		POOL_TEST(test_refused),
		POOL_TEST(test_no_tls),
		POOL_TEST(test_stopped),
		POOL_TEST(test_threads),
	};
	const struct CMUnitTest without[] = {
		cmocka_unit_test(test_not_built_in),
	};
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	/* OpenSSL writes without MSG_NOSIGNAL; the daemon ignores it too. */
	assert_int_equal(sigaction(SIGPIPE, &ignore, NULL), 0);
	return redis_pool_has_tls()
	    ? cmocka_run_group_tests(tests, NULL, NULL)
	    : cmocka_run_group_tests(without, NULL, NULL);
}
