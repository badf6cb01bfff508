/* bench_keys: what many domains cost.
 *
 *   bench_keys make DIRECTORY DOMAINS KEYS   a key directory of so many
 *       domains, and OpenDKIM's tables of the same files; there are so many
 *       different keys, for 100,000 can't be generated in a reasonable time
 *   bench_keys measure DIRECTORY DOMAINS     ratios of CPU time, in one
 *       process and one thread, each in turns with what it is held against
 *
 * What a daemon needs to start, and its memory, is measured by tests/bench/run
 * with the real one. */
#include "conf/conf.h"
#include "milter/io/keys.h"
#include "milter/io/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	NAME_BYTES = 64,
	PATH_BYTES = 512,
	PEM_BYTES = 4096,
	BODY_BYTES = 4096,
	KEYS_MOST = 1000,
	DOMAINS_MOST = 1000000,
	ROUNDS = 40,
	ZIPF_ROUNDS = 80,    /* misses are few, and don't come evenly */
	ROUND_MESSAGES = 50, /* of each kind, one after the other */
	SETTLE_PARTS = 4,
	MESSAGE_MS = 10,
	COLD_MESSAGES = 400,
	RAW_BYTES = 512,
};

static const char selector[] = "s1";

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "bench_keys: %s: %s\n", what, why);
	exit(1);
}

static uint64_t
cpu_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* Numbers that look random and are the same in each run (xorshift64*). */
static uint64_t
random_number(void)
{
	static uint64_t state = 0x9E3779B97F4A7C15U;

	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545F4914F6CDD1DU;
}

static double
random_share(void)
{
	return (double)(random_number() >> 11) / (double)(1ULL << 53);
}

static size_t
number(const char *text, size_t most)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (*text == '\0' || *end != '\0' || value == 0 || value > most)
		die(text, "no such number");
	return (size_t)value;
}

static const char *
domain_name(char name[NAME_BYTES], size_t index)
{
	(void)snprintf(name, NAME_BYTES, "d%06zu.example", index);
	return name;
}

/* ---- make ---- */

static void
make_key(char pem[PEM_BYTES])
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	BIO *bio = BIO_new(BIO_s_mem());
	int length;

	if (pkey == NULL || bio == NULL
	    || PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL)
		!= 1)
		die("a key", "OpenSSL could not make it");
	length = BIO_read(bio, pem, PEM_BYTES - 1);
	if (length <= 0)
		die("a key", "OpenSSL could not write it");
	pem[length] = '\0';
	BIO_free(bio);
	EVP_PKEY_free(pkey);
}

static void
make_directory(const char *path)
{
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		die(path, strerrordesc_np(errno));
}

static void
make_file(const char *path, const char *text)
{
	size_t length = strlen(text);
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (file < 0 || write(file, text, length) != (ssize_t)length
	    || close(file) != 0)
		die(path, strerrordesc_np(errno));
}

static FILE *
open_table(const char *directory, const char *name)
{
	char path[PATH_BYTES];
	FILE *table;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	table = fopen(path, "we");
	if (table == NULL)
		die(path, strerrordesc_np(errno));
	return table;
}

static void
make_all(const char *directory, size_t domains, size_t keys)
{
	char(*pems)[PEM_BYTES] = calloc(keys, sizeof(*pems));
	FILE *key_table, *signing_table;
	char path[PATH_BYTES];

	if (pems == NULL)
		die("make", "no memory");
	for (size_t i = 0; i < keys; i++)
		make_key(pems[i]);
	(void)snprintf(path, sizeof(path), "%s/keys", directory);
	make_directory(path);
	key_table = open_table(directory, "key.table");
	signing_table = open_table(directory, "signing.table");
	for (size_t i = 0; i < domains; i++) {
		char name[NAME_BYTES];

		domain_name(name, i);
		(void)snprintf(
		    path, sizeof(path), "%s/keys/%s", directory, name);
		make_directory(path);
		(void)snprintf(path, sizeof(path), "%s/keys/%s/%s.private",
		    directory, name, selector);
		make_file(path, pems[i % keys]);
		fprintf(key_table, "%s %s:%s:%s\n", name, name, selector, path);
		fprintf(signing_table, "*@%s %s\n", name, name);
	}
	if (fclose(key_table) != 0 || fclose(signing_table) != 0)
		die(directory, strerrordesc_np(errno));
	free(pems);
}

/* ---- measure ---- */

struct bench {
	struct conf *conf;
	struct key_places places;
	char directory[PATH_BYTES];
	char body[BODY_BYTES];
	size_t domains;
	double *until; /* Zipf: the share of the domains up to each */
};

static void
make_body(struct bench *bench)
{
	for (size_t i = 0; i < BODY_BYTES; i++)
		bench->body[i] = i % 72 == 70 ? '\r'
		    : i % 72 == 71            ? '\n'
					      : (char)('a' + i % 26);
	memcpy(bench->body + BODY_BYTES - 2, "\r\n", 2);
}

