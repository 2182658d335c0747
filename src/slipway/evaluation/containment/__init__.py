"""Containment: attempts to get out that must all be held, and an open sandbox that must be caught.

A run begins with :func:`preflight`; ``report.require()`` refuses it when a probe got out, when one could
not be judged, when a packet reached the host's canary, or when the suite did not see the open sandbox.
"""

from __future__ import annotations

from slipway.evaluation.containment.report import ContainmentReport, NotContained, PositiveControl
from slipway.evaluation.containment.suite import HOLES, NAMES, preflight, preflight_async

__all__ = [
    "HOLES",
    "NAMES",
    "ContainmentReport",
    "NotContained",
    "PositiveControl",
    "preflight",
    "preflight_async",
]
