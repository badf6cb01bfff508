#include "policy/spf_check.h"

#include "policy/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	PROBLEM_OCTETS = 400,
	REVERSE_OCTETS = 80, /* 32 digits, dots, ip6.arpa */
	V4_BITS = 32,
	V6_BITS = 128,
	V4_AT = 12,
};

struct spf_frame *
spf_check_top(struct spf *spf)
{
	return &spf->frames[spf->frame_count - 1];
}

void
spf_check_starve(struct spf *spf)
{
	spf->phase = SPF_ENDED;
	spf->is_waiting = false;
	spf->outcome.result = SPF_TEMPERROR;
	spf->outcome.mechanism = NULL;
	spf->outcome.where = spf_check_top(spf)->domain;
	spf->outcome.problem = "out of memory";
}

void
spf_check_fail(struct spf *spf, enum spf_result result, const char *format, ...)
{
	char words[PROBLEM_OCTETS];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(words, sizeof(words), format, arguments);
	va_end(arguments);
	spf->phase = SPF_ENDED;
	spf->is_waiting = false;
	spf->outcome.result = result;
	spf->outcome.mechanism = NULL;
	spf->outcome.where = spf_check_top(spf)->domain;
	spf->outcome.problem =
	    length < 0 ? NULL : arena_strdup(spf->arena, words);
	if (spf->outcome.problem == NULL)
		spf_check_starve(spf);
}

const struct spf_known *
spf_check_look_up(struct spf *spf, const char *name, enum dns_type type)
{
	const struct spf_known *known = spf_known_find(&spf->table, name, type);

	if (known != NULL) {
		if (known->ttl_s < spf->outcome.ttl_s)
			spf->outcome.ttl_s = known->ttl_s;
		return known;
	}
	if (spf->asked == SPF_QUESTIONS) {
		spf->outcome.cause = SPF_CAUSE_LIMIT;
		spf_check_fail(spf, SPF_PERMERROR,
		    "%s: it takes more than %d questions to the DNS",
		    spf_check_top(spf)->domain, SPF_QUESTIONS);
		return NULL;
	}
	spf->asked++;
	spf->is_waiting = true;
	spf->question.name = name;
	spf->question.type = type;
	return NULL;
}

enum dns_type
spf_check_address_type(const struct spf *spf)
{
	return spf->table.is_v4 ? DNS_A : DNS_AAAA;
}

const char *
spf_check_reverse(struct spf *spf)
{
	static const char hex[] = "0123456789abcdef";
	const uint8_t *octets = spf->table.client.octets;
	char space[REVERSE_OCTETS];
	struct text text;

	if (spf->reverse != NULL)
		return spf->reverse;
	text_init(&text, space, sizeof(space));
	if (spf->table.is_v4) {
		for (size_t i = sizeof(spf->table.client.octets); i > V4_AT;
		     i--)
			text_addf(&text, "%u.", octets[i - 1]);
		text_add(&text, "in-addr.arpa");
	} else {
		for (size_t i = sizeof(spf->table.client.octets); i > 0; i--)
			text_addf(&text, "%c.%c.", hex[octets[i - 1] & 15],
			    hex[octets[i - 1] >> 4]);
		text_add(&text, "ip6.arpa");
	}
	spf->reverse = arena_strdup(spf->arena, space);
	if (spf->reverse == NULL)
		spf_check_starve(spf);
	return spf->reverse;
}

bool
spf_check_is_client(const struct spf *spf, const struct spf_known *known)
{
	return known->status == DNS_FOUND
	    && known->nearest == (spf->table.is_v4 ? V4_BITS : V6_BITS);
}

bool
spf_check_void(
    struct spf *spf, struct spf_frame *frame, const struct spf_known *known)
{
	if (known->status == DNS_FOUND || known->status == DNS_LOST
	    || frame->is_void)
		return true;
	/* What counts is the term: "the number of terms for which DNS queries
	 * return" nothing (§4.6.4), not the queries of one term. */
	frame->is_void = true;
	spf->outcome.voids++;
	if (spf->outcome.voids <= SPF_VOIDS) {
		spf_steps_tell(&spf->steps, frame->step, false, "void look-up");
		return true;
	}
	spf_steps_tell(
	    &spf->steps, frame->step, false, "one void look-up too many");
	spf->outcome.cause = SPF_CAUSE_LIMIT;
	spf_check_fail(spf, SPF_PERMERROR,
	    "\"%.100s\" in the SPF record of %s: more than %d terms look up "
	    "what doesn't exist, here %s %s",
	    frame->term.text, frame->domain, SPF_VOIDS,
	    dns_type_name(known->type), known->name);
	return false;
}

/* How well a name of the client suits %{p} of domain: the domain itself
 * rather than one below it, rather than any other (§7.3). */
static unsigned
suits(const char *name, const char *domain)
{
	if (dns_equal(name, domain))
		return 0;
	return dns_is_within(name, domain) ? 1 : 2;
}

bool
spf_check_validated(struct spf *spf, struct spf_frame *frame, bool is_counted,
    const char **name_out)
{
	const char *reverse = spf_check_reverse(spf);
	const struct spf_known *names, *known;

	*name_out = NULL;
	if (reverse == NULL)
		return false;
	names = spf_check_look_up(spf, reverse, DNS_PTR);
	if (names == NULL || (is_counted && !spf_check_void(spf, frame, names)))
		return false;
	for (unsigned rank = 0; rank <= 2; rank++)
		for (size_t i = 0; i < names->name_count; i++) {
			if (suits(names->names[i], frame->domain) != rank)
				continue;
			known = spf_check_look_up(
			    spf, names->names[i], spf_check_address_type(spf));
			if (known == NULL
			    || (is_counted
				&& !spf_check_void(spf, frame, known)))
				return false;
			if (spf_check_is_client(spf, known)) {
				*name_out = names->names[i];
				return true;
			}
		}
	return true;
}

void
spf_check_values(struct spf *spf, const char *domain, const char *validated,
    struct spf_macro_values *values_out)
{
	const struct spf_identity *identity = spf->identity;

	*values_out = (struct spf_macro_values){
		.client = spf->table.client,
		.sender = spf->sender,
		.local = spf->local,
		.sender_domain = spf->outcome.domain,
		.domain = domain,
		.validated = validated,
		.helo = identity->helo != NULL ? identity->helo : "",
		.receiver =
		    identity->receiver != NULL ? identity->receiver : "unknown",
		.now_s = identity->now_s,
		.work_left = &spf->work_left,
	};
}

bool
spf_check_name(struct spf *spf, struct spf_frame *frame,
    const struct spf_spec *spec, bool is_counted, const char **name_out)
{
	char name[DNS_NAME_OCTETS + 1];
	struct spf_macro_values values;
	const char *validated = NULL;

	*name_out = frame->domain;
	if (spec->text == NULL)
		return true;
	*name_out = NULL;
	if (spf_macro_has(spec->text, spec->length, 'p')
	    && !spf_check_validated(spf, frame, is_counted, &validated))
		return false;
	spf_check_values(spf, frame->domain, validated, &values);
	if (!spf_macro_name(&values, spec->text, spec->length, name))
		return true;
	*name_out = arena_strdup(spf->arena, name);
	if (*name_out == NULL)
		spf_check_starve(spf);
	return *name_out != NULL;
}
