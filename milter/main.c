/* postern: the daemon. */
#include "conf/key_places.h"
#include "milter/daemon.h"
#include "milter/io/keys.h"
#include "milter/io/keys_check.h"
#include "milter/io/tables.h"
#include "milter/listen.h"
#include "milter/stores.h"

#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_DONE = 0, EXIT_GAVE_UP = 1, EXIT_USAGE = 2 };

/* How many domains' keys a start looks at: enough to find a mistake, few
 * enough that 100,000 domains cost no time. -t looks at all. */
enum { KEYS_AT_START = 1000 };

enum { SECTION_BYTES = 32 }; /* "class submission" */

static const char default_file[] = SYSCONFDIR "/postern/postern.conf";

struct complaint {
	const struct conf *conf;
	int class; /* whose places they are */
	const struct key_places *places;
	size_t count;
};

/* The section that says it of the class: its own, else "sign". */
static const char *
section_of(const struct conf *conf, int class, const char *option,
    char shown[SECTION_BYTES])
{
	(void)snprintf(shown, SECTION_BYTES, "class %s",
	    facts_class_name((enum traffic_class) class));
	return conf_is_set(conf, shown, option) ? shown : "sign";
}

/* Which option named what the fault begins with? */
static const char *
option_of(const struct key_places *places, const char *words)
{
	size_t key_table = strlen(places->key_table);
	size_t signing_table = strlen(places->signing_table);

	if (key_table > 0 && strncmp(words, places->key_table, key_table) == 0)
		return "key_table";
	if (signing_table > 0
	    && strncmp(words, places->signing_table, signing_table) == 0)
		return "signing_table";
	if (places->map != NULL
	    && strncmp(words, places->map->name, strlen(places->map->name))
		== 0)
		return "key_map";
	return "keys";
}

static void
complain_of(
    struct complaint *complaint, const char *option, const struct fault *fault)
{
	char shown[SECTION_BYTES];
	const char *section =
	    section_of(complaint->conf, complaint->class, option, shown);

	fprintf(stderr, "%s: %s\n",
	    conf_where(complaint->conf, section, option), fault->words);
	complaint->count++;
}

static void
complain(void *context, const struct fault *fault)
{
	struct complaint *complaint = context;

	complain_of(
	    complaint, option_of(complaint->places, fault->words), fault);
}

static void
complain_of_map(void *context, const struct fault *fault)
{
	complain_of(context, "key_map", fault);
}

static void
print_errors(const struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->count; i++)
		fprintf(stderr, "%s\n", errors->lines[i]);
}

static void
check_map(struct complaint *complaint, size_t most)
{
	struct redis_pool *pool = NULL;
	struct tables *tables = NULL;
	struct fault fault = { 0 };

	if (stores_open_pool(complaint->conf, &pool, &fault)) {
		tables = tables_open(0, pool);
		if (tables == NULL)
			fault_memory(&fault);
	}
	if (tables != NULL)
		(void)keys_check_map(complaint->places->map, tables, most,
		    complain_of_map, complaint);
	else
		complain_of_map(complaint, &fault);
	tables_close(&tables);
	redis_pool_close(&pool);
}

/* What of a class's places no class before it has. */
static struct key_places
places_of(const struct conf *conf, int class)
{
	struct key_places places = conf->classes[class].sign_conf.places;

	for (int i = 0; i < class; i++)
		if (conf->classes[i].sign)
			key_places_leave_out(
			    &places, &conf->classes[i].sign_conf.places);
	return places;
}

/* The places that any class signs with, each once. A directory that nobody
 * named and that isn't there is what a new installation has. */
static size_t
check_places(const struct conf *conf, size_t most)
{
	struct complaint complaint = { .conf = conf };
	char shown[SECTION_BYTES];

	for (int i = 0; i < CLASS_COUNT; i++) {
		struct key_places places = places_of(conf, i);

		if (!conf->classes[i].sign)
			continue;
		if (!conf_is_set(
			conf, section_of(conf, i, "keys", shown), "keys")
		    && access(places.directory, F_OK) != 0)
			places.directory = "";
		complaint.class = i;
		complaint.places = &places;
		(void)keys_check(&places, most, complain, &complaint);
		if (places.map != NULL)
			check_map(&complaint, most);
	}
	return complaint.count;
}

