#include "milter/ctl/rotate_ask.h"

#include "milter/io/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	TRIES = 3,
	TRY_MS = 1000,     /* for the first; the next have as long and more */
	REFUSED_MS = 200,  /* before the next try, where nobody listened */
	SILENT_SLOTS = 64, /* servers that are remembered */
	TCP_PREFIX = 2,
	PACKET_BYTES = 65535 + TCP_PREFIX,
};

/* A server that has kept silent. */
struct silent {
	struct address address;
	uint16_t port;
	unsigned times;
	uint64_t last_ms;
};

/* Locked inside. */
struct rotate_asker {
	pthread_mutex_t lock;
	struct silent slots[SILENT_SLOTS];
};

enum state { ASKING_UDP, CONNECTING, SENDING, RECEIVING, DONE };

/* The question to one server. */
struct talk {
	const struct rotate_server *server;
	struct rotate_reply *reply;
	enum state state;
	int fd; /* -1: none */
	bool has_edns;
	unsigned tries;
	uint64_t again_ms; /* of UDP: ask again then */
	unsigned char query[TCP_PREFIX + ROTATE_PACKET_QUERY_BYTES];
	size_t query_length; /* without the prefix */
	size_t done;         /* octets sent or received over TCP */
	unsigned char *packet;
};

/* One call. */
struct round {
	const char *name;
	struct arena *arena;
	bool has_memory;
	struct talk talks[ROTATE_ASK_SERVERS];
	size_t count;
};

/* ---- who keeps silent ---- */

struct rotate_asker *
rotate_asker_open(void)
{
	struct rotate_asker *asker = calloc(1, sizeof(*asker));

	if (asker != NULL && pthread_mutex_init(&asker->lock, NULL) != 0) {
		free(asker);
		asker = NULL;
	}
	return asker;
}

void
rotate_asker_close(struct rotate_asker **asker)
{
	if (*asker == NULL)
		return;
	(void)pthread_mutex_destroy(&(*asker)->lock);
	free(*asker);
	*asker = NULL;
}

static bool
is_of(const struct silent *slot, const struct rotate_server *server)
{
	return slot->port == server->port
	    && memcmp(slot->address.octets, server->address.octets,
		   sizeof(slot->address.octets))
	    == 0;
}

/* Its slot; or the one that was longest not used. */
static struct silent *
find_slot(struct rotate_asker *asker, const struct rotate_server *server)
{
	struct silent *oldest = &asker->slots[0];

	for (size_t i = 0; i < SILENT_SLOTS; i++) {
		struct silent *slot = &asker->slots[i];

		if (slot->times > 0 && is_of(slot, server))
			return slot;
		if (slot->last_ms < oldest->last_ms)
			oldest = slot;
	}
	return oldest;
}

static bool
is_silent(struct rotate_asker *asker, const struct rotate_server *server)
{
	const struct silent *slot;
	bool is_so;

	(void)pthread_mutex_lock(&asker->lock);
	slot = find_slot(asker, server);
	is_so = slot->times >= ROTATE_ASK_SILENCES && is_of(slot, server)
	    && clock_monotonic_ms() - slot->last_ms < ROTATE_ASK_SILENT_MS;
	(void)pthread_mutex_unlock(&asker->lock);
	return is_so;
}

static void
note(struct rotate_asker *asker, const struct rotate_server *server,
    bool has_answered)
{
	struct silent *slot;

	(void)pthread_mutex_lock(&asker->lock);
	slot = find_slot(asker, server);
	if (has_answered) {
		if (slot->times > 0 && is_of(slot, server))
			*slot = (struct silent){ .times = 0 };
	} else {
		if (slot->times == 0 || !is_of(slot, server))
			*slot = (struct silent){ .address = server->address,
				.port = server->port };
		slot->times++;
		slot->last_ms = clock_monotonic_ms();
	}
	(void)pthread_mutex_unlock(&asker->lock);
}

/* ---- one server ---- */

static void
hang_up(struct talk *talk)
{
	if (talk->fd >= 0)
		close(talk->fd);
	talk->fd = -1;
}

static void
end(struct talk *talk, enum rotate_heard heard, const char *words)
{
	hang_up(talk);
	talk->state = DONE;
	talk->reply->heard = heard;
	talk->reply->words = words;
}

/* A socket of that kind, connected as far as that goes at once. */
static bool
dial(struct talk *talk, int kind)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const uint8_t *octets = talk->server->address.octets;
	bool is_v4 = memcmp(octets, mapped, sizeof(mapped)) == 0;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;

	memset(&address, 0, sizeof(address));
	if (is_v4) {
		address.v4.sin_family = AF_INET;
		address.v4.sin_port = htons(talk->server->port);
		memcpy(&address.v4.sin_addr, octets + sizeof(mapped), 4);
	} else {
		address.v6.sin6_family = AF_INET6;
		address.v6.sin6_port = htons(talk->server->port);
		memcpy(&address.v6.sin6_addr, octets, 16);
	}
	hang_up(talk);
	talk->fd = socket(
	    address.any.sa_family, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return talk->fd >= 0
	    && (connect(talk->fd, &address.any,
		    is_v4 ? sizeof(address.v4) : sizeof(address.v6))
		    == 0
		|| errno == EINPROGRESS);
}

