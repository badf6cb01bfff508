#include "milter/daemon.h"

#include "milter/callbacks.h"
#include "milter/control.h"
#include "milter/io/clock.h"
#include "milter/io/fcrdns.h"
#include "milter/io/store_guard.h"
#include "milter/resolving.h"
#include "milter/signals.h"
#include "milter/stores.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

enum {
	REFUSALS = 100000,    /* accounts remembered to be over a limit */
	MAP_ANSWERS = 100000, /* of maps that aren't files, kept for a while */
	KEY_ANSWERS = 1000,   /* of sign.key_map; the keys are kept elsewhere */
	FILE_RETRY_MS = 5000,
	REDIS_RETRY_MS = 1000,
	EPOCH_MS =
	    500, /* what was said on another host holds within a second */
	TEND_EVERY = 2, /* of these */
	EGRESS_ARENA_BYTES = 256 * 1024,
	DNS_WAITERS = 1000, /* messages that wait for the DNS at once */
};

static struct store *
open_store(void *context, struct fault *notice_out, struct fault *fault)
{
	const struct daemon *daemon = context;

	return stores_open(daemon->store_conf, notice_out, fault);
}

static void
on_store_change(void *context, bool is_up, const char *words)
{
	struct daemon *daemon = context;

	if (!is_up)
		atomic_fetch_add(&daemon->metrics.store_faults, 1);
	log_event(daemon->services.log,
	    is_up ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR,
	    is_up ? "store_up" : "store_away", "%s", words);
}

static struct store *
open_record(void *context, struct fault *notice_out, struct fault *fault)
{
	const struct daemon *daemon = context;

	return stores_open_record(daemon->store_conf, notice_out, fault);
}

static void
on_record_change(void *context, bool is_up, const char *words)
{
	struct daemon *daemon = context;

	log_event(daemon->services.log, LOG_LEVEL_WARNING,
	    is_up ? "store_record_up" : "store_record_away", "%s", words);
}

/* What counts while the store is away. Beside Redis it is a file, so that a
 * restart forgets nothing; where that fails too there is memory left. */
static struct store *
open_local(struct daemon *daemon, const struct conf *conf, struct fault *fault)
{
	const struct guard_rules rules = {
		.has_local = true,
		.local_share = 100,
		.retry_ms = FILE_RETRY_MS,
		.on_change = on_record_change,
		.on_change_context = daemon,
	};
	struct store *memory = stores_open_memory(fault);
	struct store *local;

	if (memory == NULL || conf->store.backend != STORE_REDIS)
		return memory;
	local = store_guard_open(open_record, daemon, memory, &rules);
	if (local == NULL)
		fault_memory(fault);
	return local;
}

static bool
open_guard(struct daemon *daemon, const struct conf *conf, struct fault *fault)
{
	struct guard_rules rules = {
		.has_local = conf->store.on_failure == ON_FAILURE_LOCAL,
		.local_share = conf->store.local_share,
		.retry_ms = conf->store.backend == STORE_REDIS ? REDIS_RETRY_MS
							       : FILE_RETRY_MS,
		.on_change = on_store_change,
		.on_change_context = daemon,
	};
	struct store *local = NULL;

	if (rules.has_local) {
		local = open_local(daemon, conf, fault);
		if (local == NULL)
			return false;
	}
	daemon->services.store =
	    store_guard_open(open_store, daemon, local, &rules);
	if (daemon->services.store == NULL)
		fault_memory(fault);
	return daemon->services.store != NULL;
}

/* What -t would have said, once. */
static void
log_warnings(struct daemon *daemon, const struct conf *conf)
{
	for (size_t i = 0; i < conf->warning_count; i++)
		log_event(daemon->services.log, LOG_LEVEL_WARNING,
		    "configuration", "%s", conf->warnings[i]);
}

