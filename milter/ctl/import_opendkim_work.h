/* import_opendkim_work: what the parts of import_opendkim share: the settings,
 * the text that grows, the notes. Private to import_opendkim. */
#ifndef MILTER_CTL_IMPORT_OPENDKIM_WORK_H
#define MILTER_CTL_IMPORT_OPENDKIM_WORK_H

#include "milter/ctl/import_opendkim.h"
#include "milter/ctl/import_opendkim_read.h"

#include <pwd.h>
#include <stdio.h>

/* Whom postern's package makes, and where its keys are. */
#define IMPORT_USER "postern"
#define IMPORT_KEYS "/etc/postern/keys"

struct import {
	const struct import_order *order;
	struct arena *arena;
	struct import_settings settings;
	struct import_answer *answer;
	struct import_note *last_note;
	struct import_command *last_command;
	FILE *out;              /* the text, but for its head */
	size_t signing_domains; /* d= of all that signs; 0: not known */
	bool signs_local;       /* InternalHosts has this host */
	bool is_out_of_memory;
};

/* The setting of that name that holds, or NULL. */
const struct import_setting *
import_find(const struct import *import, const char *name);

/* Is the boolean setting of that name there, and true? */
bool import_has(const struct import *import, const char *name);

/* Tell what will be different, formatted as by printf(3); setting is what it is
 * about, or NULL. */
void import_note(struct import *import, const struct import_setting *setting,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same of something important that has no equivalent. */
void import_loss(struct import *import, const struct import_setting *setting,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A command to be run before the start, formatted as by printf(3). */
void import_command(struct import *import, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Write text as a comment, wrapped, each line after indent and "# ". */
void import_comment(struct import *import, const char *indent,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* text as a value of postern.conf, in quotes. NULL if none can hold it: that is
 * told as a loss of setting. */
const char *import_quote(struct import *import,
    const struct import_setting *setting, const char *text);

/* text as a word of the shell. "" for want of memory. */
const char *import_shell(struct import *import, const char *text);

/* The absolute path that path is to OpenDKIM: relative to its BaseDirectory, or
 * to where it was started; the directory of order->file stands for that. ""
 * for want of memory. */
const char *import_path(struct import *import, const char *path);

/* The data set that a setting's value is, with its entries. False if it can't
 * be had: that is told as a loss. */
bool import_entries(struct import *import, const struct import_setting *setting,
    struct import_set *set_out);

enum { IMPORT_ROOTS = 3 };

/* Directories, with the last '/', in which all there is is OpenDKIM's, so that
 * they may change hands as a whole. */
extern const char *const import_roots[IMPORT_ROOTS];

/* The key files of a table that aren't postern's yet; all absolute. */
struct import_key_files {
	const struct passwd *user; /* postern's; NULL: there is none yet */
	const char **paths;        /* of those outside of import_roots */
	size_t count;
	const char *token; /* one of those with "%"; NULL: none */
	/* Of each root: a path in it, and how much of that is the directory
	 * that all in it have in common; NULL: none is in it. */
	const char *common[IMPORT_ROOTS];
	size_t lengths[IMPORT_ROOTS];
	bool is_relative; /* some are, as the table has them */
};

/* Is path the user's? False if there is no user, or no such file. */
bool import_is_ours(const char *path, const struct passwd *user);

/* Say that the files of a table have to be postern's, and give the commands.
 * table is where it is or will be; NULL: nowhere. */
void import_own(struct import *import, const struct import_setting *setting,
    const struct import_key_files *files, const char *table);

#endif
