#include "milter/watching.h"

#include "conf/key_places.h"
#include "milter/io/keys_check.h"

#include <string.h>

static void
tell(struct log *log, const struct fault *fault)
{
	if (fault->kind == FAULT_NONE)
		log_event(log, LOG_LEVEL_INFO, "key_tables",
		    "OpenDKIM's tables are in order again");
	else
		log_event(
		    log, LOG_LEVEL_ERROR, "key_tables", "%s", fault->words);
}

/* Most often all classes have the same tables: what one has said, the others
 * needn't. */
static bool
is_told(const struct watching *watching, int class, const struct fault *fault)
{
	for (int i = 0; i < class; i++)
		if (strcmp(watching->told[i].words, fault->words) == 0)
			return true;
	return false;
}

static bool
has_tables(const struct conf *conf, int class)
{
	return conf->classes[class].sign
	    && *conf->classes[class].sign_conf.places.key_table != '\0';
}

void
watching_look(struct watching *watching, struct services *services)
{
	struct snapshot *snapshot = snapshot_slot_hold(&services->snapshots);

	for (int i = 0; i < CLASS_COUNT; i++) {
		const struct class_conf *class = &snapshot->conf->classes[i];
		struct fault *told = &watching->told[i];
		struct fault fault = { .kind = FAULT_NONE, .words = "" };

		if (has_tables(snapshot->conf, i))
			(void)keys_prepare(
			    services->keys, &class->sign_conf.places, &fault);
		if (strcmp(fault.words, told->words) == 0)
			continue;
		*told = fault;
		if (!is_told(watching, i, &fault))
			tell(services->log, &fault);
	}
	snapshot_release(&snapshot);
}

static void
keep_first(void *context, const struct fault *fault)
{
	struct fault *first = context;

	if (first->kind == FAULT_NONE)
		*first = *fault;
}

/* Has a class before this one the same tables? */
static bool
is_known(const struct conf *conf, int class)
{
	const struct key_places *own = &conf->classes[class].sign_conf.places;

	for (int i = 0; i < class; i++)
		if (has_tables(conf, i)
		    && key_places_same_tables(
			own, &conf->classes[i].sign_conf.places))
			return true;
	return false;
}

/* keys_prepare() would do, if it took files that were written a moment ago. */
void
watching_ask(struct services *services,
    void (*tell_of)(void *context, const struct fault *fault), void *context)
{
	struct snapshot *snapshot = snapshot_slot_hold(&services->snapshots);
	const struct conf *conf = snapshot->conf;

	for (int i = 0; i < CLASS_COUNT; i++) {
		struct fault first = { .kind = FAULT_NONE };
		size_t count;

		if (!has_tables(conf, i) || is_known(conf, i))
			continue;
		count = keys_check_tables(
		    &conf->classes[i].sign_conf.places, keep_first, &first);
		if (count > 1)
			fault_set(&first, FAULT_PERMANENT,
			    "%.400s (and %zu more like it)", first.words,
			    count - 1);
		if (count > 0)
			tell_of(context, &first);
	}
	snapshot_release(&snapshot);
}
