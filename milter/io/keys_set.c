#include "milter/io/keys_set.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/* One block for all that has a fixed size: there is one for each domain. */
struct key_set *
keys_set_open(const char *domain, size_t most)
{
	size_t domain_size = strlen(domain) + 1;
	struct key_set *set = calloc(1,
	    sizeof(*set) + most * sizeof(set->keys[0])
		+ most * sizeof(set->origins[0]) + domain_size);
	char *text;

	if (set == NULL)
		return NULL;
	set->holders = 1;
	set->most = most;
	set->ring.keys = set->keys;
	set->origins = (struct key_origin *)(void *)(set->keys + most);
	text = (char *)(set->origins + most);
	memcpy(text, domain, domain_size);
	set->domain = text;
	return set;
}

/* Make room for a key with this selector. */
static size_t
place_for(struct key_set *set, const char *selector)
{
	size_t place = set->ring.count;

	for (; place > 0 && strcmp(set->keys[place - 1].selector, selector) > 0;
	     place--) {
		set->keys[place] = set->keys[place - 1];
		set->origins[place] = set->origins[place - 1];
	}
	return place;
}

bool
keys_set_take(struct key_set *set, const char *selector, struct parsed_key *key,
    const struct key_stamp *stamp)
{
	char *name = strdup(selector);
	size_t place;

	assert(set->ring.count < set->most);
	if (name == NULL)
		return false;
	place = place_for(set, name);
	set->keys[place] = (struct key){
		.domain = set->domain,
		.selector = name,
		.algorithm = key->algorithm,
		.pkey = key->pkey,
	};
	set->origins[place] = (struct key_origin){ 0 };
	if (stamp != NULL)
		set->origins[place].stamp = *stamp;
	set->ring.count++;
	*key = (struct parsed_key){ 0 };
	return true;
}

bool
keys_set_borrow(
    struct key_set *set, const char *selector, struct key_set *lender)
{
	char *name = strdup(selector);
	size_t place;

	assert(set->ring.count < set->most);
	assert(lender->ring.count == 1);
	if (name == NULL)
		return false;
	place = place_for(set, name);
	set->keys[place] = lender->keys[0];
	set->keys[place].domain = set->domain;
	set->keys[place].selector = name;
	set->origins[place] = (struct key_origin){ .lender = lender };
	lender->holders++;
	set->ring.count++;
	return true;
}

void
keys_set_drop(struct key_set *set, struct key_set **garbage)
{
	if (set == NULL || --set->holders > 0)
		return;
	/* Lenders borrow nothing: this goes no deeper. */
	for (size_t i = 0; i < set->ring.count; i++)
		keys_set_drop(set->origins[i].lender, garbage);
	set->next = *garbage;
	*garbage = set;
}

static void
set_free(struct key_set *set)
{
	for (size_t i = 0; i < set->ring.count; i++) {
		/* The strings were made by malloc(), for this set. */
		free((char *)(uintptr_t)set->keys[i].selector);
		if (set->origins[i].lender != NULL)
			continue;
		EVP_PKEY_free(set->keys[i].pkey);
	}
	free(set);
}

void
keys_set_free_all(struct key_set **garbage)
{
	while (*garbage != NULL) {
		struct key_set *set = *garbage;

		*garbage = set->next;
		set_free(set);
	}
}

void
keys_set_close(struct key_set **set)
{
	struct key_set *garbage = NULL;

	keys_set_drop(*set, &garbage);
	*set = NULL;
	keys_set_free_all(&garbage);
}
