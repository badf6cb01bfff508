/* mail: a message as a file has it, read in pieces as the MTA would hand them
 * over: header fields one by one, then the body with CRLF line ends. Memory
 * doesn't grow with the message. */
#ifndef MILTER_CTL_MAIL_H
#define MILTER_CTL_MAIL_H

#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum {
	/* Longest header field; Postfix's own cap is a tenth of it. */
	MAIL_FIELD_BYTES = 1024 * 1024,
	MAIL_PIECE_BYTES = 32 * 1024, /* of the file, read at a time */
};

enum mail_part { MAIL_FIELD, MAIL_BODY, MAIL_FAULT };

struct mail;

/* Begin to read a message from in, which stays the caller's. Lines may end in
 * LF or CRLF. NULL: no memory. */
struct mail *mail_open(FILE *in);

/* The next header field: name as it stands before the colon, value with its
 * leading space and folds LF, both until the next call. MAIL_BODY: there is
 * none any more, the header has ended; at the first line that isn't one of a
 * header, as MTAs have it. A first line "From ..." of a mailbox file is passed
 * over. MAIL_FAULT with words. */
enum mail_part mail_field(struct mail *mail, const char **name_out,
    const char **value_out, struct fault *fault);

/* The next piece of the body, after MAIL_BODY; valid until the next call. A
 * last line without an end gets one. *length_out is 0 at its end. False with
 * words. */
bool mail_body(struct mail *mail, const unsigned char **data_out,
    size_t *length_out, struct fault *fault);

/* Free it. Empties the pointer; takes NULL. */
void mail_close(struct mail **mail);

#endif
