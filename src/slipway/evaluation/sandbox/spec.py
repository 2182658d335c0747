"""The OCI runtime specification of a sandbox, and of a command in it (OCI runtime-spec 1.0.2)."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from slipway.evaluation.sandbox.config import Opening, SandboxConfig
from slipway.evaluation.sandbox.errors import SandboxUnsupported

_ENOSYS, _EAFNOSUPPORT, _EPERM = 38, 97, 1
_AF_NETLINK = 16
_ARCHITECTURES = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}

# Bounding set: what a setuid-root program inside may have at most. Enough for sudo, useradd, chown and
# file capabilities; no SYS_ADMIN, SYS_PTRACE, SYS_CHROOT, MKNOD, NET_RAW, NET_ADMIN or DAC_READ_SEARCH.
CAPABILITIES = (
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
)
_OPEN_CAPABILITIES = (
    *CAPABILITIES,
    "CAP_DAC_READ_SEARCH",
    "CAP_MKNOD",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_SYS_ADMIN",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_MASKED = ("acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "sched_debug", "scsi")
_MASKED_MORE = ("timer_list", "timer_stats", "cmdline", "cpuinfo_secret")
_READ_ONLY = ("bus", "fs", "irq", "sys", "sysrq-trigger")


@cache
def seccomp() -> dict[str, Any]:
    """Return the OCI seccomp section made from the packaged ``seccomp.json`` for this machine.

    Only the native architecture is allowed: a call by another one (32-bit, x32) kills the thread, which
    closes the usual way around filters. Raises :class:`SandboxUnsupported` on unknown architectures.
    """
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise SandboxUnsupported(f"no seccomp profile for {machine}: use an x86_64 or aarch64 machine")
    data = json.loads(resources.files(__package__).joinpath("seccomp.json").read_text(encoding="utf-8"))

    def rule(
        names: Sequence[str], *tests: tuple[int, str, int, int], errno: int | None = None
    ) -> dict[str, Any]:
        entry: dict[str, Any] = {"names": list(names), "action": "SCMP_ACT_ALLOW"}
        if errno is not None:
            entry |= {"action": "SCMP_ACT_ERRNO", "errnoRet": errno}
        if tests:
            entry["args"] = [
                {"index": index, "op": f"SCMP_CMP_{op}", "value": value, "valueTwo": second}
                for index, op, value, second in tests
            ]
        return entry

    sockets = data["sockets"]
    rules = [
        rule(data["allow"]),
        rule([name for names in data["refuse"].values() for name in names], errno=_EPERM),
        rule(["clone"], (0, "MASKED_EQ", data["clone_forbidden_flags"], 0)),
        # The flags of clone3 are behind a pointer that a filter cannot read; ENOSYS makes libc use clone.
        rule(["clone3"], errno=_ENOSYS),
        *(rule(["personality"], (0, "EQ", value, 0)) for value in data["personalities"]),
        *(rule(["socket"], (0, "EQ", family, 0)) for family in sockets["families"]),
        rule(["socket"], (0, "EQ", _AF_NETLINK, 0), (2, "EQ", sockets["netlink_protocol"], 0)),
        # useradd and sudo go on without an audit socket only when told that there is no such family.
        rule(
            ["socket"],
            (0, "EQ", _AF_NETLINK, 0),
            (2, "NE", sockets["netlink_protocol"], 0),
            errno=_EAFNOSUPPORT,
        ),
        rule(["socket"], (0, "GT", _AF_NETLINK, 0), errno=_EAFNOSUPPORT),
    ]
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": _ENOSYS,
        "architectures": [_ARCHITECTURES[machine]],
        "syscalls": rules,
    }


def process(
    config: SandboxConfig,
    args: Sequence[str],
    *,
    uid: int = 0,
    gid: int = 0,
    groups: Sequence[int] = (),
    cwd: str = "/",
    env: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the OCI ``process`` object of one command.

    Root inside gets the bounding set at once; anybody else gets none of it, but ``noNewPrivileges`` is off,
    so that setuid programs (what privilege-escalation items are about) raise up to the bounding set.
    """
    bounding = list(_OPEN_CAPABILITIES if Opening.ALL_CAPABILITIES in config.openings else CAPABILITIES)
    held = bounding if uid == 0 else []
    return {
        "terminal": False,
        "user": {"uid": uid, "gid": gid, "additionalGids": sorted(set(groups) - {gid}), "umask": 0o022},
        "args": list(args),
        "env": [f"{name}={value}" for name, value in {"PATH": PATH, **(env or {})}.items()],
        "cwd": cwd,
        "capabilities": {"bounding": bounding, "effective": held, "permitted": held, "inheritable": []},
        "noNewPrivileges": False,
        "rlimits": [
            {"type": "RLIMIT_NOFILE", "hard": 4096, "soft": 1024},
            # 1, not 0: with 0 the kernel still feeds a dump to the host's core_pattern pipe; 1 stops it
            # (do_coredump in fs/coredump.c).
            {"type": "RLIMIT_CORE", "hard": 1, "soft": 1},
        ],
    }


def _mounts(config: SandboxConfig) -> list[dict[str, Any]]:
    """Return the mounts; no ``/sys`` and no cgroup file system at all, nothing in the items needs them."""

    def entry(where: str, kind: str, *options: str) -> dict[str, Any]:
        return {"destination": where, "type": kind, "source": kind, "options": list(options)}

    proc = entry("/proc", "proc", "nosuid", "noexec", "nodev")
    if Opening.HOST_PROCESSES in config.openings:
        proc = {"destination": "/proc", "type": "none", "source": "/proc", "options": ["rbind"]}
    mounts = [
        proc,
        entry("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", "size=64k"),
        entry("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"),
        entry("/dev/shm", "tmpfs", "nosuid", "noexec", "nodev", "mode=1777", "size=64m"),  # noqa: S108
        entry("/dev/mqueue", "mqueue", "nosuid", "noexec", "nodev"),
    ]
    if Opening.HOST_FILES in config.openings:
        mounts.append({"destination": "/host", "type": "none", "source": "/", "options": ["rbind", "rw"]})
    return mounts


def specification(config: SandboxConfig) -> dict[str, Any]:
    """Return ``config.json`` of the sample's first process, which only waits and reaps the orphaned."""
    waiter = ["/bin/sh", "-c", "while :; do sleep 2147483647; done"]
    namespaces = ["mount", "uts", "ipc", "cgroup"]
    if Opening.HOST_PROCESSES not in config.openings:
        namespaces.append("pid")
    linux: dict[str, Any] = {"namespaces": [{"type": kind} for kind in namespaces]}
    if Opening.WRITABLE_PROC not in config.openings:
        linux["maskedPaths"] = [f"/proc/{name}" for name in (*_MASKED, *_MASKED_MORE)]
        linux["readonlyPaths"] = [f"/proc/{name}" for name in _READ_ONLY]
    if Opening.NO_SECCOMP not in config.openings:
        linux["seccomp"] = seccomp()
    return {
        "ociVersion": "1.0.2",
        "process": process(config, waiter),
        "root": {"path": "merged", "readonly": False},
        "hostname": "box",
        "mounts": _mounts(config),
        "linux": linux,
    }
