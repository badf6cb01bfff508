#include "milter/io/resolver_cache.h"

#include "policy/hash.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
	SHARDS_MOST = 16,
	SHARD_LEAST_BYTES = 1 << 19, /* room for an answer of 64 kB or four */
	ENTRY_BYTES = 512,           /* about what an answer takes */
	LINE_BYTES = 64,             /* of the processor's cache */
	/* The list isn't put in order more often than so: a hit then only
	 * reads. */
	USED_GRAIN_MS = 1000,
};

TAILQ_HEAD(known_list, resolver_known);

struct shard {
	alignas(LINE_BYTES) pthread_mutex_t lock; /* of all that follows */
	struct resolver_known **buckets;
	struct known_list list; /* the last used first */
	struct resolver_cache_counters counters;
};

struct resolver_cache {
	uint64_t seed[2]; /* names are chosen by outsiders */
	size_t shard_count;
	size_t shard_bytes;  /* most of each */
	size_t bucket_count; /* of each; a power of two */
	struct shard shards[SHARDS_MOST];
};

/* Who finds the lock taken turns a few times before it sleeps: it is free
 * again sooner than a sleep takes. */
static bool
shard_open(struct shard *shard, size_t buckets)
{
	pthread_mutexattr_t attributes;
	bool is_good;

	TAILQ_INIT(&shard->list);
	if (pthread_mutexattr_init(&attributes) != 0)
		return false;
	is_good =
	    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP)
		== 0
	    && pthread_mutex_init(&shard->lock, &attributes) == 0;
	(void)pthread_mutexattr_destroy(&attributes);
	if (!is_good)
		return false;
	shard->buckets = calloc(buckets, sizeof(struct resolver_known *));
	if (shard->buckets == NULL)
		(void)pthread_mutex_destroy(&shard->lock);
	return shard->buckets != NULL;
}

static size_t
power_of_two(size_t most)
{
	size_t power = 1;

	while (power * 2 <= most)
		power *= 2;
	return power;
}

struct resolver_cache *
resolver_cache_open(size_t bytes)
{
	struct resolver_cache *cache =
	    aligned_alloc(LINE_BYTES, sizeof(struct resolver_cache));
	size_t shards = bytes / SHARD_LEAST_BYTES;

	if (cache == NULL)
		return NULL;
	memset(cache, 0, sizeof(*cache));
	if (shards > SHARDS_MOST)
		shards = SHARDS_MOST;
	shards = power_of_two(shards);
	cache->shard_bytes = bytes / shards;
	cache->bucket_count = power_of_two(cache->shard_bytes / ENTRY_BYTES);
	if (getrandom(cache->seed, sizeof cache->seed, 0)
	    != (ssize_t)sizeof cache->seed) {
		free(cache);
		return NULL;
	}
	while (cache->shard_count < shards) {
		if (!shard_open(&cache->shards[cache->shard_count],
			cache->bucket_count)) {
			resolver_cache_close(&cache);
			return NULL;
		}
		cache->shard_count++;
	}
	return cache;
}

bool
resolver_cache_key(const struct resolver_cache *cache,
    const struct dns_question *question, struct resolver_key *key_out)
{
	uint64_t seed[2] = { cache->seed[0] + (uint64_t)question->type,
		cache->seed[1] };
	size_t length = strnlen(question->name, DNS_NAME_OCTETS + 1);

	if (length > DNS_NAME_OCTETS || !dns_is_name(question->name))
		return false;
	for (size_t i = 0; i <= length; i++) {
		char octet = question->name[i];

		key_out->name[i] = octet >= 'A' && octet <= 'Z'
		    ? (char)(octet + 'a' - 'A')
		    : octet;
	}
	key_out->type = question->type;
	key_out->hash = hash_text(seed, key_out->name);
	return true;
}

/* How much text an answer has, with a NUL after each piece. */
static size_t
text_bytes(const struct dns_answer *answer)
{
	size_t bytes = answer->why != NULL ? strlen(answer->why) + 1 : 0;

	for (size_t i = 0; i < answer->count; i++) {
		const struct dns_record *record = &answer->records[i];

		if (record->name != NULL)
			bytes += strlen(record->name) + 1;
		if (record->text != NULL)
			bytes += record->text_length + 1;
	}
	return bytes;
}

/* Copy length octets and a NUL to *room, which moves on behind them. */
static const char *
copy_text(char **room, const char *text, size_t length)
{
	char *copy = *room;

	if (text == NULL)
		return NULL;
	if (length > 0)
		memcpy(copy, text, length);
	copy[length] = '\0';
	*room += length + 1;
	return copy;
}

static const char *
copy_string(char **room, const char *string)
{
	return copy_text(room, string, string != NULL ? strlen(string) : 0);
}

struct resolver_known *
resolver_known_make(const struct resolver_key *key,
    const struct dns_answer *answer, uint64_t until_ms)
{
	size_t fixed = sizeof(struct resolver_known)
	    + answer->count * sizeof(struct dns_record);
	size_t bytes = fixed + text_bytes(answer) + strlen(key->name) + 1;
	struct resolver_known *known = malloc(bytes);
	struct dns_record *records;
	char *room;

	if (known == NULL)
		return NULL;
	*known = (struct resolver_known){ .answer = *answer,
		.until_ms = until_ms,
		.hash = key->hash,
		.type = key->type,
		.bytes = bytes };
	atomic_init(&known->holders, 1);
	records = (struct dns_record *)(void *)(known + 1);
	room = (char *)known + fixed;
	known->answer.records = answer->count > 0 ? records : NULL;
	for (size_t i = 0; i < answer->count; i++) {
		const struct dns_record *record = &answer->records[i];

		records[i] = *record;
		records[i].name = copy_string(&room, record->name);
		records[i].text =
		    copy_text(&room, record->text, record->text_length);
	}
	known->answer.why = copy_string(&room, answer->why);
	known->name = copy_string(&room, key->name);
	return known;
}

