"""Errors that name the field, the value's problem and what would be right.

Every error that can reach a person derives from :class:`SlipwayError`. It
carries a stable ``code`` (never renamed once published, RFC 9457 ``type``
suffix) and, for bad input, *all* problems found and not only the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """Documented exit codes of the command line."""

    OK = 0
    INVALID = 1
    USAGE = 2
    UNDECIDABLE = 3
    REFUSED = 4
    UNAVAILABLE = 5
    INCOMPLETE = 6
    INTERNAL = 70


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input.

    ``field`` is a dotted path (``window.max_days``), ``problem`` says what is
    wrong with the value there, ``fix`` says what would be right.
    """

    field: str
    problem: str
    fix: str

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}; {self.fix}"

    def as_dict(self) -> dict[str, str]:
        """Return the three parts as plain strings, for JSON."""
        return {"field": self.field, "problem": self.problem, "fix": self.fix}


class SlipwayError(Exception):
    """Base of every error that slipway raises on purpose.

    ``code`` is stable and machine-readable, ``status`` is the HTTP status an
    edge answers with, ``exit_code`` what the command line ends with.
    """

    code: str = "slipway.error"
    status: int = 400
    exit_code: Exit = Exit.INVALID

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code

    def as_problem(self) -> dict[str, Any]:
        """Return an RFC 9457 problem object (without ``instance``)."""
        return {
            "type": f"urn:slipway:problem:{self.code}",
            "title": self.message,
            "status": self.status,
            "code": self.code,
        }


class InvalidInput(SlipwayError):
    """Input that was refused as a whole; lists every problem found."""

    code = "input.invalid"
    status = 422

    def __init__(self, problems: Iterable[Problem], *, what: str = "input", code: str | None = None) -> None:
        self.problems = tuple(problems)
        if not self.problems:
            raise ValueError("InvalidInput needs at least one problem")
        lines = "; ".join(str(p) for p in self.problems)
        super().__init__(f"{what} was refused: {lines}", code=code)
        self.what = what

    def as_problem(self) -> dict[str, Any]:
        """Return an RFC 9457 problem object with an ``errors`` list."""
        body = super().as_problem()
        body["title"] = f"{self.what} was refused"
        body["errors"] = [p.as_dict() for p in self.problems]
        return body


class Refused(SlipwayError):
    """A rule forbids the act for this actor in this state."""

    code = "act.refused"
    status = 409
    exit_code = Exit.REFUSED


class NotFound(SlipwayError):
    """Nothing the viewer may see is there (also the answer to a stranger)."""

    code = "not_found"
    status = 404


class Unavailable(SlipwayError):
    """Something slipway depends on does not answer; trying again may help."""

    code = "unavailable"
    status = 503
    exit_code = Exit.UNAVAILABLE


class ProblemList:
    """Collects problems while an input is read, so that all are reported together."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._problems: list[Problem] = []

    def add(self, field: str, problem: str, fix: str) -> None:
        """Note one problem."""
        self._problems.append(Problem(field, problem, fix))

    def extend(self, problems: Iterable[Problem]) -> None:
        """Note several problems."""
        self._problems.extend(problems)

    def __bool__(self) -> bool:
        return bool(self._problems)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything noted so far."""
        return tuple(self._problems)

    def raise_if_any(self) -> None:
        """Raise :class:`InvalidInput` when anything was noted."""
        if self._problems:
            raise InvalidInput(self._problems, what=self.what)


def problems_from_json(body: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Read the ``errors`` of an RFC 9457 answer back into problems (client side)."""
    found = []
    for item in body.get("errors") or ():
        if isinstance(item, Mapping):
            found.append(
                Problem(str(item.get("field", "?")), str(item.get("problem", "?")), str(item.get("fix", "?")))
            )
    return tuple(found)
