"""Attempts to use what of the kernel no sandbox should reach."""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import re
import resource
import signal
import socket
import struct
import time

from .common import LIBC, NUMBERS, Found, Told, attempt, call, judge, text

_NAMESPACES = {
    "user": 0x10000000,
    "mount": 0x00020000,
    "network": 0x40000000,
    "pid": 0x20000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "cgroup": 0x02000000,
}
_DANGEROUS_CAPABILITIES = {
    2: "DAC_READ_SEARCH",
    12: "NET_ADMIN",
    13: "NET_RAW",
    16: "SYS_MODULE",
    17: "SYS_RAWIO",
    18: "SYS_CHROOT",
    19: "SYS_PTRACE",
    21: "SYS_ADMIN",
    22: "SYS_BOOT",
    25: "SYS_TIME",
    27: "MKNOD",
    34: "SYSLOG",
    38: "PERFMON",
    39: "BPF",
}


@attempt
def mounts(told: Told) -> Found:
    """Mount, remount and unmount by the old and the new interface; change the root."""
    found = [
        call("mount", b"none", b"/mnt", kind, 0, None) for kind in (b"tmpfs", b"proc", b"sysfs", b"overlay")
    ]
    found.append(call("mount", b"/", b"/mnt", None, 4096, None))
    found.append(call("mount", None, b"/proc/sys", None, 32 | 4096, None))
    found.append(call("umount2", b"/proc/sys", 2))
    found.append(call("fsopen", b"tmpfs", 0))
    found.append(call("open_tree", -100, b"/", 1))
    found.append(call("pivot_root", b"/", b"/mnt"))
    return judge("refused", *found, call("chroot", b"/mnt"))


@attempt
def new_namespaces(told: Told) -> Found:
    """Make namespaces by unshare, clone and clone3."""
    found = []
    for name, flag in _NAMESPACES.items():
        found.append(call("unshare", flag) and f"unshare {name} was let through")
        number = NUMBERS["clone"][0 if platform.machine() == "x86_64" else 1]
        pid = LIBC.syscall(number, ctypes.c_ulong(flag | signal.SIGCHLD), 0, 0, 0, 0)
        if pid == 0:
            os._exit(0)
        if pid > 0:
            os.waitpid(pid, 0)
            found.append(f"clone into a new {name} namespace")
    arguments = ctypes.create_string_buffer(
        struct.pack("8Q", 0x10000000, 0, 0, 0, signal.SIGCHLD, 0, 0, 0), 64
    )
    pid = LIBC.syscall(NUMBERS["clone3"][0], arguments, 64)
    if pid == 0:
        os._exit(0)
    if pid > 0:
        os.waitpid(pid, 0)
        found.append("clone3 into a new user namespace")
    return judge("refused", *found)


@attempt
def join_namespaces(told: Told) -> Found:
    """Join namespaces by setns, and take descriptors of other processes."""
    found = []
    for name in ("user", "mnt", "net"):
        try:
            fd = os.open(f"/proc/1/ns/{name}", os.O_RDONLY)
        except OSError:
            fd = os.open("/proc/self/ns/net", os.O_RDONLY)
        found.append(call("setns", fd, 0))
    found.append(call("pidfd_getfd", os.pidfd_open(os.getppid()), 0, 0))
    return judge("refused", *found)


@attempt
def keyrings(told: Told) -> Found:
    """Kernel keyrings, which no namespace holds."""
    return judge(
        "refused",
        call("keyctl", 0, ctypes.c_long(-3), 0, 0, 0),
        call("add_key", b"user", b"slipway", b"x", 1, ctypes.c_long(-3)),
        call("request_key", b"user", b"slipway", None, 0),
    )


@attempt
def bpf_programs(told: Told) -> Found:
    """The bpf system call."""
    return judge("refused", call("bpf", 0, ctypes.create_string_buffer(128), 128))


@attempt
def io_uring(told: Told) -> Found:
    """The io_uring system calls, which bypass filters on the calls they stand for."""
    return judge("refused", call("io_uring_setup", 1, ctypes.create_string_buffer(120)))


@attempt
def kernel_surfaces(told: Told) -> Found:
    """perf events and userfaultfd, usual steps of kernel exploits."""
    return judge(
        "refused",
        call("perf_event_open", ctypes.create_string_buffer(128), 0, -1, -1, 0),
        call("userfaultfd", 0),
    )


@attempt
def foreign_system_calls(told: Told) -> Found:
    """System calls by the 32-bit and x32 entries, past filters that know only one table."""
    if platform.machine() != "x86_64":
        return False, "no other entry on this architecture"
    found = []
    for name, probe in (("x32", _x32_getpid), ("32-bit", _int80_getpid)):
        pid = os.fork()
        if pid == 0:
            os._exit(42 if probe() == os.getpid() else 0)
        status = os.waitpid(pid, 0)[1]
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 42:
            found.append(f"{name} system calls pass")
    return judge("killed or unknown", *found)


def _x32_getpid() -> int:
    return int(LIBC.syscall(ctypes.c_long(0x40000000 + 39)))


def _int80_getpid() -> int:
    """Run ``mov eax, 20; int 0x80; ret`` (getpid by the 32-bit entry)."""
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    return int(ctypes.CFUNCTYPE(ctypes.c_int)(address)())


@attempt
def clock(told: Told) -> Found:
    """Set the machine's clock (to the time it has)."""
    now = struct.pack("qq", *divmod(time.time_ns(), 10**9))
    return judge(
        "refused",
        call("clock_settime", 0, now),
        call("settimeofday", struct.pack("qq", int(time.time()), 0), None),
        call("adjtimex", ctypes.create_string_buffer(struct.pack("I", 1), 208)),
    )


@attempt
def host_name(told: Told) -> Found:
    """Set the machine's name (to the name it has)."""
    name = socket.gethostname().encode()
    return judge("refused", call("sethostname", name, len(name)), call("setdomainname", b"(none)", 6))


@attempt
def machine_control(told: Told) -> Found:
    """Load a module, swap, account, reboot, each with arguments that could do nothing if let through."""
    return judge(
        "refused",
        call("init_module", None, 0, b""),
        call("finit_module", -1, b"", 0),
        call("kexec_load", 0, 99, None, 0),
        call("swapon", b"/nothing", 0),
        call("acct", b"/nothing"),
        call("reboot", 0, 0, 0, None),
    )


@attempt
def confinement(told: Told) -> Found:
    """Compare what was declared with what the kernel says of this very process."""
    status = dict(re.findall(r"^(\w+):\s*(.*)$", text("/proc/self/status"), re.MULTILINE))
    bounding = int(status.get("CapBnd", "ffffffffffffffff"), 16)
    held = [name for bit, name in _DANGEROUS_CAPABILITIES.items() if bounding >> bit & 1]
    mapped = [line.split() for line in text("/proc/self/uid_map").splitlines()]
    return judge(
        "seccomp filter, user namespace, bounded capabilities",
        "" if status.get("Seccomp") == "2" else "no seccomp filter",
        f"capabilities {', '.join(held)}" if held else "",
        ""
        if mapped and all(int(row[1]) >= 65536 and int(row[2]) <= 65536 for row in mapped)
        else "the host's own uids",
        "" if resource.getrlimit(resource.RLIMIT_CORE)[1] <= 1 else "core dumps reach the host's handler",
    )
