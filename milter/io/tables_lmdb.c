#include "milter/io/tables_lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAGIC 0xBEEFC0DEU

enum {
	FILE_VERSION = 1, /* of all LMDB 0.9 */
	PAGE_BYTES_LEAST = 512,
	PAGE_BYTES_MOST = 32768,
	DEPTH_MOST = 32,
	/* Someone else commits while we read: how often that may happen. */
	TRIES = 8,

	PAGE_BRANCH = 0x01,
	PAGE_LEAF = 0x02,
	PAGE_OVERFLOW = 0x04,
	NODE_IS_BIG = 0x01, /* its data lies on overflow pages */
};

/* The format is that of the host that wrote the file, integers as wide as its
 * size_t. There are two such records, on the first two pages; that with the
 * later transaction counts. */
struct tree {
	uint32_t page_bytes; /* in the first tree only, that of free pages */
	uint16_t flags;
	uint16_t depth;
	size_t branch_pages;
	size_t leaf_pages;
	size_t overflow_pages;
	size_t entries;
	size_t root; /* SIZE_MAX: it is empty */
};

struct meta {
	uint32_t magic;
	uint32_t version;
	size_t address;
	size_t map_bytes;
	struct tree trees[2]; /* of free pages; of the table */
	size_t last_page;
	size_t transaction;
};

struct page_head {
	size_t number;
	uint16_t pad;
	uint16_t flags;
	uint16_t lower; /* where the offsets of nodes end */
	uint16_t upper;
};

struct node_head {
	uint32_t size_bytes; /* of the data; in a branch a page's number */
	uint16_t flags;      /* in a branch the number's upper part */
	uint16_t key_bytes;
};

/* A node within table->page. */
struct node {
	struct node_head head;
	const unsigned char *key;
	const unsigned char *data;
	size_t room; /* octets from data to the page's end */
};

struct table {
	const char *path;
	int fd;
	uint64_t size_bytes;
	size_t page_bytes;
	unsigned char *page; /* PAGE_BYTES_MOST */
	struct meta metas[2];
	struct arena *arena;
	struct fault *fault;
};

static bool
complain(struct table *table, const char *words)
{
	fault_set(table->fault, FAULT_TEMPORARY, "%s: %s", table->path, words);
	return false;
}

static bool
is_damaged(struct table *table)
{
	return complain(table, "damaged; make it anew with postmap");
}

