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
	PORT_OCTETS = 5,
	REDIS_KEY_OCTETS = 512,
	SOCKETMAP_NAME_OCTETS = 512,
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

/* Can the file be read by whom it is read now? 0, or the errno. */
static int
file_problem(const char *path)
{
	struct stat status;

	if (stat(path, &status) < 0 || access(path, R_OK) < 0)
		return errno;
	return S_ISREG(status.st_mode) ? 0 : EINVAL;
}

void
places_file(const struct reading *reading)
{
	const char **field = values_field(reading);
	const char *path;
	int problem;

	if (*reading->text == '\0' && values_may_be_empty(reading)) {
		*field = "";
		return;
	}
	path = path_of(reading, reading->text, reading->option->maximum);
	if (path == NULL)
		return;
	problem = file_problem(path);
	if (problem == ENOENT)
		refuse_place(reading, path,
		    "there is no such file; make it, or mend the path");
	else if (problem == EINVAL)
		refuse_place(reading, path, "is no file");
	else if (problem != 0)
		refuse_place(reading, path, strerrordesc_np(problem));
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

/* What a line of the option's map looks like. */
static const char *
form_of(const struct option *option)
{
	if (strcmp(option->name, "egress_map") == 0)
		return "KEY ADDRESS HELO";
	if (strcmp(option->section, "accounts") == 0)
		return "LOGIN ACCOUNT PARENT PLAN";
	return "ADDRESS LOGIN";
}

static void
complain_of_map(void *context, const struct fault *fault)
{
	const struct reading *reading = context;

	if (fault->kind == FAULT_MEMORY)
		problems_memory(&reading->build->problems);
	else
		problems_add(&reading->build->problems, reading->given->source,
		    reading->line, "%s: %s", reading->option->name,
		    fault->words);
}

/* The map at path; it is read once, however many options name it. With lines
 * that can't be it is still a map, of the others, so that these can be
 * checked. */
static const struct map *
shared_map(const struct reading *reading, const char *path)
{
	struct build *build = reading->build;
	struct reading context = *reading;
	struct open_map *open;

	for (open = build->own->maps; open != NULL; open = open->next)
		if (strcmp(open->path, path) == 0)
			return open->map;
	open = build_alloc(build, sizeof(*open));
	if (open == NULL)
		return NULL;
	open->path = path;
	open->map =
	    map_read(path, form_of(reading->option), complain_of_map, &context);
	if (open->map == NULL)
		return NULL;
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

/* "HOST:PORT", an IPv6 address in brackets. */
static bool
is_host_and_port(const char *text, size_t length)
{
	char space[ADDRESS_DOMAIN_OCTETS + sizeof("[]:65535")];
	uint64_t number;
	char *host = space;
	char *colon;

	if (length >= sizeof(space))
		return false;
	memcpy(space, text, length);
	space[length] = '\0';
	colon = strrchr(space, ':');
	if (colon == NULL || colon == space || strlen(colon + 1) > PORT_OCTETS
	    || !text_number(colon + 1, 1, UINT16_MAX, &number))
		return false;
	*colon = '\0';
	if (*host == '[' && colon[-1] == ']') {
		colon[-1] = '\0';
		return strchr(++host, ':') != NULL && is_host(host);
	}
	return strchr(host, ':') == NULL && is_host(host);
}

/* What is asked is "NAME KEY", so the name ends at a blank. */
static bool
is_socketmap_name(const char *name)
{
	const char *at = name;

	while (*at > ' ' && *at <= '~')
		at++;
	return *at == '\0' && at > name && at - name <= SOCKETMAP_NAME_OCTETS;
}

/* The socket of a socketmap, the first length octets of text; NULL if it is
 * none, which was told. */
static const char *
read_socketmap_socket(
    const struct reading *reading, const char *text, size_t length)
{
	struct build *build = reading->build;
	size_t unix_length = prefixed(text, "unix:");
	size_t inet_length = prefixed(text, "inet:");
	const char *socket = NULL;
	const char *path;

	if (unix_length > 0 && unix_length < length) {
		path = arena_copy(
		    build->scratch, text + unix_length, length - unix_length);
		if (path != NULL && (path = unix_socket(reading, path)) == NULL)
			return NULL;
		if (path != NULL)
			socket = arena_printf(build->arena, "unix:%s", path);
	} else if (inet_length > 0 && inet_length < length
	    && is_host_and_port(text + inet_length, length - inet_length)) {
		socket = arena_copy(build->arena, text, length);
	} else {
		values_refuse(reading,
		    "names no socket; write \"socketmap:inet:HOST:PORT:NAME\" "
		    "or \"socketmap:unix:PATH:NAME\"");
		return NULL;
	}
	if (socket == NULL)
		problems_memory(&build->problems);
	return socket;
}

/* Whether somebody answers there is found out when it is asked. */
static bool
read_socketmap(
    const struct reading *reading, const char *text, struct map_source *source)
{
	const char *colon = strrchr(text, ':');

	if (colon == NULL || !is_socketmap_name(colon + 1)) {
		values_refuse(reading,
		    "names no map of the server, without blanks; write "
		    "\"socketmap:inet:HOST:PORT:NAME\" or "
		    "\"socketmap:unix:PATH:NAME\"");
		return false;
	}
	source->kind = MAP_SOCKETMAP;
	source->socket =
	    read_socketmap_socket(reading, text, (size_t)(colon - text));
	if (source->socket == NULL)
		return false;
	source->name = values_keep(reading->build, colon + 1);
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
		{ "socketmap:", read_socketmap },
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
	    "file being postmap's input, \"lmdb:FILE\", \"redis:KEY\", "
	    "\"socketmap:inet:HOST:PORT:NAME\" or "
	    "\"socketmap:unix:PATH:NAME\"");
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
