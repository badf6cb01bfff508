#include "milter/io/keys.h"

#include "milter/io/clock.h"
#include "milter/io/keys_domain.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

/* What is known of one domain. */
struct known_domain {
	TAILQ_ENTRY(known_domain) used; /* in order of use */
	uint64_t checked_ms;
	enum keys_finding finding;
	bool is_settled;
	bool is_being_read; /* by one thread, without the lock */
	bool has_directory;
	struct key_stamp stamp;
	struct key_set *set; /* one holder is the entry */
	struct fault *fault; /* of KEYS_FAULTY */
	const char *directory;
	const char *domain;
	char names[]; /* both of them */
};

TAILQ_HEAD(known_list, known_domain);

/* A tree, not a hash table: names come from outside, and no choice of names
 * makes a balanced tree slow. */
struct keys {
	pthread_mutex_t lock;   /* of all below; never held while files are
				   looked at */
	void *tree;             /* tsearch(3) by domain, directory */
	struct known_list list; /* the last used first */
	size_t count;
	size_t most;
	size_t lent;
	uint64_t (*clock_ms)(void *context);
	void *context;
};

static uint64_t
system_clock_ms(void *context)
{
	(void)context;
	return clock_monotonic_ms();
}

struct keys *
keys_open(size_t most)
{
	struct keys *keys = calloc(1, sizeof(*keys));

	if (keys == NULL)
		return NULL;
	if (pthread_mutex_init(&keys->lock, NULL) != 0) {
		free(keys);
		return NULL;
	}
	TAILQ_INIT(&keys->list);
	keys->most = most > 0 ? most : 1;
	keys->clock_ms = system_clock_ms;
	return keys;
}

void
keys_set_clock(
    struct keys *keys, uint64_t (*clock_ms)(void *context), void *context)
{
	keys->clock_ms = clock_ms != NULL ? clock_ms : system_clock_ms;
	keys->context = context;
}

static int
entry_compare(const void *one, const void *other)
{
	const struct known_domain *a = one;
	const struct known_domain *b = other;
	int order = strcmp(a->domain, b->domain);

	return order != 0 ? order : strcmp(a->directory, b->directory);
}

/* One holder less, with the lock held. Returns set if it was the last one. */
static struct key_set *
set_drop(struct key_set *set)
{
	return set != NULL && --set->holders == 0 ? set : NULL;
}

static struct known_domain *
entry_find(struct keys *keys, const char *directory, const char *domain)
{
	struct known_domain wanted = { .directory = directory,
		.domain = domain };
	struct known_domain **found =
	    tfind(&wanted, &keys->tree, entry_compare);

	if (found == NULL)
		return NULL;
	TAILQ_REMOVE(&keys->list, *found, used);
	TAILQ_INSERT_HEAD(&keys->list, *found, used);
	return *found;
}

static void
entry_remove(struct keys *keys, struct known_domain *entry)
{
	tdelete(entry, &keys->tree, entry_compare);
	TAILQ_REMOVE(&keys->list, entry, used);
	keys->count--;
	keys_set_free(set_drop(entry->set));
	free(entry->fault);
	free(entry);
}

/* A new entry, or NULL for want of memory: then nothing is remembered. */
static struct known_domain *
entry_add(struct keys *keys, const char *directory, const char *domain)
{
	size_t directory_size = strlen(directory) + 1;
	size_t domain_size = strlen(domain) + 1;
	struct known_domain *entry =
	    calloc(1, sizeof(*entry) + directory_size + domain_size);

	if (entry == NULL)
		return NULL;
	memcpy(entry->names, directory, directory_size);
	memcpy(entry->names + directory_size, domain, domain_size);
	entry->directory = entry->names;
	entry->domain = entry->names + directory_size;
	if (tsearch(entry, &keys->tree, entry_compare) == NULL) {
		free(entry);
		return NULL;
	}
	TAILQ_INSERT_HEAD(&keys->list, entry, used);
	if (++keys->count > keys->most)
		entry_remove(keys, TAILQ_LAST(&keys->list, known_list));
	return entry;
}

/* May entry be believed without a look? */
static bool
is_fresh(struct keys *keys, const struct known_domain *entry)
{
	return entry->is_being_read
	    || keys->clock_ms(keys->context) - entry->checked_ms
	    < KEYS_STALE_MS;
}

