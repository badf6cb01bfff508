#include "conf/opendkim_rules.h"

#include "conf/opendkim_ends.h"

#include <stdlib.h>
#include <string.h>

enum { SCRATCH_BYTES = 256 * 1024 };

/* A reading under way. */
struct reading {
	struct opendkim_rules *rules;
	struct opendkim_lines *file;
	const struct opendkim_keys *keys;
	struct arena scratch;
	size_t room;        /* of rules->rules */
	size_t signer_room; /* of rules->signers */
	uint32_t *lines;    /* of the file, one for each rule */
};

/* Keep a signer, which stays in the text of the file. Lines with the same one
 * mostly stand together, and have it once. */
static bool
keep_signer(
    struct reading *reading, struct opendkim_rule *rule, const char *signer)
{
	struct opendkim_rules *rules = reading->rules;
	size_t last = rules->signer_count;

	if (last > 0 && strcmp(rules->signers[last - 1], signer) == 0) {
		rule->signer = (uint32_t)(last - 1);
		return true;
	}
	if (last == reading->signer_room) {
		size_t room = last == 0 ? 4 : 2 * last;
		const char **larger =
		    realloc(rules->signers, room * sizeof(*larger));

		if (larger == NULL)
			return false;
		rules->signers = larger;
		reading->signer_room = room;
	}
	rule->signer = (uint32_t)last;
	rules->signers[rules->signer_count++] = signer;
	return true;
}

/* A signer that can't be i= costs that, and not the signature, as it does with
 * OpenDKIM. entry is NULL if the key is each author's own. */
static enum opendkim_status
take_signer(struct reading *reading, struct opendkim_rule *rule, size_t line,
    const struct opendkim_entry *entry, const char *signer)
{
	const char *domain = entry != NULL ? entry->domain : "%";
	struct fault fault;
	bool is_signer;

	if (*signer == '\0')
		return OPENDKIM_GOOD;
	is_signer = opendkim_pattern_signer_check(&reading->scratch, signer,
	    strcmp(domain, "%") != 0 ? domain : NULL, &fault);
	if (is_signer)
		return keep_signer(reading, rule, signer) ? OPENDKIM_GOOD
							  : OPENDKIM_NO_MEMORY;
	if (fault.kind == FAULT_MEMORY)
		return OPENDKIM_NO_MEMORY;
	opendkim_lines_complain(reading->file, line,
	    "%s; until then the line signs without i=", fault.words);
	return OPENDKIM_GOOD;
}

/* "keyname" or "keyname:signer". */
static enum opendkim_status
take_key(struct reading *reading, struct opendkim_rule *rule, size_t line,
    char *value)
{
	size_t length = strcspn(value, ":");
	const char *signer = value + length + (value[length] != '\0');
	const struct opendkim_entry *entry;

	value[length] = '\0';
	rule->key = OPENDKIM_BY_DOMAIN;
	if (strcmp(value, "%") == 0)
		return take_signer(reading, rule, line, NULL, signer);
	entry = opendkim_keys_named(reading->keys, value);
	if (entry != NULL) {
		rule->key = (uint32_t)(entry - reading->keys->entries);
		return take_signer(reading, rule, line, entry, signer);
	}
	if (*value == '\0')
		opendkim_lines_complain(reading->file, line,
		    "names no key; write the name of a KeyTable's entry "
		    "behind the address");
	else if (value[strcspn(value, " \t,")] != '\0')
		opendkim_lines_complain(reading->file, line,
		    "one name of a KeyTable's entry must be behind the "
		    "address, but there is more; for several keys write a "
		    "line for each into a refile");
	else
		opendkim_lines_complain(reading->file, line,
		    "the KeyTable has no good entry %s (upper and lower case "
		    "differ)",
		    value);
	return OPENDKIM_BAD;
}

