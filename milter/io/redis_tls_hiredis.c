#include "milter/io/clock.h"
#include "milter/io/redis_node.h"
#include "milter/io/redis_tls.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <hiredis/hiredis_ssl.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

struct redis_tls {
	SSL_CTX *settings;
};

bool
redis_tls_is_built_in(void)
{
	return true;
}

/* What OpenSSL complained about last; its list is then empty, for whoever uses
 * OpenSSL next on this thread. */
static const char *
complaint(void)
{
	const char *words = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return words != NULL ? words : "the connection broke";
}

struct redis_tls *
redis_tls_open(struct fault *fault)
{
	struct redis_tls *tls = calloc(1, sizeof(*tls));

	if (tls == NULL) {
		fault_memory(fault);
		return NULL;
	}
	tls->settings = SSL_CTX_new(TLS_client_method());
	if (tls->settings != NULL
	    && SSL_CTX_set_min_proto_version(tls->settings, TLS1_2_VERSION) == 1
	    && SSL_CTX_set_default_verify_paths(tls->settings) == 1) {
		SSL_CTX_set_verify(tls->settings, SSL_VERIFY_PEER, NULL);
		return tls;
	}
	fault_set(
	    fault, FAULT_PERMANENT, "TLS can't be set up: %s", complaint());
	redis_tls_close(&tls);
	return NULL;
}

void
redis_tls_close(struct redis_tls **tls)
{
	if (*tls == NULL)
		return;
	SSL_CTX_free((*tls)->settings);
	free(*tls);
	*tls = NULL;
}

/* Whose certificate it must be. An address isn't told to the server (RFC 6066
 * section 3 has names only). */
static bool
expect_host(SSL *session, const char *host)
{
	X509_VERIFY_PARAM *rules = SSL_get0_param(session);
	char name[REDIS_NODE_HOST_BYTES]; /* OpenSSL wants one not const */
	size_t length = strlen(host);

	if (length >= sizeof(name))
		return false;
	memcpy(name, host, length + 1);
	X509_VERIFY_PARAM_set_hostflags(
	    rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (X509_VERIFY_PARAM_set1_ip_asc(rules, host) == 1)
		return true;
	ERR_clear_error();
	return SSL_set1_host(session, host) == 1
	    && SSL_set_tlsext_host_name(session, name) == 1;
}

/* Wait for what the handshake wants. False: too late. */
static bool
wait_for(int fd, short events, uint64_t deadline_us)
{
	struct pollfd one = { .fd = fd, .events = events };

	for (;;) {
		uint64_t now_us = clock_monotonic_us();
		uint64_t ms = deadline_us > now_us
		    ? (deadline_us - now_us + 999) / 1000
		    : 0;
		int ready;

		if (ms == 0)
			return false;
		ready = poll(&one, 1, ms < INT_MAX ? (int)ms : INT_MAX);
		if (ready > 0)
			return true;
		if (ready < 0 && errno != EINTR)
			return false;
	}
}

static void
refuse(SSL *session, const char *host, struct fault *fault)
{
	long verdict = SSL_get_verify_result(session);

	if (verdict == X509_V_OK) {
		fault_set(fault, FAULT_TEMPORARY, "TLS with it failed: %s",
		    complaint());
		return;
	}
	fault_set(fault, FAULT_PERMANENT,
	    "its certificate isn't good for %s: %s: give it one of a CA that "
	    "this host trusts",
	    host, X509_verify_cert_error_string(verdict));
	ERR_clear_error();
}

/* The rest of the handshake, which was begun. */
static bool
shake_hands(SSL *session, int fd, const char *host, uint64_t deadline_us,
    struct fault *fault)
{
	for (;;) {
		int status;
		int want;

		ERR_clear_error();
		status = SSL_do_handshake(session);
		if (status == 1)
			return true;
		want = SSL_get_error(session, status);
		if (want != SSL_ERROR_WANT_READ && want != SSL_ERROR_WANT_WRITE)
			break;
		if (!wait_for(fd,
			want == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT,
			deadline_us)) {
			fault_set(fault, FAULT_TEMPORARY,
			    "TLS with it: no answer in time");
			return false;
		}
	}
	refuse(session, host, fault);
	return false;
}

bool
redis_tls_begin(struct redis_tls *tls, struct redisContext *context,
    const char *host, uint64_t deadline_us, struct fault *fault)
{
	SSL *session = SSL_new(tls->settings);

	if (session == NULL || !expect_host(session, host)) {
		SSL_free(session);
		ERR_clear_error();
		fault_memory(fault);
		return false;
	}
	/* hiredis only begins, since the context doesn't block. What it takes
	 * it frees with the context. */
	if (redisInitiateSSL(context, session) != REDIS_OK) {
		refuse(session, host, fault);
		SSL_free(session);
		return false;
	}
	return shake_hands(session, context->fd, host, deadline_us, fault);
}
