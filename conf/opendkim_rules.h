/* opendkim_rules: OpenDKIM's SigningTable, for conf/opendkim alone. */
#ifndef CONF_OPENDKIM_RULES_H
#define CONF_OPENDKIM_RULES_H

#include "conf/opendkim_index.h"
#include "conf/opendkim_keys.h"
#include "conf/opendkim_pattern.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The key of a line that is "%": the entry whose name is the domain. */
#define OPENDKIM_BY_DOMAIN UINT32_MAX

/* One line. In a plain file a "*" is but a letter. */
struct opendkim_rule {
	const char *pattern; /* in the form of conf/opendkim_pattern */
	uint32_t key;        /* of the KeyTable's entries */
	uint32_t next;   /* with the same two ends, later, or OPENDKIM_NONE */
	uint32_t signer; /* of the table's signers, or OPENDKIM_NONE */
	uint16_t length; /* of pattern */
	bool is_glob;    /* it has a "*" that stands for anything */
};

/* Two ends that patterns have: what is before the first "*" and what is
 * behind the last. A pattern without one is all tail. For each tail there is
 * an end with an empty head, be it that no pattern has it. */
struct opendkim_end {
	uint32_t sample; /* a rule that has these ends */
	uint32_t first;  /* of the rules with both, or OPENDKIM_NONE */
	uint32_t last;
	uint16_t head;
	uint16_t tail;
	uint16_t most_head; /* of all ends with this tail */
};

/* The table. Immutable once read. */
struct opendkim_rules {
	char *text;                  /* the file, in pieces */
	struct arena extra;          /* what had no place there */
	struct opendkim_rule *rules; /* in the file's order */
	size_t count;
	const char **signers; /* as written, of the form that they must have */
	size_t signer_count;
	bool is_refile;
	struct opendkim_end *ends;
	size_t end_count;
	struct opendkim_index by_end;
	/* Whether there is a tail of that length. */
	bool has_tail[OPENDKIM_PATTERN_OCTETS + 1];
};

/* Read the table at path (absolute), whose lines name entries of keys. False
 * with words. Either way it is to be cleared. */
bool opendkim_rules_read(struct opendkim_rules *rules, const char *path,
    bool is_refile, const struct opendkim_keys *keys,
    struct opendkim_complaints *complaints, struct fault *fault);

/* Free what the table holds; one that was only zeroed, too. */
void opendkim_rules_clear(struct opendkim_rules *rules);

#endif
