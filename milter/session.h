/* session: the life of a connection and of a message. The first page to read.
 *
 * One message's way through these rooms:
 *
 *   callbacks   on_negotiate() makes the session; on_connect() tells it who
 *               the client is (session_connect)
 *   callbacks   on_mail() calls session_begin_message(): an arena, the
 *               snapshot of the configuration it will be judged by, the facts
 *   judge       judge_mail() has identify find class, listener and account,
 *               and refuses whom it must, without asking the store
 *   callbacks   on_rcpt() calls judge_recipient(): counted, perhaps 452
 *   callbacks   on_header() calls session_add_header(): kept in the arena
 *   judge       judge_headers(), at the end of the header: identify believes
 *               a trusted host's identity_header; authorize reads From and
 *               asks whose it is; choosing finds the keys that may sign,
 *               signatures starts hashing; preflighting starts to check the
 *               signatures that came with it
 *   judge       judge_body(): each piece goes through the hashes and is gone
 *   judge       judge_message(), at the end of the message: the verdict on
 *               its sender stands; preflighting asks the DNS what a receiver
 *               will see; charging asks the store, all limits in one step; if
 *               it leaves, signatures are computed, else what was charged is
 *               given back and the refusal is counted
 *   actions     actions_perform() says it to the MTA: signatures inserted,
 *               held, or a reply
 *   report      report_message() writes the one log line
 *   callbacks   session_end_message(): everything of the message given back
 *
 * posternctl explain walks the same way without callbacks and actions. */
#ifndef MILTER_SESSION_H
#define MILTER_SESSION_H

#include "milter/io/gate.h"
#include "milter/io/keys.h"
#include "milter/io/log.h"
#include "milter/io/metrics.h"
#include "milter/io/refusals.h"
#include "milter/io/resolver.h"
#include "milter/io/signer.h"
#include "milter/io/store.h"
#include "milter/io/suffixes.h"
#include "milter/io/tables.h"
#include "milter/io/verify.h"
#include "milter/snapshot.h"
#include "policy/arena.h"
#include "policy/facts.h"
#include "policy/preflight.h"
#include "policy/verdict.h"

#include <stdatomic.h>
#include <stdbool.h>

/* What judging may ask and tell; each is locked inside. Owned by the daemon,
 * or by posternctl explain. */
struct services {
	struct snapshot_slot snapshots;
	struct log *log;
	struct store *store;
	struct refusals *refusals;
	struct keys *keys;
	struct tables *tables;
	struct tables *key_tables; /* sign.key_map's answers: keys asked for by
				      many names must not push other maps'
				      answers out */
	struct resolver *resolver;
	struct suffixes *suffixes;
	struct verify_library *verify_library;
	struct gate *gate;
	struct gate *waiting; /* messages that wait for the DNS: not among
				 those that are judged */
	struct metrics *metrics;
	atomic_uint_fast64_t self_check_turn; /* messages that it was asked
						 for */
	atomic_bool is_stopping;              /* take no new messages */
	bool is_dry; /* look, charge nothing, log nothing */
};

/* The keys that sign a message; see milter/choosing.h. */
struct chosen_keys {
	struct signer_use uses[SIGNING_SIGNATURES];
	struct signing_rules rules[SIGNING_SIGNATURES]; /* of each use */
	size_t count;
	/* Lent by keys, with their i= if they are of the SigningTable; else of
	 * a domain, of also_sign. */
	struct key_match matches[KEYS_MATCHES + 2];
	size_t match_count;
};

/* A message from MAIL to its end. Everything lives in its arena or is given
 * back by session_end_message(). */
struct message {
	struct arena arena;
	struct snapshot *snapshot;
	struct message_facts facts;
	const struct listener_conf *listener; /* NULL: none applies */
	enum traffic_class traffic_class;
	const struct class_conf *class;
	struct account account;
	const char *map_fault; /* what is wrong with accounts.map or
				  senders.map; NULL: nothing */
	bool awaits_header; /* a trusted client's identity_header may still name
			       another account */
	const char *identity_value; /* of the first identity_header field */

