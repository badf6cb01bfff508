#include "milter/ctl/opinion.h"

#include "milter/ctl/opinion_process.h"
#include "milter/ctl/opinion_wire.h"
#include "milter/io/clock.h"
#include "policy/network.h"
#include "policy/text.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	WORD_OCTETS = 20,
	WHY_OCTETS = 300,
	/* Beside the DNS's time: a jail computes for two seconds at most. */
	GRACE_MS = 4000,
};

static const char crashed[] = "crashed";
static const char timed_out[] = "timeout";

enum {
	SCALE_WORDS = 9,
	/* One for each address, and DMARC's. */
	DIFFERENCES = PREFLIGHT_EGRESS + 1,
};

/* Words from the best to the worst for a sender. */
struct scale {
	const char *words[SCALE_WORDS];
};

static const struct scale spf_scale = { { "pass", "neutral", "none", "softfail",
    "fail", "temperror", "permerror", timed_out, crashed } };
static const struct scale dmarc_scale = { { "pass", "no-policy", "fail-none",
    "temperror", "permerror", "fail-quarantine", "fail-reject", timed_out,
    crashed } };

/* A conversation with one child. */
struct talk {
	int fd;
	uint64_t end_ms;
	struct resolver_asker *asker;
	unsigned questions;
	struct opinion_packet *packet;
	struct arena *arena;
	struct opinion_words words;
};

/* A run of both libraries over all addresses. */
struct run {
	struct opinion_process *process;
	const struct opinion_question *question;
	struct arena *arena;
	struct opinion_packet *packet;
	struct opinion *opinion;
	const char **differences;
};

static const struct dns_answer lost = { .status = DNS_LOST };

static const struct dns_answer *
ask(struct talk *talk, const struct dns_question *question)
{
	const struct dns_answer *answer;

	if (++talk->questions > OPINION_QUESTIONS)
		return &lost;
	while ((answer = resolver_ask(talk->asker, question)) == NULL)
		if (!resolver_wait(talk->asker)) {
			answer = resolver_ask(talk->asker, question);
			break;
		}
	return answer != NULL ? answer : &lost;
}

static void
add_record(struct opinion_packet *packet, enum dns_type type,
    const struct dns_record *record)
{
	char text[INET6_ADDRSTRLEN];
	bool is_v4 = type == DNS_A;

	switch (type) {
	case DNS_A:
	case DNS_AAAA:
		/* IPv4 lies in the last four of the octets. */
		if (inet_ntop(is_v4 ? AF_INET : AF_INET6,
			record->address.octets + (is_v4 ? 12 : 0), text,
			sizeof(text))
		    != NULL)
			opinion_packet_add(packet, text);
		break;
	case DNS_MX:
	case DNS_NS:
	case DNS_PTR:
		opinion_packet_add(packet, record->name);
		break;
	case DNS_TXT:
		/* Up to a NUL, if there is one: to them it ends a string. */
		opinion_packet_add(packet, record->text);
		break;
	}
}

static void
write_answer(struct opinion_packet *packet, enum dns_type type,
    const struct dns_answer *answer)
{
	static const char *const words[] = {
		[DNS_FOUND] = "found",
		[DNS_NODATA] = "nodata",
		[DNS_NXDOMAIN] = "nxdomain",
		[DNS_LOST] = "lost",
	};

	opinion_packet_begin(packet, OPINION_ANSWER);
	opinion_packet_add(packet, words[answer->status]);
	for (size_t i = 0; i < answer->count; i++)
		add_record(packet, type, &answer->records[i]);
}

/* The packet is a question: make it the answer. False: it is none. */
static bool
answer_question(struct talk *talk)
{
	const char *number = opinion_packet_next(talk->packet);
	const char *name = opinion_packet_next(talk->packet);
	char space[DNS_NAME_OCTETS + 2];
	struct dns_question question = { .name = space };
	size_t length = name != NULL ? strlen(name) : 0;
	uint64_t type;

	if (name == NULL || !text_number(number, 1, UINT16_MAX, &type))
		return false;
	if (type != DNS_A && type != DNS_AAAA && type != DNS_MX
	    && type != DNS_TXT && type != DNS_PTR)
		return false;
	question.type = (enum dns_type)type;
	if (length > DNS_NAME_OCTETS + 1)
		length = 0; /* no name: it doesn't exist */
	if (length > 0 && name[length - 1] == '.')
		length--;
	memcpy(space, name, length);
	space[length] = '\0';
	write_answer(talk->packet, question.type, ask(talk, &question));
	if (talk->packet->is_cut)
		write_answer(talk->packet, question.type, &lost);
	return true;
}

