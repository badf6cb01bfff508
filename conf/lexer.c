#include "conf/lexer.h"

#include "policy/text.h"

#include <stdint.h>
#include <string.h>

static const char byte_order_mark[] = "\xEF\xBB\xBF";

/* Is the character of size octets at data one that text_add_clean() keeps?
 * Asked of it, so that there is one opinion of what is harmless. */
static bool
is_harmless(const char *data, size_t size)
{
	char space[8];
	struct text text;

	text_init(&text, space, sizeof(space));
	text_add_clean(&text, data, size, true);
	return text.length == size && memcmp(space, data, size) == 0;
}

static bool
is_plain(char character)
{
	return (character >= ' ' && character <= '~') || character == '\t';
}

static void
complain_of_octet(struct lexer *lexer, size_t line, size_t position)
{
	const char *data = lexer->text + position;
	size_t size = text_utf8_length(data, lexer->length - position);
	unsigned octet = (unsigned char)data[0];

	if (octet == 0)
		problems_add(lexer->problems, lexer->source, line,
		    "a NUL octet; this is no text file");
	else if (octet < ' ' || octet == 0x7F)
		problems_add(lexer->problems, lexer->source, line,
		    "control character 0x%02X; remove it", octet);
	else if (size == 0)
		problems_add(lexer->problems, lexer->source, line,
		    "octet 0x%02X is not UTF-8; save the file as UTF-8", octet);
	else
		problems_add(lexer->problems, lexer->source, line,
		    "an invisible character (octets 0x%02X 0x%02X ...) that "
		    "could deceive a reader; remove it",
		    octet, (unsigned char)data[1]);
}

/* The line ends of DOS would be a problem in each line: they are told once. */
static void
check_octets(struct lexer *lexer)
{
	size_t line = 1;
	size_t told = 0; /* the line that was complained of last */
	bool is_dos = false;
	size_t size;

	for (size_t i = lexer->position; i < lexer->length; i += size) {
		const char *data = lexer->text + i;

		size = 1;
		if (*data == '\n') {
			line++;
		} else if (*data == '\r' && i + 1 < lexer->length
		    && data[1] == '\n') {
			if (!is_dos)
				problems_add(lexer->problems, lexer->source,
				    line,
				    "lines end in CR LF; write the file with "
				    "plain line ends (dos2unix)");
			is_dos = true;
		} else if (!is_plain(*data)) {
			size = text_utf8_length(data, lexer->length - i);
			if ((size == 0 || !is_harmless(data, size))
			    && told != line) {
				complain_of_octet(lexer, line, i);
				told = line;
			}
			size = size == 0 ? 1 : size;
		}
	}
}

void
lexer_init(struct lexer *lexer, const struct problem_source *source,
    const char *text, size_t length, struct arena *arena,
    struct problems *problems)
{
	const size_t mark = sizeof(byte_order_mark) - 1;

	lexer->source = source;
	lexer->text = text;
	lexer->length = length;
	lexer->position = 0;
	lexer->line = 1;
	lexer->arena = arena;
	lexer->problems = problems;
	if (length >= mark && memcmp(text, byte_order_mark, mark) == 0)
		lexer->position = mark;
	check_octets(lexer);
}

static bool
at_end(const struct lexer *lexer)
{
	return lexer->position == lexer->length;
}

static char
here(const struct lexer *lexer)
{
	return lexer->text[lexer->position];
}

static void
skip_blanks(struct lexer *lexer)
{
	while (!at_end(lexer)) {
		char character = here(lexer);

		if (character == '\n')
			lexer->line++;
		else if (character == '#')
			while (lexer->position + 1 < lexer->length
			    && lexer->text[lexer->position + 1] != '\n')
				lexer->position++;
		else if (character != ' ' && character != '\t'
		    && character != '\r')
			return;
		lexer->position++;
	}
}

/* Keep a token's text without what doesn't belong into any; check_octets()
 * has told of that. */
