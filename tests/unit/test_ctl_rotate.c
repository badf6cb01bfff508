/* A rotation from its beginning to its end, with name servers, publishing and a
 * clock that the test has in its hand. */
#include "milter/ctl/rotate_print.h"
#include "tests/unit/rotate_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int
open_bed(void **state)
{
	static struct rotate_bed bed;

	rotate_bed_open(&bed);
	*state = &bed;
	return 0;
}

static int
close_bed(void **state)
{
	rotate_bed_close(*state);
	return 0;
}

/* Give a row's outcome back; it must be one. */
static void
want_row(const char *about, enum rotate_outcome want, struct rotate_row *row)
{
	assert_non_null(row);
	if (row->outcome != want)
		fail_msg("%s: wanted %s, got %s: %s", about,
		    rotate_outcome_name(want),
		    rotate_outcome_name(row->outcome), rotate_print_words(row));
	rotate_row_free(&row);
	assert_null(row);
}

/* The same, and words that it must say. */
static void
want_words(const char *about, enum rotate_outcome want, const char *words,
    struct rotate_row *row)
{
	assert_non_null(row);
	if (strstr(rotate_print_words(row), words) == NULL)
		fail_msg("%s: wanted \"%s\", got \"%s\"", about, words,
		    rotate_print_words(row));
	want_row(about, want, row);
}

static struct rotate_row *
start(struct rotate_bed *bed)
{
	return rotate_domain_start(
	    &bed->tools, &bed->order, ROTATE_DOMAIN, false);
}

static struct rotate_row *
go_on(struct rotate_bed *bed)
{
	return rotate_domain_continue(&bed->tools, ROTATE_DOMAIN);
}

static void
want_files(struct rotate_bed *bed, const char *about, const char *want)
{
	rotate_want(about, want, rotate_bed_files(bed, ROTATE_DOMAIN));
}

/* Started, waited for, switched, retired, done. */
static void
test_life(void **state)
{
	struct rotate_bed *bed = *state;

	bed->order.way = ROTATE_HOOK;
	rotate_bed_key(bed, ROTATE_DOMAIN, "old", KEY_ED25519_SHA256, 9);
	want_words("not shown yet", ROTATE_WAITS, "1 of 2", start(bed));
	want_files(bed, "while it waits", "20261123.pending old.private ");
	rotate_want("published", "add 20261123;", bed->log);
	want_row("still not", ROTATE_WAITS, go_on(bed));
	rotate_want("published once", "add 20261123;", bed->log);
	assert_int_equal(2, bed->checks);
	bed->is_shown = true;
	want_words("shown", ROTATE_HAS_SWITCHED,
	    "20261123 signs; old signs no more", go_on(bed));
	want_files(bed, "switched", "20261123.private old.retiring ");
	bed->now_s += ROTATE_WEEK_S - 1;
	want_row("too early", ROTATE_HAS_SWITCHED, go_on(bed));
	want_files(bed, "too early", "20261123.private old.retiring ");
	bed->now_s++;
	bed->publishing = FAULT_TEMPORARY;
	want_words(
	    "the zone can't be changed", ROTATE_LATER, "closed", go_on(bed));
	want_files(bed, "not withdrawn", "20261123.private old.retiring ");
	bed->publishing = FAULT_PERMANENT;
	want_row("never", ROTATE_FAILED, go_on(bed));
	want_words("told later", ROTATE_FAILED, "closed; mend it",
	    rotate_domain_look(&bed->tools, ROTATE_DOMAIN));
	bed->publishing = FAULT_NONE;
	want_words("the end", ROTATE_IS_DONE, "20261123 signs", go_on(bed));
	want_files(bed, "the end", "20261123.private ");
	rotate_want("withdrawn", "add 20261123;remove old;", bed->log);
	want_row("a look", ROTATE_IS_DONE,
	    rotate_domain_look(&bed->tools, ROTATE_DOMAIN));
	want_row("once more", ROTATE_IS_DONE, go_on(bed));
	rotate_want("nothing more", "add 20261123;remove old;", bed->log);
}

