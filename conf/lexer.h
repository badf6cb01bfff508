/* lexer: the text of a configuration file → tokens, with their lines. Only
 * parse uses it. */
#ifndef CONF_LEXER_H
#define CONF_LEXER_H

#include "conf/problems.h"

#include <stdbool.h>
#include <stddef.h>

enum token_kind {
	TOKEN_END,
	TOKEN_WORD,   /* bare */
	TOKEN_STRING, /* in quotes */
	TOKEN_EQUALS,
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_COMMA,
};

struct token {
	enum token_kind kind;
	bool is_bad; /* a problem with it was told already */
	size_t line;
	const char *text; /* of a word or string, as it is meant; else NULL */
};

/* Mere data; begin it with lexer_init(). */
struct lexer {
	const struct problem_source *source;
	const char *text;
	size_t length;
	size_t position;
	size_t line;
	struct arena *arena; /* texts of the tokens live here */
	struct problems *problems;
};

/* Begin with the length octets of text. Octets that no configuration may
 * hold (control characters, what isn't UTF-8) are told right here, one for
 * each line. */
void lexer_init(struct lexer *lexer, const struct problem_source *source,
    const char *text, size_t length, struct arena *arena,
    struct problems *problems);

/* The next token; TOKEN_END for ever after the last, or when memory is out. */
struct token lexer_next(struct lexer *lexer);

#endif
