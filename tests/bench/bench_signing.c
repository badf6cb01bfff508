/* bench_signing: what signing a message costs, each as a ratio against
 * something that is measured in the same run, in turns with it: against the
 * bare signatures of OpenSSL with the same key, against libopendkim, by two
 * threads against one; and whether signing leaves memory behind.
 *
 *   bench_signing              all of it
 *   bench_signing growth N     only the last, over N signatures of each kind */
#include "milter/io/clock.h"
#include "milter/io/keys.h"
#include "milter/io/signer.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	ROUNDS = 41, /* the median of so many ratios */
	LARGE_ROUNDS = 15,
	THREAD_ROUNDS = 15,
	RSA_COUNT = 20, /* in a round */
	ED25519_COUNT = 100,
	THREAD_COUNT = 400,
	SMALL_OCTETS = 4096, /* of a whole message */
	LARGE_OCTETS = 1 << 20,
	PIECE_OCTETS = 65535, /* as libmilter hands them on */
	GROWTH_SIGNATURES = 30000,
	GROWTH_POINTS = 100,
	HASH_OCTETS = 32,
	SIGNATURE_OCTETS = 512,
};

struct field {
	const char *name;
	const char *value;
};

static const struct field fields[] = {
	{ "Received",
	    " from [192.0.2.7] (host.example [192.0.2.7])\n\tby "
	    "mx1.net.example (Postfix) with ESMTPSA id 4ABCD1\n\tfor "
	    "<r@out.example>; Mon, 23 Nov 2026 06:00:00 +0000" },
	{ "From", " =?utf-8?q?J=C3=BCrg?= Example <joe@a.example>" },
	{ "To",
	    " Somebody Else <somebody@out.example>,\n\tOthers "
	    "<others@out.example>" },
	{ "Cc", " third@out.example" },
	{ "Subject",
	    " Re: what we spoke about last week, and the week before" },
	{ "Date", " Mon, 23 Nov 2026 06:00:00 +0000" },
	{ "Message-ID", " <20261123060000.4ABCD1@a.example>" },
	{ "In-Reply-To", " <20261122050000.4ABCD0@out.example>" },
	{ "References",
	    " <20261120050000.4ABCC9@out.example>\n\t"
	    "<20261122050000.4ABCD0@out.example>" },
	{ "MIME-Version", " 1.0" },
	{ "Content-Type", " text/plain; charset=utf-8" },
	{ "Content-Transfer-Encoding", " quoted-printable" },
	{ "User-Agent", " Mailer/1.0" },
};

static struct key rsa = {
	.domain = "a.example", .selector = "s1", .algorithm = KEY_RSA_SHA256
};
static struct key small_rsa = {
	.domain = "a.example", .selector = "s0", .algorithm = KEY_RSA_SHA256
};
static struct key ed25519 = {
	.domain = "a.example", .selector = "s2", .algorithm = KEY_ED25519_SHA256
};

/* Something whose time is taken. */
struct task {
	enum signing_engine engine;
	enum canonicalization body_canon;
	const struct key *keys[2];
	size_t key_count;
	const unsigned char *body;
	size_t body_octets;
	bool is_bare; /* only the signature of a hash, by keys[0] */
};

static unsigned char small_body[SMALL_OCTETS];
static size_t small_octets;
static unsigned char large_body[LARGE_OCTETS];

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "bench_signing: %s: %s\n", what, why);
	exit(1);
}

/* Lines of words, some with blanks at the end. */
static void
fill_body(unsigned char *body, size_t octets)
{
	static const char lines[] =
	    "The quick brown fox jumps over the lazy dog, and runs away from "
	    "it.\r\nWhat is  left of the\tday is spent with other things; see "
	    "below. \r\n\r\n> A line that was quoted of the message before "
	    "this one: so it is.\r\n";

	for (size_t i = 0; i < octets; i++)
		body[i] = (unsigned char)lines[i % (sizeof(lines) - 1)];
	memcpy(body + octets - 4, "..\r\n", 4);
}

static void
make_bodies(void)
{
	small_octets = SMALL_OCTETS;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		small_octets -=
		    strlen(fields[i].name) + strlen(fields[i].value) + 3;
	fill_body(small_body, small_octets);
	fill_body(large_body, LARGE_OCTETS);
}

static void
make_keys(void)
{
	rsa.pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	small_rsa.pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	ed25519.pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (rsa.pkey == NULL || small_rsa.pkey == NULL || ed25519.pkey == NULL)
		die("a key", "OpenSSL could not make it");
}

