#include "policy/spf.h"

#include "policy/address.h"
#include "policy/spf_check.h"
#include "policy/spf_hints.h"
#include "policy/spf_terms.h"
#include "policy/text.h"

#include <string.h>

const char *
spf_result_name(enum spf_result result)
{
	switch (result) {
	case SPF_PASS:
		return "pass";
	case SPF_NEUTRAL:
		return "neutral";
	case SPF_NONE:
		return "none";
	case SPF_SOFTFAIL:
		return "softfail";
	case SPF_FAIL:
		return "fail";
	case SPF_TEMPERROR:
		return "temperror";
	case SPF_PERMERROR:
		return "permerror";
	}
	return "?";
}

/* Add a step in the frame's record. False: the check has ended. */
static bool
add_step(struct spf *spf, const struct spf_frame *frame,
    enum spf_step_kind kind, const char *text, bool is_counted,
    const char *remark, size_t *number_out)
{
	struct spf_step step = {
		.kind = kind,
		.depth = frame->depth,
		.domain = frame->domain,
		.text = text,
		.is_counted = is_counted,
		.remark = remark,
	};

	if (spf_steps_add(&spf->steps, &step, number_out))
		return true;
	spf_check_starve(spf);
	return false;
}

/* Nothing was read at the frame's domain: say so. */
static void
fail_record(struct spf *spf, const struct spf_frame *frame,
    enum spf_result result, const char *remark, const char *words)
{
	const char *where = frame->via_where;
	size_t number;

	if (!add_step(spf, frame, SPF_STEP_NOTHING, "", false, remark, &number))
		return;
	if (frame->via == NULL) {
		spf_check_fail(spf, result, "%s %s", frame->domain, words);
		return;
	}
	/* For what leads here, having no record is an error (§5.2, §6.1). */
	spf_check_fail(spf, result == SPF_NONE ? SPF_PERMERROR : result,
	    "\"%.100s\" in the SPF record of %s: %s %s", frame->via, where,
	    frame->domain, words);
	spf->outcome.where = where;
}

static void
fail_several(struct spf *spf, const struct spf_frame *frame,
    const struct spf_known *known)
{
	if (frame->via == NULL) {
		spf->outcome.cause = SPF_CAUSE_SEVERAL;
		spf->outcome.both[0] = known->both[0];
		spf->outcome.both[1] = known->both[1];
	}
	fail_record(spf, frame, SPF_PERMERROR, "several SPF records",
	    "has more than one SPF record");
}

static void
fail_syntax(struct spf *spf, const struct spf_frame *frame,
    const struct spf_record *record)
{
	if (frame->via == NULL) {
		spf->outcome.cause = SPF_CAUSE_SYNTAX;
		spf->outcome.bad = record->bad[0] != '\0' ? record->bad : NULL;
	}
	spf_check_fail(spf, SPF_PERMERROR,
	    "the SPF record of %s: \"%.100s\": %s", frame->domain,
	    record->bad[0] != '\0' ? record->bad : record->text,
	    record->problem);
}

/* §4.4, §4.5 */
static void
read_record(struct spf *spf, struct spf_frame *frame)
{
	const struct spf_known *known =
	    spf_check_look_up(spf, frame->domain, DNS_TXT);
	const struct spf_record *record;
	size_t number;

	if (known == NULL)
		return;
	record = known->record;
	spf->outcome.is_no_domain =
	    frame->via == NULL && known->status == DNS_NXDOMAIN;
	if (known->status == DNS_LOST)
		fail_record(spf, frame, SPF_TEMPERROR, "no answer",
		    "gave no answer for its TXT records");
	else if (known->status == DNS_NXDOMAIN)
		fail_record(
		    spf, frame, SPF_NONE, "no such name", "doesn't exist");
	else if (known->spf_count == 0)
		fail_record(
		    spf, frame, SPF_NONE, "no SPF record", "has no SPF record");
	else if (known->spf_count > 1)
		fail_several(spf, frame, known);
	else if (record == NULL)
		fail_record(spf, frame, SPF_PERMERROR, "too long",
		    "has an SPF record of more than 32768 octets");
	if (spf->phase == SPF_ENDED)
		return;

	if (spf->outcome.record == NULL)
		spf->outcome.record = record->text;
	if (!add_step(spf, frame, SPF_STEP_RECORD, record->text, false,
		record->problem != NULL ? "syntax error" : NULL, &number))
		return;
	if (record->problem != NULL) {
		fail_syntax(spf, frame, record);
		return;
	}
	frame->record = record;
	frame->position = 0;
	frame->terms_then = spf->outcome.terms;
	frame->is_hinted = false;
	frame->has_term = false;
}

/* The check comes to result by a term of the top frame, or (NULL) by none. */
static void
conclude(struct spf *spf, enum spf_result result, const char *mechanism)
{
	struct spf_frame *frame = spf_check_top(spf);

	frame->is_expanded = false;
	spf->outcome.result = result;
	spf->outcome.mechanism = mechanism;
	spf->outcome.where = frame->domain;
	spf->phase = result == SPF_FAIL && spf->identity->wants_explanation
		&& frame->record->explanation.text != NULL
	    ? SPF_EXPLAINS
	    : SPF_ENDED;
}

