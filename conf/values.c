#include "conf/values.h"

#include "conf/nearest.h"
#include "conf/numbers.h"
#include "conf/places.h"
#include "conf/places_maps.h"
#include "conf/places_tables.h"
#include "conf/values_dns.h"
#include "policy/reply.h"
#include "policy/text.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

/* Fields of any enum are written as unsigned. */
static_assert(sizeof(enum action) == sizeof(unsigned)
	&& sizeof(enum mode) == sizeof(unsigned)
	&& sizeof(enum account_source) == sizeof(unsigned)
	&& sizeof(enum canonicalization) == sizeof(unsigned)
	&& sizeof(enum signing_engine) == sizeof(unsigned),
    "an enum is not as large as unsigned");

enum { FIELD_NAME_OCTETS = 100 };

void *
values_field(const struct reading *reading)
{
	if (reading->option->offset == OPTION_NO_FIELD)
		return NULL;
	return (char *)reading->base + reading->option->offset;
}

void *
values_more(const struct reading *reading)
{
	return (char *)reading->base + reading->option->more;
}

const char *
values_keep(struct build *build, const char *text)
{
	const char *copy = arena_strdup(build->arena, text);

	if (copy == NULL)
		problems_memory(&build->problems);
	return copy;
}

/* Tell what is wrong with one text, the value or one of a list. */
static void
refuse(const struct reading *reading, const char *text, size_t line,
    const char *words)
{
	struct problems *problems = &reading->build->problems;

	problems_add(problems, reading->given->source, line, "%s: \"%s\" %s",
	    reading->option->name, problems_excerpt(problems, text), words);
}

void
values_refuse(const struct reading *reading, const char *words)
{
	refuse(reading, reading->text, reading->line, words);
}

void
values_refuse_entry(const struct reading *reading,
    const struct parse_value *value, const char *words)
{
	refuse(reading, value->text, value->line, words);
}

bool
values_may_be_empty(const struct reading *reading)
{
	const char *standard = reading->option->standard;

	return standard != NULL
	    && (strcmp(standard, "\"\"") == 0 || *standard == '\0');
}

static const struct option_word *
find_word(const struct option_word *words, const char *text)
{
	for (; words->name != NULL; words++)
		if (strcmp(words->name, text) == 0)
			return words;
	return NULL;
}

/* The word that text is; NULL, after saying which there are. */
static const struct option_word *
word_of(const struct reading *reading, const char *value, size_t line)
{
	const struct option_word *words = reading->option->words;
	const struct option_word *found = find_word(words, value);
	const char *nearest;
	char space[200];
	struct text text;

	if (found != NULL)
		return found;
	text_init(&text, space, sizeof(space));
	text_add(&text, "is none of");
	for (size_t i = 0; words[i].name != NULL; i++)
		text_addf(&text, "%s %s", i > 0 ? "," : "", words[i].name);
	nearest = options_nearest_word(words, value);
	if (nearest != NULL)
		text_addf(&text, "; did you mean %s?", nearest);
	refuse(reading, value, line, space);
	return NULL;
}

static void
read_word(const struct reading *reading)
{
	const struct option_word *word;
	unsigned *field = values_field(reading);

	if (*reading->text == '\0' && values_may_be_empty(reading))
		return;
	word = word_of(reading, reading->text, reading->line);
	if (word != NULL)
		*field = (unsigned)word->value;
}

static void
read_boolean(const struct reading *reading)
{
	bool *field = values_field(reading);

	if (strcmp(reading->text, "yes") == 0)
		*field = true;
	else if (strcmp(reading->text, "no") == 0)
		*field = false;
	else
		values_refuse(reading, "is neither yes nor no");
}

static void
read_permissions(const struct reading *reading)
{
	unsigned *field = values_field(reading);
	size_t length = strlen(reading->text);
	unsigned permissions = 0;

	if (length == 0 || length > 4
	    || strspn(reading->text, "01234567") != length) {
		values_refuse(
		    reading, "is no mode; write it in octal digits: \"0660\"");
		return;
	}
	for (size_t i = 0; i < length; i++)
		permissions =
		    permissions << 3 | (unsigned)(reading->text[i] - '0');
	if (permissions > reading->option->maximum)
		values_refuse(reading, "is out of bounds; it can be 0 to 0777");
	else
		*field = permissions;
}

static void
read_name(const struct reading *reading)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_.-$";
	const char **field = values_field(reading);

	if (strlen(reading->text) > reading->option->maximum
	    || reading->text[0] == '-'
	    || reading->text[strspn(reading->text, letters)] != '\0')
		values_refuse(reading, "can't be the name of a user or group");
	else
		*field = values_keep(reading->build, reading->text);
}

