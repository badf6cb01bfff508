#include "conf/places.h"

#include "policy/text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

enum {
	SOCKET_PATH_OCTETS = sizeof(((struct sockaddr_un *)0)->sun_path) - 1,
	FIRST_FREE_DESCRIPTOR = 3, /* after those of standard streams */
	LAST_DESCRIPTOR = 65535,
};

const char *
places_absolute(
    struct arena *arena, const struct problem_source *source, const char *text)
{
	const char *slash =
	    source->directory[strlen(source->directory) - 1] == '/' ? "" : "/";

	if (*text == '/')
		return arena_strdup(arena, text);
	while (strncmp(text, "./", 2) == 0)
		text += 2 + strspn(text + 2, "/");
	return arena_printf(arena, "%s%s%s", source->directory, slash, text);
}

/* The absolute path of a value, or of what stands behind its prefix. NULL if
 * it can't be one; then that was told. */
static const char *
path_of(const struct reading *reading, const char *text, size_t maximum)
{
	const char *path;

	if (*text == '\0') {
		values_refuse(reading, "names no path");
		return NULL;
	}
	path = places_absolute(
	    reading->build->arena, reading->given->source, text);
	if (path == NULL)
		problems_memory(&reading->build->problems);
	else if (strlen(path) > maximum) {
		problems_add(&reading->build->problems, reading->given->source,
		    reading->line, "%s: a path of %zu octets; it can be %zu",
		    reading->option->name, strlen(path), maximum);
		path = NULL;
	}
	return path;
}

void
places_path(const struct reading *reading)
{
	const char **field = values_field(reading);
	const char *path =
	    path_of(reading, reading->text, reading->option->maximum);

	if (path != NULL)
		*field = path;
}

static void
refuse_place(const struct reading *reading, const char *path, const char *words)
{
	struct problems *problems = &reading->build->problems;

	problems_add(problems, reading->given->source, reading->line,
	    "%s: %s: %s", reading->option->name, path, words);
}

void
places_directory(const struct reading *reading)
{
	const char **field = values_field(reading);
	struct stat status;
	const char *path;

	if (*reading->text == '\0' && reading->option->minimum == 0)
		return;
	path = path_of(reading, reading->text, reading->option->maximum);
	if (path == NULL)
		return;
	/* The default's directory is made when the first key is: signing
	 * isn't asked for before. */
	if (!reading->is_standard) {
		if (stat(path, &status) < 0)
			refuse_place(reading, path,
			    errno == ENOENT ? "there is no such directory; "
					      "make it, or mend the path"
					    : strerrordesc_np(errno));
		else if (!S_ISDIR(status.st_mode))
			refuse_place(reading, path, "is not a directory");
	}
	if (field != NULL)
		*field = path;
}

/* The unix socket at a path as a value, "unix:" and all. */
static const char *
unix_socket(const struct reading *reading, const char *text)
{
	return path_of(reading, text, SOCKET_PATH_OCTETS);
}

static bool
is_host(const char *host)
{
	struct address address;
	struct arena arena;
	const char *domain;
	bool is_good;

	if (network_address(host, &address))
		return true;
	arena_init(&arena, 65536);
	is_good = address_domain(&arena, host, strlen(host), &domain, NULL);
	arena_clear(&arena);
	return is_good;
}

/* "PORT@HOST", or "PORT" for all addresses. */
static bool
is_port_at_host(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	char port[8] = "";
	uint64_t number;

	if (digits == 0 || digits >= sizeof(port))
		return false;
	memcpy(port, text, digits);
	return text_number(port, 1, UINT16_MAX, &number)
	    && (text[digits] == '\0'
		|| (text[digits] == '@' && is_host(text + digits + 1)));
}

/* The length of prefix if text begins with it, else 0. */
static size_t
prefixed(const char *text, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(text, prefix, length) == 0 ? length : 0;
}

