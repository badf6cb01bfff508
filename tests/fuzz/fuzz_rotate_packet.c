/* fuzz_rotate_packet: any octets as the answer of a name server, and as the
 * state of a rotation. Beside what a sanitizer sees, it checks that what was
 * read is what the DNS can have, and that a state that was read is written and
 * read again as the same. Built with clang's -fsanitize=fuzzer,address,
 * undefined. */
#include "milter/ctl/rotate_packet.h"
#include "milter/ctl/rotate_state.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES = 16 << 20 };

static const char name[] = "s._domainkey.a.example";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_answer(const struct rotate_answer *answer)
{
	switch (answer->said) {
	case ROTATE_SAID_RECORDS:
		assert(answer->count > 0);
		for (size_t i = 0; i < answer->count; i++)
			assert(answer->records[i]
				   .text[answer->records[i].text_length]
			    == '\0');
		break;
	case ROTATE_SAID_ALIAS:
		assert(answer->name != NULL);
		break;
	case ROTATE_SAID_BELOW:
		assert(dns_is_within(name, answer->name));
		for (size_t i = 0; i < answer->name_count; i++)
			assert(answer->names[i] != NULL);
		break;
	case ROTATE_SAID_UNKNOWN:
		assert(answer->words != NULL);
		break;
	case ROTATE_SAID_NOTHING:
		break;
	}
}

static void
read_packet(const uint8_t *data, size_t size)
{
	unsigned char query[ROTATE_PACKET_QUERY_BYTES];
	struct rotate_answer answer;
	struct arena arena;

	(void)rotate_packet_ask(query, 1, name, true);
	(void)rotate_packet_fits(data, size, query);
	(void)rotate_packet_is_cut(data, size);
	(void)rotate_packet_is_old(data, size);
	arena_init(&arena, ARENA_BYTES);
	if (rotate_packet_read(data, size, name, &arena, &answer))
		check_answer(&answer);
	arena_clear(&arena);
}

static void
read_state(const uint8_t *data, size_t size)
{
	static char text[ROTATE_STATE_BYTES], again[ROTATE_STATE_BYTES];
	static struct rotation rotation;

	if (size >= sizeof(text))
		return;
	memcpy(text, data, size);
	text[size] = '\0';
	if (!rotate_state_parse(text, &rotation, NULL))
		return;
	assert(rotate_state_format(&rotation, text, sizeof(text)));
	memcpy(again, text, sizeof(text));
	assert(rotate_state_parse(again, &rotation, NULL));
	assert(rotate_state_format(&rotation, again, sizeof(again)));
	assert(strcmp(text, again) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] == 'p')
		read_state(data, size);
	else
		read_packet(data, size);
	return 0;
}
