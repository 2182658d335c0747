"""Base images: a small Debian, built once or imported from a tar, addressed by the digest of its content.

``<dir>/<digest>/rootfs`` is the tree, ``<dir>/<digest>/image.json`` tells what is in it, and
``<dir>/recipe-<hash>`` names the digest that a recipe gave here. Everything appears by one rename.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway.base.errors import InvalidInput, Problem, Unavailable

PACKAGES = ("adduser", "file", "libc6-dev", "make", "procps", "python3", "sudo", "tcc", "xxd")
"""Beside Debian's essential packages (bash, coreutils, dash, findutils, grep, perl-base, sed, tar).

``tcc`` instead of gcc: 1 MB for a compiler instead of 150. ``python3`` instead of ``python3-minimal``: the
items and the containment probes need ``ctypes`` and ``json``.
"""

AGENT = "agent"
AGENT_ID = 1000
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_EXCLUDED = ("doc", "info", "locale", "man", "zoneinfo", "bug", "lintian")
# What differs between two builds of the same packages, or tells of the machine that built it.
_SCRUBBED = (
    *("var/log", "var/cache", "var/lib/apt", "etc/apt", "etc/machine-id", "etc/resolv.conf", "etc/hostname"),
    *("var/lib/systemd", "var/lib/dbus", "etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-"),
    *("dev", "run", "tmp", "var/lib/dpkg/status-old", "var/lib/dpkg/lock", "var/lib/dpkg/lock-frontend"),
)


class ImageUnavailable(Unavailable):
    """No base image and no way to make one; the message says what to do."""

    code = "sandbox.no_base_image"


@dataclass(frozen=True, slots=True)
class BaseImage:
    """One base image on disk: the ``digest`` of its content (hex SHA-256) and where its tree is."""

    digest: str
    rootfs: Path
    packages: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Return digest and packages (``name version``), for the plan of a run."""
        return {"digest": self.digest, "packages": list(self.packages)}


def ensure(directory: Path, packages: Sequence[str] = PACKAGES) -> BaseImage:
    """Return the image of ``packages`` below ``directory``, building it on first use (about 25 s).

    Several processes may call this at once; one builds. Raises :class:`ImageUnavailable`.
    """
    with _locked(directory):
        pointer = _pointer(directory, packages)
        if pointer.exists() and (image := find(directory, pointer.read_text(encoding="ascii").strip())):
            return image
        with _workspace(directory) as work:
            _build(work / "rootfs", packages)
            image = _adopt(directory, work)
        _point(pointer, image)
        return image


def _pointer(directory: Path, packages: Sequence[str]) -> Path:
    """Return the file that names which image a recipe gave here."""
    recipe = json.dumps([2, sorted(packages), _EXCLUDED], sort_keys=True).encode()
    return directory / f"recipe-{hashlib.sha256(recipe).hexdigest()[:16]}"


def _point(pointer: Path, image: BaseImage) -> None:
    temporary = pointer.with_suffix(".new")
    temporary.write_text(image.digest + "\n", encoding="ascii")
    temporary.replace(pointer)


def find(directory: Path, digest: str) -> BaseImage | None:
    """Return the image of that digest when it is there; its content is not read again."""
    about = directory / digest / "image.json"
    if not _DIGEST.fullmatch(digest) or not about.exists():
        return None
    data = json.loads(about.read_text(encoding="utf-8"))
    return BaseImage(digest, directory / digest / "rootfs", tuple(data["packages"]))


def installed(directory: Path) -> list[BaseImage]:
    """Return every image below ``directory``."""
    if not directory.is_dir():
        return []
    return [image for entry in sorted(directory.iterdir()) if (image := find(directory, entry.name))]


def import_tar(directory: Path, tar: Path, *, digest: str | None = None) -> BaseImage:
    """Bring in an image from a tar of a root file system (any compression), for machines without a network.

    From then on it is what :func:`ensure` gives there for the standard packages. ``digest`` is what the
    content must have, when known. Raises :class:`InvalidInput` for a tar that is none, reaches outside,
    holds device nodes, lacks ``/bin/sh`` or the user, or has another digest; nothing is kept then.
    """
    with _locked(directory), _workspace(directory) as work:
        root = work / "rootfs"
        root.mkdir()
        try:
            with tarfile.open(tar) as archive:
                _unpack(archive, root)
        except (OSError, KeyError, tarfile.TarError) as error:
            raise _bad_tar(tar, f"cannot be unpacked: {error}") from error
        if not os.path.lexists(root / "bin" / "sh") and not os.path.lexists(root / "usr" / "bin" / "sh"):
            raise _bad_tar(tar, "holds no /bin/sh")
        passwd = root / "etc" / "passwd"
        if passwd.is_symlink() or not passwd.is_file() or f"\n{AGENT}:x:" not in "\n" + passwd.read_text():
            raise _bad_tar(tar, f"has no user {AGENT!r}, as which commands run")
        found = content_digest(root)
        if digest is not None and found != digest:
            raise _bad_tar(tar, f"has the digest {found}, not {digest}")
        image = _adopt(directory, work, found)
        _point(_pointer(directory, PACKAGES), image)
        return image


