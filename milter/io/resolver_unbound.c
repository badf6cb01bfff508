#include "milter/io/resolver_unbound.h"

#include "milter/io/resolver_answer.h"
#include "milter/io/resolver_context.h"
#include "policy/text.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unbound.h>
#include <unistd.h>

enum {
	WHY_BYTES = 256,
	/* Most that it takes to read one answer: its records, what libunbound
	 * says of them, and what an arena wastes. */
	READING_BYTES = 2 * RESOLVER_ANSWER_BYTES,
	RCODE_NOERROR = 0,
	RCODE_NXDOMAIN = 3,
};

/* One question that libunbound has; given back by the thread, or at the end. */
struct asked {
	LIST_ENTRY(asked) list;
	struct resolver_unbound *unbound;
	struct resolver *resolver;
	uint64_t ticket;
	uint64_t epoch; /* of the context that was asked */
	enum dns_type type;
	char name[]; /* as libunbound has it */
};

LIST_HEAD(asked_list, asked);

struct resolver_unbound {
	struct resolver_setup setup;
	int wake_fd; /* an eventfd(2): there is something to look at */
	pthread_t thread;
	bool has_thread;

	/* Of all that follows; not held while resolver is told. The thread
	 * alone changes the context. */
	pthread_mutex_t lock;
	pthread_cond_t forgotten;
	struct ub_ctx *context;
	uint64_t epoch; /* how many contexts there were */
	uint64_t wanted_epoch;
	struct asked_list asked;
	bool is_closing;
};

/* ---- results ---- */

static void
tell_lost(const struct asked *asked, const char *why)
{
	const struct dns_answer answer = {
		.status = DNS_LOST, .ttl_s = RESOLVER_LOST_MS / 1000, .why = why
	};

	resolver_told(asked->resolver, asked->ticket, &answer);
}

/* The name of a response code (RFC 1035 §4.1.1), as far as it is ever seen. */
static const char *
rcode_words(int rcode)
{
	switch (rcode) {
	case 1:
		return "FORMERR";
	case 2:
		return "SERVFAIL: its servers don't answer, or not well";
	case 4:
		return "NOTIMP";
	case 5:
		return "REFUSED";
	default:
		return "an error of its servers";
	}
}

static void
tell_bogus(const struct asked *asked, const struct ub_result *result)
{
	char space[WHY_BYTES];
	struct text why;

	text_init(&why, space, sizeof(space));
	text_add(&why, "DNSSEC: ");
	if (result->why_bogus != NULL)
		text_add_clean(
		    &why, result->why_bogus, strlen(result->why_bogus), false);
	else
		text_add(&why, "bogus");
	tell_lost(asked, why.data);
}

static void
tell_negative(const struct asked *asked, const struct ub_result *result)
{
	const unsigned char *packet = result->answer_packet;
	size_t length = result->answer_len > 0 ? (size_t)result->answer_len : 0;
	const struct dns_answer answer = {
		.status = result->nxdomain ? DNS_NXDOMAIN : DNS_NODATA,
		.ttl_s = resolver_answer_negative_ttl(packet, length,
		    result->ttl > 0 ? (uint32_t)result->ttl : 0),
	};

	if (!result->nxdomain && resolver_answer_is_referral(packet, length))
		tell_lost(asked, "a referral to other servers, no answer");
	else
		resolver_told(asked->resolver, asked->ticket, &answer);
}

/* The rdata of result that is of use, in arena; NULL for want of memory. */
static const struct resolver_rdata *
rdata_of(
    enum dns_type type, const struct ub_result *result, struct arena *arena)
{
	struct resolver_rdata *rdata = arena_alloc(arena, sizeof(*rdata));
	const unsigned char **data;
	size_t *lengths;
	size_t count = 0;

	while (result->data[count] != NULL)
		count++;
	count = resolver_answer_kept(type, count);
	data = arena_alloc(arena, count * sizeof(*data));
	lengths = arena_alloc(arena, count * sizeof(*lengths));
	if (rdata == NULL || data == NULL || lengths == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		data[i] = (const unsigned char *)result->data[i];
		lengths[i] = result->len[i] > 0 ? (size_t)result->len[i] : 0;
	}
	*rdata = (struct resolver_rdata){
		.data = data, .lengths = lengths, .count = count
	};
	return rdata;
}

