#include "milter/callbacks.h"

#include "milter/actions.h"
#include "milter/judge.h"
#include "milter/report.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* The one global that libmilter forces on us: xxfi_* carry no argument of
 * ours. libmilter's threads outlive everything else, so whoever enters
 * counts himself in, and sessions are found again when the MTA never closed
 * them. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t left;
	struct services *services; /* set before smfi_main() */
	bool is_ended;
	struct session *sessions;
	size_t inside;
} here = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.left = PTHREAD_COND_INITIALIZER };

static bool
enter(void)
{
	bool is_open;

	pthread_mutex_lock(&here.lock);
	is_open = !here.is_ended;
	if (is_open)
		here.inside++;
	pthread_mutex_unlock(&here.lock);
	return is_open;
}

static void
leave(void)
{
	pthread_mutex_lock(&here.lock);
	here.inside--;
	pthread_cond_broadcast(&here.left);
	pthread_mutex_unlock(&here.lock);
}

static void
registry_add(struct session *session)
{
	pthread_mutex_lock(&here.lock);
	session->next = here.sessions;
	if (here.sessions != NULL)
		here.sessions->previous = session;
	here.sessions = session;
	pthread_mutex_unlock(&here.lock);
}

static void
registry_remove(struct session *session)
{
	pthread_mutex_lock(&here.lock);
	if (session->previous != NULL)
		session->previous->next = session->next;
	else
		here.sessions = session->next;
	if (session->next != NULL)
		session->next->previous = session->previous;
	pthread_mutex_unlock(&here.lock);
}

static struct session *
make_session(SMFICTX *ctx)
{
	struct session *session = session_begin(here.services);

	if (session == NULL)
		return NULL;
	if (smfi_setpriv(ctx, session) != MI_SUCCESS) {
		session_end(&session);
		return NULL;
	}
	registry_add(session);
	return session;
}

/* A macro of the MTA; NULL if it has none. Each is read once: a malformed
 * macro packet can't then give two answers. */
static const char *
macro(SMFICTX *ctx, const char *name)
{
	char space[32];

	snprintf(space, sizeof(space), "%s", name);
	return smfi_getsymval(ctx, space);
}

/* Does the configuration of the moment need to answer at RCPT? */
static bool
wants_recipient_replies(struct session *session)
{
	struct snapshot *snapshot =
	    snapshot_slot_hold(&session->services->snapshots);
	const struct conf *conf = snapshot->conf;
	bool is_wanted = false;

	for (size_t i = 0; i < CLASS_COUNT; i++)
		is_wanted |= conf->classes[i].max_recipients > 0;
	snapshot_release(&snapshot);
	return is_wanted;
}

/* Ask for what is used at each stage; Postfix's and Sendmail's own lists are
 * replaced by these, so that main.cf needs no milter_*_macros. */
static void
ask_macros(SMFICTX *ctx)
{
	static const struct {
		int stage;
		const char *names;
	} lists[] = {
		{ SMFIM_CONNECT,
		    "j {daemon_name} {daemon_addr} {daemon_port}" },
		{ SMFIM_ENVFROM,
		    "j {auth_authen} {tls_version} {daemon_name} "
		    "{daemon_addr} {daemon_port}" },
		{ SMFIM_ENVRCPT, "{rcpt_mailer}" },
		{ SMFIM_EOH, "i" },
		{ SMFIM_EOM, "i" },
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		char names[128];

		snprintf(names, sizeof(names), "%s", lists[i].names);
		(void)smfi_setsymlist(ctx, lists[i].stage, names);
	}
}

