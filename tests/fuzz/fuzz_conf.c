/* Any octets as a configuration: read, asked, given back. Built with clang's
 * -fsanitize=fuzzer,address,undefined. */
#include "conf/conf.h"
#include "conf/options.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Keys are somewhere, and tables come in twos. */
static void
use_places(const struct key_places *places)
{
	assert(*places->directory == '/' || *places->key_table == '/'
	    || places->map != NULL);
	assert((*places->key_table == '/') == (*places->signing_table == '/'));
	assert(places->map == NULL || places->map->kind != MAP_TEXTHASH);
}

/* Domains are found, each of them once, and their rules can sign. */
static void
use_domains(const struct conf *conf)
{
	struct signing_rules rules;

	for (size_t i = 0; i < conf->domain_count; i++) {
		const char *domain = conf->domains[i].domain;

		assert(
		    i == 0 || strcmp(conf->domains[i - 1].domain, domain) < 0);
		conf_signing_rules(
		    conf, &conf->classes[CLASS_SUBMISSION], domain, &rules);
		assert(rules.headers.count > 0);
		assert(!conf->domains[i].has_expire
		    || rules.expire_s == conf->domains[i].rules.expire_s);
		assert(signing_covers(&rules, "List-Unsubscribe-Post"));
	}
}

static void
use(struct conf *conf)
{
	size_t count;
	const struct option *options = options_all(&count);
	struct connection_facts facts = {
		.daemon_name = "ORIGINATING",
		.daemon_port = 587,
	};

	/* what the daemon relies on */
	assert(conf->listen != NULL && *conf->listen != '\0');
	assert(conf->max_busy > 0 && conf->key_cache >= 16);
	assert(conf->rotate.retire_after_s > 0);
	assert(conf->accounts.identify_count > 0
	    && conf->accounts.identify_count < ACCOUNT_SOURCE_COUNT);
	assert(conf->egress_count <= PREFLIGHT_EGRESS);
	for (size_t i = 0; i < conf->egress_count; i++)
		assert(strchr(conf->egress[i].helo, '.') != NULL);
	assert(conf->dns.timeout_ms > 0 && conf->dns.cache_bytes > 0);
	for (int i = 0; i < CLASS_COUNT; i++) {
		const bool *profiles = conf->classes[i].preflight_conf.profiles;

		assert(profiles[PREFLIGHT_RFC9989]
		    || profiles[PREFLIGHT_RFC7489]
		    || profiles[PREFLIGHT_BOTH_PASS]);
		assert(conf->classes[i].sign_conf.rules.headers.count > 0);
		assert(conf->classes[i].sign_conf.self_check <= 100);
		if (i != CLASS_INBOUND)
			use_places(&conf->classes[i].sign_conf.places);
		assert(conf->mode == MODE_ENFORCE
		    || conf->classes[i].mode == MODE_OBSERVE);
	}
	for (size_t i = 0; i < conf->limits.count; i++)
		assert(conf->limits.limits[i].per_ms > 0
		    && conf->limits.limits[i].name[0] != '\0');
	for (size_t i = 0; i < count; i++)
		assert((strchr(conf_where(
				   conf, options[i].section, options[i].name),
			    '(')
			   == NULL)
		    == conf_is_set(conf, options[i].section, options[i].name));
	conf_listener(conf, &facts);
	use_domains(conf);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_errors errors;
	struct conf *conf = conf_read_text(
	    "/nonexistent/fuzz.conf", (const char *)data, size, &errors);

	assert((conf == NULL) == (errors.count > 0));
	assert(errors.count <= 201);
	for (size_t i = 0; i < errors.count; i++)
		for (const char *c = errors.lines[i]; *c != '\0'; c++)
			assert((unsigned char)*c >= ' ');
	if (conf != NULL)
		use(conf);
	conf_errors_clear(&errors);
	conf_release(&conf);
	return 0;
}
