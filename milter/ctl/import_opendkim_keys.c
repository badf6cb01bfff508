#include "milter/ctl/import_opendkim_keys.h"

#include "policy/address.h"
#include "policy/signing.h"
#include "policy/text.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>

enum { COPIES_MOST = 50 };

/* The third part of a KeyTable's value, and the first two. */
struct key_entry {
	const char *domain;
	const char *selector;
	const char *key;
};

bool
import_signs(const struct import *import)
{
	const struct import_setting *mode = import_find(import, "Mode");

	return mode == NULL || strchr(mode->value, 's') != NULL;
}

/* "DOMAIN:SELECTOR:KEY"; false if value isn't that. */
static bool
read_key(struct import *import, const char *value, struct key_entry *entry_out)
{
	const char *selector = strchr(value, ':');
	const char *key = selector != NULL ? strchr(selector + 1, ':') : NULL;

	if (key == NULL)
		return false;
	entry_out->domain =
	    arena_copy(import->arena, value, (size_t)(selector - value));
	entry_out->selector = arena_copy(
	    import->arena, selector + 1, (size_t)(key - selector - 1));
	entry_out->key = key + 1;
	if (entry_out->domain != NULL && entry_out->selector != NULL)
		return true;
	import->is_out_of_memory = true;
	return false;
}

static bool
is_path(const char *key)
{
	return *key == '/' || strncmp(key, "./", 2) == 0
	    || strncmp(key, "../", 3) == 0;
}

/* One more d=. Which don't matter, only whether they are several. */
static void
count_domain(struct import *import, const char **first, const char *domain)
{
	if (strcmp(domain, "%") == 0)
		import->signing_domains += 2;
	else if (*first == NULL || !text_equal_case(*first, domain))
		import->signing_domains++;
	if (*first == NULL)
		*first = domain;
}

/* What path and common, a directory that ends in '/', have in common: as long
 * as the first octets of common. */
static size_t
common_length(const char *common, size_t length, const char *path)
{
	size_t same = 0, kept = 0;

	for (; same < length && common[same] == path[same]; same++)
		if (common[same] == '/')
			kept = same + 1;
	return kept;
}

/* As far as it is known: what "%" stands for isn't. */
static size_t
directory_length(const char *path)
{
	size_t length = strcspn(path, "%");

	while (length > 0 && path[length - 1] != '/')
		length--;
	return length;
}

static void
add_file(struct import_key_files *files, const char *path)
{
	for (size_t i = 0; i < IMPORT_ROOTS; i++) {
		if (strncmp(path, import_roots[i], strlen(import_roots[i])) != 0
		    || strstr(path, "/../") != NULL)
			continue;
		if (files->common[i] == NULL) {
			files->common[i] = path;
			files->lengths[i] = directory_length(path);
		}
		files->lengths[i] =
		    common_length(files->common[i], files->lengths[i], path);
		return;
	}
	if (strchr(path, '%') != NULL)
		files->token = path;
	else
		files->paths[files->count++] = path;
}

static int
compare(const void *one, const void *other)
{
	return strcmp(*(const char *const *)one, *(const char *const *)other);
}

/* Each once. */
static void
sort_files(struct import_key_files *files)
{
	size_t count = 0;

	if (files->count == 0)
		return;
	qsort(files->paths, files->count, sizeof(files->paths[0]), compare);
	for (size_t i = 0; i < files->count; i++)
		if (count == 0
		    || strcmp(files->paths[count - 1], files->paths[i]) != 0)
			files->paths[count++] = files->paths[i];
	files->count = count;
}

/* Count the d= of a KeyTable, and see whose its keys are. table is where it is
 * or will be; NULL: nowhere. */
static void
look_at_keys(struct import *import, const struct import_setting *setting,
    const struct import_set *set, const char *table)
{
	struct import_key_files files = { .user = getpwnam(IMPORT_USER) };
	const char *first = NULL;

	files.paths = arena_alloc(
	    import->arena, (set->count + 1) * sizeof(files.paths[0]));
	if (files.paths == NULL) {
		import->is_out_of_memory = true;
		return;
	}
	for (size_t i = 0; i < set->count; i++) {
		struct key_entry entry;
		const char *path;

		if (!read_key(import, set->entries[i].value, &entry))
			continue;
		count_domain(import, &first, entry.domain);
		if (!is_path(entry.key))
			continue;
		path = import_path(import, entry.key);
		if (*path != '/' || import_is_ours(path, files.user))
			continue;
		files.is_relative = files.is_relative || *entry.key != '/';
		add_file(&files, path);
	}
	sort_files(&files);
	import_own(import, setting, &files, table);
}

