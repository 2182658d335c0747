"""What commands print: text for people or one JSON object, and progress on stderr only on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def json_option(function: F) -> F:
    """Add ``--json``; the command receives it as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")(
        function
    )


def dry_run_option(function: F) -> F:
    """Add ``--dry-run``; the command receives it as ``dry_run``."""
    return click.option("--dry-run", is_flag=True, help="Say what would be done; change nothing.")(function)


class _Answer:
    """Whether this command line has printed its JSON object: whoever reads stdout expects one and no more."""

    given = False


def new_answer() -> None:
    """Begin a command line: nothing is answered yet."""
    _Answer.given = False


def emit_once(data: Mapping[str, Any]) -> None:
    """Print ``data`` as JSON unless the command's object is printed already (an error that came after it)."""
    if not _Answer.given:
        emit(data, [], True)


def emit(data: Mapping[str, Any], lines: Sequence[str], as_json: bool) -> None:
    """Print ``data`` as JSON, or ``lines`` for people."""
    if as_json:
        _Answer.given = True
        print(json.dumps(data, ensure_ascii=False, indent=None, default=str), flush=True)
    else:
        for line in lines:
            print(line, flush=True)


def table(rows: Sequence[Sequence[Any]], heads: Sequence[str]) -> list[str]:
    """Return aligned lines; the last column is never padded, None is an empty cell."""
    if not rows:
        return []
    every = [list(heads), *(["" if cell is None else str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in every) for i in range(len(heads))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in every
    ]


def pairs(data: Mapping[str, Any], names: Sequence[str] = ()) -> list[str]:
    """Return ``name: value`` lines for the plain values of ``data`` (or those named)."""
    shown = names or [name for name, value in data.items() if not isinstance(value, (dict, list))]
    return [
        f"{name.replace('_', ' ')}: {data[name]}"
        for name in shown
        if data.get(name) not in (None, "", [], {})
    ]


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield ``set(done)``; draws a bar on stderr when that is a terminal, else does nothing."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)
