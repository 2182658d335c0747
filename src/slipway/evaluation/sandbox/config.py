"""What a sandbox is made with, and what a command in it gives back. Plain frozen data, hashable."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from slipway.base.errors import ProblemList

_NAME = re.compile(r"[a-z_][a-z0-9_.-]{0,30}|[0-9]{1,5}", re.ASCII)


class Opening(StrEnum):
    """A hole cut on purpose, so that the containment suite can prove it would see one.

    Only :func:`slipway.evaluation.containment.preflight` makes such sandboxes; :meth:`Sandbox.start`
    refuses them everywhere else.
    """

    HOST_NETWORK = "host network"
    HOST_FILES = "host files"
    HOST_PROCESSES = "host processes"
    NO_SECCOMP = "no seccomp"
    ALL_CAPABILITIES = "all capabilities"
    NO_LIMITS = "no limits"
    WRITABLE_PROC = "writable proc"


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """Limits and identity of one sandbox.

    ``user`` runs commands that name no user; ``workdir`` is where relative paths start. ``memory_mb`` and
    ``pids`` are enforced by cgroups over everything in the sandbox, files included: all that the sandbox
    writes lives in memory, at most ``disk_mb`` of it. Sizes are in MiB (2**20 bytes), output limits in bytes.
    """

    user: str = "agent"
    workdir: str = "/home/agent"
    memory_mb: int = 512
    pids: int = 256
    disk_mb: int = 256
    output_bytes: int = 10 * 2**20
    read_bytes: int = 100 * 2**20
    openings: frozenset[Opening] = frozenset()

    def __post_init__(self) -> None:
        problems = ProblemList("sandbox configuration")
        if not _NAME.fullmatch(self.user):
            problems.add("user", f"{self.user!r} is no user name", "use a name or number of the base image")
        if not self.workdir.startswith("/") or "\0" in self.workdir:
            problems.add("workdir", f"{self.workdir!r} is not absolute", "write it like /home/agent")
        for name, low, high in (
            ("memory_mb", 32, 1 << 20),
            ("pids", 8, 32768),
            ("disk_mb", 1, 1 << 20),
            ("output_bytes", 1, 1 << 32),
            ("read_bytes", 1, 1 << 32),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                problems.add(name, f"{value!r} is out of range", f"use a whole number from {low} to {high}")
        problems.raise_if_any()

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> SandboxConfig:
        """Read a configuration from JSON or TOML data; openings cannot be given this way.

        Raises :class:`InvalidInput` that lists every unknown key and bad value.
        """
        known = {field.name for field in fields(cls)} - {"openings"}
        problems = ProblemList("sandbox configuration")
        for key in sorted(set(data) - known):
            problems.add(key, "is not a setting of the sandbox", f"use one of {', '.join(sorted(known))}")
        for key in sorted(set(data) & {"user", "workdir"}):
            if not isinstance(data[key], str):
                problems.add(key, f"{data[key]!r} is not text", "write it in quotes")
        problems.raise_if_any()
        return cls(**data)

    def as_dict(self) -> dict[str, Any]:
        """Return the configuration as plain JSON values, for the plan of a run."""
        data = asdict(self)
        data["openings"] = sorted(str(opening) for opening in self.openings)
        return data


@dataclass(frozen=True, slots=True)
class ExecResult:
    """How a command ended: ``returncode`` (128 + signal when killed by one) and its decoded output."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def success(self) -> bool:
        """True when the command ended with 0."""
        return self.returncode == 0
