#include "milter/ctl/import_opendkim.h"

#include "milter/ctl/import_opendkim_hosts.h"
#include "milter/ctl/import_opendkim_keys.h"
#include "milter/ctl/import_opendkim_names.h"
#include "milter/ctl/import_opendkim_sign.h"
#include "milter/ctl/import_opendkim_work.h"
#include "policy/text.h"

#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	COLUMNS = 78,
	TAB_COLUMNS = 8,
	WORDS_BYTES = 9000,
	NAMED_MOST = 20,    /* key files in one command */
	NAMED_BYTES = 4000, /* and their names */
};

const char *const import_roots[IMPORT_ROOTS] = { "/etc/dkimkeys/",
	"/etc/opendkim/", "/etc/opendkim.d/" };

const struct import_setting *
import_find(const struct import *import, const char *name)
{
	return import_settings_find(&import->settings, name);
}

bool
import_has(const struct import *import, const char *name)
{
	const struct import_setting *setting = import_find(import, name);

	return setting != NULL && import_is_true(setting->value);
}

/* The words as people may see them: what is cited of the file may be hostile
 * to a terminal. NULL: no memory. */
static char *clean(struct import *import, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static char *
clean(struct import *import, const char *format, va_list arguments)
{
	char raw[WORDS_BYTES], space[WORDS_BYTES];
	struct text text;
	char *words;

	(void)vsnprintf(raw, sizeof(raw), format, arguments);
	text_init(&text, space, sizeof(space));
	text_add_clean(&text, raw, strlen(raw), true);
	words = arena_strdup(import->arena, space);
	if (words == NULL)
		import->is_out_of_memory = true;
	return words;
}

/* A path or name, whatever it is, on one line. */
static const char *
printable(const struct import *import, const char *text)
{
	size_t length = strlen(text);
	char *space = arena_alloc(import->arena, length + 4);
	struct text copy;

	if (space == NULL)
		return "";
	text_init(&copy, space, length + 4);
	text_add_clean(&copy, text, length, true);
	return space;
}

static void
add_note(struct import *import, const struct import_setting *setting,
    bool is_loss, const char *words)
{
	struct import_note *note = arena_alloc(import->arena, sizeof(*note));

	if (note == NULL || words == NULL) {
		import->is_out_of_memory = true;
		return;
	}
	note->where = "";
	note->words = words;
	note->is_loss = is_loss;
	if (setting != NULL) {
		note->where = printable(import, setting->where);
		note->words = arena_printf(import->arena, "%s: %s",
		    printable(import, setting->name), words);
		if (note->words == NULL)
			import->is_out_of_memory = true;
	}
	if (import->last_note == NULL)
		import->answer->notes = note;
	else
		import->last_note->next = note;
	import->last_note = note;
	import->answer->has_loss = import->answer->has_loss || is_loss;
}

void
import_note(struct import *import, const struct import_setting *setting,
    const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add_note(import, setting, false, clean(import, format, arguments));
	va_end(arguments);
}

void
import_loss(struct import *import, const struct import_setting *setting,
    const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add_note(import, setting, true, clean(import, format, arguments));
	va_end(arguments);
}

void
import_command(struct import *import, const char *format, ...)
{
	struct import_command *command =
	    arena_alloc(import->arena, sizeof(*command));
	va_list arguments;

	if (command == NULL) {
		import->is_out_of_memory = true;
		return;
	}
	va_start(arguments, format);
	command->text = clean(import, format, arguments);
	va_end(arguments);
	if (import->last_command == NULL)
		import->answer->commands = command;
	else
		import->last_command->next = command;
	import->last_command = command;
}

/* How far the octets of text reach on a line; tabs stand at its begin. */
static size_t
columns(const char *text)
{
	size_t tabs = strspn(text, "\t");

	return tabs * TAB_COLUMNS + strlen(text + tabs);
}

/* Words on lines of COLUMNS, each after start; the later ones after more. */
static void
wrap(FILE *out, const char *start, const char *more, const char *words)
{
	size_t column = columns(start);
	const char *between = "";

	fputs(start, out);
	for (const char *word = words; *word != '\0';) {
		size_t length = strcspn(word, " ");

		if (*between != '\0' && column + 1 + length > COLUMNS) {
			fprintf(out, "\n%s", more);
			column = columns(more);
			between = "";
		}
		fprintf(out, "%s%.*s", between, (int)length, word);
		column += strlen(between) + length;
		between = " ";
		word += length;
		word += strspn(word, " ");
	}
	putc('\n', out);
}

void
import_comment(
    struct import *import, const char *indent, const char *format, ...)
{
	char start[32];
	va_list arguments;
	char *words;

	va_start(arguments, format);
	words = clean(import, format, arguments);
	va_end(arguments);
	if (words == NULL)
		return;
	(void)snprintf(start, sizeof(start), "%s# ", indent);
	wrap(import->out, start, start, words);
}

const char *
import_quote(struct import *import, const struct import_setting *setting,
    const char *text)
{
	char *quoted = arena_alloc(import->arena, 2 * strlen(text) + 3);
	char *to = quoted;

	if (quoted == NULL) {
		import->is_out_of_memory = true;
		return NULL;
	}
	if (strcmp(printable(import, text), text) != 0) {
		import_loss(import, setting,
		    "\"%s\" has octets that postern.conf can't hold", text);
		return NULL;
	}
	*to++ = '"';
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			*to++ = '\\';
		*to++ = *text;
	}
	*to++ = '"';
	*to = '\0';
	return quoted;
}

