"""What a dossier consists of: sections of a few kinds of block, all plain text and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from slipway.evaluation.stats import Estimate
from slipway.evaluation.stats.results import decimal

JSONMap = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Facts:
    """Label and value pairs."""

    rows: tuple[tuple[str, str], ...]
    kind: str = "facts"


@dataclass(frozen=True, slots=True)
class Text:
    """Paragraphs."""

    paragraphs: tuple[str, ...]
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a caption; every cell is text."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    kind: str = "table"


@dataclass(frozen=True, slots=True)
class Intervals:
    """Dots with intervals on a scale from 0 to 1, with the line of the decision rule where there is one."""

    caption: str
    points: tuple[tuple[str, float, float, float], ...]
    line: float | None = None
    kind: str = "intervals"


@dataclass(frozen=True, slots=True)
class Matrix:
    """The per-item matrix: one row an item, one cell an epoch (``pass``, ``fail``, ``missing``)."""

    caption: str
    epochs: int
    rows: tuple[tuple[str, str, tuple[str, ...], str], ...]
    kind: str = "matrix"


Block = Facts | Text | Table | Intervals | Matrix


@dataclass(frozen=True, slots=True)
class Section:
    """One section; ``flag`` is set where it holds something that a reader must not miss."""

    id: str
    title: str
    blocks: tuple[Block, ...]
    flag: str = ""


@dataclass(frozen=True, slots=True)
class Dossier:
    """All sections, and the one-page figures in front of them."""

    title: str
    headline: Facts
    sections: tuple[Section, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain lists and strings (numbers of charts as decimal strings)."""
        return _plain(asdict(self))  # type: ignore[no-any-return]


def percent(value: float | None) -> str:
    """Return a share as people read it, one decimal; a missing one is said to be missing."""
    return "not estimated" if value is None else f"{100 * value:.1f} %"


def interval(estimate: Estimate | None) -> str:
    """Return an estimate with its interval in one line."""
    if estimate is None:
        return "not estimated"
    return (
        f"{percent(estimate.estimate)} ({estimate.confidence:.0%} interval "
        f"{percent(estimate.low)} to {percent(estimate.high)})"
    )


def text(value: Any) -> str:
    """Return any JSON value as one line for people; nothing is said to be not given."""
    if value is None or value == "":
        return "not given"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return "; ".join(f"{k}: {text(v)}" for k, v in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(text(v) for v in value) or "none"
    return str(value)


def facts(source: JSONMap, *pairs: tuple[str, str]) -> Facts:
    """Return (label, key) pairs of a mapping as facts."""
    return Facts(tuple((label, text(source.get(key))) for label, key in pairs))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return decimal(value) if isinstance(value, float) else value
