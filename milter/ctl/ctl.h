/* ctl: what the subcommands of posternctl share: options, exit statuses, the
 * configuration, the daemon's user, its store. */
#ifndef MILTER_CTL_CTL_H
#define MILTER_CTL_CTL_H

#include "conf/conf.h"
#include "milter/io/store.h"
#include "policy/fault.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

/* How a command may end; scripts rely on it. */
enum {
	CTL_YES = 0,    /* yes, or done */
	CTL_NO = 1,     /* refused, not found, check failed */
	CTL_USAGE = 2,  /* wrong usage or configuration */
	CTL_LATER = 75, /* try again */
};

struct ctl;
struct json_object;

/* A subcommand as main.c lists it. */
struct ctl_command {
	const char *word;     /* "limits" */
	const char *sub_word; /* "show"; NULL: none */
	const char *usage;    /* its arguments and options */
	int (*run)(struct ctl *ctl, int argc, char **argv);
};

/* One run of posternctl. */
struct ctl {
	const char *file;
	bool is_json;
	const struct ctl_command *command;
	bool is_over; /* ctl_option() has said all there is to say */
	int status;   /* then: how it ends */
	struct conf *conf;
};

/* The options that every subcommand has too; the head of its table. Its own
 * options have values from 256 on. */
#define CTL_OPTIONS                                 \
	{ "config", required_argument, NULL, 'c' }, \
	    { "json", no_argument, NULL, 'j' },     \
	{                                           \
		"help", no_argument, NULL, 'h'      \
	}

/* The next option of the subcommand itself, as getopt_long(3) gives it (an
 * option whose value is a letter has that letter too, "-n"); -1 at the end,
 * with optind at the first argument. If ctl->is_over then, the subcommand is to
 * end with ctl->status: wrong usage, or help was asked for. */
int ctl_option(
    struct ctl *ctl, int argc, char **argv, const struct option *options);

/* Read the options of a subcommand that has none of its own, nor arguments.
 * False: it is to end with ctl->status. */
bool ctl_no_arguments(struct ctl *ctl, int argc, char **argv);

/* Say on standard error what is wrong with the arguments (NULL: the summary
 * alone), and how they should be. Returns CTL_USAGE. */
int ctl_usage(const struct ctl *ctl, const char *words);

/* Say on standard error what went wrong. Returns CTL_LATER if trying again
 * helps, else CTL_USAGE: somebody must mend something. */
int ctl_fail(const struct fault *fault);

/* Read the configuration to ctl->conf; prints all its errors. False if there
 * are any. */
bool ctl_read(struct ctl *ctl);

/* Ask the daemon by the control socket of ctl->conf; client_ask() says the
 * rest. */
struct json_object *ctl_ask(const struct ctl *ctl, const char *question,
    uint64_t patience_ms, struct fault *fault);

/* Become the daemon's user for good: what is then seen is what the daemon
 * sees, and nothing is left behind that it can't open. False with words. */
bool ctl_become(const struct ctl *ctl, struct fault *fault);

/* The daemon's store, to look at and to reset, after ctl_become(); while there
 * is none yet, an empty one. The caller's to close. NULL with words. */
struct store *ctl_store(const struct ctl *ctl, struct fault *fault);

/* posternctl limits show, limits set, limits reset. */
int ctl_limits_show(struct ctl *ctl, int argc, char **argv);
int ctl_limits_set(struct ctl *ctl, int argc, char **argv);
int ctl_limits_reset(struct ctl *ctl, int argc, char **argv);

/* posternctl top. */
int ctl_top(struct ctl *ctl, int argc, char **argv);

/* posternctl block, unblock, blocked. */
int ctl_block(struct ctl *ctl, int argc, char **argv);
int ctl_unblock(struct ctl *ctl, int argc, char **argv);
int ctl_blocked(struct ctl *ctl, int argc, char **argv);

/* posternctl status, reload. */
int ctl_status(struct ctl *ctl, int argc, char **argv);
int ctl_reload(struct ctl *ctl, int argc, char **argv);

/* posternctl genkey, explain. */
int ctl_genkey(struct ctl *ctl, int argc, char **argv);
int ctl_explain(struct ctl *ctl, int argc, char **argv);

/* posternctl rotate. */
int ctl_rotate(struct ctl *ctl, int argc, char **argv);

/* posternctl import-opendkim. */
int ctl_import_opendkim(struct ctl *ctl, int argc, char **argv);

/* posternctl preflight, check-domain. */
int ctl_preflight(struct ctl *ctl, int argc, char **argv);
int ctl_check_domain(struct ctl *ctl, int argc, char **argv);

#endif
