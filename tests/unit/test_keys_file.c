/* What of a domain's key files must be refused, and in which words. */
#include "milter/io/keys.h"
#include "milter/io/keys_domain.h"
#include "milter/io/keys_file.h"
#include "milter/io/keys_tables.h"
#include "milter/io/secret_file.h"
#include "tests/unit/keys_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- one file ----------------------------------------------------------- */

struct file_case {
	const char *name;
	enum key_text text;
	const char *before; /* put before the text */
	size_t cut;         /* as much of the text; 0: all */
	mode_t mode;
	const char *words; /* part of the fault's; NULL: it is a key */
};

static const struct file_case file_cases[] = {
	{ "RSA, PKCS#8", TEXT_RSA, "", 0, 0600, NULL },
	{ "RSA, PKCS#1", TEXT_RSA_OLD, "", 0, 0600, NULL },
	{ "Ed25519", TEXT_ED25519, "", 0, 0600, NULL },
	{ "text before it", TEXT_RSA, "# our key\nMII\n", 0, 0600, NULL },
	{ "readable by us only", TEXT_RSA, "", 0, 0400, NULL },
	{ "readable by our group", TEXT_RSA, "", 0, 0640, NULL },
	{ "readable by others", TEXT_RSA, "", 0, 0604, "chmod 600 it" },
	{ "writable by others", TEXT_RSA, "", 0, 0602, "chmod 600 it" },
	{ "executable by others", TEXT_RSA, "", 0, 0601, "chmod 600 it" },
	{ "writable by the group", TEXT_RSA, "", 0, 0620, "chmod 600 it" },
	{ "as cp leaves it", TEXT_RSA, "", 0, 0644, "chmod 600 it" },
	{ "weak", TEXT_RSA_WEAK, "", 0, 0600, "RSA with 768 bits" },
	{ "huge", TEXT_RSA_HUGE, "", 0, 0600, "RSA with 8200 bits" },
	{ "damaged", TEXT_RSA_DAMAGED, "", 0, 0600, "damaged" },
	{ "EC", TEXT_EC, "", 0, 0600, "neither an RSA nor an Ed25519" },
	{ "encrypted", TEXT_ENCRYPTED, "", 0, 0600, "encrypted" },
	{ "encrypted PKCS#1", TEXT_ENCRYPTED_OLD, "", 0, 0600, "encrypted" },
	{ "public", TEXT_PUBLIC, "", 0, 0600, "no private key" },
	{ "first line only", TEXT_RSA, "", 28, 0600, "no private key" },
	{ "half", TEXT_RSA, "", 900, 0600, "no private key" },
	{ "last line missing", TEXT_ED25519, "", 95, 0600, "no private key" },
	{ "not PEM", TEXT_RSA, "", 1, 0600, "no private key" },
	{ "END cut", TEXT_RSA, "", 1690, 0600, "its END line is missing" },
	{ "a public key before it", TEXT_RSA,
	    "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", 0,
	    0600, NULL },
};

static void
test_file(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(file_cases); i++) {
		const struct file_case *c = &file_cases[i];
		struct place *place = place_open(4);
		char *data = NULL;
		const char *got;

		assert_true(
		    asprintf(&data, "%s%s", c->before, key_text(c->text)) > 0);
		place_put(place, DOMAIN "/s1.private", data,
		    c->cut > 0 ? c->cut : strlen(data), c->mode);
		got = place_found(place, DOMAIN);
		if (c->words == NULL ? strcmp(got, "s1") != 0
				     : strstr(got, c->words) == NULL
			    || strstr(got, DOMAIN "/s1.private: ") == NULL)
			fail_msg("%s: wanted %s, got \"%s\"", c->name,
			    c->words != NULL ? c->words : "s1", got);
		free(data);
		place_close(place);
	}
}

static void
test_odd_contents(void **state)
{
	struct place *place = place_open(4);
	char *large = calloc(1, 1 << 20);

	(void)state;
	assert_non_null(large);
	place_put(place, DOMAIN "/s1.private", "", 0, 0600);
	assert_non_null(strstr(place_found(place, DOMAIN), "no private key"));
	place->now_ms += KEYS_STALE_MS;
	place_put(place, DOMAIN "/s1.private", large, KEYS_FILE_BYTES, 0600);
	assert_non_null(strstr(place_found(place, DOMAIN), "no private key"));
	place->now_ms += KEYS_STALE_MS;
	place_put(
	    place, DOMAIN "/s1.private", large, KEYS_FILE_BYTES + 1, 0600);
	assert_non_null(strstr(place_found(place, DOMAIN), "too large"));
	free(large);
	place_close(place);
}