/* Read exactly so many octets. */
static bool
read_at(struct table *table, void *space, size_t length, uint64_t offset)
{
	unsigned char *at = space;

	if (offset > table->size_bytes || length > table->size_bytes - offset)
		return is_damaged(table);
	while (length > 0) {
		ssize_t got = pread(table->fd, at, length, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return complain(table, strerrordesc_np(errno));
		if (got == 0) /* it was cut meanwhile */
			return is_damaged(table);
		at += got;
		offset += (uint64_t)got;
		length -= (size_t)got;
	}
	return true;
}

static bool
read_meta(struct table *table, uint64_t page_offset, struct meta *meta_out)
{
	if (!read_at(table, meta_out, sizeof(*meta_out),
		page_offset + sizeof(struct page_head)))
		return false;
	if (meta_out->magic != FILE_MAGIC || meta_out->version != FILE_VERSION)
		return complain(table,
		    "no LMDB file of this kind of host; "
		    "make it anew with postmap");
	return true;
}

static bool
read_size(struct table *table)
{
	struct stat status;

	if (fstat(table->fd, &status) < 0)
		return complain(table, strerrordesc_np(errno));
	if (!S_ISREG(status.st_mode))
		return complain(table, "is no file");
	table->size_bytes = (uint64_t)status.st_size;
	return true;
}

/* The size is that of after the records: what they speak of is in the file
 * before they are, so a size of before may be too small for them. */
static bool
read_metas(struct table *table)
{
	size_t page_bytes;

	if (!read_size(table))
		return false;
	if (!read_meta(table, 0, &table->metas[0]))
		return false;
	page_bytes = table->metas[0].trees[0].page_bytes;
	if (page_bytes < PAGE_BYTES_LEAST || page_bytes > PAGE_BYTES_MOST
	    || (page_bytes & (page_bytes - 1)) != 0)
		return is_damaged(table);
	table->page_bytes = page_bytes;
	return read_meta(table, page_bytes, &table->metas[1])
	    && read_size(table);
}

static bool
read_page(struct table *table, size_t number, struct page_head *head_out)
{
	if (number > table->size_bytes / table->page_bytes)
		return is_damaged(table);
	if (!read_at(table, table->page, table->page_bytes,
		(uint64_t)number * table->page_bytes))
		return false;
	memcpy(head_out, table->page, sizeof(*head_out));
	return head_out->number == number || is_damaged(table);
}

/* How many nodes a page has; SIZE_MAX: it is damaged. */
static size_t
count_nodes(const struct table *table, const struct page_head *head)
{
	return head->lower < sizeof(*head) || head->lower > table->page_bytes
	    ? SIZE_MAX
	    : (head->lower - sizeof(*head)) / sizeof(uint16_t);
}

static bool
find_node(struct table *table, size_t index, struct node *node_out)
{
	const unsigned char *page = table->page;
	uint16_t offset;
	size_t begin;

	memcpy(&offset,
	    page + sizeof(struct page_head) + index * sizeof(offset),
	    sizeof(offset));
	begin = offset + sizeof(struct node_head);
	if (begin > table->page_bytes)
		return is_damaged(table);
	memcpy(&node_out->head, page + offset, sizeof(node_out->head));
	if (node_out->head.key_bytes > table->page_bytes - begin)
		return is_damaged(table);
	node_out->key = page + begin;
	node_out->data = node_out->key + node_out->head.key_bytes;
	node_out->room = table->page_bytes - begin - node_out->head.key_bytes;
	return true;
}

static int
compare(const struct node *node, const char *key, size_t length)
{
	size_t other = node->head.key_bytes;
	int order = memcmp(node->key, key, other < length ? other : length);

	if (order != 0)
		return order;
	return (other > length) - (other < length);
}

/* The page below a branch in which key would be: that of the last node that
 * isn't above it. The first node stands for whatever is below the second. */
static bool
find_child(struct table *table, size_t count, const char *key, size_t length,
    size_t *number_out)
{
	struct node node;

	for (size_t i = 0; i < count; i++) {
		if (!find_node(table, i, &node))
			return false;
		if (i > 0 && compare(&node, key, length) > 0)
			break;
		*number_out = (size_t)((uint64_t)node.head.flags << 32
		    | node.head.size_bytes);
	}
	return true;
}

static bool
read_overflow(struct table *table, const struct node *node, char *value)
{
	struct page_head head;
	size_t number;

	if (node->room < sizeof(number))
		return is_damaged(table);
	memcpy(&number, node->data, sizeof(number));
	if (number > table->size_bytes / table->page_bytes)
		return is_damaged(table);
	if (!read_at(table, &head, sizeof(head),
		(uint64_t)number * table->page_bytes))
		return false;
	if (head.number != number || (head.flags & PAGE_OVERFLOW) == 0)
		return is_damaged(table);
	return read_at(table, value, node->head.size_bytes,
	    (uint64_t)number * table->page_bytes + sizeof(head));
}

static bool
read_value(struct table *table, const struct node *node, const char **value_out)
{
	size_t length = node->head.size_bytes;
	char *value;

	if ((node->head.flags & ~NODE_IS_BIG) != 0)
		return complain(table,
		    "has tables within it; "
		    "make it anew with postmap");
	if (length > TABLES_VALUE_BYTES)
		return complain(table, "a value of more than 64 KiB");
	value = arena_alloc(table->arena, length + 1);
	if (value == NULL) {
		fault_memory(table->fault);
		return false;
	}
	if ((node->head.flags & NODE_IS_BIG) != 0) {
		if (!read_overflow(table, node, value))
			return false;
	} else if (length > node->room) {
		return is_damaged(table);
	} else if (length > 0) {
		memcpy(value, node->data, length);
	}
	if (length > 0 && value[length - 1] == '\0')
		length--;
	if (memchr(value, '\0', length) != NULL)
		return complain(table, "a value with a NUL in it");
	*value_out = value;
	return true;
}

static bool
find_in_leaf(struct table *table, size_t count, const char *key, size_t length,
    const char **value_out)
{
	struct node node;

	for (size_t i = 0; i < count; i++) {
		if (!find_node(table, i, &node))
			return false;
		if (compare(&node, key, length) == 0)
			return read_value(table, &node, value_out);
	}
	return true;
}

static bool
find_key(
    struct table *table, const char *key, size_t length, const char **value_out)
{
	bool is_second =
	    table->metas[1].transaction > table->metas[0].transaction;
	const struct tree *tree = &table->metas[is_second].trees[1];
	size_t number = tree->root;

	if (number == SIZE_MAX)
		return true;
	if (tree->flags != 0)
		return complain(table,
		    "a table of another kind; "
		    "make it anew with postmap");
	for (int depth = 0; depth < DEPTH_MOST; depth++) {
		struct page_head head;
		size_t count;

		if (!read_page(table, number, &head))
			return false;
		count = count_nodes(table, &head);
		if (count == SIZE_MAX)
			break;
		if ((head.flags & PAGE_LEAF) != 0)
			return find_in_leaf(
			    table, count, key, length, value_out);
		if ((head.flags & PAGE_BRANCH) == 0 || count == 0)
			break;
		if (!find_child(table, count, key, length, &number))
			return false;
	}
	return is_damaged(table);
}

/* With and without the NUL: both occur (Postfix's DICT_FLAG_TRY0NULL and
 * _TRY1NULL). */
static bool
find_either(struct table *table, const char *key, const char **value_out)
{
	size_t length = strlen(key);

	*value_out = NULL;
	return find_key(table, key, length, value_out)
	    && (*value_out != NULL
		|| find_key(table, key, length + 1, value_out));
}

/* Pages of the last two transactions are never written over (Postfix 3.7 writes
 * by way of LMDB too, a whole map in one transaction). So what was read is true
 * if nobody committed meanwhile; a fault may come from that as well. */
static bool
find_settled(struct table *table, const char *key, const char **value_out)
{
	for (int i = 0; i < TRIES; i++) {
		struct meta before[2];
		bool is_good;

		if (!read_metas(table))
			return false;
		memcpy(before, table->metas, sizeof(before));
		is_good = find_either(table, key, value_out);
		if (!is_good && table->fault->kind == FAULT_MEMORY)
			return false;
		if (!read_metas(table))
			return false;
		if (memcmp(before, table->metas, sizeof(before)) == 0)
			return is_good;
	}
	return complain(table, "is written to all the time");
}

bool
tables_lmdb_find(const char *path, const char *key, struct arena *arena,
    const char **value_out, struct fault *fault)
{
	struct fault own = { .kind = FAULT_NONE };
	struct table table = { .path = path,
		.arena = arena,
		.fault = fault != NULL ? fault : &own };
	bool is_asked = false;

	*value_out = NULL;
	/* A FIFO must not be waited for. */
	table.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (table.fd < 0)
		return complain(&table, strerrordesc_np(errno));
	table.page = malloc(PAGE_BYTES_MOST);
	if (table.page != NULL)
		is_asked = find_settled(&table, key, value_out);
	else
		fault_memory(table.fault);
	free(table.page);
	(void)close(table.fd);
	if (!is_asked)
		*value_out = NULL;
	return is_asked;
}