/* Answer from entry. */
static bool
entry_answer(struct keys *keys, const struct known_domain *entry,
    const struct key_ring **ring_out, struct fault *fault)
{
	*ring_out = NULL;
	if (entry->finding == KEYS_FAULTY) {
		if (fault != NULL)
			*fault = *entry->fault;
		return false;
	}
	if (entry->set != NULL) {
		entry->set->holders++;
		keys->lent++;
		*ring_out = &entry->set->ring;
	}
	return true;
}

/* Remember what a look found, and give the caller's hold of the set away. */
static void
entry_fill(struct known_domain *entry, struct key_look *look, uint64_t now_ms)
{
	struct fault *fault = entry->fault;

	if (look->finding == KEYS_FAULTY && fault == NULL)
		fault = malloc(sizeof(*fault));
	if (look->finding != KEYS_FAULTY) {
		free(fault);
		fault = NULL;
	} else if (fault != NULL)
		*fault = look->fault;
	entry->fault = fault;
	keys_set_free(set_drop(entry->set));
	entry->set = look->set;
	look->set = NULL;
	entry->finding = look->finding;
	entry->is_settled = look->is_settled;
	entry->has_directory = look->has_directory;
	entry->stamp = look->directory;
	entry->checked_ms = now_ms;
	entry->is_being_read = false;
}

/* What was known of a domain, for comparing without the lock. */
struct known {
	bool is_there;
	bool has_directory;
	struct key_stamp stamp;
	struct key_set *set; /* held */
};

static struct known
known_take(struct known_domain *entry)
{
	struct known known = { 0 };

	if (entry == NULL)
		return known;
	entry->is_being_read = true;
	if (entry->finding == KEYS_FAULTY || !entry->is_settled)
		return known;
	known.is_there = true;
	known.has_directory = entry->has_directory;
	known.stamp = entry->stamp;
	known.set = entry->set;
	if (known.set != NULL)
		known.set->holders++;
	return known;
}

/* Look at the files, without the lock. False: nothing has changed. */
static bool
look(const char *directory, const char *domain, const struct known *known,
    struct key_look *look_out)
{
	if (known->is_there
	    && keys_domain_is_as_before(directory, domain, known->has_directory,
		&known->stamp, known->set))
		return false;
	keys_domain_look(directory, domain, look_out);
	return true;
}

/* Answer from what a look found, of which nothing can be remembered. */
static bool
look_answer(struct keys *keys, struct key_look *found,
    const struct key_ring **ring_out, struct fault *fault)
{
	*ring_out = NULL;
	if (found->finding == KEYS_FAULTY) {
		if (fault != NULL)
			*fault = found->fault;
		return false;
	}
	if (found->set != NULL) {
		keys->lent++;
		*ring_out = &found->set->ring;
	}
	return true;
}

/* Remember what a look found (or, unless it is_new, that nothing changed) and
 * answer. now_ms is a time before the look. */
static bool
settle(struct keys *keys, const char *directory, const char *domain,
    struct key_look *found, bool is_new, uint64_t now_ms, struct known *known,
    const struct key_ring **ring_out, struct fault *fault)
{
	struct known_domain *entry = entry_find(keys, directory, domain);

	if (!is_new) {
		/* The entry may have gone meanwhile; what was taken of it is
		 * as good. */
		*found = (struct key_look){
			.finding = known->set != NULL ? KEYS_THERE : KEYS_NONE,
			.has_directory = known->has_directory,
			.directory = known->stamp,
			.is_settled = true,
			.set = known->set,
		};
		known->set = NULL;
	}
	if (entry == NULL)
		entry = entry_add(keys, directory, domain);
	if (entry == NULL)
		return look_answer(keys, found, ring_out, fault);
	entry_fill(entry, found, now_ms);
	if (entry->finding == KEYS_FAULTY && entry->fault == NULL) {
		entry_remove(keys, entry);
		return look_answer(keys, found, ring_out, fault);
	}
	return entry_answer(keys, entry, ring_out, fault);
}

