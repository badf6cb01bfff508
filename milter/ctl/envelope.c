#include "milter/ctl/envelope.h"

#include "milter/ctl/runner.h"
#include "policy/text.h"

#include <json-c/json.h>
#include <string.h>

/* Inside a JSON string there is no quote without a backslash before it, so
 * this stands nowhere but between two keys. */
static const char recipients_mark[] = ", \"recipients\": [";

static const char begin_mark[] = "*** ENVELOPE RECORDS ";
static const char end_mark[] = "*** MESSAGE FILE END ";
static const char contents_mark[] = "*** MESSAGE CONTENTS ";
static const char attribute_mark[] = "named_attribute: ";

/* A message may have any number of recipients; nobody asks for them. */
static struct json_object *
parse_head(char *line)
{
	char *mark = strstr(line, recipients_mark);
	struct json_object *object;

	if (mark != NULL) {
		mark[0] = '}';
		mark[1] = '\0';
	}
	object = json_tokener_parse(line);
	if (object != NULL && !json_object_is_type(object, json_type_object)) {
		json_object_put(object);
		object = NULL;
	}
	return object;
}

/* A copy of a member that is a string; NULL if it isn't one. */
static const char *
text_of(struct json_object *object, const char *name, struct arena *arena)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, name, &value)
	    || !json_object_is_type(value, json_type_string))
		return NULL;
	return arena_strdup(arena, json_object_get_string(value));
}

static uint64_t
number_of(struct json_object *object, const char *name)
{
	struct json_object *value;
	int64_t number;

	if (!json_object_object_get_ex(object, name, &value))
		return 0;
	number = json_object_get_int64(value);
	return number > 0 ? (uint64_t)number : 0;
}

bool
envelope_listed(char *line, struct arena *arena, struct queued *queued_out,
    struct fault *fault)
{
	struct json_object *object = parse_head(line);

	if (object == NULL) {
		fault_set(fault, FAULT_TEMPORARY,
		    "postqueue: \"%.60s\" can't be read", line);
		return false;
	}
	*queued_out = (struct queued){
		.id = text_of(object, "queue_id", arena),
		.queue = text_of(object, "queue_name", arena),
		.sender = text_of(object, "sender", arena),
		.arrival_s = number_of(object, "arrival_time"),
		.size_bytes = number_of(object, "message_size"),
	};
	json_object_put(object);
	if (queued_out->id != NULL && runner_is_id(queued_out->id)
	    && queued_out->queue != NULL && queued_out->sender != NULL)
		return true;
	fault_set(fault, FAULT_TEMPORARY,
	    "postqueue: a line without queue_id, queue_name or sender, or no "
	    "memory");
	return false;
}

/* What follows mark in line; NULL if it doesn't begin so. */
static const char *
after(const char *line, const char *mark)
{
	size_t length = strlen(mark);

	return strncmp(line, mark, length) == 0 ? line + length : NULL;
}

/* The first that came stays; one that doesn't fit is as if it weren't there:
 * part of a name is another name. */
static void
keep(char *space, size_t size, const char *text)
{
	if (*space == '\0' && strlen(text) < size)
		memcpy(space, text, strlen(text) + 1);
}

/* "deferred/4/4jXlVj0J0bz1bcfC ***": the id is what follows the last slash. */
static void
begin(struct envelope *envelope, const char *file)
{
	size_t length = strcspn(file, " ");
	const char *slash = memrchr(file, '/', length);

	memset(envelope, 0, sizeof(*envelope));
	if (slash != NULL) {
		length -= (size_t)(slash + 1 - file);
		file = slash + 1;
	}
	if (length < sizeof(envelope->id))
		memcpy(envelope->id, file, length);
}

static void
read_port(uint64_t *port, const char *text)
{
	if (*port == 0)
		(void)text_number(text, 0, UINT16_MAX, port);
}

/* The login is said before the sender, who can say what he likes. */
static void
attribute(struct envelope *envelope, const char *text)
{
	const char *value;

	if ((value = after(text, "sasl_username=")) != NULL) {
		if (!envelope->has_sender)
			keep(envelope->login, sizeof(envelope->login), value);
	} else if ((value = after(text, "client_address=")) != NULL) {
		keep(envelope->client, sizeof(envelope->client), value);
	} else if ((value = after(text, "client_port=")) != NULL) {
		read_port(&envelope->client_port, value);
	} else if ((value = after(text, "server_port=")) != NULL) {
		read_port(&envelope->server_port, value);
	}
}

bool
envelope_line(struct envelope *envelope, const char *line)
{
	const char *rest;

	if ((rest = after(line, begin_mark)) != NULL) {
		begin(envelope, rest);
		return false;
	}
	if (after(line, end_mark) != NULL)
		return true;
	if (envelope->is_over)
		return false;
	if (after(line, "recipient: ") != NULL
	    || after(line, "original_recipient: ") != NULL
	    || after(line, "named_attribute: dsn_orig_rcpt=") != NULL
	    || after(line, contents_mark) != NULL) {
		envelope->is_over = true;
	} else if ((rest = after(line, attribute_mark)) != NULL) {
		attribute(envelope, rest);
	} else if ((rest = after(line, "sender: ")) != NULL) {
		if (!envelope->has_sender)
			keep(envelope->sender, sizeof(envelope->sender),
			    strlen(rest) <= ENVELOPE_TEXT_OCTETS ? rest : "?");
		envelope->has_sender = true;
	}
	return false;
}
