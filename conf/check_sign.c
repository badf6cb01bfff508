#include "conf/build.h"

#include "policy/text.h"

#include <string.h>

/* Postfix gives up on a message after five days (maximal_queue_lifetime). */
#define QUEUE_LIFETIME_S (5ULL * 24 * 3600)

/* Where an option of a domain was written. */
static struct place
place_in_domain(
    struct build *build, const struct domain_conf *domain, const char *option)
{
	const char *section =
	    arena_printf(build->scratch, "domain %s", domain->domain);

	if (section == NULL) {
		problems_memory(&build->problems);
		return (struct place){ build->source, 0 };
	}
	return build_place(build, section, option);
}

static bool
has_name(const struct field_names *fields, const char *name)
{
	for (size_t i = 0; i < fields->count; i++)
		if (text_equal_case(fields->names[i], name))
			return true;
	return false;
}

/* RFC 6376 §5.4: From must be signed. */
static bool
has_from(const struct signing_rules *rules)
{
	return has_name(&rules->headers, "From")
	    || has_name(&rules->oversign, "From");
}

static void
check_fields(struct build *build)
{
	struct place told[CLASS_COUNT] = { { NULL, 0 } };

	for (int i = CLASS_SUBMISSION; i < CLASS_INBOUND; i++) {
		const struct signing_rules *rules =
		    &build->conf->classes[i].sign_conf.rules;
		struct place place =
		    check_place_in_class(build, i, "sign", "headers");

		if (has_from(rules) || check_is_told(told, place))
			continue;
		problems_add(&build->problems, place.source, place.line,
		    "headers: From is missing, and every signature must cover "
		    "it (RFC 6376 section 5.4); add it");
		told[i] = place;
	}
}

/* A domain may have only one of the two lists, and the classes' other one. */
static void
check_fields_of_domain(struct build *build, const struct domain_conf *domain)
{
	const char *option = domain->has_headers ? "headers" : "oversign";
	struct signing_rules rules;
	struct place place;

	if (!domain->has_headers && !domain->has_oversign)
		return;
	for (int i = CLASS_SUBMISSION; i < CLASS_INBOUND; i++) {
		conf_signing_rules(build->conf, &build->conf->classes[i],
		    domain->domain, &rules);
		if (has_from(&rules))
			continue;
		place = place_in_domain(build, domain, option);
		problems_add(&build->problems, place.source, place.line,
		    "%s: From is in neither headers nor oversign in %s, and "
		    "every signature must cover it (RFC 6376 section 5.4); add "
		    "it",
		    option, check_class_section((enum traffic_class)i));
		return;
	}
}

static bool
is_short(uint64_t expire_s)
{
	return expire_s != 0 && expire_s < QUEUE_LIFETIME_S;
}

static void
check_expiry(struct build *build)
{
	struct place told[CLASS_COUNT] = { { NULL, 0 } };

	for (int i = CLASS_SUBMISSION; i < CLASS_INBOUND; i++) {
		uint64_t expire_s =
		    build->conf->classes[i].sign_conf.rules.expire_s;
		struct place place =
		    check_place_in_class(build, i, "sign", "expire");

		if (!is_short(expire_s) || check_is_told(told, place))
			continue;
		problems_add(&build->warnings, place.source, place.line,
		    "expire: a message may wait in a queue for 5 days, and its "
		    "signature be void when it arrives; write \"14d\"");
		told[i] = place;
	}
}

/* Ten thousand domains may have it from one tool: that is told once. */
static void
check_expiry_of_domains(struct build *build)
{
	const struct conf *conf = build->conf;
	const struct domain_conf *first = NULL;
	struct place place;
	size_t count = 0;

	for (size_t i = 0; i < conf->domain_count; i++)
		if (is_short(conf->domains[i].rules.expire_s)) {
			if (count++ == 0)
				first = &conf->domains[i];
		}
	if (first == NULL)
		return;
	place = place_in_domain(build, first, "expire");
	problems_add(&build->warnings, place.source, place.line,
	    "expire: a message may wait in a queue for 5 days, and its "
	    "signature be void when it arrives; write \"14d\" (domain %s%s)",
	    first->domain, count > 1 ? " and others" : "");
}

static void
check_domains(struct build *build)
{
	for (size_t i = 0; i < build->conf->domain_count
	     && !problems_is_full(&build->problems)
	     && !build->problems.is_out_of_memory;
	     i++)
		check_fields_of_domain(build, &build->conf->domains[i]);
	check_expiry_of_domains(build);
}

