"""in-toto statements in DSSE envelopes, and our report predicate.

A statement binds subjects (files by digest) to a predicate. The report's
predicate is ours and versioned; the certificate uses in-toto's Simple
Verification Result. Signatures are Ed25519 under the strict rule of
:mod:`slipway.evidence.keys`; the envelope's ``keyid`` is the signer's vkey,
a hint that is only believed when that key is known from elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from slipway.base.clock import format_instant
from slipway.evidence import canon
from slipway.evidence.canon import JSON
from slipway.evidence.encoding import b64, is_hash_hex, unb64
from slipway.evidence.keys import Signer, Verifier
from slipway.evidence.reasons import EvidenceError, Reason

if TYPE_CHECKING:
    from slipway.evidence.log import LogReader

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_REPORT = "https://slipway.example/review-report/v1"
PREDICATE_CERTIFICATE = "https://in-toto.io/attestation/svr/v0.1"
CHAIN_SUBJECT = "chain"


def sha256_hex(data: bytes) -> str:
    """Return SHA-256 as 64 hexadecimal characters."""
    return hashlib.sha256(data).hexdigest()


def statement(subjects: Mapping[str, str], predicate_type: str, predicate: Mapping[str, JSON]) -> bytes:
    """Return a canonical in-toto Statement; ``subjects`` maps names to SHA-256 in hexadecimal."""
    bad = [name for name, digest in subjects.items() if not name or not is_hash_hex(digest)]
    if bad or not subjects:
        raise EvidenceError(Reason.STATEMENT_SCHEMA, f"subjects need a name and a SHA-256 digest: {bad}")
    return canon.dumps(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": {"sha256": subjects[name]}} for name in sorted(subjects)],
            "predicateType": predicate_type,
            "predicate": predicate,
        }
    )


def chain_head(reader: LogReader, review: str) -> dict[str, JSON]:
    """Return what a report says of its chain: ``{review, n, last, size, root}``.

    ``n`` counts the records of the review in the log so far, ``last`` is the
    leaf hash of the newest, ``size`` and ``root`` are the checkpoint's. A
    bundle made from the report is checkably complete up to ``n``.
    """
    from slipway.evidence.merkle import leaf_hash
    from slipway.evidence.note import parse_checkpoint_text, parse_note

    checkpoint = parse_checkpoint_text(parse_note(reader.checkpoint()).text)
    entries = [entry for index, entry in reader.review_entries(review) if index < checkpoint.size]
    if not entries:
        raise EvidenceError(Reason.CHAIN_COUNT, f"review {review} has no sealed record yet")
    return {
        "review": review,
        "n": len(entries),
        "last": leaf_hash(entries[-1]).hex(),
        "size": checkpoint.size,
        "root": b64(checkpoint.root),
    }


def report_statement(
    *,
    chain: Mapping[str, JSON],
    html: bytes,
    pdf: bytes | None,
    exports: Mapping[str, bytes] | None = None,
    signers: Sequence[str],
    predicate: Mapping[str, JSON],
) -> bytes:
    """Return the report's statement over ``report.html``, ``report.pdf``, the exports and the chain head.

    ``chain`` comes from :func:`chain_head`; ``signers`` are the parties whose
    signatures the verifier will insist on; ``predicate`` is the report's own data.
    """
    subjects = {"report.html": sha256_hex(html), CHAIN_SUBJECT: str(chain["last"])}
    if pdf is not None:
        subjects["report.pdf"] = sha256_hex(pdf)
    for name, data in (exports or {}).items():
        subjects[f"exports/{name}"] = sha256_hex(data)
    whole = {**predicate, "chain": chain, "signers": sorted(signers)}
    return statement(subjects, PREDICATE_REPORT, whole)


def certificate_statement(
    *, report: Mapping[str, Any], verifier_id: str, at: datetime, properties: Sequence[str]
) -> bytes:
    """Return an in-toto SVR about a signed report (its subject is the DSSE payload of ``report``)."""
    digest = sha256_hex(unb64(str(report["payload"]), "DSSE payload"))
    return statement(
        {"report": digest},
        PREDICATE_CERTIFICATE,
        {
            "verifier": {"id": verifier_id},
            "timeCreated": format_instant(at),
            "properties": list(properties),
        },
    )


def issued_body(envelope: Mapping[str, Any], html: bytes, pdf: bytes | None) -> dict[str, JSON]:
    """Return the digests for the body of the ``report.issued`` record; the verifier compares them."""
    return {
        "statement_sha256": sha256_hex(unb64(str(envelope["payload"]), "DSSE payload")),
        "html_sha256": sha256_hex(html),
        "pdf_sha256": None if pdf is None else sha256_hex(pdf),
    }


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding, which is what gets signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def dsse_sign(payload_type: str, payload: bytes, *signers: Signer) -> dict[str, Any]:
    """Return a DSSE envelope signed by each of ``signers``."""
    if not signers:
        raise ValueError("an envelope needs at least one signer")
    message = pae(payload_type, payload)
    return {
        "payloadType": payload_type,
        "payload": b64(payload),
        "signatures": [{"keyid": signer.vkey, "sig": b64(signer.sign(message))} for signer in signers],
    }


def read_envelope(envelope: Any) -> tuple[str, bytes, list[tuple[str, bytes]]]:
    """Return (payload type, payload, [(keyid, signature)]) of an envelope, checked for form only."""
    form = (
        isinstance(envelope, Mapping)
        and envelope.keys() == {"payloadType", "payload", "signatures"}
        and isinstance(envelope["payloadType"], str)
        and isinstance(envelope["payload"], str)
        and isinstance(envelope["signatures"], list)
        and all(
            isinstance(item, Mapping)
            and item.keys() == {"keyid", "sig"}
            and all(isinstance(part, str) for part in item.values())
            for item in envelope["signatures"]
        )
    )
    if not form:
        raise EvidenceError(Reason.DSSE_SYNTAX, "not a DSSE envelope with payloadType, payload, signatures")
    signatures = [(item["keyid"], unb64(item["sig"], "DSSE signature")) for item in envelope["signatures"]]
    return envelope["payloadType"], unb64(envelope["payload"], "DSSE payload"), signatures


def dsse_verify(
    envelope: Any, verifiers: Iterable[Verifier], payload_type: str = PAYLOAD_TYPE
) -> tuple[bytes, tuple[Verifier, ...]]:
    """Return the payload and the known keys that signed it.

    Signatures of unknown keys are ignored; a bad signature of a known key, no
    signature of a known key, and another payload type are refused.
    """
    kind, payload, signatures = read_envelope(envelope)
    if kind != payload_type:
        raise EvidenceError(Reason.DSSE_TYPE, f"payload type is {kind!r}, not {payload_type!r}")
    known = {verifier.vkey: verifier for verifier in verifiers}
    message, good = pae(kind, payload), []
    for key, signature in signatures:
        verifier = known.get(key)
        if verifier is None:
            continue
        if not verifier.verify(message, signature):
            raise EvidenceError(Reason.DSSE_SIGNATURE, f"the signature of {verifier.name} does not verify")
        if verifier not in good:
            good.append(verifier)
    if not good:
        raise EvidenceError(Reason.DSSE_UNSIGNED, "the envelope carries no signature of a known key")
    return payload, tuple(good)


def read_statement(payload: bytes, predicate_type: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Return (subjects by name with their SHA-256, predicate) of a statement of the given type."""
    value = canon.loads_canonical(payload)
    if (
        not isinstance(value, dict)
        or value.get("_type") != STATEMENT_TYPE
        or value.get("predicateType") != predicate_type
        or not isinstance(value.get("predicate"), dict)
        or not isinstance(value.get("subject"), list)
        or not value["subject"]
    ):
        raise EvidenceError(Reason.STATEMENT_SCHEMA, f"not an in-toto statement of type {predicate_type}")
    subjects: dict[str, str] = {}
    for item in value["subject"]:
        name = item.get("name") if isinstance(item, dict) else None
        digest = item.get("digest") if isinstance(item, dict) else None
        sha256 = digest.get("sha256") if isinstance(digest, dict) else None
        if not isinstance(name, str) or not isinstance(sha256, str) or not is_hash_hex(sha256):
            raise EvidenceError(Reason.STATEMENT_SCHEMA, "a subject has no name or no SHA-256 digest")
        if name in subjects:
            raise EvidenceError(Reason.STATEMENT_SCHEMA, f"subject {name!r} is named twice")
        subjects[name] = sha256
    return subjects, value["predicate"]
