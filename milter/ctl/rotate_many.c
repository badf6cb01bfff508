#include "milter/ctl/rotate_many.h"

#include "milter/ctl/rotate_crew.h"
#include "milter/ctl/rotate_domain.h"
#include "milter/ctl/rotate_print.h"
#include "milter/ctl/rotate_world.h"

#include <stdio.h>
#include <unistd.h>

/* One run over many domains. */
struct many {
	const struct ctl *ctl;
	const struct rotate_order *order; /* NULL: they are carried on */
	struct check_domain_list list;
	struct rotate_world world;
	struct rotate_tools tools;
	struct rotate_report report;
};

static struct rotate_row *
work(void *context, const char *domain)
{
	const struct many *many = context;

	return many->order != NULL
	    ? rotate_domain_start(&many->tools, many->order, domain, true)
	    : rotate_domain_continue(&many->tools, domain);
}

static void
take(void *context, struct rotate_row *row)
{
	struct many *many = context;

	rotate_report_row(&many->report, row);
}

static int
status_of(const struct rotate_report *report)
{
	if (report->counts[ROTATE_FAILED] > 0)
		return CTL_NO;
	return report->counts[ROTATE_WAITS] + report->counts[ROTATE_LATER] > 0
	    ? CTL_LATER
	    : CTL_YES;
}

/* Domains that only an OpenDKIM table knows aren't ours to rotate. */
static bool
find_domains(struct many *many, struct fault *fault)
{
	struct key_places places = many->ctl->conf->sign.places;

	places.key_table = "";
	if (many->order == NULL
		? !rotate_state_list(places.directory, &many->list, fault)
		: !check_domain_list_keys(&many->list, &places, fault))
		return false;
	check_domain_list_sort(&many->list);
	return true;
}

static void
tell_of_others(const struct ctl *ctl)
{
	const struct key_places *places = &ctl->conf->sign.places;

	if (*places->key_table != '\0' || places->map != NULL)
		fputs("Keys in sign.key_table and sign.key_map aren't rotated, "
		      "only those in sign.keys.\n",
		    stderr);
}

static bool
run(struct many *many, const struct rotate_speed *speed, struct fault *fault)
{
	const struct rotate_job job = {
		.keys = many->ctl->conf->sign.places.directory,
		.work = work,
		.take = take,
		.context = many
	};
	bool is_whole;

	if (!find_domains(many, fault)
	    || !rotate_world_open(&many->world, many->ctl->conf, speed->rate,
		&many->tools, fault))
		return false;
	many->tools.is_patient = many->order == NULL;
	rotate_report_begin(&many->report, &many->list);
	is_whole = rotate_crew(&job, &many->list, (size_t)speed->jobs, fault);
	rotate_report_end(
	    &many->report, is_whole || many->report.done == many->report.total);
	return is_whole;
}

/* That no domain can go on is a failure of the domains, not of the call. */
static int
end_early(const struct many *many, const struct fault *fault)
{
	int status = ctl_fail(fault);

	return status == CTL_USAGE && many->report.done > 0 ? CTL_NO : status;
}

static int
finish(struct many *many, const struct rotate_speed *speed)
{
	struct fault fault;
	int status;

	many->report.is_json = many->ctl->is_json;
	many->report.bar.is_wanted = isatty(STDERR_FILENO) == 1;
	status = run(many, speed, &fault) ? status_of(&many->report)
					  : end_early(many, &fault);
	rotate_world_close(&many->world);
	check_domain_list_clear(&many->list);
	return status;
}

int
rotate_many_start(const struct ctl *ctl, const struct rotate_order *order,
    const struct rotate_speed *speed)
{
	struct many many = { .ctl = ctl, .order = order };

	many.report.has_records = order->way == ROTATE_PRINT;
	tell_of_others(ctl);
	return finish(&many, speed);
}

int
rotate_many_continue(const struct ctl *ctl, const struct rotate_speed *speed)
{
	struct many many = { .ctl = ctl };

	many.report.is_brief = true;
	return finish(&many, speed);
}

int
rotate_many_look(const struct ctl *ctl)
{
	struct many many = { .ctl = ctl };
	struct fault fault;
	int status;

	many.tools = rotate_world_look(ctl->conf);
	many.report.is_json = ctl->is_json;
	many.report.hides_done = true;
	many.report.is_status = true;
	if (!find_domains(&many, &fault)) {
		check_domain_list_clear(&many.list);
		return ctl_fail(&fault);
	}
	rotate_report_begin(&many.report, &many.list);
	status = CTL_YES;
	for (size_t i = 0; i < many.list.count && status == CTL_YES; i++) {
		struct rotate_row *row =
		    rotate_domain_look(&many.tools, many.list.names[i]);

		if (row != NULL)
			rotate_report_row(&many.report, row);
		else
			status = CTL_LATER;
		rotate_row_free(&row);
	}
	rotate_report_end(&many.report, status == CTL_YES);
	check_domain_list_clear(&many.list);
	return status == CTL_YES ? status_of(&many.report) : status;
}