/* A provider's own domain whose key isn't there signs nothing, and no message
 * says so. */
static void
warn_of_keyless(const struct conf *conf, struct keys *keys, const char *option,
    const struct sign_conf *sign, const char *domain)
{
	if (*domain == '\0' || keys_has(keys, &sign->places, domain))
		return;
	fprintf(stderr,
	    "warning: %s: %s: there is no key of %s: make one with posternctl "
	    "genkey\n",
	    conf_where(conf, "sign", option), option, domain);
}

/* What lies in a map isn't asked for: it may not be there yet. */
static void
warn_of_keys(const struct conf *conf)
{
	struct keys *keys = keys_open(CLASS_COUNT, NULL);

	for (int i = 0; keys != NULL && i < CLASS_COUNT; i++) {
		const struct sign_conf *sign = &conf->classes[i].sign_conf;

		if (!conf->classes[i].sign || sign->places.map != NULL)
			continue;
		warn_of_keyless(conf, keys, "also_sign", sign, sign->also_sign);
		warn_of_keyless(
		    conf, keys, "fallback_domain", sign, sign->fallback_domain);
		break; /* most often all classes have the same */
	}
	keys_close(&keys);
}

/* All that has to do with key files. One customer's broken key keeps the
 * daemon of all others from nothing. */
static bool
are_keys_in_order(const struct conf *conf, bool is_test)
{
	size_t faults = check_places(conf, is_test ? SIZE_MAX : KEYS_AT_START);

	if (faults == 0)
		warn_of_keys(conf);
	else if (!is_test)
		fprintf(stderr,
		    "postern starts all the same: mail that such keys would "
		    "sign goes by on_key_error\n");
	return !is_test || faults == 0;
}

/* A reload is done by the daemon's own user: what only root can read would
 * work once. */
static bool
is_readable(const struct conf *conf)
{
	struct conf_errors errors = { NULL, 0 };
	struct conf *again = conf_read(conf->file, &errors);
	bool is_read = again != NULL;

	if (!is_read)
		fprintf(stderr, "read as user \"%s\":\n", conf->user);
	print_errors(&errors);
	conf_errors_clear(&errors);
	conf_release(&again);
	return is_read;
}

/* The log is opened as the daemon's own user, and made if it isn't there. */
static bool
is_log_writable(const struct conf *conf)
{
	const char *file = conf->log.file;
	char *directory;
	bool is_writable;

	if (conf->log.target != LOG_TARGET_FILE || access(file, W_OK) == 0)
		return true;
	directory = strdup(file);
	if (directory == NULL)
		return false;
	*(strrchr(directory, '/') + 1) = '\0';
	is_writable =
	    access(file, F_OK) != 0 && access(directory, W_OK | X_OK) == 0;
	free(directory);
	if (!is_writable)
		fprintf(stderr,
		    "%s: %s can't be written by user \"%s\": mend its owner "
		    "or mode, or name another\n",
		    conf_where(conf, "log", "target"), file, conf->user);
	return is_writable;
}

/* A password that others can read, a host without an address. */
static bool
is_store_in_order(const struct conf *conf)
{
	struct redis_pool *pool = NULL;
	struct fault fault;
	bool is_good = stores_open_pool(conf, &pool, &fault);

	if (!is_good)
		fprintf(stderr, "%s: %s\n", conf_where(conf, "store", "url"),
		    fault.words);
	redis_pool_close(&pool);
	return is_good;
}

