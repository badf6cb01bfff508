#include "milter/ctl/rotate_publish.h"

#include "milter/ctl/rotate_child.h"
#include "milter/io/secret_file.h"
#include "policy/zone_line.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	STATUS_LATER = 75, /* of a hook */
	ARGUMENTS = 8,
};

bool
rotate_publish_can(
    enum rotate_way way, const struct conf *conf, struct fault *fault)
{
	if (way == ROTATE_NSUPDATE && *conf->rotate.nsupdate_key == '\0')
		fault_set(fault, FAULT_PERMANENT,
		    "%s: rotate.nsupdate_key isn't set: nsupdate needs a key",
		    conf_where(conf, "rotate", "nsupdate_key"));
	else if (way == ROTATE_HOOK && *conf->rotate.hook == '\0')
		fault_set(fault, FAULT_PERMANENT,
		    "%s: rotate.hook isn't set: name the program",
		    conf_where(conf, "rotate", "hook"));
	else
		return true;
	return false;
}

/* ---- nsupdate ---- */

/* "server ADDRESS PORT", as nsupdate wants it; "" for none. */
static const char *
server_line(const char *server, struct arena *arena)
{
	const char *at = strchr(server, '@');

	if (*server == '\0')
		return "";
	if (at == NULL)
		return arena_printf(arena, "server %s\n", server);
	return arena_printf(
	    arena, "server %.*s %s\n", (int)(at - server), server, at + 1);
}

/* The zone is named where it is known: nsupdate would ask a resolver for a
 * name that isn't there yet, and that would be remembered. */
static const char *
zone_line(const char *zone, struct arena *arena)
{
	return zone == NULL || !zone_line_is_name(zone)
	    ? ""
	    : arena_printf(arena, "zone %s.\n", zone);
}

/* The text as strings of at most 255 octets. It is ours: base64 and tags. */
static const char *
strings_of(const char *text, struct arena *arena)
{
	const char *strings = "";

	while (*text != '\0' && strings != NULL) {
		size_t piece = strnlen(text, ZONE_LINE_STRING_OCTETS);

		strings = arena_printf(arena, "%s%s\"%.*s\"", strings,
		    *strings != '\0' ? " " : "", (int)piece, text);
		text += piece;
	}
	return strings;
}

/* All records at the name go: nobody else has a use for it. */
static const char *
change_line(
    const struct rotate_record *record, bool is_added, struct arena *arena)
{
	const char *line;

	if (!is_added)
		return arena_printf(
		    arena, "update delete %s. IN TXT\n", record->name);
	line = strings_of(record->text, arena);
	return line == NULL
	    ? NULL
	    : arena_printf(arena, "update add %s. %d IN TXT %s\n", record->name,
		ROTATE_PUBLISH_TTL_S, line);
}

const char *
rotate_publish_commands(const struct rotate_conf *conf,
    const struct rotate_record *record, const char *zone, bool is_added,
    struct arena *arena, struct fault *fault)
{
	const char *server, *zone_words, *change, *commands = NULL;

	server = server_line(conf->nsupdate_server, arena);
	zone_words = zone_line(zone, arena);
	change = change_line(record, is_added, arena);
	if (server != NULL && zone_words != NULL && change != NULL)
		commands = arena_printf(
		    arena, "%s%s%ssend\n", server, zone_words, change);
	if (commands == NULL)
		fault_memory(fault);
	return commands;
}

/* Whoever has the key can change the zone. */
static bool
check_key(const char *path, struct fault *fault)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat status;
	bool is_trusted = false;

	if (fd < 0 || fstat(fd, &status) != 0)
		fault_set(fault,
		    errno == EMFILE || errno == ENFILE || errno == ENOMEM
			    || errno == EIO
			? FAULT_TEMPORARY
			: FAULT_PERMANENT,
		    "%s: %s%s", path, strerror(errno),
		    errno == EACCES ? ": the daemon's user must be able to "
				      "read it"
				    : "");
	else
		is_trusted = secret_file_is_trusted(&status, path,
		    "others can read or write it: chmod 600 it", fault);
	if (fd >= 0)
		close(fd);
	if (!is_trusted)
		fault_prefix(fault, "rotate.nsupdate_key: ");
	return is_trusted;
}

/* Did it end because of what it was told: the server doesn't take it (2), or
 * it finds no key in the file, which it names then? The rest is a matter of the
 * network, for the most part. */
static bool
is_refused(const struct rotate_conf *conf, const struct rotate_child *child)
{
	return (child->status == 2 && strstr(child->words, "SERVFAIL") == NULL)
	    || strstr(child->words, conf->nsupdate_key) != NULL;
}

static bool
run_nsupdate(
    const struct rotate_conf *conf, const char *commands, struct fault *fault)
{
	const char *const arguments[] = { "nsupdate", "-k", conf->nsupdate_key,
		"-t", "30", NULL };
	struct rotate_child child;
	const char *text = child.words;

	if (!check_key(conf->nsupdate_key, fault))
		return false;
	if (!rotate_child_run(
		arguments, commands, ROTATE_CHILD_MS, &child, fault)) {
		if (fault->kind == FAULT_PERMANENT)
			fault_prefix(fault, "(package bind9-dnsutils) ");
		return false;
	}
	if (child.status == 0)
		return true;
	if (child.is_late || *child.words == '\0')
		text = child.is_late ? "no answer in time" : "it ended badly";
	fault_set(fault,
	    is_refused(conf, &child) ? FAULT_PERMANENT : FAULT_TEMPORARY,
	    "nsupdate: %s", text);
	return false;
}

/* ---- hook ---- */

static bool
run_hook(const struct rotate_conf *conf, const struct rotate_record *record,
    bool is_added, struct arena *arena, struct fault *fault)
{
	const char *const arguments[ARGUMENTS] = { conf->hook,
		is_added ? "add" : "remove", record->domain, record->selector,
		record->name, NULL };
	const char *input = arena_printf(
	    arena, "%s\n", record->text != NULL ? record->text : "");
	struct rotate_child child;

	if (input == NULL) {
		fault_memory(fault);
		return false;
	}
	if (!rotate_child_run(
		arguments, input, ROTATE_CHILD_MS, &child, fault)) {
		fault_prefix(fault, "rotate.hook: ");
		return false;
	}
	if (child.status == 0)
		return true;
	if (child.is_late)
		fault_set(fault, FAULT_TEMPORARY, "%s: killed after %d s",
		    conf->hook, ROTATE_CHILD_MS / 1000);
	else if (child.status == STATUS_LATER)
		fault_set(fault, FAULT_TEMPORARY, "%s: %s", conf->hook,
		    *child.words != '\0' ? child.words : "not now");
	else if (*child.words != '\0')
		fault_set(
		    fault, FAULT_PERMANENT, "%s: %s", conf->hook, child.words);
	else
		fault_set(fault, FAULT_PERMANENT, "%s: it ended with status %d",
		    conf->hook, child.status);
	return false;
}

bool
rotate_publish(enum rotate_way way, const struct rotate_conf *conf,
    const struct rotate_record *record, const char *zone, bool is_added,
    struct arena *arena, struct fault *fault)
{
	const char *commands;

	switch (way) {
	case ROTATE_NSUPDATE:
		commands = rotate_publish_commands(
		    conf, record, zone, is_added, arena, fault);
		return commands != NULL && run_nsupdate(conf, commands, fault);
	case ROTATE_HOOK:
		return run_hook(conf, record, is_added, arena, fault);
	case ROTATE_PRINT:
	case ROTATE_WAYS:
		break;
	}
	return true;
}