/* A path as the value of an option that names a table; NULL, after telling, if
 * it can't be one. */
static const char *
table_value(struct import *import, const struct import_setting *setting,
    const char *prefix, const char *path)
{
	const char *whole = arena_printf(import->arena, "%s%s", prefix, path);

	if (whole == NULL)
		import->is_out_of_memory = true;
	return whole != NULL ? import_quote(import, setting, whole) : NULL;
}

static const char *
table_path(struct import *import, const char *name)
{
	const char *path = arena_printf(
	    import->arena, "%s/%s", import->order->directory, name);

	if (path == NULL)
		import->is_out_of_memory = true;
	return path != NULL ? path : "";
}

/* Neither is of use without the other. */
static void
write_values(
    struct import *import, const char *key_value, const char *signing_value)
{
	if (key_value != NULL && signing_value != NULL) {
		fprintf(import->out, "\tkey_table = %s\n", key_value);
		fprintf(import->out, "\tsigning_table = %s\n", signing_value);
		return;
	}
	import->answer->key_table = NULL;
	import->answer->signing_table = NULL;
	import_comment(import, "\t",
	    "There are no tables to read: see what is said above.");
}

/* A list of opendkim.conf as the table that it is. NULL, after telling, if
 * there is nowhere to put it. */
static const char *
table_of(struct import *import, const struct import_setting *setting,
    const struct import_set *set)
{
	const char *kept;
	char *text = NULL;
	size_t size = 0;
	FILE *out;

	if (import->order->directory == NULL) {
		import_loss(import, setting,
		    "a list has to become a file: say --output DIRECTORY, and "
		    "it is written there");
		return NULL;
	}
	out = open_memstream(&text, &size);
	for (size_t i = 0; out != NULL && i < set->count; i++)
		fprintf(
		    out, "%s %s\n", set->entries[i].key, set->entries[i].value);
	if (out == NULL || fclose(out) != 0)
		import->is_out_of_memory = true;
	kept = text != NULL ? arena_strdup(import->arena, text) : NULL;
	free(text);
	return kept;
}

/* A list with keys in it would be a file of secrets. */
static bool
has_inline_key(struct import *import, const struct import_set *set)
{
	struct key_entry entry;

	for (size_t i = 0; i < set->count; i++)
		if (read_key(import, set->entries[i].value, &entry)
		    && !is_path(entry.key))
			return true;
	return false;
}

static const char *
key_list(struct import *import, const struct import_setting *setting,
    const struct import_set *set)
{
	const char *text;

	if (has_inline_key(import, set)) {
		import_loss(import, setting,
		    "has a private key in it: write that into a file, and its "
		    "path here");
		return NULL;
	}
	text = table_of(import, setting, set);
	import->answer->key_table = text;
	return text == NULL ? NULL
			    : table_value(import, setting, "",
				table_path(import, IMPORT_KEY_TABLE));
}

/* "refile:" makes patterns of names; most tables have it without any. */
static void
tell_patterns(struct import *import, const struct import_setting *setting,
    const struct import_set *set)
{
	size_t count = 0;

	for (size_t i = 0; i < set->count; i++)
		count += strchr(set->entries[i].key, '*') != NULL;
	if (count > 0)
		import_loss(import, setting,
		    "%zu of its names have \"*\": such a line isn't read, as "
		    "names of keys are looked up as they are",
		    count);
}

/* The value of sign.key_table; NULL, after telling, if there is none. */
static const char *
key_table(struct import *import, const struct import_setting *setting)
{
	const char *path = NULL;
	struct import_set set;

	/* Several, until it is known that it is one. */
	import->signing_domains = 2;
	if (!import_entries(import, setting, &set))
		return NULL;
	import->signing_domains = 0;
	if (set.kind != IMPORT_SET_LIST)
		path = import_path(import, set.path);
	else if (import->order->directory != NULL)
		path = table_path(import, IMPORT_KEY_TABLE);
	look_at_keys(import, setting, &set, path);
	tell_patterns(import, setting, &set);
	if (set.kind == IMPORT_SET_LIST)
		return key_list(import, setting, &set);
	return table_value(import, setting, "", path);
}

