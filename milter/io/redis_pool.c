#include "milter/io/redis_pool.h"

#include "milter/io/clock.h"
#include "milter/io/redis_answer.h"
#include "milter/io/redis_link.h"
#include "milter/io/redis_links.h"
#include "milter/io/redis_login.h"
#include "milter/io/redis_names.h"
#include "milter/io/redis_route.h"
#include "milter/io/redis_slot.h"
#include "milter/io/redis_tls.h"
#include "milter/io/secret_file.h"
#include "policy/arena.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	ARENA_BYTES = 65536,
	IDLE_US = 60000000,
	HOPS_MAX = 5, /* MOVED and ASK that one command follows */
	PAUSE_FIRST_US = 2000,
	PAUSE_LAST_US = 50000,
	NAMES_US = 2000000, /* most that opening waits for the resolver */
};

struct redis_pool {
	struct arena arena; /* copies of what was given */
	struct redis_place place;
	uint64_t timeout_us;
	struct redis_names *names;
	struct redis_tls *tls; /* NULL: plain */
	struct redis_route *route;
	struct redis_links *links;
};

/* One command on its way. */
struct trip {
	struct redis_pool *pool;
	int count;
	const char *const *words;
	const size_t *lengths;
	uint64_t deadline_us;
	int slot;
	struct redis_node node;
	bool is_sent_on; /* node is where ASK said, for this time only */
	bool has_reconnected;
	unsigned lost; /* nodes that didn't answer */
	unsigned hops;
	uint64_t pause_us;
	bool is_unsent;
	struct fault fault;
	struct redisReply *answer;
};

/* How a try ended. */
enum leg { LEG_DONE, LEG_AGAIN, LEG_FAILED };

bool
redis_pool_has_tls(void)
{
	return redis_tls_is_built_in();
}

static bool
copy_text(struct arena *arena, const char **text)
{
	*text = arena_strdup(arena, *text != NULL ? *text : "");
	return *text != NULL;
}

static bool
copy_place(struct redis_pool *pool, const struct redis_place *place)
{
	struct redis_place *copy = &pool->place;
	bool is_good;

	*copy = *place;
	is_good = copy_text(&pool->arena, &copy->shown)
	    && copy_text(&pool->arena, &copy->user)
	    && copy_text(&pool->arena, &copy->path)
	    && copy_text(&pool->arena, &copy->master);
	for (size_t i = 0; is_good && i < copy->host_count; i++)
		is_good = copy_text(&pool->arena, &copy->hosts[i].name);
	return is_good;
}

/* A file that can't be read now is better known at the start. */
static bool
check_password(const char *path, struct fault *fault)
{
	char password[SECRET_LINE_BYTES];

	if (path[0] == '\0')
		return true;
	if (!secret_file_read(path, password, fault))
		return false;
	secret_file_wipe(password);
	return true;
}

static bool
open_parts(struct redis_pool *pool, const struct redis_pool_rules *rules,
    struct fault *fault)
{
	struct redis_links_rules links = {
		.login = { .user = pool->place.user,
		    .password_file = rules->password_file,
		    .database = pool->place.database },
		.is_for_master = pool->place.kind == REDIS_SENTINEL,
		.has_others = pool->place.kind >= REDIS_SENTINEL,
		.links_max = rules->links_max > 0 ? rules->links_max : 1,
	};

	if (!copy_text(&pool->arena, &links.login.password_file)) {
		fault_memory(fault);
		return false;
	}
	if (!check_password(links.login.password_file, fault))
		return false;
	if (pool->place.is_tls) {
		pool->tls = redis_tls_open(fault);
		if (pool->tls == NULL)
			return false;
		links.login.tls = pool->tls;
	}
	pool->names = redis_names_open();
	if (pool->names != NULL)
		pool->links = redis_links_open(&links, pool->names);
	if (pool->links == NULL) {
		fault_memory(fault);
		return false;
	}
	pool->route =
	    redis_route_open(&pool->place, pool->names, &links.login, fault);
	return pool->route != NULL;
}

struct redis_pool *
redis_pool_open(const struct redis_place *place,
    const struct redis_pool_rules *rules, struct fault *fault)
{
	struct redis_pool *pool = calloc(1, sizeof(*pool));

	if (pool == NULL) {
		fault_memory(fault);
		return NULL;
	}
	arena_init(&pool->arena, ARENA_BYTES);
	pool->timeout_us = rules->timeout_ms * 1000;
	if (!copy_place(pool, place))
		fault_memory(fault);
	else if (!open_parts(pool, rules, fault))
		fault_prefix(fault, "%s: ", pool->place.shown);
	else {
		redis_names_refresh(pool->names,
		    pool->timeout_us < NAMES_US ? pool->timeout_us : NAMES_US);
		return pool;
	}
	redis_pool_close(&pool);
	return NULL;
}

