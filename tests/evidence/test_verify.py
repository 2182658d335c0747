"""The verifier and its standard-library twin: same bundle, same verdict, check by check."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slipway.base.errors import Exit
from slipway.cli.interface import Composition
from slipway.cli.main import run as cli_run
from slipway.evidence import canon, container, merkle, seal, statement, verify
from slipway.evidence.bundle import build_bundle
from slipway.evidence.encoding import b64
from slipway.evidence.keys import Signer
from slipway.evidence.note import sign_checkpoint
from slipway.evidence.reasons import EvidenceError, Reason
from slipway.evidence.statement import sha256_hex
from tests.evidence.twin import PATH, twin
from tests.evidence.world import ORIGIN, OTHER, REVIEW, SALT, World, make_bundle, play, sign_report

FREE = {"VERIFY.md", "verify.py", "policy.txt", "keys/vkeys.txt"}
"""Members that nothing signs, because nothing is believed of them."""


@dataclass(frozen=True)
class Case:
    members: dict[str, bytes]
    world: World
    vkey: str

    def changed(self, changes: dict[str, bytes | None]) -> bytes:
        """Return the bundle with members replaced, added or (None) removed, and a fitting manifest."""
        members = {name: data for name, data in {**self.members, **changes}.items() if data is not None}
        manifest = canon.loads(self.members["manifest.json"])
        if "manifest.json" not in changes:
            digests = {name: sha256_hex(data) for name, data in members.items() if name != "manifest.json"}
            members["manifest.json"] = canon.dumps({**manifest, "files": digests})
        return container.pack(members)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    root = tmp_path_factory.mktemp("case")
    world = World(root)
    play(world)
    path = make_bundle(world, root / "r.slipway.zip")
    yield Case(container.unpack(path.read_bytes()), world, world.log_key.vkey)
    world.close()


def judge(
    data: bytes, vkey: str, policy: str | None = None, since: str | None = None
) -> tuple[int, dict[str, str]]:
    """Return (exit status, check -> status or named reason), after holding both verifiers together."""
    verdict = verify.verify_bytes(data, verify._given(vkey, policy, since))
    ours = {c.name: _short(str(c.status), c.reason) for c in verdict.checks}
    results, status = twin.verify(data, vkey, policy, since)
    theirs = {name: _short(state, reason) for name, state, reason in results}
    assert (int(verdict.status), ours) == (status, theirs)
    return int(verdict.status), ours


def _short(status: str, reason: str) -> str:
    """A failed check by its named reason, the others by their status."""
    return reason[1 : reason.index("]")] if status == "fail" else status


def failed(checks: dict[str, str]) -> dict[str, str]:
    return {name: state for name, state in checks.items() if state not in ("pass", "not checked")}


def test_good_bundle(case):
    status, checks = judge(container.pack(case.members), case.vkey)
    assert status == 0
    assert {name for name, state in checks.items() if state != "pass"} == {"policy", "since"}


def test_same_parts_give_the_same_bytes(case, tmp_path):
    parts = sign_report(case.world)
    one = make_bundle(case.world, tmp_path / "1", parts).read_bytes()
    assert one == make_bundle(case.world, tmp_path / "2", parts).read_bytes()


def _drop_first_prev(case):
    count = sum(name.startswith("entries/") for name in case.members)
    changes: dict[str, bytes | None] = {}
    for n in range(5, count - 1):
        changes[f"entries/{n:06}.json"] = case.members[f"entries/{n + 1:06}.json"]
        changes[f"proofs/{n:06}.tlog-proof"] = case.members[f"proofs/{n + 1:06}.tlog-proof"]
    return {**changes, f"entries/{count - 1:06}.json": None, f"proofs/{count - 1:06}.tlog-proof": None}


def _cut_chain(case, keep):
    count = sum(name.startswith("entries/") for name in case.members)
    names = [f for n in range(keep, count) for f in (f"entries/{n:06}.json", f"proofs/{n:06}.tlog-proof")]
    return {**dict.fromkeys(names), "disclosures/determination.json": None}


def _edit(case, name, change):
    return {name: canon.dumps(change(canon.loads(case.members[name])))}


def _resign(case, change, *names):
    """The report's statement changed and signed again by real keys: only its content is wrong."""
    payload = change(canon.loads(base64.b64decode(canon.loads(case.members["report.dsse.json"])["payload"])))
    envelope = statement.dsse_sign(
        statement.PAYLOAD_TYPE, canon.dumps(payload), *(case.world.signers[n] for n in names)
    )
    return {"report.dsse.json": canon.dumps(envelope), "certificate.dsse.json": None}


