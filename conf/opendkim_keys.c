#include "conf/opendkim_keys.h"

#include "policy/address.h"
#include "policy/signing.h"

#include <stdlib.h>
#include <string.h>

enum {
	SCRATCH_BYTES = 256 * 1024,
	LINE_MASK = 0x3FFFFFFF, /* what fits into an entry */
};

/* What a line ought to have; shown, with what is wrong, to its writer. Nothing
 * of the line's own text is, its name included: where parts were swapped, any
 * of them may be a private key. */
#define FORM "write NAME DOMAIN:SELECTOR:KEYFILE"

/* A reading under way. */
struct reading {
	struct opendkim_keys *keys;
	struct opendkim_lines *lines;
	const char *path;
	size_t directory_length; /* of path, with its last slash */
	struct arena scratch;
	size_t room; /* of keys->entries */
};

static enum opendkim_status
refuse(struct reading *reading, size_t line, const char *words)
{
	opendkim_lines_complain(reading->lines, line, "%s", words);
	return OPENDKIM_BAD;
}

/* "domain:selector:key": the second colon is the last one that counts. */
static enum opendkim_status
split(struct reading *reading, const struct opendkim_line *line,
    char *parts_out[3])
{
	char *part = line->value;

	if (*part == '\0')
		return refuse(reading, line->number,
		    "a name alone; " FORM " (a key must stand in one line)");
	for (int i = 0; i < 2; i++) {
		char *end = strchr(part, ':');

		if (end == NULL)
			return refuse(reading, line->number,
			    i == 0 ? "there is no \":\" in it; " FORM
				   : "there is only one \":\" in it; " FORM);
		*end = '\0';
		parts_out[i] = part;
		part = end + 1;
	}
	parts_out[2] = part;
	return OPENDKIM_GOOD;
}

/* What OpenDKIM takes for a path (dkimf_loadkey). */
static bool
is_path(const char *text)
{
	return text[0] == '/' || strncmp(text, "./", 2) == 0
	    || strncmp(text, "../", 3) == 0;
}

/* May it be a private key? In DER it is a SEQUENCE, whose first octet, 0x30,
 * is "M" and a letter up to "P" in base64. */
static bool
is_key(const char *text)
{
	static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz"
				     "0123456789+/= \t";

	if (strncmp(text, "-----BEGIN ", 11) == 0)
		return true;
	return text[0] == 'M' && text[1] >= 'A' && text[1] <= 'P'
	    && text[strspn(text, base64)] == '\0';
}

static enum opendkim_status
take_domain(struct reading *reading, struct opendkim_entry *entry, char *text)
{
	size_t length = strlen(text);
	struct fault fault;
	const char *domain;
	bool is_domain;

	entry->domain = text;
	if (strcmp(text, "%") == 0)
		return OPENDKIM_GOOD;
	is_domain =
	    address_domain(&reading->scratch, text, length, &domain, &fault);
	if (is_domain)
		entry->domain = opendkim_lines_keep(
		    &reading->keys->extra, text, length, domain);
	if (reading->scratch.used_bytes > SCRATCH_BYTES / 4)
		arena_clear(&reading->scratch);
	if (is_domain)
		return entry->domain != NULL ? OPENDKIM_GOOD
					     : OPENDKIM_NO_MEMORY;
	if (fault.kind == FAULT_MEMORY)
		return OPENDKIM_NO_MEMORY;
	if (length == 0)
		return refuse(reading, entry->line,
		    "no domain before the first \":\"; " FORM);
	return refuse(reading, entry->line,
	    "before the first \":\" must be a domain, or \"%\" for the "
	    "sender's, and it is none; " FORM);
}

/* OpenDKIM opens a relative path from where it was started, which is seldom
 * what the writer of the table meant. */