/* P(rank) is 1 / rank, as with mail of many customers. */
static void
make_shares(struct bench *bench)
{
	double sum = 0;

	bench->until = calloc(bench->domains, sizeof(*bench->until));
	if (bench->until == NULL)
		die("measure", "no memory");
	for (size_t i = 0; i < bench->domains; i++)
		bench->until[i] = sum += 1.0 / (double)(i + 1);
	for (size_t i = 0; i < bench->domains; i++)
		bench->until[i] /= sum;
}

static size_t
zipf(const struct bench *bench)
{
	double share = random_share();
	size_t low = 0, high = bench->domains - 1;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (bench->until[middle] < share)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
bench_open(struct bench *bench, const char *directory, size_t domains)
{
	struct conf_errors errors = { .count = 0 };

	bench->conf = conf_read_text("bench.conf", "", 0, &errors);
	if (bench->conf == NULL)
		die("defaults", errors.count > 0 ? errors.lines[0] : "?");
	conf_errors_clear(&errors);
	(void)snprintf(
	    bench->directory, sizeof(bench->directory), "%s/keys", directory);
	bench->places = (struct key_places){ .directory = bench->directory,
		.key_table = "",
		.signing_table = "" };
	bench->domains = domains;
	make_body(bench);
	make_shares(bench);
}

static struct keys *
open_keys(size_t most)
{
	struct keys *keys = keys_open(most, NULL);

	if (keys == NULL)
		die("keys", "no memory");
	return keys;
}

static bool
feed(struct signer *signer, const struct bench *bench, const char *domain,
    struct fault *fault)
{
	static const char *const fields[][2] = {
		{ "Received", " by mx.net.example; Mon, 23 Nov 2026 06:00:00" },
		{ "Subject", " The quarterly report, as it was asked for" },
		{ "Date", " Mon, 23 Nov 2026 06:00:00 +0000" },
		{ "To", " somebody else <somebody@out.example>" },
		{ "Message-ID", " <20261123060000.12345@mx.net.example>" },
		{ "MIME-Version", " 1.0" },
		{ "Content-Type", " text/plain; charset=utf-8" },
	};
	char from[2 * NAME_BYTES];

	(void)snprintf(from, sizeof(from), " Alice <alice@%s>", domain);
	if (!signer_header(signer, "From", from, strlen(from), fault))
		return false;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!signer_header(signer, fields[i][0], fields[i][1],
			strlen(fields[i][1]), fault))
			return false;
	return signer_end_of_header(signer, fault)
	    && signer_body(
		signer, (const unsigned char *)bench->body, BODY_BYTES, fault);
}

static struct signer *
begin(
    const struct bench *bench, const struct key_ring *ring, struct fault *fault)
{
	const struct signer_use use = { .key = &ring->keys[0],
		.rules = &bench->conf->sign.rules };
	const struct signer_order order = { .engine = SIGNING_POSTERN,
		.uses = &use,
		.count = 1,
		.time_s = 1800000000 };

	return signer_begin(&order, fault);
}

/* One message of the domain of that number: the key found, and used. */
static void
sign(const struct bench *bench, struct keys *keys, size_t index)
{
	const struct key_ring *ring = NULL;
	const char *const *values;
	struct signer *signer;
	struct fault fault = { .words = "there is no key" };
	char name[NAME_BYTES];
	size_t count;

	domain_name(name, index);
	if (!keys_find(keys, &bench->places, name, &ring, &fault)
	    || ring == NULL)
		die(name, fault.words);
	signer = begin(bench, ring, &fault);
	if (signer == NULL || !feed(signer, bench, name, &fault)
	    || !signer_finish(signer, &values, &count, &fault) || count != 1
	    || values[0] == NULL)
		die(name, fault.words);
	signer_end(&signer);
	keys_release(keys, &ring);
}

static void
tell(const char *name, double figure)
{
	printf("%s %.6g\n", name, figure);
	(void)fflush(stdout);
}

static int
compare(const void *one, const void *other)
{
	double a = *(const double *)one, b = *(const double *)other;

	return (a > b) - (a < b);
}

static double
median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare);
	return values[count / 2];
}

/* Nanoseconds of one signature of a digest's input as large as a header, with
 * a parsed key: what nobody can do without. */
static double
raw_ns(struct keys *keys, const struct bench *bench)
{
	static const unsigned char data[RAW_BYTES];
	const struct key_ring *ring = NULL;
	unsigned char signature[RAW_BYTES];
	double times[ROUNDS];
	struct fault fault;
	char name[NAME_BYTES];

	if (!keys_find(
		keys, &bench->places, domain_name(name, 0), &ring, &fault))
		die(name, fault.words);
	for (size_t i = 0; i < ROUNDS; i++) {
		uint64_t begun = cpu_ns();

		for (size_t k = 0; k < 5; k++) {
			EVP_MD_CTX *context = EVP_MD_CTX_new();
			size_t length = sizeof(signature);

			if (EVP_DigestSignInit(context, NULL, EVP_sha256(),
				NULL, ring->keys[0].pkey)
				!= 1
			    || EVP_DigestSign(context, signature, &length, data,
				   sizeof(data))
				!= 1)
				die("a raw signature", "OpenSSL could not");
			EVP_MD_CTX_free(context);
		}
		times[i] = (double)(cpu_ns() - begun) / 5;
	}
	keys_release(keys, &ring);
	return median(times, ROUNDS);
}

