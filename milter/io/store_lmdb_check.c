#include "milter/io/store_lmdb_check.h"

#include "milter/io/clock.h"
#include "milter/io/store_lmdb_record.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	DEADLINE_MS = 60000,
	FREE_PAGES = 0, /* LMDB's own database of free pages */
	META_PAGES = 2,
};

/* What the child says before it goes; if it says nothing it has died. */
enum { SAYS_SOUND = 's', SAYS_DAMAGED = 'd', SAYS_UNABLE = 'u' };

/* A walk under way, in the child. */
struct walk {
	MDB_env *env;
	MDB_txn *txn;
	size_t page_bytes;
	size_t page_count;
	unsigned char *is_free;   /* a bit for each page */
	const unsigned char *map; /* where page 0 is; NULL: not known yet */
	size_t overrides;         /* met; and what the file says: */
	struct record_meta meta;
	enum record_state meta_state;
};

static bool
is_marked(const struct walk *walk, size_t page)
{
	return (walk->is_free[page / 8] >> (page % 8) & 1) != 0;
}

/* A list of free pages is a count and that many page numbers, falling. */
static bool
mark_free(struct walk *walk, const MDB_val *value)
{
	size_t before = walk->page_count;
	size_t count;

	if (value->mv_size < sizeof count)
		return false;
	memcpy(&count, value->mv_data, sizeof count);
	if (count > value->mv_size / sizeof count - 1)
		return false;
	for (size_t i = 0; i < count; i++) {
		size_t page;

		memcpy(&page,
		    (const unsigned char *)value->mv_data
			+ (i + 1) * sizeof page,
		    sizeof page);
		if (page < META_PAGES || page >= before
		    || is_marked(walk, page))
			return false;
		walk->is_free[page / 8] |= (unsigned char)(1U << (page % 8));
		before = page;
	}
	return true;
}

/* A page begins with its own number. So each page that is met tells where the
 * map begins, all must agree, and none may be on the list of free pages. */
static bool
is_page_sound(struct walk *walk, const void *data)
{
	const unsigned char *page =
	    (const unsigned char *)data - (uintptr_t)data % walk->page_bytes;
	const unsigned char *map;
	size_t number;

	memcpy(&number, page, sizeof number);
	if (number < META_PAGES || number >= walk->page_count
	    || is_marked(walk, number))
		return false;
	map = page - number * walk->page_bytes;
	if (walk->map == NULL)
		walk->map = map;
	return walk->map == map;
}

static bool
is_record_sound(struct walk *walk, const MDB_val *key, const MDB_val *value)
{
	enum record_kind kind = record_kind_of(key);

	if (kind == RECORD_META)
		walk->meta_state = record_read_meta(value, &walk->meta);
	walk->overrides += kind == RECORD_OVERRIDE;
	/* A newer version isn't damage; who opens the file will say so. */
	return record_check(key, value) != RECORD_DAMAGED;
}

/* With a wrong number of overrides some would be overlooked. */
static bool
is_meta_sound(const struct walk *walk)
{
	return walk->meta_state == RECORD_NEWER
	    || (walk->meta_state == RECORD_GOOD
		&& walk->meta.overrides == walk->overrides);
}

/* Is an entry found by its key too? That way is another than the walk's, from
 * the root. (mdb_get() would do, but not for the list of free pages.) */
static bool
is_found(const struct walk *walk, MDB_dbi dbi, MDB_val key, const void *data)
{
	MDB_cursor *cursor;
	MDB_val value;
	bool is_found;

	if (mdb_cursor_open(walk->txn, dbi, &cursor) != 0)
		return false;
	is_found = mdb_cursor_get(cursor, &key, &value, MDB_SET_KEY) == 0
	    && value.mv_data == data;
	mdb_cursor_close(cursor);
	return is_found;
}

