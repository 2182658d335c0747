"""Finds what dead runners left behind and removes it."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from slipway.evaluation.sandbox import slots
from slipway.evaluation.sandbox.cgroups import PARENT, find_hierarchies
from slipway.evaluation.sandbox.errors import SandboxUnsupported
from slipway.evaluation.sandbox.holder import clear_away


@dataclass(frozen=True, slots=True)
class Reaped:
    """What one sweep found: sandboxes alive, removed, and those that would not go (by name)."""

    alive: tuple[str, ...]
    removed: tuple[str, ...]
    stuck: tuple[str, ...]


def _names(roots: tuple[Path, ...]) -> set[str]:
    """Return every sandbox name of which a lock, a directory or a cgroup exists."""
    found: set[str] = set()
    for folder in (slots.STATE, *(root / PARENT for root in roots)):
        # Who is not root may not list the state directory, and `slipway doctor` is for everybody.
        with contextlib.suppress(FileNotFoundError, PermissionError):
            found |= {entry.name.removesuffix(".lock") for entry in folder.iterdir()}
    return {name for name in found if len(name) == 5 and name[0] == "s" and name[1:].isdigit()}


def reap(*, remove: bool = True) -> Reaped:
    """Remove every sandbox whose runner and holder are both dead; with ``remove`` false only look.

    Safe beside running sandboxes of any process: a living one holds its lock.
    """
    try:
        roots = find_hierarchies().roots
    except SandboxUnsupported:
        roots = ()
    if remove:
        slots.state_directory()
    alive, removed, stuck = [], [], []
    for name in sorted(_names(roots)):
        path = slots.STATE / f"{name}.lock"
        if not remove and not path.exists():
            stuck.append(name)
            continue
        lock = slots.try_lock(path, create=remove)
        if lock is None:
            if path.exists():
                alive.append(name)
            continue
        try:
            if not remove:
                stuck.append(name)
            elif clear_away(str(slots.STATE / name), [str(root / PARENT / name) for root in roots]):
                removed.append(name)
            else:
                stuck.append(name)
        finally:
            os.close(lock)
    return Reaped(tuple(alive), tuple(removed), tuple(stuck))