/* The value of sign.signing_table; NULL, after telling, if there is none. */
static const char *
signing_table(struct import *import, const struct import_setting *setting)
{
	struct import_set set;
	const char *text;

	if (!import_entries(import, setting, &set))
		return NULL;
	if (set.kind != IMPORT_SET_LIST)
		return table_value(import, setting,
		    set.kind == IMPORT_SET_REFILE ? "refile:" : "",
		    import_path(import, set.path));
	text = table_of(import, setting, &set);
	import->answer->signing_table = text;
	return text == NULL ? NULL
			    : table_value(import, setting, "",
				table_path(import, IMPORT_SIGNING_TABLE));
}

static void
tell_ignored(struct import *import, const char *name)
{
	const struct import_setting *setting = import_find(import, name);

	if (setting != NULL)
		import_note(import, setting, "doesn't count beside a KeyTable");
}

static void
tables(struct import *import, const struct import_setting *keys)
{
	const struct import_setting *signing =
	    import_find(import, "SigningTable");
	const char *key_value = key_table(import, keys);
	const char *signing_value =
	    signing != NULL ? signing_table(import, signing) : NULL;

	write_values(import, key_value, signing_value);
	if (key_value != NULL && signing_value != NULL) {
		fprintf(import->out, "\tmultiple_signatures = %s\n",
		    import_has(import, "MultipleSignatures") ? "yes" : "no");
		import_note(import, signing,
		    "an address that no entry is for is signed all the same if "
		    "the KeyTable has a key of its domain, or of one above it, "
		    "that the account may use");
	}
	if (signing == NULL)
		import_loss(import, keys,
		    "there is no SigningTable: nothing says which key signs "
		    "for whom");
	tell_ignored(import, "Domain");
	tell_ignored(import, "KeyFile");
	tell_ignored(import, "Selector");
	tell_ignored(import, "SubDomains");
}

/* What signs if there are no tables. */
struct single {
	const struct import_setting *domain;
	const struct import_setting *selector;
	const struct import_setting *file;
	const char *path;
	bool has_subdomains;
};

static bool
find_single(struct import *import, struct single *single_out)
{
	static const char *const names[] = { "Domain", "Selector", "KeyFile" };
	const struct import_setting *found[3];
	bool is_missing[3], is_whole = true;

	for (size_t i = 0; i < 3; i++) {
		found[i] = import_find(import, names[i]);
		is_missing[i] = found[i] == NULL;
		is_whole = is_whole && !is_missing[i];
	}
	if (!is_whole) {
		import_loss(import, NULL,
		    "neither a KeyTable%s%s%s is set: OpenDKIM signs nothing "
		    "with this file",
		    is_missing[0] ? " nor Domain" : "",
		    is_missing[1] ? " nor Selector" : "",
		    is_missing[2] ? " nor KeyFile" : "");
		return false;
	}
	*single_out = (struct single){ .domain = found[0],
		.selector = found[1],
		.file = found[2],
		.path = import_path(import, found[2]->value),
		.has_subdomains = import_has(import, "SubDomains") };
	if (signing_is_selector(found[1]->value))
		return true;
	import_loss(import, found[1], "\"%s\" is no selector", found[1]->value);
	return false;
}

/* The domain of an entry, normalised; "*" as it is. NULL, after telling. */
static const char *
domain_of(struct import *import, const struct single *single, const char *text)
{
	struct fault fault = { .kind = FAULT_NONE };
	const char *domain;

	if (strcmp(text, "*") == 0)
		return "*";
	if (address_domain(import->arena, text, strlen(text), &domain, &fault))
		return domain;
	import_loss(import, single->domain, "%s", fault.words);
	return NULL;
}

static void
add_lines(const struct single *single, const char *domain, const char *copy,
    FILE *keys, FILE *signing)
{
	const char *selector = single->selector->value;

	if (strcmp(domain, "*") == 0) {
		fprintf(keys, "any %%:%s:%s\n", selector, copy);
		fputs("* any\n", signing);
		return;
	}
	fprintf(keys, "%s %s:%s:%s\n", domain, domain, selector, copy);
	fprintf(signing, "%s %s\n", domain, domain);
	if (single->has_subdomains)
		fprintf(signing, ".%s %s\n", domain, domain);
}

