/* bench_resolver: what answers from the resolver's cache cost, as ratios
 * against something bare that is measured in the same run, in turns with it.
 * On standard error it says the bare figures too. */
#include "milter/io/clock.h"
#include "milter/io/resolver.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	ROUNDS = 21,     /* the median of so many counts */
	QUESTIONS = 20,  /* of one message */
	MESSAGES = 5000, /* in one count */
	SIGNATURES = 50,
	FEW = 2,
	MANY = 8,
	THREAD_MESSAGES = 40000, /* of all threads in one count */
	CACHE_BYTES = 16 << 20,
	CACHED = 20000,
};

static void
die(const char *what)
{
	fprintf(stderr, "bench_resolver: %s\n", what);
	exit(1);
}

struct bench {
	struct resolver *resolver;
	EVP_PKEY *key;
	size_t threads;
	struct dns_question questions[QUESTIONS];
};

/* A source that has the answer at once: the cache is filled through it. */
static void
answer_at_once(void *context, struct resolver *resolver, uint64_t ticket,
    const struct dns_question *question)
{
	static const struct dns_record record = {
		.text = "v=spf1 ip4:192.0.2.0/24 include:_spf.example.net -all",
		.text_length = 53
	};
	const struct dns_answer answer = { .status = DNS_FOUND,
		.ttl_s = 86400,
		.records = &record,
		.count = 1 };

	(void)context;
	(void)question;
	resolver_told(resolver, ticket, &answer);
}

/* What a message asks, begun and ended. */
static void
ask_message(const struct bench *bench)
{
	struct resolver_asker *asker = resolver_begin(bench->resolver, 5000);

	if (asker == NULL)
		die("memory");
	for (size_t i = 0; i < QUESTIONS; i++)
		if (resolver_ask(asker, &bench->questions[i]) == NULL)
			die("a question isn't answered");
	resolver_end(&asker);
}

static void
fill(struct bench *bench)
{
	static char names[QUESTIONS][64];
	const struct resolver_rules rules = { .cache_bytes = CACHE_BYTES };
	const struct resolver_source source = { .start = answer_at_once };
	char name[64];

	bench->resolver = resolver_open_with(&rules, &source, NULL);
	if (bench->resolver == NULL)
		die("resolver_open_with");
	for (unsigned i = 0; i < CACHED; i++) {
		const struct dns_question question = { .name = name,
			.type = DNS_TXT };
		struct resolver_asker *asker =
		    resolver_begin(bench->resolver, 5000);

		(void)snprintf(name, sizeof name, "n%u.example.com", i);
		if (asker == NULL || resolver_ask(asker, &question) == NULL)
			die("the cache can't be filled");
		resolver_end(&asker);
	}
	for (size_t i = 0; i < QUESTIONS; i++) {
		(void)snprintf(names[i], sizeof names[i],
		    "selector%zu._domainkey.customer.example.com", i);
		bench->questions[i] =
		    (struct dns_question){ .name = names[i], .type = DNS_TXT };
	}
	ask_message(bench);
}

static uint64_t
time_messages(struct bench *bench)
{
	uint64_t begun_us = clock_monotonic_us();

	for (size_t i = 0; i < MESSAGES; i++)
		ask_message(bench);
	return clock_monotonic_us() - begun_us;
}

static uint64_t
time_signatures(struct bench *bench)
{
	unsigned char signature[512];
	static const unsigned char text[256];
	uint64_t begun_us = clock_monotonic_us();

	for (size_t i = 0; i < SIGNATURES; i++) {
		EVP_MD_CTX *context = EVP_MD_CTX_new();
		size_t length = sizeof signature;

		if (context == NULL
		    || EVP_DigestSignInit(
			   context, NULL, EVP_sha256(), NULL, bench->key)
			!= 1
		    || EVP_DigestSign(
			   context, signature, &length, text, sizeof text)
			!= 1)
			die("a signature");
		EVP_MD_CTX_free(context);
	}
	return clock_monotonic_us() - begun_us;
}

static void *
ask_many(void *context)
{
	const struct bench *bench = context;

	for (size_t i = 0; i < THREAD_MESSAGES / bench->threads; i++)
		ask_message(bench);
	return NULL;
}

static uint64_t
time_threads(struct bench *bench, size_t threads)
{
	uint64_t begun_us = clock_monotonic_us();
	pthread_t started[MANY];

	bench->threads = threads;
	for (size_t i = 0; i < threads; i++)
		if (pthread_create(&started[i], NULL, ask_many, bench) != 0)
			die("a thread");
	for (size_t i = 0; i < threads; i++)
		(void)pthread_join(started[i], NULL);
	return clock_monotonic_us() - begun_us;
}

static int
compare(const void *one, const void *other)
{
	double a = *(const double *)one, b = *(const double *)other;

	return (a > b) - (a < b);
}

static double
median(double *figures)
{
	qsort(figures, ROUNDS, sizeof(*figures), compare);
	return figures[ROUNDS / 2];
}

/* All questions of a warm message, in terms of a signature. */
static void
bench_hits(struct bench *bench)
{
	double ratios[ROUNDS], hits_ns[ROUNDS];

	for (size_t i = 0; i < ROUNDS; i++) {
		double message_us = (double)time_messages(bench) / MESSAGES;
		double signature_us =
		    (double)time_signatures(bench) / SIGNATURES;

		ratios[i] = message_us / signature_us;
		hits_ns[i] = message_us * 1000 / QUESTIONS;
	}
	printf("resolver_hit %.5f\n", median(ratios));
	fprintf(
	    stderr, "bench_resolver: %.0f ns a question\n", median(hits_ns));
}

/* The rate of many threads in terms of that of few; all ask the same. */
static void
bench_threads(struct bench *bench)
{
	double ratios[ROUNDS], rates[ROUNDS];

	for (size_t i = 0; i < ROUNDS; i++) {
		double few_us = (double)time_threads(bench, FEW);
		double many_us = (double)time_threads(bench, MANY);

		ratios[i] = few_us / many_us;
		rates[i] = THREAD_MESSAGES * QUESTIONS / few_us;
	}
	printf("resolver_threads %.3f\n", median(ratios));
	fprintf(stderr, "bench_resolver: %d threads: %.2f million a second\n",
	    FEW, median(rates));
}

int
main(void)
{
	struct bench bench = { .key = EVP_RSA_gen(2048) };

	if (bench.key == NULL)
		die("a key");
	fill(&bench);
	bench_hits(&bench);
	bench_threads(&bench);
	resolver_close(&bench.resolver);
	EVP_PKEY_free(bench.key);
	return 0;
}