const char *
import_shell(struct import *import, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_./:@%+,=-";
	char *quoted = arena_alloc(import->arena, 4 * strlen(text) + 3);
	char *to = quoted;

	if (quoted == NULL) {
		import->is_out_of_memory = true;
		return "";
	}
	if (*text != '\0' && text[strspn(text, plain)] == '\0')
		return text;
	*to++ = '\'';
	for (; *text != '\0'; text++) {
		if (*text == '\'') {
			memcpy(to, "'\\'", 3);
			to += 3;
		}
		*to++ = *text;
	}
	*to++ = '\'';
	*to = '\0';
	return quoted;
}

const char *
import_path(struct import *import, const char *path)
{
	const struct import_setting *base =
	    import_find(import, "BaseDirectory");
	const char *file = import->order->file;
	const char *slash = strrchr(file, '/');
	char *absolute;

	if (*path == '/')
		return path;
	while (strncmp(path, "./", 2) == 0)
		path += 2 + strspn(path + 2, "/");
	if (base != NULL)
		absolute =
		    arena_printf(import->arena, "%s/%s", base->value, path);
	else
		absolute = arena_printf(import->arena, "%.*s/%s",
		    slash != NULL ? (int)(slash - file) : 0, file, path);
	if (absolute == NULL)
		import->is_out_of_memory = true;
	return absolute != NULL ? absolute : "";
}

bool
import_entries(struct import *import, const struct import_setting *setting,
    struct import_set *set_out)
{
	struct fault fault;
	const char *path;

	if (!import_set_parse(setting->value, import->arena, set_out)) {
		import->is_out_of_memory = true;
		return false;
	}
	if (set_out->kind == IMPORT_SET_LIST)
		return true;
	if (set_out->kind == IMPORT_SET_BASE) {
		import_loss(import, setting,
		    "postern asks no \"%s\" data base: write its entries into "
		    "a file, and give OpenDKIM's setting as \"file:PATH\"",
		    set_out->scheme);
		return false;
	}
	path = import_path(import, set_out->path);
	if (import_set_read(set_out, path, import->arena, &fault))
		return true;
	import->is_out_of_memory =
	    import->is_out_of_memory || fault.kind == FAULT_MEMORY;
	import_loss(import, setting, "%s: %s", path, fault.words);
	return false;
}

bool
import_is_ours(const char *path, const struct passwd *user)
{
	struct stat status;

	return user != NULL && stat(path, &status) == 0
	    && status.st_uid == user->pw_uid;
}

/* Others must get through to a directory, too: the length of the first one of
 * its path that they can't enter, or length. */
