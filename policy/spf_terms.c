#include "policy/spf_terms.h"

enum { V4_AT = 12, V4_OCTETS = 4, V6_OCTETS = 16 };

/* A look-up whose loss ends the check (§5). NULL: it is waited for, or the
 * check has ended. */
static const struct spf_known *
look_up(struct spf *spf, struct spf_frame *frame, const char *name,
    enum dns_type type)
{
	const struct spf_known *known = spf_check_look_up(spf, name, type);

	if (known == NULL)
		return NULL;
	if (known->status == DNS_LOST) {
		spf_steps_tell(&spf->steps, frame->step, false, "no answer");
		spf_check_fail(spf, SPF_TEMPERROR,
		    "\"%.100s\" in the SPF record of %s: no answer for %s %s",
		    frame->term.text, frame->domain, dns_type_name(type), name);
		return NULL;
	}
	return spf_check_void(spf, frame, known) ? known : NULL;
}

bool
spf_terms_expand(struct spf *spf, struct spf_frame *frame)
{
	if (frame->is_expanded)
		return true;
	if (!spf_check_name(
		spf, frame, &frame->term.spec, true, &frame->target))
		return false;
	frame->is_expanded = true;
	if (frame->target == NULL)
		spf_steps_tell(&spf->steps, frame->step, false,
		    "its name can't be asked for");
	return true;
}

/* ip4, ip6 (§5.6) */
static enum spf_trial
try_network(const struct spf *spf, const struct spf_term *term)
{
	const uint8_t *client = spf->table.client.octets;
	bool is_match;

	if ((term->mechanism == SPF_IP4) != spf->table.is_v4)
		return SPF_TRIAL_MISSES;
	is_match = spf->table.is_v4
	    ? spf_known_common_bits(client + V4_AT, term->octets, V4_OCTETS)
		>= term->bits4
	    : spf_known_common_bits(client, term->octets, V6_OCTETS)
		>= term->bits6;
	return is_match ? SPF_TRIAL_MATCHES : SPF_TRIAL_MISSES;
}

/* Does an address of name lie with the client in a network of the term's
 * size? (§5.3, §5.4) */
static enum spf_trial
try_host(struct spf *spf, struct spf_frame *frame, const char *name)
{
	const struct spf_known *known =
	    look_up(spf, frame, name, spf_check_address_type(spf));

	if (known == NULL)
		return SPF_TRIAL_WAITS;
	return known->status == DNS_FOUND
		&& known->nearest >= (spf->table.is_v4 ? frame->term.bits4
						       : frame->term.bits6)
	    ? SPF_TRIAL_MATCHES
	    : SPF_TRIAL_MISSES;
}

static enum spf_trial
try_mx(struct spf *spf, struct spf_frame *frame)
{
	const struct spf_known *known =
	    look_up(spf, frame, frame->target, DNS_MX);

	if (known == NULL)
		return SPF_TRIAL_WAITS;
	if (known->count > SPF_NAMES) {
		spf_steps_tell(
		    &spf->steps, frame->step, false, "too many names");
		spf->outcome.cause = SPF_CAUSE_LIMIT;
		spf_check_fail(spf, SPF_PERMERROR,
		    "\"%.100s\" in the SPF record of %s: %s has more than %d "
		    "MX records",
		    frame->term.text, frame->domain, known->name, SPF_NAMES);
		return SPF_TRIAL_WAITS;
	}
	for (size_t i = 0; i < known->name_count; i++) {
		enum spf_trial trial = try_host(spf, frame, known->names[i]);

		if (trial != SPF_TRIAL_MISSES)
			return trial;
	}
	return SPF_TRIAL_MISSES;
}

/* What a client's names say is lost as if it weren't there (§5.5). */
static enum spf_trial
try_ptr(struct spf *spf, struct spf_frame *frame)
{
	const char *reverse = spf_check_reverse(spf);
	const struct spf_known *names, *known;

	if (reverse == NULL)
		return SPF_TRIAL_WAITS;
	names = spf_check_look_up(spf, reverse, DNS_PTR);
	if (names == NULL || !spf_check_void(spf, frame, names))
		return SPF_TRIAL_WAITS;
	for (size_t i = 0; i < names->name_count; i++) {
		known = spf_check_look_up(
		    spf, names->names[i], spf_check_address_type(spf));
		if (known == NULL || !spf_check_void(spf, frame, known))
			return SPF_TRIAL_WAITS;
		if (spf_check_is_client(spf, known)
		    && dns_is_within(names->names[i], frame->target))
			return SPF_TRIAL_MATCHES;
	}
	return SPF_TRIAL_MISSES;
}

/* Of type A for an IPv6 client too (§5.7). */
static enum spf_trial
try_exists(struct spf *spf, struct spf_frame *frame)
{
	const struct spf_known *known =
	    look_up(spf, frame, frame->target, DNS_A);

	if (known == NULL)
		return SPF_TRIAL_WAITS;
	return known->status == DNS_FOUND ? SPF_TRIAL_MATCHES
					  : SPF_TRIAL_MISSES;
}

enum spf_trial
spf_terms_try(struct spf *spf, struct spf_frame *frame)
{
	if (frame->term.mechanism == SPF_ALL)
		return SPF_TRIAL_MATCHES;
	if (frame->term.mechanism == SPF_IP4
	    || frame->term.mechanism == SPF_IP6)
		return try_network(spf, &frame->term);
	if (!spf_terms_expand(spf, frame))
		return SPF_TRIAL_WAITS;
	/* A name that can't be: RFC 7208 §4.8 leaves open what then; as in
	 * §4.3 it is taken for one that isn't there. */
	if (frame->target == NULL)
		return SPF_TRIAL_MISSES;
	switch (frame->term.mechanism) {
	case SPF_A:
		return try_host(spf, frame, frame->target);
	case SPF_MX:
		return try_mx(spf, frame);
	case SPF_PTR:
		return try_ptr(spf, frame);
	default:
		return try_exists(spf, frame);
	}
}
