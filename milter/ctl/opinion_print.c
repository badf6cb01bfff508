#include "milter/ctl/opinion.h"

#include "milter/ctl/print.h"

#include <json-c/json.h>

static void
tell(FILE *out, const char *label, const char *library,
    const struct opinion_words *words)
{
	if (words->word == NULL)
		print_line(out, label, "%s: not asked", library);
	else
		print_line(out, label, "%s: %s%s%s%s%s", library, words->word,
		    words->where != NULL ? ", from " : "",
		    words->where != NULL ? words->where : "",
		    words->why != NULL ? ": " : "",
		    words->why != NULL ? words->why : "");
}

void
opinion_text(const struct opinion *opinion, FILE *out)
{
	tell(out, "opinions", "libspf2", &opinion->spf);
	tell(out, " ", "libopendmarc", &opinion->dmarc);
	for (size_t i = 0; i < opinion->difference_count; i++)
		print_line(out, i == 0 ? "differences" : " ", "%s",
		    opinion->differences[i]);
}

static struct json_object *
details(const struct opinion_words *words)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "reason", print_json_text(words->why));
	json_object_object_add(
	    object, "address", print_json_text(words->where));
	return object;
}

void
opinion_json(const struct opinion *opinion, struct json_object *object)
{
	struct json_object *opinions = json_object_new_object();
	struct json_object *both = json_object_new_object();
	struct json_object *differences = json_object_new_array();

	json_object_object_add(
	    opinions, "libspf2", print_json_text(opinion->spf.word));
	json_object_object_add(
	    opinions, "libopendmarc", print_json_text(opinion->dmarc.word));
	json_object_object_add(both, "libspf2", details(&opinion->spf));
	json_object_object_add(both, "libopendmarc", details(&opinion->dmarc));
	json_object_object_add(opinions, "details", both);
	for (size_t i = 0; i < opinion->difference_count; i++)
		json_object_array_add(
		    differences, print_json_text(opinion->differences[i]));
	json_object_object_add(opinions, "differences", differences);
	json_object_object_add(object, "opinions", opinions);
}
