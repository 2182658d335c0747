# ruff: noqa: PTH102, PTH106, PTH108, PTH112, PTH119, SIM105
# Runs with "python -I -S", once a runner; every sample's holder is a fork of it.
"""Holder of one sandbox: makes its namespaces and mounts, starts it, waits, and clears it away.

Run as a program (``python -I -S holder.py``) by :mod:`slipway.evaluation.sandbox.nursery` it forks one
holder a request (see :func:`nursery`); standard library only. A holder stays in the host's namespaces and
keeps three descriptors (user, mount, network namespace of the sample). Its standard input is a life line:
when the last writer closes it, which the kernel also does when the runner is killed, the holder kills the
sample's cgroups and removes every trace. The functions that do so are imported by the reaper as well, so
that there is one way to clear a sandbox away.

Order of the mounts, and why: the host's root (initial user namespace) mounts *into* the sample's mount
namespace. An overlay mounted from inside the user namespace would need ``userxattr``, and tmpfs knows user
extended attributes only since Linux 6.6; Debian 12 has 6.1. The base is an id-mapped clone (Linux 5.12,
as overlay layer 5.19), so a thousand samples with a thousand uid ranges share one unchanged copy.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import time

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

_MS_REC, _MS_PRIVATE = 0x4000, 1 << 18
_MS_NOSUID, _MS_NODEV = 2, 4
_SYS_OPEN_TREE, _SYS_MOVE_MOUNT, _SYS_MOUNT_SETATTR = 428, 429, 442
_OPEN_TREE_CLONE, _MOVE_MOUNT_F_EMPTY_PATH = 1, 4
_AT_FDCWD, _AT_EMPTY_PATH = -100, 0x1000
_MOUNT_ATTR_RDONLY, _MOUNT_ATTR_IDMAP = 0x1, 0x100000
_PR_SET_PDEATHSIG, _SIGKILL = 1, 9

_libc = ctypes.CDLL(None, use_errno=True)


class _MountAttr(ctypes.Structure):
    _fields_ = [
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    ]


def _checked(result: int, what: str) -> int:
    """Return ``result``; raise :class:`OSError` naming ``what`` when it is negative."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _mount(source: str, target: str, kind: str, flags: int, data: str) -> None:
    arguments = (source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode())
    _checked(_libc.mount(*arguments), f"mount {kind or 'flags'} on {target}")


def idmapped_clone(path: str, userns_fd: int) -> int:
    """Return a detached, read-only, id-mapped clone of the tree at ``path`` (a mount descriptor).

    Raises :class:`OSError` (``EINVAL``) when the file system or the kernel has no id-mapped mounts.
    """
    flags = ctypes.c_uint(_OPEN_TREE_CLONE | os.O_CLOEXEC)
    tree = _checked(_libc.syscall(_SYS_OPEN_TREE, _AT_FDCWD, path.encode(), flags), f"open_tree {path}")
    attr = _MountAttr(_MOUNT_ATTR_IDMAP | _MOUNT_ATTR_RDONLY, 0, 0, userns_fd)
    size = ctypes.c_size_t(ctypes.sizeof(attr))
    done = _libc.syscall(_SYS_MOUNT_SETATTR, tree, b"", _AT_EMPTY_PATH, ctypes.byref(attr), size)
    if done < 0:
        number = ctypes.get_errno()
        os.close(tree)
        raise OSError(number, f"id-mapped mount of {path}: {os.strerror(number)}")
    return tree


def _setns(fd: int, kind: int) -> None:
    _checked(_libc.setns(fd, kind), "setns")


# --- clearing away; also used by the runner and the reaper ---------------------------------------------


def _members(folder: str) -> list[int]:
    """Return the process ids in one cgroup; none when it is gone."""
    try:
        with open(folder + "/cgroup.procs", encoding="utf-8") as file:
            return [int(line) for line in file]
    except OSError:
        return []


def _tree(folder: str) -> list[str]:
    """Return the cgroups below ``folder`` and itself, children first."""
    return [path for path, _, _ in os.walk(folder, topdown=False)]


def _write(path: str, text: str) -> bool:
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError:
        return False
    return True


def kill_cgroup(folder: str, patience: float = 5.0) -> bool:
    """Kill every process in the cgroup ``folder`` and below it; true when none is left.

    Version 2 has ``cgroup.kill``, which is atomic. In version 1 a fork bomb outruns a loop of kills, so the
    pids limit is set to 0 first: from then on nothing in there can fork, and the loop ends.
    """
    deadline = time.monotonic() + patience
    # Nothing needs pids.max back: callers pass a whole sample or one command's own child cgroup, and both
    # are removed afterwards.
    if not _write(folder + "/cgroup.kill", "1"):
        _write(folder + "/pids.max", "0")
    pause = 0.0005
    while True:
        left = [pid for path in _tree(folder) for pid in _members(path)]
        if not left:
            return True
        if time.monotonic() > deadline:
            return False
        for pid in left:
            try:
                os.kill(pid, _SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        time.sleep(pause)
        pause = min(pause * 2, 0.02)


def remove_cgroup(folder: str, patience: float = 5.0) -> bool:
    """Remove the cgroup and its children, waiting while the kernel still counts the dying; true when gone."""
    deadline = time.monotonic() + patience
    pause = 0.0005
    while True:
        for path in _tree(folder):
            try:
                os.rmdir(path)
            except OSError:
                break
        if not os.path.isdir(folder):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 2, 0.02)