def export_tar(image: BaseImage, tar: Path) -> None:
    """Write the image as a tar that :func:`import_tar` on another machine turns into the same digest."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uname = member.gname = ""
        member.mtime = 0
        return member

    temporary = tar.with_name(tar.name + ".new")
    with tarfile.open(temporary, "w:gz" if tar.suffix in {".gz", ".tgz"} else "w") as archive:
        archive.add(image.rootfs, arcname=".", filter=plain)
    temporary.replace(tar)


def verify(image: BaseImage) -> bool:
    """Read the whole tree again (about 1 s) and tell whether it still has its digest."""
    return content_digest(image.rootfs) == image.digest


def content_digest(root: Path) -> str:
    """Return the hex SHA-256 over the sorted list of path, kind, mode, owner and content of every entry.

    Times are left out: they say when a package was unpacked, not what is in it.
    """
    total = hashlib.sha256()
    names: list[str] = []
    for folder, directories, files in os.walk(root):
        names += [os.path.relpath(os.path.join(folder, name), root) for name in directories + files]  # noqa: PTH118
    for name in sorted(names, key=os.fsencode):
        path = root / name
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            what = b"l" + os.fsencode(path.readlink())
        elif stat.S_ISREG(status.st_mode):
            with path.open("rb") as file:
                what = b"f" + hashlib.file_digest(file, "sha256").digest()
        else:
            what = f"o{stat.S_IFMT(status.st_mode):o}:{status.st_rdev}".encode()
        line = f"{stat.S_IMODE(status.st_mode):o} {status.st_uid} {status.st_gid} ".encode()
        for part in (os.fsencode(name), line, what):
            total.update(len(part).to_bytes(4, "big") + part)
    return total.hexdigest()


def _bad_tar(tar: Path, problem: str) -> InvalidInput:
    fix = "make it with `slipway run prepare --export TAR` on a machine with a network"
    return InvalidInput([Problem("tar", f"{tar} {problem}", fix)], what="base image")


class _Unwanted(tarfile.TarError):
    """A member that an image may not have; tarfile's own names for this came with Python 3.11.4."""


def _unpack(archive: tarfile.TarFile, root: Path) -> None:
    """Extract member by member, each looked at when all before it are on disk.

    Not by tarfile's filters: Debian 12's Python 3.11.2 has none, and newer ones
    want to be told that we look ourselves.
    """
    told: dict[str, Any] = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
    wanted = (_accept(member, str(root)) for member in archive)
    archive.extractall(root, members=wanted, numeric_owner=True, **told)  # noqa: S202 -- see _accept


def _accept(member: tarfile.TarInfo, root: str) -> tarfile.TarInfo:
    """Refuse what reaches outside; unlike tarfile's own filters keep setuid bits and absolute links."""
    member.name = member.name.lstrip("/")
    _require_inside(root, member.name, member)
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        raise _Unwanted(f"{member.name!r} is a device or another special file")
    if member.islnk():
        # tarfile links to whatever is at that path, also outside: a hard link to a file of the host.
        _require_inside(root, member.linkname, member)
    return member


def _require_inside(root: str, name: str, member: tarfile.TarInfo) -> None:
    real = os.path.realpath(root)
    target = os.path.realpath(os.path.join(root, name))  # noqa: PTH118
    if os.path.commonpath([target, real]) != real:
        raise _Unwanted(f"{member.name!r} reaches outside, to {target!r}")


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _workspace(directory: Path) -> Iterator[Path]:
    """A folder beside the images; what a crash left of earlier ones goes first (the lock is held)."""
    for old in directory.glob("partial-*"):
        shutil.rmtree(old, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix="partial-", dir=directory))
    work.chmod(0o755)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _adopt(directory: Path, work: Path, digest: str | None = None) -> BaseImage:
    """Give the finished tree its name by one rename, after its data is on disk."""
    digest = digest or content_digest(work / "rootfs")
    if (already := find(directory, digest)) is not None:
        return already
    packages = _installed_packages(work / "rootfs")
    (work / "image.json").write_text(
        json.dumps({"v": 1, "digest": digest, "packages": packages}), encoding="utf-8"
    )
    os.sync()
    shutil.rmtree(directory / digest, ignore_errors=True)
    work.rename(directory / digest)
    return BaseImage(digest, directory / digest / "rootfs", tuple(packages))


