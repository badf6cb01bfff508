#include "milter/listen.h"

#include "policy/text.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 128 };

bool
listen_find_user(
    const char *name, struct identity *identity_out, struct fault *fault)
{
	const struct passwd *user;

	identity_out->uid = geteuid();
	identity_out->gid = getegid();
	if (*name == '\0')
		return true;
	errno = 0;
	/* Once, at start, before there are threads. */
	user = getpwnam(name);
	if (user == NULL) {
		fault_set(fault, FAULT_PERMANENT,
		    "there is no user \"%s\": make it with \"adduser --system "
		    "--group --no-create-home %s\", or name another",
		    name, name);
		return false;
	}
	if (geteuid() != 0 && user->pw_uid != geteuid()) {
		fault_set(fault, FAULT_PERMANENT,
		    "becoming \"%s\" takes root: start as root or as \"%s\"",
		    name, name);
		return false;
	}
	identity_out->uid = user->pw_uid;
	identity_out->gid = user->pw_gid;
	return true;
}

bool
listen_become(
    const struct identity *identity, const char *name, struct fault *fault)
{
	if (geteuid() != 0 || identity->uid == 0)
		return true;
	if (initgroups(name, identity->gid) == 0 && setgid(identity->gid) == 0
	    && setuid(identity->uid) == 0 && setuid(0) != 0)
		return true;
	fault_set(fault, FAULT_PERMANENT, "can't become user \"%s\": %s", name,
	    strerror(errno));
	return false;
}

bool
listen_make_directory(const char *path, mode_t mode,
    const struct identity *identity, struct fault *fault)
{
	bool is_made;
	int fd;

	if (mkdir(path, mode) != 0) {
		if (errno == EEXIST)
			return true;
		fault_set(fault, FAULT_PERMANENT,
		    "%s can't be made: %s; make it, or name another place",
		    path, strerror(errno));
		return false;
	}
	/* Not by its path: who owns the parent could put a link there. */
	fd = open(path, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	is_made = fd >= 0 && fchmod(fd, mode) == 0
	    && (geteuid() != 0
		|| fchown(fd, identity->uid, identity->gid) == 0);
	if (!is_made)
		fault_set(
		    fault, FAULT_PERMANENT, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return is_made;
}

static bool
make_parent(const char *path, mode_t mode, const struct identity *identity,
    struct fault *fault)
{
	const char *slash = strrchr(path, '/');
	char *parent;
	bool is_made;

	if (slash == NULL || slash == path)
		return true;
	parent = strndup(path, (size_t)(slash - path));
	if (parent == NULL) {
		fault_memory(fault);
		return false;
	}
	is_made = listen_make_directory(parent, mode, identity, fault);
	free(parent);
	return is_made;
}

/* A socket file without a listener is what a crash leaves behind. */
static bool
clear_stale(int fd, const struct sockaddr_un *address, struct fault *fault)
{
	struct stat status;

	if (lstat(address->sun_path, &status) != 0) {
		if (errno == ENOENT)
			return true;
		fault_set(fault, FAULT_PERMANENT, "%s: %s", address->sun_path,
		    strerror(errno));
		return false;
	}
	if (!S_ISSOCK(status.st_mode)) {
		fault_set(fault, FAULT_PERMANENT,
		    "%s is there and no socket: move it away, or name "
		    "another place",
		    address->sun_path);
		return false;
	}
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address))
	    == 0) {
		fault_set(fault, FAULT_PERMANENT,
		    "%s: another process listens there: stop it first",
		    address->sun_path);
		return false;
	}
	if (errno == ECONNREFUSED && unlink(address->sun_path) == 0)
		return true;
	fault_set(fault, FAULT_PERMANENT,
	    "%s is there and can't be removed: %s", address->sun_path,
	    strerror(errno));
	return false;
}

bool
listen_find_group(const char *name, struct fault *fault)
{
	if (*name == '\0' || getgrnam(name) != NULL)
		return true;
	fault_set(fault, FAULT_PERMANENT,
	    "there is no group \"%s\": name the one that the MTA's processes "
	    "run as",
	    name);
	return false;
}

static bool
set_group(const char *path, const char *group, uid_t uid, struct fault *fault)
{
	const struct group *entry;

	if (geteuid() != 0 && *group == '\0')
		return true;
	if (!listen_find_group(group, fault))
		return false;
	entry = *group != '\0' ? getgrnam(group) : NULL;
	/* Whoever owns the directory could put a link in the socket's place:
	 * neither owner nor mode must go to what it points to. */
	if (lchown(path, geteuid() == 0 ? uid : (uid_t)-1,
		entry != NULL ? entry->gr_gid : (gid_t)-1)
	    == 0)
		return true;
	fault_set(fault, FAULT_PERMANENT,
	    "%s can't be given to group \"%s\": %s", path, group,
	    strerror(errno));
	return false;
}

