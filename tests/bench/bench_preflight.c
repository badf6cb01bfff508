/* bench_preflight: what judging a message costs, each as a ratio against
 * something that is measured in the same run, in turns with it: with all DNS
 * answers in the cache against an RSA-2048 signature, by 8 threads against 2,
 * and with none of them against the longest chain of answers that must be
 * waited for one after the other. */
#include "milter/io/clock.h"
#include "milter/io/evidence.h"
#include "tests/fake/dns_source.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ROUNDS = 41, /* the median of so many counts */
	SIGNATURES = 50,
	MESSAGES = 500,
	THREAD_MESSAGES = 4000, /* of all threads together */
	THREAD_ROUNDS = 11,
	COLD_ROUNDS = 11,
	DELAY_MS = 20,
	TIMEOUT_MS = 5000,
	ARENA_OCTETS = 4 << 20,
	B64_OCTETS = 512,
	ZONE_OCTETS = 4096,
	FLAT_CHAIN = 2, /* the record, its includes */
	DEEP_CHAIN = 4, /* and an include in an include, twice */
};

#define ED25519_KEY "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

/* The %s is the RSA key, in two strings. */
static const char zone[] =
    "{"
    "\"a.example\": [[\"TXT\", \"v=spf1 include:_spf1.net.example "
    "include:_spf2.net.example include:_spf3.net.example ~all\"]],"
    "\"_spf1.net.example\": [[\"TXT\", \"v=spf1 ip4:198.51.100.0/24 "
    "ip4:203.0.113.0/25 ip6:2001:db8:1::/48 ~all\"]],"
    "\"_spf2.net.example\": [[\"TXT\", \"v=spf1 ip4:198.51.101.0/24 "
    "ip4:203.0.113.128/25 ip6:2001:db8:2::/48 ~all\"]],"
    "\"_spf3.net.example\": [[\"TXT\", \"v=spf1 ip4:192.0.2.0/25 "
    "ip6:2001:db8:3::/48 ~all\"]],"
    "\"deep.example\": [[\"TXT\", \"v=spf1 include:_spf1.net.example "
    "include:one.deep.example -all\"]],"
    "\"one.deep.example\": [[\"TXT\", \"v=spf1 include:_spf2.net.example "
    "include:two.deep.example -all\"]],"
    "\"two.deep.example\": [[\"TXT\", \"v=spf1 "
    "include:_spf3.net.example -all\"]],"
    "\"_dmarc.a.example\": [[\"TXT\", \"v=DMARC1; p=reject; "
    "rua=mailto:dmarc@a.example\"]],"
    "\"s1._domainkey.a.example\": [[\"TXT\", [\"v=DKIM1; k=rsa; p=%.200s\", "
    "\"%s\"]]],"
    "\"s2._domainkey.a.example\": [[\"TXT\", \"v=DKIM1; k=ed25519; "
    "p=" ED25519_KEY "\"]]"
    "}";

struct bench {
	EVP_PKEY *pkey;
	char public_b64[B64_OCTETS];
	struct suffixes *suffixes;
	struct dns_source *source;
	struct resolver *resolver;
	struct egress egress[2];
	struct dkim_key_wanted keys[2];
	struct evidence_question question;
};

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "bench_preflight: %s: %s\n", what, why);
	exit(1);
}

static void
make_key(struct bench *bench)
{
	unsigned char *der = NULL;
	int length;

	bench->pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	if (bench->pkey == NULL)
		die("a key", "OpenSSL could not make it");
	length = i2d_PUBKEY(bench->pkey, &der);
	if (length <= 0 || length > B64_OCTETS / 4 * 3 - 3)
		die("a key", "OpenSSL could not write it");
	(void)EVP_EncodeBlock((unsigned char *)bench->public_b64, der, length);
	OPENSSL_free(der);
}

static void
open_dns(struct bench *bench, enum dns_source_way way)
{
	static char json[ZONE_OCTETS];
	int length = snprintf(json, sizeof(json), zone, bench->public_b64,
	    bench->public_b64 + 200);

	if (length < 0 || (size_t)length >= sizeof(json))
		die("the zone", "it is too long");
	bench->source = dns_source_open(json, way, DELAY_MS);
	bench->resolver = dns_source_resolver(bench->source, bench->suffixes);
}

static void
close_dns(struct bench *bench)
{
	dns_source_close(&bench->source);
	resolver_close(&bench->resolver);
}

static void
make_question(struct bench *bench)
{
	static const char *const authors[] = { "a.example" };

	bench->egress[0] =
	    (struct egress){ .text = "192.0.2.10", .helo = "mx1.net.example" };
	bench->egress[1] = (struct egress){ .text = "2001:db8:3::10",
		.helo = "mx1.net.example" };
	for (size_t i = 0; i < 2; i++)
		if (!network_address(
			bench->egress[i].text, &bench->egress[i].address))
			die(bench->egress[i].text, "no address");
	bench->keys[0] = (struct dkim_key_wanted){ .domain = "a.example",
		.selector = "s1",
		.type = DKIM_KEY_RSA,
		.public_b64 = bench->public_b64 };
	bench->keys[1] = (struct dkim_key_wanted){ .domain = "a.example",
		.selector = "s2",
		.type = DKIM_KEY_ED25519,
		.public_b64 = ED25519_KEY };
	bench->question = (struct evidence_question){ .egress = bench->egress,
		.egress_count = 2,
		.sender_local = "alice",
		.sender_domain = "a.example",
		.authors = authors,
		.author_count = 1,
		.keys = bench->keys,
		.key_count = 2,
		.checks_keys = true };
}

