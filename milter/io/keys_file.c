#include "milter/io/keys_file.h"

#include "milter/io/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct key_stamp
keys_stamp(const struct stat *status)
{
	return (struct key_stamp){
		.device = status->st_dev,
		.inode = status->st_ino,
		.mode = status->st_mode,
		.owner = status->st_uid,
		.group = status->st_gid,
		.size_bytes = status->st_size,
		.modified = status->st_mtim,
		.changed = status->st_ctim,
	};
}

static bool
is_same_time(const struct timespec *one, const struct timespec *other)
{
	return one->tv_sec == other->tv_sec && one->tv_nsec == other->tv_nsec;
}

bool
keys_stamps_are_equal(
    const struct key_stamp *one, const struct key_stamp *other)
{
	return one->device == other->device && one->inode == other->inode
	    && one->mode == other->mode && one->owner == other->owner
	    && one->group == other->group
	    && one->size_bytes == other->size_bytes
	    && is_same_time(&one->modified, &other->modified)
	    && is_same_time(&one->changed, &other->changed);
}

void
keys_wipe(char *pem)
{
	if (pem == NULL)
		return;
	OPENSSL_cleanse(pem, strlen(pem));
	free(pem);
}

void
keys_material_clear(struct key_material *material)
{
	keys_wipe(material->pem);
	free(material->public_b64);
	*material = (struct key_material){ 0 };
}

static bool
refuse(struct fault *fault, const char *path, const char *why)
{
	fault_set(fault, FAULT_PERMANENT, "%s: %s", path, why);
	return false;
}

static bool
is_trustworthy(const struct stat *status, const char *path, struct fault *fault)
{
	if (!secret_file_is_trusted(status, path, "chmod 600 it", fault))
		return false;
	if (status->st_size > KEYS_FILE_BYTES)
		return refuse(fault, path, "too large to be a private key");
	return true;
}

/* What errno says when path can't be had. */
static bool
refuse_errno(struct fault *fault, const char *path)
{
	int error = errno;
	bool is_lasting = error == EACCES || error == EPERM || error == ELOOP
	    || error == ENXIO || error == EISDIR;

	if (error == EACCES)
		fault_set(fault, FAULT_PERMANENT,
		    "%s: not readable for uid %ju: chown or chmod it", path,
		    (uintmax_t)geteuid());
	else
		fault_set(fault, is_lasting ? FAULT_PERMANENT : FAULT_TEMPORARY,
		    "%s: %s", path, strerror(error));
	return false;
}

