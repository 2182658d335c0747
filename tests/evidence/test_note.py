from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.evidence.encoding import b64
from slipway.evidence.keys import Signer, Verifier
from slipway.evidence.merkle import leaf_hash, tree_root
from slipway.evidence.note import (
    Checkpoint,
    TlogProof,
    open_checkpoint,
    parse_checkpoint_text,
    parse_note,
    parse_proof,
    sign_checkpoint,
)
from slipway.evidence.reasons import EvidenceError, Reason

SIGNER = Signer("example.com/log", b"n" * 32)
OTHER = Signer("example.com/other", b"o" * 32)
ROOT = tree_root([b"a"])
NOTE = sign_checkpoint("example.com/log", 1, ROOT, SIGNER)
SIGNATURE = NOTE.split("\n\n")[1]

# The example of C2SP signed-note's Go implementation (golang.org/x/mod/sumdb/note), key PeterNeumann.
NEUMANN = Verifier.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
NEUMANN_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6Ryy"
    "BwJnAM=\n"
)


def refused(reason, call, *arguments):
    with pytest.raises(EvidenceError) as caught:
        call(*arguments)
    assert caught.value.reason is reason, caught.value


def test_a_note_of_the_go_implementation_verifies():
    assert parse_note(NEUMANN_NOTE).verified_by([NEUMANN]) == (NEUMANN,)
    refused(
        Reason.NOTE_SIGNATURE, parse_note(NEUMANN_NOTE.replace("answer", "question")).verified_by, [NEUMANN]
    )


def test_checkpoint_round_trip():
    assert open_checkpoint(NOTE, [SIGNER.verifier]) == Checkpoint("example.com/log", 1, ROOT)
    assert NOTE.startswith(f"example.com/log\n1\n{b64(ROOT)}\n\n— example.com/log ")


def test_unknown_signatures_are_ignored_and_known_bad_ones_are_not():
    both = NOTE + OTHER.sign_note(NOTE.split("\n\n")[0] + "\n").split("\n\n")[1]
    assert open_checkpoint(both, [SIGNER.verifier]).size == 1
    forged = NOTE + "— example.com/other " + b64(OTHER.verifier.key_id + b"\1" * 64) + "\n"
    assert open_checkpoint(forged, [SIGNER.verifier]).size == 1
    refused(Reason.NOTE_SIGNATURE, open_checkpoint, forged, [SIGNER.verifier, OTHER.verifier])
    refused(Reason.NOTE_UNSIGNED, open_checkpoint, NOTE, [OTHER.verifier])
    refused(Reason.NOTE_UNSIGNED, open_checkpoint, NOTE, [])


@pytest.mark.parametrize(
    ("note", "reason"),
    [
        (NOTE.replace("\n\n", "\n"), Reason.NOTE_BLANK_LINE),
        ("", Reason.NOTE_BLANK_LINE),
        (NOTE.replace("log\n1", "log\n\n1"), Reason.NOTE_BLANK_LINE),
        (NOTE.replace("\n\n", "\n\n\n"), Reason.NOTE_BLANK_LINE),
        (NOTE + "\n", Reason.NOTE_SIGNATURE_LINE),
        (NOTE[:-1], Reason.NOTE_SIGNATURE_LINE),
        (NOTE.split("—")[0], Reason.NOTE_SIGNATURE_LINE),
        (NOTE.replace("— ", "- "), Reason.NOTE_SIGNATURE_LINE),
        (NOTE.replace("— ", "—  "), Reason.NOTE_SIGNATURE_LINE),
        (NOTE.replace("— example.com/log", "— example.com/l+g"), Reason.NOTE_SIGNATURE_LINE),
        (NOTE + "— x AAAA\n", Reason.NOTE_SIGNATURE_LINE),
        (NOTE.replace("\n", "\r\n"), Reason.NOTE_CONTROL),
        (NOTE.replace("log\n1", "log\t\n1"), Reason.NOTE_CONTROL),
        (NOTE.replace("log\n1", "log\ud800\n1"), Reason.JSON_SURROGATE),
        (NOTE[:-2] + "\n", Reason.BASE64),
        (NOTE[:-1] + "=\n", Reason.BASE64),
        (NOTE.replace("\n1\n", "\n01\n"), Reason.CHECKPOINT_SIZE),
        (NOTE.replace("\n1\n", "\n+1\n"), Reason.CHECKPOINT_SIZE),
        (NOTE.replace("\n1\n", "\n١\n"), Reason.CHECKPOINT_SIZE),
        (NOTE.replace("\n1\n", "\n²\n"), Reason.CHECKPOINT_SIZE),
        (NOTE.replace("\n1\n", "\n9223372036854775808\n"), Reason.CHECKPOINT_SIZE),
        (NOTE.replace("\n1\n", "\n2\n"), Reason.NOTE_SIGNATURE),
        (NOTE.replace(b64(ROOT), b64(ROOT[:31])), Reason.PROOF_HASH_SIZE),
        (NOTE.replace(b64(ROOT), b64(ROOT)[:-1]), Reason.BASE64),
        (NOTE.replace("\n1\n", "\n"), Reason.CHECKPOINT_SYNTAX),
        (NOTE + SIGNATURE * 64, Reason.NOTE_TOO_MANY),
        (NOTE + "x" * 300_000, Reason.NOTE_SYNTAX),
    ],
)
def test_refused_with_a_named_reason(note, reason):
    refused(reason, open_checkpoint, note, [SIGNER.verifier])


