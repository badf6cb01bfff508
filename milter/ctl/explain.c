#include "milter/ctl/explain.h"

#include "milter/ctl/ctl.h"
#include "milter/ctl/mail.h"
#include "milter/ctl/opinion.h"
#include "milter/ctl/opinion_process.h"
#include "milter/judge.h"
#include "milter/resolving.h"
#include "milter/stores.h"
#include "policy/text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	/* Header fields that are read before the author is known. */
	HELD_BYTES = 2 * SESSION_HEADER_BYTES,
	ARENA_BYTES = 4 * HELD_BYTES,
	MAP_ANSWERS = 100,
	KEY_DOMAINS = 16,
	HOST_BYTES = 256,
	/* Any port but 0, which means sendmail(1). */
	CLIENT_PORT = 40000,
};

/* RFC 5737: an address that is nobody's, for a client that was not named. */
static const char nobodys_address[] = "192.0.2.1";

struct held_field {
	const char *name;
	const char *value;
	struct held_field *next;
};

/* A run: what was asked, and what it takes to answer. */
struct run {
	struct ctl *ctl;
	struct redis_pool *map_pool;
	const char *login;
	const char *client;
	const char *port;
	const char *uid;
	const char *listener;
	const char *host;
	const char *mail_from;
	const char **recipients; /* room for all arguments */
	size_t recipient_count;
	bool is_tls;
	bool has_opinions;

	struct connect_event connect;
	uint64_t uid_number;
	char host_space[HOST_BYTES];

	struct arena arena;
	struct mail *mail;
	bool is_header_read;
	struct held_field *held, *last_held;

	struct metrics metrics;
	struct services services;
	struct opinion_process *process;
	struct opinion opinion;
	struct explanation answer;
};

enum {
	OPTION_LOGIN = 256,
	OPTION_CLIENT,
	OPTION_PORT,
	OPTION_UID,
	OPTION_LISTENER,
	OPTION_HOST,
	OPTION_TLS,
	OPTION_MAIL_FROM,
	OPTION_RCPT,
	OPTION_OPINIONS,
};

static void
take_option(struct run *run, int option)
{
	if (option == OPTION_LOGIN)
		run->login = optarg;
	else if (option == OPTION_CLIENT)
		run->client = optarg;
	else if (option == OPTION_PORT)
		run->port = optarg;
	else if (option == OPTION_UID)
		run->uid = optarg;
	else if (option == OPTION_LISTENER)
		run->listener = optarg;
	else if (option == OPTION_HOST)
		run->host = optarg;
	else if (option == OPTION_TLS)
		run->is_tls = true;
	else if (option == OPTION_MAIL_FROM)
		run->mail_from = optarg;
	else if (option == OPTION_OPINIONS)
		run->has_opinions = true;
	else if (option == OPTION_RCPT)
		run->recipients[run->recipient_count++] = optarg;
}

static bool
refuse(struct run *run, const char *words)
{
	run->ctl->status = ctl_usage(run->ctl, words);
	return false;
}

