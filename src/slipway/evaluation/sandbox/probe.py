"""Which tier of isolation this machine can give, and what is missing."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from slipway.base.results import Check, Status
from slipway.evaluation.sandbox import base_image, cgroups, reaper
from slipway.evaluation.sandbox.errors import SandboxUnsupported

TIER = 2
TIER_NAMES = {
    0: "none: no containment on this machine",
    2: "crun, user namespace, seccomp, cgroups: for development, not for models that find kernel bugs",
}
_KERNEL = (5, 19)  # first with overlay on id-mapped layers
_CRUN = (1, 8)


@dataclass(frozen=True, slots=True)
class TierReport:
    """The highest tier here, and every check that decided it."""

    tier: int
    checks: tuple[Check, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """What stands in the way of tier 2, one line each."""
        return tuple(check.reason for check in self.checks if check.status is not Status.PASS)

    def as_dict(self) -> dict[str, object]:
        """Return the report as plain JSON values."""
        return {
            "tier": self.tier,
            "name": TIER_NAMES[self.tier],
            "checks": [c.as_dict() for c in self.checks],
        }


def _root() -> str:
    if os.geteuid() != 0:
        raise SandboxUnsupported("sandboxes need root here: run as root or with sudo")
    effective = re.search(r"^CapEff:\s*([0-9a-f]+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    # CHOWN, KILL, SETGID, SETUID, SYS_CHROOT, SYS_ADMIN
    needed = 1 << 0 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 18 | 1 << 21
    if effective is None or int(effective[1], 16) & needed != needed:
        raise SandboxUnsupported("this root lacks capabilities (a container?): run on the machine itself")
    return "root with the capabilities that are needed"


def _kernel() -> str:
    version = tuple(int(part) for part in re.findall(r"\d+", platform.release())[:2])
    if version < _KERNEL:
        raise SandboxUnsupported(f"Linux {platform.release()} is too old: 5.19 or newer is needed")
    return f"Linux {platform.release()}"


def _crun() -> str:
    if shutil.which("crun") is None:
        raise SandboxUnsupported("crun is missing: apt-get install crun")
    told = subprocess.run(["crun", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"crun version (\d+)\.(\d+)", told)
    if found is None or (int(found[1]), int(found[2])) < _CRUN:
        raise SandboxUnsupported("crun is older than 1.8: install a newer one")
    if "+SECCOMP" not in told:
        raise SandboxUnsupported("this crun was built without seccomp: install the distribution's package")
    return told.splitlines()[0]


def _tools() -> str:
    if shutil.which("nsenter") is None:
        raise SandboxUnsupported("nsenter is missing: apt-get install util-linux")
    return "nsenter"


def _user_namespaces() -> str:
    limit = Path("/proc/sys/user/max_user_namespaces")
    if not limit.exists() or int(limit.read_text()) == 0:
        raise SandboxUnsupported("user namespaces are off: set sysctl user.max_user_namespaces above 0")
    return "user namespaces"


def _seccomp() -> str:
    if "seccomp" not in Path("/proc/self/status").read_text().lower():
        raise SandboxUnsupported("this kernel has no seccomp filters")
    return "seccomp filters"


def _overlay() -> str:
    known = Path("/proc/filesystems")
    if "\toverlay\n" not in known.read_text():
        subprocess.run(["modprobe", "overlay"], capture_output=True, check=False)
    if "\toverlay\n" not in known.read_text():
        raise SandboxUnsupported("this kernel has no overlay file system")
    return "overlay file system"


def _cgroups() -> str:
    where = cgroups.find_hierarchies()
    if os.geteuid() != 0:
        raise SandboxUnsupported("cgroups can be written by root only")
    cgroups.prepare(where)
    return f"memory (v{where.memory_version}) and pids (v{where.pids_version}) controllers"


_CHECKS: tuple[tuple[str, Callable[[], str]], ...] = (
    ("root", _root),
    ("kernel", _kernel),
    ("crun", _crun),
    ("nsenter", _tools),
    ("user namespaces", _user_namespaces),
    ("seccomp", _seccomp),
    ("overlay", _overlay),
    ("cgroups", _cgroups),
)


def tier() -> TierReport:
    """Look at everything tier 2 needs; never raises. Tier 0 when anything is missing."""
    if sys.platform != "linux":
        return TierReport(0, (Check("linux", Status.FAIL, "sandboxes need Linux"),))
    results = []
    for name, check in _CHECKS:
        try:
            results.append(Check(name, Status.PASS, check()))
        except SandboxUnsupported as error:
            results.append(Check(name, Status.FAIL, error.message))
        except OSError as error:
            results.append(Check(name, Status.FAIL, f"{name} cannot be checked: {error}"))
    passed = all(result.status is Status.PASS for result in results)
    return TierReport(TIER if passed else 0, tuple(results))


@cache
def _supported() -> cgroups.Hierarchies:
    missing = tier().missing
    if missing:
        raise SandboxUnsupported("no sandbox on this machine: " + "; ".join(missing))
    return cgroups.find_hierarchies()


def require() -> cgroups.Hierarchies:
    """Return the cgroup hierarchies; raise :class:`SandboxUnsupported` with what is missing in one line."""
    return _supported()


def doctor(images: Path | None = None) -> list[Check]:
    """Return the sandbox section of `slipway doctor`; looks only, removes nothing.

    ``images`` is the folder of base images (``DATA/bench/images``), when there is one.
    """
    checks = [Check(f"sandbox: {check.name}", check.status, check.reason) for check in tier().checks]
    found = reaper.reap(remove=False)
    if found.stuck:
        names = ", ".join(found.stuck[:5])
        reason = f"{len(found.stuck)} left by dead runners ({names}); the next run removes them"
        checks.append(Check("sandbox: leftovers", Status.FAIL, reason))
    else:
        checks.append(Check("sandbox: leftovers", Status.PASS, f"none; {len(found.alive)} sandboxes running"))
    if images is not None:
        have = base_image.installed(images)
        reason = f"{len(have)} in {images}" if have else f"none in {images}; the first run builds one"
        checks.append(Check("sandbox: base image", Status.PASS if have else Status.NOT_CHECKED, reason))
    return checks