/* What needs root: directories, sockets, and then to be root no more. */
static bool
open_privileged(
    struct daemon *daemon, const struct conf *conf, struct fault *fault)
{
	struct identity *identity = &daemon->identity;

	if (!stores_check(conf, fault))
		return false;
	if (!listen_find_user(conf->user, identity, fault)) {
		fault_prefix(fault, "%s: ", conf_where(conf, "", "user"));
		return false;
	}
	if (!listen_make_directory(conf->store.path, 0700, identity, fault)) {
		fault_prefix(fault, "%s: ", conf_where(conf, "store", "path"));
		return false;
	}
	daemon->milter_fd = listen_open(conf, identity, fault);
	if (daemon->milter_fd < 0) {
		fault_prefix(fault, "%s: ", conf_where(conf, "", "listen"));
		return false;
	}
	if (*conf->control != '\0') {
		daemon->control_fd =
		    listen_control(conf->control, identity, fault);
		if (daemon->control_fd < 0) {
			fault_prefix(
			    fault, "%s: ", conf_where(conf, "", "control"));
			return false;
		}
	}
	return listen_become(identity, conf->user, fault);
}

static bool
open_services(struct daemon *daemon, struct conf *conf, struct fault *fault)
{
	struct services *services = &daemon->services;

	services->metrics = &daemon->metrics;
	services->log = log_open(&conf->log, fault);
	if (services->log == NULL) {
		fault_prefix(fault, "%s: ", conf_where(conf, "log", "target"));
		return false;
	}
	log_warnings(daemon, conf);
	services->refusals = refusals_open(REFUSALS);
	services->gate = gate_open(conf->max_busy);
	services->waiting = gate_open(DNS_WAITERS);
	daemon->file = strdup(conf->file);
	daemon->store_conf = conf_hold(conf);
	if (!stores_open_pool(conf, &daemon->map_pool, fault))
		return false;
	services->tables = tables_open(MAP_ANSWERS, daemon->map_pool);
	services->key_tables = tables_open(KEY_ANSWERS, daemon->map_pool);
	services->keys =
	    keys_open((size_t)conf->key_cache, services->key_tables);
	services->verify_library = verify_library_open(fault);
	if (services->verify_library == NULL
	    || !resolving_open(
		conf, &services->suffixes, &services->resolver, fault))
		return false;
	if (services->refusals == NULL || services->keys == NULL
	    || services->gate == NULL || services->waiting == NULL
	    || daemon->file == NULL || services->tables == NULL
	    || services->key_tables == NULL) {
		fault_memory(fault);
		return false;
	}
	return open_guard(daemon, conf, fault);
}

/* Each connection of the MTA is a descriptor, and libmilter without one left
 * turns in circles. */
static void
raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static bool
open_pipe(struct daemon *daemon, struct fault *fault)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
		fault_set(fault, FAULT_TEMPORARY, "pipe: %s", strerror(errno));
		return false;
	}
	daemon->wake_read = ends[0];
	daemon->wake_write = ends[1];
	return signals_catch(daemon->wake_write, fault);
}

static bool
open_snapshot(struct daemon *daemon, struct conf *conf, struct fault *fault)
{
	struct snapshot *snapshot = snapshot_open(conf, fault);

	if (snapshot == NULL)
		return false;
	snapshot_slot_init(&daemon->services.snapshots, snapshot);
	atomic_store(&daemon->loaded_s, clock_unix_s());
	return true;
}

bool
daemon_open(struct daemon *daemon, struct conf *conf, struct fault *fault)
{
	int libmilter_fd = -1;

	memset(daemon, 0, sizeof(*daemon));
	daemon->milter_fd = daemon->control_fd = -1;
	daemon->wake_read = daemon->wake_write = -1;
	daemon->started_us = clock_monotonic_us();
	pthread_mutex_init(&daemon->reloading, NULL);
	raise_descriptors();
	if (!open_pipe(daemon, fault) || !open_privileged(daemon, conf, fault)
	    || !open_services(daemon, conf, fault)) {
		conf_release(&conf);
	} else if (open_snapshot(daemon, conf, fault)) {
		libmilter_fd = fcntl(daemon->milter_fd, F_DUPFD_CLOEXEC, 0);
		if (callbacks_register(&daemon->services, libmilter_fd, fault))
			return true;
	}
	daemon_close(daemon);
	return false;
}

