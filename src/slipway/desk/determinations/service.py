"""The report from request to bundle: build and sign, issue in one short transaction, pack when sealed."""

from __future__ import annotations

import time

from slipway.desk.accounts.viewer import Viewer
from slipway.desk.determinations import actions, report
from slipway.desk.determinations.models import Report
from slipway.desk.reviews.receipts import Receipt


def make(*, acting: Viewer, ref: str, wait: float = report.SEAL_SECONDS) -> tuple[Report, Receipt]:
    """Build, issue and, when the log seals the issue within ``wait`` seconds, pack the report.

    Otherwise the report stays *sealing* and :func:`complete` finishes it later;
    nothing is lost and nothing is signed twice.
    """
    built = report.build(acting=acting, ref=ref, wait=wait)
    made, receipt = actions.issue(acting=acting, ref=ref, built=built)
    deadline = time.monotonic() + wait
    while not complete(made) and time.monotonic() < deadline:
        time.sleep(0.05)
    return made, receipt


def complete(made: Report) -> bool:
    """Pack the bundle of a report whose issue is sealed by now; return whether the bundle is there."""
    if made.state == "ready":
        return True
    digest = report.pack(made.id)
    if digest is None:
        return False
    actions.mark_ready(report_id=made.id, bundle_sha256=digest)
    made.refresh_from_db(fields=["state", "bundle_sha256"])
    return True
