#include "milter/session.h"

#include "milter/choosing.h"

#include "milter/io/clock.h"
#include "policy/authres.h"
#include "policy/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	CONNECTION_ARENA_BYTES = 64 * 1024,
	/* The header, a hundred octets more for each field, what is made of
	 * it, the envelope and the evidence. */
	MESSAGE_ARENA_BYTES = 4 * SESSION_HEADER_BYTES,
};

struct session *
session_begin(struct services *services)
{
	struct session *session = calloc(1, sizeof(*session));

	if (session == NULL)
		return NULL;
	session->services = services;
	arena_init(&session->arena, CONNECTION_ARENA_BYTES);
	session->can_hold = true;
	atomic_fetch_add(&services->metrics->connections, 1);
	return session;
}

static uint16_t
read_port(const char *text)
{
	uint64_t port = 0;

	if (text == NULL || !text_number(text, 1, UINT16_MAX, &port))
		return 0;
	return (uint16_t)port;
}

/* Where the client connected to; a later stage doesn't unsay it. */
static void
read_daemon(
    struct connection_facts *facts, const char *address, const char *port)
{
	if (!facts->daemon.is_known && address != NULL)
		(void)network_address(address, &facts->daemon);
	if (facts->daemon_port == 0)
		facts->daemon_port = read_port(port);
}

/* Keep what the MTA said, unless it said nothing. */
static bool
keep(struct arena *arena, const char *said, const char **kept)
{
	if (said == NULL || *said == '\0')
		return true;
	if (*kept != NULL && strcmp(*kept, said) == 0)
		return true; /* a connection of many messages must not grow */
	*kept = arena_strdup(arena, said);
	return *kept != NULL;
}

bool
session_connect(struct session *session, const struct connect_event *event)
{
	struct connection_facts *facts = &session->facts;

	session_end_message(session);
	arena_clear(&session->arena);
	memset(facts, 0, sizeof(*facts));
	session->is_uid_asked = false;
	facts->client = event->client;
	facts->client_port = event->client_port;
	facts->is_port_known = event->is_port_known;
	read_daemon(facts, event->daemon_addr, event->daemon_port);
	return keep(&session->arena, event->mta_host, &facts->mta_host)
	    && keep(&session->arena, event->daemon_name, &facts->daemon_name);
}

/* Unique on this host: the second it began in, and a counter that starts
 * anywhere, so that a restart within the same second gives others. */
static void
make_id(char *id, size_t size)
{
	static atomic_uint counter;
	unsigned number = atomic_fetch_add(&counter, 1);

	if (number == 0) {
		number = (unsigned)clock_monotonic_us();
		atomic_store(&counter, number + 1);
	}
	snprintf(
	    id, size, "%08" PRIX32 "%08X", (uint32_t)clock_unix_s(), number);
}

static bool
begin_facts(struct message *message, const struct mail_event *event)
{
	struct message_facts *facts = &message->facts;
	struct fault ignored;

	make_id(facts->id, sizeof(facts->id));
	facts->begun_us = clock_monotonic_us();
	facts->envelope_sender = arena_strdup(&message->arena, event->path);
	if (facts->envelope_sender == NULL)
		return false;
	facts->is_tls =
	    event->tls_version != NULL && *event->tls_version != '\0';
	if (!keep(&message->arena, event->login, &facts->login))
		return false;
	facts->is_bad_sender = !address_path(&message->arena, event->path,
	    &facts->sender, &facts->is_null_sender, &ignored);
	return true;
}

bool
session_begin_message(struct session *session, const struct mail_event *event)
{
	struct message *message = &session->message;
	struct connection_facts *connection = &session->facts;

	session_end_message(session);
	if (!keep(&session->arena, event->mta_host, &connection->mta_host)
	    || !keep(
		&session->arena, event->daemon_name, &connection->daemon_name))
		return false;
	read_daemon(connection, event->daemon_addr, event->daemon_port);

	memset(message, 0, sizeof(*message));
	arena_init(&message->arena, MESSAGE_ARENA_BYTES);
	message->verdict = verdict_accept();
	message->facts.connection = connection;
	message->snapshot = snapshot_slot_hold(&session->services->snapshots);
	session->has_message = true;
	atomic_fetch_add(&session->services->metrics->messages_under_way, 1);
	if (begin_facts(message, event))
		return true;
	session_end_message(session);
	return false;
}

