#include "milter/ctl/mail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct mail {
	FILE *in;
	bool is_begun;
	bool is_body;

	/* The field being read; after it, what was read of a line that turned
	 * out to be the body's first. */
	char *field;
	size_t length;
	size_t size;
	size_t given; /* of that line */

	unsigned char raw[MAIL_PIECE_BYTES];
	unsigned char piece[2 * MAIL_PIECE_BYTES];
	unsigned char last; /* octet of the body; '\n' at its beginning */
};

struct mail *
mail_open(FILE *in)
{
	struct mail *mail = calloc(1, sizeof(*mail));

	if (mail == NULL)
		return NULL;
	mail->in = in;
	mail->last = '\n';
	return mail;
}

void
mail_close(struct mail **mail)
{
	if (*mail != NULL)
		free((*mail)->field);
	free(*mail);
	*mail = NULL;
}

static bool
add(struct mail *mail, int octet, struct fault *fault)
{
	if (mail->length == mail->size) {
		size_t size = mail->size > 0 ? 2 * mail->size : 1024;
		char *grown = realloc(mail->field, size);

		if (grown == NULL) {
			fault_memory(fault);
			return false;
		}
		mail->field = grown;
		mail->size = size;
	}
	if (mail->length >= MAIL_FIELD_BYTES) {
		fault_set(fault, FAULT_PERMANENT,
		    "the message has a header field of more than %d octets, "
		    "which no MTA passes on",
		    (int)MAIL_FIELD_BYTES);
		return false;
	}
	mail->field[mail->length++] = (char)octet;
	return true;
}

static int
next(struct mail *mail)
{
	return getc_unlocked(mail->in);
}

static int
peek(struct mail *mail)
{
	int octet = next(mail);

	if (octet != EOF)
		(void)ungetc(octet, mail->in);
	return octet;
}

static bool
is_read(struct mail *mail, struct fault *fault)
{
	if (!ferror(mail->in))
		return true;
	fault_set(fault, FAULT_PERMANENT, "the message can't be read: %s",
	    strerror(errno));
	return false;
}

static bool
is_blank(int octet)
{
	return octet == ' ' || octet == '\t';
}

static void
skip_line(struct mail *mail)
{
	int octet;

	do
		octet = next(mail);
	while (octet != '\n' && octet != EOF);
}

/* "From alice Mon Jan  1 ...": a mailbox file's, and never a header's. */
static bool
is_mailbox_line(const struct mail *mail)
{
	static const char start[] = "From ";

	return !mail->is_begun && mail->length == strlen(start)
	    && memcmp(mail->field, start, mail->length) == 0;
}

/* The line that began with a CR is the empty one, if a LF follows. */
static enum mail_part
read_cr(struct mail *mail, struct fault *fault)
{
	if (peek(mail) == '\n')
		(void)next(mail);
	else if (!add(mail, '\r', fault))
		return MAIL_FAULT;
	return MAIL_BODY;
}

static bool
is_of_name(int octet)
{
	return octet > ' ' && octet < 127 && octet != ':';
}

/* Read a field's name and its colon. MAIL_BODY: the line isn't a field's; what
 * was read of it is in mail->field. */
static enum mail_part
read_name(struct mail *mail, struct fault *fault)
{
	bool has_blank = false;

	for (mail->length = 0;;) {
		int octet = next(mail);

		if (octet == EOF)
			return is_read(mail, fault) ? MAIL_BODY : MAIL_FAULT;
		if (octet == '\n' && mail->length == 0)
			return MAIL_BODY;
		if (octet == '\r' && mail->length == 0)
			return read_cr(mail, fault);
		if (octet == ':' && mail->length > 0)
			return MAIL_FIELD;
		if (has_blank && !is_blank(octet) && is_mailbox_line(mail)) {
			skip_line(mail);
			mail->length = 0;
			mail->is_begun = true;
			has_blank = false;
			continue;
		}
		if (is_blank(octet) && mail->length > 0)
			has_blank = true;
		else if (has_blank || !is_of_name(octet)
		    || mail->length == MAIL_FIELD_BYTES - 2) {
			(void)ungetc(octet, mail->in);
			return MAIL_BODY;
		}
		if (!add(mail, octet, fault))
			return MAIL_FAULT;
	}
}

/* Read to the end of the last of the field's lines. An octet NUL ends the
 * value for its readers: so it does in the milter protocol. */
static bool
read_value(struct mail *mail, struct fault *fault)
{
	size_t begin = mail->length;
	int octet;

	while ((octet = next(mail)) != EOF) {
		if (octet == '\n') {
			if (mail->length > begin
			    && mail->field[mail->length - 1] == '\r')
				mail->length--;
			if (!is_blank(peek(mail)))
				break;
		}
		if (!add(mail, octet, fault))
			return false;
	}
	return is_read(mail, fault) && add(mail, '\0', fault);
}

enum mail_part
mail_field(struct mail *mail, const char **name_out, const char **value_out,
    struct fault *fault)
{
	enum mail_part part;
	size_t value_at;

	if (mail->is_body)
		return MAIL_BODY;
	part = read_name(mail, fault);
	mail->is_begun = true;
	if (part != MAIL_FIELD) {
		mail->is_body = true;
		return part;
	}
	if (!add(mail, '\0', fault))
		return MAIL_FAULT;
	value_at = mail->length;
	if (!read_value(mail, fault))
		return MAIL_FAULT;
	*name_out = mail->field;
	*value_out = mail->field + value_at;
	return MAIL_FIELD;
}

/* The next octets of the file, as they are, to mail->raw. */
static size_t
read_raw(struct mail *mail)
{
	size_t left = mail->length - mail->given;

	if (left == 0)
		return fread(mail->raw, 1, sizeof(mail->raw), mail->in);
	if (left > sizeof(mail->raw))
		left = sizeof(mail->raw);
	memcpy(mail->raw, mail->field + mail->given, left);
	mail->given += left;
	return left;
}

bool
mail_body(struct mail *mail, const unsigned char **data_out, size_t *length_out,
    struct fault *fault)
{
	size_t got = read_raw(mail);
	size_t length = 0;

	if (got == 0 && !is_read(mail, fault))
		return false;
	for (size_t i = 0; i < got; i++) {
		if (mail->raw[i] == '\n' && mail->last != '\r')
			mail->piece[length++] = '\r';
		mail->piece[length++] = mail->raw[i];
		mail->last = mail->raw[i];
	}
	if (got == 0 && mail->last != '\n') {
		mail->piece[length++] = '\r';
		mail->piece[length++] = '\n';
		mail->last = '\n';
	}
	*data_out = mail->piece;
	*length_out = length;
	return true;
}