bool
values_is_label(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_.-";
	size_t length = strlen(text);

	return length > 0 && length <= LIMIT_NAME_OCTETS
	    && strspn(text, letters) == length;
}

static void
read_label(const struct reading *reading)
{
	const char **field = values_field(reading);

	if (values_is_label(reading->text))
		*field = values_keep(reading->build, reading->text);
	else
		values_refuse(reading,
		    "is no name of 1 to 64 letters, digits, '_', '.' and '-'");
}

static void
read_domain(const struct reading *reading)
{
	const char **field = values_field(reading);
	struct fault fault = { .kind = FAULT_NONE };
	const char *domain;

	if (*reading->text == '\0' && values_may_be_empty(reading))
		*field = "";
	else if (address_domain(reading->build->arena, reading->text,
		     strlen(reading->text), &domain, &fault))
		*field = domain;
	else if (fault.kind == FAULT_MEMORY)
		problems_memory(&reading->build->problems);
	else
		problems_add(&reading->build->problems, reading->given->source,
		    reading->line, "%s: %s", reading->option->name,
		    fault.words);
}

static void
read_delimiter(const struct reading *reading)
{
	const char **field = values_field(reading);

	for (const char *at = reading->text; *at != '\0'; at++)
		if (strchr("!#$%&'*+-/=?^_`{|}~.", *at) == NULL) {
			values_refuse(reading,
			    "is no set of signs that may part a name from an "
			    "extension; usual is \"+\"");
			return;
		}
	if (strlen(reading->text) > reading->option->maximum)
		values_refuse(reading, "has too many signs");
	else
		*field = values_keep(reading->build, reading->text);
}

static void
read_canon(const struct reading *reading)
{
	unsigned *header = values_field(reading);
	unsigned *body = values_more(reading);
	const struct option_word *words = reading->option->words;

	for (size_t i = 0; words[i].name != NULL; i++)
		for (size_t j = 0; words[j].name != NULL; j++) {
			size_t length = strlen(words[i].name);

			if (strncmp(reading->text, words[i].name, length) == 0
			    && reading->text[length] == '/'
			    && strcmp(reading->text + length + 1, words[j].name)
				== 0) {
				*header = (unsigned)words[i].value;
				*body = (unsigned)words[j].value;
				return;
			}
		}
	values_refuse(reading,
	    "is none of \"relaxed/simple\", \"relaxed/relaxed\", "
	    "\"simple/simple\", \"simple/relaxed\" (header/body)");
}

static void
read_template(const struct reading *reading)
{
	const char **field = values_field(reading);
	struct fault fault = { .kind = FAULT_NONE };

	if (*reading->text == '\0')
		*field = NULL;
	else if (strlen(reading->text) > reading->option->maximum)
		values_refuse(reading, "is longer than 300 octets");
	else if (!reply_check_template(reading->text, &fault))
		problems_add(&reading->build->problems, reading->given->source,
		    reading->line, "%s: %s", reading->option->name,
		    fault.words);
	else
		*field = values_keep(reading->build, reading->text);
}

/* Is value among those before it? Then it is told. */
static bool
is_repeated(const struct reading *reading, const struct parse_value *value,
    bool (*is_equal)(const char *one, const char *other))
{
	for (const struct parse_value *before = reading->given->values;
	     before != value; before = before->next)
		if (is_equal(before->text, value->text)) {
			refuse(reading, value->text, value->line,
			    "is in the list twice");
			return true;
		}
	return false;
}

static bool
is_same(const char *one, const char *other)
{
	return strcmp(one, other) == 0;
}

static void
read_order(const struct reading *reading)
{
	unsigned *field = values_field(reading);
	size_t *count = values_more(reading);
	size_t found = 0;

	/* Words are few: more of them than there are must repeat. */
	for (const struct parse_value *value = reading->given->values;
	     value != NULL; value = value->next) {
		const struct option_word *word =
		    word_of(reading, value->text, value->line);

		if (word != NULL && !is_repeated(reading, value, is_same))
			field[found++] = (unsigned)word->value;
	}
	*count = found;
}

static void
read_flags(const struct reading *reading)
{
	const struct option_word *words = reading->option->words;

	for (size_t i = 0; words[i].name != NULL; i++)
		*(bool *)((char *)reading->base + words[i].value) = false;
	for (const struct parse_value *value = reading->given->values;
	     value != NULL; value = value->next) {
		const struct option_word *word =
		    word_of(reading, value->text, value->line);

		if (word != NULL && !is_repeated(reading, value, is_same))
			*(bool *)((char *)reading->base + word->value) = true;
	}
}

