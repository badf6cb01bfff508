#include "conf/conf.h"

#include "conf/build.h"
#include "conf/file.h"
#include "conf/places.h"
#include "policy/text.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	INCLUDES_MOST = 1000,
	PATH_OCTETS = 4095,
};

/* A snapshot is small but for the accounts of networks. What is read on the
 * way to it is larger: a file of 16 MiB may be nothing but short options. */
#define SNAPSHOT_BYTES ((size_t)512 * 1024 * 1024)
#define SCRATCH_BYTES ((size_t)2048 * 1024 * 1024)

static const char include_suffix[] = ".conf";

/* The directory that an absolute path lies in. */
static const char *
directory_of(struct arena *arena, const char *path)
{
	const char *slash = strrchr(path, '/');

	return arena_copy(
	    arena, path, slash == path ? 1 : (size_t)(slash - path));
}

/* file as seen from everywhere. */
static const char *
absolute(struct arena *arena, const char *file)
{
	char *here;
	const char *path;

	if (*file == '/')
		return arena_strdup(arena, file);
	here = getcwd(NULL, 0);
	path = here == NULL ? NULL : arena_printf(arena, "%s/%s", here, file);
	free(here);
	return path;
}

static struct problem_source *
new_source(struct build *build, const char *name, size_t number)
{
	struct problem_source *source = build_alloc(build, sizeof(*source));
	const char *path;

	if (source == NULL)
		return NULL;
	path = absolute(build->arena, name);
	source->name = arena_strdup(build->arena, name);
	source->number = number;
	if (path != NULL)
		source->directory = directory_of(build->arena, path);
	if (source->name == NULL || source->directory == NULL) {
		problems_memory(&build->problems);
		return NULL;
	}
	return source;
}

static void
read_file(struct build *build, const struct problem_source *source)
{
	struct fault fault = { .kind = FAULT_NONE };
	size_t length;
	char *text;

	if (file_read(source->name, PARSE_FILE_BYTES, &text, &length, &fault))
		parse_text(&build->tree, source, text, length, build->scratch,
		    &build->problems);
	else if (fault.kind == FAULT_MEMORY)
		problems_memory(&build->problems);
	else
		problems_add(&build->problems, source, 0, "%s", fault.words);
	free(text);
}

/* The directory of include_dir, as far as it can be told before the options
 * are applied; NULL if there is none. */
static const char *
include_directory(struct build *build, const struct parse_option **option_out)
{
	const struct parse_option *option = build->tree.top.options;

	while (option != NULL && strcmp(option->name, "include_dir") != 0)
		option = option->next;
	*option_out = option;
	if (option == NULL || option->is_broken || option->is_list
	    || *option->values->text == '\0')
		return NULL;
	return places_absolute(
	    build->scratch, option->source, option->values->text);
}

static bool
is_included(const char *name)
{
	size_t length = strlen(name);
	const size_t suffix = sizeof(include_suffix) - 1;

	return name[0] != '.' && length > suffix
	    && strcmp(name + length - suffix, include_suffix) == 0;
}

static int
by_octets(const void *one, const void *other)
{
	return strcmp(*(const char *const *)one, *(const char *const *)other);
}

/* The names of the files to read, in scratch, in the order of their octets:
 * the same on every host, whatever its locale. */
static void
list_files(struct build *build, const struct parse_option *option,
    const char *directory, DIR *stream, const char **names, size_t *count)
{
	struct dirent *entry;

	while ((entry = readdir(stream)) != NULL) {
		if (!is_included(entry->d_name))
			continue;
		if (*count == INCLUDES_MOST) {
			problems_add(&build->problems, option->source,
			    option->line,
			    "include_dir: %s has more than %d files", directory,
			    INCLUDES_MOST);
			break;
		}
		names[*count] =
		    arena_printf(build->scratch, "%s%s%s", directory,
			directory[strlen(directory) - 1] == '/' ? "" : "/",
			entry->d_name);
		if (names[*count] == NULL) {
			problems_memory(&build->problems);
			return;
		}
		(*count)++;
	}
	qsort(names, *count, sizeof(*names), by_octets);
}

