#include "policy/base64.h"

#include <stdint.h>

/* What an octet is beside a letter. */
enum { OTHER = 0, BLANK = 65, FILL = 66 };

/* The value of a letter and one more, by a table: branches on letters, which
 * nobody can foresee, take four times as long. */
static const unsigned char values[UINT8_MAX + 1] = { 0, 0, 0, 0, 0, 0, 0, 0, 0,
	BLANK, BLANK, 0, 0, BLANK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, BLANK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 63, 0, 0, 0, 64, 53, 54,
	55, 56, 57, 58, 59, 60, 61, 62, 0, 0, 0, FILL, 0, 0, 0, 1, 2, 3, 4, 5,
	6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24,
	25, 26, 0, 0, 0, 0, 0, 0, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37,
	38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 0, 0, 0, 0,
	0 };

static unsigned
value_of(char octet)
{
	return values[(unsigned char)octet];
}

bool
base64_is_letter(char octet)
{
	return value_of(octet) != OTHER && value_of(octet) < BLANK;
}

bool
base64_is_blank(char octet)
{
	return value_of(octet) == BLANK;
}

/* What a text of so many letters and so many '=' at its end is. */
static enum base64_state
judge(size_t letters, size_t fill)
{
	if (letters % 4 == 1 || fill > 2)
		return BASE64_BROKEN;
	if ((letters + fill) % 4 == 0)
		return BASE64_WHOLE;
	return fill == 0 ? BASE64_UNFILLED : BASE64_BROKEN;
}

/* Decode the four letters at text into three octets. False: they aren't all
 * letters. */
static bool
decode_four(const char *text, unsigned char *data)
{
	uint32_t first = value_of(text[0]) - 1;
	uint32_t second = value_of(text[1]) - 1;
	uint32_t third = value_of(text[2]) - 1;
	uint32_t fourth = value_of(text[3]) - 1;

	if ((first | second | third | fourth) >= 64)
		return false;
	data[0] = (unsigned char)(first << 2 | second >> 4);
	data[1] = (unsigned char)(second << 4 | third >> 2);
	data[2] = (unsigned char)(third << 6 | fourth);
	return true;
}

/* Decode what fours of letters stand at the beginning, as long as there is room
 * for them: all of a line but its end, usually. How many they are. */
static size_t
decode_fours(
    const char *text, size_t length, unsigned char *data, size_t size_bytes)
{
	size_t fours = 0;

	while (fours < length / 4 && fours < size_bytes / 3
	    && decode_four(text + 4 * fours, data + 3 * fours))
		fours++;
	return fours;
}

enum base64_state
base64_decode(const char *text, size_t length, unsigned char *data,
    size_t size_bytes, size_t *length_out)
{
	const char *const end = text + length;
	uint32_t bits = 0; /* what is older than it needs runs over */
	size_t letters = 0;
	size_t fill = 0;
	size_t made = 0;

	for (*length_out = 0; text < end; text++) {
		unsigned value = value_of(*text);

		if (value == BLANK)
			continue;
		if (value == FILL) {
			fill++;
			continue;
		}
		if (value == OTHER || fill > 0)
			return BASE64_FOREIGN;
		if (letters % 4 == 0) {
			size_t fours = decode_fours(text, (size_t)(end - text),
			    data + made, size_bytes - made);

			*length_out = made += 3 * fours;
			if (fours > 0) {
				text += 4 * fours - 1;
				continue;
			}
		}
		bits = bits << 6 | (value - 1);
		if (letters++ % 4 == 0)
			continue;
		if (made == size_bytes)
			return BASE64_LONG;
		data[made++] =
		    (unsigned char)(bits >> (6 - 2 * ((letters - 1) % 4)));
		*length_out = made;
	}
	return judge(letters, fill);
}
