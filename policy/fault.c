#include "policy/fault.h"

#include "policy/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Words may carry a file's or a server's text. */
static void
words_put(struct fault *fault, const char *words, size_t length)
{
	struct text text;

	text_init(&text, fault->words, sizeof(fault->words));
	text_add_clean(&text, words, length, true);
}

static size_t
fit(int length, size_t size)
{
	if (length < 0)
		return 0;
	return (size_t)length < size ? (size_t)length : size - 1;
}

void
fault_set(struct fault *fault, enum fault_kind kind, const char *format, ...)
{
	/* Longer than the words, so that a cut there shows. */
	char words[2 * FAULT_WORDS_BYTES];
	va_list arguments;
	int length;

	if (fault == NULL)
		return;
	va_start(arguments, format);
	length = vsnprintf(words, sizeof(words), format, arguments);
	va_end(arguments);
	fault->kind = kind;
	words_put(fault, words, fit(length, sizeof(words)));
}

void
fault_prefix(struct fault *fault, const char *format, ...)
{
	char words[2 * FAULT_WORDS_BYTES];
	va_list arguments;
	size_t length;

	if (fault == NULL)
		return;
	va_start(arguments, format);
	length = fit(vsnprintf(words, FAULT_WORDS_BYTES, format, arguments),
	    FAULT_WORDS_BYTES);
	va_end(arguments);
	memcpy(words + length, fault->words, strlen(fault->words) + 1);
	words_put(fault, words, strlen(words));
}

void
fault_memory(struct fault *fault)
{
	fault_set(fault, FAULT_MEMORY, "out of memory");
}