static void
test_not_a_file(void **state)
{
	struct place *place = place_open(4);
	char *path = place_path(place, DOMAIN "/s1.private");
	char *target = place_path(place, "elsewhere");

	(void)state;
	assert_int_equal(0, mkfifo(path, 0600)); /* opening must not hang */
	assert_non_null(
	    strstr(place_found(place, DOMAIN), "not a regular file"));
	assert_int_equal(0, unlink(path));
	assert_int_equal(0, mkdir(path, 0700));
	place->now_ms += KEYS_STALE_MS;
	assert_non_null(
	    strstr(place_found(place, DOMAIN), "not a regular file"));
	assert_int_equal(0, rmdir(path));

	assert_int_equal(0, symlink(target, path));
	place->now_ms += KEYS_STALE_MS;
	assert_non_null(strstr(place_found(place, DOMAIN), "No such file"));
	place_put_text(place, "elsewhere", TEXT_RSA);
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "a symbolic link is followed", DOMAIN, "s1");
	assert_int_equal(0, chmod(target, 0644));
	place->now_ms += KEYS_STALE_MS;
	assert_non_null(strstr(place_found(place, DOMAIN), "chmod 600 it"));
	free(path);
	free(target);
	place_close(place);
}

static void
test_owner(void **state)
{
	struct place *place = place_open(4);
	char *path = place_path(place, DOMAIN "/s1.private");

	(void)state;
	if (geteuid() != 0) {
		free(path);
		place_close(place);
		skip(); /* only root can give files away */
	}
	place_put_text(place, DOMAIN "/s1.private", TEXT_RSA);
	assert_int_equal(0, chown(path, 4242, 0));
	assert_non_null(
	    strstr(place_found(place, DOMAIN), "belongs to uid 4242"));
	assert_int_equal(0, chown(path, 0, 4343));
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "a group without rights", DOMAIN, "s1");
	assert_int_equal(0, chmod(path, 0640));
	place->now_ms += KEYS_STALE_MS;
	assert_non_null(
	    strstr(place_found(place, DOMAIN), "group 4343 can read"));
	free(path);
	place_close(place);
}

/* ---- how it is read ----------------------------------------------------- */

/* What becomes of the readings of a file, a letter for each, the last one for
 * all that follow: 'e' an error, 'i' an interruption, 'p' a piece of it, 'c'
 * the file is cut and 'n' another key written over it just before. */
static struct {
	const struct place *place; /* NULL: it is left alone */
	const char *step;
	unsigned count;
} reading;

/* Less than any key has, and more than any should need. */
enum { PIECE_OCTETS = 60, READINGS_MOST = 100 };

/* In the place of the C library's. */
ssize_t
pread(int fd, void *data, size_t length, off_t at)
{
	char step = reading.place != NULL ? *reading.step : '-';

	if (step != '-' && reading.step[1] != '\0')
		reading.step++;
	if (step == 'c')
		place_put(reading.place, "s1.private", key_text(TEXT_RSA),
		    PIECE_OCTETS - 1, 0600);
	if (step == 'n')
		place_put_text(reading.place, "s1.private", TEXT_ED25519);
	if (step == 'p')
		length = PIECE_OCTETS;
	if (step == 'e' || step == 'i' || ++reading.count > READINGS_MOST) {
		errno = step == 'i' ? EINTR : EIO;
		return -1;
	}
	return syscall(SYS_pread64, fd, data, length, at);
}

static const struct reading_case {
	const char *name;
	const char *steps;
	enum keys_file_state wanted;
	enum key_text key;
	const char *words; /* part of the fault's */
} reading_cases[] = {
	{ "at once", "-", KEYS_FILE_GOOD, TEXT_RSA, NULL },
	{ "in pieces", "p", KEYS_FILE_GOOD, TEXT_RSA, NULL },
	{ "interrupted", "ipi-", KEYS_FILE_GOOD, TEXT_RSA, NULL },
	{ "an error", "e", KEYS_FILE_BAD, TEXT_RSA, "F: Input/output error" },
	{ "an error behind a piece", "pe", KEYS_FILE_BAD, TEXT_RSA,
	    "F: Input/output error" },
	{ "cut behind a piece", "pc-", KEYS_FILE_NO_KEY, TEXT_RSA,
	    "its END line is missing" },
	{ "another key behind a piece", "pn-", KEYS_FILE_GOOD, TEXT_ED25519,
	    NULL },
};

