#include "conf/build.h"

#include "policy/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Postfix gives up on a message after five days (maximal_queue_lifetime). */
#define QUEUE_LIFETIME_S (5ULL * 24 * 3600)

enum {
	OTHERS_WRITE = 0002,
	GROUP_WRITE = 0020,
	STICKY = 01000,
	MAPPED_BITS = 96, /* where IPv4's bits begin */
};

static const char unix_prefix[] = "unix:";

/* Where something about an option is to be told: where it was written, else
 * at the main file as a whole. */
struct place {
	const struct problem_source *source;
	size_t line;
};

static struct place
place_of(const struct build *build, const char *section, const char *option)
{
	const struct written *written =
	    build_written(build->own, section, option);

	if (written == NULL)
		return (struct place){ build->source, 0 };
	return (struct place){ written->source, written->line };
}

static const char *
class_section(enum traffic_class traffic_class)
{
	static const char *const sections[CLASS_COUNT] = {
		[CLASS_SUBMISSION] = "class submission",
		[CLASS_LOCAL] = "class local",
		[CLASS_RELAY] = "class relay",
		[CLASS_INBOUND] = "class inbound",
	};

	return sections[traffic_class];
}

/* Where a class got the option from: its own block, or the section. */
static struct place
place_in_class(const struct build *build, enum traffic_class traffic_class,
    const char *section, const char *option)
{
	struct place place =
	    place_of(build, class_section(traffic_class), option);

	return place.line != 0 ? place : place_of(build, section, option);
}

static bool
is_same_place(struct place one, struct place other)
{
	return one.source == other.source && one.line == other.line;
}

/* Was an earlier class's mistake told at the same place? */
static bool
is_told(const struct place told[CLASS_COUNT], struct place place)
{
	for (int i = 0; i < CLASS_COUNT; i++)
		if (told[i].source != NULL && is_same_place(told[i], place))
			return true;
	return false;
}

/* owners = map needs a map, and a map is for nothing else. */
static void
check_maps(struct build *build)
{
	struct place told[CLASS_COUNT] = { { NULL, 0 } };

	for (int i = CLASS_SUBMISSION; i < CLASS_INBOUND; i++) {
		const struct class_conf *class = &build->conf->classes[i];
		bool is_asked = class->senders.rules.owners == OWNERS_MAP;
		struct place owners =
		    place_in_class(build, i, "senders", "owners");
		struct place map = place_in_class(build, i, "senders", "map");

		/* A map that was written and can't be read was told. */
		if (is_asked && map.line == 0 && !is_told(told, owners)) {
			problems_add(&build->problems, owners.source,
			    owners.line,
			    "owners: map needs a map; write map = "
			    "\"texthash:FILE\", or owners = own");
			told[i] = owners;
		} else if (is_asked && map.line != 0
		    && class->senders.map == NULL
		    && problems_none(&build->problems)) {
			problems_add(&build->problems, map.source, map.line,
			    "map: is empty, but owners = map; write map = "
			    "\"texthash:FILE\"");
		} else if (!is_asked && class->senders.map != NULL
		    && !is_told(told, map)) {
			problems_add(&build->warnings, map.source, map.line,
			    "map: is not used in %s, where owners isn't map; "
			    "write owners = map",
			    class_section(i));
			told[i] = map;
		}
	}
}

static bool
has_name(const struct field_names *fields, const char *name)
{
	for (size_t i = 0; i < fields->count; i++)
		if (text_equal_case(fields->names[i], name))
			return true;
	return false;
}

/* RFC 6376 §5.4: From must be signed. */
static void
check_fields(struct build *build)
{
	struct place told[CLASS_COUNT] = { { NULL, 0 } };

	for (int i = CLASS_SUBMISSION; i < CLASS_INBOUND; i++) {
		const struct signing_rules *rules =
		    &build->conf->classes[i].sign_conf.rules;
		struct place place =
		    place_in_class(build, i, "sign", "headers");

		if (has_name(&rules->headers, "From")
		    || has_name(&rules->oversign, "From")
		    || is_told(told, place))
			continue;
		problems_add(&build->problems, place.source, place.line,
		    "headers: From is missing, and every signature must cover "
		    "it (RFC 6376 section 5.4); add it");
		told[i] = place;
	}
}

static void
check_expiry(struct build *build)
{
	struct place told[CLASS_COUNT] = { { NULL, 0 } };

	for (int i = CLASS_SUBMISSION; i < CLASS_INBOUND; i++) {
		uint64_t expire_s =
		    build->conf->classes[i].sign_conf.rules.expire_s;
		struct place place = place_in_class(build, i, "sign", "expire");

		if (expire_s == 0 || expire_s >= QUEUE_LIFETIME_S
		    || is_told(told, place))
			continue;
		problems_add(&build->warnings, place.source, place.line,
		    "expire: a message may wait in a queue for 5 days, and its "
		    "signature be void when it arrives; write \"14d\"");
		told[i] = place;
	}
}

