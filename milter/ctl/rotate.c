#include "milter/ctl/amount.h"
#include "milter/ctl/ctl.h"
#include "milter/ctl/print.h"
#include "milter/ctl/rotate_crew.h"
#include "milter/ctl/rotate_domain.h"
#include "milter/ctl/rotate_many.h"
#include "milter/ctl/rotate_print.h"
#include "milter/ctl/rotate_publish.h"
#include "milter/ctl/rotate_servers.h"
#include "milter/ctl/rotate_world.h"
#include "milter/io/clock.h"
#include "policy/address.h"
#include "policy/signing.h"
#include "policy/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	ARENA_BYTES = 64 * 1024,
	BITS_LEAST = 1024, /* RFC 8301 §3.2 */
	BITS_MOST = 8192,
	JOBS = 16,
	RATE_START = 20,
	RATE_CONTINUE = 100,
	RATE_MOST = 1000,
	MS = 1000,
	PAUSE_FIRST_MS = 1000, /* between two looks while it waits */
	PAUSE_MOST_MS = 30000,
	OLDER_THAN_S = 86400,
};

enum deed { DEED_START, DEED_CONTINUE, DEED_STATUS, DEED_CANCEL, DEED_ALL };

/* What was asked for. */
struct asked {
	struct ctl *ctl;
	enum deed deed;
	size_t deeds; /* how many were named */
	const char *algorithm, *bits, *publish, *wait, *retire_after, *rate,
	    *older_than, *jobs;
	const char *typed; /* DOMAIN; NULL */

	struct arena arena;
	const char *domain;
	const char *servers[ROTATE_SERVERS];
	size_t server_count;
	uint64_t wait_ms;
	uint64_t retire_after_ms;
	struct rotate_speed speed;
	struct rotate_order order;
};

static bool
refuse(struct asked *asked, const char *words)
{
	asked->ctl->status = ctl_usage(asked->ctl, words);
	return false;
}

static bool
fail(struct asked *asked, const struct fault *fault)
{
	asked->ctl->status = ctl_fail(fault);
	return false;
}

/* ---- the command line ---- */

enum {
	OPTION_ALGORITHM = 256,
	OPTION_BITS,
	OPTION_SELECTOR,
	OPTION_PUBLISH,
	OPTION_SERVER,
	OPTION_WAIT,
	OPTION_RETIRE_AFTER,
	OPTION_CONTINUE,
	OPTION_STATUS,
	OPTION_CANCEL,
	OPTION_ALL,
	OPTION_RATE,
	OPTION_OLDER_THAN,
	OPTION_JOBS,
};

static bool
take_server(struct asked *asked, const char *typed)
{
	struct rotate_server server;

	if (asked->server_count == ROTATE_SERVERS)
		return refuse(asked, "--server: at most 8");
	if (strlen(typed) >= ROTATE_SERVER_BYTES
	    || !rotate_servers_read(typed, &server))
		return refuse(asked,
		    "--server: an address, for instance 192.0.2.1 or "
		    "2001:db8::1@5353");
	asked->servers[asked->server_count++] = typed;
	return true;
}

static void
take_deed(struct asked *asked, enum deed deed)
{
	asked->deed = deed;
	asked->deeds++;
}

static bool
take_option(struct asked *asked, int option, const char *value)
{
	const char **const texts[] = {
		[OPTION_ALGORITHM - OPTION_ALGORITHM] = &asked->algorithm,
		[OPTION_BITS - OPTION_ALGORITHM] = &asked->bits,
		[OPTION_SELECTOR - OPTION_ALGORITHM] = &asked->order.selector,
		[OPTION_PUBLISH - OPTION_ALGORITHM] = &asked->publish,
		[OPTION_WAIT - OPTION_ALGORITHM] = &asked->wait,
		[OPTION_RETIRE_AFTER - OPTION_ALGORITHM] = &asked->retire_after,
		[OPTION_RATE - OPTION_ALGORITHM] = &asked->rate,
		[OPTION_OLDER_THAN - OPTION_ALGORITHM] = &asked->older_than,
		[OPTION_JOBS - OPTION_ALGORITHM] = &asked->jobs,
	};

	switch (option) {
	case OPTION_SERVER:
		return take_server(asked, value);
	case OPTION_CONTINUE:
		take_deed(asked, DEED_CONTINUE);
		return true;
	case OPTION_STATUS:
		take_deed(asked, DEED_STATUS);
		return true;
	case OPTION_CANCEL:
		take_deed(asked, DEED_CANCEL);
		return true;
	case OPTION_ALL:
		take_deed(asked, DEED_ALL);
		return true;
	default:
		*texts[option - OPTION_ALGORITHM] = value;
		return true;
	}
}

