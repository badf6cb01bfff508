/* whole_file: puts a small file in its place as a whole: whoever opens the name
 * finds what was there before, or all of the new text, also after a crash of
 * the host. */
#ifndef MILTER_IO_WHOLE_FILE_H
#define MILTER_IO_WHOLE_FILE_H

#include <stdbool.h>
#include <stdint.h>

/* Where a file is to be, and whose. Names are within directory_fd, which must
 * be of one that nobody else writes to. */
struct whole_file {
	int directory_fd;
	const char *name;
	const char *hidden; /* what it is called while it is written; nobody
			       else may use that meanwhile */
	bool is_new;        /* the name must not be there yet; nor may hidden */
	uint32_t owner_uid;
	uint32_t owner_gid;
};

/* Write text, readable for the owner alone, and put it on the disk. False with
 * errno, EEXIST if what must be new isn't: then the name is as it was before
 * (unless the disk itself fails), and what was written is gone. Any thread. */
bool whole_file_write(const struct whole_file *file, const char *text);

#endif
