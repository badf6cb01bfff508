#include "conf/places.h"

#include "policy/text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

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

const char *
places_path_of(const struct reading *reading, const char *text, size_t maximum)
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
	const char *path;

	if (*reading->text == '\0' && values_may_be_empty(reading)) {
		*field = "";
		return;
	}
	path = places_path_of(reading, reading->text, reading->option->maximum);
	if (path != NULL)
		*field = path;
}

void
places_refuse(
    const struct reading *reading, const char *path, const char *words)
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

	if (*reading->text == '\0' && reading->option->minimum == 0) {
		if (field != NULL)
			*field = "";
		return;
	}
	path = places_path_of(reading, reading->text, reading->option->maximum);
	if (path == NULL)
		return;
	/* The default's directory is made when the first key is: signing
	 * isn't asked for before. */
	if (!reading->is_standard) {
		if (stat(path, &status) < 0)
			places_refuse(reading, path,
			    errno == ENOENT ? "there is no such directory; "
					      "make it, or mend the path"
					    : strerrordesc_np(errno));
		else if (!S_ISDIR(status.st_mode))
			places_refuse(reading, path, "is not a directory");
	}
	if (field != NULL)
		*field = path;
}

int
places_file_problem(const char *path)
{
	struct stat status;

	if (stat(path, &status) < 0 || access(path, R_OK) < 0)
		return errno;
	return S_ISREG(status.st_mode) ? 0 : EINVAL;
}

const char *
places_readable(const struct reading *reading, const char *text)
{
	const char *path =
	    places_path_of(reading, text, reading->option->maximum);
	int problem;

	if (path == NULL)
		return NULL;
	problem = places_file_problem(path);
	if (problem == ENOENT)
		places_refuse(reading, path,
		    "there is no such file; make it, or mend the path");
	else if (problem == EINVAL)
		places_refuse(reading, path, "is no file");
	else if (problem != 0)
		places_refuse(reading, path, strerrordesc_np(problem));
	return path;
}

void
places_file(const struct reading *reading)
{
	const char **field = values_field(reading);
	const char *path;

	if (*reading->text == '\0' && values_may_be_empty(reading)) {
		*field = "";
		return;
	}
	path = places_readable(reading, reading->text);
	if (path != NULL)
		*field = path;
}

/* Who runs it may be another than who reads the configuration now: that
 * somebody may is all that is asked. */
void
places_program(const struct reading *reading)
{
	const char **field = values_field(reading);
	struct stat status;
	const char *path;

	if (*reading->text == '\0' && values_may_be_empty(reading)) {
		*field = "";
		return;
	}
	path = places_path_of(reading, reading->text, reading->option->maximum);
	if (path == NULL)
		return;
	if (stat(path, &status) < 0)
		places_refuse(reading, path,
		    errno == ENOENT
			? "there is no such program; make it, or mend the path"
			: strerrordesc_np(errno));
	else if (!S_ISREG(status.st_mode))
		places_refuse(reading, path, "is no program");
	else if ((status.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0)
		places_refuse(reading, path, "can't be executed; chmod 755 it");
	else
		*field = path;
}

const char *
places_unix_socket(const struct reading *reading, const char *text)
{
	return places_path_of(reading, text, SOCKET_PATH_OCTETS);
}

bool
places_is_host(const char *host)
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
		|| (text[digits] == '@' && places_is_host(text + digits + 1)));
}

size_t
places_prefixed(const char *text, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(text, prefix, length) == 0 ? length : 0;
}

void
places_socket(const struct reading *reading)
{
	const char **field = values_field(reading);
	const char *text = reading->text;
	size_t length = places_prefixed(text, "unix:");
	const char *path;
	uint64_t number;

	if (length > 0) {
		path = places_unix_socket(reading, text + length);
		if (path == NULL)
			return;
		*field = arena_printf(reading->build->arena, "unix:%s", path);
		if (*field == NULL)
			problems_memory(&reading->build->problems);
		return;
	}
	if ((length = places_prefixed(text, "inet:")) > 0
	    || (length = places_prefixed(text, "inet6:")) > 0) {
		if (is_port_at_host(text + length))
			*field = values_keep(reading->build, text);
		else
			values_refuse(reading,
			    "names no port 1 to 65535 and host; write "
			    "\"inet:8895@127.0.0.1\" or "
			    "\"inet6:8895@::1\"");
	} else if ((length = places_prefixed(text, "fd:")) > 0) {
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
	size_t length = places_prefixed(reading->text, "unix:");
	const char *path;

	if (*reading->text == '\0') {
		*field = "";
	} else if (length == 0) {
		values_refuse(reading,
		    "is no unix socket; write "
		    "\"unix:/path\", or \"\" for none");
	} else {
		path = places_unix_socket(reading, reading->text + length);
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
		path = places_path_of(
		    reading, reading->text, reading->option->maximum);
		if (path == NULL)
			return;
		*target = LOG_TARGET_FILE;
		*file = path;
	}
}

void
places_redis(const struct reading *reading)
{
	const struct redis_place **field = values_field(reading);
	struct fault fault = { .kind = FAULT_NONE };
	struct redis_place *place;

	if (*reading->text == '\0') {
		*field = NULL;
		return;
	}
	place = build_alloc(reading->build, sizeof(*place));
	if (place == NULL)
		return;
	if (redis_place_read(
		reading->text, reading->build->arena, place, &fault))
		*field = place;
	else if (fault.kind == FAULT_MEMORY)
		problems_memory(&reading->build->problems);
	else
		problems_add(&reading->build->problems, reading->given->source,
		    reading->line, "%s: %s", reading->option->name,
		    fault.words);
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
	path = places_path_of(reading, reading->text, reading->option->maximum);
	if (path == NULL)
		return;
	if (!map_networks(path, reading->build->arena, field, count, &fault))
		problems_add(&reading->build->problems, reading->given->source,
		    reading->line, "%s: %s", reading->option->name,
		    fault.words);
}
