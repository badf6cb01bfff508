#include "milter/ctl/queue.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	ROUND_BYTES = 512 * 1024 * 1024, /* for QUEUE_MOST of one listing */
	ROOM_FIRST = 64,
	PASSED_MOST = 10, /* then it is no accident of one message */
	ROUNDS = 1000,
};

static const char on_hold[] = "hold";
static const char gone[] = "gone";

/* A search under way. */
struct search {
	struct runner *runner;
	bool is_hold;
	queue_match *match;
	void *context;
	struct arena *arena;
	struct queue *queue;
	char *line;          /* ENVELOPE_LINE_BYTES */
	void *seen;          /* tree of ids that have been dealt with */
	size_t passed_over;  /* messages that couldn't be read */
	const char *suspect; /* the id that ended the batch before */

	/* What one listing has that wasn't seen. */
	struct arena round;
	struct queued *fresh;
	size_t fresh_count;
	size_t fresh_room;
};

/* ---- lines ---- */

/* The next line without its end; what is beyond the space is left out. */
static bool
read_line(FILE *in, char *line)
{
	size_t length = 0;
	int octet;

	while ((octet = getc_unlocked(in)) != EOF && octet != '\n')
		if (length < ENVELOPE_LINE_BYTES - 1)
			line[length++] = (char)(octet != '\0' ? octet : '?');
	line[length] = '\0';
	return octet != EOF || length > 0;
}

static FILE *
start(struct search *search, enum runner_program program,
    const char *const *ids, size_t count, struct fault *fault)
{
	int descriptor =
	    runner_start(search->runner, program, ids, count, fault);
	FILE *in = descriptor >= 0 ? fdopen(descriptor, "r") : NULL;

	if (descriptor >= 0 && in == NULL) {
		close(descriptor);
		(void)runner_finish(search->runner, NULL);
		fault_memory(fault);
	}
	return in;
}

static bool
finish(struct search *search, FILE *in, struct fault *fault)
{
	fclose(in);
	return runner_finish(search->runner, fault);
}

/* ---- ids that have been dealt with ---- */

static int
compare_ids(const void *one, const void *other)
{
	return strcmp(one, other);
}

static bool
is_seen(const struct search *search, const char *id)
{
	return tfind(id, &search->seen, compare_ids) != NULL;
}

static bool
see(struct search *search, const char *id, struct fault *fault)
{
	const char *copy = arena_strdup(search->arena, id);

	if (copy != NULL && tsearch(copy, &search->seen, compare_ids) != NULL)
		return true;
	fault_memory(fault);
	return false;
}

static void
keep_id(void *id)
{
	(void)id; /* it is the arena's */
}

/* ---- the listing ---- */

/* Room for one more of size in a list that grows. */
static bool
grow(void **list, size_t count, size_t *room, size_t size, struct fault *fault)
{
	size_t wanted = *room > 0 ? 2 * *room : (size_t)ROOM_FIRST;
	void *grown;

	if (count < *room)
		return true;
	grown = reallocarray(*list, wanted, size);
	if (grown == NULL) {
		fault_memory(fault);
		return false;
	}
	*list = grown;
	*room = wanted;
	return true;
}

static bool
add_fresh(struct search *search, struct fault *fault)
{
	struct queued queued;
	void *list = search->fresh;

	/* One that can't be read must not hide the others. */
	if (!envelope_listed(search->line, &search->round, &queued, NULL)) {
		search->queue->unread++;
		return true;
	}
	if (is_seen(search, queued.id))
		return true;
	if (search->fresh_count == QUEUE_MOST) {
		fault_set(fault, FAULT_PERMANENT,
		    "the queue has more than %d messages; not all were looked "
		    "at",
		    (int)QUEUE_MOST);
		return false;
	}
	if (!grow(&list, search->fresh_count, &search->fresh_room,
		sizeof(*search->fresh), fault))
		return false;
	search->fresh = list;
	search->fresh[search->fresh_count++] = queued;
	return true;
}

/* Begin a round: what is in the queue now and wasn't seen. */
static bool
list_fresh(struct search *search, struct fault *fault)
{
	FILE *in = start(search, RUNNER_LIST, NULL, 0, fault);
	bool is_good = in != NULL;

	if (in == NULL)
		return false;
	arena_clear(&search->round);
	search->fresh_count = 0;
	search->queue->unread = search->passed_over;
	while (is_good && read_line(in, search->line))
		if (*search->line != '\0')
			is_good = add_fresh(search, fault);
	return finish(search, in, is_good ? fault : NULL) && is_good;
}

