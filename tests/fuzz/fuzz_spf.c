/* fuzz_spf: any octets as what the DNS says during an SPF check. The first line
 * is the client's address, local part, domain and HELO, parted by blanks; each
 * further line is the answer to the next new question: "!" lost, "-" no such
 * name, "." nothing of the type, else records parted by '|'. Beside what a
 * sanitizer sees, it checks what everybody relies on: that the check comes to
 * its end within its limits, asks for names only and for none twice, that its
 * outcome holds together, and that answers to hints change nothing. */
#include "policy/spf.h"
#include "policy/spf_macro.h"
#include "policy/spf_record.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ARENA_BYTES = 32 << 20,
	RECORDS = 16,
	MEMORY = 2 * SPF_QUESTIONS,
};

#define CHECK(condition)                                                 \
	do {                                                             \
		if (!(condition)) {                                      \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, \
			    __LINE__, #condition);                       \
			abort();                                         \
		}                                                        \
	} while (0)

/* What is left of the input. */
struct input {
	const char *at;
	size_t left;
};

/* What was asked, and the line that answered. */
struct dns {
	struct input lines; /* not used yet */
	struct arena *arena;
	struct {
		struct dns_question question;
		struct input line;
		bool is_asked; /* in this run, by asks() */
	} memory[MEMORY];
	size_t count;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Up to the next octet that is end, which is skipped. */
static struct input
take(struct input *from, char end)
{
	const char *stop =
	    from->left > 0 ? memchr(from->at, end, from->left) : NULL;
	struct input part = { from->at, from->left };

	if (stop != NULL)
		part.left = (size_t)(stop - from->at);
	from->at += part.left + (stop != NULL);
	from->left -= part.left + (stop != NULL);
	return part;
}

static const char *
take_word(struct input *from, struct arena *arena)
{
	struct input word = take(from, ' ');
	const char *copy = arena_copy(arena, word.at, word.left);

	CHECK(copy != NULL);
	return copy;
}

static void
read_record(struct input part, enum dns_type type, struct arena *arena,
    struct dns_record *record)
{
	char *text = arena_copy(arena, part.at, part.left);

