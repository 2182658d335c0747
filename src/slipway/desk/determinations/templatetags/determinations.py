"""Tags of the report: the matrix's columns and the interval figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.safestring import SafeString

from slipway.desk.theme import charts

register = template.Library()


@register.filter
def count_to(value: Any) -> range:
    """Return 1, 2, … up to ``value``."""
    return range(1, int(value) + 1)


@register.filter
def is_long(value: Any) -> bool:
    """Say whether a cell holds a word (a digest) that must be broken to fit a page."""
    return any(len(word) > 36 for word in str(value).split())


@register.simple_tag
def interval_figure(block: Mapping[str, Any]) -> SafeString:
    """Return estimates with their intervals as a chart with its numbers beneath."""
    items = [
        charts.Interval(name, float(estimate), float(low), float(high), f"{float(estimate):.0%}")
        for name, estimate, low, high in block["points"]
    ]
    line = None if block["line"] is None else float(block["line"])
    return charts.intervals(block["caption"], items, threshold=line, threshold_label="line of the rule")
