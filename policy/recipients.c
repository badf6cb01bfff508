#include "policy/recipients.h"

#include "policy/address.h"
#include "policy/text.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { DIGEST_OCTETS = 8, FIRST_ROOM = 64 };

/* The text that stands for all ways to write one address. NULL for want of
 * memory. */
static const char *
canonical(const char *path, struct arena *arena)
{
	struct fault fault = { .kind = FAULT_NONE };
	struct mailbox mailbox;
	bool is_null = false;
	char *text;

	if (!address_path(arena, path, &mailbox, &is_null, &fault)) {
		if (fault.kind == FAULT_MEMORY)
			return NULL;
		return path;
	}
	if (is_null)
		return path;
	text = arena_strdup(arena, mailbox.text);
	if (text != NULL)
		text_lower(text);
	return text;
}

bool
recipients_digest(const char *path, struct arena *arena, uint64_t *digest_out)
{
	unsigned char octets[EVP_MAX_MD_SIZE];
	const char *text = canonical(path, arena);

	if (text == NULL
	    || EVP_Digest(text, strlen(text), octets, NULL, EVP_sha256(), NULL)
		!= 1)
		return false;
	*digest_out = 0;
	for (size_t i = 0; i < DIGEST_OCTETS; i++)
		*digest_out = *digest_out << 8 | octets[i];
	return true;
}

/* An arena can't make an array longer: the old one stays in it. Since each is
 * twice the one before, all of them are no more than twice the last. */
static bool
make_room(struct message_facts *facts, struct arena *arena)
{
	size_t room = facts->recipients_room > 0 ? facts->recipients_room * 2
						 : FIRST_ROOM;
	uint64_t *list;

	if (room > FACTS_RECIPIENTS)
		room = FACTS_RECIPIENTS;
	list = arena_alloc(arena, room * sizeof(*list));
	if (list == NULL)
		return false;
	if (facts->recipients_kept > 0)
		memcpy(list, facts->recipients,
		    facts->recipients_kept * sizeof(*list));
	facts->recipients = list;
	facts->recipients_room = room;
	return true;
}

bool
recipients_add(
    struct message_facts *facts, struct arena *arena, uint64_t digest)
{
	if (facts->recipients_kept >= FACTS_RECIPIENTS)
		return true;
	if (facts->recipients_kept == facts->recipients_room
	    && !make_room(facts, arena))
		return false;
	facts->recipients[facts->recipients_kept++] = digest;
	return true;
}

static int
compare(const void *one, const void *other)
{
	uint64_t first = *(const uint64_t *)one;
	uint64_t second = *(const uint64_t *)other;

	return (first > second) - (first < second);
}

bool
recipients_list(const struct message_facts *facts, struct arena *arena,
    const uint64_t **list_out, size_t *count_out)
{
	size_t kept = facts->recipients_kept;
	uint64_t *list = arena_alloc(arena, kept * sizeof(*list));
	size_t count = 0;

	*list_out = list;
	*count_out = 0;
	if (list == NULL)
		return false;
	if (kept == 0)
		return true;
	memcpy(list, facts->recipients, kept * sizeof(*list));
	qsort(list, kept, sizeof(*list), compare);
	for (size_t i = 0; i < kept; i++)
		if (count == 0 || list[i] != list[count - 1])
			list[count++] = list[i];
	*count_out = count;
	return true;
}