struct resolver_known *
resolver_known_hold(struct resolver_known *known)
{
	(void)atomic_fetch_add_explicit(
	    &known->holders, 1, memory_order_relaxed);
	return known;
}

void
resolver_known_drop(struct resolver_known *known)
{
	if (known != NULL
	    && atomic_fetch_sub_explicit(
		   &known->holders, 1, memory_order_acq_rel)
		== 1)
		free(known);
}

bool
resolver_known_is(
    const struct resolver_known *known, const struct resolver_key *key)
{
	return known->hash == key->hash && known->type == key->type
	    && strcmp(known->name, key->name) == 0;
}

/* The low bits choose the bucket, the high ones the shard. */
static struct shard *
shard_of(struct resolver_cache *cache, uint64_t hash)
{
	return &cache->shards[hash >> 48 & (cache->shard_count - 1)];
}

static struct resolver_known **
bucket_of(struct resolver_cache *cache, struct shard *shard, uint64_t hash)
{
	return &shard->buckets[hash & (cache->bucket_count - 1)];
}

/* Take known out; the caller drops it without the lock, or at once. */
static void
take_out(struct resolver_cache *cache, struct shard *shard,
    struct resolver_known *known)
{
	struct resolver_known **link = bucket_of(cache, shard, known->hash);

	while (*link != known)
		link = &(*link)->next;
	*link = known->next;
	TAILQ_REMOVE(&shard->list, known, used);
	shard->counters.entries--;
	shard->counters.bytes -= known->bytes;
}

static struct resolver_known *
find(struct resolver_cache *cache, struct shard *shard,
    const struct resolver_key *key)
{
	struct resolver_known *known = *bucket_of(cache, shard, key->hash);

	while (known != NULL && !resolver_known_is(known, key))
		known = known->next;
	return known;
}

struct resolver_known *
resolver_cache_find(struct resolver_cache *cache,
    const struct resolver_key *key, uint64_t now_ms)
{
	struct shard *shard = shard_of(cache, key->hash);
	struct resolver_known *known;

	(void)pthread_mutex_lock(&shard->lock);
	known = find(cache, shard, key);
	if (known != NULL && known->until_ms > now_ms) {
		(void)resolver_known_hold(known);
		shard->counters.hits++;
		if (now_ms - known->used_ms >= USED_GRAIN_MS) {
			known->used_ms = now_ms;
			TAILQ_REMOVE(&shard->list, known, used);
			TAILQ_INSERT_HEAD(&shard->list, known, used);
		}
	} else
		known = NULL;
	(void)pthread_mutex_unlock(&shard->lock);
	return known;
}

void
resolver_cache_keep(
    struct resolver_cache *cache, struct resolver_known *known, uint64_t now_ms)
{
	struct shard *shard = shard_of(cache, known->hash);
	struct resolver_known **bucket = bucket_of(cache, shard, known->hash);
	struct resolver_known *old;

	if (known->bytes > cache->shard_bytes)
		return;
	(void)pthread_mutex_lock(&shard->lock);
	for (old = *bucket; old != NULL; old = old->next)
		if (old->hash == known->hash && old->type == known->type
		    && strcmp(old->name, known->name) == 0)
			break;
	if (old != NULL) {
		take_out(cache, shard, old);
		resolver_known_drop(old);
	}
	while (shard->counters.bytes > cache->shard_bytes - known->bytes) {
		old = TAILQ_LAST(&shard->list, known_list);
		take_out(cache, shard, old);
		resolver_known_drop(old);
	}
	known->next = *bucket;
	*bucket = resolver_known_hold(known);
	known->used_ms = now_ms;
	TAILQ_INSERT_HEAD(&shard->list, known, used);
	shard->counters.entries++;
	shard->counters.bytes += known->bytes;
	(void)pthread_mutex_unlock(&shard->lock);
}

void
resolver_cache_forget(struct resolver_cache *cache)
{
	for (size_t i = 0; i < cache->shard_count; i++) {
		struct shard *shard = &cache->shards[i];
		struct resolver_known *known;

		(void)pthread_mutex_lock(&shard->lock);
		while ((known = TAILQ_FIRST(&shard->list)) != NULL) {
			take_out(cache, shard, known);
			resolver_known_drop(known);
		}
		(void)pthread_mutex_unlock(&shard->lock);
	}
}

struct resolver_cache_counters
resolver_cache_counters(struct resolver_cache *cache)
{
	struct resolver_cache_counters all = { 0 };

	for (size_t i = 0; i < cache->shard_count; i++) {
		struct shard *shard = &cache->shards[i];

		(void)pthread_mutex_lock(&shard->lock);
		all.hits += shard->counters.hits;
		all.entries += shard->counters.entries;
		all.bytes += shard->counters.bytes;
		(void)pthread_mutex_unlock(&shard->lock);
	}
	return all;
}

void
resolver_cache_close(struct resolver_cache **cache)
{
	if (*cache == NULL)
		return;
	resolver_cache_forget(*cache);
	for (size_t i = 0; i < (*cache)->shard_count; i++) {
		(void)pthread_mutex_destroy(&(*cache)->shards[i].lock);
		free((*cache)->shards[i].buckets);
	}
	free(*cache);
	*cache = NULL;
}