/* The keys are checked as the user that will read them. */
static bool
check_keys(const struct conf *conf, bool is_test)
{
	struct identity identity;
	struct fault fault;
	int status = 0;
	pid_t child;

	if (!listen_find_user(conf->user, &identity, &fault)) {
		fprintf(stderr, "%s: %s\n", conf_where(conf, "", "user"),
		    fault.words);
		return false;
	}
	if (!listen_find_group(conf->socket_group, &fault)
	    && strncmp(conf->listen, "unix:", 5) == 0) {
		fprintf(stderr, "%s: %s\n",
		    conf_where(conf, "", "socket_group"), fault.words);
		return false;
	}
	if (geteuid() != 0)
		return is_log_writable(conf) && is_store_in_order(conf)
		    && are_keys_in_order(conf, is_test);
	child = fork();
	if (child == 0) {
		if (!listen_become(&identity, conf->user, &fault)) {
			fprintf(stderr, "%s\n", fault.words);
			_exit(EXIT_USAGE);
		}
		_exit(is_readable(conf) && is_log_writable(conf)
			    && is_store_in_order(conf)
			    && are_keys_in_order(conf, is_test)
			? EXIT_DONE
			: EXIT_USAGE);
	}
	return child > 0 && waitpid(child, &status, 0) == child
	    && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DONE;
}

static struct conf *
read_conf(const char *file, bool is_test)
{
	struct conf_errors errors = { NULL, 0 };
	struct conf *conf = conf_read(file, &errors);
	struct fault fault;

	print_errors(&errors);
	conf_errors_clear(&errors);
	if (conf == NULL)
		return NULL;
	if (!stores_check(conf, &fault)) {
		fprintf(stderr, "%s\n", fault.words);
		conf_release(&conf);
		return NULL;
	}
	for (size_t i = 0; is_test && i < conf->warning_count; i++)
		fprintf(stderr, "warning: %s\n", conf->warnings[i]);
	if (!check_keys(conf, is_test))
		conf_release(&conf);
	return conf;
}

static int
serve(struct conf *conf)
{
	/* Keys come and go on changing threads: each arena of malloc's would
	 * keep room that others need. A signature takes so long that threads
	 * hardly wait for the one. */
	enum { ARENAS = 1 };
	struct daemon daemon;
	struct fault fault;
	bool is_well;

	(void)mallopt(M_ARENA_MAX, ARENAS);
	if (!daemon_open(&daemon, conf, &fault)) {
		fprintf(stderr, "%s\n", fault.words);
		return EXIT_USAGE;
	}
	is_well = daemon_run(&daemon);
	daemon_close(&daemon);
	return is_well ? EXIT_DONE : EXIT_GAVE_UP;
}

static int
usage(FILE *out, int status)
{
	fprintf(out,
	    "usage: postern [-t] [-c FILE]\n"
	    "  -c, --config FILE  the configuration (%s)\n"
	    "  -t, --test         check it, print every error, and end\n"
	    "      --version      print the version, and end\n"
	    "      --help         print this, and end\n",
	    default_file);
	return status;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "test", no_argument, NULL, 't' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *file = default_file;
	bool is_test = false;
	struct conf *conf;
	int option;

	while ((option = getopt_long(argc, argv, "c:t", options, NULL)) != -1) {
		if (option == 'c')
			file = optarg;
		else if (option == 't')
			is_test = true;
		else if (option == 'V')
			return printf("postern %s\n", PACKAGE_VERSION) > 0
			    ? EXIT_DONE
			    : EXIT_GAVE_UP;
		else
			return option == 'h' ? usage(stdout, EXIT_DONE)
					     : usage(stderr, EXIT_USAGE);
	}
	if (optind < argc) {
		fprintf(
		    stderr, "postern: \"%s\" isn't expected\n", argv[optind]);
		return usage(stderr, EXIT_USAGE);
	}
	conf = read_conf(file, is_test);
	if (conf == NULL)
		return EXIT_USAGE;
	if (is_test) {
		printf("%s: no errors\n", file);
		conf_release(&conf);
		return EXIT_DONE;
	}
	return serve(conf);
}