/* The top frame's record comes to result, and perhaps with it the include
 * below it matches, and so on. */
static void
finish(struct spf *spf, enum spf_result result, const char *mechanism)
{
	while (spf->frame_count > 1) {
		struct spf_frame *frame;

		spf->frame_count--;
		frame = spf_check_top(spf);
		frame->has_term = false;
		spf_steps_tell(&spf->steps, frame->step, result == SPF_PASS,
		    spf_result_name(result));
		if (result != SPF_PASS) /* §5.2 */
			return;
		result = frame->term.result;
		mechanism = frame->term.text;
	}
	conclude(spf, result, mechanism);
}

/* Make frame->term the term that is tried. False: the check has ended. */
static bool
begin_term(struct spf *spf, struct spf_frame *frame, bool is_counted)
{
	frame->has_term = true;
	frame->is_void = false;
	frame->is_expanded = false;
	if (!add_step(spf, frame, SPF_STEP_TERM, frame->term.text, is_counted,
		NULL, &frame->step))
		return false;
	if (!is_counted)
		return true;
	if (spf->outcome.terms < SPF_TERMS) {
		spf->outcome.terms++;
		return true;
	}
	spf_steps_tell(&spf->steps, frame->step, false, "one look-up too many");
	spf->outcome.cause = SPF_CAUSE_LIMIT;
	spf_check_fail(spf, SPF_PERMERROR,
	    "\"%.100s\" in the SPF record of %s: more than %d terms ask the "
	    "DNS",
	    frame->term.text, frame->domain, SPF_TERMS);
	return false;
}

/* The next term of frame, at the end redirect=. False: there is none, and the
 * frame is finished, or the check has ended. */
static bool
next_term(struct spf *spf, struct spf_frame *frame)
{
	const struct spf_record *record = frame->record;

	if (spf_record_next(record, &frame->position, &frame->term)) {
		frame->is_redirecting = false;
		return begin_term(
		    spf, frame, spf_record_is_counted(frame->term.mechanism));
	}
	if (record->redirect.text == NULL) {
		finish(spf, SPF_NEUTRAL, NULL); /* §4.7 */
		return false;
	}
	frame->is_redirecting = true;
	frame->term = (struct spf_term){ .text = record->redirect_text,
		.spec = record->redirect };
	return begin_term(spf, frame, true);
}

/* Go on with the record that an include or a redirect names. */
static void
go_on(struct spf *spf, struct spf_frame *frame)
{
	struct spf_frame *next;

	if (!spf_terms_expand(spf, frame))
		return;
	/* §4.3 would give "none" for it, so §5.2 and §6.1 say: */
	if (frame->target == NULL || strchr(frame->target, '.') == NULL) {
		spf_check_fail(spf, SPF_PERMERROR,
		    "\"%.100s\" in the SPF record of %s: it names no domain "
		    "that can have a record",
		    frame->term.text, frame->domain);
		return;
	}
	/* There is room: each frame but the first took a counted term. */
	next = frame->is_redirecting ? frame : frame + 1;
	if (!frame->is_redirecting)
		spf->frame_count++;
	*next = (struct spf_frame){
		.domain = frame->target,
		.via = frame->term.text,
		.via_where = frame->domain,
		.depth = frame->depth + 1,
	};
}

static void
evaluate(struct spf *spf)
{
	struct spf_frame *frame = spf_check_top(spf);
	enum spf_trial trial;

	if (frame->record == NULL) {
		read_record(spf, frame);
		return;
	}
	if (!frame->has_term && !next_term(spf, frame))
		return;
	if (frame->is_redirecting || frame->term.mechanism == SPF_INCLUDE) {
		go_on(spf, frame);
		return;
	}
	trial = spf_terms_try(spf, frame);
	if (trial == SPF_TRIAL_WAITS)
		return;
	frame->has_term = false;
	if (trial == SPF_TRIAL_MISSES)
		return;
	spf_steps_tell(&spf->steps, frame->step, true, NULL);
	finish(spf, frame->term.result, frame->term.text);
}

/* Make the explanation of its text (§6.2); it is left out if it is wrong. */
static void
expand_explanation(
    struct spf *spf, struct spf_frame *frame, const struct spf_spec *source)
{
	char space[SPF_EXPLANATION_OCTETS + 1];
	struct spf_macro_values values;
	const char *validated = NULL;
	struct text text;

