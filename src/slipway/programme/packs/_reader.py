"""A strict reader for TOML tables: every key is asked for, every problem is noted."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from slipway.base.errors import ProblemList

E = TypeVar("E", bound=StrEnum)

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,8})(\.[0-9]{1,9})?", re.ASCII)
_WANT = {str: "text in quotes", int: "a whole number", bool: "true or false", list: "a list", dict: "a table"}


class Table:
    """One TOML table. Methods return a usable value even after a problem, so that reading goes on.

    What they return after a problem is never used: :func:`slipway.programme.packs.parse`
    raises before anything is built when a problem was noted.
    """

    def __init__(self, values: dict[str, object], path: str, problems: ProblemList) -> None:
        self._values = values
        self._path = path
        self._asked: set[str] = set()
        self.problems = problems

    def at(self, key: str) -> str:
        """Return the dotted path of a key of this table."""
        return f"{self._path}.{key}" if self._path else key

    def add(self, key: str, problem: str, fix: str) -> None:
        """Note a problem with a key of this table."""
        self.problems.add(self.at(key), problem, fix)

    def _take(self, key: str, kind: type, *, required: bool = True) -> object | None:
        self._asked.add(key)
        if key not in self._values:
            if required:
                self.add(key, "missing", f"give {_WANT.get(kind, 'it')}")
            return None
        value = self._values[key]
        # bool is an int to Python, and a datetime is a date; neither is to a pack.
        if type(value) is not kind:
            self.add(key, f"{_show(value)} is not {_WANT.get(kind, kind.__name__)}", f"give {_WANT[kind]}")
            return None
        return value

    def text(self, key: str, *, longest: int = 2000) -> str:
        """Read a text that is not blank."""
        value = self._take(key, str)
        if not isinstance(value, str):
            return ""
        value = " ".join(value.split())
        if not value:
            self.add(key, "blank", "write some text")
        elif len(value) > longest:
            self.add(key, f"{len(value)} characters long", f"write at most {longest}")
        return value

    def slug(self, key: str) -> str:
        """Read a short name of small letters, digits and hyphens."""
        value = self._take(key, str)
        if not isinstance(value, str):
            return ""
        if not _SLUG.fullmatch(value):
            self.add(
                key,
                f"{_show(value)} is not a short name",
                "use small letters, digits and hyphens, at most 63",
            )
        return value

    def whole(self, key: str, least: int, most: int) -> int:
        """Read a whole number within bounds."""
        value = self._take(key, int)
        if not isinstance(value, int):
            return least
        if not least <= value <= most:
            self.add(key, f"{value} is out of range", f"give {least} to {most}")
        return value

    def decimal(self, key: str, least: str, most: str) -> Decimal:
        """Read a decimal written as text (a binary fraction would not be exact)."""
        self._asked.add(key)
        value = self._values.get(key)
        fix = f'give a decimal in quotes from {least} to {most}, like "{least}"'
        if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
            self.add(key, "missing" if value is None else f"{_show(value)} is not a decimal in quotes", fix)
            return Decimal(least)
        if not Decimal(least) <= Decimal(value) <= Decimal(most):
            self.add(key, f"{value} is out of range", fix)
        return Decimal(value)

    def day(self, key: str, *, required: bool = True) -> date | None:
        """Read a calendar day."""
        self._asked.add(key)
        value = self._values.get(key)
        if value is None and not required:
            return None
        if not isinstance(value, date) or isinstance(value, datetime):
            problem = "missing" if value is None else f"{_show(value)} is not a day"
            self.add(key, problem, "write it without quotes like 2026-06-05")
            return None
        return value

    def choice(self, key: str, kind: type[E]) -> E:
        """Read one of the values of an enumeration."""
        first = next(iter(kind))
        value = self._take(key, str)
        if not isinstance(value, str):
            return first
        try:
            return kind(value)
        except ValueError:
            self.add(key, f"{_show(value)} is not known", f"choose one of {', '.join(kind)}")
            return first

    def texts(self, key: str, *, least: int = 1) -> tuple[str, ...]:
        """Read a list of different texts."""
        value = self._take(key, list)
        if not isinstance(value, list):
            return ()
        found = [item for item in value if isinstance(item, str) and item.strip()]
        if len(found) != len(value):
            self.add(key, "holds something that is not text", "give only texts in quotes")
        if len(set(found)) != len(found):
            self.add(key, "holds the same text twice", "name each once")
        if len(found) < least:
            self.add(key, "too short", f"give at least {least}")
        return tuple(found)

    def table(self, key: str) -> Table:
        """Read a table inside this one."""
        value = self._take(key, dict)
        return Table(value if isinstance(value, dict) else {}, self.at(key), self._muted(value))

    def tables(self, key: str, *, least: int = 1) -> list[Table]:
        """Read a list of tables."""
        value = self._take(key, list, required=least > 0)
        if not isinstance(value, list):
            return []
        if len(value) < least:
            self.add(key, "too short", f"give at least {least}")
        found = []
        for index, item in enumerate(value):
            if isinstance(item, dict):
                found.append(Table(item, f"{self.at(key)}[{index}]", self.problems))
            else:
                self.problems.add(f"{self.at(key)}[{index}]", f"{_show(item)} is not a table", "give a table")
        return found

    def _muted(self, value: object) -> ProblemList:
        # A missing table is one problem, not one for each key that it would have held.
        return self.problems if isinstance(value, dict) else ProblemList("ignored")

    def done(self) -> None:
        """Note every key that nobody asked for."""
        for key in self._values:
            if key not in self._asked:
                near = difflib.get_close_matches(key, sorted(self._asked), n=1)
                known = ", ".join(sorted(self._asked))
                self.add(key, "unknown key", f"did you mean {near[0]}?" if near else f"known here: {known}")


def unique(items: Iterable[tuple[str, str]], problems: ProblemList) -> None:
    """Note each ``(path, id)`` whose id came before."""
    seen: set[str] = set()
    for path, name in items:
        if name and name in seen:
            problems.add(path, f"{name!r} is used twice", "give each its own id")
        seen.add(name)


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
