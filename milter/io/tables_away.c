#include "milter/io/tables_away.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	char *server; /* NULL: the entry is free */
	uint64_t until_ms;
	char words[FAULT_WORDS_BYTES];
};

struct tables_away {
	pthread_mutex_t lock; /* of all below */
	struct entry entries[TABLES_AWAY_SERVERS];
};

struct tables_away *
tables_away_open(void)
{
	struct tables_away *away = calloc(1, sizeof(*away));

	if (away == NULL || pthread_mutex_init(&away->lock, NULL) != 0) {
		free(away);
		return NULL;
	}
	return away;
}

static struct entry *
find_locked(struct tables_away *away, const char *server)
{
	for (size_t i = 0; i < TABLES_AWAY_SERVERS; i++) {
		struct entry *entry = &away->entries[i];

		if (entry->server != NULL && strcmp(entry->server, server) == 0)
			return entry;
	}
	return NULL;
}

/* A free entry, or that of the server which is tried again the earliest. NULL
 * for want of memory. */
static struct entry *
make_locked(struct tables_away *away, const char *server)
{
	struct entry *entry = &away->entries[0];
	char *copy = strdup(server);

	if (copy == NULL)
		return NULL;
	for (size_t i = 0; i < TABLES_AWAY_SERVERS && entry->server != NULL;
	     i++)
		if (away->entries[i].server == NULL
		    || away->entries[i].until_ms < entry->until_ms)
			entry = &away->entries[i];
	free(entry->server);
	entry->server = copy;
	return entry;
}

bool
tables_away_may_ask(struct tables_away *away, const char *server,
    uint64_t now_ms, struct fault *fault)
{
	struct entry *entry;
	bool may_ask;

	pthread_mutex_lock(&away->lock);
	entry = find_locked(away, server);
	may_ask = entry == NULL || now_ms >= entry->until_ms;
	if (entry != NULL && may_ask)
		entry->until_ms = now_ms + TABLES_AWAY_MS;
	if (!may_ask)
		fault_set(fault, FAULT_TEMPORARY, "%s", entry->words);
	pthread_mutex_unlock(&away->lock);
	return may_ask;
}

void
tables_away_note(struct tables_away *away, const char *server, bool is_away,
    uint64_t now_ms, const struct fault *fault)
{
	struct entry *entry;

	pthread_mutex_lock(&away->lock);
	entry = find_locked(away, server);
	if (entry == NULL && is_away)
		entry = make_locked(away, server);
	if (entry != NULL && is_away) {
		entry->until_ms = now_ms + TABLES_AWAY_MS;
		memcpy(entry->words, fault->words, sizeof(entry->words));
	} else if (entry != NULL) {
		free(entry->server);
		entry->server = NULL;
	}
	pthread_mutex_unlock(&away->lock);
}

void
tables_away_close(struct tables_away **away)
{
	if (*away == NULL)
		return;
	for (size_t i = 0; i < TABLES_AWAY_SERVERS; i++)
		free((*away)->entries[i].server);
	(void)pthread_mutex_destroy(&(*away)->lock);
	free(*away);
	*away = NULL;
}