static void
tell_found(const struct asked *asked, const struct ub_result *result)
{
	struct arena arena;
	const struct resolver_rdata *rdata;
	struct dns_record *records = NULL;

	arena_init(&arena, READING_BYTES);
	rdata = rdata_of(asked->type, result, &arena);
	if (rdata != NULL)
		records = arena_alloc(&arena, rdata->count * sizeof(*records));
	if (rdata != NULL && resolver_answer_is_large(rdata))
		tell_lost(asked, "its answer is too large");
	else if (records == NULL)
		tell_lost(asked, "out of memory");
	else if (resolver_answer_records(asked->type, rdata, &arena, records)) {
		const struct dns_answer answer = { .status = DNS_FOUND,
			.ttl_s = result->ttl > 0 ? (uint32_t)result->ttl : 0,
			.records = records,
			.count = rdata->count };

		resolver_told(asked->resolver, asked->ticket, &answer);
	} else
		tell_lost(asked, "a record that can't be read");
	arena_clear(&arena);
}

static void
tell(const struct asked *asked, int status, const struct ub_result *result)
{
	if (status != 0 || result == NULL)
		tell_lost(asked, ub_strerror(status));
	else if (result->bogus)
		tell_bogus(asked, result);
	else if (result->rcode == RCODE_NXDOMAIN)
		tell_negative(asked, result);
	else if (result->rcode != RCODE_NOERROR)
		tell_lost(asked, rcode_words(result->rcode));
	else if (result->havedata && result->data != NULL)
		tell_found(asked, result);
	else
		tell_negative(asked, result);
}

/* Called by ub_process(), in our thread. */
static void
on_result(void *context, int status, struct ub_result *result)
{
	struct asked *asked = context;
	struct resolver_unbound *unbound = asked->unbound;

	tell(asked, status, result);
	ub_resolve_free(result);
	(void)pthread_mutex_lock(&unbound->lock);
	LIST_REMOVE(asked, list);
	(void)pthread_mutex_unlock(&unbound->lock);
	free(asked);
}

/* ---- our thread ---- */

/* Ask the context. With the lock held, which keeps the context. */
static int
ask(struct resolver_unbound *unbound, struct asked *asked)
{
	asked->epoch = unbound->epoch;
	return ub_resolve_async(unbound->context, asked->name, (int)asked->type,
	    RESOLVER_CLASS_IN, asked, on_result, NULL);
}

/* Ask the new context what the old one hasn't answered. What can't be asked is
 * put into lost. With the lock held. */
static void
ask_anew(struct resolver_unbound *unbound, struct asked_list *lost)
{
	struct asked *asked = LIST_FIRST(&unbound->asked);

	while (asked != NULL) {
		struct asked *next = LIST_NEXT(asked, list);

		if (asked->epoch != unbound->epoch
		    && ask(unbound, asked) != 0) {
			LIST_REMOVE(asked, list);
			LIST_INSERT_HEAD(lost, asked, list);
		}
		asked = next;
	}
}

/* A new context forgets; without one the old has to do on. */
static void
renew(struct resolver_unbound *unbound)
{
	struct ub_ctx *fresh = resolver_context_open(&unbound->setup, NULL);
	struct ub_ctx *old = NULL;
	struct asked_list lost;
	struct asked *asked;

	LIST_INIT(&lost);
	(void)pthread_mutex_lock(&unbound->lock);
	if (fresh != NULL) {
		old = unbound->context;
		unbound->context = fresh;
		unbound->epoch++;
	}
	/* The callbacks of the old one will never be called. */
	ub_ctx_delete(old);
	ask_anew(unbound, &lost);
	unbound->wanted_epoch = unbound->epoch;
	(void)pthread_cond_broadcast(&unbound->forgotten);
	(void)pthread_mutex_unlock(&unbound->lock);
	while ((asked = LIST_FIRST(&lost)) != NULL) {
		tell_lost(asked, "out of memory");
		LIST_REMOVE(asked, list);
		free(asked);
	}
}

static void *
run(void *context)
{
	struct resolver_unbound *unbound = context;
	bool is_closing = false;

	while (!is_closing) {
		struct pollfd ready[] = {
			{ .fd = ub_fd(unbound->context), .events = POLLIN },
			{ .fd = unbound->wake_fd, .events = POLLIN },
		};
		uint64_t count;
		bool wants_new;

		if (poll(ready, 2, -1) < 0)
			continue;
		if (ready[0].revents != 0)
			(void)ub_process(unbound->context);
		if (ready[1].revents == 0)
			continue;
		(void)!read(unbound->wake_fd, &count, sizeof(count));
		(void)pthread_mutex_lock(&unbound->lock);
		is_closing = unbound->is_closing;
		wants_new = unbound->wanted_epoch > unbound->epoch;
		(void)pthread_mutex_unlock(&unbound->lock);
		if (wants_new && !is_closing)
			renew(unbound);
	}
	return NULL;
}

