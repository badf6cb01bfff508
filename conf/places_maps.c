#include "conf/places_maps.h"

#include "conf/places.h"
#include "policy/text.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum {
	PORT_OCTETS = 5,
	REDIS_KEY_OCTETS = 512,
	SOCKETMAP_NAME_OCTETS = 512,
};

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

/* Does the map hold private keys? */
static bool
has_keys(const struct reading *reading)
{
	return strcmp(reading->option->name, "key_map") == 0;
}

static bool
read_texthash(
    const struct reading *reading, const char *text, struct map_source *source)
{
	const char *path;

	if (has_keys(reading)) {
		values_refuse(reading,
		    "is a text file; keys in files belong into the directory "
		    "that keys names");
		return false;
	}
	path = places_path_of(reading, text, reading->option->maximum);
	if (path == NULL)
		return false;
	source->kind = MAP_TEXTHASH;
	source->name = path;
	source->map = shared_map(reading, path);
	return source->map != NULL;
}

/* A file of private keys is for nobody else, as one of a single key. */
static bool
is_private(const struct reading *reading, const struct map_source *source)
{
	struct stat status;

	if (stat(source->name, &status) < 0) {
		places_refuse(reading, source->name, strerrordesc_np(errno));
		return false;
	}
	if ((status.st_mode & (S_IRWXO | S_IWGRP)) == 0)
		return true;
	places_refuse(reading, source->name,
	    "it holds private keys, and others may read or write it; chmod 640 "
	    "it");
	return false;
}

/* postmap(1) adds ".lmdb" to the name it is given; people write either. */
static bool
read_lmdb(
    const struct reading *reading, const char *text, struct map_source *source)
{
	const char *path =
	    places_path_of(reading, text, reading->option->maximum);
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
	source->name = places_file_problem(added) == ENOENT ? path : added;
	problem = places_file_problem(source->name);
	if (problem == ENOENT)
		places_refuse(reading, added,
		    "there is no such file; make it with postmap, or mend the "
		    "path");
	else if (problem == EINVAL)
		places_refuse(reading, source->name, "is no file");
	else if (problem != 0)
		places_refuse(reading, source->name, strerrordesc_np(problem));
	return problem == 0
	    && (!has_keys(reading) || is_private(reading, source));
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
		return strchr(++host, ':') != NULL && places_is_host(host);
	}
	return strchr(host, ':') == NULL && places_is_host(host);
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
	size_t unix_length = places_prefixed(text, "unix:");
	size_t inet_length = places_prefixed(text, "inet:");
	const char *socket = NULL;
	const char *path;

	if (unix_length > 0 && unix_length < length) {
		path = arena_copy(
		    build->scratch, text + unix_length, length - unix_length);
		if (path != NULL
		    && (path = places_unix_socket(reading, path)) == NULL)
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
		size_t length = places_prefixed(reading->text, kinds[i].prefix);

		if (length == 0)
			continue;
		source = build_alloc(reading->build, sizeof(*source));
		if (source != NULL
		    && kinds[i].read(reading, reading->text + length, source))
			*field = source;
		return;
	}
	values_refuse(reading,
	    has_keys(reading)
		? "is no map that keys can be in; write \"redis:KEY\", "
		  "\"lmdb:FILE\", \"socketmap:inet:HOST:PORT:NAME\" or "
		  "\"socketmap:unix:PATH:NAME\""
		: "is no map that can be read here; write \"texthash:FILE\", "
		  "the file being postmap's input, \"lmdb:FILE\", "
		  "\"redis:KEY\", \"socketmap:inet:HOST:PORT:NAME\" or "
		  "\"socketmap:unix:PATH:NAME\"");
}