/* Walk one database: as many entries as it says, in order. */
static bool
is_database_sound(struct walk *walk, MDB_dbi dbi, MDB_stat *stat)
{
	unsigned char last[RECORD_KEY_OCTETS];
	size_t last_length = 0;
	MDB_cursor *cursor;
	MDB_val key;
	MDB_val value;
	size_t count = 0;
	int status;

	if (mdb_stat(walk->txn, dbi, stat) != 0
	    || mdb_cursor_open(walk->txn, dbi, &cursor) != 0)
		return false;
	while ((status = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		MDB_val before = { last_length, last };

		if (++count > stat->ms_entries || key.mv_size > sizeof last
		    || !is_page_sound(walk, key.mv_data)
		    || !is_found(walk, dbi, key, value.mv_data)
		    || (count > 1
			&& mdb_cmp(walk->txn, dbi, &before, &key) >= 0)
		    || !(dbi == FREE_PAGES
			    ? mark_free(walk, &value)
			    : is_record_sound(walk, &key, &value)))
			return false;
		memcpy(last, key.mv_data, key.mv_size);
		last_length = key.mv_size;
	}
	return status == MDB_NOTFOUND && count == stat->ms_entries;
}

static char
walk_open_file(struct walk *walk)
{
	MDB_stat free_pages;
	MDB_stat records;
	MDB_envinfo info;
	size_t used;
	MDB_dbi dbi;

	if (mdb_env_info(walk->env, &info) != 0
	    || mdb_env_stat(walk->env, &records) != 0)
		return SAYS_DAMAGED;
	walk->page_bytes = records.ms_psize;
	walk->page_count = info.me_last_pgno + 1;
	walk->is_free = calloc(walk->page_count / 8 + 1, 1);
	if (walk->is_free == NULL)
		return SAYS_UNABLE;
	if (mdb_txn_begin(walk->env, NULL, MDB_RDONLY, &walk->txn) != 0
	    || mdb_dbi_open(walk->txn, NULL, 0, &dbi) != 0
	    || !is_database_sound(walk, FREE_PAGES, &free_pages)
	    || !is_database_sound(walk, dbi, &records) || !is_meta_sound(walk))
		return SAYS_DAMAGED;
	used = free_pages.ms_branch_pages + free_pages.ms_leaf_pages
	    + free_pages.ms_overflow_pages + records.ms_branch_pages
	    + records.ms_leaf_pages + records.ms_overflow_pages;
	return used + META_PAGES <= walk->page_count ? SAYS_SOUND
						     : SAYS_DAMAGED;
}

static bool
has_room(size_t bytes)
{
	void *map = mmap(NULL, bytes + 1, PROT_READ,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED)
		return false;
	(void)munmap(map, bytes + 1);
	return true;
}

/* All that the child does. Read-only and without LMDB's lock file: the caller
 * holds our lock, and a child that dies leaves nothing behind. */
static char
walk_file(const char *path)
{
	struct walk walk = { .meta_state = RECORD_DAMAGED };
	struct stat file;
	int status;

	status = mdb_env_create(&walk.env);
	if (status != 0 || stat(path, &file) != 0
	    || mdb_env_set_mapsize(walk.env, (size_t)file.st_size) != 0)
		return SAYS_UNABLE;
	status = mdb_env_open(walk.env, path,
	    MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS, 0600);
	/* A damaged file may ask for a map that no machine has room for. */
	if (status == ENOMEM && has_room((size_t)file.st_size))
		return SAYS_DAMAGED;
	if (status == ENOMEM || status == EACCES || status == EMFILE
	    || status == ENFILE || status == EIO)
		return SAYS_UNABLE;
	if (status != 0)
		return SAYS_DAMAGED;
	return walk_open_file(&walk);
}

static void
child(const char *path, int says)
{
	static const int deadly[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL,
		SIGALRM, SIGTERM };
	const struct sigaction usual = { .sa_handler = SIG_DFL };
	const struct rlimit no_core = { 0, 0 };
	sigset_t none;
	int nowhere;
	char word;

	/* The daemon's sockets must not live on in here if it is killed. */
	if (says > 3)
		(void)close_range(3, (unsigned)says - 1, 0);
	(void)close_range((unsigned)says + 1, ~0U, 0);
	for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++)
		(void)sigaction(deadly[i], &usual, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setrlimit(RLIMIT_CORE, &no_core);
	(void)alarm(DEADLINE_MS / 1000);
	/* A failed assertion of LMDB writes to standard error. */
	nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (nowhere >= 0)
		(void)dup2(nowhere, STDERR_FILENO);

	word = walk_file(path);
	_exit(write(says, &word, 1) == 1 ? 0 : 1);
}

/* The child's word; 0 if it died without one, 'u' if time is up. */
static char
listen_to(int says)
{
	uint64_t deadline_ms = clock_monotonic_ms() + DEADLINE_MS;
	char word = 0;

	for (;;) {
		uint64_t now_ms = clock_monotonic_ms();
		struct pollfd wait = { .fd = says, .events = POLLIN };

		if (now_ms >= deadline_ms)
			return SAYS_UNABLE;
		if (poll(&wait, 1, (int)(deadline_ms - now_ms)) <= 0)
			continue;
		if (read(says, &word, 1) >= 0 || errno != EINTR)
			return word;
	}
}

enum check
store_lmdb_check(const char *path, struct fault *fault)
{
	int status = 0;
	int ends[2];
	pid_t pid;
	char word;

	if (pipe2(ends, O_CLOEXEC) != 0) {
		fault_set(fault, FAULT_TEMPORARY, "%s: pipe: %s", path,
		    strerror(errno));
		return CHECK_UNKNOWN;
	}
	pid = fork();
	if (pid == 0)
		child(path, ends[1]);
	(void)close(ends[1]);
	word = SAYS_UNABLE;
	if (pid > 0) {
		word = listen_to(ends[0]);
		if (word == SAYS_UNABLE)
			(void)kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			continue;
	}
	(void)close(ends[0]);

	if (word == SAYS_SOUND)
		return CHECK_SOUND;
	/* Whom somebody killed, or the kernel for want of memory, hasn't said
	 * anything about the file. */
	if (word == SAYS_UNABLE
	    || (word == 0 && WIFSIGNALED(status)
		&& (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGTERM
		    || WTERMSIG(status) == SIGALRM))) {
		fault_set(fault, FAULT_TEMPORARY,
		    "%s: could not be checked for damage", path);
		return CHECK_UNKNOWN;
	}
	fault_set(fault, FAULT_PERMANENT, "%s: damaged", path);
	return CHECK_DAMAGED;
}
