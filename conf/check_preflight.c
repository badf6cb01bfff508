#include "conf/build.h"

#include "conf/map_lines.h"
#include "policy/egress.h"
#include "policy/text.h"

#include <stdlib.h>
#include <string.h>

enum { ENTRY_BYTES = 64 * 1024 };

/* May a class do more about a verdict than tell it? */
static bool
may_refuse(const struct class_conf *class)
{
	if (!class->preflight || class->mode == MODE_OBSERVE)
		return false;
	for (int i = 0; i < PREFLIGHT_RESULTS; i++)
		if (class->preflight_conf.on[i] > ACTION_OBSERVE)
			return true;
	return false;
}

/* Without egress nothing is refused for SPF, whatever the actions say. */
static void
check_unset(struct build *build)
{
	const struct conf *conf = build->conf;
	struct place place = build_place(build, "", "egress");

	if (conf->egress_count > 0 || conf->egress_map != NULL)
		return;
	for (int i = 0; i < CLASS_COUNT; i++)
		if (may_refuse(&conf->classes[i])) {
			problems_add(&build->warnings, place.source, place.line,
			    "egress: is not set, so SPF is unknown, and what "
			    "rests on it is only logged; write the addresses "
			    "that mail leaves from and the names said there: "
			    "egress = { \"192.0.2.1 mx1.example.net\" }");
			return;
		}
}

static void
check_addresses(struct build *build)
{
	const struct conf *conf = build->conf;
	struct place place = build_place(build, "", "egress");

	for (size_t i = 0; i < conf->egress_count; i++)
		if (egress_is_private(&conf->egress[i].address))
			problems_add(&build->warnings, place.source, place.line,
			    "egress: receivers will hardly see %s, which is an "
			    "address of a private network or of this host; "
			    "write the one that mail has when it reaches them",
			    conf->egress[i].text);
}

static void
check_entry(struct build *build, struct place place,
    const struct map_lines *reader, struct map_line *line,
    struct arena *scratch)
{
	const struct conf *conf = build->conf;
	struct problems *problems = &build->problems;
	struct fault fault = { .kind = FAULT_NONE };
	const struct egress *egress;
	size_t count;

	text_lower(line->key);
	if (!egress_is_key(line->key))
		problems_add(problems, place.source, place.line,
		    "egress_map: %s:%zu: %s is never asked for; keys are "
		    "transport:NAME, user@domain, @domain, @.domain (its "
		    "subdomains) and *",
		    reader->path, line->number,
		    problems_excerpt(problems, line->key));
	else if (egress_read(line->value, conf->egress, conf->egress_count,
		     scratch, &egress, &count, &fault))
		return;
	else if (fault.kind == FAULT_MEMORY)
		problems_memory(problems);
	else
		problems_add(problems, place.source, place.line,
		    "egress_map: %s:%zu: %s: %s", reader->path, line->number,
		    problems_excerpt(problems, line->key), fault.words);
}

/* A texthash is read a second time for this, since a map keeps no lines. One
 * that changed in between is judged when its entries are used. */
static void
check_entries(struct build *build, const char *path)
{
	struct place place = build_place(build, "", "egress_map");
	struct fault fault = { .kind = FAULT_NONE };
	struct map_lines reader;
	struct map_line line;
	struct arena scratch;
	bool is_end = false;

	if (!map_lines_open(&reader, path, &fault)) {
		problems_add(&build->problems, place.source, place.line,
		    "egress_map: %s", fault.words);
		return;
	}
	arena_init(&scratch, 16 * ENTRY_BYTES);
	/* What can't be a line was told when the map was read. */
	while (!is_end && !build->problems.is_out_of_memory) {
		if (scratch.used_bytes > ENTRY_BYTES)
			arena_clear(&scratch);
		if (map_lines_next(&reader, &line, &is_end, &fault) && !is_end
		    && *line.value != '\0')
			check_entry(build, place, &reader, &line, &scratch);
	}
	arena_clear(&scratch);
	free(reader.text);
}

void
check_preflight(struct build *build)
{
	const struct map_source *map = build->conf->egress_map;
	const struct written *egress = build_written(build->own, "", "egress");

	check_unset(build);
	check_addresses(build);
	/* What is wrong with egress was told, and needn't be for each line. */
	if (map != NULL && map->kind == MAP_TEXTHASH
	    && (egress == NULL || !egress->is_bad))
		check_entries(build, map->name);
}