static char *
cleaned(struct arena *arena, const char *text, size_t most)
{
	char *space = arena_alloc(arena, most);
	struct text clean;

	if (space == NULL)
		return NULL;
	text_init(&clean, space, most);
	text_add_clean(&clean, text, strlen(text), false);
	return space;
}

static void
take_result(struct talk *talk)
{
	const char *word = opinion_packet_next(talk->packet);
	const char *why = opinion_packet_next(talk->packet);

	if (word == NULL)
		return;
	talk->words.word = cleaned(talk->arena, word, WORD_OCTETS);
	if (why != NULL)
		talk->words.why = cleaned(talk->arena, why, WHY_OCTETS);
}

/* Wait until there is something to read. */
static bool
wait_for(struct talk *talk)
{
	struct pollfd one = { .fd = talk->fd, .events = POLLIN };
	uint64_t now_ms = clock_monotonic_ms();

	return now_ms < talk->end_ms
	    && poll(&one, 1, (int)(talk->end_ms - now_ms)) > 0;
}

/* Until it has said its word, or can't any more. */
static void
converse(struct talk *talk)
{
	const char *kind;

	talk->words.word = crashed;
	if (!opinion_packet_send(talk->fd, talk->packet))
		return;
	for (;;) {
		if (!wait_for(talk)) {
			talk->words.word = timed_out;
			return;
		}
		if (!opinion_packet_receive(talk->fd, talk->packet))
			return;
		kind = opinion_packet_next(talk->packet);
		if (kind != NULL && strcmp(kind, OPINION_RESULT) == 0) {
			take_result(talk);
			return;
		}
		if (kind == NULL || strcmp(kind, OPINION_QUESTION) != 0
		    || !answer_question(talk)
		    || !opinion_packet_send(talk->fd, talk->packet))
			return;
	}
}

/* The packet is the job. */
static struct opinion_words
ask_child(const struct run *run)
{
	uint64_t timeout_ms = run->question->timeout_ms;
	struct talk talk = { .arena = run->arena, .packet = run->packet };

	talk.asker = resolver_begin(run->question->resolver, timeout_ms);
	talk.fd = opinion_process_child(run->process);
	talk.end_ms = clock_monotonic_ms() + timeout_ms + GRACE_MS;
	talk.words.word = crashed;
	if (talk.fd >= 0 && talk.asker != NULL)
		converse(&talk);
	if (talk.fd >= 0)
		close(talk.fd);
	resolver_end(&talk.asker);
	return talk.words;
}

static struct opinion_words
ask_spf(const struct run *run, const struct preflight_spf *spf)
{
	const struct opinion_question *question = run->question;
	const char *local = question->sender_local;
	const char *sender = "";
	struct address client;

	if (question->sender_domain != NULL)
		sender = arena_printf(run->arena, "%s@%s",
		    local != NULL ? local : "", question->sender_domain);
	opinion_packet_begin(run->packet, OPINION_SPF);
	/* Without the "::ffff:" that an IPv4 address may have been given. */
	opinion_packet_add(run->packet,
	    network_address(spf->address, &client)
		? network_text(run->arena, &client)
		: spf->address);
	opinion_packet_add(run->packet, spf->helo);
	opinion_packet_add(run->packet, sender != NULL ? sender : "");
	return ask_child(run);
}

/* i: of the egress address, if SPF was asked. */
static struct opinion_words
ask_dmarc(const struct run *run, const struct opinion_words *spf, size_t i)
{
	const struct preflight_evidence *evidence = run->question->evidence;
	const struct preflight_author *author = &evidence->authors[0];
	const char *org = author->dmarc->by[DMARC_RFC7489].org_domain;

	opinion_packet_begin(run->packet, OPINION_DMARC);
	opinion_packet_add(run->packet, author->domain);
	opinion_packet_add(run->packet, org != NULL ? org : author->domain);
	opinion_packet_add(run->packet, spf->word != NULL ? spf->word : "none");
	opinion_packet_add(run->packet,
	    spf->word != NULL ? evidence->spf[i].outcome->domain : "");
	opinion_packet_add(
	    run->packet, evidence->is_null_sender ? "helo" : "mail");
	for (size_t k = 0; k < evidence->signature_count; k++)
		if (evidence->signatures[k].state == PREFLIGHT_VERIFIES)
			opinion_packet_add(
			    run->packet, evidence->signatures[k].domain);
	return ask_child(run);
}

