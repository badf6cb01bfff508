#include "milter/ctl/preflight.h"

#include "milter/ctl/asking.h"
#include "milter/ctl/ctl.h"
#include "milter/ctl/opinion.h"
#include "milter/ctl/opinion_process.h"
#include "milter/ctl/print.h"
#include "milter/io/clock.h"
#include "milter/io/evidence.h"
#include "milter/leaving.h"
#include "policy/address.h"
#include "policy/text.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	ARENA_BYTES = 32 * 1024 * 1024,
	HOST_BYTES = 256,
};

/* A run: what was asked, and what it takes to answer. */
struct run {
	struct ctl *ctl;
	const char **ips; /* room for all arguments, as are the next */
	const char **signers;
	size_t ip_count;
	size_t signer_count;
	const char *helo;
	const char *mail_from; /* NULL: the author's address */
	const char *from;
	bool has_profiles;
	bool is_used[PREFLIGHT_PROFILES];
	bool has_opinions;

	struct arena arena;
	struct asking asking;
	struct opinion_process *process;
	char host[HOST_BYTES];
	struct mailbox sender; /* domain NULL: the null sender */
	struct egress egress[PREFLIGHT_EGRESS];
	const char *authors[PREFLIGHT_AUTHORS];
	struct evidence_signature signatures[PREFLIGHT_SIGNATURES];
	struct evidence_question question;
	struct preflight_evidence evidence;
	struct preflight_judgement judgement;
	struct opinion opinion;
};

enum {
	OPTION_IP = 256,
	OPTION_HELO,
	OPTION_MAIL_FROM,
	OPTION_FROM,
	OPTION_DKIM,
	OPTION_PROFILE,
	OPTION_OPINIONS,
};

static bool
refuse(struct run *run, const char *words)
{
	run->ctl->status = ctl_usage(run->ctl, words);
	return false;
}

static bool
take_profile(struct run *run, const char *name)
{
	for (unsigned i = 0; i < PREFLIGHT_PROFILES; i++)
		if (strcmp(name, preflight_profile_name(i)) == 0) {
			run->is_used[i] = true;
			run->has_profiles = true;
			return true;
		}
	return refuse(run, "--profile: rfc9989, rfc7489 or both_pass");
}

static bool
take_option(struct run *run, int option)
{
	if (option == OPTION_IP)
		run->ips[run->ip_count++] = optarg;
	else if (option == OPTION_HELO)
		run->helo = optarg;
	else if (option == OPTION_MAIL_FROM)
		run->mail_from = optarg;
	else if (option == OPTION_FROM)
		run->from = optarg;
	else if (option == OPTION_DKIM)
		run->signers[run->signer_count++] = optarg;
	else if (option == OPTION_OPINIONS)
		run->has_opinions = true;
	else if (option == OPTION_PROFILE)
		return take_profile(run, optarg);
	return true;
}

static bool
check_arguments(struct run *run, int left)
{
	if (left > 0)
		return refuse(
		    run, "no arguments are expected beside the options");
	if (run->from == NULL)
		return refuse(run,
		    "--from: the author, for instance "
		    "\"Alice <alice@a.example>\"");
	if (run->ip_count > PREFLIGHT_EGRESS)
		return refuse(run, "--ip: 16 addresses at most");
	if (run->signer_count > PREFLIGHT_SIGNATURES)
		return refuse(run, "--dkim: 24 signatures at most");
	return true;
}

static bool
read_arguments(struct run *run, int argc, char **argv)
{
	static const struct option options[] = {
		CTL_OPTIONS,
		{ "ip", required_argument, NULL, OPTION_IP },
		{ "helo", required_argument, NULL, OPTION_HELO },
		{ "mail-from", required_argument, NULL, OPTION_MAIL_FROM },
		{ "from", required_argument, NULL, OPTION_FROM },
		{ "dkim", required_argument, NULL, OPTION_DKIM },
		{ "profile", required_argument, NULL, OPTION_PROFILE },
		{ "opinions", no_argument, NULL, OPTION_OPINIONS },
		{ NULL, 0, NULL, 0 },
	};
	size_t room = (size_t)argc * sizeof(*run->ips);
	int option;

	run->ips = arena_alloc(&run->arena, room);
	run->signers = arena_alloc(&run->arena, room);
	if (run->ips == NULL || run->signers == NULL)
		return refuse(run, "too many arguments");
	while ((option = ctl_option(run->ctl, argc, argv, options)) != -1)
		if (!take_option(run, option))
			return false;
	return !run->ctl->is_over && check_arguments(run, argc - optind);
}