static bool
fill_unix(struct sockaddr_un *address, const char *path, struct fault *fault)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(address->sun_path)) {
		fault_set(fault, FAULT_PERMANENT,
		    "%s: a socket's path has at most %zu octets", path,
		    sizeof(address->sun_path) - 1);
		return false;
	}
	memcpy(address->sun_path, path, strlen(path));
	return true;
}

static int
open_unix(const char *path, unsigned mode, const char *group, uid_t uid,
    struct fault *fault)
{
	struct sockaddr_un address;
	mode_t before;
	int fd, probe;
	bool is_clear;
	int status;

	if (!fill_unix(&address, path, fault))
		return -1;
	probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	is_clear = probe >= 0 && fd >= 0 && clear_stale(probe, &address, fault);
	if (probe >= 0)
		close(probe);
	if (!is_clear) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	/* Nobody gets in before mode and group are what they should be. */
	before = umask(0777);
	status = bind(fd, (struct sockaddr *)&address, sizeof(address));
	(void)umask(before);
	if (status == 0 && set_group(path, group, uid, fault)) {
		if (fchmodat(AT_FDCWD, path, mode, AT_SYMLINK_NOFOLLOW) == 0
		    && listen(fd, BACKLOG) == 0)
			return fd;
		fault_set(
		    fault, FAULT_PERMANENT, "%s: %s", path, strerror(errno));
	}
	if (status == 0) {
		(void)unlink(path);
	} else {
		fault_set(fault, FAULT_PERMANENT, "%s can't be made: %s", path,
		    strerror(errno));
	}
	close(fd);
	return -1;
}

static int
open_address(
    const struct addrinfo *address, const char *name, struct fault *fault)
{
	int yes = 1;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0
	    && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0
	    && bind(fd, address->ai_addr, address->ai_addrlen) == 0
	    && listen(fd, BACKLOG) == 0)
		return fd;
	fault_set(fault, FAULT_PERMANENT, "%s: %s", name, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* "PORT@HOST" */
static int
open_inet(const char *name, const char *place, int family, struct fault *fault)
{
	struct addrinfo hints = { .ai_family = family,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV | AI_PASSIVE };
	struct addrinfo *found = NULL;
	const char *at = strchr(place, '@');
	char port[8];
	int status, fd;

	if (at == NULL || (size_t)(at - place) >= sizeof(port)) {
		fault_set(fault, FAULT_PERMANENT,
		    "%s: the form is \"inet:PORT@HOST\"", name);
		return -1;
	}
	snprintf(port, sizeof(port), "%.*s", (int)(at - place), place);
	status = getaddrinfo(at + 1, port, &hints, &found);
	if (status != 0) {
		fault_set(fault, FAULT_PERMANENT, "%s: %s", name,
		    gai_strerror(status));
		return -1;
	}
	fd = open_address(found, name, fault);
	freeaddrinfo(found);
	return fd;
}

static int
take_over(const char *name, const char *number, struct fault *fault)
{
	int is_listening = 0;
	socklen_t size = sizeof(is_listening);
	uint64_t fd;

	if (text_number(number, 0, 1023, &fd)
	    && getsockopt(
		   (int)fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size)
		== 0
	    && is_listening)
		return (int)fd;
	fault_set(fault, FAULT_PERMANENT,
	    "%s: no listening socket was handed over under that number", name);
	return -1;
}

int
listen_open(const struct conf *conf, const struct identity *identity,
    struct fault *fault)
{
	const char *name = conf->listen;
	const char *colon = strchr(name, ':');

	if (strncmp(name, "inet:", 5) == 0)
		return open_inet(name, colon + 1, AF_INET, fault);
	if (strncmp(name, "inet6:", 6) == 0)
		return open_inet(name, colon + 1, AF_INET6, fault);
	if (strncmp(name, "fd:", 3) == 0)
		return take_over(name, colon + 1, fault);
	if (!make_parent(colon + 1, 0755, identity, fault))
		return -1;
	return open_unix(colon + 1, conf->socket_mode, conf->socket_group,
	    identity->uid, fault);
}

int
listen_control(
    const char *path, const struct identity *identity, struct fault *fault)
{
	if (!make_parent(path, 0755, identity, fault))
		return -1;
	return open_unix(path, 0600, "", identity->uid, fault);
}

void
listen_remove(int fd)
{
	struct sockaddr_un address = { 0 };
	socklen_t size = sizeof(address);

	/* Whoever took the path over since would be listening there. */
	if (getsockname(fd, (struct sockaddr *)&address, &size) == 0
	    && address.sun_family == AF_UNIX && address.sun_path[0] == '/')
		(void)unlink(address.sun_path);
}
