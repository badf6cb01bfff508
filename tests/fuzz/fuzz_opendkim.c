/* Any octets as OpenDKIM's tables and as addresses to be found in them. The
 * input is a KeyTable, a SigningTable and addresses, with a line "%%" between
 * them; a first octet "r" makes a refile of the second. Built with clang's
 * -fsanitize=fuzzer,address,undefined. */
#include "conf/opendkim.h"
#include "policy/address.h"
#include "policy/dkim_signature.h"
#include "policy/signing.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	MOST = 8,
	ARENA_BYTES = 16 * 1024 * 1024,
	PARTS = 3,
	QUESTIONS = 24, /* more would only take longer */
	LONG_RUN = 24,
};

struct part {
	const char *data;
	size_t size;
};

/* A file that a path leads to. */
struct table {
	int descriptor;
	char path[64];
};

static void
table_open(struct table *table, const struct part *part)
{
	table->descriptor = memfd_create("table", MFD_CLOEXEC);
	assert(table->descriptor >= 0);
	assert(write(table->descriptor, part->data, part->size)
	    == (ssize_t)part->size);
	snprintf(table->path, sizeof(table->path), "/proc/self/fd/%d",
	    table->descriptor);
}

/* Of what may be a key no more than a piece is told, be it in lower case, as
 * patterns are. */
static bool
has_long_run(const char *words)
{
	static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz"
				     "0123456789+/=";

	for (size_t run; *words != '\0'; words += run > 0 ? run : 1) {
		run = strspn(words, base64);
		if (run >= LONG_RUN)
			return true;
	}
	return false;
}

static void
complain(void *context, const struct fault *fault)
{
	size_t *count = context;

	++*count;
	assert(strncmp(fault->words, "/proc/self/fd/", 14) == 0);
	assert(!has_long_run(fault->words));
	for (const char *c = fault->words; *c != '\0'; c++)
		assert((unsigned char)*c >= ' ' && *c != '\x7f');
}

static void
check_key(const struct opendkim_key *key, bool is_answer)
{
	struct arena arena;
	const char *domain;

	assert(key->name[0] != '\0' && key->key[0] != '\0' && key->line > 0);
	assert(key->is_inline || key->key[0] == '/');
	assert(signing_is_selector(key->selector));
	if (!is_answer && strcmp(key->domain, "%") == 0)
		return;
	arena_init(&arena, ARENA_BYTES);
	assert(address_domain(
	    &arena, key->domain, strlen(key->domain), &domain, NULL));
	assert(strcmp(domain, key->domain) == 0);
	/* Whoever signs takes it. */
	assert(key->identity == NULL
	    || dkim_signature_identity(key->identity, key->domain, &arena, NULL)
		!= NULL);
	arena_clear(&arena);
}

static bool
take(void *context, const struct opendkim_key *key)
{
	size_t *count = context;

	++*count;
	check_key(key, false);
	return true;
}

/* What is found if fewer are wanted begins what is found. */
static void
check_answer(const struct opendkim_key *keys, size_t count,
    const struct opendkim_key *fewer, size_t fewer_count, size_t most)
{
	assert(count <= MOST && fewer_count == (count < most ? count : most));
	for (size_t i = 0; i < count; i++)
		check_key(&keys[i], true);
	for (size_t i = 0; i < fewer_count; i++)
		assert(keys[i].line == fewer[i].line
		    && strcmp(keys[i].key, fewer[i].key) == 0);
}

static void
ask(const struct opendkim_tables *tables, struct arena *arena,
    const char *local, const char *domain)
{
	struct opendkim_key keys[MOST];
	struct opendkim_key fewer[MOST];
	size_t count;
	size_t fewer_count;

	for (size_t most = 0; most < 3; most++) {
		assert(opendkim_match(
		    tables, local, domain, arena, keys, MOST, &count));
		assert(opendkim_match(
		    tables, local, domain, arena, fewer, most, &fewer_count));
		check_answer(keys, count, fewer, fewer_count, most);
		assert(opendkim_of_domain(
		    tables, domain, arena, keys, MOST, &count));
		assert(opendkim_of_domain(
		    tables, domain, arena, fewer, most, &fewer_count));
		check_answer(keys, count, fewer, fewer_count, most);
		for (size_t i = 0; i < count; i++)
			assert(strcmp(keys[i].domain, domain) == 0);
	}
}

static void
ask_all(const struct opendkim_tables *tables, const struct part *addresses)
{
	const char *at = addresses->data;
	size_t left = addresses->size;

	for (int i = 0; i < QUESTIONS && left > 0; i++) {
		const char *end = memchr(at, '\n', left);
		size_t length = end != NULL ? (size_t)(end - at) : left;
		const char *mark = memrchr(at, '@', length);
		struct arena arena;
		const char *domain;

		arena_init(&arena, ARENA_BYTES);
		if (mark != NULL
		    && address_domain(&arena, mark + 1,
			length - (size_t)(mark + 1 - at), &domain, NULL))
			ask(tables, &arena,
			    arena_copy(&arena, at, (size_t)(mark - at)),
			    domain);
		arena_clear(&arena);
		length += end != NULL;
		at += length;
		left -= length;
	}
}

/* The parts of an input; those that aren't there are empty. */
static void
split(const char *data, size_t size, struct part parts_out[PARTS])
{
	static const char between[] = "\n%%\n";

	for (size_t i = 0; i < PARTS; i++) {
		const char *end = i + 1 < PARTS
		    ? memmem(data, size, between, sizeof(between) - 1)
		    : NULL;
		size_t length = end != NULL ? (size_t)(end - data) : size;

		parts_out[i] = (struct part){ data, length };
		if (end != NULL)
			length += sizeof(between) - 1;
		data += length;
		size -= length;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	bool is_refile = size > 0 && text[0] == 'r';
	struct part parts[PARTS];
	struct table key_table;
	struct table signing_table;
	struct opendkim_tables *tables;
	struct fault fault;
	size_t told = 0;
	size_t bad;
	size_t count = 0;

	split(text + is_refile, size - is_refile, parts);
	table_open(&key_table, &parts[0]);
	table_open(&signing_table, &parts[1]);
	tables = opendkim_read(key_table.path, signing_table.path, is_refile,
	    complain, &told, &bad, &fault);
	assert(tables != NULL);
	assert(told <= bad + 2 && told <= 202);
	opendkim_each(tables, take, &count);
	ask_all(tables, &parts[2]);
	opendkim_free(&tables);
	close(key_table.descriptor);
	close(signing_table.descriptor);
	return 0;
}
