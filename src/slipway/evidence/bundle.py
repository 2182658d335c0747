"""Bundles: one zip with a review's whole chain, its report, and everything to check them offline.

=================================  ==========================================================
``manifest.json``                  format, review, log, and SHA-256 of every other member
``report.dsse.json``               the signed report statement
``report.html``, ``report.pdf``    the report for people (the PDF may be missing)
``certificate.dsse.json``          optional in-toto SVR about the report
``entries/000000.json`` …          the chain's records as logged, named by ``n``
``proofs/000000.tlog-proof`` …     C2SP tlog-proof of each record under the last checkpoint
``checkpoints/first``, ``last``    checkpoints that first covered the chain, and the newest
``checkpoints/consistency``        proof first → last, one base64 hash a line
``checkpoints/since-N``            proof N → last for heads that somebody holds (``--since``)
``keys/vkeys.txt``                 the parties' keys, for convenience; never trusted
``policy.txt``, ``exports/``       the policy in force and machine-readable exports
``disclosures/``                   opened commitments
``VERIFY.md``, ``verify.py``       the checks by hand, and as one standard-library file
=================================  ==========================================================
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from slipway.evidence import canon, container
from slipway.evidence.encoding import b64
from slipway.evidence.log import LogReader
from slipway.evidence.note import parse_checkpoint_text, parse_note
from slipway.evidence.reasons import EvidenceError, Reason
from slipway.evidence.statement import sha256_hex
from slipway.evidence.store.interface import Head


@dataclass(frozen=True, slots=True)
class BundleParts:
    """What goes into a bundle.

    ``review`` is the review's id as the records carry it, ``report`` and
    ``certificate`` DSSE envelopes, ``exports`` and ``disclosures`` files by
    name, ``keys`` the parties' vkeys, ``policy`` the text of the policy in
    force, ``reader`` the log, ``since`` older tree sizes to prove growth from.
    """

    review: str
    report: Mapping[str, Any]
    html: bytes
    reader: LogReader
    certificate: Mapping[str, Any] | None = None
    pdf: bytes | None = None
    exports: Mapping[str, bytes] = field(default_factory=dict)
    disclosures: Mapping[str, bytes] = field(default_factory=dict)
    keys: Sequence[str] = ()
    policy: str = ""
    since: Sequence[int] = ()


def build_bundle(parts: BundleParts) -> bytes:
    """Return the bundle's bytes; the same parts and log give the same bytes."""
    members = _chain_members(parts)
    members["report.dsse.json"] = canon.dumps(parts.report)
    members["report.html"] = parts.html
    if parts.certificate is not None:
        members["certificate.dsse.json"] = canon.dumps(parts.certificate)
    if parts.pdf is not None:
        members["report.pdf"] = parts.pdf
    members |= {f"exports/{name}": data for name, data in parts.exports.items()}
    members |= {f"disclosures/{name}": data for name, data in parts.disclosures.items()}
    members["keys/vkeys.txt"] = "".join(f"{key}\n" for key in sorted(set(parts.keys))).encode()
    members["policy.txt"] = parts.policy.encode()
    members["VERIFY.md"] = packaged("VERIFY.md")
    members["verify.py"] = packaged("verify.py")
    members["manifest.json"] = canon.dumps(
        {
            "format": container.FORMAT,
            "log": parts.reader.origin,
            "review": parts.review,
            "files": {name: sha256_hex(data) for name, data in members.items()},
        }
    )
    return container.pack(members)


def packaged(name: str) -> bytes:
    """Return a file that goes into every bundle as it is in the package."""
    return resources.files("slipway.evidence").joinpath("inside", name).read_bytes()


def _chain_members(parts: BundleParts) -> dict[str, bytes]:
    reader = parts.reader
    # One head for everything: the log may grow while the bundle is made.
    checkpoint = parse_checkpoint_text(parse_note(reader.checkpoint()).text)
    last = reader.head_covering(checkpoint.size)
    chain = [(i, entry) for i, entry in reader.review_entries(parts.review) if i < last.size]
    if not chain:
        raise EvidenceError(Reason.CHAIN_COUNT, f"review {parts.review} has no sealed record yet")
    first: Head = reader.head_covering(chain[0][0] + 1)
    tree = reader.tree(last.size)
    members: dict[str, bytes] = {}
    for n, (index, entry) in enumerate(chain):
        members[f"entries/{n:06}.json"] = entry
        members[f"proofs/{n:06}.tlog-proof"] = reader.proof(index, last, tree).text().encode()
    members["checkpoints/first"] = first.note.encode()
    members["checkpoints/last"] = last.note.encode()
    members["checkpoints/consistency"] = _lines(tree.consistency(first.size))
    for size in sorted(set(parts.since)):
        if 0 < size <= last.size:
            members[f"checkpoints/since-{size}"] = _lines(tree.consistency(size))
    return members


def _lines(hashes: Sequence[bytes]) -> bytes:
    return "".join(f"{b64(value)}\n" for value in hashes).encode()


def write_bundle(path: Path, parts: BundleParts) -> Path:
    """Write the bundle to ``path`` completely or not at all, synced; return ``path``."""
    data = build_bundle(parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return path
