#include "conf/parse.h"

#include "conf/lexer.h"

#include <string.h>

enum { LOOKAHEAD = 3 };

struct parser {
	struct lexer lexer;
	struct token ahead[LOOKAHEAD];
	size_t ahead_count;
	const struct problem_source *source;
	struct arena *arena;
	struct problems *problems;
	struct parse_tree *tree;
	struct parse_section *section; /* the open one; NULL: top level */
	size_t surplus; /* '}' to come of sections that were closed early */
};

void
parse_init(struct parse_tree *tree)
{
	memset(tree, 0, sizeof(*tree));
	tree->top.name = "";
}

static const struct token *
peek(struct parser *parser, size_t index)
{
	while (parser->ahead_count <= index)
		parser->ahead[parser->ahead_count++] =
		    lexer_next(&parser->lexer);
	return &parser->ahead[index];
}

static struct token
take(struct parser *parser)
{
	struct token token = *peek(parser, 0);

	parser->ahead_count--;
	memmove(parser->ahead, parser->ahead + 1,
	    parser->ahead_count * sizeof(parser->ahead[0]));
	return token;
}

static bool
is_text(const struct token *token)
{
	return token->kind == TOKEN_WORD || token->kind == TOKEN_STRING;
}

static bool
is_text_on(const struct token *token, size_t line)
{
	return is_text(token) && token->line == line;
}

static const char *
excerpt(struct parser *parser, const char *text)
{
	return problems_excerpt(parser->problems, text);
}

/* Does what comes begin an option or a section? Then whatever is open and
 * isn't closed ends before it. */
static bool
is_beginning(struct parser *parser)
{
	const struct token *first = peek(parser, 0);
	const struct token *second = peek(parser, 1);

	if (first->kind != TOKEN_WORD)
		return false;
	if (second->kind == TOKEN_OPEN)
		return true;
	if (second->kind == TOKEN_EQUALS)
		return second->line == first->line;
	return is_text_on(second, first->line)
	    && peek(parser, 2)->kind == TOKEN_OPEN;
}

/* After a mistake: drop what the line still has, up to the next option. */
static void
skip_line(struct parser *parser, size_t line)
{
	for (;;) {
		const struct token *token = peek(parser, 0);

		if (token->kind == TOKEN_END || token->kind == TOKEN_OPEN
		    || token->kind == TOKEN_CLOSE || token->line != line
		    || is_beginning(parser))
			return;
		take(parser);
	}
}

/* Drop a list within a list, up to its '}'. */
static void
skip_list(struct parser *parser)
{
	size_t depth = 0;

	do {
		struct token token = take(parser);

		if (token.kind == TOKEN_END)
			return;
		depth += token.kind == TOKEN_OPEN;
		depth -= token.kind == TOKEN_CLOSE;
	} while (depth > 0);
}

static void
add_option(struct parser *parser, struct parse_option *option)
{
	struct parse_section *section =
	    parser->section != NULL ? parser->section : &parser->tree->top;

	if (section->last == NULL)
		section->options = option;
	else
		section->last->next = option;
	section->last = option;
}

static struct parse_value *
add_value(struct parser *parser, struct parse_option *option,
    struct parse_value *last, const struct token *token)
{
	struct parse_value *value = arena_alloc(parser->arena, sizeof(*value));

	if (value == NULL) {
		problems_memory(parser->problems);
		return last;
	}
	value->text = token->text;
	value->line = token->line;
	if (last == NULL)
		option->values = value;
	else
		last->next = value;
	option->count++;
	if (token->is_bad)
		option->is_broken = true;
	return value;
}

static void
list_value(struct parser *parser, struct parse_option *option,
    struct parse_value **last)
{
	struct token token = take(parser);

	*last = add_value(parser, option, *last, &token);
	if (peek(parser, 0)->kind == TOKEN_COMMA) {
		take(parser);
	} else if (is_text(peek(parser, 0)) && !is_beginning(parser)) {
		if (!option->is_broken)
			problems_add(parser->problems, parser->source,
			    token.line, "%s: a ',' is missing after %s",
			    option->name, excerpt(parser, token.text));
		option->is_broken = true;
	}
}