static bool
read_options(struct asked *asked, int argc, char **argv)
{
	static const struct option options[] = {
		CTL_OPTIONS,
		{ "algorithm", required_argument, NULL, OPTION_ALGORITHM },
		{ "bits", required_argument, NULL, OPTION_BITS },
		{ "selector", required_argument, NULL, OPTION_SELECTOR },
		{ "publish", required_argument, NULL, OPTION_PUBLISH },
		{ "server", required_argument, NULL, OPTION_SERVER },
		{ "wait", required_argument, NULL, OPTION_WAIT },
		{ "retire-after", required_argument, NULL,
		    OPTION_RETIRE_AFTER },
		{ "continue", no_argument, NULL, OPTION_CONTINUE },
		{ "status", no_argument, NULL, OPTION_STATUS },
		{ "cancel", no_argument, NULL, OPTION_CANCEL },
		{ "all", no_argument, NULL, OPTION_ALL },
		{ "rate", required_argument, NULL, OPTION_RATE },
		{ "older-than", required_argument, NULL, OPTION_OLDER_THAN },
		{ "jobs", required_argument, NULL, OPTION_JOBS },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = ctl_option(asked->ctl, argc, argv, options)) != -1)
		if (!take_option(asked, option, optarg))
			return false;
	if (asked->ctl->is_over)
		return false;
	if (argc - optind > 1)
		return refuse(asked, "one domain at a time, or --all");
	asked->typed = argc > optind ? argv[optind] : NULL;
	return true;
}

/* Does each option go with what is to be done? */
static bool
check_deeds(struct asked *asked)
{
	bool starts = asked->deed == DEED_START || asked->deed == DEED_ALL;
	bool has_many = asked->deed == DEED_ALL
	    || (asked->deed == DEED_CONTINUE && asked->typed == NULL);

	if (asked->deeds > 1)
		return refuse(asked,
		    "--continue, --status, --cancel or --all: one of them");
	if (asked->deed == DEED_ALL && asked->typed != NULL)
		return refuse(asked, "a domain or --all: one of them");
	if (asked->typed == NULL && asked->deed == DEED_CANCEL)
		return refuse(asked, "--cancel: which domain?");
	if (asked->typed == NULL && asked->deed == DEED_START)
		return refuse(
		    asked, "which domain? (--all: all that have keys)");
	if (!starts
	    && (asked->algorithm != NULL || asked->bits != NULL
		|| asked->order.selector != NULL || asked->publish != NULL
		|| asked->server_count > 0 || asked->retire_after != NULL))
		return refuse(asked,
		    "--algorithm, --bits, --selector, --publish, --server and "
		    "--retire-after are for the start of a rotation");
	if (asked->older_than != NULL && asked->deed != DEED_ALL)
		return refuse(asked, "--older-than goes with --all");
	if ((asked->rate != NULL || asked->jobs != NULL) && !has_many)
		return refuse(asked,
		    "--rate and --jobs go with --all, or with --continue of "
		    "all");
	if (asked->wait != NULL
	    && (asked->typed == NULL || asked->deed == DEED_STATUS
		|| asked->deed == DEED_CANCEL))
		return refuse(asked, "--wait is for one domain");
	return true;
}

static bool
check_key(struct asked *asked)
{
	const char *algorithm = asked->algorithm;
	uint64_t bits = 0;

	if (algorithm != NULL) {
		bool is_both = strcmp(algorithm, "both") == 0;

		asked->order.wants_rsa =
		    is_both || strcmp(algorithm, "rsa") == 0;
		asked->order.wants_ed25519 =
		    is_both || strcmp(algorithm, "ed25519") == 0;
		if (!asked->order.wants_rsa && !asked->order.wants_ed25519)
			return refuse(
			    asked, "--algorithm: rsa, ed25519 or both");
		if (asked->bits != NULL && !asked->order.wants_rsa)
			return refuse(
			    asked, "--bits is for RSA; Ed25519 has 256");
	}
	if (asked->bits != NULL
	    && !text_number(asked->bits, BITS_LEAST, BITS_MOST, &bits))
		return refuse(
		    asked, "--bits: 1024 to 8192; 2048 is what others read");
	asked->order.bits = (unsigned)bits;
	if (asked->order.selector != NULL
	    && !signing_is_selector(asked->order.selector))
		return refuse(asked,
		    "--selector: letters, digits and hyphens, for instance "
		    "\"s2026\"");
	return true;
}

/* "20" or "20/s". */
static bool
read_rate(struct asked *asked, const char *typed)
{
	size_t length = strlen(typed);
	char digits[8];

	if (length > 2 && strcmp(typed + length - 2, "/s") == 0)
		length -= 2;
	if (length >= sizeof(digits))
		return false;
	memcpy(digits, typed, length);
	digits[length] = '\0';
	return text_number(digits, 1, RATE_MOST, &asked->speed.rate);
}

