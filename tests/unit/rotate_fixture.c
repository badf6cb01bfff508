#include "tests/unit/rotate_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t
now_s(void *context)
{
	const struct rotate_bed *bed = context;

	return bed->now_s;
}

static bool
check(void *context, const struct rotation *rotation,
    const struct rotate_record *record, struct arena *arena,
    struct rotate_finding *finding_out, struct fault *fault)
{
	struct rotate_bed *bed = context;

	(void)arena;
	assert_string_equal(rotation->domain, record->domain);
	if (bed->lost != NULL) {
		fault_set(fault, FAULT_TEMPORARY, "%s", bed->lost);
		return false;
	}
	*finding_out =
	    (struct rotate_finding){ .asked = 2, .owner = record->name };
	finding_out->has_records =
	    bed->taken != NULL && strcmp(bed->taken, record->selector) == 0;
	if (record->base64 == NULL)
		return true;
	bed->checks++;
	if (bed->is_shown)
		return true;
	finding_out->lacking = finding_out->lack_count = 1;
	(void)snprintf(finding_out->lacks[0].words, ROTATE_WORDS_BYTES,
	    "%s.%s: it doesn't show %s", bed->late != NULL ? bed->late : "ns2",
	    record->domain, record->selector);
	return true;
}

/* Nobody may take away the record of a key that signs. */
static void
want_unused(const struct rotate_bed *bed, const struct rotate_record *record)
{
	char path[ROTATE_PATH_BYTES];

	(void)snprintf(path, sizeof(path), "%s/%s/%s.private", bed->keys,
	    record->domain, record->selector);
	if (access(path, F_OK) == 0)
		fail_msg(
		    "%s signs, and its record is removed", record->selector);
}

static bool
publish(void *context, const struct rotation *rotation, enum rotate_way way,
    const struct rotate_record *record, bool is_added, struct arena *arena,
    struct fault *fault)
{
	struct rotate_bed *bed = context;
	size_t length = strlen(bed->log);

	(void)arena;
	assert_string_equal(rotation->domain, record->domain);
	if (is_added)
		assert_non_null(record->text);
	else
		want_unused(bed, record);
	if (bed->publishing != FAULT_NONE) {
		fault_set(fault, bed->publishing, "the zone is closed");
		return false;
	}
	if (way != ROTATE_PRINT)
		(void)snprintf(bed->log + length, sizeof(bed->log) - length,
		    "%s %s;", is_added ? "add" : "remove", record->selector);
	return true;
}

static bool
has_elsewhere(void *context, const char *domain)
{
	const struct rotate_bed *bed = context;

	assert_true(*domain != '\0');
	return bed->has_elsewhere;
}

void
rotate_bed_open(struct rotate_bed *bed)
{
	*bed = (struct rotate_bed){ .now_s = ROTATE_NOW_S };
	(void)snprintf(
	    bed->keys, sizeof(bed->keys), "/tmp/postern-rotate-XXXXXX");
	assert_non_null(mkdtemp(bed->keys));
	bed->order.retire_after_s = ROTATE_WEEK_S;
	bed->tools = (struct rotate_tools){ .keys = bed->keys,
		.context = bed,
		.now_s = now_s,
		.check = check,
		.publish = publish,
		.has_elsewhere = has_elsewhere };
}

static void
remove_tree(const char *path)
{
	DIR *stream = opendir(path);
	const struct dirent *entry;
	char below[2 * ROTATE_PATH_BYTES];

	while (stream != NULL && (entry = readdir(stream)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0
		    || strcmp(entry->d_name, "..") == 0)
			continue;
		(void)snprintf(
		    below, sizeof(below), "%s/%s", path, entry->d_name);
		if (unlink(below) != 0)
			remove_tree(below);
	}
	if (stream != NULL)
		closedir(stream);
	(void)rmdir(path);
}

void
rotate_bed_close(struct rotate_bed *bed)
{
	remove_tree(bed->keys);
}

void
rotate_bed_key(struct rotate_bed *bed, const char *domain, const char *selector,
    enum key_algorithm algorithm, unsigned seconds)
{
	struct timespec times[2] = { { .tv_sec =
					     (time_t)(bed->now_s - seconds) },
		{ .tv_sec = (time_t)(bed->now_s - seconds) } };
	char path[ROTATE_PATH_BYTES];
	struct fault fault;
	char *record;

	if (!keys_generate(bed->keys, domain, selector, algorithm, 1024,
		geteuid(), getegid(), &record, &fault))
		fail_msg("%s", fault.words);
	free(record);
	(void)snprintf(path, sizeof(path), "%s/%s/%s.private", bed->keys,
	    domain, selector);
	assert_int_equal(0, utimensat(AT_FDCWD, path, times, 0));
}

static int
is_name(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0
	    && strcmp(entry->d_name, "..") != 0;
}

const char *
rotate_bed_files(const struct rotate_bed *bed, const char *domain)
{
	static char names[ROTATE_TEXT_BYTES];
	char path[ROTATE_PATH_BYTES];
	struct dirent **entries;
	size_t length = 0;
	int count;

	(void)snprintf(path, sizeof(path), "%s/%s", bed->keys, domain);
	count = scandir(path, &entries, is_name, alphasort);
	if (count < 0)
		return "-";
	names[0] = '\0';
	for (int i = 0; i < count; i++) {
		length += (size_t)snprintf(names + length,
		    sizeof(names) - length, "%s ", entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return names;
}

void
rotate_bed_put(const struct rotate_bed *bed, const char *name, const char *text)
{
	char path[ROTATE_PATH_BYTES];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", bed->keys, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(strlen(text), write(fd, text, strlen(text)));
	close(fd);
}

void
rotate_want(const char *about, const char *want, const char *got)
{
	if (strcmp(want, got) != 0)
		fail_msg("%s: wanted \"%s\", got \"%s\"", about, want, got);
}
