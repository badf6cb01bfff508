/* taglist: the "tag=value; tag=value" lists of DKIM keys and DMARC records
 * (RFC 6376 §3.2) taken apart. Says what is there; what is wrong with it the
 * caller decides, for the two formats forgive different things. */
#ifndef POLICY_TAGLIST_H
#define POLICY_TAGLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TAGLIST_OCTETS = 16384, /* longest list that is looked at */
	TAGLIST_TAGS = 512,     /* most tags of one */
};

/* What stands between two semicolons, without the blanks around it. Points
 * into the list. */
struct tag {
	const char *name; /* up to the '='; all of it if there is none */
	size_t name_length;
	const char *value;
	size_t value_length;
	bool is_tag; /* has a '=', and a name of RFC 6376's form before it */
};

/* Which of two formats it is. */
struct taglist_rules {
	const char *blanks; /* octets that may stand around what counts */
	bool is_name_case_sensitive;
};

/* A list being read; borrowed text. */
struct taglist {
	const struct taglist_rules *rules;
	const char *text;
	size_t length;
	size_t at;
	bool is_at_end;
	size_t count; /* of the names that were noted */
	struct {
		uint32_t hash;
		uint16_t start, length;
	} names[TAGLIST_TAGS];
};

/* Start to read. False: it is longer than TAGLIST_OCTETS. */
bool taglist_init(struct taglist *list, const struct taglist_rules *rules,
    const char *text, size_t length);

/* The next piece, which may be empty. False: there is none. What follows the
 * last semicolon is a piece only if it isn't blank. */
bool taglist_next(struct taglist *list, struct tag *tag_out);

/* Remember the name of tag (which is_tag). False: it stood in the list before,
 * or there are more than TAGLIST_TAGS. */
bool taglist_note(struct taglist *list, const struct tag *tag);

/* Is the tag's name this one (in lower case)? */
bool
taglist_is(const struct taglist *list, const struct tag *tag, const char *name);

/* Is the tag's value this word, but for ASCII case unless is_case_sensitive?
 */
bool tag_says(const struct tag *tag, const char *word, bool is_case_sensitive);

#endif
