#include "milter/io/store_redis_value.h"

#include <endian.h>
#include <string.h>

enum {
	VALUE_VERSION = 1,
	HEAD_OCTETS = 43, /* of a window */
	NUMBERS_AT = 1,
	WIDTH_AT = 41,
	OVERRIDE_HEAD_OCTETS = 17,
};

static void
put_octets(char octets[8], uint64_t number)
{
	uint64_t little = htole64(number);

	memcpy(octets, &little, sizeof little);
}

static uint64_t
get_octets(const char *octets, size_t count)
{
	uint64_t number = 0;

	for (size_t i = count; i > 0; i--)
		number = number << 8 | (unsigned char)octets[i - 1];
	return number;
}

static void
put_double(char octets[8], double number)
{
	uint64_t bits;

	memcpy(&bits, &number, sizeof bits);
	put_octets(octets, bits);
}

void
store_redis_put_number(char octets[8], uint64_t number)
{
	put_double(octets,
	    (double)(number < STORE_REDIS_NUMBER_MAX ? number
						     : STORE_REDIS_NUMBER_MAX));
}

bool
store_redis_get_number(const char octets[8], uint64_t *number_out)
{
	uint64_t bits = get_octets(octets, 8);
	double number;

	memcpy(&number, &bits, sizeof number);
	if (!(number >= 0 && number <= (double)STORE_REDIS_NUMBER_MAX))
		return false;
	*number_out = (uint64_t)number;
	return (double)*number_out == number;
}

void
store_redis_put_max(char octets[8], uint64_t max)
{
	if (max < STORE_REDIS_NUMBER_MAX)
		put_double(octets, (double)max);
	else
		put_double(octets, __builtin_inf());
}

static uint64_t
count_from(uint64_t number)
{
	return number < STORE_REDIS_NUMBER_MAX ? number : UINT64_MAX;
}

static bool
read_older(const char *octets, size_t width, uint64_t *count_out)
{
	if (width == 8)
		return store_redis_get_number(octets, count_out);
	*count_out = get_octets(octets, width);
	return true;
}

static bool
read_slots(
    const char *value, size_t length, size_t width, struct window *window)
{
	uint64_t age = 0;

	for (size_t at = HEAD_OCTETS; at < length; at += width + 1) {
		uint64_t count;

		age += (unsigned char)value[at];
		if (age == 0 || age >= WINDOW_SLOTS || age > window->newest
		    || !read_older(value + at + 1, width, &count))
			return false;
		window->counts[(window->newest - age) % WINDOW_SLOTS] =
		    count_from(count);
	}
	return true;
}

bool
store_redis_read_window(
    const char *value, size_t length, struct window *window_out)
{
	uint64_t numbers[5]; /* per_ms, newest, sum, count, warned */
	size_t width;

	if (length < HEAD_OCTETS || value[0] != VALUE_VERSION)
		return false;
	width = (unsigned char)value[WIDTH_AT];
	if ((width != 1 && width != 2 && width != 4 && width != 8)
	    || (length - HEAD_OCTETS) % (width + 1) != 0)
		return false;
	for (size_t i = 0; i < 5; i++)
		if (!store_redis_get_number(
			value + NUMBERS_AT + 8 * i, &numbers[i]))
			return false;
	if (numbers[0] == 0 || numbers[0] > WINDOW_PER_MAX_MS)
		return false;
	window_init(window_out, numbers[0]);
	window_out->newest = numbers[1];
	window_out->warned = numbers[4];
	window_out->counts[numbers[1] % WINDOW_SLOTS] = count_from(numbers[3]);
	return read_slots(value, length, width, window_out);
}

size_t
store_redis_write_override(const struct store_override *override, char *space)
{
	size_t length = strlen(override->words);

	space[0] = VALUE_VERSION;
	put_octets(space + 1, override->max);
	put_octets(space + 9, override->until_ms);
	memcpy(space + OVERRIDE_HEAD_OCTETS, override->words, length);
	return OVERRIDE_HEAD_OCTETS + length;
}

bool
store_redis_read_override(const char *value, size_t length,
    struct store_override *override_out, char words[STORE_WORDS + 1])
{
	size_t words_length = length - OVERRIDE_HEAD_OCTETS;

	if (length < OVERRIDE_HEAD_OCTETS || value[0] != VALUE_VERSION
	    || words_length > STORE_WORDS)
		return false;
	memcpy(words, value + OVERRIDE_HEAD_OCTETS, words_length);
	words[words_length] = '\0';
	*override_out = (struct store_override){
		.max = get_octets(value + 1, 8),
		.until_ms = get_octets(value + 9, 8),
		.words = words,
	};
	return true;
}
