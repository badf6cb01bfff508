/* facts: what the MTA told us of a connection and of a message, filled in
 * event by event. Plain data; nothing is decided here. All text is as it
 * came, copied into the arena of what it belongs to, and may be hostile. */
#ifndef POLICY_FACTS_H
#define POLICY_FACTS_H

#include "policy/address.h"
#include "policy/network.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FACTS_RECIPIENTS = 10000 }; /* digests kept of one message */

/* Where a message comes from; decided at MAIL, see account.h. */
enum traffic_class {
	CLASS_SUBMISSION,
	CLASS_LOCAL,
	CLASS_RELAY,
	CLASS_INBOUND,
	CLASS_COUNT,
};

/* Lives as long as the connection. */
struct connection_facts {
	struct address client;
	uint16_t client_port; /* 0 is what local submissions have */
	bool is_port_known;
	struct address daemon;   /* macro {daemon_addr}: what it connected to */
	const char *mta_host;    /* macro j; NULL: not said */
	const char *daemon_name; /* macro {daemon_name}; NULL: not said */
	uint16_t daemon_port;    /* macro {daemon_port}; 0: not said */
	bool has_uid; /* sock_diag told who owns the client's socket */
	uint32_t uid;
};

/* One header field, as it came. */
struct header_field {
	const char *name;
	const char *value; /* with its leading space, folds are LF */
	size_t value_length;
	struct header_field *next; /* in the order of the message */
};

/* Lives as long as the message. */
struct message_facts {
	const struct connection_facts *connection;
	char id[24];          /* ours; unique on this host */
	const char *queue_id; /* macro i; NULL until DATA */
	const char *login;    /* macro {auth_authen}; NULL: none */
	bool is_tls;          /* macro {tls_version} was not empty */

	const char *envelope_sender; /* argument of MAIL FROM, raw */
	struct mailbox sender;       /* parsed; all NULL if null or bad */
	bool is_null_sender;
	bool is_bad_sender; /* not a mailbox and not null */

	size_t recipient_count; /* as the client named them */
	/* macro {rcpt_mailer}: what will carry the message on. */
	size_t local_recipient_count; /* that stay here, see local_mailers */
	const char *transport; /* of those that don't, if all have the same;
				  NULL: not said */
	bool has_transports;   /* they have several */
	/* Digests of the first FACTS_RECIPIENTS of them, where some limit
	 * counts new recipients; see recipients.h. */
	uint64_t *recipients;
	size_t recipients_kept;
	size_t recipients_room;

	struct header_field *headers; /* first */
	struct header_field *last_header;
	size_t header_count;
	size_t header_bytes;
	bool is_header_too_large; /* the rest of the header was not kept */
	size_t from_count;        /* From fields */
	struct from_field from;   /* of the first one; see judge_headers() */
	size_t result_count;      /* Authentication-Results fields */
	size_t identity_count;    /* fields called identity_header */
	const char *identity;     /* the account that a trusted client named in
				     one; NULL: none */

	uint64_t size_bytes; /* header and body */
	uint64_t begun_us;   /* monotonic clock at MAIL */
};

/* "submission", "local", "relay", "inbound". */
const char *facts_class_name(enum traffic_class traffic_class);

#endif
