#include "milter/ctl/rotate_world.h"

#include "milter/ctl/rotate_publish.h"
#include "milter/ctl/rotate_servers.h"
#include "milter/io/clock.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum { KEY_DOMAINS = 64, US_PER_S = 1000000 };

static uint64_t
now_s(void *context)
{
	(void)context;
	return clock_unix_s();
}

/* Sleep till it is the turn of the caller's domain. */
static void
pace(void *context)
{
	struct rotate_world *world = context;
	uint64_t now_us = clock_monotonic_us(), turn_us;
	struct timespec wait;

	if (world->pace_us == 0)
		return;
	(void)pthread_mutex_lock(&world->lock);
	turn_us = world->turn_us > now_us ? world->turn_us : now_us;
	world->turn_us = turn_us + world->pace_us;
	(void)pthread_mutex_unlock(&world->lock);
	wait.tv_sec = (time_t)((turn_us - now_us) / US_PER_S);
	wait.tv_nsec = (long)((turn_us - now_us) % US_PER_S) * 1000;
	while (nanosleep(&wait, &wait) != 0 && errno == EINTR)
		continue;
}

static bool
check(void *context, const struct rotation *rotation,
    const struct rotate_record *record, struct arena *arena,
    struct rotate_finding *finding_out, struct fault *fault)
{
	const struct rotate_world *world = context;

	return rotate_check(&world->checker, record, rotation->servers,
	    rotation->server_count, arena, finding_out, fault);
}

/* The zone that the record is in; NULL: not known. */
static const char *
find_zone(const struct rotate_world *world, const struct rotate_record *record,
    struct arena *arena)
{
	struct rotate_zone *zone = arena_alloc(arena, sizeof(*zone));
	struct resolver_asker *asker;
	struct fault ignored;
	bool is_found;

	asker = asking_begin(&world->asking);
	if (zone == NULL || asker == NULL) {
		resolver_end(&asker);
		return NULL;
	}
	is_found =
	    rotate_servers_find(asker, record->domain, arena, zone, &ignored);
	resolver_end(&asker);
	return is_found ? zone->name : NULL;
}

/* What nsupdate adds beside an alias is dropped without a word; whoever has an
 * alias there is to publish where it leads. */
static bool
is_alias(const struct rotate_record *record,
    const struct rotate_finding *finding, struct fault *fault)
{
	if (dns_equal(finding->owner, record->name))
		return false;
	fault_set(fault, FAULT_PERMANENT,
	    "%s is an alias of %s: publish the record there by hand (cancel, "
	    "then --publish print), or remove the alias",
	    record->name, finding->owner);
	return true;
}

static bool
publish_nsupdate(const struct rotate_world *world,
    const struct rotation *rotation, const struct rotate_record *record,
    bool is_added, struct arena *arena, struct fault *fault)
{
	struct rotate_finding *finding = arena_alloc(arena, sizeof(*finding));
	const char *zone = NULL;

	if (finding == NULL) {
		fault_memory(fault);
		return false;
	}
	if (rotate_check(&world->checker, record, rotation->servers,
		rotation->server_count, arena, finding, fault)) {
		zone = finding->zone;
		if (is_added && is_alias(record, finding, fault))
			return false;
		if (!dns_equal(finding->owner, record->name))
			zone = NULL;
	} else if (fault->kind == FAULT_PERMANENT) {
		/* There is no zone: nothing to add to, or to remove from. */
		return !is_added;
	}
	if (zone == NULL)
		zone = find_zone(world, record, arena);
	return rotate_publish(ROTATE_NSUPDATE, &world->conf->rotate, record,
	    zone, is_added, arena, fault);
}

static bool
publish(void *context, const struct rotation *rotation, enum rotate_way way,
    const struct rotate_record *record, bool is_added, struct arena *arena,
    struct fault *fault)
{
	const struct rotate_world *world = context;

	/* Of a rotation that began when the configuration was another. */
	if (!rotate_publish_can(way, world->conf, fault))
		return false;
	if (way == ROTATE_NSUPDATE)
		return publish_nsupdate(
		    world, rotation, record, is_added, arena, fault);
	return rotate_publish(
	    way, &world->conf->rotate, record, NULL, is_added, arena, fault);
}

/* Nothing is ever there, so only tables and maps are looked into. */
static const char *
no_directory(const char *keys, struct arena *arena)
{
	return arena_printf(arena, "%s/.rotate/.none", keys);
}

static bool
has_elsewhere(void *context, const char *domain)
{
	const struct rotate_world *world = context;
	struct key_places places = world->conf->sign.places;
	struct arena arena;
	bool has;

	if (*places.key_table == '\0' && places.map == NULL)
		return false;
	arena_init(&arena, 2 * DNS_NAME_OCTETS + 65536);
	places.directory = no_directory(places.directory, &arena);
	/* Better not to begin than to put a file before a key that signs. */
	has =
	    places.directory == NULL || keys_has(world->keys, &places, domain);
	arena_clear(&arena);
	return has;
}

bool
rotate_world_open(struct rotate_world *world, const struct conf *conf,
    uint64_t rate, struct rotate_tools *tools_out, struct fault *fault)
{
	*world = (struct rotate_world){ .conf = conf,
		.pace_us = rate > 0 ? US_PER_S / rate : 0,
		.lock = PTHREAD_MUTEX_INITIALIZER };
	*tools_out = rotate_world_look(conf);
	tools_out->context = world;
	tools_out->check = check;
	tools_out->publish = publish;
	tools_out->pace = pace;
	tools_out->has_elsewhere = has_elsewhere;
	world->is_asking = true;
	if (!asking_open(&world->asking, conf, fault))
		return false;
	world->asker = rotate_asker_open();
	world->keys = keys_open(KEY_DOMAINS, world->asking.tables);
	world->checker = (struct rotate_checker){ .asking = &world->asking,
		.asker = world->asker,
		.timeout_ms = ROTATE_ASK_MS };
	if (world->asker != NULL && world->keys != NULL)
		return true;
	fault_memory(fault);
	return false;
}

struct rotate_tools
rotate_world_look(const struct conf *conf)
{
	return (struct rotate_tools){
		.keys = conf->sign.places.directory,
		.now_s = now_s,
		.retire_after_s = conf->rotate.retire_after_s,
	};
}

void
rotate_world_close(struct rotate_world *world)
{
	keys_close(&world->keys);
	rotate_asker_close(&world->asker);
	if (world->is_asking)
		asking_close(&world->asking);
	world->is_asking = false;
}
