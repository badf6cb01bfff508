#include "milter/io/signer.h"

#include "milter/io/signer_check.h"
#include "milter/io/signer_engine.h"
#include "milter/io/signer_fields.h"
#include "policy/text.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum {
	/* Room that the configured names may take: the rest of
	 * SIGNER_NAME_OCTETS is for fields that occur more than once. */
	CONFIGURED_NAME_OCTETS = 2048,
};

#define SIGNATURE_NAME "DKIM-Signature"

enum signer_state { IN_HEADER, IN_BODY, FINISHED, BROKEN };

struct signer {
	const struct signer_engine *engine;
	const struct signer_engine *other; /* NULL: nothing is checked */
	struct signer_use uses[SIGNING_SIGNATURES];
	const struct signer_fields *fields[SIGNING_SIGNATURES];
	struct signer_job job; /* of these two */

	enum signer_state state;
	struct fault fault;       /* the first one; in BROKEN */
	const struct key *faulty; /* whose doing it is, or NULL */

	/* Those with rules that cover the same share one. */
	struct signer_fields sets[SIGNING_SIGNATURES];
	size_t set_count;
	size_t set_first[SIGNING_SIGNATURES]; /* the first use of each */

	void *work;                 /* the engine's, in IN_BODY */
	struct signer_check *check; /* NULL: none */
	bool is_dropped[SIGNING_SIGNATURES];
	bool has_body;
	unsigned char last[2]; /* octets of the body; last[1] is the last */
	char *values[SIGNING_SIGNATURES]; /* in FINISHED */
};

static bool
names_are_usable(
    const struct field_names *names, const char *option, struct fault *fault)
{
	size_t used = 0;

	for (size_t i = 0; i < names->count; i++) {
		const char *name = names->names[i];

		if (!signer_fields_is_name(name, strlen(name))
		    || text_equal_case(name, SIGNATURE_NAME)) {
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
static const struct signer_fields *
set_of(struct signer *signer, size_t use)
{
	const struct signing_rules *rules = signer->uses[use].rules;
	size_t set;

	for (set = 0; set < signer->set_count; set++)
		if (cover_the_same(
			signer->uses[signer->set_first[set]].rules, rules))
			return &signer->sets[set];
	signer_fields_init(&signer->sets[set], rules->header_canon);
	signer->set_first[set] = use;
	signer->set_count++;
	return &signer->sets[set];
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
	signer->job = (struct signer_job){
		.uses = signer->uses,
		.count = order->count,
		.time_s = order->time_s,
		.fields = signer->fields,
	};
	for (size_t i = 0; i < order->count; i++) {
		signer->uses[i] = order->uses[i];
		signer->fields[i] = set_of(signer, i);
	}
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
		free(old->values[i]);
	fields_free(old);
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
		signer->faulty = signer->uses[faulty].key;
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
	if (text_equal_case(bare, SIGNATURE_NAME))
		return true;
	for (size_t i = 0; i < signer->set_count; i++) {
		const struct signing_rules *rules =
		    signer->uses[signer->set_first[i]].rules;

		/* h= says that there are no more of the oversigned ones. */
		if (signing_covers(rules, bare)
		    && !signer_fields_add(&signer->sets[i], name, length,
			is_listed(&rules->oversign, bare), value, value_length,
			&signer->fault))
			return give_up(signer, fault);
	}
	return true;
}

static bool
choose(struct signer *signer, struct fault *fault)
{
	for (size_t i = 0; i < signer->set_count; i++) {
		if (!signer_fields_has_from(&signer->sets[i])) {
			fault_set(fault, FAULT_PERMANENT,
			    "the message has no From, so it can't be signed");
			return false;
		}
		if (!signer_fields_choose(&signer->sets[i], fault))
			return false;
	}
	return true;
}

/* Is each key of the kind that its signature will say? OpenSSL signs with any
 * key by any algorithm that it can. */
static bool
keys_fit(const struct signer *signer, size_t *faulty_out, struct fault *fault)
{
	for (size_t i = 0; i < signer->job.count; i++) {
		const struct key *key = signer->uses[i].key;
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
	if (!choose(signer, &signer->fault))
		return give_up(signer, fault);
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
	if (which < signer->job.count)
		signer->is_dropped[which] = true;
}

bool
signer_finish(struct signer *signer, const char *const **values_out,
    size_t *count_out, struct fault *fault)
{
	static const unsigned char line_end[] = "\r\n";
	size_t faulty = SIGNER_NO_USE;

	*values_out = NULL;
	*count_out = 0;
	if (!is_in(signer, IN_BODY, fault))
		return false;
	if (signer->has_body && signer->last[1] != '\n'
	    && !take_piece(signer, line_end, 2, &signer->fault))
		return give_up(signer, fault);
	if (!signer->engine->finish(signer->work, signer->is_dropped,
		signer->values, &faulty, &signer->fault))
		return give_up_use(signer, faulty, fault);
	signer_check_finish(signer->check, signer->is_dropped, signer->values);
	signer->state = FINISHED;
	*values_out = (const char *const *)signer->values;
	*count_out = signer->job.count;
	return true;
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
