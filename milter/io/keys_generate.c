#include "milter/io/keys_generate.h"

#include "milter/io/keys_domain.h"
#include "milter/io/keys_file.h"
#include "milter/io/keys_material.h"
#include "milter/io/whole_file.h"
#include "policy/arena.h"
#include "policy/signing.h"
#include "policy/zone_line.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	NAME_BYTES = 512, /* more than a name of the DNS can have */
	RECORD_ARENA_BYTES = 256 * 1024,
};

static bool
refuse_errno(struct fault *fault, const char *path)
{
	fault_set(fault, FAULT_PERMANENT, "%s: %s", path,
	    errno == EEXIST ? "there is such a key: take another selector"
			    : strerror(errno));
	return false;
}

const char *
keys_role_ending(enum key_role role)
{
	static const char *const endings[] = {
		[KEY_PENDING] = ".pending",
		[KEY_SIGNING] = ".private",
		[KEY_RETIRING] = ".retiring",
	};

	return endings[role];
}

/* Can the record of such a key stand in the DNS? */
static bool
has_record_name(const char *domain, const char *selector)
{
	char name[NAME_BYTES];
	int length =
	    snprintf(name, sizeof(name), "%s._domainkey.%s", selector, domain);

	return length > 0 && (size_t)length < sizeof(name)
	    && zone_line_is_name(name);
}

bool
keys_may_make(const struct key_order *order, struct fault *fault)
{
	const char *domain = order->domain, *selector = order->selector;

	if (!keys_domain_is_name(domain))
		fault_set(fault, FAULT_PERMANENT,
		    "\"%s\" is no domain in lower case and A-labels", domain);
	else if (!signing_is_selector(selector))
		fault_set(fault, FAULT_PERMANENT,
		    "\"%s\" is no selector: letters, digits and hyphens, in "
		    "labels of at most 63",
		    selector);
	else if (!has_record_name(domain, selector))
		fault_set(fault, FAULT_PERMANENT,
		    "\"%s._domainkey.%s\" is no name that the DNS can have: "
		    "take a shorter selector, if the domain is one",
		    selector, domain);
	else if (order->algorithm == KEY_RSA_SHA256
	    && (order->bits < KEYS_RSA_LEAST_BITS
		|| order->bits > KEYS_RSA_MOST_BITS))
		fault_set(fault, FAULT_PERMANENT,
		    "RSA with %u bits: %d to %d are possible, 2048 is good",
		    order->bits, KEYS_RSA_LEAST_BITS, KEYS_RSA_MOST_BITS);
	else
		return true;
	return false;
}

/* ---- the key ---- */

static bool
make_key(const struct key_order *order, struct key_material *material_out,
    struct fault *fault)
{
	EVP_PKEY *pkey = order->algorithm == KEY_RSA_SHA256
	    ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)order->bits)
	    : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	bool is_made = false;

	if (pkey == NULL)
		fault_set(
		    fault, FAULT_TEMPORARY, "OpenSSL could not make a key");
	else
		is_made = keys_material_of(pkey, material_out, fault);
	EVP_PKEY_free(pkey);
	ERR_clear_error();
	return is_made;
}

char *
keys_record_text(enum key_algorithm algorithm, const char *base64)
{
	char *text;

	return asprintf(&text, "v=DKIM1; k=%s; p=%s",
		   algorithm == KEY_RSA_SHA256 ? "rsa" : "ed25519", base64)
		< 0
	    ? NULL
	    : text;
}

/* ---- its file ---- */

static bool
give_to(int fd, uint32_t uid, uint32_t gid)
{
	return (uid == geteuid() && gid == getegid())
	    || fchown(fd, uid, gid) == 0;
}

/* Open the domain's directory; make it if need be. A symbolic link is not
 * followed here: whoever owns the directory above it could have a key that
 * root makes put anywhere. */
static int
open_domain(int above, const char *domain, uint32_t uid, uint32_t gid)
{
	bool is_new = mkdirat(above, domain, 0700) == 0;
	int fd = -1;
	int error;

	if (is_new || errno == EEXIST)
		fd = openat(above, domain,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || !is_new
	    || (fchmod(fd, 0700) == 0 && give_to(fd, uid, gid)))
		return fd;
	error = errno;
	close(fd);
	unlinkat(above, domain, AT_REMOVEDIR);
	errno = error;
	return -1;
}

