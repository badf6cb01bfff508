#include "milter/ctl/rotate_check.h"

#include "milter/ctl/rotate_servers.h"
#include "policy/dkim_key.h"
#include "policy/text.h"

#include <string.h>

enum {
	PLACES = 8, /* aliases and delegations on the way */
	LABEL_OCTETS = 100,
};

/* Where to ask: a name, and the servers of the zone it lies in. */
struct place {
	const char *name;
	struct rotate_zone *zone; /* NULL: to be found */
};

struct look {
	const struct rotate_checker *checker;
	struct resolver_asker *asker;
	const struct rotate_record *record;
	const struct rotate_zone *given; /* the servers somebody typed; NULL */
	struct arena *arena;
	struct place places[PLACES];
	size_t count;
	struct rotate_finding *finding;
	struct fault *fault;
};

static bool
forget(struct look *look)
{
	fault_memory(look->fault);
	return false;
}

/* ---- what is lacking ---- */

static void
lack(struct look *look, const char *label, const char *address,
    const char *words)
{
	struct rotate_finding *finding = look->finding;
	struct text text;

	finding->lacking++;
	if (finding->lack_count == ROTATE_LACKS)
		return;
	text_init(&text, finding->lacks[finding->lack_count++].words,
	    ROTATE_WORDS_BYTES);
	text_add_clean(&text, label,
	    strlen(label) < LABEL_OCTETS ? strlen(label) : LABEL_OCTETS, false);
	if (address != NULL && strcmp(address, label) != 0)
		text_addf(&text, " (%s)", address);
	text_add(&text, ": ");
	text_add_clean(&text, words, strlen(words), false);
}

static bool
lacks_server(struct look *look, const struct place *place,
    const struct rotate_server *server, const char *words)
{
	const char *address = network_text(look->arena, &server->address);

	/* Of a name that the record's is an alias of. */
	if (!dns_equal(place->name, look->record->name))
		words = arena_printf(
		    look->arena, "%s (asked for %s)", words, place->name);
	if (address == NULL || words == NULL)
		return forget(look);
	lack(look, server->label, look->given == NULL ? address : NULL, words);
	return true;
}

/* ---- places to ask at ---- */

static bool
was_visited(
    const struct look *look, const char *name, const struct rotate_zone *zone)
{
	for (size_t i = 0; i < look->count; i++) {
		const struct rotate_zone *other = look->places[i].zone;

		if (!dns_equal(look->places[i].name, name))
			continue;
		if (zone == NULL
		    || (other != NULL && other->name != NULL
			&& dns_equal(other->name, zone->name)))
			return true;
	}
	return false;
}

/* False: there is no room. */
static bool
visit(struct look *look, const char *name, struct rotate_zone *zone)
{
	if (was_visited(look, name, zone))
		return true;
	if (look->count == PLACES || !dns_is_name(name))
		return false;
	look->places[look->count++] =
	    (struct place){ .name = name, .zone = zone };
	return true;
}

/* The servers of a zone below, that one of the zone's names. */
static bool
visit_below(struct look *look, const struct place *place,
    const struct rotate_answer *answer, const char **words_out)
{
	struct rotate_zone *zone = arena_alloc(look->arena, sizeof(*zone));
	const char *above = place->zone->name;

	if (zone == NULL)
		return forget(look);
	*words_out = NULL;
	zone->name = answer->name;
	zone->name_count = answer->name_count;
	memcpy(zone->names, answer->names,
	    answer->name_count * sizeof(*zone->names));
	/* One that sends us up, or in a circle, doesn't know the zone. */
	if (look->given != NULL || dns_labels(zone->name) <= dns_labels(above)
	    || !dns_is_within(zone->name, above))
		*words_out = "it doesn't answer with authority";
	else if (!visit(look, place->name, zone))
		*words_out = "it leads on too far";
	return true;
}

/* ---- what a server says ---- */

