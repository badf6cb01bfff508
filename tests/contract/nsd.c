#include "tests/contract/nsd.h"

#include "milter/io/clock.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	WAIT_MS = 60000,
	PAUSE_MS = 10,
	ROOM = NSD_PATH_BYTES * 2,
	FILE_MOST = 1 << 20
};

static const char program[] = "/usr/sbin/nsd";
static const char keygen[] = "/usr/bin/ldns-keygen";
static const char signzone[] = "/usr/bin/ldns-signzone";

bool
nsd_is_there(void)
{
	return access(program, X_OK) == 0;
}

bool
nsd_can_sign(void)
{
	return access(keygen, X_OK) == 0 && access(signzone, X_OK) == 0;
}

static void
path_of(const struct nsd *nsd, const char *name, const char *ending,
    char path[ROOM])
{
	int length =
	    snprintf(path, ROOM, "%s/%s%s", nsd->directory, name, ending);

	assert_true(length > 0 && length < ROOM);
}

static void
write_file(const struct nsd *nsd, const char *name, const char *text)
{
	char path[ROOM];
	FILE *file;

	path_of(nsd, name, "", path);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static char *
read_file(const char *path)
{
	char *text = calloc(1, FILE_MOST);
	FILE *file = fopen(path, "re");

	assert_non_null(text);
	if (file == NULL)
		fail_msg("%s: it can't be read", path);
	(void)!fread(text, 1, FILE_MOST - 1, file);
	(void)fclose(file);
	return text;
}

/* Run a program in the directory; what it prints goes into the file named
 * output there. */
static void
run(const struct nsd *nsd, const char *output, char *const words[])
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (chdir(nsd->directory) != 0
		    || freopen(output, "w", stdout) == NULL)
			_exit(126);
		(void)execv(words[0], words);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("%s failed: %d", words[0], status);
}

void
nsd_open(struct nsd *nsd)
{
	*nsd = (struct nsd){ 0 };
	(void)snprintf(nsd->directory, sizeof nsd->directory,
	    "/tmp/test_resolver_nsd.XXXXXX");
	assert_non_null(mkdtemp(nsd->directory));
}

void
nsd_add_zone(struct nsd *nsd, const char *zone, const char *text)
{
	char *all = calloc(1, FILE_MOST);
	int length;

	assert_non_null(all);
	assert_true(nsd->zone_count < NSD_ZONES);
	length = snprintf(all, FILE_MOST,
	    "$ORIGIN %s.\n$TTL 300\n"
	    "@ IN SOA ns hostmaster 1 3600 600 86400 120\n"
	    "@ IN NS ns\nns IN A 127.0.0.1\n%s",
	    zone, text);
	assert_true(length > 0 && length < FILE_MOST);
	write_file(nsd, zone, all);
	free(all);
	nsd->zones[nsd->zone_count++] = zone;
}

void
nsd_sign_zone(struct nsd *nsd, const char *zone, const char *expires,
    char anchor_out[NSD_PATH_BYTES * 2])
{
	char make[][32] = { "-a", "ECDSAP256SHA256", "-k" };
	char end[][16] = { "-e", "" };
	char program_1[sizeof keygen], program_2[sizeof signzone];
	char zone_word[64], key[128], name_path[ROOM];
	char *key_words[] = { program_1, make[0], make[1], make[2], zone_word,
		NULL };
	char *sign_words[6] = { program_2 };
	size_t count = 1;
	char *name;

	(void)snprintf(program_1, sizeof program_1, "%s", keygen);
	(void)snprintf(program_2, sizeof program_2, "%s", signzone);
	(void)snprintf(zone_word, sizeof zone_word, "%s", zone);
	run(nsd, "key-name", key_words);
	path_of(nsd, "key-name", "", name_path);
	name = read_file(name_path);
	name[strcspn(name, "\n")] = '\0';
	(void)snprintf(key, sizeof key, "%s", name);
	free(name);
	if (expires != NULL) {
		(void)snprintf(end[1], sizeof end[1], "%s", expires);
		sign_words[count++] = end[0];
		sign_words[count++] = end[1];
	}
	sign_words[count++] = zone_word;
	sign_words[count] = key;
	run(nsd, "signed", sign_words);
	path_of(nsd, key, ".key", anchor_out);
}

/* The file that zone is served from: signed or as it was written. */
static void
zone_path(const struct nsd *nsd, const char *zone, char path[ROOM])
{
	path_of(nsd, zone, ".signed", path);
	if (access(path, R_OK) != 0)
		path_of(nsd, zone, "", path);
}

