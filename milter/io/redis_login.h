/* redis_login: what a new connection says first: who it is, and which database
 * it wants. */
#ifndef MILTER_IO_REDIS_LOGIN_H
#define MILTER_IO_REDIS_LOGIN_H

#include "policy/fault.h"

#include <stdbool.h>
#include <stdint.h>

struct redis_link;
struct redis_tls;

/* How to come in. The texts are borrowed. */
struct redis_login {
	const char *user;          /* "" the default user */
	const char *password_file; /* "" none */
	unsigned database;
	struct redis_tls *tls; /* NULL: plain */
};

/* Log in and choose the database. The password file is read now. False with
 * words: FAULT_PERMANENT if the server doesn't take the password, and they
 * name user and file. The link has one user at a time. */
bool redis_login_do(struct redis_link *link, const struct redis_login *login,
    uint64_t deadline_us, struct fault *fault);

#endif
