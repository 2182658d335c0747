"""The report from request to bundle: build and sign, issue in one short transaction, pack when sealed."""

from __future__ import annotations

import threading
import time

from slipway.base.errors import Unavailable
from slipway.desk.accounts.viewer import Viewer
from slipway.desk.determinations import actions, report
from slipway.desk.determinations.models import Report
from slipway.desk.reviews.receipts import Receipt

# A build holds a request slot for seconds. Were they unlimited, whoever may ask for a
# report could fill every slot and make a developer wait for her release.
_BUILDING = threading.Lock()


def make(*, acting: Viewer, ref: str, wait: float = report.SEAL_SECONDS) -> tuple[Report, Receipt]:
    """Build, issue and, when the log seals the issue within ``wait`` seconds, pack the report.

    Otherwise the report stays *sealing* and :func:`complete` finishes it later;
    nothing is lost and nothing is signed twice. One report is built at a time:
    raises :class:`Unavailable` (``report.busy``) while another is.
    """
    if not _BUILDING.acquire(blocking=False):
        raise Unavailable("another report is being built; ask again in a few seconds", code="report.busy")
    try:
        return _make(acting, ref, wait)
    finally:
        _BUILDING.release()


def _make(acting: Viewer, ref: str, wait: float) -> tuple[Report, Receipt]:
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
