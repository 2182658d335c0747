"""Runs: plan, shards, watch, resume, merge, report. Executes on the evaluator's side.

:func:`~slipway.evaluation.runner.run.run` reaches the model through the gateway
only, with the key of a grant. Import ``plan``, ``run`` and ``report_client``
from here; nothing here imports ``inspect_ai`` until shards execute.
"""

from slipway.evaluation.runner.interface import NullReporter, Progress, Registration, Reporter
from slipway.evaluation.runner.planning import Limits, Plan
from slipway.evaluation.runner.planning import make as plan
from slipway.evaluation.runner.report_client import DeskReporter

__all__ = [
    "DeskReporter",
    "Limits",
    "NullReporter",
    "Plan",
    "Progress",
    "Registration",
    "Reporter",
    "plan",
]
