#include "milter/leaving.h"

#include "policy/egress.h"

/* What the map says of the first key that it has; NULL: of none. */
static bool
find_value(const struct conf *conf, struct tables *tables,
    const struct egress_question *question, struct arena *arena,
    const char **value_out, struct fault *fault)
{
	bool is_stale;

	*value_out = NULL;
	for (size_t i = 0; *value_out == NULL && i < question->count; i++)
		if (!tables_find(tables, conf->egress_map, question->keys[i],
			conf->account_maps.map_ttl_ms, arena, value_out,
			&is_stale, fault))
			return false;
	return true;
}

bool
leaving_find(const struct conf *conf, struct tables *tables,
    const char *transport, const struct mailbox *sender, struct arena *arena,
    struct leaving *leaving_out, struct fault *fault)
{
	struct egress_question question;
	const char *value;

	*leaving_out = (struct leaving){ conf->egress, conf->egress_count };
	if (conf->egress_map == NULL)
		return true;
	if (!egress_question(transport, sender, arena, &question)) {
		fault_memory(fault);
		*leaving_out = (struct leaving){ NULL, 0 };
		return false;
	}
	if (find_value(conf, tables, &question, arena, &value, fault)
	    && (value == NULL
		|| egress_read(value, conf->egress, conf->egress_count, arena,
		    &leaving_out->egress, &leaving_out->count, fault)))
		return true;
	fault_prefix(fault, "egress_map: ");
	*leaving_out = (struct leaving){ NULL, 0 };
	return false;
}
