"""Rigs of the write path: commits that fail midway, and databases that went back in time.

Each rig has a mutation check: it plants the fault that the code guards
against and shows that the rig notices.
"""

from __future__ import annotations

import shutil

import apsw
import pytest

from slipway.base.errors import Unavailable
from slipway.base.results import Status
from slipway.evidence.fsck import examine
from slipway.evidence.log import LogWriter
from slipway.evidence.reasons import EvidenceError, Reason
from slipway.evidence.store import open_sqlite
from tests.evidence.world import ORIGIN, World


class FaultyFile(apsw.VFSFile):
    def __init__(self, vfs, name, flags):
        self._vfs = vfs
        super().__init__(vfs.base_vfs, name, flags)

    def xWrite(self, data, offset):
        self._vfs.tick("write")
        return super().xWrite(data, offset)

    def xSync(self, flags):
        self._vfs.tick("sync")
        return super().xSync(flags)


class FaultyDisk(apsw.VFS):
    """A disk whose n-th write-side call from now on fails, once or until it is mended."""

    def __init__(self):
        self.base_vfs = ""
        self.left: int | None = None
        self.full = False
        self.calls = 0
        super().__init__("faulty", "")

    def xOpen(self, name, flags):
        return FaultyFile(self, name, flags)

    def tick(self, kind):
        self.calls += 1
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                if not self.full:
                    self.left = None
                raise (apsw.FullError if self.full else apsw.IOError)(f"injected at {kind}")


@pytest.fixture
def disk():
    vfs = FaultyDisk()
    yield vfs
    vfs.unregister()


@pytest.fixture
def world(tmp_path, disk):
    from slipway.evidence.store.sqlite import SqliteStore

    made = World(tmp_path, SqliteStore(tmp_path / "log.sqlite3", ORIGIN, vfs="faulty"))
    yield made
    disk.left = None
    made.close()


def sound(world):
    """The log is whole, and everything acknowledged is in it, at its place, once."""
    checks = examine(
        world.store, world.journal.path, world.log_key.verifier, {"desk": world.root / "desk.sqlite3"}
    )
    return [check for check in checks if check.status is not Status.PASS] == []


def calls_of_one_append(world, disk):
    before = disk.calls
    world.act("exchange.opened", "gateway")
    world.seal_all()
    return disk.calls - before


def drive(world, disk, *, full):
    """Fail each write-side call of one append in turn; between faults go on working."""
    world.act("exchange.opened", "gateway")
    world.seal_all()
    failures = 0
    for nth in range(calls_of_one_append(world, disk) + 1):
        for _ in range(3):
            world.act("exchange.opened", "gateway", nth=nth)
        disk.left, disk.full = nth, full
        try:
            world.seal_all()
        except Unavailable:
            failures += 1
        disk.left = None
        if nth % 2:
            world.act("exchange.closed", "gateway", nth=nth)
        world.seal_all()
        if not sound(world):
            return failures, False
    return failures, True


@pytest.mark.parametrize("full", [False, True], ids=["io_error", "disk_full"])
def test_every_failing_call_of_an_append_leaves_a_sound_log(world, disk, full):
    failures, whole = drive(world, disk, full=full)
    assert failures > 0  # the faults were really felt
    assert whole


def test_mutation_a_writer_that_keeps_its_edge_is_caught(world, disk, monkeypatch):
    """The planted fault: after a failed commit go on from the edge in memory instead of the store's."""
    real = LogWriter.append

    def append(self, rows):
        edge = self._loaded()
        try:
            return real(self, rows)
        except Unavailable:
            self._edge = edge  # extended by what was never committed
            raise

    monkeypatch.setattr(LogWriter, "append", append)
    try:
        _, whole = drive(world, disk, full=True)
    except EvidenceError as error:
        assert error.reason in (Reason.LOG_OTHER_WRITER, Reason.LOG_DAMAGED)
        whole = False
    assert not whole


def grow(world, count):
    for _ in range(count):
        world.act("exchange.opened", "gateway")
        world.seal_all()


def restore(root, copy):
    for name in ("log.sqlite3", "log.sqlite3-wal", "log.sqlite3-shm"):
        (root / name).unlink(missing_ok=True)
        if (copy / name).exists():
            shutil.copy(copy / name, root / name)


def test_yesterdays_database_is_refused(tmp_path):
    world = World(tmp_path / "site" if (tmp_path / "site").mkdir() is None else tmp_path)
    grow(world, 3)
    world.close()
    yesterday = tmp_path / "yesterday"
    shutil.copytree(world.root, yesterday)
    world = World(world.root)
    grow(world, 2)
    world.close()

    restore(world.root, yesterday)
    world = World(world.root)
    world.act("exchange.opened", "gateway")
    for _ in range(2):  # and it stays refused
        with pytest.raises(EvidenceError) as caught:
            world.sequencer.run_once()
        assert caught.value.reason is Reason.LOG_ROLLBACK
        assert "3 entries" in caught.value.message and "5" in caught.value.message
    assert world.reader.size == 3
    checks = {c.name: c.status for c in examine(world.store, world.journal.path)}
    assert checks["head journal"] is Status.FAIL
    world.close()


def test_mutation_without_the_journal_the_rollback_goes_unseen(tmp_path):
    """Shows that it is the journal that refuses: without it the old copy is sound in itself."""
    world = World(tmp_path)
    grow(world, 3)
    world.close()
    yesterday = tmp_path / "yesterday"
    yesterday.mkdir()
    restore(yesterday, tmp_path)
    world = World(tmp_path)
    grow(world, 2)
    world.close()
    restore(tmp_path, yesterday)
    (tmp_path / "heads" / "journal").unlink()
    world = World(tmp_path)
    grow(world, 1)
    # The three records since yesterday were marked as sealed: only the ledger still knows of them.
    assert world.reader.size == 4
    world.close()


def test_another_history_of_the_same_length_is_refused(tmp_path):
    roots = [tmp_path / name for name in ("a", "b")]
    for root in roots:
        root.mkdir()
        world = World(root)
        grow(world, 4)
        world.close()
    restore(*roots)
    world = World(roots[0])
    with pytest.raises(EvidenceError) as caught:
        world.sequencer.run_once()
    assert caught.value.reason is Reason.LOG_FORK
    world.close()


def test_a_newer_database_than_the_journal_is_the_normal_case_after_a_cut(tmp_path):
    world = World(tmp_path)
    grow(world, 5)
    world.close()
    journal = tmp_path / "heads" / "journal"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:2]))
    world = World(tmp_path)
    grow(world, 1)
    assert world.reader.size == 6 and sound(world)
    assert world.journal.last.size == 6
    world.close()


def test_a_tile_that_does_not_fit_the_head_stops_the_start(tmp_path):
    world = World(tmp_path)
    grow(world, 5)
    world.sequencer.close()
    world.store._db().execute("UPDATE tile SET hashes = zeroblob(160)")
    world.restart_sequencer()
    with pytest.raises(EvidenceError) as caught:
        world.sequencer.run_once()
    assert caught.value.reason in (Reason.LOG_DAMAGED, Reason.LOG_FORK)
    world.close()
    assert (
        open_sqlite(tmp_path / "log.sqlite3", ORIGIN).integrity() == "ok"
    )  # SQLite itself sees nothing wrong