/* All of the file, at most KEYS_FILE_BYTES, into data. */
static bool
read_all(int fd, char *data, size_t *length_out)
{
	size_t length = 0;

	for (;;) {
		ssize_t got = read(fd, data + length, KEYS_FILE_BYTES - length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return false;
		if (got == 0 || length + (size_t)got == KEYS_FILE_BYTES)
			break;
		length += (size_t)got;
	}
	*length_out = length;
	return true;
}

/* Called for an encrypted key; without it OpenSSL would ask the terminal. */
static int
no_password(char *buffer, int size, int is_writing, void *was_asked)
{
	(void)buffer;
	(void)size;
	(void)is_writing;
	*(bool *)was_asked = true;
	return -1;
}

static EVP_PKEY *
parse(const char *data, size_t length, const char *path, struct fault *fault)
{
	bool was_asked = false;
	EVP_PKEY *pkey;
	BIO *bio = BIO_new_mem_buf(data, (int)length);

	if (bio == NULL) {
		fault_memory(fault);
		return NULL;
	}
	pkey = PEM_read_bio_PrivateKey(bio, NULL, no_password, &was_asked);
	BIO_free(bio);
	if (pkey == NULL && was_asked)
		refuse(fault, path,
		    "the key is encrypted: store it without a password");
	else if (pkey == NULL)
		refuse(fault, path,
		    "no private key in PEM form: put a whole one there");
	return pkey;
}

static bool
is_usable(EVP_PKEY *pkey, const char *path, struct fault *fault)
{
	int bits = EVP_PKEY_get_bits(pkey);

	if (EVP_PKEY_is_a(pkey, "ED25519"))
		return true;
	if (!EVP_PKEY_is_a(pkey, "RSA"))
		return refuse(fault, path,
		    "neither an RSA nor an Ed25519 key: DKIM knows no other");
	if (bits >= KEYS_RSA_LEAST_BITS && bits <= KEYS_RSA_MOST_BITS)
		return true;
	fault_set(fault, FAULT_PERMANENT,
	    "%s: RSA with %d bits, it must have %d to %d: make a new key of "
	    "2048",
	    path, bits, KEYS_RSA_LEAST_BITS, KEYS_RSA_MOST_BITS);
	return false;
}

/* Does what the key signs verify? A broken key is found here and not with a
 * message in hand, where libopendkim frees an RSA key twice. */
static bool
is_consistent(EVP_PKEY *pkey)
{
	static const unsigned char text[] = "postern";
	const EVP_MD *digest =
	    EVP_PKEY_is_a(pkey, "ED25519") ? NULL : EVP_sha256();
	unsigned char signature[KEYS_RSA_MOST_BITS / 8];
	size_t length = sizeof(signature);
	EVP_MD_CTX *sign = EVP_MD_CTX_new();
	EVP_MD_CTX *verify = EVP_MD_CTX_new();
	bool is_good = sign != NULL && verify != NULL
	    && EVP_DigestSignInit(sign, NULL, digest, NULL, pkey) == 1
	    && EVP_DigestSign(sign, signature, &length, text, sizeof(text)) == 1
	    && EVP_DigestVerifyInit(verify, NULL, digest, NULL, pkey) == 1
	    && EVP_DigestVerify(verify, signature, length, text, sizeof(text))
		== 1;

	EVP_MD_CTX_free(sign);
	EVP_MD_CTX_free(verify);
	return is_good;
}

/* The public key as RFC 6376 §3.6.1 and RFC 8463 §3 put it into p=. */
static char *
public_base64(EVP_PKEY *pkey, bool is_rsa)
{
	unsigned char *der = NULL;
	unsigned char raw[32];
	size_t length = sizeof(raw);
	char *text = NULL;

	if (is_rsa) {
		int der_length = i2d_PUBKEY(pkey, &der);

		if (der_length <= 0)
			return NULL;
		length = (size_t)der_length;
	} else if (EVP_PKEY_get_raw_public_key(pkey, raw, &length) != 1)
		return NULL;

	text = malloc(length / 3 * 4 + 5);
	if (text != NULL)
		EVP_EncodeBlock(
		    (unsigned char *)text, is_rsa ? der : raw, (int)length);
	OPENSSL_free(der);
	return text;
}

/* PKCS#8 in PEM form and nothing else: libopendkim looks at the first five
 * octets to see what it is, and a key file may begin with other text. */
static char *
private_pem(EVP_PKEY *pkey)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	char *data;
	long length;

	if (bio != NULL
	    && PEM_write_bio_PKCS8PrivateKey(
		   bio, pkey, NULL, NULL, 0, NULL, NULL)
		== 1
	    && (length = BIO_get_mem_data(bio, &data)) > 0)
		text = strndup(data, (size_t)length);
	BIO_free(bio); /* wipes */
	return text;
}

bool
keys_material_of(
    EVP_PKEY *pkey, struct key_material *material_out, struct fault *fault)
{
	bool is_rsa = EVP_PKEY_is_a(pkey, "RSA");

	material_out->algorithm = is_rsa ? KEY_RSA_SHA256 : KEY_ED25519_SHA256;
	material_out->pem = private_pem(pkey);
	material_out->public_b64 = public_base64(pkey, is_rsa);
	if (material_out->pem != NULL && material_out->public_b64 != NULL)
		return true;
	keys_material_clear(material_out);
	fault_memory(fault);
	return false;
}

static bool
material_read(const char *data, size_t length, const char *path,
    struct key_material *material_out, struct fault *fault)
{
	EVP_PKEY *pkey = parse(data, length, path, fault);
	bool is_read = false;

	if (pkey == NULL || !is_usable(pkey, path, fault))
		is_read = false;
	else if (!is_consistent(pkey))
		refuse(fault, path,
		    "the key is damaged, what it signs does not verify: make "
		    "a new one");
	else
		is_read = keys_material_of(pkey, material_out, fault);
	EVP_PKEY_free(pkey);
	/* Nothing may be left for whoever uses OpenSSL next on this thread. */
	ERR_clear_error();
	return is_read;
}

bool
keys_file_read(int directory_fd, const char *name, const char *path,
    struct key_material *material_out, struct key_stamp *stamp_out,
    struct fault *fault)
{
	char *data = NULL;
	struct stat status;
	size_t length;
	bool is_read = false;
	/* Not to hang on a FIFO. A symbolic link is followed: what is checked
	 * is what was opened. */
	int fd = openat(
	    directory_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	*material_out = (struct key_material){ 0 };
	if (fd < 0)
		return refuse_errno(fault, path);
	if (fstat(fd, &status) != 0) {
		refuse_errno(fault, path);
		goto done;
	}
	*stamp_out = keys_stamp(&status);
	if (!is_trustworthy(&status, path, fault))
		goto done;
	data = malloc(KEYS_FILE_BYTES);
	if (data == NULL)
		fault_memory(fault);
	else if (!read_all(fd, data, &length))
		refuse_errno(fault, path);
	else
		is_read =
		    material_read(data, length, path, material_out, fault);
done:
	if (data != NULL)
		OPENSSL_cleanse(data, KEYS_FILE_BYTES);
	free(data);
	close(fd);
	return is_read;
}
