"""Policy packs: the rules of a programme as versioned data with source and date.

The packs that slipway brings lie beside this module; a site may read others
from files with :func:`load_file`. A pack can say how long, from when, under
which terms and by which rule. It cannot say who may release: that is not data.
"""

from __future__ import annotations

import functools
from importlib import resources
from pathlib import Path

from slipway.base.errors import InvalidInput, Problem
from slipway.programme.packs._model import (
    Clause,
    ClockRule,
    GrantRule,
    Head,
    Level,
    LimitSet,
    Obligation,
    Pack,
    Provenance,
    Source,
    Tag,
    WindowRule,
)
from slipway.programme.packs._parse import parse

__all__ = [
    "Clause",
    "ClockRule",
    "GrantRule",
    "Head",
    "Level",
    "LimitSet",
    "Obligation",
    "Pack",
    "Provenance",
    "Source",
    "Tag",
    "WindowRule",
    "available",
    "load",
    "load_file",
    "parse",
]


@functools.cache
def available() -> tuple[str, ...]:
    """Return the names of the packs that slipway brings, sorted."""
    here = resources.files(__name__)
    return tuple(sorted(item.name[:-5] for item in here.iterdir() if item.name.endswith(".toml")))


def load(name_or_path: str | Path) -> Pack:
    """Return a pack: by name from those that slipway brings, or, given a ``Path``, from a file.

    A text is only ever a name, so that what a caller of the desk sends can
    never open a file. Raises :class:`InvalidInput`.
    """
    return load_file(name_or_path) if isinstance(name_or_path, Path) else _load(name_or_path)


@functools.cache
def _load(name: str) -> Pack:
    if name not in available():
        problem = Problem("pack", f"{name!r} is not known", f"choose one of {', '.join(available())}")
        raise InvalidInput([problem], what="policy pack")
    pack = parse(resources.files(__name__).joinpath(f"{name}.toml").read_bytes())
    if pack.name != name:
        raise InvalidInput([Problem("name", f"{pack.name!r} is not the file's name", f"write {name!r}")])
    return pack


def load_file(path: Path) -> Pack:
    """Read a pack from a file. Raises :class:`InvalidInput`, also when it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        problem = Problem("file", f"{path} cannot be read: {error.strerror}", "name a TOML file")
        raise InvalidInput([problem], what="policy pack") from None
    return parse(data)
