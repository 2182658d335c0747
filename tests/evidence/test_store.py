"""One contract for every log store: a state machine drives SQLite and the plain model alike."""

from __future__ import annotations

import gc
import shutil
import tempfile
import threading
from pathlib import Path

import apsw
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from slipway.base.errors import NotFound, SlipwayError, Unavailable
from slipway.base.ids import uuid7
from slipway.evidence.merkle import leaf_hash
from slipway.evidence.reasons import EvidenceError, Reason
from slipway.evidence.store import Batch, Head, MemoryStore, Row, open_sqlite
from slipway.evidence.store.sqlite_version import check_sqlite
from slipway.evidence.tiles import Edge
from tests.evidence.world import ORIGIN

REVIEWS = ("r1", "r2", None)


class Stores(RuleBasedStateMachine):
    """Every operation is done to both; every answer and every refusal must be the same."""

    @initialize()
    def make(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.model = MemoryStore(ORIGIN)
        self.real = open_sqlite(self.folder / "log.sqlite3", ORIGIN)
        self.edge = Edge()
        self.counts: dict[str, int] = {}
        self.ids: list[str] = []

    def both(self, call):
        outcomes = []
        for store in (self.model, self.real):
            try:
                outcomes.append(call(store))
            except SlipwayError as error:
                outcomes.append((type(error), error.code))
        assert outcomes[0] == outcomes[1]
        return outcomes[1]

    def batch(self, kinds, first=None):
        rows = []
        for review in kinds:
            n = None
            if review is not None:
                n = self.counts[review] = self.counts.get(review, -1) + 1
            self.ids.append(uuid7())
            rows.append(Row(uuid7().encode(), self.ids[-1], review, n))
        edge = self.edge.copy()
        tiles = edge.extend([leaf_hash(row.body) for row in rows])
        first = self.edge.size if first is None else first
        return Batch(first, rows, tiles, Head(edge.size, edge.root(), f"note {edge.size}")), edge

    @rule(owner=st.sampled_from("ab"), take=st.booleans())
    def lease(self, owner, take):
        # One process holds one flock, so the real store serves one owner here; see the two-store test below.
        self.both(lambda store: store.release("a") or store.release("b"))
        if take:
            assert self.both(lambda store: store.acquire(owner)) is True

    @rule(owner=st.sampled_from("ab"), kinds=st.lists(st.sampled_from(REVIEWS), min_size=1, max_size=300))
    def commit(self, owner, kinds):
        counts, ids = dict(self.counts), list(self.ids)
        batch, edge = self.batch(kinds)
        if self.both(lambda store: store.commit(owner, batch)) is None:
            self.edge = edge
        else:
            self.counts, self.ids = counts, ids

    @rule(off=st.sampled_from([-1, 1]))
    def commit_at_a_wrong_place(self, off):
        self.both(lambda store: store.release("a") or store.release("b"))
        self.both(lambda store: store.acquire("a"))
        counts, ids = dict(self.counts), list(self.ids)
        batch, _ = self.batch([None], self.edge.size + off)
        outcome = self.both(lambda store: store.commit("a", batch))
        assert outcome == (EvidenceError, "log.other_writer")
        self.counts, self.ids = counts, ids

    @rule()
    def reopen(self):
        self.real.close()
        self.real = open_sqlite(self.folder / "log.sqlite3", ORIGIN)
        self.model.release("a")
        self.model.release("b")
        self.real.release("a")

    @rule(index=st.integers(-2, 900), width=st.integers(0, 300))
    def read(self, index, width):
        self.both(lambda store: store.entry(index))
        self.both(lambda store: store.entries(index, index + width))
        self.both(lambda store: store.head_covering(index))
        self.both(lambda store: store.tile(0, max(index, 0) // 256))
        self.both(lambda store: store.tile(1, 0))

    @rule(data=st.data())
    def find(self, data):
        wanted = data.draw(st.sampled_from([*self.ids[-5:], *self.ids[:5], "unknown", uuid7()]))
        self.both(lambda store: store.find(wanted))

    @invariant()
    def same_head_and_chains(self):
        if not hasattr(self, "edge"):
            return
        head = self.both(lambda store: store.head())
        assert (head.size if head else 0) == self.edge.size
        for review in ("r1", "r2", "none"):
            self.both(lambda store, review=review: store.tail(review))
            self.both(lambda store, review=review: store.review_indexes(review))

    def teardown(self):
        if hasattr(self, "real"):
            self.real.close()
            shutil.rmtree(self.folder)


TestStores = Stores.TestCase
TestStores.settings = settings(
    max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)


def one_entry(first=0):
    edge = Edge()
    rows = [Row(b"x", uuid7(), "r", 0)]
    tiles = edge.extend([leaf_hash(b"x")])
    return Batch(first, rows, tiles, Head(1, edge.root(), "note"))


def test_second_sequencer_is_locked_out_and_takes_over(tmp_path):
    first, second = (open_sqlite(tmp_path / "log", ORIGIN) for _ in range(2))
    assert first.acquire("a") and first.acquire("a")
    assert not second.acquire("b")
    first.close()  # as when the process dies: the kernel frees the lock, nobody waits for a time
    assert second.acquire("b")
    second.close()


def test_a_fenced_owner_cannot_commit(tmp_path):
    store = open_sqlite(tmp_path / "log", ORIGIN)
    assert store.acquire("a")
    assert store.acquire("b")  # the same process took over under another name
    with pytest.raises(EvidenceError) as caught:
        store.commit("a", one_entry())
    assert caught.value.reason is Reason.LOG_OTHER_WRITER
    assert store.head() is None
    store.close()


def test_a_failing_commit_writes_nothing(tmp_path):
    store = open_sqlite(tmp_path / "log", ORIGIN)
    store.acquire("a")
    batch = one_entry()
    twice = Batch(0, [*batch.rows, *batch.rows], batch.tiles, batch.head)  # the same record id
    with pytest.raises(Unavailable):
        store.commit("a", twice)
    assert store.head() is None and store.entries(0, 9) == []
    store.commit("a", batch)
    assert store.integrity() == "ok"
    store.close()


def test_full_synchronous_and_wal(tmp_path):
    store = open_sqlite(tmp_path / "log", ORIGIN)
    db = store._db()
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_each_thread_reads_through_its_own_connection(tmp_path):
    store = open_sqlite(tmp_path / "log", ORIGIN)
    store.acquire("a")
    store.commit("a", one_entry())
    seen = []
    threads = [threading.Thread(target=lambda: seen.append((store.entry(0), store._db()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry for entry, _ in seen] == [b"x"] * 4
    assert len({id(db) for _, db in seen} | {id(store._db())}) == 5
    store.close()


def test_dead_threads_leave_no_open_files(tmp_path):
    store = open_sqlite(tmp_path / "log", ORIGIN)
    store.acquire("a")
    store.commit("a", one_entry())

    def open_files():
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_files()
    for _ in range(30):
        thread = threading.Thread(target=store.entry, args=(0,))
        thread.start()
        thread.join()
    assert open_files() <= before + 3
    store.close()


def test_another_logs_file_is_refused(tmp_path):
    open_sqlite(tmp_path / "log", ORIGIN).close()
    with pytest.raises(EvidenceError) as caught:
        open_sqlite(tmp_path / "log", "somebody.else/log")
    assert caught.value.reason is Reason.LOG_ORIGIN


def test_read_only_reads_and_refuses_to_write(tmp_path):
    writer = open_sqlite(tmp_path / "log", ORIGIN)
    writer.acquire("a")
    writer.commit("a", one_entry())
    reader = open_sqlite(tmp_path / "log", ORIGIN, read_only=True)
    assert reader.entry(0) == b"x"
    with pytest.raises(EvidenceError) as caught:
        reader.commit("a", one_entry(1))
    assert caught.value.reason is Reason.LOG_OTHER_WRITER
    with pytest.raises(NotFound):
        reader.entry(1)
    reader.close()
    writer.close()


@pytest.mark.parametrize(
    ("version", "good"), [("3.40.1", False), ("3.51.2", False), ("3.51.3", True), ("3.54.1", True)]
)
def test_sqlite_version_is_checked(version, good):
    if good:
        check_sqlite(version)
        return
    with pytest.raises(EvidenceError) as caught:
        check_sqlite(version)
    assert caught.value.reason is Reason.SQLITE_VERSION


def test_the_library_in_use_is_new_enough():
    assert tuple(map(int, apsw.sqlite_lib_version().split("."))) >= (3, 51, 3)
