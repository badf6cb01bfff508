#include "policy/hash.h"

#include <string.h>

static uint64_t
rotated(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

static void
stir(uint64_t state[4])
{
	state[0] += state[1];
	state[2] += state[3];
	state[1] = rotated(state[1], 13) ^ state[0];
	state[3] = rotated(state[3], 16) ^ state[2];
	state[0] = rotated(state[0], 32);
	state[2] += state[1];
	state[0] += state[3];
	state[1] = rotated(state[1], 17) ^ state[2];
	state[3] = rotated(state[3], 21) ^ state[0];
	state[2] = rotated(state[2], 32);
}

/* Octets that stand for a word, the least first, whatever the machine. */
static uint64_t
word_at(const char *text, size_t size)
{
	uint64_t word = 0;

	for (size_t i = 0; i < size; i++)
		word |= (uint64_t)(unsigned char)text[i] << (8 * i);
	return word;
}

uint64_t
hash_text(const uint64_t seed[2], const char *text)
{
	uint64_t state[4] = {
		seed[0] ^ 0x736f6d6570736575,
		seed[1] ^ 0x646f72616e646f6d,
		seed[0] ^ 0x6c7967656e657261,
		seed[1] ^ 0x7465646279746573,
	};
	size_t length = strlen(text);

	for (size_t i = 0; i <= length; i += 8) {
		size_t size = length - i < 8 ? length - i : 8;
		uint64_t word = word_at(text + i, size);

		if (size < 8)
			word |= (uint64_t)length << 56;
		state[3] ^= word;
		stir(state);
		stir(state);
		state[0] ^= word;
	}
	state[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		stir(state);
	return state[0] ^ state[1] ^ state[2] ^ state[3];
}