/* A domain's first key has no other to wait for. */
static void
test_first(void **state)
{
	struct rotate_bed *bed = *state;
	struct rotate_row *row;

	row = start(bed);
	assert_non_null(row);
	assert_true(row->is_new && row->has_moved);
	assert_int_equal(1, row->record_count);
	rotate_want(
	    "its name", "20261123._domainkey.a.example", row->records[0].name);
	assert_int_equal(
	    0, strncmp(row->records[0].text, "v=DKIM1; k=rsa; p=MII", 21));
	assert_int_equal(ROTATE_BITS, row->rotation->made[0].bits);
	want_row("the first key", ROTATE_WAITS, row);
	bed->is_shown = true;
	want_row("shown", ROTATE_IS_DONE, go_on(bed));
	want_files(bed, "the first key", "20261123.private ");
	want_row("nothing there", ROTATE_NOTHING,
	    rotate_domain_continue(&bed->tools, "b.example"));
}

/* Keys of both kinds are exchanged together, or one kind alone. */
static void
test_both(void **state)
{
	struct rotate_bed *bed = *state;

	bed->is_shown = true;
	rotate_bed_key(bed, ROTATE_DOMAIN, "r1", KEY_RSA_SHA256, 9);
	rotate_bed_key(bed, ROTATE_DOMAIN, "r2", KEY_RSA_SHA256, 9);
	rotate_bed_key(bed, ROTATE_DOMAIN, "e", KEY_ED25519_SHA256, 9);
	want_row("both", ROTATE_HAS_SWITCHED, start(bed));
	want_files(bed, "both",
	    "20261123e.private 20261123r.private e.retiring r1.retiring "
	    "r2.retiring ");
	bed->order.wants_ed25519 = true;
	bed->order.retire_after_s = 0;
	want_row("Ed25519 alone", ROTATE_HAS_SWITCHED, start(bed));
	want_files(bed, "Ed25519 alone",
	    "20261123.private 20261123r.private e.retiring r1.retiring "
	    "r2.retiring ");
	bed->now_s += ROTATE_WEEK_S;
	want_row("all have retired", ROTATE_IS_DONE, go_on(bed));
	want_files(
	    bed, "all have retired", "20261123.private 20261123r.private ");
}

/* No selector is used twice, whoever uses it. */
static void
test_selectors(void **state)
{
	struct rotate_bed *bed = *state;

	bed->order.wants_ed25519 = true;
	rotate_bed_key(bed, ROTATE_DOMAIN, "20261123", KEY_ED25519_SHA256, 9);
	bed->taken = "20261123a";
	want_row("the date is taken", ROTATE_WAITS, start(bed));
	want_files(
	    bed, "the date is taken", "20261123.private 20261123b.pending ");
	want_row("cancelled", ROTATE_CANCELLED,
	    rotate_domain_cancel(&bed->tools, ROTATE_DOMAIN));
	bed->order.selector = "20261123A";
	bed->taken = "20261123A";
	want_words("in the DNS", ROTATE_FAILED, "taken", start(bed));
	bed->order.selector = "mine";
	rotate_bed_put(bed, ROTATE_DOMAIN "/MINE.retiring", "");
	want_words("here, in another case", ROTATE_FAILED, "taken", start(bed));
	bed->order.selector = "no..selector";
	want_words("none", ROTATE_FAILED, "is no selector", start(bed));
	want_files(bed, "after all that", "20261123.private MINE.retiring ");
	/* Where the servers can't be asked, it isn't known to be taken. */
	bed->order.selector = "other";
	bed->lost = "no answer";
	want_words(
	    "nobody can be asked", ROTATE_LATER, "no answer", start(bed));
	want_files(bed, "nobody can be asked",
	    "20261123.private MINE.retiring other.pending ");
}