static enum opendkim_status
take_path(struct reading *reading, struct opendkim_entry *entry, char *text)
{
	size_t tokens = 0;
	size_t length = strlen(text);

	while (strncmp(text, "./", 2) == 0)
		text += 2;
	for (const char *c = strchr(text, '%'); c != NULL;
	     c = strchr(c + 1, '%'))
		tokens++;
	entry->has_token = tokens > 0;
	if (text[0] != '/')
		length += reading->directory_length;
	if (length + tokens * ADDRESS_DOMAIN_OCTETS > OPENDKIM_PATH_OCTETS)
		return refuse(reading, entry->line,
		    "the path of the key file is too long");
	entry->key = text;
	if (text[0] != '/')
		entry->key = arena_printf(&reading->keys->extra, "%.*s%s",
		    (int)reading->directory_length, reading->path, text);
	return entry->key != NULL ? OPENDKIM_GOOD : OPENDKIM_NO_MEMORY;
}

static enum opendkim_status
take_key(struct reading *reading, struct opendkim_entry *entry, char *text)
{
	if (*text == '\0')
		return refuse(reading, entry->line,
		    "nothing after the second \":\"; " FORM);
	if (is_path(text))
		return take_path(reading, entry, text);
	if (!is_key(text))
		return refuse(reading, entry->line,
		    "after the second \":\" is neither a path (it begins with "
		    "\"/\", \"./\" or \"../\") nor a private key (base64, or "
		    "PEM in one line)");
	entry->key = text;
	entry->is_inline = true;
	reading->keys->inline_count++;
	return OPENDKIM_GOOD;
}

static enum opendkim_status
take_line(struct reading *reading, const struct opendkim_line *line,
    struct opendkim_entry *entry)
{
	char *parts[3];
	enum opendkim_status status = split(reading, line, parts);

	*entry = (struct opendkim_entry){
		.name = line->key,
		.line = (uint32_t)line->number & LINE_MASK,
	};
	if (status != OPENDKIM_GOOD)
		return status;
	if (strlen(line->key) > OPENDKIM_NAME_OCTETS)
		return refuse(reading, line->number, "the name is too long");
	if (strchr(line->key, '*') != NULL)
		return refuse(reading, line->number,
		    "a pattern as a name isn't read: names of keys are looked "
		    "up as they are; write a line for each key, without \"*\"");
	entry->selector = parts[1];
	status = take_domain(reading, entry, parts[0]);
	if (status != OPENDKIM_GOOD)
		return status;
	if (!signing_is_selector(entry->selector))
		return refuse(reading, line->number,
		    "between the \":\" must be a selector: letters, digits, "
		    "hyphens and dots");
	return take_key(reading, entry, parts[2]);
}

static bool
make_room(struct reading *reading)
{
	struct opendkim_keys *keys = reading->keys;
	struct opendkim_entry *larger;

	if (keys->count < reading->room)
		return true;
	reading->room = reading->room == 0 ? 64 : 2 * reading->room;
	larger = realloc(keys->entries, reading->room * sizeof(*larger));
	if (larger != NULL)
		keys->entries = larger;
	return larger != NULL;
}

static bool
read_lines(struct reading *reading, struct fault *fault)
{
	struct opendkim_keys *keys = reading->keys;
	struct opendkim_line line;
	bool is_end;

	while (opendkim_lines_next(reading->lines, &line, &is_end, fault)) {
		enum opendkim_status status = OPENDKIM_NO_MEMORY;

		if (make_room(reading))
			status = take_line(
			    reading, &line, &keys->entries[keys->count]);
		if (status == OPENDKIM_NO_MEMORY) {
			fault_memory(fault);
			return false;
		}
		keys->count += status == OPENDKIM_GOOD;
	}
	return is_end;
}

const struct opendkim_entry *
opendkim_keys_named(const struct opendkim_keys *keys, const char *name)
{
	uint64_t hash = opendkim_index_hash(&keys->by_name, name);
	uint32_t *at = NULL;

	while ((at = opendkim_index_find(&keys->by_name, hash, at)) != NULL)
		if (strcmp(keys->entries[*at].name, name) == 0)
			return &keys->entries[*at];
	return NULL;
}

/* OpenDKIM looks from the top and takes the first entry of a name: those that
 * come later are dropped. */