static void
read_networks(const struct reading *reading)
{
	struct network **field = values_field(reading);
	size_t *count = values_more(reading);
	struct network *networks = build_alloc(
	    reading->build, (reading->given->count + 1) * sizeof(*networks));
	size_t found = 0;

	if (networks == NULL)
		return;
	for (const struct parse_value *value = reading->given->values;
	     value != NULL; value = value->next) {
		struct fault fault = { .kind = FAULT_NONE };

		if (network_parse(value->text, &networks[found], &fault))
			found++;
		else
			problems_add(&reading->build->problems,
			    reading->given->source, value->line, "%s: %s",
			    reading->option->name, fault.words);
	}
	*field = networks;
	*count = found;
}

/* RFC 5322 §3.6.8 */
static bool
has_field_signs(const char *name)
{
	const char *at = name;

	while (*at > ' ' && *at <= '~' && *at != ':')
		at++;
	return *at == '\0' && at > name && at - name <= FIELD_NAME_OCTETS;
}

/* A field of our own is written, believed and removed: with a name that means
 * something to others, mail would break. Those that begin with "X-" never
 * will be anything else (RFC 822 §4.7.5; nobody registers one since
 * RFC 6648). */
static void
read_field(const struct reading *reading)
{
	const char **field = values_field(reading);
	const char *text = reading->text;

	if (*text != '\0'
	    && (!has_field_signs(text) || (text[0] != 'X' && text[0] != 'x')
		|| text[1] != '-' || text[2] == '\0'))
		values_refuse(reading,
		    "is no name of a header field of one's own; write one that "
		    "begins with \"X-\", such as \"X-Postern-Account\", "
		    "without ':' and blanks");
	else
		*field = values_keep(reading->build, text);
}

/* And not one that RFC 6376 advises against. */
static bool
is_field_name(const struct reading *reading, const struct parse_value *value)
{
	if (!has_field_signs(value->text)) {
		refuse(reading, value->text, value->line,
		    "is no name of a header field; write it without ':' and "
		    "blanks");
		return false;
	}
	if (signing_is_volatile(value->text)) {
		refuse(reading, value->text, value->line,
		    "changes on the way, so it must not be signed (RFC 6376 "
		    "section 5.4.1); leave it out");
		return false;
	}
	return !is_repeated(reading, value, text_equal_case);
}

static void
read_fields(const struct reading *reading)
{
	struct field_names *field = values_field(reading);
	const char **names = build_alloc(
	    reading->build, (reading->given->count + 1) * sizeof(*names));
	size_t found = 0;

	if (names == NULL)
		return;
	for (const struct parse_value *value = reading->given->values;
	     value != NULL; value = value->next)
		if (is_field_name(reading, value))
			names[found++] =
			    values_keep(reading->build, value->text);
	field->names = names;
	field->count = found;
}

/* Tell that there is no limit of that name, and which there are. */
static void
refuse_limit(const struct reading *reading, const struct parse_value *value)
{
	const struct limit_set *set = &reading->build->conf->limits;
	struct nearest nearest;
	char space[200];
	struct text text;

	text_init(&text, space, sizeof(space));
	nearest_begin(&nearest, value->text);
	for (size_t i = 0; i < set->count; i++)
		nearest_offer(&nearest, set->limits[i].name);
	if (nearest.best != NULL)
		text_addf(&text, "is no limit; did you mean %s?", nearest.best);
	else if (set->count == 0)
		text_add(&text,
		    "is no limit: none is written, and a plan takes the place "
		    "of the built-in ones");
	else
		text_add(&text, "is no limit; there are");
	for (size_t i = 0; nearest.best == NULL && i < set->count; i++)
		text_addf(
		    &text, "%s %s", i > 0 ? "," : "", set->limits[i].name);
	refuse(reading, value->text, value->line, space);
}

/* Where the limit of that name stands; set->count: nowhere. */
static size_t
limit_index(const struct limit_set *set, const char *name)
{
	size_t i = 0;

	while (i < set->count && strcmp(set->limits[i].name, name) != 0)
		i++;
	return i;
}

static void
read_limits(const struct reading *reading)
{
	struct build *build = reading->build;
	const struct limit_set *set = &build->conf->limits;
	const bool **field = values_field(reading);
	bool *has = build_alloc(build, (set->count + 1) * sizeof(*has));

	if (has == NULL)
		return;
	for (const struct parse_value *value = reading->given->values;
	     value != NULL; value = value->next) {
		size_t i = limit_index(set, value->text);

		if (i < set->count && !is_repeated(reading, value, is_same)) {
			has[i] = true;
			build->limits[i].is_planned = true;
		} else if (i == set->count
		    && !build_has_limit(build, value->text)) {
			refuse_limit(reading, value);
		}
	}
	*field = has;
}

