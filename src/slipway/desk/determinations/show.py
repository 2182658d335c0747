"""Determinations and reports as API answers tell them; the pages read the same values."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from slipway.base.clock import format_instant
from slipway.desk.determinations.models import Determination, Report


def _at(value: datetime | None) -> str | None:
    return None if value is None else format_instant(value)


def determination_json(made: Determination) -> dict[str, Any]:
    """Return one determination."""
    return {
        "id": made.id,
        "review": made.review.ref,
        "run": made.run.ref,
        "revision": made.revision,
        "verdict": made.verdict,
        "proposed": made.proposed,
        "reason_code": made.reason_code,
        "reason": made.reason,
        "consultations": made.consultations,
        "dissent": made.dissent or None,
        "expires_at": _at(made.expires_at),
        "decided_by": made.decided_by,
        "decided_at": _at(made.decided_at),
        "record": made.record,
    }


def report_json(made: Report) -> dict[str, Any]:
    """Return one report: its state and digests, and where its files are."""
    base = f"/api/v1/reviews/{made.review.ref}"
    return {
        "id": made.id,
        "review": made.review.ref,
        "edition": made.edition,
        "state": made.state,
        "verdict": made.determination.verdict,
        "html_sha256": made.html_sha256,
        "pdf_sha256": made.pdf_sha256 or None,
        "bundle_sha256": made.bundle_sha256 or None,
        "record": made.record,
        "built_at": _at(made.built_at),
        "built_by": made.built_by,
        "links": {
            "html": f"{base}/report.html",
            "pdf": f"{base}/report.pdf" if made.pdf_sha256 else None,
            "bundle": f"{base}/bundle" if made.state == "ready" else None,
        },
    }