/* Under a hidden name of its own: nobody else's may be in the way. */
static bool
write_file(int directory_fd, const char *name, const char *pem, uint32_t uid,
    uint32_t gid)
{
	struct whole_file file = { .directory_fd = directory_fd,
		.name = name,
		.is_new = true,
		.owner_uid = uid,
		.owner_gid = gid };
	char *hidden = NULL;
	bool is_written;
	uint64_t random;
	int error;

	if (RAND_bytes((unsigned char *)&random, sizeof(random)) != 1
	    || asprintf(&hidden, ".%.100s.%016" PRIx64, name, random) < 0) {
		errno = ENOMEM;
		return false;
	}
	file.hidden = hidden;
	is_written = whole_file_write(&file, pem);
	error = errno;
	free(hidden);
	errno = error;
	return is_written;
}

static bool
write_key(const struct key_order *order, const char *pem, struct fault *fault)
{
	bool is_written = false;
	int above = -1;
	int fd = -1;
	char *path;

	if (asprintf(&path, "%s/%s/%s%s", order->directory, order->domain,
		order->selector, keys_role_ending(order->role))
	    < 0) {
		fault_memory(fault);
		return false;
	}
	above = open(order->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (above >= 0)
		fd = open_domain(
		    above, order->domain, order->owner_uid, order->owner_gid);
	if (above < 0)
		fault_set(fault, FAULT_PERMANENT, "%s: %s", order->directory,
		    errno == ENOENT ? "not there: make it" : strerror(errno));
	else
		is_written = (fd >= 0
				 && write_file(fd, strrchr(path, '/') + 1, pem,
				     order->owner_uid, order->owner_gid))
		    || refuse_errno(fault, path);
	if (fd >= 0)
		close(fd);
	if (above >= 0)
		close(above);
	free(path);
	return is_written;
}

bool
keys_make(const struct key_order *order, struct key_public *public_out,
    struct fault *fault)
{
	struct key_material material = { .pem = NULL };
	bool is_made;

	*public_out = (struct key_public){ .base64 = NULL };
	if (!keys_may_make(order, fault) || !make_key(order, &material, fault))
		return false;
	is_made = write_key(order, material.pem, fault);
	if (is_made) {
		public_out->algorithm = order->algorithm;
		public_out->bits = order->bits;
		public_out->base64 = material.public_b64;
		material.public_b64 = NULL;
	}
	keys_material_clear(&material);
	return is_made;
}

/* The record as a line of a zone file; malloc'ed; NULL: no memory. */
static char *
make_record(const struct key_order *order, const struct key_material *material)
{
	char *value =
	    keys_record_text(material->algorithm, material->public_b64);
	const char *name, *line = NULL;
	char *record = NULL;
	struct arena arena;

	arena_init(&arena, RECORD_ARENA_BYTES);
	name = arena_printf(
	    &arena, "%s._domainkey.%s", order->selector, order->domain);
	if (name != NULL && value != NULL)
		line = zone_line_txt(&arena, name, value, strlen(value));
	if (line != NULL)
		record = strdup(line);
	arena_clear(&arena);
	free(value);
	return record;
}

bool
keys_generate(const char *directory, const char *domain, const char *selector,
    enum key_algorithm algorithm, unsigned bits, uint32_t owner_uid,
    uint32_t owner_gid, char **record_out, struct fault *fault)
{
	const struct key_order order = { .directory = directory,
		.domain = domain,
		.selector = selector,
		.role = KEY_SIGNING,
		.algorithm = algorithm,
		.bits = bits,
		.owner_uid = owner_uid,
		.owner_gid = owner_gid };
	struct key_material material = { .pem = NULL };
	bool is_done = false;

	*record_out = NULL;
	if (!keys_may_make(&order, fault)
	    || !make_key(&order, &material, fault))
		return false;
	/* The record first: a key without one would be of no use. */
	*record_out = make_record(&order, &material);
	if (*record_out == NULL)
		fault_memory(fault);
	else
		is_done = write_key(&order, material.pem, fault);
	if (!is_done) {
		free(*record_out);
		*record_out = NULL;
	}
	keys_material_clear(&material);
	return is_done;
}