void
places_socket(const struct reading *reading)
{
	const char **field = values_field(reading);
	const char *text = reading->text;
	size_t length = prefixed(text, "unix:");
	const char *path;
	uint64_t number;

	if (length > 0) {
		path = unix_socket(reading, text + length);
		if (path == NULL)
			return;
		*field = arena_printf(reading->build->arena, "unix:%s", path);
		if (*field == NULL)
			problems_memory(&reading->build->problems);
		return;
	}
	if ((length = prefixed(text, "inet:")) > 0
	    || (length = prefixed(text, "inet6:")) > 0) {
		if (is_port_at_host(text + length))
			*field = values_keep(reading->build, text);
		else
			values_refuse(reading,
			    "names no port 1 to 65535 and host; write "
			    "\"inet:8895@127.0.0.1\" or "
			    "\"inet6:8895@::1\"");
	} else if ((length = prefixed(text, "fd:")) > 0) {
		if (text_number(text + length, FIRST_FREE_DESCRIPTOR,
			LAST_DESCRIPTOR, &number))
			*field = values_keep(reading->build, text);
		else
			values_refuse(reading,
			    "names no descriptor 3 to 65535; write \"fd:3\"");
	} else {
		values_refuse(reading,
		    "is no socket; write \"unix:/path\", "
		    "\"inet:PORT@HOST\" or \"fd:N\"");
	}
}

void
places_control(const struct reading *reading)
{
	const char **field = values_field(reading);
	size_t length = prefixed(reading->text, "unix:");
	const char *path;

	if (*reading->text == '\0') {
		*field = "";
	} else if (length == 0) {
		values_refuse(reading,
		    "is no unix socket; write "
		    "\"unix:/path\", or \"\" for none");
	} else {
		path = unix_socket(reading, reading->text + length);
		if (path != NULL)
			*field = path;
	}
}

/* A word that isn't known is no file by chance: a path has a slash. */
void
places_log_target(const struct reading *reading)
{
	unsigned *target = values_field(reading);
	const char **file = values_more(reading);
	const struct option_word *word = reading->option->words;
	const char *path;

	while (word->name != NULL && strcmp(word->name, reading->text) != 0)
		word++;
	if (word->name != NULL) {
		*target = (unsigned)word->value;
		*file = NULL;
	} else if (strchr(reading->text, '/') == NULL) {
		values_refuse(reading,
		    "is neither syslog nor stderr nor a path, which has a '/' "
		    "in it");
	} else {
		path =
		    path_of(reading, reading->text, reading->option->maximum);
		if (path == NULL)
			return;
		*target = LOG_TARGET_FILE;
		*file = path;
	}
}

/* The map at path; it is read once, however many options name it. */
static const struct map *
shared_map(const struct reading *reading, const char *path)
{
	struct build *build = reading->build;
	struct fault fault = { .kind = FAULT_NONE };
	struct open_map *open;

	for (open = build->own->maps; open != NULL; open = open->next)
		if (strcmp(open->path, path) == 0)
			return open->map;
	open = build_alloc(build, sizeof(*open));
	if (open == NULL)
		return NULL;
	open->path = path;
	open->map = map_open(path, &fault);
	if (open->map == NULL) {
		problems_add(&build->problems, reading->given->source,
		    reading->line, "%s: %s", reading->option->name,
		    fault.words);
		return NULL;
	}
	open->next = build->own->maps;
	build->own->maps = open;
	return open->map;
}

void
places_map(const struct reading *reading)
{
	const struct map **field = values_field(reading);
	size_t length = prefixed(reading->text, "texthash:");
	const struct map *map;
	const char *path;

	if (*reading->text == '\0') {
		*field = NULL;
		return;
	}
	if (length == 0) {
		values_refuse(reading,
		    "is no map that can be read here; write "
		    "\"texthash:FILE\", the file being postmap's input");
		return;
	}
	path =
	    path_of(reading, reading->text + length, reading->option->maximum);
	if (path == NULL)
		return;
	map = shared_map(reading, path);
	if (map != NULL)
		*field = map;
}

void
places_network_map(const struct reading *reading)
{
	const struct network_account **field = values_field(reading);
	size_t *count = values_more(reading);
	struct fault fault = { .kind = FAULT_NONE };
	const char *path;

	if (*reading->text == '\0')
		return;
	path = path_of(reading, reading->text, reading->option->maximum);
	if (path == NULL)
		return;
	if (!map_networks(path, reading->build->arena, field, count, &fault))
		problems_add(&reading->build->problems, reading->given->source,
		    reading->line, "%s: %s", reading->option->name,
		    fault.words);
}