static void
wake(const struct resolver_unbound *unbound)
{
	const uint64_t one = 1;

	(void)!write(unbound->wake_fd, &one, sizeof(one));
}

/* ---- opening, asking, closing ---- */

/* Threads inherit who hears signals: none of these does. */
static bool
start(struct resolver_unbound *unbound, struct fault *fault)
{
	sigset_t all, before;
	int status;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, &before);
	unbound->context = resolver_context_open(&unbound->setup, fault);
	if (unbound->context != NULL) {
		status = pthread_create(&unbound->thread, NULL, run, unbound);
		unbound->has_thread = status == 0;
		if (status != 0)
			fault_set(fault, FAULT_TEMPORARY, "a thread: %s",
			    strerror(status));
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return unbound->has_thread;
}

static bool
prepare(struct resolver_unbound *unbound, const struct resolver_rules *rules,
    struct fault *fault)
{
	if (!resolver_setup_init(&unbound->setup, rules, fault))
		return false;
	unbound->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (unbound->wake_fd < 0)
		fault_set(
		    fault, FAULT_TEMPORARY, "eventfd: %s", strerror(errno));
	return unbound->wake_fd >= 0;
}

struct resolver_unbound *
resolver_unbound_open(const struct resolver_rules *rules, struct fault *fault)
{
	struct resolver_unbound *unbound = calloc(1, sizeof(*unbound));

	if (unbound == NULL || pthread_mutex_init(&unbound->lock, NULL) != 0) {
		free(unbound);
		fault_memory(fault);
		return NULL;
	}
	(void)pthread_cond_init(&unbound->forgotten, NULL);
	LIST_INIT(&unbound->asked);
	unbound->wake_fd = -1;
	if (!prepare(unbound, rules, fault) || !start(unbound, fault))
		resolver_unbound_close(&unbound);
	return unbound;
}

static struct asked *
asked_make(const struct dns_question *question)
{
	char space[RESOLVER_NAME_BYTES];
	struct asked *asked;
	size_t size;

	resolver_answer_name(question->name, space);
	size = strlen(space) + 1;
	asked = calloc(1, sizeof(*asked) + size);
	if (asked == NULL)
		return NULL;
	memcpy(asked->name, space, size);
	asked->type = question->type;
	return asked;
}

void
resolver_unbound_start(void *context, struct resolver *resolver,
    uint64_t ticket, const struct dns_question *question)
{
	struct resolver_unbound *unbound = context;
	const struct asked nobody = { .resolver = resolver, .ticket = ticket };
	struct asked *asked = asked_make(question);
	int status;

	if (asked == NULL) {
		tell_lost(&nobody, "out of memory");
		return;
	}
	asked->unbound = unbound;
	asked->resolver = resolver;
	asked->ticket = ticket;
	(void)pthread_mutex_lock(&unbound->lock);
	LIST_INSERT_HEAD(&unbound->asked, asked, list);
	status = ask(unbound, asked);
	if (status != 0)
		LIST_REMOVE(asked, list);
	(void)pthread_mutex_unlock(&unbound->lock);
	if (status != 0) {
		tell_lost(asked, ub_strerror(status));
		free(asked);
	}
}

void
resolver_unbound_forget(struct resolver_unbound *unbound)
{
	uint64_t wanted;

	(void)pthread_mutex_lock(&unbound->lock);
	wanted = unbound->epoch + 1;
	unbound->wanted_epoch = wanted;
	wake(unbound);
	/* Where no new context could be had, no more than that is wanted. */
	while (unbound->epoch < wanted && unbound->wanted_epoch >= wanted)
		(void)pthread_cond_wait(&unbound->forgotten, &unbound->lock);
	(void)pthread_mutex_unlock(&unbound->lock);
}

void
resolver_unbound_close(struct resolver_unbound **unbound)
{
	struct resolver_unbound *closing = *unbound;
	struct asked *asked;

	if (closing == NULL)
		return;
	if (closing->has_thread) {
		(void)pthread_mutex_lock(&closing->lock);
		closing->is_closing = true;
		(void)pthread_mutex_unlock(&closing->lock);
		wake(closing);
		(void)pthread_join(closing->thread, NULL);
	}
	ub_ctx_delete(closing->context);
	while ((asked = LIST_FIRST(&closing->asked)) != NULL) {
		LIST_REMOVE(asked, list);
		free(asked);
	}
	if (closing->wake_fd >= 0)
		(void)close(closing->wake_fd);
	(void)pthread_cond_destroy(&closing->forgotten);
	(void)pthread_mutex_destroy(&closing->lock);
	resolver_setup_clear(&closing->setup);
	free(closing);
	*unbound = NULL;
}
