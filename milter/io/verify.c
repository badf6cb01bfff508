#include "milter/io/verify.h"

#include "milter/io/body_guard.h"
#include "milter/io/clock.h"
#include "milter/io/lookup.h"
#include "milter/io/verify_field.h"
#include "milter/io/verify_handle.h"
#include "milter/io/verify_header.h"
#include "policy/taglist.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	/* Of what fields say, of keys, of words. */
	ARENA_BYTES = 4 * 1024 * 1024,
};

#define SIGNATURE_NAME "DKIM-Signature"

struct verify_library {
	DKIM_LIB *lib;
};

enum verifier_state { IN_HEADER, IN_BODY, FINISHED, BROKEN };

/* A signature that is checked. */
struct check {
	size_t which; /* of the fields */
	struct verify_handle handle;
	struct dkim_key_wanted wanted;
	struct dkim_key *key;
};

struct verifier {
	const struct verify_library *library;
	const char *const *authors;
	size_t author_count;
	uint64_t now_s;
	enum verifier_state state;
	struct fault fault; /* the first one; in BROKEN */
	struct arena arena;
	struct verify_header header; /* in IN_HEADER */
	struct verify_field fields[VERIFY_FIELDS];
	size_t count;
	struct check checks[VERIFY_SIGNATURES];
	size_t check_count;
	struct body_guard guard;
	struct verify_signature signatures[VERIFY_FIELDS];
};

struct verify_library *
verify_library_open(struct fault *fault)
{
	struct verify_library *library = calloc(1, sizeof(*library));

	if (library != NULL)
		library->lib = verify_handle_library();
	if (library == NULL || library->lib == NULL) {
		fault_memory(fault);
		verify_library_close(&library);
	} else if (!dkim_libfeature(library->lib, DKIM_FEATURE_SHA256)) {
		fault_set(fault, FAULT_PERMANENT,
		    "libopendkim was built without SHA-256: install the "
		    "distribution's libopendkim11");
		verify_library_close(&library);
	}
	return library;
}

void
verify_library_close(struct verify_library **library)
{
	if (*library == NULL)
		return;
	if ((*library)->lib != NULL)
		dkim_close((*library)->lib);
	free(*library);
	*library = NULL;
}

struct verifier *
verify_begin(const struct verify_library *library, const char *const *authors,
    size_t author_count, struct fault *fault)
{
	struct verifier *verifier = calloc(1, sizeof(*verifier));

	if (verifier == NULL) {
		fault_memory(fault);
		return NULL;
	}
	verifier->library = library;
	verifier->authors = authors;
	verifier->author_count = author_count;
	verifier->now_s = clock_unix_s();
	verifier->state = IN_HEADER;
	arena_init(&verifier->arena, ARENA_BYTES);
	verify_header_init(&verifier->header);
	return verifier;
}

void
verify_end(struct verifier **verifier)
{
	struct verifier *old = *verifier;

	if (old == NULL)
		return;
	for (size_t i = 0; i < old->check_count; i++)
		verify_handle_close(&old->checks[i].handle);
	verify_header_clear(&old->header);
	arena_clear(&old->arena);
	free(old);
	*verifier = NULL;
}

static bool
give_up(struct verifier *verifier, struct fault *fault)
{
	verifier->state = BROKEN;
	if (fault != NULL)
		*fault = verifier->fault;
	return false;
}

/* Is the verifier where this call belongs? */
static bool
is_in(struct verifier *verifier, enum verifier_state state, struct fault *fault)
{
	if (verifier->state == state)
		return true;
	if (verifier->state != BROKEN)
		fault_set(&verifier->fault, FAULT_PERMANENT,
		    "checking signatures: header, body and end came out of "
		    "order");
	return give_up(verifier, fault);
}

bool
verify_header(struct verifier *verifier, const char *name, const char *value,
    size_t value_length, struct fault *fault)
{
	size_t signature = VERIFY_NO_SIGNATURE;

	if (!is_in(verifier, IN_HEADER, fault))
		return false;
	if (verify_header_name_length(name) == strlen(SIGNATURE_NAME)
	    && strncasecmp(name, SIGNATURE_NAME, strlen(SIGNATURE_NAME)) == 0)
		signature = verifier->count;
	if (!verify_header_add(
		&verifier->header, name, value, value_length, signature)) {
		fault_memory(&verifier->fault);
		return give_up(verifier, fault);
	}
	if (signature < VERIFY_FIELDS)
		verify_field_read(&verifier->arena, value, value_length,
		    verifier->now_s, &verifier->fields[verifier->count++]);
	return true;
}

bool
verify_has(
    const struct verifier *verifier, const char *domain, const char *selector)
{
	for (size_t i = 0; i < verifier->check_count; i++) {
		const struct verify_field *field =
		    &verifier->fields[verifier->checks[i].which];

		if (strcmp(field->domain, domain) == 0
		    && strcasecmp(field->selector, selector) == 0)
			return true;
	}
	return false;
}

