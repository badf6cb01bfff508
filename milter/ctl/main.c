/* posternctl: looks at and steers the daemon. */
#include "milter/ctl/ctl.h"

#include <stdio.h>
#include <string.h>

static const char default_file[] = SYSCONFDIR "/postern/postern.conf";

static const struct ctl_command commands[] = {
	{ "limits", "show", " [--key KEY] [--limit NAME] ACCOUNT",
	    ctl_limits_show },
	{ "limits", "set",
	    " [--for DURATION] [--reason TEXT] ACCOUNT LIMIT MAX|default",
	    ctl_limits_set },
	{ "limits", "reset", " [--key KEY] [--limit NAME] ACCOUNT",
	    ctl_limits_reset },
	{ "top", NULL,
	    " [--limit NAME] [--count COUNT] [--key KEY] [-n NUMBER]",
	    ctl_top },
	{ "block", NULL,
	    " [--key KEY] [--for DURATION] [--reason TEXT]\n"
	    "           [--queue[=list|hold]] [--postfix DIRECTORY] ACCOUNT",
	    ctl_block },
	{ "unblock", NULL, " [--key KEY] ACCOUNT", ctl_unblock },
	{ "blocked", NULL, " [--key KEY]", ctl_blocked },
	{ "status", NULL, "", ctl_status },
	{ "reload", NULL, "", ctl_reload },
	{ "genkey", NULL,
	    " [--selector S] [--algorithm rsa|ed25519|both] [--bits N]\n"
	    "           [--directory DIR] DOMAIN",
	    ctl_genkey },
	{ "rotate", NULL,
	    " [--algorithm rsa|ed25519|both] [--bits N] [--selector S]\n"
	    "           [--publish nsupdate|hook|print] [--server ADDRESS]...\n"
	    "           [--retire-after DURATION] [--wait DURATION]\n"
	    "           [--rate N/s] [--jobs N] [--older-than DURATION]\n"
	    "           DOMAIN | --all | --continue [DOMAIN] | "
	    "--status [DOMAIN] |\n"
	    "           --cancel DOMAIN",
	    ctl_rotate },
	{ "import-opendkim", NULL,
	    " [--output DIRECTORY|FILE] [--owners all|own|map]\n"
	    "           [--map MAP] FILE",
	    ctl_import_opendkim },
	{ "explain", NULL,
	    " [--login L] [--client ADDRESS] [--port N] [--uid N]\n"
	    "           [--listener NAME-OR-PORT] [--host NAME] [--tls]\n"
	    "           [--mail-from SENDER] [--rcpt RECIPIENT]... "
	    "[--opinions] < message",
	    ctl_explain },
	{ "preflight", NULL,
	    " [--ip ADDRESS]... [--helo NAME] [--mail-from SENDER]\n"
	    "           --from AUTHOR [--dkim DOMAIN]... [--profile NAME]...\n"
	    "           [--opinions]",
	    ctl_preflight },
	{ "check-domain", NULL,
	    " [--file LIST | --all] [--jobs N] [--opinions] [DOMAIN]...",
	    ctl_check_domain },
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void
usage(FILE *out)
{
	fprintf(out,
	    "usage: posternctl [-c FILE] [--json] COMMAND ...\n"
	    "  -c, --config FILE  the configuration (%s)\n"
	    "      --json         answer with a JSON object\n"
	    "      --version      print the version, and end\n"
	    "      --help         print this (after a command: its own), "
	    "and end\n",
	    default_file);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %s%s%s%s\n", commands[i].word,
		    commands[i].sub_word != NULL ? " " : "",
		    commands[i].sub_word != NULL ? commands[i].sub_word : "",
		    commands[i].usage);
	fputs("KEY: account (the default), parent, from_domain, client_ip, "
	      "sender, global.\n",
	    out);
	fputs("Exit status: 0 yes or done, 1 no, 2 wrong usage or "
	      "configuration, 75 try again.\n",
	    out);
}

/* The command that words (count of them) begin with; *used_out: how many. */
static const struct ctl_command *
find_command(char *const *words, int count, int *used_out)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		const struct ctl_command *command = &commands[i];

		*used_out = command->sub_word != NULL ? 2 : 1;
		if (count >= *used_out && strcmp(words[0], command->word) == 0
		    && (command->sub_word == NULL
			|| strcmp(words[1], command->sub_word) == 0))
			return command;
	}
	return NULL;
}

static int
run(struct ctl *ctl, int argc, char **argv)
{
	static char name[] = "posternctl";
	int used, status;

	ctl->command = find_command(argv, argc, &used);
	if (ctl->command == NULL) {
		if (argc > 0)
			fprintf(stderr,
			    "posternctl: there is no command \"%s\"\n",
			    argv[0]);
		usage(stderr);
		return CTL_USAGE;
	}
	/* The command reads the rest as if it were all. */
	argv[used - 1] = name;
	optind = 0;
	status = ctl->command->run(ctl, argc - used + 1, argv + used - 1);
	conf_release(&ctl->conf);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("posternctl: standard output");
		return CTL_LATER;
	}
	return status;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		CTL_OPTIONS,
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct ctl ctl = { .file = default_file };
	int option;

	while ((option = getopt_long(argc, argv, "+c:", options, NULL)) != -1) {
		if (option == 'c') {
			ctl.file = optarg;
		} else if (option == 'j') {
			ctl.is_json = true;
		} else if (option == 'V') {
			printf("posternctl %s\n", PACKAGE_VERSION);
			return CTL_YES;
		} else {
			usage(option == 'h' ? stdout : stderr);
			return option == 'h' ? CTL_YES : CTL_USAGE;
		}
	}
	return run(&ctl, argc - optind, argv + optind);
}