static void
judge(struct bench *bench)
{
	static const bool is_used[PREFLIGHT_PROFILES] = { true, true, true };
	struct resolver_asker *asker =
	    resolver_begin(bench->resolver, TIMEOUT_MS);
	struct preflight_evidence evidence;
	struct preflight_judgement judgement;
	struct arena arena;

	arena_init(&arena, ARENA_OCTETS);
	if (asker == NULL
	    || !evidence_gather(
		asker, bench->suffixes, &bench->question, &arena, &evidence)
	    || !preflight_judge(&evidence, is_used, &arena, &judgement))
		die("a message", "there is no memory");
	if (judgement.by[PREFLIGHT_BOTH_PASS] != PREFLIGHT_PASS)
		die("a message",
		    preflight_line(&judgement, ARENA_OCTETS / 4, &arena));
	resolver_end(&asker);
	arena_clear(&arena);
}

static void
sign(struct bench *bench)
{
	static const unsigned char header[400];
	unsigned char signature[256];
	size_t length = sizeof(signature);
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	if (context == NULL
	    || EVP_DigestSignInit(
		   context, NULL, EVP_sha256(), NULL, bench->pkey)
		!= 1
	    || EVP_DigestSign(
		   context, signature, &length, header, sizeof(header))
		!= 1)
		die("a signature", "OpenSSL could not make it");
	EVP_MD_CTX_free(context);
}

static uint64_t
time_calls(struct bench *bench, void (*call)(struct bench *), size_t calls)
{
	uint64_t begun_us = clock_monotonic_us();

	for (size_t i = 0; i < calls; i++)
		call(bench);
	return clock_monotonic_us() - begun_us;
}

static int
compare(const void *one, const void *other)
{
	double a = *(const double *)one, b = *(const double *)other;

	return (a > b) - (a < b);
}

static double
median(double *ratios, size_t count)
{
	qsort(ratios, count, sizeof(*ratios), compare);
	return ratios[count / 2];
}

/* What a message takes of what a signature takes. */
static double
measure_warm(struct bench *bench)
{
	double ratios[ROUNDS];

	(void)time_calls(bench, sign, SIGNATURES);
	(void)time_calls(bench, judge, MESSAGES);
	for (size_t i = 0; i < ROUNDS; i++) {
		double one =
		    (double)time_calls(bench, sign, SIGNATURES) / SIGNATURES;
		double other =
		    (double)time_calls(bench, judge, MESSAGES) / MESSAGES;

		ratios[i] = other / one;
	}
	return median(ratios, ROUNDS);
}

struct worker {
	pthread_t thread;
	struct bench *bench;
	size_t messages;
};

static void *
judge_many(void *context)
{
	struct worker *worker = context;

	for (size_t i = 0; i < worker->messages; i++)
		judge(worker->bench);
	return NULL;
}

static double
time_threads(struct bench *bench, size_t threads)
{
	struct worker workers[8];
	uint64_t begun_us = clock_monotonic_us();

	for (size_t i = 0; i < threads; i++) {
		workers[i] = (struct worker){ .bench = bench,
			.messages = THREAD_MESSAGES / threads };
		if (pthread_create(
			&workers[i].thread, NULL, judge_many, &workers[i])
		    != 0)
			die("a thread", "there are no more");
	}
	for (size_t i = 0; i < threads; i++)
		(void)pthread_join(workers[i].thread, NULL);
	return (double)(clock_monotonic_us() - begun_us);
}

/* How much of the rate of 2 threads 8 have. */
static double
measure_threads(struct bench *bench)
{
	double ratios[THREAD_ROUNDS];

	(void)time_threads(bench, 8);
	for (size_t i = 0; i < THREAD_ROUNDS; i++) {
		double two = time_threads(bench, 2);

		ratios[i] = two / time_threads(bench, 8);
	}
	return median(ratios, THREAD_ROUNDS);
}

/* One question that isn't in the cache: what an answer takes. */
static void
ask_once(struct bench *bench)
{
	static const struct dns_question question = { "one.example", DNS_TXT };
	struct resolver_asker *asker =
	    resolver_begin(bench->resolver, TIMEOUT_MS);

	if (asker == NULL)
		die("a question", "there is no memory");
	while (resolver_ask(asker, &question) == NULL)
		if (!resolver_wait(asker))
			break;
	resolver_end(&asker);
}

/* What a message takes of the longest chain of answers. */
static double
measure_cold(struct bench *bench, const char *sender, unsigned chain)
{
	double ratios[COLD_ROUNDS];

	bench->question.sender_domain = sender;
	for (size_t i = 0; i < COLD_ROUNDS; i++) {
		double one;

		resolver_forget(bench->resolver);
		one = (double)time_calls(bench, ask_once, 1);
		resolver_forget(bench->resolver);
		ratios[i] = (double)time_calls(bench, judge, 1) / (one * chain);
	}
	return median(ratios, COLD_ROUNDS);
}

int
main(void)
{
	struct bench bench = { 0 };
	struct fault fault = { 0 };

	bench.suffixes = suffixes_open(NULL, &fault);
	if (bench.suffixes == NULL)
		die("the public suffix list", fault.words);
	make_key(&bench);
	make_question(&bench);
	open_dns(&bench, DNS_SOURCE_AT_ONCE);
	printf("preflight_warm %.4f\n", measure_warm(&bench));
	printf("preflight_threads %.3f\n", measure_threads(&bench));
	close_dns(&bench);
	open_dns(&bench, DNS_SOURCE_DELAYED);
	printf("preflight_cold %.3f\n",
	    measure_cold(&bench, "a.example", FLAT_CHAIN));
	printf("preflight_cold_deep %.3f\n",
	    measure_cold(&bench, "deep.example", DEEP_CHAIN));
	close_dns(&bench);
	suffixes_close(&bench.suffixes);
	EVP_PKEY_free(bench.pkey);
	return 0;
}
