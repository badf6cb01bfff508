#include "milter/ctl/check_domain.h"

#include "milter/ctl/check_domain_crew.h"
#include "milter/ctl/check_domain_list.h"
#include "milter/ctl/check_domain_print.h"
#include "milter/ctl/ctl.h"
#include "milter/ctl/opinion_process.h"
#include "milter/ctl/print.h"
#include "milter/io/fcrdns.h"
#include "milter/io/tables.h"
#include "policy/text.h"

#include <string.h>
#include <unistd.h>

enum {
	ARENA_BYTES = 1024 * 1024,
	AT_ONCE = 16,
	KEY_DOMAINS = 4 * CHECK_DOMAIN_CREW_MOST * CHECK_DOMAIN_PLACES,
};

/* A run: what was asked, and what it takes to answer. */
struct run {
	struct ctl *ctl;
	const char *file;
	bool is_all;
	bool has_opinions;
	bool has_listed; /* for is_all: something that can be */
	const char *jobs;
	uint64_t at_once;

	struct arena arena;
	struct check_domain_list list;
	struct key_places places[CHECK_DOMAIN_PLACES]; /* to be listed */
	size_t place_count;
	struct asking asking;
	struct keys *keys;
	struct opinion_process *process;
	struct check_domain_egress egress[PREFLIGHT_EGRESS];
	struct check_domain_report report;
};

static bool
refuse(struct run *run, const char *words)
{
	run->ctl->status = ctl_usage(run->ctl, words);
	return false;
}

static bool
fail(struct run *run, const struct fault *fault)
{
	run->ctl->status = ctl_fail(fault);
	return false;
}

static bool
check_arguments(struct run *run, int domains)
{
	int ways = (domains > 0) + (run->file != NULL) + run->is_all;

	run->at_once = AT_ONCE;
	if (ways == 0)
		return refuse(run, "which domain? (--all: all that have keys)");
	if (ways > 1)
		return refuse(run, "domains, --file or --all: one of them");
	if (run->jobs != NULL
	    && !text_number(
		run->jobs, 1, CHECK_DOMAIN_CREW_MOST, &run->at_once))
		return refuse(run, "--jobs: 1 to 64 domains at once");
	return true;
}

static bool
read_arguments(struct run *run, int argc, char **argv)
{
	enum { OPTION_FILE = 256, OPTION_ALL, OPTION_JOBS, OPTION_OPINIONS };
	static const struct option options[] = {
		CTL_OPTIONS,
		{ "file", required_argument, NULL, OPTION_FILE },
		{ "all", no_argument, NULL, OPTION_ALL },
		{ "jobs", required_argument, NULL, OPTION_JOBS },
		{ "opinions", no_argument, NULL, OPTION_OPINIONS },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = ctl_option(run->ctl, argc, argv, options)) != -1) {
		if (option == OPTION_FILE)
			run->file = optarg;
		else if (option == OPTION_ALL)
			run->is_all = true;
		else if (option == OPTION_JOBS)
			run->jobs = optarg;
		else
			run->has_opinions = true;
	}
	return !run->ctl->is_over && check_arguments(run, argc - optind);
}

/* What was typed, and what only the caller may read. */
static bool
find_typed(struct run *run, int argc, char **argv)
{
	struct fault fault;

	for (int i = optind; i < argc; i++)
		if (!check_domain_list_add(&run->list, argv[i], &fault))
			return fail(run, &fault);
	if (run->file != NULL
	    && !check_domain_list_read(&run->list, run->file, &fault))
		return fail(run, &fault);
	return true;
}

static void
find_places(struct run *run)
{
	const struct sign_conf *places[CHECK_DOMAIN_PLACES];
	const struct conf *conf = run->ctl->conf;

	run->place_count = check_domain_places(conf, places);
	check_domain_places_once(conf, places, run->place_count, run->places);
}

/* Where there is neither directory nor table nor map, that is said. */
static bool
list_keys(struct run *run, struct fault *fault)
{
	bool has_map = false;

	for (size_t i = 0; i < run->place_count; i++) {
		const struct key_places *places = &run->places[i];

		has_map = has_map || places->map != NULL;
		if (*places->directory == '\0' && *places->key_table == '\0')
			continue;
		if (!check_domain_list_keys(&run->list, places, fault))
			return false;
		run->has_listed = true;
	}
	return run->has_listed || has_map
	    || check_domain_list_keys(&run->list, &run->places[0], fault);
}

