#include "milter/ctl/ctl.h"
#include "milter/ctl/print.h"
#include "milter/ctl/rotate_files.h"
#include "milter/io/clock.h"
#include "milter/io/keys.h"
#include "milter/listen.h"
#include "policy/address.h"
#include "policy/signing.h"
#include "policy/text.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
	ARENA_BYTES = 64 * 1024,
	RSA_BITS = 2048,
	RSA_LEAST_BITS = 1024, /* RFC 8301 §3.2 */
	RSA_MOST_BITS = 8192,
	ALGORITHMS = 2,
};

/* What is to be made. */
struct order {
	struct ctl *ctl;
	const char *selector;
	const char *algorithm;
	const char *bits_text;
	const char *directory;
	const char *typed; /* DOMAIN */

	struct arena arena;
	const char *domain;
	uint64_t bits;
	struct identity owner;
	struct json_object *made;
	struct rotate_file_list list; /* what there was before */
};

static bool
refuse(struct order *order, const char *words)
{
	order->ctl->status = ctl_usage(order->ctl, words);
	return false;
}

static bool
read_arguments(struct order *order, int argc, char **argv)
{
	enum {
		OPTION_SELECTOR = 256,
		OPTION_ALGORITHM,
		OPTION_BITS,
		OPTION_DIRECTORY
	};
	static const struct option options[] = {
		CTL_OPTIONS,
		{ "selector", required_argument, NULL, OPTION_SELECTOR },
		{ "algorithm", required_argument, NULL, OPTION_ALGORITHM },
		{ "bits", required_argument, NULL, OPTION_BITS },
		{ "directory", required_argument, NULL, OPTION_DIRECTORY },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = ctl_option(order->ctl, argc, argv, options)) != -1) {
		if (option == OPTION_SELECTOR)
			order->selector = optarg;
		else if (option == OPTION_ALGORITHM)
			order->algorithm = optarg;
		else if (option == OPTION_BITS)
			order->bits_text = optarg;
		else
			order->directory = optarg;
	}
	if (order->ctl->is_over)
		return false;
	if (argc - optind != 1)
		return refuse(order,
		    argc > optind ? "one domain at a time"
				  : "for which domain?");
	order->typed = argv[optind];
	return true;
}

static bool
makes(const struct order *order, enum key_algorithm algorithm)
{
	return strcmp(order->algorithm, "both") == 0
	    || strcmp(order->algorithm,
		   algorithm == KEY_RSA_SHA256 ? "rsa" : "ed25519")
	    == 0;
}

static bool
check_arguments(struct order *order)
{
	struct fault fault;

	order->bits = RSA_BITS;
	if (order->algorithm == NULL)
		order->algorithm = "rsa";
	if (!makes(order, KEY_RSA_SHA256) && !makes(order, KEY_ED25519_SHA256))
		return refuse(order, "--algorithm: rsa, ed25519 or both");
	if (order->bits_text != NULL && !makes(order, KEY_RSA_SHA256))
		return refuse(order, "--bits is for RSA; Ed25519 has 256");
	if (order->bits_text != NULL
	    && !text_number(
		order->bits_text, RSA_LEAST_BITS, RSA_MOST_BITS, &order->bits))
		return refuse(
		    order, "--bits: 1024 to 8192; 2048 is what others read");
	if (order->selector != NULL && !signing_is_selector(order->selector))
		return refuse(order,
		    "--selector: letters, digits and hyphens, for instance "
		    "\"s2026\"");
	if (address_domain(&order->arena, order->typed, strlen(order->typed),
		&order->domain, &fault))
		return true;
	order->ctl->status = ctl_fail(&fault);
	return false;
}

/* Both algorithms' keys may lie side by side: a letter tells them apart. Of a
 * selector that was asked for as it is, only where both are made. */
static const char *
selector_of(struct order *order, enum key_algorithm algorithm)
{
	time_t now = (time_t)clock_unix_s();
	char letter = algorithm == KEY_RSA_SHA256 ? 'r' : 'e';
	struct tm parts;

	if (order->selector != NULL && strcmp(order->algorithm, "both") != 0)
		return order->selector;
	if (order->selector != NULL)
		return arena_printf(
		    &order->arena, "%s%c", order->selector, letter);
	if (gmtime_r(&now, &parts) == NULL)
		return NULL;
	return arena_printf(&order->arena, "p%04d%02d%c", parts.tm_year + 1900,
	    parts.tm_mon + 1, letter);
}

static const char *
path_of(struct order *order, enum key_algorithm algorithm)
{
	const char *selector = selector_of(order, algorithm);

	return selector == NULL
	    ? NULL
	    : arena_printf(&order->arena, "%s/%s/%s.private", order->directory,
		order->domain, selector);
}

static size_t
count_wanted(const struct order *order)
{
	return (size_t)makes(order, KEY_RSA_SHA256)
	    + (size_t)makes(order, KEY_ED25519_SHA256);
}

/* Is there room for so many more keys, and is no such selector in use, be it by
 * a key that doesn't sign? A domain with too many keys couldn't sign at all. */