/* The values of a list, whose '{' was taken. */
static void
list(struct parser *parser, struct parse_option *option, size_t line)
{
	struct parse_value *last = NULL;
	const char *problem = NULL;

	option->is_list = true;
	for (;;) {
		const struct token *token = peek(parser, 0);

		if (token->kind == TOKEN_CLOSE) {
			take(parser);
			return;
		}
		if (token->kind == TOKEN_END || is_beginning(parser)) {
			problems_add(parser->problems, parser->source, line,
			    "%s: the list that begins here has no '}'",
			    option->name);
			option->is_broken = true;
			parser->surplus++;
			return;
		}
		if (is_text(token)) {
			list_value(parser, option, &last);
			continue;
		}
		problem = token->kind == TOKEN_COMMA
		    ? "nothing stands before a ','"
		    : token->kind == TOKEN_OPEN
		    ? "a list holds no list; remove the inner braces"
		    : "a list holds no '='; is its '}' missing?";
		if (!option->is_broken)
			problems_add(parser->problems, parser->source,
			    token->line, "%s: %s", option->name, problem);
		option->is_broken = true;
		if (token->kind == TOKEN_OPEN)
			skip_list(parser);
		else
			take(parser);
	}
}

static void
complain_of_value(
    struct parser *parser, struct parse_option *option, const char *words)
{
	problems_add(parser->problems, parser->source, option->line, "%s: %s",
	    option->name, words);
	option->is_broken = true;
	skip_line(parser, option->line);
}

/* Is what comes a value of option, and not the option after it? */
static bool
is_value(struct parser *parser, const struct parse_option *option)
{
	const struct token *first = peek(parser, 0);
	const struct token *second = peek(parser, 1);

	if (first->kind == TOKEN_OPEN)
		return true;
	if (!is_text(first))
		return false;
	if (first->line != option->line)
		return !is_beginning(parser);
	return second->kind != TOKEN_EQUALS || second->line != first->line;
}

/* What follows the '=' of option. */
static void
value(struct parser *parser, struct parse_option *option)
{
	struct token token;

	if (!is_value(parser, option)) {
		complain_of_value(parser, option, "no value after '='");
		return;
	}
	token = take(parser);
	if (token.kind == TOKEN_OPEN) {
		list(parser, option, token.line);
		return;
	}
	add_value(parser, option, NULL, &token);
	if (peek(parser, 0)->kind == TOKEN_COMMA)
		complain_of_value(parser, option,
		    "several values stand in braces: { one, other }");
}

static void
option(struct parser *parser)
{
	struct token name = take(parser);
	struct parse_option *option;

	take(parser); /* '=' */
	option = arena_alloc(parser->arena, sizeof(*option));
	if (option == NULL) {
		problems_memory(parser->problems);
		return;
	}
	option->name = name.text;
	option->source = parser->source;
	option->line = name.line;
	if (name.kind == TOKEN_STRING)
		problems_add(parser->problems, parser->source, name.line,
		    "%s: names of options stand without quotes",
		    excerpt(parser, name.text));
	option->is_broken = name.is_bad;
	value(parser, option);
	add_option(parser, option);
}

static void
section_open(
    struct parser *parser, const struct token *name, const struct token *label)
{
	struct parse_section *section =
	    arena_alloc(parser->arena, sizeof(*section));
	const struct parse_section *outer = parser->section;