/* A file of text that was written to out, in the arena. */
static const char *
close_text(struct import *import, FILE *out, char **text)
{
	const char *kept = NULL;

	if (out != NULL && fclose(out) == 0)
		kept = arena_strdup(import->arena, *text);
	if (kept == NULL)
		import->is_out_of_memory = true;
	free(*text);
	return kept;
}

/* One key for many domains, as tables. */
static void
single_tables(struct import *import, const struct single *single,
    const char *const *domains, size_t count)
{
	struct import_answer *answer = import->answer;
	char *key_text = NULL, *signing_text = NULL;
	size_t key_size = 0, signing_size = 0;
	FILE *keys = open_memstream(&key_text, &key_size);
	FILE *signing = open_memstream(&signing_text, &signing_size);
	const char *copy = arena_printf(import->arena, "%s/%s.private",
	    import->order->directory, single->selector->value);

	for (size_t i = 0;
	     copy != NULL && keys != NULL && signing != NULL && i < count; i++)
		add_lines(single, domains[i], copy, keys, signing);
	answer->key_table = close_text(import, keys, &key_text);
	answer->signing_table = close_text(import, signing, &signing_text);
	if (copy == NULL || import->is_out_of_memory) {
		import->is_out_of_memory = true;
		return;
	}
	write_values(import,
	    table_value(import, single->domain, "",
		table_path(import, IMPORT_KEY_TABLE)),
	    table_value(import, single->domain, "",
		table_path(import, IMPORT_SIGNING_TABLE)));
	import_command(import, "install -o %s -g %s -m 0600 %s %s", IMPORT_USER,
	    IMPORT_USER, import_shell(import, single->path),
	    import_shell(import, copy));
}

/* One key as files of the key directory. */
static void
single_copies(struct import *import, const struct single *single,
    const char *const *domains, size_t count)
{
	const char *from = import_shell(import, single->path);

	if (count > COPIES_MOST) {
		import_loss(import, single->domain,
		    "%zu domains: say --output DIRECTORY, and tables are "
		    "written there",
		    count);
		return;
	}
	if (count > 0)
		import_command(import, "install -d -o %s -g %s -m 0700 %s",
		    IMPORT_USER, IMPORT_USER, IMPORT_KEYS);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(domains[i], "*") == 0) {
			import_loss(import, single->domain,
			    "one key for every domain (\"*\"): say --output "
			    "DIRECTORY, and tables are written there that say "
			    "so");
			continue;
		}
		import_command(import, "install -d -o %s -g %s -m 0700 %s/%s",
		    IMPORT_USER, IMPORT_USER, IMPORT_KEYS, domains[i]);
		import_command(import,
		    "install -o %s -g %s -m 0600 %s %s/%s/%s.private",
		    IMPORT_USER, IMPORT_USER, from, IMPORT_KEYS, domains[i],
		    single->selector->value);
	}
	import_comment(
	    import, "\t", "The key is in %s, once it is copied.", IMPORT_KEYS);
}

static void
single_key(struct import *import)
{
	const char **domains;
	const char *first = NULL;
	struct single single;
	struct import_set set;
	size_t count = 0;

	if (!find_single(import, &single)
	    || !import_entries(import, single.domain, &set))
		return;
	domains =
	    arena_alloc(import->arena, (set.count + 1) * sizeof(const char *));
	if (domains == NULL) {
		import->is_out_of_memory = true;
		return;
	}
	for (size_t i = 0; i < set.count; i++) {
		const char *domain =
		    domain_of(import, &single, set.entries[i].key);

		if (domain == NULL)
			continue;
		domains[count++] = domain;
		count_domain(import, &first, *domain == '*' ? "%" : domain);
	}
	if (!single.has_subdomains)
		import_note(import, import_find(import, "SubDomains"),
		    "mail of subdomains is signed too, with the key of the "
		    "domain above, if the account may use that domain");
	if (import->order->directory != NULL)
		single_tables(import, &single, domains, count);
	else
		single_copies(import, &single, domains, count);
}

void
import_keys(struct import *import)
{
	const struct import_setting *keys = import_find(import, "KeyTable");
	const struct import_setting *signing =
	    import_find(import, "SigningTable");

	if (keys != NULL) {
		tables(import, keys);
		return;
	}
	if (signing != NULL)
		import_loss(import, signing,
		    "there is no KeyTable: OpenDKIM doesn't start with this "
		    "file");
	single_key(import);
}
