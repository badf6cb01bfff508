#include "milter/io/signer_check.h"

#include "milter/io/keys_public.h"
#include "milter/io/signer_proof.h"

#include <stdlib.h>
#include <string.h>

enum { SHOWN_OCTETS = 80 };

struct signer_check {
	const struct signer_engine *engine;
	const struct signer_engine *other;
	const struct signer_job *job;
	void *work;                       /* the other's; NULL: it gave up */
	char *values[SIGNING_SIGNATURES]; /* the other's */
	struct fault difference;          /* the words of the first one */
};

static bool
has_difference(const struct signer_check *check)
{
	return check->difference.kind != FAULT_NONE;
}

/* The other engine fails on what the first one signed. */
static void
other_failed(struct signer_check *check, const struct fault *fault)
{
	if (fault->kind != FAULT_MEMORY && !has_difference(check))
		fault_set(&check->difference, FAULT_PERMANENT,
		    "%s signs the message, %s doesn't: %s", check->engine->name,
		    check->other->name, fault->words);
	check->other->end(check->work);
	check->work = NULL;
}

/* Can the other engine hash the header for all uses? */
static bool
other_takes(const struct signer_check *check)
{
	const struct signer_job *job = check->job;

	if (check->other->takes == NULL)
		return true;
	for (size_t i = 0; i < job->count; i++)
		if (!check->other->takes(job->fields[i], NULL))
			return false;
	return true;
}

struct signer_check *
signer_check_begin(const struct signer_engine *engine,
    const struct signer_engine *other, const struct signer_job *job)
{
	struct signer_check *check = calloc(1, sizeof(*check));
	struct fault fault = { .kind = FAULT_NONE };
	size_t faulty = SIGNER_NO_USE;

	if (check == NULL)
		return NULL;
	check->engine = engine;
	check->other = other;
	check->job = job;
	if (!other_takes(check))
		return check;
	check->work = other->begin(job, &faulty, &fault);
	if (check->work == NULL)
		other_failed(check, &fault);
	return check;
}

void
signer_check_body(
    struct signer_check *check, const unsigned char *data, size_t length)
{
	struct fault fault = { .kind = FAULT_NONE };

	if (check != NULL && check->work != NULL
	    && !check->other->body(check->work, data, length, &fault))
		other_failed(check, &fault);
}

/* The tag around value[at]: where it begins; *length_out: how much of it is to
 * be shown. */
static const char *
tag_at(const char *value, size_t at, int *length_out)
{
	size_t length;

	while (at > 0 && value[at - 1] != ';')
		at--;
	while (value[at] != '\0' && strchr(" \t\n", value[at]) != NULL)
		at++;
	length = strcspn(value + at, ";");
	*length_out = length < SHOWN_OCTETS ? (int)length : SHOWN_OCTETS;
	return value + at;
}

static void
compare(struct signer_check *check, size_t which, const char *value)
{
	const struct key *key = check->job->uses[which].key;
	const char *other = check->values[which];
	const char *tag, *other_tag;
	int length, other_length;
	size_t at = 0;

	while (value[at] != '\0' && value[at] == other[at])
		at++;
	if (value[at] == other[at] || has_difference(check))
		return;
	tag = tag_at(value, at, &length);
	other_tag = tag_at(other, at, &other_length);
	fault_set(&check->difference, FAULT_PERMANENT,
	    "%s/%s: %s and %s differ at octet %zu of the signature: %.*s and "
	    "%.*s",
	    key->domain, key->selector, check->engine->name, check->other->name,
	    at, length, tag, other_length, other_tag);
}

/* Without memory it counts as proven. */
static void
prove(struct signer_check *check, size_t which, const char *value)
{
	const struct key *key = check->job->uses[which].key;
	char *base64 = keys_public_base64(key->pkey);
	const char *why = base64 != NULL
	    ? signer_proof(check->job->fields[which], value, base64)
	    : NULL;

	free(base64);
	if (why != NULL && !has_difference(check))
		fault_set(&check->difference, FAULT_PERMANENT,
		    "%s/%s: the signature by %s doesn't verify: %s",
		    key->domain, key->selector, check->engine->name, why);
}

/* What the other engine makes of the uses that it could hash. */
static void
finish_other(struct signer_check *check, const bool *is_left_out)
{
	const struct signer_engine *other = check->other;
	struct fault fault = { .kind = FAULT_NONE };
	bool isnt_made[SIGNING_SIGNATURES];
	size_t faulty = SIGNER_NO_USE;

	for (size_t i = 0; i < check->job->count; i++)
		isnt_made[i] = is_left_out[i]
		    || (other->has_hashed != NULL
			&& !other->has_hashed(check->work, i, NULL));
	if (!other->finish(
		check->work, isnt_made, check->values, &faulty, &fault))
		other_failed(check, &fault);
}

void
signer_check_finish(
    struct signer_check *check, const bool *is_left_out, char *const *values)
{
	if (check == NULL)
		return;
	if (check->work != NULL)
		finish_other(check, is_left_out);
	for (size_t i = 0; i < check->job->count; i++) {
		if (is_left_out[i])
			continue;
		if (check->work != NULL && check->values[i] != NULL)
			compare(check, i, values[i]);
		prove(check, i, values[i]);
	}
}

const char *
signer_check_difference(const struct signer_check *check)
{
	return has_difference(check) ? check->difference.words : NULL;
}

void
signer_check_end(struct signer_check **check)
{
	struct signer_check *old = *check;

	if (old == NULL)
		return;
	old->other->end(old->work);
	for (size_t i = 0; i < old->job->count; i++)
		free(old->values[i]);
	free(old);
	*check = NULL;
}
