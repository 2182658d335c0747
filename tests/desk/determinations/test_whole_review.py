"""One review from draft to verified bundle, through the REST API alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slipway.base.errors import Exit
from slipway.evidence.verify import verify_file
from tests.desk.determinations.sealing import sealing
from tests.desk.reviews.steps import Case, seal_log

pytestmark = pytest.mark.django_db


def test_whole_review(case: Case, tmp_path: Path) -> None:
    case.to_open()
    done = case.measure()
    assert done["state"] == "complete"
    assert done["statistics"]["passes"] == 6
    assert done["proposal"]["verdict"] in ("covered", "not covered", "insufficient evidence")
    case.determine()
    with sealing():
        report = case.dana.post(f"/reviews/{case.ref}/report")
    assert report["state"] == "ready", report
    case.ada.post(f"/reviews/{case.ref}/release", {"kind": "partners", "confirm": case.ref})
    bundle = case.ada.get(f"/reviews/{case.ref}/bundle")
    path = tmp_path / "bundle.zip"
    path.write_bytes(bundle.content)
    vkey = case.ada.client.get("/api/v1/log/key").content.decode().strip()
    verdict = verify_file(path, vkey)
    assert verdict.status is Exit.OK, verdict.checks
    seal_log()
    timeline: list[dict[str, Any]] = case.ada.get(f"/reviews/{case.ref}/timeline")
    assert [t["type"] for t in timeline if t["type"] == "review.released"] == ["review.released"]
    assert all(t["sealed"] for t in timeline)