/* How far a domain is from an author's: 0 to 3. */
static unsigned
distance(const char *domain, const char *author)
{
	if (strcmp(domain, author) == 0)
		return 0;
	if (dns_is_within(domain, author) || dns_is_within(author, domain))
		return 1;
	return dns_labels(domain) >= 2 && dns_labels(author) >= 2
		&& strcmp(dns_suffix(domain, 2), dns_suffix(author, 2)) == 0
	    ? 2
	    : 3;
}

static unsigned
least_distance(const struct verifier *verifier, const char *domain)
{
	unsigned least = 3;

	for (size_t i = 0; i < verifier->author_count; i++) {
		unsigned one = distance(domain, verifier->authors[i]);

		if (one < least)
			least = one;
	}
	return least;
}

/* Choose what is checked, the nearest to an author first. */
static void
choose(struct verifier *verifier)
{
	for (unsigned nearness = 0; nearness <= 3; nearness++)
		for (size_t i = 0; i < verifier->count
		     && verifier->check_count < VERIFY_SIGNATURES;
		     i++)
			if (verifier->fields[i].state == VERIFY_FIELD_GOOD
			    && least_distance(
				   verifier, verifier->fields[i].domain)
				== nearness)
				verifier->checks[verifier->check_count++]
				    .which = i;
}

bool
verify_end_of_header(
    struct verifier *verifier, bool *is_wanted_out, struct fault *fault)
{
	*is_wanted_out = false;
	if (!is_in(verifier, IN_HEADER, fault))
		return false;
	choose(verifier);
	for (size_t i = 0; i < verifier->check_count; i++)
		verify_handle_open(&verifier->checks[i].handle,
		    verifier->library->lib, &verifier->header, verifier->fields,
		    verifier->count, verifier->checks[i].which);
	verify_header_clear(&verifier->header);
	verifier->state = IN_BODY;
	*is_wanted_out = verifier->count > 0;
	return true;
}

/* Give the library what it can hash; which it is, the guard says. */
static void
feed_body(struct verifier *verifier, const unsigned char *data, size_t length)
{
	body_guard_take(&verifier->guard, data, length);
	for (size_t i = 0; i < verifier->check_count; i++) {
		struct check *check = &verifier->checks[i];

		if (verifier->guard.has_lone)
			verify_handle_fail(&check->handle,
			    "the body has a CR or LF that is no CRLF");
		else if (verifier->guard.has_long_word
		    && verifier->fields[check->which].is_body_relaxed)
			verify_handle_fail(&check->handle,
			    "a line of the body is too long for libopendkim");
		else
			verify_handle_body(&check->handle, data, length);
	}
}

bool
verify_body(struct verifier *verifier, const unsigned char *data, size_t length,
    struct fault *fault)
{
	if (!is_in(verifier, IN_BODY, fault))
		return false;
	if (verifier->check_count > 0 && length > 0)
		feed_body(verifier, data, length);
	return true;
}

/* Ask for all keys, side by side. */
static void
look_up_keys(struct verifier *verifier, struct resolver_asker *asker)
{
	struct lookup lookup;

	lookup_init(&lookup, asker);
	for (size_t i = 0; i < verifier->check_count; i++) {
		struct check *check = &verifier->checks[i];
		const struct verify_field *field =
		    &verifier->fields[check->which];

		if (check->handle.dkim == NULL)
			continue;
		check->wanted = (struct dkim_key_wanted){
			.domain = field->domain,
			.selector = field->selector,
			.type = field->key_type,
		};
		check->key = dkim_key_begin(&check->wanted, &verifier->arena);
		if (check->key != NULL
		    && !lookup_add(&lookup, &dkim_key_machine, check->key))
			check->key = NULL;
	}
	lookup_run(&lookup);
}

/* What the library is to know of a key's record: all else was judged. NULL:
 * no memory. */
static const char *
record_of(struct verifier *verifier, const struct dkim_key_finding *finding,
    enum dkim_key_type type)
{
	static const struct taglist_rules rules = { .blanks = " \t\r\n",
		.is_name_case_sensitive = true };
	struct taglist list;
	struct tag tag = { 0 };

	if (finding->record == NULL
	    || !taglist_init(
		&list, &rules, finding->record, strlen(finding->record)))
		return NULL;
	while (taglist_next(&list, &tag))
		if (taglist_is(&list, &tag, "p"))
			return arena_printf(&verifier->arena, "k=%s; p=%.*s",
			    type == DKIM_KEY_RSA ? "rsa" : "ed25519",
			    (int)tag.value_length, tag.value);
	return NULL;
}

/* What the key's record says of a signature; VERIFY_GOOD: nothing against
 * it. */