static void
put_names(struct opendkim_keys *keys, struct opendkim_lines *lines)
{
	size_t count = keys->count;

	keys->count = 0;
	for (size_t i = 0; i < count; i++) {
		const struct opendkim_entry *entry = &keys->entries[i];
		const struct opendkim_entry *before =
		    opendkim_keys_named(keys, entry->name);

		if (before != NULL) {
			opendkim_lines_complain(lines, entry->line,
			    "the entry of line %u has the same name, and is "
			    "the one that counts; each needs a name of its "
			    "own",
			    (unsigned)before->line);
			continue;
		}
		opendkim_index_put(&keys->by_name,
		    opendkim_index_hash(&keys->by_name, entry->name),
		    (uint32_t)keys->count);
		keys->entries[keys->count++] = *entry;
	}
}

/* The place in by_domain where the first entry of a domain is noted. */
static uint32_t *
domain_place(const struct opendkim_keys *keys, const char *domain)
{
	uint64_t hash = opendkim_index_hash(&keys->by_domain, domain);
	uint32_t *at = NULL;

	while ((at = opendkim_index_find(&keys->by_domain, hash, at)) != NULL)
		if (strcmp(keys->entries[*at].domain, domain) == 0)
			return at;
	return NULL;
}

/* From the last to the first, so that each finds the one behind it. */
static void
put_domains(struct opendkim_keys *keys)
{
	for (size_t i = keys->count; i > 0; i--) {
		struct opendkim_entry *entry = &keys->entries[i - 1];
		uint32_t *at = domain_place(keys, entry->domain);

		entry->next = OPENDKIM_NONE;
		if (at == NULL) {
			opendkim_index_put(&keys->by_domain,
			    opendkim_index_hash(
				&keys->by_domain, entry->domain),
			    (uint32_t)(i - 1));
			continue;
		}
		entry->next = *at;
		*at = (uint32_t)(i - 1);
	}
}

static bool
make_indices(struct opendkim_keys *keys, struct opendkim_lines *lines)
{
	struct opendkim_entry *fitting;

	if (keys->count == 0)
		return true;
	fitting = realloc(keys->entries, keys->count * sizeof(*fitting));
	if (fitting != NULL)
		keys->entries = fitting;
	if (!opendkim_index_init(&keys->by_name, keys->count)
	    || !opendkim_index_init(&keys->by_domain, keys->count))
		return false;
	put_names(keys, lines);
	put_domains(keys);
	return true;
}

bool
opendkim_keys_read(struct opendkim_keys *keys, const char *path,
    struct opendkim_complaints *complaints, struct fault *fault)
{
	const char *slash = strrchr(path, '/');
	struct opendkim_lines lines;
	struct reading reading = {
		.keys = keys,
		.lines = &lines,
		.path = path,
		.directory_length =
		    slash != NULL ? (size_t)(slash - path) + 1 : 0,
	};
	bool is_read;

	*keys = (struct opendkim_keys){ .text = NULL };
	arena_init(&keys->extra, SIZE_MAX);
	if (!opendkim_lines_open(&lines, path, false, complaints, fault))
		return false;
	keys->text = lines.text;
	keys->text_length = lines.length;
	arena_init(&reading.scratch, SCRATCH_BYTES);
	is_read = read_lines(&reading, fault);
	arena_clear(&reading.scratch);
	if (is_read && !make_indices(keys, &lines)) {
		fault_memory(fault);
		is_read = false;
	}
	if (is_read)
		opendkim_lines_end(&lines);
	return is_read;
}

const struct opendkim_entry *
opendkim_keys_first(const struct opendkim_keys *keys, const char *domain)
{
	const uint32_t *at = domain_place(keys, domain);

	return at != NULL ? &keys->entries[*at] : NULL;
}

const struct opendkim_entry *
opendkim_keys_next(
    const struct opendkim_keys *keys, const struct opendkim_entry *entry)
{
	return entry->next != OPENDKIM_NONE ? &keys->entries[entry->next]
					    : NULL;
}

void
opendkim_keys_clear(struct opendkim_keys *keys)
{
	if (keys->text != NULL)
		explicit_bzero(keys->text, keys->text_length);
	free(keys->text);
	free(keys->entries);
	opendkim_index_clear(&keys->by_name);
	opendkim_index_clear(&keys->by_domain);
	arena_clear(&keys->extra);
	*keys = (struct opendkim_keys){ .text = NULL };
}
