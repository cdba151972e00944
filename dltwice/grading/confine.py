"""Limits for the process that runs one submission: memory, time, file size, and system calls (Linux).

It is called after the fork and before anything of the learner is loaded; none of it can be undone.
"""

import contextlib
import errno
import os

try:
    import resource
except ImportError:  # Windows
    resource = None

MEMORY = 2**30  # bytes that a submission may use on top of Python and its libraries
FILE_SIZE = 16 * 2**20  # bytes of one file; the sandbox's own disk is as large
OPEN_FILES = 64
CPU_SECONDS = 600  # the clock stops a submission long before

CLONE_THREAD = 0x10000
PR_SET_PDEATHSIG = 1
# Starting programs and processes, other namespaces, other processes' memory, signals, the network, what
# outlives a process or is not counted as its memory, and changing the modes and marks of files and devices.
FORBIDDEN = """
fork vfork execve execveat unshare setns chroot pivot_root mount umount2 move_mount open_tree fsopen fsmount
fsconfig ptrace process_vm_readv process_vm_writev process_madvise kcmp kill tkill rt_sigqueueinfo
rt_tgsigqueueinfo pidfd_open pidfd_getfd pidfd_send_signal socket bind connect listen shmget shmat semget
msgget mq_open memfd_create memfd_secret add_key request_key keyctl bpf perf_event_open userfaultfd
io_uring_setup setpriority ioprio_set sched_setaffinity sched_setscheduler sched_setparam sched_setattr
personality kexec_load init_module finit_module swapon io_setup
chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes futimesat utimensat
setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr
""".split()
NEWER = (463, 466, 469)  # setxattrat, removexattrat, file_setattr: not known by name to older libraries


def limit(memory: int, seconds: int = CPU_SECONDS) -> None:
    """Limit what this process can use: bytes of address space, seconds of its time (-1 for any), files."""
    if resource is None:
        return
    limits = {
        "RLIMIT_AS": memory,
        "RLIMIT_FSIZE": FILE_SIZE,
        "RLIMIT_NOFILE": OPEN_FILES,
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": seconds,
        "RLIMIT_MSGQUEUE": 0,
    }
    for name, value in limits.items():
        if (kind := getattr(resource, name, None)) is not None and value >= 0:
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(kind, (value, value))


class SystemCallFilter:
    """Forbids the system calls that a solution to an exercise never needs; they fail with EPERM (Linux)."""

    def __init__(self) -> None:
        import pyseccomp as seccomp

        rules, refuse = seccomp.SyscallFilter(seccomp.ALLOW), seccomp.ERRNO(errno.EPERM)
        for name in (*FORBIDDEN, *NEWER):
            with contextlib.suppress(OSError, RuntimeError, ValueError):  # unknown to this kernel
                rules.add_rule(refuse, name)
        # The flags of clone3 can't be looked at. Without it the C library uses clone, for threads only.
        rules.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
        rules.add_rule(refuse, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, CLONE_THREAD, 0))
        rules.add_rule(refuse, "prlimit64", seccomp.Arg(0, seccomp.NE, 0))
        rules.add_rule(refuse, "prctl", seccomp.Arg(0, seccomp.EQ, PR_SET_PDEATHSIG))
        self.rules, self.seccomp = rules, seccomp

    def load(self) -> None:
        """Filter this process from now on. Of its signals, only those to itself are left."""
        rule = self.seccomp.Arg(0, self.seccomp.NE, os.getpid())
        self.rules.add_rule(self.seccomp.ERRNO(errno.EPERM), "tgkill", rule)
        self.rules.load()


def check_filter() -> str | None:
    """Why system calls can't be filtered here, or None."""
    try:
        import pyseccomp  # noqa: F401
    except (ImportError, RuntimeError) as error:
        return f"the system-call filter is missing ({error}). Install pyseccomp, and Debian's libseccomp2."
    return None