/* Was the option's value told to be wrong, in the class or in its section?
 * Then its field says nothing. */
static bool
is_bad(const struct build *build, enum traffic_class traffic_class,
    const char *option)
{
	const struct written *written = build_written(
	    build->own, check_class_section(traffic_class), option);

	if (written == NULL)
		written = build_written(build->own, "sign", option);
	return written != NULL && written->is_bad;
}

/* A KeyTable says nothing of who signs, a SigningTable nothing of keys. */
static void
check_tables(struct build *build)
{
	struct place told[CLASS_COUNT] = { { NULL, 0 } };

	for (int i = CLASS_SUBMISSION; i < CLASS_INBOUND; i++) {
		const struct key_places *places =
		    &build->conf->classes[i].sign_conf.places;
		bool has_keys = *places->key_table != '\0';
		bool has_signers = *places->signing_table != '\0';
		struct place place = check_place_in_class(
		    build, i, "sign", has_keys ? "key_table" : "signing_table");

		if (has_keys == has_signers || is_bad(build, i, "key_table")
		    || is_bad(build, i, "signing_table")
		    || check_is_told(told, place))
			continue;
		problems_add(&build->problems, place.source, place.line,
		    has_keys ? "key_table: is set, but signing_table isn't; "
			       "OpenDKIM's two tables need one another: set "
			       "both or neither"
			     : "signing_table: is set, but key_table isn't; "
			       "OpenDKIM's two tables need one another: set "
			       "both or neither");
		told[i] = place;
	}
}

/* keys = "" is for those who have their keys elsewhere. */
static void
check_keys(struct build *build)
{
	struct place told[CLASS_COUNT] = { { NULL, 0 } };

	for (int i = CLASS_SUBMISSION; i < CLASS_INBOUND; i++) {
		const struct key_places *places =
		    &build->conf->classes[i].sign_conf.places;
		struct place place =
		    check_place_in_class(build, i, "sign", "keys");

		if (*places->directory != '\0' || *places->key_table != '\0'
		    || places->map != NULL || is_bad(build, i, "key_table")
		    || is_bad(build, i, "key_map")
		    || check_is_told(told, place))
			continue;
		problems_add(&build->problems, place.source, place.line,
		    "keys: is empty, and neither key_table nor key_map is set, "
		    "so that there are no keys; write the directory that they "
		    "are in");
		told[i] = place;
	}
}

/* With both, on_missing_key says the same as without fallback_domain, unless
 * it refuses. */
static void
check_fallback(struct build *build)
{
	struct place told[CLASS_COUNT] = { { NULL, 0 } };

	for (int i = CLASS_SUBMISSION; i < CLASS_INBOUND; i++) {
		const struct sign_conf *sign =
		    &build->conf->classes[i].sign_conf;
		struct place place =
		    check_place_in_class(build, i, "sign", "fallback_domain");

		if (*sign->also_sign == '\0'
		    || strcmp(sign->also_sign, sign->fallback_domain) != 0
		    || sign->on_missing_key != ACTION_ACCEPT
		    || check_is_told(told, place))
			continue;
		problems_add(&build->warnings, place.source, place.line,
		    "fallback_domain: is also_sign too, whose key signs every "
		    "message anyway; take one of the two away");
		told[i] = place;
	}
}

static void
check_rotate(struct build *build)
{
	const struct rotate_conf *rotate = &build->conf->rotate;
	struct place retire = build_place(build, "rotate", "retire_after");
	struct place publish = build_place(build, "rotate", "publish");
	const struct written *key =
	    build_written(build->own, "rotate", "nsupdate_key");

	if (rotate->retire_after_s < QUEUE_LIFETIME_S)
		problems_add(&build->warnings, retire.source, retire.line,
		    "retire_after: a message may wait in a queue for 5 days, "
		    "and the key of its signature be gone when it arrives; "
		    "write \"7d\"");
	if (rotate->is_published && *rotate->nsupdate_key == '\0'
	    && (key == NULL || !key->is_bad))
		problems_add(&build->problems, publish.source, publish.line,
		    "publish: nsupdate needs a key that the name server knows; "
		    "write nsupdate_key = \"FILE\", or publish = no");
}

void
check_sign(struct build *build)
{
	check_fields(build);
	check_expiry(build);
	check_domains(build);
	check_tables(build);
	check_keys(build);
	check_fallback(build);
	check_rotate(build);
}