static void
end_errno(struct talk *talk)
{
	bool has_no_path = errno == ENETUNREACH || errno == EAFNOSUPPORT
	    || errno == EADDRNOTAVAIL || errno == EPROTONOSUPPORT;

	end(talk, has_no_path ? ROTATE_NO_PATH : ROTATE_SILENT,
	    has_no_path ? "this host has no way to it" : "it can't be reached");
}

/* Make the question, under a number that nobody can guess. */
static bool
write_query(struct talk *talk, const char *name)
{
	uint16_t id;

	if (getrandom(&id, sizeof(id), 0) != sizeof(id))
		return false;
	talk->query_length = rotate_packet_ask(
	    talk->query + TCP_PREFIX, id, name, talk->has_edns);
	talk->query[0] = (unsigned char)(talk->query_length >> 8);
	talk->query[1] = (unsigned char)talk->query_length;
	return talk->query_length > 0;
}

/* Over UDP, again if it was before. */
static void
send_udp(struct talk *talk)
{
	talk->tries++;
	talk->again_ms = clock_monotonic_ms() + TRY_MS * talk->tries;
	/* What a lost answer to the one before says of the port (ICMP) comes
	 * here too, and is no reason to give up. */
	if (send(talk->fd, talk->query + TCP_PREFIX, talk->query_length,
		MSG_NOSIGNAL)
	    < 0)
		(void)send(talk->fd, talk->query + TCP_PREFIX,
		    talk->query_length, MSG_NOSIGNAL);
}

static void
begin_udp(struct talk *talk, const char *name, bool has_edns)
{
	talk->has_edns = has_edns;
	talk->state = ASKING_UDP;
	talk->tries = 0;
	if (!dial(talk, SOCK_DGRAM) || !write_query(talk, name))
		end_errno(talk);
	else
		send_udp(talk);
}

static void
begin_tcp(struct talk *talk)
{
	talk->state = CONNECTING;
	talk->done = 0;
	if (!dial(talk, SOCK_STREAM))
		end_errno(talk);
}

/* The packet has come whole. */
static void
read_packet(struct round *round, struct talk *talk, size_t length)
{
	if (rotate_packet_is_old(talk->packet + TCP_PREFIX, length)
	    && talk->has_edns) {
		begin_udp(talk, round->name, false);
		return;
	}
	if (!rotate_packet_read(talk->packet + TCP_PREFIX, length, round->name,
		round->arena, &talk->reply->answer))
		round->has_memory = false;
	end(talk, ROTATE_HEARD, NULL);
}

/* Nobody listens there; a server that is being started will in a moment. */
static void
be_refused(struct talk *talk)
{
	if (talk->tries == TRIES)
		end(talk, ROTATE_SILENT, "nobody listens there");
	else
		talk->again_ms = clock_monotonic_ms() + REFUSED_MS;
}

static void
take_udp(struct round *round, struct talk *talk)
{
	ssize_t got = recv(
	    talk->fd, talk->packet + TCP_PREFIX, PACKET_BYTES - TCP_PREFIX, 0);
	size_t length = got > 0 ? (size_t)got : 0;

	if (got < 0 && errno == ECONNREFUSED) {
		be_refused(talk);
		return;
	}
	/* What isn't an answer to this was sent by somebody else. */
	if (!rotate_packet_fits(
		talk->packet + TCP_PREFIX, length, talk->query + TCP_PREFIX))
		return;
	if (rotate_packet_is_cut(talk->packet + TCP_PREFIX, length))
		begin_tcp(talk);
	else
		read_packet(round, talk, length);
}