/* A key that was never used against the same one, used again at once; its
 * file is in the page cache. */
static void
measure_cold(const struct bench *bench)
{
	static double more[COLD_MESSAGES];
	struct keys *keys = open_keys(bench->domains);
	double raw = raw_ns(keys, bench);
	size_t count =
	    bench->domains < COLD_MESSAGES ? bench->domains : COLD_MESSAGES;

	/* Not the first ones again: they are warm from raw_ns(). */
	for (size_t i = 0; i < count; i++) {
		size_t index = bench->domains - 1 - i;
		uint64_t begun = cpu_ns(), between;

		sign(bench, keys, index);
		between = cpu_ns();
		sign(bench, keys, index);
		more[i] =
		    ((double)(between - begun) - (double)(cpu_ns() - between))
		    / raw;
	}
	tell("keys_cold", median(more, count));
	keys_close(&keys);
}

static uint64_t
read_clock(void *context)
{
	return *(const uint64_t *)context;
}

/* Questions as a relay has them that was up for days. A key that is parsed
 * anew signs once, as it would; one that is known needn't sign to stay so. */
static void
settle(const struct bench *bench, struct keys *keys, uint64_t *now_ms)
{
	const void **seen = calloc(bench->domains, sizeof(*seen));

	if (seen == NULL)
		die("measure", "no memory");
	for (size_t i = 0; i < SETTLE_PARTS * bench->domains; i++) {
		const struct key_ring *ring = NULL;
		size_t index = zipf(bench);
		struct fault fault = { .words = "there is no key" };
		char name[NAME_BYTES];
		const void *pkey;

		*now_ms += MESSAGE_MS;
		if (!keys_find(keys, &bench->places, domain_name(name, index),
			&ring, &fault)
		    || ring == NULL)
			die(name, fault.words);
		pkey = ring->keys[0].pkey;
		keys_release(keys, &ring);
		if (seen[index] != pkey)
			sign(bench, keys, index);
		seen[index] = pkey;
	}
	free(seen);
}

/* The usual skew, with the default cache, once it has settled. Time is that of
 * a relay with a hundred messages a second. */
static void
measure_zipf(const struct bench *bench)
{
	struct keys *keys = open_keys((size_t)bench->conf->key_cache);
	uint64_t now_ms = 1000000;
	double ratios[ZIPF_ROUNDS];

	keys_set_clock(keys, read_clock, &now_ms);
	settle(bench, keys, &now_ms);
	for (size_t round = 0; round < ZIPF_ROUNDS; round++) {
		uint64_t begun = cpu_ns(), between;

		for (size_t i = 0; i < ROUND_MESSAGES; i++)
			sign(bench, keys, 0);
		between = cpu_ns();
		for (size_t i = 0; i < ROUND_MESSAGES; i++) {
			now_ms += MESSAGE_MS;
			sign(bench, keys, zipf(bench));
		}
		ratios[round] =
		    (double)(between - begun) / (double)(cpu_ns() - between);
	}
	tell("keys_zipf", median(ratios, ZIPF_ROUNDS));
	keys_close(&keys);
}

/* All keys ready: what is left is finding the right one. The CPU time of
 * messages of any domain over that of as many of one, in turns. */
static void
measure_warm(const struct bench *bench)
{
	struct keys *keys = open_keys(bench->domains);
	double ratios[ROUNDS];

	for (size_t i = 0; i < bench->domains; i++)
		sign(bench, keys, i);
	for (size_t round = 0; round < ROUNDS; round++) {
		uint64_t begun = cpu_ns(), between;

		for (size_t i = 0; i < ROUND_MESSAGES; i++)
			sign(bench, keys, 0);
		between = cpu_ns();
		for (size_t i = 0; i < ROUND_MESSAGES; i++)
			sign(bench, keys, random_number() % bench->domains);
		ratios[round] =
		    (double)(cpu_ns() - between) / (double)(between - begun);
	}
	tell("keys_warm", median(ratios, ROUNDS));
	keys_close(&keys);
}

int
main(int argc, char **argv)
{
	struct bench bench = { .conf = NULL };

	if (argc == 5 && strcmp(argv[1], "make") == 0) {
		make_all(argv[2], number(argv[3], DOMAINS_MOST),
		    number(argv[4], KEYS_MOST));
		return 0;
	}
	if (argc != 4 || strcmp(argv[1], "measure") != 0)
		die("usage",
		    "make DIRECTORY DOMAINS KEYS, or measure "
		    "DIRECTORY DOMAINS");
	bench_open(&bench, argv[2], number(argv[3], DOMAINS_MOST));
	measure_cold(&bench);
	measure_zipf(&bench);
	measure_warm(&bench);
	free(bench.until);
	conf_release(&bench.conf);
	return 0;
}
