/* build: a snapshot in the making, shared by the files that make it (conf,
 * apply, values, places, check). Nobody else includes this. */
#ifndef CONF_BUILD_H
#define CONF_BUILD_H

#include "conf/conf.h"
#include "conf/options.h"
#include "conf/parse.h"
#include "conf/problems.h"
#include "policy/arena.h"

#include <stdatomic.h>

/* An option that was written. */
struct written {
	const char *section; /* "", "log", "class local", "limit hourly",
				"domain a.example" */
	const char *option;
	const struct problem_source *source;
	size_t line;
	const char *where; /* "FILE:LINE" */
	bool is_bad;       /* its value was told to be wrong */
	struct written *next;
};

/* A map that several options may share. */
struct open_map {
	const char *path;
	struct map *map;
	struct open_map *next;
};

/* What a snapshot has beside what it shows. */
struct conf_private {
	struct conf conf;
	atomic_size_t owners;
	struct arena arena; /* all of the snapshot but this and the maps */
	struct open_map *maps;
	struct written *written;         /* but those of domains, who are many:
					  */
	struct written **domain_written; /* one for each of conf.domains */
	const char *unwritten;           /* "FILE (default)" */
};

/* Where something is to be told. */
struct place {
	const struct problem_source *source;
	size_t line;
};

struct build {
	struct conf_private *own;
	struct conf *conf;      /* own->conf */
	struct arena *arena;    /* own->arena */
	struct arena *scratch;  /* is gone when the snapshot is made */
	struct parse_tree tree; /* in scratch; without sections of domains: */
	struct parse_section *domains;
	size_t domain_count;
	struct limit *limits;                /* the snapshot's */
	const struct problem_source *source; /* of the main file */
	struct problems problems;
	struct problems warnings;
};

/* Memory that lives as long as the snapshot. NULL, and problems know, for
 * want of it. */
void *build_alloc(struct build *build, size_t size_bytes);

/* What the configuration says of a domain (normalised), or NULL. */
const struct domain_conf *
build_domain(const struct conf *conf, const char *domain);

/* Where option was written, or NULL. Options of domains are there once all of
 * them were applied. */
const struct written *build_written(
    const struct conf_private *own, const char *section, const char *option);

/* Fill the snapshot with the defaults and with what the tree says. Problems
 * are added to build's. */
void apply_tree(struct build *build);

/* Where to tell something about an option: where it was written, else (line 0)
 * at the main file as a whole. */
struct place
build_place(const struct build *build, const char *section, const char *option);

/* A limit of that name that was written, whatever came of it. */
bool build_has_limit(const struct build *build, const char *name);

/* Look at what options mean together; warn of what is allowed, but seldom
 * meant. */
void check_snapshot(struct build *build);

/* The same for how mail is signed. */
void check_sign(struct build *build);

/* Where a class got the option from: its own block, or the section. Line 0:
 * neither. */
struct place check_place_in_class(const struct build *build,
    enum traffic_class traffic_class, const char *section, const char *option);

/* Was an earlier class's mistake told at the same place? */
bool check_is_told(const struct place told[CLASS_COUNT], struct place place);

/* "class submission", ... */
const char *check_class_section(enum traffic_class traffic_class);

/* The same for stores and for maps, of which some live in Redis. */
void check_store(struct build *build);

/* The same for what preflight knows of how mail leaves. */
void check_preflight(struct build *build);

#endif
