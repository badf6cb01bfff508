#include "milter/ctl/opinion_work.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* Their order matters: libspf2's headers don't include what they need. */
#include <spf2/spf.h>

enum {
	TTL_S = 300, /* nothing is kept */
	RECORDS = 4096,
};

static bool
add_address(SPF_dns_rr_t *answer, int i, const char *text)
{
	bool is_v4 = answer->rr_type == ns_t_a;
	size_t size = is_v4 ? sizeof(struct in_addr) : sizeof(struct in6_addr);

	if (SPF_dns_rr_buf_realloc(answer, i, size) != SPF_E_SUCCESS)
		return false;
	return is_v4 ? inet_pton(AF_INET, text, &answer->rr[i]->a) == 1
		     : inet_pton(AF_INET6, text, &answer->rr[i]->aaaa) == 1;
}

/* mx, ptr and txt lie at the same place. */
static bool
add_string(SPF_dns_rr_t *answer, int i, const char *text)
{
	size_t size = strlen(text) + 1;

	if (SPF_dns_rr_buf_realloc(answer, i, size) != SPF_E_SUCCESS)
		return false;
	memcpy(answer->rr[i]->txt, text, size);
	return true;
}

static void
add_records(SPF_dns_rr_t *answer, struct opinion_packet *packet)
{
	bool has_addresses =
	    answer->rr_type == ns_t_a || answer->rr_type == ns_t_aaaa;
	const char *text;
	int count = 0;

	while (count < RECORDS && (text = opinion_packet_next(packet)) != NULL)
		if (has_addresses ? add_address(answer, count, text)
				  : add_string(answer, count, text))
			count++;
	answer->num_rr = count;
	answer->herrno = count > 0 ? NETDB_SUCCESS : NO_DATA;
}

/* libspf2's layer of DNS: it asks us, and has no other. The type of record
 * that was once SPF's own (99) is nobody's any more, RFC 7208 §3.1. */
static SPF_dns_rr_t *
look_up(SPF_dns_server_t *layer, const char *name, ns_type type, int is_kept)
{
	struct opinion_work *work = layer->hook;
	SPF_dns_rr_t *answer =
	    SPF_dns_rr_new_init(layer, name, type, TTL_S, NO_DATA);
	const char *status;

	(void)is_kept;
	if (answer == NULL || name == NULL
	    || (type != ns_t_a && type != ns_t_aaaa && type != ns_t_mx
		&& type != ns_t_txt && type != ns_t_ptr))
		return answer;
	status = opinion_work_ask(work, (unsigned)type, name);
	if (status == NULL)
		_exit(1);
	if (strcmp(status, "found") == 0)
		add_records(answer, work->packet);
	else if (strcmp(status, "nxdomain") == 0)
		answer->herrno = HOST_NOT_FOUND;
	else if (strcmp(status, "lost") == 0)
		answer->herrno = TRY_AGAIN;
	return answer;
}

/* The first thing it calls an error; the rest follow from that. */
static const char *
first_error(SPF_response_t *response)
{
	for (int i = 0; i < SPF_response_messages(response); i++) {
		SPF_error_t *one = SPF_response_message(response, i);

		if (SPF_error_errorp(one))
			return SPF_error_message(one);
	}
	return NULL;
}

/* A record that can't be read comes back without a result, and with the code
 * that also means "no record": only then there is a result, "none". */
static const char *
word_of(SPF_response_t *response, SPF_errcode_t error)
{
	switch (SPF_response_result(response)) {
	case SPF_RESULT_NEUTRAL:
		return "neutral";
	case SPF_RESULT_PASS:
		return "pass";
	case SPF_RESULT_FAIL:
		return "fail";
	case SPF_RESULT_SOFTFAIL:
		return "softfail";
	case SPF_RESULT_NONE:
		return "none";
	case SPF_RESULT_TEMPERROR:
		return "temperror";
	case SPF_RESULT_PERMERROR:
		return "permerror";
	case SPF_RESULT_INVALID:
		break;
	}
	return error == SPF_E_DNS_ERROR || error == SPF_E_NO_MEMORY
	    ? "temperror"
	    : "permerror";
}

static void
tell(struct opinion_work *work, SPF_response_t *response, SPF_errcode_t error)
{
	const char *why = first_error(response);

	if (why == NULL
	    && SPF_response_reason(response) == SPF_REASON_LOCALHOST)
		why = "localhost always passes";
	opinion_work_tell(work, word_of(response, error), why);
}

static bool
fill_request(SPF_request_t *request, struct opinion_packet *packet)
{
	const char *address = opinion_packet_next(packet);
	const char *helo = opinion_packet_next(packet);
	const char *sender = opinion_packet_next(packet);
	SPF_errcode_t error;

	if (address == NULL || helo == NULL || sender == NULL)
		return false;
	error = strchr(address, ':') != NULL
	    ? SPF_request_set_ipv6_str(request, address)
	    : SPF_request_set_ipv4_str(request, address);
	return error == SPF_E_SUCCESS
	    && SPF_request_set_helo_dom(request, helo) == SPF_E_SUCCESS
	    && SPF_request_set_env_from(request, sender) == SPF_E_SUCCESS;
}

static void __attribute__((noreturn))
on_error(const char *file, int line, const char *words)
{
	(void)file;
	(void)line;
	(void)words;
	_exit(1);
}

static void
on_words(const char *file, int line, const char *words)
{
	(void)file;
	(void)line;
	(void)words;
}

void
opinion_work_spf(struct opinion_work *work)
{
	/* Without a destructor it stays ours. */
	SPF_dns_server_t layer = {
		.lookup = look_up, .name = "posternctl", .hook = work
	};
	SPF_response_t *response = NULL;
	SPF_request_t *request;
	SPF_server_t *server;
	SPF_errcode_t error;

	SPF_error_handler = on_error;
	SPF_warning_handler = on_words;
	SPF_info_handler = on_words;
	SPF_debug_handler = on_words;
	server = SPF_server_new_dns(&layer, 0);
	request = server != NULL ? SPF_request_new(server) : NULL;
	/* It would ask the system what this host is called. */
	if (request == NULL
	    || SPF_server_set_rec_dom(server, "unknown") != SPF_E_SUCCESS
	    || !fill_request(request, work->packet))
		_exit(1);
	error = SPF_request_query_mailfrom(request, &response);
	if (response == NULL)
		_exit(1);
	tell(work, response, error);
	/* The process ends: nothing more is asked of the library. */
}
