#include "conf/numbers.h"

#include "policy/text.h"

#include <inttypes.h>
#include <string.h>

static bool
is_digits(const char *text)
{
	return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

/* A unit that numbers may be written with; 0 closes the list. */
struct scale {
	const char *name;
	uint64_t factor;
};

static const struct scale no_scales[] = { { "", 1 }, { NULL, 0 } };

static const struct scale durations[] = {
	{ "d", 86400000 },
	{ "h", 3600000 },
	{ "m", 60000 },
	{ "s", 1000 },
	{ "ms", 1 },
	{ NULL, 0 },
};

static const struct scale sizes[] = {
	{ "T", 1024ULL * 1024 * 1024 * 1024 },
	{ "G", 1024ULL * 1024 * 1024 },
	{ "M", 1024ULL * 1024 },
	{ "K", 1024 },
	{ "", 1 },
	{ NULL, 0 },
};

/* A number that may be one of octets; bounds are shown in digits. */
static const struct scale amounts[] = {
	{ "", 1 },
	{ "K", 1024 },
	{ "M", 1024ULL * 1024 },
	{ "G", 1024ULL * 1024 * 1024 },
	{ "T", 1024ULL * 1024 * 1024 * 1024 },
	{ NULL, 0 },
};

static const struct scale percents[] = { { "%", 1 }, { NULL, 0 } };

/* Write number the short way: 3600000 as "1h". */
static void
add_scaled(struct text *text, const struct scale *scales, uint64_t number)
{
	while (scales[1].name != NULL
	    && (number == 0 ? scales->factor != 1
			    : number % scales->factor != 0))
		scales++;
	text_addf(text, "%" PRIu64 "%s", number / scales->factor, scales->name);
}

/* Number, times its unit; false if it isn't one. *is_huge_out: it is one that
 * no field could hold. */
static bool
scaled(const char *string, const struct scale *scales, uint64_t *number_out,
    bool *is_huge_out)
{
	size_t digits = strspn(string, "0123456789");
	char space[32] = "";

	*is_huge_out = false;
	while (scales->name != NULL && strcmp(scales->name, string + digits))
		scales++;
	if (digits == 0 || scales->name == NULL)
		return false;
	if (digits >= sizeof(space)) {
		*is_huge_out = true;
		return true;
	}
	memcpy(space, string, digits);
	*is_huge_out =
	    !text_number(space, 0, UINT64_MAX / scales->factor, number_out);
	if (!*is_huge_out)
		*number_out *= scales->factor;
	return true;
}

/* Read a number into *number_out, in the scales' smallest unit, and hold it
 * against the bounds. one is the size of the option's unit in it. */
static bool
bounded(const struct reading *reading, const struct scale *scales, uint64_t one,
    const char *form, uint64_t *number_out)
{
	uint64_t minimum = reading->option->minimum * one;
	uint64_t maximum = reading->option->maximum * one;
	bool is_huge;
	char space[160];
	struct text text;

	if (!scaled(reading->text, scales, number_out, &is_huge)) {
		values_refuse(reading, form);
		return false;
	}
	if (!is_huge && *number_out >= minimum && *number_out <= maximum)
		return true;
	text_init(&text, space, sizeof(space));
	text_add(&text, "is out of bounds; it can be ");
	add_scaled(&text, scales, minimum);
	text_add(&text, " to ");
	add_scaled(&text, scales, maximum);
	values_refuse(reading, space);
	return false;
}

void
numbers_number(const struct reading *reading)
{
	uint64_t *field = values_field(reading);
	uint64_t number;

	if (bounded(reading, no_scales, 1, "is no number in digits", &number))
		*field = number;
}

void
numbers_amount(const struct reading *reading)
{
	uint64_t *field = values_field(reading);
	uint64_t number;

	if (bounded(reading, amounts, 1,
		"is no number; write digits, for bytes with K, M, G or T "
		"behind them: \"500M\"",
		&number))
		*field = number;
}

void
numbers_percent(const struct reading *reading)
{
	uint64_t *field = values_field(reading);
	uint64_t number;

	if (*reading->text == '\0'
	    && (values_may_be_empty(reading) || reading->option->minimum == 0))
		*field = 0;
	else if (bounded(reading, percents, 1,
		     "is no percentage; write digits and '%': \"80%\"",
		     &number))
		*field = number;
}

void
numbers_size(const struct reading *reading)
{
	uint64_t *field = values_field(reading);
	uint64_t number;

	if (bounded(reading, sizes, 1,
		"is no size; write digits and K, M, G or T: \"25M\"", &number))
		*field = number;
}

void
numbers_duration(const struct reading *reading)
{
	uint64_t one = reading->option->unit == UNIT_S ? 1000 : 1;
	uint64_t *field = values_field(reading);
	uint64_t number;

	if (*reading->text == '\0' && values_may_be_empty(reading)) {
		*field = 0;
		return;
	}
	if (!bounded(reading, durations, one,
		is_digits(reading->text)
		    ? "has no unit; write ms, s, m, h or d after it: \"10m\""
		    : "is no duration; write digits and ms, s, m, h or d: "
		      "\"10m\"",
		&number))
		return;
	if (number % one != 0)
		values_refuse(reading, "is no whole number of seconds");
	else
		*field = number / one;
}
