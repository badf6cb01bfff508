#include "milter/ctl/preflight.h"

#include "milter/ctl/print.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

static void
add_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, print_json_text(text));
}

static void
add_bool(struct json_object *object, const char *key, bool is_so)
{
	json_object_object_add(object, key, json_object_new_boolean(is_so));
}

static void
add_number(struct json_object *object, const char *key, uint64_t number)
{
	json_object_object_add(object, key, json_object_new_uint64(number));
}

/* Why SPF says what it says, in one line; malloc'ed; NULL: no memory. */
static char *
spf_reason(const struct spf_outcome *outcome)
{
	const char *where =
	    outcome->where != NULL ? outcome->where : outcome->domain;
	char *words = NULL;
	int length;

	if (outcome->problem != NULL)
		return strdup(outcome->problem);
	if (outcome->mechanism != NULL)
		length = asprintf(
		    &words, "%s of %s matches", outcome->mechanism, where);
	else
		length = asprintf(&words, "no term of %s matches", where);
	return length < 0 ? NULL : words;
}

static void
add_spf_reason(struct json_object *object, const struct spf_outcome *outcome)
{
	char *words = spf_reason(outcome);

	add_text(object, "reason", words);
	free(words);
}

static struct json_object *
steps_json(const struct spf_outcome *outcome)
{
	static const char *const kinds[] = {
		[SPF_STEP_RECORD] = "record",
		[SPF_STEP_TERM] = "term",
		[SPF_STEP_NOTHING] = "nothing",
	};
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < outcome->step_count; i++) {
		const struct spf_step *step = &outcome->steps[i];
		struct json_object *one = json_object_new_object();

		add_text(one, "kind", kinds[step->kind]);
		add_number(one, "depth", step->depth);
		add_text(one, "domain", step->domain);
		add_text(one, "text", step->text);
		add_bool(one, "match", step->is_match);
		add_bool(one, "counted", step->is_counted);
		add_text(one, "remark", step->remark);
		json_object_array_add(list, one);
	}
	return list;
}

static struct json_object *
address_json(const struct preflight_spf *spf)
{
	const struct spf_outcome *outcome = spf->outcome;
	struct json_object *one = json_object_new_object();

	add_text(one, "address", spf->address);
	add_text(one, "helo", spf->helo);
	add_text(one, "result", spf_result_name(outcome->result));
	add_text(one, "domain", outcome->domain);
	add_spf_reason(one, outcome);
	add_text(one, "explanation", outcome->explanation);
	add_text(one, "record", outcome->record);
	add_number(one, "lookups", outcome->terms);
	add_number(one, "void_lookups", outcome->voids);
	json_object_object_add(one, "steps", steps_json(outcome));
	return one;
}

/* While SPF is unknown its result is null: RFC 7208 has no word for that. */
static struct json_object *
spf_json(const struct preflight_story *story)
{
	const struct preflight_evidence *evidence = story->evidence;
	const struct preflight_spf *worst = story->judgement->spf;
	struct json_object *object = json_object_new_object();
	struct json_object *list = json_object_new_array();

	add_text(object, "result",
	    worst != NULL ? spf_result_name(worst->outcome->result) : NULL);
	add_text(object, "domain",
	    worst != NULL ? worst->outcome->domain : evidence->sender_domain);
	if (worst != NULL)
		add_spf_reason(object, worst->outcome);
	else
		add_text(object, "reason", "egress isn't set");
	add_text(object, "address", worst != NULL ? worst->address : NULL);
	add_text(object, "explanation",
	    worst != NULL ? worst->outcome->explanation : NULL);
	for (size_t i = 0; i < evidence->spf_count; i++)
		json_object_array_add(list, address_json(&evidence->spf[i]));
	json_object_object_add(object, "addresses", list);
	return object;
}

static bool
is_aligned(const struct dmarc_finding *finding, size_t identifier)
{
	return finding != NULL && identifier < DMARC_IDENTIFIERS
	    && (finding->by_dkim[identifier] == DMARC_STRICTLY
		|| finding->by_dkim[identifier] == DMARC_RELAXEDLY);
}

static struct json_object *
signature_json(const struct preflight_signature *signature,
    const struct dmarc_finding *finding)
{
	static const char *const states[] = {
		[PREFLIGHT_VERIFIES] = "verifies",
		[PREFLIGHT_FAILS] = "fails",
		[PREFLIGHT_UNKNOWN] = "unknown",
	};
	const struct dkim_key_finding *key = signature->key;
	struct json_object *one = json_object_new_object();

	add_text(one, "domain", signature->domain);
	add_text(one, "selector", signature->selector);
	add_text(one, "state", states[signature->state]);
	add_bool(one, "aligned", is_aligned(finding, signature->identifier));
	add_bool(one, "ours", signature->is_ours);
	add_text(
	    one, "key", key != NULL ? dkim_key_state_name(key->state) : NULL);
	add_text(one, "record", key != NULL ? key->record : NULL);
	add_text(one, "reason", signature->words);
	return one;
}

