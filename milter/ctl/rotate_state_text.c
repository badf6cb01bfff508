#include "milter/ctl/rotate_state.h"

#include "policy/signing.h"
#include "policy/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A line for each thing; its first word says which. */
static const char heading[] = "postern-rotation 1";

static const char *const steps[] = {
	[ROTATE_BEGUN] = "begun",
	[ROTATE_MADE] = "made",
	[ROTATE_PUBLISHED] = "published",
	[ROTATE_SWITCHING] = "switching",
	[ROTATE_SWITCHED] = "switched",
	[ROTATE_DONE] = "done",
	[ROTATE_CANCELLING] = "cancelling",
};

static const char *const ways[] = {
	[ROTATE_PRINT] = "print",
	[ROTATE_NSUPDATE] = "nsupdate",
	[ROTATE_HOOK] = "hook",
};

static const char *const algorithms[] = {
	[KEY_RSA_SHA256] = "rsa",
	[KEY_ED25519_SHA256] = "ed25519",
};

enum {
	ALGORITHMS = 2,
	PATIENCE = 16, /* parts of the time that it has waited */
	PATIENCE_MOST_S = 6 * 3600,
	AHEAD_S = 3600,
};

const char *
rotate_step_name(enum rotate_step step)
{
	return steps[step];
}

const char *
rotate_way_name(enum rotate_way way)
{
	return ways[way];
}

/* The place of word in list; count: it isn't there. */
static size_t
find_word(const char *const *list, size_t count, const char *word)
{
	size_t i = 0;

	while (i < count && strcmp(list[i], word) != 0)
		i++;
	return i;
}

bool
rotate_way_find(const char *name, enum rotate_way *way_out)
{
	size_t i = find_word(ways, ROTATE_WAYS, name);

	if (i < ROTATE_WAYS)
		*way_out = (enum rotate_way)i;
	return i < ROTATE_WAYS;
}

const char *
rotate_algorithm_name(enum key_algorithm algorithm)
{
	return algorithms[algorithm];
}

bool
rotate_is_under_way(const struct rotation *rotation)
{
	return rotation->step != ROTATE_SWITCHED
	    && rotation->step != ROTATE_DONE;
}

/* Servers of which one lacks the record for days needn't be asked every few
 * minutes. */
bool
rotate_may_rest(const struct rotation *rotation, uint64_t now_s)
{
	uint64_t wait_s;

	if (rotation->step != ROTATE_PUBLISHED
	    || rotation->checked_s <= rotation->begun_s
	    || rotation->checked_s > now_s)
		return false;
	wait_s = (rotation->checked_s - rotation->begun_s) / PATIENCE;
	if (wait_s > PATIENCE_MOST_S)
		wait_s = PATIENCE_MOST_S;
	return now_s - rotation->checked_s < wait_s;
}

bool
rotate_is_ahead(const struct rotation *rotation, uint64_t now_s)
{
	return rotation->switched_s > now_s
	    && rotation->switched_s - now_s > AHEAD_S;
}

/* Those of earlier rotations had their time when the clock was right. */
void
rotate_set_back(struct rotation *rotation, uint64_t now_s)
{
	uint64_t ahead_s = rotation->switched_s - now_s;

	for (size_t i = 0; i < rotation->retiring_count; i++)
		if (rotation->retiring[i].until_s >= rotation->switched_s)
			rotation->retiring[i].until_s -= ahead_s;
	rotation->switched_s = now_s;
}

static void
keep(char space[ROTATE_WORDS_BYTES], const char *words)
{
	struct text text;

	text_init(&text, space, ROTATE_WORDS_BYTES);
	text_add_clean(&text, words, strlen(words), true);
}

void
rotate_set_finding(struct rotation *rotation, const char *words, bool is_failed)
{
	keep(rotation->finding, words != NULL ? words : "");
	rotation->is_failed = is_failed && rotation->finding[0] != '\0';
}

void
rotate_set_servers(
    struct rotation *rotation, const char *const *servers, size_t count)
{
	rotation->server_count = 0;
	for (size_t i = 0; i < count; i++)
		(void)snprintf(rotation->servers[rotation->server_count++],
		    ROTATE_SERVER_BYTES, "%s", servers[i]);
}