static void
test_cancel(void **state)
{
	struct rotate_bed *bed = *state;
	struct rotate_row *row;

	bed->order.way = ROTATE_NSUPDATE;
	want_row("nothing to cancel", ROTATE_NOTHING,
	    rotate_domain_cancel(&bed->tools, ROTATE_DOMAIN));
	want_row("a first key", ROTATE_WAITS, start(bed));
	want_words("it had none", ROTATE_CANCELLED, "no key that signs",
	    rotate_domain_cancel(&bed->tools, ROTATE_DOMAIN));
	bed->log[0] = '\0';
	rotate_bed_key(bed, ROTATE_DOMAIN, "old", KEY_ED25519_SHA256, 9);
	want_row("begun", ROTATE_WAITS, start(bed));
	bed->publishing = FAULT_TEMPORARY;
	want_words("can't be withdrawn now", ROTATE_LATER, "closed",
	    rotate_domain_cancel(&bed->tools, ROTATE_DOMAIN));
	want_files(
	    bed, "can't be withdrawn now", "20261123.pending old.private ");
	/* What is being cancelled never switches. */
	bed->is_shown = true;
	want_row("nor a while after", ROTATE_LATER, go_on(bed));
	bed->publishing = FAULT_NONE;
	want_words("carried on", ROTATE_CANCELLED,
	    "20261123.pending is wiped, its record removed; the old keys "
	    "sign on",
	    go_on(bed));
	want_files(bed, "cancelled", "old.private ");
	rotate_want("the records", "add 20261123;remove 20261123;", bed->log);
	want_row("no state is left", ROTATE_NOTHING, go_on(bed));
	want_row("again, shown", ROTATE_HAS_SWITCHED, start(bed));
	want_words("too late", ROTATE_FAILED, "sign already",
	    rotate_domain_cancel(&bed->tools, ROTATE_DOMAIN));
	/* What retires from before goes on retiring. */
	bed->is_shown = false;
	want_row("a second one", ROTATE_WAITS, start(bed));
	want_row("cancelled too", ROTATE_CANCELLED,
	    rotate_domain_cancel(&bed->tools, ROTATE_DOMAIN));
	row = rotate_domain_look(&bed->tools, ROTATE_DOMAIN);
	assert_non_null(row);
	assert_int_equal(0, row->rotation->made_count);
	assert_int_equal(1, row->rotation->retiring_count);
	rotate_row_free(&row);
	bed->now_s += ROTATE_WEEK_S;
	want_row("the first one's end", ROTATE_IS_DONE, go_on(bed));
	want_files(bed, "the end", "20261123.private ");
}

/* Nothing that is broken keeps a rotation from being cancelled: what it leaves
 * in the DNS is told. */
static void
test_cancel_by_force(void **state)
{
	static const enum fault_kind kinds[] = { FAULT_PERMANENT,
		FAULT_TEMPORARY };
	struct rotate_bed *bed = *state;
	struct rotate_row *row;

	bed->order.way = ROTATE_HOOK;
	rotate_bed_key(bed, ROTATE_DOMAIN, "old", KEY_ED25519_SHA256, 9);
	for (size_t i = 0; i < 2; i++) {
		bed->publishing = FAULT_NONE;
		want_row("begun", ROTATE_WAITS, start(bed));
		bed->publishing = kinds[i];
		/* What may be possible later is given up when asked again. */
		if (kinds[i] == FAULT_TEMPORARY)
			want_row("the first time", ROTATE_LATER,
			    rotate_domain_cancel(&bed->tools, ROTATE_DOMAIN));
		row = rotate_domain_cancel(&bed->tools, ROTATE_DOMAIN);
		assert_non_null(row);
		assert_int_equal(1, row->removable_count);
		rotate_want("by hand", "20261123._domainkey.a.example",
		    row->removable[0]);
		want_words("the key", ROTATE_CANCELLED,
		    "20261123.pending is wiped; the old keys sign on; the "
		    "record could not be removed: the zone is closed",
		    row);
		want_files(bed, "cancelled", "old.private ");
		rotate_want("states", "", rotate_bed_files(bed, ".rotate"));
	}
}