def _other_certificate(case):
    other = statement.certificate_statement(
        report={"payload": b64(b"another report")},
        verifier_id="x",
        at=case.world.clock.now(),
        properties=["FINE"],
    )
    envelope = statement.dsse_sign(statement.PAYLOAD_TYPE, other, case.world.signers["cyber-agency"])
    return {"certificate.dsse.json": canon.dumps(envelope)}


def _other_log(case):
    thief = Signer("another/log", b"T" * 32)
    head = case.world.store.head()
    return {"checkpoints/last": sign_checkpoint("another/log", head.size, head.root, thief).encode()}


def _proof(case, change):
    """The proof of record 4 after a change."""
    return {"proofs/000004.tlog-proof": change(case.members["proofs/000004.tlog-proof"])}


def _member(name, old, new):
    """A change of one member's bytes."""
    return lambda case: {name: case.members[name].replace(old, new, 1)}


def _manifest(old, new):
    return _member("manifest.json", old, new)


def _older_checkpoint(case):
    return _proof(case, lambda p: p.split(b"\n\n")[0] + b"\n\n" + case.members["checkpoints/first"])


def _other_verdict(case):
    def change(value):
        return {**value, "predicate": {**value["predicate"], "verdict": "not covered"}}

    return _resign(case, change, "desk", "cyber-agency")


def _own_report(case, keep=-1):
    """A party cuts the chain off before the issue and signs a report of its own, as the only signer."""

    def change(value):
        chain = value["predicate"]["chain"]
        n = chain["n"] if keep < 0 else keep
        last = merkle.leaf_hash(case.members[f"entries/{n - 1:06}.json"]).hex()
        subject = [{**s, "digest": {"sha256": last}} if s["name"] == "chain" else s for s in value["subject"]]
        mine = {"verdict": "not covered", "signers": ["aurora-lab"], "chain": {**chain, "n": n, "last": last}}
        return {**value, "subject": subject, "predicate": {**value["predicate"], **mine}}

    count = sum(name.startswith("entries/") for name in case.members)
    return {**_cut_chain(case, count - 1 if keep < 0 else keep), **_resign(case, change, "aurora-lab")}


def _foreign_disclosure(case):
    other = canon.loads(case.members["entries/000004.json"])["id"]
    return {"disclosures/determination.json": seal.disclosure(other, SALT, {"verdict": "covered"})}


