#include "milter/io/tables_lmdb.h"

#include "milter/io/tables.h"

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
	/* Room for the key and the value of so many tries. */
	EACH_ARENA_BYTES =
	    TRIES * (PAGE_BYTES_MOST + TABLES_VALUE_BYTES + 1024),

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
	const char *trouble; /* with a value, not with the file; NULL: none */
};

static bool
complain(struct table *table, const char *words)
{
	fault_set(table->fault, FAULT_TEMPORARY, "%s: %s", table->path, words);
	return false;
}

static bool
complain_of_value(struct table *table, const char *words)
{
	table->trouble = words;
	return complain(table, words);
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
 * isn't above it. The first node stands for whatever is below the second.
 * *next_out becomes the page behind that one, if there is one here. */
static bool
find_child(struct table *table, size_t count, const char *key, size_t length,
    size_t *number_out, size_t *next_out)
{
	struct node node;

	for (size_t i = 0; i < count; i++) {
		size_t number;

		if (!find_node(table, i, &node))
			return false;
		number = (size_t)((uint64_t)node.head.flags << 32
		    | node.head.size_bytes);
		if (i > 0 && compare(&node, key, length) > 0) {
			*next_out = number;
			break;
		}
		*number_out = number;
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

/* Put the data of node, length octets of it, into value. */
static bool
copy_value(
    struct table *table, const struct node *node, char *value, size_t length)
{
	if ((node->head.flags & NODE_IS_BIG) != 0)
		return read_overflow(table, node, value);
	if (length > node->room)
		return is_damaged(table);
	if (length > 0)
		memcpy(value, node->data, length);
	return true;
}

static bool
read_value(struct table *table, const struct node *node, const char **value_out)
{
	size_t length = node->head.size_bytes;
	bool is_good;
	char *value;

	if ((node->head.flags & ~NODE_IS_BIG) != 0)
		return complain(table,
		    "has tables within it; "
		    "make it anew with postmap");
	if (length > TABLES_VALUE_BYTES)
		return complain_of_value(table, "a value of more than 64 KiB");
	value = arena_alloc(table->arena, length + 1);
	if (value == NULL) {
		fault_memory(table->fault);
		return false;
	}
	is_good = copy_value(table, node, value, length);
	if (is_good && memchr(value, '\0', length > 0 ? length - 1 : 0) != NULL)
		is_good = complain_of_value(table, "a value with a NUL in it");
	if (is_good)
		*value_out = value;
	else
		explicit_bzero(value, length);
	return is_good;
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

/* The page with which the table begins; SIZE_MAX: it is empty. */
static bool
find_root(struct table *table, size_t *number_out)
{
	bool is_second =
	    table->metas[1].transaction > table->metas[0].transaction;
	const struct tree *tree = &table->metas[is_second].trees[1];

	*number_out = tree->root;
	if (tree->root == SIZE_MAX || tree->flags == 0)
		return true;
	return complain(table,
	    "a table of another kind; "
	    "make it anew with postmap");
}

/* Read a page of the tree, and how many nodes it has. */
static bool
read_nodes(
    struct table *table, size_t number, bool *is_leaf_out, size_t *count_out)
{
	struct page_head head;

	if (!read_page(table, number, &head))
		return false;
	*count_out = count_nodes(table, &head);
	*is_leaf_out = (head.flags & PAGE_LEAF) != 0;
	if (*count_out == SIZE_MAX
	    || (!*is_leaf_out
		&& ((head.flags & PAGE_BRANCH) == 0 || *count_out == 0)))
		return is_damaged(table);
	return true;
}

static bool
find_key(
    struct table *table, const char *key, size_t length, const char **value_out)
{
	size_t next;
	size_t number;
	size_t count;
	bool is_leaf;

	if (!find_root(table, &number))
		return false;
	if (number == SIZE_MAX)
		return true;
	for (int depth = 0; depth < DEPTH_MOST; depth++) {
		if (!read_nodes(table, number, &is_leaf, &count))
			return false;
		if (is_leaf)
			return find_in_leaf(
			    table, count, key, length, value_out);
		if (!find_child(table, count, key, length, &number, &next))
			return false;
	}
	return is_damaged(table);
}

/* It may be a private key. */
static void
wipe(const char *value)
{
	if (value != NULL)
		explicit_bzero((char *)(uintptr_t)value, strlen(value));
}

/* One look into a file: for a key, or for what comes behind it. */
struct look {
	const char *key;
	size_t length;
	const char *value; /* NULL: there is none */
	char *next_key;    /* NULL: none comes; else with a NUL behind it */
	size_t next_length;
};

/* With and without the NUL: both occur (Postfix's DICT_FLAG_TRY0NULL and
 * _TRY1NULL). */
static bool
find_either(struct table *table, struct look *look)
{
	return find_key(table, look->key, look->length, &look->value)
	    && (look->value != NULL
		|| find_key(table, look->key, look->length + 1, &look->value));
}

/* The first node of a leaf that is above the key. */
static bool
find_above(struct table *table, size_t count, const struct look *look,
    struct node *node_out, bool *is_found_out)
{
	*is_found_out = false;
	for (size_t i = 0; i < count && !*is_found_out; i++) {
		if (!find_node(table, i, node_out))
			return false;
		*is_found_out = compare(node_out, look->key, look->length) > 0;
	}
	return true;
}

static bool
take_node(struct table *table, const struct node *node, struct look *look)
{
	look->next_length = node->head.key_bytes;
	look->next_key = arena_copy(
	    table->arena, (const char *)node->key, look->next_length);
	if (look->next_key == NULL) {
		fault_memory(table->fault);
		return false;
	}
	return read_value(table, node, &look->value) || table->trouble != NULL;
}

/* The entry with the next key. Keys grow from one to the next whatever the
 * file says, so that they come to an end. */
static bool
find_next(struct table *table, struct look *look)
{
	size_t next = SIZE_MAX;
	struct node node;
	bool is_found;
	size_t number;
	size_t count;
	bool is_leaf;

	if (!find_root(table, &number))
		return false;
	/* Down to where the key is, and down again beside it. */
	for (int i = 0; number != SIZE_MAX && i < 2 * DEPTH_MOST; i++) {
		if (!read_nodes(table, number, &is_leaf, &count))
			return false;
		if (!is_leaf) {
			if (!find_child(table, count, look->key, look->length,
				&number, &next))
				return false;
			continue;
		}
		if (!find_above(table, count, look, &node, &is_found))
			return false;
		if (is_found)
			return take_node(table, &node, look);
		number = next;
		next = SIZE_MAX;
	}
	return number == SIZE_MAX || is_damaged(table);
}

/* Pages of the last two transactions are never written over (Postfix 3.7 writes
 * by way of LMDB too, a whole map in one transaction). So what was read is true
 * if nobody committed meanwhile; a fault may come from that as well. */
static bool
settle(struct table *table, struct look *look,
    bool (*find)(struct table *table, struct look *look))
{
	for (int i = 0; i < TRIES; i++) {
		struct meta before[2];
		bool is_good;

		wipe(look->value);
		look->value = NULL;
		look->next_key = NULL;
		table->trouble = NULL;
		if (!read_metas(table))
			return false;
		memcpy(before, table->metas, sizeof(before));
		is_good = find(table, look);
		if (!is_good && table->fault->kind == FAULT_MEMORY)
			return false;
		if (!read_metas(table))
			return false;
		if (memcmp(before, table->metas, sizeof(before)) == 0)
			return is_good;
	}
	return complain(table, "is written to all the time");
}

static bool
table_open(struct table *table, const char *path, struct fault *fault)
{
	*table = (struct table){ .path = path, .fault = fault };
	/* A FIFO must not be waited for. */
	table->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (table->fd < 0)
		return complain(table, strerrordesc_np(errno));
	table->page = malloc(PAGE_BYTES_MOST);
	if (table->page != NULL)
		return true;
	fault_memory(table->fault);
	(void)close(table->fd);
	return false;
}

static void
table_close(struct table *table)
{
	explicit_bzero(table->page, PAGE_BYTES_MOST);
	free(table->page);
	(void)close(table->fd);
}

bool
tables_lmdb_find(const char *path, const char *key, struct arena *arena,
    const char **value_out, struct fault *fault)
{
	struct fault own = { .kind = FAULT_NONE };
	struct look look = { .key = key, .length = strlen(key) };
	struct table table;
	bool is_asked;

	*value_out = NULL;
	if (!table_open(&table, path, fault != NULL ? fault : &own))
		return false;
	table.arena = arena;
	is_asked = settle(&table, &look, find_either);
	if (is_asked)
		*value_out = look.value;
	else
		wipe(look.value);
	table_close(&table);
	return is_asked;
}

/* Would the key that was found be found by tables_lmdb_find()? */
static bool
can_be_found(struct look *look)
{
	size_t length = look->next_length - 1;

	if (look->next_key[length] != '\0')
		return strlen(look->next_key) == look->next_length;
	return strlen(look->next_key) == length
	    && (look->length != length
		|| memcmp(look->key, look->next_key, length) != 0);
}

/* One entry, and then the next. *is_over_out: there is none, or no more are
 * wanted. */
static bool
give_next(struct table *table, struct look *look, char *last,
    bool (*take)(void *context, const struct table_entry *entry), void *context,
    bool *is_over_out)
{
	struct table_entry entry;

	if (!settle(table, look, find_next))
		return false;
	*is_over_out = look->next_key == NULL;
	if (*is_over_out)
		return true;
	entry =
	    (struct table_entry){ look->next_key, look->value, table->trouble };
	if (can_be_found(look))
		*is_over_out = !take(context, &entry);
	memcpy(last, look->next_key, look->next_length);
	look->key = last;
	look->length = look->next_length;
	return true;
}

bool
tables_lmdb_each(const char *path,
    bool (*take)(void *context, const struct table_entry *entry), void *context,
    struct fault *fault)
{
	struct fault own = { .kind = FAULT_NONE };
	struct look look = { .key = "" }; /* no key is empty */
	struct table table;
	struct arena arena;
	bool is_over = false;
	bool is_good = true;
	char *last;

	if (!table_open(&table, path, fault != NULL ? fault : &own))
		return false;
	table.arena = &arena;
	last = malloc(PAGE_BYTES_MOST);
	if (last == NULL)
		fault_memory(table.fault);
	while (last != NULL && is_good && !is_over) {
		arena_init(&arena, EACH_ARENA_BYTES);
		is_good =
		    give_next(&table, &look, last, take, context, &is_over);
		wipe(look.value);
		look.value = NULL;
		arena_clear(&arena);
	}
	is_good = is_good && last != NULL;
	free(last);
	table_close(&table);
	return is_good;
}
