#include "milter/daemon.h"

#include "milter/io/clock.h"
#include "milter/io/store_guard.h"

#include <json-c/json.h>
#include <stdio.h>
#include <unistd.h>

static void
add_number(struct json_object *object, const char *key, uint64_t number)
{
	json_object_object_add(
	    object, key, json_object_new_int64((int64_t)number));
}

static struct json_object *
messages(struct metrics *metrics)
{
	struct json_object *classes = json_object_new_object();

	for (int i = 0; i < CLASS_COUNT; i++) {
		struct json_object *actions = json_object_new_object();

		for (int j = 0; j <= ACTION_REJECT; j++)
			if (j != ACTION_OBSERVE)
				add_number(actions,
				    verdict_action_name((enum action)j),
				    atomic_load(&metrics->messages[i][j]));
		json_object_object_add(
		    classes, facts_class_name((enum traffic_class)i), actions);
	}
	return classes;
}

/* What preflight found: "dmarc_fail_reject", ... */
static void
add_preflights(struct json_object *status, struct metrics *metrics)
{
	for (int i = 0; i < PREFLIGHT_RESULTS; i++) {
		char key[64];

		snprintf(key, sizeof(key), "dmarc_%s",
		    preflight_result_name((enum preflight_result)i));
		for (char *place = key; *place != '\0'; place++)
			if (*place == '-')
				*place = '_';
		add_number(status, key, atomic_load(&metrics->preflights[i]));
	}
}

static void
add_dns(struct json_object *status, struct resolver *resolver)
{
	struct resolver_counters counters = resolver_counters(resolver);

	add_number(status, "dns_asked", counters.asked);
	add_number(status, "dns_from_cache", counters.hits);
	add_number(status, "dns_lost", counters.lost);
	add_number(status, "dns_kept", counters.entries);
	add_number(status, "dns_kept_octets", counters.bytes);
}

static void
add_counters(struct json_object *status, struct metrics *metrics)
{
	json_object_object_add(status, "messages", messages(metrics));
	add_number(status, "observed", atomic_load(&metrics->observed));
	add_number(
	    status, "refused_at_mail", atomic_load(&metrics->refused_at_mail));
	add_number(status, "signatures", atomic_load(&metrics->signatures));
	add_number(
	    status, "unsigned", atomic_load(&metrics->unsigned_messages));
	add_preflights(status, metrics);
	add_number(
	    status, "limit_warnings", atomic_load(&metrics->limit_warnings));
	add_number(status, "store_faults", atomic_load(&metrics->store_faults));
	add_number(status, "key_faults", atomic_load(&metrics->key_faults));
	add_number(status, "self_checks", atomic_load(&metrics->self_checks));
	add_number(status, "self_check_differences",
	    atomic_load(&metrics->self_check_differences));
	add_number(status, "reloads", atomic_load(&metrics->reloads));
	add_number(
	    status, "reload_failures", atomic_load(&metrics->reload_failures));
	add_number(status, "connections", atomic_load(&metrics->connections));
	add_number(status, "messages_under_way",
	    atomic_load(&metrics->messages_under_way));
}

struct json_object *
daemon_status(struct daemon *daemon)
{
	struct services *services = &daemon->services;
	struct json_object *status = json_object_new_object();
	struct snapshot *snapshot;
	uint64_t since_ms;
	bool is_up;

	if (status == NULL)
		return NULL;
	snapshot = snapshot_slot_hold(&services->snapshots);
	is_up = store_guard_is_up(services->store, &since_ms);
	json_object_object_add(
	    status, "version", json_object_new_string(PACKAGE_VERSION));
	add_number(status, "pid", (uint64_t)getpid());
	add_number(status, "uptime",
	    (clock_monotonic_us() - daemon->started_us) / 1000000);
	json_object_object_add(
	    status, "configuration", json_object_new_string(daemon->file));
	add_number(status, "loaded", atomic_load(&daemon->loaded_s));
	json_object_object_add(status, "mode",
	    json_object_new_string(
		snapshot->conf->mode == MODE_OBSERVE ? "observe" : "enforce"));
	json_object_object_add(
	    status, "store", json_object_new_string(is_up ? "up" : "away"));
	add_number(
	    status, "store_since", (clock_monotonic_ms() - since_ms) / 1000);
	add_number(status, "busy", gate_busy(services->gate));
	add_number(status, "max_busy", snapshot->conf->max_busy);
	add_number(status, "remembered_refusals",
	    refusals_count(services->refusals, clock_monotonic_ms()));
	add_dns(status, services->resolver);
	add_counters(status, &daemon->metrics);
	snapshot_release(&snapshot);
	return status;
}