	spf->phase = SPF_ENDED;
	if (spf_macro_problem(
		source->text, source->length, SPF_MACRO_EXPLANATION)
	    != NULL)
		return;
	if (spf_macro_has(source->text, source->length, 'p')
	    && !spf_check_validated(spf, frame, false, &validated)) {
		if (spf->is_waiting)
			spf->phase = SPF_EXPLAINS;
		return;
	}
	text_init(&text, space, sizeof(space));
	spf_check_values(spf, frame->domain, validated, &values);
	spf_macro_explanation(&values, source->text, source->length, &text);
	if (text.length == 0)
		return;
	spf->outcome.explanation = arena_strdup(spf->arena, space);
	if (spf->outcome.explanation == NULL)
		spf_check_starve(spf);
}

/* Whatever goes wrong here, the result stays. */
static void
explain(struct spf *spf)
{
	struct spf_frame *frame = spf_check_top(spf);
	const struct spf_known *known;

	if (!frame->is_expanded) {
		if (!spf_check_name(spf, frame, &frame->record->explanation,
			false, &frame->target))
			return;
		frame->is_expanded = true;
	}
	if (frame->target == NULL) {
		spf->phase = SPF_ENDED;
		return;
	}
	known = spf_check_look_up(spf, frame->target, DNS_TXT);
	if (known == NULL)
		return;
	if (known->sole.text == NULL)
		spf->phase = SPF_ENDED;
	else
		expand_explanation(spf, frame, &known->sole);
}

/* Go on until something must be asked, or all is said. */
static void
advance(struct spf *spf)
{
	while (spf->phase != SPF_ENDED && !spf->is_waiting) {
		if (spf->phase == SPF_EVALUATES)
			evaluate(spf);
		else
			explain(spf);
	}
	spf->outcome.steps = spf->steps.list;
	spf->outcome.step_count = spf->steps.count;
}

/* There is nothing to check (§4.3). */
static void
end_at_once(struct spf *spf, const char *problem)
{
	spf->phase = SPF_ENDED;
	spf->outcome.result = SPF_NONE;
	spf->outcome.problem = problem;
}

static bool
normalise(struct spf *spf)
{
	const struct spf_identity *identity = spf->identity;
	const char *domain = identity->domain != NULL ? identity->domain : "";
	struct fault fault;
	const char *problem;

	if (address_domain(spf->arena, domain, strlen(domain),
		&spf->outcome.domain, &fault)) {
		if (strchr(spf->outcome.domain, '.') == NULL)
			end_at_once(
			    spf, "a domain of one label has no SPF record");
		return true;
	}
	if (fault.kind == FAULT_MEMORY)
		return false;
	spf->outcome.domain = domain;
	problem = arena_strdup(spf->arena, fault.words);
	end_at_once(spf, problem);
	return problem != NULL;
}

struct spf *
spf_begin(const struct spf_identity *identity, struct arena *arena)
{
	struct spf *spf = arena_alloc(arena, sizeof(*spf));

	if (spf == NULL)
		return NULL;
	spf->self = spf;
	spf->identity = identity;
	spf->arena = arena;
	spf->steps.arena = arena;
	spf->work_left = SPF_MACRO_WORK;
	spf->outcome.ttl_s = UINT32_MAX;
	spf_known_init(&spf->table, arena, &identity->client);
	if (!normalise(spf))
		return NULL;
	if (spf->phase != SPF_ENDED && !identity->client.is_known)
		end_at_once(spf, "the client's address isn't known");
	spf->local = identity->local != NULL && identity->local[0] != '\0'
	    ? identity->local
	    : "postmaster";
	spf->sender =
	    arena_printf(arena, "%s@%s", spf->local, spf->outcome.domain);
	if (spf->sender == NULL)
		return NULL;
	if (spf->phase != SPF_ENDED) {
		spf->frames[0].domain = spf->outcome.domain;
		spf->frame_count = 1;
	}
	advance(spf);
	return spf;
}

const struct spf_outcome *
spf_outcome(const struct spf *spf)
{
	return &spf->outcome;
}

static const struct dns_question *
machine_asks(const void *machine)
{
	const struct spf *spf = machine;

	return spf->is_waiting ? &spf->question : NULL;
}

static void
machine_answer(void *machine, const struct dns_answer *answer)
{
	struct spf *spf = machine;

	if (!spf->is_waiting)
		return;
	spf->is_waiting = false;
	if (spf_known_add(&spf->table, &spf->question, answer) == NULL)
		spf_check_starve(spf);
	advance(spf);
}

static size_t
machine_hints(
    const void *machine, struct dns_question *questions_out, size_t room)
{
	const struct spf *spf = machine;

	return spf->is_waiting ? spf_hints_list(spf->self, questions_out, room)
			       : 0;
}

static void
machine_learn(void *machine, const struct dns_question *question,
    const struct dns_answer *answer)
{
	struct spf *spf = machine;

	if (spf->is_waiting
	    && (question->type != spf->question.type
		|| strcmp(question->name, spf->question.name) != 0))
		spf_hints_learn(spf, question, answer);
}

const struct dns_machine spf_machine = {
	.asks = machine_asks,
	.answer = machine_answer,
	.hints = machine_hints,
	.learn = machine_learn,
};