static sfsistat
on_negotiate(SMFICTX *ctx, unsigned long actions_offered,
    unsigned long steps_offered, unsigned long unused_2, unsigned long unused_3,
    unsigned long *actions_out, unsigned long *steps_out, unsigned long *out_2,
    unsigned long *out_3)
{
	/* A reply that isn't needed costs a round trip (design §2). libmilter
	 * answers in our place where the MTA wants one all the same. */
	unsigned long actions =
	    SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_QUARANTINE | SMFIF_SETSYMLIST;
	unsigned long no_replies =
	    SMFIP_NR_CONN | SMFIP_NR_HDR | SMFIP_NR_EOH | SMFIP_NR_BODY;
	struct session *session;

	(void)unused_2;
	(void)unused_3;
	if ((actions_offered & SMFIF_ADDHDRS) == 0 || !enter())
		return SMFIS_REJECT;
	session = smfi_getpriv(ctx);
	if (session == NULL)
		session = make_session(ctx);
	if (session != NULL) {
		session->can_hold = (actions_offered & SMFIF_QUARANTINE) != 0;
		session->replies_to_recipients =
		    wants_recipient_replies(session);
		session->can_change_fields =
		    (actions_offered & SMFIF_CHGHDRS) != 0;
		if (!session->replies_to_recipients)
			no_replies |= SMFIP_NR_RCPT;
		if ((actions_offered & SMFIF_SETSYMLIST) != 0)
			ask_macros(ctx);
		*actions_out = actions_offered & actions;
		*steps_out |= steps_offered & (no_replies | SMFIP_HDR_LEADSPC);
		*steps_out &= ~(unsigned long)SMFIP_SKIP;
		*out_2 = 0;
		*out_3 = 0;
		session->adds_leading_space =
		    (steps_offered & SMFIP_HDR_LEADSPC) == 0;
	}
	leave();
	return session != NULL ? SMFIS_CONTINUE : SMFIS_REJECT;
}

static void
read_client(struct connect_event *event, const struct sockaddr *address)
{
	const struct sockaddr_in *in = (const void *)address;
	const struct sockaddr_in6 *in6 = (const void *)address;
	char text[INET6_ADDRSTRLEN];

	if (address == NULL)
		return;
	if (address->sa_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
		event->client_port = ntohs(in->sin_port);
	} else if (address->sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
		event->client_port = ntohs(in6->sin6_port);
	} else {
		return;
	}
	event->is_port_known = true;
	(void)network_address(text, &event->client);
}

static sfsistat
on_connect(SMFICTX *ctx, char *host_name, _SOCK_ADDR *address)
{
	struct session *session;
	struct connect_event event = {
		.mta_host = macro(ctx, "j"),
		.daemon_name = macro(ctx, "{daemon_name}"),
		.daemon_addr = macro(ctx, "{daemon_addr}"),
		.daemon_port = macro(ctx, "{daemon_port}"),
	};

	(void)host_name;
	if (!enter())
		return SMFIS_NOREPLY;
	read_client(&event, address);
	session = smfi_getpriv(ctx);
	if (session == NULL)
		session = make_session(ctx);
	/* Without memory the client stays unknown: MAIL answers. */
	if (session != NULL)
		(void)session_connect(session, &event);
	leave();
	return SMFIS_NOREPLY;
}

static sfsistat
on_mail_of(SMFICTX *ctx, struct session *session, const char *path)
{
	struct mail_event event = {
		.path = path,
		.login = macro(ctx, "{auth_authen}"),
		.tls_version = macro(ctx, "{tls_version}"),
		.mta_host = macro(ctx, "j"),
		.daemon_name = macro(ctx, "{daemon_name}"),
		.daemon_addr = macro(ctx, "{daemon_addr}"),
		.daemon_port = macro(ctx, "{daemon_port}"),
	};
	struct verdict verdict;
	sfsistat status;

	if (!session_begin_message(session, &event))
		return SMFIS_TEMPFAIL;
	verdict = judge_mail(session);
	status = actions_answer(ctx, session, &verdict);
	if (status != SMFIS_CONTINUE) {
		report_message(session, &verdict, true);
		session_end_message(session);
	}
	return status;
}

static sfsistat
on_mail(SMFICTX *ctx, char **arguments)
{
	struct session *session = smfi_getpriv(ctx);
	sfsistat status = SMFIS_TEMPFAIL;

	if (!enter())
		return status;
	if (session != NULL && arguments != NULL && arguments[0] != NULL)
		status = on_mail_of(ctx, session, arguments[0]);
	leave();
	return status;
}

static sfsistat
on_rcpt(SMFICTX *ctx, char **arguments)
{
	struct session *session = smfi_getpriv(ctx);
	sfsistat status = SMFIS_TEMPFAIL;
	struct verdict verdict;

	if (!enter())
		return status;
	if (session != NULL && arguments != NULL && arguments[0] != NULL) {
		verdict = judge_recipient(
		    session, arguments[0], macro(ctx, "{rcpt_mailer}"));
		status = session->replies_to_recipients
		    ? actions_answer(ctx, session, &verdict)
		    : SMFIS_NOREPLY;
	}
	leave();
	return status;
}

