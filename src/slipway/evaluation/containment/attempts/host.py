"""Attempts to reach the host's files, processes and devices."""

from __future__ import annotations

import ctypes
import os
import re
import stat
import struct
from pathlib import Path

from .common import LIBC, Found, Told, attempt, call, judge, opens, text


def roots() -> list[str]:
    """Places where the host's root could show: by path, by mount, by another process."""
    found = ["", "/host", "/mnt", "/proc/self/cwd" + "/.." * 12]
    for pid in (entry.name for entry in Path("/proc").iterdir()):
        if pid.isdigit():
            found += [f"/proc/{pid}/root", f"/proc/{pid}/cwd" + "/.." * 12]
    return [root for root in found if len(root) < 60]


@attempt
def files_of_host(told: Told) -> Found:
    """Find a file of the host by path, mount or another process's root; any disk mounted here counts too."""
    found = [f"read the host's file at {r}" for r in roots() if told["token"] in text(r + told["file"])]
    for line in text("/proc/self/mountinfo").splitlines():
        kind, source = line.split(" - ")[1].split()[:2]
        if source.startswith("/dev/") or kind in {
            "ext4",
            "xfs",
            "btrfs",
            "zfs",
            "9p",
            "virtiofs",
            "nfs",
            "cifs",
        }:
            found.append(f"{kind} of the host is mounted at {line.split()[4]}")
    return judge("not there", *found)


@attempt
def files_by_handle(told: Told) -> Found:
    """Open a file of the disk below by its handle, past every mount (the "shocker" attempt)."""
    handle = ctypes.create_string_buffer(struct.pack("Ii", 8, 1) + struct.pack("II", 2, 0), 24)
    mount_id = ctypes.c_int()
    probe = ctypes.create_string_buffer(struct.pack("Ii", 128, 0), 136)
    return judge(
        "refused",
        call("open_by_handle_at", -100, ctypes.byref(handle), os.O_RDONLY),
        call("name_to_handle_at", -100, b"/", ctypes.byref(probe), ctypes.byref(mount_id), 0),
    )


@attempt
def processes_of_host(told: Told) -> Found:
    """See, signal or trace a process of the host that carries a mark in its arguments."""
    found = []
    for pid in (entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        # Only the marked process has the token in its arguments; here it came by standard input.
        if told["token"] in text(f"/proc/{pid}/cmdline"):
            found.append(f"the host's process {pid} is visible")
            if LIBC.ptrace(16, int(pid), 0, 0) == 0:
                LIBC.ptrace(17, int(pid), 0, 0)
                found.append(f"process {pid} was traced")
    if Path(text("/proc/1/cmdline").split("\0")[0]).name != "sh":
        found.append("process 1 is not the sandbox's own")
    return judge("not visible", *found)


@attempt
def inherited_descriptors(told: Told) -> Found:
    """Descriptors that the runner left open in the command."""
    found = []
    for name in [entry.name for entry in Path("/proc/self/fd").iterdir()]:
        try:
            target = str(Path(f"/proc/self/fd/{name}").readlink())
        except OSError:
            continue
        if not target.startswith(("pipe:", "/dev/null", "/proc/")):
            found.append(f"descriptor {name} is {target}")
    return judge("only pipes", *found)


@attempt
def device_nodes(told: Told) -> Found:
    """Open the machine's devices, and make nodes for memory and disk."""
    names = (
        "mem kmem port kmsg kvm fuse net/tun vsock vhost-net loop-control mapper/control sda vda nvme0n1 xvda"
    )
    found = list(opens([f"/dev/{name}" for name in names.split()], os.O_RDONLY))
    for path, kind, major, minor in (("/dev/p1", stat.S_IFCHR, 1, 1), ("/p2", stat.S_IFBLK, 254, 0)):
        try:
            os.mknod(path, kind | 0o600, os.makedev(major, minor))
        except OSError:
            continue
        found += list(opens([path], os.O_RDONLY)) or [f"{path} could be made"]
        Path(path).unlink()
    return judge("no device", *found)


@attempt
def proc_writes(told: Told) -> Found:
    """Open the kernel's switches below /proc for writing (nothing is written)."""
    below = (
        "sys/kernel/core_pattern sys/kernel/modprobe sys/kernel/hostname sys/kernel/sysrq sys/vm/drop_caches "
    )
    below += "sys/vm/overcommit_memory sys/net/ipv4/ip_forward sys/net/ipv4/ping_group_range sysrq-trigger "
    below += "sys/user/max_user_namespaces sys/fs/binfmt_misc/register irq/default_smp_affinity mtrr"
    return judge("read-only", *opens([f"/proc/{name}" for name in below.split()], os.O_WRONLY))


@attempt
def sys_writes(told: Told) -> Found:
    """Open the kernel's switches below /sys for writing, or find /sys there at all."""
    names = ["kernel/uevent_helper", "power/state", "kernel/mm/ksm/run", "fs/cgroup/cgroup.procs"]
    found = list(opens([f"/sys/{name}" for name in names], os.O_WRONLY))
    if Path("/sys/kernel").is_dir():
        found.append("/sys is mounted")
    return judge("no /sys", *found)


@attempt
def kernel_secrets(told: Told) -> Found:
    """Read kernel memory, its log, its keys, its addresses."""
    found = list(opens(["/proc/kcore", "/proc/kmsg", "/dev/kmsg", "/dev/mem"], os.O_RDONLY))
    found += [f"/proc/{name} tells" for name in ("keys", "timer_list", "interrupts") if text(f"/proc/{name}")]
    if re.search(r"^0*[1-9a-f][0-9a-f]* ", text("/proc/kallsyms")[:4096], re.MULTILINE):
        found.append("kernel addresses are readable")
    return judge("nothing readable", *found, call("syslog", 3, ctypes.create_string_buffer(64), 64))


@attempt
def cgroup_escape(told: Told) -> Found:
    """Find, write or mount the cgroups that hold the limits."""
    found = [
        f"a cgroup file system at {line.split()[4]}"
        for line in text("/proc/self/mountinfo").splitlines()
        if " - cgroup" in line
    ]
    if "slipway" in text("/proc/self/cgroup"):
        found.append("the host's cgroup path is visible")
    found.append(call("mount", b"cgroup", b"/mnt", b"cgroup", 0, b"pids"))
    found.append(call("mount", b"cgroup2", b"/mnt", b"cgroup2", 0, None))
    return judge("out of reach", *found)
