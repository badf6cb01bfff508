#include "milter/ctl/check_domain_list.h"

#include "conf/key_places.h"
#include "conf/opendkim.h"
#include "milter/io/tables.h"
#include "policy/address.h"
#include "policy/arena.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SCRATCH_BYTES = 16 * 1024,
	LINE_OCTETS = 1024,
	ROOM_FIRST = 64,
	WIDTH_LEAST = 6,
	WIDTH_MOST = 40,
};

static bool
grow(struct check_domain_list *list, struct fault *fault)
{
	size_t room = list->room == 0 ? ROOM_FIRST : list->room * 2;
	char **names;

	if (list->count < list->room)
		return true;
	if (list->count >= CHECK_DOMAIN_LIST_MOST) {
		fault_set(fault, FAULT_PERMANENT,
		    "more than %d domains: check them in several lists",
		    (int)CHECK_DOMAIN_LIST_MOST);
		return false;
	}
	names = reallocarray(list->names, room, sizeof(*names));
	if (names == NULL) {
		fault_memory(fault);
		return false;
	}
	list->names = names;
	list->room = room;
	return true;
}

/* What is no domain stays as it is: the check will say so. */
bool
check_domain_list_add(
    struct check_domain_list *list, const char *typed, struct fault *fault)
{
	const char *domain;
	struct arena scratch;
	char *name;

	if (!grow(list, fault))
		return false;
	arena_init(&scratch, SCRATCH_BYTES);
	if (!address_domain(&scratch, typed, strlen(typed), &domain, NULL))
		domain = typed;
	name = strdup(domain);
	arena_clear(&scratch);
	if (name == NULL) {
		fault_memory(fault);
		return false;
	}
	list->names[list->count++] = name;
	return true;
}

/* The first word of a line; false: there is none. */
static bool
first_word(char *line, char **word_out)
{
	static const char blanks[] = " \t\r\n";
	char *word = line + strspn(line, blanks);

	word[strcspn(word, " \t\r\n#")] = '\0';
	*word_out = word;
	return *word != '\0';
}

static bool
read_lines(struct check_domain_list *list, FILE *file, struct fault *fault)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	bool is_read = true;
	char *word;

	while (is_read && (length = getline(&line, &size, file)) >= 0) {
		if (length > LINE_OCTETS) {
			fault_set(fault, FAULT_PERMANENT,
			    "a line of more than %d octets: one domain a line",
			    (int)LINE_OCTETS);
			is_read = false;
		} else if (first_word(line, &word)) {
			is_read = check_domain_list_add(list, word, fault);
		}
	}
	if (is_read && ferror(file)) {
		fault_set(fault, FAULT_PERMANENT, "%s", strerror(errno));
		is_read = false;
	}
	free(line);
	return is_read;
}

bool
check_domain_list_read(
    struct check_domain_list *list, const char *path, struct fault *fault)
{
	bool is_input = strcmp(path, "-") == 0;
	FILE *file = is_input ? stdin : fopen(path, "re");
	bool is_read;

	if (file == NULL) {
		fault_set(
		    fault, FAULT_PERMANENT, "%s: %s", path, strerror(errno));
		return false;
	}
	is_read = read_lines(list, file, fault);
	if (!is_input)
		(void)fclose(file);
	if (!is_read)
		fault_prefix(fault, "%s: ", path);
	return is_read;
}

/* ---- where keys are ---- */

static bool
is_among(const struct sign_conf *const *places, size_t count,
    const struct sign_conf *one)
{
	for (size_t i = 0; i < count; i++)
		if (key_places_same(&places[i]->places, &one->places)
		    && strcmp(places[i]->fallback_domain, one->fallback_domain)
			== 0)
			return true;
	return false;
}

size_t
check_domain_places(const struct conf *conf,
    const struct sign_conf *places_out[CHECK_DOMAIN_PLACES])
{
	size_t count = 0;

	for (int i = 0; i < CLASS_COUNT; i++) {
		const struct class_conf *class = &conf->classes[i];

		if (class->sign
		    && !is_among(places_out, count, &class->sign_conf))
			places_out[count++] = &class->sign_conf;
	}
	if (count == 0)
		places_out[count++] = &conf->sign;
	return count;
}

/* The one that there is by default, and isn't there. */
static bool
is_missing_default(const struct conf *conf, const char *directory)
{
	return !conf_is_set(conf, "sign", "keys")
	    && strcmp(directory, conf->sign.places.directory) == 0
	    && access(directory, F_OK) != 0;
}

void
check_domain_places_once(const struct conf *conf,
    const struct sign_conf *const *places, size_t count,
    struct key_places *once_out)
{
	struct key_places *missing = NULL;
	bool has_others = false;