/* ---- envelopes ---- */

static bool
add_found(struct search *search, const struct queued *queued,
    const struct envelope *envelope, struct fault *fault)
{
	struct queue *queue = search->queue;
	struct arena *arena = search->arena;
	struct queue_found found = { .queued = *queued };
	void *list = queue->list;

	found.queued.id = arena_strdup(arena, queued->id);
	found.queued.queue = arena_strdup(arena, queued->queue);
	found.queued.sender = arena_strdup(arena, queued->sender);
	found.login = arena_strdup(arena, envelope->login);
	if (found.queued.id == NULL || found.queued.queue == NULL
	    || found.queued.sender == NULL || found.login == NULL) {
		fault_memory(fault);
		return false;
	}
	if (!grow(
		&list, queue->count, &queue->room, sizeof(*queue->list), fault))
		return false;
	queue->list = list;
	queue->list[queue->count++] = found;
	return true;
}

/* Read the envelopes of a batch. *read_out: of how many. False: postcat(1) has
 * ended before the last one, or no memory. */
static bool
read_batch(struct search *search, const struct queued *batch, size_t count,
    size_t *read_out, struct fault *fault)
{
	const char *ids[RUNNER_IDS];
	struct envelope envelope = { .has_sender = false };
	bool is_good = true;
	FILE *in;

	*read_out = 0;
	for (size_t i = 0; i < count; i++)
		ids[i] = batch[i].id;
	in = start(search, RUNNER_ENVELOPE, ids, count, fault);
	if (in == NULL)
		return false;
	while (is_good && *read_out < count && read_line(in, search->line)) {
		const struct queued *queued = &batch[*read_out];

		if (!envelope_line(&envelope, search->line))
			continue;
		if (strcmp(envelope.id, queued->id) != 0)
			break;
		if (search->match(search->context, &envelope))
			is_good = add_found(search, queued, &envelope, fault);
		is_good = is_good && see(search, queued->id, fault);
		++*read_out;
	}
	search->queue->looked_at += *read_out;
	return finish(search, in, is_good ? fault : NULL) && is_good;
}

/* Put those found since `from` on hold. */
static bool
hold(struct search *search, size_t from, struct fault *fault)
{
	const char *ids[RUNNER_IDS];
	size_t count = 0;
	FILE *in;

	for (size_t i = from; i < search->queue->count; i++)
		if (strcmp(search->queue->list[i].queued.queue, on_hold) != 0)
			ids[count++] = search->queue->list[i].queued.id;
	if (!search->is_hold || count == 0)
		return true;
	in = start(search, RUNNER_HOLD, ids, count, fault);
	if (in == NULL)
		return false;
	while (read_line(in, search->line))
		;
	return finish(search, in, fault);
}

/* A batch ends early at a message that has left since it was listed. One that
 * is listed again and again can't be read: leave it out. */
static bool
pass_over(struct search *search, const char *id, struct fault *fault)
{
	if (search->suspect == NULL || strcmp(search->suspect, id) != 0) {
		search->suspect = arena_strdup(search->arena, id);
		return true;
	}
	search->suspect = NULL;
	search->queue->unread++;
	if (++search->passed_over <= PASSED_MOST)
		return see(search, id, fault);
	if (fault->kind == FAULT_NONE)
		fault_set(fault, FAULT_TEMPORARY,
		    "postcat doesn't say what it was asked for");
	return false;
}

static void
show_progress(const struct search *search, size_t done)
{
	if (isatty(STDERR_FILENO) == 1)
		fprintf(stderr,
		    "\r%zu messages looked at, %zu to go, %zu found",
		    search->queue->looked_at, search->fresh_count - done,
		    search->queue->count);
}

/* Look at what was listed, up to the end or the first that isn't there any
 * more; *is_over_out tells which. */