def clear_away(folder: str, cgroups: list[str]) -> bool:
    """Kill and remove everything of one sandbox; true when nothing is left. May be called again.

    ``folder`` is its (empty) directory in the state directory, ``cgroups`` its cgroup directories. The
    mounts need no act: they live in a mount namespace that ends with its last process.
    """
    clean = True
    for path in cgroups:
        clean = kill_cgroup(path) and clean
    for path in cgroups:
        clean = remove_cgroup(path) and clean
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        pass
    except OSError:
        clean = False
    if clean:
        try:
            os.unlink(folder + ".lock")
        except FileNotFoundError:
            pass
    return clean


# --- starting ------------------------------------------------------------------------------------------


def _loopback_up() -> None:
    """Bring ``lo`` up in the current network namespace: ``struct ifreq`` is a name, then 16 bits of flags.

    By libc, because the forked child is nobody at this moment: it could not even import ``socket`` when
    Python lives in root's home.
    """
    fd = _checked(_libc.socket(2, 2, 0), "socket")
    request = ctypes.create_string_buffer(b"lo", 40)
    _checked(_libc.ioctl(fd, 0x8913, request), "SIOCGIFFLAGS lo")
    request[16] = bytes([request.raw[16] | 1])
    _checked(_libc.ioctl(fd, 0x8914, request), "SIOCSIFFLAGS lo")
    os.close(fd)


def _child(folder: str, crun: str, own_network: bool, ready: int, go: int, log: int) -> None:
    """Become the sample: new namespaces, wait for the maps and mounts, then be ``crun run``."""
    _libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL)
    flags = CLONE_NEWUSER | CLONE_NEWNS | (CLONE_NEWNET if own_network else 0)
    _checked(_libc.unshare(flags), "unshare user, mount and network namespaces")
    os.write(ready, b"1")
    if os.read(go, 1) != b"1":
        os._exit(1)
    os.setgid(0)
    os.setuid(0)
    os.setgroups([])
    # Second wall behind seccomp: no process below may make a user namespace of its own.
    _write("/proc/sys/user/max_user_namespaces", "0")
    if own_network:
        _loopback_up()
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.set_inheritable(log, True)
    os.chdir(folder)
    name = os.path.basename(folder)
    # By absolute path: os.execvp would import a module, which this child may not be able to read.
    os.execv(  # noqa: S606 -- no shell is wanted
        crun,
        [
            *("crun", f"--log=/proc/self/fd/{log}", f"--root={folder}/rt", "--cgroup-manager=disabled"),
            *("run", "--detach", f"--bundle={folder}", f"--pid-file={folder}/pid", name),
        ],
    )


def _lay_mounts(folder: str, tree: int, uid: int, size: int, config: bytes) -> None:
    """Mount the sample's private tmpfs, base and overlay; we are in its mount namespace here."""
    _mount("none", "/", "", _MS_REC | _MS_PRIVATE, "")
    options = f"mode=0711,size={size},nr_inodes=262144"
    _mount("slipway", folder, "tmpfs", _MS_NOSUID | _MS_NODEV, options)
    os.chdir(folder)
    for name in ("base", "up", "work", "merged", "rt"):
        os.mkdir(name, 0o755)
    os.chown(".", uid, uid)
    os.chown("rt", uid, uid)
    os.chown("up", uid, uid)
    flags = ctypes.c_uint(_MOVE_MOUNT_F_EMPTY_PATH)
    moved = _libc.syscall(_SYS_MOVE_MOUNT, tree, b"", _AT_FDCWD, b"base", flags)
    _checked(moved, "move_mount of the base image")
    os.mkdir("up/etc", 0o755)
    os.chown("up/etc", uid, uid)
    host = os.path.basename(folder)
    for name, text in (("hosts", f"127.0.0.1 localhost box {host}\n::1 localhost\n"), ("hostname", "box\n")):
        with open("up/etc/" + name, "w", encoding="utf-8") as file:
            file.write(text)
        os.chown("up/etc/" + name, uid, uid)
    # Relative paths, so that the sample's /proc/self/mountinfo tells nothing of the host's directories.
    # The tmpfs is nosuid, the overlay above it is not: programs of the sample may be setuid, its store not.
    _mount("slipway", "merged", "overlay", 0, "lowerdir=base,upperdir=up,workdir=work,xino=off")
    with open("config.json", "wb") as sink:
        sink.write(config)
    # crun 1.8 refuses a hybrid cgroup tree; it shall not touch cgroups at all, so it sees an empty folder.
    _mount("slipway", "/sys/fs/cgroup", "tmpfs", _MS_NOSUID | _MS_NODEV, "size=4k,mode=0755")


