/* Keys looked for by many threads, while others write them. */
#include "milter/io/keys.h"
#include "tests/unit/keys_fixture.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { THREADS = 8, ROUNDS = 600, DOMAINS = 6, REWRITINGS = 200 };

/* ---- a directory in motion ---------------------------------------------- */

static void *
hammer(void *context)
{
	struct place *place = context;
	unsigned bad = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		const struct key_ring *ring = NULL;
		struct fault fault = { 0 };
		char domain[32];

		snprintf(domain, sizeof(domain), "d%u.example", i % DOMAINS);
		place->now_ms += 200;
		keys_has(place->keys, &place->places, domain);
		if (!keys_find(
			place->keys, &place->places, domain, &ring, &fault))
			bad += fault.words[0] == '\0';
		for (size_t k = 0; ring != NULL && k < ring->count; k++)
			bad += strcmp(ring->keys[k].domain, domain) != 0
			    || !EVP_PKEY_is_a(ring->keys[k].pkey, "ED25519");
		keys_release(place->keys, &ring);
	}
	return (void *)(uintptr_t)bad;
}

static void
stir(const struct place *place, int turn)
{
	const char *text = key_text(TEXT_ED25519);
	char name[64];

	snprintf(name, sizeof(name), "d%d.example/s%d.private", turn % DOMAINS,
	    turn % 4);
	place_put(place, name, text, turn % 7 == 0 ? 60 : strlen(text),
	    turn % 5 == 0 ? 0644 : 0600);
	if (turn % 3 == 0)
		place_remove(place, name);
}

static void
test_threads(void **state)
{
	struct place *place = place_open(DOMAINS / 2);
	pthread_t threads[THREADS];
	void *bad;

	(void)state;
	place_set_ahead(3600);
	for (int i = 0; i < DOMAINS; i++) {
		char name[64];

		snprintf(name, sizeof(name), "d%d.example", i);
		place_put_directory(place, name, 0700);
	}
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(
		    0, pthread_create(&threads[i], NULL, hammer, place));
	for (int i = 0; i < 300; i++)
		stir(place, i);
	for (size_t i = 0; i < THREADS; i++) {
		assert_int_equal(0, pthread_join(threads[i], &bad));
		assert_null(bad);
	}
	place_close(place);
}

/* ---- a file written in two steps ---------------------------------------- */

struct rewriting {
	struct place *place;
	atomic_uint asked; /* questions that were answered */
	atomic_bool is_over;
};

/* Until a question was begun after now, and answered. */
static void
await_question(struct rewriting *rewriting)
{
	unsigned before = rewriting->asked;

	while (rewriting->asked - before < 2)
		sched_yield();
}

/* Write the one key and the other in turn, each in two steps, without a new
 * file: as an editor or a script may do it. */
static void *
rewrite(void *context)
{
	static const enum key_text texts[] = { TEXT_RSA, TEXT_ED25519 };
	struct rewriting *rewriting = context;
	char *path = place_path(rewriting->place, DOMAIN "/s1.private");
	bool is_good = true;

	for (int i = 0; i < REWRITINGS && is_good; i++) {
		const char *text = key_text(texts[i % 2]);
		size_t half = strlen(text) / 2;
		int fd = open(path, O_WRONLY | O_TRUNC);

		is_good = fd >= 0 && write(fd, text, half) == (ssize_t)half;
		await_question(rewriting);
		is_good = is_good
		    && write(fd, text + half, strlen(text) - half)
			== (ssize_t)(strlen(text) - half);
		close(fd);
		await_question(rewriting);
	}
	free(path);
	rewriting->is_over = true;
	return is_good ? NULL : context;
}