	if (section == NULL) {
		problems_memory(parser->problems);
		return;
	}
	if (outer != NULL) {
		problems_add(parser->problems, parser->source, name->line,
		    "section %s within section %s of line %zu, whose '}' may "
		    "be missing before",
		    excerpt(parser, name->text), excerpt(parser, outer->name),
		    outer->line);
		parser->surplus++;
	}
	section->name = name->text;
	section->label = label != NULL ? label->text : NULL;
	section->source = parser->source;
	section->line = name->line;
	parser->section = section;
	if (parser->tree->section_count == PARSE_SECTIONS)
		problems_add(parser->problems, parser->source, name->line,
		    "more than %d sections", PARSE_SECTIONS);
	/* One without a name was complained of; it is read for mistakes. */
	if (name->is_bad || (label != NULL && label->is_bad)
	    || parser->tree->section_count++ >= PARSE_SECTIONS)
		return;
	if (parser->tree->last == NULL)
		parser->tree->sections = section;
	else
		parser->tree->last->next = section;
	parser->tree->last = section;
}

static void
section_close(struct parser *parser)
{
	struct token token = take(parser);

	if (parser->section != NULL)
		parser->section = NULL;
	else if (parser->surplus > 0)
		parser->surplus--;
	else
		problems_add(parser->problems, parser->source, token.line,
		    "'}' closes nothing: there is no '{' to it");
}

static void
section(struct parser *parser)
{
	struct token name = take(parser);
	struct token label = { .kind = TOKEN_END };

	if (is_text(peek(parser, 0)))
		label = take(parser);
	take(parser); /* '{' */
	if (name.kind == TOKEN_STRING)
		problems_add(parser->problems, parser->source, name.line,
		    "%s: names of sections stand without quotes",
		    excerpt(parser, name.text));
	section_open(parser, &name, label.kind != TOKEN_END ? &label : NULL);
}

/* A word that begins neither an option nor a section. */
static void
stray_word(struct parser *parser)
{
	struct token name = take(parser);
	const struct token *next = peek(parser, 0);

	if (is_text_on(next, name.line) && !is_beginning(parser))
		problems_add(parser->problems, parser->source, name.line,
		    "%s: '=' is missing after the name: %s = %s",
		    excerpt(parser, name.text), excerpt(parser, name.text),
		    excerpt(parser, next->text));
	else
		problems_add(parser->problems, parser->source, name.line,
		    "%s: a word alone means nothing; options are written "
		    "name = value",
		    excerpt(parser, name.text));
	skip_line(parser, name.line);
}

static void
stray_sign(struct parser *parser)
{
	struct token token = take(parser);
	struct token nameless = {
		.is_bad = true, .line = token.line, .text = ""
	};

	problems_add(parser->problems, parser->source, token.line, "%s",
	    token.kind == TOKEN_OPEN
		? "'{' without the name of a section before it"
		: token.kind == TOKEN_EQUALS
		? "'=' without the name of an option before it"
		: "a ',' stands only in a list");
	if (token.kind != TOKEN_OPEN)
		skip_line(parser, token.line);
	else if (parser->section == NULL)
		section_open(parser, &nameless, NULL);
	else
		parser->surplus++;
}

static void
item(struct parser *parser)
{
	const struct token *first = peek(parser, 0);
	const struct token *second = peek(parser, 1);
	size_t line = first->line;

	if (first->kind == TOKEN_CLOSE)
		section_close(parser);
	else if (!is_text(first))
		stray_sign(parser);
	else if (second->kind == TOKEN_EQUALS && second->line == line)
		option(parser);
	else if (second->kind == TOKEN_OPEN
	    || (is_text_on(second, line)
		&& peek(parser, 2)->kind == TOKEN_OPEN))
		section(parser);
	else
		stray_word(parser);
}

void
parse_text(struct parse_tree *tree, const struct problem_source *source,
    const char *text, size_t length, struct arena *arena,
    struct problems *problems)
{
	struct parser parser = {
		.source = source,
		.arena = arena,
		.problems = problems,
		.tree = tree,
	};

	lexer_init(&parser.lexer, source, text, length, arena, problems);
	while (peek(&parser, 0)->kind != TOKEN_END)
		item(&parser);
	if (parser.section != NULL)
		problems_add(problems, source, parser.section->line,
		    "section %s that begins here has no '}'",
		    excerpt(&parser, parser.section->name));
}