static void
format_keys(struct text *text, const struct rotation *rotation)
{
	const struct rotate_key *key;

	for (size_t i = 0; i < rotation->made_count; i++) {
		key = &rotation->made[i];
		text_addf(text, "new %s %s %u\n", algorithms[key->algorithm],
		    key->selector, key->bits);
	}
	for (size_t i = 0; i < rotation->old_count; i++) {
		key = &rotation->olds[i];
		text_addf(text, "old %s %s\n", algorithms[key->algorithm],
		    key->selector);
	}
	for (size_t i = 0; i < rotation->retiring_count; i++) {
		key = &rotation->retiring[i];
		text_addf(text, "retiring %s %s %" PRIu64 " %s %s\n",
		    algorithms[key->algorithm], key->selector, key->until_s,
		    ways[key->way], key->is_withdrawn ? "withdrawn" : "shown");
	}
}

bool
rotate_state_format(
    const struct rotation *rotation, char *space, size_t size_bytes)
{
	struct text text;

	text_init(&text, space, size_bytes);
	text_addf(&text, "%s\ndomain %s\nstep %s\nway %s\n", heading,
	    rotation->domain, steps[rotation->step], ways[rotation->way]);
	text_addf(&text, "begun %" PRIu64 "\n", rotation->begun_s);
	text_addf(&text, "checked %" PRIu64 "\n", rotation->checked_s);
	text_addf(&text, "switched %" PRIu64 "\n", rotation->switched_s);
	text_addf(
	    &text, "retire-after %" PRIu64 "\n", rotation->retire_after_s);
	format_keys(&text, rotation);
	for (size_t i = 0; i < rotation->server_count; i++)
		text_addf(&text, "server %s\n", rotation->servers[i]);
	text_addf(
	    &text, "lacking %zu %zu\n", rotation->lacking, rotation->asked);
	for (size_t i = 0; i < rotation->lack_count; i++)
		text_addf(&text, "lack %s\n", rotation->lacks[i].words);
	if (rotation->finding[0] != '\0')
		text_addf(&text, "%s %s\n",
		    rotation->is_failed ? "failed" : "finding",
		    rotation->finding);
	return !text.is_cut;
}

/* The next word of a line, which ends there then; NULL: there is none. */
static char *
next_word(char **line)
{
	char *word = *line;
	size_t length = strcspn(word, " ");

	if (length == 0)
		return NULL;
	*line += length;
	if (**line == ' ')
		*(*line)++ = '\0';
	return word;
}

static bool
read_number(char **line, uint64_t most, uint64_t *number_out)
{
	const char *word = next_word(line);

	return word != NULL && text_number(word, 0, most, number_out);
}

static bool
read_count(char **line, size_t *count_out)
{
	uint64_t number;

	if (!read_number(line, UINT16_MAX, &number))
		return false;
	*count_out = (size_t)number;
	return true;
}

/* Copy word, of at most size - 1 octets. */
static bool
take(const char *word, char *space, size_t size)
{
	size_t length = word != NULL ? strlen(word) : 0;

	if (length == 0 || length >= size)
		return false;
	memcpy(space, word, length + 1);
	return true;
}

static bool
read_enum(
    char **line, const char *const *words, size_t count, unsigned *value_out)
{
	const char *word = next_word(line);
	size_t i = word != NULL ? find_word(words, count, word) : count;

	*value_out = (unsigned)i;
	return i < count;
}

/* The key of a line, into the next of *count places out of most. */
static struct rotate_key *
read_key(char **line, struct rotate_key *keys, size_t *count, size_t most)
{
	struct rotate_key *key = &keys[*count];
	unsigned algorithm;

	if (*count == most
	    || !read_enum(line, algorithms, ALGORITHMS, &algorithm))
		return NULL;
	*key =
	    (struct rotate_key){ .algorithm = (enum key_algorithm)algorithm };
	if (!take(next_word(line), key->selector, sizeof(key->selector))
	    || !signing_is_selector(key->selector))
		return NULL;
	++*count;
	return key;
}

static bool
read_new(char **line, struct rotation *rotation)
{
	struct rotate_key *key =
	    read_key(line, rotation->made, &rotation->made_count, ROTATE_NEW);
	uint64_t bits;

	if (key == NULL || !read_number(line, UINT16_MAX, &bits))
		return false;
	key->bits = (unsigned)bits;
	return true;
}