static bool
check_speed(struct asked *asked)
{
	asked->speed.jobs = JOBS;
	asked->speed.rate =
	    asked->deed == DEED_ALL ? RATE_START : RATE_CONTINUE;
	if (asked->rate != NULL && !read_rate(asked, asked->rate))
		return refuse(asked, "--rate: 1/s to 1000/s");
	if (asked->jobs != NULL
	    && !text_number(
		asked->jobs, 1, ROTATE_CREW_MOST, &asked->speed.jobs))
		return refuse(asked, "--jobs: 1 to 64 domains at once");
	return true;
}

/* NULL: it wasn't typed. */
static bool
read_duration(struct asked *asked, const char *typed, const char *too_short,
    uint64_t *duration_ms)
{
	struct fault fault;
	size_t zeros = typed != NULL ? strspn(typed, "0") : 0;

	if (typed == NULL)
		return true;
	if (zeros > 0 && strspn(typed + zeros, "smhd") == 1
	    && typed[zeros + 1] == '\0')
		return refuse(asked, too_short);
	return amount_duration(typed, duration_ms, &fault)
	    || fail(asked, &fault);
}

static bool
check_durations(struct asked *asked)
{
	uint64_t older_than_ms = (uint64_t)OLDER_THAN_S * MS;

	if (!read_duration(
		asked, asked->wait, "--wait: at least 1s", &asked->wait_ms)
	    || !read_duration(asked, asked->retire_after,
		"--retire-after: at least 1s", &asked->retire_after_ms)
	    || !read_duration(asked, asked->older_than,
		"--older-than: at least 1s", &older_than_ms))
		return false;
	if (asked->deed == DEED_ALL) {
		asked->order.older_than_s = older_than_ms / MS;
		asked->order.must_have_key = true;
	}
	return true;
}

static bool
check_domain(struct asked *asked)
{
	struct fault fault;

	if (asked->typed == NULL
	    || address_domain(&asked->arena, asked->typed, strlen(asked->typed),
		&asked->domain, &fault))
		return true;
	return fail(asked, &fault);
}

/* How records are published: as was asked, else as the configuration says. A
 * hook is there for nothing else. */
static bool
find_way(struct asked *asked)
{
	const struct rotate_conf *conf = &asked->ctl->conf->rotate;
	struct rotate_order *order = &asked->order;
	struct fault fault;

	order->way = conf->is_published ? ROTATE_NSUPDATE
	    : *conf->hook != '\0'       ? ROTATE_HOOK
					: ROTATE_PRINT;
	if (asked->publish != NULL
	    && !rotate_way_find(asked->publish, &order->way))
		return refuse(asked, "--publish: nsupdate, hook or print");
	order->is_way_said = asked->publish != NULL;
	order->is_retiring_said = asked->retire_after != NULL;
	order->servers = asked->servers;
	order->server_count = asked->server_count;
	order->retire_after_s = asked->retire_after != NULL
	    ? asked->retire_after_ms / MS
	    : conf->retire_after_s;
	return rotate_publish_can(order->way, asked->ctl->conf, &fault)
	    || fail(asked, &fault);
}

/* ---- one domain ---- */

static int
status_of(enum rotate_outcome outcome)
{
	switch (outcome) {
	case ROTATE_HAS_SWITCHED:
	case ROTATE_IS_DONE:
	case ROTATE_CANCELLED:
		return CTL_YES;
	case ROTATE_WAITS:
	case ROTATE_LATER:
		return CTL_LATER;
	case ROTATE_NOTHING:
	case ROTATE_LEFT:
	case ROTATE_FAILED:
	case ROTATE_OUTCOMES:
		break;
	}
	return CTL_NO;
}

/* Records that somebody is to publish go to standard output alone. */
static void
print_row(const struct asked *asked, struct rotate_row *row)
{
	enum rotate_way way =
	    row->rotation != NULL ? row->rotation->way : asked->order.way;
	bool is_by_hand = asked->deed == DEED_START && way == ROTATE_PRINT;

	if (is_by_hand)
		rotate_print_records(row, stdout);
	rotate_print_one(row, is_by_hand ? stderr : stdout);
	if (asked->deed == DEED_STATUS)
		rotate_print_records(row, stdout);
	(void)fflush(stdout);
}

static void
pause_ms(uint64_t ms)
{
	struct timespec wait = { .tv_sec = (time_t)(ms / MS),
		.tv_nsec = (long)(ms % MS) * 1000 * 1000 };

	(void)nanosleep(&wait, NULL);
}

