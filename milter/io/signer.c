#include "milter/io/signer.h"

#include "milter/io/signer_check.h"
#include "milter/io/signer_engine.h"
#include "milter/io/signer_fields.h"
#include "policy/arena.h"
#include "policy/dkim_signature.h"
#include "policy/text.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum {
	/* Room that the configured names may take: the rest of
	 * SIGNER_NAME_OCTETS is for fields that occur more than once. */
	CONFIGURED_NAME_OCTETS = 2048,
	/* For the words and the identities of all uses. */
	ARENA_BYTES = 64 * 1024,
};

enum signer_state { IN_HEADER, IN_BODY, FINISHED, BROKEN };

struct signer {
	const struct signer_engine *engine;
	const struct signer_engine *other; /* NULL: nothing is checked */
	struct arena arena;

	/* As ordered. */
	struct signer_use uses[SIGNING_SIGNATURES];
	size_t count;
	size_t set_of[SIGNING_SIGNATURES];
	const char *lost[SIGNING_SIGNATURES]; /* why, in the arena; or NULL */
	bool is_dropped[SIGNING_SIGNATURES];

	/* What is left of it at the end of the header. */
	struct signer_job job; /* of these two */
	struct signer_use kept[SIGNING_SIGNATURES];
	const struct signer_fields *fields[SIGNING_SIGNATURES];
	size_t place[SIGNING_SIGNATURES]; /* in the order */

	enum signer_state state;
	bool has_lost;            /* a use */
	struct fault fault;       /* in BROKEN, what broke it; before: why the
				     first use was lost */
	const struct key *faulty; /* whose doing it is, or NULL */

	/* Those with rules that cover the same share one. */
	struct signer_fields sets[SIGNING_SIGNATURES];
	size_t set_count;
	size_t set_first[SIGNING_SIGNATURES]; /* the first use of each */

	void *work;                 /* the engine's, in IN_BODY */
	struct signer_check *check; /* NULL: none */
	bool has_body;
	unsigned char last[2]; /* octets of the body; last[1] is the last */
	char *made[SIGNING_SIGNATURES];         /* of the job */
	const char *values[SIGNING_SIGNATURES]; /* the same, as ordered */
};

static bool
names_are_usable(
    const struct field_names *names, const char *option, struct fault *fault)
{
	size_t used = 0;

	for (size_t i = 0; i < names->count; i++) {
		const char *name = names->names[i];

		if (!signer_fields_is_name(name, strlen(name))
		    || text_equal_case(name, DKIM_SIGNATURE_NAME)) {
			fault_set(fault, FAULT_PERMANENT,
			    "sign.%s: \"%s\" is no header field that can be "
			    "signed: take it out",
			    option, name);
			return false;
		}
		used += strlen(name) + 1;
	}
	if (used > CONFIGURED_NAME_OCTETS) {
		fault_set(fault, FAULT_PERMANENT,
		    "sign.%s: the names have %zu octets in all, %d is the "
		    "most: take some out",
		    option, used, CONFIGURED_NAME_OCTETS);
		return false;
	}
	return true;
}

bool
signer_check_rules(const struct signing_rules *rules, struct fault *fault)
{
	return names_are_usable(&rules->headers, "headers", fault)
	    && names_are_usable(&rules->oversign, "oversign", fault);
}

static bool
names_are_equal(const struct field_names *one, const struct field_names *other)
{
	if (one->count != other->count)
		return false;
	if (one->names == other->names)
		return true;
	for (size_t i = 0; i < one->count; i++)
		if (strcmp(one->names[i], other->names[i]) != 0)
			return false;
	return true;
}

/* Do they cover the same, in the same form? */
static bool
cover_the_same(
    const struct signing_rules *one, const struct signing_rules *other)
{
	return one == other
	    || (one->header_canon == other->header_canon
		&& names_are_equal(&one->headers, &other->headers)
		&& names_are_equal(&one->oversign, &other->oversign));
}

/* Which set of fields is a use's; a new one if need be. */
static size_t
set_find(struct signer *signer, size_t use)
{
	const struct signing_rules *rules = signer->uses[use].rules;
	size_t set;

	for (set = 0; set < signer->set_count; set++)
		if (cover_the_same(
			signer->uses[signer->set_first[set]].rules, rules))
			return set;
	signer_fields_init(&signer->sets[set], rules->header_canon);
	signer->set_first[set] = use;
	signer->set_count++;
	return set;
}