bool
session_is_from(const char *name)
{
	char trimmed[8];
	size_t length = strlen(name);

	while (
	    length > 0 && (name[length - 1] == ' ' || name[length - 1] == '\t'))
		length--;
	if (length >= sizeof(trimmed))
		return false;
	memcpy(trimmed, name, length);
	trimmed[length] = '\0';
	return text_equal_case(trimmed, "From");
}

/* Only exactly so called: what an MTA may not find when it is told to remove
 * the field, because of a blank before the colon, is believed by nobody. */
static bool
is_identity(const struct message *message, const char *name)
{
	const char *header = message->snapshot->conf->identity_header;

	return *header != '\0' && text_equal_case(name, header);
}

/* It is removed from the message, and so no part of what is judged or
 * signed. */
static bool
note_identity(struct message *message, const char *value)
{
	if (message->facts.identity_count++ > 0)
		return true;
	message->identity_value = arena_strdup(&message->arena, value);
	return message->identity_value != NULL;
}

/* Ours is what authserv_id says, or else the name of the MTA. */
static const char *
authserv_id(const struct session *session)
{
	const char *id = session->message.snapshot->conf->authserv_id;

	if (*id == '\0')
		id = session->facts.mta_host;
	return id != NULL ? id : "";
}

/* Is it a field with results that claim to be ours? No client's word counts
 * for them (RFC 8601 §5). */
static bool
is_forged_result(struct session *session, const char *name, const char *value)
{
	struct message *message = &session->message;

	if (!text_equal_case(name, "Authentication-Results"))
		return false;
	message->facts.result_count++;
	return message->traffic_class != CLASS_INBOUND
	    && session->can_change_fields
	    && authres_claims(
		&message->arena, value, strlen(value), authserv_id(session));
}

/* It is going to be removed, so nothing else looks at it. */
static bool
note_forged_result(struct message *message)
{
	struct forged_result *one = arena_alloc(&message->arena, sizeof(*one));

	if (one == NULL)
		return false;
	one->place = (int)message->facts.result_count;
	one->next = message->forged_results;
	message->forged_results = one;
	return true;
}

bool
session_add_header(struct session *session, const char *name, const char *value)
{
	struct message *message = &session->message;
	struct message_facts *facts = &message->facts;
	size_t value_length = strlen(value);
	const char *space = session->adds_leading_space ? " " : "";
	size_t bytes = strlen(name) + 1 + value_length + 2;
	struct header_field *field;

	if (!session->has_message)
		return true;
	facts->size_bytes += bytes;
	facts->header_count++;
	if (is_identity(message, name))
		return note_identity(message, value);
	if (is_forged_result(session, name, value))
		return note_forged_result(message);
	if (session_is_from(name))
		facts->from_count++;
	if (message->traffic_class == CLASS_INBOUND)
		return true;
	if (facts->is_header_too_large
	    || facts->header_count > SESSION_HEADER_FIELDS
	    || bytes > SESSION_HEADER_BYTES - facts->header_bytes) {
		facts->is_header_too_large = true;
		return true;
	}
	facts->header_bytes += bytes;
	field = arena_alloc(&message->arena, sizeof(*field));
	if (field == NULL)
		return false;
	field->name = arena_strdup(&message->arena, name);
	field->value = arena_printf(&message->arena, "%s%s", space, value);
	field->value_length = strlen(space) + value_length;
	if (field->name == NULL || field->value == NULL)
		return false;
	if (facts->last_header != NULL)
		facts->last_header->next = field;
	else
		facts->headers = field;
	facts->last_header = field;
	return true;
}

void
session_set_queue_id(struct session *session, const char *queue_id)
{
	struct message *message = &session->message;

	if (session->has_message)
		(void)keep(&message->arena, queue_id, &message->facts.queue_id);
}

void
session_end_message(struct session *session)
{
	struct message *message = &session->message;

	if (!session->has_message)
		return;
	verify_end(&message->verifier);
	signer_end(&message->signer);
	choosing_clear(session->services->keys, &message->chosen);
	snapshot_release(&message->snapshot);
	arena_clear(&message->arena);
	session->has_message = false;
	atomic_fetch_sub(&session->services->metrics->messages_under_way, 1);
}

void
session_end(struct session **session)
{
	struct session *old = *session;

	*session = NULL;
	if (old == NULL)
		return;
	session_end_message(old);
	arena_clear(&old->arena);
	atomic_fetch_sub(&old->services->metrics->connections, 1);
	free(old);
}
