#include "tests/unit/spf_told.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

const struct told told_typical[TOLD_TYPICAL] = {
	{ "example.com", DNS_TXT,
	    "v=spf1 a mx include:one.example.net include:two.example.net "
	    "exp=why.example.com -all",
	    3600 },
	{ "example.com", DNS_A, "203.0.113.1", 500 },
	{ "example.com", DNS_MX, "mx1.example.com", 400 },
	{ "example.com", DNS_MX, "mx2.example.com", 400 },
	{ "mx1.example.com", DNS_A, "203.0.113.2", 300 },
	{ "mx2.example.com", DNS_A, "203.0.113.3", 200 },
	{ "one.example.net", DNS_TXT,
	    "v=spf1 ip4:203.0.113.4 include:three.example.net "
	    "include:four.example.net ~all",
	    250 },
	{ "two.example.net", DNS_TXT, "v=spf1 a:host.example.net -all", 240 },
	{ "three.example.net", DNS_TXT, "v=spf1 ip4:203.0.113.5 -all", 230 },
	{ "four.example.net", DNS_TXT, "v=spf1 redirect=five.example.net",
	    220 },
	{ "five.example.net", DNS_TXT, "v=spf1 ip4:192.0.2.5 ?all", 210 },
	{ "host.example.net", DNS_A, "192.0.2.7", 100 },
	{ "why.example.com", DNS_TXT, "%{i} is not ours (%{r}, %{t})", 50 },
};

void
told_answer(const struct told *told, size_t count,
    const struct dns_question *question, struct dns_answer *answer_out,
    struct dns_record records[TOLD_MOST])
{
	*answer_out = (struct dns_answer){
		.status = DNS_NXDOMAIN, .ttl_s = 300, .records = records
	};
	for (size_t i = 0; i < count; i++) {
		struct dns_record *record = &records[answer_out->count];

		if (told[i].type != question->type
		    || strcmp(told[i].name, question->name) != 0)
			continue;
		answer_out->ttl_s = told[i].ttl_s;
		answer_out->status = DNS_LOST;
		if (told[i].value == NULL)
			return;
		answer_out->status = DNS_FOUND;
		answer_out->count++;
		assert_true(answer_out->count <= TOLD_MOST);
		memset(record, 0, sizeof(*record));
		if (question->type == DNS_TXT) {
			record->text = told[i].value;
			record->text_length = strlen(told[i].value);
		} else if (question->type == DNS_MX
		    || question->type == DNS_PTR) {
			record->name = told[i].value;
		} else {
			assert_true(
			    network_address(told[i].value, &record->address));
		}
	}
}

void
told_next(struct spf *spf, const struct told *told, size_t count)
{
	const struct dns_question *question = spf_machine.asks(spf);
	struct dns_record records[TOLD_MOST];
	struct dns_answer answer;

	assert_non_null(question);
	told_answer(told, count, question, &answer, records);
	spf_machine.answer(spf, &answer);
}

size_t
told_run(struct spf *spf, const struct told *told, size_t count)
{
	size_t asked = 0;

	for (; spf_machine.asks(spf) != NULL; asked++) {
		assert_true(asked < SPF_QUESTIONS);
		told_next(spf, told, count);
	}
	return asked;
}

void
told_text(struct spf *spf, const char *text, size_t length)
{
	struct dns_record record = { .text = text, .text_length = length };
	struct dns_answer answer = { .status = DNS_FOUND,
		.ttl_s = 300,
		.records = &record,
		.count = 1 };

	spf_machine.answer(spf, &answer);
}

struct spf_identity
told_identity(const char *client)
{
	struct spf_identity identity = { .domain = "example.com",
		.local = "u",
		.helo = "mx.example.org",
		.wants_explanation = true };

	assert_true(network_address(client, &identity.client));
	return identity;
}
