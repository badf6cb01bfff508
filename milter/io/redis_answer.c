#include "milter/io/redis_answer.h"

#include "milter/io/redis_slot.h"
#include "policy/text.h"

#include <hiredis/hiredis.h>
#include <stdint.h>
#include <string.h>

static const struct {
	const char *start;
	enum redis_answer_kind kind;
} starts[] = {
	{ "READONLY ", REDIS_ANSWER_WRONG },
	{ "LOADING ", REDIS_ANSWER_WRONG },
	{ "MASTERDOWN ", REDIS_ANSWER_WRONG },
	{ "MOVED ", REDIS_ANSWER_MOVED },
	{ "ASK ", REDIS_ANSWER_ASK },
	{ "TRYAGAIN ", REDIS_ANSWER_AGAIN },
	{ "CLUSTERDOWN ", REDIS_ANSWER_DOWN },
	{ "NOAUTH ", REDIS_ANSWER_REFUSED },
	{ "NOPERM ", REDIS_ANSWER_REFUSED },
	{ "ERR max number of clients", REDIS_ANSWER_FULL },
};

static bool
starts_with(const char *string, const char *start)
{
	return strncmp(string, start, strlen(start)) == 0;
}

/* Read one number that ends at stop. */
static bool
read_number(
    const char *start, const char *stop, uint64_t maximum, uint64_t *number_out)
{
	char digits[8];
	size_t length = (size_t)(stop - start);

	if (length >= sizeof(digits))
		return false;
	memcpy(digits, start, length);
	digits[length] = '\0';
	return text_number(digits, 0, maximum, number_out);
}

/* "MOVED 3999 127.0.0.1:6381": the host may be empty, which is the one that
 * says so, or an IPv6 address, which has no brackets here. */
static bool
read_redirection(const char *words, const struct redis_node *from,
    unsigned *slot_out, struct redis_node *node_out)
{
	const char *slot = strchr(words, ' ') + 1;
	const char *host = strchr(slot, ' ');
	const char *colon = strrchr(slot, ':');
	uint64_t number;
	uint64_t port;

	if (host == NULL || colon == NULL || colon < host
	    || !read_number(slot, host, REDIS_SLOTS - 1, &number)
	    || !read_number(colon + 1, colon + strlen(colon), UINT16_MAX, &port)
	    || port == 0)
		return false;
	host++;
	*slot_out = (unsigned)number;
	if (colon == host)
		return redis_node_set(
		    node_out, from->host, strlen(from->host), (uint16_t)port);
	/* "?" is a node whose name the cluster wasn't told. */
	return strncmp(host, "?:", 2) != 0 && host[0] != '/'
	    && redis_node_set(
		node_out, host, (size_t)(colon - host), (uint16_t)port);
}

static enum redis_answer_kind
kind_of(const char *words)
{
	for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++)
		if (starts_with(words, starts[i].start))
			return starts[i].kind;
	/* Redis before 7.0 wraps what a script's command met. */
	if (starts_with(words, "ERR Error running script")
	    && strstr(words, ": -READONLY ") != NULL)
		return REDIS_ANSWER_WRONG;
	return REDIS_ANSWER_OWN;
}

enum redis_answer_kind
redis_answer_kind(const struct redisReply *answer,
    const struct redis_node *from, unsigned *slot_out,
    struct redis_node *node_out)
{
	enum redis_answer_kind kind;

	if (answer->type != REDIS_REPLY_ERROR)
		return REDIS_ANSWER_OWN;
	kind = kind_of(answer->str);
	if ((kind == REDIS_ANSWER_MOVED || kind == REDIS_ANSWER_ASK)
	    && !read_redirection(answer->str, from, slot_out, node_out))
		return REDIS_ANSWER_DOWN;
	return kind;
}
