#include "policy/zone_line.h"

#include "policy/dns.h"
#include "policy/text.h"

#include <assert.h>
#include <string.h>

enum { ESCAPED_OCTETS = 4 }; /* "\255" */

bool
zone_line_is_name(const char *name)
{
	static const char usual[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

	return dns_is_name(name) && name[strspn(name, usual)] == '\0';
}

static void
add_string(struct text *line, const char *value, size_t length)
{
	text_add(line, "\"");
	for (size_t i = 0; i < length; i++) {
		unsigned char octet = (unsigned char)value[i];

		if (octet == '"' || octet == '\\')
			text_addf(line, "\\%c", octet);
		else if (octet < 0x20 || octet > 0x7E)
			text_addf(line, "\\%03u", octet);
		else
			text_add_clean(line, value + i, 1, false);
	}
	text_add(line, "\"");
}

const char *
zone_line_txt(
    struct arena *arena, const char *name, const char *value, size_t length)
{
	size_t strings = length / ZONE_LINE_STRING_OCTETS + 1;
	size_t size = strlen(name) + sizeof(". IN TXT ( )")
	    + length * ESCAPED_OCTETS + strings * sizeof("\"\" ");
	char *space = arena_alloc(arena, size);
	struct text line;

	assert(zone_line_is_name(name));
	if (space == NULL)
		return NULL;
	text_init(&line, space, size);
	text_addf(&line, "%s. IN TXT ", name);
	if (length <= ZONE_LINE_STRING_OCTETS) {
		add_string(&line, value, length);
		return space;
	}
	text_add(&line, "(");
	for (size_t done = 0; done < length;) {
		size_t piece = length - done;

		if (piece > ZONE_LINE_STRING_OCTETS)
			piece = ZONE_LINE_STRING_OCTETS;
		text_add(&line, " ");
		add_string(&line, value + done, piece);
		done += piece;
	}
	text_add(&line, " )");
	return space;
}
