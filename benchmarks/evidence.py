"""The evidence log against raw SQLite and raw SHA-256, interleaved in the same run.

Entries are of the size of a real record (about 700 bytes) with their record
id, review and chain number; the peers store or hash the very same bytes.
"""

from __future__ import annotations

import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw

from benchmarks._harness import Measure, paired
from slipway.base.clock import SystemClock
from slipway.base.ids import uuid7
from slipway.evidence import pending, record, statement
from slipway.evidence.bundle import BundleParts, build_bundle, write_bundle
from slipway.evidence.heads import HeadJournal
from slipway.evidence.keys import Signer
from slipway.evidence.log import LogReader, LogWriter
from slipway.evidence.merkle import leaf_hash, node_hash, verify_inclusion
from slipway.evidence.sequencer import Sequencer
from slipway.evidence.store import Row, SqliteStore, open_sqlite
from slipway.evidence.tiles import TileTree

ORIGIN = "slipway.bench/review"
RECORD_BYTES = 700
BULK = 4096


def measures(quick: bool) -> Iterator[Measure]:
    """Yield every measure of the evidence room."""
    pairs = 3 if quick else 9
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as name:
        root = Path(name)
        yield _single(root / "single", pairs, 30 if quick else 100)
        yield _bulk(root / "bulk", pairs, 2 if quick else 6)
        yield from _large(root / "large", pairs, 1_000_000)
        yield from _bundle(root / "bundle", pairs)
        yield _sequencer(root / "sequencer", pairs, 2_000)


