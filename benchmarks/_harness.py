"""How everything is measured: interleaved pairs, the median of their ratios.

The machines these run on are noisy (fsync speed has been seen to move tenfold
between hours), so a bare figure says nothing. Each pair runs ours and the
peer one right after the other, the order alternating; the result is the
median ratio of the pairs with the smallest and the largest beside it.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class Measure:
    """One line of the answer.

    ``ratio`` is ours to ``versus`` (or a bare figure whose unit ``versus``
    names where there is no peer), ``spread`` the smallest and the largest
    pair, ``goal`` the bound in words such as ``<= 1.5``; ``ok`` says whether
    it holds, None where nothing could be measured (``note`` says why).
    """

    name: str
    versus: str
    ratio: float | None
    spread: tuple[float, float] | None
    goal: str
    ok: bool | None
    note: str = ""

    def as_json(self) -> str:
        """Return the measure as one line of JSON."""
        body: dict[str, Any] = {
            "name": self.name,
            "versus": self.versus,
            "ratio": _short(self.ratio),
            "spread": [_short(end) for end in self.spread] if self.spread else None,
            "goal": self.goal,
            "ok": self.ok is True,
        }
        if self.note:
            body["note"] = self.note
        return json.dumps(body, ensure_ascii=False)


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def paired(a: Callable[[], float], b: Callable[[], float], pairs: int = 9) -> tuple[float, float, float]:
    """Run ``a`` and ``b`` in turn, ``pairs`` times; return median, smallest and largest of a/b.

    Both return what they cost (seconds, bytes). The order alternates so that
    a drift of the machine falls on both sides alike.
    """
    if pairs < 1:
        raise ValueError("pairs must be at least 1")
    ratios = []
    for number in range(pairs):
        if number % 2:
            cost_b, cost_a = b(), a()
        else:
            cost_a, cost_b = a(), b()
        ratios.append(cost_a / cost_b)
    return statistics.median(ratios), min(ratios), max(ratios)


def holds(ratio: float, goal: str) -> bool:
    """Does ``ratio`` keep the bound ``goal`` (``<= 1.5``, ``>= 0.8``)?"""
    sign, _, bound = goal.partition(" ")
    value = Decimal(bound)
    if sign == "<=":
        return Decimal(ratio) <= value
    if sign == ">=":
        return Decimal(ratio) >= value
    raise ValueError(f"a goal is written like '<= 1.5' and not {goal!r}")


def compare(
    name: str,
    ours: Callable[[], float],
    versus: str,
    theirs: Callable[[], float],
    goal: str,
    pairs: int = 9,
) -> Measure:
    """Measure ``ours`` against ``theirs`` in interleaved pairs."""
    ratio, low, high = paired(ours, theirs, pairs)
    return Measure(name, versus, ratio, (low, high), goal, holds(ratio, goal))


def figure(name: str, values: list[float], unit: str, goal: str) -> Measure:
    """Report a bare figure (median of ``values``) where no peer exists; ``unit`` stands as versus."""
    middle = statistics.median(values)
    return Measure(name, unit, middle, (min(values), max(values)), goal, holds(middle, goal))


def unmeasured(name: str, versus: str, goal: str, why: str) -> Measure:
    """Say that something could not be measured here; it counts as a goal that is missed."""
    return Measure(name, versus, None, None, goal, None, why)


def cpu_seconds() -> float:
    """CPU seconds, user and system, of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def cpu_of(pid: int) -> float:
    """CPU seconds, user and system, of another process and its threads so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ordered(measures: Iterator[Measure] | list[Measure]) -> Iterator[str]:
    """Yield the JSON line of each measure as soon as it is there."""
    for measure in measures:
        yield measure.as_json()
