/* question: whose limits a command is about: options, name, store. What limits,
 * block, unblock, blocked and top share. */
#ifndef MILTER_CTL_QUESTION_H
#define MILTER_CTL_QUESTION_H

#include "milter/ctl/ctl.h"
#include "milter/ctl/holder.h"
#include "policy/arena.h"

#include <stdbool.h>
#include <stddef.h>

struct json_object;

/* One question of one run; begins as { .ctl = ctl }. */
struct question {
	struct ctl *ctl;
	const char *typed;      /* the name; NULL: none */
	const char *key_name;   /* --key; NULL: not given */
	const char *limit_name; /* --limit, or the argument; NULL: all */
	bool is_change;         /* something is to be said that must stay */

	struct arena arena;
	enum limit_key key;
	struct limit hold_limit;
	const char *name; /* under which it is counted */
	bool is_account_known;
	struct account account; /* then: of that name, by accounts.map */
	struct holder holder;
	struct store *store;
};

/* Find the kind of key that --key names. False, with ctl->status: there is
 * none. */
bool question_key(struct question *question);

/* Read the configuration, and find the limits that there are. False, with
 * ctl->status. The question is to be ended in either case. */
bool question_read(struct question *question);

/* How many limits there are: those configured, and what hold_max of class
 * local stands for, which is the last. And each of them. */
size_t question_limit_count(const struct question *question);
const struct limit *question_limit(const struct question *question, size_t i);

/* The limit called limit_name, whose key becomes the question's unless --key
 * was given. NULL, with ctl->status, after saying which there are. */
const struct limit *question_find_limit(struct question *question);

/* Fold the name that was typed, after question_read(). False, with
 * ctl->status. */
bool question_fold(struct question *question);

/* Become the daemon's user and open its store, which is made for a change if
 * it isn't there yet; ask accounts.map what the
 * account is counted as. Where the map can't be asked, that is said on
 * standard error, and the account is taken as it was typed. False, with
 * ctl->status. */
bool question_open(struct question *question);

/* Have the daemon of this host forget at once who was over a limit. Where it
 * can't be asked it finds out by itself within about a second, or doesn't
 * run. */
void question_forget(const struct question *question);

/* A JSON object {"key", "value"} to be added to. */
struct json_object *question_head(const struct question *question);

/* Close all. Returns status. */
int question_end(struct question *question, int status);

/* Say why on standard error, and end: its status. */
int question_fail(struct question *question, const struct fault *fault);

#endif
