/* nsd: a real nsd(8) for tests, with zones that the test gives, on a port of
 * 127.0.0.1 and in a directory of its own. What can't be started fails the
 * test, with the server's log. */
#ifndef TESTS_CONTRACT_NSD_H
#define TESTS_CONTRACT_NSD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { NSD_PATH_BYTES = 128, NSD_ZONES = 8 };

struct nsd {
	char directory[NSD_PATH_BYTES];
	char address[32]; /* "127.0.0.1@PORT" */
	uint16_t port;
	pid_t pid; /* 0: not running */
	const char *zones[NSD_ZONES];
	size_t zone_count;
};

/* Is there an nsd to be started, and ldns-signzone(1) and ldns-keygen(1)
 * (package ldnsutils) to sign a zone? If not, what needs them is skipped. */
bool nsd_is_there(void);
bool nsd_can_sign(void);

/* Make the directory. */
void nsd_open(struct nsd *nsd);

/* Add zone (a string that stays) with the records of text, after its SOA and
 * NS. */
void nsd_add_zone(struct nsd *nsd, const char *zone, const char *text);

/* Sign zone with a fresh key; expires: "YYYYMMDD", NULL: in some weeks. Then
 * write its key into anchor_out, a path. */
void nsd_sign_zone(struct nsd *nsd, const char *zone, const char *expires,
    char anchor_out[NSD_PATH_BYTES * 2]);

/* Serve zone without its signatures. */
void nsd_unsign_zone(struct nsd *nsd, const char *zone);

/* Replace from by to, of equal length, in what zone has become. */
void
nsd_tamper(struct nsd *nsd, const char *zone, const char *from, const char *to);

/* Start it and wait until it answers. */
void nsd_start(struct nsd *nsd);

/* Stop it, if it runs, and remove the directory. */
void nsd_close(struct nsd *nsd);

#endif
