/* sign_message: sign the message on standard input as the daemon would, and
 * write it to standard output with its DKIM-Signature fields on top; for tests
 * that let other implementations verify it. The message has CRLF line ends and
 * is taken apart as an MTA does it. Exit status 1, with words on standard
 * error, if it can't be signed; 3 if --check finds a difference. */
#include "milter/io/clock.h"
#include "milter/io/keys.h"
#include "milter/io/signer.h"
#include "policy/text.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES = 1024 };

struct job {
	const char *keys;
	const char *domain;
	const char *selector; /* NULL: all */
	const char *identity; /* i=; NULL: none */
	struct signing_rules rules;
	enum signing_engine engine;
	bool is_checked;
	uint64_t time_s;
	size_t piece_bytes; /* of the body in one call; 0: all */
	size_t cut;         /* the body's first call has that many; 0: none */
	const char *headers[NAMES];
	const char *oversign[NAMES];
};

struct message {
	char *data;
	size_t length;
};

static void
fail(const char *what)
{
	fprintf(stderr, "sign_message: %s\n", what);
	exit(1);
}

static struct message
read_message(FILE *stream)
{
	struct message message = { NULL, 0 };
	size_t room = 1 << 16;
	size_t got;

	do {
		room *= 2;
		message.data = realloc(message.data, room);
		if (message.data == NULL)
			fail("out of memory");
		got = fread(message.data + message.length, 1,
		    room - message.length, stream);
		message.length += got;
	} while (got > 0);
	return message;
}

/* Where the line at `at` ends: at its CRLF or the message's end. */
static size_t
line_end(const struct message *message, size_t at)
{
	const char *found =
	    memmem(message->data + at, message->length - at, "\r\n", 2);

	return found != NULL ? (size_t)(found - message->data)
			     : message->length;
}

/* Where the field at `at` ends, folds taken along. */
static size_t
field_end(const struct message *message, size_t at)
{
	size_t end = line_end(message, at);

	/* A blank at the body's top continues no field. */
	while (end > at && end + 2 < message->length
	    && (message->data[end + 2] == ' '
		|| message->data[end + 2] == '\t'))
		end = line_end(message, end + 2);
	return end;
}

/* Folds become LF, as the milter protocol has them. Returns the length. */
static size_t
without_cr(char *value, size_t length)
{
	size_t kept = 0;

	for (size_t i = 0; i < length; i++)
		if (value[i] != '\r' || i + 1 == length || value[i + 1] != '\n')
			value[kept++] = value[i];
	return kept;
}

static bool
sign_field(struct signer *signer, const char *field, size_t length,
    struct fault *fault)
{
	char *copy = malloc(length + 1);
	bool is_taken = true;
	char *colon;

	if (copy == NULL)
		fail("out of memory");
	memcpy(copy, field, length);
	copy[length] = '\0';
	colon = memchr(copy, ':', length);
	if (colon != NULL) {
		char *value = colon + 1;
		size_t value_length =
		    without_cr(value, length - (size_t)(value - copy));

		*colon = '\0';
		is_taken =
		    signer_header(signer, copy, value, value_length, fault);
	}
	free(copy);
	return is_taken;
}

/* Give the header to signer. *body_out is where the body begins. */
static bool
sign_header(struct signer *signer, const struct message *message,
    size_t *body_out, struct fault *fault)
{
	size_t at = 0;

	while (at < message->length) {
		size_t end = field_end(message, at);

		if (end == at) { /* the empty line */
			at += 2;
			break;
		}
		if (!sign_field(signer, message->data + at, end - at, fault))
			return false;
		at = end + 2 <= message->length ? end + 2 : message->length;
	}
	*body_out = at;
	return signer_end_of_header(signer, fault);
}

static bool
sign_body(struct signer *signer, const struct job *job,
    const struct message *message, size_t at, struct fault *fault)
{
	size_t next = job->cut;

	while (at < message->length) {
		size_t left = message->length - at;
		size_t piece = next > 0 ? next : job->piece_bytes;

		if (piece == 0 || piece > left)
			piece = left;
		if (!signer_body(signer,
			(const unsigned char *)message->data + at, piece,
			fault))
			return false;
		at += piece;
		next = 0;
	}
	return true;
}

static void
write_signed(
    const struct message *message, const char *const *values, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (values[i] == NULL)
			continue;
		fputs("DKIM-Signature:", stdout);
		for (const char *at = values[i]; *at != '\0'; at++) {
			if (*at == '\n')
				putchar('\r');
			putchar(*at);
		}
		fputs("\r\n", stdout);
	}
	fwrite(message->data, 1, message->length, stdout);
}

/* What the self check found ends the program. */
static void
tell_difference(const struct signer *signer)
{
	const char *words = signer_difference(signer);

	if (words == NULL)
		return;
	fprintf(stderr, "sign_message: %s\n", words);
	exit(3);
}

