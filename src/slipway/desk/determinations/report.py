"""Building a report: dossier → HTML → PDF → statement → signatures; then its bundle.

Nothing here runs inside a transaction. The same determination and the same log
give the same bytes: dates come from the determination, identifiers from the
content, and no clock is read.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from slipway.base.clock import format_instant
from slipway.base.errors import Refused, SlipwayError, Unavailable
from slipway.desk.accounts.viewer import Viewer
from slipway.desk.determinations import queries, rendering
from slipway.desk.determinations.models import Determination, Report
from slipway.desk.records import queries as records
from slipway.desk.records.site_keys import desk_signer, party_signer, site
from slipway.desk.reviews import clock, packs, policy
from slipway.desk.reviews import queries as reviews
from slipway.desk.reviews.chain import names_of
from slipway.desk.reviews.models import Review
from slipway.desk.runs import results
from slipway.evaluation import dossier as dossiers
from slipway.evaluation import suite as suites
from slipway.evidence import canon, seal
from slipway.evidence.bundle import BundleParts, write_bundle
from slipway.evidence.keys import Signer
from slipway.evidence.statement import (
    PAYLOAD_TYPE,
    certificate_statement,
    chain_head,
    dsse_sign,
    issued_body,
    report_statement,
)
from slipway.programme.stages import Act

SEAL_SECONDS = 10.0
NOT_AN_APPROVAL = "This is not an approval, a licence or a clearance; the developer decides on release."


@dataclass(frozen=True, slots=True)
class Built:
    """A report that is built and signed and not yet issued."""

    determination_id: str
    dossier: Mapping[str, Any]
    html: bytes
    pdf: bytes | None
    statement: Mapping[str, Any]
    certificate: Mapping[str, Any]
    issued: Mapping[str, Any]


def build(*, acting: Viewer, ref: str, wait: float = SEAL_SECONDS) -> Built:
    """Build and sign the report of the determination in force.

    Waits up to ``wait`` seconds until the determination stands in the log;
    raises :class:`Unavailable` when it does not get there.
    """
    review = reviews.get(acting, ref)
    policy.step(acting, Act.ISSUE_REPORT, review, clock.now())
    made = queries.current(acting, review)
    if made is None or review.agency is None:
        raise Refused("there is no determination to report on", code="act.wrong_state")
    _wait_sealed(made.record, wait)
    reader = records.log_reader()
    chain = chain_head(reader, review.id)
    evidence = {
        "origin": reader.origin,
        "vkey": records.vkey(),
        "records": chain["n"],
        "last_leaf": chain["last"],
        "tree_size": chain["size"],
        "tree_root": chain["root"],
    }
    dossier = dossiers.build(_input(review, made, evidence)).as_dict()
    html = rendering.document(dossier, facts(review, made)).encode()
    pdf = rendering.pdf(html)
    signers = _signers(review)
    names = sorted(signers)
    payload = report_statement(
        chain=chain,
        html=html,
        pdf=pdf,
        exports=_exports(dossier, made),
        signers=names,
        predicate=_predicate(review, made),
    )
    envelope = dsse_sign(PAYLOAD_TYPE, payload, *(signers[name] for name in names))
    certificate = dsse_sign(
        PAYLOAD_TYPE,
        certificate_statement(
            report=envelope,
            verifier_id=f"urn:slipway:party:{review.agency.slug}",
            at=made.decided_at,
            properties=_properties(review, made),
        ),
        *(signers[name] for name in names),
    )
    return Built(made.id, dossier, html, pdf, envelope, certificate, issued_body(envelope, html, pdf))


def _wait_sealed(record: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not records.is_sealed(record):
        if time.monotonic() >= deadline:
            raise Unavailable(
                "the determination is not in the evidence log yet; try again when the log is sealing",
                code="log.not_sealed",
            )
        time.sleep(0.05)


def _signers(review: Review) -> dict[str, Signer]:
    assert review.agency is not None
    agency = party_signer(review.agency.slug)
    if agency is None:
        raise Refused(f"the site holds no key for {review.agency.slug}", code="party.no_key")
    return {review.agency.slug: agency, "desk": desk_signer()}


def _input(review: Review, made: Determination, evidence: Mapping[str, Any]) -> dossiers.DossierInput:
    run = made.run
    finish = run.finish or {}
    reason = f"not run: {finish['reason']}" if finish.get("reason") else "not run"
    return dossiers.DossierInput(
        review={
            "ref": review.ref,
            "codename": review.codename,
            "model_name": review.model_name,
            "summary": review.summary,
        },
        plan=run.plan,
        run={"ref": run.ref, "status": run.state, "reason": finish.get("reason"), "record": run.registration},
        summary=results.summary(run, reason[:500]),
        rule=run.rule,
        containment=run.containment or {},
        proposal=run.proposal or {},
        egress=finish.get("egress") or {},
        identity=finish.get("identity") or {},
        integrity=tuple(finish.get("integrity") or ()),
        determination={
            "verdict": made.verdict,
            "reason": made.reason,
            "decided_by": f"{made.decided_by}, {review.agency.name if review.agency else ''}",
            "decided_at": format_instant(made.decided_at),
            "record": made.record,
            "consultations": made.consultations,
        },
        suite_notes=finish.get("suite_notes") or _public_suite(run.plan["suite"]),
        evidence=evidence,
    )


def _public_suite(planned: Mapping[str, Any]) -> dict[str, Any]:
    """Return threat model and watermark of a suite that slipway ships, when exactly that one ran."""
    if planned["name"] not in suites.available():
        return {}
    try:
        found = suites.load(planned["name"])
    except SlipwayError:
        return {}
    if found.digest != planned["digest"]:
        return {}
    return {
        "watermark": found.watermark,
        "threat_model": found.threat_model,
        "steps": [{"id": s.id, "title": s.title, "domain": str(s.domain)} for s in found.steps],
    }


def facts(review: Review, made: Determination) -> dict[str, Any]:
    """Return what the cover of the report says."""
    pack = packs.pack_of(review)
    return {
        "ref": review.ref,
        "codename": review.codename,
        "model_name": review.model_name,
        "summary": review.summary,
        "developer": review.developer.name,
        "agency": review.agency.name if review.agency else "",
        "pack": f"{pack.name} {pack.version} ({pack.title})",
        "decided_at": made.decided_at,
        "date": made.decided_at.date().isoformat(),
        "verdict": made.verdict,
        "dissent": made.dissent,
        "expires_at": made.expires_at,
        "not_an_approval": NOT_AN_APPROVAL,
    }


def _predicate(review: Review, made: Determination) -> dict[str, Any]:
    run = made.run
    assert run.statistics is not None
    return {
        "review": {"ref": review.ref, "pack": review.pack.name, "pack_digest": review.pack_id},
        "run": {
            "ref": run.ref,
            "registration": run.registration,
            "plan_digest": run.plan_digest,
            "commitment_root": run.plan["suite"]["commitment_root"],
            "status": run.state,
        },
        "rule": run.rule,
        "determination": {
            "verdict": made.verdict,
            "reason_code": made.reason_code,
            "record": made.record,
            "revision": made.revision,
            "decided_at": format_instant(made.decided_at),
            "expires_at": _instant(made.expires_at),
        },
        "note": NOT_AN_APPROVAL,
    }


def _properties(review: Review, made: Determination) -> list[str]:
    suite = made.run.plan["suite"]
    until = _instant(made.expires_at)
    return [
        "not an approval",
        f"review {review.ref} took place under {review.pack.name} {review.pack.version}",
        f"determination: {made.verdict}",
        f"scope: suite {suite['name']} {suite['version']}, run {made.run.ref}",
        f"expires: {until}" if until else "expires: no date was set",
    ]


def _instant(value: datetime | None) -> str | None:
    return None if value is None else format_instant(value)


def _exports(dossier: Mapping[str, Any], made: Determination) -> dict[str, bytes]:
    return {
        "dossier.json": canon.dumps(dossier),
        "plan.json": canon.dumps(made.run.plan),
        "statistics.json": canon.dumps(made.run.statistics),
    }


def bundle_path(report: Report) -> Path:
    """Return where the bundle of a report lies (content of the data directory's ``blobs/``)."""
    return site().blobs / "reports" / f"{report.id}.slipway.zip"


def pack(report_id: str) -> str | None:
    """Write the bundle of an issued report; return its SHA-256, None while its record is not sealed."""
    report = Report.objects.select_related("determination__run", "review__agency", "review__pack").get(
        pk=report_id
    )
    if not records.is_sealed(report.record):
        return None
    review, made = report.review, report.determination
    reader = records.log_reader()
    keys = [signer.vkey for slug in _parties(reader, review) if (signer := party_signer(slug)) is not None]
    path = bundle_path(report)
    write_bundle(
        path,
        BundleParts(
            review=review.id,
            report=report.statement,
            certificate=report.certificate,
            html=bytes(report.html),
            pdf=None if report.pdf is None else bytes(report.pdf),
            exports=_exports(report.dossier, made),
            disclosures=_disclosures(review, made),
            keys=keys,
            policy=f"log {records.vkey()}\nquorum none\n",
            reader=reader,
        ),
    )
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _parties(reader: Any, review: Review) -> list[str]:
    slugs = {"desk", review.developer.slug}
    for _, entry in reader.review_entries(review.id):
        slugs.add(str(canon.loads(entry)["party"]))
    return sorted(slugs)


def _disclosures(review: Review, made: Determination) -> dict[str, bytes]:
    """Open what the records of the review's names and of the determination commit to."""
    salt = seal.field_salt(bytes(review.salt), "review.created")
    return {
        "review.json": seal.disclosure(review.created_record, salt, names_of(review)),
        "determination.json": seal.disclosure(made.record, bytes(made.salt), made.sealed_fields()),
    }
