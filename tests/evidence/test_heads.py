from __future__ import annotations

import pytest

from slipway.evidence import heads
from slipway.evidence.heads import HeadJournal, read_journal
from slipway.evidence.keys import Signer
from slipway.evidence.merkle import leaf_hash
from slipway.evidence.note import sign_checkpoint
from slipway.evidence.reasons import EvidenceError, Reason
from slipway.evidence.store import Head

SIGNER = Signer("o", b"k" * 32)


def head(size):
    root = leaf_hash(b"%d" % size)
    return Head(size, root, sign_checkpoint("o", size, root, SIGNER))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "heads" / "journal"


def written(path, count=3):
    journal = HeadJournal(path)
    journal.open()
    for size in range(1, count + 1):
        journal.append(head(size))
    journal.close()
    return path.read_bytes()


def test_what_was_appended_is_read_back(path):
    written(path)
    assert read_journal(path) == ([head(1), head(2), head(3)], 0)
    assert path.stat().st_mode & 0o777 == 0o600
    journal = HeadJournal(path)
    assert journal.last is None  # nothing is touched before open
    journal.open()
    assert journal.last == head(3)
    journal.close()


def test_missing_journal_is_empty(path):
    assert read_journal(path) == ([], 0)


def test_every_torn_tail_is_forgiven_and_cut_off(path):
    whole = written(path)
    third = whole.rindex(b"\n", 0, -1) + 1
    for cut in range(third, len(whole), 7):
        path.write_bytes(whole[:cut])
        assert read_journal(path) == ([head(1), head(2)], cut - third)
        journal = HeadJournal(path)
        journal.open()
        assert journal.last == head(2)
        journal.append(head(4))
        journal.close()
        assert read_journal(path) == ([head(1), head(2), head(4)], 0)


def test_garbage_at_the_end_is_forgiven(path):
    whole = written(path)
    path.write_bytes(whole + b"\0" * 100 + b"\n" + b"\0" * 20)
    assert read_journal(path)[1] == 121


def test_damage_in_the_middle_is_not(path):
    whole = bytearray(written(path))
    whole[30] ^= 1
    path.write_bytes(bytes(whole))
    for attempt in (lambda: read_journal(path), HeadJournal(path).open):
        with pytest.raises(EvidenceError) as caught:
            attempt()
        assert caught.value.reason is Reason.JOURNAL_DAMAGED


def test_a_long_journal_is_shortened_to_its_last_head(path, monkeypatch):
    monkeypatch.setattr(heads, "COMPACT_LINES", 5)
    written(path, 6)
    journal = HeadJournal(path)
    journal.open()
    assert journal.last == head(6)
    journal.append(head(7))
    journal.close()
    assert read_journal(path) == ([head(6), head(7)], 0)


def test_a_short_write_closes_the_journal_until_it_is_opened_again(path, monkeypatch):
    written(path, 1)
    journal = HeadJournal(path)
    journal.open()
    whole_write = heads.os.write
    monkeypatch.setattr(heads.os, "write", lambda fd, data: whole_write(fd, data[:10]))
    with pytest.raises(OSError, match="only 10 of"):
        journal.append(head(2))
    monkeypatch.undo()
    with pytest.raises(OSError):
        journal.append(head(2))
    journal.open()
    journal.append(head(2))
    journal.close()
    assert read_journal(path) == ([head(1), head(2)], 0)