static bool
read_retiring(char **line, struct rotation *rotation)
{
	static const char *const shown[] = { "shown", "withdrawn" };
	struct rotate_key *key = read_key(line, rotation->retiring,
	    &rotation->retiring_count, ROTATE_RETIRING);
	unsigned way, is_withdrawn;

	if (key == NULL || !read_number(line, UINT64_MAX, &key->until_s)
	    || !read_enum(line, ways, ROTATE_WAYS, &way)
	    || !read_enum(line, shown, 2, &is_withdrawn))
		return false;
	key->way = (enum rotate_way)way;
	key->is_withdrawn = is_withdrawn != 0;
	return true;
}

static bool
read_server(char **line, struct rotation *rotation)
{
	if (rotation->server_count == ROTATE_SERVERS
	    || !take(next_word(line), rotation->servers[rotation->server_count],
		ROTATE_SERVER_BYTES))
		return false;
	rotation->server_count++;
	return true;
}

/* All the rest of the line. */
static bool
read_words(char **line, char space[ROTATE_WORDS_BYTES])
{
	size_t length = strlen(*line);

	if (length == 0 || length >= ROTATE_WORDS_BYTES)
		return false;
	keep(space, *line);
	*line += length;
	return true;
}

static bool
read_lack(char **line, struct rotation *rotation)
{
	if (rotation->lack_count == ROTATE_LACKS
	    || !read_words(line, rotation->lacks[rotation->lack_count].words))
		return false;
	rotation->lack_count++;
	return true;
}

/* What the first word of a line says of the rest. */
static bool
read_rest(const char *what, char **line, struct rotation *rotation)
{
	unsigned value;

	if (strcmp(what, "domain") == 0)
		return take(next_word(line), rotation->domain,
		    sizeof(rotation->domain));
	if (strcmp(what, "step") == 0) {
		bool is_read = read_enum(line, steps, ROTATE_STEPS, &value);

		rotation->step = (enum rotate_step)value;
		return is_read;
	}
	if (strcmp(what, "way") == 0) {
		bool is_read = read_enum(line, ways, ROTATE_WAYS, &value);

		rotation->way = (enum rotate_way)value;
		return is_read;
	}
	if (strcmp(what, "begun") == 0)
		return read_number(line, UINT64_MAX, &rotation->begun_s);
	if (strcmp(what, "checked") == 0)
		return read_number(line, UINT64_MAX, &rotation->checked_s);
	if (strcmp(what, "switched") == 0)
		return read_number(line, UINT64_MAX, &rotation->switched_s);
	if (strcmp(what, "retire-after") == 0)
		return read_number(line, UINT64_MAX, &rotation->retire_after_s);
	if (strcmp(what, "new") == 0)
		return read_new(line, rotation);
	if (strcmp(what, "old") == 0)
		return read_key(line, rotation->olds, &rotation->old_count,
			   KEYS_PER_DOMAIN)
		    != NULL;
	if (strcmp(what, "retiring") == 0)
		return read_retiring(line, rotation);
	if (strcmp(what, "server") == 0)
		return read_server(line, rotation);
	if (strcmp(what, "lacking") == 0)
		return read_count(line, &rotation->lacking)
		    && read_count(line, &rotation->asked);
	if (strcmp(what, "lack") == 0)
		return read_lack(line, rotation);
	rotation->is_failed = strcmp(what, "failed") == 0;
	return (rotation->is_failed || strcmp(what, "finding") == 0)
	    && read_words(line, rotation->finding);
}

static bool
read_line(char *line, struct rotation *rotation)
{
	const char *what = next_word(&line);

	return what != NULL && read_rest(what, &line, rotation)
	    && *line == '\0';
}

bool
rotate_state_parse(
    char *text, struct rotation *rotation_out, struct fault *fault)
{
	size_t number = 0;
	char *line = text;

	*rotation_out = (struct rotation){ .step = ROTATE_STEPS };
	for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = '\0';
		number++;
		if (number == 1 ? strcmp(line, heading) == 0
				: read_line(line, rotation_out))
			continue;
		fault_set(fault, FAULT_PERMANENT, "line %zu: not of a rotation",
		    number);
		return false;
	}
	if (*line == '\0' && rotation_out->step < ROTATE_STEPS
	    && rotation_out->domain[0] != '\0')
		return true;
	fault_set(
	    fault, FAULT_PERMANENT, "line %zu: it ends too early", number + 1);
	return false;
}
