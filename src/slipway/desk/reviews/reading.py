"""Reading what a caller sent, from JSON or from a form, so that *all* problems are named at once.

Pydantic would stop at wrong types before any rule of ours is asked; here a
wrong type, a missing field, an unknown field and a broken rule are reported
together, each with its field, the problem and what would be right.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from slipway.base.clock import parse_instant
from slipway.base.errors import InvalidInput, ProblemList

# Days are added to instants; near the calendar's ends the sum would be no date.
_YEARS = range(2000, 3000)
_YEARS_FIX = "give a year from 2000 to 2999"


class Reader:
    """Reads the fields of one object; problems collect and :meth:`done` raises them together.

    ``form`` marks input of an HTML form, where numbers arrive as text and an
    empty field means that nothing was given.
    """

    def __init__(self, data: object, *, what: str, prefix: str = "", form: bool = False) -> None:
        self.problems = ProblemList(what)
        self.prefix = prefix
        self.form = form
        self.data: Mapping[str, Any] = {}
        self._known: set[str] = set()
        if isinstance(data, Mapping):
            self.data = data
        else:
            self.problems.add(prefix.rstrip(".") or "body", "is not an object", "send a JSON object")

    def field(self, name: str) -> str:
        """Return the dotted path of ``name``."""
        return f"{self.prefix}{name}"

    def bad(self, name: str, problem: str, fix: str) -> None:
        """Note a problem with ``name``."""
        self.problems.add(self.field(name), problem, fix)

    def raw(self, name: str) -> Any:
        """Return the value of ``name`` as it came, or None."""
        self._known.add(name)
        value = self.data.get(name)
        return None if self.form and value == "" else value

    def text(
        self, name: str, *, fix: str, required: bool = True, longest: int = 4000, one_line: bool = False
    ) -> str:
        """Return stripped text, "" when absent; ``longest`` counts characters."""
        value = self.raw(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            if required:
                self.bad(name, "is missing", fix)
            return ""
        if not isinstance(value, str):
            decimal = isinstance(value, float)
            self.bad(name, "is not text", 'write decimals as text, like "1.5"' if decimal else fix)
            return ""
        value = value.strip().replace("\r\n", "\n")
        if len(value) > longest:
            self.bad(name, f"has {len(value)} characters", f"use at most {longest}")
        if any((ord(c) < 32 and c not in "\n\t") or 0xD800 <= ord(c) <= 0xDFFF for c in value):
            self.bad(name, "contains control characters", "use plain text")
        elif one_line and ("\n" in value or "\t" in value):
            self.bad(name, "has more than one line", "write it on one line")
        return value

    def choice(self, name: str, options: Collection[str], *, required: bool = True, default: str = "") -> str:
        """Return one of ``options``; "" (or ``default``) when absent or wrong."""
        value = self.raw(name)
        shown = ", ".join(sorted(options))
        if value is None:
            if required:
                self.bad(name, "is missing", f"give one of: {shown}")
            return default
        if not isinstance(value, str) or value not in options:
            self.bad(name, f"{_shown(value)} is unknown", f"give one of: {shown}")
            return default
        return value

    def integer(
        self,
        name: str,
        *,
        low: int,
        high: int,
        required: bool = True,
        default: int = 0,
        unit: str = "",
    ) -> int:
        """Return a whole number within ``low``..``high``; ``default`` when absent or wrong."""
        value = self.raw(name)
        fix = f"give a whole number from {low} to {high}{' ' + unit if unit else ''}"
        if value is None:
            if required:
                self.bad(name, "is missing", fix)
            return default
        if self.form and isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
            value = int(value.strip()[:20])
        if not isinstance(value, int) or isinstance(value, bool):
            self.bad(name, f"{_shown(value)} is not a whole number", fix)
            return default
        if not low <= value <= high:
            self.bad(name, f"{value} is out of range", fix)
            return default
        return value

    def instant(self, name: str, *, required: bool = False) -> datetime | None:
        """Return an RFC 3339 UTC instant (or, from a form, ``2026-06-20T14:02``), None when absent."""
        value = self.raw(name)
        if value is None:
            if required:
                self.bad(name, "is missing", "write it like 2026-06-20T14:02:00Z (UTC)")
            return None
        if self.form and isinstance(value, str) and len(value) == 16:
            value += ":00Z"
        try:
            found = parse_instant(value, field=self.field(name))
        except InvalidInput as error:
            self.problems.extend(error.problems)
            return None
        if found.year not in _YEARS:
            self.bad(name, f"{_shown(value)} is out of range", _YEARS_FIX)
            return None
        return found

    def day(self, name: str) -> date | None:
        """Return a calendar day, None when absent."""
        value = self.raw(name)
        if value is None:
            return None
        try:
            if not isinstance(value, str) or len(value) != 10:
                raise ValueError(value)
            found = date.fromisoformat(value)
        except ValueError:
            self.bad(name, f"{_shown(value)} is not a day", "write it like 2026-07-15")
            return None
        if found.year not in _YEARS:
            self.bad(name, f"{_shown(value)} is out of range", _YEARS_FIX)
            return None
        return found

    def digest(self, name: str, *, required: bool = True) -> str:
        """Return 64 lower-case hex digits (SHA-256), "" when absent or wrong."""
        value = self.raw(name)
        fix = "give a SHA-256 digest as 64 lower-case hex digits"
        if value is None or value == "":
            if required:
                self.bad(name, "is missing", fix)
            return ""
        if not isinstance(value, str) or len(value) != 64 or not set(value) <= set("0123456789abcdef"):
            self.bad(name, f"{_shown(value)} is not a digest", fix)
            return ""
        return value

    def sequence(self, name: str, *, required: bool = True, most: int = 10_000) -> Sequence[Any]:
        """Return a list, empty when absent or wrong."""
        value = self.raw(name)
        if value is None:
            if required:
                self.bad(name, "is missing", "give a list")
            return ()
        if not isinstance(value, list):
            self.bad(name, "is not a list", "give a list")
            return ()
        if len(value) > most:
            self.bad(name, f"has {len(value)} members", f"give at most {most}")
            return ()
        return value

    def mapping(self, name: str, *, required: bool = True) -> Mapping[str, Any]:
        """Return an object, empty when absent or wrong."""
        value = self.raw(name)
        if value is None:
            if required:
                self.bad(name, "is missing", "give an object")
            return {}
        if not isinstance(value, Mapping):
            self.bad(name, "is not an object", "give an object")
            return {}
        return value

    def inner(self, name: str, *, required: bool = True) -> Reader:
        """Return a reader of the object ``name`` that notes its problems here."""
        reader = Reader(self.mapping(name, required=required), what="", prefix=f"{self.field(name)}.")
        reader.problems = self.problems
        return reader

    def member(self, value: object, name: str, position: int) -> Reader:
        """Return a reader of one member of the list ``name`` that notes its problems here."""
        where = f"{self.field(name)}[{position}]" if name else f"{self.prefix}[{position}]"
        reader = Reader({}, what="", prefix=f"{where}.")
        reader.problems = self.problems
        if isinstance(value, Mapping):
            reader.data = value
        else:
            self.problems.add(where, "is not an object", "give an object")
        return reader

    def no_others(self, *also: str) -> None:
        """Note every field that nothing above asked for: a misspelt optional field must not be lost."""
        for name in sorted(map(str, set(self.data) - self._known - set(also))):
            if not (self.form and name == "csrfmiddlewaretoken"):
                self.bad(name[:80], "is not a field of this request", "remove it or correct its name")

    def done(self) -> None:
        """Raise :class:`InvalidInput` with everything noted."""
        self.problems.raise_if_any()


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