/* A state that can't be read tells what there is, and can be left behind. */
static void
test_damaged(void **state)
{
	struct rotate_bed *bed = *state;
	struct rotate_row *row;

	bed->is_shown = true;
	bed->tools.retire_after_s = ROTATE_WEEK_S;
	rotate_bed_key(bed, ROTATE_DOMAIN, "old", KEY_ED25519_SHA256, 9);
	want_row("a first one", ROTATE_HAS_SWITCHED, start(bed));
	bed->is_shown = false;
	want_row("a second one", ROTATE_WAITS, start(bed));
	rotate_bed_put(bed, ".rotate/" ROTATE_DOMAIN, "postern-rot");
	bed->is_shown = true;
	want_words("a look", ROTATE_FAILED,
	    "/.rotate/a.example is damaged: line 1: it ends too early; keys "
	    "there: 20261123.private (signs), 20261123a.pending (new, perhaps "
	    "published), old.retiring (signs no more); posternctl rotate "
	    "--cancel a.example wipes",
	    rotate_domain_look(&bed->tools, ROTATE_DOMAIN));
	want_words("carried on", ROTATE_FAILED, "--cancel", go_on(bed));
	want_words("started", ROTATE_FAILED, "--cancel", start(bed));
	want_files(bed, "all is there",
	    "20261123.private 20261123a.pending old.retiring ");
	row = rotate_domain_cancel(&bed->tools, ROTATE_DOMAIN);
	assert_non_null(row);
	assert_int_equal(1, row->removable_count);
	rotate_want(
	    "by hand", "20261123a._domainkey.a.example", row->removable[0]);
	want_words("cancelled", ROTATE_CANCELLED,
	    "20261123a.pending is wiped; the old keys sign on", row);
	want_files(bed, "cancelled", "20261123.private old.retiring ");
	/* The old key retires all the same, late rather than early. */
	bed->now_s += ROTATE_WEEK_S - 1;
	want_row("not yet", ROTATE_HAS_SWITCHED, go_on(bed));
	bed->now_s++;
	row = go_on(bed);
	assert_non_null(row);
	assert_int_equal(1, row->removable_count);
	rotate_want(
	    "its record", "old._domainkey.a.example", row->removable[0]);
	want_row("the end", ROTATE_IS_DONE, row);
	want_files(bed, "the end", "20261123.private ");
}

/* Somebody has removed the state, and left the key. */
static void
test_left_behind(void **state)
{
	struct rotate_bed *bed = *state;

	bed->order.wants_ed25519 = true;
	want_row("begun", ROTATE_WAITS, start(bed));
	assert_true(rotate_state_remove(
	    bed->keys, ROTATE_DOMAIN, &(struct fault){ 0 }));
	want_words("a look", ROTATE_NOTHING, "a new key was left: 20261123.p",
	    rotate_domain_look(&bed->tools, ROTATE_DOMAIN));
	want_words("carried on", ROTATE_NOTHING, "--cancel a.ex", go_on(bed));
	bed->is_shown = true;
	want_row("a new one", ROTATE_IS_DONE, start(bed));
	want_files(bed, "a new one", "20261123.pending 20261123a.private ");
	want_words("cancelled", ROTATE_CANCELLED, "20261123.pending is wiped",
	    rotate_domain_cancel(&bed->tools, ROTATE_DOMAIN));
	want_files(bed, "cancelled", "20261123a.private ");
	want_row("the new one", ROTATE_IS_DONE, go_on(bed));
	want_words("nothing more", ROTATE_FAILED, "nothing to cancel",
	    rotate_domain_cancel(&bed->tools, ROTATE_DOMAIN));
}

/* One server of several never shows it: somebody says so while it waits. */
static void
test_said_anew(void **state)
{
	static const char *const servers[] = { "192.0.2.1", "192.0.2.2@5353" };
	struct rotate_bed *bed = *state;
	struct rotate_row *row;

	bed->order.way = ROTATE_HOOK;
	want_row("begun", ROTATE_WAITS, start(bed));
	bed->order.servers = servers;
	bed->order.server_count = 2;
	row = start(bed);
	assert_non_null(row);
	assert_int_equal(2, row->rotation->server_count);
	rotate_want("the second", "192.0.2.2@5353", row->rotation->servers[1]);
	want_row("other servers", ROTATE_WAITS, row);
	bed->order.server_count = 0;
	bed->order.way = ROTATE_PRINT;
	want_row("as configured", ROTATE_WAITS, start(bed));
	rotate_want("once", "add 20261123;", bed->log);
	bed->order.is_way_said = bed->order.is_retiring_said = true;
	bed->order.retire_after_s = 7;
	row = start(bed);
	assert_non_null(row);
	assert_int_equal(ROTATE_PRINT, row->rotation->way);
	assert_int_equal(2, row->rotation->server_count);
	assert_int_equal(7, row->rotation->retire_after_s);
	want_row("by hand", ROTATE_WAITS, row);
	bed->order.way = ROTATE_HOOK;
	want_row("by the hook again", ROTATE_WAITS, start(bed));
	rotate_want("twice", "add 20261123;add 20261123;", bed->log);
	bed->order.wants_ed25519 = true;
	want_words(
	    "another kind", ROTATE_FAILED, "cancel it first", start(bed));
	bed->order.wants_ed25519 = false;
	bed->order.bits = 4096;
	want_words(
	    "another size", ROTATE_FAILED, "cancel it first", start(bed));
}

