#include "milter/io/tables_socketmap.h"

#include "milter/io/clock.h"
#include "milter/io/redis_names.h"
#include "milter/io/socketmap_link.h"
#include "milter/io/tables_lmdb.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A connection that nobody uses. */
struct idle {
	struct socketmap_link *link;
	uint64_t since_us;
};

struct tables_socketmap {
	pthread_mutex_t lock;                    /* of idle and count */
	struct idle idle[TABLES_SOCKETMAP_IDLE]; /* the last used last */
	size_t count;
	struct redis_names *names;
	uint64_t timeout_us;
};

struct tables_socketmap *
tables_socketmap_open(uint64_t timeout_ms)
{
	struct tables_socketmap *sockets = calloc(1, sizeof(*sockets));

	if (sockets == NULL)
		return NULL;
	sockets->timeout_us = timeout_ms * 1000;
	sockets->names = redis_names_open();
	if (sockets->names == NULL
	    || pthread_mutex_init(&sockets->lock, NULL) != 0) {
		redis_names_close(&sockets->names);
		free(sockets);
		return NULL;
	}
	return sockets;
}

/* Take the connection at place i out of the list. */
static struct socketmap_link *
remove_locked(struct tables_socketmap *sockets, size_t i)
{
	struct socketmap_link *link = sockets->idle[i].link;

	sockets->count--;
	memmove(&sockets->idle[i], &sockets->idle[i + 1],
	    (sockets->count - i) * sizeof(sockets->idle[0]));
	return link;
}

/* The connection to socket that was used last; NULL: there is none. */
static struct socketmap_link *
take_any(struct tables_socketmap *sockets, const char *socket)
{
	struct socketmap_link *link = NULL;

	pthread_mutex_lock(&sockets->lock);
	for (size_t i = sockets->count; i > 0 && link == NULL; i--)
		if (strcmp(socketmap_link_socket(sockets->idle[i - 1].link),
			socket)
		    == 0)
			link = remove_locked(sockets, i - 1);
	pthread_mutex_unlock(&sockets->lock);
	return link;
}

/* One that can be asked, as far as can be seen. */
static struct socketmap_link *
take(struct tables_socketmap *sockets, const char *socket)
{
	struct socketmap_link *link;

	while ((link = take_any(sockets, socket)) != NULL
	    && !socketmap_link_is_alive(link))
		socketmap_link_close(&link);
	return link;
}

/* Keep a connection for the next one, in the place of the one that wasn't used
 * for longest if there are enough. */
static void
put(struct tables_socketmap *sockets, struct socketmap_link **link)
{
	struct socketmap_link *other = NULL;

	if (!socketmap_link_is_alive(*link)) {
		socketmap_link_close(link);
		return;
	}
	pthread_mutex_lock(&sockets->lock);
	if (sockets->count == TABLES_SOCKETMAP_IDLE)
		other = remove_locked(sockets, 0);
	sockets->idle[sockets->count++] = (struct idle){
		.link = *link,
		.since_us = clock_monotonic_us(),
	};
	pthread_mutex_unlock(&sockets->lock);
	*link = NULL;
	socketmap_link_close(&other);
}

void
tables_socketmap_tend(struct tables_socketmap *sockets, uint64_t idle_ms)
{
	uint64_t now_us = clock_monotonic_us();
	struct socketmap_link *old[TABLES_SOCKETMAP_IDLE];
	size_t count = 0;

	pthread_mutex_lock(&sockets->lock);
	while (sockets->count > 0
	    && now_us >= sockets->idle[0].since_us + idle_ms * 1000)
		old[count++] = remove_locked(sockets, 0);
	pthread_mutex_unlock(&sockets->lock);
	while (count > 0)
		socketmap_link_close(&old[--count]);
}

void
tables_socketmap_close(struct tables_socketmap **sockets)
{
	if (*sockets == NULL)
		return;
	while ((*sockets)->count > 0) {
		struct socketmap_link *link = remove_locked(*sockets, 0);

		socketmap_link_close(&link);
	}
	(void)pthread_mutex_destroy(&(*sockets)->lock);
	redis_names_close(&(*sockets)->names);
	free(*sockets);
	*sockets = NULL;
}

/* One question on its way. */
struct trip {
	struct tables_socketmap *sockets;
	const char *socket;
	const char *request;
	size_t length;
	uint64_t deadline_us;
	char *answer;
	size_t answer_length;
	bool is_away;
};

/* Ask over a link, and keep it if it can be asked again. */
static enum socketmap_end
go(struct trip *trip, struct socketmap_link *link, struct fault *fault)
{
	enum socketmap_end end =
	    socketmap_link_ask(link, trip->request, trip->length,
		trip->deadline_us, &trip->answer, &trip->answer_length, fault);

	trip->is_away = end == SOCKETMAP_LATE;
	put(trip->sockets, &link);
	return end;
}

