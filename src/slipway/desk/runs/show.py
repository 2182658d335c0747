"""Runs as API answers tell them; the pages read the same values."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from slipway.base.clock import format_instant
from slipway.desk.accounts.viewer import Viewer
from slipway.desk.runs import queries
from slipway.desk.runs.models import Run, RunItem


def _at(value: datetime | None) -> str | None:
    return None if value is None else format_instant(value)


def item_json(row: RunItem) -> dict[str, Any]:
    """Return one attempt."""
    return {
        "item": row.item,
        "family": row.family,
        "domain": row.domain,
        "epoch": row.epoch,
        "outcome": row.outcome,
        "reason": row.reason or None,
        "tokens": row.tokens,
        "turns": row.turns,
        "seconds": row.seconds,
        "sample_digest": row.sample_digest or None,
    }


def row_json(run: Run) -> dict[str, Any]:
    """Return what a list shows of a run."""
    counts = queries.counts(run)
    return {
        "ref": run.ref,
        "id": run.id,
        "review": run.review.ref,
        "state": run.state,
        "suite": run.suite,
        "registered_at": _at(run.registered_at),
        "started_at": _at(run.started_at),
        "finished_at": _at(run.finished_at),
        "progress": {
            "done": counts.done,
            "missing": counts.missing,
            "expected": counts.expected,
            "percent": counts.percent,
        },
    }


def _finish(run: Run) -> dict[str, Any] | None:
    """Return how the run ended, without what names single attempts."""
    if run.finish is None:
        return None
    return {name: value for name, value in run.finish.items() if name not in ("integrity", "egress")}


def run_json(viewer: Viewer, run: Run) -> dict[str, Any]:
    """Return one run; outcomes and figures only to those to whom they are disclosed."""
    body: dict[str, Any] = {
        **row_json(run),
        "record": run.registration,
        "plan": run.plan,
        "plan_digest": run.plan_digest,
        "rule": run.rule,
        "containment": run.containment,
        "finish": _finish(run),
        "disclosure": "items" if queries.sees_items(viewer, run) else "progress",
        "items": None,
        "statistics": None,
        "proposal": None,
    }
    if queries.sees_items(viewer, run):
        counts = queries.counts(run)
        body["progress"] |= {"passed": counts.passed, "failed": counts.failed}
        body["finish"] = run.finish
        body["items"] = [item_json(row) for row in queries.items_of(run)]
        body["statistics"] = run.statistics
        body["proposal"] = run.proposal
    return body