def _start(
    folder: str, base: str, crun: str, uid: int, count: int, size: int, own_network: bool, cgroups: list[str]
) -> str:
    """Start the sample; return ``initpid userfd mountfd netfd`` (netfd ``-`` when it has none of its own)."""
    with open(folder + "/config.json", "rb") as file:
        config = file.read()
    os.unlink(folder + "/config.json")
    ready_r, ready_w = os.pipe()
    go_r, go_w = os.pipe()
    log = os.memfd_create("crun-log", os.MFD_CLOEXEC)
    child = os.fork()
    if child == 0:
        try:
            os.close(ready_r)
            os.close(go_w)
            _child(folder, crun, own_network, ready_w, go_r, log)
        except BaseException as error:  # the only way out of the forked child is its log
            os.write(log, f"{error}\n".encode())
        os._exit(1)
    os.close(ready_w)
    os.close(go_r)
    if os.read(ready_r, 1) == b"1":
        for kind in ("uid_map", "gid_map"):
            with open(f"/proc/{child}/{kind}", "w", encoding="utf-8") as map_file:
                map_file.write(f"0 {uid} {count}\n")
        namespace = f"/proc/{child}/ns/"
        user = os.open(namespace + "user", os.O_RDONLY)
        mounts = os.open(namespace + "mnt", os.O_RDONLY)
        network = os.open(namespace + "net", os.O_RDONLY) if own_network else None
        for path in cgroups:
            with open(path + "/cgroup.procs", "w", encoding="utf-8") as procs:
                procs.write(str(child))
        tree = idmapped_clone(base, user)
        home = os.open("/proc/self/ns/mnt", os.O_RDONLY)
        _setns(mounts, CLONE_NEWNS)
        try:
            _lay_mounts(folder, tree, uid, size, config)
            os.write(go_w, b"1")
            status = os.waitpid(child, 0)[1]
            if status == 0:
                with open(folder + "/pid", encoding="utf-8") as pid_file:
                    init = pid_file.read().strip()
                return f"{init} {user} {mounts} {'-' if network is None else network}"
        finally:
            _setns(home, CLONE_NEWNS)
            os.chdir("/")
    else:
        os.waitpid(child, 0)
    raise RuntimeError(os.pread(log, 4096, 0).decode(errors="replace").strip() or "crun gave no reason")


def main(arguments: list[str]) -> int:
    """Start one sandbox, tell the outcome in one line, hold it until the life line ends, clear it away."""
    folder, base, crun, uid, count, size, network, *cgroups = arguments
    roots = [path.removesuffix("/init") for path in cgroups]
    try:
        try:
            told = "ok " + _start(
                folder, base, crun, int(uid), int(count), int(size), network == "own", cgroups
            )
        except (OSError, RuntimeError) as error:
            told = "failed " + " ".join(str(error).split())
        os.write(1, (told + "\n").encode())
        while os.read(0, 4096):
            pass
    finally:
        clear_away(folder, roots)
    return 0


def nursery(channel: socket.socket) -> int:
    """Fork a holder for every request until the runner closes the channel.

    A request is the arguments of :func:`main`, with a NUL between, and three descriptors: life line, where
    to tell the outcome, and the slot's lock. The answer is the holder's pid with its pidfd, or why there is
    none. This process itself stays in the host's namespaces and keeps no descriptor of any sandbox.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for holders here: the runner has the pidfd
    while True:
        request, fds, _, _ = socket.recv_fds(channel, 1 << 16, 3, socket.MSG_CMSG_CLOEXEC)
        if not request:
            return 0
        try:
            pid = os.fork()
            if pid == 0:
                _become(channel, fds, request.decode().split("\0"))
            handle = os.pidfd_open(pid)
        except OSError as error:
            channel.send(str(error).encode())
        else:
            socket.send_fds(channel, [str(pid).encode()], [handle])
            os.close(handle)
        for fd in fds:
            os.close(fd)


def _become(channel: socket.socket, fds: list[int], arguments: list[str]) -> None:
    """Be a holder in the forked child, and end with it. The lock stays open, and closed for programs."""
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        channel.close()
        for fd, standard in zip(fds, (0, 1), strict=False):
            os.dup2(fd, standard)
            os.close(fd)
        status = main(arguments)
    finally:
        os._exit(status)


if __name__ == "__main__":
    sys.exit(nursery(socket.socket(fileno=0)))
