#include "conf/places_tables.h"

#include "conf/places.h"

#include <string.h>

static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
			      "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/* The length of the kind of data set that stands before its name, ':' and all;
 * 0: none does. A path that looks like one can be written as "file:PATH". */
static size_t
kind_length(const char *text)
{
	size_t length = strspn(text, letters);

	return length > 0 && text[length] == ':' ? length + 1 : 0;
}

static bool
is_kind(const char *text, size_t length, const char *kind)
{
	return length == strlen(kind) && strncmp(text, kind, length) == 0;
}

/* Many a KeyTable is called a refile that has no pattern: it is read as it
 * stands, and a name that is a pattern is a bad line of it. */
void
places_key_table(const struct reading *reading)
{
	const char **field = values_field(reading);
	const char *text = reading->text;
	size_t length = kind_length(text);
	const char *path;

	if (*text == '\0') {
		*field = "";
	} else if (length > 0 && !is_kind(text, length, "file:")
	    && !is_kind(text, length, "refile:")) {
		values_refuse(reading,
		    "is no table that can be read here; write a path, or "
		    "\"file:PATH\"; keys that aren't in files can be in "
		    "key_map");
	} else {
		path = places_readable(reading, text + length);
		if (path != NULL)
			*field = path;
	}
}

void
places_signing_table(const struct reading *reading)
{
	const char **field = values_field(reading);
	bool *is_refile = values_more(reading);
	const char *text = reading->text;
	size_t length = kind_length(text);
	bool has_patterns = is_kind(text, length, "refile:");
	const char *path;

	if (*text == '\0') {
		*field = "";
		*is_refile = false;
	} else if (length > 0 && !has_patterns
	    && !is_kind(text, length, "file:")) {
		values_refuse(reading,
		    "is no table that can be read here; write a path, "
		    "\"file:PATH\" or, for one with patterns, "
		    "\"refile:PATH\"");
	} else {
		path = places_readable(reading, text + length);
		if (path == NULL)
			return;
		*field = path;
		*is_refile = has_patterns;
	}
}