static enum verify_state
judge_key(struct verifier *verifier, const struct check *check,
    const struct dkim_key_finding *finding, const char **words_out)
{
	const struct verify_field *field = &verifier->fields[check->which];
	struct arena *arena = &verifier->arena;

	*words_out = NULL;
	switch (finding->state) {
	case DKIM_KEY_GOOD:
		/* Only RSA keys have bits. */
		if ((finding->bits > 0) != (field->key_type == DKIM_KEY_RSA)) {
			*words_out = "its key is of another kind than its a=";
			return VERIFY_BAD;
		}
		if (!finding->is_strict
		    || strcmp(field->identity_domain, field->domain) == 0)
			return VERIFY_GOOD;
		*words_out = "its key has t=s, and the domain of i= isn't d=";
		return VERIFY_BAD;
	case DKIM_KEY_LOST:
		*words_out = arena_printf(arena,
		    "no answer about its key at %s._domainkey.%s",
		    field->selector, field->domain);
		return VERIFY_LOST;
	case DKIM_KEY_MISSING:
		*words_out = arena_printf(arena, "no key at %s._domainkey.%s",
		    field->selector, field->domain);
		return VERIFY_BAD;
	case DKIM_KEY_REVOKED:
		*words_out = arena_printf(arena,
		    "its key at %s._domainkey.%s is revoked", field->selector,
		    field->domain);
		return VERIFY_BAD;
	case DKIM_KEY_BAD:
	case DKIM_KEY_DIFFERENT:
		*words_out = arena_strdup(arena, finding->words);
		return VERIFY_BAD;
	}
	return VERIFY_LOST;
}

/* Check one; its key, if it was to be had, is known. */
static void
finish_check(struct verifier *verifier, struct check *check)
{
	struct verify_signature *signature =
	    &verifier->signatures[check->which];
	const struct dkim_key_finding *finding =
	    check->key != NULL ? dkim_key_finding(check->key) : NULL;
	const char *record;

	if (check->handle.dkim == NULL || finding == NULL) {
		signature->state = VERIFY_LOST;
		signature->words = check->handle.words;
		return;
	}
	signature->state =
	    judge_key(verifier, check, finding, &signature->words);
	if (signature->state != VERIFY_GOOD)
		return;
	record = record_of(verifier, finding, check->wanted.type);
	if (record == NULL) {
		signature->state = VERIFY_LOST;
		return;
	}
	signature->state =
	    verify_handle_finish(&check->handle, record, &signature->words);
	signature->is_partial = signature->state == VERIFY_GOOD
	    && verify_handle_is_partial(&check->handle);
}

/* What is known of every field before any is checked. */
static void
list_fields(struct verifier *verifier)
{
	for (size_t i = 0; i < verifier->count; i++) {
		const struct verify_field *field = &verifier->fields[i];
		struct verify_signature *signature = &verifier->signatures[i];

		signature->domain = field->domain;
		signature->selector = field->selector;
		signature->words = field->words;
		switch (field->state) {
		case VERIFY_FIELD_BAD:
			signature->state = VERIFY_BAD;
			break;
		case VERIFY_FIELD_BEYOND:
			signature->state = VERIFY_LOST;
			break;
		case VERIFY_FIELD_GOOD:
			signature->state = VERIFY_SKIPPED;
			signature->words = "other signatures were nearer to "
					   "the author";
			break;
		}
	}
}

/* After a fault nothing is known of what isn't bad in itself. */
static void
lose_all(struct verifier *verifier)
{
	for (size_t i = 0; i < verifier->count; i++)
		if (verifier->signatures[i].state != VERIFY_BAD) {
			verifier->signatures[i].state = VERIFY_LOST;
			verifier->signatures[i].words = verifier->fault.words;
		}
}

static void
finish(struct verifier *verifier, struct resolver_asker *asker)
{
	static const unsigned char line_end[] = "\r\n";

	if (verifier->check_count == 0)
		return;
	if (body_guard_lacks_end(&verifier->guard))
		feed_body(verifier, line_end, 2);
	look_up_keys(verifier, asker);
	for (size_t i = 0; i < verifier->check_count; i++)
		finish_check(verifier, &verifier->checks[i]);
}

void
verify_finish(struct verifier *verifier, struct resolver_asker *asker,
    const struct verify_signature **signatures_out, size_t *count_out)
{
	*signatures_out = verifier->signatures;
	*count_out = verifier->count;
	if (verifier->state == FINISHED)
		return;
	list_fields(verifier);
	if (is_in(verifier, IN_BODY, NULL))
		finish(verifier, asker);
	else
		lose_all(verifier);
	for (size_t i = 0; i < verifier->count; i++)
		if (verifier->signatures[i].state != VERIFY_GOOD
		    && verifier->signatures[i].words == NULL)
			verifier->signatures[i].words = "no memory";
	verifier->state = FINISHED;
}