static void
expect_reading(const struct place *place, const struct reading_case *c)
{
	struct fault fault = { .kind = FAULT_NONE };
	char *path = place_path(place, "s1.private");
	enum keys_file_state got;
	struct key_stamp stamp;
	struct parsed_key key;

	place_put_text(place, "s1.private", TEXT_RSA);
	reading.place = place;
	reading.step = c->steps;
	reading.count = 0;
	got = keys_file_read(AT_FDCWD, path, "F", &key, &stamp, &fault);
	reading.place = NULL;
	if (got != c->wanted
	    || (c->words != NULL && strstr(fault.words, c->words) == NULL))
		fail_msg("%s: wanted %d, got %d %s", c->name, c->wanted, got,
		    fault.words);
	if (got == KEYS_FILE_GOOD)
		key_expect_public(c->key, key.pkey);
	if (got == KEYS_FILE_BAD)
		assert_int_equal(FAULT_TEMPORARY, fault.kind);
	keys_parse_clear(&key);
	free(path);
}

/* All of a file is read or none, whatever the file system gives at once and
 * whoever writes meanwhile. */
static void
test_readings(void **state)
{
	struct place *place = place_open(4);
	bool is_ours;

	(void)state;
	expect_reading(place, &reading_cases[0]);
	is_ours = reading.count > 0;
	for (size_t i = 1; is_ours && i < COUNT(reading_cases); i++)
		expect_reading(place, &reading_cases[i]);
	place_close(place);
	if (!is_ours)
		skip(); /* _FORTIFY_SOURCE=3 reads by another function */
}

/* When a file was changed and its content modified, in seconds before now, and
 * what that says. */
static const struct age_case {
	const char *name;
	long changed_s;
	long modified_s;
	bool is_settled;
	bool is_young;
} age_cases[] = {
	{ "now", 0, 0, false, true },
	{ "shortly before", 2, 2, false, true },
	{ "long enough before", 3, 3, true, false },
	{ "an old one put there now", 0, 3600, false, true },
	{ "an old one put there shortly before", 2, 3600, false, true },
	{ "dated ahead long ago", 3600, -3600, false, false },
	{ "before the clock was put back a bit", -2, -2, false, true },
	{ "before it was put back", -3, -3, false, false },
};

static void
test_ages(void **state)
{
	const struct timespec now = { .tv_sec = 1700000000 };

	(void)state;
	for (size_t i = 0; i < COUNT(age_cases); i++) {
		const struct age_case *c = &age_cases[i];
		const struct key_stamp stamp = {
			.changed.tv_sec = now.tv_sec - c->changed_s,
			.modified.tv_sec = now.tv_sec - c->modified_s,
		};
		bool is_settled = keys_stamp_is_settled(&stamp, &now);
		bool is_young = keys_stamp_is_young(&stamp, &now);

		if (is_settled != c->is_settled || is_young != c->is_young)
			fail_msg("%s: settled %d, young %d", c->name,
			    is_settled, is_young);
	}
}

/* ---- whom words name ---------------------------------------------------- */

enum { NAMELESS = 4242, NAMED = 65534, NAMELESS_GROUP = 4343 };

/* What is said to user of the file name in the place; the caller frees it. */
static char *
said_to(uid_t user, const struct place *place, const char *name)
{
	struct fault fault = { .kind = FAULT_NONE };
	struct parsed_key key = { 0 };
	char *path = place_path(place, name);
	struct key_stamp stamp;
	enum keys_file_state state;

	assert_int_equal(0, seteuid(user));
	state = keys_file_read(AT_FDCWD, path, "F", &key, &stamp, &fault);
	assert_int_equal(0, seteuid(0));
	keys_parse_clear(&key);
	free(path);
	if (state == KEYS_FILE_GOOD)
		return strdup("a key");
	assert_int_equal(KEYS_FILE_BAD, state);
	assert_int_equal(FAULT_PERMANENT, fault.kind);
	return strdup(fault.words);
}

