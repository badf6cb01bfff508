/* keys_domain: a look into one domain's key directory: what is there, and
 * whether it is still what was there before. Remembers nothing. Private to
 * keys. */
#ifndef MILTER_IO_KEYS_DOMAIN_H
#define MILTER_IO_KEYS_DOMAIN_H

#include "milter/io/keys_file.h"

/* The keys of a domain as read. */
struct key_set {
	struct key_ring ring; /* what callers see: count of keys */
	size_t holders;       /* the cache's business */
	char *domain;
	struct key *keys;         /* ring.count of them */
	struct key_stamp *stamps; /* as many */
};

enum keys_finding { KEYS_NONE, KEYS_THERE, KEYS_FAULTY };

/* What a look found. */
struct key_look {
	enum keys_finding finding;
	bool has_directory; /* then its stamp is */
	struct key_stamp directory;
	/* Nothing was changed so shortly before the look that a further change
	 * might leave the same stamp. */
	bool is_settled;
	struct key_set *set; /* if KEYS_THERE; one holder, the caller */
	struct fault fault;  /* if KEYS_FAULTY */
};

/* Can domain be a directory's name here: a normalised domain and no path? */
bool keys_domain_is_name(const char *domain);

/* Look what keys there are in directory/domain, and read them. */
void keys_domain_look(
    const char *directory, const char *domain, struct key_look *look_out);

/* Is directory/domain as a settled look without fault found it? set is NULL
 * if that was KEYS_NONE. Reads no file. */
bool keys_domain_is_as_before(const char *directory, const char *domain,
    bool has_directory, const struct key_stamp *stamp,
    const struct key_set *set);

/* Is there a ".private" file, usable or not, or a fault on the way to it? */
bool keys_domain_has(const char *directory, const char *domain);

/* Is directory there and safe from others' writing? */
bool keys_directory_is_safe(const char *directory, struct fault *fault);

/* Wipe and free it. Takes NULL. */
void keys_set_free(struct key_set *set);

#endif