/* A server may have closed a connection that it was not asked over for a while:
 * then it is asked once more, over a new one. */
static bool
run(struct trip *trip, struct fault *fault)
{
	struct socketmap_link *link = take(trip->sockets, trip->socket);
	enum socketmap_end end = SOCKETMAP_UNHEARD;

	if (link != NULL)
		end = go(trip, link, fault);
	if (end != SOCKETMAP_UNHEARD)
		return end == SOCKETMAP_ANSWERED;
	link = socketmap_link_open(
	    trip->socket, trip->sockets->names, trip->deadline_us, fault);
	if (link == NULL) {
		trip->is_away = fault->kind == FAULT_TEMPORARY;
		return false;
	}
	return go(trip, link, fault) == SOCKETMAP_ANSWERED;
}

/* What follows word and a blank in the answer; NULL if it begins otherwise. */
static const char *
said_after(const struct trip *trip, const char *word)
{
	size_t length = strlen(word);

	if (strncmp(trip->answer, word, length) != 0)
		return NULL;
	if (trip->answer[length] == ' ')
		return trip->answer + length + 1;
	return trip->answer_length == length ? trip->answer + length : NULL;
}

static bool
read_value(const struct trip *trip, const char *value, struct arena *arena,
    const char **value_out, struct fault *fault)
{
	size_t length = (size_t)(trip->answer + trip->answer_length - value);

	if (memchr(value, '\0', length) != NULL)
		fault_set(fault, FAULT_TEMPORARY, "a value with a NUL in it");
	else if (length > TABLES_VALUE_BYTES)
		fault_set(
		    fault, FAULT_TEMPORARY, "a value of more than 64 KiB");
	else if ((*value_out = arena_copy(arena, value, length)) == NULL)
		fault_memory(fault);
	return *value_out != NULL;
}

/* TEMP, TIMEOUT and PERM are answers of a server that is there: they say
 * nothing of other keys. */
static bool
read_answer(const struct trip *trip, struct arena *arena,
    const char **value_out, struct fault *fault)
{
	static const struct {
		const char *word;
		enum fault_kind kind;
	} refusals[] = {
		{ "TEMP", FAULT_TEMPORARY },
		{ "TIMEOUT", FAULT_TEMPORARY },
		{ "PERM", FAULT_PERMANENT },
	};
	const char *said = said_after(trip, "OK");

	if (said != NULL)
		return read_value(trip, said, arena, value_out, fault);
	if (said_after(trip, "NOTFOUND") != NULL)
		return true;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		said = said_after(trip, refusals[i].word);
		if (said == NULL)
			continue;
		fault_set(fault, refusals[i].kind, "the server says %s%s%s",
		    refusals[i].word, *said != '\0' ? ": " : "", said);
		return false;
	}
	fault_set(fault, FAULT_TEMPORARY,
	    "the answer is none of OK, NOTFOUND, TEMP, TIMEOUT and PERM; is it "
	    "a socketmap server?");
	return false;
}

/* The netstring of "NAME KEY". */
static const char *
make_request(
    const struct map_source *source, const char *key, struct arena *arena)
{
	return arena_printf(arena, "%zu:%s %s,",
	    strlen(source->name) + 1 + strlen(key), source->name, key);
}

bool
tables_socketmap_is_key(const char *key)
{
	return key[strcspn(key, "\r\n")] == '\0'
	    && strlen(key) <= TABLES_SOCKETMAP_KEY_OCTETS;
}

bool
tables_socketmap_find(struct tables_socketmap *sockets,
    const struct map_source *source, const char *key, struct arena *arena,
    const char **value_out, bool *is_away_out, struct fault *fault)
{
	struct fault own = { .kind = FAULT_NONE };
	struct trip trip = {
		.sockets = sockets,
		.socket = source->socket,
		.deadline_us = clock_monotonic_us() + sockets->timeout_us,
	};
	bool is_asked;

	assert(source->kind == MAP_SOCKETMAP && source->socket != NULL);
	*value_out = NULL;
	*is_away_out = false;
	if (!tables_socketmap_is_key(key))
		return true;
	trip.request = make_request(source, key, arena);
	if (trip.request == NULL) {
		fault_memory(fault);
		return false;
	}
	trip.length = strlen(trip.request);
	is_asked =
	    run(&trip, &own) && read_answer(&trip, arena, value_out, &own);
	free(trip.answer);
	*is_away_out = trip.is_away;
	if (is_asked)
		return true;
	fault_prefix(&own, "socketmap %s:%s: ", source->socket, source->name);
	if (fault != NULL)
		*fault = own;
	return false;
}