/* Normalised; as it came if it can't be: SPF has an answer for that too
 * (RFC 7208 §4.3). */
static const char *
domain_of(struct run *run, const char *text)
{
	const char *domain;

	return address_domain(&run->arena, text, strlen(text), &domain, NULL)
	    ? domain
	    : text;
}

static bool
is_new(const struct run *run, const char *domain)
{
	for (size_t i = 0; i < run->question.author_count; i++)
		if (strcmp(run->authors[i], domain) == 0)
			return false;
	return true;
}

static void
take_authors(struct run *run, const struct from_field *from)
{
	struct evidence_question *question = &run->question;

	question->authors = run->authors;
	for (size_t i = 0; i < from->count; i++) {
		const char *domain = from->mailboxes[i].domain;

		if (!is_new(run, domain))
			continue;
		if (question->author_count == PREFLIGHT_AUTHORS) {
			question->author_count = 0;
			question->from_problem =
			    "From names more domains than are looked at";
			return;
		}
		run->authors[question->author_count++] = domain;
	}
	if (question->author_count == 0)
		question->from_problem = from->problem != NULL
		    ? from->problem
		    : "From has no usable address";
}

/* What is no mailbox still has what stands after its last @; without any @ it
 * has no domain, and that is no domain of SPF. */
static void
take_broken_sender(struct run *run, const char *path)
{
	size_t length = strlen(path);
	char *text;
	char *at;

	if (*path == '<') {
		path++;
		length -= length > 1 && path[length - 2] == '>' ? 2 : 1;
	}
	text = arena_copy(&run->arena, path, length);
	run->sender.local = run->sender.domain = "";
	if (text == NULL)
		return;
	at = strrchr(text, '@');
	if (at == NULL) {
		run->sender.domain = text;
		return;
	}
	*at = '\0';
	run->sender.local = text;
	run->sender.domain = domain_of(run, at + 1);
}

static void
take_sender(struct run *run, const struct from_field *from)
{
	bool is_null = false;

	if (run->mail_from != NULL
	    && !address_path(
		&run->arena, run->mail_from, &run->sender, &is_null, NULL))
		take_broken_sender(run, run->mail_from);
	else if (run->mail_from == NULL && from->count > 0)
		run->sender = from->mailboxes[0];
	else if (run->mail_from == NULL)
		take_broken_sender(run, run->from);
	run->question.sender_local = run->sender.local;
	run->question.sender_domain = run->sender.domain;
}

static bool
take_signers(struct run *run)
{
	struct fault fault;

	for (size_t i = 0; i < run->signer_count; i++) {
		run->signatures[i].state = PREFLIGHT_VERIFIES;
		if (!address_domain(&run->arena, run->signers[i],
			strlen(run->signers[i]), &run->signatures[i].domain,
			&fault)) {
			fault_prefix(&fault, "--dkim: ");
			return refuse(run, fault.words);
		}
	}
	run->question.signatures = run->signatures;
	run->question.signature_count = run->signer_count;
	/* Whether it is signed is said by --dkim, not by the keys here. */
	run->question.are_keys_unknown = true;
	return true;
}

static bool
take_addresses(struct run *run)
{
	for (size_t i = 0; i < run->ip_count; i++) {
		run->egress[i].text = run->ips[i];
		if (!network_address(run->ips[i], &run->egress[i].address))
			return refuse(run, "--ip: an IPv4 or IPv6 address");
	}
	return true;
}

/* What doesn't need the configuration. */
static bool
take_message(struct run *run)
{
	struct from_field from;

	if (!address_from(&run->arena, run->from, strlen(run->from), &from))
		return refuse(run, "--from: too long");
	take_authors(run, &from);
	take_sender(run, &from);
	return take_signers(run) && take_addresses(run);
}

static const char *
host_name(struct run *run)
{
	if (gethostname(run->host, sizeof(run->host) - 1) != 0)
		return "localhost";
	return domain_of(run, run->host);
}