static struct json_object *
signatures_json(const struct preflight_story *story)
{
	const struct preflight_evidence *evidence = story->evidence;
	const struct dmarc_finding *finding = preflight_finding(story);
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < evidence->signature_count; i++)
		json_object_array_add(
		    list, signature_json(&evidence->signatures[i], finding));
	return list;
}

static struct json_object *
dmarc_json(const struct preflight_story *story)
{
	const struct preflight_judgement *judgement = story->judgement;
	const struct dmarc_finding *finding = preflight_finding(story);
	bool has_record = finding != NULL && finding->status == DMARC_FOUND;
	struct json_object *object = json_object_new_object();
	struct json_object *aligned = json_object_new_object();

	add_text(object, "result", preflight_result_name(judgement->result));
	add_text(object, "profile", preflight_profile_name(judgement->decider));
	add_text(object, "author", judgement->author);
	add_text(object, "org_domain", judgement->org_domain);
	add_text(object, "policy_domain", judgement->policy_domain);
	add_bool(aligned, "spf", judgement->is_spf_aligned);
	add_bool(aligned, "dkim", judgement->is_dkim_aligned);
	json_object_object_add(object, "aligned", aligned);
	add_text(object, "policy",
	    has_record ? dmarc_policy_name(finding->policy) : NULL);
	add_text(object, "record", finding != NULL ? finding->text : NULL);
	add_bool(object, "unknown_spf", judgement->rests_on_unknown_spf);
	return object;
}

static struct json_object *
cells_json(const struct preflight_story *story, size_t profile)
{
	const struct preflight_judgement *judgement = story->judgement;
	const struct preflight_evidence *evidence = story->evidence;
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < judgement->addresses; i++) {
		const struct preflight_cell *cell =
		    &judgement->cells[profile * judgement->addresses + i];
		struct json_object *one = json_object_new_object();
		struct json_object *aligned = json_object_new_object();

		add_text(one, "address",
		    i < evidence->spf_count ? evidence->spf[i].address : NULL);
		add_text(one, "result", preflight_result_name(cell->result));
		add_bool(aligned, "spf", cell->is_spf_aligned);
		add_bool(aligned, "dkim", cell->is_dkim_aligned);
		json_object_object_add(one, "aligned", aligned);
		json_object_array_add(list, one);
	}
	return list;
}

static struct json_object *
profiles_json(const struct preflight_story *story)
{
	struct json_object *object = json_object_new_object();

	for (size_t i = 0; i < PREFLIGHT_PROFILES; i++) {
		struct json_object *one = json_object_new_object();

		add_text(one, "result",
		    preflight_result_name(story->judgement->by[i]));
		add_bool(one, "used", story->is_used[i]);
		json_object_object_add(one, "addresses", cells_json(story, i));
		json_object_object_add(object,
		    preflight_profile_name((enum preflight_profile)i), one);
	}
	return object;
}

struct json_object *
preflight_json_reasons(const struct preflight_judgement *judgement)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < judgement->reason_count; i++) {
		const struct preflight_reason *reason = &judgement->reasons[i];
		struct json_object *one = json_object_new_object();

		add_text(one, "kind", preflight_reason_name(reason->kind));
		add_text(one, "words", reason->words);
		add_text(one, "domain", reason->domain);
		add_text(one, "record", reason->record);
		add_text(one, "address", reason->address);
		add_text(one, "mend", reason->mend);
		json_object_array_add(list, one);
	}
	return list;
}

void
preflight_json(const struct preflight_story *story, struct json_object *object)
{
	json_object_object_add(object, "spf", spf_json(story));
	json_object_object_add(object, "dkim", signatures_json(story));
	json_object_object_add(object, "dmarc", dmarc_json(story));
	json_object_object_add(object, "profiles", profiles_json(story));
	json_object_object_add(
	    object, "reasons", preflight_json_reasons(story->judgement));
}

/* By the rule that policy/preflight.c has for what it speaks of. */
const struct dmarc_finding *
preflight_finding(const struct preflight_story *story)
{
	const struct preflight_judgement *judgement = story->judgement;
	const struct preflight_evidence *evidence = story->evidence;
	const struct dmarc_finding *by = NULL;

	for (size_t i = 0; i < evidence->author_count; i++)
		if (judgement->author != NULL
		    && strcmp(evidence->authors[i].domain, judgement->author)
			== 0)
			by = evidence->authors[i].dmarc->by;
	if (by == NULL)
		return NULL;
	if (judgement->decider == PREFLIGHT_RFC7489
	    || (judgement->decider == PREFLIGHT_BOTH_PASS
		&& by[DMARC_RFC9989].status != DMARC_FOUND
		&& by[DMARC_RFC7489].status != DMARC_ABSENT))
		return &by[DMARC_RFC7489];
	return &by[DMARC_RFC9989];
}
