/* conf: the configuration as an immutable, counted snapshot. A message keeps
 * the snapshot that it began with; a reload swaps the daemon's pointer and
 * the old snapshot goes when its last message does. The options, their types
 * and defaults are the one table in conf/options.c. */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "conf/maps.h"
#include "conf/redis_place.h"
#include "policy/account.h"
#include "policy/fault.h"
#include "policy/limits.h"
#include "policy/network.h"
#include "policy/preflight.h"
#include "policy/sender.h"
#include "policy/signing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_target { LOG_TARGET_SYSLOG, LOG_TARGET_STDERR, LOG_TARGET_FILE };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };
enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};
enum store_backend { STORE_LMDB, STORE_REDIS };
enum on_failure { ON_FAILURE_LOCAL, ON_FAILURE_ACCEPT, ON_FAILURE_TEMPFAIL };

/* Words of a list, as they are written. */
struct name_list {
	const char *const *names;
	size_t count;
};

struct log_conf {
	enum log_target target;
	const char *file; /* absolute; for LOG_TARGET_FILE, else NULL */
	enum log_format format;
	enum log_level level;
};

struct store_conf {
	enum store_backend backend;
	const char *path;    /* directory; beside Redis the local record's */
	uint64_t size_bytes; /* most that the LMDB file may grow to */
	const struct redis_place *url; /* NULL: not set */
	const char *password_file;     /* absolute; "" none */
	const char *prefix;            /* keys are {prefix}... */
	uint64_t timeout_ms;           /* of each call of Redis, all in all */
	enum on_failure on_failure;
	uint64_t local_share; /* percent of max while Redis is away */
};

/* What an option of type OPTION_MAP names. A texthash is read with the
 * configuration; the others are asked when needed (milter/io/tables.h). */
enum map_kind { MAP_TEXTHASH, MAP_LMDB, MAP_REDIS, MAP_SOCKETMAP };

struct map_source {
	enum map_kind kind;
	const char *name;      /* path of the file, absolute, or Redis key, or
				  a socketmap's own name for it */
	const char *socket;    /* of a socketmap: "inet:HOST:PORT" or
				  "unix:/PATH"; else NULL */
	const struct map *map; /* of a texthash */
};

/* How accounts are found beside what account_rules say. */
struct accounts_conf {
	const struct map_source *map; /* NULL: none */
	uint64_t map_ttl_ms;          /* how long its answers hold */
	const char *default_plan;     /* its name; see limits.default_plan */
};

/* Where keys are (milter/io/keys.h). */
struct key_places {
	const char *directory;     /* sign.keys, absolute; "" none */
	const char *key_table;     /* OpenDKIM's, absolute; "" none */
	const char *signing_table; /* the same */
	bool is_refile;            /* signing_table holds patterns */
	bool takes_all; /* sign.multiple_signatures: all that signing_table
			   gives may sign; else the first alone */
	const struct map_source *map; /* sign.key_map; NULL: none */
};

struct sign_conf {
	struct key_places places;
	struct signing_rules rules;
	const char *fallback_domain; /* normalised; "" none */
	const char *also_sign;       /* the provider's own; the same */
	enum signing_engine engine;
	uint64_t self_check;        /* percent of messages; 0: none */
	enum action on_missing_key; /* ACCEPT, TEMPFAIL or REJECT */
	enum action on_key_error;
};

/* What a block "domain" says of the signatures of one d=, whatever the class.
 */
struct domain_conf {
	const char *domain; /* normalised */
	struct signing_rules rules;
	/* Which of them were written; the rest is the class's. */
	bool has_canon;
	bool has_headers;
	bool has_oversign;
	bool has_expire;
};

/* How keys are exchanged (posternctl rotate). */
struct rotate_conf {
	uint64_t retire_after_s;  /* an old key's record stays that long */
	const char *hook;         /* absolute path of a program; "" none */
	const char *nsupdate_key; /* file for nsupdate -k, absolute; "" none */
	const char *nsupdate_server; /* "HOST" or "HOST@PORT", checked to be no
					more; "" the zone's primary */
	bool is_published;           /* by nsupdate, without being asked */
};

struct senders_conf {
	struct sender_rules rules;
	const struct map_source *map; /* senders.map; NULL: none */
};

/* The resolver of the process; see milter/io/resolver.h. */
struct dns_conf {
	const char *const *servers; /* "ADDRESS" or "ADDRESS@PORT" */
	size_t server_count;        /* 0: those of /etc/resolv.conf */
	uint64_t timeout_ms;        /* for all look-ups of one message */
	const char *trust_anchor;   /* a file, absolute; "" none */
	uint64_t cache_bytes;
};

/* What is done about what a receiver will see. */
struct preflight_conf {
	bool profiles[PREFLIGHT_PROFILES];
	enum action on[PREFLIGHT_RESULTS]; /* PREFLIGHT_PASS: ACTION_ACCEPT */
	bool checks_keys;                  /* check_published_key */
};

