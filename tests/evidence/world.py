"""A small site on disk for the tests: parties with keys, a log, a review's chain, a signed report."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw

from slipway.base.clock import ManualClock
from slipway.evidence import pending, record, seal, statement
from slipway.evidence.bundle import BundleParts, write_bundle
from slipway.evidence.heads import HeadJournal
from slipway.evidence.keys import Signer
from slipway.evidence.log import LogReader
from slipway.evidence.sequencer import Sequencer
from slipway.evidence.store import LogStore, SqliteStore, open_sqlite

ORIGIN = "slipway.test/review"
REVIEW = "01970000-0000-7000-8000-000000000001"
OTHER = "01970000-0000-7000-8000-000000000002"
START = datetime(2026, 6, 20, 14, 2, tzinfo=UTC)
SALT = b"s" * 32
PARTIES = ("desk", "gateway", "aurora-lab", "cyber-agency")


class World:
    """Everything under one folder; ``restart`` is what a new process would see."""

    def __init__(self, root: Path, store: LogStore | None = None) -> None:
        self.root = root
        self.clock = ManualClock(START)
        self.log_key = Signer(ORIGIN, b"L" * 32)
        self.signers = {name: Signer(name, bytes([n + 1]) * 32) for n, name in enumerate(PARTIES)}
        self.desk = apsw.Connection(str(root / "desk.sqlite3"))
        self.desk.set_busy_timeout(20_000)
        self.desk.execute("PRAGMA journal_mode=WAL")
        self.desk.execute(pending.PENDING_DDL)
        self.source = pending.SqlitePending(root / "desk.sqlite3")
        self.store = store or open_sqlite(root / "log.sqlite3", ORIGIN)
        self.restart_sequencer()

    def restart_sequencer(self) -> None:
        self.journal = HeadJournal(self.root / "heads" / "journal")
        self.sequencer = Sequencer(
            self.store, self.journal, self.log_key, self.clock, self.signers.get, [self.source]
        )

    @property
    def reader(self) -> LogReader:
        return LogReader(self.store)

    def act(self, type: str, party: str, review: str | None = REVIEW, **body: Any) -> str:
        self.clock.advance(timedelta(seconds=7))
        fields = body.pop("body", body)
        made = record.draft(type=type, review=review, party=party, body=fields, at=self.clock.now())
        pending.insert(self.desk, made)
        return made.id

    def seal_all(self) -> int:
        total = 0
        while done := self.sequencer.run_once():
            total += done
        return total

    def close(self) -> None:
        self.sequencer.close()
        self.journal.close()
        self.store.close()
        self.source.close()
        self.desk.close()


def play(world: World, exchanges: int = 6) -> None:
    """Write a review with a neighbour between its records, so that indexes and n differ."""
    for party in PARTIES:
        world.act("party.key", "desk", body={"party": party, "vkey": world.signers[party].vkey})
    world.act("review.offered", "aurora-lab", ref="R-1", agency="cyber-agency")
    world.act("review.offered", "aurora-lab", review=OTHER, ref="R-2")
    world.act("review.agreed", "cyber-agency", terms="0" * 64)
    world.seal_all()
    for number in range(exchanges):
        world.act("exchange.opened", "gateway", grant="G-1", number=number)
        world.act("exchange.closed", "gateway", grant="G-1", status=200)
        if number % 2:
            world.act("exchange.opened", "gateway", review=OTHER, number=number)
    sealed = seal.commitments(SALT, {"verdict": "covered", "reason": "over the line"})
    at = world.clock.now()
    determination = record.draft(
        type="determination.recorded", review=REVIEW, party="cyber-agency", body={}, at=at, sealed=sealed
    )
    pending.insert(world.desk, determination)
    world.determination = determination.id  # type: ignore[attr-defined]
    world.seal_all()


def sign_report(world: World, **overrides: Any) -> dict[str, Any]:
    """Return the signed parts of a report over the chain so far."""
    html, pdf = b"<!doctype html><title>R-1</title>", b"%PDF-1.7 fake"
    exports = {"results.json": b'{"covered":true}'}
    parts: dict[str, Any] = {"html": html, "pdf": pdf, "exports": exports}
    payload = statement.report_statement(
        chain=overrides.get("chain", statement.chain_head(world.reader, REVIEW)),
        html=html,
        pdf=pdf,
        exports=exports,
        signers=["cyber-agency", "desk"],
        predicate={"verdict": "covered", "estimate": "0.583"},
    )
    signers = overrides.get("signers", ("cyber-agency", "desk"))
    parts["report"] = statement.dsse_sign(
        statement.PAYLOAD_TYPE, payload, *(world.signers[name] for name in signers)
    )
    certificate = statement.certificate_statement(
        report=parts["report"],
        verifier_id="https://cyber-agency.example/review/v1",
        at=world.clock.now(),
        properties=["SLIPWAY_REVIEW_COMPLETED"],
    )
    parts["certificate"] = statement.dsse_sign(
        statement.PAYLOAD_TYPE, certificate, world.signers["cyber-agency"]
    )
    return parts


def make_bundle(world: World, path: Path, parts: Mapping[str, Any] | None = None, **changes: Any) -> Path:
    """Write a whole bundle of the played review."""
    if parts is None:
        parts = sign_report(world)
        world.act(
            "report.issued", "desk", body=statement.issued_body(parts["report"], parts["html"], parts["pdf"])
        )
        world.seal_all()
    disclosure = seal.disclosure(world.determination, SALT, {"verdict": "covered"})  # type: ignore[attr-defined]
    values: dict[str, Any] = {
        "review": REVIEW,
        "reader": world.reader,
        "disclosures": {"determination.json": disclosure},
        "keys": [signer.vkey for signer in world.signers.values()],
        "policy": f"log {world.log_key.vkey}\nquorum none\n",
        **parts,
        **changes,
    }
    return write_bundle(path, BundleParts(**values))


def sqlite_store(root: Path) -> SqliteStore:
    return open_sqlite(root / "log.sqlite3", ORIGIN)