void
nsd_unsign_zone(struct nsd *nsd, const char *zone)
{
	char path[ROOM];

	path_of(nsd, zone, ".signed", path);
	assert_int_equal(unlink(path), 0);
}

void
nsd_tamper(struct nsd *nsd, const char *zone, const char *from, const char *to)
{
	char path[ROOM];
	char *text, *at;
	FILE *file;

	zone_path(nsd, zone, path);
	text = read_file(path);
	at = strstr(text, from);
	if (at == NULL || strlen(from) != strlen(to))
		fail_msg("%s: no \"%s\" in it", path, from);
	memcpy(at, to, strlen(to));
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	free(text);
}

/* ---- starting ---- */

static uint16_t
free_port(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) },
	};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(
	    bind(fd, (const struct sockaddr *)&address, length), 0);
	assert_int_equal(
	    getsockname(fd, (struct sockaddr *)&address, &length), 0);
	(void)close(fd);
	return ntohs(address.sin_port);
}

static void
configure(struct nsd *nsd)
{
	char text[8192], path[ROOM];
	size_t used;

	nsd->port = free_port();
	(void)snprintf(
	    nsd->address, sizeof nsd->address, "127.0.0.1@%u", nsd->port);
	used = (size_t)snprintf(text, sizeof text,
	    "server:\n ip-address: %s\n server-count: 1\n username: \"\"\n"
	    " chroot: \"\"\n zonesdir: \"%s\"\n database: \"\"\n"
	    " pidfile: \"%s/pid\"\n xfrdfile: \"%s/xfrd\"\n"
	    " zonelistfile: \"%s/list\"\n xfrdir: \"%s\"\n"
	    " logfile: \"%s/log\"\n tcp-count: 50\n"
	    "remote-control:\n control-enable: no\n",
	    nsd->address, nsd->directory, nsd->directory, nsd->directory,
	    nsd->directory, nsd->directory, nsd->directory);
	for (size_t i = 0; i < nsd->zone_count; i++) {
		zone_path(nsd, nsd->zones[i], path);
		used += (size_t)snprintf(text + used, sizeof text - used,
		    "zone:\n name: \"%s\"\n zonefile: \"%s\"\n", nsd->zones[i],
		    path);
		assert_true(used < sizeof text);
	}
	write_file(nsd, "conf", text);
}

/* Does it answer anything? Any answer will do. */
static bool
answers(const struct nsd *nsd)
{
	static const unsigned char query[] = { 1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0,
		0, 0, 0, 6, 0, 1 };
	const struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(nsd->port),
		.sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) },
	};
	unsigned char answer[512];
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	bool is_there;

	assert_true(fd >= 0);
	is_there =
	    connect(fd, (const struct sockaddr *)&address, sizeof address) == 0
	    && send(fd, query, sizeof query, 0) == (ssize_t)sizeof query
	    && poll(&ready, 1, PAUSE_MS) > 0
	    && recv(fd, answer, sizeof answer, 0) > 0;
	(void)close(fd);
	return is_there;
}

static void
print_log(const struct nsd *nsd)
{
	char path[ROOM];
	char *text;

	path_of(nsd, "log", "", path);
	if (access(path, R_OK) != 0)
		return;
	text = read_file(path);
	print_error("%s", text);
	free(text);
}

void
nsd_start(struct nsd *nsd)
{
	uint64_t until_ms = clock_monotonic_ms() + WAIT_MS;
	char path[ROOM];

	configure(nsd);
	path_of(nsd, "conf", "", path);
	nsd->pid = fork();
	assert_true(nsd->pid >= 0);
	if (nsd->pid == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0)
			_exit(126);
		(void)execl(program, "nsd", "-d", "-c", path, (char *)NULL);
		_exit(127);
	}
	while (!answers(nsd)) {
		if (clock_monotonic_ms() > until_ms
		    || waitpid(nsd->pid, NULL, WNOHANG) != 0) {
			print_log(nsd);
			fail_msg("nsd doesn't start");
		}
		(void)usleep(PAUSE_MS * 1000);
	}
}

static int
remove_one(
    const char *path, const struct stat *status, int kind, struct FTW *place)
{
	(void)status;
	(void)kind;
	(void)place;
	return remove(path);
}

void
nsd_close(struct nsd *nsd)
{
	if (nsd->pid > 0) {
		(void)kill(nsd->pid, SIGTERM);
		(void)waitpid(nsd->pid, NULL, 0);
		nsd->pid = 0;
	}
	(void)nftw(nsd->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