static const char *
words_of(struct look *look, const struct dkim_key_finding *finding)
{
	const char *selector = look->record->selector;

	switch (finding->state) {
	case DKIM_KEY_GOOD:
		return NULL;
	case DKIM_KEY_MISSING:
		return arena_printf(
		    look->arena, "it doesn't show the record of %s", selector);
	case DKIM_KEY_DIFFERENT:
		return arena_printf(
		    look->arena, "it shows another key at %s", selector);
	case DKIM_KEY_REVOKED:
		return arena_printf(look->arena,
		    "it shows a key that is revoked at %s", selector);
	case DKIM_KEY_LOST:
	case DKIM_KEY_BAD:
		break;
	}
	return finding->words;
}

/* Do the records at the name make the key? *words_out: NULL, or why not. */
static bool
judge(struct look *look, const struct rotate_answer *answer,
    const char **words_out)
{
	const struct dkim_key_wanted wanted = {
		.domain = look->record->domain,
		.selector = look->record->selector,
		.type = look->record->algorithm == KEY_RSA_SHA256
		    ? DKIM_KEY_RSA
		    : DKIM_KEY_ED25519,
		.public_b64 = look->record->base64,
	};
	const struct dns_answer told = {
		.status = answer->count > 0 ? DNS_FOUND : DNS_NODATA,
		.records = answer->records,
		.count = answer->count,
	};
	struct dkim_key *key = dkim_key_begin(&wanted, look->arena);
	const struct dkim_key_finding *found;

	if (key == NULL)
		return forget(look);
	look->finding->has_records |= answer->count > 0;
	dkim_key_machine.answer(key, &told);
	found = dkim_key_finding(key);
	*words_out = words_of(look, found);
	return *words_out != NULL || found->state == DKIM_KEY_GOOD
	    || forget(look);
}

static bool
take_answer(struct look *look, const struct place *place,
    const struct rotate_server *server, const struct rotate_answer *answer)
{
	const char *words = answer->words;
	bool is_taken = true;

	switch (answer->said) {
	case ROTATE_SAID_RECORDS:
	case ROTATE_SAID_NOTHING:
		is_taken = judge(look, answer, &words);
		break;
	case ROTATE_SAID_ALIAS:
		words = visit(look, answer->name, NULL)
		    ? NULL
		    : "it has too many aliases";
		break;
	case ROTATE_SAID_BELOW:
		is_taken = visit_below(look, place, answer, &words);
		break;
	case ROTATE_SAID_UNKNOWN:
		break;
	}
	return is_taken
	    && (words == NULL || lacks_server(look, place, server, words));
}

/* Has another address of the same server a way from here? */
static bool
has_other_way(const struct rotate_zone *zone,
    const struct rotate_reply *replies, const char *label)
{
	for (size_t i = 0; i < zone->count; i++)
		if (replies[i].heard != ROTATE_NO_PATH
		    && strcmp(zone->servers[i].label, label) == 0)
			return true;
	return false;
}

static bool
take_reply(struct look *look, const struct place *place,
    const struct rotate_reply *replies, size_t which)
{
	const struct rotate_server *server = &place->zone->servers[which];
	const struct rotate_reply *reply = &replies[which];

	if (reply->heard == ROTATE_HEARD)
		return take_answer(look, place, server, &reply->answer);
	return (reply->heard == ROTATE_NO_PATH
		   && has_other_way(place->zone, replies, server->label))
	    || lacks_server(look, place, server, reply->words);
}

/* ---- a place ---- */

static const char *
above(const char *name)
{
	const char *dot = strchr(name, '.');

	return dot != NULL ? dot + 1 : "";
}

/* The servers of the zone, from start on upwards. */
static bool
find_zone(struct look *look, struct place *place, const char *start)
{
	if (place->zone == NULL) {
		place->zone = arena_alloc(look->arena, sizeof(*place->zone));
		if (place->zone == NULL)
			return forget(look);
	}
	if (place->zone->name == NULL
	    && !rotate_servers_find(
		look->asker, start, look->arena, place->zone, look->fault))
		return false;
	if (place->zone->is_above
	    && suffixes_is_public(
		look->checker->asking->suffixes, place->zone->name)) {
		fault_set(look->fault, FAULT_PERMANENT,
		    "%s isn't in the DNS: is it registered?", start);
		return false;
	}
	rotate_servers_resolve(look->asker, place->zone);
	return true;
}

/* Does none of them know the zone? An alias at the zone's name leads to the
 * servers of another one. */
