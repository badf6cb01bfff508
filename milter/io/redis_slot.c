#include "milter/io/redis_slot.h"

#include <stddef.h>
#include <string.h>

/* CRC-16/XMODEM, as the specification of the cluster wants it. */
static unsigned
crc16(const char *data, size_t length)
{
	unsigned crc = 0;

	for (size_t i = 0; i < length; i++) {
		crc ^= (unsigned)(unsigned char)data[i] << 8;
		for (int bit = 0; bit < 8; bit++)
			crc =
			    (crc & 0x8000) != 0 ? crc << 1 ^ 0x1021 : crc << 1;
	}
	return crc & 0xffff;
}

unsigned
redis_slot(const char *key)
{
	const char *open = strchr(key, '{');
	const char *close = open != NULL ? strchr(open + 1, '}') : NULL;

	if (close != NULL && close > open + 1)
		return crc16(open + 1, (size_t)(close - open - 1))
		    % REDIS_SLOTS;
	return crc16(key, strlen(key)) % REDIS_SLOTS;
}
