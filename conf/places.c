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
	REDIS_KEY_OCTETS = 512,
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
	const char *path;

	if (*reading->text == '\0' && values_may_be_empty(reading)) {
		*field = "";
		return;
	}
	path = path_of(reading, reading->text, reading->option->maximum);
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

static bool
read_texthash(
    const struct reading *reading, const char *text, struct map_source *source)
{
	const char *path = path_of(reading, text, reading->option->maximum);

	if (path == NULL)
		return false;
	source->kind = MAP_TEXTHASH;
	source->name = path;
	source->map = shared_map(reading, path);
	return source->map != NULL;
}

/* Can the file be read by whom it is read now? 0, or the errno. */
static int
file_problem(const char *path)
{
	struct stat status;

	if (stat(path, &status) < 0 || access(path, R_OK) < 0)
		return errno;
	return S_ISREG(status.st_mode) ? 0 : EINVAL;
}

/* postmap(1) adds ".lmdb" to the name it is given; people write either. */
static bool
read_lmdb(
    const struct reading *reading, const char *text, struct map_source *source)
{
	const char *path = path_of(reading, text, reading->option->maximum);
	const char *added;
	int problem;

	if (path == NULL)
		return false;
	added = arena_printf(reading->build->arena, "%s.lmdb", path);
	if (added == NULL) {
		problems_memory(&reading->build->problems);
		return false;
	}
	source->kind = MAP_LMDB;
	source->name = file_problem(added) == ENOENT ? path : added;
	problem = file_problem(source->name);
	if (problem == ENOENT)
		refuse_place(reading, added,
		    "there is no such file; make it with postmap, or mend the "
		    "path");
	else if (problem == EINVAL)
		refuse_place(reading, source->name, "is no file");
	else if (problem != 0)
		refuse_place(reading, source->name, strerrordesc_np(problem));
	return problem == 0;
}

/* That there is a Redis to ask is looked at when all options are known. */
static bool
read_hash(
    const struct reading *reading, const char *text, struct map_source *source)
{
	if (*text == '\0' || strlen(text) > REDIS_KEY_OCTETS) {
		values_refuse(reading,
		    "names no key of a Redis hash, which has 1 to 512 octets");
		return false;
	}
	source->kind = MAP_REDIS;
	source->name = values_keep(reading->build, text);
	return source->name != NULL;
}

void
places_map(const struct reading *reading)
{
	static const struct {
		const char *prefix;
		bool (*read)(const struct reading *reading, const char *text,
		    struct map_source *source);
	} kinds[] = {
		{ "texthash:", read_texthash },
		{ "lmdb:", read_lmdb },
		{ "redis:", read_hash },
	};
	const struct map_source **field = values_field(reading);
	struct map_source *source;

	if (*reading->text == '\0') {
		*field = NULL;
		return;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t length = prefixed(reading->text, kinds[i].prefix);

		if (length == 0)
			continue;
		source = build_alloc(reading->build, sizeof(*source));
		if (source != NULL
		    && kinds[i].read(reading, reading->text + length, source))
			*field = source;
		return;
	}
	values_refuse(reading,
	    "is no map that can be read here; write \"texthash:FILE\", the "
	    "file being postmap's input, \"lmdb:FILE\", or \"redis:KEY\"");
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
	path = path_of(reading, reading->text, reading->option->maximum);
	if (path == NULL)
		return;
	if (!map_networks(path, reading->build->arena, field, count, &fault))
		problems_add(&reading->build->problems, reading->given->source,
		    reading->line, "%s: %s", reading->option->name,
		    fault.words);
}
