#include "milter/io/store_guard_mirror.h"

#include "milter/io/store_memory_overrides.h"

#include <string.h>

/* Two stores' clocks can't be compared exactly. */
enum { SAME_TIME_MS = 2000 };

uint64_t
guard_share(uint64_t max, uint64_t percent)
{
	if (max == UINT64_MAX || percent >= 100)
		return max;
	/* Divided first, so that nothing overflows. */
	return max / 100 * percent + (max % 100 * percent + 99) / 100;
}

static bool
is_block(const char *limit_name)
{
	for (int key = 0; key < LIMIT_KEY_COUNT; key++) {
		const struct limit *block = limits_block((enum limit_key)key);

		if (block != NULL && strcmp(block->name, limit_name) == 0)
			return true;
	}
	return false;
}

struct store_override
guard_share_override(const struct store_override *override, uint64_t percent)
{
	struct store_override shared = *override;

	if (!is_block(override->limit_name))
		shared.max = guard_share(override->max, percent);
	return shared;
}

struct mirror {
	struct memory_overrides *wanted; /* what inner has */
	struct memory_overrides *same;   /* of those, what local has too */
	struct memory_overrides *gone;   /* what local has and inner hasn't */
	uint64_t percent;
	uint64_t ahead_ms;  /* local's clock, of inner's */
	uint64_t behind_ms; /* or this, if it isn't */
	bool has_memory;
};

/* Ends are kept with local's times; nothing here has ended at 0. */
static bool
note_wanted(void *context, const struct store_override *override)
{
	struct mirror *mirror = context;
	struct store_override own =
	    guard_share_override(override, mirror->percent);

	if (own.until_ms > UINT64_MAX - mirror->ahead_ms)
		own.until_ms = 0;
	else if (own.until_ms > mirror->behind_ms)
		own.until_ms += mirror->ahead_ms - mirror->behind_ms;
	mirror->has_memory =
	    memory_overrides_set(mirror->wanted, &own, 0, NULL);
	return mirror->has_memory;
}

static bool
is_same_time(uint64_t one, uint64_t other)
{
	if (one == 0 || other == 0)
		return one == other;
	return (one > other ? one - other : other - one) <= SAME_TIME_MS;
}

static bool
note_local(void *context, const struct store_override *own)
{
	struct mirror *mirror = context;
	const struct store_override *wanted =
	    memory_overrides_find(mirror->wanted, own->limit_name, own->key, 0);

	if (wanted == NULL)
		mirror->has_memory =
		    memory_overrides_set(mirror->gone, own, 0, NULL);
	else if (wanted->max == own->max
	    && is_same_time(wanted->until_ms, own->until_ms)
	    && strcmp(wanted->words, own->words) == 0)
		mirror->has_memory =
		    memory_overrides_set(mirror->same, own, 0, NULL);
	return mirror->has_memory;
}

static bool
compare(struct mirror *mirror, struct store *inner, struct store *local,
    struct fault *fault)
{
	struct fault ignored;
	uint64_t local_ms;
	uint64_t inner_ms;

	if (!store_add(local, NULL, 0, &local_ms, &ignored)) {
		mirror->has_memory = false; /* it can't be told anything */
		return true;
	}
	if (!store_add(inner, NULL, 0, &inner_ms, fault))
		return false;
	mirror->ahead_ms = local_ms > inner_ms ? local_ms - inner_ms : 0;
	mirror->behind_ms = inner_ms > local_ms ? inner_ms - local_ms : 0;
	if (!store_overrides(inner, note_wanted, mirror, &inner_ms, fault))
		return false;
	if (mirror->has_memory
	    && !store_overrides(local, note_local, mirror, &local_ms, &ignored))
		mirror->has_memory = false;
	return true;
}

static bool
set_one(const struct mirror *mirror, struct store *local,
    const struct store_override *override, size_t *left_io)
{
	struct fault ignored;

	if (memory_overrides_find(
		mirror->same, override->limit_name, override->key, 0)
	    != NULL)
		return true;
	return *left_io > 0 && (*left_io)-- > 0
	    && store_set(local, override, &ignored);
}

static bool
unset_one(const struct mirror *mirror, struct store *local,
    const struct store_override *override, size_t *left_io)
{
	struct fault ignored;
	bool was_there;

	(void)mirror;
	return *left_io > 0 && (*left_io)-- > 0
	    && store_unset(local, override->limit_name, override->key,
		&was_there, &ignored);
}

typedef bool change(const struct mirror *mirror, struct store *local,
    const struct store_override *override, size_t *left_io);

/* False: there is more to do than may be done at once, or local can't. */
static bool
change_all(const struct mirror *mirror, struct store *local,
    const struct memory_overrides *overrides, change *change_one,
    size_t *left_io)
{
	struct memory_overrides_batch batch;
	size_t place = SIZE_MAX;
	bool is_done = true;

	while (is_done && memory_overrides_copy(overrides, 0, &place, &batch)) {
		if (batch.count == 0)
			return true;
		for (size_t i = 0; i < batch.count && is_done; i++)
			is_done =
			    change_one(mirror, local, batch.all[i], left_io);
		memory_overrides_free(&batch);
	}
	return false;
}

bool
guard_mirror(struct store *inner, struct store *local, uint64_t percent,
    bool *is_whole_out, struct fault *fault)
{
	struct mirror mirror = { .wanted = memory_overrides_open(),
		.same = memory_overrides_open(),
		.gone = memory_overrides_open(),
		.percent = percent };
	size_t left = GUARD_MIRROR_CHANGES;
	bool is_asked = true;

	*is_whole_out = false;
	mirror.has_memory =
	    mirror.wanted != NULL && mirror.same != NULL && mirror.gone != NULL;
	if (mirror.has_memory)
		is_asked = compare(&mirror, inner, local, fault);
	if (is_asked && mirror.has_memory)
		*is_whole_out =
		    change_all(&mirror, local, mirror.gone, unset_one, &left)
		    && change_all(
			&mirror, local, mirror.wanted, set_one, &left);
	memory_overrides_close(&mirror.wanted);
	memory_overrides_close(&mirror.same);
	memory_overrides_close(&mirror.gone);
	return is_asked;
}
