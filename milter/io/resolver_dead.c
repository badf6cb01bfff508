#include "milter/io/resolver_dead.h"

#include "milter/io/suffixes.h"
#include "policy/dns.h"
#include "policy/hash.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>

enum {
	BUCKETS = 4096, /* a power of two */
	/* Whom a reverse zone belongs to: a /24 of IPv4, a /48 of IPv6. */
	REVERSE_4_LABELS = 5,
	REVERSE_6_LABELS = 14,
};

/* In memory while somebody has entered it or it is dead. */
struct resolver_domain {
	LIST_ENTRY(resolver_domain) chain;
	TAILQ_ENTRY(resolver_domain) given_up; /* while is_dead */
	uint64_t hash;
	size_t entered;
	size_t under_way;
	struct resolver_queue queue; /* each of them has entered */
	bool is_dead;
	bool is_reverse; /* names of addresses */
	char name[];     /* in lower case */
};

LIST_HEAD(domain_chain, resolver_domain);
TAILQ_HEAD(domain_list, resolver_domain);

struct resolver_dead {
	const struct suffixes *suffixes;
	uint64_t seed[2]; /* names are chosen by outsiders */
	struct domain_chain chains[BUCKETS];
	struct domain_list given_up; /* the oldest first */
	size_t given_up_count;
	size_t row; /* domains given up since the last answer of any */
	uint64_t answered_ms; /* when that was */
};

struct resolver_dead *
resolver_dead_open(const struct suffixes *suffixes)
{
	struct resolver_dead *dead = calloc(1, sizeof(*dead));

	if (dead == NULL)
		return NULL;
	if (getrandom(dead->seed, sizeof dead->seed, 0)
	    != (ssize_t)sizeof dead->seed) {
		free(dead);
		return NULL;
	}
	dead->suffixes = suffixes;
	TAILQ_INIT(&dead->given_up);
	return dead;
}

static const char reverse_4[] = "in-addr.arpa";
static const char reverse_6[] = "ip6.arpa";

/* Whose name it is, pointing into it. */
static const char *
owner_of(const struct suffixes *suffixes, const char *name)
{
	const char *org;

	if (dns_is_within(name, reverse_4))
		return dns_suffix(name, REVERSE_4_LABELS);
	if (dns_is_within(name, reverse_6))
		return dns_suffix(name, REVERSE_6_LABELS);
	org = suffixes_org(suffixes, name);
	return org != NULL ? org : dns_suffix(name, 2);
}

static struct resolver_domain *
find(struct resolver_dead *dead, const char *name, uint64_t hash)
{
	struct resolver_domain *domain;

	LIST_FOREACH(domain, &dead->chains[hash % BUCKETS], chain)
	if (domain->hash == hash && strcmp(domain->name, name) == 0)
		break;
	return domain;
}

static struct resolver_domain *
add(struct resolver_dead *dead, const char *name, uint64_t hash)
{
	size_t size = strlen(name) + 1;
	struct resolver_domain *domain = calloc(1, sizeof(*domain) + size);

	if (domain == NULL)
		return NULL;
	memcpy(domain->name, name, size);
	domain->hash = hash;
	domain->is_reverse =
	    dns_is_within(name, reverse_4) || dns_is_within(name, reverse_6);
	TAILQ_INIT(&domain->queue);
	LIST_INSERT_HEAD(&dead->chains[hash % BUCKETS], domain, chain);
	return domain;
}

static void
drop_unneeded(struct resolver_domain *domain)
{
	if (domain->entered > 0 || domain->is_dead)
		return;
	LIST_REMOVE(domain, chain);
	free(domain);
}

struct resolver_domain *
resolver_dead_enter(struct resolver_dead *dead, const char *name)
{
	const char *owner = owner_of(dead->suffixes, name);
	uint64_t hash = hash_text(dead->seed, owner);
	struct resolver_domain *domain = find(dead, owner, hash);

	if (domain == NULL)
		domain = add(dead, owner, hash);
	if (domain != NULL)
		domain->entered++;
	return domain;
}

bool
resolver_dead_is(
    const struct resolver_dead *dead, const struct resolver_domain *domain)
{
	return domain->is_dead || resolver_dead_is_all(dead);
}

static size_t
room_of(const struct resolver_domain *domain)
{
	return domain->is_dead ? RESOLVER_DEAD_UNDER_WAY
			       : RESOLVER_DOMAIN_UNDER_WAY;
}

bool
resolver_dead_has_room(const struct resolver_domain *domain)
{
	return domain->under_way < room_of(domain);
}

bool
resolver_dead_has_half(const struct resolver_domain *domain)
{
	return domain->under_way <= room_of(domain) / 2;
}

struct resolver_queue *
resolver_dead_queue(struct resolver_domain *domain)
{
	return &domain->queue;
}

uint64_t
resolver_dead_id(const struct resolver_domain *domain)
{
	return domain->hash;
}

void
resolver_dead_asked(struct resolver_domain *domain)
{
	domain->under_way++;
}

void
resolver_dead_done(struct resolver_domain *domain)
{
	domain->under_way--;
}

static void
revive(struct resolver_dead *dead, struct resolver_domain *domain)
{
	domain->is_dead = false;
	TAILQ_REMOVE(&dead->given_up, domain, given_up);
	dead->given_up_count--;
}

void
resolver_dead_gave_up(struct resolver_dead *dead,
    struct resolver_domain *domain, uint64_t begun_ms)
{
	struct resolver_domain *oldest;

	if (domain->is_dead)
		return;
	if (dead->given_up_count == RESOLVER_DEAD_DOMAINS) {
		oldest = TAILQ_FIRST(&dead->given_up);
		revive(dead, oldest);
		drop_unneeded(oldest);
	}
	domain->is_dead = true;
	TAILQ_INSERT_TAIL(&dead->given_up, domain, given_up);
	dead->given_up_count++;
	if (begun_ms > dead->answered_ms && !domain->is_reverse)
		dead->row++;
}

void
resolver_dead_answered(
    struct resolver_dead *dead, struct resolver_domain *domain, uint64_t now_ms)
{
	if (domain->is_dead)
		revive(dead, domain);
	dead->row = 0;
	dead->answered_ms = now_ms;
}

bool
resolver_dead_is_all(const struct resolver_dead *dead)
{
	return dead->row >= RESOLVER_DEAD_ROW;
}

void
resolver_dead_enter_again(struct resolver_domain *domain)
{
	domain->entered++;
}

void
resolver_dead_leave(struct resolver_domain *domain)
{
	domain->entered--;
	drop_unneeded(domain);
}

void
resolver_dead_forget(struct resolver_dead *dead)
{
	struct resolver_domain *domain;

	while ((domain = TAILQ_FIRST(&dead->given_up)) != NULL) {
		revive(dead, domain);
		drop_unneeded(domain);
	}
	dead->row = 0;
}

void
resolver_dead_close(struct resolver_dead **dead)
{
	if (*dead == NULL)
		return;
	resolver_dead_forget(*dead);
	free(*dead);
	*dead = NULL;
}
