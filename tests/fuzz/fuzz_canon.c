/* fuzz_canon: any octets as a body and as a header field, whole and cut into
 * pieces, against the RFC's own steps. The first octets say where the cuts
 * are. */
#include "policy/canon.h"
#include "tests/unit/canon_model.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                 \
	do {                                                             \
		if (!(condition)) {                                      \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, \
			    __LINE__, #condition);                       \
			abort();                                         \
		}                                                        \
	} while (0)

enum { CUT_OCTETS = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct canon_gathered *got, const unsigned char *wanted,
    size_t length)
{
	CHECK(!got->has_overrun && !got->has_empty);
	CHECK(got->length == length);
	CHECK(memcmp(got->data, wanted, length) == 0);
}

/* In pieces of each length that cuts says, over and over. */
static void
feed(struct canon_body *body, const uint8_t *cuts, const uint8_t *data,
    size_t size)
{
	for (size_t i = 0; size > 0; i++) {
		size_t piece = cuts[i % CUT_OCTETS] + (size_t)1;

		if (piece > size)
			piece = size;
		canon_body_add(body, data, piece);
		data += piece;
		size -= piece;
	}
}

static void
check_body(enum canonicalization canon, const uint8_t *cuts,
    const uint8_t *data, size_t size, struct canon_gathered *gathered,
    unsigned char *wanted)
{
	size_t length = canon_model_body(canon, data, size, wanted);
	struct canon_body body;
	struct canon_sink sink;

	for (int is_cut = 0; is_cut < 2; is_cut++) {
		gathered->length = 0;
		canon_sink_init(&sink, canon_gather, gathered);
		canon_body_init(&body, canon, &sink);
		if (is_cut)
			feed(&body, cuts, data, size);
		else
			canon_body_add(&body, data, size);
		canon_body_end(&body);
		check(gathered, wanted, length);
	}
}

static void
check_header(enum canonicalization canon, const uint8_t *data, size_t size,
    struct canon_gathered *gathered, unsigned char *wanted)
{
	size_t length = canon_model_header(canon, data, size, true, wanted);
	struct canon_sink sink;

	gathered->length = 0;
	canon_sink_init(&sink, canon_gather, gathered);
	canon_header(canon, (const char *)data, size, true, &sink);
	canon_sink_flush(&sink);
	check(gathered, wanted, length);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct canon_gathered gathered = { 0 };
	unsigned char *wanted;
	uint8_t *copy;

	if (size < CUT_OCTETS)
		return 0;
	/* Memory that ends where the text does. */
	copy = malloc(size - CUT_OCTETS + 1);
	gathered.room = size + CANON_MODEL_MORE;
	gathered.data = malloc(gathered.room);
	wanted = malloc(gathered.room);
	if (copy == NULL || gathered.data == NULL || wanted == NULL)
		abort();
	memcpy(copy + 1, data + CUT_OCTETS, size - CUT_OCTETS);
	for (int i = CANON_SIMPLE; i <= CANON_RELAXED; i++) {
		enum canonicalization canon = (enum canonicalization)i;

		check_body(canon, data, copy + 1, size - CUT_OCTETS, &gathered,
		    wanted);
		check_header(
		    canon, copy + 1, size - CUT_OCTETS, &gathered, wanted);
	}
	free(copy);
	free(gathered.data);
	free(wanted);
	return 0;
}
