#include "conf/nearest.h"

#include <string.h>

/* Names of options are shorter; a longer word is nobody's slip. */
enum { WORD_OCTETS = 40 };

void
nearest_begin(struct nearest *nearest, const char *word)
{
	nearest->word = word;
	nearest->best = NULL;
	nearest->distance = 0;
}

static unsigned char
folded(char character)
{
	if (character >= 'A' && character <= 'Z')
		return (unsigned char)(character - 'A' + 'a');
	return (unsigned char)(character == '-' ? '_' : character);
}

static size_t
least(size_t one, size_t other)
{
	return one < other ? one : other;
}

/* How many letters must be put in, left out, changed or swapped with their
 * neighbour to make one word of the other (three rows of the usual matrix
 * are enough). */
static size_t
distance(const char *from, size_t from_length, const char *to, size_t to_length)
{
	size_t rows[3][WORD_OCTETS + 1] = { { 0 } };

	for (size_t j = 0; j <= to_length; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= from_length; i++) {
		size_t *row = rows[i % 3];
		const size_t *above = rows[(i + 2) % 3];
		const size_t *older = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= to_length; j++) {
			unsigned char a = folded(from[i - 1]);
			unsigned char b = folded(to[j - 1]);

			row[j] = above[j - 1] + (a != b);
			row[j] = least(row[j], above[j] + 1);
			row[j] = least(row[j], row[j - 1] + 1);
			if (i > 1 && j > 1 && a == folded(to[j - 2])
			    && b == folded(from[i - 2]))
				row[j] = least(row[j], older[j - 2] + 1);
		}
	}
	return rows[from_length % 3][to_length];
}

void
nearest_offer(struct nearest *nearest, const char *known)
{
	size_t length = strnlen(nearest->word, WORD_OCTETS + 1);
	size_t known_length = strnlen(known, WORD_OCTETS + 1);
	size_t most = known_length / 3; /* one slip in three letters */
	size_t steps;

	if (length == 0 || length > WORD_OCTETS || known_length > WORD_OCTETS)
		return;
	steps = distance(nearest->word, length, known, known_length);
	if (most == 0)
		most = 1;
	if (steps > most || steps >= known_length)
		return;
	if (nearest->best == NULL || steps < nearest->distance) {
		nearest->best = known;
		nearest->distance = steps;
	}
}
