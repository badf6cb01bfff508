/* check_domain_list: which domains are to be checked: in order of their names,
 * none twice. */
#ifndef MILTER_CTL_CHECK_DOMAIN_LIST_H
#define MILTER_CTL_CHECK_DOMAIN_LIST_H

#include "conf/conf.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>

struct tables;

enum {
	CHECK_DOMAIN_LIST_MOST = 1000000,
	/* Inbound has none, so there is one to spare. */
	CHECK_DOMAIN_PLACES = CLASS_COUNT,
};

struct check_domain_list {
	char **names; /* normalised, where they can be */
	size_t count;
	size_t room;
};

/* Add one as it was typed. False: there are too many, or no memory. */
bool check_domain_list_add(
    struct check_domain_list *list, const char *typed, struct fault *fault);

/* Add those of a file ("-": standard input), one a line; "#" begins a comment.
 * False with words. */
bool check_domain_list_read(
    struct check_domain_list *list, const char *path, struct fault *fault);

/* Where classes that sign have their keys, each once (also where only
 * fallback_domain is another); where none signs, what section "sign" says.
 * Returns how many, at least one; they are conf's. */
size_t check_domain_places(const struct conf *conf,
    const struct sign_conf *places_out[CHECK_DOMAIN_PLACES]);

/* What is to be listed of each of count places, as above: no directory, table
 * or map twice, nor a directory that nobody named and that isn't there, if keys
 * may be elsewhere. What isn't to be listed is "" or NULL. */
void check_domain_places_once(const struct conf *conf,
    const struct sign_conf *const *places, size_t count,
    struct key_places *once_out);

/* Add every domain that has a directory of keys, or a key in OpenDKIM's
 * KeyTable. False with words, also if there is neither. */
bool check_domain_list_keys(struct check_domain_list *list,
    const struct key_places *places, struct fault *fault);

/* Add every domain that map has a value for, asked by tables. False with words:
 * it can't be listed (a socketmap never can), or there are too many, or no
 * memory. */
bool check_domain_list_map(struct check_domain_list *list,
    const struct map_source *map, struct tables *tables, struct fault *fault);

/* Put them in order; leave out what is there already. */
void check_domain_list_sort(struct check_domain_list *list);

/* How wide a column of their names is, under the heading "DOMAIN"; a few long
 * ones push the rest of their line. */
int check_domain_list_width(const struct check_domain_list *list);

/* Free it. Takes an empty one. */
void check_domain_list_clear(struct check_domain_list *list);

#endif
