#include "milter/io/redis_login.h"

#include "milter/io/redis_link.h"
#include "milter/io/secret_file.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

/* One word after another, as a command of the login; true if the server
 * doesn't refuse. Its words go to *refusal_out, to be freed. */
static bool
ask(struct redis_link *link, int count, const char *const *words,
    uint64_t deadline_us, struct redisReply **refusal_out, struct fault *fault)
{
	size_t lengths[3];
	bool is_unsent;
	struct redisReply *answer;

	for (int i = 0; i < count; i++)
		lengths[i] = strlen(words[i]);
	*refusal_out = NULL;
	answer = redis_link_command(
	    link, count, words, lengths, deadline_us, &is_unsent, fault);
	if (answer == NULL)
		return false;
	if (answer->type == REDIS_REPLY_ERROR) {
		*refusal_out = answer;
		return false;
	}
	freeReplyObject(answer);
	return true;
}

/* Will it be another answer later, without anybody's doing? */
static enum fault_kind
kind_of(const char *refusal)
{
	static const char *const passing[] = { "LOADING ", "MASTERDOWN ",
		"BUSY ", "TRYAGAIN ", "CLUSTERDOWN ",
		"ERR max number of clients" };

	for (size_t i = 0; i < sizeof(passing) / sizeof(*passing); i++)
		if (strncmp(refusal, passing[i], strlen(passing[i])) == 0)
			return FAULT_TEMPORARY;
	return FAULT_PERMANENT;
}

static bool
authenticate(struct redis_link *link, const struct redis_login *login,
    uint64_t deadline_us, struct fault *fault)
{
	char password[SECRET_LINE_BYTES] = "";
	bool has_user = login->user[0] != '\0';
	const char *words[3] = { "AUTH", password, NULL };
	struct redisReply *refusal = NULL;
	bool is_in;

	if (login->password_file[0] != '\0'
	    && !secret_file_read(login->password_file, password, fault))
		return false;
	if (has_user) {
		words[1] = login->user;
		words[2] = password;
	}
	is_in =
	    ask(link, has_user ? 3 : 2, words, deadline_us, &refusal, fault);
	secret_file_wipe(password);
	if (refusal != NULL)
		fault_set(fault, kind_of(refusal->str),
		    "user \"%s\" may not log in with the password of %s: %s",
		    has_user ? login->user : "default",
		    login->password_file[0] != '\0' ? login->password_file
						    : "no file (password_file)",
		    refusal->str);
	freeReplyObject(refusal);
	return is_in;
}

static bool
choose_database(struct redis_link *link, const struct redis_login *login,
    uint64_t deadline_us, struct fault *fault)
{
	char number[16];
	const char *const words[2] = { "SELECT", number };
	struct redisReply *refusal = NULL;
	bool is_chosen;

	(void)snprintf(number, sizeof(number), "%u", login->database);
	is_chosen = ask(link, 2, words, deadline_us, &refusal, fault);
	if (refusal != NULL)
		fault_set(fault, kind_of(refusal->str),
		    "user \"%s\" (password_file %s) may not use database "
		    "%u: %s",
		    login->user[0] != '\0' ? login->user : "default",
		    login->password_file[0] != '\0' ? login->password_file
						    : "isn't set",
		    login->database, refusal->str);
	freeReplyObject(refusal);
	return is_chosen;
}

bool
redis_login_do(struct redis_link *link, const struct redis_login *login,
    uint64_t deadline_us, struct fault *fault)
{
	if ((login->user[0] != '\0' || login->password_file[0] != '\0')
	    && !authenticate(link, login, deadline_us, fault))
		return false;
	return login->database == 0
	    || choose_database(link, login, deadline_us, fault);
}
