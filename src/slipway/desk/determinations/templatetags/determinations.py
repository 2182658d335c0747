"""Tags of the report: the matrix's columns and the interval figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template

register = template.Library()


@register.filter
def count_to(value: Any) -> range:
    """Return 1, 2, … up to ``value``."""
    return range(1, int(value) + 1)


@register.inclusion_tag("determinations/intervals.html")
def interval_figure(block: Mapping[str, Any], where: str, number: int) -> dict[str, Any]:
    """Show estimates with their intervals, as a chart with the table that it was drawn from."""
    points = [
        {
            "name": name,
            "estimate": float(estimate),
            "low": float(low),
            "high": float(high),
        }
        for name, estimate, low, high in block["points"]
    ]
    line = None if block["line"] is None else float(block["line"])
    return {"caption": block["caption"], "points": points, "line": line, "id": f"{where}-{number}"}


@register.filter
def percent(value: Any) -> str:
    """Return a share of one as people read it."""
    return "not estimated" if value in (None, "") else f"{100 * float(value):.1f} %"