/* What can't be done is said, and done later. */
static void
test_faults(void **state)
{
	struct rotate_bed *bed = *state;

	bed->order.way = ROTATE_HOOK;
	bed->publishing = FAULT_PERMANENT;
	rotate_bed_key(bed, ROTATE_DOMAIN, "old", KEY_ED25519_SHA256, 9);
	want_words("not published", ROTATE_FAILED, "closed", start(bed));
	want_words("told later", ROTATE_FAILED,
	    "closed; mend it, or posternctl rotate --cancel a.example",
	    rotate_domain_look(&bed->tools, ROTATE_DOMAIN));
	want_words("tried again", ROTATE_FAILED, "mend it", go_on(bed));
	want_files(bed, "not published", "20261123.pending old.private ");
	bed->publishing = FAULT_TEMPORARY;
	want_row("later", ROTATE_LATER, go_on(bed));
	want_row("a look at it", ROTATE_LATER,
	    rotate_domain_look(&bed->tools, ROTATE_DOMAIN));
	bed->publishing = FAULT_NONE;
	bed->lost = "SERVFAIL";
	want_words("nobody to ask", ROTATE_LATER, "SERVFAIL", go_on(bed));
	bed->lost = NULL;
	want_words("mended", ROTATE_WAITS, "1 of 2", go_on(bed));
	want_words("a look at that", ROTATE_WAITS, "1 of 2",
	    rotate_domain_look(&bed->tools, ROTATE_DOMAIN));
	/* A new key that isn't the one that was published never signs. */
	rotate_bed_put(bed, ROTATE_DOMAIN "/20261123.pending", "nonsense");
	bed->is_shown = true;
	want_words("damaged", ROTATE_FAILED, "20261123.pending", go_on(bed));
	want_files(bed, "damaged", "20261123.pending old.private ");
	want_row("cancelled", ROTATE_CANCELLED,
	    rotate_domain_cancel(&bed->tools, ROTATE_DOMAIN));
	want_files(bed, "cancelled", "old.private ");
}

/* A new key of another kind than was decided on is a stranger. */
static void
test_exchanged(void **state)
{
	struct rotate_bed *bed = *state;
	char from[ROTATE_PATH_BYTES], to[ROTATE_PATH_BYTES];

	rotate_bed_key(bed, ROTATE_DOMAIN, "old", KEY_ED25519_SHA256, 9);
	want_row("begun", ROTATE_WAITS, start(bed));
	rotate_bed_key(bed, "b.example", "x", KEY_RSA_SHA256, 9);
	(void)snprintf(from, sizeof(from), "%s/b.example/x.private", bed->keys);
	(void)snprintf(
	    to, sizeof(to), "%s/%s/20261123.pending", bed->keys, ROTATE_DOMAIN);
	assert_int_equal(0, rename(from, to));
	bed->is_shown = true;
	want_words("another key", ROTATE_FAILED, "another key", go_on(bed));
	want_files(bed, "another key", "20261123.pending old.private ");
}

