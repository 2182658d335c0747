from __future__ import annotations

import json
import threading
from datetime import timedelta

import pytest

from slipway.base.clock import ManualClock
from slipway.base.errors import NotFound, Unavailable
from slipway.evidence import pending, record
from slipway.evidence.keys import Signer
from slipway.evidence.merkle import leaf_hash, verify_consistency, verify_inclusion
from slipway.evidence.note import open_checkpoint
from slipway.evidence.reasons import EvidenceError, Reason
from slipway.evidence.sequencer import Sequencer
from slipway.evidence.store import MemoryStore
from tests.evidence.world import ORIGIN, OTHER, REVIEW, START, World, play


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.close()


def rows(world):
    return list(
        world.desk.execute(
            "SELECT id, leaf_index, leaf_hash, n, sealed_at FROM evidence_pending ORDER BY seq"
        )
    )


def test_chains_are_gapless_per_review_and_signed(world):
    play(world)
    reader = world.reader
    for review in (REVIEW, OTHER):
        previous = None
        for n, (index, entry) in enumerate(reader.review_entries(review)):
            fields = record.read(entry)
            assert (fields["n"], fields["prev"], fields["log"]) == (n, previous, ORIGIN)
            previous = leaf_hash(entry).hex()
            signer = world.signers[fields["party"]]
            assert fields["sigs"][0]["key"] == signer.vkey
            checkpoint = open_checkpoint(reader.checkpoint(), [world.log_key.verifier], ORIGIN)
            path = reader.inclusion(index, checkpoint.size)
            verify_inclusion(index, checkpoint.size, leaf_hash(entry), path, checkpoint.root)
    assert reader.size == sum(len(reader.review_entries(r)) for r in (REVIEW, OTHER))


def test_what_goes_back_is_where_the_record_is(world):
    play(world)
    for identity, index, leaf, n, sealed_at in rows(world):
        entry = world.reader.entry(index)
        fields = record.read(entry)
        assert (fields["id"], leaf_hash(entry).hex(), fields["n"]) == (identity, leaf, n)
        assert sealed_at.endswith("Z")
        assert world.reader.find(identity) == index
    assert world.source.counts() == (0, len(rows(world)))


def test_group_commit_makes_one_head(world):
    for number in range(300):
        world.act("exchange.opened", "gateway", number=number)
    assert world.sequencer.run_once() == 300
    assert world.reader.head_covering(1).size == 300
    assert world.sequencer.run_once() == 0


def test_handing_over_again_changes_nothing(world):
    play(world)
    size, before = world.reader.size, rows(world)
    world.desk.execute("UPDATE evidence_pending SET leaf_index=NULL, leaf_hash=NULL, n=NULL, sealed_at=NULL")
    assert world.seal_all() == len(before)
    assert world.reader.size == size
    assert [row[:4] for row in rows(world)] == [row[:4] for row in before]


def test_crash_between_commit_and_mark(world, monkeypatch):
    world.act("review.offered", "aurora-lab")

    def die(sealed):
        raise OSError("the desk's disk went away")

    monkeypatch.setattr(world.source, "mark", die)
    with pytest.raises(OSError):
        world.sequencer.run_once()
    monkeypatch.undo()
    assert world.reader.size == 1 and rows(world)[0][1] is None
    assert world.seal_all() == 1
    assert world.reader.size == 1 and rows(world)[0][1] == 0


def test_two_sources_share_one_chain(tmp_path):
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    one, two = map(World, folders)
    one.sequencer.close()
    both = Sequencer(
        one.store, one.journal, one.log_key, one.clock, one.signers.get, [one.source, two.source]
    )
    one.act("review.offered", "aurora-lab")
    two.act("exchange.opened", "gateway")
    one.act("review.agreed", "cyber-agency")
    assert both.run_once() == 3
    assert [record.read(e)["n"] for _, e in one.reader.review_entries(REVIEW)] == [0, 1, 2]
    both.close()
    one.close()
    two.close()


def test_one_bad_draft_blocks_nobody(world):
    world.act("review.offered", "aurora-lab")
    bad = "01970000-0000-7000-8000-0000000000ff"
    world.desk.execute(
        "INSERT INTO evidence_pending (id, review, type, at, party, draft) VALUES (?, ?, 't.t', '', 'x', ?)",
        (bad, REVIEW, b'{"v":1.5}'),
    )
    world.act("review.agreed", "cyber-agency")
    assert world.seal_all() == 2
    assert list(world.sequencer.rejected) == [bad]
    assert world.source.counts() == (1, 2)


def test_same_id_with_other_content_is_rejected(world):
    identity = world.act("review.offered", "aurora-lab")
    world.seal_all()
    world.desk.execute("DELETE FROM evidence_pending")
    other = record.draft(
        type="review.offered", review=REVIEW, party="aurora-lab", body={"x": 1}, at=START, id=identity
    )
    pending.insert(world.desk, other)
    assert world.seal_all() == 0
    assert "another record with this id" in world.sequencer.rejected[identity]
    assert world.reader.size == 1


def test_row_and_draft_must_name_the_same_record(world):
    world.act("review.offered", "aurora-lab")
    world.desk.execute("UPDATE evidence_pending SET review = 'elsewhere'")
    assert world.seal_all() == 0 and world.sequencer.rejected