static bool
may_still_come(const struct rotate_row *row)
{
	return row->outcome == ROTATE_WAITS || row->outcome == ROTATE_LATER;
}

/* Look again until it has switched, or the time is over. */
static struct rotate_row *
wait_for(const struct asked *asked, const struct rotate_tools *tools,
    struct rotate_row *row)
{
	uint64_t end_ms = clock_monotonic_ms() + asked->wait_ms;
	uint64_t wait_ms = PAUSE_FIRST_MS;

	while (row != NULL && may_still_come(row)) {
		uint64_t now_ms = clock_monotonic_ms();

		if (now_ms >= end_ms)
			break;
		pause_ms(wait_ms < end_ms - now_ms ? wait_ms : end_ms - now_ms);
		wait_ms =
		    wait_ms * 2 < PAUSE_MOST_MS ? wait_ms * 2 : PAUSE_MOST_MS;
		rotate_row_free(&row);
		row = rotate_domain_continue(tools, asked->domain);
	}
	return row;
}

static struct rotate_row *
work(const struct asked *asked, const struct rotate_tools *tools)
{
	switch (asked->deed) {
	case DEED_CONTINUE:
		return rotate_domain_continue(tools, asked->domain);
	case DEED_CANCEL:
		return rotate_domain_cancel(tools, asked->domain);
	case DEED_STATUS:
		return rotate_domain_look(tools, asked->domain);
	case DEED_START:
	case DEED_ALL:
		break;
	}
	return rotate_domain_start(tools, &asked->order, asked->domain, false);
}

static int
finish_one(const struct asked *asked, const struct rotate_tools *tools)
{
	struct rotate_row *row = work(asked, tools);
	struct fault fault;
	int status;

	if (row != NULL && asked->wait_ms > 0 && may_still_come(row)) {
		if (!asked->ctl->is_json)
			print_row(asked, row);
		row = wait_for(asked, tools, row);
		if (row != NULL)
			row->record_count = 0; /* told before */
	}
	if (row == NULL) {
		fault_memory(&fault);
		return ctl_fail(&fault);
	}
	if (asked->ctl->is_json)
		print_json(rotate_print_json(row));
	else
		print_row(asked, row);
	status = status_of(row->outcome);
	rotate_row_free(&row);
	return status;
}

static int
run_one(const struct asked *asked)
{
	const struct conf *conf = asked->ctl->conf;
	struct rotate_tools tools = rotate_world_look(conf);
	struct rotate_world world;
	struct fault fault;
	int status;

	if (asked->deed == DEED_STATUS)
		return finish_one(asked, &tools);
	status = rotate_world_open(&world, conf, 0, &tools, &fault)
	    ? finish_one(asked, &tools)
	    : ctl_fail(&fault);
	rotate_world_close(&world);
	return status;
}

/* Keys in tables and maps are somebody else's to exchange. */
static int
tell_of_none(const struct asked *asked)
{
	const struct conf *conf = asked->ctl->conf;
	struct fault fault;

	/* A timer does so, wherever keys are. */
	if (asked->deed == DEED_CONTINUE && asked->domain == NULL)
		return CTL_YES;
	fault_set(&fault, FAULT_PERMANENT,
	    "%s: sign.keys is empty: keys of key_table and key_map aren't "
	    "rotated",
	    conf_where(conf, "sign", "keys"));
	return ctl_fail(&fault);
}

static int
run(struct asked *asked)
{
	struct fault fault;
	bool starts = asked->deed == DEED_START || asked->deed == DEED_ALL;

	if (*asked->ctl->conf->sign.places.directory == '\0')
		return tell_of_none(asked);
	if (starts && !find_way(asked))
		return asked->ctl->status;
	if (!ctl_become(asked->ctl, &fault))
		return ctl_fail(&fault);
	if (asked->deed == DEED_ALL)
		return rotate_many_start(
		    asked->ctl, &asked->order, &asked->speed);
	if (asked->domain != NULL)
		return run_one(asked);
	return asked->deed == DEED_STATUS
	    ? rotate_many_look(asked->ctl)
	    : rotate_many_continue(asked->ctl, &asked->speed);
}

int
ctl_rotate(struct ctl *ctl, int argc, char **argv)
{
	struct asked asked = { .ctl = ctl };
	int status = CTL_USAGE;

	arena_init(&asked.arena, ARENA_BYTES);
	if (!read_options(&asked, argc, argv) || !check_deeds(&asked)
	    || !check_key(&asked) || !check_speed(&asked)
	    || !check_durations(&asked) || !check_domain(&asked))
		status = ctl->status;
	else if (ctl_read(ctl))
		status = run(&asked);
	arena_clear(&asked.arena);
	return status;
}
