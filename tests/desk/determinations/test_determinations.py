"""Determinations are made by people with authority; reports are signed, reproducible and verify offline."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from slipway.base.errors import Exit
from slipway.desk.determinations.models import Determination, Report
from slipway.evidence.verify import verify_file
from tests.desk.determinations.sealing import sealing
from tests.desk.reviews.steps import Case, finished, outcome, seal_log

pytestmark = pytest.mark.django_db

BODY = {"run": "RUN-1", "verdict": "covered", "reason_code": "follows-proposal", "reason": "as proposed"}


def test_only_a_person_with_authority_determines(case: Case) -> None:
    case.to_open()
    case.measure()
    for who in ("ada", "lee", "ben"):
        getattr(case, who).post(f"/reviews/{case.ref}/determination", BODY, expect=409)
    assert Determination.objects.count() == 0
    case.dana.post(f"/reviews/{case.ref}/determination", BODY, expect=201)


def test_a_finished_run_decides_nothing_by_itself(case: Case) -> None:
    case.to_open()
    done = case.measure()
    assert done["proposal"]["verdict"]
    case.dana.get(f"/reviews/{case.ref}/determination", expect=404)
    assert case.ada.get(f"/reviews/{case.ref}")["determined"] is False


def test_bad_determinations_are_named_at_once(case: Case) -> None:
    case.to_open()
    case.measure()
    bad = {
        "run": "",
        "verdict": "perhaps",
        "reason_code": "Not A Code",
        "consultations": [{"office": "", "when": "yesterday", "note": "n"}],
        "expires_at": "soon",
    }
    answer = case.dana.post(f"/reviews/{case.ref}/determination", bad, expect=422)
    assert {e["field"] for e in answer["errors"]} == {
        "run",
        "verdict",
        "reason_code",
        "reason",
        "consultations[0].office",
        "consultations[0].when",
        "expires_at",
    }


def test_a_determination_needs_a_finished_run(case: Case) -> None:
    case.to_open()
    case.register()
    case.start()
    case.dana.post(f"/reviews/{case.ref}/determination", BODY, expect=409)


def test_an_integrity_flag_allows_insufficient_evidence_only(case: Case) -> None:
    case.to_open()
    made = case.register()
    case.start()
    items = [outcome(i, e, "pass") for i in made["plan"]["suite"]["items"] for e in (1, 2)]
    case.ben.post(f"/runs/{case.run}/items", items)
    flag = [{"name": "flag search", "status": "fail", "reason": "grep for the flag"}]
    done = case.ben.post(f"/runs/{case.run}/finish", finished(integrity=flag))
    assert done["proposal"]["verdict"] == "insufficient evidence"
    refused = case.dana.post(f"/reviews/{case.ref}/determination", BODY, expect=409)
    assert refused["code"] == "run.integrity"
    case.dana.post(
        f"/reviews/{case.ref}/determination", {**BODY, "verdict": "insufficient evidence"}, expect=201
    )


def test_a_later_determination_supersedes_and_both_stay(case: Case) -> None:
    case.to_open()
    case.measure()
    case.determine("covered")
    case.determine("insufficient evidence")
    found = case.ada.get(f"/reviews/{case.ref}/determination")
    assert found["verdict"] == "insufficient evidence"
    assert [d["verdict"] for d in found["superseded"]] == ["covered"]


def test_report_is_reproducible_and_its_parts_are_what_was_signed(case: Case, tmp_path: Path) -> None:
    from slipway.desk.determinations import report

    case.to_open()
    case.measure()
    case.determine()
    with sealing():
        dana = _viewer("dana")
        first = report.build(acting=dana, ref=case.ref)
        second = report.build(acting=dana, ref=case.ref)
        assert first.html == second.html
        assert first.pdf is not None and first.pdf == second.pdf
        assert first.pdf.startswith(b"%PDF-")
        assert first.statement == second.statement
        made = case.dana.post(f"/reviews/{case.ref}/report")
    assert made["state"] == "ready"
    html = case.ada.get(f"/reviews/{case.ref}/report.html")
    pdf = case.ada.get(f"/reviews/{case.ref}/report.pdf")
    assert html.content == first.html and pdf.content == first.pdf
    lead = "by the rules of policy pack eo-14409 2026.1 ("
    assert lead in html.content.decode(), "the pack is a rule book, not somebody's standing"
    assert "script-src" not in html.headers["Content-Security-Policy"]
    path = tmp_path / "b.zip"
    path.write_bytes(case.ada.get(f"/reviews/{case.ref}/bundle").content)
    with zipfile.ZipFile(path) as bundle:
        assert bundle.read("report.pdf") == pdf.content
        disclosed = json.loads(bundle.read("disclosures/determination.json"))
        opened = {name: value for _, name, value in disclosed["fields"]}
        assert opened["verdict"] == "insufficient evidence"
        assert b"not an approval" in _payload(bundle.read("certificate.dsse.json"))
    vkey = case.ada.client.get("/api/v1/log/key").content.decode().strip()
    verdict = verify_file(path, vkey)
    assert verdict.status is Exit.OK, verdict.checks
    by_name = {c.name: str(c.status) for c in verdict.checks}
    assert by_name["certificate"] == by_name["disclosures"] == by_name["exports"] == "pass"


def _viewer(who: str) -> object:
    from slipway.desk.accounts.models import Membership
    from slipway.desk.accounts.viewer import of_membership

    row = Membership.objects.select_related("person", "organisation").get(person__email__startswith=f"{who}@")
    return of_membership(row, via="session")


def _payload(envelope: bytes) -> bytes:
    import base64

    return base64.b64decode(json.loads(envelope)["payload"])


def test_a_changed_bundle_file_is_not_handed_out(case: Case) -> None:
    from slipway.desk.determinations.report import bundle_path

    case.to_open()
    case.measure()
    case.determine()
    with sealing():
        case.dana.post(f"/reviews/{case.ref}/report")
    path = bundle_path(Report.objects.get())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    assert case.ada.get(f"/reviews/{case.ref}/bundle", expect=503)["code"] == "bundle.changed"


def test_a_report_whose_issue_is_not_sealed_yet_is_finished_later(case: Case) -> None:
    from slipway.desk.determinations import service

    case.to_open()
    case.measure()
    case.determine()
    seal_log()
    made, _ = service.make(acting=_viewer("dana"), ref=case.ref, wait=0.0)  # type: ignore[arg-type]
    assert made.state == "sealing"
    case.ada.get(f"/reviews/{case.ref}/bundle", expect=409)
    seal_log()
    assert case.ada.get(f"/reviews/{case.ref}/report")["state"] == "ready"


def test_one_report_is_built_at_a_time(case: Case) -> None:
    """The slots of the desk stay free for others, a release above all."""
    from slipway.desk.determinations import service

    case.to_open()
    case.measure()
    case.determine()
    with service._BUILDING:
        assert case.dana.post(f"/reviews/{case.ref}/report", expect=503)["code"] == "report.busy"
        case.ada.post(f"/reviews/{case.ref}/release", {"kind": "public", "confirm": case.ref})
    with sealing():
        case.dana.post(f"/reviews/{case.ref}/report")


def test_the_report_discloses_items_to_the_developer(case: Case) -> None:
    case.to_open()
    case.measure()
    case.determine()
    assert case.ada.get(f"/runs/{case.run}")["items"] is None
    with sealing():
        case.ada.post(f"/reviews/{case.ref}/report")
    assert len(case.ada.get(f"/runs/{case.run}")["items"]) == 12


def test_what_a_person_writes_cannot_become_markup(case: Case) -> None:
    case.to_open()
    case.measure()
    body = {**BODY, "reason": "<script>alert(1)</script> & <b>x</b>"}
    case.dana.post(f"/reviews/{case.ref}/determination", body, expect=201)
    with sealing():
        case.dana.post(f"/reviews/{case.ref}/report")
    html = case.ada.get(f"/reviews/{case.ref}/report.html").content
    assert b"<script" not in html and b"&lt;script&gt;" in html


def test_a_stranger_and_a_partner_get_no_report(case: Case) -> None:
    case.to_open()
    case.measure()
    case.determine()
    with sealing():
        case.dana.post(f"/reviews/{case.ref}/report")
    for who in ("mallory", "cy"):
        for path in ("report", "report.pdf", "report.html", "bundle", "determination"):
            getattr(case, who).get(f"/reviews/{case.ref}/{path}", expect=404)