static bool
is_foreign(const struct rotate_zone *zone, const struct rotate_reply *replies)
{
	for (size_t i = 0; i < zone->count; i++)
		if (replies[i].heard == ROTATE_HEARD
		    && replies[i].answer.said != ROTATE_SAID_UNKNOWN)
			return false;
	return zone->count > 0 && replies[0].heard == ROTATE_HEARD;
}

static bool
ask_all(struct look *look, const struct place *place,
    struct rotate_reply replies_out[ROTATE_ASK_SERVERS])
{
	return rotate_ask(look->checker->asker, place->zone->servers,
	    place->zone->count, place->name, look->checker->timeout_ms,
	    look->arena, replies_out, look->fault);
}

/* Find whom to ask, and ask. */
static bool
ask_place(struct look *look, struct place *place, const char *start,
    struct rotate_reply replies_out[ROTATE_ASK_SERVERS])
{
	bool is_fixed = place->zone != NULL;

	if (look->given != NULL) {
		place->zone = arena_alloc(look->arena, sizeof(*place->zone));
		if (place->zone == NULL)
			return forget(look);
		*place->zone = *look->given;
		return ask_all(look, place, replies_out);
	}
	for (;;) {
		if (!find_zone(look, place, start)
		    || !ask_all(look, place, replies_out))
			return false;
		if (is_fixed || !is_foreign(place->zone, replies_out))
			return true;
		start = above(place->zone->name);
		if (*start == '\0')
			return true;
		place->zone = NULL;
	}
}

static bool
look_at(struct look *look, struct place *place, const char *start)
{
	struct rotate_reply replies[ROTATE_ASK_SERVERS];

	if (!ask_place(look, place, start, replies))
		return false;
	look->finding->asked += place->zone->count;
	for (size_t i = 0; i < place->zone->count; i++)
		if (!take_reply(look, place, replies, i))
			return false;
	for (size_t i = 0; i < place->zone->lost_count; i++) {
		look->finding->asked++;
		lack(look, place->zone->lost[i], NULL,
		    "its address isn't known");
	}
	/* A zone without any server shows nothing. */
	if (place->zone->count + place->zone->lost_count == 0) {
		look->finding->asked++;
		lack(look, place->name, NULL, "it has no name servers");
	}
	look->finding->owner = place->name;
	look->finding->zone = place->zone->name;
	return true;
}

static bool
look_everywhere(struct look *look)
{
	if (!visit(look, look->record->name, NULL)) {
		fault_set(look->fault, FAULT_PERMANENT,
		    "%s is no name that the DNS can have", look->record->name);
		return false;
	}
	for (size_t i = 0; i < look->count; i++) {
		struct place *place = &look->places[i];

		if (!look_at(look, place,
			i == 0 ? look->record->domain : above(place->name)))
			return false;
	}
	return true;
}

/* The servers that somebody typed. */
static bool
read_given(
    struct look *look, const char (*servers)[ROTATE_SERVER_BYTES], size_t count)
{
	struct rotate_zone *zone = arena_alloc(look->arena, sizeof(*zone));

	if (zone == NULL)
		return forget(look);
	for (size_t i = 0; i < count; i++)
		if (!rotate_servers_read(
			servers[i], &zone->servers[zone->count++])) {
			fault_set(look->fault, FAULT_PERMANENT,
			    "\"%s\" is no address of a name server",
			    servers[i]);
			return false;
		}
	look->given = zone;
	return true;
}

bool
rotate_check(const struct rotate_checker *checker,
    const struct rotate_record *record,
    const char (*servers)[ROTATE_SERVER_BYTES], size_t count,
    struct arena *arena, struct rotate_finding *finding_out,
    struct fault *fault)
{
	struct look look = { .checker = checker,
		.record = record,
		.arena = arena,
		.finding = finding_out,
		.fault = fault };
	bool is_done;

	*finding_out = (struct rotate_finding){ .owner = record->name };
	if (count > 0)
		return read_given(&look, servers, count)
		    && look_everywhere(&look);
	look.asker = asking_begin(checker->asking);
	if (look.asker == NULL)
		return forget(&look);
	is_done = look_everywhere(&look);
	resolver_end(&look.asker);
	return is_done;
}