static void *
serve_milter(void *context)
{
	struct daemon *daemon = context;
	char octet = SIGNALS_MILTER_ENDED;
	ssize_t ignored;

	callbacks_serve();
	ignored = write(daemon->wake_write, &octet, 1);
	(void)ignored;
	return NULL;
}

static void *
serve_control(void *context)
{
	control_serve(context);
	return NULL;
}

static void
tend_services(struct daemon *daemon)
{
	store_tend(daemon->services.store);
	if (daemon->map_pool != NULL)
		redis_pool_tend(daemon->map_pool);
	tables_tend(daemon->services.tables);
	tables_tend(daemon->services.key_tables);
	watching_look(&daemon->watching, &daemon->services);
}

static void *
tend(void *context)
{
	struct daemon *daemon = context;
	struct services *services = &daemon->services;
	uint64_t known = 0;
	uint64_t epoch;

	(void)store_epoch(services->store, &known, NULL);
	watching_look(&daemon->watching, services);
	for (unsigned round = 1; !atomic_load(&daemon->is_ending); round++) {
		(void)poll(NULL, 0, EPOCH_MS);
		if (round % TEND_EVERY == 0)
			tend_services(daemon);
		if (store_epoch(services->store, &epoch, NULL)
		    && epoch != known) {
			refusals_clear(services->refusals);
			known = epoch;
		}
	}
	return NULL;
}

static void
warn_of_egress(struct daemon *daemon, const struct egress *egress,
    uint64_t timeout_ms, struct arena *arena)
{
	struct resolver_asker *asker =
	    resolver_begin(daemon->services.resolver, timeout_ms);
	struct fcrdns found;

	if (asker != NULL && fcrdns_check(asker, egress, arena, &found)
	    && found.state == FCRDNS_BAD)
		log_event(daemon->services.log, LOG_LEVEL_WARNING, "egress",
		    "%s", found.words);
	resolver_end(&asker);
}

/* What receivers see of the egress addresses is said once at start: many
 * refuse mail from one without a name. Nothing waits for it. */
static void *
look_at_egress(void *context)
{
	struct daemon *daemon = context;
	struct snapshot *snapshot =
	    snapshot_slot_hold(&daemon->services.snapshots);
	const struct conf *conf = snapshot->conf;
	struct arena arena;

	for (size_t i = 0;
	     i < conf->egress_count && !atomic_load(&daemon->is_ending); i++) {
		arena_init(&arena, EGRESS_ARENA_BYTES);
		warn_of_egress(
		    daemon, &conf->egress[i], conf->dns.timeout_ms, &arena);
		arena_clear(&arena);
	}
	snapshot_release(&snapshot);
	return NULL;
}

/* libmilter's thread is never waited for, see daemon_run(). */
static bool
start_milter(struct daemon *daemon, const pthread_attr_t *attributes)
{
	pthread_t thread;

	return pthread_create(&thread, attributes, serve_milter, daemon) == 0
	    && pthread_detach(thread) == 0;
}

static bool
start_threads(struct daemon *daemon)
{
	pthread_attr_t attributes;
	bool is_started;

	if (!signals_attributes(&attributes, NULL))
		return false;
	daemon->has_tender_thread =
	    pthread_create(&daemon->tender_thread, &attributes, tend, daemon)
	    == 0;
	daemon->has_control_thread = daemon->control_fd >= 0
	    && pthread_create(
		   &daemon->control_thread, &attributes, serve_control, daemon)
		== 0;
	daemon->has_egress_thread = pthread_create(&daemon->egress_thread,
					&attributes, look_at_egress, daemon)
	    == 0;
	is_started = daemon->has_tender_thread && daemon->has_egress_thread
	    && (daemon->has_control_thread || daemon->control_fd < 0)
	    && start_milter(daemon, &attributes);
	pthread_attr_destroy(&attributes);
	return is_started;
}