static void
read_included(struct build *build)
{
	const struct parse_option *option;
	const char *directory = include_directory(build, &option);
	const char *names[INCLUDES_MOST];
	size_t count = 0;
	DIR *stream;

	if (directory == NULL)
		return;
	stream = opendir(directory);
	if (stream == NULL) {
		/* That it isn't there is told when the option is applied. */
		if (errno != ENOENT && errno != ENOTDIR)
			problems_add(&build->problems, option->source,
			    option->line, "include_dir: %s: %s", directory,
			    strerrordesc_np(errno));
		return;
	}
	list_files(build, option, directory, stream, names, &count);
	closedir(stream);
	for (size_t i = 0; i < count && !build->problems.is_out_of_memory;
	     i++) {
		struct problem_source *source =
		    new_source(build, names[i], i + 1);

		if (source != NULL)
			read_file(build, source);
	}
}

static void
finish(struct build *build, const char *file)
{
	struct conf *conf = build->conf;

	conf->file = absolute(build->arena, file);
	build->own->unwritten =
	    arena_printf(build->arena, "%s (default)", file);
	if (conf->file == NULL || build->own->unwritten == NULL)
		problems_memory(&build->problems);
	if (!problems_none(&build->problems))
		return;
	if (!problems_lines(
		&build->warnings, &conf->warnings, &conf->warning_count))
		problems_memory(&build->problems);
}

static void
tell_of_memory(const char *file, struct conf_errors *errors)
{
	conf_errors_clear(errors);
	errors->lines = calloc(1, sizeof(*errors->lines));
	if (errors->lines == NULL)
		return;
	if (asprintf(&errors->lines[0], "%s: out of memory", file) < 0)
		errors->lines[0] = NULL;
	errors->count = errors->lines[0] != NULL;
}

/* Where the text of the main file comes from. */
struct input {
	const char *text; /* NULL: from the file */
	size_t length;
};

static void
make(struct build *build, const char *file, const struct input *input)
{
	struct problem_source *source = new_source(build, file, 0);

	if (source == NULL)
		return;
	build->source = source;
	if (input->text == NULL)
		read_file(build, source);
	else if (input->length > PARSE_FILE_BYTES)
		problems_add(&build->problems, source, 0,
		    "is larger than %d MiB", PARSE_FILE_BYTES / 1024 / 1024);
	else
		parse_text(&build->tree, source, input->text, input->length,
		    build->scratch, &build->problems);
	read_included(build);
	if (build->problems.is_out_of_memory)
		return;
	apply_tree(build);
	if (!build->problems.is_out_of_memory)
		check_snapshot(build);
	finish(build, file);
}

static struct conf *
read_input(
    const char *file, const struct input *input, struct conf_errors *errors_out)
{
	struct arena scratch;
	struct build *build;
	struct conf *conf = NULL;

	*errors_out = (struct conf_errors){ NULL, 0 };
	build = calloc(1, sizeof(*build));
	if (build != NULL)
		build->own = calloc(1, sizeof(*build->own));
	if (build == NULL || build->own == NULL) {
		free(build);
		tell_of_memory(file, errors_out);
		return NULL;
	}
	arena_init(&scratch, SCRATCH_BYTES);
	arena_init(&build->own->arena, SNAPSHOT_BYTES);
	atomic_init(&build->own->owners, 1);
	build->scratch = &scratch;
	build->arena = &build->own->arena;
	build->conf = conf = &build->own->conf;
	conf->own = build->own;
	parse_init(&build->tree);
	problems_init(&build->problems, &scratch);
	problems_init(&build->warnings, &scratch);
	make(build, file, input);

	if (!problems_none(&build->problems)) {
		if (build->problems.is_out_of_memory
		    || !problems_lines(&build->problems, &errors_out->lines,
			&errors_out->count))
			tell_of_memory(file, errors_out);
		conf_release(&conf);
	}
	arena_clear(&scratch);
	free(build);
	return conf;
}