/* One traffic class: its own options, and sign, senders and preflight as this
 * class has them (the sections' values, overridden by the class's). */
struct class_conf {
	enum mode mode; /* daemon's MODE_OBSERVE is folded in */
	bool sign;      /* of CLASS_INBOUND none of these three is set */
	bool limits;
	bool preflight;
	uint64_t max_recipients; /* of one message; 0: any number */
	bool trust_envelope;     /* class local only */
	uint64_t hold_max;       /* class local only; messages a day */
	struct sign_conf sign_conf;
	struct senders_conf senders;
	struct preflight_conf preflight_conf;
};

struct listener_conf {
	const char *name; /* a port in decimal, or a {daemon_name} */
	uint16_t port;    /* 0: name is a {daemon_name} */
	bool has_class;
	enum traffic_class traffic_class;
	bool require_auth;
	bool require_tls;
};

struct conf {
	const char *listen;   /* "unix:/path", "inet:PORT@HOST", "inet6:...",
				 "fd:N", as libmilter has them */
	unsigned socket_mode; /* permission bits */
	const char *socket_group; /* "" none */
	const char *control; /* absolute path of the control socket; "" off */
	const char *user;    /* "" stay who we are */
	enum mode mode;
	uint64_t max_busy;
	uint64_t key_cache; /* domains whose keys are kept ready */

	struct network
	    *trusted_networks; /* whose identity_header is believed */
	size_t trusted_network_count;
	const char *identity_header; /* "" none */
	bool hands_on; /* identity_header without trusted_networks: this host
			  writes it, and the relay that believes it charges and
			  signs */

	const struct egress *egress;         /* where mail leaves from */
	size_t egress_count;                 /* 0: SPF is unknown */
	const struct map_source *egress_map; /* NULL: all of it leaves from all
						of them */
	const char *authserv_id; /* whose Authentication-Results are removed;
				    "": the MTA's own name (macro j) */
	struct name_list local_mailers; /* {rcpt_mailer} of mail that stays */

	struct network *relay_networks;
	size_t relay_network_count;

	struct account_rules accounts; /* but trust_envelope, default_domain */

	struct accounts_conf account_maps;

	struct log_conf log;
	struct store_conf store;
	struct sign_conf sign;           /* as outside any class */
	struct senders_conf senders;     /* as outside any class */
	struct preflight_conf preflight; /* as outside any class */
	struct dns_conf dns;
	struct class_conf classes[CLASS_COUNT];
	struct limit_set limits;
	struct domain_conf *domains; /* in the order of strcmp() */
	size_t domain_count;
	struct rotate_conf rotate;
	struct listener_conf *listeners;
	size_t listener_count;

	const char *file; /* the configuration's own path, absolute */
	char **warnings;  /* what -t says though it is no error */
	size_t warning_count;

	struct conf_private *own; /* arena, reference count, maps */
};

/* All errors of a configuration, ready to be printed a line each:
 * "FILE:LINE: words". */
struct conf_errors {
	char **lines;
	size_t count;
};

/* Read file (with its include_dir) and everything it names: maps, network
 * files; keys are checked as to their permissions (keys_check() of the caller
 * comes after). Returns a snapshot with one reference, or NULL with *errors_out
 * listing every error, in the order of file and line. errors_out is to be
 * cleared in either case. Any thread. */
struct conf *conf_read(const char *file, struct conf_errors *errors_out);

/* The same for a configuration in memory, as if it were file; for tests and
 * for postern -t of standard input. */
struct conf *conf_read_text(const char *file, const char *text, size_t length,
    struct conf_errors *errors_out);

/* Where option of section ("" for the top level) was set, for messages that
 * are found out later: "FILE:LINE", or "FILE" with "(default)" if it wasn't.
 * Lives as long as conf. */
const char *
conf_where(const struct conf *conf, const char *section, const char *option);

/* Was the option written in the file (and not left at its default)? */
bool
conf_is_set(const struct conf *conf, const char *section, const char *option);

/* Add a line of one's own, formatted as by printf(3); left out for want of
 * memory. */
void conf_errors_add(struct conf_errors *errors, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Give back what conf_read() listed. Takes an empty one. */
void conf_errors_clear(struct conf_errors *errors);

/* One more owner of the snapshot. Any thread (atomic). Returns conf. */
struct conf *conf_hold(struct conf *conf);

/* One owner less; the last one frees it. Empties the pointer; takes NULL. */
void conf_release(struct conf **conf);

/* How signatures with d=domain are made in class: the class's rules, changed by
 * what domain's own block says. Borrowed from the snapshot. Any thread. */
void conf_signing_rules(const struct conf *conf, const struct class_conf *class,
    const char *domain, struct signing_rules *rules_out);

/* The listener block that applies to a connection, or NULL: by
 * {daemon_name} first, then by port. */
const struct listener_conf *conf_listener(
    const struct conf *conf, const struct connection_facts *connection);

#endif