class _Log:
    """A log with its writer, in a folder of its own."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True)
        self.root = root
        self.store: SqliteStore = open_sqlite(root / "log.sqlite3", ORIGIN)
        self.journal = HeadJournal(root / "journal")
        self.writer = LogWriter(self.store, self.journal, Signer.generate(ORIGIN), "bench")
        self.store.acquire("bench")
        self.n = 0

    def rows(self, count: int, size: int = RECORD_BYTES) -> list[Row]:
        made = [
            Row(random.randbytes(size), uuid7(), "01970000-0000-7000-8000-000000000001", self.n + i)
            for i in range(count)
        ]
        self.n += count
        return made

    def close(self) -> None:
        self.journal.close()
        self.store.close()


class _Raw:
    """The peer: the same bytes into one table of the same SQLite, WAL and synchronous=FULL."""

    def __init__(self, path: Path) -> None:
        self.db = apsw.Connection(str(path))
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=FULL")
        self.db.execute("CREATE TABLE entry (idx INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT")

    def insert(self, bodies: list[bytes]) -> None:
        self.db.execute("BEGIN IMMEDIATE")
        self.db.executemany("INSERT INTO entry (body) VALUES (?)", [(body,) for body in bodies])
        self.db.execute("COMMIT")


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _cpu(call: Callable[[], object]) -> float:
    started = time.process_time()
    for _ in range(5):
        call()
    return time.process_time() - started


def _against_raw(root: Path, pairs: int, batches: int, rows: int) -> tuple[tuple[float, float, float], float]:
    """Return ((ratio, smallest, largest) of our rate to SQLite's, our seconds a batch)."""
    log, raw = _Log(root), _Raw(root / "raw.sqlite3")
    work = [log.rows(rows) for _ in range(batches * pairs + 2)]
    log.writer.append(work.pop())
    raw.insert([row.body for row in work.pop()])
    turn = iter(range(pairs))
    shared: list[list[Row]] = []
    seconds: list[float] = []

    def batch() -> list[list[Row]]:
        # Both sides of a pair get the same bytes, whichever runs first.
        nonlocal shared
        if shared:
            taken, shared = shared, []
            return taken
        at = next(turn) * batches
        shared = work[at : at + batches]
        return shared

    def ours() -> float:
        mine = batch()
        seconds.append(_timed(lambda: [log.writer.append(part) for part in mine]) / batches)
        return seconds[-1]

    def theirs() -> float:
        mine = [[row.body for row in part] for part in batch()]
        return _timed(lambda: [raw.insert(part) for part in mine]) / batches

    result = paired(theirs, ours, pairs)  # rates: their time over ours
    raw.db.close()
    log.close()
    return result, statistics.median(seconds)


def _single(root: Path, pairs: int, appends: int) -> Measure:
    (ratio, low, high), seconds = _against_raw(root, pairs, appends, 1)
    note = f"{1 / seconds:.0f} durable appends a second"
    return Measure(
        "append, one record", "raw one-row WAL FULL commit", ratio, (low, high), ">= 0.8", ratio >= 0.8, note
    )


def _bulk(root: Path, pairs: int, batches: int) -> Measure:
    (ratio, low, high), seconds = _against_raw(root, pairs, batches, BULK)
    note = f"{BULK / seconds:.0f} records a second"
    return Measure(
        "append, 4096 records",
        "raw SQLite insert of 4096 rows",
        ratio,
        (low, high),
        ">= 0.6",
        ratio >= 0.6,
        note,
    )


def _grown(root: Path, size: int) -> _Log:
    log = _Log(root)
    while log.n < size:
        log.writer.append([Row(b"%d" % (log.n + i)) for i in range(min(BULK * 4, size - log.n))])
        log.n = log.writer.size
    return log


def _median_time(calls: list[Callable[[], object]]) -> float:
    return statistics.median(_timed(call) for call in calls)


def _large(root: Path, pairs: int, size: int) -> Iterator[Measure]:
    """Proofs, verification, start-up and storage at a million leaves."""
    small, large = _grown(root / "small", 10_000), _grown(root / "large", size)

    def cold_proofs(log: _Log) -> float:
        picks = [random.randrange(log.n) for _ in range(100)]
        return _median_time([lambda i=i: TileTree(log.store.tile, log.n).inclusion(i) for i in picks])  # type: ignore[misc]

    ratio, low, high = paired(lambda: cold_proofs(large), lambda: cold_proofs(small), pairs)
    note = f"{cold_proofs(large) * 1e3:.2f} ms cold, p50 of 100"
    yield Measure("proof, 1M leaves", "10k leaves", ratio, (low, high), "<= 4", ratio <= 4, note)

    root_hash = TileTree(large.store.tile, large.n).root()
    work = []
    for _ in range(200):
        index = random.randrange(large.n)
        work.append((index, TileTree(large.store.tile, large.n).inclusion(index)))
    leaves = {index: leaf_hash(large.store.entry(index)) for index, _ in work}

    def verify() -> None:
        for index, path in work:
            verify_inclusion(index, large.n, leaves[index], path, root_hash)

    def hashes() -> None:
        for index, path in work:
            value = leaves[index]
            for sibling in path:
                value = node_hash(value, sibling)

    # CPU time: both sides only compute, and a busy machine must not decide.
    ratio, low, high = paired(lambda: _cpu(verify), lambda: _cpu(hashes), pairs)
    note = f"{_timed(verify) / len(work) * 1e6:.1f} µs a proof"
    yield Measure(
        "verify, 1M leaves", "log2(n) SHA-256 node hashes", ratio, (low, high), "<= 1.5", ratio <= 1.5, note
    )

    def start(log: _Log) -> float:
        return _median_time([log.writer.reload] * 25)

    ratio, low, high = paired(lambda: start(large), lambda: start(small), pairs)
    started = start(large)
    good = ratio <= 3 and started <= 0.05
    note = f"{started * 1e3:.1f} ms"
    yield Measure("start, 1M leaves", "10k leaves", ratio, (low, high), "<= 3 and <= 50 ms", good, note)
    small.close()
    large.close()
    yield _storage(root / "storage", BULK * 4)


def _storage(root: Path, size: int) -> Measure:
    log = _Log(root)
    while log.n < size:
        log.writer.append(log.rows(BULK))
    log.store.close()
    used = (root / "log.sqlite3").stat().st_size + (root / "journal").stat().st_size
    log.journal.close()
    ratio = used / (size * RECORD_BYTES)
    return Measure(
        "storage",
        "bytes of the raw entries",
        ratio,
        (ratio, ratio),
        "<= 1.25",
        ratio <= 1.25,
        f"{used} bytes",
    )


def _review(root: Path, exchanges: int) -> tuple[Sequencer, SqliteStore, dict[str, Signer], str]:
    """Write a whole review through pending rows and the sequencer."""
    root.mkdir(parents=True, exist_ok=True)
    names = ("desk", "gateway", "aurora-lab", "cyber-agency")
    signers = {name: Signer.generate(name) for name in names}
    db = apsw.Connection(str(root / "desk.sqlite3"))
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(pending.PENDING_DDL)
    review, at = uuid7(), datetime(2026, 6, 20, tzinfo=UTC)

    def act(kind: str, actor: str, **body: str) -> None:
        nonlocal at
        at += timedelta(seconds=1)
        pending.insert(db, record.draft(type=kind, review=review, party=actor, body=body, at=at))

    with db:
        for name in names:
            act("party.key", "desk", party=name, vkey=signers[name].vkey)
        act("review.offered", "aurora-lab", ref="R-1")
        for number in range(exchanges):
            commit = statement.sha256_hex(b"%d" % number)
            act("exchange.opened", "gateway", grant="G-1", model="reference", request_commit=commit)
            act("exchange.closed", "gateway", exchange=uuid7(), outcome="complete", response_commit=commit)
        act("determination.recorded", "cyber-agency", verdict="covered")
    db.close()
    store = open_sqlite(root / "log.sqlite3", ORIGIN)
    source = pending.SqlitePending(root / "desk.sqlite3")
    key = Signer.generate(ORIGIN)
    signers[ORIGIN] = key
    journal = HeadJournal(root / "journal")
    return Sequencer(store, journal, key, SystemClock(), signers.get, [source]), store, signers, review


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _bundle(root: Path, pairs: int) -> Iterator[Measure]:
    """Cold verification of one report's bundle, as a process of its own; bare seconds, there is no peer."""
    sequencer, store, signers, review = _review(root, 150)
    while sequencer.run_once():
        pass
    reader = LogReader(store)
    html = b"<!doctype html>" + b"<p>finding</p>" * 10_000
    payload = statement.report_statement(
        chain=statement.chain_head(reader, review), html=html, pdf=None, signers=["desk"], predicate={}
    )
    envelope = statement.dsse_sign(statement.PAYLOAD_TYPE, payload, signers["desk"], signers["cyber-agency"])
    parts = BundleParts(review=review, report=envelope, html=html, reader=reader)
    path = write_bundle(root / "r.slipway.zip", parts)
    records = len(reader.review_entries(review))
    alone = root / "verify.py"
    alone.write_bytes((Path(statement.__file__).parent / "inside" / "verify.py").read_bytes())
    runs = {
        "verify a bundle, cold": ([sys.executable, "-m", "slipway.evidence.verify"], 0.3),
        "verify a bundle, cold, standard library only": ([sys.executable, "-I", "-S", str(alone)], 1.0),
    }
    built = _timed(lambda: build_bundle(parts))
    note = f"{records} records, {path.stat().st_size} bytes; built in {built * 1e3:.0f} ms"
    for name, (command, goal) in runs.items():
        whole = [*command, str(path), "--key", signers[ORIGIN].vkey]
        before = _children()
        times = sorted(
            _timed(lambda whole=whole: subprocess.run(whole, check=True, capture_output=True))  # type: ignore[misc]
            for _ in range(pairs)
        )
        used = (_children() - before) / pairs
        median = statistics.median(times)
        said = f"{note}; {used:.2f} s of CPU"
        yield Measure(name, "seconds", median, (times[0], times[-1]), f"<= {goal}", median <= goal, said)
    sequencer.close()
    store.close()


def _sequencer(root: Path, pairs: int, records: int) -> Measure:
    """A record's whole way (read, place, sign, tree, commit, hand back) against its signature alone."""
    seconds = []

    def ours() -> float:
        sequencer, store, *_ = _review(root / f"{len(seconds)}", records // 2)
        done = 0
        started, cpu = time.perf_counter(), time.process_time()
        while turn := sequencer.run_once():
            done += turn
        seconds.append((time.perf_counter() - started) / done)
        cpu = time.process_time() - cpu
        sequencer.close()
        store.close()
        return cpu / done

    signer, body = Signer.generate("gateway"), random.randbytes(RECORD_BYTES)

    def theirs() -> float:
        return _cpu(lambda: [signer.sign(body) for _ in range(records)]) / records / 5

    ratio, low, high = paired(ours, theirs, pairs)
    note = f"{1 / statistics.median(seconds):.0f} records a second, party signatures included"
    return Measure(
        "seal a record", "CPU of one Ed25519 signature", ratio, (low, high), "<= 5", ratio <= 5, note
    )
