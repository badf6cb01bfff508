#include "conf/options.h"

#include "conf/nearest.h"

#include <string.h>

const struct option_section *
options_section(const char *name)
{
	size_t count;
	const struct option_section *sections = options_sections(&count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(sections[i].name, name) == 0)
			return &sections[i];
	return NULL;
}

/* Is section "class" with the label what the row's "class NAME" means? */
static bool
is_class_row(const char *label, const struct option *option)
{
	static const char prefix[] = "class ";
	const size_t length = sizeof(prefix) - 1;

	return strncmp(option->section, prefix, length) == 0
	    && strcmp(option->section + length, label) == 0;
}

bool
options_allows(
    const char *section, const char *label, const struct option *option)
{
	if (label == NULL || strcmp(section, "class") != 0)
		return strcmp(option->section, section) == 0;
	if (strcmp(label, "inbound") == 0)
		return false;
	return strcmp(option->section, "class") == 0
	    || strcmp(option->section, "sign") == 0
	    || strcmp(option->section, "senders") == 0
	    || strcmp(option->section, "preflight") == 0
	    || is_class_row(label, option);
}

const struct option *
options_find(const char *section, const char *label, const char *name)
{
	size_t count;
	const struct option *options = options_all(&count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(options[i].name, name) == 0
		    && options_allows(section, label, &options[i]))
			return &options[i];
	return NULL;
}

const struct option *
options_nearest(const char *section, const char *label, const char *name)
{
	size_t count;
	const struct option *options = options_all(&count);
	struct nearest nearest;

	nearest_begin(&nearest, name);
	for (size_t i = 0; i < count; i++)
		if (options_allows(section, label, &options[i]))
			nearest_offer(&nearest, options[i].name);
	return nearest.best != NULL ? options_find(section, label, nearest.best)
				    : NULL;
}

const char *
options_nearest_word(const struct option_word *words, const char *name)
{
	struct nearest nearest;

	nearest_begin(&nearest, name);
	for (; words->name != NULL; words++)
		nearest_offer(&nearest, words->name);
	return nearest.best;
}

const char *
options_nearest_section(const char *name)
{
	size_t count;
	const struct option_section *sections = options_sections(&count);
	struct nearest nearest;

	nearest_begin(&nearest, name);
	for (size_t i = 0; i < count; i++)
		nearest_offer(&nearest, sections[i].name);
	return nearest.best;
}

const char *
options_type_name(enum option_type type)
{
	static const char *const names[] = {
		[OPTION_NAME] = "name",
		[OPTION_NUMBER] = "number",
		[OPTION_AMOUNT] = "number or size",
		[OPTION_PERCENT] = "percentage",
		[OPTION_DURATION] = "duration",
		[OPTION_SIZE] = "size",
		[OPTION_BOOLEAN] = "yes or no",
		[OPTION_WORD] = "word",
		[OPTION_ORDER] = "list of words",
		[OPTION_FLAGS] = "list of words",
		[OPTION_PERMISSIONS] = "octal permissions",
		[OPTION_NETWORKS] = "list of networks",
		[OPTION_DOMAIN] = "domain",
		[OPTION_FIELDS] = "list of field names",
		[OPTION_FIELD] = "field name",
		[OPTION_LABEL] = "name",
		[OPTION_LIMITS] = "list of limits",
		[OPTION_CANON] = "canonicalization",
		[OPTION_DELIMITER] = "characters",
		[OPTION_PATH] = "path",
		[OPTION_DIRECTORY] = "directory",
		[OPTION_SOCKET] = "socket",
		[OPTION_CONTROL] = "socket",
		[OPTION_LOG_TARGET] = "word or path",
		[OPTION_MAP] = "map",
		[OPTION_REDIS] = "URL",
		[OPTION_NETWORK_MAP] = "path",
		[OPTION_TEMPLATE] = "template",
		[OPTION_EGRESS] = "list of addresses",
		[OPTION_NAMES] = "list of words",
		[OPTION_SERVERS] = "list of addresses",
		[OPTION_FILE] = "path",
		[OPTION_PROGRAM] = "path",
		[OPTION_SERVER] = "server",
		[OPTION_KEY_TABLE] = "table",
		[OPTION_SIGNING_TABLE] = "table",
	};

	return names[type];
}

const char *
options_unit_name(enum option_unit unit)
{
	static const char *const names[] = {
		[UNIT_NONE] = "",
		[UNIT_MS] = "ms",
		[UNIT_S] = "s",
		[UNIT_OCTETS] = "octets",
		[UNIT_MESSAGES] = "messages",
		[UNIT_RECIPIENTS] = "recipients",
		[UNIT_DOMAINS] = "domains",
	};

	return names[unit];
}