bool
keys_find(struct keys *keys, const char *directory, const char *domain,
    const struct key_ring **ring_out, struct fault *fault)
{
	struct key_look found;
	struct known_domain *entry;
	struct known known;
	uint64_t now_ms;
	bool is_found;
	bool is_new;

	*ring_out = NULL;
	if (!keys_domain_is_name(domain))
		return true;
	pthread_mutex_lock(&keys->lock);
	entry = entry_find(keys, directory, domain);
	if (entry != NULL && is_fresh(keys, entry)) {
		is_found = entry_answer(keys, entry, ring_out, fault);
		pthread_mutex_unlock(&keys->lock);
		return is_found;
	}
	known = known_take(entry);
	now_ms = keys->clock_ms(keys->context);
	pthread_mutex_unlock(&keys->lock);

	is_new = look(directory, domain, &known, &found);

	pthread_mutex_lock(&keys->lock);
	is_found = settle(keys, directory, domain, &found, is_new, now_ms,
	    &known, ring_out, fault);
	keys_set_free(set_drop(known.set));
	pthread_mutex_unlock(&keys->lock);
	return is_found;
}

bool
keys_has(struct keys *keys, const char *directory, const char *domain)
{
	struct known_domain *entry;
	bool is_known;
	bool has = false;

	if (!keys_domain_is_name(domain))
		return false;
	pthread_mutex_lock(&keys->lock);
	entry = entry_find(keys, directory, domain);
	is_known = entry != NULL && is_fresh(keys, entry);
	if (is_known)
		has = entry->finding != KEYS_NONE;
	pthread_mutex_unlock(&keys->lock);
	return is_known ? has : keys_domain_has(directory, domain);
}

void
keys_release(struct keys *keys, const struct key_ring **ring)
{
	struct key_set *set;

	if (*ring == NULL)
		return;
	/* The ring is the head of its set, and the set is ours to change. */
	set = (struct key_set *)(uintptr_t)*ring;
	*ring = NULL;
	pthread_mutex_lock(&keys->lock);
	keys->lent--;
	set = set_drop(set);
	pthread_mutex_unlock(&keys->lock);
	keys_set_free(set);
}

void
keys_close(struct keys **keys)
{
	struct keys *old = *keys;

	if (old == NULL)
		return;
	assert(old->lent == 0);
	while (!TAILQ_EMPTY(&old->list))
		entry_remove(old, TAILQ_FIRST(&old->list));
	pthread_mutex_destroy(&old->lock);
	free(old);
	*keys = NULL;
}

/* Check the keys of one directory's domain. */
static bool
check_domain(const char *directory, const char *domain, struct fault *fault)
{
	struct key_look found;

	if (!keys_domain_is_name(domain)) {
		if (strchr(domain, '/') != NULL
		    || !keys_domain_has(directory, domain))
			return true;
		fault_set(fault, FAULT_PERMANENT,
		    "%s/%s: no domain in lower case and A-labels, so its keys "
		    "are never used: rename it",
		    directory, domain);
		return false;
	}
	keys_domain_look(directory, domain, &found);
	keys_set_free(found.set);
	if (found.finding == KEYS_FAULTY)
		*fault = found.fault;
	return found.finding != KEYS_FAULTY;
}

/* A README among the directories is nobody's key. */
static bool
is_subdirectory(int directory_fd, const struct dirent *entry)
{
	struct stat status;

	if (entry->d_name[0] == '.' || entry->d_type == DT_REG)
		return false;
	return entry->d_type == DT_DIR
	    || (fstatat(directory_fd, entry->d_name, &status, 0) == 0
		&& S_ISDIR(status.st_mode));
}

size_t
keys_check(const char *directory, size_t most,
    void (*complain)(void *context, const struct fault *fault), void *context)
{
	struct fault fault = { 0 };
	const struct dirent *entry;
	size_t checked = 0;
	size_t faults = 0;
	DIR *stream;

	if (!keys_directory_is_safe(directory, &fault)) {
		complain(context, &fault);
		return 1;
	}
	stream = opendir(directory);
	if (stream == NULL) {
		fault_set(&fault, FAULT_PERMANENT, "%s: %s", directory,
		    strerror(errno));
		complain(context, &fault);
		return 1;
	}
	while (checked < most && (entry = readdir(stream)) != NULL) {
		if (!is_subdirectory(dirfd(stream), entry))
			continue;
		checked++;
		if (!check_domain(directory, entry->d_name, &fault)) {
			faults++;
			complain(context, &fault);
		}
	}
	closedir(stream);
	return faults;
}
