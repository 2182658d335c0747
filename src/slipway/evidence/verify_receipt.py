"""The checks of a single record's receipt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slipway.evidence import canon, record
from slipway.evidence.encoding import unb64
from slipway.evidence.keys import Verifier
from slipway.evidence.merkle import verify_inclusion
from slipway.evidence.note import Checkpoint, open_checkpoint
from slipway.evidence.reasons import EvidenceError, Reason
from slipway.evidence.verify_chain import Link, NotDecided, check_policy, check_since, read_links

RECEIPT_FORMAT = "slipway-receipt/1"
_FIELDS = {"format", "entry", "index", "proof", "checkpoint"}


class ReceiptChecks:
    """Holds what one check hands to the next."""

    def __init__(
        self, data: bytes, key: Verifier, policy: str | None, held: Checkpoint | None, held_note: str | None
    ) -> None:
        self.misbehaviour: str | None = None
        self._data = data
        self._key = key
        self._policy = policy
        self._held = held
        self._held_note = held_note
        self._receipt: dict[str, Any] = {}
        self._checkpoint: Checkpoint
        self._link: Link

    def steps(self) -> list[tuple[str, tuple[str, ...], Callable[[], str]]]:
        """Return the checks as (name, what must have passed before, how)."""
        return [
            ("receipt", (), self._read),
            ("checkpoint", ("receipt",), self._check_checkpoint),
            ("policy", (), self._check_policy),
            ("since", ("checkpoint",), self._check_since),
            ("entry", ("receipt",), self._check_entry),
            ("inclusion", ("checkpoint", "entry"), self._check_inclusion),
            ("party", ("entry",), self._check_party),
        ]

    def _read(self) -> str:
        value = canon.loads(self._data)
        if not isinstance(value, dict) or value.keys() != _FIELDS or value["format"] != RECEIPT_FORMAT:
            raise EvidenceError(Reason.RECEIPT_SYNTAX, f"neither a bundle nor a receipt ({RECEIPT_FORMAT})")
        proof = value["proof"]
        if (
            type(value["index"]) is not int
            or not isinstance(value["entry"], str)
            or not isinstance(value["checkpoint"], str)
            or not isinstance(proof, list)
            or not all(isinstance(item, str) for item in proof)
        ):
            raise EvidenceError(Reason.RECEIPT_SYNTAX, "a field of the receipt has the wrong type")
        self._receipt = value
        return "a receipt with entry, index, proof and checkpoint"

    def _check_checkpoint(self) -> str:
        self._checkpoint = open_checkpoint(self._receipt["checkpoint"], [self._key], self._key.name)
        return f"log {self._checkpoint.origin} of {self._checkpoint.size} entries, signed by the given key"

    def _check_policy(self) -> str:
        if self._policy is None:
            raise NotDecided("no policy was given")
        return check_policy(self._policy, self._key)

    def _check_since(self) -> str:
        if self._held is None or self._held_note is None:
            raise NotDecided("no earlier checkpoint was given")
        note = self._receipt["checkpoint"]
        reason, self.misbehaviour = check_since(self._held, self._held_note, self._checkpoint, note, None)
        if self.misbehaviour is not None:
            raise EvidenceError(Reason.LOG_FORK, reason)
        return reason

    def _check_entry(self) -> str:
        (self._link,) = read_links([unb64(self._receipt["entry"], "entry")], self._key.name)
        fields = self._link.fields
        return f"record {fields['id']}, {fields['type']} by {fields['party']} at {fields['at']}"

    def _check_inclusion(self) -> str:
        path = [unb64(text, "proof hash") for text in self._receipt["proof"]]
        checkpoint = self._checkpoint
        verify_inclusion(self._receipt["index"], checkpoint.size, self._link.leaf, path, checkpoint.root)
        return f"the record is entry {self._receipt['index']} of the signed tree"

    def _check_party(self) -> str:
        message = record.signed_bytes(self._link.fields)
        for signature in self._link.fields["sigs"]:
            key = Verifier.parse(signature["key"])
            if not key.verify(message, unb64(signature["sig"], "party signature")):
                raise EvidenceError(Reason.PARTY_SIGNATURE, f"the signature of {key.name} does not verify")
        raise NotDecided("whose key signed the record is announced in the review's chain, not in a receipt")
