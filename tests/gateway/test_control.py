from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from slipway.base.clock import ManualClock
from slipway.base.errors import Unavailable
from slipway.gateway.control import Follower
from slipway.gateway.grants import Snapshot
from slipway.gateway.store import CONTROL_TABLES, usage_by_grant
from slipway.gateway.store.sqlite import SqliteControl
from tests.gateway.rig import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "data")


def test_columns_of_the_rig_are_the_expected_ones(site: Site) -> None:
    for table, columns in CONTROL_TABLES.items():
        found = tuple(row[1] for row in site.db.execute(f"PRAGMA table_info({table})"))
        assert found == columns


def test_reader_sees_every_change_once(site: Site) -> None:
    source = SqliteControl(site.data.desk_db)
    assert source.changed()
    first = source.read()
    assert not source.changed()
    endpoint = site.endpoint("http://127.0.0.1:1/v1")
    grant = site.grant(endpoint, requests_per_minute=3)
    key = site.key(grant)
    assert source.changed()
    second = source.read()
    assert second.epoch == first.epoch + 3
    assert second.grants[grant].requests_per_minute == 3
    assert second.grants[grant].agreed
    assert len(second.keys) == 1
    assert key not in repr(second)
    assert not source.changed()


def test_commits_that_do_not_touch_access_are_no_change(site: Site) -> None:
    source = SqliteControl(site.data.desk_db)
    source.read()
    site.db.execute("CREATE TABLE something_else (id)")
    assert not source.changed()


def test_replaced_file_is_noticed_and_a_missing_one_is_not_served_from_memory(
    site: Site, tmp_path: Path
) -> None:
    source = SqliteControl(site.data.desk_db)
    source.read()
    moved = tmp_path / "moved"
    os.rename(site.data.desk_db, moved)
    with pytest.raises(Unavailable):
        source.changed()
    Site(tmp_path / "other").db.close()
    os.rename(tmp_path / "other" / "desk.sqlite3", site.data.desk_db)
    assert source.changed()
    assert source.read().epoch == 1


@pytest.mark.parametrize("content", [b"", b"not a database at all, and longer than a header is" * 20])
def test_no_tables_is_unavailable(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "desk.sqlite3").write_bytes(content)
    with pytest.raises(Unavailable):
        SqliteControl(tmp_path / "desk.sqlite3").read()


class Source:
    """A store that answers, refuses, or takes its time, as the test says."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.down = False
        self.slow = timedelta()
        self.epoch = 1

    def changed(self) -> bool:
        self.clock.advance(self.slow)
        if self.down:
            raise Unavailable("gone")
        return True

    def read(self) -> Snapshot:
        self.changed()
        return Snapshot.of(self.epoch, [], [], [])

    def close(self) -> None:
        pass


def follower() -> tuple[Follower, Source, ManualClock]:
    clock = ManualClock(datetime(2026, 6, 20, tzinfo=UTC))
    source = Source(clock)
    return Follower(source, clock), source, clock


def test_nothing_is_fresh_before_the_first_look() -> None:
    made, source, _ = follower()
    source.down = True
    assert not made.poll()
    assert not made.fresh
    source.down = False
    assert made.poll()
    assert made.fresh


def test_lease_runs_out_when_the_store_is_gone_and_comes_back_by_itself() -> None:
    made, source, clock = follower()
    made.poll()
    source.down = True
    clock.advance(timedelta(seconds=0.95))
    made.poll()
    assert made.fresh
    clock.advance(timedelta(seconds=0.1))
    made.poll()
    assert not made.fresh
    source.down, source.epoch = False, 7
    made.poll()
    assert made.fresh
    assert made.snapshot.epoch == 7


def test_a_look_that_took_long_does_not_count_as_fresh() -> None:
    made, source, _ = follower()
    made.poll()
    source.slow = timedelta(seconds=1.5)
    made.poll()
    assert not made.fresh


def test_wall_clock_steps_do_not_prolong_the_lease() -> None:
    made, _, clock = follower()
    made.poll()
    clock.step_wall(timedelta(days=-1))
    clock.advance(timedelta(seconds=1.1))
    assert not made.fresh


def test_usage_of_a_gateway_that_never_ran(tmp_path: Path) -> None:
    assert usage_by_grant(tmp_path / "gateway.sqlite3") == {}
    (tmp_path / "gateway.sqlite3").write_bytes(b"")
    assert usage_by_grant(tmp_path / "gateway.sqlite3") == {}