/* format with who in place of its %s; the caller frees it. */
static char *
replaced(const char *format, const char *who)
{
	const char *at = strstr(format, "%s");
	char *made = NULL;

	if (at == NULL)
		return strdup(format);
	assert_true(
	    asprintf(&made, "%.*s%s%s", (int)(at - format), format, who, at + 2)
	    > 0);
	return made;
}

/* %s is the name of NAMED as the system has it. */
static const struct who_case {
	const char *name;
	uid_t user; /* who reads */
	uid_t owner;
	gid_t group;
	mode_t mode;
	mode_t directory_mode;
	const char *wanted;
} who_cases[] = {
	{ "his own", NAMED, NAMED, 0, 0600, 0755, "a key" },
	{ "root's", NAMED, 0, 0, 0600, 0755,
	    "F: the user %s can't read it: chown it to that user" },
	{ "root's for a group", NAMED, 0, NAMELESS_GROUP, 0640, 0755,
	    "F: the user %s can't read it: chown it to that user" },
	{ "root's, for one without a name", NAMELESS, 0, 0, 0600, 0755,
	    "F: uid 4242 can't read it: chown it to that user" },
	{ "his own, but closed", NAMED, NAMED, 0, 0000, 0755,
	    "F: the user %s can't read it: chmod 600 it" },
	{ "behind a closed directory", NAMED, NAMED, 0, 0600, 0700,
	    "F: the user %s can't get there: chmod or chown the directories "
	    "on the way" },
	{ "somebody's, for root", 0, NAMED, 0, 0600, 0755,
	    "F: it belongs to the user %s, who can change it: chown it to "
	    "root" },
	{ "somebody's, for another", NAMED, NAMELESS, 0, 0644, 0755,
	    "F: it belongs to uid 4242, who can change it: chown it to root "
	    "or to the user %s" },
	{ "somebody's, for one without a name", NAMELESS, NAMED, 0, 0644, 0755,
	    "F: it belongs to the user %s, who can change it: chown it to "
	    "root or to uid 4242" },
	{ "a group's", 0, 0, NAMELESS_GROUP, 0640, 0755,
	    "F: group 4343 can read it: chmod 600 it" },
};

static void
expect_who(const struct place *place, const struct who_case *c,
    const char *user, const char *directory, const char *path)
{
	char *got;
	char *wanted;

	assert_int_equal(0, chown(path, c->owner, c->group));
	assert_int_equal(0, chmod(path, c->mode));
	assert_int_equal(0, chmod(directory, c->directory_mode));
	got = said_to(c->user, place, "d/s1.private");
	wanted = replaced(c->wanted, user);
	if (strcmp(wanted, got) != 0)
		fail_msg("%s: wanted %s, got %s", c->name, wanted, got);
	free(got);
	free(wanted);
}

static void
test_who(void **state)
{
	struct place *place = place_open(4);
	char *directory = place_path(place, "d");
	char *path = place_path(place, "d/s1.private");
	const bool may_try = geteuid() == 0 && getpwuid(NAMELESS) == NULL
	    && getgrgid(NAMELESS_GROUP) == NULL && getpwuid(NAMED) != NULL;

	(void)state;
	if (may_try) {
		char *user = strdup(getpwuid(NAMED)->pw_name);

		assert_int_equal(0, chmod(place->directory, 0755));
		place_put_directory(place, "d", 0755);
		place_put_text(place, "d/s1.private", TEXT_ED25519);
		for (size_t i = 0; i < COUNT(who_cases); i++)
			expect_who(place, &who_cases[i], user, directory, path);
		assert_int_equal(0, unlink(path));
		assert_int_equal(0, rmdir(directory));
		free(user);
	}
	free(directory);
	free(path);
	place_close(place);
	if (!may_try)
		skip(); /* only root can be another */
}

static void
test_names(void **state)
{
	char words[SECRET_FILE_WHO_BYTES];

	(void)state;
	assert_string_equal("the user root", secret_file_user(0, words));
	assert_string_equal("the group root", secret_file_group(0, words));
	assert_string_equal(
	    "uid 4000000000", secret_file_user(4000000000U, words));
	assert_string_equal(
	    "group 4000000000", secret_file_group(4000000000U, words));
}

/* ---- a directory -------------------------------------------------------- */

