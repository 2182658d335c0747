"""The doctor's look at the log: silent on what a power cut leaves, loud on every planted damage."""

from __future__ import annotations

import pytest

from slipway.base.results import Status
from slipway.evidence import fsck
from slipway.evidence.fsck import examine
from slipway.evidence.keys import Signer
from tests.evidence.world import OTHER, World, play


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    play(made, exchanges=150)  # more than one tile
    yield made
    made.close()


def look(world, **options):
    ledgers = {"desk": world.root / "desk.sqlite3"}
    found = examine(world.store, world.journal.path, world.log_key.verifier, ledgers, **options)
    return {check.name: check for check in found}


def failing(world):
    return {name for name, check in look(world).items() if check.status is Status.FAIL}


def test_sound_log(world):
    found = look(world)
    assert {check.status for check in found.values()} == {Status.PASS}
    assert list(found) == [
        "log file", "log tiles", "log entries", "log chains", "log head", "head journal",
        "records of the desk",
    ]  # fmt: skip
    assert "2 reviews" in found["log chains"].reason


def test_empty_log(tmp_path):
    world = World(tmp_path)
    assert failing(world) == set()
    assert look(world)["log head"].status is Status.NOT_CHECKED
    assert (
        examine(world.store, world.journal.path, None, {"x": tmp_path / "none"})[-1].status
        is Status.NOT_CHECKED
    )
    world.close()


def test_what_a_cut_leaves_is_told_and_is_no_failure(world):
    world.act("window.ended", "aurora-lab")  # durable, never sealed
    world.desk.execute("UPDATE evidence_pending SET leaf_index=NULL, leaf_hash=NULL WHERE seq = 3")
    journal = world.journal.path
    lines = journal.read_bytes().splitlines(keepends=True)
    world.journal.close()
    journal.write_bytes(b"".join(lines[:-1]) + lines[-1][:40])  # the last line torn
    found = look(world)
    assert {check.status for check in found.values()} == {Status.PASS}
    assert "1 durable but not yet sealed" in found["records of the desk"].reason
    assert "1 sealed but not yet noted" in found["records of the desk"].reason
    assert "torn by a power cut" in found["head journal"].reason
    assert "entries ahead" in found["head journal"].reason
    world.restart_sequencer()


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("UPDATE entry SET body = CAST(body || ' ' AS BLOB) WHERE idx = 7", {"log entries", "log chains"}),
        ("DELETE FROM entry WHERE idx = 7", {"log entries"}),
        ("INSERT INTO entry VALUES (100000, x'00'); UPDATE entry SET idx = (SELECT max(size) FROM head)"
         " WHERE idx = 100000", {"log entries"}),
        ("UPDATE tile SET hashes = zeroblob(8192) WHERE level = 0 AND number = 0",
         {"log tiles", "log entries"}),
        ("UPDATE tile SET hashes = zeroblob(32) WHERE level = 1", {"log tiles"}),
        ("UPDATE tile SET hashes = substr(hashes, 1, 32) WHERE level = 0 AND number = 1", {"log tiles"}),
        ("DELETE FROM tile WHERE level = 1", {"log tiles"}),
        ("DELETE FROM record WHERE idx = 5", {"log chains"}),
        ("UPDATE head SET note = replace(note, char(10) || '3', char(10) || '4')", {"log head"}),
        ("DELETE FROM head WHERE size = (SELECT max(size) FROM head)", {"head journal"}),
        ("UPDATE head SET root = zeroblob(32) WHERE size = (SELECT max(size) FROM head)",
         {"log tiles", "log head"}),
    ],
)  # fmt: skip
def test_every_planted_damage_is_found(world, sql, names):
    world.store._db().execute(sql)
    assert names <= failing(world)


def test_an_acknowledged_record_that_is_gone_is_found(world):
    world.desk.execute("UPDATE evidence_pending SET leaf_index = leaf_index + 1 WHERE seq = 9")
    assert failing(world) == {"records of the desk"}
    world.desk.execute("UPDATE evidence_pending SET leaf_index = 99999 WHERE seq = 9")
    assert failing(world) == {"records of the desk"}


def test_another_key_and_a_broken_chain(world):
    checks = examine(world.store, world.journal.path, Signer(world.store.origin, b"x" * 32).verifier)
    assert {c.name for c in checks if c.status is Status.FAIL} == {"log head"}
    db = world.store._db()
    first, second = (i for i, _ in world.reader.review_entries(OTHER)[:2])
    (a,), (b,) = db.execute("SELECT body FROM entry WHERE idx IN (?, ?) ORDER BY idx", (first, second))
    db.execute(
        "UPDATE entry SET body = CASE idx WHEN ? THEN ? ELSE ? END WHERE idx IN (?, ?)",
        (first, b, a, first, second),
    )
    db.execute("UPDATE record SET idx = ? + ? - idx WHERE idx IN (?, ?)", (first, second, first, second))
    assert {"log entries", "log chains"} <= failing(world)


def test_a_damaged_journal_is_found(world):
    data = bytearray(world.journal.path.read_bytes())
    data[25] ^= 1
    world.journal.path.write_bytes(bytes(data))
    assert failing(world) == {"head journal"}


def test_a_very_large_log_says_what_was_not_looked_at(world):
    found = look(world, full=10)
    assert found["log entries"].status is found["log chains"].status is Status.NOT_CHECKED
    assert fsck.FULL > 1_000_000
