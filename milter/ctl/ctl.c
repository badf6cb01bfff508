#include "milter/ctl/ctl.h"

#include "milter/ctl/client.h"
#include "milter/listen.h"
#include "milter/stores.h"
#include "policy/text.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LETTERS_BYTES = 32 };

static void
print_usage(const struct ctl *ctl, FILE *out)
{
	const struct ctl_command *command = ctl->command;

	fprintf(out, "usage: posternctl [-c FILE] [--json] %s%s%s%s\n",
	    command->word, command->sub_word != NULL ? " " : "",
	    command->sub_word != NULL ? command->sub_word : "", command->usage);
}

int
ctl_usage(const struct ctl *ctl, const char *words)
{
	if (words != NULL)
		fprintf(stderr, "posternctl: %s\n", words);
	print_usage(ctl, stderr);
	return CTL_USAGE;
}

/* The letters that options have: all have -c, few commands one of their own. */
static void
find_letters(const struct option *options, struct text *letters)
{
	text_add(letters, "c:");
	for (; options->name != NULL; options++)
		if (options->val > ' ' && options->val < 128
		    && strchr("cjh", options->val) == NULL)
			text_addf(letters, "%c%s", options->val,
			    options->has_arg == required_argument ? ":" : "");
}

int
ctl_option(struct ctl *ctl, int argc, char **argv, const struct option *options)
{
	char space[LETTERS_BYTES];
	struct text letters;
	int option;

	text_init(&letters, space, sizeof(space));
	find_letters(options, &letters);
	while ((option = getopt_long(argc, argv, space, options, NULL)) != -1) {
		if (option == 'c') {
			ctl->file = optarg;
		} else if (option == 'j') {
			ctl->is_json = true;
		} else if (option == 'h') {
			print_usage(ctl, stdout);
			ctl->is_over = true;
			ctl->status = CTL_YES;
			return -1;
		} else if (option == '?') {
			ctl->is_over = true;
			ctl->status = ctl_usage(ctl, NULL);
			return -1;
		} else {
			return option;
		}
	}
	return -1;
}

bool
ctl_no_arguments(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = { CTL_OPTIONS,
		{ NULL, 0, NULL, 0 } };

	(void)ctl_option(ctl, argc, argv, options);
	if (ctl->is_over)
		return false;
	if (optind == argc)
		return true;
	ctl->status = ctl_usage(ctl, "no arguments are expected");
	return false;
}

int
ctl_fail(const struct fault *fault)
{
	fprintf(stderr, "posternctl: %s\n", fault->words);
	return fault->kind == FAULT_PERMANENT ? CTL_USAGE : CTL_LATER;
}

bool
ctl_read(struct ctl *ctl)
{
	struct conf_errors errors = { NULL, 0 };

	ctl->conf = conf_read(ctl->file, &errors);
	for (size_t i = 0; i < errors.count; i++)
		fprintf(stderr, "%s\n", errors.lines[i]);
	conf_errors_clear(&errors);
	return ctl->conf != NULL;
}

struct json_object *
ctl_ask(const struct ctl *ctl, const char *question, uint64_t patience_ms,
    struct fault *fault)
{
	const char *path = ctl->conf->control;

	if (*path != '\0')
		return client_ask(path, question, patience_ms, fault);
	fault_set(fault, FAULT_PERMANENT,
	    "%s: control is empty, so the daemon can't be asked",
	    conf_where(ctl->conf, "", "control"));
	return NULL;
}

bool
ctl_become(const struct ctl *ctl, struct fault *fault)
{
	const char *user = ctl->conf->user;
	struct identity identity;

	if (listen_find_user(user, &identity, fault)
	    && listen_become(&identity, user, fault))
		return true;
	fault_prefix(fault, "%s: ", conf_where(ctl->conf, "", "user"));
	return false;
}

struct store *
ctl_store(const struct ctl *ctl, struct fault *fault)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	/* A server that hangs up is a fault, not a signal; without TLS that is
	 * seen to at each send. */
	if (ctl->conf->store.url != NULL && ctl->conf->store.url->is_tls)
		(void)sigaction(SIGPIPE, &ignore, NULL);
	return stores_open_existing(ctl->conf, fault);
}
