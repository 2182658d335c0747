"""The tables that the desk's migrations make are the tables that the gateway reads."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from slipway.gateway.store import CONTROL_TABLES

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("table", sorted(CONTROL_TABLES))
def test_columns_are_equal_and_in_order(table: str) -> None:
    with connection.cursor() as cursor:
        found = [column.name for column in connection.introspection.get_table_description(cursor, table)]
    assert tuple(found) == CONTROL_TABLES[table]


def test_the_epoch_row_is_there_from_the_first_migration(tmp_path: Path) -> None:
    """In a site of its own: a transactional test before this one has emptied the tests' tables."""
    code = "from slipway.desk.project.manage import migrate; migrate()"
    environment = os.environ | {"SLIPWAY_DATA": str(tmp_path / "site"), "SLIPWAY_DATABASE_URL": ""}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    with contextlib.closing(sqlite3.connect(tmp_path / "site" / "desk.sqlite3")) as site:
        assert site.execute("SELECT id, epoch FROM access_control").fetchall() == [(1, 0)]
