"""Power cuts at random writes: the synced is there, of the rest none, all, a prefix, some, or torn sectors.

A VFS shim remembers every write that was not synced yet and builds the disk
images that a cut could leave. Every image must start, hold all that was
acknowledged, and be found sound; the mutation check lowers ``synchronous`` to
NORMAL, the tempting setting, and shows that the rig finds lost entries.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from slipway.base.errors import SlipwayError
from slipway.base.results import Status
from slipway.evidence.fsck import examine
from slipway.evidence.store.sqlite import SqliteStore
from tests.evidence.world import ORIGIN, World

IMAGES = 45
SECTOR = 512
Write = tuple[int, bytes | None]  # (offset, data), or (size, None) for a truncation


class Disk(apsw.VFS):
    """Passes everything on, and knows for each file what is durable and what is only written."""

    def __init__(self) -> None:
        self.durable: dict[str, bytearray] = {}
        self.pending: dict[str, list[Write]] = {}
        self.on_write = lambda: None
        super().__init__("powerloss", "")

    def xOpen(self, name, flags):
        return DiskFile(self, name, flags)

    def xDelete(self, name, sync):
        self.durable.pop(name, None)
        self.pending.pop(name, None)
        super().xDelete(name, sync)


class DiskFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name, flags) -> None:
        self.disk = disk
        self.name = name.filename() if isinstance(name, apsw.URIFilename) else name
        super().__init__("", name, flags)
        if self.name and self.name not in disk.durable:
            path = Path(self.name)
            disk.durable[self.name] = bytearray(path.read_bytes() if path.exists() else b"")
            disk.pending[self.name] = []

    def _note(self, write: Write) -> None:
        if self.name:
            self.disk.pending[self.name].append(write)
            self.disk.on_write()

    def xWrite(self, data, offset):
        super().xWrite(data, offset)
        self._note((offset, bytes(data)))

    def xTruncate(self, size):
        super().xTruncate(size)
        self._note((size, None))

    def xSync(self, flags):
        super().xSync(flags)
        if self.name:
            for write in self.disk.pending[self.name]:
                apply(self.disk.durable[self.name], write)
            self.disk.pending[self.name].clear()
            self.disk.on_write()


def apply(image: bytearray, write: Write) -> None:
    at, data = write
    if len(image) < at:
        image.extend(bytes(at - len(image)))
    if data is None:
        del image[at:]
    else:
        image[at : at + len(data)] = data


def survivors(writes: list[Write], mode: str, rng: random.Random) -> Iterator[Write]:
    """Which of the unsynced writes reached the disk."""
    if mode == "all":
        yield from writes
    elif mode == "prefix":
        yield from writes[: rng.randint(0, len(writes))]
    elif mode == "subset":
        yield from (write for write in writes if rng.random() < 0.5)
    elif mode == "torn":
        for at, data in writes:
            if data is None:
                yield at, None
                continue
            sectors = [(at + i, data[i : i + SECTOR]) for i in range(0, len(data), SECTOR)]
            yield from (sector for sector in sectors if rng.random() < 0.6)


class Rig:
    """Works on a site whose log lies on the shim, and cuts the power at random writes."""

    def __init__(self, folder: Path, disk: Disk, synchronous: str) -> None:
        self.folder, self.disk, self.rng = folder, disk, random.Random(20260620)
        live = folder / "live"
        live.mkdir()
        store = SqliteStore(live / "log.sqlite3", ORIGIN, vfs="powerloss")
        store._db().execute(f"PRAGMA synchronous={synchronous}")
        store._db().execute("PRAGMA wal_autocheckpoint=40")  # checkpoints too, and often
        self.world = World(live, store)
        self.acknowledged: list[tuple[str, int]] = []
        self.images: list[tuple[str, Path, int]] = []
        self.journal_synced = 0
        mark, sync = self.world.source.mark, self.world.journal.sync

        def acknowledge(sealed):
            mark(sealed)
            self.acknowledged += [(item.id, item.index) for item in sealed]

        def note_sync():
            sync()
            self.journal_synced = self.world.journal.path.stat().st_size

        self.world.source.mark = acknowledge  # type: ignore[method-assign]
        self.world.journal.sync = note_sync  # type: ignore[method-assign]

    def work(self) -> None:
        self.world.seal_all()
        self.world.act("review.offered", "aurora-lab")
        self.world.seal_all()
        self.disk.on_write = self.perhaps_cut
        while len(self.images) < IMAGES:
            for _ in range(self.rng.choice((1, 1, 2, 9, 60))):
                self.world.act("exchange.opened", "gateway")
            self.world.sequencer.run_once()
            if self.rng.random() < 0.3:
                self.world.sequencer.run_once()  # idle: the journal is synced
        self.disk.on_write = lambda: None
        self.world.close()

    def perhaps_cut(self) -> None:
        if len(self.images) >= IMAGES or self.rng.random() > 0.08:
            return
        mode = self.rng.choice(("none", "all", "prefix", "subset", "torn"))
        image = self.folder / f"image{len(self.images)}"
        (image / "heads").mkdir(parents=True)
        for name, durable in self.disk.durable.items():
            if name.endswith("-shm"):
                continue
            data = bytearray(durable)
            for write in survivors(self.disk.pending[name], mode, self.rng):
                apply(data, write)
            (image / Path(name).name).write_bytes(data)
        journal = self.world.journal.path.read_bytes() if self.world.journal.path.exists() else b""
        kept = self.rng.randint(min(self.journal_synced, len(journal)), len(journal))
        (image / "heads" / "journal").write_bytes(journal[:kept])
        for path in self.world.root.glob(
            "desk.sqlite3*"
        ):  # idle while the log commits, and durable by itself
            if not path.name.endswith("-shm"):
                shutil.copy(path, image / path.name)
        self.images.append((mode, image, len(self.acknowledged)))

    def broken(self) -> Iterator[str]:
        """Start a site from every image; yield what is wrong with each that is not as it must be."""
        for mode, image, count in self.images:
            try:
                wrong = self.restart(image, count)
            except (SlipwayError, apsw.Error) as error:
                wrong = str(error)
            if wrong:
                yield f"{mode}: {wrong}"
            shutil.rmtree(image)

    def restart(self, image: Path, count: int) -> str:
        world = World(image)
        try:
            for identity, index in self.acknowledged[:count]:
                if world.reader.find(identity) != index:
                    return f"record {identity}, acknowledged at {index}, is gone"
            for _ in range(2):  # as the cut left it, and after the sequencer has gone on
                ledgers = {"desk": image / "desk.sqlite3"}
                checks = examine(world.store, world.journal.path, world.log_key.verifier, ledgers)
                failed = [check for check in checks if check.status is Status.FAIL]
                if failed:
                    return f"{failed[0].name}: {failed[0].reason}"
                world.seal_all()
            return "" if world.source.counts()[0] == 0 else "something stays unsealed"
        finally:
            world.close()


@pytest.fixture
def disk():
    vfs = Disk()
    yield vfs
    vfs.unregister()


def test_no_power_cut_loses_what_was_acknowledged(tmp_path, disk):
    rig = Rig(tmp_path, disk, "FULL")
    rig.work()
    assert {mode for mode, *_ in rig.images} == {"none", "all", "prefix", "subset", "torn"}
    assert rig.acknowledged
    assert list(rig.broken()) == []


def test_mutation_synchronous_normal_is_caught(tmp_path, disk):
    rig = Rig(tmp_path, disk, "NORMAL")
    rig.work()
    assert any("is gone" in wrong for wrong in rig.broken())