static bool
check_others(struct order *order, struct fault *fault)
{
	static const enum key_algorithm algorithms[] = { KEY_RSA_SHA256,
		KEY_ED25519_SHA256 };
	struct rotate_file_list *list = &order->list;
	struct rotate_files files;
	const char *selector;
	bool is_read =
	    rotate_files_peek(&files, order->directory, order->domain, fault);

	list->count = 0;
	if (is_read)
		is_read = rotate_files_list(&files, list, fault);
	rotate_files_close(&files);
	if (!is_read)
		return false;
	for (size_t i = 0; i < ALGORITHMS; i++) {
		selector = selector_of(order, algorithms[i]);
		if (makes(order, algorithms[i]) && selector != NULL
		    && rotate_files_find(list, selector) != NULL) {
			fault_set(fault, FAULT_PERMANENT,
			    "%s/%s has a key of selector %s: take another "
			    "--selector",
			    order->directory, order->domain, selector);
			return false;
		}
	}
	if (rotate_files_count(list, KEY_SIGNING) + count_wanted(order)
	    <= KEYS_PER_DOMAIN)
		return true;
	fault_set(fault, FAULT_PERMANENT,
	    "%s/%s would have more than %d keys, and could not sign: remove "
	    "some",
	    order->directory, order->domain, KEYS_PER_DOMAIN);
	return false;
}

static bool
has_directory(struct order *order)
{
	const char *path = arena_printf(
	    &order->arena, "%s/%s", order->directory, order->domain);
	struct stat status;

	return path != NULL && lstat(path, &status) == 0;
}

/* Nothing is made if one of two is there already. */
static bool
check_places(struct order *order, struct fault *fault)
{
	static const enum key_algorithm algorithms[] = { KEY_RSA_SHA256,
		KEY_ED25519_SHA256 };
	struct stat status;

	for (size_t i = 0; i < ALGORITHMS; i++) {
		const char *path;

		if (!makes(order, algorithms[i]))
			continue;
		path = path_of(order, algorithms[i]);
		if (path == NULL) {
			fault_memory(fault);
			return false;
		}
		if (lstat(path, &status) == 0) {
			fault_set(fault, FAULT_PERMANENT,
			    "%s is there: take another --selector", path);
			return false;
		}
	}
	return !has_directory(order) || check_others(order, fault);
}

static void
add_made(struct order *order, enum key_algorithm algorithm, const char *path,
    const char *record)
{
	struct json_object *one = json_object_new_object();

	json_object_object_add(one, "domain", print_json_text(order->domain));
	json_object_object_add(
	    one, "selector", print_json_text(selector_of(order, algorithm)));
	json_object_object_add(one, "algorithm",
	    print_json_text(algorithm == KEY_RSA_SHA256 ? "rsa" : "ed25519"));
	json_object_object_add(one, "file", print_json_text(path));
	json_object_object_add(one, "record", print_json_text(record));
	json_object_array_add(order->made, one);
}

static bool
make_one(struct order *order, enum key_algorithm algorithm, struct fault *fault)
{
	const char *selector = selector_of(order, algorithm);
	const char *path = path_of(order, algorithm);
	const char *user = order->ctl->conf->user;
	char *record;

	if (selector == NULL || path == NULL) {
		fault_memory(fault);
		return false;
	}
	if (!keys_generate(order->directory, order->domain, selector, algorithm,
		(unsigned)order->bits, order->owner.uid, order->owner.gid,
		&record, fault))
		return false;
	if (!order->ctl->is_json)
		printf("%s\n", record);
	fprintf(stderr, "%s: the private key, for %s alone\n", path,
	    *user != '\0' ? user : "this user");
	add_made(order, algorithm, path, record);
	free(record);
	return true;
}

static bool
make_all(struct order *order, struct fault *fault)
{
	return check_places(order, fault)
	    && (!makes(order, KEY_RSA_SHA256)
		|| make_one(order, KEY_RSA_SHA256, fault))
	    && (!makes(order, KEY_ED25519_SHA256)
		|| make_one(order, KEY_ED25519_SHA256, fault));
}

static int
make(struct order *order)
{
	const struct conf *conf = order->ctl->conf;
	bool is_used = order->directory == NULL;
	struct fault fault;

	if (is_used && *conf->sign.places.directory == '\0') {
		fault_set(&fault, FAULT_PERMANENT,
		    "%s: sign.keys is empty: keys of key_table and key_map "
		    "aren't made; say --directory",
		    conf_where(conf, "sign", "keys"));
		return ctl_fail(&fault);
	}
	if (!listen_find_user(conf->user, &order->owner, &fault)) {
		fault_prefix(&fault, "%s: ", conf_where(conf, "", "user"));
		return ctl_fail(&fault);
	}
	if (is_used)
		order->directory = conf->sign.places.directory;
	if (!listen_make_directory(
		order->directory, 0700, &order->owner, &fault)
	    || !make_all(order, &fault)) {
		int status = ctl_fail(&fault);

		return status == CTL_LATER ? CTL_LATER : CTL_NO;
	}
	if (is_used)
		fputs("It signs from now on: publish the record at once. "
		      "(\"rotate\" publishes first.)\n",
		    stderr);
	return CTL_YES;
}

int
ctl_genkey(struct ctl *ctl, int argc, char **argv)
{
	struct order order = { .ctl = ctl };
	struct json_object *answer;
	int status;

	arena_init(&order.arena, ARENA_BYTES);
	if (!read_arguments(&order, argc, argv) || !check_arguments(&order)) {
		arena_clear(&order.arena);
		return ctl->status;
	}
	order.made = json_object_new_array();
	status = ctl_read(ctl) ? make(&order) : CTL_USAGE;
	answer = json_object_new_object();
	json_object_object_add(answer, "keys", order.made);
	if (ctl->is_json)
		print_json(answer);
	else
		json_object_put(answer);
	arena_clear(&order.arena);
	return status;
}