static void
sign_bare(const struct key *key)
{
	static const unsigned char hash[HASH_OCTETS] = "a hash";
	unsigned char signature[SIGNATURE_OCTETS];
	size_t length = sizeof(signature);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	const EVP_MD *md =
	    key->algorithm == KEY_RSA_SHA256 ? EVP_sha256() : NULL;

	if (context == NULL
	    || EVP_DigestSignInit(context, NULL, md, NULL, key->pkey) != 1
	    || EVP_DigestSign(context, signature, &length, hash, sizeof(hash))
		!= 1)
		die("a signature", "OpenSSL could not make it");
	EVP_MD_CTX_free(context);
}

static bool
feed(struct signer *signer, const struct task *task, struct fault *fault)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!signer_header(signer, fields[i].name, fields[i].value,
			strlen(fields[i].value), fault))
			return false;
	if (!signer_end_of_header(signer, fault))
		return false;
	for (size_t at = 0; at < task->body_octets; at += PIECE_OCTETS) {
		size_t left = task->body_octets - at;

		if (!signer_body(signer, task->body + at,
			left < PIECE_OCTETS ? left : PIECE_OCTETS, fault))
			return false;
	}
	return true;
}

/* One message, from the first field to the signatures. */
static void
run_once(const struct task *task)
{
	static const char *const oversigned[] = { "From" };
	const struct signing_rules rules = {
		.header_canon = CANON_RELAXED,
		.body_canon = task->body_canon,
		.headers = signing_default_headers(),
		.oversign = { oversigned, 1 },
	};
	const struct signer_use uses[] = { { task->keys[0], &rules, NULL },
		{ task->keys[1], &rules, NULL } };
	const struct signer_order order = { .engine = task->engine,
		.uses = uses,
		.count = task->key_count,
		.time_s = 1700000000 };
	const char *const *values;
	struct signer *signer;
	struct fault fault;
	size_t count;

	if (task->is_bare) {
		sign_bare(task->keys[0]);
		return;
	}
	signer = signer_begin(&order, &fault);
	if (signer == NULL || !feed(signer, task, &fault)
	    || !signer_finish(signer, &values, &count, &fault))
		die("a message", fault.words);
	signer_end(&signer);
}

/* ---- ratios -------------------------------------------------------------- */

/* The processor's time, so that others on the machine matter little. */
static double
time_calls(const struct task *task, size_t calls)
{
	struct timespec begun, ended;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begun);
	for (size_t i = 0; i < calls; i++)
		run_once(task);
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ended);
	return ((double)(ended.tv_sec - begun.tv_sec) * 1e9
		   + (double)(ended.tv_nsec - begun.tv_nsec))
	    / (double)calls;
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

/* The time of one over the time of the other. */
static double
measure(const struct task *one, const struct task *other, size_t calls,
    size_t rounds)
{
	double ratios[ROUNDS];

	(void)time_calls(one, calls);
	(void)time_calls(other, calls);
	for (size_t i = 0; i < rounds; i++) {
		double taken = time_calls(one, calls);

		ratios[i] = taken / time_calls(other, calls);
	}
	return median(ratios, rounds);
}

static struct task
small_task(const struct key *one, const struct key *other)
{
	return (struct task){ .engine = SIGNING_POSTERN,
		.body_canon = CANON_SIMPLE, /* as configured by default */
		.keys = { one, other },
		.key_count = other != NULL ? 2 : 1,
		.body = small_body,
		.body_octets = small_octets };
}

static void
measure_small(void)
{
	const struct task bare_rsa = { .keys = { &rsa }, .is_bare = true };
	const struct task bare_ed25519 = { .keys = { &ed25519 },
		.is_bare = true };
	const struct task by_rsa = small_task(&rsa, NULL);
	const struct task by_ed25519 = small_task(&ed25519, NULL);
	const struct task by_both = small_task(&rsa, &ed25519);

	printf(
	    "sign_rsa %.3f\n", measure(&bare_rsa, &by_rsa, RSA_COUNT, ROUNDS));
	printf("sign_ed25519 %.3f\n",
	    measure(&bare_ed25519, &by_ed25519, ED25519_COUNT, ROUNDS));
	printf(
	    "sign_both %.3f\n", measure(&by_both, &by_rsa, RSA_COUNT, ROUNDS));
}