/* A word that isn't among them is worst. */
static size_t
rank(const struct scale *scale, const char *word)
{
	size_t i = 0;

	while (i < SCALE_WORDS && strcmp(scale->words[i], word) != 0)
		i++;
	return i;
}

static bool
is_worse(const struct scale *scale, const struct opinion_words *one,
    const struct opinion_words *other)
{
	return other->word == NULL
	    || rank(scale, one->word) > rank(scale, other->word);
}

static bool
add_difference(struct run *run, const char *words)
{
	if (words != NULL)
		run->differences[run->opinion->difference_count++] = words;
	return words != NULL;
}

/* "says pass", "says permerror (...)". */
static const char *
saying_of(const struct run *run, const struct opinion_words *words)
{
	const char *text;

	if (strcmp(words->word, crashed) == 0)
		return "crashes over it";
	if (strcmp(words->word, timed_out) == 0)
		return "comes to no end with it";
	text = arena_printf(run->arena, "says %s%s%s%s", words->word,
	    words->why != NULL ? " (" : "",
	    words->why != NULL ? words->why : "",
	    words->why != NULL ? ")" : "");
	return text != NULL ? text : "";
}

static bool
compare_spf(struct run *run, const struct opinion_words *theirs, size_t i)
{
	const struct preflight_spf *spf = &run->question->evidence->spf[i];
	const char *ours = spf_result_name(spf->outcome->result);

	if (strcmp(theirs->word, ours) == 0)
		return true;
	return add_difference(run,
	    arena_printf(run->arena,
		"SPF of %s from %s is %s by RFC 7208; libspf2 %s",
		spf->outcome->domain, spf->address, ours,
		saying_of(run, theirs)));
}

static bool
compare_dmarc(struct run *run)
{
	const struct opinion_words *theirs = &run->opinion->dmarc;
	const char *ours = preflight_result_name(
	    run->question->judgement->by[PREFLIGHT_RFC7489]);

	/* Of several authors it is asked about the first, ours is the worst. */
	if (theirs->word == NULL || run->question->evidence->author_count > 1
	    || strcmp(theirs->word, ours) == 0)
		return true;
	return add_difference(run,
	    arena_printf(run->arena,
		"DMARC is %s by RFC 7489; libopendmarc, with libspf2's SPF, "
		"%s",
		ours, saying_of(run, theirs)));
}

/* From one egress address; i is which. */
static bool
ask_from(struct run *run, size_t i)
{
	const struct preflight_evidence *evidence = run->question->evidence;
	struct opinion *opinion = run->opinion;
	struct opinion_words dmarc;
	struct opinion_words spf = ask_spf(run, &evidence->spf[i]);

	if (spf.word == NULL || !compare_spf(run, &spf, i))
		return false;
	spf.where = evidence->spf[i].address;
	if (is_worse(&spf_scale, &spf, &opinion->spf))
		opinion->spf = spf;
	if (evidence->author_count == 0)
		return true;
	dmarc = ask_dmarc(run, &spf, i);
	if (dmarc.word != NULL
	    && is_worse(&dmarc_scale, &dmarc, &opinion->dmarc))
		opinion->dmarc = dmarc;
	return dmarc.word != NULL;
}

static bool
ask_all(struct run *run)
{
	const struct preflight_evidence *evidence = run->question->evidence;
	const struct opinion_words unknown = { .word = NULL };

	for (size_t i = 0; i < evidence->spf_count; i++)
		if (!ask_from(run, i))
			return false;
	if (evidence->spf_count == 0 && evidence->author_count > 0)
		run->opinion->dmarc = ask_dmarc(run, &unknown, 0);
	return compare_dmarc(run);
}

bool
opinion_ask(struct opinion_process *process,
    const struct opinion_question *question, struct arena *arena,
    struct opinion *opinion_out)
{
	struct run run = { .process = process,
		.question = question,
		.arena = arena,
		.opinion = opinion_out };
	bool is_asked;

	*opinion_out = (struct opinion){ .difference_count = 0 };
	run.differences =
	    arena_alloc(arena, DIFFERENCES * sizeof(*run.differences));
	run.packet = malloc(sizeof(*run.packet));
	is_asked =
	    run.differences != NULL && run.packet != NULL && ask_all(&run);
	free(run.packet);
	opinion_out->differences = run.differences;
	return is_asked;
}