/* Where a map is all there is, it has to be listed. */
static bool
list_map(struct run *run, const struct map_source *map, struct fault *fault)
{
	if (run->has_listed && !tables_may_list(map, fault)) {
		print_line(stderr, "",
		    "warning: key_map: %s; name its domains, or put them into "
		    "a file for --file",
		    fault->words);
		return true;
	}
	return check_domain_list_map(
	    &run->list, map, run->asking.tables, fault);
}

static bool
list_maps(struct run *run, struct fault *fault)
{
	for (size_t i = 0; i < run->place_count; i++)
		if (run->places[i].map != NULL
		    && tables_may_list(run->places[i].map, NULL))
			run->has_listed = true;
	for (size_t i = 0; i < run->place_count; i++)
		if (run->places[i].map != NULL
		    && !list_map(run, run->places[i].map, fault))
			return false;
	return true;
}

/* In the order in which each may be done: who this is, the process without
 * threads and keys, then threads and keys. */
static bool
open_all(struct run *run)
{
	const struct conf *conf = run->ctl->conf;
	struct fault fault;

	if (!ctl_become(run->ctl, &fault))
		return fail(run, &fault);
	find_places(run);
	if (run->is_all && !list_keys(run, &fault))
		return fail(run, &fault);
	if (run->has_opinions) {
		run->process = opinion_process_begin(&fault);
		if (run->process == NULL)
			return fail(run, &fault);
	}
	if (!asking_open(&run->asking, conf, &fault)
	    || (run->is_all && !list_maps(run, &fault)))
		return fail(run, &fault);
	check_domain_list_sort(&run->list);
	run->keys = keys_open(KEY_DOMAINS, run->asking.tables);
	if (run->keys != NULL)
		return true;
	fault_memory(&fault);
	return fail(run, &fault);
}

/* The addresses that mail leaves from, as the DNS knows them. */
static bool
check_egress(struct run *run)
{
	const struct conf *conf = run->ctl->conf;
	struct resolver_asker *asker;
	struct fault fault;
	bool is_checked = true;

	for (size_t i = 0; is_checked && i < conf->egress_count; i++) {
		asker = asking_begin(&run->asking);
		run->egress[i].egress = &conf->egress[i];
		is_checked = asker != NULL
		    && fcrdns_check(asker, &conf->egress[i], &run->arena,
			&run->egress[i].fcrdns);
		resolver_end(&asker);
	}
	if (is_checked)
		return true;
	fault_memory(&fault);
	return fail(run, &fault);
}

static void
take_row(void *context, const struct check_domain_row *row)
{
	check_domain_report_row(context, row);
}

static int
status_of(const struct check_domain_report *report)
{
	if (report->counts[CHECK_DOMAIN_WRONG] > 0)
		return CTL_NO;
	return report->counts[CHECK_DOMAIN_LATER] > 0 ? CTL_LATER : CTL_YES;
}

static int
check(struct run *run)
{
	const struct check_domain_tools tools = { .asking = &run->asking,
		.keys = run->keys,
		.process = run->process };
	struct fault fault;
	bool is_whole;

	run->report.is_json = run->ctl->is_json;
	run->report.is_used = run->ctl->conf->preflight.profiles;
	run->report.bar.is_wanted = isatty(STDERR_FILENO) == 1;
	check_domain_report_begin(&run->report, run->egress,
	    run->ctl->conf->egress_count, &run->list);
	is_whole = check_domain_crew(&tools, &run->list, (size_t)run->at_once,
	    take_row, &run->report, &fault);
	check_domain_report_end(&run->report, is_whole);
	return is_whole ? status_of(&run->report) : ctl_fail(&fault);
}

int
ctl_check_domain(struct ctl *ctl, int argc, char **argv)
{
	struct run run = { .ctl = ctl };
	int status = CTL_USAGE;

	arena_init(&run.arena, ARENA_BYTES);
	if (!read_arguments(&run, argc, argv) || !find_typed(&run, argc, argv))
		status = ctl->status;
	else if (ctl_read(ctl))
		status = open_all(&run) && check_egress(&run) ? check(&run)
							      : ctl->status;
	keys_close(&run.keys);
	opinion_process_end(&run.process);
	asking_close(&run.asking);
	check_domain_list_clear(&run.list);
	arena_clear(&run.arena);
	return status;
}