/* The HELO of an address: what was said, or what the configuration has. */
static const char *
helo_of(struct run *run, const struct address *address)
{
	const struct conf *conf = run->ctl->conf;

	if (run->helo != NULL)
		return domain_of(run, run->helo);
	for (size_t i = 0; i < conf->egress_count; i++)
		if (memcmp(conf->egress[i].address.octets, address->octets,
			sizeof(address->octets))
		    == 0)
			return conf->egress[i].helo;
	return host_name(run);
}

/* Without --ip: where the sender's mail leaves from. */
static bool
choose_egress(struct run *run, struct fault *fault)
{
	struct leaving found;

	if (run->ip_count == 0
	    && !leaving_find(run->ctl->conf, run->asking.tables, NULL,
		&run->sender, &run->arena, &found, fault))
		return false;
	if (run->ip_count > 0) {
		run->question.egress_count = run->ip_count;
	} else {
		run->question.egress_count = found.count;
		for (size_t i = 0; i < found.count; i++)
			run->egress[i] = found.egress[i];
	}
	for (size_t i = 0; i < run->question.egress_count; i++)
		if (run->helo != NULL || run->egress[i].helo == NULL)
			run->egress[i].helo =
			    helo_of(run, &run->egress[i].address);
	run->question.egress = run->egress;
	return true;
}

static bool
ask_opinions(struct run *run)
{
	const struct opinion_question question = {
		.sender_local = run->question.sender_local,
		.sender_domain = run->question.sender_domain,
		.evidence = &run->evidence,
		.judgement = &run->judgement,
		.resolver = run->asking.resolver,
		.timeout_ms = run->ctl->conf->dns.timeout_ms,
	};

	return run->process == NULL
	    || opinion_ask(run->process, &question, &run->arena, &run->opinion);
}

static bool
judge(struct run *run, struct fault *fault)
{
	struct resolver_asker *asker;
	bool is_judged;

	if (!choose_egress(run, fault))
		return false;
	run->question.wants_explanation = true;
	run->question.now_s = clock_unix_s();
	asker = asking_begin(&run->asking);
	is_judged = asker != NULL
	    && evidence_gather(asker, run->asking.suffixes, &run->question,
		&run->arena, &run->evidence)
	    && preflight_judge(
		&run->evidence, run->is_used, &run->arena, &run->judgement)
	    && ask_opinions(run);
	resolver_end(&asker);
	if (!is_judged)
		fault_memory(fault);
	return is_judged;
}

static bool
tell(struct run *run)
{
	const struct preflight_story story = { .evidence = &run->evidence,
		.judgement = &run->judgement,
		.is_used = run->is_used };
	struct json_object *object;

	if (!run->ctl->is_json) {
		if (!preflight_text(&story, &run->arena, stdout))
			return false;
		if (run->process != NULL)
			opinion_text(&run->opinion, stdout);
		return true;
	}
	object = json_object_new_object();
	preflight_json(&story, object);
	if (run->process != NULL)
		opinion_json(&run->opinion, object);
	print_json(object);
	return true;
}

static int
status_of(enum preflight_result result)
{
	if (result <= PREFLIGHT_NO_POLICY)
		return CTL_YES;
	return result == PREFLIGHT_TEMPERROR ? CTL_LATER : CTL_NO;
}

static int
answer(struct run *run)
{
	struct fault fault = { .kind = FAULT_NONE };

	if (!run->has_profiles)
		memcpy(run->is_used, run->ctl->conf->preflight.profiles,
		    sizeof(run->is_used));
	/* Nothing of the daemon's is needed; root is needed for nothing. */
	(void)ctl_become(run->ctl, &fault);
	if (run->has_opinions) {
		run->process = opinion_process_begin(&fault);
		if (run->process == NULL)
			return ctl_fail(&fault);
	}
	if (!asking_open(&run->asking, run->ctl->conf, &fault)
	    || !judge(run, &fault))
		return ctl_fail(&fault);
	if (tell(run))
		return status_of(run->judgement.result);
	fault_memory(&fault);
	return ctl_fail(&fault);
}

int
ctl_preflight(struct ctl *ctl, int argc, char **argv)
{
	struct run run = { .ctl = ctl };
	int status;

	arena_init(&run.arena, ARENA_BYTES);
	if (!read_arguments(&run, argc, argv) || !take_message(&run))
		status = ctl->status;
	else
		status = ctl_read(ctl) ? answer(&run) : CTL_USAGE;
	opinion_process_end(&run.process);
	asking_close(&run.asking);
	arena_clear(&run.arena);
	return status;
}
