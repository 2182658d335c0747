"""Ports of the runner: to whom a run reports, and how it tells a person where it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from slipway.evaluation.runner.planning import Plan

JSONMap = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Registration:
    """A registered run: its reference (``RUN-3``) and the record that registered it."""

    ref: str
    record: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is. ``phase`` is one of prepare, register, start, run, merge, finish."""

    phase: str
    message: str
    done: int = 0
    total: int = 0
    passed: int = 0
    missing: int = 0


ProgressSink = Callable[[Progress], None]


class Reporter(Protocol):
    """To whom a run reports. Every method may raise Unavailable (try again) or Refused (do not)."""

    def register(self, plan: Plan) -> Registration:
        """Register the plan before anything runs; the same plan and run folder give the same run."""
        ...

    def wait_sealed(self, registration: Registration) -> None:
        """Return when the registration stands in the evidence log."""
        ...

    def start(self, registration: Registration, containment: JSONMap) -> None:
        """Report that containment was shown and the run begins."""
        ...

    def items(self, registration: Registration, items: Sequence[JSONMap]) -> None:
        """Report finished attempts; the same attempt may be reported again."""
        ...

    def finish(self, registration: Registration, outcome: JSONMap) -> JSONMap:
        """Report the end, complete or not; returns the desk's view of the run."""
        ...


class NullReporter:
    """Reports to nobody: for running a suite without a desk. Nothing is registered, so it proves nothing."""

    def register(self, plan: Plan) -> Registration:
        """Return a reference that no desk knows."""
        return Registration(ref="local", record="")

    def wait_sealed(self, registration: Registration) -> None:
        """Return at once."""

    def start(self, registration: Registration, containment: JSONMap) -> None:
        """Do nothing."""

    def items(self, registration: Registration, items: Sequence[JSONMap]) -> None:
        """Do nothing; the journal holds the items."""

    def finish(self, registration: Registration, outcome: JSONMap) -> JSONMap:
        """Return the outcome itself."""
        return outcome