static enum opendkim_status
take_pattern(struct reading *reading, struct opendkim_rule *rule, size_t line,
    char *text)
{
	bool (*normal)(struct arena *, char *, const char **, struct fault *) =
	    reading->rules->is_refile ? opendkim_pattern_glob
				      : opendkim_pattern_plain;
	size_t length = strlen(text);
	struct fault fault;
	const char *pattern;
	bool is_pattern = normal(&reading->scratch, text, &pattern, &fault);

	if (is_pattern && strlen(pattern) > OPENDKIM_PATTERN_OCTETS) {
		fault_set(&fault, FAULT_PERMANENT, "longer than any address");
		is_pattern = false;
	}
	if (is_pattern)
		rule->pattern = opendkim_lines_keep(
		    &reading->rules->extra, text, length, pattern);
	if (is_pattern ? rule->pattern == NULL : fault.kind == FAULT_MEMORY)
		return OPENDKIM_NO_MEMORY;
	if (!is_pattern) {
		opendkim_lines_complain(reading->file, line, "%s", fault.words);
		return OPENDKIM_BAD;
	}
	rule->length = (uint16_t)strlen(rule->pattern);
	rule->is_glob =
	    reading->rules->is_refile && strchr(rule->pattern, '*') != NULL;
	return OPENDKIM_GOOD;
}

static enum opendkim_status
take_line(struct reading *reading, const struct opendkim_line *line)
{
	struct opendkim_rules *rules = reading->rules;
	struct opendkim_rule *rule = &rules->rules[rules->count];
	enum opendkim_status status;

	*rule = (struct opendkim_rule){
		.next = OPENDKIM_NONE,
		.signer = OPENDKIM_NONE,
	};
	reading->lines[rules->count] = (uint32_t)line->number;
	status = take_pattern(reading, rule, line->number, line->key);
	if (status != OPENDKIM_GOOD)
		return status;
	return take_key(reading, rule, line->number, line->value);
}

static bool
make_room(struct reading *reading)
{
	struct opendkim_rules *rules = reading->rules;
	size_t room = reading->room == 0 ? 64 : 2 * reading->room;
	struct opendkim_rule *larger;
	uint32_t *lines;

	if (rules->count < reading->room)
		return true;
	larger = realloc(rules->rules, room * sizeof(*larger));
	if (larger == NULL)
		return false;
	rules->rules = larger;
	lines = realloc(reading->lines, room * sizeof(*lines));
	if (lines == NULL)
		return false;
	reading->lines = lines;
	reading->room = room;
	return true;
}

static bool
read_lines(struct reading *reading, struct fault *fault)
{
	struct opendkim_rules *rules = reading->rules;
	struct opendkim_line line;
	bool is_end;

	while (opendkim_lines_next(reading->file, &line, &is_end, fault)) {
		enum opendkim_status status = OPENDKIM_NO_MEMORY;

		if (make_room(reading))
			status = take_line(reading, &line);
		if (reading->scratch.used_bytes > SCRATCH_BYTES / 4)
			arena_clear(&reading->scratch);
		if (status == OPENDKIM_NO_MEMORY) {
			fault_memory(fault);
			return false;
		}
		rules->count += status == OPENDKIM_GOOD;
	}
	return is_end;
}

bool
opendkim_rules_read(struct opendkim_rules *rules, const char *path,
    bool is_refile, const struct opendkim_keys *keys,
    struct opendkim_complaints *complaints, struct fault *fault)
{
	struct opendkim_lines lines;
	struct reading reading = {
		.rules = rules,
		.file = &lines,
		.keys = keys,
	};
	bool is_read;

	*rules = (struct opendkim_rules){ .is_refile = is_refile };
	arena_init(&rules->extra, SIZE_MAX);
	if (!opendkim_lines_open(&lines, path, is_refile, complaints, fault))
		return false;
	rules->text = lines.text;
	arena_init(&reading.scratch, SCRATCH_BYTES);
	is_read = read_lines(&reading, fault);
	arena_clear(&reading.scratch);
	if (is_read && !opendkim_ends_make(rules, &lines, reading.lines)) {
		fault_memory(fault);
		is_read = false;
	}
	free(reading.lines);
	if (is_read)
		opendkim_lines_end(&lines);
	return is_read;
}

void
opendkim_rules_clear(struct opendkim_rules *rules)
{
	free(rules->text);
	free(rules->rules);
	free(rules->signers);
	free(rules->ends);
	opendkim_index_clear(&rules->by_end);
	arena_clear(&rules->extra);
	*rules = (struct opendkim_rules){ .text = NULL };
}