static void
keep(struct lexer *lexer, struct token *token, const char *data, size_t length)
{
	enum { ROOM = 4 }; /* text_init() asks for that much */
	char *space = arena_alloc(lexer->arena, length + ROOM);
	struct text text;

	if (space == NULL) {
		problems_memory(lexer->problems);
		token->kind = TOKEN_END;
		return;
	}
	text_init(&text, space, length + ROOM);
	text_add_clean(&text, data, length, true);
	if (memcmp(space, data, length) != 0)
		token->is_bad = true;
	token->text = space;
}

static bool
ends_word(char character)
{
	return strchr(" \t\r\n\"{}=,#", character) != NULL && character != '\0';
}

/* Habits from the grammars of other files. */
static void
check_word(struct lexer *lexer, struct token *token)
{
	const char *cure;

	if (token->text[0] == '\'')
		cure = "strings stand in double quotes";
	else if (strchr(token->text, ';') != NULL)
		cure = "no ';' stands between options; leave it out, or put "
		       "the value in double quotes";
	else if (strchr(token->text, '\\') != NULL)
		cure = "a value with a backslash needs double quotes";
	else
		return;
	token->is_bad = true;
	problems_add(lexer->problems, lexer->source, token->line, "%s: %s",
	    problems_excerpt(lexer->problems, token->text), cure);
}

static struct token
word(struct lexer *lexer)
{
	struct token token = { .kind = TOKEN_WORD, .line = lexer->line };
	size_t start = lexer->position;

	while (!at_end(lexer) && !ends_word(here(lexer)))
		lexer->position++;
	keep(lexer, &token, lexer->text + start, lexer->position - start);
	if (token.kind == TOKEN_WORD)
		check_word(lexer, &token);
	return token;
}

/* Undo the escapes of a string's length octets, in place. */
static size_t
unescape(struct lexer *lexer, struct token *token, char *data, size_t length)
{
	size_t kept = 0;

	for (size_t i = 0; i < length; i++) {
		if (data[i] == '\\') {
			i++;
			if (i == length
			    || (data[i] != '"' && data[i] != '\\')) {
				if (!token->is_bad)
					problems_add(lexer->problems,
					    lexer->source, token->line,
					    "a backslash in a string stands "
					    "before '\"' or '\\'; write \\\\ "
					    "for a backslash");
				token->is_bad = true;
				i--;
			}
		}
		data[kept++] = data[i];
	}
	return kept;
}

static struct token
string(struct lexer *lexer)
{
	struct token token = { .kind = TOKEN_STRING, .line = lexer->line };
	size_t start = ++lexer->position;
	size_t length;
	char *copy;

	while (!at_end(lexer) && here(lexer) != '"' && here(lexer) != '\n') {
		if (here(lexer) == '\\' && lexer->position + 1 < lexer->length
		    && lexer->text[lexer->position + 1] != '\n')
			lexer->position++;
		lexer->position++;
	}
	length = lexer->position - start;
	if (at_end(lexer) || here(lexer) != '"') {
		problems_add(lexer->problems, lexer->source, token.line,
		    "the string that begins here has no closing '\"' on its "
		    "line");
		token.is_bad = true;
	} else {
		lexer->position++;
	}
	if (memchr(lexer->text + start, '\t', length) != NULL) {
		problems_add(lexer->problems, lexer->source, token.line,
		    "a tab in a string; write blanks");
		token.is_bad = true;
	}
	copy = arena_copy(lexer->arena, lexer->text + start, length);
	if (copy == NULL) {
		problems_memory(lexer->problems);
		token.kind = TOKEN_END;
		return token;
	}
	length = unescape(lexer, &token, copy, length);
	keep(lexer, &token, copy, length);
	return token;
}

struct token
lexer_next(struct lexer *lexer)
{
	struct token token = { .kind = TOKEN_END };

	skip_blanks(lexer);
	token.line = lexer->line;
	if (at_end(lexer) || lexer->problems->is_out_of_memory)
		return token;
	switch (here(lexer)) {
	case '=':
		token.kind = TOKEN_EQUALS;
		break;
	case '{':
		token.kind = TOKEN_OPEN;
		break;
	case '}':
		token.kind = TOKEN_CLOSE;
		break;
	case ',':
		token.kind = TOKEN_COMMA;
		break;
	case '"':
		return string(lexer);
	default:
		return word(lexer);
	}
	lexer->position++;
	return token;
}
