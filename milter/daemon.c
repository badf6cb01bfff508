#include "milter/daemon.h"

#include "milter/callbacks.h"
#include "milter/control.h"
#include "milter/io/clock.h"
#include "milter/io/store_guard.h"
#include "milter/io/store_lmdb.h"
#include "milter/io/store_memory.h"
#include "milter/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

enum {
	REFUSALS = 100000,   /* accounts remembered to be over a limit */
	KEY_DOMAINS = 4096,  /* domains whose keys are kept ready */
	LOCAL_KEYS = 100000, /* counts kept while the store is away */
	STORE_RETRY_MS = 5000,
	TEND_MS = 1000,
};

static struct store *
open_store(void *context, struct fault *notice_out, struct fault *fault)
{
	const struct daemon *daemon = context;

	return store_lmdb_open(
	    daemon->store_path, daemon->store_size_bytes, notice_out, fault);
}

static void
on_store_change(void *context, bool is_up, const char *words)
{
	struct daemon *daemon = context;

	log_event(daemon->services.log,
	    is_up ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR,
	    is_up ? "store_up" : "store_away", "%s", words);
}

static bool
open_guard(struct daemon *daemon, const struct conf *conf, struct fault *fault)
{
	struct guard_rules rules = {
		.has_local = conf->store.on_failure == ON_FAILURE_LOCAL,
		.retry_ms = STORE_RETRY_MS,
		.on_change = on_store_change,
		.on_change_context = daemon,
	};
	struct store *local = NULL;

	if (rules.has_local) {
		local = store_memory_open(LOCAL_KEYS, NULL, NULL);
		if (local == NULL) {
			fault_memory(fault);
			return false;
		}
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
	services->keys = keys_open(KEY_DOMAINS);
	services->gate = gate_open(conf->max_busy);
	daemon->file = strdup(conf->file);
	daemon->store_path = strdup(conf->store.path);
	daemon->store_size_bytes = conf->store.size_bytes;
	if (services->refusals == NULL || services->keys == NULL
	    || services->gate == NULL || daemon->file == NULL
	    || daemon->store_path == NULL) {
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

static void *
tend(void *context)
{
	struct daemon *daemon = context;
	struct services *services = &daemon->services;
	uint64_t known = 0;
	uint64_t epoch;

	(void)store_epoch(services->store, &known, NULL);
	while (!atomic_load(&daemon->is_ending)) {
		(void)poll(NULL, 0, TEND_MS);
		store_tend(services->store);
		if (store_epoch(services->store, &epoch, NULL)
		    && epoch != known) {
			refusals_clear(services->refusals);
			known = epoch;
		}
	}
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
	is_started = daemon->has_tender_thread
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

bool
daemon_run(struct daemon *daemon)
{
	struct log *log = daemon->services.log;
	struct conf_errors errors;
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
			(void)daemon_reload(daemon, &errors);
			conf_errors_clear(&errors);
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
	log_close(&services->log);
	free(daemon->file);
	free(daemon->store_path);
	daemon->file = daemon->store_path = NULL;
	pthread_mutex_destroy(&daemon->reloading);
}

/* Some things are begun with, and stay. */
static void
warn_unchanged(struct daemon *daemon, const struct conf *conf)
{
	struct snapshot *snapshot =
	    snapshot_slot_hold(&daemon->services.snapshots);
	const struct conf *now = snapshot->conf;

	if (strcmp(conf->listen, now->listen) != 0
	    || strcmp(conf->control, now->control) != 0
	    || strcmp(conf->user, now->user) != 0
	    || conf->socket_mode != now->socket_mode
	    || strcmp(conf->socket_group, now->socket_group) != 0
	    || strcmp(conf->store.path, now->store.path) != 0
	    || conf->store.size_bytes != now->store.size_bytes
	    || conf->store.on_failure != now->store.on_failure)
		log_event(daemon->services.log, LOG_LEVEL_WARNING, "reload",
		    "listen, control, user, socket_* and store take effect at "
		    "a restart");
	snapshot_release(&snapshot);
}

/* Make what the new configuration needs, and only then put it in force. */
static bool
swap(struct daemon *daemon, struct conf *conf, struct fault *fault)
{
	struct services *services = &daemon->services;
	struct snapshot *next = snapshot_open(conf, fault);

	if (next == NULL)
		return false;
	if (!log_reopen(services->log, &conf->log, fault)) {
		fault_prefix(fault, "%s: ", conf_where(conf, "log", "target"));
		snapshot_release(&next);
		return false;
	}
	warn_unchanged(daemon, conf);
	log_warnings(daemon, conf);
	gate_resize(services->gate, conf->max_busy);
	snapshot_slot_swap(&services->snapshots, next);
	refusals_clear(services->refusals);
	atomic_store(&daemon->loaded_s, clock_unix_s());
	return true;
}

bool
daemon_reload(struct daemon *daemon, struct conf_errors *errors_out)
{
	struct services *services = &daemon->services;
	struct conf *conf;
	struct fault fault;
	bool is_done;

	pthread_mutex_lock(&daemon->reloading);
	conf = conf_read(daemon->file, errors_out);
	is_done = conf != NULL && swap(daemon, conf, &fault);
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