static sfsistat
on_header(SMFICTX *ctx, char *name, char *value)
{
	struct session *session = smfi_getpriv(ctx);

	if (!enter())
		return SMFIS_NOREPLY;
	if (session != NULL && !session_add_header(session, name, value))
		session->message.facts.is_header_too_large = true;
	leave();
	return SMFIS_NOREPLY;
}

static sfsistat
on_end_of_header(SMFICTX *ctx)
{
	struct session *session = smfi_getpriv(ctx);

	if (!enter())
		return SMFIS_NOREPLY;
	if (session != NULL) {
		session_set_queue_id(session, macro(ctx, "i"));
		judge_headers(session);
	}
	leave();
	return SMFIS_NOREPLY;
}

static sfsistat
on_body(SMFICTX *ctx, unsigned char *data, size_t length)
{
	struct session *session = smfi_getpriv(ctx);

	if (!enter())
		return SMFIS_NOREPLY;
	if (session != NULL)
		judge_body(session, data, length);
	leave();
	return SMFIS_NOREPLY;
}

static sfsistat
on_end_of_message(SMFICTX *ctx)
{
	struct session *session = smfi_getpriv(ctx);
	sfsistat status = SMFIS_TEMPFAIL;
	struct verdict verdict;

	if (!enter())
		return status;
	if (session != NULL && session->has_message) {
		session_set_queue_id(session, macro(ctx, "i"));
		verdict = judge_message(session);
		status = actions_perform(ctx, session, &verdict);
		report_message(session, &verdict, false);
		/* After a final answer libmilter sends no abort. */
		session_end_message(session);
	}
	leave();
	return status;
}

static sfsistat
on_abort(SMFICTX *ctx)
{
	struct session *session = smfi_getpriv(ctx);

	if (!enter())
		return SMFIS_CONTINUE;
	if (session != NULL)
		session_end_message(session);
	leave();
	return SMFIS_CONTINUE;
}

static sfsistat
on_close(SMFICTX *ctx)
{
	struct session *session = smfi_getpriv(ctx);

	/* A probe that only connects comes here first, without a session. */
	if (session == NULL || !enter())
		return SMFIS_CONTINUE;
	smfi_setpriv(ctx, NULL);
	registry_remove(session);
	session_end(&session);
	leave();
	return SMFIS_CONTINUE;
}

bool
callbacks_register(struct services *services, int fd, struct fault *fault)
{
	static char name[] = "postern";
	char connection[32];
	struct smfiDesc description = {
		.xxfi_name = name,
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = SMFIF_ADDHDRS | SMFIF_CHGHDRS,
		.xxfi_connect = on_connect,
		.xxfi_envfrom = on_mail,
		.xxfi_envrcpt = on_rcpt,
		.xxfi_header = on_header,
		.xxfi_eoh = on_end_of_header,
		.xxfi_body = on_body,
		.xxfi_eom = on_end_of_message,
		.xxfi_abort = on_abort,
		.xxfi_close = on_close,
		.xxfi_negotiate = on_negotiate,
	};

	here.services = services;
	snprintf(connection, sizeof(connection), "fd:%d", fd);
	/* Postfix sends header lines of up to 102,400 octets; a packet above
	 * libmilter's default of 65,535 would close the connection. */
	(void)smfi_setmaxdatasize(1024 * 1024);
	if (smfi_register(description) == MI_SUCCESS
	    && smfi_setconn(connection) == MI_SUCCESS)
		return true;
	fault_set(fault, FAULT_PERMANENT,
	    "libmilter can't be set up: another version than it was built "
	    "with?");
	return false;
}

void
callbacks_serve(void)
{
	(void)smfi_main();
}

void
callbacks_end(void)
{
	struct session *session;

	pthread_mutex_lock(&here.lock);
	here.is_ended = true;
	while (here.inside > 0)
		pthread_cond_wait(&here.left, &here.lock);
	session = here.sessions;
	here.sessions = NULL;
	pthread_mutex_unlock(&here.lock);
	while (session != NULL) {
		struct session *next = session->next;

		session_end(&session);
		session = next;
	}
}
