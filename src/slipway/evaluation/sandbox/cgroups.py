"""Limits by cgroups, version 1, 2 or a hybrid of both, written by the host and never seen by the sandbox.

A sample has one cgroup per hierarchy, ``…/slipway/<name>``, that carries the limits, and below the one
with the pids controller a child per command (and ``init``), so that a command can be killed with all its
children while the sample lives on. crun 1.8 refuses hybrid trees, hence this module.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from slipway.evaluation.sandbox.config import Opening, SandboxConfig
from slipway.evaluation.sandbox.errors import SandboxUnavailable, SandboxUnsupported
from slipway.evaluation.sandbox.holder import kill_cgroup, remove_cgroup

PARENT = "slipway"
_MiB = 2**20


@dataclass(frozen=True, slots=True)
class Hierarchies:
    """Where the memory and pids controllers are mounted, and in which cgroup version."""

    memory: Path
    memory_version: int
    pids: Path
    pids_version: int

    @property
    def together(self) -> bool:
        """True when both controllers are in one hierarchy (always so in version 2)."""
        return self.memory == self.pids

    @property
    def roots(self) -> tuple[Path, ...]:
        """The distinct mount points, pids first."""
        return (self.pids,) if self.together else (self.pids, self.memory)


def find_hierarchies(mountinfo: str | None = None) -> Hierarchies:
    """Find the controllers from ``/proc/self/mountinfo`` (or the given text of one).

    Raises :class:`SandboxUnsupported` naming the controller that is missing.
    """
    text = Path("/proc/self/mountinfo").read_text() if mountinfo is None else mountinfo
    found: dict[str, tuple[Path, int]] = {}
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        point = Path(left.split()[4])
        kind, _, options = right.split(" ", 2)
        if kind == "cgroup":
            names, version = set(options.split(",")), 1
        elif kind == "cgroup2":
            listing = point / "cgroup.controllers"
            names, version = set(listing.read_text().split() if listing.exists() else ()), 2
        else:
            continue
        for name in names & {"memory", "pids"}:
            found.setdefault(name, (point, version))
    missing = [name for name in ("memory", "pids") if name not in found]
    if missing:
        raise SandboxUnsupported(
            f"no cgroup controller for {' and '.join(missing)} is mounted on this machine"
        )
    return Hierarchies(*found["memory"], *found["pids"])


def prepare(where: Hierarchies) -> None:
    """Make the parent cgroup in each hierarchy and, in version 2, pass the controllers down to it.

    Raises :class:`SandboxUnsupported` when the tree is read-only or the controllers cannot be passed on.
    """
    for root, version in {(where.memory, where.memory_version), (where.pids, where.pids_version)}:
        wanted = {"memory", "pids"} if where.together else ({"memory"} if root == where.memory else {"pids"})
        try:
            (root / PARENT).mkdir(exist_ok=True)
            if version == 2:
                for folder in (root, root / PARENT):
                    control = folder / "cgroup.subtree_control"
                    if lacking := wanted - set(control.read_text().split()):
                        control.write_text(" ".join(f"+{name}" for name in sorted(lacking)))
        except OSError as error:
            raise SandboxUnsupported(f"cgroups cannot be made below {root}: {error.strerror}") from error


class SampleCgroup:
    """The cgroups of one sample. Making it creates them with their limits set."""

    def __init__(self, where: Hierarchies, name: str) -> None:
        self._where = where
        self.folders = tuple(str(root / PARENT / name) for root in where.roots)
        self._pids = Path(self.folders[0])
        self._serial = 0
        self._lingering: list[str] = []

    def create(self, config: SandboxConfig) -> None:
        """Make the cgroups and write the limits; raises :class:`SandboxUnavailable` when that fails."""
        try:
            for folder in self.folders:
                os.mkdir(folder)  # noqa: PTH102 -- plain strings, on the path of every start
            os.mkdir(self.init)  # noqa: PTH102
            if Opening.NO_LIMITS not in config.openings:
                self._limit(config)
        except OSError as error:
            raise SandboxUnavailable(f"the sandbox's cgroup could not be made: {error}") from error

    def _limit(self, config: SandboxConfig) -> None:
        (self._pids / "pids.max").write_text(str(config.pids))
        memory = Path(self.folders[-1])
        size = str(config.memory_mb * _MiB)
        if self._where.memory_version == 2:
            (memory / "memory.max").write_text(size)
            swap, value = memory / "memory.swap.max", "0"
        else:
            (memory / "memory.limit_in_bytes").write_text(size)
            swap, value = memory / "memory.memsw.limit_in_bytes", size
        if swap.exists():  # absent in a kernel without swap accounting, where the limit holds anyway
            swap.write_text(value)

    @property
    def init(self) -> str:
        """The child cgroup of the sample's first process."""
        return f"{self._pids}/init"

    @property
    def start_folders(self) -> list[str]:
        """Cgroups that the first process joins, the killable one first."""
        return [self.init, *self.folders[1:]]

    def new_command(self) -> str:
        """Make a child cgroup for one command and return its folder."""
        self._serial += 1
        folder = f"{self._pids}/c{self._serial}"
        try:
            os.mkdir(folder)  # noqa: PTH102
        except OSError as error:
            raise SandboxUnavailable("the sandbox is not running any more") from error
        return folder

    def procs_files(self, command: str) -> list[str]:
        """Return the files into which a process writes ``0`` to join ``command`` and every limit."""
        return [f"{folder}/cgroup.procs" for folder in (command, *self.folders[1:])]

    def finish_command(self, command: str) -> None:
        """Remove a command's cgroup, or keep it for later when children of the command still run."""
        self._lingering.append(command)
        still = []
        for folder in self._lingering:
            try:
                os.rmdir(folder)  # noqa: PTH106
            except FileNotFoundError:
                continue
            except OSError:
                still.append(folder)
        self._lingering = still

    def kill_command(self, command: str) -> None:
        """Kill the command with all its children; blocks for milliseconds, at most seconds."""
        kill_cgroup(command)
        remove_cgroup(command)
