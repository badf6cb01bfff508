/* What configurations say of limits and plans, of where they are counted, and
 * of who says whom a message is charged to. */
#include "tests/unit/conf_fixture.h"

#include <inttypes.h>

static const char *const actions[] = { "accept", "observe", "hold", "tempfail",
	"reject" };
static const char *const modes[] = { "enforce", "observe" };

static void
show_limits(struct text *out, const struct limit_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct limit *limit = &set->limits[i];

		text_addf(out, "%s%s:%d:%d:%" PRIu64 "/%" PRIu64 ":%s:%s%s%s",
		    i > 0 ? " " : "", limit->name, (int)limit->key,
		    (int)limit->count, limit->max, limit->per_ms,
		    actions[limit->action], modes[limit->mode],
		    limit->reply != NULL ? ":" : "",
		    limit->reply != NULL ? limit->reply : "");
		if (limit->warn_percent != 0)
			text_addf(out, ":warn%" PRIu64, limit->warn_percent);
		text_add(out, limit->is_planned ? ":planned" : "");
	}
	text_add(out, set->counts_new ? " new" : "");
}

static void
show_plans(struct text *out, const struct limit_set *set)
{
	for (size_t i = 0; i < set->plan_count; i++) {
		text_addf(out, "%s%s(", set->plans[i].name,
		    &set->plans[i] == set->default_plan ? "*" : "");
		for (size_t j = 0; j < set->count; j++)
			if (set->plans[i].has[j])
				text_addf(out, " %s", set->limits[j].name);
		text_add(out, " ) ");
	}
	text_add(out, set->default_plan == NULL ? "no default" : "");
}

static void
show_store(struct text *out, const struct store_conf *store)
{
	text_addf(out, "%s %s %s %s %" PRIu64 "ms %" PRIu64 "%%",
	    store->backend == STORE_REDIS ? "redis" : "lmdb",
	    store->url != NULL ? store->url->shown : "-",
	    *store->password_file != '\0' ? store->password_file : "-",
	    store->prefix, store->timeout_ms, store->local_share);
	if (store->url != NULL && store->url->host_count > 0)
		text_addf(out, " %s", store->url->hosts[0].name);
}

static void
show_account_maps(struct text *out, const struct accounts_conf *accounts)
{
	show_map(out, accounts->map);
	text_addf(out, " %" PRIu64 "ms %s", accounts->map_ttl_ms,
	    accounts->default_plan);
}

static void
show_identity(struct text *out, const struct conf *conf)
{
	text_addf(out, "%s %s ", conf->identity_header,
	    conf->hands_on ? "hands on" : "keeps");
	show_networks(out, conf->trusted_networks, conf->trusted_network_count);
}

/* A class: does it sign, and do limits hold for it? */
static void
show_class(struct text *out, const struct class_conf *class)
{
	text_addf(out, "%s %s", class->sign ? "signs" : "doesn't",
	    class->limits ? "charges" : "doesn't");
}

static void
show(struct text *out, const struct conf *conf, const char *field)
{
	if (strcmp(field, "limits") == 0)
		show_limits(out, &conf->limits);
	else if (strcmp(field, "plans") == 0)
		show_plans(out, &conf->limits);
	else if (strcmp(field, "redis") == 0)
		show_store(out, &conf->store);
	else if (strcmp(field, "accounts map") == 0)
		show_account_maps(out, &conf->account_maps);
	else if (strcmp(field, "relay map") == 0)
		show_map(out, conf->classes[CLASS_RELAY].senders.map);
	else if (strcmp(field, "identity") == 0)
		show_identity(out, conf);
	else if (strcmp(field, "submission") == 0)
		show_class(out, &conf->classes[CLASS_SUBMISSION]);
	else if (strcmp(field, "local") == 0)
		show_class(out, &conf->classes[CLASS_LOCAL]);
	else if (strcmp(field, "relay") == 0)
		show_class(out, &conf->classes[CLASS_RELAY]);
	else
		fail_msg("no field %s", field);
}

struct good_case {
	const char *name;
	const char *text;
	const char *field;
	const char *want; /* '@' stands for the directory of the test */
};

#define TWO_LIMITS                            \
	"limit hourly { max = 5 per = 1h }\n" \
	"limit daily { max = 9 per = 1d }\n"