static void
end_threads(struct daemon *daemon)
{
	atomic_store(&daemon->is_ending, true);
	if (daemon->has_tender_thread)
		pthread_join(daemon->tender_thread, NULL);
	if (daemon->has_control_thread)
		pthread_join(daemon->control_thread, NULL);
	if (daemon->has_egress_thread)
		pthread_join(daemon->egress_thread, NULL);
}

/* The next octet of the pipe, or 0 after wait_ms (-1: no end). */
static int
wait_for_signal(struct daemon *daemon, int wait_ms)
{
	struct pollfd waiting = { .fd = daemon->wake_read, .events = POLLIN };
	char octet;

	if (poll(&waiting, 1, wait_ms) > 0
	    && read(daemon->wake_read, &octet, 1) == 1)
		return octet;
	return 0;
}

/* New messages are put off; those that have begun may end. */
static void
drain(struct daemon *daemon)
{
	uint64_t until_ms = clock_monotonic_ms() + DAEMON_DRAIN_MS;
	int octet = 0;

	atomic_store(&daemon->services.is_stopping, true);
	while (octet != SIGNALS_STOP && octet != SIGNALS_MILTER_ENDED
	    && clock_monotonic_ms() < until_ms
	    && atomic_load(&daemon->metrics.messages_under_way) > 0)
		octet = wait_for_signal(daemon, 20);
}

/* The log says all there is to say. */
static void
reload_by_signal(struct daemon *daemon)
{
	struct conf_errors errors;
	struct conf_errors warnings;

	(void)daemon_reload(daemon, &errors, &warnings);
	conf_errors_clear(&errors);
	conf_errors_clear(&warnings);
}

bool
daemon_run(struct daemon *daemon)
{
	struct log *log = daemon->services.log;
	int octet = 0;

	if (!start_threads(daemon)) {
		log_event(log, LOG_LEVEL_ERROR, "start", "no more threads");
		end_threads(daemon);
		return false;
	}
	log_event(
	    log, LOG_LEVEL_INFO, "ready", "postern %s serves", PACKAGE_VERSION);
	(void)sd_notify(0, "READY=1");
	while (octet != SIGNALS_STOP && octet != SIGNALS_MILTER_ENDED) {
		octet = wait_for_signal(daemon, -1);
		if (octet == SIGNALS_RELOAD) {
			(void)sd_notify(0, "RELOADING=1");
			reload_by_signal(daemon);
			(void)sd_notify(0, "READY=1");
		}
	}
	(void)sd_notify(0, "STOPPING=1");
	log_event(log, LOG_LEVEL_INFO, "stopping", "%zu messages under way",
	    (size_t)atomic_load(&daemon->metrics.messages_under_way));
	if (octet == SIGNALS_STOP)
		drain(daemon);
	/* libmilter stays in smfi_main() until the process ends: asked to stop,
	 * it would destroy locks that its other threads still use, and take up
	 * to 5 seconds for it. No callback does anything any more. */
	callbacks_end();
	end_threads(daemon);
	log_event(log, LOG_LEVEL_INFO, "stopped", "%zu messages cut off",
	    (size_t)atomic_load(&daemon->metrics.messages_under_way));
	return octet == SIGNALS_STOP;
}

static void
close_socket(int *fd)
{
	if (*fd < 0)
		return;
	listen_remove(*fd);
	close(*fd);
	*fd = -1;
}