/* Whose a directory may be; both that of all domains and a domain's. */
static const struct directory_case {
	const char *name;
	uid_t owner;
	gid_t group;
	mode_t mode;
	const char *wanted; /* NULL: its key is found */
} directory_cases[] = {
	{ "root's", 0, 0, 0700, NULL },
	{ "our group may write", 0, 0, 0770, NULL },
	{ "another group may read", 0, 4343, 0750, NULL },
	{ "another group may write", 0, 4343, 0770,
	    "group 4343 can write in it: chmod 700 it" },
	{ "another user's", 4242, 0, 0700, "it belongs to uid 4242" },
	{ "everybody may write", 0, 0, 0702, "chmod 700 it" },
	{ "and only with care", 0, 0, 01777, "chmod 700 it" },
	{ "root's again", 0, 0, 0755, NULL },
};

/* The words of one, with the name of NAMED, or of its group, for %s. */
static const struct keeper_case {
	const char *name;
	uid_t user; /* who looks */
	uid_t owner;
	gid_t group;
	mode_t mode;
	mode_t parent_mode;
	const char *wanted;
} keeper_cases[] = {
	{ "his own", NAMED, NAMED, 0, 0700, 0755, "safe" },
	{ "root's", NAMED, 0, 0, 0755, 0755, "safe" },
	{ "somebody's, for root", 0, NAMED, 0, 0700, 0755,
	    "F: it belongs to the user %s, who can put other keys there: chown "
	    "it to root" },
	{ "somebody's, for another", NAMED, NAMELESS, 0, 0755, 0755,
	    "F: it belongs to uid 4242, who can put other keys there: chown it "
	    "to root or to the user %s" },
	{ "somebody's, for one without a name", NAMELESS, NAMED, 0, 0755, 0755,
	    "F: it belongs to the user %s, who can put other keys there: chown "
	    "it to root or to uid 4242" },
	{ "a group's", 0, 0, NAMED, 0770, 0755,
	    "F: the group %s can write in it: chmod 700 it" },
	{ "a nameless group's", 0, 0, NAMELESS_GROUP, 0770, 0755,
	    "F: group 4343 can write in it: chmod 700 it" },
	{ "behind a closed one", NAMED, NAMED, 0, 0700, 0700,
	    "F: Permission denied: let the user %s read the directory" },
	{ "the same, for one without a name", NAMELESS, NAMED, 0, 0700, 0700,
	    "F: Permission denied: let uid 4242 read the directory" },
};

static void
expect_keeper(const struct keeper_case *c, const char *parent, const char *path)
{
	const char *who = c->group == NAMED ? getgrgid(NAMED)->gr_name
					    : getpwuid(NAMED)->pw_name;
	char *wanted = replaced(c->wanted, who);
	struct fault fault = { .kind = FAULT_NONE };
	size_t length = strlen(path);
	const char *got = "safe";
	bool is_safe;

	assert_int_equal(0, chown(path, c->owner, c->group));
	assert_int_equal(0, chmod(path, c->mode));
	assert_int_equal(0, chmod(parent, c->parent_mode));
	assert_int_equal(0, seteuid(c->user));
	is_safe = keys_directory_is_safe(path, &fault);
	assert_int_equal(is_safe, keys_directory_is_safe(path, NULL));
	assert_int_equal(0, seteuid(0));
	if (!is_safe) {
		assert_int_equal(FAULT_PERMANENT, fault.kind);
		assert_int_equal(0, strncmp(fault.words, path, length));
		fault.words[length - 1] = 'F';
		got = fault.words + length - 1;
	}
	if (strcmp(wanted, got) != 0)
		fail_msg("%s: wanted %s, got %s", c->name, wanted, got);
	free(wanted);
}

static void
test_keeper(void **state)
{
	struct place *place = place_open(4);
	char *parent = place_path(place, "d");
	char *path = place_path(place, "d/keys");
	const bool may_try = geteuid() == 0 && getpwuid(NAMELESS) == NULL
	    && getgrgid(NAMELESS_GROUP) == NULL && getpwuid(NAMED) != NULL
	    && getgrgid(NAMED) != NULL;

	(void)state;
	if (may_try) {
		assert_int_equal(0, chmod(place->directory, 0755));
		place_put_directory(place, "d", 0755);
		place_put_directory(place, "d/keys", 0755);
		for (size_t i = 0; i < COUNT(keeper_cases); i++)
			expect_keeper(&keeper_cases[i], parent, path);
		assert_int_equal(0, rmdir(path));
		assert_int_equal(0, rmdir(parent));
	}
	free(parent);
	free(path);
	place_close(place);
	if (!may_try)
		skip(); /* only root can be another */
}