	struct verdict verdict;    /* so far */
	bool is_author_owned;      /* every author address is the account's */
	const bool *owned_authors; /* which are; NULL: as is_author_owned */
	bool is_sender_owned;      /* the envelope sender is the account's */
	bool is_envelope_ours;     /* a bounce would stay with us */
	uint64_t refused_recipients;

	struct chosen_keys chosen;
	struct signer *signer;                   /* NULL: nothing to sign */
	const char *const *signatures;           /* after judge_message() */
	const struct key *const *signature_keys; /* one for each */
	size_t signature_count;
	const char *signing_note; /* why it isn't signed, for the log */
	const char *left_out;     /* signatures that couldn't be made beside
				     the others, and why; NULL: none */
	bool is_self_checked;
	const char *self_check; /* what came of it; NULL: not done */

	struct verifier *verifier; /* NULL: no signature came with it */
	struct preflight_evidence evidence;
	const struct preflight_judgement *preflight; /* NULL: not looked at */
	const char *preflight_note; /* why not; NULL: nothing to tell */
	const char *findings;       /* of preflight, in a line */

	/* Authentication-Results fields that claim to be ours: counted from 1,
	 * the last one first. */
	struct forged_result {
		int place;
		struct forged_result *next;
	} * forged_results;

	struct charge *charges;
	struct charge_answer *answers;
	size_t charge_count;
	bool is_refusal_counted;      /* in the step that refused it */
	struct store_receipt receipt; /* is_charged: has to be given back if
					 the message doesn't leave */
	bool has_place;               /* among max_busy */
	uint64_t work_us;             /* time spent judging */
};

/* A connection of the MTA. libmilter calls back for it from changing threads,
 * but never from two at once. */
struct session {
	struct services *services;
	struct arena arena;
	struct connection_facts facts;
	bool is_uid_asked;
	bool has_message;
	struct message message;

	bool replies_to_recipients; /* negotiated with the MTA */
	bool can_hold;              /* the MTA knows quarantine */
	bool can_change_fields;     /* the MTA lets fields be removed */
	bool adds_leading_space;    /* the MTA strips it from header values */

	struct session *previous, *next; /* registry, see callbacks.c */
};

/* What libmilter says at connect. Strings may be NULL. */
struct connect_event {
	struct address client;
	uint16_t client_port;
	bool is_port_known;
	const char *mta_host;
	const char *daemon_name;
	const char *daemon_addr;
	const char *daemon_port;
};

/* What libmilter says at MAIL. Strings but path may be NULL. */
struct mail_event {
	const char *path;
	const char *login;
	const char *tls_version;
	const char *mta_host; /* macros that some MTAs give only now */
	const char *daemon_name;
	const char *daemon_addr;
	const char *daemon_port;
};

/* A session for a new connection; NULL: no memory. */
struct session *session_begin(struct services *services);

/* Note who the client is. Called again (XCLIENT) it forgets the former one.
 * False: no memory. */
bool
session_connect(struct session *session, const struct connect_event *event);

/* Begin a message; one that is still open is ended first. False: no memory. */
bool
session_begin_message(struct session *session, const struct mail_event *event);

/* Note a header field; beyond SESSION_HEADER_BYTES, or SESSION_HEADER_FIELDS
 * of them, only that there was more.
 * False: no memory. No message begun: does nothing. */
bool session_add_header(
    struct session *session, const char *name, const char *value);

/* Is this field name From? A receiver may take "From :" for From, so blanks
 * before the colon count for nothing, as does case. */
bool session_is_from(const char *name);

/* Note the MTA's queue id; NULL or empty is nothing. */
void session_set_queue_id(struct session *session, const char *queue_id);

/* Give back everything of the message. Twice or without one does no harm. */
void session_end_message(struct session *session);

/* Give back everything. Empties the pointer; takes NULL. */
void session_end(struct session **session);

enum {
	SESSION_HEADER_BYTES = 4 * 1024 * 1024,
	SESSION_HEADER_FIELDS = 20000,
};

#endif
