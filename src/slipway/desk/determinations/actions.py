"""Every write of determinations and reports.

A determination is a person's act; nothing here makes one. A report is built
and signed outside any transaction (``report.py``) and issued in a short one.
"""

from __future__ import annotations

import secrets
from datetime import datetime

from django.db import transaction

from slipway.base.clock import format_instant
from slipway.base.errors import InvalidInput, NotFound, Problem, Refused
from slipway.desk.accounts.viewer import Viewer
from slipway.desk.determinations.inputs import DeterminationInput
from slipway.desk.determinations.models import Determination, Report
from slipway.desk.determinations.report import Built
from slipway.desk.reviews import actions as reviews
from slipway.desk.reviews import policy
from slipway.desk.reviews.chain import note
from slipway.desk.reviews.receipts import Receipt
from slipway.desk.runs import actions as run_actions
from slipway.desk.runs import queries as runs
from slipway.desk.runs.models import Run
from slipway.evidence import seal
from slipway.programme.rule import Verdict
from slipway.programme.stages import Act


@transaction.atomic
def determine(*, acting: Viewer, ref: str, given: DeterminationInput) -> tuple[Determination, Receipt]:
    """Record what a person with authority decided. A later one supersedes it and both stay."""
    review, at = reviews.take(acting, ref)
    policy.step(acting, Act.DETERMINE, review, at)
    if acting.person_id is None or acting.via == "system":
        raise Refused("a determination is made by a person", code="act.not_yours")
    run = _run(acting, review.id, given)
    if given.expires_at is not None and given.expires_at <= at:
        raise InvalidInput(
            [Problem("expires_at", f"{format_instant(given.expires_at)} is past", "give a later instant")],
            what="determination",
        )
    last = Determination.objects.filter(review=review).order_by("-revision").first()
    made = Determination(
        review=review,
        run=run,
        revision=1 if last is None else last.revision + 1,
        verdict=given.verdict,
        reason_code=given.reason_code,
        reason=given.reason,
        consultations=[dict(c) for c in given.consultations],
        dissent=given.dissent,
        expires_at=given.expires_at,
        proposed=str(run.proposal["verdict"]) if run.proposal else "",
        decided_by=acting.name,
        decided_by_id=acting.person_id,
        decided_at=at,
        salt=secrets.token_bytes(32),
    )
    reviews.mark_determined(acting=acting, review=review, at=at)
    receipt = note(
        acting,
        "determination.recorded",
        review,
        {
            "run": run.ref,
            "registration": run.registration,
            "plan_digest": run.plan_digest,
            "revision": made.revision,
            "supersedes": None if last is None else last.record,
        },
        at,
        sealed=seal.commitments(bytes(made.salt), made.sealed_fields()),
    )
    made.record = receipt.record
    made.save()
    return made, receipt


def _run(acting: Viewer, review_id: str, given: DeterminationInput) -> Run:
    """Return the finished run that the determination rests on; an integrity flag allows one verdict only."""
    try:
        run = runs.get(acting, given.run)
    except NotFound:
        run = None
    if run is None or run.review_id != review_id:
        raise InvalidInput(
            [Problem("run", f"{given.run!r} is no run of this review", "name one of its runs")],
            what="determination",
        )
    if run.state not in ("complete", "incomplete") or run.statistics is None:
        raise Refused(
            f"{run.ref} is {run.state}; a determination rests on a finished run", code="run.not_finished"
        )
    flagged = [c["name"] for c in (run.finish or {}).get("integrity", []) if c["status"] == "fail"]
    if flagged and given.verdict != Verdict.INSUFFICIENT:
        raise Refused(
            f"an integrity check stands against {run.ref} ({', '.join(flagged)}): "
            "only insufficient evidence can be recorded on it",
            code="run.integrity",
        )
    return run


@transaction.atomic
def issue(*, acting: Viewer, ref: str, built: Built) -> tuple[Report, Receipt]:
    """Issue a built report: its digests go to the log, and its items are disclosed to the developer."""
    review, at = reviews.take(acting, ref)
    policy.step(acting, Act.ISSUE_REPORT, review, at)
    newest = Determination.objects.filter(review=review).order_by("-revision").first()
    if newest is None or newest.id != built.determination_id:
        raise Refused(
            "another determination was recorded meanwhile; build the report again", code="report.stale"
        )
    last = Report.objects.filter(review=review).order_by("-edition").values_list("edition", flat=True).first()
    body = {**built.issued, "edition": (last or 0) + 1, "determination": newest.record}
    receipt = note(acting, "report.issued", review, body, at)
    made = Report.objects.create(
        review=review,
        determination=newest,
        edition=(last or 0) + 1,
        state="sealing",
        dossier=built.dossier,
        html=built.html,
        pdf=built.pdf,
        statement=built.statement,
        certificate=built.certificate,
        html_sha256=built.issued["html_sha256"],
        pdf_sha256=built.issued["pdf_sha256"] or "",
        record=receipt.record,
        built_at=at,
        built_by=acting.name,
    )
    run_actions.disclose(Run.objects.select_for_update().get(pk=newest.run_id))
    return made, receipt


@transaction.atomic
def mark_ready(*, report_id: str, bundle_sha256: str) -> None:
    """Note that the bundle of a report is written. Bookkeeping of a file; the act was the issue."""
    Report.objects.filter(pk=report_id, state="sealing").update(state="ready", bundle_sha256=bundle_sha256)


def expired(made: Determination, now: datetime) -> bool:
    """Say whether a determination's own expiry has come."""
    return made.expires_at is not None and made.expires_at <= now