struct conf *
conf_read(const char *file, struct conf_errors *errors_out)
{
	const struct input input = { NULL, 0 };

	return read_input(file, &input, errors_out);
}

struct conf *
conf_read_text(const char *file, const char *text, size_t length,
    struct conf_errors *errors_out)
{
	const struct input input = { text != NULL ? text : "", length };

	return read_input(file, &input, errors_out);
}

static int
by_domain(const void *wanted, const void *entry)
{
	const struct domain_conf *domain = entry;

	return strcmp(wanted, domain->domain);
}

const struct domain_conf *
build_domain(const struct conf *conf, const char *domain)
{
	if (conf->domain_count == 0)
		return NULL;
	return bsearch(domain, conf->domains, conf->domain_count,
	    sizeof(*conf->domains), by_domain);
}

void
conf_signing_rules(const struct conf *conf, const struct class_conf *class,
    const char *domain, struct signing_rules *rules_out)
{
	const struct domain_conf *own = build_domain(conf, domain);

	*rules_out = class->sign_conf.rules;
	if (own == NULL)
		return;
	if (own->has_canon) {
		rules_out->header_canon = own->rules.header_canon;
		rules_out->body_canon = own->rules.body_canon;
	}
	if (own->has_headers)
		rules_out->headers = own->rules.headers;
	if (own->has_oversign)
		rules_out->oversign = own->rules.oversign;
	if (own->has_expire)
		rules_out->expire_s = own->rules.expire_s;
}

const char *
conf_where(const struct conf *conf, const char *section, const char *option)
{
	const struct written *written =
	    build_written(conf->own, section, option);

	return written != NULL ? written->where : conf->own->unwritten;
}

bool
conf_is_set(const struct conf *conf, const char *section, const char *option)
{
	return build_written(conf->own, section, option) != NULL;
}

void
conf_errors_add(struct conf_errors *errors, const char *format, ...)
{
	char **lines = reallocarray(
	    errors->lines, errors->count + 1, sizeof(*errors->lines));
	va_list arguments;

	if (lines == NULL)
		return;
	errors->lines = lines;
	va_start(arguments, format);
	if (vasprintf(&lines[errors->count], format, arguments) >= 0)
		errors->count++;
	va_end(arguments);
}

void
conf_errors_clear(struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->count; i++)
		free(errors->lines[i]);
	free(errors->lines);
	*errors = (struct conf_errors){ NULL, 0 };
}

struct conf *
conf_hold(struct conf *conf)
{
	/* Who holds one already may hand it on; nothing else is ordered. */
	atomic_fetch_add_explicit(&conf->own->owners, 1, memory_order_relaxed);
	return conf;
}

void
conf_release(struct conf **conf)
{
	struct conf_private *own;

	if (*conf == NULL)
		return;
	own = (*conf)->own;
	*conf = NULL;
	if (atomic_fetch_sub_explicit(&own->owners, 1, memory_order_acq_rel)
	    != 1)
		return;
	for (size_t i = 0; i < own->conf.warning_count; i++)
		free(own->conf.warnings[i]);
	free(own->conf.warnings);
	for (struct open_map *map = own->maps; map != NULL; map = map->next)
		map_close(&map->map);
	arena_clear(&own->arena);
	free(own);
}

static bool
is_listener_of(const struct listener_conf *listener,
    const struct connection_facts *connection)
{
	if (listener->port != 0)
		return listener->port == connection->daemon_port;
	return connection->daemon_name != NULL
	    && strcmp(listener->name, connection->daemon_name) == 0;
}

const struct listener_conf *
conf_listener(
    const struct conf *conf, const struct connection_facts *connection)
{
	const struct listener_conf *by_port = NULL;

	for (size_t i = 0; i < conf->listener_count; i++) {
		const struct listener_conf *listener = &conf->listeners[i];

		if (!is_listener_of(listener, connection))
			continue;
		if (listener->port == 0)
			return listener;
		by_port = listener;
	}
	return by_port;
}