def test_loose_base64_of_the_root_is_refused():
    # The last character before the padding carries two unused bits: setting one is another text, same bytes.
    text = b64(ROOT)
    loose = text[:-2] + chr(ord(text[-2]) + 1) + "="
    refused(Reason.BASE64, parse_checkpoint_text, f"o\n1\n{loose}\n")


def test_another_logs_checkpoint_under_a_known_key():
    note = sign_checkpoint("example.com/else", 1, ROOT, SIGNER)
    refused(Reason.CHECKPOINT_ORIGIN, open_checkpoint, note, [SIGNER.verifier], "example.com/log")


def test_proof_round_trip_and_refusals():
    leaves = [b"a", b"b", b"c"]
    note = sign_checkpoint("example.com/log", 3, tree_root(leaves), SIGNER)
    proof = TlogProof(0, (leaf_hash(b"b"), leaf_hash(b"c")), note)
    text = proof.text()
    assert text.startswith("c2sp.org/tlog-proof@v1\nindex 0\n")
    assert parse_proof(text) == proof
    with_extra = text.replace("@v1\n", "@v1\nextra AAAA\n")
    assert parse_proof(with_extra) == proof
    keys = [SIGNER.verifier]
    assert proof.verify(leaf_hash(b"a"), keys, "example.com/log").size == 3
    refused(Reason.PROOF_ROOT, proof.verify, leaf_hash(b"b"), keys, "example.com/log")
    # A right proof under another log's checkpoint.
    foreign = TlogProof(0, proof.path, sign_checkpoint("example.com/other", 3, tree_root(leaves), OTHER))
    refused(
        Reason.CHECKPOINT_ORIGIN,
        foreign.verify,
        leaf_hash(b"a"),
        [SIGNER.verifier, OTHER.verifier],
        "example.com/log",
    )
    refused(Reason.PROOF_SYNTAX, parse_proof, text.replace("@v1", "@v2"))
    refused(Reason.PROOF_SYNTAX, parse_proof, text.replace("index 0\n", ""))
    refused(Reason.PROOF_SYNTAX, parse_proof, text.replace("index 0", "index 00"))
    refused(Reason.PROOF_SYNTAX, parse_proof, text.replace("index 0", "index ٠"))
    refused(Reason.PROOF_SYNTAX, parse_proof, text.replace("\n\n", "\n"))
    refused(Reason.BASE64, parse_proof, text.replace("@v1\n", "@v1\nextra A\n"))
    refused(Reason.PROOF_HASH_SIZE, parse_proof, text.replace("index 0\n", "index 0\nAAAA\n"))


@given(st.data())
def test_no_single_changed_character_verifies(data):
    at = data.draw(st.integers(0, len(NOTE) - 1))
    new = data.draw(st.characters().filter(lambda c: c != NOTE[at]))
    with pytest.raises(EvidenceError):
        open_checkpoint(NOTE[:at] + new + NOTE[at + 1 :], [SIGNER.verifier], "example.com/log")
