/* fuzz_dmarc: any octets as a DMARC record, and as what the DNS says during a
 * whole evaluation. The first line names the author domain and identifiers,
 * parted by blanks; each further line is the next answer, or several records
 * parted by '|': "!" lost, "-" no such name, "." nothing of the type. Beside
 * what a sanitizer sees, it checks what everybody relies on: that the machine
 * comes to its end within what it promises, asks for names only, and that its
 * findings hold together. Built with clang's
 * -fsanitize=fuzzer,address,undefined. */
#include "policy/dmarc.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ARENA_BYTES = 16 << 20,
	NAMES = 1 + DMARC_IDENTIFIERS,
	RECORDS = 4,
	ROOM = 300,
	QUESTIONS = DMARC_WALK * NAMES + 2, /* walks, suffix, existence */
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

/* The names that can be some; the organizational domain is taken to be the last
 * two labels. */
static size_t
read_names(
    struct input line, struct arena *arena, struct dmarc_domain domains[NAMES])
{
	size_t count = 0;

	while (line.left > 0 && count < NAMES) {
		struct input word = take(&line, ' ');
		const char *name = arena_copy(arena, word.at, word.left);

		CHECK(name != NULL);
		if (dns_is_name(name))
			domains[count++] =
			    (struct dmarc_domain){ name, dns_suffix(name, 2) };
	}
	return count;
}

static void
read_answer(struct input line, struct dns_answer *answer,
    struct dns_record records[RECORDS])
{
	*answer = (struct dns_answer){
		.status = DNS_FOUND, .ttl_s = 60, .records = records
	};
	if (line.left == 1 && line.at[0] == '!')
		answer->status = DNS_LOST;
	else if (line.left == 0 || (line.left == 1 && line.at[0] == '-'))
		answer->status = DNS_NXDOMAIN;
	else if (line.left == 1 && line.at[0] == '.')
		answer->status = DNS_NODATA;
	if (answer->status != DNS_FOUND)
		return;
	for (; line.left > 0 && answer->count < RECORDS; answer->count++) {
		struct input record = take(&line, '|');

		records[answer->count] = (struct dns_record){
			.text = record.at,
			.text_length = record.left,
		};
	}
}

static void
check_hints(const struct dmarc *dmarc)
{
	struct dns_question hints[ROOM];
	size_t count = dmarc_machine.hints(dmarc, hints, ROOM);

	CHECK(count < ROOM);
	for (size_t i = 0; i < count; i++) {
		CHECK(dns_is_name(hints[i].name));
		CHECK(hints[i].name != dmarc_machine.asks(dmarc)->name
		    || hints[i].type != dmarc_machine.asks(dmarc)->type);
	}
}

static void
check_finding(
    const struct dmarc_question *question, const struct dmarc_finding *finding)
{
	const char *author = question->author.domain;

	CHECK(finding->policy <= finding->asked);
	if (finding->status == DMARC_FOUND) {
		CHECK(finding->problem == NULL && finding->text != NULL);
		CHECK(finding->tag != NULL && finding->policy_domain != NULL);
		CHECK(dns_is_within(author, finding->policy_domain));
	}
	if (finding->status == DMARC_LOST)
		CHECK(finding->problem != NULL);
	if (finding->org_domain != NULL)
		CHECK(dns_is_within(author, finding->org_domain));
	for (size_t i = 0; i < question->count; i++) {
		bool is_same =
		    strcmp(question->identifiers[i].domain, author) == 0;

		CHECK(is_same == (finding->by_dkim[i] == DMARC_STRICTLY));
		CHECK(is_same == (finding->by_spf[i] == DMARC_STRICTLY));
		CHECK(finding->status != DMARC_FOUND
		    || !finding->record.is_dkim_strict || is_same
		    || finding->by_dkim[i] == DMARC_NOT_ALIGNED);
	}
}

static void
check_walk(struct input input)
{
	const bool wants[DMARC_STANDARDS] = { true, true };
	struct dmarc_domain domains[NAMES];
	struct dmarc_question question;
	struct arena arena;
	struct dmarc *dmarc;
	size_t count, asked = 0;

	arena_init(&arena, ARENA_BYTES);
	count = read_names(take(&input, '\n'), &arena, domains);
	if (count > 0) {
		question = (struct dmarc_question){ .author = domains[0],
			.identifiers = domains + 1,
			.count = count - 1 };
		dmarc = dmarc_begin(&question, wants, &arena);
		CHECK(dmarc != NULL);
		for (; dmarc_machine.asks(dmarc) != NULL; asked++) {
			struct dns_record records[RECORDS];
			struct dns_answer answer;

			CHECK(asked < QUESTIONS);
			CHECK(dns_is_name(dmarc_machine.asks(dmarc)->name));
			check_hints(dmarc);
			read_answer(take(&input, '\n'), &answer, records);
			dmarc_machine.answer(dmarc, &answer);
		}
		CHECK(dmarc_machine.hints(dmarc, NULL, 0) == 0);
		for (int i = 0; i < DMARC_STANDARDS; i++)
			check_finding(&question, &dmarc_outcome(dmarc)->by[i]);
	}
	arena_clear(&arena);
}

/* A blank or a semicolon at the end changes no record. */
static void
check_record(const char *text, size_t length)
{
	struct dmarc_record record, again;
	char *longer;
	bool is_record = dmarc_record_read(text, length, &record);

	CHECK(record.percent <= 100);
	if (!is_record)
		return;
	CHECK(length >= 8 && length <= DMARC_RECORD_OCTETS);
	if (length == DMARC_RECORD_OCTETS)
		return;
	longer = malloc(length + 1);
	CHECK(longer != NULL);
	memcpy(longer, text, length);
	longer[length] = ';';
	CHECK(dmarc_record_read(longer, length + 1, &again));
	CHECK(record.p.is_valid == again.p.is_valid);
	CHECK(record.p.policy == again.p.policy);
	CHECK(record.percent == again.percent);
	CHECK(record.has_report_address == again.has_report_address);
	free(longer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;

	check_record(text, size);
	check_walk((struct input){ text, size });
	return 0;
}