/* A mailbox server whose logins are bare names: nothing would be signed, and
 * nobody would know why. */
static void
check_logins(struct build *build)
{
	const struct senders_conf *senders =
	    &build->conf->classes[CLASS_SUBMISSION].senders;
	struct place place =
	    place_in_class(build, CLASS_SUBMISSION, "senders", "owners");

	if (!sender_can_ever_own(&senders->rules, senders->map != NULL))
		problems_add(&build->warnings, place.source, place.line,
		    "owners: a login without a domain owns no address, and its "
		    "mail is never signed; if there are such logins, set "
		    "senders.default_domain, or owners = map and senders.map, "
		    "or owners = all");
}

static void
check_accounts(struct build *build)
{
	const struct account_rules *rules = &build->conf->accounts;
	struct place place = place_of(build, "accounts", "networks");

	if (rules->network_count == 0)
		return;
	for (size_t i = 0; i < rules->identify_count; i++)
		if (rules->identify[i] == ACCOUNT_NETWORK)
			return;
	problems_add(&build->warnings, place.source, place.line,
	    "networks: the file is not used; add network to identify");
}

static void
check_networks(struct build *build)
{
	const struct conf *conf = build->conf;
	struct place place = place_of(build, "", "relay_networks");

	for (size_t i = 0; i < conf->relay_network_count; i++) {
		const struct network *network = &conf->relay_networks[i];

		if (network->bits != 0 && network->bits != MAPPED_BITS)
			continue;
		problems_add(&build->warnings, place.source, place.line,
		    "relay_networks: this is the whole Internet; list the "
		    "networks that may relay without a login");
		return;
	}
}

/* Who may write into the directory may put a socket of his own there. */
static void
check_socket_directory(struct build *build, struct place place)
{
	const char *path = build->conf->listen + strlen(unix_prefix);
	const char *slash = strrchr(path, '/');
	struct stat status;
	char *directory = slash == path
	    ? arena_strdup(build->scratch, "/")
	    : arena_copy(build->scratch, path,
		slash != NULL ? (size_t)(slash - path) : 0);

	if (directory == NULL) {
		problems_memory(&build->problems);
		return;
	}
	if (stat(directory, &status) == 0
	    && (status.st_mode & OTHERS_WRITE) != 0)
		problems_add(&build->warnings, place.source, place.line,
		    "listen: everybody can write into %s%s; use a directory "
		    "of postern's own",
		    directory,
		    (status.st_mode & STICKY) != 0
			? " and take the socket's place while it is away"
			: " and replace the socket");
}

static void
check_socket(struct build *build)
{
	const struct conf *conf = build->conf;
	struct place listen = place_of(build, "", "listen");
	struct place mode = place_of(build, "", "socket_mode");
	struct place control = place_of(build, "", "control");

	if (strncmp(conf->listen, "inet", strlen("inet")) == 0)
		problems_add(&build->warnings, listen.source, listen.line,
		    "listen: whoever can reach this port can claim any login "
		    "and read back a signature; use \"unix:/path\", or keep "
		    "others away from the port");
	if (strncmp(conf->listen, unix_prefix, strlen(unix_prefix)) != 0)
		return;
	check_socket_directory(build, listen);
	if ((conf->socket_mode & OTHERS_WRITE) != 0)
		problems_add(&build->warnings, mode.source, mode.line,
		    "socket_mode: every user of this host can claim any login "
		    "and read back a signature; write \"0660\"");
	else if ((conf->socket_mode & GROUP_WRITE) == 0
	    && *conf->socket_group != '\0')
		problems_add(&build->warnings, mode.source, mode.line,
		    "socket_mode: group %s can't connect; write \"0660\"",
		    conf->socket_group);
	if (strcmp(conf->control, conf->listen + strlen(unix_prefix)) == 0)
		problems_add(&build->problems, control.source, control.line,
		    "control: is the same socket as listen; it needs one of "
		    "its own");
}

static void
check_mode(struct build *build)
{
	struct place place = place_of(build, "", "mode");

	if (build->conf->mode == MODE_OBSERVE)
		problems_add(&build->warnings, place.source, place.line,
		    "mode: observe: everything is decided and logged, nothing "
		    "is refused; write enforce when the log looks right");
}

void
check_snapshot(struct build *build)
{
	check_socket(build);
	check_mode(build);
	check_networks(build);
	check_fields(build);
	check_expiry(build);
	check_maps(build);
	check_logins(build);
	check_accounts(build);
}
