#include "milter/ctl/import_opendkim_read.h"

#include "conf/file.h"
#include "policy/text.h"

#include <stdlib.h>
#include <string.h>

static const char blanks[] = " \t\r\n\v\f";

/* A walk over the files. */
struct reading {
	struct import_settings *settings;
	struct arena *arena;
	import_complain *complain;
	void *context;
	struct fault *fault;
};

/* Without blanks at its ends; in place. */
static char *
trim(char *text)
{
	size_t length;

	text += strspn(text, blanks);
	length = strlen(text);
	while (length > 0 && strchr(blanks, text[length - 1]) != NULL)
		length--;
	text[length] = '\0';
	return text;
}

static struct import_setting *
add_setting(struct reading *reading, const char *file, size_t line, char *text)
{
	struct import_settings *settings = reading->settings;
	struct import_setting *setting =
	    arena_alloc(reading->arena, sizeof(*setting));
	size_t name = strcspn(text, " \t");

	if (setting == NULL)
		return NULL;
	setting->name = arena_copy(reading->arena, text, name);
	setting->value = arena_strdup(reading->arena, trim(text + name));
	setting->where = arena_printf(reading->arena, "%s:%zu", file, line);
	if (setting->name == NULL || setting->value == NULL
	    || setting->where == NULL)
		return NULL;
	if (settings->last != NULL)
		settings->last->next = setting;
	else
		settings->first = setting;
	settings->last = setting;
	settings->count++;
	return setting;
}

static bool
read_file(struct reading *reading, const char *file, unsigned depth);

/* A relative path is meant from where OpenDKIM was started, which nobody
 * knows; the directory of the file that names it is what people mean. */
static const char *
beside(struct arena *arena, const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');

	if (*path == '/' || slash == NULL)
		return path;
	return arena_printf(arena, "%.*s/%s", (int)(slash - file), file, path);
}

static bool
include(struct reading *reading, const char *file,
    const struct import_setting *setting, unsigned depth)
{
	const char *path = beside(reading->arena, file, setting->value);
	struct fault *fault = reading->fault;

	if (path == NULL) {
		fault_memory(fault);
		return false;
	}
	if (depth == IMPORT_NESTING) {
		reading->complain(reading->context, setting,
		    "files include each other too deep; this one wasn't read");
		return true;
	}
	if (read_file(reading, path, depth + 1))
		return true;
	if (fault->kind == FAULT_MEMORY)
		return false;
	reading->complain(reading->context, setting, fault->words);
	return true;
}

static bool
read_line(struct reading *reading, const char *file, size_t line, char *text,
    unsigned depth)
{
	const struct import_setting *setting;

	text[strcspn(text, "#\r")] = '\0';
	text = trim(text);
	if (*text == '\0')
		return true;
	if (reading->settings->count == IMPORT_SETTINGS) {
		fault_set(reading->fault, FAULT_PERMANENT,
		    "%s:%zu: more than %d settings; this is no opendkim.conf",
		    file, line, IMPORT_SETTINGS);
		return false;
	}
	setting = add_setting(reading, file, line, text);
	if (setting == NULL) {
		fault_memory(reading->fault);
		return false;
	}
	if (!text_equal_case(setting->name, "Include")
	    || *setting->value == '\0')
		return true;
	return include(reading, file, setting, depth);
}

static bool
read_file(struct reading *reading, const char *file, unsigned depth)
{
	bool is_good = true;
	size_t length, line = 0;
	char *data, *at;

	if (!file_read(
		file, IMPORT_FILE_BYTES, &data, &length, reading->fault)) {
		fault_prefix(reading->fault, "%s: ", file);
		return false;
	}
	if (memchr(data, '\0', length) != NULL) {
		fault_set(reading->fault, FAULT_PERMANENT,
		    "%s: has a NUL octet; this is no opendkim.conf", file);
		free(data);
		return false;
	}
	for (at = data; is_good && at < data + length;) {
		char *end = strchr(at, '\n');
		char *next = end != NULL ? end + 1 : data + length;

		if (end != NULL)
			*end = '\0';
		is_good = read_line(reading, file, ++line, at, depth);
		at = next;
	}
	free(data);
	return is_good;
}

bool
import_settings_read(struct import_settings *settings_out, const char *file,
    struct arena *arena, import_complain *complain, void *context,
    struct fault *fault)
{
	struct reading reading = { .settings = settings_out,
		.arena = arena,
		.complain = complain,
		.context = context,
		.fault = fault };

	*settings_out = (struct import_settings){ 0 };
	return read_file(&reading, file, 0);
}

