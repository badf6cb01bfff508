#include "conf/build.h"

#include "policy/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	OTHERS_WRITE = 0002,
	GROUP_WRITE = 0020,
	STICKY = 01000,
	MAPPED_BITS = 96, /* where IPv4's bits begin */
};

static const char unix_prefix[] = "unix:";

const char *
check_class_section(enum traffic_class traffic_class)
{
	static const char *const sections[CLASS_COUNT] = {
		[CLASS_SUBMISSION] = "class submission",
		[CLASS_LOCAL] = "class local",
		[CLASS_RELAY] = "class relay",
		[CLASS_INBOUND] = "class inbound",
	};

	return sections[traffic_class];
}

struct place
check_place_in_class(const struct build *build,
    enum traffic_class traffic_class, const char *section, const char *option)
{
	struct place place =
	    build_place(build, check_class_section(traffic_class), option);

	return place.line != 0 ? place : build_place(build, section, option);
}

static bool
is_same_place(struct place one, struct place other)
{
	return one.source == other.source && one.line == other.line;
}

bool
check_is_told(const struct place told[CLASS_COUNT], struct place place)
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
		    check_place_in_class(build, i, "senders", "owners");
		struct place map =
		    check_place_in_class(build, i, "senders", "map");

		/* A map that was written and can't be read was told. */
		if (is_asked && map.line == 0 && !check_is_told(told, owners)) {
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
		    && !check_is_told(told, map)) {
			problems_add(&build->warnings, map.source, map.line,
			    "map: is not used in %s, where owners isn't map; "
			    "write owners = map",
			    check_class_section(i));
			told[i] = map;
		}
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
	    check_place_in_class(build, CLASS_SUBMISSION, "senders", "owners");

	if (build->conf->classes[CLASS_SUBMISSION].sign
	    && !sender_can_ever_own(&senders->rules, senders->map != NULL))
		problems_add(&build->warnings, place.source, place.line,
		    "owners: a login without a domain owns no address, and its "
		    "mail is never signed; if there are such logins, set "
		    "senders.default_domain, or owners = map and senders.map, "
		    "or owners = all");
}

static bool
is_source(const struct account_rules *rules, enum account_source source)
{
	for (size_t i = 0; i < rules->identify_count; i++)
		if (rules->identify[i] == source)
			return true;
	return false;
}

static void
check_accounts(struct build *build)
{
	const struct account_rules *rules = &build->conf->accounts;
	struct place place = build_place(build, "accounts", "networks");

	if (rules->network_count == 0 || is_source(rules, ACCOUNT_NETWORK))
		return;
	problems_add(&build->warnings, place.source, place.line,
	    "networks: the file is not used; add network to identify");
}

/* The first of the networks that is the whole Internet; NULL: none is. */
static const struct network *
whole_internet(const struct network *networks, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (networks[i].bits == 0 || networks[i].bits == MAPPED_BITS)
			return &networks[i];
	return NULL;
}

static void
check_networks(struct build *build)
{
	const struct conf *conf = build->conf;
	struct place relay = build_place(build, "", "relay_networks");
	struct place trusted = build_place(build, "", "trusted_networks");

	if (whole_internet(conf->relay_networks, conf->relay_network_count)
	    != NULL)
		problems_add(&build->warnings, relay.source, relay.line,
		    "relay_networks: this is the whole Internet; list the "
		    "networks that may relay without a login");
	if (whole_internet(conf->trusted_networks, conf->trusted_network_count)
	    != NULL)
		problems_add(&build->warnings, trusted.source, trusted.line,
		    "trusted_networks: this is the whole Internet, and anybody "
		    "can claim any account; list the hosts that write the "
		    "field");
}

/* Of a panel host and the relay behind it: which of them is this? */
static void
check_identity(struct build *build)
{
	const struct conf *conf = build->conf;
	struct place header = build_place(build, "", "identity_header");
	struct place trusted = build_place(build, "", "trusted_networks");

	if (*conf->identity_header == '\0' && conf->trusted_network_count > 0)
		problems_add(&build->warnings, trusted.source, trusted.line,
		    "trusted_networks: is not used; set identity_header to the "
		    "field that these clients write");
	if (conf->hands_on)
		problems_add(&build->warnings, header.source, header.line,
		    "identity_header: without trusted_networks this host "
		    "writes %s, and leaves signing, preflight and limits to "
		    "the "
		    "relay that believes it; a class can set sign, preflight "
		    "and limits to yes",
		    conf->identity_header);
	else if (*conf->identity_header != '\0'
	    && conf->trusted_network_count > 0 && conf->mode == MODE_ENFORCE
	    && conf->classes[CLASS_RELAY].mode == MODE_OBSERVE)
		problems_add(&build->warnings, header.source, header.line,
		    "identity_header: what these clients bring is of class "
		    "relay, whose limits are only observed; write class relay "
		    "{ mode = enforce }");
	if (!conf->hands_on && *conf->identity_header != '\0'
	    && !is_source(&conf->accounts, ACCOUNT_HEADER))
		problems_add(&build->warnings, header.source, header.line,
		    "identity_header: is not used; add header to identify");
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
	struct place listen = build_place(build, "", "listen");
	struct place mode = build_place(build, "", "socket_mode");
	struct place control = build_place(build, "", "control");

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
	struct place place = build_place(build, "", "mode");

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
	check_sign(build);
	check_maps(build);
	check_logins(build);
	check_accounts(build);
	check_identity(build);
	check_store(build);
	check_preflight(build);
}
