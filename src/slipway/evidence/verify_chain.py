"""The checks of a chain of records: form, place in the log, order, completeness, party signatures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slipway.evidence import canon, record
from slipway.evidence.encoding import unb64
from slipway.evidence.keys import Verifier
from slipway.evidence.merkle import leaf_hash, verify_consistency, verify_inclusion
from slipway.evidence.note import Checkpoint, parse_proof
from slipway.evidence.reasons import EvidenceError, Reason

KEY_RECORD = "party.key"
CLOSING_RECORD = "review.closed"


class NotDecided(Exception):
    """A check could not be made; the text says why."""


@dataclass(frozen=True, slots=True)
class Link:
    """One record of a chain: its bytes, parsed form, leaf hash."""

    entry: bytes
    fields: Mapping[str, Any]
    leaf: bytes


def read_links(entries: Sequence[bytes], log: str) -> list[Link]:
    """Read the records of a chain; each must be canonical and of this log."""
    links = []
    for position, entry in enumerate(entries):
        try:
            fields = record.read(entry)
        except EvidenceError as error:
            raise EvidenceError(error.reason, f"record {position}: {error.message}") from None
        if fields["log"] != log:
            raise EvidenceError(Reason.RECORD_LOG, f"record {position} is of log {fields['log']!r}")
        links.append(Link(entry, fields, leaf_hash(entry)))
    return links


def check_inclusion(
    links: Sequence[Link], proofs: Sequence[str], note: str, checkpoint: Checkpoint
) -> list[int]:
    """Check every record's proof under the one signed checkpoint; return their log indexes."""
    indexes = []
    for position, (link, text) in enumerate(zip(links, proofs, strict=True)):
        try:
            proof = parse_proof(text)
            # The checkpoint's signature was verified once; every proof must carry that very note.
            if proof.checkpoint != note:
                raise EvidenceError(Reason.CHECKPOINT_ORIGIN, "the proof is under another checkpoint")
            verify_inclusion(proof.index, checkpoint.size, link.leaf, proof.path, checkpoint.root)
        except EvidenceError as error:
            raise EvidenceError(error.reason, f"record {position}: {error.message}") from None
        indexes.append(proof.index)
    return indexes


def check_order(links: Sequence[Link], indexes: Sequence[int], review: str) -> None:
    """Check that the records are one review's, gapless, each naming the one before."""
    for n, link in enumerate(links):
        if link.fields["review"] != review:
            raise EvidenceError(Reason.CHAIN_REVIEW, f"record {n} is of review {link.fields['review']!r}")
        if link.fields["n"] != n:
            raise EvidenceError(Reason.CHAIN_GAP, f"record {n} says it is number {link.fields['n']}")
        before = links[n - 1].leaf.hex() if n else None
        if link.fields["prev"] != before:
            raise EvidenceError(Reason.CHAIN_PREV, f"record {n} does not name record {n - 1} as its previous")
        if n and indexes[n] <= indexes[n - 1]:
            raise EvidenceError(Reason.CHAIN_ORDER, f"record {n} is in the log before record {n - 1}")


def check_complete(links: Sequence[Link], claimed: Mapping[str, Any] | None) -> str:
    """Say up to where the chain is complete; refuse one that is shorter than what was signed.

    ``claimed`` is the ``chain`` of the signed report. A ``review.closed``
    record commits to the whole count.
    """
    said = []
    for position, link in enumerate(links):
        if link.fields["type"] != CLOSING_RECORD:
            continue
        count = link.fields["body"].get("count")
        if count != len(links) or position != len(links) - 1:
            raise EvidenceError(
                Reason.CHAIN_COUNT, f"the review was closed at {count} of {len(links)} records"
            )
        said.append(f"all {count} records of the closed review")
    if claimed is not None:
        n, last = claimed.get("n"), claimed.get("last")
        if type(n) is not int or not 0 < n <= len(links):
            raise EvidenceError(
                Reason.CHAIN_COUNT, f"the report speaks of {n} records, here are {len(links)}"
            )
        if links[n - 1].leaf.hex() != last:
            raise EvidenceError(
                Reason.CHAIN_PREV, f"record {n - 1} is not the one that the report names last"
            )
        said.append(f"complete up to the {n} records that the report was signed over; {len(links)} are here")
    if not said:
        raise NotDecided("nothing signed says how many records there are")
    return "; ".join(said)