/* Every question is answered by one of the two whole keys. */
static void
test_rewritten_file(void **state)
{
	struct rewriting rewriting = { .place = place_open(4) };
	struct place *place = rewriting.place;
	unsigned found[2] = { 0 };
	pthread_t writer;
	void *bad;

	(void)state;
	place_put_text(place, DOMAIN "/s1.private", TEXT_RSA);
	place_expect(place, "at first", DOMAIN, "s1");
	assert_int_equal(0, pthread_create(&writer, NULL, rewrite, &rewriting));
	while (!rewriting.is_over) {
		const struct key_ring *ring;
		struct fault fault = { 0 };
		enum key_text which;

		place->now_ms += KEYS_STALE_MS;
		if (!keys_find(
			place->keys, &place->places, DOMAIN, &ring, &fault)
		    || ring == NULL)
			fail_msg("half-read: %s", fault.words);
		which = ring->keys[0].algorithm == KEY_RSA_SHA256
		    ? TEXT_RSA
		    : TEXT_ED25519;
		key_expect_public(which, ring->keys[0].pkey);
		found[which == TEXT_RSA]++;
		keys_release(place->keys, &ring);
		rewriting.asked++;
	}
	assert_int_equal(0, pthread_join(writer, &bad));
	assert_null(bad);
	/* Each of them when it was whole. */
	assert_true(found[0] >= REWRITINGS / 2);
	assert_true(found[1] >= REWRITINGS / 2);
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "at last", DOMAIN, "s1");
	place_close(place);
}

/* ---- a new domain that all ask for -------------------------------------- */

enum { RUSH = 16, NEW_DOMAINS = 12 };

struct rush {
	struct place *place;
	pthread_barrier_t start;
	const struct key_ring *rings[RUSH];
	atomic_uint next;
};

static void *
rush_in(void *context)
{
	struct rush *rush = context;
	unsigned self = rush->next++;

	for (int i = 0; i < NEW_DOMAINS; i++) {
		char domain[32];

		snprintf(domain, sizeof(domain), "n%d.example", i);
		pthread_barrier_wait(&rush->start);
		if (!keys_find(rush->place->keys, &rush->place->places, domain,
			&rush->rings[self], NULL))
			return context;
		pthread_barrier_wait(&rush->start);
		/* The main thread compares them. */
		pthread_barrier_wait(&rush->start);
		keys_release(rush->place->keys, &rush->rings[self]);
	}
	return NULL;
}

/* One of them reads the key, and the others wait for it: all have the same. */
static void
test_rush(void **state)
{
	struct rush rush = { .place = place_open(NEW_DOMAINS) };
	pthread_t threads[RUSH];
	void *bad;

	(void)state;
	pthread_barrier_init(&rush.start, NULL, RUSH + 1);
	for (int i = 0; i < NEW_DOMAINS; i++) {
		char name[64];

		snprintf(name, sizeof(name), "n%d.example", i);
		place_put_directory(rush.place, name, 0700);
		/* So many that reading them takes longer than coming. */
		for (int k = 0; k < KEYS_PER_DOMAIN; k++) {
			snprintf(name, sizeof(name), "n%d.example/s%d.private",
			    i, k);
			place_put_text(rush.place, name, TEXT_RSA);
		}
	}
	for (size_t i = 0; i < RUSH; i++)
		assert_int_equal(
		    0, pthread_create(&threads[i], NULL, rush_in, &rush));
	for (int i = 0; i < NEW_DOMAINS; i++) {
		pthread_barrier_wait(&rush.start);
		pthread_barrier_wait(&rush.start);
		assert_non_null(rush.rings[0]);
		for (size_t k = 1; k < RUSH; k++)
			if (rush.rings[k] != rush.rings[0])
				fail_msg("domain %d was read again", i);
		pthread_barrier_wait(&rush.start);
	}
	for (size_t i = 0; i < RUSH; i++) {
		assert_int_equal(0, pthread_join(threads[i], &bad));
		assert_null(bad);
	}
	pthread_barrier_destroy(&rush.start);
	place_close(rush.place);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_rewritten_file),
		cmocka_unit_test(test_rush),
	};

	return cmocka_run_group_tests_name(
	    "keys_threads", tests, key_texts_make, key_texts_free);
}
