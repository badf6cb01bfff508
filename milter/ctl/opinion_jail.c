#include "milter/ctl/opinion_jail.h"

#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

enum { NOBODY = 65534 };

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#define ARCHITECTURE 0 /* limits must do */
#endif

/* A sanitizer's shadow takes terabytes of addresses. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY RLIM_INFINITY
#else
#define MEMORY OPINION_JAIL_BYTES
#endif

#define LOAD(field)                        \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, \
	    (uint32_t)offsetof(struct seccomp_data, field))
#define ALLOW(number)                                        \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), \
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static bool
drop_root(void)
{
	if (geteuid() != 0)
		return true;
	return setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0
	    && setresuid(NOBODY, NOBODY, NOBODY) == 0 && setuid(0) != 0;
}

static bool
limit(int resource, rlim_t most)
{
	const struct rlimit limits = { .rlim_cur = most, .rlim_max = most };

	return setrlimit((__rlimit_resource_t)resource, &limits) == 0;
}

static bool
limit_all(void)
{
	const struct itimerval end = { .it_value.tv_sec = OPINION_JAIL_WALL_S };

	return limit(RLIMIT_CORE, 0) && limit(RLIMIT_CPU, OPINION_JAIL_CPU_S)
	    && limit(RLIMIT_AS, MEMORY) && limit(RLIMIT_FSIZE, 0)
	    && limit(RLIMIT_NPROC, 0) && limit(RLIMIT_NOFILE, 0)
	    && setitimer(ITIMER_REAL, &end, NULL) == 0;
}

/* What isn't in the list fails as if it weren't allowed: that ends no honest
 * run, and gives a dishonest one nothing. */
static void
filter_calls(void)
{
	static const struct sock_filter filter[] = {
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
		ALLOW(__NR_read),
		ALLOW(__NR_write),
		ALLOW(__NR_recvfrom),
		ALLOW(__NR_sendto),
		ALLOW(__NR_close),
		ALLOW(__NR_brk),
		ALLOW(__NR_mmap),
		ALLOW(__NR_munmap),
		ALLOW(__NR_mremap),
		ALLOW(__NR_madvise),
		ALLOW(__NR_mprotect),
		ALLOW(__NR_futex),
		ALLOW(__NR_clock_gettime),
		ALLOW(__NR_gettimeofday),
		ALLOW(__NR_getrandom),
		ALLOW(__NR_uname),
		ALLOW(__NR_sigaltstack),
		ALLOW(__NR_rt_sigreturn),
		ALLOW(__NR_rt_sigprocmask),
		ALLOW(__NR_restart_syscall),
		ALLOW(__NR_exit),
		ALLOW(__NR_exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1 /* EPERM */),
	};
	struct sock_fprog program = {
		.len = sizeof(filter) / sizeof(filter[0]),
		/* The kernel copies it. */
		.filter = (struct sock_filter *)(uintptr_t)filter,
	};

	/* A kernel without filters still has the limits. */
	if (ARCHITECTURE != 0)
		(void)prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

bool
opinion_jail_enter(void)
{
	if (!drop_root() || prctl(PR_SET_DUMPABLE, 0) != 0
	    || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !limit_all())
		return false;
	filter_calls();
	return true;
}
