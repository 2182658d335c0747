"""Pages of runs: the list of a review, one run with live progress and per-item results."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from slipway.desk.accounts.viewer import Viewer, viewer_of
from slipway.desk.reviews import exports
from slipway.desk.reviews.context import of_review, review_context
from slipway.desk.runs import figures, queries, show
from slipway.desk.runs.models import Run
from slipway.evaluation.dossier import egress_rows

_COLUMNS = (
    "item", "family", "domain", "epoch", "outcome", "reason", "tokens", "turns", "seconds", "sample_digest",
)  # fmt: skip


@require_safe
@login_required
def listing(request: HttpRequest, ref: str) -> HttpResponse:
    """Show the runs of a review, and how to start one."""
    context = review_context(request, ref, "runs")
    viewer = context["viewer"]
    found = queries.runs_of(viewer, context["review"])
    context |= {"rows": [(run, queries.counts(run)) for run in found]}
    return render(request, "runs/list.html", context)


def _live(viewer: Viewer, run: Run) -> dict[str, Any]:
    """Return what changes while a run goes on."""
    sees = queries.sees_items(viewer, run)
    return {
        "run": run,
        "counts": queries.counts(run),
        "sees_items": sees,
        "matrix": figures.matrix(run) if sees else None,
    }


@require_safe
@login_required
def run(request: HttpRequest, ref: str) -> HttpResponseBase:
    """Show one run, or export its items."""
    viewer = viewer_of(request)
    found = queries.get(viewer, ref)
    kind = exports.wanted(request)
    if kind:
        rows = queries.items_of(found) if queries.sees_items(viewer, found) else ()
        return exports.answer(kind, f"{ref}-items", _COLUMNS, (show.item_json(r) for r in rows))
    context = {**of_review(viewer, found.review, "runs"), **_live(viewer, found)}
    statistics = found.statistics if context["sees_items"] else None
    checks = (found.finish or {}).get("integrity", []) if context["sees_items"] else []
    context |= {
        "plan": found.plan,
        "suite": found.plan["suite"],
        "rule": found.rule,
        "statistics": statistics,
        "chart": figures.chart(statistics, found.rule) if statistics else "",
        "proposal": found.proposal if context["sees_items"] else None,
        "finish": found.finish or {},
        "checks": checks,
        "noticed": [c for c in checks if c["status"] == "attention"],
        "egress": egress_rows((found.finish or {}).get("egress")) if context["sees_items"] else (),
        "containment": found.containment or {},
    }
    return render(request, "runs/run.html", context)


@require_safe
@login_required
def live(request: HttpRequest, ref: str) -> HttpResponse:
    """Answer with the part of the page that changes; htmx asks every two seconds while the run goes on."""
    viewer = viewer_of(request)
    found = queries.get(viewer, ref)
    response = render(request, "runs/live.html", _live(viewer, found))
    if found.state in ("complete", "incomplete"):
        # The figures below the live part are new: load the whole page once, and the asking ends.
        response.headers["HX-Refresh"] = "true"
    return response