/* The same in the words of OpenDKIM's tables. */
static void
test_table_of_a_group(void **state)
{
	const struct group *named = getgrgid(NAMED);
	const struct key_stamp stamp = { .mode = S_IFREG | 0660,
		.group = NAMED };
	struct fault fault = { .kind = FAULT_NONE };
	char *wanted;

	(void)state;
	if (named == NULL || geteuid() != 0)
		skip(); /* another's group is to have a name */
	wanted = replaced(
	    "T: the group %s can write it: chmod g-w it", named->gr_name);
	assert_false(keys_tables_are_trusted("T", &stamp, false, &fault));
	assert_string_equal(wanted, fault.words);
	assert_false(keys_tables_are_trusted("T", &stamp, false, NULL));
	free(wanted);
}

static void
expect_of_directory(struct place *place, const char *path)
{
	for (size_t i = 0; i < COUNT(directory_cases); i++) {
		const struct directory_case *c = &directory_cases[i];
		const char *got;

		assert_int_equal(0, chown(path, c->owner, c->group));
		assert_int_equal(0, chmod(path, c->mode));
		place->now_ms += KEYS_STALE_MS;
		got = place_found(place, DOMAIN);
		if (c->wanted == NULL ? strcmp(got, "s1") != 0
				      : strstr(got, c->wanted) == NULL)
			fail_msg("%s, %s: wanted %s, got %s", path, c->name,
			    c->wanted != NULL ? c->wanted : "s1", got);
	}
}

static void
test_directory_owner(void **state)
{
	struct place *place = place_open(4);
	char *path = place_path(place, DOMAIN);

	(void)state;
	if (geteuid() != 0) {
		free(path);
		place_close(place);
		skip(); /* only root can give directories away */
	}
	place_put_text(place, DOMAIN "/s1.private", TEXT_RSA);
	place_set_ahead(3600);
	expect_of_directory(place, path);
	expect_of_directory(place, place->directory);
	free(path);
	place_close(place);
}

static void
test_file_names(void **state)
{
	static const char *const bad[] = { "a b", "s1;", "-", "a..b",
		"\xc3\xa4", "s1,x" };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct place *place = place_open(4);
		char *name = NULL;

		assert_true(asprintf(&name, DOMAIN "/%s.private", bad[i]) > 0);
		place_put_text(place, name, TEXT_RSA);
		if (strstr(place_found(place, DOMAIN), "is no DKIM selector")
		    == NULL)
			fail_msg(
			    "%s: got %s", name, place_found(place, DOMAIN));
		free(name);
		place_close(place);
	}
}

static void
test_too_many(void **state)
{
	struct place *place = place_open(4);

	(void)state;
	for (int i = 0; i < KEYS_PER_DOMAIN; i++) {
		char name[64];

		snprintf(name, sizeof(name), DOMAIN "/s%d.private", i);
		place_put_text(place, name, TEXT_ED25519);
	}
	place_expect(
	    place, "as many as may be", DOMAIN, "s0 s1 s2 s3 s4 s5 s6 s7");
	place_put_text(place, DOMAIN "/s8.private", TEXT_ED25519);
	place->now_ms += KEYS_STALE_MS;
	assert_non_null(strstr(place_found(place, DOMAIN), "more than 8 keys"));
	place_close(place);
}

static void
test_same_selector(void **state)
{
	struct place *place = place_open(4);

	(void)state;
	place_put_text(place, DOMAIN "/A1.private", TEXT_ED25519);
	place_put_text(place, DOMAIN "/S1.private", TEXT_ED25519);
	place_put_text(place, DOMAIN "/s1.private", TEXT_RSA);
	assert_non_null(
	    strstr(place_found(place, DOMAIN), "the same selector"));
	place_close(place);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_odd_contents),
		cmocka_unit_test(test_not_a_file),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_readings),
		cmocka_unit_test(test_ages),
		cmocka_unit_test(test_who),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_directory_owner),
		cmocka_unit_test(test_keeper),
		cmocka_unit_test(test_table_of_a_group),
		cmocka_unit_test(test_file_names),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_same_selector),
	};

	return cmocka_run_group_tests_name(
	    "keys_file", tests, key_texts_make, key_texts_free);
}
