#include "milter/watching.h"

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

void
watching_look(struct watching *watching, struct services *services)
{
	struct snapshot *snapshot = snapshot_slot_hold(&services->snapshots);

	for (int i = 0; i < CLASS_COUNT; i++) {
		const struct class_conf *class = &snapshot->conf->classes[i];
		struct fault *told = &watching->told[i];
		struct fault fault = { .kind = FAULT_NONE, .words = "" };

		if (i != CLASS_INBOUND && class->sign
		    && *class->sign_conf.places.key_table != '\0')
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
