/* opinion_wire: what posternctl and the process of opinions say to each other:
 * a packet is a list of strings, each closed by a NUL. Whoever reads one takes
 * nothing for granted: the other side may have been taken over. */
#ifndef MILTER_CTL_OPINION_WIRE_H
#define MILTER_CTL_OPINION_WIRE_H

#include <stdbool.h>
#include <stddef.h>

enum {
	/* A DNS answer of 64 kB in the longest of its written forms fits; so
	 * does it into a socket's buffer. */
	OPINION_PACKET_BYTES = 160 * 1024,
};

/* What a packet is: its first string. */
#define OPINION_SPF "spf"           /* address, HELO, sender; then as below */
#define OPINION_DMARC "dmarc"       /* see opinion_dmarc.c */
#define OPINION_QUESTION "question" /* number of the type, name */
#define OPINION_ANSWER                                                       \
	"answer"                /* found, nodata, nxdomain or lost, then the \
				   records */
#define OPINION_RESULT "result" /* a word, and why */

/* A packet that is written or read; one user at a time. */
struct opinion_packet {
	size_t length;
	size_t at; /* how far it is read */
	bool is_cut;
	char data[OPINION_PACKET_BYTES];
};

/* Begin to write a packet of this kind. */
void opinion_packet_begin(struct opinion_packet *packet, const char *kind);

/* Write its next string. What doesn't fit makes the packet one that can't be
 * sent. */
void opinion_packet_add(struct opinion_packet *packet, const char *string);

/* Read its next string; NULL: there is none. */
const char *opinion_packet_next(struct opinion_packet *packet);

/* Send it through a socket of packets. False: nobody is there, or it is cut. */
bool opinion_packet_send(int fd, const struct opinion_packet *packet);

/* Wait for the next one. False: nobody is there any more. What is received
 * ends in a NUL. */
bool opinion_packet_receive(int fd, struct opinion_packet *packet);

#endif