static void
test_left_alone(void **state)
{
	struct rotate_bed *bed = *state;
	char selector[16];

	bed->order.must_have_key = true;
	want_words("no key", ROTATE_LEFT, "no key", start(bed));
	want_files(bed, "no key", "-");
	bed->order.must_have_key = false;
	bed->has_elsewhere = true;
	want_words(
	    "keys elsewhere", ROTATE_FAILED, "sign.key_table", start(bed));
	want_files(bed, "keys elsewhere", "-");
	bed->has_elsewhere = false;
	rotate_bed_key(bed, ROTATE_DOMAIN, "k0", KEY_ED25519_SHA256, 100);
	bed->order.older_than_s = 101;
	want_words("young", ROTATE_LEFT, "young", start(bed));
	bed->order.older_than_s = 100;
	for (int i = 1; i < KEYS_PER_DOMAIN; i++) {
		(void)snprintf(selector, sizeof(selector), "k%d", i);
		rotate_bed_key(
		    bed, ROTATE_DOMAIN, selector, KEY_ED25519_SHA256, 100);
	}
	want_words("too many", ROTATE_FAILED, "remove some", start(bed));
	want_row("no state", ROTATE_NOTHING, go_on(bed));
}

static void
want_lacking(const struct rotate_bed *bed, const char *server)
{
	struct rotate_row *row = rotate_domain_look(&bed->tools, ROTATE_DOMAIN);

	assert_non_null(row);
	assert_int_equal(1, row->rotation->lack_count);
	assert_int_equal(
	    0, strncmp(row->rotation->lacks[0].words, server, strlen(server)));
	rotate_row_free(&row);
}

/* Of a rotation that is under way: others don't begin one beside it. */
static void
test_under_way(void **state)
{
	struct rotate_bed *bed = *state;
	struct rotate_row *row;
	char path[ROTATE_PATH_BYTES];
	int fd;

	bed->order.selector = "mine";
	want_row("begun", ROTATE_WAITS, start(bed));
	row = start(bed);
	assert_non_null(row);
	assert_false(row->is_new);
	want_row("carried on", ROTATE_WAITS, row);
	row =
	    rotate_domain_start(&bed->tools, &bed->order, ROTATE_DOMAIN, true);
	assert_non_null(row);
	assert_int_equal(1, row->record_count); /* shown again */
	want_words("by --all", ROTATE_LEFT, "under way", row);
	bed->order.selector = "other";
	want_words("to another selector", ROTATE_FAILED, "cancel it first",
	    start(bed));
	(void)snprintf(path, sizeof(path), "%s/%s", bed->keys, ROTATE_DOMAIN);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(0, flock(fd, LOCK_EX | LOCK_NB));
	want_words("locked", ROTATE_LATER, "another process", go_on(bed));
	want_words("a look needs no lock", ROTATE_WAITS, "1 of 2",
	    rotate_domain_look(&bed->tools, ROTATE_DOMAIN));
	close(fd);
	want_lacking(bed, "ns2.");
	bed->late = "ns1";
	want_row("another server", ROTATE_WAITS, go_on(bed));
	want_lacking(bed, "ns1.");
	bed->now_s += 2 * 86400;
	want_words(
	    "for days", ROTATE_WAITS, "new record, since 20", go_on(bed));
	bed->is_shown = true;
	want_row("free again", ROTATE_IS_DONE, go_on(bed));
}

/* Somebody has gone back to the old key: it stays, and so does its record. */
static void
test_taken_back(void **state)
{
	struct rotate_bed *bed = *state;
	char from[ROTATE_PATH_BYTES], to[ROTATE_PATH_BYTES];

	bed->is_shown = true;
	bed->order.way = ROTATE_HOOK;
	rotate_bed_key(bed, ROTATE_DOMAIN, "old", KEY_ED25519_SHA256, 9);
	want_row("switched", ROTATE_HAS_SWITCHED, start(bed));
	(void)snprintf(
	    from, sizeof(from), "%s/%s/old.retiring", bed->keys, ROTATE_DOMAIN);
	(void)snprintf(
	    to, sizeof(to), "%s/%s/old.private", bed->keys, ROTATE_DOMAIN);
	assert_int_equal(0, rename(from, to));
	bed->now_s += ROTATE_WEEK_S;
	want_row("its time is over", ROTATE_IS_DONE, go_on(bed));
	want_files(bed, "it signs", "20261123.private old.private ");
	rotate_want("its record", "add 20261123;", bed->log);
}

