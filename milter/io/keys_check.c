#include "milter/io/keys_check.h"

#include "conf/opendkim.h"
#include "milter/io/keys.h"
#include "milter/io/keys_ask.h"
#include "milter/io/keys_domain.h"
#include "milter/io/keys_tables.h"
#include "milter/io/keys_value.h"
#include "milter/io/tables.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

/* What is looked at, and who is told. */
struct check {
	void (*complain)(void *context, const struct fault *fault);
	void *context;
	const char *key_table;
	const struct map_source *map;
	void *told;  /* domains of the map at fault: tsearch(3) */
	size_t most; /* things to look at */
	size_t checked;
	size_t faults;
	size_t told_lines; /* of faults; not each bad line has one */
	size_t bad_lines;
};

static void
complain(struct check *check, const struct fault *fault)
{
	check->faults++;
	check->complain(check->context, fault);
}

/* ---- a directory -------------------------------------------------------- */

/* Check the keys of one directory's domain. */
static bool
is_domain_good(const char *directory, const char *domain, struct fault *fault)
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
	keys_set_close(&found.set);
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

static void
check_directory(struct check *check, const char *directory)
{
	struct fault fault = { 0 };
	const struct dirent *entry;
	DIR *stream;

	if (!keys_directory_is_safe(directory, &fault)) {
		complain(check, &fault);
		return;
	}
	stream = opendir(directory);
	if (stream == NULL) {
		fault_set(&fault, FAULT_PERMANENT, "%s: %s", directory,
		    strerror(errno));
		complain(check, &fault);
		return;
	}
	while (
	    check->checked < check->most && (entry = readdir(stream)) != NULL) {
		if (!is_subdirectory(dirfd(stream), entry))
			continue;
		check->checked++;
		if (!is_domain_good(directory, entry->d_name, &fault))
			complain(check, &fault);
	}
	closedir(stream);
}

/* ---- OpenDKIM's tables -------------------------------------------------- */

static void
tell_bad_line(void *context, const struct fault *fault)
{
	struct check *check = context;

	check->told_lines++;
	complain(check, fault);
}

static bool
is_key_good(const struct opendkim_key *key, struct fault *fault)
{
	enum keys_file_state state;
	struct key_stamp stamp;
	struct parsed_key parsed;

	if (key->is_inline) {
		bool is_good =
		    keys_parse(key->key, strlen(key->key), &parsed, fault);

		keys_parse_clear(&parsed);
		return is_good;
	}
	/* That of a domain which isn't known here. */
	if (strchr(key->key, '%') != NULL)
		return true;
	state = keys_file_read(
	    AT_FDCWD, key->key, key->key, &parsed, &stamp, fault);
	keys_parse_clear(&parsed);
	if (state == KEYS_FILE_MISSING)
		fault_set(
		    fault, FAULT_PERMANENT, KEYS_FILE_MISSING_WORDS, key->key);
	return state == KEYS_FILE_GOOD;
}

static bool
check_key(void *context, const struct opendkim_key *key)
{
	struct check *check = context;
	struct fault fault = { 0 };

	if (check->checked == check->most)
		return false;
	check->checked++;
	if (!is_key_good(key, &fault)) {
		fault_prefix(&fault, "%s:%zu: ", check->key_table, key->line);
		complain(check, &fault);
	}
	return true;
}

static void
check_trust(struct check *check, const char *path, bool has_keys)
{
	struct fault fault = { 0 };
	struct key_stamp stamp;
	struct stat status;

	if (*path == '\0' || stat(path, &status) != 0)
		return;
	stamp = keys_stamp(&status);
	if (!keys_tables_are_trusted(path, &stamp, has_keys, &fault))
		complain(check, &fault);
}

static void
check_tables(struct check *check, const struct key_places *places)
{
	struct fault fault = { 0 };
	struct opendkim_tables *tables = opendkim_read(places->key_table,
	    places->signing_table, places->is_refile, tell_bad_line, check,
	    &check->bad_lines, &fault);

	if (tables == NULL) {
		complain(check, &fault);
		return;
	}
	check_trust(
	    check, places->key_table, opendkim_count(tables).inline_keys > 0);
	check_trust(check, places->signing_table, false);
	check->checked = 0;
	check->key_table = places->key_table;
	opendkim_each(tables, check_key, check);
	opendkim_free(&tables);
}

size_t
keys_check_tables(const struct key_places *places,
    void (*complain_to)(void *context, const struct fault *fault),
    void *context)
{
	struct check check = { .complain = complain_to, .context = context };

	check_tables(&check, places);
	return check.faults - check.told_lines + check.bad_lines;
}

size_t
keys_check(const struct key_places *places, size_t most,
    void (*complain_to)(void *context, const struct fault *fault),
    void *context)
{
	struct check check = {
		.complain = complain_to, .context = context, .most = most
	};
	struct fault fault = { 0 };

	if (*places->directory != '\0')
		check_directory(&check, places->directory);
	if (*places->key_table != '\0')
		check_tables(&check, places);
	if (places->map != NULL && !keys_ask_is_private(places->map, &fault))
		complain(&check, &fault);
	return check.faults;
}

/* ---- a map -------------------------------------------------------------- */

static int
compare(const void *one, const void *other)
{
	return strcmp(one, other);
}

/* Redis may give an entry twice. Without memory it is told twice, too. */
static bool
is_told(struct check *check, const char *domain)
{
	char *copy;

	if (tfind(domain, &check->told, compare) != NULL)
		return true;
	copy = strdup(domain);
	if (copy != NULL && tsearch(copy, &check->told, compare) == NULL)
		free(copy);
	return false;
}

static bool
is_entry_good(const struct table_entry *entry, struct fault *fault)
{
	struct key_set *set;

	if (!keys_domain_is_name(entry->key)) {
		fault_set(fault, FAULT_PERMANENT,
		    "no domain in lower case and A-labels, so its keys are "
		    "never used: rename it");
		return false;
	}
	if (entry->value == NULL) {
		fault_set(fault, FAULT_PERMANENT, "%s", entry->trouble);
		return false;
	}
	set = keys_value_read(entry->value, entry->key, fault);
	if (set == NULL)
		return false;
	keys_set_close(&set);
	return true;
}

static bool
check_entry(void *context, const struct table_entry *entry)
{
	struct check *check = context;
	struct fault fault = { 0 };

	if (check->checked == check->most)
		return false;
	check->checked++;
	if (!is_entry_good(entry, &fault) && !is_told(check, entry->key)) {
		keys_ask_name_entry(check->map, entry->key, &fault);
		complain(check, &fault);
	}
	return true;
}

size_t
keys_check_map(const struct map_source *map, struct tables *tables, size_t most,
    void (*complain_to)(void *context, const struct fault *fault),
    void *context)
{
	struct check check = {
		.complain = complain_to,
		.context = context,
		.map = map,
		.most = most,
	};
	struct fault fault = { 0 };

	if (!tables_may_list(map, NULL) || !keys_ask_is_private(map, NULL))
		return 0;
	if (!tables_each(tables, map, check_entry, &check, &fault))
		complain(&check, &fault);
	tdestroy(check.told, free);
	return check.faults;
}
