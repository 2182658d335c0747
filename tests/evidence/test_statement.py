from __future__ import annotations

import pytest
from securesystemslib.dsse import Envelope

from slipway.evidence import statement
from slipway.evidence.encoding import b64
from slipway.evidence.keys import Signer
from slipway.evidence.reasons import EvidenceError, Reason
from tests.evidence.world import REVIEW, World, play

A, B = Signer("cyber-agency", b"a" * 32), Signer("desk", b"b" * 32)
PAYLOAD = statement.statement({"report.html": "0" * 64}, statement.PREDICATE_REPORT, {"x": 1})


def refused(reason, call, *arguments):
    with pytest.raises(EvidenceError) as caught:
        call(*arguments)
    assert caught.value.reason is reason, caught.value


def test_pae_is_that_of_the_specification_and_of_securesystemslib():
    assert statement.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    envelope = Envelope(PAYLOAD, statement.PAYLOAD_TYPE, {})
    assert envelope.pae() == statement.pae(statement.PAYLOAD_TYPE, PAYLOAD)


def test_sign_and_verify():
    envelope = statement.dsse_sign(statement.PAYLOAD_TYPE, PAYLOAD, A, B)
    payload, good = statement.dsse_verify(envelope, [A.verifier, B.verifier])
    assert payload == PAYLOAD and good == (A.verifier, B.verifier)
    assert statement.dsse_verify(envelope, [B.verifier])[1] == (B.verifier,)
    subjects, predicate = statement.read_statement(payload, statement.PREDICATE_REPORT)
    assert subjects == {"report.html": "0" * 64} and predicate == {"x": 1}


def test_refusals():
    envelope = statement.dsse_sign(statement.PAYLOAD_TYPE, PAYLOAD, A)
    keys = [A.verifier]
    refused(Reason.DSSE_UNSIGNED, statement.dsse_verify, envelope, [B.verifier])
    refused(Reason.DSSE_SIGNATURE, statement.dsse_verify, {**envelope, "payload": b64(PAYLOAD + b" ")}, keys)
    refused(Reason.DSSE_TYPE, statement.dsse_verify, {**envelope, "payloadType": "text/plain"}, keys)
    refused(Reason.DSSE_SYNTAX, statement.dsse_verify, {**envelope, "extra": 1}, keys)
    refused(Reason.DSSE_SYNTAX, statement.dsse_verify, [], keys)
    refused(Reason.DSSE_SYNTAX, statement.dsse_verify, {**envelope, "signatures": [{"sig": ""}]}, keys)
    refused(Reason.BASE64, statement.dsse_verify, {**envelope, "payload": "AAA"}, keys)
    refused(Reason.STATEMENT_SCHEMA, statement.read_statement, PAYLOAD, statement.PREDICATE_CERTIFICATE)
    refused(Reason.JSON_NOT_CANONICAL, statement.read_statement, b" " + PAYLOAD, statement.PREDICATE_REPORT)
    refused(Reason.STATEMENT_SCHEMA, statement.statement, {}, "t", {})
    refused(Reason.STATEMENT_SCHEMA, statement.statement, {"a": "xyz"}, "t", {})
    twice = PAYLOAD.replace(
        b'"subject":[', b'"subject":[{"digest":{"sha256":"' + b"0" * 64 + b'"},"name":"report.html"},'
    )
    refused(Reason.STATEMENT_SCHEMA, statement.read_statement, twice, statement.PREDICATE_REPORT)
    with pytest.raises(ValueError):
        statement.dsse_sign(statement.PAYLOAD_TYPE, PAYLOAD)


def test_chain_head_needs_a_sealed_record(tmp_path):
    world = World(tmp_path)
    play(world)
    head = statement.chain_head(world.reader, REVIEW)
    assert head["n"] == len(world.reader.review_entries(REVIEW)) and head["size"] == world.reader.size
    refused(Reason.CHAIN_COUNT, statement.chain_head, world.reader, "nobody")
    world.close()