static size_t
closed_length(const char *directory, size_t length)
{
	char path[PATH_MAX];
	struct stat status;

	for (size_t i = 1; i + 1 < length && i < sizeof(path); i++) {
		if (directory[i] != '/')
			continue;
		memcpy(path, directory, i);
		path[i] = '\0';
		if (stat(path, &status) == 0 && (status.st_mode & S_IXOTH) == 0)
			return i + 1;
	}
	return length;
}

/* A directory of OpenDKIM's own. The command doesn't end in '/', so that it
 * doesn't follow a link. */
static void
own_root(
    struct import *import, const char *root, const char *common, size_t length)
{
	size_t closed = closed_length(common, length);
	size_t whole = closed > strlen(root) ? closed : strlen(root);
	const char *directory = arena_copy(import->arena, common, whole - 1);

	if (directory == NULL) {
		import->is_out_of_memory = true;
		return;
	}
	directory = import_shell(import, directory);
	import_command(import, "chown -R %s %s", IMPORT_USER, directory);
	import_command(import, "chmod -R go= %s", directory);
}

/* Can a command name it as it is? */
static bool
is_plain(const char *path)
{
	for (; *path != '\0'; path++)
		if (*path < ' ' || *path > '~')
			return false;
	return true;
}

/* The first files, as words of the shell with a blank before each; how many
 * they are. */
static const char *
first_files(struct import *import, const struct import_key_files *files,
    size_t *count_out)
{
	const char *list = "";

	*count_out = 0;
	for (size_t i = 0; i < files->count && *count_out < NAMED_MOST; i++) {
		const char *word = import_shell(import, files->paths[i]);
		const char *longer;

		if (!is_plain(files->paths[i])
		    || strlen(list) + strlen(word) > NAMED_BYTES)
			continue;
		longer = arena_printf(import->arena, "%s %s", list, word);
		if (longer == NULL) {
			import->is_out_of_memory = true;
			break;
		}
		list = longer;
		++*count_out;
	}
	return list;
}

/* The files of directories that others use, too: each by its name, and those
 * that are too many by the table's lines. */
static void
own_files(struct import *import, const struct import_key_files *files,
    const char *table)
{
	size_t named;
	const char *list = first_files(import, files, &named);
	const char *base = import_shell(import, import_path(import, "./"));

	if (named > 0) {
		import_command(import, "chown %s%s", IMPORT_USER, list);
		import_command(import, "chmod 600%s", list);
	}
	if (named == files->count || table == NULL)
		return;
	import_command(import, "# and %zu more:", files->count - named);
	import_command(import,
	    "%s%s%ssed 's/[[:space:]]*#.*//; s/[[:space:]]*$//' %s | while "
	    "IFS=: read -r name selector key; do case $key in *%%*) ;; "
	    "/*|./*|../*) chown %s \"$key\" && chmod 600 \"$key\" ;; esac; "
	    "done",
	    files->is_relative ? "cd " : "", files->is_relative ? base : "",
	    files->is_relative ? " && " : "", import_shell(import, table),
	    IMPORT_USER);
}

/* A directory that a file of the first ones is in and that postern can't enter;
 * NULL: none is known. */
static const char *
closed_directory(struct import *import, const struct import_key_files *files)
{
	for (size_t i = 0; i < files->count && i < NAMED_MOST; i++) {
		const char *path = files->paths[i];
		size_t length = strlen(path) + 1;
		size_t closed = closed_length(path, length);
		const char *directory;

		if (closed == length)
			continue;
		directory = arena_copy(import->arena, path, closed - 1);
		if (directory == NULL)
			import->is_out_of_memory = true;
		else if (!import_is_ours(directory, files->user))
			return directory;
	}
	return NULL;
}

