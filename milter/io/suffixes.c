#include "milter/io/suffixes.h"

#include <libpsl.h>
#include <stdlib.h>

struct suffixes {
	psl_ctx_t *list; /* only read once it is loaded */
};

/* Any text file can be read as a list; one that was meant to be one knows com.
 */
static bool
is_list(const psl_ctx_t *list)
{
	return psl_is_public_suffix2(
		   list, "com", PSL_TYPE_ANY | PSL_TYPE_NO_STAR_RULE)
	    == 1;
}

struct suffixes *
suffixes_open(const char *file, struct fault *fault)
{
	struct suffixes *suffixes = calloc(1, sizeof(*suffixes));

	if (suffixes == NULL) {
		fault_memory(fault);
		return NULL;
	}
	suffixes->list = file != NULL ? psl_load_file(file) : psl_latest(NULL);
	if (suffixes->list != NULL && is_list(suffixes->list))
		return suffixes;
	fault_set(fault, FAULT_PERMANENT,
	    "%s: %s: install the package "
	    "publicsuffix",
	    file != NULL ? file : "public suffix list",
	    suffixes->list != NULL ? "not a public suffix list"
				   : "can't be read");
	suffixes_close(&suffixes);
	return NULL;
}

const char *
suffixes_org(const struct suffixes *suffixes, const char *domain)
{
	const char *org;

	if (suffixes == NULL)
		return NULL;
	org = psl_registrable_domain(suffixes->list, domain);
	return org != NULL ? org : domain;
}

bool
suffixes_is_public(const struct suffixes *suffixes, const char *domain)
{
	return suffixes != NULL
	    && psl_is_public_suffix2(suffixes->list, domain,
		   PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE)
	    == 1;
}

void
suffixes_close(struct suffixes **suffixes)
{
	if (*suffixes == NULL)
		return;
	psl_free((*suffixes)->list); /* leaves the built-in one alone */
	free(*suffixes);
	*suffixes = NULL;
}