void
daemon_close(struct daemon *daemon)
{
	struct services *services = &daemon->services;

	close_socket(&daemon->milter_fd);
	close_socket(&daemon->control_fd);
	if (services->snapshots.current != NULL)
		snapshot_slot_clear(&services->snapshots);
	store_close(&services->store);
	keys_close(&services->keys);
	refusals_close(&services->refusals);
	gate_close(&services->gate);
	gate_close(&services->waiting);
	log_close(&services->log);
	tables_close(&services->tables);
	tables_close(&services->key_tables);
	verify_library_close(&services->verify_library);
	resolving_close(&services->suffixes, &services->resolver);
	redis_pool_close(&daemon->map_pool);
	conf_release(&daemon->store_conf);
	free(daemon->file);
	daemon->file = NULL;
	pthread_mutex_destroy(&daemon->reloading);
}

/* What a reload has to say beside what is wrong. */
struct remark {
	struct daemon *daemon;
	struct conf_errors *warnings;
};

static void
warn(void *context, const char *words)
{
	const struct remark *remark = context;

	log_event(remark->daemon->services.log, LOG_LEVEL_WARNING, "reload",
	    "%s", words);
	conf_errors_add(remark->warnings, "%s", words);
}

/* It is in force, but not all of it, or not as it may be meant. */
static void
warn_of(struct daemon *daemon, const struct conf *conf,
    struct conf_errors *warnings)
{
	struct remark remark = { daemon, warnings };

	snapshot_list_waiting(conf, daemon->store_conf, warn, &remark);
	log_warnings(daemon, conf);
	for (size_t i = 0; i < conf->warning_count; i++)
		conf_errors_add(warnings, "%s", conf->warnings[i]);
}

/* Make what the new configuration needs, and only then put it in force. */
static bool
swap(struct daemon *daemon, struct conf *conf, struct conf_errors *warnings,
    struct fault *fault)
{
	struct services *services = &daemon->services;
	struct snapshot *next = NULL;

	if (stores_check(conf, fault))
		next = snapshot_open(conf, fault);
	else
		conf_release(&conf);
	if (next == NULL)
		return false;
	if (!log_reopen(services->log, &conf->log, fault)) {
		fault_prefix(fault, "%s: ", conf_where(conf, "log", "target"));
		snapshot_release(&next);
		return false;
	}
	warn_of(daemon, conf, warnings);
	gate_resize(services->gate, conf->max_busy);
	snapshot_slot_swap(&services->snapshots, next);
	refusals_clear(services->refusals);
	tables_forget(services->tables);
	tables_forget(services->key_tables);
	keys_forget(services->keys);
	resolver_forget(services->resolver);
	atomic_store(&daemon->loaded_s, clock_unix_s());
	return true;
}

bool
daemon_reload(struct daemon *daemon, struct conf_errors *errors_out,
    struct conf_errors *warnings_out)
{
	struct services *services = &daemon->services;
	struct conf *conf;
	struct fault fault;
	bool is_done;

	*warnings_out = (struct conf_errors){ NULL, 0 };
	pthread_mutex_lock(&daemon->reloading);
	conf = conf_read(daemon->file, errors_out);
	is_done = conf != NULL && swap(daemon, conf, warnings_out, &fault);
	if (conf != NULL && !is_done)
		conf_errors_add(errors_out, "%s", fault.words);
	for (size_t i = 0; i < errors_out->count; i++)
		log_event(services->log, LOG_LEVEL_ERROR, "reload_failed", "%s",
		    errors_out->lines[i]);
	if (is_done)
		log_event(services->log, LOG_LEVEL_INFO, "reload",
		    "%s is in force", daemon->file);
	else
		log_event(services->log, LOG_LEVEL_ERROR, "reload_failed",
		    "the configuration that was in force stays");
	atomic_fetch_add(is_done ? &daemon->metrics.reloads
				 : &daemon->metrics.reload_failures,
	    1);
	pthread_mutex_unlock(&daemon->reloading);
	return is_done;
}