void
import_own(struct import *import, const struct import_setting *setting,
    const struct import_key_files *files, const char *table)
{
	const char *closed = closed_directory(import, files);
	const char *token = files->token;
	bool has_any = files->count > 0 || token != NULL;

	for (size_t i = 0; i < IMPORT_ROOTS; i++)
		has_any = has_any || files->common[i] != NULL;
	if (!has_any)
		return;
	import_note(import, setting,
	    "postern takes a key only from a file that it owns itself or that "
	    "root owns, and that nobody else can read; OpenDKIM can't read "
	    "them any more then, so do it when it is stopped%s%s%s%s%s",
	    token != NULL ? "; no command here is for the files of " : "",
	    token != NULL ? token : "",
	    closed != NULL ? "; others can't enter " : "",
	    closed != NULL ? closed : "",
	    closed != NULL ? ": let postern in (setfacl -m u:" IMPORT_USER
			     ":x), or put the keys elsewhere"
			   : "");
	for (size_t i = 0; i < IMPORT_ROOTS; i++)
		if (files->common[i] != NULL)
			own_root(import, import_roots[i], files->common[i],
			    files->lengths[i]);
	own_files(import, files, table);
}

static void
head_notes(const struct import *import, FILE *out, bool is_loss)
{
	for (const struct import_note *note = import->answer->notes;
	     note != NULL; note = note->next) {
		char *line;

		if (note->is_loss != is_loss)
			continue;
		line = arena_printf(import->arena, "%s%s%s", note->where,
		    *note->where != '\0' ? ": " : "", note->words);
		if (line != NULL)
			wrap(out, "#   ", "#     ", line);
	}
}

/* The comment that the text begins with. */
static void
head(const struct import *import, FILE *out)
{
	const struct import_answer *answer = import->answer;
	bool has_notes = false;

	for (const struct import_note *note = answer->notes; note != NULL;
	     note = note->next)
		has_notes = has_notes || !note->is_loss;
	fprintf(out,
	    "# Made of %s\n"
	    "# by \"posternctl import-opendkim\". Before the first start:\n"
	    "#   postern -t -c THIS-FILE\n",
	    printable(import, import->order->file));
	if (answer->has_loss) {
		fputs("#\n# What OpenDKIM does and postern won't:\n", out);
		head_notes(import, out, true);
	}
	if (has_notes) {
		fputs("#\n# What is different:\n", out);
		head_notes(import, out, false);
	}
	if (answer->commands != NULL)
		fputs("#\n# To be run as root before the start:\n", out);
	for (const struct import_command *command = answer->commands;
	     command != NULL; command = command->next)
		fprintf(out, "#   %s\n", command->text);
	putc('\n', out);
}

static void
complain_of_include(
    void *context, const struct import_setting *setting, const char *words)
{
	struct import *import = context;

	import_loss(import, setting, "%s", words);
}

/* What others have to decide first: whether anything is signed at all. */
static void
body(struct import *import)
{
	import_names(import);
	import_mode(import);
	import_sockets(import);
	import_networks(import);
	import_dns(import);
	import_signing(import);
	import_senders(import);
	import_classes(import);
	import_listeners(import);
}

/* Head and body in one. */
static bool
join(struct import *import, const char *body_text, struct fault *fault)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out != NULL) {
		head(import, out);
		fputs(body_text, out);
	}
	if (out != NULL && fclose(out) == 0)
		import->answer->conf = arena_strdup(import->arena, text);
	free(text);
	if (import->answer->conf != NULL && !import->is_out_of_memory)
		return true;
	fault_memory(fault);
	return false;
}

bool
import_opendkim(const struct import_order *order, struct arena *arena,
    struct import_answer *answer_out, struct fault *fault)
{
	struct import import = {
		.order = order, .arena = arena, .answer = answer_out
	};
	char *text = NULL;
	size_t size = 0;
	bool is_good;

	*answer_out = (struct import_answer){ 0 };
	if (!import_settings_read(&import.settings, order->file, arena,
		complain_of_include, &import, fault))
		return false;
	import.out = open_memstream(&text, &size);
	if (import.out == NULL) {
		fault_memory(fault);
		return false;
	}
	body(&import);
	is_good = fclose(import.out) == 0;
	import.out = NULL;
	if (!is_good)
		fault_memory(fault);
	is_good = is_good && join(&import, text, fault);
	free(text);
	return is_good;
}