const struct import_setting *
import_settings_find(const struct import_settings *settings, const char *name)
{
	const struct import_setting *found = NULL;

	for (const struct import_setting *setting = settings->first;
	     setting != NULL; setting = setting->next)
		if (text_equal_case(setting->name, name)
		    && *setting->value != '\0')
			found = setting;
	return found;
}

bool
import_is_true(const char *value)
{
	return *value != '\0' && strchr("tTyY1", *value) != NULL;
}

/* An entry at the end of entries, which doubles when it is full. */
static bool
add_entry(struct import_set *set, size_t *room, struct arena *arena,
    const char *key, const char *value)
{
	struct import_entry *entries = set->entries;

	if (set->count == *room) {
		size_t more = *room == 0 ? 16 : 2 * *room;
		struct import_entry *larger =
		    arena_alloc(arena, more * sizeof(*larger));

		if (larger == NULL)
			return false;
		if (set->count > 0)
			memcpy(larger, entries, set->count * sizeof(*larger));
		set->entries = entries = larger;
		*room = more;
	}
	entries[set->count].key = arena_strdup(arena, key);
	entries[set->count].value = arena_strdup(arena, value);
	if (entries[set->count].key == NULL
	    || entries[set->count].value == NULL)
		return false;
	set->count++;
	return true;
}

/* "A, B=value, C". */
static bool
parse_list(const char *value, struct arena *arena, struct import_set *set)
{
	char *text = arena_strdup(arena, value);
	size_t room = 0;

	if (text == NULL)
		return false;
	for (char *next; text != NULL; text = next) {
		char *equals;

		next = strchr(text, ',');
		if (next != NULL)
			*next++ = '\0';
		equals = strchr(text, '=');
		if (equals != NULL)
			*equals++ = '\0';
		text = trim(text);
		if (*text != '\0' && set->count < IMPORT_ENTRIES
		    && !add_entry(set, &room, arena, text,
			equals != NULL ? trim(equals) : ""))
			return false;
	}
	return true;
}

static bool
has_suffix(const char *text, const char *suffix)
{
	size_t length = strlen(text), suffix_length = strlen(suffix);

	return length >= suffix_length
	    && strcmp(text + length - suffix_length, suffix) == 0;
}

/* OpenDKIM's own rule of what stands before the first colon: a comma before it
 * makes a list. */
bool
import_set_parse(
    const char *value, struct arena *arena, struct import_set *set_out)
{
	const char *colon = strchr(value, ':');
	const char *comma = strchr(value, ',');
	char *scheme;

	*set_out = (struct import_set){ .kind = IMPORT_SET_LIST };
	if (colon == NULL || (comma != NULL && comma < colon)) {
		if (has_suffix(value, ".db")) {
			set_out->kind = IMPORT_SET_BASE;
			set_out->scheme = "db";
		} else if (*value == '/') {
			set_out->kind = IMPORT_SET_FILE;
			set_out->path = value;
		} else {
			return parse_list(value, arena, set_out);
		}
		return true;
	}
	scheme = arena_copy(arena, value, (size_t)(colon - value));
	if (scheme == NULL)
		return false;
	text_lower(scheme);
	if (strcmp(scheme, "csl") == 0)
		return parse_list(colon + 1, arena, set_out);
	set_out->path = colon + 1;
	if (strcmp(scheme, "file") == 0)
		set_out->kind = IMPORT_SET_FILE;
	else if (strcmp(scheme, "refile") == 0)
		set_out->kind = IMPORT_SET_REFILE;
	else {
		set_out->kind = IMPORT_SET_BASE;
		set_out->scheme = scheme;
	}
	return true;
}

bool
import_set_read(struct import_set *set, const char *path, struct arena *arena,
    struct fault *fault)
{
	size_t length, room = 0;
	char *data, *next;
	bool is_good = true;

	if (!file_read(path, IMPORT_SET_BYTES, &data, &length, fault))
		return false;
	for (char *at = data; is_good && at < data + length; at = next) {
		char *end = memchr(at, '\n', (size_t)(data + length - at));
		char *key;
		size_t size;

		next = end != NULL ? end + 1 : data + length;
		if (end != NULL)
			*end = '\0';
		at[strcspn(at, "#")] = '\0';
		key = trim(at);
		if (*key == '\0')
			continue;
		if (set->count == IMPORT_ENTRIES) {
			fault_set(fault, FAULT_PERMANENT,
			    "has more than %d entries", IMPORT_ENTRIES);
			free(data);
			return false;
		}
		size = strcspn(key, blanks);
		at = key[size] != '\0' ? trim(key + size + 1) : key + size;
		key[size] = '\0';
		is_good = add_entry(set, &room, arena, key, at);
	}
	free(data);
	if (!is_good)
		fault_memory(fault);
	return is_good;
}