	for (size_t i = 0; i < count; i++) {
		struct key_places *once = &once_out[i];

		*once = places[i]->places;
		for (size_t k = 0; k < i; k++)
			key_places_leave_out(once, &places[k]->places);
		if (is_missing_default(conf, once->directory))
			missing = once;
		else
			has_others = has_others || *once->directory != '\0';
		has_others =
		    has_others || *once->key_table != '\0' || once->map != NULL;
	}
	if (has_others && missing != NULL)
		missing->directory = "";
}

/* ---- the domains that have keys there ---- */

/* Hidden ones aren't looked at by the daemon either. */
static bool
is_directory(DIR *directory, const struct dirent *entry)
{
	struct stat status;

	if (entry->d_name[0] == '.')
		return false;
	if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK)
		return entry->d_type == DT_DIR;
	return fstatat(dirfd(directory), entry->d_name, &status, 0) == 0
	    && S_ISDIR(status.st_mode);
}

static bool
add_directories(
    struct check_domain_list *list, const char *directory, struct fault *fault)
{
	DIR *stream = opendir(directory);
	const struct dirent *entry;
	bool is_read = true;

	if (stream == NULL) {
		fault_set(fault, FAULT_PERMANENT, "key directory %s: %s",
		    directory, strerror(errno));
		return false;
	}
	while (is_read && (entry = readdir(stream)) != NULL)
		if (is_directory(stream, entry))
			is_read =
			    check_domain_list_add(list, entry->d_name, fault);
	(void)closedir(stream);
	return is_read;
}

/* The domains of the KeyTable or of a map, being added. */
struct table_work {
	struct check_domain_list *list;
	struct fault *fault;
	bool is_added;
};

/* "%" is any domain, and so none. */
static bool
add_entry(void *context, const struct opendkim_key *key)
{
	struct table_work *work = context;

	if (strcmp(key->domain, "%") != 0)
		work->is_added =
		    check_domain_list_add(work->list, key->domain, work->fault);
	return work->is_added;
}

/* Bad lines are told by postern -t; here the others count. */
static void
pass_over(void *context, const struct fault *fault)
{
	(void)context;
	(void)fault;
}

static bool
add_table(struct check_domain_list *list, const struct key_places *places,
    struct fault *fault)
{
	struct table_work work = { list, fault, true };
	struct opendkim_tables *tables;
	size_t bad;

	tables = opendkim_read(places->key_table, places->signing_table,
	    places->is_refile, pass_over, NULL, &bad, fault);
	if (tables == NULL)
		return false;
	opendkim_each(tables, add_entry, &work);
	opendkim_free(&tables);
	return work.is_added;
}

bool
check_domain_list_keys(struct check_domain_list *list,
    const struct key_places *places, struct fault *fault)
{
	if (*places->directory == '\0' && *places->key_table == '\0') {
		fault_set(fault, FAULT_PERMANENT,
		    "sign.keys is empty, and key_table isn't set: there are no "
		    "keys to be listed");
		return false;
	}
	return (*places->directory == '\0'
		   || add_directories(list, places->directory, fault))
	    && (*places->key_table == '\0' || add_table(list, places, fault));
}

/* What is too long for any domain has nothing that could be checked. */
static bool
add_map_entry(void *context, const struct table_entry *entry)
{
	struct table_work *work = context;

	if (strlen(entry->key) <= LINE_OCTETS)
		work->is_added =
		    check_domain_list_add(work->list, entry->key, work->fault);
	return work->is_added;
}

bool
check_domain_list_map(struct check_domain_list *list,
    const struct map_source *map, struct tables *tables, struct fault *fault)
{
	struct table_work work = { list, fault, true };

	return tables_each(tables, map, add_map_entry, &work, fault)
	    && work.is_added;
}

static int
compare(const void *one, const void *other)
{
	return strcmp(*(char *const *)one, *(char *const *)other);
}

void
check_domain_list_sort(struct check_domain_list *list)
{
	size_t count = 0;

	if (list->count == 0)
		return;
	qsort(list->names, list->count, sizeof(*list->names), compare);
	for (size_t i = 0; i < list->count; i++)
		if (count > 0
		    && strcmp(list->names[count - 1], list->names[i]) == 0)
			free(list->names[i]);
		else
			list->names[count++] = list->names[i];
	list->count = count;
}

/* Well-formed domains are ASCII. */
int
check_domain_list_width(const struct check_domain_list *list)
{
	size_t width = WIDTH_LEAST;

	for (size_t i = 0; i < list->count; i++)
		if (strlen(list->names[i]) > width)
			width = strlen(list->names[i]);
	return (int)(width < WIDTH_MOST ? width : WIDTH_MOST);
}

void
check_domain_list_clear(struct check_domain_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->names[i]);
	free(list->names);
	*list = (struct check_domain_list){ .count = 0 };
}
