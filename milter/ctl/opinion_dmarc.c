#include "milter/ctl/opinion_work.h"

#include "policy/arena.h"

#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <opendmarc/dmarc.h>

enum { ARENA_BYTES = 1024 * 1024 };

static const char suffix_file[] =
    "/usr/share/publicsuffix/public_suffix_list.dat";

/* What the job says; all in the arena, as the library takes no const. */
struct job {
	struct arena arena;
	struct opinion_work *work;
	DMARC_POLICY_T *policy;
	char *author;
	char *org;
	char *record; /* NULL: none was found */
	bool is_record_org;
	bool is_lost;
};

/* The library keeps its list of suffixes as long as it lives. */
void
opinion_work_read_suffixes(void)
{
	static OPENDMARC_LIB_T library;

	library.tld_type = OPENDMARC_TLD_TYPE_MOZILLA;
	(void)snprintf((char *)library.tld_source_file,
	    sizeof(library.tld_source_file), "%s", suffix_file);
	if (opendmarc_policy_library_init(&library) == DMARC_PARSE_OKAY)
		return;
	library.tld_type = OPENDMARC_TLD_TYPE_NONE;
	(void)opendmarc_policy_library_init(&library);
}

static char *
next(struct job *job)
{
	const char *string = opinion_packet_next(job->work->packet);
	char *copy = arena_strdup(&job->arena, string);

	if (copy == NULL)
		_exit(1);
	return copy;
}

static int
spf_outcome(const char *word)
{
	if (strcmp(word, "pass") == 0)
		return DMARC_POLICY_SPF_OUTCOME_PASS;
	if (strcmp(word, "none") == 0)
		return DMARC_POLICY_SPF_OUTCOME_NONE;
	if (strcmp(word, "temperror") == 0)
		return DMARC_POLICY_SPF_OUTCOME_TMPFAIL;
	return DMARC_POLICY_SPF_OUTCOME_FAIL;
}

static bool
store_signatures(struct job *job)
{
	static u_char selector[] = "s";
	const char *domain;

	while ((domain = opinion_packet_next(job->work->packet)) != NULL) {
		char *copy = arena_strdup(&job->arena, domain);

		if (copy == NULL
		    || opendmarc_policy_store_dkim(job->policy, (u_char *)copy,
			   selector, DMARC_POLICY_DKIM_OUTCOME_PASS, NULL)
			!= DMARC_PARSE_OKAY)
			return false;
	}
	return true;
}

static bool
store_all(struct job *job)
{
	char *word = next(job);
	char *domain = next(job);
	bool is_helo = strcmp(next(job), "helo") == 0;

	return opendmarc_policy_store_from_domain(
		   job->policy, (u_char *)job->author)
	    == DMARC_PARSE_OKAY
	    && (*domain == '\0'
		|| opendmarc_policy_store_spf(job->policy, (u_char *)domain,
		       spf_outcome(word),
		       is_helo ? DMARC_POLICY_SPF_ORIGIN_HELO
			       : DMARC_POLICY_SPF_ORIGIN_MAILFROM,
		       NULL)
		    == DMARC_PARSE_OKAY)
	    && store_signatures(job);
}

/* The library's own look-up: the first TXT record that has the word in it. */
static void
look_up(struct job *job, const char *domain)
{
	const char *name = arena_printf(&job->arena, "_dmarc.%s", domain);
	const char *status, *text;

	if (name == NULL)
		_exit(1);
	status = opinion_work_ask(job->work, ns_t_txt, name);
	if (status == NULL)
		_exit(1);
	job->is_lost = strcmp(status, "lost") == 0;
	while ((text = opinion_packet_next(job->work->packet)) != NULL)
		if (strstr(text, "v=DMARC") != NULL) {
			job->record = arena_strdup(&job->arena, text);
			return;
		}
}

/* It falls through to the organizational domain also when the first question
 * got no answer. */
static void
find_record(struct job *job)
{
	look_up(job, job->author);
	if (job->record != NULL || strcmp(job->author, job->org) == 0)
		return;
	look_up(job, job->org);
	job->is_record_org = job->record != NULL;
}

static const char *
word_of(OPENDMARC_STATUS_T status)
{
	switch (status) {
	case DMARC_POLICY_PASS:
		return "pass";
	case DMARC_POLICY_ABSENT:
		return "no-policy";
	case DMARC_POLICY_NONE:
		return "fail-none";
	case DMARC_POLICY_QUARANTINE:
		return "fail-quarantine";
	case DMARC_POLICY_REJECT:
		return "fail-reject";
	default:
		return "permerror";
	}
}

static void
judge(struct job *job)
{
	OPENDMARC_STATUS_T status;
	const char *word;

	if (job->record == NULL) {
		opinion_work_tell(
		    job->work, job->is_lost ? "temperror" : "no-policy", NULL);
		return;
	}
	status = opendmarc_policy_store_dmarc(job->policy,
	    (u_char *)job->record, (u_char *)job->author,
	    job->is_record_org ? (u_char *)job->org : NULL);
	if (status != DMARC_PARSE_OKAY) {
		opinion_work_tell(job->work, "permerror",
		    opendmarc_policy_status_to_str(status));
		return;
	}
	status = opendmarc_get_policy_to_enforce(job->policy);
	word = word_of(status);
	opinion_work_tell(job->work, word,
	    strcmp(word, "permerror") == 0
		? opendmarc_policy_status_to_str(status)
		: NULL);
}

void
opinion_work_dmarc(struct opinion_work *work)
{
	static u_char nobody[] = "192.0.2.1";
	struct job job = { .work = work };

	arena_init(&job.arena, ARENA_BYTES);
	job.author = next(&job);
	job.org = next(&job);
	/* The client's address plays no part. */
	job.policy =
	    opendmarc_policy_connect_init(nobody, DMARC_POLICY_IP_TYPE_IPV4);
	if (job.policy == NULL)
		_exit(1);
	if (!store_all(&job)) {
		opinion_work_tell(
		    work, "permerror", "it can't make anything of the domains");
		return;
	}
	find_record(&job);
	judge(&job);
}
