#include "conf/apply.h"

#include "conf/values.h"
#include "policy/text.h"

#include <inttypes.h>
#include <string.h>

enum { LISTENERS_MOST = 1024 };

static bool
is_all_digits(const char *text)
{
	return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

/* The port or the name that a listener is for. */
static bool
name_listener(struct build *build, const struct parse_section *section,
    struct listener_conf *listener)
{
	const char *label = section->label;
	uint64_t port = 0;

	if (label == NULL || *label == '\0' || strlen(label) > 255
	    || (is_all_digits(label)
		&& !text_number(label, 1, UINT16_MAX, &port))) {
		problems_add(&build->problems, section->source, section->line,
		    "a listener needs a port 1 to 65535 or a {daemon_name}; "
		    "write listener \"587\" {");
		return false;
	}
	listener->port = (uint16_t)port;
	listener->name = port == 0
	    ? values_keep(build, label)
	    : arena_printf(build->arena, "%" PRIu64, port);
	if (listener->name == NULL)
		problems_memory(&build->problems);
	return listener->name != NULL;
}

static void
apply_listener(struct build *build, const struct parse_section *section,
    struct listener_conf *listeners, const struct parse_section **sections,
    size_t *count)
{
	struct applied applied = apply_begin(section, build->conf);
	struct listener_conf *listener = &listeners[*count];
	const struct option *class_option =
	    options_find("listener", NULL, "class");
	const struct parse_option *given;

	if (!name_listener(build, section, listener))
		return;
	applied.shown = apply_shown(build, "listener", listener->name);
	applied.places.listener = listener;
	for (size_t i = 0; i < *count; i++)
		if (strcmp(listeners[i].name, listener->name) == 0) {
			apply_duplicate(build, &applied, sections[i]);
			return;
		}
	apply_standards(build, "listener", &applied.places);
	apply_options(build, &applied);
	given = applied.seen[options_index(class_option)];
	listener->has_class = given != NULL && !given->is_broken
	    && !given->is_list && *given->values->text != '\0';
	if (listener->has_class && listener->traffic_class == CLASS_INBOUND
	    && (listener->require_auth || listener->require_tls))
		problems_add(&build->problems, given->source, given->line,
		    "class: mail of class inbound is left alone: require_auth "
		    "and require_tls can't be yes for it");
	sections[(*count)++] = section;
}

void
apply_listeners(struct build *build)
{
	size_t room = apply_count(build, "listener");
	size_t most = room < LISTENERS_MOST ? room : LISTENERS_MOST;
	struct listener_conf *listeners =
	    build_alloc(build, (most + 1) * sizeof(*listeners));
	const struct parse_section **sections = arena_alloc(
	    build->scratch, (most + 1) * sizeof(struct parse_section *));
	size_t count = 0;

	if (listeners == NULL || sections == NULL) {
		problems_memory(&build->problems);
		return;
	}
	for (const struct parse_section *section = build->tree.sections;
	     section != NULL && !build->problems.is_out_of_memory;
	     section = section->next) {
		if (strcmp(section->name, "listener") != 0)
			continue;
		if (count == LISTENERS_MOST) {
			problems_add(&build->problems, section->source,
			    section->line, "more than %d listeners",
			    LISTENERS_MOST);
			break;
		}
		apply_listener(build, section, listeners, sections, &count);
	}
	build->conf->listeners = listeners;
	build->conf->listener_count = count;
}