static void
send_tcp(struct talk *talk)
{
	size_t length = talk->query_length + TCP_PREFIX;
	ssize_t sent = send(talk->fd, talk->query + talk->done,
	    length - talk->done, MSG_NOSIGNAL);

	if (sent < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (sent < 0) {
		end(talk, ROTATE_SILENT, "it hangs up over TCP");
		return;
	}
	talk->done += (size_t)sent;
	if (talk->done < length)
		return;
	talk->done = 0;
	talk->state = RECEIVING;
}

static void
take_tcp(struct round *round, struct talk *talk)
{
	size_t wanted = TCP_PREFIX;
	ssize_t got;

	if (talk->done >= TCP_PREFIX)
		wanted += (size_t)talk->packet[0] << 8 | talk->packet[1];
	got = recv(talk->fd, talk->packet + talk->done, wanted - talk->done, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		end(talk, ROTATE_SILENT, "it hangs up over TCP");
		return;
	}
	talk->done += (size_t)got;
	if (talk->done < wanted || wanted == TCP_PREFIX)
		return;
	if (rotate_packet_fits(talk->packet + TCP_PREFIX, wanted - TCP_PREFIX,
		talk->query + TCP_PREFIX))
		read_packet(round, talk, wanted - TCP_PREFIX);
	else
		end(talk, ROTATE_SILENT, "it answers something else");
}

static void
connected(struct talk *talk)
{
	int error = 0;
	socklen_t length = sizeof(error);

	if (getsockopt(talk->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0
	    || error != 0) {
		end(talk, ROTATE_SILENT, "it can't be reached over TCP");
		return;
	}
	talk->state = SENDING;
	send_tcp(talk);
}

static void
serve(struct round *round, struct talk *talk)
{
	switch (talk->state) {
	case ASKING_UDP:
		take_udp(round, talk);
		break;
	case CONNECTING:
		connected(talk);
		break;
	case SENDING:
		send_tcp(talk);
		break;
	case RECEIVING:
		take_tcp(round, talk);
		break;
	case DONE:
		break;
	}
}

/* ---- all of them ---- */

/* What to wait for, and until when. Returns how many are under way. */
static size_t
find_waits(struct round *round, struct pollfd *waits, struct talk **talks,
    uint64_t *until_ms)
{
	size_t count = 0;

	for (size_t i = 0; i < round->count; i++) {
		struct talk *talk = &round->talks[i];
		bool sends =
		    talk->state == CONNECTING || talk->state == SENDING;

		if (talk->state == DONE)
			continue;
		waits[count].fd = talk->fd;
		waits[count].events = sends ? POLLOUT : POLLIN;
		waits[count].revents = 0;
		talks[count++] = talk;
		if (talk->state == ASKING_UDP && talk->tries < TRIES
		    && talk->again_ms < *until_ms)
			*until_ms = talk->again_ms;
	}
	return count;
}

/* Wait once. False: all is over. */
static bool
step(struct round *round, uint64_t end_ms)
{
	struct pollfd waits[ROTATE_ASK_SERVERS];
	struct talk *talks[ROTATE_ASK_SERVERS];
	uint64_t now_ms = clock_monotonic_ms(), until_ms = end_ms;
	size_t count = find_waits(round, waits, talks, &until_ms);

	if (count == 0 || now_ms >= end_ms)
		return false;
	if (poll(waits, count, until_ms > now_ms ? (int)(until_ms - now_ms) : 0)
	    < 0)
		return errno == EINTR;
	now_ms = clock_monotonic_ms();
	for (size_t i = 0; i < count; i++) {
		struct talk *talk = talks[i];

		if (waits[i].revents != 0)
			serve(round, talk);
		if (talk->state == ASKING_UDP && talk->tries < TRIES
		    && talk->again_ms <= now_ms)
			send_udp(talk);
	}
	return true;
}

static bool
begin(struct round *round, struct rotate_asker *asker,
    const struct rotate_server *servers, size_t count,
    struct rotate_reply *replies_out)
{
	for (size_t i = 0; i < count; i++) {
		struct talk *talk = &round->talks[i];

		*talk = (struct talk){ .server = &servers[i],
			.reply = &replies_out[i],
			.fd = -1,
			.packet = malloc(PACKET_BYTES) };
		replies_out[i] =
		    (struct rotate_reply){ .heard = ROTATE_SILENT };
		round->count++;
		if (talk->packet == NULL)
			return false;
		if (is_silent(asker, &servers[i]))
			end(talk, ROTATE_SILENT, "it doesn't answer");
		else
			begin_udp(talk, round->name, true);
	}
	return true;
}

bool
rotate_ask(struct rotate_asker *asker, const struct rotate_server *servers,
    size_t count, const char *name, uint64_t timeout_ms, struct arena *arena,
    struct rotate_reply *replies_out, struct fault *fault)
{
	struct round *round = calloc(1, sizeof(*round));
	uint64_t end_ms = clock_monotonic_ms() + timeout_ms;
	bool is_asked;

	if (round == NULL) {
		fault_memory(fault);
		return false;
	}
	round->name = name;
	round->arena = arena;
	round->has_memory = begin(round, asker, servers, count, replies_out);
	while (round->has_memory && step(round, end_ms))
		continue;
	for (size_t i = 0; i < round->count; i++) {
		struct talk *talk = &round->talks[i];

		if (talk->state != DONE)
			end(talk, ROTATE_SILENT, "it doesn't answer");
		if (talk->tries > 0 && talk->reply->heard != ROTATE_NO_PATH)
			note(asker, talk->server,
			    talk->reply->heard == ROTATE_HEARD);
		free(talk->packet);
	}
	is_asked = round->has_memory;
	if (!is_asked)
		fault_memory(fault);
	free(round);
	return is_asked;
}