static bool
sign(const struct job *job, const struct signer_use *uses, size_t use_count,
    const struct message *message, struct fault *fault)
{
	const struct signer_order order = {
		.engine = job->engine,
		.uses = uses,
		.count = use_count,
		.time_s = job->time_s,
		.is_checked = job->is_checked,
	};
	struct signer *signer = NULL;
	const char *const *values;
	bool is_signed = false;
	size_t body;
	size_t count;

	if (signer_check_rules(&job->rules, fault))
		signer = signer_begin(&order, fault);
	if (signer != NULL && sign_header(signer, message, &body, fault)
	    && sign_body(signer, job, message, body, fault)
	    && signer_finish(signer, &values, &count, fault)) {
		tell_difference(signer);
		write_signed(message, values, count);
		is_signed = true;
	}
	signer_end(&signer);
	return is_signed;
}

/* "A,B" into names. list is taken apart. */
static struct field_names
read_names(char *list, const char **names)
{
	struct field_names result = { names, 0 };
	char *name;

	while ((name = strsep(&list, ",")) != NULL)
		if (*name != '\0' && result.count < NAMES)
			names[result.count++] = name;
	return result;
}

static size_t
read_number(const char *text)
{
	uint64_t number;

	if (!text_number(text, 0, 1U << 30, &number))
		fail("not a number");
	return (size_t)number;
}

static void
read_canon(struct signing_rules *rules, const char *text)
{
	const char *slash = strchr(text, '/');

	if (slash == NULL)
		fail("--canon HEADER/BODY");
	rules->header_canon = text[0] == 's' ? CANON_SIMPLE : CANON_RELAXED;
	rules->body_canon = slash[1] == 's' ? CANON_SIMPLE : CANON_RELAXED;
}

static enum signing_engine
read_engine(const char *name)
{
	if (strcmp(name, "opendkim") == 0)
		return SIGNING_OPENDKIM;
	if (strcmp(name, "postern") != 0)
		fail("--engine postern or opendkim");
	return SIGNING_POSTERN;
}

static void
read_options(struct job *job, int argc, char **argv)
{
	static const struct option options[] = {
		{ "keys", required_argument, NULL, 'k' },
		{ "domain", required_argument, NULL, 'd' },
		{ "selector", required_argument, NULL, 's' },
		{ "identity", required_argument, NULL, 'i' },
		{ "canon", required_argument, NULL, 'c' },
		{ "headers", required_argument, NULL, 'h' },
		{ "oversign", required_argument, NULL, 'o' },
		{ "expire", required_argument, NULL, 'x' },
		{ "piece", required_argument, NULL, 'p' },
		{ "cut", required_argument, NULL, 'u' },
		{ "engine", required_argument, NULL, 'e' },
		{ "time", required_argument, NULL, 't' },
		{ "check", no_argument, NULL, 'y' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (option) {
		case 'k':
			job->keys = optarg;
			break;
		case 'd':
			job->domain = optarg;
			break;
		case 's':
			job->selector = optarg;
			break;
		case 'i':
			job->identity = optarg;
			break;
		case 'c':
			read_canon(&job->rules, optarg);
			break;
		case 'h':
			job->rules.headers = read_names(optarg, job->headers);
			break;
		case 'o':
			job->rules.oversign = read_names(optarg, job->oversign);
			break;
		case 'x':
			job->rules.expire_s = read_number(optarg);
			break;
		case 'p':
			job->piece_bytes = read_number(optarg);
			break;
		case 'u':
			job->cut = read_number(optarg);
			break;
		case 'e':
			job->engine = read_engine(optarg);
			break;
		case 't':
			job->time_s = read_number(optarg);
			break;
		case 'y':
			job->is_checked = true;
			break;
		default:
			exit(2);
		}
	if (job->keys == NULL || job->domain == NULL)
		fail("--keys DIRECTORY --domain DOMAIN");
}

/* The keys of ring that are asked for. Returns how many. */
static size_t
choose(const struct job *job, const struct key_ring *ring,
    struct signer_use uses[SIGNING_SIGNATURES])
{
	size_t count = 0;

	for (size_t i = 0; i < ring->count && count < SIGNING_SIGNATURES; i++)
		if (job->selector == NULL
		    || strcmp(ring->keys[i].selector, job->selector) == 0)
			uses[count++] =
			    (struct signer_use){ .key = &ring->keys[i],
				    .rules = &job->rules,
				    .identity = job->identity };
	return count;
}

int
main(int argc, char **argv)
{
	struct job job = { .rules = { .header_canon = CANON_RELAXED,
			       .headers = signing_default_headers() },
		.time_s = clock_unix_s() };
	struct message message = { NULL, 0 };
	struct key_places places = { .key_table = "", .signing_table = "" };
	struct keys *keys = keys_open(16, NULL);
	const struct key_ring *ring = NULL;
	struct signer_use uses[SIGNING_SIGNATURES];
	struct fault fault = { 0 };
	bool is_signed = false;

	read_options(&job, argc, argv);
	places.directory = job.keys;
	if (keys == NULL)
		fail("out of memory");
	if (keys_find(keys, &places, job.domain, &ring, &fault) && ring == NULL)
		fault_set(&fault, FAULT_PERMANENT, "no key");
	if (ring != NULL) {
		size_t count = choose(&job, ring, uses);

		message = read_message(stdin);
		is_signed = sign(&job, uses, count, &message, &fault);
	}
	if (!is_signed)
		fprintf(stderr, "sign_message: %s\n", fault.words);
	keys_release(keys, &ring);
	keys_close(&keys);
	free(message.data);
	return is_signed ? 0 : 1;
}
