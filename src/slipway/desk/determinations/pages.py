"""Pages of determinations: the determination and its form, the report, its files."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe

from slipway.base.errors import NotFound, Refused
from slipway.desk.accounts.viewer import viewer_of
from slipway.desk.determinations import actions, files, forms, inputs, queries, service, show
from slipway.desk.determinations.report import facts
from slipway.desk.records import queries as records
from slipway.desk.reviews import queries as reviews
from slipway.desk.reviews.context import after, review_context
from slipway.desk.runs import queries as runs

FORM = ["GET", "HEAD", "POST"]


@require_http_methods(FORM)
@login_required
def determination(request: HttpRequest, ref: str) -> HttpResponse:
    """Show the determination in force with those before it; an authority records one here."""
    context = review_context(request, ref, "determination")
    viewer, review = context["viewer"], context["review"]
    finished = [r for r in runs.runs_of(viewer, review) if r.state in ("complete", "incomplete")]
    names = [(r.ref, f"{r.ref}, {r.suite}, {r.state}") for r in finished]
    form = forms.DeterminationForm(request.POST or None, runs=names)
    if request.method == "POST":

        def act(given: dict[str, Any]) -> Any:
            read = inputs.read_determination(given, form=True)
            return actions.determine(acting=viewer, ref=ref, given=read)

        done = form.submit(act)
        if done is not None:
            messages.success(request, f"Your determination is recorded: {done[0].verdict}.")
            return after(f"/reviews/{ref}/determination/", done[1])
    found = queries.determinations_of(viewer, review)
    proposed = next((r for r in finished if r.proposal and runs.sees_items(viewer, r)), None)
    context |= {
        "current": found[0] if found else None,
        "superseded": found[1:],
        "proposed": proposed,
        "finished": finished,
        "form": form,
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "determinations/determination.html", context, status=status)


@require_http_methods(FORM)
@login_required
def report(request: HttpRequest, ref: str) -> HttpResponse:
    """Show the report as it was signed, build it, and offer its files."""
    context = review_context(request, ref, "report")
    viewer, review = context["viewer"], context["review"]
    if request.method == "POST":
        made, receipt = service.make(acting=viewer, ref=ref)
        messages.success(request, f"Edition {made.edition} of the report is built and signed.")
        return after(f"/reviews/{ref}/report/", receipt)
    found = queries.report_of(viewer, review)
    if found is not None:
        service.complete(found)
        context |= {
            "report": show.report_json(found),
            "dossier": found.dossier,
            "facts": facts(review, found.determination),
            "vkey": records.vkey(),
        }
    context["current"] = queries.current(viewer, review)
    return render(request, "determinations/report.html", context)


@require_safe
@login_required
def download(request: HttpRequest, ref: str, kind: str) -> HttpResponse:
    """Answer with a file of the latest report."""
    viewer = viewer_of(request)
    found = queries.report(viewer, reviews.get(viewer, ref))
    match kind:
        case "html":
            return files.html(found)
        case "pdf":
            return files.pdf(found)
        case "bundle":
            if not service.complete(found):
                raise Refused("the report waits for its place in the log; try again", code="report.sealing")
            return files.bundle(found)
        case _:
            raise NotFound(queries.NO_REPORT)