static void
measure_large(const char *name, enum canonicalization body_canon)
{
	struct task own = small_task(&rsa, NULL);
	struct task theirs;

	own.body_canon = body_canon;
	own.body = large_body;
	own.body_octets = LARGE_OCTETS;
	theirs = own;
	theirs.engine = SIGNING_OPENDKIM;
	printf("%s %.2f\n", name, measure(&theirs, &own, 4, LARGE_ROUNDS));
}

/* ---- threads ------------------------------------------------------------- */

static void *
run_many(void *context)
{
	for (size_t i = 0; i < THREAD_COUNT; i++)
		run_once(context);
	return NULL;
}

/* What a signature takes of the time that passes. */
static double
time_threads(struct task *task, size_t threads)
{
	uint64_t begun_us = clock_monotonic_us();
	pthread_t workers[2];

	for (size_t i = 0; i < threads; i++)
		if (pthread_create(&workers[i], NULL, run_many, task) != 0)
			die("a thread", "there are no more");
	for (size_t i = 0; i < threads; i++)
		(void)pthread_join(workers[i], NULL);
	return (double)(clock_monotonic_us() - begun_us)
	    / (double)(threads * THREAD_COUNT);
}

/* Bare signatures beside: more than they reach with two threads this machine's
 * processors don't give. */
static void
measure_threads(void)
{
	struct task bare = { .keys = { &rsa }, .is_bare = true };
	struct task task = small_task(&rsa, NULL);
	double bare_ratios[THREAD_ROUNDS];
	double ratios[THREAD_ROUNDS];

	(void)time_threads(&task, 2);
	for (size_t i = 0; i < THREAD_ROUNDS; i++) {
		double one = time_threads(&bare, 1);

		bare_ratios[i] = one / time_threads(&bare, 2);
		one = time_threads(&task, 1);
		ratios[i] = one / time_threads(&task, 2);
	}
	printf("sign_threads %.3f\n", median(ratios, THREAD_ROUNDS));
	printf("sign_threads_bare %.3f\n", median(bare_ratios, THREAD_ROUNDS));
}

/* ---- memory -------------------------------------------------------------- */

static double
resident_kb(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long size, resident;
	int got = file != NULL ? fscanf(file, "%lu %lu", &size, &resident) : 0;

	if (got != 2)
		die("/proc/self/statm", "it can't be read");
	(void)fclose(file);
	return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1024;
}

/* By how many kB the process grows over a million signatures: the slope of the
 * line that fits best. */
static double
growth_kb(const struct key *key, size_t signatures)
{
	const struct task task = small_task(key, NULL);
	double sum_x = 0, sum_y = 0, sum_xx = 0, sum_xy = 0;
	const double n = GROWTH_POINTS;

	/* What is taken once, at the beginning, isn't growth. */
	for (size_t i = 0; i < signatures / 10; i++)
		run_once(&task);
	for (size_t i = 0; i < GROWTH_POINTS; i++) {
		double x, y;

		for (size_t k = 0; k < signatures / GROWTH_POINTS; k++)
			run_once(&task);
		x = (double)((i + 1) * (signatures / GROWTH_POINTS));
		y = resident_kb();
		sum_x += x;
		sum_y += y;
		sum_xx += x * x;
		sum_xy += x * y;
	}
	return (n * sum_xy - sum_x * sum_y) / (n * sum_xx - sum_x * sum_x)
	    * 1e6;
}

/* A shorter RSA key takes the same way through the code. */
static void
measure_growth(size_t signatures)
{
	printf("sign_growth_rsa %.0f\n", growth_kb(&small_rsa, signatures));
	printf("sign_growth_ed25519 %.0f\n", growth_kb(&ed25519, signatures));
}

int
main(int argc, char **argv)
{
	size_t signatures = GROWTH_SIGNATURES;

	if (argc > 2)
		signatures = (size_t)strtoull(argv[2], NULL, 10);
	if (signatures < GROWTH_POINTS)
		die("growth N", "too few to tell");
	setvbuf(stdout, NULL, _IOLBF, 0);
	make_keys();
	make_bodies();
	if (argc <= 1) {
		measure_small();
		measure_large("sign_large_simple", CANON_SIMPLE);
		measure_large("sign_large_relaxed", CANON_RELAXED);
		measure_threads();
	}
	measure_growth(signatures);
	EVP_PKEY_free(rsa.pkey);
	EVP_PKEY_free(small_rsa.pkey);
	EVP_PKEY_free(ed25519.pkey);
	return 0;
}