/* It switched while the clock was years ahead. */
static void
test_clock(void **state)
{
	struct rotate_bed *bed = *state;

	bed->is_shown = true;
	bed->now_s += 10 * 365 * 86400;
	rotate_bed_key(bed, ROTATE_DOMAIN, "old", KEY_ED25519_SHA256, 9);
	want_row("in years to come", ROTATE_HAS_SWITCHED, start(bed));
	bed->now_s = ROTATE_NOW_S;
	bed->order.older_than_s = 86400;
	want_words("a key of the future", ROTATE_LEFT, "clock", start(bed));
	bed->order.older_than_s = 0;
	want_row("set back", ROTATE_HAS_SWITCHED, go_on(bed));
	bed->now_s += ROTATE_WEEK_S - 1;
	want_row("too early", ROTATE_HAS_SWITCHED, go_on(bed));
	bed->now_s++;
	want_row("the end", ROTATE_IS_DONE, go_on(bed));
}

/* A customer who leaves right after the start isn't given a directory again. */
static void
test_gone_at_once(void **state)
{
	static struct rotation begun = { .domain = ROTATE_DOMAIN,
		.step = ROTATE_BEGUN,
		.made = { { .selector = "s",
		    .algorithm = KEY_ED25519_SHA256 } },
		.made_count = 1 };
	struct rotate_bed *bed = *state;

	assert_true(
	    rotate_state_write(bed->keys, &begun, &(struct fault){ 0 }));
	want_words("gone", ROTATE_LEFT, "has gone", go_on(bed));
	want_files(bed, "not made", "-");
}

/* The customer has left while it was under way. */
static void
test_gone(void **state)
{
	struct rotate_bed *bed = *state;
	char path[ROTATE_PATH_BYTES];

	want_row("begun", ROTATE_WAITS, start(bed));
	(void)snprintf(path, sizeof(path), "%s/%s/20261123.pending", bed->keys,
	    ROTATE_DOMAIN);
	assert_int_equal(0, unlink(path));
	(void)snprintf(path, sizeof(path), "%s/%s", bed->keys, ROTATE_DOMAIN);
	assert_int_equal(0, rmdir(path));
	want_words("gone", ROTATE_LEFT, "has gone", go_on(bed));
	want_files(bed, "not made again", "-");
	want_row("no state", ROTATE_NOTHING, go_on(bed));
}

/* A key that several domains share by links is not wiped for the others. */
static void
test_links(void **state)
{
	struct rotate_bed *bed = *state;
	char key[ROTATE_PATH_BYTES], other[ROTATE_PATH_BYTES];
	struct stat before, after;

	bed->is_shown = true;
	bed->order.retire_after_s = 0;
	rotate_bed_key(bed, "b.example", "s", KEY_ED25519_SHA256, 9);
	rotate_bed_key(bed, ROTATE_DOMAIN, "t", KEY_ED25519_SHA256, 9);
	(void)snprintf(key, sizeof(key), "%s/b.example/s.private", bed->keys);
	(void)snprintf(
	    other, sizeof(other), "%s/%s/s.private", bed->keys, ROTATE_DOMAIN);
	assert_int_equal(0, link(key, other));
	(void)snprintf(
	    other, sizeof(other), "%s/%s/u.private", bed->keys, ROTATE_DOMAIN);
	assert_int_equal(0, symlink("../b.example/s.private", other));
	assert_int_equal(0, stat(key, &before));
	want_row("all at once", ROTATE_IS_DONE, start(bed));
	want_files(bed, "all at once", "20261123.private ");
	assert_int_equal(0, stat(key, &after));
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	assert_int_equal(before.st_size, after.st_size);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_life, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(
		    test_first, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(test_both, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(
		    test_selectors, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(
		    test_cancel, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(
		    test_cancel_by_force, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(
		    test_damaged, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(
		    test_left_behind, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(
		    test_said_anew, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(
		    test_faults, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(
		    test_exchanged, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(
		    test_left_alone, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(
		    test_under_way, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(
		    test_taken_back, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(
		    test_clock, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(
		    test_gone_at_once, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(test_gone, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(
		    test_links, open_bed, close_bed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
