"""The matrix and the chart of a run's page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString

from slipway.desk.runs import queries
from slipway.desk.runs.models import Run
from slipway.desk.theme import charts


@dataclass(frozen=True, slots=True)
class Row:
    """One item: an outcome a planned attempt ("" while it is not told), and the reasons of missing ones."""

    item: str
    family: str
    domain: str
    cells: tuple[tuple[int, str, str], ...]
    passed: int
    scored: int


@dataclass(frozen=True, slots=True)
class Matrix:
    """Every planned attempt, in plan order."""

    epochs: range
    rows: tuple[Row, ...]


def matrix(run: Run) -> Matrix:
    """Return the matrix of a run as told so far."""
    told = {(r.item, r.epoch): (r.outcome, r.reason) for r in queries.items_of(run)}
    epochs = range(1, run.plan["epochs"] + 1)
    rows = []
    for item in run.plan["suite"]["items"]:
        cells = tuple((e, *told.get((item["id"], e), ("", ""))) for e in epochs)
        outcomes = [outcome for _, outcome, _ in cells]
        rows.append(
            Row(
                item["id"],
                item["family"],
                item["domain"],
                cells,
                outcomes.count("pass"),
                outcomes.count("pass") + outcomes.count("fail"),
            )
        )
    return Matrix(epochs, tuple(rows))


def chart(statistics: Mapping[str, Any], rule: Mapping[str, Any]) -> SafeString:
    """Return the estimates with their intervals against the line of the rule."""
    named = [statistics["fixed"], statistics["generalised"], *statistics["by_domain"]]
    items = [
        charts.Interval(
            e["name"], float(e["estimate"]), float(e["low"]), float(e["high"]), f"{float(e['estimate']):.0%}"
        )
        for e in named
        if e is not None
    ]
    share = f"{float(statistics['confidence']):.0%}"
    return charts.intervals(
        f"Success rates with {share} intervals",
        items,
        threshold=float(rule["line"]),
        threshold_label="line of the rule",
    )