def test_party_without_key_is_sealed_unsigned(world):
    world.act("review.offered", "somebody-new")
    world.seal_all()
    assert record.read(world.reader.entry(0))["sigs"] == []


def test_second_sequencer_stands_by_and_takes_over(world):
    world.act("review.offered", "aurora-lab")
    world.seal_all()
    from slipway.evidence.heads import HeadJournal
    from slipway.evidence.store import open_sqlite

    store = open_sqlite(world.root / "log.sqlite3", ORIGIN)
    journal = HeadJournal(world.journal.path)
    second = Sequencer(store, journal, world.log_key, world.clock, world.signers.get, [world.source])
    world.act("review.agreed", "cyber-agency")
    assert second.run_once() == 0 and not second.active
    assert world.seal_all() == 1  # the first goes on undisturbed
    world.act("window.opened", "aurora-lab")
    world.sequencer.close()
    assert second.run_once() == 1
    assert journal.last is not None and journal.last.size == 3
    assert [record.read(e)["n"] for _, e in world.reader.review_entries(REVIEW)] == [0, 1, 2]
    second.close()
    store.close()


def test_the_key_must_be_the_logs(world):
    with pytest.raises(EvidenceError) as caught:
        Sequencer(world.store, world.journal, Signer("else", b"k" * 32), world.clock, lambda _: None, [])
    assert caught.value.reason is Reason.LOG_ORIGIN


@pytest.mark.parametrize("step", [timedelta(hours=-1), timedelta(days=366), timedelta(days=-3000)])
def test_a_clock_step_changes_neither_order_nor_lease(world, step):
    world.act("review.offered", "aurora-lab")
    world.seal_all()
    world.clock.step_wall(step)
    world.act("review.agreed", "cyber-agency")
    assert world.seal_all() == 1
    assert [record.read(e)["n"] for _, e in world.reader.review_entries(REVIEW)] == [0, 1]


def test_run_seals_until_it_is_stopped(tmp_path):
    world = World(tmp_path)
    stop = threading.Event()
    thread = threading.Thread(target=world.sequencer.run, args=(stop, 0.01))
    thread.start()
    other = pending.SqlitePending(tmp_path / "desk.sqlite3")
    try:
        for _ in range(5):
            world.act("exchange.opened", "gateway")
        for _ in range(2000):
            if other.counts() == (0, 5):
                break
            stop.wait(0.01)
        assert other.counts() == (0, 5)
    finally:
        stop.set()
        thread.join()
    assert not world.sequencer.active
    other.close()
    world.close()


def test_run_goes_on_after_the_log_could_not_be_written(tmp_path, monkeypatch):
    world = World(tmp_path)
    monkeypatch.setattr("slipway.evidence.sequencer.RETRY_SECONDS", 0.01)
    stop, real, failures = threading.Event(), world.store.commit, []

    def commit(owner, batch):
        if len(failures) < 3:
            failures.append(batch.first)
            raise Unavailable("disk full")
        real(owner, batch)
        stop.set()

    monkeypatch.setattr(world.store, "commit", commit)
    world.act("review.offered", "aurora-lab")
    world.sequencer.run(stop, 0.01)
    assert failures == [0, 0, 0] and world.reader.size == 1
    world.close()


def test_run_gives_up_on_a_log_that_must_not_go_on(world):
    world.act("review.offered", "aurora-lab")
    world.seal_all()
    world.sequencer.close()
    world.store._db().execute("DELETE FROM head; DELETE FROM entry")
    world.restart_sequencer()
    with pytest.raises(EvidenceError) as caught:
        world.sequencer.run(threading.Event())
    assert caught.value.reason is Reason.LOG_ROLLBACK


def test_works_on_any_store(tmp_path):
    world = World(tmp_path, MemoryStore(ORIGIN))
    play(world)
    assert world.reader.size > 10 and isinstance(world.clock, ManualClock)
    world.close()


def test_pending_source_waits_for_a_table_that_is_not_there_yet(tmp_path):
    source = pending.SqlitePending(tmp_path / "later.sqlite3")
    assert source.take(10) == [] and source.counts() == (0, 0)
    source.mark([])
    assert not (tmp_path / "later.sqlite3").exists()


def test_reader_answers(world):
    reader = world.reader
    assert reader.size == 0
    with pytest.raises(NotFound):
        reader.checkpoint()
    play(world)
    size = reader.size
    checkpoint = open_checkpoint(reader.checkpoint(), [world.log_key.verifier], ORIGIN)
    first = reader.head_covering(1)
    path = reader.consistency(first.size, size)
    verify_consistency(first.size, size, path, first.root, checkpoint.root)
    assert reader.receipt("01970000-0000-7000-8000-00000000dead") is None
    identity = rows(world)[3][0]
    assert json.dumps(reader.receipt(identity))
    for call in (lambda: reader.inclusion(0, size + 1), lambda: reader.consistency(1, size + 1)):
        with pytest.raises(EvidenceError) as caught:
            call()
        assert caught.value.reason is Reason.PROOF_SIZES
    with pytest.raises(EvidenceError):
        reader.inclusion(size, size)
    with pytest.raises(NotFound):
        reader.head_covering(size + 1)