	CHECK(text != NULL);
	memset(record, 0, sizeof(*record));
	record->text = text;
	record->text_length = part.left;
	if (type != DNS_TXT) {
		/* A name in an answer is text without odd octets. */
		for (char *c = text; *c != '\0'; c++)
			if (*c < '!' || *c > '~')
				*c = '-';
		record->name = text;
		record->preference = (uint16_t)(part.left % 3);
		if (!network_address(text, &record->address))
			memcpy(record->address.octets, text,
			    part.left < 16 ? part.left : 16);
	}
}

static void
read_answer(struct input line, enum dns_type type, struct arena *arena,
    struct dns_answer *answer, struct dns_record records[RECORDS])
{
	*answer = (struct dns_answer){
		.status = DNS_FOUND,
		.ttl_s = (uint32_t)line.left,
		.records = records,
	};
	if (line.left == 0 || (line.left == 1 && line.at[0] == '-'))
		answer->status = DNS_NXDOMAIN;
	else if (line.left == 1 && line.at[0] == '!')
		answer->status = DNS_LOST;
	else if (line.left == 1 && line.at[0] == '.')
		answer->status = DNS_NODATA;
	else
		while (line.left > 0 && answer->count < RECORDS)
			read_record(take(&line, '|'), type, arena,
			    &records[answer->count++]);
}

/* The same question gets the same answer in both runs. */
static struct input
answer_line(struct dns *dns, const struct dns_question *question, bool is_asked)
{
	size_t i = 0;

	CHECK(dns_is_name(question->name));
	while (i < dns->count
	    && (dns->memory[i].question.type != question->type
		|| strcmp(dns->memory[i].question.name, question->name) != 0))
		i++;
	CHECK(i < MEMORY);
	if (i == dns->count) {
		dns->memory[i].question = *question;
		dns->memory[i].line = take(&dns->lines, '\n');
		dns->memory[i].is_asked = false;
		dns->count++;
	}
	CHECK(!is_asked || !dns->memory[i].is_asked);
	dns->memory[i].is_asked |= is_asked;
	return dns->memory[i].line;
}

static void
teach(struct dns *dns, struct spf *spf)
{
	struct dns_question hints[SPF_QUESTIONS + 1];
	size_t count = spf_machine.hints(spf, hints, SPF_QUESTIONS + 1);

	CHECK(count <= SPF_QUESTIONS);
	for (size_t i = 0; i < count; i++) {
		struct input line = answer_line(dns, &hints[i], false);
		struct dns_record records[RECORDS];
		struct dns_answer answer;

		read_answer(line, hints[i].type, dns->arena, &answer, records);
		spf_machine.learn(spf, &hints[i], &answer);
	}
}

static void
run(struct dns *dns, struct spf *spf, bool is_taught)
{
	const struct dns_question *question;
	size_t asked = 0;

	for (size_t i = 0; i < dns->count; i++)
		dns->memory[i].is_asked = false;
	while ((question = spf_machine.asks(spf)) != NULL) {
		struct input line = answer_line(dns, question, true);
		struct dns_record records[RECORDS];
		struct dns_answer answer;

		CHECK(++asked <= SPF_QUESTIONS);
		if (is_taught)
			teach(dns, spf);
		read_answer(line, question->type, dns->arena, &answer, records);
		spf_machine.answer(spf, &answer);
	}
}

static void
check_explanation(const struct spf_outcome *outcome)
{
	const char *text = outcome->explanation;

	if (text == NULL)
		return;
	CHECK(outcome->result == SPF_FAIL);
	CHECK(text[0] != '\0' && strlen(text) <= SPF_EXPLANATION_OCTETS);
	for (; *text != '\0'; text++)
		CHECK(*text >= ' ' && *text <= '~');
}

static void
check_outcome(const struct spf_outcome *outcome)
{
	bool is_error = outcome->result == SPF_PERMERROR
	    || outcome->result == SPF_TEMPERROR || outcome->result == SPF_NONE;

	CHECK(outcome->domain != NULL);
	CHECK(outcome->terms <= SPF_TERMS && outcome->voids <= SPF_VOIDS + 1);
	CHECK(outcome->voids <= SPF_VOIDS || outcome->result == SPF_PERMERROR);
	CHECK((outcome->problem != NULL) == is_error);
	CHECK(outcome->mechanism == NULL || !is_error);
	CHECK(outcome->mechanism != NULL || outcome->result == SPF_NEUTRAL
	    || is_error);
	CHECK(is_error || (outcome->record != NULL && outcome->where != NULL));
	CHECK(outcome->step_count <= SPF_STEPS);
	for (size_t i = 0; i < outcome->step_count; i++)
		CHECK(outcome->steps[i].domain != NULL
		    && outcome->steps[i].text != NULL
		    && outcome->steps[i].depth <= SPF_TERMS);
	check_explanation(outcome);
}

static void
check_same(const struct spf_outcome *one, const struct spf_outcome *other)
{
	CHECK(one->result == other->result);
	CHECK(one->terms == other->terms && one->voids == other->voids);
	CHECK(one->ttl_s == other->ttl_s);
	CHECK(one->step_count == other->step_count);
	CHECK((one->explanation == NULL) == (other->explanation == NULL));
	if (one->explanation != NULL)
		CHECK(strcmp(one->explanation, other->explanation) == 0);
}

/* All input as one record. */
static void
check_record(struct arena *arena, const char *text, size_t length)
{
	struct spf_record record;
	struct spf_term term;
	size_t position = 0, count = 0;

	if (length > SPF_RECORD_OCTETS || !spf_record_is_one(text, length))
		return;
	CHECK(spf_record_read(&record, text, length, arena));
	if (record.problem != NULL)
		return;
	CHECK(record.counted_count <= SPF_TERMS);
	while (spf_record_next(&record, &position, &term)) {
		CHECK(term.bits4 <= 32 && term.bits6 <= 128);
		CHECK(term.spec.text == NULL
		    || spf_macro_name_problem(term.spec.text, term.spec.length)
			== NULL);
		count += spf_record_is_counted(term.mechanism);
	}
	CHECK(record.counted_count <= count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { (const char *)data, size };
	struct spf_identity identity = { .wants_explanation = true };
	struct spf *plain, *taught;
	struct arena arena;
	struct input line;
	struct dns dns;

	arena_init(&arena, ARENA_BYTES);
	check_record(&arena, input.at, input.left);
	line = take(&input, '\n');
	if (!network_address(take_word(&line, &arena), &identity.client))
		identity.client.is_known = true; /* :: */
	identity.local = take_word(&line, &arena);
	identity.domain = take_word(&line, &arena);
	identity.helo = take_word(&line, &arena);
	dns.lines = input;
	dns.arena = &arena;
	dns.count = 0;
	plain = spf_begin(&identity, &arena);
	taught = spf_begin(&identity, &arena);
	CHECK(plain != NULL && taught != NULL);
	run(&dns, plain, false);
	check_outcome(spf_outcome(plain));
	run(&dns, taught, true);
	check_outcome(spf_outcome(taught));
	check_same(spf_outcome(plain), spf_outcome(taught));
	arena_clear(&arena);
	return 0;
}