def _installed_packages(root: Path) -> list[str]:
    status = root / "var/lib/dpkg/status"
    if not status.is_file() or status.is_symlink():
        return []
    found = []
    for stanza in status.read_text(encoding="utf-8", errors="replace").split("\n\n"):
        entry = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " ")
        if entry.get("Status", "").endswith(" installed"):
            found.append(f"{entry['Package']} {entry.get('Version', '?')}")
    return sorted(found)


def _sources() -> tuple[str, str]:
    """Return the host's own suite name and apt sources of it, as ``sources.list`` text.

    What ``apt`` itself would use, whatever file format it is written in; foreign repositories are left out.
    """
    release = dict(
        line.split("=", 1)
        for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
        if "=" in line
    )
    suite = release.get("VERSION_CODENAME", "").strip('"')
    listing = subprocess.run(
        [
            "apt-get",
            "indextargets",
            "--format",
            "deb $(REPO_URI) $(RELEASE) $(COMPONENT)",
            "Created-By: Packages",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = {
        line
        for line in listing.stdout.splitlines()
        if line.split()[2:3] and _of_suite(line.split()[2], suite)
    }
    if release.get("ID") != "debian" or not suite or not lines:
        raise ImageUnavailable(
            "this machine has no Debian package sources: import an image, `slipway run prepare --import TAR`"
        )
    return suite, "\n".join(sorted(lines)) + "\n"


def _of_suite(name: str, suite: str) -> bool:
    return name == suite or name in {f"{suite}-updates", f"{suite}-security"}


def _apt_options() -> list[str]:
    """Return the host's proxy and certificate settings of apt, so that the build reaches what apt reaches."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout
    wanted = re.compile(r'Acquire::(http|https)(::\S+)? ".+";', re.ASCII)
    return [f"--aptopt={line.rstrip(';')}" for line in dump.splitlines() if wanted.fullmatch(line)]


def _build(root: Path, packages: Sequence[str]) -> None:
    if shutil.which("mmdebstrap") is None:
        raise ImageUnavailable(
            "mmdebstrap is missing: apt-get install mmdebstrap, or `slipway run prepare --import TAR`"
        )
    suite, sources = _sources()
    command = ["mmdebstrap", "--mode=root", "--variant=essential", "--format=directory", "--quiet"]
    command += [f"--include={','.join(sorted(packages))}", *_apt_options()]
    command += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _EXCLUDED]
    command += [suite, str(root), "-"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1750000000", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command, input=sources, capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W:", "Err:"))]
        reason = "; ".join(lines[-3:]) or f"ended with {done.returncode}"
        raise ImageUnavailable(f"mmdebstrap could not build the base image: {reason}")
    _finish(root)


def _finish(root: Path) -> None:
    """Remove what tells of this machine, and add the unprivileged user that commands run as."""
    for name in _SCRUBBED:
        path = root / name
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir():
            shutil.rmtree(path)
    for cache in list(root.glob("usr/**/__pycache__")):
        shutil.rmtree(cache)
    for name, mode in (
        ("dev", 0o755),
        ("run", 0o755),
        ("tmp", 0o1777),
        ("var/log", 0o755),
        ("var/cache", 0o755),
    ):
        (root / name).mkdir(exist_ok=True)
        (root / name).chmod(mode)
    (root / "etc/resolv.conf").touch()
    with (root / "etc/passwd").open("a", encoding="utf-8") as file:
        file.write(f"{AGENT}:x:{AGENT_ID}:{AGENT_ID}::/home/{AGENT}:/bin/bash\n")
    with (root / "etc/group").open("a", encoding="utf-8") as file:
        file.write(f"{AGENT}:x:{AGENT_ID}:\n")
    with (root / "etc/shadow").open("a", encoding="utf-8") as file:
        file.write(f"{AGENT}:!:20000::::::\n")
    home = root / "home" / AGENT
    home.mkdir(mode=0o755, parents=True)
    os.chown(home, AGENT_ID, AGENT_ID)