/* How a value of each type is read. */
static const struct {
	bool is_list;
	void (*read)(const struct reading *reading);
} readers[] = {
	[OPTION_NAME] = { false, read_name },
	[OPTION_NUMBER] = { false, numbers_number },
	[OPTION_AMOUNT] = { false, numbers_amount },
	[OPTION_PERCENT] = { false, numbers_percent },
	[OPTION_DURATION] = { false, numbers_duration },
	[OPTION_SIZE] = { false, numbers_size },
	[OPTION_BOOLEAN] = { false, read_boolean },
	[OPTION_WORD] = { false, read_word },
	[OPTION_ORDER] = { true, read_order },
	[OPTION_FLAGS] = { true, read_flags },
	[OPTION_PERMISSIONS] = { false, read_permissions },
	[OPTION_NETWORKS] = { true, read_networks },
	[OPTION_DOMAIN] = { false, read_domain },
	[OPTION_FIELDS] = { true, read_fields },
	[OPTION_FIELD] = { false, read_field },
	[OPTION_LABEL] = { false, read_label },
	[OPTION_LIMITS] = { true, read_limits },
	[OPTION_CANON] = { false, read_canon },
	[OPTION_DELIMITER] = { false, read_delimiter },
	[OPTION_PATH] = { false, places_path },
	[OPTION_DIRECTORY] = { false, places_directory },
	[OPTION_SOCKET] = { false, places_socket },
	[OPTION_CONTROL] = { false, places_control },
	[OPTION_LOG_TARGET] = { false, places_log_target },
	[OPTION_MAP] = { false, places_map },
	[OPTION_REDIS] = { false, places_redis },
	[OPTION_NETWORK_MAP] = { false, places_network_map },
	[OPTION_TEMPLATE] = { false, read_template },
	[OPTION_EGRESS] = { true, values_dns_egress },
	[OPTION_NAMES] = { true, values_dns_names },
	[OPTION_SERVERS] = { true, values_dns_servers },
	[OPTION_FILE] = { false, places_file },
	[OPTION_PROGRAM] = { false, places_program },
	[OPTION_SERVER] = { false, values_dns_server },
	[OPTION_KEY_TABLE] = { false, places_key_table },
	[OPTION_SIGNING_TABLE] = { false, places_signing_table },
};

/* One value, or a list with as many entries as there may be. */
static bool
has_form(const struct reading *reading)
{
	const struct option *option = reading->option;
	const struct parse_option *given = reading->given;
	struct problems *problems = &reading->build->problems;
	bool is_list = readers[option->type].is_list;

	if (is_list && !given->is_list)
		problems_add(problems, given->source, given->line,
		    "%s: a list is wanted; write { %s }", option->name,
		    problems_excerpt(problems, reading->text));
	else if (!is_list && given->is_list)
		problems_add(problems, given->source, given->line,
		    "%s: one value is wanted, not a list; write it without "
		    "braces",
		    option->name);
	else if (is_list && given->count < option->minimum)
		problems_add(problems, given->source, given->line,
		    "%s: the list is empty; it needs at least %" PRIu64,
		    option->name, option->minimum);
	else if (is_list && given->count > option->maximum)
		problems_add(problems, given->source, given->line,
		    "%s: %zu entries; there can be %" PRIu64, option->name,
		    given->count, option->maximum);
	else
		return true;
	return false;
}

static void
read_given(struct build *build, const struct option *option,
    const struct parse_option *given, void *base, bool is_standard)
{
	struct reading reading = {
		.build = build,
		.option = option,
		.given = given,
		.base = base,
		.is_standard = is_standard,
	};

	if (!given->is_list) {
		reading.text = given->values->text;
		reading.line = given->values->line;
	}
	if (has_form(&reading))
		readers[option->type].read(&reading);
}

void
values_read(struct build *build, const struct option *option,
    const struct parse_option *given, void *base)
{
	read_given(build, option, given, base, false);
}

void
values_standard(struct build *build, const struct option *option, void *base)
{
	static const struct problem_source source = { .name = "(default)",
		.directory = "/" };
	struct parse_tree tree;
	char *text;

	if (option->standard == NULL || *option->standard == '\0')
		return;
	text = arena_printf(
	    build->scratch, "%s = %s", option->name, option->standard);
	if (text == NULL) {
		problems_memory(&build->problems);
		return;
	}
	parse_init(&tree);
	parse_text(&tree, &source, text, strlen(text), build->scratch,
	    &build->problems);
	if (!build->problems.is_out_of_memory)
		read_given(build, option, tree.top.options, base, true);
}