def check_parties(links: Sequence[Link]) -> dict[str, set[Verifier]]:
    """Check every record's party signature; return the keys that the chain announces, by party.

    A key counts from the ``party.key`` record that announces it. The first
    record of a party may announce the key that signs it; otherwise the
    announcer's own key must have been announced before.
    """
    announced: dict[str, set[Verifier]] = {}
    for n, link in enumerate(links):
        fields = link.fields
        try:
            if fields["type"] == KEY_RECORD:
                party, key = _announcement(fields)
                # A key never moves to another party: names in signatures must stay unambiguous.
                if any(key in keys for other, keys in announced.items() if other != party):
                    raise EvidenceError(Reason.PARTY_UNANNOUNCED, "the key belongs to another party already")
                announcer = announced.get(fields["party"], set())
                own = {key} if party == fields["party"] and not announcer else set()
                _check_signature(fields, announcer | own)
                announced.setdefault(party, set()).add(key)
            else:
                _check_signature(fields, announced.get(fields["party"], set()))
        except EvidenceError as error:
            where = f"record {n} ({fields['type']} by {fields['party']})"
            raise EvidenceError(error.reason, f"{where}: {error.message}") from None
    return announced


def _announcement(fields: Mapping[str, Any]) -> tuple[str, Verifier]:
    party, vkey = fields["body"].get("party"), fields["body"].get("vkey")
    if not isinstance(party, str) or not isinstance(vkey, str):
        raise EvidenceError(Reason.RECORD_SCHEMA, "a party.key record has party and vkey in its body")
    return party, Verifier.parse(vkey)


def _check_signature(fields: Mapping[str, Any], keys: set[Verifier]) -> None:
    if not fields["sigs"]:
        raise EvidenceError(Reason.PARTY_UNSIGNED, "the record carries no party signature")
    message = record.signed_bytes(fields)
    for signature in fields["sigs"]:
        key = next((key for key in keys if key.vkey == signature["key"]), None)
        if key is None:
            raise EvidenceError(Reason.PARTY_UNANNOUNCED, "signed with a key that the chain did not announce")
        if not key.verify(message, unb64(signature["sig"], "party signature")):
            raise EvidenceError(Reason.PARTY_SIGNATURE, "the party's signature does not verify")


def check_since(
    held: Checkpoint, held_note: str, last: Checkpoint, last_note: str, path: Sequence[bytes] | None
) -> tuple[str, str | None]:
    """Check that the log grew from a checkpoint held before.

    Returns (reason, None) on success. When both heads are signed and conflict,
    the returned second value is a portable proof of misbehaviour.
    """
    proof = {"format": "slipway-misbehaviour/1", "checkpoints": [held_note, last_note]}
    if held.size > last.size:
        raise NotDecided(f"the file's checkpoint ({last.size}) is older than the one you hold ({held.size})")
    if held.size == last.size:
        if held.root != last.root:
            return "two different signed roots for one size", canon.encode(proof).decode()
        return f"the same tree of {held.size}", None
    if held.size == 0:
        raise NotDecided("a checkpoint of an empty log proves nothing")
    if path is None:
        raise NotDecided(f"the file carries no proof from size {held.size}; ask for a bundle made since it")
    verify_consistency(held.size, last.size, path, held.root, last.root)
    return f"the log of {last.size} entries extends the {held.size} that you knew", None


def check_policy(text: str, key: Verifier) -> str:
    """Check a trust policy (C2SP tlog-policy lines) against the key in use."""
    logs, quorum, witnesses = [], None, 0
    for number, line in enumerate(text.splitlines(), 1):
        match line.split():
            case []:
                continue
            case [word, *_] if word.startswith("#"):
                continue
            case ["log", vkey, *_]:
                logs.append(Verifier.parse(vkey))
            case ["quorum", name]:
                quorum = name
            case ["witness" | "group", *_]:
                witnesses += 1
            case _:
                raise EvidenceError(Reason.POLICY_SYNTAX, f"policy line {number} is not understood")
    if key not in logs:
        raise EvidenceError(Reason.POLICY_SYNTAX, "the policy does not name the key that was given")
    if quorum is None:
        raise EvidenceError(Reason.POLICY_SYNTAX, "the policy has no quorum line")
    if quorum != "none":
        raise NotDecided(
            f"the policy asks for the quorum {quorum!r}; witness cosignatures are not checked here"
        )
    return "the policy names this log and asks for no witness"
