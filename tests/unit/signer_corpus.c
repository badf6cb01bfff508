#include "tests/unit/signer_corpus.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const names[] = { "From", "FROM", "To", "tO", "Cc", "Date",
	"Subject", "SUBJECT ", "Message-ID", "References", "Reply-To  ",
	"List-Unsubscribe", "List-Unsubscribe-Post", "X-Other", "X-Tag",
	"Received", "DKIM-Signature", "MIME-Version", "Content-Type",
	"X-A-Name-Of-Many-Letters-That-Is-Longer-Than-A-Line-Of-The-Signature-"
	"Has-Columns" };

/* What values and bodies are strung together of. */
static const char *const value_pieces[] = { " ", "  ", "\t", "\n ", "\n\t",
	"\r\n ", " \n  \t", "\r\n\t\r\n ", "a", "Word", "<id@a.example>",
	"=?utf-8?q?x?=", "\xc3\xa9", "\xff\xa0", "\x01", ":", ";", "b=", "\"",
	"x; b=y;", "0123456789012345678901234567890123456789" };
static const char *const rare_pieces[] = { "\v", "\f", "\r", "\n" };
static const char *const body_pieces[] = { "\r\n", "\r\n", "\r\n\r\n", " ",
	"\t", "  \t ", " \r\n", "\t \r\n\r\n", "a", "word", "\xc3\xa9\xff",
	"\v\f", ".", "..\r\n", "From me\r\n", "\x01\x7f",
	"a line of text  with two\tblanks. \r\n" };

size_t
corpus_random(uint64_t *seed, size_t limit)
{
	/* Knuth's numbers. */
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (size_t)(*seed >> 33) % limit;
}

/* Text on its way. */
struct growing {
	char *text;
	size_t length;
	size_t room;
};

static void
append(struct growing *growing, const char *more, size_t length)
{
	if (growing->length + length >= growing->room) {
		growing->room = 2 * (growing->length + length) + 32;
		growing->text = realloc(growing->text, growing->room);
		assert_non_null(growing->text);
	}
	memcpy(growing->text + growing->length, more, length);
	growing->length += length;
	growing->text[growing->length] = '\0';
}

static struct growing
make_value(uint64_t *seed)
{
	size_t pieces = corpus_random(seed, 12);
	struct growing value = { NULL, 0, 0 };

	append(&value, " ", corpus_random(seed, 8) > 0 ? 1 : 0);
	if (corpus_random(seed, 40) == 0)
		pieces = 500;
	while (pieces-- > 0) {
		const char *piece =
		    value_pieces[corpus_random(seed, COUNT(value_pieces))];

		if (corpus_random(seed, 200) == 0)
			piece = rare_pieces[corpus_random(
			    seed, COUNT(rare_pieces))];
		append(&value, piece, strlen(piece));
	}
	return value;
}

static void
make_field(uint64_t *seed, const char *name, struct corpus_field *field)
{
	struct growing value = make_value(seed);

	field->name = strdup(name);
	assert_non_null(field->name);
	field->value = value.text;
	field->value_length = value.length;
}

static void
make_header(uint64_t *seed, struct corpus_message *message)
{
	size_t count = corpus_random(seed, 16);
	size_t from;

	if (corpus_random(seed, 25) == 0)
		count = 300;
	if (corpus_random(seed, 150) == 0)
		count = 2000;
	message->count = count + 1;
	message->fields = calloc(count + 1, sizeof(*message->fields));
	assert_non_null(message->fields);
	from = corpus_random(seed, count + 1);
	for (size_t i = 0; i <= count; i++)
		make_field(seed,
		    names[i == from ? 0 : corpus_random(seed, COUNT(names))],
		    &message->fields[i]);
	/* Else it might be one that can't be signed. */
	free(message->fields[from].value);
	message->fields[from].value = strdup(" J  <j@a.example>");
	assert_non_null(message->fields[from].value);
	message->fields[from].value_length = 17;
}

static void
make_body(uint64_t *seed, struct corpus_message *message)
{
	size_t pieces = corpus_random(seed, 30);
	struct growing body = { NULL, 0, 0 };

	if (corpus_random(seed, 10) == 0)
		pieces = 0;
	if (corpus_random(seed, 50) == 0)
		pieces = 10000;
	append(&body, "", 0);
	while (pieces-- > 0) {
		const char *piece =
		    body_pieces[corpus_random(seed, COUNT(body_pieces))];

		append(&body, piece, strlen(piece));
		if (corpus_random(seed, 100) == 0)
			append(&body, "\0", 1);
	}
	message->body = (unsigned char *)body.text;
	message->body_length = body.length;
}

void
corpus_make(uint64_t *seed, struct corpus_message *message_out)
{
	*message_out = (struct corpus_message){ NULL, 0, NULL, 0 };
	make_header(seed, message_out);
	make_body(seed, message_out);
}

void
corpus_free(struct corpus_message *message)
{
	for (size_t i = 0; i < message->count; i++) {
		free(message->fields[i].name);
		free(message->fields[i].value);
	}
	free(message->fields);
	free(message->body);
}