REFUSED: dict[str, tuple[Any, str, Reason]] = {
    "manifest_lies": (
        lambda c: {"manifest.json": c.members["manifest.json"], "report.html": b"x"},
        "manifest", Reason.MANIFEST),
    "manifest_not_canonical": (
        lambda c: {"manifest.json": c.members["manifest.json"] + b" "},
        "manifest", Reason.JSON_NOT_CANONICAL),
    "manifest_duplicate_key": (
        _manifest(b'{"files"', b'{"files":{},"files"'), "manifest", Reason.JSON_DUPLICATE_KEY),
    "member_not_listed": (
        lambda c: {"manifest.json": c.members["manifest.json"], "extra": b""}, "manifest", Reason.MANIFEST),
    "report_missing": (lambda c: {"report.dsse.json": None}, "manifest", Reason.BUNDLE_MEMBER),
    "html_changed": (lambda c: {"report.html": b"<p>covered"}, "subjects", Reason.STATEMENT_SUBJECT),
    "pdf_removed": (lambda c: {"report.pdf": None}, "subjects", Reason.STATEMENT_SUBJECT),
    "export_changed": (lambda c: {"exports/results.json": b"{}"}, "subjects", Reason.STATEMENT_SUBJECT),
    "export_removed": (lambda c: {"exports/results.json": None}, "subjects", Reason.STATEMENT_SUBJECT),
    "entry_not_canonical": (
        lambda c: {"entries/000003.json": c.members["entries/000003.json"] + b"\n"},
        "entries", Reason.JSON_NOT_CANONICAL),
    "entry_changed": (
        lambda c: _edit(c, "entries/000004.json", lambda r: {**r, "body": {}}),
        "inclusion", Reason.PROOF_ROOT),
    "entry_of_other_log": (
        lambda c: _edit(c, "entries/000004.json", lambda r: {**r, "log": "else"}),
        "entries", Reason.RECORD_LOG),
    "entry_with_float": (
        _member("entries/000004.json", b'"n":4', b'"n":4.0'), "entries", Reason.JSON_FLOAT),
    "entry_number_missing": (lambda c: {"entries/000004.json": None}, "entries", Reason.CHAIN_GAP),
    "proof_missing": (lambda c: {"proofs/000004.tlog-proof": None}, "inclusion", Reason.BUNDLE_MEMBER),
    "proof_of_other_record": (
        lambda c: _proof(c, lambda p: c.members["proofs/000005.tlog-proof"]), "inclusion", Reason.PROOF_ROOT),
    "proof_index_beyond_size": (
        _member("proofs/000004.tlog-proof", b"x 4\n", b"x 400\n"), "inclusion", Reason.PROOF_INDEX),
    "proof_too_short": (
        lambda c: _proof(c, lambda p: re.sub(rb"(x 4\n)[^\n]+\n", rb"\1", p)),
        "inclusion", Reason.PROOF_LENGTH),
    "proof_under_older_checkpoint": (
        _older_checkpoint, "inclusion", Reason.CHECKPOINT_ORIGIN),
    "checkpoint_of_other_log": (_other_log, "checkpoint", Reason.NOTE_UNSIGNED),
    "checkpoint_changed": (
        _member("checkpoints/last", b"\n2", b"\n3"), "checkpoint", Reason.NOTE_SIGNATURE),
    "checkpoint_with_two_blank_lines": (
        _member("checkpoints/last", b"\n\n", b"\n\n\n"), "checkpoint", Reason.NOTE_BLANK_LINE),
    "consistency_changed": (lambda c: {"checkpoints/consistency": b""}, "consistency", Reason.PROOF_LENGTH),
    "record_left_out": (_drop_first_prev, "chain", Reason.CHAIN_GAP),
    "chain_cut_below_the_report": (lambda c: _cut_chain(c, 12), "completeness", Reason.CHAIN_COUNT),
    "manifest_names_other_review": (
        _manifest(REVIEW.encode(), OTHER.encode()), "chain", Reason.CHAIN_REVIEW),
    "certificate_over_other_report": (_other_certificate, "certificate", Reason.CERTIFICATE_SUBJECT),
    "disclosure_of_other_record": (_foreign_disclosure, "disclosures", Reason.DISCLOSURE_RECORD),
    "report_signed_by_one": (
        lambda c: _resign(c, lambda s: s, "desk"), "report", Reason.DSSE_UNSIGNED),
    "report_signed_by_a_stranger": (
        _member("report.dsse.json", b"cyber-agency+", b"cyber-agencx+"), "report", Reason.DSSE_UNSIGNED),
    "report_of_a_party_that_did_not_determine": (_own_report, "completeness", Reason.DSSE_UNSIGNED),
    "report_without_a_determination": (
        lambda c: _own_report(c, 6), "completeness", Reason.STATEMENT_SUBJECT),
    "report_other_than_issued": (
        _other_verdict, "report", Reason.STATEMENT_SUBJECT),
    "report_payload_changed": (
        lambda c: _edit(c, "report.dsse.json", lambda e: {**e, "payload": b64(b"{}")}),
        "report", Reason.DSSE_SIGNATURE),
    "report_of_other_type": (
        lambda c: {"report.dsse.json": c.members["certificate.dsse.json"]},
        "report", Reason.STATEMENT_SCHEMA),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_named_reason(case, name):
    change, check, reason = REFUSED[name]
    status, checks = judge(case.changed(change(case)), case.vkey)
    assert status == 1
    assert failed(checks) == {check: str(reason)}


def test_unsealed_issue_is_no_failure(case):
    count = sum(name.startswith("entries/") for name in case.members)
    status, checks = judge(case.changed(_cut_chain(case, count - 1)), case.vkey)
    assert status == 0 and checks["completeness"] == "pass"


def test_content_cannot_draw_lines_of_its_own(case):
    """The words of a certificate come from whoever wrote it; a check is one line."""
    statement_now = canon.loads(
        base64.b64decode(canon.loads(case.members["certificate.dsse.json"])["payload"])
    )
    statement_now["predicate"]["properties"] = ["fine\npass         forged: line", "\x9b2K\u202e"]
    envelope = statement.dsse_sign(
        statement.PAYLOAD_TYPE, canon.dumps(statement_now), case.world.signers["cyber-agency"]
    )
    data = case.changed({"certificate.dsse.json": canon.dumps(envelope)})
    ours = verify.verify_bytes(data, verify._given(case.vkey, None, None))
    reasons = [c.reason for c in ours.checks] + [reason for _, _, reason in twin.verify(data, case.vkey)[0]]
    assert sum("fine\\u000apass" in reason for reason in reasons) == 2
    assert all(reason.isprintable() for reason in reasons)


def test_unsigned_export_is_not_a_pass(case):
    status, checks = judge(case.changed({"exports/loose.json": b"{}"}), case.vkey)
    assert status == 0 and checks["exports"] == "not checked"


def test_without_certificate_and_disclosures(case):
    data = case.changed({"certificate.dsse.json": None, "disclosures/determination.json": None})
    status, checks = judge(data, case.vkey)
    assert status == 0
    assert checks["certificate"] == checks["disclosures"] == "not checked"


def test_wrong_key(case):
    status, checks = judge(container.pack(case.members), Signer(ORIGIN, b"W" * 32).vkey)
    assert status == 1 and failed(checks) == {"checkpoint": str(Reason.NOTE_UNSIGNED)}


@pytest.mark.parametrize(
    ("signers", "reason"),
    [
        (lambda s: {**s, "gateway": s["desk"]}, Reason.PARTY_UNANNOUNCED),
        (lambda s: {k: v for k, v in s.items() if k != "gateway"}, Reason.PARTY_UNSIGNED),
        (lambda s: {**s, "gateway": Signer("gateway", b"?" * 32)}, Reason.PARTY_UNANNOUNCED),
    ],
)
def test_records_that_their_party_did_not_sign(tmp_path, signers, reason):
    world = World(tmp_path)
    announced = dict(world.signers)
    world.sequencer._party_signer = lambda party: (
        signers(announced).get(party) if world.reader.size else announced.get(party)
    )
    play(world)
    data = make_bundle(world, tmp_path / "b").read_bytes()
    status, checks = judge(data, world.log_key.vkey)
    assert status == 1 and failed(checks) == {"parties": str(reason)}
    world.close()


def test_a_signature_of_the_right_key_over_other_bytes(tmp_path):
    world = World(tmp_path)

    class Liar(Signer):
        def sign(self, message: bytes) -> bytes:
            return super().sign(message + b"?")

    world.signers["gateway"] = Liar("gateway", bytes([2]) * 32)
    play(world)
    data = make_bundle(world, tmp_path / "b").read_bytes()
    assert failed(judge(data, world.log_key.vkey)[1]) == {"parties": str(Reason.PARTY_SIGNATURE)}
    world.close()


def test_a_key_cannot_be_announced_for_two_parties(tmp_path):
    world = World(tmp_path)
    play(world)
    world.act("party.key", "desk", body={"party": "mallory", "vkey": world.signers["aurora-lab"].vkey})
    world.seal_all()
    data = make_bundle(world, tmp_path / "b").read_bytes()
    assert failed(judge(data, world.log_key.vkey)[1]) == {"parties": str(Reason.PARTY_UNANNOUNCED)}
    world.close()


def test_an_announcement_by_a_stranger_is_refused(tmp_path):
    world = World(tmp_path)
    play(world)
    stranger = world.signers["mallory"] = Signer("mallory", b"m" * 32)
    world.act("party.key", "mallory", body={"party": "aurora-lab", "vkey": stranger.vkey})
    world.seal_all()
    data = make_bundle(world, tmp_path / "b").read_bytes()
    assert failed(judge(data, world.log_key.vkey)[1]) == {"parties": str(Reason.PARTY_UNANNOUNCED)}
    world.close()


@pytest.mark.parametrize(
    ("more", "extra", "reason"), [(1, False, None), (2, False, "chain.count"), (1, True, "chain.count")]
)
def test_closed_review_commits_to_its_count(tmp_path, more, extra, reason):
    world = World(tmp_path)
    play(world)
    parts = sign_report(world)
    count = len(world.reader.review_entries(REVIEW))
    world.act("review.closed", "desk", count=count + more)
    if extra:
        world.act("exchange.closed", "gateway")
    world.seal_all()
    data = make_bundle(world, tmp_path / "b", parts).read_bytes()
    status, checks = judge(data, world.log_key.vkey)
    assert failed(checks) == ({"completeness": reason} if reason else {})
    assert status == (1 if reason else 0)
    world.close()


def test_since(tmp_path):
    world = World(tmp_path)
    play(world)
    held_early = world.reader.head_covering(1)
    held_middle = world.reader.checkpoint()
    parts = sign_report(world)
    world.act("window.ended", "aurora-lab")
    world.act("window.ended", "aurora-lab")
    world.seal_all()
    middle = int(held_middle.split("\n")[1])
    plain = make_bundle(world, tmp_path / "1", parts).read_bytes()
    with_proof = make_bundle(world, tmp_path / "2", parts, since=[middle, 10**6]).read_bytes()
    vkey, last = world.log_key.vkey, world.reader.checkpoint()

    assert judge(plain, vkey, since=held_early.note)[0] == 0
    assert judge(plain, vkey, since=last)[0] == 0
    assert judge(plain, vkey, since=held_middle)[0] == 3
    assert judge(with_proof, vkey, since=held_middle)[0] == 0
    forged = container.unpack(with_proof)
    forged[f"checkpoints/since-{middle}"] = forged[f"checkpoints/since-{middle}"].replace(
        b"\n", b"\nAAAA\n", 1
    )
    status, checks = judge(Case(forged, world, vkey).changed({}), vkey, since=held_middle)
    assert status == 1 and "since" in failed(checks)

    world.act("window.ended", "aurora-lab")
    world.seal_all()
    assert judge(plain, vkey, since=world.reader.checkpoint())[0] == 3  # the file is older than what is held
    empty = sign_checkpoint(ORIGIN, 0, sha256(b""), world.log_key)
    assert judge(plain, vkey, since=empty)[0] == 3
    world.close()


def sha256(data: bytes) -> bytes:
    return bytes.fromhex(sha256_hex(data))


def test_two_signed_heads_that_conflict_are_a_portable_proof(case, tmp_path):
    head = case.world.store.head()
    size = int(case.members["checkpoints/last"].split(b"\n")[1])
    other = sign_checkpoint(ORIGIN, size, sha256(b"another history"), case.world.log_key)
    data = container.pack(case.members)
    status, checks = judge(data, case.vkey, since=other)
    assert head is not None and status == 1 and failed(checks) == {"since": str(Reason.LOG_FORK)}
    verdict = verify.verify_bytes(data, verify._given(case.vkey, None, other))
    proof = canon.loads_canonical((verdict.misbehaviour or "").encode())
    assert proof["checkpoints"] == [other, case.members["checkpoints/last"].decode()]
    path = tmp_path / "b.slipway.zip"
    path.write_bytes(data)
    (tmp_path / "held").write_text(other)
    assert verify.main([str(path), "--key", case.vkey, "--since", str(tmp_path / "held")]) == 1
    assert canon.loads((tmp_path / "b.slipway.zip.misbehaviour.json").read_bytes()) == proof


def test_policy(case):
    data = container.pack(case.members)

    def status(policy):
        return judge(data, case.vkey, policy=policy)[0]

    assert status(f"# ours\nlog {case.vkey}\n\nquorum none\n") == 0
    assert status(case.members["policy.txt"].decode()) == 0
    assert status(f"log {case.vkey}\nwitness w key\nquorum w\n") == 3
    assert status(f"log {Signer('x', b'x' * 32).vkey}\nquorum none\n") == 1
    assert status(f"log {case.vkey}\n") == 1
    assert status("log nonsense\nquorum none\n") == 1
    assert status("anything\n") == 1


def test_receipts(case):
    world = case.world
    identity = canon.loads(case.members["entries/000007.json"])["id"]
    receipt = world.reader.receipt(identity)

    def check(**changes):
        return judge(json.dumps({**receipt, **changes}).encode(), case.vkey)

    status, checks = check()
    assert status == 0 and checks["party"] == "not checked"
    other = world.reader.receipt(canon.loads(case.members["entries/000008.json"])["id"])
    for changes, name, reason in [
        ({"index": receipt["index"] + 1}, "inclusion", Reason.PROOF_ROOT),
        ({"index": 10**6}, "inclusion", Reason.PROOF_INDEX),
        ({"index": True}, "receipt", Reason.RECEIPT_SYNTAX),
        ({"entry": other["entry"]}, "inclusion", Reason.PROOF_ROOT),
        ({"entry": receipt["entry"][:-4]}, "entry", Reason.JSON_SYNTAX),
        ({"entry": "?"}, "entry", Reason.BASE64),
        ({"proof": receipt["proof"][1:]}, "inclusion", Reason.PROOF_LENGTH),
        ({"proof": [*receipt["proof"][:-1], "AAAA"]}, "inclusion", Reason.PROOF_HASH_SIZE),
        ({"proof": "x"}, "receipt", Reason.RECEIPT_SYNTAX),
        ({"extra": 1}, "receipt", Reason.RECEIPT_SYNTAX),
        ({"checkpoint": receipt["checkpoint"].replace("\n\n", "\n")}, "checkpoint", Reason.NOTE_BLANK_LINE),
    ]:
        status, checks = check(**changes)
        assert (status, failed(checks)) == (1, {name: str(reason)})
    assert judge(b"{}", case.vkey)[0] == 1
    assert judge(b"not json", case.vkey)[0] == 1
    # A receipt whose record was signed by nobody in particular still says so.
    record = canon.loads(base64.b64decode(receipt["entry"]))
    record["sigs"][0]["sig"] = b64(b"\1" * 64)
    status, checks = check(entry=b64(canon.dumps(record)))
    assert checks["party"] == str(Reason.PARTY_SIGNATURE) and checks["inclusion"] == str(Reason.PROOF_ROOT)


def test_usage(case, tmp_path):
    path = tmp_path / "b"
    assert verify.verify_file(path, case.vkey).status is Exit.USAGE
    path.write_bytes(container.pack(case.members))
    assert verify.verify_file(path, "no key").status is Exit.USAGE
    assert verify.verify_file(path, case.vkey, since="no checkpoint").status is Exit.USAGE
    assert verify.verify_file(path, case.vkey).status is Exit.OK


def _only(verdict):
    """The reason of the one failed check."""
    (reason,) = [c.reason for c in verdict.checks if c.status == "fail"]
    return reason


@pytest.mark.parametrize(
    "content,reason",
    [
        (b"PK\3\4 cut off", Reason.ZIP_SYNTAX),
        (container.pack({"a": b"x"}) + b"more", Reason.ZIP_SYNTAX),
        (container.pack({"a": b"x"}), Reason.MANIFEST),
        (b"a text", Reason.JSON_SYNTAX),
        (b"{}", Reason.RECEIPT_SYNTAX),
    ],
)
def test_an_unreadable_file_comes_with_what_would_be_right(case, tmp_path, content, reason):
    assert str(reason) in judge(content, case.vkey)[1].values()
    path = tmp_path / "b"
    path.write_bytes(content)
    said = _only(verify.verify_file(path, case.vkey))
    assert said.startswith(f"[{reason}] ")
    assert "; " in said and "`slipway review report --bundle`" in said


def test_a_file_over_the_limit_comes_with_what_would_be_right(case, tmp_path, monkeypatch):
    (tmp_path / "b").write_bytes(b"PK and more")
    monkeypatch.setattr(verify, "MAX_FILE", 5)
    said = _only(verify.verify_file(tmp_path / "b", case.vkey))
    assert said.startswith("[zip.limit]") and "get the bundle again" in said


@pytest.mark.parametrize(
    "change,reason",
    [
        (lambda key: "no key", Reason.KEY_SYNTAX),
        (lambda key: "x" + key, Reason.KEY_ID),
        (lambda key: key[:-3], Reason.BASE64),
        (lambda key: "+".join([*key.split("+")[:2], "AgA="]), Reason.KEY_TYPE),
    ],
)
def test_a_bad_key_comes_with_what_would_be_right_in_both_commands(case, tmp_path, capsys, change, reason):
    path, key = tmp_path / "b", change(case.vkey)
    path.write_bytes(container.pack(case.members))
    said = _only(verify.verify_file(path, key))
    assert said.startswith(f"[{reason}] ") and "/log/key" in said
    with pytest.raises(twin.Bad) as caught:
        twin.verify(path.read_bytes(), key)
    assert caught.value.args[0] == str(reason)
    composition = Composition(supervise=lambda options: 0)
    assert cli_run(["verify", str(path), "--key", key], composition) == Exit.USAGE
    assert said in capsys.readouterr().out
    assert verify.main([str(path), "--key", key]) == Exit.USAGE
    assert said in capsys.readouterr().out


def test_the_key_may_be_in_a_file_and_a_held_checkpoint_comes_with_its_fix(case, tmp_path, capsys):
    path = tmp_path / "b"
    path.write_bytes(container.pack(case.members))
    (tmp_path / "key").write_text(case.vkey + "\n")
    assert verify.main([str(path), "--key", f"@{tmp_path / 'key'}"]) == Exit.OK
    capsys.readouterr()
    assert "/log/checkpoint" in _only(verify.verify_file(path, case.vkey, since="none"))


def test_the_log_may_grow_while_a_bundle_is_made(case):
    with pytest.raises(EvidenceError) as caught:
        make_bundle(case.world, Path("/nonexistent"), sign_report(case.world), review="nobody")
    assert caught.value.reason is Reason.CHAIN_COUNT
    assert build_bundle


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_mutation_of_any_member_passes(case, data):
    name = data.draw(st.sampled_from(sorted(case.members.keys() - {"manifest.json"})))
    old = case.members[name]
    kind = data.draw(st.sampled_from(["flip", "cut", "insert", "remove", "swap"]))
    at = data.draw(st.integers(0, max(len(old) - 1, 0)))
    new: bytes | None
    if kind == "flip" and old:
        new = old[:at] + bytes([old[at] ^ 1 << data.draw(st.integers(0, 7))]) + old[at + 1 :]
    elif kind == "cut" and old:
        new = old[:at]
    elif kind == "swap":
        new = case.members[data.draw(st.sampled_from(sorted(case.members)))]
    elif kind == "remove":
        new = None
    else:
        new = old[:at] + data.draw(st.binary(min_size=1, max_size=4)) + old[at:]
    if new == old:
        return
    status, _ = judge(case.changed({name: new}), case.vkey)
    # What may go: files that nothing binds, and optional parts that are taken away whole.
    optional = new is None and name in {"certificate.dsse.json", "disclosures/determination.json"}
    assert status != 0 or name in FREE or optional


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_flipped_byte_of_the_file_passes(case, data):
    packed = container.pack(case.members)
    at = data.draw(st.integers(0, len(packed) - 1))
    changed = packed[:at] + bytes([packed[at] ^ 1 << data.draw(st.integers(0, 7))]) + packed[at + 1 :]
    assert judge(changed, case.vkey)[0] != 0


def test_import_purity():
    code = (
        "import sys; before = set(sys.modules); import slipway.evidence.verify;"
        "print(*{m.split('.')[0] for m in set(sys.modules) - before})"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    foreign = {name for name in out if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert foreign <= {"slipway", "cryptography", "cffi"}


def test_single_file_runs_alone(case, tmp_path):
    path = tmp_path / "b.slipway.zip"
    path.write_bytes(container.pack(case.members))
    alone = tmp_path / "verify.py"
    alone.write_bytes(case.members["verify.py"])
    assert case.members["verify.py"] == PATH.read_bytes()
    command = [sys.executable, "-I", "-S", str(alone), str(path)]
    done = subprocess.run([*command, "--key", case.vkey, "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == 0
    assert subprocess.run([*command, "--key", "nonsense"], capture_output=True).returncode == 2
    assert subprocess.run(command, capture_output=True).returncode == 2
    path.write_bytes(path.read_bytes()[:-1])
    assert subprocess.run([*command, "--key", case.vkey], capture_output=True).returncode == 1


def test_module_runs_from_a_shell(case, tmp_path, capsys):
    path = tmp_path / "b.slipway.zip"
    path.write_bytes(container.pack(case.members))
    assert verify.main([str(path), "--key", case.vkey]) == 0
    assert "pass         chain:" in capsys.readouterr().out
    assert verify.main([str(path), "--key", case.vkey, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == 0


def test_the_checks_by_hand(case, tmp_path):
    """Runs every shell block of VERIFY.md as it is printed, and breaks the bundle to see them notice."""
    blocks = re.findall(r"```sh\n(.*?)```", case.members["VERIFY.md"].decode(), re.DOTALL)
    assert len(blocks) == 6
    manifest, checkpoint, hashing, chain, report, dsse = blocks

    def run(block, **env):
        return subprocess.run(
            ["sh", "-e", "-c", block],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={"PATH": "/usr/bin:/bin", **env},
        )

    for name, data in case.members.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    done = run(manifest)
    assert (done.returncode, done.stdout) == (0, "")
    done = run(checkpoint, KEY=case.vkey)
    assert done.returncode == 0 and "Verified Successfully" in done.stdout, done.stderr
    entries = [case.members[name] for name in sorted(case.members) if name.startswith("entries/")]
    left, right = (twin.leaf_hash(entry) for entry in entries[:2])
    done = run(hashing.replace("LEFT", b64(left)).replace("RIGHT", b64(right)))
    assert done.stdout.split() == [b64(left), b64(twin.node(left, right))]
    lines = run(chain).stdout.splitlines()
    for n in range(1, len(entries)):
        assert lines[n].split()[:2] == [str(n), lines[n - 1].split()[2]]
    done = run(report)
    assert sha256_hex(case.members["report.html"]) in (tmp_path / "statement.json").read_text()
    assert done.stdout.split()[0] == sha256_hex(case.members["report.html"])
    done = run(dsse)
    assert "Verified Successfully" in done.stdout, done.stderr

    (tmp_path / "report.html").write_bytes(b"changed")
    assert run(manifest).returncode != 0
    (tmp_path / "checkpoints/last").write_bytes(case.members["checkpoints/last"].replace(b"\n2", b"\n3", 1))
    assert run(checkpoint, KEY=case.vkey).returncode != 0
    (tmp_path / "statement.json").write_bytes(b"{}")
    assert run(dsse).returncode != 0
