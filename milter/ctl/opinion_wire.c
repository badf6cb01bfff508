#include "milter/ctl/opinion_wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

void
opinion_packet_begin(struct opinion_packet *packet, const char *kind)
{
	packet->length = 0;
	packet->at = 0;
	packet->is_cut = false;
	opinion_packet_add(packet, kind);
}

void
opinion_packet_add(struct opinion_packet *packet, const char *string)
{
	size_t size = strlen(string) + 1;

	if (packet->is_cut || size > sizeof(packet->data) - packet->length) {
		packet->is_cut = true;
		return;
	}
	memcpy(packet->data + packet->length, string, size);
	packet->length += size;
}

const char *
opinion_packet_next(struct opinion_packet *packet)
{
	const char *string = packet->data + packet->at;

	if (packet->at >= packet->length)
		return NULL;
	packet->at += strlen(string) + 1;
	return string;
}

bool
opinion_packet_send(int fd, const struct opinion_packet *packet)
{
	ssize_t sent;

	if (packet->is_cut)
		return false;
	do
		sent = send(fd, packet->data, packet->length, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)packet->length;
}

bool
opinion_packet_receive(int fd, struct opinion_packet *packet)
{
	ssize_t received;

	packet->at = 0;
	packet->length = 0;
	packet->is_cut = false;
	do
		received =
		    recv(fd, packet->data, sizeof(packet->data), MSG_TRUNC);
	while (received < 0 && errno == EINTR);
	if (received <= 0 || (size_t)received > sizeof(packet->data)
	    || packet->data[received - 1] != '\0')
		return false;
	packet->length = (size_t)received;
	return true;
}