/* Take a use over; its identity as it will stand in i=. */
static bool
take_use(struct signer *signer, const struct signer_use *use, size_t which,
    struct fault *fault)
{
	const struct key *key = use->key;

	signer->uses[which] = *use;
	signer->set_of[which] = set_find(signer, which);
	if (use->identity == NULL)
		return true;
	signer->uses[which].identity = dkim_signature_identity(
	    use->identity, key->domain, &signer->arena, fault);
	if (signer->uses[which].identity != NULL)
		return true;
	fault_prefix(fault, "signing with %s/%s: ", key->domain, key->selector);
	return false;
}

struct signer *
signer_begin_with(const struct signer_order *order,
    const struct signer_engine *engine, const struct signer_engine *other,
    struct fault *fault)
{
	struct signer *signer;

	if (order->count > SIGNING_SIGNATURES) {
		fault_set(fault, FAULT_PERMANENT,
		    "%zu signatures are asked for, %d is the most",
		    order->count, SIGNING_SIGNATURES);
		return NULL;
	}
	signer = calloc(1, sizeof(*signer));
	if (signer == NULL) {
		fault_memory(fault);
		return NULL;
	}
	signer->engine = engine;
	signer->other = other;
	signer->count = order->count;
	signer->job = (struct signer_job){
		.uses = signer->kept,
		.time_s = order->time_s,
		.fields = signer->fields,
	};
	arena_init(&signer->arena, ARENA_BYTES);
	for (size_t i = 0; i < order->count && signer != NULL; i++)
		if (!take_use(signer, &order->uses[i], i, fault))
			signer_end(&signer);
	return signer;
}

struct signer *
signer_begin(const struct signer_order *order, struct fault *fault)
{
	const struct signer_engine *engine = &signer_postern;
	const struct signer_engine *other = &signer_opendkim;

	if (order->engine == SIGNING_OPENDKIM) {
		engine = &signer_opendkim;
		other = &signer_postern;
	}
	return signer_begin_with(
	    order, engine, order->is_checked ? other : NULL, fault);
}

static void
fields_free(struct signer *signer)
{
	for (size_t i = 0; i < signer->set_count; i++)
		signer_fields_clear(&signer->sets[i]);
}

void
signer_end(struct signer **signer)
{
	struct signer *old = *signer;

	if (old == NULL)
		return;
	old->engine->end(old->work);
	signer_check_end(&old->check);
	for (size_t i = 0; i < old->job.count; i++)
		free(old->made[i]);
	fields_free(old);
	arena_clear(&old->arena);
	free(old);
	*signer = NULL;
}

/* Give up, with the fault that signer->fault now holds. Half a message is
 * never signed. */
static bool
give_up(struct signer *signer, struct fault *fault)
{
	signer->state = BROKEN;
	if (fault != NULL)
		*fault = signer->fault;
	return false;
}

/* The same, after the engine said which use it was, if it was one. */
static bool
give_up_use(struct signer *signer, size_t faulty, struct fault *fault)
{
	if (faulty < signer->job.count)
		signer->faulty = signer->kept[faulty].key;
	return give_up(signer, fault);
}

/* Is the signer where this call belongs? */
static bool
is_in(struct signer *signer, enum signer_state state, struct fault *fault)
{
	if (signer->state == state)
		return true;
	if (signer->state != BROKEN)
		fault_set(&signer->fault, FAULT_PERMANENT,
		    "signing: header, body and end came out of order");
	return give_up(signer, fault);
}

/* Is there a use that is to be signed? */
static bool
has_any_left(const struct signer *signer)
{
	for (size_t i = 0; i < signer->count; i++)
		if (signer->lost[i] == NULL && !signer->is_dropped[i])
			return true;
	return false;
}

/* Leave a use out that can't be made of this message. False, with
 * signer->fault: want of memory. */
static bool
lose(struct signer *signer, size_t use, const struct fault *why)
{
	signer->lost[use] = arena_strdup(&signer->arena, why->words);
	if (signer->lost[use] == NULL) {
		fault_memory(&signer->fault);
		return false;
	}
	if (!signer->has_lost)
		signer->fault = *why;
	signer->has_lost = true;
	return true;
}

/* The same of all that share a set. False, with signer->fault, if the others
 * can't go on either: then it is what the first use was lost for. */
static bool
lose_set(struct signer *signer, size_t set, const struct fault *why)
{
	if (why->kind != FAULT_PERMANENT) {
		signer->fault = *why;
		return false;
	}
	for (size_t i = 0; i < signer->count; i++)
		if (signer->set_of[i] == set && !lose(signer, i, why))
			return false;
	signer_fields_clear(&signer->sets[set]);
	return has_any_left(signer);
}

