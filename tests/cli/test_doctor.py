"""Doctor's words on the desk's database: they must not advise what `slipway up` refuses."""

from __future__ import annotations

import sqlite3

import pytest

from slipway.base.results import Status
from slipway.cli.doctor import machine


def test_an_old_sqlite_is_told_with_what_is_at_risk_and_without_a_wrong_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SLIPWAY_DATABASE_URL", raising=False)
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 40, 1))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.40.1")
    check = machine._sqlite_of_desk()
    assert check.status is Status.NOT_CHECKED
    for words in ("3.40.1", "3.51.3", "desk.sqlite3", "docs/decisions/0071"):
        assert words in check.reason
    assert "PostgreSQL" not in check.reason
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 3))
    assert machine._sqlite_of_desk().status is Status.PASS


def test_a_desk_on_postgresql_does_not_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_DATABASE_URL", "postgres://desk@127.0.0.1/desk")
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 40, 1))
    check = machine._sqlite_of_desk()
    assert (check.status, "not used" in check.reason) == (Status.PASS, True)