void
redis_pool_close(struct redis_pool **pool)
{
	if (*pool == NULL)
		return;
	redis_links_close(&(*pool)->links);
	redis_route_close(&(*pool)->route);
	redis_tls_close(&(*pool)->tls);
	redis_names_close(&(*pool)->names);
	arena_clear(&(*pool)->arena);
	free(*pool);
	*pool = NULL;
}

uint64_t
redis_pool_timeout_ms(const struct redis_pool *pool)
{
	return pool->timeout_us / 1000;
}

const char *
redis_pool_name(const struct redis_pool *pool)
{
	return pool->place.shown;
}

void
redis_pool_tend(struct redis_pool *pool)
{
	redis_names_refresh(pool->names, 0);
	redis_route_tend(pool->route, clock_monotonic_us() + pool->timeout_us);
	redis_links_prune(pool->links, NULL, IDLE_US);
}

/* Sleep, longer each time. False: not in time. */
static bool
pause_for(struct trip *trip)
{
	uint64_t us = trip->pause_us;
	struct timespec time = { .tv_nsec = (long)us * 1000 };

	if (clock_monotonic_us() + us >= trip->deadline_us)
		return false;
	trip->pause_us = us * 2 < PAUSE_LAST_US ? us * 2 : PAUSE_LAST_US;
	(void)nanosleep(&time, NULL);
	return true;
}

/* The node wasn't there, and the command isn't with it: is there another? */
static enum leg
node_lost(struct trip *trip)
{
	unsigned others = redis_route_doubt(trip->pool->route, &trip->node);

	trip->is_sent_on = false;
	if (trip->lost >= others || clock_monotonic_us() >= trip->deadline_us)
		return LEG_FAILED;
	trip->lost++;
	return LEG_AGAIN;
}

/* A link broke. The command is sent again only if nothing of it has left: the
 * server may have closed the link just then. */
static enum leg
link_lost(struct trip *trip)
{
	enum leg leg = node_lost(trip);

	if (!trip->is_unsent || trip->fault.kind != FAULT_TEMPORARY)
		return LEG_FAILED;
	if (leg == LEG_AGAIN || trip->has_reconnected)
		return leg;
	trip->has_reconnected = true;
	return LEG_AGAIN;
}

/* It isn't the master, or isn't ready. Links to it that others made are no
 * better, but a new one may lead elsewhere: an address may have moved on. */
static enum leg
node_wrong(struct trip *trip, struct redis_link *link)
{
	struct redis_links *links = trip->pool->links;

	fault_set(&trip->fault, FAULT_TEMPORARY, "%s", trip->answer->str);
	redis_links_drop(links, &link);
	redis_links_prune(links, &trip->node, 0);
	(void)redis_route_doubt(trip->pool->route, &trip->node);
	trip->is_sent_on = false;
	if (trip->has_reconnected)
		return LEG_FAILED;
	trip->has_reconnected = true;
	return LEG_AGAIN;
}

static enum leg
node_moved(struct trip *trip, enum redis_answer_kind kind, unsigned slot,
    const struct redis_node *node)
{
	fault_set(&trip->fault, FAULT_TEMPORARY,
	    "sent from node to node too often: %s", trip->answer->str);
	if (trip->pool->place.kind != REDIS_CLUSTER) {
		fault_set(&trip->fault, FAULT_PERMANENT,
		    "it is a node of a cluster: write redis+cluster:// (%s)",
		    trip->answer->str);
		return LEG_FAILED;
	}
	if (trip->hops++ >= HOPS_MAX)
		return LEG_FAILED;
	trip->is_sent_on = kind == REDIS_ANSWER_ASK;
	if (kind == REDIS_ANSWER_MOVED) {
		redis_route_learn(trip->pool->route, slot, node);
		trip->slot = (int)slot;
	}
	trip->node = *node;
	return LEG_AGAIN;
}

/* Nobody has the slot, or it is on its way to another node. */
static enum leg
node_busy(struct trip *trip, enum redis_answer_kind kind)
{
	fault_set(&trip->fault, FAULT_TEMPORARY, "%s", trip->answer->str);
	trip->is_sent_on = false;
	if (kind == REDIS_ANSWER_DOWN) {
		(void)redis_route_doubt(trip->pool->route, &trip->node);
		if (trip->hops++ >= HOPS_MAX)
			return LEG_FAILED;
	}
	return pause_for(trip) ? LEG_AGAIN : LEG_FAILED;
}

static void
set_refused(struct trip *trip)
{
	const struct redis_place *place = &trip->pool->place;

	fault_set(&trip->fault, FAULT_PERMANENT,
	    "user \"%s\": %s: let it log in (password_file) and give it "
	    "the permission (ACL SETUSER)",
	    place->user[0] != '\0' ? place->user : "default",
	    trip->answer->str);
}