static bool
is_set_lost(const struct signer *signer, size_t set)
{
	return signer->lost[signer->set_first[set]] != NULL;
}

static bool
is_listed(const struct field_names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (text_equal_case(names->names[i], name))
			return true;
	return false;
}

bool
signer_header(struct signer *signer, const char *name, const char *value,
    size_t value_length, struct fault *fault)
{
	size_t length = strlen(name);
	char bare[CONFIGURED_NAME_OCTETS];

	if (!is_in(signer, IN_HEADER, fault))
		return false;
	while (
	    length > 0 && (name[length - 1] == ' ' || name[length - 1] == '\t'))
		length--;
	/* No name that is covered is longer than all together may be. */
	if (length >= sizeof(bare) || !signer_fields_is_name(name, length))
		return true;
	memcpy(bare, name, length);
	bare[length] = '\0';
	/* Nobody's signature covers another (RFC 6376 §5.4.1), and
	 * libopendkim reads those that it is fed, and can fail on them. */
	if (text_equal_case(bare, DKIM_SIGNATURE_NAME))
		return true;
	for (size_t i = 0; i < signer->set_count; i++) {
		const struct signing_rules *rules =
		    signer->uses[signer->set_first[i]].rules;
		struct fault why;

		/* h= says that there are no more of the oversigned ones. */
		if (!is_set_lost(signer, i) && signing_covers(rules, bare)
		    && !signer_fields_add(&signer->sets[i], name, length,
			is_listed(&rules->oversign, bare), value, value_length,
			&why)
		    && !lose_set(signer, i, &why))
			return give_up(signer, fault);
	}
	return true;
}

static bool
choose_of(const struct signer *signer, struct signer_fields *fields,
    struct fault *fault)
{
	if (!signer_fields_has_from(fields)) {
		fault_set(fault, FAULT_PERMANENT,
		    "the message has no From, so it can't be signed");
		return false;
	}
	return signer_fields_choose(fields, fault)
	    && (signer->engine->takes == NULL
		|| signer->engine->takes(fields, fault));
}

static bool
choose(struct signer *signer)
{
	for (size_t i = 0; i < signer->set_count; i++) {
		struct fault why;

		if (!is_set_lost(signer, i)
		    && !choose_of(signer, &signer->sets[i], &why)
		    && !lose_set(signer, i, &why))
			return false;
	}
	return true;
}

/* The job of the engines is what is left. */
static void
keep_rest(struct signer *signer)
{
	size_t kept = 0;

	for (size_t i = 0; i < signer->count; i++) {
		if (signer->lost[i] != NULL)
			continue;
		signer->kept[kept] = signer->uses[i];
		signer->fields[kept] = &signer->sets[signer->set_of[i]];
		signer->place[kept++] = i;
	}
	signer->job.count = kept;
}

/* Is each key of the kind that its signature will say? OpenSSL signs with any
 * key by any algorithm that it can. */
static bool
keys_fit(const struct signer *signer, size_t *faulty_out, struct fault *fault)
{
	for (size_t i = 0; i < signer->job.count; i++) {
		const struct key *key = signer->kept[i].key;
		bool is_rsa = key->algorithm == KEY_RSA_SHA256;

		if (key->pkey != NULL
		    && EVP_PKEY_is_a(key->pkey, is_rsa ? "RSA" : "ED25519")
			== 1)
			continue;
		*faulty_out = i;
		fault_set(fault, FAULT_PERMANENT,
		    "signing with %s/%s: the private key is none of its "
		    "algorithm, %s",
		    key->domain, key->selector, is_rsa ? "RSA" : "Ed25519");
		return false;
	}
	return true;
}

bool
signer_end_of_header(struct signer *signer, struct fault *fault)
{
	size_t faulty = SIGNER_NO_USE;

	if (!is_in(signer, IN_HEADER, fault))
		return false;
	if (!choose(signer))
		return give_up(signer, fault);
	keep_rest(signer);
	if (!keys_fit(signer, &faulty, &signer->fault))
		return give_up_use(signer, faulty, fault);
	signer->work =
	    signer->engine->begin(&signer->job, &faulty, &signer->fault);
	if (signer->work == NULL)
		return give_up_use(signer, faulty, fault);
	/* The check reads the fields again at the end. */
	if (signer->other != NULL)
		signer->check = signer_check_begin(
		    signer->engine, signer->other, &signer->job);
	else
		fields_free(signer);
	signer->state = IN_BODY;
	return true;
}