static bool
read_arguments(struct run *run, int argc, char **argv)
{
	static const struct option options[] = {
		CTL_OPTIONS,
		{ "login", required_argument, NULL, OPTION_LOGIN },
		{ "client", required_argument, NULL, OPTION_CLIENT },
		{ "port", required_argument, NULL, OPTION_PORT },
		{ "uid", required_argument, NULL, OPTION_UID },
		{ "listener", required_argument, NULL, OPTION_LISTENER },
		{ "host", required_argument, NULL, OPTION_HOST },
		{ "tls", no_argument, NULL, OPTION_TLS },
		{ "mail-from", required_argument, NULL, OPTION_MAIL_FROM },
		{ "rcpt", required_argument, NULL, OPTION_RCPT },
		{ "opinions", no_argument, NULL, OPTION_OPINIONS },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	run->recipients =
	    arena_alloc(&run->arena, (size_t)argc * sizeof(*run->recipients));
	if (run->recipients == NULL)
		return refuse(run, "too many arguments");
	while ((option = ctl_option(run->ctl, argc, argv, options)) != -1)
		take_option(run, option);
	if (run->ctl->is_over)
		return false;
	if (optind < argc)
		return refuse(run,
		    "the message comes on standard input; no "
		    "arguments are expected");
	if (run->login != NULL && *run->login == '\0')
		run->login = NULL;
	return true;
}

/* Who is said to connect. Nothing said is what sendmail(1) is to an MTA; of a
 * login only that it isn't this host's own mail. */
static bool
choose_client(struct run *run)
{
	struct connect_event *event = &run->connect;
	const char *client = run->client;
	bool is_local = client == NULL && run->login == NULL
	    && (run->listener == NULL || run->uid != NULL);
	uint64_t port = is_local && run->uid == NULL ? 0 : CLIENT_PORT;

	if (client == NULL)
		client = is_local ? "127.0.0.1" : nobodys_address;
	run->answer.is_client_assumed = run->client == NULL;
	if (!network_address(client, &event->client))
		return refuse(run, "--client: an IPv4 or IPv6 address");
	if (run->port != NULL && !text_number(run->port, 0, UINT16_MAX, &port))
		return refuse(run, "--port: 0 to 65535");
	event->client_port = (uint16_t)port;
	event->is_port_known = true;
	if (run->uid == NULL)
		return true;
	if (!text_number(run->uid, 0, UINT32_MAX - 1, &run->uid_number))
		return refuse(run, "--uid: a number");
	if (run->login != NULL || event->client_port == 0
	    || !network_is_loopback(&event->client))
		return refuse(run,
		    "--uid: known only of a connection over loopback, and "
		    "asked only where nobody logged in");
	return true;
}

static void
choose_server(struct run *run)
{
	struct connect_event *event = &run->connect;
	uint64_t port;

	if (run->host == NULL
	    && gethostname(run->host_space, sizeof(run->host_space) - 1) == 0)
		run->host = run->host_space;
	event->mta_host = run->host;
	if (run->listener == NULL)
		return;
	if (text_number(run->listener, 1, UINT16_MAX, &port))
		event->daemon_port = run->listener;
	else
		event->daemon_name = run->listener;
}

/* As the daemon has them; but nothing is logged, and what this store is asked
 * it isn't told. */
static bool
open_services(struct run *run, struct fault *fault)
{
	struct services *services = &run->services;
	struct snapshot *snapshot =
	    snapshot_open(conf_hold(run->ctl->conf), fault);

	if (snapshot == NULL)
		return false;
	snapshot_slot_init(&services->snapshots, snapshot);
	services->is_dry = true;
	services->metrics = &run->metrics;
	services->refusals = refusals_open(1);
	services->gate = gate_open(1);
	services->waiting = gate_open(1);
	if (!stores_open_pool(run->ctl->conf, &run->map_pool, fault))
		return false;
	services->tables = tables_open(MAP_ANSWERS, run->map_pool);
	services->keys = keys_open(KEY_DOMAINS, services->tables);
	if (services->tables == NULL || services->refusals == NULL
	    || services->keys == NULL || services->gate == NULL
	    || services->waiting == NULL) {
		fault_memory(fault);
		return false;
	}
	services->verify_library = verify_library_open(fault);
	if (services->verify_library == NULL
	    || !resolving_open(run->ctl->conf, &services->suffixes,
		&services->resolver, fault))
		return false;
	services->store = ctl_store(run->ctl, fault);
	return services->store != NULL;
}

static void
close_all(struct run *run)
{
	struct services *services = &run->services;

	session_end(&run->answer.session);
	if (services->snapshots.current != NULL)
		snapshot_slot_clear(&services->snapshots);
	store_close(&services->store);
	keys_close(&services->keys);
	refusals_close(&services->refusals);
	gate_close(&services->gate);
	gate_close(&services->waiting);
	tables_close(&services->tables);
	verify_library_close(&services->verify_library);
	resolving_close(&services->suffixes, &services->resolver);
	redis_pool_close(&run->map_pool);
	mail_close(&run->mail);
	arena_clear(&run->arena);
}

static bool
hold_back(struct run *run, const char *name, const char *value)
{
	struct held_field *field = arena_alloc(&run->arena, sizeof(*field));

	if (field == NULL)
		return false;
	field->name = arena_strdup(&run->arena, name);
	field->value = arena_strdup(&run->arena, value);
	if (field->name == NULL || field->value == NULL)
		return false;
	if (run->last_held != NULL)
		run->last_held->next = field;
	else
		run->held = field;
	run->last_held = field;
	return true;
}

static bool
take_author(struct run *run, const char *value)
{
	struct from_field from;

	if (!address_from(&run->arena, value, strlen(value), &from))
		return false;
	if (from.count > 0)
		run->mail_from = from.mailboxes[0].text;
	run->answer.is_sender_assumed = true;
	return true;
}

/* An envelope sender that wasn't told is taken to be the author, as mail
 * programs do it. */
static bool
find_sender(struct run *run, struct fault *fault)
{
	const char *name, *value;
	enum mail_part part;

	while (run->mail_from == NULL && !run->answer.is_sender_assumed
	    && !run->is_header_read && run->arena.used_bytes < HELD_BYTES) {
		part = mail_field(run->mail, &name, &value, fault);
		if (part == MAIL_FAULT)
			return false;
		run->is_header_read = part == MAIL_BODY;
		if (part == MAIL_FIELD
		    && (!hold_back(run, name, value)
			|| (session_is_from(name)
			    && !take_author(run, value)))) {
			fault_memory(fault);
			return false;
		}
	}
	if (run->mail_from != NULL)
		return true;
	fault_set(fault, FAULT_PERMANENT,
	    "the message has no From whose address could be the envelope "
	    "sender: give --mail-from");
	return false;
}

static bool
begin_message(struct run *run, struct fault *fault)
{
	struct session *session = session_begin(&run->services);
	struct mail_event event = { .login = run->login,
		.tls_version = run->is_tls ? "TLSv1.3" : NULL };

	run->answer.session = session;
	event.path = *run->mail_from == '<'
	    ? run->mail_from
	    : arena_printf(&run->arena, "<%s>", run->mail_from);
	if (session != NULL && event.path != NULL
	    && session_connect(session, &run->connect)) {
		session->replies_to_recipients = true;
		/* The kernel is asked of a port that somebody named. */
		session->is_uid_asked = run->port == NULL || run->uid != NULL;
		session->facts.has_uid = run->uid != NULL;
		session->facts.uid = (uint32_t)run->uid_number;
		if (session_begin_message(session, &event))
			return true;
	}
	fault_memory(fault);
	return false;
}

static void
give_recipient(struct run *run, const char *recipient)
{
	struct explanation *answer = &run->answer;
	const char *path = *recipient == '<'
	    ? recipient
	    : arena_printf(&run->arena, "<%s>", recipient);
	struct verdict verdict = judge_recipient(
	    answer->session, path != NULL ? path : recipient, NULL);

	if (!verdict_leaves(&verdict))
		answer->recipient_verdict = verdict;
}

static void
give_recipients(struct run *run)
{
	struct explanation *answer = &run->answer;

	answer->is_recipient_assumed = run->recipient_count == 0;
	answer->recipient_verdict = verdict_accept();
	if (run->recipient_count == 0)
		give_recipient(run, "<>");
	for (size_t i = 0; i < run->recipient_count; i++)
		give_recipient(run, run->recipients[i]);
}

static void
give_field(struct session *session, const char *name, const char *value)
{
	if (!session_add_header(session, name, value))
		session->message.facts.is_header_too_large = true;
}

static bool
give_header(struct run *run, struct fault *fault)
{
	struct session *session = run->answer.session;
	enum mail_part part = MAIL_FIELD;
	const char *name, *value;

	for (const struct held_field *field = run->held; field != NULL;
	     field = field->next)
		give_field(session, field->name, field->value);
	while (!run->is_header_read && part == MAIL_FIELD) {
		part = mail_field(run->mail, &name, &value, fault);
		if (part == MAIL_FIELD)
			give_field(session, name, value);
	}
	return part != MAIL_FAULT;
}

static bool
give_body(struct run *run, struct fault *fault)
{
	const unsigned char *data;
	size_t length;

	do {
		if (!mail_body(run->mail, &data, &length, fault))
			return false;
		if (length > 0)
			judge_body(run->answer.session, data, length);
	} while (length > 0);
	return true;
}

/* The way of a message that session.h tells, without an MTA. */
static bool
judge(struct run *run, struct fault *fault)
{
	struct explanation *answer = &run->answer;
	struct session *session;

	if (!find_sender(run, fault) || !begin_message(run, fault))
		return false;
	session = answer->session;
	answer->verdict = judge_mail(session);
	answer->is_at_mail = !verdict_leaves(&answer->verdict);
	if (answer->is_at_mail)
		return true;
	give_recipients(run);
	if (!give_header(run, fault))
		return false;
	judge_headers(session);
	if (!give_body(run, fault))
		return false;
	answer->verdict = judge_message(session);
	return true;
}

/* Of what was looked at, and while its evidence is there. */
static bool
ask_opinions(struct run *run, struct fault *fault)
{
	struct message *message = &run->answer.session->message;
	const struct opinion_question question = {
		.sender_local = message->facts.sender.local,
		.sender_domain = message->facts.is_bad_sender
		    ? ""
		    : message->facts.sender.domain,
		.evidence = &message->evidence,
		.judgement = message->preflight,
		.resolver = run->services.resolver,
		.timeout_ms = run->ctl->conf->dns.timeout_ms,
	};

	if (run->process == NULL || message->preflight == NULL)
		return true;
	run->answer.opinion = &run->opinion;
	if (opinion_ask(
		run->process, &question, &message->arena, &run->opinion))
		return true;
	fault_memory(fault);
	return false;
}

static int
status_of(const struct verdict *verdict)
{
	if (verdict_leaves(verdict))
		return CTL_YES;
	switch (verdict->reason) {
	case REASON_STORE_AWAY:
	case REASON_DNS:
	case REASON_MAP_AWAY:
	case REASON_BUSY:
	case REASON_MEMORY:
		return verdict->action == ACTION_TEMPFAIL ? CTL_LATER : CTL_NO;
	default:
		return CTL_NO;
	}
}

static int
explain(struct run *run)
{
	struct fault fault = { .kind = FAULT_NONE };

	run->mail = mail_open(stdin);
	if (run->mail == NULL) {
		fault_memory(&fault);
		return ctl_fail(&fault);
	}
	if (isatty(STDIN_FILENO))
		fputs("Reading the message from standard input.\n", stderr);
	if (!ctl_become(run->ctl, &fault)
	    || (run->has_opinions
		&& (run->process = opinion_process_begin(&fault)) == NULL)
	    || !open_services(run, &fault) || !judge(run, &fault)
	    || !ask_opinions(run, &fault))
		return ctl_fail(&fault);
	if (run->ctl->is_json) {
		explain_json(&run->answer);
	} else if (!explain_text(&run->answer)) {
		fault_memory(&fault);
		return ctl_fail(&fault);
	}
	return status_of(&run->answer.verdict);
}

int
ctl_explain(struct ctl *ctl, int argc, char **argv)
{
	struct run run = { .ctl = ctl };
	int status = CTL_USAGE;

	arena_init(&run.arena, ARENA_BYTES);
	if (!read_arguments(&run, argc, argv) || !choose_client(&run)) {
		status = ctl->status;
	} else {
		choose_server(&run);
		if (ctl_read(ctl))
			status = explain(&run);
	}
	opinion_process_end(&run.process);
	close_all(&run);
	return status;
}