static bool
look_round(struct search *search, bool *is_over_out, struct fault *fault)
{
	size_t done = 0;

	*is_over_out = false;
	while (done < search->fresh_count) {
		size_t count = search->fresh_count - done;
		size_t found = search->queue->count;
		size_t read;
		struct fault end = { .kind = FAULT_NONE };
		bool is_whole;

		if (count > RUNNER_IDS)
			count = RUNNER_IDS;
		is_whole = read_batch(
		    search, search->fresh + done, count, &read, &end);
		if (!hold(search, found, fault))
			return false;
		show_progress(search, done + read);
		if (!is_whole || read < count) {
			*fault = end;
			return end.kind != FAULT_MEMORY && read < count
			    && pass_over(
				search, search->fresh[done + read].id, fault);
		}
		done += count;
	}
	*is_over_out = true;
	return true;
}

static int
compare_found(const void *one, const void *other)
{
	const struct queue_found *a = one;
	const struct queue_found *b = other;

	return strcmp(a->queued.id, b->queued.id);
}

/* Where those found are now: some may have left before they could be held. */
static bool
look_again(struct search *search, struct fault *fault)
{
	struct queue *queue = search->queue;
	FILE *in = start(search, RUNNER_LIST, NULL, 0, fault);

	if (in == NULL)
		return false;
	for (size_t i = 0; i < queue->count; i++)
		queue->list[i].queued.queue = gone;
	while (read_line(in, search->line)) {
		struct queue_found sought = { 0 };
		struct queue_found *found = NULL;

		arena_clear(&search->round);
		if (envelope_listed(
			search->line, &search->round, &sought.queued, NULL))
			found = bsearch(&sought, queue->list, queue->count,
			    sizeof(*queue->list), compare_found);
		if (found != NULL)
			found->queued.queue =
			    arena_strdup(search->arena, sought.queued.queue);
		if (found != NULL && found->queued.queue == NULL)
			found->queued.queue = gone;
	}
	return finish(search, in, fault);
}

static bool
run(struct search *search, struct fault *fault)
{
	bool is_over = false;

	for (size_t round = 0; round < ROUNDS && !is_over; round++)
		if (!list_fresh(search, fault)
		    || !look_round(search, &is_over, fault))
			return false;
	if (is_over)
		return true;
	fault_set(fault, FAULT_TEMPORARY,
	    "the queue changes too fast; not all of it was looked at");
	return false;
}

bool
queue_search(struct runner *runner, bool is_hold, queue_match *match,
    void *context, struct arena *arena, struct queue *queue_out,
    struct fault *fault)
{
	struct search search = { .runner = runner,
		.is_hold = is_hold,
		.match = match,
		.context = context,
		.arena = arena,
		.queue = queue_out,
		.line = malloc(ENVELOPE_LINE_BYTES) };
	bool is_good;

	*queue_out = (struct queue){ .list = NULL };
	if (search.line == NULL) {
		fault_memory(fault);
		return false;
	}
	arena_init(&search.round, ROUND_BYTES);
	is_good = run(&search, fault);
	if (isatty(STDERR_FILENO) == 1)
		fputs("\r\033[K", stderr);
	if (queue_out->count > 1)
		qsort(queue_out->list, queue_out->count,
		    sizeof(*queue_out->list), compare_found);
	if (is_hold && queue_out->count > 0)
		is_good =
		    look_again(&search, is_good ? fault : NULL) && is_good;
	tdestroy(search.seen, keep_id);
	arena_clear(&search.round);
	free(search.fresh);
	free(search.line);
	return is_good;
}

size_t
queue_held(const struct queue *queue)
{
	size_t held = 0;

	for (size_t i = 0; i < queue->count; i++)
		held += strcmp(queue->list[i].queued.queue, on_hold) == 0;
	return held;
}

const char *
queue_host(struct runner *runner, struct arena *arena, struct fault *fault)
{
	struct search search = { .runner = runner };
	FILE *in = start(&search, RUNNER_HOST, NULL, 0, fault);
	char *host = arena_alloc(arena, ENVELOPE_LINE_BYTES);
	bool is_there;

	if (in == NULL)
		return NULL;
	is_there = host != NULL && read_line(in, host);
	if (!finish(&search, in, fault))
		return NULL;
	if (host == NULL)
		fault_memory(fault);
	else if (!is_there)
		fault_set(fault, FAULT_TEMPORARY, "postconf said nothing");
	return is_there ? host : NULL;
}

void
queue_clear(struct queue *queue)
{
	free(queue->list);
	*queue = (struct queue){ .list = NULL };
}