/* What the answer is, where it isn't the command's own. The link is put back
 * or dropped. */
static enum leg
judge(struct trip *trip, struct redis_link *link)
{
	struct redis_links *links = trip->pool->links;
	struct redis_node node;
	unsigned slot = 0;
	enum redis_answer_kind kind =
	    redis_answer_kind(trip->answer, &trip->node, &slot, &node);

	if (kind == REDIS_ANSWER_WRONG)
		return node_wrong(trip, link);
	if (kind == REDIS_ANSWER_FULL) {
		fault_set(
		    &trip->fault, FAULT_TEMPORARY, "%s", trip->answer->str);
		redis_links_drop(links, &link);
		return LEG_FAILED;
	}
	redis_links_put(links, &link);
	switch (kind) {
	case REDIS_ANSWER_MOVED:
	case REDIS_ANSWER_ASK:
		return node_moved(trip, kind, slot, &node);
	case REDIS_ANSWER_AGAIN:
	case REDIS_ANSWER_DOWN:
		return node_busy(trip, kind);
	case REDIS_ANSWER_REFUSED:
		set_refused(trip);
		return LEG_FAILED;
	default:
		return LEG_DONE;
	}
}

/* ASKING lets the next command in where the slot is on its way to. */
static bool
say_asking(struct trip *trip, struct redis_link *link)
{
	const char *const words[1] = { "ASKING" };
	const size_t lengths[1] = { 6 };
	bool is_unsent;
	struct redisReply *answer = redis_link_command(link, 1, words, lengths,
	    trip->deadline_us, &is_unsent, &trip->fault);

	freeReplyObject(answer);
	return answer != NULL;
}

static enum leg
go(struct trip *trip)
{
	struct redis_pool *pool = trip->pool;
	struct redis_link *link;
	bool is_node_bad;

	link = redis_links_take(pool->links, &trip->node, trip->deadline_us,
	    &is_node_bad, &trip->fault);
	if (link == NULL)
		return is_node_bad && trip->fault.kind == FAULT_TEMPORARY
		    ? node_lost(trip)
		    : LEG_FAILED;
	if (!trip->is_sent_on || say_asking(trip, link))
		trip->answer = redis_link_command(link, trip->count,
		    trip->words, trip->lengths, trip->deadline_us,
		    &trip->is_unsent, &trip->fault);
	if (trip->answer != NULL)
		return judge(trip, link);
	redis_links_drop(pool->links, &link);
	return link_lost(trip);
}

/* Words begin with the URL, and with the node where it isn't the URL's. */
static void
set_fault(const struct trip *trip, struct fault *fault)
{
	char shown[REDIS_NODE_SHOWN_BYTES];

	if (fault == NULL)
		return;
	*fault = trip->fault;
	if (trip->pool->place.kind >= REDIS_SENTINEL
	    && trip->node.host[0] != '\0') {
		redis_node_show(&trip->node, shown);
		fault_prefix(fault, "%s: ", shown);
	}
	fault_prefix(fault, "%s: ", trip->pool->place.shown);
}

/* Try until it is done or there is nothing left to try. */
static void
run(struct trip *trip)
{
	enum leg leg = LEG_AGAIN;

	while (leg == LEG_AGAIN) {
		freeReplyObject(trip->answer);
		trip->answer = NULL;
		/* Whoever had it refused it. */
		trip->is_unsent = true;
		if (!trip->is_sent_on
		    && !redis_route_find(trip->pool->route, trip->slot,
			trip->deadline_us, &trip->node, &trip->fault)) {
			trip->node.host[0] = '\0';
			return;
		}
		leg = go(trip);
	}
	if (leg == LEG_DONE)
		return;
	/* An answer that isn't given on says that nothing was done. */
	if (trip->answer != NULL)
		trip->is_unsent = true;
	freeReplyObject(trip->answer);
	trip->answer = NULL;
}

struct redisReply *
redis_pool_command(struct redis_pool *pool, const char *key, int count,
    const char *const *words, const size_t *lengths, bool *is_unsent_out,
    struct fault *fault)
{
	struct trip trip = {
		.pool = pool,
		.count = count,
		.words = words,
		.lengths = lengths,
		.deadline_us = clock_monotonic_us() + pool->timeout_us,
		.slot = REDIS_SLOT_ANY,
		.pause_us = PAUSE_FIRST_US,
		.is_unsent = true,
	};

	if (pool->place.kind == REDIS_CLUSTER && key != NULL)
		trip.slot = (int)redis_slot(key);
	run(&trip);
	if (trip.answer == NULL)
		set_fault(&trip, fault);
	if (is_unsent_out != NULL)
		*is_unsent_out = trip.answer == NULL && trip.is_unsent;
	return trip.answer;
}