static const struct good_case good_cases[] = {
	{ "limits by default", "", "limits",
	    "hourly:0:1:500/3600000:tempfail:enforce "
	    "daily:0:1:2000/86400000:reject:enforce" },
	{ "the daemon observes: limits", "mode = observe", "limits",
	    "hourly:0:1:500/3600000:tempfail:observe "
	    "daily:0:1:2000/86400000:reject:observe" },
	{ "the daemon observes: written limits",
	    "mode = observe limit a { max = 1 per = 1d mode = enforce }",
	    "limits", "a:0:1:1/86400000:tempfail:observe" },
	{ "doesn't touch limits", "class submission { mode = observe }",
	    "limits",
	    "hourly:0:1:500/3600000:tempfail:enforce "
	    "daily:0:1:2000/86400000:reject:enforce" },

	/* limits */
	{ "the sample's limits",
	    "limit \"hourly\" { key = account  count = recipients  max = 500  "
	    " per = \"1h\"  action = tempfail }\n"
	    "limit noise { key = client_ip count = refusals max = 0\n"
	    "per = 500ms action = hold mode = observe }",
	    "limits",
	    "hourly:0:1:500/3600000:tempfail:enforce "
	    "noise:3:4:0/500:hold:observe" },
	{ "a short limit", "limit \"a.b-C_1\" { max = 1 per = 1d }", "limits",
	    "a.b-C_1:0:1:1/86400000:tempfail:enforce" },
	{ "a reply",
	    "limit a { max = 1 per = 1m key = from_domain count = messages\n"
	    "reply = \"%{account}: come again in %{retry_after}\" }",
	    "limits",
	    "a:2:0:1/60000:tempfail:enforce:%{account}: come again in "
	    "%{retry_after}" },
	{ "an empty reply is the built-in one",
	    "limit a { max = 1 per = 10s reply = \"\" }", "limits",
	    "a:0:1:1/10000:tempfail:enforce" },
	{ "the longest window", "limit a { max = 1 per = 366d }", "limits",
	    "a:0:1:1/31622400000:tempfail:enforce" },

	{ "keys and counts",
	    "limit a { key = parent count = new_recipients max = 1 per = 1d "
	    "}\n"
	    "limit b { key = sender count = bytes max = 500M per = 1d }\n"
	    "limit c { key = global count = bytes max = 1T per = 1d }\n",
	    "limits",
	    "a:1:2:1/86400000:tempfail:enforce "
	    "b:4:3:524288000/86400000:tempfail:enforce "
	    "c:5:3:1099511627776/86400000:tempfail:enforce new" },
	{ "bytes in digits and in K",
	    "limit a { count = bytes max = 25 per = 1h }\n"
	    "limit b { max = 4K count = bytes per = 1h }\n",
	    "limits",
	    "a:0:3:25/3600000:tempfail:enforce "
	    "b:0:3:4096/3600000:tempfail:enforce" },
	{ "never", "limit a { max = 0 per = 1h count = bytes }", "limits",
	    "a:0:3:0/3600000:tempfail:enforce" },
	{ "a warning", "limit a { max = 1 per = 1h warn = \"80%\" }", "limits",
	    "a:0:1:1/3600000:tempfail:enforce:warn80" },
	{ "the highest warning", "limit a { max = 1 per = 1h warn = 100% }",
	    "limits", "a:0:1:1/3600000:tempfail:enforce:warn100" },
	{ "no warning", "limit a { max = 1 per = 1h warn = \"\" }", "limits",
	    "a:0:1:1/3600000:tempfail:enforce" },

	/* plans */
	{ "no plans by default", "", "plans", "no default" },
	{ "the sample's plans",
	    "plan default { limits = { hourly, daily } }\n"
	    "plan \"shop\" { limits = { daily } }\n" TWO_LIMITS,
	    "plans", "default*( hourly daily ) shop( daily ) " },
	{ "planned limits",
	    TWO_LIMITS "limit c { max = 1 per = 1h }\n"
		       "plan x { limits = { daily } }",
	    "limits",
	    "hourly:0:1:5/3600000:tempfail:enforce "
	    "daily:0:1:9/86400000:tempfail:enforce:planned "
	    "c:0:1:1/3600000:tempfail:enforce" },
	{ "no plan called default", TWO_LIMITS "plan x { limits = { daily } }",
	    "plans", "x( daily ) no default" },
	{ "another default",
	    TWO_LIMITS "plan x { limits = { daily } }\n"
		       "plan default { limits = { } }\n"
		       "accounts { default_plan = x }",
	    "plans", "x*( daily ) default( ) " },
	{ "a plan alone", "plan x { limits = { } }", "limits", "" },
	{ "a plan alone is there", "plan x { limits = { } }", "plans",
	    "x( ) no default" },

	/* stores */
	{ "no Redis by default", "", "redis", "lmdb - - postern 250ms 100%" },
	{ "Redis",
	    "store { backend = redis url = \"redis://u@h/1\" password_file "
	    "= p\nprefix = \"a.b_c-1\" timeout = 1s local_share = 25% }",
	    "redis", "redis redis://u@h/1 @/p a.b_c-1 1000ms 25% h" },
	{ "an empty URL", "store { url = \"\" password_file = \"\" }", "redis",
	    "lmdb - - postern 250ms 100%" },
	{ "bounds of the store",
	    "store { timeout = 10ms local_share = 1%\nprefix = "
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa "
	    "}",
	    "redis",
	    "lmdb - - "
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa "
	    "10ms 1%" },

	/* maps */
	{ "no map of accounts", "", "accounts map", "- 60000ms default" },
	{ "a map of accounts",
	    "plan gold { limits = { } } plan free { limits = { } }\n"
	    "accounts { map = texthash:accounts map_ttl = 1d }",
	    "accounts map", "texthash:@/accounts:3 86400000ms default" },
	{ "an LMDB map", "accounts { map = lmdb:logins map_ttl = 1s }",
	    "accounts map", "lmdb:@/logins.lmdb:0 1000ms default" },
	{ "an LMDB map by its file's name",
	    "accounts { map = lmdb:logins.lmdb }", "accounts map",
	    "lmdb:@/logins.lmdb:0 60000ms default" },
	{ "an LMDB map called otherwise", "accounts { map = lmdb:plain }",
	    "accounts map", "lmdb:@/plain:0 60000ms default" },
	{ "a map in Redis",
	    "accounts { map = redis:our:accounts }\n"
	    "store { url = redis+unix:///r }",
	    "accounts map", "redis:our:accounts:0 60000ms default" },
	{ "a senders' map in Redis",
	    "senders { owners = map map = redis:senders }\n"
	    "store { url = redis+unix:///r }",
	    "relay map", "redis:senders:0" },

	/* identity */
	{ "no identity by default", "", "identity", " keeps " },
	{ "a relay that believes",
	    "trusted_networks = { 10.0.0.0/8 }\n"
	    "identity_header = X-Postern-Account",
	    "identity", "X-Postern-Account keeps 10.0.0.0/104" },
	{ "a host that hands on", "identity_header = x-a", "identity",
	    "x-a hands on " },
	{ "who hands on neither signs nor charges", "identity_header = X-A",
	    "submission", "doesn't doesn't" },
	{ "in no class", "identity_header = X-A", "local", "doesn't doesn't" },
	{ "unless it is written",
	    "class relay { sign = yes limits = yes }\nidentity_header = X-A",
	    "relay", "signs charges" },
	{ "in that class alone",
	    "class relay { sign = yes limits = yes }\nidentity_header = X-A",
	    "local", "doesn't doesn't" },
	{ "one of the two",
	    "class relay { limits = yes }\n"
	    "identity_header = X-A",
	    "relay", "doesn't charges" },
	{ "who believes signs and charges",
	    "trusted_networks = { \"::1\" } identity_header = X-A",
	    "submission", "signs charges" },
	{ "so does who knows of nobody", "", "submission", "signs charges" },
};

static void
good_configurations_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good_cases); i++) {
		const struct good_case *c = &good_cases[i];
		struct conf_errors errors;
		struct conf *conf =
		    conf_read_text(file, c->text, strlen(c->text), &errors);
		char want[1000];
		char space[1000];
		struct text got;

		if (conf == NULL)
			fail_with(c->name, &errors);
		text_init(&got, space, sizeof(space));
		show(&got, conf, c->field);
		expand(c->want, want, sizeof(want));
		conf_release(&conf);
		if (strcmp(space, want) != 0)
			fail_msg("%s: wanted \"%s\", got \"%s\"", c->name, want,
			    space);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_configurations_are_read),
	};

	return cmocka_run_group_tests_name(
	    "conf_limits", tests, fixture_begin, fixture_end);
}