/* What a line end at data[at] is on the way to the verifier, in words, or
 * NULL if it stays what it is. */
static const char *
line_end_changes(
    const struct signer *signer, const unsigned char *data, size_t at)
{
	unsigned char before = at > 0 ? data[at - 1] : signer->last[1];
	unsigned char second = at > 1 ? data[at - 2]
	    : at == 1                 ? signer->last[1]
				      : signer->last[0];

	if (before != '\r')
		return "the body has an LF that is no CRLF, which MTAs change, "
		       "so it can't be signed";
	if (second == '\r')
		return "the body has a CR before a CRLF, which MTAs take away, "
		       "so it can't be signed";
	return NULL;
}

/* Do the line ends of the body's next piece reach the verifier as they are?
 * MTAs make a CRLF of a lone LF, and Postfix takes away all CRs before a line
 * end (seen in 3.7). Other lone CRs are octets like any other (RFC 6376
 * §3.4). */
static bool
line_ends_last(const struct signer *signer, const unsigned char *data,
    size_t length, struct fault *fault)
{
	const unsigned char *end = data + length;

	for (const unsigned char *at = data;
	     (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++) {
		const char *words =
		    line_end_changes(signer, data, (size_t)(at - data));

		if (words != NULL) {
			fault_set(fault, FAULT_PERMANENT, "%s", words);
			return false;
		}
	}
	return true;
}

static bool
take_piece(struct signer *signer, const unsigned char *data, size_t length,
    struct fault *fault)
{
	if (!line_ends_last(signer, data, length, fault)
	    || !signer->engine->body(signer->work, data, length, fault))
		return false;
	signer_check_body(signer->check, data, length);
	signer->has_body = true;
	signer->last[0] = length > 1 ? data[length - 2] : signer->last[1];
	signer->last[1] = data[length - 1];
	return true;
}

bool
signer_body(struct signer *signer, const unsigned char *data, size_t length,
    struct fault *fault)
{
	if (!is_in(signer, IN_BODY, fault))
		return false;
	return length == 0 || take_piece(signer, data, length, &signer->fault)
	    || give_up(signer, fault);
}

void
signer_drop(struct signer *signer, size_t which)
{
	if (which < signer->count)
		signer->is_dropped[which] = true;
}

/* Those of the job that aren't to be made, or can't. False, with
 * signer->fault, if that is all of them. */
static bool
find_left_out(struct signer *signer, bool *is_left_out)
{
	const struct signer_engine *engine = signer->engine;

	for (size_t i = 0; i < signer->job.count; i++) {
		struct fault why;

		is_left_out[i] = signer->is_dropped[signer->place[i]];
		if (is_left_out[i] || engine->has_hashed == NULL
		    || engine->has_hashed(signer->work, i, &why))
			continue;
		is_left_out[i] = true;
		if (!lose(signer, signer->place[i], &why))
			return false;
	}
	return !signer->has_lost || has_any_left(signer);
}

static bool
finish(struct signer *signer, size_t *faulty_out)
{
	static const unsigned char line_end[] = "\r\n";
	bool is_left_out[SIGNING_SIGNATURES];

	if (signer->has_body && signer->last[1] != '\n'
	    && !take_piece(signer, line_end, 2, &signer->fault))
		return false;
	if (!find_left_out(signer, is_left_out)
	    || !signer->engine->finish(signer->work, is_left_out, signer->made,
		faulty_out, &signer->fault))
		return false;
	signer_check_finish(signer->check, is_left_out, signer->made);
	return true;
}

bool
signer_finish(struct signer *signer, const char *const **values_out,
    size_t *count_out, struct fault *fault)
{
	size_t faulty = SIGNER_NO_USE;

	*values_out = NULL;
	*count_out = 0;
	if (!is_in(signer, IN_BODY, fault))
		return false;
	if (!finish(signer, &faulty))
		return give_up_use(signer, faulty, fault);
	for (size_t i = 0; i < signer->job.count; i++)
		signer->values[signer->place[i]] = signer->made[i];
	signer->state = FINISHED;
	*values_out = signer->values;
	*count_out = signer->count;
	return true;
}

const char *
signer_lost(const struct signer *signer, size_t which)
{
	return which < signer->count ? signer->lost[which] : NULL;
}

const struct key *
signer_faulty_key(const struct signer *signer)
{
	return signer->faulty;
}

const char *
signer_difference(const struct signer *signer)
{
	return signer->check != NULL ? signer_check_difference(signer->check)
				     : NULL;
}
