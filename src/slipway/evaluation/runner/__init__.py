"""Runs: plan, shards, watch, resume, merge, report. Executes on the evaluator's side.

``run`` reaches the model through the gateway
only, with the key of a grant. Import ``plan``, ``run`` and ``report_client``
from here; nothing here imports ``inspect_ai`` until shards execute.
"""

from slipway.evaluation.runner.execute import RunResult, connection_of, resume, run, summary_of
from slipway.evaluation.runner.interface import NullReporter, Progress, Registration, Reporter
from slipway.evaluation.runner.journal import RunFolder, open_folder
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
    "RunFolder",
    "RunResult",
    "connection_of",
    "open_folder",
    "plan",
    "resume",
    "run",
    "summary_of",
]
