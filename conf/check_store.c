#include "conf/build.h"

#include "conf/map_lines.h"
#include "conf/nearest.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRY_BYTES = 64 * 1024 };

/* An option that names a map, as the classes have it too. */
struct named_map {
	const char *section;
	const char *option;
	const struct map_source *source;
};

enum { NAMED_MAPS = 2 * CLASS_COUNT + 4 };

/* All options that name a map. */
static void
list_maps(const struct conf *conf, struct named_map maps[NAMED_MAPS])
{
	const struct map_source *keys = conf->sign.places.map;
	size_t count = 0;

	maps[count++] =
	    (struct named_map){ "senders", "map", conf->senders.map };
	maps[count++] =
	    (struct named_map){ "accounts", "map", conf->account_maps.map };
	maps[count++] =
	    (struct named_map){ "", "egress_map", conf->egress_map };
	maps[count++] = (struct named_map){ "sign", "key_map", keys };
	/* What a class has from its section is told there. */
	for (int i = 0; i < CLASS_COUNT; i++) {
		const char *section = check_class_section(i);
		const struct map_source *senders = conf->classes[i].senders.map;
		const struct map_source *own =
		    conf->classes[i].sign_conf.places.map;

		maps[count++] = (struct named_map){ section, "map",
			senders != conf->senders.map ? senders : NULL };
		maps[count++] = (struct named_map){ section, "key_map",
			own != keys ? own : NULL };
	}
	assert(count == NAMED_MAPS);
}

/* Tell of maps that live in a Redis that nothing is known of. */
static void
check_redis_maps(struct build *build, const struct named_map maps[NAMED_MAPS])
{
	for (size_t i = 0; i < NAMED_MAPS; i++) {
		struct place place =
		    build_place(build, maps[i].section, maps[i].option);

		if (maps[i].source != NULL && maps[i].source->kind == MAP_REDIS)
			problems_add(&build->problems, place.source, place.line,
			    "%s: a map in Redis needs store.url, which says "
			    "where that is",
			    maps[i].option);
	}
}

static bool
has_redis_map(const struct named_map maps[NAMED_MAPS])
{
	for (size_t i = 0; i < NAMED_MAPS; i++)
		if (maps[i].source != NULL && maps[i].source->kind == MAP_REDIS)
			return true;
	return false;
}

static void
check_redis(struct build *build)
{
	const struct store_conf *store = &build->conf->store;
	struct place backend = build_place(build, "store", "backend");
	struct place url = build_place(build, "store", "url");
	const struct written *written =
	    build_written(build->own, "store", "url");
	struct named_map maps[NAMED_MAPS];

	if (written != NULL && written->is_bad)
		return;
	list_maps(build->conf, maps);
	if (store->url == NULL && store->backend == STORE_REDIS)
		problems_add(&build->problems, backend.source, backend.line,
		    "backend: redis needs store.url, which says where that is; "
		    "write for example url = \"redis://127.0.0.1:6379/0\"");
	if (store->url == NULL)
		check_redis_maps(build, maps);
	else if (store->backend != STORE_REDIS && !has_redis_map(maps))
		problems_add(&build->warnings, url.source, url.line,
		    "url: is not used; write backend = redis, or take it "
		    "away");
}

/* Tell that an entry of accounts.map names a plan that isn't there. */
static void
complain_of_plan(struct build *build, struct place place,
    const struct map_lines *reader, const struct map_line *line,
    const char *plan)
{
	const struct limit_set *set = &build->conf->limits;
	struct problems *problems = &build->problems;
	struct nearest nearest;

	nearest_begin(&nearest, plan);
	for (size_t i = 0; i < set->plan_count; i++)
		nearest_offer(&nearest, set->plans[i].name);
	problems_add(problems, place.source, place.line,
	    "map: %s:%zu: %s: there is no plan %s%s%s%s", reader->path,
	    line->number, problems_excerpt(problems, line->key),
	    problems_excerpt(problems, plan),
	    nearest.best != NULL ? "; did you mean " : "",
	    nearest.best != NULL ? nearest.best : "",
	    nearest.best != NULL ? "?" : "");
}

/* One line of accounts.map. last_plan is the one found last: few plans have
 * many accounts, and a map may have a million lines. */
static void
check_entry(struct build *build, struct place place,
    const struct map_lines *reader, const struct map_line *line,
    struct arena *scratch, const struct plan **last_plan)
{
	bool is_case_sensitive = build->conf->accounts.is_case_sensitive;
	struct fault fault = { .kind = FAULT_NONE };
	struct account_entry entry;
	const struct plan *plan;

	if (!account_entry_parse(
		line->value, is_case_sensitive, scratch, &entry, &fault)) {
		if (fault.kind == FAULT_MEMORY)
			problems_memory(&build->problems);
		else
			problems_add(&build->problems, place.source, place.line,
			    "map: %s:%zu: %s: %s", reader->path, line->number,
			    problems_excerpt(&build->problems, line->key),
			    fault.words);
		return;
	}
	if (entry.plan == NULL
	    || (*last_plan != NULL
		&& strcmp((*last_plan)->name, entry.plan) == 0))
		return;
	plan = limits_plan(&build->conf->limits, entry.plan);
	if (plan != NULL)
		*last_plan = plan;
	else if (problems_is_full(&build->problems))
		problems_add(&build->problems, place.source, place.line,
		    "map: there is no such plan");
	else
		complain_of_plan(build, place, reader, line, entry.plan);
}

/* A texthash accounts.map is read a second time for this, since a map keeps no
 * lines. One that changed in between is judged when its entries are used. */
static void
check_entries(struct build *build, const char *path)
{
	struct place place = build_place(build, "accounts", "map");
	struct fault fault = { .kind = FAULT_NONE };
	const struct plan *last_plan = NULL;
	struct map_lines reader;
	struct map_line line;
	struct arena scratch;
	bool is_end = false;

	if (!map_lines_open(&reader, path, &fault)) {
		problems_add(&build->problems, place.source, place.line,
		    "map: %s", fault.words);
		return;
	}
	arena_init(&scratch, 16 * ENTRY_BYTES);
	/* What can't be a line was told when the map was read. */
	while (!is_end && !build->problems.is_out_of_memory) {
		if (scratch.used_bytes > ENTRY_BYTES)
			arena_clear(&scratch);
		if (map_lines_next(&reader, &line, &is_end, &fault) && !is_end
		    && *line.value != '\0')
			check_entry(
			    build, place, &reader, &line, &scratch, &last_plan);
	}
	arena_clear(&scratch);
	free(reader.text);
}

void
check_store(struct build *build)
{
	const struct map_source *map = build->conf->account_maps.map;

	check_redis(build);
	if (map != NULL && map->kind == MAP_TEXTHASH)
		check_entries(build, map->name);
}
