# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system calls of the default seccomp profile, as data: names between blanks, grouped by what they are for.

What is in no table is refused. Names of every architecture stand side by side; one that an architecture, or the
host's libseccomp, does not have does no harm. What programs need is in; out is what reaches past the container or
has a history of holes out of proportion to its use: keyrings (not namespaced), userfaultfd, io_uring, kexec, swap,
move_pages and other hands on foreign memory, and anything that makes namespaces or mounts.
"""

from __future__ import annotations

ALWAYS = (
    # Reading, writing and positioning what is open; buffers passed between descriptors.
    "read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 lseek _llseek",
    "sendfile sendfile64 splice tee vmsplice copy_file_range readahead fadvise64 fadvise64_64 cachestat",
    # Opening and closing, and what a descriptor itself has.
    "open openat openat2 creat close close_range dup dup2 dup3 fcntl fcntl64 flock ioctl pipe pipe2",
    # The name space of files. mknod too: the device cgroup decides what a node opens.
    "access faccessat faccessat2 chdir fchdir getcwd mkdir mkdirat rmdir mknod mknodat link linkat symlink symlinkat",
    "readlink readlinkat rename renameat renameat2 unlink unlinkat umask getdents getdents64 name_to_handle_at",
    # Attributes of files; the kernel checks ownership.
    "stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx statfs statfs64 fstatfs fstatfs64",
    "chmod fchmod fchmodat fchmodat2 chown chown32 lchown lchown32 fchown fchown32 fchownat",
    "utime utimes futimesat utimensat utimensat_time64 truncate truncate64 ftruncate ftruncate64 fallocate",
    "getxattr lgetxattr fgetxattr getxattrat setxattr lsetxattr fsetxattr setxattrat",
    "listxattr llistxattr flistxattr listxattrat removexattr lremovexattr fremovexattr removexattrat",
    # To disk.
    "sync syncfs fsync fdatasync sync_file_range msync",
    # Looking at the mounts one has; making them is not here.
    "listmount statmount",
    # Waiting for descriptors, and descriptors made to be waited for.
    "select _newselect pselect6 pselect6_time64 poll ppoll ppoll_time64",
    "epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd eventfd2",
    "inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark",
    "timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 signalfd signalfd4",
    "io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64",
    # One's own memory.
    "brk mmap mmap2 munmap mremap mprotect madvise mincore remap_file_pages membarrier memfd_create memfd_secret",
    "mlock mlock2 mlockall munlock munlockall mseal map_shadow_stack pkey_alloc pkey_free pkey_mprotect",
    # Processes and threads: clone and clone3 have rules of their own.
    "fork vfork execve execveat exit exit_group wait4 waitid waitpid getpid getppid gettid getpgid getpgrp setpgid",
    "getsid setsid set_tid_address set_thread_area get_thread_area set_robust_list get_robust_list rseq",
    "futex futex_time64 futex_waitv futex_wait futex_wake futex_requeue restart_syscall",
    "pidfd_open pidfd_send_signal process_mrelease prctl",
    # Tracing one's own children: since Linux 4.8 the filter sees what a tracer makes of a call.
    "ptrace process_vm_readv process_vm_writev",
    # Signals.
    "kill tkill tgkill rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_tgsigqueueinfo rt_sigreturn",
    "rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 sigaltstack sigprocmask sigreturn pause",
    # Identity; what may become of it is the capabilities' to say.
    "getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32 getresgid getresgid32",
    "setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 setresuid setresuid32",
    "setresgid setresgid32 setfsuid setfsuid32 setfsgid setfsgid32 getgroups getgroups32 setgroups setgroups32",
    "capget capset",
    # Giving up more: a filter on top of this one, rules for files.
    "seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self",
    # Limits and scheduling of what one owns.
    "getrlimit setrlimit ugetrlimit prlimit64 getrusage getpriority setpriority ioprio_get ioprio_set getcpu",
    "sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam sched_setparam",
    "sched_getscheduler sched_setscheduler sched_get_priority_max sched_get_priority_min sched_yield",
    "sched_rr_get_interval sched_rr_get_interval_time64",
    # Time: reading, sleeping, timers. The two *adj* calls only read without CAP_SYS_TIME.
    "time times gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64 nanosleep",
    "clock_nanosleep clock_nanosleep_time64 alarm getitimer setitimer adjtimex clock_adjtime clock_adjtime64",
    "timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64",
    # Sockets: socket has rules of its own, for 32-bit programs too. socketcall and ipc are the older ways of those, and
    # their arguments lie in memory where no filter sees them: they reach the families that socket refuses. But the C
    # library of the i386 knows no other way, and an image's architecture does not tell whether 32-bit programs are in
    # it. A host that wants that hole closed runs no such programs (ia32_emulation=off on the kernel's command line),
    # or does not load the module (af_alg).
    "socketpair socketcall bind listen accept accept4 connect shutdown getsockname getpeername getsockopt setsockopt",
    "send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64",
    # System V and POSIX IPC, which have a namespace.
    "ipc msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget",
    "mq_open mq_unlink mq_notify mq_getsetattr mq_timedsend mq_timedsend_time64 mq_timedreceive",
    "mq_timedreceive_time64",
    # About the system.
    "uname sysinfo getrandom",
)

# By the machine of uname(2), for it and the older architecture whose programs it runs.
BY_MACHINE = {
    # Thread-local storage and segments; the trampolines of the kernel's own probes.
    "x86_64": "arch_prctl modify_ldt uprobe uretprobe",
    "i686": "modify_ldt",
    "aarch64": "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls",
    "armv7l": "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls",
    "ppc64le": "sync_file_range2 swapcontext",
    "s390x": "s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr",
    "riscv64": "riscv_flush_icache riscv_hwprobe",
}

# What a granted capability would be good for, were the calls refused.
BY_CAPABILITY = {
    # Namespaces, mounts, quotas, names of the host, and all that the kernel lumps in with them.
    "CAP_SYS_ADMIN": "clone clone3 unshare setns mount umount umount2 fsopen fsconfig fsmount fspick open_tree"
    " move_mount mount_setattr quotactl quotactl_fd sethostname setdomainname syslog bpf perf_event_open"
    " fanotify_init lookup_dcookie lsm_get_self_attr lsm_set_self_attr lsm_list_modules",
    # Opening by handle goes round every directory's permissions (and out of a bind mount: CVE-2014-3519).
    "CAP_DAC_READ_SEARCH": "open_by_handle_at",
    "CAP_BPF": "bpf",
    "CAP_PERFMON": "perf_event_open",
    "CAP_SYSLOG": "syslog",
    "CAP_SYS_BOOT": "reboot",
    "CAP_SYS_CHROOT": "chroot",
    "CAP_SYS_MODULE": "init_module finit_module delete_module",
    # Placing memory on nodes of the machine.
    "CAP_SYS_NICE": "get_mempolicy set_mempolicy set_mempolicy_home_node mbind",
    "CAP_SYS_PACCT": "acct",
    # Other processes' descriptors and memory, beyond ptrace.
    "CAP_SYS_PTRACE": "kcmp pidfd_getfd process_madvise",
    "CAP_SYS_RAWIO": "iopl ioperm",
    "CAP_SYS_TIME": "settimeofday stime clock_settime clock_settime64",
    "CAP_SYS_TTY_CONFIG": "vhangup",
}

# CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET (linux/sched.h). CLONE_NEWTIME is no flag of
# clone(2): its bit is part of the exit signal there.
NAMESPACE_FLAGS = 0x7E020000

# linux/personality.h: none, LINUX32, UNAME26, both, and the question what it is. Not READ_IMPLIES_EXEC or
# ADDR_NO_RANDOMIZE, which take defences away.
PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)

# linux/socket.h. Refused address families, all of them below AF_FAMILIES_END:
#   38 ALG (the kernel's crypto; CVE-2026-31431), 40 VSOCK (the hypervisor: it has no namespace), 20 ATMSVC and
#   37 CAIF (hardware that a container does not have, code that nobody looks at), and those that Linux no longer has:
#   12 DECNET, 19 ECONET, 23 IRDA, 25 WANPIPE, 34 ISDN.
AF_FAMILIES_END = 46
AF_REFUSED = (12, 19, 20, 23, 25, 34, 37, 38, 40)

# The machine of uname(2) → what libseccomp calls it and the older ones whose programs it runs, and its names in
# profile files.
MACHINES = {
    "x86_64": (("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"), ("amd64",)),
    "i686": (("SCMP_ARCH_X86",), ("x86", "386")),
    "aarch64": (("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"), ("arm64",)),
    "armv7l": (("SCMP_ARCH_ARM",), ("arm",)),
    "ppc64le": (("SCMP_ARCH_PPC64LE",), ("ppc64le",)),
    "s390x": (("SCMP_ARCH_S390X", "SCMP_ARCH_S390"), ("s390x",)),
    "riscv64": (("SCMP_ARCH_RISCV64",), ("riscv64",)),
    "loongarch64": (("SCMP_ARCH_LOONGARCH64",), ("loong64",)),
}
